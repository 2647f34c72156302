"""The process of one drive that stops and waits at a chosen place, until its supervisor says a word or is gone.

    python tests/wipe_agent/stand/gated.py GATE

GATE is a file with "write OFFSET" or "read OFFSET". When the work comes there, its process id is written to
GATE.reached and it waits. Without the file nothing waits. What lies before the next checkpoint may still be written
when a word comes; nothing beyond it. The chunks are made small, so that a small image has many checkpoints.
"""

import os
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from wipe_agent.check import before, readback
from wipe_agent.media import Target
from wipe_agent.methods import overwrite
from wipe_agent.stand import drive

GATE = Path(sys.argv[1])
WORD = threading.Event()


def main() -> int:
    overwrite.CHUNK = readback.CHUNK = before.PIECE = 256 * 1024
    overwrite.CHECKPOINT = 1024 * 1024
    drive._BUSY_TRIES, drive._BUSY_WAIT_SECONDS = 600, 0.05
    wanted, place = GATE.read_text().split() if GATE.exists() else ("nothing", "0")
    ask, write, check = drive.Control.ask, Target.write, readback.read_back

    def asked(self: drive.Control, word: str) -> None:
        ask(self, word)
        WORD.set()

    def wait(at: int) -> None:
        if at >= int(place) and not WORD.is_set():
            told = GATE.with_suffix(f".{threading.get_ident()}")
            told.write_text(str(os.getpid()))
            told.replace(GATE.with_suffix(".reached"))  # Whoever sees it finds the number in it.
            WORD.wait()

    def gated_write(self: Target, data: memoryview, offset: int) -> None:
        if len(data) == overwrite.CHUNK:  # The marks of the control are smaller, and lie anywhere.
            wait(offset)
        write(self, data, offset)

    def gated_check(target: Target, **more: Any) -> Any:
        real = target.read_into

        def gated_read(data: memoryview, offset: int) -> None:
            wait(offset)
            real(data, offset)

        target.read_into = gated_read
        return check(target, **more)

    drive.Control.ask = asked
    if wanted == "write":
        Target.write = gated_write
    elif wanted == "read":
        drive.jobs.wiping.check.read_back = gated_check
    return drive.main(sys.stdin, sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
