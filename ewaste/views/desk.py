"""The staff desk: what needs a person, every device, what can be sold, and the orders that came of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import (
    Actor,
    Membership,
    Organisation,
    OrganisationKind,
    OrganisationState,
    Person,
    Role,
)
from ewaste.accounts.policy import Action
from ewaste.centres.models import Centre, Standing
from ewaste.certificates.models import CertificateRefusal, Clearance
from ewaste.core.ids import ORDER, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.lifecycle import ENDS, WAYS, State
from ewaste.devices.models import CustodyEvent, Device, Hold, HoldKind
from ewaste.market.models import Listing, ListingState, Lot, LotLine, LotState, Order, OrderState
from ewaste.payments import ledger
from ewaste.payments.models import PaymentInstruction
from ewaste.processing.models import Inspection, Routing
from ewaste.views import books, market, shapes
from ewaste.views import device as devices

HELD, UNCLEARED = "held", "uncleared"
RECENT = timedelta(days=7)
MOST_LISTABLE = 500
# The roles of accounts as pages name them.
ROLE_WORDS = {Role.OPERATOR: "centre"}


def desk(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """What needs a person: queues with their counts, open lots, last refusals, jobs, newest accounts, the ledger."""
    policy.require(actor, Action.SEE_DESK)
    lots = session.scalars(
        sa.select(Lot).where(Lot.state == LotState.OPEN).order_by(Lot.ends_at, Lot.id).limit(10)
    ).all()
    totals = ledger.sums(session)
    return {
        "queues": _queues(session, now),
        "states": _states(session),
        "lots": market.lot_cards(session, lots, now=now),
        "refusals": books.refusals(session, actor, kind=None, page=1, size=8)[0],
        "jobs": books.jobs(session, now=now),
        "accounts": _newest(session),
        "ledger": {
            "sums": [{"currency": currency, "sum": Money(total, currency)} for currency, total in totals.items()],
            "ok": not any(totals.values()),
        },
        "may": {"form_lot"} if policy.allows(actor, Action.FORM_LOT) else set(),
    }


def device_list(session: Session, actor: Actor, *, q: str, state: str | None, page: int) -> dict[str, Any]:
    """Every device that fits: by code, part of a serial, or model. `state` may also be `held` or `uncleared`."""
    policy.require(actor, Action.SEE_DESK)
    query = (
        sa.select(Device, Organisation.name, CustodyEvent.at, _HOLDS.label("holds"))
        .join(Organisation, Organisation.id == Device.centre_id)
        .join(CustodyEvent, sa.and_(CustodyEvent.device_id == Device.id, CustodyEvent.seq == Device.custody_seq))
    )
    special = {HELD: _IS_HELD, UNCLEARED: sa.and_(Device.state.in_(WAYS), ~_CLEARED)}
    chosen = state if state in special or state in set(State) else None
    wanted: list[sa.ColumnElement[bool]] = []
    if chosen is not None:
        wanted.append(special[chosen] if chosen in special else Device.state == State(chosen))
    if q.strip():
        wanted.append(_fits(q.strip()))
    total = int(session.scalar(sa.select(sa.func.count()).select_from(Device).where(*wanted)) or 0)
    rows = session.execute(
        query.where(*wanted)
        .order_by(CustodyEvent.at.desc(), Device.id)
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    )
    states = _states(session)
    held = int(
        session.scalar(sa.select(sa.func.count(sa.distinct(Hold.device_id))).where(Hold.lifted_at.is_(None))) or 0
    )
    return {
        "devices": [
            {
                "code": found.code,
                "title": shapes.title(found.brand, found.model),
                "device_class": found.device_class.value,
                "state": found.state.value,
                "serial": str(found.observed.get("serial", found.claimed_serial)),
                "centre_name": centre,
                "since": since,
                "holds": holds,
            }
            for found, centre, since, holds in rows
        ],
        "states": states + ([{"state": HELD, "count": held}] if held else []),
        "q": q,
        "state": chosen,
        "total": total,
    }


def find(session: Session, actor: Actor, code: str) -> Device:
    """The device with this code, for somebody at the desk; not locked. Raises `NotAllowed` or `NotFound`."""
    policy.require(actor, Action.SEE_DESK)
    return devices.find(session, actor, code)


def device(session: Session, actor: Actor, code: str) -> dict[str, Any]:
    """A device with all that is known of it, and what this actor may do with it now."""
    found = find(session, actor, code)
    told = devices.story(session, found.id, actor)
    held = bool(told["device"]["holds"])
    listable = bool(session.scalar(sa.select(sa.func.device_listable(found.id))))
    in_lot = session.scalar(
        sa.select(Lot.code)
        .join(LotLine, LotLine.lot_id == Lot.id)
        .where(LotLine.device_id == found.id, LotLine.released_at.is_(None))
    )
    gone = found.state in ENDS or found.state in (State.DELIVERED, State.LOST)
    rules = {
        "list": (
            Action.LIST_DEVICE,
            listable and found.state is State.FOR_RESALE and not told["listing"] and not in_lot,
        ),
        "unlist": (Action.LIST_DEVICE, told["listing"] is not None),
        "lost": (Action.REPORT_LOST, not gone),
        "revoke": (Action.REVOKE_CERTIFICATE, True),
        "hold": (Action.HOLD, not gone),
        "lift": (Action.HOLD, held),
    }
    if held:
        told["device"]["next"] = {
            "title": "Settle the hold",
            "text": "Nothing moves until it is lifted, with the reason.",
            "by": None,
            "who": None,
        }
    return told | {
        "lot_code": in_lot,
        "hold_kinds": [kind.value for kind in HoldKind],
        "may": {name for name, (action, open_) in rules.items() if open_ and policy.allows(actor, action)},
    }


def listable(session: Session, actor: Actor, *, way: str | None, centre: UUID | None) -> dict[str, Any]:
    """Devices that can go into a lot at this moment, the longest cleared first; at most 500."""
    policy.require(actor, Action.FORM_LOT)
    states = [State(f"for_{way}")] if way in market.WAYS else list(WAYS)
    query = (
        sa.select(Device, Organisation.name, Clearance.at)
        .join(Organisation, Organisation.id == Device.centre_id)
        .join(Clearance, sa.and_(Clearance.device_id == Device.id, Clearance.ended_at.is_(None)))
        .where(Device.state.in_(states), ~_FOR_SALE, sa.func.device_listable(Device.id))
    )
    if centre is not None:
        query = query.where(Device.centre_id == centre)
    rows = session.execute(query.order_by(Clearance.at, Device.id).limit(MOST_LISTABLE)).all()
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
    centres = session.execute(
        sa.select(Organisation.id, Organisation.name)
        .where(Organisation.kind == OrganisationKind.CENTRE)
        .order_by(Organisation.name)
    )
    return {
        "devices": [
            {
                "code": found.code,
                "title": shapes.title(found.brand, found.model),
                "device_class": found.device_class.value,
                "way": found.state.value.removeprefix("for_"),
                "centre_id": found.centre_id,
                "centre_name": name,
                "grade_cosmetic": graded[found.id].cosmetic if found.id in graded else None,
                "grade_function": graded[found.id].function if found.id in graded else None,
                "expected_value": _expected(routed.get(found.id)),
                "cleared_at": cleared,
            }
            for found, name, cleared in rows
        ],
        "centres": [{"id": row.id, "name": row.name} for row in centres],
        "way": way if way in market.WAYS else None,
        "centre": centre,
    }


def order_list(session: Session, actor: Actor, *, state: str | None, page: int) -> dict[str, Any]:
    """Orders, the newest first, of one state or all."""
    policy.require(actor, Action.SEE_DESK)
    counts = {
        row[0]: int(row[1])
        for row in session.execute(sa.select(Order.state, sa.func.count()).group_by(Order.state)).all()
    }
    chosen = OrderState(state) if state in set(OrderState) else None
    query = (
        sa.select(
            Order,
            sa.func.coalesce(Lot.title, Listing.snapshot["title"].as_string()).label("title"),
            sa.func.coalesce(Organisation.name, Person.name).label("buyer"),
        )
        .outerjoin(Lot, Lot.id == Order.lot_id)
        .outerjoin(Listing, Listing.id == Order.listing_id)
        .outerjoin(Organisation, Organisation.id == Order.organisation_id)
        .outerjoin(Person, Person.id == Order.person_id)
    )
    if chosen is not None:
        query = query.where(Order.state == chosen)
    rows = session.execute(
        query.order_by(Order.made_at.desc(), Order.id).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    )
    return {
        "orders": [
            {
                "code": found.code,
                "title": title,
                "buyer": buyer,
                "total": Money(found.amount_minor, found.currency),
                "state": market.ORDER_WORDS[found.state],
                "made_at": found.made_at,
                "pay_by": found.pay_by,
                "kind": "lot" if found.lot_id else "listing",
            }
            for found, title, buyer in rows
        ],
        "states": [
            {"state": member.value, "label": member.value.replace("-", " ").capitalize(), "count": counts[member]}
            for member in OrderState
            if counts.get(member)
        ],
        "state": chosen.value if chosen else None,
        "total": counts.get(chosen, 0) if chosen else sum(counts.values()),
    }


def order(session: Session, actor: Actor, code: str) -> dict[str, Any]:
    """An order as the desk sees it: what it comes to, its buyer, its payments, whether it can be refunded here."""
    policy.require(actor, Action.SEE_DESK)
    bare = read_code(code, ORDER)
    found = session.scalar(sa.select(Order).where(Order.code == bare)) if bare else None
    if found is None:
        raise NotFound("There is no order with this code.")
    buyer = session.execute(
        sa.select(Organisation.name, sa.null().label("email")).where(Organisation.id == found.organisation_id)
        if found.organisation_id
        else sa.select(Person.name, Person.email).where(Person.id == found.person_id)
    ).one()
    payments = session.scalars(
        sa.select(PaymentInstruction)
        .where(PaymentInstruction.subject_id == found.id)
        .order_by(PaymentInstruction.written_at)
    )
    return {
        "order": market.order(session, found, actor=actor),
        "buyer": {"name": buyer.name, "email": buyer.email},
        "payments": [books.payment(row) for row in payments],
        "may": {"refund"} if found.state is OrderState.PAID and policy.allows(actor, Action.REFUND_ORDER) else set(),
    }


_IS_HELD = (
    sa.select(sa.literal(1)).where(Hold.device_id == Device.id, Hold.lifted_at.is_(None)).correlate(Device).exists()
)
_HOLDS = (
    sa.select(sa.func.count())
    .where(Hold.device_id == Device.id, Hold.lifted_at.is_(None))
    .correlate(Device)
    .scalar_subquery()
)
_CLEARED = (
    sa.select(sa.literal(1))
    .where(Clearance.device_id == Device.id, Clearance.ended_at.is_(None), Clearance.cycle == Device.cycle)
    .correlate(Device)
    .exists()
)
_FOR_SALE = sa.or_(
    sa.select(sa.literal(1))
    .where(LotLine.device_id == Device.id, LotLine.released_at.is_(None))
    .correlate(Device)
    .exists(),
    sa.select(sa.literal(1))
    .where(Listing.device_id == Device.id, Listing.state == ListingState.OPEN)
    .correlate(Device)
    .exists(),
)


def _fits(q: str) -> sa.ColumnElement[bool]:
    code = read_code(q, "D")
    if code:
        return Device.code == code
    pattern = shapes.like(q)
    return sa.or_(
        Device.claimed_serial.ilike(pattern),
        Device.observed["serial"].as_string().ilike(pattern),
        (Device.brand + " " + Device.model).ilike(pattern),
        Device.code.ilike(pattern),
    )


def _expected(routing: Routing | None) -> Money | None:
    if routing is None:
        return None
    net = next((way["expected_net_minor"] for way in routing.ways if way["name"] == routing.chosen), None)
    return shapes.money(net)


def _states(session: Session) -> list[dict[str, Any]]:
    counts: dict[State, int] = {
        row[0]: int(row[1])
        for row in session.execute(sa.select(Device.state, sa.func.count()).group_by(Device.state)).all()
    }
    return [{"state": member.value, "count": counts[member]} for member in State if counts.get(member)]


def _newest(session: Session) -> list[dict[str, Any]]:
    rows = session.execute(
        sa.select(Person.name, Person.email, Person.created_at, Membership.role, Organisation.name.label("firm"))
        .outerjoin(Membership, Membership.person_id == Person.id)
        .outerjoin(Organisation, Organisation.id == Membership.organisation_id)
        .order_by(Person.created_at.desc(), Person.id)
        .limit(8)
    )
    return [
        {
            "name": row.name,
            "email": row.email,
            "role": ROLE_WORDS.get(row.role, row.role.value) if row.role else Role.CONSUMER.value,
            "organisation": row.firm,
            "joined_at": row.created_at,
        }
        for row in rows
    ]


def _queues(session: Session, now: datetime) -> list[dict[str, Any]]:
    """The queues of the desk, each a name that the page has an address for. One statement."""

    def many(column: Any, *where: Any) -> Any:
        return sa.select(sa.func.count()).select_from(column).where(*where).scalar_subquery()

    questions: dict[str, tuple[Any, str, str, str]] = {
        "held": (many(Device, _IS_HELD), "On hold", "Settle with the centre, then lift.", "attention"),
        "listable": (
            many(Device, Device.state.in_(WAYS), _CLEARED, ~_IS_HELD, ~_FOR_SALE),
            "Ready to sell",
            "Cleared, routed, and in no sale yet.",
            "calm",
        ),
        "uncleared": (
            many(Device, Device.state.in_(WAYS), ~_CLEARED),
            "Not clear any more",
            "Wait at their centre to be wiped anew.",
            "attention",
        ),
        "certificates": (
            many(CertificateRefusal, CertificateRefusal.at > now - RECENT),
            "Certificates refused",
            "In the last seven days.",
            "refusal",
        ),
        "unpaid": (
            many(Order, Order.state == OrderState.AWAITING_PAYMENT),
            "Orders to be paid",
            "They lapse by themselves.",
            "calm",
        ),
        "paid": (many(Order, Order.state == OrderState.PAID), "Paid, not collected", "They wait at a centre.", "calm"),
        "payments": (
            many(PaymentInstruction, books.open_failures()),
            "Payments failed",
            "Somebody waits for money.",
            "refusal",
        ),
        "centres": (
            many(Centre, Centre.standing != Standing.ACCREDITED),
            "Centres not accredited",
            "New, or suspended.",
            "attention",
        ),
        "recyclers": (
            many(
                Organisation,
                Organisation.kind == OrganisationKind.RECYCLER,
                Organisation.state == OrganisationState.APPLIED,
            ),
            "Recyclers to verify",
            "They wait to bid.",
            "attention",
        ),
        "lost": (many(Device, Device.state == State.LOST), "Lost", "Not cleared means a data incident.", "refusal"),
    }
    counts = session.execute(sa.select(*(count.label(name) for name, (count, *_) in questions.items()))).one()
    return [
        {"name": name, "label": label, "count": int(getattr(counts, name)), "text": text, "tone": tone}
        for name, (_, label, text, tone) in questions.items()
    ]
