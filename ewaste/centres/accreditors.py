"""Accreditors: who may accredit centres here. One is the house; others are organisations that two of our people admit.

An accreditor has a DID and a key. Where we host both, the key lies in a file beside ours; an accreditor with a key of
its own hands in its DID document, and we hold its public half. The trust file lists all that were ever in force, and
until when each that ended counted: so what was certified before its end verifies everywhere, and nothing from after it.
"""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor, Membership, Organisation, OrganisationKind, OrganisationState, Person, Role
from ewaste.centres import credentials
from ewaste.centres.accrediting_models import (
    IN_ORDER,
    Accreditor,
    AccreditorKey,
    AccreditorKeyChange,
    DecisionOutcome,
)
from ewaste.core.ids import CENTRE, new_code
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])?")
DOCUMENT = 20_000
"""The most characters of a DID document."""


def house(session: Session) -> Accreditor:
    """The accreditor that this installation is itself."""
    return session.scalars(sa.select(Accreditor).where(Accreditor.house.is_(True))).one()


def find(session: Session, accreditor_id: UUID, *, to_change: bool = False) -> Accreditor:
    """One accreditor, which nobody changes until the step ends. Raises `NotFound`."""
    found = session.scalar(
        sa.select(Accreditor)
        .where(Accreditor.id == accreditor_id)
        .with_for_update(read=not to_change)
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such accreditor.")
    return found


def of(session: Session, actor: Actor) -> Accreditor:
    """The accreditor that this person acts for: the house for our staff. Raises `NotAllowed`."""
    if actor.role is Role.STAFF:
        return house(session)
    found = session.scalar(
        sa.select(Accreditor).where(
            Accreditor.organisation_id == actor.organisation_id, Accreditor.organisation_id.is_not(None)
        )
    )
    if found is None:
        raise NotAllowed("Your organisation accredits no centres here.")
    return found


def require_own(accreditor: Accreditor, actor: Actor) -> None:
    """Raises `NotAllowed` unless this person acts for this accreditor, `Conflict` when it is not in force."""
    ours = actor.role is Role.STAFF if accreditor.house else actor.organisation_id == accreditor.organisation_id
    if not ours:
        raise NotAllowed(f"Only the people of {accreditor.name} decide this.")
    require_in_force(accreditor)


def require_in_force(accreditor: Accreditor) -> None:
    """Raises `Conflict` for an accreditor that is not confirmed yet, or ended."""
    if accreditor.ended_at is not None:
        raise Conflict(f"{accreditor.name} has accredited nobody since {accreditor.ended_at:%d %B %Y}.")
    if accreditor.confirmed_at is None:
        raise Conflict(f"{accreditor.name} is not admitted yet. A second person of our desk confirms it first.")


def parties(session: Session) -> list[credentials.Party]:
    """The accreditors of the trust file, in the order in which they came, with every key that they had and its end.

    Those that ended are among them, with their end. The house is, once it changed its key.
    """
    return [party for _, party in _parties(session, Accreditor.confirmed_at.is_not(None))]


def trust_bytes(session: Session, issuers: credentials.Issuers) -> bytes:
    """The trust file of this market as it stands now, in canonical form."""
    return credentials.trust_bytes(issuers, parties(session))


def lost_keys(session: Session) -> dict[str, datetime]:
    """Verification method of each key that others may have had to the moment since when."""
    rows = session.execute(
        sa.select(AccreditorKey.verification_method, AccreditorKey.compromised_since).where(
            AccreditorKey.compromised_since.is_not(None)
        )
    )
    return {method: since for method, since in rows if since is not None}


def trust_of_ours(session: Session, issuers: credentials.Issuers) -> bytes:
    """The trust file as far as it judges what we took in ourselves: when that was, we know without any witness.

    So of a key that others may have had, its end counts here and the loss does not; `lost_keys` names those.
    """
    known = [
        replace(party, ends={method: credentials.KeyEnd(end.until) for method, end in party.ends.items()})
        for party in parties(session)
    ]
    return credentials.trust_bytes(issuers, known)


def trust_fingerprint(session: Session, issuers: credentials.Issuers) -> str:
    """The short name of the trust file as it stands now."""
    return credentials.trust_fingerprint(issuers, parties(session))


def did_documents(session: Session, issuers: credentials.Issuers) -> dict[str, dict[str, Any]]:
    """By DID, the DID documents of the market and of every accreditor, the house first."""
    ours = {
        each.did: credentials.did_document(each) for each in (issuers.accreditor, issuers.market)
    }  # The house's gives way to the one of all its keys.
    return ours | {party.did: party.did_document() for party in parties(session)}


def party(session: Session, accreditor: Accreditor) -> credentials.Party:
    """An accreditor with its keys and their ends, as a verifier of its credentials needs it."""
    return next(found for _, found in _parties(session, Accreditor.id == accreditor.id))


def issuer(
    session: Session, issuers: credentials.Issuers, accreditor: Accreditor, *, now: datetime
) -> credentials.Issuer | None:
    """The one who signs for this accreditor now: with the one of its keys that ends next.

    None for one that signs with a key that we do not hold. Raises `Conflict` where the key's file is another's.
    """
    if accreditor.own_key:
        return None
    row = session.scalars(
        sa.select(AccreditorKey)
        .where(
            AccreditorKey.accreditor_id == accreditor.id,
            AccreditorKey.compromised_since.is_(None),
            sa.or_(AccreditorKey.revoked_at.is_(None), AccreditorKey.revoked_at > now),
        )
        .order_by(AccreditorKey.revoked_at.nulls_last(), *IN_ORDER)
        .limit(1)
    ).one_or_none()
    number = 1 if row is None else int(row.verification_method.rpartition("-")[2])
    signer = issuers.hosted(accreditor.did, accreditor.name, number)
    if row is not None and credentials.public_key_text(signer) != row.public_key:
        raise Conflict(
            f"The key {row.verification_method} is not among the keys of this installation. Restore it from a backup."
        )
    return signer


def _parties(session: Session, *which: sa.ColumnElement[bool]) -> list[tuple[Accreditor, credentials.Party]]:
    changed = (
        sa.select(sa.func.max(AccreditorKeyChange.decided_at))
        .where(
            AccreditorKeyChange.accreditor_id == Accreditor.id,
            AccreditorKeyChange.outcome == DecisionOutcome.CONFIRMED,
        )
        .scalar_subquery()
    )
    found: dict[Accreditor, list[AccreditorKey]] = {}
    last: dict[Accreditor, datetime] = {}
    for row in session.execute(
        sa.select(Accreditor, AccreditorKey, changed.label("changed"))
        .join(AccreditorKey, AccreditorKey.accreditor_id == Accreditor.id)
        .where(*which)
        .order_by(Accreditor.confirmed_at, Accreditor.id, *IN_ORDER)
    ):
        each, key = row.Accreditor, row.AccreditorKey
        found.setdefault(each, []).append(key)
        moments = (last.get(each), each.confirmed_at or each.named_at, key.added_at, each.ended_at, row.changed)
        last[each] = max(moment for moment in moments if moment is not None)
    return [
        (
            each,
            credentials.Party(
                each.did,
                each.name,
                {key.verification_method: key.public_key for key in keys},
                last[each],
                each.ended_at,
                {
                    key.verification_method: credentials.KeyEnd(key.revoked_at, key.compromised_since)
                    for key in keys
                    if key.revoked_at is not None
                },
            ),
        )
        for each, keys in found.items()
    ]


def name(
    session: Session,
    issuers: credentials.Issuers,
    *,
    called: str,
    country: str,
    city: str,
    slug: str,
    did_document: str,
    reason: str,
    by: Actor,
    now: datetime,
) -> Accreditor:
    """One of our people names an accreditor. It is in force when another one confirms it.

    With a DID document it signs with its own key; without one we host its DID, by its `slug`, and keep its key.
    Raises `Invalid` with the field, `Conflict` when its name or DID is known already.
    """
    if by.id is None:
        raise NotAllowed("Only a person names an accreditor.")
    firm_name = " ".join(called.split())
    if not 3 <= len(firm_name) <= 120:
        raise Invalid("Give the accreditor's name, in 3 to 120 characters.", field="name")
    if not 2 <= len(" ".join(city.split())) <= 80:
        raise Invalid("Say in which city it is.", field="city")
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why its word counts here, in 3 to 500 characters. It is public.", field="reason")
    did, keys = _identity(issuers, slug.strip(), did_document)
    if session.scalar(sa.select(Organisation.id).where(sa.func.lower(Organisation.name) == firm_name.lower())):
        raise Conflict("An organisation of this name is known already.", field="name")
    if session.scalar(sa.select(Accreditor.id).where(Accreditor.did == did)):
        raise Conflict("An accreditor of this identity is known already.", field="slug" if not keys else "did_document")
    firm = Organisation(
        code=new_code(CENTRE),
        name=firm_name,
        kind=OrganisationKind.ACCREDITOR,
        state=OrganisationState.APPLIED,
        country=country,
        city=" ".join(city.split()),
        licences=[],
        created_at=now,
    )
    session.add(firm)
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise Conflict("An organisation of this name is known already.", field="name") from error
    made = Accreditor(
        organisation_id=firm.id,
        did=did,
        name=firm_name,
        own_key=bool(keys),
        reason=reason.strip(),
        named_by=by.id,
        named_name=by.name,
        named_at=now,
    )
    session.add(made)
    session.flush()
    if not keys:
        signer = issuers.hosted(did, firm_name)
        keys = {signer.verification_method: credentials.public_key_text(signer)}
    for method, key in keys.items():
        session.add(AccreditorKey(accreditor_id=made.id, verification_method=method, public_key=key, added_at=now))
    session.flush()
    return made


def confirm(session: Session, accreditor: Accreditor, *, by: Actor, now: datetime) -> None:
    """A second person of our desk admits it: from now on the trust file lists it. Raises `Conflict`."""
    _require_waiting(accreditor)
    if accreditor.named_by == by.id:
        raise Conflict("You named this accreditor. Somebody else of our desk has to look at it and confirm it.")
    accreditor.confirmed_by, accreditor.confirmed_name, accreditor.confirmed_at = by.id, by.name, now
    session.get_one(Organisation, accreditor.organisation_id).state = OrganisationState.VERIFIED
    session.flush()


def undo(session: Session, accreditor: Accreditor, *, by: Actor, now: datetime) -> None:
    """It is taken back before it was confirmed. Raises `Conflict`."""
    _require_waiting(accreditor)
    accreditor.undone_at, accreditor.undone_name = now, by.name
    session.get_one(Organisation, accreditor.organisation_id).state = OrganisationState.DECLINED
    session.flush()


def end(session: Session, accreditor: Accreditor, reason: str, *, by: Actor, now: datetime) -> None:
    """It accredits nobody any more, and the trust file says so; one person does it, as it protects. `Conflict`."""
    if accreditor.house:
        raise Conflict("The house is how this market itself accredits; it does not end.")
    require_in_force(accreditor)
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters. It is public.", field="reason")
    accreditor.ended_at, accreditor.ended_name, accreditor.ended_because = now, by.name, reason.strip()
    session.get_one(Organisation, accreditor.organisation_id).state = OrganisationState.SUSPENDED
    session.flush()


def people(session: Session, accreditor: Accreditor) -> list[Person]:
    """Who acts for an accreditor and is written to: our staff for the house."""
    mine = (
        Membership.role == Role.STAFF if accreditor.house else Membership.organisation_id == accreditor.organisation_id
    )
    return list(
        session.scalars(
            sa.select(Person)
            .join(Membership, Membership.person_id == Person.id)
            .where(mine, Membership.ended_at.is_(None), Person.closed_at.is_(None))
            .order_by(Person.id)
            .distinct()
        )
    )


def _require_waiting(accreditor: Accreditor) -> None:
    if accreditor.confirmed_at is not None or accreditor.undone_at is not None or accreditor.ended_at is not None:
        raise Conflict("This was decided already. Reload the page and look.")


def _identity(issuers: credentials.Issuers, slug: str, document: str) -> tuple[str, dict[str, str]]:
    if not document.strip():
        if not _SLUG.fullmatch(slug):
            raise Invalid(
                "Give a short name for its address: small letters, digits and hyphens; or its DID document.",
                field="slug",
            )
        return issuers.accreditor_did(slug), {}
    if len(document) > DOCUMENT:
        raise Invalid("The DID document is too long.", field="did_document")
    try:
        did, keys = credentials.read_did_document(document)
    except ValueError as error:
        raise Invalid(f"The DID document cannot be used: {error}", field="did_document") from error
    if _spoken(did).startswith(_spoken(f"did:web:{issuers.did_host}")):
        raise Invalid("This identity is one of ours.", field="did_document")
    return did, keys


def _spoken(did: str) -> str:
    """A DID as people and resolvers read it: a host has no case, and any sign may be written as %6D."""
    return f"{urllib.parse.unquote(did).lower()}:"
