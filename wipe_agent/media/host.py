"""The machine that holds the drives: who it is by its DMI tables, and which controllers may hide drives from us.

A laptop on a cart is its own host. When the agent runs on the bench's machine and drives hang on it by docks and
bridges, this host is the bench and not the device: whoever uses `observe` must know which of the two it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wipe_agent.media import drives
from wipe_agent.media.identity import clean

# PCI class codes (PCI Code and ID Assignment, 1.11): 0104 is a RAID controller, 0107 serial attached SCSI.
_RAID_CLASS = "0x0104"
# Makers leave these words where a serial should be.
_NO_SERIAL = {"to be filled by o.e.m.", "default string", "system serial number", "none", "not specified", "0", "n/a"}
# The kernel's driver that takes an Intel VMD apart, so that the drives behind it do show.
_TAKES_APART = ("vmd",)


@dataclass(frozen=True)
class Controller:
    """A controller that may hide drives. `resolved` says that the drives behind it do show here."""

    address: str
    says: str
    resolved: bool


def observe(root: Path | None = None) -> dict[str, str]:
    """Manufacturer, model and serial of this machine, as its firmware tells; what it does not tell is left out."""
    base = (root or drives.SYS) / "class/dmi/id"
    found = {}
    for name, file in (("manufacturer", "sys_vendor"), ("model", "product_name"), ("serial", "product_serial")):
        said = clean(_read(base / file))
        if said and said.casefold() not in _NO_SERIAL:
            found[name] = said
    return found


def controllers(root: Path | None = None) -> list[Controller]:
    """RAID and VMD controllers of this machine, in the order of their addresses."""
    found = []
    for place in sorted(((root or drives.SYS) / "bus/pci/devices").glob("*")):
        kind, vendor, device = ((_read(place / name) or "").strip() for name in ("class", "vendor", "device"))
        if not kind.startswith(_RAID_CLASS):
            continue
        driver = (place / "driver").resolve().name if (place / "driver").exists() else ""
        intel = vendor == "0x8086"
        what = "an Intel controller in RAID or VMD mode" if intel else "a RAID controller"
        # VMD drives show once the kernel takes it apart and gives the domain behind it its own bus.
        resolved = driver in _TAKES_APART and any(place.glob("pci*:*"))
        advice = "" if resolved else "; drives behind it may not show. Set it to AHCI or HBA mode in the firmware setup"
        found.append(Controller(place.name, f"{what} ({vendor}:{device}) at {place.name}{advice}", resolved))
    return found


def absence_refused(root: Path | None = None) -> str | None:
    """Why an empty listing does not show that no medium is there, as a sentence; None if nothing speaks against it."""
    hiding = [one.says for one in controllers(root) if not one.resolved]
    return f"A medium cannot be called absent: there is {'; '.join(hiding)}." if hiding else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None
