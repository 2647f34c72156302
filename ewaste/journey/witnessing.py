"""What the log is told beside certificates, and what witnesses tell us: starts of wipes, heads of chains, cosignatures.

A leaf says that something was there by then, and nothing more: who has the document finds its leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor
from ewaste.accounts.policy import Action
from ewaste.centres.models import Centre, Station, WorkOrder
from ewaste.core.installation import installation
from ewaste.core.refusals import Invalid, NotFound
from ewaste.devices import heads
from ewaste.transparency import log, statements, witnesses

MOST_STARTS: Final = 100


def note_starts(session: Session, actor: Actor, orders: Sequence[str], *, now: datetime) -> int:
    """A station began to wipe under these work orders (digests). Each gets its leaf, once; returns how many are known.

    The wipe began before the log says so: nobody can certify a wipe, and date its beginning, under an order whose leaf
    is younger. Raises `Invalid`, or `NotFound` for an order that is not this centre's.
    """
    policy.require(actor, Action.NOTE_START, centre=actor.organisation_id)
    wanted = list(dict.fromkeys(orders))
    if not 1 <= len(wanted) <= MOST_STARTS:
        raise Invalid(f"Send 1 to {MOST_STARTS} work orders.", field="work_orders")
    found = session.scalars(
        sa.select(WorkOrder.digest).where(WorkOrder.digest.in_(wanted), WorkOrder.centre_id == actor.organisation_id)
    ).all()
    if len(found) != len(wanted):
        raise NotFound("One of these work orders is not one that we issued to your centre.")
    centre = session.get_one(Centre, actor.organisation_id)
    log.append_all(session, [("wipe-started", centre.did, digest) for digest in sorted(found)], now=now)
    return len(found)


def take_cosignature(session: Session, actor: Actor, checkpoint: str, *, known: Sequence[str], now: datetime) -> int:
    """A station saw our log and signed what it saw. Returns how many cosignatures are new; see `witnesses.take`."""
    policy.require(actor, Action.COSIGN_LOG, centre=actor.organisation_id)
    station = session.get_one(Station, actor.id)
    return witnesses.take(session, checkpoint, public_key=station.public_key, known=known, now=now)


def note_custody_heads(session: Session, actor: Actor, *, now: datetime) -> int:
    """Once a day: what every chain of custody that grew ends in goes into the log, as one leaf.

    Returns how many chains that are; 0 when today's batch was made, or none grew.
    """
    policy.require(actor, Action.RUN_JOBS)
    day = now.date()
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended("custody heads", 0))))
    if heads.has_batch(session, day):
        return 0
    grown = heads.grown(session)
    if not grown:
        return 0
    document = statements.custody_heads(day=day, devices=len(grown), root=log.merkle_root([one.entry for one in grown]))
    issuer = f"did:web:{installation(session).did_host}"
    digest = log.publish(session, document, kind="custody-head", issuer=issuer, now=now)
    heads.keep(session, day, digest, grown)
    return len(grown)
