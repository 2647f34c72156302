"""Accounts: sign in and out, open one, where we pay you, and your orders.

Bank and card data never reach this site: people give them on the pages of the payment provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flask
from flask import Blueprint, flash, redirect, request, url_for
from flask_login import current_user, login_user, logout_user

from ewaste.accounts import people, policy, samples
from ewaste.accounts.models import Person, Role
from ewaste.accounts.policy import Action
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal
from ewaste.journey import settlement
from ewaste.payments.gateway import GatewayProblem
from ewaste.payments.models import Payee
from ewaste.views import market, shapes
from ewaste.web import checkout
from ewaste.web.edge import (
    ROLE_WORDS,
    User,
    actor,
    errors_of,
    keep,
    local_path,
    now,
    page,
    require_account,
    runtime,
    transaction,
)
from ewaste.web.forms import typed
from ewaste.web.limits import SIGN_IN, limiter

pages = Blueprint("accounts", __name__)

# Where each role begins.
HOMES = {
    Role.CONSUMER: "consumer.devices",
    Role.OPERATOR: "bench.queue",
    Role.RECYCLER: "public.lots",
    Role.STAFF: "staff.desk",
    Role.AUDITOR: "staff.desk",
}


@pages.before_request
def _guard() -> flask.typing.ResponseReturnValue | None:
    open_to_all = {"accounts.sign_in", "accounts.sign_up", "accounts.sign_out"}
    return None if request.endpoint in open_to_all else require_account()


# ---- in and out ----


@pages.route("/sign-in", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def sign_in() -> flask.typing.ResponseReturnValue:
    """Sign in. The session begins anew, so nothing that was known of it before is worth anything."""
    onward = local_path(request.values.get("next"))
    if request.method == "GET":
        if current_user.is_authenticated:
            return redirect(onward or _home_of(actor().role), 303)
        return _sign_in_page(onward)
    try:
        email, password = typed("email"), typed("password")
        with transaction() as session:
            person = people.sign_in(session, email=email, password=password)
        role = _begin_session(person)
    except Refusal as refusal:
        return _sign_in_page(onward, status=keep(refusal), errors=errors_of(refusal))
    return redirect(onward or _home_of(role), 303)


@pages.route("/sign-up", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def sign_up() -> flask.typing.ResponseReturnValue:
    """Open an account as a private person."""
    onward = local_path(request.values.get("next"))
    if request.method == "GET":
        return page("accounts/sign_up.html", form={}, errors={}, next=onward)
    try:
        name, email, password = typed("name"), typed("email"), typed("password")
        if "adult" not in request.form:
            raise Invalid("We may deal only with people who are 18 or older. Tick the box if you are.", field="adult")
        with transaction() as session:
            person = people.open_account(session, email=email, name=name, password=password, now=now())
        role = _begin_session(person)
    except Refusal as refusal:
        status = keep(refusal)
        return page("accounts/sign_up.html", status, form=request.form, errors=errors_of(refusal), next=onward)
    flash("Your account is open.", "ok")
    return redirect(onward or _home_of(role), 303)


@pages.post("/sign-out")
def sign_out() -> flask.typing.ResponseReturnValue:
    """Sign out of this browser."""
    logout_user()
    flask.session.clear()
    flash("You are signed out.", "note")
    return redirect(url_for("public.home"), 303)


@pages.post("/account/sign-out-everywhere")
def sign_out_everywhere() -> flask.typing.ResponseReturnValue:
    """End every session of this account, this one too: for whoever left one open, or lost a phone."""
    me = actor()
    if me.id is None:
        raise NotAllowed("Sign in first.")
    with transaction() as session:
        people.sign_out_everywhere(session, me.id)
    logout_user()
    flask.session.clear()
    flash("You are signed out everywhere.", "note")
    return redirect(url_for("public.home"), 303)


def _begin_session(person: Person) -> Role:
    """A fresh session for this person; what the old one held is gone."""
    with transaction() as session:
        known = people.signed_in(session, person.id, person.session_epoch)
    if known is None:
        raise Conflict("Your sessions were ended a moment ago. Sign in again.")
    flask.session.clear()
    login_user(User(known, person.session_epoch))
    flask.session.permanent = True
    return known.actor.role


def _home_of(role: Role) -> str:
    return url_for(HOMES.get(role, "public.home"))


def _sign_in_page(onward: str | None, *, status: int = 200, errors: Mapping[str, str] | None = None) -> flask.Response:
    shown: list[dict[str, Any]] = []
    if runtime().config.training:
        shown = [
            {
                "role": ROLE_WORDS.get(sample.role, sample.role.value),
                "email": sample.email,
                "password": samples.PASSWORD,
                "text": sample.text,
            }
            for sample in samples.SAMPLES
        ]
    form = {"email": request.form.get("email", "")[:300]}
    return page("accounts/sign_in.html", status, form=form, errors=errors or {}, next=onward, samples=shown)


# ---- one's own account ----


@pages.get("/account")
def account() -> flask.Response:
    """Who you are, where we pay you, what you bought."""
    return _account_page()


@pages.post("/account/payout")
@limiter.limit("10 per minute")
def set_payout() -> flask.typing.ResponseReturnValue:
    """Off to the provider's page, where a seller gives bank details. We keep the provider's reference, nothing else."""
    me = actor()
    try:
        policy.require(me, Action.ACCEPT_QUOTE)
        if me.id is None:
            raise NotAllowed("Sign in first.")
        gateway = runtime().gateway
        with transaction() as session:
            payee = session.get(Payee, me.id)
            reference = payee.reference if payee else None
        try:
            if reference is None:
                country = typed("country", 2) or "DE"
                if country not in shapes.COUNTRIES:
                    raise Invalid("Choose the country of your bank account from the list.", field="country")
                # The provider answers the same person with the same account, so a lost answer opens no second one.
                reference = gateway.open_payee(me.id, current_user.email, country)
                with transaction() as session:
                    settlement.note_payee(session, me.id, reference, practice=runtime().config.training, now=now())
            back = url_for(".account", _external=True)
            onward = gateway.payee_page(reference, return_url=back, refresh_url=back)
        except GatewayProblem as problem:
            flask.current_app.logger.warning("payee page: %s", problem.message)
            raise Conflict(
                "The payment provider does not answer. Nothing was changed. Try again in a minute."
            ) from problem
    except Refusal as refusal:
        return _account_page(status=keep(refusal), form=request.form, errors=errors_of(refusal))
    return redirect(onward, 303)


def payee_status(reference: str | None) -> str:
    """none, started, ready, or unknown when the provider does not answer. Asks the provider: call it outside any
    transaction."""
    if reference is None:
        return "none"
    try:
        return "ready" if runtime().gateway.payee_ready(reference) else "started"
    except GatewayProblem:
        return "unknown"


def _account_page(
    *, status: int = 200, form: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> flask.Response:
    me = actor()
    with transaction() as session:
        person = session.get_one(Person, me.id)
        payee = session.get(Payee, me.id)
        orders = market.orders_of(session, me)
    shown = None
    if policy.allows(me, Action.ACCEPT_QUOTE):
        shown = {"status": payee_status(payee.reference if payee else None)}
    return page(
        "accounts/account.html",
        status,
        person={
            "name": person.name,
            "email": person.email,
            "role": current_user.role,
            "organisation_name": current_user.organisation_name,
            "joined_at": person.created_at,
        },
        payee=shown,
        countries=[{"value": code, "label": name} for code, name in shapes.COUNTRIES.items()],
        orders=orders,
        form=form or {},
        errors=errors or {},
    )


# ---- orders ----


@pages.get("/orders/<code>")
def order(code: str) -> flask.Response:
    """An order: what to pay, whether it is paid, the code to collect with."""
    return _order_page(code)


@pages.post("/orders/<code>/pay")
@limiter.limit("20 per minute")
def pay_order(code: str) -> flask.typing.ResponseReturnValue:
    """Step 12: on to the provider's page. Pressing twice opens the same payment."""
    try:
        onward = checkout.open_checkout(code)
    except NotFound:
        raise
    except Refusal as refusal:
        return _order_page(code, status=keep(refusal), errors=errors_of(refusal))
    return redirect(onward, 303)


def _order_page(code: str, *, status: int = 200, errors: Mapping[str, str] | None = None) -> flask.Response:
    me = actor()
    with transaction() as session:
        found = market.find_order(session, me, code)
        mine = market.may_pay(me, found)
        sent = market.payment_under_way(session, found) if mine else None
    if sent is not None:
        # The buyer may just have come back from the provider's page; its word counts, not the address they came by.
        checkout.refresh(*sent)
    with transaction() as session:
        found = market.find_order(session, me, code)
        told = market.order(session, found, actor=me)
        items = market.order_items(session, found)
    return page("market/order.html", status, order=told, items=items, may_pay=mine, form={}, errors=errors or {})
