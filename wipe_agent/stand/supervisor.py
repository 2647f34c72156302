"""The supervisor: starts one process for each drive, passes words on to them, and keeps the board.

It holds nothing that a crash could lose: what was done is in the journals, and each drive's process ends by itself when
the supervisor's end of the pipe is gone. Two processes never work on one drive: the board starts none where one runs,
and the journal's lock stops a stranger's.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import IO

from wipe_agent import keys, media
from wipe_agent.errors import AgentError, BadUsage, OrderUnknown, TargetBusy, WrongSerial
from wipe_agent.stand.board import BUSY, MAY_BEGIN, Event, Job, Row, State

PROGRAM = (sys.executable, "-m", "wipe_agent.stand")


@dataclass(frozen=True)
class _Process:
    """The process of one drive, and the two pipes to it."""

    popen: subprocess.Popen[str]
    words: IO[str]
    events: IO[str]


class Stand:
    """Many drives and their processes. `rows` is the board, by key. Not for several threads."""

    def __init__(
        self,
        home: keys.Home,
        rows: Iterable[Row],
        *,
        operator: str,
        program: tuple[str, ...] = PROGRAM,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows: dict[str, Row] = {row.key: row for row in rows}
        self._home = home
        self._operator = operator
        self._program = program
        self._clock = clock
        self._processes: dict[str, _Process] = {}
        self._heard: queue.Queue[tuple[str, Event]] = queue.Queue()
        self._untold: list[tuple[Row, Event]] = []

    def find(self, typed: str) -> Row:
        """The row of a serial that was typed or scanned. Raises OrderUnknown in words where there is none or two."""
        said = " ".join(typed.split())
        found = [row for row in self.rows.values() if any(media.same_typed(said, name) for name in _names(row))]
        if not found:
            raise OrderUnknown(
                f"No drive here has the serial {said[:60]!r}.",
                next_step="Look at the label, and connect the drive.",
            )
        if len(found) > 1:
            raise OrderUnknown(
                f"{len(found)} drives here go by the serial {said[:60]!r}.",
                next_step="Disconnect all but one of them.",
            )
        return found[0]

    def confirm(self, key: str, typed: str) -> None:
        """The operator has typed or scanned this drive's serial: it is begun, or gone on with.

        Raises WrongSerial if it is not the order's, BadUsage if there is nothing to begin here, TargetBusy if a process
        is at work. Then nothing was started.
        """
        row = self.rows[key]
        if row.job is None or row.state in (State.HELD, State.ABSENT):
            raise BadUsage(f"{row.name} is not touched. {row.message}", next_step=row.advice or "Choose another drive.")
        if row.state not in MAY_BEGIN or row.holds:
            raise TargetBusy(f"{row.name}: {row.state}.", next_step="Choose another drive, or wait for this one.")
        said = " ".join(typed.split())
        if not media.same_typed(said, row.job.medium):
            raise WrongSerial(f"You typed {said[:80]!r}; order {row.job.order} means another serial at {row.name}.")
        row.typed = said
        self._start(row, row.job)

    def pause(self, key: str) -> None:
        """Ask the drive's process to stand still: at a checkpoint it ends, while it reads it holds."""
        self._ask(key, "pause", State.PAUSING)

    def resume(self, key: str) -> None:
        """Go on, without asking for the serial anew: this drive was confirmed here. Raises BadUsage if it was not."""
        row = self.rows[key]
        if row.state is not State.PAUSED or row.typed is None or row.job is None:
            raise BadUsage(f"{row.name} is not paused: {row.state}.", next_step="Scan its serial to begin it.")
        if row.holds:
            self._send(key, "resume")
        else:
            self._start(row, row.job)

    def cancel(self, key: str) -> None:
        """End the work on this drive. One that works by itself cannot be cancelled; it says so and goes on."""
        self._leave(key, "cancel", State.CANCELLED)

    def eject(self, key: str) -> None:
        """Let go of the drive, whatever it does. It is unfinished then, and its journal says how far it came."""
        self._leave(key, "eject", State.UNFINISHED)

    def poll(self, seconds: float = 0.0) -> list[tuple[Row, Event]]:
        """What the processes said since the last look, waiting up to `seconds` for the first word. Keeps the board."""
        self._listen(0.0 if self._untold else seconds)
        heard, self._untold = self._untold, []
        return heard

    def silent(self) -> list[Row]:
        """Drives at work that have not moved for two minutes."""
        now = self._clock()
        return [row for row in self.rows.values() if row.silent(now)]

    def look(self, rows: Iterable[Row]) -> None:
        """Take over a new look at the machine: drives that came, and drives that are gone and were not begun."""
        seen = {row.key: row for row in rows}
        by_path = {row.job.target for row in self.rows.values() if row.job and row.state in BUSY}
        for key, row in list(self.rows.items()):
            untouched = row.state in (State.HELD, State.ABSENT, State.WAITING) and not self._running(key)
            if untouched:
                del self.rows[key]
        for key, row in seen.items():
            if key not in self.rows and row.name not in by_path:
                self.rows[key] = row

    @property
    def busy(self) -> bool:
        """Whether a process is still there."""
        return bool(self._processes)

    def close(self, patience_seconds: float = 60.0) -> list[Row]:
        """End every process at its next chunk. Returns the rows whose process did not end in time.

        A process that hangs in its drive is left behind: it ends by itself when the drive answers, because its input is
        closed, and the journal's lock keeps a second one off meanwhile.
        """
        for process in self._processes.values():
            _close(process.words)
        until = self._clock() + patience_seconds
        while self._processes and self._clock() < until:
            self._listen(0.2)
        left = [self.rows[key] for key in self._processes]
        for row in left:
            row.state = State.UNFINISHED
            row.message = "The drive does not answer. Its process ends by itself when it does; nothing else will write."
        return left

    def _start(self, row: Row, job: Job) -> None:
        while self._running(row.key):  # It has said its last word and is on its way out.
            self._listen(0.05)
        popen = subprocess.Popen(
            self._program,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # Also where the program runs out of an archive. Ctrl-C reaches the supervisor alone, which ends them all.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
        if popen.stdin is None or popen.stdout is None:
            raise AgentError("The process of a drive has no pipes.")
        process = self._processes[row.key] = _Process(popen, popen.stdin, popen.stdout)
        row.begin(self._clock())
        self._send(
            row.key,
            json.dumps(
                {
                    "home": str(self._home.path.absolute()),
                    "order": job.order,
                    "medium": job.medium,
                    "target": job.target,
                    "image": job.image,
                    "start_over": job.start_over,
                    "operator": self._operator,
                    "typed": row.typed,
                }
            ),
        )
        # A process that was paused or broken off must not begin anew by itself when it is resumed.
        row.job = replace(job, start_over=False)
        threading.Thread(target=self._hear, args=(row.key, process), daemon=True).start()

    def _listen(self, seconds: float) -> None:
        wait = seconds
        while True:
            try:
                key, event = self._heard.get(timeout=wait) if wait > 0 else self._heard.get_nowait()
            except queue.Empty:
                return
            wait = 0.0
            row = self.rows[key]
            row.take(event, self._clock())
            if event["event"] == "gone":
                self._processes.pop(key).popen.wait()
            self._untold.append((row, event))

    def _hear(self, key: str, process: _Process) -> None:
        """Reads one process until its end, in a thread of its own."""
        spoke = False
        with process.events:
            for line in process.events:
                try:
                    event = json.loads(line)
                    spoke = spoke or event["event"] in ("wiped", "error")
                except (ValueError, KeyError, TypeError):
                    continue  # A line that a kill tore off.
                self._heard.put((key, event))
        self._heard.put((key, {"event": "gone", "code": process.popen.wait(), "spoke": spoke}))
        _close(process.words)

    def _running(self, key: str) -> bool:
        return key in self._processes

    def _ask(self, key: str, word: str, state: State) -> None:
        row = self.rows[key]
        if row.state is not State.RUNNING:
            raise BadUsage(f"{row.name} is not at work: {row.state}.", next_step="Choose a drive that is at work.")
        row.asked, row.state = word, state
        self._send(key, word)

    def _leave(self, key: str, word: str, ended: State) -> None:
        row = self.rows[key]
        if row.holds or row.state in BUSY:
            row.asked, row.state = word, State.STOPPING
            self._send(key, word)
        elif row.state is State.PAUSED:  # Its process has ended, or is on its way out.
            row.state, row.message = ended, "It is not wiped. Begun again, it goes on at the last checkpoint."
        else:
            raise BadUsage(f"{row.name} is not at work: {row.state}.", next_step="Choose a drive that is at work.")

    def _send(self, key: str, line: str) -> None:
        pipe = self._processes[key].words
        try:
            pipe.write(line + "\n")
            pipe.flush()
        except (OSError, ValueError):
            return  # It has just ended; its last word is on the way.


def _names(row: Row) -> tuple[str, ...]:
    return (row.serial, row.job.medium) if row.job else (row.serial,)


def _close(pipe: IO[str]) -> None:
    try:
        pipe.close()
    except OSError:
        return
