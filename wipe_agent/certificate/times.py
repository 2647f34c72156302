"""Times as the format writes them: UTC, whole seconds, exactly `2026-01-31T12:00:00Z`.

Only digits 0 to 9 count (`\\d` would take those of other scripts), the day must exist, and the
year lies between 2000 and 2999, so that a tolerance can be added to any time.
Strings in this form sort as the times do.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

CLOCK_TOLERANCE: Final = timedelta(seconds=300)
"""How far two different clocks may disagree. Times of one clock are compared exactly."""

_TIME: Final = re.compile(r"2[0-9]{3}-[01][0-9]-[0-3][0-9]T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z")


def write_time(time: datetime) -> str:
    """An aware time as text, cut to whole seconds. A naive time is a ValueError."""
    if time.tzinfo is None:
        raise ValueError("A time on a certificate needs its time zone.")
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> datetime:
    """The time that `write_time` wrote. Raises ValueError for any other spelling."""
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a time written as 2026-01-31T12:00:00Z.")
    return datetime.fromisoformat(text)


def is_time(value: Any) -> bool:
    """Whether the value is a time in the format's spelling."""
    if type(value) is not str or not _TIME.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
