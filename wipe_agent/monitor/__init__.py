"""Following a log: it only grows, it holds what it signed, witnesses look at it, and nobody uses our name.

`follow` is one look. It reads every entry since the last one and computes the root anew from them, so it believes
no tile. What contradicts itself raises LogMisbehaves, with both signed checkpoints kept; what somebody should ask
about is in the answer. The log's own words are never taken for a time: times are the monitor's and the witnesses'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from wipe_agent.certificate.log import (
    Checkpoint,
    Leaf,
    LogProof,
    LogRefused,
    Seen,
    Tile,
    Unreadable,
    VerifierKey,
    leaf_hash,
    open_checkpoint,
    verify_consistency,
    verify_proof,
)
from wipe_agent.certificate.log.tiles import WIDTH
from wipe_agent.certificate.times import write_time
from wipe_agent.errors import BadAnswer, LogMisbehaves
from wipe_agent.errors import Unreadable as NotReadable
from wipe_agent.monitor.granted import Granted, Held, examined, unexpected
from wipe_agent.monitor.granted import of_station as held_by_station
from wipe_agent.monitor.own import Own, known, of_lists, of_station
from wipe_agent.monitor.shown import Shown, shown
from wipe_agent.monitor.state import Entry, Pending, State
from wipe_agent.witness import LogSite, Memory, Trusted, growth, look_at, misbehaves, rolled_back

__all__ = [
    "Entry",
    "Found",
    "Granted",
    "Held",
    "Own",
    "Shown",
    "State",
    "follow",
    "held_by_station",
    "known",
    "of_lists",
    "of_station",
    "shown",
]

MOST_STRANGE = 20
MOST_READ = 500
"""How many texts of accreditations are asked for in one look; the others come in the next ones."""
PATIENCE = timedelta(hours=24)
"""How long a certificate may take into the log, and an entry to be witnessed."""


@dataclass
class Found:
    """One look at a log. `before` and `size` are numbers of entries; the lists are sentences' material."""

    origin: str
    before: int
    size: int
    kinds: Counter[str] = field(default_factory=Counter)
    """The new entries, by kind."""
    entries: int = 0
    """Certificates of the centre in the whole log."""
    foreign: list[Entry] = field(default_factory=list)
    """Certificates in the centre's name that are not known here."""
    elsewhere: Counter[str] = field(default_factory=Counter)
    """Certificates that are the centre's by a list alone, by the id of the key that signed them."""
    missing: list[str] = field(default_factory=list)
    """Digests of certificates that the marketplace accepted more than a day ago and that are not in the log."""
    accreditations: int = 0
    """Accreditations in the centre's name in the whole log, as far as their text was given."""
    unexpected: list[Granted] = field(default_factory=list)
    """Accreditations in the centre's name with a key that it does not know."""
    unread: list[Granted] = field(default_factory=list)
    """Accreditations whose text the marketplace does not give: they may be in the centre's name."""
    unlogged: list[str] = field(default_factory=list)
    """Sentences: accreditations that somebody relies on, and that are not in the log."""
    told: frozenset[str] = frozenset()
    """Digests of those in `foreign` and `missing` that an earlier look named already."""
    late: list[str] = field(default_factory=list)
    """Sentences: certificates that came into the log more than a day after their date."""
    strange: list[str] = field(default_factory=list)
    """Sentences: new entries that are no leaves of this format."""
    witnesses: Mapping[VerifierKey, datetime] = field(default_factory=dict)
    """Who cosigned the newest checkpoint, and when."""
    uncounted: list[str] = field(default_factory=list)
    """Names under it that are no witnesses of the trust file. Their signatures are not checked and do not count."""
    waiting_since: datetime | None = None
    """Since when entries wait for enough witnesses; None if they do not wait."""
    compared: list[str] = field(default_factory=list)
    """Names of what was shown to others and agrees with this log."""

    def unwitnessed(self, at: datetime) -> bool:
        """Whether entries have waited too long for witnesses."""
        return self.waiting_since is not None and at - self.waiting_since > PATIENCE


def follow(
    site: LogSite,
    trusted: Trusted,
    folder: Path,
    *,
    at: datetime,
    centre: str = "",
    own: Mapping[str, Own] | None = None,
    held: Mapping[str, Held] | None = None,
    shown_to_others: Sequence[Shown] = (),
) -> Found:
    """Look at the log once and remember it in `folder`. `centre` is a DID or empty; `own` is what it issued, by digest
    (None: not compared), and `held` are the accreditations that its station got; `at` is now.

    Raises LogMisbehaves, MarketUnreachable, BadAnswer, StateUnusable, Unreadable; then nothing new is remembered.
    """
    memory = Memory(folder)
    with memory.alone():
        seen = look_at(site, trusted.logs, trusted.witnesses)
        state = State.load(folder, seen.checkpoint.origin)
        look = _Look(site, memory, trusted, state, seen, at)
        look.only_grew()
        found = Found(seen.checkpoint.origin, state.frontier.size, seen.checkpoint.size, witnesses=seen.witnesses)
        counted = {seen.checkpoint.origin, *(one.name for one in seen.witnesses)}
        found.uncounted = sorted({one.name for one in seen.note.signatures} - counted)
        new = look.read_entries(centre, found)
        for other in shown_to_others:
            look.compare(other, found)
        new = replace(new, note=bytes(seen.note), pending=look.wait_for_witnesses(found))
        new = new.sighted(seen.checkpoint.size, at)
        if own is not None:
            new = look.read_accreditations(new)
            _judge_accreditations(new, held or {}, own, at, found)
        _compare_accreditations(new, shown_to_others, found)
        _judge(new, own, at, found)
        named = frozenset([*(entry.digest for entry in found.foreign), *found.missing])
        found.told = state.told & named
        replace(new, told=named).save(folder, found.origin)
    return found


