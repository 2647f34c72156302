"""Runs several programs as one: started in order, each once the one before is ready; restarted when
they fail; stopped together, with none of their processes left.

The first start is strict: a program that ends before it is ready ends the whole, as its message is
then the one thing to read. Once ready, a program that ends is started again, after a wait that
doubles each time. What the programs print comes out line by line behind their names.

Everything happens in the calling thread: each child is told by the kernel when that thread ends
(`processes.die_with_parent`), so even a killed supervisor leaves nothing behind on Linux.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final, TextIO

from ewaste.core import processes

__all__ = ["Failed", "Program", "Supervisor"]

COLOURS: Final = ("36", "33", "32", "35", "34", "31")
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
TICK: Final = 0.05  # seconds between looks at the programs


class Failed(RuntimeError):
    """A program did not come up. The message names it; its own words stand above."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A program to keep running."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool] | None = None
    """Asked until it says yes. None: ready as soon as it runs."""
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    start_within: float = 60.0
    """Seconds."""
    stop_within: float = 10.0
    """Seconds after SIGTERM until it is killed."""
    ends: bool = False
    """Its work is over some time: ending well is no reason to start it again."""


@dataclasses.dataclass
class _Running:
    program: Program
    colour: str
    process: subprocess.Popen[bytes] | None = None
    rest: bytes = b""  # the beginning of a line whose end has not come yet
    started: float = 0.0
    failures: int = 0
    again_at: float = 0.0


