"""The double-entry ledger, payment instructions as an outbox, payees, and the provider's events."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class Posting(Base):
    """One business event in the ledger. `key` makes it happen once. Append-only."""

    __tablename__ = "postings"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    subject_id: Mapped[UUID | None]
    at: Mapped[datetime] = mapped_column(index=True)


class Entry(Base):
    """One side of a posting: debit positive, credit negative. The entries of a posting sum to zero in each currency."""

    __tablename__ = "entries"
    __table_args__ = (
        sa.CheckConstraint("amount_minor <> 0", name="amount"),
        sa.Index("ix_entries_account", "account", "currency"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    posting_id: Mapped[UUID] = mapped_column(sa.ForeignKey("postings.id"), index=True)
    account: Mapped[str]
    party_id: Mapped[UUID | None]
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))


class InstructionKind(enum.StrEnum):
    """What the provider is asked to do."""

    COLLECT = "collect"
    PAY_OUT = "pay-out"
    REFUND = "refund"


class InstructionState(enum.StrEnum):
    """How far an instruction has come."""

    WRITTEN = "written"
    SENT = "sent"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PaymentInstruction(Base):
    """What the provider is to do, written down before it is asked. Its id is the idempotency key, for ever."""

    __tablename__ = "payment_instructions"
    __table_args__ = (
        sa.CheckConstraint("amount_minor > 0", name="amount"),
        sa.Index(
            "uq_payment_instructions_once",
            "kind",
            "subject_id",
            unique=True,
            postgresql_where=sa.text("state <> 'failed'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[InstructionKind]
    subject_id: Mapped[UUID] = mapped_column(index=True)
    party_id: Mapped[UUID]
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(sa.CHAR(3))
    description: Mapped[str]
    state: Mapped[InstructionState] = mapped_column(default=InstructionState.WRITTEN)
    of_reference: Mapped[str | None]
    provider_reference: Mapped[str | None] = mapped_column(index=True)
    practice: Mapped[bool]
    attempts: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None]
    written_at: Mapped[datetime]
    # Whose step wrote it: a person or the worker. Empty for what was written before this was kept.
    written_by: Mapped[UUID | None]
    written_name: Mapped[str | None]
    sent_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]


class Payee(Base):
    """The provider's account of a person we pay."""

    __tablename__ = "payees"

    party_id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str] = mapped_column(unique=True)
    practice: Mapped[bool]
    opened_at: Mapped[datetime]


class GatewayEventRow(Base):
    """An event the provider told us of. Its unique id is stored with its effect, so it acts once."""

    __tablename__ = "gateway_events"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    object_reference: Mapped[str]
    instruction_id: Mapped[UUID | None]
    received_at: Mapped[datetime]
    applied_at: Mapped[datetime | None]
    effect: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
