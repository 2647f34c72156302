"""The restore drill: a market at work, a backup in the middle, everything killed and deleted, a restore, and a look at
what was promised. `make drill` prints it; `test_restore_drill.py` requires it.

The load is real steps. People ask for quotes over HTTP. Devices go from quote to clearing, with certificates that a
station signed and payouts that the worker sends. Firms bid against each other on a lot. Whatever was acknowledged is
written down with its kind, and what was written down before the backup began has to be there afterwards.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import sqlalchemy as sa

from ewaste.centres.credentials import Issuers
from ewaste.core import embedded
from ewaste.core.database import Database
from ewaste.core.installation import installation
from ewaste.core.refusals import Conflict, Invalid
from story.stage import ROOT, Market
from tests.world import GOOD_ANSWERS, LAPTOP, StationKey, World

BEFORE = {"quote": 3, "cleared": 3, "bid": 6}  # what must have been acknowledged before the backup begins
PATIENCE = 120.0  # seconds until a market that does no work ends the drill
PAST = timedelta(days=10)
THERE = {
    "quote": "select count(*) from quotes where code = any(:ids)",
    "cleared": "select count(distinct c.device_id) from clearances c join certificates z on z.id = c.certificate_id"
    " where c.device_id::text = any(:ids)",
    "bid": "select count(*) from bids where id::text = any(:ids)",
}


@dataclass
class Claim:
    """One thing that was promised, and whether it held."""

    words: str
    holds: bool
    seconds: float


@dataclass
class Outcome:
    """What the drill found."""

    claims: list[Claim] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether all of it held."""
        return bool(self.claims) and all(claim.holds for claim in self.claims)


