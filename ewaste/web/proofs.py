"""What proves who somebody is: the address, the password, and the page that shows how an account is kept safe."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from flask import Blueprint, flash, redirect, request, url_for
from flask_login import current_user

from ewaste.accounts import kept_forms, mailed, sessions, tries
from ewaste.accounts.mailed import Purpose
from ewaste.accounts.sessions import Missing
from ewaste.core.refusals import Invalid, Refusal
from ewaste.journey import entering
from ewaste.views import own_account
from ewaste.web.accounts import begin_session, onward_with, renew_cookie, sign_in_page
from ewaste.web.edge import (
    actor,
    errors_of,
    half,
    keep,
    local_path,
    not_fresh,
    now,
    page,
    require_account,
    runtime,
    transaction,
)
from ewaste.web.forms import typed
from ewaste.web.limits import SIGN_IN, limiter

pages = Blueprint("proofs", __name__)
OPEN_TO_ALL = frozenset({"proofs.confirm", "proofs.forgotten", "proofs.reset"})


@pages.before_request
def _guard() -> flask.typing.ResponseReturnValue | None:
    return None if request.endpoint in OPEN_TO_ALL else require_account()


@pages.get("/account/security")
def security() -> flask.Response:
    """The password, the second factor, and every open session."""
    with transaction() as session:
        told = own_account.security(session, actor(), current_user.signed_in.session_id, now=now())
    return page("accounts/security.html", **told, form={}, errors={})


# ---- the address ----


@pages.route("/confirm/<token>", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def confirm(token: str) -> flask.typing.ResponseReturnValue:
    """Whoever has the link owns the address. A page with a button, as programs in between open links, too."""
    purposes = (Purpose.CONFIRM, Purpose.CHANGE)
    try:
        if request.method == "GET":
            with transaction() as session:
                found, _person = mailed.look(session, purposes, token, now=now())
            return page("accounts/confirm.html", email=found.email, change=found.purpose is Purpose.CHANGE)
        before = current_user.get_id() if current_user.is_authenticated else None
        with transaction() as session:
            person = entering.confirm_address(session, token, now=now())
            email, person_id = person.email, person.id
            waits = kept_forms.waiting(session, person_id, now=now())
            onward = url_for("resend.send_again", id=waits[0].id) if waits else None
    except Refusal as refusal:
        return page("accounts/link_over.html", keep(refusal), what=refusal.message, again=url_for(".security"))
    if _needs_factor(before):
        flash(f"{email} is confirmed. One more step: your work needs a second factor.", "ok")
        return redirect(url_for("second_factor.overview"), 303)
    flash(f"{email} is confirmed.", "ok")
    if not current_user.is_authenticated:
        return sign_in_page(onward)  # What they had typed before they confirmed waits behind the sign-in.
    mine = current_user.signed_in.person_id == person_id
    return redirect((onward if mine else None) or url_for("accounts.account"), 303)


def _needs_factor(token: str | None) -> bool:
    """Whether this browser's session, which was open a moment ago, now waits for a second factor to be set up.

    With the address confirmed its person acts for a firm, and some work needs one.
    """
    if token is None:
        waits = half()
        return waits is not None and waits.missing is Missing.ENROL
    with transaction() as session:
        known = sessions.signed_in(session, token, now=now(), training=runtime().config.training)
    return known is not None and known.missing is Missing.ENROL


@pages.post("/account/confirm")
@limiter.limit(SIGN_IN)
def resend_confirmation() -> flask.typing.ResponseReturnValue:
    """The link again."""
    _count(tries.Kind.CONFIRM, current_user.email)
    with transaction() as session:
        entering.resend_confirmation(session, actor(), now=now())
    flash(f"A new link is on its way to {current_user.email}. The one before works no more.", "ok")
    return redirect(url_for("accounts.account"), 303)


@pages.route("/account/address", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def address() -> flask.typing.ResponseReturnValue:
    """Another address: it counts once its owner used the link that we send there."""
    late = not_fresh(request.path)
    if late is not None:
        return late
    if request.method == "GET":
        return page("accounts/address.html", form={}, errors={})
    try:
        email = typed("email")
        _count(tries.Kind.CONFIRM, current_user.email)
        with transaction() as session:
            entering.ask_for_new_address(session, actor(), email, now=now())
    except Refusal as refusal:
        return page("accounts/address.html", keep(refusal), form=request.form, errors=errors_of(refusal))
    flash("We sent a link to the new address. Until it is used, the old one stays.", "ok")
    return redirect(url_for(".security"), 303)


# ---- the password ----


@pages.route("/reset", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def forgotten() -> flask.typing.ResponseReturnValue:
    """Ask for a new password. The answer is the same whether the address has an account or not."""
    if request.method == "GET":
        return page("accounts/forgotten.html", form={}, errors={}, sent=None)
    try:
        email = typed("email")
        if "@" not in email:
            raise Invalid("Type the e-mail address of your account.", field="email")
        _count(tries.Kind.RESET, email)
        with transaction() as session:
            entering.ask_for_reset(session, email, now=now())
    except Refusal as refusal:
        return page("accounts/forgotten.html", keep(refusal), form=request.form, errors=errors_of(refusal), sent=None)
    return page("accounts/forgotten.html", form={}, errors={}, sent=email.strip())


@pages.route("/reset/<token>", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def reset(token: str) -> flask.typing.ResponseReturnValue:
    """A new password, for whoever has the link. Then sign in with it: a second factor is asked for as always."""
    errors: Mapping[str, str] = {}
    status = 200
    if request.method == "POST":
        try:
            with transaction() as session:
                person = entering.reset_password(session, token, typed("password"), now=now())
                person_id, email = person.id, person.email
                tries.forgive(session, tries.Kind.PASSWORD, email)
            known = begin_session(person_id)
        except Invalid as refusal:
            errors, status = errors_of(refusal), keep(refusal)
        except Refusal as refusal:
            return page("accounts/link_over.html", keep(refusal), what=refusal.message, again=url_for(".forgotten"))
        else:
            flash("Your password is set, and every other session is ended.", "ok")
            return redirect(onward_with(known, None, None), 303)
    try:
        with transaction() as session:
            mailed.look(session, (Purpose.RESET,), token, now=now())
    except Refusal as refusal:
        return page("accounts/link_over.html", keep(refusal), what=refusal.message, again=url_for(".forgotten"))
    return page("accounts/reset.html", status, form={}, errors=errors)


@pages.route("/account/password", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def password() -> flask.typing.ResponseReturnValue:
    """A new password, by who knows the old one."""
    if request.method == "GET":
        return page("accounts/password.html", form={}, errors={})
    try:
        _count(tries.Kind.PASSWORD, current_user.email)
        with transaction() as session:
            token = entering.change_password(
                session,
                actor(),
                old=typed("old_password"),
                new=typed("password"),
                session_id=current_user.signed_in.session_id,
                now=now(),
            )
            tries.forgive(session, tries.Kind.PASSWORD, current_user.email)
    except Refusal as refusal:
        return page("accounts/password.html", keep(refusal), form={}, errors=errors_of(refusal))
    renew_cookie(token)
    flash("Your password is changed, and every other session is ended.", "ok")
    return redirect(url_for(".security"), 303)


@pages.route("/account/again", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def again() -> flask.typing.ResponseReturnValue:
    """The password again, before something that matters; it counts for ten minutes."""
    onward = local_path(request.values.get("next"))
    if request.method == "GET":
        return page("accounts/again.html", form={}, errors={}, next=onward)
    try:
        _count(tries.Kind.PASSWORD, current_user.email)
        with transaction() as session:
            token = entering.show_password(
                session, actor(), typed("password"), session_id=current_user.signed_in.session_id, now=now()
            )
            tries.forgive(session, tries.Kind.PASSWORD, current_user.email)
    except Refusal as refusal:
        return page("accounts/again.html", keep(refusal), form={}, errors=errors_of(refusal), next=onward)
    renew_cookie(token)
    return redirect(onward or url_for(".security"), 303)


def _count(kind: tries.Kind, account: str) -> None:
    with transaction() as session:
        tries.count(session, kind, account, now=now())
