"""Firms that asked to take part: the desk's queue, and each with its papers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy, postal
from ewaste.accounts.firms import COUNTRIES, Application, Document
from ewaste.accounts.models import Actor, Organisation, OrganisationKind, OrganisationState, Person
from ewaste.accounts.policy import Action
from ewaste.core.refusals import NotFound
from ewaste.market.bidders import LICENCES
from ewaste.views import own_account, shapes


def listed(session: Session, actor: Actor, *, page: int) -> tuple[list[dict[str, Any]], int]:
    """Every application, those that wait first, the oldest of them on top; and how many there are."""
    policy.require(actor, Action.SEE_DESK)
    papers = (
        sa.select(sa.func.count())
        .where(Document.organisation_id == Application.organisation_id)
        .correlate(Application)
        .scalar_subquery()
    )
    waits = sa.and_(Application.decided_at.is_(None), Organisation.state == OrganisationState.APPLIED)
    query = (
        sa.select(Application, Organisation, Person.name.label("person"), papers.label("papers"), waits.label("waits"))
        .join(Organisation, Organisation.id == Application.organisation_id)
        .join(Person, Person.id == Application.applied_by)
    )
    total = session.scalar(sa.select(sa.func.count()).select_from(Application)) or 0
    rows = session.execute(
        query.order_by(
            waits.desc(),
            sa.case((waits, Application.applied_at)),
            Application.decided_at.desc().nulls_first(),
            Application.id,
        )
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    )
    return [
        _told(application, organisation, person) | {"papers": count, "waits": waiting}
        for application, organisation, person, count, waiting in rows
    ], total


def one(session: Session, actor: Actor, application_id: UUID) -> dict[str, Any]:
    """One application with its papers, and what can be decided about it."""
    policy.require(actor, Action.SEE_DESK)
    row = session.execute(
        sa.select(Application, Organisation, Person)
        .join(Organisation, Organisation.id == Application.organisation_id)
        .join(Person, Person.id == Application.applied_by)
        .where(Application.id == application_id)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such application.")
    application, organisation, person = row
    waits = application.decided_at is None and organisation.state is OrganisationState.APPLIED
    return {
        "application": _told(application, organisation, person.name)
        | {
            "email": person.email,
            "email_confirmed": person.email_confirmed_at is not None,
            "registration_number": application.registration_number,
            "related_firms": application.related_firms,
            "group_name": organisation.group_name,
            "licences": application.licences,
            "decided_at": application.decided_at,
            "reason": application.reason,
            "waits": waits,
            "is_recycler": organisation.kind is OrganisationKind.RECYCLER,
            "is_centre": organisation.kind is OrganisationKind.CENTRE,
        },
        "documents": own_account.documents(session, [organisation.id]).get(organisation.id, []),
        "licences": [{"value": licence, "label": licence.capitalize()} for licence in LICENCES],
        "may": {"decide"} if waits and policy.allows(actor, Action.REVIEW_APPLICATION) else set(),
    }


def waiting(session: Session) -> int:
    """How many applications wait for the desk."""
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(Application)
            .join(Organisation, Organisation.id == Application.organisation_id)
            .where(Application.decided_at.is_(None), Organisation.state == OrganisationState.APPLIED)
        )
        or 0
    )


def _told(application: Application, organisation: Organisation, person: str) -> dict[str, Any]:
    return {
        "id": application.id,
        "firm_id": organisation.id,
        "name": organisation.name,
        "kind": organisation.kind.value,
        "country": COUNTRIES.get(organisation.country, organisation.country),
        "city": organisation.city,
        "address": postal.of_firm(organisation),
        "opening_hours": organisation.opening_hours,
        "state": organisation.state.value,
        "outcome": application.outcome.value if application.outcome else None,
        "applied_at": application.applied_at,
        "person": person,
    }
