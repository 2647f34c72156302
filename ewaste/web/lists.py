"""What lists share: the words and the class that a reader filters by, and a list as a file for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import flask
from flask import request

from ewaste.devices.models import DeviceClass
from ewaste.web import filters

LONGEST_SEARCH = 100


def search() -> str:
    """The words that somebody searches for, bounded, with single spaces between them."""
    text = request.args.get("q", "")[:LONGEST_SEARCH].replace("\x00", "")
    return " ".join(text.split())


def device_class() -> str:
    """The class of device that was chosen; empty for all, and for what is none."""
    chosen = request.args.get("device_class", "")
    return chosen if chosen in set(DeviceClass) else ""


def labelled(classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Classes with the word that pages use for them."""
    return [{**kind, "label": filters.classes_word(kind["value"])} for kind in classes]


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV (RFC 4180), without a byte order mark, columns in the order given.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; a number stays one.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def file(content: bytes | str, name: str, kind: str) -> flask.Response:
    """An answer that the browser keeps as a file of this name."""
    response = flask.make_response(content)
    response.headers["Content-Type"] = kind
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _cell(value: object) -> str:
    if isinstance(value, int | float | Decimal):
        return str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text[:1] in ("\t", "\r", "\n") else text
