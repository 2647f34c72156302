"""The doctor: finds what was spoiled, names it, and changes nothing."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste import cli
from ewaste.core.config import Config
from ewaste.migrations import revisions
from ewaste.operate import doctor, tools
from ewaste.web import create_app
from tests.world import World


@pytest.fixture
def config(world: World, app_url: str, owner_url: str, tmp_path: Path) -> Config:
    """A market that was started once."""
    found = Config.from_env(
        {"DATABASE_URL": app_url, "EWASTE_OWNER_DATABASE_URL": owner_url, "EWASTE_DATA": str(tmp_path / "data")}
    )
    create_app(found).extensions["ewaste"].database.close()
    world.raw("insert into procrastinate_workers (last_heartbeat) values (now())")
    return found


def signs(config: Config) -> dict[str, tuple[str, str]]:
    return {sign.what: (sign.state, sign.words) for sign in doctor.examine(config)}


def test_an_installation_as_it_should_be_is_found_well(config: Config, world: World) -> None:
    with world.nothing_changes():
        found = signs(config)
    assert {what: state for what, (state, _) in found.items() if state != "ok"} == {}
    assert {"settings", "provider", "keys", "secrets", "mail server", "database", "roles", "market", "clock"} <= set(
        found
    )
    assert {"backup", "migrations", "worker", "jobs", "payments", "mail", "disk"} <= set(found)


def test_a_live_market_whose_log_nobody_must_witness_wants_somebodys_eye(config: Config) -> None:
    live = dataclasses.replace(config, mode="live")
    found = {sign.what: sign for sign in doctor._settings(live)}["witnesses"]
    assert (found.state, found.words) == (
        "look",
        doctor.UNWITNESSED,
    )
    asked = dataclasses.replace(live, log_witnesses_needed=2)
    assert {sign.what: sign.state for sign in doctor._settings(asked)}["witnesses"] == "ok"


@pytest.mark.parametrize(
    ("spoil", "what", "words"),
    [
        (lambda data: (data / "keys" / "market.pem").chmod(0o640), "keys", "Open to others: keys/market.pem"),
        (lambda data: (data / "keys").chmod(0o755), "keys", "Open to others: keys"),
        (lambda data: (data / "secrets" / "session-key").chmod(0o604), "secrets", "secrets/session-key"),
        (lambda data: (data / "keys" / "accreditor.pem").unlink(), "keys", "accreditor.pem is missing"),
    ],
)
def test_files_that_are_missing_or_open_to_others_are_named(
    config: Config, spoil: Callable[[Path], object], what: str, words: str
) -> None:
    spoil(config.data)
    state, said = signs(config)[what]
    assert state == "wrong"
    assert words in said


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("grant create on schema public to ewaste_app", "may create tables"),
        ("grant temporary on database {name} to ewaste_app", "may create temporary tables"),
        ("alter table seen_nonces owner to ewaste_app", "owns tables"),
    ],
)
def test_an_app_role_that_may_too_much_is_named(
    config: Config, cluster: object, database_name: str, statement: str, words: str
) -> None:
    engine = sa.create_engine(cluster.url(database_name, "postgres"))  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(sa.text(statement.format(name=database_name)))
    engine.dispose()
    state, said = signs(config)["roles"]
    assert state == "wrong"
    assert words in said


def test_a_site_that_works_as_the_owner_of_its_tables_is_named(config: Config, owner_url: str) -> None:
    env = {"DATABASE_URL": owner_url, "EWASTE_DATA": str(config.data)}
    state, said = signs(Config.from_env(env))["roles"]
    assert state == "wrong"
    assert "may create tables" in said
    assert "owns tables" in said


def test_a_database_that_does_not_answer_is_said_once_without_a_password(config: Config) -> None:
    env = {"DATABASE_URL": "postgresql://a:hunter2@127.0.0.1:9/d", "EWASTE_DATA": str(config.data)}
    found = signs(Config.from_env(env))
    assert found["database"][0] == "wrong"
    assert "worker" not in found
    assert "hunter2" not in str(found)


def test_a_database_of_an_older_release_is_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    known = revisions.known()
    monkeypatch.setattr(revisions, "known", lambda: (*known, "9999"))
    assert signs(config)["migrations"][0] == "wrong"


def test_a_mail_server_is_asked_for_its_greeting(config: Config) -> None:
    def server(greeting: bytes) -> str:
        listening = socket.create_server(("127.0.0.1", 0))

        def greet() -> None:
            line, _ = listening.accept()
            with line, listening:
                line.sendall(greeting)

        threading.Thread(target=greet, daemon=True).start()
        return f"smtp://127.0.0.1:{listening.getsockname()[1]}"

    def found(url: str) -> tuple[str, str]:
        env = {"DATABASE_URL": "postgresql://a@127.0.0.1:9/d", "EWASTE_DATA": str(config.data), "EWASTE_SMTP_URL": url}
        return signs(Config.from_env(env))["mail server"]

    assert found(server(b"220 mail.example ESMTP\r\n"))[0] == "ok"
    state, words = found(server(b"SSH-2.0-OpenSSH\r\n"))
    assert (state, "is no mail server" in words) == ("wrong", True)
    state, words = found("smtp://127.0.0.1:9")
    assert (state, "does not answer on port 9" in words) == ("wrong", True)


def test_no_fitting_tool_for_backups_is_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(name: str, server: int) -> Path:
        raise LookupError(f"{name} of PostgreSQL {server} or later is needed")

    monkeypatch.setattr(tools, "fitting", none)
    assert signs(config)["backup"][0] == "wrong"


def test_https_without_a_believed_proxy_wants_a_look(config: Config) -> None:
    env = {
        "DATABASE_URL": config.require_database_url(),
        "EWASTE_DATA": str(config.data),
        "EWASTE_PUBLIC_URL": "https://market.example",
    }
    assert signs(Config.from_env(env))["proxies"][0] == "look"
    assert signs(Config.from_env(env | {"EWASTE_TRUSTED_PROXIES": "1"}))["proxies"][0] == "ok"


def test_the_terminal_tells_it_and_ends_with_a_code(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for name in [name for name in os.environ if name.startswith(("EWASTE_", "STRIPE_", "PRACTICE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", config.require_database_url())
    monkeypatch.setenv("EWASTE_OWNER_DATABASE_URL", config.require_owner_database_url())
    monkeypatch.setenv("EWASTE_DATA", str(config.data))
    assert cli.main(["doctor"]) == 0
    assert "as it should be" in capsys.readouterr().out
    (config.data / "keys").chmod(0o755)
    assert cli.main(["doctor"]) == 1
    assert "1 things have to be mended" in capsys.readouterr().out
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.delenv("EWASTE_OWNER_DATABASE_URL")
    monkeypatch.setenv("EWASTE_DATA", str(tmp_path / "nothing"))
    assert cli.main(["doctor"]) == 2
    assert "There is no market in" in capsys.readouterr().err
    assert not (tmp_path / "nothing").exists()
