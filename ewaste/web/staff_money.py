"""The desk's money: the ledger with its postings, and the payments that the provider is asked for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import flask
from flask import url_for
from sqlalchemy.orm import Session

from ewaste.journey import settlement
from ewaste.views import books
from ewaste.web.edge import actor, now, page, transaction
from ewaste.web.staff_base import address, as_csv, day, number, pages, paging, stepped, word

LEDGER_COLUMNS = ("at", "posting", "kind", "key", "about", "account", "party", "amount_minor", "currency")


@pages.get("/staff/ledger", endpoint="ledger")
def the_ledger() -> flask.Response:
    """Balances, the sum that must be zero, postings of a period."""
    with transaction() as session:
        told = books.the_ledger(session, actor(), _period(), page=number())
    for row in told["postings"]:
        row["url"] = address(row["reference"])
    chosen = told["chosen"]
    kept = {"account": chosen.account, "kind": chosen.kind, "first": chosen.first, "last": chosen.last}
    kept = {name: str(value) if value else None for name, value in kept.items()}
    return page("staff/ledger.html", paging=paging(told["total"], ".ledger", **kept), kept=kept, **told)


@pages.get("/staff/ledger.csv")
def ledger_file() -> flask.Response:
    """The postings of a period as a file, one row a leg."""
    with transaction() as session:
        rows = books.ledger_rows(session, actor(), _period())
    return as_csv("ledger", rows, LEDGER_COLUMNS)


@pages.get("/staff/ledger/<uuid:id>")
def posting(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """One posting with all its legs."""
    with transaction() as session:
        told = books.posting(session, actor(), id)
    return page("staff/posting.html", posting=told, url=address(told["reference"]))


@pages.get("/staff/payments")
def payments() -> flask.Response:
    """What the provider was asked for, and what it said."""
    return _payments()


@pages.post("/staff/payouts/<uuid:id>/again")
def pay_again(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A payout or refund that failed is written anew."""

    def step(session: Session) -> str:
        anew = settlement.pay_again(session, actor(), id, now=now())
        what = f"{books.PAYMENT_WORDS[anew.kind].lower()}, {anew.description}"
        return f"Written anew: {what}. It goes out in a moment."

    return stepped(step, _payments, lambda: url_for(".payments"))


def _period() -> books.Period:
    return books.Period(word("account", 60), word("kind", 60), day("first"), day("last"))


def _payments(status: int = 200, *, errors: dict[str, str] | None = None, **_: Any) -> flask.Response:
    with transaction() as session:
        told = books.payments(session, actor(), view=word("state", 40), q=word("q"), page=number())
    for row in told["payments"]:
        row["url"] = address(row["subject"])
    kept = {"state": told["view"] or None, "q": told["q"] or None}
    return page(
        "staff/payments.html",
        status,
        errors=errors or {},
        kept=kept,
        paging=paging(told["total"], ".payments", **kept),
        **told,
    )
