"""What a monitor carries from run to run: the last tree that it has verified, and what it saw in it when.

One file for each log, there whole or not at all. A monitor that cannot read it stops; it does not begin anew, because
then a log could show it another past.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from wipe_agent import durable
from wipe_agent.certificate.log import Checkpoint, Frontier, Note
from wipe_agent.certificate.times import read_time, write_time
from wipe_agent.errors import StateUnusable
from wipe_agent.monitor.granted import Granted

MOST_SIGHTINGS = 10_000


@dataclass(frozen=True)
class Entry:
    """An entry: its number in the log, and the digest of the certificate or accreditation that it names."""

    index: int
    digest: str


@dataclass(frozen=True)
class Pending:
    """The newest entry of a tree that too few witnesses had seen, its data, and since when the monitor waits (UTC)."""

    index: int
    data: bytes
    since: datetime


@dataclass(frozen=True)
class State:
    """The last verified checkpoint as a note (None: nothing yet) and all that was learnt up to it.

    `centre` is whose entries were looked for. `accreditations` are the entries of all of them (None: kept by a monitor
    that did not look for any), of which the text of the first `examined` was asked for; `granted` are those of the
    centre, and those whose text nobody gave. `sightings` are (size, time): at that time the log had so many entries.
    `told` are digests of certificates that somebody was warned of already.
    """

    centre: str = ""
    note: bytes | None = None
    frontier: Frontier = field(default_factory=Frontier)
    entries: tuple[Entry, ...] = ()
    sightings: tuple[tuple[int, datetime], ...] = ()
    pending: Pending | None = None
    accreditations: tuple[Entry, ...] | None = None
    examined: int = 0
    granted: tuple[Granted, ...] = ()
    told: frozenset[str] = frozenset()

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The last verified checkpoint."""
        return Checkpoint.parse(Note.parse(self.note).text) if self.note is not None else None

    def sighted(self, size: int, at: datetime) -> State:
        """The state with one more look. Of looks at the same size the first and the last are kept."""
        seen = list(self.sightings)
        if len(seen) >= 2 and seen[-1][0] == seen[-2][0] == size:
            seen.pop()
        seen.append((size, at))
        if len(seen) > MOST_SIGHTINGS:
            seen = [*seen[: MOST_SIGHTINGS // 2 : 2], *seen[MOST_SIGHTINGS // 2 :]]
        return replace(self, sightings=tuple(seen))

    def absent_until(self, index: int) -> datetime | None:
        """The last time at which the monitor saw the log without entry `index`; None if it never did."""
        return max((at for size, at in self.sightings if size <= index), default=None)

    @classmethod
    def load(cls, folder: Path, origin: str) -> State:
        """The state for a log; empty if there is none yet. Raises StateUnusable."""
        path = _place(folder, origin)
        try:
            said = json.loads(path.read_bytes())
            pending = said["pending"]
            state = cls(
                said["centre"],
                said["note"].encode(),
                Frontier(said["size"], tuple(bytes.fromhex(peak) for peak in said["peaks"])),
                tuple(Entry(index, digest) for index, digest in said["entries"]),
                tuple((size, read_time(at)) for size, at in said["sightings"]),
                Pending(pending["index"], pending["data"].encode(), read_time(pending["since"])) if pending else None,
                _entries(said.get("accreditations")),
                said.get("examined", 0),
                tuple(
                    Granted(index, digest, None if listed is None else tuple(listed))
                    for index, digest, listed in said.get("granted", ())
                ),
                frozenset(said.get("told", ())),
            )
            checkpoint = state.checkpoint
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateUnusable(f"What this monitor saw of {origin} cannot be read: {path}.") from error
        if checkpoint != Checkpoint(origin, state.frontier.size, state.frontier.root()):
            raise StateUnusable(f"What this monitor saw of {origin} does not fit together: {path}.")
        return state

    def save(self, folder: Path, origin: str) -> None:
        """Put the state on the disk. ValueError if there is none."""
        if self.note is None:
            raise ValueError("There is nothing to keep yet.")
        pending = self.pending
        said = {
            "centre": self.centre,
            "note": self.note.decode(),
            "size": self.frontier.size,
            "peaks": [peak.hex() for peak in self.frontier.peaks],
            "entries": [(one.index, one.digest) for one in self.entries],
            "accreditations": None
            if self.accreditations is None
            else [(one.index, one.digest) for one in self.accreditations],
            "examined": self.examined,
            "granted": [(one.index, one.digest, one.keys) for one in self.granted],
            "sightings": [(size, write_time(at)) for size, at in self.sightings],
            "pending": pending
            and {"index": pending.index, "data": pending.data.decode(), "since": write_time(pending.since)},
            "told": sorted(self.told),
        }
        durable.write_file(_place(folder, origin), json.dumps(said, ensure_ascii=False).encode())


def _entries(said: list[tuple[int, str]] | None) -> tuple[Entry, ...] | None:
    return None if said is None else tuple(Entry(index, digest) for index, digest in said)


def _place(folder: Path, origin: str) -> Path:
    return folder / f"{sha256(origin.encode()).hexdigest()}.monitor.json"
