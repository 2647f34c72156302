"""What a recycler sees of its own: the lots it bids on, those it won with what became of each device, those it lost."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor
from ewaste.accounts.policy import Action
from ewaste.core.ids import LOT, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device
from ewaste.market.models import Bid, Lot, LotLine, LotState, Order, SecondOffer, SecondOfferState
from ewaste.market.orders import is_over
from ewaste.processing.models import Outcome, OutcomeReport
from ewaste.processing.outcomes import FRACTIONS
from ewaste.views import disputes, market, shapes

NOBODYS = "You have won no lot with this code."


def my_lots(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """The lots of the actor's firm: won (what to pay or report first), bidding, lost; a page of each at most."""
    policy.require(actor, Action.BID, organisation=actor.organisation_id)
    firm = actor.organisation_id
    orders = session.scalars(
        sa.select(Order)
        .where(Order.organisation_id == firm, Order.lot_id.isnot(None))
        .order_by(Order.closed_at.isnot(None), Order.made_at.desc())
        .limit(shapes.PAGE_SIZE)
    ).all()
    mine = (
        sa.select(Bid.lot_id, sa.func.max(Bid.max_minor).label("most"))
        .where(Bid.bidder_id == firm)
        .group_by(Bid.lot_id)
        .subquery()
    )
    bids = sa.select(Lot, mine.c.most).join(mine, mine.c.lot_id == Lot.id).limit(shapes.PAGE_SIZE)
    bidding = session.execute(bids.where(Lot.state == LotState.OPEN).order_by(Lot.ends_at)).all()
    ended = session.execute(
        bids.where(
            Lot.state != LotState.OPEN,
            ~sa.exists().where(Order.lot_id == Lot.id, Order.organisation_id == firm),
        ).order_by(Lot.ends_at.desc())
    ).all()
    won = session.scalars(sa.select(Lot).where(Lot.id.in_([order.lot_id for order in orders]))).all()
    shown = [*won, *(row[0] for row in bidding), *(row[0] for row in ended)]
    cards = {card["id"]: card for card in market.lot_cards(session, shown, now=now)}
    reported = _reported(session, [order.lot_id for order in orders if order.lot_id])
    return {
        "offered": _second_offers(session, firm, now),
        "won": [
            cards[order.lot_id]
            | {
                "price": Money(order.amount_minor, order.currency),
                "order_code": order.code,
                "order_state": market.ORDER_WORDS[order.state],
                "pay_by": order.pay_by,
                "reported": reported.get(order.lot_id, 0) if order.lot_id else 0,
            }
            for order in orders
        ],
        "bidding": [
            cards[lot.id] | {"my_maximum": Money(most, lot.currency), "leading": lot.leader_id == firm}
            for lot, most in bidding
        ],
        "lost": [cards[lot.id] | {"my_maximum": Money(most, lot.currency)} for lot, most in ended],
    }


