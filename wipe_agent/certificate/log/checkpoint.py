"""Checkpoints (C2SP tlog-checkpoint): how large a log is and what its root is; and what witnesses sign.

The text has three lines, origin, size and root, and no more: lines that nobody can check are refused.
The log signs the text. A witness signs the text with a time (cosignature/v1): it saw this as the largest
tree of this log by then, grown out of all that it saw before.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent.certificate.log.lines import HASH_BYTES, LogRefused, read_base64, read_number, write_base64
from wipe_agent.certificate.log.merkle import EMPTY_ROOT
from wipe_agent.certificate.log.note import (
    COSIGNATURE,
    Note,
    Signature,
    VerifierKey,
    check_signature,
    is_name,
    sign,
    verify,
)
from wipe_agent.certificate.strict import Unreadable

_LATEST: Final = int(datetime(2999, 12, 31, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log `origin` has `size` entries and the root hash `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Read the text of a checkpoint. Raises Unreadable."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise Unreadable("The checkpoint is not three lines: origin, size and root.")
        if not is_name(lines[0]):
            raise Unreadable("The checkpoint has an origin with a space or a plus in it, or none.")
        size = read_number(lines[1], "size in the checkpoint")
        root = read_base64(lines[2], "root in the checkpoint", size=HASH_BYTES)
        if size == 0 and root != EMPTY_ROOT:
            raise Unreadable("The checkpoint gives an empty log a root that it cannot have.")
        return cls(lines[0], size, root)

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{write_base64(self.root)}\n"

    def signed(self, key: Ed25519PrivateKey) -> Note:
        """The checkpoint signed by the log itself, under its origin as the key's name."""
        if Checkpoint.parse(self.text) != self:
            raise ValueError("The checkpoint would be read differently.")
        return Note(self.text, (sign(self.text, self.origin, key),))


@dataclass(frozen=True)
class Seen:
    """A checkpoint that the log signed, with the trusted witnesses that cosigned it and when (aware, UTC)."""

    checkpoint: Checkpoint
    note: Note
    witnesses: Mapping[VerifierKey, datetime]


def open_checkpoint(data: bytes, log: VerifierKey, witnesses: Iterable[VerifierKey] = ()) -> Seen:
    """Read a signed checkpoint of this log and check every signature by the log and by these witnesses.

    The log's key has the log's origin as its name. Lines of other keys are ignored. A wrong signature of a
    known key spoils the whole, as the format advises. Raises Unreadable, LogRefused.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != log.name:
        raise LogRefused(f"The checkpoint is of another log than {log.name}.")
    verify(note, log)
    times = {witness: cosigned_at(note, witness) for witness in dict.fromkeys(witnesses)}
    return Seen(checkpoint, note, {witness: time for witness, time in times.items() if time is not None})


def cosign(checkpoint: Checkpoint, name: str, key: Ed25519PrivateKey, *, at: datetime) -> Signature:
    """A witness's signature of kind 4. `at` is aware; seconds count. The caller has checked consistency."""
    seconds = int(at.timestamp())
    if at.tzinfo is None or not 0 < seconds <= _LATEST:
        raise ValueError("A cosignature needs a time with its time zone.")
    witness = VerifierKey.of(name, COSIGNATURE, key.public_key())
    value = seconds.to_bytes(8, "big") + key.sign(_cosigned(checkpoint.text, seconds))
    return Signature(name, witness.key_id, value)


def cosigned_at(note: Note, witness: VerifierKey) -> datetime | None:
    """When the witness cosigned the checkpoint, or None if it did not. Raises LogRefused for a wrong signature."""
    if witness.kind != COSIGNATURE:
        raise LogRefused(f"The key of {witness.name} is not for witnesses.")
    if (value := note.signature_by(witness)) is None:
        return None
    seconds = int.from_bytes(value[:8], "big")
    if len(value) != 72 or not 0 < seconds <= _LATEST:
        raise LogRefused(f"The line of the witness {witness.name} is no time and signature.")
    check_signature(witness, value[8:], _cosigned(note.text, seconds))
    return datetime.fromtimestamp(seconds, UTC)


def _cosigned(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
