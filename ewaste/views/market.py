"""Lots, their manifests and bids, the storefront, and orders, as pages show them.

Who bids is shown under an alias, numbered by the first bid. Whose a bid is, and what anybody's maximum is, only its
own bidder reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Role
from ewaste.accounts.policy import Action
from ewaste.certificates.models import Certificate, CertificateRevocation
from ewaste.core.ids import LISTING, ORDER, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device, DeviceClass
from ewaste.market import auctions, bidders, lots
from ewaste.market.models import Bid, Listing, ListingState, Lot, LotLine, LotState, Order, OrderState
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction
from ewaste.processing import checklist
from ewaste.processing.models import Inspection
from ewaste.tradein.pricing import FAULT_WORDS
from ewaste.views import shapes
from ewaste.views.records import certificate_lines
from ewaste.views.shapes import money

WAYS = ("resale", "remanufacture", "dismantling")
MOST_BIDS_SHOWN = 200
# What a buyer is told, where the trade keeps finer states.
ORDER_WORDS = {
    OrderState.AWAITING_PAYMENT: "awaiting_payment",
    OrderState.PAID: "paid",
    OrderState.HANDED_OVER: "collected",
    OrderState.SETTLED: "collected",
    OrderState.DEFAULTED: "cancelled",
    OrderState.REFUNDED: "refunded",
}


# ---- lots ----


def lot_cards(session: Session, chosen: Sequence[Lot], *, now: datetime) -> list[dict[str, Any]]:
    """Lots as cards, in the order given. Two statements, however many."""
    ids = [lot.id for lot in chosen]
    if not ids:
        return []
    sums = {
        row.lot_id: row
        for row in session.execute(
            sa.select(
                LotLine.lot_id,
                sa.func.count().label("devices"),
                sa.func.sum(LotLine.snapshot["mass_g"].as_integer()).label("mass_g"),
            )
            .where(LotLine.lot_id.in_(ids))
            .group_by(LotLine.lot_id)
        )
    }
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
            "devices": int(sums[lot.id].devices) if lot.id in sums else 0,
            "centre_name": centres[lot.centre_id].name,
            "city": centres[lot.centre_id].city,
            "price": Money(lot.price_minor or lot.start_minor, lot.currency),
            "bids": lot.next_seq - 1,
            "starts_at": lot.opens_at,
            "ends_at": lot.ends_at,
            "closed_at": lot.closed_at,
            "mass_g": int(sums[lot.id].mass_g) if lot.id in sums and sums[lot.id].mass_g is not None else None,
        }
        for lot in chosen
    ]


def lot_state(lot: Lot, now: datetime) -> str:
    """planned, open, closed (its time is up and the worker has not closed it yet), sold or unsold."""
    if lot.state is LotState.OPEN:
        return "planned" if now < lot.opens_at else "open" if now < lot.ends_at else "closed"
    return "sold" if lot.state is LotState.SOLD else "unsold"


def lot_list(
    session: Session, *, state: str, way: str, device_class: str, page: int, now: datetime
) -> tuple[list[dict[str, Any]], int]:
    """The lots of a page as cards: those to bid on by their end, closed ones newest first; and how many there are."""
    query = sa.select(Lot)
    if state == "closed":
        query = query.where(sa.or_(Lot.state != LotState.OPEN, Lot.ends_at <= now)).order_by(Lot.ends_at.desc(), Lot.id)
    else:
        query = query.where(Lot.state == LotState.OPEN, Lot.ends_at > now).order_by(Lot.ends_at, Lot.id)
    if way:
        query = query.where(Lot.way == f"for_{way}")
    if device_class:
        of_class = LotLine.snapshot["device_class"].as_string() == device_class
        query = query.where(sa.exists().where(LotLine.lot_id == Lot.id, of_class))
    total = shapes.count(session, query)
    chosen = session.scalars(query.limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)).all()
    return lot_cards(session, chosen, now=now), total


def find_lot(session: Session, code: str) -> Lot:
    """The lot with this code, for reading. Raises `NotFound`."""
    return lots.find(session, code)


def lot(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """One lot as this reader sees it: lot, items, bids, may_bid, why_not. Lots are public; maxima are one's own."""
    found = find_lot(session, code)
    book = lots.book_of(found)
    mine = str(actor.organisation_id) if actor.role is Role.RECYCLER and actor.organisation_id else None
    card = lot_cards(session, [found], now=now)[0]
    lines = session.execute(
        sa.select(LotLine.snapshot, LotLine.released_because)
        .where(LotLine.lot_id == found.id)
        .order_by(LotLine.position)
    ).all()
    told = bids(session, found, mine, leader=book.leader if card["state"] == "open" else None)
    may, why_not = _may_bid(session, actor, found, card["state"])
    leads = book.leader is not None and book.leader == mine
    card |= {
        "start": Money(found.start_minor, found.currency),
        "increment": Money(auctions.increment(book.price_minor or book.start_minor), found.currency),
        "minimum": Money(auctions.minimum_next_bid(book, mine), found.currency),
        "reserve_set": found.reserve_minor > 0,
        "reserve_met": book.reserve_met if found.reserve_minor else None,
        "extended": None,
        "opened_at": found.opens_at,
        "my_maximum": money(_my_maximum(session, found, mine), found.currency),
        "leading": leads if mine else None,
        "winner_is_me": leads and card["state"] == "sold",
        "terms": None,
        "collection_place": f"{card['centre_name']}, {card['city']}",
        "deposit": None,
    }
    return {
        "lot": card,
        "items": [_item(row.snapshot, row.released_because) for row in lines],
        "bids": told,
        "may_bid": may,
        "why_not": why_not,
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


def _may_bid(session: Session, actor: Actor, found: Lot, state: str) -> tuple[bool, str | None]:
    """Whether this reader may bid, and if not, why. The step asks all of it again."""
    if state != "open":
        return False, "Bidding has not begun." if state == "planned" else "Bidding is over."
    if actor.role is Role.ANONYMOUS:
        return False, "Verified recyclers and refurbishers bid here."
    if not policy.allows(actor, Action.BID, organisation=actor.organisation_id):
        return False, "Only verified recyclers and refurbishers may bid."
    firm = session.get_one(Organisation, actor.organisation_id)
    centre = session.get_one(Organisation, found.centre_id)
    why_not = bidders.may_not_bid(firm, found, centre.group_name)
    return why_not is None, why_not


# ---- the storefront ----


def listings(
    session: Session, *, q: str, device_class: str, page: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
    """What is for sale: the cards of a page, the classes with their counts, and how many there are."""
    name = Device.brand + " " + Device.model
    query = (
        sa.select(Listing, Device)
        .join(Device, Device.id == Listing.device_id)
        .where(Listing.state == ListingState.OPEN)
    )
    for word in q.split()[:8]:
        query = query.where(name.ilike(shapes.like(word), escape="\\"))
    counts = {
        row[0]: int(row[1])
        for row in session.execute(
            query.with_only_columns(Device.device_class, sa.func.count()).group_by(Device.device_class)
        )
    }
    if device_class:
        query = query.where(Device.device_class == DeviceClass(device_class))
        total = counts.get(DeviceClass(device_class), 0)
    else:
        total = sum(counts.values())
    rows = session.execute(
        query.order_by(Listing.listed_at.desc(), Listing.id)
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    )
    classes = [{"value": kind.value, "count": counts[kind]} for kind in DeviceClass if kind in counts]
    return [_listing(listing) for listing, _ in rows], classes, total


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
    inspection = session.scalar(
        sa.select(Inspection)
        .where(Inspection.device_id == device.id, Inspection.at <= found.listed_at)
        .order_by(Inspection.at.desc())
        .limit(1)
    )
    shown = _listing(found) | {
        "state": found.state.value,
        "centre_name": f"{centre.name}, {centre.city}",
        "custody_cycle": device.cycle,
        "grade_text": " ".join(rule["text"] for rule in inspection.grade["rules"]) if inspection else None,
        "found": _found(device, inspection),
        "tax_text": None,
        "warranty_text": None,
        "returns_text": None,
    }
    certificate_id = found.snapshot.get("certificate_id")
    return {
        "listing": shown,
        "certificate": short_certificate(session, UUID(certificate_id)) if certificate_id else None,
    }


def short_certificate(session: Session, certificate_id: UUID) -> dict[str, Any] | None:
    """A certificate in short, as cards show it."""
    row = session.execute(
        sa.select(Certificate, CertificateRevocation, Organisation.name, Device.code)
        .outerjoin(CertificateRevocation, CertificateRevocation.certificate_id == Certificate.id)
        .join(Organisation, Organisation.id == Certificate.centre_id)
        .join(Device, Device.id == Certificate.device_id)
        .where(Certificate.id == certificate_id)
    ).one_or_none()
    if row is None:
        return None
    certificate, revocation, issuer, code = row
    return {
        "id": certificate.id,
        "credential_id": certificate.credential_id,
        "status": "revoked" if revocation is not None else "accepted",
        "issuer_name": issuer,
        "created": certificate.valid_from,
        "received_at": certificate.accepted_at,
        "training": certificate.training,
        "device_code": code,
        "lines": certificate_lines(session, [certificate.id]).get(certificate.id, []),
        "reason": revocation.reason if revocation is not None else None,
        "supersedes": None,
    }


# What a buyer wants to read of an inspection, beside grade, battery and faults.
_TOLD_TO_BUYERS = ("screen_wear", "body_wear", "display", "network_lock", "charger", "software")


def _found(device: Device, inspection: Inspection | None) -> list[tuple[str, str]]:
    if inspection is None:
        return []
    answers = checklist.answer_words(device.device_class.value, inspection.findings)
    return [(item.question, words) for item, words in answers if item.id in _TOLD_TO_BUYERS and words != "not tested"]


def _listing(found: Listing) -> dict[str, Any]:
    line = _item(found.snapshot)
    return {
        "code": found.code,
        "title": line["title"],
        "device_class": line["device_class"],
        "storage_gb": line["storage_gb"],
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
        "collection_place": f"{centre.name}, {centre.city}",
        "collected_at": found.handed_over_at,
        "closed_at": found.closed_at,
        "decline_reason": instruction.failure if failed and instruction else None,
    }


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


def orders_of(session: Session, actor: Actor) -> list[dict[str, Any]]:
    """The last orders of this person, or of the firm the person trades for."""
    if actor.role is Role.RECYCLER:
        whose = Order.organisation_id == actor.organisation_id
    elif actor.role is Role.CONSUMER:
        whose = Order.person_id == actor.id
    else:
        return []
    rows = session.execute(
        sa.select(Order, Lot.title, Listing.snapshot["title"].as_string())
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
        }
        for found, lot_title, listing_title in rows
    ]
