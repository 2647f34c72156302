"""Thaw an ATA drive that the firmware froze at the start: the machine sleeps for a moment, and the drive wakes thawed.

Nothing here is done by itself. Without a length of sleep the steps are said; with one, the machine is put to sleep
once, and the drive is asked again. While another drive of this station is at work it is not: sleep would cut its power.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from wipe_agent import keys
from wipe_agent.errors import BadUsage, MethodRefused, TargetBusy
from wipe_agent.media import Facts, Runner

SHORTEST, LONGEST = 5, 300
_SLEEP = Path("/sys/power/state")
STEPS = (
    "End what runs on this machine; no other drive may be at work.",
    "Put the machine to sleep and wake it, or run the same command with --sleep 15, which does it once for 15 seconds.",
    "If it does not sleep or the drive stays frozen: with the machine on, pull the drive's power cable for 10 s.",
    "Run the same command again: it says whether the drive is thawed.",
)


def frozen(facts: Facts) -> bool:
    """Whether the drive refuses its security commands until it wakes. Raises BadUsage for one that cannot be frozen."""
    if facts.bus != "ata":
        raise BadUsage(f"{facts.path} is no ATA drive; only these are frozen.", next_step="Run: wipe-agent plan")
    return facts.security.frozen


def sleep_and_look(
    home: keys.Home, look: Callable[[], Facts], run: Runner, *, seconds: int, state: Path = _SLEEP
) -> None:
    """Let the machine sleep once. Returns when the drive woke unfrozen.

    Raises TargetBusy while a drive is at work, MethodRefused when the machine cannot sleep or the drive stays frozen.
    """
    if not SHORTEST <= seconds <= LONGEST:
        raise BadUsage(f"{seconds} seconds of sleep cannot be meant.", next_step=f"Give {SHORTEST} to {LONGEST}.")
    if (busy := _at_work(home)) is not None:
        raise TargetBusy(f"A drive of order {busy} is at work; sleep would cut its power.")
    try:
        sleeps = "mem" in state.read_text().split()
    except OSError:
        sleeps = False
    if not sleeps:
        raise MethodRefused("This machine cannot sleep (its kernel offers no suspend to memory).", next_step=STEPS[2])
    slept = run(["rtcwake", "--mode", "mem", "--seconds", str(seconds)], timeout=seconds + 300)
    if not slept.ok:
        raise MethodRefused(f"The machine did not go to sleep ({slept.first_words}).", next_step=STEPS[2])
    if frozen(look()):
        raise MethodRefused("The drive is still frozen after the sleep.", next_step=STEPS[2])


def _at_work(home: keys.Home) -> str | None:
    """The order of a drive whose journal somebody holds open."""
    for path in sorted(home.journals.glob("*/*.journal")):
        handle = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return path.parent.name
        finally:
            os.close(handle)
    return None
