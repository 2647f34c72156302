"""The scanner finds what is there, the reader misses no byte, and an empty drive is empty."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wipe_agent.support import planted_image
from wipe_agent import check
from wipe_agent.check import before, readback, selftest, signatures, tools
from wipe_agent.errors import SelfTestFailed
from wipe_agent.media import buffer, open_target


def test_the_self_test_plants_every_mark_and_finds_it() -> None:
    assert check.self_test() == len(signatures.FILES) + len(signatures.FILE_SYSTEMS) + 3


def test_a_blind_scanner_does_not_pass_the_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "files_in", lambda data, base: [])
    with pytest.raises(SelfTestFailed):
        check.self_test()


def test_a_reader_that_takes_everything_for_zero_does_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "differing_blocks", lambda data, base: [])
    with pytest.raises(SelfTestFailed, match="single byte"):
        check.self_test()


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, "nothing"),
        ({"file-system ext": 1}, "1 ext file system"),
        ({"file png": 3, "file-system ext": 2}, "3 png files, 2 ext file systems"),
    ],
)
def test_what_was_recognised_is_told_in_words(found: dict[str, int], said: str) -> None:
    assert signatures.in_words(found) == said


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 64 * 1024 - 1), st.integers(1, 255))
def test_every_single_byte_shows(place: int, value: int) -> None:
    memory = buffer(64 * 1024)
    memory[place] = value
    assert readback.differing_blocks(memory, 1 << 30) == [(1 << 30) + place // 4096 * 4096]


def test_a_real_file_system_and_its_files_are_recognised(tmp_path: Path) -> None:
    image = planted_image(tmp_path / "disk.img")
    with open_target(image, image=True) as target:
        seen = check.survey(target, seed=1)
    names = {one.name for one in seen.found}
    assert {"png", "jpeg", "sqlite"} <= names
    assert seen.looked == 4 << 20
    assert seen.used_blocks > 20


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["mkfs.vfat", "-F", "32", "{image}"], "fat"),
        (["mkfs.vfat", "-F", "16", "{image}"], "fat"),
        (["mkfs.ntfs", "-F", "-q", "{image}"], "ntfs"),
        (["mkfs.xfs", "-q", "-f", "{image}"], "xfs"),
        (["mkfs.btrfs", "-q", "{image}"], "btrfs"),
        (["mkswap", "{image}"], "swap"),
    ],
)
def test_file_systems_made_by_their_own_tools_are_recognised(tmp_path: Path, command: list[str], name: str) -> None:
    image = tmp_path / "disk.img"
    image.write_bytes(b"")
    os.truncate(image, 300 << 20)
    program = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    words = [program, *(word.format(image=image) for word in command[1:])]
    subprocess.run(words, capture_output=True, check=True)
    with open_target(image, image=True) as target:
        assert name in {one.name for one in before.file_systems(target)}


def test_a_file_system_in_a_partition_is_recognised(tmp_path: Path) -> None:
    inner = planted_image(tmp_path / "inner.img")
    table = bytearray(512)
    table[446 + 4] = 0x83
    table[446 + 8 : 446 + 12] = (2048).to_bytes(4, "little")
    table[510:512] = b"\x55\xaa"
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(table) + bytes((1 << 20) - 512) + inner.read_bytes())
    with open_target(image, image=True) as target:
        found = before.file_systems(target)
    assert signatures.Found("file-system", "mbr", 0) in found
    assert signatures.Found("file-system", "ext", 1 << 20) in found


def test_a_sampled_survey_notes_its_seed_and_covers_both_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before, "WHOLE_UP_TO", 1 << 20)
    monkeypatch.setattr(before, "PIECE", 256 * 1024)
    image = planted_image(tmp_path / "disk.img", 64)
    with open_target(image, image=True) as target:
        first, second = (check.survey(target, seed=7) for _ in range(2))
    assert first == second
    assert not first.whole
    assert first.looked == 2 * 256 * 1024 + 459 * 64 * 1024


def test_what_is_left_is_told_apart() -> None:
    noise = random.Random(1).randbytes(4096)
    assert readback.look_of(memoryview(noise)) == "random-looking"
    assert readback.look_of(memoryview(b"\xff" * 4096)) == "constant"
    assert readback.look_of(memoryview(b"Dear diary, " * 342)[:4096]) == "text-like"
    assert readback.look_of(memoryview(bytes(range(8)) * 512)) == "structured"


def test_nonsense_in_the_partition_tables_is_passed_over() -> None:
    noise = random.Random(2).randbytes(34 * 512)
    table = noise[:510] + b"\x55\xaaEFI PART" + noise[520:]
    assert all(0 < start < 1 << 20 for start in signatures.partitions(lambda at, n: table[at : at + n], 1 << 20))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ((0, ""), []),
        ((0, '{"signatures":[{"type":"ext4"}]}'), ["ext4"]),
        ((1, ""), ["failed"]),
        ((0, "not json"), ["failed"]),
        (FileNotFoundError(), ["not installed"]),
        (subprocess.TimeoutExpired("wipefs", 1), ["failed"]),
    ],
)
def test_a_tool_that_fails_is_never_taken_for_nothing_found(
    answer: tuple[int, str] | Exception, names: list[str]
) -> None:
    def run(command: list[str]) -> tuple[int, str]:
        if command[0] == "blkid":
            return 2, ""
        if isinstance(answer, Exception):
            raise answer
        return answer

    seen = tools.signatures_on(Path("x"), run)
    assert seen == {"wipefs": names, "blkid": []}
    assert tools.saw_something(seen) == (names not in ([], ["not installed"]))
