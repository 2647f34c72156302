"""The station: its folder, its signing key encrypted at rest, and whom it trusts.

The folder (`WIPE_AGENT_HOME`, else `~/.local/share/wipe-agent`) belongs to one user alone. The Ed25519
key lies in `station-key.json`: AES-256-GCM under a key that scrypt (RFC 7914; n=2^16, r=8, p=1, 64 MiB)
makes of the passphrase. We do not use PKCS #8 here because OpenSSL's default writes 2,048 rounds of PBKDF2,
which a stolen laptop would not withstand for long. Or the key lies in a PKCS #11 token (`token.py`),
and the file says where.

`trust.json` is pinned at enrolment and never replaced by anything that comes in a bundle or from `orders`: a person
does it, with `pin`.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import stat
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from wipe_agent import durable
from wipe_agent.certificate import Trust
from wipe_agent.errors import NotEnrolled, SelfTestFailed, StateUnusable, WrongPassphrase
from wipe_agent.keys import token
from wipe_agent.keys.token import TokenPlace

__all__ = [
    "Home",
    "Station",
    "TokenPlace",
    "in_token",
    "load_key",
    "load_station",
    "load_trust",
    "make_key",
    "self_test",
    "token_module",
]

_SCRYPT = {"n": 2**16, "r": 8, "p": 1}
_MOST_SCRYPT_N = 2**20
_KNOWN_KEY = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
_KNOWN_SIGNATURE = (
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)
_KNOWN_SCRYPT = (
    "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
    "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"
)
SHORTEST_PASSPHRASE = 10  # characters; as short as an account's password may be
_ABOUT = b"wipe-agent-station-key-v1"


@dataclass(frozen=True)
class Home:
    """The state folder and the places in it."""

    path: Path

    @classmethod
    def from_environment(cls) -> Home:
        named = os.environ.get("WIPE_AGENT_HOME")
        return cls(Path(named) if named else Path.home() / ".local" / "share" / "wipe-agent")

    def prepare(self) -> None:
        """Make the folder and check that it is ours alone. Raises StateUnusable."""
        try:
            durable.make_folder(self.path)
            facts = self.path.stat()
            for place in (self.orders, self.journals, self.outbox, self.sent, self.refused, self.receipts):
                durable.make_folder(place)
        except OSError as error:
            raise StateUnusable(f"The state folder {self.path} cannot be used ({error.strerror}).") from error
        if facts.st_uid != os.getuid():
            raise StateUnusable(f"The state folder {self.path} belongs to another user.")
        if stat.S_IMODE(facts.st_mode) & 0o077:
            raise StateUnusable(
                f"The state folder {self.path} is open to other users.", next_step=f"Run: chmod 700 {self.path}"
            )

    @property
    def orders(self) -> Path:
        """Work orders as they were fetched."""
        return self.path / "orders"

    @property
    def journals(self) -> Path:
        """The journals, a folder for each order."""
        return self.path / "journals"

    @property
    def outbox(self) -> Path:
        """Bundles that wait to be sent."""
        return self.path / "outbox"

    @property
    def sent(self) -> Path:
        """Bundles that the marketplace accepted."""
        return self.path / "sent"

    @property
    def refused(self) -> Path:
        """Bundles that the marketplace refused."""
        return self.path / "refused"

    @property
    def receipts(self) -> Path:
        """What the marketplace answered."""
        return self.path / "receipts"

    @property
    def issued_file(self) -> Path:
        """Which certificates of the centre are in the log, as the marketplace says."""
        return self.path / "issued.json"

    @property
    def trust_file(self) -> Path:
        """Whom this station trusts, pinned at enrolment."""
        return self.path / "trust.json"

    @property
    def standings_file(self) -> Path:
        """How the marketplace last said that the orders stand."""
        return self.path / "standings.json"

    @property
    def station_file(self) -> Path:
        """What enrolment gave this station."""
        return self.path / "station.json"

    @property
    def key_file(self) -> Path:
        """The station's signing key, sealed under the passphrase."""
        return self.path / "station-key.json"


@dataclass(frozen=True)
class Station:
    """What enrolment gave this station."""

    market: str
    station_id: str
    verification_method: str
    centre_id: str
    centre_name: str
    mode: str
    enrolled_at: str

    def save(self, home: Home) -> None:
        durable.write_file(home.station_file, json.dumps(asdict(self), indent=1, sort_keys=True).encode())


def load_station(home: Home) -> Station:
    """The enrolled station. Raises NotEnrolled."""
    try:
        return Station(**json.loads(home.station_file.read_bytes()))
    except FileNotFoundError as error:
        raise NotEnrolled("This station is not enrolled yet.") from error
    except (OSError, ValueError, TypeError) as error:
        raise StateUnusable(f"{home.station_file} cannot be read.") from error


