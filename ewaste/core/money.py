"""Money: whole minor units and a currency. Adding two currencies is refused."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}


def in_words(minor: int, currency: str) -> str:
    """€1,234.50, as pages, letters and refusals say it; the code itself where no symbol is common."""
    sign = "-" if minor < 0 else ""
    units, cents = divmod(abs(minor), 100)
    return f"{sign}{SYMBOLS.get(currency, currency + ' ')}{units:,}.{cents:02d}"


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
        sign = "-" if self.amount_minor < 0 else ""
        units, cents = divmod(abs(self.amount_minor), 100)
        return f"{sign}{units:,}.{cents:02d} {self.currency}"
