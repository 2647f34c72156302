"""The people and firms of the sample beside those of `ewaste.accounts.samples`: invented, with the same password."""

from __future__ import annotations

from typing import NamedTuple

from ewaste.accounts.models import Role


class Somebody(NamedTuple):
    """A person, and for whom they act."""

    email: str
    name: str
    firm: str | None = None


class Firm(NamedTuple):
    """A recycler or refurbisher with the licences that staff saw."""

    name: str
    country: str
    city: str
    licences: tuple[str, ...]
    group: str | None = None


CONSUMERS = (
    Somebody("anke@example.org", "Anke Petersen"),
    Somebody("bruno@example.org", "Bruno Maier"),
    Somebody("dilara@example.org", "Dilara Yıldız"),
    Somebody("emil@example.org", "Emil Østergaard"),
    Somebody("fatima@example.org", "Fatima El Amrani"),
    Somebody("gerd@example.org", "Gerd Hollerbach"),
    Somebody("hanna@example.org", "Hanna Wójcik"),
    Somebody("ivo@example.org", "Ivo Marinković"),
    Somebody("jule@example.org", "Jule Hinrichs"),
    # The practice provider lets a payee whose address ends so wait for bank details (docs/practice-money.md).
    Somebody("theo+unfinished@example.org", "Theo Lang"),
    Somebody("nils@example.org", "Nils Baumgärtner"),
)
# Whose account at the provider was closed meanwhile, so that a payout fails.
CLOSED_PAYEE = "nils@example.org"


class Seller(NamedTuple):
    """A firm that sells, and who acts for it."""

    name: str
    role: Role
    city: str
    person: Somebody


SELLERS = (
    Seller(
        "Kanzlei Mohr & Partner", Role.COMPANY, "Frankfurt", Somebody("vera@mohr.example", "Vera Mohr"),
    ),
    Seller(
        "Repair-Café Nordstadt", Role.COLLECTOR, "Hannover", Somebody("kofi@nordstadt.example", "Kofi Asante"),
    ),
    Seller(
        "Wertstoffhof Süd", Role.COLLECTOR, "Nürnberg", Somebody("susi@wertstoff.example", "Susi Albrecht"),
    ),
)  # fmt: skip


class Applicant(NamedTuple):
    """A firm that asked to take part, and what the desk said to it; nothing yet where `declined` is empty."""

    person: Somebody
    kind: str
    firm: str
    city: str
    licences: tuple[str, ...]
    declined: str = ""
    reached: tuple[str, str, str] = ("", "", "")
    """Of a centre: street, postcode and opening hours."""


APPLICANTS = (
    Applicant(
        Somebody("marta@ruhr.example", "Marta Kaczmarek"), "recycler", "Ruhr Recycling eG", "Essen", ("dismantling",),
    ),
    Applicant(
        Somebody("uwe@schnell.example", "Uwe Schnell"), "recycler", "Schnell Ankauf", "Kassel", ("resale",),
        "The permit that you sent is for scrap cars. Send the one for electrical equipment, then apply again.",
    ),
    Applicant(
        Somebody("pia@sicher.example", "Pia Sonntag"), "centre", "Sicherlöschung Nord", "Kiel", (),
        reached=("Musterkai 7", "24103", "Monday to Friday, 10:00 to 16:00"),
    ),
)  # fmt: skip

# The third centre. It is suspended in the course of the sample.
CENTRE, CENTRE_SLUG, CENTRE_CITY = "Isar Löschwerk", "isar-loeschwerk", "München"
OPERATOR = Somebody("ines@isar.example", "Ines Kofler", CENTRE)
SUSPENDED_BECAUSE = (
    "At the visit two read-back logs did not fit the drives on the bench. Suspended until the station is checked"
)
# The second centre is accredited for drives only, and only to overwrite them.
NARROW = "Elbe Prüfstelle"
NARROW_METHODS = ("clear",)
NARROW_KINDS = ("hdd", "ssd", "nvme", "sd", "usb")

FIRMS = (
    Firm("Hansa Rohstoff", "DE", "Hamburg", ("dismantling",)),
    Firm("Donau Refurb", "AT", "Wien", ("resale", "remanufacture")),
    Firm("Atelier Répare", "FR", "Lyon", ("remanufacture",)),
    Firm("Wisła Elektro", "PL", "Kraków", ("resale", "dismantling")),
    Firm("Elbe Metall", "DE", "Dresden", ("dismantling", "remanufacture"), "Elbe Gruppe"),
)
TRADERS = (
    Somebody("henrik@hansa.example", "Henrik Claasen", "Hansa Rohstoff"),
    Somebody("lena@donau.example", "Lena Gruber", "Donau Refurb"),
    Somebody("amelie@atelier.example", "Amélie Rousset", "Atelier Répare"),
    Somebody("piotr@wisla.example", "Piotr Zieliński", "Wisła Elektro"),
    Somebody("katrin@elbemetall.example", "Katrin Noack", "Elbe Metall"),
)
