"""What a drive hides of itself is opened when the operator asks for it, noted, and wiped with the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import medium, planted_left
from wipe_agent import jobs, keys
from wipe_agent.certificate import Bundle, verify
from wipe_agent.errors import DeviceChanged, MethodRefused, NotComplete
from wipe_agent.jobs import planning
from wipe_agent.media import Facts, Ran, asking

SHOWN, ALL = (4 << 20) // 512, (5 << 20) // 512
SECRET = b"PLANTED SECRET behind the end of the drive. " * 100
ASKED = jobs.Wish(open_hidden=True)


class Hiding:
    """A runner that stands for an ATA drive on the image, the end of which it hides by `what`."""

    rehearsal = False

    def __init__(self, image: Path, what: str, *, obeys: bool = True, says: str = "") -> None:
        self.image, self.what, self.obeys, self.says = image, what, obeys, says
        self.visible = SHOWN
        self.given: list[str] = []

    def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
        words = " ".join(command)
        if words.startswith("hdparm --yes"):
            self.given.append(words)
            if self.obeys:
                self.visible = ALL
            return Ran(tuple(command), 1 if self.says else 0, "", self.says)
        if words.startswith("hdparm -N"):
            native = ALL if self.what == "HPA" else self.visible
            return Ran(tuple(command), 0, f" max sectors   = {self.visible}/{native}, HPA is whatever")
        if words.startswith("hdparm --dco-identify"):
            return Ran(tuple(command), 0, f"DCO Revision: 0x0001\nReal max sectors: {ALL}\n")
        return Ran(tuple(command), 0, "")

    def comes_back(self) -> None:
        """The drive has had no power for a moment: what it hid shows."""
        with self.image.open("r+b") as blocks:
            blocks.seek(self.visible * 512 - len(SECRET))
            blocks.write(SECRET)
        os.truncate(self.image, self.visible * 512)


@pytest.fixture
def bench(make_station: Callable[..., Station], monkeypatch: pytest.MonkeyPatch) -> Station:
    station = make_station(medium(SERIAL, kind="hdd"))

    def look(path: Path, identity: Any, run: Any) -> Facts:
        said = [run(["hdparm", word, "/dev/sda"]).said for word in ("-N", "--dco-identify")]
        return Facts("/dev/sda", "ata", "hdd", identity.size, hidden=asking.ata_hidden(*said, identity.size))

    monkeypatch.setattr(planning, "look", look)
    return station


def events(station: Station) -> list[str]:
    return [json.loads(line)["event"] for line in station.journal().read_text().splitlines()]


@pytest.mark.parametrize(
    ("what", "command"), [("HPA", f"-Np{ALL} /dev/sda"), ("DCO", "--dco-restore /dev/sda")], ids=["HPA", "DCO"]
)
def test_what_is_hidden_is_opened_noted_and_wiped_with_the_rest(bench: Station, what: str, command: str) -> None:
    drive = Hiding(bench.image, what)
    before = bench.image.read_bytes()
    with pytest.raises(DeviceChanged, match=f"its {what} is open") as told:
        bench.wipe(run=drive, wish=ASKED)
    assert "power away for a moment" in told.value.advice
    assert drive.given == [f"hdparm --yes-i-know-what-i-am-doing {command}"]
    assert events(bench) == ["opened", "uncovering", "uncovered"]
    assert bench.image.read_bytes() == before
    with pytest.raises(NotComplete):
        bench.certify()
    drive.comes_back()
    assert planted_left(bench.image) > 100
    done = bench.wipe(run=drive, wish=ASKED)
    assert done.size == 5 << 20
    assert not any(bench.image.read_bytes())
    report = verify(
        Bundle.load(bench.certify().bundle), keys.load_trust(bench.home), at=datetime.now(UTC), training=True
    )
    assert report.ok, report.refusal
    (line,) = report.statement.lines  # type: ignore[union-attr]
    assert line.size_bytes == 5 << 20
    assert line.verification_method.startswith(
        f"1048576 bytes that the drive hid ({what}) were opened before. Every byte"
    )
    assert line.exclusions == [*line.exclusions[:1], "practice: the medium was an image file"]


def test_nothing_is_opened_that_nobody_asked_for(bench: Station) -> None:
    drive = Hiding(bench.image, "HPA")
    with pytest.raises(MethodRefused, match=r"1048576 bytes are hidden \(HPA\)") as told:
        bench.wipe(run=drive)
    assert "--open-hidden" in told.value.advice
    assert drive.given == []
    assert events(bench) == []


@pytest.mark.parametrize(
    ("says", "obeys", "words"),
    [
        ("", False, "does not show 5242880 bytes"),
        ("SG_IO: bad/missing sense data, sb[]:  70 00 05", False, "the drive refused"),
        ("DCO is frozen, cannot modify configuration", False, "the drive is frozen"),
    ],
    ids=["lie", "refusal", "frozen"],
)
def test_a_drive_that_does_not_open_is_not_wiped(bench: Station, says: str, obeys: bool, words: str) -> None:
    before = bench.image.read_bytes()
    with pytest.raises(MethodRefused, match=words):
        bench.wipe(run=Hiding(bench.image, "DCO", obeys=obeys, says=says), wish=ASKED)
    assert bench.image.read_bytes() == before
    with pytest.raises(NotComplete):
        bench.certify()


def test_a_drive_that_grew_otherwise_than_it_was_told_to_is_another_drive(bench: Station) -> None:
    drive = Hiding(bench.image, "HPA")
    with pytest.raises(DeviceChanged):
        bench.wipe(run=drive, wish=ASKED)
    drive.comes_back()
    bench.wipe(run=drive)
    os.truncate(bench.image, 6 << 20)
    with pytest.raises(DeviceChanged, match="it had 5242880 bytes and now has 6291456"):
        bench.wipe(run=drive)
