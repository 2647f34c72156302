"""How the market is: what a probe asks, what a monitor counts, what an operator is told. Reads only.

A part is `ok`, `degraded` (pages work, somebody should look) or `down` (they do not). Its words are for whoever runs
the market; they hold times, counts and revisions, and no name, address, path or secret.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.migrations import revisions
from ewaste.payments import ledger

State = Literal["ok", "degraded", "down"]

WORKER_SILENT: Final = 30  # seconds; it tells every ten that it lives
JOB_LATE: Final = 300  # seconds past its time
MAIL_LATE: Final = 900  # seconds
LOG_LATE: Final = 60  # seconds; it is published at most one behind
DISK_LOW: Final = 1024**3  # bytes
PAYMENT_TRIES: Final = 3
KEY_FILES: Final = ("accreditor.pem", "market.pem")


@dataclass(frozen=True)
class Part:
    """One part of the market and how it is."""

    state: State
    words: str = ""


@dataclass(frozen=True)
class Counts:
    """What a monitor counts, as the database has it."""

    jobs: list[tuple[str, str, int, float]] = field(default_factory=list)
    """(name, status, how many, seconds that the oldest is past its time)."""
    certificates: Mapping[str, int] = field(default_factory=dict)
    devices: Mapping[str, int] = field(default_factory=dict)
    lots_open: int = 0
    mails: Mapping[str, int] = field(default_factory=dict)
    mail_oldest: float = 0.0
    ledger: Mapping[str, int] = field(default_factory=dict)
    """Each currency's sum in minor units: zero, or something is badly wrong."""
    worker_silence: float | None = None
    """Seconds since a worker last told that it lives; None when there is none."""


def readiness(database: Database, config: Config) -> dict[str, Part]:
    """Every part by name. Asks the database twice and nobody outside; payments are judged by what was noted."""
    try:
        with database.transaction() as session:
            parts = _database(session)
    except sa.exc.SQLAlchemyError as error:
        parts = {"database": Part("down", f"It does not answer ({type(error).__name__}).")}
    return parts | {"disk": disk(config.data), "keys": keys(config.data / "keys")}


def overall(parts: Mapping[str, Part]) -> State:
    """The worst of them."""
    states = {part.state for part in parts.values()}
    return "down" if "down" in states else "degraded" if "degraded" in states else "ok"


def revision(session: Session) -> Part:
    """Whether the database is at the revision that the code is written for."""
    found = session.scalar(sa.text("select version_num from alembic_version"))
    if found == revisions.head():
        return Part("ok", f"At revision {found}.")
    if found in revisions.known():
        return Part("down", f"The database is at revision {found}; the code wants {revisions.head()}. Migrate it.")
    return Part("degraded", f"The database is newer than the code ({found}; the code knows {revisions.head()}).")


