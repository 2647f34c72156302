"""Tokens: with one, a program acts as the person who made it, in one organisation, within the scopes it was given.

A token is 160 random bits behind the prefix `ch_`, by which scanners for leaked secrets know it. It is shown once; kept
is its SHA-256 (so many random bits need no slow hash). It ends by its date, when it is revoked, when the person leaves
the organisation, changes role, or signs out everywhere. What the role may not do, no scope gives; and no scope reaches
the account itself: a program neither changes how a person signs in nor makes tokens.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.accounts import policy
from ewaste.accounts.models import SELLERS, Actor, Membership, Organisation, OrganisationState, Person, Role
from ewaste.accounts.policy import Action
from ewaste.core import mail
from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound

USUAL_DAYS, MOST_DAYS = 90, 365
MOST_LIVE = 20
PREFIX = "ch_"
PATTERN = r"ch_[a-z2-7]{32}"
_HINT = 8  # How much of a token may be told: 25 of its 160 bits.


class Scope(enum.StrEnum):
    """What a token may be used for."""

    READ = "read"
    BID = "bid"
    BUY = "buy"
    REPORT = "report"
    BENCH = "bench"


# The scopes that a role can give, each with the action that stands for it in the policy.
SCOPES_OF: dict[Role, dict[Scope, Action]] = {
    **{role: {Scope.READ: Action.SEE_DEVICE, Scope.BUY: Action.BUY} for role in SELLERS},
    Role.RECYCLER: {Scope.READ: Action.SEE_ORDER, Scope.BID: Action.BID, Scope.REPORT: Action.REPORT_OUTCOME},
    Role.OPERATOR: {Scope.BENCH: Action.SEE_BENCH},
}


class Token(Base):
    """One token. `epoch` is that of the person's sessions when it was made; `last_used_on` is a day in UTC."""

    __tablename__ = "api_tokens"
    __table_args__ = (
        sa.CheckConstraint("length(name) between 1 and 60", name="name"),
        sa.CheckConstraint("length(digest) = 32", name="digest"),
        sa.CheckConstraint("expires_at > made_at and expires_at <= made_at + interval '366 days'", name="expiry"),
        sa.CheckConstraint("cardinality(scopes) > 0", name="scopes"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    person_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"), index=True)
    organisation_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.id"))
    role: Mapped[Role]
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text))
    digest: Mapped[bytes] = mapped_column(unique=True)
    hint: Mapped[str]
    epoch: Mapped[int]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    last_used_on: Mapped[date | None] = mapped_column(sa.Date())
    revoked_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a program acts as, and what for."""

    token_id: UUID
    actor: Actor
    scopes: frozenset[Scope]


def scopes_for(role: Role) -> tuple[Scope, ...]:
    """The scopes that somebody in this role can give to a token; none for the desk, whose work is done by people."""
    return tuple(SCOPES_OF.get(role, {}))


def make(
    session: Session, actor: Actor, *, name: str, scopes: Iterable[str], days: int, now: datetime
) -> tuple[Token, str]:
    """Make a token for the actor's own programs. Returns it with its text, which is told this once.

    The person gets a message, so that a token that somebody else made in their name is noticed. Raises `NotAllowed`,
    `Invalid` with the field, or `Conflict` when there are too many.
    """
    policy.require(actor, Action.LET_ACT)
    named, wanted = " ".join(name.split()), set(scopes)
    if not 1 <= len(named) <= 60:
        raise Invalid("Name the program that will use it, in at most 60 characters.", field="name")
    if not wanted:
        raise Invalid("Tick at least one thing that the program may do.", field="scopes")
    if not wanted <= {scope.value for scope in scopes_for(actor.role)}:
        raise Invalid("Your role cannot give this. Tick what stands in the list.", field="scopes")
    if not 1 <= days <= MOST_DAYS:
        raise Invalid(f"A token is good for 1 to {MOST_DAYS} days.", field="days")
    person = session.scalars(sa.select(Person).where(Person.id == actor.id).with_for_update()).one()
    if sum(not told["ended"] for told in listed(session, actor, now=now)) >= MOST_LIVE:
        raise Conflict(f"You have {MOST_LIVE} tokens that work. Revoke one that no program needs any more.")
    text = PREFIX + base64.b32encode(secrets.token_bytes(20)).decode().lower()
    token = Token(
        person_id=person.id,
        organisation_id=actor.organisation_id,
        role=actor.role,
        name=named,
        scopes=sorted(wanted),
        digest=_digest(text),
        hint=text[:_HINT],
        epoch=person.session_epoch,
        made_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(token)
    session.flush()
    mail.write(
        session,
        to=person.email,
        name=person.name,
        subject=f"A token was made: {named}",
        text=(
            f"A token called “{named}” was made with your account. Until {token.expires_at:%d %B %Y} a program that "
            f"has it acts in your name: {', '.join(token.scopes)}.\n\n"
            "If that was not you, sign out everywhere on your account page, which ends all tokens, and change your "
            "password: {site}/account"
        ),
        key=f"token {token.id}",
        now=now,
    )
    return token, text


def listed(session: Session, actor: Actor, *, now: datetime) -> list[dict[str, Any]]:
    """The actor's tokens as a page shows them, the newest first, at most fifty; `ended` says why one ended, or None."""
    rows = session.execute(
        _WITH_PERSON.where(Token.person_id == actor.id)
        .order_by(Token.revoked_at.isnot(None), Token.made_at.desc())
        .limit(50)
    )
    return [
        {
            "id": row.Token.id,
            "name": row.Token.name,
            "scopes": row.Token.scopes,
            "hint": row.Token.hint,
            "made_at": row.Token.made_at,
            "expires_at": row.Token.expires_at,
            "last_used_on": row.Token.last_used_on,
            "ended": _ended(row, now),
        }
        for row in rows
    ]


