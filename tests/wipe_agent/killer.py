"""Runs the agent in a fork of this process and kills it at a chosen call to the operating system.

A power cut, as far as a process can have one. Every call that writes, syncs, reads the drive or renames is counted. At
call number `point` the process ends by SIGKILL: before the call, after it, or (for a write) with half of it done, in
turn. With point 0 nothing is killed, and the calls are told. A fork costs nothing where a start of Python costs half a
second; the command line is run in it as `python -m wipe_agent` runs it.
"""

import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wipe_agent import __main__
from wipe_agent.check import before, readback
from wipe_agent.methods import overwrite

CALLS = ("write", "pwrite", "preadv", "fsync", "fdatasync", "rename", "replace", "ftruncate", "mkdir")


@dataclass
class Ended:
    """How the process ended: its exit code, or -9 when it was killed; what it said; the calls that it made."""

    code: int
    said: str
    calls: list[str]


def run(words: list[str], *, point: int, folder: Path, **environment: str) -> Ended:
    """Run one command of the agent. `folder` gets its output and its list of calls."""
    said, counts = folder / "said.txt", folder / "calls.txt"
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.environ.update(environment)
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode) for n, mode in enumerate("rww"))
            sys.argv[1:] = words
            seen = _watch(point)
            code = __main__.main()
            sys.stdout.flush()
            counts.write_text("\n".join(seen))
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = counts.read_text().split("\n") if point == 0 and counts.exists() else []
    return Ended(code, said.read_text(), calls)


def _watch(point: int) -> list[str]:
    """Count the calls from here on. The chunks are made small, so that a small image has many points."""
    overwrite.CHUNK = readback.CHUNK = before.PIECE = 256 * 1024
    overwrite.CHECKPOINT = 1024 * 1024
    seen: list[str] = []
    for name in CALLS:
        setattr(os, name, _watched(name, point, seen))
    return seen


def _watched(name: str, point: int, seen: list[str]) -> Any:
    real = getattr(os, name)

    def call(*words: Any, **more: Any) -> Any:
        seen.append(name)
        if len(seen) != point:
            return real(*words, **more)
        way = point % 3
        if way == 1 and name in ("write", "pwrite"):
            half = memoryview(words[1])[: len(words[1]) // 2]
            real(words[0], half, *words[2:])
        elif way == 2:
            real(*words, **more)
        return os.kill(os.getpid(), signal.SIGKILL)

    return call
