"""The routine re-audit (R2v3): of what a centre sanitised, at least one device in twenty is looked at by somebody else.

Which one, nobody at the centre can steer or foresee. When a certificate is accepted, the market signs its digest with
its own key (Ed25519, RFC 8032: the same message always gives the same signature), and the signature is the dice: the
first eight bytes of its SHA-256, as a share of a million. A share below 50,000 is chosen. A centre cannot sign for the
market, so trying out certificates leads nowhere; whoever has the market's public key can check each draw afterwards.
Where chance chose too few, the device at hand is chosen ("floor"), so the first device of a centre always is. Devices
that were destroyed are not drawn: there is nothing left to look at. Every draw is kept, also those that chose nothing.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Mapped, Session, mapped_column

from ewaste.certificates.models import Certificate
from ewaste.core.database import Base
from ewaste.core.ids import new_id
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices.lifecycle import AWAY, State
from ewaste.devices.models import Device

RULE = "re-audit-1"
ONE_IN = 20
SHARE_PPM = 1_000_000 // ONE_IN
GONE = tuple(sorted(AWAY | {State.SOLD}))
"""From there nobody of the centre looks at a device any more."""


class Because(enum.StrEnum):
    """Why a device is looked at again, or is not."""

    DRAWN = "drawn"
    FLOOR = "floor"
    NOT = "not-chosen"


class Outcome(enum.StrEnum):
    """What the auditor found."""

    CLEAN = "clean"
    RESIDUE = "residue"


class ReAudit(Base):
    """The draw of one certificate and, where it chose the device, what somebody else found.

    `workers` are the people of the centre who worked on the device, `operators` the names on the certificate in small
    letters: none of them can be the auditor.
    """

    __tablename__ = "re_audits"
    __table_args__ = (
        sa.CheckConstraint("share_ppm between 0 and 999999", name="share_ppm"),
        sa.CheckConstraint(
            "(outcome is null) = (auditor_id is null) and (outcome is null) = (auditor_name is null)"
            " and (outcome is null) = (audited_at is null)",
            name="outcome_by_somebody",
        ),
        sa.CheckConstraint("outcome is null or because <> 'not-chosen'", name="only_chosen"),
        sa.CheckConstraint("not (auditor_id = any (workers))", name="auditor_did_not_work_on_it"),
        sa.CheckConstraint("not (auditor_name = any (operators))", name="auditor_is_not_the_operator"),
        sa.CheckConstraint("outcome is distinct from 'residue' or length(note) >= 3", name="residue_is_described"),
        sa.UniqueConstraint("centre_id", "number"),
        sa.Index(
            "ix_re_audits_open",
            "centre_id",
            "at",
            postgresql_where=sa.text("outcome is null and because <> 'not-chosen'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    certificate_id: Mapped[UUID] = mapped_column(sa.ForeignKey("certificates.id"), unique=True)
    device_id: Mapped[UUID] = mapped_column(sa.ForeignKey("devices.id"), index=True)
    cycle: Mapped[int]
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    number: Mapped[int]
    rule: Mapped[str]
    signature: Mapped[bytes]
    share_ppm: Mapped[int]
    because: Mapped[Because]
    workers: Mapped[list[UUID]] = mapped_column(sa.ARRAY(sa.Uuid()))
    operators: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text()))
    at: Mapped[datetime]
    outcome: Mapped[Outcome | None]
    note: Mapped[str] = mapped_column(default="")
    auditor_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    auditor_name: Mapped[str | None]
    audited_at: Mapped[datetime | None]


def message(digest: str) -> bytes:
    """What the market signs to draw for the certificate with this digest."""
    return f"ewaste-{RULE}\n{digest}".encode()


def share_ppm(signature: bytes) -> int:
    """The draw, from 0 to 999,999: the first eight bytes of the signature's SHA-256 as a share of a million."""
    return int.from_bytes(hashlib.sha256(signature).digest()[:8], "big") * 1_000_000 >> 64


def choose(share: int, *, number: int, chosen_before: int) -> Because:
    """Whether the `number`th sanitised device of a centre is chosen, after `chosen_before` that could be looked at."""
    if share < SHARE_PPM:
        return Because.DRAWN
    return Because.FLOOR if chosen_before * ONE_IN < number else Because.NOT


def draw(
    session: Session,
    certificate: Certificate,
    *,
    key: Ed25519PrivateKey,
    workers: Collection[UUID],
    operators: Collection[str],
    now: datetime,
) -> ReAudit:
    """Draw for a certificate that was just accepted. One draw at a time for each centre."""
    centre = certificate.centre_id
    lock = sa.func.hashtextextended(f"re-audit {centre}", 0)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
    counted = session.execute(
        sa.select(
            sa.func.count().label("number"),
            sa.func.count()
            .filter(
                ReAudit.because != Because.NOT,
                # Who left before anybody looked is not counted: another one is chosen instead.
                sa.or_(ReAudit.outcome.is_not(None), Device.state.not_in(GONE)),
            )
            .label("chosen"),
        )
        .select_from(ReAudit)
        .join(Device, Device.id == ReAudit.device_id)
        .where(ReAudit.centre_id == centre)
    ).one()
    signature = key.sign(message(certificate.digest))
    share = share_ppm(signature)
    drawn = ReAudit(
        certificate_id=certificate.id,
        device_id=certificate.device_id,
        cycle=certificate.cycle,
        centre_id=centre,
        number=counted.number + 1,
        rule=RULE,
        signature=signature,
        share_ppm=share,
        because=choose(share, number=counted.number + 1, chosen_before=counted.chosen),
        workers=sorted(workers),
        operators=sorted(operators),
        at=now,
    )
    session.add(drawn)
    session.flush()
    return drawn


def find(session: Session, audit_id: UUID) -> ReAudit:
    """A device that was chosen, locked until the step ends. Raises `NotFound`."""
    found = session.scalar(
        sa.select(ReAudit).where(ReAudit.id == audit_id, ReAudit.because != Because.NOT).with_for_update()
    )
    if found is None:
        raise NotFound("There is nothing here under this address, or it is not yours to see.")
    return found


def note(session: Session, audit: ReAudit, *, outcome: str, text: str, auditor: UUID, name: str, now: datetime) -> None:
    """What the auditor found; it stands once written. Raises `Conflict` for who did the work, `Invalid` by field."""
    if audit.outcome is not None:
        raise Conflict("This device was looked at already. Reload and look again.")
    folded = " ".join(name.split()).casefold()
    if auditor in audit.workers or folded in audit.operators:
        raise Conflict("You worked on this device yourself. Somebody else of your centre looks at it.")
    if outcome not in set(Outcome):
        raise Invalid("Say whether it is clean or something is left.", field="outcome")
    words = text.strip()
    if len(words) > 500 or (outcome == Outcome.RESIDUE and len(words) < 3):
        raise Invalid("Say what is left on it, in 3 to 500 characters.", field="note")
    audit.outcome, audit.note, audit.audited_at = Outcome(outcome), words, now
    audit.auditor_id, audit.auditor_name = auditor, folded
    session.flush()
