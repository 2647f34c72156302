"""A witness of logs (C2SP tlog-witness): it signs that a log only grew since it last looked, and when that was.

So a log that shows different trees to different people needs its witnesses to take part. `Witness.add` is the
whole rule; `server` answers with it over HTTP, and `visit` lets a station witness the log of its own accord, with a
proof that it makes from the log's tiles. docs/spec/log.md describes both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent.certificate import Trust
from wipe_agent.certificate.log import (
    COSIGNATURE,
    Checkpoint,
    LogRefused,
    Note,
    Seen,
    Submission,
    Unreadable,
    VerifierKey,
    consistency_proof,
    cosign,
    open_checkpoint,
    tile_reader,
    verify_consistency,
)
from wipe_agent.certificate.log.note import read_signatures
from wipe_agent.certificate.log.submission import SIZE_TYPE
from wipe_agent.errors import BadAnswer, LogMisbehaves
from wipe_agent.witness.memory import Memory
from wipe_agent.witness.site import LogSite

__all__ = [
    "Added",
    "LogSite",
    "Memory",
    "Trusted",
    "Visited",
    "Witness",
    "look_at",
    "misbehaves",
    "rolled_back",
    "trusted_in",
    "visit",
]

PLAIN = "text/plain; charset=utf-8"
_TRIES = 3


@dataclass(frozen=True)
class Trusted:
    """The logs of a trust file by origin, its witnesses with their names for people, and how many of these it takes."""

    logs: Mapping[str, VerifierKey]
    witnesses: Mapping[VerifierKey, str]
    needed: int


def trusted_in(trust: Trust) -> Trusted:
    """What a trust file names of logs and witnesses."""
    return Trusted(
        {log.origin: log.key for log in trust.logs},
        {one.key: one.name for one in trust.witnesses},
        trust.witnesses_needed,
    )


@dataclass(frozen=True)
class Added:
    """The answer to a submission: HTTP status, body and type, why (for the operator), and what was kept if anything."""

    status: int
    body: bytes
    why: str
    kind: str = PLAIN
    evidence: Path | None = None


@dataclass(frozen=True)
class Witness:
    """A name, its key, what it has seen, and the logs that it knows, by origin."""

    name: str
    key: Ed25519PrivateKey
    memory: Memory
    logs: Mapping[str, VerifierKey]

    @property
    def vkey(self) -> VerifierKey:
        """The public key as others write it into their trust files."""
        return VerifierKey.of(self.name, COSIGNATURE, self.key.public_key())

    def add(self, data: bytes, *, at: datetime) -> Added:
        """Judge the body of an add-checkpoint request. With status 200 the cosignature is in the body, and what was
        seen has been replaced; with any other, nothing has. Raises StateUnusable, OSError."""
        try:
            asked = Submission.parse(data)
            origin = Checkpoint.parse(Note.parse(asked.checkpoint).text).origin
        except Unreadable as error:
            return _refused(400, str(error))
        if origin not in self.logs:
            return _refused(404, "This witness does not know the log.")
        try:
            seen = open_checkpoint(asked.checkpoint, self.logs[origin])
        except LogRefused as error:
            return _refused(403, str(error))
        if asked.old_size > seen.checkpoint.size:
            return _refused(400, "The old size is larger than the checkpoint's.")
        with self.memory.alone():
            return self._compare_and_replace(asked, seen, at)

    def _compare_and_replace(self, asked: Submission, seen: Seen, at: datetime) -> Added:
        latest = self.memory.latest(seen.checkpoint.origin)
        size, root = (latest[0].size, latest[0].root) if latest else (0, None)
        checkpoint = seen.checkpoint
        if latest and checkpoint.size == size and checkpoint.root != root:
            return self._contradiction(409, latest[1], seen, f"There are two different logs of {size} entries.")
        if asked.old_size != size:
            return Added(409, f"{size}\n".encode(), f"This witness saw {size} entries last.", SIZE_TYPE)
        try:
            if latest:
                verify_consistency(size, checkpoint.size, asked.hashes, latest[0].root, checkpoint.root)
            elif asked.hashes:
                raise LogRefused("There is a proof of growth where none is needed.")
        except LogRefused as error:
            return self._contradiction(422, latest[1], seen, str(error)) if latest else _refused(422, str(error))
        self.memory.replace(checkpoint, bytes(_by_the_log(seen)))
        line = cosign(checkpoint, self.name, self.key, at=at).line()
        return Added(200, line.encode(), f"Cosigned {checkpoint.size} entries of {checkpoint.origin}.")

    def _contradiction(self, status: int, latest: bytes, seen: Seen, why: str) -> Added:
        place = self.memory.keep_evidence(why=why, seen=latest, shown=bytes(seen.note))
        if status == 409:
            return Added(409, f"{seen.checkpoint.size}\n".encode(), why, SIZE_TYPE, place)
        return Added(status, f"{why}\n".encode(), why, PLAIN, place)


def _by_the_log(seen: Seen) -> Note:
    """The note with the lines in the log's own name alone."""
    lines = tuple(one for one in seen.note.signatures if one.name == seen.checkpoint.origin)
    return Note(seen.note.text, lines)


