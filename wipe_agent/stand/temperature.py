"""How warm a drive is: from the kernel's sensors, else from `smartctl`, else nobody knows.

It is asked in the drive's own process, seldom and with a limit of time, because a sick drive may not answer.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

_SMARTCTL_EVERY_SECONDS = 60.0
_SMARTCTL_PATIENCE_SECONDS = 10.0

Run = Callable[[list[str]], str]


def sensor(name: str, sys: Path = Path("/sys")) -> int | None:
    """Degrees Celsius by hwmon (`nvme` and `drivetemp` put their files there), or None."""
    device = sys / "class/block" / name / "device"
    for place in sorted([*device.glob("hwmon*/temp1_input"), *device.glob("hwmon/hwmon*/temp1_input")]):
        try:
            return round(int(place.read_text()) / 1000)
        except (OSError, ValueError):
            continue
    return None


def smart(path: Path, run: Run) -> int | None:
    """Degrees Celsius as `smartctl` reads them, or None. Its exit status is a set of bits: the JSON counts."""
    try:
        now = json.loads(run(["smartctl", "--json", "--attributes", str(path)]))["temperature"]["current"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return now if isinstance(now, int) else None


class Thermometer:
    """Reads one drive's temperature; asks `smartctl` at most once a minute, and not again where it never answers."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._asked: float | None = None
        self._last: int | None = None
        self._tool = path.is_block_device() and shutil.which("smartctl") is not None

    def read(self) -> int | None:
        """Degrees Celsius, or None where nobody knows."""
        if not self._path.is_block_device():
            return None
        seen = sensor(self._path.name)
        if seen is not None or not self._tool:
            return seen
        now = time.monotonic()
        if self._asked is None or now - self._asked >= _SMARTCTL_EVERY_SECONDS:
            self._asked, self._last = now, smart(self._path, _smartctl)
            self._tool = self._last is not None
        return self._last


def _smartctl(command: list[str]) -> str:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=_SMARTCTL_PATIENCE_SECONDS, check=False
    ).stdout
