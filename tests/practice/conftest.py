"""A running practice provider, and its books alone with a clock that a test sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from ewaste.practice.store import Store
from tests.practice.tools import Running, client


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("practice"), cash=100_000) as running:
        yield running


@pytest.fixture
def sdk(provider: Running) -> stripe.StripeClient:
    return client(provider)


class Clock:
    """The time as a test sets it."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store(tmp_path, clock=clock)
    yield opened
    opened.close()
