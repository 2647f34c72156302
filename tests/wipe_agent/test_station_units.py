"""The units of a Debian station: they parse, start commands that exist, and are closed to what they do not need."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from wipe_agent.cli import parser

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "deploy/station"
UNITS = sorted(PLACE.glob("*.service")) + sorted(PLACE.glob("*.timer"))
CLOSED = {
    "NoNewPrivileges": ["yes"],
    "ProtectSystem": ["strict"],
    "ProtectHome": ["yes"],
    "PrivateTmp": ["yes"],
    "ProtectKernelModules": ["yes"],
    "RestrictNamespaces": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "UMask": ["0077"],
    "StateDirectory": ["clearhand-station"],
    "StateDirectoryMode": ["0700"],
}


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """Section → name → values. Raises for a line that is none."""
    sections: dict[str, dict[str, list[str]]] = {}
    current: dict[str, list[str]] = {}
    for line in (PLACE / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\[(\w+)\]", line):
            current = sections.setdefault(header[1], {})
            continue
        key, equals, value = line.partition("=")
        assert equals, line
        current.setdefault(key, []).append(value)
    return sections


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_unit_parses_and_says_what_it_is(path: Path) -> None:
    sections = unit(path.name)
    assert sections["Unit"]["Description"][0].startswith("Clearhand: ")
    assert path.read_text().startswith("# ")
    assert set(sections) <= {"Unit", "Service", "Timer", "Install"}


@pytest.mark.parametrize("name", ["clearhand-bench.service", "clearhand-sync.service"])
def test_a_service_starts_commands_that_exist_and_is_closed(name: str) -> None:
    service = unit(name)["Service"]
    assert {key: service[key] for key in CLOSED} == CLOSED
    commands = re.findall(r"-m wipe_agent ([a-z]+(?: --[a-z]+)*)", service["ExecStart"][0])
    assert commands == {"clearhand-bench.service": ["bench"], "clearhand-sync.service": ["orders", "sync --once"]}[name]
    for words in commands:
        parser().parse_args(shlex.split(words))


def test_the_bench_has_drives_and_no_network_and_the_sync_has_a_network_and_no_drives() -> None:
    bench, sync = unit("clearhand-bench.service")["Service"], unit("clearhand-sync.service")["Service"]
    assert bench["PrivateNetwork"] == ["yes"]
    assert "block-* rw" in bench["DeviceAllow"]
    assert "PrivateDevices" not in bench
    assert (sync["PrivateDevices"], sync["CapabilityBoundingSet"]) == (["yes"], [""])
    assert "AF_INET" in sync["RestrictAddressFamilies"][0]
    assert unit("clearhand-sync.timer")["Timer"]["Persistent"] == ["yes"]


def test_systemd_takes_them(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed here")
    for path in UNITS:
        text = path.read_text().replace("/usr/lib/clearhand/.venv/bin/python", "/bin/sh")
        (tmp_path / path.name).write_text(text)
    done = subprocess.run(
        [tool, "verify", "--man=no", *(str(tmp_path / path.name) for path in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    mine = [line for line in done.stderr.splitlines() if "clearhand-" in line]
    assert mine == []
