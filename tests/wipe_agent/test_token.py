"""The station's key in a PKCS #11 token: it signs there, a wrong PIN or another token is said so, it never leaves."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.wipe_agent.market import Market
from tests.wipe_agent.support import World, agent, medium, planted_image
from wipe_agent import keys
from wipe_agent.errors import TokenUnusable, WrongPassphrase
from wipe_agent.keys import TokenPlace

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
MODULE = next((path for path in MODULES if Path(path).is_file()), None)
PIN = "481516"

pytestmark = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None, reason="SoftHSM is not installed (Debian: softhsm2)"
)


@pytest.fixture(scope="module")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A token store of our own. SoftHSM reads it once in a process, so all tests of this one share it."""
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        for label in ("station", "another", "locking"):
            words = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "87654321"]
            subprocess.run(words, check=True, capture_output=True)
        yield folder


@pytest.fixture
def home(tmp_path: Path) -> keys.Home:
    home = keys.Home(tmp_path / "home")
    home.prepare()
    return home


def place(token: str = "station", key: str | None = None) -> TokenPlace:
    assert MODULE is not None
    return TokenPlace(MODULE, token, key or f"key-{uuid.uuid4()}")


def test_the_key_is_made_in_the_token_and_its_file_holds_no_secret(softhsm: Path, home: keys.Home) -> None:
    where = place()
    key = keys.make_key(home, PIN, where)
    key.public_key().verify(key.sign(b"a certificate"), b"a certificate")
    said = json.loads(home.key_file.read_bytes())
    assert set(said) == {"format", "module", "token", "key", "public_key_multibase"}
    assert keys.in_token(home)
    again = keys.load_key(home, PIN)
    assert again.public_key().public_bytes_raw() == key.public_key().public_bytes_raw()
    again.public_key().verify(again.sign(b"x"), b"x")


def test_the_key_does_not_leave_its_token(softhsm: Path, home: keys.Home) -> None:
    key = keys.make_key(home, PIN, place())
    for read in (
        key.private_bytes_raw,
        lambda: key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()),
    ):
        with pytest.raises(TokenUnusable, match="does not leave"):
            read()


def test_a_wrong_pin_is_tried_once_and_said(softhsm: Path, home: keys.Home) -> None:
    keys.make_key(home, PIN, place())
    before = home.key_file.read_bytes()
    with pytest.raises(WrongPassphrase, match="does not take this PIN"):
        keys.load_key(home, "000000")
    with pytest.raises(WrongPassphrase, match="empty"):
        keys.load_key(home, "")
    assert home.key_file.read_bytes() == before


def test_a_wrong_pin_at_enrolment_makes_nothing(softhsm: Path, home: keys.Home) -> None:
    with pytest.raises(WrongPassphrase):
        keys.make_key(home, "000000", place())
    assert not home.key_file.exists()


def test_another_token_with_a_key_of_the_same_name_does_not_pass(softhsm: Path, home: keys.Home) -> None:
    where = place()
    keys.make_key(home, PIN, where)
    other = keys.Home(home.path.parent / "other")
    other.prepare()
    keys.make_key(other, PIN, place("another", where.key))
    said = json.loads(home.key_file.read_bytes())
    home.key_file.write_text(json.dumps(said | {"token": "another"}))
    with pytest.raises(TokenUnusable, match="is not the one of this station"):
        keys.load_key(home, PIN)


def test_a_token_that_is_not_plugged_in_is_named(softhsm: Path, home: keys.Home) -> None:
    with pytest.raises(TokenUnusable, match="There is no token 'nowhere'"):
        keys.make_key(home, PIN, place("nowhere"))
    with pytest.raises(TokenUnusable, match="no PKCS #11 module"):
        keys.make_key(home, PIN, TokenPlace("/nowhere.so", "station", "x"))
    assert not home.key_file.exists()


def test_a_key_that_could_be_read_out_is_not_used(softhsm: Path, home: keys.Home) -> None:
    import pkcs11

    where = place()
    attribute = pkcs11.Attribute
    with pkcs11.lib(where.module).get_token(token_label="station").open(rw=True, user_pin=PIN) as session:
        parameters = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS, {attribute.EC_PARAMS: bytes.fromhex("06032b6570")}, local=True
        )
        parameters.generate_keypair(
            mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label=where.key,
            private_template={attribute.EXTRACTABLE: True, attribute.SENSITIVE: False},
        )
    with pytest.raises(TokenUnusable, match="could be read out"):
        keys.make_key(home, PIN, where)
    assert not home.key_file.exists()


def test_a_station_with_a_token_works_a_whole_day(softhsm: Path, tmp_path: Path) -> None:
    assert MODULE is not None
    world, home = World(), tmp_path / "home"
    image = planted_image(tmp_path / "disk.img")
    world.order(medium("DISK-0001"), code="WO-7")
    pin = {"WIPE_AGENT_PASSPHRASE": PIN, "SOFTHSM2_CONF": str(softhsm / "softhsm2.conf")}
    with Market(world) as market:
        words = ["--token", "station", "--pkcs11-module", MODULE, "--token-key", "day"]
        agent("enrol", "--market", market.url, "--code", "ENROL-1", *words, home=home, check=True, **pin)
        agent("orders", home=home, check=True, **pin)
        words = ["--order", "WO-7", "--target", str(image), "--image", "--confirm-serial", "DISK-0001"]
        agent("wipe", *words, home=home, check=True, **pin)
        wrong = agent("certify", "--order", "WO-7", home=home, **(pin | {"WIPE_AGENT_PASSPHRASE": "999999"}))
        assert wrong.returncode == WrongPassphrase.exit_code
        assert list((home / "outbox").iterdir()) == []
        done = agent("certify", "--order", "WO-7", "--json", home=home, check=True, **pin)
        bundle = Path(json.loads(done.stdout)["bundle"])
        agent("verify", str(bundle), "--training", home=home, check=True)
        agent("sync", "--once", home=home, check=True, **pin)
        assert len(market.received) == 1
