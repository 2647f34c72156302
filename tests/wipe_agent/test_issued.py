"""What the centre's other stations issued comes with a sync, in parts, and only what is new."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.market import Market
from tests.wipe_agent.support import CENTRE, METHOD, PASSPHRASE
from wipe_agent import keys, sync
from wipe_agent.certificate import digest_of

ISSUED = [(3 * number, digest_of(b"%d" % number), f"{CENTRE}#station-{number % 2 + 1}") for number in range(5)]


@pytest.fixture
def market(station: Station, monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    monkeypatch.setattr(keys, "_SCRYPT", {"n": 2**14, "r": 8, "p": 1})
    with Market(station.world) as server:
        keys.Station(**{**vars(keys.load_station(station.home)), "market": server.url}).save(station.home)
        yield server


def fetch(station: Station) -> tuple[dict[str, str], list[str]]:
    said: list[str] = []
    found = sync.fetch_issued(station.home, keys.load_key(station.home, PASSPHRASE), note=said.append)
    return found, said


def asked(market: Market) -> int:
    return market.calls.count("/api/agent/issued")


def test_the_list_of_the_centre_comes_in_parts_and_only_once(station: Station, market: Market) -> None:
    market.issued = ISSUED[:3]
    expected = {digest: key for _, digest, key in ISSUED}
    assert fetch(station) == (dict(list(expected.items())[:3]), [])
    assert asked(market) == 2
    market.issued = ISSUED
    assert fetch(station) == (expected, [])
    assert asked(market) == 3
    assert sync.kept_issued(station.home) == expected
    assert METHOD in expected.values()


@pytest.mark.parametrize(
    "wrong",
    [
        (3, "zQmNone", METHOD),
        (3, ISSUED[1][1], ""),
        (3, ISSUED[1][1], "k" * 301),
        (3, None, METHOD),
    ],
)
def test_an_answer_that_is_no_list_is_noted_and_nothing_of_it_kept(
    station: Station, market: Market, wrong: Any
) -> None:
    market.issued = ISSUED[:1]
    kept = fetch(station)[0]
    market.issued = [*ISSUED[:1], wrong]
    found, said = fetch(station)
    assert found == kept
    assert len(said) == 1
    assert said[0] == (
        "What the other stations issued is asked again later. "
        "The marketplace's answer does not say which certificates are in the log."
    )
    assert sync.kept_issued(station.home) == kept


def test_a_marketplace_that_is_away_keeps_what_is_known(station: Station, market: Market) -> None:
    market.issued = ISSUED[:2]
    kept = fetch(station)[0]
    market.issued, market.fail = ISSUED, 1
    found, said = fetch(station)
    assert found == kept == sync.kept_issued(station.home)
    assert len(said) == 1
    assert "asked again later" in said[0]


def test_a_list_that_was_damaged_is_fetched_anew(station: Station, market: Market) -> None:
    market.issued = ISSUED
    expected = fetch(station)[0]
    station.home.issued_file.write_text('{"after": 12')
    assert sync.kept_issued(station.home) == {}
    assert fetch(station) == (expected, [])
