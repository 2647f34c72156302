"""What runs inside the guest: the agent's own commands on the guest's own disks, each answer noted as JSON.

Started as `python -m tests.machines.inside STEPS.json ANSWERS.json`. A step is a list of words of the command line;
TARGET:SERIAL stands for the path of the disk with that serial, because names come in the order of probing.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any, Self

from wipe_agent import media
from wipe_agent.cli import main


class Quiet:
    """A screen that shows nothing and asks nobody."""

    def __init__(self, *, quiet: bool) -> None:
        self.quiet = quiet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def step(self, name: str, size: int) -> None:
        """Nobody looks."""

    def at(self, done: int) -> None:
        """Nobody looks."""

    def note(self, text: str) -> None:
        """Nobody looks."""

    def ask(self, question: str) -> str:
        """Nobody is here."""
        raise EOFError(question)


def run(steps: list[list[str]]) -> list[dict[str, Any]]:
    """Carry the steps out in order. Each answer has the words, the exit code, the seconds and what was printed."""
    paths = {drive.identity.serial: drive.path for drive in media.list_drives()}
    answers = []
    for words in steps:
        told = [paths.get(one[7:], one) if one.startswith("TARGET:") else one for one in words]
        printed, began = io.StringIO(), time.monotonic()
        with contextlib.redirect_stdout(printed):
            code = main([*told, "--json"], Quiet)
        try:
            said = json.loads(printed.getvalue())
        except ValueError:
            said = {"text": printed.getvalue()}
        answers.append({"words": words, "code": code, "seconds": round(time.monotonic() - began, 1), "said": said})
    return answers


if __name__ == "__main__":
    _, asked, answered = sys.argv
    Path(answered).write_text(json.dumps(run(json.loads(Path(asked).read_text())), indent=1))
