"""The edge of the web: transactions, the acting person, and how a refusal is answered and kept.

A page opens one transaction, calls one step and redirects. When the step refuses, the transaction is rolled back, the
refusal is noted in a second one, and the person reads the sentence, with everything typed still there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import flask
from flask import current_app, g, request
from flask_login import current_user
from sqlalchemy.orm import Session

from ewaste.accounts.models import ANONYMOUS, Actor, Role
from ewaste.accounts.sessions import Missing, SignedIn
from ewaste.centres.credentials import Issuers
from ewaste.core import clock, refusals
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.refusals import Refusal
from ewaste.payments.gateway import Gateway

# The one table from kinds of refusal to HTTP.
STATUS = {
    "not-found": 404,
    "not-allowed": 403,
    "invalid": 422,
    "conflict": 409,
    "certificate-refused": 422,
    "too-many": 429,
}
# What templates and people call a role, where it differs from the policy's word.
ROLE_WORDS = {Role.OPERATOR: "centre"}


@dataclass(frozen=True)
class Runtime:
    """What a running site stands on."""

    config: Config
    database: Database
    gateway: Gateway
    issuers: Issuers


class User:
    """The signed-in person as flask-login and the templates see them."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, signed_in: SignedIn, token: str) -> None:
        self.signed_in = signed_in
        self.actor = signed_in.actor
        self.name = signed_in.actor.name
        self.email = signed_in.email
        self.confirmed = signed_in.actor.confirmed
        self.role = ROLE_WORDS.get(signed_in.actor.role, signed_in.actor.role.value)
        self.organisation_name = signed_in.organisation_name
        self._token = token

    def get_id(self) -> str:
        """What the session cookie carries: the token of the session."""
        return self._token


def runtime() -> Runtime:
    """The running site."""
    return cast(Runtime, current_app.extensions["ewaste"])


@contextmanager
def transaction() -> Iterator[Session]:
    """One step, whole or not at all."""
    with runtime().database.transaction() as session:
        yield session


@contextmanager
def reading() -> Iterator[Session]:
    """For a list: a few reads that need not fit each other to the instant, without a transaction around them."""
    with runtime().database.reading() as session:
        yield session


def now() -> datetime:
    """The time of this request: read once."""
    if "now" not in g:
        g.now = clock.now()
    return cast(datetime, g.now)


def actor() -> Actor:
    """Who acts: the program that calls the API (a station, a token’s person), the person who signed in, or nobody."""
    program = g.get("program")  # Set by the API, where cookies count for nothing.
    if program is not None:
        return cast(Actor, program)
    return cast(Actor, current_user.actor) if current_user.is_authenticated else ANONYMOUS


def half() -> SignedIn | None:
    """Who gave a password here, but not yet the second factor that the account needs; None when it lacks nothing."""
    return None if current_user.is_authenticated else cast("SignedIn | None", g.get("half"))


def not_fresh(onward: str) -> flask.typing.ResponseReturnValue | None:
    """Before something that matters: to the password again and back, when it was given a while ago; else None."""
    if current_user.signed_in.fresh(now()):
        return None
    return flask.redirect(flask.url_for("proofs.again", next=onward), 303)


def require_account() -> flask.typing.ResponseReturnValue | None:
    """For `before_request` of pages that need an account: to the sign-in and back. None when somebody signed in.

    What a form sent is kept until then, so that nothing typed is lost.
    """
    if current_user.is_authenticated:
        return None
    if request.method in ("GET", "HEAD"):
        onward = request.full_path.rstrip("?")
        waits = half()
        if waits is None:
            return flask.redirect(flask.url_for("accounts.sign_in", next=onward), 303)
        return flask.redirect(second_step(waits, onward), 303)
    from ewaste.web import resend  # It stands on this module.

    return resend.signed_out()


def second_step(waits: SignedIn, onward: str | None) -> str:
    """Where somebody who gave the password goes next: to show the second factor, or to set one up."""
    endpoint = "second_factor.prove" if waits.missing is Missing.PROVE else "second_factor.overview"
    return flask.url_for(endpoint, next=onward)


def local_path(text: str | None) -> str | None:
    """Where a person wanted to go, if that is a path on this site; None for anything that leads away from it."""
    path = (text or "").strip()
    if not 1 <= len(path) <= 500 or not path.startswith("/") or path.startswith("//"):
        return None
    # Browsers read a backslash as a slash, and drop control characters: "/\\evil.example" is another site.
    if "\\" in path or not path.isprintable() or not path.isascii():
        return None
    return path


def keep(refusal: Refusal) -> int:
    """Note a refusal in a transaction of its own. Returns the HTTP status that answers it."""
    subject = ", ".join(f"{name}={value}" for name, value in (request.view_args or {}).items()) or None
    who = actor().id
    with transaction() as session:
        if who is not None and actor().role is Role.STATION:
            subject = f"station={who}" if subject is None else f"{subject}, station={who}"
        refusals.note(
            session, refusal, action=request.endpoint or request.path, actor_id=who, subject=subject, now=now()
        )
    return STATUS.get(refusal.kind, 400)


def errors_of(refusal: Refusal) -> dict[str, str]:
    """The refusal as a form shows it: field name → sentence; "" is about the whole form."""
    return {refusal.field or "": refusal.message}


def page(template: str, status: int = 200, **context: Any) -> flask.Response:
    """A rendered page."""
    return flask.make_response(flask.render_template(template, **context), status)


def minor_units(text: str, field: str, *, empty: int | None = None) -> int:
    """An amount as typed ("1,234.50", "1234,5", "12") in minor units. Raises `Invalid` naming the field."""
    bare = text.strip().replace(" ", "").replace("\u00a0", "").removeprefix("€").removesuffix("€")
    if not bare and empty is not None:
        return empty
    if "," in bare and "." in bare:  # The later of the two separates the cents.
        bare = bare.replace("," if bare.rindex(".") > bare.rindex(",") else ".", "")
    bare = bare.replace(",", ".")
    whole, _, cents = bare.partition(".")
    digits = (whole + cents).isascii() and whole.isdigit() and (not cents or cents.isdigit())
    if not digits or len(whole) > 9 or len(cents) > 2:
        raise refusals.Invalid("Type an amount in euros, such as 120 or 120.50.", field=field)
    return int(whole) * 100 + int(cents.ljust(2, "0") or 0)


def whole_number(text: str, field: str, *, low: int, high: int, unit: str) -> int:
    """A whole number as typed. Raises `Invalid` naming the field."""
    bare = text.strip()
    if not (bare.isascii() and bare.isdigit() and len(bare) <= 12 and low <= int(bare) <= high):
        raise refusals.Invalid(f"Type a whole number of {unit}, from {low:,} to {high:,}.", field=field)
    return int(bare)


def uuid_or_none(text: str) -> UUID | None:
    """A UUID as a form sends it; None when it is none."""
    try:
        return UUID(text)
    except ValueError:
        return None
