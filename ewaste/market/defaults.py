"""Buyers who do not pay: what is kept of it, and the lot's one offer to the runner-up.

Every second default of a firm ends its bidding until the desk has spoken with it and verifies it anew; so after it
was lifted, two more are needed.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation, OrganisationState
from ewaste.core import jobs
from ewaste.core.refusals import NotFound
from ewaste.market import auctions, bidders, deadlines, lots
from ewaste.market.models import BuyerDefault, Lot, LotLine, Order, SecondOffer, SecondOfferState

SUSPENDED_AT_EVERY = 2


def record(session: Session, order: Order, *, now: datetime) -> bool:
    """Keep that the firm did not pay this order, once. Returns whether that suspended it from bidding."""
    if order.organisation_id is None:
        return False
    firm = session.scalar(
        sa.select(Organisation)
        .where(Organisation.id == order.organisation_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    new = session.scalar(
        insert(BuyerDefault)
        .values(order_id=order.id, organisation_id=order.organisation_id, at=now)
        .on_conflict_do_nothing()
        .returning(BuyerDefault.order_id)
    )
    if new is None or firm is None or firm.state is not OrganisationState.VERIFIED:
        return False
    if count(session, firm.id) % SUSPENDED_AT_EVERY:
        return False
    firm.state = OrganisationState.SUSPENDED
    session.flush()
    return True


def count(session: Session, firm_id: UUID) -> int:
    """How many lots a firm won and did not pay."""
    return int(
        session.scalar(
            sa.select(sa.func.count()).select_from(BuyerDefault).where(BuyerDefault.organisation_id == firm_id)
        )
        or 0
    )


def runner_up(session: Session, lot: Lot, defaulted: Order) -> auctions.Sale | None:
    """Who is asked when the winner of a locked lot did not pay, and for how much; None when nobody is.

    A lot is offered once. Whoever may not bid on it now is not asked either, nor a firm of the defaulter's own group,
    which could otherwise have the lot for less by not paying.
    """
    second = auctions.runner_up(lots.book_of(lot))
    if second is None or UUID(second.bidder) == defaulted.organisation_id:
        return None
    if session.scalar(sa.select(SecondOffer.id).where(SecondOffer.lot_id == lot.id)) is not None:
        return None
    firm = session.get_one(Organisation, UUID(second.bidder))
    centre = session.get_one(Organisation, lot.centre_id)
    if bidders.may_not_bid(firm, lot, centre.group_name) is not None:
        return None
    other = session.get(Organisation, defaulted.organisation_id)
    if other is not None and firm.group_name is not None and firm.group_name == other.group_name:
        return None
    return second


def offer(session: Session, lot: Lot, defaulted: Order, second: auctions.Sale, *, now: datetime) -> SecondOffer:
    """Offer a locked lot to its runner-up. The worker ends it when nobody answers in time."""
    made = SecondOffer(
        lot_id=lot.id,
        defaulted_order_id=defaulted.id,
        organisation_id=UUID(second.bidder),
        amount_minor=second.price_minor,
        currency=lot.currency,
        made_at=now,
        answer_by=now + deadlines.SECOND_OFFER,
    )
    session.add(made)
    session.flush()
    jobs.defer(session, jobs.LAPSE_SECOND_OFFER, at=made.answer_by, key=f"lapse {made.id}", offer=str(made.id))
    return made


def find(session: Session, lot_id: UUID) -> SecondOffer:
    """The second offer of a lot; locked. Raises `NotFound`."""
    found = session.scalar(
        sa.select(SecondOffer)
        .where(SecondOffer.lot_id == lot_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no second offer for this lot, or it is not yours to answer.")
    return found


def answer(
    session: Session,
    offer: SecondOffer,
    state: SecondOfferState,
    *,
    by: UUID | None,
    because: str | None,
    order_id: UUID | None,
    now: datetime,
) -> None:
    """Note how a locked offer ended."""
    offer.state, offer.answered_by, offer.answered_at, offer.because, offer.order_id = state, by, now, because, order_id
    session.flush()


def is_whole(session: Session, lot: Lot) -> bool:
    """Whether no device left the lot since its auction closed."""
    gone = sa.exists().where(LotLine.lot_id == lot.id, LotLine.released_at >= lot.closed_at)
    return not session.scalar(sa.select(gone))
