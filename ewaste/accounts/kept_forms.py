"""Forms that were sent too early or too late: kept for the same person until they signed in or confirmed their address.

What was typed is kept, for a day, up to 16 kilobytes; files and passwords are not. Sending it then is a click of the
person, on a page that says what will be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import NotFound

KEPT_FOR = timedelta(hours=24)
LARGEST = 16 * 1024
MOST = 5


class KeptForm(Base):
    """One form of one person: where it goes, and its fields in order."""

    __tablename__ = "kept_forms"
    __table_args__ = (sa.CheckConstraint("length(path) between 1 and 500", name="path"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), index=True)
    path: Mapped[str]
    fields: Mapped[list[Any]]
    kept_at: Mapped[datetime]


def keep(session: Session, person_id: UUID, *, path: str, fields: Sequence[Sequence[str]], now: datetime) -> UUID:
    """Keep a form for this person. The oldest go when there are more than five."""
    mine = list(
        session.scalars(
            sa.select(KeptForm).where(KeptForm.person_id == person_id).order_by(KeptForm.kept_at.desc(), KeptForm.id)
        )
    )
    gone = [each.id for place, each in enumerate(mine) if place >= MOST - 1 or each.kept_at <= now - KEPT_FOR]
    if gone:
        session.execute(sa.delete(KeptForm).where(KeptForm.id.in_(gone)))
    kept = KeptForm(person_id=person_id, path=path, fields=[list(pair) for pair in fields], kept_at=now)
    session.add(kept)
    session.flush()
    return kept.id


def waiting(session: Session, person_id: UUID, *, now: datetime) -> list[KeptForm]:
    """The forms that still wait for this person, the newest first."""
    return list(
        session.scalars(
            sa.select(KeptForm)
            .where(KeptForm.person_id == person_id, KeptForm.kept_at > now - KEPT_FOR)
            .order_by(KeptForm.kept_at.desc(), KeptForm.id)
        )
    )


def find(session: Session, person_id: UUID, form_id: UUID, *, now: datetime) -> KeptForm:
    """A form that this person sent a while ago. Raises `NotFound` when it is another's, or was kept long enough."""
    found = session.scalar(
        sa.select(KeptForm).where(
            KeptForm.id == form_id, KeptForm.person_id == person_id, KeptForm.kept_at > now - KEPT_FOR
        )
    )
    if found is None:
        raise NotFound("What you had typed is not kept any more. Fill the form in again.")
    return found
