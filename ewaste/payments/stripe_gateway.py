"""The gateway over the real Stripe SDK: to Stripe, or in training to the practice provider.

This is the only file that imports `stripe`. Each object carries our instruction id in its metadata, which is
how `find` and the events lead back to the instruction. The SDK's own retries repeat a request under the
same idempotency key.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import requests
import stripe
from stripe.checkout import Session

from ewaste.core.config import Config
from ewaste.core.money import Money
from ewaste.payments.gateway import (
    BadEvent,
    Balance,
    Checkout,
    Declined,
    Gateway,
    GatewayEvent,
    InsufficientBalance,
    Kind,
    Misconfigured,
    Payment,
    PaymentState,
    Refused,
    Uncertain,
    Unreachable,
)

EVENT_TOLERANCE_SECONDS = 300
LARGEST_EVENT_BYTES = 1_000_000
LARGEST_AMOUNT = 99_999_999
_CONNECT_SECONDS, _ANSWER_SECONDS = 5.0, 30.0
_CLOCKS_APART = timedelta(minutes=10)
# Stripe counts these two in hundredths although ISO 4217 gives them none; taken as they are, they would be wrong
# by a factor of a hundred.
_COUNTED_OTHERWISE = frozenset({"ISK", "UGX"})
_INTENT_STATES = {
    "succeeded": PaymentState.SUCCEEDED,
    "requires_capture": PaymentState.HELD,
    "processing": PaymentState.PROCESSING,
    "canceled": PaymentState.FAILED,
}

# The SDK would otherwise report timings and write an identifier into the home folder.
stripe.enable_telemetry = False


def open_gateway(config: Config) -> StripeGateway:
    """The gateway that the settings ask for: practice money when no Stripe key is set."""
    return StripeGateway(config.payments_api_key, config.payments_webhook_secret, base_url=config.payments_api_base)


class StripeGateway(Gateway):
    """Make one for each process; threads may share it.

    `base_url` is the practice provider's address and must be on this machine; without it the SDK talks to Stripe.
    A live key is never sent to the practice provider, nor a practice key to Stripe: ValueError.
    """

    def __init__(self, api_key: str, webhook_secret: str, *, base_url: str | None = None, retries: int = 2) -> None:
        _check_key(api_key, base_url)
        if not webhook_secret:
            raise ValueError("A webhook secret is needed: an event without one cannot be trusted.")
        self._webhook_secret = webhook_secret
        self._live = api_key.startswith(("sk_live_", "rk_live_"))
        session = requests.Session()
        session.trust_env = base_url is None  # no proxy of the environment between two programs on one machine
        http = stripe.RequestsClient(timeout=(_CONNECT_SECONDS, _ANSWER_SECONDS), session=session)
        if base_url is None:
            client = stripe.StripeClient(api_key, max_network_retries=retries, http_client=http)
        else:
            client = stripe.StripeClient(
                api_key,
                max_network_retries=retries,
                http_client=http,
                base_addresses={"api": base_url.rstrip("/")},
            )
        self._client = client
        self._v1 = client.v1

    @property
    def practice(self) -> bool:
        """Whether no real money moves."""
        return not self._live

    def checkout(
        self,
        instruction_id: UUID,
        amount: Money,
        description: str,
        *,
        success_url: str,
        cancel_url: str,
        group: str = "",
        email: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Checkout:
        """A hosted Checkout Session in `payment` mode with one line."""
        minor, currency = _stripe_amount(amount)
        marks = _marks(instruction_id, metadata)
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "payment",
            "client_reference_id": str(instruction_id),
            "metadata": marks,
            "allowed_payment_method_types": ["card"],
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": currency,
                        "unit_amount": minor,
                        "product_data": {"name": description},
                    },
                }
            ],
            "payment_intent_data": {"description": description, "metadata": {**marks, "via": Kind.CHECKOUT.value}},
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        if group:
            params["payment_intent_data"]["transfer_group"] = group
        if email:
            params["customer_email"] = email
        with _asking():
            session = self._v1.checkout.sessions.create(params, {"idempotency_key": str(instruction_id)})
        if not session.url:
            raise Uncertain("Stripe opened a checkout without a page.", reference=session.id)
        return Checkout(session.id, session.url)

    def collect(
        self,
        instruction_id: UUID,
        amount: Money,
        description: str,
        *,
        payment_method: str,
        hold: bool = False,
        group: str = "",
        metadata: Mapping[str, str] | None = None,
    ) -> Payment:
        """A PaymentIntent, confirmed off-session in the same call."""
        minor, currency = _stripe_amount(amount)
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": minor,
            "currency": currency,
            "capture_method": "manual" if hold else "automatic",
            "confirm": True,
            "description": description,
            "expand": ["latest_charge"],
            "metadata": _marks(instruction_id, metadata),
            "off_session": True,
            "payment_method": payment_method,
            "allowed_payment_method_types": ["card"],
        }
        if group:
            params["transfer_group"] = group
        with _asking():
            return self._of_intent(self._v1.payment_intents.create(params, {"idempotency_key": str(instruction_id)}))

    def capture(self, instruction_id: UUID, reference: str, amount: Money) -> Payment:
        """Captures the hold; the instruction is the one of this step, not of the hold."""
        minor, _ = _stripe_amount(amount)
        params: stripe.params.PaymentIntentCaptureParams = {"amount_to_capture": minor, "expand": ["latest_charge"]}
        with _asking():
            intent_id = self._intent_id(reference)
            captured = self._v1.payment_intents.capture(intent_id, params, {"idempotency_key": str(instruction_id)})
            return self._of_intent(captured)

    def abandon(self, reference: str) -> Payment:
        """Expires the page or cancels the intent. Doing it again changes nothing."""
        try:
            with _asking():
                if reference.startswith("cs_"):
                    self._v1.checkout.sessions.expire(reference)
                else:
                    self._v1.payment_intents.cancel(reference)
        except Refused:
            now = self.payment_status(reference)
            if now.state is not PaymentState.FAILED:
                raise
            return now
        return self.payment_status(reference)

    def payment_status(self, reference: str) -> Payment:
        """Reads the object whose kind the reference's prefix tells."""
        with _asking():
            if reference.startswith("cs_"):
                return self._of_session(
                    self._v1.checkout.sessions.retrieve(reference, {"expand": ["payment_intent.latest_charge"]})
                )
            if reference.startswith("pi_"):
                return self._of_intent(self._v1.payment_intents.retrieve(reference, {"expand": ["latest_charge"]}))
            if reference.startswith("tr_"):
                return self._of_transfer(self._v1.transfers.retrieve(reference))
            if reference.startswith("ch_"):
                intent = self._v1.charges.retrieve(reference).payment_intent
                if intent:
                    return self.payment_status(_id(intent))
            if reference.startswith(("re_", "pyr_")):
                return self._of_refund(self._v1.refunds.retrieve(reference))
        raise Refused(f"{reference!r} is no payment, transfer or refund.", code="unknown_reference")

    def open_payee(self, party_id: UUID, email: str, country: str) -> str:
        """A connected account that may receive transfers; Stripe collects its bank details itself."""
        params: stripe.params.AccountCreateParams = {
            "capabilities": {"transfers": {"requested": True}},
            "controller": {
                "fees": {"payer": "application"},
                "losses": {"payments": "application"},
                "requirement_collection": "stripe",
                "stripe_dashboard": {"type": "express"},
            },
            "country": country,
            "email": email,
            "metadata": {"party_id": str(party_id)},
        }
        with _asking():
            return self._v1.accounts.create(params, {"idempotency_key": f"payee-{party_id}"}).id

    def payee_ready(self, payee: str) -> bool:
        """Whether the `transfers` capability is active."""
        with _asking():
            capabilities = self._v1.accounts.retrieve(payee).capabilities
        return capabilities is not None and getattr(capabilities, "transfers", None) == "active"

    def payee_page(self, payee: str, *, return_url: str, refresh_url: str) -> str:
        """An account link for onboarding."""
        with _asking():
            return self._v1.account_links.create(
                {
                    "account": payee,
                    "type": "account_onboarding",
                    "return_url": return_url,
                    "refresh_url": refresh_url,
                }
            ).url

    def transfer(
        self, instruction_id: UUID, amount: Money, payee: str, *, group: str = "", description: str = ""
    ) -> Payment:
        """A transfer from the platform's available balance."""
        minor, currency = _stripe_amount(amount)
        params: stripe.params.TransferCreateParams = {
            "amount": minor,
            "currency": currency,
            "destination": payee,
            "metadata": _marks(instruction_id),
            "transfer_group": group or str(instruction_id),
        }
        if description:
            params["description"] = description
        with _asking():
            return self._of_transfer(self._v1.transfers.create(params, {"idempotency_key": str(instruction_id)}))

    def refund(self, instruction_id: UUID, payment_reference: str, amount: Money) -> Payment:
        """A refund of the payment intent behind the reference."""
        minor, _ = _stripe_amount(amount)
        with _asking():
            params: stripe.params.RefundCreateParams = {
                "amount": minor,
                "metadata": _marks(instruction_id),
                "payment_intent": self._intent_id(payment_reference),
            }
            return self._of_refund(self._v1.refunds.create(params, {"idempotency_key": str(instruction_id)}))

    def balance(self) -> tuple[Balance, ...]:
        """Available and pending, by currency."""
        with _asking():
            answer = self._v1.balance.retrieve()
        pending = {line.currency: line.amount for line in answer.pending}
        return tuple(
            Balance(_money(line.amount, line.currency), _money(pending.get(line.currency, 0), line.currency))
            for line in answer.available
        )

    def find(self, instruction_id: UUID, kind: Kind, *, since: datetime) -> tuple[Payment, ...]:
        """Pages through the list of that kind from `since` on, and keeps what carries the instruction's id."""
        start = {"gte": int((since - _CLOCKS_APART).timestamp())}
        with _asking():
            found = [one for one in self._all(kind, start) if one.instruction_id == instruction_id]
        return tuple(found)

    def event(self, raw_body: bytes, signature: str) -> GatewayEvent:
        """Verifies with the SDK, and refuses events of the other mode: test events to a live site, and back."""
        if len(raw_body) > LARGEST_EVENT_BYTES:
            raise BadEvent("The event is too large.")
        try:
            self._client.construct_event(
                raw_body.decode(), signature, self._webhook_secret, tolerance=EVENT_TOLERANCE_SECONDS
            )
            told: dict[str, Any] = json.loads(raw_body)
            about = told["data"]["object"]
            live = told["livemode"]
            event = GatewayEvent(
                id=str(told["id"]),
                kind=str(told["type"]),
                object_reference=str(about.get("id") or ""),
                instruction_id=_uuid((about.get("metadata") or {}).get("instruction_id")),
                practice=not live,
            )
        except stripe.SignatureVerificationError as problem:
            raise BadEvent(f"The signature does not fit: {problem.user_message}") from problem
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise BadEvent("The event cannot be read.") from problem
        if live is not self._live:
            raise BadEvent("The event belongs to the other mode, live or practice.")
        return event

    def _all(self, kind: Kind, start: Any) -> Iterator[Payment]:
        if kind is Kind.CHECKOUT:
            expand = ["data.payment_intent.latest_charge"]
            sessions = self._v1.checkout.sessions.list({"created": start, "limit": 100, "expand": expand})
            yield from map(self._of_session, sessions.auto_paging_iter())
        elif kind is Kind.COLLECTION:
            intents = self._v1.payment_intents.list({"created": start, "limit": 100, "expand": ["data.latest_charge"]})
            yield from (self._of_intent(i) for i in intents.auto_paging_iter() if not _via_checkout(i))
        elif kind is Kind.TRANSFER:
            yield from map(
                self._of_transfer, self._v1.transfers.list({"created": start, "limit": 100}).auto_paging_iter()
            )
        else:
            yield from map(self._of_refund, self._v1.refunds.list({"created": start, "limit": 100}).auto_paging_iter())

    def _intent_id(self, reference: str) -> str:
        if not reference.startswith("cs_"):
            return reference
        intent = self._v1.checkout.sessions.retrieve(reference).payment_intent
        if intent is None:
            raise Refused("This checkout was never paid.", code="unpaid", reference=reference)
        return _id(intent)

    def _of_session(self, session: Session) -> Payment:
        intent = session.payment_intent
        behind = intent if isinstance(intent, stripe.PaymentIntent) else None
        reason = ""
        if session.status == "open":
            state = PaymentState.OPEN
        elif session.status == "expired":
            state, reason = PaymentState.FAILED, "The payment page closed unpaid."
        elif session.payment_status == "paid":
            state = PaymentState.SUCCEEDED
        else:
            state = _INTENT_STATES.get(behind.status if behind else "", PaymentState.PROCESSING)
        currency = session.currency or ""
        return Payment(
            reference=session.id,
            kind=Kind.CHECKOUT,
            state=state,
            amount=_money(session.amount_total or 0, currency),
            returned=_money(_refunded(behind), currency),
            instruction_id=_instruction(session.metadata),
            practice=not session.livemode,
            reason=reason,
        )

    def _of_intent(self, intent: stripe.PaymentIntent) -> Payment:
        problem = intent.last_payment_error
        state = _INTENT_STATES.get(intent.status, PaymentState.OPEN)
        # A declined collection is over; behind a checkout page the buyer may try another card.
        if intent.status == "requires_payment_method" and problem and not _via_checkout(intent):
            state = PaymentState.FAILED
        received = intent.amount_received if state is PaymentState.SUCCEEDED else intent.amount
        return Payment(
            reference=intent.id,
            kind=Kind.COLLECTION,
            state=state,
            amount=_money(received, intent.currency),
            returned=_money(_refunded(intent), intent.currency),
            instruction_id=_instruction(intent.metadata),
            practice=not intent.livemode,
            reason=(problem.message or "") if problem else "",
        )

    def _of_transfer(self, transfer: stripe.Transfer) -> Payment:
        return Payment(
            reference=transfer.id,
            kind=Kind.TRANSFER,
            state=PaymentState.SUCCEEDED,
            amount=_money(transfer.amount, transfer.currency),
            returned=_money(transfer.amount_reversed, transfer.currency),
            instruction_id=_instruction(transfer.metadata),
            practice=not transfer.livemode,
        )

    def _of_refund(self, refund: stripe.Refund) -> Payment:
        states = {"succeeded": PaymentState.SUCCEEDED, "failed": PaymentState.FAILED, "canceled": PaymentState.FAILED}
        return Payment(
            reference=refund.id,
            kind=Kind.REFUND,
            state=states.get(refund.status or "", PaymentState.PROCESSING),
            amount=_money(refund.amount, refund.currency),
            returned=_money(0, refund.currency),
            instruction_id=_instruction(refund.metadata),
            practice=not self._live,
            reason=(refund.failure_reason or "") if hasattr(refund, "failure_reason") else "",
        )


