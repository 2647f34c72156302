"""What was decided about firms: accredited, suspended, reinstated, withdrawn, verified. Append-only, with the reason.

The firm's row says how it stands now; these rows say how it came to that, and who decided.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.accounts.models import Actor
from ewaste.core.database import Base
from ewaste.core.ids import new_id


class StandingKind(enum.StrEnum):
    """What was decided."""

    ACCREDITED = "accredited"
    SUSPENDED = "suspended"
    REINSTATED = "reinstated"
    SCOPE_CHANGED = "scope-changed"
    WITHDRAWN = "withdrawn"
    VERIFIED = "verified"


class StandingChange(Base):
    """One decision about one firm. `detail` is what it set: a scope, licences with the days they end."""

    __tablename__ = "standing_changes"
    __table_args__ = (sa.Index("ix_standing_changes_organisation", "organisation_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    kind: Mapped[StandingKind]
    reason: Mapped[str | None]
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)
    by_id: Mapped[UUID | None]
    by_name: Mapped[str]
    at: Mapped[datetime] = mapped_column(index=True)


def note(
    session: Session,
    organisation_id: UUID,
    kind: StandingKind,
    *,
    by: Actor,
    now: datetime,
    reason: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Append what was decided, in the step that decides it."""
    session.add(
        StandingChange(
            organisation_id=organisation_id,
            kind=kind,
            reason=reason.strip() if reason and reason.strip() else None,
            detail=dict(detail or {}),
            by_id=by.id,
            by_name=by.name,
            at=now,
        )
    )
    session.flush()
