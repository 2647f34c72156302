"""What a backup says of itself: when, of what, every file with its digest, every table with its number of rows."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from ewaste.operate.seal import Seal

NAME: Final = "manifest.json"
DATABASE: Final = "database.dump"
FILES: Final = "data"
FORMAT: Final = 1
LARGEST: Final = 4 * 1024 * 1024


class Damaged(ValueError):
    """A backup that is not what its manifest says. Says what, and that nothing was restored."""


@dataclass(frozen=True)
class Kept:
    """One file of a backup. `path` is relative to it; digest and size are those of the file as it lies there."""

    path: str
    bytes: int
    sha256: str
    mode: int


@dataclass(frozen=True)
class Manifest:
    """See the module."""

    begun: str
    """Whatever was acknowledged before this moment is in the backup."""
    finished: str
    mode: str
    did_host: str
    revision: str
    server: int
    app_role: str
    owner_role: str
    counts: dict[str, int]
    files: list[Kept]
    sealed: dict[str, Any] | None = None
    format: int = field(default=FORMAT)

    def text(self, seal: Seal | None) -> str:
        """The manifest as it is written, signed when the backup is sealed."""
        said = asdict(self)
        if seal is not None:
            said["signature"] = seal.sign(_canonical(said))
        return json.dumps(said, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @property
    def began_at(self) -> datetime:
        """When the snapshot was asked for."""
        return datetime.fromisoformat(self.begun)


def read(folder: Path) -> tuple[Manifest, str | None]:
    """The manifest of a backup and its signature, if it has one. Raises `Damaged`."""
    try:
        raw = (folder / NAME).read_bytes()
        said: dict[str, Any] = json.loads(raw) if len(raw) <= LARGEST else {}
        signature = said.pop("signature", None)
        if said.get("format") != FORMAT:
            raise Damaged(f"This backup has the format {said.get('format')!r}; this release reads {FORMAT}.")
        said["files"] = [Kept(**each) for each in said["files"]]
        found = Manifest(**said)
    except OSError as error:
        raise Damaged(f"{folder} is no backup: its {NAME} cannot be read ({error.strerror}).") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        if isinstance(error, Damaged):
            raise
        raise Damaged(f"The {NAME} in {folder} is not whole. Nothing was restored.") from error
    for kept in found.files:
        _require_inside(kept.path)
    return found, signature


def check(folder: Path, manifest: Manifest, signature: str | None, seal: Seal | None) -> None:
    """Raise `Damaged` unless every file is there, is as it was written, and nobody changed the manifest."""
    if seal is not None:
        expected = seal.sign(_canonical(asdict(manifest)))
        if signature is None or not hmac.compare_digest(signature, expected):
            raise Damaged("The manifest was not written with this passphrase, or it was changed. Nothing was restored.")
    for kept in manifest.files:
        try:
            with (folder / kept.path).open("rb") as file:
                size, found = digest(file)
        except OSError as error:
            raise Damaged(f"{kept.path} cannot be read ({error.strerror}). Nothing was restored.") from error
        if (size, found) != (kept.bytes, kept.sha256):
            raise Damaged(f"{kept.path} is not as it was written. Nothing was restored.")
    if not any(kept.path.startswith(DATABASE) for kept in manifest.files):
        raise Damaged("The backup holds no database. Nothing was restored.")


def digest(file: IO[bytes]) -> tuple[int, str]:
    """Length and SHA-256 of what is left of a file."""
    sha, size = hashlib.sha256(), 0
    while block := file.read(1024 * 1024):
        sha.update(block)
        size += len(block)
    return size, sha.hexdigest()


def _canonical(said: dict[str, Any]) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _require_inside(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise Damaged(f"The manifest names {path!r}, which lies outside the backup. Nothing was restored.")
