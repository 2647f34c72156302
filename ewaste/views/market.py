"""Lots, their manifests and bids, the storefront, and orders, as pages show them.

Who bids is shown under an alias, numbered by the first bid. Whose a bid is, and what anybody's maximum is, only its
own bidder reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy, postal
from ewaste.accounts.models import SELLERS, Actor, Organisation, OrganisationKind, Person, Role
from ewaste.accounts.policy import Action
from ewaste.certificates import registry
from ewaste.core.ids import LISTING, ORDER, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import CustodyEvent, Device
from ewaste.market import auctions, bidders, disputes, lots
from ewaste.market.models import (
    Bid,
    Dispute,
    Invoice,
    Listing,
    Lot,
    LotLine,
    LotState,
    Order,
    OrderState,
    SecondOffer,
    SecondOfferState,
    Watch,
)
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction
from ewaste.processing import checklist
from ewaste.processing.models import Inspection
from ewaste.tradein.pricing import FAULT_WORDS
from ewaste.views import photographs, shapes
from ewaste.views.records import certificate_lines, in_doubt, since_then
from ewaste.views.shapes import money

WAYS = ("resale", "remanufacture", "dismantling")
MOST_BIDS_SHOWN = 200
# What a buyer is told, where the trade keeps finer states.
ORDER_WORDS = {
    OrderState.AWAITING_PAYMENT: "awaiting_payment",
    OrderState.PAID: "paid",
    OrderState.HANDED_OVER: "collected",
    OrderState.SETTLED: "settled",
    OrderState.DEFAULTED: "cancelled",
    OrderState.REFUNDED: "refunded",
}


# ---- lots ----


def lot_cards(session: Session, chosen: Sequence[Lot], *, now: datetime) -> list[dict[str, Any]]:
    """Lots as cards, in the order given. One statement, however many."""
    if not chosen:
        return []
    centres = {
        row.id: row
        for row in session.execute(
            sa.select(Organisation.id, Organisation.name, Organisation.city).where(
                Organisation.id.in_({lot.centre_id for lot in chosen})
            )
        )
    }
    return [
        {
            "id": lot.id,
            "code": lot.code,
            "title": lot.title,
            "way": lot.way.removeprefix("for_"),
            "state": lot_state(lot, now),
            "devices": lot.device_count,
            "centre_name": centres[lot.centre_id].name,
            "city": centres[lot.centre_id].city,
            "price": Money(lot.price_minor or lot.start_minor, lot.currency),
            "bids": lot.next_seq - 1,
            "starts_at": lot.opens_at,
            "ends_at": lot.ends_at,
            "closed_at": lot.closed_at,
            "mass_g": lot.mass_g,
            "grades": grade_bar(lot.grades),
            "models": sorted(lot.models.items(), key=lambda each: (-each[1], each[0])),
            "each": Money((lot.price_minor or lot.start_minor) // max(lot.device_count, 1), lot.currency),
        }
        for lot in chosen
    ]


def grade_bar(grades: dict[str, int]) -> list[dict[str, Any]]:
    """The grades of a lot as parts of a bar of 100, best first: grade, how many, where its part begins, how wide."""
    total = sum(grades.values())
    bar, begun = [], 0
    for grade in sorted(grades, reverse=True):
        begin = begun * 100 / total
        begun += grades[grade]
        bar.append(
            {
                "grade": grade if grade != "-" else None,
                "count": grades[grade],
                "x": round(begin, 2),
                "width": round(begun * 100 / total - begin, 2),
            }
        )
    return bar


def lot_state(lot: Lot, now: datetime) -> str:
    """planned, open, closed (its time is up and the worker has not closed it yet), sold or unsold."""
    if lot.state is LotState.OPEN:
        return "planned" if now < lot.opens_at else "open" if now < lot.ends_at else "closed"
    return "sold" if lot.state is LotState.SOLD else "unsold"


def find_lot(session: Session, code: str) -> Lot:
    """The lot with this code, for reading. Raises `NotFound`."""
    return lots.find(session, code)


def lot(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """One lot as this reader sees it: lot, items, bids, may_bid, why_not. Lots are public; maxima are one's own."""
    found = find_lot(session, code)
    told = live(session, actor, found, now=now)
    centre = session.get_one(Organisation, found.centre_id)
    lines = session.execute(
        sa.select(LotLine.snapshot, LotLine.released_because)
        .where(LotLine.lot_id == found.id)
        .order_by(LotLine.position)
    ).all()
    may, why_not = _may_bid(session, actor, found, centre, told["lot"]["state"])
    told["lot"] |= {
        "starts_at": found.opens_at,
        "opened_at": found.opens_at,
        "start": Money(found.start_minor, found.currency),
        "collection_place": postal.place(centre),
        "opening_hours": centre.opening_hours,
        "watched": policy.allows(actor, Action.WATCH_LOT) and session.get(Watch, (actor.id, found.id)) is not None,
        "may_watch": policy.allows(actor, Action.WATCH_LOT) and told["lot"]["state"] in ("planned", "open"),
        "second_offer": _second_offer(session, found, actor),
    }
    return told | {
        "items": [_item(row.snapshot, row.released_because) for row in lines],
        "may_bid": may,
        "why_not": why_not,
        "figures": centre_figures(session, found.centre_id),
    }


