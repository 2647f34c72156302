"""Status lists that an accreditor signs with a key of its own: handed in by its people, kept, and put into bundles.

Nothing is fetched. What is taken in is signed by that accreditor, is a list that its accreditations name, and is newer
than the one before. A list that takes back what the one before told as withdrawn is taken with a word on why.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, distinct_on
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.centres import accreditors, credentials
from ewaste.centres.accrediting_models import Accreditor, KeptStatusList
from ewaste.centres.models import Accreditation
from ewaste.core.refusals import Conflict, Invalid, NotAllowed

LARGEST = 65_536
"""The most characters of a list."""
MOST_A_DAY = 100
CLOCK_TOLERANCE = timedelta(seconds=300)


def take_in(
    session: Session,
    issuers: credentials.Issuers,
    accreditor: Accreditor,
    text: str,
    note: str,
    *,
    by: Actor,
    now: datetime,
) -> KeptStatusList:
    """A list of this accreditor's is kept, and goes into bundles from now on.

    The caller holds the accreditor, so two lists come one after the other. Raises `Invalid` with the field.
    """
    if by.id is None:
        raise NotAllowed("Only a person hands in a list.")
    if not accreditor.own_key:
        raise Conflict("We sign the status lists of this accreditor; there is nothing to hand in.")
    if len(text) > LARGEST:
        raise _unfit("it is too long")
    try:
        said = credentials.read_status_list(text, accreditors.party(session, accreditor), training=issuers.training)
    except ValueError as error:
        raise Invalid(str(error), field="status_list") from error
    if not _is_named(session, accreditor, said.address):
        raise _unfit("no accreditation that this accreditor handed in names it")
    if said.dated > now + CLOCK_TOLERANCE:
        raise _unfit("it is dated in the future")
    if said.fresh_until <= now:
        raise _unfit(f"it counted as fresh until {said.fresh_until:%d %B %Y, %H:%M} UTC only. Sign a new one")
    before = newest(session, accreditor.did, said.address)
    if before is not None and said.dated <= before.dated:
        raise _unfit(f"we hold one of {before.dated:%d %B %Y, %H:%M:%S} UTC, and this one is not newer")
    since = sa.select(sa.func.count()).where(
        KeptStatusList.accreditor_id == accreditor.id, KeptStatusList.at > now - timedelta(days=1)
    )
    if (session.scalar(since) or 0) >= MOST_A_DAY:
        raise Conflict(f"{MOST_A_DAY} lists came within a day. Hand in the next one tomorrow.")
    taken_back = 0 if before is None else credentials.taken_back(before.document, said.document)
    word = " ".join(note.split())
    if len(word) > 500 or (taken_back and len(word) < 3):
        told = f"{taken_back} withdrawals that the list before told are not in this one. " if taken_back else ""
        raise Invalid(f"{told}Say why, in 3 to 500 characters.", field="note")
    kept = KeptStatusList(
        accreditor_id=accreditor.id,
        address=said.address,
        document=said.document,
        dated=said.dated,
        fresh_until=said.fresh_until,
        taken_back=taken_back,
        note=word,
        by_id=by.id,
        by_name=by.name,
        at=now,
    )
    session.add(kept)
    session.flush()
    return kept


def newest(session: Session, did: str, address: str) -> KeptStatusList | None:
    """The newest list of this address that the accreditor with this DID handed in."""
    return session.scalars(
        sa.select(KeptStatusList)
        .join(Accreditor, Accreditor.id == KeptStatusList.accreditor_id)
        .where(Accreditor.did == did, KeptStatusList.address == address)
        .order_by(KeptStatusList.dated.desc())
        .limit(1)
    ).one_or_none()


def held(session: Session) -> list[KeptStatusList]:
    """The newest list of every address, by address; at most 1,000."""
    return list(
        session.scalars(
            sa.select(KeptStatusList)
            .ext(distinct_on(KeptStatusList.address))
            .order_by(KeptStatusList.address, KeptStatusList.dated.desc())
            .limit(1000)
        )
    )


def _is_named(session: Session, accreditor: Accreditor, address: str) -> bool:
    document = sa.cast(Accreditation.document, JSONB)
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    document["issuer"]["id"].astext == accreditor.did,
                    document["credentialStatus"]["statusListCredential"].astext == address,
                )
            )
        )
    )


def _unfit(why: str) -> Invalid:
    return Invalid(f"This list cannot be taken: {why}.", field="status_list")
