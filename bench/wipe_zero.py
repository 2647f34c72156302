"""How fast zeros get onto a drive: the agent's overwrite against `dd oflag=direct`, fsync on both sides.

Both write the same file of at least 512 MiB on the same disk, in alternation, ours first in every other pair. Ours
does its whole job meanwhile: it looks whether the drive is still the same before each chunk, and syncs a journal
line at each checkpoint.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bench.paired import Result, measure
from wipe_agent.journal import Journal
from wipe_agent.media import open_target
from wipe_agent.methods import overwrite_zeros

MEBIBYTES = 1024
BLOCK = "8M"


def run(pairs: int, *, folder: Path | None = None, mebibytes: int = MEBIBYTES) -> Result:
    """MB/s of the agent against MB/s of `dd`, on a file of `mebibytes` (a multiple of 8) in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        image, journal = Path(place) / "drive.img", Path(place) / "drive.journal"
        _dd(image, mebibytes)  # The file has its blocks before anything is timed.
        return measure(
            "wipe-zero/dd",
            "MB/s",
            lambda: _agent(image, journal, mebibytes),
            lambda: _dd(image, mebibytes),
            pairs=pairs,
        )


def _agent(image: Path, journal: Path, mebibytes: int) -> float:
    journal.unlink(missing_ok=True)
    began = time.perf_counter()
    with open_target(image, image=True) as target, Journal.open(journal) as book:
        overwrite_zeros(
            target,
            start=0,
            bad_blocks=0,
            checkpoint=lambda so_far: book.append("progress", done=so_far.done, bad_blocks=so_far.bad_blocks),
            progress=lambda done: None,
        )
    return _rate(mebibytes, time.perf_counter() - began)


def _dd(image: Path, mebibytes: int) -> float:
    count = mebibytes // 8
    words = ["dd", "if=/dev/zero", f"of={image}", f"bs={BLOCK}", f"count={count}", "oflag=direct", "conv=notrunc,fsync"]
    began = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return _rate(mebibytes, time.perf_counter() - began)


def _rate(mebibytes: int, seconds: float) -> float:
    return mebibytes * 1024 * 1024 / 1e6 / seconds
