"""For every drive command: what each answer of its tool is taken for.

The answers lie in `recorded/`, each with its origin: "recorded" ones came from QEMU's drives, the others are written
after the format of the tool. All of it is a rehearsal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wipe_agent.media import Facts, Ran, Replay
from wipe_agent.methods import METHODS, State, answers, carry_through

RECORDED = Path(__file__).parent / "recorded"
CASES: list[dict[str, Any]] = [
    case for file in sorted(RECORDED.glob("decisions-*.json")) for case in json.loads(file.read_text())
]
COMMANDS = sorted(name for name, method in METHODS.items() if method.how == "command")
PATHS = {"nvme": "/dev/nvme0n1", "ata": "/dev/sda", "scsi": "/dev/sdb", "emmc": "/dev/mmcblk0", "block": "/dev/sdc"}


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        assert seconds == answers.LOOK_EVERY
        self.now += 600


def ran(one: dict[str, Any]) -> Ran:
    flags = {name: bool(one.get(name)) for name in ("missing", "timed_out")}
    return Ran(tuple(one["command"].split()), one["status"], one["out"], one["err"], **flags)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['method']}-{case['case']}")
def test_each_answer_is_taken_for_what_it_is(case: dict[str, Any]) -> None:
    command = METHODS[case["method"]].command
    assert command is not None
    replay, clock, told = Replay([ran(one) for one in case["runs"]]), Clock(), []
    path = PATHS.get(case["method"].split("-")[0], "/dev/sda")
    answer = carry_through(
        command(case.get("psid")),
        Facts(path, "any", "any", 33_554_432),
        replay,
        begun=case.get("begun", False),
        told=told.append,
        pause=clock.pause,
        clock=clock,
    )
    assert (answer.state.value, case["says"] in answer.says) == (case["state"], True), answer.says
    assert set(replay.asked) == {tuple(one["command"].split()) for one in case["runs"]}
    assert answer.rehearsal or not case["runs"]
    assert told
    assert told[-1].state is answer.state or answer.state is State.TIMED_OUT


@pytest.mark.parametrize("method", COMMANDS)
def test_every_command_has_its_whole_table(method: str) -> None:
    known = {case["case"] for case in CASES if case["method"] == method}
    assert {"success", "refusal", "frozen", "unsupported", "timeout", "lie"} <= known


def test_every_case_says_where_its_answers_come_from() -> None:
    assert all(case["origin"].startswith(("recorded: QEMU", "written after the format of")) for case in CASES)


def test_a_running_command_is_waited_for_while_it_moves_and_given_up_when_it_does_not() -> None:
    def log(high: int, status: int) -> str:
        return f"0000: 00 {high:02x} {status:02x} 00" + " 00" * 12 + ' "................"\n'

    look = ("nvme", "get-log", "/dev/nvme0", "--log-id=0x81", "--log-len=32")
    moving = [Ran(look, 0, log(step, 2)) for step in range(0, 200, 2)]  # 100 looks, ten minutes apart
    ended = Ran(look, 0, "0000: ff ff 01 01" + " 00" * 12 + ' "................"\n')
    begun = Ran(("nvme", "sanitize", "/dev/nvme0", "--sanact=2"), 0, "")
    command, facts = METHODS["nvme-sanitize-block"].command, Facts("/dev/nvme0n1", "nvme", "nvme", 4096)
    assert command is not None
    for last, expected, hours in ((ended, State.DONE, 16), (moving[-1], State.TIMED_OUT, 17)):
        clock = Clock()
        answer = carry_through(
            command(None),
            facts,
            Replay([begun, *moving, last]),
            begun=False,
            told=lambda one: None,
            pause=clock.pause,
            clock=clock,
        )
        assert (answer.state, int(clock.now // 3600)) == (expected, hours)
