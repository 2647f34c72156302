"""Wiping when the drive, the disk under the journal, or somebody does not play along: it fails in words."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import agent, planted_left
from wipe_agent import jobs
from wipe_agent.errors import (
    DeviceChanged,
    JournalDamaged,
    JournalUnwritable,
    NotComplete,
    NotWiped,
    WriteFailed,
)
from wipe_agent.media import Target


def test_everything_is_overwritten_and_read_back(station: Station) -> None:
    assert planted_left(station.image) > 0
    done = station.wipe()
    assert (done.size, done.bad_blocks, done.resumed_at, done.again) == (4 << 20, 0, None, False)
    assert done.before["file png"] >= 1
    assert done.after["read_back"]["read"] == 4 << 20
    assert done.after["residue"]["found"] == {}
    assert not any(station.image.read_bytes())


@pytest.mark.parametrize("stage", ["write", "read_into"])
def test_an_image_cut_during_the_work_fails_in_words(
    station: Station, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    real, calls = getattr(Target, stage), []

    def cut(self: Target, data: memoryview, offset: int) -> None:
        calls.append(1)
        if len(calls) == (5 if stage == "write" else 30):
            os.truncate(self.path, 2 << 20)
        real(self, data, offset)

    with monkeypatch.context() as patched:
        patched.setattr(Target, stage, cut)
        with pytest.raises(DeviceChanged, match="was cut"):
            station.wipe()
    with pytest.raises(NotComplete):
        station.certify()
    # It does not pass as a smaller drive afterwards.
    with pytest.raises(DeviceChanged):
        station.wipe()


def test_a_block_restored_between_wipe_and_check_gets_no_certificate(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = station.image.read_bytes()[512 * 1024 :][:4096]
    real = jobs.wiping.check.read_back

    def restore_first(target: Target, **more: Any) -> Any:
        with target.path.open("r+b") as image:
            image.seek(512 * 1024)
            image.write(saved if any(saved) else b"PLANTED SECRET".ljust(4096, b"\0"))
        return real(target, **more)

    with monkeypatch.context() as patched:
        patched.setattr(jobs.wiping.check, "read_back", restore_first)
        with pytest.raises(NotWiped, match="1 blocks of 4 KiB are not zero"):
            station.wipe()
    with pytest.raises(NotComplete, match="not wiped"):
        station.certify()
    with pytest.raises(NotWiped):
        station.wipe()
    station.wipe(start_over=True)
    station.certify()


def test_a_single_bit_left_over_is_seen(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    real = jobs.wiping.check.read_back

    def flip(target: Target, **more: Any) -> Any:
        with target.path.open("r+b") as image:
            image.seek((4 << 20) - 1)
            image.write(b"\x01")
        return real(target, **more)

    monkeypatch.setattr(jobs.wiping.check, "read_back", flip)
    with pytest.raises(NotWiped, match=str((4 << 20) - 4096)):
        station.wipe()


def test_a_failed_sync_is_final_for_the_attempt(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.fdatasync, []

    def fails_once(handle: int) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fails_once)
        with pytest.raises(WriteFailed, match="did not confirm"):
            station.wipe()
        assert len(calls) == 2  # It was not asked again.
    with pytest.raises(NotComplete, match="failed"):
        station.certify()
    assert station.wipe().resumed_at is None  # The next attempt begins at the first byte.


def _bad_spot(first: int, length: int, times: int | None) -> Callable[..., int]:
    real, met = os.pwrite, []

    def pwrite(handle: int, data: memoryview, offset: int) -> int:
        if offset < first + length and first < offset + len(data) and (times is None or len(met) < times):
            met.append(offset)
            raise OSError(errno.EIO, "Input/output error")
        return real(handle, data, offset)

    return pwrite


def test_bad_blocks_are_counted_and_the_drive_is_not_wiped(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", _bad_spot(1 << 20, 8192, None))
        with pytest.raises(NotWiped, match="2 blocks of 4 KiB did not take"):
            station.wipe()
    data = station.image.read_bytes()
    assert not any(data[: 1 << 20])
    assert not any(data[(1 << 20) + 8192 :])  # One bad block did not stop the work.
    with pytest.raises(NotComplete, match="did not take the overwrite"):
        station.certify()
    station.destroy()
    assert station.certify().media == 1


def test_a_block_that_takes_the_write_at_the_second_try_is_not_bad(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "pwrite", _bad_spot(1 << 20, 4096, 2))
    assert station.wipe().bad_blocks == 0


def test_a_block_that_cannot_be_read_back_is_never_taken_for_zero(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.preadv

    def preadv(handle: int, buffers: list[memoryview], offset: int) -> int:
        if offset < (2 << 20) + 4096 and offset + len(buffers[0]) > 2 << 20:
            raise OSError(errno.EIO, "Input/output error")
        return real(handle, buffers, offset)

    monkeypatch.setattr(os, "preadv", preadv)
    with pytest.raises(NotWiped, match="1 blocks of 4 KiB could not be read back"):
        station.wipe()
    with pytest.raises(NotComplete):
        station.certify()


def test_where_the_file_system_takes_no_direct_writes_the_cache_is_used(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def pwrite(handle: int, data: memoryview, offset: int) -> int:
        if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_DIRECT:
            raise OSError(errno.EINVAL, "Invalid argument")
        return real(handle, data, offset)

    monkeypatch.setattr(os, "pwrite", pwrite)
    station.wipe()
    assert not any(station.image.read_bytes())


def test_a_full_disk_of_the_image_fails_in_words(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(WriteFailed, match="takes no more data"):
        station.wipe()


def test_a_full_disk_under_the_journal_stops_the_work_in_words(station: Station) -> None:
    before = station.image.read_bytes()
    limit = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY)); "
        "runpy.run_module('wipe_agent', run_name='__main__')"
    )
    words = ["wipe", "--order", "WO-1", "--target", str(station.image), "--image", "--confirm-serial", SERIAL]
    done = agent(*words, home=station.home.path, program=[sys.executable, "-c", limit])
    assert done.returncode == JournalUnwritable.exit_code, done.stderr
    assert "cannot be written" in done.stderr
    assert station.image.read_bytes() == before  # The journal comes first: nothing was overwritten.
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    station.wipe()
    station.certify()


def test_a_changed_journal_is_refused(broken_off: Station) -> None:
    path = broken_off.journal()
    path.write_bytes(path.read_bytes().replace(b'"bad_blocks":0', b'"bad_blocks":1', 1))
    with pytest.raises(JournalDamaged, match="was changed"):
        broken_off.wipe()
    with pytest.raises(JournalDamaged):
        broken_off.certify()
    # Beginning anew keeps the damaged file for the audit.
    broken_off.wipe(start_over=True)
    assert path.with_name(path.name + ".damaged-1").exists()
    broken_off.certify()
