"""What a test centre sees: the devices that wait on its bench, one device with the forms that fit it, its stations."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ewaste.accounts import policy, postal
from ewaste.accounts.models import Actor, Organisation, OrganisationState, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import Centre, EnrolmentCode, SeenNonce, Standing, Station, WorkOrder
from ewaste.certificates.models import CertificateLine, CertificateRefusal, Clearance
from ewaste.certificates.policy import ADMITTED, POLICY, SECOND_PERSON
from ewaste.core.ids import DEVICE, WORK_ORDER, read_code
from ewaste.core.refusals import NotFound
from ewaste.devices import media
from ewaste.devices.lifecycle import ENDS, WAYS, State
from ewaste.devices.models import (
    CustodyEvent,
    Device,
    Hold,
    HoldKind,
    Medium,
    MediumEvent,
    MediumEventKind,
    MediumKind,
    Validation,
    ValidationResult,
)
from ewaste.market.models import Listing, Lot, LotLine, Order, OrderState
from ewaste.tradein import returning
from ewaste.tradein.models import Offer, OfferState, Quote
from ewaste.views import device as devices
from ewaste.views import inspection_form, next_step, queues, shapes

WORK = queues.WORK
# The queues of the bench in the order of the work: name, and the words on its tab.
QUEUES: Mapping[str, str] = {
    "expected": "To arrive",
    "received": "To inspect",
    "inspected": "Owner is asked",
    "back": "To send back",
    "order": "To order a wipe",
    "wiping": "Being wiped",
    "failed": "Failed",
    "second": "Second person",
    "again": "To wipe anew",
    "hold": "On hold",
    "sold": "For collection",
}
# The station's program overwrites drives that a computer can address and directs the reset of phones; where the policy
# admits nothing but destruction, a medium is destroyed (docs/adr/0028).
DESTROYED_ONLY = tuple(sorted(kind for kind, ways in ADMITTED.items() if all(level == "destroy" for _, level in ways)))
RESET = (MediumKind.PHONE_STORAGE.value,)


def require(actor: Actor) -> UUID:
    """The centre whose bench this actor sees. Raises `NotAllowed`."""
    policy.require(actor, Action.SEE_BENCH, centre=actor.organisation_id)
    return cast(UUID, actor.organisation_id)  # The policy admits nobody here who works for no centre.


def find(session: Session, actor: Actor, code: str) -> Device:
    """The device with this code on the actor's own bench; not locked. Raises `NotAllowed` or `NotFound`."""
    require(actor)
    return devices.find(session, actor, code)


def look_up(session: Session, actor: Actor, text: str) -> str:
    """The code of the device that a scanner or a person means: by its code or a work order's, its serial number or
    IMEI, or a medium's serial.

    Raises `NotFound` naming the field.
    """
    centre_id = require(actor)
    bare = "".join(text.split()).upper()[:64]
    here = sa.select(Device.code).where(Device.centre_id == centre_id).order_by(Device.created_at.desc()).limit(1)
    code, order = read_code(bare, DEVICE), read_code(bare, WORK_ORDER)
    found = session.scalar(here.where(Device.code == code)) if code else None
    if found is None and order:
        found = session.scalar(here.join(WorkOrder, WorkOrder.device_id == Device.id).where(WorkOrder.code == order))
    if found is None and bare:
        spellings = {bare, bare.replace("-", "").replace("/", "")}
        by_medium = sa.select(Medium.device_id).where(sa.func.upper(Medium.serial) == bare)
        found = session.scalar(
            here.where(
                sa.or_(
                    Device.claimed_serial.in_(spellings),
                    Device.observed["serial"].as_string().in_(spellings),
                    Device.id.in_(by_medium),
                )
            )
        )
    if found is None:
        raise NotFound(
            f"No device of your centre has the code or serial {text.strip()[:40]!r}. Type it as the label says.",
            field="code",
        )
    return found


