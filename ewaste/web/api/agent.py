"""The wipe agent's API: enrol, fetch orders and how they stand, submit certificates, note starts, cosign the log.

docs/spec/agent-api.md describes it. Every call but `enrol` is signed per RFC 9421 by the station's key, over method,
path and the digest of the body; each nonce is admitted once. A refused certificate is a receipt, not an error: it was
received, judged and kept.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import flask
from flask import Blueprint, g, request
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ED25519
from http_message_signatures.exceptions import HTTPMessageSignaturesException

from ewaste.accounts.models import Organisation
from ewaste.centres import accreditors, credentials, stations
from ewaste.centres.models import Centre, Station
from ewaste.core import clock
from ewaste.core.refusals import Invalid, NotAllowed
from ewaste.journey import clearing, witnessing
from ewaste.views import issued, standing
from ewaste.web.edge import actor, now, runtime, transaction
from ewaste.web.limits import limiter
from ewaste.web.submission import submit

pages = Blueprint("agent_api", __name__, url_prefix="/api/agent")

COMPONENTS = ("@method", "@path", "content-digest")
MOST_FILES = 16
MOST_FILE_CHARACTERS = 300_000
MOST_CHECKPOINT_CHARACTERS = 32_768


@pages.before_request
def _who_signed() -> None:
    """Every call but enrolment is by an enrolled station whose signature covers this very request."""
    if request.endpoint == "agent_api.enrol":
        return
    verifier = HTTPMessageVerifier(signature_algorithm=ED25519, key_resolver=_Keys())
    verifier.max_clock_skew = stations.CLOCK_TOLERANCE  # The library's own is 5 s; `use_nonce` has the last word.
    message = _Message(request.method, request.url, dict(request.headers))
    try:
        results = verifier.verify(
            message,
            max_age=timedelta(seconds=600),
            expect_tag="ewaste-agent",
            require_components=COMPONENTS,
            body=request.get_data(),
        )
        if len(results) != 1 or results[0].nonce is None:
            raise NotAllowed("A request carries one signature, with a nonce.")
        created = datetime.fromtimestamp(int(results[0].parameters["created"]), UTC)
        key_id = str(results[0].parameters["keyid"])
    except (HTTPMessageSignaturesException, KeyError, ValueError, OverflowError) as error:
        raise NotAllowed(f"The signature of this request does not hold: {error}") from error
    with transaction() as session:
        station = stations.by_method(session, key_id, now=now())
        stations.use_nonce(session, station, results[0].nonce, created, now=now())
        g.station, g.program = station, clearing.station_actor(station)


@pages.post("/enrol")
@limiter.limit("10/minute")
def enrol() -> flask.Response:
    """Trade a one-time code for an enrolment. The same key under the same code gets the same answer again."""
    body = _body()
    code, name = _text(body, "code", 60), _text(body, "station_name", 80)
    public_key, proof = _text(body, "public_key_multibase", 100), _text(body, "proof", 200)
    issuers = runtime().issuers
    with transaction() as session:
        station = clearing.enrol_station(
            session, issuers=issuers, code=code, name=name, public_key=public_key, proof=proof, now=now()
        )
        centre = session.get_one(Centre, station.centre_id)
        centre_name = session.get_one(Organisation, station.centre_id).name
        trust = credentials.trust_file(issuers, accreditors.parties(session))
    return _json(
        {
            "station_id": str(station.id),
            "verification_method": station.verification_method,
            "centre": {"id": centre.did, "name": centre_name},
            "trust": trust,
            "mode": runtime().config.mode,
            "server_time": clock.text(now()),
        },
        201,
    )


@pages.get("/orders")
def orders() -> flask.Response:
    """The open work orders of the station's centre, with what a bundle needs beside them."""
    issuers = runtime().issuers
    with transaction() as session:
        open_orders, accreditation = clearing.fetch_orders(session, actor(), now=now())
        centre = clearing.centre_did_document(session, g.station.centre_id, now=now())
        parties = list(accreditors.did_documents(session, issuers).values())
    return _json(
        {
            "orders": [
                {"code": order.code, "device_code": device_code, "document": order.document}
                for order, device_code in open_orders
            ],
            "accreditation": accreditation.document,
            "dids": credentials.text(credentials.dids_file([*parties, centre] if centre else parties)),
            "server_time": clock.text(now()),
        }
    )


