"""Accounts: sign in and out, open one, one's own page, where we pay you, and leaving.

Bank and card data never reach this site: people give them on the pages of the payment provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import flask
from flask import Blueprint, flash, redirect, request, url_for
from flask_login import current_user, login_user, logout_user

from ewaste.accounts import passkeys, people, policy, samples, sessions, tries
from ewaste.accounts.models import Person, Role
from ewaste.accounts.policy import Action
from ewaste.accounts.sessions import SignedIn
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal
from ewaste.journey import entering, settlement
from ewaste.payments.gateway import GatewayProblem
from ewaste.payments.models import Payee
from ewaste.views import holdings, market, own_account, shapes
from ewaste.web import resend
from ewaste.web.edge import (
    ROLE_WORDS,
    User,
    actor,
    errors_of,
    half,
    keep,
    local_path,
    now,
    page,
    require_account,
    runtime,
    second_step,
    transaction,
)
from ewaste.web.forms import typed
from ewaste.web.limits import SIGN_IN, limiter

pages = Blueprint("accounts", __name__)

# Where each role begins.
HOMES = {
    Role.CONSUMER: "consumer.devices",
    Role.COMPANY: "consumer.devices",
    Role.COLLECTOR: "consumer.devices",
    Role.OPERATOR: "bench.queue",
    Role.RECYCLER: "market.lots",
    Role.STAFF: "staff.desk",
    Role.AUDITOR: "staff.desk",
    Role.ACCREDITOR: "accrediting.queue",
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
    onward, kept = local_path(request.values.get("next")), request.form.get("kept")
    if request.method == "GET":
        waits = half()
        if waits is not None:
            return redirect(second_step(waits, onward), 303)
        if current_user.is_authenticated:
            return redirect(onward or home_of(actor().role), 303)
        return sign_in_page(onward)
    try:
        email, password = typed("email"), typed("password")
        known = _by_password(email, password)
    except Refusal as refusal:
        return sign_in_page(onward, status=keep(refusal), errors=errors_of(refusal), kept=kept)
    return redirect(onward_with(known, resend.unseal(kept), onward), 303)


@pages.route("/sign-up", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def sign_up() -> flask.typing.ResponseReturnValue:
    """Open an account as a private person: a name, an address, a password."""
    onward, kept = local_path(request.values.get("next")), request.form.get("kept")
    if request.method == "GET" or "begin" in request.form:  # Begun from the sign-in page, with a form that waits.
        return page("accounts/sign_up.html", form={}, errors={}, next=onward, kept=kept)
    try:
        name, email, password = typed("name"), typed("email"), typed("password")
        known = open_account(name, email, password)
    except Refusal as refusal:
        status, form = keep(refusal), {"name": request.form.get("name", ""), "email": request.form.get("email", "")}
        return page("accounts/sign_up.html", status, form=form, errors=errors_of(refusal), next=onward, kept=kept)
    return redirect(onward_with(known, resend.unseal(kept), onward), 303)


def open_account(name: str, email: str, password: str) -> SignedIn:
    """Open an account and sign in. Who has one already and knows its password is signed in instead, and told."""
    try:
        with transaction() as session:
            person = entering.sign_up(session, email=email, name=name, password=password, now=now())
            person_id, address = person.id, person.email
    except Conflict as refusal:
        try:  # The form was sent twice, or they had forgotten that they have an account.
            known = _by_password(email, password)
        except Invalid:
            raise refusal from None
        flash("You have an account with this address already; you are signed in to it.", "note")
        return known
    known = begin_session(person_id)
    flash(f"Your account is open. We sent a link to {address}: use it to confirm the address.", "ok")
    return known


@pages.post("/sign-out")
def sign_out() -> flask.typing.ResponseReturnValue:
    """Sign out of this browser: its session ends in the database, so a copy of its cookie is worth nothing."""
    waits: SignedIn | None = half()
    if current_user.is_authenticated:
        waits = current_user.signed_in
    if waits is not None:
        with transaction() as session, suppress(NotFound):  # The button was pressed twice.
            sessions.end(session, waits.person_id, waits.session_id, now=now())
    _leave()
    flash("You are signed out.", "note")
    return redirect(url_for("public.home"), 303)


@pages.post("/account/sign-out-everywhere")
def sign_out_everywhere() -> flask.typing.ResponseReturnValue:
    """End every session of this account, this one too: for whoever left one open, or lost a phone."""
    me = actor()
    if me.id is None:
        raise NotAllowed("Sign in first.")
    policy.require(me, Action.CHANGE_ACCOUNT, owner=me.id)
    with transaction() as session:
        sessions.end_all(session, me.id, now=now())
    _leave()
    flash("You are signed out everywhere.", "note")
    return redirect(url_for("public.home"), 303)


@pages.post("/account/sessions/<uuid:id>/end")
def end_session(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """End one session, at whichever browser it is."""
    me = actor()
    policy.require(me, Action.CHANGE_ACCOUNT, owner=me.id)
    with transaction() as session:
        sessions.end(session, current_user.signed_in.person_id, id, now=now())
    if id == current_user.signed_in.session_id:
        _leave()
        return redirect(url_for("public.home"), 303)
    flash("That session is ended.", "ok")
    return redirect(url_for("proofs.security", _anchor="sessions"), 303)


def begin_session(person_id: UUID, *, second_factor: bool = False) -> SignedIn:
    """A fresh session for this person; what the old one held is gone."""
    with transaction() as session:
        before = current_user.signed_in if current_user.is_authenticated else half()
        if before is not None:  # One browser, one session.
            with suppress(NotFound):
                sessions.end(session, before.person_id, before.session_id, now=now())
        agent = request.headers.get("User-Agent", "")
        token = sessions.begin(session, person_id, agent=agent, now=now(), second_factor=second_factor)
        known = sessions.signed_in(session, token, now=now(), training=runtime().config.training)
    if known is None:
        raise Conflict("Your sessions were ended a moment ago. Sign in again.")
    flashes = flask.session.get("_flashes")
    flask.session.clear()
    if flashes:
        flask.session["_flashes"] = flashes
    _carry(known, token)
    return known


def renew_cookie(token: str) -> None:
    """The cookie carries the session's new token from now on; forms that are open in other tabs stay good."""
    waits = half()
    signed_in = current_user.signed_in if waits is None else waits
    _carry(signed_in, token)


