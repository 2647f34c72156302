"""What the pages of the desk share: their blueprint, where a code leads, days of a filter, and lists as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import flask
from flask import Blueprint, redirect, request, url_for
from sqlalchemy.orm import Session

from ewaste.core.refusals import Refusal
from ewaste.views import shapes
from ewaste.web import lists
from ewaste.web.edge import now, require_account, transaction
from ewaste.web.forms import refused

pages = Blueprint("staff", __name__)
pages.before_request(require_account)

WORD = 100


def word(name: str, most: int = WORD) -> str:
    """A word of the query, bounded, with single spaces and nothing that cannot be stored."""
    return " ".join(request.args.get(name, "")[:most].replace("\x00", "").split())


def day(name: str) -> date | None:
    """A day of the query; None when it names none."""
    text = request.args.get(name, "")[:10]
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def number() -> int:
    """The page that is asked for."""
    return shapes.page_number(request.args.get("page"))


def paging(total: int, endpoint: str, **kept: Any) -> dict[str, Any]:
    """Where a list stands, with addresses that keep its filters."""
    kept = {name: value or None for name, value in kept.items()}
    return shapes.paging(total, number(), lambda to: url_for(endpoint, page=to, **kept))


def address(code: str | None) -> str | None:
    """The page of what a code names; None for what has no page here."""
    page_of = {
        "D": "staff.device",
        "B": "staff.order",
        "L": "market.lot",
        "N": "staff.incident",
        "R": "disputes.dispute",
        "Q": "public.quote",
    }
    if code and len(code) == 11 and code[1:2] == "-" and code[0] in page_of:
        return url_for(page_of[code[0]], code=code)
    return None


def as_csv(name: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> flask.Response:
    """Rows as a file that carries the day in its name."""
    text = lists.csv_text(columns, rows)
    return lists.file(text.encode(), f"{name}-{now():%Y-%m-%d}.csv", "text/csv; charset=utf-8")


def stepped(
    step: Callable[[Session], str],
    show: Callable[..., flask.Response],
    onward: Callable[[], str] | str,
    *,
    open_form: str | None = None,
) -> flask.typing.ResponseReturnValue:
    """One step, whole or not at all; then the page, or the page again with what was refused."""
    try:
        with transaction() as session:
            said = step(session)
    except Refusal as refusal:
        return refused(refusal, show, **({"open_form": open_form} if open_form else {}))
    flask.flash(said, "ok")
    return redirect(onward if isinstance(onward, str) else onward(), 303)
