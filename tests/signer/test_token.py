"""The log's key in a PKCS #11 token: made there, used there, and in no file of the signer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ewaste.transparency.signing import SignerRefuses
from tests.signer.test_signer import COMMAND, FORK, ORIGIN, ROOT, TREE, running
from wipe_agent.certificate import log as fmt

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
MODULE = next((path for path in MODULES if Path(path).is_file()), None)
PIN = "481516"

pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None, reason="SoftHSM is not installed (Debian: softhsm2)"
)


def test_a_signer_with_its_key_in_a_token_signs_and_keeps_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    monkeypatch.setenv("SIGNER_PIN", PIN)
    words = ["softhsm2-util", "--init-token", "--free", "--label", "log", "--pin", PIN, "--so-pin", "87654321"]
    subprocess.run(words, check=True, capture_output=True)
    folder, token = tmp_path / "keys", ("--token", "log", "--module", str(MODULE))
    with running(folder, *token) as (process, signer):
        vkey, head = signer.key(), TREE.head(9)
        note = signer.sign(ORIGIN, 9, head.root, old_size=0, growth=())
        assert fmt.open_checkpoint(note.encode(), vkey).checkpoint == head
        assert not (folder / "log.pem").exists()
        process.kill()
        process.wait()
    with running(folder, *token) as (_, signer):
        assert (signer.key(), signer.last()) == (vkey, head)
        with pytest.raises(SignerRefuses, match="Another log of 9 entries was signed"):
            signer.sign(ORIGIN, 9, FORK.head(9).root, old_size=9, growth=())
    command = [*COMMAND, "--folder", str(folder), *token]
    wrong = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "SIGNER_PIN": "000000"}, capture_output=True, text=True, check=False
    )
    assert (wrong.returncode, "does not take this PIN" in wrong.stderr) == (2, True)
