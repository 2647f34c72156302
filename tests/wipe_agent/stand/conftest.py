"""A station with several practice drives, an order for each, and processes that can be made to wait."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.wipe_agent.support import World, enrolled, keep, medium, planted_image
from wipe_agent import keys
from wipe_agent.stand import Job, Row, Stand

GATED = Path(__file__).parent / "gated.py"
PATIENCE = 60.0


@dataclass
class Bench:
    """`disks` are the images of drives DISK-1, DISK-2 ..., under orders WO-1, WO-2 ..."""

    home: keys.Home
    world: World
    disks: list[Path]
    gate: Path
    stands: list[Stand] = field(default_factory=list)

    def rows(self) -> list[Row]:
        return [
            Row(
                name=f"disk {number}",
                job=Job(f"WO-{number}", f"DISK-{number}", str(image), image=True),
                serial=f"DISK-{number}",
            )
            for number, image in enumerate(self.disks, 1)
        ]

    def stand(self, gate: str | None = None) -> Stand:
        """A supervisor whose processes wait at the gate, such as "write 2097152"."""
        if gate:
            self.gate.write_text(gate)
        program = (sys.executable, str(GATED), str(self.gate))
        self.stands.append(Stand(self.home, self.rows(), operator="Ada", program=program))
        return self.stands[-1]

    def open_gate(self) -> None:
        """Those that begin from now on do not wait."""
        self.gate.unlink()
        self.reached.unlink(missing_ok=True)

    @property
    def reached(self) -> Path:
        return self.gate.with_suffix(".reached")


def until(stand: Stand, true: Callable[[], bool]) -> None:
    """Let the board run until something is so."""
    ends = time.monotonic() + PATIENCE
    while not true():
        stand.poll(0.05)
        assert time.monotonic() < ends, {row.key: (row.state, row.message) for row in stand.rows.values()}


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[Callable[[int], Bench]]:
    made: list[Bench] = []

    def make(drives: int) -> Bench:
        world = World()
        home = enrolled(tmp_path / "home", world)
        disks = []
        for number in range(1, drives + 1):
            world.order(medium(f"DISK-{number}"), code=f"WO-{number}")
            disks.append(planted_image(tmp_path / f"disk{number}.img"))
        keep(home, world)
        made.append(Bench(home, world, disks, tmp_path / "gate"))
        return made[-1]

    yield make
    for bench in made:
        for stand in bench.stands:
            assert stand.close() == []
