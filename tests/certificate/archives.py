"""Archives that readers of `.zip` take in more than one way, and some odd ones that all take in the same."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Packed:
    """One file as it stands in an archive: its bytes, and what is said of them before the file and in the directory."""

    name: bytes
    content: bytes
    flags: int = 0
    method: int = 0
    packed: bytes | None = None
    size: int | None = None
    checksum: int | None = None
    local_name: bytes | None = None
    local_size: int | None = None
    more: bytes = b""

    @property
    def body(self) -> bytes:
        """What lies in the archive for this file."""
        if self.packed is not None:
            return self.packed
        return self.content if self.method == 0 else deflated(self.content)

    def sizes(self, size: int | None) -> tuple[int, int, int]:
        """Checksum, packed size and size, as they are told."""
        checksum = zlib.crc32(self.content) if self.checksum is None else self.checksum
        return checksum, len(self.body), len(self.content) if size is None else size

    def local(self) -> bytes:
        """The file with what is said before it."""
        name = self.name if self.local_name is None else self.local_name
        sizes = self.sizes(self.size if self.local_size is None else self.local_size)
        head = struct.pack(
            "<4s5H3L2H", b"PK\x03\x04", 20, self.flags, self.method, 0, 0x21, *sizes, len(name), 0
        )  # fmt: skip
        return head + name + self.body

    def told(self, start: int) -> bytes:
        """The file's entry in the directory."""
        head = struct.pack(
            "<4s6H3L5H2L", b"PK\x01\x02", 20, 20, self.flags, self.method, 0, 0x21, *self.sizes(self.size),
            len(self.name), len(self.more), 0, 0, 0, 0, start,
        )  # fmt: skip
        return head + self.name + self.more


def deflated(content: bytes) -> bytes:
    """A raw deflate stream."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def laid(files: Iterable[Packed], begin: int = 0) -> tuple[bytes, list[tuple[Packed, int]]]:
    """Files one after the other, and where each begins."""
    whole, places = b"", []
    for file in files:
        places.append((file, begin + len(whole)))
        whole += file.local()
    return whole, places


def listed(places: list[tuple[Packed, int]], moved: int = 0) -> bytes:
    """The directory of these files."""
    return b"".join(file.told(start + moved) for file, start in places)


def end(count: int, length: int, at: int, comment: bytes = b"") -> bytes:
    """The record that says where the directory is."""
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, length, at, len(comment)) + comment


def archive(files: Iterable[Packed]) -> bytes:
    """An archive as everybody writes it."""
    whole, places = laid(files)
    told = listed(places)
    return whole + told + end(len(places), len(told), len(whole))


def plain(files: Mapping[str, bytes]) -> list[Packed]:
    """Files, stored."""
    return [Packed(name.encode(), content) for name, content in files.items()]


def two_ways(files: Mapping[str, bytes], others: Mapping[str, bytes]) -> dict[str, bytes]:
    """Archives in which some readers find `files`, and some find `others` or another set of files."""
    mine, places = laid(plain(files))
    second, other_places = laid(plain(others), len(mine))
    whole, told = mine + second, listed(places)
    # One reader goes by where the directory begins, the other by where it ends; the difference moves the files as well.
    moved = listed(other_places, -len(told))
    at = len(whole) + len(told)
    last = listed(other_places)
    zip64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, len(others), len(others), len(last), at)
    zip64 += struct.pack("<4sLQL", b"PK\x06\x07", 0, at + len(last), 1)
    list_file = Packed(b"status.json", b"{}")
    both, both_places = laid([*plain(files), list_file])
    all_told = listed(both_places)
    usual = archive(plain(files))
    short = Packed(b"status.json", b"{}", packed=b"{}   ")
    first = next(iter(files))
    return {
        "two directories": whole + told + moved + end(len(others), len(moved), len(whole)),
        "a second directory in Zip64": whole + told + last + zip64 + end(len(files), len(told), len(whole)),
        "one file more than is counted": both + all_told + end(len(files), len(all_told), len(both)),
        "a name with a NUL": archive([*plain(files), replace(list_file, name=b"status.json\0.txt")]),
        "a name that is empty": archive([*plain(files), Packed(b"", b"x")]),
        "another name before the file": archive([*plain(files), replace(list_file, local_name=b"status.jsom")]),
        "another size before the file": archive([*plain(files), replace(list_file, local_size=7)]),
        "less than is stored": archive([*plain(files), short]),
        "something behind what is packed": archive(
            [*plain(files), replace(list_file, method=8, packed=deflated(b"{}") + b"{}")]
        ),
        "something before it": b"#!/bin/sh\n" + usual,
        "something behind it": usual + b"{}",
        "a comment": usual[:-2] + b"\x02\x00{}",
        "more than one disk": usual[:-18] + b"\x01\x00" + usual[-16:],
        "patched data": archive([replace(each, flags=0x20) for each in plain(files)]),
        "encrypted": archive([replace(each, flags=1) for each in plain(files)]),
        "an absolute name beside": archive([*plain(files), Packed(b"/" + first.encode(), files[first])]),
    }  # fmt: skip


def one_way(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Archives that look odd, and in which every reader of ours finds `files`."""
    in_folder = [replace(file, name="ö/".encode() + file.name, flags=0x800) for file in plain(files)]
    extra = struct.pack("<2HBL", 0x7075, 5 + len(b"status.json"), 1, zlib.crc32(b"notes.txt")) + b"status.json"
    turned = "\u202enosj.sutats\xa0\t\u00e4".encode()
    return {
        "stored": archive(plain(files)),
        "deflated": archive([replace(file, method=8) for file in plain(files)]),
        "in a folder": archive(in_folder),
        "in a folder, told in two encodings": archive([replace(in_folder[0], flags=0), *in_folder[1:]]),
        "in an absolute folder": archive([replace(file, name=b"/" + file.name) for file in plain(files)]),
        "with a second name for a file of no interest": archive(
            [*plain(files), Packed(b"notes.txt", b"{}", more=extra)]
        ),
        "with a name that turns around": archive([*plain(files), Packed(turned, b"{}")]),
    }  # fmt: skip
