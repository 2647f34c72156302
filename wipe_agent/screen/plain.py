"""What the operator sees while it works: a bar with rate and time left, or plain lines where there is no terminal.

Everything here goes to standard error; standard output belongs to the result.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from wipe_agent.stand import Row, Stand

_EVERY_SECONDS = 10.0


class Terminal:
    """Shows the stages of a job. Use it as a context; without a terminal it prints a line every ten seconds."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._name, self._size, self._began, self._told = "", 0, 0.0, 0.0

    def __enter__(self) -> Terminal:
        if self._console.is_terminal and not self._quiet:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(binary_units=False),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, name: str, size: int) -> None:
        """A new stage begins, of `size` bytes."""
        self._name, self._size = name, size
        self._began = self._told = time.monotonic()
        if self._bar is not None:
            self._bar.start()  # Not before there is something to show: it redraws its lines, any question among them.
            self._task = self._bar.add_task(name, total=size)
        elif not self._quiet:
            print(f"{name} ...", file=sys.stderr, flush=True)

    def at(self, done: int) -> None:
        """So many bytes of the stage are done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done)
        elif not self._quiet:
            now = time.monotonic()
            if now - self._told >= _EVERY_SECONDS:
                self._told = now
                print(progress_line(self._name, done, self._size, now - self._began), file=sys.stderr, flush=True)

    def ask(self, question: str) -> str:
        """Ask the operator and read a line from the terminal. The bar stands still meanwhile; the next step goes on."""
        if self._bar is not None:
            self._bar.stop()
        self._console.print(question, end="", markup=False, highlight=False)
        return input()

    def bench(
        self,
        board: Stand,
        look: Callable[[], list[Row]],
        *,
        station: str,
        wall: bool,
        certify: Callable[[str], list[str]],
    ) -> None:
        """Show the bench screen until the operator leaves it. `look` finds the drives anew, `certify` issues."""
        from wipe_agent.screen.bench import Bench  # Seldom wanted, and a third of a second to load.

        Bench(board, look, station=station, wall=wall, certify=certify).run()
        if os.environ.get("TERM") == "linux":  # The bare console has no second screen to come back from.
            sys.stderr.write("\x1b[2J\x1b[H")

    def note(self, text: str) -> None:
        """Something the operator should know."""
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False)


def progress_line(name: str, done: int, size: int, seconds: float) -> str:
    """One plain line: share, rate and the estimated time left."""
    rate = done / seconds if seconds > 0 else 0.0
    left = (size - done) / rate if rate else 0.0
    share = 100 * done / size if size else 100.0
    return f"{name}: {share:.1f} %, {rate / 1e6:.0f} MB/s, about {left / 60:.0f} min left (estimate)"
