"""The supervisor: readiness in order, restarts, and nothing left running, tried on small stand-in programs."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ewaste.core import processes
from ewaste.core.supervisor import Supervisor

# What runs the stand-ins: `programs` and `then` are filled in by each test.
SCRIPT = """
import io, os, sys
from pathlib import Path
from ewaste.core.supervisor import Failed, Program, Supervisor
folder = Path(sys.argv[1])
python = sys.executable
def program(name, code, **more):
    return Program(name, [python, "-uc", code], **more)
FOREVER = "import os, signal; print('pid', os.getpid()); signal.pause()"
try:
    with Supervisor(environment=dict(os.environ, WHO="all"), backoff=(0.05, 0.2)) as supervisor:
{body}
        supervisor.say("watching")
        supervisor.watch()
except Failed as error:
    print("failed:", error, flush=True)
    sys.exit(1)
print("left", flush=True)
"""


class Session:
    """A supervisor in a process of its own, and what it says."""

    def __init__(self, body: str, folder: Path) -> None:
        script = SCRIPT.format(body=textwrap.indent(textwrap.dedent(body), " " * 8))
        command = [sys.executable, "-c", script, str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said: list[str] = []
        self.seen: set[int] = set()
        # A test that waits for words that never come ends with them, not never.
        self.guard = threading.Timer(30, self.process.kill)
        self.guard.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first line of that kind which no earlier wait has met, printed already or still to come."""
        assert self.process.stdout is not None
        at = 0
        while True:
            if at == len(self.said):
                line = self.process.stdout.readline()
                if not line:
                    pytest.fail(f"never said {pattern!r}, but:\n" + "\n".join(self.said))
                self.said.append(line.rstrip("\n"))
            if at not in self.seen and (found := re.search(pattern, self.said[at])):
                self.seen.add(at)
                return found
            at += 1

    def pid_of(self, name: str) -> int:
        return int(self.wait_for(rf"{name} +\| pid (\d+)")[1])

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        assert self.process.stdout is not None
        self.said += self.process.stdout.read().splitlines()
        return self.process.wait()


@pytest.fixture
def session(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Session]:
    session = Session(request.param, tmp_path)
    yield session
    session.guard.cancel()
    if session.process.poll() is None:
        session.process.kill()
    assert session.process.stdout is not None
    session.process.stdout.close()
    session.process.wait()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(pid: int) -> bool:
    return processes.stop(pid, lambda: is_running(pid), numbers=(signal.Signals.SIGCHLD,), patience=15)


IN_ORDER = """
up = folder / "up"
supervisor.start(program("first", f"import pathlib; pathlib.Path({str(up)!r}).touch();" + FOREVER, ready=up.exists))
code = f"import pathlib; print('first is up:', pathlib.Path({str(up)!r}).exists());"
supervisor.start(program("second", code + FOREVER))
"""


@pytest.mark.parametrize("session", [IN_ORDER], indirect=True)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_programs_start_in_order_and_stop_in_reverse(session: Session, number: signal.Signals) -> None:
    first = session.pid_of("first")
    session.wait_for("first is up: True")
    second = session.pid_of("second")
    session.wait_for("watching")
    assert session.end(number) == 0
    assert [line for line in session.said if "stopping" in line] == [
        "run      | stopping second",
        "run      | stopping first",
    ]
    assert not is_running(first)
    assert not is_running(second)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
@pytest.mark.parametrize("session", [IN_ORDER], indirect=True)
def test_a_killed_supervisor_leaves_none_of_its_programs(session: Session) -> None:
    pids = [session.pid_of("first"), session.pid_of("second")]
    session.wait_for("watching")
    session.process.kill()
    assert all(ends(pid) for pid in pids)


@pytest.mark.parametrize("session", ['supervisor.start(program("web", FOREVER))'], indirect=True)
def test_a_program_that_ends_is_started_again_after_a_growing_wait(session: Session) -> None:
    session.wait_for("watching")
    waits = []
    for _ in range(4):
        os.kill(session.pid_of("web"), signal.SIGKILL)
        waits.append(session.wait_for(r"web ended \(signal SIGKILL\); starting it again in ([\d.]+) s")[1])
    assert waits == ["0.05", "0.1", "0.2", "0.2"]
    last = session.pid_of("web")
    assert session.end(signal.SIGTERM) == 0
    assert not is_running(last)


ERRAND = """
code = "import os, pathlib, sys; tries = pathlib.Path(sys.argv[1]); n = len(list(tries.iterdir())); "
code += "(tries / str(n)).touch(); print('try', n); sys.exit(n < 1)"
(folder / "tries").mkdir()
supervisor.start(program("web", FOREVER))
supervisor.start(Program("errand", [python, "-uc", code, str(folder / "tries")], ends=True))
"""


