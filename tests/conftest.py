"""What tests stand on: a real PostgreSQL, one database for each test, cloned from a migrated and seeded template."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from ewaste.centres.credentials import Issuers
from ewaste.core import embedded
from ewaste.core.database import Database
from ewaste.journey import founding
from ewaste.migrations.upgrade import migrate
from tests.world import DID_HOST, World

NOW = datetime(2026, 11, 20, 9, 0, 0, tzinfo=UTC)
_number = itertools.count()


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


@pytest.fixture
def database_name(cluster: embedded.Server, template: str) -> Iterator[str]:
    """A fresh clone of the template, dropped after the test."""
    name = f"test_{os.getpid()}_{next(_number)}"
    cluster.create_database(name, template=template)
    yield name
    cluster.drop_database(name)


@pytest.fixture
def app_url(cluster: embedded.Server, database_name: str) -> str:
    """The clone's URL, as the app role."""
    return cluster.url(database_name, embedded.APP_ROLE)


@pytest.fixture
def owner_url(cluster: embedded.Server, database_name: str) -> str:
    """The clone's URL, as the role that owns the tables."""
    return cluster.url(database_name)


@pytest.fixture
def database(app_url: str) -> Iterator[Database]:
    """The clone, as the app role."""
    database = Database(app_url, pool_size=8)
    yield database
    database.close()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    """One transaction of the app role, committed at the end of the test."""
    with database.transaction() as session:
        yield session


@pytest.fixture
def world(database: Database, issuers: Issuers, tmp_path: Path) -> World:
    """The market with its sample people, and short ways to bring a device to where a test begins."""
    return World(database, issuers, NOW)
