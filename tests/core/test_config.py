"""Settings: their defaults, what is refused and in which words, and the secrets that are made."""

from __future__ import annotations

import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ewaste.core.config import SETTINGS, Config, ConfigError

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"

LIVE = {
    "EWASTE_MODE": "live",
    "EWASTE_PUBLIC_URL": "https://market.example",
    "STRIPE_API_KEY": "sk_live_abc",
    "EWASTE_SMTP_URL": "smtps://user:word@mail.example",
    "STRIPE_WEBHOOK_SECRET": "whsec_abc",
}


def test_without_any_setting_the_site_is_a_training_site_with_practice_money() -> None:
    config = Config.from_env({})
    assert (config.mode, config.training, config.practice) == ("training", True, True)
    assert (config.port, config.public_url) == (8000, "http://127.0.0.1:8000")
    assert (config.practice_port, config.practice_url) == (8020, "http://127.0.0.1:8020")
    assert config.payments_api_base == "http://127.0.0.1:8020"
    assert config.data == Path("var").resolve()
    assert config.database_url is None
    assert config.owner_database_url is None


def test_an_empty_value_counts_as_not_set() -> None:
    assert Config.from_env({"PORT": "", "EWASTE_MODE": "  ", "DATABASE_URL": ""}) == Config.from_env({})


def test_the_practice_server_and_the_public_address_follow_the_port() -> None:
    config = Config.from_env({"PORT": "9100"})
    assert (config.public_url, config.practice_url) == ("http://127.0.0.1:9100", "http://127.0.0.1:9120")
    assert Config.from_env({"PORT": "65530"}).practice_port == 65510


@pytest.mark.parametrize("written", ["postgres://u:p@h/d", "postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"])
def test_a_database_is_named_in_any_of_three_ways(written: str) -> None:
    config = Config.from_env({"DATABASE_URL": written})
    assert config.database_url == "postgresql+psycopg://u:p@h/d"
    assert config.owner_database_url == config.database_url


def test_the_migrating_role_has_its_own_address() -> None:
    config = Config.from_env(
        {"DATABASE_URL": "postgresql://app@h/d", "EWASTE_OWNER_DATABASE_URL": "postgresql://own@h/d"}
    )
    assert config.require_database_url() == "postgresql+psycopg://app@h/d"
    assert config.require_owner_database_url() == "postgresql+psycopg://own@h/d"


def test_a_live_site_takes_live_money_under_https() -> None:
    config = Config.from_env(LIVE)
    assert (config.training, config.practice, config.payments_api_base) == (False, False, None)
    assert config.payments_webhook_secret == "whsec_abc"


