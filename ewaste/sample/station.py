"""A wipe station of the sample: the real agent, as a program of its own, spoken to through its command line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ewaste

PASSPHRASE = "practice-makes-perfect"  # noqa: S105 - as that of the sample accounts: published, training only
LONGEST = 300  # seconds that one command may take on a busy machine
_ROOT = Path(ewaste.__file__).parents[1]


class AgentFailed(RuntimeError):
    """The agent did not do what it was asked. The message is what it said."""


class Station:
    """One station with its folder. Every command may be given twice: the agent goes on where it stood."""

    def __init__(self, folder: Path, operator: str) -> None:
        self.home = folder
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("EWASTE_", "DATABASE_"))},
            "PYTHONPATH": str(_ROOT),
            "WIPE_AGENT_HOME": str(folder),
            "WIPE_AGENT_PASSPHRASE": PASSPHRASE,
            "WIPE_AGENT_OPERATOR": operator,
        }

    @property
    def enrolled(self) -> bool:
        """Whether this folder has been enrolled."""
        return (self.home / "station.json").exists()

    def enrol(self, market: str, code: str, name: str) -> None:
        """Enrol with a centre's one-time code. What an enrolment left that broke off is put away first."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.parent.mkdir(parents=True, exist_ok=True)
        self.run("enrol", "--market", market, "--code", code, "--name", name)

    def fetch(self) -> None:
        """Fetch the centre's orders."""
        self.run("orders")

    def wipe(self, order: str, serial: str, image: Path) -> None:
        """Overwrite an image and read it back."""
        self.run(
            "wipe", "--order", order, "--target", str(image), "--image", "--medium", serial, "--confirm-serial", serial
        )

    def destroyed(self, order: str, serial: str, operator: str, witness: str) -> None:
        """Note that a medium was shredded before two people."""
        how = ("--technique", "shred", "--particle-size-mm", "2", "--operator", operator, "--witness", witness)
        self.run("certify", "--order", order, "--destroyed", serial, *how)

    def certify(self, order: str) -> None:
        """Issue the certificate of an order into the outbox."""
        self.run("certify", "--order", order)

    def sync(self) -> None:
        """Send what is in the outbox. A refusal by the market is an answer, too."""
        self.run("sync", ends_well=(0, _REFUSED))

    def run(self, *arguments: str, ends_well: tuple[int, ...] = (0,)) -> dict[str, Any]:
        """Run one command. Raises `AgentFailed` with what the agent said."""
        done = subprocess.run(
            [sys.executable, "-m", "wipe_agent", arguments[0], "--json", *arguments[1:]],
            env=self._environment,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        if done.returncode not in ends_well:
            said = (done.stderr or done.stdout).strip()[-1_000:]
            raise AgentFailed(f"wipe-agent {arguments[0]} ended with {done.returncode}: {said}")
        try:
            answer: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            return {}
        return answer


# The agent's exit code when the marketplace refused a certificate (docs/wipe-agent.md).
_REFUSED = 34
