"""Snapshots of eReuse Workbench in the three shapes that are about.

    v11       parsed: `device`, `components`, each with `actions` (2018 to 2022)
    raw-2022  `data` with lshw, dmidecode, hwinfo, smart, lspci; lshw and others may be JSON inside a string
    current   `data` with dmidecode text, and inxi and smartctl as JSON inside strings

Sizes are numbers of megabytes or texts such as "160042.0 MB"; serial numbers may be null or "Not Specified"; entries of
smartctl may have neither drive nor status. What cannot be understood is named in `unread`; the rest still counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from wipe_agent.errors import SnapshotRefused
from wipe_agent.foreign.careful import read
from wipe_agent.media.identity import clean

_NOTHING = {
    "", "none", "null", "n/a", "not specified", "not available", "not settable", "invalid", "unknown", "default string",
    "to be filled by o.e.m.", "system serial number", "no asset tag", "0", "00000000",
}  # fmt: skip
_UNITS = {
    "b": 1, "bytes": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "megabyte": 10**6, "gigabyte": 10**9,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40, "mebibyte": 2**20, "gibibyte": 2**30,
}  # fmt: skip
_DRIVES = ("HardDrive", "SolidStateDrive", "DataStorage", "Mmc")


@dataclass(frozen=True)
class Disk:
    """A drive as the snapshot has it. None: it does not say."""

    model: str
    serial: str
    size_bytes: int | None
    passed: bool | None
    power_on_hours: int | None
    power_cycles: int | None
    reallocated: int | None
    pending: int | None

    def say(self) -> str:
        """One line: who it is, and how healthy it said it was."""
        health = {True: "SMART passed", False: "SMART FAILED", None: "no SMART status"}[self.passed]
        size = f"{self.size_bytes / 1e9:.1f} GB" if self.size_bytes else "size unknown"
        facts = [f"{self.model or 'a drive'}, serial {self.serial or 'not reported'}", size, health]
        if self.power_on_hours is not None:
            facts.append(f"{self.power_on_hours} hours on")
        for count, what in ((self.reallocated, "sectors reallocated"), (self.pending, "sectors pending")):
            if count:
                facts.append(f"{count} {what}")
        return ", ".join(facts)


@dataclass(frozen=True)
class Snapshot:
    """A computer as a snapshot has it. Empty texts and None: it does not say. `memory_mib` sums its modules."""

    shape: str
    software: str
    taken: str
    manufacturer: str
    model: str
    serial: str
    processor: str
    memory_mib: int | None
    disks: tuple[Disk, ...]
    erasures: int
    unread: tuple[str, ...]


def read_snapshot(data: bytes) -> Snapshot:
    """Understand a snapshot. Raises SnapshotRefused when it is none of the three shapes."""
    document = read(data, what="snapshot")
    if not isinstance(document, dict) or document.get("type") != "Snapshot":
        raise SnapshotRefused("This is no Workbench snapshot: it does not say that it is one.")
    if isinstance(document.get("device"), dict) and isinstance(document.get("components"), list):
        return _v11(document)
    inner = document.get("data")
    if isinstance(inner, dict) and ("smart" in inner or "lshw" in inner):
        return _raw(document, inner)
    if isinstance(inner, dict) and ("smartctl" in inner or "inxi" in inner):
        return _current(document, inner)
    raise SnapshotRefused("This snapshot has none of the three shapes of Workbench that are known here.")


# ---------------------------------------------------------------------------- the shapes


def _v11(document: Mapping[str, Any]) -> Snapshot:
    device, disks, erasures = document["device"], [], 0
    parts = _objects(document["components"])
    for part in parts:
        if part.get("type") not in _DRIVES:
            continue
        actions = _objects(part.get("actions"))
        erasures += sum(str(one.get("type")).startswith("Erase") for one in actions)
        test = next((one for one in actions if one.get("type") == "TestDataStorage"), {})
        disks.append(
            Disk(
                model=_text(part.get("model")),
                serial=_text(part.get("serialNumber")),
                size_bytes=_size(part.get("size"), 10**6),
                passed=test.get("assessment") if isinstance(test.get("assessment"), bool) else None,
                power_on_hours=_count(test.get("lifetime")),
                power_cycles=_count(test.get("powerCycleCount")),
                reallocated=_count(test.get("reallocatedSectorCount")),
                pending=_count(test.get("currentPendingSectorCount")),
            )
        )
    memory = [_size(one.get("size"), 2**20) or 0 for one in parts if one.get("type") == "RamModule"]
    return Snapshot(
        shape="v11",
        software=_software(document),
        taken=_time(document.get("endTime")),
        manufacturer=_text(device.get("manufacturer")),
        model=_text(device.get("model")),
        serial=_text(device.get("serialNumber")),
        processor=next((_text(one.get("model")) for one in parts if one.get("type") == "Processor"), ""),
        memory_mib=sum(memory) // 2**20 or None,
        disks=tuple(disks),
        erasures=erasures,
        unread=(),
    )


def _raw(document: Mapping[str, Any], inner: Mapping[str, Any]) -> Snapshot:
    unread: list[str] = []
    system = _dmi(inner.get("dmidecode"), "System Information")
    lshw = _inside(inner.get("lshw"), "lshw", unread)
    lshw = lshw[0] if isinstance(lshw, list) and lshw else lshw
    top: Mapping[str, Any] = lshw if isinstance(lshw, dict) else {}
    smart = _inside(inner.get("smart"), "smart", unread)
    return _put_together("raw-2022", document, inner, system, top, smart, "", unread)


def _current(document: Mapping[str, Any], inner: Mapping[str, Any]) -> Snapshot:
    unread: list[str] = []
    system = _dmi(inner.get("dmidecode"), "System Information")
    inxi = _inxi(_inside(inner.get("inxi"), "inxi", unread))
    machine, processor = inxi.get("Machine", {}), inxi.get("CPU", {})
    said = {"vendor": machine.get("System"), "product": machine.get("product"), "serial": machine.get("serial")}
    smart = _inside(inner.get("smartctl"), "smartctl", unread)
    return _put_together("current", document, inner, system, said, smart, _text(processor.get("model")), unread)


def _put_together(
    shape: str,
    document: Mapping[str, Any],
    inner: Mapping[str, Any],
    system: Mapping[str, str],
    other: Mapping[str, Any],
    smart: Any,
    processor: str,
    unread: list[str],
) -> Snapshot:
    """dmidecode has the first word, the second source (lshw or inxi) fills what it leaves open."""
    erase = document.get("erase")
    sizes = [_size(one.get("Size"), 1) or 0 for one in _dmi_all(inner.get("dmidecode"), "Memory Device")]
    return Snapshot(
        shape=shape,
        software=_software(document),
        taken=_time(document.get("timestamp")),
        manufacturer=_text(system.get("Manufacturer")) or _text(other.get("vendor")),
        model=_text(system.get("Product Name")) or _text(other.get("product")),
        serial=_text(system.get("Serial Number")) or _text(other.get("serial")),
        processor=_text(_dmi(inner.get("dmidecode"), "Processor Information").get("Version")) or processor,
        memory_mib=sum(sizes) // 2**20 or None,
        disks=tuple(_smart_disks(smart, unread)),
        erasures=len(erase) if isinstance(erase, list) else 0,
        unread=tuple(unread),
    )


def _smart_disks(smart: Any, unread: list[str]) -> Iterator[Disk]:
    entries = smart if isinstance(smart, list) else [smart] if isinstance(smart, dict) else []
    for entry in entries:
        if not isinstance(entry, dict) or not (entry.get("model_name") or entry.get("serial_number")):
            unread.append("an entry of smartctl without a drive")
            continue
        status = _within(entry, "smart_status", "passed")
        attributes = _within(entry, "ata_smart_attributes", "table")
        raw = {_count(one.get("id")): _count(_within(one, "raw", "value")) for one in _objects(attributes)}
        yield Disk(
            model=_text(entry.get("model_name")),
            serial=_text(entry.get("serial_number")),
            size_bytes=_count(_within(entry, "user_capacity", "bytes")),
            passed=status if isinstance(status, bool) else None,
            power_on_hours=_count(_within(entry, "power_on_time", "hours")),
            power_cycles=_count(entry.get("power_cycle_count")),
            reallocated=raw.get(5),
            pending=raw.get(197),
        )


# ---------------------------------------------------------------------------- their pieces


def _inside(value: Any, name: str, unread: list[str]) -> Any:
    """JSON that may lie inside a string. What is broken there is named, and does not spoil the rest."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return read(value.encode("utf-8", "surrogatepass"), what=name)
    except SnapshotRefused:
        unread.append(name)
        return None


