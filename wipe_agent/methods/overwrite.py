"""Overwrite every addressable block, telling at checkpoints how far it is safe.

What is written is a pattern: zeros, or a stream that is made while the chunk before it is written.
A checkpoint is announced only after the drive has synced what lies before it, so after a power cut the
work goes on there and nothing before it was missed. One bad block does not stop the work: its chunk is
tried again block by block, what stays bad is counted and listed, and the medium then counts as not wiped.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import local

from wipe_agent.errors import WriteFailed
from wipe_agent.media import Target, buffer
from wipe_agent.methods.stream import ZEROS, Pattern

CHUNK = 8 * 1024 * 1024
CHECKPOINT = 256 * 1024 * 1024
BLOCK = 4096
RETRIES = 2
# While one chunk is on its way the next is handed over; fast drives are some 20 % faster so, others not slower.
IN_FLIGHT = 2
# Beyond this the drive is dying, and going on only takes days.
MOST_BAD_BLOCKS = 65_536
MOST_RANGES = 1_000

# What a bad spot on a medium answers. Everything else (no space, drive gone) is not the medium's block.
_BAD_SPOT = (errno.EIO, errno.EREMOTEIO, errno.EILSEQ, errno.ENODATA, errno.ETIMEDOUT)


@dataclass
class Outcome:
    """How far the overwrite came: bytes from the start, and how many 4 KiB blocks did not take the write.

    `bad_at` lists these as ranges `[first byte, bytes]`, the first 1,000 of them; the count is always whole.
    """

    done: int
    bad_blocks: int
    bad_at: list[list[int]] = field(default_factory=list)


def overwrite_zeros(
    target: Target,
    *,
    start: int,
    bad_blocks: int,
    checkpoint: Callable[[Outcome], object],
    progress: Callable[[int], None],
) -> Outcome:
    """Overwrite with zeros from byte `start` to the end; all else as `overwrite_with`."""
    return overwrite_with(target, ZEROS, Outcome(start, bad_blocks), checkpoint=checkpoint, progress=progress)


def overwrite_with(
    target: Target,
    pattern: Pattern,
    outcome: Outcome,
    *,
    checkpoint: Callable[[Outcome], object],
    progress: Callable[[int], None],
) -> Outcome:
    """Overwrite from where `outcome` stands (a whole block) to the end.

    `checkpoint` is called after each sync with what is safe so far, `progress` after each chunk with the
    bytes done. Raises WriteFailed (sync failed, drive gone, no space) and DeviceChanged.
    """
    own = local()  # Each thread makes its chunk in memory of its own, while the other's is being written.

    def write(offset: int) -> tuple[int, list[int]]:
        length = min(CHUNK, target.size - offset)
        if not hasattr(own, "memory"):
            own.memory = buffer(CHUNK)
        chunk = pattern.chunk(own.memory[:length], offset)
        target.check_same()
        return length, _write_chunk(target, chunk, offset)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        while outcome.done < target.size:
            end = min(outcome.done + CHECKPOINT, target.size)
            for length, bad in pool.map(write, range(outcome.done, end, CHUNK)):
                outcome.done += length
                outcome.bad_blocks += len(bad)
                for place in bad:
                    add_range(outcome.bad_at, place, min(BLOCK, target.size - place))
                progress(outcome.done)
                _give_up_on_a_dying_drive(target, outcome)
            _sync(target)
            # Looked at again before it is announced: a file cut meanwhile would have grown back as a hole.
            target.check_same()
            checkpoint(outcome)
    return outcome


def add_range(ranges: list[list[int]], place: int, length: int) -> None:
    """Note `length` bytes at `place`, after all that were noted before: neighbours become one range."""
    if ranges and sum(ranges[-1]) == place:
        ranges[-1][1] += length
    elif len(ranges) < MOST_RANGES:
        ranges.append([place, length])


def _write_chunk(target: Target, chunk: memoryview, offset: int) -> list[int]:
    """Write one chunk. Returns the places of its blocks that stayed bad."""
    try:
        target.write(chunk, offset)
    except OSError as error:
        if not is_bad_spot(error):
            raise stopped(target, error) from error
        places = range(0, len(chunk), BLOCK)
        return [offset + at for at in places if _is_bad(target, chunk[at : at + BLOCK], offset + at)]
    return []


def _is_bad(target: Target, block: memoryview, offset: int) -> bool:
    """The chunk has a bad spot: try its blocks one by one, leave what stays bad, go on."""
    for _ in range(RETRIES + 1):
        try:
            target.write(block, offset)
            return False
        except OSError as error:
            if not is_bad_spot(error):
                raise stopped(target, error) from error
    return True


def _give_up_on_a_dying_drive(target: Target, outcome: Outcome) -> None:
    if outcome.bad_blocks > MOST_BAD_BLOCKS:
        raise WriteFailed(
            f"{target.path} refuses writes at more than {MOST_BAD_BLOCKS} blocks: the drive is dying.",
            next_step="Destroy the medium and record it: wipe-agent certify --destroyed SERIAL ...",
        )


def _sync(target: Target) -> None:
    try:
        target.sync()
    except OSError as error:
        raise WriteFailed(
            f"{target.path} did not confirm that the data is on the medium ({error.strerror}). "
            "This is not tried again: a second answer would prove nothing."
        ) from error


def is_bad_spot(error: OSError) -> bool:
    """Whether the medium has a bad block there, and not the whole drive or the disk under an image is at its end."""
    return error.errno in _BAD_SPOT


def stopped(target: Target, error: OSError) -> WriteFailed:
    """The error in words, for a drive that takes no more data."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return WriteFailed(
            f"{target.path} takes no more data ({error.strerror}).",
            next_step="Free space on the disk the image lies on and run the same command again.",
        )
    return WriteFailed(f"{target.path} stopped taking data ({error.strerror}).")
