"""Wipe one medium of an order: plan it, note it, do it, check it, note that.

The journal is on disk before the first byte changes and at every checkpoint. Killed anywhere, the same command
goes on where the journal stands, after it has made sure that it is still the same drive. An attempt that ended in
words (a failed sync, a bad block, something left over) is not gone on with: the next one begins at the first byte.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wipe_agent import __version__, check, keys, media, methods
from wipe_agent.errors import (
    DeviceChanged,
    JournalDamaged,
    NotWiped,
    OrderRefused,
    TrainingTarget,
    WriteFailed,
    WrongSerial,
)
from wipe_agent.jobs import checking, commanding, planning, uncovering
from wipe_agent.jobs.orders import Order, OrderMedium, load_order
from wipe_agent.jobs.people import person
from wipe_agent.jobs.planning import Wish
from wipe_agent.jobs.standings import require_open
from wipe_agent.jobs.story import Attempt, MediumStory, decided_certificate, journal_path, open_journal, read_story
from wipe_agent.journal import Journal, Line, parse, set_aside
from wipe_agent.media import Identity, Runner, Target

TOOL = "wipe-agent"


@dataclass(frozen=True)
class Progress:
    """Whom to tell how it goes: `step` at each new stage with its size in bytes, `at` with the bytes done."""

    step: Callable[[str, int], None] = lambda name, size: None
    at: Callable[[int], None] = lambda done: None
    note: Callable[[str], None] = lambda text: None


@dataclass
class Wiped:
    """What became of it. `again` says that it had been finished before this call."""

    order: str
    medium: str
    serial: str
    size: int
    training: bool
    bad_blocks: int
    resumed_at: int | None
    again: bool = False
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    technique: str = ""
    level: str = ""
    evidence_class: str = ""
    why: str = ""


def wipe(
    home: keys.Home,
    *,
    order_code: str,
    target_path: Path,
    medium_named: str | None,
    typed: Callable[[str], str],
    operator: str,
    image: bool = False,
    start_over: bool = False,
    wish: Wish | None = None,
    sampling: tuple[int, int] | None = None,
    run: Runner | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> Wiped:
    """Wipe the drive at `target_path`, the medium `medium_named` of the order, as planned, and read it all back.

    `typed` is asked for the serial that the operator types. `wish` and `sampling` (share and confidence per million;
    samples are then read back instead of everything) hold for a new attempt; one that is gone on with keeps what it was
    planned with. `run` asks the tools; a replay makes it a rehearsal, which never counts. Raises NotWiped when the
    drive was not fully wiped or something is left on it, and an error in words for each thing refused; then nothing on
    the drive changed.
    """
    progress = progress or Progress()
    operator = person(operator, "operator")
    check.self_test()
    order = load_order(home, order_code)
    medium = order.medium(medium_named)
    wish, run = wish or Wish(), run or media.SystemRunner()
    with media.open_target(target_path, image=image) as target:
        _require_right_drive(order, medium, target.identity, sized=not wish.open_hidden)
        _require_typed(typed, medium, target)
        if start_over:
            _set_aside_if_damaged(home, order, medium)
        with open_journal(home, order.code, medium.id) as journal:
            story = read_story(journal.lines, journal.path.name)
            if not start_over:
                _require_same_drive(story, target)
            if story.wiped and story.destroyed is None and not start_over:
                return _result(order, medium, story, resumed_at=None, again=True)
            _require_not_ended(home, order, medium, story)
            _require_no_twin(home, order, medium, target.identity)
            resumed_at = _prepare(
                home,
                journal,
                story,
                order,
                medium,
                target,
                wish,
                sampling,
                run,
                operator,
                start_over,
                now or datetime.now(UTC),
            )
            story = read_story(journal.lines, journal.path.name)
            if resumed_at is None:
                _say_plan(medium, story.attempts[-1].planned, progress)
            _carry_out(journal, story, target, progress, run, wish)
            story = read_story(journal.lines, journal.path.name)
            if not story.wiped:
                raise NotWiped(f"{medium.name_to_type} is not wiped: {story.attempts[-1].reason}")
            return _result(order, medium, story, resumed_at=resumed_at)


def _say_plan(medium: OrderMedium, planned: Line, progress: Progress) -> None:
    progress.note(planned["why"])
    gate = methods.POLICIES["market"]
    if not gate.admits(medium.kind, planned["level"], planned["evidence_class"]):
        progress.note(f"Take care: {gate.title} does not admit this, so the device will not be cleared by it.")


def _require_right_drive(order: Order, medium: OrderMedium, identity: Identity, *, sized: bool = True) -> None:
    """The drive in hand may be the medium that the order means. Raises TrainingTarget, WrongSerial, DeviceChanged.

    `sized` is off where the drive hides a part of itself and is about to show it: its size is then looked at later.
    """
    if identity.training and not order.training:
        raise TrainingTarget(f"The target is {identity.training_reason}, and order {order.code} is a live one.")
    if identity.serial is None and not identity.training:
        raise WrongSerial(
            "The drive reports no serial number (an adapter may hide it), so it cannot be told apart.",
            next_step="Connect it directly, without an adapter.",
        )
    for name, ordered, seen in (
        ("serial number", media.clean(medium.serial), identity.serial),
        ("WWN", medium.wwn, identity.wwn),
    ):
        if ordered and seen and ordered != seen:
            raise WrongSerial(f"This drive's {name} is {seen}; order {order.code} means the one with {ordered}.")
    if sized:
        _require_size(order, medium, identity)


def _require_size(order: Order, medium: OrderMedium, identity: Identity) -> None:
    """The drive is as large as the order says. Raises DeviceChanged."""
    # At the bench a size is read off a label and rounded; a difference beyond that is another drive, or a part of it.
    if medium.size_bytes and not order.training and abs(identity.size - medium.size_bytes) > medium.size_bytes // 50:
        raise DeviceChanged(
            f"The order says {medium.size_bytes} bytes and this drive has {identity.size}: more than 2 % apart.",
            next_step="Look for a hidden area (HPA; --open-hidden opens it) or a mix-up, and ask the marketplace for a "
            "corrected order.",
        )


def _require_typed(typed: Callable[[str], str], medium: OrderMedium, target: Target) -> None:
    said = typed(
        f"All data on {target.path} ({target.size:,} bytes) will be destroyed. Type its serial number: "
    ).strip()
    if not media.same_typed(said, medium.name_to_type):
        raise WrongSerial(f"You typed {said[:80]!r}; the order's medium has another serial number.")


def _require_same_drive(story: MediumStory, target: Target) -> None:
    """Also after an attempt that failed in words: a drive that was cut does not pass as a smaller one."""
    before = story.last.identity if story.last is not None else None
    if before is not None and target.size == uncovering.grown_to(story):
        before = replace(before, size=target.size)
    difference = before.difference(target.identity) if before is not None else None
    if difference:
        raise DeviceChanged(f"This is not the drive that the work began on: {difference}.")


def _require_not_ended(home: keys.Home, order: Order, medium: OrderMedium, story: MediumStory) -> None:
    if decided_certificate(home, order.code) is not None:
        raise OrderRefused(f"Order {order.code} is certified already.", next_step="Ask for a new work order.")
    if story.destroyed is not None:
        raise OrderRefused(f"{medium.name_to_type} is recorded as destroyed.", next_step="Run: wipe-agent certify")
    if story.absent is not None:
        raise OrderRefused(f"{medium.name_to_type} is recorded as absent.", next_step="Ask for a new work order.")


def _require_no_twin(home: keys.Home, order: Order, medium: OrderMedium, identity: Identity) -> None:
    """One drive stands for one medium: the same drive is not wiped as two of an order. Raises WrongSerial."""
    for other in order.media:
        path = journal_path(home, order.code, other.id)
        if other.id == medium.id or not path.exists():
            continue
        last = read_story(parse(path.read_bytes(), path.name)[0], path.name).last
        if last is not None and last.result in (None, "wiped") and last.identity.difference(identity) is None:
            raise WrongSerial(
                f"This drive was taken as {other.name_to_type} of the same order already. One drive is one medium.",
                next_step=f"Look for the drive that is {medium.name_to_type}, and name that one.",
            )


def _set_aside_if_damaged(home: keys.Home, order: Order, medium: OrderMedium) -> None:
    try:
        with open_journal(home, order.code, medium.id) as journal:
            read_story(journal.lines, journal.path.name)
    except JournalDamaged:
        set_aside(journal_path(home, order.code, medium.id))


def _prepare(
    home: keys.Home,
    journal: Journal,
    story: MediumStory,
    order: Order,
    medium: OrderMedium,
    target: Target,
    wish: Wish,
    sampling: tuple[int, int] | None,
    run: Runner,
    operator: str,
    start_over: bool,
    now: datetime,
) -> int | None:
    """Go on with an attempt that broke off, or plan a new one. Returns the byte that work goes on from, if it does."""
    last = story.last
    if last is not None and last.open and not start_over:
        if last.phase != "planned":
            journal.append("resumed", done=last.done, path=str(target.path), operator=operator)
        return last.done
    if last is not None and last.result == "not wiped" and not start_over:
        raise NotWiped(
            f"{medium.name_to_type} was not wiped by the last attempt: {last.reason}",
            next_step="Destroy it (wipe-agent certify --destroyed SERIAL ...), or try once more with --start-over.",
        )
    require_open(home, order, now)
    facts = planning.look(target.path, target.identity, run)
    host = planning.host_of(order, facts, in_device=wish.in_device)
    if facts.hidden.size and wish.open_hidden:
        _open_journal(journal, story, order, medium)
        uncovering.uncover(journal, medium, facts, run, operator)
    _require_size(order, medium, target.identity)
    chosen = planning.plan_for(home, medium, story, facts, wish, now)
    _open_journal(journal, story, order, medium)
    journal.append(
        "planned",
        attempt=len(story.attempts) + 1,
        identity=target.identity.as_dict(),
        path=str(target.path),
        direct=target.direct,
        operator=operator,
        tool=TOOL,
        tool_version=__version__,
        **planning.planned_facts(chosen, facts, host, run),
        **checking.plan(order, medium, chosen.method, sampling=sampling),
    )
    return None


def _open_journal(journal: Journal, story: MediumStory, order: Order, medium: OrderMedium) -> None:
    if story.opened is None:
        journal.append("opened", order=order.id, medium=medium.id, serial=medium.serial, training=order.training)


def _carry_out(
    journal: Journal, story: MediumStory, target: Target, progress: Progress, run: Runner, wish: Wish
) -> None:
    attempt = story.attempts[-1]
    try:
        if attempt.phase == "planned":
            _look_before(journal, attempt, target, progress)
        if attempt.phase != "written":
            _change(journal, attempt, target, progress, run, wish)
        if attempt.checked is None:
            checking.look_after(journal, attempt, target, progress.step, progress.at)
            commanding.observe_after(journal, attempt, target, run)
    except (WriteFailed, DeviceChanged) as error:
        journal.append("failed", reason=error.message)
        raise
    _finish(journal)


def _look_before(journal: Journal, attempt: Attempt, target: Target, progress: Progress) -> None:
    if attempt.surveyed is None:
        progress.step("looking at what is there", target.size)
        # On a large drive a sample is looked at; the bar shows its share of the whole.
        seen = check.survey(
            target,
            seed=secrets.randbits(32),
            progress=lambda looked, of: progress.at(target.size * looked // of if of else target.size),
        )
        journal.append("surveyed", **seen.as_facts())
    checking.plant_marks(journal, attempt, target)
    journal.append("started")


def _change(journal: Journal, attempt: Attempt, target: Target, progress: Progress, run: Runner, wish: Wish) -> None:
    """The drive's own command where one was planned, then the overwrite, unless the command was planned alone."""
    if commanding.needs_command(attempt):
        progress.step(f"the drive sanitises itself ({commanding.planned_method(attempt).name})", target.size)
        commanding.command_drive(journal, attempt, target, run, psid=wish.psid, progress=progress.at)
    refused = commanding.why_not_obeyed(attempt)
    if refused and commanding.planned_method(attempt).how == "command":
        journal.append("finished", result="not wiped", reason=refused)
        raise NotWiped(f"The medium is not wiped. {refused}")
    if commanding.planned_method(attempt).how == "command" and not attempt.planned["settle"]:
        journal.append("written", done=target.size, bad_blocks=0)
        return
    _overwrite(journal, attempt, target, progress)


