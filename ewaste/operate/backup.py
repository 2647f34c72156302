"""Backup: the database in one snapshot, and the files without which it is worth little, while the market works.

The order matters. The database comes first and the files after it: keys and secrets are only ever added, so files that
are read later hold whatever the database can name; and the books of practice money are then ahead of the database, as a
real provider's always are, so that what is sent again after a restore is recognised and not done twice.

Everything is written under a temporary name, synced, and renamed at the end. A backup that has its name is whole.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

import psycopg
from psycopg import sql

from ewaste.core.config import Config
from ewaste.core.installation import Unfounded
from ewaste.operate import manifest, place, tools
from ewaste.operate.manifest import Kept, Manifest
from ewaste.operate.seal import Seal

BLOCK: Final = 256 * 1024
SQLITE: Final = b"SQLite format 3\0"
SEALED: Final = ".sealed"


def backup(
    config: Config,
    target: Path,
    *,
    passphrase: bytes | None = None,
    now: Callable[[], datetime],
    say: Callable[[str], object] = lambda words: None,
) -> Manifest:
    """Write a backup to `target`, a folder that is not there yet. The database that `config` names must answer.

    Raises `ValueError` or `LookupError` for what is wrong beforehand, `RuntimeError` when PostgreSQL's tool fails; then
    nothing is left behind.
    """
    target = target.expanduser().absolute()
    _require_place(target, config.data)
    seal = Seal.make(passphrase) if passphrase is not None else None
    making = target.with_name(f".{target.name}.{secrets.token_hex(4)}.unfinished")
    making.mkdir(mode=0o700)
    try:
        found = _write(config, making, seal, now, say)
        _sync_folders(making)
        if target.exists():
            raise ValueError(f"{target} came into being meanwhile. Nothing was overwritten.")
        making.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return found


def _require_place(target: Path, data: Path) -> None:
    if os.path.lexists(target):
        raise ValueError(f"{target} is there already. Nothing is overwritten: choose another name.")
    if not target.parent.is_dir():
        raise ValueError(f"The folder {target.parent} is not there. Make it first.")
    if target.resolve().is_relative_to(data.resolve()):
        raise ValueError(f"{target} lies in the data folder and would be lost with it. Choose a place elsewhere.")


def _write(
    config: Config, making: Path, seal: Seal | None, now: Callable[[], datetime], say: Callable[[str], object]
) -> Manifest:
    url = config.require_owner_database_url()
    begun = now()
    with place.connect(url) as connection:
        connection.execute("set transaction isolation level repeatable read, read only")
        snapshot = _one(connection, "select pg_export_snapshot()")
        said = _describe(connection)
        major = connection.info.server_version // 10000
        tool = tools.fitting("pg_dump", major)
        command = [str(tool), "--format=custom", f"--snapshot={snapshot}", "--no-password", "--lock-wait-timeout=60000"]
        with tools.writing(command, url) as out:
            kept = [_keep(making, manifest.DATABASE, _blocks(out), 0o600, seal)]
        say(f"The database: {sum(said['counts'].values())} rows of {len(said['counts'])} tables.")
    files = place.kept_files(config.data)
    for path in files:
        name = f"{manifest.FILES}/{path.relative_to(config.data).as_posix()}"
        kept.append(_keep(making, name, _content(path), stat.S_IMODE(path.stat().st_mode), seal))
    say(f"{len(files)} files of the data folder.")
    found = Manifest(
        begun=begun.astimezone(UTC).isoformat(),
        finished=now().astimezone(UTC).isoformat(),
        server=major,
        app_role=place.role(config.require_database_url()),
        owner_role=place.role(url),
        files=kept,
        sealed=seal.says() if seal is not None else None,
        **said,
    )
    _private(making / manifest.NAME, [found.text(seal).encode()])
    return found


def _describe(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """Mode, name, revision and the number of rows of every table, as the snapshot sees them."""
    if _one(connection, "select to_regclass('public.installation')") is None:
        raise Unfounded("This database is empty. There is nothing to keep.")
    mode, did_host = connection.execute("select mode, did_host from installation").fetchone() or (None, None)
    if mode is None:
        raise Unfounded("No market was founded in this database. There is nothing to keep.")
    return {
        "mode": mode,
        "did_host": did_host,
        "revision": _one(connection, "select version_num from alembic_version"),
        "counts": counts(connection),
    }


def counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Table → number of rows."""
    tables = connection.execute("select tablename from pg_tables where schemaname = 'public' order by 1").fetchall()
    return {
        table: connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(table))).fetchone()[0]  # type: ignore[index]
        for (table,) in tables
    }


def _one(connection: psycopg.Connection[Any], statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def _keep(making: Path, name: str, blocks: Iterable[bytes], mode: int, seal: Seal | None) -> Kept:
    """Write one file of the backup, sealed if it is to be, and say what it is."""
    path = making / (name + SEALED if seal is not None else name)
    place.closed_folder(path.parent)
    _private(path, blocks, seal, name)
    with path.open("rb") as file:
        size, digest = manifest.digest(file)
    return Kept(path=path.relative_to(making).as_posix(), bytes=size, sha256=digest, mode=mode)


def _private(path: Path, blocks: Iterable[bytes], seal: Seal | None = None, name: str = "") -> None:
    with open(path, "xb", opener=lambda at, flags: os.open(at, flags, 0o600)) as file:
        if seal is not None:
            seal.close(blocks, file, name)
        else:
            file.writelines(blocks)
        file.flush()
        os.fsync(file.fileno())


def _content(path: Path) -> Iterator[bytes]:
    """A file's content; of a SQLite database that may be at work, a copy as it stands between two writes."""
    with path.open("rb") as file:
        if file.read(len(SQLITE)) == SQLITE:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as books:
                yield _copy(books)
            return
        file.seek(0)
        yield from _blocks(file)


def _copy(books: sqlite3.Connection) -> bytes:
    with closing(sqlite3.connect(":memory:")) as copy:
        books.backup(copy)
        return copy.serialize()


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(BLOCK):
        yield block


def _sync_folders(folder: Path) -> None:
    for path in [*(path for path in folder.rglob("*") if path.is_dir()), folder]:
        _sync(path)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
