"""Proof files, leaves, tiles and what is sent to witnesses: written, read again, and refused when they are not so."""

import base64
import contextlib
from datetime import datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.certificate.log.test_merkle import Kept
from tests.certificate.log.test_notes import AT, GOOD, KEY, LOG_KEY, ORIGIN, WITNESS, WITNESS_KEY
from wipe_agent.certificate import digest_of, log
from wipe_agent.certificate.log import submission, tiles

CENTRE = "did:web:market.example:centres:north"
LEAVES = [log.Leaf("wipe-certificate", CENTRE, digest_of(bytes([number]))) for number in range(11)]
KEPT = Kept([leaf.data for leaf in LEAVES])


def proof_of(
    index: int, *, at: tuple[datetime, ...] = (AT,), keys: tuple[Ed25519PrivateKey, ...] = (WITNESS,)
) -> bytes:
    checkpoint = log.Checkpoint(ORIGIN, 11, log.root(11, KEPT))
    note = checkpoint.signed(KEY)
    for number, (key, time) in enumerate(zip(keys, at, strict=True)):
        name = WITNESS_KEY.name if number == 0 else f"witness.example/{number}"
        note = note.and_signed(log.cosign(checkpoint, name, key, at=time))
    return bytes(log.LogProof(index, log.inclusion_proof(index, 11, KEPT), bytes(note)))


def test_a_leaf_is_canonical_and_names_nothing_but_kind_issuer_and_digest() -> None:
    leaf = log.Leaf("revocation", CENTRE, digest_of(b"abc"))
    # SHA-256 of "abc" as FIPS 180-2 gives it, behind the multihash prefix, in base58btc.
    digest = "zQmatYkNGZnELf8cAGdyJpUca2PyY4szai3RHyyWofNY1pY"
    assert leaf.data.decode() == f'{{"digestMultibase":"{digest}","issuer":"{CENTRE}","kind":"revocation","v":1}}'
    assert log.Leaf.parse(leaf.data) == leaf
    assert leaf.hash == log.leaf_hash(leaf.data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"revocation", b"wiped"),
        (b'"v":1', b'"v":2'),
        (b'"v":1', b'"v":true'),
        (b'"v":1', b'"v":"1"'),
        (b'"v":1', b'"v":1,"w":2'),
        (b'"v":1', b'"v":1,"v":1'),
        (b'"v":1', b'"v": 1'),
        (b'"v":1', b'"v":1.0'),
        (b',"v":1', b""),
        (b'"kind"', b'"k\\u0069nd"'),
        (b"did:web:", b"urn:web:"),
        (b"zQm", b"zQM"),
        (b"zQm", b"mQm"),
        (b"{", b" {"),
        (b"}", b"}\n"),
        (b"}", b""),
        (b"north", b"n" * 1100),
    ],
)
def test_a_leaf_in_any_other_form_is_refused(old: bytes, new: bytes) -> None:
    good = log.Leaf("revocation", CENTRE, digest_of(b"abc")).data
    assert old in good
    with pytest.raises(log.Unreadable):
        log.Leaf.parse(good.replace(old, new))


def test_a_leaf_that_nobody_could_read_is_not_written() -> None:
    for leaf in (log.Leaf("wiped", CENTRE, digest_of(b"")), log.Leaf("key", "somebody", digest_of(b""))):
        with pytest.raises(ValueError, match="leaf"):
            _ = leaf.data


def test_a_proof_file_proves_its_entry_and_no_other() -> None:
    for index, leaf in enumerate(LEAVES):
        data = proof_of(index)
        proof = log.LogProof.parse(data)
        assert bytes(proof) == data
        proven = log.verify_proof(proof, leaf.data, [LOG_KEY], [WITNESS_KEY])
        assert proven.index == index
        assert proven.seen.witnesses == {WITNESS_KEY: AT}
        with pytest.raises(log.LogRefused, match="does not lead from the entry"):
            log.verify_proof(proof, LEAVES[index - 1].data, [LOG_KEY], [WITNESS_KEY])


