"""The API over a market of its own: tokens of sample people, and a client that speaks JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ewaste.accounts import tokens
from ewaste.core import clock
from ewaste.web.limits import limiter
from tests.sites import Sites
from tests.web.conftest import Browser
from tests.web.stage import stage  # noqa: F401 - a fixture
from tests.world import World


class Program:
    """A program with a token, or with none."""

    def __init__(self, site: Flask, token: str | None) -> None:
        self.site, self.token = site, token

    def get(self, path: str, **more: Any) -> TestResponse:
        """Read."""
        return self.send("GET", path, **more)

    def post(self, path: str, body: Any, *, key: str | None = None, **more: Any) -> TestResponse:
        """Send JSON, under a fresh idempotency key unless one is given."""
        more["headers"] = {"Idempotency-Key": key or str(uuid4()), **more.get("headers", {})}
        return self.send("POST", path, data=json.dumps(body), content_type="application/json", **more)

    def send(self, method: str, path: str, **more: Any) -> TestResponse:
        """One request, without a cookie."""
        headers = dict(more.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        address = path if path.startswith("/api") else f"/api/v1{path}"
        return self.site.test_client(use_cookies=False).open(address, method=method, headers=headers, **more)


@pytest.fixture
def site(world: World, app_url: str, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The site as it is, limits apart; its clock is the world's."""
    monkeypatch.setattr(clock, "now", lambda: world.now)
    with sites.on(app_url) as app:
        app.extensions["ewaste"] = dataclasses.replace(app.extensions["ewaste"], issuers=world.issuers)
        app.config.update(TESTING=True, PROPAGATE_EXCEPTIONS=False)
        monkeypatch.setattr(limiter, "enabled", False)
        yield app


def token_for(world: World, who: str, *scopes: str, days: int = 90) -> str:
    """A token of a sample person; with every scope of the role, unless some are named."""
    actor = world.actor(who)
    wanted = scopes or tuple(scope.value for scope in tokens.scopes_for(actor.role))
    with world.transaction() as session:
        return tokens.make(session, actor, name="a test", scopes=wanted, days=days, now=world.now)[1]


@pytest.fixture
def program(site: Flask, world: World) -> Callable[..., Program]:
    """A program with a token of this person (None: without one)."""

    def come(who: str | None, *scopes: str) -> Program:
        return Program(site, token_for(world, who, *scopes) if who else None)

    return come


@pytest.fixture
def browser(site: Flask, world: World) -> Browser:
    """A browser that has not signed in yet; its forms carry no token against forgery, which has tests of its own."""
    site.config.update(WTF_CSRF_ENABLED=False)
    site.test_client_class = Browser
    client = site.test_client()
    assert isinstance(client, Browser)
    client.world = world
    return client
