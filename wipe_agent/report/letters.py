"""Letters as they are drawn: Arabic joined, right-to-left runs turned, and what no font has said in words.

A PDF page draws from left to right. So each line, once broken, is put into the order in which it is seen, by the
Unicode bidirectional algorithm (UAX #9, as fpdf2 implements it). Arabic letters take their joined forms from the
presentation forms of the Unicode database; a shaping engine would do it more finely, and is a compiled library more.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Container
from functools import cache

from fpdf.bidi import BidiParagraph
from fpdf.enums import TextDirection

_ISOLATES = "\u2068\u2069"
_FORMS = ("isolated", "final", "initial", "medial")
_LAMS = {"\u0622": "\ufef5", "\u0623": "\ufef7", "\u0625": "\ufef9", "\u0627": "\ufefb"}  # lam with each alef, isolated


def isolated(text: str) -> str:
    """A name set into a sentence: its direction does not reach the words and figures around it."""
    return f"\u2068{text}\u2069" if right_to_left(text) or not text.isascii() else text


def drawable(text: str, known: Container[int]) -> str:
    """The text with each character that no font has written as its code point, such as [U+5F20]."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if ord(one) in known or one in _ISOLATES else f"[U+{ord(one):04X}]" for one in composed)


def visual(line: str) -> str:
    """One line, already broken, in the order in which its characters are seen from left to right."""
    if line.isascii():
        return line
    joined = join_arabic(line)
    seen = BidiParagraph(
        text=joined, base_direction=TextDirection.RTL if right_to_left(joined) else TextDirection.LTR
    ).get_reordered_string()
    return plain(seen)


def plain(text: str) -> str:
    """The text without the marks of `isolated`, which are not drawn."""
    return text.translate(dict.fromkeys(map(ord, _ISOLATES)))


def right_to_left(text: str) -> bool:
    """Whether a paragraph of this text begins at the right."""
    depth = 0
    for one in text:
        depth += (one == "\u2068") - (one == "\u2069")
        if depth <= 0 and (kind := unicodedata.bidirectional(one)) in ("L", "R", "AL"):
            return kind != "L"
    return False


def break_lines(text: str, width: float, measure: Callable[[str], float]) -> list[str]:
    """Break a text at its blanks into lines no wider than `width`; a word that is wider is cut.

    `measure` gives the width of a text in the unit of `width`. There is always a line, which may be empty.
    """
    lines, line = [], ""
    for word in text.split():
        candidate = f"{line} {word}" if line else word
        if measure(candidate) <= width:
            line = candidate
            continue
        if line:
            lines.append(line)
        while measure(word) > width and len(word) > 1:
            fits = next((n for n in range(len(word) - 1, 1, -1) if measure(word[:n]) <= width), 1)
            lines.append(word[:fits])
            word = word[fits:]
        line = word
    return [*lines, line] if line or not lines else lines


def join_arabic(text: str) -> str:
    """Arabic letters in their joined forms, still in the order in which they are read. Marks are passed over."""
    letters = list(text)
    places = [place for place, one in enumerate(letters) if not unicodedata.combining(one)]
    drawn = letters.copy()
    skip = False
    for number, place in enumerate(places):
        if skip:
            skip = False
            continue
        one = letters[place]
        before = letters[places[number - 1]] if number else ""
        after = letters[places[number + 1]] if number + 1 < len(places) else ""
        from_before = _joins_next(before) and _joins_previous(one)
        if one == "\u0644" and after in _LAMS:
            drawn[place] = chr(ord(_LAMS[after]) + from_before)
            drawn[places[number + 1]] = ""
            skip = True
            continue
        to_after = _joins_next(one) and _joins_previous(after)
        wanted = _FORMS[2 * to_after + from_before]
        drawn[place] = _forms().get((one, wanted), one)
    return "".join(drawn)


@cache
def _forms() -> dict[tuple[str, str], str]:
    """Letter and form → the character of the presentation form, from the Unicode database."""
    found: dict[tuple[str, str], str] = {}
    for code in (*range(0xFB50, 0xFDFE), *range(0xFE70, 0xFEFD)):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and parts[0].strip("<>") in _FORMS:
            found.setdefault((chr(int(parts[1], 16)), parts[0].strip("<>")), chr(code))
    return found


def _joins_next(one: str) -> bool:
    return (one, "initial") in _forms() or one == "\u0640"


def _joins_previous(one: str) -> bool:
    return (one, "final") in _forms() or one == "\u0640"
