"""The monitor as a program: what it compares with, what it says, its exit codes, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.operator import ORIGIN, Operator, Witnessing
from tests.wipe_agent.support import ACCREDITOR, CENTRE, METHOD
from wipe_agent import cli, screen
from wipe_agent import monitor as monitoring
from wipe_agent.certificate import (
    Bundle,
    accreditation_statement,
    canonical,
    digest_multibase,
    digest_of,
    issue,
    log,
    read,
)
from wipe_agent.errors import BadUsage, LogMisbehaves, StateUnusable, Unreadable
from wipe_agent.jobs.orders import accreditations
from wipe_agent.monitor import Granted, State, held_by_station, of_lists
from wipe_agent.monitor import state as states
from wipe_agent.monitor.state import Entry, Pending

NOW = datetime.now(UTC).replace(microsecond=0)
NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
Monitor = Callable[..., Any]


@pytest.fixture
def operator() -> Iterator[Operator]:
    with Operator() as running:
        yield running


@pytest.fixture
def monitor(tmp_path: Path, operator: Operator, monkeypatch: pytest.MonkeyPatch) -> Monitor:
    """Run the command in a state folder of its own; one witness is asked for."""
    monkeypatch.setenv("WIPE_AGENT_HOME", str(tmp_path / "nobody"))
    witness = Witnessing("witness.example/one")
    trust = tmp_path / "trust.json"
    document = {
        "type": "WipeTrust",
        "version": 1,
        "training": True,
        "updated": "2026-11-21T10:00:00Z",
        "parties": [],
        "logs": [{"origin": ORIGIN, "vkey": str(operator.vkey), "name": "The log"}],
        "witnesses": [{"vkey": str(witness.vkey), "name": "The harbour"}],
        "witnessesNeeded": 1,
    }
    trust.write_bytes(canonical(document))

    def run(entries: list[log.Leaf] | None, *words: str) -> Any:
        if entries is not None:
            operator.show([leaf.data for leaf in entries], witness, at=NOW)
        given = ["--log", f"{operator.url}/log", "--state", str(tmp_path / "state"), "--trust", str(trust)]
        chosen = cli.parser().parse_args(["monitor", *given, *words])
        return chosen.run(chosen, screen.Terminal(quiet=True))

    return run


def certificate(name: str, issuer: str = CENTRE) -> log.Leaf:
    return log.Leaf("wipe-certificate", issuer, digest_of(name.encode()))


OTHERS = [certificate("theirs", "did:web:other.example"), log.Leaf("key", "did:web:market.example", digest_of(b"key"))]


def granted(station: Station) -> list[log.Leaf]:
    """The entries of the accreditations that the station got."""
    return [log.Leaf("accreditation", ACCREDITOR, digest) for digest in held_by_station(station.home)]


def served(station: Station) -> list[tuple[log.Leaf, bytes]]:
    """The same with their texts, as the marketplace serves them beside its log."""
    texts = [canonical(read(text.encode())) for text, _ in accreditations(station.home)]
    return [(log.Leaf("accreditation", ACCREDITOR, digest_of(text)), text) for text in texts]


def around(station: Station, operator: Operator) -> list[log.Leaf]:
    """Entries of others, and of what the station was granted, whose texts are served."""
    operator.statements = {leaf.digest: text for leaf, text in served(station)}
    return [*OTHERS, *granted(station)]


def accreditation(station: Station, operator: Operator, *, centre: str = CENTRE, key: str = "rogue") -> log.Leaf:
    """An accreditation as a marketplace logs it, with a key that the station does not know; its text is served."""
    rogue = Ed25519PrivateKey.generate().public_key()
    signer = station.world.accreditor
    now = NOW - timedelta(days=2)
    statement = accreditation_statement(
        accreditation_id="urn:uuid:3a4fc3f6-497e-4d5b-8920-5646398e7e15",
        issuer_did=ACCREDITOR,
        issuer_name="Sample accreditor",
        valid_from=now,
        valid_until=now + timedelta(days=9),
        training=True,
        centre_did=centre,
        centre_name="Sample centre",
        methods=["clear"],
        media_kinds=["ssd"],
        keys={f"{centre}#{key}": rogue if key == "rogue" else station.world.station_key},
    )
    text = canonical(issue(statement, signer, verification_method=f"{ACCREDITOR}#1", created=now))
    operator.statements[digest_of(text)] = text
    return log.Leaf("accreditation", ACCREDITOR, digest_of(text))


def test_a_log_without_trouble_is_told_in_a_few_lines(monitor: Monitor) -> None:
    found, lines, code = monitor(OTHERS)
    assert code == 0
    assert lines == [
        "market.example/log: 2 entries, 2 of them new.",
        "It only grew, and every entry is the one in the tree that the log signed.",
        "    1 key",
        "    1 wipe-certificate",
        "Witnesses of the newest state: 1; the trust file asks for 1.",
        f"    The harbour at {NOW:%Y-%m-%dT%H:%M:%SZ}",
        "No centre was named, so nobody looked for certificates in its name: --centre DID.",
        "Nothing was found that is wrong.",
    ]
    assert json.loads(json.dumps(found)) == found
    assert found["witnesses"] == [{"name": "The harbour", "at": f"{NOW:%Y-%m-%dT%H:%M:%SZ}"}]


def test_a_station_knows_what_it_issued_and_is_warned_of_the_rest(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    station.wipe()
    bundle = station.certify().bundle
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    document = read((bundle / "certificate.json").read_bytes())
    ours = log.Leaf("wipe-certificate", CENTRE, digest_multibase(document))
    others = [*OTHERS, *granted(station)]
    # The digest stands in the journal even when the bundle was archived somewhere else.
    for archived in (False, True):
        if archived:
            bundle.rename(tmp_path / "archived")
        operator.statements = {leaf.digest: text for leaf, text in served(station)}
        found, lines, code = monitor([*others, ours])
        assert (code, found["certificates"], found["foreign"]) == (0, 1, [])
        assert f"{CENTRE}: 1 certificate and 1 accreditation in the log." in lines
    stolen = certificate("stolen")
    found, lines, code = monitor([*others, ours, stolen])
    assert (code, found["foreign"]) == (71, [{"index": 4, "digest": stolen.digest}])
    assert f"Attention: Entry 4: a certificate in the centre's name that is not known here, {stolen.digest}" in lines
    assert lines[-1].startswith("Next: Sync first, to learn what other stations issued.")
    listed = tmp_path / "own.txt"
    listed.write_text(f"# the second station\n\n{stolen.digest}\n")
    assert monitor(None, "--own", str(listed))[2] == 0


def test_what_other_stations_of_the_centre_issued_is_no_alarm(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    theirs, more = certificate("of bench 2"), certificate("of bench 2, later")
    second = f"{CENTRE}#station-2"
    issued = {"after": 3, "issued": {theirs.digest: second, more.digest: second}}
    station.home.issued_file.write_text(json.dumps(issued))
    found, lines, code = monitor([*around(station, operator), theirs, more])
    assert (code, found["foreign"], found["elsewhere"]) == (0, [], {second: 2})
    assert f"{CENTRE}: 2 certificates and 1 accreditation in the log." in lines
    assert f"    2 by another key, {second}, as the list says. The station with that key follows them." in lines
    assert lines[-1] == "Nothing to worry about."
    station.home.issued_file.unlink()
    listed = tmp_path / "issued.txt"
    listed.write_text(f"# Certificates of Prüfstelle Nord\n{theirs.digest} {second}\n{more.digest} {second}\n")
    found, _, code = monitor(None, "--own", str(listed))
    assert (code, found["elsewhere"]) == (0, {second: 2})


def test_what_the_stations_own_key_signed_elsewhere_is_an_alarm_though_the_marketplace_lists_it(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    stolen, listed = certificate("signed with a stolen key"), tmp_path / "own.txt"
    listed.write_text(f"{stolen.digest} {METHOD}\n")
    station.home.issued_file.write_text(json.dumps({"after": 2, "issued": {stolen.digest: METHOD}}))
    found, lines, code = monitor([*around(station, operator), stolen], "--own", str(listed))
    assert (code, found["foreign"]) == (71, [{"index": 3, "digest": stolen.digest}])
    assert (
        "Attention: Entry 3: a certificate in the centre's name that is not known here, signed with the key of this "
        f"station, {stolen.digest}"
    ) in lines
    listed.write_text(f"{stolen.digest}\n{stolen.digest} {METHOD}\n")  # Somebody looked at it: it stands alone, too.
    assert monitor(None, "--own", str(listed))[2] == 0


def test_the_list_of_a_station_is_one_that_a_monitor_elsewhere_reads(
    station: Station, monitor: Monitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    station.wipe()
    bundle = station.certify().bundle
    digest = digest_multibase(read((bundle / "certificate.json").read_bytes()))
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    asked = cli.parser().parse_args(["issued"])
    found, lines, code = asked.run(asked, screen.Terminal(quiet=True))
    assert (found, lines, code) == ({"station": METHOD, "digests": [digest]}, [f"{digest} {METHOD}"], 0)
    listed = tmp_path / "bench-1.txt"
    listed.write_text("\n".join([*lines, ""]))
    monkeypatch.setenv("WIPE_AGENT_HOME", str(tmp_path / "nobody"))
    ours = log.Leaf("wipe-certificate", CENTRE, digest)
    found, _, code = monitor([ours], "--centre", CENTRE, "--own", str(listed))
    assert (code, found["foreign"], found["elsewhere"]) == (0, [], {METHOD: 1})


def test_what_was_named_once_is_one_line_at_the_next_look(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    strange, listed = [certificate(f"strange {number}") for number in range(3)], tmp_path / "own.txt"
    others = around(station, operator)

    def attention(lines: list[str]) -> list[str]:
        return [line.removeprefix("Attention: ") for line in lines if line.startswith("Attention: ")]

    _, lines, code = monitor([*others, *strange[:2]])
    assert (code, len(attention(lines))) == (71, 2)
    found, lines, code = monitor(None)
    assert (code, len(found["foreign"])) == (71, 2)
    assert attention(lines) == ["named earlier and not settled yet: 2; --json lists all."]
    listed.write_text(f"{strange[0].digest}\n")
    _, lines, code = monitor([*others, *strange], "--own", str(listed))
    assert code == 71
    assert attention(lines) == [
        f"Entry 5: a certificate in the centre's name that is not known here, {strange[2].digest}",
        "named earlier and not settled yet: 1; --json lists all.",
    ]


def test_signatures_that_the_trust_file_does_not_count_are_named_as_such(
    monitor: Monitor, operator: Operator, tmp_path: Path
) -> None:
    trust, other = tmp_path / "none.json", Witnessing("witness.example/two")
    document = json.loads((tmp_path / "trust.json").read_bytes()) | {"witnesses": [], "witnessesNeeded": 0}
    trust.write_bytes(canonical(document))
    operator.show([leaf.data for leaf in OTHERS], other, at=NOW)
    found, lines, code = monitor(None, "--trust", str(trust))
    assert (code, found["witnesses"], found["uncounted"]) == (0, [], ["witness.example/two"])
    assert lines[4:] == [
        "Witnesses of the newest state: 0; the trust file asks for 0.",
        "1 other signature is under it, of nobody whom the trust file names as a witness: not counted here.",
        (
            "The trust file asks for no witnesses, so this look alone does not show that others see the same log. "
            "Compare with what they were shown: --compare FILE."
        ),
        "No centre was named, so nobody looked for certificates in its name: --centre DID.",
        "Nothing was found that is wrong.",
    ]


def test_without_a_trust_file_the_monitor_says_where_to_get_one(
    operator: Operator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(tmp_path / "nobody"))
    words = ["monitor", "--log", f"{operator.url}/log", "--state", str(tmp_path / "state")]
    chosen = cli.parser().parse_args(words)
    with pytest.raises(BadUsage, match="There is no trust file") as caught:
        chosen.run(chosen, screen.Terminal(quiet=True))
    assert caught.value.advice == "Give one with --trust FILE: the marketplace serves its own as /trust.json."
    assert not (tmp_path / "state").exists()


def test_a_bundle_that_was_accepted_a_day_ago_is_missed(
    station: Station, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.wipe()
    bundle = station.certify().bundle
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    digest = digest_multibase(read((bundle / "certificate.json").read_bytes()))
    bundle.rename(station.home.sent / bundle.name)
    receipt = station.home.receipts / f"{bundle.name}.json"
    for outcome, hours, code in (("accepted", 23, 0), ("refused", 25, 0), ("accepted", 25, 72)):
        received = (NOW - timedelta(hours=hours)).isoformat()
        receipt.write_text(json.dumps({"outcome": outcome, "received_at": received}))
        found, lines, came = monitor([*OTHERS, *granted(station)])
        assert (came, found["missing"]) == (code, [digest] if code else [])
    assert f"Attention: Accepted more than a day ago, but not in the log: {digest}" in lines
    ours = log.Leaf("wipe-certificate", CENTRE, digest)
    assert monitor([*OTHERS, *granted(station), ours])[2] == 0


def test_a_centre_with_many_stations_gives_a_list(monitor: Monitor, tmp_path: Path) -> None:
    ours, stolen, listed = certificate("ours"), certificate("stolen"), tmp_path / "own.txt"
    with pytest.raises(BadUsage, match="no station of that centre"):
        monitor([ours], "--centre", CENTRE)
    with pytest.raises(BadUsage, match="no DID"):
        monitor([ours], "--centre", "North")
    listed.write_text(f"{ours.digest}\n")
    found, _, code = monitor([ours, stolen], "--centre", CENTRE, "--own", str(listed))
    assert (code, found["foreign"]) == (71, [{"index": 1, "digest": stolen.digest}])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"hello\n", "Line 1 of the list"),
        (digest_of(b"").encode() + b"\n" + digest_of(b"").encode()[:-1] + b"\n", "Line 2 of the list"),
        ("zQm…\n".encode(), "Line 1 of the list"),
        (digest_of(b"").encode() + b" one two\n", "Line 1 of the list"),
        (b"\xff\n", "cannot be read"),
        (digest_of(b"").encode() + b"\x0b" + digest_of(b"").encode(), "Line 1 of the list"),
    ],
)
def test_a_list_that_is_none_is_refused_by_its_line(tmp_path: Path, text: bytes, problem: str) -> None:
    listed = tmp_path / "own.txt"
    listed.write_bytes(text)
    with pytest.raises(Unreadable, match=problem):
        of_lists([listed])
    with pytest.raises(Unreadable, match="cannot be read"):
        of_lists([tmp_path / "missing.txt"])


def test_a_bundle_that_a_buyer_holds_is_compared_with_the_log(
    station: Station, monitor: Monitor, operator: Operator, tmp_path: Path
) -> None:
    station.wipe()
    bundle = station.certify().bundle
    files = dict(Bundle.load(bundle).files)
    document = read(files["certificate.json"])
    ours = log.Leaf("wipe-certificate", CENTRE, digest_multibase(document))
    others = [*OTHERS, *granted(station)]
    monitor([*others, ours])
    with pytest.raises(Unreadable, match=r"has no log-proof\.txt"):
        monitor(None, "--compare", str(bundle))
    (bundle / "log-proof.txt").write_bytes(operator.tree.proof(3, operator.note))
    found, lines, code = monitor(None, "--compare", str(bundle), "--compare", str(bundle / "log-proof.txt"))
    assert code == 0
    assert found["compared"] == [str(bundle), str(bundle / "log-proof.txt")]
    assert f"{bundle} is of this same log." in lines
    other = tmp_path / "checkpoint"
    operator.show([b"another", *(leaf.data for leaf in others)])
    other.write_bytes(operator.note)
    with pytest.raises(LogMisbehaves, match="two different logs of 4 entries") as caught:
        monitor([*others, ours], "--compare", str(other))
    assert caught.value.exit_code == 70
    with pytest.raises(Unreadable, match="cannot be compared"):
        monitor(None, "--compare", str(tmp_path / "missing"))


def test_the_monitor_needs_a_trust_file_with_a_log(monitor: Monitor, tmp_path: Path, operator: Operator) -> None:
    bare = tmp_path / "bare.json"
    bare.write_bytes(
        canonical(
            {"type": "WipeTrust", "version": 1, "training": True, "updated": "2026-11-21T10:00:00Z", "parties": []}
        )
    )
    with pytest.raises(BadUsage, match="names no log"):
        monitor(OTHERS, "--trust", str(bare))
    bare.write_text("{")
    with pytest.raises(Unreadable, match="trust file"):
        monitor(OTHERS, "--trust", str(bare))
    assert operator.asked == []
    assert not (tmp_path / "state").exists()


# ---------------------------------------------------------------------------- accreditations


def test_an_accreditation_in_the_centres_name_with_a_key_that_it_does_not_know_is_told(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    operator.statements = {leaf.digest: text for leaf, text in served(station)}
    theirs = accreditation(station, operator, centre="did:web:other.example")
    known = accreditation(station, operator, key=METHOD.partition("#")[2])
    entries = [*OTHERS, *granted(station), theirs, known]
    found, lines, code = monitor(entries)
    assert (code, found["accreditations"], found["accreditations_unexpected"]) == (0, 2, [])
    assert lines[-1] == "Nothing to worry about."
    rogue = accreditation(station, operator)
    for again in ([*entries, rogue], None):  # It is told until somebody says that it is known.
        found, lines, code = monitor(again)
        assert (code, found["accreditations_unexpected"]) == (71, [{"index": 5, "digest": rogue.digest}])
        assert (
            f"Attention: Entry 5: an accreditation of the centre lists a key that it does not know, {rogue.digest}"
            in (lines)
        )
    listed = tmp_path / "own.txt"
    listed.write_text(rogue.digest + "\n")
    assert monitor(None, "--own", str(listed))[2] == 0


def test_an_accreditation_whose_text_is_withheld_or_is_another_is_told_until_it_is_given(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    operator.statements = {leaf.digest: text for leaf, text in served(station)}
    theirs = accreditation(station, operator, centre="did:web:other.example")
    text = operator.statements.pop(theirs.digest)
    entries = [*granted(station), theirs]
    for given in (None, text + b" ", b"{}"):
        if given is not None:
            operator.statements[theirs.digest] = given
        found, lines, code = monitor(entries)
        assert (code, found["accreditations_unread"]) == (72, [{"index": 1, "digest": theirs.digest}])
        words = f"Attention: Entry 1: an accreditation whose text the marketplace does not give, {theirs.digest}"
        assert words in lines
    operator.statements[theirs.digest] = text
    found, _, code = monitor(None)
    assert (code, found["accreditations"], found["accreditations_unread"]) == (0, 1, [])


def test_an_accreditation_that_the_station_works_under_or_a_bundle_stands_on_must_be_in_the_log(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.wipe()
    bundle = station.certify().bundle
    certified = read((bundle / "certificate.json").read_bytes())
    ours = log.Leaf("wipe-certificate", CENTRE, digest_multibase(certified))
    [leaf] = granted(station)
    operator.show([ours.data])
    monitor([ours])
    (bundle / "log-proof.txt").write_bytes(operator.tree.proof(0, operator.note))
    found, lines, code = monitor(None, "--compare", str(bundle))
    words = f"The accreditation that {bundle} stands on is not in the log: {leaf.digest}"
    assert (code, found["accreditations_unlogged"]) == (72, [words])
    assert f"Attention: {words}" in lines
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    found, _, code = monitor([ours])
    [words] = found["accreditations_unlogged"]
    assert code == 72
    assert words.endswith(f"that this station got is not in the log: {leaf.digest}")
    operator.statements = {one.digest: text for one, text in served(station)}
    found, _, code = monitor([ours, leaf], "--compare", str(bundle))
    assert (code, found["accreditations_unlogged"]) == (0, [])


def test_a_monitor_of_before_reads_the_log_once_more_for_accreditations(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    operator.statements = {leaf.digest: text for leaf, text in served(station)}
    monitor([*OTHERS, *granted(station)])
    (place,) = (tmp_path / "state").glob("*.monitor.json")
    kept = json.loads(place.read_bytes())
    for new in ("accreditations", "examined", "granted"):
        del kept[new]
    place.write_text(json.dumps(kept))
    found, _, code = monitor(None)
    assert (code, found["accreditations"], found["new"]) == (0, 1, 0)


def test_many_accreditations_are_read_in_several_looks(
    station: Station, monitor: Monitor, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    monkeypatch.setattr(monitoring, "MOST_READ", 2)
    operator.statements = {leaf.digest: text for leaf, text in served(station)}
    known = accreditation(station, operator, key=METHOD.partition("#")[2])
    entries = [*granted(station), known, accreditation(station, operator, centre="did:web:other.example")]
    asked = []
    for again in (entries, None, None):
        operator.asked.clear()
        monitor(again)
        asked.append(sum(path.startswith("statement/") for path in operator.asked))
    assert asked == [2, 1, 0]


# ---------------------------------------------------------------------------- what it keeps

FULL = State(
    CENTRE,
    bytes(log.Checkpoint(ORIGIN, 1, OTHERS[0].hash).signed(Ed25519PrivateKey.generate())),
    log.Frontier(1, (OTHERS[0].hash,)),
    (Entry(0, OTHERS[0].digest),),
    ((1, NOON),),
    Pending(0, OTHERS[0].data, NOON),
    (Entry(0, OTHERS[0].digest),),
    1,
    (Granted(0, OTHERS[0].digest), Granted(1, OTHERS[1].digest, ("z6Mk",))),
    frozenset({OTHERS[0].digest}),
)


def test_what_is_kept_reads_and_writes_the_same(tmp_path: Path) -> None:
    FULL.save(tmp_path, ORIGIN)
    assert State.load(tmp_path, ORIGIN) == FULL
    assert State.load(tmp_path, "other.example/log") == State()
    with pytest.raises(ValueError, match="nothing to keep"):
        State().save(tmp_path, ORIGIN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"size": 1', '"size": 2'),
        ('"peaks": ["', '"peaks": ["00'),
        (OTHERS[0].hash.hex(), "00" * 32),
        (ORIGIN, "other.example/log"),
        ('"sightings"', '"sighted"'),
        ("2026-11-21T12:00:00Z", "yesterday"),
        ('"pending": {', '"pending": ['),
        ("}", ""),
    ],
)
def test_a_memory_that_was_changed_is_not_taken_for_an_empty_one(tmp_path: Path, old: str, new: str) -> None:
    FULL.save(tmp_path, ORIGIN)
    (place,) = tmp_path.glob("*.monitor.json")
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))
    with pytest.raises(StateUnusable, match=r"cannot be read|does not fit together"):
        State.load(tmp_path, ORIGIN)


def test_of_many_looks_at_one_size_the_first_and_the_last_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    state = State()
    for hours in range(5):
        state = state.sighted(7, NOON + timedelta(hours=hours))
    state = state.sighted(9, NOON + timedelta(hours=5))
    assert [size for size, _ in state.sightings] == [7, 7, 9]
    assert state.absent_until(7) == NOON + timedelta(hours=4)
    assert state.absent_until(9) == NOON + timedelta(hours=5)
    assert state.absent_until(6) is None
    monkeypatch.setattr(states, "MOST_SIGHTINGS", 20)
    for size in range(10, 200):
        state = state.sighted(size, NOON + timedelta(hours=size))
    assert len(state.sightings) <= 20
    assert state.absent_until(199) == NOON + timedelta(hours=199)


def test_the_station_of_another_centre_is_no_witness_for_this_one(
    station: Station, monitor: Monitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    assert METHOD.startswith(f"{CENTRE}#")
    with pytest.raises(BadUsage, match="no station of that centre"):
        monitor(OTHERS, "--centre", "did:web:other.example")
