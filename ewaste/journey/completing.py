"""Beside the legs: a bundle that we hold, completed with what came after the signing. Public."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from ewaste.centres import credentials, listing
from ewaste.certificates.models import Certificate


def completed(
    session: Session, certificate: Certificate, issuers: credentials.Issuers, *, now: datetime
) -> dict[str, str]:
    """The files that the centre sent, as they came, and beside them the status lists of today.

    With them anybody can check offline whether the certificate was revoked.
    """
    files = {name: str(text) for name, text in certificate.bundle.items()}
    return {**files, **listing.for_bundle(session, issuers, files, now=now)}
