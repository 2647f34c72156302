"""The third leg: the certificate. It is verified, stored, clears the device, sends it its way and pays its seller.

This is the gate. Nothing after it happens to a device without a certificate that verifies and covers every medium
ever observed in it. What only people saw, a second person of the centre confirms before the device goes its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Role
from ewaste.accounts.policy import Action
from ewaste.centres import accreditation, accreditors, credentials, published, stations, work_orders
from ewaste.centres.models import Accreditation, Centre, Standing, Station, WorkOrder
from ewaste.certificates import reaudit, registry
from ewaste.certificates.models import Certificate, CertificateLine, Clearance
from ewaste.certificates.policy import SECOND_PERSON
from ewaste.core.installation import installation
from ewaste.core.money import Money
from ewaste.core.refusals import Conflict, Invalid, NotFound, Refusal
from ewaste.devices import custody, media
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import (
    Device,
    HoldKind,
    Medium,
    MediumEvent,
    MediumEventKind,
    Validation,
    ValidationResult,
)
from ewaste.market import doubts
from ewaste.market.models import Listing, ListingState, LotLine
from ewaste.payments import instructions
from ewaste.payments.models import InstructionKind
from ewaste.processing import checklist, inspections, ways
from ewaste.processing.models import Inspection
from ewaste.tradein import offers, price_tables, pricing, quotes
from ewaste.tradein.models import OfferState, Quote
from ewaste.transparency import log, statements

# Holds that doubt whether the seller may sell at all: the promise to pay by a day does not cover fraud.
FRAUD = frozenset({HoldKind.STOLEN, HoldKind.OWNERSHIP, HoldKind.WRONG_ITEM})
STANDING_WORDS = {
    Standing.APPLIED: "applied",
    Standing.SUSPENDED: "suspended",
    Standing.WITHDRAWN: "no longer accredited",
}
# Where its last drive left a device it is graded and sent its way without one; what was promised to the seller stays.
DRIVE_GONE: Mapping[str | None, str] = {
    "destroyed": "Its drive was destroyed after the inspection, so it was graded anew as a device without a drive.",
    "taken-out": "Its drive was taken out after the inspection, so it was graded anew as a device without a drive.",
}


@dataclass(frozen=True)
class Receipt:
    """The answer to a submitted certificate. A refusal is an answer too."""

    certificate_id: str | None
    digest: str
    outcome: str
    reason: str
    device_code: str | None
    received_at: datetime


def station_actor(station: Station) -> Actor:
    """As whom a station acts."""
    return Actor(station.id, Role.STATION, f"station {station.name}", station.centre_id)


def enrol_station(
    session: Session, *, issuers: credentials.Issuers, code: str, name: str, public_key: str, proof: str, now: datetime
) -> Station:
    """A station enrols with its centre's one-time code. The code is the permission; no account is asked."""
    station = stations.enrol(session, issuers, code=code, name=name, public_key=public_key, proof=proof, now=now)
    for said in published.made(session, station.centre_id, now=now):
        log.publish(session, said.document, kind=said.kind, issuer=said.issuer, now=now)
    return station


def fetch_orders(session: Session, actor: Actor, *, now: datetime) -> tuple[list[tuple[WorkOrder, str]], Accreditation]:
    """The open work orders of a station's centre, with the device's code, and the centre's accreditation."""
    policy.require(actor, Action.FETCH_ORDERS, centre=actor.organisation_id)
    orders = work_orders.open_for_centre(session, _centre_of(actor), now=now)
    codes = dict(
        session.execute(
            sa.select(Device.id, Device.code).where(Device.id.in_([order.device_id for order in orders]))
        ).all()
    )
    return [(order, codes[order.device_id]) for order in orders], accreditation.current(session, _centre_of(actor))


