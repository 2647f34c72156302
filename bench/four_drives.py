"""What four drives at once get of the disk that they share: four processes of the agent, against four `dd`.

`dd oflag=direct` four times at once is what the disk gives. Each of ours overwrites its own image with zeros and keeps
its journal, as one process a drive does at the bench. All begin at one moment; the last one's end counts.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.paired import Result, measure
from bench.wipe_zero import BLOCK
from wipe_agent.journal import Journal
from wipe_agent.media import open_target
from wipe_agent.methods import overwrite_zeros

DRIVES = 4
MEBIBYTES = 512


def run(pairs: int, *, folder: Path | None = None, mebibytes: int = MEBIBYTES) -> Result:
    """MB/s of all four together, on files of `mebibytes` each (a multiple of 8) in `folder`."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        images = [Path(place) / f"drive{number}.img" for number in range(DRIVES)]
        megabytes = DRIVES * mebibytes * 1024 * 1024 / 1e6
        _together(images, lambda image: _dd(image, mebibytes))  # The files have their blocks before anything is timed.
        return measure(
            "four-drives/disk",
            "MB/s",
            lambda: megabytes / _together(images, _agent),
            lambda: megabytes / _together(images, lambda image: _dd(image, mebibytes)),
            pairs=pairs,
        )


def _together(images: list[Path], work: Callable[[Path], None]) -> float:
    """Do the work on each image in a process of its own, all at once. Returns seconds."""
    waiting, go = os.pipe()
    children = []
    for image in images:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(go)
                os.read(waiting, 1)  # Ends when the other end is closed: then all begin.
                work(image)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(waiting)
    began = time.perf_counter()
    os.close(go)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    took = time.perf_counter() - began
    if any(codes):
        raise RuntimeError(f"the processes of the drives ended with {codes}")
    return took


def _agent(image: Path) -> None:
    journal = image.with_suffix(".journal")
    journal.unlink(missing_ok=True)
    with open_target(image, image=True) as target, Journal.open(journal) as book:
        overwrite_zeros(
            target,
            start=0,
            bad_blocks=0,
            checkpoint=lambda so_far: book.append("progress", done=so_far.done, bad_blocks=so_far.bad_blocks),
            progress=lambda done: None,
        )


def _dd(image: Path, mebibytes: int) -> None:
    words = [f"of={image}", f"bs={BLOCK}", f"count={mebibytes // 8}", "oflag=direct", "conv=notrunc,fsync"]
    subprocess.run(["dd", "if=/dev/zero", *words], check=True, capture_output=True)
