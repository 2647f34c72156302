"""Read the whole log again and say what does not hold: numbers, hashes, tiles, roots, signatures, documents."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.transparency.models import (
    LogCheckpoint,
    LogCosignature,
    LogEntry,
    LogHead,
    LogLeaf,
    LogStatement,
    LogTile,
    LogWaiting,
)
from wipe_agent.certificate import canonical, digest_multibase, read
from wipe_agent.certificate import log as fmt
from wipe_agent.certificate.log.tiles import WIDTH, subtree


def everything(session: Session, keys: Sequence[str]) -> tuple[int, list[str]]:
    """Check the log against itself, and its signatures against `keys` (vkeys; none: they are not checked).

    Returns how many entries have their number, and what is wrong, in words. Reads all of it, in one pass.
    """
    wrong: list[str] = []
    lost = (
        sa.select(LogEntry.digest)
        .outerjoin(LogLeaf, LogLeaf.leaf == LogEntry.leaf)
        .outerjoin(LogWaiting, LogWaiting.leaf == LogEntry.leaf)
        .where(LogLeaf.leaf.is_(None), LogWaiting.leaf.is_(None))
    )
    wrong += [f"The log has lost the entry of {digest}: it has no number and waits for none."
              for digest in session.scalars(lost)]  # fmt: skip
    heads = {head.size: head.root for head in session.scalars(sa.select(LogHead).order_by(LogHead.size))}
    size = _tree(session, heads, wrong)
    wrong += [f"The log has a head of {head} entries and holds {size}." for head in heads if head > size]
    _checkpoints(session, heads, keys, wrong)
    for statement in session.scalars(sa.select(LogStatement).execution_options(yield_per=500)):
        document = read(statement.document.encode(), what="statement")
        if digest_multibase(document) != statement.digest or canonical(document) != statement.document.encode():
            wrong.append(f"The published document {statement.digest} was changed.")
    return size, wrong


def _tree(session: Session, heads: dict[int, bytes], wrong: list[str]) -> int:
    """Hash every entry anew, and compare tiles and roots with what is stored."""
    frontier, gap = fmt.Frontier(), False
    tile: list[bytes] = []
    roots: list[tuple[bytes, bytes]] = []
    for index, leaf, data in _leaves(session):
        if index != frontier.size:
            if not gap:
                wrong.append(f"The log has no entry {frontier.size}; the next one is {index}.")
            gap = True  # Nothing after it can be compared; the rest is read to its end all the same.
        if gap:
            continue
        if fmt.leaf_hash(data) != leaf:
            wrong.append(f"Entry {index} of the log was changed.")
        frontier, _ = frontier.extend([leaf])
        tile.append(leaf)
        if len(tile) == WIDTH:
            roots.append((b"".join(tile), subtree(tile)))
            tile = []
        if frontier.size in heads and heads[frontier.size] != frontier.root():
            wrong.append(f"The root of the first {frontier.size} entries is not the one that was noted.")
    if not gap:
        _tiles(session, roots, wrong)
    return frontier.size


def _leaves(session: Session) -> sa.Result[int, bytes, bytes]:
    return session.execute(
        sa.select(LogLeaf.index, LogLeaf.leaf, LogEntry.data)
        .join(LogEntry, LogEntry.leaf == LogLeaf.leaf)
        .order_by(LogLeaf.index)
        .execution_options(yield_per=2_000)
    )


def _tiles(session: Session, full: list[tuple[bytes, bytes]], wrong: list[str]) -> None:
    level = 0
    while full:
        stored = session.execute(
            sa.select(LogTile.number, LogTile.hashes, LogTile.root)
            .where(LogTile.level == level)
            .order_by(LogTile.number)
            .execution_options(yield_per=100)
        )
        for count, (number, hashes, root) in enumerate(stored):
            if number != count or number >= len(full) or (hashes, root) != full[number]:
                wrong.append(f"Tile {level}/{number} of the log is not what its entries say.")
        roots = [root for _, root in full]
        groups = [roots[at : at + WIDTH] for at in range(0, len(roots) - len(roots) % WIDTH, WIDTH)]
        full = [(b"".join(group), subtree(group)) for group in groups]
        level += 1


def _checkpoints(session: Session, heads: dict[int, bytes], keys: Sequence[str], wrong: list[str]) -> None:
    logs = [fmt.VerifierKey.parse(key) for key in keys]
    for checkpoint in session.scalars(sa.select(LogCheckpoint).execution_options(yield_per=500)):
        note = checkpoint.note.encode()
        said = fmt.Checkpoint.parse(fmt.Note.parse(note).text)
        if (said.size, said.root) != (checkpoint.size, heads.get(checkpoint.size)):
            wrong.append(f"The checkpoint of {checkpoint.size} entries is not of the log that is stored.")
        if logs and not any(_signed(note, log) for log in logs):
            wrong.append(f"The checkpoint of {checkpoint.size} entries is not signed with the key of the log.")
    rows = session.execute(
        sa.select(LogCosignature, LogCheckpoint.note)
        .join(LogCheckpoint, LogCheckpoint.size == LogCosignature.size)
        .execution_options(yield_per=500)
    )
    for cosignature, text in rows:
        try:
            cosigned = fmt.cosigned_at(
                fmt.Note.parse((text + cosignature.line).encode()), fmt.VerifierKey.parse(cosignature.witness)
            )
        except ValueError:
            cosigned = None
        if cosigned != cosignature.signed_at:
            wrong.append(f"A witness's signature under {cosignature.size} entries does not hold.")


def _signed(note: bytes, log: fmt.VerifierKey) -> bool:
    try:
        fmt.open_checkpoint(note, log)
    except ValueError:
        return False
    return True
