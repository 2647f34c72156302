"""What a test centre found, which way a device was sent, and what became of it."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class Inspection(Base):
    """One inspection: the answers of the checklist and the grade that the rules drew from them. Append-only."""

    __tablename__ = "inspections"
    __table_args__ = (sa.Index("ix_inspections_device", "device_id", "cycle"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    inspector_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    findings: Mapped[dict[str, Any]]
    cosmetic: Mapped[str]
    function: Mapped[str]
    grade: Mapped[dict[str, Any]]
    rules_version: Mapped[str]
    at: Mapped[datetime]


class Routing(Base):
    """Which of the three ways a device was sent, with the expected net value of each. Append-only."""

    __tablename__ = "routings"
    __table_args__ = (sa.Index("ix_routings_device", "device_id", "cycle"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    chosen: Mapped[str]
    ways: Mapped[list[Any]]
    explanation: Mapped[list[Any]]
    inputs: Mapped[dict[str, Any]]
    version: Mapped[str]
    at: Mapped[datetime]


class Outcome(enum.StrEnum):
    """What a recycler reports a device became."""

    DISMANTLED = "dismantled"
    REMADE = "remade"


class OutcomeReport(Base):
    """A recycler's report on one device. Masses in whole grams; what came out cannot weigh more than what went in."""

    __tablename__ = "outcome_reports"
    __table_args__ = (
        sa.UniqueConstraint("device_id", "cycle"),
        sa.CheckConstraint("mass_in_g > 0 and mass_out_g >= 0 and mass_out_g <= mass_in_g", name="mass"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    outcome: Mapped[Outcome]
    mass_in_g: Mapped[int]
    mass_out_g: Mapped[int]
    fractions: Mapped[dict[str, Any]]
    remark: Mapped[str] = mapped_column(default="")
    reported_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    at: Mapped[datetime]
