"""The second leg, at the test centre: receive, note media, inspect, order the wipe; and holds, returns, losses,
photographs and corrections.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import SELLERS, Actor
from ewaste.accounts.policy import Action
from ewaste.centres import accreditation, credentials, published, stations, work_orders
from ewaste.centres.models import EnrolmentCode, Station, WorkOrder
from ewaste.certificates import registry
from ewaste.certificates.policy import POLICY
from ewaste.core.money import Money
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import custody, identity, incidents, media, notices, photographs
from ewaste.devices.incidents import IncidentKind
from ewaste.devices.lifecycle import AWAY, ENDS, WAYS, State
from ewaste.devices.models import (
    CustodyEvent,
    Device,
    Hold,
    HoldKind,
    Medium,
    MediumEvent,
    MediumEventKind,
    Photograph,
    PhotographKind,
    Title,
)
from ewaste.market import disputes, lots, orders
from ewaste.payments import ledger
from ewaste.payments.ledger import Account, Side
from ewaste.processing import checklist, inspections
from ewaste.processing.models import Inspection
from ewaste.tradein import offers, pricing
from ewaste.tradein.models import Offer, OfferState, Quote
from ewaste.transparency import log

MOST_GRAMS = 200_000
NO_MASS = "Weigh the device: whole grams, from 1 to 200,000."
# A parcel holds its device, so it weighs at least this share of what such a device weighs.
LIGHTEST_PARCEL_PERCENT = 80
# A device that weighs this much more or less than the catalogue says is looked at again before an offer is made.
UNUSUAL_PERCENT, UNUSUAL_GRAMS = 25, 30
# What an inspector is asked about once, and may be sure of: field → what its answer stands for.
MASS, STORAGE = "mass_g", "storage"
# Two weighings of one device differ by no more than this: 2 %, and ten grams for the scale.
SCALE_PERCENT, SCALE_GRAMS = 2, 10


def require_seen(session: Session, actor: Actor, device_id: UUID, seen: int, *, now: datetime) -> Device:
    """Whoever sends a form has seen the device as it stands; `seen` is the number of the last event on their page.

    The device is locked until the step ends. Raises `Conflict` naming who changed it, when, and what happened.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.SEE_DEVICE, owner=device.seller_id, centre=device.centre_id)
    if seen == device.custody_seq:
        return device
    last = session.scalar(
        sa.select(CustodyEvent).where(CustodyEvent.device_id == device.id, CustodyEvent.seq == device.custody_seq)
    )
    if last is None:
        raise Conflict("This page is not up to date. Look again; nothing of what you sent was done.")
    mine = last.actor_id is not None and last.actor_id == actor.id
    what = last.kind.replace(".", " ").replace("-", " ").replace("_", " ")
    raise Conflict(
        f"{'You' if mine else last.actor_name} changed this device {_ago(now - last.at)} ({what}), after your page was "
        f"opened. {'It may have been this very form, sent twice. ' if mine else ''}Nothing of what you sent now was "
        "done. Look at the device again."
    )


