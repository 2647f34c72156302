"""A stand-in for the adbd of a phone: it speaks the ADB protocol over TCP on loopback, to the real `adb` client.

Messages are 24 bytes (command, two arguments, length, sum of the data's bytes, magic) and data; a connection begins
with CNXN and, until the phone trusts the host's key, AUTH. Each OPEN is a stream, which WRTE, OKAY and CLSE carry
(docs/dev/protocol in the Android source). Of the services it has `shell` (old, and v2 with exit status) and `reboot`.
What it says is a rehearsal: a phone over the network is training by construction, whatever it claims to be.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Any

CNXN, AUTH, OPEN, OKAY, CLSE, WRTE = (
    int.from_bytes(name, "little") for name in (b"CNXN", b"AUTH", b"OPEN", b"OKAY", b"CLSE", b"WRTE")
)
VERSION, MAX_DATA = 0x01000000, 4096
TOKEN, SIGNATURE, PUBLIC_KEY = 1, 2, 3
SERIAL, IMEI = "R58N30ABCDE", "490154203237518"


@dataclass
class StandInPhone:
    """What the stand-in says of itself, and what its reset does to it.

    `resets`: "erases"; "lies" (says it is new, keeps the data); "nothing" (comes back as it was); "sets up again"
    (erases, and somebody goes through the set-up without an account). `silent_after` turns its debugging off.
    """

    resets: str = "erases"
    silent_after: bool = False
    trusts: bool = True
    shell_v2: bool = True
    breaks_off: bool = False
    serial: str = SERIAL
    imei: str | None = IMEI
    crypto: tuple[str, str] = ("encrypted", "file")
    verified_boot: str = "green"
    bootloader: str = "locked"
    accounts: tuple[str, ...] = ()
    owner: str = ""
    frp: str = "0"
    set_up: str = "1"
    screen_locked: str = "0"
    battery: int = 81
    files: dict[str, str] = field(default_factory=lambda: {"/sdcard/DCIM/1.jpg": "a picture of nobody"})
    android_id: str = field(default_factory=lambda: secrets.token_hex(8))
    file_system: str = field(default_factory=lambda: secrets.token_hex(8))
    rebooted: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def run(self, command: str) -> tuple[int, str]:
        """What the phone's shell does with a command of the agent."""
        self.commands.append(command)
        written = re.fullmatch(r"echo (\w+) > (\S+) && sync && cat (\S+)", command)
        if written:
            self.files[written[2]] = written[1]
            return 0, f"{written[1]}\n"
        verb, _, path = command.partition(" ")
        if verb in ("cat", "rm") and path.startswith("/data/"):
            if path not in self.files:
                return 1, f"{verb}: {path}: No such file or directory\n"
            return 0, f"{self.files.pop(path) if verb == 'rm' else self.files[path]}\n"
        answer = self._answers().get(command)
        return (127, f"/system/bin/sh: {verb}: inaccessible or not found\n") if answer is None else (0, answer)

    def factory_reset(self) -> None:
        """What the person does in the recovery, and what becomes of it."""
        if self.resets == "nothing":
            return
        self.set_up = "0"
        if self.resets == "lies":
            return
        self.files, self.screen_locked, self.accounts = {}, "0", ()
        self.android_id, self.file_system = secrets.token_hex(8), secrets.token_hex(8)
        if self.resets == "sets up again":
            self.set_up = "1"

    def _answers(self) -> dict[str, str]:
        policy = "Current Device Policy Manager state:\n"
        battery = f"  level: {self.battery}\n  health: 2\n  temperature: 271\n"
        room = "/dev/block/dm-6 115898368 1 2 1% /data\n"
        accounts = "".join(f"    Account {{name=somebody@example.org, type={kind}}}\n" for kind in self.accounts)
        owner = f"  Device Owner:\n    admin=ComponentInfo{{{self.owner}/.Admin}}\n" if self.owner else ""
        return {
            "getprop": self._properties(),
            "settings get secure user_setup_complete": f"{self.set_up}\n",
            "settings get global device_provisioned": f"{self.set_up}\n",
            "settings get secure secure_frp_mode": f"{self.frp}\n",
            "settings get secure android_id": f"{self.android_id}\n",
            "dumpsys account": f"User UserInfo{{0:Owner:c13}}:\n  Accounts: {len(self.accounts)}\n{accounts}",
            "dumpsys device_policy": f"{policy}{owner}  Enabled Device Admins (User 0):\n",
            "dumpsys trust": f"Trust manager state:\n User Owner (id=0, current): deviceLocked={self.screen_locked}\n",
            "dumpsys battery": f"Current Battery Service state:\n{battery}",
            "cat /sys/class/power_supply/battery/cycle_count": "212\n",
            "stat -f -c %i /data": f"{self.file_system}\n",
            "df -k /data": f"Filesystem 1K-blocks Used Available Use% Mounted on\n{room}",
            **({"service call iphonesubinfo 1": parcel(self.imei)} if self.imei else {}),
        }

    def _properties(self) -> str:
        said = {
            "ro.serialno": self.serial,
            "ro.product.manufacturer": "Sample",
            "ro.product.model": "Phone 5",
            "ro.build.version.release": "13",
            "ro.crypto.state": self.crypto[0],
            "ro.crypto.type": self.crypto[1],
            "ro.boot.verifiedbootstate": self.verified_boot,
            "ro.boot.vbmeta.device_state": self.bootloader,
            "ro.hardware": "qcom",
        }
        return "".join(f"[{name}]: [{value}]\n" for name, value in said.items() if value)