def near(session: Session, actor: Actor, text: str) -> list[dict[str, Any]]:
    """Devices of the actor's centre that what was scanned may stand for: a part of a code, serial or model; ten."""
    centre_id = require(actor)
    bare = " ".join(text.split())[:64]
    if len(bare) < 2:
        return []
    pattern = shapes.like(bare)
    rows = session.scalars(
        sa.select(Device)
        .where(
            Device.centre_id == centre_id,
            sa.or_(
                Device.code.ilike(pattern),
                Device.claimed_serial.ilike(pattern),
                Device.observed["serial"].as_string().ilike(pattern),
                (Device.brand + " " + Device.model).ilike(pattern),
                Device.id.in_(sa.select(Medium.device_id).where(Medium.serial.ilike(pattern))),
            ),
        )
        .order_by(Device.since.desc(), Device.id)
        .limit(10)
    )
    return [
        {
            "code": found.code,
            "title": shapes.title(found.brand, found.model),
            "state": found.state.value,
            "serial": str(found.observed.get("serial", found.claimed_serial)),
        }
        for found in rows
    ]


def queue(
    session: Session, actor: Actor, *, state: str | None, page: int, now: datetime, size: int = shapes.PAGE_SIZE
) -> dict[str, Any]:
    """The bench: how many devices wait in which queue, one page of them, the oldest first, and what is to be collected.

    `state` names a queue, or a state for what lies elsewhere. Without it: everything that waits for the bench's own
    hands, the most pressing first.
    """
    centre_id = require(actor)
    about, counted = _centre(session, centre_id, now)
    counts, elsewhere = queues.read_counts(counted)
    states = {member.value: number for member, number in elsewhere.items() if number}
    chosen = state if state in QUEUES or state in states else None
    skip = (page - 1) * size
    if chosen is None and not counts["again"]:
        total = sum(elsewhere[member] for member in WORK)
        rows = queues.most_pressing(session, centre_id, elsewhere, _PRESSING, skip=skip, take=size)
    else:
        ids, total = _picked(session, centre_id, chosen, counts, elsewhere, now, skip=skip, take=size)
        rows = queues.rows(session, ids, _LISTED)
    return {
        "groups": [{"state": name, "label": label, "count": counts[name]} for name, label in QUEUES.items()],
        "elsewhere": [
            {"state": member.value, "count": states[member.value]}
            for member in State
            if member.value in states and member not in WORK and member is not State.SOLD
        ],
        "state": chosen,
        "devices": [_row(row, now) for row in rows],
        "total": total,
        **about,
    }


def _picked(
    session: Session,
    centre_id: UUID,
    chosen: str | None,
    counts: Mapping[str, int],
    elsewhere: Mapping[State, int],
    now: datetime,
    *,
    skip: int,
    take: int,
) -> tuple[list[UUID], int]:
    """One page of a queue, of a state, or of all there is to do where something fell out of its way; and how many."""
    wanted: sa.ColumnElement[bool]
    order: tuple[Any, ...] = (Device.since, Device.id)
    if chosen is not None and chosen in QUEUES:
        wanted, total = _in_queue(chosen, now), counts[chosen]
    elif chosen is not None:
        wanted, total = Device.state == State(chosen), elsewhere[State(chosen)]
    else:
        # What fell out of its way (a revocation, a medium found) waits to be wiped anew.
        again = sa.and_(Device.state.in_(WAYS), _FREE, ~_IS_CLEAR)
        wanted = sa.or_(Device.state.in_(WORK), again)
        total = sum(elsewhere[member] for member in WORK) + int(session.scalar(_count(centre_id, again)) or 0)
        rank = sa.case({member.value: place for place, member in enumerate(WORK)}, value=Device.state, else_=0)
        order = (rank, *order)
    picked = sa.select(Device.id).where(Device.centre_id == centre_id, wanted).order_by(*order)
    return list(session.scalars(picked.limit(take).offset(skip))), total


