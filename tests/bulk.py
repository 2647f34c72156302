"""A market of thousands, made of the few rows that a test built: every row of every table once more, many times over.

A clone of a device has clones of its events, offers, media, certificates; it stays with its seller and its centre. So
each person's lists grow. People and firms are cloned among themselves. No trigger sees it; it is for tests that count
statements, and needs a superuser's connection, in a transaction that is taken back.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from ewaste.core.database import Base, UTCDateTime

# Who stays the same in the clones of things.
PARTIES = frozenset({"people", "organisations", "centres", "memberships"})
# One row for the whole installation, none of a page's business, or bound to a row of which no other can be made up in
# SQL: a key, a published table.
LEFT_ALONE = frozenset({
    "installation", "sample_market", "sample_steps", "seen_nonces", "stations", "price_tables", "price_table_decisions",
    "custody_batches", "custody_heads", "accreditors", "accreditor_keys",
})  # fmt: skip
# The log: its rows fit each other by their hashes, so it grows by statements of its own.
LOG = """
with more as (
    insert into log_entries (leaf, kind, issuer, digest, data, at)
    select sha256('\\x00'::bytea || r.data || convert_to(cast(g as text), 'UTF8')), r.kind, r.issuer,
           r.digest || '-' || g, r.data || convert_to(cast(g as text), 'UTF8'), r.at
    from log_entries r cross join generate_series(1, :times) g
    returning leaf
)
insert into log_leaves (index, leaf)
select (select count(*) from log_leaves) + row_number() over () - 1, leaf from more;
insert into log_heads (size, root, at) select count(*), sha256('a root'), now() from log_leaves;
insert into log_checkpoints (size, note, at)
select (select max(size) from log_heads), note, at from log_checkpoints order by size limit 1;
insert into log_cosignatures (size, witness, line, signed_at, received_at)
select size, 'witness-' || g || '.test+00000000+AAAA', 'a line' || chr(10), at, at
from log_checkpoints cross join generate_series(1, :times) g;
"""


def multiply(connection: sa.Connection, times: int) -> None:
    """Clone everything `times` times, and tell the planner."""
    connection.execute(sa.text("set local session_replication_role = replica"))
    everything = [
        table
        for table in Base.metadata.sorted_tables
        if table.name not in LEFT_ALONE and not table.name.startswith("log_")
    ]
    things = {table.name for table in everything} - PARTIES
    for table in everything:
        _clone(connection, table, things if table.name in things else PARTIES, times)
    for statement in LOG.strip().rstrip(";").split(";\n"):
        connection.execute(sa.text(statement), {"times": times})
    connection.execute(sa.text("set local session_replication_role = origin"))
    connection.execute(sa.text("analyze"))


def _clone(connection: sa.Connection, table: sa.Table, mapped: set[str] | frozenset[str], times: int) -> None:
    changed = {
        key.parent.name
        for key in table.foreign_keys
        if key.column.table.name in mapped and isinstance(key.parent.type, sa.Uuid)
    }
    keys = [[column.name for column in table.primary_key.columns]]
    keys += [[c.name for c in one.columns] for one in table.constraints if isinstance(one, sa.UniqueConstraint)]
    keys += [[c.name for c in index.columns] for index in table.indexes if index.unique]
    keys += [[column.name] for column in table.columns if column.unique]
    for names in keys:  # Of what must be unique, something has to differ.
        if not changed & set(names):
            changed.add(next((name for name in names if name == "id"), names[-1]))
    columns = [column for column in table.columns if column.computed is None]
    values = [_another(column) if column.name in changed else f'r."{column.name}"' for column in columns]
    listed = ", ".join(f'"{column.name}"' for column in columns)
    connection.execute(
        sa.text(
            f'insert into "{table.name}" ({listed}) select {", ".join(values)} from "{table.name}" r'
            " cross join generate_series(1, :times) g"
        ),
        {"times": times},
    )


def _another(column: sa.Column) -> str:
    """Another value of this column for clone number `g`, the same for the same value wherever it stands."""
    name, kind = f'r."{column.name}"', column.type
    if isinstance(kind, sa.Uuid):
        return f"cast(md5(cast({name} as text) || '-' || g) as uuid)"
    if isinstance(kind, sa.Integer | sa.BigInteger):
        return f"{name} + g * 1000000"
    if isinstance(kind, UTCDateTime):
        return f"{name} + g * interval '1 second'"
    if isinstance(kind, sa.CHAR) and kind.length == 64:
        return f"encode(sha256(convert_to({name} || '-' || g, 'UTF8')), 'hex')"
    if isinstance(kind, sa.LargeBinary | postgresql.BYTEA):
        return f"sha256({name} || convert_to(cast(g as text), 'UTF8'))"
    if isinstance(kind, sa.String):
        return f"{name} || '-' || g"
    raise TypeError(f"{column.table.name}.{column.name} must differ in each clone, and nobody knows how ({kind!r}).")
