"""The list of lots: filters, orders, the reader's own standing, and which filter to loosen when nothing fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Role
from ewaste.accounts.policy import Action
from ewaste.core.money import Money
from ewaste.market.models import Bid, Lot, LotState, Watch
from ewaste.views import market, shapes

STATES = ("open", "running", "coming", "closed")
SORTS = ("closing", "newest", "each", "mass")
WITHIN_HOURS = (6, 24, 72)


@dataclass(frozen=True)
class Filters(shapes.Choices):
    """What a reader chose; empty or 0 means everything. `price_to` is in euros."""

    state: str = "open"
    way: str = ""
    device_class: str = ""
    centre: str = ""
    country: str = ""
    within: int = 0
    price_to: int = 0
    q: str = ""
    sort: str = "closing"


# The order and the state are chosen, not filtered by: they never stand in the way of a result alone.
NARROWING = ("q", "way", "device_class", "centre", "country", "within", "price_to")


def lot_list(
    session: Session, actor: Actor, filters: Filters, *, page: int, now: datetime
) -> tuple[list[dict[str, Any]], int]:
    """The cards of a page, each with the reader's own standing, and how many lots there are."""
    query = _fitting(filters, now)
    total = shapes.count(session, query)
    chosen = session.scalars(
        query.order_by(*_order(filters)).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    return with_standing(session, actor, market.lot_cards(session, chosen, now=now)), total


def loosen(session: Session, filters: Filters, *, now: datetime) -> list[tuple[str, int]]:
    """For an empty list: each filter with how many lots there are without it alone, most first. One statement."""
    chosen = [name for name in NARROWING if name in filters.chosen()]
    if not chosen:
        return []
    counts = session.execute(
        sa.select(
            *(
                sa.select(sa.func.count())
                .select_from(_fitting(filters.without(name), now).subquery())
                .scalar_subquery()
                .label(name)
                for name in chosen
            )
        )
    ).one()
    return sorted(
        ((name, int(getattr(counts, name))) for name in chosen if getattr(counts, name)), key=lambda each: -each[1]
    )


def centres(session: Session) -> list[dict[str, Any]]:
    """The centres that have lots: code, name, city, country. One statement."""
    rows = session.execute(
        sa.select(Organisation.code, Organisation.name, Organisation.city, Organisation.country)
        .where(sa.exists().where(Lot.centre_id == Organisation.id))
        .order_by(Organisation.city, Organisation.name)
        .limit(200)
    )
    return [row._asdict() for row in rows]


def watch_list(session: Session, actor: Actor, *, page: int, now: datetime) -> tuple[list[dict[str, Any]], int]:
    """The lots that this person watches, those that close first in front, and how many there are."""
    policy.require(actor, Action.WATCH_LOT)
    query = sa.select(Lot).join(Watch, Watch.lot_id == Lot.id).where(Watch.person_id == actor.id)
    total = shapes.count(session, query)
    over = sa.or_(Lot.state != LotState.OPEN, Lot.ends_at <= now)
    chosen = session.scalars(
        query.order_by(over, Lot.ends_at, Lot.id).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    return with_standing(session, actor, market.lot_cards(session, chosen, now=now)), total


def with_standing(session: Session, actor: Actor, cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The cards, each with how the reader stands: leading, outbid, watching or nothing. Two statements at most."""
    if not cards or actor.role is not Role.RECYCLER or actor.organisation_id is None:
        return cards
    ids = [card["id"] for card in cards]
    bids = {
        row.lot_id: row
        for row in session.execute(
            sa.select(
                Bid.lot_id,
                sa.func.max(Bid.max_minor).label("most"),
                (Lot.leader_id == actor.organisation_id).label("leads"),
            )
            .join(Lot, Lot.id == Bid.lot_id)
            .where(Bid.lot_id.in_(ids), Bid.bidder_id == actor.organisation_id)
            .group_by(Bid.lot_id, Lot.leader_id)
        )
    }
    watched = set(session.scalars(sa.select(Watch.lot_id).where(Watch.person_id == actor.id, Watch.lot_id.in_(ids))))
    for card in cards:
        mine = bids.get(card["id"])
        card["watched"] = card["id"] in watched
        card["my_maximum"] = Money(mine.most, card["price"].currency) if mine else None
        card["standing"] = ("leading" if mine.leads else "outbid") if mine else "watching" if card["watched"] else None
    return cards


def _fitting(filters: Filters, now: datetime) -> sa.Select[Lot]:
    return sa.select(Lot).where(*_state(filters.state, now), *_narrowed(filters, now))


def _state(state: str, now: datetime) -> Iterable[sa.ColumnElement[bool]]:
    if state == "closed":
        return [sa.or_(Lot.state != LotState.OPEN, Lot.ends_at <= now)]
    conditions: list[sa.ColumnElement[bool]] = [Lot.state == LotState.OPEN, Lot.ends_at > now]
    if state == "running":
        conditions.append(Lot.opens_at <= now)
    elif state == "coming":
        conditions.append(Lot.opens_at > now)
    return conditions


def _narrowed(filters: Filters, now: datetime) -> Iterable[sa.ColumnElement[bool]]:
    if filters.way:
        yield Lot.way == f"for_{filters.way}"
    if filters.device_class:
        yield Lot.classes.has_key(filters.device_class)
    if filters.centre:
        yield Lot.centre_id.in_(sa.select(Organisation.id).where(Organisation.code == filters.centre))
    if filters.country:
        yield Lot.centre_id.in_(sa.select(Organisation.id).where(Organisation.country == filters.country))
    if filters.within:
        yield Lot.ends_at <= now + timedelta(hours=filters.within)
    if filters.price_to:
        yield sa.case((Lot.price_minor > 0, Lot.price_minor), else_=Lot.start_minor) <= filters.price_to * 100
    for word in filters.q.split()[:8]:
        pattern = shapes.like(word)
        yield sa.or_(sa.cast(Lot.models, sa.Text).ilike(pattern, escape="\\"), Lot.title.ilike(pattern, escape="\\"))


def _order(filters: Filters) -> Iterable[Any]:
    price = sa.case((Lot.price_minor > 0, Lot.price_minor), else_=Lot.start_minor)
    if filters.sort == "newest":
        return [Lot.opens_at.desc(), Lot.id]
    if filters.sort == "each":
        return [price / sa.func.greatest(Lot.device_count, 1), Lot.id]
    if filters.sort == "mass":
        return [Lot.mass_g.desc().nulls_last(), Lot.id]
    return [Lot.ends_at.desc() if filters.state == "closed" else Lot.ends_at, Lot.id]
