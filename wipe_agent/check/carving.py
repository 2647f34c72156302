"""Carving: files and superblocks known by their first bytes, wherever they lie, each with a plausibility check.

`signatures.files_in` finds marks on sectors; a mark alone may be chance. Here what follows the mark must make sense as
well: a PNG's header has the right CRC, a JPEG's segments follow one another, an SQLite page size is a power of two. So
the number that is told before a wipe is a number of files, and one more look after it. Superblocks are found by their
backup copies too, in the middle of a drive whose first sectors are gone. Layouts: the sources named in
`signatures.py`, and

- ext4: kernel.org, ext4 disk layout, super block (magic at 0x38, block size 1024 << n, inodes in each group)
- NTFS and exFAT boot sectors: bytes in a sector at 11 and 108; GPT header: size at 12, its CRC-32 at 16 (UEFI 2.10,
5.3.2)
- MPEG audio: ISO/IEC 11172-3 2.4.1.3 (frame header), where an MP3 has no ID3 tag
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from wipe_agent.check import signatures
from wipe_agent.check.signatures import SECTOR, Found

_HEAD = 4096


@dataclass(frozen=True)
class Superblock:
    """A mark at `offset` in a sector that begins a superblock or its copy."""

    name: str
    offset: int
    mark: bytes
    plausible: Callable[[bytes], bool]


def carve(data: memoryview, base: int) -> list[Found]:
    """Files and superblocks in `data`, which lies at byte `base` (a multiple of 512): what they are and where."""
    found = []
    for one in signatures.files_in(data, base):
        head = bytes(data[one.offset - base : one.offset - base + _HEAD])
        name = _name_of(one.name, head)
        if name is not None:
            found.append(Found("carved", name, one.offset))
    whole = data.tobytes()
    found += _bare_mp3(whole, base)
    for kind in SUPERBLOCKS:
        place = whole.find(kind.mark)
        while place >= 0:
            start = place - kind.offset
            if start >= 0 and start % SECTOR == 0 and _holds(kind, whole[start : start + _HEAD]):
                found.append(Found("superblock", kind.name, base + start))
            place = whole.find(kind.mark, place + 1)
    return found


def _holds(kind: Superblock, head: bytes) -> bool:
    try:
        return kind.plausible(head)
    except struct.error:  # Too little of it is left to say.
        return False


def _name_of(name: str, head: bytes) -> str | None:
    """What the file is more exactly, or None if the mark was chance."""
    judge = _PLAUSIBLE.get(name)
    try:
        if judge is not None and not judge(head):
            return None
        return _office(head) if name == "zip" else name
    except (struct.error, IndexError, ValueError):
        return None


def _jpeg(head: bytes) -> bool:
    """Two segments that follow one another (T.81 B.1.1.4), or one that reaches beyond what we see."""
    at = 2
    for _ in range(2):
        if at + 4 > len(head):
            return at > 4
        marker, length = struct.unpack_from(">HH", head, at)
        if not 0xFFC0 <= marker <= 0xFFFE or length < 2:
            return False
        at += 2 + length
    return True


def _png(head: bytes) -> bool:
    return head[8:16] == b"\0\0\0\rIHDR" and zlib.crc32(head[12:29]) == struct.unpack_from(">I", head, 29)[0]


def _zip(head: bytes) -> bool:
    needed, _, method = struct.unpack_from("<HHH", head, 4)
    length = struct.unpack_from("<H", head, 26)[0]
    name = head[30 : 30 + length]
    return needed <= 63 and method in (0, 1, 6, 8, 9, 12, 14, 93, 95, 98, 99) and 0 < length < 1024 and min(name) >= 32


def _office(head: bytes) -> str:
    name = head[30 : 30 + struct.unpack_from("<H", head, 26)[0]]
    if name.startswith((b"[Content_Types].xml", b"word/", b"xl/", b"ppt/", b"_rels/", b"docProps/")):
        return "office"
    return "opendocument" if name == b"mimetype" and b"opendocument" in head[:120] else "zip"


def _sqlite(head: bytes) -> bool:
    size = struct.unpack_from(">H", head, 16)[0]
    return (size == 1 or (size >= 512 and size & (size - 1) == 0)) and head[21:24] == b"\x40\x20\x20"


def _gif(head: bytes) -> bool:
    return all(struct.unpack_from("<HH", head, 6))


def _pdf(head: bytes) -> bool:
    return head[5:6] in b"12" and head[6:7] == b"." and head[7:8].isdigit()


def _id3(head: bytes) -> bool:
    return head[4] < 0xFF and not head[5] & 0x0F and all(byte < 0x80 for byte in head[6:10])


def _mp4(head: bytes) -> bool:
    size = struct.unpack_from(">I", head, 0)[0]
    return 8 < size <= 1024 and size % 4 == 0 and all(32 <= byte < 127 for byte in head[8:12])


def _riff(head: bytes) -> bool:
    return head[8:12] in (b"AVI ", b"WAVE", b"WEBP", b"RMID", b"CDXA", b"ACON")


def _ogg(head: bytes) -> bool:
    return head[4] == 0 and head[5] < 8


def _elf(head: bytes) -> bool:
    return head[4] in (1, 2) and head[5] in (1, 2) and head[6] == 1


def _gzip(head: bytes) -> bool:
    return head[8] in (0, 2, 4) and head[9] in (*range(14), 255)


def _xz(head: bytes) -> bool:
    return zlib.crc32(head[6:8]) == struct.unpack_from("<I", head, 8)[0]


def _7z(head: bytes) -> bool:
    return head[6] == 0 and zlib.crc32(head[12:32]) == struct.unpack_from("<I", head, 8)[0]


def _printable(head: bytes) -> bool:
    line = head[:72].split(b"\n", 1)[0]
    return len(line) > 8 and all(32 <= byte < 127 or byte in (9, 13) for byte in line)


_PLAUSIBLE: dict[str, Callable[[bytes], bool]] = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "pdf": _pdf,
    "zip": _zip,
    "gzip": _gzip,
    "7z": _7z,
    "xz": _xz,
    "sqlite": _sqlite,
    "mp4": _mp4,
    "riff": _riff,
    "ogg": _ogg,
    "elf": _elf,
    "pem": _printable,
    "mp3": _id3,
    "mbox": _printable,
    "ole2": lambda head: head[28:30] == b"\xfe\xff",
    "flac": lambda head: head[4] & 0x7F == 0 and head[5:8] == b"\0\0\x22",
    "rar": lambda head: head[6] in (0, 1),
    "pst": lambda head: head[8:10] == b"SM",
}


def _bare_mp3(whole: bytes, base: int) -> list[Found]:
    """MP3 without a tag: a frame at the start of a sector, and another where the first one ends."""
    found, place = [], whole.find(b"\xff\xfb")
    while place >= 0:
        if place % SECTOR == 0:
            length = _frame(whole[place : place + 4])
            if length and _frame(whole[place + length : place + length + 4]):
                before = whole[max(0, place - _LONGEST_FRAME) : place]
                # The sectors in the middle of one file are not files of their own.
                if not any(_frame(before[at : at + 4]) == len(before) - at for at in _marks(before)):
                    found.append(Found("carved", "mp3", base + place))
        place = whole.find(b"\xff\xfb", place + 1)
    return found


_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_RATES = (44_100, 48_000, 32_000, 0)
_LONGEST_FRAME = 144 * 320_000 // 32_000 + 1


def _frame(head: bytes) -> int:
    """The length of the MPEG-1 layer III frame that begins so, in bytes; 0 if none does."""
    if len(head) < 4 or head[:2] != b"\xff\xfb":
        return 0
    bitrate, rate = _BITRATES[head[2] >> 4], _RATES[head[2] >> 2 & 3]
    return 144_000 * bitrate // rate + (head[2] >> 1 & 1) if bitrate and rate else 0


def _marks(data: bytes) -> list[int]:
    return [at for at in range(len(data) - 3) if data[at] == 0xFF and data[at + 1] == 0xFB]


def _ext(head: bytes) -> bool:
    inodes, blocks = struct.unpack_from("<II", head, 0)
    log_size, state = struct.unpack_from("<I", head, 24)[0], struct.unpack_from("<H", head, 58)[0]
    return inodes > 0 and blocks > 0 and log_size <= 6 and state <= 7


def _gpt(head: bytes) -> bool:
    size, crc = struct.unpack_from("<II", head, 12)
    return 92 <= size <= SECTOR and zlib.crc32(head[:16] + bytes(4) + head[20:size]) == crc


def _boot_sector(head: bytes) -> bool:
    return head[510:512] == b"\x55\xaa"


SUPERBLOCKS = (
    Superblock("ext", 56, b"\x53\xef", _ext),
    Superblock("gpt", 0, b"EFI PART", _gpt),
    Superblock("ntfs", 3, b"NTFS    ", _boot_sector),
    Superblock("exfat", 3, b"EXFAT   ", _boot_sector),
    Superblock("fat", 82, b"FAT32   ", _boot_sector),
    Superblock("btrfs", 64, b"_BHRfS_M", lambda head: any(head[:32])),
    Superblock("xfs", 0, b"XFSB", lambda head: struct.unpack_from(">I", head, 4)[0] in {1 << n for n in range(9, 17)}),
    Superblock("luks", 0, b"LUKS\xba\xbe", lambda head: head[6:8] in (b"\0\1", b"\0\2")),
    Superblock("apfs", 32, b"NXSB", lambda head: struct.unpack_from("<I", head, 36)[0] in (4096, 8192, 16384, 65536)),
)
