"""Upgrading a market of the first release while it works: nothing is lost, waiting is short, every revision is whole.

`market_0001.json` holds every row of a small market as the first release wrote it, made by that release's own steps: a
lot that was sold and paid, one that is open, a device on hold, a refused certificate. Its keys are made again from
their names. The load writes with the first release's own statements, before, during and after: a revision that broke
them would break a process that still runs while the database is ahead of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.centres.credentials import ACCREDITOR_NAME, MARKET_NAME, Issuer, Issuers
from ewaste.core import embedded
from ewaste.core.database import Database
from ewaste.migrations import revisions, upgrade
from ewaste.migrations.upgrade import migrate
from ewaste.views import audit
from tests.world import DID_HOST

ROWS: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "market_0001.json").read_text())
FOUNDED = datetime(2026, 11, 20, 9, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 9, tzinfo=UTC)
# What no revision may touch in what the first release wrote.
HISTORY = ("bids", "certificates", "custody_events", "entries", "medium_events", "postings", "quotes")


def issuers() -> Issuers:
    def key(name: str) -> Ed25519PrivateKey:
        seed = hashlib.sha256(f"a market at revision 0001: {name}".encode()).digest()
        return Ed25519PrivateKey.from_private_bytes(seed)

    accreditor = Issuer(f"did:web:{DID_HOST}:accreditation", ACCREDITOR_NAME, key("accreditor"))
    return Issuers(accreditor, Issuer(f"did:web:{DID_HOST}", MARKET_NAME, key("market")), DID_HOST, True, FOUNDED)


@dataclass
class Old:
    """A market of the first release."""

    cluster: embedded.Server
    name: str

    def migrate(self, **more: Any) -> str:
        return migrate(
            *(self.cluster.url(self.name),),
            **{"app_role": embedded.APP_ROLE, "mode": "training", "did_host": DID_HOST, "now": FOUNDED, **more},
        )

    def engine(self, role: str) -> sa.Engine:
        return sa.create_engine(self.cluster.url(self.name, role), poolclass=sa.NullPool)

    def scalar(self, statement: str, role: str = "postgres", **values: Any) -> Any:
        with self.engine(role).begin() as connection:
            return connection.scalar(sa.text(statement), values)

    @property
    def revision(self) -> str:
        return str(self.scalar("select version_num from alembic_version"))


@pytest.fixture
def old(cluster: embedded.Server) -> Iterator[Old]:
    market = Old(cluster, f"old_{os.getpid()}_{uuid4().hex[:6]}")
    cluster.create_database(market.name)
    assert market.migrate(revision="0001") == "0001"
    with market.engine("postgres").begin() as connection:
        connection.execute(sa.text("set local session_replication_role = replica"))
        connection.execute(sa.text("delete from installation"))
        for table, rows in ROWS.items():
            connection.execute(
                sa.text(f'insert into "{table}" select * from json_populate_recordset(cast(null as "{table}"), :rows)'),
                {"rows": json.dumps(rows)},
            )
        for table in ("procrastinate_jobs", "procrastinate_events"):
            connection.execute(sa.text(f"select setval('{table}_id_seq', (select max(id) from {table}))"))
    yield market
    cluster.drop_database(market.name)


@dataclass
class Load:
    """Processes of the first release that go on writing, and what was acknowledged to them."""

    market: Old
    acknowledged: list[UUID] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def post(self, connection: sa.Connection) -> UUID:
        """A posting of two entries, checked by the database to sum to zero when it commits."""
        posting = uuid4()
        connection.execute(
            sa.text("insert into postings (id, key, kind, subject_id, at) values (:id, :key, 'load', null, now())"),
            {"id": posting, "key": f"load {posting}"},
        )
        for account, amount in (("losses", 100), ("provider", -100)):
            connection.execute(
                sa.text(
                    "insert into entries (id, posting_id, account, party_id, amount_minor, currency)"
                    " values (:id, :posting, :account, null, :amount, 'EUR')"
                ),
                {"id": uuid4(), "posting": posting, "account": account, "amount": amount},
            )
        connection.execute(
            sa.text(
                "insert into refusals (id, at, kind, action, actor_id, subject, field, message, detail)"
                " values (:id, now(), 'conflict', 'load', null, null, null, 'No.', '{}')"
            ),
            {"id": posting},
        )
        person = "update people set session_epoch = session_epoch where email = 'cora@example.org'"
        connection.execute(sa.text(person))
        connection.execute(sa.text("select id, email, name, password_hash, session_epoch from people for share"))
        return posting

    def work(self) -> None:
        url = self.market.cluster.url(self.market.name, embedded.APP_ROLE)
        engine = sa.create_engine(url, pool_size=1, connect_args={"options": "-c lock_timeout=10s"})
        while not self.over.is_set():
            try:
                with engine.begin() as connection:
                    done = self.post(connection)
            except sa.exc.DBAPIError as error:
                self.refused.append(str(error.orig))
                break
            with self.changed:
                self.acknowledged.append(done)
                self.changed.notify_all()
        engine.dispose()

    def until(self, count: int) -> None:
        """Wait until so many more were acknowledged."""
        with self.changed:
            wanted = len(self.acknowledged) + count
            assert self.changed.wait_for(lambda: len(self.acknowledged) >= wanted or bool(self.refused), 60)


def test_a_market_of_the_first_release_is_upgraded_while_it_works_and_nothing_is_lost(old: Old) -> None:
    load = Load(old)
    threads = [threading.Thread(target=load.work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        load.until(20)
        assert old.migrate() == revisions.head()
        load.until(20)  # what runs still is the first release; the database is ahead of it
    finally:
        load.over.set()
        for thread in threads:
            thread.join()
    assert load.refused == []
    there = "select count(*) from {} where id = any(:ids)"
    assert old.scalar(there.format("postings"), ids=load.acknowledged) == len(load.acknowledged) >= 40
    assert old.scalar(there.format("refusals"), ids=load.acknowledged) == len(load.acknowledged)
    assert old.scalar("select count(*) from postings where kind = 'load'") == len(load.acknowledged)


def test_what_the_first_release_wrote_is_there_as_it_was_and_holds(old: Old) -> None:
    old.migrate()
    for table, rows in ROWS.items():
        assert old.scalar(f"select count(*) from {table}") == len(rows), table
    for table in HISTORY:
        for row in rows_as_text(table):
            assert old.scalar(f"select count(*) from {table} t where to_jsonb(t) @> cast(:row as jsonb)", row=row) == 1
    database = Database(old.cluster.url(old.name, embedded.APP_ROLE), pool_size=1)
    try:
        with database.transaction() as session:
            found = audit.everything(session, issuers=issuers(), now=LATER)
    finally:
        database.close()
    assert found.wrong == []
    counted = Counter({words.partition(",")[0].partition(";")[0]: count for count, words in found.counted})
    assert counted["certificates"] == len(ROWS["certificates"]) == 3


def rows_as_text(table: str) -> list[str]:
    return [json.dumps(row) for row in ROWS[table]]


@pytest.fixture
def holding(old: Old) -> Iterator[Callable[[str], sa.Connection]]:
    """Somebody who holds a table as a long page would, until they let go."""
    held: list[sa.Connection] = []

    def hold(table: str) -> sa.Connection:
        connection = old.engine(embedded.APP_ROLE).connect()
        connection.execute(sa.text(f"select 1 from {table} limit 1"))
        held.append(connection)
        return connection

    yield hold
    for connection in held:
        connection.close()


def test_a_revision_lets_others_pass_and_comes_again_when_it_does_not_get_its_lock(
    old: Old, holding: Callable[[str], sa.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "LOCK_TIMEOUT", "100ms")
    page, said, pauses = holding("people"), [], []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        assert old.revision == "0001"
        if len(pauses) == 2:
            page.close()

    assert old.migrate(say=said.append, pause=pause) == revisions.head()
    assert pauses == [upgrade.PAUSE] * 2
    assert said == [f"Revision 0002 waits for a lock that somebody holds; {left} more tries." for left in (19, 18)]


def test_a_revision_that_never_gets_its_lock_gives_up_and_leaves_the_ones_before_it(
    old: Old, holding: Callable[[str], sa.Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(upgrade, "TRIES", 3)
    page, pauses = holding("people"), []
    with pytest.raises(sa.exc.OperationalError, match="lock timeout"):
        old.migrate(pause=pauses.append)
    assert (len(pauses), old.revision) == (2, "0001")
    page.close()
    assert old.migrate() == revisions.head()


def test_every_revision_is_a_transaction_of_its_own(old: Old, monkeypatch: pytest.MonkeyPatch) -> None:
    real = command.upgrade
    third = revisions.known()[2]

    def fails_after(settings: Any, revision: str) -> None:
        real(settings, revision)
        if revision == third:
            settings.attributes["connection"].execute(sa.text("select 1 from nowhere"))

    monkeypatch.setattr(command, "upgrade", fails_after)
    with pytest.raises(sa.exc.ProgrammingError):
        old.migrate()
    assert old.revision == third
    monkeypatch.undo()
    assert old.migrate() == revisions.head()


def test_a_second_migration_waits_for_the_first(old: Old) -> None:
    with old.engine("ewaste_owner").connect() as first:
        first.execute(sa.text("select pg_advisory_lock(:number)"), {"number": upgrade.ONE_AT_A_TIME})
        second = threading.Thread(target=old.migrate)
        second.start()
        waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
        while not old.scalar(waits):
            second.join(0.05)
            assert second.is_alive()
        assert old.revision == "0001"
    second.join()
    assert old.revision == revisions.head()


def test_a_database_that_is_newer_than_the_release_is_left_as_it_is(old: Old) -> None:
    old.scalar("update alembic_version set version_num = '9999' returning 1")
    said: list[str] = []
    assert old.migrate(say=said.append) == "9999"
    assert said == ["The database is at revision 9999, which this release does not know. It is left as it is."]


def test_the_release_knows_its_revisions_in_the_order_in_which_they_follow() -> None:
    assert revisions.known()[0] == "0001"
    assert list(revisions.known()) == sorted(revisions.known())
    assert revisions.head() == revisions.known()[-1]
