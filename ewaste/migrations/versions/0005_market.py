"""Watch lists, disputes and second offers"""

import sqlalchemy as sa
from alembic import op

from ewaste.migrations.upgrade import execute

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Watch lists, disputes and second offers."""
    _lots_in_short()
    _watching()
    _second_offers()
    _disputes()
    _invoices()
    execute(_RIGHTS)
    execute(_GUARDS)


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def _reference(table: str, column: str, other: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [f"{other}.id"], name=op.f(f"fk_{table}_{column}"))


def _lots_in_short() -> None:
    """What lists need of a lot's lines, on the lot itself; worked out here for the lots there are."""
    op.add_column("lots", sa.Column("device_count", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("lots", sa.Column("mass_g", sa.BigInteger(), nullable=True))
    for column in ("grades", "classes", "models"):
        op.add_column(
            "lots",
            sa.Column(column, sa.dialects.postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        )
    op.execute(sa.text(_SHORT_OF_LOTS))


def _watching() -> None:
    op.create_table(
        "watches",
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _reference("watches", "person_id", "people"),
        _reference("watches", "lot_id", "lots"),
        sa.PrimaryKeyConstraint("person_id", "lot_id", name=op.f("pk_watches")),
    )
    op.create_index(op.f("ix_watches_lot_id"), "watches", ["lot_id"])


def _second_offers() -> None:
    op.create_table(
        "buyer_defaults",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _reference("buyer_defaults", "order_id", "orders"),
        _reference("buyer_defaults", "organisation_id", "organisations"),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_buyer_defaults")),
    )
    op.create_index(op.f("ix_buyer_defaults_organisation_id"), "buyer_defaults", ["organisation_id"])
    op.create_table(
        "second_offers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("lot_id", sa.Uuid(), nullable=False),
        sa.Column("defaulted_order_id", sa.Uuid(), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column(
            "state",
            _choice("secondofferstate", "open", "accepted", "declined", "lapsed", "withdrawn"),
            nullable=False,
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer_by", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.Uuid(), nullable=True),
        sa.Column("because", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_second_offers_amount")),
        sa.CheckConstraint("(state = 'accepted') = (order_id is not null)", name=op.f("ck_second_offers_order")),
        _reference("second_offers", "lot_id", "lots"),
        _reference("second_offers", "defaulted_order_id", "orders"),
        _reference("second_offers", "organisation_id", "organisations"),
        _reference("second_offers", "answered_by", "people"),
        _reference("second_offers", "order_id", "orders"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_offers")),
        sa.UniqueConstraint("lot_id", name=op.f("uq_second_offers_lot_id")),
    )
    op.create_index(op.f("ix_second_offers_organisation_id"), "second_offers", ["organisation_id"])


def _disputes() -> None:
    op.create_table(
        "disputes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("device_id", sa.Uuid(), nullable=False),
        sa.Column("centre_id", sa.Uuid(), nullable=False),
        sa.Column(
            "reason",
            _choice("disputereason", "not-as-graded", "does-not-work", "not-as-described", "withdrawal"),
            nullable=False,
        ),
        sa.Column("state", _choice("disputestate", "open", "answered", "decided", "closed"), nullable=False),
        sa.Column("share_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.CHAR(length=3), nullable=False),
        sa.Column("opened_by", sa.Uuid(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", _choice("disputeoutcome", "refund", "partial", "rejected", "return"), nullable=True),
        sa.Column("refund_minor", sa.BigInteger(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("return_by", sa.DateTime(timezone=True), nullable=True),
        sa.Column("returned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("share_minor >= 0", name=op.f("ck_disputes_share")),
        sa.CheckConstraint("refund_minor between 0 and share_minor", name=op.f("ck_disputes_refund")),
        sa.CheckConstraint("(outcome is null) = (decided_at is null)", name=op.f("ck_disputes_decided")),
        sa.CheckConstraint("state <> 'decided' or outcome is not null", name=op.f("ck_disputes_outcome")),
        sa.CheckConstraint("outcome <> 'rejected' or refund_minor = 0", name=op.f("ck_disputes_rejected")),
        sa.CheckConstraint("(state = 'closed') = (closed_at is not null)", name=op.f("ck_disputes_closed")),
        _reference("disputes", "order_id", "orders"),
        _reference("disputes", "device_id", "devices"),
        _reference("disputes", "centre_id", "organisations"),
        _reference("disputes", "opened_by", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disputes")),
        sa.UniqueConstraint("code", name=op.f("uq_disputes_code")),
    )
    op.create_index(
        "uq_disputes_live",
        "disputes",
        ["order_id", "device_id"],
        unique=True,
        postgresql_where=sa.text("state <> 'closed'"),
    )
    op.create_index("ix_disputes_state", "disputes", ["state", "opened_at"])
    op.create_index("ix_disputes_centre", "disputes", ["centre_id", "state", "opened_at"])
    op.create_index("ix_disputes_order_id", "disputes", ["order_id"])
    op.create_index("ix_disputes_device_id", "disputes", ["device_id"])
    op.create_table(
        "dispute_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("dispute_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column(
            "step",
            _choice("disputestep", "opened", "answered", "decided", "returned", "refunded", "closed"),
            nullable=False,
        ),
        sa.Column("by", sa.Uuid(), nullable=True),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _reference("dispute_events", "dispute_id", "disputes"),
        _reference("dispute_events", "by", "people"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute_events")),
        sa.UniqueConstraint("dispute_id", "seq", name=op.f("uq_dispute_events_dispute_id_seq")),
    )


def _invoices() -> None:
    """The numbers of invoices; what was paid already gets them in the order of payment."""
    op.create_table(
        "invoices",
        sa.Column("order_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _reference("invoices", "order_id", "orders"),
        sa.PrimaryKeyConstraint("order_id", name=op.f("pk_invoices")),
        sa.UniqueConstraint("year", "number", name=op.f("uq_invoices_year_number")),
    )
    op.execute(
        sa.text(
            "insert into invoices (order_id, year, number, at)"
            " select id, extract(year from paid_at at time zone 'UTC'),"
            "  row_number() over (partition by extract(year from paid_at at time zone 'UTC') order by paid_at, id),"
            "  paid_at from orders where paid_at is not null"
        )
    )


_SHORT_OF_LOTS = """
update lots l set
    device_count = s.devices, mass_g = s.mass, grades = s.grades, classes = s.classes, models = s.models
from (
    select lot_id, sum(n) as devices, sum(mass) as mass,
           (select coalesce(jsonb_object_agg(k, n), '{}') from (
               select coalesce(snapshot->>'grade_cosmetic', '-') as k, count(*) as n
                 from lot_lines g where g.lot_id = t.lot_id group by 1) x) as grades,
           (select coalesce(jsonb_object_agg(k, n), '{}') from (
               select snapshot->>'device_class' as k, count(*) as n
                 from lot_lines g where g.lot_id = t.lot_id and snapshot->>'device_class' is not null
                group by 1) x) as classes,
           (select coalesce(jsonb_object_agg(k, n), '{}') from (
               select snapshot->>'title' as k, count(*) as n
                 from lot_lines g where g.lot_id = t.lot_id and snapshot->>'title' is not null
                group by 1) x) as models
    from (select lot_id, count(*) as n, sum((snapshot->>'mass_g')::bigint) as mass from lot_lines group by lot_id) t
    group by lot_id
) s
where s.lot_id = l.id
"""

_RIGHTS = """
grant select, insert, delete on watches to :app;
grant select, insert on buyer_defaults, second_offers, disputes, dispute_events, invoices to :app;
grant update (state, answered_at, answered_by, because, order_id) on second_offers to :app;
grant update (state, outcome, refund_minor, decided_at, return_by, returned_at, closed_at) on disputes to :app;
"""

_GUARDS = """
-- The refunds that were decided for an order, and a refund of the whole of it, stay together below what was paid.
create function disputes_within_paid() returns trigger
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    v_paid bigint;
begin
    select amount_minor into v_paid from orders where id = new.order_id and paid_at is not null for update;
    if v_paid is null then
        raise exception 'a dispute is about an order that was paid' using errcode = 'check_violation';
    end if;
    if (select coalesce(sum(refund_minor), 0) from disputes where order_id = new.order_id and id <> new.id)
       + new.refund_minor > v_paid then
        raise exception 'the refunds of an order are not more than was paid' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger disputes_within_paid before insert or update of refund_minor on disputes
    for each row execute function disputes_within_paid();

-- What was decided stays decided, and what is closed stays closed.
create function disputes_stay_decided() returns trigger language plpgsql as $$
begin
    if old.state = 'closed' or (old.outcome is not null and (
        new.outcome is distinct from old.outcome or new.refund_minor not in (old.refund_minor, 0))) then
        raise exception 'a dispute that was decided is not decided anew' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger disputes_stay_decided before update on disputes
    for each row execute function disputes_stay_decided();

create function second_offers_answered_once() returns trigger language plpgsql as $$
begin
    if old.state <> 'open' then
        raise exception 'an offer is answered once' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
create trigger second_offers_answered_once before update on second_offers
    for each row execute function second_offers_answered_once();

do $$
declare
    v_table text;
begin
    foreach v_table in array array['buyer_defaults', 'dispute_events', 'invoices'] loop
        execute format(
            'create trigger append_only before update or delete on %I'
            ' for each row execute function refuse_rewrite()', v_table);
        execute format(
            'create trigger append_only_all before truncate on %I'
            ' for each statement execute function refuse_rewrite()', v_table);
    end loop;
end
$$;
revoke execute on function disputes_within_paid(), disputes_stay_decided(), second_offers_answered_once() from public;
grant execute on function disputes_within_paid(), disputes_stay_decided(), second_offers_answered_once() to :app;
"""
