"""Status lists: written as W3C has it, read strictly, and never too large to be read."""

import base64
import gzip
import json
import random
import time
from datetime import timedelta

import pytest

from tests.certificate import scene as s
from wipe_agent import certificate as c
from wipe_agent.certificate import status
from wipe_agent.certificate.status import KeyFallen, Withdrawn

LIST = "https://market.example/status/certificates-1"


def encoded(bits: bytes) -> str:
    return "u" + base64.urlsafe_b64encode(gzip.compress(bits, mtime=0)).rstrip(b"=").decode()


def signed(statement: dict[str, object]) -> dict[str, object]:
    return c.issue(statement, s.key("market"), verification_method=s.MARKET + "#key-1", created=s.AT)


def statement(**changes: object) -> dict[str, object]:
    given: dict[str, object] = {
        "list_id": LIST,
        "issuer_did": s.MARKET,
        "issuer_name": "Marketplace",
        "valid_from": s.AT,
        "training": False,
        "withdrawn": [],
        "about": "Status of certificates",
    }
    return c.status_list_statement(**{**given, **changes})  # type: ignore[arg-type]


def test_the_first_place_is_the_leftmost_bit_as_w3c_has_it() -> None:
    bits = status.decode(status.encode([0, 9, 131_071]))
    assert len(bits) == 16_384
    assert (bits[0], bits[1], bits[-1]) == (0b1000_0000, 0b0100_0000, 0b0000_0001)
    assert sum(byte.bit_count() for byte in bits) == 3


def test_a_list_with_no_place_set_is_the_one_that_the_recommendation_shows() -> None:
    """Bitstring Status List 1.0, example 3: an empty list of 16 KB. GZIP writes it in more than one way."""
    example = "uH4sIAAAAAAAAA-3BMQEAAADCoPVPbQwfoAAAAAAAAAAAAAAAAAAAAIC3AYbSVKsAQAAA"
    assert status.decode(example) == bytes(16_384) == status.decode(status.encode([]))


