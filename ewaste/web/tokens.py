"""The page on which a person makes tokens for their programs, and ends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, flash, redirect, request, url_for

from ewaste.accounts import tokens
from ewaste.core.refusals import Refusal
from ewaste.web.api.document import SCOPE_WORDS
from ewaste.web.edge import actor, errors_of, keep, now, page, require_account, runtime, transaction, whole_number
from ewaste.web.forms import typed
from ewaste.web.limits import limiter

pages = Blueprint("tokens", __name__)


@pages.before_request
def _require_account() -> flask.typing.ResponseReturnValue | None:
    return require_account()


@pages.get("/account/tokens")
def listed() -> flask.Response:
    """One's tokens, and the form for another."""
    return _page()


@pages.post("/account/tokens")
@limiter.limit("20 per hour")
def make() -> flask.typing.ResponseReturnValue:
    """Make a token. Its text stands on this one answer and nowhere else."""
    try:
        days = whole_number(typed("days", 10), "days", low=1, high=tokens.MOST_DAYS, unit="days")
        scopes = [scope[:20] for scope in request.form.getlist("scopes")][:10]
        with transaction() as session:
            made, text = tokens.make(session, actor(), name=typed("name"), scopes=scopes, days=days, now=now())
    except Refusal as refusal:
        return _page(status=keep(refusal), form=request.form, errors=errors_of(refusal))
    answer = _page(made={"name": made.name, "text": text, "expires_at": made.expires_at}, status=201)
    answer.headers["Cache-Control"] = "no-store"
    return answer


@pages.post("/account/tokens/<uuid:id>/revoke")
def revoke(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """End a token at once."""
    with transaction() as session:
        tokens.revoke(session, actor(), id, now=now())
    flash("The token is revoked. Programs that still send it are refused.", "ok")
    return redirect(url_for(".listed"), 303)


def _page(
    *,
    status: int = 200,
    made: Mapping[str, Any] | None = None,
    form: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> flask.Response:
    me = actor()
    with transaction() as session:
        mine = tokens.listed(session, me, now=now())
    ticked = request.form.getlist("scopes") if errors else []
    return page(
        "accounts/tokens.html",
        status,
        tokens=mine,
        scopes=[
            {"value": scope.value, "label": scope.value, "text": SCOPE_WORDS[scope]}
            for scope in tokens.scopes_for(me.role)
        ],
        usual_days=tokens.USUAL_DAYS,
        most_days=tokens.MOST_DAYS,
        made=made,
        base_url=runtime().config.public_url,
        ticked=ticked,
        form=form or {},
        errors=errors or {},
    )
