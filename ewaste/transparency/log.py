"""Append a leaf in the step's own transaction, and prove later that it is in the log."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by, insert
from sqlalchemy.orm import Session

from ewaste.core.log_trust import NO_LOG, LogTrust
from ewaste.transparency.models import LogCheckpoint, LogCosignature, LogEntry, LogLeaf, LogStatement
from ewaste.transparency.tiles import reader
from wipe_agent.certificate import canonical, digest_multibase
from wipe_agent.certificate import log as fmt

PROOF_FILE: Final = "log-proof.txt"
"""The proof of a certificate in its bundle."""
MOST_COSIGNATURES: Final = 60
"""Lines of witnesses in what we serve: a note with more than a hundred signatures is read by nobody."""

_APPEND = sa.text(
    "insert into log_entries (leaf, kind, issuer, digest, data, at)"
    " select leaf, kind, issuer, digest, data, :at from unnest(cast(:leaf as bytea[]), cast(:kind as text[]),"
    " cast(:issuer as text[]), cast(:digest as text[]), cast(:data as bytea[])) as t(leaf, kind, issuer, digest, data)"
    " on conflict (leaf) do nothing"
)


@dataclass(frozen=True)
class LogProof:
    """The proof that an entry is in the log: its number, the size of the log it is proven for, and the file."""

    index: int
    size: int
    text: bytes


def append(session: Session, *, kind: str, issuer: str, digest: str, now: datetime) -> None:
    """Append a leaf. It gets its number when the step is committed, a moment later; the same leaf is appended once.

    `kind` is one of `wipe_agent.certificate.log.KINDS`, `issuer` a DID, `digest` that of the document (multibase).
    Raises ValueError for what is no leaf.
    """
    append_all(session, [(kind, issuer, digest)], now=now)


def append_all(session: Session, leaves: Sequence[tuple[str, str, str]], *, now: datetime) -> None:
    """Append many leaves (kind, issuer, digest) in one statement."""
    made = [fmt.Leaf(kind, issuer, digest) for kind, issuer, digest in leaves]
    data = [leaf.data for leaf in made]
    session.execute(
        _APPEND,
        {
            "leaf": [fmt.leaf_hash(each) for each in data],
            "kind": [leaf.kind for leaf in made],
            "issuer": [leaf.issuer for leaf in made],
            "digest": [leaf.digest for leaf in made],
            "data": data,
            "at": now,
        },
    )


def publish(session: Session, document: Mapping[str, Any], *, kind: str, issuer: str, now: datetime) -> str:
    """Publish a small document of ours and append the leaf that names it. Returns its digest (multibase)."""
    digest = digest_multibase(document)
    session.execute(
        insert(LogStatement)
        .values(digest=digest, document=canonical(document).decode(), at=now)
        .on_conflict_do_nothing()
    )
    append(session, kind=kind, issuer=issuer, digest=digest, now=now)
    return digest


def statement(session: Session, digest: str) -> str | None:
    """The published document with this digest, in canonical form; None when we published none."""
    return session.scalar(sa.select(LogStatement.document).where(LogStatement.digest == digest))


def merkle_root(entries: Sequence[bytes]) -> bytes:
    """The root (RFC 6962) over a list of entries that is kept elsewhere."""
    return fmt.Frontier().extend(fmt.leaf_hash(entry) for entry in entries)[0].root()


def proof_for(session: Session, digest: str, *, kind: str | None = None, trusted: LogTrust = NO_LOG) -> LogProof | None:
    """The proof file of the newest entry that names this digest; None while it has no checkpoint yet.

    It stands on the smallest checkpoint that covers the entry and that as many trusted witnesses signed as are needed,
    so the time that they saw it is the earliest; where there is none, on the smallest that covers it.
    """
    index = _index(session, digest, kind)
    if index is None:
        return None
    chosen = _checkpoint_over(session, index, trusted)
    if chosen is None:
        return None
    hashes = fmt.inclusion_proof(index, chosen.size, reader(session, chosen.size))
    note = with_cosignatures(session, chosen, trusted)
    return LogProof(index, chosen.size, bytes(fmt.LogProof(index, tuple(hashes), note)))


def seen(session: Session, digests: Sequence[str], *, kind: str, trusted: LogTrust) -> dict[str, datetime]:
    """When as many trusted witnesses as are needed had seen these in the log, as their proofs show it.

    What they have not seen is left out; so is everything where no witness is needed, as then nobody outside says when.
    """
    if not digests or not trusted.needed:
        return {}
    indexes = session.execute(
        sa.select(LogEntry.digest, sa.func.max(LogLeaf.index))
        .join(LogLeaf, LogLeaf.leaf == LogEntry.leaf)
        .where(LogEntry.kind == kind, LogEntry.digest.in_(list(digests)))
        .group_by(LogEntry.digest)
    ).all()
    times = sa.func.array_agg(aggregate_order_by(LogCosignature.signed_at, LogCosignature.signed_at))
    witnessed = session.execute(
        sa.select(LogCosignature.size, times)
        .where(LogCosignature.witness.in_(trusted.witnesses))
        .group_by(LogCosignature.size)
        .having(sa.func.count() >= trusted.needed)
        .order_by(LogCosignature.size)
    ).all()
    sizes = [size for size, _ in witnessed]
    first = ((digest, bisect_right(sizes, index)) for digest, index in indexes)  # The smallest that covers it.
    return {digest: witnessed[place][1][trusted.needed - 1] for digest, place in first if place < len(sizes)}


def newest(session: Session) -> LogCheckpoint | None:
    """The newest checkpoint, as it was signed; None while there is none."""
    return session.scalar(sa.select(LogCheckpoint).order_by(LogCheckpoint.size.desc()).limit(1))


def with_cosignatures(session: Session, checkpoint: LogCheckpoint, trusted: LogTrust = NO_LOG) -> bytes:
    """The checkpoint with what witnesses signed of it: the trusted ones first, then the earliest."""
    lines = session.scalars(
        sa.select(LogCosignature.line)
        .where(LogCosignature.size == checkpoint.size)
        .order_by(
            LogCosignature.witness.in_(trusted.witnesses).desc(), LogCosignature.signed_at, LogCosignature.witness
        )
        .limit(MOST_COSIGNATURES)
    )
    return (checkpoint.note + "".join(lines)).encode()


def _index(session: Session, digest: str, kind: str | None) -> int | None:
    found = (
        sa.select(LogLeaf.index)
        .join(LogEntry, LogEntry.leaf == LogLeaf.leaf)
        .where(LogEntry.digest == digest)
        .order_by(LogLeaf.index.desc())
        .limit(1)
    )
    return session.scalar(found.where(LogEntry.kind == kind) if kind else found)


def _checkpoint_over(session: Session, index: int, trusted: LogTrust) -> LogCheckpoint | None:
    covering = sa.select(LogCheckpoint).where(LogCheckpoint.size > index).order_by(LogCheckpoint.size).limit(1)
    if trusted.needed:
        witnessed = session.scalar(
            sa.select(LogCosignature.size)
            .where(LogCosignature.size > index, LogCosignature.witness.in_(trusted.witnesses))
            .group_by(LogCosignature.size)
            .having(sa.func.count() >= trusted.needed)
            .order_by(LogCosignature.size)
            .limit(1)
        )
        if witnessed is not None:
            return session.get(LogCheckpoint, witnessed)
    return session.scalar(covering)
