"""The front door: behind proxies limits count per visitor, and the site answers under its own names only."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask, request

from ewaste.core.config import Config
from ewaste.web import create_app
from ewaste.web.limits import limiter
from tests.world import World


def site(app_url: str, tmp_path: Path, **more: str) -> Flask:
    made = create_app(Config.from_env({"DATABASE_URL": app_url, "EWASTE_DATA": str(tmp_path), **more}))
    made.add_url_rule("/seen", "seen", lambda: f"{request.remote_addr} {request.scheme} {request.host}")
    return made


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        ("0", "203.0.113.1", "127.0.0.1 http"),
        ("1", "203.0.113.1", "203.0.113.1 https"),
        ("1", "198.51.100.7, 203.0.113.1", "203.0.113.1 https"),  # what a visitor says of themselves is not believed
        ("2", "203.0.113.1, 10.0.0.1", "203.0.113.1 https"),
        ("2", "203.0.113.1", "127.0.0.1 http"),  # it came past one of the two
    ],
)
def test_as_many_proxies_are_believed_as_are_ours(
    app_url: str, world: World, tmp_path: Path, proxies: str, forwarded: str, seen: str
) -> None:
    made = site(app_url, tmp_path, EWASTE_TRUSTED_PROXIES=proxies)
    protocols = ", ".join(["https"] * len(forwarded.split(",")))
    headers = {"X-Forwarded-For": forwarded, "X-Forwarded-Proto": protocols, "X-Forwarded-Host": "evil.example"}
    assert made.test_client().get("/seen", headers=headers).text == f"{seen} localhost"
    made.extensions["ewaste"].database.close()


def test_limits_count_each_visitor_behind_a_proxy_by_themselves(app_url: str, world: World, tmp_path: Path) -> None:
    made = site(app_url, tmp_path, EWASTE_TRUSTED_PROXIES="1")
    made.config["WTF_CSRF_ENABLED"] = False
    limiter.enabled = True
    limiter.reset()

    def tries(address: str) -> list[int]:
        headers = {"X-Forwarded-For": address}
        form = {"email": f"{address}@example.org", "password": "wrong"}
        return [made.test_client().post("/sign-in", data=form, headers=headers).status_code for _ in range(11)]

    assert tries("203.0.113.1").count(429) >= 1
    assert tries("203.0.113.2")[0] != 429
    limiter.reset()
    made.extensions["ewaste"].database.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("market.example", 200),
        ("market.example:8443", 200),
        ("shop.market.example", 200),
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("evil.example", 400),
        ("market.example.evil.example", 400),
        ("xmarket.example", 400),
        ("", 400),
        ("203.0.113.9", 400),
    ],
)
def test_the_site_answers_under_its_own_names(
    app_url: str, world: World, tmp_path: Path, host: str, status: int
) -> None:
    made = site(app_url, tmp_path, EWASTE_PUBLIC_URL="https://market.example", EWASTE_TRUSTED_HOSTS=".market.example")
    answer = made.test_client().get("/livez", headers={"Host": host})
    assert answer.status_code == status
    if status == 400:
        assert answer.text == "This site does not answer under this name. It is at https://market.example\n"
    made.extensions["ewaste"].database.close()


def test_without_a_list_the_site_answers_under_its_public_name_alone() -> None:
    env = {"EWASTE_PUBLIC_URL": "https://market.example"}
    assert Config.from_env(env).trusted_hosts == ("market.example", "localhost", "127.0.0.1", "[::1]")
    assert Config.from_env({}).trusted_hosts == ("127.0.0.1", "localhost", "[::1]")
