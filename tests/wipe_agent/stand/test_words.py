"""`wipe-agent stand` as a program: a plan, serials from a scanner, JSON lines, exit codes that say what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.wipe_agent.support import ROOT, World, enrolled, keep, medium, planted_image, planted_left
from wipe_agent import jobs


class Here:
    """A station with two practice drives and a plan for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        world = World()
        self.home = enrolled(folder / "home", world)
        world.order(medium("DISK-1"), medium("DISK-2"), code="WO-1")
        keep(self.home, world)
        self.disks = [planted_image(folder / f"disk{number}.img") for number in (1, 2)]

    def plan(self, *drives: dict[str, Any]) -> Path:
        path = self.folder / "plan.json"
        path.write_text(json.dumps({"drives": drives}))
        return path

    def entry(self, number: int, **more: Any) -> dict[str, Any]:
        disk = self.disks[number - 1]
        return {"order": "WO-1", "medium": f"DISK-{number}", "target": str(disk), "image": True, **more}

    def stand(self, *words: str, typed: str = "") -> Any:
        return subprocess.run(
            [sys.executable, "-m", "wipe_agent", "stand", "--operator", "Ada", *words],
            cwd=ROOT,
            env={**os.environ, "WIPE_AGENT_HOME": str(self.home.path)},
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_scanned_serials_begin_their_drives_and_every_line_is_json(here: Here) -> None:
    plan = here.plan(here.entry(1), here.entry(2))
    done = here.stand("--plan", str(plan), "--json", typed="DISK-2\nDISK-1\n")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["state"] for line in lines if line["event"] == "drive"] == ["waiting", "waiting"]
    assert [(one["serial"], one["verdict"]) for one in lines[-1]["drives"]] == [
        ("DISK-1", "wiped"),
        ("DISK-2", "wiped"),
    ]
    assert lines[-1]["exit_code"] == 0
    assert {line["message"] for line in lines if line["event"] == "progress" and line["state"] == "running"} <= {""}
    assert not any(str(line.get("next")).startswith("Next:") for line in lines)
    assert "gone" not in {line["event"] for line in lines}
    assert {line["stage"] for line in lines if line["event"] == "stage"} >= {"overwriting with zeros"}
    assert [planted_left(disk) for disk in here.disks] == [0, 0]


def test_a_drive_whose_serial_nobody_gave_is_left_as_it_was(here: Here) -> None:
    before = here.disks[1].read_bytes()
    plan = here.plan(here.entry(1, confirm_serial="DISK-1"), here.entry(2))
    done = here.stand("--plan", str(plan))
    assert done.returncode == 29
    assert "DISK-1  order WO-1, 1 of 2: WIPED." in done.stdout
    assert done.stdout.endswith("1 of 2 drives done, of 1 device.\n")
    assert "DISK-2  order WO-1, 2 of 2: scan to begin." in done.stdout
    assert here.disks[1].read_bytes() == before
    with pytest.raises(jobs.certifying.NotComplete):  # One certificate, two drives: it waits for both.
        jobs.certify(here.home, order_code="WO-1", open_key=lambda: pytest.fail("the key is not asked for"))


def test_words_that_mean_nothing_are_not_taken_for_a_serial(here: Here) -> None:
    before = [disk.read_bytes() for disk in here.disks]
    done = here.stand("--plan", str(here.plan(here.entry(1))), typed="frobnicate X\npause\nquit\n")
    assert "'frobnicate X' is neither a serial of a drive here nor something that can be asked." in done.stderr
    assert "pause: which drive? Next: Type pause and the drive's serial." in done.stderr
    assert "F5" not in done.stderr
    assert [disk.read_bytes() for disk in here.disks] == before


def test_a_wrong_serial_is_refused_and_the_other_drive_goes_on(here: Here) -> None:
    before = here.disks[0].read_bytes()
    plan = here.plan(here.entry(1, confirm_serial="DISK-7"), here.entry(2))
    done = here.stand("--plan", str(plan), "--json", typed="DISK-9\nDISK-2\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["kind"] for line in lines if line["event"] == "refused"] == ["WrongSerial", "OrderUnknown"]
    assert [one["verdict"] for one in lines[-1]["drives"]] == [None, "wiped"]
    assert done.returncode == 29
    assert here.disks[0].read_bytes() == before


@pytest.mark.parametrize(
    ("drives", "words"),
    [
        ([], "names no drives"),
        ([{"order": "WO-1"}], "Drive 1 of the plan is not described"),
        ([{"order": "WO-1", "target": "/x", "force": True}], "Drive 1 of the plan is not described"),
        ([{"order": "WO-1", "target": "/x", "image": "yes"}], "Drive 1 of the plan is not described"),
    ],
)
def test_a_plan_that_is_none_is_refused(here: Here, drives: list[Any], words: str) -> None:
    done = here.stand("--plan", str(here.plan(*drives)))
    assert (done.returncode, words in done.stderr) == (64, True), done.stderr


def test_a_plan_that_names_a_drive_or_a_medium_twice_is_refused(here: Here) -> None:
    twice = here.plan(here.entry(1), here.entry(2, target=str(here.disks[0])))
    assert "names the drive" in here.stand("--plan", str(twice)).stderr
    twice = here.plan(here.entry(1), here.entry(2, medium="DISK-1"))
    assert "names the medium WO-1/DISK-1 twice" in here.stand("--plan", str(twice)).stderr


def test_an_unknown_order_holds_its_drive_and_no_other(here: Here) -> None:
    plan = here.plan(here.entry(1, order="WO-9"), here.entry(2, confirm_serial="DISK-2"))
    done = here.stand("--plan", str(plan), typed="DISK-1\n")
    assert done.returncode == 29
    assert "There is no order WO-9 on this station." in done.stderr
    assert "DISK-2  order WO-1, 2 of 2: WIPED." in done.stdout
