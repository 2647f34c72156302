"""Where a market lies: its database, and the files of its data folder that must be kept."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy.engine import make_url

from ewaste.core import embedded
from ewaste.core.config import Config

# What lies in the data folder and is made anew, or is kept in another way: the cluster as a dump.
MADE_ANEW: Final = frozenset(
    {"postgres", "postgres.json", "postgres.lock", "postgres.log", "metrics", "coverage", "bench.json"}
)
# The key store of the log's signer under `make run`, and the file in it that keeps a restored one from signing. The
# signer is a program of its own that nobody imports; a test holds these words and its own together.
SIGNER: Final = "signer"
SIGNER_RESTORED: Final = "restored"
REPLACED: Final = "replaced-"  # what a restore set aside
BESIDE: Final = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a database at work


@contextmanager
def at_database(config: Config, *, alone: bool = False) -> Iterator[Config]:
    """The configuration with a database that answers: the one it names, or the embedded one, started when it rests.

    `alone` refuses, with `ValueError`, to join an embedded database that somebody else has running.
    """
    if config.database_url is not None:
        yield config
        return
    with embedded.start(config.data) as server:
        if alone and not server.owned:
            raise ValueError(f"The market in {config.data} is running. Stop `make run` first.")
        yield dataclasses.replace(config, database_url=server.app_url, owner_database_url=server.owner_url)


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """A plain connection to the database of a SQLAlchemy URL; its transactions begin by themselves."""
    return psycopg.connect(conninfo(url), options="-c timezone=UTC", connect_timeout=10)


def others(connection: psycopg.Connection[Any], *, patience: float = 2.0) -> int:
    """How many others are connected to this database.

    Who has just left is listed for a moment yet: so as long as somebody is there it is asked again, for `patience`
    seconds.
    """
    end = time.monotonic() + patience
    while True:
        connection.execute("select pg_stat_clear_snapshot()")  # Within a transaction the list would stay as it is.
        # PostgreSQL's own helpers have no name of a user; what kind they are is not told to the owner.
        row = connection.execute(
            "select count(*) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid() and usename is not null"
        ).fetchone()
        if row is None or not row[0] or time.monotonic() > end:
            return row[0] if row else 0
        time.sleep(0.05)


def conninfo(url: str) -> str:
    """The URL as libpq reads it, whatever signs its parts hold."""
    parts = make_url(url)
    more = {name: value if isinstance(value, str) else ",".join(value) for name, value in parts.query.items()}
    named = {"user": parts.username, "password": parts.password, "host": parts.host, "dbname": parts.database}
    given = {name: str(value) for name, value in named.items() if value}
    return make_conninfo("", **given, **({"port": parts.port} if parts.port else {}), **more)


def role(url: str) -> str:
    """The role that a URL names; libpq would take the user's own name."""
    return make_url(url).username or ""


def kept_files(data: Path) -> list[Path]:
    """Every file under the data folder that a backup holds, in order. Links and sockets are none."""
    found: list[Path] = []
    for top in sorted(data.iterdir()) if data.is_dir() else []:
        if top.name in MADE_ANEW or top.name.startswith((".", REPLACED)) or top.is_symlink():
            continue
        inside = sorted(top.rglob("*")) if top.is_dir() else [top]
        found.extend(path for path in inside if path.is_file() and not path.is_symlink() and not _beside(path))
    return found


def closed_folder(folder: Path) -> None:
    """Make a folder and those above it that are missing, each closed to others."""
    if not folder.is_dir():
        closed_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _beside(path: Path) -> bool:
    bases = [path.name.removesuffix(ending) for ending in BESIDE if path.name.endswith(ending)]
    return any(path.with_name(base).exists() for base in bases)