def centre_did_document(session: Session, centre: UUID | str, *, now: datetime) -> dict[str, Any] | None:
    """The DID document that we host for a centre, by its id or its DID, with the keys that count at this moment.

    None when there is no such centre. Public.
    """
    column = Centre.did if isinstance(centre, str) else Centre.organisation_id
    row = session.execute(sa.select(Centre.organisation_id, Centre.did).where(column == centre)).one_or_none()
    if row is None:
        return None
    return credentials.keys_did_document(row.did, accreditation.station_keys(session, row.organisation_id, now=now))


def accept_certificate(
    session: Session,
    actor: Actor,
    files: Mapping[str, str],
    *,
    issuers: credentials.Issuers,
    brought_by: Actor | None = None,
    now: datetime,
) -> Receipt:
    """Step 7. Verify, store, clear, route, and instruct the payout: whole, or not at all.

    A device with a medium that was destroyed before people only is cleared and paid, and sent its way when a second
    person has confirmed it (`validate`) after that. `brought_by` is the person who uploaded the bundle, where no
    station sent it.

    Raises `registry.CertificateRefused` with the first thing that is wrong; the device stays where it is. The same
    bundle sent again gets the same receipt.
    """
    policy.require(actor, Action.SUBMIT_CERTIFICATE, centre=actor.organisation_id)
    examined = registry.open_bundle(files)
    known = registry.by_digest(session, examined.digest)
    if known is not None and known.centre_id == actor.organisation_id and known.bundle == examined.files:
        revoked = registry.revocation(session, known.id)
        if revoked is not None:
            raise examined.refuse(f"This certificate was revoked on {revoked.at:%d %B %Y}: {revoked.reason}")
        return _receipt(session, known)
    trust = accreditors.trust_bytes(session, issuers)
    statement = registry.verify(examined, trust, at=now, training=issuers.training)
    order, station = _require_ours(session, examined, statement, actor, now)
    device = custody.find(session, order.device_id)
    known = registry.by_digest(session, examined.digest)
    if known is not None and known.bundle == examined.files:  # The same bundle came in through another door meanwhile.
        return _receipt(session, known)
    _require_unused(session, examined, statement, order, now)
    _require_waiting(session, examined, device, order)
    observed = media.observed(session, device)
    held = media.with_event(session, device, MediumEventKind.HELD)
    covered = registry.check_coverage(examined, statement, observed, held)
    _require_one_place(session, examined, observed)
    _require_destroyed(examined, covered, observed, media.failed(session, device))
    try:
        work_orders.consume(session, order, now=now)
    except Refusal as refusal:
        raise examined.refuse(refusal.message) from refusal
    certificate = registry.accept(
        session,
        examined,
        statement,
        covered,
        device=device,
        centre_id=order.centre_id,
        station_id=station.id,
        work_order_id=order.id,
        now=now,
    )
    log.append(session, kind="wipe-certificate", issuer=statement.issuer_did, digest=certificate.digest, now=now)
    _clear(session, actor, device, certificate, observed, covered, brought_by=brought_by, now=now)
    if not unconfirmed(session, device):
        _route(session, actor, device, now=now)
    _pay_seller(session, device, practice=issuers.training, by=actor, now=now)
    if any(line.evidence_class != "destroyed" for line in covered.values()):
        reaudit.draw(
            session,
            certificate,
            key=issuers.market.key,
            workers=_workers(session, device),
            operators=registry.operators(certificate),
            now=now,
        )
    return _receipt(session, certificate)


def unconfirmed(session: Session, device: Device) -> list[Medium]:
    """The media of a cleared device that rest on what people saw, and that no second person has confirmed yet."""
    latest = (
        sa.select(Validation.result)
        .where(
            Validation.medium_id == CertificateLine.medium_id,
            Validation.device_id == device.id,
            Validation.cycle == device.cycle,
        )
        .order_by(Validation.seq.desc())
        .limit(1)
        .correlate(CertificateLine)
        .scalar_subquery()
    )
    return list(
        session.scalars(
            sa.select(Medium)
            .join(CertificateLine, CertificateLine.medium_id == Medium.id)
            .join(Clearance, Clearance.certificate_id == CertificateLine.certificate_id)
            .where(
                Clearance.device_id == device.id,
                Clearance.ended_at.is_(None),
                CertificateLine.evidence_class.in_(SECOND_PERSON),
                latest.is_distinct_from(ValidationResult.CONFIRMED),
            )
            .order_by(Medium.serial)
        )
    )


