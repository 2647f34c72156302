"""After the gate: somebody else of the centre looks once more at a device that the rule chose (R2v3).

Something left on it stops the device, opens an incident for the desk, and counts against the centre: its wipe was
reversed. Whether the certificate falls is the desk's to decide.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor
from ewaste.accounts.policy import Action
from ewaste.certificates import reaudit
from ewaste.certificates.reaudit import GONE, Outcome
from ewaste.core.refusals import Conflict
from ewaste.devices import custody, incidents
from ewaste.devices.incidents import IncidentKind
from ewaste.devices.models import Device, HoldKind


def look_again(session: Session, actor: Actor, audit_id: UUID, *, outcome: str, note: str, now: datetime) -> Device:
    """Note what the auditor found. Raises `Conflict` for who worked on the device, or when it has left the centre."""
    audit = reaudit.find(session, audit_id)
    policy.require(actor, Action.RE_AUDIT, centre=audit.centre_id)
    device = custody.find(session, audit.device_id)
    if device.state in GONE or device.centre_id != audit.centre_id:
        raise Conflict(f"This device is {custody.words(device.state)}: it is not here to be looked at.")
    if actor.id is None:
        raise Conflict("A re-audit is done by a person.")
    reaudit.note(session, audit, outcome=outcome, text=note, auditor=actor.id, name=actor.name, now=now)
    evidence = {"reAudit": str(audit.id), "rule": audit.rule, "because": audit.because.value, "note": audit.note}
    custody.note(session, device, f"re-audit.{outcome}", by=actor, evidence=evidence, now=now)
    if audit.outcome is Outcome.RESIDUE:
        reason = f"{actor.name} found data on it at the re-audit: {audit.note}"
        custody.place_hold(session, device, HoldKind.VALIDATION, reason[:500], by=actor, now=now)
        incidents.begin(
            session,
            kind=IncidentKind.DATA,
            title=f"Data left on {device.code} after its wipe",
            text=f"{reason} The device is on hold. Look at the other devices of the same operator and station.",
            by=actor,
            exposed=False,
            device_id=device.id,
            centre_id=audit.centre_id,
            now=now,
        )
    return device
