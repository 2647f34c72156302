"""Visitors of the site as it really is: with form tokens and limits, cookies of their own, and eyes for words only."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ewaste.accounts.samples import PASSWORD, SAMPLES
from ewaste.core import clock
from ewaste.web.limits import limiter
from tests.sites import Sites
from tests.world import World


class Visitor:
    """One person at the site."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self._who: str | None = None
        self._since = clock.now()

    def get(self, address: str, **more: Any) -> TestResponse:
        """Read a page."""
        self._still_here()
        return self.client.get(address, **more)

    def text(self, address: str, status: int = 200) -> str:
        """The words of a page, as a reader sees them."""
        answer = self.get(address)
        assert answer.status_code == status, f"{address}: {answer.status_code}\n{words(answer.text)[:3000]}"
        return words(answer.text)

    def post(self, address: str, form: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Send a form with its token, as the page it stands on would."""
        self._still_here()
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.client.get("/sign-up").text)
        assert token
        return self.client.post(address, data={"csrf_token": token[1], **(form or {})}, **more)

    def sign_in(self, who: str) -> Visitor:
        """Sign in as a sample person, by the part of the address before the @."""
        email = next(sample.email for sample in SAMPLES if sample.email.split("@")[0] == who)
        answer = self.post("/sign-in", {"email": email, "password": PASSWORD})
        assert answer.status_code == 303, words(answer.text)
        self._who, self._since = who, clock.now()
        return self

    def _still_here(self) -> None:
        """When the test has moved the clock past a session's end, the person signs in again first."""
        if self._who is not None and clock.now() - self._since > timedelta(hours=1):
            who, self._who = self._who, None
            self.sign_in(who)


def words(html: str) -> str:
    """A page as a reader sees it: no tags, single spaces."""
    bare = re.sub(r"<(script|style|svg).*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", bare)).replace("\u00a0", " ").split())


@pytest.fixture
def provider_url() -> str:
    """Where the payment provider answers: nowhere, unless a test module says otherwise."""
    return "http://127.0.0.1:9"


@contextmanager
def open_site(sites: Sites, app_url: str, world: World, provider_url: str) -> Iterator[Flask]:
    """The site on the test's database with everything switched on, the market's keys being the world's."""
    with sites.on(app_url, EWASTE_SAMPLE="accounts", PRACTICE_URL=provider_url) as app:
        app.extensions["ewaste"] = dataclasses.replace(app.extensions["ewaste"], issuers=world.issuers)
        limiter.enabled = True
        limiter.reset()
        yield app


@pytest.fixture
def real_site(
    app_url: str, world: World, provider_url: str, sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flask]:
    """The site; its clock is the world's."""
    monkeypatch.setattr(clock, "now", lambda: world.now)
    with open_site(sites, app_url, world, provider_url) as app:
        yield app


@pytest.fixture
def visitor(real_site: Flask) -> Callable[[str | None], Visitor]:
    """Brings a visitor to the site: a sample person, signed in, or a stranger."""

    def come(who: str | None) -> Visitor:
        arrived = Visitor(real_site.test_client())
        return arrived.sign_in(who) if who else arrived

    return come


@pytest.fixture
def stranger(visitor: Callable[[str | None], Visitor]) -> Visitor:
    """Somebody who is not signed in."""
    return visitor(None)


@pytest.fixture
def cora(visitor: Callable[[str | None], Visitor]) -> Visitor:
    """The consumer who sells, signed in."""
    return visitor("cora")
