"""Show 2: real file systems with real files, deleted ones among them (Debian's forensics-samples-all).

Our carver and, where it is installed, foremost as somebody else's, find files before the wipe and none after it. One
block of the image that is put back between the wipe and the check costs the certificate.
"""

from __future__ import annotations

import lzma
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.conftest import FULL
from tests.wipe_agent.conftest import Station
from wipe_agent import jobs
from wipe_agent.errors import NotComplete, NotWiped
from wipe_agent.journal import parse
from wipe_agent.media import Target

pytestmark = pytest.mark.campaign

SAMPLES = Path("/usr/share/forensics-samples")
# Files that the scanner carves out of each image, at least: those of `original-files`, the deleted ones with them.
# exFAT, ext and the others keep a deleted file's bytes; `fs.multiple` holds four file systems with one picture each.
WHOLE = {"jpeg": 7, "png": 3, "pdf": 4, "mp3": 2, "ogg": 3, "mp4": 2, "riff": 3, "office": 2, "opendocument": 2}
IMAGES = {
    "btrfs": ({**WHOLE, "png": 2}, "btrfs"),  # It keeps the smallest picture inside its tree, on no sector of its own.
    "exfat": (WHOLE, "exfat"),
    "ext2": (WHOLE, "ext"),
    "ext4": (WHOLE, "ext"),
    "ntfs": (WHOLE, "ntfs"),
    "vfat": (WHOLE, "fat"),
    "multiple": ({"jpeg": 4}, "btrfs"),
}
CHOSEN = list(IMAGES) if FULL else ["ntfs"]
SEED = 20_261_121


@pytest.fixture
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    packed = SAMPLES / f"fs.{request.param}.xz"
    if not packed.exists():
        pytest.skip(f"{packed} is not here: install Debian's forensics-samples-all")
    path = tmp_path / f"{request.param}.img"
    with lzma.open(packed) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return path


def foremost(image: Path, into: Path) -> int | None:
    """How many files foremost carves out; None where it is not installed."""
    program = shutil.which("foremost")
    if program is None:
        return None
    subprocess.run([program, "-Q", "-i", str(image), "-o", str(into)], check=True, capture_output=True)
    found = sum(1 for path in into.rglob("*") if path.is_file() and path.name != "audit.txt")
    shutil.rmtree(into)
    return found


def carved_before(station: Station) -> Counter[str]:
    attempt = story(station).attempts[-1]
    assert attempt.surveyed is not None
    return Counter(attempt.surveyed["carved"])


def story(station: Station) -> Any:
    path = station.journal()
    return jobs.read_story(parse(path.read_bytes(), path.name)[0], path.name)


@pytest.mark.parametrize("image", CHOSEN, indirect=True)
@pytest.mark.parametrize("stream", [False, True], ids=["zeros", "stream"])
def test_files_are_carved_before_the_wipe_and_none_after(
    image: Path, stream: bool, make_station: Callable[[Path], Station], tmp_path: Path
) -> None:
    station = make_station(image)
    theirs = foremost(image, tmp_path / "before")
    assert theirs is None or theirs >= 4
    done = station.wipe(stream=stream)
    files, file_system = IMAGES[image.stem]
    found = carved_before(station)
    missed = {name: number for name, number in files.items() if found[f"carved {name}"] < number}
    assert missed == {}
    assert found[f"superblock {file_system}"] >= 1
    seen = done.after["read_back"]
    assert (seen["read"], seen["found"], seen["carved"], done.after["marks_left"]) == (image.stat().st_size, {}, {}, 0)
    assert set(seen["map"]["cells"]) == {"~" if stream else "."}
    # A carver that knows short marks sees files in random bytes by chance, so it is asked where zeros were written.
    if not stream:
        assert foremost(image, tmp_path / "after") in (0, None)
    station.certify()


@pytest.mark.parametrize("image", CHOSEN, indirect=True)
def test_one_block_put_back_behind_the_agents_back_costs_the_certificate(
    image: Path, make_station: Callable[[Path], Station], monkeypatch: pytest.MonkeyPatch
) -> None:
    station = make_station(image)
    place, block = some_block(image)
    real = jobs.wiping.check.read_back

    def put_back_first(target: Target, **more: Any) -> Any:
        with target.path.open("r+b") as file:
            file.seek(place)
            file.write(block)
        return real(target, **more)

    monkeypatch.setattr(jobs.wiping.check, "read_back", put_back_first)
    with pytest.raises(NotWiped, match=rf"1 blocks of 4 KiB are not zero .*first at byte {place}"):
        station.wipe()
    with pytest.raises(NotComplete, match="not wiped"):
        station.certify()
    assert station.bundles() == []
    cells = story(station).attempts[-1].checked["read_back"]["map"]["cells"]
    assert len(cells) - cells.count(".") == 1


def some_block(image: Path) -> tuple[int, bytes]:
    """A block of the image that is not empty, by the seed."""
    chosen = random.Random(SEED)
    with image.open("rb") as file:
        while True:
            place = chosen.randrange(image.stat().st_size // 4096) * 4096
            file.seek(place)
            if any(block := file.read(4096)):
                return place, block
