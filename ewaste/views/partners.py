"""Whom the market trusts, as the desk sees it: test centres with their scope, recyclers with their licences."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Membership, Organisation, OrganisationKind, Person
from ewaste.accounts.policy import Action
from ewaste.accounts.standing import StandingChange, StandingKind
from ewaste.centres.models import Accreditation, Centre, Station
from ewaste.certificates.models import Certificate, CertificateRefusal, CertificateRevocation
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device, Hold, MediumKind
from ewaste.market.bidders import LICENCES
from ewaste.market.models import BuyerDefault, Dispute, DisputeOutcome, Lot, LotState, Order, OrderState
from ewaste.processing.models import Inspection, OutcomeReport
from ewaste.views import accrediting, market, reaudits, shapes
from ewaste.views.centre_list import status_of

METHODS = {
    "clear": "Clear: overwritten and read back",
    "purge": "Purge: by the medium’s own means",
    "destroy": "Destroy",
}
UPHELD = (DisputeOutcome.REFUND, DisputeOutcome.PARTIAL, DisputeOutcome.RETURN)


def centres(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Every test centre: standing, scope, stations, devices there, certificates refused."""
    policy.require(actor, Action.SEE_DESK)
    columns = (
        _many(Station, Station.centre_id == Centre.organisation_id, Station.revoked_at.is_(None)).label("stations"),
        _many(Device, Device.centre_id == Centre.organisation_id).label("devices"),
        _many(Certificate, Certificate.centre_id == Centre.organisation_id).label("accepted"),
        _many(CertificateRefusal, CertificateRefusal.centre_id == Centre.organisation_id).label("refused"),
    )
    rows = session.execute(
        sa.select(Centre, Organisation, *columns)
        .join(Organisation, Organisation.id == Centre.organisation_id)
        .order_by(Organisation.name)
    ).all()
    return {
        "centres": [
            _centre(row[0], row[1], now)
            | {"stations": row.stations, "devices": row.devices, "accepted": row.accepted, "refused": row.refused}
            for row in rows
        ],
    }


def centre(session: Session, actor: Actor, centre_id: UUID, *, now: datetime) -> dict[str, Any]:
    """One test centre with its figures, stations, people and history. Raises `NotFound`.

    An accreditor sees those it accredited, and those that nobody has accredited yet.
    """
    policy.require(actor, Action.SEE_ACCREDITING, organisation=actor.organisation_id)
    row = session.execute(
        sa.select(Centre, Organisation)
        .join(Organisation, Organisation.id == Centre.organisation_id)
        .where(Centre.organisation_id == centre_id)
    ).one_or_none()
    if row is None or not accrediting.may_see(session, actor, row[0]):
        raise NotFound("There is no such test centre.")
    return {
        **accrediting.of_centre(session, actor, row[0], now=now),
        "centre": _centre(row[0], row[1], now),
        "figures": _figures(session, centre_id),
        "re_audits": reaudits.figures(session, centre_id),
        "stations": [
            {
                "id": station.id,
                "name": station.name,
                "key": station.public_key,
                "method": station.verification_method,
                "enrolled_at": station.enrolled_at,
                "revoked_at": station.revoked_at,
                "revoked_because": station.revoked_because,
                "retires_at": station.retires_at,
                "compromised_since": station.compromised_since,
            }
            for station in session.scalars(
                sa.select(Station)
                .where(Station.centre_id == centre_id)
                .order_by(Station.revoked_at.is_not(None), Station.enrolled_at)
            )
        ],
        "people": _people(session, [centre_id]).get(centre_id, []),
        "history": _centre_history(session, centre_id),
        "methods": [{"value": value, "label": label} for value, label in METHODS.items()],
        "media_kinds": [kind.value for kind in MediumKind],
        "may": {"retire"} if policy.allows(actor, Action.ACCREDIT, organisation=actor.organisation_id) else set(),
    }


def recyclers(session: Session, actor: Actor) -> dict[str, Any]:
    """Every recycler: whether staff verified it, its licences, what it bought, and where it did not pay."""
    policy.require(actor, Action.SEE_DESK)
    rows = session.execute(
        sa.select(
            Organisation,
            _many(Order, Order.organisation_id == Organisation.id).label("bought"),
            _many(BuyerDefault, BuyerDefault.organisation_id == Organisation.id).label("defaults"),
        )
        .where(Organisation.kind == OrganisationKind.RECYCLER)
        .order_by(Organisation.state, Organisation.name)
    ).all()
    ends = _licence_ends(session, [row[0].id for row in rows])
    return {
        "recyclers": [
            _firm(row[0]) | {"bought": row.bought, "defaults": row.defaults, "until": ends.get(row[0].id, {})}
            for row in rows
        ],
    }


