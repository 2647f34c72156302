"""The bench's list in its few statements: the counts are those of the queues, and pages follow each other gapless."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

from ewaste.core import embedded
from ewaste.devices.models import Device
from ewaste.views import bench_list, queues, shapes
from tests.bulk import multiply
from tests.web.stage import Rehearsal, Stage


@pytest.fixture
def session(stage: Stage, cluster: embedded.Server) -> Iterator[Session]:
    """The stage's market four times over, in a transaction that is taken back."""
    engine = sa.create_engine(make_url(cluster.admin_url).set(database=stage.rehearse.engine.url.database))
    rehearsal = Rehearsal(engine)
    with rehearsal(), rehearsal.transaction() as session:
        multiply(session.connection(), 3)
        yield session
    engine.dispose()


def test_every_count_is_that_of_its_queue(stage: Stage, session: Session) -> None:
    centre, now = stage.things["own"]["centre"], stage.world.now
    for at in (now, now + timedelta(days=40)):  # In forty days the work orders have run out.
        counts, in_states = queues.counts(session, centre, at)
        for name in bench_list.QUEUES:
            listed = session.scalar(bench_list._count(centre, bench_list._in_queue(name, at)))
            assert counts[name] == listed, name
        assert sum(in_states.values()) == session.scalar(
            sa.select(sa.func.count()).select_from(Device).where(Device.centre_id == centre)
        )
    assert counts["hold"]
    assert counts["again"]


@pytest.mark.parametrize("size", [1, 7, 50])
def test_pages_follow_each_other_without_gap_or_repetition(stage: Stage, session: Session, size: int) -> None:
    centre = stage.things["own"]["centre"]
    _, in_states = queues.counts(session, centre, stage.world.now)
    rank = sa.case({state.value: place for place, state in enumerate(queues.WORK)}, value=Device.state)
    whole = list(
        session.scalars(
            sa.select(Device.id)
            .where(Device.centre_id == centre, Device.state.in_(queues.WORK))
            .order_by(rank, Device.since, Device.id)
        )
    )
    first_page, columns = queues.pressing(sa.select(Device.id))
    pages: list[object] = []
    for skip in range(0, len(whole) + size, size):
        shown = queues.later_page(session, centre, in_states, columns, skip=skip, take=size)
        pages += [row.id for row in shown]
    assert pages == whole
    assert [row.id for row in session.execute(first_page, {"centre": centre})] == whole[: shapes.PAGE_SIZE]
