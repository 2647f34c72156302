"""How values become words on a page: money, times, masses, states, grades, evidence.

Pure functions from a value to a string; none reads a clock, a database or a request. A template that receives None
shows nothing. The words for states, grades and evidence stand here once, so that every page says the same. `install`
gives them to a Jinja environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from jinja2 import Environment
from jinja2.runtime import Undefined
from markupsafe import Markup, escape

from ewaste.core.money import MINOR_DIGITS, MINUS, NO_BREAK, SYMBOLS, in_words
from ewaste.devices import notices
from ewaste.devices.media import KIND_WORDS as MEDIUM_KINDS
from ewaste.web import charts

# Not strftime's: that follows the machine's language, and takes five times as long.
MONTHS = (
    "",
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# Each state: the word on the chip, its tone (static/core/components.css), its icon, and what it means to a stranger.
STATES: Mapping[str, tuple[str, str, str, str]] = {
    "expected": ("Expected", "quiet", "package", "On its way to the test centre."),
    "received": ("Received", "work", "package-open", "At the test centre, not yet looked at."),
    "cancelled": ("Cancelled", "quiet", "x", "The sale was called off before the device arrived."),
    "inspected": ("Offer made", "wait", "clipboard-check", "Inspected. The owner has been asked."),
    "returned": ("Sent back", "quiet", "undo-2", "Returned to its owner."),
    "clearing": ("Data removal", "work", "eraser", "Sold to us. Every storage medium is wiped or destroyed next."),
    "destroying": ("Being destroyed", "wait", "hammer", "A wipe failed, so the medium is destroyed."),
    "cleared": ("Data gone", "safe", "shield-check", "Every storage medium is wiped or destroyed, and certified."),
    "for_resale": ("For resale", "onward", "tag", "It will be sold as it is."),
    "for_remanufacture": ("For remanufacture", "onward", "wrench", "It will be repaired and made as new."),
    "for_dismantling": ("For dismantling", "onward", "component", "It will be taken apart for parts and materials."),
    "reinspected": ("Inspected again", "work", "scan-search", "Repaired and inspected a second time."),
    "sold": ("Sold", "done", "handshake", "Sold, waiting to be collected or sent."),
    "delivered": ("Handed over", "done", "truck", "With its new owner."),
    "dismantled": ("Dismantled", "done", "recycle", "Taken apart; its materials are accounted for."),
    "remade": ("Remade", "done", "refresh-cw", "Made into a device that works again."),
    "lost": ("Lost", "bad", "triangle-alert", "Not where it should be. We are looking for it."),
}

# What a buyer reads of a device that has no drive of its own inside.
NO_DRIVE: Mapping[str, str] = {
    "destroyed": "No drive: it was destroyed. You fit your own.",
    "taken-out": "No drive: it was taken out. You fit your own.",
    "missing": "No drive or no memory inside. You fit your own.",
}

GRADES_COSMETIC: Mapping[str, str] = {
    "C0": "not graded for looks",
    "C1": "damaged",
    "C2": "poor: heavy wear",
    "C3": "fair: wear that shows",
    "C4": "good: light wear",
    "C5": "very good: minor scratches",
    "C6": "excellent, cleaned",
    "C7": "no blemishes",
    "C8": "unused",
    "C9": "new, box opened",
}
GRADES_FUNCTION: Mapping[str, str] = {
    "F1": "for specialists only",
    "F2": "for specialists, verified",
    "F3": "key functions work",
    "F4": "all hardware works, no software",
    "F5": "refurbished, all functions work",
    "F6": "like new, maker's parts",
}
GRADES_DATA: Mapping[str, str] = {"pre-sanitisation": "data not yet wiped", "non-data": "holds no data"}

# Evidence class: short words, and what it means.
EVIDENCE: Mapping[str, tuple[str, str]] = {
    "full-read": ("every byte read back", "After the wipe the whole medium was read again and compared."),
    "sampled-read": (
        "samples read back",
        "After the wipe parts of the medium, chosen at random, were read again and compared.",
    ),
    "device-reported": ("reported by the device", "The medium wiped itself with its own command and reported success."),
    "operator-witnessed": ("witnessed by an operator", "A person followed the procedure and signed for what they saw."),
    "destroyed": ("destroyed", "The medium no longer exists as a medium: one person destroyed it before another."),
    "absent": ("no medium fitted", "The case was opened and shown to hold no storage; two people signed."),
}
LEVELS: Mapping[str, str] = {"clear": "Clear", "purge": "Purge", "destroy": "Destroy"}
# What our agent writes of how it wiped, in words. The name of a drive's own command stays as it is.
TECHNIQUES: Mapping[str, str] = {
    "overwrite-zeros": "Overwritten with zeros",
    "overwrite-aes-ctr": "Overwritten with bytes that look random",
    "overwrite-3-passes": "Overwritten three times",
    "android-recovery-reset": "Reset from its recovery menu",
    "ios-erase-all-content": "Reset with “Erase All Content and Settings”",
}

DEVICE_CLASSES: Mapping[str, tuple[str, str]] = {
    "smartphone": ("Phone", "Phones"),
    "tablet": ("Tablet", "Tablets"),
    "laptop": ("Laptop", "Laptops"),
    "desktop": ("Desktop", "Desktops"),
    "monitor": ("Monitor", "Monitors"),
    "server": ("Server", "Servers"),
}
WAYS: Mapping[str, str] = {"resale": "Resale", "remanufacture": "Remanufacture", "dismantling": "Dismantling"}
ROLES: Mapping[str, str] = {
    "consumer": "Private person",
    "centre": "Test centre",
    "operator": "Test centre",
    "recycler": "Recycler or refurbisher",
    "company": "Company",
    "collector": "Collector or workshop",
    "staff": "Staff",
    "auditor": "Auditor",
    "accreditor": "Accreditor",
}


# ---- money -----------------------------------------------------------------------------------------------------------


def money(value: Any, currency: str | None = None) -> str:
    """€1,234.50 from an object with `amount_minor` and `currency`, or from minor units and a currency."""
    if _missing(value):
        return ""
    return in_words(*_parts(value, currency))


def signed_money(value: Any, currency: str | None = None) -> str:
    """A difference: +€12.00, −€12.00, or ±€0.00 when nothing changes."""
    if _missing(value):
        return ""
    amount, code = _parts(value, currency)
    sign = "+" if amount > 0 else MINUS if amount < 0 else "±"
    return sign + in_words(abs(amount), code)


def plain_money(value: Any, currency: str | None = None) -> str:
    """1234.50: what stands in a form field, without symbol and separators."""
    if _missing(value):
        return ""
    amount, code = _parts(value, currency)
    digits = MINOR_DIGITS.get(code, 2)
    whole, rest = divmod(abs(amount), 10**digits)
    text = f"{whole}.{rest:0{digits}d}" if digits else str(whole)
    return f"-{text}" if amount < 0 else text


def symbol(currency: Any) -> str:
    """€ for EUR; the code itself where no symbol is common."""
    code = getattr(currency, "currency", currency)
    return SYMBOLS.get(str(code), str(code))


def minor(value: Any) -> int:
    """The whole minor units of an amount; 0 for None. For drawing bars, not for reckoning."""
    if _missing(value):
        return 0
    return _parts(value, "" if isinstance(value, int) else None)[0]


def _parts(value: Any, currency: str | None) -> tuple[int, str]:
    if isinstance(value, int):
        return value, currency or ""
    if isinstance(value, Mapping):
        return int(value["amount_minor"]), str(value["currency"])
    return int(value.amount_minor), str(value.currency)


# ---- time ------------------------------------------------------------------------------------------------------------


def date(value: datetime | None) -> str:
    """20 November 2026"""
    if not value:
        return ""
    at = _utc(value)
    return f"{at.day}{NO_BREAK}{MONTHS[at.month]} {at.year}"


def day(value: datetime | None) -> str:
    """Thursday 26 November"""
    if not value:
        return ""
    at = _utc(value)
    return f"{WEEKDAYS[at.weekday()]} {at.day}{NO_BREAK}{MONTHS[at.month]}"


def moment(value: datetime | None) -> str:
    """20 Nov 2026, 14:05 UTC"""
    if not value:
        return ""
    at = _utc(value)
    return f"{at.day}{NO_BREAK}{MONTHS[at.month][:3]} {at.year}, {at.hour:02}:{at.minute:02}{NO_BREAK}UTC"


def second(value: datetime | None) -> str:
    """14:05:09 UTC, where the order of seconds matters (bids)."""
    return "" if not value else f"{_utc(value):%H:%M:%S}{NO_BREAK}UTC"


def iso(value: datetime | None) -> str:
    """2026-11-20T14:05:00Z for <time datetime> and machines."""
    return "" if not value else f"{_utc(value).isoformat()[:19]}Z"


def time_tag(value: datetime | None, shape: str = "moment") -> Markup:
    """A <time> element whose text is `shape`: moment, date, day or second."""
    if not value:
        return Markup("")
    words = {"moment": moment, "date": date, "day": day, "second": second}[shape](value)
    return Markup(f'<time datetime="{iso(value)}">{words}</time>')  # noqa: S704 - words of ours, nothing that was typed


def age_tag(since: datetime, lasts: str) -> Markup:
    """A <time> element that says how long something has lasted (`duration` of it), and since when as its title."""
    from_when = f'datetime="{iso(since)}" title="since {moment(since)}"'
    return Markup(f"<time {from_when}>{escape(lasts)}</time>")  # noqa: S704 - the same


def duration(value: timedelta | float | None) -> str:
    """2 h 5 min; seconds when short, days when long, months from sixty days on. Takes a timedelta or seconds."""
    if value is None or _missing(value):
        return ""
    seconds = int(value.total_seconds()) if isinstance(value, timedelta) else int(value)
    seconds = max(seconds, 0)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, left = divmod(rest, 60)
    if days >= 60:
        return f"{round(days / 30.4375)} months"
    if days:
        return f"{days} d {hours} h" if hours else plural(days, "day")
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {left} s" if left and minutes < 10 else f"{minutes} min"
    return f"{left} s"


def until(value: datetime | None, now: datetime | None) -> str:
    """How long from `now` to `value`; nothing when it has passed or when either is unknown."""
    if not value or not now or value <= now:
        return ""
    return duration(value - now)


def _utc(value: datetime) -> datetime:
    if value.tzinfo is UTC:
        return value
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


# ---- quantities and names --------------------------------------------------------------------------------------------


def grams(value: int | None) -> str:
    """164 g, 2.31 kg, 1,204 kg"""
    if value is None or _missing(value):
        return ""
    if abs(value) < 1_000:
        return f"{value}{NO_BREAK}g"
    if abs(value) < 100_000:
        return f"{value / 1_000:.2f}".rstrip("0").rstrip(".") + f"{NO_BREAK}kg"
    return f"{value / 1_000:,.0f}{NO_BREAK}kg"


def size(value: int | None) -> str:
    """A storage size as makers print it, in powers of ten: 256 GB, 1 TB, 64 MB."""
    if value is None or _missing(value):
        return ""
    for unit, step in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if value >= step:
            return f"{value / step:,.2f}".rstrip("0").rstrip(".") + f"{NO_BREAK}{unit}"
    return f"{value}{NO_BREAK}bytes"


def count(value: int | None) -> str:
    """12,345"""
    return "" if value is None or _missing(value) else f"{value:,}"


def plural(number: int | None, one: str, many: str | None = None) -> str:
    """1 device, 3 devices, no devices"""
    words = one if number == 1 else (many or f"{one}s")
    return f"{number:,}{NO_BREAK}{words}" if number else f"no {many or one + 's'}"


def tail(value: str | None, length: int = 4) -> str:
    """The last characters of a serial number, for a sentence: 'ending 7F2Q'."""
    return "" if not value else f"ending{NO_BREAK}{value[-length:]}"


def short(value: str | None, length: int = 12) -> str:
    """The first characters of a hash or key, with an ellipsis when something is left out."""
    text = "" if _missing(value) else str(value)
    return text if len(text) <= length else text[:length] + "…"


# ---- words of the trade ----------------------------------------------------------------------------------------------


def state_word(state: Any) -> str:
    """The word on the chip of a device's state."""
    return STATES.get(_text(state), (_text(state).replace("_", " ").capitalize(),))[0]


