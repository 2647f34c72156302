"""The board: one row for each drive, and how the row changes with what its process says.

Pure: times come in as `now` in seconds of a clock that only goes forward, bytes are bytes, temperatures are degrees
Celsius. The supervisor feeds it, the screen and the plain lines show it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Event = dict[str, Any]

RATE_OVER_SECONDS = 10.0
SILENT_AFTER_SECONDS = 120.0


class State(StrEnum):
    """Where a drive stands, in the words that are shown. Only `WIPED` and `CERTIFIED` are good ends."""

    HELD = "not to be wiped"
    ABSENT = "not here"
    WAITING = "scan to begin"
    RUNNING = "at work"
    PAUSING = "pausing"
    PAUSED = "paused"
    STOPPING = "stopping"
    WIPED = "WIPED"
    CERTIFIED = "certified"
    NOT_WIPED = "NOT WIPED"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNFINISHED = "unfinished"


BUSY = frozenset({State.RUNNING, State.PAUSING, State.STOPPING})
"""A process is at work and the drive must stay where it is."""

DONE = frozenset({State.WIPED, State.CERTIFIED})
"""Nothing is left to do to the drive itself."""

MAY_BEGIN = frozenset({State.WAITING, State.PAUSED, State.CANCELLED, State.UNFINISHED, State.FAILED, State.REFUSED})
"""Confirmed by its serial, a drive in one of these is begun or gone on with."""


@dataclass(frozen=True)
class Job:
    """One medium of one order, and the drive that it is thought to be."""

    order: str
    medium: str  # what the operator types or scans: the serial, else the id of the medium
    target: str
    image: bool = False
    start_over: bool = False


class Stop(StrEnum):
    """What stopping means in a stage.

    `ENDS`: the process ends at the next chunk and the journal stands at a checkpoint. `HOLDS`: the work stands still at
    the next chunk and would have to begin anew if the process ended. `WAITS`: the drive works by itself and cannot be
    stopped by anybody.
    """

    ENDS = "ends"
    HOLDS = "holds"
    WAITS = "waits"


def stop_in(stage: str) -> Stop:
    """What stopping means in the stage of this name: "the drive ..." is its own work, "overwriting" has checkpoints."""
    if stage.startswith("the drive"):
        return Stop.WAITS
    return Stop.ENDS if stage.startswith("overwriting") else Stop.HOLDS


@dataclass
class Row:
    """One drive on the board."""

    name: str
    job: Job | None = None
    state: State = State.WAITING
    model: str = ""
    serial: str = ""
    size: int = 0
    training: bool = False
    part: str = ""  # Which of its device's media it is, such as "1 of 2"; empty where it is the only one.
    stage: str = ""
    stage_size: int = 0
    done: int = 0
    temperature: int | None = None
    message: str = ""
    advice: str = ""
    kind: str = ""  # of the error it ended with
    typed: str | None = None
    asked: str | None = None
    holds: bool = False  # Its process is there and stands still.
    again: bool = False
    resumed_at: int | None = None
    samples: deque[tuple[float, int]] = field(default_factory=deque)
    moved_at: float = 0.0
    began_at: float = 0.0
    heard_at: float = 0.0

    @property
    def key(self) -> str:
        """What tells this row from every other: the medium, where there is one, else the path."""
        return f"{self.job.order}/{self.job.medium}" if self.job else self.name

    @property
    def share(self) -> float | None:
        """Percent of the stage that is done, 0 to 100; None before there is a stage."""
        return min(100.0, 100.0 * self.done / self.stage_size) if self.stage_size else None

    @property
    def rate(self) -> float | None:
        """Bytes in a second over the last ten seconds; None while it cannot be said."""
        if self.state is not State.RUNNING or len(self.samples) < 2:
            return None
        (began, first), (ended, last) = self.samples[0], self.samples[-1]
        return (last - first) / (ended - began) if ended > began and last > first else None

    @property
    def seconds_left(self) -> float | None:
        """An estimate for this stage; None while it cannot be said."""
        rate = self.rate
        return (self.stage_size - self.done) / rate if rate else None

    @property
    def seconds_at_work(self) -> float:
        """How long its process has been at work, by its last word."""
        return max(0.0, self.heard_at - self.began_at)

    def silent(self, now: float) -> bool:
        """Whether a drive at work has not moved for two minutes."""
        return self.state in BUSY and now - self.moved_at > SILENT_AFTER_SECONDS

    def begin(self, now: float) -> None:
        """Its process was started."""
        self.state, self.asked, self.message, self.advice, self.holds = State.RUNNING, None, "", "", False
        self.stage, self.stage_size, self.done, self.resumed_at, self.again = "starting", 0, 0, None, False
        self.kind, self.began_at, self.heard_at = "", now, now
        self.samples.clear()
        self.moved_at = now

    def take(self, event: Event, now: float) -> None:
        """Change with what the process said. Events that are not known change nothing."""
        kind = event.get("event")
        if kind == "stage":
            self.stage, self.stage_size, self.done = str(event["name"]), int(event["size"]), 0
            self.message = ""  # What was said before it is over.
            self.samples.clear()
            self.moved_at = now
        elif kind == "alive":
            self._alive(event, now)
        elif kind == "held":
            self.state, self.holds = State.PAUSED, True
            self.message = "It stands still and goes on from here. If it is ended now, this step begins anew."
            self.samples.clear()
        elif kind == "goes on":
            self.state, self.message, self.asked, self.holds = State.RUNNING, "", None, False
            self.samples.clear()
            self.moved_at = now
        elif kind == "cannot stop":
            self.state, self.asked = State.RUNNING, None
            self.message = "The drive works by itself now; nobody can stop it. It waits until the drive is done."
        elif kind == "note":
            self.message = str(event["text"])
        elif kind == "wiped":
            self._wiped(event)
        elif kind == "error":
            self._error(event)
        elif kind == "gone":
            self._gone(event)

    def _alive(self, event: Event, now: float) -> None:
        if event.get("temperature") is not None:
            self.temperature = int(event["temperature"])
        done, self.heard_at = int(event["done"]), now
        if done != self.done:
            self.moved_at = now
        self.done = done
        if self.state is State.RUNNING:
            self.samples.append((now, done))
            while len(self.samples) > 2 and now - self.samples[0][0] > RATE_OVER_SECONDS:
                self.samples.popleft()

    def _wiped(self, event: Event) -> None:
        self.state, self.asked = State.WIPED, None
        self.done, self.stage_size = int(event["size"]), int(event["size"])
        self.again, self.resumed_at = bool(event["again"]), event["resumed_at"]
        self.message = "It was wiped, and all of it was read back."
        if self.again:
            self.message = "It was wiped already; this time it was not looked at again."
        self.advice = f"wipe-agent certify --order {self.job.order}" if self.job else ""

    def _error(self, event: Event) -> None:
        """The end in words. Whether anything of this run reached the drive follows from whether a stage had begun."""
        self.message, self.advice, self.kind = str(event["message"]), str(event["next"]), str(event["kind"])
        if event["kind"] == "Stopped":
            self._stopped()
        elif event["kind"] == "NotWiped":
            self.state = State.NOT_WIPED
        elif self.stage_size:
            self.state = State.FAILED
        else:
            self.state = State.REFUSED
        self.asked, self.holds = None, False

    def _stopped(self) -> None:
        if self.asked == "pause":
            self.state, self.message = State.PAUSED, "It goes on at the last checkpoint."
        elif self.asked == "cancel":
            self.state = State.CANCELLED
            self.message = "It is not wiped. Begun again, it goes on at the last checkpoint."
        elif self.asked == "eject":
            self.state = State.UNFINISHED
            self.message = "It was let go before it was done. It is not wiped; what was done is in the journal."
        else:
            self.state = State.UNFINISHED
        self.advice = "Scan its serial and start it again; a drive that is not wiped stays in the centre."

    def _gone(self, event: Event) -> None:
        """The process ended. After a last word this says nothing new."""
        if event["spoke"]:
            return
        self.state, self.asked, self.holds = State.UNFINISHED, None, False
        self.message = f"Its process ended without a word ({_how(int(event['code']))}). The journal stands."
        self.advice = "Start it again: it goes on where the journal stands."


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
