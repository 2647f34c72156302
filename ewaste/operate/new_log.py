"""Begin a new log, when the old one cannot go on: its key is lost, or it was signed further than this database goes.

The entries stay; their numbers, tiles, heads, checkpoints and cosignatures belong to the old log and go. Everything is
numbered anew under the new name. Only the role that owns the tables can do this, and only by name.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from ewaste.core.config import Config
from ewaste.operate import place

OF_ONE_LOG: Final = ("log_cosignatures", "log_checkpoints", "log_heads", "log_tiles", "log_leaves", "log_waiting")


def begin(config: Config) -> int:
    """Let every entry wait for its number in the new log. Returns how many they are.

    Raises `ValueError`, having changed nothing, when the settings still name the old log, or somebody is at work.
    """
    name = config.log_trust.origin
    if name is None:
        raise ValueError("EWASTE_LOG_KEYS names no log. Start a signer with a new name, and name its key first.")
    with place.connect(config.require_owner_database_url()) as connection:
        row = connection.execute("select note from log_checkpoints order by size desc limit 1").fetchone()
        if row is not None and str(row[0]).partition("\n")[0] == name:
            raise ValueError(
                f"The log {name} is the one that is here. Start a signer with a new folder and a new name, and put its "
                "key before the old one in EWASTE_LOG_KEYS. Nothing was changed."
            )
        if place.others(connection):
            raise ValueError(
                "The site or the worker is connected to this database. Stop them first. Nothing was changed."
            )
        for table in OF_ONE_LOG:
            named = sql.Identifier(table)
            connection.execute(sql.SQL("alter table {} disable trigger user").format(named))
            connection.execute(sql.SQL("delete from {}").format(named))
            connection.execute(sql.SQL("alter table {} enable trigger user").format(named))
        done = connection.execute("insert into log_waiting (leaf, entered) select leaf, entered from log_entries")
        return done.rowcount
