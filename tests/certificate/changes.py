"""Changes to a document, and a bundle as a .zip: what vectors of several subjects are made with."""

import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

from tests.certificate import scene as s
from tests.certificate.vector import Files


def put(path: str, value: Any) -> s.Change:
    """Set the member at a dotted path."""
    *way, last = path.split(".")

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for name in way:
            place = place[name]
        place[last] = value

    return change


def put_in_assessment(path: str, value: Any) -> s.Change:
    """Set a member of the first assessment."""
    return lambda document: put(path, value)(document["credentialSubject"]["conformityAssessment"][0])


def with_status(document: dict[str, Any]) -> None:
    """Give a place in a status list."""
    document["credentialStatus"] = {
        "type": "BitstringStatusListEntry",
        "statusPurpose": "revocation",
        "statusListIndex": "94567",
        "statusListCredential": "https://market.example/status/1",
    }


def indented(document: Mapping[str, Any]) -> bytes:
    """A document as people read it."""
    return json.dumps(document, indent=2, ensure_ascii=False).encode() + b"\n"


def zipped(files: Files, folder: str) -> bytes:
    """A bundle as a .zip, its files in a folder; the same bytes each time."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in files.items():
            writer.writestr(zipfile.ZipInfo(folder + name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()
