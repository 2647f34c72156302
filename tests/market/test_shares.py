"""What one device of a lot cost, and how much of it may go back: nothing is lost, and never more than was paid."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewaste.market import deadlines, shares

EXPECTED = st.lists(st.one_of(st.none(), st.integers(-50_000, 500_000)), min_size=1, max_size=60)


@given(st.integers(0, 10_000_000_000), EXPECTED)
def test_the_shares_of_a_lot_are_its_price_to_the_cent(total: int, expected: list[int | None]) -> None:
    parts = shares.shares(total, expected)
    assert sum(parts) == total
    assert all(part >= 0 for part in parts)


@given(st.integers(0, 10_000_000_000), EXPECTED)
def test_what_was_expected_to_bring_more_never_cost_less(total: int, expected: list[int | None]) -> None:
    parts = shares.shares(total, expected)
    known = sorted((value, part) for value, part in zip(expected, parts, strict=True) if value is not None)
    for (_, cheap), (_, dear) in pairwise(known):
        assert dear >= cheap - 1  # One cent of what was left over.


@pytest.mark.parametrize(
    ("total", "expected", "parts"),
    [
        (100_00, [50, 50], [50_00, 50_00]),
        (100_00, [None, None, None], [33_34, 33_33, 33_33]),
        (100_00, [300, 100], [75_00, 25_00]),
        (90_00, [None, 200, 100], [30_00, 40_00, 20_00]),
        (2, [1, 1, 1], [1, 1, 0]),
        (1_000_00, [-20, 999], [1_00, 999_00]),
    ],
)
def test_shares_by_example(total: int, expected: list[int | None], parts: list[int]) -> None:
    assert shares.shares(total, expected) == parts


def test_a_price_is_shared_over_something() -> None:
    with pytest.raises(ValueError, match="one device or more"):
        shares.shares(100, [])


@given(
    st.integers(1, 10_000_000),
    EXPECTED,
    st.lists(st.tuples(st.integers(0, 59), st.integers(1, 20_000_000)), max_size=40),
)
def test_refunds_in_any_order_never_come_to_more_than_was_paid(
    paid: int, expected: list[int | None], asked: list[tuple[int, int]]
) -> None:
    parts = shares.shares(paid, expected)
    given_back: list[tuple[int, int]] = []
    for place, wanted in asked:
        device = place % len(parts)
        of_device = sum(minor for which, minor in given_back if which == device)
        most = shares.refundable(paid, parts[device], [minor for _, minor in given_back], of_device)
        assert most >= 0
        if wanted <= most:
            given_back.append((device, wanted))
    assert sum(minor for _, minor in given_back) <= paid
    for device, part in enumerate(parts):
        assert sum(minor for which, minor in given_back if which == device) <= part


@pytest.mark.parametrize(
    ("handed_over", "last_day"),
    [
        (datetime(2026, 11, 20, 9, tzinfo=UTC), "2026-12-04"),  # a Friday, two weeks after a Friday
        (datetime(2026, 11, 21, 9, tzinfo=UTC), "2026-12-07"),  # from a Saturday on to Monday
        (datetime(2026, 11, 22, 23, 59, tzinfo=UTC), "2026-12-07"),  # from a Sunday on to Monday
    ],
)
def test_fourteen_days_end_with_a_working_day(handed_over: datetime, last_day: str) -> None:
    until = deadlines.dispute_until(handed_over)
    assert f"{until:%Y-%m-%d %H:%M:%S}" == f"{last_day} 23:59:59"
