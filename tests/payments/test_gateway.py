"""The gateway over the real Stripe SDK, against the practice provider over HTTP."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from ewaste.core.config import Config
from ewaste.core.money import Money
from ewaste.payments.gateway import (
    BadEvent,
    Checkout,
    Declined,
    Gateway,
    GatewayProblem,
    InsufficientBalance,
    Kind,
    Misconfigured,
    PaymentState,
    Refused,
    Uncertain,
    Unreachable,
)
from ewaste.payments.stripe_gateway import StripeGateway, open_gateway
from ewaste.practice.webhooks import signature
from tests.practice.tools import KEY, SECRET, Canned, CuttingProxy, Inbox, Running, press

EUR_90 = Money(9_000, "EUR")


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def collect(gateway: Gateway, instruction: UUID, amount: Money = EUR_90, card: str = "pm_card_visa", **more: bool):
    return gateway.collect(instruction, amount, "Lot L-7", payment_method=card, **more)


def page_for(gateway: Gateway, instruction: UUID) -> Checkout:
    return gateway.checkout(
        instruction,
        EUR_90,
        "Phone D-42, grade C5",
        success_url="http://127.0.0.1:8000/orders/42?paid={CHECKOUT_SESSION_ID}",
        cancel_url="http://127.0.0.1:8000/orders/42",
        group="order-42",
        email="buyer@example.org",
        metadata={"order": "42"},
    )


# --- money in


def test_a_buyer_pays_on_the_hosted_page(gateway: StripeGateway):
    instruction = uuid4()
    page = page_for(gateway, instruction)
    assert gateway.payment_status(page.reference).state is PaymentState.OPEN

    answer = press(page.url, "pay")

    assert answer.status == 303
    assert answer.headers["Location"] == f"http://127.0.0.1:8000/orders/42?paid={page.reference}"
    paid = gateway.payment_status(page.reference)
    assert (paid.state, paid.amount, paid.kind, paid.instruction_id, paid.practice) == (
        PaymentState.SUCCEEDED,
        EUR_90,
        Kind.CHECKOUT,
        instruction,
        True,
    )


def test_a_declined_buyer_may_try_again_on_the_same_page(gateway: StripeGateway):
    page = page_for(gateway, uuid4())
    assert press(page.url, "decline").status == 402
    assert gateway.payment_status(page.reference).state is PaymentState.OPEN
    assert press(page.url, "pay").status == 303
    assert gateway.payment_status(page.reference).state is PaymentState.SUCCEEDED


def test_asking_for_the_page_again_gives_the_same_page(gateway: StripeGateway):
    instruction = uuid4()
    assert page_for(gateway, instruction) == page_for(gateway, instruction)


def test_an_abandoned_page_can_no_longer_be_paid(gateway: StripeGateway):
    page = page_for(gateway, uuid4())
    assert gateway.abandon(page.reference).state is PaymentState.FAILED
    assert gateway.abandon(page.reference).state is PaymentState.FAILED, "twice is as good as once"


def test_a_paid_page_cannot_be_abandoned(gateway: StripeGateway):
    page = page_for(gateway, uuid4())
    press(page.url, "pay")
    with pytest.raises(Refused):
        gateway.abandon(page.reference)
    assert gateway.payment_status(page.reference).state is PaymentState.SUCCEEDED


def test_a_saved_card_is_charged(gateway: StripeGateway):
    instruction = uuid4()
    payment = collect(gateway, instruction)
    assert (payment.state, payment.amount) == (PaymentState.SUCCEEDED, EUR_90)
    assert gateway.payment_status(payment.reference) == payment


@pytest.mark.parametrize(
    ("card", "code"),
    [
        ("pm_card_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_authenticationRequired", "authentication_required"),
    ],
)
def test_a_declined_card_says_why_and_moves_nothing(gateway: StripeGateway, card: str, code: str):
    before = gateway.balance()
    instruction = uuid4()
    for _ in range(2):  # the second time it is the kept answer
        with pytest.raises(Declined) as refusal:
            collect(gateway, instruction, card=card)
        assert refusal.value.code == code
    declined = gateway.payment_status(refusal.value.reference)
    assert (declined.state, declined.instruction_id) == (PaymentState.FAILED, instruction)
    assert declined.reason == refusal.value.message
    assert gateway.balance() == before


def test_a_deposit_is_held_and_taken_in_part(gateway: StripeGateway):
    before = gateway.balance()[0].available
    held = collect(gateway, uuid4(), hold=True)
    assert (held.state, gateway.balance()[0].available) == (PaymentState.HELD, before)
    taken = gateway.capture(uuid4(), held.reference, Money(2_500, "EUR"))
    assert (taken.state, taken.amount) == (PaymentState.SUCCEEDED, Money(2_500, "EUR"))
    assert gateway.balance()[0].available == before + Money(2_500, "EUR")


def test_a_released_deposit_cannot_be_taken(gateway: StripeGateway):
    held = collect(gateway, uuid4(), hold=True)
    assert gateway.abandon(held.reference).state is PaymentState.FAILED
    with pytest.raises(Refused):
        gateway.capture(uuid4(), held.reference, EUR_90)


def test_no_more_than_the_deposit_is_taken(gateway: StripeGateway):
    held = collect(gateway, uuid4(), hold=True)
    with pytest.raises(Refused) as refusal:
        gateway.capture(uuid4(), held.reference, Money(9_001, "EUR"))
    assert refusal.value.code == "amount_too_large"


# --- the same instruction twice


@pytest.mark.parametrize("share", [0.0, 0.1, 0.7], ids=["nothing arrives", "in the headers", "in the body"])
def test_a_lost_answer_does_not_pay_twice(provider: Running, gateway: StripeGateway, share: float):
    instruction, payee = uuid4(), gateway.open_payee(uuid4(), "seller@example.org", "DE")
    before = gateway.balance()[0].available
    with CuttingProxy(provider.url, cut_answers=1, share=share) as proxy:
        over_bad_line = StripeGateway(KEY, SECRET, base_url=proxy.url, retries=0)
        with pytest.raises(Unreachable):
            over_bad_line.transfer(instruction, EUR_90, payee)
        assert gateway.balance()[0].available == before - EUR_90, "the money moved although the answer was lost"
        again = over_bad_line.transfer(instruction, EUR_90, payee)
    assert again.state is PaymentState.SUCCEEDED
    assert gateway.balance()[0].available == before - EUR_90
    assert gateway.find(instruction, Kind.TRANSFER, since=an_hour_ago()) == (again,)


def test_the_sdk_repeats_a_lost_call_under_the_same_key(provider: Running, gateway: StripeGateway):
    instruction = uuid4()
    with CuttingProxy(provider.url, cut_answers=1) as proxy:
        collect(StripeGateway(KEY, SECRET, base_url=proxy.url, retries=1), instruction)
        assert proxy.cut == 1
    assert len(gateway.find(instruction, Kind.COLLECTION, since=an_hour_ago())) == 1


def test_the_same_instruction_with_another_amount_is_refused(gateway: StripeGateway):
    instruction = uuid4()
    collect(gateway, instruction)
    with pytest.raises(Refused) as refusal:
        collect(gateway, instruction, Money(9_001, "EUR"))
    assert refusal.value.code == "idempotency_error"
    assert len(gateway.find(instruction, Kind.COLLECTION, since=an_hour_ago())) == 1


def test_a_provider_that_is_not_there_is_unreachable():
    nobody = StripeGateway(KEY, SECRET, base_url="http://127.0.0.1:1", retries=0)
    with pytest.raises(Unreachable):
        nobody.balance()


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (500, '{"error": {"type": "api_error", "message": "broken"}}', Uncertain),
        (503, "<html>", Uncertain),
        (409, '{"error": {"type": "idempotency_error", "code": "idempotency_key_in_use"}}', Unreachable),
        (429, '{"error": {"type": "invalid_request_error", "code": "rate_limit"}}', Unreachable),
        (200, "", Unreachable),
        (200, '{"id": "pi_1", "amo', Unreachable),
        (401, '{"error": {"type": "invalid_request_error"}}', Misconfigured),
        (403, '{"error": {"type": "invalid_request_error"}}', Misconfigured),
        (402, '{"error": {"type": "card_error", "code": "card_declined", "message": "No."}}', Declined),
        (400, '{"error": {"type": "invalid_request_error", "message": "No."}}', Refused),
    ],
)
def test_each_answer_of_the_provider_has_one_meaning(status: int, body: str, problem: type[GatewayProblem]):
    with Canned(status, body) as provider, pytest.raises(problem) as told:
        collect(StripeGateway(KEY, SECRET, base_url=provider.url, retries=0), uuid4())
    assert type(told.value) is problem
    assert told.value.message


# --- money out and back


def test_a_payee_is_paid_once_ready(gateway: StripeGateway):
    payee = gateway.open_payee(uuid4(), "seller@example.org", "DE")
    assert gateway.payee_ready(payee)
    instruction = uuid4()
    paid = gateway.transfer(instruction, Money(1_234, "EUR"), payee, group="device-9", description="Offer O-9")
    assert (paid.kind, paid.state, paid.amount) == (Kind.TRANSFER, PaymentState.SUCCEEDED, Money(1_234, "EUR"))
    assert gateway.payment_status(paid.reference) == paid


def test_a_payee_without_bank_details_is_not_paid_until_they_are_given(gateway: StripeGateway):
    payee = gateway.open_payee(uuid4(), "seller+unfinished@example.org", "DE")
    assert not gateway.payee_ready(payee)
    with pytest.raises(Refused) as refusal:
        gateway.transfer(uuid4(), EUR_90, payee)
    assert refusal.value.code == "insufficient_capabilities_for_transfer"
    back = "http://127.0.0.1:8000/me/payout"
    page = gateway.payee_page(payee, return_url=back, refresh_url=f"{back}?again=1")
    assert press(page, "").headers["Location"] == back
    assert gateway.payee_ready(payee)


def test_opening_a_payee_twice_opens_one(gateway: StripeGateway):
    party = uuid4()
    assert gateway.open_payee(party, "a@example.org", "FR") == gateway.open_payee(party, "a@example.org", "FR")


def test_an_unknown_payee_is_refused(gateway: StripeGateway):
    with pytest.raises(Refused):
        gateway.transfer(uuid4(), EUR_90, "acct_unknown")
    with pytest.raises(Refused):
        gateway.payee_ready("acct_unknown")


def test_a_payout_beyond_the_balance_is_refused_and_that_answer_stays(gateway: StripeGateway):
    payee, instruction = gateway.open_payee(uuid4(), "seller@example.org", "DE"), uuid4()
    before = gateway.balance()
    for _ in range(2):
        with pytest.raises(InsufficientBalance):
            gateway.transfer(instruction, Money(90_000_000, "EUR"), payee)
    assert gateway.balance() == before
    assert gateway.find(instruction, Kind.TRANSFER, since=an_hour_ago()) == ()


def test_a_refund_gives_back_a_part_and_never_more_than_was_paid(gateway: StripeGateway):
    page = page_for(gateway, uuid4())
    press(page.url, "pay")
    refund = gateway.refund(uuid4(), page.reference, Money(4_000, "EUR"))
    assert (refund.kind, refund.state, refund.amount) == (Kind.REFUND, PaymentState.SUCCEEDED, Money(4_000, "EUR"))
    with pytest.raises(Refused, match="greater than unrefunded amount"):
        gateway.refund(uuid4(), page.reference, Money(5_001, "EUR"))
    assert gateway.payment_status(page.reference).returned == Money(4_000, "EUR")
    gateway.refund(uuid4(), page.reference, Money(5_000, "EUR"))
    assert gateway.payment_status(page.reference).returned == EUR_90
    with pytest.raises(Refused) as refusal:
        gateway.refund(uuid4(), page.reference, Money(1, "EUR"))
    assert refusal.value.code == "charge_already_refunded"


def test_what_was_never_paid_cannot_be_refunded(gateway: StripeGateway):
    page = page_for(gateway, uuid4())
    with pytest.raises(Refused):
        gateway.refund(uuid4(), page.reference, EUR_90)


def test_find_tells_the_kinds_apart(gateway: StripeGateway):
    instruction, refunded = uuid4(), uuid4()
    page = page_for(gateway, instruction)
    press(page.url, "pay")
    refund = gateway.refund(refunded, page.reference, Money(100, "EUR"))
    (found,) = gateway.find(instruction, Kind.CHECKOUT, since=an_hour_ago())
    assert found == gateway.payment_status(page.reference)
    assert gateway.find(instruction, Kind.COLLECTION, since=an_hour_ago()) == ()
    assert gateway.find(refunded, Kind.REFUND, since=an_hour_ago()) == (refund,)
    assert gateway.find(uuid4(), Kind.CHECKOUT, since=an_hour_ago()) == ()


@pytest.mark.parametrize("amount", [Money(0, "EUR"), Money(-1, "EUR"), Money(100_000_000, "EUR"), Money(500, "ISK")])
def test_an_amount_out_of_bounds_is_never_sent(gateway: StripeGateway, amount: Money):
    with pytest.raises(Refused):
        collect(gateway, uuid4(), amount)


# --- events


def an_event(**changes: object) -> bytes:
    about = {"id": "cs_test_1", "metadata": {"instruction_id": "0d9f5be3-5e0b-4c8e-9f5e-0d9f5be35e0b"}}
    told = {
        "id": "evt_1",
        "object": "event",
        "type": "checkout.session.completed",
        "livemode": False,
        "data": {"object": about},
    }
    return json.dumps(told | changes).encode()


def test_a_signed_event_leads_back_to_the_instruction(gateway: StripeGateway):
    body = an_event()
    event = gateway.event(body, signature(SECRET, body, int(time.time())))
    assert (event.id, event.kind, event.object_reference, event.practice) == (
        "evt_1",
        "checkout.session.completed",
        "cs_test_1",
        True,
    )
    assert event.instruction_id == UUID("0d9f5be3-5e0b-4c8e-9f5e-0d9f5be35e0b")


@pytest.mark.parametrize("about", [{"id": "cs_1"}, {"id": "cs_1", "metadata": {"instruction_id": "no uuid"}}])
def test_an_event_about_something_else_has_no_instruction(gateway: StripeGateway, about: dict[str, object]):
    body = an_event(data={"object": about})
    assert gateway.event(body, signature(SECRET, body, int(time.time()))).instruction_id is None


@pytest.mark.parametrize(
    ("body", "age", "secret"),
    [
        pytest.param(an_event(), 301, SECRET, id="too old"),
        pytest.param(an_event(), 0, "whsec_of_somebody_else", id="signed by somebody else"),
        pytest.param(an_event(livemode=True), 0, SECRET, id="of the live mode"),
        pytest.param(b"not json", 0, SECRET, id="no JSON"),
        pytest.param(b"[]", 0, SECRET, id="no object"),
        pytest.param(b"\xff\xfe", 0, SECRET, id="no UTF-8"),
        pytest.param(an_event(data=None), 0, SECRET, id="about nothing"),
        pytest.param(b" " * 1_000_001, 0, SECRET, id="too large"),
    ],
)
def test_a_bad_event_is_refused(gateway: StripeGateway, body: bytes, age: int, secret: str):
    with pytest.raises(BadEvent):
        gateway.event(body, signature(secret, body, int(time.time()) - age))


@pytest.mark.parametrize("header", ["", "t=1", "v1=abc", "t=x,v1=abc", "rubbish"])
def test_an_event_without_a_proper_signature_is_refused(gateway: StripeGateway, header: str):
    with pytest.raises(BadEvent):
        gateway.event(an_event(), header)


def test_one_changed_byte_breaks_the_signature(gateway: StripeGateway):
    body = an_event()
    header = signature(SECRET, body, int(time.time()))
    with pytest.raises(BadEvent):
        gateway.event(body.replace(b"cs_test_1", b"cs_test_2"), header)


def test_the_provider_tells_of_a_payment_over_http(tmp_path: Path):
    instruction = uuid4()
    with Inbox() as inbox, Running(tmp_path, webhook_url=inbox.url) as provider:
        gateway = StripeGateway(KEY, SECRET, base_url=provider.url)
        page = page_for(gateway, instruction)
        press(page.url, "pay")
        kinds = set()
        while "checkout.session.completed" not in kinds:
            event = gateway.event(*inbox.next())
            assert (event.instruction_id, event.practice) == (instruction, True)
            assert gateway.payment_status(event.object_reference).state is PaymentState.SUCCEEDED
            kinds.add(event.kind)


# --- keys


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("sk_live_x", "http://127.0.0.1:8020"),
        ("sk_test_x", "https://payments.example.org"),
        ("sk_practice_x", None),
        ("", None),
    ],
)
def test_a_key_never_goes_where_it_does_not_belong(key: str, url: str | None):
    with pytest.raises(ValueError):  # noqa: PT011 - the message differs, the refusal does not
        StripeGateway(key, SECRET, base_url=url)


def test_a_key_that_the_provider_does_not_know_is_our_misconfiguration(provider: Running):
    with pytest.raises(Misconfigured):
        StripeGateway("sk_test_with spaces", SECRET, base_url=provider.url, retries=0).balance()


def test_without_a_stripe_key_the_settings_lead_to_practice_money(provider: Running, tmp_path: Path):
    gateway = open_gateway(Config.from_env({"EWASTE_DATA": str(tmp_path), "PRACTICE_URL": provider.url}))
    assert gateway.practice
    assert collect(gateway, uuid4()).practice


def test_test_keys_are_practice_and_live_keys_are_not():
    assert StripeGateway("sk_test_x", SECRET).practice
    assert not StripeGateway("sk_live_x", SECRET).practice
