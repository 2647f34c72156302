"""A log for tests: leaves by number, and a signer in this process that follows the rules of the real one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ewaste.keeper import Publisher
from ewaste.signer import rules
from ewaste.signer.store import Store
from ewaste.transparency import log
from ewaste.transparency.signing import Signer
from tests.world import World
from wipe_agent.certificate import digest_multibase

ORIGIN = "market.test/log"
ISSUER = "did:web:market.test:centres:rhein"


@dataclass(frozen=True)
class NearSigner(Signer):
    """The signer's rules without its socket."""

    store: Store

    def exchange(self, request: bytes) -> bytes:
        return bytes(rules.answer(self.store, request))


def digest(number: int) -> str:
    return digest_multibase({"number": number})


def append(world: World, *numbers: int) -> None:
    """Each number is the digest of a certificate; one step for all."""
    with world.transaction() as session:
        log.append_all(session, [("wipe-certificate", ISSUER, digest(number)) for number in numbers], now=world.now)


def store(folder: Path) -> Store:
    return Store.open(folder / "signer", origin=ORIGIN)


def publisher(world: World, signer: Signer) -> Publisher:
    return Publisher(world.database, signer, lambda: world.now)
