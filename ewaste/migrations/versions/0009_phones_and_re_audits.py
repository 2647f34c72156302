"""Phones that were reset before two people; what somebody else looks at again"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ewaste.migrations.upgrade import execute

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two rows more of admitted evidence, and the draws of the routine re-audit."""
    execute(
        "insert into admitted_evidence (medium_kind, evidence_class, level) values"
        " ('phone-storage', 'device-reported', 'clear'), ('phone-storage', 'operator-witnessed', 'clear')"
    )
    op.create_table(
        "re_audits",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("certificate_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.BigInteger(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("share_ppm", sa.BigInteger(), nullable=False),
        sa.Column("because", _enum("because", "drawn", "floor", "not-chosen"), nullable=False),
        sa.Column("workers", postgresql.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("operators", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", _enum("outcome", "clean", "residue"), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("auditor_id", sa.Uuid(), nullable=True),
        sa.Column("auditor_name", sa.Text(), nullable=True),
        sa.Column("audited_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("share_ppm between 0 and 999999", name=op.f("ck_re_audits_share_ppm")),
        sa.CheckConstraint(
            "(outcome is null) = (auditor_id is null) and (outcome is null) = (auditor_name is null)"
            " and (outcome is null) = (audited_at is null)",
            name=op.f("ck_re_audits_outcome_by_somebody"),
        ),
        sa.CheckConstraint("outcome is null or because <> 'not-chosen'", name=op.f("ck_re_audits_only_chosen")),
        # Whoever did the wipe, by account or by the name on the certificate, is not the one who looks again.
        sa.CheckConstraint("not (auditor_id = any (workers))", name=op.f("ck_re_audits_auditor_did_not_work_on_it")),
        sa.CheckConstraint(
            "not (auditor_name = any (operators))", name=op.f("ck_re_audits_auditor_is_not_the_operator")
        ),
        sa.CheckConstraint(
            "outcome is distinct from 'residue' or length(note) >= 3", name=op.f("ck_re_audits_residue_is_described")
        ),
        sa.ForeignKeyConstraint(["certificate_id"], ["certificates.id"], name=op.f("fk_re_audits_certificate_id")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_re_audits_device_id")),
        sa.ForeignKeyConstraint(["centre_id"], ["centres.organisation_id"], name=op.f("fk_re_audits_centre_id")),
        sa.ForeignKeyConstraint(["auditor_id"], ["people.id"], name=op.f("fk_re_audits_auditor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_re_audits")),
        sa.UniqueConstraint("certificate_id", name=op.f("uq_re_audits_certificate_id")),
        sa.UniqueConstraint("centre_id", "number", name=op.f("uq_re_audits_centre_id_number")),
    )
    op.create_index(op.f("ix_re_audits_device_id"), "re_audits", ["device_id"])
    op.create_index(
        "ix_re_audits_open",
        "re_audits",
        ["centre_id", "at"],
        postgresql_where=sa.text("outcome is null and because <> 'not-chosen'"),
    )
    # What was found stands once written, and no draw is taken back.
    execute(
        "create trigger re_audits_stand before update on re_audits"
        " for each row when (old.outcome is not null) execute function refuse_rewrite();"
        " create trigger re_audits_stay before delete on re_audits"
        " for each row execute function refuse_rewrite();"
        " create trigger re_audits_stay_all before truncate on re_audits"
        " for each statement execute function refuse_rewrite();"
        " grant select, insert on re_audits to :app;"
        " grant update (outcome, note, auditor_id, auditor_name, audited_at) on re_audits to :app"
    )


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)
