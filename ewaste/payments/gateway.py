"""The port to a payment provider: what the marketplace asks of it, and how it may answer.

Every call that moves money carries the id of a payment instruction that was committed beforehand. That id is
the idempotency key: the same call with the same id moves the money once, however often it is sent. Providers
forget keys after a day, so an instruction that is older and without an answer is looked up with `find` and
never sent again blindly.

What the caller does about each problem:

=================== =============================================== ===========================================
problem             what happened                                   what to do
=================== =============================================== ===========================================
Declined            the payer's bank said no; nothing moved         fail the instruction, tell the payer
Refused             the provider will not do this; nothing moved    fail the instruction; a person looks
InsufficientBalance our own balance does not reach; nothing moved   fail it, and write a new one once funded
Unreachable         no answer; it may have happened                 send again under the same id
Uncertain           the provider failed (5xx); it may have happened `find`; never a new id before one knows
Misconfigured       our key or rights are wrong; nothing moved      keep the instruction, alert staff
BadEvent            not signed by the provider, or too old          answer 400 and forget it
=================== =============================================== ===========================================

The marketplace uses no more yet than payment pages, transfers to sellers and refunds. A charge without the payer
present (`collect`), a hold near the close of an auction (`collect` with `hold`, then `capture` or `abandon`) and our
own `balance` are what the port offers next; only the tests call them today.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from ewaste.core.money import Money


class Kind(enum.StrEnum):
    """The kinds of movement, as the provider keeps them apart."""

    CHECKOUT = "checkout"  # a buyer pays on the provider's page
    COLLECTION = "collection"  # we charge a saved payment method
    TRANSFER = "transfer"  # we pay a payee
    REFUND = "refund"  # a payment goes back


class PaymentState(enum.StrEnum):
    """How far a movement has come. Succeeded and failed are final."""

    OPEN = "open"  # waits for the payer
    PROCESSING = "processing"  # waits for the bank
    HELD = "held"  # reserved on the card until captured or abandoned
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # will not move money


@dataclass(frozen=True, slots=True)
class Payment:
    """A movement of money as the provider has it now. `returned` is what was refunded or reversed of it."""

    reference: str
    kind: Kind
    state: PaymentState
    amount: Money
    returned: Money
    instruction_id: UUID | None
    practice: bool
    reason: str = ""  # why it failed, for people


@dataclass(frozen=True, slots=True)
class Checkout:
    """The provider's page on which a buyer pays. It closes unpaid after a day."""

    reference: str
    url: str


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """Something the provider says has happened. `object_reference` is to be read again with `payment_status`.

    `kind` is the provider's own word, such as `checkout.session.completed`. Events come twice and in any order.
    """

    id: str
    kind: str
    object_reference: str
    instruction_id: UUID | None
    practice: bool


@dataclass(frozen=True, slots=True)
class Balance:
    """Our own money at the provider in one currency."""

    available: Money
    pending: Money


class GatewayProblem(Exception):
    """The provider did not do what it was asked. The message is for staff; `code` is the provider's word."""

    def __init__(self, message: str, *, code: str = "", reference: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.reference = reference  # the provider's object, where there is one


class Declined(GatewayProblem):
    """The payer's bank said no. The message may be shown to the payer."""


class Refused(GatewayProblem):
    """The provider will never do this as asked; nothing moved."""


class InsufficientBalance(Refused):
    """Our own balance does not reach. The id of this instruction is spent; a new one may be written later."""


class Unreachable(GatewayProblem):
    """No answer. The money may have moved; sending again under the same id is safe for a day."""


class Uncertain(GatewayProblem):
    """The provider failed in the middle. The money may have moved; the same id may only repeat the failure: `find`."""


class Misconfigured(GatewayProblem):
    """Our key is wrong or lacks a right. Nothing moved."""


class BadEvent(GatewayProblem):
    """The event was not signed by the provider for us, or is too old."""


class Gateway(Protocol):
    """A payment provider. Each method may raise any `GatewayProblem` but `BadEvent`, unless it says otherwise."""

    @property
    def practice(self) -> bool:
        """Whether this is practice money: the practice provider, or the provider's own test mode."""

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
        """Opens a page on which the buyer pays once. Card data never touches our own pages."""

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
        """Charges a saved payment method without the payer present; with `hold`, only reserves the amount."""

    def capture(self, instruction_id: UUID, reference: str, amount: Money) -> Payment:
        """Takes a held amount or a part of it; the rest is released."""

    def abandon(self, reference: str) -> Payment:
        """Closes an open checkout page or releases a hold, for good. Refused when it was paid meanwhile."""

    def payment_status(self, reference: str) -> Payment:
        """Reads a payment, transfer or refund again, by the reference of any of them."""

    def open_payee(self, party_id: UUID, email: str, country: str) -> str:
        """Opens the provider's account of a person we pay, and returns its reference. `country` is ISO 3166."""

    def payee_ready(self, payee: str) -> bool:
        """Whether the provider will pay this payee now."""

    def payee_page(self, payee: str, *, return_url: str, refresh_url: str) -> str:
        """The provider's page where the payee gives bank details. Good for minutes: fetch it when it is clicked."""

    def transfer(
        self, instruction_id: UUID, amount: Money, payee: str, *, group: str = "", description: str = ""
    ) -> Payment:
        """Pays a payee from our balance. Raises InsufficientBalance when it does not reach."""

    def refund(self, instruction_id: UUID, payment_reference: str, amount: Money) -> Payment:
        """Gives back a payment or a part of it; `payment_reference` is that of the checkout or collection."""

    def balance(self) -> tuple[Balance, ...]:
        """Our own money at the provider, one entry for each currency."""

    def find(self, instruction_id: UUID, kind: Kind, *, since: datetime) -> tuple[Payment, ...]:
        """What the provider holds under this instruction, newest first: nothing, or one movement.

        Reads the provider's list from `since` on (when the instruction was written), which is complete at once;
        a search index is not.
        """

    def event(self, raw_body: bytes, signature: str) -> GatewayEvent:
        """Checks the signature over the bytes as they came, and their age (300 s). Raises BadEvent."""
