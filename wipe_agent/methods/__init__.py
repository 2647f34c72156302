"""How a medium can be sanitised: a table, one entry a method (as nwipe's `method.h`).

This version knows one method, an overwrite of every user-addressable block, with zeros or with a random stream. IEEE
2883-2022 and NIST SP 800-88 Rev. 2 leave an overwrite at *clear*; what it cannot reach is listed as exclusions, which
go onto the certificate. Phones, SIM cards and media of unknown kind have no entry: they end as destroyed.
"""

from __future__ import annotations

from dataclasses import dataclass

from wipe_agent.errors import MethodRefused
from wipe_agent.methods.overwrite import Outcome, overwrite_with, overwrite_zeros
from wipe_agent.methods.stream import ZEROS, Pattern, new_stream, pattern_from

__all__ = [
    "METHODS",
    "ZEROS",
    "Method",
    "Outcome",
    "Pattern",
    "choose",
    "new_stream",
    "overwrite_with",
    "overwrite_zeros",
    "pattern_from",
]

# Over-provisioning and remapped sectors cannot be
# addressed by the host (NIST SP 800-88 Rev. 1, 4.7 and appendix A; IEEE 2883-2022, clause 6).
_FLASH = ("over-provisioned and remapped flash blocks",)
_EXCLUSIONS: dict[str, tuple[str, ...]] = {
    "hdd": ("sectors the drive remapped", "hidden areas (HPA, DCO) were not examined"),
    "ssd": (*_FLASH, "hidden areas (HPA, DCO) were not examined"),
    "nvme": (*_FLASH, "other namespaces of the controller"),
    "emmc": (*_FLASH, "RPMB", "boot partitions"),
    "ufs": (*_FLASH, "RPMB", "boot logical units"),
    "sd": _FLASH,
    "usb": _FLASH,
}


@dataclass(frozen=True)
class Method:
    """One way to sanitise. `technique` is the word on the certificate."""

    technique: str
    level: str
    passes: int
    exclusions: dict[str, tuple[str, ...]]


METHODS: dict[str, Method] = {
    "overwrite-zeros": Method(technique="overwrite-zeros", level="clear", passes=1, exclusions=_EXCLUSIONS),
    "overwrite-stream": Method(technique="overwrite-aes-ctr", level="clear", passes=1, exclusions=_EXCLUSIONS),
}


def choose(kind: str, *, stream: bool = False) -> Method:
    """The method for a medium of this kind, with zeros or a random stream. Raises MethodRefused if there is none."""
    method = METHODS["overwrite-stream" if stream else "overwrite-zeros"]
    if kind not in method.exclusions:
        raise MethodRefused(f"A medium of kind {kind} cannot be overwritten block by block from outside.")
    return method
