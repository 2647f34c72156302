"""The register of certificates: open, verify, hold against the device's media, accept, look up, revoke.

`open_bundle` takes a bundle in as it was sent, `verify` verifies it as anybody could, and `check_coverage` holds it
against every medium ever observed in the device and what the policy admits. They change nothing; a refusal names the
first thing that is wrong. What only the market can know (whether the centre stands now, the work order is ours and
unused, the device waits for it) is asked between them, in `journey.clearing`. `accept` stores it with its clearance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.certificates import policy
from ewaste.certificates.models import (
    Certificate,
    CertificateLine,
    CertificateRefusal,
    CertificateRevocation,
    Clearance,
)
from ewaste.core import status_lists
from ewaste.core.refusals import Conflict, Invalid, NotFound, Refusal
from ewaste.devices.media import KIND_WORDS
from ewaste.devices.models import Device, Medium
from wipe_agent import certificate as wipe

Statement = wipe.Statement

# How every zip begins, so that a damaged one is told from what never was one.
ZIP = b"PK"
DAMAGED = "This file is damaged; download it again."
CENTRE_MAY = "our-centre"
"""The name of a line beside the checks of a certificate: whether its centre and station may certify at that moment."""


class CertificateRefused(Refusal):
    """A certificate that does not clear. Carries what must be kept for audit."""

    kind = "certificate-refused"

    def __init__(self, message: str, *, examined: Examined) -> None:
        super().__init__(message, detail={"digest": examined.digest, "device": examined.device_code})
        self.examined = examined


@dataclass
class Examined:
    """What a bundle turned out to be: its digest, the checks made of it, and the statement when it could be read."""

    digest: str
    files: dict[str, str]
    document_id: str | None = None
    checks: list[dict[str, Any]] = field(default_factory=list)
    statement: wipe.Statement | None = None

    @property
    def credential_id(self) -> str | None:
        """The id that the certificate gives itself."""
        return self.statement.certificate_id if self.statement else self.document_id

    @property
    def device_code(self) -> str | None:
        """The device that the certificate speaks of."""
        return self.statement.device_code if self.statement else None

    def refuse(self, message: str) -> CertificateRefused:
        """The refusal of this bundle, with its reason."""
        return CertificateRefused(message, examined=self)

    def refuse_centre(self, message: str) -> CertificateRefused:
        """The same where not the certificate or the device stands against it, but who made it."""
        self.checks = [*self.checks, {"name": CENTRE_MAY, "level": "", "ok": False, "text": message, "code": ""}]
        return self.refuse(message)


def open_bundle(files: Mapping[str, str]) -> Examined:
    """Take a bundle in as it was sent (file name → text). Its digest names it in receipts.

    The digest is that of the certificate as a document (multibase); of the raw text, when it cannot be read.
    """
    texts = {str(name): str(text) for name, text in files.items()}
    raw = texts.get("certificate.json", "").encode("utf-8", "surrogatepass")
    try:
        document = wipe.read(raw, what="certificate")
        digest, named = wipe.digest_multibase(document), document.get("id")
    except wipe.Unreadable:
        digest, named = "sha256:" + hashlib.sha256(raw).hexdigest(), None
    return Examined(digest=digest, files=texts, document_id=named[:200] if isinstance(named, str) else None)


def verify(examined: Examined, trust: bytes, *, at: datetime, training: bool) -> wipe.Statement:
    """Verify a bundle as anybody could, with the trust file. Raises `CertificateRefused` with what fails first."""
    try:
        bundle = wipe.Bundle.from_files(
            {name: text.encode("utf-8", "surrogatepass") for name, text in examined.files.items()}
        )
    except wipe.Unreadable as error:
        raise examined.refuse(f"The bundle cannot be read: {error}") from error
    report = wipe.verify(bundle, wipe.Trust.parse(trust), at=at, training=training)
    examined.checks = _plain(report.checks)
    examined.statement = report.statement
    if not report.ok or report.statement is None:
        raise examined.refuse(report.refusal or "The certificate does not verify.")
    return report.statement


def check_coverage(
    examined: Examined, statement: wipe.Statement, media: Sequence[Medium], held: set[UUID]
) -> dict[UUID, wipe.MediumLine]:
    """Line by line: every medium observed, each covered once by evidence that the policy admits, and nothing else.

    Returns the line for each covered medium. Raises `CertificateRefused`.
    """
    by_id = {medium.id: medium for medium in media}
    covered: dict[UUID, wipe.MediumLine] = {}
    for line in statement.lines:
        medium_id = _uuid(line.medium_id or "")
        medium = by_id.get(medium_id) if medium_id else None
        if medium is None:
            raise examined.refuse(
                f"The certificate lists a medium (serial {line.serial}) that was not noted at intake. Note it on the "
                "bench page, issue a new work order, and certify again."
            )
        if (line.serial, line.kind) != (medium.serial, medium.kind.value):
            raise examined.refuse(
                f"The certificate says {line.kind} {line.serial}, but the medium noted is "
                f"{medium.kind.value} {medium.serial}."
            )
        if not policy.admits(medium.kind.value, line.evidence_class, line.level or ""):
            raise examined.refuse(
                f"The policy does not admit “{line.evidence_class}” at level “{line.level}” for the "
                f"{medium.kind.value} with serial {medium.serial}. Destroy it, or sanitise it in a way that it admits."
            )
        _require_effective(examined, medium, line, training=statement.training)
        covered[medium.id] = line
    missing = [medium for medium in media if medium.id not in covered and medium.id not in held]
    if missing:
        names = ", ".join(f"{KIND_WORDS[medium.kind.value]} ending {medium.serial[-4:]}" for medium in missing)
        count = _count(len(covered), "storage medium", "storage media")
        raise examined.refuse(
            f"This certificate covers {count}. This device has {len(media)}. "
            f"Not covered: {names}. Wipe what is missing under a new work order and send a new certificate."
        )
    if not covered:
        raise examined.refuse("The certificate covers no storage medium, so it clears nothing.")
    return covered


def _require_effective(examined: Examined, medium: Medium, line: wipe.MediumLine, *, training: bool) -> None:
    """What the line itself says was reached: all of the drive, or its end before a second pair of eyes."""
    what = f"The {medium.kind.value} with serial {medium.serial}"
    if line.evidence_class == "full-read" and (line.bytes_unreadable or line.bad_blocks):
        raise examined.refuse(f"{what} has parts that could not be overwritten or read back. It must be destroyed.")
    if line.evidence_class == "destroyed" and line.validator is None:
        raise examined.refuse(f"{what} was destroyed before one person only. Destruction takes two people.")
    size = medium.size_bytes
    if size and not training and line.evidence_class == "full-read" and abs(line.size_bytes - size) > size // 50:
        raise examined.refuse(
            f"{what} was noted with {size:,} bytes, and the certificate covers {line.size_bytes:,}. Look for a hidden "
            "area, or correct what was noted, and wipe it under a new work order."
        )


def accept(
    session: Session,
    examined: Examined,
    statement: wipe.Statement,
    covered: Mapping[UUID, wipe.MediumLine],
    *,
    device: Device,
    centre_id: UUID,
    station_id: UUID,
    work_order_id: UUID,
    now: datetime,
) -> Certificate:
    """Store an examined certificate and the clearance that stands on it. The database checks both once more."""
    certificate = Certificate(
        credential_id=statement.certificate_id,
        digest=examined.digest,
        device_id=device.id,
        cycle=device.cycle,
        centre_id=centre_id,
        station_id=station_id,
        work_order_id=work_order_id,
        training=statement.training,
        valid_from=statement.valid_from,
        bundle=examined.files,
        checks=examined.checks,
        accepted_at=now,
    )
    session.add(certificate)
    session.flush()
    for medium_id, line in covered.items():
        session.add(
            CertificateLine(
                certificate_id=certificate.id,
                medium_id=medium_id,
                evidence_class=line.evidence_class,
                level=line.level or "",
                technique=line.technique,
                wiped_from=line.started,
                wiped_until=line.ended,
            )
        )
    session.flush()
    session.add(Clearance(device_id=device.id, cycle=device.cycle, certificate_id=certificate.id, at=now))
    session.flush()
    return certificate


def by_digest(session: Session, digest: str) -> Certificate | None:
    """The accepted certificate with this digest."""
    return session.scalar(sa.select(Certificate).where(Certificate.digest == digest))


def by_credential_id(session: Session, credential_id: str) -> Certificate | None:
    """The accepted certificate that calls itself this."""
    return session.scalar(sa.select(Certificate).where(Certificate.credential_id == credential_id))


def is_taken(session: Session, credential_id: str) -> bool:
    """Whether a certificate is found under this number already, its own or our entry's: who issues chooses it."""
    entry = _uuid(credential_id)
    return by_credential_id(session, credential_id) is not None or (
        entry is not None and session.get(Certificate, entry) is not None
    )


