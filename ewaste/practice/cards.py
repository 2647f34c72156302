"""The test payment methods, named and answering as Stripe documents them for test mode."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Card:
    """How a test payment method behaves. An empty `code` means that it pays."""

    brand: str = "visa"
    last4: str = "4242"
    code: str = ""
    decline_code: str | None = None
    message: str = ""
    at_once: bool = False  # the money skips "pending"


_PAYS = {
    "pm_card_visa": Card(),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_amex": Card("amex", "8431"),
    "pm_card_bypassPending": Card(last4="0077", at_once=True),
}
_DECLINES = {
    "chargeDeclined": Card(
        last4="0002", code="card_declined", decline_code="generic_decline", message="Your card was declined."
    ),
    "chargeDeclinedInsufficientFunds": Card(
        last4="9995",
        code="card_declined",
        decline_code="insufficient_funds",
        message="Your card has insufficient funds.",
    ),
    "chargeDeclinedLostCard": Card(
        last4="9987", code="card_declined", decline_code="lost_card", message="Your card was declined."
    ),
    "chargeDeclinedStolenCard": Card(
        last4="9979", code="card_declined", decline_code="stolen_card", message="Your card was declined."
    ),
    "chargeDeclinedExpiredCard": Card(last4="0069", code="expired_card", message="Your card has expired."),
    "chargeDeclinedIncorrectCvc": Card(
        last4="0127", code="incorrect_cvc", message="Your card's security code is incorrect."
    ),
    "chargeDeclinedProcessingError": Card(
        last4="0119",
        code="processing_error",
        message="An error occurred while processing your card. Try again in a little bit.",
    ),
    "authenticationRequired": Card(
        last4="3184",
        code="authentication_required",
        decline_code="authentication_required",
        message="Your card was declined. This transaction requires authentication.",
    ),
}

# Stripe writes some of the declining ones with the brand in the name, some without; both are understood.
CARDS = _PAYS | {f"pm_card_{brand}{name}": card for name, card in _DECLINES.items() for brand in ("", "visa_")}
