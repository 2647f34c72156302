"""Offline for days: orders stay, certificates queue, and when the market is back each is counted once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.market import Market
from tests.wipe_agent.support import PASSPHRASE, ROOT, agent, keep, medium, send
from wipe_agent import jobs, keys, sync
from wipe_agent.errors import MarketUnreachable, NotEnrolled

COUNT = 5


@pytest.fixture
def queued(make_station: Callable[..., Station]) -> Station:
    """A station that worked for days without a network: five devices, five certificates."""
    station = make_station(medium("SERIAL-0"), code="WO-0")
    for number in range(1, COUNT):
        station.world.order(medium(f"SERIAL-{number}"), code=f"WO-{number}")
    keep(station.home, station.world)
    for number in range(COUNT):
        words = {"technique": "shred", "particle_size_mm": "2", "operator": "Ada", "witness": "Grace"}
        jobs.record_destroyed(station.home, order_code=f"WO-{number}", medium_named=None, **words)
        jobs.certify(station.home, order_code=f"WO-{number}", open_key=lambda: keys.load_key(station.home, PASSPHRASE))
    return station


@pytest.fixture
def market(queued: Station) -> Iterator[Market]:
    with Market(queued.world) as server:
        at(queued, server.url)
        yield server


def at(station: Station, url: str) -> None:
    keys.Station(**{**vars(keys.load_station(station.home)), "market": url}).save(station.home)


def test_while_the_market_is_away_everything_waits_and_the_status_says_so(queued: Station) -> None:
    with pytest.raises(MarketUnreachable, match="no answer"):
        send(queued.home, tries=2)
    queue = sync.look(queued.home)
    assert (len(queue.waiting), queue.sent, queue.certified_orders, queue.open_orders) == (COUNT, 0, COUNT, ())
    assert sorted(one.device_code for one in queue.waiting) == [f"D-WO-{n}" for n in range(COUNT)]
    done = agent("status", "--json", home=queued.home.path, check=True)
    assert len(json.loads(done.stdout)["waiting"]) == COUNT
    said = agent("status", home=queued.home.path, check=True).stdout
    assert "Certificates: 5 wait to be sent, 0 accepted." in said
    assert "Next: wipe-agent sync" in said


def test_a_long_queue_is_not_asked_to_the_end_when_nobody_is_there(queued: Station) -> None:
    notes: list[str] = []
    with pytest.raises(MarketUnreachable):
        sync.send(queued.home, keys.load_key(queued.home, PASSPHRASE), tries=3, wait=lambda _: None, note=notes.append)
    assert len(notes) == 3 * 2
    # Each round begins behind the bundle that failed last, so that none holds up the others for good.
    assert len({note.partition(":")[0] for note in notes}) == COUNT


def test_two_bundles_without_an_answer_do_not_hold_up_those_behind_them(
    queued: Station, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = [path.name for path in sorted(queued.home.outbox.iterdir())][:2]
    real = sync.call

    def fail_some(method: str, url: str, body: dict[str, dict[str, str]], signer: object) -> object:
        if any(name in body["files"]["certificate.json"] for name in stuck):
            raise MarketUnreachable("It dies on this one.")
        return real(method, url, body, signer)  # type: ignore[arg-type]

    monkeypatch.setattr(sync, "call", fail_some)
    with pytest.raises(MarketUnreachable):
        send(queued.home, tries=3)
    assert sorted(path.name for path in queued.home.outbox.iterdir()) == stuck
    assert len(market.received) == COUNT - 2


def test_when_the_market_is_back_each_certificate_is_counted_once(queued: Station, market: Market) -> None:
    market.fail, market.lose, market.cut = 2, 2, 2
    done = send(queued.home)
    assert len(done.receipts) == COUNT
    assert done.waiting == []
    assert len(market.received) == COUNT
    assert len({receipt["certificate_id"] for receipt in done.receipts}) == COUNT
    assert len(list(queued.home.sent.iterdir())) == COUNT
    calls = len(market.calls)
    assert send(queued.home).receipts == []
    assert len(market.calls) == calls
    queue = sync.look(queued.home)
    assert (queue.waiting, queue.sent, queue.oldest) == ((), COUNT, None)
    assert queue.last_receipt is not None


def test_a_station_killed_while_the_market_answers_sends_nothing_twice(queued: Station, market: Market) -> None:
    import threading

    market.hold = threading.Event()
    environment = {**os.environ, "WIPE_AGENT_HOME": str(queued.home.path), "WIPE_AGENT_PASSPHRASE": PASSPHRASE}
    program = subprocess.Popen(
        [sys.executable, "-m", "wipe_agent", "sync", "--once"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert market.acted.wait(60)
    finally:
        program.kill()
        program.wait()
    market.hold.set()
    market.hold = None
    assert len(market.received) == 1
    assert len(sync.look(queued.home).waiting) == COUNT
    done = send(queued.home)
    assert len(done.receipts) == COUNT
    assert len(market.received) == COUNT


def test_an_answer_of_orders_that_dies_leaves_the_orders_that_are_here(queued: Station, market: Market) -> None:
    market.cut = 1
    before = {path.name: path.read_bytes() for path in queued.home.orders.glob("*.json")}
    with pytest.raises(MarketUnreachable, match="broke off"):
        sync.fetch_orders(queued.home, keys.load_key(queued.home, PASSPHRASE))
    assert {path.name: path.read_bytes() for path in queued.home.orders.glob("*.json")} == before
    kept, refused = sync.fetch_orders(queued.home, keys.load_key(queued.home, PASSPHRASE))
    assert (len(kept), refused) == (COUNT, [])


def test_a_refusal_stands_in_the_status_with_its_reason(queued: Station, market: Market) -> None:
    market.outcome = "refused"
    send(queued.home)
    said = agent("status", home=queued.home.path, check=True).stdout
    assert said.count("refused: urn:uuid:") == COUNT
    assert "A medium is missing." in said


def test_an_installation_without_enrolment_has_no_status(tmp_path: Path) -> None:
    done = agent("status", home=tmp_path / "home")
    assert done.returncode == NotEnrolled.exit_code
    assert not (tmp_path / "home").exists()
