"""Android over `adb`: what the phone says, a marker in its user data, and the way into its recovery.

A stock phone gives no raw read, and its debugging is off after a reset. So the operator either tells what the screen
shows, or goes through the set-up without an account, turns debugging on again, and the phone is asked once more.
"""

from __future__ import annotations

import re
from dataclasses import replace

from wipe_agent.errors import PhoneNotReady
from wipe_agent.phones.bus import on_usb
from wipe_agent.phones.facts import PhoneFacts, is_imei
from wipe_agent.phones.tools import SECONDS, Seen, fresh_mark, is_network, run

_FOLDER = "/data/local/tmp"
ALLOW_SECONDS = 5
"""How long a phone over the network may take to trust this station's key."""

_HEALTH = {2: "good", 3: "overheated", 4: "dead", 5: "over voltage", 6: "failed", 7: "cold"}
_EMULATORS = ("goldfish", "ranchu", "cutf_cvm", "vbox86")
_STATES = {
    "device": "ready",
    "unauthorized": "it is locked to this station: unlock it and allow USB debugging on its screen",
    "offline": "it is offline: reconnect its cable",
    "recovery": "it is in its recovery: finish there and start it",
}


def listed() -> list[Seen]:
    """The phones that adb lists. Raises PhoneNotReady if adb cannot be asked."""
    return [Seen("android", serial, _STATES.get(state, state)) for serial, state in _devices()]


class AndroidPhone:
    """A phone that adb reaches under the serial (or host:port) `connection`."""

    technique = "android-recovery-reset"
    exclusions: tuple[str, ...] = (
        "nothing was read back: a phone gives no raw access",
        "RPMB, boot and recovery partitions",
        "eSIM profiles",
        "over-provisioned area",
    )

    def __init__(self, connection: str) -> None:
        self._connection = connection

    @classmethod
    def over_network(cls, connection: str) -> AndroidPhone:
        """A phone at host:port. It is practice, whatever it says of itself."""
        _adb("disconnect", connection)  # A line from before a restart looks alive for a while.
        status, said, problem = _adb("connect", connection)
        if status != 0 or not said.startswith(("connected to", "already connected", "failed to authenticate")):
            raise PhoneNotReady(f"adb does not reach {connection}: {(said + problem).strip()[:200]}")
        try:
            _adb("-s", connection, "wait-for-device", seconds=ALLOW_SECONDS)
        except PhoneNotReady as silence:
            state = dict(_devices()).get(connection, "offline")
            raise PhoneNotReady(f"The phone {connection} does not answer: {_STATES.get(state, state)}.") from silence
        return cls(connection)

    def look(self) -> PhoneFacts:
        """Raises PhoneNotReady."""
        status, text = self._shell("getprop")
        if status != 0:
            raise PhoneNotReady(f"The phone {self._connection} does not tell its properties (status {status}).")
        facts = from_properties(self._connection, properties(text))
        asked = {name: self._answer(command) for name, command in QUESTIONS.items()}
        return with_answers(facts, asked)

    def mark(self, token: str) -> bool:
        place = f"{_FOLDER}/clearhand-{token}"
        status, text = self._shell(f"echo {token} > {place} && sync && cat {place}")
        return status == 0 and text.strip() == token

    def marker_left(self, token: str) -> bool | None:
        """A second file is written and seen first: so "no such file" is an answer and not a closed door."""
        control = fresh_mark()
        if not self.mark(control):
            return None
        self._shell(f"rm {_FOLDER}/clearhand-{control}")
        status, text = self._shell(f"cat {_FOLDER}/clearhand-{token}")
        if status == 0:
            return True
        return False if "No such file" in text else None

    def begin_reset(self) -> None:
        status, said, problem = _adb("-s", self._connection, "reboot", "recovery")
        if status != 0:
            raise PhoneNotReady(f"The phone did not go to its recovery: {(said + problem).strip()[:200]}")

    def steps(self) -> list[str]:
        return [
            "The phone starts its recovery. If it shows “No command”, hold the power key and press volume up once.",
            "Choose “Wipe data/factory reset” with the volume keys, and confirm with the power key.",
            "Confirm “Factory data reset”. Wait for “Data wipe complete”.",
            "Choose “Reboot system now”, and wait until the phone shows a page that asks for something.",
            (
                "Both of you look at the screen now. Where time allows: go through the set-up without an account, "
                "turn on USB debugging again, and leave the cable in, so that the phone itself can be asked."
            ),
        ]

    def _answer(self, command: str) -> str | None:
        status, text = self._shell(command)
        return text if status == 0 else None

    def _shell(self, command: str) -> tuple[int, str]:
        """The status of the command on the phone and what it printed. Raises PhoneNotReady if that is not whole."""
        mark = fresh_mark()
        status, text, problem = _adb(
            "-s", self._connection, "shell", f"({command}) 2>&1; echo {mark}:$?", seconds=SECONDS
        )
        said, found, ended = text.replace("\r\n", "\n").rpartition(f"{mark}:")
        if not found or not ended.strip().isdigit():
            why = problem or f"adb ended with status {status}"
            raise PhoneNotReady(f"The phone {self._connection} broke off its answer: {why[:200]}.")
        return int(ended), said


QUESTIONS = {
    "user_setup": "settings get secure user_setup_complete",
    "provisioned": "settings get global device_provisioned",
    "frp": "settings get secure secure_frp_mode",
    "accounts": "dumpsys account",
    "policy": "dumpsys device_policy",
    "trust": "dumpsys trust",
    "battery": "dumpsys battery",
    "cycles": "cat /sys/class/power_supply/battery/cycle_count",
    "imei": "service call iphonesubinfo 1",
    "android_id": "settings get secure android_id",
    "file_system": "stat -f -c %i /data",
    "room": "df -k /data",
}