def live(session: Session, actor: Actor, found: Lot, *, now: datetime) -> dict[str, Any]:
    """The part of a lot that moves while people bid: lot, bids. Price, end, standing, least next bid."""
    book = lots.book_of(found)
    mine = str(actor.organisation_id) if actor.role is Role.RECYCLER and actor.organisation_id else None
    card = lot_cards(session, [found], now=now)[0]
    leads = book.leader is not None and book.leader == mine
    card |= {
        "increment": Money(auctions.increment(book.price_minor or book.start_minor), found.currency),
        "minimum": Money(auctions.minimum_next_bid(book, mine), found.currency),
        "reserve_set": found.reserve_minor > 0,
        "reserve_met": book.reserve_met if found.reserve_minor else None,
        "my_maximum": money(_my_maximum(session, found, mine), found.currency),
        "leading": leads if mine else None,
        "winner_is_me": leads and card["state"] == "sold" and _bought_by(session, found, mine),
    }
    return {
        "lot": card,
        "bids": bids(session, found, mine, leader=book.leader if card["state"] == "open" else None),
    }


def version(lot_id: UUID, state: str, bids: int, ends_at: datetime, actor: Actor, words: str) -> str:
    """What the live part of a lot depends on, in short: when it is the same, so is that part. `words` is the time left
    as it is written."""
    said = f"{lot_id} {state} {bids} {ends_at} {actor.id} {actor.organisation_id} {words}"
    return hashlib.sha256(said.encode()).hexdigest()[:24]


def centre_figures(session: Session, centre_id: UUID) -> dict[str, int]:
    """How often buyers were right about this centre's grades: devices sold, disputes upheld. One statement.

    A withdrawal is no dispute; a device that came back and was sold again counts as often as it was sold.
    """
    row = session.execute(
        sa.select(
            sa.select(sa.func.count())
            .select_from(CustodyEvent)
            .join(Device, Device.id == CustodyEvent.device_id)
            .where(Device.centre_id == centre_id, CustodyEvent.kind == "device.delivered")
            .scalar_subquery(),
            sa.select(sa.func.count())
            .where(
                Dispute.centre_id == centre_id,
                Dispute.reason.in_(disputes.COMPLAINTS),
                Dispute.outcome.in_(disputes.UPHELD),
            )
            .scalar_subquery(),
        )
    ).one()
    return {"sold": int(row[0]), "upheld": int(row[1])}


def _bought_by(session: Session, found: Lot, firm: str | None) -> bool:
    if firm is None:
        return False
    return bool(
        session.scalar(
            sa.select(
                sa.exists().where(
                    Order.lot_id == found.id,
                    Order.organisation_id == UUID(firm),
                    Order.state != OrderState.DEFAULTED,
                )
            )
        )
    )


