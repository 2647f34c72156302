"""What the practice provider refuses, in Stripe's shape, and the behaviour the marketplace leans on."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from ewaste.practice.errors import ApiError
from ewaste.practice.params import Params
from tests.practice.tools import (
    KEY,
    PATIENCE_SECONDS,
    SALE,
    Page,
    Running,
    client,
    press,
    session,
)

# --- refusals in Stripe's shape


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({**SALE, "amount": 49}, "amount_too_small", "amount"),
        ({**SALE, "amount": 100_000_000}, "amount_too_large", "amount"),
        ({**SALE, "amount": "12.5"}, "parameter_invalid_integer", "amount"),
        ({"currency": "eur"}, "parameter_missing", "amount"),
        ({**SALE, "currency": "euro"}, None, "currency"),
        ({**SALE, "colour": "red"}, "parameter_unknown", "colour"),
        ({**SALE, "payment_method": "pm_card_gold"}, "resource_missing", "payment_method"),
        (
            {**SALE, "payment_method_types": ["card"]},
            "payment_method_types_no_longer_supported",
            "payment_method_types",
        ),
        ({**SALE, "metadata": {"k": "v" * 501}}, None, "metadata"),
        ({**SALE, "metadata": "flat"}, None, "metadata"),
    ],
)
def test_wrong_parameters_are_named(sdk: stripe.StripeClient, params: dict[str, Any], code: str | None, param: str):
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        sdk.v1.payment_intents.create(params)  # type: ignore[arg-type]
    assert (refusal.value.code, refusal.value.param, refusal.value.http_status) == (code, param, 400)


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_test_abc", "sk_practice_", "", "sk_test_a b"])
def test_only_practice_and_test_keys_are_taken(provider: Running, key: str):
    headers = {"Authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}
    assert Page("GET", provider.url + "/v1/balance", **headers).status == 401
    assert Page("POST", provider.url + "/v1/topups", {"amount": "100", "currency": "eur"}, **headers).status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("amount[=1", 400),
        ("=1", 400),
        ("a[b][c][d][e][f][g][h]=1", 400),
        ("amount=1&amount[x]=2", 400),
        ("amount=1&amount=2", 400),
        ("metadata[a]=1&metadata=2", 400),
        ("amount=%ff", 400),
        (urlencode({f"k{n}": "v" for n in range(1_001)}), 400),
        ("x" * 70_000, 413),
    ],
)
def test_a_malformed_request_is_answered_and_not_a_crash(provider: Running, body: str, status: int):
    host = provider.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=PATIENCE_SECONDS)
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/v1/payment_intents", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    assert answer.status == status
    assert json.loads(text)["error"]["type"] == "invalid_request_error"


@given(st.lists(st.tuples(st.text("ab[]0²", max_size=12), st.text(max_size=8)), max_size=6))
def test_no_parameters_can_break_the_reader(pairs: list[tuple[str, str]]):
    with contextlib.suppress(ApiError):
        params = Params.decode(pairs)
        for name in ("a", "b"):
            if params.has(name):
                params.items(name)
        params.metadata()
        params.finish()


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://", "http://a;b/", "http://a b/", "//a/", "http://a,b"])
def test_an_address_that_is_none_is_refused(url: str):
    with pytest.raises(ApiError):
        Params.decode([("success_url", url)]).url("success_url")


def test_what_it_does_not_know_it_says(sdk: stripe.StripeClient):
    with pytest.raises(stripe.InvalidRequestError, match="does not know this part"):
        sdk.v1.customers.create({"email": "a@example.org"})
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        sdk.v1.payment_intents.retrieve("pi_nobody")
    assert (refusal.value.http_status, refusal.value.code) == (404, "resource_missing")


# --- the rest of Stripe's behaviour that the marketplace leans on


def test_a_charge_is_pending_first_and_its_transfer_can_name_it_as_source(tmp_path: Path):
    with Running(tmp_path, more=("--funds-after", "86400")) as provider:
        sdk = client(provider)
        sale = sdk.v1.payment_intents.create({**SALE, "transfer_group": "order-1"})
        balance = sdk.v1.balance.retrieve()
        assert (balance.available[0].amount, balance.pending[0].amount) == (0, 5_000)
        payee = sdk.v1.accounts.create({"country": "DE", "capabilities": {"transfers": {"requested": True}}})
        out = {"amount": 3_000, "currency": "eur", "destination": payee.id}
        with pytest.raises(stripe.InvalidRequestError) as refusal:
            sdk.v1.transfers.create(out)
        assert refusal.value.code == "balance_insufficient"
        moved = sdk.v1.transfers.create({**out, "source_transaction": str(sale.latest_charge)})
        assert moved.transfer_group == "order-1"
        with pytest.raises(stripe.InvalidRequestError, match="must not exceed the source amount"):
            sdk.v1.transfers.create({**out, "source_transaction": str(sale.latest_charge)})
        sdk.v1.payment_intents.create({**SALE, "payment_method": "pm_card_bypassPending"})
        assert sdk.v1.balance.retrieve().available[0].amount == 5_000


def test_a_transfer_is_reversed_in_parts_and_no_further(sdk: stripe.StripeClient):
    payee = sdk.v1.accounts.create({"country": "DE", "capabilities": {"transfers": {"requested": True}}})
    moved = sdk.v1.transfers.create({"amount": 3_000, "currency": "eur", "destination": payee.id})
    sdk.v1.transfers.reversals.create(moved.id, {"amount": 1_000})
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.transfers.reversals.create(moved.id, {"amount": 2_001})
    sdk.v1.transfers.reversals.create(moved.id)
    again = sdk.v1.transfers.retrieve(moved.id)
    assert (again.amount_reversed, again.reversed) == (3_000, True)


def test_lists_go_on_page_by_page(sdk: stripe.StripeClient):
    group = f"group-{uuid4()}"
    payee = sdk.v1.accounts.create({"country": "DE", "capabilities": {"transfers": {"requested": True}}})
    made = [
        sdk.v1.transfers.create(
            {"amount": 1 + n, "currency": "eur", "destination": payee.id, "transfer_group": group}
        ).id
        for n in range(5)
    ]
    found = sdk.v1.transfers.list({"transfer_group": group, "limit": 2})
    assert [one.id for one in found.auto_paging_iter()] == made[::-1]


def test_the_books_balance_after_everything(provider: Running, sdk: stripe.StripeClient):
    """What is on the platform's account and on the payees' is what came in, less what went back."""
    page = session(sdk)
    press(page.url, "pay")
    intent = str(sdk.v1.checkout.sessions.retrieve(page.id).payment_intent)
    before = sdk.v1.balance.retrieve().available[0].amount
    sdk.v1.refunds.create({"payment_intent": intent, "amount": 345})
    assert sdk.v1.balance.retrieve().available[0].amount == before - 345
    charge = sdk.v1.charges.retrieve(str(sdk.v1.payment_intents.retrieve(intent).latest_charge))
    assert (charge.amount_refunded, charge.refunded) == (345, False)
