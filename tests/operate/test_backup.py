"""Backup and restore: what is kept, for whom it is readable, what is refused, and that everything comes back."""

from __future__ import annotations

import dataclasses
import json
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import make_url

from ewaste.core import embedded
from ewaste.core.config import Config
from ewaste.core.installation import Unfounded
from ewaste.migrations import revisions
from ewaste.operate import manifest, place, pruning, restore, tools
from ewaste.operate.backup import backup
from ewaste.operate.seal import PIECE, Broken, Seal, passphrase
from tests.world import World

pytestmark = pytest.mark.campaign

PHRASE = b"correct horse battery staple"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def market(world: World, app_url: str, owner_url: str, tmp_path: Path) -> Config:
    """A market with a lot, in a database and a data folder of its own, its keys those of the world."""
    world.listed_lot(2)
    config = Config.from_env(
        {"DATABASE_URL": app_url, "EWASTE_OWNER_DATABASE_URL": owner_url, "EWASTE_DATA": str(tmp_path / "data")}
    )
    write_keys(world, config.data / "keys")
    assert config.secret_key
    (config.data / "practice").mkdir(mode=0o700)
    with closing(sqlite3.connect(config.data / "practice" / "practice.sqlite3")) as books:
        books.executescript("create table books (line text); insert into books values ('one'), ('two')")
    (config.data / "postgres.log").write_text("not kept")
    return config


def write_keys(world: World, folder: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form

    folder.mkdir(mode=0o700, parents=True)
    for name, issuer in (("accreditor", world.issuers.accreditor), ("market", world.issuers.market)):
        text = issuer.key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        path = folder / f"{name}.pem"
        path.write_bytes(text)
        path.chmod(0o600)


@pytest.fixture
def elsewhere(cluster: embedded.Server, tmp_path: Path) -> Iterator[Callable[..., Config]]:
    """Empty places to restore to: a new database and a data folder that is not there yet."""
    made: list[str] = []

    def make(app: str = embedded.APP_ROLE, owner: str = embedded.OWNER_ROLE) -> Config:
        name = f"elsewhere_{os.getpid()}_{len(made)}"
        cluster.create_database(name)
        made.append(name)
        admin = psycopg.connect(place.conninfo(cluster.url(name, "postgres")), autocommit=True)
        with admin:
            for role in {app, owner} - {embedded.APP_ROLE, embedded.OWNER_ROLE}:
                admin.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))
                admin.execute(sql.SQL("create role {} login").format(sql.Identifier(role)))
            admin.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(name), sql.Identifier(owner)))
            admin.execute(sql.SQL("alter schema public owner to {}").format(sql.Identifier(owner)))
            connect = sql.SQL("grant connect on database {} to {}")
            admin.execute(connect.format(sql.Identifier(name), sql.Identifier(app)))
        return Config.from_env(
            {
                "DATABASE_URL": cluster.url(name, app),
                "EWASTE_OWNER_DATABASE_URL": cluster.url(name, owner),
                "EWASTE_DATA": str(tmp_path / name),
            }
        )

    yield make
    for name in made:
        cluster.drop_database(name)


def content(config: Config) -> dict[str, str]:
    """A digest of every table."""
    with place.connect(config.require_owner_database_url()) as connection:
        tables = [row[0] for row in connection.execute("select tablename from pg_tables where schemaname = 'public'")]
        digest = "select md5(coalesce(string_agg(t::text, '|' order by t::text), '')) from {} t"
        return {
            table: connection.execute(sql.SQL(digest).format(sql.Identifier(table))).fetchone()[0]  # type: ignore[index]
            for table in tables
        }


def rights(config: Config) -> list[tuple[object, ...]]:
    """What the app role may do to what, and the text of every rule."""
    statement = """
        select 'column', table_name || '.' || column_name, privilege_type from information_schema.column_privileges
         where table_schema = 'public' and grantee = current_user
        union all select 'table', table_name, privilege_type from information_schema.table_privileges
         where table_schema = 'public' and grantee = current_user
        union all select 'routine', oid::regprocedure::text, md5(prosrc) || has_function_privilege(oid, 'execute')
         from pg_proc where pronamespace = 'public'::regnamespace
        union all select 'sequence', relname, has_sequence_privilege(oid, 'usage')::text from pg_class
         where relkind = 'S' and relnamespace = 'public'::regnamespace
        union all select 'trigger', tgname,
          concat_ws(' ', tgrelid::regclass, tgfoid::regprocedure, tgtype, tgenabled)
         from pg_trigger where not tgisinternal
        union all select 'constraint', conname, contype::text || coalesce(conkey::text, '') from pg_constraint
         where connamespace = 'public'::regnamespace
        union all select 'schema', 'create', has_schema_privilege('public', 'create')::text
        order by 1, 2, 3"""
    with place.connect(config.require_database_url()) as connection:
        return connection.execute(statement.encode()).fetchall()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in place.kept_files(folder)}


