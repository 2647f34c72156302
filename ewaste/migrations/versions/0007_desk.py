"""What the desk keeps"""

import hashlib
import json
from importlib import resources

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from ewaste.migrations.upgrade import execute

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Price tables with their versions, incidents, decisions about firms, and why jobs failed."""
    _price_tables()
    _incidents()
    op.create_table(
        "standing_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _enum("standingkind", "accredited", "suspended", "reinstated", "verified"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisations.id"], name=op.f("fk_standing_changes_organisation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_standing_changes")),
    )
    op.create_index("ix_standing_changes_organisation", "standing_changes", ["organisation_id", "at"])
    op.create_index(op.f("ix_standing_changes_at"), "standing_changes", ["at"])
    op.create_table(
        "job_errors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_errors")),
    )
    op.create_index(op.f("ix_job_errors_job_id"), "job_errors", ["job_id"])
    execute(
        "grant select, insert on price_tables, price_table_decisions, incidents, incident_notes, standing_changes,"
        " job_errors to :app;"
        " grant update (told_at, closed_at, close_reason) on incidents to :app"
    )


def _price_tables() -> None:
    op.create_table(
        "price_tables",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("based_on", sa.Text(), nullable=True),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("digest", sa.CHAR(length=64), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=True),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(reason) between 3 and 500", name=op.f("ck_price_tables_reason")),
        sa.CheckConstraint("proposed_by is not null or number = 1", name=op.f("ck_price_tables_proposed")),
        sa.ForeignKeyConstraint(["based_on"], ["price_tables.version"], name=op.f("fk_price_tables_based_on")),
        sa.ForeignKeyConstraint(["proposed_by"], ["people.id"], name=op.f("fk_price_tables_proposed_by")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_price_tables")),
        sa.UniqueConstraint("number", name=op.f("uq_price_tables_number")),
        sa.UniqueConstraint("version", "proposed_by", name=op.f("uq_price_tables_version_proposed_by")),
    )
    op.create_table(
        "price_table_decisions",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Uuid(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("decided_by", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "not published or decided_by <> proposed_by", name=op.f("ck_price_table_decisions_four_eyes")
        ),
        sa.ForeignKeyConstraint(
            ["version", "proposed_by"],
            ["price_tables.version", "price_tables.proposed_by"],
            name=op.f("fk_price_table_decisions_version_proposed_by"),
        ),
        sa.ForeignKeyConstraint(["decided_by"], ["people.id"], name=op.f("fk_price_table_decisions_decided_by")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_price_table_decisions")),
    )
    # The table that quotes were made by until now. Its file is a publication of its own and never changes.
    file = resources.files("ewaste.tradein") / "catalogue_data" / "prices-2026-11.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    op.get_bind().execute(
        sa.text(
            "insert into price_tables (version, number, content, digest, valid_from, reason, proposed_at) values"
            " (:version, 1, cast(:content as jsonb), :digest, cast(:day as date), :reason, cast(:day as date))"
        ),
        {
            "version": content["version"],
            "content": json.dumps(content),
            "digest": hashlib.sha256(text.encode()).hexdigest(),
            "day": content["valid_from"],
            "reason": "The table that came with the program.",
        },
    )


def _incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column(
            "kind",
            _enum("incidentkind", "lost-device", "data-incident", "station-compromised", "other"),
            nullable=False,
        ),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=True),
        sa.Column("centre_id", sa.Uuid(), nullable=True),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=True),
        sa.Column("opened_name", sa.Text(), nullable=False),
        sa.Column("tell_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_reason", sa.Text(), nullable=True),
        sa.CheckConstraint("length(title) between 3 and 200", name=op.f("ck_incidents_title")),
        sa.CheckConstraint(
            "(closed_at is null) = (close_reason is null)", name=op.f("ck_incidents_closed_with_reason")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_incidents_device_id")),
        sa.ForeignKeyConstraint(["centre_id"], ["organisations.id"], name=op.f("fk_incidents_centre_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
        sa.UniqueConstraint("code", name=op.f("uq_incidents_code")),
    )
    op.create_index(
        "uq_incidents_lost_device",
        "incidents",
        ["device_id"],
        unique=True,
        postgresql_where=sa.text("closed_at is null and kind = 'lost-device'"),
    )
    op.create_index("ix_incidents_open", "incidents", ["opened_at"], postgresql_where=sa.text("closed_at is null"))
    op.create_table(
        "incident_notes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("incident_id", sa.Uuid(), nullable=False),
        sa.Column("kind", _enum("incidentnotekind", "note", "authority-told", "people-told", "closed"), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("by_id", sa.Uuid(), nullable=True),
        sa.Column("by_name", sa.Text(), nullable=False),
        sa.CheckConstraint("length(text) between 3 and 2000", name=op.f("ck_incident_notes_text")),
        sa.ForeignKeyConstraint(["incident_id"], ["incidents.id"], name=op.f("fk_incident_notes_incident_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident_notes")),
    )
    op.create_index("ix_incident_notes_incident", "incident_notes", ["incident_id", "at"])


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)
