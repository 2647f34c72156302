"""Offers: the quote again with what was found, as a diff; answered by the seller, or by the choice made beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core import clock, jobs
from ewaste.core.refusals import Conflict, NotFound
from ewaste.tradein import price_tables, pricing, quotes
from ewaste.tradein.models import Offer, OfferState, Quote, Silence

ANSWER_WITHIN = timedelta(days=14)
PAY_WITHIN_BUSINESS_DAYS = 5


def make(
    session: Session,
    quote: Quote,
    *,
    device_id: UUID,
    cycle: int,
    inspection_id: UUID,
    found: Mapping[str, Any],
    now: datetime,
) -> Offer:
    """Work the quote out again with the condition that was found: same formula, same table, same day."""
    declared = quotes.priced(session, quote)
    table = price_tables.find(session, quote.table_version)
    again = pricing.found(quote.inputs, pricing.Condition.from_json(found), table)
    stored = pricing.to_json(again)
    offer = Offer(
        device_id=device_id,
        cycle=cycle,
        quote_id=quote.id,
        inspection_id=inspection_id,
        inputs=stored["inputs"],
        lines=stored["lines"],
        differences=[asdict(difference) for difference in pricing.compare(declared, again, table)],
        amount_minor=again.amount_minor,
        currency=again.currency,
        rules_version=pricing.RULES_VERSION,
        table_version=table.version,
        made_at=now,
        answer_by=now + ANSWER_WITHIN,
    )
    session.add(offer)
    session.flush()
    expire_later(session, offer, at=offer.answer_by)
    return offer


def expire_later(session: Session, offer: Offer, *, at: datetime) -> None:
    """Have the worker look at that time whether the offer was answered."""
    jobs.defer(session, jobs.EXPIRE_OFFER, at=at, key=f"expire offer {offer.id}", offer=str(offer.id))


def pay_later(session: Session, offer: Offer, *, at: datetime) -> None:
    """Have the worker pay the seller at that time, if that was not done before."""
    jobs.defer(session, jobs.PAY_SELLER_AT_LATEST, at=at, key=f"pay seller {offer.device_id}", offer=str(offer.id))


def find(session: Session, offer_id: UUID) -> Offer:
    """The offer, locked until the step ends. Raises `NotFound`."""
    offer = session.scalar(
        sa.select(Offer).where(Offer.id == offer_id).with_for_update().execution_options(populate_existing=True)
    )
    if offer is None:
        raise NotFound("There is no such offer, or it is not yours to answer.")
    return offer


def for_device(session: Session, device_id: UUID) -> Offer | None:
    """The newest offer for a device."""
    return session.scalar(sa.select(Offer).where(Offer.device_id == device_id).order_by(Offer.cycle.desc()).limit(1))


def paid_for(session: Session, device_ids: Sequence[UUID]) -> int:
    """What we agreed to pay for these devices together, in minor units."""
    return int(
        session.scalar(
            sa.select(sa.func.coalesce(sa.func.sum(Offer.amount_minor), 0)).where(
                Offer.device_id.in_(device_ids), Offer.state == OfferState.CONFIRMED
            )
        )
        or 0
    )


def answer(session: Session, offer: Offer, state: OfferState, *, beforehand: bool = False, now: datetime) -> None:
    """Note the answer, once. A confirmed offer fixes the price and the day by which we pay.

    `beforehand` says that the seller chose this answer before sending the device. Raises `Conflict` when the offer was
    answered, or its time has run out.
    """
    if offer.state is not OfferState.OPEN:
        raise Conflict(f"This offer was {offer.state.value} already. Nothing changed.")
    if state is OfferState.CONFIRMED and offer.answer_by <= now and not beforehand:
        raise Conflict(
            f"This offer could be confirmed until {offer.answer_by:%d %B %Y}. The device is on its way back."
        )
    offer.state, offer.answered_at = state, now
    if state is OfferState.CONFIRMED:
        offer.pay_by = clock.add_business_days(now, PAY_WITHIN_BUSINESS_DAYS)
    session.flush()


def silence_confirms(quote: Quote, offer: Offer) -> bool:
    """Whether the seller's own choice, made before sending, takes this offer when it is not answered."""
    return quote.silence is Silence.FLOOR and quote.floor_minor is not None and offer.amount_minor >= quote.floor_minor
