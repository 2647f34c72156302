"""How often an account may be tried: counted in the database, so that several processes agree.

A try is counted before it is judged, so that many at once are not judged first and counted later. A right one takes
the account's tries back.
"""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import Refusal

WITHIN = timedelta(minutes=15)


class Kind(enum.StrEnum):
    """What is tried."""

    PASSWORD = "password"  # noqa: S105 - a word, not a password
    CODE = "code"
    RESET = "reset"
    CONFIRM = "confirm"
    INVITE = "invite"


# Mails cost their reader more than a wrong password costs us.
MOST = {Kind.PASSWORD: 10, Kind.CODE: 10, Kind.RESET: 3, Kind.CONFIRM: 3, Kind.INVITE: 20}
_SAID = {
    Kind.PASSWORD: "This account was tried with a wrong password too often.",
    Kind.CODE: "Too many wrong codes were given for this account.",
    Kind.RESET: "We have sent several messages to this address already. Look for them, among unwanted mail, too.",
    Kind.CONFIRM: "We have sent several messages to this address already. Look for them, among unwanted mail, too.",
    Kind.INVITE: "Your firm has invited many people in a short time.",
}


class Try(Base):
    """One try at one account. The account is kept as a hash, as it may be an address that has none."""

    __tablename__ = "tries"
    __table_args__ = (sa.Index("ix_tries_account", "account_hash", "kind", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[Kind]
    account_hash: Mapped[str] = mapped_column(sa.CHAR(64))
    at: Mapped[datetime]


class TooMany(Refusal):
    """Tried too often; `wait` minutes are left."""

    kind = "too-many"


def count(session: Session, kind: Kind, account: str, *, now: datetime) -> None:
    """Count one try at this account (an address or a person's id), in a transaction before the one that judges it.

    Raises `TooMany` when there were enough within a quarter of an hour.
    """
    key = _hashed(account)
    # Tries at one account queue up here, so that of eleven at once one is refused.
    session.execute(sa.text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{kind.value} {key}"})
    session.execute(sa.delete(Try).where(Try.account_hash == key, Try.kind == kind, Try.at <= now - WITHIN))
    earlier = list(session.scalars(sa.select(Try.at).where(Try.account_hash == key, Try.kind == kind).order_by(Try.at)))
    if len(earlier) >= MOST[kind]:
        wait = max(1, -(-int((earlier[0] + WITHIN - now).total_seconds()) // 60))
        minutes = "a minute" if wait == 1 else f"{wait} minutes"
        raise TooMany(f"{_SAID[kind]} Wait {minutes}, then try again.")
    session.add(Try(kind=kind, account_hash=key, at=now))
    session.flush()


def forgive(session: Session, kind: Kind, account: str) -> None:
    """The right one came: the tries before it count no more."""
    session.execute(sa.delete(Try).where(Try.account_hash == _hashed(account), Try.kind == kind))


def forget_old(session: Session, *, now: datetime) -> None:
    """Drop what counts no more, of every account."""
    session.execute(sa.delete(Try).where(Try.at <= now - WITHIN))


def _hashed(account: str) -> str:
    return hashlib.sha256(account.strip().lower().encode("utf-8", "replace")).hexdigest()
