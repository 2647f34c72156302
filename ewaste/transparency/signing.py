"""Asking the signer: the worker's side of its socket. See `ewaste.signer` for what it signs and what it never does."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wipe_agent.certificate import log as fmt

PATIENCE: Final = 10.0
_LARGEST: Final = 65_536


class SignerAway(Exception):
    """The signer did not answer. What is to be signed stays written down, and is tried again."""


class SignerRefuses(Exception):
    """The signer will not sign this. The message says why; somebody has to look."""


@dataclass(frozen=True)
class Signer:
    """The signer behind a Unix socket."""

    path: Path

    def key(self) -> fmt.VerifierKey:
        """The log's public key. Raises SignerAway."""
        return fmt.VerifierKey.parse(self._ask(b"key\n", "key").decode().strip())

    def last(self) -> fmt.Checkpoint:
        """What was signed last. Raises SignerAway."""
        return fmt.Checkpoint.parse(fmt.Note.parse(self._ask(b"last\n", "last")).text)

    def sign(self, origin: str, size: int, root: bytes, *, old_size: int, growth: tuple[bytes, ...]) -> str:
        """The signed checkpoint, a note. `growth` proves that it begins with the `old_size` entries signed last.

        Raises SignerAway (also when another was signed meanwhile) and SignerRefuses.
        """
        head = fmt.Checkpoint(origin, size, root)
        request = bytes(fmt.Submission(old_size, growth, head.text.encode()))
        return self._ask(request, "signed").decode()

    def exchange(self, request: bytes) -> bytes:
        """One question and its whole answer. Raises OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(str(self.path))
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            said = b""
            while len(said) <= _LARGEST and (piece := connection.recv(_LARGEST)):
                said += piece
            return said

    def _ask(self, request: bytes, wanted: str) -> bytes:
        try:
            said = self.exchange(request)
        except OSError as error:
            raise SignerAway(f"The signer does not answer ({error}).") from error
        word, _, body = said.partition(b"\n")
        if word == b"refused":
            raise SignerRefuses(body.decode("utf-8", "replace").strip())
        if word.decode("ascii", "replace") != wanted or not body:
            raise SignerAway("The signer broke off, or signed another checkpoint meanwhile. It is asked again.")
        return body
