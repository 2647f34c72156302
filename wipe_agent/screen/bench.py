"""The bench screen: every drive at once, driven by a keyboard or a barcode scanner.

The field at the bottom always has the focus: a scanner types a serial and Enter, and the drive is chosen and what comes
next is asked for. Nothing is destroyed by scanning alone: F2, or a card with the word START, begins. The screen
holds no facts; it shows the board and asks the supervisor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.events import Resize
from textual.widgets import Input, Static

from wipe_agent.errors import AgentError
from wipe_agent.media import size_in_words
from wipe_agent.screen.lettering import CARD_LINES, WIDE, card, duration, lines, numbers
from wipe_agent.stand import Row, Stand, State
from wipe_agent.stand.board import BUSY, DONE, MAY_BEGIN

_EVERY_SECONDS = 0.25
_CARD_COLUMNS = 80
_FIELD = "Scan or type a serial, or a word: start pause cancel eject certify look leave"
_KEYS = "F2 start  F3 pause  F4 cancel  F6 certify  F8 eject  F5 look  F10 leave"

# What to do next, where there are keys and no command line. What is not here says its own advice.
_NEXT = {
    "Stopped": "It stays in the centre until it is wiped. To go on, scan it and press F2.",
    "DeviceChanged": "Connect the drive that the work began on, press F5, scan it.",
    "WriteFailed": "Check cable and drive, scan it, F2 begins anew. If it fails again, destroy it.",
    "NotWiped": "Destroy it. To try once more, leave (F10) and wipe it with --start-over.",
    "TargetBusy": "Wait for the other program, or end it. Then scan it again.",
    "TargetRefused": "Release what holds it, or choose the right drive. Then press F5.",
    "JournalUnwritable": "Free space on the disk of the state folder. Then scan it again: it goes on.",
    "WrongSerial": "Read the serial off its label and scan that. Nothing was changed on the drive.",
    "OrderUnknown": "Look at the label, connect the drive, press F5.",
    "OrderRefused": "Leave (F10) and fetch orders. If it stays so, ask for a new work order.",
}

_PAGE_SECONDS = 10.0
_QUIET_SECONDS = 30.0
"""On the wall, when nobody has touched anything for so long, the pages take turns."""

Certify = Callable[[str], list[str]]


class Bench(App[None]):
    """Runs until the operator leaves. `look` finds the drives anew; `certify` takes a passphrase, returns sentences."""

    TITLE = "Clearhand bench"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; background: black; color: white; }
    #head { height: 1; text-wrap: nowrap; background: white; color: black; text-style: bold; padding: 0 1; }
    #drives { height: 1fr; background: black; scrollbar-size-vertical: 1; }
    #drives > Static { height: auto; margin: 0; text-wrap: nowrap; text-overflow: ellipsis; }
    #drives.wall { layout: grid; grid-gutter: 1 2; grid-rows: 6; overflow-y: hidden; }
    #drives.wall > Static { height: 6; }
    #told { height: 6; border-top: solid white; padding: 0 1; background: black; }
    #scan { height: 1; border: none; padding: 0 1; background: white; color: black; }
    #scan > .input--placeholder { color: #404040; }
    #scan > .input--cursor { background: black; color: white; }
    #keys { height: 1; text-wrap: nowrap; padding: 0 1; background: black; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "say('start')", priority=True),
        Binding("f3", "say('pause')", priority=True),
        Binding("f4", "say('cancel')", priority=True),
        Binding("f5", "say('look')", priority=True),
        Binding("f6", "say('certify')", priority=True),
        Binding("f8", "say('eject')", priority=True),
        Binding("f10", "say('leave')", priority=True),
        Binding("ctrl+c", "say('leave')", priority=True),
        Binding("ctrl+q", "say('leave')", priority=True),
        Binding("escape", "say('never mind')", priority=True),
        # What a scanner sends that ends its line with a line feed, and what was typed before the screen was there.
        Binding("ctrl+j", "enter", priority=True),
        Binding("up", "choose(-1)", priority=True),
        Binding("down", "choose(1)", priority=True),
        # The field is the only place to be.
        Binding("tab,shift+tab", "choose(0)", priority=True),
    ]

    def __init__(
        self,
        board: Stand,
        look: Callable[[], list[Row]],
        *,
        station: str,
        wall: bool = False,
        certify: Certify | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._clock = clock
        self._touched = clock()
        self._board = board
        self._look = look
        self._station = station
        self._wall = wall
        self._certify = certify
        self._chosen: str | None = next(iter(board.rows), None)
        self._scanned: tuple[str, str] | None = None  # The drive whose serial was scanned last, and what was scanned.
        self._asked_twice: tuple[str, str | None] | None = None
        self._passphrase = False
        self._answer = ""
        self._words: dict[str, Callable[[], None]] = {
            "start": self._start,
            "resume": self._start,
            "pause": self._pause,
            "cancel": self._cancel,
            "eject": self._eject,
            "certify": self._ask_passphrase,
            "look": self._look_again,
            "leave": self._leave,
            "never mind": self._never_mind,
        }

    def compose(self) -> ComposeResult:
        """From top to bottom: who we are, the drives, what comes next, the field, the keys."""
        yield Static(id="head")
        yield VerticalScroll(id="drives", can_focus=False, classes="wall" if self._wall else "")
        yield Static(id="told")
        yield Input(id="scan", placeholder=_FIELD, select_on_focus=False)
        yield Static(_KEYS, id="keys")

    async def on_mount(self) -> None:
        """Show the board, and keep looking at it."""
        self.query_one("#scan", Input).focus()
        await self._redraw()
        self.set_interval(_EVERY_SECONDS, self._refresh)

    async def on_resize(self, _: Resize) -> None:
        """Another width, another layout."""
        await self._redraw()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Something was typed or scanned."""
        self._touched = self._clock()
        said, event.input.value = event.value, ""
        if self._passphrase:
            self._end_passphrase()
            self._carefully(lambda: self._issue(said))
        elif said.strip().lower() in self._words:
            await self.action_say(said.strip().lower())
        elif said.strip():
            self._carefully(lambda: self._scan(said))
        await self._redraw()

    async def action_enter(self) -> None:
        """As Enter does."""
        await self.query_one("#scan", Input).action_submit()

    async def action_choose(self, steps: int) -> None:
        """Up or down by one drive. What was scanned for another one does not count for this."""
        self._touched = self._clock()
        keys = list(self._board.rows)
        if keys and steps:
            place = keys.index(self._chosen) if self._chosen in keys else 0
            self._turn_to(keys[max(0, min(len(keys) - 1, place + steps))])
        self.query_one("#scan", Input).focus()
        await self._redraw()

    async def action_say(self, word: str) -> None:
        """A key, or a word from a card."""
        self._touched = self._clock()
        if self._passphrase:
            self._end_passphrase()
        if word != "leave" and self._asked_twice and self._asked_twice[0] != word:
            self._asked_twice = None
        self._carefully(self._words[word])
        await self._redraw()

    # What the words do. Each raises AgentError in words where it cannot be done.

    def _scan(self, said: str) -> None:
        row = self._board.find(said)
        self._turn_to(row.key)
        if row.state in MAY_BEGIN and not row.holds:
            self._scanned = (row.key, said)

    def _start(self) -> None:
        row = self._row()
        if row is None:
            return
        if row.state is State.PAUSED and row.typed is not None:
            self._board.resume(row.key)
        elif self._scanned is not None and self._scanned[0] == row.key:
            typed, self._scanned = self._scanned[1], None
            self._board.confirm(row.key, typed)
        elif row.state in MAY_BEGIN:
            self._answer = "Scan or type its serial first. It is on the drive's label."
        elif row.state in DONE:
            self._answer = f"{row.message} Nothing was begun."

    def _pause(self) -> None:
        row = self._row()
        if row is not None:
            self._board.pause(row.key)

    def _cancel(self) -> None:
        row = self._row()
        if row is not None and self._sure("cancel", row.key, f"Cancel {row.serial or row.name}? It is not wiped then."):
            self._board.cancel(row.key)

    def _eject(self) -> None:
        row = self._row()
        if row is not None and self._sure("eject", row.key, f"Let go of {row.serial or row.name}, unfinished?"):
            self._board.eject(row.key)

    def _look_again(self) -> None:
        self._board.look(self._look())
        if self._chosen not in self._board.rows:
            self._turn_to(next(iter(self._board.rows), None))
        count = len(self._board.rows)
        self._answer = "1 drive is here." if count == 1 else f"{count} drives are here."

    def _leave(self) -> None:
        busy = sum(row.state in BUSY or row.holds for row in self._board.rows.values())
        if not busy or self._sure("leave", None, f"Leave? {busy} at work end at a checkpoint and are not wiped."):
            self.exit()

    def _ask_passphrase(self) -> None:
        if self._certify is None:
            return
        if not any(row.state is State.WIPED for row in self._board.rows.values()):
            self._answer = "There is nothing to certify: no drive here is wiped and without its certificate."
            return
        field = self.query_one("#scan", Input)
        field.password, field.placeholder, self._passphrase = True, "Passphrase of this station, then Enter", True

    def _issue(self, passphrase: str) -> None:
        if self._certify is not None and passphrase:
            self._answer = " ".join(self._certify(passphrase))

    def _never_mind(self) -> None:
        self._scanned, self._asked_twice, self._answer = None, None, ""
        self.query_one("#scan", Input).value = ""

    def _sure(self, word: str, key: str | None, question: str) -> bool:
        """Asks once and does it the second time."""
        if self._asked_twice == (word, key):
            self._asked_twice, self._answer = None, ""
            return True
        self._asked_twice, self._answer = (word, key), f"{question} Once more for yes, Esc for no."
        return False

    # Showing.

    def _row(self) -> Row | None:
        return self._board.rows.get(self._chosen) if self._chosen is not None else None

    def _turn_to(self, key: str | None) -> None:
        self._chosen, self._scanned, self._asked_twice, self._answer = key, None, None, ""

    def _carefully(self, act: Callable[[], None]) -> None:
        if self._asked_twice is None:
            self._answer = ""
        try:
            act()
        except AgentError as error:
            self._answer = f"{error.message} {_NEXT.get(error.kind, error.advice)}"
            self.bell()

    def _end_passphrase(self) -> None:
        field = self.query_one("#scan", Input)
        field.password, field.placeholder, self._passphrase, field.value = False, _FIELD, False, ""

    async def _refresh(self) -> None:
        for row, event in self._board.poll():
            if event["event"] in ("wiped", "error"):
                self.bell()
                if row.key == self._chosen:
                    self._answer = ""
        await self._redraw()

    async def _redraw(self) -> None:
        if not self.query("#drives") or not self.query_one("#drives").is_attached:
            return  # A last tick: the screen was taken down.
        drives = self.query_one("#drives", VerticalScroll)
        every = list(self._board.rows.values())
        columns = max(1, self.size.width // _CARD_COLUMNS) if self._wall else 1
        rows, page = self._page(every, columns, drives.size.height) if self._wall else (every, "")
        shown = list(drives.query(Static))
        if len(shown) < len(rows):
            await drives.mount(*(Static(markup=False) for _ in range(len(rows) - len(shown))))
        for spare in shown[len(rows) :]:
            await spare.remove()
        if self._wall:
            drives.styles.grid_size_columns = columns
        draw, silent = (card if self._wall else lines), self._board.silent()
        places = list(drives.query(Static))
        if len(places) != len(rows):  # It is being taken down at this moment, and takes no lines any more.
            return
        for place, row in zip(places, rows, strict=True):
            chosen = row.key == self._chosen
            place.update(draw(row, self.size.width // columns, chosen=chosen, silent=row in silent))
            if chosen:
                place.scroll_visible(animate=False)
        self.query_one("#head", Static).update(self._headline(every, page))
        self.query_one("#told", Static).update(Text(self._told(), overflow="fold"))

    def _page(self, rows: list[Row], columns: int, height: int) -> tuple[list[Row], str]:
        """The drives of one page of the wall, each whole, and which page it is: the chosen one's, or in turn."""
        fit = columns * max(1, (height + 1) // (CARD_LINES + 1))
        pages = -(-len(rows) // fit)
        if pages <= 1:
            return rows, ""
        quiet = self._clock() - self._touched - _QUIET_SECONDS
        keys = [row.key for row in rows]
        number = keys.index(self._chosen) // fit if self._chosen in keys else 0
        if quiet >= 0:
            number = (number + 1 + int(quiet // _PAGE_SECONDS)) % pages
        return rows[number * fit : (number + 1) * fit], f"  |  page {number + 1} of {pages}"

    def _headline(self, rows: list[Row], page: str) -> Text:
        states = [row.state for row in rows]
        whole = sum(row.job is not None for row in rows)  # What an order means; the others stay as they are.
        need = sum(state in (State.NOT_WIPED, State.FAILED, State.REFUSED) for state in states)
        counts = [
            (sum(state in BUSY for state in states), "at work"),
            (sum(state in DONE for state in states), f"of {whole} done"),
            (need, "needs you" if need == 1 else "need you"),
            (states.count(State.WAITING), "to scan"),
            (states.count(State.ABSENT), "not here"),
        ]
        told = ", ".join(f"{count} {what}" for count, what in counts if count) or "no drives"
        clock = f"  |  {datetime.now(UTC):%H:%M} UTC" if self.size.width >= WIDE else ""
        return Text(f"{self._station}  |  {told}{page}{clock}", no_wrap=True, overflow="ellipsis")

    def _told(self) -> str:
        """What the chosen drive is and what comes next, in at most five lines of 80 columns."""
        row = self._row()
        if row is None:
            return self._answer or "No drives are here. Connect one and press F5."
        name = " ".join(
            part for part in (row.serial or row.name, row.model, size_in_words(row.size) if row.size else "") if part
        )
        part = f" Medium {row.part} of its device." if row.part else ""
        first = f"{name}: {row.state}.{part}" + (" TRAINING." if row.training else "")
        return f"{first}\n{self._answer or self._next(row)}"

    def _next(self, row: Row) -> str:
        if self._scanned is not None and self._scanned[0] == row.key:
            return f"ALL DATA ON {row.name} WILL BE DESTROYED. F2 or START begins, Esc leaves it alone."
        if row.state is State.RUNNING:
            said = ", ".join(part for part in (row.stage, numbers(row).replace("  ", ", ")) if part)
            return (
                f"{said}. At work for {duration(row.seconds_at_work)}. F3 pauses, F4 cancels.\n{row.message}".rstrip()
            )
        if row.state in BUSY:
            return row.message or f"{row.stage}."
        if row.state is State.PAUSED and row.typed is not None:
            return f"{row.message} F2 goes on, F4 cancels."
        advice = {State.WIPED: "F6 certifies.", State.CERTIFIED: ""}.get(row.state, _NEXT.get(row.kind, row.advice))
        said = f"{row.message} {advice}".strip()
        if row.state in MAY_BEGIN and row.kind not in _NEXT:
            return f"{said} Scan or type its serial.".strip()
        return said
