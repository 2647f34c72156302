"""Money in, and back: payment intents, charges and refunds."""

from __future__ import annotations

from ewaste.practice.cards import CARDS, Card
from ewaste.practice.errors import ApiError, declined, missing, refused
from ewaste.practice.params import Params
from ewaste.practice.store import JSON, Books

SMALLEST_CHARGE = 50  # Stripe's minimum for EUR, USD, CHF and others
HOLD_SECONDS = 7 * 86_400  # a card hold, customer-initiated
CAPTURE_METHODS = ("automatic", "automatic_async", "manual")
_OPEN = ("requires_payment_method", "requires_confirmation", "requires_action", "requires_capture")


def create_intent(books: Books, params: Params) -> JSON:
    """A payment to be made; with `confirm` it is tried at once. A decline is a recorded 402."""
    amount, currency = params.amount(low=SMALLEST_CHARGE), params.currency()
    confirm, off_session = params.flag("confirm"), params.flag("off_session")
    method = params.optional("payment_method")
    capture = params.one_of("capture_method", CAPTURE_METHODS, default="automatic")
    types = params.payment_methods()
    fields = {
        "description": params.optional("description", most=1_000),
        "metadata": params.metadata(),
        "receipt_email": params.optional("receipt_email", most=512),
        "transfer_group": params.optional("transfer_group", most=255),
    }
    params.finish()
    if method is not None:
        _card(method)
    intent = new_intent(books, amount, currency, capture_method=capture, payment_method_types=types, **fields)
    intent["payment_method"] = method
    if method is not None:
        intent["status"] = "requires_confirmation"
    books.save(intent)
    return attempt(books, intent, off_session=off_session) if confirm else intent


def new_intent(books: Books, amount: int, currency: str, **fields: object) -> JSON:
    """An intent that waits for a payment method."""
    intent = books.add(
        "pi",
        "payment_intent",
        **{
            "amount": amount,
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic",
            "confirmation_method": "automatic",
            "currency": currency,
            "customer": None,
            "last_payment_error": None,
            "latest_charge": None,
            "next_action": None,
            "payment_method": None,
            "status": "requires_payment_method",
            **fields,
        },
    )
    books.event("payment_intent.created", intent)
    return intent


def attempt(books: Books, intent: JSON, *, off_session: bool = False) -> JSON:
    """Tries the intent's payment method. Raises the recorded decline, as Stripe answers it."""
    method = intent["payment_method"]
    if method is None:
        raise refused(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    card = _card(method)
    if card.code and not (card.code == "authentication_required" and not off_session):
        _decline(books, intent, card)
    if card.code:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        return books.save(intent)
    held = intent["capture_method"] == "manual"
    charge = _charge(books, intent, card, captured=not held)
    intent |= {"latest_charge": charge["id"], "last_payment_error": None, "next_action": None}
    if held:
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        books.event("payment_intent.amount_capturable_updated", books.save(intent))
        return intent
    return _received(books, intent, charge, intent["amount"])


def confirm_intent(books: Books, params: Params, reference: str) -> JSON:
    """Tries to pay an open intent."""
    intent = _intent(books, reference)
    method, off_session = params.optional("payment_method"), params.flag("off_session")
    params.optional("return_url")
    params.finish()
    if intent["status"] not in ("requires_payment_method", "requires_confirmation"):
        raise _unexpected(intent, "confirm")
    if method is not None:
        _card(method)
        intent["payment_method"] = method
    return attempt(books, intent, off_session=off_session)


def capture_intent(books: Books, params: Params, reference: str) -> JSON:
    """Takes a held amount, or a part of it; the rest is released."""
    intent = _intent(books, reference)
    wanted = params.amount("amount_to_capture") if params.has("amount_to_capture") else None
    params.finish()
    if intent["status"] != "requires_capture":
        raise _unexpected(intent, "capture")
    amount = intent["amount_capturable"] if wanted is None else wanted
    if amount > intent["amount_capturable"]:
        raise refused(
            f"The amount to capture ({amount}) is greater than the amount that can be captured "
            f"({intent['amount_capturable']}).",
            code="amount_too_large",
            param="amount_to_capture",
        )
    return _received(books, intent, retrieve_charge(books, Params({}), intent["latest_charge"]), amount)


def cancel_intent(books: Books, params: Params, reference: str) -> JSON:
    """Gives up an intent that has not been paid; a hold is released."""
    intent = _intent(books, reference)
    reasons = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
    reason = params.one_of("cancellation_reason", reasons) if params.has("cancellation_reason") else None
    params.finish()
    if intent["status"] not in _OPEN:
        raise _unexpected(intent, "cancel")
    return _cancelled(books, intent, reason)


def retrieve_intent(books: Books, params: Params, reference: str) -> JSON:
    """The intent with this id."""
    params.finish()
    return _intent(books, reference)


def retrieve_charge(books: Books, params: Params, reference: str) -> JSON:
    """The charge with this id."""
    params.finish()
    if (charge := books.get(reference, "charge")) is None:
        raise missing("charge", reference)
    return charge


def create_refund(books: Books, params: Params) -> JSON:
    """Gives back all or a part of a charge, never more than is left of it."""
    of_intent, of_charge = params.optional("payment_intent"), params.optional("charge")
    wanted = params.amount() if params.has("amount") else None
    reasons = ("duplicate", "fraudulent", "requested_by_customer")
    reason = params.one_of("reason", reasons) if params.has("reason") else None
    metadata = params.metadata()
    params.finish()
    charge = _charge_to_refund(books, of_intent, of_charge)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        raise refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    amount = left if wanted is None else wanted
    if amount > left:
        # Stripe sends no code with this one.
        unit = charge["currency"].upper()
        raise refused(
            f"Refund amount ({amount / 100:.2f} {unit}) is greater than unrefunded amount on charge "
            f"({left / 100:.2f} {unit})",
            param="amount",
        )
    refund = books.add(
        "re",
        "refund",
        amount=amount,
        charge=charge["id"],
        currency=charge["currency"],
        metadata=metadata,
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="succeeded",
    )
    refund["balance_transaction"] = books.move("", charge["currency"], -amount, refund["id"])
    books.save(refund)
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    books.save(charge)
    books.event("refund.created", refund)
    books.event("charge.refunded", charge)
    return refund


def retrieve_refund(books: Books, params: Params, reference: str) -> JSON:
    """The refund with this id."""
    params.finish()
    if (refund := books.get(reference, "refund")) is None:
        raise missing("refund", reference)
    return refund


def lapse_holds(books: Books) -> None:
    """Releases holds that nobody captured in time, as the card networks do."""
    for intent in books.select("payment_intent", where={"status": "requires_capture"}, until=books.now - HOLD_SECONDS):
        _cancelled(books, intent, "automatic")


def _intent(books: Books, reference: str) -> JSON:
    if (intent := books.get(reference, "payment_intent")) is None:
        raise missing("payment_intent", reference, "intent")
    return intent


def _card(method: str) -> Card:
    if method not in CARDS:
        raise missing("PaymentMethod", method, "payment_method", in_path=False)
    return CARDS[method]


def _decline(books: Books, intent: JSON, card: Card) -> None:
    charge = _charge(books, intent, card, captured=False)
    problem = declined(card.message, card.code, card.decline_code, charge=charge["id"])
    last = {"type": "card_error", "message": card.message, "code": card.code, "decline_code": card.decline_code}
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": charge["id"],
        "last_payment_error": last | {"charge": charge["id"]},
    }
    books.event("payment_intent.payment_failed", books.save(intent))
    problem.body["error"]["payment_intent"] = intent
    raise problem


