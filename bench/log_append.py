"""How proof time grows with the log: a million certificates are appended, and proofs are made at each power of ten.

The real thing: `log.append_all` as the steps use it, the database's numbers and tiles, the signer's rules and store.
Ours are proofs a second out of a million entries, versus proofs a second out of a thousand. A tree of a million is
twice as high, so a ratio of one half is log n; reading everything would be a thousandth. Each proof is also checked,
beside the clock. SIZE=n takes another end.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from bench import log_stage
from bench.paired import Result, measure
from ewaste.core.database import Database
from ewaste.keeper import Publisher
from ewaste.transparency import log, sequencer
from tests.transparency.stage import ISSUER, NearSigner, digest, store
from wipe_agent.certificate import log as fmt

BEGIN, AT_ONCE, PROOFS = 1_000, 5_000, 200
END = int(os.environ.get("SIZE", "1000000"))


def run(pairs: int) -> Result:
    """Proofs a second out of the whole log, against proofs a second out of its first thousand entries."""
    chosen = random.Random(5)
    with log_stage.database() as database, tempfile.TemporaryDirectory() as folder:
        held = store(Path(folder))
        publisher = Publisher(database, NearSigner(Path(), held), lambda: datetime.now(UTC))
        began, before = time.perf_counter(), 0
        for size in sizes():
            grow(database, before, size)
            publisher.once()
            rate = proofs(database, [chosen.randrange(before, size) for _ in range(PROOFS)], held.vkey, size)
            spent = time.perf_counter() - began
            print(f"  {size:>9,} entries after {spent:>6.1f} s: {1000 / rate:.3f} ms a proof", flush=True)
            before, last = size, before
        return measure(
            "log-append/proof",
            "proofs/s",
            lambda: proofs(database, [chosen.randrange(last, END) for _ in range(PROOFS)], held.vkey, END),
            lambda: proofs(database, [chosen.randrange(BEGIN) for _ in range(PROOFS)], held.vkey, BEGIN),
            pairs=pairs,
        )


def sizes() -> Iterator[int]:
    """A thousand, ten thousand and so on, up to the end."""
    size = BEGIN
    while size < END:
        yield size
        size *= 10
    yield END


def grow(database: Database, before: int, size: int) -> None:
    """Append certificates and give them their numbers; one head is left to be signed."""
    for first in range(before, size, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, size))
        with database.transaction() as session:
            leaves = [("wipe-certificate", ISSUER, digest(number)) for number in numbers]
            log.append_all(session, leaves, now=datetime.now(UTC))
        with database.transaction() as session:
            sequencer.advance(session, now=datetime.now(UTC))


def proofs(database: Database, numbers: list[int], vkey: fmt.VerifierKey, size: int) -> float:
    """Proofs a second. Each is checked, outside the time: it proves its entry, in the log of this size."""
    spent = 0.0
    for number in numbers:
        with database.transaction() as session:
            began = time.perf_counter()
            proof = log.proof_for(session, digest(number))
            spent += time.perf_counter() - began
        if proof is None or proof.size != size:
            raise RuntimeError(f"entry {number} has no proof in the log of {size}")
        leaf = fmt.Leaf("wipe-certificate", ISSUER, digest(number))
        if fmt.verify_proof(fmt.LogProof.parse(proof.text), leaf.data, [vkey]).index != proof.index:
            raise RuntimeError(f"entry {number} has another number")
    return len(numbers) / spent
