"""Which evidence the gate admits for which medium, at which level.

A full read after an overwrite is Clear (NIST SP 800-88 Rev. 2 with IEEE 2883-2022) on media that can be written in
place. What a device reports of itself counts only at Purge. Nothing clears on sampling or on absence alone yet, and
a SIM or an unknown medium only by destruction. The database holds the same table; a test compares the two.
"""

from __future__ import annotations

POLICY = "ewaste-clear-2026-11"

_OVERWRITTEN = ("full-read", "clear")
_PURGED_AND_READ = ("full-read", "purge")
_REPORTED = ("device-reported", "purge")
_DESTROYED = ("destroyed", "destroy")

ADMITTED: dict[str, tuple[tuple[str, str], ...]] = {
    "hdd": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "ssd": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "nvme": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "emmc": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "ufs": (_OVERWRITTEN, _PURGED_AND_READ, _DESTROYED),
    "sd": (_OVERWRITTEN, _DESTROYED),
    "usb": (_OVERWRITTEN, _DESTROYED),
    "sim": (_DESTROYED,),
    "phone-storage": (_REPORTED, _DESTROYED),
    "other": (_DESTROYED,),
}


# What people saw and no machine can read back: before the device goes its way, a second person of the centre, signed in
# under their own name, confirms it to the market. The database holds the same list (`ways_need_a_second_person`).
SECOND_PERSON = frozenset({"destroyed", "operator-witnessed", "absent"})


def admits(medium_kind: str, evidence_class: str, level: str) -> bool:
    """Whether this evidence at this level clears this kind of medium."""
    return (evidence_class, level) in ADMITTED.get(medium_kind, ())


def rows() -> list[tuple[str, str, str]]:
    """The table as (medium kind, evidence class, level), sorted: what the database is given."""
    return sorted((kind, evidence, level) for kind, pairs in ADMITTED.items() for evidence, level in pairs)
