"""What a bench reads for its list: how many devices wait where, which fifty come first, and what decides their steps.

A bench is looked at all day and holds thousands of devices. So each of the three is put together once and reads no more
than it must: the counts go through indexes alone, a page is cut out state by state in the order in which the index has
it, and the fifty rows are read without anything that the list does not show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ewaste.centres.models import WorkOrder
from ewaste.certificates.models import CertificateRefusal, Clearance
from ewaste.devices.lifecycle import ENDS, WAYS, State
from ewaste.devices.models import Device, Hold
from ewaste.tradein.models import Offer, OfferState
from ewaste.views import shapes

# What the bench works on, the most pressing first.
WORK = (State.RECEIVED, State.DESTROYING, State.CLEARED, State.CLEARING, State.INSPECTED, State.EXPECTED)
_CLEARED = (*sorted(WAYS), State.CLEARED)
_PAGE: Any = sa.literal_column(str(shapes.PAGE_SIZE))


def counts(session: Session, centre_id: UUID, now: datetime) -> tuple[dict[str, int], dict[State, int]]:
    """How many devices are in each queue, and in each state. A device on hold is in no other queue."""
    return read_counts(session.scalar(sa.select(COUNTED), {"centre": centre_id, "now": now}))


def read_counts(counted: Sequence[Sequence[Any]] | None) -> tuple[dict[str, int], dict[State, int]]:
    """The same from what the column `COUNTED` gives, for who reads it along with something else."""
    found: dict[tuple[str, str], int] = {(what, state): number for what, state, number in counted or ()}

    def of(what: str, *states: State) -> int:
        return sum(found.get((what, state.value), 0) for state in states)

    def free(*states: State) -> int:
        return of("all", *states) - of("held", *states)

    in_states = {state: of("all", state) for state in State}
    return {
        "expected": free(State.EXPECTED),
        "received": free(State.RECEIVED),
        "inspected": of("asked", State.INSPECTED),
        "back": free(State.INSPECTED) - of("asked", State.INSPECTED),
        "order": free(State.CLEARING) - of("ordered", State.CLEARING),
        "wiping": of("ordered", State.CLEARING) - of("refused", State.CLEARING),
        "failed": free(State.DESTROYING) + of("refused", State.CLEARING),
        "second": free(State.CLEARED) - of("unclear", State.CLEARED),
        "again": of("unclear", *_CLEARED),
        "hold": sum(of("held", state) for state in State if state not in ENDS),
        "sold": in_states[State.SOLD],
    }, in_states


def later_page(
    session: Session, centre_id: UUID, in_states: Mapping[State, int], columns: sa.Select[Any], *, skip: int, take: int
) -> list[Any]:
    """The devices that the bench works on: the most pressing state first, in each the longest waiting first.

    `columns` are those that `pressing` made for any page; `in_states` says how many devices are in each state.
    """
    bounds: dict[str, Any] = {"centre": centre_id}
    for place, state in enumerate(WORK):
        here = in_states.get(state, 0)
        first, last = min(skip, here), min(skip + take, here)
        bounds |= {f"skip_{place}": first, f"take_{place}": last - first}
        take -= last - first
        skip -= first
    return list(session.connection().execute(columns, bounds).all())


def pressing(columns: sa.Select[Any]) -> tuple[sa.Select[Any], sa.Select[Any]]:
    """These columns of the devices that the bench works on, in the order of `later_page`; to be made once.

    The first statement gives the first page, and binds `centre`; the second is for `later_page`, and gives any.
    """
    first, later = (
        columns.join(parts, parts.c.id == Device.id).order_by(parts.c.place, parts.c.since, parts.c.id)
        for parts in (_FIRST, _LATER)
    )
    return first, later


def rows(session: Session, ids: Sequence[UUID], columns: sa.Select[Any]) -> list[Any]:
    """What `columns` reads of these devices, in their order. The statement binds the ids as `ids`."""
    places = {device_id: place for place, device_id in enumerate(ids)}
    found = session.connection().execute(columns, {"ids": list(ids)}).all()
    return sorted(found, key=lambda row: places[row.id])


def _said(value: StrEnum) -> Any:
    """A value that is the same in every run of a statement, written into it: PostgreSQL then plans it once, for all."""
    return sa.literal_column(f"'{value.value}'")


def _counted(what: str, *where: sa.ColumnElement[bool]) -> Any:
    name: Any = sa.literal_column(f"'{what}'").label("what")
    return (
        sa.select(name, Device.state.label("state"), sa.func.count().label("number"))
        .where(Device.centre_id == sa.bindparam("centre"), *where)
        .group_by(Device.state)
    )


_HELD = Device.id.in_(sa.select(Hold.device_id).where(Hold.lifted_at.is_(None)))
_OPEN_ORDER = (
    WorkOrder.consumed_at.is_(None),
    WorkOrder.superseded_at.is_(None),
    WorkOrder.expires_at > sa.bindparam("now", type_=WorkOrder.expires_at.type),
)
_ORDERED = Device.id.in_(sa.select(WorkOrder.device_id).where(*_OPEN_ORDER))
_REFUSED = sa.exists().where(
    CertificateRefusal.device_code == Device.code,
    WorkOrder.device_id == Device.id,
    CertificateRefusal.at >= WorkOrder.issued_at,
    *_OPEN_ORDER,
)
# A device is sent its way with a clearance, so one without has one that ended; those are few, and looked for first.
_ended, _lives = aliased(Clearance), aliased(Clearance)
_NOT_CLEAR = sa.and_(
    Device.id.in_(sa.select(_ended.device_id).where(_ended.ended_at.isnot(None))),
    ~sa.exists().where(_lives.device_id == Device.id, _lives.ended_at.is_(None)),
)
_COUNTS = sa.union_all(
    _counted("all"),
    _counted("held", _HELD),
    _counted(
        "asked",
        Device.state == _said(State.INSPECTED),
        Device.id.in_(sa.select(Offer.device_id).where(Offer.state == _said(OfferState.OPEN))),
        ~_HELD,
    ),
    _counted("ordered", Device.state == _said(State.CLEARING), _ORDERED, ~_HELD),
    _counted(
        "refused",
        Device.state == _said(State.CLEARING),
        Device.code.in_(sa.select(CertificateRefusal.device_code)),
        _REFUSED,
        ~_HELD,
    ),
    _counted("unclear", Device.state.in_([_said(state) for state in _CLEARED]), _NOT_CLEAR, ~_HELD),
)

_all_counts = _COUNTS.subquery()
# A column of any statement that binds `centre` and `now`: a list of [what, state, how many].
COUNTED = (
    sa.select(sa.func.json_agg(sa.func.json_build_array(_all_counts.c.what, _all_counts.c.state, _all_counts.c.number)))
    .scalar_subquery()
    .label("counted")
)


def _part(place: int, state: State, *, first: bool) -> Any:
    """One state's share of a page: of the first page at most all of it, of a later one what its bounds say."""
    cut = (
        sa.select(Device.id, Device.since)
        .where(Device.centre_id == sa.bindparam("centre"), Device.state == _said(state))
        .order_by(Device.since, Device.id)
    )
    if first:
        cut = cut.limit(_PAGE)
    else:
        cut = cut.limit(sa.bindparam(f"take_{place}", type_=sa.BigInteger())).offset(
            sa.bindparam(f"skip_{place}", type_=sa.BigInteger())
        )
    part = cut.subquery()
    return sa.select(part.c.id, part.c.since, sa.literal_column(str(place)).label("place"))


def _parts(*, first: bool) -> Any:
    parts = sa.union_all(*(_part(place, state, first=first) for place, state in enumerate(WORK))).subquery()
    if not first:
        return parts
    order = (parts.c.place, parts.c.since, parts.c.id)
    number = sa.func.row_number().over(order_by=order).label("number")
    return sa.select(parts.c.id, parts.c.since, parts.c.place, number).order_by(*order).limit(_PAGE).subquery()


# The first page is what nearly everybody looks at. Its bounds are always the same, so it is planned once; of a later
# one PostgreSQL could not know how far it has to read.
_FIRST, _LATER = _parts(first=True), _parts(first=False)
IS_FIRST: sa.ColumnElement[bool] = _FIRST.c.number == sa.literal_column("1")
