"""The database as the migrations leave it: what the models say, harmless to repeat, and for one mode only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

import ewaste.migrations
from ewaste.core import embedded
from ewaste.migrations.models import Base
from ewaste.migrations.upgrade import migrate
from tests.world import World


def scripts() -> ScriptDirectory:
    """The revisions as they stand in the code."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(ewaste.migrations.__file__).parent))
    return ScriptDirectory.from_config(settings)


HEAD = scripts().get_current_head()
NOT_OURS = {"device_transitions", "alembic_version"}  # the first is written in SQL, the second is Alembic's own


@pytest.fixture
def owner(owner_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(owner_url)
    yield engine
    engine.dispose()


def run(owner_url: str, world: World, mode: str = "training", host: str = "market.test") -> str:
    return migrate(owner_url, app_role=embedded.APP_ROLE, mode=mode, did_host=host, now=world.now + timedelta(days=1))


def rights(owner: sa.Engine) -> list[tuple[object, ...]]:
    """Every table, function and trigger with what is granted on it."""
    sql = """
        select 'table', relname, cast(relacl as text), '' from pg_class
         where relnamespace = cast('public' as regnamespace) and relkind in ('r', 'S')
        union all select 'function', proname, cast(proacl as text), md5(prosrc) from pg_proc
         where pronamespace = cast('public' as regnamespace)
        union all select 'trigger', tgname, cast(tgrelid as text), pg_get_triggerdef(oid) from pg_trigger
         where not tgisinternal
        union all select 'column', table_name || '.' || column_name, privilege_type, grantee
          from information_schema.column_privileges where table_schema = 'public'
        order by 1, 2, 3, 4"""
    with owner.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def test_the_migrations_give_what_the_models_say(owner: sa.Engine) -> None:
    def ours(_thing: object, name: str | None, kind: str, _reflected: bool, _other: object) -> bool:
        return not (kind == "table" and name and (name in NOT_OURS or name.startswith("procrastinate_")))

    with owner.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_every_check_and_every_rule_of_uniqueness_of_the_models_stands_in_the_database(owner: sa.Engine) -> None:
    """Autogeneration does not look at CHECK constraints nor at the conditions of indexes."""
    with owner.connect() as connection:
        checks = set(connection.scalars(sa.text("select conname from pg_constraint where contype = 'c'")))
        indexes = dict(
            connection.execute(sa.text("select indexname, indexdef from pg_indexes where schemaname = 'public'")).all()
        )
    for table in Base.metadata.sorted_tables:
        for constraint in table.constraints:
            if isinstance(constraint, sa.CheckConstraint):
                assert str(constraint.name) in checks, constraint.name
        for index in table.indexes:
            assert ("UNIQUE" in indexes[str(index.name)]) is bool(index.unique)
            assert ("WHERE" in indexes[str(index.name)]) is (index.dialect_options["postgresql"]["where"] is not None)


def test_migrating_twice_is_harmless(world: World, owner: sa.Engine, owner_url: str) -> None:
    world.cleared()
    before = rights(owner)
    with world.nothing_changes():
        assert run(owner_url, world) == run(owner_url, world, host="elsewhere.test") == HEAD
    assert rights(owner) == before


def test_a_market_of_practice_does_not_become_a_real_one(world: World, owner_url: str) -> None:
    with world.nothing_changes(), pytest.raises(ValueError, match="founded for training mode and EWASTE_MODE is live"):
        run(owner_url, world, mode="live")


def test_only_the_two_modes_exist(cluster: embedded.Server, world: World) -> None:
    name = f"modes_{os.getpid()}"
    cluster.create_database(name)
    try:
        with pytest.raises(sa.exc.IntegrityError, match="ck_installation_mode"):
            run(cluster.url(name), world, mode="staging")
    finally:
        cluster.drop_database(name)


def test_there_is_no_way_back_and_one_line_of_revisions() -> None:
    assert len(scripts().get_heads()) == 1
    for script in scripts().walk_revisions():
        assert not hasattr(script.module, "downgrade"), script.revision


def test_the_app_role_owns_nothing_and_rules_nobody(owner: sa.Engine) -> None:
    with owner.connect() as connection:
        role = embedded.APP_ROLE
        owned = "select count(*) from pg_class where relowner = (select oid from pg_roles where rolname = :role)"
        assert connection.scalar(sa.text(owned), {"role": role}) == 0
        powers = (
            "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls"
            " from pg_roles where rolname = :role"
        )
        assert connection.scalar(sa.text(powers), {"role": role}) is False
        member = "select count(*) from pg_auth_members where member = (select oid from pg_roles where rolname = :role)"
        assert connection.scalar(sa.text(member), {"role": role}) == 0


def test_every_function_that_acts_as_the_owner_fixes_where_it_looks(owner: sa.Engine) -> None:
    with owner.connect() as connection:
        loose = connection.scalars(
            sa.text(
                "select proname from pg_proc where pronamespace = cast('public' as regnamespace) and prosecdef"
                " and not coalesce(proconfig, '{}') @> array['search_path=public, pg_temp']"
            )
        ).all()
        public = connection.scalars(
            sa.text(
                "select proname from pg_proc where pronamespace = cast('public' as regnamespace)"
                " and has_function_privilege('public', oid, 'execute')"
            )
        ).all()
    assert (loose, public) == ([], [])
