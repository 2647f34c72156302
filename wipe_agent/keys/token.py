"""The station's key in a PKCS #11 token: made there, used there, and never outside.

`station-key.json` then holds no secret, only where the key is and which public key it must have. Each signature opens a
session, logs in with the PIN and closes it, so a token may be taken out and put back between two. A signature is
checked under the noted public key before it is used: another token of the same name, or one that computes wrongly, is
found out here.

A wrong PIN is tried once and not again: tokens lock after a few. The library python-pkcs11 is loaded only where a token
is used.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, KeySerializationEncryption, PrivateFormat

from wipe_agent.certificate import public_key_from_multibase, public_key_multibase
from wipe_agent.errors import StateUnusable, TokenUnusable, WrongPassphrase

FORMAT = "wipe-agent-station-key-pkcs11-v1"
_ED25519 = bytes.fromhex("06032b6570")  # the OID of Ed25519 (RFC 8410), as CKA_EC_PARAMS wants it


@dataclass(frozen=True)
class TokenPlace:
    """Where the key lies: the module (a shared library), the token's label, and the key's name in it."""

    module: str
    token: str
    key: str


class TokenKey(Ed25519PrivateKey):
    """An Ed25519 key that signs inside its token. It cannot be read out: `private_bytes` is refused."""

    def __init__(self, place: TokenPlace, pin: str, public: Ed25519PublicKey) -> None:
        self._place, self._pin, self._public = place, pin, public

    def sign(self, data: bytes | bytearray | memoryview) -> bytes:
        """Sign in the token. Raises TokenUnusable or WrongPassphrase; never gives a signature that does not verify."""
        with _session(self._place, self._pin) as (library, session):
            signature = bytes(_private(library, session, self._place).sign(bytes(data), mechanism=_eddsa(library)))
        try:
            self._public.verify(signature, bytes(data))
        except InvalidSignature as error:
            raise TokenUnusable(
                f"The key {self._place.key!r} in the token {self._place.token!r} is not the one of this station."
            ) from error
        return signature

    def public_key(self) -> Ed25519PublicKey:
        """The public half."""
        return self._public

    def private_bytes(
        self,
        encoding: Encoding,
        format: PrivateFormat,  # noqa: A002 - the name that the library gave it
        encryption_algorithm: KeySerializationEncryption,
    ) -> NoReturn:
        """Refused."""
        raise TokenUnusable("The key does not leave its token.")

    def private_bytes_raw(self) -> NoReturn:
        """Refused."""
        raise TokenUnusable("The key does not leave its token.")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TokenKey:
        return self


def make(place: TokenPlace, pin: str) -> TokenKey:
    """The key of this name in the token, made there if there is none.

    Raises TokenUnusable (no such module or token, no Ed25519, a key that can be read out), WrongPassphrase.
    """
    with _session(place, pin, write=True) as (library, session):
        found = _find(library, session, place, library.ObjectClass.PRIVATE_KEY)
        if not found:
            kind = library.KeyType.EC_EDWARDS
            parameters = session.create_domain_parameters(kind, {library.Attribute.EC_PARAMS: _ED25519}, local=True)
            parameters.generate_keypair(
                mechanism=library.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                store=True,
                label=place.key,
                id=secrets.token_bytes(8),
            )
        public = _public_in(library, session, place)
    key = TokenKey(place, pin, public)
    key.sign(b"wipe-agent token self-test")
    return key


def document(place: TokenPlace, key: TokenKey) -> bytes:
    """What `station-key.json` says of a key in a token."""
    said = {
        "format": FORMAT,
        "module": place.module,
        "token": place.token,
        "key": place.key,
        "public_key_multibase": public_key_multibase(key.public_key()),
    }
    return json.dumps(said, indent=1).encode()


def load(said: dict[str, Any], pin: str) -> TokenKey:
    """The key that the document names, after it has signed something. Raises as `make`, and StateUnusable."""
    try:
        place = TokenPlace(str(said["module"]), str(said["token"]), str(said["key"]))
        public = public_key_from_multibase(said["public_key_multibase"])
    except (KeyError, TypeError, ValueError) as error:
        raise StateUnusable(f"The note of the station's key in its token cannot be read ({error}).") from error
    key = TokenKey(place, pin, public)
    key.sign(b"wipe-agent token self-test")
    return key


@contextmanager
def _session(place: TokenPlace, pin: str, *, write: bool = False) -> Iterator[tuple[Any, Any]]:
    """The library and an open session, logged in. What goes wrong inside is said in our words."""
    if not Path(place.module).is_absolute() or not Path(place.module).is_file():
        raise TokenUnusable(
            f"There is no PKCS #11 module at {place.module}.",
            next_step="Give the full path of the token's .so file with --pkcs11-module.",
        )
    if not pin:
        raise WrongPassphrase("The PIN is empty.", next_step="Type the token's user PIN, or set WIPE_AGENT_PASSPHRASE.")
    try:
        import pkcs11
    except ImportError as error:
        raise TokenUnusable(
            "The library python-pkcs11 is not installed here.", next_step="Install requirements-agent.txt."
        ) from error
    try:
        token = pkcs11.lib(place.module).get_token(token_label=place.token)
        with token.open(rw=write, user_pin=pin) as session:
            yield pkcs11, session
    except pkcs11.exceptions.PinLocked as error:
        raise TokenUnusable(
            f"The token {place.token!r} is locked after too many wrong PINs.",
            next_step="Whoever holds the security officer's PIN unlocks it.",
        ) from error
    except (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinInvalid, pkcs11.exceptions.PinLenRange) as error:
        raise WrongPassphrase(
            f"The token {place.token!r} does not take this PIN. After a few wrong ones it locks.",
            next_step="Type the token's user PIN with care, or set WIPE_AGENT_PASSPHRASE.",
        ) from error
    except (pkcs11.exceptions.NoSuchToken, pkcs11.exceptions.TokenNotPresent) as error:
        raise TokenUnusable(
            f"There is no token {place.token!r} at this machine.", next_step="Plug it in, and run the command again."
        ) from error
    except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError) as error:
        raise TokenUnusable(
            f"The token {place.token!r} answers with {type(error).__name__} {error}".rstrip() + "."
        ) from error


def _find(library: Any, session: Any, place: TokenPlace, kind: Any) -> list[Any]:
    attribute = library.Attribute
    wanted = {attribute.CLASS: kind, attribute.KEY_TYPE: library.KeyType.EC_EDWARDS, attribute.LABEL: place.key}
    return list(session.get_objects(wanted))


def _private(library: Any, session: Any, place: TokenPlace) -> Any:
    """The private key of this name, if it is the only one and cannot be read out. Raises TokenUnusable."""
    found = _find(library, session, place, library.ObjectClass.PRIVATE_KEY)
    if len(found) != 1:
        raise TokenUnusable(
            f"The token {place.token!r} has {len(found)} Ed25519 keys named {place.key!r}; one is wanted.",
            next_step="Name another with --token-key, or put the right token in.",
        )
    key = found[0]
    if key[library.Attribute.EXTRACTABLE] or not key[library.Attribute.SENSITIVE]:
        raise TokenUnusable(
            f"The key {place.key!r} could be read out of the token {place.token!r}. It is not used.",
            next_step="Name another with --token-key: the agent makes one that stays inside.",
        )
    return key


def _public_in(library: Any, session: Any, place: TokenPlace) -> Ed25519PublicKey:
    found = _find(library, session, place, library.ObjectClass.PUBLIC_KEY)
    if len(found) != 1:
        raise TokenUnusable(
            f"The token {place.token!r} has {len(found)} public keys named {place.key!r}; one is wanted.",
            next_step="Name another with --token-key.",
        )
    point = bytes(found[0][library.Attribute.EC_POINT])
    # PKCS #11 2.40 and many tokens wrap it in an OCTET STRING, 3.0 says raw, some write a BIT STRING.
    for head in (b"\x04\x20", b"\x03\x21\x00"):
        if len(point) == len(head) + 32 and point.startswith(head):
            point = point[len(head) :]
    if len(point) != 32:
        raise TokenUnusable(f"The token gives a public key of {len(point)} bytes; Ed25519 has 32.")
    # Through the strict reader, which refuses keys under which one signature fits many messages.
    return public_key_from_multibase(public_key_multibase(Ed25519PublicKey.from_public_bytes(point)))


def _eddsa(library: Any) -> Any:
    return library.Mechanism.EDDSA
