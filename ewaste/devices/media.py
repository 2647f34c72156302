"""Storage media: found, removed, held, sanitised, destroyed. Every medium ever observed in a custody cycle counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ewaste.accounts.models import Actor
from ewaste.core.refusals import Conflict, Invalid
from ewaste.devices import custody
from ewaste.devices.lifecycle import ENDS, State
from ewaste.devices.models import Device, DeviceClass, Medium, MediumEvent, MediumEventKind, MediumKind

KIND_WORDS: Mapping[str, str] = {
    "hdd": "Hard disk",
    "ssd": "SSD",
    "nvme": "NVMe SSD",
    "emmc": "eMMC memory",
    "ufs": "UFS memory",
    "sd": "SD card",
    "usb": "USB stick",
    "sim": "SIM card",
    "phone-storage": "Phone memory",
    "other": "Other storage",
}
# Media that cannot be separated from their device.
SOLDERED = frozenset({MediumKind.PHONE_STORAGE, MediumKind.EMMC, MediumKind.UFS})
# Classes of devices that always have such a medium.
HAVE_SOLDERED = frozenset({DeviceClass.SMARTPHONE, DeviceClass.TABLET})
# Media that a device runs from: without one of them it has no drive. Cards, sticks and SIMs are none.
DRIVES = frozenset({MediumKind.HDD, MediumKind.SSD, MediumKind.NVME, MediumKind.EMMC, MediumKind.UFS})
# A medium that shows no serial number is given one, which begins so and is stuck on it.
NO_SERIAL = "NONE-"
# What stands for the model of a medium that shows none.
NO_MODEL = "not readable"
# What became of a device's drives: one is inside, or the last one was destroyed, or taken out and kept apart.
DriveFate = Literal["inside", "destroyed", "taken-out"]


def observe(
    session: Session,
    device: Device,
    *,
    kind: str,
    model: str,
    serial: str,
    manufacturer: str = "",
    wwn: str | None = None,
    size_bytes: int | None = None,
    by: Actor,
    now: datetime,
) -> Medium:
    """Note a medium that was seen in (or with) a device. Seeing it twice in a cycle changes nothing.

    A device that was cleared loses its clearance by it (the database sees to that). Raises `Invalid` with the field.
    """
    if kind not in set(MediumKind):
        raise Invalid(f"{kind[:40]!r} is no kind of medium that we know.", field="kind")
    serial, model = " ".join(serial.split()), " ".join(model.split())
    if not 1 <= len(serial) <= 64:
        raise Invalid("Type the serial number that is printed on the medium (at most 64 characters).", field="serial")
    if not 1 <= len(model) <= 80:
        raise Invalid("Type the model that is printed on the medium (at most 80 characters).", field="model")
    if size_bytes is not None and not 0 < size_bytes <= 2**53 - 1:
        raise Invalid("The size is a number of bytes, more than zero.", field="size_bytes")
    medium = session.scalar(
        sa.select(Medium)
        .where(Medium.device_id == device.id, Medium.kind == MediumKind(kind), _folded(Medium.serial) == _fold(serial))
        .order_by((Medium.serial == serial).desc(), Medium.created_at)
        .limit(1)
    )
    if medium is None:
        medium = Medium(
            device_id=device.id,
            kind=MediumKind(kind),
            manufacturer=manufacturer.strip()[:80],
            model=model,
            serial=serial,
            wwn=wwn,
            size_bytes=size_bytes,
            created_at=now,
        )
        session.add(medium)
        session.flush()
    if medium.id in with_event(session, device, MediumEventKind.HELD):
        raise Conflict(
            "This medium is kept apart under a seal. Put a hold on the device, and find out which of the two is true."
        )
    seen_now = medium.id in {seen.id for seen in observed(session, device)}
    if seen_now and medium.serial != serial:
        raise Invalid(f"{medium.serial} is noted already. Look at the list above.", field="serial")
    if not seen_now:
        record(session, device, medium, MediumEventKind.FOUND, by=by, evidence={}, now=now)
    return medium


def elsewhere(session: Session, device: Device, serial: str) -> str | None:
    """The code of another device that is with us, or on its way, in which a medium of this serial is noted; or None."""
    return session.scalar(
        sa.select(Device.code)
        .join(Medium, Medium.device_id == Device.id)
        .where(
            Device.id != device.id,
            Device.state.not_in([*ENDS, State.DELIVERED, State.LOST]),
            _folded(Medium.serial) == _fold(serial),
            ~sa.exists().where(
                MediumEvent.medium_id == Medium.id,
                MediumEvent.kind.in_([MediumEventKind.REMOVED, MediumEventKind.DESTROYED, MediumEventKind.WITHDRAWN]),
            ),
        )
        .order_by(Device.created_at.desc())
        .limit(1)
    )


def _fold(serial: str) -> str:
    return "".join(serial.split()).upper()


def _folded(serial: Any) -> sa.ColumnElement[str]:
    return sa.func.upper(sa.func.replace(serial, " ", ""))


def record(
    session: Session,
    device: Device,
    medium: Medium,
    kind: MediumEventKind,
    *,
    by: Actor,
    evidence: Mapping[str, Any],
    now: datetime,
) -> None:
    """Note what happened to a medium, in its own list and in the device's chain of custody."""
    session.add(
        MediumEvent(
            medium_id=medium.id,
            device_id=device.id,
            cycle=device.cycle,
            kind=kind,
            at=now,
            actor_id=by.id,
            evidence=dict(evidence),
        )
    )
    session.flush()
    identity = {"medium": str(medium.id), "kind": medium.kind.value, "model": medium.model, "serial": medium.serial}
    custody.note(session, device, f"medium.{kind.value}", by=by, evidence={**identity, **evidence}, now=now)


