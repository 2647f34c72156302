"""Decisions of two people: one proposes, another of the same accreditor confirms; until then it can be taken back.

A suspension is no decision of this kind: one person suspends at once, as it protects. Lifting it takes two.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.centres import accreditation, audits
from ewaste.centres.accrediting_models import Accreditor, Decision, DecisionKind, DecisionOutcome
from ewaste.centres.models import Centre, Standing
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound

# From which standing each kind is possible.
FROM = {
    DecisionKind.GRANT: frozenset({Standing.APPLIED, Standing.WITHDRAWN}),
    DecisionKind.SCOPE: frozenset({Standing.ACCREDITED}),
    DecisionKind.LIFT: frozenset({Standing.SUSPENDED}),
    DecisionKind.WITHDRAW: frozenset({Standing.ACCREDITED, Standing.SUSPENDED}),
    DecisionKind.FRAUD: frozenset({Standing.ACCREDITED, Standing.SUSPENDED, Standing.WITHDRAWN}),
}
ENDING = frozenset({DecisionKind.WITHDRAW, DecisionKind.FRAUD})
_NOT_FROM = {
    Standing.APPLIED: "This centre is not accredited yet.",
    Standing.ACCREDITED: "This centre is accredited and not suspended.",
    Standing.SUSPENDED: "This centre is suspended. Lift the suspension first, and say how it was settled.",
    Standing.WITHDRAWN: "The accreditation of this centre was withdrawn already.",
}


def propose(
    session: Session,
    centre: Centre,
    accreditor: Accreditor,
    kind: DecisionKind,
    *,
    reason: str,
    methods: Sequence[str] = (),
    media_kinds: Sequence[str] = (),
    valid_until: datetime | None = None,
    since: datetime | None = None,
    by: Actor,
    now: datetime,
) -> Decision:
    """One person proposes. Nothing is in force by it. Raises `Invalid` by field, or `Conflict` saying what comes first.

    A grant and another scope name methods, media and an end, and stand on a passed audit of the last year. A
    withdrawal for fraud names the moment since which nothing of the centre is believed.
    """
    if by.id is None:
        raise NotAllowed("Only a person proposes.")
    require_possible(centre, _accreditor_of(session, centre), accreditor, kind)
    audit = None
    if kind in (DecisionKind.GRANT, DecisionKind.SCOPE):
        if valid_until is None:
            raise Invalid("Say until when it holds.", field="valid_until")
        accreditation.require_scope(methods, media_kinds, valid_until, now=now)
        audit = audits.ground(session, centre.organisation_id, accreditor, now=now)
    if kind is DecisionKind.FRAUD:
        if since is None or since > now:
            raise Invalid("Say since when: a moment that lies behind us.", field="since")
        if centre.fraud_since is not None and since >= centre.fraud_since:
            raise Conflict("It was withdrawn for fraud already, from an earlier moment.")
    because = accreditation.require_reason(reason)
    scoped = audit is not None
    decision = Decision(
        centre_id=centre.organisation_id,
        accreditor_id=accreditor.id,
        kind=kind,
        audit_id=audit.id if audit else None,
        methods=sorted(set(methods)) if scoped else [],
        media_kinds=sorted(set(media_kinds)) if scoped else [],
        valid_until=valid_until if scoped else None,
        since=since if kind is DecisionKind.FRAUD else None,
        reason=because,
        proposed_by=by.id,
        proposed_name=by.name,
        proposed_at=now,
    )
    try:
        with session.begin_nested():
            session.add(decision)
            session.flush()
    except IntegrityError as error:
        raise Conflict("A proposal about this centre waits already. Confirm it, or take it back first.") from error
    return decision


def find(session: Session, decision_id: UUID) -> Decision:
    """A proposal that waits, locked until the step ends. Raises `NotFound`, or `Conflict` for one that is decided."""
    found = session.scalar(sa.select(Decision).where(Decision.id == decision_id).with_for_update())
    if found is None:
        raise NotFound("There is no such proposal.")
    if found.outcome is not None:
        raise Conflict("This was decided already. Reload the page and look how.")
    return found


def confirm(
    session: Session, decision: Decision, centre: Centre, accreditor: Accreditor, *, by: Actor, now: datetime
) -> None:
    """A second person confirms; the step then brings it into force. Raises `Conflict`, above all for the same one."""
    if decision.proposed_by == by.id:
        raise Conflict("You proposed this. Somebody else has to look at it and confirm it.")
    require_possible(centre, _accreditor_of(session, centre), accreditor, decision.kind)
    if decision.valid_until is not None:
        if decision.valid_until <= now:
            raise Conflict("The day until which it was to hold has passed. Take it back and propose it again.")
        ground = audits.ground(session, centre.organisation_id, accreditor, now=now)
        if ground.id != decision.audit_id:
            raise Conflict("The centre was audited again since. Take this back and propose it on the new audit.")
    decision.outcome, decision.decided_by = DecisionOutcome.CONFIRMED, by.id
    decision.decided_name, decision.decided_at = by.name, now
    session.flush()


def undo(session: Session, decision: Decision, *, by: Actor, now: datetime) -> None:
    """It is taken back, by who proposed it or another of the same accreditor. It stays on record."""
    decision.outcome, decision.decided_by = DecisionOutcome.UNDONE, by.id
    decision.decided_name, decision.decided_at = by.name, now
    session.flush()


def undo_open(session: Session, accreditor: Accreditor, *, by: Actor, now: datetime) -> None:
    """Whatever waits of an accreditor that ends is taken back: nobody of it could confirm it, and it would be in the
    way of others."""
    waiting = sa.select(Decision).where(Decision.accreditor_id == accreditor.id, Decision.outcome.is_(None))
    for decision in session.scalars(waiting.order_by(Decision.id).with_for_update()):
        undo(session, decision, by=by, now=now)


def require_possible(centre: Centre, owner: Accreditor | None, accreditor: Accreditor, kind: DecisionKind) -> None:
    """Raises `Conflict` unless this accreditor can decide this of the centre as it stands; `owner` accredited it.

    Where the owner ended, the house withdraws in its place. Then the centre is free for anybody's audit.
    """
    if centre.standing not in FROM[kind]:
        raise Conflict(_NOT_FROM[centre.standing])
    ended = owner if owner is not None and owner.ended_at is not None else None
    if kind is DecisionKind.LIFT:
        if centre.suspended_for not in (None, accreditor.id):
            raise Conflict("Another accreditor suspended this centre, and lifts it itself.")
        if ended is not None:
            raise Conflict(f"{ended.name} ended, so its centres are withdrawn, audited and accredited anew.")
        return
    if accreditor.house and ended is not None and kind in ENDING:
        return
    free = centre.accreditor_id is None or centre.standing in (Standing.APPLIED, Standing.WITHDRAWN)
    if centre.accreditor_id != accreditor.id and not (kind is DecisionKind.GRANT and free):
        raise Conflict("Another accreditor has accredited this centre, and decides about it.")


def _accreditor_of(session: Session, centre: Centre) -> Accreditor | None:
    return session.get(Accreditor, centre.accreditor_id) if centre.accreditor_id else None
