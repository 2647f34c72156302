"""Loop devices for the benchmarks, and nwipe on them.

The loop goes past the page cache to a file whose blocks are there already, and has sectors of 4,096 bytes: nwipe 0.33
writes one sector a call, and with 512 bytes it is ten times slower, which would flatter us. Needs root and nwipe.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LOOK_EVERY, _PATIENCE = 0.005, 900.0


@contextmanager
def loop(mebibytes: int, folder: Path | None = None) -> Iterator[Path]:
    """A loop device of so many MiB (a multiple of 8) over a file in `folder`; gone afterwards, and no other with it."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        image = Path(place) / "drive.img"
        words = ["dd", "if=/dev/zero", f"of={image}", "bs=8M", f"count={mebibytes // 8}", "oflag=direct", "conv=fsync"]
        subprocess.run(words, check=True, capture_output=True)
        words = [tool("losetup"), "--find", "--show", "--direct-io=on", "--sector-size", "4096", str(image)]
        device = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        try:
            yield Path(device)
        finally:
            subprocess.run([tool("losetup"), "--detach", device], check=True)


def nwipe(device: Path, *words: str) -> tuple[float, float]:
    """Let nwipe wipe the device. Returns the seconds of its first pass, sync included, and those of the whole call."""
    with tempfile.TemporaryDirectory() as place:
        log = Path(place) / "log"
        command = [tool("nwipe"), "--autonuke", "--nogui", "--rounds=1", "--noblank", f"--logfile={log}", *words]
        began = time.perf_counter()
        process = subprocess.Popen(
            [*command, str(device)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            start = _said(log, "Starting pass 1/1", process)
            end = _said(log, f"bytes written to {device}", process)
            code = process.wait(_PATIENCE)
        finally:
            process.kill()
            process.wait()
        whole = time.perf_counter() - began
        said = log.read_text(errors="replace")
        if code != 0 or "Nwipe successfully completed" not in said:
            raise RuntimeError(f"nwipe ended with {code}: {said[-600:]}")
        return end - start, whole


def tool(name: str) -> str:
    """The program's path. Raises RuntimeError where it is not installed."""
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise RuntimeError(f"{name} is not installed here (apt install {name})")
    return found


def _said(log: Path, words: str, process: subprocess.Popen[bytes]) -> float:
    """When the log said so."""
    ends = time.perf_counter() + _PATIENCE
    while not log.exists() or words not in log.read_text(errors="replace"):
        if process.poll() is not None and words not in log.read_text(errors="replace"):
            raise RuntimeError(f"nwipe has ended without {words!r}: {log.read_text(errors='replace')[-600:]}")
        if time.perf_counter() > ends:
            raise RuntimeError("nwipe takes too long")
        threading.Event().wait(_LOOK_EVERY)
    return time.perf_counter()
