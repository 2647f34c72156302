"""What `make interop` asks about is enough, and no answer of its tools passes for more than it is."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from ewaste.sample import plan
from tests.interop import filling
from tests.interop.__main__ import Answers, lines, summary


def answer(name: str, count: int = 3, *, tampered: bool = False, problems: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"name": name, "count": count, "tampered": tampered, "seconds": 0.1, "problems": list(problems)}


def said(*answers: dict[str, Any], code: int = 0, stderr: str = "") -> Answers:
    stdout = "".join(json.dumps(each) + "\n" for each in answers)
    return Answers.of(subprocess.CompletedProcess([], code, stdout, stderr))


def test_the_market_certifies_every_medium_at_every_centre_that_its_plan_has() -> None:
    wiped = [one for one in plan.devices() if one.wiped and one.end not in filling.NEVER_ACCEPTED]
    chosen = filling.planned()
    assert {(one.centre, one.media) for one in chosen} == {(one.centre, one.media) for one in wiped}
    assert {one.centre for one in chosen} == {plan.RHEIN, plan.ELBE, plan.ISAR}
    assert {"destroyed", "free"} == {one.end for one in chosen}
    assert len({one.key for one in chosen}) == len(chosen) == 11


def test_what_was_asked_is_counted_and_told() -> None:
    market = said(answer("certificates verify", 11), answer("tampered certificates are refused", 10, tampered=True))
    vectors = said(answer("inclusion proofs hold", 2_887))
    assert summary(market, vectors) == (
        "Everything held: 2,908 checks in 3 questions; 10 of the checks are that a tampered form is refused"
    )
    assert list(lines("What the market issued", market)) == [
        "What the market issued:",
        "  ✓ certificates verify: 11",
        "  ✓ tampered certificates are refused: 10",
    ]


def test_an_answer_about_nothing_does_not_hold() -> None:
    empty = said(answer("certificates verify", 0))
    assert not empty.held
    assert list(lines("What the market issued", empty))[1:] == [
        "  ✗ certificates verify: 0",
        "      there was none to ask about",
    ]


def test_a_problem_is_told_and_nothing_held() -> None:
    problem = said(
        answer("certificates verify", problems=("003: Invalid signature.",)), answer("work orders verify"), code=1
    )
    assert not problem.held
    assert "      003: Invalid signature." in lines("What the market issued", problem)
    assert summary(problem).startswith("Something did not hold: 6 checks in 2 questions;")


def test_tools_that_broke_off_are_never_taken_for_an_answer() -> None:
    assert not said().held
    assert not said(answer("certificates verify"), code=1).held
    assert said(answer("certificates verify"), stderr="Warning: something in node is new\n").held
    broken = said(answer("certificates verify"), code=1, stderr="Error: the log cannot be read\n")
    assert not broken.held
    assert list(lines("What the market issued", broken))[-1] == "  ✗ the tools broke off: Error: the log cannot be read"
