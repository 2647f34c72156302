"""Ids: a UUID for every row, and a short code with a check letter for what people read aloud or scan.

A code is a letter for its kind, seven characters of Crockford's base 32 (no I, L, O, U) and one ISO 7064 check
character over those seven: `D-7K3M-9QXA`. 32^7 is about 34 thousand million; the unique constraint catches the rest.
"""

from __future__ import annotations

import re
import secrets
from uuid import UUID, uuid4

from stdnum.iso7064 import mod_37_36

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DEVICE, QUOTE, LOT, ORDER, WORK_ORDER, LISTING, CENTRE = "D", "Q", "L", "B", "W", "S", "C"
DISPUTE = "R"
_CODE = re.compile(r"([A-Z])([0-9A-Z]{7})([0-9A-Z])")


def new_id() -> UUID:
    """A fresh random id."""
    return uuid4()


def new_code(kind: str) -> str:
    """A fresh code of this kind, such as `D-7K3M-9QXA`."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(7))
    return _spell(kind, body, mod_37_36.calc_check_digit(body, ALPHABET))


def read_code(text: str, kind: str | None = None) -> str | None:
    """The code as it is stored, from what a person typed or a scanner read; None when it cannot be one.

    Small letters, missing dashes and the look-alikes O/0 and I/L/1 are mended; a wrong check letter is not.
    """
    bare = re.sub(r"[\s\-]", "", text).upper()
    found = _CODE.fullmatch(bare)
    if not found or (kind and found[1] != kind):
        return None
    body, check = (part.translate(str.maketrans("OIL", "011")) for part in (found[2], found[3]))
    if any(letter not in ALPHABET for letter in body + check):
        return None
    if mod_37_36.calc_check_digit(body, ALPHABET) != check:
        return None
    return _spell(found[1], body, check)


def _spell(kind: str, body: str, check: str) -> str:
    return f"{kind}-{body[:4]}-{body[4:]}{check}"
