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
    """The files that the centre sent, as they came, and beside them the status lists of today and the log's proof.

    With them anybody can check offline whether the certificate was revoked, and that it is in the log. A certificate
    that was accepted a moment ago has no proof yet.
    """
    files = {name: str(text) for name, text in certificate.bundle.items()}
    files |= listing.for_bundle(session, issuers, files, after=certificate.accepted_at, now=now)
    proof = log.proof_for(session, certificate.digest, kind="wipe-certificate", trusted=issuers.log)
    return files | ({log.PROOF_FILE: proof.text.decode()} if proof is not None and issuers.log.logs else {})
