"""Bring a database up to date, as the owner role, and found the market if there is none yet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig

FOLDER = Path(__file__).parent


def migrate(owner_url: str, *, app_role: str, mode: str, did_host: str, now: datetime) -> str:
    """Run every revision that is missing, one transaction each. Returns the revision reached.

    `mode` and `did_host` found the market on the first run; later runs refuse another mode with `ValueError`, as
    practice and real things must not meet in one database.
    """
    engine = sa.create_engine(owner_url, connect_args={"options": "-c timezone=UTC -c lock_timeout=10s"})
    try:
        with engine.connect() as connection:
            settings = AlembicConfig()
            settings.set_main_option("script_location", str(FOLDER))
            settings.attributes["connection"] = connection
            settings.attributes["app_role"] = app_role
            command.upgrade(settings, "head")
            connection.commit()
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


def statements(name: str) -> str:
    """The text of a frozen SQL file."""
    return (FOLDER / "sql" / name).read_text(encoding="utf-8")
