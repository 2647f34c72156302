"""Whether a phone hangs on this machine's own USB bus. Only such a phone is the real thing; all else is practice."""

from __future__ import annotations

from pathlib import Path

USB = Path("/sys/bus/usb/devices")


def on_usb(serial: str) -> bool:
    """Whether the kernel sees a USB device that reports this serial. Apple's reports a UDID without its hyphen."""
    wanted = serial.replace("-", "").casefold()
    if not wanted:
        return False
    try:
        places = sorted(USB.iterdir())
    except OSError:
        return False
    return any(_serial(place).replace("-", "").casefold() == wanted for place in places)


def _serial(place: Path) -> str:
    try:
        return (place / "serial").read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""
