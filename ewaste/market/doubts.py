"""Who bought a device whose certificate came into doubt, and what they are told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import firms
from ewaste.accounts.models import Person
from ewaste.core import mail
from ewaste.devices.models import Device
from ewaste.market.models import Listing, LotLine, Order, OrderState

# Orders by which a device is the buyer's, or will be.
BOUGHT = (OrderState.AWAITING_PAYMENT, OrderState.PAID, OrderState.HANDED_OVER, OrderState.SETTLED)

SUBJECT = "The certificate of something you bought is looked at again"
IN_DOUBT = (
    "{why}\n\nIt is about: {devices}, of your order {order}. Do not pass it on until we have looked; we write to you "
    "again when two of our people have. If you want to give it back, answer this message."
)
REVOKED_SUBJECT = "The certificate of something you bought was revoked"
REVOKED = (
    "The certificate of {devices}, of your order {order}, was revoked: {why}\n\nIt may still hold somebody’s data. "
    "Do not use it and do not pass it on. Answer this message, and we take it back and pay you what you paid."
)
STANDS_SUBJECT = "The certificate of something you bought stands"
STANDS = (
    "Two of our people looked at the certificate of {devices}, of your order {order}. It stands: {why}\n\n"
    "There is nothing more for you to do."
)


def tell_buyers(
    session: Session, device_ids: Sequence[UUID], *, subject: str, text: str, key: str, now: datetime
) -> int:
    """Write to whoever bought these devices, one message for each order and person.

    `text` may name `{devices}` and `{order}`; `key` tells the occasion. Returns how many messages are new.
    """
    if not device_ids:
        return 0
    in_lots = (
        sa.select(Order, Device)
        .join(LotLine, LotLine.lot_id == Order.lot_id)
        .join(Device, Device.id == LotLine.device_id)
        .where(LotLine.device_id.in_(list(device_ids)), LotLine.released_at.is_(None))
    )
    in_shop = (
        sa.select(Order, Device)
        .join(Listing, Listing.id == Order.listing_id)
        .join(Device, Device.id == Listing.device_id)
        .where(Listing.device_id.in_(list(device_ids)))
    )
    bought: dict[UUID, tuple[Order, list[Device]]] = {}
    for query in (in_lots, in_shop):
        for order, device in session.execute(query.where(Order.state.in_(BOUGHT)).order_by(Order.id, Device.code)):
            bought.setdefault(order.id, (order, []))[1].append(device)
    new = 0
    for order, devices in bought.values():
        named = ", ".join(f"{device.brand} {device.model} ({device.code})" for device in devices[:20])
        more = f" and {len(devices) - 20} more" if len(devices) > 20 else ""
        for person in _buyers(session, order):
            new += mail.write(
                session,
                to=person.email,
                name=person.name,
                subject=subject,
                text=text.replace("{devices}", named + more).replace("{order}", order.code),
                key=f"{key} {order.id} {person.id}",
                now=now,
            )
    return new


def _buyers(session: Session, order: Order) -> list[Person]:
    if order.organisation_id is not None:
        return firms.owners(session, order.organisation_id)
    buyer = session.get(Person, order.person_id)
    return [buyer] if buyer is not None and buyer.closed_at is None else []
