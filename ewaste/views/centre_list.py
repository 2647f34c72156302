"""The public list of test centres: every one that ever entered, how it stands, what was decided and why, and how its
work held up when somebody else looked. Nobody's name is in it; the desk's audit trail has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.accounts.standing import StandingChange, StandingKind
from ewaste.centres import checklist
from ewaste.centres.accrediting_models import AccreditationRevocation, Accreditor, Audit
from ewaste.centres.models import Accreditation, Centre, Standing, Station
from ewaste.certificates.models import Certificate, CertificateRefusal, CertificateRevocation
from ewaste.certificates.reaudit import GONE, ONE_IN, Because, Outcome, ReAudit
from ewaste.certificates.rechecks import Recheck
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device
from ewaste.views import shapes

HAPPENED: Mapping[StandingKind, tuple[str, str, str]] = {
    StandingKind.ACCREDITED: ("Accredited", "certificate", "safe"),
    StandingKind.SCOPE_CHANGED: ("Another scope", "certificate", "safe"),
    StandingKind.SUSPENDED: ("Suspended", "hold", "bad"),
    StandingKind.REINSTATED: ("Suspension lifted", "lift", "safe"),
    StandingKind.WITHDRAWN: ("Withdrawn", "hold", "bad"),
}
FIGURES = (
    *("accepted", "refused", "revoked", "in_doubt"),
    *("drawn", "chosen", "looked_at", "found_wanting", "missed"),
)
_ENTERED = Centre.accredited_from.is_not(None)


def listed(session: Session, *, page: int, now: datetime) -> tuple[list[dict[str, Any]], int]:
    """Every centre that ever entered, those in force first, 50 a page; and how many there are."""
    total = session.scalar(sa.select(sa.func.count()).select_from(Centre).where(_ENTERED)) or 0
    rows = session.execute(_rows().limit(shapes.PAGE_SIZE).offset((page - 1) * shapes.PAGE_SIZE)).all()
    return _told(session, rows, now), int(total)


def everything(session: Session, *, now: datetime) -> list[dict[str, Any]]:
    """The same for a file: all of them, each with its history."""
    rows = session.execute(_rows()).all()
    told = _told(session, rows, now)
    histories = _histories(session, [each["id"] for each in told])
    return [each | {"history": histories.get(each["id"], [])} for each in told]


def one(session: Session, did: str, *, now: datetime) -> dict[str, Any]:
    """One centre: how it stands, its history, its keys, its credentials, its audits, its figures. Raises `NotFound`."""
    row = session.execute(_rows().where(Centre.did == did)).one_or_none()
    if row is None:
        raise NotFound("There is no test centre of this name on the list.")
    told = _told(session, [row], now)[0]
    centre_id = told["id"]
    issued = session.execute(
        sa.select(Accreditation, AccreditationRevocation.since.label("revoked_since"))
        .outerjoin(AccreditationRevocation, AccreditationRevocation.accreditation_id == Accreditation.id)
        .where(Accreditation.centre_id == centre_id)
        .order_by(Accreditation.issued_at.desc(), Accreditation.id)
        .limit(20)
    ).all()
    return told | {
        "history": [
            event | {"until_day": _moment(event["until"]), "since_moment": _moment(event["since"])}
            for event in _histories(session, [centre_id]).get(centre_id, [])
        ],
        "keys": [
            {
                "method": station.verification_method,
                "key": station.public_key,
                "enrolled_at": station.enrolled_at,
                "ends_at": station.retires_at,
                "revoked_at": station.revoked_at,
                "compromised_since": station.compromised_since,
                "in_force": station.revoked_at is None and (station.retires_at is None or station.retires_at > now),
            }
            for station in session.scalars(
                sa.select(Station).where(Station.centre_id == centre_id).order_by(Station.enrolled_at.desc()).limit(100)
            )
        ],
        "credentials": [
            {
                "id": each.Accreditation.credential_id,
                "digest": each.Accreditation.digest,
                "issued_at": each.Accreditation.issued_at,
                "valid_until": each.Accreditation.valid_until,
                "because": each.Accreditation.issued_because,
                "revoked_since": each.revoked_since,
            }
            for each in issued
        ],
        "audits": [
            {"at": audit.concluded_at, "checklist": audit.checklist, "passed": audit.passed}
            for audit in session.scalars(
                sa.select(Audit)
                .where(Audit.centre_id == centre_id, Audit.concluded_at.is_not(None))
                .order_by(Audit.concluded_at.desc(), Audit.id)
                .limit(20)
            )
        ],
        "one_in": ONE_IN,
        "checklist": checklist.CURRENT,
    }


def known(session: Session, did: str) -> bool:
    """Whether there is a test centre with this DID, entered or not."""
    return session.scalar(sa.select(sa.literal(1)).where(sa.exists().where(Centre.did == did))) is not None


def current_credential(session: Session, did: str) -> str:
    """The newest accreditation credential of a centre, as it was signed. Raises `NotFound`."""
    document = session.scalar(
        sa.select(Accreditation.document)
        .join(Centre, Centre.organisation_id == Accreditation.centre_id)
        .where(Centre.did == did)
        .order_by(Accreditation.issued_at.desc(), Accreditation.id)
        .limit(1)
    )
    if document is None:
        raise NotFound("There is no accreditation credential of this centre.")
    return document


def flat(told: Mapping[str, Any]) -> dict[str, Any]:
    """One centre as a row of a file."""
    return {
        "name": told["name"],
        "city": told["city"],
        "country": told["country_code"],
        "identity": told["did"],
        "standing": told["status"],
        "accreditor": told["accreditor"],
        "methods": " ".join(told["methods"]),
        "media": " ".join(told["media_kinds"]),
        "first_accredited": _day(told["first_accredited"]),
        "accredited_from": _day(told["valid_from"]),
        "accredited_until": _day(told["valid_until"]),
        "suspended_since": _day(told["suspended_at"]),
        "withdrawn_on": _day(told["withdrawn_at"]),
        "fraud_since": _day(told["fraud_since"]),
        "reason": told["reason"],
        **told["figures"],
    }


def _rows() -> sa.Select[Centre, Organisation, str]:
    return (
        sa.select(Centre, Organisation, Accreditor.name.label("accreditor"))
        .join(Organisation, Organisation.id == Centre.organisation_id)
        .outerjoin(Accreditor, Accreditor.id == Centre.accreditor_id)
        .where(_ENTERED)
        .order_by(Centre.standing != Standing.ACCREDITED, Organisation.name)
    )


def _told(session: Session, rows: Iterable[Any], now: datetime) -> list[dict[str, Any]]:
    rows = list(rows)
    ids = [row.Centre.organisation_id for row in rows]
    figures, first = _figures(session, ids), _first(session, ids)
    return [
        {
            "id": row.Centre.organisation_id,
            "name": row.Organisation.name,
            "city": row.Organisation.city,
            "country": shapes.COUNTRIES.get(row.Organisation.country, row.Organisation.country),
            "country_code": row.Organisation.country,
            "did": row.Centre.did,
            "slug": row.Centre.did.rpartition(":")[2],
            "status": status_of(row.Centre.standing, row.Centre.accredited_until, now),
            "accreditor": row.accreditor or "",
            "methods": row.Centre.methods,
            "media_kinds": row.Centre.media_kinds,
            "first_accredited": first.get(row.Centre.organisation_id, row.Centre.accredited_from),
            "valid_from": row.Centre.accredited_from,
            "valid_until": row.Centre.accredited_until,
            "suspended_at": row.Centre.suspended_at,
            "withdrawn_at": row.Centre.withdrawn_at,
            "fraud_since": row.Centre.fraud_since,
            "reason": row.Centre.suspension_reason or row.Centre.withdrawal_reason or "",
            "figures": figures.get(row.Centre.organisation_id, dict.fromkeys(FIGURES, 0)),
        }
        for row in rows
    ]


def _first(session: Session, ids: list[UUID]) -> dict[UUID, datetime]:
    return dict(
        session.execute(
            sa.select(StandingChange.organisation_id, sa.func.min(StandingChange.at))
            .where(StandingChange.organisation_id.in_(ids), StandingChange.kind == StandingKind.ACCREDITED)
            .group_by(StandingChange.organisation_id)
        ).all()
    )


def _histories(session: Session, ids: list[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """What was decided about each centre, the newest first, without names."""
    told: dict[UUID, list[dict[str, Any]]] = {}
    for change in session.scalars(
        sa.select(StandingChange)
        .where(StandingChange.organisation_id.in_(ids), StandingChange.kind.in_(list(HAPPENED)))
        .order_by(StandingChange.organisation_id, StandingChange.at.desc(), StandingChange.id)
        .limit(5_000)
    ):
        detail = change.detail
        told.setdefault(change.organisation_id, []).append(
            {
                "at": change.at,
                "what": HAPPENED[change.kind][0],
                "kind": change.kind.value,
                "reason": change.reason or "",
                "methods": detail.get("methods", []),
                "media_kinds": detail.get("media_kinds", []),
                "until": detail.get("until", ""),
                "since": detail.get("since", ""),
                "two_people": "proposed_by" in detail,
            }
        )
    return told


def _figures(session: Session, ids: list[UUID]) -> dict[UUID, dict[str, int]]:
    """What each of these centres certified, and what came of looking again. Three statements for all."""
    told = {centre_id: dict.fromkeys(FIGURES, 0) for centre_id in ids}
    in_doubt = sa.exists().where(Recheck.certificate_id == Certificate.id, Recheck.settled_at.is_(None))
    revoked = sa.exists().where(CertificateRevocation.certificate_id == Certificate.id)
    certificates = (
        sa.select(
            Certificate.centre_id.label("centre"),
            sa.func.count().label("accepted"),
            sa.func.count().filter(revoked).label("revoked"),
            sa.func.count().filter(in_doubt).label("in_doubt"),
        )
        .where(Certificate.centre_id.in_(ids))
        .group_by(Certificate.centre_id)
    )
    refusals = (
        sa.select(CertificateRefusal.centre_id.label("centre"), sa.func.count().label("refused"))
        .where(CertificateRefusal.centre_id.in_(ids))
        .group_by(CertificateRefusal.centre_id)
    )
    chosen = ReAudit.because != Because.NOT
    audits = (
        sa.select(
            ReAudit.centre_id.label("centre"),
            sa.func.count().label("drawn"),
            sa.func.count().filter(chosen).label("chosen"),
            sa.func.count().filter(ReAudit.outcome.is_not(None)).label("looked_at"),
            sa.func.count().filter(ReAudit.outcome == Outcome.RESIDUE).label("found_wanting"),
            sa.func.count().filter(chosen, ReAudit.outcome.is_(None), Device.state.in_(GONE)).label("missed"),
        )
        .join(Device, Device.id == ReAudit.device_id)
        .where(ReAudit.centre_id.in_(ids))
        .group_by(ReAudit.centre_id)
    )
    for query in (certificates, refusals, audits):
        for row in session.execute(query):
            told[row.centre] |= {name: int(value) for name, value in row._asdict().items() if name != "centre"}
    return told


def _moment(text: str) -> datetime | None:
    """A day or a moment as the record of a decision holds it."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _day(at: datetime | None) -> str:
    return "" if at is None else at.date().isoformat()


def status_of(standing: Standing, until: datetime | None, now: datetime) -> str:
    """A centre's standing as pages say it: new, accredited, suspended or expired."""
    if standing is Standing.APPLIED:
        return "new"
    if standing is Standing.ACCREDITED and until is not None and until <= now:
        return "expired"
    return standing.value
