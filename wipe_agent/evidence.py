"""What a station kept as evidence for an order: raw output of tools, snapshots, photographs, each named by its digest.

`evidence/ORDER/` in the state folder holds the files as they came, and `index.json` says what each is. A file is
written whole before the index names it; keeping the same bytes twice keeps one. A certificate's line may name such a
file by the same digest (`certificate.Evidence`).
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

from wipe_agent import durable
from wipe_agent.certificate.multibase import digest_of
from wipe_agent.errors import OrderUnknown, StateUnusable
from wipe_agent.journal import now
from wipe_agent.keys import Home

MOST_BYTES = 32 * 1024 * 1024
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{1,39}")
_ENDINGS = {
    "application/json": ".json",
    "text/plain": ".txt",
    "application/xml": ".xml",
    "image/jpeg": ".jpg",
    "image/png": ".png",
}


@dataclass(frozen=True)
class Kept:
    """One file: its name on disk (the digest), what it is, where it came from, when it was kept (UTC)."""

    file: str
    sha256: str
    digest_multibase: str
    size_bytes: int
    media_type: str
    name: str
    about: str
    kept_at: str


def keep(home: Home, order_code: str, *, name: str, data: bytes, media_type: str, about: str) -> Kept:
    """Keep `data` for the order and return its entry. The same bytes again return the entry that is there.

    Raises StateUnusable if it is larger than MOST_BYTES or the index cannot be read, OrderUnknown for a code that is
    none, OSError.
    """
    if len(data) > MOST_BYTES:
        raise StateUnusable(f"{name} has {len(data)} bytes; evidence has at most {MOST_BYTES}.")
    folder, entries = _folder(home, order_code), kept(home, order_code)
    digest = sha256(data).hexdigest()
    for entry in entries:
        if entry.sha256 == digest:
            return entry
    file = f"sha256-{digest}{_ENDINGS.get(media_type, '.bin')}"
    entry = Kept(file, digest, digest_of(data), len(data), media_type, name, about, now())
    durable.make_folder(folder)
    durable.write_file(folder / file, data)
    listed = [asdict(one) for one in (*entries, entry)]
    durable.write_file(folder / "index.json", json.dumps(listed, ensure_ascii=False, indent=1).encode())
    return entry


def kept(home: Home, order_code: str) -> list[Kept]:
    """What was kept for the order, in order. Raises StateUnusable if the index cannot be read."""
    place = _folder(home, order_code) / "index.json"
    try:
        return [Kept(**one) for one in json.loads(place.read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise StateUnusable(f"{place} cannot be read.") from error


def read_kept(home: Home, order_code: str, entry: Kept) -> bytes:
    """The bytes of a kept file. Raises StateUnusable if they are not what was kept."""
    place = _folder(home, order_code) / Path(entry.file).name
    try:
        data = place.read_bytes()
    except OSError as error:
        raise StateUnusable(f"{place} cannot be read ({error.strerror}).") from error
    if sha256(data).hexdigest() != entry.sha256:
        raise StateUnusable(f"{place} was changed after it was kept.")
    return data


def _folder(home: Home, order_code: str) -> Path:
    if not _CODE.fullmatch(order_code):
        raise OrderUnknown(f"{order_code[:40]!r} is not the code of an order.")
    return home.path / "evidence" / order_code
