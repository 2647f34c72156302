"""What tests stand on: a real PostgreSQL, and for each test a database with nothing in it but the sample market.

A database is cloned from a migrated and seeded template. Cloning takes half a second on a busy machine, so a clone is
brought back to the sample market after its test and given to the next one; one that a test reached as its owner is
dropped.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from flask import Flask
from hypothesis import settings
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from ewaste.accounts import people
from ewaste.centres.credentials import Issuers
from ewaste.core import embedded
from ewaste.core.database import Database
from ewaste.journey import founding
from ewaste.migrations.upgrade import migrate
from tests.connections import Connections
from tests.contents import digests
from tests.sites import Sites
from tests.world import DID_HOST, World

# The same examples on every run, however busy the machine: a build that fails fails for everybody.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

# Hashing a password is slow on purpose; here a thousand of them are checked whose slowness proves nothing.
SLOW_HASHER = people._hasher
people._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
people._NOBODY = people._hasher.hash("nobody has this password")

# Each site would compile its templates anew. They are kept compiled, by the digest of their source, in a folder of this
# user, for all processes of this run and the next.
Flask.jinja_options = {"bytecode_cache": FileSystemBytecodeCache()}

NOW = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)
_number = itertools.count()
_databases: dict[str, Database] = {}


@pytest.fixture(scope="session")
def cluster() -> Iterator[embedded.Server]:
    """The PostgreSQL of this run."""
    with embedded.for_tests() as server:
        yield server


@pytest.fixture(scope="session")
def issuers(tmp_path_factory: pytest.TempPathFactory) -> Issuers:
    """The accreditor and the market of the template."""
    return Issuers.load(tmp_path_factory.mktemp("keys"), did_host=DID_HOST, training=True, founded=NOW)


@pytest.fixture(scope="session")
def template(cluster: embedded.Server, issuers: Issuers) -> str:
    """The name of a database with every table and the sample accounts."""
    name = f"template_{os.getpid()}"
    cluster.create_database(name)
    migrate(cluster.url(name), app_role=embedded.APP_ROLE, mode="training", did_host=DID_HOST, now=NOW)
    database = Database(cluster.url(name, embedded.APP_ROLE), pool_size=1)
    try:
        with database.transaction() as session:
            founding.found_sample_market(session, issuers=issuers, now=NOW)
    finally:
        database.close()
    return name


class Clones:
    """Clones of the template that wait for their next test."""

    def __init__(self, cluster: embedded.Server, template: str, connections: Connections) -> None:
        self._cluster, self._template, self._connections = cluster, template, connections
        self._waiting: list[str] = []
        self._admins: dict[str, sa.Engine] = {}
        with self._admin(template, poolclass=sa.NullPool).begin() as connection:
            tables = connection.scalars(
                sa.text(
                    "select tablename from pg_tables where schemaname = 'public' and tablename <> 'alembic_version'"
                )
            ).all()
            self._sample = {
                table: connection.scalar(sa.text(f'select json_agg(t)::text from "{table}" t')) for table in tables
            }
            self._digests = digests(connection, tables)

    def take(self) -> str:
        """A database with nothing in it but the sample market."""
        if self._waiting:
            return self._waiting.pop()
        name = f"test_{os.getpid()}_{next(_number)}"
        self._cluster.create_database(name, template=self._template)
        return name

    def give_back(self, name: str) -> None:
        """Put out whoever is still at work there, and bring the sample market back; no trigger sees it."""
        if name not in self._admins:
            self._admins[name] = self._admin(name, pool_size=1)
        with self._admins[name].begin() as connection:
            self._connections.settle(connection)
            connection.execute(sa.text("set local session_replication_role = replica"))
            now = digests(connection, self._digests)
            for table in (table for table, digest in self._digests.items() if now[table] != digest):
                connection.execute(sa.text(f'delete from "{table}"'))
                if self._sample[table] is not None:
                    row_by_row = f'json_populate_recordset(cast(null as "{table}"), cast(:rows as json))'
                    connection.execute(
                        sa.text(f'insert into "{table}" select * from {row_by_row}'), {"rows": self._sample[table]}
                    )
        self._waiting.append(name)

    def drop(self, name: str) -> None:
        """End a database whose rules a test may have changed."""
        self.hang_up(name)
        self._cluster.drop_database(name)

    def hang_up(self, name: str) -> None:
        """Leave nobody connected from here."""
        self._connections.forget(name)
        if name in self._admins:
            self._admins.pop(name).dispose()

    def close(self) -> None:
        """Give the connections back."""
        for admin in self._admins.values():
            admin.dispose()

    def _admin(self, name: str, **pool: Any) -> sa.Engine:
        return sa.create_engine(make_url(self._cluster.admin_url).set(database=name), **pool)


@pytest.fixture(scope="session")
def connections() -> Iterator[Connections]:
    """What stays connected between two tests."""
    kept = Connections()
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def clones(cluster: embedded.Server, template: str, connections: Connections) -> Iterator[Clones]:
    """The clones of this run."""
    clones = Clones(cluster, template, connections)
    yield clones
    clones.close()


@pytest.fixture(scope="session")
def sites(tmp_path_factory: pytest.TempPathFactory, connections: Connections) -> Sites:
    """The sites of this run."""
    return Sites(tmp_path_factory.mktemp("sites"), connections)


@pytest.fixture
def database_name(clones: Clones, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database of one's own for the length of a test."""
    name = clones.take()
    if "owner_url" not in request.fixturenames:
        yield name
        clones.give_back(name)
    else:
        clones.hang_up(name)
        yield name
        clones.drop(name)


@pytest.fixture
def app_url(cluster: embedded.Server, database_name: str) -> str:
    """The clone's URL, as the app role."""
    return cluster.url(database_name, embedded.APP_ROLE)


@pytest.fixture
def owner_url(cluster: embedded.Server, database_name: str) -> str:
    """The clone's URL, as the role that owns the tables."""
    return cluster.url(database_name)


@pytest.fixture
def database(app_url: str, connections: Connections) -> Database:
    """The clone, as the app role. What the engine has compiled once it need not compile for the next test."""
    if app_url not in _databases:
        _databases[app_url] = Database(app_url, pool_size=8)
        connections.keep(_databases[app_url])
    return _databases[app_url]


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """One transaction of the app role, committed at the end of the test."""
    with database.transaction() as session:
        yield session


@pytest.fixture
def world(database: Database, issuers: Issuers, tmp_path: Path) -> World:
    """The market with its sample people, and short ways to bring a device to where a test begins."""
    return World(database, issuers, NOW)
