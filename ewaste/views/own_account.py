"""One's own account: who one is, for whom one acts, how one signs in, and the people of one's firm."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import firms, passkeys, policy, postal, sessions
from ewaste.accounts import second_factor as factor
from ewaste.accounts.firms import Application, Document, Invitation
from ewaste.accounts.models import Actor, Membership, Organisation, OrganisationKind, OrganisationState, Person, Rank
from ewaste.accounts.policy import Action


def account(session: Session, actor: Actor) -> dict[str, Any]:
    """Who this person is, and every firm they could act for."""
    policy.require(actor, Action.CHANGE_ACCOUNT, owner=actor.id)
    person = session.get_one(Person, actor.id)
    belongs = _belongs(session, person.id)
    return {
        "person": {
            "name": person.name,
            "email": person.email,
            "confirmed": person.email_confirmed_at is not None,
            "joined_at": person.created_at,
            "sample": person.sample,
        },
        "belongs": belongs,
        "acting_id": actor.organisation_id,
        "may_be_private": not any(firm["independent"] for firm in belongs),
    }


def security(session: Session, actor: Actor, session_id: UUID, *, now: datetime) -> dict[str, Any]:
    """How this account is kept safe: its second factor, and the sessions that are open."""
    return second_factor(session, actor) | {
        "sessions": [
            {
                "id": each.id,
                "agent": browser_word(each.agent),
                "began": each.created_at,
                "seen": each.seen_at,
                "this": each.id == session_id,
            }
            for each in sessions.open_sessions(session, _id(actor), now=now)
        ]
    }


def second_factor(session: Session, actor: Actor) -> dict[str, Any]:
    """The ways in which this person can show more than a password."""
    policy.require(actor, Action.CHANGE_ACCOUNT, owner=actor.id)
    person_id = _id(actor)
    return {
        "has_app": factor.has_app(session, person_id),
        "recovery_codes": factor.recovery_codes_left(session, person_id),
        "passkeys": [
            {"id": each.id, "name": each.name, "made": each.made_at, "used": each.used_at}
            for each in passkeys.passkeys_of(session, person_id)
        ],
    }


def own_firms(session: Session, actor: Actor) -> dict[str, Any]:
    """The firms of this person, how their applications stand, and the papers that were handed in."""
    policy.require(actor, Action.CHANGE_ACCOUNT, owner=actor.id)
    belongs = _belongs(session, _id(actor))
    ids = [firm["id"] for firm in belongs]
    newest: dict[UUID, Application] = {}
    for application in session.scalars(
        sa.select(Application).where(Application.organisation_id.in_(ids)).order_by(Application.applied_at)
    ):
        newest[application.organisation_id] = application
    papers = documents(session, ids)
    for firm in belongs:
        application_of = newest.get(firm["id"])
        firm["applied_at"] = application_of.applied_at if application_of else None
        firm["reason"] = application_of.reason if application_of else None
        firm["asked_for"] = list(application_of.licences or []) if application_of else []
        firm["documents"] = papers.get(firm["id"], [])
        firm["more_documents"] = (
            firm["state"] == OrganisationState.APPLIED.value and len(firm["documents"]) < firms.MOST_DOCUMENTS
        )
    return {"belongs": belongs, "acting_id": actor.organisation_id, "most_documents": firms.MOST_DOCUMENTS}


def declined(session: Session, actor: Actor, kind: str) -> dict[str, Any]:
    """What a declined firm of this person and kind said when it applied, to be mended; nothing when there is none."""
    row = session.execute(
        sa.select(Application, Organisation)
        .join(Organisation, Organisation.id == Application.organisation_id)
        .join(Membership, Membership.organisation_id == Organisation.id)
        .where(
            Membership.person_id == _id(actor),
            Membership.rank == Rank.OWNER,
            Membership.ended_at.is_(None),
            Organisation.kind == OrganisationKind(kind),
            Organisation.state == OrganisationState.DECLINED,
        )
        .order_by(Application.applied_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return {}
    application, organisation = row
    return {
        "organisation": organisation.name,
        "country": organisation.country,
        "city": organisation.city,
        "registration_number": application.registration_number or "",
        "group_name": organisation.group_name or "",
        "related_firms": application.related_firms or "",
        "licences": list(application.licences or []),
    }


def firm(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """The firm that this actor acts for: its people, and who is invited."""
    policy.require(actor, Action.SEE_FIRM, organisation=actor.organisation_id)
    organisation = session.get_one(Organisation, actor.organisation_id)
    people = session.execute(
        sa.select(Person.id, Person.name, Person.email, Membership.rank, Membership.created_at)
        .join(Membership, Membership.person_id == Person.id)
        .where(Membership.organisation_id == organisation.id, Membership.ended_at.is_(None))
        .order_by(Membership.created_at, Person.id)
    ).all()
    invited = session.scalars(
        sa.select(Invitation)
        .where(
            Invitation.organisation_id == organisation.id,
            Invitation.accepted_at.is_(None),
            Invitation.withdrawn_at.is_(None),
            Invitation.expires_at > now,
        )
        .order_by(Invitation.made_at)
        .limit(firms.MOST_PEOPLE)
    ).all()
    owners = [row for row in people if row.rank is Rank.OWNER]
    return {
        "firm": {
            "id": organisation.id,
            "name": organisation.name,
            "kind": organisation.kind.value,
            "city": organisation.city,
            "code": organisation.code,
        },
        # A centre's address, for the form that changes it; other firms get no parcels here.
        "reached": {
            "street": organisation.street or "",
            "postcode": organisation.postcode or "",
            "city": organisation.city,
            "country": organisation.country,
            "opening_hours": organisation.opening_hours or "",
            "lines": postal.of_firm(organisation),
            "known": postal.is_known(organisation),
        }
        if organisation.kind is OrganisationKind.CENTRE
        else None,
        "people": [
            {
                "id": row.id,
                "name": row.name,
                "email": row.email,
                "rank": row.rank.value,
                "since": row.created_at,
                "me": row.id == actor.id,
                "last_owner": row.rank is Rank.OWNER and len(owners) == 1,
            }
            for row in people
        ],
        "invited": [
            {"id": each.id, "name": each.name, "email": each.email, "rank": each.rank.value, "until": each.expires_at}
            for each in invited
        ],
        "may_change": any(row.id == actor.id for row in owners)
        and policy.allows(actor, Action.CHANGE_FIRM, organisation=organisation.id),
    }


def documents(session: Session, organisation_ids: list[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The papers of these firms, without their content."""
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in session.execute(
        sa.select(
            Document.id,
            Document.organisation_id,
            Document.name,
            Document.media_type,
            Document.size_bytes,
            Document.sha256,
            Document.added_at,
        )
        .where(Document.organisation_id.in_(organisation_ids))
        .order_by(Document.added_at, Document.name, Document.id)
    ):
        found.setdefault(row.organisation_id, []).append(row._asdict())
    return found


