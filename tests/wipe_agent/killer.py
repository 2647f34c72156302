"""Runs the agent and kills it at a chosen call to the operating system: a power cut, as far as a process can have one.

    python tests/wipe_agent/killer.py POINT COUNTFILE -- words of the agent

Every call that writes, syncs, reads the drive or renames is counted. At call number POINT the process ends by SIGKILL:
before the call, after it, or (for a write) with half of it done, in turn. With POINT 0 nothing is killed and the calls
are listed in COUNTFILE. The chunks are made small, so that a small image has many points.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from wipe_agent import __main__
from wipe_agent.check import before, readback
from wipe_agent.methods import overwrite

POINT, COUNTS = int(sys.argv[1]), Path(sys.argv[2])
SEEN: list[str] = []


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def watched(name: str) -> Any:
    real = getattr(os, name)

    def call(*words: Any, **more: Any) -> Any:
        SEEN.append(name)
        if len(SEEN) != POINT:
            return real(*words, **more)
        way = POINT % 3
        if way == 1 and name in ("write", "pwrite"):
            half = memoryview(words[1])[: len(words[1]) // 2]
            real(words[0], half, *words[2:])
        elif way == 2:
            real(*words, **more)
        return die()

    return call


def main() -> int:
    overwrite.CHUNK = readback.CHUNK = before.PIECE = 256 * 1024
    overwrite.CHECKPOINT = 1024 * 1024
    for name in ("write", "pwrite", "preadv", "fsync", "fdatasync", "rename", "replace", "ftruncate", "mkdir"):
        setattr(os, name, watched(name))
    sys.argv[1:] = sys.argv[4:]
    code = __main__.main()
    if POINT == 0:
        COUNTS.write_text("\n".join(SEEN))
    return code


if __name__ == "__main__":
    sys.exit(main())
