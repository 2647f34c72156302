"""The work behind the pages: jobs that wait, run or failed, and whether a worker is alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor
from ewaste.accounts.policy import Action
from ewaste.core import jobs
from ewaste.devices.models import Device
from ewaste.market.models import Dispute, Lot, Order, SecondOffer
from ewaste.payments.models import PaymentInstruction
from ewaste.tradein.models import Offer
from ewaste.views import shapes

SILENT_AFTER = timedelta(seconds=60)
VIEWS = ("failed", "running", "waiting", "planned")
WORDS = {
    jobs.SEND_PAYMENT: "Send a payment",
    jobs.CLOSE_LOT: "Close a lot",
    jobs.EXPIRE_OFFER: "Look whether an offer was answered",
    jobs.EXPIRE_ORDER: "Look whether an order was paid",
    jobs.PAY_SELLER_AT_LATEST: "Pay a seller at the latest",
    jobs.APPLY_GATEWAY_EVENT: "Take in what the payment provider told",
    jobs.SEND_MAIL: "Send a message",
    jobs.REMIND_WATCHER: "Remind somebody of a lot",
    jobs.TELL_OUTBID: "Tell a bidder that it was outbid",
    jobs.LAPSE_SECOND_OFFER: "Look whether the runner-up answered",
    jobs.REFUND_RETURNED: "Refund a device that came back",
    jobs.SAMPLE_BID: "Bid of a sample firm (training)",
}
_WHERE = {
    "failed": "j.status in ('failed', 'aborted')",
    "running": "j.status = 'doing'",
    "waiting": "j.status = 'todo' and (j.scheduled_at is null or j.scheduled_at <= :now)",
    "planned": "j.status = 'todo' and j.scheduled_at > :now",
}
_ORDER = {
    "failed": "j.id desc",
    "running": "j.id",
    "waiting": "j.scheduled_at nulls first, j.id",
    "planned": "j.scheduled_at, j.id",
}


_EACH = ", ".join(f"count(*) filter (where {where}) as {name}" for name, where in _WHERE.items())
_COUNTS = sa.text(
    f"select {_EACH}, min(j.scheduled_at) filter (where {_WHERE['planned']}) as next_at"  # noqa: S608 - our own words
    " from procrastinate_jobs j"
)
_LISTS = {
    name: sa.text(
        "select j.id, j.task_name, j.args, j.attempts, j.scheduled_at,"  # noqa: S608 - our own words
        " (select max(e.at) from procrastinate_events e where e.job_id = j.id) as at,"
        " (select x.error from job_errors x where x.job_id = j.id order by x.at desc limit 1) as error"
        f" from procrastinate_jobs j where {_WHERE[name]} order by {_ORDER[name]} limit :most offset :first"
    )
    for name in VIEWS
}


# What of a job's values is told: the thing it is about. Never a person, and never what somebody is ready to bid.
_TOLD = ("instruction", "lot", "offer", "order", "dispute")


class Failed(NamedTuple):
    """How many jobs failed for good, and since when the oldest of them."""

    many: int
    oldest: datetime | None


def failed(session: Session) -> Failed:
    """Jobs that failed for good. The caller asked the policy."""
    row = session.execute(
        sa.text(
            "select count(distinct j.id) as many, min(e.at) as oldest from procrastinate_jobs j"
            " left join procrastinate_events e on e.job_id = j.id and e.type in ('failed', 'aborted')"
            " where j.status in ('failed', 'aborted')"
        )
    ).one()
    return Failed(int(row.many), row.oldest)


def worker(session: Session) -> dict[str, Any]:
    """When a worker last told that it lives. The caller asked the policy."""
    seen = session.scalar(sa.text("select max(last_heartbeat) from procrastinate_workers"))
    real = session.scalar(sa.select(sa.func.now()))  # Its heart beats by the database's clock.
    alive = seen is not None and real is not None and seen > real - SILENT_AFTER
    return {"alive": alive, "seen": seen}


def job_list(session: Session, actor: Actor, *, view: str, page: int, now: datetime) -> dict[str, Any]:
    """The jobs of one kind of standing, 50 a page, with the last words of those that failed; how many stand in each."""
    policy.require(actor, Action.SEE_DESK)
    chosen = view if view in VIEWS else "failed"
    counts = session.execute(_COUNTS, {"now": now}).one()
    rows = session.execute(
        _LISTS[chosen], {"now": now, "most": shapes.PAGE_SIZE, "first": (page - 1) * shapes.PAGE_SIZE}
    )
    found = rows.all()
    subjects = _subjects(session, [row.args for row in found])
    return {
        "jobs": [
            {
                "id": row.id,
                "task": row.task_name,
                "words": WORDS.get(row.task_name, row.task_name),
                "about": _about(row.args, subjects),
                "attempts": row.attempts,
                "due": row.scheduled_at,
                "at": row.at,
                "error": row.error,
            }
            for row in found
        ],
        "counts": {name: int(getattr(counts, name)) for name in VIEWS},
        "next_at": counts.next_at,
        "view": chosen,
        "total": int(getattr(counts, chosen)),
        "worker": worker(session),
        "may": {"again"} if policy.allows(actor, Action.RETRY_JOB) else set(),
    }


def _about(args: Mapping[str, Any], subjects: Mapping[UUID, str]) -> str | None:
    """The code of what a job is about; None when it has none that is told."""
    value = next((str(args[name]) for name in _TOLD if args.get(name)), None)
    if value is None:
        return None
    number = _uuid(value)
    return subjects.get(number) if number is not None else value[:40]


def _subjects(session: Session, jobs_args: Sequence[Mapping[str, Any]]) -> dict[UUID, str]:
    """The codes of what the jobs of a page are about. One statement."""
    ids = [
        number
        for args in jobs_args
        for name in _TOLD
        if args.get(name) and (number := _uuid(str(args[name]))) is not None
    ]
    paid_for = sa.union_all(
        sa.select(Order.id, Order.code),
        sa.select(Device.id, Device.code),
        sa.select(Dispute.id, Dispute.code),
    ).subquery()
    rows = session.execute(
        sa.union_all(
            sa.select(PaymentInstruction.id, paid_for.c.code)
            .join(paid_for, paid_for.c.id == PaymentInstruction.subject_id)
            .where(PaymentInstruction.id.in_(ids)),
            sa.select(Lot.id, Lot.code).where(Lot.id.in_(ids)),
            sa.select(Order.id, Order.code).where(Order.id.in_(ids)),
            sa.select(Dispute.id, Dispute.code).where(Dispute.id.in_(ids)),
            sa.select(Offer.id, Device.code).join(Device, Device.id == Offer.device_id).where(Offer.id.in_(ids)),
            sa.select(SecondOffer.id, Lot.code).join(Lot, Lot.id == SecondOffer.lot_id).where(SecondOffer.id.in_(ids)),
        )
    )
    return {row[0]: row[1] for row in rows}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
