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
    revoked = "The certificate was revoked on 2026-03-03 12:00 UTC. The reason given: The drive was found unwiped."
    assert f"FAIL  status: {revoked}" in printed


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


def test_the_last_lines_name_the_device_and_who_signed_so_that_another_devices_certificate_is_noticed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, printed = verify(capsys, "valid-witnessed")
    assert printed.splitlines()[-4:] == [
        "Device: Dell Latitude 5400, serial number 8XK2Q13 (LT-7K2F). Compare it with the device in your hand.",
        "Signed by Test Centre North on 2026-03-02 16:05 UTC.",
        "As known on 2026-03-03 12:00 UTC. Whether it was revoked since, only a new look-up can say.",
        "Verifies.",
    ]
    _, printed = verify(capsys, "valid-witnessed", "--json")
    found = json.loads(printed)
    assert found["device"]["serial"] == "8XK2Q13"
    assert (found["issuer"], found["signed"]) == ("Test Centre North", "2026-03-02T16:05:00Z")


def test_of_what_does_not_verify_no_device_and_no_centre_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    _, printed = verify(capsys, "revoked")
    assert "Compare it with" not in printed
    assert "Signed by" not in printed
    assert printed.rstrip().endswith("Does not verify.")
    _, printed = verify(capsys, "revoked", "--json")
    found = json.loads(printed)
    assert (found["device"], found["issuer"], found["signed"]) == (None, None, None)


def test_a_trust_file_that_cannot_be_used_is_told_from_the_bundle(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong = tmp_path / "trust.json"
    wrong.write_text('{"hello":1}')
    for path in (wrong, tmp_path / "missing.json"):
        code = main(["verify", str(VECTORS / "valid-witnessed"), "--trust", str(path)], Terminal)
        said = capsys.readouterr()
        assert code == 2
        assert said.out == ""
        assert "Check the path after --trust. The marketplace publishes its trust file at /trust.json." in said.err
        assert "bundle" not in said.err


def test_what_was_left_out_of_the_command_is_named_with_its_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(tmp_path))
    assert main(["verify", str(VECTORS / "valid-witnessed")], Terminal) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "Next: Give the trust file with --trust FILE. The marketplace publishes its trust file at /trust.json."
    )
    code, printed = verify(capsys, "training-not-asked-for", "--trust", str(VECTORS / "trust-training.json"))
    assert code == 1
    assert printed.splitlines()[-1] == "Next: To check it as a training certificate, run this again with --training."
