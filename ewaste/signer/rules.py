"""What the signer signs: a checkpoint of its own log that begins with everything it signed before. Nothing else.

Pure but for the store, which is written before the signature leaves the program.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from ewaste.signer.store import Store
from wipe_agent.certificate.log import Checkpoint, LogRefused, Submission, Unreadable, verify_consistency

MOST_REQUEST_BYTES: Final = 16_384
_ASKS: Final = re.compile(rb"(key|last)\n")


@dataclass(frozen=True)
class Answer:
    """`signed`, `last` and `conflict` (the request began at another size than we signed last) carry a note; `key` a
    vkey; `refused` a sentence."""

    word: Literal["signed", "last", "key", "conflict", "refused"]
    body: bytes

    def __bytes__(self) -> bytes:
        return self.word.encode() + b"\n" + self.body


def answer(store: Store, request: bytes) -> Answer:
    """Answer one request: `key`, `last`, or a checkpoint to be signed, written as a witness is asked (`Submission`)
    with the bare text of the checkpoint at its end. Raises OSError when what was signed cannot be kept; then the
    signature is thrown away."""
    if len(request) > MOST_REQUEST_BYTES:
        return _refused(f"The request has more than {MOST_REQUEST_BYTES} bytes.")
    if (asked := _ASKS.fullmatch(request)) is not None:
        return Answer("key", f"{store.vkey}\n".encode()) if asked[1] == b"key" else Answer("last", bytes(store.last))
    try:
        submission = Submission.parse(request)
        checkpoint = Checkpoint.parse(submission.checkpoint.decode("utf-8"))
    except (Unreadable, UnicodeDecodeError) as problem:
        return _refused(str(problem))
    last = store.seen
    if checkpoint.origin != store.vkey.name:
        return _refused(f"This signer signs the log {store.vkey.name} and no other.")
    if checkpoint == last:  # The answer was lost on its way: the same signature again, and nothing new is said by it.
        return Answer("signed", bytes(store.last))
    if checkpoint.size < last.size:
        return _refused(f"A log of {last.size} entries was signed. A smaller one, of {checkpoint.size}, never is.")
    if checkpoint.size == last.size:
        return _refused(f"Another log of {last.size} entries was signed. A second one never is.")
    if submission.old_size != last.size:
        return Answer("conflict", bytes(store.last))
    try:
        verify_consistency(last.size, checkpoint.size, submission.hashes, last.root, checkpoint.root)
    except LogRefused as problem:
        return _refused(str(problem))
    note = checkpoint.signed(store.key)
    store.keep(note)  # On disk before anybody sees it: what we forget we could contradict.
    return Answer("signed", bytes(note))


def _refused(sentence: str) -> Answer:
    return Answer("refused", f"{sentence}\n".encode())