def _second_offer(session: Session, found: Lot, actor: Actor) -> dict[str, Any] | None:
    """The open offer to the runner-up: until when, and whether it is this reader's. For how much only they read."""
    if found.state is not LotState.SOLD:
        return None
    offer = session.scalar(
        sa.select(SecondOffer).where(SecondOffer.lot_id == found.id, SecondOffer.state == SecondOfferState.OPEN)
    )
    if offer is None:
        return None
    mine = policy.allows(actor, Action.ANSWER_SECOND_OFFER, organisation=offer.organisation_id)
    return {
        "mine": mine,
        "answer_by": offer.answer_by,
        "amount": Money(offer.amount_minor, offer.currency) if mine else None,
    }


def bids(session: Session, found: Lot, mine: str | None, *, leader: str | None = None) -> list[dict[str, Any]]:
    """The bids of a lot, newest first, bidders under aliases; never a maximum. The newest one of `leader` leads."""
    order_of = {
        bidder: number
        for number, bidder in enumerate(
            session.scalars(
                sa.select(Bid.bidder_id)
                .where(Bid.lot_id == found.id)
                .group_by(Bid.bidder_id)
                .order_by(sa.func.min(Bid.seq))
            ),
            start=1,
        )
    }
    rows = session.execute(
        sa.select(Bid.seq, Bid.at, Bid.bidder_id, Bid.price_minor)
        .where(Bid.lot_id == found.id)
        .order_by(Bid.seq.desc())
        .limit(MOST_BIDS_SHOWN)
    ).all()
    top = next((row.seq for row in rows if str(row.bidder_id) == leader), None)
    return [
        {
            "sequence": row.seq,
            "at": row.at,
            "bidder": f"Bidder {order_of[row.bidder_id]}",
            "amount": Money(row.price_minor, found.currency),
            "mine": str(row.bidder_id) == mine,
            "leads": row.seq == top,
            "proxy": False,
        }
        for row in rows
    ]


def manifest(session: Session, code: str) -> tuple[Lot, list[dict[str, Any]]]:
    """A lot and its manifest lines, for the file."""
    found = find_lot(session, code)
    lines = session.execute(
        sa.select(LotLine.snapshot, LotLine.released_because)
        .where(LotLine.lot_id == found.id)
        .order_by(LotLine.position)
    )
    return found, [_item(row.snapshot, row.released_because) for row in lines]


def _item(snapshot: dict[str, Any], released_because: str | None = None) -> dict[str, Any]:
    return {
        **snapshot,
        "faults": [FAULT_WORDS.get(fault, str(fault)) for fault in snapshot.get("faults", [])],
        "expected_value": money(snapshot.get("expected_value_minor")),
        "released_because": released_because,
    }


def _my_maximum(session: Session, found: Lot, mine: str | None) -> int | None:
    if mine is None:
        return None
    return session.scalar(
        sa.select(sa.func.max(Bid.max_minor)).where(Bid.lot_id == found.id, Bid.bidder_id == UUID(mine))
    )


def may_bid(session: Session, actor: Actor, found: Lot, *, now: datetime) -> bool:
    """Whether this reader may bid on an open lot."""
    centre = session.get_one(Organisation, found.centre_id)
    return _may_bid(session, actor, found, centre, lot_state(found, now))[0]


def _may_bid(session: Session, actor: Actor, found: Lot, centre: Organisation, state: str) -> tuple[bool, str | None]:
    """Whether this reader may bid, and if not, why. The step asks all of it again."""
    if state != "open":
        return False, "Bidding has not begun." if state == "planned" else "Bidding is over."
    if actor.role is Role.ANONYMOUS:
        return False, "Verified recyclers and refurbishers bid here."
    if not policy.allows(actor, Action.BID, organisation=actor.organisation_id):
        return False, "Only verified recyclers and refurbishers may bid."
    firm = session.get_one(Organisation, actor.organisation_id)
    why_not = bidders.may_not_bid(firm, found, centre.group_name)
    return why_not is None, why_not


# ---- the storefront ----


