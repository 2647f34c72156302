"""The timeline of a device: one sentence for every kind of event, and for what comes next.

The chain of custody is one; who reads it decides the words. An owner reads of the centre and never of its people; the
centre and the desk read who it was. Nobody but the desk reads who bought a device or under which order.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from ewaste.accounts.models import SELLERS, Actor, Role
from ewaste.certificates.models import CertificateRefusal
from ewaste.core import clock
from ewaste.core.money import Money
from ewaste.devices import notices
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import CustodyEvent, Device, Hold, HoldKind, Title
from ewaste.processing.routing import WAY_WORDS
from ewaste.tradein.models import Offer, OfferState
from ewaste.views.records import Records

INSPECTION_AIM_BUSINESS_DAYS = 2  # An aim: no job keeps it.
MARKET = "Clearhand"
TITLE_WORDS = {"seller": "the seller", "market": MARKET, "buyer": "the buyer"}
MEDIUM_WORDS = {
    "hdd": "hard disk",
    "ssd": "SSD",
    "nvme": "NVMe SSD",
    "emmc": "eMMC memory",
    "ufs": "UFS memory",
    "sd": "SD card",
    "usb": "USB stick",
    "sim": "SIM card",
    "phone-storage": "phone memory",
    "other": "storage medium",
}
EVIDENCE_WORDS = {
    "full-read": "every byte was read back",
    "sampled-read": "samples were read back",
    "device-reported": "the medium reported it",
    "operator-witnessed": "an operator witnessed it",
    "destroyed": "it no longer exists as a medium",
    "absent": "the case was shown to hold none",
}


class Audience(enum.StrEnum):
    """Who reads a timeline."""

    OWNER = "owner"
    CENTRE = "centre"
    STAFF = "staff"


class Words(NamedTuple):
    """What an event says: its symbol, a title, a sentence, and the facts beneath."""

    symbol: str
    title: str
    text: str | None = None
    facts: tuple[tuple[str, Any], ...] = ()
    url: str | None = None


BACK = "It came back after it was sold"


class Reader(NamedTuple):
    """What the words of an event need to know beside the event."""

    centre: str
    seen_by: Audience
    certificates: Mapping[str, str]


class Told(NamedTuple):
    """One event on its way to becoming words."""

    event: CustodyEvent
    evidence: Mapping[str, Any]
    reader: Reader


def audience(actor: Actor | None) -> Audience:
    """As whom somebody reads; the narrowest when it is not told."""
    if actor is None or actor.role not in (Role.OPERATOR, Role.STAFF, Role.AUDITOR):
        return Audience.OWNER
    return Audience.CENTRE if actor.role is Role.OPERATOR else Audience.STAFF


def events(records: Records, seen_by: Audience, *, payout: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The timeline, oldest first; at its end what comes next, where something does."""
    reader = Reader(
        records.centre.name,
        seen_by,
        {row[0].credential_id: f"/certificates/{row[0].number}" for row in records.certificates},
    )
    told = [_told(event, reader) for event in records.events]
    if payout and payout["paid_at"] and seen_by is not Audience.CENTRE:
        to = "You were paid" if seen_by is Audience.OWNER else "The seller was paid"
        told.append(
            _entry(
                payout["paid_at"],
                "payout",
                None,
                Words("payout", to, f"{payout['amount']} went out."),
                by=MARKET,
            )
        )
    if seen_by is not Audience.OWNER:
        told += [_entry(one.at, "refusal", None, _refusal(one, seen_by), by=MARKET) for one in records.refusals]
    told.sort(key=lambda entry: entry["at"])  # Stable: events of one moment keep the order of the chain.
    ahead = _ahead(records, seen_by)
    return [*told, ahead] if ahead else told


def next_step(
    device: Device, centre: str, offer: Offer | None, arrived: datetime, *, held: bool, paid: bool
) -> dict[str, Any]:
    """What happens next to a device, as its owner reads it: {title, text, by, who}."""
    title, text, by, who = _next(device.state, centre, offer, arrived, paid)
    if held and device.state not in (State.CANCELLED, State.RETURNED):
        return {
            "title": "On hold",
            "text": "Nothing moves until the reason is cleared up. You read here what comes of it.",
            "by": None,
            "who": centre,
        }
    if device.state in (State.RECEIVED, State.INSPECTED) and device.title is not Title.SELLER:
        # Sold, and back: whoever sold it to us has nothing to do with it any more.
        back = f"It is at {centre} again. It is not yours any more; nothing changes for you."
        return {"title": BACK, "text": back, "by": None, "who": centre}
    return {"title": title, "text": text, "by": by, "who": who}


