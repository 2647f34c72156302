"""A station with one practice order, for an image that a test brings along."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import World, enrolled, keep, medium

FULL = os.environ.get("FAULTS") == "full"
"""`make faults` sets it: the whole campaigns. Without it a short seeded part of each runs."""


def station_with(folder: Path, image: Path) -> Station:
    """A station in `folder` whose order means the image."""
    world = World()
    home = enrolled(folder / "home", world)
    world.order(medium(SERIAL))
    keep(home, world)
    return Station(home, world, image)


@pytest.fixture
def make_station(tmp_path: Path) -> Callable[[Path], Station]:
    return lambda image: station_with(tmp_path, image)
