"""Bytes as text have one spelling each, and keys under which a signature fits many messages are refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tests.certificate import scene
from wipe_agent.certificate import multibase, new_challenge, public_key_from_multibase, public_key_multibase

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


def slow_base58(data: bytes) -> str:
    number, digits = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        digits = ALPHABET[rest] + digits
    return "z" + "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


@given(st.binary(max_size=80))
def test_base58_is_what_the_alphabet_says_and_comes_back(data: bytes) -> None:
    assert multibase.encode(data) == slow_base58(data)
    assert multibase.decode(multibase.encode(data)) == data


@given(st.text(st.sampled_from(ALPHABET), max_size=100))
def test_each_text_is_the_only_one_of_its_bytes(digits: str) -> None:
    assert multibase.encode(multibase.decode("z" + digits)) == "z" + digits


@pytest.mark.parametrize(
    "text",
    ["", "x", "1", "m1", "z0", "zO", "zI", "zl", "z1 ", "z 1", "z1\n", "z+1", "z1_1", "z٣", "zé", "z" + "1" * 129],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="It "):
        multibase.decode(text)


def test_a_published_key_reads_and_writes_the_same() -> None:
    published = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
    assert public_key_multibase(public_key_from_multibase(published)) == published


def _double(point: tuple[int, int]) -> tuple[int, int]:
    x, y = point
    product = D * x * x * y * y
    return 2 * x * y * pow(1 + product, -1, P) % P, (y * y + x * x) * pow(1 - product, -1, P) % P


def _small_order_points() -> list[bytes]:
    """All eight, found by multiplying points of the curve by the group's large prime order."""
    order, found = 2**252 + 27742317777372353535851937790883648493, set()
    for y in range(2, 200):
        square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        if x * x % P != square:
            x = x * pow(2, (P - 1) // 4, P) % P
        if x * x % P != square:
            continue
        for base in ((x, y), (-x % P, y)):
            result, power = (0, 1), base
            for bit in range(order.bit_length()):
                if order >> bit & 1:
                    result = _add(result, power)
                power = _double(power)
            found.add(result)
        if len(found) == 8:
            return [(y | (x & 1) << 255).to_bytes(32, "little") for x, y in found]
    raise AssertionError(found)


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    (a, b), (c, d) = one, other
    product = D * a * b * c * d
    return (a * d + b * c) * pow(1 + product, -1, P) % P, (b * d + a * c) * pow(1 - product, -1, P) % P


def test_all_eight_points_of_small_order_are_refused() -> None:
    points = _small_order_points()
    assert len(points) == 8
    for point in points:
        with pytest.raises(ValueError, match="small order"):
            public_key_from_multibase(multibase.encode(b"\xed\x01" + point))


def test_without_that_refusal_the_identity_point_would_sign_anything() -> None:
    identity = bytes([1]) + bytes(31)
    Ed25519PublicKey.from_public_bytes(identity).verify(identity + bytes(32), b"any message at all")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\xed\x01" + (P + 3).to_bytes(32, "little"), "one spelling"),
        (b"\xed\x01" + b"\xff" * 32, "one spelling"),
        (b"\xed\x01" + (2).to_bytes(32, "little"), "not a point"),
        (b"\x80\x24" + bytes(32), "not an Ed25519"),
        (b"\xed\x01" + bytes(31), "33 bytes"),
    ],
)
def test_what_is_no_public_key_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        public_key_from_multibase(multibase.encode(data))


def test_keys_of_stations_are_accepted_and_remembered() -> None:
    key = scene.key("station").public_key()
    text = public_key_multibase(key)
    assert public_key_from_multibase(text).public_bytes_raw() == key.public_bytes_raw()
    assert public_key_from_multibase(text) is public_key_from_multibase(text)


def test_every_challenge_is_new_and_long_enough() -> None:
    challenges = {new_challenge() for _ in range(100)}
    assert len(challenges) == 100
    assert all(len(multibase.decode(challenge)) >= 16 for challenge in challenges)