def validate(
    session: Session,
    actor: Actor,
    device_id: UUID,
    medium_id: UUID,
    *,
    result: str,
    note: str,
    now: datetime,
) -> Device:
    """A second person of the centre says whether they saw a medium destroyed as its certificate says.

    Nobody confirms their own work: who inspected the device in this custody cycle, ordered its wipe, noted a failed
    wipe or brought the certificate is refused. A doubt puts the device on hold. The last confirmation that was missing
    sends a cleared device its way.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.VALIDATE, centre=device.centre_id)
    if device.state not in (State.CLEARING, State.DESTROYING, State.CLEARED):
        raise Conflict(f"This device is {custody.words(device.state)}: there is nothing to confirm on it.")
    medium = next((seen for seen in media.observed(session, device) if seen.id == medium_id), None)
    if medium is None:
        raise NotFound("This medium was not observed in this device.")
    if not _recorded_as_destroyed(session, device, medium):
        raise Conflict(
            "Nobody has recorded yet that it was destroyed. The certificate records it; look at what is left, and "
            "confirm it then."
        )
    if result not in set(ValidationResult):
        raise Invalid("Say whether you confirm it or doubt it.", field="result")
    doubted = result == ValidationResult.DOUBTED
    if len(note.strip()) > 500 or (doubted and len(note.strip()) < 3):
        raise Invalid("Say what you doubt, in 3 to 500 characters.", field="note")
    _require_second_person(session, actor, device)
    if not doubted and custody.open_hold(session, device.id) is not None:
        raise Conflict("A hold stands on this device. Settle it first, then look at the medium again and confirm it.")
    session.add(
        Validation(
            device_id=device.id,
            cycle=device.cycle,
            seq=device.custody_seq + 1,
            medium_id=medium.id,
            result=ValidationResult(result),
            note=note.strip(),
            validated_by=actor.id,
            worked_by=sorted(_workers(session, device)),
            at=now,
        )
    )
    session.flush()
    evidence = {
        "medium": str(medium.id),
        "kind": medium.kind.value,
        "model": medium.model,
        "serial": medium.serial,
        "result": result,
        "note": note.strip(),
    }
    custody.note(session, device, f"validation.{result}", by=actor, evidence=evidence, now=now)
    if doubted:
        reason = f"{actor.name} doubts what was done to {medium.serial}: {note.strip()}"
        custody.place_hold(session, device, HoldKind.VALIDATION, reason[:500], by=actor, now=now)
    elif device.state is State.CLEARED and not unconfirmed(session, device):
        _route(session, actor, device, now=now)
    return device


def reinspect(
    session: Session, actor: Actor, device_id: UUID, *, mass_g: int, findings: Mapping[str, object], now: datetime
) -> Inspection:
    """After remanufacture the device is looked at again, with the tests that a wiped device allows, and sent its way.

    The rules choose between resale and dismantling: it is not repaired a second time. What was promised to the seller
    does not change. Raises `Invalid` with everything that needs another answer, `Conflict` where it is for sale.
    """
    device = custody.find(session, device_id)
    policy.require(actor, Action.INSPECT, centre=device.centre_id)
    if device.state is not State.FOR_REMANUFACTURE:
        raise Conflict(
            f"This device is {custody.words(device.state)}; only one that was remanufactured is reinspected."
        )
    _require_not_for_sale(session, device)
    errors = {} if 1 <= mass_g <= 200_000 else {"mass_g": "Weigh the device: whole grams, from 1 to 200,000."}
    errors |= checklist.problems(device.device_class.value, findings)
    if errors:
        field, message = next(iter(errors.items()))
        raise Invalid(message, field=field, detail={"errors": errors})
    if actor.id is None:
        raise Conflict("This step is done by a person.")
    inspection, grade = inspections.record(session, device, findings, inspector=actor.id, now=now)
    evidence = {
        "inspection": str(inspection.id),
        "grade": f"{grade.cosmetic} {grade.function}",
        "massGrams": mass_g,
    }
    custody.move(session, device, State.REINSPECTED, by=actor, evidence=evidence, now=now)
    _route(session, actor, device, remanufactured=True, now=now)
    for kind in grade.holds:
        reason = f"Found when it was inspected again: {kind.replace('-', ' ')}."
        custody.place_hold(session, device, HoldKind(kind), reason, by=actor, now=now)
    return inspection


def revoke_certificate(session: Session, actor: Actor, certificate_id: UUID, *, reason: str, now: datetime) -> Device:
    """A certificate falls. Its device leaves every open sale and waits to be wiped anew, in a new custody cycle.

    Its seller is told, and whoever bought it on this certificate.
    """
    policy.require(actor, Action.REVOKE_CERTIFICATE)
    certificate = registry.revoke(session, certificate_id, reason, by=actor, now=now)
    said = statements.revocation(
        certificate=certificate.digest, credential_id=certificate.credential_id, reason=reason.strip(), at=now
    )
    issuer = f"did:web:{installation(session).did_host}"
    log.publish(session, said, kind="revocation", issuer=issuer, now=now)
    device = custody.find(session, certificate.device_id)
    if device.cycle == certificate.cycle:  # Else whoever bought it since has a newer certificate.
        doubts.tell_buyers(
            session,
            [device.id],
            subject=doubts.REVOKED_SUBJECT,
            text=doubts.REVOKED.replace("{why}", reason.strip()),
            key=f"certificate.revoked {certificate.id}",
            now=now,
        )
    custody.note(
        session,
        device,
        "certificate.revoked",
        by=actor,
        evidence={"certificate": certificate.credential_id, "reason": reason.strip()},
        now=now,
    )
    waits = device.state in WAYS or device.state is State.CLEARED
    if waits and device.cycle == certificate.cycle and custody.open_hold(session, device.id) is None:
        custody.move(session, device, State.CLEARING, by=actor, evidence={"because": "certificate revoked"}, now=now)
    return device


def clear_again(session: Session, actor: Actor, device_id: UUID, *, now: datetime) -> Device:
    """A device on its way has no live clearance (a medium was found, a hold stood at the revocation): wipe it anew."""
    device = custody.find(session, device_id)
    policy.require(actor, Action.ORDER_WIPE, centre=device.centre_id)
    if session.scalar(sa.select(sa.func.device_cleared(device.id))):
        raise Conflict("This device is clear: its certificate stands and covers every medium. It is not wiped again.")
    custody.move(session, device, State.CLEARING, by=actor, evidence={"because": "not clear any more"}, now=now)
    return device


def pay_seller_at_latest(session: Session, actor: Actor, offer_id: UUID, *, practice: bool, now: datetime) -> None:
    """Five business days after the confirmation the seller is paid, whatever the wipe does."""
    policy.require(actor, Action.RUN_JOBS)
    offer = offers.find(session, offer_id)
    device = custody.find(session, offer.device_id)
    hold = custody.open_hold(session, device.id)
    if hold is not None and hold.kind in FRAUD:
        # Nobody is paid for what may not have been theirs; the worker asks again tomorrow.
        offers.pay_later(session, offer, at=now + timedelta(days=1))
        return
    _pay_seller(session, device, practice=practice, by=actor, now=now)


def _clear(
    session: Session,
    actor: Actor,
    device: Device,
    certificate: Certificate,
    observed: Sequence[Medium],
    covered: Mapping[UUID, Any],
    *,
    brought_by: Actor | None,
    now: datetime,
) -> None:
    """Note in the chain what the certificate says of each medium, and that the device is clear by it."""
    for medium in observed:
        line = covered.get(medium.id)
        if line is None:
            continue
        kind = MediumEventKind.DESTROYED if line.evidence_class == "destroyed" else MediumEventKind.SANITISED
        evidence = {
            "certificate": certificate.credential_id,
            "evidenceClass": line.evidence_class,
            "technique": line.technique,
        }
        media.record(session, device, medium, kind, by=actor, evidence=evidence, now=now)
    custody.move(
        session,
        device,
        State.CLEARED,
        by=actor,
        evidence={
            "certificate": certificate.credential_id,
            "digest": certificate.digest,
            "training": certificate.training,
            **({"uploadedBy": brought_by.name} if brought_by else {}),
        },
        now=now,
    )


def _require_ours(
    session: Session, examined: registry.Examined, statement: Any, actor: Actor, now: datetime
) -> tuple[WorkOrder, Station]:
    """What only the market knows of the certificate's issuer and work order."""
    centre = accreditation.find(session, actor.organisation_id)
    if statement.issuer_did != centre.did:
        raise examined.refuse(
            f"This certificate is by {statement.issuer_name}, and your station belongs to another centre."
        )
    if centre.standing is not Standing.ACCREDITED:
        why = centre.suspension_reason or centre.withdrawal_reason or "not accredited yet"
        raise examined.refuse_centre(
            f"Your centre is {STANDING_WORDS[centre.standing]}: {why.rstrip('.')}. "
            "Nothing it certifies clears a device until it is reinstated."
        )
    issued = session.scalar(sa.select(Accreditation).where(Accreditation.credential_id == statement.accreditation_id))
    if issued is None or issued.centre_id != centre.organisation_id or issued.digest != statement.accreditation_digest:
        raise examined.refuse_centre("The accreditation in the bundle is not one that we issued to your centre.")
    _require_scope(examined, statement, centre)
    station = session.scalar(sa.select(Station).where(Station.verification_method == statement.verification_method))
    if station is None or station.centre_id != centre.organisation_id:
        raise examined.refuse_centre(
            "No station of your centre is enrolled under the key that signed this certificate."
        )
    if station.revoked_at is not None:
        raise examined.refuse_centre(
            f"The station that signed this certificate was revoked: {station.revoked_because}."
        )
    if station.retires_at is not None and station.retires_at <= now:
        raise examined.refuse_centre(
            f"The key that signed this certificate ended on {station.retires_at:%d %B %Y}, as another took its place."
        )
    order = session.scalar(sa.select(WorkOrder).where(WorkOrder.credential_id == statement.work_order_id))
    if order is None or order.digest != statement.work_order_digest or order.centre_id != centre.organisation_id:
        raise examined.refuse("The work order in the bundle is not one that we issued to your centre.")
    return order, station


