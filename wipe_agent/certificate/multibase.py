"""Bytes as text: base58btc with its `z`, digests of documents, and Ed25519 public keys.

Each value has exactly one spelling; any other is refused. Public keys of small order, for which
one signature can fit many messages, are refused too.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wipe_agent.certificate.strict import canonical

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PAIRS: Final = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_NO_DIGIT: Final = 255
_DIGIT_VALUES: Final = bytes(_ALPHABET.index(chr(byte)) if chr(byte) in _ALPHABET else _NO_DIGIT for byte in range(256))
_MOST_DIGITS: Final = 128
# Digits in bytes are folded into a number all at once: neighbours in pairs, these in pairs again, and
# so on. In each round, half of the places hold a low part, their neighbours the high part of as many digits.
_FOLDS: Final = tuple(
    (
        8 * width,
        58**width,
        sum((256**width - 1) << (16 * width * place) for place in range(_MOST_DIGITS // (2 * width))),
    )
    for width in (1, 2, 4, 8, 16, 32, 64)
)

_ED25519_PREFIX: Final = b"\xed\x01"  # multicodec ed25519-pub
_SHA256_PREFIX: Final = b"\x12\x20"  # multihash sha2-256, 32 bytes


def encode(data: bytes) -> str:
    """Multibase base58btc: the letter z and the digits."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        # Ten digits at a time fit a small number, with which the rest is quick.
        number, run = divmod(number, 58**10)
        run, e = divmod(run, 3364)
        run, d = divmod(run, 3364)
        run, c = divmod(run, 3364)
        a, b = divmod(run, 3364)
        digits = _PAIRS[a] + _PAIRS[b] + _PAIRS[c] + _PAIRS[d] + _PAIRS[e] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "z" + "1" * zeros + digits.lstrip("1")


def decode(text: str, *, size: int | None = None) -> bytes:
    """The bytes of a base58btc multibase text; `size` is how many they must be. Raises ValueError."""
    if text[:1] != "z":
        raise ValueError("It does not begin with z (base58btc).")
    digits = text[1:]
    if len(digits) > _MOST_DIGITS:
        raise ValueError("It is too long.")
    values = digits.encode("ascii", "replace").translate(_DIGIT_VALUES)  # a question mark is no digit either
    if _NO_DIGIT in values:
        raise ValueError("It has a character that base58 does not use.")
    number = int.from_bytes(values, "big")
    for bits, weight, low in _FOLDS:
        number = (number & low) + weight * (number >> bits & low)
    zeros = len(digits) - len(digits.lstrip("1"))
    data = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if size is not None and len(data) != size:
        raise ValueError(f"It holds {len(data)} bytes instead of {size}.")
    return data


def digest_multibase(document: Any) -> str:
    """The digest that links one document to another: base58btc of the sha2-256 multihash of its JCS."""
    return digest_of(canonical(document))


def digest_of(data: bytes) -> str:
    """The same for bytes that are canonical already, or that are not JSON (a photograph)."""
    return encode(_SHA256_PREFIX + sha256(data).digest())


def is_digest(text: str) -> bool:
    """Whether the text is a digest as `digest_multibase` writes it."""
    try:
        return decode(text, size=34).startswith(_SHA256_PREFIX)
    except ValueError:
        return False


def public_key_multibase(key: Ed25519PublicKey) -> str:
    """A public key as a Multikey writes it (z6Mk...)."""
    return encode(_ED25519_PREFIX + key.public_bytes_raw())


@lru_cache(maxsize=1024)
def public_key_from_multibase(text: str) -> Ed25519PublicKey:
    """The public key of a Multikey. Raises ValueError when it is none, or of small order."""
    data = decode(text, size=34)
    if not data.startswith(_ED25519_PREFIX):
        raise ValueError("It is not an Ed25519 public key.")
    return public_key_from_bytes(data[2:])


@lru_cache(maxsize=1024)
def public_key_from_bytes(data: bytes) -> Ed25519PublicKey:
    """The same for the 32 bytes of the key itself. Raises ValueError."""
    if len(data) != 32:
        raise ValueError("It is not an Ed25519 public key.")
    _refuse_unsafe_point(data)
    return Ed25519PublicKey.from_public_bytes(data)


# The curve is -x^2 + y^2 = 1 + d x^2 y^2 over the field of this prime (RFC 8032, section 5.1).
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
# The y of the eight points whose order divides eight. Two of them are the identity and its opposite,
# one is 0, and the last two are the points of order eight (see Cremers and Jackson, "Prime, Order
# Please!", 2019).
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303402022,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)


def _refuse_unsafe_point(data: bytes) -> None:
    y = int.from_bytes(data, "little") & ((1 << 255) - 1)
    if y >= _P:
        raise ValueError("The public key is not in its one spelling.")
    if y in _SMALL_ORDER_Y:
        raise ValueError("The public key has small order: one signature could fit many messages.")
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    if pow(x_squared, (_P - 1) // 2, _P) != 1:
        raise ValueError("The public key is not a point of the curve.")
