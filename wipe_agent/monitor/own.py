"""Which certificates a centre's stations issued: what this station keeps, and lists of digests for the others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wipe_agent import jobs, keys
from wipe_agent.certificate import digest_multibase, read
from wipe_agent.certificate.bundle import read_file
from wipe_agent.certificate.multibase import is_digest
from wipe_agent.certificate.strict import MAX_BYTES
from wipe_agent.errors import JournalDamaged, Unreadable

MOST_LIST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Own:
    """A certificate that is ours, and when the marketplace accepted it, where that is known (aware)."""

    accepted: datetime | None = None


def of_station(home: keys.Home) -> dict[str, Own]:
    """By digest, what this station issued: its journals, its outbox, and what was sent. Raises StateUnusable."""
    found: dict[str, Own] = {}
    for folder in sorted(path for path in home.journals.glob("*") if path.is_dir()):
        try:
            decided = jobs.decided_certificate(home, folder.name)
        except JournalDamaged:
            continue  # `status` and `certify` say so; what was published is found below
        if decided is not None:
            found[str(decided["digest"])] = Own()
    for place in (home.outbox, home.sent, home.refused):
        for folder in sorted(path for path in place.glob("*") if path.is_dir() and not path.name.startswith(".")):
            try:
                document = read((folder / "certificate.json").read_bytes(), what="certificate")
            except (OSError, ValueError):
                continue
            accepted = _accepted(home.receipts / f"{folder.name}.json") if place == home.sent else None
            found[digest_multibase(document)] = Own(accepted)
    return found


def of_lists(files: Iterable[Path]) -> dict[str, Own]:
    """By digest, what lists name: a digest a line; empty lines and lines with # before them are passed over.

    Raises Unreadable.
    """
    found: dict[str, Own] = {}
    for path in files:
        try:
            data = read_file(path.resolve(), MOST_LIST_BYTES, f"The list {path}")
            lines = data.decode("ascii").split("\n")
        except (OSError, ValueError, RuntimeError) as error:
            raise Unreadable(f"The list {path} cannot be read ({error}).", next_step="Check the path.") from error
        for number, line in enumerate(lines, start=1):
            word = line.strip()
            if not word or word.startswith("#"):
                continue
            if not is_digest(word):
                raise Unreadable(
                    f"Line {number} of the list {path} is no digest.",
                    next_step="Write one digest a line, as receipts and certificates name them (zQm...).",
                )
            found[word] = Own()
    return found


def _accepted(receipt: Path) -> datetime | None:
    try:
        said = json.loads(read_file(receipt, MAX_BYTES, "The receipt"))
        at = datetime.fromisoformat(said["received_at"])
        return at if said["outcome"] == "accepted" and at.tzinfo is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
