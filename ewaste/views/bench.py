"""What a test centre sees: the devices that wait on its bench, one device with the forms that fit it, its stations."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import Centre, EnrolmentCode, SeenNonce, Standing, Station, WorkOrder
from ewaste.certificates.models import Clearance
from ewaste.certificates.policy import POLICY
from ewaste.core.ids import read_code
from ewaste.core.refusals import NotFound
from ewaste.devices.lifecycle import AWAY, ENDS, WAYS, State
from ewaste.devices.media import SOLDERED
from ewaste.devices.models import CustodyEvent, Device, Hold, HoldKind, Medium, MediumEvent, MediumEventKind, MediumKind
from ewaste.market.models import Listing, Lot, LotLine, Order, OrderState
from ewaste.processing import checklist
from ewaste.tradein import questions
from ewaste.tradein.models import Offer, OfferState, Quote
from ewaste.views import device as devices
from ewaste.views import shapes

# What the bench works on, the most pressing first.
WORK = (State.RECEIVED, State.DESTROYING, State.CLEARING, State.INSPECTED, State.EXPECTED)
HERE = (State.RECEIVED, State.INSPECTED, State.CLEARING, State.DESTROYING)
BACK_FROM = (State.DELIVERED, State.LOST)  # From there a device may come back.
# The station's program overwrites drives that a computer can address; these are destroyed (docs/adr/0016).
NOT_OVERWRITTEN = ("phone-storage", "sim", "other")
# Item of the checklist ← question of the quote, with what an answer declares. Only where the two ask the same.
DECLARED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "power": ("power", {"yes": "on", "no": "off"}),
    "screen_crack": ("screen", {"whole": "no", "cracked": "yes"}),
    "back_crack": ("back", {"whole": "no", "cracked": "yes"}),
    "display": ("display", {"clean": "ok", "marks": "marks"}),
    "liquid": ("liquid", {"no": "no", "yes": "yes"}),
    "account_lock": ("account", {"yes": "none", "no": "locked"}),
    "firmware_lock": ("account", {"yes": "none", "no": "locked"}),
    "network_lock": ("network", {"yes": "none", "no": "locked"}),
    "storage": ("storage", {"yes": "present", "no": "missing"}),
    "charger": ("charger", {"yes": "yes", "no": "no"}),
}


@dataclass(frozen=True)
class Bench:
    """What decides a device's next step at the bench."""

    state: State
    holds: int
    media: int
    clear: bool
    offer: OfferState | None
    order: str | None
    order_open: bool


def require(actor: Actor) -> UUID:
    """The centre whose bench this actor sees. Raises `NotAllowed`."""
    policy.require(actor, Action.SEE_BENCH, centre=actor.organisation_id)
    return cast(UUID, actor.organisation_id)  # The policy admits nobody here who works for no centre.


def find(session: Session, actor: Actor, code: str) -> Device:
    """The device with this code on the actor's own bench; not locked. Raises `NotAllowed` or `NotFound`."""
    require(actor)
    return devices.find(session, actor, code)