def find(session: Session, certificate_id: UUID) -> Certificate:
    """The accepted certificate with this number: its own, or that of our entry. Raises `NotFound`."""
    own = by_credential_id(session, certificate_id.urn)  # The number that it calls itself goes first.
    found = own or session.get(Certificate, certificate_id)
    if found is None:
        raise NotFound("We hold no certificate with this number.")
    return found


def revocation(session: Session, certificate_id: UUID) -> CertificateRevocation | None:
    """The revocation of a certificate, if it was revoked."""
    return session.get(CertificateRevocation, certificate_id)


def last_for(session: Session, device_id: UUID) -> Certificate | None:
    """The newest certificate accepted for a device, in any cycle, standing or not."""
    return session.scalar(
        sa.select(Certificate)
        .where(Certificate.device_id == device_id)
        .order_by(Certificate.accepted_at.desc())
        .limit(1)
    )


def drive(medium: Medium) -> str:
    """What tells one drive from another, wherever it was noted."""
    return f"{medium.kind.value}/{medium.model}/{medium.serial}".casefold()


def one_at_a_time(session: Session, medium: Medium) -> None:
    """Let nobody else clear a device by this very drive until the step ends."""
    key = sa.func.hashtextextended(drive(medium), 0)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def cleared_elsewhere(session: Session, medium: Medium) -> str | None:
    """The code of another device that a live clearance says is clear by this very medium (kind, model, serial)."""
    twin = sa.orm.aliased(Medium)
    return session.scalar(
        sa.select(Device.code)
        .join(twin, twin.device_id == Device.id)
        .join(CertificateLine, CertificateLine.medium_id == twin.id)
        .join(Clearance, Clearance.certificate_id == CertificateLine.certificate_id)
        .where(
            twin.device_id != medium.device_id,
            twin.kind == medium.kind,
            sa.func.lower(twin.model) == medium.model.lower(),
            sa.func.lower(twin.serial) == medium.serial.lower(),
            Clearance.ended_at.is_(None),
        )
        .limit(1)
    )


