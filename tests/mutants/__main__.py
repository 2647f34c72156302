"""`make mutants`: a million seeded mutants against the gate, on two processes; the time is told.

    python -m tests.mutants [HOW MANY] [SEED]

Shares of 5,000 each have a seed of their own, made of SEED and their number, so that the number of processes changes
nothing. Exit code 0 when nothing was accepted that should not be and both readers saw the same; 1 otherwise.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from tests.mutants.campaign import Outcome, gate, run
from tests.mutants.pool import pool

SHARE = 5_000
PROCESSES = 2


def main(words: list[str]) -> int:
    """Run the campaign and print what came out."""
    count, seed = _asked(words)
    shares = [min(SHARE, count - first) for first in range(0, count, SHARE)]
    valid = pool()
    if not all(gate(files, valid.trust)[0] for files in valid.bundles):
        print("A bundle that nobody changed is refused. The campaign would prove nothing.", file=sys.stderr)
        return 1
    began, whole = time.monotonic(), Outcome()
    with ProcessPoolExecutor(PROCESSES) as processes:
        for number, outcome in enumerate(processes.map(_share, range(len(shares)), shares, repeat(seed)), 1):
            whole.add(outcome)
            if number % 10 == 0:
                made = sum(whole.made.values())
                print(f"  {made:,} mutants, {time.monotonic() - began:.0f} s, {len(whole.problems)} wrong", flush=True)
    _tell(whole, seed, time.monotonic() - began)
    return 1 if whole.problems else 0


def _asked(words: list[str]) -> tuple[int, int]:
    return int(words[0]) if words else 1_000_000, int(words[1]) if len(words) > 1 else 46_864


def _share(number: int, size: int, seed: int) -> Outcome:
    return run(seed * 1_000_003 + number, size, pool())


def _tell(whole: Outcome, seed: int, seconds: float) -> None:
    made = sum(whole.made.values())
    print(
        f"{made:,} mutants of {len(pool().bundles)} bundles, seed {seed}: {seconds:.0f} s on {PROCESSES} processes "
        f"and {os.cpu_count()} cores. The slowest took {whole.slowest_ms:.0f} ms."
    )
    print("  made     " + ", ".join(f"{name} {number:,}" for name, number in whole.made.most_common()))
    print("  refused  " + ", ".join(f"{name} {n:,}" for name, n in whole.reasons.most_common() if name != "accepted"))
    print(f"  {whole.same:,} said exactly what a valid bundle says, spelled otherwise or whole, and were accepted.")
    print(
        f"  {whole.compared:,} changed documents were taken by the strict reader, and a second library read the same."
    )
    for problem in whole.problems:
        print(f"  ✗ {problem}")
    print("None was accepted that should not be." if not whole.problems else "The gate let something through.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
