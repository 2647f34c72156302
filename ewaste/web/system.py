"""What programs ask of the site: is it alive, is it ready, whom does it trust, and who are its issuers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import flask
from flask import Blueprint

from ewaste.accounts import policy
from ewaste.accounts.models import WORKER, Person
from ewaste.accounts.policy import Action
from ewaste.centres import accreditors, credentials, listing
from ewaste.core.refusals import NotAllowed, NotFound
from ewaste.journey import clearing
from ewaste.views import vitals
from ewaste.web import metrics
from ewaste.web.edge import actor, now, runtime, transaction

pages = Blueprint("system", __name__)

FORMS = ("certificate", "accreditation", "work-order", "status-list")
PUBLISHED = frozenset(("context.jsonld", *(f"{form}.schema.json" for form in FORMS)))


@pages.get("/livez")
def livez() -> flask.Response:
    """The process answers."""
    return flask.make_response({"status": "ok"})


@pages.get("/readyz")
def readyz() -> flask.Response:
    """How each part is: 200 while pages can work, with the degraded parts named; 503 when they cannot."""
    parts = vitals.readiness(runtime().database, runtime().config)
    state = vitals.overall(parts)
    named = {name: {"state": part.state, "words": part.words} for name, part in parts.items()}
    return flask.make_response({"status": state, "parts": named}, 503 if state == "down" else 200)


@pages.get("/metrics")
def market_metrics() -> flask.Response:
    """For a monitor: from this machine, or with the token. Whoever may not is not told more than that."""
    if not metrics.may_read(runtime().config):
        raise NotAllowed("Metrics are read on the site's own machine, or with the token of EWASTE_METRICS_TOKEN.")
    with transaction() as session:
        # The monitor is no person; it acts for the house, as the worker does.
        policy.require(WORKER, Action.SEE_METRICS)
        counted = vitals.counts(session)
    return flask.Response(metrics.text(counted), content_type=metrics.CONTENT_TYPE)


@pages.get("/trust.json")
def trust() -> flask.Response:
    """The trust file that verifiers pin: who may accredit, who may order, with which keys."""
    with transaction() as session:
        content = accreditors.trust_bytes(session, runtime().issuers)
    return flask.Response(content, mimetype="application/json")


@pages.get("/status/<name>")
def status_list(name: str) -> flask.Response:
    """A status list (W3C Bitstring Status List), for whoever verifies what it is about."""
    with transaction() as session:
        document = listing.served(session, runtime().issuers, name, now=now())
    answer = flask.Response(document, mimetype="application/vc")
    answer.set_etag(hashlib.sha256(document.encode()).hexdigest()[:32])
    # What was revoked a moment ago shall not be asked of a copy from yesterday.
    answer.cache_control.max_age = 60
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.make_conditional(flask.request)
    return answer


@pages.get("/vocab/wipe/v1/<name>")
def vocabulary(name: str) -> flask.Response:
    """A published context or schema (docs/spec/vocabulary.md). Its bytes never change, so it may be kept for good."""
    if name not in PUBLISHED:
        raise NotFound("There is no such context or schema.")
    content = (Path(flask.current_app.static_folder or "static") / "vocab/wipe/v1" / name).read_bytes()
    kind = "application/ld+json" if name.endswith(".jsonld") else "application/schema+json"
    answer = flask.Response(content, mimetype=kind)
    answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    answer.headers["Access-Control-Allow-Origin"] = "*"
    return answer


@pages.get("/.well-known/did.json")
def did_market() -> flask.Response:
    """The market's DID document (did:web)."""
    return flask.make_response(credentials.did_document(runtime().issuers.market))


@pages.get("/accreditation/did.json")
def did_accreditor() -> flask.Response:
    """The accreditor's DID document (did:web)."""
    with transaction() as session:
        found = accreditors.did_documents(session, runtime().issuers)
    return flask.make_response(found[runtime().issuers.accreditor.did])


@pages.get("/accreditors/<slug>/did.json")
def did_other_accreditor(slug: str) -> flask.Response:
    """The DID document of an accreditor that we host (did:web): its keys, also when it ended, for what it signed."""
    did = runtime().issuers.accreditor_did(slug)
    with transaction() as session:
        found = accreditors.did_documents(session, runtime().issuers).get(did)
    if found is None:
        raise NotFound("There is no accreditor of this name.")
    return flask.make_response(found)


@pages.get("/centres/<slug>/did.json")
def did_centre(slug: str) -> flask.Response:
    """A centre's DID document, hosted for it (did:web)."""
    with transaction() as session:
        document = clearing.centre_did_document(session, runtime().issuers.centre_did(slug), now=now())
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
