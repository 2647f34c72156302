"""Links sent by mail that prove an address: to confirm it, to change it, to set a new password.

Only the hash of a link's token is kept. A link counts once, for a while, and a newer one of its kind ends the older.
"""

from __future__ import annotations

import enum
import secrets
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.accounts.models import Person
from ewaste.accounts.sessions import hashed, require_token
from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import Conflict


class Purpose(enum.StrEnum):
    """What a link is for."""

    CONFIRM = "confirm"
    CHANGE = "change"
    RESET = "reset"


GOOD_FOR = {
    Purpose.CONFIRM: timedelta(hours=24),
    Purpose.CHANGE: timedelta(hours=24),
    Purpose.RESET: timedelta(hours=1),
}
_NO_MORE = "This link is not good any more: it was used, it is too old, or a newer one was sent. Ask for a new one."


class MailedToken(Base):
    """One link that was sent to one address of one person."""

    __tablename__ = "mailed_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    purpose: Mapped[Purpose]
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), index=True)
    email: Mapped[str]
    token_hash: Mapped[str] = mapped_column(sa.CHAR(64), unique=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


def make(session: Session, purpose: Purpose, person: Person, *, email: str, now: datetime) -> tuple[str, UUID]:
    """A token for a link to this address, and the id of its row; earlier links of this kind end."""
    end(session, purpose, person.id, now=now)
    token = secrets.token_urlsafe(32)
    made = MailedToken(
        purpose=purpose,
        person_id=person.id,
        email=email,
        token_hash=hashed(token),
        made_at=now,
        expires_at=now + GOOD_FOR[purpose],
    )
    session.add(made)
    session.flush()
    return token, made.id


def look(session: Session, purposes: tuple[Purpose, ...], token: str, *, now: datetime) -> tuple[MailedToken, Person]:
    """The link and its person, without using it. Raises `Conflict` when it is not good any more."""
    return _found(session, purposes, token, now, lock=False)


def use(session: Session, purposes: tuple[Purpose, ...], token: str, *, now: datetime) -> tuple[MailedToken, Person]:
    """Use the link: it counts once. Raises `Conflict` when it is not good any more."""
    found, person = _found(session, purposes, token, now, lock=True)
    found.used_at = now
    session.flush()
    return found, person


def end(session: Session, purpose: Purpose, person_id: UUID, *, now: datetime) -> None:
    """Links of this kind are worth nothing any more."""
    session.execute(
        sa.update(MailedToken)
        .where(MailedToken.person_id == person_id, MailedToken.purpose == purpose, MailedToken.used_at.is_(None))
        .values(used_at=now)
    )


def _found(
    session: Session, purposes: tuple[Purpose, ...], token: str, now: datetime, *, lock: bool
) -> tuple[MailedToken, Person]:
    query = (
        sa.select(MailedToken, Person)
        .join(Person, Person.id == MailedToken.person_id)
        .where(
            MailedToken.token_hash == hashed(require_token(token)),
            MailedToken.purpose.in_(purposes),
            MailedToken.used_at.is_(None),
            MailedToken.expires_at > now,
            Person.closed_at.is_(None),
        )
    )
    row = session.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise Conflict(_NO_MORE)
    return row[0], row[1]
