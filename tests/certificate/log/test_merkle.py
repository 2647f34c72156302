"""The tree against its definition in RFC 6962, against known answers, and against an independent implementation."""

import random
from collections.abc import Sequence
from hashlib import sha256

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wipe_agent.certificate import log

# The eight entries and the roots that the Certificate Transparency implementations test themselves with.
ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def slow_root(leaves: Sequence[bytes]) -> bytes:
    """MTH as RFC 6962, 2.1, defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    cut = largest_power_below(len(leaves))
    return sha256(b"\1" + slow_root(leaves[:cut]) + slow_root(leaves[cut:])).digest()


def slow_path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH as RFC 6962, 2.1.1, defines it."""
    if len(leaves) == 1:
        return []
    cut = largest_power_below(len(leaves))
    if index < cut:
        return [*slow_path(index, leaves[:cut]), slow_root(leaves[cut:])]
    return [*slow_path(index - cut, leaves[cut:]), slow_root(leaves[:cut])]


def slow_growth(old_size: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF as RFC 6962, 2.1.2, defines it."""
    if old_size == len(leaves):
        return [] if whole else [slow_root(leaves)]
    cut = largest_power_below(len(leaves))
    if old_size <= cut:
        return [*slow_growth(old_size, leaves[:cut], whole), slow_root(leaves[cut:])]
    return [*slow_growth(old_size - cut, leaves[cut:], False), slow_root(leaves[:cut])]


def largest_power_below(number: int) -> int:
    power = 1
    while power * 2 < number:
        power *= 2
    return power


class Kept:
    """All complete subtrees of a log, and how often they were asked for."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.frontier, made = log.Frontier().extend(log.leaf_hash(entry) for entry in entries)
        self.nodes = dict(made)
        self.asked = 0

    def __call__(self, nodes: Sequence[log.Node]) -> list[bytes]:
        self.asked += 1
        return [self.nodes[node] for node in nodes]


def test_the_known_roots_come_out() -> None:
    assert log.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for size, expected in enumerate(ROOTS, start=1):
        assert Kept(ENTRIES[:size]).frontier.root().hex() == expected


def test_the_known_proofs_come_out() -> None:
    kept = Kept(ENTRIES)
    assert [one.hex() for one in log.inclusion_proof(0, 8, kept)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [one.hex() for one in log.consistency_proof(6, 8, kept)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_every_proof_up_to_seventy_entries_is_that_of_the_rfc() -> None:
    entries = [f"entry {number}".encode() for number in range(70)]
    kept, roots = Kept(entries), [slow_root(entries[:size]) for size in range(71)]
    for size in range(71):
        assert log.root(size, kept) == roots[size]
        for index in range(size):
            proof = log.inclusion_proof(index, size, kept)
            assert list(proof) == slow_path(index, entries[:size])
            log.verify_inclusion(log.leaf_hash(entries[index]), index, size, proof, roots[size])
        for old in range(size + 1):
            proof = log.consistency_proof(old, size, kept)
            assert list(proof) == (slow_growth(old, entries[:size]) if old else [])
            log.verify_consistency(old, size, proof, roots[old], roots[size])


def test_every_proof_up_to_seventy_entries_is_that_of_an_independent_implementation() -> None:
    entries = [f"entry {number}".encode() for number in range(70)]
    kept, other = Kept(entries), pymerkle.InmemoryTree(algorithm="sha256")
    for size in range(1, 71):
        other.append_entry(entries[size - 1])
        assert log.root(size, kept) == other.get_root(size)
        for index in range(size):
            # Theirs begins with the leaf itself and counts from one.
            leaf, *path = other.prove_inclusion(index + 1, size).serialize()["path"]
            assert log.leaf_hash(entries[index]).hex() == leaf
            assert [one.hex() for one in log.inclusion_proof(index, size, kept)] == path
        for old in range(1, size):
            # Their proof of growth has another layout than the RFC's: what is compared is what each makes of it.
            pymerkle.verify_consistency(log.root(old, kept), log.root(size, kept), other.prove_consistency(old, size))
            with pytest.raises(pymerkle.InvalidProof):
                pymerkle.verify_consistency(b"\0" * 32, log.root(size, kept), other.prove_consistency(old, size))
            proof = list(log.consistency_proof(old, size, kept))
            assert rebuilt(old, size, proof, log.root(old, kept)) == (log.root(old, kept), other.get_root(size))
            assert proof == []


def rebuilt(old_size: int, size: int, proof: list[bytes], old_root: bytes, whole: bool = True) -> tuple[bytes, bytes]:
    """Both roots from a proof, by the recursion of RFC 6962, 2.1.2, run backwards; it takes the hashes off the end."""
    if old_size == size:
        hash_ = old_root if whole else proof.pop()
        return hash_, hash_
    cut = largest_power_below(size)
    neighbour = proof.pop()
    if old_size <= cut:
        old, new = rebuilt(old_size, cut, proof, old_root, whole)
        return old, sha256(b"\1" + new + neighbour).digest()
    old, new = rebuilt(old_size - cut, size - cut, proof, old_root, False)
    return sha256(b"\1" + neighbour + old).digest(), sha256(b"\1" + neighbour + new).digest()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1_000_000), st.data())
def test_proofs_at_random_places_of_a_million_entries_are_those_of_the_rfc_and_no_other_holds(
    size: int, data: st.DataObject
) -> None:
    kept = _large()
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))
    root = log.root(size, kept)
    assert root == kept.mth(0, size)
    proof = log.inclusion_proof(index, size, kept)
    assert list(proof) == kept.path(index, 0, size)
    log.verify_inclusion(kept.leaf(index), index, size, proof, root)
    growth = log.consistency_proof(old, size, kept)
    assert list(growth) == kept.growth(old, 0, size, True)
    log.verify_consistency(old, size, growth, log.root(old, kept), root)
    place = data.draw(st.integers(0, 10_000))
    for changed in _changed(proof, place):
        with pytest.raises(log.LogRefused):
            log.verify_inclusion(kept.leaf(index), index, size, changed, root)
    for changed in _changed(growth, place):
        with pytest.raises(log.LogRefused):
            log.verify_consistency(old, size, changed, log.root(old, kept), root)
    with pytest.raises(log.LogRefused):
        log.verify_inclusion(kept.leaf(index + 1), index, size, proof, root)


