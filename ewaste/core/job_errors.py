"""Why a job failed: the queue keeps that it failed, this table keeps the last words. No personal data: names of errors.

Written by the worker in a transaction of its own, after what the job did was rolled back.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class JobError(Base):
    """One failure of one job. The job itself may be gone since, when a later try went well."""

    __tablename__ = "job_errors"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    job_id: Mapped[int] = mapped_column(index=True)
    task: Mapped[str]
    error: Mapped[str]
    at: Mapped[datetime]


def note(session: Session, job_id: int, task: str, error: BaseException, *, now: datetime) -> None:
    """Keep what a job said as it failed, at most 500 characters of it."""
    said = " ".join(str(error).split())
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    session.add(JobError(job_id=job_id, task=task[:128], error=text[:500], at=now))
