"""Centres, their accreditations, stations, one-time codes, work orders, and the nonces of requests already seen.

Who accredits them, by which audit and by whose two signatures stands in `accrediting_models`.
"""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class Standing(enum.StrEnum):
    """Whether a centre may clear devices now."""

    APPLIED = "applied"
    ACCREDITED = "accredited"
    SUSPENDED = "suspended"
    WITHDRAWN = "withdrawn"


class Centre(Base):
    """A test centre's standing and scope. `did` is its name in credentials and never changes.

    `decision_id` is the decision of two people that the scope stands on, as the database checks; `suspended_for` is the
    accreditor whose people suspended it and so lift it. `fraud_since` is set when it was withdrawn for fraud.
    """

    __tablename__ = "centres"

    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"), primary_key=True)
    did: Mapped[str] = mapped_column(unique=True)
    standing: Mapped[Standing]
    methods: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text))
    media_kinds: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text))
    accredited_from: Mapped[datetime | None]
    accredited_until: Mapped[datetime | None]
    suspended_at: Mapped[datetime | None]
    suspension_reason: Mapped[str | None]
    accreditor_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("accreditors.id"))
    decision_id: Mapped[UUID | None]
    suspended_for: Mapped[UUID | None] = mapped_column(sa.ForeignKey("accreditors.id"))
    withdrawn_at: Mapped[datetime | None]
    withdrawal_reason: Mapped[str | None]
    fraud_since: Mapped[datetime | None]


class Accreditation(Base):
    """One accreditation credential as issued: scope, keys and dates at that time. Append-only; the newest counts."""

    __tablename__ = "accreditations"
    __table_args__ = (sa.Index("ix_accreditations_centre", "centre_id", "issued_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    credential_id: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(unique=True)
    document: Mapped[str]
    valid_from: Mapped[datetime]
    valid_until: Mapped[datetime]
    issued_at: Mapped[datetime]
    issued_because: Mapped[str]


class EnrolmentCode(Base):
    """A one-time code for enrolling a station; only its hash is kept.

    With `replaces_id` the station that uses it takes the place of that one, whose key ends at `retires_at`. A code that
    nobody used can be withdrawn; then it enrols nobody.
    """

    __tablename__ = "enrolment_codes"
    __table_args__ = (
        sa.CheckConstraint(
            "(withdrawn_at is null) = (withdrawn_by is null) and (withdrawn_at is null) = (withdrawn_name is null)"
            " and (withdrawn_at is null or used_at is null)",
            name="withdrawn",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    code_hash: Mapped[str] = mapped_column(sa.CHAR(64), unique=True)
    made_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    replaces_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("stations.id"))
    retires_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    withdrawn_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    withdrawn_name: Mapped[str | None]


class Station(Base):
    """A wipe station of a centre and its public key.

    Its key counts until `revoked_at`, or until `retires_at` where another took its place. `compromised_since`: from
    that moment on somebody else may have signed with it.
    """

    __tablename__ = "stations"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    name: Mapped[str]
    public_key: Mapped[str] = mapped_column(unique=True)
    verification_method: Mapped[str] = mapped_column(unique=True)
    enrolled_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[str | None]
    replaces_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("stations.id"))
    retires_at: Mapped[datetime | None]
    compromised_since: Mapped[datetime | None]


class WorkOrder(Base):
    """A signed work order for one device in one custody cycle. Its challenge is consumed by one certificate."""

    __tablename__ = "work_orders"
    __table_args__ = (
        sa.Index(
            "uq_work_orders_open",
            "device_id",
            unique=True,
            postgresql_where=sa.text("consumed_at is null and superseded_at is null"),
        ),
        sa.Index(
            "ix_work_orders_open_until",
            "device_id",
            "expires_at",
            postgresql_where=sa.text("consumed_at is null and superseded_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    credential_id: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(unique=True)
    challenge: Mapped[str] = mapped_column(unique=True)
    document: Mapped[str]
    issued_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    consumed_at: Mapped[datetime | None]
    superseded_at: Mapped[datetime | None]


class SeenNonce(Base):
    """A nonce of a signed request. It is refused a second time; rows older than the tolerance may be forgotten."""

    __tablename__ = "seen_nonces"

    station_id: Mapped[UUID] = mapped_column(sa.ForeignKey("stations.id"), primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]
