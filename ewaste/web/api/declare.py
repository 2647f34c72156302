"""Declaring an operation, and everything that happens around it: who asks, how often, with what, and for which key.

The order is always the same: the token (401), its scope (403), how often (429), the query and the body (400, 413, 415),
the idempotency key (409, 422), the step, the answer. Session cookies count for nothing here, so no page can be made to
call the API in somebody's name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial, update_wrapper
from typing import Any, NoReturn

import flask
from flask import Blueprint, g, request
from pydantic import BaseModel, ValidationError
from sqlalchemy.orm import Session

from ewaste.accounts import answers, tokens
from ewaste.accounts.models import ANONYMOUS, Actor
from ewaste.accounts.tokens import Bearer, Scope
from ewaste.core.refusals import NotAllowed
from ewaste.web.api import limits
from ewaste.web.api.problems import Problem, answer
from ewaste.web.edge import keep, now, runtime, transaction

LARGEST_BODY = 256 * 1024
DEEPEST = 12
KEY = r"[A-Za-z0-9._~:-]{8,64}"
KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"


@dataclass(frozen=True)
class Call:
    """One request, checked: the open transaction, who acts, and what was sent."""

    session: Session
    actor: Actor
    now: datetime
    query: Any
    body: Any
    bearer: Bearer | None
    key: str | None


@dataclass(frozen=True)
class Operation:
    """One operation of the API, as it is routed, checked and described.

    `scopes`: the token needs one of them. `seen_with`: no token is needed, but with one that has such a scope it is
    answered as to its person. `codes`: the parameters of the path, each with the letter of its code, "uuid" or "model".
    """

    method: str
    path: str
    function: Callable[..., BaseModel]
    tag: str
    summary: str
    text: str
    answer: type[BaseModel]
    status: int
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    scopes: tuple[Scope, ...]
    seen_with: tuple[Scope, ...]
    refuses: tuple[int, ...]
    codes: Mapping[str, str]
    limit: str
    largest: int

    @property
    def name(self) -> str:
        """The operation's name, the same in code and document."""
        return self.function.__name__

    @property
    def changes(self) -> bool:
        """Whether it changes something by a token, so that it needs an idempotency key."""
        return self.method == "POST" and bool(self.scopes)


@dataclass
class Api:
    """The declared operations, in the order of the document."""

    operations: list[Operation] = field(default_factory=list)

    def operation(
        self,
        method: str,
        path: str,
        *,
        tag: str,
        answer: type[BaseModel],
        status: int = 200,
        query: type[BaseModel] | None = None,
        body: type[BaseModel] | None = None,
        scopes: Sequence[Scope] = (),
        seen_with: Sequence[Scope] = (),
        refuses: Sequence[int] = (),
        codes: Mapping[str, str] | None = None,
        limit: str | None = None,
        largest: int = LARGEST_BODY,
    ) -> Callable[[Callable[..., BaseModel]], Callable[..., BaseModel]]:
        """Declare the operation that the decorated function does; its docstring is the description."""

        def declare(function: Callable[..., BaseModel]) -> Callable[..., BaseModel]:
            summary, _, text = (function.__doc__ or "").partition("\n\n")
            self.operations.append(
                Operation(
                    method=method,
                    path=path,
                    function=function,
                    tag=tag,
                    summary=" ".join(summary.split()).rstrip("."),
                    text=" ".join(text.split()),
                    answer=answer,
                    status=status,
                    query=query,
                    body=body,
                    scopes=tuple(scopes),
                    seen_with=tuple(seen_with),
                    refuses=tuple(refuses),
                    codes=dict(codes or {}),
                    limit=limit or (limits.READ if method == "GET" else limits.CHANGE),
                    largest=largest,
                )
            )
            return function

        return declare


def blueprint(operations: Iterable[Operation]) -> Blueprint:
    """The routes of these operations."""
    pages = Blueprint("api", __name__, url_prefix="/api/v1")
    pages.before_request(_nobody_yet)
    for one in operations:
        rule = one.path
        for name, kind in one.codes.items():
            rule = rule.replace(f"{{{name}}}", f"<uuid:{name}>" if kind == "uuid" else f"<{name}>")
        # A partial has no name, and the rate limits know every view by its name.
        view = update_wrapper(partial(_serve, one), one.function)
        pages.add_url_rule(rule, one.name, view, methods=[one.method], provide_automatic_options=False)
    return pages


def _nobody_yet() -> None:
    g.program = ANONYMOUS  # Whatever cookie came along: until a token says otherwise, nobody asks.


def _serve(one: Operation, **path: Any) -> flask.Response:
    try:
        bearer = _bearer()
        actor = _actor(one, bearer)
        query = _query(one.query)
        sent, digest = _body(one)
        asked = _asked(one, bearer, digest)
        with transaction() as session:
            kept = answers.recall(session, asked, now=now()) if asked else None
            if kept is not None:
                return _answer(one, kept.status, kept.body, bearer, replayed=True)
            call = Call(session, actor, now(), query, sent, bearer, asked.key if asked else None)
            text = one.function(call, **path).model_dump_json()
            if asked:
                answers.keep(session, asked, status=one.status, body=text, now=now())
    except Problem as problem:
        return answer(problem.kind, problem.detail, field=problem.field, headers=problem.headers)
    except answers.StillRunning as running:
        keep(running)
        return answer("still-running", running.message, field=KEY_HEADER, headers={"Retry-After": "1"})
    return _answer(one, one.status, text, bearer, replayed=False if asked else None)


