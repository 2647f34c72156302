"""This installation: training or live, and its name in credentials. One row, written by the migrating role only."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base


class Unfounded(LookupError):
    """The database is not that of this installation: empty, or founded for the other mode. Says what to do."""


class Installation(Base):
    """The one row. `did_host` is fixed when the market is founded, as credentials carry it."""

    __tablename__ = "installation"
    __table_args__ = (
        sa.CheckConstraint("one", name="one"),
        sa.CheckConstraint("mode in ('training', 'live')", name="mode"),
    )

    one: Mapped[bool] = mapped_column(primary_key=True, default=True)
    mode: Mapped[str]
    did_host: Mapped[str]
    founded_at: Mapped[datetime]


def installation(session: Session) -> Installation:
    """The installation. Raises `Unfounded` before `ewaste migrate` founded it."""
    found = session.get(Installation, True)
    if found is None:
        raise Unfounded("This database is empty. Run `python -m ewaste migrate` first.")
    return found
