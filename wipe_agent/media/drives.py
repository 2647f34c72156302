"""The list of drives, each with its identity and the reason if it must not be wiped.

Facts come from `lsblk` (util-linux) and sysfs; mounts from mountinfo of this process and of process 1,
because another mount namespace may hold what ours does not show. Opening a drive with O_EXCL asks
the kernel once more (`target.py`): the list is for people, the kernel has the last word.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wipe_agent.errors import NotADrive
from wipe_agent.media.identity import Identity, clean, training_reason

Run = Callable[[list[str]], str]
SYS = Path("/sys")
LOOP_PATIENCE = 2.0  # seconds
_COLUMNS = "NAME,KNAME,PATH,TYPE,SIZE,MODEL,VENDOR,SERIAL,WWN,TRAN,RO,ROTA,MOUNTPOINTS,MAJ:MIN"
_WRONG_KINDS = {
    "part": "it is a part of a drive; only whole drives are wiped",
    "rom": "it is an optical drive; discs are destroyed",
}
_SYSTEM_PLACES = ("/", "/boot", "/boot/efi", "/usr", "/var", "/etc", "/home")


@dataclass(frozen=True)
class Drive:
    """One drive or image. `refusals` are sentences; an empty tuple means that it may be wiped."""

    path: str
    kind: str
    identity: Identity
    refusals: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "kind": self.kind,
            **self.identity.as_dict(),
            "training": self.identity.training,
            "refusals": list(self.refusals),
        }


def run_tool(command: list[str]) -> str:
    """What a tool prints. Raises OSError or CalledProcessError; the exit status is always looked at."""
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


def list_drives(run: Run = run_tool, *, path: str | None = None) -> list[Drive]:
    """All whole drives of this machine, or the one at `path`. Raises NotADrive if lsblk cannot say."""
    return _drives_at(path, run)


def describe_image(path: Path) -> Drive:
    """An image file as a practice drive. Raises NotADrive if it is not a regular file."""
    if not path.is_file():
        raise NotADrive(f"{path} is not an image file.")
    facts = path.stat()
    refusals = [f"it is in use as {loop}" for loop in loops_of(facts)]
    if facts.st_size == 0:
        refusals.append("it is empty")
    if not os.access(path, os.W_OK):
        refusals.append("it is read-only")
    return Drive(str(path), "image", image_identity(facts), tuple(refusals))


def image_identity(facts: os.stat_result) -> Identity:
    """An image has no serial of its own: the file it is (file system and inode) stands for it."""
    anchor = f"{facts.st_dev}:{facts.st_ino}"
    return Identity("image", None, None, None, facts.st_size, None, anchor, "an image file")


def loops_of(facts: os.stat_result) -> list[str]:
    """Loop devices that stand on the file with these facts."""
    return [f"/dev/{name}" for name, behind in _loops() if _same_place(behind, facts)]


def loop_file(name: str) -> os.stat_result | None:
    """The file behind a loop device; loop devices have no serial to tell them apart by.

    None as well when the file system that holds it does not answer in two seconds (a network or a FUSE server that is
    away): the kernel would let us wait for ever, and every other drive with us.
    """
    try:
        behind = (SYS / "class/block" / name / "loop/backing_file").read_text().rstrip("\n")
    except OSError:
        return None
    found: list[os.stat_result] = []

    def look() -> None:
        with contextlib.suppress(OSError):
            found.append(os.stat(behind))

    waiting = threading.Thread(target=look, daemon=True)
    waiting.start()
    waiting.join(LOOP_PATIENCE)
    return found[0] if found else None


def _drives_at(path: str | None, run: Run, above: str | None = None) -> list[Drive]:
    command = ["lsblk", "--json", "--bytes", "--output", _COLUMNS, *([path] if path else [])]
    try:
        nodes = json.loads(run(command))["blockdevices"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError) as error:
        raise NotADrive(f"lsblk does not tell about {path or 'the drives'} ({error}).") from error
    mounted = _mounted_numbers()
    return [_drive(node, mounted, run, above) for node in nodes if path or int(node["size"] or 0) > 0]


def _loops() -> Iterator[tuple[str, os.stat_result]]:
    """Every loop device in use, and the file or drive behind it."""
    for backing in sorted(SYS.glob("block/loop*/loop/backing_file")):
        if behind := loop_file(backing.parts[-3]):
            yield backing.parts[-3], behind


def _same_place(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether bytes written to one appear in the other: the same drive by any name, or the same file."""
    if stat.S_ISBLK(one.st_mode) and stat.S_ISBLK(other.st_mode):
        return one.st_rdev == other.st_rdev
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _drive(node: dict[str, Any], mounted: dict[str, str], run: Run, above: str | None = None) -> Drive:
    """`above` is the loop device that asks on its own behalf, and does not count as standing on this drive."""
    name = node["kname"]
    # Memory cards and eMMC have a name where other drives have a model.
    card = sysfs(name, "device/name") if name.startswith("mmcblk") else None
    model, vendor = clean(node.get("model")) or card, clean(node.get("vendor"))
    identity = Identity(
        target="block",
        model=model,
        serial=clean(node.get("serial")) or sysfs(name, "device/serial") or _unit_serial(name) or _usb_serial(name),
        wwn=clean(node.get("wwn")) or sysfs(name, "wwid") or sysfs(name, "device/wwid"),
        size=int(node["size"] or 0),
        transport=node.get("tran"),
        anchor=_loop_anchor(name),
        training_reason=training_reason(name, model, vendor, os.path.realpath(SYS / "class/block" / name)),
    )
    return Drive(node["path"], node["type"], identity, (*_refusals(node, mounted, above), *_refusals_behind(name, run)))


