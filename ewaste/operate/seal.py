"""Sealing a backup with a passphrase, as the keys of the market lie in it.

The passphrase gives two keys by scrypt: one encrypts files, the other signs the manifest. A file is a run of pieces of
one mebibyte, each sealed with AES-256-GCM under the file's name, its number and whether it is the last. So a piece that
was changed, moved, left out or put into another file does not open.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

MAGIC: Final = b"EWSEAL1\n"
PIECE: Final = 1024 * 1024
TAG: Final = 16
COST: Final = 2**17  # 128 MiB and about half a second
SHORTEST: Final = 12


class Broken(ValueError):
    """A sealed file does not open: another passphrase, or it was changed."""


@dataclass(frozen=True)
class Seal:
    """The two keys of one backup, and what is needed to derive them again."""

    salt: bytes
    cost: int
    encrypting: bytes
    signing: bytes

    @classmethod
    def make(cls, passphrase: bytes) -> Seal:
        """A seal of its own for a new backup."""
        return cls._derive(passphrase, secrets.token_bytes(16), COST)

    @classmethod
    def again(cls, passphrase: bytes, said: Mapping[str, Any]) -> Seal:
        """The seal of a backup that is there, from what its manifest says. Raises `Broken` for a seal unlike ours."""
        try:
            salt, cost = bytes.fromhex(said["salt"]), int(said["cost"])
        except (KeyError, ValueError, TypeError) as error:
            raise Broken("The manifest does not say how this backup was sealed.") from error
        if not 2**14 <= cost <= 2**20 or cost & (cost - 1):
            raise Broken("The manifest asks for a seal that this release does not make.")
        return cls._derive(passphrase, salt, cost)

    @classmethod
    def _derive(cls, passphrase: bytes, salt: bytes, cost: int) -> Seal:
        keys = Scrypt(salt=salt, length=64, n=cost, r=8, p=1).derive(passphrase)
        return cls(salt, cost, keys[:32], keys[32:])

    def says(self) -> dict[str, Any]:
        """What the manifest carries, so that the passphrase alone opens the backup."""
        return {"kind": "scrypt, AES-256-GCM", "salt": self.salt.hex(), "cost": self.cost}

    def sign(self, text: bytes) -> str:
        """The signature of a manifest."""
        return hmac.new(self.signing, text, hashlib.sha256).hexdigest()

    def close(self, source: Iterable[bytes], target: IO[bytes], name: str) -> None:
        """Write what comes from `source`, sealed, as the file of this name."""
        start = secrets.token_bytes(7)
        target.write(MAGIC + start)
        box = AESGCM(self.encrypting)
        for number, (piece, last) in enumerate(_pieces(source)):
            target.write(box.encrypt(_nonce(start, number, last), piece, name.encode()))

    def open(self, source: IO[bytes], name: str) -> Iterator[bytes]:
        """What was sealed as the file of this name, piece by piece. Raises `Broken`."""
        head = source.read(len(MAGIC) + 7)
        if not head.startswith(MAGIC):
            raise Broken(f"{name} is not a sealed file.")
        box, start = AESGCM(self.encrypting), head[len(MAGIC) :]
        number, piece = 0, source.read(PIECE + TAG)
        while True:
            following = source.read(PIECE + TAG)
            try:
                yield box.decrypt(_nonce(start, number, not following), piece, name.encode())
            except (InvalidTag, ValueError) as error:
                raise Broken(f"{name} does not open: the passphrase is another one, or it was changed.") from error
            if not following:
                return
            number, piece = number + 1, following


def passphrase(file: Path) -> bytes:
    """The first line of a file that only its owner reads. Raises `ValueError` when it is short or open to others."""
    try:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise ValueError(f"{file} may be read by others. Close it: chmod 600 {file}")
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise ValueError(f"The passphrase in {file} cannot be read ({error.strerror}).") from error
    found = lines[0].strip() if lines else b""
    if len(found) < SHORTEST:
        raise ValueError(f"The passphrase in {file} has fewer than {SHORTEST} characters. Take a longer one.")
    return found


def _nonce(start: bytes, number: int, last: bool) -> bytes:
    return start + number.to_bytes(4, "big") + bytes([last])


def _pieces(source: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Pieces of the same length, and which is the last; an empty file has one empty piece."""
    waiting = bytearray()
    for block in source:
        waiting += block
        while len(waiting) > PIECE:
            yield bytes(waiting[:PIECE]), False
            del waiting[:PIECE]
    yield bytes(waiting), True