def load_trust(home: Home) -> Trust:
    """The trust pinned at enrolment. Raises NotEnrolled."""
    try:
        return Trust.parse(home.trust_file.read_bytes())
    except FileNotFoundError as error:
        raise NotEnrolled("This station has no pinned trust file: it is not enrolled yet.") from error
    except (OSError, ValueError) as error:
        raise StateUnusable(f"{home.trust_file} cannot be read.") from error


def make_key(home: Home, passphrase: str, place: TokenPlace | None = None) -> Ed25519PrivateKey:
    """Make the station's key and keep it encrypted, or in the token at `place`, whose PIN `passphrase` then is.

    If one is there already (a lost answer), use it. Raises WrongPassphrase, TokenUnusable.
    """
    if home.key_file.exists():
        return load_key(home, passphrase)
    if place is not None:
        key_there = token.make(place, passphrase)
        durable.write_file(home.key_file, token.document(place, key_there))
        return key_there
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise WrongPassphrase(
            f"The passphrase has fewer than {SHORTEST_PASSPHRASE} characters; whoever has the folder would guess it.",
            next_step="Choose a longer one. Four words are easier than symbols.",
        )
    key = Ed25519PrivateKey.generate()
    salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
    raw = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    sealed = AESGCM(_derive(passphrase, salt, **_SCRYPT)).encrypt(nonce, raw, _ABOUT)
    document = {
        "format": "wipe-agent-station-key-v1",
        "kdf": {"name": "scrypt", "salt": _text(salt), **_SCRYPT},
        "cipher": {"name": "AES-256-GCM", "nonce": _text(nonce)},
        "sealed": _text(sealed),
    }
    durable.write_file(home.key_file, json.dumps(document, indent=1).encode())
    return key


def self_test() -> None:
    """Signing and sealing against known answers: RFC 8032 (7.1, test 2) and RFC 7914 (12). Raises SelfTestFailed.

    Takes about a millisecond; run whenever the key is opened, so that a broken library signs nothing.
    """
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(_KNOWN_KEY))
    signature = key.sign(b"\x72")
    if signature.hex() != _KNOWN_SIGNATURE:
        raise SelfTestFailed("The self-test's signature is not the one that RFC 8032 gives.")
    try:
        key.public_key().verify(signature[:-1] + bytes([signature[-1] ^ 1]), b"\x72")
    except InvalidSignature:
        pass
    else:
        raise SelfTestFailed("The self-test took a changed signature for a good one.")
    if Scrypt(salt=b"", length=64, n=16, r=1, p=1).derive(b"").hex() != _KNOWN_SCRYPT:
        raise SelfTestFailed("The self-test's scrypt is not the one that RFC 7914 gives.")


def in_token(home: Home) -> bool:
    """Whether the station's key lies in a token, so that a PIN is asked for and not a passphrase."""
    try:
        return bool(json.loads(home.key_file.read_bytes())["format"] == token.FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def token_module(home: Home) -> str:
    """Which module the token's key is used through. Raises StateUnusable."""
    try:
        return str(json.loads(home.key_file.read_bytes())["module"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateUnusable(f"{home.key_file} cannot be read.") from error


def load_key(home: Home, passphrase: str) -> Ed25519PrivateKey:
    """Open the station's key. Raises NotEnrolled, WrongPassphrase, StateUnusable, TokenUnusable or SelfTestFailed."""
    self_test()
    try:
        document = json.loads(home.key_file.read_bytes())
        if document["format"] == token.FORMAT:
            return token.load(document, passphrase)
        kdf = document["kdf"]
        n, r, p = int(kdf["n"]), int(kdf["r"]), int(kdf["p"])
        if not (2**14 <= n <= _MOST_SCRYPT_N and r == 8 and p == 1):
            raise ValueError("unexpected cost")
        salt, nonce = _bytes(kdf["salt"]), _bytes(document["cipher"]["nonce"])
        sealed = _bytes(document["sealed"])
    except FileNotFoundError as error:
        raise NotEnrolled("This station has no key yet.") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateUnusable(f"{home.key_file} cannot be read.") from error
    try:
        raw = AESGCM(_derive(passphrase, salt, n=n, r=r, p=p)).decrypt(nonce, sealed, _ABOUT)
    except InvalidTag as error:
        raise WrongPassphrase("The passphrase does not open the station's key.") from error
    return Ed25519PrivateKey.from_private_bytes(raw)


def _derive(passphrase: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=n, r=r, p=p).derive(passphrase.encode())


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
