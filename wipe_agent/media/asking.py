"""What each bus answers to `hdparm`, `nvme`, `sg3-utils`, `mmc` and `smartctl`, read into facts.

The readers are pure: text in, values out. Two lessons stand behind them. `hdparm` exits with 0 after "bad/missing
sense data", so those words count as a refusal. `hdparm -N` reports an HPA on drives that are no ATA drives, so
hidden areas are asked by transport only, and figures that cannot be true are not believed.
"""

from __future__ import annotations

import json
import re
from typing import Any

from wipe_agent.media.facts import Health, Hidden, Security

SECTOR = 512
_NO_SENSE = "bad/missing sense data"
_MORE_THAN_ANY_DRIVE = 1 << 40  # sectors: 512 TiB


def refused_by_hdparm(said: str) -> bool:
    """Whether hdparm's call was aborted by the drive, whatever its exit status."""
    return _NO_SENSE in said


def ata_security(identify: str) -> Security:
    """The section "Security:" of `hdparm -I`."""
    _, _, section = identify.partition("Security:")
    lines = [" ".join(line.split()) for line in section.split("\n")[1:12]]

    def has(word: str) -> bool:
        return word in lines

    minutes = re.search(r"(\d+)min for SECURITY ERASE UNIT", section)
    return Security(
        supported=has("supported"),
        enabled=has("enabled"),
        locked=has("locked"),
        frozen=has("frozen"),
        enhanced=has("supported: enhanced erase"),
        minutes=int(minutes.group(1)) if minutes else None,
    )


def ata_can(identify: str) -> frozenset[str]:
    """The sanitise commands among the enabled features of `hdparm -I`, as names of methods."""
    enabled = {" ".join(line.split()[1:]) for line in identify.split("\n") if line.split()[:1] == ["*"]}
    found = set()
    if "SANITIZE feature set" in enabled:
        for feature, name in (
            ("BLOCK_ERASE_EXT command", "ata-sanitize-block-erase"),
            ("CRYPTO_SCRAMBLE_EXT command", "ata-sanitize-crypto-scramble"),
            ("OVERWRITE_EXT command", "ata-sanitize-overwrite"),
        ):
            if feature in enabled:
                found.add(name)
    security = ata_security(identify)
    if security.supported:
        found.add("ata-security-erase")
        if security.enhanced:
            found.add("ata-security-erase-enhanced")
    return frozenset(found)


def ata_hidden(maxima: str, dco: str, size: int) -> Hidden:
    """Hidden areas from `hdparm -N` and `--dco-identify` for a drive of `size` bytes.

    The native maximum must be at least what is visible and below 512 TiB, else it is not believed.
    """
    visible = size // SECTOR
    native, configured = native_sectors(maxima, visible), dco_sectors(dco, visible)
    believable = [one for one in (native, configured) if one is not None]
    if not believable:
        return Hidden(None, "hidden areas (HPA, DCO) were asked for and the drive gave no believable answer")
    most = max(believable)
    if most > visible:
        what = "HPA" if native == most else "DCO"
        return Hidden((most - visible) * SECTOR, f"{(most - visible) * SECTOR} bytes are hidden ({what})")
    if configured is None:
        return Hidden(0, "DCO was asked for and the drive gave no believable answer")
    return Hidden(0, "no hidden areas (HPA, DCO) seen")


def visible_sectors(maxima: str) -> int | None:
    """How many sectors the drive shows now, by `hdparm -N`."""
    shown = re.search(r"max sectors\s*=\s*(\d+)/", maxima)
    return int(shown.group(1)) if shown and not refused_by_hdparm(maxima) else None


def native_sectors(maxima: str, visible: int) -> int | None:
    """How many it could show without an HPA, by `hdparm -N`; None where the figure cannot be true."""
    shown = re.search(r"max sectors\s*=\s*(\d+)/(\d+)(?:\((\d+)\?\))?", maxima)
    if not shown or refused_by_hdparm(maxima):
        return None
    return _believed(int(shown.group(3) or shown.group(2)), visible)


def dco_sectors(dco: str, visible: int) -> int | None:
    """How many its maker gave it, by `hdparm --dco-identify`; None where the figure cannot be true."""
    real = re.search(r"Real max sectors:\s*(\d+)", dco)
    return _believed(int(real.group(1)), visible) if real and not refused_by_hdparm(dco) else None


def _believed(sectors: int, visible: int) -> int | None:
    return sectors if visible <= sectors < _MORE_THAN_ANY_DRIVE else None


def nvme_can(controller: dict[str, Any]) -> frozenset[str]:
    """Sanitise and format commands by SANICAP, OACS and FNA of Identify Controller (NVM Express Base 2.0, 5.17)."""
    sanicap, oacs, fna = (int(controller.get(name, 0)) for name in ("sanicap", "oacs", "fna"))
    found = set()
    if sanicap & 1:
        found.add("nvme-sanitize-crypto")
    if sanicap & 2:
        found.add("nvme-sanitize-block")
    if sanicap & 4:
        found.add("nvme-sanitize-overwrite")
    if oacs & 2:
        found.add("nvme-format-user-data")
        if fna & 4:
            found.add("nvme-format-crypto")
    return frozenset(found)


def scsi_supported(said: str) -> bool:
    """Whether `sg_opcodes --opcode=...` names the command as supported."""
    return bool(re.search(r"command\s+(is\s+)?supported", said, re.IGNORECASE)) and "not supported" not in said.lower()


def emmc_can(extcsd: str) -> frozenset[str]:
    """SEC_FEATURE_SUPPORT of `mmc extcsd read`: bit 6 is SANITIZE (JESD84-B51, 7.4.32)."""
    found = re.search(r"SEC_FEATURE_SUPPORT:?\s*(0x[0-9a-fA-F]+)", extcsd)
    return frozenset({"emmc-sanitize"}) if found and int(found.group(1), 16) & 0x40 else frozenset()


def health(smart: str) -> Health:
    """From `smartctl -j -a`, whichever protocol. What the drive does not tell is None."""
    whole = parsed(smart)
    log = whole.get("nvme_smart_health_information_log", {})
    remapped = None
    for one in whole.get("ata_smart_attributes", {}).get("table", []):
        if one.get("id") == 5:
            remapped = one.get("raw", {}).get("value")
    return Health(
        passed=whole.get("smart_status", {}).get("passed"),
        hours=whole.get("power_on_time", {}).get("hours"),
        celsius=whole.get("temperature", {}).get("current"),
        remapped=remapped if remapped is not None else whole.get("scsi_grown_defect_list"),
        media_errors=log.get("media_errors"),
        percentage_used=log.get("percentage_used"),
    )


def parsed(text: str) -> dict[str, Any]:
    """A JSON object, or an empty one where the tool printed none."""
    try:
        whole = json.loads(text)
    except ValueError:
        return {}
    return whole if isinstance(whole, dict) else {}
