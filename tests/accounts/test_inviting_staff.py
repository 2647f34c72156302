"""How the first member of staff gets in, and what those who were here before the migration count as."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig

from ewaste import cli
from ewaste.core import embedded
from ewaste.migrations.upgrade import FOLDER, migrate
from tests.world import World


def test_the_terminal_invites_staff_and_prints_the_link(
    app_url: str, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", app_url)
    monkeypatch.setenv("EWASTE_DATA", str(tmp_path))
    monkeypatch.setenv("EWASTE_PUBLIC_URL", "https://market.test")
    assert cli.main(["invite-staff", "Sven@Example.org", "Sven Berg"]) == 0
    assert re.search(r"^https://market\.test/invitations/[\w-]{43}$", capsys.readouterr().out, re.MULTILINE)
    assert world.raw("select email from invitations where rank = 'owner'") == "sven@example.org"
    assert world.raw("select count(*) from mails where to_address = 'sven@example.org'") == 1
    assert cli.main(["invite-staff", "nobody", "Sven"]) == 2
    assert "This is no e-mail address" in capsys.readouterr().err


def test_who_was_here_before_counts_as_confirmed_and_as_an_owner(cluster: embedded.Server, world: World) -> None:
    name = f"before_{os.getpid()}"
    cluster.create_database(name)
    engine = sa.create_engine(cluster.url(name))
    try:
        settings = AlembicConfig()
        settings.set_main_option("script_location", str(FOLDER))
        with engine.connect() as connection:
            settings.attributes |= {"connection": connection, "app_role": embedded.APP_ROLE}
            command.upgrade(settings, "0001")
            connection.execute(
                sa.text(
                    "insert into people (id, email, name, password_hash, session_epoch, sample, created_at)"
                    " values (gen_random_uuid(), 'a@b.example', 'A', 'x', 0, false, '2026-11-01 00:00+00');"
                    "insert into organisations"
                    " (id, code, name, kind, state, country, city, licences, sample, created_at)"
                    " values (gen_random_uuid(), 'C-1', 'B', 'recycler', 'verified', 'DE', 'Ulm', '{}', false, now());"
                    "insert into memberships (person_id, organisation_id, role, created_at)"
                    " select p.id, o.id, 'recycler', now() from people p, organisations o"
                )
            )
            connection.commit()
        migrate(cluster.url(name), app_role=embedded.APP_ROLE, mode="training", did_host="market.test", now=world.now)
        with engine.connect() as connection:
            told = connection.execute(
                sa.text("select email_confirmed_at = created_at, closed_at is null from people")
            ).one()
            ranks = connection.scalars(sa.text("select rank from memberships")).all()
        assert (tuple(told), ranks) == ((True, True), ["owner"])
    finally:
        engine.dispose()
        cluster.drop_database(name)
