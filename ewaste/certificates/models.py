"""Accepted certificates, their lines, refused ones, revocations, and clearances. All but clearances are append-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class Certificate(Base):
    """A certificate that verified when it came, with the whole bundle (file name → text)."""

    __tablename__ = "certificates"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    credential_id: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str] = mapped_column(unique=True)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"), index=True)
    cycle: Mapped[int]
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    station_id: Mapped[UUID] = mapped_column(sa.ForeignKey("stations.id"))
    work_order_id: Mapped[UUID] = mapped_column(sa.ForeignKey("work_orders.id"), unique=True)
    training: Mapped[bool]
    valid_from: Mapped[datetime]
    bundle: Mapped[dict[str, Any]]
    checks: Mapped[list[Any]]
    accepted_at: Mapped[datetime]

    @property
    def number(self) -> UUID:
        """What it is called wherever it is shown."""
        return number_of(self.credential_id, self.id)


def number_of(credential_id: str, entry: UUID) -> UUID:
    """The number that a certificate calls itself, as its file and its paper do; that of our entry where it has none."""
    try:
        return UUID(credential_id.removeprefix("urn:uuid:"))
    except ValueError:
        return entry


class CertificateLine(Base):
    """What a certificate says of one medium, for the gate; the certificate itself says it all."""

    __tablename__ = "certificate_lines"

    certificate_id: Mapped[UUID] = mapped_column(sa.ForeignKey("certificates.id"), primary_key=True)
    medium_id: Mapped[UUID] = mapped_column(sa.ForeignKey("media.id"), primary_key=True)
    evidence_class: Mapped[str]
    level: Mapped[str]
    technique: Mapped[str]
    wiped_from: Mapped[datetime]
    wiped_until: Mapped[datetime]


class AdmittedEvidence(Base):
    """The policy of the gate as the database sees it: which evidence at which level clears which kind of medium."""

    __tablename__ = "admitted_evidence"

    medium_kind: Mapped[str] = mapped_column(primary_key=True)
    evidence_class: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)


class CertificateRefusal(Base):
    """A certificate that was refused, kept whole with the reason, for audit."""

    __tablename__ = "certificate_refusals"
    __table_args__ = (sa.UniqueConstraint("digest", "reason"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    digest: Mapped[str]
    credential_id: Mapped[str | None]
    station_id: Mapped[UUID] = mapped_column(sa.ForeignKey("stations.id"))
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    device_code: Mapped[str | None]
    reason: Mapped[str]
    checks: Mapped[list[Any]]
    bundle: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class CertificateRevocation(Base):
    """A certificate that no longer stands. The database ends the clearance and unlists the device with it."""

    __tablename__ = "certificate_revocations"

    certificate_id: Mapped[UUID] = mapped_column(sa.ForeignKey("certificates.id"), primary_key=True)
    reason: Mapped[str]
    revoked_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    at: Mapped[datetime]


class Clearance(Base):
    """A device is clear in this custody cycle, on this certificate, until `ended_at`. At most one lives a device."""

    __tablename__ = "clearances"
    __table_args__ = (
        sa.Index("uq_clearances_live", "device_id", unique=True, postgresql_where=sa.text("ended_at is null")),
        sa.Index("ix_clearances_ended", "device_id", postgresql_where=sa.text("ended_at is not null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    certificate_id: Mapped[UUID] = mapped_column(sa.ForeignKey("certificates.id"), unique=True)
    at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_because: Mapped[str | None]
