"""What a training market is filled with before a stranger takes out what it issued, and what is revoked there.

One device of each kind of case in the plan of the sample market: the same centre, media and way are there once. They
go through the journey, the real agent wipes and certifies them, and its stations hand the certificates in over the
market's API. The whole sample market has nineteen certificates more, of the same centres and media.
"""

from __future__ import annotations

import dataclasses
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from ewaste.accounts.samples import PASSWORD
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.payments.stripe_gateway import open_gateway
from ewaste.sample import plan
from ewaste.sample.__main__ import fill
from ewaste.sample.station import Station
from ewaste.transparency import log
from story.browser import Visitor
from story.stage import Market
from wipe_agent.certificate import digest_multibase

NEVER_ACCEPTED = frozenset({"half", "suspended"})
DESK = "stefan@clearhand.example"
REASON = "The drive was read again, and the outcome of the wipe cannot be confirmed."
# Some more than a whole tile of 256: so the log that is looked at has a whole tile, and one of the second level.
LEAVES_BEFORE = 300
PUBLISH_SECONDS = 60
WAITING = """
select (select count(*) from log_entries) - coalesce((select max(size) from log_checkpoints), 0)
"""


def planned() -> list[plan.Planned]:
    """One device for each centre, its media, and whether it is destroyed. Each stays at its centre once certified."""
    chosen: dict[tuple[str, tuple[str, ...], bool], plan.Planned] = {}
    for one in plan.devices():
        if one.wiped and one.end not in NEVER_ACCEPTED:
            destroyed = one.end == "destroyed"
            there = one if destroyed else dataclasses.replace(one, end="free")
            chosen.setdefault((one.centre, one.media, destroyed), there)
    return list(chosen.values())


def fill_market(stage: Market) -> None:
    """Fill a market that has its accounts only, and let every station cosign the log as it then is."""
    environment = stage.environment | {"DATABASE_URL": stage.database_url("app"), "EWASTE_SAMPLE": "full"}
    config = Config.from_env(environment)
    database = Database(config.require_database_url(), pool_size=6)
    try:
        digests = [digest_multibase({"interop": number}) for number in range(LEAVES_BEFORE)]
        with database.transaction() as session:
            leaves = [("wipe-started", "did:web:nobody.example", digest) for digest in digests]
            log.append_all(session, leaves, now=datetime.now(UTC))
        fill(
            database,
            config,
            planned(),
            gateway=open_gateway(config),
            market_url=stage.url,
            say=lambda _: None,
        )
    finally:
        database.close()
    wait_until_published(stage)
    stations = sorted((config.data / "sample" / "stations").iterdir())
    with ThreadPoolExecutor(len(stations)) as pool:
        list(pool.map(_cosign, stations))


def wait_until_published(stage: Market) -> None:
    """Wait until a checkpoint covers all that was appended. Raises `RuntimeError` with the market's words."""
    engine = sa.create_engine(stage.database_url("app"))
    deadline = time.monotonic() + PUBLISH_SECONDS
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            while connection.scalar(sa.text(WAITING)):
                if time.monotonic() > deadline:
                    raise RuntimeError("The log was not published in time.\n" + stage.log())
                time.sleep(0.1)
    finally:
        engine.dispose()


def revoke(stage: Market, certificates: list[UUID]) -> None:
    """Revoke certificates as the desk does."""
    with Visitor(stage.url) as desk:
        desk.sign_in(DESK, PASSWORD)
        for certificate in certificates:
            desk.send(f"/staff/certificates/{certificate}/revoke", "/revoke", {"reason": REASON})
    wait_until_published(stage)


def _cosign(home: Path) -> None:
    """At a sync, a station checks that the log only grew, and signs its newest checkpoint."""
    Station(home, "Olga Brandt").sync()
