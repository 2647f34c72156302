"""Money: whole minor units and a currency. Adding two currencies is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

MINUS = "\u2212"
NO_BREAK = "\u00a0"
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}
# ISO 4217 minor units that differ from two.
MINOR_DIGITS: Mapping[str, int] = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "ISK": 0,
    "VND": 0,
    "BHD": 3,
    "JOD": 3,
    "KWD": 3,
    "TND": 3,
}


def in_words(minor: int, currency: str) -> str:
    """€1,234.50 or −€18.50, as pages, letters and refusals all say it; the code where no symbol is common."""
    digits = MINOR_DIGITS.get(currency, 2)
    whole, rest = divmod(abs(minor), 10**digits)
    text = f"{whole:,}.{rest:0{digits}d}" if digits else f"{whole:,}"
    # A code keeps to its number with a space that does not break.
    symbol = SYMBOLS.get(currency) or (currency and f"{currency}{NO_BREAK}")
    return f"{MINUS if minor < 0 else ''}{symbol}{text}"


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`Money(4_200, "EUR")` is forty-two euros."""

    amount_minor: int
    currency: str = "EUR"

    def __post_init__(self) -> None:
        if not isinstance(self.amount_minor, int) or isinstance(self.amount_minor, bool):
            raise TypeError("Money counts whole minor units; it takes no fractions.")
        if len(self.currency) != 3 or not self.currency.isascii() or not self.currency.isupper():
            raise ValueError(f"{self.currency!r} is no ISO 4217 currency code.")

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} cannot be taken together.")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount_minor - other.amount_minor, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def share(self, fraction: Decimal) -> Money:
        """The given fraction of this amount, rounded half up to a whole minor unit."""
        exact = Decimal(self.amount_minor) * fraction
        return Money(int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP)), self.currency)

    def __str__(self) -> str:
        return in_words(self.amount_minor, self.currency)
