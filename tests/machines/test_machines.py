"""A whole bench in QEMU: real command sets, one boot, and everything judged from outside the guest.

The guest has two NVMe drives, a SATA, a SCSI and a USB drive and an SD card, each with a planted file system. It boots
once; the tests below look at what came of it. The whole of it runs with `WIPE_AGENT_MACHINES=full` (bin/test-machines);
otherwise a short part with one NVMe and the lying SCSI drive runs where qemu and a kernel are here, and none of it with
`WIPE_AGENT_MACHINES=0`.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.machines.guest import ROOT, Machine, missing
from tests.wipe_agent.support import PASSPHRASE, World, enrolled, keep, medium, planted_image, planted_left
from wipe_agent.certificate import Bundle, Trust, canonical, verify

pytestmark = pytest.mark.campaign
WANTED = os.environ.get("WIPE_AGENT_MACHINES", "short")
FULL = WANTED == "full"
MEBIBYTES = 8
LIMIT = 420  # seconds
ALL = {"NVME-1": "nvme", "NVME-2": "nvme", "SATA-1": "hdd", "SCSI-1": "hdd", "USB-1": "usb", "0xdeadbeef": "sd"}
KINDS = {serial: kind for serial, kind in ALL.items() if FULL or serial in ("NVME-1", "SCSI-1")}
BUSES = {"NVME-1": "nvme", "NVME-2": "nvme", "SATA-1": "ata", "SCSI-1": "scsi", "USB-1": "usb", "0xdeadbeef": "sd"}
BEST = {**dict.fromkeys(ALL, "overwrite-zeros"), "NVME-1": "nvme-format-user-data", "NVME-2": "nvme-format-user-data"}
IMAGES = {**{serial: serial for serial in ALL}, "0xdeadbeef": "SD-1"}
VOUCHED = {
    "name": "word",
    "title": "a policy that takes the drive's word",
    "admitted": {"nvme": [["clear", "device-reported"]]},
}


@dataclass
class Bench:
    """What came out of the guest."""

    folder: Path
    world: World
    planted: dict[str, int]
    answers: list[dict[str, Any]]
    seconds: float

    def said(self, command: str, serial: str, method: str | None = None) -> dict[str, Any]:
        """The answer to one command on one disk, with the method that was asked for."""
        for one in self.answers:
            words = one["words"]
            asked = words[words.index("--method") + 1] if "--method" in words else None
            if words[0] == command and f"TARGET:{serial}" in words and asked == method:
                return one
        raise LookupError(f"{command} {serial}")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    if WANTED == "0":
        pytest.skip("switched off by WIPE_AGENT_MACHINES=0")
    if reason := missing():
        pytest.skip(f"no machine can be emulated here: {reason}")
    folder = tmp_path_factory.mktemp("machine")
    world = World()
    home = enrolled(folder / "home", world)
    world.order(*(medium(serial, kind=kind) for serial, kind in KINDS.items()))
    keep(home, world)
    planted = {serial: planted_left(planted_image(folder / f"{IMAGES[serial]}.img", MEBIBYTES)) for serial in KINDS}
    machine = Machine(folder)
    for serial in KINDS:
        add = {"nvme": machine.nvme, "ata": machine.sata, "scsi": machine.scsi, "usb": machine.usb, "sd": machine.sd}
        add[BUSES[serial]](IMAGES[serial], MEBIBYTES)
    machine.exchange.mkdir()
    shutil.copytree(home.path, machine.exchange / "home")
    (machine.exchange / "word.json").write_text(json.dumps(VOUCHED))
    (machine.exchange / "steps.json").write_text(json.dumps(_steps()))
    seconds = machine.run(_SCRIPT, timeout=LIMIT)
    answers = machine.exchange / "answers.json"
    assert answers.exists(), machine.output()[-3000:]
    return Bench(folder, world, planted, json.loads(answers.read_text()), seconds)


def _steps() -> list[list[str]]:
    def wipe(serial: str, *more: str) -> list[str]:
        named = ["--order", "WO-1", "--target", f"TARGET:{serial}", "--medium", serial, "--confirm-serial", serial]
        return ["wipe", *named, "--operator", "Ada", *more]

    plans = [["plan", "--target", f"TARGET:{serial}", "--kind", kind] for serial, kind in KINDS.items()]
    steps = [
        ["media"],
        *plans,
        wipe("NVME-1", "--method", "nvme-sanitize-block"),
        wipe("NVME-1"),
        wipe("SCSI-1", "--method", "scsi-format-unit", "--policy", "nist"),
        ["certify", "--order", "WO-1"],
        wipe("SCSI-1", "--start-over"),
        wipe("NVME-2", "--policy", "/exchange/word.json", "--method", "nvme-format-user-data"),
        *(wipe(serial) for serial in ("SATA-1", "USB-1", "0xdeadbeef")),
        ["certify", "--order", "WO-1", "--zip", "/exchange/bundle.zip"],
    ]
    return [words for words in steps if "--target" not in words or words[words.index("--target") + 1][7:] in KINDS]


_SCRIPT = f"""
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
export WIPE_AGENT_HOME=/tmp/home WIPE_AGENT_PASSPHRASE='{PASSPHRASE}' PYTHONDONTWRITEBYTECODE=1
cp -r /exchange/home /tmp/home && chown -R 0:0 /tmp/home && chmod 700 /tmp/home
cd {ROOT} && {sys.executable} -m tests.machines.inside /exchange/steps.json /exchange/answers.json
cp -r /tmp/home/journals /exchange/
"""


def test_each_disk_is_found_by_its_own_serial_on_its_own_bus(bench: Bench) -> None:
    found = {one["serial"]: one for one in bench.answers[0]["said"]["media"]}
    assert set(found) == set(KINDS)
    assert all(one["size"] == MEBIBYTES << 20 and one["training"] and not one["refusals"] for one in found.values())
    buses = {serial: bench.said("plan", serial)["said"]["facts"]["bus"] for serial in KINDS}
    assert buses == {serial: BUSES[serial] for serial in KINDS}


@pytest.mark.skipif(not FULL, reason="WIPE_AGENT_MACHINES=full adds a SATA drive")
def test_a_sata_drive_tells_of_hidden_areas_and_health_and_the_guest_who_it_is(bench: Bench) -> None:
    sata = bench.said("plan", "SATA-1")["said"]
    assert sata["facts"]["hidden"] == {"size": 0, "says": "DCO was asked for and the drive gave no believable answer"}
    assert sata["facts"]["health"]["passed"] is True
    assert sata["host"] == {"manufacturer": "Sample", "model": "Laptop 14", "serial": "HOST-1"}


def test_each_disk_is_planned_by_its_own_best_method_with_a_reason_against_each_other(bench: Bench) -> None:
    planned = {serial: bench.said("plan", serial)["said"] for serial in KINDS}
    assert {serial: (one["method"], one["level"], one["evidence_class"]) for serial, one in planned.items()} == {
        serial: (BEST[serial], "clear", "full-read") for serial in KINDS
    }
    assert planned["NVME-1"]["why_not"]["nvme-sanitize-block"] == "The drive does not say that it can."
    assert "overwrite-zeros" in planned["NVME-1"]["why_not"]


def test_each_disk_is_wiped_and_nothing_planted_is_left_on_its_image(bench: Bench) -> None:
    for serial in KINDS:
        image = IMAGES[serial]
        assert bench.planted[serial] > 0
        assert planted_left(bench.folder / f"{image}.img") == 0
        assert not any((bench.folder / f"{image}.img").read_bytes())
    assert bench.said("wipe", "NVME-1")["said"]["technique"] == "nvme-format-user-data, then overwrite-zeros"


def test_a_command_that_the_drive_does_not_know_is_not_sent(bench: Bench) -> None:
    refused = bench.said("wipe", "NVME-1", "nvme-sanitize-block")
    assert (refused["code"], refused["said"]["error"]["kind"]) == (23, "MethodRefused")


def test_the_lie_of_format_unit_is_caught_and_certifies_nothing(bench: Bench) -> None:
    lied = bench.said("wipe", "SCSI-1", "scsi-format-unit")
    assert (lied["code"], lied["said"]["error"]["kind"]) == (28, "NotWiped")
    places = (MEBIBYTES << 20) // 4096
    assert f"{places} of {places} places still hold what was written there" in lied["said"]["error"]["message"]
    first = next(one for one in bench.answers if one["words"][0] == "certify")
    assert (first["code"], first["said"]["error"]["kind"]) == (29, "NotComplete")


def test_a_training_certificate_of_all_of_it_verifies_outside_and_says_no_more_than_was_seen(bench: Bench) -> None:
    bundle, trust = Bundle.load(bench.folder / "exchange/bundle.zip"), Trust.parse(canonical(bench.world.trust()))
    report = verify(bundle, trust, at=datetime.now(UTC), training=True)
    assert report.ok, report.refusal
    statement = report.statement
    assert statement is not None
    lines = {line.serial: line for line in statement.lines}
    assert {serial: (line.level, line.evidence_class) for serial, line in lines.items()} == {
        serial: ("clear", "device-reported" if serial == "NVME-2" else "full-read") for serial in KINDS
    }
    assert lines["NVME-1"].technique == "nvme-format-user-data, then overwrite-zeros"
    assert any("rests on the drive's word" in one for one in lines["NVME-1"].exclusions)
    assert all("practice: the medium was an emulated drive" in line.exclusions for line in lines.values())


def test_the_machine_is_noted_as_the_device_and_a_bridge_is_in_no_machine(bench: Bench) -> None:
    hosts, felt = {}, {}
    for journal in (bench.folder / "exchange/journals/WO-1").glob("*.journal"):
        for line in map(json.loads, journal.read_text().splitlines()):
            if line["event"] == "planned":
                hosts[line["identity"]["serial"]] = line["host"]
                felt[line["identity"]["serial"]] = line["facts"]["health"]["passed"]
    device = {"manufacturer": "Sample", "model": "Laptop 14", "serial": "HOST-1"}
    assert hosts == {serial: {} if serial == "USB-1" else device for serial in KINDS}
    assert felt == {serial: True if serial in ("NVME-1", "NVME-2", "SATA-1") else None for serial in KINDS}


def test_the_time_is_told(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        work = sum(one["seconds"] for one in bench.answers)
        print(f"\nmachine: {bench.seconds:.0f} s from power-on to power-off, {work:.0f} s of them the agent's work")
        for one in bench.answers:
            if one["words"][0] in ("wipe", "certify"):
                words = " ".join([one["words"][0], *one["words"][4:5], *one["words"][9:]])
                print(f"  {one['seconds']:5.1f} s  exit {one['code']:2}  {words}")
    assert bench.seconds < LIMIT