def _next(
    state: State, centre: str, offer: Offer | None, arrived: datetime, paid: bool
) -> tuple[str, str | None, datetime | None, str]:
    answer = offer.state if offer else None
    if state is State.EXPECTED:
        return "Send it in", f"Go through the list, put the slip in the parcel and send it to {centre}.", None, "you"
    if state is State.RECEIVED:
        aim = clock.add_business_days(arrived, INSPECTION_AIM_BUSINESS_DAYS)
        how = f"{centre} looks at it, without a look at your data, and makes you an offer."
        return "It is being inspected", f"{how} We aim for {aim:%A} {aim.day} {aim:%B}.", None, centre
    if state is State.INSPECTED and offer is not None and answer is OfferState.OPEN:
        return (
            "Answer the offer",
            "You decide. If you do not answer, what you chose beforehand happens.",
            offer.answer_by,
            "you",
        )
    if state is State.INSPECTED:
        return "It is coming back to you", f"{centre} sends it back, free of charge.", None, centre
    if state in (State.CLEARING, State.DESTROYING):
        what = "Waiting for proof that its data is gone" if state is State.CLEARING else "A storage medium is destroyed"
        how = (
            f"{centre} wipes or destroys every storage medium in it, checks it, and signs for it."
            if state is State.CLEARING
            else "It could not be wiped, so it does not travel on. That changes nothing for you."
        )
        pay = (
            ""
            if paid or offer is None or not offer.amount_minor
            else " Then we pay you; at the latest on the day named here."
        )
        return what, how + pay, offer.pay_by if offer and pay else None, centre
    if state is State.CLEARED:
        how = f"A second person at {centre} confirms what was destroyed; then it goes on. That changes nothing for you."
        return "Its data is gone", how, None, centre
    title, text, who = _LATER.get(state, _WAITS)
    return title, text, None, who


_LATER: Mapping[State, tuple[str, str, str]] = {
    State.RETURNED: ("It went back to you", "Nothing is left to do.", "nobody"),
    State.CANCELLED: ("Called off", "Nothing is left to do. A new quote takes two minutes.", "nobody"),
    State.LOST: ("We are looking for it", "It is not where it should be. You read here what comes of it.", MARKET),
    State.DISMANTLED: ("Its way is complete", "You can read all of it here, for as long as you like.", "nobody"),
    State.REMADE: ("Its way is complete", "You can read all of it here, for as long as you like.", "nobody"),
    State.SOLD: ("It has a buyer", "The centre hands it over as soon as it is paid.", "the buyer"),
    State.DELIVERED: (
        "It is with its next owner",
        "What became of it appears here when it is reported.",
        "the buyer",
    ),
}
_WAITS = ("It waits for its next owner", "Nothing is left for you to do. You can follow it here.", MARKET)


def _ahead(records: Records, seen_by: Audience) -> dict[str, Any] | None:
    device = records.device
    arrived = next(
        (event.at for event in reversed(records.events) if event.kind == "device.received"), device.created_at
    )
    held = any(hold.lifted_at is None for hold, _ in records.holds)
    step = next_step(device, records.centre.name, records.offer, arrived, held=held, paid=True)
    if step["who"] == "nobody":
        return None
    if seen_by is not Audience.OWNER and step["who"] == "you":
        step["title"] = {"Send it in": "The seller sends it in"}.get(step["title"], "The seller answers the offer")
        step["text"] = None
    if seen_by is not Audience.OWNER and step["title"] in (BACK, _WAITS[0], _LATER[State.LOST][0]):
        step["text"] = None  # What is said there is for whoever sold it to us.
    text = step["text"]
    if step["by"] is not None:
        day = f"By {step['by']:%A} {step['by'].day} {step['by']:%B}."
        text = f"{text} {day}" if text else day
    return _entry(None, "next", None, Words("next", step["title"], text), by=None)


def _told(event: CustodyEvent, reader: Reader) -> dict[str, Any]:
    words = _words(event, reader)
    moved = event.from_state is not event.to_state or event.kind.startswith("device.expected")
    role = Role(json.loads(event.body)["role"])
    return _entry(
        event.at,
        words.symbol,
        event.to_state.value if moved else None,
        words,
        by=_by(role, event.actor_name, reader) if event.kind != "device.sold" else _buyer(event, role, reader),
        link=event.hash,
        entry=event.seq,
    )


