"""Who a drive is, so that it can be told from another one, also after a power cut."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# Words in a model or vendor string that emulators and test drivers put there.
_EMULATED = ("QEMU", "VBOX", "VIRTUALBOX", "VMWARE", "VIRTUAL DISK", "MSFT", "SCSI_DEBUG", "BOCHS", "XENSRC")
_VIRTUAL_NAMES = ("loop", "nbd", "vd", "zram", "ram", "nullb", "xvd", "ublk")


@dataclass(frozen=True)
class Identity:
    """A drive as this machine sees it. Sizes in bytes. `anchor` ties an image or loop device to its file."""

    target: str  # "block" or "image"
    model: str | None
    serial: str | None
    wwn: str | None
    size: int
    transport: str | None
    anchor: str | None
    training_reason: str | None

    @property
    def training(self) -> bool:
        return self.training_reason is not None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Identity:
        return cls(**facts)

    def difference(self, other: Identity) -> str | None:
        """What sets `other` apart from this drive, as half a sentence; None if it is the same drive."""
        if self.target != other.target:
            return "one is an image file and the other a drive"
        for name, mine, theirs in (
            ("serial number", self.serial, other.serial),
            ("WWN", self.wwn, other.wwn),
            ("model", self.model, other.model),
        ):
            if mine != theirs:
                return f"its {name} was {mine or 'not reported'} and is now {theirs or 'not reported'}"
        if self.size != other.size:
            return f"it had {self.size} bytes and now has {other.size}"
        if self.anchor != other.anchor:
            return "another file lies in its place"
        return None


def clean(text: str | None) -> str | None:
    """A serial or model without padding: drives fill theirs with blanks, or with bytes that are no text at all."""
    if not text:
        return None
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split()) or None


def size_in_words(count: int) -> str:
    """Bytes as drives are sold: decimal TB, GB or MB."""
    if count >= 1e12:
        return f"{count / 1e12:.1f} TB"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def same_typed(typed: str, serial: str) -> bool:
    """Whether somebody who typed or scanned this meant that serial: case and blanks are not what tells drives apart."""
    return bool(serial) and _typed(typed) == _typed(serial)


def _typed(text: str) -> str:
    return "".join(text.split()).casefold()


def training_reason(name: str, model: str | None, vendor: str | None, sysfs_path: str) -> str | None:
    """Why a block device is practice only, or None for a real drive."""
    words = f"{vendor or ''} {model or ''}".upper()
    if any(word in words for word in _EMULATED):
        return "an emulated drive"
    if any(name.startswith(prefix) and name[len(prefix) :][:1].isalnum() for prefix in _VIRTUAL_NAMES):
        return "a virtual drive"
    if "/virtual/" in sysfs_path or "/virtio" in sysfs_path:
        return "a virtual drive"
    return None
