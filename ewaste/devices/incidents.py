"""Incidents: what went wrong so badly that somebody must be told, with the clock that the law sets.

A lost device that was not cleared opens one by itself: its data may be with anybody. From the moment we know of it,
the authority is to be told within 72 hours (GDPR, article 33). What is noted is appended and never changed; an
incident is closed once, with how it was settled. Where data may be exposed and the authority was not told, one person
says why not and another one closes it.
"""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.accounts.models import Actor
from ewaste.core.database import Base
from ewaste.core.ids import new_code, new_id, read_code
from ewaste.core.refusals import Conflict, Invalid, NotFound

INCIDENT = "N"
TELL_WITHIN = timedelta(hours=72)


class IncidentKind(enum.StrEnum):
    """What went wrong."""

    LOST_DEVICE = "lost-device"
    DATA = "data-incident"
    STATION = "station-compromised"
    OTHER = "other"


class IncidentNoteKind(enum.StrEnum):
    """What a note says beyond its words: that the authority or the persons concerned were told, or that it is over."""

    NOTE = "note"
    AUTHORITY_TOLD = "authority-told"
    PEOPLE_TOLD = "people-told"
    CLOSING_ASKED = "closing-asked"
    CLOSED = "closed"


# What somebody notes by choosing it from a list; the rest follows from a step.
WRITTEN_BY_HAND = (IncidentNoteKind.NOTE, IncidentNoteKind.AUTHORITY_TOLD, IncidentNoteKind.PEOPLE_TOLD)


