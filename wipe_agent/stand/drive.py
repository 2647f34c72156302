"""The process of one drive: runs the job, tells how it goes as JSON lines, and listens for pause, resume and cancel.

The first line of its input is the job, with the serial that the operator typed; each later line is one word. The end of
the input means that the supervisor is gone: the process then ends at the next chunk, as if it had been cancelled, and
the journal keeps what was done. Only the job writes to the drive; this module never does.
"""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TextIO

from wipe_agent import jobs, keys
from wipe_agent.errors import AgentError, StateUnusable, Stopped, TargetBusy
from wipe_agent.stand.board import Event, Stop, stop_in
from wipe_agent.stand.temperature import Thermometer

_ALIVE_EVERY_SECONDS = 1.0
# After the supervisor died, an older process of the same drive is still on its way to its next chunk.
_BUSY_TRIES, _BUSY_WAIT_SECONDS = 20, 1.0

Tell = Callable[[Event], None]


class Control:
    """What was asked of this process, looked at by the job at every chunk."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._changed = threading.Condition()
        self._asked: str | None = None
        self._stop = Stop.HOLDS
        self._refused: str | None = None
        self.done = 0

    def ask(self, word: str) -> None:
        """`pause`, `resume`, `cancel`, or `eject`, which leaves even a drive that works by itself."""
        with self._changed:
            self._asked = None if word == "resume" else word
            self._refused = None
            self._changed.notify_all()

    def step(self, name: str, size: int) -> None:
        """A stage begins."""
        self._stop, self.done = stop_in(name), 0
        self._tell({"event": "stage", "name": name, "size": size, "stop": self._stop.value})
        self.at(0)

    def at(self, done: int) -> None:
        """So much is done. Raises Stopped where the work is to end here; stands still where it is to hold."""
        self.done = done
        with self._changed:
            if self._asked is None:
                return
            if self._stop is Stop.WAITS and self._asked in ("pause", "cancel"):
                if self._refused != self._asked:
                    self._refused = self._asked
                    self._tell({"event": "cannot stop"})
                return
            if self._asked == "pause" and self._stop is Stop.HOLDS:
                self._tell({"event": "held"})
                self._changed.wait_for(lambda: self._asked != "pause")
                if self._asked is None:
                    self._tell({"event": "goes on"})
                    return
            raise Stopped("Stopped. What was done is in the journal.")

    def wait(self, seconds: float) -> None:
        """Wait for another process of this drive to end. Raises Stopped if that is asked meanwhile."""
        with self._changed:
            if self._changed.wait_for(lambda: self._asked is not None, seconds):
                raise Stopped("Stopped before it began.")


def main(commands: TextIO, out: TextIO) -> int:
    """Run the one job that the first line describes. Returns the exit code of what became of it."""
    tell = _teller(out)
    job = json.loads(commands.readline())
    control = Control(tell)

    signal.signal(signal.SIGTERM, _interrupt)
    threading.Thread(target=_listen, args=(commands, control), daemon=True).start()
    ended = threading.Event()
    life = threading.Thread(target=_live, args=(job["target"], control, tell, ended), daemon=True)
    life.start()
    try:
        said, code = _say(lambda: _run(job, control, tell))
    finally:
        ended.set()
        life.join()
    tell({"event": "alive", "done": control.done, "temperature": None})
    tell(said)
    return code


def _run(job: dict[str, Any], control: Control, tell: Tell) -> jobs.Wiped:
    home = keys.Home(Path(job["home"]))
    for tries_left in range(_BUSY_TRIES, -1, -1):
        try:
            return jobs.wipe(
                home,
                order_code=job["order"],
                target_path=Path(job["target"]),
                medium_named=job["medium"],
                typed=lambda question: str(job["typed"]),
                operator=job["operator"],
                image=job["image"],
                start_over=job["start_over"],
                progress=jobs.Progress(
                    step=control.step, at=control.at, note=lambda text: tell({"event": "note", "text": text})
                ),
                now=datetime.now(UTC),
            )
        except TargetBusy as error:
            if not tries_left:
                raise
            tell({"event": "note", "text": f"{error.message} Waiting for it."})
            control.wait(_BUSY_WAIT_SECONDS)
    raise AssertionError("the last try returns or raises")


def _say(run: Callable[[], jobs.Wiped]) -> tuple[Event, int]:
    """The last word of this process, and its exit code."""
    try:
        done = run()
    except AgentError as error:
        return _error(error), error.exit_code
    except KeyboardInterrupt:
        stopped = Stopped("Stopped by a signal. What was done is in the journal.")
        return _error(stopped), stopped.exit_code
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        unusable = StateUnusable(f"The disk does not play along: {where}{error.strerror}.")
        return _error(unusable), unusable.exit_code
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told, and it is this drive's alone
        unexpected = AgentError(f"An error of the agent itself: {error!r}.")
        return _error(unexpected), unexpected.exit_code
    return {"event": "wiped", "size": done.size, "again": done.again, "resumed_at": done.resumed_at}, 0


def _error(error: AgentError) -> Event:
    return {
        "event": "error",
        "kind": error.kind,
        "exit_code": error.exit_code,
        "message": error.message,
        "next": error.advice,
    }


def _listen(commands: TextIO, control: Control) -> None:
    for line in commands:
        control.ask(line.strip())
    control.ask("gone")


def _live(target: str, control: Control, tell: Tell, ended: threading.Event) -> None:
    """A sign of life every second, also while the drive does not answer."""
    thermometer = Thermometer(Path(target).resolve())
    while not ended.wait(_ALIVE_EVERY_SECONDS):
        tell({"event": "alive", "done": control.done, "temperature": thermometer.read()})


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _teller(out: TextIO) -> Tell:
    """Writes one line for each event. Nobody listening any more is no reason to stop: the input's end says that."""
    alone = threading.Lock()

    def tell(event: Event) -> None:
        with alone:
            try:
                out.write(json.dumps(event, ensure_ascii=True) + "\n")
                out.flush()
            except OSError:
                return

    return tell
