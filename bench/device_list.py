"""A centre's bench with five thousand devices, fifty a page, against the trivial page of the same site, both over HTTP.

Both pages want somebody signed in. The trivial one (`/whoami`) looks up who that is; the bench counts the devices in
each state, finds the fifty most pressing with what decides their next step, and draws them. The market runs as
`make run` starts it. Each page is checked once to hold what it should.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from bench.bid_http import CONNECTIONS, Connection, _busy
from bench.paired import Result, measure
from ewaste.centres.credentials import Issuers
from ewaste.core import clock
from ewaste.core.database import Database
from ewaste.core.installation import installation
from story.stage import Market, market
from tests.bulk import multiply
from tests.world import World

DEVICES = 5_000
ROWS = 50
OPERATOR = "olga@rhein.example"


def run(pairs: int) -> Result:
    """Bench pages a second against trivial pages a second."""
    with market() as stage:
        _furnish(stage)
        connections = [Connection(stage.port, OPERATOR) for _ in range(CONNECTIONS)]
        _check(connections[0])

        def see(path: str) -> float:
            return _busy(connections, lambda connection: _ok(connection, path))

        see("/whoami")  # Once unmeasured, so that both begin warm.
        see("/bench")
        return measure("device-list/page", "requests/s", lambda: see("/bench"), lambda: see("/whoami"), pairs=pairs)


def _ok(connection: Connection, path: str) -> bool:
    status, content = connection.get(path)
    if status != 200:
        raise RuntimeError(f"{path} was answered with HTTP {status}: {content[:300]!r}")
    return True


def _check(connection: Connection) -> None:
    _, content = connection.get("/bench")
    shown = content.count(b"/bench/devices/D-")
    if shown < ROWS:
        raise RuntimeError(f"The bench shows {shown} devices, not {ROWS}.")


def _furnish(stage: Market) -> None:
    """Ten devices at the different places of a bench, each five hundred times."""
    stage.backdate()
    database = Database(stage.database_url("app"), pool_size=2)
    with database.transaction() as session:
        found = installation(session)
    issuers = Issuers.load(stage.folder / "keys", did_host=found.did_host, training=True, founded=found.founded_at)
    world = World(database, issuers, clock.now() - timedelta(days=2))
    world.expected(serial="PF1LIST00")
    world.expected(serial="PF1LIST01")
    world.received(serial="PF1LIST02")
    world.with_media(serial="PF1LIST03", serials=("LIST-3",))
    world.inspected(serial="PF1LIST04", serials=("LIST-4",))
    world.clearing(serial="PF1LIST05", serials=("LIST-5", "LIST-5B"))
    world.ordered(serial="PF1LIST06", serials=("LIST-6",))
    for number in (7, 8, 9):
        world.cleared(serial=f"PF1LIST0{number}", serials=(f"LIST-{number}",))
    database.close()
    engine = sa.create_engine(stage.database_url("superuser"))
    with engine.begin() as connection:
        made = connection.scalar(sa.text("select count(*) from devices"))
        multiply(connection, DEVICES // made - 1)
        total = connection.scalar(sa.text("select count(*) from devices"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("vacuum analyze"))
    engine.dispose()
    if total != DEVICES:
        raise RuntimeError(f"There are {total} devices, not {DEVICES}.")