def _overwrite(journal: Journal, attempt: Attempt, target: Target, progress: Progress) -> None:
    """Pass after pass; one that was finished before a break is not made again."""
    passes = checking.passes_of(attempt)
    for number, pattern in enumerate(passes, 1):
        if number <= attempt.passed:
            continue
        which = f" (pass {number} of {len(passes)})" if len(passes) > 1 else ""
        progress.step(
            f"overwriting with {'zeros' if pattern.kind == 'zeros' else 'a random stream'}{which}", target.size
        )
        outcome = methods.overwrite_with(
            target,
            pattern,
            methods.Outcome(attempt.done, attempt.bad_blocks, attempt.bad_at),
            checkpoint=lambda so_far: journal.append("progress", **asdict(so_far)),
            progress=progress.at,
        )
        if number == len(passes):
            journal.append("written", **asdict(outcome))
        else:
            journal.append("passed", number=number, bad_blocks=outcome.bad_blocks, bad_at=outcome.bad_at)
            attempt.done, attempt.bad_blocks, attempt.bad_at = 0, 0, []


def _finish(journal: Journal) -> None:
    """The judgement follows from the journal alone."""
    attempt = read_story(journal.lines, journal.path.name).attempts[-1]
    reason = why_not_wiped(attempt)
    journal.append("finished", result="not wiped" if reason else "wiped", reason=reason or "")


