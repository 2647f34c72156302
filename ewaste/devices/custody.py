"""The chain of custody: who moved a device, from where to where, on what evidence.

`move` is the only code that moves a device. The state and the event are written by one database function
(`custody_append`, owned by the migrating role), so neither exists without the other; the app role has no right
to do it in another way. Each event carries the hash of the one before it; a changed or missing event shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.core import clock
from ewaste.core.refusals import Conflict, NotFound
from ewaste.devices import notices
from ewaste.devices.lifecycle import State, allowed, despite_hold, opens_cycle
from ewaste.devices.models import CustodyEvent, Device, Hold, HoldKind, Title

NOBODYS = "There is nothing here under this address, or it is not yours to see."


def register(session: Session, device: Device, *, by: Actor, evidence: Mapping[str, Any], now: datetime) -> Device:
    """Enter a device that is expected, with the first event of its chain."""
    device.state, device.cycle, device.custody_seq, device.custody_head = State.EXPECTED, 1, 0, ""
    device.since = now
    session.add(device)
    session.flush()
    note(session, device, "device.expected", by=by, evidence=evidence, now=now)
    return device


def find(session: Session, device_id: UUID) -> Device:
    """The device with this id, locked until the step ends. Raises `NotFound`."""
    device = session.scalar(
        sa.select(Device).where(Device.id == device_id).with_for_update().execution_options(populate_existing=True)
    )
    if device is None:
        raise NotFound(NOBODYS)
    return device


def move(
    session: Session, device: Device, new: State, *, by: Actor, evidence: Mapping[str, Any], now: datetime
) -> None:
    """Move a device and append the event, in one statement.

    Raises `Conflict` when a hold stands, when there is no such way, when the clearance is missing, or when someone
    else moved the device a moment ago. `device` carries the new state afterwards.
    """
    old = device.state
    if not allowed(old, new):
        raise Conflict(f"A device that is {words(old)} cannot become {words(new)}. Reload and look again.")
    hold = None if despite_hold(old, new) else open_hold(session, device.id)
    if hold is not None:
        raise Conflict(f"A hold stands on this device ({hold.kind.value}: {hold.reason}). Lift it first.")
    cycle = device.cycle + 1 if opens_cycle(old, new) else device.cycle
    _append(session, device, f"device.{new.value}", old, new, cycle, by, evidence, now)


def note(session: Session, device: Device, kind: str, *, by: Actor, evidence: Mapping[str, Any], now: datetime) -> None:
    """Append an event that does not move the device: a weighing, a medium found, a hold, title passed."""
    _append(session, device, kind, device.state, device.state, device.cycle, by, evidence, now)


def pass_title(session: Session, device: Device, to: Title, *, by: Actor, on: str, now: datetime) -> None:
    """Title passes, with the ground for it. Passing it to who has it already changes nothing."""
    if device.title is to:
        return
    note(
        session, device, "title.passed", by=by, evidence={"from": device.title.value, "to": to.value, "on": on}, now=now
    )
    device.title = to
    session.flush()


def open_hold(session: Session, device_id: UUID) -> Hold | None:
    """The oldest hold that stands on the device, if any."""
    return session.scalar(
        sa.select(Hold).where(Hold.device_id == device_id, Hold.lifted_at.is_(None)).order_by(Hold.placed_at).limit(1)
    )


def place_hold(
    session: Session,
    device: Device,
    kind: HoldKind,
    reason: str,
    *,
    note_for_seller: str = "",
    by: Actor,
    now: datetime,
) -> Hold:
    """Stop a device, with the reason. The seller reads `note_for_seller`, or the usual words for this kind of hold."""
    told = note_for_seller or notices.HOLDS[kind]
    hold = Hold(device_id=device.id, kind=kind, reason=reason, note_for_seller=told, placed_at=now, placed_by=by.id)
    session.add(hold)
    session.flush()
    note(
        session,
        device,
        "hold.placed",
        by=by,
        evidence={"hold": str(hold.id), "kind": kind.value, "reason": reason, "noteForSeller": told},
        now=now,
    )
    return hold


def lift_hold(session: Session, device: Device, hold_id: UUID, reason: str, *, by: Actor, now: datetime) -> None:
    """Let a device go on, with the reason. Raises `NotFound` or `Conflict`."""
    hold = session.get(Hold, hold_id)
    if hold is None or hold.device_id != device.id:
        raise NotFound("There is no such hold on this device.")
    if hold.lifted_at is not None:
        raise Conflict("This hold was lifted already. Reload and look again.")
    hold.lifted_at, hold.lifted_by, hold.lift_reason = now, by.id, reason
    session.flush()
    note(session, device, "hold.lifted", by=by, evidence={"hold": str(hold.id), "reason": reason}, now=now)


def mass_of(session: Session, device_id: UUID) -> int:
    """The last weight noted for a device, in grams; 0 when it was never weighed."""
    return int(
        session.scalar(
            sa.select(CustodyEvent.evidence["massGrams"].as_integer())
            .where(CustodyEvent.device_id == device_id, CustodyEvent.evidence.has_key("massGrams"))
            .order_by(CustodyEvent.seq.desc())
            .limit(1)
        )
        or 0
    )


def check_chain(session: Session, device_id: UUID) -> list[str]:
    """Read the whole chain again. Returns what is wrong with it, in words; an empty list when nothing is."""
    device = session.get_one(Device, device_id, populate_existing=True)
    wrong, previous, state, cycle, title = [], "", State.EXPECTED, 1, Title.SELLER.value
    events = session.scalars(
        sa.select(CustodyEvent).where(CustodyEvent.device_id == device_id).order_by(CustodyEvent.seq)
    ).all()
    for position, event in enumerate(events, start=1):
        body = _read(event.body)
        if hashlib.sha256(event.body.encode()).hexdigest() != event.hash:
            wrong.append(f"Event {event.seq} was changed: its hash does not fit its content.")
        if event.seq != position or body.get("seq") != position:
            wrong.append(f"Event {position} is missing.")
        if body.get("previous") != previous:
            wrong.append(f"Event {event.seq} does not follow the event before it.")
        if _columns(event) != {name: value for name, value in body.items() if name not in _HASHED_ONLY}:
            wrong.append(f"Event {event.seq} reads differently in its columns and in what was hashed.")
        if event.from_state is not state:
            wrong.append(f"Event {event.seq} starts from {event.from_state.value}, but the device was {state.value}.")
        previous, state, cycle = event.hash, event.to_state, event.cycle
        if event.kind == "title.passed":
            title = str(event.evidence.get("to"))
    stands = (device.custody_seq, device.custody_head, device.state, device.cycle, device.title.value)
    if stands != (len(events), previous, state, cycle, title):
        wrong.append("The device does not stand where its last event left it: events are missing at the end.")
    return wrong


_HASHED_ONLY = ("v", "previous", "role")  # in the body of an event, but in none of its columns


def _read(body: str) -> dict[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _columns(event: CustodyEvent) -> dict[str, Any]:
    """What the columns say of an event, in the words of what was hashed."""
    return {
        "device": str(event.device_id),
        "seq": event.seq,
        "cycle": event.cycle,
        "kind": event.kind,
        "from": event.from_state.value,
        "to": event.to_state.value,
        "at": clock.text(event.at),
        "actor": str(event.actor_id) if event.actor_id else None,
        "actorName": event.actor_name,
        "evidence": event.evidence,
    }


def words(state: State) -> str:
    """A state as it is said."""
    return state.value.replace("_", " ")


def _append(
    session: Session,
    device: Device,
    kind: str,
    old: State,
    new: State,
    cycle: int,
    by: Actor,
    evidence: Mapping[str, Any],
    now: datetime,
) -> None:
    body = json.dumps(
        {
            "v": 1,
            "device": str(device.id),
            "seq": device.custody_seq + 1,
            "cycle": cycle,
            "kind": kind,
            "from": old.value,
            "to": new.value,
            "at": clock.text(now),
            "actor": str(by.id) if by.id else None,
            "actorName": by.name,
            "role": by.role.value,
            "evidence": dict(evidence),
            "previous": device.custody_head,
        },
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    session.flush()
    answer = session.scalar(sa.text("select custody_append(:body)"), {"body": body})
    if answer != "ok":
        raise Conflict(_ANSWERS.get(str(answer), f"The database refused this move: {answer}."))
    session.refresh(device)
    notices.after_event(session, device, kind, evidence, now=now)


_ANSWERS = {
    "stale": "Someone else moved this device a moment ago. Reload and look again.",
    "held": "A hold stands on this device. Lift it first.",
    "no-way": "There is no such move for this device. Reload and look again.",
    "not-cleared": "This device has no live clearance: no certificate that covers every medium found in it stands now.",
}
