"""A station tells that a wipe began: once, before there is a certificate, and never at the cost of one."""

from __future__ import annotations

import json

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.market import Market
from tests.wipe_agent.support import send
from wipe_agent import jobs, keys, sync
from wipe_agent.certificate import digest_multibase


def enrolled_at(station: Station, market: Market) -> None:
    keys.Station(**{**vars(keys.load_station(station.home)), "market": market.url}).save(station.home)


def order_digest(station: Station) -> str:
    (order,) = jobs.kept_orders(station.home)[0]
    return digest_multibase(json.loads(order.text))


def test_a_wipe_that_began_is_told_once_and_its_certificate_follows(station: Station) -> None:
    with Market(station.world) as market:
        enrolled_at(station, market)
        send(station.home)
        assert market.starts == []  # An order alone is no wipe.
        station.wipe()
        market.lose = 1  # The answer is lost: it is told again.
        send(station.home)
        send(station.home)
        assert market.starts == [order_digest(station)] * 2
        send(station.home)
        station.certify()
        assert len(send(station.home).receipts) == 1
        assert market.starts == [order_digest(station)] * 2
    assert sync.starting.waiting(station.home) == []


def test_what_was_certified_first_is_not_told_and_a_market_that_is_away_holds_up_nothing(station: Station) -> None:
    with Market(station.world) as market:
        enrolled_at(station, market)
        station.wipe()
        market.fail = 1
        assert send(station.home).receipts == []
        assert market.starts == []
        station.certify()
        assert len(send(station.home).receipts) == 1
        assert market.starts == []
