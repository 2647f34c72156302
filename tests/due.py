"""Running the jobs that are due, one by one, as the worker would take them; a test sees what each one raises."""

from __future__ import annotations

import sqlalchemy as sa

from ewaste.core import clock, jobs
from ewaste.core.database import Database
from ewaste.worker import Work, tasks


def run_due(database: Database, work: Work) -> int:
    """Run every job that is due, in order, until none is left; returns how many ran.

    The jobs are taken as the worker takes them; a job that raises stays, and the error is raised here.
    """
    ran = 0
    while True:
        with database.transaction() as session:
            row = session.execute(
                sa.text(
                    "select id, task_name, args from procrastinate_jobs where status = 'todo'"
                    " and (scheduled_at is null or scheduled_at <= :now) order by id limit 1 for update skip locked"
                ),
                {"now": clock.now()},
            ).one_or_none()
            if row is None:
                return ran
            session.execute(sa.text("update procrastinate_jobs set status = 'doing' where id = :id"), {"id": row.id})
        if row.task_name == jobs.SEND_MAIL and work.mailer is None:
            _finish(database, row.id, "succeeded")  # A worker without a mail server; letters have tests of their own.
            continue
        try:
            tasks(work)[row.task_name](**row.args)
        except Exception:
            _finish(database, row.id, "todo")
            raise
        _finish(database, row.id, "succeeded")
        ran += 1


def _finish(database: Database, job_id: int, status: str) -> None:
    with database.transaction() as session:
        session.execute(
            sa.text("update procrastinate_jobs set status = cast(:status as procrastinate_job_status) where id = :id"),
            {"id": job_id, "status": status},
        )
