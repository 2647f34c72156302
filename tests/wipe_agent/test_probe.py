"""What drives say of themselves, read from what QEMU's drives really answered; and what hides drives from us."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.wipe_agent.test_decision_tables import RECORDED, ran
from wipe_agent import media, methods
from wipe_agent.errors import MethodRefused
from wipe_agent.media import Drive, Health, Hidden, Identity, Ran, Replay, asking, drives

ANSWERS = {one["name"]: one for one in json.loads((RECORDED / "qemu-identities.json").read_text())["runs"]}
SIZE = 33_554_432


def replay() -> Replay:
    """All recorded answers."""
    return Replay(ran(one) for one in ANSWERS.values())


def drive(path: str, transport: str | None) -> Drive:
    return Drive(path, "disk", Identity("block", "QEMU", "S-1", None, SIZE, transport, None, None), ())


@pytest.fixture(autouse=True)
def no_sysfs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(drives, "SYS", tmp_path)
    return tmp_path


def test_an_nvme_drive_tells_commands_namespaces_and_health() -> None:
    seen = media.probe(drive("/dev/nvme0n1", "nvme"), replay())
    assert (seen.bus, seen.kind, seen.firmware) == ("nvme", "nvme", "7.2.22")
    assert (seen.can, seen.namespaces, seen.lba_format) == (frozenset({"nvme-format-user-data"}), (1,), 0)
    assert seen.hidden == Hidden(0, "NVMe has no HPA or DCO")
    assert seen.health == Health(passed=True, hours=0, celsius=50, media_errors=0, percentage_used=0)
    assert seen.rehearsal


def test_an_ata_drive_is_asked_for_hidden_areas_and_an_impossible_answer_is_not_believed() -> None:
    seen = media.probe(drive("/dev/sda", "sata"), replay())
    assert (seen.bus, seen.can, seen.security.supported) == ("ata", frozenset(), False)
    assert seen.hidden == Hidden(0, "DCO was asked for and the drive gave no believable answer")
    assert (seen.health.passed, seen.firmware) == (True, "2.5+")


def test_hidden_areas_are_asked_by_transport_only() -> None:
    """hdparm says of QEMU's SCSI and USB drives that an HPA is enabled, and exits with 0."""
    assert "HPA is enabled" in ANSWERS["scsi-N"]["out"]
    assert ANSWERS["scsi-N"]["status"] == 0
    for path, transport in (("/dev/sdb", None), ("/dev/sdc", "usb")):
        asked = replay()
        seen = media.probe(drive(path, transport), asked)
        assert seen.hidden.size is None
        assert not any(command[0] == "hdparm" for command in asked.asked)


def test_a_scsi_drive_without_a_list_of_its_commands_can_only_be_formatted() -> None:
    seen = media.probe(drive("/dev/sdb", None), replay())
    assert (seen.bus, seen.can) == ("scsi", frozenset({"scsi-format-unit"}))


def test_a_bridge_answers_for_its_drive_and_this_is_said() -> None:
    seen = media.probe(drive("/dev/sdc", "usb"), replay())
    assert (seen.bridge, seen.can) == (True, frozenset())
    assert "its identity may be the bridge's" in seen.notes[0]


def test_a_machine_without_tools_knows_less_and_says_so() -> None:
    seen = media.probe(drive("/dev/sda", "sata"), Replay([]))
    assert seen.notes == (
        "The drive did not tell its commands (hdparm is not installed).",
        "SMART: smartctl is not installed",
    )


