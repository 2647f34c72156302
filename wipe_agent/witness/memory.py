"""What a witness has seen: the latest checkpoint of each log, and what it keeps when a log contradicts itself.

Looking and replacing happen under one lock, for threads and processes alike, and a checkpoint is on the disk before
anybody gets a signature over it. What cannot be read is not taken for "never seen": the witness stops.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from wipe_agent import durable
from wipe_agent.certificate.log import Checkpoint, Note, Unreadable
from wipe_agent.errors import StateUnusable

MOST_KEPT = 256  # contradictions; whoever sends more of them fills no disk


@dataclass(frozen=True)
class Memory:
    """The folder of a witness, or of a monitor."""

    folder: Path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until nobody else looks or replaces, and keep it so."""
        durable.make_folder(self.folder)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def latest(self, origin: str) -> tuple[Checkpoint, bytes] | None:
        """The latest checkpoint of this log and the note as the log signed it; None if none was seen.

        Raises StateUnusable.
        """
        path = self._place(origin)
        try:
            data = path.read_bytes()
            checkpoint = Checkpoint.parse(Note.parse(data).text)
        except FileNotFoundError:
            return None
        except (OSError, Unreadable) as error:
            raise StateUnusable(f"What was seen of the log {origin} cannot be read: {path}.") from error
        if checkpoint.origin != origin:
            raise StateUnusable(f"What was seen of the log {origin} is of another log: {path}.")
        return checkpoint, data

    def replace(self, checkpoint: Checkpoint, note: bytes) -> None:
        """Remember this one as the latest. On return it is on the disk."""
        durable.write_file(self._place(checkpoint.origin), note)

    def keep_evidence(self, *, why: str, seen: bytes, shown: bytes) -> Path:
        """Keep two notes of a log that contradict each other, and why, for others to see. Returns the folder."""
        kept = self.folder / "evidence"
        durable.make_folder(self.folder)
        durable.make_folder(kept)
        place = kept / sha256(len(seen).to_bytes(8, "big") + seen + shown).hexdigest()[:16]
        if place.exists() or len(list(kept.iterdir())) < MOST_KEPT:
            durable.publish_folder(
                place, {"seen.checkpoint": seen, "shown.checkpoint": shown, "why.txt": f"{why}\n".encode()}
            )
            return place
        return kept

    def _place(self, origin: str) -> Path:
        return self.folder / f"{sha256(origin.encode()).hexdigest()}.checkpoint"
