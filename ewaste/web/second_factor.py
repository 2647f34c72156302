"""The second factor over HTTP: shown after the password, set up on one's security page, by app or by passkey.

Whoever must have one reaches nothing else before (see the user loader in `ewaste.web`): these pages are the only ones
that a half-open session opens.
"""

from __future__ import annotations

import base64
from uuid import UUID

import flask
from flask import Blueprint, flash, redirect, request, url_for
from flask_login import current_user

from ewaste.accounts import passkeys, second_factor, sessions, tries
from ewaste.accounts.sessions import SECOND_FACTOR_REQUIRED, Missing, SignedIn
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, Refusal
from ewaste.journey import entering
from ewaste.views import own_account
from ewaste.web.accounts import begin_session, home_of, onward_with, party, renew_cookie
from ewaste.web.codes import qr
from ewaste.web.edge import (
    errors_of,
    half,
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

pages = Blueprint("second_factor", __name__)
PROVING = frozenset({"second_factor.prove", "second_factor.passkey_asked", "second_factor.passkey_shown"})
_APP, _CHALLENGE, _ONWARD = "new_app", "challenge", "onward"


@pages.before_request
def _guard() -> flask.typing.ResponseReturnValue | None:
    if request.endpoint in PROVING or current_user.is_authenticated:
        return None
    waits = half()
    # Setting one up is for who has none yet; who has one shows it first.
    return None if waits is not None and waits.missing is Missing.ENROL else require_account()


# ---- showing it ----


@pages.route("/sign-in/second", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def prove() -> flask.typing.ResponseReturnValue:
    """After the password: a code of the app, or a recovery code."""
    onward = local_path(request.values.get("next"))
    waits = half()
    if waits is None or waits.missing is not Missing.PROVE:
        signed_in = current_user.is_authenticated
        home = home_of(current_user.actor.role) if signed_in else url_for("accounts.sign_in")
        return redirect(onward or home if signed_in else home, 303)
    if request.method == "GET":
        return _prove_page(waits, onward)
    try:
        code = typed("code", 60)
        with transaction() as session:
            tries.count(session, tries.Kind.CODE, str(waits.actor.id), now=now())
        with transaction() as session:
            second_factor.prove(session, waits.person_id, code, key=_key(), now=now())
            tries.forgive(session, tries.Kind.CODE, str(waits.actor.id))
            token = sessions.rotate(session, waits.session_id, now=now(), second_factor=True)
            left = second_factor.recovery_codes_left(session, waits.person_id)
    except Refusal as refusal:
        return _prove_page(waits, onward, status=keep(refusal), errors=errors_of(refusal))
    flask.session.clear()
    _take_over(token)
    if left < 3:
        words = "no recovery codes" if not left else "one recovery code" if left == 1 else f"{left} recovery codes"
        flash(f"You have {words} left. Make new ones on your security page.", "note")
    return redirect(onward or home_of(waits.actor.role), 303)


@pages.post("/sign-in/passkey/options")
@limiter.limit("30 per minute")
def passkey_asked() -> flask.Response:
    """What the browser shall ask its person for: one of their passkeys, or any of ours."""
    waits = half()
    with transaction() as session:
        options, challenge = passkeys.sign_in_options(session, party(), waits.person_id if waits else None)
    return _asked(options, challenge, local_path((request.get_json(silent=True) or {}).get("next") or ""))


@pages.post("/sign-in/passkey")
@limiter.limit(SIGN_IN)
def passkey_shown() -> flask.Response:
    """A passkey, as second factor after the password or as a sign-in by itself."""
    waits = half()
    try:
        answer, challenge = _answer()
        with transaction() as session:
            person_id = passkeys.show(
                session,
                party(),
                answer,
                challenge=challenge,
                person_id=waits.person_id if waits else None,
                now=now(),
            )
            token = (
                sessions.rotate(session, waits.session_id, now=now(), second_factor=True) if waits is not None else None
            )
    except Refusal as refusal:
        return flask.make_response({"message": refusal.message}, keep(refusal))
    onward = local_path(flask.session.get(_ONWARD))
    if waits is None or token is None:
        known = begin_session(person_id, second_factor=True)
        return flask.make_response({"go": onward_with(known, None, onward)})
    flask.session.clear()
    _take_over(token)
    return flask.make_response({"go": onward or home_of(waits.actor.role)})


# ---- setting it up ----


@pages.get("/account/second-factor")
def overview() -> flask.Response:
    """Which ways there are, which ones somebody has, and what to do first."""
    me = _me()
    with transaction() as session:
        told = own_account.second_factor(session, me.actor)
    return page(
        "accounts/second_factor.html",
        **told,
        required=_required(me),
        waits=half() is not None,
        next=local_path(request.args.get("next")),
        passkey_host=party().id,
        passkey_origin=party().origin,
    )


@pages.route("/account/second-factor/app", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def app() -> flask.typing.ResponseReturnValue:
    """Set up an authenticator app: scan, type the code that it shows."""
    onward = local_path(request.values.get("next"))
    late = _not_fresh()
    if late is not None:
        return late
    me = _me()
    sealed = flask.session.get(_APP)
    if request.method == "GET" or not isinstance(sealed, str):
        secret = second_factor.new_secret()
        # Sealed, as the cookie can be read by whoever holds the browser.
        flask.session[_APP] = base64.b64encode(second_factor.seal(secret, _key(), me.person_id)).decode()
        if request.method == "GET":
            return _app_page(secret, me, onward)
    else:
        secret = second_factor.unseal(base64.b64decode(sealed), _key(), me.person_id)
    try:
        code = typed("code", 20)
        with transaction() as session:
            tries.count(session, tries.Kind.CODE, str(me.actor.id), now=now())
        with transaction() as session:
            token, codes = entering.enrol_app(
                session, me.actor, secret=secret, code=code, key=_key(), session_id=me.session_id, now=now()
            )
            tries.forgive(session, tries.Kind.CODE, str(me.actor.id))
    except Refusal as refusal:
        return _app_page(secret, me, onward, status=keep(refusal), errors=errors_of(refusal))
    flask.session.pop(_APP, None)
    _take_over(token)
    if codes:
        return page("accounts/recovery_codes.html", codes=codes, next=onward or home_of(me.actor.role))
    flash("The authenticator app is set up.", "ok")
    return redirect(onward or url_for("proofs.security"), 303)


@pages.post("/account/second-factor/app/remove")
def remove_app() -> flask.typing.ResponseReturnValue:
    """No app any more."""
    late = _not_fresh()
    if late is not None:
        return late
    me = _me()
    with transaction() as session:
        entering.remove_app(session, me.actor, required=_required(me), now=now())
    flash("The authenticator app is removed.", "ok")
    return redirect(url_for(".overview"), 303)


@pages.post("/account/second-factor/codes")
@limiter.limit(SIGN_IN)
def recovery_codes() -> flask.typing.ResponseReturnValue:
    """Ten fresh recovery codes. They stand on this one answer and nowhere else."""
    late = _not_fresh()
    if late is not None:
        return late
    me = _me()
    with transaction() as session:
        codes = entering.new_recovery_codes(session, me.actor, now=now())
    return page("accounts/recovery_codes.html", codes=codes, next=url_for("proofs.security"))


@pages.post("/account/passkeys/options")
@limiter.limit("30 per minute")
def passkey_options() -> flask.typing.ResponseReturnValue:
    """What the browser shall make."""
    me = _me()
    if not me.fresh(now()):
        return flask.make_response({"go": url_for("proofs.again", next=url_for(".overview"))})
    with transaction() as session:
        options, challenge = passkeys.registration_options(
            session, party(), me.person_id, email=me.email, name=me.actor.name
        )
    return _asked(options, challenge, None)


@pages.post("/account/passkeys")
@limiter.limit(SIGN_IN)
def add_passkey() -> flask.typing.ResponseReturnValue:
    """Keep the passkey that the browser made."""
    me = _me()
    try:
        answer, challenge = _answer()
        if not me.fresh(now()):
            raise NotAllowed("Give your password again first.")
        name = str((request.get_json(silent=True) or {}).get("name") or "")
        with transaction() as session:
            token = entering.add_passkey(
                session,
                me.actor,
                answer,
                party=party(),
                challenge=challenge,
                name=name,
                session_id=me.session_id,
                now=now(),
            )
            left = second_factor.recovery_codes_left(session, me.person_id)
    except Refusal as refusal:
        return flask.make_response({"message": refusal.message}, keep(refusal))
    _take_over(token)
    flash("The passkey is kept." + ("" if left else " Now make recovery codes, for the day you do not have it."), "ok")
    return flask.make_response({"go": url_for(".overview")})


@pages.post("/account/passkeys/<uuid:id>/remove")
def remove_passkey(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """One passkey less."""
    late = _not_fresh()
    if late is not None:
        return late
    me = _me()
    with transaction() as session:
        entering.remove_passkey(session, me.actor, id, required=_required(me), now=now())
    flash("The passkey is removed.", "ok")
    return redirect(url_for(".overview"), 303)


# ---- what the pages share ----


def _me() -> SignedIn:
    me = current_user.signed_in if current_user.is_authenticated else half()
    if me is None:
        raise NotAllowed("Sign in first.")
    return me


def _required(me: SignedIn) -> bool:
    return me.missing is Missing.ENROL or me.actor.role in SECOND_FACTOR_REQUIRED


def _key() -> str:
    return runtime().config.secret("second-factor-key")


def _not_fresh() -> flask.typing.ResponseReturnValue | None:
    """To the password again, when it was given a while ago; a half-open session signs in anew."""
    if _me().fresh(now()):
        return None
    if half() is not None:
        flash("You took a while. Sign in again, then go on.", "note")
        flask.session.clear()
        return redirect(url_for("accounts.sign_in"), 303)
    return redirect(url_for("proofs.again", next=url_for(".overview")), 303)


def _take_over(token: str) -> None:
    """The browser goes on with the session's new token; from now on it is whole."""
    if half() is None:
        renew_cookie(token)
        return
    flask.g.pop("half", None)
    flask.session["_user_id"] = token
    flask.session["_fresh"] = True
    flask.session.permanent = True


def _asked(options: str, challenge: bytes, onward: str | None) -> flask.Response:
    flask.session[_CHALLENGE] = [base64.b64encode(challenge).decode(), now().timestamp()]
    if onward:
        flask.session[_ONWARD] = onward
    return flask.Response(options, mimetype="application/json")


def _answer() -> tuple[str, bytes]:
    """The browser's answer, as JSON text, and the challenge that it answers."""
    kept = flask.session.pop(_CHALLENGE, None)
    sent = request.get_json(silent=True)
    if not isinstance(sent, dict) or not isinstance(sent.get("credential"), dict):
        raise Invalid("Your browser sent no passkey. Try again.")
    within = passkeys.ANSWER_WITHIN.total_seconds()
    if not isinstance(kept, list) or len(kept) != 2 or not 0 <= now().timestamp() - kept[1] <= within:
        raise Conflict("This took too long. Try again.")
    return flask.json.dumps(sent["credential"]), base64.b64decode(kept[0])


def _prove_page(
    waits: SignedIn, onward: str | None, *, status: int = 200, errors: dict[str, str] | None = None
) -> flask.Response:
    with transaction() as session:
        told = own_account.second_factor(session, waits.actor)
    return page(
        "accounts/prove.html",
        status,
        **told,
        name=waits.actor.name,
        next=onward,
        form={},
        errors=errors or {},
        passkey_host=party().id,
        passkey_origin=party().origin,
    )


def _app_page(
    secret: str, me: SignedIn, onward: str | None, *, status: int = 200, errors: dict[str, str] | None = None
) -> flask.Response:
    return page(
        "accounts/app.html",
        status,
        qr=qr(second_factor.app_address(secret, email=me.email, site=party().name)),
        secret=" ".join(secret[place : place + 4] for place in range(0, len(secret), 4)),
        next=onward,
        form={},
        errors=errors or {},
    )
