"""How fast zeros get onto a drive: the agent's overwrite against `dd oflag=direct`, fsync on both sides.

Both write the same file of at least 512 MiB on the same disk, in alternation, ours first in every other pair. Ours
does its whole job meanwhile: it looks whether the drive is still the same before each chunk, and syncs a journal
line at each checkpoint.
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TypedDict

from wipe_agent.journal import Journal
from wipe_agent.media import open_target
from wipe_agent.methods import overwrite_zeros

MEBIBYTES = 1024
BLOCK = "8M"


class Result(TypedDict):
    """One line of the benchmark table. `low` and `high` are the quartiles of the pairs' ratios."""

    name: str
    ratio: float
    low: float
    high: float
    ours: float
    versus: float
    unit: str


def run(pairs: int, *, folder: Path | None = None, mebibytes: int = MEBIBYTES) -> Result:
    """Time `pairs` alternated pairs. The medians are of MB/s; the ratio is the median of the pairs' ratios."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        image, journal = Path(place) / "drive.img", Path(place) / "drive.journal"
        _dd(image, mebibytes)  # The file has its blocks before anything is timed.
        ours: list[float] = []
        theirs: list[float] = []
        for number in range(pairs):
            first_ours = number % 2 == 0
            if first_ours:
                ours.append(_agent(image, journal, mebibytes))
            theirs.append(_dd(image, mebibytes))
            if not first_ours:
                ours.append(_agent(image, journal, mebibytes))
    ratios = [mine / dd for mine, dd in zip(ours, theirs, strict=True)]
    low, _, high = statistics.quantiles(ratios, n=4) if pairs > 1 else (ratios[0],) * 3
    return {
        "name": "wipe-zero/dd",
        "ratio": round(statistics.median(ratios), 3),
        "low": round(low, 3),
        "high": round(high, 3),
        "ours": round(statistics.median(ours), 1),
        "versus": round(statistics.median(theirs), 1),
        "unit": "MB/s",
    }


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


if __name__ == "__main__":
    print(run(7))
