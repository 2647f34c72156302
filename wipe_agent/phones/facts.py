"""What a phone says of itself, as values. None means that it did not say, which is never taken for a good answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PhoneFacts:
    """One look at a phone. `size_bytes` is the room for user data; `temperature` is in tenths of a degree Celsius.

    `user_data_mark` and `file_system_mark` are values that the phone makes anew when its user data is made anew. `raw`
    keeps a few lines of the tools as they came, for the audit.
    """

    system: str  # "android" or "ios"
    connection: str  # how the tool reaches it: a USB serial, or host:port
    training_reason: str | None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    version: str | None = None
    imei: str | None = None
    size_bytes: int | None = None
    encrypted: bool | None = None
    encryption: str | None = None  # "file", "block", "data protection"
    screen_locked: bool | None = None
    accounts: int | None = None  # accounts that would lock the phone after a reset
    reset_lock: bool | None = None  # FRP asks for an account; activation lock is on
    managed_by: str | None = None  # the owner that an MDM set; "" is nobody
    set_up: bool | None = None  # somebody has gone through the set-up
    verified_boot: str | None = None
    bootloader_locked: bool | None = None
    battery_level: int | None = None
    battery_health: str | None = None
    battery_cycles: int | None = None
    temperature: int | None = None
    user_data_mark: str | None = None
    file_system_mark: str | None = None
    raw: dict[str, str] = field(default_factory=dict)

    @property
    def training(self) -> bool:
        return self.training_reason is not None

    @property
    def name(self) -> str:
        """As people point at it."""
        known = " ".join(part for part in (self.manufacturer, self.model) if part) or "phone"
        return f"{known} (serial {self.serial or 'not reported'})"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> PhoneFacts:
        """Raises TypeError if a field is missing or unknown."""
        known = {one.name for one in fields(cls)}
        if set(said) != known:
            raise TypeError(f"a phone's facts have other fields: {sorted(set(said) ^ known)}")
        return cls(**said)


def is_imei(text: str) -> bool:
    """Fifteen digits whose last one is right (Luhn's formula, 3GPP TS 23.003 annex B)."""
    if len(text) != 15 or not (text.isascii() and text.isdigit()):
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(text))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