def state_tone(state: Any) -> str:
    """The tone of a state: the colour of its chip."""
    return STATES.get(_text(state), ("", "quiet", "", ""))[1]


def state_icon(state: Any) -> str:
    """The icon of a state."""
    return STATES.get(_text(state), ("", "", "circle", ""))[2] or "circle"


def state_text(state: Any) -> str:
    """What a state means, to a stranger."""
    return STATES.get(_text(state), ("", "", "", ""))[3]


def grade_word(grade: Any) -> str:
    """Words for a grade on any axis: C4, F5, pre-sanitisation."""
    text = _text(grade)
    return GRADES_COSMETIC.get(text) or GRADES_FUNCTION.get(text) or GRADES_DATA.get(text) or text


def evidence_word(evidence: Any) -> str:
    """Short words for an evidence class."""
    return EVIDENCE.get(_text(evidence), (_text(evidence), ""))[0]


def evidence_text(evidence: Any) -> str:
    """What an evidence class means."""
    return EVIDENCE.get(_text(evidence), ("", ""))[1]


def class_word(device_class: Any) -> str:
    """A device class, one of them: Phone."""
    return DEVICE_CLASSES.get(_text(device_class), (_text(device_class).capitalize(), ""))[0]


def classes_word(device_class: Any) -> str:
    """A device class, several of them: Phones."""
    return DEVICE_CLASSES.get(_text(device_class), ("", _text(device_class).capitalize()))[1]


