"""JSON of strangers, read with bounds: size, depth, number of values, no member twice, no NaN, no endless numbers.

Unlike the certificate's reader it takes fractions and any names, because those documents are not signed and not ours.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from wipe_agent.errors import SnapshotRefused

MOST_BYTES = 4 * 1024 * 1024
MOST_DEPTH = 64
MOST_VALUES = 250_000
# A string that does not end is one up to the end: else each quotation mark in it would be tried as a beginning anew.
_STRINGS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)


def read(data: bytes, *, what: str) -> Any:
    """The value of a JSON document. Raises SnapshotRefused with the reason; `what` names it."""
    if len(data) > MOST_BYTES:
        raise SnapshotRefused(f"The {what} has {len(data)} bytes. More than {MOST_BYTES} are not read.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SnapshotRefused(f"The {what} is not UTF-8: byte {error.start} cannot be read.") from None
    bare = _STRINGS.sub("", text)
    if _depth(bare) > MOST_DEPTH:
        raise SnapshotRefused(f"The {what} is nested deeper than {MOST_DEPTH} levels.")
    if bare.count(",") + bare.count(":") > MOST_VALUES:
        raise SnapshotRefused(f"The {what} has more than {MOST_VALUES} values.")
    try:
        return _DECODER.decode(text)
    except _Refused as refusal:
        raise SnapshotRefused(f"The {what} {refusal}") from None
    except (json.JSONDecodeError, RecursionError) as error:
        reason = f"{error.msg} at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "too deep"
        raise SnapshotRefused(f"The {what} is not JSON: {reason}.") from None


class _Refused(Exception):
    """Raised inside the decoder, to be given the name of the document outside."""


def _depth(bare: str) -> int:
    depth = deepest = 0
    for bracket in re.findall(r"[\[\]{}]", bare):
        depth += 1 if bracket in "[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Refused("has a member twice in one object. Which one counts, nobody can say.")
    return members


def _integer(digits: str) -> int:
    if len(digits) > 24:  # Before it becomes a number: turning very long ones is slow.
        raise _Refused(f"has the number {digits[:24]}..., which is too long.")
    return int(digits)


def _fraction(digits: str) -> float:
    number = float(digits) if len(digits) <= 64 else math.inf
    if not math.isfinite(number):
        raise _Refused(f"has the number {digits[:24]}, which is too large or too long.")
    return number


def _constant(name: str) -> NoReturn:
    raise _Refused(f"has {name}, which is not JSON.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_fraction, parse_constant=_constant
)