def revoke(session: Session, actor: Actor, token_id: UUID, *, now: datetime) -> None:
    """End one's own token at once. One that ended before stays as it is. Raises `NotFound` for somebody else's."""
    policy.require(actor, Action.LET_ACT)
    token = session.scalar(
        sa.select(Token).where(Token.id == token_id, Token.person_id == actor.id).with_for_update(of=Token)
    )
    if token is None:
        raise NotFound("You have no such token.")
    if token.revoked_at is None:
        token.revoked_at = now
        session.flush()


def end_all(session: Session, person_id: UUID, *, now: datetime) -> None:
    """End every token of this person, as when the password may have been known to somebody else."""
    session.execute(
        sa.update(Token).where(Token.person_id == person_id, Token.revoked_at.is_(None)).values(revoked_at=now)
    )


def bearer(session: Session, text: str, *, now: datetime) -> Bearer:
    """Who acts with this token. One statement, and once a day another. Raises `NotAllowed`, saying why it ended."""
    row = (
        session.execute(_WITH_PERSON.where(Token.digest == _digest(text))).one_or_none()
        if re.fullmatch(PATTERN, text)
        else None
    )
    if row is None:
        raise NotAllowed("This token is not known. Tokens are made on the account page and begin with ch_.")
    ended = _ended(row, now)
    if ended is not None:
        raise NotAllowed(f"This token {ended}. Make a new one on the account page.")
    token: Token = row.Token
    if token.last_used_on != now.date():
        session.execute(sa.update(Token).where(Token.id == token.id).values(last_used_on=now.date()))
    confirmed = row.confirmed_at is not None
    actor = Actor(token.person_id, token.role, row.person_name, token.organisation_id, confirmed)
    given = {scope for scope in scopes_for(actor.role) if scope.value in token.scopes}
    return Bearer(token.id, actor, frozenset(given))


def _ended(row: Any, now: datetime) -> str | None:
    """Why a token does not work any more, as the end of a sentence; None for one that does."""
    token: Token = row.Token
    if token.revoked_at is not None:
        return f"was revoked on {token.revoked_at:%d %B %Y}"
    if token.expires_at <= now:
        return f"was good until {token.expires_at:%d %B %Y}"
    if row.closed_at is not None:
        return "ended with its person’s account"
    if token.epoch != row.epoch:
        return "ended when its person signed out everywhere"
    # Outside any firm everybody acts for themselves, as a consumer.
    standing = row.role if token.organisation_id is not None else Role.CONSUMER
    return None if standing is token.role else "ended with its person’s place in the organisation"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


_WITH_PERSON = (
    sa.select(
        Token,
        Person.name.label("person_name"),
        Person.session_epoch.label("epoch"),
        Person.email_confirmed_at.label("confirmed_at"),
        Person.closed_at.label("closed_at"),
        sa.case((Organisation.state != OrganisationState.DECLINED, Membership.role)).label("role"),
    )
    .join(Person, Person.id == Token.person_id)
    .outerjoin(
        Membership,
        sa.and_(
            Membership.person_id == Token.person_id,
            Membership.organisation_id == Token.organisation_id,
            Membership.ended_at.is_(None),
        ),
    )
    .outerjoin(Organisation, Organisation.id == Membership.organisation_id)
)
