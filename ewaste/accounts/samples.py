"""Sample accounts of a training market: made by `ewaste seed`, shown on the sign-in page, refused in live mode."""

from __future__ import annotations

from typing import NamedTuple

from ewaste.accounts.models import Role

PASSWORD = "practice-makes-perfect"  # noqa: S105 - published on purpose: training only


class Sample(NamedTuple):
    """One account to try the market with, and what it is for."""

    role: Role
    email: str
    name: str
    organisation: str | None
    text: str


SAMPLES = (
    Sample(Role.CONSUMER, "cora@example.org", "Cora Lindqvist", None, "sells a device and answers the offer"),
    Sample(Role.CONSUMER, "ben@example.org", "Ben Adeyemi", None, "buys in the shop"),
    Sample(Role.OPERATOR, "olga@rhein.example", "Olga Brandt", "Rhein Datenpark", "receives, inspects, wipes"),
    Sample(Role.OPERATOR, "otto@rhein.example", "Otto Kern", "Rhein Datenpark", "confirms what was destroyed"),
    Sample(Role.OPERATOR, "omar@elbe.example", "Omar Haddad", "Elbe Prüfstelle", "works for another test centre"),
    Sample(Role.OPERATOR, "petra@elbe.example", "Petra Lindner", "Elbe Prüfstelle", "is the second person there"),
    Sample(Role.RECYCLER, "rita@werk.example", "Rita Sommer", "Werk Zwei", "bids on lots, reports what became of them"),
    Sample(Role.RECYCLER, "ravi@kreis.example", "Ravi Menon", "Kreislauf Kontor", "bids against Werk Zwei"),
    Sample(Role.RECYCLER, "rosa@neu.example", "Rosa Ferreira", "Neu & Gut", "bids against both"),
    Sample(Role.STAFF, "stefan@clearhand.example", "Stefan Vogel", "Clearhand", "accredits centres, forms lots"),
    Sample(Role.STAFF, "sara@clearhand.example", "Sara Winter", "Clearhand", "publishes what Stefan proposes"),
    Sample(Role.AUDITOR, "ada@audit.example", "Ada Novak", "Prüfamt", "reads, changes nothing"),
)
