"""A frozen drive is thawed by a person's decision: the machine sleeps once, and the drive is asked again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import Station
from wipe_agent import jobs
from wipe_agent.errors import BadUsage, MethodRefused, TargetBusy
from wipe_agent.jobs import thawing
from wipe_agent.jobs.story import open_journal
from wipe_agent.media import Facts, Ran, Security

FROZEN = Facts("/dev/sda", "ata", "hdd", 1 << 30, security=Security(supported=True, frozen=True))
THAWED = replace(FROZEN, security=Security(supported=True))


class Machine:
    """A machine that sleeps when it is told to; its drive wakes as `wakes`."""

    rehearsal = False

    def __init__(self, wakes: Facts, status: int = 0) -> None:
        self.wakes, self.status = wakes, status
        self.drive = FROZEN
        self.asked: list[str] = []

    def __call__(self, command: Sequence[str], *, timeout: float = 30) -> Ran:
        self.asked.append(" ".join(command))
        self.drive = self.wakes
        return Ran(tuple(command), self.status, "", "" if self.status == 0 else "rtcwake: write error")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    path = tmp_path / "state"
    path.write_text("freeze mem disk\n")
    return path


def test_the_drive_wakes_thawed(station: Station, state: Path) -> None:
    machine = Machine(THAWED)
    thawing.sleep_and_look(station.home, lambda: machine.drive, machine, seconds=15, state=state)
    assert machine.asked == ["rtcwake --mode mem --seconds 15"]
    assert not thawing.frozen(machine.drive)


@pytest.mark.parametrize(
    ("wakes", "status", "words"),
    [(FROZEN, 0, "still frozen after the sleep"), (THAWED, 1, r"did not go to sleep \(rtcwake: write error\)")],
    ids=["stays frozen", "does not sleep"],
)
def test_what_does_not_thaw_is_said_with_the_other_way(
    station: Station, state: Path, wakes: Facts, status: int, words: str
) -> None:
    machine = Machine(wakes, status)
    with pytest.raises(MethodRefused, match=words) as told:
        thawing.sleep_and_look(station.home, lambda: machine.drive, machine, seconds=15, state=state)
    assert "pull the drive's power cable" in told.value.advice


def test_a_machine_with_a_drive_at_work_or_without_sleep_is_left_awake(station: Station, state: Path) -> None:
    machine = Machine(THAWED)
    medium = jobs.load_order(station.home, "WO-1").media[0].id
    with (
        open_journal(station.home, "WO-1", medium),
        pytest.raises(TargetBusy, match="A drive of order WO-1 is at work"),
    ):
        thawing.sleep_and_look(station.home, lambda: machine.drive, machine, seconds=15, state=state)
    state.write_text("freeze\n")
    with pytest.raises(MethodRefused, match="cannot sleep"):
        thawing.sleep_and_look(station.home, lambda: machine.drive, machine, seconds=15, state=state)
    with pytest.raises(BadUsage):
        thawing.sleep_and_look(station.home, lambda: machine.drive, machine, seconds=1, state=state)
    with pytest.raises(BadUsage, match="no ATA drive"):
        thawing.frozen(replace(FROZEN, bus="nvme"))
    assert machine.asked == []