def _refusals(node: dict[str, Any], mounted: dict[str, str], above: str | None) -> Iterator[str]:
    kind, name = node["type"], node["kname"]
    if name.startswith("mmcblk") and ("boot" in name or "rpmb" in name):
        yield "it is a boot or replay-protected area of an eMMC; name the whole drive"
    if kind not in ("disk", "loop"):
        yield _WRONG_KINDS.get(kind, f"it is put together from other drives ({kind}); name the drives beneath it")
    places: set[str] = set()
    for child in _with_children(node):
        places.update(place for place in child.get("mountpoints") or [] if place)
        if child["maj:min"] in mounted:
            places.add(mounted[child["maj:min"]])
    if "[SWAP]" in places:
        yield "it holds swap space that is in use"
    if any(place in _SYSTEM_PLACES for place in places):
        yield "it holds the running system"
    elif places - {"[SWAP]"}:
        yield f"it is mounted at {', '.join(sorted(places - {'[SWAP]'}))}"
    holders = sorted((_holders(name) | _loops_on(node)) - {above})
    if holders and kind in ("disk", "loop"):
        yield f"something stands on it: {', '.join(holders)}"
    if node.get("ro"):
        yield "it is read-only"
    if not int(node["size"] or 0):
        yield "it has no size; perhaps no medium is inserted"


def _refusals_behind(name: str, run: Run) -> Iterator[str]:
    """Why the file or drive behind a loop device must not be written, which the kernel does not ask of the loop."""
    try:
        path = (SYS / "class/block" / name / "loop/backing_file").read_text().rstrip("\n")
    except OSError:
        return  # no loop device, or one with nothing behind it
    behind = loop_file(name)
    if behind is None:
        yield f"what is behind it ({path}) cannot be looked at from here"
        return
    others = [other for other, place in _loops() if other != name and _same_place(place, behind)]
    if others:
        yield f"another loop device stands on the same place, {path}: {', '.join(others)}"
    if stat.S_ISBLK(behind.st_mode):
        for drive in _drives_at(path, run, above=name):
            for refusal in drive.refusals:
                yield f"it stands on {path}, and of that: {refusal}"


def _loops_on(node: dict[str, Any]) -> set[str]:
    """Loop devices on the drive or one of its parts; they do not show among the holders."""
    numbers = {child["maj:min"] for child in _with_children(node)}
    return {
        name
        for name, behind in _loops()
        if stat.S_ISBLK(behind.st_mode) and f"{os.major(behind.st_rdev)}:{os.minor(behind.st_rdev)}" in numbers
    }


def _with_children(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("children", []):
        yield from _with_children(child)


def _holders(name: str) -> set[str]:
    """Device-mapper, RAID and the like on the drive or one of its partitions."""
    base = SYS / "class/block" / name
    found = {holder.name for holder in base.glob("holders/*")}
    return found | {holder.name for holder in base.glob(f"{name}*/holders/*")}


def _mounted_numbers() -> dict[str, str]:
    """major:minor of what is mounted → where, as this process and process 1 see it."""
    found: dict[str, str] = {}
    for process in ("1", "self"):
        try:
            text = Path(f"/proc/{process}/mountinfo").read_text()
        except OSError:
            continue
        for line in text.split("\n"):
            fields = line.split(" ")
            # A device mounted at / and elsewhere keeps the more telling place.
            if len(fields) > 4 and found.get(fields[2]) not in _SYSTEM_PLACES:
                found[fields[2]] = fields[4]
    return found


def _loop_anchor(name: str) -> str | None:
    behind = loop_file(name)
    return f"{behind.st_dev}:{behind.st_ino}" if behind else None


def sysfs(name: str, fact: str) -> str | None:
    """A fact that the kernel keeps about a block device, cleaned; None where it keeps none."""
    return _text_of(SYS / "class/block" / name / fact)


def _unit_serial(name: str) -> str | None:
    """The unit serial number page (VPD 0x80, SPC-5 7.7.19), where no udev has read it for us: 4 bytes, then text."""
    try:
        page = (SYS / "class/block" / name / "device/vpd_pg80").read_bytes()
    except OSError:
        return None
    return clean(page[4:].decode("ascii", "replace"))


def _usb_serial(name: str) -> str | None:
    """The serial of the USB device that the drive hangs on, the nearest above it, as udev takes it too."""
    place = Path(os.path.realpath(SYS / "class/block" / name))
    for above in place.parents:
        if (above / "busnum").exists():
            return _text_of(above / "serial")
    return None


def _text_of(path: Path) -> str | None:
    try:
        return clean(path.read_text(errors="replace"))
    except OSError:
        return None
