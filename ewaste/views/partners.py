"""Whom the market trusts, as the desk sees it: test centres with their scope, recyclers with their licences."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Membership, Organisation, OrganisationKind, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import Accreditation, Centre, Station
from ewaste.devices.models import Device, MediumKind
from ewaste.market.bidders import LICENCES
from ewaste.market.models import Order
from ewaste.views.bench import status_of

METHODS = {
    "clear": "Clear: overwritten and read back",
    "purge": "Purge: by the medium’s own means",
    "destroy": "Destroy",
}


def centres(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Every test centre: standing, scope, stations, devices, and the credentials that were issued to it."""
    policy.require(actor, Action.SEE_DESK)
    stations = (
        sa.select(sa.func.count())
        .where(Station.centre_id == Centre.organisation_id, Station.revoked_at.is_(None))
        .correlate(Centre)
        .scalar_subquery()
    )
    devices = (
        sa.select(sa.func.count()).where(Device.centre_id == Centre.organisation_id).correlate(Centre).scalar_subquery()
    )
    rows = session.execute(
        sa.select(Centre, Organisation, stations.label("stations"), devices.label("devices"))
        .join(Organisation, Organisation.id == Centre.organisation_id)
        .order_by(Organisation.name)
    ).all()
    history = _history(session)
    may = policy.allows(actor, Action.ACCREDIT)
    return {
        "centres": [
            {
                "id": centre.organisation_id,
                "name": organisation.name,
                "city": organisation.city,
                "did": centre.did,
                "group_name": organisation.group_name,
                "status": status_of(centre.standing, centre.accredited_until, now),
                "methods": centre.methods,
                "media_kinds": centre.media_kinds,
                "valid_from": centre.accredited_from,
                "valid_until": centre.accredited_until,
                "stations": station_count,
                "devices": device_count,
                "reason": centre.suspension_reason,
                "history": history.get(centre.organisation_id, []) + _suspension(centre),
            }
            for centre, organisation, station_count, device_count in rows
        ],
        "methods": [{"value": value, "label": label} for value, label in METHODS.items()],
        "media_kinds": [kind.value for kind in MediumKind],
        "may": {"accredit"} if may else set(),
    }


def recyclers(session: Session, actor: Actor) -> dict[str, Any]:
    """Every recycler: whether staff verified it, its licences, its group, its people, what it bought."""
    policy.require(actor, Action.SEE_DESK)
    bought = (
        sa.select(sa.func.count())
        .where(Order.organisation_id == Organisation.id)
        .correlate(Organisation)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(Organisation, bought.label("bought"))
        .where(Organisation.kind == OrganisationKind.RECYCLER)
        .order_by(Organisation.state, Organisation.name)
    ).all()
    people: dict[UUID, list[str]] = {}
    for row in session.execute(
        sa.select(Membership.organisation_id, Person.name, Person.email)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.organisation_id.in_([organisation.id for organisation, _ in rows]))
        .order_by(Person.name)
    ):
        people.setdefault(row.organisation_id, []).append(f"{row.name} ({row.email})")
    return {
        "recyclers": [
            {
                "id": organisation.id,
                "code": organisation.code,
                "name": organisation.name,
                "city": organisation.city,
                "country": organisation.country,
                "status": organisation.state.value,
                "licences": organisation.licences,
                "group_name": organisation.group_name,
                "people": people.get(organisation.id, []),
                "bought": count,
                "joined_at": organisation.created_at,
            }
            for organisation, count in rows
        ],
        "licences": [{"value": licence, "label": licence.capitalize()} for licence in LICENCES],
        "may": {"verify"} if policy.allows(actor, Action.VERIFY_BUYER) else set(),
    }


def _history(session: Session) -> dict[UUID, list[dict[str, Any]]]:
    """The credentials issued to each centre, oldest first."""
    history: dict[UUID, list[dict[str, Any]]] = {}
    for row in session.execute(
        sa.select(
            Accreditation.centre_id,
            Accreditation.issued_at,
            Accreditation.issued_because,
            Accreditation.valid_until,
            Accreditation.digest,
        ).order_by(Accreditation.issued_at)
    ):
        because = row.issued_because[:1].upper() + row.issued_because[1:]
        history.setdefault(row.centre_id, []).append(
            {
                "at": row.issued_at,
                "kind": "certificate",
                "state": None,
                "title": because,
                "text": "The accreditation credential was issued anew.",
                "facts": [("Valid until", f"{row.valid_until:%d %B %Y}"), ("Digest", row.digest)],
            }
        )
    return history


def _suspension(centre: Centre) -> list[dict[str, Any]]:
    if centre.suspended_at is None:
        return []
    return [
        {
            "at": centre.suspended_at,
            "kind": "hold",
            "state": None,
            "title": "Suspended",
            "text": centre.suspension_reason,
            "facts": [],
        }
    ]
