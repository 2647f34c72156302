"""The station's key: nothing is signed by a library that signs wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.wipe_agent.support import PASSPHRASE
from wipe_agent import doctor, keys
from wipe_agent.errors import SelfTestFailed


def test_the_known_answers_hold_here() -> None:
    keys.self_test()


def test_a_library_that_signs_otherwise_opens_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    keys.make_key(home, PASSPHRASE)

    class Other:
        @staticmethod
        def from_private_bytes(data: bytes) -> Ed25519PrivateKey:
            return Ed25519PrivateKey.from_private_bytes(bytes(32))

    monkeypatch.setattr(keys, "Ed25519PrivateKey", Other)
    with pytest.raises(SelfTestFailed, match="RFC 8032"):
        keys.load_key(home, PASSPHRASE)
    assert "RFC 8032" in str(doctor.look(home).self_test_problem)


def test_the_doctor_says_when_the_tokens_software_is_gone(tmp_path: Path) -> None:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    home.key_file.write_text('{"format": "wipe-agent-station-key-pkcs11-v1", "module": "/nowhere.so"}')
    assert doctor.look(home).key == "The token's module /nowhere.so is not on this machine."
