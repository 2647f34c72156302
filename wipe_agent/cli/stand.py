"""Many drives at once: `stand` in plain lines or JSON lines, `bench` on the screen."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from wipe_agent import check, keys
from wipe_agent.cli.commands import Answer, Screen
from wipe_agent.cli.operator import operator_of
from wipe_agent.errors import AgentError, BadUsage, NotComplete, NotWiped, OrderUnknown
from wipe_agent.stand import Row, Stand, State, certify_ready, orders_elsewhere, read_plan, survey
from wipe_agent.stand.board import DONE, MAY_BEGIN, Event

_LINE_EVERY_SECONDS = 10.0
_LOOK_EVERY_SECONDS = 0.5
_WORDS = ("pause", "resume", "cancel", "eject")


def stand(chosen: Namespace, screen: Screen) -> Answer:
    """Run many drives and print a line for each thing that happens. Reads serials and words from standard input."""
    home, rows, operator = _ready(chosen, screen.ask)
    board = Stand(home, rows, operator=operator)
    teller = _Json() if chosen.json else _Plain()
    for sentence in orders_elsewhere(rows, home):
        teller.note(sentence)
    lines = _standard_input()
    try:
        for row in rows:
            teller.row(row)
            if row.typed is not None and row.state in MAY_BEGIN:
                _carefully(teller, lambda row=row: board.confirm(row.key, row.typed or ""))
        open_ = True
        while open_ or board.busy:
            open_ = _take_words(board, lines, teller) and open_
            for row, event in board.poll(_LOOK_EVERY_SECONDS):
                teller.event(row, event)
            open_ = open_ and any(row.state in MAY_BEGIN or row.state is State.PAUSED for row in board.rows.values())
    finally:
        for row in board.close():
            teller.row(row)
    return _answer(board, teller)


def bench(chosen: Namespace, screen: Screen) -> Answer:
    """Show every drive on the bench screen until the operator leaves it."""
    home, rows, operator = _ready(chosen, screen.ask)
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        raise BadUsage(
            "The bench screen needs a terminal.", next_step="Use wipe-agent stand for plain lines, or --json."
        )
    board = Stand(home, rows, operator=operator)
    try:
        screen.bench(
            board,
            lambda: _rows(chosen, home),
            station=_station_name(home),
            wall=chosen.wall,
            certify=lambda secret: certify_ready(home, board.rows.values(), keys.load_key(home, secret)),
        )
    finally:
        board.close()
    return _answer(board, _Json() if chosen.json else _Plain())


def _ready(chosen: Namespace, ask: Callable[[str], str]) -> tuple[keys.Home, list[Row], str]:
    """Everything that can be refused before the first drive is looked at."""
    home = keys.Home.from_environment()
    home.prepare()
    keys.load_station(home)
    check.self_test()
    return home, _rows(chosen, home), operator_of(chosen, ask)


def _rows(chosen: Namespace, home: keys.Home) -> list[Row]:
    return read_plan(chosen.plan, home) if chosen.plan else survey(home)


def _station_name(home: keys.Home) -> str:
    station = keys.load_station(home)
    return f"{station.centre_name} ({station.mode})" if station.mode == "training" else station.centre_name


def _take_words(board: Stand, lines: queue.Queue[str | None], teller: _Plain | _Json) -> bool:
    """Do what was typed or scanned. Returns False when nobody will say anything more."""
    while True:
        try:
            line = lines.get_nowait()
        except queue.Empty:
            return True
        if line is None or line == "quit":
            return False
        _carefully(teller, lambda line=line: _obey(board, line))


def _obey(board: Stand, line: str) -> None:
    """A serial begins its drive; a word and a serial ask something of it."""
    word, _, rest = line.partition(" ")
    if word in _WORDS and rest.strip():
        {"pause": board.pause, "resume": board.resume, "cancel": board.cancel, "eject": board.eject}[word](
            board.find(rest).key
        )
    elif word in _WORDS:
        raise BadUsage(f"{word}: which drive?", next_step=f"Type {word} and the drive's serial.")
    elif line:
        board.confirm(_meant(board, line).key, line)


def _meant(board: Stand, line: str) -> Row:
    """The drive of this serial. Raises BadUsage where several words stand there and are no serial."""
    try:
        return board.find(line)
    except OrderUnknown as error:
        if " " not in line:
            raise
        raise BadUsage(
            f"{line[:60]!r} is neither a serial of a drive here nor something that can be asked.",
            next_step=f"Type a serial, or one of {', '.join(_WORDS)} with a serial, or quit.",
        ) from error


def _carefully(teller: _Plain | _Json, act: Any) -> None:
    """One drive's refusal is no reason to stop the others."""
    try:
        act()
    except AgentError as error:
        teller.refusal(error)


