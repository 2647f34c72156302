"""The campaign: each mutant goes through the marketplace's gate and two readers, and what goes wrong is told.

The gate is what `journey.clearing` asks before it looks into the database: `open_bundle` and `verify` of the register.
A mutant may be accepted only when all three documents say what one valid bundle of the pool says, and is not of a kind
that must never be read. Whatever the strict reader takes, a second JSON library must read as the very same document:
the parser of pydantic-core (jiter, written in Rust), which shares nothing with the standard library's.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from unittest.mock import patch

from pydantic_core import from_json

from ewaste.certificates import registry
from ewaste.core.refusals import Invalid
from tests.certificate import scene as s
from tests.mutants.makers import NEVER, mutants
from tests.mutants.pool import ADDED, DOCUMENTS, Files, Pool
from wipe_agent import certificate as wipe
from wipe_agent.certificate import log

MOST_TOLD = 20


@dataclass
class Outcome:
    """What came out of a share of the campaign. `problems` is empty when everything held."""

    seconds: float = 0.0
    slowest_ms: float = 0.0
    made: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """The first check that failed, or what else refused the mutant."""
    same: int = 0
    """Accepted, because they say exactly what a valid bundle says."""
    compared: int = 0
    """Documents that the strict reader took and both readers read alike."""
    problems: list[str] = field(default_factory=list)

    def tell(self, kind: str, number: int, seed: int, problem: str) -> None:
        """Note what went wrong with one mutant, so that it can be made again. The first ones of a share are enough."""
        if len(self.problems) < MOST_TOLD:
            self.problems.append(f"{kind}, number {number} of seed {seed}: {problem}")

    def add(self, other: Outcome) -> None:
        """Put another share's outcome to this one; the times of shares that ran side by side are not added."""
        self.seconds = max(self.seconds, other.seconds)
        self.slowest_ms = max(self.slowest_ms, other.slowest_ms)
        self.made += other.made
        self.reasons += other.reasons
        self.same += other.same
        self.compared += other.compared
        self.problems += other.problems


def run(seed: int, count: int, pool: Pool) -> Outcome:
    """Judge `count` mutants of this seed."""
    outcome = Outcome()
    began = time.perf_counter()
    # The gate parses the trust file each time it is asked. It is the same one here, and reading it takes a seventh.
    with patch.object(wipe.Trust, "parse", lru_cache(wipe.Trust.parse)):
        _judge(seed, count, pool, outcome)
    outcome.seconds = time.perf_counter() - began
    return outcome


def _judge(seed: int, count: int, pool: Pool, outcome: Outcome) -> None:
    said, added = pool.said, pool.added
    known = frozenset(content for files in pool.bundles for content in files.values())
    for number, (kind, files) in enumerate(mutants(seed, count, pool)):
        outcome.made[kind] += 1
        before = time.perf_counter()
        try:
            accepted, why = gate(files, pool.trust)
        except Exception as error:  # noqa: BLE001 - whatever it is, the gate must not fall over anything that is sent
            outcome.tell(kind, number, seed, f"the gate fell over it: {error!r}")
            continue
        outcome.slowest_ms = max(outcome.slowest_ms, (time.perf_counter() - before) * 1000)
        outcome.reasons[why] += 1
        problems = list(_differences(files, known, outcome))
        if accepted and (kind in NEVER or _says(files) not in said):
            problems.append("it was accepted")
        elif accepted and (other := next((name for name in ADDED if not _known(name, files, added)), None)):
            problems.append(f"it was accepted with a {other} that nobody made")
        elif accepted:
            outcome.same += 1
        for problem in problems:
            outcome.tell(kind, number, seed, problem)


def gate(files: Files, trust: bytes) -> tuple[bool, str]:
    """Whether the marketplace's verification takes a bundle, and else what refused it."""
    try:
        texts = _as_sent(files)
    except Invalid:
        return False, "no bundle"
    if texts is None:
        verified = registry.verify_publicly(files, trust, at=s.AT, training=False)
        return verified.refusal is None, "not text"
    examined = registry.open_bundle(texts)
    try:
        registry.verify(examined, trust, at=s.AT, training=False)
    except registry.CertificateRefused:
        failed = next((check["name"] for check in examined.checks if not check["ok"]), "bundle")
        return False, str(failed)
    return True, "accepted"


def _as_sent(files: Files) -> dict[str, str] | None:
    """The texts of a bundle as the API gets them; None when they are no text, which no JSON can carry."""
    if "bundle.zip" in files:
        return registry.unzip(files["bundle.zip"])
    try:
        return {name: content.decode() for name, content in files.items()}
    except UnicodeDecodeError:
        return None


def _says(files: Files) -> tuple[bytes, ...]:
    if "bundle.zip" in files:
        texts = registry.unzip(files["bundle.zip"])
        files = {name: text.encode() for name, text in texts.items()}
    return tuple(wipe.canonical(wipe.read(files[name])) for name in DOCUMENTS)


def _known(name: str, files: Files, added: Mapping[str, frozenset[bytes]]) -> bool:
    """Whether an accepted bundle has this file not at all, or as one of the valid bundles has it."""
    content = files.get(name)
    if content is None or content in added[name]:
        return True
    if name == "log-proof.txt":
        # The proof of a log that nobody trusts counts as none: a caution. In that of ours, lines of keys that nobody
        # trusts are passed over.
        if log.LogProof.parse(content).checkpoint.partition(b"\n")[0] != s.LOG.encode():
            return True
        return _shown(content) in {_shown(each) for each in added[name]}
    return name.endswith(".json") and wipe.canonical(wipe.read(content)) in added[name]


def _shown(content: bytes) -> tuple[int, tuple[bytes, ...], str]:
    found = log.LogProof.parse(content)
    return found.index, found.hashes, log.Note.parse(found.checkpoint).text


def says_the_same(files: Files, valid: Files) -> bool:
    """Whether a bundle can be read, and says in all three documents what a valid one says."""
    try:
        return _says(files) == tuple(wipe.canonical(wipe.read(valid[name])) for name in DOCUMENTS)
    except (wipe.Unreadable, Invalid, KeyError):
        return False


def _differences(files: Files, known: frozenset[bytes], outcome: Outcome) -> Iterable[str]:
    """In what the two readers differ about documents that the strict one takes; of `known` ones that is known."""
    for name in DOCUMENTS:
        if (content := files.get(name)) is None or content in known:
            continue
        try:
            ours = wipe.read(content)
        except wipe.Unreadable:
            continue
        outcome.compared += 1
        try:
            theirs = from_json(content, allow_inf_nan=False, cache_strings="none")
        except ValueError as error:
            yield f"our reader takes {name}, the other one does not: {error}"
            continue
        if not alike(ours, theirs):
            yield f"the two readers see two documents in {name}"


def alike(one: Any, other: Any) -> bool:
    """Whether two documents are the same, types and all: Python takes 1, 1.0 and true for equal."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(alike(value, other[name]) for name, value in one.items())
    if type(one) is list:
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other)
