"""How far behind the published log is, at fifty certificates a second.

Each certificate is appended in a transaction of its own; the keeper publishes as it does in the worker, and a signer
process signs. Ours is the worst of a run, as how often a second that would be; versus is once a second, which is the
promise. A ratio above one keeps it.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from bench import log_stage
from bench.paired import Result, measure
from ewaste import keeper
from ewaste.core.database import Database
from ewaste.transparency import log
from ewaste.transparency.models import LogCheckpoint, LogEntry, LogLeaf
from ewaste.transparency.signing import Signer
from tests.transparency.stage import ISSUER, ORIGIN, digest

A_SECOND, SECONDS = 50, 3.0
ROOT = Path(__file__).parents[1]


def run(pairs: int) -> Result:
    """Once a second, against the longest that a certificate waited for its checkpoint."""
    with log_stage.database() as database, tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "signer"
        command = [sys.executable, "-m", "ewaste.signer", "serve", "--folder", str(place), "--origin", ORIGIN]
        with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as signer:
            stop = threading.Event()
            publisher = keeper.Publisher(database, Signer(place / "socket"), lambda: datetime.now(UTC))
            at_work = threading.Thread(target=keeper.publish, args=(publisher, stop))
            try:
                if signer.stderr is None or "is ready" not in signer.stderr.readline():
                    raise RuntimeError("the signer did not start")
                at_work.start()
                numbers = itertools.count()
                return measure(
                    "log-publish/second", "1/worst s", lambda: 1 / worst(database, numbers), lambda: 1.0, pairs=pairs
                )
            finally:
                stop.set()
                if at_work.is_alive():
                    at_work.join()
                signer.terminate()


def worst(database: Database, numbers: itertools.count[int]) -> float:
    """Append for three seconds at the given pace; the longest that an entry waited, in seconds."""
    committed: dict[str, datetime] = {}
    began = time.perf_counter()
    for number in range(int(A_SECOND * SECONDS)):
        time.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
        named = digest(next(numbers))
        with database.transaction() as session:
            log.append(session, kind="wipe-certificate", issuer=ISSUER, digest=named, now=datetime.now(UTC))
        committed[named] = datetime.now(UTC)
    if time.perf_counter() - began > SECONDS * 1.2:
        raise RuntimeError(f"this machine did not append {A_SECOND} certificates a second")
    deadline = time.perf_counter() + 10
    while True:
        published = _published(database, committed)
        if len(published) == len(committed):
            return max((published[named] - at).total_seconds() for named, at in committed.items())
        if time.perf_counter() > deadline:
            raise RuntimeError(f"{len(committed) - len(published)} certificates were not published within ten seconds")
        time.sleep(0.05)


def _published(database: Database, named: dict[str, datetime]) -> dict[str, datetime]:
    """When the first checkpoint over each of these was published."""
    first = (
        sa.select(sa.func.min(LogCheckpoint.at)).where(LogCheckpoint.size > LogLeaf.index).correlate(LogLeaf)
    ).scalar_subquery()
    with database.transaction() as session:
        rows = session.execute(
            sa.select(LogEntry.digest, first)
            .join(LogLeaf, LogLeaf.leaf == LogEntry.leaf)
            .where(LogEntry.digest.in_(named), first.isnot(None))
        )
        return {digest: at for digest, at in rows}  # noqa: C416 - rows are not pairs to the type checker
