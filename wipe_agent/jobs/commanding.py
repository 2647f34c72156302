"""Let a drive sanitise itself, and do not believe it.

A pattern is spread over the medium and seen to stand. The command is noted, then given, then looked at until the drive
says that it is through. Then the pattern must be gone. A process that was killed meanwhile comes back to the drive and
asks: a running sanitise is waited for, anything else is given again. A rehearsal never counts: `why_not_obeyed` is the
one place that says so, and both the end of the attempt and the certificate ask it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict

from wipe_agent import media, methods
from wipe_agent.errors import MethodRefused, NotWiped, TargetBusy
from wipe_agent.jobs import planning
from wipe_agent.jobs.story import Attempt
from wipe_agent.journal import Journal, Line
from wipe_agent.media import Runner, Target
from wipe_agent.methods import Answer, Spread, State

_OTHERWISE = "Run wipe-agent plan to see what else does, and wipe again: the next attempt takes another method."


def needs_command(attempt: Attempt) -> bool:
    """Whether a drive command was planned and is not through yet."""
    return planned_method(attempt).how == "command" and _last(attempt, "obeyed") is None


def planned_method(attempt: Attempt) -> methods.Method:
    """The method of the attempt. Lines of an older version do not name one: they mean zeros."""
    return methods.METHODS[attempt.planned.get("method", "overwrite-zeros")]


def command_drive(
    journal: Journal,
    attempt: Attempt,
    target: Target,
    run: Runner,
    *,
    psid: str | None,
    progress: Callable[[int], None],
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Carry the planned command to its end, with a line for each step.

    Raises MethodRefused (refused, frozen, not supported, hung: nothing is known to be erased), NotWiped (failed, or the
    drive says that it is through and the pattern still stands) and TargetBusy (it goes on by itself; come back later).
    """
    method = planned_method(attempt)
    if method.command is None:
        raise MethodRefused(f"{method.name} is no command of a drive.")
    facts = planning.look(target.path, target.identity, run)
    spread = _spread(journal, attempt, target, progress)
    begun = _last(attempt, "commanded") is not None
    if not begun:
        attempt.drive.append(journal.append("commanded", method=method.name, path=str(target.path)))
    answer = methods.carry_through(
        method.command(psid),
        facts,
        run,
        begun=begun,
        told=lambda one: progress(target.size * (one.permille or 0) // 1000),
        pause=pause,
    )
    _note_answer(journal, attempt, answer, psid)
    if answer.state is State.TIMED_OUT and method.keeps_going:
        raise TargetBusy(
            f"{answer.says} What the drive has begun cannot be stopped; it goes on by itself, also after a power cut.",
            next_step="Leave the drive powered and run the same command again later: it is picked up where it is.",
        )
    if answer.state is not State.DONE:
        _end(journal, attempt, answer)
    target.forget()
    left = methods.left_of(target, spread)
    attempt.drive.append(journal.append("obeyed", left=left, of=len(spread.places())))


def why_not_obeyed(attempt: Attempt) -> str | None:
    """Why what tools and drive said cannot stand for a wipe, as a sentence; None if it can."""
    if attempt.planned.get("rehearsal") or any(line.get("rehearsal") for line in attempt.drive):
        return "It was a rehearsal: recorded answers were replayed, and no drive did anything."
    if planned_method(attempt).how != "command":
        return None
    answered, obeyed = _last(attempt, "answered"), _last(attempt, "obeyed")
    if answered is None or answered["state"] != State.DONE.value or obeyed is None:
        return "The drive's own command did not come to its end."
    if obeyed["left"]:
        return (
            f"The drive says that it did what it was told, and {obeyed['left']} of {obeyed['of']} places still hold "
            "what was written there before. It did not."
        )
    return None


def said_by_drive(attempt: Attempt) -> str:
    """For the certificate: what the drive said and what became of the pattern; empty for an overwrite alone."""
    obeyed, spread = _last(attempt, "obeyed"), _last(attempt, "spread")
    if obeyed is None or spread is None or planned_method(attempt).how != "command":
        return ""
    return (
        f"The drive reported its own command ({planned_method(attempt).technique}) as completed. A pattern was written "
        f"to {obeyed['of']} places before it; at {obeyed['left']} of them it stood afterwards. "
    )


def observe_after(journal: Journal, attempt: Attempt, target: Target, run: Runner) -> None:
    """Note how the drive feels after the work, beside what `planned` says of before."""
    health = planning.look(target.path, target.identity, run).health
    if health != media.Health():
        attempt.drive.append(journal.append("observed", health=asdict(health)))


def _spread(journal: Journal, attempt: Attempt, target: Target, progress: Callable[[int], None]) -> Spread:
    """The pattern of this attempt; written once, unless the work broke off before the command was given."""
    noted = _last(attempt, "spread")
    if noted is None:
        spread = Spread(secrets.token_hex(16), target.size)
        attempt.drive.append(journal.append("spread", **spread.as_facts()))
    else:
        spread = Spread(noted["seed"], noted["size"])
    if _last(attempt, "commanded") is None:
        methods.write_spread(target, spread, progress=progress)
    return spread


def _note_answer(journal: Journal, attempt: Attempt, answer: Answer, psid: str | None) -> None:
    runs = [ran.as_facts() for ran in answer.runs]
    if psid:  # Whoever has it can erase the drive: it has no place in a journal.
        runs = [{**one, "command": str(one["command"]).replace(psid, "PSID")} for one in runs]
    line = journal.append(
        "answered", state=answer.state.value, says=answer.says, rehearsal=answer.rehearsal, runs=runs
    )  # fmt: skip
    attempt.drive.append(line)


def _end(journal: Journal, attempt: Attempt, answer: Answer) -> None:
    """The command did not do it. The attempt ends here, in words."""
    name = planned_method(attempt).name
    reason = f"{name}: {answer.says}"
    if answer.state is State.FAILED:
        journal.append("finished", result="not wiped", reason=reason)
        raise NotWiped(f"The medium is not wiped. {reason}")
    journal.append("failed", reason=reason)
    raise MethodRefused(f"{reason} The medium is not wiped.", next_step=_OTHERWISE)


def _last(attempt: Attempt, event: str) -> Line | None:
    return next((line for line in reversed(attempt.drive) if line["event"] == event), None)
