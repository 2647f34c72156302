"""What a drive says of itself beyond its identity: what it can do, what it hides, how it feels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Hidden:
    """Areas that ordinary reads do not reach (HPA, DCO). `size` in bytes; None where nobody could tell."""

    size: int | None
    says: str


@dataclass(frozen=True)
class Security:
    """The ATA security feature set. Minutes are the drive's own estimate, None where it gives none."""

    supported: bool = False
    enabled: bool = False
    locked: bool = False
    frozen: bool = False
    enhanced: bool = False
    minutes: int | None = None


@dataclass(frozen=True)
class Health:
    """SMART, as far as the drive tells: hours on, degrees Celsius, sectors remapped, errors of the medium."""

    passed: bool | None = None
    hours: int | None = None
    celsius: int | None = None
    remapped: int | None = None
    media_errors: int | None = None
    percentage_used: int | None = None


@dataclass(frozen=True)
class Facts:
    """One drive, asked. `bus` is how it is spoken to, `kind` the word of the certificate for what it seems to be.

    `can` holds the names of drive commands that it says it supports. `bridge` says that an adapter stands between: then
    the identity may be the adapter's. `rehearsal` says that recorded answers were replayed.
    """

    path: str
    bus: str  # ata, scsi, nvme, mmc, sd, ufs, usb, image, virtual
    kind: str
    size: int
    rotational: bool | None = None
    bridge: bool = False
    firmware: str | None = None
    can: frozenset[str] = frozenset()
    security: Security = field(default_factory=Security)
    hidden: Hidden = field(default_factory=lambda: Hidden(None, "hidden areas (HPA, DCO) were not examined"))
    self_encrypting: str | None = None
    namespaces: tuple[int, ...] = ()
    lba_format: int = 0
    health: Health = field(default_factory=Health)
    notes: tuple[str, ...] = ()
    rehearsal: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "can": sorted(self.can), "namespaces": list(self.namespaces), "notes": list(self.notes)}
