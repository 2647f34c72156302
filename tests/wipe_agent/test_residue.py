"""The control on the drive, the map of what was seen, and the carver's plausibility checks."""

from __future__ import annotations

import errno
import io
import os
import random
import sqlite3
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import agent
from wipe_agent import check
from wipe_agent.check import carving, control
from wipe_agent.check.blockmap import CELLS, KINDS, BlockMap
from wipe_agent.check.looks import look_of
from wipe_agent.errors import BadUsage, NotComplete, NotWiped, WriteFailed
from wipe_agent.journal import parse
from wipe_agent.media import Target, open_target


def lines(station: Station) -> list[dict[str, Any]]:
    path = station.journal()
    return parse(path.read_bytes(), path.name)[0]


# ------------------------------------------------------------------------------------------------ the control


def test_marks_are_noted_then_planted_then_found_then_gone(station: Station) -> None:
    done = station.wipe()
    events = [line["event"] for line in lines(station)]
    assert events[:6] == ["opened", "planned", "surveyed", "marking", "marked", "started"]
    marking, marked = lines(station)[3:5]
    assert (marked["found"], marked["bad_places"], done.after["marks_left"]) == (8, 0, 0)
    assert (marking["places"][0], marking["places"][-1]) == (0, (4 << 20) - 4096)


def test_a_planted_mark_is_what_the_carver_takes_for_a_file(tmp_path: Path) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    marks = check.choose_marks(1 << 20, "00" * 16)
    with open_target(image, image=True) as target:
        assert check.plant(target, marks) == check.Planted(found=8, bad_places=0)
        assert check.marks_left(target, marks) == 8
        carved = check.read_back(target, progress=lambda done: None).carved
    assert sorted(one.offset for one in carved) == list(marks.places)
    assert {one.name for one in carved} == {"png", "jpeg", "sqlite", "pdf"}
    assert check.choose_marks(1 << 20, "00" * 16) == marks
    assert check.choose_marks(1 << 20, "01" * 16) != marks


