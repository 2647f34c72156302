"""Places in status lists: which credential has which, which were withdrawn, and which keys of stations have fallen.

Two domains issue credentials that can be withdrawn, certificates (through their work orders) and accreditations. So
their places are kept here. A list belongs to one issuer and is signed elsewhere (`centres.listing`); here it is known
what it says. A place is drawn at random, so a number tells nothing of order, and is given out once. What is set stays
set.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id

PLACES = 131_072
"""How many places a list has: the least that W3C admits."""
MOST_USED = 8_192
"""When so many are given out, another list is opened. So a place is found at once, and a list stays small."""
CERTIFICATES = "certificates"
ACCREDITATIONS = "accreditations"
REASON_LENGTH = 500


class StatusList(Base):
    """A list of an issuer. One for accreditations is of one centre alone: who fell in it is public anyway."""

    __tablename__ = "status_lists"
    __table_args__ = (
        sa.CheckConstraint("kind in ('certificates', 'accreditations')", name="kind"),
        sa.Index("ix_status_lists_open", "kind", "issuer", "about", "number"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str]
    number: Mapped[int] = mapped_column(sa.Identity(), unique=True)
    issuer: Mapped[str]
    about: Mapped[str]
    opened_at: Mapped[datetime]

    @property
    def name(self) -> str:
        """Its name in addresses."""
        return f"{self.kind}-{self.number}"


class StatusPlace(Base):
    """A place that was given out. Append-only."""

    __tablename__ = "status_places"
    __table_args__ = (sa.CheckConstraint(f"place between 0 and {PLACES - 1}", name="place"),)

    list_id: Mapped[UUID] = mapped_column(sa.ForeignKey("status_lists.id"), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class StatusWithdrawal(Base):
    """A place that was set: when, why, and since when nothing that it backs is to be believed. Append-only."""

    __tablename__ = "status_withdrawals"
    __table_args__ = (
        sa.ForeignKeyConstraint(["list_id", "place"], ["status_places.list_id", "status_places.place"]),
        sa.CheckConstraint(f"length(reason) between 1 and {REASON_LENGTH}", name="reason"),
    )

    list_id: Mapped[UUID] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str]
    at: Mapped[datetime]
    compromised_since: Mapped[datetime | None]


class StatusKey(Base):
    """A station's key that has fallen, in a list of its centre's accreditations. Said again it adds a row."""

    __tablename__ = "status_keys"
    __table_args__ = (
        sa.CheckConstraint(f"length(reason) between 1 and {REASON_LENGTH}", name="reason"),
        sa.Index("ix_status_keys_list_id", "list_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    list_id: Mapped[UUID] = mapped_column(sa.ForeignKey("status_lists.id"))
    verification_method: Mapped[str]
    public_key: Mapped[str]
    reason: Mapped[str]
    at: Mapped[datetime]
    compromised_since: Mapped[datetime | None]


@dataclass(frozen=True)
class Place:
    """A place in a list, as a credential names it: the list's name in addresses, and the number."""

    name: str
    index: int


def draw(session: Session, *, kind: str, issuer: str, about: str = "", now: datetime) -> Place:
    """A place that nobody has, in the newest list of the issuer; in another one when that is full enough."""
    while True:
        newest = _newest(session, kind, issuer, about)
        if newest is None or _used(session, newest.id) >= MOST_USED:
            newest = StatusList(kind=kind, issuer=issuer, about=about, opened_at=now)
            session.add(newest)
            session.flush()
        # Of sixteen places one is taken at most, so a second draw is rare and an endless one impossible to meet.
        for _ in range(64):
            index = secrets.randbelow(PLACES)
            drawn = session.execute(
                insert(StatusPlace)
                .values(list_id=newest.id, place=index)
                .on_conflict_do_nothing()
                .returning(StatusPlace.place)
            ).one_or_none()
            if drawn is not None:
                return Place(newest.name, index)


def withdraw(
    session: Session, place: Place, *, reason: str, compromised_since: datetime | None = None, now: datetime
) -> bool:
    """Set a place. Whether it was not set before; what was said first stays. LookupError for no place of ours."""
    listed = named(session, place.name)
    if listed is None or session.get(StatusPlace, (listed.id, place.index)) is None:
        raise LookupError(f"{place} was never given out.")
    set_now = session.execute(
        insert(StatusWithdrawal)
        .values(
            list_id=listed.id,
            place=place.index,
            reason=in_one_line(reason),
            at=now,
            compromised_since=compromised_since,
        )
        .on_conflict_do_nothing()
        .returning(StatusWithdrawal.place)
    ).one_or_none()
    return set_now is not None


def key_fell(
    session: Session,
    *,
    about: str,
    verification_method: str,
    public_key: str,
    reason: str,
    compromised_since: datetime | None = None,
    now: datetime,
) -> None:
    """Say in every list of the accreditations of a centre (its DID is `about`) that a station's key has fallen."""
    lists = session.scalars(
        sa.select(StatusList.id).where(StatusList.kind == ACCREDITATIONS, StatusList.about == about)
    ).all()
    session.add_all(
        StatusKey(
            list_id=list_id,
            verification_method=verification_method,
            public_key=public_key,
            reason=in_one_line(reason),
            at=now,
            compromised_since=compromised_since,
        )
        for list_id in lists
    )
    session.flush()


@dataclass(frozen=True)
class Contents:
    """What a list says now, in the order in which it was said, and when something was said last."""

    withdrawals: list[StatusWithdrawal]
    keys: list[StatusKey]
    latest: datetime


def named(session: Session, name: str) -> StatusList | None:
    """The list of this name."""
    kind, _, number = name.rpartition("-")
    if kind not in (CERTIFICATES, ACCREDITATIONS) or not (number.isascii() and number.isdigit() and len(number) < 10):
        return None
    found = session.scalar(sa.select(StatusList).where(StatusList.kind == kind, StatusList.number == int(number)))
    return found if found is not None and found.name == name else None


def contents(session: Session, listed: StatusList) -> Contents:
    """Everything that a list says."""
    withdrawals = list(
        session.scalars(
            sa.select(StatusWithdrawal)
            .where(StatusWithdrawal.list_id == listed.id)
            .order_by(StatusWithdrawal.at, StatusWithdrawal.place)
        )
    )
    keys = list(
        session.scalars(sa.select(StatusKey).where(StatusKey.list_id == listed.id).order_by(StatusKey.at, StatusKey.id))
    )
    latest = max([listed.opened_at, *(one.at for one in withdrawals), *(key.at for key in keys)])
    return Contents(withdrawals, keys, latest)


def in_one_line(reason: str) -> str:
    """A reason as a list may tell it: without breaks or marks that cannot be printed, and not too long."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in reason).split())
    return words[:REASON_LENGTH].rstrip() or "No reason was given."


def _newest(session: Session, kind: str, issuer: str, about: str) -> StatusList | None:
    return session.scalar(
        sa.select(StatusList)
        .where(StatusList.kind == kind, StatusList.issuer == issuer, StatusList.about == about)
        .order_by(StatusList.number.desc())
        .limit(1)
    )


def _used(session: Session, list_id: UUID) -> int:
    counted = sa.select(sa.func.count()).select_from(StatusPlace).where(StatusPlace.list_id == list_id)
    return session.scalar(counted) or 0