@pytest.mark.parametrize(
    ("maxima", "dco", "expected"),
    [
        (
            "max sectors = 1000/1000, HPA is disabled",
            "Real max sectors: 1000",
            Hidden(0, "no hidden areas (HPA, DCO) seen"),
        ),
        ("max sectors = 1000/1200, HPA is enabled", "", Hidden(102_400, "102400 bytes are hidden (HPA)")),
        (
            "max sectors = 1000/1000, HPA is disabled",
            "Real max sectors: 1300",
            Hidden(153_600, "153600 bytes are hidden (DCO)"),
        ),
        ("max sectors = 1000/900, HPA is enabled", "", None),
        ("max sectors = 1000/18446744073321613488, HPA setting seems invalid", "", None),
        ("max sectors = 0/1, HPA is enabled\nSG_IO: bad/missing sense data", "", None),
        ("", "", None),
    ],
)
def test_hpa_and_dco(maxima: str, dco: str, expected: Hidden | None) -> None:
    seen = asking.ata_hidden(maxima, dco, 1000 * 512)
    assert seen == (
        expected or Hidden(None, "hidden areas (HPA, DCO) were asked for and the drive gave no believable answer")
    )


def pci(root: Path, address: str, kind: str, vendor: str, driver: str | None = None) -> Path:
    place = root / "bus/pci/devices" / address
    place.mkdir(parents=True)
    for name, value in (("class", kind), ("vendor", vendor), ("device", "0x282a")):
        (place / name).write_text(f"{value}\n")
    if driver:
        (root / "drivers" / driver).mkdir(parents=True)
        (place / "driver").symlink_to(root / "drivers" / driver)
    return place


def test_absence_is_not_believed_behind_a_raid_controller(no_sysfs: Path) -> None:
    pci(no_sysfs, "0000:00:17.0", "0x010601", "0x8086", "ahci")
    assert media.absence_refused() is None
    pci(no_sysfs, "0000:00:1f.2", "0x010400", "0x8086")
    said = media.absence_refused()
    assert said is not None
    assert "Intel controller in RAID or VMD mode (0x8086:0x282a) at 0000:00:1f.2" in said


def test_a_vmd_that_the_kernel_takes_apart_hides_nothing(no_sysfs: Path) -> None:
    place = pci(no_sysfs, "0000:00:0e.0", "0x010400", "0x8086", "vmd")
    assert media.absence_refused() is not None
    (place / "pci10000:e0").mkdir()
    assert media.absence_refused() is None
    assert [one.resolved for one in media.controllers()] == [True]


@pytest.mark.parametrize("serial", ["To be filled by O.E.M.", "Default string", "0", ""])
def test_a_machine_without_a_serial_has_none(no_sysfs: Path, serial: str) -> None:
    place = no_sysfs / "class/dmi/id"
    place.mkdir(parents=True)
    for name, value in (("sys_vendor", "Sample"), ("product_name", "Laptop 14"), ("product_serial", serial)):
        (place / name).write_text(f"{value}\n")
    assert media.observe() == {"manufacturer": "Sample", "model": "Laptop 14"}


def test_a_tool_that_hangs_is_ended_and_said_so() -> None:
    hung = media.SystemRunner()(["sleep", "60"], timeout=0.2)
    assert (hung.status, hung.timed_out, hung.ok) == (None, True, False)
    assert hung.first_words == "sleep did not answer in time"


def test_a_tool_that_is_missing_or_fails_says_so() -> None:
    run = media.SystemRunner()
    assert run(["no-such-tool"]) == Ran(("no-such-tool",), None, "", missing=True)
    failed = run(["sh", "-c", "echo gone wrong >&2; exit 3"])
    assert (failed.status, failed.ok, failed.first_words) == (3, False, "gone wrong")


def test_ufs_is_overwritten_because_no_tool_sends_its_purge() -> None:
    identity = Identity("block", "KLUDG4UHDC", "U-1", None, SIZE, "ufs", None, None)
    seen = media.probe(Drive("/dev/sda", "disk", identity, ()), replay())
    assert (seen.bus, seen.kind) == ("ufs", "ufs")
    assert any("fPurgeEnable" in note for note in seen.notes)
    found = methods.plan(seen, "ufs", methods.POLICIES["nist"], levels=("clear", "purge"))
    assert (found.method.name, found.level) == ("overwrite-zeros", "clear")
    assert {"RPMB", "boot logical units"} <= set(found.exclusions)
    with pytest.raises(MethodRefused):
        methods.plan(seen, "ufs", methods.POLICIES["nist"], levels=("purge",))
