"""Read everything again and say what does not hold: ledger, custody chains, stored certificates, the log, quotes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from ewaste.centres import accreditors, credentials
from ewaste.centres.credentials import Issuers
from ewaste.centres.models import Accreditation, Station, WorkOrder
from ewaste.certificates import rechecks, registry
from ewaste.certificates.models import Certificate, CertificateLine, CertificateRevocation, Clearance
from ewaste.certificates.rechecks import Recheck
from ewaste.devices import custody, heads
from ewaste.devices.models import Device
from ewaste.market.models import Bid, Lot
from ewaste.payments import ledger
from ewaste.payments.models import Posting
from ewaste.tradein import pricing, quotes
from ewaste.tradein.models import Quote
from ewaste.transparency import auditing, log, statements
from ewaste.transparency.models import LogEntry, LogStatement


@dataclass
class Found:
    """What was read, and what is wrong with it, in words."""

    counted: list[tuple[int, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def everything(session: Session, *, issuers: Issuers, now: datetime) -> Found:
    """Check every stored thing that can be checked against what it was made from. Reads all of it; changes nothing."""
    found = Found()
    for currency, total in ledger.sums(session).items():
        if total:
            found.wrong.append(f"The ledger sums to {total} minor units of {currency}, not to zero.")
    found.counted.append((_count(session, Posting), "postings; every currency of the ledger was summed"))
    devices = session.execute(sa.select(Device.id, Device.code)).all()
    for device_id, code in devices:
        found.wrong.extend(f"Device {code}: {wrong}" for wrong in custody.check_chain(session, device_id))
    found.counted.append((len(devices), "chains of custody, every event hashed again"))
    _certificates(session, issuers, now, found)
    _log(session, issuers, found)
    _quotes(session, found)
    _bids(session, found)
    return found


def _certificates(session: Session, issuers: Issuers, now: datetime, found: Found) -> None:
    trust, unasked = accreditors.trust_of_ours(session, issuers), _unasked(session, issuers)
    rows = session.scalars(sa.select(Certificate).execution_options(yield_per=100))
    count = 0
    for certificate in rows:
        count += 1
        files = {name: text.encode() for name, text in certificate.bundle.items()}
        verified = registry.verify_publicly(files, trust, at=now, training=issuers.training)
        if verified.refusal is not None or verified.statement is None:
            found.wrong.append(f"Certificate {certificate.credential_id}: {verified.refusal}")
            continue
        if (whose := unasked(certificate)) is not None:
            found.wrong.append(
                f"Certificate {certificate.credential_id}: others may have had the key of {whose}, and nobody looked "
                "at it again."
            )
        said = {(line.medium_id, line.evidence_class, line.level or "") for line in verified.statement.lines}
        stored = {
            (f"urn:uuid:{line.medium_id}", line.evidence_class, line.level)
            for line in session.scalars(
                sa.select(CertificateLine).where(CertificateLine.certificate_id == certificate.id)
            )
        }
        if said != stored:
            found.wrong.append(f"Certificate {certificate.credential_id}: its stored lines are not what it says.")
    revoked = sa.select(CertificateRevocation.certificate_id)
    for code in session.scalars(
        sa.select(Device.code)
        .join(Clearance, Clearance.device_id == Device.id)
        .where(Clearance.ended_at.is_(None), Clearance.certificate_id.in_(revoked))
    ):
        found.wrong.append(f"Device {code} has a live clearance on a revoked certificate.")
    found.counted.append((count, "certificates, verified again from their stored bundles"))


def _unasked(session: Session, issuers: Issuers) -> Callable[[Certificate], str | None]:
    """Tells of a certificate that still stands whose key it is that others may have had, where nobody asked."""
    lost = accreditors.lost_keys(session)
    stolen = dict(session.execute(sa.select(Station.id, Station.compromised_since)).all())
    asked = set(
        session.scalars(
            sa.union_all(sa.select(Recheck.certificate_id), sa.select(CertificateRevocation.certificate_id))
        )
    )

    def tell(certificate: Certificate) -> str | None:
        accreditation = credentials.key_of(str(certificate.bundle["accreditation.json"])) if lost else ""
        fallen = {"its station": stolen.get(certificate.station_id), "its accreditation": lost.get(accreditation)}
        for whose, since in fallen.items():
            if since is not None and certificate.id not in asked:
                seen = log.seen(session, [certificate.digest], kind="wipe-certificate", trusted=issuers.log)
                if not rechecks.survives(seen.get(certificate.digest), since):
                    return whose
        return None

    return tell


def _log(session: Session, issuers: Issuers, found: Found) -> None:
    """The log against itself, and against what it is about: nothing is missing in it, and nothing is of nobody."""
    size, wrong = auditing.everything(session, issuers.log.logs)
    found.wrong.extend(wrong)
    missing = (
        sa.select(Certificate.credential_id)
        .outerjoin(LogEntry, sa.and_(LogEntry.digest == Certificate.digest, LogEntry.kind == "wipe-certificate"))
        .where(LogEntry.leaf.is_(None))
    )
    found.wrong.extend(f"Certificate {name} was accepted and is not in the log." for name in session.scalars(missing))
    document = sa.cast(LogStatement.document, JSONB)
    told = sa.select(document["certificate"].astext).where(document["type"].astext == "revocation")
    silent = (
        sa.select(Certificate.credential_id)
        .join(CertificateRevocation, CertificateRevocation.certificate_id == Certificate.id)
        .where(Certificate.digest.not_in(told))
    )
    found.wrong.extend(
        f"Certificate {name} was revoked and the log does not say so." for name in session.scalars(silent)
    )
    about = {
        "wipe-certificate": [Certificate.digest],
        "wipe-started": [WorkOrder.digest],
        "revocation": [LogStatement.digest],
        "key": [LogStatement.digest],
        "accreditation": [Accreditation.digest, LogStatement.digest],
        "custody-head": [LogStatement.digest],
    }
    for kind, columns in about.items():
        known = sa.union_all(*(sa.select(column) for column in columns))
        strangers = sa.select(LogEntry.digest).where(LogEntry.kind == kind, LogEntry.digest.not_in(known))
        found.wrong.extend(
            f"The log has an entry ({kind}) of {digest}, which is nothing that we hold."
            for digest in session.scalars(strangers)
        )
    for batch in heads.batches(session):
        said = statements.custody_heads(
            day=batch.day,
            devices=batch.devices,
            root=log.merkle_root([one.entry for one in heads.of_batch(session, batch.day)]),
        )
        if credentials.digest(said) != batch.digest:
            found.wrong.append(f"The chains that were noted on {batch.day} are not those that the log says.")
    for head in heads.lost(session):
        code = session.scalar(sa.select(Device.code).where(Device.id == head.device_id))
        found.wrong.append(f"Device {code or head.device_id}: its chain lost event {head.seq}, which the log knows.")
    found.counted.append((size, "entries of the log, hashed again up to every root that was signed"))


def _quotes(session: Session, found: Found) -> None:
    count = 0
    for quote in session.scalars(sa.select(Quote).execution_options(yield_per=500)):
        count += 1
        try:
            quotes.priced(session, quote)
        except (pricing.CannotReplay, LookupError) as error:
            found.wrong.append(f"Quote {quote.code} does not come out again: {error}")
    found.counted.append((count, "quotes, worked out again line by line"))


def _bids(session: Session, found: Found) -> None:
    rows = session.execute(
        sa.select(Lot.code, Lot.next_seq, sa.func.count(Bid.id), sa.func.coalesce(sa.func.max(Bid.seq), 0))
        .outerjoin(Bid, Bid.lot_id == Lot.id)
        .group_by(Lot.id)
    ).all()
    for code, next_seq, count, last in rows:
        if not count == last == next_seq - 1:
            found.wrong.append(f"Lot {code}: {count} bids, the last is number {last}, the next would be {next_seq}.")
    found.counted.append((sum(row[2] for row in rows), "bids, numbered without gaps"))


def _count(session: Session, table: type[Posting]) -> int:
    return session.scalar(sa.select(sa.func.count()).select_from(table)) or 0
