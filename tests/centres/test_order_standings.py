"""What a station is told of the orders that it holds, and that the bench's list and page say the same."""

from __future__ import annotations

from uuid import UUID

import pytest

from ewaste.accounts.models import Actor, Role
from ewaste.centres.models import WorkOrder
from ewaste.core.refusals import Invalid, NotAllowed
from ewaste.journey import bench as steps
from ewaste.journey import clearing
from ewaste.views import bench, bench_list, standing
from tests.world import World


def told(world: World, *orders: WorkOrder, centre: str = "Rhein Datenpark") -> list[str]:
    """How these orders stand, as a station of this centre is told."""
    actor = clearing.station_actor(world.station(centre).station)
    with world.transaction() as session:
        rows = standing.of_orders(session, actor, [order.digest for order in orders], now=world.now)
    assert all(row["text"].endswith(".") for row in rows)
    return [row["standing"] for row in rows]


def next_steps(world: World, device_id: UUID) -> tuple[str, str]:
    """What comes next by the bench's list, and by the device's own page."""
    with world.transaction() as session:
        code = world.device(device_id).code
        listed = bench_list.queue(session, world.olga, state=None, page=1, now=world.now)["devices"]
        shown = bench.device(session, world.olga, code, now=world.now)["device"]["next"]["title"]
    return next(row["next_step"] for row in listed if row["code"] == code), shown


def test_an_order_is_open_until_another_medium_is_noted(world: World) -> None:
    device_id, order = world.ordered()
    assert told(world, order) == ["open"]
    assert next_steps(world, device_id) == ("Wipe and certify", "Wipe and certify")
    world.note_medium(device_id, "STICK-1", "usb")
    assert told(world, order) == ["outdated"]
    assert next_steps(world, device_id) == ("Replace the work order", "Replace the work order")
    world.later(minutes=1)
    newer = world.order(device_id)
    assert told(world, order, newer) == ["replaced", "open"]
    assert next_steps(world, device_id) == ("Wipe and certify", "Wipe and certify")


def test_an_order_over_a_medium_that_is_kept_apart_is_out_of_date(world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    (second,) = (medium for medium in world.media(device_id) if medium.serial == "DRIVE-2")
    with world.transaction() as session:
        steps.set_apart(
            session, world.olga, device_id, second.id, seal="SEAL-9", reason="For its owner.", now=world.now
        )
    assert told(world, order) == ["outdated"]
    assert next_steps(world, device_id) == ("Replace the work order", "Replace the work order")
    world.later(minutes=1)
    assert told(world, world.order(device_id)) == ["open"]


def test_a_medium_found_and_kept_apart_at_once_leaves_the_order_as_it_is(world: World) -> None:
    device_id, order = world.ordered()
    late = world.note_medium(device_id, "STICK-1", "usb")
    with world.transaction() as session:
        steps.set_apart(session, world.olga, device_id, late, seal="SEAL-9", reason="For its owner.", now=world.now)
    assert told(world, order) == ["open"]
    assert next_steps(world, device_id) == ("Wipe and certify", "Wipe and certify")
    assert world.submit(world.bundle(order)).outcome == "accepted"


def test_a_hold_stops_an_order_and_lifting_it_lets_it_go_on(world: World) -> None:
    device_id, order = world.ordered()
    with world.transaction() as session:
        hold = steps.place_hold(session, world.olga, device_id, kind="lock", reason="It is locked.", now=world.now)
    assert told(world, order) == ["held"]
    assert next_steps(world, device_id) == ("Settle the hold", "Settle the hold")
    with world.transaction() as session:
        steps.lift_hold(session, world.olga, device_id, hold.id, reason="It is unlocked.", now=world.now)
    assert told(world, order) == ["open"]


def test_an_order_that_ran_out_and_one_that_was_used_are_told_apart(world: World) -> None:
    _, order = world.ordered()
    assert world.submit(world.bundle(order)).outcome == "accepted"
    late_device, late = world.ordered(serials=("DRIVE-9",), serial="PF1LATE")
    world.later(days=15)
    assert told(world, order, late) == ["used", "expired"]
    assert next_steps(world, late_device) == ("Issue the work order", "Issue the work order")


def test_a_station_learns_nothing_of_another_centres_orders(world: World) -> None:
    _, order = world.ordered()
    stranger = Actor(None, Role.STATION, "station elsewhere", world.organisation("Elbe Prüfstelle"))
    with world.transaction() as session:
        assert standing.of_orders(session, stranger, [order.digest], now=world.now) == []


@pytest.mark.parametrize("many", [0, 101])
def test_a_station_asks_about_a_hundred_orders_at_most(world: World, many: int) -> None:
    actor = clearing.station_actor(world.station().station)
    with world.transaction() as session, pytest.raises(Invalid, match="1 to 100"):
        standing.of_orders(session, actor, ["zQm"] * many, now=world.now)


def test_only_a_station_is_told_how_orders_stand(world: World) -> None:
    _, order = world.ordered()
    with world.transaction() as session, pytest.raises(NotAllowed):
        standing.of_orders(session, world.olga, [order.digest], now=world.now)
