"""A station with one order for one practice drive, and its planted image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.support import World, enrolled, keep, medium, open_key, planted_image
from wipe_agent import jobs, keys
from wipe_agent.check import before, readback
from wipe_agent.media import Target
from wipe_agent.methods import overwrite

SERIAL = "DISK-0001"


@dataclass
class Station:
    """What a test needs to work as an operator, in this process."""

    home: keys.Home
    world: World
    image: Path

    def wipe(self, *, stream: bool = False, **more: Any) -> jobs.Wiped:
        if stream:
            more["wish"] = jobs.Wish(method="overwrite-stream")
        words: dict[str, Any] = {
            "order_code": "WO-1",
            "target_path": self.image,
            "medium_named": None,
            "typed": lambda question: SERIAL,
            "operator": "Ada",
            "image": True,
        }
        return jobs.wipe(self.home, **{**words, **more})

    def certify(self, **more: Any) -> jobs.Certified:
        return jobs.certify(self.home, order_code="WO-1", open_key=lambda: open_key(self.home), **more)

    def destroy(self, serial: str = SERIAL, **more: Any) -> jobs.OrderMedium:
        words: dict[str, Any] = {
            "technique": "shred",
            "particle_size_mm": "2",
            "operator": "Ada",
            "witness": "Grace",
        }
        return jobs.record_destroyed(self.home, order_code="WO-1", medium_named=serial, **{**words, **more})

    def journal(self, medium_id: str | None = None) -> Path:
        medium_id = medium_id or jobs.load_order(self.home, "WO-1").media[0].id
        return jobs.journal_path(self.home, "WO-1", medium_id)

    def bundles(self) -> list[Path]:
        return [path for path in self.home.outbox.iterdir() if not path.name.startswith(".")]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small images have many chunks and checkpoints, as large drives do."""
    monkeypatch.setattr(overwrite, "CHUNK", 256 * 1024)
    monkeypatch.setattr(overwrite, "CHECKPOINT", 1024 * 1024)
    monkeypatch.setattr(readback, "CHUNK", 256 * 1024)
    monkeypatch.setattr(before, "PIECE", 256 * 1024)


@pytest.fixture
def make_station(tmp_path: Path) -> Callable[..., Station]:
    def make(*media: dict[str, Any], **order: Any) -> Station:
        world = World()
        home = enrolled(tmp_path / "home", world)
        world.order(*(media or (medium(SERIAL),)), **order)
        keep(home, world)
        return Station(home, world, planted_image(tmp_path / "disk.img"))

    return make


@pytest.fixture
def station(make_station: Callable[..., Station]) -> Station:
    return make_station()


@pytest.fixture
def broken_off(station: Station, monkeypatch: pytest.MonkeyPatch) -> Station:
    """A station whose wipe stopped after the second checkpoint, as if the power had gone.

    The first sync is that of the control's marks.
    """
    real, calls = Target.sync, []

    def sync(self: Target) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        real(self)

    with monkeypatch.context() as patched:
        patched.setattr(Target, "sync", sync)
        with pytest.raises(KeyboardInterrupt):
            station.wipe()
    return station