def _judge(state: State, own: Mapping[str, Own] | None, at: datetime, found: Found) -> None:
    """Compare what the log holds in the centre's name with what the centre issued."""
    found.entries = len(state.entries)
    if own is None:
        return
    present = {entry.digest for entry in state.entries}
    found.foreign = [entry for entry in state.entries if entry.digest not in own]
    found.elsewhere = Counter(key for digest in present if digest in own and (key := own[digest].signed_with))
    found.missing = sorted(
        digest
        for digest, one in own.items()
        if digest not in present and one.accepted is not None and at - one.accepted > PATIENCE
    )


def _judge_accreditations(
    state: State, held: Mapping[str, Held], own: Mapping[str, Own], at: datetime, found: Found
) -> None:
    """Compare the accreditations in the log with those that the centre knows."""
    found.accreditations = sum(one.keys is not None for one in state.granted)
    found.unexpected, found.unread = unexpected(state.granted, held, own)
    present = {entry.digest for entry in state.accreditations or ()}
    found.unlogged += [
        f"The accreditation of {write_time(one.dated)} that this station got is not in the log: {digest}"
        for digest, one in sorted(held.items())
        if digest not in present and at - one.dated > PATIENCE
    ]


def _compare_accreditations(state: State, shown_to_others: Sequence[Shown], found: Found) -> None:
    present = {entry.digest for entry in state.accreditations or ()}
    found.unlogged += [
        f"The accreditation that {theirs.name} stands on is not in the log: {theirs.accreditation}"
        for theirs in shown_to_others
        if theirs.accreditation is not None and theirs.accreditation not in present
    ]


