"""After a restore: a signer that came out of a backup waits, and a log that cannot go on gives way to a new one."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste import cli
from ewaste.core.config import Config
from ewaste.operate import new_log, place
from ewaste.signer import store as signer
from ewaste.transparency import log
from tests.transparency.stage import NearSigner, append, digest, publisher, store
from tests.world import World
from wipe_agent.certificate import log as fmt


def test_what_a_restore_leaves_in_the_key_store_keeps_the_signer_from_signing(tmp_path: Path) -> None:
    assert (place.SIGNER_RESTORED, place.SIGNER) == (signer.RESTORED, "signer")
    held = store(tmp_path)
    (held.folder / place.SIGNER_RESTORED).touch(0o600)
    with pytest.raises(signer.StoreUnusable, match="was restored from a backup"):
        signer.Store.open(held.folder)


def test_a_new_log_numbers_every_entry_anew_and_the_old_one_stays_good(
    world: World, tmp_path: Path, app_url: str, owner_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store(tmp_path)
    append(world, *range(300))
    publisher(world, NearSigner(Path(), old)).once()
    with world.transaction() as session:
        earlier = log.proof_for(session, digest(7))
    assert earlier is not None
    settings = {"DATABASE_URL": app_url, "EWASTE_OWNER_DATABASE_URL": owner_url, "EWASTE_DATA": str(tmp_path)}

    def config(*keys: fmt.VerifierKey) -> Config:
        return Config.from_env({**settings, "EWASTE_LOG_KEYS": " ".join(map(str, keys))})

    new = signer.Store.open(tmp_path / "signer-2", origin="market.test/log-2")
    with world.nothing_changes():
        for keys, words in (((), "names no log"), ((old.vkey,), "is the one that is here"), ((new.vkey,), "Stop them")):
            with pytest.raises(ValueError, match=words):
                new_log.begin(config(*keys))
    world.database.close()
    for name, value in {**settings, "EWASTE_LOG_KEYS": f"{new.vkey} {old.vkey}"}.items():
        monkeypatch.setenv(name, value)
    assert cli.main(["begin-log"]) == 0
    append(world, 300)
    assert publisher(world, NearSigner(Path(), new)).once() == 301
    with world.transaction() as session:
        proof = log.proof_for(session, digest(7))
        assert session.scalar(sa.text("select count(*) from log_tiles")) == 1
    assert proof is not None
    leaf = fmt.Leaf("wipe-certificate", "did:web:market.test:centres:rhein", digest(7)).data
    for text, size in ((earlier.text, 300), (proof.text, 301)):
        proven = fmt.verify_proof(fmt.LogProof.parse(text), leaf, [new.vkey, old.vkey])
        assert (proven.index, proven.seen.checkpoint.size) == (7, size)
