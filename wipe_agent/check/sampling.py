"""A read in samples instead of a full one, drawn so that anybody can draw the same again.

To see a leftover share f of the drive with confidence p one needs n = ceil(ln(1 - p) / ln(1 - f)) blocks, drawn at
random and each anew (with putting back). It says nothing of leftovers smaller than f, which is why the full read is
the default.

The places follow from what stands on the certificate:

    seed    = HMAC-SHA256(key = challenge of the work order, message = "wipe-agent sampling v1\\n" + id of the medium)
    place i = first 8 bytes of HMAC-SHA256(key = seed, message = i as 8 bytes), big-endian, modulo the number of
              4 KiB blocks of the drive; i from 0 to n - 1. A last block that is shorter counts as one.

The challenge comes from the marketplace, so the station does not choose where it looks; the drive does not know it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from math import ceil, log
from typing import Any

from wipe_agent.errors import BadUsage

BLOCK = 4096
_LABEL = b"wipe-agent sampling v1\n"
MOST_SAMPLES = 10_000_000


@dataclass(frozen=True)
class SamplePlan:
    """How a sampled read is drawn. Share and confidence per million; `seed` in hexadecimal."""

    fraction_ppm: int
    confidence_ppm: int
    samples: int
    seed: str

    def places(self, size: int) -> list[int]:
        """Where to read, in bytes, in order and each place once, on a drive of `size` bytes."""
        seed, blocks = bytes.fromhex(self.seed), -(-size // BLOCK)
        drawn = {
            int.from_bytes(_hmac(seed, number.to_bytes(8, "big"))[:8], "big") % blocks for number in range(self.samples)
        }
        return [block * BLOCK for block in sorted(drawn)]

    def as_facts(self) -> dict[str, Any]:
        return {
            "fraction_ppm": self.fraction_ppm,
            "confidence_ppm": self.confidence_ppm,
            "samples": self.samples,
            "seed": self.seed,
        }


def samples_needed(fraction_ppm: int, confidence_ppm: int) -> int:
    """n for a share and a confidence, both per million.

    Raises BadUsage outside of 1 to 999,999, and for more than 10 million samples.
    """
    for name, value in (("share", fraction_ppm), ("confidence", confidence_ppm)):
        if not 0 < value < 1_000_000:
            raise BadUsage(f"A {name} of {value} per million cannot be sampled.", next_step="Read in full instead.")
    needed = ceil(log(1 - confidence_ppm / 1e6) / log(1 - fraction_ppm / 1e6))
    if needed > MOST_SAMPLES:
        raise BadUsage(f"That takes {needed} samples; a full read is faster.", next_step="Read in full instead.")
    return needed


def plan_sample(challenge: str, medium_id: str, *, fraction_ppm: int, confidence_ppm: int) -> SamplePlan:
    """The plan for one medium of an order. Raises BadUsage as `samples_needed`."""
    seed = _hmac(challenge.encode(), _LABEL + medium_id.encode())
    return SamplePlan(fraction_ppm, confidence_ppm, samples_needed(fraction_ppm, confidence_ppm), seed.hex())


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()
