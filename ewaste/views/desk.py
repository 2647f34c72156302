"""The start page of the desk: what waits for a person, how old the oldest of it is, and how the market stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, OrganisationKind, OrganisationState
from ewaste.accounts.policy import Action
from ewaste.accounts.standing import StandingChange, StandingKind
from ewaste.centres.accrediting_models import Accreditor, Decision
from ewaste.centres.models import Centre, Standing
from ewaste.certificates.models import Certificate, CertificateRefusal, Clearance
from ewaste.certificates.rechecks import Recheck
from ewaste.core.money import Money
from ewaste.devices.incidents import Incident
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Device, Hold
from ewaste.market.models import Dispute, DisputeState, Lot, LotState, Order, OrderState
from ewaste.payments import ledger
from ewaste.payments.ledger import Account
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction
from ewaste.tradein.models import Offer, OfferState, PublishedTable, TableDecision
from ewaste.views import books, market, stock, work

ANSWER_SOON = timedelta(days=3)
PAYMENT_SLOW = timedelta(hours=1)
REFUSED_LATELY = timedelta(days=30)
ENDS_SOON = timedelta(days=30)


class Queue(NamedTuple):
    """One kind of thing that waits: its rows, the moment from which they wait, and how urgent it is.

    Tones: `refusal` somebody is harmed by waiting, `attention` somebody should look, `calm` it goes by itself.
    """

    table: Any
    since: Any
    where: tuple[Any, ...]
    label: str
    text: str
    tone: str


def desk(session: Session, actor: Actor, *, now: datetime) -> dict[str, Any]:
    """Queues with their counts and the age of the oldest, money and devices at a glance, lots that close next."""
    policy.require(actor, Action.SEE_DESK)
    lots = session.scalars(
        sa.select(Lot).where(Lot.state == LotState.OPEN).order_by(Lot.ends_at, Lot.id).limit(6)
    ).all()
    balances = ledger.balances(session)
    waiting = _waiting(session, now)
    return {
        "queues": [queue for queue in waiting if queue["count"]],
        "idle": [queue for queue in waiting if not queue["count"]],
        "states": stock.states(session),
        "lots": market.lot_cards(session, lots, now=now),
        "money": _money(balances),
        "worker": work.worker(session),
        "may": {"form_lot"} if policy.allows(actor, Action.FORM_LOT) else set(),
    }


def _money(balances: Mapping[tuple[str, str], int]) -> dict[str, Any]:
    currency = next((currency for _, currency in balances), "EUR")
    sums: dict[str, int] = {}
    for (_, unit), amount in balances.items():
        sums[unit] = sums.get(unit, 0) + amount

    def balance(account: Account, sign: int = 1) -> Money:
        return Money(sign * balances.get((account.value, currency), 0), currency)

    return {
        "provider": balance(Account.PROVIDER),
        "sellers": balance(Account.SELLERS, -1),
        "buyers": balance(Account.BUYERS),
        "stock": balance(Account.STOCK),
        "sold": balance(Account.SALES, -1),
        "ok": not any(sums.values()),
    }


def _waiting(session: Session, now: datetime) -> list[dict[str, Any]]:
    """Every queue with its count and its oldest. One statement for the tables, one each for jobs and licences."""
    queues = _queues(now)
    columns: list[Any] = []
    for name, queue in queues.items():
        for kind, figure in (("count", sa.func.count()), ("since", sa.func.min(queue.since))):
            columns.append(
                sa.select(figure).select_from(queue.table).where(*queue.where).scalar_subquery().label(f"{name}_{kind}")
            )
    row = session.execute(sa.select(*columns)).one()
    told = [
        {
            "name": name,
            "label": queue.label,
            "text": queue.text,
            "tone": queue.tone,
            "count": int(getattr(row, f"{name}_count")),
            "since": getattr(row, f"{name}_since"),
        }
        for name, queue in queues.items()
    ]
    jobs = work.failed(session)
    told.append(
        {
            "name": "jobs",
            "label": "Jobs failed",
            "text": "The work behind a page did not get done.",
            "tone": "refusal",
            "count": jobs.many,
            "since": jobs.oldest,
        }
    )
    ending = licences_ending(session, (now + ENDS_SOON).date())
    told.append(
        {
            "name": "licences",
            "label": "Licences that end",
            "text": "Within 30 days, or already past. Ask for new papers.",
            "tone": "attention",
            "count": len(ending),
            "since": None,
        }
    )
    order = {"refusal": 0, "attention": 1, "calm": 2}
    return sorted(told, key=lambda queue: order[queue["tone"]])


def licences_ending(session: Session, by: date) -> list[dict[str, Any]]:
    """The licences of verified recyclers whose papers end by that day, by what staff last noted of each firm."""
    rows = session.execute(
        sa.select(Organisation.id, Organisation.name, Organisation.licences, StandingChange.detail)
        .join(StandingChange, StandingChange.organisation_id == Organisation.id)
        .where(
            Organisation.kind == OrganisationKind.RECYCLER,
            Organisation.state == OrganisationState.VERIFIED,
            StandingChange.kind == StandingKind.VERIFIED,
        )
        .order_by(Organisation.id, StandingChange.at.desc())
        .ext(distinct_on(Organisation.id))
    )
    return [
        {"id": row.id, "name": row.name, "licence": licence, "until": date.fromisoformat(until)}
        for row in rows
        for licence, until in row.detail.get("until", {}).items()
        if licence in row.licences and date.fromisoformat(until) <= by
    ]


def _queues(now: datetime) -> dict[str, Queue]:
    later = sa.exists().where(
        Certificate.device_id == Device.id,
        Device.code == CertificateRefusal.device_code,
        Certificate.accepted_at > CertificateRefusal.at,
    )
    undecided = ~sa.exists().where(TableDecision.version == PublishedTable.version)
    outgoing = PaymentInstruction.kind.in_((InstructionKind.PAY_OUT, InstructionKind.REFUND))
    live = sa.join(Device, Clearance, sa.and_(Clearance.device_id == Device.id, Clearance.ended_at.is_(None)))
    return {
        "incidents": Queue(
            Incident, Incident.opened_at, (Incident.closed_at.is_(None),),
            "Incidents open", "Where data may be exposed, 72 hours run.", "refusal",
        ),
        "payments": Queue(
            PaymentInstruction, PaymentInstruction.settled_at, (books.open_failures(),),
            "Payments failed", "Somebody waits for money.", "refusal",
        ),
        "certificates": Queue(
            CertificateRefusal, CertificateRefusal.at, (CertificateRefusal.at > now - REFUSED_LATELY, ~later),
            "Certificates refused", "In 30 days, and none accepted for the device since.", "refusal",
        ),
        "slow": Queue(
            PaymentInstruction, PaymentInstruction.written_at,
            (
                outgoing,
                PaymentInstruction.state.in_((InstructionState.WRITTEN, InstructionState.SENT)),
                PaymentInstruction.written_at < now - PAYMENT_SLOW,
            ),
            "Payments under way", "Written down more than an hour ago, not settled.", "attention",
        ),
        "disputes": Queue(
            Dispute, Dispute.opened_at, (Dispute.state.in_((DisputeState.OPEN, DisputeState.ANSWERED)),),
            "Disputes to decide", "A buyer is not content.", "attention",
        ),
        "held": Queue(
            Hold, Hold.placed_at, (Hold.lifted_at.is_(None),),
            "On hold", "Settle with the centre, then lift.", "attention",
        ),
        "uncleared": Queue(
            Device, Device.since, (Device.state.in_(WAYS), ~stock.CLEARED),
            "Not clear any more", "They wait at their centre to be wiped anew.", "attention",
        ),
        "lost": Queue(
            Device, Device.since, (Device.state == State.LOST,),
            "Lost", "Still looked for.", "attention",
        ),
        "applications": Queue(
            Organisation, Organisation.created_at, (Organisation.state == OrganisationState.APPLIED,),
            "Applications to review", "Firms that want to take part.", "attention",
        ),
        "prices": Queue(
            PublishedTable, PublishedTable.proposed_at, (PublishedTable.proposed_by.is_not(None), undecided),
            "Price tables to confirm", "A second person has to look.", "attention",
        ),
        "decisions": Queue(
            Decision, Decision.proposed_at,
            (Decision.outcome.is_(None), Decision.accreditor_id == sa.select(Accreditor.id).where(
                Accreditor.house.is_(True)).scalar_subquery()),
            "Accreditations to confirm", "A second person has to look.", "attention",
        ),
        "rechecks": Queue(
            Recheck, Recheck.opened_at, (Recheck.settled_at.is_(None),),
            "Certificates in doubt", "Two people say whether each stands.", "attention",
        ),
        "centres": Queue(
            Centre, Centre.suspended_at, (Centre.standing == Standing.SUSPENDED,),
            "Centres suspended", "Nothing of theirs clears a device.", "attention",
        ),
        "ending": Queue(
            Centre, sa.null(),
            (Centre.standing == Standing.ACCREDITED, Centre.accredited_until < now + ENDS_SOON),
            "Accreditations that end", "Within 30 days, or already past.", "attention",
        ),
        "unsold": Queue(
            live, Clearance.at,
            (Device.state.in_(WAYS), ~stock.IS_HELD, ~stock.FOR_SALE, Clearance.at < now - stock.UNSOLD_AFTER),
            "Unsold for long", f"Listable for more than {stock.UNSOLD_AFTER.days} days, and in no sale.", "attention",
        ),
        "listable": Queue(
            live, Clearance.at, (Device.state.in_(WAYS), ~stock.IS_HELD, ~stock.FOR_SALE),
            "Ready to sell", "Cleared, routed, and in no sale yet.", "calm",
        ),
        "offers": Queue(
            Offer, Offer.made_at, (Offer.state == OfferState.OPEN, Offer.answer_by < now + ANSWER_SOON),
            "Offers about to lapse", "Not answered, with less than three days left.", "calm",
        ),
        "overdue": Queue(
            Device, Device.since, (stock.overdue(now),),
            "Parcels overdue", f"Announced more than {stock.OVERDUE_AFTER.days} days ago.", "calm",
        ),
        "unpaid": Queue(
            Order, Order.made_at, (Order.state == OrderState.AWAITING_PAYMENT,),
            "Orders to be paid", "They lapse by themselves.", "calm",
        ),
        "paid": Queue(
            Order, Order.paid_at, (Order.state == OrderState.PAID,),
            "Paid, not collected", "They wait at a centre.", "calm",
        ),
    }  # fmt: skip
