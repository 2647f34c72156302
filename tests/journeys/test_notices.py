"""What a seller is told by mail, and when."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ewaste.core.database import Database
from ewaste.core.mail import Mail
from ewaste.devices import notices
from ewaste.devices.models import HoldKind
from tests.world import World


def told(database: Database, address: str = "cora@example.org") -> list[str]:
    with database.transaction() as session:
        rows = session.scalars(
            sa.select(Mail.subject).where(Mail.to_address == address).order_by(Mail.written_at, Mail.id)
        ).all()
    return sorted(subject.rpartition(" (")[0] or subject for subject in rows)


def test_a_seller_is_told_of_every_step_until_the_data_is_gone(world: World, database: Database) -> None:
    world.cleared()
    assert told(database) == [
        "How your Lenovo ThinkPad T480 gets to us",
        "Our offer for your Lenovo ThinkPad T480: €58.88",
        "The data on your Lenovo ThinkPad T480 is gone",
        "You have sold us your Lenovo ThinkPad T480",
        "Your Lenovo ThinkPad T480 has arrived",
    ]


def test_a_seller_who_is_on_hold_is_told_why_in_our_words_and_not_the_operators(
    world: World, database: Database
) -> None:
    device = world.inspected(shows="OTHER-SERIAL")
    assert told(database)
    with database.transaction() as session:
        texts = " ".join(session.scalars(sa.select(Mail.text)).all())
    assert notices.HOLDS[HoldKind.WRONG_ITEM] in texts
    assert device


def test_a_step_that_runs_twice_tells_once(world: World, database: Database) -> None:
    device = world.inspected()
    before = len(told(database))
    world.offer(device)
    assert len(told(database)) == before


@pytest.mark.parametrize("kind", list(HoldKind))
def test_every_kind_of_hold_has_words_for_the_seller(kind: HoldKind) -> None:
    assert notices.HOLDS[kind].endswith(".")
