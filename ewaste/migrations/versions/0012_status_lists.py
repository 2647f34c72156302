"""Status lists: which credentials have which place, which were withdrawn, which keys have fallen"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Work orders and accreditations from before have no place: what is issued from now on has one."""
    op.create_table(
        "status_lists",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("kind in ('certificates', 'accreditations')", name=op.f("ck_status_lists_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_lists")),
        sa.UniqueConstraint("number", name=op.f("uq_status_lists_number")),
    )
    op.create_index("ix_status_lists_open", "status_lists", ["kind", "issuer", "about", "number"])
    op.create_table(
        "status_places",
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.CheckConstraint("place between 0 and 131071", name=op.f("ck_status_places_place")),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_places_list_id")),
        sa.PrimaryKeyConstraint("list_id", "place", name=op.f("pk_status_places")),
    )
    op.create_table(
        "status_withdrawals",
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("compromised_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(reason) between 1 and 500", name=op.f("ck_status_withdrawals_reason")),
        sa.ForeignKeyConstraint(
            ["list_id", "place"],
            ["status_places.list_id", "status_places.place"],
            name=op.f("fk_status_withdrawals_list_id_place"),
        ),
        sa.PrimaryKeyConstraint("list_id", "place", name=op.f("pk_status_withdrawals")),
    )
    op.create_table(
        "status_keys",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("verification_method", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("compromised_since", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(reason) between 1 and 500", name=op.f("ck_status_keys_reason")),
        sa.ForeignKeyConstraint(["list_id"], ["status_lists.id"], name=op.f("fk_status_keys_list_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_status_keys")),
    )
    op.create_index("ix_status_keys_list_id", "status_keys", ["list_id"])
    # What is withdrawn stays withdrawn, and a place is never given out again.
    for table in ("status_lists", "status_places", "status_withdrawals", "status_keys"):
        execute(
            f"create trigger append_only before update or delete on {table}"
            " for each row execute function refuse_rewrite();"
            f" create trigger append_only_all before truncate on {table}"
            " for each statement execute function refuse_rewrite();"
            f" grant select, insert on {table} to :app"
        )