@contextmanager
def _asking() -> Iterator[None]:
    """Turns the SDK's exceptions into the port's."""
    try:
        yield
    except stripe.CardError as problem:
        body = problem.error
        intent = getattr(body, "payment_intent", None)
        code = getattr(body, "decline_code", None) or problem.code or ""
        raise Declined(_words(problem), code=code, reference=getattr(intent, "id", "") or "") from problem
    except (stripe.APIConnectionError, stripe.RateLimitError) as problem:
        raise Unreachable(_words(problem), code="no_answer") from problem
    except stripe.AuthenticationError as problem:
        raise Misconfigured(_words(problem), code="authentication") from problem
    except stripe.PermissionError as problem:
        code = _code(problem)
        raise (Refused if code == "account_invalid" else Misconfigured)(_words(problem), code=code) from problem
    except stripe.IdempotencyError as problem:
        raise Refused(_words(problem), code="idempotency_error") from problem
    except stripe.InvalidRequestError as problem:
        code = _code(problem)
        raise (InsufficientBalance if code == "balance_insufficient" else Refused)(
            _words(problem), code=code
        ) from problem
    except stripe.StripeError as problem:
        # Below 500 this is either "the same call is under way" (409) or an answer cut off in its headers, which the
        # SDK takes for an unreadable body: in both the true answer waits under the key.
        if problem.http_status is None or problem.http_status < 500:
            raise Unreachable(_words(problem), code=_code(problem) or "unreadable") from problem
        raise Uncertain(_words(problem), code=_code(problem) or str(problem.http_status or "")) from problem


