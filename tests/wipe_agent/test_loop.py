"""Real block devices: loop devices made from the planted image (by root; skipped elsewhere, saying so)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import Station
from wipe_agent.errors import (
    TargetRefused,
)
from wipe_agent.media import target


@pytest.fixture
def loop(station: Station) -> Iterator[Path]:
    """The planted image as a loop device."""
    tool = shutil.which("losetup", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if tool is None or os.geteuid() != 0:
        pytest.skip("loop devices can only be made by root with losetup")
    made = subprocess.run([tool, "--find", "--show", str(station.image)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"this machine makes no loop devices: {made.stderr.strip()}")
    device = Path(made.stdout.strip())
    yield device
    subprocess.run([tool, "--detach", str(device)], check=True)


def test_a_loop_device_is_wiped_as_practice(station: Station, loop: Path) -> None:
    done = station.wipe(target_path=loop, image=False)
    assert done.training
    assert not any(station.image.read_bytes())
    station.certify()


def test_a_mounted_drive_is_refused(station: Station, loop: Path, tmp_path: Path) -> None:
    place = tmp_path / "mounted"
    place.mkdir()
    if subprocess.run(["mount", "-o", "ro", str(loop), str(place)], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let us mount")
    try:
        with pytest.raises(TargetRefused, match="mounted at"):
            station.wipe(target_path=loop, image=False)
        assert (place / "diary.txt").exists()
    finally:
        subprocess.run(["umount", str(place)], check=True)


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
