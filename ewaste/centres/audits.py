"""Audits: somebody of an accreditor goes to a centre with the published checklist and writes down what they saw.

Answers are appended and never changed; the newest of a point counts. An audit that was concluded stands, and counts
as the ground of a decision for a year.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.centres import checklist
from ewaste.centres.accrediting_models import Accreditor, Audit, AuditAnswer
from ewaste.centres.checklist import Found
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound

COUNTS_FOR = timedelta(days=365)


def begin(session: Session, centre_id: UUID, accreditor: Accreditor, *, by: Actor, now: datetime) -> Audit:
    """Start an audit by the checklist that is published now. Raises `Conflict` while another one is open."""
    if by.id is None:
        raise NotAllowed("Only a person audits a centre.")
    audit = Audit(
        centre_id=centre_id,
        accreditor_id=accreditor.id,
        checklist=checklist.CURRENT,
        checklist_digest=checklist.load().digest,
        started_by=by.id,
        started_name=by.name,
        started_at=now,
    )
    try:
        with session.begin_nested():
            session.add(audit)
            session.flush()
    except IntegrityError as error:
        raise Conflict("An audit of this centre is under way. Go on with that one.") from error
    return audit


def find(session: Session, audit_id: UUID, *, to_change: bool = False) -> Audit:
    """One audit, locked when it is about to change. Raises `NotFound`."""
    query = sa.select(Audit).where(Audit.id == audit_id)
    found = session.scalar(query.with_for_update() if to_change else query)
    if found is None:
        raise NotFound("There is no such audit.")
    return found


def answers(session: Session, audit_id: UUID) -> dict[str, AuditAnswer]:
    """The newest answer to each point that has one, by the point's id."""
    rows = session.scalars(sa.select(AuditAnswer).where(AuditAnswer.audit_id == audit_id).order_by(AuditAnswer.number))
    return {row.point: row for row in rows}


def answer(session: Session, audit: Audit, given: Mapping[str, tuple[str, str]], *, by: Actor, now: datetime) -> int:
    """Append what was found: point → (found, evidence). What stands so already is not written again.

    Returns how many answers are new. Raises `Invalid` by field (`point`, `found`, `evidence`), or `Conflict` for an
    audit that was concluded.
    """
    _require_open(audit)
    if by.id is None:
        raise NotAllowed("Only a person answers an audit.")
    list_ = checklist.load(audit.checklist)
    known = answers(session, audit.id)
    new: list[tuple[str, Found, str]] = []
    for point, (found, evidence) in given.items():
        if (problem := checklist.problem(list_, point, found, evidence)) is not None:
            raise Invalid(problem[1], field=problem[0])
        before = known.get(point)
        if before is None or (before.found.value, before.evidence) != (found, evidence.strip()):
            new.append((point, Found(found), evidence.strip()))
    last = session.scalar(sa.select(sa.func.max(AuditAnswer.number)).where(AuditAnswer.audit_id == audit.id)) or 0
    for number, (point, found_, evidence) in enumerate(new, start=last + 1):
        session.add(
            AuditAnswer(
                audit_id=audit.id,
                number=number,
                point=point,
                found=found_,
                evidence=evidence,
                by_id=by.id,
                by_name=by.name,
                at=now,
            )
        )
    session.flush()
    return len(new)


def progress(session: Session, audit: Audit) -> checklist.Progress:
    """How far an audit has come."""
    found = {point: row.found.value for point, row in answers(session, audit.id).items()}
    return checklist.progress(checklist.load(audit.checklist), found)


def conclude(session: Session, audit: Audit, *, by: Actor, now: datetime) -> bool:
    """Close an audit whose every point has an answer. Returns whether it was passed. Raises `Conflict`."""
    _require_open(audit)
    so_far = progress(session, audit)
    if not so_far.complete:
        raise Conflict(
            f"{len(so_far.missing)} of {so_far.total} points have no answer yet. Answer them, then conclude the audit."
        )
    audit.concluded_by, audit.concluded_name, audit.concluded_at = by.id, by.name, now
    audit.passed = so_far.passed
    session.flush()
    return so_far.passed


def ground(session: Session, centre_id: UUID, accreditor: Accreditor, *, now: datetime) -> Audit:
    """The newest audit of a centre, when a decision can stand on it. Raises `Conflict` saying what is missing."""
    newest = session.scalar(
        sa.select(Audit)
        .where(Audit.centre_id == centre_id, Audit.accreditor_id == accreditor.id)
        .order_by(Audit.started_at.desc(), Audit.id)
        .limit(1)
    )
    if newest is None:
        raise Conflict("This centre was not audited yet. Begin an audit, and answer its checklist.")
    if newest.concluded_at is None:
        raise Conflict("The audit of this centre is still under way. Conclude it first.")
    if not newest.passed:
        raise Conflict("The last audit was not passed. Audit the centre again when it has mended what was found.")
    if newest.concluded_at + COUNTS_FOR < now:
        raise Conflict("The last audit of this centre is more than a year old. Audit it again.")
    return newest


def _require_open(audit: Audit) -> None:
    if audit.concluded_at is not None:
        raise Conflict("This audit is concluded, and stands as it is. Begin a new one.")