def _refused(status: int, why: str) -> Added:
    return Added(status, f"{why}\n".encode(), why)


@dataclass(frozen=True)
class Visited:
    """A visit to a log: the size seen before (0: never), the checkpoint, and the note with our cosignature alone."""

    before: int
    checkpoint: Checkpoint
    note: Note


def visit(witness: Witness, site: LogSite, *, at: datetime) -> Visited:
    """Look at a log, see that it only grew, remember it and cosign it.

    Raises LogMisbehaves when it contradicts what was seen before (both checkpoints are kept), MarketUnreachable when
    it gives no answer, BadAnswer when its answer is not the log's, StateUnusable.
    """
    for _ in range(_TRIES):
        # What was seen is looked up first: another process of this station may see more while we ask.
        known = {origin: witness.memory.latest(origin) for origin in witness.logs}
        shown = look_at(site, witness.logs)
        checkpoint = shown.checkpoint
        latest = known[checkpoint.origin]
        before = latest[0].size if latest else 0
        if latest and checkpoint.size < before:
            raise rolled_back(witness.memory, latest[1], shown)
        hashes = growth(site, before, checkpoint.size)
        note = _by_the_log(shown)
        added = witness.add(bytes(Submission(before, hashes, bytes(note))), at=at)
        if added.evidence is not None:
            raise misbehaves(added.why, added.evidence)
        if added.status == 200:
            return Visited(before, checkpoint, note.and_signed(*read_signatures(added.body.decode())))
        if added.status != 409:
            raise BadAnswer(f"The log at {site.url} could not be witnessed. {added.why}")
    raise BadAnswer(f"The log at {site.url} was witnessed by another process of this station again and again.")


def growth(site: LogSite, before: int, size: int) -> tuple[bytes, ...]:
    """The proof that a log grew from `before` to `size` entries, made from its tiles. Nothing is checked yet.

    Raises MarketUnreachable, BadAnswer.
    """
    try:
        return consistency_proof(before, size, tile_reader(size, site.tile))
    except Unreadable as error:
        raise BadAnswer(f"The log at {site.url} has a tile that cannot be read. {error}") from error


def look_at(site: LogSite, logs: Mapping[str, VerifierKey], witnesses: Mapping[VerifierKey, str] | None = None) -> Seen:
    """The checkpoint that a log shows now, if it is one of these logs. Raises BadAnswer, MarketUnreachable."""
    data = site.checkpoint()
    try:
        origin = Checkpoint.parse(Note.parse(data).text).origin
        if origin not in logs:
            raise BadAnswer(f"The log at {site.url} is none that the trust file names.")
        return open_checkpoint(data, logs[origin], witnesses or ())
    except (Unreadable, LogRefused) as error:
        raise BadAnswer(f"The checkpoint at {site.url} is not to be used. {error}") from error


def rolled_back(memory: Memory, latest: bytes, shown: Seen) -> LogMisbehaves:
    """The error for a log that is now smaller than it was seen; both checkpoints are kept."""
    size = Checkpoint.parse(Note.parse(latest).text).size
    why = f"The log had {size} entries when it was last seen and now shows {shown.checkpoint.size}: it was rolled back."
    return misbehaves(why, memory.keep_evidence(why=why, seen=latest, shown=bytes(shown.note)))


def misbehaves(why: str, kept: Path) -> LogMisbehaves:
    """The error for a log that contradicts itself, with the place of both checkpoints."""
    return LogMisbehaves(f"{why} Both checkpoints, signed by the log, are kept in {kept}.")