def properties(text: str) -> dict[str, str]:
    """What `getprop` printed: `[name]: [value]` on each line."""
    return dict(re.findall(r"^\[([^\]\n]+)\]: \[([^\n]*)\]$", text, re.MULTILINE))


def from_properties(connection: str, said: dict[str, str]) -> PhoneFacts:
    """The facts that stand in the phone's properties."""
    serial = said.get("ro.serialno") or said.get("ro.boot.serialno") or None
    state = said.get("ro.crypto.state")
    locked = said.get("ro.boot.vbmeta.device_state") or {"1": "locked", "0": "unlocked"}.get(
        said.get("ro.boot.flash.locked", "")
    )
    kept = [name for name in sorted(said) if name.startswith(("ro.crypto.", "ro.boot.v", "ro.boot.flash."))]
    return PhoneFacts(
        system="android",
        connection=connection,
        training_reason=_practice(connection, serial, said),
        serial=serial,
        manufacturer=said.get("ro.product.manufacturer") or None,
        model=said.get("ro.product.model") or None,
        version=said.get("ro.build.version.release") or None,
        encrypted={"encrypted": True, "unencrypted": False, "unsupported": False}.get(state or ""),
        encryption=said.get("ro.crypto.type") or None,
        verified_boot=said.get("ro.boot.verifiedbootstate") or None,
        bootloader_locked={"locked": True, "unlocked": False}.get(locked or ""),
        raw={name: said[name][:200] for name in kept},
    )


def with_answers(facts: PhoneFacts, said: dict[str, str | None]) -> PhoneFacts:
    """The facts with what the phone's services answered. None is a question that it did not answer."""
    frp = _setting(said["frp"])
    battery = _numbers(said["battery"])
    imei = _parcel(said["imei"])
    android_id, file_system = _setting(said["android_id"]), (said["file_system"] or "").strip()
    room = re.search(r"^\S+[ \t]+([0-9]{1,15})\s.*$", (said["room"] or "").partition("\n")[2], re.MULTILINE)
    cycles = (said["cycles"] or "").strip()
    locked = re.search(r"deviceLocked=(\d)", said["trust"] or "")
    return replace(
        facts,
        imei=imei if is_imei(imei) else None,
        size_bytes=int(room[1]) * 1024 if room else None,
        screen_locked=locked[1] != "0" if locked else None,
        accounts=_accounts(said["accounts"]),
        reset_lock=None if said["frp"] is None else frp == "1",
        managed_by=_owner(said["policy"]),
        set_up=_set_up(_setting(said["user_setup"]), _setting(said["provisioned"])),
        battery_level=battery.get("level"),
        battery_health=_HEALTH.get(battery.get("health", 0)),
        battery_cycles=int(cycles) if re.fullmatch("[0-9]{1,9}", cycles) else None,
        temperature=battery.get("temperature"),
        user_data_mark=android_id or None,
        file_system_mark=file_system or None,
        raw={**facts.raw, **{name: (said[name] or "no answer").strip()[:200] for name in ("user_setup", "frp")}},
    )


def _practice(connection: str, serial: str | None, said: dict[str, str]) -> str | None:
    if is_network(connection):
        return "a phone over the network"
    emulated = "1" in (said.get("ro.kernel.qemu"), said.get("ro.boot.qemu"))
    if emulated or connection.startswith("emulator-") or said.get("ro.hardware") in _EMULATORS:
        return "an emulated phone"
    if not on_usb(connection) or (serial is not None and serial != connection):
        return "a phone that this machine does not see on its USB bus"
    return None


def _setting(text: str | None) -> str:
    """A setting's value; "" when it is not set or was not answered."""
    value = (text or "").strip()
    return "" if value == "null" else value


def _set_up(user: str, device: str) -> bool | None:
    if "1" in (user, device):
        return True
    return False if "0" in (user, device) else None


def _accounts(text: str | None) -> int | None:
    """How many accounts are signed in; those that Android itself makes on the phone do not count."""
    if text is None or "Accounts:" not in text:
        return None
    # By lines, and by each type in one: who names an account chooses the name, and could write another type into it.
    lines = (line for line in text.split("\n") if "Account {name=" in line)
    types = [kind for line in lines for kind in re.findall(r", type=([\w.]+)\}", line)]
    return sum(not kind.startswith("com.android.") for kind in types)


def _owner(text: str | None) -> str | None:
    """The package that owns the device or its profile; "" when nobody does."""
    if text is None or "Device Policy Manager" not in text:
        return None
    owner = re.search(
        r"^[ \t]*(?:Device|Profile) Owner[^\n:]*:[^\n]*\n(?:[^\n]*\n)??[^\n]*ComponentInfo\{([\w.]+)",
        text,
        re.MULTILINE,
    )
    return owner[1] if owner else ""


def _numbers(text: str | None) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^[ \t]*(\w+): (-?[0-9]{1,9})$", text or "", re.MULTILINE)}


def _parcel(text: str | None) -> str:
    """The text in the answer of `service call`: its letters stand between quotes, with dots for the zero bytes."""
    return "".join(re.findall(r"'([^']*)'", text or "")).replace(".", "").strip()


def _devices() -> list[tuple[str, str]]:
    status, text, problem = _adb("devices")
    if status != 0:
        raise PhoneNotReady(f"adb cannot list phones: {problem[:200]}")
    found = []
    for line in text.splitlines():
        serial, tab, state = line.partition("\t")
        if tab:
            found.append((serial, state.strip()))
    return found


def _adb(*words: str, seconds: float = SECONDS) -> tuple[int, str, str]:
    return run(["adb", *words], seconds=seconds)
