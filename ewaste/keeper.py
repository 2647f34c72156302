"""The keeper of the log: a part of the worker. Publishes what was appended, asks witnesses, notes heads of chains.

Each step stands by itself and is made again after a crash: what has its number keeps it, a head is written down before
the signer is asked, and the same head is signed the same way twice. Between the steps nothing is held open.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from ewaste.accounts.models import WORKER
from ewaste.core import clock
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.journey import witnessing
from ewaste.transparency import asking, log, sequencer, witnesses
from ewaste.transparency.models import LogCosignature
from ewaste.transparency.signing import Signer, SignerAway, SignerRefuses

logger = logging.getLogger("ewaste.keeper")

PUBLISH_EVERY: Final = 0.25  # seconds; a look that finds nothing is one short statement
SIGNER_AGAIN: Final = 2.0
REFUSED_AGAIN: Final = 30.0
WITNESSES_EVERY: Final = 2.0
HEADS_EVERY: Final = 600.0


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
            note = self.signer.sign(origin, head.size, head.root, old_size=last.size, growth=growth)
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


@dataclass
class Witnesses:
    """The witnesses that are asked, each with its address. One that does not answer holds up nobody else's."""

    database: Database
    asked: Sequence[tuple[str, str]]
    """vkey and address (the prefix before `add-checkpoint`) of each."""
    seen: dict[str, int] = field(default_factory=dict)
    """How large each last saw the log. A guess: a wrong one is corrected by its answer."""

    def once(self, now: datetime) -> int:
        """Ask everybody who has not signed the newest checkpoint yet. Returns how many signatures came."""
        came = 0
        with self.database.transaction() as session:
            newest = log.newest(session)
            if newest is None:
                return 0
            signed = session.scalars(sa.select(LogCosignature.witness).where(LogCosignature.size == newest.size)).all()
        for vkey, address in self.asked:
            if vkey in signed:
                continue
            try:
                note, self.seen[vkey] = asking.ask(address, newest.note, self.seen.get(vkey, 0), self._growth)
                if note is not None:
                    with self.database.transaction() as session:
                        came += witnesses.keep(session, newest.size, vkey, now=now, signed=note)
            except (OSError, ValueError) as problem:
                logger.warning("the witness %s did not sign: %s", vkey.partition("+")[0], problem)
        return came

    def _growth(self, old_size: int, size: int) -> tuple[bytes, ...]:
        with self.database.transaction() as session:
            return sequencer.growth(session, old_size, size)


def start(database: Database, config: Config, stop: threading.Event) -> None:
    """Keep the log in threads of their own until `stop` is set. Without a signer only the heads of chains are noted."""
    if config.log_signer is None:
        logger.warning("EWASTE_LOG_SIGNER is not set: what is appended to the log waits, and nothing is published")
    else:
        publisher = Publisher(database, Signer(config.log_signer), clock.now)
        _thread("publish", lambda: publish(publisher, stop))
    asked = [(vkey, address) for vkey, address in config.log_witnesses if address is not None]
    if asked:
        cosigned = Witnesses(database, asked)
        _thread("witnesses", lambda: _again(lambda: cosigned.once(clock.now()), WITNESSES_EVERY, stop))

    def note_heads() -> None:
        with database.transaction() as session:
            witnessing.note_custody_heads(session, WORKER, now=clock.now())

    _thread("heads", lambda: _again(note_heads, HEADS_EVERY, stop))


def publish(publisher: Publisher, stop: threading.Event) -> None:
    """Publish until `stop` is set, at most a quarter of a second after something was appended. Trouble is said once."""
    pause, said = PUBLISH_EVERY, ""
    while not stop.wait(pause):
        try:
            publisher.once()
            pause, trouble = PUBLISH_EVERY, ""
        except SignerAway as problem:
            pause, trouble = SIGNER_AGAIN, str(problem)
        except SignerRefuses as problem:
            pause, trouble = REFUSED_AGAIN, str(problem)
        except SQLAlchemyError as problem:
            pause, trouble = SIGNER_AGAIN, f"The database does not answer ({type(problem).__name__})."
        if trouble and trouble != said:
            logger.error("the log is not published: %s", trouble)
        elif said and not trouble:
            logger.warning("the log is published again")
        said = trouble


def _again(work: Callable[[], object], every: float, stop: threading.Event) -> None:
    while True:
        try:
            work()
        except SQLAlchemyError:
            logger.exception("this is tried again soon")
        if stop.wait(every):
            return


def _thread(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=f"log-{name}", daemon=True).start()