def recycler(session: Session, actor: Actor, firm_id: UUID, *, page: int, now: datetime) -> dict[str, Any]:
    """One recycler with its licences, orders, payment behaviour and history. Raises `NotFound`."""
    policy.require(actor, Action.SEE_DESK)
    firm = session.scalar(
        sa.select(Organisation).where(Organisation.id == firm_id, Organisation.kind == OrganisationKind.RECYCLER)
    )
    if firm is None:
        raise NotFound("There is no such recycler.")
    orders = (
        sa.select(Order, Lot.title, Lot.code.label("lot"))
        .outerjoin(Lot, Lot.id == Order.lot_id)
        .where(Order.organisation_id == firm_id)
    )
    rows = session.execute(
        orders.order_by(Order.made_at.desc(), Order.id).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    )
    return {
        "firm": _firm(firm),
        "until": _licence_ends(session, [firm_id]).get(firm_id, {}),
        "today": now.date(),
        "figures": _paying(session, firm_id),
        "leading": int(
            session.scalar(
                sa.select(sa.func.count()).select_from(Lot).where(Lot.state == LotState.OPEN, Lot.leader_id == firm_id)
            )
            or 0
        ),
        "orders": [
            {
                "code": row[0].code,
                "title": row.title,
                "lot": row.lot,
                "state": market.ORDER_WORDS[row[0].state],
                "total": Money(row[0].amount_minor, row[0].currency),
                "made_at": row[0].made_at,
                "pay_by": row[0].pay_by,
                "paid_at": row[0].paid_at,
            }
            for row in rows
        ],
        "total": shapes.count(session, orders),
        "people": _people(session, [firm_id]).get(firm_id, []),
        "history": _decisions(session, firm_id),
        "licences": [{"value": licence, "label": licence.capitalize()} for licence in LICENCES],
        "may": {"verify"} if policy.allows(actor, Action.VERIFY_BUYER) else set(),
    }


def _many(table: Any, *where: Any) -> sa.ScalarSelect[Any]:
    return sa.select(sa.func.count()).select_from(table).where(*where).scalar_subquery()


def _centre(row: Centre, organisation: Organisation, now: datetime) -> dict[str, Any]:
    return {
        "id": row.organisation_id,
        "name": organisation.name,
        "city": organisation.city,
        "country": shapes.COUNTRIES.get(organisation.country, organisation.country),
        "did": row.did,
        "group_name": organisation.group_name,
        "status": status_of(row.standing, row.accredited_until, now),
        "methods": row.methods,
        "media_kinds": row.media_kinds,
        "valid_from": row.accredited_from,
        "valid_until": row.accredited_until,
        "reason": row.suspension_reason or row.withdrawal_reason,
        "suspended_at": row.suspended_at,
        "withdrawn_at": row.withdrawn_at,
        "fraud_since": row.fraud_since,
        "slug": row.did.rpartition(":")[2],
    }


def _firm(row: Organisation) -> dict[str, Any]:
    return {
        "id": row.id,
        "code": row.code,
        "name": row.name,
        "city": row.city,
        "country": shapes.COUNTRIES.get(row.country, row.country),
        "status": row.state.value,
        "licences": row.licences,
        "group_name": row.group_name,
        "joined_at": row.created_at,
    }


def _figures(session: Session, centre_id: UUID) -> dict[str, int]:
    """What a centre did, and where it was corrected. One statement."""
    here = Device.centre_id == centre_id
    devices = sa.select(Device.id).where(here)
    inspected = sa.select(Inspection.device_id, Inspection.cycle).where(Inspection.device_id.in_(devices))
    first = inspected.distinct().subquery()
    columns = {
        "devices": _many(Device, here),
        "accepted": _many(Certificate, Certificate.centre_id == centre_id),
        "refused": _many(CertificateRefusal, CertificateRefusal.centre_id == centre_id),
        "revoked": sa.select(sa.func.count())
        .select_from(CertificateRevocation)
        .join(Certificate, Certificate.id == CertificateRevocation.certificate_id)
        .where(Certificate.centre_id == centre_id)
        .scalar_subquery(),
        "inspections": _many(inspected.subquery()),
        "first_inspections": _many(first),
        "holds": sa.select(sa.func.count())
        .select_from(Hold)
        .join(Device, Device.id == Hold.device_id)
        .where(here, Hold.lifted_at.is_(None))
        .scalar_subquery(),
        "disputes": _many(Dispute, Dispute.centre_id == centre_id),
        "upheld": _many(Dispute, Dispute.centre_id == centre_id, Dispute.outcome.in_(UPHELD)),
    }
    row = session.execute(sa.select(*(column.label(name) for name, column in columns.items()))).one()
    told = {name: int(getattr(row, name)) for name in columns}
    return told | {"regraded": told["inspections"] - told["first_inspections"]}