def _refusal(refusal: CertificateRefusal, seen_by: Audience) -> Words:
    """The reason is written to the centre; the desk reads what the centre was told."""
    if seen_by is not Audience.STAFF:
        return Words("refusal", "A certificate was refused", refusal.reason)
    told, url = f"The centre was told: “{refusal.reason}”", f"/staff/certificates/refused/{refusal.id}"
    return Words("refusal", "A certificate was refused", told, url=url)


def _buyer(event: CustodyEvent, role: Role, reader: Reader) -> str:
    """Who bought it: a person in the shop is never the seller who reads this."""
    return (
        "the buyer" if role in SELLERS and reader.seen_by is not Audience.STAFF else _by(role, event.actor_name, reader)
    )


def _by(role: Role, name: str, reader: Reader) -> str:
    if role in (Role.OPERATOR, Role.STATION):
        return reader.centre if reader.seen_by is Audience.OWNER else f"{reader.centre}, {name}"
    if role in SELLERS:
        return (
            "you" if reader.seen_by is Audience.OWNER else "the seller" if reader.seen_by is Audience.CENTRE else name
        )
    if role is Role.RECYCLER:
        return name if reader.seen_by is Audience.STAFF else "the recycler"
    if role is Role.STAFF and reader.seen_by is Audience.STAFF:
        return f"{MARKET}, {name}"
    return MARKET


def _entry(
    at: datetime | None,
    symbol: str,
    state: str | None,
    words: Words,
    *,
    by: str | None,
    link: str | None = None,
    entry: int | None = None,
) -> dict[str, Any]:
    return {
        "at": at,
        "kind": symbol,
        "state": state,
        "title": words.title,
        "text": words.text,
        "by": by,
        "place": None,
        "facts": [(label, value) for label, value in words.facts if value not in (None, "", "0")],
        "hash": link,
        "entry": entry,
        "url": words.url,
    }


# ---- one function for each kind of event ----


def _words(event: CustodyEvent, reader: Reader) -> Words:
    it = Told(event, event.evidence, reader)
    known = _KINDS.get(event.kind)
    if known is not None:
        return known(it)
    if event.kind.startswith("medium."):
        return _medium(it)
    subject, _, happened = event.kind.partition(".")
    return Words("note", f"{subject} {happened}".replace("-", " ").replace("_", " ").capitalize())


def _expected(it: Told) -> Words:
    facts = (("Quote", it.evidence.get("quote")), ("Declared as one's own", _yes(it.evidence.get("ownershipDeclared"))))
    who = "You accepted the quote" if it.reader.seen_by is Audience.OWNER else "The quote was accepted"
    return Words("order", who, f"It is expected at {it.evidence.get('centre') or it.reader.centre}.", facts)


def _received(it: Told) -> Words:
    back = it.event.from_state is not State.EXPECTED
    seal = {"intact": "The seal was intact", "broken": "The seal was broken", "missing": "There was no seal"}.get(
        str(it.evidence.get("sealState")), "Seal and weight were noted"
    )
    facts = (
        ("Seal", it.evidence.get("seal")),
        ("Weight of the parcel", _grams(it.evidence.get("parcelGrams"))),
        ("Note", it.evidence.get("note")),
    )
    return Words(
        "seal", "It came back" if back else "It arrived", f"{seal}, and it was weighed before it was opened.", facts
    )


def _weighed(it: Told) -> Words:
    facts = (
        ("Weight", _grams(it.evidence.get("massGrams"))),
        ("Seal", it.evidence.get("seal")),
        ("Note", it.evidence.get("note")),
    )
    return Words("weight", "It was weighed" + (" and sealed anew" if it.evidence.get("seal") else ""), None, facts)


def _inspected(it: Told) -> Words:
    amount = it.evidence.get("amount_minor")
    offer = f"The offer is {Money(int(amount))}." if amount is not None else None
    facts = (
        ("Grade", it.evidence.get("grade")),
        ("Serial shown by the device", it.evidence.get("observedSerial")),
        ("Weight", _grams(it.evidence.get("massGrams"))),
    )
    return Words("offer", "It was inspected", offer, facts)


