"""Publishing: number what waits, have the head signed, publish the checkpoint. Each step by itself, each again after a
crash; between them nothing is held open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ewaste.core.database import Database
from ewaste.transparency import sequencer
from ewaste.transparency.signing import Signer, SignerRefuses
from wipe_agent.certificate import log as fmt


@dataclass(frozen=True)
class Publisher:
    """The worker's side of the log. `once` may be called by several at once, and acts once."""

    database: Database
    signer: Signer
    now: Callable[[], datetime]

    def once(self) -> int | None:
        """Publish what waits. Returns the size of the new checkpoint; None when there was nothing to publish.

        Raises SignerAway and SignerRefuses; then the leaves have their numbers and wait for their checkpoint.
        """
        with self.database.reading() as session:
            if not sequencer.waits(session):
                return None
        with self.database.transaction() as session:
            sequencer.advance(session, now=self.now())
        last, origin = self.signer.last(), self.signer.key().name
        with self.database.transaction() as session:
            head = sequencer.unsigned(session)
            if head is None:
                return None
            growth = sequencer.growth(session, last.size, head.size) if last.size <= head.size else None
        try:
            if growth is None:
                raise SignerRefuses(
                    f"The signer has signed {last.size} entries and this database holds {head.size}: it is older than "
                    "the log. Nothing is published until that is settled (docs/spec/log-serving.md)."
                )
            note = self.signer.sign(fmt.Checkpoint(origin, head.size, head.root), last.size, growth)
        except SignerRefuses:
            if self._overtaken(head.size):
                return None
            raise
        with self.database.transaction() as session:
            sequencer.publish(session, head, note, now=self.now())
        return head.size

    def _overtaken(self, size: int) -> bool:
        """Whether another publisher went on meanwhile, so that this head is of no use any more."""
        with self.database.reading() as session:
            return sequencer.size(session) > size or sequencer.published(session) >= size
