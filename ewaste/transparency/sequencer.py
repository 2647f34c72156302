"""The sequencer: numbers for what waits, tiles that got full, and the head that is to be signed. One transaction.

A head is written down before the signer is asked to sign it. After a crash anywhere the same calls go on: what has its
number keeps it, what waits is numbered next, and a head without a checkpoint is signed, if it is still the newest.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ewaste.transparency.models import LogCheckpoint, LogHead, LogLeaf, LogTile, LogWaiting
from ewaste.transparency.tiles import reader
from wipe_agent.certificate import log as fmt
from wipe_agent.certificate.log.tiles import WIDTH, subtree

MOST_AT_ONCE = 20_000
_TILES_AT_ONCE = 256


def waits(session: Session) -> bool:
    """Whether something waits for a number, or the newest head for its checkpoint. Cheap: asked all the time."""
    waiting = sa.exists(sa.select(LogWaiting.leaf))
    newest = sa.select(sa.func.max(LogHead.size)).scalar_subquery()
    signed = sa.select(sa.func.max(LogCheckpoint.size)).scalar_subquery()
    return bool(session.scalar(sa.select(waiting | newest.is_distinct_from(signed))))


def advance(session: Session, *, now: datetime, most: int = MOST_AT_ONCE) -> LogHead | None:
    """Give numbers to at most `most` entries that wait, cut the tiles that are full now, and note the new head.

    Returns the newest head; None while the log is empty. Two at once follow each other: the database has one lock for
    it, held until the transaction ends.
    """
    now_has = int(session.scalar(sa.text("select log_sequence(:most)"), {"most": most}) or 0)
    head = session.scalar(sa.select(LogHead).order_by(LogHead.size.desc()).limit(1))
    if now_has == 0 or (head is not None and head.size == now_has):
        return head
    _cut_tiles(session, now_has)
    head = LogHead(size=now_has, root=fmt.root(now_has, reader(session, now_has)), at=now)
    session.add(head)
    session.flush()
    return head


def unsigned(session: Session) -> LogHead | None:
    """The newest head, when it has no checkpoint yet."""
    return session.scalar(
        sa.select(LogHead).where(
            LogHead.size == sa.select(sa.func.max(LogHead.size)).scalar_subquery(),
            ~sa.exists(sa.select(LogCheckpoint.size).where(LogCheckpoint.size == LogHead.size)),
        )
    )


def size(session: Session) -> int:
    """How many entries the newest head has."""
    return session.scalar(sa.select(sa.func.max(LogHead.size))) or 0


def published(session: Session) -> int:
    """How many entries the newest checkpoint has."""
    return session.scalar(sa.select(sa.func.max(LogCheckpoint.size))) or 0


def growth(session: Session, old_size: int, new_size: int) -> tuple[bytes, ...]:
    """The proof that the first `old_size` entries are the beginning of the first `new_size`."""
    return fmt.consistency_proof(old_size, new_size, reader(session, new_size))


def publish(session: Session, head: LogHead, note: str, *, now: datetime) -> None:
    """Publish a head with its signature. Twice changes nothing."""
    session.execute(insert(LogCheckpoint).values(size=head.size, note=note, at=now).on_conflict_do_nothing())


def _cut_tiles(session: Session, leaves: int) -> None:
    level, count = 0, leaves // WIDTH
    while count:
        done = session.scalar(sa.select(sa.func.max(LogTile.number)).where(LogTile.level == level))
        first = 0 if done is None else done + 1
        for begin in range(first, count, _TILES_AT_ONCE):
            end = min(begin + _TILES_AT_ONCE, count)
            covered = _covered(session, level, begin, end)
            rows = []
            for number in range(begin, end):
                hashes = covered[(number - begin) * WIDTH : (number - begin + 1) * WIDTH]
                rows.append({"level": level, "number": number, "hashes": b"".join(hashes), "root": subtree(hashes)})
            session.execute(sa.insert(LogTile), rows)
        level, count = level + 1, count // WIDTH


def _covered(session: Session, level: int, begin: int, end: int) -> list[bytes]:
    """The hashes under the tiles `begin` up to, and without, `end`."""
    if level == 0:
        leaves = sa.select(LogLeaf.leaf).where(LogLeaf.index >= begin * WIDTH, LogLeaf.index < end * WIDTH)
        return list(session.scalars(leaves.order_by(LogLeaf.index)))
    roots = sa.select(LogTile.root).where(
        LogTile.level == level - 1, LogTile.number >= begin * WIDTH, LogTile.number < end * WIDTH
    )
    return list(session.scalars(roots.order_by(LogTile.number)))
