"""The positive control on the drive itself: marks are planted before the wipe, must be found then, and be gone after.

An empty scan proves little if nobody knows that the scanner would have seen something on this drive. So before the
wipe a few blocks get a file of a known kind, made from a noted seed. They are read back past the cache and looked for
by the same scanner that looks after the wipe. A drive that does not keep what is written shows here, in a second and
before hours of work. A mark that is found also says that the drive could be written and read at that place.

The caller notes seed and places in the journal before anything is planted. Places that cannot be written or read are
bad spots, which the wipe will meet again; they are counted and passed over.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from wipe_agent.check import carving
from wipe_agent.errors import WriteFailed
from wipe_agent.media import Target, buffer
from wipe_agent.methods.overwrite import is_bad_spot, stopped

BLOCK = 4096
MARKS = 8


@dataclass(frozen=True)
class Marks:
    """Where marks are planted, in bytes, and the seed (hexadecimal) that their content follows from."""

    seed: str
    places: tuple[int, ...]

    def as_facts(self) -> dict[str, Any]:
        return {"seed": self.seed, "places": list(self.places)}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Marks:
        return cls(str(facts["seed"]), tuple(int(place) for place in facts["places"]))


@dataclass(frozen=True)
class Planted:
    """How many marks were planted and found again, and how many places could not be written or read."""

    found: int
    bad_places: int


def choose_marks(size: int, seed: str | None = None) -> Marks:
    """Places for marks on a drive of `size` bytes: its first and last whole block, and places by the seed between.

    A drive of less than one block has no room for a mark, and gets none: it is compared byte for byte all the same.
    """
    seed = seed or secrets.token_hex(16)
    blocks = size // BLOCK
    places = {0, blocks - 1} if blocks else set()
    number = 0
    while len(places) < min(MARKS, blocks):
        drawn = hmac.new(bytes.fromhex(seed), b"place %d" % number, hashlib.sha256).digest()
        places.add(int.from_bytes(drawn[:8], "big") % blocks)
        number += 1
    return Marks(seed, tuple(place * BLOCK for place in sorted(places)))


def plant(target: Target, marks: Marks) -> Planted:
    """Write the marks, sync, read them back and find each with the scanner.

    Raises DeviceChanged, and WriteFailed if a mark that was taken does not come back, is not found by the scanner, or
    if none could be planted.
    """
    memory = buffer(BLOCK)
    written = []
    for number, place in enumerate(marks.places):
        memory[:] = _content(marks, number)
        target.check_same()
        try:
            target.write(memory, place)
            written.append(number)
        except OSError as error:
            if not is_bad_spot(error):
                raise stopped(target, error) from error
    try:
        target.sync()
    except OSError as error:
        raise WriteFailed(f"{target.path} did not confirm the marks of the control ({error.strerror}).") from error
    found = 0
    for number in written:
        place = marks.places[number]
        try:
            target.read_into(memory, place)
        except OSError:
            continue
        if bytes(memory) != _content(marks, number):
            raise WriteFailed(
                f"{target.path} does not keep what is written: the mark planted at byte {place} does not come back.",
                next_step="Do not rely on this drive. Destroy the medium: wipe-agent certify --destroyed SERIAL ...",
            )
        if not any(one.offset == place for one in carving.carve(memory, place)):
            raise WriteFailed(
                f"The scanner does not find the mark planted at byte {place} of {target.path}.",
                next_step="Do not use this installation of the agent; install it again.",
            )
        found += 1
    if marks.places and not found:
        raise WriteFailed(f"No mark could be written to {target.path} and read back: the drive is dying.")
    return Planted(found, len(marks.places) - found)


def marks_left(target: Target, marks: Marks) -> int:
    """How many of the marks are still there after the wipe. A place that cannot be read counts as one that is."""
    memory = buffer(BLOCK)
    left = 0
    for number, place in enumerate(marks.places):
        try:
            target.read_into(memory, place)
        except OSError:
            left += 1
            continue
        wanted = _content(marks, number)
        # Sector by sector: half a mark is a mark.
        left += any(bytes(memory[at : at + 512]) == wanted[at : at + 512] for at in range(0, BLOCK, 512))
    return left


def _content(marks: Marks, number: int) -> bytes:
    """A block that the carver must take for a file: the head of a real kind, then bytes of this mark alone."""
    body = hashlib.shake_256(b"wipe-agent mark %s %d" % (marks.seed.encode(), number)).digest(BLOCK)
    head = _HEADS[number % len(_HEADS)]
    return head + body[len(head) :]


_IHDR = b"IHDR" + struct.pack(">IIBBBBB", 640, 480, 8, 2, 0, 0, 0)
_HEADS = (
    b"\x89PNG\r\n\x1a\n\0\0\0\r" + _IHDR + struct.pack(">I", zlib.crc32(_IHDR)),
    b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xdb\0\x43\0",
    b"SQLite format 3\0\x10\0\1\1\0\x40\x20\x20",
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
)