def _confirmed(it: Told) -> Words:
    amount = Money(int(it.evidence["amount_minor"]), str(it.evidence.get("currency", "EUR")))
    floor = "floor" in str(it.evidence.get("because"))
    who = "You accepted the offer" if it.reader.seen_by is Audience.OWNER else "The seller accepted the offer"
    if floor:
        return Words(
            "offer",
            "The offer was taken at the floor",
            f"It was not answered, and {amount} reaches the floor chosen beforehand.",
        )
    return Words("offer", who, f"{amount}, fixed from now on, whatever is found later.")


def _declined(it: Told) -> Words:
    who = "You declined the offer" if it.reader.seen_by is Audience.OWNER else "The seller declined the offer"
    return Words("offer", who, "It goes back, free of charge.")


def _title_passed(it: Told) -> Words:
    to = TITLE_WORDS.get(str(it.evidence.get("to")), str(it.evidence.get("to")))
    grounds = {
        "offer.confirmed": "with the confirmed offer",
        "hand-over": "with the hand-over",
        "return": "with its return",
    }
    ground = grounds.get(str(it.evidence.get("on")), "")
    return Words("order", f"It belongs to {to} now", f"Title passed {ground}." if ground else None)


def _clearing(it: Told) -> Words:
    if it.event.from_state is State.INSPECTED:
        must = "Every storage medium that was ever seen in it must be wiped or destroyed, and certified."
        return Words("note", "Its data is next", must)
    return Words(
        "note",
        "It is wiped anew",
        f"The reason: {it.evidence.get('because', 'its proof fell')}. A new custody cycle began.",
    )


def _destroying(it: Told) -> Words:
    return Words(
        "note", "A storage medium is destroyed", f"It could not be wiped: {it.evidence.get('reason', '')}".rstrip(": ")
    )


def _cleared(it: Told) -> Words:
    training = " A training certificate: it proves nothing of a real device." if it.evidence.get("training") else ""
    facts = (("Certificate", it.evidence.get("certificate")), ("Digest", it.evidence.get("digest")))
    return Words(
        "certificate",
        "The data is gone",
        f"The certificate verifies and covers every storage medium found.{training}",
        facts,
        url=it.reader.certificates.get(str(it.evidence.get("certificate"))),
    )


def _way(it: Told) -> Words:
    word = WAY_WORDS.get(it.event.to_state.value, it.event.to_state.value)
    if it.event.from_state is State.SOLD:
        return Words(
            "route",
            "The sale was undone",
            f"The reason: {it.evidence.get('because', 'not told')}. It is for {word.lower()} again.",
        )
    facts = (("Rules", it.evidence.get("version")), ("Why", " ".join(str(why) for why in it.evidence.get("why", []))))
    only = any("the only way that is open" in str(why) for why in it.evidence.get("why", []))
    return Words(
        "route",
        f"Its way: {word.lower()}",
        "By published rules it is the only way that is open."
        if only
        else "Of the ways that are open, the one that is worth most is chosen by published rules.",
        facts,
    )


def _sold(it: Told) -> Words:
    what = "as part of a lot" if it.evidence.get("lot") else "in the shop"
    facts: tuple[tuple[str, Any], ...] = (("Lot", it.evidence.get("lot")),)
    if it.reader.seen_by is Audience.STAFF:
        facts = (*facts, ("Listing", it.evidence.get("listing")), ("Order", it.evidence.get("order")))
    return Words("lot", "It was sold", f"It was bought {what}.", facts)


def _delivered(it: Told) -> Words:
    facts = (("Order", it.evidence.get("order")),) if it.reader.seen_by is Audience.STAFF else ()
    return Words("order", "It was handed over", "The buyer showed the collection code.", facts)


def _dismantled(it: Told) -> Words:
    return Words(
        "route",
        "It was dismantled",
        "What came out of it is on record.",
        (("Weight of what came out", _grams(it.evidence.get("massOutGrams"))),),
    )


def _returned(it: Told) -> Words:
    facts = (("Seal", it.evidence.get("seal")), ("Weight", _grams(it.evidence.get("massGrams"))))
    return Words("order", "It was sent back", str(it.evidence.get("reason") or "") or None, facts)


def _lost(it: Told) -> Words:
    incident = " It was not wiped yet, so this is a data incident." if it.evidence.get("dataIncident") else ""
    return Words("note", "It cannot be found", f"{it.evidence.get('reason', '')}{incident}".strip() or None)


def _listed(it: Told) -> Words:
    return Words(
        "lot",
        "It is in the shop",
        None,
        (("Listing", it.evidence.get("listing")),),
        url=f"/shop/{it.evidence.get('listing')}",
    )


