"""A log for the benchmarks: a database of its own with every table and nothing in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from ewaste.core import embedded
from ewaste.core.database import Database
from ewaste.migrations.upgrade import migrate


@contextmanager
def database() -> Iterator[Database]:
    """The app role's database, for as long as the block lasts."""
    with embedded.for_tests() as server:
        name = f"bench_log_{os.getpid()}"
        server.create_database(name)
        try:
            migrate(
                server.url(name),
                app_role=embedded.APP_ROLE,
                mode="training",
                did_host="market.test",
                now=datetime.now(UTC),
            )
            opened = Database(server.url(name, embedded.APP_ROLE), pool_size=6)
            try:
                yield opened
            finally:
                opened.close()
        finally:
            server.drop_database(name)
