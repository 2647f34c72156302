"""What an operator sees on a real terminal: a question stays where it was asked."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from pathlib import Path

from tests.wipe_agent.support import ROOT, World, enrolled, keep, medium, planted_image


def _ask(words: list[str], home: Path, wanted: str, **environment: str) -> str:
    """Run the agent on a terminal until it asks; returns what came until then and in the half second after it."""
    controller, terminal = pty.openpty()
    settings = {"PATH": os.environ["PATH"], "TERM": "xterm", "WIPE_AGENT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    program = subprocess.Popen(
        [sys.executable, "-m", "wipe_agent", *words],
        env=settings | environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    seen = ""
    try:
        while wanted not in seen and select.select([controller], [], [], 30)[0]:
            seen += os.read(controller, 4096).decode(errors="replace")
        while select.select([controller], [], [], 0.5)[0]:
            more = os.read(controller, 4096).decode(errors="replace")
            if not more:
                break
            seen += more
    finally:
        program.kill()
        program.wait()
        os.close(controller)
    return seen


_NEW = "New passphrase of this station, at least 10 characters:"


def test_the_question_for_the_passphrase_stays_on_the_screen(tmp_path: Path) -> None:
    words = ["enrol", "--market", "http://127.0.0.1:9", "--code", "A"]
    seen = _ask(words, tmp_path / "home", _NEW)
    assert seen.rstrip().endswith(_NEW)
    assert "\x1b[2K" not in seen  # Nothing erases a line.


def test_the_question_for_the_serial_stays_on_the_screen(tmp_path: Path) -> None:
    world = World()
    home = enrolled(tmp_path / "home", world)
    world.order(medium("DISK-0001"), code="WO-7")
    keep(home, world)
    image = planted_image(tmp_path / "disk.img")
    words = ["wipe", "--order", "WO-7", "--target", str(image), "--image", "--operator", "Ada"]
    seen = _ask(words, home.path, "Type its serial number:")
    assert seen.rstrip().endswith("Type its serial number:")
    assert "\x1b[2K" not in seen
