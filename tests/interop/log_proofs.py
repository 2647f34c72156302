"""Proofs of our own log code, written down for an independent implementation to check.

Leaf number n of this practice log is the text `leaf n`. All proofs of every size up to 70, and random ones of sizes up
to a million: the same on every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from wipe_agent.certificate import log

EVERY_SIZE_TO = 70
LARGEST = 1_000_000
AT_RANDOM = 400


class Tree:
    """The hashes of every complete subtree of the first leaves, in memory: what a `HashReader` reads."""

    def __init__(self, size: int) -> None:
        self._hashes: dict[log.Node, bytes] = {}
        frontier = log.Frontier()
        for first in range(0, size, 10_000):
            leaves = [log.leaf_hash(b"leaf %d" % number) for number in range(first, min(size, first + 10_000))]
            frontier, made = frontier.extend(leaves)
            self._hashes.update(made)

    def __call__(self, nodes: Sequence[log.Node]) -> list[bytes]:
        return [self._hashes[node] for node in nodes]


def written(seed: int = 6962) -> dict[str, Any]:
    """Roots by size and lists of proofs, hashes in hex: {roots, inclusion: [[index, size, …]], consistency}."""
    tree, random = Tree(LARGEST), Random(seed)
    inclusion = [(index, size) for size in range(1, EVERY_SIZE_TO + 1) for index in range(size)]
    consistency = [(old, size) for size in range(1, EVERY_SIZE_TO + 1) for old in range(1, size)]
    for _ in range(AT_RANDOM):
        # Sizes of every length are as likely, so that small and large trees both come.
        size = random.randrange(2 ** random.randint(7, 19), LARGEST)
        inclusion.append((random.randrange(size), size))
        consistency.append((random.randrange(1, size), size))
    inclusion += [(0, LARGEST), (LARGEST - 1, LARGEST)]
    consistency += [(1, LARGEST), (2**19, LARGEST), (LARGEST - 1, LARGEST)]
    sizes = {0, *(size for pair in consistency for size in pair), *(size for _, size in inclusion)}
    return {
        "roots": {size: log.root(size, tree).hex() for size in sorted(sizes)},
        "inclusion": [
            [index, size, [hash_.hex() for hash_ in log.inclusion_proof(index, size, tree)]]
            for index, size in inclusion
        ],
        "consistency": [
            [old, size, [hash_.hex() for hash_ in log.consistency_proof(old, size, tree)]] for old, size in consistency
        ],
    }
