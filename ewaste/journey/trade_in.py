"""The first leg: a quote, its acceptance, and the seller's answer to the offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy, postal
from ewaste.accounts.models import Actor, Organisation
from ewaste.accounts.policy import Action
from ewaste.accounts.postal import Postal
from ewaste.centres import accreditation
from ewaste.centres.models import Standing
from ewaste.core.ids import DEVICE, new_code
from ewaste.core.money import Money
from ewaste.core.refusals import Conflict, Invalid
from ewaste.devices import custody, identity, notices, photographs
from ewaste.devices.lifecycle import GOES_BACK_FROM, State
from ewaste.devices.models import Device, DeviceClass, Photograph, PhotographKind, Title
from ewaste.payments import ledger
from ewaste.payments.ledger import Account, Side
from ewaste.tradein import offers, quotes, returning
from ewaste.tradein.models import Offer, OfferState, Quote, Silence


def quote(
    session: Session,
    actor: Actor,
    *,
    model_code: str,
    storage_gb: int,
    answers: Mapping[str, str],
    now: datetime,
) -> Quote:
    """Step 1. Somebody describes a device and gets a price, line by line. No account is needed."""
    policy.require(actor, Action.QUOTE)
    return quotes.make(session, actor, model_code=model_code, storage_gb=storage_gb, answers=answers, now=now)


def accept_quote(
    session: Session,
    actor: Actor,
    code: str,
    *,
    serial: str,
    owner: bool,
    centre_id: UUID | None,
    silence: str,
    floor_minor: int | None,
    now: datetime,
) -> Device:
    """Step 2. The seller says whose the device is, where it goes, and what silence on a new offer shall mean.

    The same form sent twice makes one device: the second time the seller gets the one that is there.
    """
    policy.require(actor, Action.ACCEPT_QUOTE)
    accepted = quotes.find(session, code)
    if accepted.person_id not in (None, actor.id):
        raise Conflict("This quote was made by somebody else. Make your own; it takes two minutes.")
    serial = identity.spelling(serial)
    again = session.get(Device, accepted.device_id) if accepted.device_id else None
    if again is not None and again.seller_id == actor.id and again.claimed_serial == serial:
        return again
    quotes.require_open(accepted, now=now)
    unreadable = identity.wrong(serial, DeviceClass(accepted.device_class))
    if unreadable is not None:
        raise Invalid(unreadable, field="serial")
    if not owner:
        raise Invalid("We buy only from owners. Confirm that the device is yours to sell.", field="owner")
    if silence not in set(Silence):
        raise Invalid("Choose what happens when you do not answer a new offer.", field="silence")
    if silence == Silence.FLOOR and not (floor_minor is not None and 0 < floor_minor <= accepted.amount_minor):
        raise Invalid("The lowest price you would take is more than zero and at most the quote.", field="floor")
    if centre_id is None:
        raise Invalid("Choose the test centre that your device goes to.", field="centre_id")
    centre = accreditation.find(session, centre_id)
    if centre.standing is not Standing.ACCREDITED:
        raise Conflict("This test centre takes no devices at the moment. Choose another.", field="centre_id")
    organisation = session.get_one(Organisation, centre.organisation_id)
    if not postal.is_known(organisation):
        raise Conflict("This test centre has not told us its postal address yet. Choose another.", field="centre_id")
    _require_not_announced(session, actor, accepted, serial)
    device = custody.register(
        session,
        Device(
            code=new_code(DEVICE),
            device_class=DeviceClass(accepted.device_class),
            model_code=accepted.model_code,
            brand=accepted.brand,
            model=accepted.model,
            storage_gb=accepted.storage_gb,
            seller_id=actor.id,
            centre_id=centre.organisation_id,
            claimed_serial=serial,
            observed={},
            title=Title.SELLER,
            created_at=now,
        ),
        by=actor,
        evidence={"quote": accepted.code, "centre": organisation.name, "ownershipDeclared": True},
        now=now,
    )
    accepted.person_id, accepted.accepted_at, accepted.device_id = actor.id, now, device.id
    accepted.silence = Silence(silence)
    accepted.floor_minor = floor_minor if silence == Silence.FLOOR else None
    session.flush()
    return device


def add_photographs(
    session: Session, actor: Actor, device_id: UUID, *, pictures: Sequence[photographs.Encoded], now: datetime
) -> list[Photograph]:
    """The seller shows how the device looked before it was posted. Nobody has to."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.ADD_PHOTOGRAPH, owner=device.seller_id)
    if device.state not in (State.EXPECTED, State.RECEIVED):
        raise Conflict(f"This device is {custody.words(device.state)}; photographs of yours are taken until then.")
    return photographs.add(session, device, PhotographKind.SELLER, pictures, by=actor, now=now)


