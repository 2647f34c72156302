"""Orders as the desk sees them: every one by its state, and one with its buyer, its payments and its disputes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Person
from ewaste.accounts.policy import Action
from ewaste.core.ids import ORDER, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device
from ewaste.market.models import Dispute, Listing, Lot, Order, OrderState
from ewaste.payments.models import PaymentInstruction
from ewaste.views import books, disputes, market, shapes


def order_list(session: Session, actor: Actor, *, state: str | None, page: int) -> dict[str, Any]:
    """Orders, the newest first, of one state or all."""
    policy.require(actor, Action.SEE_DESK)
    counts = {
        row[0]: int(row[1])
        for row in session.execute(sa.select(Order.state, sa.func.count()).group_by(Order.state)).all()
    }
    chosen = OrderState(state) if state in set(OrderState) else None
    query = (
        sa.select(
            Order,
            sa.func.coalesce(Lot.title, Listing.snapshot["title"].as_string()).label("title"),
            sa.func.coalesce(Organisation.name, Person.name).label("buyer"),
        )
        .outerjoin(Lot, Lot.id == Order.lot_id)
        .outerjoin(Listing, Listing.id == Order.listing_id)
        .outerjoin(Organisation, Organisation.id == Order.organisation_id)
        .outerjoin(Person, Person.id == Order.person_id)
    )
    if chosen is not None:
        query = query.where(Order.state == chosen)
    rows = session.execute(
        query.order_by(Order.made_at.desc(), Order.id).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    )
    return {
        "orders": [
            {
                "code": found.code,
                "title": title,
                "buyer": buyer,
                "total": Money(found.amount_minor, found.currency),
                "state": market.ORDER_WORDS[found.state],
                "made_at": found.made_at,
                "pay_by": found.pay_by,
                "kind": "lot" if found.lot_id else "listing",
            }
            for found, title, buyer in rows
        ],
        "states": [
            {"state": member.value, "label": member.value.replace("-", " ").capitalize(), "count": counts[member]}
            for member in OrderState
            if counts.get(member)
        ],
        "state": chosen.value if chosen else None,
        "total": counts.get(chosen, 0) if chosen else sum(counts.values()),
    }


def order(session: Session, actor: Actor, code: str) -> dict[str, Any]:
    """An order as the desk sees it: what it comes to, its buyer, its disputes, every payment, and what may be done."""
    policy.require(actor, Action.SEE_DESK)
    bare = read_code(code, ORDER)
    found = session.scalar(sa.select(Order).where(Order.code == bare)) if bare else None
    if found is None:
        raise NotFound("There is no order with this code.")
    buyer = session.execute(
        sa.select(Organisation.name, sa.null().label("email")).where(Organisation.id == found.organisation_id)
        if found.organisation_id
        else sa.select(Person.name, Person.email).where(Person.id == found.person_id)
    ).one()
    opened = session.execute(
        sa.select(Dispute, Device)
        .join(Device, Device.id == Dispute.device_id)
        .where(Dispute.order_id == found.id)
        .order_by(Dispute.opened_at, Dispute.id)
    ).all()
    payments = session.scalars(
        sa.select(PaymentInstruction)
        .where(PaymentInstruction.subject_id.in_([found.id, *(dispute.id for dispute, _ in opened)]))
        .order_by(PaymentInstruction.written_at, PaymentInstruction.id)
    )
    return {
        "order": market.order(session, found, actor=actor),
        "disputes": [disputes.told(dispute, device) for dispute, device in opened],
        "buyer": {"name": buyer.name, "email": buyer.email},
        "payments": [books.payment(row) for row in payments],
        "may": {"refund"} if found.state is OrderState.PAID and policy.allows(actor, Action.REFUND_ORDER) else set(),
    }
