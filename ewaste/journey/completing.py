"""Beside the legs: a bundle that we hold, completed with what came after the signing. Public."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from ewaste.centres import credentials, listing
from ewaste.certificates.models import Certificate
from ewaste.transparency import log


def completed(
    session: Session, certificate: Certificate, issuers: credentials.Issuers, *, now: datetime
) -> dict[str, str]:
    """The files that the centre sent, as they came; beside them the proof from the log and the status lists of today.

    With them anybody can check offline when the certificate was seen in the log, and whether it was revoked. A
    certificate that came a moment ago has no proof yet.
    """
    files = {name: str(text) for name, text in certificate.bundle.items()}
    proof = log.proof_for(session, certificate.digest, kind="wipe-certificate", trusted=issuers.log)
    proven = {} if proof is None else {"log-proof.txt": proof.text.decode()}
    return {**files, **proven, **listing.for_bundle(session, issuers, files, now=now)}