@pytest.mark.parametrize(
    ("change", "name", "advice"),
    [
        ({"PORT": "eighty"}, "PORT", "from 1 to 65535"),
        ({"PORT": "0"}, "PORT", "from 1 to 65535"),
        ({"PORT": "70000"}, "PORT", "from 1 to 65535"),
        ({"PORT": "²"}, "PORT", "from 1 to 65535"),
        ({"EWASTE_HOST": "market.example"}, "EWASTE_HOST", "an IP address"),
        ({"EWASTE_TRUSTED_PROXIES": "6"}, "EWASTE_TRUSTED_PROXIES", "from 0 to 5"),
        ({"EWASTE_TRUSTED_PROXIES": "-1"}, "EWASTE_TRUSTED_PROXIES", "from 0 to 5"),
        ({"EWASTE_TRUSTED_PROXIES": "all"}, "EWASTE_TRUSTED_PROXIES", "from 0 to 5"),
        ({"EWASTE_TRUSTED_HOSTS": "https://market.example"}, "EWASTE_TRUSTED_HOSTS", "without scheme and port"),
        ({"EWASTE_TRUSTED_HOSTS": "*"}, "EWASTE_TRUSTED_HOSTS", "without scheme and port"),
        ({"EWASTE_LOG": "xml"}, "EWASTE_LOG", "to text, to json or to quiet"),
        ({"EWASTE_METRICS_TOKEN": "short"}, "EWASTE_METRICS_TOKEN", "longer random text"),
        (LIVE | {"PRACTICE_URL": "http://127.0.0.1:8020"}, "PRACTICE_URL", "practice is for training only"),
        ({"PRACTICE_PORT": "8000"}, "PRACTICE_PORT", "another number"),
        ({"EWASTE_MODE": "production"}, "EWASTE_MODE", "training or to live"),
        ({"EWASTE_PUBLIC_URL": "market.example"}, "EWASTE_PUBLIC_URL", "https://market.example"),
        ({"EWASTE_PUBLIC_URL": "http://h:port"}, "EWASTE_PUBLIC_URL", "https://market.example"),
        ({"PRACTICE_URL": "ftp://h"}, "PRACTICE_URL", "an address"),
        ({"EWASTE_SECRET_KEY": "short"}, "EWASTE_SECRET_KEY", "32 characters"),
        ({"DATABASE_URL": "mysql://h/d"}, "DATABASE_URL", "postgresql://"),
        ({"EWASTE_OWNER_DATABASE_URL": "postgresql://h/d"}, "EWASTE_OWNER_DATABASE_URL", "Set both"),
        ({"STRIPE_API_KEY": "sk_test_a"}, "STRIPE_WEBHOOK_SECRET", "Copy the signing secret"),
        ({"STRIPE_WEBHOOK_SECRET": "whsec_a"}, "STRIPE_API_KEY", "Set both"),
        ({"STRIPE_API_KEY": "pk_test_a", "STRIPE_WEBHOOK_SECRET": "w"}, "STRIPE_API_KEY", "not a secret key"),
        ({"STRIPE_API_KEY": "sk_live_a", "STRIPE_WEBHOOK_SECRET": "w"}, "STRIPE_API_KEY", "a test key"),
        (LIVE | {"STRIPE_API_KEY": "sk_test_a"}, "STRIPE_API_KEY", "a live key"),
        (LIVE | {"STRIPE_API_KEY": ""}, "STRIPE_API_KEY", "practice money is for training"),
        (LIVE | {"EWASTE_PUBLIC_URL": "http://market.example"}, "EWASTE_PUBLIC_URL", "https"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_with_advice(change: dict[str, str], name: str, advice: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_env(change)
    assert name in str(refused.value)
    assert advice in str(refused.value)


def test_a_refused_database_address_does_not_show_its_password() -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_env({"DATABASE_URL": "mysql://me:hunter2@h/d"})
    assert "hunter2" not in str(refused.value)


def test_who_needs_a_database_is_told_when_none_is_named() -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL is not set"):
        Config.from_env({}).require_owner_database_url()


def test_a_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    config = Config.from_env({"EWASTE_DATA": str(tmp_path / "data")})
    first = config.secret_key
    assert len(first) >= 32
    assert Config.from_env({"EWASTE_DATA": str(tmp_path / "data")}).secret_key == first
    assert stat.S_IMODE((config.secrets_dir / "session-key").stat().st_mode) == 0o600
    assert stat.S_IMODE(config.secrets_dir.stat().st_mode) == 0o700
    assert config.payments_webhook_secret.startswith("whsec_")
    assert config.payments_webhook_secret != first
    assert sorted(path.name for path in config.secrets_dir.iterdir()) == ["practice-webhook", "session-key"]


def test_processes_that_start_together_agree_on_a_secret(tmp_path: Path) -> None:
    config = Config.from_env({"EWASTE_DATA": str(tmp_path)})
    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: config.secret("agreed"), range(32)))
    assert len(seen) == 1
    assert [path.name for path in config.secrets_dir.iterdir()] == ["agreed"]


def test_a_secret_that_was_emptied_is_not_used(tmp_path: Path) -> None:
    config = Config.from_env({"EWASTE_DATA": str(tmp_path)})
    (config.secrets_dir / "session-key").write_text("")
    with pytest.raises(ConfigError, match="Remove the file"):
        config.secret("session-key")


def test_a_secret_of_the_environment_goes_before_the_made_one(tmp_path: Path) -> None:
    config = Config.from_env({"EWASTE_DATA": str(tmp_path), "EWASTE_SECRET_KEY": "k" * 40})
    assert config.secret_key == "k" * 40
    assert not (tmp_path / "secrets").exists()


def test_every_setting_has_its_line_in_the_documents() -> None:
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {setting.name: setting.default for setting in SETTINGS}
    meanings = re.findall(r"^\| `[A-Z_]+` \| .+? \| (.+) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert meanings == [setting.meaning for setting in SETTINGS]


def test_no_setting_is_read_that_the_table_does_not_name() -> None:
    source = (Path(__file__).parents[2] / "ewaste" / "core" / "config.py").read_text(encoding="utf-8")
    read = set(re.findall(r'env(?:\.get\(|\[|, )"([A-Z_]+)"', source))
    assert read <= {setting.name for setting in SETTINGS}
    assert len(read) > 8
