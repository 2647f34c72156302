"""The database: one engine, one `transaction()` an edge, typed columns, constraints with names.

`web`, `cli` and `worker` open transactions; everything below receives the session and leaves the commit to them.
The app role that these sessions use has no DDL and may not rewrite history (see `migrations/sql`).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UTCDateTime(sa.TypeDecorator[datetime]):
    """Aware times in, aware UTC times out; a naive time is a mistake and is refused."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Into the database: refuse what has no time zone."""
        if value is not None and value.tzinfo is None:
            raise ValueError("A time without a time zone cannot be stored.")
        return value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Out of the database: always UTC."""
        return value if value is None or value.tzinfo is UTC else value.astimezone(UTC)


def by_value(kind: type[enum.StrEnum], *, constrained: bool = True) -> sa.Enum:
    """The column type of an enum that is stored by its values, with a CHECK constraint unless one stands already."""
    return sa.Enum(
        kind,
        native_enum=False,
        create_constraint=constrained,
        length=40,
        values_callable=lambda members: [member.value for member in members],
    )


class Base(DeclarativeBase):
    """The one registry of tables."""

    metadata = sa.MetaData(naming_convention=NAMES)
    type_annotation_map = {
        datetime: UTCDateTime(),
        UUID: sa.Uuid(),
        str: sa.Text(),
        int: sa.BigInteger(),
        bytes: sa.LargeBinary(),
        dict[str, Any]: JSONB(),
        list[Any]: JSONB(),
        enum.StrEnum: by_value(enum.StrEnum),
    }


class Database:
    """An engine and its transactions. `url` names the app role's database.

    `pool_size` bounds the connections of one process: as many as it has threads, and no more.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.engine = sa.create_engine(
            url,
            hide_parameters=True,  # They may be a password's hash or a name, and an error goes to the log.
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=20,
            pool_pre_ping=False,
            connect_args={"application_name": "ewaste", "options": "-c timezone=UTC -c lock_timeout=10s"},
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False, autoflush=True)
        alone = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._readings = sessionmaker(alone, expire_on_commit=False, autoflush=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One step, whole or not at all: commits at the end, rolls back when anything is raised."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One or a few reads that need not fit each other: each statement by itself, without a transaction around."""
        with self._readings() as session:
            yield session

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()
