"""Child processes that never outlive their parent, and how to stop one."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Final

__all__ = ["die_with_parent", "stop"]

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: the kernel sends the child this signal when the thread that starts it ends, however it ends.

    Linux only; None elsewhere. Start such children from a thread that lives as long as they should.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    starter = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != starter:  # it died before we could ask
            os._exit(1)

    return ask


def stop(pid: int, running: Callable[[], bool], *, numbers: tuple[signal.Signals, ...], patience: float) -> bool:
    """Send the signals in turn, `patience` seconds apart, until `running` says no. False when none helped."""
    for number in numbers:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not running():
                return True
            time.sleep(0.01)
    return not running()
