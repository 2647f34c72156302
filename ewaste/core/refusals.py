"""Refusals: the four ways in which this program says no, and the table in which every no is kept.

A refusal is raised below and caught at the edge, which rolls the step back, notes the refusal in a
transaction of its own and tells the person. The message is a sentence for the person who reads it: what was refused,
why, and what to do now.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core import logs
from ewaste.core.database import Base
from ewaste.core.ids import new_id

log = logging.getLogger("ewaste.refusals")


class Refusal(Exception):
    """The step was refused and changed nothing. `field` names the input at fault, where there is one."""

    kind = "refused"

    def __init__(self, message: str, *, field: str | None = None, detail: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.detail = detail or {}


class NotFound(Refusal):
    """There is no such thing, or not for this person."""

    kind = "not-found"


class NotAllowed(Refusal):
    """This person may not do this."""

    kind = "not-allowed"


class Invalid(Refusal):
    """What was sent cannot be taken as it is; `field` says where."""

    kind = "invalid"


class Conflict(Refusal):
    """The thing is not in the state in which this can be done."""

    kind = "conflict"


class RefusalNote(Base):
    """One refusal, kept: who asked for what, and why it was refused."""

    __tablename__ = "refusals"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    at: Mapped[datetime] = mapped_column(index=True)
    kind: Mapped[str]
    action: Mapped[str]
    actor_id: Mapped[UUID | None]
    subject: Mapped[str | None]
    field: Mapped[str | None]
    message: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


def note(
    session: Session,
    refusal: Refusal,
    *,
    action: str,
    actor_id: UUID | None,
    subject: str | None,
    now: datetime,
) -> None:
    """Keep a refusal. Called by the edge, in a transaction of its own, after the step was rolled back."""
    # The log hears of the kind and the action; sentence, person and subject stay in the database.
    logs.told(log, logging.INFO, "refused", kind=refusal.kind, action="unknown address" if "/" in action else action)
    session.add(
        RefusalNote(
            at=now,
            kind=refusal.kind,
            action=action[:80],
            actor_id=actor_id,
            subject=subject[:200] if subject else None,
            field=refusal.field,
            message=refusal.message[:1000],
            detail=refusal.detail,
        )
    )
