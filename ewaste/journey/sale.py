"""The fourth leg: lots are formed and bid on, devices are listed and bought; a sale makes an order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation
from ewaste.accounts.policy import Action
from ewaste.certificates.models import Certificate, CertificateLine, Clearance, number_of
from ewaste.core.ids import LISTING, new_code, read_code
from ewaste.core.money import Money, in_words
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import custody, media
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import CustodyEvent, Device
from ewaste.market import auctions, bidders, defaults, lots, orders, watching
from ewaste.market.models import (
    Bid,
    Listing,
    ListingState,
    Lot,
    LotLine,
    LotState,
    Order,
    SecondOffer,
    SecondOfferState,
)
from ewaste.payments import ledger
from ewaste.payments.ledger import Account, Side
from ewaste.processing.models import Inspection, Routing
from ewaste.tradein import offers

CURRENCY = "EUR"
# What the payment provider takes in one payment, in minor units.
LEAST_PRICE, MOST_PRICE = 50, 99_999_999


def form_lot(
    session: Session,
    actor: Actor,
    *,
    title: str,
    device_codes: Sequence[str],
    start_minor: int,
    reserve_minor: int,
    opens_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> Lot:
    """Step 9. Staff put devices of one centre and one way into a lot. Each must be listable at this moment."""
    policy.require(actor, Action.FORM_LOT)
    codes = {read_code(code, "D") for code in device_codes}
    chosen = list(
        session.scalars(sa.select(Device).where(Device.code.in_(codes)).order_by(Device.id).with_for_update())
    )
    if not chosen or len(chosen) != len(codes):
        raise Invalid("Choose devices from the list; one of these codes is not a device.", field="devices")
    if len({(device.state, device.centre_id) for device in chosen}) != 1 or chosen[0].state not in WAYS:
        raise Invalid("The devices of a lot go the same way and lie at the same centre.", field="devices")
    for device in chosen:
        _require_listable(session, device)
        _require_free(session, device)
    snapshots = snapshot(session, [device.id for device in chosen])
    return lots.form(
        session,
        title=title,
        way=chosen[0].state.value,
        centre_id=chosen[0].centre_id,
        lines=[
            (device.id, snapshots[device.id]) for device in sorted(chosen, key=lambda d: (d.brand, d.model, d.code))
        ],
        start_minor=start_minor,
        reserve_minor=reserve_minor,
        currency=CURRENCY,
        opens_at=opens_at,
        ends_at=ends_at,
        by=_person(actor),
        now=now,
    )


def place_bid(session: Session, actor: Actor, code: str, *, max_minor: int, key: str, now: datetime) -> Bid:
    """Step 10. A verified recycler names the most it would pay. The bid binds; the answer carries its number."""
    policy.require(actor, Action.BID, organisation=actor.organisation_id)
    if not 8 <= len(key) <= 64:
        raise Invalid("The form lacks its key. Reload the page and bid again.", field="key")
    lot, bidder, centre_group = lots.find_for_bid(session, code, _firm(actor))
    why_not = bidders.may_not_bid(bidder, lot, centre_group)
    if why_not:
        raise NotAllowed(why_not)
    return lots.place_bid(
        session, lot, bidder_id=bidder.id, person_id=_person(actor), max_minor=max_minor, key=key, now=now
    )


def close_lot(session: Session, actor: Actor, lot_id: UUID, *, now: datetime) -> Order | None:
    """Step 11. The worker closes a lot whose time has come: sold to the leader, or released.

    Closing twice, or too early (a late bid moved the end), changes nothing; the worker asks again at the end.
    """
    policy.require(actor, Action.RUN_JOBS)
    for device_id in lots.live_devices(session, lot_id):  # Devices first, then the lot: the order of every step.
        custody.find(session, device_id)
    lot = session.scalar(sa.select(Lot).where(Lot.id == lot_id).with_for_update())
    if lot is None or lot.state is not LotState.OPEN or now < lot.ends_at:
        return None
    sale = auctions.winner(lots.book_of(lot))
    lot.closed_at = now
    watching.tell_losers(session, lot, sale.price_minor if sale else None, now=now)
    if sale is None:
        lot.state = LotState.UNSOLD
        session.flush()
        lots.release(session, lot.id, "the lot was not sold", now=now)
        return None
    lot.state = LotState.SOLD
    session.flush()
    order = orders.make_for_lot(session, lot, buyer=UUID(sale.bidder), amount_minor=sale.price_minor, now=now)
    sold = lots.live_devices(session, lot.id)
    for device_id in sold:
        device = custody.find(session, device_id)
        evidence = {"lot": lot.code, "order": order.code}
        custody.move(session, device, State.SOLD, by=actor, evidence=evidence, now=now)
    _post_sale(session, order, UUID(sale.bidder), sold, now)
    watching.write_to_firm(
        session,
        UUID(sale.bidder),
        subject=f"You won lot {lot.code}",
        text=f"“{lot.title}” ({lot.code}) is yours for {in_words(order.amount_minor, order.currency)}.\n\n"
        f"Pay by {order.pay_by:%H:%M} UTC on {watching.on_day(order.pay_by)}; after that the sale is undone. "
        f"Once it is paid you get the code to collect with.\n\n{{site}}/orders/{order.code}\n",
        key=f"won {order.id}",
        now=now,
    )
    return order


def watch(session: Session, actor: Actor, code: str, *, now: datetime) -> Lot:
    """Hear of a lot before it closes. Doing so twice is doing it once."""
    policy.require(actor, Action.WATCH_LOT)
    lot = lots.find(session, code)
    watching.watch(session, lot, _person(actor), now=now)
    return lot


def unwatch(session: Session, actor: Actor, code: str) -> Lot:
    """Hear of a lot no more."""
    policy.require(actor, Action.WATCH_LOT)
    lot = lots.find(session, code)
    watching.unwatch(session, lot, _person(actor))
    return lot


def remind_watcher(session: Session, actor: Actor, lot_id: UUID, person_id: UUID, *, now: datetime) -> None:
    """A lot closes in an hour: whoever still watches it is told."""
    policy.require(actor, Action.RUN_JOBS)
    watching.remind(session, lot_id, person_id, now=now)


def tell_outbid(session: Session, actor: Actor, lot_id: UUID, *, now: datetime) -> None:
    """The lead of a lot changed: whoever lost it is told."""
    policy.require(actor, Action.RUN_JOBS)
    watching.tell_outbid(session, lot_id, now=now)


def accept_second_offer(session: Session, actor: Actor, code: str, *, now: datetime) -> SecondOffer:
    """The runner-up takes a lot whose winner did not pay, at their own highest bid.

    Accepting twice is accepting once. When a device left the lot meanwhile, or may not be sold any more, nobody is held
    to it: the offer is withdrawn instead, and says why.
    """
    lot, offer = _second_offer(session, actor, code)
    if offer.state is SecondOfferState.ACCEPTED:
        return offer
    _require_open(offer, now)
    firm = session.get_one(Organisation, offer.organisation_id)
    centre = session.get_one(Organisation, lot.centre_id)
    why_not = bidders.may_not_bid(firm, lot, centre.group_name)
    if why_not:
        raise NotAllowed(why_not)
    devices = [custody.find(session, device_id) for device_id in lots.live_devices(session, lot.id)]
    if not devices or not defaults.is_whole(session, lot) or not all(_listable(session, d) for d in devices):
        _end(session, lot, offer, SecondOfferState.WITHDRAWN, "the lot is not what it was any more", None, now)
        return offer
    order = orders.make_for_lot(session, lot, buyer=offer.organisation_id, amount_minor=offer.amount_minor, now=now)
    for device in devices:
        evidence = {"lot": lot.code, "order": order.code}
        custody.move(session, device, State.SOLD, by=actor, evidence=evidence, now=now)
    _post_sale(session, order, offer.organisation_id, [device.id for device in devices], now)
    defaults.answer(
        session, offer, SecondOfferState.ACCEPTED, by=_person(actor), because=None, order_id=order.id, now=now
    )
    return offer


def decline_second_offer(session: Session, actor: Actor, code: str, *, now: datetime) -> SecondOffer:
    """The runner-up does not want the lot any more; its devices are free again. Nothing is owed by anyone."""
    lot, offer = _second_offer(session, actor, code)
    if offer.state is SecondOfferState.DECLINED:
        return offer
    _require_open(offer, now)
    _end(session, lot, offer, SecondOfferState.DECLINED, "the runner-up declined", _person(actor), now)
    return offer


def lapse_second_offer(session: Session, actor: Actor, offer_id: UUID, *, now: datetime) -> bool:
    """Nobody answered in time: the devices are free again. False when the offer was answered, or has time left."""
    policy.require(actor, Action.RUN_JOBS)
    lot_id = session.scalar(sa.select(SecondOffer.lot_id).where(SecondOffer.id == offer_id))
    if lot_id is None:
        return False
    lot = _lock(session, lot_id)
    offer = defaults.find(session, lot_id)
    if offer.state is not SecondOfferState.OPEN or now < offer.answer_by:
        return False
    _end(session, lot, offer, SecondOfferState.LAPSED, "the runner-up did not answer in time", None, now)
    return True


def still_open_until(session: Session, lot_id: UUID) -> datetime | None:
    """When an open lot ends now; None when it is over."""
    return session.scalar(sa.select(Lot.ends_at).where(Lot.id == lot_id, Lot.state == LotState.OPEN))


def list_device(
    session: Session, actor: Actor, device_id: UUID, *, price_minor: int, below_cost: bool = True, now: datetime
) -> Listing:
    """A cleared device goes into the storefront at a price. The database refuses one that is not listable.

    Without `below_cost`, a price under what we paid for the device is asked about first.
    """
    policy.require(actor, Action.LIST_DEVICE)
    device = custody.find(session, device_id)
    if device.state is not State.FOR_RESALE:
        raise Conflict(f"This device is {custody.words(device.state)}; the storefront takes devices for resale.")
    if not LEAST_PRICE <= price_minor <= MOST_PRICE:
        raise Invalid("The price lies between 0.50 and 999,999.99: the provider takes no other.", field="price")
    paid = offers.paid_for(session, [device.id])
    if price_minor < paid and not below_cost:
        raise Invalid(
            f"We paid {in_words(paid, CURRENCY)} for it, which is more than this price. Change it, or tick that it is "
            "right.",
            field="below_cost",
        )
    _require_listable(session, device)
    _require_free(session, device)
    listing = Listing(
        code=new_code(LISTING),
        device_id=device.id,
        price_minor=price_minor,
        currency=CURRENCY,
        snapshot=snapshot(session, [device.id])[device.id],
        listed_at=now,
    )
    session.add(listing)
    session.flush()
    custody.note(session, device, "device.listed", by=actor, evidence={"listing": listing.code}, now=now)
    return listing


def unlist_device(session: Session, actor: Actor, device_id: UUID, *, now: datetime) -> None:
    """Take a device out of the storefront again."""
    policy.require(actor, Action.LIST_DEVICE)
    device = custody.find(session, device_id)
    listing = session.scalar(
        sa.select(Listing).where(Listing.device_id == device.id, Listing.state == ListingState.OPEN).with_for_update()
    )
    if listing is None:
        raise Conflict("This device is not in the storefront.")
    listing.state, listing.closed_at, listing.closed_because = ListingState.WITHDRAWN, now, "taken out by the desk"
    session.flush()
    custody.note(session, device, "device.unlisted", by=actor, evidence={"listing": listing.code}, now=now)


def buy(session: Session, actor: Actor, code: str, *, now: datetime) -> Order:
    """A buyer takes a listed device. It is theirs to pay for half an hour; then it goes back on the shelf.

    Pressing twice gives the same order. Who sold us the device does not buy it back, and an account holds few at once.
    """
    policy.require(actor, Action.BUY)
    bare = read_code(code, LISTING)
    device_id = session.scalar(sa.select(Listing.device_id).where(Listing.code == bare)) if bare else None
    device = custody.find(session, device_id) if device_id else None
    listing = orders.find_listing(session, code)
    if device is None:
        raise NotFound("There is no device for sale under this code.")
    mine = orders.mine_of_listing(session, listing.id, _person(actor))
    if mine is not None:
        return mine  # The same button, pressed twice.
    if listing.state is not ListingState.OPEN:
        raise Conflict("Somebody else bought this device, or it was taken out. Look for another one.")
    if device.seller_id == actor.id:
        raise Conflict("You sold this device to us, so you cannot buy it here. Write to our desk if you need it back.")
    orders.require_reservation(session, _person(actor))
    _require_listable(session, device)
    listing.state, listing.closed_at, listing.closed_because = ListingState.SOLD, now, "bought"
    session.flush()
    order = orders.make_for_listing(session, listing, buyer=_person(actor), centre_id=device.centre_id, now=now)
    evidence = {"listing": listing.code, "order": order.code}
    custody.move(session, device, State.SOLD, by=actor, evidence=evidence, now=now)
    _post_sale(session, order, _person(actor), [device.id], now)
    return order


def snapshot(session: Session, device_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """What a manifest says of each device: grade, faults, battery, mass, evidence. Constant number of statements."""
    inspected = {
        inspection.device_id: inspection
        for inspection in session.scalars(
            sa.select(Inspection)
            .where(Inspection.device_id.in_(device_ids))
            .order_by(Inspection.device_id, Inspection.at)
        )
    }
    routed = {
        routing.device_id: routing
        for routing in session.scalars(
            sa.select(Routing).where(Routing.device_id.in_(device_ids)).order_by(Routing.device_id, Routing.at)
        )
    }
    masses = {
        row.device_id: row.grams
        for row in session.execute(
            sa.select(CustodyEvent.device_id, CustodyEvent.evidence["massGrams"].as_integer().label("grams"))
            .where(CustodyEvent.device_id.in_(device_ids), CustodyEvent.evidence.has_key("massGrams"))
            .order_by(CustodyEvent.device_id, CustodyEvent.seq)
        )
    }
    evidence: dict[UUID, tuple[str, set[str]]] = {}
    for row in session.execute(
        sa.select(Clearance.device_id, Certificate.id, Certificate.credential_id, CertificateLine.evidence_class)
        .join(Certificate, Certificate.id == Clearance.certificate_id)
        .join(CertificateLine, CertificateLine.certificate_id == Certificate.id)
        .where(Clearance.device_id.in_(device_ids), Clearance.ended_at.is_(None))
    ):
        number = str(number_of(row.credential_id, row.id))
        evidence.setdefault(row.device_id, (number, set()))[1].add(row.evidence_class)
    drives = media.drives(session, device_ids)
    lines: dict[UUID, dict[str, Any]] = {}
    for device in session.scalars(sa.select(Device).where(Device.id.in_(device_ids))):
        inspection, routing = inspected.get(device.id), routed.get(device.id)
        certificate_id, classes = evidence.get(device.id, (None, set()))
        chosen = next((way for way in routing.ways if way["name"] == routing.chosen), None) if routing else None
        faults = list(routing.inputs["faults"]) if routing else []
        drive = drives.get(device.id)
        no_drive = (
            drive
            if drive in ("destroyed", "taken-out")
            else "missing"
            if drive is None and "no_storage" in faults
            else None
        )
        lines[device.id] = {
            "code": device.code,
            "title": f"{device.brand} {device.model}",
            "device_class": device.device_class.value,
            # A device is sold with what is inside it now.
            "storage_gb": 0 if no_drive else device.storage_gb,
            "no_drive": no_drive,
            "grade_cosmetic": inspection.cosmetic if inspection else None,
            # The grade by which it was sent its way: without its drive it is not what was inspected.
            "grade_function": routing.inputs["function"] if routing else inspection.function if inspection else None,
            "battery_health": inspection.grade.get("battery_soh") if inspection else None,
            "faults": faults,
            "mass_g": masses.get(device.id),
            "certificate_id": certificate_id,
            "evidence_classes": sorted(classes),
            "expected_value_minor": chosen["expected_net_minor"] if chosen else None,
        }
    return lines


def _second_offer(session: Session, actor: Actor, code: str) -> tuple[Lot, SecondOffer]:
    """The lot and its second offer, locked with its devices, if it is this firm's to answer."""
    policy.require(actor, Action.ANSWER_SECOND_OFFER, organisation=actor.organisation_id)
    lot = _lock(session, lots.find(session, code).id)
    offer = defaults.find(session, lot.id)
    policy.require(actor, Action.ANSWER_SECOND_OFFER, organisation=offer.organisation_id)
    return lot, offer


