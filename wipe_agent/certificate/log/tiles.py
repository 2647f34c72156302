"""Tiles (C2SP tlog-tiles): the hashes and the entries of a log as files that never change.

A tile holds up to 256 hashes, one level of the tree in steps of eight; a bundle holds up to 256 entries.
What is not full yet is published with its width and is replaced by a wider one at another path.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from wipe_agent.certificate.log.lines import HASH_BYTES, read_number
from wipe_agent.certificate.log.merkle import HashReader, Node, node_hash
from wipe_agent.certificate.strict import Unreadable

WIDTH: Final = 256
HEIGHT: Final = 8
MOST_BUNDLE_BYTES: Final = WIDTH * (2 + 0xFFFF)

_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")
_HIGHEST_LEVEL: Final = 63


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """Tile `index` of `level`, with `width` hashes (1 to 256). Level -1 are bundles of entries."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Where the tile lies under the log's address, such as `tile/0/x001/x234/067.p/8`."""
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else str(self.level)
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{level}/{'/'.join(groups)}{partial}"

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """The tile at a path. Raises Unreadable for any spelling that `path` would not write."""
        if not (match := _PATH.fullmatch(path)):
            raise Unreadable("The address names no tile.")
        level, digits, width = match.groups()
        tile = cls(
            ENTRIES if level == "entries" else int(level),
            read_number(digits.replace("x", "").replace("/", "").lstrip("0") or "0", "number of the tile"),
            int(width) if width else WIDTH,
        )
        if tile.level > _HIGHEST_LEVEL or not 1 <= tile.width <= WIDTH or tile.path != path:
            raise Unreadable("The address names no tile.")
        return tile

    def hashes(self, data: bytes) -> list[bytes]:
        """The hashes in the tile's data. Raises Unreadable when it has another size."""
        if len(data) != self.width * HASH_BYTES:
            raise Unreadable(f"The tile {self.path} has {len(data)} bytes instead of {self.width * HASH_BYTES}.")
        return [data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES)]


ENTRIES: Final = -1


def tiles_between(old_size: int, size: int) -> Iterator[Tile]:
    """The tiles and bundles that a log of `size` entries has and one of `old_size` had not, bundles first."""
    for level in range(ENTRIES, _HIGHEST_LEVEL):
        shift = HEIGHT * max(level, 0)
        old, new = old_size >> shift, size >> shift
        if new == 0:
            return
        if old == new:
            continue
        for index in range(old // WIDTH, new // WIDTH):
            yield Tile(level, index)
        if new % WIDTH:
            yield Tile(level, new // WIDTH, new % WIDTH)


def tile_with(node: Node, size: int) -> tuple[Tile, int, int]:
    """The tile that gives a complete subtree in a log of `size` entries, and which of its hashes: from, how many.

    Raises ValueError when the log of this size does not have the subtree.
    """
    level, index = node
    if level < 0 or index < 0 or (index + 1) << level > size:
        raise ValueError(f"A log of {size} entries has no complete subtree {node}.")
    tile_level, height = divmod(level, HEIGHT)
    first = index << height
    number = first // WIDTH
    width = min(WIDTH, (size >> HEIGHT * tile_level) - number * WIDTH)
    return Tile(tile_level, number, width), first % WIDTH, 1 << height


def tile_reader(size: int, fetch: Callable[[Tile], bytes]) -> HashReader:
    """A reader of hashes that fetches the tiles of a log of `size` entries, each once.

    What comes is not proven by itself: check the proof that is made of it. Raises what `fetch` raises, and Unreadable.
    """
    fetched: dict[Tile, list[bytes]] = {}

    def read(nodes: Sequence[Node]) -> list[bytes]:
        found = []
        for node in nodes:
            tile, start, count = tile_with(node, size)
            if tile not in fetched:
                fetched[tile] = tile.hashes(fetch(tile))
            found.append(subtree(fetched[tile][start : start + count]))
        return found

    return read


def subtree(hashes: Sequence[bytes]) -> bytes:
    """The hash of a complete subtree from a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


def write_entries(entries: Sequence[bytes]) -> bytes:
    """A bundle of 1 to 256 entries of at most 65,535 bytes, each behind its length in two bytes."""
    if not 1 <= len(entries) <= WIDTH or any(len(entry) > 0xFFFF for entry in entries):
        raise ValueError("A bundle has 1 to 256 entries of at most 65,535 bytes.")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_entries(data: bytes, count: int) -> list[bytes]:
    """The `count` entries of a bundle. Raises Unreadable for any other number, or bytes left over."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < count:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if at + 2 > len(data) or end > len(data):
            raise Unreadable("The bundle of entries ends in the middle of one.")
        entries.append(data[at + 2 : end])
        at = end
    if len(entries) != count or at != len(data):
        raise Unreadable(f"The bundle does not have the {count} entries that it should have.")
    return entries