@pytest.mark.parametrize("phrase", [None, PHRASE], ids=["open", "sealed"])
def test_everything_comes_back_and_holds(
    market: Config, elsewhere: Callable[..., Config], tmp_path: Path, phrase: bytes | None
) -> None:
    kept = tmp_path / "kept"
    made = backup(market, kept, passphrase=phrase, now=now)
    assert (made.mode, made.revision) == ("training", revisions.head())
    assert made.counts["certificates"] == 2
    assert {Path(file.path).name.removesuffix(".sealed") for file in made.files} == {
        *("database.dump", "accreditor.pem", "market.pem", "session-key", "practice.sqlite3"),
    }
    there = elsewhere()
    done = restore.restore(there, kept, passphrase=phrase, now=now)
    assert done.found.wrong == []
    assert (2, "certificates, verified again from their stored bundles") in done.found.counted
    assert content(there) == content(market)
    assert rights(there) == rights(market)
    ours, theirs = files(market.data), files(there.data)
    assert theirs.pop("practice/practice.sqlite3")[:15] == ours.pop("practice/practice.sqlite3")[:15]
    assert theirs == ours
    with closing(sqlite3.connect(there.data / "practice" / "practice.sqlite3")) as books:
        assert books.execute("select line from books").fetchall() == [("one",), ("two",)]


