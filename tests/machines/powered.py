"""What runs in the guest whose power is cut: the agent with one drive and its state on another.

Started before the guest is put by: everything is imported and the key is open, so that a guest that is taken up again
begins at once. It is told what to do by a line, a JSON object with a word and the time of day, and answers by a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import tty
from pathlib import Path
from typing import Any

from wipe_agent import check, jobs, keys, media
from wipe_agent.check import before, readback
from wipe_agent.errors import AgentError
from wipe_agent.methods import overwrite

PLACE = Path("/state")
DISK = "/dev/vda"


def main(channel: str, serial: str, passphrase: str) -> None:
    """Get ready, wait for the line, do what it says, and tell. `serial` is that of the drive."""
    # Small chunks and checkpoints: a small drive has the flushes of a large one.
    overwrite.CHUNK = readback.CHUNK = before.PIECE = 128 << 10
    overwrite.CHECKPOINT = 512 << 10
    # The look before the wipe takes most of the time in emulation, and changes nothing: a sample of it is enough here.
    before.WHOLE_UP_TO, before.SAMPLES = 0, 4
    key = keys.load_key(keys.Home(Path("/station")), passphrase)
    check.self_test()
    handle = os.open(channel, os.O_RDWR)
    tty.setraw(handle)
    # What the kernel read of the drives while it looked for them would be out of date after the next power cut.
    Path("/proc/sys/vm/drop_caches").write_text("3")
    _tell(handle, {"ready": True})
    asked = _asked(handle)
    _tell(handle, {"heard": True})
    time.clock_settime(time.CLOCK_REALTIME, asked["time"])
    target = next(Path(one.path) for one in media.list_drives() if one.identity.serial == serial)
    work = {"work": lambda: _work(target, serial, key), "write": lambda: _write(target, asked["flush"])}[asked["word"]]
    _tell(handle, work())


def _work(target: Path, serial: str, key: Any) -> dict[str, Any]:
    """Wipe and certify, as an operator asks for it who came back to a machine that is on again."""
    subprocess.run(["/bin/busybox", "mount", "-t", "ext4", DISK, str(PLACE)], check=True)
    home = keys.Home(PLACE / "home")
    try:
        wiped = jobs.wipe(
            home,
            order_code="WO-1",
            target_path=target,
            medium_named=None,
            typed=lambda question: serial,
            operator="Ada",
        )
        certified = jobs.certify(home, order_code="WO-1", open_key=lambda: key)
        told = {"resumed_at": wiped.resumed_at, "wiped_before": wiped.again, "certificate": certified.certificate_id}
    except AgentError as refusal:
        told = {"refused": f"{refusal.kind}: {refusal.message} {refusal.advice}"}
    subprocess.run(["/bin/busybox", "umount", str(PLACE)], check=True)
    with Path(DISK).open("rb") as disk:
        os.fsync(disk.fileno())
    return told


def _write(target: Path, flush: bool) -> dict[str, Any]:
    """The control: one block that the drive confirms, with or without a flush after it."""
    with media.open_target(target, image=False) as drive:
        block = media.buffer(4096)
        block[:] = b"\xaa" * 4096
        drive.write(block, 0)
        if flush:
            drive.sync()
    return {"wrote": drive.direct}


def _asked(handle: int) -> dict[str, Any]:
    """The first line that came whole."""
    said = b""
    while True:
        said += os.read(handle, 4096)
        *whole, said = said.split(b"\n")
        for line in whole:
            with contextlib.suppress(ValueError):
                found = json.loads(line)
                if isinstance(found, dict):
                    return found


def _tell(handle: int, facts: dict[str, Any]) -> None:
    os.write(handle, json.dumps(facts).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
