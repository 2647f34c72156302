"""A practice provider for the tests of the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ewaste.payments.stripe_gateway import StripeGateway
from tests.practice.tools import KEY, SECRET, Running


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A practice provider whose platform account holds 1,000.00 EUR."""
    data: Path = tmp_path_factory.mktemp("practice")
    with Running(data, cash=100_000) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Running) -> StripeGateway:
    """The real Stripe SDK, talking to it."""
    return StripeGateway(KEY, SECRET, base_url=provider.url, retries=0)