def keep_refused(
    session: Session, refusal: CertificateRefused, *, station_id: UUID, centre_id: UUID, now: datetime
) -> None:
    """Keep a refused certificate with the reason. The same one, refused for the same reason, is kept once."""
    examined = refusal.examined
    session.execute(
        insert(CertificateRefusal)
        .values(
            digest=examined.digest,
            credential_id=examined.credential_id,
            station_id=station_id,
            centre_id=centre_id,
            device_code=examined.device_code,
            reason=refusal.message,
            checks=examined.checks,
            bundle={name: text.replace("\x00", "�") for name, text in examined.files.items()},
            at=now,
        )
        .on_conflict_do_nothing()
    )


def revoke(session: Session, certificate_id: UUID, reason: str, *, by: Actor, now: datetime) -> Certificate:
    """Revoke a certificate. The database ends its clearance and takes the device out of every open sale.

    Its place in the status list is set, so that whoever verifies offline hears of it with the next list.
    """
    certificate = find(session, certificate_id)
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters. The reason is public.", field="reason")
    if session.get(CertificateRevocation, certificate.id) is not None:
        raise Conflict("This certificate was revoked already.")
    session.add(CertificateRevocation(certificate_id=certificate.id, reason=reason.strip(), revoked_by=by.id, at=now))
    session.flush()
    place = _place(certificate)
    if place is not None:
        status_lists.withdraw(session, place, reason=reason, now=now)
    session.expire_all()
    return certificate


@dataclass(frozen=True)
class Verified:
    """A public verification: every check in words, the statement, and the first failure if there is one."""

    checks: list[dict[str, Any]]
    statement: wipe.Statement | None
    refusal: str | None
    missing: tuple[str, ...] = ()
    """The files without which nothing can be checked, and which the bundle lacks."""
    known_at: datetime | None = None
    """As of when its status lists tell how it stands; None without lists."""
    digest: str = ""
    """That of the certificate, once its statement can be read. A number is chosen by who issues; this is not."""

    @property
    def withdrawn(self) -> str | None:
        """The sentence that says that it was revoked, where nothing else fails: authentic, and it counts no more."""
        failed = [check for check in self.checks if check["ok"] is False]
        return str(failed[0]["text"]) if len(failed) == 1 and failed[0].get("code") == "revoked" else None


