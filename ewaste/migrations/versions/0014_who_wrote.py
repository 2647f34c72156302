"""Who wrote a payment; when a lot was formed; two people who close an incident; media that were noted by mistake"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute, statements

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Payments that are here already name nobody: it was not kept. Their lots were formed when they opened, at most."""
    op.add_column("payment_instructions", sa.Column("written_by", sa.Uuid(), nullable=True))
    op.add_column("payment_instructions", sa.Column("written_name", sa.Text(), nullable=True))
    op.create_index(op.f("ix_payment_instructions_subject_id"), "payment_instructions", ["subject_id"])
    op.add_column("lots", sa.Column("formed_at", sa.DateTime(timezone=True), nullable=True))
    op.execute("update lots set formed_at = least(opens_at, now())")
    op.alter_column("lots", "formed_at", nullable=False)
    _widen("incident_notes", "incidentnotekind", "note", "authority-told", "people-told", "closing-asked", "closed")
    _widen(
        "medium_events", "mediumeventkind",
        "found", "fitted", "removed", "held", "wipe-failed", "sanitised", "destroyed", "withdrawn",
    )  # fmt: skip
    execute(statements("0014_withdrawn.sql"))


def _widen(table: str, name: str, *values: str) -> None:
    """A word more of a list that the database holds."""
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    listed = ", ".join(f"'{value}'" for value in values)
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, f"kind in ({listed})")
