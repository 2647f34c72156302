"""The evidence beside a certificate: raw notes and tool output, each file named by its digest, in one archive.

    certificate/...            the bundle, byte for byte
    certificate.pdf            the page for people
    evidence/sha256-....       journals of the media, raw tool output, snapshots, photographs
    manifest.json              what each file is, its digest, and whether the certificate names it

The manifest is not signed. A file that the certificate names by digest is bound by the certificate's signature; the
others are the station's own notes, and the manifest says which are which.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from wipe_agent.certificate.multibase import digest_of
from wipe_agent.report.proven import Proven


@dataclass(frozen=True)
class RawFile:
    """A file of evidence: its bytes, type, a name for people, and what it is."""

    name: str
    data: bytes
    media_type: str
    about: str


_ENDINGS = {"application/json": ".json", "application/jsonl": ".jsonl", "text/plain": ".txt", "image/jpeg": ".jpg"}


def evidence_archive(proven: Proven, page: bytes, files: Sequence[RawFile]) -> bytes:
    """The .zip of a certificate that verified with its evidence. The same input gives the same bytes.

    The manifest also lists evidence that the certificate names and that is not here, so that its absence shows.
    """
    named = {one.digest_multibase: one for line in proven.statement.lines for one in line.evidence}
    entries, members = [], {f"certificate/{name}": data for name, data in proven.bundle.files.items()}
    members["certificate.pdf"] = page
    seen = set()
    for file in files:
        digest = sha256(file.data).hexdigest()
        if digest in seen:
            continue
        seen.add(digest)
        place = f"evidence/sha256-{digest}{_ENDINGS.get(file.media_type, '.bin')}"
        members[place] = file.data
        entries.append(
            {
                "file": place,
                "name": file.name,
                "about": file.about,
                "mediaType": file.media_type,
                "bytes": len(file.data),
                "sha256": digest,
                "digestMultibase": digest_of(file.data),
                "namedByCertificate": digest_of(file.data) in named,
            }
        )
    here = {entry["digestMultibase"] for entry in entries}
    manifest = {
        "format": "wipe-agent-evidence-v1",
        "certificate": proven.statement.certificate_id,
        "digestMultibase": proven.digest,
        "training": proven.statement.training,
        "signed": "This list is not signed. Files that the certificate names are bound by its signature.",
        "files": entries,
        "namedByCertificateAndNotHere": [
            {"name": one.name, "digestMultibase": digest, "mediaType": one.media_type}
            for digest, one in sorted(named.items())
            if digest not in here
        ],
    }
    members["manifest.json"] = json.dumps(manifest, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as writer:
        for name in sorted(members):
            writer.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), members[name], zipfile.ZIP_DEFLATED)
    return archive.getvalue()
