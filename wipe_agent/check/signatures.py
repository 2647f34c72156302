"""The marks by which file systems and files are known, and a quick look for them.

A small table of our own, so that the check works where no other tool is installed; `tools.py` asks util-linux
as a second pair of eyes. File signatures are looked for where files begin, on 512-byte sectors. Sources:

- file systems: magic.h of the Linux kernel and the superblock probes of util-linux (libblkid/src/superblocks)
- GPT: UEFI 2.10, 5.3.2; MBR: the word 0x55AA at 510, the same, 5.2.1
- PNG: RFC 2083 / W3C PNG 3rd ed. 5.2; JPEG: ITU T.81 B.1.1 (SOI and the marker that follows); GIF: GIF89a spec 17
- PDF: ISO 32000-1 7.5.2; ZIP (also docx, xlsx, apk, jar): PKWARE APPNOTE 4.3.7; gzip: RFC 1952 2.3; 7z: 7zFormat.txt
- SQLite (also messages, contacts, browser history): sqlite.org/fileformat 1.3; OLE2 (old Office): MS-CFB 2.2
- MP4/MOV/HEIC: ISO/IEC 14496-12 4.3 (`ftyp` at 4); RIFF (AVI, WAV, WebP): IBM/Microsoft 1991; Ogg: RFC 3533; FLAC:
  RFC 9639; MP3 with ID3: id3v2.4.0-structure 3.1; ELF: System V gABI; RAR: rarlab technote; XZ: xz-file-format 2.1.1.1;
  Outlook PST: MS-PST 2.2.2.6; PEM keys: RFC 7468; mbox: RFC 4155
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SECTOR = 512

# name, offset from the start of the drive or partition, mark
FILE_SYSTEMS: tuple[tuple[str, int, bytes], ...] = (
    ("mbr", 510, b"\x55\xaa"),
    ("gpt", 512, b"EFI PART"),
    ("ext", 0x438, b"\x53\xef"),
    ("ntfs", 3, b"NTFS    "),
    ("exfat", 3, b"EXFAT   "),
    ("fat", 54, b"FAT1"),
    ("fat", 82, b"FAT32"),
    ("bitlocker", 3, b"-FVE-FS-"),
    ("refs", 3, b"ReFS\0"),
    ("xfs", 0, b"XFSB"),
    ("btrfs", 0x10040, b"_BHRfS_M"),
    ("f2fs", 0x400, b"\x10\x20\xf5\xf2"),
    ("luks", 0, b"LUKS\xba\xbe"),
    ("apfs", 32, b"NXSB"),
    ("hfs+", 1024, b"H+\0\x04"),
    ("hfsx", 1024, b"HX\0\x05"),
    ("iso9660", 0x8001, b"CD001"),
    ("lvm2", 536, b"LVM2 001"),
    ("swap", 4086, b"SWAPSPACE2"),
    ("md-raid", 4096, b"\xfc\x4e\x2b\xa9"),
    ("squashfs", 0, b"hsqs"),
)
FILE_SYSTEM_REACH = 0x10040 + 8

# name, offset from the start of a sector, mark; each mark is at least four bytes.
FILES: tuple[tuple[str, int, bytes], ...] = (
    ("png", 0, b"\x89PNG\r\n\x1a\n"),
    *(("jpeg", 0, b"\xff\xd8\xff" + bytes([marker])) for marker in (0xDB, 0xE0, 0xE1, 0xE2, 0xEE)),
    ("gif", 0, b"GIF87a"),
    ("gif", 0, b"GIF89a"),
    ("pdf", 0, b"%PDF-"),
    ("zip", 0, b"PK\x03\x04"),
    ("gzip", 0, b"\x1f\x8b\x08\x00"),
    ("gzip", 0, b"\x1f\x8b\x08\x08"),
    ("7z", 0, b"7z\xbc\xaf\x27\x1c"),
    ("xz", 0, b"\xfd7zXZ\0"),
    ("rar", 0, b"Rar!\x1a\x07"),
    ("sqlite", 0, b"SQLite format 3\0"),
    ("ole2", 0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ("mp4", 4, b"ftyp"),
    ("riff", 0, b"RIFF"),
    ("ogg", 0, b"OggS"),
    ("flac", 0, b"fLaC"),
    ("elf", 0, b"\x7fELF"),
    ("pst", 0, b"!BDN"),
    ("pem", 0, b"-----BEGIN "),
    *(("mp3", 0, b"ID3" + bytes([version])) for version in (2, 3, 4)),
    ("mbox", 0, b"From "),
)
_AT_0 = {mark[:4] for _, offset, mark in FILES if offset == 0}
_AT_4 = {mark[:4] for _, offset, mark in FILES if offset == 4}
_KEYS_0 = {struct.unpack("=I", mark)[0] for mark in _AT_0}
_KEYS_4 = {struct.unpack("=I", mark)[0] for mark in _AT_4}


@dataclass(frozen=True)
class Found:
    """A mark that was seen: "file-system" or "file", its name, and the byte where it stands."""

    what: str
    name: str
    offset: int


def files_in(data: memoryview, base: int) -> list[Found]:
    """File signatures at the sectors of `data`, which lies at byte `base` of the drive (a multiple of 512)."""
    whole = len(data) // SECTOR * SECTOR
    if not whole:
        return []
    # The first words of all sectors at once: a few milliseconds for a gigabyte, against a loop over bytes.
    words = data[:whole].cast("B").cast("I")
    first, second = words[:: SECTOR // 4].tolist(), words[1 :: SECTOR // 4].tolist()
    found: list[Found] = []
    if not _KEYS_0.isdisjoint(first):
        places = [index for index, word in enumerate(first) if word in _KEYS_0]
        found += _confirm(data, base, places, 0)
    if not _KEYS_4.isdisjoint(second):
        places = [index for index, word in enumerate(second) if word in _KEYS_4]
        found += _confirm(data, base, places, 4)
    return found


def file_systems_at(read: Callable[[int, int], bytes], start: int, size: int) -> list[Found]:
    """File-system marks of whatever begins at byte `start`. `read(offset, length)` may return less near the end."""
    head = read(start, min(FILE_SYSTEM_REACH, size - start))
    found = []
    for name, offset, mark in FILE_SYSTEMS:
        if head[offset : offset + len(mark)] == mark and _plausible(name, head):
            found.append(Found("file-system", name, start))
    return found


def partitions(read: Callable[[int, int], bytes], size: int) -> list[int]:
    """Where partitions begin, in bytes, by MBR and GPT. Nonsense in the tables is passed over."""
    head = read(0, min(SECTOR * 34, size))
    starts: set[int] = set()
    if head[510:512] == b"\x55\xaa":
        for entry in range(4):
            first = struct.unpack_from("<I", head, 446 + 16 * entry + 8)[0]
            starts.add(first * SECTOR)
    if head[512:520] == b"EFI PART":
        for entry in range(128):
            place = 1024 + 128 * entry
            if head[place : place + 16].strip(b"\0"):
                starts.add(int.from_bytes(head[place + 32 : place + 40], "little") * SECTOR)
    return sorted(start for start in starts if 0 < start < size - SECTOR)


def tally(found: list[Found]) -> dict[str, int]:
    """How many of each, as `{"file-system ext": 1, "file png": 3}`."""
    return dict(sorted(Counter(f"{one.what} {one.name}" for one in found).items()))


def in_words(counts: Mapping[str, int]) -> str:
    """What was tallied, for people: "1 ext file system, 3 png files"; "nothing"."""
    told = []
    for name, count in sorted(counts.items()):
        what, _, which = name.partition(" ")
        noun = what.replace("-", " ")
        told.append(f"{count} {which} {noun}{'' if count == 1 else 's'}")
    return ", ".join(told) or "nothing"


def _confirm(data: memoryview, base: int, sectors: list[int], shift: int) -> list[Found]:
    found = []
    for sector in sectors:
        begin = sector * SECTOR
        for name, offset, mark in FILES:
            if offset == shift and data[begin + offset : begin + offset + len(mark)] == mark:
                found.append(Found("file", name, base + begin))
                break
    return found


def _plausible(name: str, head: bytes) -> bool:
    """Two-byte marks alone are thin: ext must also have a sensible block size (its log is at 0x418)."""
    if name == "ext":
        return len(head) > 0x41C and struct.unpack_from("<I", head, 0x418)[0] <= 6
    return True
