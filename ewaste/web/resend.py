"""Forms that came when their session had ended: nothing that was typed is lost.

Who sends a form without being signed in gets the sign-in page, and on it, sealed with our key, what was typed. After
the sign-in by the same person it is kept in the database for a day, and a page shows it: one click sends it again.
Files and passwords are never kept. A form whose token fits no more, as its session was renewed, is shown the same way
at once, if the browser says that it came from a page of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import flask
import sqlalchemy as sa
from flask import Blueprint, request, url_for
from flask_login import current_user
from itsdangerous import BadData, URLSafeSerializer, URLSafeTimedSerializer

from ewaste.accounts import kept_forms, policy, sessions
from ewaste.accounts.models import Person
from ewaste.accounts.policy import Action
from ewaste.core.refusals import Conflict, NotAllowed, Refusal
from ewaste.web import bench
from ewaste.web.edge import (
    actor,
    half,
    keep,
    local_path,
    now,
    page,
    require_account,
    runtime,
    transaction,
    uuid_or_none,
)

pages = Blueprint("resend", __name__)
pages.before_request(require_account)

# Forms that are only secrets, or that lead in: they are typed anew.
NEVER = frozenset(
    {
        "accounts.sign_in", "accounts.sign_up", "accounts.sign_out", "accounts.sign_out_everywhere", "accounts.close",
        "proofs", "second_factor", "firms.invitation", "tokens",
    }
)  # fmt: skip
SECRETS = frozenset({"csrf_token", "typed_by", "kept", "code"})
# How the fields of the forms that most often come too early or too late are called on their pages.
LABELS = {
    "serial": "Serial number or IMEI",
    "silence": "If you do not answer a new offer",
    "floor": "Your floor",
    "owner": "The device is mine to sell",
    "maximum": "Your maximum",
    "organisation": "Organisation",
    "email": "E-mail address",
    "mass_g": "Weight in grams",
}
ANSWERS = {
    ("silence", "send-back"): "Send it back to me",
    ("silence", "floor"): "Accept, down to my floor",
}
_SALT = "a form that came too late"
_WHO = "who typed a form"


@dataclass(frozen=True, slots=True)
class Late:
    """A form that came too late: where it goes, its fields, and whose session it was, if that is known."""

    path: str
    fields: list[list[str]]
    person_id: UUID | None


def signed_out() -> flask.Response:
    """The answer to a form of somebody who is not signed in: sign in, and what was typed can be sent then."""
    from ewaste.web import accounts  # Its pages stand on `edge`, which calls this.

    late = _late()
    refusal = NotAllowed(
        "Sign in; what you typed is kept, and you can send it then."
        if late
        else "You are not signed in, so this was not sent. Sign in first."
    )
    status = keep(refusal)
    waits = half()
    if waits is not None:
        # The password was given already; what is missing is the second factor.
        return flask.make_response(flask.redirect(accounts.onward_with(waits, late, None), 303))
    return accounts.sign_in_page(
        local_path(_page_of_form()), status=status, errors={"": refusal.message}, kept=seal(late) if late else None
    )


def forged() -> flask.Response | None:
    """The answer to a form whose token does not fit; None when there is no telling where the form came from."""
    late = _late() if _from_us() else None
    if late is None:
        return None
    if not current_user.is_authenticated:
        # The cookie is gone, too. Where the page needs an account, the way leads over the sign-in, as for every form.
        for guard in flask.current_app.before_request_funcs.get(request.blueprint, ()):
            answer = guard()
            if isinstance(answer, flask.Response):
                return answer
    if current_user.is_authenticated and late.person_id not in (None, current_user.signed_in.person_id):
        refusal = Conflict(_anothers(late.person_id))
        return page("accounts/send_again.html", keep(refusal), path=None, anothers=refusal.message)
    status = keep(Conflict("This form was opened before your session was renewed, so it was not sent."))
    return _page(late.path, late.fields, status=status)


def unconfirmed(refusal: Refusal) -> flask.Response:
    """The answer to somebody whose address is not confirmed: what was typed waits until it is."""
    status, late = keep(refusal), _late()
    onward = keep_for(current_user.signed_in.person_id, late)
    return page("accounts/unconfirmed.html", status, email=current_user.email, onward=onward)


def seal(late: Late) -> str:
    """A late form as it stands hidden on the sign-in page."""
    return str(_serializer().dumps([late.path, late.fields, str(late.person_id) if late.person_id else None]))


def unseal(text: str | None) -> Late | None:
    """A late form again; None when it is none of ours, or too old."""
    if not text or len(text) > 4 * kept_forms.LARGEST:
        return None
    try:
        path, fields, person_id = _serializer().loads(text, max_age=int(kept_forms.KEPT_FOR.total_seconds()))
    except (BadData, ValueError, TypeError):
        return None
    return Late(path, fields, UUID(person_id) if person_id else None)


def keep_for(person_id: UUID, late: Late | None) -> str | None:
    """Keep a late form for who has just signed in. Returns the page that sends it; None when it was another's."""
    if late is None:
        return None
    if late.person_id not in (None, person_id):
        flask.flash(_anothers(late.person_id), "bad")
        return None
    with transaction() as session:
        form_id = kept_forms.keep(session, person_id, path=late.path, fields=late.fields, now=now())
    return url_for("resend.send_again", id=form_id)


