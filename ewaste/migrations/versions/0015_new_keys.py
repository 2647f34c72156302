"""Accreditors change their keys; lists that they sign themselves are kept; an unused enrolment code is withdrawn"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute, statements

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No key changes by it: each accreditor goes on with the one it has."""
    op.create_table(
        "accreditor_key_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("accreditor_id", sa.Uuid(), nullable=False),
        sa.Column("old_method", sa.Text(), nullable=False),
        sa.Column("new_method", sa.Text(), nullable=True),
        sa.Column("new_public_key", sa.Text(), nullable=True),
        _time("ends_at"),
        _time("compromised_since"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("proposed_name", sa.Text(), nullable=False),
        _time("proposed_at", nullable=False),
        sa.Column("outcome", _enum("decisionoutcome", "confirmed", "undone"), nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("decided_name", sa.Text(), nullable=True),
        _time("decided_at"),
        sa.CheckConstraint("length(reason) between 3 and 500", name=op.f("ck_accreditor_key_changes_reason")),
        sa.CheckConstraint(
            "(new_method is null) = (new_public_key is null)", name=op.f("ck_accreditor_key_changes_new_key")
        ),
        sa.CheckConstraint(
            "ends_at is null or compromised_since is null", name=op.f("ck_accreditor_key_changes_ends_once")
        ),
        sa.CheckConstraint(
            "(outcome is null) = (decided_by is null) and (outcome is null) = (decided_at is null)",
            name=op.f("ck_accreditor_key_changes_decided"),
        ),
        sa.CheckConstraint(
            "outcome is distinct from 'confirmed' or decided_by <> proposed_by",
            name=op.f("ck_accreditor_key_changes_two_people"),
        ),
        *_keys(
            "accreditor_key_changes", accreditor_id="accreditors.id", proposed_by="people.id", decided_by="people.id"
        ),
    )
    op.create_index(
        "uq_accreditor_key_changes_open",
        "accreditor_key_changes",
        ["accreditor_id"],
        unique=True,
        postgresql_where=sa.text("outcome is null"),
    )
    op.create_index("ix_accreditor_key_changes_accreditor", "accreditor_key_changes", ["accreditor_id", "proposed_at"])
    op.create_table(
        "kept_status_lists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("accreditor_id", sa.Uuid(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        _time("dated", nullable=False),
        _time("fresh_until", nullable=False),
        sa.Column("taken_back", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=False),
        sa.Column("by_name", sa.Text(), nullable=False),
        _time("at", nullable=False),
        sa.CheckConstraint("length(document) <= 65536", name=op.f("ck_kept_status_lists_size")),
        sa.CheckConstraint(
            "taken_back = 0 or length(note) between 3 and 500", name=op.f("ck_kept_status_lists_taken_back")
        ),
        sa.UniqueConstraint("address", "dated", name=op.f("uq_kept_status_lists_address_dated")),
        *_keys("kept_status_lists", accreditor_id="accreditors.id", by_id="people.id"),
    )
    op.create_index(op.f("ix_kept_status_lists_accreditor_id"), "kept_status_lists", ["accreditor_id"])
    for column, kind in (("withdrawn_at", sa.DateTime(timezone=True)), ("withdrawn_by", sa.Uuid())):
        op.add_column("enrolment_codes", sa.Column(column, kind, nullable=True))
    op.add_column("enrolment_codes", sa.Column("withdrawn_name", sa.Text(), nullable=True))
    op.create_foreign_key(
        op.f("fk_enrolment_codes_withdrawn_by"), "enrolment_codes", "people", ["withdrawn_by"], ["id"]
    )
    op.create_check_constraint(
        op.f("ck_enrolment_codes_withdrawn"),
        "enrolment_codes",
        "(withdrawn_at is null) = (withdrawn_by is null) and (withdrawn_at is null) = (withdrawn_name is null)"
        " and (withdrawn_at is null or used_at is null)",
    )
    op.drop_constraint(op.f("ck_certificate_rechecks_recheckcause"), "certificate_rechecks", type_="check")
    op.create_check_constraint(
        op.f("ck_certificate_rechecks_recheckcause"),
        "certificate_rechecks",
        "cause in ('station-key', 'fraud', 'accreditor-key')",
    )
    execute(statements("0015_new_keys.sql"))


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
