"""What those who accredit see: audits with their checklist, proposals that wait for a second person, and accreditors.

Our staff see everything; an accreditor sees what is its own. `MEANS` says what a decision brings about, before anybody
presses its button.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Role
from ewaste.accounts.policy import Action
from ewaste.centres import accreditors, audits, checklist, decisions, kept_lists
from ewaste.centres.accrediting_models import (
    IN_ORDER,
    Accreditor,
    AccreditorKey,
    AccreditorKeyChange,
    Audit,
    Decision,
    DecisionKind,
    DecisionOutcome,
    KeptStatusList,
)
from ewaste.centres.models import Centre, Standing
from ewaste.certificates import rechecks
from ewaste.certificates.models import Certificate, number_of
from ewaste.certificates.rechecks import Recheck, RecheckCause, RecheckOutcome
from ewaste.core.log_trust import LogTrust
from ewaste.core.refusals import Conflict, NotFound
from ewaste.devices.models import Device
from ewaste.transparency import log
from ewaste.views import shapes

WORDS: Mapping[DecisionKind, str] = {
    DecisionKind.GRANT: "Accredit",
    DecisionKind.SCOPE: "Another scope or date",
    DecisionKind.LIFT: "Lift the suspension",
    DecisionKind.WITHDRAW: "Withdraw",
    DecisionKind.FRAUD: "Withdraw for fraud",
}
MEANS: Mapping[DecisionKind, tuple[str, ...]] = {
    DecisionKind.GRANT: (
        "Certificates of this centre count from then on, for the methods and media listed, until the day named.",
        "Its credential is signed and goes out to its stations. The public list shows it, with the reason.",
    ),
    DecisionKind.SCOPE: (
        "The new scope takes the place of the old one at once, also for wipes that are under way.",
        "A new credential is signed. The public list shows the change, with the reason.",
    ),
    DecisionKind.LIFT: (
        "New certificates of this centre count again. Its scope and its dates stay as they were.",
        "The public list keeps the suspension, and shows when and why it ended.",
    ),
    DecisionKind.WITHDRAW: (
        "Nothing that this centre certifies from then on counts. It gets no devices and no work orders.",
        "What it certified before stays good. A new audit and a new grant bring it back.",
    ),
    DecisionKind.FRAUD: (
        "Nothing of this centre counts any more, and its credentials are revoked from the moment named.",
        "What witnesses had not seen certified by then leaves every sale until two people have looked.",
        "Its sellers and buyers are told by mail.",
        "This cannot be undone.",
    ),
}
FOUND = {"met": "Met", "not-met": "Not met", "not-applicable": "Does not apply"}
CAUSES = {
    RecheckCause.KEY: "A station’s key",
    RecheckCause.FRAUD: "Fraud of the centre",
    RecheckCause.ACCREDITOR_KEY: "An accreditor’s key",
}
OUTCOMES = {RecheckOutcome.STANDS: "It stands", RecheckOutcome.REVOKED: "It is revoked"}


def may_see(session: Session, actor: Actor, centre: Centre) -> bool:
    """Whether this person may see the desk's page of a centre."""
    if actor.role is not Role.ACCREDITOR:
        return True
    mine = accreditors.of(session, actor)
    return centre.accreditor_id in (None, mine.id) or centre.standing in (Standing.APPLIED, Standing.WITHDRAWN)


def queue(session: Session, actor: Actor) -> dict[str, Any]:
    """Proposals that wait, audits under way, and centres that nobody has accredited yet."""
    mine = _mine(session, actor)
    waiting = session.execute(
        _decisions().where(Decision.outcome.is_(None), *_of(Decision, mine)).order_by(Decision.proposed_at).limit(100)
    ).all()
    decided = session.execute(
        _decisions()
        .where(Decision.outcome.is_not(None), *_of(Decision, mine))
        .order_by(Decision.decided_at.desc(), Decision.id)
        .limit(20)
    ).all()
    open_audits = session.execute(
        sa.select(Audit, Organisation.name.label("centre"))
        .join(Organisation, Organisation.id == Audit.centre_id)
        .where(Audit.concluded_at.is_(None), *_of(Audit, mine))
        .order_by(Audit.started_at)
        .limit(100)
    ).all()
    applied = session.execute(
        sa.select(Centre.organisation_id, Organisation.name, Organisation.city, Organisation.created_at)
        .join(Organisation, Organisation.id == Centre.organisation_id)
        .where(Centre.standing == Standing.APPLIED)
        .order_by(Organisation.created_at)
        .limit(100)
    ).all()
    return {
        "waiting": [_decision(row, actor) for row in waiting],
        "decided": [_decision(row, actor) for row in decided],
        "audits": [
            {"id": row.Audit.id, "centre": row.centre, "by": row.Audit.started_name, "at": row.Audit.started_at}
            for row in open_audits
        ],
        "applied": [row._asdict() for row in applied],
        "accreditor": mine,
        "checklist": checklist.CURRENT,
        "may": _may(actor),
    }


