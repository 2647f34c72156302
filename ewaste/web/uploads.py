"""A certificate bundle as somebody brings it: a .zip, its files, or its text. Bounded, and kept nowhere."""

from __future__ import annotations

import json
from typing import Any

from flask import request

from ewaste.core.refusals import Invalid

MOST_FILES = 8
CERTIFICATE = "certificate.json"
ONE_DOCUMENT = (
    "This is one document of a bundle. A certificate is checked together with its accreditation and its work order: "
    'paste all three as {"certificate.json": …, "accreditation.json": …, "work-order.json": …}, or upload the .zip.'
)
TWICE = "This text says something twice, so two people could read two certificates in it. Upload the .zip instead."


def bundle(most: int) -> dict[str, bytes] | bytes:
    """What was sent: the bytes of a .zip, or file name → content. Raises `Invalid` naming the field.

    `most`: the most bytes that are read, all files together.
    """
    files = [file for file in request.files.getlist("bundle") if file.filename]
    try:
        if not files:
            return _pasted(request.form.get("text", ""), most)
        if len(files) > MOST_FILES:
            raise Invalid(
                f"A bundle has {MOST_FILES} files at most. Choose the .zip, or its .json files.", field="bundle"
            )
        contents: dict[str, bytes] = {}
        left = most
        for file in files:
            content = file.stream.read(left + 1)
            left -= len(content)
            if left < 0:
                raise Invalid("This is larger than one megabyte, so it is no certificate bundle.", field="bundle")
            name = (file.filename or "").replace("\\", "/").rpartition("/")[2]
            if name in contents:
                raise Invalid(f"There are two files with the name {name[:60]}. Choose one of them.", field="bundle")
            contents[name] = content
    finally:
        for file in files:
            file.close()  # A large upload lies in a temporary file; it goes with this.
    if len(contents) == 1 and CERTIFICATE not in contents:
        return next(iter(contents.values()))
    return contents


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Invalid(TWICE, field="text")
    return members


def _whole(digits: str) -> float:
    return int(digits) if digits != "-0" else -0.0


def _pasted(text: str, most: int) -> dict[str, bytes]:
    bare = text.strip()
    if not bare:
        raise Invalid("Choose the .zip of the certificate, or paste its text.", field="bundle")
    if len(bare.encode("utf-8", "replace")) > most:
        raise Invalid("This is larger than one megabyte, so it is no certificate bundle.", field="text")
    try:
        # What is written twice, or as -0, must not come out of here as if it had been written once, or as 0.
        document = json.loads(bare, object_pairs_hook=_members, parse_int=_whole)
    except (ValueError, RecursionError):
        raise Invalid("This is not the text of a bundle: it is not JSON from beginning to end.", field="text") from None
    if isinstance(document, dict) and isinstance(document.get("files"), dict):
        document = document["files"]
    if not isinstance(document, dict) or "@context" in document or CERTIFICATE not in document:
        raise Invalid(ONE_DOCUMENT, field="text")
    return {
        str(name): (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).encode(
            "utf-8", "surrogatepass"
        )
        for name, value in list(document.items())[:64]
    }