def _work_order(it: Told) -> Words:
    media = it.evidence.get("media") or []
    number = f"{len(media)} storage media" if len(media) != 1 else "one storage medium"
    return Words(
        "note", "The wipe was ordered", f"The order names {number}.", (("Work order", it.evidence.get("workOrder")),)
    )


def hold_text(hold: Hold) -> str:
    """What a seller reads of a hold: what was written for them, or the usual words for its kind."""
    return hold.note_for_seller or notices.HOLDS[hold.kind]


def _hold_placed(it: Told) -> Words:
    kind = str(it.evidence.get("kind", ""))
    word = notices.HOLD_WORDS.get(kind, kind)
    title = f"Put on hold: {word[:1].lower()}{word[1:]}"
    for_seller = str(it.evidence.get("noteForSeller") or "")
    if it.reader.seen_by is Audience.OWNER:
        usual = notices.HOLDS[HoldKind(kind)] if kind in set(HoldKind) else ""
        return Words("hold", title, for_seller or usual or None)
    return Words(
        "hold", title, str(it.evidence.get("reason") or "") or None, (("The seller reads", for_seller or None),)
    )


def _hold_lifted(it: Told) -> Words:
    if it.reader.seen_by is Audience.OWNER:
        return Words("lift", "The hold was lifted", "What stood in its way is settled; it goes on.")
    return Words("lift", "The hold was lifted", str(it.evidence.get("reason") or "") or None)


def _photographed(it: Told) -> Words:
    kinds = {
        "seller": "Its seller sent photographs",
        "receipt": "It was photographed as it arrived",
        "inspection": "It was photographed at the inspection",
        "opened-case": "It was photographed with its case open",
        "listing": "It was photographed for its sale",
    }
    listed = it.evidence.get("photographs") or []
    digests = tuple(
        (f"Photograph {number}, SHA-256", str(one.get("sha256", ""))[:24] + "…")
        for number, one in enumerate(listed, start=1)
        if isinstance(one, Mapping)
    )
    return Words("photograph", kinds.get(str(it.evidence.get("kind")), "It was photographed"), None, digests)


def _photograph_hidden(it: Told) -> Words:
    facts = (("Photograph, SHA-256", str(it.evidence.get("sha256", ""))[:24] + "…"),)
    return Words("photograph", "A photograph was hidden", None, facts)


def _corrected(it: Told) -> Words:
    entry = it.evidence.get("entry")
    facts = (("Corrects the entry with the hash", str(it.evidence.get("hash", ""))[:24] + "…"),)
    if it.reader.seen_by is Audience.OWNER:
        told = "It does not hold as it was written. What is right is on record; our desk can tell you."
        return Words("note", f"Entry {entry} was corrected", told, facts)
    return Words("note", f"Entry {entry} was corrected", str(it.evidence.get("correction") or "") or None, facts)


def _confirmed_by_second(it: Told) -> Words:
    medium = MEDIUM_WORDS.get(str(it.evidence.get("kind")), "storage medium")
    note = it.evidence.get("note") if it.reader.seen_by is not Audience.OWNER else None
    return Words(
        "medium",
        f"A second person confirmed it: {medium}",
        "Somebody who did not work on this device looked, and signed in under their own name.",
        (("Serial", it.evidence.get("serial")), ("Note", note)),
    )


def _doubted_by_second(it: Told) -> Words:
    medium = MEDIUM_WORDS.get(str(it.evidence.get("kind")), "storage medium")
    note = it.evidence.get("note") if it.reader.seen_by is not Audience.OWNER else None
    return Words(
        "hold",
        f"A second person doubts what was done to the {medium}",
        "It stands still until that is settled.",
        (("Serial", it.evidence.get("serial")), ("Doubt", note)),
    )


def _looked_at_again(it: Told) -> Words:
    note = it.evidence.get("note") if it.reader.seen_by is not Audience.OWNER else None
    return Words(
        "medium",
        "Looked at once more: nothing is left on it",
        "A routine sample of wiped devices is looked at by somebody who did not wipe them.",
        (("Note", note),),
    )


def _found_something(it: Told) -> Words:
    note = it.evidence.get("note") if it.reader.seen_by is not Audience.OWNER else None
    return Words(
        "hold",
        "Looked at once more: something is left on it",
        "It stands still, and our desk looks into how that could be.",
        (("Note", note),),
    )


def _revoked(it: Told) -> Words:
    return Words(
        "refusal",
        "Its certificate was revoked",
        str(it.evidence.get("reason") or "") or None,
        (("Certificate", it.evidence.get("certificate")),),
        url=it.reader.certificates.get(str(it.evidence.get("certificate"))),
    )


