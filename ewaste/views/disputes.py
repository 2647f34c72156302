"""Disputes as the buyer, the centre, the desk and the auditor read them: each the same story, in their own words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Membership, Organisation, Person, Role
from ewaste.accounts.policy import Action
from ewaste.core.money import Money
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device
from ewaste.market import deadlines, disputes
from ewaste.market.models import (
    Dispute,
    DisputeEvent,
    DisputeOutcome,
    DisputeReason,
    DisputeState,
    DisputeStep,
    Listing,
    LotLine,
    Order,
    OrderState,
)
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction
from ewaste.views import shapes

REASON_WORDS = {
    DisputeReason.NOT_AS_GRADED: "Not as graded",
    DisputeReason.DOES_NOT_WORK: "Does not work",
    DisputeReason.NOT_AS_DESCRIBED: "Not as described, or missing",
    DisputeReason.WITHDRAWAL: "Withdrawal from the purchase",
}
REASON_HINTS = {
    DisputeReason.NOT_AS_GRADED: "It looks or works worse than its grade says.",
    DisputeReason.DOES_NOT_WORK: "Something that should work does not.",
    DisputeReason.NOT_AS_DESCRIBED: "Another device, another storage, or it was not there at all.",
    DisputeReason.WITHDRAWAL: "You need no reason. Bring it back, and the whole price goes back to you.",
}
OUTCOME_WORDS = {
    DisputeOutcome.REFUND: "Full refund, the buyer keeps it",
    DisputeOutcome.PARTIAL: "Part of the price refunded",
    DisputeOutcome.REJECTED: "Rejected",
    DisputeOutcome.RETURN: "Return, then full refund",
}
STEP_WORDS = {
    DisputeStep.OPENED: "Opened",
    DisputeStep.ANSWERED: "Said",
    DisputeStep.DECIDED: "Decided",
    DisputeStep.RETURNED: "The device is back at the centre",
    DisputeStep.REFUNDED: "The money went back",
    DisputeStep.CLOSED: "Closed",
}
SIDES = {Role.OPERATOR: "The centre", Role.STAFF: "The desk", Role.RECYCLER: "The buyer", None: "The buyer"}
_OPEN = (DisputeState.OPEN, DisputeState.ANSWERED)


def dispute(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """One dispute with its whole story and what this reader may do. Raises `NotFound`."""
    found = disputes.find(session, code)
    order = session.get_one(Order, found.order_id)
    relation = {"owner": order.person_id, "centre": found.centre_id, "organisation": order.organisation_id}
    policy.require(actor, Action.SEE_DISPUTE, **relation)
    device = session.get_one(Device, found.device_id)
    centre = session.get_one(Organisation, found.centre_id)
    may = set()
    if found.state in _OPEN and policy.allows(actor, Action.ANSWER_DISPUTE, **relation):
        may.add("answer")
    if policy.allows(actor, Action.DECIDE_DISPUTE):
        if found.state in _OPEN:
            may.add("decide")
        waits = found.state is DisputeState.DECIDED and found.returned_at is None
        if waits and found.return_by is not None and now > found.return_by:
            may.add("lapse")
    said = told(found, device) | {
        "order_code": order.code,
        "centre": f"{centre.name}, {centre.city}",
        "events": _events(session, [found.id]).get(found.id, []),
        "most": Money(disputes.refundable(session, found), found.currency) if "decide" in may else None,
        "payment": _payment(session, found),
        "buyer": _buyer(session, order) if actor.role in (Role.STAFF, Role.AUDITOR) else None,
        "snapshot": _snapshot(session, order, found.device_id),
    }
    return {"dispute": said, "may": may, "mine": policy.allows(actor, Action.DISPUTE, **relation)}


def of_order(session: Session, actor: Actor, order: Order, *, now: datetime) -> dict[str, Any]:
    """What an order's page says of disputes: those there are, until when one can be opened, and about what."""
    rows = session.execute(
        sa.select(Dispute, Device)
        .join(Device, Device.id == Dispute.device_id)
        .where(Dispute.order_id == order.id)
        .order_by(Dispute.opened_at)
    ).all()
    events = _events(session, [found.id for found, _ in rows])
    until = deadlines.dispute_until(order.handed_over_at) if order.handed_over_at else None
    may = (
        until is not None
        and now <= until
        and policy.allows(actor, Action.DISPUTE, owner=order.person_id, organisation=order.organisation_id)
    )
    under_way = {found.device_id for found, _ in rows if found.state is not DisputeState.CLOSED}
    devices = [device for device in (_delivered(session, order) if may else []) if device["id"] not in under_way]
    reasons = [
        {"value": reason.value, "label": REASON_WORDS[reason], "text": REASON_HINTS[reason]}
        for reason in DisputeReason
        if reason is not DisputeReason.WITHDRAWAL or (order.person_id is not None and actor.role is Role.CONSUMER)
    ]
    return {
        "disputes": [told(found, device) | {"events": events.get(found.id, [])} for found, device in rows],
        "until": until,
        "devices": devices,
        "reasons": reasons,
    }


