"""Business days, and the one spelling of a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ewaste.core import clock


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-11-20", 5, "2026-11-27"),  # Friday to Friday
        ("2026-11-16", 5, "2026-11-23"),  # Monday to Monday
        ("2026-11-18", 2, "2026-11-20"),  # Wednesday to Friday
        ("2026-11-20", 1, "2026-11-23"),  # Friday to Monday
        ("2026-11-21", 1, "2026-11-23"),  # Saturday to Monday
        ("2026-11-22", 5, "2026-11-27"),  # Sunday to Friday
        ("2026-12-31", 1, "2027-01-01"),  # public holidays are not counted
        ("2026-11-20", 0, "2026-11-20"),
    ],
)
def test_business_days_are_monday_to_friday(start: str, days: int, end: str) -> None:
    begun = datetime.fromisoformat(f"{start}T17:30:00+00:00")
    assert clock.add_business_days(begun, days) == datetime.fromisoformat(f"{end}T17:30:00+00:00")


def test_now_is_aware_and_in_utc() -> None:
    assert clock.now().tzinfo is UTC


def test_one_moment_has_one_spelling() -> None:
    moment = datetime(2026, 11, 20, 9, 0, 0, 120, tzinfo=UTC)
    assert clock.text(moment) == "2026-11-20T09:00:00.000120Z"
    assert clock.text(moment.astimezone(timezone(timedelta(hours=5, minutes=30)))) == "2026-11-20T09:00:00.000120Z"
