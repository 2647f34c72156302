"""A witness that the market's readers need: it signs what the log says now, and its line comes in at once or later."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.core.log_trust import LogTrust
from ewaste.transparency import witnesses
from tests.transparency.stage import NearSigner, publisher, store
from tests.world import World
from wipe_agent.certificate import log

NAME = "north.example"


class Witness:
    """One witness, and a trust file that asks for it."""

    def __init__(self, world: World, folder: Path) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._vkey = str(log.VerifierKey.of(NAME, log.COSIGNATURE, self._key.public_key()))
        self._log, self._folder = store(folder), folder
        trust = LogTrust(logs=(str(self._log.vkey),), witnesses=(self._vkey,), needed=1)
        world.issuers = replace(world.issuers, log=trust)
        self._signed: tuple[int, log.Note] | None = None

    def sees(self, world: World) -> None:
        """It signs what the log says now, and the market has its line at once."""
        self.signs(world)
        self.hands_in(world)

    def signs(self, world: World) -> None:
        """It signs what the log says now."""
        publisher(world, NearSigner(self._folder, self._log)).once()
        note = self._log.last
        head = log.Checkpoint.parse(note.text)
        self._signed = head.size, note.and_signed(log.cosign(head, NAME, self._key, at=world.now))

    def hands_in(self, world: World) -> None:
        """The market gets what it signed last."""
        assert self._signed is not None
        size, note = self._signed
        with world.transaction() as session:
            assert witnesses.keep(session, size, self._vkey, now=world.now, signed=note)
