"""Beside the legs: what staff look after when something went wrong. Incidents, and jobs that failed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, OrganisationKind
from ewaste.accounts.policy import Action
from ewaste.core import jobs
from ewaste.core.ids import DEVICE, read_code
from ewaste.core.refusals import Conflict, Invalid
from ewaste.devices import incidents
from ewaste.devices.incidents import Incident, IncidentKind
from ewaste.devices.models import Device


def open_incident(
    session: Session,
    actor: Actor,
    *,
    kind: str,
    title: str,
    text: str,
    exposed: bool,
    device_code: str = "",
    centre_id: UUID | None = None,
    now: datetime,
) -> Incident:
    """Something went wrong. If data may be exposed, the 72 hours begin now. Raises `Invalid` with the field."""
    policy.require(actor, Action.HANDLE_INCIDENT)
    if kind not in set(IncidentKind):
        raise Invalid("Choose what kind of incident it is from the list.", field="kind")
    device = None
    if device_code.strip():
        code = read_code(device_code, DEVICE)
        device = session.scalar(sa.select(Device).where(Device.code == code)) if code else None
        if device is None:
            raise Invalid("There is no device with this code. Codes look like D-7K3M-9QXA.", field="device_code")
    centre = session.get(Organisation, centre_id) if centre_id is not None else None
    if centre_id is not None and (centre is None or centre.kind is not OrganisationKind.CENTRE):
        raise Invalid("Choose the test centre from the list, or none.", field="centre_id")
    if kind == IncidentKind.LOST_DEVICE and device is None:
        raise Invalid("Say which device is lost, by its code.", field="device_code")
    if device is not None and kind == IncidentKind.LOST_DEVICE and incidents.lost(session, device.id) is not None:
        raise Conflict("There is an open incident about this lost device already. Note there what is new.")
    return incidents.begin(
        session,
        kind=IncidentKind(kind),
        title=title,
        text=text,
        by=actor,
        exposed=exposed,
        device_id=device.id if device else None,
        centre_id=centre_id or (device.centre_id if device else None),
        now=now,
    )


def note_incident(session: Session, actor: Actor, code: str, *, kind: str, text: str, now: datetime) -> Incident:
    """What was learnt or done since. That the authority was told stops the clock."""
    policy.require(actor, Action.HANDLE_INCIDENT)
    found = incidents.find(session, code)
    incidents.add_note(session, found, kind, text, by=actor, now=now)
    return found


def close_incident(
    session: Session, actor: Actor, code: str, *, reason: str, not_told: str = "", now: datetime
) -> Incident:
    """It is settled, and how. Without telling the authority that takes two people: the first one only asks for it."""
    policy.require(actor, Action.HANDLE_INCIDENT)
    found = incidents.find(session, code)
    incidents.close(session, found, reason, not_told=not_told, by=actor, now=now)
    return found


def run_again(session: Session, actor: Actor, job_id: int) -> str:
    """A job that failed runs again, as soon as the worker is free. Returns its name.

    Raises `NotFound`, or `Conflict` for one that did not fail or whose like waits already.
    """
    policy.require(actor, Action.RETRY_JOB)
    return jobs.again(session, job_id)
