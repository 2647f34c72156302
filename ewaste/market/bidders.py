"""Who may bid on which lot: verified firms, within their licences, not related to the centre that graded it."""

from __future__ import annotations

from collections.abc import Iterable

from ewaste.accounts.models import Organisation, OrganisationState
from ewaste.market.models import Lot

# A lot goes to firms that may treat what is in it. The licences are those that staff verified.
LICENCE_FOR = {"for_resale": "resale", "for_remanufacture": "remanufacture", "for_dismantling": "dismantling"}
LICENCES = tuple(LICENCE_FOR.values())


def licence_words(licences: Iterable[str]) -> str:
    """Remanufacture, Dismantling: the licences of a firm, as it reads them."""
    return ", ".join(each.capitalize() for each in LICENCES if each in set(licences))


def may_not_bid(bidder: Organisation, lot: Lot, centre_group: str | None) -> str | None:
    """Why this firm may not bid on this lot, in a sentence; None when it may.

    `centre_group` is the group of firms that the centre belongs to which graded the lot.
    """
    if bidder.state is not OrganisationState.VERIFIED:
        return "Your organisation is not verified at the moment. Our desk can tell you why."
    licence = LICENCE_FOR[lot.way]
    if licence not in bidder.licences:
        return f"This lot is for {licence}, and your firm has no verified licence for that. Send it to our desk."
    if bidder.group_name is not None and bidder.group_name == centre_group:
        return f"Your firm and the centre that graded this lot both belong to {centre_group}. Related firms do not bid."
    return None
