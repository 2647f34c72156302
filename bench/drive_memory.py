"""How much memory the process of one drive takes at most, against the 150 MB that a bench can give each of ten.

The whole job in the process that the stand starts for a drive: the look before, the control, the overwrite, the
read-back and the search. The peak is the kernel's own figure for the process (VmHWM), looked at
after each word that it says; it counts libraries that processes share anew for each. Here less is better: the ratio is
the share of the 150 MB.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.paired import Result, measure
from tests.wipe_agent.support import ROOT, World, enrolled, keep, medium

MEBIBYTES = 256
LIMIT_MB = 150.0
SERIAL = "DISK-1"


def run(pairs: int, *, folder: Path | None = None, mebibytes: int = MEBIBYTES) -> Result:
    """MB at the peak, of at most 150."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        world = World()
        kept = enrolled(Path(place) / "kept", world)
        world.order(medium(SERIAL))
        keep(kept, world)
        image = Path(place) / "drive.img"
        with image.open("wb") as file:
            for _ in range(mebibytes):
                file.write(os.urandom(1 << 20))
        return measure(
            "drive-memory/150-MB", "MB", lambda: _peak(image, kept.path), lambda: LIMIT_MB, pairs=pairs
        )  # fmt: skip


def _peak(image: Path, kept: Path) -> float:
    home = kept.with_name("home")
    shutil.copytree(kept, home)
    job = {
        "home": str(home),
        "order": "WO-1",
        "medium": SERIAL,
        "target": str(image),
        "image": True,
        "start_over": False,
        "operator": "Ada",
        "typed": SERIAL,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "wipe_agent.stand"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process of a drive has no pipes")
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.flush()
    most, last = 0, ""
    for line in process.stdout:
        most, last = max(most, _high_water(process.pid)), line
    process.stdin.close()
    process.stdout.close()
    code = process.wait()
    shutil.rmtree(home)
    if code != 0 or json.loads(last)["event"] != "wiped" or not most:
        raise RuntimeError(f"the drive was not wiped, or nobody saw its memory: {last}")
    return most / 1e6


def _high_water(process: int) -> int:
    """Bytes at the peak so far; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
