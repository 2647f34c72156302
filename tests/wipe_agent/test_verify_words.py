"""`wipe-agent verify` in words: what holds, what to know, what fails, and the exit code that scripts go by."""

import json
from pathlib import Path

import pytest

from wipe_agent.cli import main
from wipe_agent.screen import Terminal

VECTORS = Path(__file__).parents[1] / "vectors"


def verify(capsys: pytest.CaptureFixture[str], name: str, *more: str) -> tuple[int, str]:
    """Exit code and what was printed."""
    words = ["verify", str(VECTORS / name), "--trust", str(VECTORS / "trust-log.json"), "--at", "2026-03-03T12:00:00Z"]
    code = main([*words, *more], Terminal)
    return code, capsys.readouterr().out


def test_what_is_in_the_log_and_stands_verifies_without_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = verify(capsys, "valid-witnessed", "--strict")
    assert code == 0
    assert "ok    log: It is in the log, seen by 2 witnesses on 2026-03-02 17:10 UTC." in printed
    assert "note" not in printed
    assert printed.rstrip().endswith("Verifies.")


def test_a_caution_is_a_note_and_fails_only_when_asked_strictly(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = verify(capsys, "valid-late-witnessed")
    assert code == 0
    assert "note  log: Late-witnessed: it is dated 2026-03-02 16:05 UTC" in printed
    assert printed.rstrip().endswith("Verifies, with 1 thing to know, marked note above.")
    code, printed = verify(capsys, "valid-not-in-the-log-yet", "--strict")
    assert code == 1
    assert printed.rstrip().endswith(
        "Does not verify: 2 things to know, marked note above, and with --strict that is not enough."
    )


def test_what_was_revoked_fails_with_the_day_and_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = verify(capsys, "revoked")
    assert code == 1
    assert (
        "FAIL  status: The certificate was revoked on 2026-03-03 12:00 UTC. The reason given: The drive was found unwiped."
        in printed
    )


def test_a_program_is_told_by_a_code_what_was_revoked_or_seen_late(capsys: pytest.CaptureFixture[str]) -> None:
    for name, code in (("valid-late-witnessed", ("log", "late")), ("key-retired-before", ("status", "revoked"))):
        _, printed = verify(capsys, name, "--json")
        found = json.loads(printed)["checks"]
        assert [(check["name"], check["code"]) for check in found if check["code"]] == [code], name


def test_a_program_reads_the_level_of_each_check(capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = verify(capsys, "valid-without-lists", "--json")
    found = json.loads(printed)
    assert (code, found["ok"], found["refusal"], found["cautions"]) == (0, True, None, 1)
    levels = {check["name"]: check["level"] for check in found["checks"]}
    assert (levels["log"], levels["status"]) == ("holds", "caution")
    assert {check["code"] for check in found["checks"]} == {None}
    code, printed = verify(capsys, "valid-without-lists", "--json", "--strict")
    found = json.loads(printed)
    assert (code, found["ok"]) == (1, False)
    assert found["refusal"].startswith("No status list of the certificate is here")
