"""A pattern spread over the medium before a drive command, which must be gone after it.

A drive that does nothing and says "done" is found by this. Blocks that read as zero prove nothing when they read as
zero all along, as blocks do that were never written or were given back. 4,603 places see a leftover of 0.1 % of the
medium with 99 % confidence, n = ceil(ln(1 - 0.99) / ln(1 - 0.001)); both ends are among them. A small medium gets
the pattern in every block.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wipe_agent.errors import WriteFailed
from wipe_agent.media import Target, buffer

BLOCK = 4096
PLACES = 4603
SECTOR = 512
_ZEROS = bytes(BLOCK)


@dataclass(frozen=True)
class Spread:
    """The pattern for a medium of `size` bytes: content and places follow from `seed` (hexadecimal, 16 bytes)."""

    seed: str
    size: int

    def as_facts(self) -> dict[str, Any]:
        return {"seed": self.seed, "size": self.size, "places": len(self.places())}

    def places(self) -> list[int]:
        """Offsets in bytes, ascending, whole blocks."""
        blocks = self.size // BLOCK
        if blocks <= PLACES:
            return [number * BLOCK for number in range(blocks)]
        found, number = {0, blocks - 1}, 0
        while len(found) < PLACES:
            drawn = hmac.new(bytes.fromhex(self.seed), b"spread %d" % number, hashlib.sha256).digest()
            found.add(int.from_bytes(drawn[:8], "big") % blocks)
            number += 1
        return [one * BLOCK for one in sorted(found)]

    def content(self, place: int) -> bytes:
        """The 4,096 bytes at `place`: 64 that no other place and no other medium has, repeated."""
        return hashlib.blake2b(f"wipe-agent spread {self.seed} {place}".encode()).digest() * (BLOCK // 64)


def write_spread(target: Target, spread: Spread, *, progress: Callable[[int], None] = lambda done: None) -> int:
    """Write the pattern, sync, and read it back. Returns at how many places it stands.

    Raises WriteFailed when the drive does not confirm, or keeps none of it: then its absence later would prove nothing.
    """
    memory, stands = buffer(BLOCK), 0
    for number, place in enumerate(spread.places()):
        if number % 256 == 0:
            target.check_same()
        memory[:] = spread.content(place)
        try:
            target.write(memory, place)
        except OSError:
            continue  # A bad spot; it is counted as a place where the pattern does not stand.
        progress(place)
    try:
        target.sync()
    except OSError as error:
        raise WriteFailed(f"{target.path} did not confirm the pattern spread over it ({error.strerror}).") from error
    stands = left_of(target, spread)
    if spread.places() and not stands:
        raise WriteFailed(f"{target.path} keeps nothing of the pattern spread over it, so it cannot be checked.")
    return stands


def left_of(target: Target, spread: Spread) -> int:
    """At how many places any 512 bytes of the pattern still stand. A place that cannot be read counts as one."""
    memory, left = buffer(BLOCK), 0
    for place in spread.places():
        try:
            target.read_into(memory, place)
        except OSError:
            left += 1
            continue
        if memory == _ZEROS:
            continue
        wanted = spread.content(place)[:SECTOR]
        left += any(memory[at : at + SECTOR] == wanted for at in range(0, BLOCK, SECTOR))
    return left