def live(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """How the wipe of a device stands now: its state, its work order, why a certificate was refused, and when a station
    of this centre last spoke with us.
    """
    found = find(session, actor, code)
    standing = _standing(session.execute(_rows(Device.id).where(Device.id == found.id)).one(), now)
    reason = session.scalar(
        sa.select(CertificateRefusal.reason)
        .join(WorkOrder, WorkOrder.device_id == found.id)
        .where(
            CertificateRefusal.device_code == found.code,
            WorkOrder.code == standing.order,
            CertificateRefusal.at >= WorkOrder.issued_at,
        )
        .order_by(CertificateRefusal.at.desc())
        .limit(1)
    )
    return {
        "code": found.code,
        "state": found.state.value,
        "version": found.custody_seq,
        "since": found.since,
        "waiting": standing.state in (State.CLEARING, State.DESTROYING) and standing.order_open,
        "order": standing.order,
        "refused": reason,
        "synced_at": session.scalar(
            sa.select(sa.func.max(SeenNonce.at))
            .join(Station, Station.id == SeenNonce.station_id)
            .where(Station.centre_id == found.centre_id)
        ),
    }


def labels(session: Session, actor: Actor, codes: Sequence[str]) -> dict[str, Any]:
    """What stands on the labels of these devices of the actor's centre, and of their media. Others are left out."""
    centre_id = require(actor)
    bare = [read for read in (read_code(code, DEVICE) for code in codes[: shapes.PAGE_SIZE]) if read]
    found = session.scalars(
        sa.select(Device).where(Device.centre_id == centre_id, Device.code.in_(bare)).order_by(Device.code)
    ).all()
    media: dict[UUID, list[dict[str, Any]]] = {}
    for event in session.execute(
        sa.select(Medium, MediumEvent.evidence["seal"].as_string().label("seal"))
        .join(MediumEvent, MediumEvent.medium_id == Medium.id)
        .join(Device, sa.and_(Device.id == Medium.device_id, Device.cycle == MediumEvent.cycle))
        .where(Medium.device_id.in_([one.id for one in found]), MediumEvent.kind == MediumEventKind.HELD)
        .order_by(Medium.serial)
    ):
        medium = event.Medium
        media.setdefault(medium.device_id, []).append(
            {"kind": medium.kind.value, "model": medium.model, "serial": medium.serial, "seal": event.seal}
        )
    centre = session.get_one(Organisation, centre_id)
    return {
        "labels": [
            {
                "code": one.code,
                "title": shapes.title(one.brand, one.model),
                "serial": str(one.observed.get("serial", one.claimed_serial)),
                "cycle": one.cycle,
                "state": one.state.value,
                "media": media.get(one.id, []),
            }
            for one in found
        ],
        "centre": {
            "name": centre.name,
            "address_lines": postal.of_firm(centre),
        },
    }


def device(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """One device on the bench: its story, what was declared, the checklist, and which steps are open to it now."""
    found = find(session, actor, code)
    told = devices.story(session, found.id, actor)
    row = session.execute(_rows(_EVER_ORDERED.label("ever_ordered")).where(Device.id == found.id)).one()
    standing = _standing(row, now, ever_ordered=row.ever_ordered)
    quote = session.scalar(sa.select(Quote).where(Quote.device_id == found.id))
    answers = quote.inputs.get("answers", {}) if quote else {}
    waiting = [medium for medium in told["media"] if medium["status"] in ("found", "wipe-failed")]
    title, text = next_step.step(standing)
    unconfirmed = [medium for medium in told["media"] if _needs_second(medium)]
    refused = _refused_since(told)
    if refused and standing.state in (State.CLEARING, State.DESTROYING) and standing.order_open and not standing.holds:
        if title != "Certify again":
            title = f"Certify again: {title[0].lower()}{title[1:]}"
        text = f"The last certificate was refused: {refused} {text or ''}".rstrip()
    if standing.state is State.INSPECTED and standing.offer is not OfferState.OPEN and title == "Send it back":
        text = f"{text} {_goes_to(session, found)}"
    order = _work_order(session, found, told["work_order"], now)
    stale = order is not None and not order["closed"] and (order["unlisted"] or order["apart"])
    if stale and standing.state in (State.CLEARING, State.DESTROYING) and standing.order_open and not standing.holds:
        title = "Replace the work order"
        text = "It does not name the media as they are now. All media have to be wiped again under the new one."
    device_class = found.device_class.value
    return told | {
        "device": told["device"]
        | {
            "declared": inspection_form.declared(device_class, answers),
            "next": {"title": title, "text": text, "by": next_step.due(standing, row), "who": None},
            "usual_mass_g": inspection_form.usual_mass(found),
        },
        "checklist": inspection_form.sections(device_class, answers, standing.state),
        "unconfirmed": unconfirmed,
        "work_order": order,
        "policies": [
            {
                "value": POLICY,
                "label": f"Policy {POLICY}",
                "text": "It says which evidence clears which kind of medium.",
            }
        ],
        "medium_kinds": [kind.value for kind in MediumKind],
        "hold_kinds": [kind.value for kind in HoldKind],
        "waiting_media": waiting,
        "separable_media": [medium for medium in waiting if next_step.separable(medium)],
        "may": next_step.may(standing, waiting, unconfirmed),
    }


def _goes_to(session: Session, device: Device) -> str:
    """Where a device goes that is to be sent back: the one moment at which the centre reads its seller's address."""
    where = returning.of_device(session, device.id)
    if where is None:
        return "Its owner has not told us an address yet. We have asked for it; it appears here."
    name = session.scalar(sa.select(Person.name).where(Person.id == device.seller_id))
    return f"It goes to {', '.join([str(name), *where.lines()])}. Use the address for this parcel only."


def hand_over_of(session: Session, actor: Actor, order: Order) -> dict[str, Any]:
    """To whom a paid order is given, and what: the devices of it, each with its code and serial."""
    require(actor)
    in_it = (
        sa.select(LotLine.device_id).where(LotLine.lot_id == order.lot_id, LotLine.released_at.is_(None))
        if order.lot_id
        else sa.select(Listing.device_id).where(Listing.id == order.listing_id)
    )
    buyer = (
        sa.select(Organisation.name).where(Organisation.id == order.organisation_id)
        if order.organisation_id
        else sa.select(Person.name).where(Person.id == order.person_id)
    )
    return {
        "order_code": order.code,
        "collection_code": order.collection_code,
        "lot": session.scalar(sa.select(Lot.code).where(Lot.id == order.lot_id)) if order.lot_id else None,
        "buyer": session.scalar(buyer),
        "devices": [
            {
                "code": found.code,
                "title": shapes.title(found.brand, found.model),
                "serial": str(found.observed.get("serial", found.claimed_serial)),
            }
            for found in session.scalars(sa.select(Device).where(Device.id.in_(in_it)).order_by(Device.code))
        ],
    }


def has_open_order(session: Session, device_id: UUID, *, now: datetime) -> bool:
    """Whether a work order waits for its certificate; the caller has asked the policy."""
    return bool(session.scalar(sa.select(sa.literal(1)).where(Device.id == device_id, _ordered(now))))


def _needs_second(medium: Mapping[str, Any]) -> bool:
    """Whether a second person has yet to say what became of this medium, or will have to before it is sold."""
    doomed = medium["status"] in ("destroyed", "wipe-failed") or (
        medium["status"] == "found" and medium["kind"] in DESTROYED_ONLY
    )
    seen_only = medium["status"] == "sanitised" and medium["evidence_class"] in SECOND_PERSON
    return (doomed or seen_only) and not medium["apart"] and medium["second_person"] != ValidationResult.CONFIRMED


def stations(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """The wipe stations of the actor's centre, the active ones first, and the codes that can still be used."""
    policy.require(actor, Action.ENROL_STATION, centre=actor.organisation_id)
    heard = sa.select(sa.func.max(SeenNonce.at)).where(SeenNonce.station_id == Station.id).scalar_subquery()
    rows = session.execute(
        sa.select(Station, heard.label("heard"))
        .where(Station.centre_id == actor.organisation_id)
        .order_by(Station.revoked_at.isnot(None), Station.enrolled_at.desc())
    ).all()
    codes = session.execute(
        sa.select(EnrolmentCode.made_at, EnrolmentCode.expires_at, Person.name)
        .join(Person, Person.id == EnrolmentCode.made_by)
        .where(
            EnrolmentCode.centre_id == actor.organisation_id,
            EnrolmentCode.used_at.is_(None),
            EnrolmentCode.expires_at > now,
        )
        .order_by(EnrolmentCode.made_at)
    ).all()
    return {
        "stations": [
            {
                "id": station.id,
                "name": station.name,
                "enrolled_at": station.enrolled_at,
                "last_seen_at": seen,
                "status": "active" if in_force(station, now) else "retired",
                "retires_at": station.retires_at,
                "compromised_since": station.compromised_since,
                "reason": station.revoked_because,
                "key": station.public_key,
            }
            for station, seen in rows
        ],
        "codes": [{"made_at": row.made_at, "expires_at": row.expires_at, "by": row.name} for row in codes],
    }


def code_of(session: Session, actor: Actor, device_id: UUID | None) -> str | None:
    """The code of this device of the actor's centre; None when there is none."""
    return session.scalar(sa.select(Device.code).where(Device.id == device_id, Device.centre_id == require(actor)))


def in_force(station: Station, now: datetime) -> bool:
    """Whether the key of a station counts at this moment."""
    return station.revoked_at is None and (station.retires_at is None or station.retires_at > now)


def signing_station(session: Session, actor: Actor, verification_method: str | None) -> Station | None:
    """The station of the actor's centre that signs with this key id; None when there is none."""
    centre_id = require(actor)
    return session.scalar(
        sa.select(Station).where(Station.verification_method == verification_method, Station.centre_id == centre_id)
    )


_HELD = (
    sa.select(sa.func.count())
    .where(Hold.device_id == Device.id, Hold.lifted_at.is_(None))
    .correlate(Device)
    .scalar_subquery()
)
_MEDIA = (
    sa.select(sa.func.count(sa.distinct(MediumEvent.medium_id)))
    .where(
        MediumEvent.device_id == Device.id,
        MediumEvent.cycle == Device.cycle,
        MediumEvent.kind.in_([MediumEventKind.FOUND, MediumEventKind.FITTED]),
        ~media.taken_back(),
    )
    .correlate(Device)
    .scalar_subquery()
)
_CLEAR = (
    sa.select(sa.literal(1))
    .where(Clearance.device_id == Device.id, Clearance.cycle == Device.cycle, Clearance.ended_at.is_(None))
    .correlate(Device)
    .exists()
)
_UNCONFIRMED = (
    sa.select(sa.func.count())
    .select_from(CertificateLine)
    .join(Clearance, Clearance.certificate_id == CertificateLine.certificate_id)
    .where(
        Clearance.device_id == Device.id,
        Clearance.ended_at.is_(None),
        CertificateLine.evidence_class.in_(SECOND_PERSON),
        sa.select(Validation.result)
        .where(
            Validation.medium_id == CertificateLine.medium_id,
            Validation.device_id == Device.id,
            Validation.cycle == Device.cycle,
        )
        .order_by(Validation.seq.desc())
        .limit(1)
        .correlate(CertificateLine, Device)
        .scalar_subquery()
        .is_distinct_from(ValidationResult.CONFIRMED),
    )
    .correlate(Device)
    .scalar_subquery()
)
# Whether the sale of a device is paid, and waits to be collected.
_PAID = (
    sa.select(sa.literal(1))
    .where(
        Order.state == OrderState.PAID,
        sa.or_(
            Order.listing_id.in_(sa.select(Listing.id).where(Listing.device_id == Device.id).correlate(Device)),
            Order.lot_id.in_(
                sa.select(LotLine.lot_id)
                .where(LotLine.device_id == Device.id, LotLine.released_at.is_(None))
                .correlate(Device)
            ),
        ),
    )
    .correlate(Device)
    .exists()
)
_ORDERS = aliased(WorkOrder)
# Whether a work order was ever issued in this cycle: what it named cannot be taken back any more.
_EVER_ORDERED = (
    sa.select(sa.literal(1))
    .select_from(_ORDERS)
    .where(_ORDERS.device_id == Device.id, _ORDERS.cycle == Device.cycle)
    .correlate(Device)
    .exists()
)
# The same as sets that do not look at the device: read once for a list, however long it is.
_FREE = Device.id.not_in(sa.select(Hold.device_id).where(Hold.lifted_at.is_(None)))
_ASKED = Device.id.in_(sa.select(Offer.device_id).where(Offer.state == OfferState.OPEN))
_IS_CLEAR = Device.id.in_(sa.select(Clearance.device_id).where(Clearance.ended_at.is_(None)))


def _ordered(now: datetime) -> sa.ColumnElement[bool]:
    return Device.id.in_(
        sa.select(WorkOrder.device_id).where(
            WorkOrder.consumed_at.is_(None), WorkOrder.superseded_at.is_(None), WorkOrder.expires_at > now
        )
    )


def _refused(now: datetime) -> sa.ColumnElement[bool]:
    """A certificate was refused since the open work order was issued."""
    spoken_of = aliased(Device)
    return Device.code.in_(
        sa.select(CertificateRefusal.device_code)
        .join(spoken_of, spoken_of.code == CertificateRefusal.device_code)
        .join(WorkOrder, WorkOrder.device_id == spoken_of.id)
        .where(
            WorkOrder.consumed_at.is_(None),
            WorkOrder.superseded_at.is_(None),
            WorkOrder.expires_at > now,
            CertificateRefusal.at >= WorkOrder.issued_at,
        )
    )


def _in_queue(name: str, now: datetime) -> sa.ColumnElement[bool]:
    """What a device of this queue fulfils. A device that stands on hold is in no other queue."""
    wipe, ordered, refused = Device.state == State.CLEARING, _ordered(now), _refused(now)
    rules: dict[str, sa.ColumnElement[bool]] = {
        "expected": sa.and_(Device.state == State.EXPECTED, _FREE),
        "received": sa.and_(Device.state == State.RECEIVED, _FREE),
        "inspected": sa.and_(Device.state == State.INSPECTED, _FREE, _ASKED),
        "back": sa.and_(Device.state == State.INSPECTED, _FREE, ~_ASKED),
        "order": sa.and_(wipe, _FREE, ~ordered),
        "wiping": sa.and_(wipe, _FREE, ordered, ~refused),
        "failed": sa.and_(sa.or_(Device.state == State.DESTROYING, sa.and_(wipe, ordered, refused)), _FREE),
        "second": sa.and_(Device.state == State.CLEARED, _FREE, _IS_CLEAR),
        "again": sa.and_(Device.state.in_([*WAYS, State.CLEARED]), _FREE, ~_IS_CLEAR),
        "hold": sa.and_(~_FREE, Device.state.not_in(ENDS)),
        "sold": Device.state == State.SOLD,
    }
    return rules[name]


def _count(centre_id: UUID, wanted: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(Device).where(Device.centre_id == centre_id, wanted)


def _rows(*columns: Any) -> sa.Select[Any]:
    """A device with its offer and its open work order: one row each, with these columns of the device.

    Whether a work order was ever issued (`_EVER_ORDERED`) decides no step, only what may be taken back, so a list is
    not asked for it.
    """
    return (
        sa.select(
            *columns,
            Device.state.label("state"),
            _HELD.label("holds"),
            _MEDIA.label("media"),
            # Looked at only where it decides something.
            sa.case((Device.state.in_([*WAYS, State.CLEARED]), _CLEAR), else_=sa.false()).label("clear"),
            sa.case((Device.state == State.CLEARED, _UNCONFIRMED), else_=0).label("unconfirmed"),
            sa.case((Device.state == State.SOLD, _PAID), else_=sa.false()).label("paid"),
            Offer.state.label("offer"),
            Offer.answer_by,
            Offer.pay_by,
            WorkOrder.code.label("order"),
            WorkOrder.expires_at.label("order_until"),
            sa.select(sa.literal(1))
            .where(CertificateRefusal.device_code == Device.code, CertificateRefusal.at >= WorkOrder.issued_at)
            .correlate(Device, WorkOrder)
            .exists()
            .label("refused"),
        )
        .outerjoin(Offer, sa.and_(Offer.device_id == Device.id, Offer.cycle == Device.cycle))
        .outerjoin(
            WorkOrder,
            sa.and_(
                WorkOrder.device_id == Device.id, WorkOrder.consumed_at.is_(None), WorkOrder.superseded_at.is_(None)
            ),
        )
    )


# The rows of a list, put together once: what a device is called, and what decides its next step.
_IN_A_LIST = _rows(
    Device.id,
    Device.code,
    Device.brand,
    Device.model,
    Device.device_class,
    sa.func.coalesce(Device.observed["serial"].as_string(), Device.claimed_serial).label("serial"),
    Device.since,
)
_LISTED = _IN_A_LIST.where(Device.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid()))))
_PRESSING = queues.pressing(_IN_A_LIST)


def _standing(row: Any, now: datetime, *, ever_ordered: bool = True) -> next_step.Standing:
    return next_step.Standing(
        state=row.state,
        holds=row.holds,
        media=row.media,
        clear=row.clear,
        offer=row.offer,
        order=row.order,
        order_open=row.order is not None and row.order_until > now,
        refused=bool(row.refused),
        unconfirmed=row.unconfirmed,
        paid=row.paid,
        ever_ordered=ever_ordered,
    )


def _row(row: Any, now: datetime) -> dict[str, Any]:
    standing = _standing(row, now)
    return {
        "code": row.code,
        "title": shapes.title(row.brand, row.model),
        "device_class": row.device_class.value,
        "state": row.state.value,
        "serial": row.serial,
        "since": row.since,
        "age": max(now - row.since, timedelta()),
        "next_step": next_step.step(standing)[0],
        "holds": row.holds,
        "media": row.media,
        "due_by": next_step.due(standing, row),
    }


def _refused_since(told: Mapping[str, Any]) -> str | None:
    """Why the newest certificate was refused that came under the open work order; None when none was."""
    order = told["work_order"]
    if order is None or order["closed"]:
        return None
    refused = (one for one in told["certificates"] if one["status"] == "refused")
    newest = next(refused, None)  # They come newest first.
    return str(newest["reason"]) if newest and newest["received_at"] >= order["created_at"] else None


def _work_order(session: Session, found: Device, order: dict[str, Any] | None, now: datetime) -> dict[str, Any] | None:
    """The newest order of this cycle, with the media that it names, and those found since."""
    if order is None or order["cycle"] != found.cycle:
        return None
    named = session.scalar(
        sa.select(CustodyEvent.evidence["media"])
        .where(
            CustodyEvent.device_id == found.id,
            CustodyEvent.kind == "work-order.issued",
            CustodyEvent.evidence["workOrder"].as_string() == order["code"],
        )
        .limit(1)
    )
    ids = set(named or [])
    media = [medium for medium in order["media"] if str(medium["id"]) in ids]
    destroy = [medium["kind"] in DESTROYED_ONLY or medium["status"] == "wipe-failed" for medium in media]
    return order | {
        "policy": POLICY,
        "media": media,
        "to_wipe": any(
            medium["kind"] not in RESET for medium, doomed in zip(media, destroy, strict=True) if not doomed
        ),
        "to_reset": any(medium["kind"] in RESET for medium, doomed in zip(media, destroy, strict=True) if not doomed),
        "to_destroy": [
            {"serial": medium["serial"], "typed": shlex.quote(medium["serial"])}
            for medium, doomed in zip(media, destroy, strict=True)
            if doomed
        ],
        "unlisted": [
            medium for medium in order["media"] if str(medium["id"]) not in ids and medium["status"] == "found"
        ],
        "apart": [medium for medium in order["media"] if str(medium["id"]) in ids and medium["apart"]],
        "expired": order["valid_until"] <= now,
    }


def _centre(session: Session, centre_id: UUID, now: datetime) -> tuple[dict[str, Any], Any]:
    """How a centre stands, and the orders that are paid and wait there, the oldest first, at most a page; and beside
    them its devices as `queues` counts them.
    """
    rows = session.connection().execute(_ABOUT_CENTRE, {"centre": centre_id, "now": now}).all()
    first = rows[0]
    about = {
        "centre": {
            "name": first.name,
            "verified": first.firm_state is not OrganisationState.APPLIED,
            "status": status_of(first.standing, first.accredited_until, now),
            "accredited_until": first.accredited_until,
            "reason": first.suspension_reason,
        },
        "collections": [
            {
                "order_code": row.code,
                "lot_code": row.lot_code,
                "title": row.title,
                "devices": row.devices,
                "buyer": row.buyer,
            }
            for row in rows
            if row.code is not None
        ],
    }
    return about, first.counted


def status_of(standing: Standing, until: datetime | None, now: datetime) -> str:
    """A centre's standing as pages say it: new, accredited, suspended or expired."""
    if standing is Standing.APPLIED:
        return "new"
    if standing is Standing.ACCREDITED and until is not None and until <= now:
        return "expired"
    return standing.value


_IN_THE_LOT = (
    sa.select(sa.func.count())
    .where(LotLine.lot_id == Order.lot_id, LotLine.released_at.is_(None))
    .correlate(Order)
    .scalar_subquery()
)
_BUYING_FIRM = aliased(Organisation)
_ABOUT_CENTRE = (
    sa.select(
        Organisation.name,
        Organisation.state.label("firm_state"),
        Centre.standing,
        Centre.accredited_until,
        Centre.suspension_reason,
        Order.code,
        Lot.code.label("lot_code"),
        sa.func.coalesce(Lot.title, Listing.snapshot["title"].as_string()).label("title"),
        sa.case((Order.lot_id.is_(None), 1), else_=_IN_THE_LOT).label("devices"),
        sa.func.coalesce(_BUYING_FIRM.name, Person.name).label("buyer"),
        queues.COUNTED,
    )
    .select_from(Centre)
    .join(Organisation, Organisation.id == Centre.organisation_id)
    .outerjoin(Order, sa.and_(Order.centre_id == Centre.organisation_id, Order.state == OrderState.PAID))
    .outerjoin(Lot, Lot.id == Order.lot_id)
    .outerjoin(Listing, Listing.id == Order.listing_id)
    .outerjoin(_BUYING_FIRM, _BUYING_FIRM.id == Order.organisation_id)
    .outerjoin(Person, Person.id == Order.person_id)
    .where(Centre.organisation_id == sa.bindparam("centre"))
    .order_by(Order.paid_at)
    .limit(shapes.PAGE_SIZE)
)