def test_a_drive_that_takes_writes_and_does_nothing_is_caught_before_the_work(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = station.image.read_bytes()
    with monkeypatch.context() as lying:
        lying.setattr(os, "pwrite", lambda handle, data, offset: len(data))
        with pytest.raises(WriteFailed, match="does not keep what is written"):
            station.wipe()
    assert station.image.read_bytes() == before
    assert lines(station)[-1]["event"] == "failed"
    with pytest.raises(NotComplete, match="does not keep"):
        station.certify()


def test_a_scanner_that_is_blind_to_the_marks_stops_the_work(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as blind:
        blind.setattr(control.carving, "carve", lambda data, base: [])
        with pytest.raises(WriteFailed, match="scanner does not find the mark"):
            station.wipe()
    assert "started" not in [line["event"] for line in lines(station)]


def test_a_mark_that_is_still_there_costs_the_certificate(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "marks_left", lambda target, marks: 1)
    with pytest.raises(NotWiped, match="1 marks of the control are still on the drive"):
        station.wipe()
    with pytest.raises(NotComplete):
        station.certify()


def test_a_bad_spot_where_a_mark_goes_is_passed_over_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(1 << 20))
    real = os.pwrite

    def pwrite(handle: int, data: memoryview, offset: int) -> int:
        if offset == 0:
            raise OSError(errno.EIO, "Input/output error")
        return real(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with open_target(image, image=True) as target:
        assert check.plant(target, check.choose_marks(1 << 20)) == check.Planted(found=7, bad_places=1)


@pytest.mark.parametrize("size", [1, 4096, 5 * 4096 + 7])
def test_a_tiny_drive_gets_as_many_marks_as_it_has_blocks(size: int, station: Station) -> None:
    os.truncate(station.image, size)
    assert len(check.choose_marks(size).places) == size // 4096
    station.wipe()
    station.certify()
    assert not any(station.image.read_bytes())


# ------------------------------------------------------------------------------------------------ the map


def test_the_map_shows_each_kind_where_it_is_and_keeps_the_worst() -> None:
    drawn = BlockMap(CELLS * 8192)
    assert drawn.step == 8192
    drawn.note(0, CELLS * 8192, "zero")
    drawn.note(8192, 1, "structured")
    drawn.note(8192, 8192, "zero")
    drawn.note(3 * 8192 + 4096, 8192, "unreadable")
    assert drawn.cells == ".s.??" + "." * (CELLS - 5)
    assert BlockMap.from_facts(drawn.as_facts()) == drawn
    first, *_, legend = drawn.as_text().split("\n")
    assert first.strip() == "0  .s.??" + "." * 59
    assert legend == "One letter is 8192 bytes. . zero. s structured. ? could not be read."


def test_the_map_of_another_drive_is_refused() -> None:
    facts = BlockMap(1 << 20).as_facts()
    for broken in ({**facts, "size": 1 << 30}, {**facts, "cells": "!" * 256}, {**facts, "cells": ""}):
        with pytest.raises(ValueError, match="no map"):
            BlockMap.from_facts(broken)


def test_the_picture_of_the_map_is_well_formed_and_harmless() -> None:
    drawn = BlockMap(1 << 20)
    for number, (kind, *_) in enumerate(KINDS):
        drawn.note(number * 4096, 1, kind)
    root = ElementTree.fromstring(drawn.as_svg('<script>"DISK"</script> & co'))
    names = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert names == {"svg", "title", "desc", "g", "text", "rect"}
    cells = [element for element in root.iter() if element.get("stroke") == "#ffffff"]
    assert sum(int(element.get("width", 0)) for element in cells) == 256 * 10


def test_the_map_command_draws_before_and_after(station: Station, tmp_path: Path) -> None:
    asked = agent("map", "--order", "WO-1", home=station.home.path)
    assert asked.returncode == NotComplete.exit_code
    station.wipe()
    asked = agent("map", "--order", "WO-1", "--svg", str(tmp_path / "map.svg"), home=station.home.path, check=True)
    assert f"{SERIAL} before the wipe, {4 << 20:,} bytes:" in asked.stdout
    assert "." * 64 in asked.stdout
    assert ElementTree.parse(tmp_path / "map.svg").getroot().tag.endswith("svg")


def test_the_command_line_wipes_with_a_stream_and_samples(station: Station) -> None:
    words = ["wipe", "--order", "WO-1", "--target", str(station.image), "--image", "--confirm-serial", SERIAL]
    wrong = agent(*words, "--sample", "much", home=station.home.path)
    assert wrong.returncode == BadUsage.exit_code
    done = agent(*words, "--stream", "--sample", "1", "--confidence", "99", home=station.home.path, check=True)
    assert "459 samples of 4 KiB read back as the random stream that was written." in done.stdout


# ------------------------------------------------------------------------------------------------ looks and carving


def test_chi_square_tells_random_bytes_from_even_and_uneven_ones() -> None:
    noise = random.Random(5)
    assert [look_of(noise.randbytes(4096)) for _ in range(200)] == ["random-looking"] * 200
    assert look_of(bytes(range(256)) * 16) == "structured"  # Perfectly even, which random bytes never are.
    assert look_of(bytes(4096)) == "zero"
    assert look_of(b"\1" * 4096) == "constant"


def a_zip(name: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr(name, "hello")
    return made.getvalue()


def carved(data: bytes) -> set[str]:
    padded = data + bytes(-len(data) % 4096 + 4096)
    return {one.name for one in carving.carve(memoryview(bytes(4096) + padded), 0)}


def test_real_files_are_carved(tmp_path: Path) -> None:
    assert carved(a_zip("word/document.xml")) == {"office"}
    assert carved(a_zip("hello.txt")) == {"zip"}
    with sqlite3.connect(tmp_path / "messages.db") as database:
        database.execute("create table messages (text)")
    assert carved((tmp_path / "messages.db").read_bytes()) == {"sqlite"}


@pytest.mark.parametrize(
    "mark",
    [
        b"\x89PNG\r\n\x1a\n" + b"\1" * 500,
        b"\xff\xd8\xff\xe0\0\1" + b"\2" * 500,
        b"PK\x03\x04" + b"\xff" * 500,
        b"SQLite format 3\0" + b"\3" * 500,
        b"%PDF-x.y",
        b"EFI PART" + b"\0" * 500,
        b"NTFS    " * 64,
        b"RIFF" + b"\0" * 500,
        b"\xff\xfb\x90\0" + b"\0" * 500,
    ],
)
def test_a_mark_without_its_sense_is_not_carved(mark: bytes) -> None:
    assert carved(mark) == set()


def test_a_head_that_is_cut_off_is_no_error_and_nothing_is_found_beyond_the_cut() -> None:
    noise = random.Random(6).randbytes(4096)
    cut = [
        (noise[:offset] + mark + noise)[:length]
        for _, offset, mark in carving.signatures.FILES
        for length in (512, 1024)
    ]
    cut += [(noise[: kind.offset] + kind.mark + noise)[:512] for kind in carving.SUPERBLOCKS]
    for data in cut:
        assert all(0 <= one.offset < len(data) for one in carving.carve(memoryview(data), 0))


def test_an_unreadable_range_is_tried_again_listed_and_drawn(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = Target.read_into, []

    def read_into(self: Target, data: memoryview, offset: int) -> None:
        if offset < (2 << 20) + 8192 and offset + len(data) > 2 << 20:
            tries.append(offset)
            raise OSError(errno.EIO, "Input/output error")
        real(self, data, offset)

    with open_target(station.image, image=True) as target:
        monkeypatch.setattr(Target, "read_into", read_into)
        seen = check.read_back(target, progress=lambda done: None)
    assert (seen.unreadable_blocks, seen.unreadable_at) == (2, [[2 << 20, 8192]])
    assert tries.count((2 << 20) + 4096) == 3
    assert [at for at, letter in enumerate(seen.map.cells) if letter == "?"] == [512, 513]