def look_up(session: Session, actor: Actor, text: str) -> str:
    """The code of the device that a scanner or a person means: by its code, its serial, or a medium's serial.

    Raises `NotFound` naming the field.
    """
    centre_id = require(actor)
    bare = "".join(text.split()).upper()[:64]
    here = sa.select(Device.code).where(Device.centre_id == centre_id).order_by(Device.created_at.desc()).limit(1)
    code = read_code(bare, "D")
    found = session.scalar(here.where(Device.code == code)) if code else None
    if found is None and bare:
        by_medium = sa.select(Medium.device_id).where(sa.func.upper(Medium.serial) == bare)
        found = session.scalar(
            here.where(
                sa.or_(
                    Device.claimed_serial == bare,
                    Device.observed["serial"].as_string() == bare,
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


def queue(session: Session, actor: Actor, *, state: str | None, page: int, now: datetime) -> dict[str, Any]:
    """The bench: how many devices stand where, one page of them, and what waits to be collected.

    Without a `state`: everything that waits for the bench's own hands, the most pressing first.
    """
    centre_id = require(actor)
    counts: dict[State, int] = {
        row[0]: int(row[1])
        for row in session.execute(
            sa.select(Device.state, sa.func.count()).where(Device.centre_id == centre_id).group_by(Device.state)
        )
    }
    chosen = State(state) if state in set(State) else None
    query = _rows().where(Device.centre_id == centre_id)
    if chosen is not None:
        query, total = query.where(Device.state == chosen), counts.get(chosen, 0)
        query = query.order_by(CustodyEvent.at.desc(), Device.id)
    else:
        # What fell out of its way (a revocation, a medium found) waits to be wiped anew.
        wanted = sa.or_(Device.state.in_(WORK), sa.and_(Device.state.in_(WAYS), ~_CLEAR))
        query = query.where(wanted)
        total = shapes.count(session, sa.select(Device.id).where(Device.centre_id == centre_id, wanted))
        rank = sa.case({member.value: place for place, member in enumerate(WORK)}, value=Device.state, else_=0)
        query = query.order_by(rank, CustodyEvent.at, Device.id)
    rows = session.execute(query.limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)).all()
    return {
        "groups": [
            {"state": member.value, "label": None, "count": counts[member]} for member in State if counts.get(member)
        ],
        "state": chosen.value if chosen else None,
        "devices": [_row(row, now) for row in rows],
        "total": total,
        "collections": _collections(session, centre_id),
        "centre": _centre(session, centre_id, now),
    }


def device(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """One device on the bench: its story, what was declared, the checklist, and which steps are open to it now."""
    found = find(session, actor, code)
    told = devices.story(session, found.id, actor)
    row = session.execute(_rows().where(Device.id == found.id)).one()
    standing = _standing(row, now)
    quote = session.scalar(sa.select(Quote).where(Quote.device_id == found.id))
    answers = quote.inputs.get("answers", {}) if quote else {}
    waiting = [medium for medium in told["media"] if medium["status"] in ("found", "wipe-failed")]
    title, text = _next(standing)
    refused = _refused_since(told)
    if refused and standing.state in (State.CLEARING, State.DESTROYING) and standing.order_open and not standing.holds:
        title = f"Certify again: {title[0].lower()}{title[1:]}"
        text = f"The last certificate was refused: {refused} {text or ''}".rstrip()
    device_class = found.device_class.value
    return told | {
        "device": told["device"]
        | {
            "declared": _declared(device_class, answers),
            "next": {"title": title, "text": text, "by": _due(standing, row), "who": None},
        },
        "checklist": _checklist(device_class, answers) if standing.state is State.RECEIVED else [],
        "work_order": _work_order(session, found, told["work_order"], now),
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
        "separable_media": [medium for medium in waiting if separable(medium)],
        "may": _may(standing, waiting),
    }


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
                "status": "retired" if station.revoked_at else "active",
                "reason": station.revoked_because,
                "key": station.public_key,
            }
            for station, seen in rows
        ],
        "codes": [{"made_at": row.made_at, "expires_at": row.expires_at, "by": row.name} for row in codes],
    }


def separable(medium: Mapping[str, Any]) -> bool:
    """Whether a medium that waits for its wipe can be taken out and kept apart."""
    return not medium["apart"] and medium["kind"] not in {kind.value for kind in SOLDERED}


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


def _rows() -> sa.Select[Any]:
    """A device with its last event, its offer and its open work order: one row each."""
    return (
        sa.select(
            Device,
            CustodyEvent.at.label("since"),
            _HELD.label("holds"),
            _MEDIA.label("media"),
            _CLEAR.label("clear"),
            Offer.state.label("offer"),
            Offer.answer_by,
            Offer.pay_by,
            WorkOrder.code.label("order"),
            WorkOrder.expires_at.label("order_until"),
        )
        .join(CustodyEvent, sa.and_(CustodyEvent.device_id == Device.id, CustodyEvent.seq == Device.custody_seq))
        .outerjoin(Offer, sa.and_(Offer.device_id == Device.id, Offer.cycle == Device.cycle))
        .outerjoin(
            WorkOrder,
            sa.and_(
                WorkOrder.device_id == Device.id, WorkOrder.consumed_at.is_(None), WorkOrder.superseded_at.is_(None)
            ),
        )
    )