class Supervisor:
    """Use it as a context manager: `start` and `once` in the order wanted, then `watch`. Leaving stops everything."""

    def __init__(
        self,
        *,
        environment: Mapping[str, str],
        output: TextIO = sys.stdout,
        json_lines: bool = False,
        backoff: tuple[float, float] = (1.0, 30.0),
        steady_after: float = 30.0,
    ) -> None:
        """`backoff` is the first and the longest wait before a restart; a program that ran `steady_after` seconds
        begins with the first wait again. `json_lines` passes on JSON as it is and wraps everything else in it."""
        self._environment = dict(environment)
        self._output = output
        self._json_lines = json_lines
        self._backoff = backoff
        self._steady_after = steady_after
        self._running: list[_Running] = []
        self._selector = selectors.DefaultSelector()
        self._stop: signal.Signals | None = None
        self._hurry = False
        self._before: dict[signal.Signals, object] = {}

    @property
    def stopping(self) -> bool:
        """True once a signal asked us to stop."""
        return self._stop is not None

    def __enter__(self) -> Supervisor:
        for number in STOP_SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._stop_all()
        finally:
            self._selector.close()
            for number, handler in self._before.items():
                signal.signal(number, handler)  # type: ignore[arg-type] # what signal.signal gave us

    def say(self, text: str, *, name: str = "", colour: str = "1") -> None:
        """Print lines behind a name, as the programs' own are."""
        for line in text.splitlines() or [""]:
            try:
                print(self._dressed(line, name or "run", colour), file=self._output, flush=True)
            except OSError:  # nobody reads us any more
                self._stop = self._stop or signal.SIGHUP

    def _dressed(self, line: str, name: str, colour: str) -> str:
        if self._json_lines:
            return line if line.startswith("{") else json.dumps({"logger": name, "event": line}, ensure_ascii=False)
        prefix = f"{name:<8} |"
        if self._output.isatty() and "NO_COLOR" not in os.environ:
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        return f"{prefix} {line}"

    def once(self, program: Program) -> None:
        """Run a program to its end. Raises Failed unless it ends well."""
        running = self._launch(program)
        while running.process is not None and running.process.poll() is None and not self.stopping:
            self._tick()
        code = self._finish(running)
        if code and not self.stopping:
            raise Failed(f"{program.name} failed ({_ending(code)}).")

    def start(self, program: Program) -> None:
        """Start a program and wait until it is ready. Raises Failed when it ends before or takes too long.

        One without a sign of readiness is not waited for: if it ends at once, it is for `watch` to tend.
        """
        if self.stopping:
            return
        running = self._launch(program)
        if program.ready is None:
            return
        deadline = time.monotonic() + program.start_within
        while not self.stopping:
            self._tick()
            if running.process is None or running.process.poll() is not None:
                code = self._finish(running)
                raise Failed(f"{program.name} ended before it was ready ({_ending(code)}).")
            if program.ready():
                return
            if time.monotonic() > deadline:
                raise Failed(f"{program.name} was not ready within {program.start_within:g} seconds.")

    def watch(self, look: Callable[[], object] | None = None) -> signal.Signals:
        """Keep everything running until a signal comes; return it. `look` is called all along."""
        while self._stop is None:
            self._tick()
            if look is not None:
                look()
            for running in list(self._running):
                self._tend(running)
        return self._stop

    # A signal only leaves a note; the loops above and below read it.
    def _on_signal(self, number: int, _frame: object) -> None:
        if self._stop is not None:
            self._hurry = True
        self._stop = signal.Signals(number)

    def _launch(self, program: Program) -> _Running:
        running = _Running(program, COLOURS[len(self._running) % len(COLOURS)])
        self._running.append(running)
        self._spawn(running)
        return running

    def _spawn(self, running: _Running) -> None:
        try:
            running.process = subprocess.Popen(
                list(running.program.command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=self._environment | dict(running.program.environment),
                # A session of its own: Ctrl-C reaches us alone, and its helpers can be found by their group.
                start_new_session=True,
                # If we are killed there is nobody left to insist, so the kernel's message is the last word.
                preexec_fn=processes.die_with_parent(signal.SIGKILL),  # noqa: PLW1509 - we have one thread
            )
        except OSError as error:
            raise Failed(f"{running.program.name} cannot be started: {error}.") from error
        running.started = time.monotonic()
        out = running.process.stdout
        assert out is not None  # noqa: S101 - for the type checker; PIPE was asked for
        os.set_blocking(out.fileno(), False)
        self._selector.register(out, selectors.EVENT_READ, running)

    def _tick(self) -> None:
        """Wait a moment, and pass on what was printed meanwhile."""
        for key, _ in self._selector.select(TICK):
            self._drain(key.data)

    def _drain(self, running: _Running) -> None:
        out = running.process.stdout if running.process else None
        if out is None or out.closed:
            return
        while data := out.read(65536):
            *lines, running.rest = (running.rest + data).split(b"\n")
            for line in lines:
                self.say(line.decode("utf-8", "replace").rstrip("\r"), name=running.program.name, colour=running.colour)
            if len(data) < 65536:
                return
        if data is not None:  # None: nothing there just now; empty: nothing will come any more
            self._close(running, out)

    def _close(self, running: _Running, out: IO[bytes]) -> None:
        self._selector.unregister(out)
        out.close()
        if running.rest:
            self.say(running.rest.decode("utf-8", "replace"), name=running.program.name, colour=running.colour)
            running.rest = b""

    def _tend(self, running: _Running) -> None:
        """See whether a program ended, and start it again when its wait is over."""
        now = time.monotonic()
        if running.process is not None:
            if running.process.poll() is None:
                return
            steady = now - running.started > self._steady_after
            code = self._finish(running, keep=True)
            if running.program.ends and code == 0:
                self._running.remove(running)
                return
            running.failures = 1 if steady else running.failures + 1
            first, longest = self._backoff
            wait = min(first * 2 ** min(running.failures - 1, 16), longest)
            running.again_at = now + wait
            self.say(f"{running.program.name} ended ({_ending(code)}); starting it again in {wait:g} s.")
        elif now >= running.again_at:
            self._spawn(running)

    def _finish(self, running: _Running, *, keep: bool = False) -> int:
        """End what is left of a program: itself, then its helpers. Returns its exit code."""
        process = running.process
        if process is None:
            return 0
        patience = 0.0 if self._hurry else running.program.stop_within
        if process.poll() is None:
            processes.stop(
                process.pid,
                lambda: self._passing_output(process.poll() is None, running),
                numbers=(signal.SIGTERM,),
                patience=patience,
            )
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the group outlives its leader as long as a helper does
        code = process.wait()
        self._drain(running)
        if process.stdout is not None and not process.stdout.closed:
            self._close(running, process.stdout)
        running.process = None
        if not keep:
            self._running.remove(running)
        return code

    def _passing_output(self, alive: bool, running: _Running) -> bool:
        """`alive`, having passed on what was printed: a program that fills its pipe could not end."""
        self._drain(running)
        return alive and not self._hurry

    def _stop_all(self) -> None:
        for running in reversed(list(self._running)):
            if running.process is not None:
                self.say(f"stopping {running.program.name}")
                self._finish(running)


def _ending(code: int) -> str:
    """Such as "exit code 1" or "signal SIGKILL"."""
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
