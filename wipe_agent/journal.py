"""The journal: what was done, line by line, on disk before the next thing happens.

Each line is one JSON object with its number `n`, the hash of the line before it (`prev`), and the
hash of itself (`sum`). So a changed, missing or swapped line shows, and a line that a power cut tore
off in the middle is known for what it is: only the last one may be torn, and it is cut away, because
what it was going to say had not been relied on yet. Anything else is refused in words.

Two processes cannot write one journal: it is locked while it is open. The lines are honest notes of
this station, not a proof against its owner: the proof to others is the signed certificate.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wipe_agent import durable
from wipe_agent.errors import JournalDamaged, JournalUnwritable, TargetBusy

Line = dict[str, Any]
_START = hashlib.sha256(b"wipe-agent-journal-v1\n").hexdigest()
_MAX_BYTES = 64 * 1024 * 1024


class Journal:
    """An open, locked journal. `lines` are the facts so far; `append` adds one and syncs it to disk."""

    def __init__(self, path: Path, handle: int, lines: list[Line], head: str) -> None:
        self.path = path
        self.lines = lines
        self.head = head
        self._handle = handle
        self._broken = False  # After a failed write the last line may be torn: only a new open may go on.

    @classmethod
    def open(cls, path: Path) -> Journal:
        """Open or begin the journal at `path`.

        Raises JournalDamaged if it was changed, TargetBusy if another process has it open, and
        JournalUnwritable if the disk does not take it. A torn last line is cut away.
        """
        try:
            durable.make_folder(path.parent)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            _lock(handle, path)
            lines, head, whole = parse(_read_all(handle, path), path.name)
            if whole != os.fstat(handle).st_size:
                os.ftruncate(handle, whole)
            os.lseek(handle, 0, os.SEEK_END)
            os.fsync(handle)
            durable.sync_folder(path.parent)
        except OSError as error:
            os.close(handle)
            raise _unwritable(path, error) from error
        except BaseException:
            os.close(handle)
            raise
        return cls(path, handle, lines, head)

    def append(self, event: str, **facts: Any) -> Line:
        """Write one line and sync it. When this returns, the line survives a power cut."""
        if self._broken:
            raise JournalUnwritable(f"The journal {self.path.name} could not be written a moment ago.")
        line: Line = {"n": len(self.lines), "prev": self.head, "at": now(), "event": event, **facts}
        line["sum"] = _sum(line)
        data = _encode(line) + b"\n"
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._handle, view) :]
            os.fsync(self._handle)
        except OSError as error:
            self._broken = True
            raise _unwritable(self.path, error) from error
        self.lines.append(line)
        self.head = line["sum"]
        return line

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def parse(data: bytes, name: str) -> tuple[list[Line], str, int]:
    """The lines of a journal, the hash of the last, and how many bytes are whole lines.

    Raises JournalDamaged naming the line. Bytes after the last newline are a torn line and not counted.
    """
    whole = data.rfind(b"\n") + 1
    lines: list[Line] = []
    head = _START
    for number, raw in enumerate(data[:whole].split(b"\n")[:-1]):
        line = _decode(raw, number, name)
        if line.get("n") != number or line.get("prev") != head:
            raise JournalDamaged(f"Line {number + 1} of the journal {name} does not follow the line before it.")
        head = line["sum"]
        lines.append(line)
    return lines, head, whole


def now() -> str:
    """The time for a line: UTC, whole seconds, as the certificate writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def set_aside(path: Path) -> Path:
    """Keep a damaged journal for the audit under another name, so that the medium can begin anew."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    durable.move(path, aside)
    return aside


def _decode(raw: bytes, number: int, name: str) -> Line:
    try:
        line = json.loads(raw)
    except ValueError as error:
        raise JournalDamaged(f"Line {number + 1} of the journal {name} cannot be read.") from error
    if not isinstance(line, dict) or line.get("sum") != _sum(line) or _encode(line) != raw:
        raise JournalDamaged(f"Line {number + 1} of the journal {name} was changed after it was written.")
    return line


def _encode(line: Line) -> bytes:
    return json.dumps(line, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _sum(line: Line) -> str:
    return hashlib.sha256(_encode({key: value for key, value in line.items() if key != "sum"})).hexdigest()


def _read_all(handle: int, path: Path) -> bytes:
    size = os.fstat(handle).st_size
    if size > _MAX_BYTES:
        raise JournalDamaged(f"The journal {path.name} is larger than any journal this agent writes ({size} bytes).")
    return os.pread(handle, size, 0)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TargetBusy(f"Another wipe-agent is at work with the journal {path.name}.") from error


def _unwritable(path: Path, error: OSError) -> JournalUnwritable:
    return JournalUnwritable(
        f"The journal {path.name} cannot be written ({error.strerror}). Nothing goes on without its journal."
    )
