"""Devices as the desk sees them: every one of them by filters and by search, one with all that is known, and those
that can be sold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, OrganisationKind, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import WorkOrder
from ewaste.certificates.models import Certificate, CertificateRefusal, Clearance
from ewaste.core.ids import DEVICE, WORK_ORDER, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import Invalid
from ewaste.devices.incidents import Incident
from ewaste.devices.lifecycle import ENDS, WAYS, State
from ewaste.devices.models import CustodyEvent, Device, DeviceClass, Hold, HoldKind, Medium
from ewaste.market.models import Listing, ListingState, Lot, LotLine, Order
from ewaste.payments.models import Entry, PaymentInstruction, Posting
from ewaste.processing import ways
from ewaste.processing.models import Inspection, Routing
from ewaste.tradein import offers
from ewaste.tradein.models import Offer, OfferState
from ewaste.views import books, desk_step, market, public, shapes
from ewaste.views import device as devices

HELD, UNCLEARED, OVERDUE, UNSOLD = "held", "uncleared", "overdue", "unsold"
UNSOLD_AFTER = timedelta(days=14)
OVERDUE_AFTER = timedelta(days=14)
MOST_LISTABLE = 500
MOST_ROWS = 20_000
# What a lot begins at: this share of what its devices are expected to bring.
START_PERCENT = 50
LEAST_START = 100

IS_HELD = (
    sa.select(sa.literal(1)).where(Hold.device_id == Device.id, Hold.lifted_at.is_(None)).correlate(Device).exists()
)
CLEARED = (
    sa.select(sa.literal(1))
    .where(Clearance.device_id == Device.id, Clearance.ended_at.is_(None), Clearance.cycle == Device.cycle)
    .correlate(Device)
    .exists()
)
FOR_SALE = sa.or_(
    sa.select(sa.literal(1))
    .where(LotLine.device_id == Device.id, LotLine.released_at.is_(None))
    .correlate(Device)
    .exists(),
    sa.select(sa.literal(1))
    .where(Listing.device_id == Device.id, Listing.state == ListingState.OPEN)
    .correlate(Device)
    .exists(),
)
_HOLDS = (
    sa.select(sa.func.count())
    .where(Hold.device_id == Device.id, Hold.lifted_at.is_(None))
    .correlate(Device)
    .scalar_subquery()
)


@dataclass(frozen=True)
class Filters:
    """What a list of devices is narrowed to; empty means all. `state` may be a state or one of the queues above."""

    q: str = ""
    state: str = ""
    centre: UUID | None = None
    device_class: str = ""
    hold: str = ""
    way: str = ""

    @property
    def narrow(self) -> bool:
        """Whether anything is left out."""
        return any(asdict(self).values())


def overdue(now: datetime) -> sa.ColumnElement[bool]:
    """Announced long ago, and not at its centre yet."""
    return sa.and_(Device.state == State.EXPECTED, Device.since < now - OVERDUE_AFTER)


def device_list(session: Session, actor: Actor, chosen: Filters, *, page: int, now: datetime) -> dict[str, Any]:
    """The devices that fit, the latest moved first, 50 a page, with what else could be chosen."""
    policy.require(actor, Action.SEE_DESK)
    chosen = _clean(chosen)
    wanted = _wanted(chosen, now)
    total = int(session.scalar(sa.select(sa.func.count()).select_from(Device).where(*wanted)) or 0)
    rows = session.execute(_rows(wanted).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE))
    found = [_row(row) for row in rows]
    held = int(
        session.scalar(sa.select(sa.func.count(sa.distinct(Hold.device_id))).where(Hold.lifted_at.is_(None))) or 0
    )
    return {
        "devices": found,
        "states": states(session) + ([{"state": HELD, "count": held}] if held else []),
        "centres": centres(session),
        "classes": [member.value for member in DeviceClass],
        "holds": [member.value for member in HoldKind],
        "ways": list(market.WAYS),
        "chosen": chosen,
        "q": chosen.q,
        "state": chosen.state or None,
        "total": total,
    }


def device_rows(session: Session, actor: Actor, chosen: Filters, *, now: datetime) -> list[dict[str, Any]]:
    """All the devices that fit, for a file; at most 20,000."""
    policy.require(actor, Action.SEE_DESK)
    return [_row(row) for row in session.execute(_rows(_wanted(_clean(chosen), now)).limit(MOST_ROWS))]


def find(session: Session, actor: Actor, code: str) -> Device:
    """The device with this code, for somebody at the desk; not locked. Raises `NotAllowed` or `NotFound`."""
    policy.require(actor, Action.SEE_DESK)
    return devices.find(session, actor, code)


def to_revoke(session: Session, actor: Actor, certificate_id: UUID) -> dict[str, Any]:
    """A certificate and its device, for whoever is about to revoke it. Raises `NotFound`."""
    policy.require(actor, Action.REVOKE_CERTIFICATE)
    _, certificate, device = public.certificate(session, certificate_id)
    return {"certificate": certificate, "device": device}


def device(session: Session, actor: Actor, code: str) -> dict[str, Any]:
    """A device with all that is known of it, and what this actor may do with it now."""
    found = find(session, actor, code)
    told = devices.story(session, found.id, actor)
    held = bool(told["device"]["holds"])
    listable_now = bool(session.scalar(sa.select(sa.func.device_listable(found.id))))
    in_lot = session.scalar(
        sa.select(Lot.code)
        .join(LotLine, LotLine.lot_id == Lot.id)
        .where(LotLine.device_id == found.id, LotLine.released_at.is_(None))
    )
    gone = found.state in ENDS or found.state in (State.DELIVERED, State.LOST)
    rules = {
        "list": (
            Action.LIST_DEVICE,
            listable_now and found.state is State.FOR_RESALE and not told["listing"] and not in_lot,
        ),
        "unlist": (Action.LIST_DEVICE, told["listing"] is not None),
        "lost": (Action.REPORT_LOST, not gone),
        "revoke": (Action.REVOKE_CERTIFICATE, True),
        "hold": (Action.HOLD, not gone),
        "lift": (Action.HOLD, held),
    }
    offer, owed = told["offer"], told["payout"] is not None and told["payout"]["status"] != "paid"
    told["device"]["next"] = step = desk_step.step(
        desk_step.Stands(
            found.state,
            told["device"]["centre_name"],
            held=held,
            listable=listable_now,
            for_sale=told["listing"] is not None or in_lot is not None,
            answer_by=offer["answer_by"] if offer and offer["status"] == "open" else None,
            pay_by=offer["pay_by"] if offer and owed else None,
        )
    )
    # The story ends in the same words.
    ahead = {"title": step["title"], "text": step["text"]} if step else {}
    told["events"] = [{**event, **ahead} if event["kind"] == "next" else event for event in told["events"]]
    return told | {
        "ask": {
            "proposed": shapes.money(ways.selling_price(session, found.id)),
            "paid": shapes.money(offers.paid_for(session, [found.id])),
        },
        "lot_code": in_lot,
        "hold_kinds": [kind.value for kind in HoldKind],
        "hold_history": _holds(session, found.id),
        "money": _money(session, found.id),
        "orders": _orders(session, found.id),
        "incidents": [
            {"code": row.code, "title": row.title, "open": row.closed_at is None, "tell_by": row.tell_by}
            for row in session.scalars(
                sa.select(Incident).where(Incident.device_id == found.id).order_by(Incident.opened_at.desc())
            )
        ],
        "may": {name for name, (action, open_) in rules.items() if open_ and policy.allows(actor, action)},
    }


def listable(
    session: Session,
    actor: Actor,
    *,
    way: str | None,
    centre: UUID | None,
    device_class: str = "",
    codes: Sequence[str] = (),
) -> dict[str, Any]:
    """Devices that can go into a lot at this moment, the longest cleared first, at most 500; and the sums of those
    among `codes`, which are shown whatever else is filtered.
    """
    policy.require(actor, Action.FORM_LOT)
    states_ = [State(f"for_{way}")] if way in market.WAYS else list(WAYS)
    picked = {code for text in codes if (code := read_code(text, DEVICE))}
    fits: list[sa.ColumnElement[bool]] = [Device.state.in_(states_)]
    if centre is not None:
        fits.append(Device.centre_id == centre)
    if device_class in set(DeviceClass):
        fits.append(Device.device_class == DeviceClass(device_class))
    query = (
        sa.select(Device, Organisation.name, Clearance.at)
        .join(Organisation, Organisation.id == Device.centre_id)
        .join(Clearance, sa.and_(Clearance.device_id == Device.id, Clearance.ended_at.is_(None)))
        .where(
            sa.or_(sa.and_(*fits), Device.code.in_(picked)),
            Device.state.in_(list(WAYS)),
            ~FOR_SALE,
            sa.func.device_listable(Device.id),
        )
    )
    rows = session.execute(
        query.order_by(Device.code.in_(picked).desc(), Clearance.at, Device.id).limit(MOST_LISTABLE + 1)
    ).all()
    more, rows = len(rows) > MOST_LISTABLE, rows[:MOST_LISTABLE]
    shown = _lot_rows(session, rows)
    mine = [row for row in shown if row["code"] in picked]
    return {
        "devices": shown,
        "more": more,
        "centres": centres(session),
        "classes": [member.value for member in DeviceClass],
        "way": way if way in market.WAYS else None,
        "centre": centre,
        "device_class": device_class if device_class in set(DeviceClass) else "",
        "picked": [row["code"] for row in mine],
        "sums": sums(mine) if mine else None,
    }


def sums(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What these devices come to as a lot: value, mass, cost, the start we suggest and why, and what is against it."""
    value = sum(row["expected_value"].amount_minor for row in rows if row["expected_value"])
    cost = sum(row["paid"].amount_minor for row in rows if row["paid"])
    start = max(LEAST_START, value * START_PERCENT // 100 // 100 * 100)
    there, way = {row["centre_name"] for row in rows}, {row["way"] for row in rows}
    against = []
    if len(there) > 1:
        against.append(
            f"These devices lie at {len(there)} centres ({', '.join(sorted(there))}). A lot is collected at one place: "
            "choose one centre."
        )
    if len(way) > 1:
        against.append(f"These devices go {len(way)} ways ({', '.join(sorted(way))}). A lot goes one way: choose one.")
    classes: dict[str, int] = {}
    for row in rows:
        classes[row["device_class"]] = classes.get(row["device_class"], 0) + 1
    return {
        "count": len(rows),
        "classes": classes,
        "value": Money(value, "EUR"),
        "cost": Money(cost, "EUR"),
        "mass_g": sum(row["mass_g"] for row in rows),
        "unweighed": sum(not row["mass_g"] for row in rows),
        "start": Money(start, "EUR"),
        "reason": f"{START_PERCENT} % of what the devices are expected to bring, in whole euros. A start near the full "
        "value keeps bidders away; the reserve is what protects us.",
        "against": against,
    }


def floor_below_cost(start_minor: int, reserve_minor: int, cost: Money) -> Money | None:
    """The least that a lot may go for, when that is less than we paid for its devices; None when it is not."""
    floor = Money(max(start_minor, reserve_minor), cost.currency)
    return floor if floor.amount_minor < cost.amount_minor else None


def cost_of_lot(session: Session, lot: Lot) -> Money:
    """What we paid for the devices of a lot."""
    ids = session.scalars(sa.select(LotLine.device_id).where(LotLine.lot_id == lot.id)).all()
    return Money(offers.paid_for(session, ids), lot.currency)


def require_choice(codes: Sequence[str]) -> None:
    """Raises `Invalid` when nothing, or too much, was chosen for a lot."""
    if not codes:
        raise Invalid("Nothing is chosen yet. Tick at least one device.", field="devices")
    if len(codes) > MOST_LISTABLE:
        raise Invalid(
            f"{len(codes):,} devices are chosen; a lot has at most {MOST_LISTABLE}. Make two lots of them.",
            field="devices",
        )


def states(session: Session) -> list[dict[str, Any]]:
    """How many devices are in each state, in the order of a device's life; empty states are left out."""
    counts: dict[State, int] = {
        row[0]: int(row[1])
        for row in session.execute(sa.select(Device.state, sa.func.count()).group_by(Device.state)).all()
    }
    return [{"state": member.value, "count": counts[member]} for member in State if counts.get(member)]


def centres(session: Session) -> list[dict[str, Any]]:
    """Every test centre, by name."""
    rows = session.execute(
        sa.select(Organisation.id, Organisation.name)
        .where(Organisation.kind == OrganisationKind.CENTRE)
        .order_by(Organisation.name)
    )
    return [{"id": row.id, "name": row.name} for row in rows]


def _clean(chosen: Filters) -> Filters:
    known = {HELD, UNCLEARED, OVERDUE, UNSOLD, *State}
    return Filters(
        q=" ".join(chosen.q.split()),
        state=chosen.state if chosen.state in known else "",
        centre=chosen.centre,
        device_class=chosen.device_class if chosen.device_class in set(DeviceClass) else "",
        hold=chosen.hold if chosen.hold in set(HoldKind) else "",
        way=chosen.way if chosen.way in market.WAYS else "",
    )


def _wanted(chosen: Filters, now: datetime) -> list[sa.ColumnElement[bool]]:
    special = {
        HELD: IS_HELD,
        UNCLEARED: sa.and_(Device.state.in_(WAYS), ~CLEARED),
        OVERDUE: overdue(now),
        UNSOLD: sa.and_(
            Device.state.in_(WAYS),
            ~IS_HELD,
            ~FOR_SALE,
            sa.exists().where(
                Clearance.device_id == Device.id, Clearance.ended_at.is_(None), Clearance.at < now - UNSOLD_AFTER
            ),
        ),
    }
    wanted: list[sa.ColumnElement[bool]] = []
    if chosen.state:
        wanted.append(special[chosen.state] if chosen.state in special else Device.state == State(chosen.state))
    if chosen.centre is not None:
        wanted.append(Device.centre_id == chosen.centre)
    if chosen.device_class:
        wanted.append(Device.device_class == DeviceClass(chosen.device_class))
    if chosen.hold:
        wanted.append(
            sa.exists().where(Hold.device_id == Device.id, Hold.lifted_at.is_(None), Hold.kind == HoldKind(chosen.hold))
        )
    if chosen.way:
        wanted.append(
            sa.exists().where(
                Routing.device_id == Device.id, Routing.cycle == Device.cycle, Routing.chosen == f"for_{chosen.way}"
            )
        )
    if chosen.q:
        wanted.append(_fits(chosen.q))
    return wanted


def _fits(q: str) -> sa.ColumnElement[bool]:
    """By code, a work order's code, a certificate's number, serial number or IMEI, a medium's serial number, model, or
    the seller's e-mail address.
    """
    code = read_code(q, DEVICE)
    if code:
        return Device.code == code
    order = read_code(q, WORK_ORDER)
    if order:
        return Device.id.in_(sa.select(WorkOrder.device_id).where(WorkOrder.code == order))
    number = _number(q)
    if number is not None:
        urn = number.urn
        return sa.or_(
            Device.id.in_(
                sa.select(Certificate.device_id).where(
                    sa.or_(Certificate.credential_id == urn, Certificate.id == number)
                )
            ),
            Device.code.in_(sa.select(CertificateRefusal.device_code).where(CertificateRefusal.credential_id == urn)),
        )
    pattern = shapes.like(q)
    if "@" in q:
        return Device.seller_id.in_(sa.select(Person.id).where(Person.email.like(shapes.like(q.lower())[1:])))
    bare = shapes.like("".join(q.split()).upper())
    return sa.or_(
        sa.func.upper(Device.claimed_serial).like(bare),
        sa.func.upper(Device.observed["serial"].as_string()).like(bare),
        Device.id.in_(sa.select(Medium.device_id).where(sa.func.upper(Medium.serial).like(bare))),
        (Device.brand + " " + Device.model).ilike(pattern),
        Device.code.ilike(pattern),
    )


def _number(q: str) -> UUID | None:
    """A certificate's number, as it is written or with urn:uuid: before it; None for what is none."""
    try:
        return UUID("".join(q.split()))
    except ValueError:
        return None


def _rows(wanted: Sequence[sa.ColumnElement[bool]]) -> sa.Select[Any]:
    return (
        sa.select(Device, Organisation.name.label("centre_name"), _HOLDS.label("holds"))
        .join(Organisation, Organisation.id == Device.centre_id)
        .where(*wanted)
        .order_by(Device.since.desc(), Device.id)
    )


def _row(row: Any) -> dict[str, Any]:
    found: Device = row[0]
    return {
        "code": found.code,
        "title": shapes.title(found.brand, found.model),
        "device_class": found.device_class.value,
        "state": found.state.value,
        "serial": str(found.observed.get("serial", found.claimed_serial)),
        "centre_name": row.centre_name,
        "since": found.since,
        "cycle": found.cycle,
        "owner": found.title.value,
        "announced_at": found.created_at,
        "holds": row.holds,
    }


def _lot_rows(session: Session, rows: Sequence[Any]) -> list[dict[str, Any]]:
    ids = [found.id for found, _, _ in rows]
    graded = {
        inspection.device_id: inspection
        for inspection in session.scalars(
            sa.select(Inspection).where(Inspection.device_id.in_(ids)).order_by(Inspection.device_id, Inspection.at)
        )
    }
    routed = {
        routing.device_id: routing
        for routing in session.scalars(
            sa.select(Routing).where(Routing.device_id.in_(ids)).order_by(Routing.device_id, Routing.at)
        )
    }
    weighed: dict[UUID, int] = {
        row[0]: int(row[1])
        for row in session.execute(
            sa.select(CustodyEvent.device_id, CustodyEvent.evidence["massGrams"].as_integer())
            .where(CustodyEvent.device_id.in_(ids), CustodyEvent.evidence.has_key("massGrams"))
            .order_by(CustodyEvent.device_id, CustodyEvent.seq.desc())
            .ext(distinct_on(CustodyEvent.device_id))
        )
    }
    paid: dict[UUID, int] = {
        row[0]: int(row[1])
        for row in session.execute(
            sa.select(Offer.device_id, sa.func.sum(Offer.amount_minor))
            .where(Offer.device_id.in_(ids), Offer.state == OfferState.CONFIRMED)
            .group_by(Offer.device_id)
        )
    }
    return [
        {
            "code": found.code,
            "title": shapes.title(found.brand, found.model),
            "device_class": found.device_class.value,
            "way": found.state.value.removeprefix("for_"),
            "centre_id": found.centre_id,
            "centre_name": name,
            "grade_cosmetic": graded[found.id].cosmetic if found.id in graded else None,
            "grade_function": _function(routed.get(found.id), graded.get(found.id)),
            "expected_value": _expected(routed.get(found.id)),
            "mass_g": weighed.get(found.id, 0),
            "paid": shapes.money(paid.get(found.id, 0)),
            "cleared_at": cleared,
        }
        for found, name, cleared in rows
    ]


def _function(routing: Routing | None, inspection: Inspection | None) -> str | None:
    """The grade by which it was sent its way, as its manifest says it; without its drive it is not what it was."""
    if routing is not None:
        return str(routing.inputs["function"])
    return inspection.function if inspection else None


def _expected(routing: Routing | None) -> Money | None:
    if routing is None:
        return None
    net = next((way["expected_net_minor"] for way in routing.ways if way["name"] == routing.chosen), None)
    return shapes.money(net)


def _holds(session: Session, device_id: UUID) -> list[dict[str, Any]]:
    """Every hold that a device ever had, the newest first, with who placed and who lifted it."""
    placer, lifter = aliased(Person), aliased(Person)
    rows = session.execute(
        sa.select(Hold, placer.name.label("placed"), lifter.name.label("lifted"))
        .outerjoin(placer, placer.id == Hold.placed_by)
        .outerjoin(lifter, lifter.id == Hold.lifted_by)
        .where(Hold.device_id == device_id)
        .order_by(Hold.placed_at.desc())
    )
    return [
        {
            "kind": row[0].kind.value,
            "reason": row[0].reason,
            "placed_at": row[0].placed_at,
            "placed_by": row.placed,
            "lifted_at": row[0].lifted_at,
            "lifted_by": row.lifted,
            "lift_reason": row[0].lift_reason,
        }
        for row in rows
    ]


def _money(session: Session, device_id: UUID) -> dict[str, Any]:
    """What was paid for a device, and every posting about it."""
    payments = session.scalars(
        sa.select(PaymentInstruction)
        .where(PaymentInstruction.subject_id == device_id)
        .order_by(PaymentInstruction.written_at.desc())
    )
    postings = session.execute(
        sa.select(
            Posting.id,
            Posting.kind,
            Posting.key,
            Posting.at,
            sa.func.sum(sa.case((Entry.amount_minor > 0, Entry.amount_minor), else_=0)).label("amount"),
            sa.func.min(Entry.currency).label("currency"),
        )
        .join(Entry, Entry.posting_id == Posting.id)
        .where(Posting.subject_id == device_id)
        .group_by(Posting.id)
        .order_by(Posting.at.desc())
    )
    return {
        "payments": [books.payment(row) for row in payments],
        "postings": [
            {
                "id": row.id,
                "text": books.posting_words(row.kind, row.key),
                "at": row.at,
                "amount": Money(int(row.amount), row.currency),
            }
            for row in postings
        ],
    }


def _orders(session: Session, device_id: UUID) -> list[dict[str, Any]]:
    """The orders that a device was ever in, the newest first."""
    lots = sa.select(LotLine.lot_id).where(LotLine.device_id == device_id)
    listings = sa.select(Listing.id).where(Listing.device_id == device_id)
    rows = session.scalars(
        sa.select(Order)
        .where(sa.or_(Order.lot_id.in_(lots), Order.listing_id.in_(listings)))
        .order_by(Order.made_at.desc())
    )
    return [
        {
            "code": row.code,
            "state": market.ORDER_WORDS[row.state],
            "kind": "lot" if row.lot_id else "shop",
            "made_at": row.made_at,
        }
        for row in rows
    ]
