"""Wiping: what is refused leaves the drive as it was; what was broken off goes on; what succeeds was read back."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import World, enrolled, keep, medium, planted_image, planted_left
from wipe_agent.certificate import Bundle
from wipe_agent.errors import (
    BadUsage,
    DeviceChanged,
    JournalDamaged,
    MethodRefused,
    NotADrive,
    OrderRefused,
    TargetRefused,
    TrainingTarget,
    WrongSerial,
)
from wipe_agent.media import target


def test_wiping_a_finished_drive_again_changes_nothing(station: Station) -> None:
    station.wipe()
    before = station.journal().read_bytes()
    assert station.wipe().again
    assert station.journal().read_bytes() == before


def test_a_name_that_leads_elsewhere_between_two_looks_is_refused(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, parked = station.image.with_name("victim.img"), station.image.with_name("parked.img")
    shutil.copy(station.image, victim)
    before, real = victim.read_bytes(), target._open_direct

    def swapped(path: Path, mode: int) -> int | None:
        path.rename(parked)
        victim.rename(path)
        try:
            return real(path, mode) or os.open(path, mode)
        finally:
            path.rename(victim)
            parked.rename(path)

    monkeypatch.setattr(target, "_open_direct", swapped)
    with pytest.raises(DeviceChanged, match="while it was being opened"):
        station.wipe()
    assert victim.read_bytes() == station.image.read_bytes() == before


def test_an_image_that_is_no_whole_number_of_blocks_is_wiped_to_its_last_byte(station: Station) -> None:
    with station.image.open("ab") as image:
        image.write(b"PLANTED SECRET at the very end")
    station.wipe()
    assert not any(station.image.read_bytes())
    station.certify()


@pytest.mark.parametrize("said", ["", "DISK-0002", "DISK-O001", "DISK-00011"])
def test_a_wrong_serial_leaves_the_drive_as_it_was(station: Station, said: str) -> None:
    before = station.image.read_bytes()
    with pytest.raises(WrongSerial):
        station.wipe(typed=lambda question: said)
    assert station.image.read_bytes() == before
    assert not station.journal().exists()


def test_case_and_blanks_do_not_make_another_serial(station: Station) -> None:
    station.wipe(typed=lambda question: " disk-0001 ")
    assert not any(station.image.read_bytes())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("", "is empty"),
        (" \t\u2028", "is empty"),
        ("x" * 121, "121 characters"),
        ("Ada\x1b[31m", "cannot be seen"),
        ("Ada\u202eecarG", "cannot be seen"),
        ("Ada\udc80", "cannot be seen"),
    ],
)
def test_a_name_that_no_certificate_can_carry_is_refused_before_the_drive_is_opened(
    station: Station, name: str, says: str
) -> None:
    with pytest.raises(BadUsage, match=f"operator .*{says}"):
        station.wipe(operator=name, target_path=station.image.with_name("not there"))
    assert not station.journal().exists()


def test_a_name_of_120_characters_goes_through_to_the_certificate(station: Station) -> None:
    station.wipe(operator="  Ada \t" + "é" * 116)
    certificate = Bundle.load(station.certify().bundle).files["certificate.json"].decode()
    assert json.dumps("Ada " + "é" * 116, ensure_ascii=False) in certificate


@pytest.mark.parametrize(
    ("path", "image", "says"),
    [
        ("{folder}", False, "a folder"),
        ("{folder}", True, "a folder"),
        ("{image}", False, "a file, not a drive"),
        ("/dev/null", False, "a character device"),
        ("{folder}/none", True, "cannot be found"),
    ],
)
def test_what_is_not_a_drive_is_refused_in_words(station: Station, path: str, image: bool, says: str) -> None:
    named = Path(path.format(folder=station.image.parent, image=station.image))
    before = station.image.read_bytes()
    with pytest.raises(NotADrive, match=says):
        station.wipe(target_path=named, image=image)
    assert station.image.read_bytes() == before


def test_an_empty_image_is_refused(station: Station) -> None:
    os.truncate(station.image, 0)
    with pytest.raises(TargetRefused, match="empty"):
        station.wipe()


def test_an_image_under_a_live_order_is_refused(tmp_path: Path) -> None:
    world = World(training=False)
    home = enrolled(tmp_path / "home", world)
    world.order(medium(SERIAL))
    keep(home, world)
    live = Station(home, world, planted_image(tmp_path / "disk.img"))
    with pytest.raises(TrainingTarget, match="an image file"):
        live.wipe()
    assert planted_left(live.image) > 0


def test_an_expired_order_is_refused(make_station: Callable[..., Station]) -> None:
    station = make_station(since=-2, until=-1)
    with pytest.raises(OrderRefused, match="expired"):
        station.wipe()
    assert planted_left(station.image) > 0


def test_phone_storage_cannot_be_overwritten_from_outside(make_station: Callable[..., Station]) -> None:
    station = make_station(medium(SERIAL, kind="phone-storage"))
    with pytest.raises(MethodRefused, match="phone-storage"):
        station.wipe()


def test_a_broken_off_wipe_goes_on_at_its_checkpoint(broken_off: Station) -> None:
    done = broken_off.wipe()
    assert done.resumed_at == 2 << 20
    assert not any(broken_off.image.read_bytes())
    broken_off.certify()


def test_a_torn_last_line_is_tolerated(broken_off: Station) -> None:
    with broken_off.journal().open("ab") as journal:
        journal.write(b'{"n":99,"prev":"')
    done = broken_off.wipe()
    assert done.resumed_at == 2 << 20
    assert not any(broken_off.image.read_bytes())
    broken_off.certify()


def test_a_swapped_drive_is_refused_on_resume(broken_off: Station) -> None:
    other = planted_image(broken_off.image.with_name("other.img"))
    broken_off.image.unlink()
    shutil.move(other, broken_off.image)
    with pytest.raises(DeviceChanged, match="another file lies in its place"):
        broken_off.wipe()
    assert planted_left(broken_off.image) > 0
    # The way out is to begin anew, at the first byte.
    assert broken_off.wipe(start_over=True).resumed_at is None
    assert not any(broken_off.image.read_bytes())


def test_a_cut_image_is_refused_on_resume(broken_off: Station) -> None:
    os.truncate(broken_off.image, 3 << 20)
    with pytest.raises(DeviceChanged, match="had 4194304 bytes and now has 3145728"):
        broken_off.wipe()


def test_a_line_taken_out_of_the_journal_shows(broken_off: Station) -> None:
    path = broken_off.journal()
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:3] + lines[4:]))
    with pytest.raises(JournalDamaged, match="does not follow"):
        broken_off.wipe()


def test_a_journal_cut_at_a_line_only_costs_work(broken_off: Station) -> None:
    path = broken_off.journal()
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join(lines[:4]) + b"\n")
    broken_off.wipe()
    assert not any(broken_off.image.read_bytes())
    broken_off.certify()


def test_the_journal_of_another_medium_is_refused(make_station: Callable[..., Station]) -> None:
    one, two = medium("A-1"), medium("B-2")
    station = make_station(one, two)
    station.wipe(medium_named="A-1", typed=lambda question: "A-1")
    shutil.copy(station.journal(one["id"]), station.journal(two["id"]))
    with pytest.raises(JournalDamaged, match="another order or medium"):
        station.certify()


def test_a_medium_without_a_serial_is_confirmed_by_its_id(make_station: Callable[..., Station]) -> None:
    identity = uuid.uuid4().urn
    station = make_station({**medium(""), "id": identity})
    with pytest.raises(WrongSerial):
        station.wipe(typed=lambda question: "")
    station.wipe(typed=lambda question: identity)
    station.certify()
