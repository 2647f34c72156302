"""What the journal of one medium tells: which attempt, how far, and how it ended.

The journal of a medium lies at `journals/ORDER/MEDIUM.journal`. Its lines, in the order in which they may come:

    opened                              order, medium, training
    uncovering  uncovered               a hidden area is opened: what is wanted, then what the drive said
    planned                             an attempt begins: identity of the drive, method, pattern, sampling, operator
    surveyed                            what was recognised before the first byte changed
    marking  marked                     where marks of the control go and their seed; then how many were found again
    started
    spread  commanded  answered*  obeyed                    a drive command: the pattern before it, what the drive said,
                                        and how much of the pattern was left; only where one was planned
    progress*  (resumed progress*)*  written                the overwrite, with checkpoints; of several passes, each
                                        but the last ends with `passed`
    checking  checked                   the full read, from the start each time
    finished | failed                   the end of the attempt: wiped, not wiped, or why it broke off
    phone-...                           the reset of a phone (phone_story)
    photographed*  destroyed | absent   the other ends of a medium: what two people saw, and the pictures of it

Times are the station's clock and may go back from one line to the next, when somebody sets it. The order of the lines
is their order in the file, which the hashes hold; no time is ever compared to say what came first. A certificate whose
times contradict each other does not verify and is not issued.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wipe_agent.errors import JournalDamaged
from wipe_agent.jobs.phone_story import phone_attempts
from wipe_agent.journal import Journal, Line, parse
from wipe_agent.keys import Home
from wipe_agent.media import Identity

DRIVE_EVENTS = ("spread", "commanded", "answered", "obeyed", "observed")
"""What the drive itself was told and said; `commanding` makes sense of it."""


@dataclass
class Attempt:
    """One overwrite from the first byte on. `phase` is the last thing that was noted.

    `done` and `bad_at` are of the pass at hand, `passed` counts those before it; the pass that met most bad blocks
    counts, for a block that missed one pass missed one.
    """

    planned: Line
    phase: str = "planned"
    done: int = 0
    bad_blocks: int = 0
    bad_at: list[list[int]] = field(default_factory=list)
    passed: int = 0
    worst_pass: int = 0
    surveyed: Line | None = None
    marking: Line | None = None
    marked: Line | None = None
    started: str | None = None
    written: str | None = None
    checked: Line | None = None
    drive: list[Line] = field(default_factory=list)
    result: str | None = None
    reason: str = ""

    @property
    def identity(self) -> Identity:
        """The drive as it was when the attempt was planned."""
        return Identity.from_dict(self.planned["identity"])

    @property
    def worst_bad_blocks(self) -> int:
        """The most bad blocks that any of its passes met."""
        return max(self.bad_blocks, self.worst_pass)

    @property
    def open(self) -> bool:
        """Broken off without a word: it can be gone on with."""
        return self.result is None


@dataclass
class MediumStory:
    """The journal of a medium, understood. `attempts` in order; `destroyed` is the line of its destruction, `absent`
    that it was not there, `photographs` the lines of what was kept to show either.
    """

    attempts: list[Attempt] = field(default_factory=list)
    destroyed: Line | None = None
    absent: Line | None = None
    photographs: list[Line] = field(default_factory=list)
    opened: Line | None = None
    uncovered: list[Line] = field(default_factory=list)
    phone: list[Line] = field(default_factory=list)

    @property
    def last(self) -> Attempt | None:
        """The newest attempt, the only one that may still be open."""
        return self.attempts[-1] if self.attempts else None

    @property
    def wiped(self) -> bool:
        """Whether the newest attempt ended with every byte read back."""
        return self.last is not None and self.last.result == "wiped"

    @property
    def worst_bad_blocks(self) -> int:
        """The most bad blocks that any attempt met; a drive that hides them later has met them all the same."""
        return max((attempt.worst_bad_blocks for attempt in self.attempts), default=0)

    def say(self) -> str:
        """Where the medium stands, in words."""
        if self.destroyed is not None:
            return "recorded as destroyed"
        if self.absent is not None:
            return "recorded as absent"
        if self.phone:
            return phone_attempts(self.phone)[-1].say()
        if self.last is None:
            return "not begun"
        if self.last.result == "wiped":
            return "wiped and read back"
        if self.last.result is not None:
            return f"{self.last.result}: {self.last.reason}"
        if self.last.phase == "planned" and self.last.marking is not None:
            return "planned, marks of the control planted, nothing else overwritten yet"
        again = f" for the {self.last.passed + 1}. time" if self.last.passed else ""
        return {
            "planned": "planned, nothing overwritten yet",
            "started": f"broken off after {self.last.done} bytes were overwritten{again}",
            "written": "overwritten, not read back yet",
        }[self.last.phase]


def journal_path(home: Home, order_code: str, medium_id: str) -> Path:
    """Where the journal of a medium lies."""
    return home.journals / order_code / f"{medium_id.removeprefix('urn:uuid:')}.journal"


def open_journal(home: Home, order_code: str, medium_id: str) -> Journal:
    """Open and lock the medium's journal. Raises as `Journal.open`."""
    return Journal.open(journal_path(home, order_code, medium_id))