def _require_scope(examined: registry.Examined, statement: Any, centre: Centre) -> None:
    """An older accreditation may come along, as stations work offline for days; the scope that counts is today's."""
    for line in statement.lines:
        if line.level not in centre.methods or line.kind not in centre.media_kinds:
            raise examined.refuse_centre(
                f"Your centre is not accredited any more for “{line.level}” on the kind “{line.kind}”. Ask the desk."
            )
        if centre.accredited_until is None or line.verified > centre.accredited_until:
            raise examined.refuse_centre("The accreditation of your centre ended before this wipe did. Ask the desk.")


def _require_unused(
    session: Session, examined: registry.Examined, statement: Any, order: WorkOrder, now: datetime
) -> None:
    """The work order stands. Asked with the device locked: who issues a new one locks the device first, too."""
    session.refresh(order, with_for_update=True)
    if order.consumed_at is not None:
        raise examined.refuse(
            f"Work order {order.code} was answered by a certificate already. Its challenge counts once: a replay."
        )
    if registry.is_taken(session, statement.certificate_id):
        raise examined.refuse(
            "Another certificate has the number of this one already. Issue it anew, under a number of its own."
        )
    if order.superseded_at is not None:
        raise examined.refuse(
            f"Work order {order.code} was replaced by a newer one. Fetch orders and certify under that one."
        )
    if order.expires_at < now:
        raise examined.refuse(
            f"Work order {order.code} ran out on {order.expires_at:%d %B %Y}. Issue a new one and wipe under it."
        )


