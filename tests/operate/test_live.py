"""A live market refuses practice money, training certificates and sample accounts, by every way in; and what is secret
is readable by its owner only, from the first start on."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste import cli
from ewaste.accounts import people, samples, sessions
from ewaste.centres import credentials
from ewaste.certificates import registry
from ewaste.core import embedded
from ewaste.core.config import Config, ConfigError
from ewaste.core.database import Database
from ewaste.core.installation import Unfounded
from ewaste.journey import founding
from ewaste.migrations.upgrade import migrate
from ewaste.operate import doctor
from ewaste.payments.stripe_gateway import StripeGateway, open_gateway
from ewaste.web import create_app
from tests.conftest import NOW
from tests.world import World

ROOT = Path(__file__).parents[2]
LIVE = {
    "EWASTE_MODE": "live",
    "EWASTE_PUBLIC_URL": "https://market.example",
    "EWASTE_SMTP_URL": "smtps://user:word@127.0.0.1:9",
    "STRIPE_API_KEY": "sk_live_abc",
    "STRIPE_WEBHOOK_SECRET": "whsec_abc",
}


@pytest.fixture
def live(cluster: embedded.Server, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The settings of a live market that was founded and holds nothing yet."""
    name = f"live_{os.getpid()}"
    cluster.create_database(name)
    migrate(cluster.url(name), app_role=embedded.APP_ROLE, mode="live", did_host="market.example", now=NOW)
    yield LIVE | {
        "DATABASE_URL": cluster.url(name, embedded.APP_ROLE),
        "EWASTE_OWNER_DATABASE_URL": cluster.url(name),
        "EWASTE_DATA": str(tmp_path / "data"),
    }
    cluster.drop_database(name)


def sample_in(settings: dict[str, str]) -> None:
    """A sample account, put into a live database past everything that would refuse it."""
    database = Database(settings["DATABASE_URL"], pool_size=1)
    with database.transaction() as session:
        people.open_account(
            session, email="cora@example.org", name="Cora", password=samples.PASSWORD, now=NOW, sample=True
        )
    database.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"STRIPE_API_KEY": ""}, "practice money is for training only"),
        ({"STRIPE_API_KEY": "sk_test_abc"}, "set a live key"),
        ({"STRIPE_WEBHOOK_SECRET": ""}, "STRIPE_WEBHOOK_SECRET is not"),
        ({"EWASTE_SMTP_URL": ""}, "the practice mailbox is for training only"),
        ({"EWASTE_PUBLIC_URL": "http://market.example"}, "must be the https address"),
        ({"EWASTE_SAMPLE": "accounts"}, "A live market has none"),
        ({"EWASTE_SAMPLE": "full"}, "A live market has none"),
        ({"PRACTICE_URL": "http://127.0.0.1:8020"}, "practice is for training only"),
        ({"PRACTICE_PORT": "8020"}, "practice is for training only"),
        ({"PRACTICE_MAIL_PORT": "8021"}, "practice is for training only"),
    ],
)
def test_a_live_market_is_not_configured_with_anything_of_training(change: dict[str, str], words: str) -> None:
    assert Config.from_env(LIVE).mode == "live"
    with pytest.raises(ConfigError, match=words):
        Config.from_env(LIVE | change)


@pytest.mark.parametrize("command", ["seed", "accounts"])
def test_no_sample_account_is_made_or_shown(
    live: dict[str, str], command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in live.items():
        monkeypatch.setenv(name, value)
    assert cli.main([command]) == {"seed": 2, "accounts": 0}[command]
    assert samples.PASSWORD not in capsys.readouterr().out
    assert count(live, "people") == 0


def count(settings: dict[str, str], table: str) -> int:
    engine = sa.create_engine(settings["EWASTE_OWNER_DATABASE_URL"], poolclass=sa.NullPool)
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(f"select count(*) from {table}")) or 0)