class Incident(Base):
    """One incident. `tell_by` is set when data may be exposed: until then the authority is to be told."""

    __tablename__ = "incidents"
    __table_args__ = (
        sa.CheckConstraint("length(title) between 3 and 200", name="title"),
        sa.CheckConstraint("(closed_at is null) = (close_reason is null)", name="closed_with_reason"),
        sa.Index(
            "uq_incidents_lost_device",
            "device_id",
            unique=True,
            postgresql_where=sa.text("closed_at is null and kind = 'lost-device'"),
        ),
        sa.Index("ix_incidents_open", "opened_at", postgresql_where=sa.text("closed_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[IncidentKind]
    title: Mapped[str]
    device_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("devices.id"))
    centre_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.id"))
    opened_at: Mapped[datetime]
    opened_by: Mapped[UUID | None]
    opened_name: Mapped[str]
    tell_by: Mapped[datetime | None]
    told_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]


class IncidentNote(Base):
    """What somebody noted of an incident. Append-only."""

    __tablename__ = "incident_notes"
    __table_args__ = (
        sa.CheckConstraint("length(text) between 3 and 2000", name="text"),
        sa.Index("ix_incident_notes_incident", "incident_id", "at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    incident_id: Mapped[UUID] = mapped_column(sa.ForeignKey("incidents.id"))
    kind: Mapped[IncidentNoteKind]
    text: Mapped[str]
    at: Mapped[datetime]
    by_id: Mapped[UUID | None]
    by_name: Mapped[str]


def find(session: Session, text: str) -> Incident:
    """The incident with this code, locked until the step ends. Raises `NotFound`."""
    code = read_code(text, INCIDENT)
    found = session.scalar(sa.select(Incident).where(Incident.code == code).with_for_update()) if code else None
    if found is None:
        raise NotFound("There is no incident with this code. Codes look like N-7K3M-9QXA.")
    return found


def lost(session: Session, device_id: UUID) -> Incident | None:
    """The open incident about this lost device, if there is one; not locked."""
    return session.scalar(
        sa.select(Incident).where(
            Incident.device_id == device_id, Incident.kind == IncidentKind.LOST_DEVICE, Incident.closed_at.is_(None)
        )
    )


def begin(
    session: Session,
    *,
    kind: IncidentKind,
    title: str,
    text: str,
    by: Actor,
    exposed: bool,
    device_id: UUID | None = None,
    centre_id: UUID | None = None,
    now: datetime,
) -> Incident:
    """Open an incident with its first note. `exposed`: data may be with somebody, so the 72 hours run from now.

    Raises `Invalid` with the field.
    """
    if not 3 <= len(title.strip()) <= 200:
        raise Invalid("Say what happened, in 3 to 200 characters.", field="title")
    _require_text(text)
    opened = Incident(
        code=new_code(INCIDENT),
        kind=kind,
        title=title.strip(),
        device_id=device_id,
        centre_id=centre_id,
        opened_at=now,
        opened_by=by.id,
        opened_name=by.name,
        tell_by=now + TELL_WITHIN if exposed else None,
    )
    session.add(opened)
    session.flush()
    _append(session, opened, IncidentNoteKind.NOTE, text, by=by, now=now)
    return opened


def add_note(session: Session, incident: Incident, kind: str, text: str, *, by: Actor, now: datetime) -> None:
    """Append a note. That the authority was told stops the clock. Raises `Invalid` or `Conflict`."""
    _require_open(incident)
    if kind not in WRITTEN_BY_HAND:
        raise Invalid("Choose what the note is about from the list.", field="kind")
    _append(session, incident, IncidentNoteKind(kind), text, by=by, now=now)
    if kind == IncidentNoteKind.AUTHORITY_TOLD and incident.told_at is None:
        incident.told_at = now
    session.flush()


def close(session: Session, incident: Incident, reason: str, *, not_told: str = "", by: Actor, now: datetime) -> bool:
    """Close it, with how it was settled. Raises `Invalid` or `Conflict`.

    While the authority is still to be told, the first person only asks for it and says why it was `not_told`; the
    incident stays open, its clock runs on, and the answer is False. Another person closes it.
    """
    _require_open(incident)
    _require_text(reason, "reason")
    if incident.tell_by is not None and incident.told_at is None:
        asked = closing_asked(session, incident.id)
        if asked is None:
            why = not_told.strip()
            if not 10 <= len(why) <= 500:
                raise Invalid(
                    "The authority was not told. Say why it need not be, in 10 to 500 characters; a second person then "
                    "closes the incident. Or tell the authority, and note that first.",
                    field="not_told",
                )
            if len(reason.strip()) > 1400:
                raise Invalid("Write it in at most 1,400 characters.", field="reason")
            text = f"{reason.strip()}\n\nWhy the authority was not told: {why}"
            _append(session, incident, IncidentNoteKind.CLOSING_ASKED, text, by=by, now=now)
            return False
        if asked.by_id == by.id:
            raise Conflict("You asked to close this without telling the authority. Somebody else has to close it.")
    _append(session, incident, IncidentNoteKind.CLOSED, reason, by=by, now=now)
    incident.closed_at, incident.close_reason = now, reason.strip()
    session.flush()
    return True


def closing_asked(session: Session, incident_id: UUID) -> IncidentNote | None:
    """The note of who asked last to close it without telling the authority, if somebody did."""
    return session.scalar(
        sa.select(IncidentNote)
        .where(IncidentNote.incident_id == incident_id, IncidentNote.kind == IncidentNoteKind.CLOSING_ASKED)
        .order_by(IncidentNote.at.desc(), IncidentNote.id.desc())
        .limit(1)
    )


def _append(
    session: Session, incident: Incident, kind: IncidentNoteKind, text: str, *, by: Actor, now: datetime
) -> None:
    _require_text(text)
    session.add(
        IncidentNote(incident_id=incident.id, kind=kind, text=text.strip(), at=now, by_id=by.id, by_name=by.name)
    )
    session.flush()


def _require_open(incident: Incident) -> None:
    if incident.closed_at is not None:
        raise Conflict("This incident is closed. Open a new one when there is more to it.")


def _require_text(text: str, field: str = "text") -> None:
    if not 3 <= len(text.strip()) <= 2000:
        raise Invalid("Write what is known, in 3 to 2,000 characters.", field=field)
