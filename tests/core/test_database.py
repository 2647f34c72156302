"""Transactions are whole or not at all, jobs among them; times have a zone; the app role rules nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from ewaste.core import jobs
from ewaste.core.installation import Installation, installation
from ewaste.core.refusals import Conflict, RefusalNote
from tests.world import World

WAITING = "select count(*) from procrastinate_jobs where task_name = 'market.close_lot'"


def note_at(moment: datetime) -> RefusalNote:
    return RefusalNote(at=moment, kind="invalid", action="try", message="m", detail={})


def test_a_step_that_is_refused_leaves_neither_a_row_nor_a_job(world: World) -> None:
    def step() -> None:
        with world.transaction() as session:
            session.add(note_at(world.now))
            jobs.defer(session, jobs.CLOSE_LOT, lot="x")
            session.flush()
            raise Conflict("Somebody was faster.")

    with world.nothing_changes(), pytest.raises(Conflict, match="Somebody was faster"):
        step()


def test_a_step_that_ends_leaves_its_row_and_its_job(world: World) -> None:
    with world.nothing_changes("refusals", "procrastinate_jobs"), world.transaction() as session:
        session.add(note_at(world.now))
        jobs.defer(session, jobs.CLOSE_LOT, at=world.now, lot="L-1")
    with world.transaction() as session:
        row = session.execute(sa.text("select task_name, args, status, scheduled_at from procrastinate_jobs")).one()
    assert tuple(row) == ("market.close_lot", {"lot": "L-1"}, "todo", world.now)


def test_a_job_that_waits_under_a_key_is_not_added_again(world: World) -> None:
    for _ in range(3):
        with world.transaction() as session:
            jobs.defer(session, jobs.CLOSE_LOT, key="close lot 1", lot="1")
    with world.transaction() as session:
        jobs.defer(session, jobs.CLOSE_LOT, key="close lot 2", lot="2")
    assert world.raw(WAITING) == 2


def test_a_job_that_has_begun_does_not_keep_the_next_one_out(world: World) -> None:
    with world.transaction() as session:
        jobs.defer(session, jobs.CLOSE_LOT, key="close lot 1", lot="1")
    world.raw("update procrastinate_jobs set status = 'doing'")
    with world.transaction() as session:
        jobs.defer(session, jobs.CLOSE_LOT, key="close lot 1", lot="1")
    assert world.raw(WAITING) == 2


def test_a_job_of_an_unknown_name_is_a_mistake(world: World) -> None:
    with (
        world.nothing_changes(),
        pytest.raises(ValueError, match=r"No job is called 'market\.give_away'"),
        world.transaction() as session,
    ):
        jobs.defer(session, "market.give_away")


def test_a_time_without_a_zone_is_not_stored(world: World) -> None:
    with (
        world.nothing_changes(),
        pytest.raises(sa.exc.StatementError, match="without a time zone"),
        world.transaction() as session,
    ):
        session.add(note_at(datetime(2026, 11, 20, 9, 0)))  # noqa: DTZ001 - that is the point


def test_a_time_comes_back_in_utc(world: World) -> None:
    with world.transaction() as session:
        session.add(note_at(datetime(2026, 11, 20, 12, 0, tzinfo=timezone(timedelta(hours=3)))))
    with world.transaction() as session:
        stored = session.scalars(sa.select(RefusalNote.at)).one()
    assert (stored, stored.tzinfo) == (datetime(2026, 11, 20, 9, 0, tzinfo=UTC), UTC)


def test_the_installation_says_that_this_is_training(world: World) -> None:
    with world.transaction() as session:
        assert (installation(session).mode, installation(session).did_host) == ("training", "market.test")


def test_an_empty_database_says_what_to_do(world: World, owner_url: str) -> None:
    owner = sa.create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(sa.delete(Installation))
    owner.dispose()
    with pytest.raises(LookupError, match="python -m ewaste migrate"), world.transaction() as session:
        installation(session)