def withdraw(session: Session, device: Device, medium: Medium, reason: str, *, by: Actor, now: datetime) -> None:
    """Take back that a medium was found: it was noted by mistake. The entry stays in the chain, and so does this one.

    The database refuses it once a work order of this cycle was issued, or when more happened to the medium.
    """
    record(session, device, medium, MediumEventKind.WITHDRAWN, by=by, evidence={"reason": reason}, now=now)


def taken_back() -> sa.ColumnElement[bool]:
    """That a `MediumEvent` of a query was taken back later in its cycle: it had been noted by mistake."""
    later = aliased(MediumEvent)
    return sa.exists().where(
        later.device_id == MediumEvent.device_id,  # Said for the index, which begins with it.
        later.cycle == MediumEvent.cycle,
        later.medium_id == MediumEvent.medium_id,
        later.kind == MediumEventKind.WITHDRAWN,
        later.at > MediumEvent.at,
    )


def without_serial(session: Session, device: Device) -> str:
    """The number to give to a medium of a device that shows none itself: the device's code, and the next in a row."""
    many = session.scalar(sa.select(sa.func.count()).select_from(Medium).where(Medium.device_id == device.id)) or 0
    return f"{NO_SERIAL}{device.code}-{many + 1}"


def observed(session: Session, device: Device) -> list[Medium]:
    """Every medium ever observed in the device in its present custody cycle, the first found first."""
    found = (
        sa.select(MediumEvent.medium_id, sa.func.min(MediumEvent.at).label("first"))
        .where(
            MediumEvent.device_id == device.id,
            MediumEvent.cycle == device.cycle,
            MediumEvent.kind.in_([MediumEventKind.FOUND, MediumEventKind.FITTED]),
            ~taken_back(),
        )
        .group_by(MediumEvent.medium_id)
        .subquery()
    )
    return list(
        session.scalars(
            sa.select(Medium).join(found, found.c.medium_id == Medium.id).order_by(found.c.first, Medium.id)
        )
    )


def failed(session: Session, device: Device) -> set[UUID]:
    """Ids of the device's media whose wipe ever failed, in any custody cycle: only destruction covers them."""
    return set(
        session.scalars(
            sa.select(MediumEvent.medium_id).where(
                MediumEvent.device_id == device.id, MediumEvent.kind == MediumEventKind.WIPE_FAILED
            )
        )
    )


def drives(session: Session, device_ids: Sequence[UUID]) -> dict[UUID, DriveFate]:
    """What became of the drives of these devices; a device in which none was ever seen is left out. One statement.

    What was destroyed stays destroyed; what was taken out counts so in the last cycle in which it was spoken of.
    """
    newest = sa.func.max(MediumEvent.cycle).over(partition_by=MediumEvent.medium_id)
    events = (
        sa.select(
            MediumEvent.device_id,
            MediumEvent.medium_id,
            (MediumEvent.kind == MediumEventKind.DESTROYED).label("destroyed"),
            sa.and_(
                MediumEvent.kind.in_([MediumEventKind.REMOVED, MediumEventKind.HELD]), MediumEvent.cycle == newest
            ).label("out"),
        )
        .join(Medium, Medium.id == MediumEvent.medium_id)
        .where(MediumEvent.device_id.in_(device_ids), Medium.kind.in_(DRIVES), ~taken_back())
        .subquery()
    )
    each = (
        sa.select(
            events.c.device_id,
            sa.func.bool_or(events.c.destroyed).label("destroyed"),
            sa.func.bool_or(events.c.out).label("out"),
        )
        .group_by(events.c.device_id, events.c.medium_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(
            each.c.device_id,
            sa.func.bool_or(sa.not_(sa.or_(each.c.destroyed, each.c.out))).label("inside"),
            sa.func.bool_or(each.c.destroyed).label("destroyed"),
        ).group_by(each.c.device_id)
    )
    return {row.device_id: "inside" if row.inside else "destroyed" if row.destroyed else "taken-out" for row in rows}


def with_event(session: Session, device: Device, kind: MediumEventKind) -> set[UUID]:
    """Ids of the media that have such an event in the device's present custody cycle."""
    return set(
        session.scalars(
            sa.select(MediumEvent.medium_id).where(
                MediumEvent.device_id == device.id, MediumEvent.cycle == device.cycle, MediumEvent.kind == kind
            )
        )
    )