def _inxi(sections: Any) -> dict[str, dict[str, Any]]:
    """inxi's sections by name, each its first block; keys such as `007#0#2#serial` lose their numbers."""
    found: dict[str, dict[str, Any]] = {}
    for section in sections if isinstance(sections, list) else []:
        for name, blocks in section.items() if isinstance(section, dict) else ():
            if isinstance(blocks, list) and blocks and isinstance(blocks[0], dict):
                # A name can come twice in a block (serial of the system, then of the chassis): the first number counts.
                members = sorted(blocks[0].items(), reverse=True)
                found.setdefault(name.rpartition("#")[2], {key.rpartition("#")[2]: said for key, said in members})
    return found


def _dmi(text: Any, title: str) -> dict[str, str]:
    return next(_dmi_all(text, title), {})


def _dmi_all(text: Any, title: str) -> Iterator[dict[str, str]]:
    """The blocks of dmidecode's text under this title: `Name: value`, one level in."""
    if not isinstance(text, str):
        return
    for block in re.split(r"\n\s*\n", text):
        lines = block.strip("\n").split("\n")
        if len(lines) > 1 and lines[1].strip() == title:
            pairs = (line.partition(":") for line in lines[2:] if line.startswith("\t") and line[1:2] != "\t")
            yield {name.strip(): value.strip() for name, _, value in pairs}


def _software(document: Mapping[str, Any]) -> str:
    return f"{_text(document.get('software')) or 'Workbench'} {_text(document.get('version'))}".strip()


def _text(value: Any) -> str:
    """A text for people, at most 200 characters; what means "nothing" in such files is nothing."""
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    plain = (clean(str(value)) or "")[:200]
    return "" if plain.casefold() in _NOTHING else plain


def _time(value: Any) -> str:
    """A time as the snapshot spells it; the year 1 is what some versions write for none."""
    said = _text(value)
    return "" if said.startswith("0001-") else said


def _size(value: Any, unit: int) -> int | None:
    """Bytes of a size: a number counts `unit` bytes, a text names its own unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value * unit) if 0 < value < 1e15 else None
    found = re.fullmatch(r"\s*(\d{1,15}(?:\.\d{1,15})?)\s*([A-Za-z]+)\s*", value) if isinstance(value, str) else None
    factor = _UNITS.get(found[2].casefold()) if found else None
    if found is None or factor is None:
        return None
    # dmidecode writes GB and means 2^30; it counts memory, and `unit` 1 says that it is asked.
    binary = {10**6: 2**20, 10**9: 2**30, 10**12: 2**40}.get(factor, factor) if unit == 1 else factor
    return round(float(found[1]) * binary)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing where there is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _within(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