def receive(
    session: Session,
    actor: Actor,
    device_id: UUID,
    *,
    seal: str,
    seal_state: str,
    mass_g: int,
    note: str,
    now: datetime,
) -> Device:
    """Step 3. The parcel is at the centre's door: seal and weight are noted before it is opened.

    A broken or missing seal opens a hold, as the device may not be what was sent; so does a parcel that weighs less
    than the device. A device that comes back, from its buyer or from being lost, begins a new custody cycle: it is
    inspected and wiped anew.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.RECEIVE, centre=device.centre_id)
    if seal_state not in ("intact", "broken", "missing"):
        raise Invalid("Say whether the seal is intact, broken or missing.", field="seal_state")
    if seal_state != "missing" and not 1 <= len(seal.strip()) <= 40:
        raise Invalid("Type the number on the seal, at most 40 characters.", field="seal")
    _require_mass(mass_g)
    evidence = {"seal": seal.strip(), "sealState": seal_state, "parcelGrams": mass_g, "note": note.strip()[:500]}
    sold = device.state is State.DELIVERED
    custody.move(session, device, State.RECEIVED, by=actor, evidence=evidence, now=now)
    if sold:
        _take_back(session, actor, device, now=now)
    if seal_state != "intact":
        custody.place_hold(session, device, HoldKind.SEAL, f"The seal was {seal_state} at the door.", by=actor, now=now)
    alone = usual_mass(device)
    if mass_g * 100 < alone * LIGHTEST_PARCEL_PERCENT:
        reason = f"The parcel weighs {mass_g:,} g; such a device alone weighs about {alone:,} g."
        custody.place_hold(session, device, HoldKind.WEIGHT, reason, by=actor, now=now)
    return device


def usual_mass(device: Device) -> int:
    """What such a device weighs by the catalogue, in grams; 0 when the catalogue does not say."""
    return next((model.mass_g for model in pricing.load_catalogue() if model.id == device.model_code), 0)


def weigh(
    session: Session, actor: Actor, device_id: UUID, *, mass_g: int, seal: str, note: str, now: datetime
) -> Device:
    """The device is weighed and sealed anew, for instance before it moves to another room.

    Another weight than the last one opens a hold, unless a medium was taken out in between.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.RECEIVE, centre=device.centre_id)
    _require_here(device)
    _require_mass(mass_g)
    before = _last_weighing(session, device)
    evidence = {"massGrams": mass_g, "seal": seal.strip()[:40], "note": note.strip()[:500]}
    custody.note(session, device, "device.weighed", by=actor, evidence=evidence, now=now)
    if before is not None and abs(mass_g - before) > SCALE_GRAMS + before * SCALE_PERCENT // 100:
        reason = f"It weighs {mass_g:,} g now and weighed {before:,} g before; nothing noted in between explains it."
        custody.place_hold(session, device, HoldKind.WEIGHT, reason, by=actor, now=now)
    return device


