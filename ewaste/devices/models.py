"""Devices, the storage media found in them, holds, photographs, validations, and the events of custody."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.core.database import Base, by_value
from ewaste.core.ids import new_id
from ewaste.devices.lifecycle import State


class DeviceClass(enum.StrEnum):
    """The classes that prices, checklists and ways are kept by."""

    SMARTPHONE = "smartphone"
    TABLET = "tablet"
    LAPTOP = "laptop"
    DESKTOP = "desktop"
    MONITOR = "monitor"
    SERVER = "server"


class Title(enum.StrEnum):
    """Who owns the device. It passes by a recorded event only."""

    SELLER = "seller"
    MARKET = "market"
    BUYER = "buyer"


class MediumKind(enum.StrEnum):
    """What kind of storage medium it is."""

    HDD = "hdd"
    SSD = "ssd"
    NVME = "nvme"
    EMMC = "emmc"
    UFS = "ufs"
    SD = "sd"
    USB = "usb"
    SIM = "sim"
    PHONE_STORAGE = "phone-storage"
    OTHER = "other"


class MediumEventKind(enum.StrEnum):
    """What can happen to a medium. `found` and `fitted` make it one that must be covered.

    `withdrawn` takes a `found` back that was noted by mistake, before any work order of the cycle named it.
    """

    FOUND = "found"
    FITTED = "fitted"
    REMOVED = "removed"
    HELD = "held"
    WIPE_FAILED = "wipe-failed"
    SANITISED = "sanitised"
    DESTROYED = "destroyed"
    WITHDRAWN = "withdrawn"


class HoldKind(enum.StrEnum):
    """Why a device stands still."""

    STOLEN = "stolen"
    OWNERSHIP = "ownership"
    LOCK = "lock"
    BATTERY = "battery"
    WRONG_ITEM = "wrong-item"
    LITIGATION = "litigation"
    SEAL = "seal"
    WEIGHT = "weight"
    VALIDATION = "validation"


class PhotographKind(enum.StrEnum):
    """What a photograph was taken for. Only those for a listing are public."""

    SELLER = "seller"
    RECEIPT = "receipt"
    INSPECTION = "inspection"
    OPENED_CASE = "opened-case"
    LISTING = "listing"


class ValidationResult(enum.StrEnum):
    """What the second person says of what the first one did."""

    CONFIRMED = "confirmed"
    DOUBTED = "doubted"


class Device(Base):
    """One device. `state`, `cycle`, `custody_seq` and `custody_head` are written by `custody` alone, in the database's
    own function; the app role has no right to update them. `since`, the moment of the last move, is set there too.
    """

    __tablename__ = "devices"
    __table_args__ = (
        sa.CheckConstraint("cycle >= 1", name="cycle"),
        sa.CheckConstraint("length(claimed_serial) between 3 and 64", name="claimed_serial"),
        sa.Index("ix_devices_centre_state", "centre_id", "state"),
        sa.Index("ix_devices_centre_state_since", "centre_id", "state", "since", "id"),
        sa.Index("ix_devices_seller", "seller_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    code: Mapped[str] = mapped_column(unique=True)
    device_class: Mapped[DeviceClass]
    model_code: Mapped[str]
    brand: Mapped[str]
    model: Mapped[str]
    storage_gb: Mapped[int]
    seller_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("organisations.id"))
    claimed_serial: Mapped[str]
    observed: Mapped[dict[str, Any]] = mapped_column(default=dict)
    title: Mapped[Title] = mapped_column(default=Title.SELLER)
    state: Mapped[State] = mapped_column(default=State.EXPECTED)
    cycle: Mapped[int] = mapped_column(default=1)
    custody_seq: Mapped[int] = mapped_column(default=0)
    custody_head: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]
    since: Mapped[datetime] = mapped_column(server_default=sa.func.now())


class CustodyEvent(Base):
    """One link of a device's chain. `body` is the canonical JSON that was hashed; the columns repeat it for queries."""

    __tablename__ = "custody_events"
    __table_args__ = (sa.UniqueConstraint("device_id", "seq"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    seq: Mapped[int]
    cycle: Mapped[int]
    kind: Mapped[str]
    from_state: Mapped[State] = mapped_column(by_value(State, constrained=False))
    to_state: Mapped[State] = mapped_column(by_value(State, constrained=False))
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str]
    evidence: Mapped[dict[str, Any]]
    body: Mapped[str]
    hash: Mapped[str] = mapped_column(sa.CHAR(64), unique=True)


class Medium(Base):
    """A storage medium: a thing of its own, with identity, that belongs to a device until it is removed."""

    __tablename__ = "media"
    __table_args__ = (
        sa.CheckConstraint("length(serial) between 1 and 64", name="serial"),
        sa.UniqueConstraint("device_id", "kind", "serial"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    kind: Mapped[MediumKind]
    manufacturer: Mapped[str] = mapped_column(default="")
    model: Mapped[str]
    serial: Mapped[str]
    wwn: Mapped[str | None]
    size_bytes: Mapped[int | None]
    created_at: Mapped[datetime]


class MediumEvent(Base):
    """What happened to a medium, in which custody cycle. Append-only."""

    __tablename__ = "medium_events"
    __table_args__ = (sa.Index("ix_medium_events_device_cycle", "device_id", "cycle"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    medium_id: Mapped[UUID] = mapped_column(sa.ForeignKey("media.id"))
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    kind: Mapped[MediumEventKind]
    at: Mapped[datetime]
    actor_id: Mapped[UUID | None]
    evidence: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Hold(Base):
    """A reason why a device may not move. It refuses every move until it is lifted, with a reason.

    `reason` is written for the centre and the desk; `note_for_seller` is what the seller reads instead, in their words.
    """

    __tablename__ = "holds"
    __table_args__ = (
        sa.CheckConstraint("(lifted_at is null) = (lift_reason is null)", name="lifted_with_reason"),
        sa.Index("ix_holds_open", "device_id", postgresql_where=sa.text("lifted_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    kind: Mapped[HoldKind]
    reason: Mapped[str]
    placed_at: Mapped[datetime]
    placed_by: Mapped[UUID | None]
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[UUID | None]
    lift_reason: Mapped[str | None]
    note_for_seller: Mapped[str] = mapped_column(default="", server_default="")


class Photograph(Base):
    """A photograph of a device as we encoded it anew, large and small. It may be hidden, and is never changed."""

    __tablename__ = "photographs"
    __table_args__ = (
        sa.CheckConstraint("width between 1 and 1600 and height between 1 and 1600", name="size"),
        sa.CheckConstraint("octet_length(image) between 1 and 4194304", name="image"),
        sa.CheckConstraint("octet_length(thumb) between 1 and 524288", name="thumb"),
        sa.CheckConstraint("(hidden_at is null) = (hidden_by is null)", name="hidden_by_somebody"),
        sa.Index("ix_photographs_device", "device_id", "cycle"),
        # The same picture sent twice is one picture.
        sa.Index(
            "uq_photographs_shown",
            "device_id",
            "cycle",
            "kind",
            "sha256",
            unique=True,
            postgresql_where=sa.text("hidden_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    kind: Mapped[PhotographKind]
    sha256: Mapped[str] = mapped_column(sa.CHAR(64))
    image: Mapped[bytes] = mapped_column(deferred=True)
    thumb: Mapped[bytes] = mapped_column(deferred=True)
    width: Mapped[int]
    height: Mapped[int]
    uploaded_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    at: Mapped[datetime]
    hidden_at: Mapped[datetime | None]
    hidden_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))


class Validation(Base):
    """A second person looked at what one person of the same centre did to a medium. Append-only; the newest counts.

    `seq` is the number of its event in the device's chain. `worked_by` are the people who worked on the device in this
    custody cycle; none of them can be the second person.
    """

    __tablename__ = "validations"
    __table_args__ = (
        sa.CheckConstraint("not (validated_by = any (worked_by))", name="second_person"),
        sa.UniqueConstraint("device_id", "seq"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"))
    cycle: Mapped[int]
    seq: Mapped[int]
    medium_id: Mapped[UUID] = mapped_column(sa.ForeignKey("media.id"))
    result: Mapped[ValidationResult]
    note: Mapped[str] = mapped_column(default="")
    validated_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    worked_by: Mapped[list[UUID]] = mapped_column(sa.ARRAY(sa.Uuid()))
    at: Mapped[datetime]
