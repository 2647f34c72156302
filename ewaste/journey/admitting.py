"""Beside the legs: accreditors other than the house. One of our people names one, another admits it.

From then on the trust file lists it, so whoever pins the file trusts its word: nothing else here weighs more.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from ewaste.accounts import firms, letters, people, policy, standing
from ewaste.accounts.models import Actor, Organisation, Rank
from ewaste.accounts.policy import Action
from ewaste.accounts.standing import StandingKind
from ewaste.centres import accreditation, accreditors, credentials, decisions
from ewaste.centres.accrediting_models import Accreditor
from ewaste.centres.models import Standing
from ewaste.core.refusals import Invalid


def name_accreditor(
    session: Session,
    actor: Actor,
    *,
    name: str,
    country: str,
    city: str,
    slug: str,
    did_document: str,
    reason: str,
    issuers: credentials.Issuers,
    now: datetime,
) -> Accreditor:
    """One of our people names an accreditor. Nothing is in force by it; the others are told that it waits."""
    policy.require(actor, Action.ADMIT_ACCREDITOR)
    if country not in firms.COUNTRIES:
        raise Invalid("Choose the country from the list.", field="country")
    made = accreditors.name(
        session,
        issuers,
        called=name,
        country=country,
        city=city,
        slug=slug,
        did_document=did_document,
        reason=reason,
        by=actor,
        now=now,
    )
    for person in accreditors.people(session, accreditors.house(session)):
        if person.id != actor.id:
            letters.to_confirm(
                session,
                person,
                what=f"admit {made.name} as an accreditor",
                proposed_by=actor.name,
                reason=made.reason,
                where="/staff/accreditors",
                key=f"accreditor.named {made.id}",
                now=now,
            )
    return made


def confirm_accreditor(session: Session, actor: Actor, accreditor_id: UUID, *, now: datetime) -> Accreditor:
    """A second one admits it: the trust file lists it from now on."""
    policy.require(actor, Action.ADMIT_ACCREDITOR)
    accreditor = accreditors.find(session, accreditor_id, to_change=True)
    accreditors.confirm(session, accreditor, by=actor, now=now)
    return accreditor


def undo_accreditor(session: Session, actor: Actor, accreditor_id: UUID, *, now: datetime) -> Accreditor:
    """It is taken back before it was admitted."""
    policy.require(actor, Action.ADMIT_ACCREDITOR)
    accreditor = accreditors.find(session, accreditor_id, to_change=True)
    accreditors.undo(session, accreditor, by=actor, now=now)
    return accreditor


def end_accreditor(session: Session, actor: Actor, accreditor_id: UUID, *, reason: str, now: datetime) -> Accreditor:
    """The trust file says so at once. One person does it, as it protects.

    Its centres are suspended with it, until our desk has withdrawn them and somebody accredits them anew; what waits of
    it is taken back.
    """
    policy.require(actor, Action.ADMIT_ACCREDITOR)
    centres = accreditation.of_accreditor(session, accreditor_id)  # Every step locks a centre before its accreditor.
    accreditor = accreditors.find(session, accreditor_id, to_change=True)
    accreditors.end(session, accreditor, reason, by=actor, now=now)
    decisions.undo_open(session, accreditor, by=actor, now=now)
    house = accreditors.house(session)
    because = f"{accreditor.name}, which accredited it, ended as an accreditor."
    after = (
        "Nothing that you certify from now on clears a device. What you certified before stays good. Answer this "
        "message, so that our desk can audit and accredit you anew."
    )
    for centre in centres:
        if centre.standing is Standing.ACCREDITED:
            accreditation.suspend(session, centre, because, accreditor=house, now=now)
            standing.note(session, centre.organisation_id, StandingKind.SUSPENDED, reason=because, by=actor, now=now)
            firm = session.get_one(Organisation, centre.organisation_id)
            for owner in firms.owners(session, firm.id):
                letters.standing_changed(
                    session, owner, firm, what="suspended", reason=because, next_step=after, now=now
                )
    return accreditor


def invite(session: Session, actor: Actor, accreditor_id: UUID, *, email: str, name: str, now: datetime) -> Accreditor:
    """Ask somebody by mail to act for an accreditor that is in force, as one of its owners."""
    policy.require(actor, Action.ADMIT_ACCREDITOR)
    accreditor = accreditors.find(session, accreditor_id)
    accreditors.require_in_force(accreditor)
    if accreditor.organisation_id is None:
        raise Invalid("People of the house are invited as staff.", field="email")
    firm = session.get_one(Organisation, accreditor.organisation_id)
    token, made = firms.invite(
        session,
        firm,
        email=people.address_of(email),
        name=people.name_of(name),
        rank=Rank.OWNER,
        by=actor.id,
        now=now,
    )
    letters.invited(session, made, firm, actor.name, token, now=now)
    return accreditor
