"""The hash tree of RFC 6962: its root, proofs that a leaf is in it, and proofs that it only grew.

A complete subtree is named by `(level, index)`: it covers the leaves from `index * 2^level` on,
`2^level` of them. Whoever keeps such hashes (a database, tiles, a list) hands in a reader for them; the
reader is asked once for each question, for all hashes together. Verifying needs no reader.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from wipe_agent.certificate.log.lines import HASH_BYTES, LogRefused

Node = tuple[int, int]
"""(level, index) of a complete subtree; level 0 are the leaves' hashes."""
HashReader = Callable[[Sequence[Node]], Sequence[bytes]]
"""The hashes of complete subtrees, in the order in which they were asked for."""

EMPTY_ROOT: Final = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry (RFC 6962, 2.1)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours (RFC 6962, 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root(size: int, read: HashReader) -> bytes:
    """The root of the tree of the first `size` leaves."""
    return Frontier.of(size, read).root()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed of a tree to go on with it: its size and its complete subtrees, the largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if (
            self.size < 0
            or len(self.peaks) != self.size.bit_count()
            or any(len(one) != HASH_BYTES for one in self.peaks)
        ):
            raise ValueError(f"A tree of {self.size} leaves has {max(self.size, 0).bit_count()} complete subtrees.")

    @classmethod
    def of(cls, size: int, read: HashReader) -> "Frontier":
        """The frontier of the first `size` leaves of a tree whose hashes can be read."""
        return cls(size, tuple(read(_cover(0, size))) if size else ())

    def root(self) -> bytes:
        """The root hash."""
        return _join(self.peaks) if self.peaks else EMPTY_ROOT

    def extend(self, leaf_hashes: Iterable[bytes]) -> tuple["Frontier", list[tuple[Node, bytes]]]:
        """The frontier with these leaves appended, and every complete subtree that this made, leaves among them."""
        size, peaks, made = self.size, list(self.peaks), []
        for hash_ in leaf_hashes:
            level, index = 0, size
            made.append(((level, index), hash_))
            while index & 1:
                hash_ = node_hash(peaks.pop(), hash_)
                level, index = level + 1, index >> 1
                made.append(((level, index), hash_))
            peaks.append(hash_)
            size += 1
        return Frontier(size, tuple(peaks)), made


def inclusion_proof(index: int, size: int, read: HashReader) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of `size` leaves (RFC 6962, 2.1.1), the leaf's neighbour first.

    Raises ValueError when there is no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    return _hash_ranges(list(_path(index, size)), read)


def consistency_proof(old_size: int, size: int, read: HashReader) -> tuple[bytes, ...]:
    """The proof that the tree of `old_size` leaves is the beginning of that of `size` (RFC 6962, 2.1.2).

    Empty when either is empty or both are the same. Raises ValueError when `old_size` is larger.
    """
    if not 0 <= old_size <= size:
        raise ValueError(f"A tree of {size} leaves has no beginning of {old_size}.")
    if old_size in (0, size):
        return ()
    return _hash_ranges(list(_growth(old_size, size)), read)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the entry with the hash `leaf` is number `index` of the tree of `size` leaves with this root.

    As in RFC 9162, 2.1.3.2. Raises LogRefused.
    """
    if not 0 <= index < size:
        raise LogRefused(f"The log has {size} entries, so it has no entry {index}.")
    number, last, hash_ = index, size - 1, leaf
    for neighbour in proof:
        if last == 0:
            raise LogRefused("The proof of the entry is longer than the tree is high.")
        if number & 1 or number == last:
            hash_ = node_hash(neighbour, hash_)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            hash_ = node_hash(hash_, neighbour)
        number, last = number >> 1, last >> 1
    if last:
        raise LogRefused("The proof of the entry is shorter than the tree is high.")
    if hash_ != root:
        raise LogRefused("The proof does not lead from the entry to the root of the log.")


def verify_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Check that the tree of `size` leaves begins with the whole tree of `old_size`: nothing was changed or dropped.

    As in RFC 9162, 2.1.4.2, with the empty tree as the beginning of every tree. Raises LogRefused.
    """
    if not 0 <= old_size <= size:
        raise LogRefused(f"The log had {old_size} entries and now has {size}: it lost some.")
    if old_size in (0, size):
        if proof:
            raise LogRefused("There is a proof of growth where none is needed.")
        if old_root != (EMPTY_ROOT if old_size == 0 else root):
            raise LogRefused(f"There are two different logs of {old_size} entries.")
        return
    # A tree whose size is a power of two is itself the first hash; it is left out of the proof.
    hashes = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not hashes:
        raise LogRefused("The proof that the log only grew is empty.")
    if _grown(old_size, size, hashes) != (old_root, root):
        raise LogRefused(f"The log of {size} entries does not begin with the log of {old_size} that was seen before.")


def _grown(old_size: int, size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The old and the new root to which the hashes of a proof of growth lead."""
    number, last = old_size - 1, size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old, new = hashes[0], hashes[0]
    for hash_ in hashes[1:]:
        if last == 0:
            raise LogRefused("The proof that the log only grew is longer than the tree is high.")
        if number & 1 or number == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        number, last = number >> 1, last >> 1
    if last:
        raise LogRefused("The proof that the log only grew is shorter than the tree is high.")
    return old, new


# ---------------------------------------------------------------------------- which hashes a proof is made of

_Range = tuple[int, int]
"""Leaves from the first number up to, and without, the second: what RFC 6962 writes as D[first:second]."""


def _split(length: int) -> int:
    """The largest power of two smaller than `length` (at least 2): where RFC 6962 cuts a tree in two."""
    return 1 << (length - 1).bit_length() - 1


def _path(index: int, size: int) -> Iterator[_Range]:
    """PATH of RFC 6962, 2.1.1, without recursion: the neighbours on the way from the leaf up."""
    begin, end, neighbours = 0, size, []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            neighbours.append((middle, end))
            end = middle
        else:
            neighbours.append((begin, middle))
            begin = middle
    return reversed(neighbours)


def _growth(old_size: int, size: int) -> Iterator[_Range]:
    """PROOF of RFC 6962, 2.1.2, without recursion: SUBPROOF's way down, given in its order, from below."""
    begin, end, ranges = 0, size, []
    while old_size < end:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:
        ranges.append((begin, end))
    return reversed(ranges)


def _cover(begin: int, end: int) -> list[Node]:
    """The complete subtrees that cover a range, the largest first."""
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def _join(peaks: Sequence[bytes]) -> bytes:
    """The hash of a range from its complete subtrees, the largest first."""
    hash_ = peaks[-1]
    for peak in reversed(peaks[:-1]):
        hash_ = node_hash(peak, hash_)
    return hash_


def _hash_ranges(ranges: list[_Range], read: HashReader) -> tuple[bytes, ...]:
    """The hash of each range, all read at once."""
    covers = [_cover(begin, end) for begin, end in ranges]
    hashes = iter(read([node for cover in covers for node in cover]))
    return tuple(_join([next(hashes) for _ in cover]) for cover in covers)
