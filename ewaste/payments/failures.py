"""What a provider's refusal means, and what to do next. Pure: words in, words out.

A failure is kept as the provider said it, with its code behind it in brackets, so that it can be looked up there.
"""

from __future__ import annotations

import re

_ACCOUNT = "The payee’s account at the provider cannot take money. Ask the payee to look at it, then write it anew."
_CARD_GONE = "The card was closed or reported lost. Ask the buyer where else the money may go, and pay it by hand."
MEANINGS = {
    "account_closed": _ACCOUNT,
    "account_invalid": _ACCOUNT,
    "insufficient_capabilities_for_transfer": _ACCOUNT,
    "transfers_not_allowed": _ACCOUNT,
    "no_account": _ACCOUNT,
    "balance_insufficient": "Our balance at the provider did not reach. It is tried again by itself; fund the balance.",
    "insufficient_funds": "Our balance at the provider did not reach. Fund it, then write the payment anew.",
    "charge_already_refunded": "The provider has given this money back already. Look it up there before anything else.",
    "charge_disputed": "The buyer’s bank disputes the payment, so it decides about the money. Look it up there.",
    "charge_for_pending_refund_disputed": "The buyer’s bank disputes the payment, so it decides. Look it up there.",
    "expired_or_canceled_card": _CARD_GONE,
    "lost_or_stolen_card": _CARD_GONE,
    "declined": "The buyer’s bank did not take the money back. Ask the buyer where else it may go.",
    "idempotency_error": "The provider knows this number with another amount. Nothing moved; tell who runs the server.",
    "resource_missing": "The provider does not know the payee or payment any more. Ask the payee to give details anew.",
    "amount_out_of_bounds": "The amount is outside of what can be paid at once. Pay it by hand.",
    "generic_decline": "The bank said no, without a reason. Ask the payee to ask there.",
    "unknown": "The provider gave no reason. Look it up there.",
}
_CODE = re.compile(r"\[([a-z0-9_]+)\]$")


def said(message: str, code: str) -> str:
    """A refusal to be kept: the provider's words, and its code."""
    return f"{message} [{code}]" if code and code != message else message


def meaning(failure: str | None) -> str | None:
    """What it means and what to do next; None for words of our own, or a code that we do not know."""
    if not failure:
        return None
    found = _CODE.search(failure)
    return MEANINGS.get(found[1] if found else failure)


def plain(failure: str | None) -> str | None:
    """The words without the code, for the seller; None when there are none but a code."""
    if not failure or failure in MEANINGS:
        return None
    return _CODE.sub("", failure).strip() or None
