"""Postal addresses: of a centre, to send devices to, and of a seller, to send a device back to"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Firms that are here already have no street yet: their owners add it on the firm's page."""
    for column, most in (("street", 120), ("postcode", 20), ("opening_hours", 200)):
        op.add_column("organisations", sa.Column(column, sa.Text(), nullable=True))
        op.create_check_constraint(
            op.f(f"ck_organisations_{column}"), "organisations", f"length({column}) between 1 and {most}"
        )
    op.create_table(
        "return_addresses",
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("street", sa.Text(), nullable=False),
        sa.Column("postcode", sa.Text(), nullable=False),
        sa.Column("city", sa.Text(), nullable=False),
        sa.Column("country", sa.CHAR(2), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(street) between 1 and 120", name=op.f("ck_return_addresses_street")),
        sa.CheckConstraint("length(postcode) between 1 and 20", name=op.f("ck_return_addresses_postcode")),
        sa.CheckConstraint("length(city) between 1 and 80", name=op.f("ck_return_addresses_city")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_return_addresses_device_id")),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_return_addresses")),
    )
    execute("grant update (street, postcode, opening_hours) on organisations to :app")
    execute("grant select, insert, delete on return_addresses to :app")
    execute("grant update (street, postcode, city, country, given_at) on return_addresses to :app")