def _medium(it: Told) -> Words:
    medium = MEDIUM_WORDS.get(str(it.evidence.get("kind")), "storage medium")
    happened = it.event.kind.removeprefix("medium.")
    title = {
        "found": f"Storage found: {medium}",
        "fitted": f"Storage fitted: {medium}",
        "removed": f"Storage taken out: {medium}",
        "held": f"Storage kept apart: {medium}",
        "wipe-failed": f"The {medium} could not be wiped",
        "sanitised": f"The {medium} was wiped",
        "destroyed": f"The {medium} was destroyed",
        "withdrawn": f"Noted by mistake and taken back: {medium}",
    }.get(happened, f"{medium}: {happened}")
    text = None
    if happened == "wipe-failed":
        text = f"{it.evidence.get('reason', '')} It is destroyed and never travels on.".strip()
    elif happened == "sanitised":
        how = EVIDENCE_WORDS.get(str(it.evidence.get("evidenceClass")))
        text = f"The proof: {how}." if how else None
    elif happened in ("removed", "withdrawn"):
        text = str(it.evidence.get("reason") or "") or None
    elif happened == "held":
        text = "It lies under a seal of its own, and the device clears without it."
    facts = (
        ("Model", it.evidence.get("model")),
        ("Serial", it.evidence.get("serial")),
        ("Technique", it.evidence.get("technique")),
        ("Seal", it.evidence.get("seal")),
    )
    url = it.reader.certificates.get(str(it.evidence.get("certificate")))
    return Words("medium", title, text, facts, url)


_KINDS: Mapping[str, Callable[[Told], Words]] = {
    "device.expected": _expected,
    "device.received": _received,
    "device.weighed": _weighed,
    "device.cancelled": lambda _: Words("note", "The sale was called off"),
    "device.inspected": _inspected,
    "device.another": lambda it: Words(
        "note",
        "It is another device than announced",
        "No offer is made until that is settled.",
        (("Serial shown by the device", it.evidence.get("observedSerial")),),
    ),
    "device.reinspected": lambda it: Words(
        "note",
        "It was inspected a second time",
        "It was repaired, and tested as a wiped device allows.",
        (("Grade", it.evidence.get("grade")), ("Weight", _grams(it.evidence.get("massGrams")))),
    ),
    "device.returned": _returned,
    "device.clearing": _clearing,
    "device.destroying": _destroying,
    "device.cleared": _cleared,
    **{f"device.{way.value}": _way for way in WAYS},
    "device.listed": _listed,
    "device.unlisted": lambda _: Words("lot", "It was taken out of the shop"),
    "device.sold": _sold,
    "device.delivered": _delivered,
    "device.dismantled": _dismantled,
    "device.remade": lambda _: Words("route", "It was remade", "It works again."),
    "device.lost": _lost,
    "offer.confirmed": _confirmed,
    "offer.declined": _declined,
    "offer.lapsed": lambda _: Words(
        "offer", "The offer was not answered", "Silence never accepts, so it goes back, free of charge."
    ),
    "title.passed": _title_passed,
    "work-order.issued": _work_order,
    "hold.placed": _hold_placed,
    "hold.lifted": _hold_lifted,
    "certificate.revoked": _revoked,
    "certificate.in-doubt": lambda it: Words(
        "hold",
        "Its certificate is looked at again",
        "It is in no sale until two people of the desk have looked.",
        (("Reason", it.evidence.get("reason") if it.reader.seen_by is not Audience.OWNER else None),),
        url=it.reader.certificates.get(str(it.evidence.get("certificate"))),
    ),
    "certificate.stands": lambda it: Words(
        "lift", "Its certificate was looked at again, and stands", str(it.evidence.get("reason") or "") or None
    ),
    "photograph.added": _photographed,
    "photograph.hidden": _photograph_hidden,
    "record.corrected": _corrected,
    "validation.confirmed": _confirmed_by_second,
    "validation.doubted": _doubted_by_second,
    "re-audit.clean": _looked_at_again,
    "re-audit.residue": _found_something,
}
KINDS = frozenset(_KINDS)
"""The kinds of events that have words of their own; every `medium.*` has them too."""


def _grams(value: object) -> str | None:
    return f"{value:,} g" if isinstance(value, int) else None


def _yes(value: object) -> str | None:
    return "yes" if value else None