def listing(session: Session, code: str) -> dict[str, Any]:
    """One listed device with the certificate that it stands on: listing, certificate. Raises `NotFound`."""
    bare = read_code(code, LISTING)
    row = (
        session.execute(
            sa.select(Listing, Device, Organisation)
            .join(Device, Device.id == Listing.device_id)
            .join(Organisation, Organisation.id == Device.centre_id)
            .where(Listing.code == bare)
        ).one_or_none()
        if bare
        else None
    )
    if row is None:
        raise NotFound("There is no device for sale under this code.")
    found, device, centre = row
    pictures = photographs.of_listing(session, [device.id])[device.id]
    inspection = session.scalar(
        sa.select(Inspection)
        .where(Inspection.device_id == device.id, Inspection.at <= found.listed_at)
        .order_by(Inspection.at.desc())
        .limit(1)
    )
    shown = listing_card(found) | {
        "state": found.state.value,
        "centre_name": f"{centre.name}, {centre.city}",
        "collection_place": postal.place(centre),
        "opening_hours": centre.opening_hours,
        "custody_cycle": device.cycle,
        "grade_text": " ".join(rule["text"] for rule in inspection.grade["rules"]) if inspection else None,
        "found": _found(device, inspection),
        "photographs": pictures,
        "with_charger": inspection is not None and inspection.findings.get("charger") == "yes",
        "listed_at": found.listed_at,
    }
    certificate_id = found.snapshot.get("certificate_id")
    return {
        "listing": shown,
        "certificate": _certificate(session, UUID(certificate_id)) if certificate_id else None,
    }


def _certificate(session: Session, number: UUID) -> dict[str, Any]:
    """A certificate in short, by the number in a manifest: its own, or that of our entry in an older one."""
    certificate = registry.find(session, number)
    revocation = registry.revocation(session, certificate.id)
    doubt = in_doubt(session, certificate.id)
    return {
        "id": certificate.number,
        "credential_id": certificate.credential_id,
        "status": "revoked" if revocation is not None else "doubt" if doubt is not None else "accepted",
        "issuer_name": session.get_one(Organisation, certificate.centre_id).name,
        "created": certificate.valid_from,
        "received_at": certificate.accepted_at,
        "training": certificate.training,
        "device_code": session.get_one(Device, certificate.device_id).code,
        "lines": certificate_lines(session, [certificate.id]).get(certificate.id, []),
        "reason": revocation.reason if revocation is not None else doubt,
        "since": since_then(session, certificate.id),
    }


# What a buyer wants to read of an inspection, beside grade, battery and faults.
_TOLD_TO_BUYERS = ("screen_wear", "body_wear", "display", "network_lock", "charger", "software")


def _found(device: Device, inspection: Inspection | None) -> list[tuple[str, str]]:
    if inspection is None:
        return []
    answers = checklist.answer_words(device.device_class.value, inspection.findings)
    return [(item.question, words) for item, words in answers if item.id in _TOLD_TO_BUYERS and words != "not tested"]


def listing_card(found: Listing) -> dict[str, Any]:
    """A listing as cards show it."""
    line = _item(found.snapshot)
    return {
        "code": found.code,
        "title": line["title"],
        "device_class": line["device_class"],
        "storage_gb": line["storage_gb"],
        "no_drive": line.get("no_drive"),
        "grade_cosmetic": line["grade_cosmetic"],
        "grade_function": line["grade_function"],
        "battery_health": line["battery_health"],
        "faults": line["faults"],
        "price": Money(found.price_minor, found.currency),
        "certificate_id": line["certificate_id"],
    }


# ---- orders ----


def find_order(session: Session, actor: Actor, code: str) -> Order:
    """The order with this code, if this actor may see it; not locked. Raises `NotFound`."""
    bare = read_code(code, ORDER)
    found = session.scalar(sa.select(Order).where(Order.code == bare)) if bare else None
    if found is None:
        raise NotFound("There is no order with this code, or it is not yours to see.")
    policy.require(actor, Action.SEE_ORDER, owner=found.person_id, organisation=found.organisation_id)
    return found


