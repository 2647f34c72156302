"""The journal: what it says is on disk, a changed line shows, and only the last line may be torn."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wipe_agent import journal
from wipe_agent.errors import JournalDamaged, JournalUnwritable, TargetBusy
from wipe_agent.journal import Journal


def written(path: Path, count: int = 5) -> bytes:
    with Journal.open(path) as book:
        for number in range(count):
            book.append("progress", done=number, text="naïve\u2028")
    return path.read_bytes()


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    written(tmp_path / "a.journal")
    with Journal.open(tmp_path / "a.journal") as book:
        assert [line["done"] for line in book.lines] == [0, 1, 2, 3, 4]
        book.append("finished")
    with Journal.open(tmp_path / "a.journal") as book:
        assert [line["n"] for line in book.lines] == list(range(6))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return written(tmp_path_factory.mktemp("journal") / "a.journal")


@settings(max_examples=300, deadline=None)
@given(place=st.integers(0, 2000), value=st.integers(0, 255))
def test_any_changed_byte_is_refused_or_takes_the_last_line_off(example: bytes, place: int, value: int) -> None:
    place %= len(example)
    changed = example[:place] + bytes([value]) + example[place + 1 :]
    try:
        lines, _, _ = journal.parse(changed, "a.journal")
    except JournalDamaged:
        return
    whole, _, _ = journal.parse(example, "a.journal")
    assert lines in (whole, whole[:-1])
    assert lines == whole or place == len(example) - 1  # Only the last newline: then the line counts as torn.


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2000))
def test_a_journal_cut_anywhere_keeps_its_whole_lines(example: bytes, length: int) -> None:
    length %= len(example)
    lines, _, whole = journal.parse(example[:length], "a.journal")
    assert len(lines) == example[:length].count(b"\n")
    assert whole <= length


@pytest.mark.parametrize("order", [[0, 2, 1, 3, 4], [1, 2, 3, 4], [0, 1, 2, 4], [0, 0, 1, 2, 3, 4]])
def test_moved_missing_and_repeated_lines_are_refused(example: bytes, order: list[int]) -> None:
    lines = example.split(b"\n")
    with pytest.raises(JournalDamaged, match="does not follow"):
        journal.parse(b"\n".join(lines[number] for number in order) + b"\n", "a.journal")


@pytest.mark.parametrize("garbage", [b"\0\n", b"{}\n", b"[]\n", b"hello\n", b"\xff\n", b"NaN\n", b"\n"])
def test_garbage_that_ends_in_a_newline_is_refused(example: bytes, garbage: bytes) -> None:
    with pytest.raises(JournalDamaged):
        journal.parse(example + garbage, "a.journal")


def test_a_torn_line_is_cut_away_before_the_next_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    whole = written(path)
    path.write_bytes(whole + b'{"n":5,"prev":"ab\0\0\0')
    with Journal.open(path) as book:
        assert len(book.lines) == 5
        book.append("finished")
    lines, _, _ = journal.parse(path.read_bytes(), path.name)
    assert len(lines) == 6


def test_two_processes_cannot_write_one_journal(tmp_path: Path) -> None:
    with Journal.open(tmp_path / "a.journal"), pytest.raises(TargetBusy):
        Journal.open(tmp_path / "a.journal")


def test_after_a_failed_write_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.journal"
    real = os.write

    def half(handle: int, data: memoryview) -> int:
        real(handle, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal.open(path) as book:
        book.append("planned")
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", half)
            with pytest.raises(JournalUnwritable, match="No space left"):
                book.append("started")
        with pytest.raises(JournalUnwritable):
            book.append("started")
    with Journal.open(path) as book:
        assert [line["event"] for line in book.lines] == ["planned"]
