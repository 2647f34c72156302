"""Accounts: opening one, signing in, the password and the address, and closing it.

Passwords are hashed with argon2id (library defaults of argon2-cffi, RFC 9106 low-memory profile).
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ewaste.accounts.models import Person
from ewaste.core.refusals import Conflict, Invalid

MINIMUM_PASSWORD = 10
LEAST_DIFFERENT = 4
KEYBOARD = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "qwertzuiop", "asdfghjkl", "1q2w3e4r5t6z7u8i9o0p",
            "1q2w3e4r5t6y7u8i9o0p")  # fmt: skip
# The words that long and common passwords are made of, before the digits and signs that people add to them.
COMMON = frozenset(
    {"password", "passwort", "passw0rd", "p@ssw0rd", "p@ssword", "administrator", "admin", "welcome", "willkommen",
     "iloveyou", "letmein", "changeme", "qwerty", "qwertz", "abc", "hallo", "test", "football", "sunshine", "princess",
     "clearhand"}
)  # fmt: skip
_hasher = PasswordHasher()
# Verified when no account has the address, so that an unknown address takes as long as a wrong password.
_NOBODY = _hasher.hash("nobody has this password")


def open_account(
    session: Session,
    *,
    email: str,
    name: str,
    password: str,
    now: datetime,
    sample: bool = False,
    confirmed: bool = False,
) -> Person:
    """Open an account, `confirmed` when the address was shown to be theirs.

    Raises `Invalid` for a field that cannot be taken, `Conflict` when the address has an account.
    """
    address, known_as = address_of(email), name_of(name)
    _require_password(password, address)
    if session.scalar(sa.select(Person.id).where(Person.email == address)):
        raise Conflict("There is an account with this address already. Sign in instead.", field="email")
    person = Person(
        email=address,
        name=known_as,
        password_hash=_hasher.hash(password),
        created_at=now,
        sample=sample,
        email_confirmed_at=now if sample or confirmed else None,
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


def check_password(person: Person, password: str) -> None:
    """Ask for the password again. Raises `Invalid`."""
    try:
        _hasher.verify(person.password_hash, password[:200])
    except (VerificationError, InvalidHashError) as error:
        raise Invalid("This is not your password. Try again.", field="password") from error


def set_password(session: Session, person: Person, password: str) -> None:
    """A new password. Raises `Invalid` when it cannot be taken."""
    _require_password(password, person.email)
    person.password_hash = _hasher.hash(password)
    session.flush()


def change_address(session: Session, person: Person, address: str, *, now: datetime) -> None:
    """The person has shown that this address is theirs. Raises `Conflict` when it has an account already."""
    taken = session.scalar(sa.select(Person.id).where(Person.email == address, Person.id != person.id))
    if taken is not None:
        raise Conflict("Another account has this address by now. Yours stays as it is.", field="email")
    person.email, person.email_confirmed_at = address, now
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise Conflict("Another account has this address by now. Yours stays as it is.", field="email") from error


def by_address(session: Session, email: str) -> Person | None:
    """The person with this address, if there is an account."""
    return session.scalar(sa.select(Person).where(Person.email == email.strip().lower()[:254]))


def close(session: Session, person: Person, *, now: datetime) -> None:
    """The account is gone: no name, no address, no password. What it did stays, under its id."""
    person.name, person.email = "closed account", f"closed-{person.id}@closed.invalid"
    person.password_hash, person.closed_at, person.email_confirmed_at = "closed", now, None
    session.flush()


def address_of(text: str) -> str:
    """An e-mail address as it is kept. Raises `Invalid` for what is none."""
    address = text.strip().lower()
    well_made = 3 <= len(address) <= 254 and "@" in address[1:-1] and address.isprintable()
    if not well_made or any(c.isspace() or c in '<>,;:()[]\\"' for c in address):
        raise Invalid("This is no e-mail address. It should look like name@example.org.", field="email")
    return address


def name_of(text: str) -> str:
    """A person's name as it is kept, on one line. Raises `Invalid`."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= 120:
        raise Invalid("Tell us your name, in at most 120 characters.", field="name")
    return name


def _require_password(password: str, address: str) -> None:
    """Length first (NIST SP 800-63B, 3.1.1.2), then what is tried first: the address itself, digits, a pattern."""
    if not MINIMUM_PASSWORD <= len(password) <= 200:
        raise Invalid(f"Choose a password of {MINIMUM_PASSWORD} to 200 characters.", field="password")
    plain = "".join(password.casefold().split())
    if plain in (address.casefold(), address.casefold().partition("@")[0]):
        raise Invalid("This is your e-mail address. Choose a password that nobody can guess from it.", field="password")
    if plain.isdigit():
        raise Invalid("Digits alone are guessed quickly. Add some words.", field="password")
    if len(set(plain)) < LEAST_DIFFERENT or any(plain in row * 3 for row in KEYBOARD):
        raise Invalid(
            "This is a pattern that is tried first. Choose some words that belong together only for you.",
            field="password",
        )
    if plain.strip("0123456789!.?-_*#") in COMMON:
        raise Invalid("This is one of the passwords that are tried first. Choose another one.", field="password")
