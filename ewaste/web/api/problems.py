"""Refusals as programs read them: RFC 9457 problem details, one kind for each thing that a program can do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import flask
from werkzeug.exceptions import HTTPException

from ewaste.web.edge import runtime

CONTENT_TYPE = "application/problem+json"
PREFIX = "/api/v1/"


@dataclass(frozen=True)
class Kind:
    """One kind of problem: its status, its title, and what to do about it."""

    status: int
    title: str
    text: str


KINDS = {
    "not-understood": Kind(
        400, "This is not how the request is described", "Compare it with the description; `field` says where it errs."
    ),
    "no-token": Kind(401, "A token is needed", "Send `Authorization: Bearer ch_…` with a token that works."),
    "not-allowed": Kind(
        403,
        "This token may not do that",
        "Use a token with the scope, of a person who may. Trying again is no help.",
    ),
    "not-found": Kind(404, "There is nothing here", "It does not exist, or it is somebody else’s."),
    "wrong-method": Kind(405, "This address does not work like that", "The header `Allow` names what it takes."),
    "conflict": Kind(409, "It is not in that state", "Read it again and decide anew. Nothing was changed."),
    "still-running": Kind(
        409, "The same request is still running", "Wait as long as `Retry-After` says and send it again, same key."
    ),
    "too-large": Kind(413, "This is too large", "A body has at most 256 KiB, a bundle to verify 2 MiB."),
    "wrong-type": Kind(415, "The body is not JSON", "Send it with `Content-Type: application/json`."),
    "invalid": Kind(422, "A rule refuses this", "`field` says what needs another value. Nothing was changed."),
    "too-many": Kind(429, "Too many requests", "Wait as long as `Retry-After` says."),
    "unexpected": Kind(
        500, "This is our fault", "Nothing was half done. Send it again under the same key; tell us the reference."
    ),
}
_OF_STATUS = {kind.status: name for name, kind in reversed(KINDS.items())}


class Problem(Exception):
    """What is refused before a step is asked for: the request itself is at fault."""

    def __init__(
        self, kind: str, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind, self.detail, self.field, self.headers = kind, detail, field, dict(headers or {})


def answer(
    kind: str, detail: str, *, field: str | None = None, headers: Mapping[str, str] | None = None
) -> flask.Response:
    """The answer to a problem of this kind."""
    about = KINDS[kind]
    told: dict[str, object] = {
        "type": f"{runtime().config.public_url}/api#problem-{kind}",
        "title": about.title,
        "status": about.status,
        "detail": detail,
    }
    if field is not None:
        told["field"] = field
    response = flask.Response(json.dumps(told, ensure_ascii=False), about.status, content_type=CONTENT_TYPE)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def http(error: HTTPException) -> flask.Response:
    """The answer to what the framework refused: an unknown address, a wrong method, a body that is too large."""
    kind = kind_of(error.code or 500)
    kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return answer(kind, KINDS[kind].text, headers=kept)


def kind_of(status: int) -> str:
    """The kind of problem behind a status that the framework answers with."""
    return _OF_STATUS.get(status, "unexpected" if status >= 500 else "not-understood")
