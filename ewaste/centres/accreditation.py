"""A centre's standing: accredited within a scope, suspended, reinstated. Each change issues or withholds a credential.

An accreditation credential lists the keys of the centre's stations, so it is issued anew whenever a station comes or
goes. A suspended centre keeps what it has; but the market accepts nothing from it while the suspension lasts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.centres import credentials
from ewaste.centres.models import Accreditation, Centre, Standing, Station
from ewaste.core import status_lists
from ewaste.core.ids import new_id
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices.models import MediumKind

METHODS = ("clear", "purge", "destroy")


def find(session: Session, centre_id: UUID | None, *, to_change: bool = False) -> Centre:
    """The centre, whose standing nobody changes until the step ends. Raises `NotFound`.

    Many steps may hold it at once; only one that is about to change it waits for the others.
    """
    centre = session.scalar(
        sa.select(Centre)
        .where(Centre.organisation_id == centre_id)
        .with_for_update(read=not to_change)
        .execution_options(populate_existing=True)
    )
    if centre is None:
        raise NotFound("There is no such test centre.")
    return centre


def require_standing(centre: Centre, *, now: datetime) -> None:
    """Raises `Conflict` unless the centre is accredited at this moment."""
    if centre.standing is Standing.SUSPENDED:
        raise Conflict(f"This centre is suspended: {centre.suspension_reason} Ask the desk.")
    if centre.standing is not Standing.ACCREDITED or centre.accredited_until is None:
        raise Conflict("This centre is not accredited yet. Ask the desk.")
    if centre.accredited_until <= now:
        raise Conflict(f"The accreditation of this centre ended on {centre.accredited_until:%d %B %Y}. Ask the desk.")


def accredit(
    session: Session,
    issuers: credentials.Issuers,
    centre: Centre,
    *,
    methods: Sequence[str],
    media_kinds: Sequence[str],
    valid_until: datetime,
    now: datetime,
) -> None:
    """Accredit a centre for these levels and kinds of media until a date. Raises `Invalid` with the field."""
    if not methods or set(methods) - set(METHODS):
        raise Invalid("Choose at least one of: clear, purge, destroy.", field="methods")
    if not media_kinds or set(media_kinds) - set(MediumKind):
        raise Invalid("Choose at least one kind of medium from the list.", field="media_kinds")
    if valid_until <= now:
        raise Invalid("The accreditation must end after today.", field="valid_until")
    centre.standing = Standing.ACCREDITED
    centre.methods, centre.media_kinds = sorted(methods), sorted(media_kinds)
    centre.accredited_from, centre.accredited_until = now, valid_until
    centre.suspended_at = centre.suspension_reason = None
    session.flush()
    issue(session, issuers, centre, because="accredited", now=now)


def suspend(session: Session, centre: Centre, reason: str, *, now: datetime) -> None:
    """From now on nothing of this centre clears a device."""
    if centre.standing is not Standing.ACCREDITED:
        raise Conflict("Only an accredited centre can be suspended.")
    centre.standing, centre.suspended_at, centre.suspension_reason = Standing.SUSPENDED, now, _reason(reason)
    session.flush()


def reinstate(session: Session, centre: Centre, reason: str) -> None:
    """The suspension ends; what the centre's credential says of its dates still holds."""
    if centre.standing is not Standing.SUSPENDED:
        raise Conflict("This centre is not suspended.")
    _reason(reason)
    centre.standing, centre.suspended_at, centre.suspension_reason = Standing.ACCREDITED, None, None
    session.flush()


def issue(session: Session, issuers: credentials.Issuers, centre: Centre, *, because: str, now: datetime) -> None:
    """Issue the accreditation as it stands now: its scope, its dates, the keys of its stations.

    The credential lists keys, so a centre without a station gets its first one with its first station.
    """
    if centre.accredited_from is None or centre.accredited_until is None:
        raise Conflict("This centre was never accredited.")
    keys = station_keys(session, centre.organisation_id)
    if not keys:
        return
    organisation = session.get_one(Organisation, centre.organisation_id)
    accreditation_id = new_id()
    document = credentials.accreditation(
        issuers,
        credential_id=f"urn:uuid:{accreditation_id}",
        centre_did=centre.did,
        centre_name=organisation.name,
        methods=centre.methods,
        media_kinds=centre.media_kinds,
        keys=keys,
        valid_from=centre.accredited_from,
        valid_until=centre.accredited_until,
        place=status_lists.draw(
            session, kind=status_lists.ACCREDITATIONS, issuer=issuers.accreditor.did, about=centre.did, now=now
        ),
        now=now,
    )
    issued = Accreditation(
        id=accreditation_id,
        centre_id=centre.organisation_id,
        credential_id=document["id"],
        digest=credentials.digest(document),
        document=credentials.text(document),
        valid_from=centre.accredited_from,
        valid_until=centre.accredited_until,
        issued_at=now,
        issued_because=because,
    )
    session.add(issued)
    session.flush()


def withdraw_credential(
    session: Session,
    issuers: credentials.Issuers,
    issued: Accreditation,
    *,
    reason: str,
    since: datetime | None,
    now: datetime,
) -> bool:
    """Revoke an accreditation in its status list, for fraud: what witnesses did not see before `since` falls with it.

    An ordinary end needs no such thing: the credential says itself until when it counts. Whether it had a place in a
    list of ours and was not revoked before.
    """
    place = credentials.place_of(issued.document, issuers=issuers)
    if place is None:
        return False
    return status_lists.withdraw(session, place, reason=reason, compromised_since=since, now=now)


def current(session: Session, centre_id: UUID) -> Accreditation:
    """The newest accreditation credential of a centre. Raises `Conflict` when it has none."""
    found = session.scalar(
        sa.select(Accreditation)
        .where(Accreditation.centre_id == centre_id)
        .order_by(Accreditation.issued_at.desc(), Accreditation.id)
        .limit(1)
    )
    if found is None:
        raise Conflict("This centre has no accreditation credential yet. Accredit it, then enrol its first station.")
    return found


def station_keys(session: Session, centre_id: UUID) -> dict[str, str]:
    """Verification method → public key of every station of the centre that was not revoked."""
    rows = session.execute(
        sa.select(Station.verification_method, Station.public_key)
        .where(Station.centre_id == centre_id, Station.revoked_at.is_(None))
        .order_by(Station.enrolled_at, Station.id)
    )
    return {row.verification_method: row.public_key for row in rows}


def _reason(reason: str) -> str:
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters; the centre reads it.", field="reason")
    return reason.strip()
