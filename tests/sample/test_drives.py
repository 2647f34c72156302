"""Practice drives: a real file system with files, the same for the same seed, and never made over one that is there."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ewaste.sample import drives


def test_the_agent_recognises_the_file_system_and_the_files(tmp_path: Path) -> None:
    from wipe_agent.check import before
    from wipe_agent.media import target

    image = tmp_path / "drive.img"
    drives.make(image, seed="one")
    with target.open_target(image, image=True) as opened:
        found = before.survey(opened, seed=1).as_facts()["found"]
    assert found["file-system fat"] == 1
    assert sum(count for name, count in found.items() if name.startswith("file ")) >= 4


def test_the_same_seed_makes_the_same_drive_and_another_seed_another(tmp_path: Path) -> None:
    images = [tmp_path / f"{number}.img" for number in range(3)]
    for image, seed in zip(images, ("a", "a", "b"), strict=True):
        drives.make(image, seed=seed)
    first, again, other = (image.read_bytes() for image in images)
    assert first == again
    assert first != other


def test_a_drive_that_the_agent_may_have_begun_on_is_left_alone(tmp_path: Path) -> None:
    image = tmp_path / "drive.img"
    image.write_bytes(b"half wiped")
    drives.make(image, seed="a")
    assert image.read_bytes() == b"half wiped"


@pytest.mark.skipif(shutil.which("fsck.fat", path="/sbin:/usr/sbin:/usr/bin") is None, reason="no dosfstools here")
def test_the_file_system_is_sound(tmp_path: Path) -> None:
    image = tmp_path / "drive.img"
    names = drives.make(image, seed="sound")
    program = shutil.which("fsck.fat", path="/sbin:/usr/sbin:/usr/bin")
    done = subprocess.run([str(program), "-n", str(image)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(names) + 1} files" in done.stdout
