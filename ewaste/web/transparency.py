"""The public log: checkpoint, tiles, entries and proofs for programs (C2SP tlog-tiles), and a page for people.

What never changes says so, and may be kept for ever by whoever passes it on. Nothing here can sign.
"""

from __future__ import annotations

import re

import flask
from flask import Blueprint, request

from ewaste.core.refusals import NotFound
from ewaste.transparency import log, tiles
from ewaste.views import log as views
from ewaste.web.edge import page, reading, runtime, transaction

pages = Blueprint("log", __name__)

FOR_EVER = "public, max-age=31536000, immutable"
MOMENT = "public, max-age=1, must-revalidate"
MINUTE = "public, max-age=60"
_DIGEST = re.compile(r"z[1-9A-HJ-NP-Za-km-z]{40,60}")


@pages.get("/log")
def about() -> flask.Response:
    """What the log is for, how it is, how one follows it, and whether a document is in it."""
    issuers = runtime().issuers
    asked = request.args.get("q", "").strip()[:120]
    before = None if asked else views.number(request.args.get("before", "").strip())
    with transaction() as session:
        told = views.told(session, issuers, asked, before)
    home = runtime().config.public_url
    return page("transparency/log.html", told=told, trust=issuers.log, asked=asked, before=before, home=home)


@pages.get("/log/checkpoint")
def checkpoint() -> flask.Response:
    """The newest checkpoint with every cosignature (text, C2SP tlog-checkpoint)."""
    with transaction() as session:
        newest = log.newest(session)
        note = None if newest is None else log.with_cosignatures(session, newest, runtime().issuers.log)
    if note is None:
        raise NotFound("The log has no entry yet, so there is no checkpoint.")
    return _answer(note, "text/plain; charset=utf-8", MOMENT)


@pages.get("/log/tile/<path:name>")
def tile(name: str) -> flask.Response:
    """Hashes (`<level>/<number>[.p/<width>]`) or entries (`entries/…`) of the log, as far as a checkpoint covers it."""
    with reading() as session:
        found = tiles.published(session, f"tile/{name}")
    if found is None:
        raise NotFound("The log has no such tile, or not yet.")
    return _answer(found, "application/octet-stream", FOR_EVER)


@pages.get("/log/proof/<digest>")
def proof(digest: str) -> flask.Response:
    """The proof that the document with this digest is in the log (text, C2SP tlog-proof)."""
    found = None
    if _DIGEST.fullmatch(digest):
        with transaction() as session:
            found = log.proof_for(session, digest, trusted=runtime().issuers.log)
    if found is None:
        raise NotFound("The log has no entry for this document, or not yet. A new entry is there after a second.")
    return _answer(found.text, "text/plain; charset=utf-8", MINUTE)


@pages.get("/log/statement/<digest>")
def statement(digest: str) -> flask.Response:
    """A small document of ours that the log names, such as a revocation, in canonical form."""
    found = None
    if _DIGEST.fullmatch(digest):
        with reading() as session:
            found = log.statement(session, digest)
    if found is None:
        raise NotFound("We published no document with this digest.")
    return _answer(found.encode(), "application/json", FOR_EVER)


def _answer(content: bytes, kind: str, kept: str) -> flask.Response:
    """An answer that caches may keep as long as `kept` says, and that is not sent twice to whoever has it."""
    response = flask.make_response(content)
    response.headers["Content-Type"] = kind
    response.headers["Cache-Control"] = kept
    response.headers["Access-Control-Allow-Origin"] = "*"  # Public, and read by other sites' verifiers, too.
    response.add_etag()
    response.make_conditional(request)
    return response
