"""The provider's own pages: what this is, the hosted checkout, and a payee's onboarding.

Plain forms without scripts. Each form carries a token that only this server can make for this object,
and a request that a browser marks as coming from another site is refused.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from ewaste.practice import checkout, connect
from ewaste.practice.errors import ApiError
from ewaste.practice.params import Params
from ewaste.practice.store import JSON, Books, Store

pages = Blueprint("pages", __name__)

_METHODS = {"pay": "pm_card_visa", "decline": "pm_card_chargeDeclined"}


@pages.get("/")
def home() -> Response:
    """What this program is, and what it did lately."""
    with store().open() as books:
        payments = books.select("payment_intent", limit=25)
        transfers = books.select("transfer", limit=25)
        refunds = books.select("refund", limit=25)
        balance = [
            {"available": amount(a, currency), "pending": amount(p, currency)}
            for currency, (a, p) in books.balance().items()
        ]
        (waiting,) = books.db.execute("select count(*) from deliveries where state = 'waiting'").fetchone()
    return page("home.html", balance=balance, payments=payments, transfers=transfers, refunds=refunds, waiting=waiting)


@pages.get("/pay/<reference>")
def pay_page(reference: str) -> Response:
    """The hosted checkout page."""
    with store().open() as books:
        return _session_page(checkout.find(books, reference))


@pages.post("/pay/<reference>")
def pay(reference: str) -> AnyResponse:
    """The buyer pressed "Pay" or "Decline"."""
    _ours("pay", reference)
    method = _METHODS.get(request.form.get("action", ""))
    with store().open() as books:
        session = checkout.find(books, reference)
        if method is None:
            return _session_page(session, problem="Choose one of the two buttons.", status=422)
        session, problem = checkout.pay(books, reference, method)
        if problem is not None:
            return _session_page(session, problem=problem, status=402)
    if session["status"] == "complete":
        return redirect(session["success_url"].replace("{CHECKOUT_SESSION_ID}", reference), 303)
    return redirect(f"/pay/{reference}", 303)


@pages.get("/payee/<reference>")
def payee_page(reference: str) -> AnyResponse:
    """A payee's onboarding page; a link that is too old leads back to where a new one is made."""
    with store().open() as books:
        link = _link(books, reference)
        if link["expires_at"] <= books.now:
            return redirect(link["refresh_url"], 303)
        account = connect.retrieve_account(books, Params({}), link["account"])
    return page(
        "payee.html",
        account=account,
        token=_token("payee", reference),
        leads_to=[link["return_url"], link["refresh_url"]],
    )


@pages.post("/payee/<reference>")
def payee(reference: str) -> AnyResponse:
    """The payee gave practice bank details."""
    _ours("payee", reference)
    with store().open() as books:
        link = _link(books, reference)
        if link["expires_at"] <= books.now:
            return redirect(link["refresh_url"], 303)
        connect.finish_onboarding(books, link["account"])
    return redirect(link["return_url"], 303)


@pages.errorhandler(ApiError)
def sorry(problem: ApiError) -> Response:
    """A refusal as a page, in words."""
    return page("sorry.html", status=problem.status, problem=str(problem))


def amount(minor: int, currency: str) -> str:
    """`12,345.00 EUR`. Practice money shows every currency with two decimals."""
    units, cents = divmod(abs(minor), 100)
    return f"{'-' if minor < 0 else ''}{units:,}.{cents:02d} {currency.upper()}"


def _session_page(session: JSON, *, problem: str | None = None, status: int = 200) -> Response:
    leads_to = [session["success_url"], session["cancel_url"] or ""]
    token = _token("pay", session["id"])
    return page("pay.html", status=status, session=session, problem=problem, token=token, leads_to=leads_to)


def store() -> Store:
    """The books of this server."""
    found: Store = current_app.config["STORE"]
    return found


def page(template: str, *, status: int = 200, leads_to: list[str] | None = None, **values: object) -> Response:
    """A page that runs no script and sends its forms only here and to where the shop's links lead."""
    response = Response(render_template(template, amount=amount, **values), status=status)
    # A browser applies `form-action` to the redirect after the form too, so the shop's own address stands in it.
    parts = [urlsplit(url) for url in leads_to or [] if url]
    targets = " ".join(sorted({f"{part.scheme}://{part.netloc}" for part in parts}))
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {targets}".strip()
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response


def _ours(purpose: str, reference: str) -> None:
    sent = request.form.get("token", "")
    elsewhere = request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none")
    if elsewhere or not hmac.compare_digest(sent.encode(), _token(purpose, reference).encode()):
        raise ApiError(403, "invalid_request_error", "This form did not come from this page. Reload and try again.")


def _token(purpose: str, reference: str) -> str:
    return hmac.new(store().secret.encode(), f"{purpose}:{reference}".encode(), hashlib.sha256).hexdigest()


def _link(books: Books, reference: str) -> JSON:
    if (link := books.get(reference, "account_link")) is None:
        raise ApiError(404, "invalid_request_error", "This link is not known here. Ask the marketplace for a new one.")
    return link
