"""Quotes given, offers made, and the price tables that both stand on.

Quotes and offers keep what they were computed from, and no published table ever changes, so each can be replayed line
by line.
"""

from __future__ import annotations

import enum
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class Silence(enum.StrEnum):
    """What happens when a revised offer is not answered; chosen before the device is sent."""

    SEND_BACK = "send-back"
    FLOOR = "floor"


class OfferState(enum.StrEnum):
    """How an offer was answered."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    DECLINED = "declined"
    LAPSED = "lapsed"


class Quote(Base):
    """A price for a device as its owner describes it. `inputs` and the versions replay `lines` exactly."""

    __tablename__ = "quotes"
    __table_args__ = (sa.CheckConstraint("amount_minor >= 0", name="amount"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    model_code: Mapped[str]
    device_class: Mapped[str]
    brand: Mapped[str]
    model: Mapped[str]
    storage_gb: Mapped[int]
    inputs: Mapped[dict[str, Any]]
    lines: Mapped[list[Any]]
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    rules_version: Mapped[str]
    table_version: Mapped[str]
    created_at: Mapped[datetime]
    valid_until: Mapped[datetime]
    accepted_at: Mapped[datetime | None]
    device_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("devices.id"), unique=True)
    silence: Mapped[Silence | None]
    floor_minor: Mapped[int | None]


class ReturnAddress(Base):
    """Where a device goes that its seller does not sell after all. One a device; its seller may change it."""

    __tablename__ = "return_addresses"
    __table_args__ = (
        sa.CheckConstraint("length(street) between 1 and 120", name="street"),
        sa.CheckConstraint("length(postcode) between 1 and 20", name="postcode"),
        sa.CheckConstraint("length(city) between 1 and 80", name="city"),
    )

    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"), primary_key=True)
    street: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    country: Mapped[str] = mapped_column(sa.CHAR(2))
    given_at: Mapped[datetime]


class Offer(Base):
    """What we pay after inspection: the quote again, by the same formula, with what was found. One a cycle."""

    __tablename__ = "offers"
    __table_args__ = (
        sa.UniqueConstraint("device_id", "cycle"),
        sa.CheckConstraint("amount_minor >= 0", name="amount"),
        sa.CheckConstraint("(answered_at is null) = (state = 'open')", name="answered"),
        sa.Index("ix_offers_open", "device_id", postgresql_where=sa.text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    quote_id: Mapped[UUID] = mapped_column(sa.ForeignKey("quotes.id"))
    inspection_id: Mapped[UUID]
    inputs: Mapped[dict[str, Any]]
    lines: Mapped[list[Any]]
    differences: Mapped[list[Any]]
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    rules_version: Mapped[str]
    table_version: Mapped[str]
    state: Mapped[OfferState] = mapped_column(default=OfferState.OPEN)
    made_at: Mapped[datetime]
    answer_by: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    pay_by: Mapped[datetime | None]


class PublishedTable(Base):
    """One version of the price table. Append-only: a table that was decided on never changes, and none is deleted.

    It counts from `valid_from` on, once a second person has published it (`TableDecision`). The first one
    came with the program: nobody proposed it, and it needs no decision.
    """

    __tablename__ = "price_tables"
    __table_args__ = (
        sa.CheckConstraint("length(reason) between 3 and 500", name="reason"),
        sa.CheckConstraint("proposed_by is not null or number = 1", name="proposed"),
        sa.UniqueConstraint("version", "proposed_by"),
    )

    version: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(unique=True)
    based_on: Mapped[str | None] = mapped_column(sa.ForeignKey("price_tables.version"))
    content: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(sa.CHAR(64))
    valid_from: Mapped[date] = mapped_column(sa.Date)
    reason: Mapped[str]
    proposed_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    proposed_at: Mapped[datetime]


class TableDecision(Base):
    """What became of a proposed table: published, by somebody else than who proposed it, or withdrawn. Append-only."""

    __tablename__ = "price_table_decisions"
    __table_args__ = (
        sa.ForeignKeyConstraint(["version", "proposed_by"], ["price_tables.version", "price_tables.proposed_by"]),
        sa.CheckConstraint("not published or decided_by <> proposed_by", name="four_eyes"),
    )

    version: Mapped[str] = mapped_column(primary_key=True)
    proposed_by: Mapped[UUID]
    published: Mapped[bool]
    decided_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    at: Mapped[datetime]