def onward_with(known: SignedIn, late: resend.Late | None, onward: str | None) -> str:
    """Where somebody goes who has just given the password: to the form that waits, to the page they wanted, or home;
    and before that to the second factor, where one is due."""
    if late is not None:
        onward = resend.keep_for(known.person_id, late) or onward
    if known.missing is not None:
        return second_step(known, onward)
    return onward or home_of(known.actor.role)


def home_of(role: Role) -> str:
    """Where each role begins."""
    return url_for(HOMES.get(role, "public.home"))


def sign_in_page(
    onward: str | None, *, status: int = 200, errors: Mapping[str, str] | None = None, kept: str | None = None
) -> flask.Response:
    """The sign-in page; `kept` is a sealed form that waits for the sign-in."""
    shown: list[dict[str, Any]] = []
    if runtime().config.training:
        shown = [
            {
                "role": ROLE_WORDS.get(sample.role, sample.role.value),
                "email": sample.email,
                "name": sample.name,
                "organisation": sample.organisation,
                "password": samples.PASSWORD,
                "text": sample.text,
            }
            for sample in samples.SAMPLES
        ]
    form = {"email": request.form.get("email", "")[:300]} if request.endpoint == "accounts.sign_in" else {}
    return page(
        "accounts/sign_in.html",
        status,
        form=form,
        errors=errors or {},
        next=onward,
        samples=shown,
        kept=kept,
        passkey_party=party(),
    )


def party() -> passkeys.Party:
    """This site as browsers know it. Passkeys belong to names, never to numbers, so loopback is localhost."""
    parts = urlsplit(runtime().config.public_url)
    host = "localhost" if parts.hostname in ("127.0.0.1", "::1") else (parts.hostname or "localhost")
    origin = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    return passkeys.Party(host, "Clearhand", origin)


def _by_password(email: str, password: str) -> SignedIn:
    with transaction() as session:
        tries.count(session, tries.Kind.PASSWORD, email, now=now())
    with transaction() as session:
        person = people.sign_in(session, email=email, password=password)
        tries.forgive(session, tries.Kind.PASSWORD, email)
        person_id = person.id
    return begin_session(person_id)


def _carry(known: SignedIn, token: str) -> None:
    if known.missing is None:
        login_user(User(known, token))
    else:
        flask.session["_user_id"] = token
        flask.g.half = known
    flask.session.permanent = True


def _leave() -> None:
    logout_user()
    flask.session.clear()


# ---- one's own account ----


@pages.get("/account")
def account() -> flask.Response:
    """Who you are, for whom you act, where we pay you, what you bought."""
    return account_page()


