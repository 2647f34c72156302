"""What the page of the log shows. Reads only, in a constant number of statements."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.centres import credentials
from ewaste.centres.accrediting_models import Accreditor
from ewaste.centres.credentials import Issuers
from ewaste.centres.models import Accreditation, Centre, Station
from ewaste.certificates import registry
from ewaste.certificates.models import Certificate
from ewaste.core.log_trust import LogTrust, name_of
from ewaste.core.refusals import NotFound
from ewaste.transparency import log, statements
from ewaste.transparency.models import LogCosignature, LogEntry, LogLeaf, LogStatement, LogWaiting
from ewaste.views import public

NEWEST: Final = 25
_NUMBER: Final = re.compile(r"[0-9]{1,15}")
_DIGEST: Final = re.compile(r"z[1-9A-HJ-NP-Za-km-z]{40,60}")
MOST_WITNESSES: Final = 30
KINDS: Final = {
    "wipe-started": "A wipe began",
    "wipe-certificate": "A certificate was accepted",
    "revocation": "A certificate was revoked",
    "key": "A key was changed or revoked",
    "accreditation": "An accreditation was issued",
    "custody-head": "The day's chains of custody",
}
# What a statement about a key says, by its event.
KEY_EVENTS: Final = {
    "enrolled": "A station was enrolled, with its key",
    "replaced": "A station's key was replaced",
    "revoked": "A station's key was retired",
}


@dataclass(frozen=True)
class Entry:
    """One of the newest entries."""

    index: int
    kind: str
    issuer: str
    """A DID."""
    by: str
    """Whose it is, by name; empty where we do not know."""
    digest: str
    at: datetime
    ours: bool
    """Whether we publish the document that it names."""
    beside: int | None = None
    """Of a certificate that was looked for, the entry that revokes it; of a revocation, that of its certificate."""


@dataclass(frozen=True)
class Witness:
    """Who signed what they saw of the log: a name, and the newest that they saw."""

    name: str
    counts: bool
    """Whether our trust file names it."""
    size: int | None
    signed_at: datetime | None
    centre: str = ""
    """The test centre whose station it is; empty for an independent one."""
    stolen_since: datetime | None = None
    """From when on somebody else may have signed with its key."""


@dataclass(frozen=True)
class Told:
    """The state of the log."""

    size: int
    published_at: datetime | None
    waiting: int
    waiting_since: datetime | None
    witnesses: Sequence[Witness]
    entries: Sequence[Entry]
    """The newest, those before a number, or those of the document that was asked for."""
    newer: int | None = None
    """Entries before this number are the next newer ones to be shown; None where these are the newest."""
    older: int | None = None
    """The same for the next older ones; None where these are the first."""


def told(session: Session, issuers: Issuers, asked: str = "", before: int | None = None) -> Told:
    """How large the log is, how late, who witnesses it, and its newest entries that a checkpoint covers.

    `asked` is the number of an entry, the fingerprint of a document, or what names a certificate: then the entries are
    those that fit. `before` goes back: the entries are those below this number.
    """
    newest = log.newest(session)
    size = newest.size if newest is not None else 0
    end = size if asked or before is None else min(size, before)
    query = (
        sa.select(
            LogLeaf.index.label("number"),
            LogEntry.kind,
            LogEntry.issuer,
            LogEntry.digest,
            LogEntry.at,
            LogStatement.digest.isnot(None).label("ours"),
            sa.case((LogEntry.kind.in_(["key", "revocation"]), LogStatement.document)).label("document"),
            Accreditation.issued_because,
        )
        .join(LogEntry, LogEntry.leaf == LogLeaf.leaf)
        .outerjoin(LogStatement, LogStatement.digest == LogEntry.digest)
        .outerjoin(Accreditation, Accreditation.digest == LogEntry.digest)
        .where(LogLeaf.index < end)
        .order_by(LogLeaf.index.desc())
        .limit(NEWEST)
    )
    if asked:
        query = query.where(LogEntry.digest.in_(_asked_for(session, asked)))
    rows = session.execute(query).all()
    names = _names(session, {row.issuer for row in rows}) | {issuers.market.did: issuers.market.name}
    place = {row.kind: row.number for row in rows} if asked else {}
    other = {"wipe-certificate": place.get("revocation"), "revocation": place.get("wipe-certificate")}
    entries = [
        Entry(
            row.number,
            what(row.kind, row.document, row.issued_because),
            row.issuer,
            names.get(row.issuer, ""),
            row.digest,
            row.at,
            row.ours,
            other.get(row.kind),
        )
        for row in rows
    ]
    waiting, since = session.execute(
        sa.select(sa.func.count(), sa.func.min(LogEntry.at)).join(LogWaiting, LogWaiting.leaf == LogEntry.leaf)
    ).one()
    beyond, earliest = session.execute(
        sa.select(sa.func.count(), sa.func.min(LogEntry.at))
        .join(LogLeaf, LogLeaf.leaf == LogEntry.leaf)
        .where(LogLeaf.index >= size)
    ).one()
    return Told(
        size,
        newest.at if newest is not None else None,
        waiting + beyond,
        min((at for at in (since, earliest) if at is not None), default=None),
        _witnesses(session, issuers.log),
        entries,
        min(size, end + NEWEST) if end < size else None,
        entries[-1].index if entries and entries[-1].index and not asked else None,
    )


def revoked_in(session: Session, certificate: Certificate) -> int | None:
    """The number of the entry that revokes a certificate; None where there is none, or not yet."""
    digest = _revocation_of(session, certificate)
    if digest is None:
        return None
    query = sa.select(LogLeaf.index).join(LogEntry, LogEntry.leaf == LogLeaf.leaf).where(LogEntry.digest == digest)
    return session.scalar(query.order_by(LogLeaf.index).limit(1))


def number(text: str) -> int | None:
    """The number of an entry that an address names; None when it names none."""
    return int(text) if _NUMBER.fullmatch(text) else None


def what(kind: str, document: str | None, because: str | None) -> str:
    """What an entry says happened, as exactly as the document behind it tells; why, for an accreditation."""
    said = json.loads(document) if document else {}
    if kind == "key" and said.get("compromisedSince"):
        return "A station's key was reported stolen or lost"
    if kind == "key":
        return KEY_EVENTS.get(said.get("event", ""), KINDS[kind])
    if kind == "revocation" and said.get("type") == "RevocationStatement":
        return "An accreditation was revoked"
    return f"{KINDS[kind]}: {because}" if kind == "accreditation" and because else KINDS[kind]


def _asked_for(session: Session, asked: str) -> set[str]:
    """The fingerprints that are meant: of a document, and of a certificate also that of its revocation."""
    if _NUMBER.fullmatch(asked):
        entry = sa.select(LogEntry.digest).join(LogLeaf, LogLeaf.leaf == LogEntry.leaf)
        digest = session.scalar(entry.where(LogLeaf.index == int(asked)))
    elif _DIGEST.fullmatch(asked):
        digest = asked
    else:
        try:
            digest = registry.find(session, public.certificate_for(session, asked)).digest
        except NotFound:
            digest = None
    if digest is None:
        return set()
    said = json.loads(log.statement(session, digest) or "{}")
    certificate = registry.by_digest(session, str(said.get("certificate", digest)))
    revocation = _revocation_of(session, certificate) if certificate is not None else None
    return {digest, *([certificate.digest] if certificate else []), *([revocation] if revocation else [])}


def _revocation_of(session: Session, certificate: Certificate) -> str | None:
    """The fingerprint of the document that says that a certificate was revoked; None when it was not."""
    revocation = registry.revocation(session, certificate.id)
    if revocation is None:
        return None
    return credentials.digest(
        statements.revocation(
            certificate=certificate.digest,
            credential_id=certificate.credential_id,
            reason=revocation.reason,
            at=revocation.at,
        )
    )


def _names(session: Session, dids: set[str]) -> dict[str, str]:
    """The names of centres and accreditors that are called so in signed documents. One statement."""
    centres = (
        sa.select(Centre.did, Organisation.name)
        .join(Organisation, Organisation.id == Centre.organisation_id)
        .where(Centre.did.in_(dids))
    )
    accreditors = sa.select(Accreditor.did, Accreditor.name).where(Accreditor.did.in_(dids))
    return dict(session.execute(sa.union_all(centres, accreditors)).all())


def _witnesses(session: Session, trust: LogTrust) -> list[Witness]:
    rows = session.execute(
        sa.select(LogCosignature.witness, sa.func.max(LogCosignature.size), sa.func.max(LogCosignature.signed_at))
        .group_by(LogCosignature.witness)
        .order_by(sa.func.max(LogCosignature.signed_at).desc())
        .limit(MOST_WITNESSES)
    ).all()
    seen = {vkey: (size, at) for vkey, size, at in rows}
    names = {vkey: name_of(vkey) for vkey in [*trust.witnesses, *seen]}
    stations = {
        row.verification_method: row
        for row in session.execute(
            sa.select(Station.verification_method, Station.compromised_since, Organisation.name)
            .join(Organisation, Organisation.id == Station.centre_id)
            .where(Station.verification_method.in_(names.values()))
        )
    }
    told = []
    for vkey, name in names.items():
        size, at = seen.get(vkey, (None, None))
        station = stations.get(name)
        centre, stolen = (station.name, station.compromised_since) if station is not None else ("", None)
        told.append(Witness(name, vkey in trust.witnesses, size, at, centre, stolen))
    return told
