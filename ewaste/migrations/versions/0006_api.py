"""Tokens of programs, and the answers they were given"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROLES = (
    "anonymous", "consumer", "operator", "recycler", "company", "collector", "staff", "auditor", "station", "worker",
)  # fmt: skip


def upgrade() -> None:
    """The tokens, of which the app notes only their use and their end; the answers, which go after a day."""
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column(
            "role", sa.Enum(*ROLES, name="role", native_enum=False, create_constraint=True, length=40), nullable=False
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_on", sa.Date(), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(name) between 1 and 60", name=op.f("ck_api_tokens_name")),
        sa.CheckConstraint("length(digest) = 32", name=op.f("ck_api_tokens_digest")),
        sa.CheckConstraint(
            "expires_at > made_at and expires_at <= made_at + interval '366 days'", name=op.f("ck_api_tokens_expiry")
        ),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_tokens_scopes")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_api_tokens_person_id")),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name=op.f("fk_api_tokens_organisation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_api_tokens_digest")),
    )
    op.create_index(op.f("ix_api_tokens_person_id"), "api_tokens", ["person_id"])
    op.create_table(
        "api_answers",
        sa.Column("token_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("route", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(key) between 8 and 64", name=op.f("ck_api_answers_key")),
        sa.ForeignKeyConstraint(["token_id"], ["api_tokens.id"], name=op.f("fk_api_answers_token_id")),
        sa.PrimaryKeyConstraint("token_id", "key", name=op.f("pk_api_answers")),
    )
    execute(
        "grant select, insert on api_tokens to :app;"
        " grant update (last_used_on, revoked_at) on api_tokens to :app;"
        # Deleting takes a row lock first, and PostgreSQL asks for an UPDATE right on some column for that.
        " grant select, insert, delete, update (at) on api_answers to :app"
    )
