"""Accreditation under four eyes: accreditors, audits, decisions, keys that end, certificates in doubt"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ewaste.migrations.upgrade import execute, statements

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Centres that are accredited already stay so; what changes from now on takes an audit and two people."""
    _widen(
        *("organisations", "kind", "organisationkind"),
        *("centre", "recycler", "company", "collector", "platform", "auditor", "accreditor"),
    )
    _widen(
        *("memberships", "role", "role"),
        *("anonymous", "consumer", "operator", "recycler", "company", "collector", "staff", "auditor", "accreditor"),
        *("station", "worker"),
    )
    _widen("centres", "standing", "standing", "applied", "accredited", "suspended", "withdrawn")
    _widen(
        *("standing_changes", "kind", "standingkind"),
        *("accredited", "suspended", "reinstated", "scope-changed", "withdrawn", "verified"),
    )
    _accreditors()
    _audits()
    _decisions()
    _stations()
    _rechecks()
    execute(statements("0013_accrediting.sql"))


def _accreditors() -> None:
    op.create_table(
        "accreditors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("house", sa.Boolean(), nullable=True),
        sa.Column("did", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("own_key", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("named_by", sa.Uuid(), nullable=True),
        sa.Column("named_name", sa.Text(), nullable=False),
        _time("named_at", nullable=False),
        sa.Column("confirmed_by", sa.Uuid(), nullable=True),
        sa.Column("confirmed_name", sa.Text(), nullable=True),
        _time("confirmed_at"),
        _time("undone_at"),
        sa.Column("undone_name", sa.Text(), nullable=True),
        _time("ended_at"),
        sa.Column("ended_name", sa.Text(), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=True),
        sa.CheckConstraint("house is null or house", name=op.f("ck_accreditors_house")),
        sa.CheckConstraint(
            "(house is not null) = (organisation_id is null)", name=op.f("ck_accreditors_an_organisation")
        ),
        sa.CheckConstraint("house is not null or named_by is not null", name=op.f("ck_accreditors_named")),
        sa.CheckConstraint(
            "confirmed_by is distinct from named_by or confirmed_by is null", name=op.f("ck_accreditors_two_people")
        ),
        sa.CheckConstraint(
            "house is not null or (confirmed_at is null) = (confirmed_by is null)",
            name=op.f("ck_accreditors_confirmed"),
        ),
        sa.CheckConstraint("confirmed_at is null or undone_at is null", name=op.f("ck_accreditors_undone")),
        sa.CheckConstraint("(ended_at is null) = (ended_because is null)", name=op.f("ck_accreditors_ended")),
        *_keys("accreditors", organisation_id="organisations.id", named_by="people.id", confirmed_by="people.id"),
        sa.UniqueConstraint("organisation_id", name=op.f("uq_accreditors_organisation_id")),
        sa.UniqueConstraint("house", name=op.f("uq_accreditors_house")),
        sa.UniqueConstraint("did", name=op.f("uq_accreditors_did")),
    )
    op.create_table(
        "accreditor_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("accreditor_id", sa.Uuid(), nullable=False),
        sa.Column("verification_method", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        _time("added_at", nullable=False),
        _time("revoked_at"),
        sa.Column("revoked_because", sa.Text(), nullable=True),
        _time("compromised_since"),
        *_keys("accreditor_keys", accreditor_id="accreditors.id"),
        sa.UniqueConstraint("verification_method", name=op.f("uq_accreditor_keys_verification_method")),
    )
    op.create_index(op.f("ix_accreditor_keys_accreditor_id"), "accreditor_keys", ["accreditor_id"])


def _audits() -> None:
    op.create_table(
        "audits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("accreditor_id", sa.Uuid(), nullable=False),
        sa.Column("checklist", sa.Text(), nullable=False),
        sa.Column("checklist_digest", sa.CHAR(64), nullable=False),
        sa.Column("started_by", sa.Uuid(), nullable=False),
        sa.Column("started_name", sa.Text(), nullable=False),
        _time("started_at", nullable=False),
        sa.Column("concluded_by", sa.Uuid(), nullable=True),
        sa.Column("concluded_name", sa.Text(), nullable=True),
        _time("concluded_at"),
        sa.Column("passed", sa.Boolean(), nullable=True),
        sa.CheckConstraint("(concluded_at is null) = (passed is null)", name=op.f("ck_audits_concluded")),
        *_keys(
            "audits",
            centre_id="centres.organisation_id",
            accreditor_id="accreditors.id",
            started_by="people.id",
            concluded_by="people.id",
        ),
    )
    op.create_index(op.f("ix_audits_centre_id"), "audits", ["centre_id"])
    op.create_index(
        "uq_audits_open",
        "audits",
        ["centre_id", "accreditor_id"],
        unique=True,
        postgresql_where=sa.text("concluded_at is null"),
    )
    op.create_table(
        "audit_answers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("audit_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("point", sa.Text(), nullable=False),
        sa.Column("found", _enum("found", "met", "not-met", "not-applicable"), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        _time("at", nullable=False),
        sa.CheckConstraint("length(evidence) between 3 and 1000", name=op.f("ck_audit_answers_evidence")),
        *_keys("audit_answers", audit_id="audits.id", by_id="people.id"),
        sa.UniqueConstraint("audit_id", "number", name=op.f("uq_audit_answers_audit_id_number")),
    )


def _decisions() -> None:
    op.create_table(
        "accreditation_decisions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("accreditor_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _enum("decisionkind", "grant", "scope", "lift", "withdraw", "fraud"), nullable=False),
        sa.Column("audit_id", sa.Uuid(), nullable=True),
        sa.Column("methods", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("media_kinds", postgresql.ARRAY(sa.Text()), nullable=False),
        _time("valid_until"),
        _time("since"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_name", sa.Text(), nullable=False),
        _time("proposed_at", nullable=False),
        sa.Column("outcome", _enum("decisionoutcome", "confirmed", "undone"), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_name", sa.Text(), nullable=True),
        _time("decided_at"),
        sa.CheckConstraint("length(reason) between 3 and 500", name=op.f("ck_accreditation_decisions_reason")),
        sa.CheckConstraint(
            "(outcome is null) = (decided_by is null) and (outcome is null) = (decided_at is null)",
            name=op.f("ck_accreditation_decisions_decided"),
        ),
        # Nobody decides alone.
        sa.CheckConstraint(
            "outcome is distinct from 'confirmed' or decided_by <> proposed_by",
            name=op.f("ck_accreditation_decisions_two_people"),
        ),
        sa.CheckConstraint(
            "(kind in ('grant', 'scope')) = (valid_until is not null)"
            " and (kind in ('grant', 'scope')) = (audit_id is not null)",
            name=op.f("ck_accreditation_decisions_scope"),
        ),
        sa.CheckConstraint("(kind = 'fraud') = (since is not null)", name=op.f("ck_accreditation_decisions_since")),
        *_keys(
            "accreditation_decisions",
            centre_id="centres.organisation_id",
            accreditor_id="accreditors.id",
            audit_id="audits.id",
            proposed_by="people.id",
            decided_by="people.id",
        ),
    )
    op.create_index(
        "uq_accreditation_decisions_open",
        "accreditation_decisions",
        ["centre_id"],
        unique=True,
        postgresql_where=sa.text("outcome is null"),
    )
    op.create_index("ix_accreditation_decisions_centre", "accreditation_decisions", ["centre_id", "proposed_at"])
    op.create_table(
        "accreditation_revocations",
        sa.Column("accreditation_id", sa.Uuid(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        _time("since", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        _time("at", nullable=False),
        sa.ForeignKeyConstraint(
            ["accreditation_id"], ["accreditations.id"], name=op.f("fk_accreditation_revocations_accreditation_id")
        ),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["accreditation_decisions.id"], name=op.f("fk_accreditation_revocations_decision_id")
        ),
        sa.PrimaryKeyConstraint("accreditation_id", name=op.f("pk_accreditation_revocations")),
    )
    for name in ("accreditor_id", "suspended_for"):
        op.add_column("centres", sa.Column(name, sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f"fk_centres_{name}"), "centres", "accreditors", [name], ["id"])
    # Decisions are about centres, so this one points back without a key; the trigger reads what it names.
    op.add_column("centres", sa.Column("decision_id", sa.Uuid(), nullable=True))
    op.add_column("centres", _time("withdrawn_at"))
    op.add_column("centres", sa.Column("withdrawal_reason", sa.Text(), nullable=True))
    op.add_column("centres", _time("fraud_since"))


def _stations() -> None:
    for table in ("stations", "enrolment_codes"):
        op.add_column(table, sa.Column("replaces_id", sa.Uuid(), nullable=True))
        op.create_foreign_key(op.f(f"fk_{table}_replaces_id"), table, "stations", ["replaces_id"], ["id"])
        op.add_column(table, _time("retires_at"))
    op.add_column("stations", _time("compromised_since"))
    op.create_table(
        "published_statements",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _enum("publishedkind", "key", "revocation"), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        _time("at", nullable=False),
        *_keys("published_statements", centre_id="centres.organisation_id"),
        sa.UniqueConstraint("digest", name=op.f("uq_published_statements_digest")),
    )
    op.create_index("ix_published_statements_centre", "published_statements", ["centre_id", "at"])


def _rechecks() -> None:
    op.create_table(
        "certificate_rechecks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("cause", _enum("recheckcause", "station-key", "fraud"), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        _time("since", nullable=False),
        sa.Column("hold_id", sa.Uuid(), nullable=True),
        sa.Column("opened_by", sa.Uuid(), nullable=True),
        sa.Column("opened_name", sa.Text(), nullable=False),
        _time("opened_at", nullable=False),
        sa.Column("outcome", _enum("recheckoutcome", "stands", "revoked"), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_name", sa.Text(), nullable=True),
        _time("proposed_at"),
        sa.Column("settled_by", sa.Uuid(), nullable=True),
        sa.Column("settled_name", sa.Text(), nullable=True),
        _time("settled_at"),
        sa.CheckConstraint("(outcome is null) = (proposed_by is null)", name=op.f("ck_certificate_rechecks_proposed")),
        sa.CheckConstraint(
            "outcome is null or length(note) between 3 and 500", name=op.f("ck_certificate_rechecks_note")
        ),
        sa.CheckConstraint("(settled_at is null) = (settled_by is null)", name=op.f("ck_certificate_rechecks_settled")),
        sa.CheckConstraint(
            "settled_by is null or (outcome is not null and settled_by <> proposed_by)",
            name=op.f("ck_certificate_rechecks_two_people"),
        ),
        *_keys(
            "certificate_rechecks",
            certificate_id="certificates.id",
            hold_id="holds.id",
            opened_by="people.id",
            proposed_by="people.id",
            settled_by="people.id",
        ),
    )
    op.create_index(op.f("ix_certificate_rechecks_certificate_id"), "certificate_rechecks", ["certificate_id"])
    for name, column, unique in (
        ("uq_certificate_rechecks_open", "certificate_id", True),
        ("ix_certificate_rechecks_open", "opened_at", False),
    ):
        op.create_index(
            name, "certificate_rechecks", [column], unique=unique, postgresql_where=sa.text("settled_at is null")
        )


def _widen(table: str, column: str, name: str, *values: str) -> None:
    """Let an enumerated column hold these values: those of before, and some more."""
    constraint = op.f(f"ck_{table}_{name}")
    op.drop_constraint(constraint, table, type_="check")
    op.create_check_constraint(constraint, table, sa.column(column).in_(values))


def _keys(table: str, **foreign: str) -> list[sa.Constraint]:
    return [
        *(
            sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))
            for column, target in foreign.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _time(name: str, *, nullable: bool = True) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)