def _require_waiting(session: Session, examined: registry.Examined, device: Device, order: WorkOrder) -> None:
    if device.cycle != order.cycle:
        raise examined.refuse(
            f"The certificate is for custody cycle {order.cycle}; the device is in cycle {device.cycle}. Wipe it anew."
        )
    if device.state not in (State.CLEARING, State.DESTROYING):
        raise examined.refuse(
            f"Device {device.code} is {custody.words(device.state)}; it does not wait for a certificate."
        )
    hold = custody.open_hold(session, device.id)
    if hold is not None:
        raise examined.refuse(
            f"A hold stands on device {device.code} ({hold.kind.value}: {hold.reason}). Lift it, then sync again."
        )


def _require_one_place(session: Session, examined: registry.Examined, observed: Sequence[Medium]) -> None:
    """One live certificate a medium: a drive that clears another device now cannot clear this one as well."""
    for medium in sorted(observed, key=registry.drive):
        registry.one_at_a_time(session, medium)
        elsewhere = registry.cleared_elsewhere(session, medium)
        if elsewhere is not None:
            raise examined.refuse(
                f"The {medium.kind.value} with serial {medium.serial} clears device {elsewhere} at this moment. A "
                "drive is in one device only. Look which of the two it is in, and hold the other one meanwhile."
            )