def decided_certificate(home: Home, order_code: str) -> Line | None:
    """What `certify` noted before it published, if it came so far. A line that a crash tore off is not there yet."""
    path = journal_path(home, order_code, "certificate")
    try:
        lines, _, _ = parse(path.read_bytes(), path.name)
    except FileNotFoundError:
        return None
    return lines[0] if lines else None


def read_story(lines: Sequence[Line], name: str) -> MediumStory:
    """Understand the lines. Raises JournalDamaged if they do not make sense in this order."""
    story = MediumStory()
    for line in lines:
        try:
            _take(story, line)
        except JournalDamaged as error:
            raise JournalDamaged(f"Line {line['n'] + 1} of the journal {name} makes no sense there: {error}.") from None
        except (KeyError, TypeError) as error:
            raise JournalDamaged(f"Line {line['n'] + 1} of the journal {name} makes no sense there.") from error
    return story


def _take(story: MediumStory, line: Line) -> None:
    event = line["event"]
    if event == "opened":
        story.opened = line
    elif event == "planned":
        Identity.from_dict(line["identity"])
        story.attempts.append(Attempt(planned=line))
    elif event == "destroyed":
        story.destroyed = line
    elif event in ("uncovering", "uncovered"):
        story.uncovered.append(line)
    elif event == "absent":
        story.absent = line
    elif event == "photographed":
        story.photographs.append(line)
    elif event.startswith("phone-"):
        story.phone.append(line)
        phone_attempts(story.phone)
    elif story.last is None:
        raise JournalDamaged(f"“{event}” comes before an attempt began")
    else:
        _take_step(story.last, event, line)


# What was seen or planted, each kept as the line that says so.
_LOOKS = ("surveyed", "marking", "marked", "checked")


def _take_step(attempt: Attempt, event: str, line: Line) -> None:
    """A step of the running attempt."""
    if attempt.result is not None:
        raise JournalDamaged(f"“{event}” comes after the end of the attempt")
    if event in _LOOKS:
        setattr(attempt, event, line)
    elif event == "started":
        attempt.phase, attempt.started = "started", line["at"]
    elif event in ("progress", "written"):
        if event == "written":
            attempt.phase, attempt.written = "written", line["at"]
        attempt.done, attempt.bad_blocks = line["done"], line["bad_blocks"]
        attempt.bad_at = [list(one) for one in line.get("bad_at", [])]
    elif event == "passed":
        attempt.passed, attempt.worst_pass = line["number"], max(attempt.worst_pass, line["bad_blocks"])
        attempt.done, attempt.bad_blocks, attempt.bad_at = 0, 0, []
    elif event in DRIVE_EVENTS:
        attempt.drive.append(line)
    elif event == "finished":
        attempt.result, attempt.reason = line["result"], line["reason"]
    elif event == "failed":
        attempt.result, attempt.reason = "failed", line["reason"]
    elif event not in ("resumed", "checking"):
        raise JournalDamaged(f"“{event}” is unknown")
