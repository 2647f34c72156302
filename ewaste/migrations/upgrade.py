"""Bring a database up to date, as the owner role, and found the market if there is none yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config as AlembicConfig

from ewaste.migrations import revisions

FOLDER = Path(__file__).parent
# A revision that waits for a table keeps everybody else waiting behind it, so it gives up soon and comes again.
LOCK_TIMEOUT = "2s"
TRIES = 20
PAUSE = 1.0  # seconds between tries, for those who waited
LOCK_NOT_AVAILABLE, DEADLOCK = "55P03", "40P01"
ONE_AT_A_TIME = 0x65776173  # the number of the lock that keeps a second migration waiting


def migrate(
    owner_url: str,
    *,
    app_role: str,
    mode: str,
    did_host: str,
    now: datetime,
    revision: str = "head",
    say: Callable[[str], object] = lambda words: None,
    pause: Callable[[float], object] = time.sleep,
) -> str:
    """Run every revision that is missing up to `revision`, one transaction each. Returns the revision reached.

    The market may be at work meanwhile: a revision that does not get its locks within two seconds lets the others
    pass, says so and is tried again, twenty times. A second migration waits for the first.

    `mode` and `did_host` found the market on the first run; later runs refuse another mode with `ValueError`, as
    practice and real things must not meet in one database. A database that is newer than this release is left as it
    is, and named.
    """
    engine = sa.create_engine(owner_url, connect_args={"options": f"-c timezone=UTC -c lock_timeout={LOCK_TIMEOUT}"})
    try:
        with engine.connect() as connection:
            settings = AlembicConfig()
            settings.set_main_option("script_location", str(FOLDER))
            settings.attributes["connection"] = connection
            settings.attributes["app_role"] = app_role
            _alone(connection)
            at = _present(connection)
            if at is not None and at not in revisions.known():
                say(f"The database is at revision {at}, which this release does not know. It is left as it is.")
            else:
                for missing in _missing(at, revision):
                    _upgrade(connection, settings, missing, say, pause)
            with connection.begin():
                connection.execute(
                    sa.text(
                        "insert into installation (one, mode, did_host, founded_at) values (true, :mode, :host, :now)"
                        " on conflict do nothing"
                    ),
                    {"mode": mode, "host": did_host, "now": now},
                )
                founded = connection.scalar(sa.text("select mode from installation"))
                revision = connection.scalar(sa.text("select version_num from alembic_version"))
            if founded != mode:
                raise ValueError(
                    f"This database was founded for {founded} mode and EWASTE_MODE is {mode}. "
                    "Use another database: practice and real things never share one."
                )
            return str(revision)
    finally:
        engine.dispose()


def _alone(connection: sa.Connection) -> None:
    """Wait until no other migration runs; ours then holds the place until its connection closes."""
    connection.execute(sa.text("set lock_timeout = 0"))
    connection.execute(sa.text("select pg_advisory_lock(:number)"), {"number": ONE_AT_A_TIME})
    connection.execute(sa.text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()


def _present(connection: sa.Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    with connection.begin():
        if connection.scalar(sa.text("select to_regclass('public.alembic_version')")) is None:
            return None
        found: str | None = connection.scalar(sa.text("select version_num from alembic_version"))
        return found


def _missing(at: str | None, wanted: str) -> tuple[str, ...]:
    known = revisions.known()
    last = len(known) if wanted == "head" else known.index(wanted) + 1
    return known[0 if at is None else known.index(at) + 1 : last]


def _upgrade(
    connection: sa.Connection,
    settings: AlembicConfig,
    revision: str,
    say: Callable[[str], object],
    pause: Callable[[float], object],
) -> None:
    """One revision, whole or not at all; again when somebody held a lock that it needs."""
    for left in reversed(range(TRIES)):
        try:
            command.upgrade(settings, revision)
            connection.commit()
            return
        except sa.exc.OperationalError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) not in (LOCK_NOT_AVAILABLE, DEADLOCK) or not left:
                raise
            say(f"Revision {revision} waits for a lock that somebody holds; {left} more tries.")
            pause(PAUSE)


def statements(name: str) -> str:
    """The text of a frozen SQL file."""
    return (FOLDER / "sql" / name).read_text(encoding="utf-8")


def execute(sql: str) -> None:
    """Within a revision: run SQL in which `:app` stands for the app role. Other colons are left as they are."""
    role = '"' + str(context.config.attributes["app_role"]).replace('"', '""') + '"'
    op.execute(sa.text(sql.replace(":app", role).replace(":", "\\:")))