def disk(folder: Path) -> Part:
    """Whether the data folder has room."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Part("degraded", f"The data folder cannot be read ({error.strerror}).")
    return Part("ok" if free >= DISK_LOW else "degraded", f"{free / 1024**3:.1f} GiB are free.")


def keys(folder: Path) -> Part:
    """Whether both signing keys can be read."""
    for name in KEY_FILES:
        try:
            with (folder / name).open("rb") as file:
                file.read(1)
        except OSError as error:
            words = f"A signing key cannot be read ({error.strerror}). After a restart nothing can be signed."
            return Part("degraded", words)
    return Part("ok", "Both can be read.")


def counts(session: Session) -> Counts:
    """Everything a monitor counts, in a constant number of statements."""
    late = "extract(epoch from now() - min(coalesce(j.scheduled_at, e.at)))"
    jobs = session.execute(
        sa.text(
            f"select j.task_name, j.status::text, count(*), greatest(coalesce({late}, 0), 0)"  # noqa: S608 - a constant
            " from procrastinate_jobs j left join lateral"
            " (select min(at) as at from procrastinate_events where job_id = j.id) e on true"
            " where j.status in ('todo', 'doing', 'failed') group by 1, 2"
        )
    ).all()
    row = session.execute(
        sa.text(
            "select (select count(*) from certificates) as accepted,"
            " (select count(*) from certificate_refusals) as refused,"
            " (select count(*) from certificate_revocations) as revoked,"
            " (select count(*) from lots where state = 'open') as lots_open,"
            " (select extract(epoch from now() - min(written_at)) from mails where state = 'waiting') as mail_oldest,"
            " (select extract(epoch from now() - max(last_heartbeat)) from procrastinate_workers) as silence"
        )
    ).one()
    devices = session.execute(sa.text("select state, count(*) as n from devices group by 1")).all()
    mails = session.execute(sa.text("select state, count(*) as n from mails group by 1")).all()
    return Counts(
        jobs=[(name, status, count, float(age)) for name, status, count, age in jobs],
        certificates={"accepted": row.accepted, "refused": row.refused, "revoked": row.revoked},
        devices={row.state: row.n for row in devices},
        lots_open=row.lots_open,
        mails={row.state: row.n for row in mails},
        mail_oldest=max(0.0, float(row.mail_oldest or 0)),
        ledger=ledger.sums(session),
        worker_silence=None if row.silence is None else max(0.0, float(row.silence)),
    )


def _database(session: Session) -> dict[str, Part]:
    parts = {"database": Part("ok", "It answers."), "migrations": revision(session)}
    if parts["migrations"].state == "down":  # What the code would ask for may not be there.
        return parts
    row = session.execute(
        sa.text(
            "select (select extract(epoch from now() - max(last_heartbeat)) from procrastinate_workers) as silence,"
            " (select extract(epoch from now() - min(coalesce(j.scheduled_at,"
            "   (select min(at) from procrastinate_events where job_id = j.id))))"
            "  from procrastinate_jobs j where status = 'todo' and coalesce(scheduled_at, now()) <= now()) as late,"
            " (select count(*) from procrastinate_jobs where task_name like 'payments.%'"
            "  and (status = 'failed' or (status in ('todo', 'doing') and attempts >= :tries))) as failing,"
            " (select max(coalesce(settled_at, sent_at)) from payment_instructions) as paid,"
            " (select extract(epoch from now() - min(written_at)) from mails where state = 'waiting') as mail,"
            " greatest("
            "  (select extract(epoch from now() - min(e.at)) from log_waiting w join log_entries e on e.leaf = w.leaf),"
            "  (select extract(epoch from now() - min(at)) from log_heads"
            "   where size > coalesce((select max(size) from log_checkpoints), 0))) as log"
        ),
        {"tries": PAYMENT_TRIES},
    ).one()
    return parts | {
        "worker": _worker(row.silence),
        "jobs": _late(row.late, JOB_LATE, "Nothing is due.", "The oldest due job waits for {}."),
        "payments": _payments(row.failing, row.paid),
        "mail": _late(row.mail, MAIL_LATE, "Nothing waits.", "The oldest message waits for {}."),
        "log": _late(
            row.log, LOG_LATE, "Everything in it is published.", "Its oldest entry waits to be published for {}."
        ),
    }


def _worker(silence: float | None) -> Part:
    if silence is None:
        return Part("degraded", "No worker has started. Payments, closings and mail wait.")
    if silence > WORKER_SILENT:
        return Part("degraded", f"No worker has told for {_length(silence)} that it lives.")
    return Part("ok", f"It told {_length(silence)} ago that it lives.")


def _payments(failing: int, last: datetime | None) -> Part:
    words = f"The provider last took one at {last:%Y-%m-%d %H:%M} UTC." if last else "None was sent yet."
    if failing:
        return Part("degraded", f"{failing} payment jobs have failed {PAYMENT_TRIES} times or more. {words}")
    return Part("ok", words)


def _late(seconds: float | None, most: int, nothing: str, words: str) -> Part:
    if seconds is None:
        return Part("ok", nothing)
    return Part("degraded" if seconds > most else "ok", words.format(_length(seconds)))


def _length(seconds: float) -> str:
    """Such as 12 s, 5 min or 3 h."""
    whole = max(0, int(seconds))
    return f"{whole} s" if whole < 120 else f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