@pages.get("/send-again/<uuid:id>")
def send_again(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """What was typed before the session ended, and the button that sends it."""
    me = actor()
    policy.require(me, Action.CHANGE_ACCOUNT, owner=me.id)
    with transaction() as session:
        kept = kept_forms.find(session, current_user.signed_in.person_id, id, now=now())
        path, fields = kept.path, kept.fields
    return _page(path, fields)


def _page(path: str, fields: list[Any], *, status: int = 200) -> flask.Response:
    shown = bench.kept_in_words(path, fields) or [
        _in_words(name, value) for name, value in fields if value.strip() and not uuid_or_none(value)
    ]
    # Whoever has just opened an account cannot send it yet: first the address is confirmed.
    early = current_user.is_authenticated and not current_user.confirmed
    return page(
        "accounts/send_again.html",
        status,
        path=path,
        fields=fields,
        shown=shown,
        sale=path.startswith("/quotes/"),
        confirm_first=current_user.email if early else None,
        no_files=bool(request.files),
    )


def _in_words(name: str, value: str) -> tuple[str, str]:
    """A field as its form showed it: label and answer; a field that stands in no table by its name."""
    label = LABELS.get(name, name.removeprefix("back_").replace("_", " ").capitalize())
    return label, ANSWERS.get((name, value), "Yes" if value in ("yes", "on") else value)


def _late() -> Late | None:
    """The form of this request, if it is one to keep."""
    if request.method != "POST" or request.blueprint in NEVER or request.endpoint in NEVER or request.endpoint is None:
        return None
    path = local_path(request.full_path.rstrip("?"))
    fields = [
        [name, value]
        for name, values in request.form.lists()
        for value in values
        if name not in SECRETS and "password" not in name
    ]
    size = sum(len(name.encode()) + len(value.encode("utf-8", "replace")) for name, value in fields)
    if path is None or size > kept_forms.LARGEST or len(fields) > 500 or "\x00" in str(fields):
        return None
    return Late(path, fields, _whose())


def typed_by() -> str:
    """Who reads the page on which a form stands, sealed: a form stays theirs, whoever signs in at this browser next."""
    if not current_user.is_authenticated:
        return ""
    return _sealed(_key(), current_user.signed_in.person_id)


def _key() -> str:
    return cast(str, flask.current_app.secret_key)


@lru_cache(maxsize=1_000)
def _sealed(secret: str, person_id: UUID) -> str:
    return str(URLSafeSerializer(secret, salt=_WHO).dumps(str(person_id)))


def _anothers(person_id: UUID) -> str:
    """The sentence for somebody who may not send what this person typed."""
    with transaction() as session:
        name = session.scalar(sa.select(Person.name).where(Person.id == person_id)) or "Somebody else"
    return f"{name} typed this. Only they can send it; sign in as {name} to do so. Nothing was sent."


def _whose() -> UUID | None:
    """Who typed the form: it says so itself; else whose session this was, as far as its cookie still tells."""
    sealed = request.form.get("typed_by", "")
    if sealed:
        try:
            return UUID(URLSafeSerializer(_key(), salt=_WHO).loads(sealed[:300]))
        except (BadData, ValueError, TypeError, AttributeError):
            return None
    if current_user.is_authenticated:
        return actor().id
    token = flask.session.get("_user_id")
    if not isinstance(token, str):
        return None
    with transaction() as session:
        return sessions.whose(session, token[:100])


def _page_of_form() -> str | None:
    """The page on which the form stood, to go back to when nothing could be kept."""
    parts = urlsplit(request.referrer or "")
    if parts.netloc != request.host:
        return None
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _from_us() -> bool:
    """Whether the browser says that the form stood on a page of ours. Another site cannot make it say so."""
    if request.headers.get("Sec-Fetch-Site") is not None:
        return request.headers["Sec-Fetch-Site"] == "same-origin"
    origin = request.headers.get("Origin")
    return origin is not None and origin in (request.host_url.rstrip("/"), runtime().config.public_url)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_key(), salt=_SALT)