def _lock(session: Session, lot_id: UUID) -> Lot:
    """A lot after its devices: the order of every step."""
    for device_id in lots.live_devices(session, lot_id):
        custody.find(session, device_id)
    return session.get_one(Lot, lot_id, with_for_update=True, populate_existing=True)


def _require_open(offer: SecondOffer, now: datetime) -> None:
    if offer.state is not SecondOfferState.OPEN or offer.answer_by <= now:
        raise Conflict("This offer is over. The devices of the lot go back on sale; look for them among the new lots.")


def _end(
    session: Session,
    lot: Lot,
    offer: SecondOffer,
    state: SecondOfferState,
    because: str,
    by: UUID | None,
    now: datetime,
) -> None:
    defaults.answer(session, offer, state, by=by, because=because, order_id=None, now=now)
    lot.state = LotState.UNSOLD
    session.flush()
    lots.release(session, lot.id, because, now=now)


def _listable(session: Session, device: Device) -> bool:
    return bool(session.scalar(sa.select(sa.func.device_listable(device.id))))


def _require_listable(session: Session, device: Device) -> None:
    if not _listable(session, device):
        raise Conflict(
            f"Device {device.code} cannot be sold now: it has no live clearance, a hold stands on it, or it is on "
            "none of the three ways."
        )