def test_the_proof_of_the_only_entry_has_no_hashes() -> None:
    checkpoint = log.Checkpoint(ORIGIN, 1, LEAVES[0].hash)
    data = bytes(log.LogProof(0, (), bytes(checkpoint.signed(KEY))))
    assert data.startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + ORIGIN.encode())
    assert log.verify_proof(log.LogProof.parse(data), LEAVES[0].data, [LOG_KEY]).seen.witnesses == {}


def test_a_proof_of_a_log_that_is_not_trusted_is_refused() -> None:
    other = log.VerifierKey.of("other.example/log", log.ED25519, KEY.public_key())
    with pytest.raises(log.LogRefused, match="does not name"):
        log.verify_proof(log.LogProof.parse(proof_of(3)), LEAVES[3].data, [other])
    impostor = log.VerifierKey.of(ORIGIN, log.ED25519, WITNESS.public_key())
    with pytest.raises(log.LogRefused, match="did not sign it"):
        log.verify_proof(log.LogProof.parse(proof_of(3)), LEAVES[3].data, [impostor])


def test_the_time_of_witnessing_is_that_of_the_last_witness_that_was_needed() -> None:
    keys = (WITNESS, *(Ed25519PrivateKey.from_private_bytes(bytes([7 + n]) * 32) for n in range(2)))
    times = (AT + timedelta(hours=5), AT, AT + timedelta(hours=2))
    vkeys = [
        WITNESS_KEY,
        *(log.VerifierKey.of(f"witness.example/{n}", log.COSIGNATURE, keys[n].public_key()) for n in (1, 2)),
    ]
    proven = log.verify_proof(log.LogProof.parse(proof_of(4, at=times, keys=keys)), LEAVES[4].data, [LOG_KEY], vkeys)
    assert [proven.witnessed(needed) for needed in range(5)] == [
        None,
        AT,
        AT + timedelta(hours=2),
        AT + timedelta(hours=5),
        None,
    ]


PROOF = proof_of(4).decode()
FIRST_HASH = PROOF.split("\n")[2]

BAD_PROOFS = {
    "another header": PROOF.replace("@v1", "@v2"),
    "no header": PROOF.split("\n", 1)[1],
    "no index": PROOF.replace("index 4\n", ""),
    "a leading zero": PROOF.replace("index 4", "index 04"),
    "a negative index": PROOF.replace("index 4", "index -4"),
    "digits of another script": PROOF.replace("index 4", "index ٤"),
    "an index too large": PROOF.replace("index 4", "index 9007199254740992"),
    "two spaces": PROOF.replace("index 4", "index  4"),
    "an extra line": PROOF.replace("index", "extra AAAA\nindex"),
    "an empty line before the hashes": PROOF.replace(FIRST_HASH + "\n", "\n" + FIRST_HASH + "\n", 1),
    "a short hash": PROOF.replace(FIRST_HASH, "AAAA"),
    "a long hash": PROOF.replace(FIRST_HASH, base64.b64encode(bytes(33)).decode()),
    "a hash without padding": PROOF.replace(FIRST_HASH, FIRST_HASH.rstrip("=")),
    "a hash with a space": PROOF.replace(FIRST_HASH, FIRST_HASH + " "),
    "a hash in hexadecimal": PROOF.replace(FIRST_HASH, "00" * 32),
    "sixty-four hashes": PROOF.replace(FIRST_HASH + "\n", (FIRST_HASH + "\n") * 61),
    "no checkpoint": PROOF.partition("\n\n")[0] + "\n\n",
    "carriage returns": PROOF.replace("\n", "\r\n"),
    "a line separator": PROOF.replace("index 4\n", "index 4\u2028"),
    "too large": PROOF + "x" * 70_000,
}


@pytest.mark.parametrize("case", BAD_PROOFS)
def test_a_proof_file_in_any_other_form_proves_nothing(case: str) -> None:
    assert BAD_PROOFS[case] != PROOF
    with pytest.raises((log.Unreadable, log.LogRefused)):
        log.verify_proof(log.LogProof.parse(BAD_PROOFS[case].encode()), LEAVES[4].data, [LOG_KEY], [WITNESS_KEY])


