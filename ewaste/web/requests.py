"""Every request, told and counted: under one id, by its route and never by the address that was typed.

The id comes from the proxy's X-Request-Id when it is a sane one, and goes back in the answer; the page for what should
not have happened shows it as the reference. The event names method, route, status, time, role and how many SQL
statements ran. It names nobody: no path, query, address, code or browser.
"""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from typing import Any

import flask
import sqlalchemy as sa
from flask import Flask, g, has_request_context, request

from ewaste.core import logs
from ewaste.web import metrics

log = logging.getLogger("ewaste.web.request")
HEADER = "X-Request-Id"
UNKNOWN = "(no such address)"
# Asked all the time, and of no interest unless they fail.
QUIET = frozenset({"static", "system.livez", "system.readyz", "system.market_metrics"})


def install(app: Flask, engine: sa.Engine) -> None:
    """Tell and count every request of this site."""

    def begin() -> None:
        g.began, g.statements = time.perf_counter(), 0
        g.log_context = ExitStack()
        g.request_id = g.log_context.enter_context(logs.under(logs.sane(request.headers.get(HEADER))))

    def end(response: flask.Response) -> flask.Response:
        if "began" in g:
            response.headers[HEADER] = g.request_id
            _tell(response)
        return response

    def close(_error: BaseException | None) -> None:
        context = g.pop("log_context", None)
        if context is not None:
            context.close()

    # First of all, so that whatever refuses a request is told too; and the last to see the answer.
    app.before_request_funcs.setdefault(None, []).insert(0, begin)
    app.after_request_funcs.setdefault(None, []).insert(0, end)
    app.teardown_request(close)
    sa.event.listen(engine, "before_cursor_execute", _count)


def reference() -> str:
    """What a person reads out when something broke: the id of this request."""
    return str(g.request_id) if "request_id" in g else "unknown"


def route() -> str:
    """The address as the code writes it: `/devices/<code>`."""
    return request.url_rule.rule if request.url_rule is not None else UNKNOWN


def _tell(response: flask.Response) -> None:
    seconds = time.perf_counter() - g.began
    where = route()
    quiet = request.endpoint in QUIET and response.status_code < 500
    logs.told(
        log,
        logging.DEBUG if quiet else logging.INFO,
        "request",
        method=request.method if request.method in metrics.METHODS else "other",
        route=where,
        status=response.status_code,
        ms=round(seconds * 1000, 1),
        role=_role(),
        sql=g.statements,
    )
    metrics.note(where, request.method, response.status_code, seconds, g.statements)


def _role() -> str:
    """The role in which somebody acted. Nobody is looked up for it."""
    acting = g.get("station_actor")
    if acting is None:
        acting = getattr(g.get("_login_user"), "actor", None)
    return acting.role.value if acting is not None else "anonymous"


def _count(*_: Any) -> None:
    if has_request_context() and "statements" in g:
        g.statements += 1
