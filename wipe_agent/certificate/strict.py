"""The one reader of JSON for everything that is signed, and the one way of writing it.

Whoever signs and whoever verifies must see the same document. So the reader takes only JSON that
can be read in one way, and refuses the rest in words: UTF-8 without a byte order mark, at most
64 KB, 4,096 values and 16 levels, no member twice, whole numbers within ±(2^53 - 1) and no `-0`,
ASCII member names, and text without control characters, lone surrogates, or marks that reorder
what a person reads. For such documents the sorted compact form is the form of RFC 8785 (JCS).
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

MAX_BYTES = 65_536
MAX_VALUES = 4_096
MAX_DEPTH = 16
MAX_INTEGER = 2**53 - 1


class Unreadable(ValueError):
    """The input is not something the strict reader takes; the message says what is wrong and where."""


def read(data: bytes, *, what: str = "document") -> dict[str, Any]:
    """Read one document. `what` names it in refusals. Raises Unreadable, and nothing else."""
    document, quick = _decode(data, what)
    if quick:
        _refuse_duplicates(data, canonical(document), what)
    return document


def read_signed(data: bytes, *, what: str = "document") -> tuple[dict[str, Any], bytes, bytes]:
    """Read one document, and give its canonical forms as well: without its proof, and whole."""
    document, quick = _decode(data, what)
    unsigned, signed = canonical_forms(document)
    if quick:
        _refuse_duplicates(data, signed, what)
    return document, unsigned, signed


def canonical(document: Any) -> bytes:
    """The canonical form (RFC 8785) of a document that the strict reader would take."""
    return "".join(_ENCODE(document, 0)).encode("utf-8")


def canonical_forms(document: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """The canonical form of a document without its proof, which is signed, and whole, which is digested.

    The proof is cut out of the whole form. Where the same text stands in it a second time, nobody can tell
    from outside which of the two is the document's own; then the two runs of members around it are written.
    """
    whole = canonical(document)
    if "proof" not in document:
        return whole, whole
    part = b'"proof":' + canonical(document["proof"])
    before, _, after = whole.partition(part)
    if part not in after:
        if after != b"}":  # a comma follows the proof
            return before + after[1:], whole
        return before[: -1 if before != b"{" else 1] + after, whole
    before = canonical({name: value for name, value in document.items() if name < "proof"})[1:-1]
    after = canonical({name: value for name, value in document.items() if name > "proof"})[1:-1]
    return b"{%b}" % b",".join(run for run in (before, after) if run), whole


class _Refused(Exception):
    """Raised inside the decoder, to be given the name of the document outside."""


def _decode(data: bytes, what: str) -> tuple[dict[str, Any], bool]:
    """The document, and whether its members are still to be checked for duplicates."""
    if len(data) > MAX_BYTES:
        raise Unreadable(f"The {what} has {len(data)} bytes. More than {MAX_BYTES} are not read.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"The {what} is not UTF-8: byte {error.start} cannot be read.") from None
    escapes = b"\\" in data
    quick = not escapes and b"\n" not in data
    document = _parse(_QUICK if quick else _CAREFUL, text, what)
    if type(document) is not dict:
        raise Unreadable(f"The {what} is not a JSON object.")
    _bounded(data, document, what)
    # Only escapes, letters beyond ASCII, and DEL can bring in the text that is refused here.
    if escapes or b"\x7f" in data or not data.isascii():
        _plain_text(document, what)
    return document, quick


def _parse(decoder: json.JSONDecoder, text: str, what: str) -> Any:
    try:
        return decoder.decode(text)
    except _Refused as refusal:
        raise Unreadable(f"The {what} {refusal}") from None
    except json.JSONDecodeError as error:
        if text.startswith("\ufeff"):
            raise Unreadable(f"The {what} begins with a byte order mark. Save it without one.") from None
        raise Unreadable(f"The {what} is not JSON: it cannot be read at line {error.lineno}.") from None
    except RecursionError:
        raise Unreadable(f"The {what} is nested deeper than {MAX_DEPTH} levels.") from None


# Calling back for each object, to see its members in pairs, would double the time of parsing. A text
# without escapes can only be longer than its canonical form, by its spaces and by the members that
# were dropped for being there twice. So when both are equally long, nothing was dropped; when they are
# not, or when there are escapes or lines, the text is decoded with the callback.
def _refuse_duplicates(data: bytes, form: bytes, what: str) -> None:
    if len(data) != len(form):
        _parse(_CAREFUL, data.decode("utf-8"), what)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise _Refused(f"has the member {_quoted(twice)} twice in one object.")
    return members


def _integer(digits: str) -> int:
    # The length comes first: turning very long digit strings into numbers is slow.
    if len(digits) > 17 or abs(number := int(digits)) > MAX_INTEGER:
        raise _Refused(f"has the number {digits[:24]}. Whole numbers go up to 2^53 - 1.")
    if digits == "-0":
        raise _Refused("has the number -0. Write 0.")
    return number


def _no_fraction(digits: str) -> NoReturn:
    raise _Refused(f"has the number {digits[:24]}. Only whole numbers are read.")


def _no_constant(name: str) -> NoReturn:
    raise _Refused(f"has {name}, which is not JSON.")


_QUICK = json.JSONDecoder(parse_int=_integer, parse_float=_no_fraction, parse_constant=_no_constant)
_CAREFUL = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_integer, parse_float=_no_fraction, parse_constant=_no_constant
)


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """What `json.JSONEncoder.encode` makes anew for each document; for a short one that takes a quarter of the time."""
    encoder = json.JSONEncoder(
        ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False, allow_nan=False
    )
    make: Any = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # a Python without its C accelerator
        return lambda document, level: encoder.iterencode(document)
    ready: Callable[[Any, int], Iterable[str]] = make(
        None, encoder.default, json.encoder.encode_basestring, None, ":", ",", True, False, False
    )
    return ready


_ENCODE = _encoder()


_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


def _bounded(data: bytes, document: dict[str, Any], what: str) -> None:
    """Refuse too many values or levels: at a glance where that is enough, else by counting."""
    brackets = data.translate(None, _ALL_BUT_BRACKETS)
    for _ in range(MAX_DEPTH // 2):
        # Each replacement takes away one level at most.
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    # A value takes two bytes at least, itself and what parts it from the next.
    if brackets or len(data) > 2 * MAX_VALUES:
        _counted(document, what)


def _counted(document: dict[str, Any], what: str) -> None:
    """Count values and levels, one level at a time."""
    values, depth = 1, 0
    level: list[Any] = [document]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise Unreadable(f"The {what} is nested deeper than {MAX_DEPTH} levels.")
        below: list[Any] = []
        for container in level:
            values += len(container)
            below += [
                value
                for value in (container.values() if type(container) is dict else container)
                if type(value) is dict or type(value) is list
            ]
        if values > MAX_VALUES:
            raise Unreadable(f"The {what} has more than {MAX_VALUES} values.")
        level = below


_SURROGATE = re.compile("[\ud800-\udfff]")
# Control characters could drive a terminal, end a line of a report, or upset a database; the marks
# of bidirectional text could show a serial number backwards.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def _plain_text(document: dict[str, Any], what: str) -> None:
    for name, is_member_name in _texts(document):
        if is_member_name and not name.isascii():
            raise Unreadable(f"The {what} has the member name {_quoted(name)}. Names are ASCII.")
        if _SURROGATE.search(name):
            raise Unreadable(f"The {what} has half a character (a lone surrogate) in {_quoted(name)}.")
        if _UNPRINTABLE.search(name):
            raise Unreadable(f"The {what} has a control character in {_quoted(name)}.")


def _texts(value: Any) -> Iterator[tuple[str, bool]]:
    """Every string in a document, and whether it is a member's name."""
    if type(value) is str:
        yield value, False
    elif type(value) is dict:
        for name, member in value.items():
            yield name, True
            yield from _texts(member)
    elif type(value) is list:
        for item in value:
            yield from _texts(item)


def _quoted(text: str) -> str:
    return json.dumps(text if len(text) <= 40 else text[:40] + "...")
