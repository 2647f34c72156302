"""The keys of the accreditor and the market: made once, read by their owner only; the trust file that names them."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ewaste.centres import credentials
from ewaste.centres.credentials import Issuers
from wipe_agent import certificate as wipe


def load(folder: Path) -> Issuers:
    return Issuers.load(folder, did_host="market.test", training=True, founded=datetime(2026, 11, 20, tzinfo=UTC))


def test_the_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    first, again = load(folder), load(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.name for path in folder.iterdir()) == ["accreditor.pem", "market.pem"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    for one, other in ((first.market, again.market), (first.accreditor, again.accreditor)):
        assert one.key.private_bytes_raw() == other.key.private_bytes_raw()
    assert first.market.key.private_bytes_raw() != first.accreditor.key.private_bytes_raw()


def test_processes_that_start_together_agree_on_the_keys(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: load(tmp_path / "keys").market.key.private_bytes_raw(), range(8)))
    assert len(set(made)) == 1


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "accreditor.pem").write_bytes(pem)
    with pytest.raises(TypeError, match="no Ed25519 key"):
        load(tmp_path)


def test_the_trust_file_names_who_accredits_and_who_orders(tmp_path: Path) -> None:
    issuers = load(tmp_path)
    document = credentials.trust_file(issuers)
    assert wipe.Trust.parse(credentials.trust_bytes(issuers))
    assert credentials.trust_bytes(load(tmp_path)) == credentials.trust_bytes(issuers)
    parties = {tuple(party["roles"]): party["didDocument"]["id"] for party in document["parties"]}
    assert parties == {
        ("accreditor",): "did:web:market.test:accreditation",
        ("marketplace",): "did:web:market.test",
    }
    assert issuers.centre_did("rhein-datenpark") == "did:web:market.test:centres:rhein-datenpark"
