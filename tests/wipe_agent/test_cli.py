"""The command line: every error says what to do next, every command and exit code stands in the manual."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import PASSPHRASE, ROOT, agent
from wipe_agent import errors
from wipe_agent.cli import main, parser
from wipe_agent.screen import Terminal, progress_line

MANUAL = (ROOT / "docs/wipe-agent.md").read_text()


def commands() -> dict[str, argparse.ArgumentParser]:
    action = next(one for one in parser()._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


def test_every_kind_of_error_has_its_own_exit_code() -> None:
    codes = [kind.exit_code for kind in errors.kinds()]
    assert len(set(codes)) == len(codes)
    assert errors.AgentError.exit_code not in codes
    assert 0 not in codes
    assert all(kind.next_step.endswith(("...", ".", "--help", "CODE", "orders")) for kind in errors.kinds())


def test_the_name_of_a_file_does_not_drive_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "\x1b[2J\u202e\udc9b.zip"
    for words in (["verify", str(path)], ["verify", str(path), "--json"]):
        assert main(words, Terminal) == errors.Unreadable.exit_code
        said = capsys.readouterr()
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\udc9b]", said.out + said.err)
        assert r"\x1b[2J\u202e\udc9b.zip" in said.err.replace("\\\\", "\\")
    assert json.loads(said.out)["error"]["kind"] == "Unreadable"


def test_the_manual_lists_exactly_these_exit_codes() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", MANUAL, re.MULTILINE)}
    assert listed == {0, errors.AgentError.exit_code, *(kind.exit_code for kind in errors.kinds())}
    for kind in errors.kinds():
        assert re.search(rf"^\| {kind.exit_code} \| `{kind.__name__}` \|", MANUAL, re.MULTILINE), kind.__name__


def test_the_manual_names_every_command_and_option() -> None:
    for name, command in commands().items():
        assert f"## {name}" in MANUAL or f"`{name}" in MANUAL
        for action in command._actions:
            for option in action.option_strings:
                assert option in ("-h", "--help") or option in MANUAL, f"{name} {option}"


def test_every_command_takes_json(tmp_path: Path) -> None:
    assert set(commands()) == {
        *(
            "enrol",
            "pin",
            "media",
            "plan",
            "orders",
            "wipe",
            "map",
            "phones",
            "reset",
            "stand",
            "bench",
            "certify",
            "sync",
        ),
        *("verify", "report", "summary", "labels", "doctor", "status", "check", "import-snapshot"),
        *("thaw", "witness", "monitor", "issued"),
        "import-erasure",
    }
    for command in commands().values():
        assert any("--json" in action.option_strings for action in command._actions)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], errors.BadUsage),
        (["polish"], errors.BadUsage),
        (["wipe", "--order", "WO-1"], errors.BadUsage),
        (["orders"], errors.NotEnrolled),
        (["wipe", "--order", "WO-1", "--target", "/dev/null"], errors.NotEnrolled),
        (["certify", "--order", "WO-1"], errors.NotEnrolled),
        (["sync"], errors.NotEnrolled),
        (["verify", "/nowhere"], errors.Unreadable),
        (["verify", ".", "--at", "yesterday"], errors.BadUsage),
        (["media", "--image", "/nowhere"], errors.NotADrive),
    ],
)
def test_an_error_has_its_code_and_says_what_to_do(
    words: list[str], error: type[errors.AgentError], tmp_path: Path
) -> None:
    done = agent(*words, "--json", home=tmp_path / "home")
    assert done.returncode == error.exit_code, done.stderr
    said = json.loads(done.stdout)["error"]
    assert (said["kind"], said["exit_code"]) == (error.__name__, error.exit_code)
    assert said["next"]
    assert "Traceback" not in done.stderr


def test_where_nobody_can_type_the_serial_must_be_given(station: Station) -> None:
    done = agent("wipe", "--order", "WO-1", "--target", str(station.image), "--image", home=station.home.path)
    assert done.returncode == errors.WrongSerial.exit_code
    assert "--confirm-serial" in done.stderr


def test_the_result_is_one_json_object_and_progress_goes_elsewhere(station: Station) -> None:
    words = ["wipe", "--order", "WO-1", "--target", str(station.image), "--image", "--confirm-serial", SERIAL]
    done = agent(*words, "--json", home=station.home.path)
    assert json.loads(done.stdout)["serial"] == SERIAL
    assert done.stderr == ""
    done = agent("orders", "--offline", "--json", home=station.home.path)
    assert json.loads(done.stdout)["orders"][0]["media"][0]["state"] == "wiped and read back"


def test_a_second_wipe_says_when_the_first_was_and_that_it_did_not_look_again(station: Station) -> None:
    read_back = station.wipe().after["at"]
    words = ["wipe", "--order", "WO-1", "--target", str(station.image), "--image", "--confirm-serial", SERIAL]
    said = agent(*words, home=station.home.path, check=True).stdout
    assert f"wiped already and read back at {read_back[:16].replace('T', ' ')} UTC" in said
    assert "not looked at again" in said
    assert "--start-over" in said


@pytest.mark.parametrize("kind", ["endless", "pipe", "large", "circle", "folder"])
def test_a_trust_file_that_never_ends_is_refused_in_a_sentence(station: Station, tmp_path: Path, kind: str) -> None:
    place = tmp_path / kind
    if kind == "endless":
        place = Path("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "large":
        place.touch()
        os.truncate(place, 2 << 30)
    elif kind == "circle":
        place.symlink_to(place)
    else:
        place.mkdir()
    station.wipe()
    bundle = station.certify().bundle
    done = agent("verify", str(bundle), "--trust", str(place), "--training", home=station.home.path)
    assert done.returncode == errors.Unreadable.exit_code
    assert done.stderr.startswith(f"The trust file {place} ")
    assert "Traceback" not in done.stderr


def test_a_wrong_passphrase_has_its_own_answer(station: Station) -> None:
    done = agent("sync", home=station.home.path, WIPE_AGENT_PASSPHRASE=PASSPHRASE + "!")
    assert done.returncode == errors.WrongPassphrase.exit_code


def test_without_a_terminal_progress_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with Terminal(quiet=False) as screen:
        screen.step("overwriting with zeros", 100)
        screen.at(50)
    assert capsys.readouterr().err == "overwriting with zeros ...\n"
    assert progress_line("x", 50_000_000, 100_000_000, 1.0) == "x: 50.0 %, 50 MB/s, about 0 min left (estimate)"
    assert progress_line("x", 0, 0, 0.0).startswith("x: 100.0 %")


def test_the_agent_needs_nothing_of_the_marketplace() -> None:
    program = (
        "import sys, wipe_agent.__main__; print(sorted(m for m in sys.modules if m.split('.')[0] in sys.argv[1:]))"
    )
    done = agent("flask", "sqlalchemy", "stripe", "ewaste", home=Path("/"), program=[sys.executable, "-c", program])
    assert done.stdout.strip() == "[]"


def test_the_operator_is_a_person_and_never_the_name_of_the_machines_user(station: Station) -> None:
    words = ["wipe", "--order", "WO-1", "--target", str(station.image), "--image", "--confirm-serial", SERIAL]
    before = station.image.read_bytes()
    done = agent(*words, home=station.home.path, WIPE_AGENT_OPERATOR="")
    assert done.returncode == errors.BadUsage.exit_code
    assert "Nobody said who works here." in done.stderr
    assert "WIPE_AGENT_OPERATOR" in done.stderr
    assert station.image.read_bytes() == before
    assert not station.journal().exists()
