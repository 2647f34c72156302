"""Which certificates a centre's stations issued: what this station keeps, and lists for the others.

What is said to be signed with this station's own key, and is not kept here, is not taken for the centre's: whoever
stole the key would be on the marketplace's list as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
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
    """A certificate that is ours, and when the marketplace accepted it, where that is known (aware).

    `signed_with` is the id of the key that signed it, where only a list says that it is ours.
    """

    accepted: datetime | None = None
    signed_with: str = ""


def known(home: keys.Home, method: str, issued: Mapping[str, str], lists: Mapping[str, Own]) -> dict[str, Own]:
    """By digest, what a station takes for its centre's: what it issued, what `lists` name, and what the marketplace
    says (`issued`, by digest the id of the key) of other keys than its own (`method`). Raises StateUnusable.
    """
    said = {digest: Own(signed_with=key) for digest, key in issued.items()} | dict(lists)
    return {digest: one for digest, one in said.items() if one.signed_with != method} | of_station(home)


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
    """By digest, what lists name: on a line a digest, and the id of the key that signed it, if that is known.

    Empty lines and lines with # before them are passed over. A digest that stands somewhere without a key was looked
    at by people, so that counts. Raises Unreadable.
    """
    found: dict[str, Own] = {}
    for path in files:
        try:
            data = read_file(path.resolve(), MOST_LIST_BYTES, f"The list {path}")
            lines = data.decode().split("\n")
        except (OSError, ValueError, RuntimeError) as error:
            raise Unreadable(f"The list {path} cannot be read ({error}).", next_step="Check the path.") from error
        for number, line in enumerate(lines, start=1):
            word, _, key = line.strip().partition(" ")
            if not word or word.startswith("#"):
                continue
            if not is_digest(word) or " " in key.strip():
                raise Unreadable(
                    f"Line {number} of the list {path} is no digest.",
                    next_step="Write one digest a line, as receipts and certificates name them (zQm...).",
                )
            if found.get(word) != Own():
                found[word] = Own(signed_with=key.strip())
    return found


def _accepted(receipt: Path) -> datetime | None:
    try:
        said = json.loads(read_file(receipt, MAX_BYTES, "The receipt"))
        at = datetime.fromisoformat(said["received_at"])
        return at if said["outcome"] == "accepted" and at.tzinfo is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
