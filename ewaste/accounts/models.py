"""People and the organisations they act for.

A person without a membership is a consumer. A membership makes the person an operator of a centre, a trader of a
recycler, somebody who sells for a company or a collector, a member of staff or an auditor. Every step is done by an
`Actor`: a person in one role.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base
from ewaste.core.ids import new_id


class Role(enum.StrEnum):
    """In which capacity somebody acts."""

    ANONYMOUS = "anonymous"
    CONSUMER = "consumer"
    OPERATOR = "operator"
    RECYCLER = "recycler"
    COMPANY = "company"
    COLLECTOR = "collector"
    STAFF = "staff"
    AUDITOR = "auditor"
    ACCREDITOR = "accreditor"
    STATION = "station"
    WORKER = "worker"


# Who sells, and buys in the shop: people for themselves, or for the firm whose devices these are.
SELLERS = frozenset({Role.CONSUMER, Role.COMPANY, Role.COLLECTOR})


class OrganisationKind(enum.StrEnum):
    """What an organisation is to the market."""

    CENTRE = "centre"
    RECYCLER = "recycler"
    COMPANY = "company"
    COLLECTOR = "collector"
    PLATFORM = "platform"
    AUDITOR = "auditor"
    ACCREDITOR = "accreditor"


class OrganisationState(enum.StrEnum):
    """Whether staff have looked at its papers."""

    APPLIED = "applied"
    VERIFIED = "verified"
    SUSPENDED = "suspended"
    DECLINED = "declined"


class Rank(enum.StrEnum):
    """How somebody stands in their firm: an owner decides who else belongs to it."""

    OWNER = "owner"
    MEMBER = "member"


class Person(Base):
    """Somebody with an account.

    Until `email_confirmed_at` the address is only claimed. A closed account keeps its row, without a name or address.
    `session_epoch` goes up with each sign-out everywhere: the release before this one knows sessions by it.
    """

    __tablename__ = "people"
    __table_args__ = (
        sa.CheckConstraint("email = lower(email) and length(email) between 3 and 254", name="email"),
        sa.CheckConstraint("length(name) between 1 and 120", name="name"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    session_epoch: Mapped[int] = mapped_column(default=0)
    sample: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    email_confirmed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]


class Organisation(Base):
    """A centre, recycler, auditor or the platform itself. `group_name` ties related firms together.

    A centre's street, postcode and opening hours are public: devices are sent to it and collected there.
    """

    __tablename__ = "organisations"
    __table_args__ = (
        sa.CheckConstraint("length(street) between 1 and 120", name="street"),
        sa.CheckConstraint("length(postcode) between 1 and 20", name="postcode"),
        sa.CheckConstraint("length(opening_hours) between 1 and 200", name="opening_hours"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[OrganisationKind]
    state: Mapped[OrganisationState]
    country: Mapped[str] = mapped_column(sa.CHAR(2))
    city: Mapped[str]
    street: Mapped[str | None]
    postcode: Mapped[str | None]
    opening_hours: Mapped[str | None]
    group_name: Mapped[str | None]
    licences: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text), default=list)
    sample: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Membership(Base):
    """Who acts for which organisation, until it ended."""

    __tablename__ = "memberships"

    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    organisation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"), primary_key=True)
    role: Mapped[Role]
    created_at: Mapped[datetime]
    rank: Mapped[Rank] = mapped_column(default=Rank.MEMBER, server_default=Rank.MEMBER.value)
    ended_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does a step, and in which capacity. `id` is a person's or station's id; None for anonymous and worker.

    `confirmed` is False for a person whose e-mail address is only claimed so far.
    """

    id: UUID | None
    role: Role
    name: str
    organisation_id: UUID | None = None
    confirmed: bool = True


ANONYMOUS = Actor(None, Role.ANONYMOUS, "anonymous")
WORKER = Actor(None, Role.WORKER, "worker")
