"""The HTTP interface under /v1: who may call, idempotency, and which path does what."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import HTTPException

from ewaste.practice import checkout, connect, payments
from ewaste.practice.errors import ApiError, missing, wrong_parameter
from ewaste.practice.params import Params
from ewaste.practice.store import JSON, Books, Store

api = Blueprint("api", __name__)

ANSWERS_KEPT_SECONDS = 86_400
_KEY = re.compile(r"sk_(practice|test)_[A-Za-z0-9_]{1,200}\Z")


def _retrieve_event(books: Books, params: Params, reference: str) -> JSON:
    params.finish()
    if (event := books.get(reference, "event")) is None:
        raise missing("event", reference)
    return event


_ROUTES: list[tuple[str, str, Callable[..., JSON]]] = [
    ("POST", "accounts", connect.create_account),
    ("GET", r"accounts/(\w+)", connect.retrieve_account),
    ("POST", "account_links", connect.create_link),
    ("POST", "payment_intents", payments.create_intent),
    ("GET", r"payment_intents/(\w+)", payments.retrieve_intent),
    ("POST", r"payment_intents/(\w+)/confirm", payments.confirm_intent),
    ("POST", r"payment_intents/(\w+)/capture", payments.capture_intent),
    ("POST", r"payment_intents/(\w+)/cancel", payments.cancel_intent),
    ("GET", r"charges/(\w+)", payments.retrieve_charge),
    ("POST", "refunds", payments.create_refund),
    ("GET", r"refunds/(\w+)", payments.retrieve_refund),
    ("POST", "checkout/sessions", checkout.create_session),
    ("GET", r"checkout/sessions/(\w+)", checkout.retrieve_session),
    ("POST", r"checkout/sessions/(\w+)/expire", checkout.expire_session),
    ("POST", "transfers", connect.create_transfer),
    ("GET", r"transfers/(\w+)", connect.retrieve_transfer),
    ("POST", r"transfers/(\w+)/reversals", connect.create_reversal),
    ("POST", "topups", connect.create_topup),
    ("GET", "balance", connect.retrieve_balance),
    ("GET", r"events/(\w+)", _retrieve_event),
]
# What can be listed: the kind of object, and the filters beside `created`.
_LISTS = {
    "accounts": ("account", ()),
    "payment_intents": ("payment_intent", ()),
    "charges": ("charge", ("payment_intent", "transfer_group")),
    "refunds": ("refund", ("payment_intent", "charge")),
    "checkout/sessions": ("checkout.session", ("payment_intent", "status")),
    "transfers": ("transfer", ("transfer_group", "destination")),
    "topups": ("topup", ("status",)),
    "events": ("event", ("type",)),
}


class Keys:
    """The idempotency keys in use at this moment. The answers themselves are in the store."""

    def __init__(self) -> None:
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, key: str | None) -> Iterator[None]:
        """Raises ApiError (409) while another request holds the same key."""
        with self._lock:
            if key in self._busy:
                raise ApiError(
                    409,
                    "idempotency_error",
                    f"There is currently another in-progress request using this Idempotent Key ({key}).",
                    code="idempotency_key_in_use",
                )
            if key is not None:
                self._busy.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(key or "")


@api.route("/v1/<path:path>", methods=["GET", "POST", "DELETE"])
def call(path: str) -> Response:
    """Every call of the interface comes through here."""
    store: Store = current_app.config["STORE"]
    keys: Keys = current_app.config["KEYS"]
    raw = request.get_data()  # read first: an answer before the whole request may get lost
    try:
        _admit()
        if request.method != "POST":
            params = Params.decode(_pairs(request.query_string))
            with store.open() as books:
                return _respond(200, _perform(books, request.method, path, params))
        pairs = _pairs(raw)
        key = request.headers.get("Idempotency-Key")
        if key is not None and not 0 < len(key) <= 255:
            raise wrong_parameter("Idempotency-Key must have between 1 and 255 characters.", "Idempotency-Key")
        with keys.hold(key):
            return _once(store, key, path, pairs)
    except ApiError as problem:
        return _respond(problem.status, problem.body)


@api.errorhandler(HTTPException)
def unusual(problem: HTTPException) -> Response:
    """A request that the server itself refused, such as one that is too large."""
    body = {"error": {"type": "invalid_request_error", "message": problem.description or problem.name}}
    return _respond(problem.code or 400, body)


@api.errorhandler(Exception)
def broken(problem: Exception) -> Response:
    """A fault of this program: nothing was kept, and the caller may ask again."""
    logging.getLogger(__name__).error("A call broke off.", exc_info=problem)
    return _respond(500, {"error": {"type": "api_error", "message": "Practice money broke off. Nothing was kept."}})


def perform_once(store: Store, key: str | None, path: str, pairs: list[tuple[str, str]]) -> tuple[int, JSON, bool]:
    """Carries out a POST, or replays the answer kept under its key: (status, body, replayed).

    The work and the kept answer are one transaction: there is never one without the other.
    """
    digest = hashlib.sha256(json.dumps(sorted(pairs)).encode()).hexdigest()
    with store.open() as books:
        books.key = key
        if key is not None and (kept := _kept(books, key, path, digest)) is not None:
            return (*kept, True)
        try:
            status, body = 200, _perform(books, "POST", path, Params.decode(pairs))
        except ApiError as problem:
            if not problem.recorded:
                raise
            status, body = problem.status, problem.body
        if key is not None:
            books.db.execute(
                "insert into answers (key, path, digest, status, body, created) values (?, ?, ?, ?, ?, ?)",
                (key, path, digest, status, json.dumps(body), books.now),
            )
        return status, body, False


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=1_000)
    except ValueError as problem:
        raise wrong_parameter(f"The parameters cannot be read: {problem}", "body") from problem


def _once(store: Store, key: str | None, path: str, pairs: list[tuple[str, str]]) -> Response:
    status, body, replayed = perform_once(store, key, path, pairs)
    response = _respond(status, body)
    if key is not None:
        response.headers["Idempotency-Key"] = key
    if replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _kept(books: Books, key: str, path: str, digest: str) -> tuple[int, JSON] | None:
    books.db.execute("delete from answers where created <= ?", (books.now - ANSWERS_KEPT_SECONDS,))
    row = books.db.execute("select path, digest, status, body from answers where key = ?", (key,)).fetchone()
    if row is None:
        return None
    if row[0] != path:
        raise ApiError(
            400,
            "idempotency_error",
            "Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('/v1/{path}' vs '/v1/{row[0]}'). Try using a key other than '{key}' if you meant to execute a "
            "different request.",
        )
    if row[1] != digest:
        raise ApiError(
            400,
            "idempotency_error",
            "Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request.",
        )
    return row[2], json.loads(row[3])


def _admit() -> None:
    auth = request.authorization
    key = (auth.token if auth and auth.type == "bearer" else auth.username if auth else None) or ""
    if not _KEY.match(key):
        raise ApiError(
            401,
            "invalid_request_error",
            "Practice money takes keys that start with sk_practice_ or sk_test_, and never a live key.",
        )
    if request.headers.get("Stripe-Account"):
        raise wrong_parameter("Practice money acts for the platform account only.", "Stripe-Account")


def _perform(books: Books, method: str, path: str, params: Params) -> JSON:
    expand = [str(e) for e in params.items("expand")]
    if method == "GET" and path in _LISTS:
        return _expanded(books, _list(books, path, params), expand)
    for verb, pattern, work in _ROUTES:
        if verb == method and (match := re.fullmatch(pattern, path)):
            return _expanded(books, work(books, params, *match.groups()), expand)
    raise ApiError(
        404,
        "invalid_request_error",
        f"Unrecognized request URL ({method}: /v1/{path}). Practice money does not know this part of Stripe.",
    )


def _list(books: Books, path: str, params: Params) -> JSON:
    kind, filters = _LISTS[path]
    limit = params.integer("limit", low=1, high=100, default=10)
    where = {name: value for name in filters if (value := params.optional(name)) is not None}
    bounds: dict[str, Any] = {}
    if params.has("created"):
        created = params.inner("created")
        top = 2**40
        if created.has("gte"):
            bounds["since"] = created.integer("gte", low=0, high=top)
        elif created.has("gt"):
            bounds["since"] = created.integer("gt", low=0, high=top) + 1
        if created.has("lte"):
            bounds["until"] = created.integer("lte", low=0, high=top)
        elif created.has("lt"):
            bounds["until"] = created.integer("lt", low=0, high=top) - 1
        created.finish()
    after = params.optional("starting_after")
    params.finish()
    if after is not None and books.get(after, kind) is None:
        raise missing(kind, after, "starting_after", in_path=False)
    found = books.select(kind, where=where, before=after, limit=limit + 1, **bounds)
    data = [checkout.shown(one) if kind == "checkout.session" else one for one in found[:limit]]
    return {"object": "list", "data": data, "has_more": len(found) > limit, "url": f"/v1/{path}"}


def _expanded(books: Books, body: JSON, expand: list[str]) -> JSON:
    """Puts whole objects where their ids stand, on the paths the caller named."""
    for path in expand:
        here: list[Any] = [body]
        for step in path.split(".")[:4]:
            following: list[Any] = []
            for one in here:
                value = one.get(step) if isinstance(one, dict) else None
                if isinstance(value, str) and (whole := books.get(value)) is not None:
                    value = one[step] = whole
                following += value if isinstance(value, list) else [value]
            here = following
    return body


def _respond(status: int, body: JSON) -> Response:
    response = Response(json.dumps(body), status=status, mimetype="application/json")
    response.headers["Request-Id"] = f"req_{secrets.token_hex(7)}"
    response.headers["Cache-Control"] = "no-store"
    return response
