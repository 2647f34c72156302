"""A centre's standing: accredited within a scope, suspended, withdrawn. Each change issues or withholds a credential.

What two people decide is decided in `decisions`, and comes into force here. An accreditation credential lists the
keys of the centre's stations, so it is issued anew whenever a station comes or goes. A suspended centre keeps what it
has; but the market accepts nothing from it while the suspension lasts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.centres import accreditors, credentials, published
from ewaste.centres.accrediting_models import AccreditationRevocation, Accreditor, Decision, DecisionKind
from ewaste.centres.models import Accreditation, Centre, Standing, Station
from ewaste.core import status_lists
from ewaste.core.ids import new_id
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices.models import MediumKind

METHODS = ("clear", "purge", "destroy")
LONGEST = timedelta(days=3 * 366)
CREDENTIAL = 65_536
"""The most characters of a credential that is handed in."""


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


def of_accreditor(session: Session, accreditor_id: UUID) -> list[Centre]:
    """The centres of an accreditor, which nobody else changes until the step ends."""
    mine = sa.select(Centre).where(Centre.accreditor_id == accreditor_id).order_by(Centre.organisation_id)
    return list(session.scalars(mine.with_for_update().execution_options(populate_existing=True)))


def signed_with(session: Session, verification_method: str) -> list[UUID]:
    """The centres that ever had an accreditation under this key, whoever accredits them now."""
    method = sa.cast(Accreditation.document, JSONB)["proof"]["verificationMethod"].astext
    return list(session.scalars(sa.select(Accreditation.centre_id).where(method == verification_method).distinct()))


def require_standing(centre: Centre, *, now: datetime) -> None:
    """Raises `Conflict` unless the centre is accredited at this moment."""
    if centre.standing is Standing.WITHDRAWN:
        raise Conflict("The accreditation of this centre was withdrawn. Ask the desk.")
    if centre.standing is Standing.SUSPENDED:
        raise Conflict(f"This centre is suspended: {centre.suspension_reason} Ask the desk.")
    if centre.standing is not Standing.ACCREDITED or centre.accredited_until is None:
        raise Conflict("This centre is not accredited yet. Ask the desk.")
    if centre.accredited_until <= now:
        raise Conflict(f"The accreditation of this centre ended on {centre.accredited_until:%d %B %Y}. Ask the desk.")


def require_scope(methods: Sequence[str], media_kinds: Sequence[str], valid_until: datetime, *, now: datetime) -> None:
    """Raises `Invalid` with the field unless these are methods, kinds of media and an end that a centre can have."""
    if not methods or set(methods) - set(METHODS):
        raise Invalid("Choose at least one of: clear, purge, destroy.", field="methods")
    if not media_kinds or set(media_kinds) - set(MediumKind):
        raise Invalid("Choose at least one kind of medium from the list.", field="media_kinds")
    if valid_until <= now:
        raise Invalid("The accreditation must end after today.", field="valid_until")
    if valid_until > now + LONGEST:
        raise Invalid("It lasts three years at most; then the centre is audited anew.", field="valid_until")


def grant(session: Session, issuers: credentials.Issuers, centre: Centre, decision: Decision, *, now: datetime) -> None:
    """What two people confirmed comes into force: a first scope, or another one. Its credential is signed."""
    # Asked once more under a lock: its end, a moment ago, suspended the centres that it had then.
    accreditors.require_in_force(accreditors.find(session, decision.accreditor_id))
    centre.standing = Standing.ACCREDITED
    centre.decision_id, centre.accreditor_id = decision.id, decision.accreditor_id
    centre.methods, centre.media_kinds = sorted(decision.methods), sorted(decision.media_kinds)
    centre.accredited_from, centre.accredited_until = now, decision.valid_until
    centre.suspended_at = centre.suspension_reason = centre.suspended_for = None
    centre.withdrawn_at = centre.withdrawal_reason = centre.fraud_since = None
    session.flush()
    because = "accredited" if decision.kind is DecisionKind.GRANT else "another scope"
    issue(session, issuers, centre, because=because, now=now)


def suspend(session: Session, centre: Centre, reason: str, *, accreditor: Accreditor, now: datetime) -> None:
    """From now on nothing of this centre clears a device. The people of this accreditor alone lift it."""
    if centre.standing is not Standing.ACCREDITED:
        raise Conflict("Only an accredited centre can be suspended.")
    centre.standing, centre.suspended_at, centre.suspension_reason = Standing.SUSPENDED, now, require_reason(reason)
    centre.suspended_for = accreditor.id
    session.flush()


def lift(session: Session, centre: Centre, decision: Decision) -> None:
    """The suspension ends, as two people confirmed; what the centre's credential says of its dates still holds."""
    centre.standing, centre.decision_id = Standing.ACCREDITED, decision.id
    centre.suspended_at = centre.suspension_reason = centre.suspended_for = None
    session.flush()


