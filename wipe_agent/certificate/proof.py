"""The Data Integrity proof `eddsa-jcs-2022` (W3C vc-di-eddsa): add one, check one.

The signature covers SHA-256 of the canonical proof options followed by SHA-256 of the canonical
document without its proof. The key is always handed in by the caller, who looked it up where keys
are trusted; nothing in the document chooses the key's type or the algorithm.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wipe_agent.certificate import multibase, vocabulary
from wipe_agent.certificate.strict import canonical
from wipe_agent.certificate.times import is_time, write_time


class ProofRefused(ValueError):
    """The proof does not hold; the message is the rest of a sentence that begins with the document."""


def sign(
    document: Mapping[str, Any], key: Ed25519PrivateKey, *, verification_method: str, created: datetime
) -> dict[str, Any]:
    """The document with a proof by `key`. A proof that is there already is not touched: ValueError."""
    if "proof" in document:
        raise ValueError("The document is signed already.")
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": vocabulary.CRYPTOSUITE,
        "created": write_time(created),
        "verificationMethod": verification_method,
        "proofPurpose": "assertionMethod",
        "@context": list(document["@context"]),
    }
    signature = key.sign(sha256(canonical(options)).digest() + sha256(canonical(document)).digest())
    return {**document, "proof": {**options, "proofValue": multibase.encode(signature)}}


def check(document: Mapping[str, Any], key: Ed25519PublicKey) -> None:
    """Check the document's proof against `key`, and nothing else. Raises ProofRefused with the reason."""
    unsigned = dict(document)
    options = check_options(unsigned.pop("proof", None), document.get("@context"))
    check_signature(options, canonical(unsigned), key)


_OPTION_NAMES: Final = frozenset(
    ("type", "cryptosuite", "created", "verificationMethod", "proofPurpose", "@context", "proofValue")
)
_VERIFICATION_METHOD: Final = re.compile(r"did:[a-z0-9]{1,32}:[A-Za-z0-9._:%-]{1,200}#[A-Za-z0-9._-]{1,100}")


def check_options(proof: Any, context: Any) -> dict[str, Any]:
    """The proof's options, if they are the only ones that this format admits. Raises ProofRefused."""
    if type(proof) is not dict:
        raise ProofRefused("has no single proof.")
    if proof.keys() != _OPTION_NAMES:
        raise ProofRefused("has a proof with members missing or unknown.")
    if proof["type"] != "DataIntegrityProof" or proof["cryptosuite"] != vocabulary.CRYPTOSUITE:
        raise ProofRefused(f"has a proof of another kind. Only {vocabulary.CRYPTOSUITE} is admitted.")
    if proof["proofPurpose"] != "assertionMethod":
        raise ProofRefused("has a proof made for another purpose than to assert.")
    if proof["@context"] != context:
        raise ProofRefused("has a proof made under another @context.")
    if not is_time(proof["created"]):
        raise ProofRefused("has a proof whose time is not written as 2026-01-31T12:00:00Z.")
    method = proof["verificationMethod"]
    if type(method) is not str or not _VERIFICATION_METHOD.fullmatch(method):
        raise ProofRefused("has a proof that does not name its key as DID#key.")
    return proof


def check_signature(options: Mapping[str, Any], unsigned: bytes, key: Ed25519PublicKey) -> None:
    """Check the signature over a document's canonical form without its proof. Raises ProofRefused."""
    value = options["proofValue"]
    if type(value) is not str:
        raise ProofRefused("has a signature that is not text.")
    try:
        signature = multibase.decode(value, size=64)
    except ValueError as error:
        raise ProofRefused(f"has a signature that cannot be read. {error}") from None
    signed_options = {name: option for name, option in options.items() if name != "proofValue"}
    try:
        key.verify(signature, sha256(canonical(signed_options)).digest() + sha256(unsigned).digest())
    except InvalidSignature:
        raise ProofRefused("was changed after it was signed, or was signed with another key.") from None
