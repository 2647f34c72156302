"""Overwrite every addressable block with zeros, telling at checkpoints how far it is safe.

A checkpoint is announced only after the drive has synced what lies before it, so after a power cut the
work goes on there and nothing before it was missed. One bad block does not stop the work: its chunk is
tried again block by block, what stays bad is counted, and the medium then counts as not wiped.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wipe_agent.errors import WriteFailed
from wipe_agent.media import Target, buffer

CHUNK = 8 * 1024 * 1024
CHECKPOINT = 256 * 1024 * 1024
BLOCK = 4096
RETRIES = 2
# While one chunk is on its way the next is handed over; fast drives are some 20 % faster so, others not slower.
IN_FLIGHT = 2
# Beyond this the drive is dying, and going on only takes days.
MOST_BAD_BLOCKS = 65_536

# What a bad spot on a medium answers. Everything else (no space, drive gone) is not the medium's block.
_BAD_SPOT = (errno.EIO, errno.EREMOTEIO, errno.EILSEQ, errno.ENODATA, errno.ETIMEDOUT)


@dataclass
class Outcome:
    """How far the overwrite came: bytes from the start, and how many 4 KiB blocks did not take the write."""

    done: int
    bad_blocks: int


def overwrite_zeros(
    target: Target,
    *,
    start: int,
    bad_blocks: int,
    checkpoint: Callable[[Outcome], object],
    progress: Callable[[int], None],
) -> Outcome:
    """Overwrite from byte `start` to the end.

    `checkpoint` is called after each sync with what is safe so far, `progress` after each chunk with the
    bytes done. Raises WriteFailed (sync failed, drive gone, no space) and DeviceChanged.
    """
    zeros = buffer(CHUNK)
    outcome = Outcome(start, bad_blocks)

    def write(offset: int) -> tuple[int, int]:
        length = min(CHUNK, target.size - offset)
        target.check_same()
        return length, _write_chunk(target, zeros[:length], offset)

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        while outcome.done < target.size:
            end = min(outcome.done + CHECKPOINT, target.size)
            for length, bad in pool.map(write, range(outcome.done, end, CHUNK)):
                outcome.done += length
                outcome.bad_blocks += bad
                progress(outcome.done)
                _give_up_on_a_dying_drive(target, outcome)
            _sync(target)
            # Looked at again before it is announced: a file cut meanwhile would have grown back as a hole.
            target.check_same()
            checkpoint(outcome)
    return outcome


def _write_chunk(target: Target, zeros: memoryview, offset: int) -> int:
    """Write one chunk. Returns how many of its blocks stayed bad."""
    try:
        target.write(zeros, offset)
    except OSError as error:
        if error.errno not in _BAD_SPOT:
            raise _failed(target, error) from error
        return sum(_is_bad(target, zeros[at : at + BLOCK], offset + at) for at in range(0, len(zeros), BLOCK))
    return 0


def _is_bad(target: Target, block: memoryview, offset: int) -> bool:
    """The chunk has a bad spot: try its blocks one by one, leave what stays bad, go on."""
    for _ in range(RETRIES + 1):
        try:
            target.write(block, offset)
            return False
        except OSError as error:
            if error.errno not in _BAD_SPOT:
                raise _failed(target, error) from error
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


def _failed(target: Target, error: OSError) -> WriteFailed:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return WriteFailed(
            f"{target.path} takes no more data ({error.strerror}).",
            next_step="Free space on the disk the image lies on and run the same command again.",
        )
    return WriteFailed(f"{target.path} stopped taking data ({error.strerror}).")