def test_what_is_set_is_read_again_for_any_set() -> None:
    dice = random.Random(3)
    for places in (131_072, 262_144):
        chosen = {dice.randrange(places) for _ in range(500)}
        bits = status.decode(status.encode(chosen, places=places))
        assert {index for index in range(places) if bits[index >> 3] & (0x80 >> (index & 7))} == chosen


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("H4sIAAAAAAAA", "not written as u"),
        ("z" + status.encode([])[1:], "not written as u"),
        (status.encode([]) + "=", "not written as u"),
        (status.encode([])[:-1] + "\n", "not written as u"),
        (status.encode([])[:-1] + "/", "not written as u"),
        ("uA", "not base64url"),
        ("uAB", "stray bits"),
        ("u" + base64.urlsafe_b64encode(bytes(99)).decode(), "not packed with GZIP"),
        ("uTm90IGd6aXA", "not packed with GZIP"),
        (encoded(bytes(16_383)), "has 131064 places. At least 131072"),
        (encoded(b""), "has 0 places"),
        (encoded(bytes(131_073)), "more than 1048576 places"),
        (encoded(bytes(50_000_000)), "more than 1048576 places"),
        ("u" + base64.urlsafe_b64encode(gzip.compress(bytes(16_384))[:-9]).rstrip(b"=").decode(), "cut off"),
        ("u" + base64.urlsafe_b64encode(gzip.compress(bytes(16_384)) + b"more").rstrip(b"=").decode(), "follows"),
        ("u" + base64.urlsafe_b64encode(2 * gzip.compress(bytes(16_384))).rstrip(b"=").decode(), "follows"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_list_that_is_not_written_so_is_not_read(text: str, reason: str) -> None:
    began = time.perf_counter()
    with pytest.raises(c.Unreadable, match=reason):
        status.decode(text)
    assert time.perf_counter() - began < 1


def test_a_changed_checksum_is_seen() -> None:
    packed = bytearray(gzip.compress(bytes(16_384), mtime=0))
    packed[-6] ^= 1
    with pytest.raises(c.Unreadable):
        status.decode("u" + base64.urlsafe_b64encode(bytes(packed)).rstrip(b"=").decode())


def test_a_signed_list_is_a_document_of_this_format_and_says_when_and_why() -> None:
    since = s.at(3)
    withdrawn = [
        Withdrawn(index=94_567, at=s.at(12), reason="The media were not wiped."),
        Withdrawn(index=5, at=s.at(13), reason="Fraud.", compromised_since=since),
    ]
    fallen = KeyFallen(s.STATION, c.public_key_multibase(s.key("station").public_key()), s.at(14), "Stolen.", since)
    document = signed(statement(withdrawn=withdrawn, keys=[fallen]))
    read = status.read_status_list(c.read(c.canonical(document)))
    assert document["validUntil"] == "2026-03-10T12:00:00Z"
    assert [index for index in range(read.places) if read.is_set(index)] == [5, 94_567]
    assert read.withdrawn == {one.index: one for one in withdrawn}
    assert read.fallen(s.key("station").public_key()) == fallen
    assert read.fallen(s.key("market").public_key()) is None
    with pytest.raises(c.Unreadable, match="none with the number 131072"):
        read.is_set(131_072)


def test_a_key_counts_as_fallen_since_the_earliest_that_is_said_and_under_any_name() -> None:
    key = c.public_key_multibase(s.key("station").public_key())
    retired = KeyFallen(s.STATION, key, s.at(9), "Retired.")
    stolen = KeyFallen(s.CENTRE + "#station-2", key, s.at(12), "Stolen.", s.at(10))
    earlier = KeyFallen(s.STATION, key, s.at(14), "Stolen sooner than we thought.", s.at(8))
    for keys, expected in (([retired, stolen], stolen), ([stolen, retired, earlier], earlier), ([retired], retired)):
        read = status.read_status_list(signed(statement(keys=keys)))
        assert read.fallen(s.key("station").public_key()) == expected


def test_a_list_is_never_too_large_to_be_read_and_tells_the_latest_reasons() -> None:
    many = [Withdrawn(index=7 * n, at=s.DAY + timedelta(minutes=n), reason="é" * 250) for n in range(5_000)]
    document = signed(statement(withdrawn=many))
    read = status.read_status_list(c.read(c.canonical(document)))
    assert all(read.is_set(one.index) for one in many)
    assert sum(byte.bit_count() for byte in read.bits) == 5_000
    assert sorted(read.withdrawn) == [one.index for one in many[-len(read.withdrawn) :]]
    assert 60 < len(read.withdrawn) < 120
    short = [Withdrawn(index=7 * n, at=s.DAY + timedelta(minutes=n), reason="No") for n in range(5_000)]
    assert len(c.read(c.canonical(signed(statement(withdrawn=short))))["wipe"]["revocations"]) > 300


def test_keys_are_told_always_or_nothing_is_signed() -> None:
    key = c.public_key_multibase(s.key("station").public_key())
    most = [KeyFallen(f"{s.CENTRE}#station-{n}", key, s.DAY, "Retired.") for n in range(200)]
    assert len(status.read_status_list(signed(statement(keys=most))).keys) == 200
    with pytest.raises(ValueError, match="do not fit"):
        statement(keys=[KeyFallen(one.verification_method, key, one.at, "R" * 500) for one in most])


def test_a_list_that_contradicts_itself_is_not_read() -> None:
    one = Withdrawn(index=5, at=s.at(12), reason="Fraud.")
    for change, reason in (
        (lambda d: d["credentialSubject"].update(encodedList=status.encode([4])), "that is not set"),
        (lambda d: d["wipe"]["revocations"].append(d["wipe"]["revocations"][0]), "one place twice"),
        (lambda d: d.update(validUntil="2026-03-10T12:00:01Z"), "7 days at most"),
        (lambda d: d.update(validUntil="2026-03-03T12:00:00Z"), "7 days at most"),
    ):
        document = json.loads(json.dumps(statement(withdrawn=[one])))
        change(document)
        with pytest.raises(c.Unreadable, match=reason):
            status.read_status_list(document)


def test_no_bytes_make_the_reader_fail_otherwise() -> None:
    dice, good = random.Random(5), status.encode(range(0, 1000, 7))
    bits, refused = status.decode(good), 0
    for _ in range(400):
        text = bytearray(good.encode())
        for _ in range(dice.randint(1, 3)):
            text[dice.randrange(len(text))] = dice.choice(b"uAz09-_=. ")
        try:
            # The head of a GZIP file has a date and the like, which say nothing.
            assert status.decode(text.decode()) == bits
        except c.Unreadable:
            refused += 1
    assert 300 < refused < 400
