"""What comes next at the bench for a device, and what may be done with it. Rules; nothing here reads a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from ewaste.devices.lifecycle import AWAY, ENDS, WAYS, State
from ewaste.devices.media import SOLDERED
from ewaste.tradein.models import OfferState

HERE = (State.RECEIVED, State.INSPECTED, State.CLEARING, State.DESTROYING)
TO_CLEAR = (State.CLEARING, State.DESTROYING)
BEFORE_A_WIPE = (State.RECEIVED, State.INSPECTED, State.CLEARING)
BACK_FROM = (State.DELIVERED, State.LOST)  # From there a device may come back.


@dataclass(slots=True)
class Standing:
    """What decides a device's next step at the bench."""

    state: State
    holds: int
    media: int
    clear: bool
    offer: OfferState | None
    order: str | None
    order_open: bool
    outdated: bool = False
    refused: bool = False
    unconfirmed: int = 0
    paid: bool = False
    ever_ordered: bool = True


def step(standing: Standing) -> tuple[str, str | None]:
    """The next step as the bench does it: a title and one sentence."""
    state = standing.state
    if standing.holds and state not in ENDS:
        return "Settle the hold", "Nothing moves until it is lifted, with the reason."
    if state is State.EXPECTED:
        return "Receive the parcel", "Note the seal and the weight before it is opened."
    if state is State.RECEIVED and not standing.media:
        return (
            "Note its storage media, then inspect it",
            "Look for every drive, card and stick, and note each one first.",
        )
    if state is State.RECEIVED:
        return "Inspect it", "From what you find follows the grade, and from the grade the offer to its owner."
    if state is State.INSPECTED:
        if standing.offer is OfferState.OPEN:
            return "Wait for the owner’s answer", "Wipe nothing yet: the device is not ours before the owner confirms."
        return "Send it back", "The owner did not take the offer."
    if state in TO_CLEAR:
        return _clearing(standing)
    if (state in WAYS or state is State.CLEARED) and not standing.clear:
        return "Clear it again", "Its clearance ended: a certificate was revoked, or a medium was found. Wipe it anew."
    if state is State.SOLD and not standing.paid:
        return "Wait: not paid yet", "It is handed over against the buyer’s collection code, once it is paid."
    if state is State.CLEARED:
        return (
            "A second person confirms it",
            "People saw what was done; no machine can read it back. Somebody who did not work on this device looks.",
        )
    return {
        State.FOR_REMANUFACTURE: (
            "Repair it, or keep it until it is sold",
            "Once it is repaired here, inspect it again.",
        ),
        State.SOLD: ("Hand it over", "Against the buyer’s collection code, on the bench page."),
        State.LOST: ("Find it", "When it turns up, receive it again."),
        State.DELIVERED: ("It is with its buyer", "If it comes back, receive it: it is inspected and wiped anew."),
    }.get(state, ("Nothing to do here" if state in AWAY else "Keep it until it is sold", None))


def _clearing(standing: Standing) -> tuple[str, str | None]:
    if not standing.media:
        return "Note the storage media", (
            "Look for every drive, card and stick, and note each one. A device without any storage cannot be cleared "
            "here yet: ask our desk."
        )
    if not standing.order_open:
        why = "The last one ran out." if standing.order else "It names every medium that you noted."
        return "Issue the work order", why
    if standing.outdated:
        return "Replace the work order", ORDER_WORDS[OrderStanding.OUTDATED]
    if standing.refused and standing.state is State.CLEARING:
        return "Certify again", f"A certificate under work order {standing.order} was refused."
    if standing.state is State.DESTROYING:
        return "Destroy the medium", f"Then certify at the station under work order {standing.order}."
    return "Wipe and certify", f"At the station, under work order {standing.order}."


class OrderStanding(StrEnum):
    """How a work order stands. Only under an open one is anything wiped."""

    OPEN = "open"
    USED = "used"
    REPLACED = "replaced"
    EXPIRED = "expired"
    OVER = "over"
    HELD = "held"
    OUTDATED = "outdated"


ORDER_WORDS: Mapping[OrderStanding, str] = {
    OrderStanding.OPEN: "It is open.",
    OrderStanding.USED: "A certificate was accepted under it. There is nothing more to wipe under it.",
    OrderStanding.REPLACED: "A newer order took its place. Wipe nothing under it: its certificate would be refused.",
    OrderStanding.EXPIRED: "It ran out, and a certificate under it would be refused. Issue a new one first.",
    OrderStanding.OVER: "Its device does not wait to be wiped any more. Wipe nothing under it.",
    OrderStanding.HELD: "Its device is on hold. Wipe nothing under it until the hold is lifted.",
    OrderStanding.OUTDATED: (
        "It does not name the media as they are now. Wipe nothing under it: its certificate would be refused."
    ),
}


def order(*, used: bool, replaced: bool, expired: bool, waits: bool, held: bool, outdated: bool) -> OrderStanding:
    """How an order stands, from what is true of it and its device; what can least be mended has the word."""
    if used:
        return OrderStanding.USED
    if replaced:
        return OrderStanding.REPLACED
    if not waits:
        return OrderStanding.OVER
    if expired:
        return OrderStanding.EXPIRED
    if held:
        return OrderStanding.HELD
    return OrderStanding.OUTDATED if outdated else OrderStanding.OPEN


def due(standing: Standing, row: Any) -> datetime | None:
    """By when the step is due: `answer_by` or `pay_by` of the row."""
    if standing.state is State.INSPECTED and standing.offer is OfferState.OPEN:
        answer_by: datetime | None = row.answer_by
        return answer_by
    # The seller is paid by then, wiped or not; until then the wipe decides.
    return row.pay_by if standing.state in TO_CLEAR else None


def may(standing: Standing, waiting: Sequence[Any], unconfirmed: Sequence[Any]) -> set[str]:
    """What the bench may do with the device; `waiting` are its media that are not clear yet."""
    state, free = standing.state, not standing.holds
    clearing = state in TO_CLEAR
    rules = {
        "receive": state in (State.EXPECTED, *BACK_FROM) and free,
        "weigh": state not in AWAY,
        "add_media": state not in AWAY and state is not State.SOLD,
        "withdraw_medium": state in BEFORE_A_WIPE
        and not standing.ever_ordered
        and any(medium["status"] == "found" for medium in waiting),
        "inspect": state is State.RECEIVED and free,
        "work_order": clearing and free and bool(standing.media) and not standing.order_open,
        "replace_order": clearing and free and bool(standing.media) and standing.order_open,
        "failed": clearing and any(medium["status"] == "found" for medium in waiting),
        "apart": state in HERE and any(separable(medium) for medium in waiting),
        "upload": clearing,
        "clear_again": (state in WAYS or state is State.CLEARED) and not standing.clear and free,
        "validate": bool(unconfirmed) and (clearing or state is State.CLEARED),
        "reinspect": state is State.FOR_REMANUFACTURE and standing.clear and free,
        "photograph": state not in AWAY,
        "correct": True,
        "label": state not in ENDS,
        "hold": state not in AWAY or state is State.EXPECTED,
        "lift": bool(standing.holds),
        "send_back": free
        and (state is State.RECEIVED or (state is State.INSPECTED and standing.offer is not OfferState.OPEN)),
        "lost": state not in AWAY or state is State.EXPECTED,
    }
    return {name for name, open_ in rules.items() if open_}


def separable(medium: Mapping[str, Any]) -> bool:
    """Whether a medium that waits for its wipe can be taken out and kept apart."""
    return not medium["apart"] and medium["kind"] not in {kind.value for kind in SOLDERED}
