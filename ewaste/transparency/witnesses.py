"""What witnesses say: their cosignatures of our checkpoints, checked and kept.

A cosignature counts when it is of a checkpoint that we published and by a key that we know. It says nothing of what the
entries mean: a witness saw this log as the only one of its size, at that time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.transparency.models import LogCheckpoint, LogCosignature
from wipe_agent.certificate import log as fmt
from wipe_agent.certificate import public_key_from_multibase

log = logging.getLogger("ewaste.transparency")

_CLOCK_TOLERANCE: Final = 300


def keep(session: Session, size: int, vkey: str, *, now: datetime, signed: fmt.Note) -> bool:
    """Keep what the witness with this key signed of this size of the log, the first that came. True when it is new.

    Raises LogRefused when there is no such line, it does not verify, or it is dated in the future.
    """
    witness = fmt.VerifierKey.parse(vkey)
    at = _signed_at(signed, witness, now)
    line = next(one for one in signed.signatures if (one.name, one.key_id) == (witness.name, witness.key_id)).line()
    added = session.execute(
        insert(LogCosignature)
        .values(size=size, witness=vkey, line=line, signed_at=at, received_at=now)
        .on_conflict_do_nothing()
        .returning(LogCosignature.size)
    )
    return added.scalar() is not None


def take(session: Session, text: str, *, public_key: str, known: Sequence[str], now: datetime) -> int:
    """Take the cosignatures in a checkpoint that an agent hands in: by its own key, and by witnesses that we know.

    `public_key` is the station's (multibase), `known` are vkeys. Returns how many are new. Raises `Invalid` for what
    cannot be read, carries none of these or a wrong one, `NotFound` for a checkpoint that we did not publish (yet), and
    `Conflict` for another log of the same size: somebody signed two.
    """
    try:
        note = fmt.Note.parse(text.encode("utf-8", "surrogatepass"))
        seen = fmt.Checkpoint.parse(note.text)
    except fmt.Unreadable as problem:
        raise Invalid(f"The checkpoint cannot be read: {problem}", field="checkpoint") from problem
    ours = session.get(LogCheckpoint, seen.size)
    if ours is None:
        raise NotFound("We published no checkpoint of this size.")
    if fmt.Note.parse(ours.note.encode()).text != note.text:
        log.error("a station brought another checkpoint of %s entries than the one that is published", seen.size)
        raise Conflict("This is another checkpoint than the one that we published for this size. Keep it and show it.")
    own = public_key_from_multibase(public_key)
    keys = [fmt.VerifierKey.parse(vkey) for vkey in known]
    names = dict.fromkeys(line.name for line in note.signatures)
    try:
        its_own = [fmt.VerifierKey.of(name, fmt.COSIGNATURE, own) for name in names]
        keys += [key for key in its_own if note.signature_by(key)][:1]  # One key has one voice, whatever its name.
        by = [key for key in keys if note.signature_by(key)]
        if not by:
            raise Invalid("The checkpoint carries no signature of a witness that we know.", field="checkpoint")
        for key in by:
            _signed_at(note, key, now)  # A wrong one is refused, also from whoever has signed already.
        return sum(
            keep(session, seen.size, str(key), now=now, signed=note) for key in by if not _has(session, seen, key)
        )
    except fmt.LogRefused as problem:
        raise Invalid(f"The cosignature does not hold: {problem}", field="checkpoint") from problem


def _signed_at(note: fmt.Note, witness: fmt.VerifierKey, now: datetime) -> datetime:
    at = fmt.cosigned_at(note, witness)
    if at is None:
        raise fmt.LogRefused(f"{witness.name} did not sign it.")
    if (at - now).total_seconds() > _CLOCK_TOLERANCE:
        raise fmt.LogRefused(f"{witness.name} dated it {at:%Y-%m-%d %H:%M} UTC, which is still to come.")
    return at


def _has(session: Session, seen: fmt.Checkpoint, key: fmt.VerifierKey) -> bool:
    """Whether this very key signed the checkpoint already, under any name."""
    material = str(key).rpartition("+")[2]
    return bool(
        session.scalar(
            sa.select(sa.literal(1)).where(
                LogCosignature.size == seen.size,
                sa.func.right(LogCosignature.witness, len(material)) == material,
            )
        )
    )
