"""The table of methods: one entry each, with the level it reaches, what it needs, and what it leaves out.

Levels are those of NIST SP 800-88 Rev. 2 with IEEE 2883-2022, as far as these techniques are named there for the kind
of medium. A level is what the technique is good for; whether it counts is the policy's word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wipe_agent.methods import ata, block, nvme, scsi
from wipe_agent.methods.answers import Command

_FLASH = ("over-provisioned and remapped flash blocks",)
HIDDEN = "hidden areas (HPA, DCO) were not examined"
NAMESPACES = "other namespaces of the controller"
# What an overwrite from outside does not reach. Over-provisioning and remapped sectors cannot be
# addressed by the host (NIST SP 800-88 Rev. 1, 4.7 and appendix A; IEEE 2883-2022, clause 6).
OVERWRITE_LEAVES: dict[str, tuple[str, ...]] = {
    "hdd": ("sectors the drive remapped", HIDDEN),
    "ssd": (*_FLASH, HIDDEN),
    "nvme": (*_FLASH, NAMESPACES),
    "emmc": (*_FLASH, "RPMB", "boot partitions"),
    "ufs": (*_FLASH, "RPMB", "boot logical units"),
    "sd": _FLASH,
    "usb": _FLASH,
}
_VOUCHED = "what the drive's own command reached beyond the readable blocks rests on the drive's word"
_COMMAND_LEAVES: dict[str, tuple[str, ...]] = {
    "hdd": (_VOUCHED,),
    "ssd": (_VOUCHED,),
    "nvme": (_VOUCHED, "RPMB and boot partitions of the controller, if it has any"),
    "emmc": (_VOUCHED, "RPMB", "boot partitions"),
    "ufs": (_VOUCHED, "RPMB", "boot logical units"),
}
_DRIVES = ("hdd", "ssd")


@dataclass(frozen=True)
class Method:
    """One way to sanitise. `technique` is the word on the certificate; `kinds` are the media it is for.

    `how` is overwrite, command (the drive does it itself), guided (a person does it and the agent directs and notes),
    or destroy. `levels` gives the level by kind. `evidence` lists the classes it can yield, the strongest first: a
    command followed by an overwrite that is read in full yields full-read, a command alone the drive's word. `reach`
    orders methods of one level: the more of the medium, the higher. `keeps_going` says that the drive goes on by itself
    and cannot be stopped. `crypto` marks key destruction: purge only if all was encrypted since its first write and
    nobody holds a copy of the key. `deallocates` says that blocks may read as zero only because nothing is there,
    `zeros` that a command, once through, leaves zeros that can be compared with.
    """

    name: str
    technique: str
    how: str
    levels: dict[str, str]
    evidence: tuple[str, ...]
    leaves: dict[str, tuple[str, ...]]
    reach: int
    passes: int = 0
    keeps_going: bool = False
    crypto: bool = False
    deallocates: bool = False
    zeros: bool = False
    command: Callable[[str | None], Command] | None = None

    @property
    def level(self) -> str:
        """The level it reaches on most of its media."""
        return next(iter(self.levels.values()))

    @property
    def exclusions(self) -> dict[str, tuple[str, ...]]:
        """What it does not reach, by kind of medium."""
        return self.leaves


def _overwrite(name: str, technique: str, reach: int, passes: int = 1) -> Method:
    levels = dict.fromkeys(OVERWRITE_LEAVES, "clear")
    evidence = ("full-read", "sampled-read")
    return Method(name, technique, "overwrite", levels, evidence, OVERWRITE_LEAVES, reach, passes)


def _command(
    name: str,
    levels: dict[str, str],
    reach: int,
    make: Callable[[str | None], Command],
    *,
    keeps_going: bool = False,
    crypto: bool = False,
    deallocates: bool = True,
    zeros: bool = False,
) -> Method:
    leaves = {kind: _COMMAND_LEAVES.get(kind, (_VOUCHED,)) for kind in levels}
    evidence = ("full-read", "device-reported")
    return Method(
        name, name, "command", levels, evidence, leaves, reach, 0, keeps_going, crypto, deallocates, zeros, make
    )  # fmt: skip


def _purges(*kinds: str) -> dict[str, str]:
    return dict.fromkeys(kinds, "purge")


def _clears(*kinds: str) -> dict[str, str]:
    return dict.fromkeys(kinds, "clear")


_PHONES = ("files on cards and SIMs in the phone", "accounts and copies outside the phone", "RPMB")

METHODS: dict[str, Method] = {
    one.name: one
    for one in (
        _command("nvme-sanitize-block", _purges("nvme"), 90, lambda _: nvme.Sanitize(2), keeps_going=True),
        _command(
            "nvme-sanitize-crypto", _purges("nvme"), 80, lambda _: nvme.Sanitize(4), keeps_going=True, crypto=True
        ),
        _command(
            "nvme-sanitize-overwrite", _purges("nvme"), 70, lambda _: nvme.Sanitize(3), keeps_going=True, zeros=True
        ),
        _command("nvme-format-user-data", _clears("nvme"), 50, lambda _: nvme.Format(1)),
        _command("nvme-format-crypto", _clears("nvme"), 45, lambda _: nvme.Format(2), crypto=True),
        _command(
            "ata-sanitize-block-erase", _purges("ssd"), 90,
            lambda _: ata.Sanitize(("--sanitize-block-erase",)), keeps_going=True,
        ),
        _command(
            "ata-sanitize-overwrite", _purges("hdd"), 85,
            lambda _: ata.Sanitize(("--sanitize-overwrite-passes", "1", "--sanitize-overwrite", "hex:00000000")),
            keeps_going=True, deallocates=False, zeros=True,
        ),
        _command(
            "ata-sanitize-crypto-scramble", _purges(*_DRIVES), 80,
            lambda _: ata.Sanitize(("--sanitize-crypto-scramble",)), keeps_going=True, crypto=True,
        ),
        _command("ata-security-erase-enhanced", _clears(*_DRIVES), 40, lambda _: ata.SecurityErase(enhanced=True)),
        _command("ata-security-erase", _clears(*_DRIVES), 35, lambda _: ata.SecurityErase(enhanced=False)),
        _command(
            "scsi-sanitize-block", _purges("ssd"), 90, lambda _: scsi.sanitize("--block"), keeps_going=True
        ),
        _command(
            "scsi-sanitize-overwrite", _purges("hdd"), 85,
            lambda _: scsi.sanitize("--overwrite", "--zero"), keeps_going=True, deallocates=False, zeros=True,
        ),
        _command(
            "scsi-sanitize-crypto", _purges(*_DRIVES), 80,
            lambda _: scsi.sanitize("--crypto"), keeps_going=True, crypto=True,
        ),
        _command("scsi-format-unit", _clears(*_DRIVES), 8, lambda _: scsi.format_unit()),
        _command("emmc-sanitize", _purges("emmc"), 90, lambda _: block.EmmcSanitize()),
        _command("tcg-psid-revert", _purges("ssd", "hdd", "nvme"), 30, block.PsidRevert, crypto=True),
        _command(
            "block-discard", _clears("ssd", "nvme", "emmc", "ufs", "sd"), 5, lambda _: block.Discard(), zeros=True
        ),
        _overwrite("overwrite-zeros", "overwrite-zeros", 20),
        _overwrite("overwrite-stream", "overwrite-aes-ctr", 15),
        _overwrite("overwrite-three-passes", "overwrite-3-passes", 10, passes=3),
        Method(
            "android-reset", "android-recovery-reset", "guided", {"phone-storage": "clear"},
            ("device-reported", "operator-witnessed"), {"phone-storage": _PHONES}, 50, crypto=True,
        ),
        Method(
            "ios-reset", "ios-erase-all-content", "guided", {"phone-storage": "purge"},
            ("device-reported", "operator-witnessed"), {"phone-storage": _PHONES}, 50, crypto=True,
        ),
        Method(
            "destroy", "shred, pulverise, disintegrate, incinerate or melt", "destroy",
            dict.fromkeys((*OVERWRITE_LEAVES, "sim", "phone-storage", "other"), "destroy"), ("destroyed",), {}, 0,
        ),
    )
}  # fmt: skip
"""Every method by its name. The planner chooses; `--method NAME` chooses otherwise."""
