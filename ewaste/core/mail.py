"""Mail: messages to people, written down in the same transaction as the step that causes them.

A step writes a message under a key of its occasion, so that a step that runs twice writes once; the worker sends it.
A message that was sent loses its text, as it may hold a link that opens an account.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core import jobs
from ewaste.core.database import Base
from ewaste.core.ids import new_id

SUBJECT, TEXT = 200, 10_000


class MailState(enum.StrEnum):
    """Where a message stands."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class Mail(Base):
    """One message. `text` is emptied once it was sent."""

    __tablename__ = "mails"
    __table_args__ = (
        sa.CheckConstraint(f"length(subject) between 1 and {SUBJECT}", name="subject"),
        sa.CheckConstraint(f"length(text) <= {TEXT}", name="text"),
        sa.Index("ix_mails_waiting", "written_at", postgresql_where=sa.text("state = 'waiting'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    key: Mapped[str] = mapped_column(unique=True)
    to_address: Mapped[str]
    to_name: Mapped[str]
    subject: Mapped[str]
    text: Mapped[str]
    state: Mapped[MailState] = mapped_column(default=MailState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str | None]
    written_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Letter:
    """A message on its way out."""

    id: UUID
    to_address: str
    to_name: str
    subject: str
    text: str
    written_at: datetime


def write(session: Session, *, to: str, name: str, subject: str, text: str, key: str, now: datetime) -> bool:
    """Write a message to be sent after this step. `{site}` in the text becomes the site's address.

    Returns whether it is new: a key that has a message already changes nothing. Raises `ValueError` for a subject or
    text that is too long.
    """
    if not 1 <= len(subject) <= SUBJECT or len(text) > TEXT:
        raise ValueError(f"A subject has 1 to {SUBJECT} characters and a text at most {TEXT}.")
    mail_id = session.scalar(
        insert(Mail)
        .values(
            id=new_id(),
            key=key,
            to_address=to,
            to_name=name,
            subject=" ".join(subject.split()),
            text=text.strip() + "\n",
            state=MailState.WAITING,
            attempts=0,
            written_at=now,
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(Mail.id)
    )
    if mail_id is None:
        return False
    jobs.defer(session, jobs.SEND_MAIL, key=f"mail {mail_id}", letter=str(mail_id))
    return True


def take(session: Session, mail_id: UUID) -> Letter | None:
    """The message to send, with this try counted; None when it was sent or given up."""
    mail = session.scalar(sa.select(Mail).where(Mail.id == mail_id).with_for_update())
    if mail is None or mail.state is not MailState.WAITING:
        return None
    mail.attempts += 1
    return Letter(mail.id, mail.to_address, mail.to_name, mail.subject, mail.text, mail.written_at)


def note_sent(session: Session, mail_id: UUID, *, now: datetime) -> None:
    """The mail server took it."""
    session.execute(
        sa.update(Mail).where(Mail.id == mail_id).values(state=MailState.SENT, sent_at=now, text="", failure=None)
    )


def note_failed(session: Session, mail_id: UUID, why: str, *, for_good: bool) -> None:
    """The mail server did not take it; `for_good` when it never will."""
    values: dict[str, object] = {"failure": why[:500]}
    if for_good:
        values |= {"state": MailState.FAILED, "text": ""}
    session.execute(sa.update(Mail).where(Mail.id == mail_id).values(**values))
