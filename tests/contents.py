"""What stands in a database: a digest of each table's whole content."""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa
from sqlalchemy.orm import Session


def digests(connection: sa.Connection | Session, tables: Iterable[str]) -> dict[str, str]:
    """A digest of each of these tables, in one statement. Takes a connection or a session."""
    each = [
        f"select '{table}', md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from \"{table}\" t"
        for table in tables
    ]
    return {row[0]: row[1] for row in connection.execute(sa.text(" union all ".join(each)))} if each else {}
