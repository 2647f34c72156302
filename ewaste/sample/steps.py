"""Steps that are made once: each is noted in the very transaction that makes it, under its name in the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core import clock
from ewaste.core.database import Database
from ewaste.core.refusals import Conflict
from ewaste.core.sample import SampleMarket, SampleStep

Made = dict[str, Any]
# Any number will do that nothing else in this database locks by.
_LOCK = 0x5A3B1E


class Steps:
    """The steps made so far. `now` is when the filling began; the sample's past counts back from there."""

    def __init__(self, database: Database, *, of_devices: int) -> None:
        """Begin, or go on with what was begun."""
        self.database = database
        with database.transaction() as session:
            row = session.get(SampleMarket, True)
            if row is None:
                row = SampleMarket(of_devices=of_devices, begun_at=clock.now().replace(microsecond=0))
                session.add(row)
                session.flush()
            self.now: datetime = row.begun_at
            self.devices, self.of_devices, self.finished = row.devices, row.of_devices, row.finished_at is not None
            self._made: dict[str, Made] = dict(session.execute(sa.select(SampleStep.name, SampleStep.made)).all())

    def __contains__(self, name: str) -> bool:
        return name in self._made

    def __getitem__(self, name: str) -> Made:
        return self._made[name]

    def once(self, name: str, step: Callable[[Session], Made | None]) -> Made:
        """Make a step unless it was made. What it returns (plain JSON) is kept and returned again."""
        if name in self._made:
            return self._made[name]
        with self.database.transaction() as session:
            made = step(session) or {}
            session.add(SampleStep(name=name, made=made, at=clock.now()))
        self._made[name] = made
        return made

    def note(self, name: str) -> None:
        """Note something that happened outside the database."""
        self.once(name, lambda _: None)

    def stands(self, key: str) -> int:
        """One more device stands where it shall, once. Returns how many do."""

        def count(session: Session) -> None:
            session.execute(sa.update(SampleMarket).values(devices=SampleMarket.devices + 1))

        if f"{key} stands" not in self:
            self.once(f"{key} stands", count)
            self.devices += 1
        return self.devices

    def finish(self) -> None:
        """The market is filled. From now on a filling does nothing."""
        with self.database.transaction() as session:
            session.execute(sa.update(SampleMarket).values(finished_at=clock.now()))
        self.finished = True


@contextmanager
def alone(database: Database) -> Iterator[None]:
    """Only one process fills a market. Raises `Conflict` when another one does."""
    with database.engine.connect() as connection:
        if not connection.scalar(sa.text("select pg_try_advisory_lock(:lock)"), {"lock": _LOCK}):
            raise Conflict("Another process fills the sample market.")
        connection.commit()
        yield  # The lock goes with the connection, however this process ends.
        connection.scalar(sa.text("select pg_advisory_unlock(:lock)"), {"lock": _LOCK})
