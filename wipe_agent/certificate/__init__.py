"""The certificate format: issue and verify proofs that data was wiped.

A certificate, the accreditation it was issued under, and the work order it answers are Verifiable
Credentials with an `eddsa-jcs-2022` proof. `issue` signs any of the three; `verify` checks a bundle
of them against a pinned trust file and reports each check in a sentence. The format is described
in `docs/spec/`. This package needs the standard library and `cryptography`, and nothing of the
agent or the marketplace.
"""

from collections.abc import Mapping
from datetime import datetime
from secrets import token_bytes
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from wipe_agent.certificate import multibase, proof
from wipe_agent.certificate.bundle import Bundle
from wipe_agent.certificate.jwt import envelop
from wipe_agent.certificate.multibase import (
    digest_multibase,
    digest_of,
    public_key_from_multibase,
    public_key_multibase,
)
from wipe_agent.certificate.proof import ProofRefused
from wipe_agent.certificate.statement import (
    Evidence,
    MediumLine,
    Sampling,
    Statement,
    accreditation_statement,
    certificate_statement,
    did_document,
    dids_document,
    trust_document,
    work_order_statement,
)
from wipe_agent.certificate.status import KeyFallen, StatusList, Withdrawn, read_status_list, status_list_statement
from wipe_agent.certificate.status import entry as status_entry
from wipe_agent.certificate.strict import Unreadable, canonical, read
from wipe_agent.certificate.trust import Trust, fingerprint
from wipe_agent.certificate.verify import (
    CHECKS,
    Check,
    Report,
    problem_with,
    read_certificate,
    verify,
)

__all__ = [
    "CHECKS",
    "Bundle",
    "Check",
    "Evidence",
    "KeyFallen",
    "MediumLine",
    "ProofRefused",
    "Report",
    "Sampling",
    "Statement",
    "StatusList",
    "Trust",
    "Unreadable",
    "Withdrawn",
    "accreditation_statement",
    "canonical",
    "certificate_statement",
    "did_document",
    "dids_document",
    "digest_multibase",
    "digest_of",
    "envelop",
    "fingerprint",
    "issue",
    "new_challenge",
    "public_key_from_multibase",
    "public_key_multibase",
    "read",
    "read_certificate",
    "read_status_list",
    "status_entry",
    "status_list_statement",
    "trust_document",
    "verify",
    "verify_proof",
    "work_order_statement",
]


def issue(
    statement: Mapping[str, Any], key: Ed25519PrivateKey, *, verification_method: str, created: datetime
) -> dict[str, Any]:
    """Sign a statement from one of the builders: the document with its proof.

    `verification_method` is the issuer's DID with `#` and the key's name; `created` is aware. What
    a verifier would refuse to read is not signed: ValueError says why.
    """
    signed = proof.sign(statement, key, verification_method=verification_method, created=created)
    document = read(canonical(signed), what="statement")
    if (problem := problem_with(document)) is not None:
        raise ValueError(problem)
    proof.check_options(document["proof"], document["@context"])
    if verification_method.partition("#")[0] != document["issuer"]["id"]:
        raise ValueError(f"{verification_method} is not a key of the issuer, {document['issuer']['id']}.")
    return document


def verify_proof(document: Mapping[str, Any], key: Ed25519PublicKey) -> None:
    """Check one document's own form and proof under `key`, and nothing around it.

    Raises ProofRefused, or Unreadable when it is none of the three kinds of document.
    """
    if (problem := problem_with(document)) is not None:
        raise Unreadable(problem)
    proof.check(document, key)


def new_challenge() -> str:
    """A fresh challenge for one work order: 16 random bytes in multibase."""
    # The first bit is set, so that the text always has the same length.
    return multibase.encode(bytes([token_bytes(1)[0] | 0x80]) + token_bytes(16))