@given(st.integers(0, len(PROOF.encode()) - 1), st.integers(0, 7))
def test_no_flipped_bit_gets_a_witnessed_proof_through(place: int, bit: int) -> None:
    data = bytearray(PROOF.encode())
    data[place] ^= 1 << bit
    try:
        proven = log.verify_proof(log.LogProof.parse(bytes(data)), LEAVES[4].data, [LOG_KEY], [WITNESS_KEY])
    except (log.Unreadable, log.LogRefused):
        return
    assert proven.index == 4
    assert proven.seen.witnesses == {}


def test_no_beginning_of_a_proof_file_or_bundle_passes_for_the_whole() -> None:
    data = PROOF.encode()
    witness_line = len(PROOF.split("\n")[-2].encode()) + 1
    for length in range(len(data)):
        if length != len(data) - witness_line:
            with pytest.raises((log.Unreadable, log.LogRefused)):
                log.verify_proof(log.LogProof.parse(data[:length]), LEAVES[4].data, [LOG_KEY], [WITNESS_KEY])
    entries = [leaf.data for leaf in LEAVES]
    bundle = log.write_entries(entries)
    for length in range(len(bundle)):
        with pytest.raises(log.Unreadable):
            log.read_entries(bundle[:length], len(entries))


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused_in_words(data: bytes) -> None:
    for parse in (log.LogProof.parse, log.Note.parse, log.Leaf.parse, log.Submission.parse, submission.read_size):
        with contextlib.suppress(log.Unreadable):
            parse(data)


# ---------------------------------------------------------------------------- tiles


def test_tile_addresses_are_those_of_the_specification() -> None:
    assert log.Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert log.Tile(tiles.ENTRIES, 0, 1).path == "tile/entries/000.p/1"
    # The two examples of the specification.
    of_70000 = list(log.tiles_between(0, 70_000))
    assert [sum(tile.level == level and tile.width == 256 for tile in of_70000) for level in range(3)] == [273, 1, 0]
    assert {tile for tile in of_70000 if tile.level >= 0 and tile.width < 256} == {
        log.Tile(0, 273, 112),
        log.Tile(1, 1, 17),
        log.Tile(2, 0, 1),
    }
    assert list(log.tiles_between(0, 256)) == [log.Tile(tiles.ENTRIES, 0), log.Tile(0, 0), log.Tile(1, 0, 1)]


@given(st.integers(-1, 63), st.integers(0, 2**53 - 1), st.integers(1, 256))
def test_each_tile_has_one_address(level: int, index: int, width: int) -> None:
    tile = log.Tile(level, index, width)
    assert log.Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/x001/x002",
        "tile/00/001",
        "tile/64/001",
        "tile/-1/001",
        "tile/entries/001.p/0",
        "tile/entries/001.p/256",
        "tile/entries/001.p/01",
        "tile/entries/001.p/",
        "tile/0/001/",
        "tile/0/001\n",
        "tile/0/٠٠١",
        "/tile/0/001",
        "tile/0/../0/001",
        "tile/0/x009/x999/x999/x999/x999/999",
    ],
)
def test_an_address_in_another_spelling_names_no_tile(path: str) -> None:
    with pytest.raises(log.Unreadable, match=r"names no tile|number of the tile"):
        log.Tile.parse(path)


