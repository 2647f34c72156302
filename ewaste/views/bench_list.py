"""The list of the bench: which devices wait in which queue, one page of them, and what stands beside it.

What is looked at most, the first page of all there is to do, is one statement; every other page is two or three.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, aliased

from ewaste.accounts.models import Actor, Organisation, OrganisationState, Person
from ewaste.centres.models import Centre, Standing, WorkOrder
from ewaste.certificates.models import CertificateRefusal, Clearance
from ewaste.devices.lifecycle import ENDS, WAYS, State
from ewaste.devices.models import Device, Hold
from ewaste.market.models import Listing, Lot, LotLine, Order, OrderState
from ewaste.tradein.models import Offer, OfferState
from ewaste.views import next_step, queues, shapes, standing
from ewaste.views.bench import require
from ewaste.views.centre_list import status_of

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


def queue(
    session: Session, actor: Actor, *, state: str | None, page: int, now: datetime, size: int = shapes.PAGE_SIZE
) -> dict[str, Any]:
    """The bench: how many devices wait in which queue, one page of them, the oldest first, and what is to be collected.

    `state` names a queue, or a state for what lies elsewhere. Without it: everything that waits for the bench's own
    hands, the most pressing first.
    """
    centre_id = require(actor)
    wanted = {"centre": centre_id, "now": now}
    first = None
    if state is None and page == 1 and size == shapes.PAGE_SIZE:
        first = list(session.connection().execute(_FIRST_PAGE, wanted))
    about: dict[str, Any] = (first or session.connection().execute(_ABOUT_ALONE, wanted).all())[0].about
    counts, elsewhere = queues.read_counts(about["counted"])
    states = {member.value: number for member, number in elsewhere.items() if number}
    chosen = state if state in QUEUES or state in states else None
    skip = (page - 1) * size
    if chosen is None and not counts["again"]:
        total = sum(elsewhere[member] for member in WORK)
        if first is None:
            first = queues.later_page(session, centre_id, elsewhere, _LATER_PAGE, skip=skip, take=size)
        rows = first
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
        "centre": _centre(about, now),
        "collections": about["collections"],
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


def _row(row: Any, now: datetime) -> dict[str, Any]:
    stands = standing.of(row, now)
    return {
        "code": row.code,
        "title": shapes.title(row.brand, row.model),
        "device_class": row.device_class.value,
        "state": row.state.value,
        "serial": row.serial,
        "since": row.since,
        "age": max(now - row.since, timedelta()),
        "next_step": next_step.step(stands)[0],
        "holds": row.holds,
        "media": row.media,
        "due_by": next_step.due(stands, row),
    }


def _centre(about: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """How the centre stands; `about` is what `_ABOUT` reads."""
    until = datetime.fromisoformat(about["until"]) if about["until"] else None
    return {
        "name": about["name"],
        "verified": about["firm"] != OrganisationState.APPLIED,
        "status": status_of(Standing(about["standing"]), until, now),
        "accredited_until": until,
        "reason": about["reason"],
    }


def _object(**columns: Any) -> Any:
    """A JSON object of these columns, as PostgreSQL makes it."""
    named: list[Any] = []
    for name, column in columns.items():
        named += [sa.literal_column(f"'{name}'"), column]
    return sa.func.json_build_object(*named)


_IN_THE_LOT = (
    sa.select(sa.func.count())
    .where(LotLine.lot_id == Order.lot_id, LotLine.released_at.is_(None))
    .correlate(Order)
    .scalar_subquery()
)
_BUYING_FIRM = aliased(Organisation)
# The orders that are paid and wait at the centre `centre`, the oldest first, at most a page.
_to_collect = (
    sa.select(
        Order.paid_at,
        Order.code.label("order_code"),
        Lot.code.label("lot_code"),
        sa.func.coalesce(Lot.title, Listing.snapshot["title"].as_string()).label("title"),
        sa.case((Order.lot_id.is_(None), 1), else_=_IN_THE_LOT).label("devices"),
        sa.func.coalesce(_BUYING_FIRM.name, Person.name).label("buyer"),
    )
    .outerjoin(Lot, Lot.id == Order.lot_id)
    .outerjoin(Listing, Listing.id == Order.listing_id)
    .outerjoin(_BUYING_FIRM, _BUYING_FIRM.id == Order.organisation_id)
    .outerjoin(Person, Person.id == Order.person_id)
    .where(Order.centre_id == sa.bindparam("centre"), Order.state == OrderState.PAID)
    .order_by(Order.paid_at)
    .limit(shapes.PAGE_SIZE)
    .subquery()
)
_collected = _object(**{name: _to_collect.c[name] for name in ("order_code", "lot_code", "title", "devices", "buyer")})
_COLLECTIONS = sa.select(
    sa.func.coalesce(
        sa.func.json_agg(aggregate_order_by(_collected, _to_collect.c.paid_at)), sa.literal_column("'[]'::json")
    )
).scalar_subquery()
# Everything beside the list, as one value: how the centre `centre` stands, what is to be collected, and how many
# devices are where `now`.
_ABOUT = (
    sa.select(
        _object(
            name=Organisation.name,
            firm=Organisation.state,
            standing=Centre.standing,
            until=Centre.accredited_until,
            reason=Centre.suspension_reason,
            collections=_COLLECTIONS,
            counted=queues.COUNTED,
        )
    )
    .join_from(Centre, Organisation, Organisation.id == Centre.organisation_id)
    .where(Centre.organisation_id == sa.bindparam("centre"))
    .scalar_subquery()
)
_ABOUT_ALONE = sa.select(_ABOUT.label("about"))
# The rows of a list, put together once: what a device is called, and what decides its next step.
_IN_A_LIST = standing.rows(
    Device.id,
    Device.code,
    Device.brand,
    Device.model,
    Device.device_class,
    sa.func.coalesce(Device.observed["serial"].as_string(), Device.claimed_serial).label("serial"),
    Device.since,
)
_LISTED = _IN_A_LIST.where(Device.id == sa.func.any(sa.bindparam("ids", type_=sa.ARRAY(sa.Uuid()))))
_pressing, _LATER_PAGE = queues.pressing(_IN_A_LIST)
# Its first row brings what stands beside the list.
_FIRST_PAGE = _pressing.add_columns(sa.case((queues.IS_FIRST, _ABOUT)).label("about"))