def browser_word(agent: str) -> str:
    """What a browser calls itself, in two words; enough to know one's own again."""
    low = agent.lower()
    names = (("edg/", "Edge"), ("opr/", "Opera"), ("firefox/", "Firefox"), ("chrom", "Chrome"), ("safari/", "Safari"))
    systems = (
        ("android", "Android"), ("iphone", "iPhone"), ("ipad", "iPad"), ("windows", "Windows"), ("mac os", "Mac"),
        ("linux", "Linux"),
    )  # fmt: skip
    name = next((word for part, word in names if part in low), "Another browser")
    system = next((word for part, word in systems if part in low), "")
    return f"{name} on {system}" if system else name


def _belongs(session: Session, person_id: UUID) -> list[dict[str, Any]]:
    rows = session.execute(
        sa.select(Organisation, Membership.role, Membership.rank)
        .join(Membership, Membership.organisation_id == Organisation.id)
        .where(Membership.person_id == person_id, Membership.ended_at.is_(None))
        .order_by(Membership.created_at, Organisation.id)
    )
    return [
        {
            "id": organisation.id,
            "name": organisation.name,
            "city": organisation.city,
            "kind": organisation.kind.value,
            "state": organisation.state.value,
            "role": role.value,
            "rank": rank.value,
            "independent": role in firms.INDEPENDENT,
            "may_apply": organisation.kind in firms.APPLICANTS,
            "licences": list(organisation.licences or []),
        }
        for organisation, role, rank in rows
    ]


def _id(actor: Actor) -> UUID:
    if actor.id is None:
        raise LookupError("The policy asks for the person themselves.")
    return actor.id