def observe_medium(
    session: Session,
    actor: Actor,
    device_id: UUID,
    *,
    kind: str,
    manufacturer: str,
    model: str,
    serial: str,
    wwn: str | None,
    size_bytes: int | None,
    sure: bool = True,
    no_serial: bool = False,
    no_model: bool = False,
    now: datetime,
) -> Medium:
    """A storage medium was seen in the device or its parcel. From now on it must be covered.

    Where another device that is with us has a medium of this serial, somebody who is not `sure` is asked to look again.
    A medium that shows `no_serial` is given a number of its own, which is stuck on it; one that shows `no_model`, such
    as the soldered memory of a phone, is noted as not readable.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.INSPECT, centre=device.centre_id)
    if device.state in AWAY:
        raise Conflict(f"This device is {custody.words(device.state)}: it is not on your bench.")
    if no_serial:
        if serial.strip():
            raise Invalid("Type its serial number, or tick that it shows none.", field="serial")
        serial = media.without_serial(session, device)
    if no_model:
        if model.strip():
            raise Invalid("Type its model, or tick that it cannot be read.", field="model")
        model = media.NO_MODEL
    other = None if sure or not serial.strip() else media.elsewhere(session, device, serial)
    if other is not None:
        raise Invalid(
            f"{serial.strip()} is noted in {other} too. Look again which of the two it is in. If you read it in this "
            "device, tick that below.",
            field="serial",
        )
    return media.observe(
        session,
        device,
        kind=kind,
        manufacturer=manufacturer,
        model=model,
        serial=serial,
        wwn=wwn,
        size_bytes=size_bytes,
        by=actor,
        now=now,
    )


def inspect(
    session: Session,
    actor: Actor,
    device_id: UUID,
    *,
    observed_serial: str,
    mass_g: int,
    findings: Mapping[str, object],
    sure: Collection[str] = (MASS, STORAGE),
    now: datetime,
) -> tuple[Inspection | None, Offer | None]:
    """Step 4. The device is weighed and looked at, without opening anything personal; the grade makes the offer.

    What stops a device (a lock, a damaged battery, another device than announced, one that is with us already) opens a
    hold with the reason. A device that came back and is ours already gets no offer: it waits to be wiped again. Neither
    does another device than announced: it stays received, on hold, and is inspected once that is settled.

    A weight far from the catalogue's, and a device in which no storage is noted, are asked about, unless the inspector
    is `sure`. Raises `Invalid` with all that needs another answer at once (`detail["errors"]`: field → sentence).
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.INSPECT, centre=device.centre_id)
    if device.state is not State.RECEIVED:
        raise Conflict(f"This device is {custody.words(device.state)}; only a received device is inspected.")
    serial = identity.spelling(observed_serial)
    _require_findings(session, device, serial, mass_g, findings, sure)
    another = device.title is Title.SELLER and findings.get("identity") == "differs"
    if another and custody.open_hold(session, device.id) is None:  # What is on hold is refused by the move below.
        reason = _another(device, serial)
        if not _was_settled(session, device, HoldKind.WRONG_ITEM, reason):
            evidence = {"observedSerial": serial, "massGrams": mass_g}
            custody.note(session, device, "device.another", by=actor, evidence=evidence, now=now)
            custody.place_hold(session, device, HoldKind.WRONG_ITEM, reason, by=actor, now=now)
            return None, None
    inspection, grade = inspections.record(session, device, findings, inspector=_person(actor), now=now)
    offer = _offer(session, device, inspection, now=now) if device.title is Title.SELLER else None
    device.observed = {"serial": serial, "manufacturer": device.brand, "model": device.model}
    evidence = {
        "inspection": str(inspection.id),
        "grade": f"{grade.cosmetic} {grade.function}",
        "observedSerial": serial,
        "massGrams": mass_g,
        **({"offer": str(offer.id), "amount_minor": offer.amount_minor} if offer else {}),
    }
    custody.move(session, device, State.INSPECTED, by=actor, evidence=evidence, now=now)
    if offer is None:
        custody.move(session, device, State.CLEARING, by=actor, evidence={"because": "it is ours already"}, now=now)
    for kind, reason in _reasons_to_hold(session, device, serial, grade.holds).items():
        if not _was_settled(session, device, kind, reason):
            custody.place_hold(session, device, kind, reason, by=actor, now=now)
    return inspection, offer


