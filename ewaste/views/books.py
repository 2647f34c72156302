"""The books of the desk: accounts, postings with all their legs, and the payments that the provider is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Person
from ewaste.accounts.policy import Action
from ewaste.core import jobs
from ewaste.core.database import UTCDateTime
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device
from ewaste.market.models import Dispute, Order
from ewaste.payments import failures, ledger
from ewaste.payments.ledger import Account
from ewaste.payments.models import (
    Entry,
    GatewayEventRow,
    InstructionKind,
    InstructionState,
    PaymentInstruction,
    Posting,
)
from ewaste.tradein.models import Offer
from ewaste.views import shapes

ACCOUNT_WORDS = {
    Account.PROVIDER: "Our balance at the payment provider.",
    Account.SELLERS: "What sellers are still to be paid; a credit.",
    Account.BUYERS: "What buyers are still to pay.",
    Account.STOCK: "What the devices that are not sold yet cost us.",
    Account.SALES: "What was sold; a credit.",
    Account.COST: "What the devices that were sold cost us.",
    Account.LOSSES: "What was lost or given back at our own cost.",
}
POSTING_WORDS = {
    "device.bought": "Device bought",
    "seller.paid": "Seller paid",
    "order.made": "Order made",
    "order.paid": "Order paid",
    "order.refunded": "Buyer refunded",
    "order.defaulted": "Sale undone: not paid in time",
    "device.back": "Device came back",
    "dispute.credited": "Credited to a buyer: a dispute",
}
PAYMENT_WORDS = {
    InstructionKind.COLLECT: "Payment of a buyer",
    InstructionKind.PAY_OUT: "Payout to a seller",
    InstructionKind.REFUND: "Refund to a buyer",
}
# A payment that succeeded is posted under this word and its own number.
POSTED_UNDER = {
    InstructionKind.COLLECT: "order.paid",
    InstructionKind.PAY_OUT: "seller.paid",
    InstructionKind.REFUND: "order.refunded",
}
OPEN_STATES = (InstructionState.WRITTEN, InstructionState.SENT)
TROUBLE = "trouble"
MOST_ROWS = 50_000


@dataclass(frozen=True)
class Period:
    """What a list of postings is narrowed to; the days are whole days in UTC, both included."""

    account: str = ""
    kind: str = ""
    first: date | None = None
    last: date | None = None


def the_ledger(session: Session, actor: Actor, chosen: Period, *, page: int) -> dict[str, Any]:
    """Balances, the sum that must be zero in each currency, and postings of a period, newest first."""
    policy.require(actor, Action.SEE_LEDGER)
    chosen = _clean(chosen)
    balances = ledger.balances(session)
    wanted = _in(chosen)
    rows = session.execute(
        sa.select(Entry, Posting)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(*wanted)
        .order_by(Posting.at.desc(), Posting.id, Entry.amount_minor.desc())
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    total = session.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(sa.case((Entry.amount_minor > 0, Entry.amount_minor), else_=0)), 0),
            sa.func.coalesce(sa.func.sum(sa.case((Entry.amount_minor < 0, -Entry.amount_minor), else_=0)), 0),
        )
        .select_from(Entry)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(*wanted)
    ).one()
    subjects = _subjects(session, {posting.subject_id for _, posting in rows if posting.subject_id})
    failed = session.scalar(sa.select(sa.func.count()).select_from(PaymentInstruction).where(open_failures()))
    currency = next((currency for _, currency in balances), "EUR")
    return {
        "accounts": [
            {"name": name, "text": ACCOUNT_WORDS.get(Account(name)), "balance": Money(balance, currency)}
            for (name, currency), balance in sorted(balances.items())
        ],
        "sums": [
            {"currency": currency, "sum": Money(total_, currency)}
            for currency, total_ in sorted(ledger.sums(session).items())
        ],
        "postings": [_entry(entry, posting, subjects) for entry, posting in rows],
        "failed": int(failed or 0),
        "all_accounts": [member.value for member in Account],
        "kinds": POSTING_WORDS,
        "chosen": chosen,
        "account": chosen.account or None,
        "debits": Money(int(total[1]), currency),
        "credits": Money(int(total[2]), currency),
        "total": int(total[0]),
    }


def ledger_rows(session: Session, actor: Actor, chosen: Period) -> list[dict[str, Any]]:
    """The postings of a period for a file, the oldest first, one row a leg; at most 50,000."""
    policy.require(actor, Action.SEE_LEDGER)
    rows = session.execute(
        sa.select(Entry, Posting)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(*_in(_clean(chosen)))
        .order_by(Posting.at, Posting.id, Entry.amount_minor.desc())
        .limit(MOST_ROWS)
    ).all()
    subjects = _subjects(session, {posting.subject_id for _, posting in rows if posting.subject_id})
    return [
        {
            "at": posting.at.isoformat(),
            "posting": posting.id,
            "kind": posting.kind,
            "key": posting.key,
            "about": subjects.get(posting.subject_id) if posting.subject_id else None,
            "account": entry.account,
            "party": entry.party_id,
            "amount_minor": entry.amount_minor,
            "currency": entry.currency,
        }
        for entry, posting in rows
    ]


def posting(session: Session, actor: Actor, posting_id: UUID) -> dict[str, Any]:
    """One business event in the ledger with all its legs. Raises `NotFound`."""
    policy.require(actor, Action.SEE_LEDGER)
    found = session.get(Posting, posting_id)
    if found is None:
        raise NotFound("There is no such posting.")
    rows = session.execute(
        sa.select(Entry, sa.func.coalesce(Person.name, Organisation.name).label("party"))
        .outerjoin(Person, Person.id == Entry.party_id)
        .outerjoin(Organisation, Organisation.id == Entry.party_id)
        .where(Entry.posting_id == found.id)
        .order_by(Entry.amount_minor.desc(), Entry.id)
    ).all()
    subjects = _subjects(session, [found.subject_id] if found.subject_id else [])
    sums: dict[str, int] = {}
    for entry, _ in rows:
        sums[entry.currency] = sums.get(entry.currency, 0) + entry.amount_minor
    return {
        "text": posting_words(found.kind, found.key),
        "kind": found.kind,
        "key": found.key,
        "at": found.at,
        "reference": subjects.get(found.subject_id) if found.subject_id else None,
        "payment": _payment_of(session, found),
        "legs": [
            {
                "account": entry.account,
                "text": ACCOUNT_WORDS.get(Account(entry.account)),
                "party": party,
                **_sides(entry),
            }
            for entry, party in rows
        ],
        "sums": [{"currency": currency, "sum": Money(total, currency)} for currency, total in sums.items()],
    }


def payments(session: Session, actor: Actor, *, view: str, q: str, page: int) -> dict[str, Any]:
    """What the provider was asked for, newest first: by standing, and by person, firm, order, device or number.

    `trouble` has one row for each debt: its last try, with those before it.
    """
    policy.require(actor, Action.SEE_LEDGER)
    chosen = view if view in {TROUBLE, *InstructionState} else ""
    words = " ".join(q.split())
    counts = session.execute(
        sa.select(
            sa.func.count().filter(open_failures()).label(TROUBLE),
            *(
                sa.func.count().filter(PaymentInstruction.state == member).label(member.value)
                for member in InstructionState
            ),
        ).select_from(PaymentInstruction)
    ).one()
    wanted: list[sa.ColumnElement[bool]] = []
    if chosen == TROUBLE:
        wanted.append(open_failures())
    elif chosen:
        wanted.append(PaymentInstruction.state == InstructionState(chosen))
    if words:
        wanted.append(_about(words))
    rows = session.execute(
        sa.select(PaymentInstruction, sa.func.coalesce(Person.name, Organisation.name).label("party"), _NEXT_TRY)
        .outerjoin(Person, Person.id == PaymentInstruction.party_id)
        .outerjoin(Organisation, Organisation.id == PaymentInstruction.party_id)
        .where(*wanted)
        .order_by(PaymentInstruction.written_at.desc(), PaymentInstruction.id)
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    subjects = _subjects(session, {row[0].subject_id for row in rows})
    ids = [row[0].id for row in rows]
    tries = _tries(session, [row[0].subject_id for row in rows])
    posted = _posted(session, ids)
    said = {
        event.instruction_id: event
        for event in session.scalars(
            sa.select(GatewayEventRow)
            .where(GatewayEventRow.instruction_id.in_(ids))
            .order_by(GatewayEventRow.received_at)
        )
    }
    again = set(
        session.scalars(sa.select(PaymentInstruction.id).where(PaymentInstruction.id.in_(ids), open_failures()))
    )
    return {
        "payments": [
            payment(row[0])
            | {
                "party": row.party,
                "subject": subjects.get(row[0].subject_id),
                "next_try": row.next_try if row[0].state in OPEN_STATES else None,
                "said": _said(said.get(row[0].id)),
                "again": row[0].id in again,
                "before": [
                    {"at": other.written_at, "failure": other.failure}
                    for other in tries.get((row[0].kind, row[0].subject_id), [])
                    if (other.written_at, other.id) < (row[0].written_at, row[0].id)
                ],
                "posting": posted.get(row[0].id),
            }
            for row in rows
        ],
        "counts": {
            TROUBLE: counts[0],
            **dict(zip([member.value for member in InstructionState], counts[1:], strict=True)),
        },
        "view": chosen,
        "q": words,
        "total": int(session.scalar(sa.select(sa.func.count()).select_from(PaymentInstruction).where(*wanted)) or 0),
        "may": {"pay_again"} if policy.allows(actor, Action.PAY_AGAIN) else set(),
    }


def open_failures() -> sa.ColumnElement[bool]:
    """The last try of each payout and refund that is still owed: it failed, and was not written anew since.

    So a debt is counted once, however often it was tried. A buyer whose card is declined simply tries again.
    """
    anew = aliased(PaymentInstruction)
    return sa.and_(
        PaymentInstruction.state == InstructionState.FAILED,
        PaymentInstruction.kind != InstructionKind.COLLECT,
        ~sa.exists().where(
            anew.kind == PaymentInstruction.kind,
            anew.subject_id == PaymentInstruction.subject_id,
            sa.or_(
                anew.state != InstructionState.FAILED,
                sa.tuple_(anew.written_at, anew.id) > sa.tuple_(PaymentInstruction.written_at, PaymentInstruction.id),
            ),
        ),
    )


def payment(row: PaymentInstruction) -> dict[str, Any]:
    """A payment instruction as the desk reads it."""
    return {
        "id": row.id,
        "text": PAYMENT_WORDS[row.kind],
        "amount": Money(row.amount_minor, row.currency),
        "state": row.state.value,
        "written_at": row.written_at,
        "sent_at": row.sent_at,
        "settled_at": row.settled_at,
        "attempts": row.attempts,
        "failure": row.failure,
        "meaning": failures.meaning(row.failure),
        "reference": row.provider_reference,
        "description": row.description,
        "practice": row.practice,
    }


def posting_words(kind: str, key: str) -> str:
    """What a posting says, in words."""
    return "Sale undone" if key.startswith("undo ") else POSTING_WORDS.get(kind, kind)


# When the worker tries an instruction next: its job names the instruction.
_JOBS = sa.table(
    "procrastinate_jobs",
    sa.column("scheduled_at", UTCDateTime()),
    sa.column("task_name", sa.Text()),
    sa.column("args", JSONB()),
    sa.column("status", sa.Text()),
)
_NEXT_TRY = (
    sa.select(sa.func.min(sa.func.coalesce(_JOBS.c.scheduled_at, sa.func.now()), type_=UTCDateTime()))
    .where(
        _JOBS.c.task_name == jobs.SEND_PAYMENT,
        sa.cast(_JOBS.c.status, sa.Text) == "todo",
        _JOBS.c.args["instruction"].astext == sa.cast(PaymentInstruction.id, sa.Text),
    )
    .correlate(PaymentInstruction)
    .scalar_subquery()
    .label("next_try")
)


def _tries(session: Session, subjects: Sequence[UUID]) -> dict[tuple[InstructionKind, UUID], list[PaymentInstruction]]:
    """Every failed try of what is to be paid for these subjects, the oldest first. One statement."""
    rows = session.scalars(
        sa.select(PaymentInstruction)
        .where(PaymentInstruction.subject_id.in_(subjects), PaymentInstruction.state == InstructionState.FAILED)
        .order_by(PaymentInstruction.written_at, PaymentInstruction.id)
    )
    tries: dict[tuple[InstructionKind, UUID], list[PaymentInstruction]] = {}
    for row in rows:
        tries.setdefault((row.kind, row.subject_id), []).append(row)
    return tries


def _posted(session: Session, ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Payment → the posting that it made in the ledger. One statement."""
    keys = {f"{kind} {id_}": id_ for kind in POSTED_UNDER.values() for id_ in ids}
    rows = session.execute(sa.select(Posting.key, Posting.id).where(Posting.key.in_(list(keys))))
    return {keys[key]: id_ for key, id_ in rows}


