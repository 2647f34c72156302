"""How fast a random stream gets onto a drive: the agent's AES-256-CTR against nwipe's own generator (its default).

Both write the same loop device in turn and sync it. Of nwipe only the pass counts, by its own log: neither its start
nor the second that it waits at its end. Ours does its whole job meanwhile, with a journal line at each checkpoint.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from bench.loops import loop, nwipe
from bench.paired import Result, measure
from wipe_agent import methods
from wipe_agent.journal import Journal
from wipe_agent.media import open_target

MEBIBYTES = 1024


def run(pairs: int, *, folder: Path | None = None, mebibytes: int = MEBIBYTES) -> Result:
    """MB/s of the agent against MB/s of nwipe, on a loop device over a file in `folder`."""
    megabytes = mebibytes * 1024 * 1024 / 1e6
    with loop(mebibytes, folder) as device:
        return measure(
            "wipe-random/nwipe",
            "MB/s",
            lambda: megabytes / _agent(device),
            lambda: megabytes / nwipe(device, "--method=random", "--verify=off")[0],
            pairs=pairs,
        )


def _agent(device: Path) -> float:
    with tempfile.TemporaryDirectory() as place, Journal.open(Path(place) / "journal") as book:
        began = time.perf_counter()
        with open_target(device, image=False) as target:
            methods.overwrite_with(
                target,
                methods.new_stream(),
                methods.Outcome(0, 0),
                checkpoint=lambda so_far: book.append("progress", **asdict(so_far)),
                progress=lambda done: None,
            )
        return time.perf_counter() - began
