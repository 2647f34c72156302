"""People and firms that sign up, and how they prove who they are"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROLES = (
    "anonymous", "consumer", "operator", "recycler", "company", "collector", "staff", "auditor", "station", "worker",
)  # fmt: skip


def upgrade() -> None:
    """Who is here already counts as confirmed, and as an owner of the firm they act for."""
    _choices()
    op.add_column("people", sa.Column("email_confirmed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("people", sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "memberships", sa.Column("rank", _choice("rank", "owner", "member"), server_default="member", nullable=False)
    )
    op.create_check_constraint(op.f("ck_memberships_rank"), "memberships", "rank in ('owner', 'member')")
    op.add_column("memberships", sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(sa.text("update people set email_confirmed_at = created_at"))
    op.execute(sa.text("update memberships set rank = 'owner'"))
    _proofs()
    _firms()
    execute(_RIGHTS)
    execute(_GUARDS)


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=False, length=40)


def _choices() -> None:
    """The lists grew: who takes part, and how an application can end."""
    for table, column, name, values in (
        ("memberships", "role", "role", ROLES),
        (
            "organisations",
            "kind",
            "organisationkind",
            ("centre", "recycler", "company", "collector", "platform", "auditor"),
        ),
        ("organisations", "state", "organisationstate", ("applied", "verified", "suspended", "declined")),
    ):
        constraint = op.f(f"ck_{table}_{name}")
        op.drop_constraint(constraint, table)
        quoted = ", ".join(f"'{value}'" for value in values)
        op.create_check_constraint(constraint, table, f"{column} in ({quoted})")


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _of_person(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        _reference(table, "person_id", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _proofs() -> None:
    op.create_table(
        "sessions",
        *_of_person("sessions"),
        sa.Column("token_hash", sa.CHAR(64), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=False),
        _moment("created_at"),
        _moment("seen_at"),
        _moment("password_at"),
        _moment("second_factor_at", nullable=True),
        _moment("ended_at", nullable=True),
        _reference("sessions", "organisation_id", "organisations"),
        sa.CheckConstraint("length(agent) <= 120", name=op.f("ck_sessions_agent")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    op.create_table(
        "authenticators",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        _moment("made_at"),
        _reference("authenticators", "person_id", "people"),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_authenticators")),
    )
    op.create_table(
        "recovery_codes",
        *_of_person("recovery_codes"),
        sa.Column("code_hash", sa.CHAR(64), nullable=False),
        _moment("made_at"),
        _moment("used_at", nullable=True),
    )
    op.create_table(
        "passkeys",
        *_of_person("passkeys"),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        _moment("made_at"),
        _moment("used_at", nullable=True),
        sa.CheckConstraint("length(name) between 1 and 60", name=op.f("ck_passkeys_name")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_table(
        "spent_challenges",
        sa.Column("challenge_hash", sa.CHAR(64), nullable=False),
        _moment("at"),
        sa.PrimaryKeyConstraint("challenge_hash", name=op.f("pk_spent_challenges")),
    )
    op.create_table(
        "mailed_tokens",
        *_of_person("mailed_tokens"),
        sa.Column("purpose", _choice("purpose", "confirm", "change", "reset"), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.CHAR(64), nullable=False),
        _moment("made_at"),
        _moment("expires_at"),
        _moment("used_at", nullable=True),
        sa.CheckConstraint("purpose in ('confirm', 'change', 'reset')", name=op.f("ck_mailed_tokens_purpose")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_mailed_tokens_token_hash")),
    )
    op.create_table(
        "kept_forms",
        *_of_person("kept_forms"),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("fields", sa.dialects.postgresql.JSONB(), nullable=False),
        _moment("kept_at"),
        sa.CheckConstraint("length(path) between 1 and 500", name=op.f("ck_kept_forms_path")),
    )
    for table in ("sessions", "recovery_codes", "passkeys", "mailed_tokens", "kept_forms"):
        op.create_index(op.f(f"ix_{table}_person_id"), table, ["person_id"])
    op.create_table(
        "tries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", _choice("kind", "password", "code", "reset", "confirm", "invite"), nullable=False),
        sa.Column("account_hash", sa.CHAR(64), nullable=False),
        _moment("at"),
        sa.CheckConstraint("kind in ('password', 'code', 'reset', 'confirm', 'invite')", name=op.f("ck_tries_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tries")),
    )
    op.create_index("ix_tries_account", "tries", ["account_hash", "kind", "at"])


def _firms() -> None:
    op.create_table(
        "applications",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("applied_by", sa.Uuid(), nullable=False),
        sa.Column("registration_number", sa.Text(), nullable=False),
        sa.Column("related_firms", sa.Text(), nullable=False),
        sa.Column("licences", sa.ARRAY(sa.Text()), nullable=False),
        _moment("applied_at"),
        _moment("decided_at", nullable=True),
        sa.Column("decided_by", sa.Uuid(), nullable=True),
        sa.Column("outcome", _choice("outcome", "verified", "declined"), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("outcome in ('verified', 'declined')", name=op.f("ck_applications_outcome")),
        sa.CheckConstraint("(decided_at is null) = (outcome is null)", name=op.f("ck_applications_decided")),
        sa.CheckConstraint("outcome <> 'declined' or length(reason) > 0", name=op.f("ck_applications_reason")),
        _reference("applications", "organisation_id", "organisations"),
        _reference("applications", "applied_by", "people"),
        _reference("applications", "decided_by", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_applications")),
    )
    op.create_index(op.f("ix_applications_organisation_id"), "applications", ["organisation_id"])
    op.create_index(
        "uq_applications_open",
        "applications",
        ["organisation_id"],
        unique=True,
        postgresql_where=sa.text("decided_at is null"),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("added_by", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.CHAR(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        _moment("added_at"),
        _reference("documents", "organisation_id", "organisations"),
        _reference("documents", "added_by", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
        sa.UniqueConstraint("organisation_id", "sha256", name=op.f("uq_documents_organisation_id_sha256")),
    )
    op.create_table(
        "invitations",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rank", _choice("rank", "owner", "member"), nullable=False),
        sa.Column("token_hash", sa.CHAR(64), nullable=False),
        sa.Column("invited_by", sa.Uuid(), nullable=True),
        _moment("made_at"),
        _moment("expires_at"),
        _moment("accepted_at", nullable=True),
        sa.Column("accepted_by", sa.Uuid(), nullable=True),
        _moment("withdrawn_at", nullable=True),
        sa.CheckConstraint("rank in ('owner', 'member')", name=op.f("ck_invitations_rank")),
        _reference("invitations", "organisation_id", "organisations"),
        _reference("invitations", "invited_by", "people"),
        _reference("invitations", "accepted_by", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    op.create_index(
        "uq_invitations_open",
        "invitations",
        ["organisation_id", "email"],
        unique=True,
        postgresql_where=sa.text("accepted_at is null and withdrawn_at is null"),
    )


# Proofs of who somebody is may go; what a firm handed in, and what was decided about it, stays.
_RIGHTS = """
grant select, insert on sessions, mailed_tokens, applications, documents, invitations to :app;
grant select, insert, delete on
    authenticators, recovery_codes, passkeys, spent_challenges, kept_forms, tries to :app;
grant update (token_hash, organisation_id, seen_at, password_at, second_factor_at, ended_at) on sessions to :app;
grant update (last_step) on authenticators to :app;
grant update (used_at) on recovery_codes to :app;
grant update (sign_count, used_at) on passkeys to :app;
grant update (used_at) on mailed_tokens to :app;
grant update (decided_at, decided_by, outcome, reason) on applications to :app;
grant update (accepted_at, accepted_by, withdrawn_at) on invitations to :app;
grant update (email, email_confirmed_at, closed_at) on people to :app;
grant update (rank, ended_at) on memberships to :app;
grant update (country, city) on organisations to :app;
"""

# An account's address changes by a link that was sent to the new one, and in no other way.
_GUARDS = """
create function people_address_proven() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if new.closed_at is null and not exists (
        select 1 from mailed_tokens
         where person_id = new.id and purpose = 'change' and email = new.email and used_at is not null
    ) then
        raise exception 'an address changes by a link that was sent to it' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger people_address_proven before update of email on people
    for each row when (new.email is distinct from old.email) execute function people_address_proven();
revoke execute on function people_address_proven() from public;
grant execute on function people_address_proven() to :app;
"""