def why_not_wiped(attempt: Attempt) -> str | None:
    """Why an attempt cannot stand as a wipe, as a sentence; None if it can."""
    size = attempt.identity.size
    if (refused := commanding.why_not_obeyed(attempt)) is not None:
        return refused
    if attempt.written is None or attempt.done != size:
        return f"Only {attempt.done} of {size} bytes were overwritten."
    if attempt.passed != len(checking.passes_of(attempt)) - 1:
        return f"Only {attempt.passed + 1} of {len(checking.passes_of(attempt))} passes were made."
    if bad_blocks := attempt.worst_bad_blocks:
        share = bad_blocks * 4096 * 100 / size
        return f"{bad_blocks} blocks of 4 KiB did not take the overwrite ({share:.4f} % of the drive)."
    return checking.why_not_clean(attempt)


def _result(
    order: Order, medium: OrderMedium, story: MediumStory, *, resumed_at: int | None, again: bool = False
) -> Wiped:
    attempt = story.attempts[-1]
    return Wiped(
        order=order.code,
        medium=medium.id,
        serial=medium.serial,
        size=attempt.identity.size,
        training=order.training,
        bad_blocks=attempt.worst_bad_blocks,
        resumed_at=resumed_at,
        again=again,
        before=(attempt.surveyed or {}).get("found", {}),
        after=attempt.checked or {},
        technique=attempt.planned["technique"],
        level=attempt.planned["level"],
        evidence_class=attempt.planned.get("evidence_class", "full-read"),
        why=attempt.planned.get("why", ""),
    )
