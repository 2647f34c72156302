"""Beside the legs: whom the market trusts. Centres are accredited, suspended and reinstated; recyclers are verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import firms, letters, policy, standing
from ewaste.accounts.models import Actor, Organisation, OrganisationKind, OrganisationState
from ewaste.accounts.policy import Action
from ewaste.accounts.standing import StandingKind
from ewaste.centres import accreditation, credentials, stations
from ewaste.centres.models import Centre, Station
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices.media import KIND_WORDS
from ewaste.market.bidders import LICENCES, licence_words


def accredit(
    session: Session,
    actor: Actor,
    centre_id: UUID,
    *,
    methods: Sequence[str],
    media_kinds: Sequence[str],
    valid_until: datetime,
    issuers: credentials.Issuers,
    now: datetime,
) -> Centre:
    """A centre may certify by these methods, for these kinds of media, until that day. Its credential is signed.

    A suspended centre is reinstated first, with a reason: a new accreditation does not end a suspension unsaid.
    """
    policy.require(actor, Action.ACCREDIT)
    centre = accreditation.find(session, centre_id, to_change=True)
    if centre.suspended_at is not None:
        raise Conflict("This centre is suspended. Reinstate it first, and say how it was settled.")
    firms.require_answered(session, session.get_one(Organisation, centre_id))
    accreditation.accredit(
        session,
        issuers,
        centre,
        methods=methods,
        media_kinds=media_kinds,
        valid_until=valid_until,
        now=now,
    )
    standing.note(
        session,
        centre_id,
        StandingKind.ACCREDITED,
        detail={
            "methods": centre.methods,
            "media_kinds": centre.media_kinds,
            "until": valid_until.date().isoformat(),
        },
        by=actor,
        now=now,
    )
    media = ", ".join(_inside(KIND_WORDS[kind]) for kind in centre.media_kinds)
    firm = session.get_one(Organisation, centre_id)
    for owner in firms.owners(session, centre_id):
        scope = f"{', '.join(centre.methods)}; {media}"
        letters.accredited(session, owner, firm, scope=scope, until=valid_until, now=now)
    return centre


def suspend(session: Session, actor: Actor, centre_id: UUID, *, reason: str, now: datetime) -> Centre:
    """From now on nothing that this centre certifies clears a device."""
    policy.require(actor, Action.ACCREDIT)
    centre = accreditation.find(session, centre_id, to_change=True)
    accreditation.suspend(session, centre, reason, now=now)
    standing.note(session, centre_id, StandingKind.SUSPENDED, reason=reason, by=actor, now=now)
    after = "Nothing that you certify from now on clears a device. Answer this message, so that our desk can settle it."
    _tell_owners(session, centre_id, "suspended", reason, after, now)
    return centre


def reinstate(session: Session, actor: Actor, centre_id: UUID, *, reason: str, now: datetime) -> Centre:
    """The suspension ends, with the reason."""
    policy.require(actor, Action.ACCREDIT)
    centre = accreditation.find(session, centre_id, to_change=True)
    accreditation.reinstate(session, centre, reason)
    standing.note(session, centre_id, StandingKind.REINSTATED, reason=reason, by=actor, now=now)
    _tell_owners(session, centre_id, "reinstated", reason, "You may certify again: {site}/bench", now)
    return centre


def retire_station(
    session: Session,
    actor: Actor,
    centre_id: UUID,
    station_id: UUID,
    *,
    issuers: credentials.Issuers,
    reason: str,
    now: datetime,
) -> None:
    """The desk retires a station of a centre that it accredits. What the station signed before still stands."""
    policy.require(actor, Action.ACCREDIT)
    station = session.get(Station, station_id)
    if station is None or station.centre_id != centre_id:
        raise NotFound("This centre has no such station.")
    stations.revoke(session, issuers, station_id, reason, now=now)


def verify_recycler(
    session: Session,
    actor: Actor,
    organisation_id: UUID,
    *,
    licences: Sequence[str],
    group_name: str,
    until: Mapping[str, date] | None = None,
    now: datetime,
) -> Organisation:
    """Staff saw a recycler's papers: it may bid on lots of the ways that it is licensed for.

    `group_name` ties firms that belong together: none of them bids on what a centre of the group graded. `until` says
    when the papers of a licence end; the desk is told when that day comes near.
    """
    policy.require(actor, Action.VERIFY_BUYER)
    firm = _recycler(session, organisation_id)
    firms.require_answered(session, firm)
    if not licences or set(licences) - set(LICENCES):
        raise Invalid(f"Choose at least one of: {', '.join(LICENCES)}.", field="licences")
    if len(group_name.strip()) > 120:
        raise Invalid("The name of the group has at most 120 characters.", field="group_name")
    came_back = firm.state is OrganisationState.SUSPENDED
    firm.state, firm.licences = OrganisationState.VERIFIED, sorted(set(licences))
    firm.group_name = " ".join(group_name.split()) or None
    ends = {licence: day for licence, day in (until or {}).items() if licence in firm.licences}
    for licence, day in ends.items():
        if day <= now.date():
            raise Invalid("These papers have ended already. Ask for new ones.", field=f"until_{licence}")
    standing.note(
        session,
        organisation_id,
        StandingKind.VERIFIED,
        detail={
            "licences": firm.licences,
            "until": {licence: day.isoformat() for licence, day in ends.items()},
            "group": firm.group_name,
        },
        by=actor,
        now=now,
    )
    if came_back:
        after = f"You may bid on: {licence_words(firm.licences)}. {{site}}/lots"
        _tell_owners(session, organisation_id, "reinstated", "our desk looked at your papers again.", after, now)
    return firm


def suspend_recycler(
    session: Session, actor: Actor, organisation_id: UUID, *, reason: str, now: datetime
) -> Organisation:
    """From now on this recycler places no bid. What it bid and bought before still binds it."""
    policy.require(actor, Action.VERIFY_BUYER)
    firm = _recycler(session, organisation_id)
    if firm.state is not OrganisationState.VERIFIED:
        raise Conflict("Only a verified recycler can be suspended.")
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters.", field="reason")
    firm.state = OrganisationState.SUSPENDED
    standing.note(session, organisation_id, StandingKind.SUSPENDED, reason=reason, by=actor, now=now)
    after = "You cannot bid from now on; what you bid and bought before still binds. Answer this message to settle it."
    _tell_owners(session, organisation_id, "suspended", reason, after, now)
    return firm


def _tell_owners(
    session: Session, organisation_id: UUID, what: str, reason: str, next_step: str, now: datetime
) -> None:
    firm = session.get_one(Organisation, organisation_id)
    for owner in firms.owners(session, organisation_id):
        letters.standing_changed(session, owner, firm, what=what, reason=reason, next_step=next_step, now=now)


def _inside(word: str) -> str:
    """A word as it stands inside a sentence: hard disk, but NVMe SSD."""
    return word if word[1:2].isupper() else word[:1].lower() + word[1:]


def _recycler(session: Session, organisation_id: UUID) -> Organisation:
    firm = session.scalar(
        sa.select(Organisation)
        .where(Organisation.id == organisation_id, Organisation.kind == OrganisationKind.RECYCLER)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if firm is None:
        raise NotFound("There is no such recycler.")
    return firm