def decision(session: Session, actor: Actor, decision_id: UUID) -> dict[str, Any]:
    """One proposal: what it says, what it brings about, on which audit it stands, and who may confirm it."""
    mine = _mine(session, actor)
    row = session.execute(_decisions().where(Decision.id == decision_id, *_of(Decision, mine))).one_or_none()
    if row is None:
        raise NotFound("There is no such proposal.")
    told = _decision(row, actor)
    audit = session.get(Audit, row.Decision.audit_id) if row.Decision.audit_id else None
    centre = session.get_one(Centre, row.Decision.centre_id)
    lifts = row.Decision.kind is DecisionKind.LIFT and centre.standing is Standing.SUSPENDED
    return {
        "decision": told | {"means": MEANS[row.Decision.kind]},
        # Who lifts it reads what is lifted. Once it is lifted it stands in the centre's history.
        "suspended": {"at": centre.suspended_at, "reason": centre.suspension_reason} if lifts else None,
        "audit": None
        if audit is None
        else {"id": audit.id, "by": audit.concluded_name, "at": audit.concluded_at, "checklist": audit.checklist},
        "may": _may(actor) if told["waits"] and told["ours"] else set(),
    }


def audit(session: Session, actor: Actor, audit_id: UUID) -> dict[str, Any]:
    """One audit: every point of its checklist with the newest answer, and how far it has come."""
    mine = _mine(session, actor)
    row = session.execute(
        sa.select(Audit, Organisation.name.label("centre"), Accreditor.name.label("accreditor"))
        .join(Organisation, Organisation.id == Audit.centre_id)
        .join(Accreditor, Accreditor.id == Audit.accreditor_id)
        .where(Audit.id == audit_id, *_of(Audit, mine))
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such audit.")
    list_ = checklist.load(row.Audit.checklist)
    given = audits.answers(session, audit_id)
    progress = checklist.progress(list_, {point: each.found.value for point, each in given.items()})
    ours = row.Audit.accreditor_id == _own_id(session, actor)
    return {
        "audit": row.Audit,
        "centre": row.centre,
        "accreditor": row.accreditor,
        "progress": progress,
        "next": progress.missing[0] if progress.missing else None,
        "groups": [
            {
                "name": name,
                "points": [
                    {
                        "point": point,
                        "sources": [
                            f"{list_.standards[each.standard]['name'].partition(',')[0]}: {each.about}"
                            for each in point.sources
                        ],
                        "answer": given.get(point.id),
                        "choices": [
                            {"value": value, "label": label}
                            for value, label in FOUND.items()
                            if not (point.must and value == "not-applicable")
                        ],
                    }
                    for point in list_.points
                    if point.group == group
                ],
            }
            for group, name in list_.groups.items()
        ],
        "found": FOUND,
        "may": _may(actor) if ours and row.Audit.concluded_at is None else set(),
    }


def of_centre(session: Session, actor: Actor, centre: Centre, *, now: datetime) -> dict[str, Any]:
    """For the page of a centre: who accredits it, its audits, the proposal that waits, and what can be proposed."""
    own = None if actor.role is Role.AUDITOR else accreditors.of(session, actor)
    by = session.get(Accreditor, centre.accreditor_id) if centre.accreditor_id else None
    found = session.scalars(
        sa.select(Audit)
        .where(Audit.centre_id == centre.organisation_id)
        .order_by(Audit.started_at.desc(), Audit.id)
        .limit(10)
    ).all()
    waits = session.execute(
        _decisions().where(Decision.centre_id == centre.organisation_id, Decision.outcome.is_(None))
    ).one_or_none()
    possible = []
    if own is not None and own.ended_at is None and own.confirmed_at is not None and waits is None:
        for kind in DecisionKind:
            try:
                decisions.require_possible(centre, by, own, kind)
            except Conflict:
                continue
            possible.append({"kind": kind.value, "label": WORDS[kind], "means": MEANS[kind]})
    ground = next((each for each in found if own is not None and each.accreditor_id == own.id), None)
    ready = bool(
        ground is not None
        and ground.passed
        and ground.concluded_at is not None
        and ground.concluded_at + audits.COUNTS_FOR >= now
    )
    return {
        "accreditor": by.name if by else None,
        "audits": [
            {
                "id": each.id,
                "by": each.concluded_name or each.started_name,
                "at": each.concluded_at or each.started_at,
                "open": each.concluded_at is None,
                "passed": each.passed,
                "ours": own is not None and each.accreditor_id == own.id,
            }
            for each in found
        ],
        "waits": _decision(waits, actor) if waits is not None else None,
        "possible": {each["kind"]: each for each in possible},
        "ready": ready,
        "may_audit": own is not None
        and (centre.accreditor_id in (None, own.id) or centre.standing in (Standing.APPLIED, Standing.WITHDRAWN))
        and not any(each.concluded_at is None and each.accreditor_id == own.id for each in found),
        "may_suspend": own is not None
        and centre.standing is Standing.ACCREDITED
        and (bool(own.house) or centre.accreditor_id == own.id),
        "hands_in": own is not None and own.own_key and centre.accreditor_id == own.id,
    }


def list_accreditors(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Every accreditor that was ever named, the house first, with its keys and who admitted it."""
    policy.require(actor, Action.SEE_ACCREDITING, organisation=actor.organisation_id)
    keys: dict[UUID, list[AccreditorKey]] = {}
    for key in session.scalars(sa.select(AccreditorKey).order_by(*IN_ORDER)):
        keys.setdefault(key.accreditor_id, []).append(key)
    rows = session.execute(
        sa.select(
            Accreditor,
            AccreditorKeyChange,
            sa.select(sa.func.count())
            .select_from(Centre)
            .where(Centre.accreditor_id == Accreditor.id)
            .scalar_subquery()
            .label("centres"),
        )
        .outerjoin(
            AccreditorKeyChange,
            sa.and_(AccreditorKeyChange.accreditor_id == Accreditor.id, AccreditorKeyChange.outcome.is_(None)),
        )
        .order_by(Accreditor.house.nulls_last(), Accreditor.named_at, Accreditor.id)
    ).all()
    lists: dict[UUID, list[KeptStatusList]] = {}
    for held in kept_lists.held(session):
        lists.setdefault(held.accreditor_id, []).append(held)
    admits = policy.allows(actor, Action.ADMIT_ACCREDITOR)
    mine = accreditors.of(session, actor).id if actor.role is Role.ACCREDITOR else None
    return {
        "accreditors": [
            {
                "row": row.Accreditor,
                "status": _status(row.Accreditor),
                "centres": row.centres,
                "keys": keys.get(row.Accreditor.id, []),
                "mine": row.Accreditor.named_by == actor.id,
                "change": row.AccreditorKeyChange,
                "my_change": row.AccreditorKeyChange is not None and row.AccreditorKeyChange.proposed_by == actor.id,
                "changes_key": admits or row.Accreditor.id == mine,
                "old_keys": _may_end(row.Accreditor, keys.get(row.Accreditor.id, [])),
                "lists": [{"row": held, "stale": held.fresh_until <= now} for held in lists.get(row.Accreditor.id, [])],
                "hands_in": row.Accreditor.own_key and row.Accreditor.id == mine,
            }
            for row in rows
        ],
        "may": {"admit"} if admits else set(),
    }


def _may_end(accreditor: Accreditor, keys: Sequence[AccreditorKey]) -> list[dict[str, str]]:
    """The keys whose end can be told, those without one first. The first key of the house lies in its file alone."""
    left = sorted((key for key in keys if key.compromised_since is None), key=lambda key: key.revoked_at is not None)
    named = [key.verification_method for key in left] or [f"{accreditor.did}#key-1"]
    return [{"value": method, "label": method} for method in named]


def list_rechecks(session: Session, actor: Actor, trusted: LogTrust, *, page: int) -> dict[str, Any]:
    """Certificates in doubt, the longest waiting first, and those that were settled last. 50 a page."""
    policy.require(actor, Action.SEE_DESK)
    every = (
        sa.select(
            Recheck,
            Certificate.id.label("entry"),
            Certificate.credential_id,
            Certificate.accepted_at,
            Certificate.digest,
            Device.code,
            Device.brand,
            Device.model,
            Device.state,
            Organisation.name.label("centre"),
        )
        .join(Certificate, Certificate.id == Recheck.certificate_id)
        .join(Device, Device.id == Certificate.device_id)
        .join(Organisation, Organisation.id == Certificate.centre_id)
    )
    open_ = every.where(Recheck.settled_at.is_(None))
    waiting = session.execute(
        open_.order_by(Recheck.opened_at, Recheck.id).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    settled = session.execute(
        every.where(Recheck.settled_at.is_not(None)).order_by(Recheck.settled_at.desc(), Recheck.id).limit(20)
    ).all()
    digests = [row.digest for row in (*waiting, *settled)]
    seen = log.seen(session, digests, kind="wipe-certificate", trusted=trusted)
    return {
        "rechecks": [_recheck(row, actor, seen.get(row.digest)) for row in waiting],
        "settled": [_recheck(row, actor, seen.get(row.digest)) for row in settled],
        "total": shapes.count(session, open_),
        "outcomes": [{"value": value.value, "label": label} for value, label in OUTCOMES.items()],
        "may": {"settle"} if policy.allows(actor, Action.RECHECK) else set(),
    }


def _mine(session: Session, actor: Actor) -> Accreditor | None:
    """The accreditor to which this person's sight is narrowed; None for who sees everything."""
    policy.require(actor, Action.SEE_ACCREDITING, organisation=actor.organisation_id)
    return accreditors.of(session, actor) if actor.role is Role.ACCREDITOR else None


def _own_id(session: Session, actor: Actor) -> UUID | None:
    return None if actor.role is Role.AUDITOR else accreditors.of(session, actor).id


def _of(table: Any, mine: Accreditor | None) -> tuple[Any, ...]:
    return () if mine is None else (table.accreditor_id == mine.id,)


def _may(actor: Actor) -> set[str]:
    return {"act"} if policy.allows(actor, Action.ACCREDIT, organisation=actor.organisation_id) else set()


def _decisions() -> sa.Select[Decision, str, str, bool | None]:
    return (
        sa.select(Decision, Organisation.name.label("centre"), Accreditor.name.label("accreditor"), Accreditor.house)
        .join(Organisation, Organisation.id == Decision.centre_id)
        .join(Accreditor, Accreditor.id == Decision.accreditor_id)
    )


def _decision(row: Any, actor: Actor) -> dict[str, Any]:
    found: Decision = row.Decision
    return {
        "id": found.id,
        "centre_id": found.centre_id,
        "centre": row.centre,
        "accreditor": row.accreditor,
        "kind": found.kind.value,
        "label": WORDS[found.kind],
        "methods": found.methods,
        "media_kinds": found.media_kinds,
        "valid_until": found.valid_until,
        "since": found.since,
        "reason": found.reason,
        "proposed_by": found.proposed_name,
        "proposed_at": found.proposed_at,
        "mine": found.proposed_by == actor.id,
        # Who sees it as an accreditor acts for it; our staff act for the house alone.
        "ours": actor.role is Role.ACCREDITOR or bool(row.house),
        "waits": found.outcome is None,
        "confirmed": found.outcome is DecisionOutcome.CONFIRMED,
        "decided_by": found.decided_name,
        "decided_at": found.decided_at,
    }


def _status(row: Accreditor) -> str:
    if row.ended_at is not None:
        return "ended"
    if row.undone_at is not None:
        return "undone"
    return "in force" if row.confirmed_at is not None else "waits"


def _recheck(row: Any, actor: Actor, seen_at: datetime | None) -> dict[str, Any]:
    found: Recheck = row.Recheck
    return {
        "id": found.id,
        "certificate": number_of(row.credential_id, row.entry),
        "accepted_at": row.accepted_at,
        "code": row.code,
        "title": shapes.title(row.brand, row.model),
        "state": row.state.value,
        "centre": row.centre,
        "cause": CAUSES[found.cause],
        "because": found.because,
        "since": found.since,
        "seen_at": seen_at,
        "believed": rechecks.survives(seen_at, found.since),
        "opened_by": found.opened_name,
        "opened_at": found.opened_at,
        "outcome": OUTCOMES[found.outcome] if found.outcome else None,
        "note": found.note,
        "proposed_by": found.proposed_name,
        "mine": found.proposed_by == actor.id,
        "settled_by": found.settled_name,
        "settled_at": found.settled_at,
    }
