"""A station witnesses its marketplace's log at each sync: it never holds the certificates up, and a fork is loud."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.market import Market
from tests.wipe_agent.operator import ORIGIN, Operator
from tests.wipe_agent.support import METHOD, PASSPHRASE
from wipe_agent import cli, durable, keys, screen, sync
from wipe_agent.certificate import canonical, log
from wipe_agent.errors import LogMisbehaves

ENTRIES = [f"entry {number}".encode() for number in range(300)]


@pytest.fixture
def operator() -> Iterator[Operator]:
    with Operator(ENTRIES[:5]) as running:
        yield running


@pytest.fixture
def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The passphrase's cost is another test's business."""
    monkeypatch.setattr(keys, "_SCRYPT", {"n": 2**14, "r": 8, "p": 1})


@pytest.fixture
def market(quick_keys: None, station: Station, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    """A marketplace with a log that the station trusts."""
    logs = [{"origin": ORIGIN, "vkey": str(operator.vkey), "name": "The log"}]
    trust = {**station.world.trust(), "logs": logs, "witnesses": [], "witnessesNeeded": 0}
    durable.write_file(station.home.trust_file, canonical(trust))
    monkeypatch.setattr(sync, "SETTLE_SECONDS", 0)
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    monkeypatch.setenv("WIPE_AGENT_PASSPHRASE", PASSPHRASE)
    with Market(station.world) as server:
        keys.Station(**{**vars(keys.load_station(station.home)), "market": server.url}).save(station.home)
        server.log = operator
        yield server


@pytest.fixture
def certified(market: Market, station: Station) -> None:
    """One certificate lies in the outbox."""
    station.wipe()
    station.certify()


def sync_once() -> Any:
    chosen = cli.parser().parse_args(["sync", "--once"])
    return chosen.run(chosen, screen.Terminal(quiet=True))


def vkey(station: Station) -> log.VerifierKey:
    return log.VerifierKey.of(METHOD, log.COSIGNATURE, station.world.station_key)


def test_each_sync_hands_in_a_cosignature_under_the_stations_own_name(
    station: Station, market: Market, operator: Operator
) -> None:
    found, _, code = sync_once()
    assert code == 0
    assert found["witnessed"]["size"] == 5
    whose = " Whoever names this station as a witness counts its signature."
    assert found["witnessed"]["text"] == (
        f"Witnessed the log: 5 entries; this station looked for the first time.{whose}"
    )
    trust = {**station.world.trust(), "logs": [{"origin": ORIGIN, "vkey": str(operator.vkey), "name": "The log"}]}
    named = {"witnesses": [{"vkey": str(vkey(station)), "name": "This station"}], "witnessesNeeded": 1}
    durable.write_file(station.home.trust_file, canonical({**trust, **named}))
    operator.show(ENTRIES[:300])
    assert sync_once()[0]["witnessed"]["text"] == (
        "Witnessed the log: 300 entries; since this station last looked it grew by 295."
    )
    sizes = []
    for note in market.cosigned:
        seen = log.open_checkpoint(note, operator.vkey, [vkey(station)])
        assert list(seen.witnesses) == [vkey(station)]
        sizes.append(seen.checkpoint.size)
    assert sizes == [5, 300]


def test_a_log_that_does_not_answer_holds_nothing_up(
    station: Station, market: Market, operator: Operator, certified: None
) -> None:
    for answer in (None, b"<html>", b"\xff"):
        operator.files["checkpoint"] = answer
        found, _, code = sync_once()
        assert code == 0
        assert found["witnessed"]["size"] is None
        assert found["witnessed"]["text"].startswith("The log was not witnessed this time. ")
    assert station.bundles() == []
    assert len(market.received) == 1
    assert market.cosigned == []


def test_a_cosignature_that_the_marketplace_did_not_take_is_handed_in_the_next_time(
    station: Station, market: Market, operator: Operator
) -> None:
    market.fail = 2  # The question how the orders stand, and the cosignature.
    found, _, code = sync_once()
    assert code == 0
    assert "not witnessed this time. The marketplace cannot answer now (HTTP 503)." in found["witnessed"]["text"]
    assert sync_once()[0]["witnessed"]["size"] == 5


def test_a_certificate_is_witnessed_in_the_sync_that_brings_it(
    station: Station, market: Market, operator: Operator, certified: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log takes it in a moment later, and the station waits that long."""
    waits: list[float] = []

    def settle(seconds: float) -> None:
        waits.append(seconds)
        assert len(market.received) == 1
        if seconds:
            operator.show(ENTRIES[:6])

    monkeypatch.setattr(sync, "SETTLE_SECONDS", 2.0)
    monkeypatch.setattr(sync.witnessing.time, "sleep", settle)
    assert sync_once()[0]["witnessed"]["size"] == 6
    assert sync_once()[0]["witnessed"]["size"] == 6
    assert waits == [2.0, 0]


def test_a_station_that_trusts_no_log_asks_for_none(station: Station, market: Market, operator: Operator) -> None:
    durable.write_file(station.home.trust_file, canonical(station.world.trust()))
    found, _, code = sync_once()
    assert code == 0
    assert "names no log" in found["witnessed"]["text"]
    assert operator.asked == []
    assert market.cosigned == []


@pytest.mark.parametrize("reached", [True, False])
def test_a_fork_is_the_result_of_the_sync_whatever_became_of_the_certificates(
    station: Station, market: Market, operator: Operator, certified: None, reached: bool
) -> None:
    sync.witness_log(station.home, keys.load_key(station.home, PASSPHRASE))
    operator.show([b"forged", *ENTRIES[1:9]])
    if not reached:
        market.fail = 99
    with pytest.raises(LogMisbehaves, match="log of 9 entries does not begin with the log of 5") as caught:
        sync_once()
    assert caught.value.exit_code == 70
    assert len(market.received) == (1 if reached else 0)
    assert len(station.bundles()) == (0 if reached else 1)
    assert len(market.cosigned) == 1
    (kept,) = (station.home.path / "witness" / "evidence").iterdir()
    assert str(kept) in caught.value.message
