"""What the text formats of the log are made of: lines, whole numbers, and base64, each with one spelling.

The formats (C2SP) are lines that end in U+000A, and in nothing else: `splitlines` would also split at
U+2028. A number has no sign and no leading zero; base64 is the padded one with no stray bits.
"""

import re
from base64 import b64decode, b64encode
from typing import Final

from wipe_agent.certificate.strict import MAX_BYTES, MAX_INTEGER, Unreadable

HASH_BYTES: Final = 32
MOST_PROOF_LINES: Final = 63


class LogRefused(ValueError):
    """Well written, but it does not hold: a signature, a proof or a name is wrong. The message is a sentence."""


_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,15}")
# Control characters but the newline, and the marks that break lines or reorder what a person reads.
_UNPRINTABLE: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def read_text(data: bytes, what: str) -> str:
    """The text of a file of the log: at most 64 KB of UTF-8 without control characters. Raises Unreadable."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"The {what} has {len(data)} bytes. More than {MAX_BYTES} are not read.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"The {what} is not UTF-8: byte {error.start} cannot be read.") from None
    if _UNPRINTABLE.search(text):
        raise Unreadable(f"The {what} has a control character.")
    return text


def read_number(text: str, what: str) -> int:
    """A whole number from 0 to 2^53 - 1 without leading zeros. Raises Unreadable."""
    if not _DECIMAL.fullmatch(text) or (number := int(text)) > MAX_INTEGER:
        raise Unreadable(f"The {what} is not a whole number without leading zeros.")
    return number


def read_base64(text: str, what: str, *, size: int | None = None) -> bytes:
    """The bytes of a base64 text in its one spelling; `size` is how many they must be. Raises Unreadable."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        raise Unreadable(f"The {what} is not base64.") from None
    # The decoder lets stray bits and lines of padding pass; the encoder writes none.
    if write_base64(data) != text:
        raise Unreadable(f"The {what} is base64 in another than its one spelling.")
    if size is not None and len(data) != size:
        raise Unreadable(f"The {what} has {len(data)} bytes instead of {size}.")
    return data


def write_base64(data: bytes) -> str:
    """Base64 with padding, in one line."""
    return b64encode(data).decode("ascii")


def read_hashes(lines: list[str], what: str) -> tuple[bytes, ...]:
    """The hashes of a proof, one a line, at most 63. Raises Unreadable."""
    if len(lines) > MOST_PROOF_LINES:
        raise Unreadable(f"The {what} has {len(lines)} hashes. No tree needs more than {MOST_PROOF_LINES}.")
    return tuple(
        read_base64(line, f"hash {number} of the {what}", size=HASH_BYTES) for number, line in enumerate(lines)
    )
