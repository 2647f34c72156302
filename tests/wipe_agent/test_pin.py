"""A station takes a newer trust file: shown first, pinned by its fingerprint, and never one that cannot be meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.support import ACCREDITOR, MARKET, moment
from wipe_agent import cli, screen
from wipe_agent.certificate import (
    Trust,
    canonical,
    did_document,
    fingerprint,
    public_key_from_multibase,
    trust_document,
)
from wipe_agent.certificate.times import write_time
from wipe_agent.cli.pinning import changes
from wipe_agent.errors import BadUsage, NotEnrolled, Unreadable

OTHER = "did:web:other.example"
KEY = public_key_from_multibase("z6MkmXCQHYti5PCqeWbi9gkzQWAzTPvRCjTGZSmDPj94TkkE")
NOW, LOST = moment(), moment(-2)


def changed(station: Station, **change: Any) -> bytes:
    """The station's trust file after its accreditor lost its key and got another one, and another one came."""
    accreditor, market = station.world.trust()["parties"]
    methods = {
        each["id"]: public_key_from_multibase(each["publicKeyMultibase"])
        for each in accreditor["didDocument"]["verificationMethod"]
    }
    return canonical(
        trust_document(
            **{
                "training": station.world.training,
                "updated": NOW,
                "parties": [
                    accreditor
                    | {
                        "didDocument": did_document(ACCREDITOR, {**methods, f"{ACCREDITOR}#2": KEY}),
                        "keyEnds": [{"id": f"{ACCREDITOR}#1", "until": NOW, "compromisedSince": LOST}],
                    },
                    market,
                    {
                        "name": "Verband West",
                        "roles": ["accreditor"],
                        "didDocument": did_document(OTHER, {f"{OTHER}#1": KEY}),
                    },
                ],
                **change,
            }
        )
    )


def run(*words: str) -> Any:
    chosen = cli.parser().parse_args(["pin", *words])
    return chosen.run(chosen, screen.Terminal(quiet=True))


@pytest.fixture
def file(station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(station.home.path))
    place = tmp_path / "new.json"
    place.write_bytes(changed(station))
    return place


def test_a_newer_trust_file_is_shown_and_pinned_by_its_fingerprint_alone(station: Station, file: Path) -> None:
    before, name = station.home.trust_file.read_bytes(), fingerprint(file.read_bytes())
    found, lines, code = run(str(file))
    assert (found["pinned"], found["fingerprint"], code) == (False, name, 0)
    assert found["changes"] == [
        f"New: Verband West, accreditor ({OTHER})",
        f"New key: {ACCREDITOR}#2",
        f"New key: {OTHER}#1",
        f"Key ended: {ACCREDITOR}#1, {write_time(NOW)}; others may have had it since {write_time(LOST)}",
    ]
    assert lines[-1].endswith(f'wipe-agent pin FILE --fingerprint "{name}"')
    assert station.home.trust_file.read_bytes() == before
    with pytest.raises(BadUsage, match=r"not the one that was given\. Nothing has changed\."):
        run(str(file), "--fingerprint", fingerprint(before))
    assert station.home.trust_file.read_bytes() == before
    found, _, code = run(str(file), "--fingerprint", name.upper().replace(" ", ""))
    assert (found["pinned"], code) == (True, 0)
    assert station.home.trust_file.read_bytes() == file.read_bytes()
    found, lines, code = run(str(file))
    assert (found["changes"], lines[0], code) == ([], "This trust file is the pinned one.", 0)


def test_a_trust_file_that_cannot_be_meant_is_refused_and_nothing_changes(station: Station, file: Path) -> None:
    before = station.home.trust_file.read_bytes()
    parties = station.world.trust()["parties"]
    for content, error, why in (
        (changed(station, training=not station.world.training), BadUsage, "for practice"),
        (changed(station, parties=parties[:1]), BadUsage, "does not list the marketplace of this station"),
        (b"{}", Unreadable, "cannot be pinned"),
        (b"x" * 70_000, Unreadable, "cannot be pinned"),
    ):
        file.write_bytes(content)
        with pytest.raises(error, match=why):
            run(str(file), "--fingerprint", fingerprint(content))
        assert station.home.trust_file.read_bytes() == before
    with pytest.raises(Unreadable, match="cannot be pinned"):
        run(str(file.parent / "missing.json"))


def test_only_a_station_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(tmp_path / "nobody"))
    with pytest.raises(NotEnrolled):
        run(str(tmp_path / "trust.json"))


def test_every_change_of_a_trust_file_is_told(station: Station) -> None:
    after = Trust.parse(changed(station))
    before = Trust.of(station.world.trust())
    assert changes(after, before) == [
        f"Gone: Verband West, accreditor ({OTHER})",
        f"Key gone: {ACCREDITOR}#2",
        f"Key gone: {OTHER}#1",
        f"Counts again: {ACCREDITOR}#1",
    ]
    accreditor, market = station.world.trust()["parties"]
    swapped = accreditor | {"didDocument": did_document(ACCREDITOR, {f"{ACCREDITOR}#1": KEY}), "until": NOW}
    assert changes(before, Trust.parse(changed(station, parties=[swapped, market]))) == [
        f"Another key under the same name: {ACCREDITOR}#1",
        f"Ended: {accreditor['name']}, {write_time(NOW)} ({ACCREDITOR})",
    ]
    assert MARKET in before.names