@pages.post("/account/name")
def change_name() -> flask.typing.ResponseReturnValue:
    """How we call you."""
    try:
        with transaction() as session:
            entering.change_name(session, actor(), typed("name"))
    except Refusal as refusal:
        return account_page(status=keep(refusal), form=request.form, errors=errors_of(refusal))
    flash("Your name is changed.", "ok")
    return redirect(url_for(".account"), 303)


@pages.post("/account/payout")
@limiter.limit("10 per minute")
def set_payout() -> flask.typing.ResponseReturnValue:
    """Off to the provider's page, where a seller gives bank details. We keep the provider's reference, nothing else."""
    me = actor()
    try:
        policy.require(me, Action.ACCEPT_QUOTE)
        if me.id is None:
            raise NotAllowed("Sign in first.")
        if not current_user.signed_in.fresh(now()):
            return redirect(url_for("proofs.again", next=url_for(".account", _anchor="payout")), 303)
        onward = _payee_page(me.id)
    except Refusal as refusal:
        return account_page(status=keep(refusal), form=request.form, errors=errors_of(refusal))
    return redirect(onward, 303)


@pages.get("/account/what-we-hold.json")
@limiter.limit("10 per minute")
def what_we_hold() -> flask.Response:
    """Everything that we hold about this person, for them to read or to take elsewhere."""
    with transaction() as session:
        told = holdings.of_person(session, actor(), now=now())
    answer = flask.make_response(flask.json.dumps(told, indent=2, ensure_ascii=False))
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = f'attachment; filename="clearhand-{now():%Y-%m-%d}.json"'
    return answer


@pages.route("/account/close", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def close() -> flask.typing.ResponseReturnValue:
    """Leave: the account is closed, if nothing of it is open."""
    if request.method == "GET":
        return page("accounts/close.html", form={}, errors={})
    me = actor()
    try:
        with transaction() as session:
            tries.count(session, tries.Kind.PASSWORD, current_user.email, now=now())
        with transaction() as session:
            people.check_password(session.get_one(Person, me.id), typed("password"))
            tries.forgive(session, tries.Kind.PASSWORD, current_user.email)
            entering.close_account(session, me, now=now())
    except Refusal as refusal:
        return page("accounts/close.html", keep(refusal), form={}, errors=errors_of(refusal))
    _leave()
    flash("Your account is closed.", "note")
    return redirect(url_for("public.home"), 303)


def payee_status(reference: str | None) -> str:
    """none, started, ready, or unknown when the provider does not answer. Asks the provider: call it outside any
    transaction."""
    if reference is None:
        return "none"
    try:
        return "ready" if runtime().gateway.payee_ready(reference) else "started"
    except GatewayProblem:
        return "unknown"


def _payee_page(person_id: UUID) -> str:
    gateway = runtime().gateway
    with transaction() as session:
        payee = session.get(Payee, person_id)
        reference = payee.reference if payee else None
    try:
        if reference is None:
            country = typed("country", 2) or "DE"
            if country not in shapes.COUNTRIES:
                raise Invalid("Choose the country of your bank account from the list.", field="country")
            # The provider answers the same person with the same account, so a lost answer opens no second one.
            reference = gateway.open_payee(person_id, current_user.email, country)
            with transaction() as session:
                settlement.note_payee(session, person_id, reference, practice=runtime().config.training, now=now())
        back = url_for(".account", _external=True)
        return gateway.payee_page(reference, return_url=back, refresh_url=back)
    except GatewayProblem as problem:
        flask.current_app.logger.warning("payee page: %s", problem.message)
        raise Conflict("The payment provider does not answer. Nothing was changed. Try again in a minute.") from problem


def account_page(
    *, status: int = 200, form: Mapping[str, str] | None = None, errors: Mapping[str, str] | None = None
) -> flask.Response:
    """The account page; a form of it that was refused comes back here."""
    me = actor()
    with transaction() as session:
        told = own_account.account(session, me)
        payee = session.get(Payee, me.id)
        orders = market.orders_of(session, me)
    shown = None
    if policy.allows(me, Action.ACCEPT_QUOTE):
        shown = {"status": payee_status(payee.reference if payee else None)}
    return page(
        "accounts/account.html",
        status,
        **told,
        role=current_user.role,
        acting_for=current_user.organisation_name,
        payee=shown,
        countries=[{"value": code, "label": name} for code, name in shapes.COUNTRIES.items()],
        orders=orders,
        form=form or {},
        errors=errors or {},
    )
