"""Open figures: what the market did so far, added up. Nothing here tells of one person or one device.

Sums of money and medians stand on at least three cases; under that they are None, and the page says why.
"""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.certificates.models import Certificate, CertificateLine, CertificateRefusal, CertificateRevocation
from ewaste.core.money import Money
from ewaste.devices.lifecycle import State
from ewaste.devices.models import CustodyEvent, Device
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction
from ewaste.processing.models import OutcomeReport, Routing
from ewaste.processing.outcomes import FRACTIONS
from ewaste.tradein.models import Offer, OfferState

FEWEST = 3
"""Sums of money and medians stand on at least so many cases."""

NOT_TRADED = (State.EXPECTED, State.CANCELLED)
# The steps whose time is told: from the state a device was in, to the one it moved to.
STEPS = (
    (State.EXPECTED, State.RECEIVED, "From the quote to the centre's door"),
    (State.RECEIVED, State.INSPECTED, "From the door to the offer"),
    (State.INSPECTED, State.CLEARING, "From the offer to the seller's answer"),
    (State.CLEARING, State.CLEARED, "From the answer to the certificate"),
)
PAID = "From the answer to the payout"


def headline(session: Session) -> dict[str, Any] | None:
    """The four numbers of the front page, in one statement; None before the first device arrived.

    `devices` traded in, `certificates` that stand, `paid` to sellers (None under three payouts), `days` to payout.
    """
    revoked = sa.exists().where(CertificateRevocation.certificate_id == Certificate.id)
    paid = _payouts().subquery()
    row = session.execute(
        sa.select(
            sa.select(sa.func.count())
            .select_from(Device)
            .where(Device.state.not_in(NOT_TRADED))
            .scalar_subquery()
            .label("devices"),
            sa.select(sa.func.count()).select_from(Certificate).where(~revoked).scalar_subquery().label("certificates"),
            sa.select(sa.func.count()).select_from(paid).scalar_subquery().label("payouts"),
            sa.select(sa.func.coalesce(sa.func.sum(paid.c.amount), 0)).scalar_subquery().label("paid"),
            sa.select(_median(paid.c.seconds)).scalar_subquery().label("seconds"),
        )
    ).one()
    if not row.devices:
        return None
    enough = row.payouts >= FEWEST
    return {
        "devices": row.devices,
        "certificates": row.certificates,
        "paid": Money(int(row.paid)) if enough else None,
        "days": _days(row.seconds) if enough else None,
    }


def figures(session: Session) -> dict[str, Any]:
    """Everything on the page of open figures, in ten statements however large the market is."""
    states = _states(session)
    return {
        "states": states,
        "devices": sum(count for state, count in states if state not in NOT_TRADED),
        "ways": _ways(session),
        "weeks": _weeks(session),
        "evidence": _evidence(session),
        "centres": _centres(session),
        "refusals": _refusals(session),
        "offers": _offers(session),
        "money": _money(session),
        "times": _times(session),
        "masses": _masses(session),
    }


def _states(session: Session) -> list[tuple[State, int]]:
    """How many devices are in each state, in the order of the states; states without one are left out."""
    counts = dict(session.execute(sa.select(Device.state, sa.func.count()).group_by(Device.state)).all())
    return [(state, counts[state]) for state in State if state in counts]


def _ways(session: Session) -> list[tuple[str, int]]:
    """The way that each device was last sent."""
    last = (
        sa.select(Routing.device_id, Routing.chosen)
        .ext(distinct_on(Routing.device_id))
        .order_by(Routing.device_id, Routing.at.desc())
        .subquery()
    )
    rows = session.execute(
        sa.select(last.c.chosen, sa.func.count())
        .group_by(last.c.chosen)
        .order_by(sa.func.count().desc(), last.c.chosen)
    )
    return [(chosen, count) for chosen, count in rows]


