"""A bundle that was read and judged: only one that verifies becomes `Proven`, and only that is put on paper."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from wipe_agent.certificate import Bundle, Report, Statement, Trust, digest_multibase, read, verify
from wipe_agent.certificate.statement import SCOPE_SENTENCE


@dataclass(frozen=True)
class Proven:
    """What a certificate that verified says, and where others can ask about it.

    `scope`, `location` and `contact` are the certificate's own words. `trust_fingerprint` names the trust file under
    which it verified. `marketplace` and `accreditor` are the names that the trust file gives.
    """

    statement: Statement
    digest: str
    trust_fingerprint: str
    verify_address: str
    marketplace: str
    accreditor: str
    scope: str
    location: str
    contact: str
    bundle: Bundle

    @property
    def number(self) -> str:
        """The certificate's number without `urn:uuid:`."""
        return self.statement.certificate_id.removeprefix("urn:uuid:")


@dataclass(frozen=True)
class Judged:
    """One bundle: `proven` if it verifies, else `refusal` is the sentence that says why not."""

    name: str
    report: Report | None
    proven: Proven | None
    refusal: str | None


def judge(
    path: Path,
    trust: Trust | None,
    trust_fingerprint: str,
    *,
    at: datetime,
    training: bool,
    market: str | None = None,
) -> Judged:
    """Read the bundle at `path` and verify it as of the aware time `at`.

    `market` is the address that the code on the paper leads to; without it the marketplace's own name in the verified
    work order gives it (did:web). A bundle that cannot be read or does not verify is `Judged` with its refusal.
    """
    name = path.name or str(path)
    try:
        bundle = Bundle.load(path)
    except ValueError as error:
        return Judged(name, None, None, str(error))
    report = verify(bundle, trust, at=at, training=training)
    if not report.ok or report.statement is None or trust is None:
        return Judged(name, report, None, report.refusal or "It does not verify.")
    document = read(bundle.files["certificate.json"], what="certificate")
    subject, wipe = document["credentialSubject"], document["wipe"]
    marketplace = subject["issuedToParty"]["id"]
    accreditor = subject["authorisation"][0]["issuingAuthority"]["id"]
    digest = digest_multibase(document)
    proven = Proven(
        statement=report.statement,
        digest=digest,
        trust_fingerprint=trust_fingerprint,
        verify_address=verify_address(market or address_of_did(marketplace), report.statement.certificate_id, digest),
        marketplace=trust.names.get(marketplace, marketplace),
        accreditor=trust.names.get(accreditor, accreditor),
        scope=SCOPE_SENTENCE,
        location=wipe.get("location", ""),
        contact=wipe.get("contact", ""),
        bundle=bundle,
    )
    return Judged(name, report, proven, None)


def verify_address(market: str, certificate_id: str, digest: str) -> str:
    """Where a marketplace shows what it holds under this number; the digest says which bytes are meant."""
    words = {"code": certificate_id.removeprefix("urn:uuid:"), "digest": digest}
    return f"{market.rstrip('/')}/verify?{urllib.parse.urlencode(words)}"


def address_of_did(did: str) -> str:
    """The web address behind a did:web, as its specification maps it (the host; https, but http on this machine)."""
    host = urllib.parse.unquote(did.removeprefix("did:web:").split(":")[0])
    local = host.split(":")[0] in ("localhost", "127.0.0.1")
    return f"{'http' if local else 'https'}://{host}"