def withdraw(
    session: Session, issuers: credentials.Issuers, centre: Centre, decision: Decision, *, now: datetime
) -> None:
    """The accreditation ends now, as two people confirmed.

    An ordinary withdrawal issues a last credential that ends now: what was certified before stays good. For fraud
    every credential of the centre is revoked, from the decision's `since` on.
    """
    centre.standing, centre.decision_id = Standing.WITHDRAWN, decision.id
    centre.withdrawn_at, centre.withdrawal_reason = now, decision.reason
    centre.accredited_until = now if centre.accredited_until is None else min(centre.accredited_until, now)
    centre.suspended_at = centre.suspension_reason = centre.suspended_for = None
    if decision.kind is DecisionKind.WITHDRAW:
        session.flush()
        if (
            centre.accredited_from is not None
            and centre.accredited_from + timedelta(seconds=1) <= centre.accredited_until
        ):
            issue(session, issuers, centre, because="withdrawn", now=now)
        return
    since = decision.since or now
    centre.fraud_since = since
    session.flush()
    revoked = sa.exists().where(AccreditationRevocation.accreditation_id == Accreditation.id)
    for issued in session.scalars(
        sa.select(Accreditation)
        .where(Accreditation.centre_id == centre.organisation_id, Accreditation.valid_until > since, ~revoked)
        .order_by(Accreditation.issued_at, Accreditation.id)
    ).all():
        session.add(
            AccreditationRevocation(
                accreditation_id=issued.id, decision_id=decision.id, since=since, reason=decision.reason, at=now
            )
        )
        by = credentials.issuer_of(issued.document)
        published.revocation(session, issued, issuer=by, since=since, reason=decision.reason, now=now)
        withdraw_credential(session, issuers, issued, reason=decision.reason, since=since, now=now)
    session.flush()


def issue(session: Session, issuers: credentials.Issuers, centre: Centre, *, because: str, now: datetime) -> None:
    """Issue the accreditation as it stands now: its scope, its dates, the keys of its stations.

    The credential lists keys, so a centre without a station gets its first one with its first station. An accreditor
    that signs with its own key is not signed for: it hands the credential in (`take_in`). Nobody signs for one that
    ended, as nobody would believe it.
    """
    if centre.accredited_from is None or centre.accredited_until is None or centre.accreditor_id is None:
        raise Conflict("This centre was never accredited.")
    keys = station_keys(session, centre.organisation_id, now=now)
    accreditor = accreditors.find(session, centre.accreditor_id)
    signer = accreditors.issuer(session, issuers, accreditor, now=now)
    if not keys or signer is None or accreditor.ended_at is not None:
        return
    organisation = session.get_one(Organisation, centre.organisation_id)
    accreditation_id = new_id()
    document = credentials.accreditation(
        issuers,
        signer,
        credential_id=f"urn:uuid:{accreditation_id}",
        centre_did=centre.did,
        centre_name=organisation.name,
        methods=centre.methods,
        media_kinds=centre.media_kinds,
        keys=keys,
        valid_from=centre.accredited_from,
        valid_until=centre.accredited_until,
        place=status_lists.draw(
            session, kind=status_lists.ACCREDITATIONS, issuer=signer.did, about=centre.did, now=now
        ),
        now=now,
    )
    _keep(session, centre, document, accreditation_id, centre.accredited_from, centre.accredited_until, because, now)


