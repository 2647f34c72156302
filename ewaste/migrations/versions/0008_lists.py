"""Indexes for long lists; how far the sample market is filled"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Indexes for long lists, and the two tables of the sample market."""
    op.create_table(
        "sample_steps",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("made", sa.dialects.postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sample_steps")),
    )
    op.create_table(
        "sample_market",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("devices", sa.BigInteger(), nullable=False),
        sa.Column("of_devices", sa.BigInteger(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("one", name=op.f("ck_sample_market_one")),
        sa.CheckConstraint("devices between 0 and of_devices", name=op.f("ck_sample_market_devices")),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_sample_market")),
    )
    # What the bench counts each time that somebody looks at it.
    op.create_index("ix_offers_open", "offers", ["device_id"], postgresql_where=sa.text("state = 'open'"))
    op.create_index(
        "ix_work_orders_open_until",
        "work_orders",
        ["device_id", "expires_at"],
        postgresql_where=sa.text("consumed_at is null and superseded_at is null"),
    )
    op.create_index(
        "ix_clearances_ended", "clearances", ["device_id"], postgresql_where=sa.text("ended_at is not null")
    )
    execute("grant select, insert on sample_steps to :app")
    execute("grant select, insert on sample_market to :app")
    execute("grant update (devices, finished_at) on sample_market to :app")