def issue_work_order(
    session: Session, actor: Actor, device_id: UUID, *, issuers: credentials.Issuers, now: datetime
) -> WorkOrder:
    """Step 6. The market orders the wipe: this device, these media, one challenge. An open order is superseded."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.ORDER_WIPE, centre=device.centre_id)
    if device.state not in (State.CLEARING, State.DESTROYING):
        raise Conflict(
            f"This device is {custody.words(device.state)}. It is wiped once its seller has confirmed the offer."
        )
    hold = custody.open_hold(session, device.id)
    if hold is not None:
        raise Conflict(f"A hold stands on this device ({hold.kind.value}: {hold.reason}). Lift it first.")
    centre = accreditation.find(session, device.centre_id)
    accreditation.require_standing(centre, now=now)
    held = media.with_event(session, device, MediumEventKind.HELD)
    listed = [medium for medium in media.observed(session, device) if medium.id not in held]
    if not listed:
        raise Conflict("No storage medium is noted for this device. Look for it and note it first.")
    if device.device_class in media.HAVE_SOLDERED and not any(medium.kind in media.SOLDERED for medium in listed):
        raise Conflict("A phone or tablet has storage of its own, soldered in. Note it (kind “phone-storage”) first.")
    before = registry.last_for(session, device.id)
    order = work_orders.issue(
        session,
        issuers,
        centre,
        device_id=device.id,
        device={
            "id": f"urn:uuid:{device.id}",
            "code": device.code,
            "manufacturer": device.brand,
            "model": device.model,
            "serial": str(device.observed.get("serial", device.claimed_serial)),
        },
        cycle=device.cycle,
        media=[
            {
                "id": f"urn:uuid:{medium.id}",
                "kind": medium.kind.value,
                "model": medium.model,
                "serial": medium.serial,
                **({"manufacturer": medium.manufacturer} if medium.manufacturer else {}),
                **({"wwn": medium.wwn} if medium.wwn else {}),
                **({"sizeBytes": medium.size_bytes} if medium.size_bytes else {}),
            }
            for medium in listed
        ],
        policy=POLICY,
        supersedes=before.credential_id if before else None,
        by=_person(actor),
        now=now,
    )
    custody.note(
        session,
        device,
        "work-order.issued",
        by=actor,
        evidence={"workOrder": order.code, "media": [str(medium.id) for medium in listed]},
        now=now,
    )
    return order


def wipe_failed(
    session: Session, actor: Actor, device_id: UUID, medium_id: UUID, *, reason: str, now: datetime
) -> Device:
    """A medium could not be wiped. It never travels on: the device waits until the medium is destroyed."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.DESTROY, centre=device.centre_id)
    if device.state not in (State.CLEARING, State.DESTROYING):
        raise Conflict(
            f"This device is {custody.words(device.state)}. A failed wipe is noted while it waits for its certificate; "
            "if a doubt came later, put a hold on it."
        )
    medium = session.get(Medium, medium_id)
    if medium is None or medium.id not in {seen.id for seen in media.observed(session, device)}:
        raise NotFound("This medium was not observed in this device.")
    evidence = {"reason": _require_reason(reason)}
    media.record(session, device, medium, MediumEventKind.WIPE_FAILED, by=actor, evidence=evidence, now=now)
    if device.state is State.CLEARING:
        custody.move(
            session, device, State.DESTROYING, by=actor, evidence={"medium": str(medium.id), **evidence}, now=now
        )
    return device


def withdraw_medium(
    session: Session, actor: Actor, device_id: UUID, medium_id: UUID, *, reason: str, now: datetime
) -> Medium:
    """A medium was noted by mistake. It need not be covered any more; both entries stay in the chain.

    That ends with the first work order of the cycle: what it named is wiped, destroyed or kept apart.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.INSPECT, centre=device.centre_id)
    if device.state not in (State.RECEIVED, State.INSPECTED, State.CLEARING):
        raise Conflict(f"This device is {custody.words(device.state)}: its media are not corrected any more.")
    medium = session.get(Medium, medium_id)
    if medium is None or medium.id not in {seen.id for seen in media.observed(session, device)}:
        raise NotFound("This medium was not observed in this device.")
    if work_orders.was_issued(session, device.id, device.cycle):
        raise Conflict("A work order named this medium already. Look for it: it is wiped, destroyed or kept apart.")
    happened = session.scalar(
        sa.select(MediumEvent.kind)
        .where(
            MediumEvent.medium_id == medium.id,
            MediumEvent.kind.not_in([MediumEventKind.FOUND, MediumEventKind.WITHDRAWN]),
        )
        .limit(1)
    )
    if happened is not None or device.cycle > 1:
        raise Conflict("More is known of this medium than that it was found, so it is no mistake. Nothing changed.")
    media.withdraw(session, device, medium, _require_reason(reason), by=actor, now=now)
    return medium


def set_apart(
    session: Session, actor: Actor, device_id: UUID, medium_id: UUID, *, seal: str, reason: str, now: datetime
) -> Medium:
    """A medium was taken out (a SIM, a card, a drive) and is kept apart under a seal of its own.

    It counts as held: the device may clear without it, but only on a certificate that covers what is left.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.INSPECT, centre=device.centre_id)
    _require_here(device)
    if device.state in {*WAYS, State.SOLD}:
        raise Conflict("This device is for sale as its manifest says. Put a hold on it first; that takes it out.")
    medium = session.get(Medium, medium_id)
    if medium is None or medium.id not in {seen.id for seen in media.observed(session, device)}:
        raise NotFound("This medium was not observed in this device.")
    if medium.id in media.with_event(session, device, MediumEventKind.HELD):
        raise Conflict("This medium is kept apart already. Nothing changed.")
    if medium.kind in media.SOLDERED:
        raise Invalid("Storage of this kind is soldered in; it cannot be taken out.", field="medium")
    if not 1 <= len(seal.strip()) <= 40:
        raise Invalid("Type the number of the seal under which the medium is kept.", field="seal")
    evidence = {"seal": seal.strip(), "reason": _require_reason(reason)}
    for kind in (MediumEventKind.REMOVED, MediumEventKind.HELD):
        media.record(session, device, medium, kind, by=actor, evidence=evidence, now=now)
    return medium


