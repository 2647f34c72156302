"""What comes next for a device, as the desk reads it: who does it, and what. Rules; nothing here reads a database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ewaste.devices.lifecycle import ENDS, WAYS, State

DESK, SELLER, BUYER = "our desk", "the seller", "the buyer"


@dataclass(frozen=True)
class Stands:
    """What decides it. `answer_by` is set while an offer is open, `pay_by` while the seller is to be paid."""

    state: State
    centre: str
    held: bool = False
    listable: bool = False
    for_sale: bool = False
    answer_by: datetime | None = None
    pay_by: datetime | None = None


def step(stands: Stands) -> dict[str, Any] | None:
    """The next step as {title, text, by, who}; None where the way is complete."""
    if stands.state in ENDS:
        return None
    if stands.held:
        return _said("Settle the hold", "Nothing moves until it is lifted, with the reason.", stands.centre)
    if stands.state is State.INSPECTED and stands.answer_by is not None:
        told = "Without an answer, what the seller chose beforehand happens."
        return _said("The seller answers the offer", told, SELLER, stands.answer_by)
    if stands.state in _AT_THE_CENTRE:
        title, text = _AT_THE_CENTRE[stands.state]
        paid = " The seller is paid then, at the latest on the day named here." if stands.pay_by else ""
        return _said(title, text + paid, stands.centre, stands.pay_by)
    if stands.state in WAYS:
        return _to_sell(stands)
    title, text, who = _LATER[stands.state]
    return _said(title, text, who)


def _to_sell(stands: Stands) -> dict[str, Any]:
    if stands.for_sale:
        return _said("It waits for a buyer", None, BUYER)
    if not stands.listable:
        return _said(
            "It is wiped anew", "Its clearance ended, so it is in no sale until it is clear again.", stands.centre
        )
    if stands.state is State.FOR_RESALE:
        return _said("List it", "It is clear. Put it into the shop, or form a lot with it.", DESK)
    if stands.state is State.FOR_REMANUFACTURE:
        told = f"It is clear. Form a lot with it, unless {stands.centre} repairs it and inspects it again."
        return _said("Form a lot", told, DESK)
    return _said("Form a lot", "It is clear. It is sold for dismantling, with others.", DESK)


def _said(title: str, text: str | None, who: str, by: datetime | None = None) -> dict[str, Any]:
    return {"title": title, "text": text, "by": by, "who": who}


_AT_THE_CENTRE: Mapping[State, tuple[str, str]] = {
    State.RECEIVED: (
        "It is inspected",
        "From what is found follow its grade and, while it is the seller’s, the offer.",
    ),
    State.INSPECTED: ("It goes back", "The centre sends it back to its owner."),
    State.CLEARING: ("It is wiped and certified", "Every storage medium in it is wiped or destroyed, and signed for."),
    State.DESTROYING: ("A storage medium is destroyed", "It could not be wiped. Its destruction is certified."),
    State.CLEARED: ("A second person confirms it", "Somebody of the centre who did not work on it looks."),
    State.REINSPECTED: ("It goes its way", "It was inspected again."),
}
_LATER: Mapping[State, tuple[str, str, str]] = {
    State.EXPECTED: ("The seller sends it in", "Nobody has received it yet.", SELLER),
    State.SOLD: ("It is handed over", "As soon as it is paid, against the buyer’s collection code.", BUYER),
    State.DELIVERED: ("It is reported what became of it", "It is with its buyer.", BUYER),
    State.LOST: ("Look for it", "When it turns up, the centre receives it again.", DESK),
}
