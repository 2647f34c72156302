"""Say what a document must look like, and find out what is wrong with one.

A `Test` takes a value and returns None, or where and how the value differs, as the end of a
sentence. Objects are closed: an unknown member is refused, because a reader could believe it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from wipe_agent.certificate import multibase
from wipe_agent.certificate.times import is_time

Test = Callable[[Any], str | None]


def misshapen(what: str, problem: str) -> str:
    """The whole sentence. A problem begins with the path to its place, or with a space when it is about the whole."""
    return f"The {what} does not follow the format: {problem[1:] if problem[0] == '.' else 'it' + problem}."


def thing(required: Mapping[str, Test], optional: Mapping[str, Test] | None = None) -> Test:
    """An object with these members and no others."""
    may = dict(optional or {})
    names = frozenset(required)
    tests = tuple(required.items())

    def test(value: Any) -> str | None:
        if type(value) is not dict:
            return " is not an object"
        if (given := value.keys()) != names:
            if not names <= given:
                return f" has no {next(name for name in required if name not in value)}"
            for name in given - names:
                if name not in may:
                    return f" has the unknown member {name[:40]!r}"
                if (problem := may[name](value[name])) is not None:
                    return f".{name}{problem}"
        for name, member_test in tests:
            if (problem := member_test(value[name])) is not None:
                return f".{name}{problem}"
        return None

    return test


def several(item: Test, *, least: int = 0, most: int = 256) -> Test:
    """A list of `least` to `most` items."""

    def test(value: Any) -> str | None:
        if type(value) is not list:
            return " is not a list"
        if not least <= len(value) <= most:
            return f" has {len(value)} items; {least} to {most} are admitted"
        for number, each in enumerate(value):
            if (problem := item(each)) is not None:
                return f"[{number}]{problem}"
        return None

    return test


def text(*, most: int = 400, empty: bool = False) -> Test:
    """A text of at most `most` characters."""
    least = 0 if empty else 1

    def test(value: Any) -> str | None:
        if type(value) is str and least <= len(value) <= most:
            return None
        return f" is not a text of {least} to {most} characters"

    return test


def exactly(expected: Any) -> Test:
    """This value and no other. True is not taken for 1; within lists and objects there may be no numbers."""
    if type(expected) is tuple:
        expected = list(expected)
    kind = type(expected)

    def test(value: Any) -> str | None:
        return None if type(value) is kind and value == expected else " is not what the format says"

    return test


def one_of(*values: str) -> Test:
    """One of these texts."""
    admitted = frozenset(values)

    def test(value: Any) -> str | None:
        return None if type(value) is str and value in admitted else f" is not one of {', '.join(values)}"

    return test


def pattern(expression: str, what: str) -> Test:
    """A text that matches the whole expression; `what` says it in words."""
    match = re.compile(expression).fullmatch

    def test(value: Any) -> str | None:
        return None if type(value) is str and match(value) else f" is not {what}"

    return test


def whole(*, least: int = 0) -> Test:
    """A whole number."""

    def test(value: Any) -> str | None:
        return None if type(value) is int and value >= least else f" is not a whole number from {least} on"

    return test


def flag(value: Any) -> str | None:
    """True or false."""
    return None if value is True or value is False else " is not true or false"


def yes(value: Any) -> str | None:
    """True."""
    return None if value is True else " is not true"


def moment(value: Any) -> str | None:
    """A time."""
    return None if is_time(value) else " is not a time written as 2026-01-31T12:00:00Z"


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day(value: Any) -> str | None:
    """A date."""
    try:
        # The pattern first: Python would also read weeks, as in 2026-W05-6.
        if type(value) is str and _DAY.fullmatch(value):
            date.fromisoformat(value)
            return None
    except ValueError:
        pass
    return " is not a date written as 2026-01-31"


def digest(value: Any) -> str | None:
    """The digest of another document."""
    return None if type(value) is str and multibase.is_digest(value) else " is not a digest"


_HEX = "[0-9a-f]"
urn = pattern(f"urn:uuid:{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}", "a urn:uuid in small letters")
did = pattern(r"did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}", "a DID")
did_url = pattern(r"did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}#[A-Za-z0-9._-]{1,100}", "a DID with #key")
code = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "a short code")
uri = pattern(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:[!-~]{1,400}", "an address or URN")
