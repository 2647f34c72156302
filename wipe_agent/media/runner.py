"""Run a tool and bring back all it said: exit status, both outputs, whether it was missing or hung.

Nothing here judges. Every call has a time limit. A `Replay` gives back recorded answers instead of asking a
drive; what comes of it is a rehearsal, says so in each answer, and never leads to a certificate.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

_MOST_KEPT = 1 << 20


@dataclass(frozen=True)
class Ran:
    """One call of a tool. `status` is None when it was not installed or did not end in time."""

    command: tuple[str, ...]
    status: int | None
    out: str
    err: str = ""
    missing: bool = False
    timed_out: bool = False
    rehearsal: bool = False

    @property
    def ok(self) -> bool:
        """It ended in time with status 0. Tools say 0 and mean otherwise: read what they said as well."""
        return self.status == 0

    @property
    def said(self) -> str:
        """Both outputs, for people and for looking words up."""
        return f"{self.out}\n{self.err}"

    @property
    def first_words(self) -> str:
        """The line that explains best what went wrong, at most 160 characters."""
        if self.missing:
            return f"{self.command[0]} is not installed"
        if self.timed_out:
            return f"{self.command[0]} did not answer in time"
        lines = [line.strip() for line in (*self.err.splitlines(), *self.out.splitlines()) if line.strip()]
        return (lines[0] if lines else f"{self.command[0]} ended with status {self.status}")[:160]

    def as_facts(self) -> dict[str, Any]:
        """For the journal: the call, its status, and a digest of all it said with its first 400 characters."""
        whole = self.said.encode("utf-8", "replace")
        return {
            "command": " ".join(self.command),
            "status": self.status,
            "timed_out": self.timed_out,
            "missing": self.missing,
            "sha256": hashlib.sha256(whole).hexdigest(),
            "said": "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in self.said)[:400],
        }


class Runner(Protocol):
    """Who asks the tools. `rehearsal` says that the answers are replayed and no drive was asked."""

    @property
    def rehearsal(self) -> bool: ...

    def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
        """Run `command`, for `timeout` seconds at most. Never raises for what the tool does."""


class SystemRunner:
    """Asks the tools of this machine. Debian keeps them where an ordinary user's PATH does not look."""

    rehearsal = False

    def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
        program = shutil.which(command[0], path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
        if program is None:
            return Ran(tuple(command), None, "", missing=True)
        process = subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return Ran(tuple(command), None, *_given_up(process), timed_out=True)
        return Ran(tuple(command), process.returncode, _text(out), _text(err))


class Replay:
    """Gives recorded answers, in order for each command. A command without one is a tool that is not installed."""

    rehearsal = True

    def __init__(self, answers: Iterable[Ran]) -> None:
        self._answers: dict[tuple[str, ...], list[Ran]] = {}
        self.asked: list[tuple[str, ...]] = []
        for one in answers:
            self._answers.setdefault(one.command, []).append(one)

    def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
        asked = tuple(command)
        self.asked.append(asked)
        kept = self._answers.get(asked, [])
        if not kept:
            return Ran(asked, None, "", missing=True, rehearsal=True)
        # The last answer stands for all that follow: a drive that is done stays done.
        one = kept.pop(0) if len(kept) > 1 else kept[0]
        return Ran(asked, one.status, one.out, one.err, one.missing, one.timed_out, rehearsal=True)


def _given_up(process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """End a call that took too long. A process stuck in the kernel cannot be ended; then it is left alone."""
    process.kill()
    try:
        out, err = process.communicate(timeout=5)
    except subprocess.TimeoutExpired:
        return "", ""
    return _text(out), _text(err)


def _text(data: bytes) -> str:
    """Latin-1 where it is no UTF-8: binary answers keep every byte."""
    data = data[:_MOST_KEPT]
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")
