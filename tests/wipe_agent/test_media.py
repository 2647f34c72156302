"""The list of drives says who each is and which must not be touched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.support import World, enrolled, keep, medium
from wipe_agent import jobs, media
from wipe_agent.errors import DeviceChanged, NotADrive, TrainingTarget, WrongSerial
from wipe_agent.jobs import wiping
from wipe_agent.media import Identity, drives
from wipe_agent.media.identity import training_reason

REAL = Identity("block", "Samsung SSD 870", "S5Y1", "0x5002538f", 500_107_862_016, "sata", None, None)


def node(name: str, **more: Any) -> dict[str, Any]:
    plain = {
        "name": name,
        "kname": name,
        "path": f"/dev/{name}",
        "type": "disk",
        "size": 500_107_862_016,
        "model": "Samsung SSD 870  ",
        "vendor": "ATA     ",
        "serial": "S5Y1",
        "wwn": "0x5002538f",
        "tran": "sata",
        "ro": False,
        "rota": False,
        "mountpoints": [None],
        "maj:min": "8:0",
    }
    return {**plain, **more}


def listed(*nodes: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[media.Drive]:
    monkeypatch.setattr(drives, "SYS", tmp_path)
    monkeypatch.setattr(drives, "_mounted_numbers", dict)
    return media.list_drives(lambda command: json.dumps({"blockdevices": nodes}))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, None),
        ({"mountpoints": ["/mnt/x"]}, "mounted at /mnt/x"),
        ({"children": [node("sda1", type="part", mountpoints=["/"])]}, "holds the running system"),
        ({"children": [node("sda1", children=[node("dm-0", type="crypt", mountpoints=["/home"])])]}, "running system"),
        ({"children": [node("sda2", type="part", mountpoints=["[SWAP]"])]}, "swap"),
        ({"ro": True}, "read-only"),
        ({"type": "part"}, "part of a drive"),
        ({"type": "raid1"}, "put together from other drives"),
        ({"type": "rom"}, "it is an optical drive"),
        ({"kname": "mmcblk0boot0"}, "boot or replay-protected area of an eMMC"),
    ],
)
def test_drives_that_must_not_be_touched(
    change: dict[str, Any], says: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (drive,) = listed(node("sda", **change), monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert bool(drive.refusals) == (says is not None)
    assert says is None or says in "; ".join(drive.refusals)


def test_what_stands_on_a_partition_holds_the_drive(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "class/block/sda/sda1/holders/dm-0").mkdir(parents=True)
    (drive,) = listed(node("sda"), monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert drive.refusals == ("something stands on it: dm-0",)


def test_a_real_drive_has_a_clean_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (drive,) = listed(node("sda"), monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert drive.identity == REAL


def test_what_a_drive_says_of_itself_carries_no_control_characters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = node("sda", model="Samsung\x00SSD\x1b 870\u202e", serial="S5Y1\x00\x00")
    (drive,) = listed(odd, monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert drive.identity == REAL


@pytest.mark.parametrize(
    ("name", "model", "path"),
    [
        ("loop0", None, "/sys/devices/virtual/block/loop0"),
        ("nbd0", None, "/sys/devices/virtual/block/nbd0"),
        ("vda", None, "/sys/devices/pci0000:00/0000:00:02.0/virtio1/block/vda"),
        ("sda", "QEMU HARDDISK", "/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/target0/0:0:0:0/block/sda"),
        ("nvme0n1", "QEMU NVMe Ctrl", "/sys/devices/pci0000:00/0000:00:03.0/nvme/nvme0/nvme0n1"),
        ("sdb", "scsi_debug", "/sys/devices/pseudo_0/adapter0/host1/target1:0:0/1:0:0:0/block/sdb"),
        ("sda", "Virtual disk", "/sys/devices/pci0000:00/0000:00:10.0/host2/target2:0:0/2:0:0:0/block/sda"),
    ],
)
def test_drives_that_are_none_are_for_training(name: str, model: str | None, path: str) -> None:
    assert training_reason(name, model, None, path) is not None


def test_a_real_drive_is_not_for_training() -> None:
    for name in ("sda", "nvme0n1", "mmcblk0"):
        assert training_reason(name, "Samsung SSD 870", "ATA", f"/sys/devices/pci0000:00/x/block/{name}") is None


def test_an_emulated_card_and_a_drive_without_udev_are_known_by_what_the_kernel_keeps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, facts in (
        ("mmcblk0", {"device/name": b"QEMU!\n", "device/serial": b"0xdeadbeef\n"}),
        ("sdb", {"device/vpd_pg80": b"\x00\x80\x00\x06SCSI-1"}),
    ):
        for fact, value in facts.items():
            place = tmp_path / "class/block" / name / fact
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(value)
    bare = {"model": None, "vendor": None, "serial": None, "wwn": None, "tran": None}
    card, disk = listed(node("mmcblk0", **bare), node("sdb", **bare), monkeypatch=monkeypatch, tmp_path=tmp_path)
    assert (card.identity.serial, card.identity.training_reason) == ("0xdeadbeef", "an emulated drive")
    assert (disk.identity.serial, disk.identity.training_reason) == ("SCSI-1", None)


def test_a_machine_without_lsblk_says_so() -> None:
    def missing(command: list[str]) -> str:
        raise FileNotFoundError(2, "No such file or directory", "lsblk")

    with pytest.raises(NotADrive, match="lsblk"):
        media.list_drives(missing)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"serial": "S5Y2"}, "serial number was S5Y1 and is now S5Y2"),
        ({"wwn": None}, "WWN was 0x5002538f and is now not reported"),
        ({"size": 1}, "had 500107862016 bytes and now has 1"),
        ({"target": "image"}, "image file"),
    ],
)
def test_another_drive_is_told_from_the_first(change: dict[str, Any], says: str) -> None:
    assert says in str(REAL.difference(replace(REAL, **change)))
    assert REAL.difference(REAL) is None


@pytest.fixture
def live_order(tmp_path: Path) -> jobs.Order:
    world = World(training=False)
    home = enrolled(tmp_path / "home", world)
    world.order(medium("S5Y1", wwn="0x5002538f", sizeBytes=500_107_862_016))
    keep(home, world)
    return jobs.load_order(home, "WO-1")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"serial": "S5Y2"}, WrongSerial),
        ({"serial": None}, WrongSerial),
        ({"wwn": "0x1"}, WrongSerial),
        ({"size": 250_059_350_016}, DeviceChanged),
        ({"training_reason": "a virtual drive"}, TrainingTarget),
    ],
)
def test_a_live_order_is_for_one_drive(live_order: jobs.Order, change: dict[str, Any], error: type[Exception]) -> None:
    wiping._require_right_drive(live_order, live_order.media[0], REAL)
    with pytest.raises(error):
        wiping._require_right_drive(live_order, live_order.media[0], replace(REAL, **change))
