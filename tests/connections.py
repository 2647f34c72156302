"""Connections that stay open from one test to the next of the same database.

A new connection learns every table and every rule anew; that takes longer than most tests do with it. So one that rests
at the end of a test, without a lock, is kept. Any other is put out, whoever it belongs to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from ewaste.core.database import Database

_RESTLESS = sa.text("""
select pid from pg_stat_activity as a
where datname = current_database() and pid <> pg_backend_pid()
  and (pid <> all(:kept) or state is distinct from 'idle'
       or exists (select from pg_locks as l where l.pid = a.pid and l.locktype = 'advisory'))
""")


class Connections:
    """The pools of this process whose connections may stay, by the name of their database."""

    def __init__(self) -> None:
        self._pools: dict[str, dict[Database, set[int]]] = defaultdict(dict)

    def keep(self, database: Database) -> None:
        """From now on, what rests in this pool stays."""
        pools = self._pools[str(database.engine.url.database)]
        if database not in pools:
            mine = pools[database] = set()

            def connected(connection: Any, _: object) -> None:
                mine.add(connection.info.backend_pid)

            sa.event.listen(database.engine, "connect", connected)

    def settle(self, admin: sa.Connection) -> None:
        """Put out everybody else who is connected to the database of this connection, and what does not rest."""
        pools = self._pools[str(admin.engine.url.database)]
        restless = set(admin.scalars(_RESTLESS, {"kept": [pid for pids in pools.values() for pid in pids]}))
        for database, pids in pools.items():
            if pids & restless:
                self._close([(database, pids)])
        if restless:
            admin.execute(
                sa.text("select pg_terminate_backend(pid) from pg_stat_activity where pid = any(:pids)"),
                {"pids": list(restless)},
            )

    def forget(self, name: str) -> None:
        """Close what leads to this database."""
        self._close(self._pools.pop(name, {}).items())

    def close(self) -> None:
        """Close everything."""
        for name in list(self._pools):
            self.forget(name)

    def _close(self, pools: Iterable[tuple[Database, set[int]]]) -> None:
        for database, pids in pools:
            database.close()
            pids.clear()
