"""One key, one answer: repeated, changed, concurrent and forgotten calls."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import stripe

from ewaste.practice import payments
from ewaste.practice.api import ANSWERS_KEPT_SECONDS, Keys, perform_once
from ewaste.practice.errors import ApiError
from ewaste.practice.store import Store
from tests.practice.conftest import Clock
from tests.practice.tools import (
    PATIENCE_SECONDS,
    SALE,
    SALE_PAIRS,
    Running,
    client,
)


def test_a_repeated_call_gets_the_kept_answer(sdk: stripe.StripeClient):
    key = {"idempotency_key": str(uuid4())}
    first, again = sdk.v1.payment_intents.create(SALE, key), sdk.v1.payment_intents.create(SALE, key)
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"


def test_the_same_key_for_another_call_is_an_error(sdk: stripe.StripeClient):
    key = {"idempotency_key": str(uuid4())}
    sdk.v1.payment_intents.create(SALE, key)
    with pytest.raises(stripe.IdempotencyError, match="same parameters"):
        sdk.v1.payment_intents.create({**SALE, "amount": 5_001}, key)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        sdk.v1.topups.create({"amount": 5_000, "currency": "eur"}, key)


def test_a_mistake_in_the_parameters_may_be_corrected_under_the_same_key(sdk: stripe.StripeClient):
    key = {"idempotency_key": str(uuid4())}
    with pytest.raises(stripe.InvalidRequestError):
        sdk.v1.payment_intents.create({**SALE, "amount": -5}, key)
    assert sdk.v1.payment_intents.create(SALE, key).status == "succeeded"


def test_a_call_under_a_key_in_use_is_told_to_wait():
    keys = Keys()
    with keys.hold("one"):
        with keys.hold("another"), pytest.raises(ApiError) as refusal, keys.hold("one"):
            pass
        assert refusal.value.status == 409
    with keys.hold("one"):
        pass


def test_many_callers_with_one_key_move_the_money_once(provider: Running):
    key, start = str(uuid4()), threading.Barrier(8)

    def pay(_: int) -> str:
        sdk = client(provider)
        start.wait(PATIENCE_SECONDS)
        try:
            return sdk.v1.payment_intents.create(SALE, {"idempotency_key": key}).id
        except stripe.APIError as problem:
            return str(problem.http_status)

    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(pay, range(8))) - {"409"}
    assert len(made) == 1


def test_after_a_day_a_key_is_forgotten_and_the_call_runs_anew(store: Store, clock: Clock):
    _, first, _ = perform_once(store, "key", "payment_intents", SALE_PAIRS)
    clock.time += ANSWERS_KEPT_SECONDS - 1
    _, same, replayed = perform_once(store, "key", "payment_intents", SALE_PAIRS)
    assert (same["id"], replayed) == (first["id"], True)
    clock.time += 1
    _, new, replayed = perform_once(store, "key", "payment_intents", SALE_PAIRS)
    assert (new["id"] == first["id"], replayed) == (False, False)


def test_work_that_breaks_off_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the power failed")

    with monkeypatch.context() as patch:
        patch.setattr(payments, "_received", broken)
        with pytest.raises(RuntimeError):
            perform_once(store, "key", "payment_intents", SALE_PAIRS)
    with store.open() as books:
        assert books.select("payment_intent") == books.select("event") == []
        assert books.balance() == {}
    status, _, replayed = perform_once(store, "key", "payment_intents", SALE_PAIRS)
    assert (status, replayed) == (200, False)