def test_only_its_owner_can_read_a_backup_and_what_was_restored_from_it(
    market: Config, elsewhere: Callable[..., Config], tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        backup(market, tmp_path / "kept", now=now)
        there = elsewhere()
        restore.restore(there, tmp_path / "kept", now=now)
    finally:
        os.umask(before)
    for folder in (tmp_path / "kept", *(there.data / name for name in ("keys", "secrets", "practice"))):
        for path in [folder, *folder.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_what_was_granted_to_the_app_role_is_granted_to_ours_by_another_name(
    market: Config, elsewhere: Callable[..., Config], tmp_path: Path
) -> None:
    backup(market, tmp_path / "kept", now=now)
    there = elsewhere(app="another app", owner="another_owner")
    assert restore.restore(there, tmp_path / "kept", now=now).found.wrong == []
    assert rights(there) == rights(market)
    with place.connect(there.require_database_url()) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("update custody_events set actor_name = 'nobody'")


def test_a_sealed_backup_holds_nothing_to_read_and_opens_with_its_passphrase_alone(
    market: Config, elsewhere: Callable[..., Config], tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    backup(market, kept, passphrase=PHRASE, now=now)
    everything = b"".join(path.read_bytes() for path in kept.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    assert b"PGDMP" not in everything
    assert market.secret_key.encode() not in everything
    there = elsewhere()
    with pytest.raises(ValueError, match="This backup is sealed"):
        restore.restore(there, kept, now=now)
    with pytest.raises(manifest.Damaged, match="not written with this passphrase"):
        restore.restore(there, kept, passphrase=b"another passphrase", now=now)
    assert content(there) == {}
    assert not there.data.exists()


def test_a_backup_that_was_changed_is_refused_before_anything_is_restored(
    market: Config, elsewhere: Callable[..., Config], tmp_path: Path
) -> None:
    there = elsewhere()

    def refused(spoil: Callable[[Path], object], words: str, phrase: bytes | None = None) -> None:
        kept = tmp_path / f"kept-{len(list(tmp_path.iterdir()))}"
        backup(market, kept, passphrase=phrase, now=now)
        spoil(kept)
        with pytest.raises(manifest.Damaged, match=words):
            restore.restore(there, kept, passphrase=phrase, now=now)
        assert content(there) == {}
        assert not there.data.exists()

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)

    def said(change: Callable[[dict[str, object]], object]) -> Callable[[Path], None]:
        def write(kept: Path) -> None:
            words = json.loads((kept / "manifest.json").read_text())
            change(words)
            (kept / "manifest.json").write_text(json.dumps(words))

        return write

    refused(lambda kept: flip(kept / "database.dump"), "database.dump is not as it was written")
    refused(lambda kept: (kept / "data" / "keys" / "market.pem").unlink(), "data/keys/market.pem cannot be read")
    refused(lambda kept: (kept / "manifest.json").write_text("{"), r"manifest\.json in .* is not whole")
    refused(said(lambda words: words["files"][0].update(path="../x")), "which lies outside the backup")  # type: ignore[index]
    refused(said(lambda words: words.update(format=2)), "has the format 2")
    refused(said(lambda words: words.update(begun="2020-01-01T00:00:00+00:00")), "or it was changed", PHRASE)


def test_a_market_that_is_there_is_not_overwritten_unless_one_says_so(
    market: Config, elsewhere: Callable[..., Config], tmp_path: Path
) -> None:
    backup(market, tmp_path / "kept", now=now)
    there = elsewhere()
    restore.restore(there, tmp_path / "kept", now=now)
    (there.data / "secrets" / "session-key").write_text("another" * 10)
    before, keys = content(there), files(there.data)
    with pytest.raises(ValueError, match=r"a market here already: \d+ tables in the database and 4 files"):
        restore.restore(there, tmp_path / "kept", now=now)
    assert (content(there), files(there.data)) == (before, keys)
    assert restore.restore(there, tmp_path / "kept", replace=True, now=now).found.wrong == []
    assert content(there) == content(market)
    assert rights(there) == rights(market)
    (aside,) = there.data.glob("replaced-*")
    assert (aside / "secrets" / "session-key").read_text() == "another" * 10


def test_a_backup_does_not_go_where_it_does_not_belong(
    market: Config, elsewhere: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup(market, tmp_path / "kept", now=now)
    there = elsewhere()
    with pytest.raises(ValueError, match="backup of a training market and EWASTE_MODE is live"):
        restore.restore(dataclasses.replace(there, mode="live"), tmp_path / "kept", now=now)
    with monkeypatch.context() as older:
        older.setattr(revisions, "known", lambda: ("0001",))
        with pytest.raises(ValueError, match="made by a newer release"):
            restore.restore(there, tmp_path / "kept", now=now)
    with place.connect(there.require_database_url()), pytest.raises(ValueError, match="1 others are connected"):
        restore.restore(there, tmp_path / "kept", now=now)
    assert content(there) == {}


def test_who_leaves_the_database_while_it_is_asked_is_not_in_the_way(
    elsewhere: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = elsewhere()
    with (
        place.connect(there.require_database_url()) as leaving,
        place.connect(there.require_owner_database_url()) as ours,
    ):
        assert place.others(ours, patience=0) == 1
        monkeypatch.setattr("ewaste.operate.place.time.sleep", lambda _seconds: leaving.close())
        assert place.others(ours, patience=20) == 0


def test_a_backup_overwrites_nothing_and_leaves_nothing_half_done(
    market: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taken").write_text("dear")
    for target, words in (
        (tmp_path / "taken", "is there already"),
        (market.data / "kept", "lies in the data folder"),
        (tmp_path / "no" / "kept", "is not there"),
    ):
        with pytest.raises(ValueError, match=words):
            backup(market, target, now=now)
    before = sorted(tmp_path.iterdir())
    false = Path("/bin/false")
    monkeypatch.setattr(tools, "fitting", lambda *_: false)
    with pytest.raises(RuntimeError, match="false failed"):
        backup(market, tmp_path / "kept", now=now)
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "taken").read_text() == "dear"


def test_a_database_without_a_market_is_no_backup(elsewhere: Callable[..., Config], tmp_path: Path) -> None:
    with pytest.raises(Unfounded):
        backup(elsewhere(), tmp_path / "kept", now=now)
    assert not (tmp_path / "kept").exists()


def test_a_backup_is_of_one_moment_whatever_is_written_meanwhile(
    market: Config, world: World, elsewhere: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tools.fitting

    def meanwhile(name: str, server: int) -> Path:
        world.cleared(serial="PFLATER1", serials=("D-LATER-1",))  # after the snapshot, before the dump
        return real(name, server)

    monkeypatch.setattr(tools, "fitting", meanwhile)
    made = backup(market, tmp_path / "kept", now=now)
    monkeypatch.undo()
    assert made.counts["devices"] == 2
    there = elsewhere()
    assert restore.restore(there, tmp_path / "kept", now=now).found.wrong == []
    assert world.raw("select count(*) from devices") == 3


@pytest.mark.parametrize("length", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 7])
def test_what_is_sealed_opens_at_every_length(tmp_path: Path, length: int, seal: Seal) -> None:
    data = os.urandom(length)
    path = tmp_path / "sealed"
    with path.open("wb") as file:
        seal.close(iter([data[:5], data[5:]]), file, "name")
    with path.open("rb") as file:
        assert b"".join(seal.open(file, "name")) == data


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data[: 15 + PIECE + 16], id="without its last piece"),
        pytest.param(lambda data: data[: 15 + PIECE + 16] + data[15 : 15 + PIECE + 16], id="a piece twice"),
        pytest.param(lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:], id="a bit changed"),
        pytest.param(lambda data: data[:15], id="empty"),
        pytest.param(lambda data: b"x" + data, id="no sealed file"),
    ],
)
def test_a_sealed_file_that_was_changed_does_not_open(
    tmp_path: Path, spoil: Callable[[bytes], bytes], seal: Seal
) -> None:
    path = tmp_path / "sealed"
    with path.open("wb") as file:
        seal.close(iter([bytes(PIECE + 100)]), file, "name")
    path.write_bytes(spoil(path.read_bytes()))
    with path.open("rb") as file, pytest.raises(Broken):
        list(seal.open(file, "name"))


def test_a_sealed_file_does_not_open_under_another_name(tmp_path: Path, seal: Seal) -> None:
    path = tmp_path / "sealed"
    with path.open("wb") as file:
        seal.close(iter([b"market"]), file, "data/keys/market.pem")
    with path.open("rb") as file, pytest.raises(Broken):
        list(seal.open(file, "data/keys/accreditor.pem"))


@pytest.fixture(scope="session")
def seal() -> Seal:
    return Seal.make(PHRASE)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("long enough for us\n", 0o644, "read by others"),
        ("short\n", 0o600, "fewer than 12"),
        (None, 0o600, "cannot be read"),
    ],
)
def test_a_passphrase_is_long_and_private(tmp_path: Path, text: str | None, mode: int, words: str) -> None:
    path = tmp_path / "phrase"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    with pytest.raises(ValueError, match=words):
        passphrase(path)


