"""Beside the legs: whom the market trusts. Centres are audited and accredited; recyclers are verified.

An accreditor audits a centre by the published checklist. One of its people proposes, another confirms; a suspension
alone is immediate. Accreditors other than the house are admitted in `admitting`.
"""

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
from ewaste.centres import accreditation, accreditors, audits, credentials, decisions, kept_lists, published, stations
from ewaste.centres.accrediting_models import Accreditor, Audit, Decision, DecisionKind, KeptStatusList
from ewaste.centres.models import Accreditation, Centre, Standing, Station
from ewaste.certificates import rechecks
from ewaste.certificates.rechecks import RecheckCause
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices.media import KIND_WORDS
from ewaste.market import doubts
from ewaste.market.bidders import LICENCES, licence_words
from ewaste.transparency import log

IN_FORCE = frozenset({Standing.ACCREDITED, Standing.SUSPENDED})
WORDS = {
    DecisionKind.GRANT: "accredit",
    DecisionKind.SCOPE: "change the scope of",
    DecisionKind.LIFT: "lift the suspension of",
    DecisionKind.WITHDRAW: "withdraw the accreditation of",
    DecisionKind.FRAUD: "withdraw for fraud the accreditation of",
}
NOTED = {
    DecisionKind.GRANT: StandingKind.ACCREDITED,
    DecisionKind.SCOPE: StandingKind.SCOPE_CHANGED,
    DecisionKind.LIFT: StandingKind.REINSTATED,
    DecisionKind.WITHDRAW: StandingKind.WITHDRAWN,
    DecisionKind.FRAUD: StandingKind.WITHDRAWN,
}


def begin_audit(session: Session, actor: Actor, centre_id: UUID, *, now: datetime) -> Audit:
    """Somebody of an accreditor audits a centre by the published checklist."""
    accreditor = _acting(session, actor)
    centre = accreditation.find(session, centre_id)
    if centre.accreditor_id not in (None, accreditor.id) and centre.standing in IN_FORCE:
        raise Conflict("Another accreditor has accredited this centre, and audits it.")
    firms.require_answered(session, session.get_one(Organisation, centre_id))
    return audits.begin(session, centre_id, accreditor, by=actor, now=now)


def answer_audit(
    session: Session, actor: Actor, audit_id: UUID, given: Mapping[str, tuple[str, str]], *, now: datetime
) -> int:
    """What was found, point by point (point → found, evidence). Returns how many answers are new."""
    return audits.answer(session, _audit(session, actor, audit_id), given, by=actor, now=now)


def conclude_audit(session: Session, actor: Actor, audit_id: UUID, *, now: datetime) -> Audit:
    """Every point has its answer: the audit is closed, passed or not, and stands."""
    audit = _audit(session, actor, audit_id)
    audits.conclude(session, audit, by=actor, now=now)
    return audit


def propose(
    session: Session,
    actor: Actor,
    centre_id: UUID,
    kind: str,
    *,
    reason: str,
    methods: Sequence[str] = (),
    media_kinds: Sequence[str] = (),
    valid_until: datetime | None = None,
    since: datetime | None = None,
    now: datetime,
) -> Decision:
    """One person proposes to accredit, change the scope, lift a suspension or withdraw. Nothing is in force by it.

    `kind` is one of `DecisionKind`. The colleagues of who proposes are told that it waits for one of them.
    """
    accreditor = _acting(session, actor)
    if kind not in set(DecisionKind):
        raise Invalid("Choose what you propose.", field="kind")
    centre = accreditation.find(session, centre_id, to_change=True)
    firm = session.get_one(Organisation, centre_id)
    firms.require_answered(session, firm)
    decision = decisions.propose(
        session,
        centre,
        accreditor,
        DecisionKind(kind),
        reason=reason,
        methods=methods,
        media_kinds=media_kinds,
        valid_until=valid_until,
        since=since,
        by=actor,
        now=now,
    )
    for person in accreditors.people(session, accreditor):
        if person.id != actor.id:
            letters.to_confirm(
                session,
                person,
                what=f"{WORDS[decision.kind]} {firm.name}",
                proposed_by=actor.name,
                reason=decision.reason,
                where=f"/staff/decisions/{decision.id}",
                key=f"decision.proposed {decision.id}",
                now=now,
            )
    return decision


