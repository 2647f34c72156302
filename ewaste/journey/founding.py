"""Founding a training market: the sample accounts and organisations, and what sample bidders do by themselves.

Everything else of the sample market is made by using it (`ewaste.sample`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import people, policy, samples, standing
from ewaste.accounts.models import (
    Actor,
    Membership,
    Organisation,
    OrganisationKind,
    OrganisationState,
    Person,
    Rank,
    Role,
)
from ewaste.accounts.policy import Action
from ewaste.accounts.standing import StandingKind
from ewaste.centres import accreditation, accreditors, audits, checklist, decisions, published
from ewaste.centres.accrediting_models import DecisionKind
from ewaste.centres.checklist import Found
from ewaste.centres.credentials import Issuers
from ewaste.centres.models import Centre, Standing
from ewaste.core.ids import CENTRE, new_code
from ewaste.core.installation import installation
from ewaste.core.refusals import NotAllowed, NotFound
from ewaste.devices.models import MediumKind
from ewaste.market.bidders import LICENCES
from ewaste.transparency import log

ACCREDITED_FOR = timedelta(days=730)
STAFF = ("stefan@clearhand.example", "sara@clearhand.example")
SAMPLE_EVIDENCE = "Practice: nobody went there. It is answered so that the sample market has centres."
# The sample's firms and centres have been there for a while when its devices come.
ESTABLISHED = timedelta(days=120)
KIND_FOR = {
    Role.OPERATOR: OrganisationKind.CENTRE,
    Role.RECYCLER: OrganisationKind.RECYCLER,
    Role.COMPANY: OrganisationKind.COMPANY,
    Role.COLLECTOR: OrganisationKind.COLLECTOR,
    Role.STAFF: OrganisationKind.PLATFORM,
    Role.AUDITOR: OrganisationKind.AUDITOR,
}
CITIES = {
    "Rhein Datenpark": "Köln",
    "Elbe Prüfstelle": "Dresden",
    "Werk Zwei": "Bremen",
    "Kreislauf Kontor": "Leipzig",
    "Neu & Gut": "Freiburg",
}
# Practice addresses: a Musterstraße is the street of specimens.
ADDRESSES = {
    "Rhein Datenpark": ("Musterstraße 12", "50667", "Monday to Friday, 9:00 to 17:00"),
    "Elbe Prüfstelle": ("Musterufer 4", "01067", "Monday to Friday, 8:00 to 16:00"),
    "Isar Löschwerk": ("Musterweg 21", "80331", "Monday to Thursday, 9:00 to 16:00"),
}
SLUGS = {"Rhein Datenpark": "rhein-datenpark", "Elbe Prüfstelle": "elbe-pruefstelle"}
# Kreislauf Kontor and the centre in Dresden belong to one group, so the rule on related firms can be seen at work.
GROUPS = {"Kreislauf Kontor": "Elbe Gruppe", "Elbe Prüfstelle": "Elbe Gruppe"}


def found_sample_market(session: Session, *, issuers: Issuers, now: datetime) -> int:
    """Make the sample accounts that are missing. Returns how many were made; raises `ValueError` in a live market."""
    if not issuers.training:
        raise ValueError("Sample accounts belong to training.")
    made = 0
    for sample in samples.SAMPLES:
        if session.scalar(sa.select(Person.id).where(Person.email == sample.email)):
            continue
        person = people.open_account(
            session, email=sample.email, name=sample.name, password=samples.PASSWORD, now=now, sample=True
        )
        made += 1
        if sample.organisation is None:
            continue
        organisation = _organisation(session, sample.organisation, sample.role, issuers, now)
        session.add(
            Membership(
                person_id=person.id,
                organisation_id=organisation.id,
                role=sample.role,
                rank=Rank.OWNER,
                created_at=now,
            )
        )
    for name in ADDRESSES:  # Also of a centre that was founded before centres had a street.
        centre = session.scalar(
            sa.select(Organisation).where(Organisation.name == name, Organisation.sample, Organisation.street.is_(None))
        )
        if centre is not None:
            _settle(centre)
    session.flush()
    for name in SLUGS:
        firm_id = session.scalars(sa.select(Organisation.id).where(Organisation.name == name)).one()
        applied = session.get_one(Centre, firm_id)
        if applied.standing is Standing.APPLIED and applied.accredited_from is None:
            kinds = [kind.value for kind in MediumKind]
            sample_accreditation(session, applied, ("clear", "destroy"), kinds, issuers=issuers, now=now)
    return made


def sample_accreditation(
    session: Session,
    centre: Centre,
    methods: Sequence[str],
    media_kinds: Sequence[str],
    *,
    issuers: Issuers,
    now: datetime,
) -> None:
    """A centre of the sample is audited by Stefan and accredited by Stefan and Sara, as every centre is by two."""
    first, second = (sample_actor(session, email) for email in STAFF)
    house = accreditors.house(session)
    audit = audits.begin(session, centre.organisation_id, house, by=first, now=now)
    seen = {point.id: (Found.MET.value, SAMPLE_EVIDENCE) for point in checklist.load(audit.checklist).points}
    audits.answer(session, audit, seen, by=first, now=now)
    audits.conclude(session, audit, by=first, now=now)
    decision = decisions.propose(
        session,
        centre,
        house,
        DecisionKind.SCOPE if centre.standing is Standing.ACCREDITED else DecisionKind.GRANT,
        reason="The audit of the sample was passed.",
        methods=methods,
        media_kinds=media_kinds,
        valid_until=now + ACCREDITED_FOR,
        by=first,
        now=now,
    )
    decisions.confirm(session, decision, centre, house, by=second, now=now)
    accreditation.grant(session, issuers, centre, decision, now=now)
    for said in published.made(session, centre.organisation_id, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)
    standing.note(
        session,
        centre.organisation_id,
        StandingKind.SCOPE_CHANGED if decision.kind is DecisionKind.SCOPE else StandingKind.ACCREDITED,
        reason=decision.reason,
        detail={
            "methods": centre.methods,
            "media_kinds": centre.media_kinds,
            "until": (now + ACCREDITED_FOR).date().isoformat(),
            "proposed_by": first.name,
            "accreditor": house.name,
        },
        by=second,
        now=now,
    )


def sample_person(session: Session, *, email: str, name: str, now: datetime) -> Person:
    """A person of the sample, with the password that all of them have."""
    return people.open_account(session, email=email, name=name, password=samples.PASSWORD, now=now, sample=True)


def sample_firm(
    session: Session,
    *,
    name: str,
    role: Role,
    country: str,
    city: str,
    licences: Sequence[str],
    group: str | None,
    now: datetime,
) -> Organisation:
    """A firm or centre of the sample whose papers were seen; a centre is not accredited by it."""
    organisation = Organisation(
        code=new_code(CENTRE),
        name=name,
        kind=KIND_FOR[role],
        state=OrganisationState.VERIFIED,
        country=country,
        city=city,
        group_name=group,
        licences=list(licences),
        sample=True,
        created_at=now,
    )
    session.add(organisation)
    session.flush()
    return organisation


def sample_centre(session: Session, organisation: Organisation, slug: str, *, issuers: Issuers) -> Centre:
    """A centre that has applied for its accreditation."""
    _settle(organisation)
    centre = Centre(
        organisation_id=organisation.id,
        did=issuers.centre_did(slug),
        standing=Standing.APPLIED,
        methods=[],
        media_kinds=[],
    )
    session.add(centre)
    session.flush()
    return centre


def sample_member(session: Session, person: Person, organisation: Organisation, role: Role, *, now: datetime) -> None:
    """Somebody of the sample acts for a firm, and decides for it."""
    session.add(
        Membership(person_id=person.id, organisation_id=organisation.id, role=role, rank=Rank.OWNER, created_at=now)
    )
    session.flush()


def sample_bidder(session: Session, actor: Actor, person_id: UUID) -> Actor:
    """A trader of the sample as they act, for the worker that bids in their name so that an auction moves.

    The bid itself takes the way of every bid. Raises `NotAllowed` in a live market, and for anybody else.
    """
    policy.require(actor, Action.RUN_JOBS)
    person = session.get(Person, person_id)
    if person is None or not person.sample or installation(session).mode != "training":
        raise NotAllowed("Only sample bidders of a training market bid by themselves.")
    bidder = sample_actor(session, person.email)
    return dataclasses.replace(bidder, name=f"{bidder.name} (sample bidder)")


def sample_actor(session: Session, email: str) -> Actor:
    """Somebody of the sample as they act when they are signed in. Raises `NotFound`."""
    row = session.execute(
        sa.select(Person.id, Person.name, Membership.role, Membership.organisation_id)
        .outerjoin(Membership, sa.and_(Membership.person_id == Person.id, Membership.ended_at.is_(None)))
        .where(Person.email == email, Person.sample)
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound(f"Nobody of the sample has the address {email}.")
    return Actor(row.id, row.role or Role.CONSUMER, row.name, row.organisation_id)


def _settle(centre: Organisation) -> None:
    centre.street, centre.postcode, centre.opening_hours = ADDRESSES[centre.name]


def _organisation(session: Session, name: str, role: Role, issuers: Issuers, now: datetime) -> Organisation:
    found = session.scalar(sa.select(Organisation).where(Organisation.name == name))
    if found is not None:
        return found
    organisation = Organisation(
        code=new_code(CENTRE),
        name=name,
        kind=KIND_FOR[role],
        state=OrganisationState.VERIFIED,
        country="DE",
        city=CITIES.get(name, "Berlin"),
        group_name=GROUPS.get(name),
        licences=list(LICENCES) if role is Role.RECYCLER else [],
        sample=True,
        created_at=now,
    )
    session.add(organisation)
    session.flush()
    if role is Role.OPERATOR:
        centre = Centre(
            organisation_id=organisation.id,
            did=issuers.centre_did(SLUGS[name]),
            standing=Standing.APPLIED,
            methods=[],
            media_kinds=[],
        )
        session.add(centre)
        session.flush()
    return organisation