def parcel(imei: str) -> str:
    """An IMEI as `service call` prints it: UTF-16 in words of four bytes, sixteen bytes a line, dots for zeros."""
    data = struct.pack("<II", 0, len(imei)) + imei.encode("utf-16-le")
    data += bytes(-len(data) % 4)
    lines = []
    for start in range(0, len(data), 16):
        part = data[start : start + 16]
        words = " ".join(f"{word[0]:08x}" for word in struct.iter_unpack("<I", part))
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"  0x{start:08x}: {words} '{text}'")
    return "Result: Parcel(\n" + "\n".join(lines) + ")\n"


class Adbd:
    """The phone's door: a listening socket on loopback. `address` is what `adb connect` takes."""

    def __init__(self, phone: StandInPhone) -> None:
        self.phone = phone
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop_listening()
        self._hang_up()
        self._thread.join(5)

    def _stop_listening(self) -> None:
        with contextlib.suppress(OSError):  # It may have stopped before.
            self._listening.shutdown(socket.SHUT_RDWR)  # This wakes the thread that waits in accept.
        self._listening.close()

    def _hang_up(self) -> None:
        for one in self._open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # The host was faster.

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                _Conversation(self, connection).go_on()
            except (OSError, EOFError):
                return

    def restart(self, how: str) -> None:
        """The phone goes down for its recovery; the person does the steps; it comes up again."""
        self.phone.rebooted.append(how)
        if how == "recovery":
            self.phone.factory_reset()
            if self.phone.silent_after:
                self._stop_listening()
        self._hang_up()


class _Conversation:
    def __init__(self, door: Adbd, connection: socket.socket) -> None:
        self._door, self._connection = door, connection
        self._waiting: dict[int, list[tuple[int, int, bytes]]] = {}
        self._streams = 0

    def go_on(self) -> None:
        while True:
            command, first, second, data = self._receive()
            if command == CNXN:
                self._send(AUTH, TOKEN, 0, secrets.token_bytes(20))
            elif command == AUTH:
                self._authorise(first)
            elif command == OPEN:
                self._open(first, data.rstrip(b"\0").decode())
            elif command == OKAY:
                self._next(first, second)

    def _authorise(self, kind: int) -> None:
        """A signature by a key that the phone does not know yet is asked for the key; then a person says yes or not."""
        if kind == SIGNATURE:
            self._send(AUTH, TOKEN, 0, secrets.token_bytes(20))
        elif kind == PUBLIC_KEY and self._door.phone.trusts:
            features = "shell_v2,cmd" if self._door.phone.shell_v2 else ""
            banner = (
                f"device::ro.product.name=sample;ro.product.model=Phone_5;ro.product.device=five;features={features}"
            )
            self._send(CNXN, VERSION, MAX_DATA, banner.encode())

    def _open(self, host: int, service: str) -> None:
        self._streams += 1
        mine = self._streams
        name, _, words = service.partition(":")
        if name == "reboot":
            self._send(OKAY, mine, host)
            self._send(CLSE, mine, host)
            self._door.restart(words)
            return
        if not name.startswith("shell"):
            self._send(CLSE, 0, host)
            return
        self._waiting[mine] = [*self._shell(mine, host, words, v2=",v2" in name), (CLSE, mine, b"")]
        self._send(OKAY, mine, host)
        self._next(host, mine)

    def _shell(self, mine: int, host: int, words: str, *, v2: bool) -> list[tuple[int, int, bytes]]:
        asked = re.fullmatch(r"\((.*)\) 2>&1; echo (\w+):\$\?", words, re.DOTALL)
        if asked is None:
            status, said = 127, "sh: not understood by the stand-in\n"
        else:
            status, said = self._door.phone.run(asked[1])
            said = said if self._door.phone.breaks_off else f"{said}{asked[2]}:{status}\n"
        text = said.encode()
        if not v2:
            return [(WRTE, mine, text[at : at + MAX_DATA]) for at in range(0, len(text), MAX_DATA)]
        parts = [text[at : at + MAX_DATA - 5] for at in range(0, len(text), MAX_DATA - 5)]
        packets = [b"\1" + struct.pack("<I", len(part)) + part for part in parts]
        return [(WRTE, mine, packet) for packet in [*packets, b"\3" + struct.pack("<I", 1) + b"\0"]]

    def _next(self, host: int, mine: int) -> None:
        """One WRTE at a time: the next goes when the host said OKAY."""
        waiting = self._waiting.get(mine)
        if waiting:
            command, first, data = waiting.pop(0)
            self._send(command, first, host, data)

    def _send(self, command: int, first: int, second: int, data: bytes = b"") -> None:
        head = struct.pack("<6I", command, first, second, len(data), sum(data), command ^ 0xFFFFFFFF)
        self._connection.sendall(head + data)

    def _receive(self) -> tuple[int, int, int, bytes]:
        command, first, second, length, _, magic = struct.unpack("<6I", self._exactly(24))
        assert magic == command ^ 0xFFFFFFFF
        return command, first, second, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part: Any = self._connection.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data
