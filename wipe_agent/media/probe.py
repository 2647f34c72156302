"""Ask one drive what it is and what it can do, by the tools of its bus.

A missing tool is a note and not an error: then less is known, and the planner says so. Nothing is changed on the drive.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from wipe_agent.media import asking, drives
from wipe_agent.media.drives import Drive
from wipe_agent.media.facts import Facts, Hidden
from wipe_agent.media.runner import Ran, Runner

_SCSI_SANITIZE = {"scsi-sanitize-overwrite": 1, "scsi-sanitize-block": 2, "scsi-sanitize-crypto": 3}


def probe(drive: Drive, run: Runner) -> Facts:
    """What the drive tells about itself. `notes` are sentences on what nobody could tell."""
    bus = bus_of(drive)
    facts = Facts(
        drive.path,
        bus,
        kind_of(bus, _rotational(drive)),
        drive.identity.size,
        rotational=_rotational(drive),
        bridge=bus == "usb",
        rehearsal=run.rehearsal,
    )
    if _discards(drive):
        facts = replace(facts, can=frozenset({"block-discard"}))
    if bus in ("image", "virtual"):
        return facts
    asked = {"ata": _ata, "nvme": _nvme, "scsi": _scsi, "usb": _usb, "mmc": _mmc, "sd": _sd, "ufs": _ufs}[bus](
        facts, run
    )
    if asked.self_encrypting is not None:
        asked = replace(asked, can=asked.can | {"tcg-psid-revert"})
    if bus in ("mmc", "sd"):
        return asked
    smart = run(["smartctl", "-j", "-a", drive.path])
    tested = asking.health(smart.out)
    firmware = asking.parsed(smart.out).get("firmware_version") or asking.parsed(smart.out).get("scsi_revision")
    notes = (*asked.notes, *([f"SMART: {smart.first_words}"] if smart.missing or smart.timed_out else []))
    return replace(asked, health=tested, firmware=asked.firmware or firmware, notes=notes)


def bus_of(drive: Drive) -> str:
    """How the drive is spoken to, by its transport and its place in sysfs."""
    if drive.identity.target == "image":
        return "image"
    name = Path(drive.path).name
    place = os.path.realpath(drives.SYS / "class/block" / name)
    if "/virtual/" in place or name.startswith(("loop", "nbd", "zram", "ram", "vd")):
        return "virtual"
    if drive.identity.transport == "usb" or "/usb" in place:
        return "usb"
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("mmcblk"):
        return "sd" if drives.sysfs(name, "device/type") == "SD" else "mmc"
    if "ufshc" in place or drive.identity.transport == "ufs":
        return "ufs"
    return "ata" if drive.identity.transport in ("sata", "ata") or "/ata" in place else "scsi"


def kind_of(bus: str, rotational: bool | None) -> str:
    """The certificate's word for what is there. Images and virtual drives stand for a solid-state drive."""
    named = {"nvme": "nvme", "usb": "usb", "sd": "sd", "mmc": "emmc", "ufs": "ufs"}
    return named.get(bus) or ("hdd" if rotational and bus in ("ata", "scsi") else "ssd")


def _rotational(drive: Drive) -> bool | None:
    said = drives.sysfs(Path(drive.path).name, "queue/rotational")
    return None if said is None else said == "1"


def _discards(drive: Drive) -> bool:
    most = drives.sysfs(Path(drive.path).name, "queue/discard_max_bytes")
    return most is not None and most != "0"


def _ata(facts: Facts, run: Runner) -> Facts:
    identify = run(["hdparm", "-I", facts.path])
    if not identify.ok:
        return replace(facts, notes=(*facts.notes, _not_told("its commands", identify)))
    maxima, dco = run(["hdparm", "-N", facts.path]), run(["hdparm", "--dco-identify", facts.path])
    return replace(
        facts,
        can=facts.can | asking.ata_can(identify.out),
        security=asking.ata_security(identify.out),
        hidden=asking.ata_hidden(maxima.said, dco.said, facts.size),
        self_encrypting=_opal(facts.path, run),
    )


