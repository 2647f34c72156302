"""Small shapes that several views share: paging, names of devices, likes in searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core.money import Money

PAGE_SIZE = 50
FARTHEST_PAGE = 10_000
# The euro countries: where the provider can pay private sellers in euros.
COUNTRIES = {
    "AT": "Austria", "BE": "Belgium", "BG": "Bulgaria", "HR": "Croatia", "CY": "Cyprus", "EE": "Estonia",
    "FI": "Finland", "FR": "France", "DE": "Germany", "GR": "Greece", "IE": "Ireland", "IT": "Italy", "LV": "Latvia",
    "LT": "Lithuania", "LU": "Luxembourg", "MT": "Malta", "NL": "Netherlands", "PT": "Portugal", "SK": "Slovakia",
    "SI": "Slovenia", "ES": "Spain",
}  # fmt: skip


@dataclass(frozen=True)
class Choices:
    """What a reader of a list chose, as fields whose defaults are the plain list."""

    def chosen(self) -> dict[str, Any]:
        """What differs from the plain list, as an address says it."""
        plain = type(self)()
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != getattr(plain, field.name)
        }

    def without(self, name: str) -> Self:
        """The same choices with this one taken off."""
        return replace(self, **{name: getattr(type(self)(), name)})


def title(brand: str, model: str) -> str:
    """A device as people say it: the brand once, then the model."""
    return model if model.lower().startswith(brand.lower()) else f"{brand} {model}"


def day(at: datetime) -> str:
    """A date in a sentence: 21 November 2026."""
    return f"{at.day} {at:%B %Y}"


def money(minor: int | None, currency: str = "EUR") -> Money | None:
    """An amount, or nothing."""
    return None if minor is None else Money(int(minor), currency)


def page_number(text: str | None) -> int:
    """The page that an address asks for; the first when it asks for nonsense."""
    bare = (text or "").strip()
    number = int(bare) if bare.isascii() and bare.isdigit() and len(bare) <= 5 else 1
    return min(max(number, 1), FARTHEST_PAGE)


def paging(total: int, page: int, address: Callable[[int], str], *, size: int = PAGE_SIZE) -> dict[str, Any]:
    """Where a list stands; `address` gives the address of a page."""
    pages = max(1, -(-total // size))
    page = min(page, pages)
    return {
        "page": page,
        "pages": pages,
        "total": total,
        "previous": address(page - 1) if page > 1 else None,
        "next": address(page + 1) if page < pages else None,
    }


def count(session: Session, query: sa.Select[*tuple[Any, ...]]) -> int:
    """How many rows a query has."""
    return int(session.scalar(sa.select(sa.func.count()).select_from(query.order_by(None).subquery())) or 0)


def like(text: str) -> str:
    """A pattern that finds `text` anywhere, with the signs of patterns taken literally."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


def grams(fractions: Mapping[str, Any], words: Mapping[str, tuple[str, str]]) -> list[tuple[str, int]]:
    """Fractions of a report as (label, whole grams), in the order of the published list."""
    return [(label, int(fractions[name])) for name, (label, _) in words.items() if name in fractions]
