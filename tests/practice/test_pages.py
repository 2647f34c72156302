"""The practice provider's pages: the hosted checkout, the first page, and what they refuse."""

from __future__ import annotations

import pytest
import stripe

from ewaste.practice import checkout, payments
from ewaste.practice.api import perform_once
from ewaste.practice.params import Params
from ewaste.practice.store import Store
from tests.browser.chromium import chromium
from tests.practice.conftest import Clock
from tests.practice.tools import (
    SALE,
    SALE_PAIRS,
    Inbox,
    Page,
    Running,
    press,
    session,
)


def test_the_checkout_page_says_what_it_is(sdk: stripe.StripeClient):
    page = Page("GET", session(sdk).url)
    assert page.status == 200
    for words in ("PRACTICE MONEY", "123.45 EUR", "Pay with practice card", "Decline", "http://127.0.0.1:8000/basket"):
        assert words in page.text
    assert "<script" not in page.text


def test_the_policy_lets_the_form_lead_back_to_the_shop_only(sdk: stripe.StripeClient):
    policy = Page("GET", session(sdk).url).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert policy.endswith("form-action 'self' http://127.0.0.1:8000")


def test_a_form_from_elsewhere_pays_nothing(sdk: stripe.StripeClient):
    page = session(sdk)
    other = Page("GET", session(sdk).url).token
    token = Page("GET", page.url).token
    assert Page("POST", page.url, {"action": "pay"}).status == 403
    assert Page("POST", page.url, {"action": "pay", "token": other}).status == 403
    assert Page("POST", page.url, {"action": "pay", "token": token}, Sec_Fetch_Site="cross-site").status == 403
    assert sdk.v1.checkout.sessions.retrieve(page.id).payment_status == "unpaid"


def test_paying_twice_pays_once(sdk: stripe.StripeClient):
    page = session(sdk)
    before = sdk.v1.balance.retrieve().available[0].amount
    token = Page("GET", page.url).token
    for _ in range(2):
        answer = Page("POST", page.url, {"token": token, "action": "pay"})
        assert (answer.status, answer.headers["Location"]) == (303, "http://127.0.0.1:8000/paid")
    assert sdk.v1.balance.retrieve().available[0].amount == before + 12_345
    assert "This is paid" in Page("GET", page.url).text


def test_a_decline_is_told_and_the_page_stays_open(sdk: stripe.StripeClient):
    page = session(sdk)
    answer = press(page.url, "decline")
    assert answer.status == 402
    assert 'role="alert"' in answer.text
    assert "Your card was declined." in answer.text
    assert "Nothing was charged" in answer.text
    assert "Pay with practice card" in answer.text


def test_a_button_that_is_not_there_changes_nothing(sdk: stripe.StripeClient):
    page = session(sdk)
    assert press(page.url, "steal").status == 422
    assert sdk.v1.checkout.sessions.retrieve(page.id).status == "open"


def test_a_page_that_nobody_paid_closes_after_a_day(store: Store, clock: Clock):
    pairs = [("mode", "payment"), ("success_url", "http://127.0.0.1/"), ("line_items[0][quantity]", "1")]
    price = "line_items[0][price_data]"
    pairs += [
        (f"{price}[currency]", "eur"),
        (f"{price}[unit_amount]", "100"),
        (f"{price}[product_data][name]", "Cable"),
    ]
    _, made, _ = perform_once(store, None, "checkout/sessions", pairs)
    clock.time += checkout.OPEN_SECONDS
    with store.open() as books:
        checkout.lapse_sessions(books)
    with store.open() as books:
        closed, problem = checkout.pay(books, made["id"], "pm_card_visa")
        assert (closed["status"], problem) == ("expired", None)
        assert books.balance() == {}
        assert [e["type"] for e in books.select("event")] == ["checkout.session.expired"]


def test_a_hold_that_nobody_captured_is_released_after_a_week(store: Store, clock: Clock):
    _, held, _ = perform_once(store, None, "payment_intents", [*SALE_PAIRS, ("capture_method", "manual")])
    assert held["status"] == "requires_capture"
    clock.time += payments.HOLD_SECONDS
    with store.open() as books:
        payments.lapse_holds(books)
    with store.open() as books:
        assert payments.retrieve_intent(books, Params({}), held["id"])["status"] == "canceled"


def test_an_unknown_page_is_refused_in_words(provider: Running):
    page = Page("GET", f"{provider.url}/pay/cs_test_nobody")
    assert page.status == 404
    assert "That did not work" in page.text


def test_the_first_page_explains_and_lists(provider: Running, sdk: stripe.StripeClient):
    paid = sdk.v1.payment_intents.create({**SALE, "description": "<b>Lot</b> L-7"})
    page = Page("GET", provider.url + "/")
    assert "stands in for a payment provider" in page.text
    assert paid.id in page.text
    assert "&lt;b&gt;Lot&lt;/b&gt;" in page.text


def test_a_name_that_only_resolves_to_this_machine_is_not_answered(provider: Running):
    assert Page("GET", provider.url + "/", Host="evil.example").status == 400


@pytest.mark.browser
def test_a_browser_pays_and_is_led_back_to_the_shop(provider: Running, sdk: stripe.StripeClient):
    with Inbox() as shop, chromium() as browser:
        back = shop.url
        made = session(sdk, success_url=f"{back}?paid", cancel_url=f"{back}?left")
        # Without scripts, and the policy of the page applies to the redirect as well.
        page = browser.new_context(java_script_enabled=False).new_page()
        page.goto(made.url)
        page.get_by_role("button", name="Decline").click()
        assert "Your card was declined." in page.get_by_role("alert").inner_text()
        page.get_by_role("button", name="Pay with practice card").click()
        page.wait_for_url(f"{back}?paid")
    assert sdk.v1.checkout.sessions.retrieve(made.id).payment_status == "paid"
