"""Photographs and other files that support what two people saw: kept by their digest, noted in the medium's journal.

The file goes into the station's evidence (`wipe_agent.evidence`), the journal's line names it, and the certificate's
line for the medium carries the same digest. So a photograph can be shown later to be the one of that day.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from pathlib import Path

from wipe_agent import certificate, evidence, keys
from wipe_agent.errors import NotBackedUpByEvidence
from wipe_agent.jobs.story import MediumStory
from wipe_agent.journal import Journal

MOST = 16
_KNOWN = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"%PDF-": "application/pdf"}


def read_all(paths: Sequence[Path]) -> list[tuple[Path, bytes, str]]:
    """Each file with its bytes and its type. Raises NotBackedUpByEvidence for one that is no picture and no PDF."""
    found = []
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise NotBackedUpByEvidence(f"{path} cannot be read ({error.strerror}).") from error
        kind = next((name for mark, name in _KNOWN.items() if data.startswith(mark)), None)
        if kind is None:
            raise NotBackedUpByEvidence(
                f"{path} is neither a JPEG or PNG picture nor a PDF.",
                next_step="Give the photograph as the camera made it.",
            )
        found.append((path, data, kind))
    return found


def attach(
    home: keys.Home,
    journal: Journal,
    story: MediumStory,
    order: str,
    files: Sequence[tuple[Path, bytes, str]],
    about: str,
) -> None:
    """Keep the files and note each in the journal. One that is noted already is not noted again.

    Raises NotBackedUpByEvidence for more than a certificate can name, StateUnusable for one that is too large.
    """
    known = {line["sha256"] for line in story.photographs}
    kept = [
        evidence.keep(home, order, name=path.name, data=data, media_type=kind, about=about)
        for path, data, kind in files
    ]
    new = list({one.sha256: one for one in kept if one.sha256 not in known}.values())
    if len(known) + len(new) > MOST:
        raise NotBackedUpByEvidence(f"A certificate names at most {MOST} files for a medium; these would be more.")
    for one in new:
        facts = {"name": one.name[:200], "media_type": one.media_type, "digest": one.digest_multibase}
        story.photographs.append(journal.append("photographed", sha256=one.sha256, **facts))


def evidence_of(story: MediumStory) -> list[certificate.Evidence]:
    """The files, as a certificate's line names them: by a name that follows from the content (RFC 6920)."""
    return [
        certificate.Evidence(
            name=line["name"],
            url=f"ni:///sha-256;{urlsafe_b64encode(bytes.fromhex(line['sha256'])).decode().rstrip('=')}",
            digest_multibase=line["digest"],
            media_type=line["media_type"],
        )
        for line in story.photographs
    ]
