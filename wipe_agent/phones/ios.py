"""iPhone and iPad through `pymobiledevice3`, a program of its own whose path stands in WIPE_AGENT_PYMOBILEDEVICE3.

Its answers are JSON on standard output. Their storage is always encrypted, and the erase throws the key away. A full
restore needs the maker's signing server; this agent does not do it and says so.
"""

from __future__ import annotations

import json
import os
from typing import Any

from wipe_agent.errors import PhoneNotReady
from wipe_agent.phones.bus import on_usb
from wipe_agent.phones.facts import PhoneFacts, is_imei
from wipe_agent.phones.tools import Seen, run

SETTING = "WIPE_AGENT_PYMOBILEDEVICE3"


def listed() -> list[Seen]:
    """The devices that usbmuxd knows. Raises PhoneNotReady if the program is set and cannot be asked."""
    if not os.environ.get(SETTING):
        return []
    devices = _json("usbmux", "list")
    if not isinstance(devices, list):
        raise PhoneNotReady("pymobiledevice3 did not answer with a list of devices.")
    found = []
    for device in devices:
        udid = device.get("Identifier") or device.get("UniqueDeviceID") if isinstance(device, dict) else None
        if isinstance(udid, str):
            found.append(Seen("ios", udid, "ready"))
    return found


class ApplePhone:
    """An iPhone or iPad with the UDID `connection`."""

    technique = "ios-erase-all-content"
    exclusions: tuple[str, ...] = (
        "nothing was read back: a phone gives no raw access",
        "eSIM profiles",
        "no restore of the system: that needs the maker's signing server",
    )

    def __init__(self, connection: str) -> None:
        self._connection = connection

    def look(self) -> PhoneFacts:
        said = self._ask("lockdown", "info")
        if not isinstance(said, dict) or said.get("UniqueDeviceID") != self._connection:
            raise PhoneNotReady(
                f"The device {self._connection} does not say who it is: unlock it and trust this station."
            )
        return from_lockdown(
            self._connection,
            said,
            find_my=self._value("com.apple.fmip", "IsAssociated"),
            supervised=self._value("com.apple.mobile.chaperone", "DeviceIsChaperoned"),
            room=self._value("com.apple.disk_usage", "TotalDataCapacity"),
            battery=self._value_of("diagnostics", "battery", "single"),
        )

    def mark(self, token: str) -> bool:
        return False

    def marker_left(self, token: str) -> bool | None:
        return None

    def begin_reset(self) -> None:
        status, said, problem = _run("profile", "erase-device", "--udid", self._connection)
        if status != 0:
            raise PhoneNotReady(
                f"The device did not take the erase: {(problem or said).strip()[:200]}",
                next_step="On the device: Settings, General, Transfer or Reset, Erase All Content and Settings. "
                "Then run the same command with --screen.",
            )

    def steps(self) -> list[str]:
        return [
            (
                "The device erases itself and starts again. If it does not within a minute: Settings, General, "
                "Transfer or Reset, “Erase All Content and Settings”."
            ),
            "Wait until it shows “Hello”. Do not set it up.",
            "Both of you look at the screen now. Leave the cable in, so that the device itself can be asked.",
        ]

    def _ask(self, *words: str) -> Any:
        return _json(*words, "--udid", self._connection)

    def _value(self, domain: str, key: str) -> Any:
        return self._value_of("lockdown", "get", domain, key)

    def _value_of(self, *words: str) -> Any:
        """One answer, or None if the device does not give it. A program that is missing or hangs is not an answer."""
        status, text, _ = _run(*words, "--udid", self._connection)
        try:
            return json.loads(text) if status == 0 else None
        except ValueError:
            return None


def from_lockdown(
    udid: str, said: dict[str, Any], *, find_my: Any, supervised: Any, room: Any, battery: Any
) -> PhoneFacts:
    """The facts in lockdownd's values. A value of another type than expected counts as not said."""
    state = said.get("ActivationState")
    imei = said.get("InternationalMobileEquipmentIdentity")
    battery = battery if isinstance(battery, dict) else {}
    return PhoneFacts(
        system="ios",
        connection=udid,
        training_reason=None if on_usb(udid) else "a device that this machine does not see on its USB bus",
        serial=_text(said.get("SerialNumber")),
        manufacturer="Apple",
        model=_text(said.get("ProductType")),
        version=_text(said.get("ProductVersion")),
        imei=imei if isinstance(imei, str) and is_imei(imei) else None,
        size_bytes=room if _number(room) is not None else None,
        # Every iPhone since the 3GS, and every iPad, encrypts its storage in hardware from the first write on.
        encrypted=True if str(said.get("ProductType", "")).startswith(("iPhone", "iPad")) else None,
        encryption="data protection",
        screen_locked=_truth(said.get("PasswordProtected")),
        reset_lock=_truth(find_my),
        managed_by={True: "supervised", False: ""}.get(supervised) if isinstance(supervised, bool) else None,
        set_up=None if not isinstance(state, str) else state != "Unactivated",
        # Its boot chain has no state to ask for: what is not signed by the maker does not start.
        verified_boot="the maker's",
        bootloader_locked=True,
        battery_level=_number(battery.get("CurrentCapacity")),
        battery_cycles=_number(battery.get("CycleCount")),
        temperature=_tenths(battery.get("Temperature")),
        raw={"ActivationState": str(state)[:200], "IsAssociated": str(find_my)[:200]},
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _tenths(value: Any) -> int | None:
    """The battery's hundredths of a degree as tenths."""
    hundredths = _number(value)
    return None if hundredths is None else hundredths // 10


def _json(*words: str) -> Any:
    status, text, problem = _run(*words)
    if status != 0:
        raise PhoneNotReady(f"pymobiledevice3 {' '.join(words[:2])} failed: {problem[-200:] or f'status {status}'}")
    try:
        return json.loads(text)
    except ValueError as error:
        raise PhoneNotReady(f"pymobiledevice3 {' '.join(words[:2])} did not answer with JSON.") from error


def _run(*words: str) -> tuple[int, str, str]:
    program = os.environ.get(SETTING)
    if not program:
        raise PhoneNotReady(
            f"{SETTING} is not set.", next_step="Set it to the path of pymobiledevice3, in an environment of its own."
        )
    return run([program, *words], seconds=60)
