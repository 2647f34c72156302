"""Orders: what a buyer owes for a lot or a listing, until it is paid, handed over and settled."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core import clock, jobs
from ewaste.core.ids import ALPHABET, LISTING, ORDER, new_code, read_code
from ewaste.core.refusals import Conflict, NotFound
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device
from ewaste.market.models import Dispute, DisputeOutcome, Invoice, Listing, Lot, LotLine, Order, OrderState

PAY_WITHIN_BUSINESS_DAYS = 2
RESERVED_FOR = timedelta(minutes=30)
MOST_RESERVED = 3


def make_for_lot(session: Session, lot: Lot, *, buyer: UUID, amount_minor: int, now: datetime) -> Order:
    """What the winner of a lot owes: to be paid within two business days."""
    return _make(
        session,
        Order(
            lot_id=lot.id,
            organisation_id=buyer,
            centre_id=lot.centre_id,
            amount_minor=amount_minor,
            currency=lot.currency,
            pay_by=clock.add_business_days(now, PAY_WITHIN_BUSINESS_DAYS),
        ),
        now,
    )


def make_for_listing(session: Session, listing: Listing, *, buyer: UUID, centre_id: UUID, now: datetime) -> Order:
    """What the buyer of a listed device owes. The device is reserved for half an hour."""
    return _make(
        session,
        Order(
            listing_id=listing.id,
            person_id=buyer,
            centre_id=centre_id,
            amount_minor=listing.price_minor,
            currency=listing.currency,
            pay_by=now + RESERVED_FOR,
        ),
        now,
    )


def find(session: Session, text: str) -> Order:
    """The order with this code, not locked. Raises `NotFound`."""
    code = read_code(text, ORDER)
    order = session.scalar(sa.select(Order).where(Order.code == code)) if code else None
    if order is None:
        raise NotFound("There is no order with this code, or it is not yours to see.")
    return order


def by_id(session: Session, order_id: UUID) -> Order:
    """The order with this id, locked until the step ends. Raises `NotFound`."""
    order = session.scalar(
        sa.select(Order).where(Order.id == order_id).with_for_update().execution_options(populate_existing=True)
    )
    if order is None:
        raise NotFound("There is no such order.")
    return order


def by_collection_code(session: Session, centre_id: UUID | None, code: str) -> Order:
    """The order of this centre with this collection code, not locked. Raises `NotFound`."""
    bare = "".join(code.split()).upper()
    order = session.scalar(sa.select(Order).where(Order.centre_id == centre_id, Order.collection_code == bare))
    if order is None:
        raise NotFound("No order of your centre has this collection code. Ask the collector to show it again.")
    return order


def devices(session: Session, order: Order) -> list[UUID]:
    """The devices of an order, in the order of their ids."""
    if order.listing_id is not None:
        return list(session.scalars(sa.select(Listing.device_id).where(Listing.id == order.listing_id)))
    return sorted(
        session.scalars(
            sa.select(LotLine.device_id).where(LotLine.lot_id == order.lot_id, LotLine.released_at.is_(None))
        )
    )


def find_listing(session: Session, text: str) -> Listing:
    """The listing with this code; locked. Raises `NotFound`."""
    code = read_code(text, LISTING)
    listing = session.scalar(sa.select(Listing).where(Listing.code == code).with_for_update()) if code else None
    if listing is None:
        raise NotFound("There is no device for sale under this code.")
    return listing


def handed_over(session: Session, lot_id: UUID) -> Order | None:
    """The order under which a lot was handed over and not settled yet, locked; None when there is none."""
    return session.scalar(
        sa.select(Order)
        .where(Order.lot_id == lot_id, Order.state == OrderState.HANDED_OVER)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def settle_when_done(session: Session, order: Order, *, now: datetime) -> None:
    """Settle a locked order that was handed over, when the buyer has nothing left to report.

    A device whose whole price went back without it (it was never there) needs no report.
    """
    left = session.scalar(
        sa.select(sa.func.count())
        .select_from(LotLine)
        .join(Device, Device.id == LotLine.device_id)
        .where(
            LotLine.lot_id == order.lot_id,
            LotLine.released_at.is_(None),
            Device.state == State.DELIVERED,
            ~sa.exists().where(
                Dispute.order_id == order.id,
                Dispute.device_id == Device.id,
                Dispute.outcome == DisputeOutcome.REFUND,
            ),
        )
    )
    if not left and order.state is OrderState.HANDED_OVER:
        order.state, order.closed_at = OrderState.SETTLED, now
        session.flush()


def require_reservation(session: Session, buyer: UUID) -> None:
    """Refuse a buyer who holds as many unpaid devices as one account may. Two steps of one buyer wait for each other.

    Raises `Conflict`.
    """
    session.execute(sa.text("select pg_advisory_xact_lock(hashtextextended(:who, 0))"), {"who": f"buys {buyer}"})
    held = session.scalar(
        sa.select(sa.func.count())
        .select_from(Order)
        .where(Order.person_id == buyer, Order.listing_id.isnot(None), Order.state == OrderState.AWAITING_PAYMENT)
    )
    if (held or 0) >= MOST_RESERVED:
        raise Conflict(
            f"You hold {held} devices that are not paid yet, and one account may hold {MOST_RESERVED}. "
            "Pay one of them, or let it lapse, then come back."
        )


def mine_of_listing(session: Session, listing_id: UUID, buyer: UUID) -> Order | None:
    """The order that this buyer made for a listing and that did not come to nothing."""
    return session.scalar(
        sa.select(Order).where(
            Order.listing_id == listing_id,
            Order.person_id == buyer,
            Order.state.not_in([OrderState.DEFAULTED, OrderState.REFUNDED]),
        )
    )


def give_invoice_number(session: Session, order: Order, *, now: datetime) -> None:
    """Number the invoice of a paid order, once: the next number of this year, without gaps."""
    session.execute(sa.text("select pg_advisory_xact_lock(hashtextextended('invoice numbers', 0))"))
    if session.get(Invoice, order.id) is not None:
        return
    last = session.scalar(sa.select(sa.func.max(Invoice.number)).where(Invoice.year == now.year))
    session.add(Invoice(order_id=order.id, year=now.year, number=(last or 0) + 1, at=now))
    session.flush()


def expire_later(session: Session, order: Order) -> None:
    """Have the worker look at the end of the buyer's time whether the order was paid."""
    jobs.defer(session, jobs.EXPIRE_ORDER, at=order.pay_by, key=f"expire order {order.id}", order=str(order.id))


def is_over(order: Order) -> bool:
    """Whether nothing can happen to this order any more."""
    return order.state in (OrderState.SETTLED, OrderState.DEFAULTED, OrderState.REFUNDED)


def _make(session: Session, order: Order, now: datetime) -> Order:
    order.code, order.made_at, order.state = new_code(ORDER), now, OrderState.AWAITING_PAYMENT
    order.collection_code = "".join(secrets.choice(ALPHABET) for _ in range(8))
    session.add(order)
    session.flush()
    expire_later(session, order)
    return order
