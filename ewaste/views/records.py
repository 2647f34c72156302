"""All that the database holds of one device, read once; `device` and `timeline` make pages of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ewaste.accounts.models import Organisation, Person
from ewaste.centres.models import Centre, Standing
from ewaste.certificates.models import (
    Certificate,
    CertificateLine,
    CertificateRefusal,
    CertificateRevocation,
    number_of,
)
from ewaste.certificates.rechecks import Recheck, RecheckCause
from ewaste.core.refusals import NotFound
from ewaste.devices import custody, media
from ewaste.devices.lifecycle import State
from ewaste.devices.models import (
    CustodyEvent,
    Device,
    Hold,
    Medium,
    MediumEvent,
    MediumEventKind,
    Validation,
    ValidationResult,
)
from ewaste.payments.models import InstructionKind, Payee, PaymentInstruction
from ewaste.processing.models import Inspection, OutcomeReport, Routing
from ewaste.tradein.models import Offer, Quote
from ewaste.views import shapes


class Records(NamedTuple):
    """All that the database holds of one device, read once."""

    device: Device
    centre: Organisation
    seller: Person
    quote: Quote | None
    offer: Offer | None
    events: Sequence[CustodyEvent]
    holds: Sequence[tuple[Hold, str | None]]
    inspection: tuple[Inspection, str] | None
    routing: Routing | None
    report: tuple[OutcomeReport, str] | None
    payout: PaymentInstruction | None
    payee: Payee | None
    certificates: Sequence[tuple[Certificate, CertificateRevocation | None, str]]
    lines: dict[UUID, list[dict[str, Any]]]
    refusals: Sequence[CertificateRefusal]
    validations: dict[UUID, ValidationResult]


def read(session: Session, device_id: UUID) -> Records:
    """Read them: a constant number of statements. Raises `NotFound`."""
    row = session.execute(
        sa.select(Device, Organisation, Person, Quote)
        .join(Organisation, Organisation.id == Device.centre_id)
        .join(Person, Person.id == Device.seller_id)
        .outerjoin(Quote, Quote.device_id == Device.id)
        .where(Device.id == device_id)
    ).one_or_none()
    if row is None:
        raise NotFound(custody.NOBODYS)
    device, centre, seller, quote = row
    offer = session.scalar(sa.select(Offer).where(Offer.device_id == device_id).order_by(Offer.cycle.desc()).limit(1))
    inspection = session.execute(
        sa.select(Inspection, Person.name)
        .join(Person, Person.id == Inspection.inspector_id)
        .where(Inspection.device_id == device_id)
        .order_by(Inspection.at.desc())
        .limit(1)
    ).one_or_none()
    report = session.execute(
        sa.select(OutcomeReport, Organisation.name)
        .join(Organisation, Organisation.id == OutcomeReport.organisation_id)
        .where(OutcomeReport.device_id == device_id)
        .order_by(OutcomeReport.cycle.desc())
        .limit(1)
    ).one_or_none()
    payout = (
        session.scalar(
            sa.select(PaymentInstruction)
            .where(PaymentInstruction.kind == InstructionKind.PAY_OUT, PaymentInstruction.subject_id == offer.device_id)
            .order_by(PaymentInstruction.written_at.desc())
            .limit(1)
        )
        if offer
        else None
    )
    certificates = session.execute(
        sa.select(Certificate, CertificateRevocation, Organisation.name)
        .outerjoin(CertificateRevocation, CertificateRevocation.certificate_id == Certificate.id)
        .join(Organisation, Organisation.id == Certificate.centre_id)
        .where(Certificate.device_id == device_id)
        .order_by(Certificate.accepted_at.desc())
    ).all()
    return Records(
        device=device,
        centre=centre,
        seller=seller,
        quote=quote,
        offer=offer,
        events=session.scalars(
            sa.select(CustodyEvent).where(CustodyEvent.device_id == device_id).order_by(CustodyEvent.seq)
        ).all(),
        holds=[
            (hold, name)
            for hold, name in session.execute(
                sa.select(Hold, Person.name)
                .outerjoin(Person, Person.id == Hold.placed_by)
                .where(Hold.device_id == device_id)
                .order_by(Hold.placed_at)
            )
        ],
        inspection=(inspection[0], inspection[1]) if inspection else None,
        routing=session.scalar(
            sa.select(Routing).where(Routing.device_id == device_id).order_by(Routing.at.desc()).limit(1)
        ),
        report=(report[0], report[1]) if report else None,
        payout=payout,
        payee=session.get(Payee, device.seller_id),
        certificates=[(row[0], row[1], row[2]) for row in certificates],
        lines=certificate_lines(session, [row[0].id for row in certificates]),
        refusals=session.scalars(
            sa.select(CertificateRefusal)
            .where(CertificateRefusal.device_code == device.code, CertificateRefusal.centre_id == device.centre_id)
            .order_by(CertificateRefusal.at.desc())
            .limit(shapes.PAGE_SIZE)
        ).all(),
        validations=dict(
            session.execute(  # The newest comes last and counts.
                sa.select(Validation.medium_id, Validation.result)
                .where(Validation.device_id == device_id, Validation.cycle == device.cycle)
                .order_by(Validation.seq)
            ).all()
        ),
    )


DOUBTED = {
    RecheckCause.KEY: "Others may have had the key that signed it, since {since}.",
    RecheckCause.FRAUD: "Its test centre did not work honestly, and is no longer accredited. What nobody outside had "
    "seen by {since} is looked at.",
    RecheckCause.ACCREDITOR_KEY: "Others may have had the key of the body that accredited its test centre, since "
    "{since}.",
}


def in_doubt(session: Session, certificate_id: UUID) -> str | None:
    """Why a certificate is in doubt now; None for one that is not, or not any more. One statement."""
    row = session.execute(
        sa.select(Recheck.cause, Recheck.since).where(
            Recheck.certificate_id == certificate_id, Recheck.settled_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    return DOUBTED[row.cause].format(since=f"{shapes.day(row.since)}, {row.since:%H:%M} UTC")


def newer(session: Session, certificate_id: UUID) -> tuple[UUID, datetime] | None:
    """The newest certificate of the same device that came after this one and stands: its own number, and when it
    came. None when there is none. One statement."""
    later = aliased(Certificate)
    revoked = sa.exists().where(CertificateRevocation.certificate_id == later.id)
    doubted = sa.exists().where(Recheck.certificate_id == later.id, Recheck.settled_at.is_(None))
    found = session.execute(
        sa.select(later.id, later.credential_id, later.accepted_at)
        .join(Certificate, Certificate.device_id == later.device_id)
        .where(Certificate.id == certificate_id, later.accepted_at > Certificate.accepted_at, ~revoked, ~doubted)
        .order_by(later.accepted_at.desc())
        .limit(1)
    ).one_or_none()
    return None if found is None else (number_of(found.credential_id, found.id), found.accepted_at)


MEDIUM_FOUND = "Since then another medium was found in this device. This certificate does not cover it; "


def found_since(session: Session, certificate_id: UUID) -> str | None:
    """What is to be said beside a certificate when a medium that it does not cover was found after it; or None.

    The certificate stays true for the media that it lists.
    """
    line = sa.select(sa.literal(1)).where(
        CertificateLine.certificate_id == Certificate.id, CertificateLine.medium_id == MediumEvent.medium_id
    )
    apart = aliased(MediumEvent)
    held = sa.select(sa.literal(1)).where(
        apart.medium_id == MediumEvent.medium_id,
        apart.cycle == MediumEvent.cycle,
        apart.kind == MediumEventKind.HELD,
    )
    cleared = session.execute(
        sa.select(sa.func.device_cleared(Certificate.device_id).label("cleared"))
        .join(
            MediumEvent,
            sa.and_(MediumEvent.device_id == Certificate.device_id, MediumEvent.cycle == Certificate.cycle),
        )
        .where(
            Certificate.id == certificate_id,
            MediumEvent.kind.in_([MediumEventKind.FOUND, MediumEventKind.FITTED]),
            ~media.taken_back(),
            ~line.exists(),
            ~held.exists(),
        )
        .limit(1)
    ).one_or_none()
    if cleared is None:
        return None
    return MEDIUM_FOUND + ("a newer certificate does." if cleared.cleared else "the device is not clear.")


def since_then(session: Session, certificate_id: UUID) -> list[str]:
    """What became of the test centre and of the device after a certificate, in sentences; it stays true for all that.

    One statement.
    """
    left = (
        sa.select(CustodyEvent.at)
        .where(
            CustodyEvent.device_id == Certificate.device_id,
            CustodyEvent.cycle == Certificate.cycle,
            CustodyEvent.to_state == State.DELIVERED,
        )
        .limit(1)
        .scalar_subquery()
    )
    row = session.execute(
        sa.select(Centre, (Device.cycle > Certificate.cycle).label("over"), left.label("left"))
        .select_from(Certificate)
        .join(Centre, Centre.organisation_id == Certificate.centre_id)
        .join(Device, Device.id == Certificate.device_id)
        .where(Certificate.id == certificate_id)
    ).one_or_none()
    if row is None:
        return []
    told = []
    if row.over and row.left is not None:
        told.append(
            f"The device was sold on {shapes.day(row.left)} and used after this. What was stored on it since, this "
            "certificate does not cover."
        )
    centre = row.Centre
    if centre.standing is Standing.SUSPENDED and centre.suspended_at is not None:
        told.append(
            f"This test centre was suspended on {shapes.day(centre.suspended_at)}. The reason given: "
            f"{centre.suspension_reason}"
        )
    elif centre.standing is Standing.WITHDRAWN and centre.withdrawn_at is not None:
        told.append(
            f"The accreditation of this test centre was withdrawn on {shapes.day(centre.withdrawn_at)}. The reason "
            f"given: {centre.withdrawal_reason}"
        )
    return told


def certificate_lines(session: Session, certificate_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The lines of these certificates as badges show them: kind, model, serial, evidence. One statement."""
    lines: dict[UUID, list[dict[str, Any]]] = {}
    for line, medium in session.execute(
        sa.select(CertificateLine, Medium)
        .join(Medium, Medium.id == CertificateLine.medium_id)
        .where(CertificateLine.certificate_id.in_(certificate_ids))
        .order_by(Medium.created_at, Medium.id)
    ):
        lines.setdefault(line.certificate_id, []).append(
            {
                "medium_id": f"urn:uuid:{medium.id}",
                "kind": medium.kind.value,
                "model": medium.model,
                "serial": medium.serial,
                "size_bytes": medium.size_bytes,
                "level": line.level,
                "technique": line.technique,
                "evidence_class": line.evidence_class,
                "started": line.wiped_from,
                "ended": line.wiped_until,
            }
        )
    return lines