def _standing(row: Any, now: datetime) -> Bench:
    return Bench(
        state=row.Device.state,
        holds=row.holds,
        media=row.media,
        clear=row.clear,
        offer=row.offer,
        order=row.order,
        order_open=row.order is not None and row.order_until > now,
    )


def _row(row: Any, now: datetime) -> dict[str, Any]:
    found, standing = row.Device, _standing(row, now)
    return {
        "code": found.code,
        "title": shapes.title(found.brand, found.model),
        "device_class": found.device_class.value,
        "state": found.state.value,
        "serial": str(found.observed.get("serial", found.claimed_serial)),
        "since": row.since,
        "next_step": _next(standing)[0],
        "holds": row.holds,
        "media": row.media,
        "due_by": _due(standing, row),
    }


def _due(standing: Bench, row: Any) -> datetime | None:
    if standing.state is State.INSPECTED and standing.offer is OfferState.OPEN:
        due: datetime | None = row.answer_by
        return due
    # The seller is paid by then, wiped or not; until then the wipe decides.
    return row.pay_by if standing.state in (State.CLEARING, State.DESTROYING) else None


def _next(standing: Bench) -> tuple[str, str | None]:
    """The next step as the bench does it: a title and one sentence."""
    state = standing.state
    if standing.holds and state not in ENDS:
        return "Settle the hold", "Nothing moves until it is lifted, with the reason."
    if state is State.EXPECTED:
        return "Receive the parcel", "Note the seal and the weight before it is opened."
    if state is State.RECEIVED:
        return "Inspect it", "From what you find follows the grade, and from the grade the offer to its owner."
    if state is State.INSPECTED:
        if standing.offer is OfferState.OPEN:
            return "Wait for the owner’s answer", "Wipe nothing yet: the device is not ours before the owner confirms."
        return "Send it back", "The owner did not take the offer."
    if state in (State.CLEARING, State.DESTROYING):
        return _clearing(standing)
    if state in WAYS and not standing.clear:
        return "Clear it again", "Its clearance ended: a certificate was revoked, or a medium was found. Wipe it anew."
    return {
        State.SOLD: ("Hand it over", "Against the buyer’s collection code, on the bench page."),
        State.LOST: ("Find it", "When it turns up, receive it again."),
        State.DELIVERED: ("It is with its buyer", "If it comes back, receive it: it is inspected and wiped anew."),
    }.get(state, ("Nothing to do here" if state in AWAY else "Keep it until it is sold", None))


def _clearing(standing: Bench) -> tuple[str, str | None]:
    if not standing.media:
        return "Note the storage media", "Look for every drive, card and stick, and note each one."
    if not standing.order_open:
        why = "The last one ran out." if standing.order else "It names every medium that you noted."
        return "Issue the work order", why
    if standing.state is State.DESTROYING:
        return "Destroy the medium", f"Then certify at the station under work order {standing.order}."
    return "Wipe and certify", f"At the station, under work order {standing.order}."


def _refused_since(told: Mapping[str, Any]) -> str | None:
    """Why the newest certificate was refused that came under the open work order; None when none was."""
    order = told["work_order"]
    if order is None or order["closed"]:
        return None
    refused = (one for one in told["certificates"] if one["status"] == "refused")
    newest = next(refused, None)  # They come newest first.
    return str(newest["reason"]) if newest and newest["received_at"] >= order["created_at"] else None


def _may(standing: Bench, waiting: Sequence[Any]) -> set[str]:
    state, free = standing.state, not standing.holds
    clearing = state in (State.CLEARING, State.DESTROYING)
    rules = {
        "receive": state in (State.EXPECTED, *BACK_FROM) and free,
        "weigh": state not in AWAY,
        "add_media": state not in AWAY and state is not State.SOLD,
        "inspect": state is State.RECEIVED and free,
        "work_order": clearing and free and bool(standing.media) and not standing.order_open,
        "replace_order": clearing and free and bool(standing.media) and standing.order_open,
        "failed": clearing and any(medium["status"] == "found" for medium in waiting),
        "apart": state in HERE and any(separable(medium) for medium in waiting),
        "upload": clearing,
        "clear_again": state in WAYS and not standing.clear and free,
        "hold": state not in AWAY or state is State.EXPECTED,
        "lift": bool(standing.holds),
        "send_back": free
        and (state is State.RECEIVED or (state is State.INSPECTED and standing.offer is not OfferState.OPEN)),
        "lost": state not in AWAY or state is State.EXPECTED,
    }
    return {name for name, open_ in rules.items() if open_}