def test_a_live_market_is_not_founded_with_the_sample(live: dict[str, str], world: World) -> None:
    database = Database(live["DATABASE_URL"], pool_size=1)
    with pytest.raises(ValueError, match="Sample accounts belong to training"), database.transaction() as session:
        founding.found_sample_market(session, issuers=replace(world.issuers, training=False), now=NOW)
    database.close()
    assert count(live, "people") == 0


def test_a_site_does_not_start_on_a_live_database_that_holds_a_sample_account(live: dict[str, str]) -> None:
    create_app(Config.from_env(live)).extensions["ewaste"].database.close()
    sample_in(live)
    with pytest.raises(Unfounded, match="holds sample accounts, whose password everybody knows"):
        create_app(Config.from_env(live))
    found = {sign.what: sign.state for sign in doctor.examine(Config.from_env(live))}
    assert found["sample accounts"] == "wrong"


def test_a_sample_account_that_came_in_while_the_site_runs_is_nobody(live: dict[str, str]) -> None:
    site = create_app(Config.from_env(live))
    sample_in(live)
    database = site.extensions["ewaste"].database
    now = datetime.now(UTC)
    with database.transaction() as session:
        person = people.sign_in(session, email="cora@example.org", password=samples.PASSWORD)
        token = sessions.begin(session, person.id, agent="", second_factor=False, now=now)
    with database.transaction() as session:
        assert sessions.signed_in(session, token, now=now, training=True) is not None
        assert sessions.signed_in(session, token, now=now, training=False) is None
    database.close()


@pytest.mark.parametrize("mode", ["training", "live"])
def test_a_site_starts_only_on_a_database_of_its_own_mode(live: dict[str, str], app_url: str, mode: str) -> None:
    settings = live | {"DATABASE_URL": app_url} if mode == "live" else {**live, "EWASTE_MODE": "training"}
    if mode == "training":
        settings |= {"STRIPE_API_KEY": "", "STRIPE_WEBHOOK_SECRET": ""}
    with pytest.raises(Unfounded, match=f"founded for .* mode, and EWASTE_MODE is {mode}"):
        create_app(Config.from_env(settings))


def test_a_training_certificate_does_not_pass_a_live_gate(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    world.issuers = replace(world.issuers, training=False)
    before = world.device(device_id).state
    world.refuse(files)
    assert world.device(device_id).state is before
    verified = registry.verify_publicly(
        {name: text.encode() for name, text in files.items()},
        credentials.trust_bytes(world.issuers),
        at=world.now,
        training=False,
    )
    assert verified.refusal is not None


def test_live_money_never_goes_to_the_practice_server_nor_practice_keys_to_the_provider(live: dict[str, str]) -> None:
    gateway = open_gateway(Config.from_env(live))
    assert gateway.practice is False
    for key, address in (("sk_live_abc", "http://127.0.0.1:8020"), ("sk_practice_abc", None)):
        with pytest.raises(ValueError, match="key"):
            StripeGateway(key, "whsec_abc", base_url=address)


def test_from_the_first_start_on_only_its_owner_reads_what_is_secret(app_url: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    code = (
        "import os; os.umask(0)\n"
        "from ewaste.core.config import Config; from ewaste.web import create_app\n"
        "config = Config.from_env(os.environ); create_app(config); config.payments_webhook_secret"
    )
    environment = {**os.environ, "DATABASE_URL": app_url, "EWASTE_DATA": str(data), "EWASTE_SECRET_KEY": ""}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)
    found = {
        str(path.relative_to(data)): stat.S_IMODE(path.stat().st_mode)
        for folder in (data / "keys", data / "secrets")
        for path in [folder, *folder.rglob("*")]
    }
    assert {"keys/accreditor.pem", "keys/market.pem", "secrets/session-key", "secrets/practice-webhook"} <= set(found)
    for name, mode in found.items():
        assert mode == (0o700 if (data / name).is_dir() else 0o600), name