def test_a_proof_that_ends_early_late_or_elsewhere_is_refused_everywhere_up_to_twenty() -> None:
    entries = [bytes([number]) for number in range(20)]
    kept = Kept(entries)
    for size in range(1, 21):
        root = log.root(size, kept)
        for index in range(size):
            proof, leaf = log.inclusion_proof(index, size, kept), log.leaf_hash(entries[index])
            for wrong in (*_changed(proof, index), *([proof] if size > 1 else [])):
                place = index if wrong != proof else (index + 1) % size
                with pytest.raises(log.LogRefused):
                    log.verify_inclusion(leaf, place, size, wrong, root)
        for old in range(1, size):
            proof = log.consistency_proof(old, size, kept)
            for wrong in _changed(proof, old):
                with pytest.raises(log.LogRefused):
                    log.verify_consistency(old, size, wrong, log.root(old, kept), root)
            with pytest.raises(log.LogRefused):
                log.verify_consistency(old, size, proof, log.root(old - 1, kept), root)
            with pytest.raises(log.LogRefused):
                log.verify_consistency(old, size, proof, log.root(old, kept), log.root(size - 1, kept))


def test_a_log_that_lost_entries_or_has_two_faces_of_one_size_is_refused() -> None:
    one, two = Kept([b"a", b"b"]), Kept([b"a", b"c"])
    with pytest.raises(log.LogRefused, match="had 2 entries and now has 1: it lost some"):
        log.verify_consistency(2, 1, [], log.root(2, one), log.root(1, one))
    with pytest.raises(log.LogRefused, match="two different logs of 2 entries"):
        log.verify_consistency(2, 2, [], log.root(2, one), log.root(2, two))
    with pytest.raises(log.LogRefused, match="two different logs of 0 entries"):
        log.verify_consistency(0, 2, [], log.root(1, one), log.root(2, two))
    with pytest.raises(log.LogRefused, match="where none is needed"):
        log.verify_consistency(0, 2, [log.EMPTY_ROOT], log.EMPTY_ROOT, log.root(2, two))
    with pytest.raises(log.LogRefused, match="has 2 entries, so it has no entry 2"):
        log.verify_inclusion(log.leaf_hash(b"a"), 2, 2, [], log.root(2, one))
    with pytest.raises(ValueError, match="no leaf 2"):
        log.inclusion_proof(2, 2, one)
    with pytest.raises(ValueError, match="no beginning of 3"):
        log.consistency_proof(3, 2, one)


