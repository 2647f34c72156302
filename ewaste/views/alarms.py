"""Incidents as the desk and the auditor read them: what is open, what the clock says, what was noted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation
from ewaste.accounts.policy import Action
from ewaste.core.ids import read_code
from ewaste.core.refusals import NotFound
from ewaste.devices.incidents import INCIDENT, WRITTEN_BY_HAND, Incident, IncidentKind, IncidentNote, IncidentNoteKind
from ewaste.devices.models import Device
from ewaste.views import shapes, stock

KIND_WORDS = {
    IncidentKind.LOST_DEVICE: "Lost device",
    IncidentKind.DATA: "Data incident",
    IncidentKind.STATION: "Station compromised",
    IncidentKind.OTHER: "Other",
}
NOTE_WORDS = {
    IncidentNoteKind.NOTE: "Note",
    IncidentNoteKind.AUTHORITY_TOLD: "The authority was told",
    IncidentNoteKind.PEOPLE_TOLD: "The people concerned were told",
    IncidentNoteKind.CLOSING_ASKED: "Asked to close it without telling the authority",
    IncidentNoteKind.CLOSED: "Closed",
}
VIEWS = ("open", "closed", "all")


def incidents(session: Session, actor: Actor, *, view: str, page: int, now: datetime) -> dict[str, Any]:
    """Incidents of one standing: those whose clock runs first, then the newest."""
    policy.require(actor, Action.SEE_DESK)
    chosen = view if view in VIEWS else "open"
    wanted = {
        "open": [Incident.closed_at.is_(None)],
        "closed": [Incident.closed_at.is_not(None)],
        "all": [],
    }[chosen]
    rows = session.execute(
        sa.select(Incident, Device.code.label("device"), Organisation.name.label("centre"))
        .outerjoin(Device, Device.id == Incident.device_id)
        .outerjoin(Organisation, Organisation.id == Incident.centre_id)
        .where(*wanted)
        .order_by(
            sa.case((sa.and_(Incident.tell_by.is_not(None), Incident.told_at.is_(None)), 0), else_=1),
            Incident.opened_at.desc(),
        )
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    )
    counts = session.execute(
        sa.select(
            sa.func.count().filter(Incident.closed_at.is_(None)).label("open"),
            sa.func.count().filter(Incident.closed_at.is_not(None)).label("closed"),
            sa.func.count().label("all"),
        ).select_from(Incident)
    ).one()
    return {
        "incidents": [_incident(row[0], row.device, row.centre, now) for row in rows],
        "counts": {name: int(getattr(counts, name)) for name in VIEWS},
        "view": chosen,
        "total": int(getattr(counts, chosen)),
        "kinds": [{"value": kind.value, "label": words} for kind, words in KIND_WORDS.items()],
        "centres": stock.centres(session),
        "may": _may(actor),
    }


def incident(session: Session, actor: Actor, code: str, *, now: datetime) -> dict[str, Any]:
    """One incident with its clock and all its notes. Raises `NotFound`."""
    policy.require(actor, Action.SEE_DESK)
    bare = read_code(code, INCIDENT)
    row = (
        session.execute(
            sa.select(Incident, Device.code.label("device"), Organisation.name.label("centre"))
            .outerjoin(Device, Device.id == Incident.device_id)
            .outerjoin(Organisation, Organisation.id == Incident.centre_id)
            .where(Incident.code == bare)
        ).one_or_none()
        if bare
        else None
    )
    if row is None:
        raise NotFound("There is no incident with this code. Codes look like N-7K3M-9QXA.")
    found: Incident = row[0]
    notes = session.scalars(
        sa.select(IncidentNote).where(IncidentNote.incident_id == found.id).order_by(IncidentNote.at, IncidentNote.id)
    ).all()
    asked = [note for note in notes if note.kind is IncidentNoteKind.CLOSING_ASKED]
    tones = {
        IncidentNoteKind.CLOSED: "done",
        IncidentNoteKind.NOTE: "quiet",
        IncidentNoteKind.CLOSING_ASKED: "wait",
    }
    return {
        "incident": _incident(found, row.device, row.centre, now),
        "notes": [
            {
                "at": note.at,
                "kind": "lift" if note.kind is IncidentNoteKind.CLOSED else "note",
                "state": None,
                "tone": tones.get(note.kind, "safe"),
                "title": NOTE_WORDS[note.kind],
                "by": note.by_name,
                "text": note.text,
                "facts": [],
            }
            for note in notes
        ],
        "note_kinds": [{"value": kind.value, "label": NOTE_WORDS[kind]} for kind in WRITTEN_BY_HAND],
        "asked": {"by": asked[-1].by_name, "at": asked[-1].at, "mine": asked[-1].by_id == actor.id} if asked else None,
        "may": _may(actor) if found.closed_at is None else set(),
    }


def _may(actor: Actor) -> set[str]:
    return {"handle"} if policy.allows(actor, Action.HANDLE_INCIDENT) else set()


def _incident(found: Incident, device: str | None, centre: str | None, now: datetime) -> dict[str, Any]:
    running = found.tell_by is not None and found.told_at is None and found.closed_at is None
    return {
        "code": found.code,
        "kind": KIND_WORDS[found.kind],
        "title": found.title,
        "device": device,
        "centre": centre,
        "opened_at": found.opened_at,
        "opened_by": found.opened_name,
        "tell_by": found.tell_by,
        "told_at": found.told_at,
        "running": running,
        "late": running and found.tell_by is not None and found.tell_by <= now,
        "in_time": found.told_at is not None and found.tell_by is not None and found.told_at <= found.tell_by,
        "closed_at": found.closed_at,
        "close_reason": found.close_reason,
    }