def test_a_tool_is_told_where_the_database_is_without_a_word_on_its_command_line() -> None:
    url = "postgresql+psycopg://me:hunter2@db.example:5433/ewaste?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    told = tools.environment(url)
    assert {name: told[name] for name in told if name.startswith("PG") and name != "PGAPPNAME"} == {
        "PGUSER": "me",
        "PGPASSWORD": "hunter2",
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGDATABASE": "ewaste",
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": "/etc/ca.pem",
    }
    with pytest.raises(ValueError, match="keepalives, which PostgreSQL's tools cannot be told"):
        tools.environment(url + "&keepalives=1")


def test_the_tool_fits_the_server(cluster: embedded.Server, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = sa.create_engine(make_url(cluster.admin_url))
    with engine.connect() as connection:
        major = int(connection.scalar(sa.text("show server_version_num"))) // 10000
    engine.dispose()
    assert tools.version(tools.fitting("pg_dump", major)) == major
    with pytest.raises(LookupError, match="pg_dump of PostgreSQL 99 or later is needed"):
        tools.fitting("pg_dump", 99)


def test_old_backups_go_and_nothing_else_does(tmp_path: Path) -> None:
    today = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for age in (1, 5, 29, 31, 40):
        made = tmp_path / f"backup-{age}"
        made.mkdir()
        said = manifest.Manifest(
            begun=(today - timedelta(days=age)).isoformat(), finished="", mode="training", did_host="", revision="",
            server=15, app_role="", owner_role="", counts={}, files=[],
        )  # fmt: skip
        (made / manifest.NAME).write_text(said.text(None))
    died = tmp_path / ".late.0123abcd.unfinished"
    for stranger in (died, tmp_path / "notes", tmp_path / ".now.0123abcd.unfinished"):
        stranger.mkdir()
    (tmp_path / "old.tar").touch()
    (tmp_path / "link").symlink_to(tmp_path / "backup-40")
    os.utime(tmp_path / ".now.0123abcd.unfinished", (today.timestamp(),) * 2)
    os.utime(died, ((today - timedelta(days=2)).timestamp(),) * 2)
    kept = {"backup-1", "backup-5", "backup-29", "notes", ".now.0123abcd.unfinished", "old.tar", "link"}
    gone = pruning.prune(tmp_path, older_than=timedelta(days=30), now=today)
    assert [path.name for path in gone] == ["backup-40", "backup-31", ".late.0123abcd.unfinished"]
    assert {path.name for path in tmp_path.iterdir()} == kept
    assert pruning.prune(tmp_path, older_than=timedelta(hours=1), now=today) == [], "the newest three always stay"


@pytest.mark.parametrize("days", ["0", "-1", "a week", "3651"])
def test_how_long_backups_are_kept_is_a_number_of_days(days: str) -> None:
    with pytest.raises(ValueError, match="EWASTE_BACKUP_DAYS"):
        Config.from_env({"EWASTE_BACKUP_DAYS": days})
