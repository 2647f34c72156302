"""The doctor names what is missing and how to install it; without a key the agent verifies and checks drives."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import Station
from tests.wipe_agent.support import ROOT, agent, planted_image
from wipe_agent import doctor, errors, keys

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
WELL = doctor.Facts(
    now=NOW,
    kernel="6.1.0",
    tools={tool.name: f"{tool.name} 1.0" for tool in doctor.TOOLS},
    libraries=dict.fromkeys(doctor.LIBRARIES, "1.0"),
    home=Path("/home/bench/agent"),
    free=10**12,
    enrolled=keys.Station("https://market.example", "s1", "did#1", "c1", "Test Centre North", "live", "2026-01-01"),
    key="file",
    trust="1234 5678",
    accredited_until=NOW + timedelta(days=30),
    self_test=20,
)


def found(facts: doctor.Facts, name: str, *, verify_only: bool = False) -> doctor.Finding:
    return next(one for one in doctor.judge(facts, verify_only=verify_only) if one.name == name)


def test_a_station_that_has_everything_is_ready_and_told_nothing_to_do() -> None:
    findings = doctor.judge(WELL)
    assert {one.state for one in findings} == {doctor.OK}
    assert doctor.ready(findings)
    assert doctor.packages(findings) == []


def test_each_missing_tool_is_named_with_its_package_and_purpose() -> None:
    for tool in doctor.TOOLS:
        one = found(replace(WELL, tools=WELL.tools | {tool.name: None}), tool.name)
        assert one.state == (doctor.MISSING if tool.essential else doctor.ADVICE)
        assert one.remedy == (f"apt-get install {tool.package}" if tool.package else tool.install)
        assert tool.purpose in one.text
    none = doctor.judge(replace(WELL, tools={}))
    assert doctor.packages(none) == sorted({tool.package for tool in doctor.TOOLS if tool.package})
    assert not doctor.ready(none)


def test_what_asks_iphones_is_found_where_the_setting_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "pymobiledevice3"
    program.write_text("#!/bin/sh\necho 4.2.0\n")
    program.chmod(0o755)
    tool = next(one for one in doctor.TOOLS if one.name == "pymobiledevice3")
    monkeypatch.setenv("WIPE_AGENT_PYMOBILEDEVICE3", str(tmp_path / "nothing"))
    assert doctor._version(tool) is None
    monkeypatch.setenv("WIPE_AGENT_PYMOBILEDEVICE3", str(program))
    assert doctor._version(tool) == "4.2.0"


@pytest.mark.parametrize(
    ("change", "name", "state", "words"),
    [
        ({"python": (3, 10)}, "python", doctor.MISSING, "3.10 is too old"),
        ({"libraries": WELL.libraries | {"cryptography": None}}, "cryptography", doctor.MISSING, "Nothing works"),
        ({"libraries": WELL.libraries | {"fpdf2": None}}, "fpdf2", doctor.ADVICE, "is absent"),
        ({"self_test_problem": "The self-test did not find X."}, "self-test", doctor.MISSING, "did not find"),
        ({"root": False}, "root", doctor.ADVICE, "Not root"),
        ({"disk_sequences": False}, "kernel", doctor.ADVICE, "harder to notice"),
        ({"newest_noted": NOW + timedelta(days=1)}, "clock", doctor.MISSING, "work was noted at 2026-03-04 12:00"),
        ({"clock_synchronised": False}, "clock", doctor.ADVICE, "not held by a time server"),
        ({"entropy_ready": False}, "entropy", doctor.MISSING, "no random numbers"),
        ({"home_problem": "The state folder is open to other users."}, "state folder", doctor.MISSING, "open to other"),
        ({"home_in_memory": True}, "state folder", doctor.ADVICE, "lies in memory"),
        ({"free": 10 * 2**20}, "disk space", doctor.MISSING, "10 MiB are free"),
        ({"enrolled": None}, "enrolment", doctor.MISSING, "not enrolled"),
        ({"key": None}, "key", doctor.MISSING, "not there"),
        ({"trust": None}, "trust", doctor.MISSING, "absent or cannot be read"),
        ({"accredited_until": None}, "accreditation", doctor.ADVICE, "No accreditation"),
        ({"accredited_until": NOW - timedelta(1)}, "accreditation", doctor.MISSING, "ended at 2026-03-02 12:00"),
    ],
)
def test_what_is_wrong_is_said_with_a_remedy(change: dict[str, object], name: str, state: str, words: str) -> None:
    facts = replace(WELL, **change)  # type: ignore[arg-type]
    one = found(facts, name)
    assert one.state == state
    assert words in one.text
    assert one.remedy
    assert doctor.ready(doctor.judge(facts)) == (state != doctor.MISSING)


def test_an_installation_that_only_verifies_misses_nothing_without_a_key() -> None:
    facts = replace(WELL, enrolled=None, key=None, trust=None, accredited_until=None, root=False, tools={}, free=None)
    assert not doctor.ready(doctor.judge(facts))
    assert doctor.ready(doctor.judge(facts, verify_only=True))


def test_looking_changes_nothing_and_finds_the_station(station: Station) -> None:
    def everything() -> dict[str, tuple[int, int]]:
        places = sorted(station.home.path.rglob("*"))
        return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in places}

    before = everything()
    facts = doctor.look(station.home)
    assert everything() == before
    assert (facts.key, facts.home_problem) == ("file", None)
    assert facts.enrolled == keys.load_station(station.home)
    assert facts.accredited_until is not None
    assert facts.self_test > 10
    station.home.path.chmod(0o755)
    assert "open to other users" in str(doctor.look(station.home).home_problem)


def test_the_doctor_looks_without_a_state_folder_and_makes_none(tmp_path: Path) -> None:
    done = agent("doctor", "--json", home=tmp_path / "home")
    assert done.returncode == errors.NotReady.exit_code
    said = json.loads(done.stdout)
    assert said["ready"] is False
    assert [one["name"] for one in said["findings"] if one["state"] == "missing"][-1] == "enrolment"
    assert not (tmp_path / "home").exists()


def test_the_manual_lists_every_tool_that_the_doctor_asks_for() -> None:
    manual = (ROOT / "docs/wipe-agent.md").read_text()
    for tool in doctor.TOOLS:
        assert f"`{tool.package}`" in manual, tool.package


def test_checking_a_drive_reads_all_of_it_and_changes_nothing(tmp_path: Path) -> None:
    image = planted_image(tmp_path / "disk.img")
    before = image.read_bytes()
    done = agent("check", "--target", str(image), "--image", "--json", home=tmp_path / "home")
    assert done.returncode == errors.NotBlank.exit_code
    said = json.loads(done.stdout)
    assert (said["blank"], said["read"]) == (False, len(before))
    assert said["recognised"]["file sqlite"] == 1
    assert said["differing_blocks"] > 0
    assert image.read_bytes() == before
    # No key, no order, no journal and no certificate: it is a look.
    assert not (tmp_path / "home").exists()


def test_an_empty_drive_is_said_to_be_empty_and_not_to_be_certified(tmp_path: Path) -> None:
    image = tmp_path / "empty.img"
    image.write_bytes(bytes(2 << 20))
    done = agent("check", "--target", str(image), "--image", home=tmp_path / "home")
    assert done.returncode == 0
    assert "Every byte is zero." in done.stdout
    assert "It is no certificate." in done.stdout
    with image.open("r+b") as file:
        file.seek(1_234_567)
        file.write(b"\x01")
    done = agent("check", "--target", str(image), "--image", home=tmp_path / "home")
    assert done.returncode == errors.NotBlank.exit_code
    assert "1 blocks of 4 KiB are not zero" in done.stdout


@pytest.mark.parametrize("words", [["certify", "--order", "WO-1"], ["sync"], ["orders"]])
def test_without_a_key_nothing_is_certified_or_sent(words: list[str], tmp_path: Path) -> None:
    done = agent(*words, home=tmp_path / "home")
    assert done.returncode == errors.NotEnrolled.exit_code
