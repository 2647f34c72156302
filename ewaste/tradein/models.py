"""Quotes given and offers made. Both keep what they were computed from, so that each can be replayed line by line."""

from __future__ import annotations

import enum
from datetime import datetime
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


class Offer(Base):
    """What we pay after inspection: the quote again, by the same formula, with what was found. One a cycle."""

    __tablename__ = "offers"
    __table_args__ = (
        sa.UniqueConstraint("device_id", "cycle"),
        sa.CheckConstraint("amount_minor >= 0", name="amount"),
        sa.CheckConstraint("(answered_at is null) = (state = 'open')", name="answered"),
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
