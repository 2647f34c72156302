"""What a drive command came to, and how one is carried to its end.

A command is started, and then looked at until it is no longer running. Each start and each look ends in one of seven
states with a sentence. "Done" is what the drive says of itself; whether it is true, the read-back says afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from wipe_agent.media import Facts, Ran, Runner

LOOK_EVERY = 5.0
PATIENCE = 3600.0
"""Seconds without any progress after which a running command counts as stuck. Drives report hours in small steps."""


class State(StrEnum):
    """How a command stands."""

    DONE = "done"
    RUNNING = "running"
    REFUSED = "refused"
    FROZEN = "frozen"
    UNSUPPORTED = "unsupported"
    TIMED_OUT = "timed out"
    FAILED = "failed"


@dataclass(frozen=True)
class Answer:
    """One answer. `permille` is the progress of 1000 where the drive tells it; `runs` are the calls behind it."""

    state: State
    says: str
    runs: tuple[Ran, ...] = ()
    permille: int | None = None

    @property
    def rehearsal(self) -> bool:
        return any(ran.rehearsal for ran in self.runs)


class Command(Protocol):
    """A way to make a drive sanitise itself."""

    def start(self, facts: Facts, run: Runner) -> Answer:
        """Give the command. Raises nothing for what the drive does."""

    def look(self, facts: Facts, run: Runner) -> Answer:
        """Ask the drive how it stands."""


def carry_through(
    command: Command,
    facts: Facts,
    run: Runner,
    *,
    begun: bool,
    told: Callable[[Answer], object],
    pause: Callable[[float], object] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Answer:
    """Start the command and wait for its end; `told` hears each answer. Returns the last one, never RUNNING.

    `begun` says that an earlier process had begun it: a running command is then picked up. One that is not running is
    given again, because nobody saw how it ended, and giving it twice does no harm. TIMED_OUT comes after `PATIENCE`
    seconds without progress.
    """
    answer = command.look(facts, run) if begun else command.start(facts, run)
    if begun and answer.state is not State.RUNNING:
        answer = command.start(facts, run)
    told(answer)
    moved, seen = clock(), answer.permille
    while answer.state is State.RUNNING or (answer.state is State.TIMED_OUT and begun):
        if clock() - moved > PATIENCE:
            return Answer(State.TIMED_OUT, "The drive has not come any further for an hour.", answer.runs, seen)
        begun = True
        pause(LOOK_EVERY)
        answer = command.look(facts, run)
        if answer.permille is not None and answer.permille != seen:
            moved, seen = clock(), answer.permille
        told(answer)
    return answer


def refusal(ran: Ran, *, what: str, unsupported: tuple[str, ...] = (), frozen: tuple[str, ...] = ()) -> Answer:
    """The answer to a call that did not succeed, told apart by what the tool said."""
    said = ran.said.lower()
    if ran.timed_out:
        return Answer(State.TIMED_OUT, f"{what}: {ran.first_words}.", (ran,))
    if ran.missing:
        return Answer(State.UNSUPPORTED, f"{what}: {ran.first_words}.", (ran,))
    if any(word in said for word in frozen):
        return Answer(State.FROZEN, f"{what}: the drive is frozen ({ran.first_words}).", (ran,))
    if any(word in said for word in unsupported):
        return Answer(State.UNSUPPORTED, f"{what}: the drive does not know it ({ran.first_words}).", (ran,))
    return Answer(State.REFUSED, f"{what}: the drive refused ({ran.first_words}).", (ran,))
