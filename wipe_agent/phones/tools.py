"""Reaching a phone: `adb` for Android and `pymobiledevice3` for iPhone and iPad, each a program of its own.

Both are asked with a time limit, and every exit status is looked at. `adb connect` says 0 also when it failed, so its
words are read too; older phones lose the status of a command, so each command prints its own, after a mark that the
phone could not know beforehand. pymobiledevice3 is under GPL-3.0: it is never imported, only run.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wipe_agent.errors import PhoneNotReady
from wipe_agent.phones.facts import PhoneFacts

SECONDS = 20
"""How long one question to a phone may take."""

# What would lead adb to a server elsewhere, or to another phone than the one that was named.
_NOT_FOR_ADB = ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_SERIAL")


class Phone(Protocol):
    """A phone that answers. Every method raises PhoneNotReady if it does not."""

    technique: str
    exclusions: tuple[str, ...]

    def look(self) -> PhoneFacts:
        """What it says of itself now."""

    def mark(self, token: str) -> bool:
        """Put a file named after `token` into its user data, and see it there. False where that is not possible."""

    def marker_left(self, token: str) -> bool | None:
        """Whether that file is still there; None if that cannot be told."""

    def begin_reset(self) -> None:
        """Direct the phone to its reset. From here on its data may be gone."""

    def steps(self) -> list[str]:
        """What the operator does on the phone, in order."""


@dataclass(frozen=True)
class Seen:
    """A phone that a tool lists. `state` is "ready", or why it does not answer."""

    system: str
    connection: str
    state: str


_MOST_READ = 1 << 20  # A phone says as much as it likes; more than this is not looked at.


def is_network(connection: str) -> bool:
    """Whether adb reaches it over the network: host:port."""
    host, _, port = connection.rpartition(":")
    return bool(host) and port.isdigit()


def run(command: Sequence[str], *, seconds: float = SECONDS) -> tuple[int, str, str]:
    """Exit status, standard output and standard error. Raises PhoneNotReady if the tool is missing or hangs."""
    program = shutil.which(command[0])
    if program is None:
        raise PhoneNotReady(f"{command[0]} is not installed.", next_step=_INSTALL.get(command[0], _INSTALL[""]))
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_FOR_ADB}
    try:
        done = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise PhoneNotReady(f"{' '.join(command)} did not end within {seconds:g} s.") from error
    except OSError as error:
        raise PhoneNotReady(f"{program} cannot be run ({error.strerror}).") from error
    said, problem = (text[:_MOST_READ].decode(errors="replace") for text in (done.stdout, done.stderr))
    return done.returncode, said, problem.strip()


def fresh_mark() -> str:
    """Sixteen hexadecimal digits that nobody could know beforehand."""
    return secrets.token_hex(8)


_INSTALL = {
    "adb": "Install it: apt install adb",
    "": "Install pymobiledevice3 in an environment of its own and set WIPE_AGENT_PYMOBILEDEVICE3 to its program.",
}
