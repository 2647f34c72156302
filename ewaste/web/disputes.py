"""Disputes as pages: a buyer opens one on the page of the order, the centre answers, the desk decides."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from flask import Blueprint, flash, redirect, request, url_for

from ewaste.core.refusals import Refusal
from ewaste.journey import aftersales
from ewaste.market.disputes import LONGEST_TEXT
from ewaste.market.models import DisputeOutcome
from ewaste.views import disputes, shapes
from ewaste.web import market
from ewaste.web.edge import actor, minor_units, now, page, require_account, runtime, transaction
from ewaste.web.forms import refused, typed

pages = Blueprint("disputes", __name__)
pages.before_request(require_account)

OUTCOMES = [
    {"value": DisputeOutcome.RETURN.value, "label": "Return, then full refund", "text": "The device comes back first."},
    {"value": DisputeOutcome.PARTIAL.value, "label": "Part of the price", "text": "The buyer keeps the device."},
    {"value": DisputeOutcome.REFUND.value, "label": "Full refund", "text": "The buyer keeps it, or never had it."},
    {"value": DisputeOutcome.REJECTED.value, "label": "Reject", "text": "Nothing is refunded."},
]


@pages.post("/orders/<code>/disputes")
def open_dispute(code: str) -> flask.typing.ResponseReturnValue:
    """The buyer disputes a device, or withdraws from the purchase."""
    try:
        with transaction() as session:
            opened = aftersales.open_dispute(
                session,
                actor(),
                code,
                typed("device", 20),
                reason=typed("reason", 40),
                text=typed("text", LONGEST_TEXT),
                now=now(),
            ).code
    except Refusal as refusal:
        return refused(refusal, market.order_page, code=code)
    flash("We have it. What happens next stands here.", "ok")
    return redirect(url_for(".dispute", code=opened), 303)


@pages.get("/disputes/<code>")
def dispute(code: str) -> flask.Response:
    """A dispute with its story, for everybody whom it concerns."""
    return _page(code)


@pages.post("/disputes/<code>/answer")
def answer(code: str) -> flask.typing.ResponseReturnValue:
    """The centre, the desk or the buyer says something."""
    try:
        with transaction() as session:
            aftersales.answer_dispute(session, actor(), code, text=typed("text", LONGEST_TEXT), now=now())
    except Refusal as refusal:
        return refused(refusal, _page, code=code)
    flash("It is added, and the other side can read it.", "ok")
    return redirect(url_for(".dispute", code=code), 303)


@pages.post("/staff/disputes/<code>/decide")
def decide(code: str) -> flask.typing.ResponseReturnValue:
    """Staff decide a dispute."""
    try:
        outcome = typed("outcome", 40)
        amount = minor_units(typed("amount", 20), "amount") if outcome == DisputeOutcome.PARTIAL else None
        with transaction() as session:
            aftersales.decide_dispute(
                session,
                actor(),
                code,
                outcome=outcome,
                amount_minor=amount,
                text=typed("reason", LONGEST_TEXT),
                practice=runtime().config.training,
                unheard=typed("unheard", 5) == "yes",
                now=now(),
            )
    except Refusal as refusal:
        return refused(_of_the_reason(refusal), _page, code=code)
    flash("It is decided, and the buyer is told.", "ok")
    return redirect(url_for(".dispute", code=code), 303)


@pages.post("/staff/disputes/<code>/lapse")
def lapse(code: str) -> flask.typing.ResponseReturnValue:
    """Staff close a dispute whose device did not come back."""
    try:
        with transaction() as session:
            aftersales.lapse_dispute(session, actor(), code, text=typed("reason", LONGEST_TEXT), now=now())
    except Refusal as refusal:
        return refused(_of_the_reason(refusal), _page, code=code)
    flash("It is closed without a refund, and the buyer is told.", "ok")
    return redirect(url_for(".dispute", code=code), 303)


@pages.get("/staff/disputes")
def queue() -> flask.Response:
    """Every dispute, those that wait longest in front."""
    return _queue(".queue")


@pages.get("/bench/disputes")
def of_centre() -> flask.Response:
    """The disputes about devices that this centre graded."""
    return _queue(".of_centre")


def _queue(endpoint: str) -> flask.Response:
    number, state = shapes.page_number(request.args.get("page")), request.args.get("state", "")[:20]
    with transaction() as session:
        rows, states, total = disputes.queue(
            session, actor(), of_centre=endpoint == ".of_centre", state=state, page=number
        )
    return page(
        "staff/disputes.html",
        disputes=rows,
        states=states,
        state=state,
        endpoint=f"disputes{endpoint}",
        total=total,
        paging=shapes.paging(total, number, lambda other: url_for(endpoint, state=state or None, page=other)),
    )


def _page(
    code: str, *, status: int = 200, errors: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
) -> flask.Response:
    with transaction() as session:
        told = disputes.dispute(session, actor(), code, now=now())
    return page(
        "market/dispute.html",
        status,
        **told,
        outcomes=OUTCOMES,
        form=form or {},
        errors=errors or {},
    )


def _of_the_reason(refusal: Refusal) -> Refusal:
    """What the journey calls a text is the reason on the form of a decision."""
    if refusal.field == "text":
        refusal.field = "reason"
    return refusal
