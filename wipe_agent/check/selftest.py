"""The positive control: a scanner that finds nothing must first show that it finds what is there.

Every mark of the table is planted in a buffer and looked for; a buffer with one changed byte must not pass as
empty; a buffer of zeros must. As Borg does at each start (`selftest.py`). Raises SelfTestFailed.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable

from wipe_agent.check import signatures
from wipe_agent.check.readback import BLOCK, differing_blocks
from wipe_agent.errors import SelfTestFailed
from wipe_agent.media import buffer


def self_test() -> int:
    """Run the control. Returns how many marks were planted and found; takes a few milliseconds."""
    planted = 0
    for name, offset, mark in signatures.FILES:
        page = buffer(BLOCK)
        page[3 * signatures.SECTOR + offset : 3 * signatures.SECTOR + offset + len(mark)] = mark
        found = signatures.files_in(page, 1 << 20)
        wanted = signatures.Found("file", name, (1 << 20) + 3 * signatures.SECTOR)
        planted += _expect(wanted in found, f"the file signature {name}")
    for name, offset, mark in signatures.FILE_SYSTEMS:
        head = bytearray(signatures.FILE_SYSTEM_REACH)
        struct.pack_into("<I", head, 0x418, 2)
        head[offset : offset + len(mark)] = mark
        seen = signatures.file_systems_at(_reader(bytes(head)), 0, len(head))
        planted += _expect(any(one.name == name for one in seen), f"the file system {name}")
    empty = buffer(16 * BLOCK)
    _expect(differing_blocks(empty, 0) == [], "that zeros are zeros")
    _expect(signatures.files_in(empty, 0) == [], "that zeros hold no file")
    for place in (0, 5 * BLOCK + 1234, 16 * BLOCK - 1):
        page = buffer(16 * BLOCK)
        page[place] = 1
        planted += _expect(differing_blocks(page, 0) == [place // BLOCK * BLOCK], f"a single byte at {place}")
    # The hash that holds the journal together, against the example of FIPS 180-4.
    _expect(hashlib.sha256(b"abc").hexdigest().startswith("ba7816bf8f01cfea"), "SHA-256 of abc")
    return planted


def _reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda at, length: data[at : at + length]


def _expect(seen: bool, what: str) -> int:
    if not seen:
        raise SelfTestFailed(f"The self-test did not find {what}.")
    return 1
