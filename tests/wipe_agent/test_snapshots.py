"""Snapshots of eReuse Workbench: read within bounds, kept as evidence, and never taken for a proof of a wipe.

The fixtures here are small and our own. Where the folder of shared sample data is beside the checkout, or named by
SHARED_DATA, the real ones are read as well.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import ROOT, agent, medium
from wipe_agent import errors, evidence
from wipe_agent.errors import SnapshotRefused
from wipe_agent.foreign import Disk, careful, import_snapshot, read_snapshot

HERE = Path(__file__).parent / "snapshots"
REAL = Path(os.environ.get("SHARED_DATA") or ROOT.parent / "shared/data") / "workbench"


def test_the_parsed_shape_of_version_11() -> None:
    said = read_snapshot((HERE / "v11.json").read_bytes())
    assert (said.shape, said.software, said.taken) == ("v11", "Workbench 11.0b9", "")
    assert (said.manufacturer, said.model, said.serial) == ("Sample", "Laptop 14", "host-1")
    assert (said.processor, said.memory_mib, said.erasures) == ("Sample CPU @ 1.60GHz", 3072, 1)
    assert said.disks == (
        Disk("Sample disk", "DISK-0001", 160_042_000_000, True, 4675, 5238, 3, 0),
        Disk("", "", 32_017_000_000, None, None, None, None, None),
    )


def test_the_raw_shape_with_a_broken_part_inside_still_counts_for_the_rest() -> None:
    said = read_snapshot((HERE / "raw-2022.json").read_bytes())
    assert (said.shape, said.software, said.unread) == ("raw-2022", "Workbench 2022.03.00", ("lshw",))
    assert (said.manufacturer, said.model, said.serial) == ("Sample", "Laptop 14", "")
    assert (said.processor, said.memory_mib) == ("Sample CPU @ 2.10GHz", 8192)
    assert said.disks == (Disk("Sample SSD", "DISK-0001", 256_060_514_304, False, 17702, 7006, 9, 1),)


def test_the_current_shape_has_json_inside_strings_and_numbered_names() -> None:
    said = read_snapshot((HERE / "current.json").read_bytes())
    assert (said.shape, said.software) == ("current", "workbench-script 0.0.1")
    assert (said.manufacturer, said.model, said.serial) == ("Sample", "Laptop 14", "HOST-1")
    assert (said.processor, said.memory_mib) == ("Sample CPU inxi", None)
    assert [disk.serial for disk in said.disks] == ["DISK-0001", "DISK-0002"]
    assert (said.disks[1].passed, said.disks[1].power_on_hours) == (None, None)
    assert said.unread == ("an entry of smartctl without a drive",)


@pytest.mark.skipif(not REAL.is_dir(), reason="the shared sample data is not here (SHARED_DATA names its folder)")
def test_every_real_snapshot_is_understood() -> None:
    shapes = {}
    for path in sorted(REAL.glob("*.json")):
        said = read_snapshot(path.read_bytes())
        shapes[path.name] = said.shape
        assert said.model, path.name
        assert said.memory_mib, path.name
        assert said.disks, path.name
        assert all(disk.model and disk.serial and disk.size_bytes for disk in said.disks), path.name
        assert len(said.serial) > 3 or path.name == "raw-2022-april.json"
    assert set(shapes.values()) == {"v11", "raw-2022", "current"}
    assert len(shapes) == 9
    said = read_snapshot((REAL / "current-workbench-script.json").read_bytes())
    assert [(disk.size_bytes, disk.power_on_hours) for disk in said.disks] == [
        (256_060_514_304, None),
        (500_107_862_016, 17_702),
    ]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not JSON"),
        (b"[]", "does not say that it is one"),
        (b'{"type": "Snapshot"}', "none of the three shapes"),
        (b'{"type": "Snapshot", "type": "Snapshot"}', "a member twice"),
        (b'{"type": "Snapshot", "data": {"smart": NaN}}', "has NaN"),
        (b'{"type": "Snapshot", "data": {"smart": -Infinity}}', "has -Infinity"),
        (b'{"type": "Snapshot", "data": {"smart": 1e999}}', "too large"),
        (b'{"type": "Snapshot", "data": {"smart": ' + b"9" * 5000 + b"}}", "too long"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "deeper than 64"),
        (b"[" * 100_000, "deeper than 64"),
        (b'{"type": "Snapshot", "data": [' + b"1," * 300_000 + b"1]}", "more than 250000 values"),
        (b" " * (careful.MOST_BYTES + 1), "are not read"),
        (b'{"type": "\xff"}', "is not UTF-8"),
        (b'{"type": "' + b'\\"' * 500_000, "is not JSON"),  # of strings that begin everywhere and end nowhere
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_none_or_goes_beyond_the_bounds_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(SnapshotRefused, match=reason):
        read_snapshot(data)


def test_a_bomb_inside_a_string_is_named_and_not_opened() -> None:
    document = {"type": "Snapshot", "data": {"smartctl": "[" * 100_000, "inxi": '{"a": 1, "a": 2}', "dmidecode": 7}}
    said = read_snapshot(json.dumps(document).encode())
    assert sorted(said.unread) == ["inxi", "smartctl"]
    assert said.disks == ()


@pytest.mark.parametrize("name", ["v11", "raw-2022", "current"])
def test_wrong_types_anywhere_do_not_break_the_reader(name: str) -> None:
    """Each value of a snapshot, on its own, becomes something else; the reader answers or refuses, in words."""
    document = json.loads((HERE / f"{name}.json").read_text())

    def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        return [path, *(one for key, member in items for one in places(member, (*path, key)))]

    tried = 0
    for path in places(document)[1:]:
        for wrong in (None, 7, -1.5, True, "x\u202ey\n", [], [None], {}, {"a": []}):
            changed = json.loads(json.dumps(document))
            target = changed
            for key in path[:-1]:
                target = target[key]
            target[path[-1]] = wrong
            tried += 1
            try:
                said = read_snapshot(json.dumps(changed).encode())
            except SnapshotRefused:
                continue
            texts = [said.manufacturer, said.model, said.serial, *(disk.serial for disk in said.disks)]
            assert all(text.isprintable() for text in texts)
    assert tried > 90


def test_a_snapshot_is_kept_as_evidence_and_issues_nothing(station: Station) -> None:
    path = HERE / "v11.json"
    done = agent("import-snapshot", str(path), "--order", "WO-1", "--json", home=station.home.path)
    assert done.returncode == 0, done.stderr
    entries = evidence.kept(station.home, "WO-1")
    assert [evidence.read_kept(station.home, "WO-1", one) for one in entries] == [path.read_bytes()]
    assert json.loads(done.stdout)["evidence"]["sha256"] == entries[0].sha256
    # It speaks of an erasure of the order's drive. The drive is not wiped for that.
    with pytest.raises(errors.NotComplete):
        station.certify()
    assert station.bundles() == []
    again = import_snapshot(station.home, order_code="WO-1", path=path)
    assert again.kept == entries[0]
    assert any("They are not proof" in text for text in again.differences)
    assert len(evidence.kept(station.home, "WO-1")) == 1


def test_a_snapshot_of_another_computer_is_refused_and_not_kept(station: Station, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text((HERE / "v11.json").read_text().replace("host-1", "HOST-2"))
    with pytest.raises(SnapshotRefused, match=r"of the computer HOST-2; order WO-1 is for HOST-1"):
        import_snapshot(station.home, order_code="WO-1", path=other)
    with pytest.raises(errors.OrderUnknown):
        import_snapshot(station.home, order_code="WO-9", path=HERE / "v11.json")
    with pytest.raises(SnapshotRefused, match="not an ordinary file"):
        import_snapshot(station.home, order_code="WO-1", path=Path("/dev/zero"))
    assert evidence.kept(station.home, "WO-1") == []


def test_a_snapshot_that_names_neither_computer_nor_drive_of_the_order_is_refused(make_station: object) -> None:
    station: Station = make_station(medium("DISK-0007"))  # type: ignore[operator]
    with pytest.raises(SnapshotRefused, match="Nothing shows that the snapshot is of the computer of order WO-1"):
        import_snapshot(station.home, order_code="WO-1", path=HERE / "raw-2022.json")
    assert evidence.kept(station.home, "WO-1") == []


def test_drives_that_only_one_of_the_two_lists_are_named(make_station: object) -> None:
    station: Station = make_station(medium(SERIAL), medium("DISK-0009"))  # type: ignore[operator]
    done = import_snapshot(station.home, order_code="WO-1", path=HERE / "current.json")
    assert "the snapshot has a drive DISK-0002 that the order does not list." in done.differences
    assert "the order lists DISK-0009, which the snapshot does not have." in done.differences
