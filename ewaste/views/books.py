"""The books of the desk: the ledger, payments that need a look, refusals, and the jobs behind the pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import Station
from ewaste.certificates.models import CertificateRefusal
from ewaste.core.ids import read_code
from ewaste.core.money import Money
from ewaste.core.refusals import RefusalNote
from ewaste.devices.models import Device
from ewaste.market.models import Order
from ewaste.payments import ledger
from ewaste.payments.ledger import Account
from ewaste.payments.models import Entry, InstructionKind, InstructionState, PaymentInstruction, Posting
from ewaste.tradein.models import Offer
from ewaste.views import shapes

CERTIFICATE = "certificate-refused"
REFUSAL_KINDS = {
    "invalid": "Invalid",
    "conflict": "Conflict",
    "not-allowed": "Not allowed",
    "not-found": "Not found",
    CERTIFICATE: "Certificates",
}
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
}
PAYMENT_WORDS = {
    InstructionKind.COLLECT: "Payment of a buyer",
    InstructionKind.PAY_OUT: "Payout to a seller",
    InstructionKind.REFUND: "Refund to a buyer",
}


def the_ledger(session: Session, actor: Actor, *, account: str | None, page: int) -> dict[str, Any]:
    """Balances, the sum that must be zero in each currency, postings newest first, and payments that failed."""
    policy.require(actor, Action.SEE_LEDGER)
    chosen = account if account in set(Account) else None
    balances = ledger.balances(session)
    query = sa.select(Entry, Posting).join(Posting, Posting.id == Entry.posting_id)
    count = sa.select(sa.func.count()).select_from(Entry)
    if chosen is not None:
        query, count = query.where(Entry.account == chosen), count.where(Entry.account == chosen)
    rows = session.execute(
        query.order_by(Posting.at.desc(), Posting.id, Entry.amount_minor.desc())
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    subjects = _subjects(session, {posting.subject_id for _, posting in rows if posting.subject_id})
    failed = session.scalars(
        sa.select(PaymentInstruction).where(open_failures()).order_by(PaymentInstruction.settled_at.desc()).limit(20)
    ).all()
    failed_subjects = _subjects(session, {row.subject_id for row in failed})
    return {
        "accounts": [
            {"name": name, "text": ACCOUNT_WORDS.get(Account(name)), "balance": Money(balance, currency)}
            for (name, currency), balance in sorted(balances.items())
        ],
        "sums": [
            {"currency": currency, "sum": Money(total, currency)}
            for currency, total in sorted(ledger.sums(session).items())
        ],
        "postings": [_entry(entry, posting, subjects) for entry, posting in rows],
        "failed": [payment(row) | {"subject": failed_subjects.get(row.subject_id)} for row in failed],
        "account": chosen,
        "may": {"pay_again"} if policy.allows(actor, Action.PAY_AGAIN) else set(),
        "total": int(session.scalar(count) or 0),
    }


def open_failures() -> sa.ColumnElement[bool]:
    """Payouts and refunds that failed and were not written anew. A buyer whose card is declined simply tries again."""
    anew = aliased(PaymentInstruction)
    return sa.and_(
        PaymentInstruction.state == InstructionState.FAILED,
        PaymentInstruction.kind != InstructionKind.COLLECT,
        ~sa.exists().where(
            anew.kind == PaymentInstruction.kind,
            anew.subject_id == PaymentInstruction.subject_id,
            anew.state != InstructionState.FAILED,
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
        "settled_at": row.settled_at,
        "attempts": row.attempts,
        "failure": row.failure,
        "reference": row.provider_reference,
        "description": row.description,
    }


def refusals(
    session: Session, actor: Actor, *, kind: str | None, page: int, size: int = shapes.PAGE_SIZE
) -> tuple[list[dict[str, Any]], int, str | None]:
    """What was refused, newest first; how many there are; the kind that was chosen.

    Refused certificates come from their own table, where each is kept whole with its reason.
    """
    policy.require(actor, Action.SEE_REFUSALS)
    chosen = kind if kind in REFUSAL_KINDS else None
    notes = sa.select(
        RefusalNote.at,
        RefusalNote.kind,
        RefusalNote.action,
        RefusalNote.actor_id,
        RefusalNote.subject,
        RefusalNote.field,
        RefusalNote.message,
    ).where(RefusalNote.kind != CERTIFICATE)
    certificates = sa.select(
        CertificateRefusal.at,
        sa.literal(CERTIFICATE).label("kind"),
        sa.literal("submit a certificate").label("action"),
        CertificateRefusal.station_id.label("actor_id"),
        CertificateRefusal.device_code.label("subject"),
        sa.null().label("field"),
        CertificateRefusal.reason.label("message"),
    )
    if chosen == CERTIFICATE:
        both = certificates.subquery()
    elif chosen is not None:
        both = notes.where(RefusalNote.kind == chosen).subquery()
    else:
        both = sa.union_all(notes, certificates).subquery()
    total = int(session.scalar(sa.select(sa.func.count()).select_from(both)) or 0)
    rows = session.execute(
        sa.select(both, sa.func.coalesce(Person.name, Station.name).label("who"))
        .outerjoin(Person, Person.id == both.c.actor_id)
        .outerjoin(Station, Station.id == both.c.actor_id)
        .order_by(both.c.at.desc())
        .limit(size)
        .offset((page - 1) * size)
    )
    return (
        [
            {
                "at": row.at,
                "kind": row.kind,
                "action": row.action.replace(".", ": ").replace("_", " "),
                "subject": row.subject,
                "code": _code_in(row.subject),
                "who": row.who,
                "message": row.message,
                "field": row.field,
            }
            for row in rows
        ],
        total,
        chosen,
    )


def jobs(session: Session, *, now: datetime) -> dict[str, Any]:
    """How the work behind the pages stands: due and waiting, planned for later, failed. The caller asked the policy."""
    waiting = session.execute(
        sa.text(
            "select count(*) filter (where scheduled_at is null or scheduled_at <= :now) as due,"
            " count(*) filter (where scheduled_at > :now) as planned,"
            " min(coalesce(scheduled_at, (select min(at) from procrastinate_events e where e.job_id = j.id)))"
            "  filter (where scheduled_at is null or scheduled_at <= :now) as oldest"
            " from procrastinate_jobs j where status = 'todo'"
        ),
        {"now": now},
    ).one()
    failures = session.execute(
        sa.text(
            "select task_name, attempts, args, count(*) over () as total,"
            " (select max(at) from procrastinate_events e where e.job_id = j.id) as at"
            " from procrastinate_jobs j where status in ('failed', 'aborted') order by id desc limit 5"
        )
    ).all()
    return {
        "waiting": waiting.due,
        "planned": waiting.planned,
        "oldest_at": waiting.oldest,
        "failed": failures[0].total if failures else 0,
        "failures": [
            {
                "task": row.task_name,
                "at": row.at,
                "attempts": row.attempts,
                "error": "For "
                + ", ".join(f"{name} {value}" for name, value in row.args.items() if name != "timestamp")
                + ". The worker’s log tells why.",
            }
            for row in failures
        ],
    }


def _entry(entry: Entry, posting: Posting, subjects: dict[UUID, str]) -> dict[str, Any]:
    amount = Money(abs(entry.amount_minor), entry.currency)
    undone = posting.key.startswith("undo ")
    return {
        "at": posting.at,
        "entry": posting.key,
        "text": "Sale undone" if undone else POSTING_WORDS.get(posting.kind, posting.kind),
        "account": entry.account,
        "debit": amount if entry.amount_minor > 0 else None,
        "credit": amount if entry.amount_minor < 0 else None,
        "reference": subjects.get(posting.subject_id) if posting.subject_id else None,
    }


def _subjects(session: Session, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The codes of the devices and orders that these ids mean; an offer stands for its device. One statement."""
    wanted: Sequence[UUID] = list(ids)
    if not wanted:
        return {}
    rows = session.execute(
        sa.union_all(
            sa.select(Device.id, Device.code).where(Device.id.in_(wanted)),
            sa.select(Order.id, Order.code).where(Order.id.in_(wanted)),
            sa.select(Offer.id, Device.code).join(Device, Device.id == Offer.device_id).where(Offer.id.in_(wanted)),
        )
    )
    return {row[0]: row[1] for row in rows}


def _code_in(subject: str | None) -> str | None:
    """The first code of ours in a refusal's subject ("code=D-7K3M-9QXA, …")."""
    for word in re.findall(r"[A-Za-z]-[0-9A-Za-z]{4}-[0-9A-Za-z]{4}", subject or ""):
        code = read_code(word)
        if code:
            return code
    return None