def _payment_of(session: Session, found: Posting) -> UUID | None:
    """The payment that made a posting; None for one that moved no money."""
    kind, _, number = found.key.partition(" ")
    if kind not in POSTED_UNDER.values():
        return None
    return session.scalar(sa.select(PaymentInstruction.id).where(sa.cast(PaymentInstruction.id, sa.Text) == number))


def _about(words: str) -> sa.ColumnElement[bool]:
    """That a payment is to or from a person or firm of this name, or about this device, order, dispute or number."""
    pattern = shapes.like(words)
    people = sa.select(Person.id).where(
        sa.or_(Person.name.ilike(pattern), Person.email.like(shapes.like(words.lower())))
    )
    firms = sa.select(Organisation.id).where(Organisation.name.ilike(pattern))
    things = sa.union_all(
        sa.select(Device.id).where(Device.code.ilike(pattern)),
        sa.select(Order.id).where(Order.code.ilike(pattern)),
        sa.select(Dispute.id)
        .join(Order, Order.id == Dispute.order_id)
        .where(sa.or_(Order.code.ilike(pattern), Dispute.code.ilike(pattern))),
    )
    return sa.or_(
        PaymentInstruction.party_id.in_(people),
        PaymentInstruction.party_id.in_(firms),
        PaymentInstruction.subject_id.in_(things),
        PaymentInstruction.provider_reference == words,
        sa.cast(PaymentInstruction.id, sa.Text) == words.lower(),
    )


