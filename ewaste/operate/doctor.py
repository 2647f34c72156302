"""The doctor: looks at an installation from the outside in, and says of each thing whether it is as it should be.

It changes nothing. It asks the mail server for its greeting, and the payment provider for nothing at all.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import psycopg

from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.operate import place, tools
from ewaste.views import vitals

State = Literal["ok", "look", "wrong"]

OLDEST_SERVER: Final = 15
CLOCKS_APART: Final = 5.0  # seconds; a station's signed request may be five minutes off, an auction's end may not
UNWITNESSED: Final = (
    "No witness is asked for, so a stolen key takes along every certificate that it ever signed. Name some in "
    "EWASTE_LOG_WITNESSES."
)
FROM_VITALS: Final = {"ok": "ok", "degraded": "look", "down": "wrong"}


@dataclass(frozen=True)
class Sign:
    """One thing that was looked at. `look` wants somebody's eye; `wrong` has to be mended."""

    what: str
    state: State
    words: str


def examine(config: Config) -> list[Sign]:
    """Everything, in order. The database that `config` names need not answer; then what depends on it is left out."""
    signs = [*_settings(config), *_files(config), *_mail(config)]
    try:
        with place.connect(config.require_database_url()) as connection:
            signs += _database(connection, config)
    except psycopg.Error as error:
        signs.append(Sign("database", "wrong", f"It does not answer: {str(error).strip().splitlines()[0]}"))
        return signs
    database = Database(config.require_database_url(), pool_size=1)
    try:
        for name, part in vitals.readiness(database, config).items():
            if name not in ("database", "keys"):
                signs.append(Sign(name, FROM_VITALS[part.state], part.words))  # type: ignore[arg-type]
    finally:
        database.close()
    return signs


def _settings(config: Config) -> Iterator[Sign]:
    yield Sign("settings", "ok", f"They can be used. The mode is {config.mode}.")
    key = config.stripe_api_key
    if key is None:
        yield Sign("provider", "ok", "Practice money; no key is set.")
    else:  # That it fits the mode was checked when it was read.
        yield Sign("provider", "ok", f"A {'live' if '_live_' in key else 'test'} key is set, and a webhook secret.")
    if config.public_url.startswith("https://") and not config.trusted_proxies:
        words = "EWASTE_TRUSTED_PROXIES is 0, yet https is ended by somebody else: limits count all visitors as one."
        yield Sign("proxies", "look", words)
    else:
        yield Sign("proxies", "ok", f"{config.trusted_proxies} are believed.")
    if config.training or config.log_witnesses_needed:
        yield Sign("witnesses", "ok", f"{config.log_witnesses_needed} must have seen a certificate in the log.")
    else:
        yield Sign("witnesses", "look", UNWITNESSED)


def _files(config: Config) -> Iterator[Sign]:
    data = config.data
    if not data.is_dir():
        yield Sign("data folder", "wrong", f"{data} is not there.")
        return
    if not os.access(data, os.W_OK | os.X_OK):
        yield Sign("data folder", "wrong", f"{data} cannot be written to.")
    yield _closed("keys", data / "keys", must=vitals.KEY_FILES)
    yield _closed("secrets", data / "secrets")


def _closed(what: str, folder: Path, must: tuple[str, ...] = ()) -> Sign:
    """Whether a folder of private files is closed to others, with everything in it."""
    if not folder.is_dir():
        return Sign(what, "wrong" if must else "ok", f"{folder.name}/ is not there.")
    missing = [name for name in must if not (folder / name).is_file()]
    if missing:
        return Sign(what, "wrong", f"{', '.join(missing)} is missing. Without it nothing more can be signed.")
    open_to_others = [
        str(path.relative_to(folder.parent))
        for path in [folder, *folder.rglob("*")]
        if stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]
    if open_to_others:
        return Sign(
            what, "wrong", f"Open to others: {', '.join(open_to_others)}. Close with chmod go= and look who came."
        )
    return Sign(what, "ok", "Closed to others, with everything in it.")