def _bearer() -> Bearer | None:
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, text = header.partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise NotAllowed("Send the token as “Authorization: Bearer ch_…”.")
        with transaction() as session:
            return tokens.bearer(session, text.strip(), now=now())
    except NotAllowed as refusal:
        limits.count(limits.WRONG_TOKENS, "wrong tokens")
        _no_token(refusal.message, ', error="invalid_token"')


def _no_token(detail: str, more: str = "") -> NoReturn:
    raise Problem("no-token", detail, headers={"WWW-Authenticate": f'Bearer realm="api"{more}'})


def _actor(one: Operation, bearer: Bearer | None) -> Actor:
    """Who acts in this operation, once the token may be used for it."""
    if bearer is None:
        if one.scopes:
            _no_token(f"This needs a token with the scope {_either(one.scopes)}. You make one on your account page.")
        limits.count(one.limit if one.limit != limits.READ else limits.READ_UNKNOWN, _purpose(one))
        return ANONYMOUS
    limits.count(one.limit, _purpose(one), str(bearer.token_id))
    if one.scopes and not bearer.scopes.intersection(one.scopes):
        g.program = bearer.actor
        raise NotAllowed(f"This needs the scope {_either(one.scopes)}, which your token does not have. Make another.")
    if bearer.scopes.intersection((*one.scopes, *one.seen_with)):
        g.program = bearer.actor
        return bearer.actor
    return ANONYMOUS  # The token counts for nothing here, and tells nothing of its person.


def _purpose(one: Operation) -> str:
    return one.name if one.limit == limits.COSTLY else one.limit


def _either(scopes: Sequence[Scope]) -> str:
    return " or ".join(f"“{scope.value}”" for scope in scopes)


def _query(model: type[BaseModel] | None) -> BaseModel | None:
    for name, values in request.args.lists():
        if len(values) > 1:
            raise Problem("not-understood", f"`{name[:60]}` stands in the query more than once.", field=name[:60])
    if model is None:
        for name in request.args:
            raise Problem("not-understood", f"The query has no `{name[:60]}` here.", field=name[:60])
        return None
    return _checked(model, request.args.to_dict(), "query")


def _body(one: Operation) -> tuple[BaseModel | None, bytes]:
    if one.body is None:
        return None, b""
    if request.mimetype != "application/json":
        raise Problem("wrong-type", "Send the body as JSON, with “Content-Type: application/json”.")
    request.max_content_length = one.largest
    if (request.content_length or 0) > one.largest:
        raise Problem("too-large", f"The body has {request.content_length:,} bytes; at most {one.largest:,} are taken.")
    content = _json(request.get_data(cache=False))
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return _checked(one.body, content, "body"), hashlib.sha256(canonical).digest()


def _json(data: bytes) -> Any:
    """JSON as RFC 8259 means it: no name twice, no NaN, no more than a few levels deep. Raises `Problem`."""
    try:
        content = json.loads(data.decode(), object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_float)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _TwiceError) else "It cannot be read as JSON in UTF-8."
        raise Problem("not-understood", f"The body is no JSON that we take. {why}", field="body") from error
    level = [content]
    for _ in range(DEEPEST):
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
    if level:
        raise Problem("not-understood", f"The body is nested more than {DEEPEST} levels deep.", field="body")
    return content


class _TwiceError(ValueError):
    """A name stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _TwiceError("A name stands twice in one object.")
    return found


def _float(text: str) -> int | float:
    """JSON knows one kind of number: 42.0 is as whole as 42. What is beyond all our bounds stays as it is."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _checked(model: type[BaseModel], content: Any, where: str) -> BaseModel:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or where
        said = {
            "missing": f"`{path}` is missing.",
            "extra_forbidden": f"There is no `{path}` in the {where} of this operation.",
        }.get(first["type"], f"`{path}`: {first['msg']}.")
        raise Problem("not-understood", said[:500], field=path[:200]) from error


def _asked(one: Operation, bearer: Bearer | None, digest: bytes) -> answers.Asked | None:
    """The key under which this request counts once; None for what changes nothing by a token."""
    if not one.changes or bearer is None:
        return None
    found = re.fullmatch(f'"({KEY})"|({KEY})', request.headers.get(KEY_HEADER, ""))
    if found is None:
        raise Problem(
            "not-understood",
            f"Send “{KEY_HEADER}” with 8 to 64 letters, digits or . _ ~ : - that you use for this request only, such "
            "as a fresh UUID. If the answer is lost, send the same request again under the same key.",
            field=KEY_HEADER,
        )
    return answers.Asked(bearer.token_id, found[1] or found[2], f"{one.method} {request.path}", digest)


def _answer(one: Operation, status: int, text: str, bearer: Bearer | None, *, replayed: bool | None) -> flask.Response:
    response = flask.Response(text, status, content_type="application/json")
    response.headers["Vary"] = "Authorization"
    # What a token reads stays with its program. What everybody reads may be kept, but is asked after each time.
    response.headers["Cache-Control"] = "private, no-cache" if bearer else "no-cache"
    if replayed is not None:
        response.headers["Cache-Control"] = "no-store"
        response.headers[REPLAYED_HEADER] = "true" if replayed else "false"
    if one.method == "GET":
        response.add_etag()
        response.make_conditional(request)
    return response


def next_page(number: int, pages: int) -> str | None:
    """The address of the next page of this very list; None on the last one."""
    if number >= pages:
        return None
    from urllib.parse import urlencode

    query = urlencode({**request.args.to_dict(), "page": number + 1})
    return f"{runtime().config.public_url}{request.path}?{query}"
