"""Listings, lots with their lines and bids, and the orders that come of them."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class ListingState(enum.StrEnum):
    """Where a storefront listing stands."""

    OPEN = "open"
    SOLD = "sold"
    WITHDRAWN = "withdrawn"


class LotState(enum.StrEnum):
    """Where a lot stands."""

    OPEN = "open"
    SOLD = "sold"
    UNSOLD = "unsold"
    CANCELLED = "cancelled"


class OrderState(enum.StrEnum):
    """Where an order stands."""

    AWAITING_PAYMENT = "awaiting-payment"
    PAID = "paid"
    HANDED_OVER = "handed-over"
    SETTLED = "settled"
    DEFAULTED = "defaulted"
    REFUNDED = "refunded"


class Listing(Base):
    """One device in the storefront. The database admits it only while the device is listable."""

    __tablename__ = "listings"
    __table_args__ = (
        sa.CheckConstraint("price_minor > 0", name="price"),
        sa.Index("uq_listings_live", "device_id", unique=True, postgresql_where=sa.text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    price_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    snapshot: Mapped[dict[str, Any]]
    state: Mapped[ListingState] = mapped_column(default=ListingState.OPEN)
    listed_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_because: Mapped[str | None]


class Lot(Base):
    """An auction of graded devices, with the state of its bidding as `market.auctions` keeps it."""

    __tablename__ = "lots"
    __table_args__ = (
        sa.CheckConstraint("start_minor > 0 and reserve_minor >= 0", name="reserve"),
        sa.CheckConstraint("ends_at > opens_at", name="time"),
        sa.CheckConstraint("(leader_id is null) = (price_minor = 0)", name="leader"),
        sa.Index("ix_lots_state_ends", "state", "ends_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    way: Mapped[str]
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    start_minor: Mapped[int]
    reserve_minor: Mapped[int]
    opens_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    state: Mapped[LotState] = mapped_column(default=LotState.OPEN)
    next_seq: Mapped[int] = mapped_column(default=1)
    price_minor: Mapped[int] = mapped_column(default=0)
    leader_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.id"))
    leader_max_minor: Mapped[int] = mapped_column(default=0)
    second_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.id"))
    second_max_minor: Mapped[int] = mapped_column(default=0)
    formed_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    closed_at: Mapped[datetime | None]


class LotLine(Base):
    """One device of a lot and what the manifest said of it. `released_at` ends the device's tie to the lot."""

    __tablename__ = "lot_lines"
    __table_args__ = (
        sa.UniqueConstraint("lot_id", "position"),
        sa.Index("uq_lot_lines_live", "device_id", unique=True, postgresql_where=sa.text("released_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lot_id: Mapped[UUID] = mapped_column(sa.ForeignKey("lots.id"))
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    position: Mapped[int]
    snapshot: Mapped[dict[str, Any]]
    released_at: Mapped[datetime | None]
    released_because: Mapped[str | None]


class Bid(Base):
    """An acknowledged bid. Append-only; `seq` counts without gaps in each lot.

    `price_minor`, `leading` and `ends_at` are how the lot stood right after it: what the bidder was told.
    """

    __tablename__ = "bids"
    __table_args__ = (
        sa.UniqueConstraint("lot_id", "seq"),
        sa.UniqueConstraint("lot_id", "bidder_id", "key"),
        sa.CheckConstraint("max_minor > 0", name="max"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lot_id: Mapped[UUID] = mapped_column(sa.ForeignKey("lots.id"))
    seq: Mapped[int]
    bidder_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    key: Mapped[str]
    max_minor: Mapped[int]
    price_minor: Mapped[int]
    leading: Mapped[bool]
    ends_at: Mapped[datetime]
    at: Mapped[datetime]


class Order(Base):
    """What a buyer owes for a lot or a listing, and how far it has come."""

    __tablename__ = "orders"
    __table_args__ = (
        sa.CheckConstraint("(lot_id is null) <> (listing_id is null)", name="one_thing"),
        sa.CheckConstraint("(organisation_id is null) <> (person_id is null)", name="one_buyer"),
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        sa.Index(
            "uq_orders_lot_live",
            "lot_id",
            unique=True,
            postgresql_where=sa.text("lot_id is not null and state not in ('defaulted', 'refunded')"),
        ),
        sa.Index(
            "uq_orders_listing_live",
            "listing_id",
            unique=True,
            postgresql_where=sa.text("listing_id is not null and state not in ('defaulted', 'refunded')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    lot_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("lots.id"))
    listing_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("listings.id"))
    organisation_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.id"))
    person_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    state: Mapped[OrderState] = mapped_column(default=OrderState.AWAITING_PAYMENT)
    collection_code: Mapped[str]
    made_at: Mapped[datetime]
    pay_by: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    handed_over_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
