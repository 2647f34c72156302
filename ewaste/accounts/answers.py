"""Answers that programs were given, kept for a day under the key that each program chose.

A program that lost an answer sends the same request again under the same `Idempotency-Key` and reads the same answer;
the step is not done twice. The row is written in the transaction of the step: after a crash there are both or neither.
A refusal is not kept. It changed nothing, so the same request may be tried again and is judged anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base
from ewaste.core.refusals import Conflict, Invalid

KEPT_FOR = timedelta(hours=24)


class KeptAnswer(Base):
    """One answer: to which request (route and digest), and what it said."""

    __tablename__ = "api_answers"
    __table_args__ = (sa.CheckConstraint("length(key) between 8 and 64", name="key"),)

    token_id: Mapped[UUID] = mapped_column(sa.ForeignKey("api_tokens.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str]
    digest: Mapped[bytes]
    status: Mapped[int]
    body: Mapped[str]
    at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request by a token: under which key, at which route, with which content (its SHA-256)."""

    token_id: UUID
    key: str
    route: str
    digest: bytes


class StillRunning(Conflict):
    """The same key is at work in another request at this moment."""


def recall(session: Session, asked: Asked, *, now: datetime) -> KeptAnswer | None:
    """The answer that was given under this key; None when the step is still to be done, in this very transaction.

    Until the transaction ends, nobody else works under this key. Raises `StillRunning`, and `Invalid` when the key was
    used for another request.
    """
    free = session.scalar(
        sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(f"{asked.token_id} {asked.key}", 0)))
    )
    if not free:
        raise StillRunning("The request with this Idempotency-Key is still being worked on. Ask again in a second.")
    old = (
        sa.select(KeptAnswer.key)
        .where(KeptAnswer.token_id == asked.token_id, KeptAnswer.at <= now - KEPT_FOR)
        .with_for_update(skip_locked=True)
    )
    session.execute(sa.delete(KeptAnswer).where(KeptAnswer.token_id == asked.token_id, KeptAnswer.key.in_(old)))
    kept = session.get(KeptAnswer, (asked.token_id, asked.key))
    if kept is not None and (kept.route, kept.digest) != (asked.route, asked.digest):
        raise Invalid(
            "This Idempotency-Key was used for another request in the last 24 hours. Use a fresh key for each request.",
            field="Idempotency-Key",
        )
    return kept


def keep(session: Session, asked: Asked, *, status: int, body: str, now: datetime) -> None:
    """Keep the answer to a step, in the step's transaction and after `recall`."""
    session.add(
        KeptAnswer(
            token_id=asked.token_id,
            key=asked.key,
            route=asked.route,
            digest=asked.digest,
            status=status,
            body=body,
            at=now,
        )
    )
    session.flush()