def say_where_back(session: Session, actor: Actor, device_id: UUID, where: Postal, *, now: datetime) -> Device:
    """The seller says where the device goes if they do not sell it; until it is sent back or sold."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.SAY_WHERE_BACK, owner=device.seller_id)
    if device.title is not Title.SELLER or device.state not in GOES_BACK_FROM:
        raise Conflict(f"This device is {custody.words(device.state)}; it is not sent back from there.")
    returning.keep(session, device.id, where, now=now)
    return device


def cancel(session: Session, actor: Actor, device_id: UUID, *, now: datetime) -> Device:
    """The seller thinks better of it before sending. The quote is spent; a new one takes two minutes."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.CANCEL_DEVICE, owner=device.seller_id)
    custody.move(session, device, State.CANCELLED, by=actor, evidence={}, now=now)
    return device


def confirm_offer(session: Session, actor: Actor, offer_id: UUID, *, now: datetime) -> Offer:
    """Step 5. The seller takes the offer: the price is fixed, title passes, and the day of payment is known."""
    offer = offers.find(session, offer_id)
    device = custody.find(session, offer.device_id)
    policy.require(actor, Action.ANSWER_OFFER, owner=device.seller_id)
    _confirm(session, actor, offer, device, because="confirmed by the seller", now=now)
    return offer


def decline_offer(
    session: Session, actor: Actor, offer_id: UUID, *, back_to: Postal | None = None, now: datetime
) -> Offer:
    """The seller does not take the offer. The device goes back, at no cost: to `back_to`, or where they said before."""
    offer = offers.find(session, offer_id)
    device = custody.find(session, offer.device_id)
    policy.require(actor, Action.ANSWER_OFFER, owner=device.seller_id)
    if back_to is not None:
        returning.keep(session, device.id, back_to, now=now)
    offers.answer(session, offer, OfferState.DECLINED, now=now)
    custody.note(session, device, "offer.declined", by=actor, evidence={"offer": str(offer.id)}, now=now)
    return offer


def expire_offer(session: Session, actor: Actor, offer_id: UUID, *, now: datetime) -> None:
    """Nobody answered. Silence never accepts, unless the seller chose a floor and the offer reaches it."""
    policy.require(actor, Action.RUN_JOBS)
    offer = offers.find(session, offer_id)
    if offer.state is not OfferState.OPEN:
        return
    if now < offer.answer_by:  # Asked too early, by a clock that is ahead of ours.
        offers.expire_later(session, offer, at=offer.answer_by)
        return
    device = custody.find(session, offer.device_id)
    if custody.open_hold(session, device.id) is not None:
        # Nothing is decided about a device that stands still; the worker asks again tomorrow.
        offers.expire_later(session, offer, at=now + timedelta(days=1))
        return
    if offers.silence_confirms(session.get_one(Quote, offer.quote_id), offer):
        because = "not answered; the floor chosen beforehand is reached"
        _confirm(session, actor, offer, device, because=because, beforehand=True, now=now)
        return
    offers.answer(session, offer, OfferState.LAPSED, now=now)
    custody.note(session, device, "offer.lapsed", by=actor, evidence={"offer": str(offer.id)}, now=now)


def _require_not_announced(session: Session, actor: Actor, quote: Quote, serial: str) -> None:
    """Two quotes in two tabs are one device still."""
    twin = session.scalar(
        sa.select(Device.code)
        .where(
            Device.seller_id == actor.id,
            Device.model_code == quote.model_code,
            Device.claimed_serial == serial,
            Device.state == State.EXPECTED,
        )
        .limit(1)
    )
    if twin is not None:
        raise Conflict(
            f"You announced a device with this serial number already: {twin}. Send it, or call its sale off first."
        )


def _confirm(
    session: Session,
    actor: Actor,
    offer: Offer,
    device: Device,
    *,
    because: str,
    beforehand: bool = False,
    now: datetime,
) -> None:
    offers.answer(session, offer, OfferState.CONFIRMED, beforehand=beforehand, now=now)
    if offer.cycle != device.cycle or device.title is not Title.SELLER:
        raise Conflict("This offer is about an earlier time at the centre, or we own the device already.")
    price = Money(offer.amount_minor, offer.currency)
    custody.note(
        session,
        device,
        "offer.confirmed",
        by=actor,
        evidence={
            "offer": str(offer.id),
            "amount_minor": price.amount_minor,
            "currency": price.currency,
            "because": because,
        },
        now=now,
    )
    custody.pass_title(session, device, Title.MARKET, by=actor, on="offer.confirmed", now=now)
    custody.move(session, device, State.CLEARING, by=actor, evidence={"offer": str(offer.id)}, now=now)
    notices.offer_confirmed(session, device, offer_id=offer.id, amount=price, pay_by=offer.pay_by, now=now)
    if price.amount_minor:
        ledger.post(
            session,
            f"buy {device.id}",
            "device.bought",
            [Side(Account.STOCK, price), Side(Account.SELLERS, -price, device.seller_id)],
            subject_id=device.id,
            now=now,
        )
        if offer.pay_by is not None:
            offers.pay_later(session, offer, at=offer.pay_by)