@pytest.mark.parametrize("session", [ERRAND], indirect=True)
def test_a_program_whose_work_is_over_is_started_again_only_if_it_failed(session: Session) -> None:
    session.wait_for("errand .* try 0")
    session.wait_for(r"errand ended \(exit code 1\); starting it again")
    session.wait_for("errand .* try 1")
    os.kill(session.pid_of("web"), signal.SIGKILL)  # Long after it, the supervisor still watches the others.
    session.wait_for("starting it again in 0.05 s")
    assert session.end(signal.SIGTERM) == 0
    assert not [line for line in session.said if "try 2" in line]


HELPERS = """
code = "import os, subprocess, sys, signal; "
code += "h = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
code += "print('helper', h.pid); signal.signal(15, lambda *_: os._exit(0)); signal.pause()"
supervisor.start(program("web", code))
"""


@pytest.mark.parametrize("session", [HELPERS], indirect=True)
def test_helpers_that_a_program_leaves_behind_are_ended_too(session: Session) -> None:
    helper = int(session.wait_for(r"helper (\d+)")[1])
    session.wait_for("watching")
    assert session.end(signal.SIGINT) == 0
    assert ends(helper)


STUBBORN = """
code = "import signal, os; signal.signal(15, signal.SIG_IGN); print('pid', os.getpid());\\nwhile True: signal.pause()"
supervisor.start(program("web", code, stop_within=0.2))
"""


@pytest.mark.parametrize("session", [STUBBORN], indirect=True)
def test_a_program_that_does_not_listen_is_killed(session: Session) -> None:
    pid = session.pid_of("web")
    session.wait_for("watching")
    assert session.end(signal.SIGINT) == 0
    assert not is_running(pid)


FAILS = """
up = folder / "up"
code = f"import os, pathlib, signal; print('pid', os.getpid()); pathlib.Path({str(up)!r}).touch(); signal.pause()"
supervisor.start(program("first", code, ready=up.exists))
supervisor.start(program("second", "import sys; sys.exit('the reason')", ready=lambda: False))
"""


@pytest.mark.parametrize("session", [FAILS], indirect=True)
def test_a_program_that_ends_before_it_is_ready_ends_the_whole_with_its_reason(session: Session) -> None:
    first = session.pid_of("first")
    session.wait_for(r"second +\| the reason")
    session.wait_for(r"failed: second ended before it was ready \(exit code 1\)")
    assert session.process.wait() == 1
    assert not is_running(first)


@pytest.mark.parametrize(
    "session", ['supervisor.start(program("web", FOREVER, ready=lambda: False, start_within=0.2))'], indirect=True
)
def test_a_program_that_never_gets_ready_is_not_waited_for_without_end(session: Session) -> None:
    session.wait_for(r"failed: web was not ready within 0\.2 seconds")
    assert session.process.wait() == 1


ONCE = """
code = "import os; print('for', os.environ['WHO'], os.environ['ONLY'])"
supervisor.once(program("migrate", code, environment={"ONLY": "me"}))
supervisor.once(program("seed", "print('unfinished line', end='', flush=True); raise SystemExit(3)"))
"""


@pytest.mark.parametrize("session", [ONCE], indirect=True)
def test_a_step_that_fails_is_named_and_its_last_words_are_kept(session: Session) -> None:
    session.wait_for(r"migrate +\| for all me")
    session.wait_for(r"seed +\| unfinished line")
    session.wait_for(r"failed: seed failed \(exit code 3\)")
    assert session.process.wait() == 1


LOUD = """supervisor.start(program("web", "for n in range(20000): print('line', n)\\n" + FOREVER))"""


@pytest.mark.parametrize("session", [LOUD], indirect=True)
def test_a_loud_program_loses_no_line(session: Session) -> None:
    session.wait_for(r"web +\| line 19999$")
    lines = [line for line in session.said if "| line " in line]
    assert lines == [f"web      | line {n}" for n in range(20000)]


@pytest.mark.parametrize("session", ['supervisor.start(Program("web", ["/does/not/exist"]))'], indirect=True)
def test_a_program_that_is_not_there_is_named(session: Session) -> None:
    session.wait_for("failed: web cannot be started: .*does/not/exist")
    assert session.process.wait() == 1


def test_with_json_lines_every_line_is_an_object_and_one_that_is_stays_as_it_is() -> None:
    output = io.StringIO()
    supervisor = Supervisor(environment={}, output=output, json_lines=True)
    supervisor.say('{"level": "info", "event": "request"}', name="web")
    supervisor.say("The database is at revision 0008.", name="migrate")
    assert [json.loads(line) for line in output.getvalue().splitlines()] == [
        {"level": "info", "event": "request"},
        {"logger": "migrate", "event": "The database is at revision 0008."},
    ]
