"""Restore: from a backup into an empty data folder and an empty database, checked before and after.

Before anything changes, every file is compared with the manifest, and the mode, the revision and the place with this
installation. Afterwards the number of rows of every table is compared, the database brought up to this release, and
everything read again as `python -m ewaste audit` does. Roles may be called otherwise here than where the backup was
made: what was granted there to the app role is granted here to ours.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql
from sqlalchemy.orm import Session

from ewaste.centres.credentials import Issuers
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.installation import installation
from ewaste.migrations import revisions
from ewaste.migrations.upgrade import migrate
from ewaste.operate import manifest, place, tools
from ewaste.operate.backup import SEALED, counts
from ewaste.operate.manifest import Damaged, Kept, Manifest
from ewaste.operate.seal import Seal
from ewaste.views import audit
from ewaste.views.audit import Found

ACL: Final = re.compile(r"^\d+; \d+ \d+ (?:DEFAULT )?ACL ")
Say = Callable[[str], object]


@dataclass(frozen=True)
class Restored:
    """What was restored, and what the audit then found."""

    manifest: Manifest
    found: Found


def restore(
    config: Config,
    folder: Path,
    *,
    passphrase: bytes | None = None,
    replace: bool = False,
    now: Callable[[], datetime],
    say: Say = lambda words: None,
) -> Restored:
    """Restore the backup in `folder` to where `config` says. The database that `config` names must answer, and nobody
    else may be connected to it.

    Raises `ValueError` or `LookupError`, having changed nothing, when the backup is damaged or does not belong here,
    or when there is a market already and `replace` is False; `RuntimeError` when PostgreSQL's tool fails.
    """
    folder = folder.expanduser().absolute()
    said, signature = manifest.read(folder)
    _require_ours(said, config)
    seal = _seal(said, passphrase)
    manifest.check(folder, said, signature, seal)
    say(f"The backup of {said.begun} is whole: {len(said.files)} files.")
    owner = config.require_owner_database_url()
    with place.connect(owner) as connection:
        if there := place.others(connection):
            raise ValueError(f"{there} others are connected to this database. Stop the site and the worker first.")
        _require_empty(connection, config.data, replace)
        tool = tools.fitting("pg_restore", max(said.server, connection.info.server_version // 10000))
        if replace:
            _clear(connection)
    with _opened(folder, said, seal) as dump:
        _database(tool, dump, owner, said, app_role=place.role(config.require_database_url()))
    with place.connect(owner) as connection:
        _require_counts(said, counts(connection))
    _files(folder, said, config.data, seal, replace, now())
    if (config.data / place.SIGNER / place.SIGNER_RESTORED).exists():
        say(
            "The log stands still until you have asked its witnesses (docs/spec/log-serving.md) and run: "
            f"python -m ewaste.signer go-on --folder {config.data / place.SIGNER}"
        )
    say(f"Restored {sum(said.counts.values())} rows of {len(said.counts)} tables, as many as were kept.")
    if said.revision != revisions.head():
        reached = migrate(
            owner,
            app_role=place.role(config.require_database_url()),
            mode=said.mode,
            did_host=said.did_host,
            now=now(),
            say=say,
        )
        say(f"The database is at revision {reached}.")
    return Restored(said, _audit(config, now()))


def _require_ours(said: Manifest, config: Config) -> None:
    if said.mode != config.mode:
        raise ValueError(
            f"This is a backup of a {said.mode} market and EWASTE_MODE is {config.mode}. They never meet. "
            "Nothing was restored."
        )
    if said.revision not in revisions.known():
        raise ValueError(
            f"This backup was made by a newer release (revision {said.revision}). Restore it with that release. "
            "Nothing was restored."
        )


def _seal(said: Manifest, passphrase: bytes | None) -> Seal | None:
    if said.sealed is None:
        return None
    if passphrase is None:
        raise ValueError("This backup is sealed. Name the file with its passphrase: --decrypt-with FILE")
    return Seal.again(passphrase, said.sealed)


def _require_empty(connection: psycopg.Connection[Any], data: Path, replace: bool) -> None:
    row = connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone()
    there = [f"{row[0]} tables in the database"] if row and row[0] else []
    files = place.kept_files(data)
    there += [f"{len(files)} files in {data}"] if files else []
    if there and not replace:
        raise ValueError(
            f"There is a market here already: {' and '.join(there)}. Nothing was restored. To put the backup in its "
            "place, make a backup of what is there, then add --replace."
        )


def _clear(connection: psycopg.Connection[Any]) -> None:
    """Drop everything in the schema, and leave the schema itself with whom it belongs to."""
    for kind, found in (
        ("table", "select tablename from pg_tables where schemaname = 'public'"),
        ("view", "select viewname from pg_views where schemaname = 'public'"),
        ("sequence", "select sequencename from pg_sequences where schemaname = 'public'"),
        ("routine", "select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace"),
        ("type", "select typname from pg_type where typnamespace = 'public'::regnamespace and typtype in ('e', 'c')"),
    ):
        for (name,) in connection.execute(found.encode()).fetchall():
            # A routine's name comes with its arguments, quoted by the server.
            named: sql.Composable = sql.SQL(name) if kind == "routine" else sql.Identifier(name)
            connection.execute(sql.SQL("drop {} if exists {} cascade").format(sql.SQL(kind), named))


def _files(folder: Path, said: Manifest, data: Path, seal: Seal | None, replace: bool, now: datetime) -> None:
    """Put the files of the data folder in their places; what stood there is set aside, not lost."""
    data.mkdir(parents=True, exist_ok=True)
    if replace:
        aside = data / f"{place.REPLACED}{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        for path in place.kept_files(data):
            to = aside / path.relative_to(data)
            place.closed_folder(to.parent)
            path.rename(to)
    for kept in said.files:
        if not kept.path.startswith(f"{manifest.FILES}/"):
            continue
        path = data / _name(kept, said).removeprefix(f"{manifest.FILES}/")
        place.closed_folder(path.parent)
        with open(path, "xb", opener=lambda at, flags: os.open(at, flags, 0o600)) as file:
            file.writelines(_content(folder, kept, said, seal))
            os.fsync(file.fileno())
        path.chmod(kept.mode & 0o700 | 0o600)  # never wider than for its owner
        if path.parent == data / place.SIGNER:
            # The world may have seen more of the log than this backup: nothing is signed before somebody asked.
            (path.parent / place.SIGNER_RESTORED).touch(0o600)


def _name(kept: Kept, said: Manifest) -> str:
    return kept.path.removesuffix(SEALED) if said.sealed is not None else kept.path


def _content(folder: Path, kept: Kept, said: Manifest, seal: Seal | None) -> Iterator[bytes]:
    with (folder / kept.path).open("rb") as file:
        if seal is not None:
            yield from seal.open(file, _name(kept, said))
        else:
            while block := file.read(1024 * 1024):
                yield block


@contextmanager
def _opened(folder: Path, said: Manifest, seal: Seal | None) -> Iterator[Path]:
    """The dump as a file that PostgreSQL's tool can read; unsealed, it is private and goes away again."""
    kept = next(kept for kept in said.files if _name(kept, said) == manifest.DATABASE)
    if seal is None:
        yield folder / kept.path
        return
    with tempfile.TemporaryDirectory(prefix="ewaste-restore-") as private:
        path = Path(private) / manifest.DATABASE
        with path.open("wb") as file:
            for block in _content(folder, kept, said, seal):
                file.write(block)
        yield path