def test_a_proof_asks_for_its_hashes_once_and_for_few() -> None:
    kept = Kept([bytes([number]) for number in range(200)])
    log.inclusion_proof(77, 199, kept)
    log.consistency_proof(77, 199, kept)
    log.Frontier.of(199, kept)
    assert kept.asked == 3


@given(st.lists(st.binary(max_size=40), max_size=40), st.lists(st.binary(max_size=40), max_size=40))
def test_appending_in_two_steps_makes_the_same_tree_and_each_hash_once(first: list[bytes], then: list[bytes]) -> None:
    middle, made = log.Frontier().extend(map(log.leaf_hash, first))
    end, more = middle.extend(map(log.leaf_hash, then))
    whole = Kept([*first, *then])
    assert dict([*made, *more]) == whole.nodes
    assert len(made) + len(more) == len(whole.nodes)
    assert end == whole.frontier == log.Frontier.of(end.size, whole)
    assert end.root() == slow_root([*first, *then])


def test_a_frontier_with_a_subtree_too_few_is_refused() -> None:
    with pytest.raises(ValueError, match="A tree of 3 leaves has 2 complete subtrees"):
        log.Frontier(3, (b"\0" * 32,))
    with pytest.raises(ValueError, match="2 complete subtrees"):
        log.Frontier(3, (b"\0" * 32, b"\0" * 31))


def _changed(proof: Sequence[bytes], place: int) -> list[list[bytes]]:
    """The proof with a hash more, a hash less, and a bit flipped."""
    wrong = [[*proof, b"\0" * 32]]
    if proof:
        at = place % len(proof)
        flipped = bytes([proof[at][0] ^ 1]) + proof[at][1:]
        wrong += [list(proof[:-1]), [*proof[:at], flipped, *proof[at + 1 :]]]
    return wrong


class _Large:
    """A log of a million and one entries, of which only what is asked for is computed, as RFC 6962 defines it."""

    def __init__(self) -> None:
        self.known: dict[log.Node, bytes] = {}
        # Where nothing is marked, all subtrees of a level are alike, so that the tree costs few hashes.
        rng = random.Random(62)
        self.marked = {rng.randrange(1_000_001) for _ in range(500)}

    def leaf(self, index: int) -> bytes:
        name = str(index) if index in self.marked else ("even", "odd")[index & 1]
        return sha256(b"\0" + name.encode()).digest()

    def __call__(self, nodes: Sequence[log.Node]) -> list[bytes]:
        return [self.hash(*node) for node in nodes]

    def hash(self, level: int, index: int) -> bytes:
        if level == 0:
            return self.leaf(index)
        plain = not any(mark >> level == index for mark in self.marked)
        key = (level, -1 if plain else index)
        if key not in self.known:
            pair = self.hash(level - 1, 2 * index) + self.hash(level - 1, 2 * index + 1)
            self.known[key] = sha256(b"\1" + pair).digest()
        return self.known[key]

    def mth(self, begin: int, end: int) -> bytes:
        """MTH of D[begin:end]."""
        length = end - begin
        if length & (length - 1) == 0:
            return self.hash(length.bit_length() - 1, begin // length)
        cut = begin + largest_power_below(length)
        return sha256(b"\1" + self.mth(begin, cut) + self.mth(cut, end)).digest()

    def path(self, index: int, begin: int, end: int) -> list[bytes]:
        """PATH of D[begin:end]; `index` counts from the beginning of the log."""
        if end - begin == 1:
            return []
        cut = begin + largest_power_below(end - begin)
        if index < cut:
            return [*self.path(index, begin, cut), self.mth(cut, end)]
        return [*self.path(index, cut, end), self.mth(begin, cut)]

    def growth(self, old_end: int, begin: int, end: int, whole: bool) -> list[bytes]:
        """SUBPROOF of D[begin:end]; `old_end` counts from the beginning of the log."""
        if old_end == end:
            return [] if whole else [self.mth(begin, end)]
        cut = begin + largest_power_below(end - begin)
        if old_end <= cut:
            return [*self.growth(old_end, begin, cut, whole), self.mth(cut, end)]
        return [*self.growth(old_end, cut, end, False), self.mth(begin, cut)]


_CACHE: list[_Large] = []


def _large() -> _Large:
    if not _CACHE:
        _CACHE.append(_Large())
    return _CACHE[0]
