"""What the signer keeps: its key, and the last checkpoint that it signed. Both in a folder for itself alone.

The last checkpoint is there from the beginning: it is that of the empty log. A key without one is therefore no new
signer but one that lost its memory, and that signs nothing before somebody says what it signed last (`go_on`). The
same holds for a folder that was restored from a backup: the world may have seen more than it remembers.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wipe_agent.certificate.log import (
    ED25519,
    EMPTY_ROOT,
    Checkpoint,
    LogRefused,
    Note,
    Unreadable,
    VerifierKey,
    open_checkpoint,
)

KEY: Final = "log.pem"
LAST: Final = "last-checkpoint"
PUBLIC: Final = "log.vkey"
RESTORED: Final = "restored"


class StoreUnusable(Exception):
    """The folder cannot be used as it is. The message says why, and what to do."""


def write_durably(path: Path, data: bytes) -> None:
    """Put `data` at `path` for the owner alone: written, synced, renamed, and the folder synced. Raises OSError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass
class Store:
    """An opened key store. `last` is what was signed last, as it lies on disk."""

    folder: Path
    key: Ed25519PrivateKey
    vkey: VerifierKey
    last: Note
    write: Callable[[Path, bytes], None] = write_durably

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        origin: str | None = None,
        key: Ed25519PrivateKey | None = None,
        write: Callable[[Path, bytes], None] = write_durably,
    ) -> Store:
        """Open the key store in `folder` (mode 0700), and make it when there is none and `origin` names the new log.

        `key` is one that lies elsewhere, in a token. Raises StoreUnusable.
        """
        if not folder.is_dir():
            if origin is None:
                raise StoreUnusable(f"There is no key store in {folder}. Start the signer with --origin to make one.")
            folder.mkdir(mode=0o700, parents=True)
        _require_private(folder)
        named = _named(folder)
        if named is None:
            if origin is None:
                raise StoreUnusable(f"There is no key store in {folder}. Start the signer with --origin to make one.")
            return cls._make(folder, origin, key, write)
        held = key or _read_key(folder / KEY)
        if _vkey(named.name, held) != named:
            raise StoreUnusable(f"The key of {folder} is not the one that {PUBLIC} names. Nothing is signed.")
        if (folder / RESTORED).exists():
            raise StoreUnusable(
                f"{folder} was restored from a backup. The world may have seen more than it remembers, and a second "
                "signature over another log of the same size cannot be taken back. Ask the witnesses for the newest "
                "checkpoint, then run: python -m ewaste.signer go-on (docs/spec/log-serving.md)"
            )
        return cls(folder, held, named, _read_last(folder, named), write)

    @classmethod
    def _make(
        cls, folder: Path, origin: str, key: Ed25519PrivateKey | None, write: Callable[[Path, bytes], None]
    ) -> Store:
        """A new key and the checkpoint of the empty log. The public key comes last: with it the store is there."""
        if (folder / LAST).exists() and Note.parse((folder / LAST).read_bytes()).text.split("\n")[1] != "0":
            raise StoreUnusable(f"{folder} remembers a log and has no key for it. Bring the key back.")
        held = key
        if held is None:
            held = Ed25519PrivateKey.generate()
            pem = held.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write(folder / KEY, pem)
        empty = Checkpoint(origin, 0, EMPTY_ROOT).signed(held)
        write(folder / LAST, bytes(empty))
        vkey = _vkey(origin, held)
        write(folder / PUBLIC, f"{vkey}\n".encode())
        return cls(folder, held, vkey, empty, write)

    @property
    def seen(self) -> Checkpoint:
        """The checkpoint that was signed last."""
        return Checkpoint.parse(self.last.text)

    def keep(self, note: Note) -> None:
        """Remember a checkpoint as the last one. On disk when this returns. Raises OSError; then nothing is signed."""
        self.write(self.folder / LAST, bytes(note))
        self.last = note


def go_on(folder: Path, newest: bytes | None, *, key: Ed25519PrivateKey | None = None) -> Checkpoint:
    """Let a store that was restored, or lost its memory, sign again, from `newest` on where that is larger.

    `newest` is the newest checkpoint with our signature that anybody holds: of a witness, a monitor, a proof. Returns
    what the signer now remembers. Raises StoreUnusable, having changed nothing.
    """
    _require_private(folder)
    named = _named(folder)
    if named is None:
        raise StoreUnusable(f"There is no key store in {folder}.")
    if _vkey(named.name, key or _read_key(folder / KEY)) != named:
        raise StoreUnusable(f"The key of {folder} is not the one that {PUBLIC} names.")
    try:
        given = open_checkpoint(newest, named) if newest is not None else None
        kept = open_checkpoint((folder / LAST).read_bytes(), named) if (folder / LAST).exists() else None
    except (Unreadable, LogRefused) as problem:
        raise StoreUnusable(f"The checkpoint cannot be used: {problem}") from problem
    last = max((one for one in (given, kept) if one is not None), key=lambda one: one.checkpoint.size, default=None)
    if last is None:
        raise StoreUnusable("The signer remembers nothing. Name the newest checkpoint that anybody holds: --newest")
    if given and kept and given.checkpoint.size == kept.checkpoint.size and given.checkpoint != kept.checkpoint:
        raise StoreUnusable("Two different logs of this size were signed with this key. Begin a new log.")
    write_durably(folder / LAST, bytes(last.note))
    (folder / RESTORED).unlink(missing_ok=True)
    return last.checkpoint


def _vkey(origin: str, key: Ed25519PrivateKey) -> VerifierKey:
    return VerifierKey.of(origin, ED25519, key.public_key())


def _require_private(folder: Path) -> None:
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise StoreUnusable(f"{folder} belongs to another user. The signer keeps its key in a folder of its own.")
    for path in (folder / KEY, folder / LAST):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mode & 0o077:
                raise StoreUnusable(f"{path} can be read by others. Close it: chmod 600 {path}")
    if found.st_mode & 0o077:
        raise StoreUnusable(f"{folder} is open to others. Close it: chmod 700 {folder}")


def _named(folder: Path) -> VerifierKey | None:
    path = folder / PUBLIC
    if not path.exists():
        return None
    try:
        return VerifierKey.parse(path.read_text(encoding="utf-8").strip())
    except (OSError, ValueError) as problem:
        raise StoreUnusable(f"{path} cannot be read: {problem}") from problem


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as problem:
        raise StoreUnusable(f"The key in {path} cannot be read. Bring it back from where you keep it.") from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise StoreUnusable(f"{path} holds no Ed25519 key.")
    return key


def _read_last(folder: Path, vkey: VerifierKey) -> Note:
    path = folder / LAST
    try:
        return open_checkpoint(path.read_bytes(), vkey).note
    except (OSError, Unreadable, LogRefused) as problem:
        raise StoreUnusable(
            f"{path} does not say what was signed last ({problem}), so nothing is signed. Ask the witnesses for the "
            "newest checkpoint, then run: python -m ewaste.signer go-on --newest FILE"
        ) from problem