def place_hold(
    session: Session,
    actor: Actor,
    device_id: UUID,
    *,
    kind: str,
    reason: str,
    note_for_seller: str = "",
    now: datetime,
) -> Hold:
    """Stop a device, with the reason. If it was for sale it is taken out of the sale.

    The reason is for the centre and the desk; the seller reads `note_for_seller`, or the usual words for this kind.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.HOLD, centre=device.centre_id)
    if kind not in set(HoldKind):
        raise Invalid("Choose the kind of hold from the list.", field="kind")
    told = " ".join(note_for_seller.split())
    if len(told) > 500:
        raise Invalid("What the seller reads has at most 500 characters.", field="note_for_seller")
    return custody.place_hold(
        session, device, HoldKind(kind), _require_reason(reason), note_for_seller=told, by=actor, now=now
    )


def lift_hold(session: Session, actor: Actor, device_id: UUID, hold_id: UUID, *, reason: str, now: datetime) -> Device:
    """Let a device go on, with the reason."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.HOLD, centre=device.centre_id)
    custody.lift_hold(session, device, hold_id, _require_reason(reason), by=actor, now=now)
    return device


def send_back(
    session: Session, actor: Actor, device_id: UUID, *, reason: str, seal: str, mass_g: int, now: datetime
) -> Device:
    """The device goes back to its seller: the offer was declined or lapsed, or it cannot be taken at all."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.SEND_BACK, centre=device.centre_id)
    offer = offers.for_device(session, device.id)
    if offer is not None and offer.state is OfferState.OPEN:
        raise Conflict(f"The seller may answer the offer until {offer.answer_by:%d %B %Y}. Wait for the answer.")
    _require_mass(mass_g)
    evidence = {"reason": _require_reason(reason), "seal": seal.strip()[:40], "massGrams": mass_g}
    custody.move(session, device, State.RETURNED, by=actor, evidence=evidence, now=now)
    return device


def report_lost(session: Session, actor: Actor, device_id: UUID, *, reason: str, now: datetime) -> Device:
    """A device cannot be found. If it was not cleared, this is a data incident, and the event says so."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.REPORT_LOST, centre=device.centre_id)
    uncleared = device.state in (State.EXPECTED, State.RECEIVED, State.INSPECTED, State.CLEARING, State.DESTROYING)
    evidence = {"reason": _require_reason(reason), "dataIncident": uncleared}
    custody.move(session, device, State.LOST, by=actor, evidence=evidence, now=now)
    if uncleared and incidents.lost(session, device.id) is None:
        incidents.begin(
            session,
            kind=IncidentKind.LOST_DEVICE,
            title=f"{device.brand} {device.model} is lost, and its data was not cleared"[:200],
            text=reason,
            by=actor,
            exposed=True,
            device_id=device.id,
            centre_id=device.centre_id,
            now=now,
        )
    return device


