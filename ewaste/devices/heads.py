"""The heads of the chains of custody, noted once a day, so that the log can say what every chain ended in.

Each day has one batch: the devices whose chain grew since the batch before, each with its last event and that event's
hash. The batch's root goes into the log. A chain that is cut short or written anew later no longer fits it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base
from ewaste.devices.models import CustodyEvent, Device


class CustodyBatch(Base):
    """One day's batch: the digest of the statement in the log, and how many devices it covers."""

    __tablename__ = "custody_batches"
    __table_args__ = (sa.CheckConstraint("devices >= 1", name="devices"),)

    day: Mapped[date] = mapped_column(sa.Date, primary_key=True)
    digest: Mapped[str]
    devices: Mapped[int]


class CustodyHead(Base):
    """The last event of a device's chain when the batch was made."""

    __tablename__ = "custody_heads"
    __table_args__ = (sa.Index("ix_custody_heads_device", "device_id", "seq"),)

    day: Mapped[date] = mapped_column(sa.ForeignKey("custody_batches.day"), primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int]
    head: Mapped[str] = mapped_column(sa.CHAR(64))


@dataclass(frozen=True)
class Head:
    """The end of one chain."""

    device_id: UUID
    seq: int
    head: str

    @property
    def entry(self) -> bytes:
        """What the batch's tree holds of it: canonical JSON."""
        said = {"device": str(self.device_id), "head": self.head, "seq": self.seq}
        return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def has_batch(session: Session, day: date) -> bool:
    """Whether this day's batch was made."""
    return session.get(CustodyBatch, day) is not None


def grown(session: Session) -> list[Head]:
    """The chains that grew since they were last noted, ordered by device."""
    noted = (
        sa.select(sa.func.max(CustodyHead.seq)).where(CustodyHead.device_id == Device.id).correlate(Device)
    ).scalar_subquery()
    rows = session.execute(
        sa.select(Device.id, Device.custody_seq, Device.custody_head)
        .where(Device.custody_seq > sa.func.coalesce(noted, 0))
        .order_by(Device.id)
    )
    return [Head(*row) for row in rows]


def keep(session: Session, day: date, digest: str, heads: list[Head]) -> None:
    """Keep a batch."""
    session.add(CustodyBatch(day=day, digest=digest, devices=len(heads)))
    session.flush()
    session.execute(
        sa.insert(CustodyHead),
        [{"day": day, "device_id": one.device_id, "seq": one.seq, "head": one.head} for one in heads],
    )


def batches(session: Session) -> list[CustodyBatch]:
    """Every batch, the oldest first."""
    return list(session.scalars(sa.select(CustodyBatch).order_by(CustodyBatch.day)))


def of_batch(session: Session, day: date) -> list[Head]:
    """What a batch noted, ordered by device."""
    rows = session.execute(
        sa.select(CustodyHead.device_id, CustodyHead.seq, CustodyHead.head)
        .where(CustodyHead.day == day)
        .order_by(CustodyHead.device_id)
    )
    return [Head(*row) for row in rows]


def lost(session: Session) -> list[Head]:
    """Heads that were noted and that no chain has any more: it was cut short, or written anew."""
    rows = session.execute(
        sa.select(CustodyHead.device_id, CustodyHead.seq, CustodyHead.head)
        .outerjoin(
            CustodyEvent,
            sa.and_(
                CustodyEvent.device_id == CustodyHead.device_id,
                CustodyEvent.seq == CustodyHead.seq,
                CustodyEvent.hash == CustodyHead.head,
            ),
        )
        .where(CustodyEvent.id.is_(None))
        .order_by(CustodyHead.device_id)
    )
    return [Head(*row) for row in rows]
