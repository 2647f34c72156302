"""Enrolling and sending: lost answers cost nothing, refusals are receipts, and nothing is sent unsigned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.market import Market
from tests.wipe_agent.support import PASSPHRASE, World, agent, medium, send
from wipe_agent import keys, sync
from wipe_agent.errors import (
    AlreadyEnrolled,
    BadAnswer,
    CertificateRefused,
    MarketRefused,
    MarketUnreachable,
    StateUnusable,
    WrongPassphrase,
)


@pytest.fixture
def market(station: Station) -> Iterator[Market]:
    """The marketplace of an enrolled station that has one certificate in its outbox."""
    station.wipe()
    station.certify()
    with Market(station.world) as server:
        keys.Station(**{**vars(keys.load_station(station.home)), "market": server.url}).save(station.home)
        yield server


def enrol(home: keys.Home, market: Market, **more: str) -> sync.Enrolled:
    words = {"market": market.url, "code": "ENROL-1", "name": "bench 1", "passphrase": PASSPHRASE}
    return sync.enrol(home, **{**words, **more})


def test_a_receipt_takes_the_bundle_out_of_the_outbox(station: Station, market: Market) -> None:
    done = send(station.home)
    assert [receipt["outcome"] for receipt in done.receipts] == ["accepted"]
    assert station.bundles() == []
    assert len(list(station.home.sent.iterdir())) == 1
    assert len(list(station.home.receipts.iterdir())) == 1
    assert send(station.home).receipts == []


def test_lost_answers_are_asked_for_again_and_the_market_counts_one(station: Station, market: Market) -> None:
    market.lose = 3
    waited: list[float] = []
    key = keys.load_key(station.home, PASSPHRASE)
    done = sync.send(station.home, key, wait=waited.append)
    assert len(done.receipts) == 1
    assert len(market.received) == 1
    assert len(waited) == 3
    assert waited == sorted(waited)
    assert max(waited) <= 60 * 1.25


def test_a_market_that_stays_away_leaves_the_bundle_in_the_outbox(station: Station, market: Market) -> None:
    market.fail = 99
    with pytest.raises(MarketUnreachable, match="503"):
        send(station.home, tries=3)
    assert len(station.bundles()) == 1
    assert market.calls.count("/api/agent/certificates") == 3
    market.fail = 0
    assert len(send(station.home, tries=1).receipts) == 1


def test_a_crash_after_the_receipt_does_not_send_again(
    station: Station, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(sync.durable, "move", crash)
        with pytest.raises(KeyboardInterrupt):
            send(station.home)
    calls = len(market.calls)
    assert len(send(station.home).receipts) == 1
    assert len(market.calls) == calls
    assert station.bundles() == []


def test_a_refusal_is_a_receipt_too_and_is_said_with_its_reason(station: Station, market: Market) -> None:
    market.outcome = "refused"
    done = agent("sync", "--once", "--json", home=station.home.path)
    assert done.returncode == CertificateRefused.exit_code
    assert "A medium is missing." in json.loads(done.stdout)["error"]["message"]
    assert len(list(station.home.refused.iterdir())) == 1
    assert send(station.home).receipts == []
    # When the reason was settled, the same certificate is offered once more; the refusal stays on file.
    market.outcome = "accepted"
    market.received.clear()
    done = agent("sync", "--again", "--json", home=station.home.path)
    assert json.loads(done.stdout)["receipts"][0]["outcome"] == "accepted"
    assert sorted(path.name.partition(".")[2] for path in station.home.receipts.iterdir()) == ["json", "refused-1.json"]


def test_a_receipt_for_another_certificate_does_not_count(
    station: Station, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = json.loads((station.bundles()[0] / "certificate.json").read_text())["id"]
    monkeypatch.setattr(
        market, "received", _Always({"certificate_id": digest, "digest": "zOther", "outcome": "accepted"})
    )
    with pytest.raises(BadAnswer, match="another certificate"):
        send(station.home, tries=2)
    assert len(station.bundles()) == 1


class _Always(dict[str, object]):
    def __init__(self, receipt: dict[str, object]) -> None:
        self.receipt = receipt

    def setdefault(self, key: str, default: object = None) -> object:
        return self.receipt


def test_one_bundle_that_the_market_does_not_take_does_not_hold_up_the_others(
    station: Station, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = station.home.outbox / "00000000-broken"
    broken.mkdir()
    (broken / "certificate.json").write_text('{"id": "urn:x", "wipe": 1}')
    real = sync.call

    def refuse_broken(method: str, url: str, body: dict[str, dict[str, str]] | None, signer: object) -> object:
        if body and "urn:x" in body["files"]["certificate.json"]:
            raise MarketRefused("This is not a certificate.")
        return real(method, url, body, signer)  # type: ignore[arg-type]

    monkeypatch.setattr(sync, "call", refuse_broken)
    with pytest.raises(MarketRefused):
        send(station.home)
    assert [path.name for path in station.home.outbox.iterdir()] == ["00000000-broken"]
    assert len(market.received) == 1


def test_enrolling_with_a_used_code_names_the_field(tmp_path: Path) -> None:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    with Market(World()) as market:
        market.code = None
        with pytest.raises(MarketRefused, match=r"used already.*field: code"):
            enrol(home, market)
    assert not home.station_file.exists()


def test_enrolling_again_after_a_lost_answer_uses_the_same_key(tmp_path: Path) -> None:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    first = keys.make_key(home, PASSPHRASE)
    with Market(World()) as market:
        done = enrol(home, market)
        assert market.world.station_key.public_bytes_raw() == first.public_key().public_bytes_raw()
        assert done.trust_fingerprint.count(" ") == 7
        with pytest.raises(AlreadyEnrolled):
            enrol(home, market)


def test_an_unencrypted_address_is_taken_on_this_machine_only(tmp_path: Path) -> None:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    for address in ("http://market.example", "ftp://127.0.0.1", "market.example", ""):
        with pytest.raises(MarketRefused, match="not an address"):
            sync.enrol(home, market=address, code="x", name="x", passphrase=PASSPHRASE)
    assert not home.key_file.exists()


@pytest.mark.parametrize("passphrase", ["", "short", "nine char"])
def test_a_passphrase_that_would_be_guessed_makes_no_key(tmp_path: Path, passphrase: str) -> None:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    with pytest.raises(WrongPassphrase, match="fewer than 10 characters"):
        keys.make_key(home, passphrase)
    assert not home.key_file.exists()


def test_a_state_folder_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    done = agent("orders", home=tmp_path / "home")
    assert done.returncode == StateUnusable.exit_code
    assert "open to other users" in done.stderr
    assert f"Next: Run: chmod 700 {tmp_path / 'home'}" in done.stderr


def test_orders_come_over_a_signed_call(tmp_path: Path) -> None:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    world = World()
    world.order(medium("A"), code="WO-1")
    with Market(world) as market:
        enrol(home, market)
        kept, refused = sync.fetch_orders(home, keys.load_key(home, PASSPHRASE))
    assert ([order.code for order in kept], refused) == (["WO-1"], [])
