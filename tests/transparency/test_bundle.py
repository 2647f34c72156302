"""A bundle as anybody downloads it: the certificate, and the proof that the log holds it, seen by witnesses."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.centres import credentials
from ewaste.certificates.models import Certificate
from ewaste.core.log_trust import LogTrust
from ewaste.journey import clearing, completing, witnessing
from tests.transparency.stage import NearSigner, publisher, store
from tests.world import World
from wipe_agent import certificate as wipe
from wipe_agent.certificate import log as fmt


def log_check(world: World, files: dict[str, str], trust: bytes) -> tuple[str, str]:
    """Level and words of the check that looks at the log; everything else holds."""
    bundle = wipe.Bundle.from_files({name: text.encode() for name, text in files.items()})
    report = wipe.verify(bundle, wipe.Trust.parse(trust), at=world.now, training=True)
    assert report.ok, report.refusal
    (found,) = [check for check in report.checks if check.name == "log"]
    return found.level, found.text


def test_the_proof_comes_with_the_bundle_and_an_older_trust_file_still_verifies_it(
    world: World, tmp_path: Path
) -> None:
    held = store(tmp_path)
    key = Ed25519PrivateKey.generate()
    witness = fmt.VerifierKey.of("witness.test", fmt.COSIGNATURE, key.public_key())
    older = credentials.trust_bytes(world.issuers)  # Pinned before there was a log.
    assert b'"logs"' not in older
    trust = LogTrust((str(held.vkey),), (str(witness),), 1)
    world.issuers = dataclasses.replace(world.issuers, log=trust)
    newer = credentials.trust_bytes(world.issuers)
    read = wipe.Trust.parse(newer)
    assert [str(one.key) for one in (*read.logs, *read.witnesses)] == [str(held.vkey), str(witness)]
    assert wipe.fingerprint(newer) != wipe.fingerprint(older)

    def bundle() -> dict[str, str]:
        with world.transaction() as session:
            certificate = session.scalars(sa.select(Certificate)).one()
            return completing.completed(session, certificate, world.issuers, now=world.now)

    world.cleared()
    assert "log-proof.txt" not in bundle()  # Accepted a moment ago.
    at_work = publisher(world, NearSigner(Path(), held))
    at_work.once()
    assert log_check(world, bundle(), newer)[0] == "caution"  # Nobody has seen it yet.
    cosigned = held.last.and_signed(fmt.cosign(held.seen, witness.name, key, at=world.now + timedelta(minutes=1)))
    actor = clearing.station_actor(world.station().station)
    with world.transaction() as session:
        note = bytes(cosigned).decode()
        assert witnessing.take_cosignature(session, actor, note, known=trust.witnesses, now=world.now) == 1
    level, words = log_check(world, bundle(), newer)
    assert (level, "witness" in words) == ("holds", True)
    assert log_check(world, bundle(), older)[0] == "caution"


def test_a_station_that_pinned_an_older_trust_file_goes_on_certifying(world: World, tmp_path: Path) -> None:
    older = credentials.trust_bytes(world.issuers)
    _, order = world.ordered()
    files = world.bundle(order)
    world.issuers = dataclasses.replace(world.issuers, log=LogTrust((str(store(tmp_path).vkey),)))
    assert credentials.trust_bytes(world.issuers) != older
    assert world.submit(files).outcome == "accepted"
    bundle = wipe.Bundle.from_files({name: text.encode() for name, text in files.items()})
    assert wipe.verify(bundle, wipe.Trust.parse(older), at=world.now, training=True).ok