def undo(session: Session, actor: Actor, decision_id: UUID, *, now: datetime) -> Decision:
    """A proposal is taken back before it was confirmed. It stays on record, with who took it back."""
    decision, _ = _decision(session, actor, decision_id)
    decisions.undo(session, decision, by=actor, now=now)
    return decision


def confirm(
    session: Session, actor: Actor, decision_id: UUID, *, issuers: credentials.Issuers, now: datetime
) -> Decision:
    """A second person of the same accreditor confirms, and it is in force. The centre is told.

    A withdrawal for fraud puts every certificate of the centre since that moment in doubt: their devices leave every
    sale at once, and sellers and buyers are told.
    """
    decision, accreditor = _decision(session, actor, decision_id)
    centre = accreditation.find(session, decision.centre_id, to_change=True)
    decisions.confirm(session, decision, centre, accreditor, by=actor, now=now)
    if decision.kind in (DecisionKind.GRANT, DecisionKind.SCOPE):
        accreditation.grant(session, issuers, centre, decision, now=now)
    elif decision.kind is DecisionKind.LIFT:
        accreditation.lift(session, centre, decision)
    else:
        accreditation.withdraw(session, issuers, centre, decision, now=now)
    standing.note(
        session,
        centre.organisation_id,
        NOTED[decision.kind],
        reason=decision.reason,
        detail=_detail(decision, accreditor),
        by=actor,
        now=now,
    )
    for said in published.made(session, centre.organisation_id, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)
    if decision.kind is DecisionKind.FRAUD and decision.since is not None:
        _doubt(session, centre, decision.since, by=actor, issuers=issuers, now=now)
    _tell_centre(session, centre, decision, now=now)
    return decision


def hand_in(
    session: Session, actor: Actor, centre_id: UUID, credential: str, *, issuers: credentials.Issuers, now: datetime
) -> Accreditation:
    """An accreditor that signs with its own key hands in the credential of a centre that it accredited."""
    accreditor = _acting(session, actor)
    centre = accreditation.find(session, centre_id, to_change=True)
    if centre.accreditor_id != accreditor.id:
        raise Conflict("Another accreditor has accredited this centre.")
    if not accreditor.own_key:
        raise Conflict("We sign the credentials of this accreditor; there is nothing to hand in.")
    taken = accreditation.take_in(session, issuers, centre, accreditor, credential, now=now)
    for said in published.made(session, centre_id, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)
    return taken


def hand_in_list(
    session: Session, actor: Actor, status_list: str, note: str, *, issuers: credentials.Issuers, now: datetime
) -> KeptStatusList:
    """An accreditor that signs with its own key hands in a status list of its accreditations, for our bundles.

    One that ended does so as well: what was certified under it before still stands, and may still have to fall.
    """
    policy.require(actor, Action.ACCREDIT, organisation=actor.organisation_id)
    accreditor = accreditors.find(session, accreditors.of(session, actor).id, to_change=True)
    if accreditor.ended_at is None:
        accreditors.require_own(accreditor, actor)
    return kept_lists.take_in(session, issuers, accreditor, status_list, note, by=actor, now=now)


def suspend(session: Session, actor: Actor, centre_id: UUID, *, reason: str, now: datetime) -> Centre:
    """From now on nothing that this centre certifies clears a device. One person does it at once, as it protects.

    The centre's own accreditor may, and so may our desk, whoever accredited it; who suspended lifts it.
    """
    policy.require(actor, Action.ACCREDIT, organisation=actor.organisation_id)
    accreditor = accreditors.of(session, actor)
    accreditors.require_own(accreditor, actor)
    centre = accreditation.find(session, centre_id, to_change=True)
    if not accreditor.house and centre.accreditor_id != accreditor.id:
        raise NotFound("This is no centre of yours.")
    accreditation.suspend(session, centre, reason, accreditor=accreditor, now=now)
    standing.note(session, centre_id, StandingKind.SUSPENDED, reason=reason, by=actor, now=now)
    after = "Nothing that you certify from now on clears a device. Answer this message, so that our desk can settle it."
    _tell_owners(session, centre_id, "suspended", reason, after, now)
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
    policy.require(actor, Action.ACCREDIT, organisation=actor.organisation_id)
    accreditor = accreditors.of(session, actor)
    station = session.get(Station, station_id)
    if station is None or station.centre_id != centre_id:
        raise NotFound("This centre has no such station.")
    if not accreditor.house and session.get_one(Centre, centre_id).accreditor_id != accreditor.id:
        raise NotFound("This is no centre of yours.")
    stations.revoke(session, issuers, station_id, reason, now=now)
    for said in published.made(session, centre_id, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)


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


