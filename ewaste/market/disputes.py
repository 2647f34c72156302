"""Disputes after a sale: one device of an order, a reason, answers, a decision, and what follows from it.

The rows are moved here and nowhere else; each move appends what was said to the dispute's events. Who may do it, the
money and the devices are the journey's affair.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core import jobs
from ewaste.core.ids import DISPUTE, new_code, read_code
from ewaste.core.money import in_words
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.market import deadlines, shares
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

LONGEST_TEXT = 2_000
# A buyer's withdrawal is no complaint: it neither counts against the centre nor waits for a decision.
COMPLAINTS = frozenset(DisputeReason) - {DisputeReason.WITHDRAWAL}
UPHELD = frozenset({DisputeOutcome.REFUND, DisputeOutcome.PARTIAL, DisputeOutcome.RETURN})


def find(session: Session, text: str) -> Dispute:
    """The dispute with this code, not locked. Raises `NotFound`."""
    code = read_code(text, DISPUTE)
    found = session.scalar(sa.select(Dispute).where(Dispute.code == code)) if code else None
    if found is None:
        raise NotFound("There is no dispute with this code, or it is not yours to see.")
    return found


def by_id(session: Session, dispute_id: UUID) -> Dispute:
    """The dispute with this id, locked until the step ends. Lock its device and order first. Raises `NotFound`."""
    found = session.scalar(
        sa.select(Dispute).where(Dispute.id == dispute_id).with_for_update().execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such dispute.")
    return found


def live(session: Session, order_id: UUID, device_id: UUID) -> Dispute | None:
    """The dispute about this device of this order that is not closed."""
    return session.scalar(
        sa.select(Dispute).where(
            Dispute.order_id == order_id, Dispute.device_id == device_id, Dispute.state != DisputeState.CLOSED
        )
    )


def about_device(session: Session, device_id: UUID) -> Dispute | None:
    """The dispute about this device that is not closed, whatever order it is of."""
    return session.scalar(
        sa.select(Dispute).where(Dispute.device_id == device_id, Dispute.state != DisputeState.CLOSED).limit(1)
    )


def share_of(session: Session, order: Order, device_id: UUID) -> int:
    """What a device cost in this order, in minor units. Raises `NotFound` for a device that is not in it."""
    if order.listing_id is not None:
        if session.scalar(sa.select(Listing.device_id).where(Listing.id == order.listing_id)) != device_id:
            raise NotFound("This device is not in this order.")
        return order.amount_minor
    lines = session.execute(
        sa.select(LotLine.device_id, LotLine.snapshot["expected_value_minor"].as_integer())
        .where(
            LotLine.lot_id == order.lot_id,
            # What was in the lot when it was handed over; later ones came back from this buyer.
            sa.or_(LotLine.released_at.is_(None), LotLine.released_at >= order.handed_over_at),
        )
        .order_by(LotLine.position)
    ).all()
    parts = dict(
        zip((row[0] for row in lines), shares.shares(order.amount_minor, [row[1] for row in lines]), strict=True)
    )
    if device_id not in parts:
        raise NotFound("This device is not in this order.")
    return parts[device_id]


def refundable(session: Session, dispute: Dispute) -> int:
    """What may still be given back for the device of a dispute; its order is locked."""
    order = session.get_one(Order, dispute.order_id)
    rows = session.execute(
        sa.select(Dispute.device_id, Dispute.refund_minor).where(
            Dispute.order_id == dispute.order_id, Dispute.id != dispute.id
        )
    ).all()
    of_device = sum(row.refund_minor for row in rows if row.device_id == dispute.device_id)
    paid = order.amount_minor if order.paid_at is not None else 0
    return shares.refundable(paid, dispute.share_minor, [row.refund_minor for row in rows], of_device)


def open_one(
    session: Session,
    order: Order,
    *,
    device_id: UUID,
    reason: str,
    text: str,
    private: bool,
    by: UUID,
    now: datetime,
) -> Dispute:
    """Open a dispute about a device of a locked order that was handed over.

    `private` tells a consumer, who may withdraw, from a firm. A form that is sent twice opens one. Raises `Invalid`
    with the field, `Conflict` when it is too late.
    """
    if reason not in set(DisputeReason):
        raise Invalid("Choose what is wrong.", field="reason")
    kind = DisputeReason(reason)
    said = require_text(text, least=0 if kind is DisputeReason.WITHDRAWAL else 10)
    if kind is DisputeReason.WITHDRAWAL and (order.person_id is None or not private):
        raise Invalid("Only a private buyer withdraws without a reason. Say what is wrong.", field="reason")
    if order.handed_over_at is None or order.state not in (OrderState.HANDED_OVER, OrderState.SETTLED):
        raise Conflict("This order was not handed over, so there is nothing to dispute yet.")
    until = deadlines.dispute_until(order.handed_over_at)
    if now > until:
        raise Conflict(
            f"The {deadlines.DISPUTE_DAYS} days for this ended on {until.day} {until:%B %Y}. Write to our desk: your "
            "rights for defects that show later are not touched."
        )
    standing = live(session, order.id, device_id)
    if standing is not None:
        return standing
    dispute = Dispute(
        code=new_code(DISPUTE),
        order_id=order.id,
        device_id=device_id,
        centre_id=order.centre_id,
        reason=kind,
        state=DisputeState.OPEN,
        share_minor=share_of(session, order, device_id),
        currency=order.currency,
        opened_by=by,
        opened_at=now,
        refund_minor=0,
    )
    session.add(dispute)
    session.flush()
    note(session, dispute, DisputeStep.OPENED, said, by=by, now=now)
    return dispute


def answer(session: Session, dispute: Dispute, text: str, *, by: UUID, now: datetime) -> None:
    """The centre, the desk or the buyer says something to a locked dispute that is not decided yet."""
    if dispute.state not in (DisputeState.OPEN, DisputeState.ANSWERED):
        raise Conflict("This dispute is decided. Nothing was added.")
    said = require_text(text, least=3)
    last = session.execute(
        sa.select(DisputeEvent.by, DisputeEvent.text)
        .where(DisputeEvent.dispute_id == dispute.id)
        .order_by(DisputeEvent.seq.desc())
        .limit(1)
    ).one_or_none()
    if last is not None and (last.by, last.text) == (by, said):
        return  # The same form, sent twice.
    if by != dispute.opened_by:
        dispute.state = DisputeState.ANSWERED
    note(session, dispute, DisputeStep.ANSWERED, said, by=by, now=now)


def decide(
    session: Session,
    dispute: Dispute,
    outcome: DisputeOutcome,
    *,
    amount_minor: int | None,
    text: str,
    by: UUID | None,
    now: datetime,
) -> None:
    """Decide a locked dispute. `amount_minor` is for a partial refund; the others give back all or nothing.

    Raises `Invalid` for an amount that is more than may be given back.
    """
    if dispute.state not in (DisputeState.OPEN, DisputeState.ANSWERED):
        raise Conflict("This dispute was decided already. Nothing changed.")
    most = refundable(session, dispute)
    if outcome is DisputeOutcome.PARTIAL:
        if amount_minor is None or not 1 <= amount_minor <= most:
            raise Invalid(
                f"Give an amount above zero and up to {in_words(most, dispute.currency)}: more was not "
                "paid for this device, or was given back already.",
                field="amount",
            )
        dispute.refund_minor = amount_minor
    elif outcome is DisputeOutcome.REJECTED:
        dispute.refund_minor = 0
    else:
        if most < 1:
            raise Invalid("Nothing is left to give back for this device.", field="outcome")
        dispute.refund_minor = most
    dispute.outcome, dispute.decided_at, dispute.state = outcome, now, DisputeState.DECIDED
    if outcome is DisputeOutcome.RETURN:
        dispute.return_by = deadlines.return_until(now)
    note(session, dispute, DisputeStep.DECIDED, text, by=by, now=now)
    if outcome is DisputeOutcome.REJECTED:
        close(session, dispute, "", by=None, now=now)


def came_back(session: Session, device_id: UUID, *, by: UUID | None, now: datetime) -> Dispute | None:
    """The device of a dispute is at the centre again: what was decided to be refunded then is refunded by the worker.

    Returns the dispute; None when the device came back for another reason.
    """
    dispute = session.scalar(
        sa.select(Dispute)
        .where(
            Dispute.device_id == device_id,
            Dispute.state == DisputeState.DECIDED,
            Dispute.outcome == DisputeOutcome.RETURN,
            Dispute.returned_at.is_(None),
        )
        .with_for_update()
    )
    if dispute is None:
        return None
    dispute.returned_at = now
    note(session, dispute, DisputeStep.RETURNED, "", by=by, now=now)
    jobs.defer(session, jobs.REFUND_RETURNED, key=f"returned {dispute.id}", dispute=str(dispute.id))
    return dispute


def refunded(session: Session, dispute: Dispute, *, now: datetime) -> None:
    """The money of a locked dispute went back to its buyer: the dispute is closed."""
    if dispute.state is not DisputeState.CLOSED:
        note(session, dispute, DisputeStep.REFUNDED, "", by=None, now=now)
        close(session, dispute, "", by=None, now=now)


def close(session: Session, dispute: Dispute, text: str, *, by: UUID | None, now: datetime) -> None:
    """Nothing follows any more. What was to be refunded and was not is free again."""
    dispute.state, dispute.closed_at = DisputeState.CLOSED, now
    session.flush()
    if text:
        note(session, dispute, DisputeStep.CLOSED, text, by=by, now=now)


def note(session: Session, dispute: Dispute, step: DisputeStep, text: str, *, by: UUID | None, now: datetime) -> None:
    """Append what happened, and what was said with it."""
    session.flush()
    last = session.scalar(sa.select(sa.func.max(DisputeEvent.seq)).where(DisputeEvent.dispute_id == dispute.id))
    session.add(DisputeEvent(dispute_id=dispute.id, seq=(last or 0) + 1, step=step, by=by, text=text, at=now))
    session.flush()


def word(dispute: Dispute) -> str:
    """What it is called: a withdrawal needs no reason, so it is no dispute."""
    return "withdrawal" if dispute.reason is DisputeReason.WITHDRAWAL else "dispute"


def require_text(text: str, *, least: int, field: str = "text") -> str:
    """What somebody wrote, in bounds. Raises `Invalid`."""
    said = text.strip()
    if not least <= len(said) <= LONGEST_TEXT:
        raise Invalid(f"Write {least} to {LONGEST_TEXT:,} characters.", field=field)
    return said
