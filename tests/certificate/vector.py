"""One test vector: a bundle and what a verifier must say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class Vector:
    """A bundle and what a verifier must say: `fails` names the first check that does not hold, None means it verifies.

    `fails` is `bundle` where the bundle itself cannot be read. `cautions` names the checks that come out as a caution,
    where the vector says so.
    """

    name: str
    reason: str
    fails: str | None
    files: Files
    training: bool = False
    trust: str = "trust.json"
    at: str = "2026-03-03T12:00:00Z"
    zipped: bytes | None = None
    cautions: Sequence[str] | None = None
