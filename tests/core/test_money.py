"""Money: whole minor units, one currency at a time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewaste.core.money import Money, in_words

MINOR = st.integers(-(10**12), 10**12)


def test_forty_two_euros_are_written_with_their_sign_and_cents_wherever_they_are_written() -> None:
    assert str(Money(4_200, "EUR")) == "€42.00"
    assert str(Money(1_234_567_05, "EUR")) == in_words(1_234_567_05, "EUR") == "€1,234,567.05"
    assert str(Money(-5, "EUR")) == "−€0.05"
    assert str(Money(1_500, "CHF")) == "CHF\u00a015.00"


def test_amounts_of_one_currency_are_added_and_taken_away() -> None:
    assert Money(150) + Money(50) == Money(200)
    assert Money(150) - Money(200) == Money(-50)
    assert -Money(150) == Money(-150)


@pytest.mark.parametrize("together", [lambda a, b: a + b, lambda a, b: a - b])
def test_two_currencies_are_never_taken_together(together) -> None:
    with pytest.raises(ValueError, match="EUR and CHF cannot be taken together"):
        together(Money(100, "EUR"), Money(100, "CHF"))


@pytest.mark.parametrize("amount", [1.0, 1.5, True, "100", Decimal(1), None])
def test_money_takes_no_fractions_and_nothing_that_only_looks_like_a_number(amount) -> None:
    with pytest.raises(TypeError, match="whole minor units"):
        Money(amount)


@pytest.mark.parametrize("currency", ["eur", "EURO", "E", "", "€€€", "ÄÖÜ"])
def test_a_currency_has_an_iso_code(currency: str) -> None:
    with pytest.raises(ValueError, match="no ISO 4217 currency code"):
        Money(1, currency)


@pytest.mark.parametrize(
    ("amount", "fraction", "share"),
    [(100, "0.125", 13), (101, "0.5", 51), (-101, "0.5", -51), (1, "0.4999", 0), (99, "1", 99)],
)
def test_a_share_is_rounded_half_up_to_a_whole_cent(amount: int, fraction: str, share: int) -> None:
    assert Money(amount).share(Decimal(fraction)) == Money(share)


@given(MINOR, MINOR)
def test_what_is_added_and_taken_away_again_leaves_the_same(one: int, other: int) -> None:
    assert Money(one) + Money(other) - Money(other) == Money(one)