def take_in(
    session: Session,
    issuers: credentials.Issuers,
    centre: Centre,
    accreditor: Accreditor,
    text: str,
    *,
    now: datetime,
) -> Accreditation:
    """An accreditation that its accreditor signed with its own key comes into force.

    It says what two people of that accreditor confirmed here, or less, and lists no key but those that this centre's
    stations enrolled. Raises `Invalid` (field `credential`) with the first thing that is wrong.
    """
    if len(text) > CREDENTIAL:
        raise _unfit("it is too long")
    try:
        said = credentials.read_accreditation(text, accreditors.party(session, accreditor), training=issuers.training)
    except ValueError as error:
        raise Invalid(str(error), field="credential") from error
    if centre.standing is not Standing.ACCREDITED or centre.accredited_until is None:
        raise Conflict("Two people of the accreditor confirm the scope first; then its credential is handed in.")
    name = session.get_one(Organisation, centre.organisation_id).name
    if (said.centre_did, said.centre_name) != (centre.did, name):
        raise _unfit(f"it is for {said.centre_name}, {said.centre_did}, and not for {name}, {centre.did}")
    if set(said.methods) - set(centre.methods) or set(said.media_kinds) - set(centre.media_kinds):
        raise _unfit("its scope is wider than what was confirmed here")
    if said.valid_until > centre.accredited_until or said.valid_from > now or said.valid_until <= now:
        raise _unfit("it does not hold now, or longer than was confirmed here")
    if credentials.place_of(credentials.text(said.document), issuers=issuers) is not None:
        raise _unfit("it names a status list of ours; name one that you sign and serve yourself, or none")
    enrolled = station_keys(session, centre.organisation_id, now=now)
    if any(enrolled.get(method) != key for method, key in said.keys.items()):
        raise _unfit("it lists a key that no station of this centre enrolled, or one that was revoked")
    if session.scalar(sa.select(Accreditation.id).where(Accreditation.credential_id == said.credential_id)):
        raise Conflict("This credential was handed in already.", field="credential")
    return _keep(
        session, centre, said.document, new_id(), said.valid_from, said.valid_until, "handed in by the accreditor", now
    )


def _unfit(why: str) -> Invalid:
    return Invalid(f"This credential cannot be taken: {why}.", field="credential")


def _keep(
    session: Session,
    centre: Centre,
    document: Mapping[str, Any],
    accreditation_id: UUID,
    valid_from: datetime,
    valid_until: datetime,
    because: str,
    now: datetime,
) -> Accreditation:
    issued = Accreditation(
        id=accreditation_id,
        centre_id=centre.organisation_id,
        credential_id=document["id"],
        digest=credentials.digest(document),
        document=credentials.text(document),
        valid_from=valid_from,
        valid_until=valid_until,
        issued_at=now,
        issued_because=because,
    )
    session.add(issued)
    session.flush()
    return issued


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
    listed = status_lists.named(session, place.name) if place is not None else None
    # Nobody's credential sets a place in somebody else's list: it would be another centre's that falls.
    if place is None or listed is None or listed.issuer != credentials.issuer_of(issued.document):
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


def station_keys(session: Session, centre_id: UUID, *, now: datetime) -> dict[str, str]:
    """Verification method → public key of every station of the centre whose key counts at this moment."""
    rows = session.execute(
        sa.select(Station.verification_method, Station.public_key)
        .where(
            Station.centre_id == centre_id,
            Station.revoked_at.is_(None),
            sa.or_(Station.retires_at.is_(None), Station.retires_at > now),
        )
        .order_by(Station.enrolled_at, Station.id)
    )
    return {row.verification_method: row.public_key for row in rows}


def require_reason(reason: str) -> str:
    """The reason of a decision, without blanks around it. Raises `Invalid`."""
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters. The reason is public.", field="reason")
    return reason.strip()
