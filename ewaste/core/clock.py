"""Time is read at the edge and passed down as `now`. Times are aware and in UTC.

Business days are Monday to Friday; public holidays differ between the centres' countries and are not counted,
so a promise in business days is never later than it would be with them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def add_business_days(start: datetime, days: int) -> datetime:
    """The same time of day, `days` business days (Monday to Friday) later."""
    day = start
    while days > 0:
        day += timedelta(days=1)
        if day.weekday() < 5:
            days -= 1
    return day


def text(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: one spelling for hashes and for the wire."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