def my_lot(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """A lot that the actor's firm won: its order, and each device with the mass that the centre weighed and its end.

    Raises `NotFound` for a lot that somebody else won, or nobody.
    """
    lot, order = _won(session, actor, code)
    return {
        "lot": market.lot_cards(session, [lot], now=now)[0],
        "order": market.order(session, order, actor=actor),
        "after": disputes.of_order(session, actor, order, now=now),
        "devices": [
            {
                "code": device.code,
                "title": snapshot["title"],
                "device_class": device.device_class.value,
                "mass_g": snapshot["mass_g"],
                "state": device.state.value,
                "way": lot.way.removeprefix("for_"),
                "outcome": _outcome(report),
            }
            for snapshot, device, report in session.execute(_lines(lot, order, actor))
        ],
        "fractions": [
            {"name": name, "label": label, "hint": hint or None} for name, (label, hint) in FRACTIONS.items()
        ],
    }


def _won(session: Session, actor: Actor, code: str) -> tuple[Lot, Order]:
    policy.require(actor, Action.SEE_ORDER, organisation=actor.organisation_id, owner=actor.id)
    bare = read_code(code, LOT)
    row = session.execute(
        sa.select(Lot, Order)
        .join(Order, Order.lot_id == Lot.id)
        .where(Lot.code == bare, Order.organisation_id == actor.organisation_id)
        .order_by(Order.made_at.desc())
        .limit(1)
    ).one_or_none()
    if row is None or actor.organisation_id is None:
        raise NotFound(NOBODYS)
    return row[0], row[1]


def _lines(lot: Lot, order: Order, actor: Actor) -> sa.Select[Any]:
    lines = (
        sa.select(LotLine.snapshot, Device, OutcomeReport)
        .join(Device, Device.id == LotLine.device_id)
        .outerjoin(
            OutcomeReport,
            sa.and_(
                OutcomeReport.device_id == Device.id,
                OutcomeReport.cycle == Device.cycle,
                OutcomeReport.organisation_id == actor.organisation_id,
            ),
        )
        .where(LotLine.lot_id == lot.id)
        .order_by(LotLine.position)
    )
    if not is_over(order):  # The devices of an order that came to nothing are untied, and still belong to its story.
        lines = lines.where(LotLine.released_at.is_(None))
    return lines


def _second_offers(session: Session, firm: UUID | None, now: datetime) -> list[dict[str, Any]]:
    """The lots that this firm may have because their winner did not pay."""
    rows = session.execute(
        sa.select(SecondOffer, Lot.code, Lot.title, Lot.device_count)
        .join(Lot, Lot.id == SecondOffer.lot_id)
        .where(
            SecondOffer.organisation_id == firm,
            SecondOffer.state == SecondOfferState.OPEN,
            SecondOffer.answer_by > now,
        )
        .order_by(SecondOffer.answer_by)
        .limit(shapes.PAGE_SIZE)
    )
    return [
        {
            "code": code,
            "title": title,
            "devices": devices,
            "amount": Money(offer.amount_minor, offer.currency),
            "answer_by": offer.answer_by,
        }
        for offer, code, title, devices in rows
    ]


def results(session: Session, actor: Actor, code: str) -> tuple[Lot, list[dict[str, Any]]]:
    """A lot that the actor's firm won and what became of each device, for the file. Raises `NotFound`."""
    lot, order = _won(session, actor, code)
    rows = session.execute(_lines(lot, order, actor))
    return lot, [
        {
            "code": device.code,
            "title": snapshot["title"],
            "device_class": device.device_class.value,
            "grade_cosmetic": snapshot.get("grade_cosmetic"),
            "grade_function": snapshot.get("grade_function"),
            "mass_in_g": snapshot.get("mass_g"),
            "state": device.state.value,
            "outcome": report.outcome.value if report else None,
            "reported_at": f"{report.at:%Y-%m-%dT%H:%M:%SZ}" if report else None,
            "mass_out_g": _mass_out(report) if report else None,
            **{f"{name}_g": (report.fractions.get(name) if report else None) for name in FRACTIONS},
            "remark": report.remark if report else None,
        }
        for snapshot, device, report in rows
    ]


def _mass_out(report: OutcomeReport) -> int:
    """What came out. A device that was remade lives on whole, whatever was weighed."""
    return report.mass_in_g if report.outcome is Outcome.REMADE else report.mass_out_g


def _outcome(report: OutcomeReport | None) -> dict[str, Any] | None:
    if report is None:
        return None
    return {
        "kind": report.outcome.value,
        "at": report.at,
        "fractions": shapes.grams(report.fractions, FRACTIONS),
        "note": report.remark or None,
    }


def _reported(session: Session, lot_ids: list[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        sa.select(LotLine.lot_id, sa.func.count())
        .join(OutcomeReport, OutcomeReport.device_id == LotLine.device_id)
        .where(LotLine.lot_id.in_(lot_ids), LotLine.released_at.is_(None))
        .group_by(LotLine.lot_id)
    )
    return {lot_id: int(number) for lot_id, number in rows}
