"""The hashes and the entries of the log, read as tiles: for proofs, and for whoever follows the log."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.transparency.models import LogCheckpoint, LogEntry, LogLeaf, LogTile
from wipe_agent.certificate import log as fmt
from wipe_agent.certificate.log.tiles import ENTRIES, WIDTH


def reader(session: Session, size: int) -> fmt.HashReader:
    """A reader of the hashes of the log's first `size` entries."""
    return fmt.tile_reader(size, lambda tile: hashes(session, tile))


def hashes(session: Session, tile: fmt.Tile) -> bytes:
    """The hashes of a tile, as many as there are of those that it names."""
    if tile.width == WIDTH:
        whole = session.scalar(
            sa.select(LogTile.hashes).where(LogTile.level == tile.level, LogTile.number == tile.index)
        )
        if whole is not None:
            return whole
    first = tile.index * WIDTH
    if tile.level == 0:
        found = sa.select(LogLeaf.leaf).where(LogLeaf.index >= first, LogLeaf.index < first + tile.width)
        return b"".join(session.scalars(found.order_by(LogLeaf.index)))
    below = sa.select(LogTile.root).where(
        LogTile.level == tile.level - 1, LogTile.number >= first, LogTile.number < first + tile.width
    )
    return b"".join(session.scalars(below.order_by(LogTile.number)))


def entries(session: Session, tile: fmt.Tile) -> bytes:
    """The entries of a bundle."""
    first = tile.index * WIDTH
    return fmt.write_entries(
        list(
            session.scalars(
                sa.select(LogEntry.data)
                .join(LogLeaf, LogLeaf.leaf == LogEntry.leaf)
                .where(LogLeaf.index >= first, LogLeaf.index < first + tile.width)
                .order_by(LogLeaf.index)
            )
        )
    )


def published(session: Session, path: str) -> bytes | None:
    """What lies at `path`, such as `tile/0/x001/234.p/8`; None for anything that no checkpoint covers yet."""
    try:
        tile = fmt.Tile.parse(path)
    except fmt.Unreadable:
        return None
    size = session.scalar(sa.select(sa.func.max(LogCheckpoint.size))) or 0
    if (tile.index * WIDTH + tile.width) << (8 * max(tile.level, 0)) > size:
        return None
    return entries(session, tile) if tile.level == ENTRIES else hashes(session, tile)