def order(session: Session, found: Order, *, actor: Actor | None = None) -> dict[str, Any]:
    """An order as its buyer sees it; the caller has asked the policy.

    The collection code is told to the buyer alone, and only between payment and hand-over. Without an `actor` the
    caller vouches that the buyer reads.
    """
    instruction = session.scalar(
        sa.select(PaymentInstruction)
        .where(PaymentInstruction.kind == InstructionKind.COLLECT, PaymentInstruction.subject_id == found.id)
        .order_by(PaymentInstruction.written_at.desc())
        .limit(1)
    )
    lot_of = session.get(Lot, found.lot_id) if found.lot_id else None
    listing_of = session.get(Listing, found.listing_id) if found.listing_id else None
    centre = session.get_one(Organisation, found.centre_id)
    total = Money(found.amount_minor, found.currency)
    title = lot_of.title if lot_of else str(listing_of.snapshot["title"]) if listing_of else found.code
    failed = instruction is not None and instruction.state is InstructionState.FAILED
    waiting = found.state is OrderState.PAID
    return {
        "id": found.id,
        "code": found.code,
        "kind": "lot" if lot_of else "listing",
        "title": title,
        "lot_code": lot_of.code if lot_of else None,
        "listing_code": listing_of.code if listing_of else None,
        "lines": [{"label": f"Lot {lot_of.code}" if lot_of else title, "amount": total}],
        "total": total,
        "state": ORDER_WORDS[found.state],
        "made_at": found.made_at,
        "pay_by": found.pay_by,
        "paid_at": found.paid_at,
        "reference": instruction.provider_reference if instruction and found.paid_at else None,
        "collection_code": found.collection_code if waiting and (actor is None or may_pay(actor, found)) else None,
        "collection_place": postal.place(centre),
        "opening_hours": centre.opening_hours,
        "collected_at": found.handed_over_at,
        "closed_at": found.closed_at,
        "decline_reason": instruction.failure if failed and instruction else None,
        "steps": _steps(found, paid_by=centre.name),
        "may_withdraw": waiting and actor is not None and actor.role is Role.CONSUMER and may_pay(actor, found),
        "has_invoice": found.paid_at is not None,
        **_given_back(session, found),
    }


def invoice(session: Session, found: Order) -> dict[str, Any]:
    """The invoice of a paid order: its number, both sides, the devices, and what was given back since. The caller has
    asked the policy. Raises `NotFound` for an order that was not paid."""
    numbered = session.get(Invoice, found.id)
    if numbered is None:
        raise NotFound("This order has no invoice: it was not paid.")
    centre = session.get_one(Organisation, found.centre_id)
    if found.organisation_id is not None:
        firm = session.get_one(Organisation, found.organisation_id)
        buyer = [firm.name, f"{firm.city}, {firm.country}"]
    else:
        person = session.get_one(Person, found.person_id)
        buyer = [person.name, person.email]
    seller = session.scalars(
        sa.select(Organisation.name).where(Organisation.kind == OrganisationKind.PLATFORM).limit(1)
    ).one_or_none()
    return {
        "number": f"{numbered.year}-{numbered.number:06d}",
        "at": numbered.at,
        "seller": seller,
        "buyer": buyer,
        "delivered_at": found.handed_over_at,
        "place": postal.place(centre),
        "total": Money(found.amount_minor, found.currency),
        **_given_back(session, found),
    }


def _given_back(session: Session, found: Order) -> dict[str, Any]:
    """What went back of a paid order, line by line, and what is left of its price then."""
    rows = session.execute(
        sa.select(PaymentInstruction.amount_minor, PaymentInstruction.settled_at, Dispute)
        .outerjoin(Dispute, Dispute.id == PaymentInstruction.subject_id)
        .where(
            PaymentInstruction.kind == InstructionKind.REFUND,
            PaymentInstruction.state == InstructionState.SUCCEEDED,
            sa.or_(PaymentInstruction.subject_id == found.id, Dispute.order_id == found.id),
        )
        .order_by(PaymentInstruction.settled_at)
    ).all()
    back = sum(row.amount_minor for row in rows)
    return {
        "refunds": [
            {
                "label": f"Refund, {disputes.word(row.Dispute)} {row.Dispute.code}" if row.Dispute else "Refund",
                "at": row.settled_at,
                "amount": Money(-row.amount_minor, found.currency),
            }
            for row in rows
        ],
        "left": Money(found.amount_minor - back, found.currency) if back else None,
    }