def correct_record(
    session: Session, actor: Actor, device_id: UUID, *, entry: int, correction: str, now: datetime
) -> Device:
    """What stands in an entry of the chain is wrong: what is right is noted beside it. The entry itself stays.

    A correction moves nothing and undoes nothing: a medium whose wipe was noted as failed is destroyed all the same.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.CORRECT_RECORD, centre=device.centre_id)
    wrong = session.scalar(
        sa.select(CustodyEvent).where(CustodyEvent.device_id == device.id, CustodyEvent.seq == entry)
    )
    if wrong is None:
        raise Invalid("Choose the entry that is wrong from the list.", field="entry")
    if not 3 <= len(correction.strip()) <= 500:
        raise Invalid("Say what is right, in 3 to 500 characters.", field="correction")
    evidence = {"entry": entry, "of": wrong.kind, "hash": wrong.hash, "correction": correction.strip()}
    custody.note(session, device, "record.corrected", by=actor, evidence=evidence, now=now)
    return device


def add_photographs(
    session: Session,
    actor: Actor,
    device_id: UUID,
    *,
    kind: str,
    pictures: Sequence[photographs.Encoded],
    now: datetime,
) -> list[Photograph]:
    """The centre photographs a device: at the door, at the inspection, with its case open, or for a listing."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.ADD_PHOTOGRAPH, centre=device.centre_id)
    _require_here(device)
    if kind not in set(photographs.KINDS_OF_CENTRE):
        raise Invalid("Choose what the photograph shows from the list.", field="photograph_kind")
    return photographs.add(session, device, PhotographKind(kind), pictures, by=actor, now=now)


def hide_photograph(session: Session, actor: Actor, photograph_id: UUID, *, now: datetime) -> Device:
    """Show a photograph to nobody any more. A seller hides their own; centre and desk hide any."""
    photograph = photographs.find(session, photograph_id)
    device = custody.find(session, photograph.device_id)
    policy.require(actor, Action.HIDE_PHOTOGRAPH, owner=device.seller_id, centre=device.centre_id)
    if actor.role in SELLERS and photograph.uploaded_by != actor.id:
        raise NotAllowed(
            "The centre took this photograph, so only the centre or our desk can hide it. Write to the desk."
        )
    photographs.hide(session, device, photograph, by=actor, now=now)
    return device


def new_enrolment_code(session: Session, actor: Actor, *, now: datetime) -> str:
    """A one-time code with which a station of the actor's centre enrols."""
    policy.require(actor, Action.ENROL_STATION, centre=actor.organisation_id)
    centre = accreditation.find(session, actor.organisation_id)
    accreditation.require_standing(centre, now=now)
    return stations.new_code(session, actor, centre.organisation_id, now=now)


def withdraw_code(session: Session, actor: Actor, code_id: UUID, *, now: datetime) -> None:
    """A code that nobody used enrols nobody any more: it was lost, or somebody else may have read it."""
    code = session.get(EnrolmentCode, code_id)
    policy.require(actor, Action.ENROL_STATION, centre=code.centre_id if code else None)
    if code is None:
        raise NotFound("There is no such code.")
    stations.withdraw_code(session, actor, code, now=now)


def replace_station(
    session: Session, actor: Actor, station_id: UUID, *, retires_at: datetime | None = None, now: datetime
) -> str:
    """A one-time code with which a new key takes the place of a station's old one.

    The old key ends at `retires_at`, within 30 days, so that what was wiped offline with it can still come in; without
    a day it ends when the code is used.
    """
    station = session.get(Station, station_id)
    policy.require(actor, Action.ENROL_STATION, centre=station.centre_id if station else None)
    if station is None:
        raise NotFound("There is no such station.")
    accreditation.require_standing(accreditation.find(session, station.centre_id), now=now)
    return stations.new_code(session, actor, station.centre_id, replaces=station, retires_at=retires_at, now=now)


