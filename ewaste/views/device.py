"""A device as a story: where it stands, what happened to it, what it brought, what proves that its data is gone.

`story` is the one reader; the pages of owner, centre and staff show its parts. Who looks decides what is told: an owner
reads of the centre and never of its people, of a sale and never of its buyer; a centre reads nothing of our payments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import kept_forms, policy, postal
from ewaste.accounts.models import Actor, Organisation
from ewaste.accounts.policy import Action
from ewaste.centres.models import WorkOrder
from ewaste.certificates.models import Certificate, CertificateRefusal, CertificateRevocation
from ewaste.core.ids import QUOTE, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices import custody
from ewaste.devices.lifecycle import GOES_BACK_FROM, WAYS, State
from ewaste.devices.models import (
    CustodyEvent,
    Device,
    Hold,
    Medium,
    MediumEvent,
    MediumEventKind,
    Title,
    ValidationResult,
)
from ewaste.market.models import Listing, ListingState
from ewaste.payments import failures
from ewaste.payments.models import InstructionKind, InstructionState, Payee, PaymentInstruction
from ewaste.processing import checklist
from ewaste.processing.outcomes import FRACTIONS
from ewaste.tradein import pricing, questions, returning
from ewaste.tradein.models import Offer, OfferState, Quote, Silence
from ewaste.views import photographs, shapes, timeline
from ewaste.views.records import Records, found_since, in_doubt, read
from ewaste.views.shapes import money

# What an offer's line is about, in the words of a page.
FIELD_WORDS = {
    "model": "Model",
    "storage_gb": "Storage",
    "cosmetic": "Looks",
    "cracked_screen": "Glass of the screen",
    "cracked_back": "Back",
    "display_marks": "Picture",
    "battery_below_80": "Battery",
    "battery_dead": "Battery",
    "no_power": "Power",
    "water_damage": "Liquid",
    "account_locked": "Locks",
    "carrier_locked": "Network lock",
    "camera_fault": "Cameras",
    "keyboard_fault": "Keyboard and touchpad",
    "no_storage": "Drive and memory",
    "missing_charger": "Charger or cable",
}
# So many open quotes stand under My devices.
MOST_QUOTES = 10
# Faults of the battery: what is measured is told in per cent.
BATTERY = ("battery_below_80", "battery_dead")
# My devices, in the words of their owner: label and states.
GROUPS: Mapping[str, tuple[str, tuple[State, ...]]] = {
    "to-send": ("To send in", (State.EXPECTED,)),
    "at-centre": ("At the test centre", (State.RECEIVED, State.INSPECTED, State.LOST)),
    "wiping": ("Data removal", (State.CLEARING, State.DESTROYING, State.CLEARED)),
    "onward": (
        "On to its next life",
        (State.FOR_RESALE, State.FOR_REMANUFACTURE, State.FOR_DISMANTLING, State.REINSPECTED, State.SOLD),
    ),
    "done": ("Done", (State.DELIVERED, State.DISMANTLED, State.REMADE, State.RETURNED, State.CANCELLED)),
}
# The event of a medium that says how it stands; later ones count.
MEDIUM_STATUS = {
    "found": "found",
    "fitted": "found",
    "removed": "removed",
    "held": "held",
    "wipe-failed": "wipe-failed",
    "sanitised": "sanitised",
    "destroyed": "destroyed",
    "withdrawn": "withdrawn",
}


def find(session: Session, actor: Actor, code: str) -> Device:
    """The device with this code, if this actor may see it. Raises `NotFound`."""
    bare = read_code(code, "D")
    device = session.scalar(sa.select(Device).where(Device.code == bare)) if bare else None
    if device is None:
        raise NotFound(custody.NOBODYS)
    policy.require(actor, Action.SEE_DEVICE, owner=device.seller_id, centre=device.centre_id)
    return device


def story(session: Session, device_id: UUID, actor: Actor | None = None) -> dict[str, Any]:
    """Everything a page shows of a device: device, events, custody, offer, payout, certificate, certificates, route,
    media, inspection, work_order, owner, listing, photographs.

    With an `actor` the policy is asked, and what is told depends on the role. Without one, the caller has asked, and
    what an owner reads is told. A constant number of statements.
    """
    records = read(session, device_id)
    device = records.device
    if actor is not None:
        policy.require(actor, Action.SEE_DEVICE, owner=device.seller_id, centre=device.centre_id)
    seen_by = timeline.audience(actor)
    chain = custody.check_chain(session, device_id)
    media = _media(session, device, records.validations)
    certificates = [_certificate(records, *row) for row in records.certificates]
    told = seen_by is not timeline.Audience.OWNER
    payout = _payout(records)
    since = found_since(session, records.certificates[0][0].id) if certificates else None
    if certificates:
        certificates[0]["found_since"] = since
        if (doubt := in_doubt(session, records.certificates[0][0].id)) is not None:
            certificates[0] |= {"status": "doubt", "reason": doubt}
    shown = _not_clear(_device(records, seen_by), since)
    ahead = {"title": shown["next"]["title"], "text": shown["next"]["text"]} if shown.get("not_clear") else {}
    events = timeline.events(records, seen_by, payout=payout)
    return {
        "device": shown,
        "events": [{**event, **ahead} if event["kind"] == "next" else event for event in events],
        "custody": {"ok": not chain, "length": device.custody_seq, "head": device.custody_head, "wrong": chain},
        "offer": _offer(records),
        # The centre reads it when the device goes back (`views.bench`).
        "back_to": _back_to(session, device) if seen_by is not timeline.Audience.CENTRE else None,
        "payout": payout if seen_by is not timeline.Audience.CENTRE else None,
        "certificate": certificates[0] if certificates else None,
        "certificates": certificates + ([_refused(row) for row in records.refusals] if told else []),
        "route": _route(records),
        "media": media,
        "inspection": _inspection(records, named=told),
        "work_order": _work_order(session, device, media) if told else None,
        "owner": {"name": records.seller.name, "email": records.seller.email}
        if seen_by is timeline.Audience.STAFF
        else None,
        "listing": _listing(session, device) if told else None,
        "photographs": photographs.of_device(session, device, owner=not told),
    }


def _not_clear(shown: dict[str, Any], since: str | None) -> dict[str, Any]:
    """A device that lost its clearance goes nowhere, whatever its state says: its owner reads why."""
    waits = shown["state"] in {*(way.value for way in WAYS), State.CLEARED.value}
    if since is None or not waits or shown["holds"] or not since.endswith("not clear."):
        return shown
    text = f"{since} {shown['centre_name']} wipes it anew. That changes nothing for you."
    step = {"title": "It is not clear any more", "text": text, "by": None, "who": shown["centre_name"]}
    return {**shown, "next": step, "not_clear": True}


def is_held(session: Session, device_id: UUID) -> bool:
    """Whether a hold stands on the device."""
    return custody.open_hold(session, device_id) is not None


def mine(
    session: Session, actor: Actor, page: int, *, group: str = "", q: str = "", size: int = shapes.PAGE_SIZE
) -> dict[str, Any]:
    """The devices that this person sells, those that wait for an answer first: devices, total, and groups with counts.

    `group` is one of `GROUPS`, `q` a part of a code, serial or model.
    """
    policy.require(actor, Action.SEE_DEVICE, owner=actor.id)
    waiting = (
        sa.select(sa.literal(1))
        .where(Offer.device_id == Device.id, Offer.state == OfferState.OPEN, Device.state == State.INSPECTED)
        .exists()
    )
    query = sa.select(Device).where(Device.seller_id == actor.id)
    by_state: dict[State, int] = {
        row[0]: int(row[1])
        for row in session.execute(
            sa.select(Device.state, sa.func.count()).where(Device.seller_id == actor.id).group_by(Device.state)
        )
    }
    if group in GROUPS:
        query = query.where(Device.state.in_(GROUPS[group][1]))
    if q:
        pattern = shapes.like(q)
        query = query.where(
            sa.or_(
                Device.code.ilike(pattern),
                Device.claimed_serial.ilike(pattern),
                (Device.brand + " " + Device.model).ilike(pattern),
            )
        )
    total = shapes.count(session, query)
    chosen = session.scalars(
        query.order_by(waiting.desc(), Device.created_at.desc(), Device.id).limit(size).offset((page - 1) * size)
    ).all()
    ids = [device.id for device in chosen]
    offers = {
        offer.device_id: offer
        for offer in session.scalars(sa.select(Offer).where(Offer.device_id.in_(ids)).order_by(Offer.cycle))
    }
    quotes = {quote.device_id: quote for quote in session.scalars(sa.select(Quote).where(Quote.device_id.in_(ids)))}
    moved: dict[UUID, datetime] = {
        row[0]: row[1]
        for row in session.execute(
            sa.select(CustodyEvent.device_id, sa.func.max(CustodyEvent.at))
            .where(CustodyEvent.device_id.in_(ids), CustodyEvent.kind.like("device.%"))
            .group_by(CustodyEvent.device_id)
        ).all()
    }
    held = set(session.scalars(sa.select(Hold.device_id).where(Hold.device_id.in_(ids), Hold.lifted_at.is_(None))))
    bank = session.get(Payee, actor.id) is not None
    paid = set(
        session.scalars(
            sa.select(PaymentInstruction.subject_id).where(
                PaymentInstruction.kind == InstructionKind.PAY_OUT,
                PaymentInstruction.subject_id.in_(ids),
                PaymentInstruction.state == InstructionState.SUCCEEDED,
            )
        )
    )
    return {
        "devices": [
            _mine(device, quotes.get(device.id), offers.get(device.id), moved[device.id], device.id in held, bank, paid)
            for device in chosen
        ],
        "total": total,
        "all": sum(by_state.values()),
        "groups": [
            {"name": name, "label": label, "count": sum(by_state.get(state, 0) for state in states)}
            for name, (label, states) in GROUPS.items()
        ],
    }


def open_quotes(session: Session, actor: Actor, *, now: datetime) -> list[dict[str, Any]]:
    """Quotes of this person that still hold, the newest first; also one whose acceptance they typed before they had
    an account, or before they confirmed its address. That acceptance then waits (`waiting`) to be sent."""
    policy.require(actor, Action.SEE_DEVICE, owner=actor.id)
    waiting: dict[str, UUID] = {}
    if actor.id is not None:
        for kept in kept_forms.waiting(session, actor.id, now=now):
            parts = kept.path.split("/")
            if parts[1:2] == ["quotes"] and parts[3:] == ["accept"]:
                waiting.setdefault(read_code(parts[2], QUOTE) or "", kept.id)
    found = session.scalars(
        sa.select(Quote)
        .where(
            sa.or_(Quote.person_id == actor.id, sa.and_(Quote.person_id.is_(None), Quote.code.in_(waiting))),
            Quote.accepted_at.is_(None),
            Quote.valid_until > now,
        )
        .order_by(Quote.created_at.desc(), Quote.id)
        .limit(MOST_QUOTES)
    )
    return [
        {
            "code": quote.code,
            "title": shapes.title(quote.brand, quote.model),
            "device_class": quote.device_class,
            "amount": Money(quote.amount_minor, quote.currency),
            "valid_until": quote.valid_until,
            "waiting": waiting.get(quote.code),
        }
        for quote in found
    ]


def prepare(session: Session, actor: Actor, code: str) -> dict[str, Any]:
    """What a seller needs before posting: device, centre, quote."""
    device = find(session, actor, code)
    mine = policy.allows(actor, Action.SAY_WHERE_BACK, owner=device.seller_id)
    centre = session.get_one(Organisation, device.centre_id)
    quote = session.scalars(sa.select(Quote).where(Quote.device_id == device.id)).one()
    return {
        "device": {
            "code": device.code,
            "title": shapes.title(device.brand, device.model),
            "device_class": device.device_class.value,
            "state": device.state.value,
            "serial": device.claimed_serial,
        },
        "centre": {
            "name": centre.name,
            "address_lines": postal.of_firm(centre),
            "address_known": postal.is_known(centre),
            "opening_hours": centre.opening_hours,
        },
        "quote": {
            "code": quote.code,
            "total": Money(quote.amount_minor, quote.currency),
            "valid_until": quote.valid_until,
        },
        "post_by": quote.valid_until,
        "back_to": _back_to(session, device) if mine else None,
        "photographs": [
            shown
            for shown in photographs.of_device(session, device, owner=True)
            if shown["uploaded_by"] == device.seller_id
        ],
    }


def _back_to(session: Session, device: Device) -> dict[str, Any]:
    """Where it is sent back to: the lines as on a parcel, if it is known, and whether that may still change."""
    known = returning.of_device(session, device.id)
    typed = known or returning.latest_of(session, device.seller_id)
    return {
        "lines": known.lines() if known else None,
        # What a form begins with: the address that this seller gave for an earlier device, until there is one.
        "form": {f"back_{name}": value for name, value in asdict(typed).items()} if typed else {},
        "may_change": device.title is Title.SELLER and device.state in GOES_BACK_FROM,
    }


def _mine(
    device: Device,
    quote: Quote | None,
    offer: Offer | None,
    at: datetime,
    held: bool,
    bank: bool,
    paid: set[UUID],
) -> dict[str, Any]:
    open_offer = offer is not None and offer.state is OfferState.OPEN and device.state is State.INSPECTED
    confirmed = offer is not None and offer.state is OfferState.CONFIRMED and offer.amount_minor > 0
    owed = confirmed and device.id not in paid
    step = timeline.next_step(device, "the test centre", offer, at, held=held, paid=not owed)["title"]
    if owed and not bank:
        step = "Tell us where to pay you"
    amount = (offer.amount_minor, offer.currency) if offer else (quote.amount_minor, quote.currency) if quote else None
    return {
        "code": device.code,
        "title": shapes.title(device.brand, device.model),
        "device_class": device.device_class.value,
        "state": device.state.value,
        "turned_down": _turned_down(device, offer),
        "at": at,
        "amount": Money(*amount) if amount else None,
        # What the amount is: a quote may still change; an offer is one to take or leave; a confirmed one is fixed.
        "amount_is": "paid" if confirmed and not owed else "fixed" if confirmed else "offered" if offer else "quoted",
        "serial": device.claimed_serial,
        "announced_at": device.created_at,
        "next_step": step,
        "attention": open_offer or (owed and not bank),
    }


def _device(records: Records, seen_by: timeline.Audience) -> dict[str, Any]:
    device, quote = records.device, records.quote
    arrived = next(
        (event.at for event in reversed(records.events) if event.kind == "device.received"), device.created_at
    )
    held = any(hold.lifted_at is None for hold, _ in records.holds)
    paid = records.payout is not None and records.payout.state is InstructionState.SUCCEEDED
    masses = [event.evidence["massGrams"] for event in records.events if "massGrams" in event.evidence]
    seals = [  # A medium that is kept apart has a seal of its own.
        event.evidence["seal"]
        for event in records.events
        if event.evidence.get("seal") and not event.kind.startswith("medium.")
    ]
    return {
        "id": device.id,
        "code": device.code,
        "title": shapes.title(device.brand, device.model),
        "brand": device.brand,
        "model": device.model,
        "model_code": device.model_code,
        "device_class": device.device_class.value,
        "storage_gb": device.storage_gb,
        "state": device.state.value,
        "cycle": device.cycle,
        "version": device.custody_seq,
        "serial": str(device.observed.get("serial", device.claimed_serial)),
        "declared_serial": device.claimed_serial,
        "owned_by": device.title.value,
        "centre_id": device.centre_id,
        "centre_name": records.centre.name,
        "city": records.centre.city,
        "quoted": Money(quote.amount_minor, quote.currency) if quote else None,
        "mass_g": masses[-1] if masses else None,
        "seal": seals[-1] if seals else None,
        "since": next(
            (event.at for event in reversed(records.events) if event.from_state is not event.to_state),
            device.created_at,
        ),
        "holds": [
            {
                "id": hold.id,
                "kind": hold.kind.value,
                # What the centre wrote for itself is not for the seller.
                "reason": hold.reason if seen_by is not timeline.Audience.OWNER else timeline.hold_text(hold),
                "note_for_seller": timeline.hold_text(hold),
                "at": hold.placed_at,
                "by": records.centre.name,
            }
            for hold, _ in records.holds
            if hold.lifted_at is None
        ],
        "next": timeline.next_step(device, records.centre.name, records.offer, arrived, held=held, paid=paid),
        "turned_down": _turned_down(device, records.offer),
    }


def _turned_down(device: Device, offer: Offer | None) -> str | None:
    """Of a device that is still at the centre: that its offer was not taken, in a word."""
    if device.state is not State.INSPECTED or offer is None:
        return None
    return {OfferState.DECLINED: "Declined", OfferState.LAPSED: "Not answered"}.get(offer.state)


def _offer(records: Records) -> dict[str, Any] | None:
    offer, quote = records.offer, records.quote
    if offer is None or quote is None:
        return None
    status = {OfferState.OPEN: "open", OfferState.DECLINED: "declined", OfferState.LAPSED: "expired"}.get(
        offer.state, "confirmed"
    )
    if status == "confirmed" and offer.answered_at and offer.answered_at >= offer.answer_by:
        status = "taken_at_floor"
    inspection = records.inspection[0] if records.inspection else None
    return {
        "id": offer.id,
        "status": status,
        "declared": Money(quote.amount_minor, quote.currency),
        "amount": Money(offer.amount_minor, offer.currency),
        "delta": Money(offer.amount_minor - quote.amount_minor, offer.currency),
        "lines": [
            {
                "what": FIELD_WORDS.get(line["field"], line["field"].replace("_", " ").capitalize()),
                "declared": _declared(records.device, quote, line),
                "found": _found(records, line),
                "rule": line["rule_id"],
                "delta": Money(line["delta_minor"], offer.currency),
                "text": None,
                "evidence": None,
                "noticeable": line["delta_minor"] != 0,
            }
            for line in offer.differences
        ],
        "made_at": offer.made_at,
        "answer_by": offer.answer_by,
        "answered_at": offer.answered_at,
        "pay_by": offer.pay_by,
        "silence": (quote.silence or Silence.SEND_BACK).value,
        "floor": money(quote.floor_minor, quote.currency),
        # The looks in the words of the questions and of the price, so that no page has two words for one thing.
        "looks": pricing.COSMETIC_WORDS[offer.inputs["condition"]["cosmetic"]].capitalize(),
        "grade_cosmetic": inspection.cosmetic if inspection else None,
        "grade_function": inspection.function if inspection else None,
        "grade_rules": [rule["text"] for rule in inspection.grade["rules"]] if inspection else [],
        "rules_version": f"{offer.rules_version}, {offer.table_version}",
        "centre_name": records.centre.name,
        "inspected_at": inspection.at if inspection else None,
    }


def _declared(device: Device, quote: Quote, line: Mapping[str, Any]) -> str:
    """What the seller said about a difference: of a fault, the answer that they gave."""
    question = _question(device, line["field"])
    answer = quote.inputs.get("answers", {}).get(question.field) if question else None
    said = next((one.label for one in question.choices if one.value == answer), None) if question else None
    if line["declared"] != "not declared":
        if answer == questions.UNKNOWN and said:
            return f"{said.partition(':')[0]}, reckoned as: {line['declared']}"
        return said if said and line["field"] in BATTERY else str(line["declared"])
    return said or "without this fault"


def _found(records: Records, line: Mapping[str, Any]) -> str:
    """What the centre found: of a fault that is not there, what it measured, or the answer that says so."""
    if line["found"] != "not found":
        return str(line["found"])
    measured = records.inspection[0].findings.get("battery_soh") if records.inspection else None
    if line["field"] in BATTERY and measured is not None:
        return f"{measured} %"
    question = _question(records.device, line["field"])
    good = next((one.label for one in question.choices if not one.faults), None) if question else None
    return good.lower() if good and good not in ("Yes", "No") else "without this fault"


def _question(device: Device, field: str) -> questions.Question | None:
    """The question to a seller that a fault belongs to."""
    for question in questions.QUESTIONS.get(device.device_class.value, ()):
        if any(field == fault.value for choice in question.choices for fault in choice.faults):
            return question
    return None


def _payout(records: Records) -> dict[str, Any] | None:
    offer, sent = records.offer, records.payout
    if offer is None or offer.state is not OfferState.CONFIRMED or not offer.amount_minor:
        return None
    status = "planned"
    if sent is not None:
        status = {InstructionState.SUCCEEDED: "paid", InstructionState.FAILED: "failed"}.get(sent.state, "instructed")
    if status == "instructed" and records.payee is None:
        status = "planned"  # Nothing can be sent before the provider knows where to.
    return {
        "status": status,
        "amount": Money(offer.amount_minor, offer.currency),
        "due_by": offer.pay_by,
        "paid_at": sent.settled_at if sent and status == "paid" else None,
        "reference": sent.provider_reference if sent and status == "paid" else None,
        "reason": failures.plain(sent.failure) if sent and status == "failed" else None,
        "bank_missing": records.payee is None and status != "paid",
    }


def _certificate(
    records: Records, certificate: Certificate, revocation: CertificateRevocation | None, issuer: str
) -> dict[str, Any]:
    return {
        "id": certificate.number,
        "credential_id": certificate.credential_id,
        "status": "revoked" if revocation else "accepted",
        "issuer_name": issuer,
        "created": certificate.valid_from,
        "received_at": certificate.accepted_at,
        "training": certificate.training,
        "device_code": records.device.code,
        "cycle": certificate.cycle,
        "lines": records.lines.get(certificate.id, []),
        "reason": revocation.reason if revocation else None,
        "revoked_at": revocation.at if revocation else None,
        "supersedes": None,
        "checks": certificate.checks,
    }


def _refused(refusal: CertificateRefusal) -> dict[str, Any]:
    return {
        "id": None,
        "refusal": refusal.id,
        "credential_id": refusal.credential_id,
        "status": "refused",
        "issuer_name": None,
        "created": None,
        "received_at": refusal.at,
        "training": False,
        "device_code": refusal.device_code,
        "lines": [],
        "reason": refusal.reason,
        "supersedes": None,
        "checks": refusal.checks,
    }


def _route(records: Records) -> dict[str, Any] | None:
    routing = records.routing
    if routing is None or routing.cycle != records.device.cycle:
        return None  # A new custody cycle began; the way of the last one holds no more.
    report = records.report
    return {
        "way": routing.chosen.removeprefix("for_"),
        "reason": " ".join(
            sentence for sentence in routing.explanation if "is chosen" in sentence or "battery" in sentence.lower()
        ),
        "explanation": list(routing.explanation),
        "rules_version": routing.version,
        "ways": [_way(way, routing.chosen) for way in routing.ways],
        "outcome": {
            "kind": report[0].outcome.value,
            "by": report[1],
            "at": report[0].at,
            "fractions": shapes.grams(report[0].fractions, FRACTIONS),
            "note": report[0].remark or None,
        }
        if report
        else None,
    }


def _way(way: dict[str, Any], chosen: str) -> dict[str, Any]:
    amounts = [line["amount_minor"] for line in way["lines"]]
    return {
        "way": way["name"].removeprefix("for_"),
        "chosen": way["name"] == chosen,
        "income": Money(sum(amount for amount in amounts if amount > 0)),
        "cost": Money(-sum(amount for amount in amounts if amount < 0)),
        "net": Money(way["expected_net_minor"]),
        "estimate": any(line["estimate"] for line in way["lines"]),
        "text": way["why"],
        "ruled_out": None if way["allowed"] else way["why"],
    }


def _media(session: Session, device: Device, validations: Mapping[UUID, ValidationResult]) -> list[dict[str, Any]]:
    """Every medium ever observed in the device in this cycle (of the last cycle, when this one has none yet)."""
    media: dict[UUID, dict[str, Any]] = {}
    for event, medium in session.execute(
        sa.select(MediumEvent, Medium)
        .join(Medium, Medium.id == MediumEvent.medium_id)
        .where(MediumEvent.device_id == device.id, MediumEvent.cycle == device.cycle)
        .order_by(MediumEvent.at, MediumEvent.id)
    ):
        row = media.setdefault(
            medium.id,
            {
                "id": medium.id,
                "kind": medium.kind.value,
                "manufacturer": medium.manufacturer,
                "model": medium.model,
                "serial": medium.serial,
                "size_bytes": medium.size_bytes,
                "wwn": medium.wwn,
                "where": None,
                "status": "found",
                "evidence_class": None,
                "technique": None,
                "apart": False,
                "second_person": validations.get(medium.id),
                "_rank": -1,
            },
        )
        row["apart"] = row["apart"] or event.kind is MediumEventKind.HELD
        if event.kind is MediumEventKind.FOUND and row["status"] == "withdrawn":
            row["_rank"] = -1  # It is there after all.
        # Events of one step share their moment, so what ends a medium outranks that it was found.
        status = MEDIUM_STATUS[event.kind.value]
        rank = list(MEDIUM_STATUS.values()).index(status)
        if rank >= row["_rank"]:
            row["_rank"], row["status"] = rank, status
            row["evidence_class"] = event.evidence.get("evidenceClass", row["evidence_class"])
            row["technique"] = event.evidence.get("technique", row["technique"])
    return [
        {key: value for key, value in row.items() if key != "_rank"}
        for row in media.values()
        if row["status"] != "withdrawn"  # The story tells of it.
    ]


def _inspection(records: Records, *, named: bool) -> dict[str, Any] | None:
    if records.inspection is None:
        return None
    inspection, inspector = records.inspection
    answers = checklist.answer_words(records.device.device_class.value, inspection.findings)
    return {
        "id": inspection.id,
        "at": inspection.at,
        "by": inspector if named else records.centre.name,
        "grade_cosmetic": inspection.cosmetic,
        "grade_function": inspection.function,
        "answers": [(item.question, words) for item, words in answers],
        "findings": inspection.findings,
        "rules": [(rule["rule_id"], rule["text"]) for rule in inspection.grade["rules"]],
        "rules_version": inspection.rules_version,
    }


def _work_order(session: Session, device: Device, media: list[dict[str, Any]]) -> dict[str, Any] | None:
    order = session.scalar(
        sa.select(WorkOrder)
        .where(WorkOrder.device_id == device.id)
        .order_by(WorkOrder.issued_at.desc(), WorkOrder.superseded_at.desc().nulls_first())
        .limit(1)
    )
    if order is None:
        return None
    return {
        "id": order.id,
        "code": order.code,
        "created_at": order.issued_at,
        "valid_until": order.expires_at,
        "cycle": order.cycle,
        "media": media,
        "consumed_at": order.consumed_at,
        "superseded_at": order.superseded_at,
        "closed": order.consumed_at is not None or order.superseded_at is not None,
    }


def _listing(session: Session, device: Device) -> dict[str, Any] | None:
    listing = session.scalar(
        sa.select(Listing).where(Listing.device_id == device.id, Listing.state == ListingState.OPEN).limit(1)
    )
    if listing is None:
        return None
    return {"code": listing.code, "price": Money(listing.price_minor, listing.currency), "listed_at": listing.listed_at}
