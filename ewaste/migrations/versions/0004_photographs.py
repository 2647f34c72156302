"""Photographs of devices; a second person's validation; what a seller reads of a hold; since when a device stands."""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute, statements

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KINDS = ("seller", "receipt", "inspection", "opened-case", "listing")
RESULTS = ("confirmed", "doubted")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    """Photographs of devices, validations, notes for sellers, and since when a device stands where it stands."""
    op.create_table(
        "photographs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.BigInteger(), nullable=False),
        sa.Column("kind", _enum("photographkind", *KINDS), nullable=False),
        sa.Column("sha256", sa.CHAR(64), nullable=False),
        sa.Column("image", sa.LargeBinary(), nullable=False),
        sa.Column("thumb", sa.LargeBinary(), nullable=False),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hidden_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hidden_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint("width between 1 and 1600 and height between 1 and 1600", name=op.f("ck_photographs_size")),
        sa.CheckConstraint("octet_length(image) between 1 and 4194304", name=op.f("ck_photographs_image")),
        sa.CheckConstraint("octet_length(thumb) between 1 and 524288", name=op.f("ck_photographs_thumb")),
        sa.CheckConstraint("(hidden_at is null) = (hidden_by is null)", name=op.f("ck_photographs_hidden_by_somebody")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_photographs_device_id")),
        sa.ForeignKeyConstraint(["uploaded_by"], ["people.id"], name=op.f("fk_photographs_uploaded_by")),
        sa.ForeignKeyConstraint(["hidden_by"], ["people.id"], name=op.f("fk_photographs_hidden_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_photographs")),
    )
    op.create_index("ix_photographs_device", "photographs", ["device_id", "cycle"])
    op.create_index(
        "uq_photographs_shown",
        "photographs",
        ["device_id", "cycle", "kind", "sha256"],
        unique=True,
        postgresql_where=sa.text("hidden_at is null"),
    )
    op.create_table(
        "validations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("cycle", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("medium_id", sa.Uuid(), nullable=False),
        sa.Column("result", _enum("validationresult", *RESULTS), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("validated_by", sa.Uuid(), nullable=False),
        sa.Column("worked_by", sa.ARRAY(sa.Uuid()), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("not (validated_by = any (worked_by))", name=op.f("ck_validations_second_person")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_validations_device_id")),
        sa.ForeignKeyConstraint(["medium_id"], ["media.id"], name=op.f("fk_validations_medium_id")),
        sa.ForeignKeyConstraint(["validated_by"], ["people.id"], name=op.f("fk_validations_validated_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_validations")),
        sa.UniqueConstraint("device_id", "seq", name=op.f("uq_validations_device_id_seq")),
    )

    # Holds of before get the usual words of their kind where a page shows them: an empty note stands for that.
    op.add_column("holds", sa.Column("note_for_seller", sa.Text(), nullable=False, server_default=""))
    op.drop_constraint(op.f("ck_holds_holdkind"), "holds", type_="check")
    op.create_check_constraint(
        op.f("ck_holds_holdkind"),
        "holds",
        "kind in ('stolen', 'ownership', 'lock', 'battery', 'wrong-item', 'litigation', 'seal', 'weight',"
        " 'validation')",
    )

    op.add_column(
        "devices", sa.Column("since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    )
    op.execute(
        "update devices d set since = coalesce((select max(e.at) from custody_events e"
        " where e.device_id = d.id and e.from_state <> e.to_state), d.created_at)"
    )
    op.create_index("ix_devices_centre_state_since", "devices", ["centre_id", "state", "since", "id"])
    execute(statements("0004_photographs.sql"))
