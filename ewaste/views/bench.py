"""What a test centre sees at its bench: the device that was scanned with the forms that fit it, labels, stations."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy, postal
from ewaste.accounts.models import Actor, Organisation, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import EnrolmentCode, SeenNonce, Station, WorkOrder
from ewaste.certificates.models import CertificateRefusal
from ewaste.certificates.policy import ADMITTED, POLICY, SECOND_PERSON
from ewaste.core.ids import DEVICE, WORK_ORDER, read_code
from ewaste.core.refusals import NotFound
from ewaste.devices.lifecycle import State
from ewaste.devices.models import (
    CustodyEvent,
    Device,
    HoldKind,
    Medium,
    MediumEvent,
    MediumEventKind,
    MediumKind,
    ValidationResult,
)
from ewaste.market.models import Listing, Lot, LotLine, Order
from ewaste.tradein import returning
from ewaste.tradein.models import OfferState, Quote
from ewaste.views import device as devices
from ewaste.views import inspection_form, next_step, shapes, standing

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


def live(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """How the wipe of a device stands now: its state, its work order, why a certificate was refused, and when a station
    of this centre last spoke with us.
    """
    found = find(session, actor, code)
    stands = standing.of(session.execute(standing.rows(Device.id).where(Device.id == found.id)).one(), now)
    reason = session.scalar(
        sa.select(CertificateRefusal.reason)
        .join(WorkOrder, WorkOrder.device_id == found.id)
        .where(
            CertificateRefusal.device_code == found.code,
            WorkOrder.code == stands.order,
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
        "waiting": stands.state in next_step.TO_CLEAR and stands.order_open,
        "order": stands.order,
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
    row = session.execute(standing.rows(standing.EVER_ORDERED.label("ever_ordered")).where(Device.id == found.id)).one()
    stands = standing.of(row, now, ever_ordered=row.ever_ordered)
    quote = session.scalar(sa.select(Quote).where(Quote.device_id == found.id))
    answers = quote.inputs.get("answers", {}) if quote else {}
    waiting = [medium for medium in told["media"] if medium["status"] in ("found", "wipe-failed")]
    title, text = next_step.step(stands)
    unconfirmed = [medium for medium in told["media"] if _needs_second(medium)]
    refused = _refused_since(told)
    to_certify = stands.state in next_step.TO_CLEAR and stands.order_open and not stands.holds
    if refused and to_certify and not stands.outdated:
        if title != "Certify again":
            title = f"Certify again: {title[0].lower()}{title[1:]}"
        text = f"The last certificate was refused: {refused} {text or ''}".rstrip()
    if stands.state is State.INSPECTED and stands.offer is not OfferState.OPEN and title == "Send it back":
        text = f"{text} {_goes_to(session, found)}"
    device_class = found.device_class.value
    return told | {
        "device": told["device"]
        | {
            "declared": inspection_form.declared(device_class, answers),
            "next": {"title": title, "text": text, "by": next_step.due(stands, row), "who": None},
            "usual_mass_g": inspection_form.usual_mass(found),
        },
        "checklist": inspection_form.sections(device_class, answers, stands.state),
        "unconfirmed": unconfirmed,
        "work_order": _work_order(session, found, told["work_order"], stands, now),
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
        "may": next_step.may(stands, waiting, unconfirmed),
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
    order = sa.exists().where(
        WorkOrder.device_id == device_id,
        WorkOrder.consumed_at.is_(None),
        WorkOrder.superseded_at.is_(None),
        WorkOrder.expires_at > now,
    )
    return bool(session.scalar(sa.select(order)))


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
        sa.select(EnrolmentCode.id, EnrolmentCode.made_at, EnrolmentCode.expires_at, Person.name)
        .join(Person, Person.id == EnrolmentCode.made_by)
        .where(
            EnrolmentCode.centre_id == actor.organisation_id,
            EnrolmentCode.used_at.is_(None),
            EnrolmentCode.withdrawn_at.is_(None),
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
        "codes": [
            {"id": row.id, "made_at": row.made_at, "expires_at": row.expires_at, "by": row.name} for row in codes
        ],
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


def _refused_since(told: Mapping[str, Any]) -> str | None:
    """Why the newest certificate was refused that came under the open work order; None when none was."""
    order = told["work_order"]
    if order is None or order["closed"]:
        return None
    refused = (one for one in told["certificates"] if one["status"] == "refused")
    newest = next(refused, None)  # They come newest first.
    return str(newest["reason"]) if newest and newest["received_at"] >= order["created_at"] else None


def _work_order(
    session: Session, found: Device, order: dict[str, Any] | None, stands: next_step.Standing, now: datetime
) -> dict[str, Any] | None:
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
    unlisted = [medium for medium in order["media"] if str(medium["id"]) not in ids and medium["status"] == "found"]
    apart = [medium for medium in media if medium["apart"]]
    return order | {
        "policy": POLICY,
        "media": media,
        "several": len(ids) > 1,
        "to_wipe": [_at_the_station(medium) for medium in media if not _doomed(medium) and medium["kind"] not in RESET],
        "to_reset": [_at_the_station(medium) for medium in media if not _doomed(medium) and medium["kind"] in RESET],
        "to_destroy": [_at_the_station(medium) for medium in media if _doomed(medium)],
        "unlisted": unlisted,
        "apart": apart,
        "stale": stands.outdated,  # A certificate under it would be refused.
        "held": bool(stands.holds),
        "expired": order["valid_until"] <= now,
    }


def _doomed(medium: Mapping[str, Any]) -> bool:
    return medium["kind"] in DESTROYED_ONLY or medium["status"] == "wipe-failed"


def _at_the_station(medium: Mapping[str, Any]) -> dict[str, str]:
    """How a medium is named at the station: as it is read, and as a shell takes it."""
    return {"serial": medium["serial"], "typed": shlex.quote(medium["serial"])}
