"""The agent is killed at seeded points; it resumes to a correct certificate or fails in words.

An independent reader (this file's, on the raw image) looks for the planted files under every certificate.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.wipe_agent import killer
from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import (
    PASSPHRASE,
    World,
    enrolled,
    keep,
    medium,
    planted_image,
    planted_left,
)
from wipe_agent import keys
from wipe_agent.certificate import Bundle, Trust, verify
from wipe_agent.errors import AgentError

pytestmark = pytest.mark.campaign

SEED = 20_261_120
WIPE_POINTS, CERTIFY_POINTS = (14, 6) if os.environ.get("FAULTS") == "full" else (7, 3)
EXPECTED_CALLS = {"wipe": ("pwrite", "preadv", "fdatasync", "write", "fsync"), "certify": ("write", "fsync", "rename")}


@dataclass
class Bench:
    """A station with one order, a planted image, and the number of calls that each command makes."""

    folder: Path
    world: World
    calls: dict[str, list[str]]

    def fresh(self, to: Path) -> tuple[keys.Home, Path]:
        shutil.copytree(self.folder / "home", to / "home")
        shutil.copy(self.folder / "disk.img", to / "disk.img")
        return keys.Home(to / "home"), to / "disk.img"


def run(words: list[str], home: keys.Home, folder: Path, *, point: int) -> killer.Ended:
    state = {"WIPE_AGENT_HOME": str(home.path), "WIPE_AGENT_PASSPHRASE": PASSPHRASE}
    return killer.run(words, point=point, folder=folder, **state)


def words(command: str, image: Path) -> list[str]:
    if command == "certify":
        return ["certify", "--order", "WO-1"]
    return [
        "wipe",
        "--order",
        "WO-1",
        "--target",
        str(image),
        "--image",
        "--confirm-serial",
        SERIAL,
        "--operator",
        "Ada",
    ]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("kill")
    world = World()
    home = enrolled(folder / "home", world)
    world.order(medium(SERIAL))
    keep(home, world)
    planted_image(folder / "disk.img", 4)
    made = Bench(folder, world, {})
    trial = folder / "trial"
    trial.mkdir()
    at, image = made.fresh(trial)
    for command in ("wipe", "certify"):
        done = run(words(command, image), at, trial, point=0)
        assert done.code == 0, done.said
        made.calls[command] = done.calls
        assert set(EXPECTED_CALLS[command]) <= set(made.calls[command])
    return made


def certificates(home: keys.Home) -> list[Path]:
    return [path for path in home.outbox.iterdir() if not path.name.startswith(".")]


def assert_honest(bench: Bench, home: keys.Home, image: Path) -> None:
    """Under every certificate that exists, it verifies and nothing planted is left."""
    for bundle in certificates(home):
        trust = Trust.parse(home.trust_file.read_bytes())
        report = verify(Bundle.load(bundle), trust, at=datetime.now(UTC), training=True)
        assert report.ok, report.refusal
        assert planted_left(image) == 0
        assert not any(image.read_bytes())


def run_through(bench: Bench, folder: Path, command: str, point: int) -> str:
    """Kill `command` at `point`, then go on as an operator would. Returns what came of it."""
    home, image = bench.fresh(folder)
    if command == "certify":
        Station(home, bench.world, image).wipe()
    killed = run(words(command, image), home, folder, point=point)
    assert killed.code == -9, f"{command} {point} was not killed: {killed.said}"
    assert_honest(bench, home, image)
    if command == "wipe":
        assert certificates(home) == []
    decided = certificates(home)
    station = Station(home, bench.world, image)
    try:
        station.wipe()
        station.certify()
    except AgentError as refusal:
        assert certificates(home) == []
        return f"refused in words: {refusal.message} {refusal.advice}"
    issued = certificates(home)
    assert len(issued) == 1
    assert decided in ([], issued)
    assert_honest(bench, home, image)
    return "certified"


def seeded_points(bench: Bench) -> list[tuple[str, int]]:
    chosen = random.Random(SEED)
    wipe = chosen.sample(range(1, len(bench.calls["wipe"]) + 1), WIPE_POINTS - 2)
    # Two points are held to the read-back: the last reads of the drive are those of the check.
    reads = [number for number, name in enumerate(bench.calls["wipe"], 1) if name == "preadv"]
    wipe += chosen.sample([number for number in reads[-20:] if number not in wipe], 2)
    certify = chosen.sample(range(1, len(bench.calls["certify"]) + 1), CERTIFY_POINTS)
    return [("wipe", point) for point in sorted(wipe)] + [("certify", point) for point in sorted(certify)]


def test_killed_at_any_point_the_agent_resumes_or_fails_in_words(bench: Bench, tmp_path: Path) -> None:
    outcomes = {}
    for number, (command, point) in enumerate(seeded_points(bench)):
        folder = tmp_path / str(number)
        folder.mkdir()
        outcomes[command, point] = run_through(bench, folder, command, point)
    assert len(outcomes) == WIPE_POINTS + CERTIFY_POINTS
    assert sum(outcome == "certified" for outcome in outcomes.values()) >= 0.75 * len(outcomes), outcomes


def test_killed_again_and_again_the_wipe_still_comes_to_an_end(bench: Bench, tmp_path: Path) -> None:
    home, image = bench.fresh(tmp_path)
    chosen = random.Random(SEED + 1)
    for _ in range(8):
        done = run(words("wipe", image), home, tmp_path, point=chosen.randrange(20, 60))
        if done.code == 0:
            break
        assert done.code == -9, done.said
    station = Station(home, bench.world, image)
    station.wipe()
    station.certify()
    assert_honest(bench, home, image)
    assert len(certificates(home)) == 1