def queue(
    session: Session, actor: Actor, *, of_centre: bool, state: str, page: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """Disputes, oldest first: all of them for the desk and the auditor, its own for a centre. Rows, states, total."""
    if of_centre:
        policy.require(actor, Action.SEE_BENCH, centre=actor.organisation_id)
        whose = [Dispute.centre_id == actor.organisation_id]
    else:
        policy.require(actor, Action.SEE_DESK)
        whose = []
    counts = {
        row[0]: int(row[1])
        for row in session.execute(sa.select(Dispute.state, sa.func.count()).where(*whose).group_by(Dispute.state))
    }
    chosen = DisputeState(state) if state in set(DisputeState) else None
    query = (
        sa.select(Dispute, Device, Order.code, sa.func.coalesce(Organisation.name, Person.name))
        .join(Device, Device.id == Dispute.device_id)
        .join(Order, Order.id == Dispute.order_id)
        .outerjoin(Organisation, Organisation.id == Order.organisation_id)
        .outerjoin(Person, Person.id == Order.person_id)
        .where(*whose)
    )
    query = query.where(Dispute.state == chosen if chosen else Dispute.state != DisputeState.CLOSED)
    total = counts.get(chosen, 0) if chosen else sum(n for key, n in counts.items() if key is not DisputeState.CLOSED)
    rows = session.execute(
        query.order_by(Dispute.opened_at, Dispute.id).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    )
    rows_told = [told(found, device) | {"order_code": code, "buyer": buyer} for found, device, code, buyer in rows]
    states = [{"state": member.value, "count": counts.get(member, 0)} for member in DisputeState]
    return rows_told, states, total


def told(found: Dispute, device: Device) -> dict[str, Any]:
    """A dispute in short, for lists."""
    return {
        "code": found.code,
        "device_code": device.code,
        "title": shapes.title(device.brand, device.model),
        "reason": found.reason.value,
        "reason_word": REASON_WORDS[found.reason],
        "state": found.state.value,
        "outcome": found.outcome.value if found.outcome else None,
        "outcome_word": OUTCOME_WORDS[found.outcome] if found.outcome else None,
        "share": Money(found.share_minor, found.currency),
        "refund": Money(found.refund_minor, found.currency) if found.refund_minor else None,
        "opened_at": found.opened_at,
        "answer_by": deadlines.answer_until(found.opened_at) if found.state is DisputeState.OPEN else None,
        "decided_at": found.decided_at,
        "return_by": found.return_by if found.state is DisputeState.DECIDED and not found.returned_at else None,
        "returned_at": found.returned_at,
        "closed_at": found.closed_at,
    }


def _events(session: Session, ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    if not ids:
        return {}
    rows = session.execute(
        sa.select(DisputeEvent, Membership.role)
        .outerjoin(Membership, sa.and_(Membership.person_id == DisputeEvent.by, Membership.ended_at.is_(None)))
        .where(DisputeEvent.dispute_id.in_(ids))
        .order_by(DisputeEvent.dispute_id, DisputeEvent.seq)
    )
    stories: dict[UUID, list[dict[str, Any]]] = {}
    seen: set[UUID] = set()
    for event, role in rows:
        if event.id in seen:  # Somebody of two firms stands in two rows.
            continue
        seen.add(event.id)
        stories.setdefault(event.dispute_id, []).append(
            {
                "at": event.at,
                "title": STEP_WORDS[event.step],
                "kind": "note",
                "by": SIDES.get(role, "The desk") if event.by else None,
                "text": event.text,
                "tone": "wait" if event.step is DisputeStep.OPENED else "quiet",
            }
        )
    return stories


def _delivered(session: Session, order: Order) -> list[dict[str, Any]]:
    """The devices of an order that its buyer has."""
    if order.state not in (OrderState.HANDED_OVER, OrderState.SETTLED):
        return []
    query = sa.select(Device).where(Device.state == State.DELIVERED)
    if order.listing_id is not None:
        query = query.join(Listing, Listing.device_id == Device.id).where(Listing.id == order.listing_id)
    else:
        query = (
            query.join(LotLine, LotLine.device_id == Device.id)
            .where(LotLine.lot_id == order.lot_id, LotLine.released_at.is_(None))
            .order_by(LotLine.position)
        )
    return [
        {"id": device.id, "value": device.code, "label": f"{shapes.title(device.brand, device.model)}, {device.code}"}
        for device in session.scalars(query)
    ]


def _snapshot(session: Session, order: Order, device_id: UUID) -> dict[str, Any]:
    """What the manifest or the listing promised of the device."""
    if order.listing_id is not None:
        return dict(session.get_one(Listing, order.listing_id).snapshot)
    line = session.scalar(
        sa.select(LotLine.snapshot).where(LotLine.lot_id == order.lot_id, LotLine.device_id == device_id)
    )
    return dict(line or {})


def _payment(session: Session, found: Dispute) -> dict[str, Any] | None:
    row = session.scalar(
        sa.select(PaymentInstruction)
        .where(PaymentInstruction.kind == InstructionKind.REFUND, PaymentInstruction.subject_id == found.id)
        .order_by(PaymentInstruction.written_at.desc())
        .limit(1)
    )
    if row is None:
        return None
    return {"state": row.state.value, "failed": row.state is InstructionState.FAILED, "at": row.settled_at}


def _buyer(session: Session, order: Order) -> str:
    if order.organisation_id is not None:
        return session.get_one(Organisation, order.organisation_id).name
    return session.get_one(Person, order.person_id).name
