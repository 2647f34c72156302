"""PostgreSQL's own tools: found in the version that fits the server, and told where it is without a word on their
command line that others could read there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from psycopg.conninfo import conninfo_to_dict

from ewaste.core import embedded
from ewaste.operate.place import conninfo

# libpq's parameters and the variables that stand for them.
VARIABLES: Final = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "dbname": "PGDATABASE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "sslmode": "PGSSLMODE",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslrootcert": "PGSSLROOTCERT",
    "channel_binding": "PGCHANNELBINDING",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


def fitting(name: str, server: int) -> Path:
    """The tool of that name for a server of this major version: of the same, else of the next later one.

    Raises `LookupError` when there is none.
    """
    found: dict[int, Path] = {}
    for folder in (embedded.tools(), None):
        path = shutil.which(name, path=None if folder is None else str(folder))
        if path is not None:
            found.setdefault(version(Path(path)), Path(path))
    later = [major for major in sorted(found) if major >= server]
    if not later:
        raise LookupError(f"{name} of PostgreSQL {server} or later is needed, and not on the PATH. Install its client.")
    return found[later[0]]


def version(tool: Path) -> int:
    """The major version of a tool."""
    said = subprocess.run([str(tool), "--version"], capture_output=True, text=True, check=True, cwd="/").stdout
    number = re.search(r"(\d+)(?:\.\d+)* *(?:\(|$)", said.strip().partition("(PostgreSQL)")[2] + "\n")
    return int(number[1]) if number else 0


def environment(url: str) -> dict[str, str]:
    """What tells a tool where the database is. Raises `ValueError` for a parameter that it could not be told."""
    given = {name: str(value) for name, value in conninfo_to_dict(conninfo(url)).items() if value is not None}
    unknown = sorted(set(given) - set(VARIABLES))
    if unknown:
        raise ValueError(f"DATABASE_URL holds {', '.join(unknown)}, which PostgreSQL's tools cannot be told.")
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ") if name in os.environ}
    return kept | {VARIABLES[name]: value for name, value in given.items()} | {"PGAPPNAME": "ewaste operate"}


@contextmanager
def writing(command: list[str], url: str) -> Iterator[IO[bytes]]:
    """What the tool writes. Raises `RuntimeError` with its own words when it fails, also after it wrote."""
    with subprocess.Popen(
        command, env=environment(url), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as process:
        out, err = process.stdout, process.stderr
        assert out is not None and err is not None  # noqa: S101, PT018 - for the type checker
        try:
            yield out
            said = err.read()
        except BaseException:
            process.kill()
            raise
    _require(process.returncode, command, said)


def run(command: list[str], url: str) -> str:
    """What the tool says. Raises `RuntimeError` with its own words when it fails."""
    done = subprocess.run(command, env=environment(url), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    _require(done.returncode, command, done.stderr)
    return done.stdout.decode()


def _require(code: int, command: list[str], said: bytes) -> None:
    if code:
        words = said.decode("utf-8", "replace").strip()[-2000:]
        raise RuntimeError(f"{Path(command[0]).name} failed (exit code {code}): {words}")
