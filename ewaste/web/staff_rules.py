"""The published rules: price tables, proposed by one and published by another, and the other tables that decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import flask
from flask import request, url_for
from sqlalchemy.orm import Session

from ewaste.core.refusals import Invalid
from ewaste.journey import publishing
from ewaste.tradein import price_changes
from ewaste.tradein.price_changes import Change, Figure
from ewaste.views import rules as published
from ewaste.web import lists
from ewaste.web.edge import actor, now, page, transaction
from ewaste.web.forms import FREE_TEXT, end_of_day, typed
from ewaste.web.staff_base import pages, stepped, word

FACTORS = ("grade", "fault", "storage", "buyback", "fx")


@pages.get("/staff/prices")
def prices() -> flask.Response:
    """The versions of the price table, and the lines of the one that counts."""
    with transaction() as session:
        told = published.prices(
            session, actor(), kind=word("kind", 40), device_class=word("device_class", 40), now=now()
        )
    return page("staff/prices.html", **told)


@pages.get("/staff/prices/propose")
def propose_form() -> flask.Response:
    """Other prices: by editing, or as a file."""
    return _propose()


@pages.post("/staff/prices")
def propose() -> flask.typing.ResponseReturnValue:
    """Keep a proposal. A second person has to publish it."""
    made: list[str] = []

    def step(session: Session) -> str:
        proposed = publishing.propose_table(
            session,
            actor(),
            read=_read,
            valid_from=end_of_day(typed("valid_from"), "valid_from").date(),
            reason=typed("reason", FREE_TEXT),
            now=now(),
        )
        made.append(proposed.version)
        return f"Table {proposed.version} is proposed. Somebody else of staff has to look at it and publish it."

    return stepped(step, _propose, lambda: url_for(".price_table", version=made[0]))


@pages.get("/staff/prices/<version>")
def price_table(version: str) -> flask.Response:
    """One version: what it changes, what that does to sample quotes, and the decision."""
    return _table(version)


@pages.get("/staff/prices/<version>/lines.csv")
def price_lines(version: str) -> flask.Response:
    """The lines of a version as a file to edit."""
    with transaction() as session:
        rows = published.price_rows(session, actor(), version[:40])
    text = lists.csv_text(price_changes.COLUMNS, rows)
    name = "".join(letter for letter in version[:40] if letter.isalnum() or letter == "-")
    return lists.file(text.encode(), f"{name}.csv", "text/csv; charset=utf-8")


@pages.post("/staff/prices/<version>/publish")
def publish(version: str) -> flask.typing.ResponseReturnValue:
    """The second pair of eyes."""

    def step(session: Session) -> str:
        table = publishing.publish_table(session, actor(), version[:40], now=now())
        return f"Published. {table.version} prices new quotes from {table.valid_from:%d %B %Y} on."

    return _decided(version, step)


@pages.post("/staff/prices/<version>/withdraw")
def withdraw(version: str) -> flask.typing.ResponseReturnValue:
    """The proposal comes to nothing."""

    def step(session: Session) -> str:
        table = publishing.withdraw_table(session, actor(), version[:40], now=now())
        return f"{table.version} is withdrawn. It stays on record and counts for nothing."

    return _decided(version, step)


@pages.get("/staff/rules")
def rules() -> flask.Response:
    """Every published table of rules."""
    return page("staff/rules.html", rules=published.rules(actor()))


@pages.get("/staff/rules/<name>")
def rule(name: str) -> flask.Response:
    """One of them, whole."""
    return page("staff/rule.html", rule=published.rule(actor(), name[:40]))


def _decided(version: str, step: Any) -> flask.typing.ResponseReturnValue:
    def show(**context: Any) -> flask.Response:
        return _table(version, **context)

    return stepped(step, show, lambda: url_for(".price_table", version=version))


def _table(version: str, status: int = 200, *, errors: dict[str, str] | None = None, **_: Any) -> flask.Response:
    with transaction() as session:
        told = published.price_table(session, actor(), version[:40], now=now())
    return page("staff/price_table.html", status, errors=errors or {}, **told)


def _propose(status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None) -> flask.Response:
    with transaction() as session:
        told = published.to_propose(session, actor())
    today = now().date()
    told["figures"] = [figure for figure in told["figures"] if figure["kind"] in FACTORS]
    return page(
        "staff/price_propose.html",
        status,
        form=form or {},
        errors=errors or {},
        first_day=max(today, told["least_day"]),
        columns=price_changes.COLUMNS,
        **told,
    )


def _read(lines: Sequence[Figure]) -> list[Change]:
    """What the form changes: a file, lines that were pasted, or factors that were edited. Raises `Invalid`."""
    sent = request.files.get("file")
    content = sent.stream.read(price_changes.MOST_BYTES + 1) if sent is not None and sent.filename else b""
    if len(content) > price_changes.MOST_BYTES:
        raise Invalid("The file is too large: at most 256 KB.", field="file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid("The file is no text in UTF-8. Save it as CSV in UTF-8.", field="file") from None
    pasted = typed("lines", price_changes.MOST_BYTES)
    if text.strip() and pasted.strip():
        raise Invalid("Send a file or paste lines, not both.", field="file")
    if text.strip() or pasted.strip():
        return price_changes.read_csv(text if text.strip() else pasted, lines)
    source = " ".join(typed("source", 500).split())
    rows = [
        {
            "kind": line.kind,
            "device_class": line.device_class,
            "name": line.name,
            "value": typed(":".join(line.key), 20).strip().replace(",", "."),
            "source": source,
            "estimate": "no" if typed("measured") == "yes" else "yes",
        }
        for line in lines
        if line.kind in FACTORS and ":".join(line.key) in request.form
    ]
    return price_changes.read_csv(lists.csv_text(price_changes.COLUMNS, rows), lines) if rows else []
