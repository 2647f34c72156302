"""What a device calls itself: its serial number or IMEI, in one spelling, and what cannot be one."""

from __future__ import annotations

from stdnum import imei

from ewaste.devices.models import DeviceClass

# Classes whose number may be that of a radio, with a check digit.
WITH_RADIO = frozenset({DeviceClass.SMARTPHONE, DeviceClass.TABLET})


def spelling(text: str) -> str:
    """A serial number as it is compared: no blanks, capitals; an IMEI without the strokes that stand in it."""
    bare = "".join(text.split()).upper()
    digits = bare.replace("-", "").replace("/", "")
    return digits if digits.isascii() and digits.isdigit() and 14 <= len(digits) <= 16 else bare


def wrong(serial: str, device_class: DeviceClass) -> str | None:
    """Why this is no serial number or IMEI of such a device, as a sentence; None when it may be one.

    Fifteen digits on a phone or tablet are an IMEI, and its last digit checks the others.
    """
    if not 3 <= len(serial) <= 64 or not serial.isascii() or not serial.isprintable():
        return "Type the serial number or IMEI: 3 to 64 letters and digits."
    if device_class in WITH_RADIO and serial.isdigit() and len(serial) == 15 and not imei.is_valid(serial):
        return f"{serial} is no IMEI: its last digit does not fit the others, so one was misread. Read it again."
    return None
