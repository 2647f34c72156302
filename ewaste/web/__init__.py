"""The site: pages, the agent's API and webhooks. The one place that knows Flask.

`create_app` puts it together. Every answer carries a strict content security policy; every form a token against
cross-site requests; every route asks the policy through the step or view it calls.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import flask
import sqlalchemy as sa
from flask import Flask, request
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from ewaste.accounts import sessions
from ewaste.accounts.models import Person
from ewaste.centres.credentials import Issuers
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.installation import Installation, Unfounded, installation
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, Refusal
from ewaste.payments.stripe_gateway import open_gateway
from ewaste.web import addresses, assets, drawing, edge, errors, filters, front, requests, resend
from ewaste.web.limits import csrf, limiter
from ewaste.web.sample import Filling

log = logging.getLogger("ewaste.web")
ROOT = Path(__file__).parents[2]
LARGEST_REQUEST = 2 * 1024 * 1024
SITE_NAME = "Clearhand"
# The fields of which a form sends several: ticks in a list.
LISTS = frozenset({"devices", "methods", "media_kinds", "licences", "scopes"})


def create_app(config: Config) -> Flask:
    """The WSGI application for this configuration. Raises `Unfounded` when its database is not that of this market."""
    app = Flask(__name__, root_path=str(ROOT), template_folder="templates", static_folder="static")
    database = Database(config.require_database_url())
    try:
        founded = _founded(database, config)
    except BaseException:
        database.close()
        raise
    app.extensions["ewaste"] = edge.Runtime(
        config=config,
        database=database,
        gateway=open_gateway(config),
        issuers=Issuers.load(
            config.data / "keys",
            did_host=founded.did_host,
            training=config.training,
            founded=founded.founded_at,
            log=config.log_trust,
        ),
    )
    secure = config.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=config.secret_key,
        SESSION_COOKIE_NAME="__Host-session" if secure else "session",
        SESSION_COOKIE_SECURE=secure,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(hours=12),
        MAX_CONTENT_LENGTH=LARGEST_REQUEST,
        MAX_FORM_PARTS=1500,
        WTF_CSRF_TIME_LIMIT=None,
        RATELIMIT_HEADERS_ENABLED=False,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        site_name=SITE_NAME,
        typed_by=resend.typed_by,
        sample_filling=Filling(config, database),
        mode=config.mode,
        mailbox_url=f"{config.practice_url}/mailbox" if config.practice_mail else None,
    )
    filters.install(app.jinja_env)
    assets.install(app)
    addresses.install(app)
    drawing.install(app)
    app.context_processor(lambda: {"now": edge.now()})
    csrf.init_app(app)
    limiter.init_app(app)
    _sign_in(app, config, database)
    _headers(app, config)
    _plain_requests(app)
    _blueprints(app)
    _refusals(app)
    front.install(app, config)
    requests.install(app, database.engine)
    return app


def _founded(database: Database, config: Config) -> Installation:
    """The installation, which has to be of our mode and, when live, without anything of the sample."""
    with database.transaction() as session:
        founded = installation(session)
        sampled = session.scalar(sa.select(Person.id).where(Person.sample).limit(1)) is not None
    if founded.mode != config.mode:
        raise Unfounded(f"This database was founded for {founded.mode} mode, and EWASTE_MODE is {config.mode}.")
    if sampled and not config.training:
        raise Unfounded("This live database holds sample accounts, whose password everybody knows. Remove them first.")
    return founded


def _sign_in(app: Flask, config: Config, database: Database) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # The row in the database ends sessions; addresses change on phones.

    @manager.user_loader
    def load(token: str) -> edge.User | None:
        now = edge.now()
        try:
            with database.reading() as session:
                known = sessions.signed_in(session, token, now=now, training=config.training)
                if known is not None and now - known.seen_at > sessions.NOTE_SEEN:
                    sessions.note_seen(session, known.session_id, now=now)
        except SQLAlchemyError:
            return None  # The page itself will say that the database is away; the error page must not need it.
        if known is not None and known.missing is not None:
            # A password alone is nobody here: the one place that holds everybody to the second factor.
            flask.g.half = known
            return None
        return edge.User(known, token) if known else None


def _plain_requests(app: Flask) -> None:
    """What no page of ours sends is refused before anything reads it."""

    @app.before_request
    def plain() -> None:
        if not request.path.isprintable():  # NUL and its like cannot be stored, not even in the note of a refusal.
            flask.abort(404)
        if request.method != "POST" or errors.wants_json():
            return
        for field, values in request.form.lists():
            if len(values) > 1 and field not in LISTS:
                name = field[:60] if field.isprintable() else "?"
                raise Invalid(
                    f"The form sent “{name}” twice, and we cannot tell which one you mean. "
                    "Reload the page and fill it in again.",
                    field=name,
                )


def _headers(app: Flask, config: Config) -> None:
    # Paying, and saying where to be paid, lead from a form of ours to the provider's pages, so the policy names them.
    provider = config.practice_url if config.practice else "https://checkout.stripe.com https://connect.stripe.com"
    csp = (
        "default-src 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; script-src 'self'; "
        f"style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self' {provider}"
    )

    @app.after_request
    def secure(response: flask.Response) -> flask.Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", csp)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if config.public_url.startswith("https://"):
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        if request.endpoint != "static" and current_user.is_authenticated:
            headers.setdefault("Cache-Control", "no-store")
        return response


def _blueprints(app: Flask) -> None:
    from ewaste.web import (
        about,
        accounts,
        accrediting,
        api,
        bench,
        centres,
        consumer,
        disputes,
        figures,
        firms,
        market,
        photographs,
        proofs,
        public,
        reaudits,
        recycler,
        second_factor,
        staff,
        staff_applications,
        system,
        tokens,
        transparency,
        webhooks,
    )

    for module in (
        public,
        about,
        figures,
        transparency,
        accounts,
        proofs,
        second_factor,
        resend,
        firms,
        consumer,
        market,
        disputes,
        bench,
        reaudits,
        photographs,
        recycler,
        staff,
        staff_applications,
        accrediting,
        centres,
        system,
        tokens,
        webhooks,
    ):
        app.register_blueprint(module.pages)
    csrf.exempt(webhooks.pages)  # Signed by its sender; no browser session takes part.
    api.install(app)


def _refusals(app: Flask) -> None:
    from ewaste.web import accounts

    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> flask.Response:
        waits = isinstance(refusal, NotAllowed) and current_user.is_authenticated and not current_user.confirmed
        if waits and not errors.wants_json():
            return resend.unconfirmed(refusal)
        return errors.answer(refusal, edge.keep(refusal))

    @app.errorhandler(CSRFError)
    def forged(_error: CSRFError) -> flask.Response:
        refusal = Conflict("This form was opened in another session. Go back, reload the page and send it again.")
        if request.endpoint == "accounts.sign_in":
            return accounts.sign_in_page(
                edge.local_path(request.form.get("next")),
                status=edge.keep(refusal),
                errors={"": "This page was open for a long time. Type your password once more."},
                kept=request.form.get("kept"),
            )
        return resend.forged() or errors.answer(refusal, edge.keep(refusal))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> flask.Response:
        return errors.http(error)

    @app.errorhandler(Exception)
    def broken(error: Exception) -> flask.Response:
        if errors.is_away(error):
            log.warning("the database is away", exc_info=error, extra={"fields": {"route": requests.route()}})
            return errors.away()
        log.error("unexpected", exc_info=error, extra={"fields": {"route": requests.route()}})
        return errors.unexpected(requests.reference())
