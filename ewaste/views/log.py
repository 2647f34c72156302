"""What the page of the log shows. Reads only, in a constant number of statements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.centres.accrediting_models import Accreditor
from ewaste.centres.credentials import Issuers
from ewaste.centres.models import Centre
from ewaste.certificates import registry
from ewaste.core.log_trust import LogTrust, name_of
from ewaste.core.refusals import NotFound
from ewaste.transparency import log
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
    "accreditation": "An accreditation was issued or ended",
    "custody-head": "The day's chains of custody",
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


@dataclass(frozen=True)
class Witness:
    """Who signed what they saw of the log: a name, and the newest that they saw."""

    name: str
    counts: bool
    """Whether our trust file names it."""
    size: int | None
    signed_at: datetime | None


@dataclass(frozen=True)
class Told:
    """The state of the log."""

    size: int
    published_at: datetime | None
    waiting: int
    waiting_since: datetime | None
    witnesses: Sequence[Witness]
    entries: Sequence[Entry]
    """The newest, or those of the document that was asked for."""


def told(session: Session, issuers: Issuers, asked: str = "") -> Told:
    """How large the log is, how late, who witnesses it, and its newest entries that a checkpoint covers.

    `asked` is the number of an entry, the fingerprint of a document, or what names a certificate: then the entries are
    those that fit.
    """
    newest = log.newest(session)
    size = newest.size if newest is not None else 0
    query = (
        sa.select(
            LogLeaf.index, LogEntry.kind, LogEntry.issuer, LogEntry.digest, LogEntry.at, LogStatement.digest.isnot(None)
        )
        .join(LogEntry, LogEntry.leaf == LogLeaf.leaf)
        .outerjoin(LogStatement, LogStatement.digest == LogEntry.digest)
        .where(LogLeaf.index < size)
        .order_by(LogLeaf.index.desc())
        .limit(NEWEST)
    )
    if asked:
        query = query.where(_asked_for(session, asked))
    rows = session.execute(query).all()
    names = _names(session, {row.issuer for row in rows}) | {issuers.market.did: issuers.market.name}
    entries = [
        Entry(index, KINDS[kind], issuer, names.get(issuer, ""), digest, at, ours)
        for index, kind, issuer, digest, at, ours in rows
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
    )


def _asked_for(session: Session, asked: str) -> sa.ColumnElement[bool]:
    if _NUMBER.fullmatch(asked):
        return LogLeaf.index == int(asked)
    if _DIGEST.fullmatch(asked):
        return LogEntry.digest == asked
    try:
        certificate = registry.find(session, public.certificate_for(session, asked))
    except NotFound:
        return sa.false()
    return LogEntry.digest == certificate.digest


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
    names = dict.fromkeys([*trust.witnesses, *seen])
    return [Witness(name_of(vkey), vkey in trust.witnesses, *seen.get(vkey, (None, None))) for vkey in names]