def _database(tool: Path, dump: Path, owner: str, said: Manifest, *, app_role: str) -> None:
    """Tables, rows, rules and then what the app role may do, each whole or not at all."""
    base = [str(tool), "--no-owner", "--no-password"]
    dbname = tools.environment(owner)["PGDATABASE"]
    tools.run([*base, "--no-acl", "--single-transaction", "--exit-on-error", f"--dbname={dbname}", str(dump)], owner)
    listed = tools.run([str(tool), "--list", str(dump)], owner)
    with tempfile.NamedTemporaryFile("w", suffix=".list") as wanted:
        wanted.write("\n".join(line for line in listed.splitlines() if ACL.match(line)) + "\n")
        wanted.flush()
        script = tools.run([*base, f"--use-list={wanted.name}", "--file=-", str(dump)], owner)
    with place.connect(owner) as connection:
        connection.execute(_grants(script, {said.app_role: app_role, said.owner_role: place.role(owner)}).encode())


def _grants(script: str, roles: dict[str, str]) -> str:
    """The statements that grant and revoke, with our roles in the place of theirs."""

    def ours(found: re.Match[str]) -> str:
        name = found[2].strip('"').replace('""', '"')
        quoted = '"' + roles.get(name, name).replace('"', '""') + '"'
        return f"{found[1]} {found[2] if name.upper() == 'PUBLIC' else quoted};"

    lines = (line for line in script.splitlines() if re.match(r"(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES) ", line))
    return "\n".join(re.sub(r'\b(TO|FROM) ("(?:[^"]|"")+"|\w+);$', ours, line) for line in lines)


def _require_counts(said: Manifest, found: dict[str, int]) -> None:
    wrong = [name for name in {*said.counts, *found} if said.counts.get(name) != found.get(name)]
    if wrong:
        raise Damaged(f"These tables do not hold as many rows as were kept: {', '.join(sorted(wrong))}.")


def _audit(config: Config, now: datetime) -> Found:
    database = Database(config.require_database_url(), pool_size=1)
    try:
        with database.transaction() as session:
            return audit.everything(session, issuers=issuers(config, session), now=now)
    finally:
        database.close()


def issuers(config: Config, session: Session) -> Issuers:
    """The market's issuers, from the keys in the data folder."""
    found = installation(session)
    return Issuers.load(
        config.data / "keys",
        did_host=found.did_host,
        training=config.training,
        founded=found.founded_at,
        log=config.log_trust,
    )
