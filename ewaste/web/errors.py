"""Errors as people and programs read them: what happened, why, and the way out."""

from __future__ import annotations

import flask
from flask import request
from flask_login import current_user
from werkzeug.exceptions import HTTPException

from ewaste.core.refusals import NotFound, Refusal

TITLES = {
    400: ("We could not read this request", "Go back and try again."),
    403: ("You may not do this", "Sign in with an account that may, or ask our desk."),
    404: ("There is nothing here", "Check the address, or start from the home page."),
    405: ("This address does not work like that", "Go back and use the button on the page."),
    409: ("This changed a moment ago", "Go back, reload the page and look again."),
    413: ("This is too large", "A file may have up to two megabytes."),
    422: ("Something needs another answer", "Go back and mend it; what you typed is still there."),
    429: ("Too many tries", "Wait a minute, then try again."),
    500: ("This is our fault", "Nothing you sent was half done. Try again in a minute."),
}

# Role as pages name it → the way back to one's own work.
OWN_PLACES = {
    "consumer": ("My devices", "/devices"),
    "centre": ("Bench", "/bench"),
    "recycler": ("Lots", "/lots"),
    "staff": ("Desk", "/staff"),
    "auditor": ("Desk", "/staff"),
}

# What is somebody else's reads the same as what does not exist, so nobody learns by guessing which of the two it is.
NOT_TOLD = {
    "accounts.order": "There is no order with this code, or it is not yours to see.",
    "accounts.pay_order": "There is no order with this code, or it is not yours to see.",
    "consumer.accept_quote": "There is no quote under this code, or it is not yours. Codes look like Q-7K3M-9QXA.",
    "consumer.confirm_offer": "There is no such offer, or it is not yours to answer.",
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
    if 300 <= status < 400:
        return flask.make_response(error.get_response())
    title, advice = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    if wants_json():
        return _json("http", f"{title}. {advice}", None, status)
    return _page(status)


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
    return flask.make_response({"error": {"kind": kind, "message": message, "field": field}}, status)


def _page(status: int, what: str | None = None, why: str | None = None, field: str | None = None) -> flask.Response:
    title, advice = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    links = [("Home", "/"), _own_place()]
    return flask.make_response(
        flask.render_template(
            "errors/error.html", status=status, title=title, what=what, why=why, advice=advice, links=links, field=field
        ),
        status,
    )
