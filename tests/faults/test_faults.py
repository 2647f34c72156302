"""A drive that answers errors, hangs, shrinks, is swapped or gone, a clock that jumps: each ends in a clear state.

An input/output error is put at every block of a small drive in turn, for writing and for reading, for good and for
twice (`make faults`; a part of the blocks in every run of the tests). No certificate comes of a block that stayed bad.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import FULL, station_with
from tests.wipe_agent.conftest import Station
from wipe_agent import jobs, journal
from wipe_agent.check import before, readback
from wipe_agent.errors import DeviceChanged, NotComplete, NotWiped, WouldNotVerify, WriteFailed
from wipe_agent.journal import parse
from wipe_agent.media import Target
from wipe_agent.methods import overwrite

pytestmark = pytest.mark.campaign

BLOCKS = 64
CHOSEN = range(BLOCKS) if FULL else (0, 1, 15, 16, 37, 62, 63)
FIRST, TIMES = 8 * 4096, 2


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overwrite, "CHUNK", 64 << 10)
    monkeypatch.setattr(overwrite, "CHECKPOINT", 128 << 10)
    monkeypatch.setattr(readback, "CHUNK", 64 << 10)
    monkeypatch.setattr(before, "PIECE", 64 << 10)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    image = tmp_path / "disk.img"
    image.write_bytes(b"SURVIVOR" * (BLOCKS * 512))
    return station_with(tmp_path, image)


def attempt(station: Station) -> Any:
    path = station.journal()
    return jobs.read_story(parse(path.read_bytes(), path.name)[0], path.name).attempts[-1]


def bad_at(block: int, times: int | None, code: int = errno.EIO) -> Callable[[Any], Callable[..., Any]]:
    """Wraps pwrite or preadv so that this block answers an error: the first `times` times, or for good."""

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        met: list[int] = []

        def call(handle: int, data: Any, offset: int) -> Any:
            length = len(data[0]) if isinstance(data, list) else len(data)
            if offset <= block * 4096 < offset + length and (times is None or len(met) < times):
                met.append(offset)
                raise OSError(code, os.strerror(code))
            return real(handle, data, offset)

        return call

    return wrap


def no_certificate(station: Station, says: str) -> None:
    with pytest.raises(NotComplete, match=says):
        station.certify()
    assert station.bundles() == []


# ------------------------------------------------------------------------------------------------ each block


@pytest.mark.parametrize("block", CHOSEN)
@pytest.mark.parametrize("stream", [False, True], ids=["zeros", "stream"])
def test_a_block_that_never_takes_the_write_is_named_and_nothing_is_certified(
    station: Station, monkeypatch: pytest.MonkeyPatch, block: int, stream: bool
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", bad_at(block, None)(os.pwrite))
        with pytest.raises(NotWiped, match="1 blocks of 4 KiB did not take the overwrite"):
            station.wipe(stream=stream)
    assert attempt(station).bad_at == [[block * 4096, 4096]]
    data = station.image.read_bytes()
    assert b"SURVIVOR" not in data[: block * 4096] + data[block * 4096 + 4096 :]  # The others were overwritten.
    no_certificate(station, "did not take the overwrite")


@pytest.mark.parametrize("block", CHOSEN)
def test_a_block_that_cannot_be_read_back_is_named_and_nothing_is_certified(
    station: Station, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "preadv", bad_at(block, None)(os.preadv))
        with pytest.raises(NotWiped, match="1 blocks of 4 KiB could not be read back"):
            station.wipe()
    assert attempt(station).checked["read_back"]["unreadable_at"] == [[block * 4096, 4096]]
    no_certificate(station, "could not be read back")


@pytest.mark.parametrize("block", CHOSEN)
def test_a_block_that_fails_twice_and_then_works_is_certified(
    station: Station, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(os, "pwrite", bad_at(block, TIMES)(os.pwrite))
    monkeypatch.setattr(os, "preadv", bad_at(block, TIMES)(os.preadv))
    assert station.wipe().bad_blocks == 0
    station.certify()
    assert b"SURVIVOR" not in station.image.read_bytes()


# ------------------------------------------------------------------------------------------------ the drive


def after_writes(number: int, act: Callable[[], None]) -> Callable[..., int]:
    """pwrite that does `act` once, after so many writes of the overwrite (marks are single blocks)."""
    real, calls = os.pwrite, []

    def pwrite(handle: int, data: Any, offset: int) -> int:
        if len(data) > 4096:
            calls.append(offset)
            if len(calls) == number:
                act()
        return real(handle, data, offset)

    return pwrite


def test_a_drive_that_is_swapped_during_the_work_is_noticed(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    other = station.image.with_name("other.img")
    other.write_bytes(b"ANOTHER " * (BLOCKS * 512))
    untouched = other.read_bytes()

    def swap() -> None:
        station.image.rename(station.image.with_name("pulled.img"))
        other.rename(station.image)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", after_writes(2, swap))
        with pytest.raises(DeviceChanged, match="Another file lies at"):
            station.wipe()
    assert station.image.read_bytes() == untouched
    assert attempt(station).result == "failed"
    no_certificate(station, "Another file lies at")
    with pytest.raises(DeviceChanged):
        station.wipe()
    assert station.image.read_bytes() == untouched


def test_a_drive_that_shrinks_during_the_work_is_noticed(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", after_writes(2, lambda: os.truncate(station.image, 64 << 10)))
        with pytest.raises(DeviceChanged, match="was cut or grew: it had 262144 bytes"):
            station.wipe()
    no_certificate(station, "was cut or grew")
    with pytest.raises(DeviceChanged):
        station.wipe()


@pytest.mark.parametrize("code", [errno.ENODEV, errno.ENXIO])
def test_a_drive_that_disappears_while_it_is_written_ends_the_attempt(
    station: Station, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", bad_at(20, None, code)(os.pwrite))
        with pytest.raises(WriteFailed, match="stopped taking data"):
            station.wipe()
    no_certificate(station, "stopped taking data")
    assert station.wipe().resumed_at is None  # It begins at the first byte.
    station.certify()


def test_a_drive_that_disappears_while_it_is_read_back_ends_the_attempt_at_once(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = jobs.wiping.check.read_back

    def gone(target: Target, **more: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(os, "preadv", bad_at(20, None, errno.ENODEV)(os.preadv))
            return real(target, **more)

    with monkeypatch.context() as patched:
        patched.setattr(jobs.wiping.check, "read_back", gone)
        with pytest.raises(DeviceChanged, match="has stopped answering"):
            station.wipe()
    no_certificate(station, "has stopped answering")


def test_a_drive_that_dies_is_not_asked_for_each_of_its_blocks(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overwrite, "MOST_BAD_BLOCKS", 20)
    monkeypatch.setattr(readback, "MOST_BAD_BLOCKS", 20)
    real = os.pwrite

    def pwrite(handle: int, data: Any, offset: int) -> int:
        if offset >= 64 << 10:
            raise OSError(errno.EIO, "Input/output error")
        return real(handle, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", pwrite)
        with pytest.raises(WriteFailed, match="the drive is dying"):
            station.wipe()
    no_certificate(station, "dying")


def test_a_block_that_the_kernel_gave_up_waiting_for_is_a_bad_block(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", bad_at(20, None, errno.ETIMEDOUT)(os.pwrite))
    with pytest.raises(NotWiped, match="1 blocks of 4 KiB did not take"):
        station.wipe()
    no_certificate(station, "did not take")


def test_a_drive_that_hangs_can_be_stopped_and_gone_on_with(station: Station) -> None:
    """The agent waits as long as the kernel does. Who does not want to wait stops it, and loses nothing."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:

        def hang() -> None:
            os.write(writing, b"x")
            signal.pause()

        os.pwrite = after_writes(4, hang)
        try:
            station.wipe()
        finally:
            os._exit(1)
    os.close(writing)
    assert os.read(reading, 1) == b"x"  # It hangs now, in the middle of a write.
    os.kill(child, signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    os.close(reading)
    assert attempt(station).open
    no_certificate(station, "broken off after 131072 bytes were overwritten")
    assert station.wipe().resumed_at == 128 << 10
    station.certify()
    assert b"SURVIVOR" not in station.image.read_bytes()


# ------------------------------------------------------------------------------------------------ the clock


def clock_from(times: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Journal lines of these events get this time; the others the real one."""
    real = journal.Journal.append

    def append(self: journal.Journal, event: str, **facts: Any) -> Any:
        with monkeypatch.context() as patched:
            if event in times:
                patched.setattr(journal, "now", lambda: times[event])
            return real(self, event, **facts)

    monkeypatch.setattr(journal.Journal, "append", append)


def test_a_clock_that_is_set_back_between_two_notes_changes_nothing(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_from({"planned": "2030-01-01T00:00:00Z", "surveyed": "2001-01-01T00:00:00Z"}, monkeypatch)
    station.wipe()
    assert station.certify().media == 1


@pytest.mark.parametrize("event", ["written", "checked"])
def test_times_that_contradict_each_other_get_no_certificate(
    station: Station, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    clock_from({event: "2001-01-01T00:00:00Z"}, monkeypatch)
    station.wipe()
    with pytest.raises(WouldNotVerify, match="would not verify"):
        station.certify()
    assert station.bundles() == []