def _standard_input() -> queue.Queue[str | None]:
    """Lines as they come, and None at the end. A thread reads them, for reading waits."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(" ".join(line.split()))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    return lines


def _answer(board: Stand, teller: _Plain | _Json) -> Answer:
    mine = [row for row in board.rows.values() if row.job is not None]
    code = 0
    if any(row.state is State.NOT_WIPED for row in mine):
        code = NotWiped.exit_code
    elif not all(row.state in DONE for row in mine) or not mine:
        code = NotComplete.exit_code
    return teller.summary(list(board.rows.values()), code)


def facts_of(row: Row) -> dict[str, Any]:
    """A row for programs. Sizes and rates in bytes and bytes a second, times in seconds, degrees Celsius."""
    return {
        "drive": row.name,
        "order": row.job.order if row.job else None,
        "medium": row.job.medium if row.job else None,
        "part": row.part or None,
        "serial": row.serial or None,
        "state": row.state.name.lower(),
        "stage": row.stage or None,
        "done": row.done,
        "size": row.stage_size or row.size,
        "rate": round(row.rate) if row.rate else None,
        "seconds_left": round(row.seconds_left) if row.seconds_left else None,
        "temperature": row.temperature,
        "verdict": {**dict.fromkeys(DONE, "wiped"), State.NOT_WIPED: "not wiped"}.get(row.state),
        "resumed_at": row.resumed_at,
        "message": row.message,
        "next": row.advice,
    }


class _Json:
    """One JSON object a line."""

    def row(self, row: Row) -> None:
        self._say({"event": "drive", **facts_of(row)})

    def event(self, row: Row, event: Event) -> None:
        name = {"alive": "progress", "gone": "process ended"}.get(event["event"], event["event"])
        self._say({"event": name, **facts_of(row)})

    def note(self, text: str) -> None:
        self._say({"event": "note", "message": text})

    def refusal(self, error: AgentError) -> None:
        self._say({"event": "refused", "kind": error.kind, "message": error.message, "next": error.advice})

    def summary(self, rows: list[Row], code: int) -> Answer:
        self._say({"event": "end", "exit_code": code, "drives": [facts_of(row) for row in rows]})
        return {}, [], code

    def _say(self, facts: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(facts, ensure_ascii=False) + "\n")
        sys.stdout.flush()


class _Plain:
    """One line for each change, and every ten seconds one for each drive at work."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[Any, float]] = {}

    def row(self, row: Row) -> None:
        said = f"{row.name}  {row.serial or 'no serial'}: {row.state}"
        if row.state in MAY_BEGIN and row.job:
            said += f", order {row.job.order}. Type or scan the serial to begin"
        self.note(f"{said}.{' ' + row.message if row.message else ''}")

    def event(self, row: Row, event: Event) -> None:
        name, now = row.job.medium if row.job else row.name, time.monotonic()
        looks = (row.state, row.stage, row.message)
        before, told = self._last.get(row.key, (None, 0.0))
        if looks == before and now - told < _LINE_EVERY_SECONDS:
            return
        self._last[row.key] = (looks, now)
        words = [f"{name}: {row.state}"]
        if row.state is State.RUNNING:
            words.append(row.stage)
            if row.done:
                words.append(f"{row.share or 0:.1f} %")
            if row.rate and row.seconds_left is not None:
                words.append(f"{row.rate / 1e6:.0f} MB/s, about {row.seconds_left / 60:.0f} min left (estimate)")
        if row.temperature is not None:
            words.append(f"{row.temperature} °C")
        if row.message and looks != before:
            words.append(row.message)
        self.note(", ".join(words))

    def note(self, text: str) -> None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def refusal(self, error: AgentError) -> None:
        self.note(f"{error.message} Next: {error.advice}")

    def summary(self, rows: list[Row], code: int) -> Answer:
        sentences = []
        for row in rows:
            if row.job is None:
                continue
            part = f", {row.part}" if row.part else ""
            sentences.append(f"{row.job.medium}  order {row.job.order}{part}: {row.state}. {row.message}".rstrip())
            if row.advice:
                sentences.append(f"    Next: {row.advice}")
        if not sentences:
            return {}, ["No drive here is meant by an order."], code
        mine = [row for row in rows if row.job is not None]
        drives = "1 drive" if len(mine) == 1 else f"{len(mine)} drives"
        orders = len({row.job.order for row in mine if row.job is not None})
        devices = "1 device" if orders == 1 else f"{orders} devices"
        done = sum(row.state in DONE for row in mine)
        return {}, [*sentences, f"{done} of {drives} done, of {devices}."], code