def _require_destroyed(
    examined: registry.Examined, covered: Mapping[UUID, Any], observed: Sequence[Medium], failed: set[UUID]
) -> None:
    """A medium whose wipe failed never travels on: no later wipe covers it, only its destruction."""
    for medium in observed:
        line = covered.get(medium.id)
        if medium.id in failed and line is not None and line.evidence_class != "destroyed":
            raise examined.refuse(
                f"The wipe of the {medium.kind.value} with serial {medium.serial} failed before. It must be destroyed, "
                "and certified as destroyed."
            )


def _recorded_as_destroyed(session: Session, device: Device, medium: Medium) -> bool:
    """Whether the certificate that clears the device now says of this medium what people only saw."""
    return bool(
        session.scalar(
            sa.select(sa.literal(1))
            .select_from(CertificateLine)
            .join(Clearance, Clearance.certificate_id == CertificateLine.certificate_id)
            .where(
                Clearance.device_id == device.id,
                Clearance.ended_at.is_(None),
                CertificateLine.medium_id == medium.id,
                CertificateLine.evidence_class.in_(SECOND_PERSON),
            )
            .limit(1)
        )
    )


def _require_second_person(session: Session, actor: Actor, device: Device) -> None:
    if actor.id in _workers(session, device):
        raise Conflict(
            "You worked on this device yourself: you inspected it, ordered its wipe or noted what failed. Somebody "
            "else of your centre has to look, signed in under their own name."
        )
    cleared = registry.last_for(session, device.id)
    if cleared is not None and cleared.cycle == device.cycle:
        said = registry.operators(cleared)
        if " ".join(actor.name.split()).casefold() in said:
            raise Conflict(
                "The certificate names you as the operator. Somebody else of your centre has to look, signed in under "
                "their own name."
            )


def _workers(session: Session, device: Device) -> set[UUID]:
    """The people who worked on the device in this custody cycle, as the market knows them."""
    cycle = device.cycle
    inspected = sa.select(Inspection.inspector_id).where(Inspection.device_id == device.id, Inspection.cycle == cycle)
    ordered = sa.select(WorkOrder.issued_by).where(WorkOrder.device_id == device.id, WorkOrder.cycle == cycle)
    failed = sa.select(MediumEvent.actor_id).where(
        MediumEvent.device_id == device.id,
        MediumEvent.cycle == cycle,
        MediumEvent.kind == MediumEventKind.WIPE_FAILED,
        MediumEvent.actor_id.isnot(None),
    )
    return {person for person in session.scalars(sa.union(inspected, ordered, failed)) if person is not None}


