"""What is on the drive before the wipe: the positive control that an empty scan afterwards is measured against.

Small drives are looked at in full. Large ones at both ends and at 459 places chosen by a seed that is noted: with 99 %
certainty that sees data which fills 1 % of the drive, n = ceil(ln(1 - 0.99) / ln(1 - 0.01)). This is a control
of the scanner and no evidence of the wipe; the evidence is the full read afterwards.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from wipe_agent.check import carving, signatures, tools
from wipe_agent.check.blockmap import BlockMap
from wipe_agent.check.looks import look_of
from wipe_agent.check.readback import BLOCK, differing_blocks
from wipe_agent.check.signatures import Found
from wipe_agent.media import Target, buffer

WHOLE_UP_TO = 1024 * 1024 * 1024
PIECE = 8 * 1024 * 1024
SAMPLES = 459
SAMPLE = 64 * 1024
_MOST_KEPT = 100_000
Progress = Callable[[int, int], None]


@dataclass
class Survey:
    """What was recognised, over how many bytes, and whether all of it was looked at."""

    whole: bool
    seed: int
    map: BlockMap
    looked: int = 0
    used_blocks: int = 0
    unreadable: int = 0
    found: list[Found] = field(default_factory=list)
    carved: list[Found] = field(default_factory=list)
    tools: dict[str, list[str]] = field(default_factory=dict)

    def as_facts(self) -> dict[str, Any]:
        return {
            "whole": self.whole,
            "seed": self.seed,
            "looked": self.looked,
            "used_blocks": self.used_blocks,
            "unreadable_pieces": self.unreadable,
            "found": signatures.tally(self.found),
            "carved": signatures.tally(self.carved),
            "tools": self.tools,
            "map": self.map.as_facts(),
        }


def survey(
    target: Target, *, seed: int, progress: Progress = lambda looked, of: None, run: tools.Run = tools.run_tool
) -> Survey:
    """Look at the drive. Unreadable places are counted and passed over.

    `progress` is told the bytes looked at and how many there are to look at.
    """
    result = Survey(target.size <= WHOLE_UP_TO, seed, BlockMap(target.size))
    memory = buffer(PIECE)
    places = _places(target.size, seed)
    passed, whole = 0, sum(length for _, length in places)
    for offset, length in places:
        progress(passed, whole)
        passed += length
        piece = memory[:length]
        try:
            target.read_into(piece, offset)
        except OSError:
            result.unreadable += 1
            result.map.note(offset, length, "unreadable")
            continue
        result.looked += length
        result.map.note(offset, length, "zero")
        used = differing_blocks(piece, 0)
        if not used:
            continue
        result.used_blocks += len(used)
        for place in used:
            # One block of each cell tells what the map shows; all of them would take longer than the reading.
            if not result.map.knows(offset + place):
                result.map.note(offset + place, 1, look_of(piece[place : place + BLOCK]))
        if len(result.found) < _MOST_KEPT:
            result.found += signatures.files_in(piece, offset)
            result.carved += carving.carve(piece, offset)
    progress(passed, whole)
    result.found += file_systems(target)
    result.tools = tools.signatures_on(target.path, run)
    return result


def file_systems(target: Target) -> list[Found]:
    """File systems at the start of the drive and of each partition that its tables name."""

    def read(offset: int, length: int) -> bytes:
        start = offset // BLOCK * BLOCK
        end = min(target.size, -(-(offset + length) // BLOCK) * BLOCK)
        memory = buffer(max(end - start, 1))[: end - start]
        try:
            target.read_into(memory, start)
        except OSError:
            return b""
        return memory.tobytes()[offset - start : offset - start + length]

    found = signatures.file_systems_at(read, 0, target.size)
    for start in signatures.partitions(read, target.size):
        found += signatures.file_systems_at(read, start, target.size)
    return found


def _places(size: int, seed: int) -> list[tuple[int, int]]:
    if size <= WHOLE_UP_TO:
        return [(offset, min(PIECE, size - offset)) for offset in range(0, size, PIECE)]
    end = size // BLOCK * BLOCK
    chosen = random.Random(seed)  # noqa: S311 - the places of a sample are noted, not secret
    samples = sorted(chosen.randrange(PIECE // BLOCK, (end - PIECE) // BLOCK) * BLOCK for _ in range(SAMPLES))
    return [(0, PIECE), *((place, SAMPLE) for place in samples), (end - PIECE, PIECE)]
