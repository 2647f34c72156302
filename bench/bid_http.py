"""How fast bids are acknowledged over HTTP on one lot, against a signed-in page with one primary-key select.

One market as `make run` starts it, one lot, three recyclers on four connections. Each side keeps them busy for a
second and a half. Only acknowledged bids count. After the last pair every acknowledgement is held against the
database: numbers without gaps, each in the hands of the bidder it was given to, none lost, none doubled.
"""

from __future__ import annotations

import http.client
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import sqlalchemy as sa

from bench.paired import Result, measure
from ewaste.accounts.samples import PASSWORD
from ewaste.centres.credentials import Issuers
from ewaste.core import clock
from ewaste.core.database import Database
from ewaste.core.installation import installation
from story.stage import Market, market
from tests.world import World

CONNECTIONS = 4
SECONDS = 1.5
BIDDERS = ("rita@werk.example", "rosa@neu.example", "ravi@kreis.example")
STEP_MINOR = 200_00  # twice the highest increment, so that the next number is high enough


@dataclass
class Connection:
    """One signed-in connection, kept open."""

    port: int
    email: str
    http: http.client.HTTPConnection = field(init=False)
    cookies: dict[str, str] = field(default_factory=dict)
    token: str = ""

    def __post_init__(self) -> None:
        self.http = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        self.token = self._token("/sign-in")
        status, _ = self.post("/sign-in", {"email": self.email, "password": PASSWORD})
        if status not in (302, 303):
            raise RuntimeError(f"{self.email} could not sign in: HTTP {status}")

    def fetch_token(self, page: str) -> None:
        """Read the form token of a page."""
        self.token = self._token(page)

    def get(self, path: str) -> tuple[int, bytes]:
        """Read a page."""
        return self._ask("GET", path, None, {})

    def post(self, path: str, fields: dict[str, str]) -> tuple[int, bytes]:
        """Send a form and ask for JSON."""
        body = urlencode({"csrf_token": self.token, **fields})
        return self._ask(
            "POST", path, body, {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        )

    def _token(self, page: str) -> str:
        found = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', self.get(page)[1])
        if found is None:
            raise RuntimeError(f"{page} has no form token.")
        return found[1].decode()

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> tuple[int, bytes]:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        self.http.request(method, path, body, headers)
        answer = self.http.getresponse()
        content = answer.read()
        for cookie in answer.msg.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer.status, content


def run(pairs: int) -> Result:
    """Acknowledged bids a second against pages a second."""
    with market() as stage:
        lot, organisations = _lot(stage)
        connections = [Connection(stage.port, BIDDERS[number % 3]) for number in range(CONNECTIONS)]
        for connection in connections:
            connection.fetch_token(f"/lots/{lot}")
        amounts = itertools.count(10_000_00, STEP_MINOR)
        acknowledged: list[tuple[int, str, int]] = []

        def bid(connection: Connection) -> bool:
            amount = next(amounts)
            status, content = connection.post(f"/lots/{lot}/bids", {"maximum": f"{amount // 100}", "key": uuid4().hex})
            if status == 201:
                acknowledged.append((json.loads(content)["seq"], connection.email, amount))
            elif status not in (409, 422):
                raise RuntimeError(f"A bid was answered with HTTP {status}: {content[:300]!r}")
            return status == 201

        def look(connection: Connection) -> bool:
            status, content = connection.get("/whoami")
            if status != 200:
                raise RuntimeError(f"The page was answered with HTTP {status}: {content[:300]!r}")
            return True

        _busy(connections, look)  # Once unmeasured, so that both begin warm.
        _busy(connections, bid)
        result = measure(
            "bid-http/page",
            "requests/s",
            lambda: _busy(connections, bid),
            lambda: _busy(connections, look),
            pairs=pairs,
        )
        _check(stage, lot, acknowledged, organisations)
        return result


def _busy(connections: list[Connection], ask: Callable[[Connection], bool]) -> float:
    """Keep every connection busy; what was answered as it should be, a second."""
    counts = [0] * len(connections)
    errors: list[BaseException] = []
    end = time.perf_counter() + SECONDS

    def work(number: int) -> None:
        try:
            while time.perf_counter() < end:
                counts[number] += ask(connections[number])
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            errors.append(error)

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(connections))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(counts) / (time.perf_counter() - began)


def _lot(stage: Market) -> tuple[str, dict[str, str]]:
    """One lot of one laptop, open for two days; and which organisation each bidder acts for."""
    stage.backdate()
    database = Database(stage.database_url("app"), pool_size=2)
    with database.transaction() as session:
        found = installation(session)
    issuers = Issuers.load(stage.folder / "keys", did_host=found.did_host, training=True, founded=found.founded_at)
    world = World(database, issuers, clock.now() - timedelta(days=1))
    lot, _ = world.listed_lot()
    with database.transaction() as session:
        session.execute(sa.text("update organisations set group_name = null"))
    organisations = {email: str(world.actor(email.split("@")[0]).organisation_id) for email in BIDDERS}
    database.close()
    return lot, organisations


def _check(stage: Market, lot: str, acknowledged: list[tuple[int, str, int]], organisations: dict[str, str]) -> None:
    """Every acknowledged bid is there, under its number, once; and nothing else is."""
    engine = sa.create_engine(stage.database_url("app"))
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text(
                "select b.seq, b.bidder_id, b.max_minor from bids b join lots l on l.id = b.lot_id"
                " where l.code = :lot order by b.seq"
            ),
            {"lot": lot},
        ).all()
    engine.dispose()
    stored = [(row.seq, str(row.bidder_id), row.max_minor) for row in rows]
    told = sorted((seq, organisations[email], amount) for seq, email, amount in acknowledged)
    if [seq for seq, _, _ in stored] != list(range(1, len(stored) + 1)):
        raise RuntimeError("the numbers of the bids have gaps")
    if stored != told:
        raise RuntimeError(f"{len(told)} bids were acknowledged and {len(stored)} are stored, or not the same ones")
