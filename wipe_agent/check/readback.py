"""Read every byte back and say whether it is what was written.

The whole drive is read in one go, from the first byte to the last, after the last write was synced. A read-back that
was interrupted starts over: so what the certificate calls a full read was one look at the whole drive.
While one chunk is compared the next is on its way. What differs is mapped in 4 KiB blocks, told apart (constant,
text-like, random-looking, structured) and searched for files. What cannot be read is tried again, listed and counted.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from wipe_agent.check import carving, signatures
from wipe_agent.check.blockmap import BlockMap
from wipe_agent.check.looks import look_of
from wipe_agent.check.sampling import SamplePlan
from wipe_agent.check.signatures import Found
from wipe_agent.errors import DeviceChanged, WriteFailed
from wipe_agent.media import Target, buffer
from wipe_agent.methods import ZEROS, Pattern
from wipe_agent.methods.overwrite import MOST_BAD_BLOCKS, add_range, is_bad_spot

CHUNK = 8 * 1024 * 1024
BLOCK = 4096
RETRIES = 2
READ_AHEAD = 2
_EXAMPLES = 16
# So many differing blocks are looked at closely (a few seconds' work); of the others the first of each cell of the map.
_MOST_LOOKS = 4096
_MOST_FOUND = 10_000
_ZEROS = bytearray(CHUNK)
_Piece = tuple[int, int]


@dataclass
class ReadBack:
    """What was seen. `read` counts bytes looked at, `examples` are the first places that differ, in bytes.

    `unreadable_at` lists ranges `[first byte, bytes]`, the first 1,000; `found` has marks at sectors, `carved` those
    that make sense as a file or superblock.
    """

    map: BlockMap
    read: int = 0
    differing_blocks: int = 0
    unreadable_blocks: int = 0
    examples: list[int] = field(default_factory=list)
    unreadable_at: list[list[int]] = field(default_factory=list)
    looks: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)
    carved: list[Found] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.differing_blocks or self.unreadable_blocks or self.found or self.carved)

    def as_facts(self) -> dict[str, Any]:
        return {
            "read": self.read,
            "differing_blocks": self.differing_blocks,
            "unreadable_blocks": self.unreadable_blocks,
            "examples": self.examples,
            "unreadable_at": self.unreadable_at,
            "looks": dict(self.looks),
            "found": signatures.tally(self.found),
            "carved": signatures.tally(self.carved),
            "map": self.map.as_facts(),
        }


def read_back(
    target: Target,
    *,
    pattern: Pattern | None = ZEROS,
    progress: Callable[[int], None],
    sample: SamplePlan | None = None,
) -> ReadBack:
    """Read the whole drive, or the places of `sample`, and compare with `pattern`.

    Without a pattern nothing is compared: after a command of the drive's own only the drive knows what it left there
    (key destruction leaves random bytes). Then marks of files and file systems are searched for in what is no noise.
    `progress` is told the share of the drive that is done, in bytes. Raises WriteFailed for a dying drive, and
    DeviceChanged if it is no longer the drive that was written.
    """
    result = ReadBack(BlockMap(target.size))
    pieces = _all_pieces(target.size) if sample is None else _sampled_pieces(target.size, sample)
    wanted = sum(length for _, length in pieces)
    expected = None if pattern is None else "zero" if pattern.kind == "zeros" else "stream"
    for offset, data, failed in _read_ahead(target, pieces):
        unreadable = _read_blocks(target, data, offset, result) if failed else []
        if unreadable:
            data = _without(data, unreadable, offset)
        result.read += len(data)
        result.map.note(offset, len(data), expected or look_of(data[:BLOCK]))
        for place in unreadable:
            result.map.note(place, 1, "unreadable")
        if pattern is None:
            _search(data, offset, result)
        else:
            _judge(data, offset, pattern, set(unreadable), result)
        progress(target.size * result.read // wanted)
    target.check_same()
    return result


def differing_blocks(data: memoryview, base: int) -> list[int]:
    """The places of the 4 KiB blocks of `data` that are not all zero, counted from `base`."""
    if _is_zero(data):
        return []
    places = range(0, len(data), BLOCK)
    return [base + place for place in places if not _is_zero(data[place : place + BLOCK])]


def _is_zero(data: memoryview) -> bool:
    # bytearray == memoryview is a memcmp (48 GB/s); the other way round compares item by item (1.3 GB/s).
    return (_ZEROS if len(data) == len(_ZEROS) else bytearray(len(data))) == data


def _all_pieces(size: int) -> list[_Piece]:
    return [(offset, min(CHUNK, size - offset)) for offset in range(0, size, CHUNK)]


def _sampled_pieces(size: int, sample: SamplePlan) -> list[_Piece]:
    return [(place, min(BLOCK, size - place)) for place in sample.places(size)]


def _read_ahead(target: Target, pieces: list[_Piece]) -> Iterator[tuple[int, memoryview, bool]]:
    """Each piece with its data, and whether reading it failed; the next ones are read meanwhile."""
    longest = max((length for _, length in pieces), default=BLOCK)
    free = [buffer(longest) for _ in range(READ_AHEAD + 1)]
    waiting: deque[tuple[int, memoryview, memoryview, Future[bool]]] = deque()

    def read(piece: memoryview, offset: int) -> bool:
        try:
            target.read_into(piece, offset)
        except OSError as error:
            _require_there(target, error)
            return False
        return True

    with ThreadPoolExecutor(READ_AHEAD) as pool:
        rest = iter(pieces)
        while True:
            while free and (piece := next(rest, None)) is not None:
                target.check_same()
                whole = free.pop()
                data = whole[: piece[1]]
                waiting.append((piece[0], whole, data, pool.submit(read, data, piece[0])))
            if not waiting:
                return
            offset, whole, data, reading = waiting.popleft()
            yield offset, data, not reading.result()
            free.append(whole)


def _read_blocks(target: Target, data: memoryview, offset: int, result: ReadBack) -> list[int]:
    """The piece has an unreadable spot: try each block again. Returns the places that stay unreadable.

    They are counted and never taken for what was written.
    """
    target.check_same()
    bad = []
    for within in range(0, len(data), BLOCK):
        if not _read_again(target, data[within : within + BLOCK], offset + within):
            bad.append(offset + within)
            add_range(result.unreadable_at, offset + within, len(data[within : within + BLOCK]))
    result.unreadable_blocks += len(bad)
    if result.unreadable_blocks > MOST_BAD_BLOCKS:
        raise WriteFailed(
            f"{target.path} cannot be read at more than {MOST_BAD_BLOCKS} blocks: the drive is dying.",
            next_step="Destroy the medium and record it: wipe-agent certify --destroyed SERIAL ...",
        )
    return bad


def _read_again(target: Target, block: memoryview, offset: int) -> bool:
    for _ in range(RETRIES + 1):
        try:
            target.read_into(block, offset)
            return True
        except OSError as error:
            _require_there(target, error)
    return False


def _require_there(target: Target, error: OSError) -> None:
    """A bad spot is one thing; a drive that is gone would be asked for each of its blocks in vain."""
    if not is_bad_spot(error):
        raise DeviceChanged(f"{target.path} has stopped answering ({error.strerror}).") from error


def _without(data: memoryview, unreadable: list[int], offset: int) -> memoryview:
    """What memory holds of unreadable blocks is of another place: it must not be searched."""
    for place in unreadable:
        block = data[place - offset : place - offset + BLOCK]
        block[:] = bytes(len(block))
    return data


def _judge(data: memoryview, offset: int, pattern: Pattern, unreadable: set[int], result: ReadBack) -> None:
    if not unreadable and pattern.matches(data, offset):
        return
    # Blocks that are as they should be are blanked: what a random stream holds by chance is no file.
    odd = 0
    for within in range(0, len(data), BLOCK):
        block, place = data[within : within + BLOCK], offset + within
        if place in unreadable:
            continue
        if pattern.matches(block, place):
            block[:] = bytes(len(block))
        else:
            odd += 1
            _note(block, place, result)
    result.differing_blocks += odd
    if odd and len(result.found) < _MOST_FOUND:
        result.found += signatures.files_in(data, offset)
        result.carved += carving.carve(data, offset)


def _search(data: memoryview, offset: int, result: ReadBack) -> None:
    """Marks that make sense as a file or superblock. In noise a short mark turns up by chance and says nothing."""
    if _is_zero(data) or len(result.found) >= _MOST_FOUND:
        return
    for seen, kept in ((signatures.files_in(data, offset), result.found), (carving.carve(data, offset), result.carved)):
        for one in seen:
            within = (one.offset - offset) // BLOCK * BLOCK
            block = data[within : within + BLOCK]
            look = look_of(block)
            if look != "random-looking":
                kept.append(one)
                result.map.note(offset + within, 1, look)


def _note(block: memoryview, place: int, result: ReadBack) -> None:
    if len(result.examples) < _EXAMPLES:
        result.examples.append(place)
    if sum(result.looks.values()) < _MOST_LOOKS or not result.map.knows(place):
        look = look_of(block)
        result.looks[look] += 1
        # Zero where a stream should be was not written: it differs like anything else.
        result.map.note(place, 1, "differing" if look == "zero" else look)
    else:
        result.map.note(place, 1, "differing")
