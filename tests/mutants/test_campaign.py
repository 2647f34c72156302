"""A small share of `make mutants`, and proof that the campaign can fail: weakened verifiers are caught."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.certificate import scene as s
from tests.mutants import campaign
from tests.mutants.campaign import Outcome, alike, gate, run
from tests.mutants.makers import MAKERS, mutants
from tests.mutants.pool import Pool, pool
from wipe_agent import certificate as wipe
from wipe_agent.certificate import proof, strict, trust

SHARE = 1_000


def test_every_bundle_of_the_pool_is_accepted_as_it_is() -> None:
    valid = pool()
    assert [gate(files, valid.trust) for files in valid.bundles] == [(True, "accepted")] * 9
    assert len(valid.said) == 9


def test_a_share_of_the_mutants_is_refused_and_read_alike() -> None:
    outcome = run(46_864, SHARE, pool())
    assert outcome.problems == []
    assert sum(outcome.made.values()) == SHARE
    assert outcome.made.keys() == {name for name, _, _ in MAKERS}
    assert 0 < outcome.same < SHARE // 5
    assert outcome.compared > SHARE // 4
    assert {
        "readable",
        "context",
        "type",
        "shape",
        "certificate-proof",
        "accreditation-proof",
        "work-order-proof",
    } <= set(outcome.reasons)


def test_the_same_seed_makes_the_same_mutants_and_another_one_others() -> None:
    made = [list(mutants(seed, 40, pool())) for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]


def test_readers_are_compared_type_by_type() -> None:
    assert alike({"a": [1, "x", None]}, {"a": [1, "x", None]})
    others: list[object] = [True, 1.0, "1", None, [1], {}]
    for other in others:
        assert not alike({"a": 1}, {"a": other})
    assert not alike({"a": 1}, {"a": 1, "b": 2})
    assert not alike([1], [1, 2])


def _caught(share: int = 400, seed: int = 7) -> Outcome:
    outcome = run(seed, share, pool())
    assert outcome.problems, "the campaign saw nothing"
    return outcome


def test_a_verifier_that_checks_no_signatures_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "check_signature", lambda options, unsigned, key: None)
    kinds = {problem.partition(",")[0] for problem in _caught().problems}
    assert kinds & {"resigned", "insiders", "proofs", "bits"}


def test_a_verifier_that_believes_the_bundle_s_own_keys_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = s.key("stranger").public_key()
    monkeypatch.setattr(trust.Trust, "key", lambda self, method, role: stranger)
    monkeypatch.setattr(campaign, "mutants", _only("own-papers"))
    assert all("it was accepted" in problem for problem in _caught(60).problems)


def test_a_reader_that_takes_a_member_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "_CAREFUL", strict._QUICK)
    monkeypatch.setattr(campaign, "mutants", _only("duplicates"))
    assert any("it was accepted" in problem for problem in _caught(200).problems)


def test_a_reader_that_takes_any_spelling_of_a_number_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    careless = json.JSONDecoder(parse_float=lambda digits: int(float(digits)), parse_constant=lambda name: 0)
    monkeypatch.setattr(strict, "_QUICK", careless)
    monkeypatch.setattr(strict, "_CAREFUL", careless)
    monkeypatch.setattr(campaign, "mutants", _only("numbers"))
    assert any("it was accepted" in problem for problem in _caught(200).problems)


def test_a_reader_that_passes_over_broken_letters_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(data: bytes, *, what: str = "document") -> tuple[dict[str, Any], bytes, bytes]:
        return strict.read_signed(data.decode("utf-8", "ignore").encode(), what=what)

    monkeypatch.setattr(sys.modules["wipe_agent.certificate.verify"], "read_signed", careless)
    monkeypatch.setattr(campaign, "mutants", _only("not-utf-8"))
    assert any("it was accepted" in problem for problem in _caught(60).problems)


def test_a_reader_that_drops_what_nobody_sees_is_caught_by_the_second_library(monkeypatch: pytest.MonkeyPatch) -> None:
    read = wipe.read

    def careless(data: bytes, *, what: str = "document") -> dict[str, Any]:
        return read(data.replace("\u200b".encode(), b""), what=what)

    monkeypatch.setattr(wipe, "read", careless)
    monkeypatch.setattr(campaign, "mutants", _only("lookalikes"))
    assert any("two documents" in problem for problem in _caught(400).problems)


def _only(kind: str) -> Callable[[int, int, Pool], Any]:
    """Mutants of one kind."""
    maker = next(maker for name, maker, _ in MAKERS if name == kind)

    def made(seed: int, count: int, valid: Pool) -> Any:
        random = Random(seed)
        return ((kind, maker(random, valid)) for _ in range(count))

    return made