@dataclass(frozen=True)
class _Look:
    """One look at the log: what is known, what it shows now, and when that is."""

    site: LogSite
    memory: Memory
    trusted: Trusted
    state: State
    seen: Seen
    at: datetime

    def only_grew(self) -> None:
        """Check that the log continues what this monitor saw before."""
        before, note = self.state.checkpoint, self.state.note
        if before is None or note is None:
            return
        if self.seen.checkpoint.size < before.size:
            raise rolled_back(self.memory, note, self.seen)
        self._continues(before, note)

    def _continues(self, early: Checkpoint, note: bytes) -> None:
        """Check that the log shown now continues an earlier checkpoint, by a proof from its tiles."""
        now = self.seen.checkpoint
        try:
            verify_consistency(early.size, now.size, growth(self.site, early.size, now.size), early.root, now.root)
        except LogRefused as error:
            raise self._misbehaves(str(error), note) from error

    def _misbehaves(self, why: str, other: bytes | None) -> LogMisbehaves:
        shown = bytes(self.seen.note)
        return misbehaves(why, self.memory.keep_evidence(why=why, seen=other or b"", shown=shown))

    # ------------------------------------------------------------------------ what the log holds

    def read_entries(self, centre: str, found: Found) -> State:
        """Read every entry that is new, or all when another centre is looked for. Their root must be the signed one."""
        goes_on = self.state.centre == centre and self.state.accreditations is not None
        begun = self.state if goes_on else State(sightings=self.state.sightings)
        entries, granted, frontier = list(begun.entries), list(begun.accreditations or ()), begun.frontier
        end = self.seen.checkpoint.size
        for number in range(frontier.size // WIDTH, -(-end // WIDTH)):
            bundle = self._bundle(number, end)
            fresh = bundle[frontier.size - number * WIDTH :]
            for index, data in enumerate(fresh, start=frontier.size):
                self._note(index, data, centre, entries, granted, found)
            frontier, _ = frontier.extend(map(leaf_hash, fresh))
        if frontier.root() != self.seen.checkpoint.root:
            raise self._misbehaves(self._where_it_differs(begun.frontier.size, end), self.state.note)
        return replace(begun, centre=centre, frontier=frontier, entries=tuple(entries), accreditations=tuple(granted))

    def read_accreditations(self, state: State) -> State:
        """Ask for the text of new accreditations, at most `MOST_READ` at a time, and again of those not given."""
        entries = state.accreditations or ()
        new = entries[state.examined : state.examined + MOST_READ]
        again = [Entry(one.index, one.digest) for one in state.granted if one.keys is None][:MOST_READ]
        asked = {
            one.digest: examined(one.index, one.digest, self._statement(one), state.centre) for one in (*again, *new)
        }
        kept = [one for one in state.granted if one.digest not in asked]
        kept += [one for one in asked.values() if one is not None]
        kept.sort(key=lambda one: one.index)
        return replace(state, examined=state.examined + len(new), granted=tuple(kept))

    def _statement(self, entry: Entry) -> bytes | None:
        try:
            return self.site.statement(entry.digest)
        except BadAnswer:
            return None

    def _bundle(self, number: int, end: int) -> list[bytes]:
        first = number * WIDTH
        try:
            return self.site.entries(number, min(WIDTH, end - first))
        except BadAnswer as error:
            why = f"The log signed {end} entries and withholds those from {first} on. {error.message}"
            raise self._misbehaves(why, self.state.note) from error

    def _note(
        self, index: int, data: bytes, centre: str, entries: list[Entry], granted: list[Entry], found: Found
    ) -> None:
        try:
            leaf = Leaf.parse(data)
        except Unreadable as error:
            if index >= found.before and len(found.strange) < MOST_STRANGE:
                found.strange.append(f"Entry {index} of the log is none of this format. {error}")
            return
        if index >= found.before:
            found.kinds[leaf.kind] += 1
        if leaf.kind == "wipe-certificate" and leaf.issuer == centre:
            entries.append(Entry(index, leaf.digest))
        elif leaf.kind == "accreditation":
            granted.append(Entry(index, leaf.digest))

    def _where_it_differs(self, begin: int, end: int) -> str:
        """Why the entries do not give the signed root: the first that is not the tree's, if it can be found."""
        for number in range(begin // WIDTH, -(-end // WIDTH)):
            tile = Tile(0, number, min(WIDTH, end - number * WIDTH))
            try:
                hashes = tile.hashes(self.site.tile(tile))
            except (BadAnswer, Unreadable):
                break
            pairs = zip(self._bundle(number, end), hashes, strict=True)
            for index, (data, hash_) in enumerate(pairs, start=number * WIDTH):
                if index >= begin and leaf_hash(data) != hash_:
                    return f"Entry {index} is not the one in the tree that the log signed: it was changed or dropped."
        return f"The entries from {begin} to {end - 1} do not give the root that the log signed."

    # ------------------------------------------------------------------------ who looks at it

    def wait_for_witnesses(self, found: Found) -> Pending | None:
        """What is still to be witnessed, so that no entry waits for longer than a day unsaid."""
        needed, size = self.trusted.needed, self.seen.checkpoint.size
        if needed == 0 or size == 0 or len(self.seen.witnesses) >= needed:
            return None
        pending = self.state.pending
        if pending is not None and self._witnessed(pending):
            pending = None
        if pending is None:
            index = size - 1
            last = self._bundle(index // WIDTH, size)[index % WIDTH]
            pending = Pending(index, last, self.at)
        found.waiting_since = pending.since
        return pending

    def _witnessed(self, pending: Pending) -> bool:
        """Whether the log can prove by now that enough witnesses saw an entry; its proof must fit this log."""
        try:
            data = self.site.proof(Leaf.parse(pending.data).digest)
            if data is None:
                return False
            proof = LogProof.parse(data)
            proven = verify_proof(proof, pending.data, self.trusted.logs.values(), self.trusted.witnesses)
        except (Unreadable, LogRefused):
            return False
        if proven.seen.checkpoint.size > self.seen.checkpoint.size:
            return False  # it grew while we looked; the next look compares
        self._continues(proven.seen.checkpoint, proof.checkpoint)
        return proven.witnessed(self.trusted.needed) is not None

    # ------------------------------------------------------------------------ what others were shown

    def compare(self, theirs: Shown, found: Found) -> None:
        """Check that what somebody else was shown is of this log, and came into it when it says."""
        log = self.trusted.logs[self.seen.checkpoint.origin]
        try:
            other = open_checkpoint(theirs.checkpoint, log, self.trusted.witnesses).checkpoint
            proven = (
                theirs.proof
                and theirs.leaf
                and verify_proof(theirs.proof, theirs.leaf.data, [log], self.trusted.witnesses)
            )
        except (Unreadable, LogRefused) as error:
            raise NotReadable(f"{theirs.name} cannot be compared with the log. {error}") from error
        if other.size > self.seen.checkpoint.size:
            why = (
                f"The log signed {other.size} entries for {theirs.name} and shows {self.seen.checkpoint.size} here: "
                "it was rolled back, or it shows different logs to different people."
            )
            raise self._misbehaves(why, theirs.checkpoint)
        self._continues(other, theirs.checkpoint)
        found.compared.append(theirs.name)
        if proven and theirs.dated is not None:
            dated = f"{theirs.name} is dated {write_time(theirs.dated)}, but"
            absent, witnessed = self.state.absent_until(proven.index), proven.witnessed(self.trusted.needed)
            if absent is not None and absent - theirs.dated > PATIENCE:
                found.late.append(f"{dated} at {write_time(absent)} the log did not have it.")
            elif witnessed is not None and witnessed - theirs.dated > PATIENCE:
                found.late.append(f"{dated} witnesses saw it in the log at {write_time(witnessed)} only.")
