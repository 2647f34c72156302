"""The books of the practice provider: one SQLite file, written by one process.

Everything that belongs together (an object, its movements of money, its events, their deliveries, the
answer kept under the idempotency key) is written in one transaction, so a crash leaves all of it or
none. One lock lets one request in at a time; the file survives a restart.
"""

from __future__ import annotations

import fcntl
import json
import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

JSON = dict[str, Any]
API_VERSION = "2026-10-28.endive"
_LETTERS = string.ascii_letters + string.digits
_SCHEMA = """
create table if not exists objects (
    seq integer primary key autoincrement, id text not null unique, kind text not null,
    created integer not null, body text not null);
create index if not exists objects_by_kind on objects (kind, seq);
create table if not exists movements (
    seq integer primary key autoincrement, account text not null, currency text not null,
    amount integer not null, available_on integer not null, source text not null);
create index if not exists movements_by_account on movements (account, currency);
create table if not exists answers (
    key text primary key, path text not null, digest text not null, status integer not null,
    body text not null, created integer not null);
create index if not exists answers_by_age on answers (created);
create table if not exists deliveries (
    seq integer primary key autoincrement, event text not null, due real not null,
    tries integer not null default 0, state text not null default 'waiting');
create index if not exists deliveries_waiting on deliveries (state, due);
create table if not exists mails (
    seq integer primary key autoincrement, message_id text not null unique, recipient text not null,
    subject text not null, text text not null, at integer not null);
create index if not exists mails_by_recipient on mails (recipient, seq);
create table if not exists settings (name text primary key, value text not null);
"""


class FolderTakenError(RuntimeError):
    """Another practice provider already uses this folder."""


class Store:
    """Opens the file in `folder`. `funds_after` is the number of seconds a charge stays pending."""

    def __init__(
        self,
        folder: Path,
        *,
        base_url: str = "http://127.0.0.1",
        funds_after: int = 0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._guard = (folder / "lock").open("w")
        try:
            fcntl.flock(self._guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            self._guard.close()
            raise FolderTakenError(f"Another practice payment provider is already using {folder}.") from problem
        self.base_url = base_url
        self.funds_after = funds_after
        self.clock = clock
        self.news = threading.Event()  # set when events were committed; the postman waits for it
        self._lock = threading.Lock()
        self._db = sqlite3.connect(folder / "practice.sqlite3", check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")
        self._db.executescript(_SCHEMA)
        with self.open() as books:
            self.secret = books.setting("secret", secrets.token_hex(32))

    @contextmanager
    def open(self) -> Iterator[Books]:
        """One transaction; an exception undoes all of it."""
        with self._lock:
            self._db.execute("begin immediate")
            books = Books(self, self._db, self.clock())
            try:
                yield books
            except BaseException:
                self._db.execute("rollback")
                raise
            self._db.execute("commit")
        if books.told:
            self.news.set()

    def close(self) -> None:
        """Ends the file in order; nothing is lost without it."""
        with self._lock:
            self._db.close()
        self._guard.close()


class Books:
    """The open transaction: objects, movements and events."""

    def __init__(self, store: Store, db: sqlite3.Connection, now: float) -> None:
        self.store = store
        self.db = db
        self.moment = now
        self.now = int(now)
        self.key: str | None = None  # the idempotency key of the request, told in its events
        self.told = False  # whether an event was written

    def add(self, prefix: str, kind: str, **fields: Any) -> JSON:
        """A new object with the fields every object has."""
        body: JSON = {
            "id": f"{prefix}_" + "".join(secrets.choice(_LETTERS) for _ in range(24)),
            "object": kind,
            "created": self.now,
            "livemode": False,
            **fields,
        }
        self.db.execute(
            "insert into objects (id, kind, created, body) values (?, ?, ?, ?)",
            (body["id"], kind, self.now, json.dumps(body)),
        )
        return body

    def save(self, body: JSON) -> JSON:
        """Writes a changed object back."""
        self.db.execute("update objects set body = ? where id = ?", (json.dumps(body), body["id"]))
        return body

    def get(self, reference: str, kind: str | None = None) -> JSON | None:
        """The object with this id, if there is one (of that kind)."""
        row = self.db.execute("select kind, body from objects where id = ?", (reference,)).fetchone()
        return json.loads(row[1]) if row and kind in (None, row[0]) else None

    def select(
        self,
        kind: str,
        *,
        where: JSON | None = None,
        since: int | None = None,
        until: int | None = None,
        before: str | None = None,
        limit: int = 10_000,
    ) -> list[JSON]:
        """Objects of a kind, newest first. `before` is the id after which the list goes on."""
        sql, values = "select body from objects where kind = ?", [kind]
        for field, value in (where or {}).items():
            sql += f" and json_extract(body, '$.{field}') = ?"  # field names are ours, never the caller's
            values.append(value)
        for bound, sign in ((since, ">="), (until, "<=")):
            if bound is not None:
                sql += f" and created {sign} ?"
                values.append(bound)  # type: ignore[arg-type]
        if before is not None:
            sql += " and seq < (select seq from objects where id = ?)"
            values.append(before)
        rows = self.db.execute(f"{sql} order by seq desc limit {int(limit)}", values)
        return [json.loads(row[0]) for row in rows]

    def move(self, account: str, currency: str, amount: int, source: str, *, available_on: int | None = None) -> str:
        """Books an amount (negative: out) on an account; the platform's own account is ''."""
        row = self.db.execute(
            "insert into movements (account, currency, amount, available_on, source) values (?, ?, ?, ?, ?)",
            (account, currency, amount, self.now if available_on is None else available_on, source),
        )
        return f"txn_{row.lastrowid:024d}"

    def balance(self, account: str = "") -> dict[str, tuple[int, int]]:
        """For each currency: what is available now, and what is pending."""
        rows = self.db.execute(
            "select currency, sum(case when available_on <= ? then amount else 0 end),"
            " sum(case when available_on > ? then amount else 0 end)"
            " from movements where account = ? group by currency order by currency",
            (self.now, self.now, account),
        )
        return {currency: (available, pending) for currency, available, pending in rows}

    def event(self, kind: str, about: JSON) -> None:
        """Writes the event and its deliveries beside the change it tells of.

        Every third event is delivered twice and every fifth a little late, so that repeated and
        unordered webhooks are met in training and not first with real money.
        """
        event = self.add(
            "evt",
            "event",
            api_version=API_VERSION,
            data={"object": about},
            pending_webhooks=1,
            request={"id": None, "idempotency_key": self.key},
            type=kind,
        )
        number = int(self.setting("events", "0")) + 1
        self.db.execute("update settings set value = ? where name = 'events'", (str(number),))
        self.told = True
        due = self.moment + (0.5 if number % 5 == 0 else 0.0)
        for copy in range(2 if number % 3 == 0 else 1):
            self.db.execute("insert into deliveries (event, due) values (?, ?)", (event["id"], due + 0.2 * copy))

    def setting(self, name: str, first: str) -> str:
        """A value kept in the file; `first` is written when there is none yet."""
        self.db.execute("insert or ignore into settings (name, value) values (?, ?)", (name, first))
        row = self.db.execute("select value from settings where name = ?", (name,)).fetchone()
        return str(row[0])