def _said(event: GatewayEventRow | None) -> str | None:
    if event is None:
        return None
    return f"{event.kind}: {event.effect}" if event.effect else event.kind


def _clean(chosen: Period) -> Period:
    return Period(
        account=chosen.account if chosen.account in set(Account) else "",
        kind=chosen.kind if chosen.kind in POSTING_WORDS else "",
        first=chosen.first,
        last=chosen.last,
    )


def _in(chosen: Period) -> list[sa.ColumnElement[bool]]:
    wanted: list[sa.ColumnElement[bool]] = []
    if chosen.account:
        wanted.append(Entry.account == chosen.account)
    if chosen.kind:
        wanted.append(Posting.kind == chosen.kind)
    if chosen.first is not None:
        wanted.append(Posting.at >= datetime.combine(chosen.first, time(), UTC))
    if chosen.last is not None and chosen.last < date.max:
        wanted.append(Posting.at < datetime.combine(chosen.last + timedelta(days=1), time(), UTC))
    return wanted


def _entry(entry: Entry, posting: Posting, subjects: dict[UUID, str]) -> dict[str, Any]:
    return {
        "id": posting.id,
        "at": posting.at,
        "entry": posting.key,
        "text": posting_words(posting.kind, posting.key),
        "account": entry.account,
        "reference": subjects.get(posting.subject_id) if posting.subject_id else None,
        **_sides(entry),
    }


def _sides(entry: Entry) -> dict[str, Money | None]:
    amount = Money(abs(entry.amount_minor), entry.currency)
    return {
        "debit": amount if entry.amount_minor > 0 else None,
        "credit": amount if entry.amount_minor < 0 else None,
    }


def _subjects(session: Session, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The codes of the devices and orders that these ids mean; an offer stands for its device. One statement."""
    wanted: Sequence[UUID] = list(ids)
    rows = session.execute(
        sa.union_all(
            sa.select(Device.id, Device.code).where(Device.id.in_(wanted)),
            sa.select(Order.id, Order.code).where(Order.id.in_(wanted)),
            sa.select(Dispute.id, Order.code).join(Order, Order.id == Dispute.order_id).where(Dispute.id.in_(wanted)),
            sa.select(Offer.id, Device.code).join(Device, Device.id == Offer.device_id).where(Offer.id.in_(wanted)),
        )
    )
    return {row[0]: row[1] for row in rows}
