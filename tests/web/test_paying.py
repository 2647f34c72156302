"""Money at the site, with a practice provider over HTTP: a buyer pays on its page, a seller says where to be paid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ewaste.journey import sale
from tests.practice.tools import Page, Running, press
from tests.web.visitors import Visitor, words
from tests.world import World


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A practice provider as a program of its own."""
    data: Path = tmp_path_factory.mktemp("practice")
    with Running(data, cash=100_000) as running:
        yield running


@pytest.fixture
def provider_url(provider: Running) -> str:
    """Where it answers."""
    return provider.url


def ordered(world: World, ben: Visitor) -> str:
    """Ben takes a listed laptop; the address of his order."""
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, world.cleared(), price_minor=19_900, now=world.now).code
    return ben.post(f"/shop/{listing}/buy").headers["Location"]


def test_a_buyer_pays_on_the_providers_page_and_reads_the_code_to_collect_with(
    world: World, visitor: Callable[[str | None], Visitor]
) -> None:
    ben = visitor("ben")
    order = ordered(world, ben)
    onward = ben.post(f"{order}/pay")
    assert onward.status_code == 303
    assert "Show this code at the counter" not in ben.text(order)
    again = ben.post(f"{order}/pay")
    assert again.headers["Location"] == onward.headers["Location"]
    back = press(onward.headers["Location"], "pay")
    assert back.headers["Location"].endswith(order)
    text = ben.text(order)
    assert "Show this code at the counter" in text
    assert "Paid" in text
    assert "Show this code" not in visitor("stefan").text(order)
    late = ben.post(f"{order}/pay")
    assert late.status_code == 409
    assert "nothing to pay" in words(late.text)


def test_a_seller_gives_bank_details_to_the_provider_and_never_to_us(
    stranger: Visitor, provider: Running, world: World
) -> None:
    who = {"name": "Nina", "email": "nina+unfinished@example.org", "password": "four words are easy"}
    assert stranger.post("/sign-up", who).status_code == 303
    assert "Give your bank details" not in stranger.text("/account")
    world.confirm(who["email"])
    assert "Give your bank details" in stranger.text("/account")
    answer = stranger.post("/account/payout", {"country": "DE"})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(provider.url)
    assert "You have begun" in stranger.text("/account")
    page = answer.headers["Location"]
    Page("POST", page, {"token": Page("GET", page).token})
    text = stranger.text("/account")
    assert "Our payment provider has your bank details" in text
    assert "iban" not in text.lower()


def test_only_sellers_have_a_payout_account(visitor: Callable[[str | None], Visitor]) -> None:
    rita = visitor("rita")
    assert "bank details" not in rita.text("/account")
    assert rita.post("/account/payout", {"country": "DE"}).status_code == 403
