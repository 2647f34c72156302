"""How long things stay open after a sale: pure, aware times in UTC.

A private buyer may withdraw within fourteen days after the goods are in hand (Directive 2011/83/EU, Art. 9), sends
them back within fourteen days of saying so (Art. 14) and is refunded once they are back (Art. 13). The day itself is
not counted, and a period that ends on a weekend ends with the next working day (Regulation 1182/71, Art. 3). We give
firms the same days to dispute a device of a lot, and a centre five days to answer.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

DISPUTE_DAYS = 14
RETURN_DAYS = 14
ANSWER_DAYS = 5
SECOND_OFFER = timedelta(hours=48)
REMIND_BEFORE = timedelta(hours=1)


def end_of_period(start: datetime, days: int) -> datetime:
    """The last moment of the day that lies `days` after `start`, moved on to Monday from a weekend."""
    day = start.astimezone(UTC).date() + timedelta(days=days)
    day += timedelta(days={5: 2, 6: 1}.get(day.weekday(), 0))
    return datetime.combine(day, time(23, 59, 59), UTC)


def dispute_until(delivered_at: datetime) -> datetime:
    """Until when a device that was handed over then can be disputed or withdrawn from."""
    return end_of_period(delivered_at, DISPUTE_DAYS)


def answer_until(opened_at: datetime) -> datetime:
    """Until when a centre is to answer a dispute that was opened then; after that the desk decides without it."""
    return end_of_period(opened_at, ANSWER_DAYS)


def return_until(agreed_at: datetime) -> datetime:
    """Until when a device is to be back whose return was agreed then."""
    return end_of_period(agreed_at, RETURN_DAYS)