def verify_publicly(files: Mapping[str, bytes] | bytes, trust: bytes, *, at: datetime, training: bool) -> Verified:
    """Verify a bundle that somebody uploaded (a zip, or its files), as the offline verifier does. Keeps nothing."""
    try:
        bundle = wipe.Bundle.from_zip(files) if isinstance(files, bytes) else wipe.Bundle.from_files(dict(files))
    except wipe.Unreadable as error:
        return Verified([], None, _unreadable(files, error))
    report = wipe.verify(bundle, wipe.Trust.parse(trust), at=at, training=training)
    return Verified(
        _plain(report.checks), report.statement, report.refusal, report.missing, report.known_at, report.digest or ""
    )


def _unreadable(files: Mapping[str, bytes] | bytes, error: wipe.Unreadable) -> str:
    """Why a bundle cannot be read. A zip that does not open was damaged on its way, and all that helps is another."""
    if isinstance(files, bytes) and files.startswith(ZIP) and "readable .zip" in str(error):
        return DAMAGED
    return f"The bundle cannot be read: {error}"


def unzip(archive: bytes) -> dict[str, str]:
    """The files of a zipped bundle as texts, as `open_bundle` takes them. Raises `Invalid` with the reason."""
    try:
        return {name: content.decode() for name, content in wipe.Bundle.from_zip(archive).files.items()}
    except wipe.Unreadable as error:
        raise Invalid(f"The bundle cannot be read: {error}", field="bundle") from error
    except UnicodeDecodeError as error:
        raise Invalid("The bundle cannot be read: a file in it is not text.", field="bundle") from error


def device_of(files: Mapping[str, str]) -> UUID | None:
    """The device that a bundle says it is about, before anything is verified; None when it cannot be told."""
    try:
        document = wipe.read(
            str(files.get("certificate.json", "")).encode("utf-8", "surrogatepass"), what="certificate"
        )
        return _uuid(str(document["wipe"]["device"]["id"]))
    except (wipe.Unreadable, KeyError, TypeError, ValueError):
        return None


def signed_with(files: Mapping[str, str]) -> str | None:
    """The key that a certificate says it was signed with; nothing is verified. None when it does not say."""
    try:
        proof = wipe.read(files.get("certificate.json", "").encode("utf-8", "surrogatepass"), what="certificate").get(
            "proof"
        )
    except wipe.Unreadable:
        return None
    method = proof.get("verificationMethod") if isinstance(proof, dict) else None
    return method if isinstance(method, str) else None


def operators(certificate: Certificate) -> set[str]:
    """The names of the operators on a certificate that we accepted, in small letters with single blanks."""
    document = wipe.read(certificate.bundle["certificate.json"].encode(), what="certificate")
    said = document["credentialSubject"]["conformityAssessment"]
    names = (line["sanitisation"].get("operator", "") for line in said)
    return {" ".join(str(name).split()).casefold() for name in names}


def zipped(files: Mapping[str, str]) -> bytes:
    """A bundle as a .zip. Raises `Unreadable` for what no bundle may hold."""
    return wipe.Bundle.from_files({name: text.encode() for name, text in files.items()}).to_zip()


def _place(certificate: Certificate) -> status_lists.Place | None:
    """The place in our status list that its work order gave to a certificate; None for one of an older order."""
    order = wipe.read(certificate.bundle["work-order.json"].encode(), what="work order")
    given = order["wipe"].get("credentialStatus")
    if given is None:
        return None
    return status_lists.Place(given["statusListCredential"].rpartition("/")[2], int(given["statusListIndex"]))


def _plain(checks: Sequence[wipe.Check]) -> list[dict[str, Any]]:
    return [
        {"name": check.name, "level": check.level, "ok": check.ok, "text": check.text, "code": check.code}
        for check in checks
    ]


def _uuid(urn: str) -> UUID | None:
    try:
        return UUID(urn.removeprefix("urn:uuid:"))
    except ValueError:
        return None


def _count(number: int, one: str, many: str) -> str:
    words = {0: "no", 1: "one", 2: "two", 3: "three"}
    return f"{words.get(number, str(number))} {one if number == 1 else many}"
