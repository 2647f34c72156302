"""Accounts: opening one, signing in, and finding out as whom somebody acts.

Passwords are hashed with argon2id (library defaults of argon2-cffi, RFC 9106 low-memory profile).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor, Membership, Organisation, Person, Role
from ewaste.core.refusals import Conflict, Invalid

MINIMUM_PASSWORD = 10
_hasher = PasswordHasher()
# Verified when no account has the address, so that an unknown address takes as long as a wrong password.
_NOBODY = _hasher.hash("nobody has this password")


def open_account(
    session: Session, *, email: str, name: str, password: str, now: datetime, sample: bool = False
) -> Person:
    """Open an account. Raises `Invalid` for a field that cannot be taken, `Conflict` when the address has one."""
    address = email.strip().lower()
    if not 3 <= len(address) <= 254 or "@" not in address[1:-1] or any(c.isspace() for c in address):
        raise Invalid("This is no e-mail address. It should look like name@example.org.", field="email")
    if not 1 <= len(name.strip()) <= 120:
        raise Invalid("Tell us your name, in at most 120 characters.", field="name")
    if not MINIMUM_PASSWORD <= len(password) <= 200:
        raise Invalid(f"Choose a password of {MINIMUM_PASSWORD} to 200 characters.", field="password")
    if session.scalar(sa.select(Person.id).where(Person.email == address)):
        raise Conflict("There is an account with this address already. Sign in instead.", field="email")
    person = Person(
        email=address, name=name.strip(), password_hash=_hasher.hash(password), created_at=now, sample=sample
    )
    session.add(person)
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:  # Somebody opened it in this very moment.
        raise Conflict("There is an account with this address already. Sign in instead.", field="email") from error
    return person


def sign_in(session: Session, *, email: str, password: str) -> Person:
    """The person with this address and password. Raises `Invalid` without telling which of the two was wrong."""
    person = session.scalar(sa.select(Person).where(Person.email == email.strip().lower()[:254]))
    try:
        _hasher.verify(person.password_hash if person else _NOBODY, password[:200])
    except (VerificationError, InvalidHashError):
        person = None
    if person is None:
        raise Invalid("The e-mail address and the password do not belong together. Try again.", field="password")
    if _hasher.check_needs_rehash(person.password_hash):
        person.password_hash = _hasher.hash(password[:200])
    return person


def sign_out_everywhere(session: Session, person_id: UUID) -> None:
    """End every session of this person: those that are open carry the old epoch."""
    session.execute(sa.update(Person).where(Person.id == person_id).values(session_epoch=Person.session_epoch + 1))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who signed in: as whom they act, and what a page says of them."""

    actor: Actor
    email: str
    organisation_name: str | None


def signed_in(session: Session, person_id: UUID, epoch: int) -> SignedIn | None:
    """As whom this person acts; None when the account is gone or its sessions were ended. One statement."""
    row = session.execute(
        sa.select(
            Person.id,
            Person.name,
            Person.email,
            Person.session_epoch,
            Membership.role,
            Membership.organisation_id,
            Organisation.name.label("organisation_name"),
        )
        .outerjoin(Membership, Membership.person_id == Person.id)
        .outerjoin(Organisation, Organisation.id == Membership.organisation_id)
        .where(Person.id == person_id)
        .order_by(Membership.created_at)
        .limit(1)
    ).one_or_none()
    if row is None or row.session_epoch != epoch:
        return None
    actor = Actor(row.id, row.role or Role.CONSUMER, row.name, row.organisation_id)
    return SignedIn(actor, row.email, row.organisation_name)
