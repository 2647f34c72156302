"""What is known of the sample market of a training installation: which steps were made, and how far it is filled.

Each step of the sample is noted in the transaction that makes it. So a filling that was killed goes on where it stood,
and nothing is made twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base


class SampleStep(Base):
    """A step that was made, by its name in the plan, and what the steps after it need to know. Append-only."""

    __tablename__ = "sample_steps"

    name: Mapped[str] = mapped_column(primary_key=True)
    made: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class SampleMarket(Base):
    """One row: when the filling began (every date of the sample counts from there) and how far it is."""

    __tablename__ = "sample_market"
    __table_args__ = (
        sa.CheckConstraint("one", name="one"),
        sa.CheckConstraint("devices between 0 and of_devices", name="devices"),
    )

    one: Mapped[bool] = mapped_column(primary_key=True, default=True)
    devices: Mapped[int] = mapped_column(default=0)
    of_devices: Mapped[int]
    begun_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class Progress(NamedTuple):
    """How many devices of the sample stand where they shall, and whether the filling is over."""

    devices: int
    of_devices: int
    finished: bool


def progress(session: Session) -> Progress | None:
    """How far the sample market is; None when nobody began to fill it. One statement."""
    row = session.execute(
        sa.select(SampleMarket.devices, SampleMarket.of_devices, SampleMarket.finished_at.isnot(None))
    ).one_or_none()
    return None if row is None else Progress(row[0], row[1], row[2])
