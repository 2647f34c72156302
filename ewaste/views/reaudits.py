"""The queue of the routine re-audit at a bench, and how a centre stands in it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Person
from ewaste.accounts.policy import Action
from ewaste.centres.models import Station
from ewaste.certificates.models import Certificate
from ewaste.certificates.reaudit import GONE, ONE_IN, RULE, Because, Outcome, ReAudit
from ewaste.devices.models import Device
from ewaste.views import shapes
from ewaste.views.bench import require

BECAUSE = {
    Because.DRAWN: "drawn by chance",
    Because.FLOOR: f"to reach one in {ONE_IN}",
}
_CHOSEN = ReAudit.because != Because.NOT


def queue(session: Session, actor: Actor, *, page: int) -> dict[str, Any]:
    """The devices of the actor's centre that wait for somebody else's look, the oldest first, and those looked at last.

    `mine` says that the actor worked on it and so cannot be the one.
    """
    centre_id = require(actor)
    here = sa.and_(ReAudit.centre_id == centre_id, _CHOSEN)
    open_ = (
        sa.select(ReAudit, Device, Station.name.label("station"))
        .join(Device, Device.id == ReAudit.device_id)
        .join(Certificate, Certificate.id == ReAudit.certificate_id)
        .join(Station, Station.id == Certificate.station_id)
        .where(here, ReAudit.outcome.is_(None), Device.state.not_in(GONE), Device.centre_id == centre_id)
    )
    waiting = session.execute(
        open_.order_by(ReAudit.at, ReAudit.id).limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)
    ).all()
    looked_at = session.execute(
        sa.select(ReAudit, Device, Person.name.label("auditor"))
        .join(Device, Device.id == ReAudit.device_id)
        .join(Person, Person.id == ReAudit.auditor_id)
        .where(here, ReAudit.outcome.is_not(None))
        .order_by(ReAudit.audited_at.desc(), ReAudit.id)
        .limit(20)
    ).all()
    name = " ".join(actor.name.split()).casefold()
    return {
        "audits": [
            _row(row.ReAudit, row.Device)
            | {"station": row.station, "mine": actor.id in row.ReAudit.workers or name in row.ReAudit.operators}
            for row in waiting
        ],
        "total": shapes.count(session, open_),
        "looked_at": [
            _row(row.ReAudit, row.Device)
            | {
                "outcome": row.ReAudit.outcome.value,
                "auditor": row.auditor,
                "audited_at": row.ReAudit.audited_at,
                "note": row.ReAudit.note,
            }
            for row in looked_at
        ],
        "figures": figures(session, centre_id),
        "rule": RULE,
        "one_in": ONE_IN,
        "may_note": policy.allows(actor, Action.RE_AUDIT, centre=centre_id),
    }


def figures(session: Session, centre_id: UUID) -> dict[str, int]:
    """How many sanitised devices were drawn for, chosen, looked at, found with something left, and left unseen. One
    statement.
    """
    row = session.execute(
        sa.select(
            sa.func.count().label("drawn"),
            sa.func.count().filter(_CHOSEN).label("chosen"),
            sa.func.count().filter(ReAudit.outcome.is_not(None)).label("looked_at"),
            sa.func.count().filter(ReAudit.outcome == Outcome.RESIDUE).label("reversed"),
            sa.func.count().filter(_CHOSEN, ReAudit.outcome.is_(None), Device.state.in_(GONE)).label("missed"),
        )
        .select_from(ReAudit)
        .join(Device, Device.id == ReAudit.device_id)
        .where(ReAudit.centre_id == centre_id)
    ).one()
    return {name: int(value) for name, value in row._asdict().items()}


def _row(audit: ReAudit, device: Device) -> dict[str, Any]:
    return {
        "id": audit.id,
        "code": device.code,
        "title": shapes.title(device.brand, device.model),
        "state": device.state.value,
        "number": audit.number,
        "because": BECAUSE[audit.because],
        "at": audit.at,
    }
