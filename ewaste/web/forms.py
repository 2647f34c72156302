"""What forms share: fields as somebody typed them, and how a form that was refused comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import flask
from flask import request
from werkzeug.datastructures import ImmutableMultiDict

from ewaste.core.refusals import Invalid, NotAllowed, NotFound, Refusal
from ewaste.web.edge import errors_of, keep

FREE_TEXT = 2_000
FIELD = 300
SILENT = frozenset({"csrf_token", "typed_by", "version", "of"})  # What a form carries that nobody typed.
# Control characters, marks that turn the reading direction around, and what stands where bytes were no text at all.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]")


def refused(refusal: Refusal, show: Callable[..., flask.Response], **context: object) -> flask.Response:
    """The page again, with what was typed and why it was refused.

    What the person may not see is not shown again: those refusals go on to the error page.
    """
    if isinstance(refusal, (NotFound, NotAllowed)):
        raise refusal
    return show(status=keep(refusal), form=request.form, errors=errors_of(refusal), **context)


def typed(name: str, most: int = FIELD) -> str:
    """A field as it was typed, bounded; empty when it was not sent. Raises `Invalid` when it is too long."""
    text = request.form.get(name, "")
    if len(text) > most:
        raise Invalid(f"This is too long: at most {most:,} characters.", field=name)
    if _NO_TEXT.search(text):
        raise Invalid(
            "This holds a sign that no text has, or one that turns the text around. Type it anew.", field=name
        )
    return text.replace("\r\n", "\n")


def take_part(part: str) -> dict[str, str] | None:
    """The one part of a page's form whose button was pressed, where the whole page is one form; None where it is not.

    There the button says `of` which part it is, and the part's fields carry its name: `weigh.note`. From here on the
    request's form has them under their own names. Returns what was typed in the other parts.
    """
    if request.form.get("of") != part:
        return None
    mark, every = f"{part}.", list(request.form.items())
    elsewhere = {name: value for name, value in every if name not in SILENT and not name.startswith(mark)}
    own = {name.removeprefix(mark): value for name, value in every if name in SILENT or name.startswith(mark)}
    request.form = ImmutableMultiDict(own)
    return elsewhere


def options(values: Iterable[str], word: Callable[[str], str]) -> list[dict[str, str]]:
    """Values of a list to choose from, each with the word that pages use for it."""
    return [{"value": value, "label": word(value)} for value in values]


def gigabytes(text: str, field: str) -> int | None:
    """A size as it is printed on a medium ("256", "0.5") in bytes, powers of ten; None when nothing was typed."""
    bare = text.strip().replace(",", ".")
    if not bare:
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d{1,9})?", bare, re.ASCII):
        raise Invalid("Type the size in gigabytes, such as 256 or 0.5.", field=field)
    whole, _, rest = bare.partition(".")
    size = int(whole) * 10**9 + int(rest.ljust(9, "0") or 0)
    if size == 0:
        raise Invalid("The size is more than zero. Leave it out when it is not printed.", field=field)
    return size


def moment(text: str, field: str) -> datetime:
    """A date and time of a `datetime-local` field, taken as UTC. Raises `Invalid` naming the field."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?", text.strip(), re.ASCII):
            raise ValueError
        return datetime.fromisoformat(text.strip()).replace(tzinfo=UTC)
    except ValueError:
        raise Invalid("Give a date and a time, such as 2026-11-20 18:00 (UTC).", field=field) from None


def end_of_day(text: str, field: str) -> datetime:
    """The last second (UTC) of a date field. Raises `Invalid` naming the field."""
    try:
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip(), re.ASCII):
            raise ValueError
        day = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Invalid("Give a date, such as 2027-11-30.", field=field) from None
    return day.replace(hour=23, minute=59, second=59, tzinfo=UTC)
