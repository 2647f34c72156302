"""Words for money, times and quantities, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ewaste.core.money import Money
from ewaste.web import filters

NB = "\u00a0"


@pytest.mark.parametrize(
    ("minor", "currency", "words"),
    [
        (0, "EUR", "€0.00"),
        (5, "EUR", "€0.05"),
        (4_200, "EUR", "€42.00"),
        (12_345_678, "EUR", "€123,456.78"),
        (-1_850, "EUR", "−€18.50"),
        (999, "USD", "$9.99"),
        (1_500, "CHF", f"CHF{NB}15.00"),
        (1_500, "JPY", f"JPY{NB}1,500"),
        (1_500, "KWD", f"KWD{NB}1.500"),
    ],
)
def test_money_is_shown_with_its_symbol_and_its_minor_digits(minor: int, currency: str, words: str) -> None:
    assert filters.money(minor, currency) == words
    assert filters.money(Money(minor, currency)) == words


def test_a_difference_shows_its_sign_and_a_field_shows_none() -> None:
    assert filters.signed_money(Money(600, "EUR")) == "+€6.00"
    assert filters.signed_money(Money(-600, "EUR")) == "−€6.00"
    assert filters.signed_money(Money(0, "EUR")) == "±€0.00"
    assert filters.plain_money(Money(123_450, "EUR")) == "1234.50"
    assert filters.plain_money(Money(-5, "EUR")) == "-0.05"


def test_what_is_missing_is_shown_as_nothing() -> None:
    empty = (
        filters.money,
        filters.date,
        filters.moment,
        filters.time_tag,
        filters.grams,
        filters.size,
        filters.duration,
    )
    assert [str(show(None)) for show in empty] == [""] * len(empty)


def test_a_time_is_told_in_utc_and_says_so() -> None:
    at = datetime(2026, 11, 26, 19, 5, 9, tzinfo=timezone(timedelta(hours=1)))
    assert filters.moment(at) == f"26{NB}Nov 2026, 18:05{NB}UTC"
    assert filters.day(at) == f"Thursday 26{NB}November"
    assert filters.date(at) == f"26{NB}November 2026"
    tag = f'<time datetime="2026-11-26T18:05:09Z">18:05:09{NB}UTC</time>'
    assert str(filters.time_tag(at, "second")) == tag


def test_a_day_is_the_day_in_utc_as_the_clock_beside_it() -> None:
    at = datetime(2026, 11, 27, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert filters.day(at) == f"Thursday 26{NB}November"
    assert filters.date(at) == f"26{NB}November 2026"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (45, "45 s"),
        (95, "1 min 35 s"),
        (1_800, "30 min"),
        (7_500, "2 h 5 min"),
        (86_400, f"1{NB}day"),
        (93_600, "1 d 2 h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: int, words: str) -> None:
    assert filters.duration(seconds) == words
    assert filters.duration(timedelta(seconds=seconds)) == words


def test_the_time_until_a_passed_moment_is_nothing() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert filters.until(now + timedelta(minutes=90), now) == "1 h 30 min"
    assert filters.until(now, now) == ""
    assert filters.until(None, now) == ""


def test_masses_sizes_and_counts_read_as_on_a_scale_and_a_box() -> None:
    assert [filters.grams(g) for g in (0, 174, 1_840, 19_800, 1_204_000)] == [
        f"0{NB}g", f"174{NB}g", f"1.84{NB}kg", f"19.8{NB}kg", f"1,204{NB}kg",
    ]  # fmt: skip
    assert [filters.size(b) for b in (500_107_862_016, 10**12, 64 * 10**6, 12)] == [
        f"500.11{NB}GB", f"1{NB}TB", f"64{NB}MB", f"12{NB}bytes",
    ]  # fmt: skip
    assert [filters.plural(n, "device") for n in (0, 1, 1_204)] == ["no devices", f"1{NB}device", f"1,204{NB}devices"]
    assert filters.plural(2, "storage medium", "storage media") == f"2{NB}storage media"


def test_words_of_the_trade_are_the_same_for_an_enum_and_its_value() -> None:
    from ewaste.devices.lifecycle import State

    assert filters.state_word(State.CLEARED) == filters.state_word("cleared") == "Data gone"
    assert filters.state_word("something_new") == "Something new"
    assert filters.grade_word("C4") == "good: light wear"
    assert filters.way_word("for_resale") == filters.way_word("resale") == "Resale"