def _acting(session: Session, actor: Actor) -> Accreditor:
    """The accreditor that this person acts for, in force. The policy is asked first."""
    policy.require(actor, Action.ACCREDIT, organisation=actor.organisation_id)
    accreditor = accreditors.of(session, actor)
    accreditors.require_own(accreditor, actor)
    return accreditor


def _audit(session: Session, actor: Actor, audit_id: UUID) -> Audit:
    accreditor = _acting(session, actor)
    audit = audits.find(session, audit_id, to_change=True)
    if audit.accreditor_id != accreditor.id:
        raise NotFound("There is no such audit.")
    return audit


def _decision(session: Session, actor: Actor, decision_id: UUID) -> tuple[Decision, Accreditor]:
    accreditor = _acting(session, actor)
    decision = decisions.find(session, decision_id)
    if decision.accreditor_id != accreditor.id:
        raise NotFound("There is no such proposal.")
    return decision, accreditor


def _detail(decision: Decision, accreditor: Accreditor) -> dict[str, object]:
    detail: dict[str, object] = {
        "decision": str(decision.id),
        "accreditor": accreditor.name,
        "proposed_by": decision.proposed_name,
    }
    if decision.valid_until is not None:
        detail |= {
            "methods": decision.methods,
            "media_kinds": decision.media_kinds,
            "until": decision.valid_until.date().isoformat(),
        }
    if decision.since is not None:
        detail["since"] = decision.since.isoformat()
    return detail


def _doubt(
    session: Session, centre: Centre, since: datetime, *, by: Actor, issuers: credentials.Issuers, now: datetime
) -> None:
    held = rechecks.standing(session, station_id=None, centre_id=centre.organisation_id)
    seen = log.seen(session, [each.digest for each in held], kind="wipe-certificate", trusted=issuers.log)
    found = rechecks.fallen(held, seen, since)
    because = f"the accreditation of its test centre was withdrawn for fraud, from {since:%d %B %Y, %H:%M} UTC on"
    rechecks.begin(session, found, cause=RecheckCause.FRAUD, because=because, since=since, by=by, now=now)
    doubts.tell_buyers(
        session,
        [certificate.device_id for certificate in found],
        subject=doubts.SUBJECT,
        text=doubts.IN_DOUBT.replace("{why}", rechecks.TOLD[RecheckCause.FRAUD]),
        key=f"recheck.opened {centre.organisation_id} {now.isoformat()}",
        now=now,
    )


def _tell_centre(session: Session, centre: Centre, decision: Decision, *, now: datetime) -> None:
    firm = session.get_one(Organisation, centre.organisation_id)
    if decision.valid_until is not None:
        media = ", ".join(_inside(KIND_WORDS[kind]) for kind in centre.media_kinds)
        scope = f"{', '.join(centre.methods)}; {media}"
        for owner in firms.owners(session, firm.id):
            letters.accredited(session, owner, firm, scope=scope, until=decision.valid_until, now=now)
    elif decision.kind is DecisionKind.LIFT:
        _tell_owners(session, firm.id, "reinstated", decision.reason, "You may certify again: {site}/bench", now)
    else:
        after = (
            "Nothing that you certify from now on clears a device. What you certified before stays good."
            if decision.kind is DecisionKind.WITHDRAW
            else f"Nothing that you certify clears a device, and what you certified since {decision.since:%d %B %Y} is "
            "looked at again."
        )
        _tell_owners(session, firm.id, "no longer accredited", decision.reason, after, now)


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
