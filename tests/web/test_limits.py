"""The rate limits as the site runs with them. Every other test of the pages switches them off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from ewaste.core.config import Config
from ewaste.web import create_app
from ewaste.web.limits import limiter
from tests.world import World


@pytest.fixture
def limited(world: World, app_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The site with nothing of it switched off."""
    monkeypatch.setattr(limiter, "enabled", True)
    app = create_app(Config.from_env({"DATABASE_URL": app_url, "EWASTE_DATA": str(tmp_path)}))
    limiter.reset()
    yield app
    limiter.reset()
    app.extensions["ewaste"].database.close()


def test_every_address_without_a_code_answers_while_the_limits_count(limited: Flask) -> None:
    asked: dict[str, int] = {}
    for rule in limited.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and not rule.arguments:
            asked[rule.rule] = limited.test_client().get(rule.rule).status_code
    assert {"/", "/lots", "/api/v1/lots", "/api/v1/catalogue"} <= asked.keys()
    assert {path: status for path, status in asked.items() if status >= 500 or status == 429} == {}
    assert asked["/api/v1/lots"] == 200


def test_the_eleventh_password_within_a_minute_waits(limited: Flask) -> None:
    limited.config.update(WTF_CSRF_ENABLED=False)
    guess = {"email": "cora@example.org", "password": "not this one"}
    answers = [limited.test_client().post("/sign-in", data=guess).status_code for _ in range(11)]
    assert answers[:10] == [422] * 10
    assert answers[10] == 429
