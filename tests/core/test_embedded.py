"""The embedded PostgreSQL: it starts, is shared, survives crashes, and leaves nothing running."""

from __future__ import annotations

import os
import pwd
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from ewaste.core import embedded, processes
from ewaste.core.embedded import Server

pytestmark = pytest.mark.campaign

# The starter that is killed in these tests, as a process of its own.
STARTER = """
import sys, signal
from pathlib import Path
from ewaste.core import embedded
server = embedded.start(Path(sys.argv[1]))
print(server.owner_url, flush=True)
signal.pause()
"""


def connect(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    """As libpq understands it: without the driver's name."""
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def connect_and_ask(server: Server, question: str) -> str:
    with connect(server.admin_url) as connection:
        row = connection.execute(question).fetchone()  # type: ignore[arg-type]
    assert row is not None
    return str(row[0])


def socket_dir(server: Server) -> Path:
    host = make_url(server.app_url).query["host"]
    assert isinstance(host, str)
    return Path(host)


def postmaster_of(server: Server) -> int:
    with connect(server.admin_url) as connection:
        row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    assert row is not None
    return int(row[0].split()[0])


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> bool:
    return processes.stop(pid, lambda: is_running(pid), numbers=(signal.Signals.SIGCHLD,), patience=20)


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder whose parents any user may enter; pytest's own are closed to others."""
    with tempfile.TemporaryDirectory(prefix="ewaste-data-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with embedded.for_tests() as server:
        yield server


def test_the_app_role_works_in_the_database_but_changes_no_schema(server: Server) -> None:
    server.create_database("roles")
    try:
        with connect(server.url("roles")) as owner:
            owner.execute("CREATE TABLE devices (id int)")
            owner.execute("GRANT SELECT, INSERT ON devices TO ewaste_app")
        with connect(server.url("roles", "ewaste_app")) as app:
            app.execute("INSERT INTO devices VALUES (1)")
            for statement in (
                "CREATE TABLE others (id int)",
                "CREATE TEMPORARY TABLE others (id int)",
                "CREATE SCHEMA elsewhere",
                "ALTER TABLE devices ADD name text",
                "DROP TABLE devices",
                "DELETE FROM devices",
                "SET ROLE ewaste_owner",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    app.execute(statement)
            assert app.execute("SELECT * FROM devices").fetchall() == [(1,)]
    finally:
        server.drop_database("roles")


def test_a_database_is_cloned_from_a_template_and_dropped_while_in_use(server: Server) -> None:
    server.create_database("pattern")
    with connect(server.url("pattern")) as owner:
        owner.execute("CREATE TABLE devices AS SELECT 7 AS id")
    server.create_database("copy", template="pattern")
    with connect(server.url("copy")) as copy:
        assert copy.execute("SELECT id FROM devices").fetchone() == (7,)
        server.drop_database("copy")
        with pytest.raises(psycopg.OperationalError):
            copy.execute("SELECT 1")
    server.drop_database("pattern")


def test_only_a_unix_socket_in_a_closed_folder_leads_in(server: Server) -> None:
    with connect(server.admin_url) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
    assert stat.S_IMODE(socket_dir(server).stat().st_mode) == 0o700


def test_tests_use_the_server_they_are_given_and_leave_it_running(server: Server) -> None:
    with embedded.for_tests({"EWASTE_ADMIN_DATABASE_URL": server.admin_url}) as given:
        assert not given.owned
        assert given.app_url == server.app_url
    with connect(server.app_url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_second_starter_joins_and_leaves_the_server_running(data_dir: Path) -> None:
    with embedded.start(data_dir) as first:
        with embedded.start(data_dir) as second:
            assert (first.owned, second.owned) == (True, False)
            assert second.app_url == first.app_url
        with connect(first.app_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(embedded.EmbeddedError, match="is running"):
            embedded.forget(data_dir)


def test_what_was_stored_is_there_at_the_next_start_and_nothing_runs_between(data_dir: Path) -> None:
    with embedded.start(data_dir) as server:
        pid, folder = postmaster_of(server), socket_dir(server)
        with connect(server.owner_url) as owner:
            owner.execute("CREATE TABLE devices AS SELECT 7 AS id")
    assert not is_running(pid)
    assert not folder.exists()
    with embedded.start(data_dir) as server, connect(server.owner_url) as owner:
        assert owner.execute("SELECT id FROM devices").fetchone() == (7,)
    embedded.forget(data_dir)
    assert sorted(path.name for path in data_dir.iterdir()) == ["postgres.lock"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_a_killed_starter_takes_its_server_along_and_the_data_stay(data_dir: Path) -> None:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(data_dir)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout as said, connect(said.readline().strip()) as owner:
        owner.execute("CREATE TABLE devices AS SELECT 7 AS id")
        row = owner.execute("SELECT pg_backend_pid(), inet_server_addr()").fetchone()
        assert row is not None
        backend = row[0]
        starter.kill()
        starter.wait()
        assert wait_until_gone(backend)
    # Whether or not the old server is gone by now, this start brings the data back.
    with embedded.start(data_dir) as server, connect(server.owner_url) as owner:
        assert owner.execute("SELECT id FROM devices").fetchone() == (7,)


def test_a_killed_server_starts_again_beside_a_pid_file_that_names_another_program(data_dir: Path) -> None:
    with embedded.start(data_dir) as server:
        with connect(server.owner_url) as owner:
            owner.execute("CREATE TABLE devices AS SELECT 7 AS id")
        pid_file = Path(connect_and_ask(server, "SHOW data_directory")) / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        os.kill(postmaster_of(server), signal.SIGKILL)
    user = pid_file.parent.stat().st_uid
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user=user if os.geteuid() == 0 else None) as another:
        pid_file.write_text("\n".join([str(another.pid), *lines[1:]]) + "\n")
        with embedded.start(data_dir) as server, connect(server.owner_url) as owner:
            assert owner.execute("SELECT id FROM devices").fetchone() == (7,)
            assert server.log is not None
            assert 'lock file "postmaster.pid" already exists' in server.log.read_text()
        assert another.poll() is None


def test_an_unfinished_first_start_is_begun_again(data_dir: Path) -> None:
    with embedded.start(data_dir) as server:
        data = Path(connect_and_ask(server, "SHOW data_directory"))
    data.rename(data.with_name("data.new"))
    (data.with_name("data.new") / "PG_VERSION").unlink()
    with embedded.start(data_dir) as server:
        assert connect_and_ask(server, "SELECT 'up'") == "up"


def test_data_of_another_major_version_are_not_touched(data_dir: Path) -> None:
    with embedded.start(data_dir) as server:
        version = Path(connect_and_ask(server, "SHOW data_directory")) / "PG_VERSION"
    version.write_text("12\n")
    with pytest.raises(embedded.EmbeddedError, match="made by PostgreSQL 12"):
        embedded.start(data_dir)
    assert version.read_text() == "12\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_under_a_closed_folder_runs_it_as_somebody_else_and_keeps_the_data_elsewhere(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    data_dir = closed / "var"
    with embedded.start(data_dir) as server:
        home = Path(connect_and_ask(server, "SHOW data_directory")).parent
        assert home.parent == Path("/var/lib")
        runs_as = pwd.getpwuid(Path(f"/proc/{postmaster_of(server)}").stat().st_uid).pw_name
        assert runs_as in ("postgres", "nobody")
    with embedded.start(data_dir) as server:
        assert Path(connect_and_ask(server, "SHOW data_directory")).parent == home
    embedded.forget(data_dir)
    assert not home.exists()


def test_a_command_gets_the_addresses_and_its_exit_code_is_handed_on(data_dir: Path) -> None:
    ask = "import os, sys; print(os.environ['DATABASE_URL']); sys.exit(7)"
    command = [sys.executable, "-m", "ewaste.core.embedded", "--data", str(data_dir), "--", sys.executable, "-c", ask]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert done.stdout.startswith("postgresql+psycopg://ewaste_app@/ewaste?host=")