def medium_word(kind: Any) -> str:
    """The kind of a storage medium."""
    return MEDIUM_KINDS.get(_text(kind), _text(kind))


def no_drive_text(fate: Any) -> str:
    """Why a device is sold without a drive, and what that means for its buyer."""
    return NO_DRIVE.get(_text(fate), NO_DRIVE["missing"])


def level_word(level: Any) -> str:
    """A level of sanitisation: Clear, Purge, Destroy."""
    return LEVELS.get(_text(level), _text(level))


def technique_word(technique: Any) -> str:
    """How a medium was wiped or destroyed."""
    text = _text(technique)
    return TECHNIQUES.get(text, text[:1].upper() + text[1:])


def way_word(way: Any) -> str:
    """A way onward: Resale, Remanufacture, Dismantling. Takes the state `for_resale` too."""
    return WAYS.get(_text(way).removeprefix("for_"), _text(way).capitalize())


def hold_word(kind: Any) -> str:
    """Why a device is on hold."""
    return notices.HOLD_WORDS.get(_text(kind), _text(kind).replace("_", " ").capitalize())


def role_word(role: Any) -> str:
    """In which role a person acts."""
    return ROLES.get(_text(role), _text(role).capitalize())


def _missing(value: Any) -> bool:
    return value is None or isinstance(value, Undefined)


def _text(value: Any) -> str:
    """The plain value of an enum member or a string."""
    return str(getattr(value, "value", value) if value is not None else "")


def install(env: Environment) -> None:
    """Give every filter of this module to `env`, under its own name."""
    filters: dict[str, Callable[..., Any]] = {
        function.__name__: function
        for function in (
            money, signed_money, plain_money, symbol, minor,
            date, day, moment, second, iso, time_tag, age_tag, duration, until,
            grams, size, count, plural, tail, short,
            state_word, state_tone, state_icon, state_text, grade_word, evidence_word, evidence_text,
            class_word, classes_word, medium_word, no_drive_text, level_word, technique_word, way_word,
            hold_word, role_word,
        )
    }  # fmt: skip
    env.filters.update(filters)
    env.filters.update(charts.FILTERS)
