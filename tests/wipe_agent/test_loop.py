"""Real block devices: loop devices made from the planted image (by root; skipped elsewhere, saying so)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import Station
from wipe_agent.errors import (
    TargetRefused,
)
from wipe_agent.media import drives, target


@contextmanager
def loop_over(place: Path) -> Iterator[Path]:
    """A new loop device over a file or drive."""
    tool = shutil.which("losetup", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None or os.geteuid() != 0:
        pytest.skip("loop devices can only be made by root with losetup")
    made = subprocess.run([tool, "--find", "--show", str(place)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"this machine makes no loop devices: {made.stderr.strip()}")
    device = Path(made.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run([tool, "--detach", str(device)], check=True)


@contextmanager
def mounted(device: Path, place: Path) -> Iterator[None]:
    place.mkdir()
    if subprocess.run(["mount", "-o", "ro", str(device), str(place)], capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let us mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def loop(station: Station) -> Iterator[Path]:
    """The planted image as a loop device."""
    with loop_over(station.image) as device:
        yield device


def test_a_loop_device_is_wiped_as_practice(station: Station, loop: Path) -> None:
    done = station.wipe(target_path=loop, image=False)
    assert done.training
    assert not any(station.image.read_bytes())
    station.certify()


def test_a_mounted_drive_is_refused(station: Station, loop: Path, tmp_path: Path) -> None:
    with mounted(loop, tmp_path / "mounted"):
        with pytest.raises(TargetRefused, match="mounted at"):
            station.wipe(target_path=loop, image=False)
        assert (tmp_path / "mounted" / "diary.txt").exists()


def test_a_loop_device_over_a_mounted_drive_is_refused(station: Station, loop: Path, tmp_path: Path) -> None:
    with mounted(loop, tmp_path / "mounted"), loop_over(loop) as upper:
        before = station.image.read_bytes()
        with pytest.raises(TargetRefused, match=f"it stands on {loop}, and of that: it is mounted at"):
            station.wipe(target_path=upper, image=False)
        assert station.image.read_bytes() == before


def test_a_drive_under_a_loop_device_is_refused_and_the_loop_itself_is_not(station: Station, loop: Path) -> None:
    with loop_over(loop) as upper:
        with pytest.raises(TargetRefused, match=f"something stands on it: {upper.name}"):
            station.wipe(target_path=loop, image=False)
        assert drives.list_drives(path=str(upper))[0].refusals == ()


def test_a_second_loop_device_over_a_file_in_use_is_refused(station: Station, loop: Path, tmp_path: Path) -> None:
    with mounted(loop, tmp_path / "mounted"), loop_over(station.image) as second:
        before = station.image.read_bytes()
        with pytest.raises(TargetRefused, match=f"another loop device stands on the same place, .*{loop.name}"):
            station.wipe(target_path=second, image=False)
        assert station.image.read_bytes() == before


def test_a_loop_device_whose_file_is_gone_is_refused(station: Station, loop: Path) -> None:
    station.image.unlink()
    with pytest.raises(TargetRefused, match="cannot be looked at from here"):
        station.wipe(target_path=loop, image=False)


def test_an_image_in_use_as_a_loop_device_is_refused(station: Station, loop: Path) -> None:
    with pytest.raises(TargetRefused, match=f"in use as {loop}"):
        station.wipe()


def test_the_kernel_has_the_last_word_on_a_claimed_drive(
    station: Station, loop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where our list sees nothing (another program holds it), O_EXCL does."""
    held = os.open(loop, os.O_RDONLY | os.O_EXCL)
    try:
        with pytest.raises(target.TargetBusy):
            station.wipe(target_path=loop, image=False)
    finally:
        os.close(held)


def test_two_agents_do_not_work_on_one_drive(station: Station) -> None:
    with target.open_target(station.image, image=True), pytest.raises(target.TargetBusy):
        station.wipe()
