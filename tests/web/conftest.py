"""The site over a market of its own: a browser that can sign in as any sample person, at the market's own time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ewaste.core import clock
from tests.sites import Sites
from tests.web.stage import stage  # noqa: F401 - a fixture
from tests.web.visitors import cora, provider_url, real_site, stranger, visitor  # noqa: F401 - fixtures
from tests.world import World


@pytest.fixture
def site(world: World, app_url: str, sites: Sites, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flask]:
    """The site. Its clock is the world's; forms carry no token here, as tokens have a test of their own."""
    monkeypatch.setattr(clock, "now", lambda: world.now)
    with sites.on(app_url, EWASTE_SAMPLE="accounts") as app:
        app.extensions["ewaste"] = dataclasses.replace(app.extensions["ewaste"], issuers=world.issuers)
        app.config.update(TESTING=True, WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False, PROPAGATE_EXCEPTIONS=False)
        yield app


class Browser(FlaskClient):
    """A browser whose cookie says who signed in."""

    world: World
    who: str | None = None
    since: datetime

    def sign_in(self, who: str) -> Browser:
        """As this sample person, by the part of the address before the @."""
        with self.session_transaction() as cookie:
            cookie.clear()
            cookie["_user_id"] = self.world.session_of(who)
            cookie["_fresh"] = True
        self.who, self.since = who, self.world.now
        return self

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """One request. When the test has moved the clock past a session's end, the person signs in again first."""
        if self.who is not None and self.world.now - self.since > timedelta(hours=1):
            self.sign_in(self.who)
        return super().open(*args, **kwargs)


@pytest.fixture
def browser(site: Flask, world: World) -> Browser:
    """A browser that has not signed in yet."""
    site.test_client_class = Browser
    client = site.test_client()
    client.world = world
    return client
