"""The agent as one file: the same bytes each time, a whole day's work with it, no start from what was changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.market import Market
from tests.wipe_agent.support import ROOT, World, agent, medium, planted_image, planted_left
from wipe_agent import __version__

pytestmark = pytest.mark.campaign


def python() -> str:
    """Debian's own Python where it is the one that the file is for, else ours."""
    for program in ("/usr/bin/python3", sys.executable):
        if Path(program).exists():
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
            if said.startswith("Python 3.11."):
                return program
    pytest.skip("there is no Python 3.11 here, for which the file is built")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("one-file") / "wipe-agent"
    done = subprocess.run(
        [sys.executable, ROOT / "bin/agent", "--output", place],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "the libraries could not be had" in done.stderr:
        pytest.skip("the libraries cannot be downloaded here")
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    place = tmp_path / "cache"
    place.mkdir(mode=0o700)
    return place


def run(built: Path, cache: Path, *words: str, home: Path | None = None, **more: Any) -> Any:
    program = [python(), "-I", str(built)]
    return agent(*words, home=home or cache / "no-home", program=program, WIPE_AGENT_CACHE=str(cache), **more)


def test_building_again_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    words = [sys.executable, ROOT / "bin/agent", "--output", again]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    subprocess.run(words, env=environment, check=True, capture_output=True, timeout=300)
    assert again.read_bytes() == built.read_bytes()
    assert again.stat().st_mode & 0o777 == 0o755


def test_the_libraries_in_it_are_those_that_the_requirements_name(built: Path) -> None:
    requirements = (ROOT / "requirements-agent.txt").read_text()
    with zipfile.ZipFile(built) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    wheels = {name: digest for name, digest in manifest["files"].items() if name.endswith(".whl")}
    assert len(wheels) > 10
    assert all(f"sha256:{digest}" in requirements for digest in wheels.values())
    assert "wipe_agent/report/fonts/DejaVuSans.ttf" in manifest["files"]
    assert "wipe_agent/LICENSE" in manifest["files"]


def test_a_whole_day_with_one_file_and_nothing_that_is_installed(built: Path, cache: Path, tmp_path: Path) -> None:
    world, home = World(), tmp_path / "home"
    image = planted_image(tmp_path / "disk.img")
    world.order(medium("DISK-0001"), code="WO-7")
    said = run(built, cache, "--version", check=True, home=home).stdout
    assert said == f"wipe-agent {__version__}\n"
    with Market(world) as market:
        run(built, cache, "enrol", "--market", market.url, "--code", "ENROL-1", home=home, check=True)
        run(built, cache, "orders", home=home, check=True)
        words = ("--order", "WO-7", "--target", str(image), "--image", "--confirm-serial", "DISK-0001")
        run(built, cache, "wipe", *words, home=home, check=True)
        done = run(built, cache, "certify", "--order", "WO-7", "--json", home=home, check=True)
        bundle = json.loads(done.stdout)["bundle"]
        assert planted_left(image) == 0
        # Its certificate verifies for the agent of the checkout, and its page can be drawn from the one file.
        assert agent("verify", bundle, "--training", home=home).returncode == 0
        page = tmp_path / "page.pdf"
        run(built, cache, "report", bundle, "--training", "--output", str(page), home=home, check=True)
        assert page.read_bytes().startswith(b"%PDF")
        run(built, cache, "sync", "--once", home=home, check=True)
        assert len(market.received) == 1


def test_it_loads_only_what_is_in_it_and_its_children_do_too(built: Path, cache: Path) -> None:
    run(built, cache, "--version", check=True)
    folder = next(path for path in cache.iterdir() if path.is_dir())
    program = (
        "import sys, cryptography, fpdf, pkcs11, rich, segno\n"
        "print(all(m.__file__.startswith(sys.path[0]) for m in (cryptography, fpdf, pkcs11, rich, segno)))\n"
        "print([p for p in sys.path if 'site-packages' in p or 'dist-packages' in p])"
    )
    done = subprocess.run([folder / "python", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n[]\n"
    done = subprocess.run([folder / "python", "-m", "wipe_agent", "--version"], capture_output=True, check=True)
    assert done.stdout.decode() == f"wipe-agent {__version__}\n"


def test_a_damaged_file_does_not_start(built: Path, cache: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    with zipfile.ZipFile(built) as good, zipfile.ZipFile(damaged, "w") as bad:
        for name in good.namelist():
            data = good.read(name)
            bad.writestr(name, data + b"\n# changed" if name == "wipe_agent/keys/__init__.py" else data)
    done = run(damaged, cache, "--version")
    assert done.returncode == 12
    assert "wipe_agent/keys/__init__.py in this file is damaged" in done.stderr
    assert list(cache.iterdir()) == []


def test_what_was_unpacked_is_made_anew_when_a_part_of_it_is_gone(built: Path, cache: Path) -> None:
    run(built, cache, "--version", check=True)
    folder = next(path for path in cache.iterdir() if path.is_dir())
    (folder / "lib/wipe_agent/errors.py").write_bytes(b"")
    shutil.rmtree(folder / "lib/cryptography")
    assert run(built, cache, "--version", check=True).stdout == f"wipe-agent {__version__}\n"
    assert (folder / "lib/cryptography/__init__.py").exists()
    assert [path.name for path in cache.iterdir()] == [folder.name]


def test_a_folder_that_others_can_write_is_not_used(built: Path, cache: Path) -> None:
    cache.chmod(0o777)
    done = run(built, cache, "--version")
    assert done.returncode == 12
    assert "not yours alone" in done.stderr
    assert list(cache.iterdir()) == []