def retire_station(
    session: Session, actor: Actor, station_id: UUID, *, issuers: credentials.Issuers, reason: str, now: datetime
) -> None:
    """A station stops speaking for its centre. What it signed before still stands."""
    station = session.get(Station, station_id)
    policy.require(actor, Action.REVOKE_STATION, centre=station.centre_id if station else None)
    retired = stations.revoke(session, issuers, station_id, reason, now=now)
    for said in published.made(session, retired.centre_id, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)


def open_codes(session: Session, actor: Actor, *, now: datetime) -> list[EnrolmentCode]:
    """The enrolment codes of the actor's centre that can still be used."""
    policy.require(actor, Action.ENROL_STATION, centre=actor.organisation_id)
    return list(
        session.scalars(
            sa.select(EnrolmentCode)
            .where(
                EnrolmentCode.centre_id == actor.organisation_id,
                EnrolmentCode.used_at.is_(None),
                EnrolmentCode.withdrawn_at.is_(None),
                EnrolmentCode.expires_at > now,
            )
            .order_by(EnrolmentCode.made_at)
        )
    )


def _take_back(session: Session, actor: Actor, device: Device, *, now: datetime) -> None:
    """A device that was sold is ours again: its title, its place in the lot that was sold, its cost in the books."""
    custody.pass_title(session, device, Title.MARKET, by=actor, on="return", now=now)
    lot_id = lots.let_go(session, device.id, "it came back", now=now)
    order = orders.handed_over(session, lot_id) if lot_id else None
    if order is not None:
        orders.settle_when_done(session, order, now=now)
    cost = Money(offers.paid_for(session, [device.id]))
    if cost.amount_minor:
        ledger.post(
            session,
            f"return {device.id} {device.cycle}",
            "device.back",
            [Side(Account.STOCK, cost), Side(Account.COST, -cost)],
            subject_id=device.id,
            now=now,
        )
    disputes.came_back(session, device.id, by=actor.id, now=now)


def _offer(session: Session, device: Device, inspection: Inspection, *, now: datetime) -> Offer:
    quote = session.scalars(sa.select(Quote).where(Quote.device_id == device.id)).one()
    offer = offers.make(
        session,
        quote,
        device_id=device.id,
        cycle=device.cycle,
        inspection_id=inspection.id,
        found=inspections.found_condition(device, inspection, quote.inputs["condition"]),
        now=now,
    )
    notices.offer_made(
        session,
        device,
        offer_id=offer.id,
        amount=Money(offer.amount_minor, offer.currency),
        quoted=Money(quote.amount_minor, quote.currency),
        answer_by=offer.answer_by,
        now=now,
    )
    return offer


def _reasons_to_hold(session: Session, device: Device, serial: str, found: Sequence[str]) -> dict[HoldKind, str]:
    reasons = {HoldKind(kind): f"Found at inspection: {kind.replace('-', ' ')}." for kind in found}
    if serial != device.claimed_serial or HoldKind.WRONG_ITEM in reasons:
        reasons[HoldKind.WRONG_ITEM] = _another(device, serial)
    twin = _same_serial(session, device, serial)
    if twin is not None:
        reasons[HoldKind.OWNERSHIP] = f"Device {twin}, which is with us already, showed the same serial number."
    return reasons


def _another(device: Device, serial: str) -> str:
    if serial == device.claimed_serial:
        return f"It is another device than announced, though it shows {serial}."
    return f"The device shows {serial}; announced was {device.claimed_serial}."


def _was_settled(session: Session, device: Device, kind: HoldKind, reason: str) -> bool:
    """Somebody lifted a hold on this device for the very same reason: it is not asked a second time."""
    return bool(
        session.scalar(
            sa.select(sa.literal(1))
            .where(Hold.device_id == device.id, Hold.kind == kind, Hold.reason == reason, Hold.lifted_at.is_not(None))
            .limit(1)
        )
    )


