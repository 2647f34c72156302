"""An order that the marketplace stopped since it was fetched is begun by nobody, and every list says why."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.market import Market
from tests.wipe_agent.support import PASSPHRASE, agent, medium, open_key
from wipe_agent import jobs, keys, stand, sync
from wipe_agent.errors import OrderRefused, StateUnusable

OUTDATED = ("outdated", "It does not name the media as they are now.")
HELD = ("held", "Its device is on hold.")


@pytest.fixture
def market(station: Station) -> Iterator[Market]:
    with Market(station.world) as market:
        keys.Station(**{**vars(keys.load_station(station.home)), "market": market.url}).save(station.home)
        yield market


def order_of(station: Station) -> jobs.Order:
    return jobs.load_order(station.home, "WO-1")


def ask(station: Station, notes: list[str] | None = None) -> list[str]:
    """The orders that may not be begun, by what the marketplace says now."""
    key = open_key(station.home)
    return [
        order.code for order in sync.ask_standings(station.home, key, note=(notes if notes is not None else []).append)
    ]


def test_nothing_is_begun_under_an_order_whose_media_changed(station: Station, market: Market) -> None:
    assert ask(station) == []
    market.stands[jobs.digest(order_of(station))] = OUTDATED
    assert ask(station) == ["WO-1"]
    before = station.image.read_bytes()
    with pytest.raises(OrderRefused, match="Order WO-1: It does not name the media as they are now") as refused:
        station.wipe()
    assert (
        refused.value.advice == "Have it replaced on the device's page of the marketplace, then run wipe-agent orders."
    )
    assert station.image.read_bytes() == before
    with pytest.raises(OrderRefused, match="as they are now"):
        station.destroy()
    queue = sync.look(station.home)
    assert (queue.open_orders, [order.code for order, _ in queue.stopped]) == ((), ["WO-1"])


def test_a_hold_that_is_lifted_lets_the_work_begin(station: Station, market: Market) -> None:
    market.stands[jobs.digest(order_of(station))] = HELD
    assert ask(station) == ["WO-1"]
    with pytest.raises(OrderRefused, match="on hold"):
        station.wipe()
    market.stands.clear()
    assert ask(station) == []
    assert station.wipe().order == "WO-1"


def test_the_last_answer_counts_while_the_marketplace_is_away(station: Station, market: Market) -> None:
    market.stands[jobs.digest(order_of(station))] = HELD
    ask(station)
    market.fail, notes = 1, list[str]()
    assert ask(station, notes) == ["WO-1"]
    assert notes[0].startswith("How the orders stand is asked again later.")


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("all is well", id="no list"),
        pytest.param([{"work_order": "zQm", "standing": "held"}], id="without its sentence"),
        pytest.param([{"work_order": "zQm", "standing": "held", "text": "\x1b[2J"}], id="orders to the terminal"),
        pytest.param([{"work_order": "zQm", "standing": "held", "text": "x" * 301}], id="longer than a sentence"),
    ],
)
def test_an_answer_that_is_none_is_not_kept(
    station: Station, market: Market, answer: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync.standing, "call", lambda *_: {"standings": answer})
    notes: list[str] = []
    assert ask(station, notes) == []
    assert "does not say how the orders stand" in notes[0]
    assert not station.home.standings_file.exists()


def test_a_word_of_a_later_marketplace_stops_the_work_too(station: Station, market: Market) -> None:
    market.stands[jobs.digest(order_of(station))] = ("recalled", "It was recalled.")
    assert ask(station) == ["WO-1"]
    assert jobs.stopped(station.home, order_of(station)) == (
        "It was recalled.",
        "Ask for a new work order, then run wipe-agent orders.",
    )


def test_a_note_of_the_orders_that_cannot_be_read_stops_the_work_and_says_what_to_do(station: Station) -> None:
    station.home.standings_file.write_text("[]")
    with pytest.raises(StateUnusable, match="cannot be read") as damaged:
        station.wipe()
    assert damaged.value.advice == "Delete that file, then run wipe-agent orders."


def test_a_wipe_that_ended_before_its_order_was_stopped_is_certified_with_a_word_of_warning(
    station: Station, market: Market
) -> None:
    station.wipe()
    market.stands[jobs.digest(order_of(station))] = HELD
    ask(station)
    told = agent("certify", "--order", "WO-1", home=station.home.path, check=True).stdout
    assert "Before you send it: Its device is on hold. When the hold is lifted, run wipe-agent orders." in told
    assert "Next: wipe-agent sync" not in told


def test_a_certified_order_is_not_asked_about(station: Station, market: Market) -> None:
    station.wipe()
    station.certify()
    ask(station)
    assert market.calls == []


def test_a_plan_holds_a_drive_whose_order_was_stopped(station: Station, market: Market) -> None:
    market.stands[jobs.digest(order_of(station))] = HELD
    ask(station)
    plan = station.home.path / "plan.json"
    plan.write_text(json.dumps({"drives": [{"order": "WO-1", "target": str(station.image), "image": True}]}))
    (row,) = stand.read_plan(plan, station.home)
    assert (row.state, row.message) == (stand.State.HELD, "Order WO-1: Its device is on hold.")


def test_orders_and_sync_ask_and_every_list_says_it(
    make_station: Callable[..., Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    station = make_station(medium("DISK-0001"))
    old = order_of(station)
    with Market(station.world) as market:
        keys.Station(**{**vars(keys.load_station(station.home)), "market": market.url}).save(station.home)
        station.world.orders.clear()
        market.stands[jobs.digest(old)] = ("replaced", "A newer order took its place.")
        station.world.order(medium("DISK-0001"), code="WO-2")
        home = station.home.path
        told = agent("orders", home=home, check=True, WIPE_AGENT_PASSPHRASE=PASSPHRASE).stdout
        assert "Not to be begun: A newer order took its place. Fetch the new one: wipe-agent orders." in told
        assert told.index("WO-2") < told.index("WO-1")
        market.stands[jobs.digest(jobs.load_order(station.home, "WO-2"))] = HELD
        said: dict[str, Any] = json.loads(agent("sync", "--json", home=home, check=True).stdout)
        assert said["stopped"] == ["WO-1", "WO-2"]
    status = json.loads(agent("status", "--json", home=home, check=True).stdout)
    assert [one["code"] for one in status["orders"]["stopped"]] == ["WO-1", "WO-2"]
    assert status["orders"]["open"] == []