@dataclass
class Load:
    """Threads at work on a market, and what was acknowledged to them."""

    market: Market
    acknowledged: list[tuple[str, str]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    _stations: dict[UUID, StationKey] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def start(self) -> None:
        """Set everybody to work."""
        self._database = Database(self.market.database_url("app"), pool_size=12)
        lot = self._lot()
        for number, work in enumerate((self._quotes, self._devices, self._devices, lambda _: self._bids(lot))):
            thread = threading.Thread(target=self._run, args=(work, number), name=f"load {number}")
            thread.start()
            self._threads.append(thread)

    def wait_for(self, wanted: dict[str, int]) -> bool:
        """Wait until so much was acknowledged. False when somebody broke off or it takes too long."""
        with self._changed:
            enough = self._changed.wait_for(lambda: bool(self.broken) or self._enough(wanted), PATIENCE)
            return enough and not self.broken

    def so_far(self) -> list[tuple[str, str]]:
        """What was acknowledged up to now."""
        with self._changed:
            return list(self.acknowledged)

    def stop(self) -> None:
        """Let everybody finish what they are at."""
        self.over.set()
        for thread in self._threads:
            thread.join()
        self._database.close()

    def _enough(self, wanted: dict[str, int]) -> bool:
        done = Counter(kind for kind, _ in self.acknowledged)
        return all(done[kind] >= count for kind, count in wanted.items())

    def _note(self, kind: str, name: object) -> None:
        with self._changed:
            self.acknowledged.append((kind, str(name)))
            self._changed.notify_all()

    def _run(self, work: Callable[[int], None], number: int) -> None:
        try:
            work(number)
        except Exception as error:  # noqa: BLE001 - whatever it is, the drill says so
            with self._changed:
                self.broken.append(f"{type(error).__name__}: {error}")
                self._changed.notify_all()

    def _world(self) -> World:
        with self._database.transaction() as session:
            found = installation(session)
        keys = Issuers.load(
            self.market.folder / "keys", did_host=found.did_host, training=True, founded=found.founded_at
        )
        return World(self._database, keys, datetime.now(UTC) - PAST, stations=self._stations)

    def _quotes(self, _number: int) -> None:
        """A stranger asks for prices, as fast as the site answers; a limit's 429 is an answer too."""
        form = {**GOOD_ANSWERS, "storage_gb": "256"}
        with httpx.Client(base_url=self.market.url, trust_env=False, timeout=30) as browser:
            while not self.over.is_set():
                page = browser.get(f"/quote/{LAPTOP}").text
                token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
                answer = browser.post(f"/quote/{LAPTOP}", data={**form, "csrf_token": token})
                if answer.status_code == 303:
                    self._note("quote", answer.headers["Location"].rpartition("/")[2])
                elif answer.status_code == 429:
                    self.over.wait(0.5)
                else:
                    raise AssertionError(f"a quote was answered with {answer.status_code}")

    def _devices(self, number: int) -> None:
        """Devices go from their quote to a clearance that stands on a certificate."""
        world, base, count = self._world(), datetime.now(UTC) - PAST, 0
        while not self.over.is_set():
            count += 1
            world.now = base + timedelta(minutes=count)
            self._note("cleared", world.cleared(serial=f"PF{number}{count:05d}", serials=(f"D-{number}-{count}",)))

    def _lot(self) -> str:
        world = self._world()
        # Here the one station of the centre is enrolled, with which everybody then works.
        devices: list[UUID] = [world.cleared(serial="PFLOT01", serials=("D-LOT-1",))]
        world.now = datetime.now(UTC)
        return world.lot_of(devices)

    def _bids(self, lot: str) -> None:
        """Two firms outbid each other."""
        world, euros = self._world(), 20
        while not self.over.is_set():
            for who in ("rita", "rosa"):
                euros += 7
                world.now = datetime.now(UTC)
                try:
                    placed = world.bid(who, lot, euros)
                except (Conflict, Invalid):  # the price had moved on; nothing was acknowledged
                    continue
                self._note("bid", placed.id)


def drill(say: Callable[[str], object] = print) -> Outcome:
    """Play it, in a temporary folder and on free ports; say each claim as it is settled."""
    outcome = Outcome()

    def claim(words: str, holds: bool, began: float) -> None:
        outcome.claims.append(Claim(words, holds, time.monotonic() - began))
        say(f"{'ok   ' if holds else 'FAILS'} {time.monotonic() - began:6.1f} s  {words}")

    with tempfile.TemporaryDirectory(prefix="ewaste-drill-") as place:
        data, kept = Path(place) / "data", Path(place) / "backup"
        data.mkdir()
        try:
            _play(data, kept, claim)
        finally:
            embedded.forget(data)
    return outcome


def _play(data: Path, kept: Path, claim: Callable[[str, bool, float], None]) -> None:
    began = time.monotonic()
    market = Market(data)
    load = Load(market)
    try:
        market.wait()
        load.start()
        ready = load.wait_for(BEFORE)
        claim(f"a market is at work: {_counted(load.so_far())} {' '.join(load.broken)}", ready, began)
        before = load.so_far()
        began = time.monotonic()
        done = _ewaste(market, "backup", str(kept))
        said = done.stderr if done.returncode else done.stdout
        claim("a backup was made meanwhile: " + " ".join(said.split()), done.returncode == 0, began)
        during = len(load.so_far()) - len(before)
        broken = " ".join(load.broken) or "nobody was refused"
        claim(f"{during} more steps were acknowledged while it ran; {broken}", not load.broken, began)
    finally:
        load.stop()
        _lose(market, data)
    claim("everything was killed, and the data folder is gone", not data.exists(), began)

    began = time.monotonic()
    data.mkdir()
    done = _ewaste(market, "restore", str(kept))
    claim(f"the backup was restored, ledger, custody and certificates hold: {_last(done)}", done.returncode == 0, began)

    began = time.monotonic()
    again = Market(data)
    try:
        again.wait()
        claim("the market answers again", True, began)
        engine = sa.create_engine(again.database_url("app"))
        with engine.connect() as connection:
            for kind, statement in THERE.items():
                ids = sorted({name for what, name in before if what == kind})
                there = connection.scalar(sa.text(statement), {"ids": ids})
                words = f"{there} of {len(ids)} acknowledged before the backup began are there: {kind}"
                claim(words, there == len(ids) > 0, began)
        engine.dispose()
        began = time.monotonic()
        done = _ewaste(again, "audit")
        claim(f"audited once more beside the running market: {_last(done)}", done.returncode == 0, began)
        done = _ewaste(again, "doctor")
        claim(f"the doctor finds nothing wrong: {_last(done)}", done.returncode == 0, began)
    finally:
        again.stop()


def _lose(market: Market, data: Path) -> None:
    """Kill everything without ceremony, and delete the folder. The kernel takes the rest along."""
    home = Path(data / "postgres")
    pid = int((home / "data" / "postmaster.pid").read_text().splitlines()[0]) if home.exists() else None
    market._process.send_signal(signal.SIGKILL)
    market._process.wait()
    if pid is not None:
        # SIGQUIT is PostgreSQL's own crash: it writes nothing more. SIGKILL would leave shared memory to the machine.
        try:
            os.kill(pid, signal.SIGQUIT)
            while True:
                os.kill(pid, 0)
                time.sleep(0.02)
        except ProcessLookupError:
            pass
    market._log.close()
    shutil.rmtree(data)


def _ewaste(market: Market, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ewaste", *arguments],
        env=market.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


def _counted(acknowledged: list[tuple[str, str]]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(Counter(kind for kind, _ in acknowledged).items()))


def _last(done: subprocess.CompletedProcess[str]) -> str:
    said = [line for line in done.stdout.splitlines() if "hold" in line or "mended" in line or "should be" in line]
    wrong = [line for line in done.stderr.splitlines() if line]
    return " ".join([*said[-1:], *(wrong[:5] if done.returncode else [])])


def main() -> int:
    """Exit code 0 when every claim holds."""
    outcome = drill(lambda words: print(words, flush=True))
    print("\nThe drill holds." if outcome.holds else "\nThe drill does NOT hold.")
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
