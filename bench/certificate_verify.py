"""How fast certificates are verified: strict reading, shape and proof, against the raw Ed25519 verifications in them.

1,000 distinct certificates of one drive each, as an agent writes them. Nothing is cached but the key. The raw side
verifies the same signatures over the same 64 bytes that the proof signs, already parsed. Both are measured in seconds
of the processor, which a busy machine disturbs less than the clock on the wall.
"""

from __future__ import annotations

import time

from bench.certificates import CERTIFICATES, certificates, key, signed
from bench.paired import Result, measure
from wipe_agent import certificate as wipe


def run(pairs: int) -> Result:
    """Certificates a second, each read and verified once a pair."""
    made = certificates(key())
    if len(set(made)) != CERTIFICATES:
        raise ValueError("the certificates are not distinct")
    public = key().public_key()
    raw = [signed(data) for data in made]

    def ours() -> float:
        began = time.process_time()
        for data in made:
            wipe.read_certificate(data, public)
        return CERTIFICATES / (time.process_time() - began)

    def versus() -> float:
        began = time.process_time()
        for signature, message in raw:
            public.verify(signature, message)
        return CERTIFICATES / (time.process_time() - began)

    ours()  # Once unmeasured, so that both begin warm.
    return measure("certificate-verify/ed25519", "certificates/s", ours, versus, pairs=pairs)
