"""What other programs noted, taken in as evidence and never as proof of a wipe.

`import_snapshot` keeps a snapshot of eReuse Workbench for an order: whose computer it is, which drives it held and how
healthy they said they were. A snapshot is unsigned; that it speaks of an erasure is kept and counts for nothing.
`import_erasure_report` keeps what nwipe, Workbench or Blancco report of an erasure, for people to read.
Nothing here writes a journal, and a certificate is made from the journal alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wipe_agent import evidence, jobs
from wipe_agent.certificate.bundle import read_file
from wipe_agent.errors import SnapshotRefused
from wipe_agent.foreign.careful import MOST_BYTES
from wipe_agent.foreign.erasures import Erasure, ErasureReport, read_erasure_report
from wipe_agent.foreign.workbench import Disk, Snapshot, read_snapshot
from wipe_agent.keys import Home

__all__ = [
    "Disk",
    "Erasure",
    "ErasureReport",
    "Imported",
    "ImportedReport",
    "Snapshot",
    "import_erasure_report",
    "import_snapshot",
    "read_erasure_report",
    "read_snapshot",
]

_MEDIA_TYPES = {"nwipe-log": "text/plain", "blancco-xml": "application/xml"}


@dataclass(frozen=True)
class Imported:
    """A snapshot that was kept, and in which drives it differs from the order, as sentences."""

    snapshot: Snapshot
    kept: evidence.Kept
    differences: tuple[str, ...]


@dataclass(frozen=True)
class ImportedReport:
    """An erasure report that was kept, and what a reader must know of it, as sentences."""

    report: ErasureReport
    kept: evidence.Kept
    differences: tuple[str, ...]


def import_erasure_report(home: Home, *, order_code: str, path: Path) -> ImportedReport:
    """Read the report at `path` and keep its bytes as evidence for the order. It wipes nothing and certifies nothing.

    Raises SnapshotRefused (too large, no report that is known, none of the order's drives in it), OrderUnknown,
    OrderRefused. On a refusal nothing is kept.
    """
    order = jobs.load_order(home, order_code)
    data = _content(path)
    report = read_erasure_report(data)
    ordered = {_folded(medium.serial): medium.serial for medium in order.media if medium.serial}
    spoken_of = {_folded(one.serial): one for one in report.erasures if one.serial}
    if ordered and spoken_of and not ordered.keys() & spoken_of.keys():
        raise SnapshotRefused(
            f"The report speaks of none of the drives of order {order.code}.",
            next_step="Name the report of these drives, or the order of those. Nothing was kept.",
        )
    found = [f"the report does not speak of {ordered[key]}." for key in ordered if key not in spoken_of]
    found += [
        f"it speaks of {one.serial}, which the order does not list."
        for key, one in spoken_of.items()
        if key not in ordered
    ]
    found += [
        f"it does not say that {one.serial or 'a drive'} was erased." for one in report.erasures if not one.succeeded
    ]
    about = f"erasure report of {report.software}, {report.format}: a claim by that program, no proof"
    media_type = _MEDIA_TYPES.get(report.format, "application/json")
    entry = evidence.keep(home, order.code, name=path.name, data=data, media_type=media_type, about=about)
    return ImportedReport(report, entry, tuple(found))


def _content(path: Path) -> bytes:
    try:
        return read_file(path.resolve(), MOST_BYTES, path.name)
    except (OSError, RuntimeError, ValueError) as error:
        raise SnapshotRefused(f"{path} cannot be read: {error}") from error


def import_snapshot(home: Home, *, order_code: str, path: Path) -> Imported:
    """Read the snapshot at `path` and keep its bytes as evidence for the order.

    Raises SnapshotRefused (too large, not one of the three shapes, another computer, or none that can be told),
    OrderUnknown, OrderRefused. On a refusal nothing is kept.
    """
    order = jobs.load_order(home, order_code)
    data = _content(path)
    snapshot = read_snapshot(data)
    ordered = str(order.document["credentialSubject"]["device"].get("serial") or "")
    if ordered and snapshot.serial and _folded(ordered) != _folded(snapshot.serial):
        raise SnapshotRefused(
            f"The snapshot is of the computer {snapshot.serial}; order {order.code} is for {ordered}.",
            next_step="Name the snapshot of this computer, or the order of that one. Nothing was kept.",
        )
    # Where the computer is not named by both, only its drives can tell that the snapshot belongs here.
    drives = {_folded(medium.serial) for medium in order.media if medium.serial}
    seen = {_folded(disk.serial) for disk in snapshot.disks if disk.serial}
    if not (ordered and snapshot.serial) and not drives & seen:
        raise SnapshotRefused(
            f"Nothing shows that the snapshot is of the computer of order {order.code}: it names "
            f"{'no serial number of a computer' if not snapshot.serial else 'the computer ' + snapshot.serial}, "
            "and none of the order's drives.",
            next_step="Name the snapshot of this computer, or the order of that one. Nothing was kept.",
        )
    about = f"snapshot of {snapshot.software}, shape {snapshot.shape}: inventory and health as that program noted it"
    entry = evidence.keep(home, order.code, name=path.name, data=data, media_type="application/json", about=about)
    return Imported(snapshot, entry, tuple(_differences(order, snapshot)))


def _differences(order: jobs.Order, snapshot: Snapshot) -> list[str]:
    ordered = {_folded(medium.serial): medium.serial for medium in order.media if medium.serial}
    seen = {_folded(disk.serial): disk.serial for disk in snapshot.disks if disk.serial}
    found = [
        f"the snapshot has a drive {seen[key]} that the order does not list." for key in seen if key not in ordered
    ]
    found += [
        f"the order lists {ordered[key]}, which the snapshot does not have." for key in ordered if key not in seen
    ]
    if not snapshot.serial:
        found.append("the snapshot does not say which computer it is of.")
    found += [f"{part} in the snapshot could not be read." for part in snapshot.unread]
    if snapshot.erasures:
        found.append(f"it speaks of {snapshot.erasures} erasures. They are not proof, and count for nothing here.")
    return found


def _folded(serial: str) -> str:
    return "".join(serial.split()).casefold()