def _charge(books: Books, intent: JSON, card: Card, *, captured: bool) -> JSON:
    paid = not card.code
    charge = books.add(
        "ch",
        "charge",
        amount=intent["amount"],
        amount_captured=intent["amount"] if captured else 0,
        amount_refunded=0,
        available_on=books.now + (0 if card.at_once else books.store.funds_after),
        balance_transaction=None,
        captured=captured,
        currency=intent["currency"],
        description=intent.get("description"),
        failure_code=card.code or None,
        failure_message=card.message or None,
        metadata=intent["metadata"],
        paid=paid,
        payment_intent=intent["id"],
        payment_method=intent["payment_method"],
        payment_method_details={
            "type": "card",
            "card": {
                "brand": card.brand,
                "last4": card.last4,
                "capture_before": books.now + HOLD_SECONDS if paid and not captured else None,
            },
        },
        refunded=False,
        status="succeeded" if paid else "failed",
        transfer_group=intent.get("transfer_group"),
    )
    books.event("charge.succeeded" if paid else "charge.failed", charge)
    return charge


def _received(books: Books, intent: JSON, charge: JSON, amount: int) -> JSON:
    held = not charge["captured"]
    charge |= {"amount_captured": amount, "captured": True}
    charge["balance_transaction"] = books.move(
        "", charge["currency"], amount, charge["id"], available_on=max(charge["available_on"], books.now)
    )
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
    books.save(charge)
    if held:
        books.event("charge.captured", charge)
    books.event("payment_intent.succeeded", books.save(intent))
    return intent


def _cancelled(books: Books, intent: JSON, reason: str | None) -> JSON:
    intent |= {
        "status": "canceled",
        "canceled_at": books.now,
        "cancellation_reason": reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    books.event("payment_intent.canceled", books.save(intent))
    return intent


def _charge_to_refund(books: Books, of_intent: str | None, of_charge: str | None) -> JSON:
    if of_intent is None and of_charge is None:
        raise ApiError(400, "invalid_request_error", "One of charge or payment_intent is required.", param="charge")
    if of_intent is not None:
        intent = books.get(of_intent, "payment_intent")
        if intent is None:
            raise missing("payment_intent", of_intent, "payment_intent", in_path=False)
        if intent["status"] != "succeeded":
            raise refused(
                f"This PaymentIntent ({of_intent}) does not have a successful charge to refund.",
                code="payment_intent_unexpected_state",
            )
        of_charge = intent["latest_charge"]
    charge = books.get(of_charge or "", "charge")
    if charge is None:
        raise missing("charge", of_charge or "", "charge", in_path=False)
    if not charge["captured"]:
        raise refused(f"Charge {charge['id']} is not captured.", code="charge_not_refundable")
    return charge


def _unexpected(intent: JSON, verb: str) -> ApiError:
    return refused(
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=intent,
    )