def _weeks(session: Session) -> list[tuple[date, int]]:
    """How many certificates came in each of the last 26 weeks that had any; a week is named by its Monday."""
    week = sa.func.date_trunc("week", sa.func.timezone("UTC", Certificate.accepted_at))
    rows = session.execute(
        sa.select(week.label("week"), sa.func.count()).group_by("week").order_by(sa.desc("week")).limit(26)
    )
    counts = {row.week.date(): row[1] for row in rows}
    if not counts:
        return []
    first, last = min(counts), max(counts)
    mondays = [first + timedelta(weeks=number) for number in range((last - first).days // 7 + 1)]
    return [(monday, counts.get(monday, 0)) for monday in mondays]


def _evidence(session: Session) -> list[tuple[str, int]]:
    """Storage media by the evidence that their data is gone; revoked certificates do not count."""
    revoked = sa.exists().where(CertificateRevocation.certificate_id == CertificateLine.certificate_id)
    rows = session.execute(
        sa.select(CertificateLine.evidence_class, sa.func.count())
        .where(~revoked)
        .group_by(CertificateLine.evidence_class)
        .order_by(sa.func.count().desc(), CertificateLine.evidence_class)
    )
    return [(evidence, count) for evidence, count in rows]


def _centres(session: Session) -> list[dict[str, Any]]:
    """Each centre: certificates, how many were revoked and refused, offers answered and declined."""
    issued = (
        sa.select(
            Certificate.centre_id.label("centre"),
            sa.func.count().label("issued"),
            sa.func.count(CertificateRevocation.certificate_id).label("revoked"),
        )
        .outerjoin(CertificateRevocation, CertificateRevocation.certificate_id == Certificate.id)
        .group_by(Certificate.centre_id)
        .subquery()
    )
    refused = (
        sa.select(CertificateRefusal.centre_id.label("centre"), sa.func.count().label("refused"))
        .group_by(CertificateRefusal.centre_id)
        .subquery()
    )
    answered = (
        sa.select(
            Device.centre_id.label("centre"),
            sa.func.count().label("answered"),
            sa.func.count().filter(Offer.state == OfferState.DECLINED).label("declined"),
        )
        .join(Device, Device.id == Offer.device_id)
        .where(Offer.state.in_((OfferState.CONFIRMED, OfferState.DECLINED)))
        .group_by(Device.centre_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(
            Organisation.name,
            Organisation.city,
            sa.func.coalesce(issued.c.issued, 0).label("issued"),
            sa.func.coalesce(issued.c.revoked, 0).label("revoked"),
            sa.func.coalesce(refused.c.refused, 0).label("refused"),
            sa.func.coalesce(answered.c.answered, 0).label("answered"),
            sa.func.coalesce(answered.c.declined, 0).label("declined"),
        )
        .outerjoin(issued, issued.c.centre == Organisation.id)
        .outerjoin(refused, refused.c.centre == Organisation.id)
        .outerjoin(answered, answered.c.centre == Organisation.id)
        .where(sa.or_(issued.c.issued > 0, refused.c.refused > 0, answered.c.answered > 0))
        .order_by(sa.desc("issued"), Organisation.name)
    )
    return [dict(row) for row in rows.mappings()]


def _refusals(session: Session) -> list[tuple[str, int]]:
    """Refused certificates by the first check that failed; `market` where the document held and our rules refused it.

    The sentences themselves name devices and serial numbers, so they are not public.
    """
    rows = session.execute(
        sa.text(
            "select failed, count(*) as number from (select coalesce((select c ->> 'name' from"
            " jsonb_array_elements(checks) with ordinality as each(c, place) where c ->> 'ok' = 'false'"
            " order by place limit 1), 'market') as failed from certificate_refusals) as one"
            " group by failed order by number desc, failed"
        )
    )
    return [(row.failed, row.number) for row in rows]


def _offers(session: Session) -> dict[str, int]:
    """Offers that were answered, and how they stood to the quote."""
    row = session.execute(
        sa.text(
            "select count(*) filter (where o.state = 'confirmed') as confirmed,"
            " count(*) filter (where o.state = 'declined') as declined,"
            " count(*) filter (where o.state = 'lapsed') as lapsed,"
            " count(*) filter (where o.state = 'open') as open,"
            " count(*) filter (where o.amount_minor < q.amount_minor) as lower,"
            " count(*) filter (where o.amount_minor = q.amount_minor) as same,"
            " count(*) filter (where o.amount_minor > q.amount_minor) as higher"
            " from offers o join quotes q on q.id = o.quote_id"
        )
    )
    return dict(row.mappings().one())


def _money(session: Session) -> list[dict[str, Any]]:
    """What came in and went out through the payment provider, by kind and currency."""
    rows = session.execute(
        sa.select(
            PaymentInstruction.kind,
            PaymentInstruction.currency,
            sa.func.count(),
            sa.func.sum(PaymentInstruction.amount_minor),
        )
        .where(PaymentInstruction.state == InstructionState.SUCCEEDED)
        .group_by(PaymentInstruction.kind, PaymentInstruction.currency)
        .order_by(PaymentInstruction.currency, PaymentInstruction.kind)
    )
    return [
        {"kind": kind.value, "count": count, "total": Money(int(total), currency) if count >= FEWEST else None}
        for kind, currency, count, total in rows
    ]


def _times(session: Session) -> list[dict[str, Any]]:
    """The median time of each step, in seconds; the payout is counted from the seller's answer."""
    moved = (
        sa.select(
            CustodyEvent.from_state.label("before"),
            CustodyEvent.to_state.label("after"),
            CustodyEvent.device_id.label("device"),
            CustodyEvent.at.label("at"),
            sa.func.lag(CustodyEvent.at)
            .over(partition_by=CustodyEvent.device_id, order_by=CustodyEvent.seq)
            .label("since"),
        )
        .where(
            sa.or_(
                CustodyEvent.from_state != CustodyEvent.to_state,
                CustodyEvent.seq == 1,
            )
        )
        .subquery()
    )
    steps = sa.select(
        moved.c.before.label("before"),
        moved.c.after.label("after"),
        sa.func.count().label("count"),
        _median(sa.extract("epoch", moved.c.at - moved.c.since)).label("seconds"),
    ).where(moved.c.since.is_not(None))
    measured = {
        (State(row.before), State(row.after)): (row.count, row.seconds)
        for row in session.execute(steps.group_by(moved.c.before, moved.c.after))
    }
    paid = _payouts().subquery()
    payout = session.execute(sa.select(sa.func.count(), _median(paid.c.seconds)).select_from(paid)).one()
    told = [(label, *measured.get((before, after), (0, None))) for before, after, label in STEPS]
    return [
        {"label": label, "count": count, "seconds": int(seconds) if count >= FEWEST else None}
        for label, count, seconds in [*told, (PAID, *payout)]
    ]


def _masses(session: Session) -> dict[str, Any]:
    """What went into dismantling and remaking, and what came out, in whole grams."""
    fractions = {
        row.name: int(row.grams)
        for row in session.execute(
            sa.text(
                "select f.key as name, sum(f.value::bigint) as grams from outcome_reports,"
                " jsonb_each_text(fractions) as f group by f.key"
            )
        )
    }
    total = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(OutcomeReport.mass_in_g), 0),
            sa.func.coalesce(sa.func.sum(OutcomeReport.mass_out_g), 0),
        )
    ).one()
    return {
        "reports": total[0],
        "in_g": int(total[1]),
        "out_g": int(total[2]),
        "fractions": [(name, label, fractions[name]) for name, (label, _) in FRACTIONS.items() if fractions.get(name)],
    }


def _payouts() -> sa.Select[int, int]:
    """One row for each payout that arrived: its amount, and the seconds from the seller's answer."""
    answered = (
        sa.select(Offer.answered_at)
        .where(Offer.device_id == PaymentInstruction.subject_id, Offer.state == OfferState.CONFIRMED)
        .order_by(Offer.cycle.desc())
        .limit(1)
        .correlate(PaymentInstruction)
        .scalar_subquery()
    )
    return sa.select(
        PaymentInstruction.amount_minor.label("amount"),
        sa.extract("epoch", PaymentInstruction.settled_at - answered).label("seconds"),
    ).where(
        PaymentInstruction.kind == InstructionKind.PAY_OUT,
        PaymentInstruction.state == InstructionState.SUCCEEDED,
        PaymentInstruction.currency == "EUR",
    )


def _median(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.percentile_cont(0.5).within_group(value)


def _days(seconds: Any) -> Decimal | None:
    """Days to one decimal place."""
    return None if seconds is None else (Decimal(str(seconds)) / 86_400).quantize(Decimal("0.1"))