def _same_serial(session: Session, device: Device, serial: str) -> str | None:
    """The code of another device of this brand that is with us and showed this number."""
    return session.scalar(
        sa.select(Device.code)
        .where(
            Device.id != device.id,
            Device.brand == device.brand,
            Device.observed["serial"].as_string() == serial,
            Device.state.not_in([*ENDS, State.DELIVERED, State.LOST]),
        )
        .limit(1)
    )


def _require_findings(
    session: Session,
    device: Device,
    serial: str,
    mass_g: int,
    findings: Mapping[str, object],
    sure: Collection[str],
) -> None:
    """Everything that needs another answer, at once."""
    errors: dict[str, str] = {}
    unreadable = identity.wrong(serial, device.device_class)
    if unreadable is not None:
        errors["observed_serial"] = unreadable
    elif serial != device.claimed_serial and findings.get("identity") == "matches":
        twin = _same_serial(session, device, serial)
        errors["observed_serial"] = (
            f"You typed {serial}; announced was {device.claimed_serial}. Read it again. "
            + (f"{serial} is the number of device {twin}, which is with us already: is it that one? " if twin else "")
            + "If the device really shows it, answer that it is another device than announced."
        )
    if not 1 <= mass_g <= MOST_GRAMS:
        errors[MASS] = NO_MASS
    usual = usual_mass(device)
    off = abs(mass_g - usual)
    if usual and MASS not in {*errors, *sure} and off * 100 > usual * UNUSUAL_PERCENT and off > UNUSUAL_GRAMS:
        errors[MASS] = (
            f"You typed {mass_g:,} g; such a device weighs about {usual:,} g. Weigh it again, without its box and "
            "charger. If the scale is right, tick that below."
        )
    if STORAGE not in sure and not media.observed(session, device):
        errors[STORAGE] = (
            "No storage is noted. Note each medium first. If there is none at all, send the device back without an "
            "offer: it could never be certified. If it can only be read later, tick that below."
        )
    errors |= checklist.problems(device.device_class.value, findings)
    if errors:
        _refuse_all(errors)


def _refuse_all(errors: Mapping[str, str]) -> NoReturn:
    field, message = next(iter(errors.items()))
    raise Invalid(message, field=field, detail={"errors": dict(errors)})


def _last_weighing(session: Session, device: Device) -> int | None:
    """The last weight of the device itself in this cycle, if no medium left it since."""
    row = session.execute(
        sa.select(CustodyEvent.evidence["massGrams"].as_integer(), CustodyEvent.at)
        .where(
            CustodyEvent.device_id == device.id,
            CustodyEvent.cycle == device.cycle,
            CustodyEvent.evidence.has_key("massGrams"),
        )
        .order_by(CustodyEvent.seq.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    lighter = session.scalar(
        sa.select(MediumEvent.id)
        .where(
            MediumEvent.device_id == device.id,
            MediumEvent.kind.in_([MediumEventKind.REMOVED, MediumEventKind.FITTED, MediumEventKind.DESTROYED]),
            MediumEvent.at >= row.at,
        )
        .limit(1)
    )
    return None if lighter is not None else int(row[0])


def _ago(passed: timedelta) -> str:
    minutes = max(int(passed.total_seconds()) // 60, 0)
    if minutes < 1:
        return "a moment ago"
    if minutes < 120:
        return "a minute ago" if minutes == 1 else f"{minutes} minutes ago"
    return f"{minutes // 60} hours ago" if minutes < 60 * 48 else f"{minutes // (60 * 24)} days ago"


def _require_here(device: Device) -> None:
    if device.state in AWAY:
        raise Conflict(f"This device is {custody.words(device.state)}: it is not on your bench.")


def _require_mass(mass_g: int) -> None:
    if not 1 <= mass_g <= MOST_GRAMS:
        raise Invalid(NO_MASS, field="mass_g")


def _require_reason(reason: str) -> str:
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters.", field="reason")
    return reason.strip()


def _person(actor: Actor) -> UUID:
    if actor.id is None:
        raise Conflict("This step is done by a person.")
    return actor.id
