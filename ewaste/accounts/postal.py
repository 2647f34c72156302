"""Postal addresses, of firms and of people: checked field by field, and written as on a parcel."""

from __future__ import annotations

from dataclasses import dataclass

from ewaste.accounts import firms
from ewaste.accounts.models import Organisation
from ewaste.core.refusals import Invalid

STREET, POSTCODE, CITY, HOURS = 120, 20, 80, 200


@dataclass(frozen=True, slots=True)
class Postal:
    """Where a parcel goes. `country` is its code of two letters."""

    street: str
    postcode: str
    city: str
    country: str

    def lines(self) -> list[str]:
        """As on a parcel, beneath the name."""
        return [self.street, f"{self.postcode} {self.city}", firms.COUNTRIES.get(self.country, self.country)]


def read(*, street: str, postcode: str, city: str, country: str, prefix: str = "") -> Postal:
    """What somebody typed, checked. Raises `Invalid` naming the field, with `prefix` before its name."""
    if country not in firms.COUNTRIES:
        raise Invalid("Choose the country from the list.", field=f"{prefix}country")
    line = firms.require_something
    return Postal(
        line(street, f"{prefix}street", f"Type street and number, up to {STREET} letters.", STREET),
        line(postcode, f"{prefix}postcode", f"Type the postcode, up to {POSTCODE} signs.", POSTCODE),
        line(city, f"{prefix}city", f"Type the city, up to {CITY} letters.", CITY),
        country,
    )


def is_known(firm: Organisation) -> bool:
    """Whether parcels can be sent to this firm."""
    return bool(firm.street and firm.postcode)


def of_firm(firm: Organisation) -> list[str]:
    """A firm's address as on a parcel, beneath its name; the city alone where the street is not known yet."""
    if firm.street and firm.postcode:
        return Postal(firm.street, firm.postcode, firm.city, firm.country).lines()
    return [firm.city, firms.COUNTRIES.get(firm.country, firm.country)]


def place(firm: Organisation) -> str:
    """A firm with its address, in one line."""
    return ", ".join([firm.name, *of_firm(firm)])
