"""Errors as people and programs read them: what happened, why, and the way out."""

from __future__ import annotations

import flask
import sqlalchemy as sa
from flask import request
from flask_login import current_user
from werkzeug.exceptions import HTTPException

from ewaste.core.refusals import NotFound, Refusal
from ewaste.web.api import problems

TITLES = {
    400: ("We could not read this request", "Go back and try again. If a link brought you here, it is not whole."),
    401: ("Sign in first", "Then open this address again."),
    403: ("You may not do this", "Sign in with an account that may, or ask our desk."),
    404: ("There is nothing here", "Check the address, or look for what you want."),
    405: ("This address does not work like that", "Go back and use the button on the page."),
    409: ("This changed a moment ago", "Go back, reload the page and look again."),
    413: ("This is too large", "A photograph may have up to eight megabytes, any other file up to two."),
    422: ("Something needs another answer", "Go back and mend it; what you typed is still there."),
    429: ("Too many tries", "Wait a minute, then try again. Nothing you sent since was taken."),
    500: ("This is our fault", "Nothing you sent was half done. Try again in a minute."),
    503: ("We are not at our desk for a moment", "Nothing you sent was half done. Try again in a minute."),
}

# Role as pages name it → the way back to one's own work.
OWN_PLACES = {
    "consumer": ("My devices", "/devices"),
    "centre": ("Bench", "/bench"),
    "company": ("My devices", "/devices"),
    "collector": ("My devices", "/devices"),
    "recycler": ("Lots", "/lots"),
    "staff": ("Desk", "/staff"),
    "auditor": ("Desk", "/staff"),
    "accreditor": ("Accrediting", "/staff/accreditation"),
}

# Where somebody of a role looks for what an address did not lead to, by their own place; others search what is public.
FIND = {"/staff": "/staff/devices"}

# What is somebody else's reads the same as what does not exist, so nobody learns by guessing which of the two it is.
NOT_TOLD = {
    "market.order": "There is no order with this code, or it is not yours to see.",
    "market.invoice": "There is no order with this code, or it is not yours to see.",
    "market.withdraw_order": "There is no order with this code, or it is not yours to see.",
    "disputes.open_dispute": "There is no order with this code, or it is not yours to see.",
    "disputes.dispute": "There is no dispute with this code, or it is not yours to see.",
    "disputes.answer": "There is no dispute with this code, or it is not yours to see.",
    "recycler.accept_second_offer": "There is no offer of this lot, or it is not yours to answer.",
    "recycler.decline_second_offer": "There is no offer of this lot, or it is not yours to answer.",
    "market.pay_order": "There is no order with this code, or it is not yours to see.",
    "consumer.accept_quote": "There is no quote under this code, or it is not yours. Codes look like Q-7K3M-9QXA.",
    "consumer.confirm_offer": "There is no such offer, or it is not yours to answer.",
    "consumer.decline": "There is no such offer, or it is not yours to answer.",
    "consumer.decline_offer": "There is no such offer, or it is not yours to answer.",
}


def wants_json() -> bool:
    """Whether the caller is a program."""
    return request.path.startswith(("/api/", "/webhooks/"))


def answer(refusal: Refusal, status: int) -> flask.Response:
    """The answer to a refusal that no form shows."""
    if wants_json():
        return _json(refusal.kind, refusal.message, refusal.field, status)
    said = NOT_TOLD.get(request.endpoint or "") if isinstance(refusal, NotFound) else None
    return _page(status, what=said or refusal.message, field=refusal.field)


def http(error: HTTPException) -> flask.Response:
    """The answer to what the framework refused: an unknown address, a wrong method, too many tries."""
    status = error.code or 500
    if is_away(getattr(error, "original_exception", None)):  # It went away while a refusal was being noted.
        return away()
    if 300 <= status < 400:
        return flask.make_response(error.get_response())
    title, advice = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    if request.path.startswith(problems.PREFIX):
        return problems.http(error)
    if wants_json():
        return _json("http", f"{title}. {advice}", None, status)
    return _page(status)


def is_away(error: BaseException | None) -> bool:
    """Whether an error says that the database cannot be asked now."""
    return isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError))


def away() -> flask.Response:
    """The answer while the database is away, because it starts anew or is being looked after."""
    title, advice = TITLES[503]
    if wants_json():
        response = _json("unavailable", f"{title}. {advice}", None, 503)
    else:
        response = _page(
            503, what="Our books cannot be opened just now. They are safe, and we know that they are shut."
        )
    response.headers["Retry-After"] = "30"
    return response


def unexpected(reference: str) -> flask.Response:
    """The answer to what should not have happened. The reference is in our log."""
    if wants_json():
        return _json("unexpected", f"This is our fault. The reference is {reference}.", None, 500)
    return _page(500, why=f"The reference for our desk is {reference}.")


def _own_place() -> tuple[str, str]:
    """Where this reader's own work is. Without a database nobody is signed in, and the page still comes."""
    role = str(current_user.role) if current_user and current_user.is_authenticated else ""
    return OWN_PLACES.get(role, ("Sign in", "/sign-in"))


def _json(kind: str, message: str, field: str | None, status: int) -> flask.Response:
    if request.path.startswith(problems.PREFIX):
        return problems.answer(problems.kind_of(status), message, field=field)
    return flask.make_response({"error": {"kind": kind, "message": message, "field": field}}, status)


def _page(status: int, what: str | None = None, why: str | None = None, field: str | None = None) -> flask.Response:
    title, advice = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    own = _own_place()
    links = [own, ("Home", "/")] if status in (401, 403) else [("Home", "/"), own]
    return flask.make_response(
        flask.render_template(
            "errors/error.html",
            status=status,
            title=title,
            what=what,
            why=why,
            advice=advice,
            links=links,
            field=field,
            find=FIND.get(own[1], "/search") if status == 404 else None,
        ),
        status,
    )
