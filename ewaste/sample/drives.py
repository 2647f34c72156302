"""Small practice drives: disk images with a real file system (FAT16) and files in it that a wipe must make away with.

Written here byte by byte, so that no program has to be installed for it; `blkid`, `fsck.fat` and the agent's own table
recognise them. The layout is that of Microsoft's "FAT: General Overview of On-Disk Format", 1.03.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

SECTOR = 512
ROOT_ENTRIES = 512
_MEDIA = 0xF8
_FAT_END = 0xFFFF
# FAT16 has at least 4,085 clusters; with one sector each that is a little over two million bytes.
SMALLEST = 4_600 * SECTOR

_WORDS = (
    "invoice", "holiday", "garden", "letter", "tax", "insurance", "recipe", "budget", "diary", "thesis", "photo",
    "contract", "school", "birthday", "travel", "doctor", "landlord", "bank", "bicycle", "choir", "application",
)  # fmt: skip
_HEADS = {
    "JPG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00",
    "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "DOC": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "TXT": b"",
}


def make(path: Path, *, seed: str, size: int = SMALLEST) -> list[str]:
    """Write an image of `size` bytes with a file system and files. Returns the files' names.

    The same seed makes the same image. An image that is there already is left alone: the agent may have begun on it.
    """
    chance = random.Random(seed)  # noqa: S311 - believable content, not a secret
    files = _files(chance)
    if not path.exists():
        beside = path.with_name(f".{path.name}.partial")
        beside.write_bytes(_image(files, size, chance))
        beside.replace(path)
    return [name for name, _ in files]


def _files(chance: random.Random) -> list[tuple[str, bytes]]:
    made = []
    for number in range(chance.randint(9, 16)):
        kind = chance.choice(sorted(_HEADS))
        name = f"{chance.choice(_WORDS).upper()[:6]}{number:02d}.{kind}"
        text = " ".join(chance.choices(_WORDS, k=chance.randint(60, 900))).encode()
        made.append((name, _HEADS[kind] + (text if kind == "TXT" else chance.randbytes(chance.randint(4_000, 60_000)))))
    return made


def _image(files: list[tuple[str, bytes]], size: int, chance: random.Random) -> bytes:
    sectors = size // SECTOR
    fat_sectors = -(-(sectors * 2) // SECTOR)
    root = 1 + 2 * fat_sectors
    data = root + ROOT_ENTRIES * 32 // SECTOR
    if sectors - data < 4_085:
        raise ValueError(f"An image for FAT16 has at least {SMALLEST} bytes.")
    fat = [0xFF00 | _MEDIA, _FAT_END]
    entries = [_entry("PRACTICE", "", attributes=0x08, cluster=0, size=0)]
    contents = b""
    for name, content in files:
        clusters = -(-len(content) // SECTOR)
        first = len(fat)
        fat += [*range(first + 1, first + clusters), _FAT_END]
        stem, _, extension = name.partition(".")
        entries.append(_entry(stem, extension, attributes=0x20, cluster=first, size=len(content)))
        contents += content.ljust(clusters * SECTOR, b"\0")
    table = struct.pack(f"<{len(fat)}H", *fat).ljust(fat_sectors * SECTOR, b"\0")
    directory = b"".join(entries).ljust(ROOT_ENTRIES * 32, b"\0")
    boot = _boot(sectors, fat_sectors, chance.getrandbits(32))
    return (boot + table + table + directory + contents).ljust(size, b"\0")


def _boot(sectors: int, fat_sectors: int, serial: int) -> bytes:
    parameters = struct.pack(
        "<HBHBHHBHHHII", SECTOR, 1, 1, 2, ROOT_ENTRIES, min(sectors, 0xFFFF), _MEDIA, fat_sectors, 32, 2, 0, 0
    )
    extended = struct.pack("<BBBI11s8s", 0x80, 0, 0x29, serial, b"PRACTICE   ", b"FAT16   ")
    return (b"\xeb\x3c\x90CLEARHND" + parameters + extended).ljust(SECTOR - 2, b"\0") + b"\x55\xaa"


def _entry(stem: str, extension: str, *, attributes: int, cluster: int, size: int) -> bytes:
    name = f"{stem:<8.8}{extension:<3.3}".encode("ascii")
    # 12 May 2023, 14:30, in the format's own packing.
    date, time = (2023 - 1980) << 9 | 5 << 5 | 12, 14 << 11 | 30 << 5
    return name + struct.pack("<BBBHHHHHHHI", attributes, 0, 0, time, date, date, 0, time, date, cluster, size)
