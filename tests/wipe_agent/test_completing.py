"""The completed bundle of an accepted certificate is fetched, checked against what was sent, and kept beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.market import Market
from tests.wipe_agent.operator import ORIGIN, Operator
from tests.wipe_agent.support import CENTRE, open_key, send
from wipe_agent import cli, durable, keys, screen, sync
from wipe_agent.certificate import Bundle, canonical, digest_multibase, log, read


@pytest.fixture
def operator() -> Iterator[Operator]:
    with Operator([b"another entry"]) as running:
        yield running


@pytest.fixture
def market(station: Station, operator: Operator) -> Iterator[Market]:
    """A marketplace with a log, which has accepted this station's one certificate."""
    logs = [{"origin": ORIGIN, "vkey": str(operator.vkey), "name": "The log"}]
    trust = {**station.world.trust(), "logs": logs, "witnesses": [], "witnessesNeeded": 0}
    durable.write_file(station.home.trust_file, canonical(trust))
    station.wipe()
    station.certify()
    with Market(station.world) as server:
        keys.Station(**{**vars(keys.load_station(station.home)), "market": server.url}).save(station.home)
        server.log = operator
        assert len(send(station.home).receipts) == 1
        yield server


def sent(station: Station) -> Path:
    (folder,) = (path for path in station.home.sent.iterdir() if path.is_dir())
    return folder


def in_the_log(station: Station, operator: Operator) -> Bundle:
    """The bundle as the marketplace completes it once the certificate is in its log."""
    bundle = Bundle.load(sent(station))
    digest = digest_multibase(read(bundle.files["certificate.json"]))
    note = operator.show([b"another entry", log.Leaf("wipe-certificate", CENTRE, digest).data])
    return bundle.completed(log_proof=operator.tree.proof(1, note).decode())


def bring(station: Station, **more: bool) -> tuple[list[str], list[str]]:
    """The names of what was kept, and what was said."""
    notes: list[str] = []
    return [place.name for place in sync.bring_completed(station.home, note=notes.append, **more)], notes


def test_the_completed_bundle_lies_beside_the_sent_one_and_shows_the_log(
    station: Station, market: Market, operator: Operator
) -> None:
    folder, whole = sent(station), in_the_log(station, operator)
    market.completed[folder.name] = whole.to_zip()
    assert bring(station) == ([f"{folder.name}.zip"], [])
    kept = Bundle.load(folder.with_name(f"{folder.name}.zip"))
    assert kept.files == whole.files
    market.completed.clear()
    assert bring(station) == ([], [])  # It is here, and is not asked for again.
    assert sync.look(station.home).sent == 1


def test_a_certificate_that_is_not_in_the_log_yet_is_asked_for_again(
    station: Station, market: Market, operator: Operator
) -> None:
    folder = sent(station)
    market.completed[folder.name] = Bundle.load(folder).to_zip()
    assert bring(station) == ([], ["1 accepted certificate is not in the log yet."])
    market.completed[folder.name] = in_the_log(station, operator).to_zip()
    assert bring(station)[0] == [f"{folder.name}.zip"]


def test_what_is_asked_for_anew_replaces_what_is_here(station: Station, market: Market, operator: Operator) -> None:
    folder = sent(station)
    market.completed[folder.name] = in_the_log(station, operator).to_zip()
    bring(station)
    note = operator.show([*operator.tree.entries, b"a later entry"])
    later = Bundle.load(folder).completed(log_proof=operator.tree.proof(1, note).decode())
    market.completed[folder.name] = later.to_zip()
    assert bring(station) == ([], [])
    assert bring(station, fresh=True) == ([f"{folder.name}.zip"], [])
    assert Bundle.load(folder.with_name(f"{folder.name}.zip")).files == later.files


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        pytest.param(lambda _: b"no archive", "neither a folder nor a readable .zip", id="rubbish"),
        pytest.param(lambda _: b"P" * 1_200_000, "more than 1048576 bytes", id="too much"),
        pytest.param(
            lambda whole: Bundle({**whole.files, "work-order.json": b"{}"}).to_zip(),
            "It does not hold the files that were sent.",
            id="another order",
        ),
        pytest.param(
            lambda whole: whole.completed(log_proof=whole.files["log-proof.txt"].decode()[:-30]).to_zip(),
            "It does not verify:",
            id="a proof that was cut",
        ),
    ],
)
def test_what_is_not_the_sent_certificate_or_does_not_verify_is_not_kept(
    spoil: object, says: str, station: Station, market: Market, operator: Operator
) -> None:
    folder, whole = sent(station), in_the_log(station, operator)
    market.completed[folder.name] = spoil(whole)  # type: ignore[operator]
    kept, (note,) = bring(station)
    assert kept == []
    assert says in note
    assert [path.name for path in station.home.sent.iterdir()] == [folder.name]


def test_what_the_marketplace_does_not_have_is_said_and_a_marketplace_that_is_away_ends_the_round(
    station: Station, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bring(station) == (
        [],
        [f"The completed bundle of {sent(station).name} is not kept. The marketplace does not have it."],
    )
    keys.Station(**{**vars(keys.load_station(station.home)), "market": "http://127.0.0.1:1"}).save(station.home)
    kept, (note,) = bring(station)
    assert kept == []
    assert note.startswith("Completed bundles are fetched later.")


def test_sync_brings_it_and_says_where_it_lies(
    station: Station, market: Market, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = sent(station)
    market.completed[folder.name] = in_the_log(station, operator).to_zip()
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    monkeypatch.setattr(keys, "load_key", lambda *_: open_key(station.home))
    monkeypatch.setattr("wipe_agent.cli.commands.passphrase", lambda: "")
    chosen = cli.parser().parse_args(["sync", "--once"])
    found, sentences, code = chosen.run(chosen, screen.Terminal(quiet=True))
    assert code == 0
    assert json.loads(json.dumps(found["completed"])) == [str(folder.with_name(f"{folder.name}.zip"))]
    assert sentences[-1] == (f"1 completed bundle, with the log's proof and today's status lists: {station.home.sent}")