def _nvme(facts: Facts, run: Runner) -> Facts:
    controller_path = controller_of(facts.path)
    controller = run(["nvme", "id-ctrl", controller_path, "-o", "json"])
    if not controller.ok:
        return replace(facts, notes=(*facts.notes, _not_told("its commands", controller)))
    said = asking.parsed(controller.out)
    listed = asking.parsed(run(["nvme", "list-ns", controller_path, "--all", "-o", "json"]).out)
    namespace = asking.parsed(run(["nvme", "id-ns", facts.path, "-o", "json"]).out)
    return replace(
        facts,
        can=facts.can | asking.nvme_can(said),
        firmware=str(said.get("fr", "")).strip() or None,
        namespaces=tuple(int(one["nsid"]) for one in listed.get("nsid_list", [])),
        lba_format=int(namespace.get("flbas", 0)) & 0xF,
        hidden=Hidden(0, "NVMe has no HPA or DCO"),
        self_encrypting=_opal(facts.path, run),
    )


def _scsi(facts: Facts, run: Runner) -> Facts:
    can = {"scsi-format-unit"}
    for name, action in _SCSI_SANITIZE.items():
        if asking.scsi_supported(run(["sg_opcodes", f"--opcode=0x48,{action}", facts.path]).said):
            can.add(name)
    return replace(
        facts,
        can=facts.can | can,
        hidden=Hidden(None, "areas beyond the reported capacity of the drive were not examined"),
        self_encrypting=_opal(facts.path, run),
    )


def _ufs(facts: Facts, run: Runner) -> Facts:
    """UFS speaks SCSI, and purges by a query request of its own that no tool here can send."""
    asked = _scsi(facts, run)
    return replace(
        asked,
        can=asked.can - {"scsi-format-unit", *_SCSI_SANITIZE},
        hidden=Hidden(None, "RPMB and boot logical units were not examined"),
        notes=(
            *asked.notes,
            "UFS has a purge of its own (fPurgeEnable). Debian has no tool for it: it is overwritten.",
        ),
    )


def _usb(facts: Facts, _: Runner) -> Facts:
    """A bridge answers for the drive behind it, and often wrongly: no drive command is sent through it."""
    return replace(
        facts,
        hidden=Hidden(None, "areas that the USB bridge hides were not examined"),
        notes=(*facts.notes, "A USB bridge answers for the drive: its identity may be the bridge's."),
    )


def _mmc(facts: Facts, run: Runner) -> Facts:
    extcsd = run(["mmc", "extcsd", "read", facts.path], timeout=10)
    facts = replace(facts, hidden=Hidden(None, "RPMB and boot partitions were not examined"))
    if not extcsd.ok:
        return replace(facts, notes=(*facts.notes, _not_told("its commands", extcsd)))
    return replace(facts, can=facts.can | asking.emmc_can(extcsd.out))


def _sd(facts: Facts, _: Runner) -> Facts:
    return replace(facts, hidden=Hidden(None, "the protected area of the card was not examined"))


def controller_of(path: str) -> str:
    """/dev/nvme0 for /dev/nvme0n1."""
    head, _, tail = path.rpartition("n")
    return head if tail.isdigit() and head[-1:].isdigit() else path


def _opal(path: str, run: Runner) -> str | None:
    """What `sedutil-cli` says of encryption by the drive itself; None where the tool is not here or sees none."""
    asked = run(["sedutil-cli", "--query", path])
    if not asked.ok:
        return None
    for word in ("Opal 2.0", "Opal 1.0", "Opalite", "Pyrite", "Ruby", "Enterprise"):
        if word in asked.out:
            return f"TCG {word}"
    return None


def _not_told(what: str, ran: Ran) -> str:
    return f"The drive did not tell {what} ({ran.first_words})."
