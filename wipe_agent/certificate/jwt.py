"""The certificate once more, enveloped: a `vc+jwt` (W3C VC-JOSE-COSE), for tools that read JOSE and not Data Integrity.

The payload is the unsigned credential itself. One algorithm is admitted, `Ed25519` (RFC 9864), with exactly the
header members that are written here: nothing in the envelope chooses how it is checked, and nothing in it is
believed that the first form does not say.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wipe_agent.certificate.proof import ProofRefused
from wipe_agent.certificate.strict import MAX_BYTES, Unreadable, canonical, read_signed

MEDIA_TYPE: Final = "application/vc+jwt"


def envelop(document: Mapping[str, Any], key: Ed25519PrivateKey, *, verification_method: str) -> str:
    """The `vc+jwt` of a credential; its own `proof`, if it has one, is left out. Compact serialisation (RFC 7515)."""
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    signed = f"{_encode(canonical(_header(verification_method)))}.{_encode(canonical(unsigned))}"
    return f"{signed}.{_encode(key.sign(signed.encode()))}"


def check(data: bytes, unsigned: bytes, key: Ed25519PublicKey, *, verification_method: str) -> None:
    """Check that the `vc+jwt` says the same as `unsigned` (canonical) and is signed with this key.

    Raises Unreadable or ProofRefused; the message goes on after the name of the file.
    """
    parts = data.split(b".")
    if len(parts) != 3:
        raise Unreadable("is not written as three parts with dots between them.")
    header, payload, signature = (_decode(part) for part in parts)
    # Written as we write it, it says what was read already; spelt otherwise, it is read to see what it says.
    if header != canonical(_header(verification_method)) or payload != unsigned:
        _require_same(header, payload, unsigned, verification_method)
    try:
        key.verify(signature, parts[0] + b"." + parts[1])
    except InvalidSignature:
        raise ProofRefused("was changed after it was signed, or was signed with another key.") from None


def _require_same(header: bytes, payload: bytes, unsigned: bytes, verification_method: str) -> None:
    try:
        said, _, _ = read_signed(header, what="header")
        _, _, claimed = read_signed(payload, what="payload")
    except Unreadable as problem:
        raise Unreadable(f"cannot be read. {problem}") from None
    if said.get("alg") != "Ed25519" or said.get("typ") != "vc+jwt":
        raise ProofRefused("is signed in another way than with Ed25519 as vc+jwt.")
    if said != _header(verification_method):
        raise ProofRefused("names another key than the certificate, or has members in its header that are not known.")
    if claimed != unsigned:
        raise ProofRefused("says something else than the certificate.")


def _header(verification_method: str) -> dict[str, str]:
    return {"alg": "Ed25519", "cty": "vc", "kid": verification_method, "typ": "vc+jwt"}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(part: bytes) -> bytes:
    """One part; in its one spelling, without padding. Raises Unreadable."""
    if len(part) > MAX_BYTES // 3 * 4 + 4:
        raise Unreadable("is too long.")
    try:
        data = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("is not base64url.") from None
    if _encode(data).encode() != part:
        raise Unreadable("has stray bits or padding in it.")
    return data
