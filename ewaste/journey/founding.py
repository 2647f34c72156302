"""Founding a training market: the sample accounts and organisations, once. Everything else is made by using it."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import people, samples
from ewaste.accounts.models import Membership, Organisation, OrganisationKind, OrganisationState, Person, Role
from ewaste.centres import accreditation
from ewaste.centres.credentials import Issuers
from ewaste.centres.models import Centre, Standing
from ewaste.core.ids import CENTRE, new_code
from ewaste.devices.models import MediumKind
from ewaste.market.bidders import LICENCES

ACCREDITED_FOR = timedelta(days=730)
KIND_FOR = {
    Role.OPERATOR: OrganisationKind.CENTRE,
    Role.RECYCLER: OrganisationKind.RECYCLER,
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
        session.add(Membership(person_id=person.id, organisation_id=organisation.id, role=sample.role, created_at=now))
    session.flush()
    return made


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
        accreditation.accredit(
            session,
            issuers,
            centre,
            methods=["clear", "destroy"],
            media_kinds=[kind.value for kind in MediumKind],
            valid_until=now + ACCREDITED_FOR,
            now=now,
        )
    return organisation
