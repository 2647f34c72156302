"""A certificate bundle as somebody brings it: a .zip, its files, or its text. Bounded, and kept nowhere."""

from __future__ import annotations

import json

from flask import request

from ewaste.core.refusals import Invalid

MOST_FILES = 8
CERTIFICATE = "certificate.json"
ONE_DOCUMENT = (
    "This is one document of a bundle. A certificate is checked together with its accreditation and its work order: "
    'paste all three as {"certificate.json": …, "accreditation.json": …, "work-order.json": …}, or upload the .zip.'
)


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
            contents[(file.filename or "").replace("\\", "/").rpartition("/")[2]] = content
    finally:
        for file in files:
            file.close()  # A large upload lies in a temporary file; it goes with this.
    if len(contents) == 1 and CERTIFICATE not in contents:
        return next(iter(contents.values()))
    return contents


def _pasted(text: str, most: int) -> dict[str, bytes]:
    bare = text.strip()
    if not bare:
        raise Invalid("Choose the .zip of the certificate, or paste its text.", field="bundle")
    if len(bare.encode("utf-8", "replace")) > most:
        raise Invalid("This is larger than one megabyte, so it is no certificate bundle.", field="text")
    try:
        document = json.loads(bare)
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
