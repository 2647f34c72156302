"""Which phones are here, and the one that is meant."""

from __future__ import annotations

from wipe_agent.errors import PhoneNotReady
from wipe_agent.phones import android, ios
from wipe_agent.phones.tools import Phone, Seen, is_network


def phones_here() -> tuple[list[Seen], list[str]]:
    """Every phone that adb and pymobiledevice3 list, and a sentence for each of the two tools that cannot look."""
    found: list[Seen] = []
    problems = []
    for listing in (android.listed, ios.listed):
        try:
            found += listing()
        except PhoneNotReady as problem:
            problems.append(f"{problem.message} {problem.advice}")
    return found, problems


def open_phone(connection: str | None) -> Phone:
    """The phone with this serial (or host:port), or the only one. Raises PhoneNotReady with what to do."""
    if connection and is_network(connection):
        return android.AndroidPhone.over_network(connection)
    found, problems = phones_here()
    wanted = [one for one in found if connection in (None, one.connection)]
    if len(wanted) != 1:
        which = f"with serial {connection} " if connection else ""
        number = "No phone" if not wanted else "More than one phone"
        raise PhoneNotReady(
            f"{number} {which}answers here. {' '.join(problems)}".strip(),
            next_step="Connect one phone, or name one with --phone SERIAL (see: wipe-agent phones).",
        )
    one = wanted[0]
    if one.state != "ready":
        raise PhoneNotReady(f"The phone {one.connection} does not answer: {one.state}.")
    return android.AndroidPhone(one.connection) if one.system == "android" else ios.ApplePhone(one.connection)
