"""The terminal: migrate, seed, audit, backup, restore, doctor and more. `python -m ewaste --help` lists them."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from ewaste.accounts import samples
from ewaste.centres.credentials import Issuers
from ewaste.core import clock
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.installation import installation
from ewaste.core.refusals import Refusal
from ewaste.journey import entering, founding
from ewaste.migrations.upgrade import migrate
from ewaste.operate import backup, doctor, new_log, place, restore, seal
from ewaste.views import audit


def main(argv: list[str] | None = None) -> int:
    """Exit code 0 when done, 1 when an audit or the doctor found something, 2 when it could not be done at all."""
    parser = argparse.ArgumentParser(prog="python -m ewaste", description="The marketplace from a terminal.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database up to date (as the owner role)")
    commands.add_parser("seed", help="training only: the sample accounts, once")
    commands.add_parser("accounts", help="training only: the accounts to sign in as")
    commands.add_parser("audit", help="read everything again: ledger, custody chains, certificates, the log, quotes")
    keep = commands.add_parser("backup", help="write database, keys, secrets and books to a new folder, at any time")
    keep.add_argument("folder", type=Path, metavar="FOLDER")
    keep.add_argument("--encrypt-to", type=Path, metavar="FILE", help="seal it with the passphrase in this file")
    back = commands.add_parser(
        "restore", help="bring a backup back into an empty place, and audit it (as the owner role)"
    )
    back.add_argument("folder", type=Path, metavar="FOLDER")
    back.add_argument("--decrypt-with", type=Path, metavar="FILE", help="the passphrase of a sealed backup")
    back.add_argument("--replace", action="store_true", help="put it in the place of the market that is here")
    staff = commands.add_parser("invite-staff", help="invite a member of staff, the first one too; prints the link")
    staff.add_argument("email", metavar="EMAIL")
    staff.add_argument("name", metavar="NAME")
    commands.add_parser("begin-log", help="number the entries anew for a new log (as the owner role)")
    commands.add_parser("doctor", help="look whether this installation is as it should be; changes nothing")
    options = parser.parse_args(argv)
    try:
        config = Config.from_env(os.environ)
        if options.command == "invite-staff":
            return _invite_staff(config, options.email, options.name)
        if options.command in OPERATING:
            return OPERATING[options.command](config, options)
        return {"migrate": _migrate, "seed": _seed, "accounts": _accounts, "audit": _audit}[options.command](config)
    except (ValueError, LookupError, RuntimeError, psycopg.OperationalError) as error:
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
        say=lambda words: print(words, flush=True),
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
        made = founding.found_sample_market(session, issuers=issuers, now=clock.now() - founding.ESTABLISHED)
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


def _invite_staff(config: Config, email: str, name: str) -> int:
    try:
        with _session(config) as session:
            path = entering.invite_staff(session, email=email, name=name, now=clock.now())
    except Refusal as refusal:
        print(refusal.message, file=sys.stderr)
        return 2
    print(f"{name} joins the staff with this link, once, within seven days (it goes out by mail, too):")
    print(f"{config.public_url}{path}")
    return 0


def _audit(config: Config) -> int:
    with place.at_database(config) as here, _session(here) as session:
        issuers = _issuers(here, session)
        found = audit.everything(session, issuers=issuers, now=clock.now())
    return _report(found)


def _report(found: audit.Found) -> int:
    for count, what in found.counted:
        print(f"{count:7} {what}")
    for wrong in found.wrong:
        print(f"WRONG: {wrong}", file=sys.stderr)
    print("Everything holds." if not found.wrong else f"{len(found.wrong)} things do not hold.")
    return 1 if found.wrong else 0


def _backup(config: Config, options: argparse.Namespace) -> int:
    phrase = seal.passphrase(options.encrypt_to) if options.encrypt_to else None
    _require_market(config)
    with place.at_database(config) as here:
        made = backup.backup(here, options.folder, passphrase=phrase, now=clock.now, say=print)
    print(f"Whatever was acknowledged before {made.begun} is in {options.folder}.")
    if phrase is None:
        print("It holds the market's keys and is not sealed. Keep it where nobody else reads.", file=sys.stderr)
    return 0


def _restore(config: Config, options: argparse.Namespace) -> int:
    phrase = seal.passphrase(options.decrypt_with) if options.decrypt_with else None
    with place.at_database(config, alone=True) as here:
        done = restore.restore(
            here, options.folder, passphrase=phrase, replace=options.replace, now=clock.now, say=print
        )
    code = _report(done.found)
    print(
        f"The market is as it was at {done.manifest.begun}. What happened since is lost here: compare payments with "
        "the provider, and ask stations to sync again (docs/backup.md)."
    )
    return code


def _doctor(config: Config, _options: argparse.Namespace) -> int:
    _require_market(config)
    with place.at_database(config) as here:
        signs = doctor.examine(here)
    for sign in signs:
        print(f"{sign.state:5}  {sign.what:14} {sign.words}")
    wrong = sum(sign.state == "wrong" for sign in signs)
    print("This installation is as it should be." if not wrong else f"{wrong} things have to be mended.")
    return 1 if wrong else 0


def _begin_log(config: Config, _options: argparse.Namespace) -> int:
    _require_market(config)
    with place.at_database(config) as here:
        count = new_log.begin(here)
    print(f"{count} entries wait for their numbers in the log {config.log_trust.origin}. Start the worker.")
    return 0


OPERATING = {"backup": _backup, "restore": _restore, "doctor": _doctor, "begin-log": _begin_log}


def _require_market(config: Config) -> None:
    if config.database_url is None and not (config.data / "postgres.json").exists():
        raise LookupError(f"There is no market in {config.data}. Set EWASTE_DATA or DATABASE_URL.")


def _issuers(config: Config, session: Session) -> Issuers:
    found = installation(session)
    return Issuers.load(
        config.data / "keys",
        did_host=found.did_host,
        training=config.training,
        founded=found.founded_at,
        log=config.log_trust,
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