def _require_not_for_sale(session: Session, device: Device) -> None:
    listed = sa.select(sa.literal(1)).where(Listing.device_id == device.id, Listing.state == ListingState.OPEN)
    in_lot = sa.select(sa.literal(1)).where(LotLine.device_id == device.id, LotLine.released_at.is_(None))
    if session.scalar(sa.union_all(listed, in_lot).limit(1)):
        raise Conflict("This device is for sale as its manifest says. Our desk takes it out of the sale first.")


def _route(session: Session, actor: Actor, device: Device, *, remanufactured: bool = False, now: datetime) -> None:
    inspection = inspections.latest(session, device.id)
    if inspection is None:
        return  # A device that came back waits for its inspection before it is sent a way.
    quote = session.scalars(sa.select(Quote).where(Quote.device_id == device.id)).one()
    declared = quote.inputs["condition"]
    drive = media.drives(session, [device.id]).get(device.id)
    gone = drive in DRIVE_GONE
    grade = inspections.grade_now(device, inspection, drive_gone=gone)
    condition = pricing.Condition.from_json(inspections.found_condition(device, inspection, declared, drive_gone=gone))
    mended = pricing.Condition(
        condition.cosmetic, frozenset(fault for fault in condition.faults if fault.value not in ways.repairable(device))
    )
    table = price_tables.current(session, now.date())
    model = pricing.rebased(quotes.model(quote.model_code), table)
    as_is, repaired = (
        pricing.price(model, quote.storage_gb, state, now.date(), table).market_value_minor
        for state in (condition, mended)
    )
    stuck = bool(
        media.failed(session, device)
        - media.with_event(session, device, MediumEventKind.DESTROYED)
        - media.with_event(session, device, MediumEventKind.REMOVED)
    ) or _destroyed_inside(session, device)
    routing = ways.decide(
        session,
        device,
        grade,
        faults=frozenset(fault.value for fault in condition.faults),
        as_is_minor=as_is,
        repaired_minor=repaired,
        mass_g=custody.mass_of(session, device.id) or model.mass_g,
        stuck_medium=stuck,
        remanufactured=remanufactured,
        now=now,
    )
    custody.move(
        session,
        device,
        State(routing.chosen),
        by=actor,
        evidence={
            "routing": str(routing.id),
            "version": routing.version,
            "why": [*([DRIVE_GONE[drive]] if drive in DRIVE_GONE else []), *routing.explanation],
            **({"gradedAnew": f"{grade.cosmetic} {grade.function}", "grading": grade.version} if gone else {}),
        },
        now=now,
    )


def _destroyed_inside(session: Session, device: Device) -> bool:
    """Storage that is soldered in was destroyed with what it sits on: the device can only be dismantled."""
    destroyed = media.with_event(session, device, MediumEventKind.DESTROYED)
    kinds = session.scalars(sa.select(Medium.kind).where(Medium.id.in_(destroyed)))
    return any(kind in media.SOLDERED for kind in kinds)


def _pay_seller(session: Session, device: Device, *, practice: bool, by: Actor, now: datetime) -> None:
    offer = offers.for_device(session, device.id)
    if offer is None or offer.state is not OfferState.CONFIRMED or not offer.amount_minor:
        return
    instructions.instruct(
        session,
        InstructionKind.PAY_OUT,
        subject_id=device.id,
        party_id=device.seller_id,
        amount=Money(offer.amount_minor, offer.currency),
        description=f"{device.brand} {device.model}, device {device.code}",
        practice=practice,
        by=by,
        now=now,
    )


def _receipt(session: Session, certificate: Certificate) -> Receipt:
    code = session.scalar(sa.select(Device.code).where(Device.id == certificate.device_id))
    return Receipt(
        certificate.credential_id,
        certificate.digest,
        "accepted",
        "The certificate verifies and covers every storage medium found. The device is clear.",
        code,
        certificate.accepted_at,
    )


def _centre_of(actor: Actor) -> UUID:
    if actor.organisation_id is None:
        raise NotFound("A station always has its centre; this actor has none.")
    return actor.organisation_id
