"""Who accredits, the audits they make, the decisions that two people take, and what of it is published for the log."""

from __future__ import annotations

import enum
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from ewaste.centres.checklist import Found
from ewaste.core.database import Base
from ewaste.core.ids import new_id


class Accreditor(Base):
    """Who may accredit centres here: an organisation with a DID and a key. The house is ours, and there is one.

    An accreditor is in force from its confirmation by a second person until it ended. `own_key`: it signs its
    accreditations itself and hands them in, and we hold no key of it.
    """

    __tablename__ = "accreditors"
    __table_args__ = (
        sa.CheckConstraint("house is null or house", name="house"),
        sa.CheckConstraint("(house is not null) = (organisation_id is null)", name="an_organisation"),
        sa.CheckConstraint("house is not null or named_by is not null", name="named"),
        sa.CheckConstraint("confirmed_by is distinct from named_by or confirmed_by is null", name="two_people"),
        sa.CheckConstraint("house is not null or (confirmed_at is null) = (confirmed_by is null)", name="confirmed"),
        sa.CheckConstraint("confirmed_at is null or undone_at is null", name="undone"),
        sa.CheckConstraint("(ended_at is null) = (ended_because is null)", name="ended"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    organisation_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("organisations.id"), unique=True)
    house: Mapped[bool | None] = mapped_column(unique=True)
    did: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    own_key: Mapped[bool]
    reason: Mapped[str]
    named_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    named_name: Mapped[str]
    named_at: Mapped[datetime]
    confirmed_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    confirmed_name: Mapped[str | None]
    confirmed_at: Mapped[datetime | None]
    undone_at: Mapped[datetime | None]
    undone_name: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    ended_name: Mapped[str | None]
    ended_because: Mapped[str | None]


class AccreditorKey(Base):
    """A public key of an accreditor. The house has rows from its first change of key on; before, its file is all.

    What it signed counts up to `revoked_at`, its end, which may lie ahead. `compromised_since`: others may have had it
    from then on. `revoked_because` says why it ended.
    """

    __tablename__ = "accreditor_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    accreditor_id: Mapped[UUID] = mapped_column(sa.ForeignKey("accreditors.id"), index=True)
    verification_method: Mapped[str] = mapped_column(unique=True)
    public_key: Mapped[str]
    added_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    revoked_because: Mapped[str | None]
    compromised_since: Mapped[datetime | None]


IN_ORDER = (
    AccreditorKey.added_at,
    sa.func.length(AccreditorKey.verification_method),
    AccreditorKey.verification_method,
)
"""The keys of an accreditor as they came; those of one moment by their name, which ends in a number."""


class DecisionOutcome(enum.StrEnum):
    """What became of a proposal."""

    CONFIRMED = "confirmed"
    UNDONE = "undone"


class AccreditorKeyChange(Base):
    """One person proposes that a key of an accreditor ends and another takes its place; a second one confirms.

    The old key ends at `ends_at`, or with the confirmation; with `compromised_since` it ends at once, as others may
    have it. A new key may be left out where the accreditor has another one. The reason is public.
    """

    __tablename__ = "accreditor_key_changes"
    __table_args__ = (
        sa.CheckConstraint("length(reason) between 3 and 500", name="reason"),
        sa.CheckConstraint("(new_method is null) = (new_public_key is null)", name="new_key"),
        sa.CheckConstraint("ends_at is null or compromised_since is null", name="ends_once"),
        sa.CheckConstraint(
            "(outcome is null) = (decided_by is null) and (outcome is null) = (decided_at is null)", name="decided"
        ),
        sa.CheckConstraint("outcome is distinct from 'confirmed' or decided_by <> proposed_by", name="two_people"),
        sa.Index(
            "uq_accreditor_key_changes_open", "accreditor_id", unique=True, postgresql_where=sa.text("outcome is null")
        ),
        sa.Index("ix_accreditor_key_changes_accreditor", "accreditor_id", "proposed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    accreditor_id: Mapped[UUID] = mapped_column(sa.ForeignKey("accreditors.id"))
    old_method: Mapped[str]
    new_method: Mapped[str | None]
    new_public_key: Mapped[str | None]
    ends_at: Mapped[datetime | None]
    compromised_since: Mapped[datetime | None]
    reason: Mapped[str]
    proposed_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    proposed_name: Mapped[str]
    proposed_at: Mapped[datetime]
    outcome: Mapped[DecisionOutcome | None]
    decided_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    decided_name: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class KeptStatusList(Base):
    """A status list that an accreditor signed itself and handed in. Append-only; the newest of an address counts.

    `taken_back` is how many places or keys the one before told as withdrawn and this one does not; `note` says why.
    """

    __tablename__ = "kept_status_lists"
    __table_args__ = (
        sa.CheckConstraint("length(document) <= 65536", name="size"),
        sa.CheckConstraint("taken_back = 0 or length(note) between 3 and 500", name="taken_back"),
        sa.UniqueConstraint("address", "dated"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    accreditor_id: Mapped[UUID] = mapped_column(sa.ForeignKey("accreditors.id"), index=True)
    address: Mapped[str]
    document: Mapped[str]
    dated: Mapped[datetime]
    fresh_until: Mapped[datetime]
    taken_back: Mapped[int]
    note: Mapped[str]
    by_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    by_name: Mapped[str]
    at: Mapped[datetime]


class Audit(Base):
    """One audit of one centre by a published checklist. At most one is open for a centre and an accreditor."""

    __tablename__ = "audits"
    __table_args__ = (
        sa.CheckConstraint("(concluded_at is null) = (passed is null)", name="concluded"),
        sa.Index(
            "uq_audits_open",
            "centre_id",
            "accreditor_id",
            unique=True,
            postgresql_where=sa.text("concluded_at is null"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"), index=True)
    accreditor_id: Mapped[UUID] = mapped_column(sa.ForeignKey("accreditors.id"))
    checklist: Mapped[str]
    checklist_digest: Mapped[str] = mapped_column(sa.CHAR(64))
    started_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    started_name: Mapped[str]
    started_at: Mapped[datetime]
    concluded_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    concluded_name: Mapped[str | None]
    concluded_at: Mapped[datetime | None]
    passed: Mapped[bool | None]


class AuditAnswer(Base):
    """What somebody found of one point, and by what evidence. Append-only; the newest of a point counts."""

    __tablename__ = "audit_answers"
    __table_args__ = (
        sa.UniqueConstraint("audit_id", "number"),
        sa.CheckConstraint("length(evidence) between 3 and 1000", name="evidence"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    audit_id: Mapped[UUID] = mapped_column(sa.ForeignKey("audits.id"))
    number: Mapped[int]
    point: Mapped[str]
    found: Mapped[Found]
    evidence: Mapped[str]
    by_id: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    by_name: Mapped[str]
    at: Mapped[datetime]


class DecisionKind(enum.StrEnum):
    """What two people decide together."""

    GRANT = "grant"
    SCOPE = "scope"
    LIFT = "lift"
    WITHDRAW = "withdraw"
    FRAUD = "fraud"


class Decision(Base):
    """One member of an accreditor's staff proposes, another confirms; until then anybody of them takes it back.

    Grant and scope carry a passed audit, methods, media and an end; fraud carries the moment `since` which
    certificates are in doubt. The reason is public.
    """

    __tablename__ = "accreditation_decisions"
    __table_args__ = (
        sa.CheckConstraint("length(reason) between 3 and 500", name="reason"),
        sa.CheckConstraint(
            "(outcome is null) = (decided_by is null) and (outcome is null) = (decided_at is null)", name="decided"
        ),
        sa.CheckConstraint("outcome is distinct from 'confirmed' or decided_by <> proposed_by", name="two_people"),
        sa.CheckConstraint(
            "(kind in ('grant', 'scope')) = (valid_until is not null)"
            " and (kind in ('grant', 'scope')) = (audit_id is not null)",
            name="scope",
        ),
        sa.CheckConstraint("(kind = 'fraud') = (since is not null)", name="since"),
        sa.Index(
            "uq_accreditation_decisions_open", "centre_id", unique=True, postgresql_where=sa.text("outcome is null")
        ),
        sa.Index("ix_accreditation_decisions_centre", "centre_id", "proposed_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    accreditor_id: Mapped[UUID] = mapped_column(sa.ForeignKey("accreditors.id"))
    kind: Mapped[DecisionKind]
    audit_id: Mapped[UUID | None] = mapped_column(sa.ForeignKey("audits.id"))
    methods: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text))
    media_kinds: Mapped[list[str]] = mapped_column(sa.ARRAY(sa.Text))
    valid_until: Mapped[datetime | None]
    since: Mapped[datetime | None]
    reason: Mapped[str]
    proposed_by: Mapped[UUID] = mapped_column(sa.ForeignKey("people.id"))
    proposed_name: Mapped[str]
    proposed_at: Mapped[datetime]
    outcome: Mapped[DecisionOutcome | None]
    decided_by: Mapped[UUID | None] = mapped_column(sa.ForeignKey("people.id"))
    decided_name: Mapped[str | None]
    decided_at: Mapped[datetime | None]


class AccreditationRevocation(Base):
    """An accreditation credential that no longer holds, from `since` on. A withdrawal for fraud revokes every one."""

    __tablename__ = "accreditation_revocations"

    accreditation_id: Mapped[UUID] = mapped_column(sa.ForeignKey("accreditations.id"), primary_key=True)
    decision_id: Mapped[UUID] = mapped_column(sa.ForeignKey("accreditation_decisions.id"))
    since: Mapped[datetime]
    reason: Mapped[str]
    at: Mapped[datetime]


class PublishedKind(enum.StrEnum):
    """What a published statement is about, in the words of the log."""

    KEY = "key"
    REVOCATION = "revocation"


class PublishedStatement(Base):
    """A small document that the market publishes about a key or a revoked accreditation. Append-only.

    The log takes its digest; who has the document finds it there.
    """

    __tablename__ = "published_statements"
    __table_args__ = (sa.Index("ix_published_statements_centre", "centre_id", "at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    centre_id: Mapped[UUID] = mapped_column(sa.ForeignKey("centres.organisation_id"))
    kind: Mapped[PublishedKind]
    issuer: Mapped[str]
    document: Mapped[str]
    digest: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime]
