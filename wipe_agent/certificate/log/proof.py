"""The proof file of one entry (C2SP tlog-proof): its place, the hashes up to the root, and the checkpoint.

It is checked offline against the log's key and the witnesses of the trust file. The format's optional
line `extra` is not signed by anybody; this reader refuses it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from wipe_agent.certificate.log.checkpoint import Seen, open_checkpoint
from wipe_agent.certificate.log.lines import LogRefused, read_hashes, read_number, read_text, write_base64
from wipe_agent.certificate.log.merkle import leaf_hash, verify_inclusion
from wipe_agent.certificate.log.note import VerifierKey
from wipe_agent.certificate.strict import Unreadable

HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class LogProof:
    """Entry `index`, the hashes from its neighbour up, and the signed checkpoint as it came (a note)."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    @classmethod
    def parse(cls, data: bytes) -> "LogProof":
        """Read a proof file: 64 KB and 63 hashes at most. The note in it is not read yet. Raises Unreadable."""
        head, gap, note = read_text(data, "log proof").partition("\n\n")
        lines = head.split("\n")
        if not gap or not note or lines[0] != HEADER or len(lines) < 2 or not lines[1].startswith("index "):
            raise Unreadable(
                f"The log proof is not written as {HEADER}, index, hashes, an empty line and a checkpoint."
            )
        index = read_number(lines[1].removeprefix("index "), "index in the log proof")
        return cls(index, read_hashes(lines[2:], "log proof"), note.encode())

    def __bytes__(self) -> bytes:
        hashes = "".join(write_base64(hash_) + "\n" for hash_ in self.hashes)
        return f"{HEADER}\nindex {self.index}\n{hashes}\n".encode() + self.checkpoint


@dataclass(frozen=True)
class Proven:
    """An entry that is proven to be in the log."""

    index: int
    seen: Seen

    def witnessed(self, needed: int) -> datetime | None:
        """By when at least `needed` witnesses had seen the entry in the log, or None if fewer have.

        The time is the `needed`-th earliest, so a single witness cannot move it. None if `needed` is 0.
        """
        times = sorted(self.seen.witnesses.values())
        return times[needed - 1] if 0 < needed <= len(times) else None


def verify_proof(
    proof: LogProof, leaf_data: bytes, logs: Iterable[VerifierKey], witnesses: Iterable[VerifierKey] = ()
) -> Proven:
    """Check that the entry is in one of these logs, and find which of these witnesses saw it.

    Raises Unreadable, LogRefused.
    """
    origin = proof.checkpoint.partition(b"\n")[0].decode("utf-8", "replace")
    log = next((key for key in logs if key.name == origin), None)
    if log is None:
        raise LogRefused("The proof is of a log that the trust file does not name.")
    seen = open_checkpoint(proof.checkpoint, log, witnesses)
    verify_inclusion(leaf_hash(leaf_data), proof.index, seen.checkpoint.size, proof.hashes, seen.checkpoint.root)
    return Proven(proof.index, seen)