class Published:
    """A log as files, published in steps as a real one would be."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.frontier = log.Frontier()
        self.nodes: dict[log.Node, bytes] = {}
        self.fetched: list[str] = []

    def grow(self, count: int) -> None:
        old = self.frontier.size
        entries = [str(number).encode() for number in range(old, old + count)]
        self.frontier, made = self.frontier.extend(map(log.leaf_hash, entries))
        self.nodes |= dict(made)
        for tile in log.tiles_between(old, old + count):
            first = tile.index * 256
            if tile.level == tiles.ENTRIES:
                data = log.write_entries([str(first + number).encode() for number in range(tile.width)])
            else:
                data = b"".join(self.nodes[8 * tile.level, first + number] for number in range(tile.width))
            assert tile.path not in self.files
            self.files[tile.path] = data

    def fetch(self, tile: log.Tile) -> bytes:
        self.fetched.append(tile.path)
        return self.files[tile.path]


def test_a_log_published_in_steps_can_be_proven_from_its_files_alone() -> None:
    published = Published()
    sizes, roots = [], []
    for count in (1, 2, 250, 3, 256, 511, 1, 700, 64_000, 5_000):
        published.grow(count)
        size = published.frontier.size
        read = log.tile_reader(size, published.fetch)
        assert log.root(size, read) == published.frontier.root()
        for index in {0, size // 2, size - 1, min(255, size - 1)}:
            log.verify_inclusion(
                log.leaf_hash(str(index).encode()),
                index,
                size,
                log.inclusion_proof(index, size, read),
                published.frontier.root(),
            )
        for old, root in zip(sizes, roots, strict=True):
            proof = log.consistency_proof(old, size, read)
            log.verify_consistency(old, size, proof, root, published.frontier.root())
        sizes.append(size)
        roots.append(published.frontier.root())
    assert len(published.fetched) < 200
    last = log.Tile(tiles.ENTRIES, sizes[-1] // 256, sizes[-1] % 256)
    entries = log.read_entries(published.files[last.path], last.width)
    assert entries[-1] == str(sizes[-1] - 1).encode()


def test_a_tile_or_bundle_of_another_size_is_refused() -> None:
    with pytest.raises(log.Unreadable, match="31 bytes instead of 32"):
        log.Tile(0, 0, 1).hashes(bytes(31))
    with pytest.raises(log.Unreadable, match="in the middle"):
        log.read_entries(b"\0", 1)
    with pytest.raises(log.Unreadable, match="in the middle"):
        log.read_entries(b"\0\3ab", 1)
    for data, count in ((b"\0\1a", 2), (b"\0\1a\0\1b", 1), (b"", 1), (b"\0\1a\0", 1)):
        with pytest.raises(log.Unreadable, match=f"{count} entries that it should have"):
            log.read_entries(data, count)
    for entries in ([], [b""] * 257, [b"x" * 65_536]):
        with pytest.raises(ValueError, match="1 to 256 entries"):
            log.write_entries(entries)
    with pytest.raises(ValueError, match="no complete subtree"):
        tiles.tile_with((3, 1), 15)


@settings(max_examples=50)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_any_bundle_reads_and_writes_the_same(entries: list[bytes]) -> None:
    assert log.read_entries(log.write_entries(entries), len(entries)) == entries


# ---------------------------------------------------------------------------- asking a witness

# The example of the specification; its long lines are cut there and here in the same places.
REQUEST = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""  # noqa: E501 - as it is printed


def test_the_request_of_the_specification_reads_and_writes_the_same() -> None:
    request = log.Submission.parse(REQUEST.encode())
    assert request.old_size == 20852014
    assert len(request.hashes) == 4
    note = log.Note.parse(request.checkpoint)
    assert log.Checkpoint.parse(note.text).size == 20852163
    assert [one.name for one in note.signatures] == ["example.com/behind-the-sofa"] * 2
    assert bytes(request).decode() == REQUEST


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("old 20852014", "old 020852014"),
        ("old 20852014", "old  20852014"),
        ("old 20852014", "new 20852014"),
        ("old 20852014", "old"),
        ("old 20852014", "old 20852014\u2028"),
        ("PlRNCrwH", "PlRNCr"),
        ("3swk=", "3swl="),
        ("\n\nexample", "\nexample"),
    ],
)
def test_a_request_in_any_other_form_is_refused(old: str, new: str) -> None:
    assert old in REQUEST
    with pytest.raises(log.Unreadable):
        log.Submission.parse(REQUEST.replace(old, new).encode())


def test_more_than_sixty_three_hashes_are_not_sent() -> None:
    line = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
    at_most = "old 5\n" + line * 63 + "\n" + GOOD
    assert len(log.Submission.parse(at_most.encode()).hashes) == 63
    with pytest.raises(log.Unreadable, match="64 hashes"):
        log.Submission.parse(("old 5\n" + line * 64 + "\n" + GOOD).encode())


def test_the_size_that_a_witness_answers_has_one_spelling() -> None:
    assert submission.read_size(b"20852014\n") == 20852014
    for answer in (b"20852014", b"020852014\n", b"1\n\n", b"", b"\n", b"-1\n", b"9" * 100):
        with pytest.raises(log.Unreadable):
            submission.read_size(answer)
