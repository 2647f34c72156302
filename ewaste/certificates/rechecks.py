"""Certificates in doubt: a key was stolen or a centre cheated, so what nobody outside had seen by then is looked at.

While a re-check is open the device is in no sale; the database sees to it. How it ends, two people say together: the
certificate stands, or it is revoked.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.accounts.models import Actor
from ewaste.certificates.models import Certificate, CertificateRevocation
from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import custody
from ewaste.devices.lifecycle import AWAY
from ewaste.devices.models import HoldKind


class RecheckCause(enum.StrEnum):
    """Why certificates came into doubt."""

    KEY = "station-key"
    FRAUD = "fraud"
    ACCREDITOR_KEY = "accreditor-key"


TOLD = {
    RecheckCause.KEY: "The key of the station that signed the certificate may have been used by somebody else, so we "
    "look at what was certified with it.",
    RecheckCause.FRAUD: "The test centre that certified your device is no longer accredited, because it did not work "
    "honestly, so we look at what it certified.",
    RecheckCause.ACCREDITOR_KEY: "The key of the body that accredited the test centre may have been used by somebody "
    "else, so we look at what was certified under it.",
}


class RecheckOutcome(enum.StrEnum):
    """How a re-check ends."""

    STANDS = "stands"
    REVOKED = "revoked"


class Recheck(Base):
    """One certificate in doubt. `since` is the moment from which nothing of that key or centre is believed unseen."""

    __tablename__ = "certificate_rechecks"
    __table_args__ = (
        sa.CheckConstraint("(outcome is null) = (proposed_by is null)", name="proposed"),
        sa.CheckConstraint("outcome is null or length(note) between 3 and 500", name="note"),
        sa.CheckConstraint("(settled_at is null) = (settled_by is null)", name="settled"),
        sa.CheckConstraint(
            "settled_by is null or (outcome is not null and settled_by <> proposed_by)", name="two_people"
        ),
        sa.Index(
            "uq_certificate_rechecks_open",
            "certificate_id",
            unique=True,
            postgresql_where=sa.text("settled_at is null"),
        ),
        sa.Index("ix_certificate_rechecks_open", "opened_at", postgresql_where=sa.text("settled_at is null")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    certificate_id: Mapped[UUID] = mapped_column(sa.ForeignKey("certificates.id"), index=True)
    cause: Mapped[RecheckCause]
    because: Mapped[str]
    since: Mapped[datetime]
    hold_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("holds.id"))
    opened_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    opened_name: Mapped[str]
    opened_at: Mapped[datetime]
    outcome: Mapped[RecheckOutcome | None]
    note: Mapped[str] = mapped_column(default="")
    proposed_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    proposed_name: Mapped[str | None]
    proposed_at: Mapped[datetime | None]
    settled_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    settled_name: Mapped[str | None]
    settled_at: Mapped[datetime | None]


def standing(session: Session, *, station_id: UUID | None, centre_id: UUID) -> list[Certificate]:
    """The certificates of a centre, or of one station of it, that still stand.

    Certificates that are looked at again already are left out. Ordered by device, so that locks are taken in order.
    """
    revoked = sa.exists().where(CertificateRevocation.certificate_id == Certificate.id)
    looked_at = sa.exists().where(Recheck.certificate_id == Certificate.id, Recheck.settled_at.is_(None))
    found = sa.select(Certificate).where(Certificate.centre_id == centre_id, ~revoked, ~looked_at)
    if station_id is not None:
        found = found.where(Certificate.station_id == station_id)
    return list(session.scalars(found.order_by(Certificate.device_id, Certificate.accepted_at)))


def survives(seen_at: datetime | None, since: datetime) -> bool:
    """Whether a certificate stands whose key or accreditation counts for nothing from `since` on.

    Dates that were written with it may be anybody's, so only what enough witnesses of the log had seen by then is
    believed, and not what we say of its coming. Whoever checks it offline goes by the same rule (docs/spec/status.md).
    """
    return seen_at is not None and seen_at <= since


def fallen(certificates: Sequence[Certificate], seen: Mapping[str, datetime], since: datetime) -> list[Certificate]:
    """Those that do not survive. `seen` tells by digest when enough witnesses had seen them in the log."""
    return [each for each in certificates if not survives(seen.get(each.digest), since)]


def begin(
    session: Session,
    certificates: Sequence[Certificate],
    *,
    cause: RecheckCause,
    because: str,
    since: datetime,
    by: Actor,
    now: datetime,
) -> list[Recheck]:
    """Put certificates in doubt. Their devices leave every open sale at once; those still with us are held.

    Each device's chain says so, and its seller is told by mail. Of a device that was certified anew since, only the
    old certificate is looked at again.
    """
    opened = []
    for certificate in certificates:
        device = custody.find(session, certificate.device_id)
        current = device.cycle == certificate.cycle
        hold = None
        if current and device.state not in AWAY:
            reason = f"Its certificate is looked at again: {because}"[:500]
            hold = custody.place_hold(session, device, HoldKind.VALIDATION, reason, by=by, now=now)
        recheck = Recheck(
            certificate_id=certificate.id,
            cause=cause,
            because=because,
            since=since,
            hold_id=hold.id if hold is not None else None,
            opened_by=by.id,
            opened_name=by.name,
            opened_at=now,
        )
        session.add(recheck)
        session.flush()
        opened.append(recheck)
        if current:
            evidence = {
                "certificate": certificate.credential_id,
                "cause": cause.value,
                "reason": because,
                "noteForSeller": TOLD[cause],
            }
            custody.note(session, device, "certificate.in-doubt", by=by, evidence=evidence, now=now)
    return opened


def find(session: Session, recheck_id: UUID) -> Recheck:
    """One re-check, locked until the step ends. Raises `NotFound`, or `Conflict` for one that is settled."""
    found = session.scalar(sa.select(Recheck).where(Recheck.id == recheck_id).with_for_update())
    if found is None:
        raise NotFound("There is no such re-check.")
    if found.settled_at is not None:
        raise Conflict("This re-check is settled already. Reload and look how.")
    return found


def propose(session: Session, recheck: Recheck, outcome: str, note: str, *, by: Actor, now: datetime) -> None:
    """One person says how it should end, and why. Raises `Invalid` by field, `Conflict` when somebody did already."""
    if recheck.outcome is not None:
        raise Conflict(f"{recheck.proposed_name} proposed an end already. Confirm it, or take it back first.")
    if outcome not in set(RecheckOutcome):
        raise Invalid("Say whether the certificate stands or is revoked.", field="outcome")
    if not 3 <= len(note.strip()) <= 500:
        raise Invalid("Say what you found, in 3 to 500 characters. Where it is revoked, this is public.", field="note")
    if by.id is None:
        raise NotAllowed("Only a person settles a re-check.")
    recheck.outcome, recheck.note = RecheckOutcome(outcome), note.strip()
    recheck.proposed_by, recheck.proposed_name, recheck.proposed_at = by.id, by.name, now
    session.flush()


def undo(session: Session, recheck: Recheck) -> None:
    """The proposed end is taken back; the certificate stays in doubt. Raises `Conflict` when there is none."""
    if recheck.outcome is None:
        raise Conflict("Nobody has proposed an end yet.")
    recheck.outcome, recheck.note = None, ""
    recheck.proposed_by = recheck.proposed_name = recheck.proposed_at = None
    session.flush()


def settle(session: Session, recheck: Recheck, *, by: Actor, now: datetime) -> RecheckOutcome:
    """A second person confirms how it ends. Raises `Conflict` when it is the same one, or nothing is proposed."""
    if recheck.outcome is None:
        raise Conflict("Nobody has proposed an end yet. Propose one, and somebody else confirms it.")
    if recheck.proposed_by == by.id:
        raise Conflict("You proposed this. Somebody else has to look at it and confirm it.")
    recheck.settled_by, recheck.settled_name, recheck.settled_at = by.id, by.name, now
    session.flush()
    return recheck.outcome


def open_for(session: Session, certificate_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these certificates are in doubt now."""
    if not certificate_ids:
        return set()
    return set(
        session.scalars(
            sa.select(Recheck.certificate_id).where(
                Recheck.certificate_id.in_(list(certificate_ids)), Recheck.settled_at.is_(None)
            )
        )
    )
