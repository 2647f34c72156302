"""Which evidence the gate admits for which medium, at which level, and why.

A full read after an overwrite is Clear (NIST SP 800-88 Rev. 2 with IEEE 2883-2022) on media that can be written in
place. Nothing clears on sampling or on absence alone yet, and a SIM or an unknown medium only by destruction. A phone
gives no raw read: what it reports, or what two people saw, counts where a program directed the reset for that one phone
and saw its encryption before. The database holds the table in force; a test compares the two. A table once published
stays as it was: a change is a new version, as work orders name the one they were issued under.
"""

from __future__ import annotations

POLICY = "ewaste-clear-2026-11-2"
"""The version in force."""

GB_46864 = "gb-46864-2025"

Table = dict[str, tuple[tuple[str, str], ...]]

_OVERWRITTEN = ("full-read", "clear")
_PURGED_AND_READ = ("full-read", "purge")
_KEY_DESTROYED = ("device-reported", "purge")
_REPORTED = ("device-reported", "clear")
_WITNESSED = ("operator-witnessed", "clear")
_DESTROYED = ("destroyed", "destroy")

ADMITTED: Table = {
    "hdd": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "ssd": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "nvme": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "emmc": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "ufs": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "sd": (_OVERWRITTEN, _DESTROYED),
    "usb": (_OVERWRITTEN, _DESTROYED),
    "sim": (_DESTROYED,),
    "phone-storage": (_KEY_DESTROYED, _REPORTED, _WITNESSED, _DESTROYED),
    "other": (_DESTROYED,),
}

VERSIONS: dict[str, Table] = {
    "ewaste-clear-2026-11": ADMITTED | {"phone-storage": (_KEY_DESTROYED, _DESTROYED)},
    POLICY: ADMITTED,
    # Mandatory in China from 2027. Whether key destruction or a reset meets it is open until its text was read.
    GB_46864: dict.fromkeys(ADMITTED, (_DESTROYED,)),
}
"""Every version by its name, and the tables of others that work may be done under."""

_WHY = {
    _OVERWRITTEN: "Every byte was overwritten and read back.",
    _PURGED_AND_READ: "The medium was purged by its own means, and every byte was read back.",
    _KEY_DESTROYED: "Its storage was encrypted from the first write, and the erase destroyed the key.",
    _REPORTED: "Encryption was seen before; a program directed the reset of this one phone; it reports new data after.",
    _WITNESSED: "As above, and the phone is silent after: two people saw a new set-up, a third one confirms it.",
    _DESTROYED: "Nothing is left to read.",
}

# What people saw and no machine can read back: before the device goes its way, a second person of the centre, signed in
# under their own name, confirms it to the market. The database holds the same list (`ways_need_a_second_person`).
SECOND_PERSON = frozenset({"destroyed", "operator-witnessed", "absent"})


def admits(medium_kind: str, evidence_class: str, level: str, policy: str = POLICY) -> bool:
    """Whether this evidence at this level clears this kind of medium. A policy that nobody knows admits nothing."""
    return (evidence_class, level) in VERSIONS.get(policy, {}).get(medium_kind, ())


def rows() -> list[tuple[str, str, str]]:
    """The table as (medium kind, evidence class, level), sorted: what the database is given."""
    return sorted((kind, evidence, level) for kind, pairs in ADMITTED.items() for evidence, level in pairs)


def explained() -> list[tuple[str, str, str, str]]:
    """The rows with the reason of each, in a sentence."""
    return [(kind, evidence, level, _WHY[evidence, level]) for kind, evidence, level in rows()]