def _declared(device_class: str, answers: Mapping[str, str]) -> list[tuple[str, str]]:
    said = []
    for question in questions.QUESTIONS.get(device_class, ()):
        label = next((choice.label for choice in question.choices if choice.value == answers.get(question.field)), None)
        if label is not None:
            said.append((question.text, label))
    return said


def _checklist(device_class: str, answers: Mapping[str, str]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [
        {
            "name": "observed_serial",
            "label": "Which serial number or IMEI does the device itself show?",
            "hint": "Read it from the device: settings, *#06#, the label under the case. Copy it from nowhere else.",
            "kind": "text",
            "unit": None,
            "options": [],
            "declared": None,
        },
        {
            "name": "mass_g",
            "label": "What does the device weigh, out of its parcel?",
            "hint": "Without charger and packing. The recycler's fractions are held against this weight.",
            "kind": "number",
            "unit": "g",
            "options": [],
            "declared": None,
        },
    ]
    for item in checklist.items(device_class, stage="before-offer"):
        question, words = DECLARED.get(item.id, ("", {}))
        listed.append(
            {
                "name": item.id,
                "label": item.question,
                "hint": item.how,
                "kind": "number" if item.number else "choice",
                "unit": item.unit or None,
                "options": [{"value": answer.value, "label": answer.label} for answer in item.answers],
                "declared": words.get(str(answers.get(question))),
            }
        )
    return listed


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
    destroy = [medium["kind"] in NOT_OVERWRITTEN or medium["status"] == "wipe-failed" for medium in media]
    return order | {
        "policy": POLICY,
        "media": media,
        "to_wipe": not all(destroy),
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


def _centre(session: Session, centre_id: UUID, now: datetime) -> dict[str, Any]:
    row = session.execute(
        sa.select(Organisation.name, Centre.standing, Centre.accredited_until, Centre.suspension_reason)
        .join(Centre, Centre.organisation_id == Organisation.id)
        .where(Organisation.id == centre_id)
    ).one()
    return {
        "name": row.name,
        "status": status_of(row.standing, row.accredited_until, now),
        "accredited_until": row.accredited_until,
        "reason": row.suspension_reason,
    }


def status_of(standing: Standing, until: datetime | None, now: datetime) -> str:
    """A centre's standing as pages say it: new, accredited, suspended or expired."""
    if standing is Standing.APPLIED:
        return "new"
    if standing is Standing.ACCREDITED and until is not None and until <= now:
        return "expired"
    return standing.value


def _collections(session: Session, centre_id: UUID) -> list[dict[str, Any]]:
    """Orders that are paid and wait at this centre, the oldest first; at most a page."""
    lines = (
        sa.select(sa.func.count())
        .where(LotLine.lot_id == Order.lot_id, LotLine.released_at.is_(None))
        .correlate(Order)
        .scalar_subquery()
    )
    rows = session.execute(
        sa.select(
            Order.code,
            Lot.code.label("lot_code"),
            sa.func.coalesce(Lot.title, Listing.snapshot["title"].as_string()).label("title"),
            sa.case((Order.lot_id.is_(None), 1), else_=lines).label("devices"),
            sa.func.coalesce(Organisation.name, Person.name).label("buyer"),
        )
        .outerjoin(Lot, Lot.id == Order.lot_id)
        .outerjoin(Listing, Listing.id == Order.listing_id)
        .outerjoin(Organisation, Organisation.id == Order.organisation_id)
        .outerjoin(Person, Person.id == Order.person_id)
        .where(Order.centre_id == centre_id, Order.state == OrderState.PAID)
        .order_by(Order.paid_at)
        .limit(shapes.PAGE_SIZE)
    )
    return [
        {
            "order_code": row.code,
            "lot_code": row.lot_code,
            "title": row.title,
            "devices": row.devices,
            "buyer": row.buyer,
        }
        for row in rows
    ]
