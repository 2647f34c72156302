"""The terminal: migrate, seed, show accounts, audit. `python -m ewaste COMMAND --help` tells more."""

from __future__ import annotations

import argparse
import os
import sys
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from ewaste.accounts import samples
from ewaste.centres.credentials import Issuers
from ewaste.core import clock
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.installation import installation
from ewaste.journey import founding
from ewaste.migrations.upgrade import migrate
from ewaste.views import audit


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when done, 1 when an audit found something, 2 when the settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m ewaste", description="The marketplace from a terminal.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database up to date (as the owner role)")
    commands.add_parser("seed", help="training only: the sample accounts, once")
    commands.add_parser("accounts", help="training only: the accounts to sign in as")
    commands.add_parser("audit", help="read everything again: ledger, custody chains, stored certificates, quotes")
    options = parser.parse_args(argv)
    try:
        config = Config.from_env(os.environ)
        return {"migrate": _migrate, "seed": _seed, "accounts": _accounts, "audit": _audit}[options.command](config)
    except (ValueError, LookupError) as error:
        print(error, file=sys.stderr)
        return 2


def did_host(config: Config) -> str:
    """The market's name in DIDs, from its public address. did:web takes no IP addresses, so loopback is localhost."""
    parts = urlsplit(config.public_url)
    host = "localhost" if parts.hostname in ("127.0.0.1", "::1") else (parts.hostname or "localhost")
    return f"{host}%3A{parts.port}" if parts.port else host


def _migrate(config: Config) -> int:
    app_role = make_url(config.require_database_url()).username or "ewaste_app"
    owner = make_url(config.require_owner_database_url()).username
    revision = migrate(
        config.require_owner_database_url(),
        app_role=app_role,
        mode=config.mode,
        did_host=did_host(config),
        now=clock.now(),
    )
    print(f"The database is at revision {revision}.")
    if owner == app_role:
        print(
            "DATABASE_URL and EWASTE_OWNER_DATABASE_URL name one role. What the database forbids the app, it can "
            "forbid only to a role of its own. Make one (docs/configuration.md).",
            file=sys.stderr,
        )
    return 0


def _seed(config: Config) -> int:
    if not config.training:
        print("Sample accounts belong to training. EWASTE_MODE is live.", file=sys.stderr)
        return 2
    with _session(config) as session:
        issuers = _issuers(config, session)
        made = founding.found_sample_market(session, issuers=issuers, now=clock.now())
    print("The sample accounts are there." if not made else f"Made {made} sample accounts.")
    return 0


def _accounts(config: Config) -> int:
    if not config.training:
        return 0
    print(f"Sign in at {config.public_url}/sign-in; the password of each is {samples.PASSWORD}")
    for sample in samples.SAMPLES:
        who = sample.organisation or "private"
        print(f"  {sample.email:28} {sample.role.value:9} {who:18} {sample.text}")
    return 0


def _audit(config: Config) -> int:
    with _session(config) as session:
        issuers = _issuers(config, session)
        found = audit.everything(session, issuers=issuers, now=clock.now())
    for count, what in found.counted:
        print(f"{count:7} {what}")
    for wrong in found.wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
    print("Everything holds." if not found.wrong else f"{len(found.wrong)} things do not hold.")
    return 1 if found.wrong else 0


def _issuers(config: Config, session: Session) -> Issuers:
    found = installation(session)
    return Issuers.load(
        config.data / "keys", did_host=found.did_host, training=config.training, founded=found.founded_at
    )


class _session:  # noqa: N801 - reads as a word where it is used
    """One transaction for one command."""

    def __init__(self, config: Config) -> None:
        self._database = Database(config.require_database_url(), pool_size=1)
        self._transaction = self._database.transaction()

    def __enter__(self) -> Session:
        try:
            return self._transaction.__enter__()
        except sa.exc.OperationalError as error:
            raise ValueError(f"DATABASE_URL: the database does not answer: {error.orig}") from error

    def __exit__(self, *problem: object) -> None:
        self._transaction.__exit__(*problem)  # type: ignore[arg-type]
        self._database.close()
