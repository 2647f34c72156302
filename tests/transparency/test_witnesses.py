"""The market asks its witnesses: real ones, over HTTP. One that is away or has seen more holds up nobody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.keeper import Witnesses
from ewaste.transparency import log
from ewaste.transparency.models import LogCosignature
from tests.transparency.stage import ORIGIN, NearSigner, append, publisher, store
from tests.world import World
from wipe_agent.certificate import log as fmt
from wipe_agent.witness import Memory, Witness, server


@contextmanager
def answering(witness: Witness, world: World) -> Iterator[str]:
    with server.WitnessServer(witness, ("127.0.0.1", 0), now=lambda: world.now) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield running.url
        finally:
            running.shutdown()
            thread.join()


def sizes(world: World) -> list[tuple[str, int]]:
    with world.transaction() as session:
        rows = session.execute(
            sa.select(LogCosignature.witness, LogCosignature.size).order_by(LogCosignature.size, LogCosignature.witness)
        )
        return [(vkey.partition("+")[0], size) for vkey, size in rows]


def test_each_witness_signs_each_checkpoint_once_and_one_that_is_away_is_asked_again(
    world: World, tmp_path: Path
) -> None:
    held = store(tmp_path)
    at_work = publisher(world, NearSigner(Path(), held))
    logs = {ORIGIN: held.vkey}
    one, two = (
        Witness(name, Ed25519PrivateKey.generate(), Memory(tmp_path / name), logs) for name in ("one.test", "two.test")
    )
    with answering(one, world) as first, answering(two, world) as second:
        asked = Witnesses(world.database, [(str(one.vkey), first), (str(two.vkey), "http://127.0.0.1:9")])
        assert asked.once(world.now) == 0  # Nothing is published yet.
        append(world, *range(3))
        at_work.once()
        assert asked.once(world.now) == 1
        with world.nothing_changes():
            assert asked.once(world.now) == 0
        append(world, *range(3, 700))
        at_work.once()
        fresh = Witnesses(
            world.database, [(str(one.vkey), first), (str(two.vkey), second)]
        )  # Started anew: knows nothing.
        assert fresh.once(world.now) == 2
        assert sizes(world) == [("one.test", 3), ("one.test", 700), ("two.test", 700)]
        assert fresh.seen == {str(one.vkey): 700, str(two.vkey): 700}
        with world.transaction() as session:
            newest = log.newest(session)
            assert newest is not None
            note = log.with_cosignatures(session, newest)
        seen = fmt.open_checkpoint(note, held.vkey, [one.vkey, two.vkey])
        assert set(seen.witnesses.values()) == {world.now}


def test_a_witness_that_saw_another_log_or_signs_with_another_key_is_not_kept(world: World, tmp_path: Path) -> None:
    held = store(tmp_path)
    append(world, *range(3))
    publisher(world, NearSigner(Path(), held)).once()
    logs = {ORIGIN: held.vkey}
    witness = Witness("one.test", Ed25519PrivateKey.generate(), Memory(tmp_path / "one"), logs)
    other = fmt.VerifierKey.of("one.test", fmt.COSIGNATURE, Ed25519PrivateKey.generate().public_key())
    stranger = store(tmp_path / "other")
    deaf = Witness("two.test", Ed25519PrivateKey.generate(), Memory(tmp_path / "two"), {ORIGIN: stranger.vkey})
    with answering(witness, world) as first, answering(deaf, world) as second, world.nothing_changes():
        assert Witnesses(world.database, [(str(other), first)]).once(world.now) == 0
        assert Witnesses(world.database, [(str(deaf.vkey), second)]).once(world.now) == 0