@pages.post("/certificates")
def certificates() -> flask.Response:
    """Take a certificate bundle and answer with a receipt: accepted, or refused with the reason."""
    files = _body().get("files")
    if not isinstance(files, dict) or not 1 <= len(files) <= MOST_FILES:
        raise Invalid("Send the bundle as `files`: file name to text.", field="files")
    for name, text in files.items():
        if not isinstance(text, str) or len(text) > MOST_FILE_CHARACTERS or len(name) > 60:
            raise Invalid(f"The file {name[:60]!r} is not text, or too long.", field="files")
    station: Station = g.station
    receipt = submit(station, files)
    return _json(
        {
            "receipt": {
                "certificate_id": receipt.certificate_id,
                "digest": receipt.digest,
                "outcome": receipt.outcome,
                "reason": receipt.reason,
                "device_code": receipt.device_code,
                "received_at": clock.text(receipt.received_at),
            }
        }
    )


@pages.post("/issued")
def issued_after() -> flask.Response:
    """Which certificates of the station's centre came into the log after an entry, and which key signed each."""
    entry = _body().get("after")
    if not isinstance(entry, int) or isinstance(entry, bool) or not issued.FIRST <= entry < 2**53:
        raise Invalid("Send the number of the last entry that you know as `after`, or -1.", field="after")
    with transaction() as session:
        rows = issued.after(session, actor(), entry)
    told = [{"entry": number, "digest": digest, "station": station} for number, digest, station in rows]
    return _json({"issued": told, "more": len(rows) == issued.AT_ONCE, "server_time": clock.text(now())})


@pages.post("/starts")
def starts() -> flask.Response:
    """The station began to wipe under these work orders; the log then says so. Sent again, nothing changes."""
    orders = _digests()
    with transaction() as session:
        noted = witnessing.note_starts(session, actor(), orders, now=now())
    return _json({"noted": noted, "server_time": clock.text(now())})


@pages.post("/standings")
def standings() -> flask.Response:
    """How the work orders stand that the station holds: whether anything may be wiped under them now."""
    orders = _digests()
    with transaction() as session:
        told = standing.of_orders(session, actor(), orders, now=now())
    return _json({"standings": told, "server_time": clock.text(now())})


@pages.post("/cosignatures")
def cosignatures() -> flask.Response:
    """The station saw a checkpoint of ours, found that the log only grew, and signed it as a witness."""
    checkpoint = _body().get("checkpoint")
    if not isinstance(checkpoint, str) or not 1 <= len(checkpoint) <= MOST_CHECKPOINT_CHARACTERS:
        raise Invalid("Send the signed checkpoint as `checkpoint`: a text.", field="checkpoint")
    with transaction() as session:
        known = runtime().issuers.log.witnesses
        taken = witnessing.take_cosignature(session, actor(), checkpoint, known=known, now=now())
    return _json({"taken": taken, "server_time": clock.text(now())})


@dataclass
class _Message:
    """What the signature library wants to see of a request."""

    method: str
    url: str
    headers: dict[str, str]


class _Keys(HTTPSignatureKeyResolver):
    """Public keys of enrolled stations, by key id."""

    def resolve_public_key(self, key_id: str) -> Any:
        """The key that must have signed. Raises `NotAllowed` for an unknown or revoked station."""
        with transaction() as session:
            return credentials.read_public_key(stations.by_method(session, key_id[:300], now=now()).public_key)


def _body() -> dict[str, Any]:
    try:
        body = json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise Invalid("The body is not JSON.", field="body") from error
    if not isinstance(body, dict):
        raise Invalid("The body is not a JSON object.", field="body")
    return body


def _digests() -> list[str]:
    orders = _body().get("work_orders")
    if not isinstance(orders, list) or not all(_is_digest(order) for order in orders):
        raise Invalid("Send the digests of the work orders as `work_orders`.", field="work_orders")
    return orders


def _text(body: dict[str, Any], field: str, longest: int) -> str:
    value = body.get(field)
    # Printable: NUL and half a surrogate pair cannot be stored, and the rest has no place in a name or a code.
    if not isinstance(value, str) or not 1 <= len(value) <= longest or not value.isprintable():
        raise Invalid(f"`{field}` is a text of 1 to {longest} characters, in one line.", field=field)
    return value


def _is_digest(value: object) -> bool:
    # Letters and digits: NUL and half a surrogate pair cannot even be looked for.
    return isinstance(value, str) and len(value) <= 100 and value.isascii() and value.isalnum()


def _json(content: dict[str, Any], status: int = 200) -> flask.Response:
    return flask.make_response(content, status)
