"""Listings, lots with their lines and bids, the orders that come of them, and what follows a sale."""

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
    formed_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    # What lists need of the lines, written once when the lot is formed, so that a list reads no manifest.
    device_count: Mapped[int] = mapped_column(default=0, server_default="0")
    mass_g: Mapped[int | None]
    grades: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    classes: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    models: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")


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


class Watch(Base):
    """A person who wants to hear of a lot before it closes."""

    __tablename__ = "watches"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    lot_id: Mapped[UUID] = mapped_column(sa.ForeignKey("lots.id"), primary_key=True, index=True)
    at: Mapped[datetime]


class BuyerDefault(Base):
    """A firm that won a lot and did not pay it in time. Append-only."""

    __tablename__ = "buyer_defaults"

    order_id: Mapped[UUID] = mapped_column(sa.ForeignKey("orders.id"), primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    at: Mapped[datetime]


class SecondOfferState(enum.StrEnum):
    """Where the offer to a runner-up stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"


class SecondOffer(Base):
    """A lot whose winner did not pay, offered to the runner-up at their own highest bid. One a lot, ever."""

    __tablename__ = "second_offers"
    __table_args__ = (
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        sa.CheckConstraint("(state = 'accepted') = (order_id is not null)", name="order"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    lot_id: Mapped[UUID] = mapped_column(sa.ForeignKey("lots.id"), unique=True)
    defaulted_order_id: Mapped[UUID] = mapped_column(sa.ForeignKey("orders.id"))
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"), index=True)
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    state: Mapped[SecondOfferState] = mapped_column(default=SecondOfferState.OPEN)
    made_at: Mapped[datetime]
    answer_by: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    answered_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    because: Mapped[str | None]
    order_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("orders.id"))


class DisputeReason(enum.StrEnum):
    """Why a buyer is not content with a device."""

    NOT_AS_GRADED = "not-as-graded"
    DOES_NOT_WORK = "does-not-work"
    NOT_AS_DESCRIBED = "not-as-described"
    WITHDRAWAL = "withdrawal"


class DisputeState(enum.StrEnum):
    """Where a dispute stands. `decided` waits for the device, or for the money, on its way back."""

    OPEN = "open"
    ANSWERED = "answered"
    DECIDED = "decided"
    CLOSED = "closed"


class DisputeOutcome(enum.StrEnum):
    """What was decided."""

    REFUND = "refund"
    PARTIAL = "partial"
    REJECTED = "rejected"
    RETURN = "return"


class Dispute(Base):
    """A buyer's complaint about one device of an order, or the withdrawal from a purchase.

    `share_minor` is what the device cost in this order: no refund of it goes beyond that. The database holds the
    refunds of an order together below what was paid for it.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        sa.CheckConstraint("share_minor >= 0", name="share"),
        sa.CheckConstraint("refund_minor between 0 and share_minor", name="refund"),
        sa.CheckConstraint("(outcome is null) = (decided_at is null)", name="decided"),
        sa.CheckConstraint("state <> 'decided' or outcome is not null", name="outcome"),
        sa.CheckConstraint("outcome <> 'rejected' or refund_minor = 0", name="rejected"),
        sa.CheckConstraint("(state = 'closed') = (closed_at is not null)", name="closed"),
        sa.Index(
            "uq_disputes_live", "order_id", "device_id", unique=True, postgresql_where=sa.text("state <> 'closed'")
        ),
        sa.Index("ix_disputes_state", "state", "opened_at"),
        sa.Index("ix_disputes_centre", "centre_id", "state", "opened_at"),
        sa.Index("ix_disputes_order_id", "order_id"),
        sa.Index("ix_disputes_device_id", "device_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    order_id: Mapped[UUID] = mapped_column(sa.ForeignKey("orders.id"))
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    reason: Mapped[DisputeReason]
    state: Mapped[DisputeState] = mapped_column(default=DisputeState.OPEN)
    share_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    opened_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    opened_at: Mapped[datetime]
    outcome: Mapped[DisputeOutcome | None]
    refund_minor: Mapped[int] = mapped_column(default=0)
    decided_at: Mapped[datetime | None]
    return_by: Mapped[datetime | None]
    returned_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class DisputeStep(enum.StrEnum):
    """What happened in a dispute."""

    OPENED = "opened"
    ANSWERED = "answered"
    DECIDED = "decided"
    RETURNED = "returned"
    REFUNDED = "refunded"
    CLOSED = "closed"


class DisputeEvent(Base):
    """One step of a dispute and what was said with it. Append-only. `by` is empty for what happened by itself."""

    __tablename__ = "dispute_events"
    __table_args__ = (sa.UniqueConstraint("dispute_id", "seq"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    dispute_id: Mapped[UUID] = mapped_column(sa.ForeignKey("disputes.id"))
    seq: Mapped[int]
    step: Mapped[DisputeStep]
    by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    text: Mapped[str]
    at: Mapped[datetime]


class Invoice(Base):
    """The number of an order's invoice: given when it is paid, in sequence within a year. Append-only."""

    __tablename__ = "invoices"
    __table_args__ = (sa.UniqueConstraint("year", "number"),)

    order_id: Mapped[UUID] = mapped_column(sa.ForeignKey("orders.id"), primary_key=True)
    year: Mapped[int]
    number: Mapped[int]
    at: Mapped[datetime]
