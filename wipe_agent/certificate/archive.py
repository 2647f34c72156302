"""The one reading of a `.zip`: what is in it, and what each file holds, with nothing left to choose.

A `.zip` says most things twice: where its directory is, how many files it has, what a file is called and how long it
is. Where the two do not agree, readers choose, and one archive shows two certificates. So this reader takes only what
can be read in one way, and refuses the rest: the directory ends where the end record begins, which is the end of the
file; no comment of the whole, no Zip64; names and sizes as they are said at both places. `static/verify/bundle.js`
refuses the same in the same words.
"""

import struct
import zlib
from dataclasses import dataclass
from typing import Final

from wipe_agent.certificate.strict import Unreadable

# PKWARE APPNOTE 4.3.16, 4.3.12 and 4.3.7, all but their signatures.
_END: Final = struct.Struct("<4s4H2LH")
_ENTRY: Final = struct.Struct("<4s6H3L5H2L")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES: Final = 20
_STORED, _DEFLATED = 0, 8
_ENCRYPTED: Final = 0x2041  # by itself, strongly, or the directory as well
_PATCHED: Final = 0x0020
_SIZES_FOLLOW: Final = 0x0008  # written in one go: then the sizes before the file are zeros


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive, as its directory tells it."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    checksum: int
    packed: int
    size: int
    start: int


def directory(data: bytes) -> list[Entry]:
    """The files of an archive; folders are left out. Raises Unreadable."""
    end = len(data) - _END.size
    if end < 0 or data[end : end + 4] != b"PK\x05\x06":
        raise Unreadable("This is neither a folder nor a readable .zip.")
    _, disk, first_disk, here, count, length, at, comment = _END.unpack_from(data, end)
    if disk or first_disk or here != count or comment or at + length != end:
        raise _damaged()
    if data[max(end - _ZIP64_LOCATOR_BYTES, 0) : end].startswith(_ZIP64_LOCATOR):
        raise _damaged()
    entries = []
    for _ in range(count):
        if at + _ENTRY.size > end:
            raise _damaged()
        signature, _, _, flags, method, _, _, checksum, packed, size, named, extra, note, _, _, _, start = (
            _ENTRY.unpack_from(data, at)
        )
        raw_name = data[at + _ENTRY.size : at + _ENTRY.size + named]
        at += _ENTRY.size + named + extra + note
        # A name ends for some readers where it has a NUL, and for others it does not.
        if signature != b"PK\x01\x02" or at > end or not raw_name or 0 in raw_name:
            raise _damaged()
        name = raw_name.decode("utf-8", "replace")
        if not name.endswith("/"):
            entries.append(Entry(name, raw_name, flags, method, checksum, packed, size, start))
    if at != end:
        raise _damaged()
    return entries


def content(data: bytes, entry: Entry, name: str, limit: int) -> bytes | None:
    """What a file holds; None when that is more than `limit` bytes. `name` names it in refusals. Raises Unreadable."""
    if entry.flags & _ENCRYPTED:
        raise Unreadable(f"{name} is encrypted. Use an ordinary .zip.")
    if entry.method not in (_STORED, _DEFLATED) or entry.flags & _PATCHED:
        raise Unreadable(f"{name} is packed by an unusual method. Use an ordinary .zip.")
    if entry.start + _LOCAL.size > len(data):
        raise _damaged()
    signature, _, flags, method, _, _, *sizes, named, extra = _LOCAL.unpack_from(data, entry.start)
    start = entry.start + _LOCAL.size
    if signature != b"PK\x03\x04" or method != entry.method:
        raise _damaged()
    if not flags & _SIZES_FOLLOW and sizes != [entry.checksum, entry.packed, entry.size]:
        raise _damaged()
    if data[start : start + named] != entry.raw_name:
        raise Unreadable(f"The .zip calls the file {name!r} by two names.")
    start += named + extra
    packed = data[start : start + entry.packed]
    if len(packed) != entry.packed:
        raise _damaged()
    found = packed if entry.method == _STORED else _inflated(packed, limit)
    if found is None or len(found) > limit:
        return None
    if len(found) != entry.size or zlib.crc32(found) != entry.checksum:
        raise _damaged()
    return found


def _inflated(packed: bytes, limit: int) -> bytes | None:
    """One deflate stream and nothing after it, inflated no further than one byte beyond the limit."""
    inflater = zlib.decompressobj(wbits=-15)
    try:
        found = inflater.decompress(packed, limit + 1)
    except zlib.error:
        raise _damaged() from None
    if len(found) > limit:
        return None
    if not inflater.eof or inflater.unused_data:
        raise _damaged()
    return found


def _damaged() -> Unreadable:
    return Unreadable("The .zip is damaged, or can be read in two ways. Download it again, or pack it anew.")
