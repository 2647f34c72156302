"""Jobs: what reaches outside, written down in the same transaction as the step that asks for it.

A job is deferred by name; `ewaste.worker` registers the tasks. If the step rolls back, so does the job.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core.refusals import Conflict, NotFound

SEND_PAYMENT = "payments.send"
CLOSE_LOT = "market.close_lot"
EXPIRE_OFFER = "tradein.expire_offer"
EXPIRE_ORDER = "market.expire_order"
PAY_SELLER_AT_LATEST = "payments.pay_seller_at_latest"
APPLY_GATEWAY_EVENT = "payments.apply_event"
SEND_MAIL = "mail.send"
REMIND_WATCHER = "market.remind_watcher"
TELL_OUTBID = "market.tell_outbid"
LAPSE_SECOND_OFFER = "market.lapse_second_offer"
REFUND_RETURNED = "market.refund_returned"
SAMPLE_BID = "sample.bid"
NAMES = frozenset(
    {SEND_MAIL, SEND_PAYMENT, CLOSE_LOT, EXPIRE_OFFER, EXPIRE_ORDER, PAY_SELLER_AT_LATEST, APPLY_GATEWAY_EVENT}
    | {REMIND_WATCHER, TELL_OUTBID, LAPSE_SECOND_OFFER, REFUND_RETURNED}
    | {SAMPLE_BID}
)

_DEFER = sa.text(
    "select procrastinate_defer_jobs_v1(array[row('default', :task, 0, cast(:lock as text), cast(:key as text),"
    " cast(:args as jsonb), cast(:at as timestamptz))::procrastinate_job_to_defer_v1])"
)


def defer(session: Session, name: str, *, at: datetime | None = None, key: str | None = None, **arguments: Any) -> None:
    """Ask the worker to run `name` with these JSON arguments, not before `at`.

    `key` keeps a second waiting job of the same kind out: with a key that waits already, nothing is added.
    """
    if name not in NAMES:
        raise ValueError(f"No job is called {name!r}.")
    if key is not None and waits(session, key):
        return
    session.execute(_DEFER, {"task": name, "lock": key, "key": key, "args": json.dumps(arguments), "at": at})


def waits(session: Session, key: str) -> bool:
    """Whether a job with this key waits to be run."""
    return bool(
        session.scalar(
            sa.text("select 1 from procrastinate_jobs where queueing_lock = :key and status = 'todo'"), {"key": key}
        )
    )


def again(session: Session, job_id: int) -> str:
    """Let a job that failed wait anew, to be run as soon as the worker is free. Returns its name.

    Raises `NotFound`, or `Conflict` for one that did not fail or whose like waits already.
    """
    job = session.execute(
        sa.text(
            "select task_name, cast(status as text) as status, queueing_lock from procrastinate_jobs"
            " where id = :id for update"
        ),
        {"id": job_id},
    ).one_or_none()
    if job is None:
        raise NotFound("There is no such job. One that went well is not kept.")
    if job.status not in ("failed", "aborted"):
        raise Conflict("This job did not fail, or was started again already. Nothing changed.")
    if job.queueing_lock is not None and waits(session, job.queueing_lock):
        raise Conflict("Another job of the same kind for the same thing waits already. Nothing changed.")
    session.execute(
        sa.text(
            "update procrastinate_jobs set status = 'todo', attempts = 0, scheduled_at = null, worker_id = null,"
            " abort_requested = false where id = :id"
        ),
        {"id": job_id},
    )
    session.execute(sa.text("insert into procrastinate_events (job_id, type) values (:id, 'retried')"), {"id": job_id})
    return str(job.task_name)