def _mail(config: Config) -> Iterator[Sign]:
    if config.practice_mail:
        yield Sign("mail server", "ok", "The practice mailbox; no server is set.")
        return
    parts = urlsplit(config.smtp_url)
    port = parts.port or (465 if parts.scheme == "smtps" else 587)
    try:
        with socket.create_connection((parts.hostname or "", port), timeout=5) as line:
            # Only the greeting is asked for; behind TLS from the start there is none in the clear.
            greeting = b"220" if parts.scheme == "smtps" else line.recv(256)
    except OSError as error:
        yield Sign(
            "mail server", "wrong", f"It does not answer on port {port} ({error.strerror or 'no answer in time'})."
        )
        return
    if greeting.startswith(b"220"):
        yield Sign("mail server", "ok", f"It answers on port {port}.")
    else:
        yield Sign("mail server", "wrong", f"What answers on port {port} is no mail server.")


def _database(connection: psycopg.Connection[Any], config: Config) -> Iterator[Sign]:
    major = connection.info.server_version // 10000
    right = "ok" if major >= OLDEST_SERVER else "wrong"
    yield Sign("database", right, f"PostgreSQL {major} answers.")  # type: ignore[arg-type]
    yield _roles(connection, config)
    yield from _installation(connection, config)
    theirs: datetime = _one(connection, "select clock_timestamp()")
    apart = abs((theirs - datetime.now(UTC)).total_seconds())
    words = f"This machine's and the database's are {apart:.1f} s apart."
    yield Sign("clock", "ok" if apart <= CLOCKS_APART else "wrong", words)
    try:
        found = tools.fitting("pg_dump", major)
        yield Sign("backup", "ok", f"pg_dump {tools.version(found)} fits the database.")
    except LookupError as error:
        yield Sign("backup", "wrong", str(error))


def _roles(connection: psycopg.Connection[Any], config: Config) -> Sign:
    """The app role changes no table and rewrites no history: it owns nothing, creates nothing, rules nobody."""
    may = connection.execute(
        "select rolsuper or rolcreaterole or rolcreatedb or rolbypassrls as rules,"
        " has_schema_privilege('public', 'create') or has_database_privilege(current_database(), 'create') as creates,"
        " has_database_privilege(current_database(), 'temp') as temporary,"
        " exists (select 1 from pg_class where relowner = pg_roles.oid and relnamespace = 'public'::regnamespace)"
        " from pg_roles where rolname = current_user"
    ).fetchone()
    powers = ("rules other roles", "may create tables", "may create temporary tables", "owns tables")
    too_much = [words for given, words in zip(may or (), powers, strict=False) if given]
    if place.role(config.require_database_url()) == place.role(config.require_owner_database_url()):
        too_much.append("is also the role that migrates, or EWASTE_OWNER_DATABASE_URL is not set here")
        if len(too_much) == 1:  # The site itself is rightly not told the owner's address.
            return Sign("roles", "ok", "The app role creates and owns nothing.")
    if too_much:
        return Sign(
            "roles", "wrong", f"The app role {', '.join(too_much)}. Give it a role of its own (docs/deployment.md)."
        )
    return Sign("roles", "ok", "The app role creates and owns nothing.")


def _installation(connection: psycopg.Connection[Any], config: Config) -> Iterator[Sign]:
    if _one(connection, "select to_regclass('public.installation')") is None:
        yield Sign("market", "wrong", "This database is empty. Run python -m ewaste migrate.")
        return
    mode = _one(connection, "select mode from installation")
    if mode != config.mode:
        yield Sign("market", "wrong", f"It was founded for {mode} mode, and EWASTE_MODE is {config.mode}.")
    else:
        yield Sign("market", "ok", f"Founded for {mode} mode.")
    samples = _one(connection, "select count(*) from people where sample")
    if config.mode == "live" and samples:
        yield Sign("sample accounts", "wrong", f"{samples} of them are in a live market.")
    certificates = _one(connection, "select count(*) from certificates where training")
    if config.mode == "live" and certificates:
        yield Sign("training certificates", "wrong", f"{certificates} of them are in a live market.")


def _one(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None
