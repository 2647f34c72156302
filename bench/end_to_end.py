"""From a drive to a certificate that verifies, against nwipe wiping the same drive with zeros and verifying it.

Ours are two commands as an operator gives them, each a process of its own: `wipe` (a look before, marks of the control,
the overwrite, everything read back and searched) and `certify`. nwipe is one: zeros, then its check of the last pass.
Both are timed from their start to their end, so the second that nwipe waits at its end counts; 1 GiB takes many. What
either finds on the drive is what the other left there: zeros.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.loops import loop, nwipe
from bench.paired import Result, measure
from tests.wipe_agent.support import PASSPHRASE, World, enrolled, keep, medium
from wipe_agent.certificate import Bundle, Trust, canonical, verify

MEBIBYTES = 1024
SERIAL = "LOOP-1"


def run(pairs: int, *, folder: Path | None = None, mebibytes: int = MEBIBYTES) -> Result:
    """Drives an hour: of the agent with its certificate, and of nwipe with its check."""
    with tempfile.TemporaryDirectory(dir=folder) as place, loop(mebibytes, folder) as device:
        world = World()
        kept = enrolled(Path(place) / "kept", world)
        world.order(medium(SERIAL, kind="hdd"))
        keep(kept, world)
        return measure(
            "end-to-end/nwipe",
            "drives/h",
            lambda: 3600 / _agent(device, kept.path, world),
            lambda: 3600 / nwipe(device, "--method=zero", "--verify=last")[1],
            pairs=pairs,
        )


def _agent(device: Path, kept: Path, world: World) -> float:
    with tempfile.TemporaryDirectory(dir=kept.parent) as place:
        home = Path(place) / "home"
        shutil.copytree(kept, home)
        began = time.perf_counter()
        named = ["--order", "WO-1", "--target", str(device), "--confirm-serial", SERIAL, "--operator", "Ada"]
        _command(home, "wipe", *named)
        _command(home, "certify", "--order", "WO-1")
        took = time.perf_counter() - began
        bundle = next(path for path in (home / "outbox").iterdir() if not path.name.startswith("."))
        trust = Trust.parse(canonical(world.trust()))
        report = verify(Bundle.load(bundle), trust, at=datetime.now(UTC), training=True)
        if not report.ok:
            raise RuntimeError(f"what it issued does not verify: {report.refusal}")
    return took


def _command(home: Path, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wipe_agent", *words],
        env={**os.environ, "WIPE_AGENT_HOME": str(home), "WIPE_AGENT_PASSPHRASE": PASSPHRASE},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr}")
