"""The stage: a whole market of its own, started as `make run` starts it, in temporary folders and on free ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

ROOT = Path(__file__).parents[1]
START_SECONDS = 180
OURS = ("DATABASE_URL", "PORT", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET")


class Agent:
    """The wipe agent as its operator runs it: a program of its own, with its own folder."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ},
            "WIPE_AGENT_HOME": str(home),
            "WIPE_AGENT_PASSPHRASE": "a passphrase for the story only",
            "WIPE_AGENT_OPERATOR": "Olga Brandt",
            "PYTHONPATH": str(ROOT),
        }

    def run(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Run one command with --json. Returns its exit code and what it said."""
        done = subprocess.run(
            [sys.executable, "-m", "wipe_agent", arguments[0], "--json", *arguments[1:]],
            env=self._environment,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            timeout=120,
        )
        try:
            said = json.loads(done.stdout)
        except ValueError:
            said = {"output": (done.stdout + done.stderr).strip()}
        return done.returncode, said


class Market:
    """A running market."""

    def __init__(self, folder: Path, sample: str = "accounts") -> None:
        self.folder = folder
        self.port, practice, mailbox = free_ports(3)
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {
            name: value for name, value in os.environ.items() if name not in OURS and not name.startswith("EWASTE_")
        }
        self.environment = environment | {
            "PORT": str(self.port),
            "PRACTICE_PORT": str(practice),
            "PRACTICE_MAIL_PORT": str(mailbox),
            "EWASTE_SAMPLE": sample,
            "EWASTE_DATA": str(folder),
            "EWASTE_MODE": "training",
        }
        self._log = (folder / "market.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ewaste.run"],
            env=self.environment,
            cwd=ROOT,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait(self) -> None:
        """Wait until the pages answer. Raises `RuntimeError` with the market's own words when they do not."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(self.url + "/readyz", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)
        raise RuntimeError("The market did not start:\n" + self.log())

    def log(self) -> str:
        """What the market printed."""
        return (self.folder / "market.log").read_text(errors="replace")[-4000:]

    def database_url(self, role: str) -> str:
        """The embedded database of this market: as the app role, or as the superuser who may do anything."""
        from ewaste.core import embedded

        server = embedded.start(self.folder)  # It runs, so this joins it.
        return server.app_url if role == "app" else server.url(role="postgres")

    def backdate(self) -> None:
        """Let the centres have been accredited for a month, so that devices can have a past here."""
        engine = sa.create_engine(self.database_url("superuser"))
        with engine.begin() as connection:
            connection.execute(sa.text("update centres set accredited_from = accredited_from - interval '30 days'"))
        engine.dispose()

    def stop(self) -> None:
        """Stop everything, as Ctrl-C does."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()


@contextmanager
def market(sample: str = "accounts") -> Iterator[Market]:
    """A market for as long as the block lasts; its folder goes with it. `sample` is what it is filled with."""
    with tempfile.TemporaryDirectory(prefix="ewaste-story-") as folder:
        running = Market(Path(folder), sample)
        try:
            running.wait()
            yield running
        finally:
            running.stop()
            from ewaste.core import embedded

            embedded.forget(Path(folder))


def free_ports(count: int) -> list[int]:
    """Ports on the loopback address that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports
