"""Paying: the instruction is written down, then the provider is asked for its page, then the page is noted.

Between the transactions anything may fail; the same instruction is taken up again under the same id, so the buyer can
press the button as often as they like and pays once.
"""

from __future__ import annotations

from uuid import UUID

from flask import url_for

from ewaste.accounts.models import WORKER
from ewaste.core.ids import ORDER, read_code
from ewaste.core.refusals import Conflict
from ewaste.journey import settlement
from ewaste.payments.gateway import GatewayProblem, Misconfigured, PaymentState, Refused, Unreachable
from ewaste.web.edge import actor, now, runtime, transaction


def open_checkout(code: str) -> str:
    """The address of the provider's page on which this order is paid.

    Raises `Conflict` when the order is not to be paid any more, or the provider cannot be reached.
    """
    errand = _start(code)
    if errand.reference is not None:
        errand = _look_again(code, errand)
    # Our own address, never the one that the request names; and the code as we spell it, or the key would not fit.
    back = runtime().config.public_url + url_for("market.order", code=read_code(code, ORDER) or code)
    try:
        page = runtime().gateway.checkout(
            errand.instruction_id,
            errand.amount,
            errand.description,
            success_url=back,
            cancel_url=back,
            group=errand.group,
            email=errand.party_email,
        )
    except (Unreachable, Misconfigured) as error:
        raise Conflict("The payment provider does not answer. Nothing was paid. Try again in a minute.") from error
    except GatewayProblem as error:
        raise Conflict(f"The payment provider refused: {error.message} Nothing was paid.") from error
    with transaction() as session:
        settlement.note_checkout(session, errand.instruction_id, page.reference)
    return page.url


def refresh(instruction_id: UUID, reference: str) -> None:
    """Read a payment again at the provider and note how it stands; the page shows it at once, webhook or not."""
    try:
        payment = runtime().gateway.payment_status(reference)
    except GatewayProblem:
        return  # The webhook, or the next look, will tell.
    with transaction() as session:
        settlement.require_asked(session, instruction_id, payment)
        settlement.note_payment(
            session, WORKER, instruction_id, payment.state, payment.reference, payment.reason, now=now()
        )


def _start(code: str) -> settlement.Errand:
    with transaction() as session:
        return settlement.start_payment(session, actor(), code, practice=runtime().config.training, now=now())


def _look_again(code: str, errand: settlement.Errand) -> settlement.Errand:
    """A page was opened before. If it was paid, note that; if it closed, begin anew; else it is opened again."""
    try:
        payment = runtime().gateway.payment_status(errand.reference or "")
    except Refused as error:
        raise Conflict(f"The payment provider refused: {error.message}") from error
    except GatewayProblem as error:
        raise Conflict("The payment provider does not answer. Nothing was paid. Try again in a minute.") from error
    if payment.state in (PaymentState.SUCCEEDED, PaymentState.FAILED):
        with transaction() as session:
            settlement.require_asked(session, errand.instruction_id, payment)
            settlement.note_payment(
                session, WORKER, errand.instruction_id, payment.state, payment.reference, payment.reason, now=now()
            )
        return _start(code)
    return errand
