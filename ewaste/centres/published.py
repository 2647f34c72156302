"""What the market says in public about keys and revoked accreditations, as small documents that the log dates.

Each is a JSON text in canonical form (RFC 8785) that names what it is about, and when; its digest goes into a leaf of
the log. Accreditation credentials are leaves themselves. `made` lists what a step made, for the step to log.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.centres import credentials
from ewaste.centres.accrediting_models import PublishedKind, PublishedStatement
from ewaste.centres.models import Accreditation, Centre, Station


class Said(NamedTuple):
    """What goes into the log: the kind of leaf, whose it is, and the document that the leaf names by its digest."""

    kind: str
    issuer: str
    document: dict[str, Any]


def key(session: Session, station: Station, event: str, *, reason: str = "", now: datetime) -> None:
    """State that a station's key was `enrolled`, `replaced` or `revoked` at this moment."""
    document = key_statement(
        station.verification_method,
        station.public_key,
        event,
        retires_at=station.retires_at,
        compromised_since=station.compromised_since,
        reason=reason,
        now=now,
    )
    _state(session, station.centre_id, PublishedKind.KEY, station.verification_method.partition("#")[0], document, now)


def key_statement(
    method: str,
    public_key: str,
    event: str,
    *,
    retires_at: datetime | None = None,
    compromised_since: datetime | None = None,
    reason: str = "",
    now: datetime,
) -> dict[str, Any]:
    """What is said in public of a key of a station or of an accreditor."""
    document: dict[str, Any] = {
        "type": "KeyStatement",
        "key": method,
        "publicKeyMultibase": public_key,
        "event": event,
        "at": _moment(now),
    }
    if retires_at is not None:
        document["retiresAt"] = _moment(retires_at)
    if compromised_since is not None:
        document["compromisedSince"] = _moment(compromised_since)
    if reason:
        document["reason"] = reason
    return document


def revocation(
    session: Session, accreditation: Accreditation, *, issuer: str, since: datetime, reason: str, now: datetime
) -> None:
    """State that an accreditation credential holds no more, from `since` on."""
    document = {
        "type": "RevocationStatement",
        "credential": accreditation.credential_id,
        "digestMultibase": accreditation.digest,
        "at": _moment(now),
        "compromisedSince": _moment(since),
        "reason": reason,
    }
    _state(session, accreditation.centre_id, PublishedKind.REVOCATION, issuer, document, now)


def made(session: Session, centre_id: UUID, *, now: datetime) -> list[Said]:
    """What was issued or stated about a centre in the step of this moment, for the step to log."""
    stated = session.execute(
        sa.select(PublishedStatement.kind, PublishedStatement.issuer, PublishedStatement.document)
        .where(PublishedStatement.centre_id == centre_id, PublishedStatement.at == now)
        .order_by(PublishedStatement.kind, PublishedStatement.digest)
    ).all()
    issued = session.scalars(
        sa.select(Accreditation.document)
        .where(Accreditation.centre_id == centre_id, Accreditation.issued_at == now)
        .order_by(Accreditation.digest)
    ).all()
    return [
        *(Said(row.kind.value, row.issuer, json.loads(row.document)) for row in stated),
        *(Said("accreditation", credentials.issuer_of(document), json.loads(document)) for document in issued),
    ]


def all_of(session: Session, did: str) -> list[PublishedStatement]:
    """Every statement about the keys and accreditations of the centre with this DID, the oldest first; at most 500."""
    return list(
        session.scalars(
            sa.select(PublishedStatement)
            .join(Centre, Centre.organisation_id == PublishedStatement.centre_id)
            .where(Centre.did == did)
            .order_by(PublishedStatement.at, PublishedStatement.digest)
            .limit(500)
        )
    )


def _state(
    session: Session, centre_id: UUID, kind: PublishedKind, issuer: str, document: dict[str, Any], now: datetime
) -> None:
    session.add(
        PublishedStatement(
            centre_id=centre_id,
            kind=kind,
            issuer=issuer,
            document=credentials.text(document),
            digest=credentials.digest(document),
            at=now,
        )
    )
    session.flush()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")
