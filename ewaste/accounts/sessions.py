"""Sessions: who is signed in at which browser, as whom they act, and until when.

The cookie carries a random token; the database holds its hash, so that reading the database opens no account. A
session ends twelve hours after the sign-in at the latest, for operators and staff also after two hours without a
request. The token changes at sign-in, at the second factor and with the password.
"""

from __future__ import annotations

import enum
import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.accounts.models import Actor, Membership, Organisation, OrganisationState, Person, Role
from ewaste.accounts.passkeys import Passkey
from ewaste.accounts.second_factor import Authenticator
from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import NotFound

LONGEST = timedelta(hours=12)
IDLE = timedelta(hours=2)
# A password that was given this short a time ago need not be asked for again before something that matters.
FRESH = timedelta(minutes=10)
# `seen_at` is written at most this often, so that reading pages writes next to nothing.
NOTE_SEEN = timedelta(minutes=5)
# Who handles other people's devices and money shows more than a password.
SECOND_FACTOR_REQUIRED = frozenset({Role.OPERATOR, Role.STAFF, Role.ACCREDITOR})
AGENT = 120
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,100}")


class SignIn(Base):
    """One session of one person at one browser."""

    __tablename__ = "sessions"
    __table_args__ = (sa.CheckConstraint(f"length(agent) <= {AGENT}", name="agent"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    token_hash: Mapped[str] = mapped_column(sa.CHAR(64), unique=True)
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), index=True)
    organisation_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.id"))
    agent: Mapped[str]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    password_at: Mapped[datetime]
    second_factor_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class Missing(enum.StrEnum):
    """What a session lacks before it counts."""

    PROVE = "prove"
    ENROL = "enrol"


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who gave a password: as whom they act, and what a page says of them.

    With `missing` the session is only half open: until the second factor was shown, or set up, it is nobody's.
    """

    actor: Actor
    email: str
    organisation_name: str | None
    session_id: UUID
    seen_at: datetime
    password_at: datetime
    second_factor_at: datetime | None
    missing: Missing | None

    @property
    def person_id(self) -> UUID:
        """Who it is."""
        if self.actor.id is None:
            raise LookupError("A session is always somebody's.")
        return self.actor.id

    def fresh(self, now: datetime) -> bool:
        """Whether the password was given a moment ago."""
        return now - self.password_at <= FRESH


def begin(session: Session, person_id: UUID, *, agent: str, now: datetime, second_factor: bool = False) -> str:
    """A session for a person who just proved who they are. Returns the token for the cookie.

    The person acts for the firm they joined first; those who belong to none act for themselves.
    """
    token = secrets.token_urlsafe(32)
    first = session.scalar(
        sa.select(Membership.organisation_id)
        .where(Membership.person_id == person_id, Membership.ended_at.is_(None))
        .order_by(Membership.created_at, Membership.organisation_id)
        .limit(1)
    )
    session.add(
        SignIn(
            token_hash=hashed(token),
            person_id=person_id,
            organisation_id=first,
            agent=agent[:AGENT],
            created_at=now,
            seen_at=now,
            password_at=now,
            second_factor_at=now if second_factor else None,
        )
    )
    session.flush()
    return token


def signed_in(session: Session, token: str, *, now: datetime, training: bool) -> SignedIn | None:
    """As whom this session acts; None when it is none, was ended, or is too old. One statement."""
    if not _TOKEN.fullmatch(token):
        return None
    has_factor = sa.or_(
        sa.exists().where(Authenticator.person_id == Person.id), sa.exists().where(Passkey.person_id == Person.id)
    )
    row = session.execute(
        sa.select(
            SignIn,
            Person.name,
            Person.email,
            Person.sample,
            Person.email_confirmed_at,
            Membership.role,
            Organisation.name.label("organisation_name"),
            Organisation.state,
            has_factor.label("has_factor"),
        )
        .join(Person, Person.id == SignIn.person_id)
        .outerjoin(
            Membership,
            sa.and_(
                Membership.person_id == SignIn.person_id,
                Membership.organisation_id == SignIn.organisation_id,
                Membership.ended_at.is_(None),
            ),
        )
        .outerjoin(Organisation, Organisation.id == Membership.organisation_id)
        .where(SignIn.token_hash == hashed(token), Person.closed_at.is_(None))
    ).one_or_none()
    if row is None or not _alive(row.SignIn, row.role, now):
        return None
    if row.sample and not training:  # A sample account has a password that everybody knows. It is nobody here.
        return None
    confirmed = row.email_confirmed_at is not None
    # A firm that we declined, or whose person has not confirmed the address, is nobody's to act for.
    acts = row.role is not None and confirmed and row.state is not OrganisationState.DECLINED
    found: SignIn = row.SignIn
    actor = Actor(
        found.person_id,
        row.role if acts else Role.CONSUMER,
        row.name,
        found.organisation_id if acts else None,
        confirmed,
    )
    missing = None
    if found.second_factor_at is None:
        if row.has_factor:
            missing = Missing.PROVE
        elif actor.role in SECOND_FACTOR_REQUIRED and not row.sample:
            missing = Missing.ENROL
    return SignedIn(
        actor,
        row.email,
        row.organisation_name if acts else None,
        found.id,
        found.seen_at,
        found.password_at,
        found.second_factor_at,
        missing,
    )


def actor_of(session: Session, person_id: UUID) -> Actor:
    """As whom a person acts by default: for programs and tests that need no session. Raises `NotFound`."""
    row = session.execute(
        sa.select(Person.name, Person.email_confirmed_at, Membership.role, Membership.organisation_id)
        .outerjoin(Membership, sa.and_(Membership.person_id == Person.id, Membership.ended_at.is_(None)))
        .where(Person.id == person_id)
        .order_by(Membership.created_at)
        .limit(1)
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such person.")
    return Actor(
        person_id, row.role or Role.CONSUMER, row.name, row.organisation_id, row.email_confirmed_at is not None
    )


def note_seen(session: Session, session_id: UUID, *, now: datetime) -> None:
    """The session was used. Called when the last note is older than `NOTE_SEEN`."""
    session.execute(
        sa.update(SignIn).where(SignIn.id == session_id, SignIn.seen_at < now - NOTE_SEEN).values(seen_at=now)
    )


def rotate(
    session: Session, session_id: UUID, *, now: datetime, password: bool = False, second_factor: bool = False
) -> str:
    """A new token for the session; the old one is worth nothing from now on. Notes what was just proved."""
    token = secrets.token_urlsafe(32)
    values: dict[str, object] = {"token_hash": hashed(token), "seen_at": now}
    if password:
        values["password_at"] = now
    if second_factor:
        values["second_factor_at"] = now
    session.execute(sa.update(SignIn).where(SignIn.id == session_id, SignIn.ended_at.is_(None)).values(**values))
    return token


def act_for(session: Session, session_id: UUID, organisation_id: UUID | None) -> None:
    """From the next request on the person of this session acts for this firm, or for themselves."""
    session.execute(sa.update(SignIn).where(SignIn.id == session_id).values(organisation_id=organisation_id))


def end(session: Session, person_id: UUID, session_id: UUID, *, now: datetime) -> None:
    """End one session of this person. Raises `NotFound` for one that is not theirs or has ended."""
    ended = session.scalar(
        sa.update(SignIn)
        .where(SignIn.id == session_id, SignIn.person_id == person_id, SignIn.ended_at.is_(None))
        .values(ended_at=now)
        .returning(SignIn.id)
    )
    if ended is None:
        raise NotFound("This session has ended already.")


def end_all(
    session: Session, person_id: UUID, *, now: datetime, but: UUID | None = None, acting_for: UUID | None = None
) -> None:
    """End every session of this person, but perhaps one, and perhaps only those that act for one firm."""
    which = [SignIn.person_id == person_id, SignIn.ended_at.is_(None)]
    if but is not None:
        which.append(SignIn.id != but)
    if acting_for is not None:
        which.append(SignIn.organisation_id == acting_for)
    session.execute(sa.update(SignIn).where(*which).values(ended_at=now))
    if acting_for is None and but is None:
        session.execute(sa.update(Person).where(Person.id == person_id).values(session_epoch=Person.session_epoch + 1))


def open_sessions(session: Session, person_id: UUID, *, now: datetime) -> list[SignIn]:
    """The sessions of this person that are open, the last used first; at most fifty."""
    found = session.scalars(
        sa.select(SignIn)
        .where(SignIn.person_id == person_id, SignIn.ended_at.is_(None), SignIn.created_at > now - LONGEST)
        .order_by(SignIn.seen_at.desc(), SignIn.id)
        .limit(50)
    )
    return list(found)


def whose(session: Session, token: str) -> UUID | None:
    """Whose session this is or was; None for a token that never was one."""
    return session.scalar(sa.select(SignIn.person_id).where(SignIn.token_hash == hashed(token)))


def require_token(text: str) -> str:
    """What stands in a mailed link, if it can be a token at all. Raises `NotFound`."""
    if not _TOKEN.fullmatch(text):
        raise NotFound("There is no such link. Copy the whole of it from the message.")
    return text


def hashed(token: str) -> str:
    """What the database keeps of a token. Tokens are random, so one plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


def _alive(found: SignIn, role: Role | None, now: datetime) -> bool:
    if found.ended_at is not None or now - found.created_at > LONGEST:
        return False
    if found.organisation_id is not None and role is None:  # They belong to that firm no more.
        return False
    return role not in SECOND_FACTOR_REQUIRED or now - found.seen_at <= IDLE
