"""The site: pages, the agent's API and webhooks. The one place that knows Flask.

`create_app` puts it together. Every answer carries a strict content security policy; every form a token against
cross-site requests; every route asks the policy through the step or view it calls.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import flask
from flask import Flask, request
from flask_login import LoginManager, current_user
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from ewaste.accounts import people
from ewaste.centres.credentials import Issuers
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.installation import installation
from ewaste.core.refusals import Conflict, Invalid, Refusal
from ewaste.payments.stripe_gateway import open_gateway
from ewaste.web import edge, errors, filters
from ewaste.web.limits import csrf, limiter

ROOT = Path(__file__).parents[2]
LARGEST_REQUEST = 2 * 1024 * 1024
SITE_NAME = "Clearhand"
# The fields of which a form sends several: ticks in a list.
LISTS = frozenset({"devices", "methods", "media_kinds", "licences"})


def create_app(config: Config) -> Flask:
    """The WSGI application for this configuration. Raises `LookupError` when the database was not migrated."""
    app = Flask(__name__, root_path=str(ROOT), template_folder="templates", static_folder="static")
    database = Database(config.require_database_url())
    with database.transaction() as session:
        founded = installation(session)
    if founded.mode != config.mode:
        raise LookupError(f"This database was founded for {founded.mode} mode, and EWASTE_MODE is {config.mode}.")
    app.extensions["ewaste"] = edge.Runtime(
        config=config,
        database=database,
        gateway=open_gateway(config),
        issuers=Issuers.load(
            config.data / "keys", did_host=founded.did_host, training=config.training, founded=founded.founded_at
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
    app.jinja_env.globals.update(site_name=SITE_NAME, mode=config.mode)
    filters.install(app.jinja_env)
    app.context_processor(lambda: {"now": edge.now()})
    csrf.init_app(app)
    limiter.init_app(app)
    _sign_in(app, database)
    _headers(app, config)
    _plain_requests(app)
    _blueprints(app)
    _refusals(app)
    return app


def _sign_in(app: Flask, database: Database) -> None:
    manager = LoginManager(app)
    manager.session_protection = None  # The epoch in the cookie ends sessions; addresses change on phones.

    @manager.user_loader
    def load(cookie: str) -> edge.User | None:
        person_id, _, epoch = cookie.partition(".")
        known = edge.uuid_or_none(person_id)
        if known is None or not (epoch.isascii() and epoch.isdecimal()):
            return None
        try:
            with database.reading() as session:
                signed_in = people.signed_in(session, UUID(person_id), int(epoch))
        except SQLAlchemyError:
            return None  # The page itself will say that the database is away; the error page must not need it.
        return edge.User(signed_in, int(epoch)) if signed_in else None


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
    from ewaste.web import accounts, agent_api, bench, consumer, public, recycler, staff, system, webhooks

    for module in (public, accounts, consumer, bench, recycler, staff, system, agent_api, webhooks):
        app.register_blueprint(module.pages)
    for module in (agent_api, webhooks):  # Signed by their senders; no browser session takes part.
        csrf.exempt(module.pages)


def _refusals(app: Flask) -> None:
    @app.errorhandler(Refusal)
    def refused(refusal: Refusal) -> flask.Response:
        return errors.answer(refusal, edge.keep(refusal))

    @app.errorhandler(CSRFError)
    def forged(_error: CSRFError) -> flask.Response:
        refusal = Conflict("This form was opened in another session. Go back, reload the page and send it again.")
        return errors.answer(refusal, edge.keep(refusal))

    @app.errorhandler(HTTPException)
    def http(error: HTTPException) -> flask.Response:
        return errors.http(error)

    @app.errorhandler(Exception)
    def broken(error: Exception) -> flask.Response:
        reference = secrets.token_hex(4)
        app.logger.error("Unexpected error %s at %s", reference, request.endpoint, exc_info=error)
        return errors.unexpected(reference)
