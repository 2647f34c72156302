"""How a drive looks in text: one line where there is room, two lines at 80 columns, large type on the wall.

Pure. Every state is a word; colour only repeats it. The characters are those that a bare Linux console has too.
"""

from __future__ import annotations

from rich.text import Text

from wipe_agent.media import size_in_words as size
from wipe_agent.stand import Row, State
from wipe_agent.stand.board import DONE

LOOK = {
    State.HELD: "dim",
    State.ABSENT: "bold yellow",
    State.WAITING: "bold yellow",
    State.RUNNING: "bold cyan",
    State.PAUSING: "bold cyan",
    State.STOPPING: "bold cyan",
    State.PAUSED: "bold yellow",
    State.WIPED: "bold green",
    State.CERTIFIED: "bold green",
    State.NOT_WIPED: "bold red",
    State.REFUSED: "bold red",
    State.FAILED: "bold red",
    State.CANCELLED: "bold red",
    State.UNFINISHED: "bold red",
}
"""Rich styles that repeat what the word says."""

_CHOSEN = "bold reverse"

WIDE = 120
"""From so many columns on, a drive is one line."""

CARD_LINES = 6
"""So many lines has a drive in large type."""

# A letter is three dots wide and five high; each digit is one row of dots, from the top, in octal.
_FONT = (
    "A25755 B65656 C34443 D65556 E74647 F74644 G34553 H55755 I72227 J11152 K55655 L44447 M57755 N75555 "
    "O25552 P65644 Q25563 R65655 S34216 T72222 U55557 V55552 W55775 X55255 Y55222 Z71247 075557 126227 "
    "271747 371717 455711 574717 674757 771122 875757 975717 %51245 .00002 -00700 :02020 "
)
_LETTERS = {letter[0]: letter[1:] for letter in _FONT.split()}


def large(text: str) -> list[str]:
    """Three lines of large type, eight columns a letter. Letters that are not known are left blank."""
    dots = [
        "".join(f"{int(_LETTERS.get(letter, '00000')[row]):03b}0" for letter in text.upper()) for row in range(5)
    ] + ["0" * 4 * len(text)]
    halves = {("0", "0"): "  ", ("1", "0"): "▀▀", ("0", "1"): "▄▄", ("1", "1"): "██"}
    return [
        "".join(halves[upper, lower] for upper, lower in zip(dots[row], dots[row + 1], strict=True))
        for row in (0, 2, 4)
    ]


def bar(share: float | None, width: int) -> str:
    """A bar of `width` columns; empty before there is anything to show."""
    full = round(width * (share or 0.0) / 100)
    return "█" * full + "░" * (width - full)


def duration(seconds: float) -> str:
    """A time that has passed, in the unit that one would say."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def time_left(seconds: float | None) -> str:
    """An estimate in the unit that one would say."""
    return "" if seconds is None else f"{duration(seconds)} left"


def numbers(row: Row) -> str:
    """Rate, time left and temperature, where each is known."""
    rate = f"{row.rate / 1e6:.0f} MB/s" if row.rate else ""
    warm = f"{row.temperature} °C" if row.temperature is not None else ""
    return "  ".join(part for part in (rate, time_left(row.seconds_left), warm) if part)


def word(row: Row, *, silent: bool) -> str:
    """The state in a word or three; a drive that does not move says so."""
    return "DOES NOT MOVE" if silent else str(row.state)


def order_of(row: Row) -> str:
    """The order of a drive, and which of the order's media it is where there are several."""
    return " ".join(part for part in (row.job.order, row.part) if part) if row.job else ""


def lines(row: Row, width: int, *, chosen: bool, silent: bool) -> Text:
    """One row of the board for a screen of `width` columns."""
    mark, style = "> " if chosen else "  ", LOOK[State.FAILED] if silent else LOOK[row.state]
    name, place = row.serial or row.name, row.name.rpartition("/")[2]
    order = order_of(row)
    said = word(row, silent=silent)
    begun = row.share is not None and row.state is not State.HELD
    percent = f"{row.share:5.1f} %" if begun and row.share is not None else ""
    what = row.stage if row.state is State.RUNNING else row.message
    if width >= WIDE:
        text = Text(no_wrap=True, overflow="ellipsis", end="")
        text.append(f"{mark}{name[:24]:<24} ", _CHOSEN if chosen else "")
        text.append(f"{place[-14:]:<14} {size(row.size):>9} {order:<14} ")
        text.append(f"{said:<20}", style)
        if begun:
            # Beside a longer name of its place there is room for a shorter bar.
            text.append(f"{bar(row.share, max(8, 20 - max(0, len(order) - 14)))} {percent} ", style)
        else:
            text.append(" " * max(17, 29 - max(0, len(order) - 14)))
        text.append(f"{numbers(row):<32}" if row.state is State.RUNNING else "")
        text.append(f" {what}")
        return text
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    text.append(f"{mark}{name[:20]:<20} ", _CHOSEN if chosen else "")
    text.append(f"{place[-9:]:<9} {size(row.size):>9} {order:<12} ")
    text.append(f"{said}\n", style)
    if begun and row.state not in DONE:
        text.append(f"  {bar(row.share, 16)} {percent}  ", style)
        text.append(f"{numbers(row)}  " if row.state is State.RUNNING else "")
    else:
        text.append("  ")
    text.append(what or " ")
    return text


def card(row: Row, width: int, *, chosen: bool, silent: bool) -> Text:
    """A drive in large type, `width` columns wide and six lines high, to be read across a room."""
    style = LOOK[State.FAILED] if silent else LOOK[row.state]
    shown = f"{row.share:.0f}%" if row.state is State.RUNNING and row.share is not None and not silent else None
    said = shown or {
        State.HELD: "leave",
        State.ABSENT: "absent",
        State.WAITING: "scan",
        State.WIPED: "wiped",
        State.NOT_WIPED: "not wiped",
        State.CANCELLED: "stopped",
        State.UNFINISHED: "not done",
    }.get(row.state, str(row.state))
    said = "stuck" if silent else said
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    text.append(f"{'> ' if chosen else '  '}{row.serial or row.name} ", _CHOSEN if chosen else "bold")
    text.append(f"  {row.model}  {size(row.size)}  {order_of(row)}\n")
    for line in large(said):
        text.append(f"  {line}\n", style)
    if row.state is State.RUNNING:
        text.append(f"  {bar(row.share, max(10, width // 3))}  {row.stage}\n  {numbers(row)}")
    else:
        text.append(f"  {word(row, silent=silent)}\n  {row.message}")
    return text
