"""What is sent to a witness (C2SP tlog-witness, add-checkpoint), and what it answers.

The request is `old N`, the hashes that prove growth from N, an empty line, and the signed checkpoint. The
answer is signature lines, or, with 409, the size that the witness saw last.
"""

from dataclasses import dataclass
from typing import Final

from wipe_agent.certificate.log.lines import read_hashes, read_number, read_text, write_base64
from wipe_agent.certificate.strict import Unreadable

SIZE_TYPE: Final = "text/x.tlog.size"


@dataclass(frozen=True)
class Submission:
    """The size that the sender believes the witness saw last, the proof from there, and the note."""

    old_size: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    @classmethod
    def parse(cls, data: bytes) -> "Submission":
        """Read the body of a request: 64 KB and 63 hashes at most. The note is not read yet. Raises Unreadable."""
        head, gap, note = read_text(data, "request").partition("\n\n")
        lines = head.split("\n")
        if not gap or not note or not lines[0].startswith("old "):
            raise Unreadable("The request is not written as: old SIZE, hashes, an empty line and a checkpoint.")
        old_size = read_number(lines[0].removeprefix("old "), "old size in the request")
        return cls(old_size, read_hashes(lines[1:], "request"), note.encode())

    def __bytes__(self) -> bytes:
        hashes = "".join(write_base64(hash_) + "\n" for hash_ in self.hashes)
        return f"old {self.old_size}\n{hashes}\n".encode() + self.checkpoint


def read_size(data: bytes) -> int:
    """The size in a witness's answer 409. Raises Unreadable."""
    text = read_text(data[:32], "witness's answer")
    if not text.endswith("\n"):
        raise Unreadable("The witness's answer does not end in a newline.")
    return read_number(text[:-1], "size in the witness's answer")