def _steps(found: Order, *, paid_by: str) -> list[dict[str, Any]]:
    """An order as a story: what happened, and what comes next."""
    steps: list[dict[str, Any]] = [
        {
            "at": found.made_at,
            "kind": "lot" if found.lot_id else "order",
            "title": "Won" if found.lot_id else "Reserved",
        }
    ]
    ended = found.state in (OrderState.DEFAULTED, OrderState.REFUNDED)
    if found.paid_at:
        steps.append({"at": found.paid_at, "kind": "payout", "title": "Paid"})
    elif not ended:
        by = f"{found.pay_by.day} {found.pay_by:%B, %H:%M} UTC"
        steps.append({"at": None, "kind": "payout", "title": "Pay", "text": f"By {by}."})
    if found.handed_over_at:
        steps.append({"at": found.handed_over_at, "kind": "order", "title": "Collected", "place": paid_by})
    elif not ended:
        steps.append({"at": None, "kind": "order", "title": "Collect", "text": f"At {paid_by}, with the code."})
    if ended:
        words = "Not paid in time" if found.state is OrderState.DEFAULTED else "Called off, and refunded in full"
        steps.append({"at": found.closed_at, "kind": "note", "title": words})
    elif found.lot_id is not None:
        steps.append(
            {"at": found.closed_at, "kind": "note", "title": "Every device reported"}
            if found.closed_at
            else {"at": None, "kind": "note", "title": "Report what became of each device"}
        )
    return steps


def order_items(session: Session, found: Order) -> list[dict[str, Any]]:
    """The devices of an order with their certificates, as the manifest told them."""
    if found.listing_id is not None:
        snapshots = [session.get_one(Listing, found.listing_id).snapshot]
    else:
        snapshots = list(
            session.scalars(
                sa.select(LotLine.snapshot).where(LotLine.lot_id == found.lot_id).order_by(LotLine.position)
            )
        )
    return [{key: line.get(key) for key in ("code", "title", "device_class", "certificate_id")} for line in snapshots]


def payment_under_way(session: Session, found: Order) -> tuple[UUID, str] | None:
    """The payment of an unpaid order that the provider was asked for: our id and the provider's reference."""
    if found.state is not OrderState.AWAITING_PAYMENT:
        return None
    row = session.execute(
        sa.select(PaymentInstruction.id, PaymentInstruction.provider_reference).where(
            PaymentInstruction.kind == InstructionKind.COLLECT,
            PaymentInstruction.subject_id == found.id,
            PaymentInstruction.state == InstructionState.SENT,
            PaymentInstruction.provider_reference.is_not(None),
        )
    ).one_or_none()
    return (row[0], str(row[1])) if row is not None else None


def may_pay(actor: Actor, found: Order) -> bool:
    """Whether this actor may pay this order."""
    return policy.allows(actor, Action.PAY_ORDER, owner=found.person_id, organisation=found.organisation_id)


# What went back of an order, in minor units: the refund of all of it, and those of its disputes.
_BACK = (
    sa.select(sa.func.sum(PaymentInstruction.amount_minor))
    .where(
        PaymentInstruction.kind == InstructionKind.REFUND,
        PaymentInstruction.state == InstructionState.SUCCEEDED,
        sa.or_(
            PaymentInstruction.subject_id == Order.id,
            PaymentInstruction.subject_id.in_(
                sa.select(Dispute.id).where(Dispute.order_id == Order.id).correlate(Order)
            ),
        ),
    )
    .correlate(Order)
    .scalar_subquery()
)


def orders_of(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """The last orders of this person, or of the firm the person trades for."""
    if actor.role is Role.RECYCLER:
        whose = Order.organisation_id == actor.organisation_id
    elif actor.role in SELLERS:
        whose = Order.person_id == actor.id
    else:
        return []
    rows = session.execute(
        sa.select(Order, Lot.title, Listing.snapshot["title"].as_string(), _BACK)
        .outerjoin(Lot, Lot.id == Order.lot_id)
        .outerjoin(Listing, Listing.id == Order.listing_id)
        .where(whose)
        .order_by(Order.made_at.desc(), Order.id)
        .limit(shapes.PAGE_SIZE)
    )
    return [
        {
            "code": found.code,
            "title": lot_title or listing_title,
            "total": Money(found.amount_minor, found.currency),
            "state": ORDER_WORDS[found.state],
            "at": found.made_at,
            "given_back": Money(int(back), found.currency) if back else None,
        }
        for found, lot_title, listing_title, back in rows
    ]