def _require_free(session: Session, device: Device) -> None:
    lot = session.scalar(
        sa.select(Lot.code)
        .join(LotLine, LotLine.lot_id == Lot.id)
        .where(LotLine.device_id == device.id, LotLine.released_at.is_(None))
    )
    if lot is not None:
        raise Conflict(f"Device {device.code} is in lot {lot} already.")
    listed = sa.select(Listing.id).where(Listing.device_id == device.id, Listing.state == ListingState.OPEN)
    if session.scalar(listed) is not None:
        raise Conflict(f"Device {device.code} is in the storefront. Take it out of there first.")


def _post_sale(session: Session, order: Order, buyer: UUID, device_ids: Sequence[UUID], now: datetime) -> None:
    """The buyer owes the price; what we paid for the devices becomes the cost of the sale."""
    price = Money(order.amount_minor, order.currency)
    cost = Money(offers.paid_for(session, device_ids), order.currency)
    ledger.post(
        session,
        f"sell {order.id}",
        "order.made",
        [
            Side(Account.BUYERS, price, buyer),
            Side(Account.SALES, -price),
            Side(Account.COST, cost),
            Side(Account.STOCK, -cost),
        ],
        subject_id=order.id,
        now=now,
    )


def _firm(actor: Actor) -> UUID:
    if actor.organisation_id is None:
        raise NotAllowed("Only a firm bids. Your account belongs to none.")
    return actor.organisation_id


def _person(actor: Actor) -> UUID:
    if actor.id is None:
        raise NotAllowed("Sign in first.")
    return actor.id