def _check_key(api_key: str, base_url: str | None) -> None:
    if base_url is None:
        if not api_key.startswith(("sk_test_", "rk_test_", "sk_live_", "rk_live_")):
            raise ValueError("This is no Stripe secret key. It would start with sk_ or rk_.")
        return
    if not api_key.startswith(("sk_practice_", "sk_test_")):
        raise ValueError("The practice provider takes practice and test keys only, and never a live key.")
    host = urlsplit(base_url).hostname or ""
    try:
        here = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        here = False
    if not here:
        raise ValueError(f"The practice provider runs on this machine; {base_url} is elsewhere.")


def _stripe_amount(amount: Money) -> tuple[int, str]:
    if not 0 < amount.amount_minor <= LARGEST_AMOUNT:
        raise Refused(f"{amount} is outside of what can be paid at once.", code="amount_out_of_bounds")
    if amount.currency in _COUNTED_OTHERWISE:
        raise Refused(f"Stripe counts {amount.currency} in units of its own; it is not offered.", code="currency")
    return amount.amount_minor, amount.currency.lower()


def _money(minor: int, currency: str) -> Money:
    return Money(minor, currency.upper())


def _marks(instruction_id: UUID, more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**(more or {}), "instruction_id": str(instruction_id)}


def _instruction(metadata: Any) -> UUID | None:
    return _uuid(getattr(metadata, "instruction_id", None))


def _via_checkout(intent: stripe.PaymentIntent) -> bool:
    return getattr(intent.metadata, "via", None) == Kind.CHECKOUT.value


def _refunded(intent: stripe.PaymentIntent | None) -> int:
    charge = intent.latest_charge if intent is not None else None
    return charge.amount_refunded if isinstance(charge, stripe.Charge) else 0


def _id(one: Any) -> str:
    return str(one if isinstance(one, str) else one.id)


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None


def _words(problem: stripe.StripeError) -> str:
    return problem.user_message or "The payment provider gave no reason."


def _code(problem: stripe.StripeError) -> str:
    return problem.code or getattr(problem.error, "code", None) or ""