def _paying(session: Session, firm_id: UUID) -> dict[str, Any]:
    """How a firm pays: orders, those paid and in what time, those not paid. Times in hours. One statement."""
    paid_after = sa.func.extract("epoch", Order.paid_at - Order.made_at) / 3600
    row = session.execute(
        sa.select(
            sa.func.count().label("orders"),
            sa.func.count().filter(Order.paid_at.is_not(None)).label("paid"),
            sa.func.count().filter(Order.state == OrderState.AWAITING_PAYMENT).label("due"),
            sa.func.count().filter(Order.paid_at > Order.pay_by).label("late"),
            sa.func.avg(paid_after).filter(Order.paid_at.is_not(None)).label("hours"),
            sa.func.coalesce(sa.func.sum(Order.amount_minor).filter(Order.paid_at.is_not(None)), 0).label("spent"),
            sa.select(sa.func.count())
            .select_from(BuyerDefault)
            .where(BuyerDefault.organisation_id == firm_id)
            .scalar_subquery()
            .label("defaults"),
            sa.select(sa.func.count())
            .select_from(OutcomeReport)
            .where(OutcomeReport.organisation_id == firm_id)
            .scalar_subquery()
            .label("reports"),
        ).where(Order.organisation_id == firm_id)
    ).one()
    return {
        "orders": int(row.orders),
        "paid": int(row.paid),
        "due": int(row.due),
        "late": int(row.late),
        "hours": None if row.hours is None else float(row.hours),
        "spent": Money(int(row.spent), "EUR"),
        "defaults": int(row.defaults),
        "reports": int(row.reports),
    }


def _people(session: Session, firms: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    people: dict[UUID, list[dict[str, Any]]] = {}
    for row in session.execute(
        sa.select(Membership.organisation_id, Person.name, Person.email, Membership.rank)
        .join(Person, Person.id == Membership.person_id)
        .where(Membership.organisation_id.in_(list(firms)), Membership.ended_at.is_(None))
        .order_by(Person.name)
    ):
        people.setdefault(row.organisation_id, []).append(
            {"name": row.name, "email": row.email, "rank": row.rank.value}
        )
    return people


def _licence_ends(session: Session, firms: Iterable[UUID]) -> dict[UUID, dict[str, date]]:
    """When the papers of each licence end, by what staff last noted of each firm."""
    rows = session.execute(
        sa.select(StandingChange.organisation_id, StandingChange.detail)
        .where(StandingChange.organisation_id.in_(list(firms)), StandingChange.kind == StandingKind.VERIFIED)
        .order_by(StandingChange.organisation_id, StandingChange.at.desc())
        .ext(distinct_on(StandingChange.organisation_id))
    )
    return {
        row.organisation_id: {name: date.fromisoformat(day) for name, day in row.detail.get("until", {}).items()}
        for row in rows
    }


_DECISIONS = {
    StandingKind.ACCREDITED: ("Accredited", "certificate", "safe"),
    StandingKind.SUSPENDED: ("Suspended", "hold", "bad"),
    StandingKind.REINSTATED: ("Reinstated", "lift", "safe"),
    StandingKind.SCOPE_CHANGED: ("Another scope", "certificate", "safe"),
    StandingKind.WITHDRAWN: ("Withdrawn", "hold", "bad"),
    StandingKind.VERIFIED: ("Verified", "certificate", "safe"),
}


def _decisions(session: Session, firm_id: UUID) -> list[dict[str, Any]]:
    """What the desk decided about a firm, the oldest first, as a timeline."""
    return [
        {
            "at": change.at,
            "kind": _DECISIONS[change.kind][1],
            "state": None,
            "tone": _DECISIONS[change.kind][2],
            "title": _DECISIONS[change.kind][0],
            "by": change.by_name,
            "text": change.reason,
            "facts": _detail(change.detail),
        }
        for change in session.scalars(
            sa.select(StandingChange).where(StandingChange.organisation_id == firm_id).order_by(StandingChange.at)
        )
    ]


def _detail(detail: dict[str, Any]) -> list[tuple[str, str]]:
    words = {
        "methods": "Methods",
        "media_kinds": "Media",
        "licences": "Licences",
        "group": "Group",
        "proposed_by": "Proposed by",
        "accreditor": "Accreditor",
        "since": "From",
    }
    facts = [
        (label, ", ".join(detail[name]) if isinstance(detail[name], list) else str(detail[name]))
        for name, label in words.items()
        if detail.get(name)
    ]
    until = detail.get("until")
    if isinstance(until, dict):
        facts += [(f"{name.capitalize()} until", str(day)) for name, day in until.items()]
    elif until:
        facts.append(("Until", str(until)))
    return facts


def _centre_history(session: Session, centre_id: UUID) -> list[dict[str, Any]]:
    """Decisions, and the credentials that were issued to a centre, in order."""
    issued = [
        {
            "at": row.issued_at,
            "kind": "note",
            "state": None,
            "tone": None,
            "title": "Credential issued",
            "by": None,
            "text": row.issued_because[:1].upper() + row.issued_because[1:] + ".",
            "facts": [("Valid until", f"{row.valid_until:%d %B %Y}"), ("Digest", row.digest)],
        }
        for row in session.execute(
            sa.select(
                Accreditation.issued_at,
                Accreditation.issued_because,
                Accreditation.valid_until,
                Accreditation.digest,
            )
            .where(Accreditation.centre_id == centre_id)
            .order_by(Accreditation.issued_at)
        )
    ]
    return sorted([*_decisions(session, centre_id), *issued], key=lambda event: event["at"])
