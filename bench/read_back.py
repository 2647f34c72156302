"""How fast a drive is read back and compared with zeros: the agent against `dd iflag=direct`, which only reads."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bench.paired import Result, measure
from wipe_agent.check import read_back
from wipe_agent.media import open_target

MEBIBYTES = 1024


def run(pairs: int, *, folder: Path | None = None, mebibytes: int = MEBIBYTES) -> Result:
    """MB/s of the agent against MB/s of `dd`, on a file of `mebibytes` (a multiple of 8) in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        image, count = Path(place) / "drive.img", f"count={mebibytes // 8}"
        words = ["dd", "if=/dev/zero", f"of={image}", "bs=8M", count, "oflag=direct", "conv=fsync"]
        subprocess.run(words, check=True, capture_output=True)
        reading = ["dd", f"if={image}", "of=/dev/null", "bs=8M", count, "iflag=direct"]
        return measure(
            "read-back/dd",
            "MB/s",
            lambda: _rate(mebibytes, _agent(image)),
            lambda: _rate(mebibytes, _dd(reading)),
            pairs=pairs,
        )


def _agent(image: Path) -> float:
    began = time.perf_counter()
    with open_target(image, image=True) as target:
        seen = read_back(target, progress=lambda done: None)
    seconds = time.perf_counter() - began
    if not seen.clean or seen.read != image.stat().st_size:
        raise RuntimeError("what was read back is not what was written")
    return seconds


def _dd(words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - began


def _rate(mebibytes: int, seconds: float) -> float:
    return mebibytes * 1024 * 1024 / 1e6 / seconds
