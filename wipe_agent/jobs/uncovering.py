"""Open what a drive hides of itself before it is wiped: noted first, then done, then looked at, and noted again.

The attempt does not go on in the same run. The kernel keeps the size that it read when the drive was connected, and an
overwrite would stop there; so the drive loses its power for a moment, and the next run sees all of it.
"""

from __future__ import annotations

from wipe_agent import methods
from wipe_agent.errors import DeviceChanged, MethodRefused
from wipe_agent.jobs.orders import OrderMedium
from wipe_agent.jobs.story import MediumStory
from wipe_agent.journal import Journal
from wipe_agent.media import Facts, Runner
from wipe_agent.methods import State


def uncover(journal: Journal, medium: OrderMedium, facts: Facts, run: Runner, operator: str) -> None:
    """Open it. Always raises: DeviceChanged where the drive has grown, MethodRefused where it did not let itself."""
    todo = methods.opening(facts, run)
    if todo is None:
        raise MethodRefused(
            f"{medium.name_to_type} hides a part of itself ({facts.hidden.says}), and does not say how it is opened.",
        )
    journal.append(
        "uncovering",
        what=todo.what,
        size=facts.size,
        wanted=todo.size,
        command=" ".join(todo.command(facts.path)),
        operator=operator,
    )
    answer = methods.open_hidden(todo, facts, run)
    runs = [ran.as_facts() for ran in answer.runs]
    journal.append(
        "uncovered",
        what=todo.what,
        size=facts.size,
        wanted=todo.size,
        state=answer.state.value,
        says=answer.says,
        runs=runs,
        rehearsal=run.rehearsal or answer.rehearsal,
    )
    if answer.state is not State.DONE:
        raise MethodRefused(f"{medium.name_to_type} still hides a part of itself. {answer.says}")
    raise DeviceChanged(
        f"{medium.name_to_type} had {facts.size} bytes and has {todo.size} now: its {todo.what} is open. "
        "Nothing was overwritten yet.",
        next_step="Take the drive's power away for a moment, connect it again, and run the same command again.",
    )


def grown_to(story: MediumStory) -> int | None:
    """The size that the drive has since it was told to open itself; None if it was not."""
    return int(story.uncovered[-1]["wanted"]) if story.uncovered else None


def said_of(story: MediumStory) -> str:
    """For the certificate: what was opened before the wipe, if the drive that was wiped has it."""
    seen = [line for line in story.uncovered if line["event"] == "uncovered" and not line["rehearsal"]]
    if not seen or seen[-1]["state"] != State.DONE.value or story.attempts[-1].identity.size < seen[-1]["wanted"]:
        return ""
    return f"{seen[-1]['wanted'] - seen[0]['size']} bytes that the drive hid ({seen[-1]['what']}) were opened before. "
