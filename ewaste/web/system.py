"""What programs ask of the site: is it alive, is it ready, whom does it trust, and who are its issuers."""

from __future__ import annotations

import flask
from flask import Blueprint

from ewaste.accounts.models import Person
from ewaste.centres import credentials
from ewaste.core.refusals import NotAllowed, NotFound
from ewaste.journey import clearing
from ewaste.web.edge import actor, ready, runtime, transaction

pages = Blueprint("system", __name__)


@pages.get("/livez")
def livez() -> flask.Response:
    """The process answers."""
    return flask.make_response({"status": "ok"})


@pages.get("/readyz")
def readyz() -> flask.Response:
    """Whether every part that pages need answers; 503 names the one that does not."""
    parts = ready(runtime().database)
    ok = all(state == "ok" for state in parts.values())
    return flask.make_response({"status": "ok" if ok else "not ready", "parts": parts}, 200 if ok else 503)


@pages.get("/trust.json")
def trust() -> flask.Response:
    """The trust file that verifiers pin: who may accredit, who may order, with which keys."""
    return flask.Response(credentials.trust_bytes(runtime().issuers), mimetype="application/json")


@pages.get("/.well-known/did.json")
def did_market() -> flask.Response:
    """The market's DID document (did:web)."""
    return flask.make_response(credentials.did_document(runtime().issuers.market))


@pages.get("/accreditation/did.json")
def did_accreditor() -> flask.Response:
    """The accreditor's DID document (did:web)."""
    return flask.make_response(credentials.did_document(runtime().issuers.accreditor))


@pages.get("/centres/<slug>/did.json")
def did_centre(slug: str) -> flask.Response:
    """A centre's DID document, hosted for it (did:web)."""
    with transaction() as session:
        document = clearing.centre_did_document(session, runtime().issuers.centre_did(slug))
    if document is None:
        raise NotFound("There is no test centre of this name.")
    return flask.make_response(document)


@pages.get("/whoami")
def whoami() -> flask.Response:
    """As whom this session acts: for scripts that sign in, and the page that others are measured against."""
    if actor().id is None:
        raise NotAllowed("Nobody is signed in here.")
    with transaction() as session:
        person = session.get_one(Person, actor().id)
    words = f"{person.name} <{person.email}>, {actor().role.value}\n"
    return flask.Response(words, mimetype="text/plain")


@pages.get("/favicon.ico")
def favicon() -> flask.Response:
    """Browsers ask for it unasked."""
    return flask.make_response(flask.redirect(flask.url_for("static", filename="core/favicon.svg"), 308))
