"""After a sale: a buyer disputes a device, centre and desk answer, the desk decides, money and device go back.

Money that was decided to go back leaves the sales and is owed to the buyer at once; it is sent by the worker, and the
dispute is closed when the provider says it arrived. A device that is to come back first is refunded when the centre
received it. Rows are locked in the order of every step: the device, its order, the dispute, the payment.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Person, Role
from ewaste.accounts.policy import Action
from ewaste.core import mail
from ewaste.core.ids import read_code
from ewaste.core.money import Money, in_words
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device
from ewaste.market import deadlines, disputes, orders, watching
from ewaste.market.models import Dispute, DisputeOutcome, DisputeReason, DisputeState, Order
from ewaste.payments import instructions, ledger
from ewaste.payments.ledger import Account, Side
from ewaste.payments.models import InstructionKind, InstructionState

OUTCOME_WORDS = {
    DisputeOutcome.REFUND: "The price of the device goes back to you; you need not send it back.",
    DisputeOutcome.PARTIAL: "You keep the device, and a part of its price goes back to you.",
    DisputeOutcome.REJECTED: "We do not follow it. Nothing is refunded.",
    DisputeOutcome.RETURN: "Bring the device back to the centre; its price goes back to you once it is there.",
}
WITHDRAWN = "You withdrew from the purchase. That needs no reason and no decision."


def open_dispute(
    session: Session, actor: Actor, order_code: str, device_code: str, *, reason: str, text: str, now: datetime
) -> Dispute:
    """The buyer says what is wrong with a device of an order, or withdraws. The same form twice opens one dispute.

    A private buyer's withdrawal is decided by itself: the device comes back, then the money does.
    """
    order = orders.find(session, order_code)
    policy.require(actor, Action.DISPUTE, owner=order.person_id, organisation=order.organisation_id)
    bare = read_code(device_code, "D")
    device_id = session.scalar(sa.select(Device.id).where(Device.code == bare)) if bare else None
    if device_id is None or device_id not in orders.devices(session, order):
        raise Invalid("Choose a device of this order.", field="device")
    device = custody.find(session, device_id)
    order = orders.by_id(session, order.id)
    standing = disputes.live(session, order.id, device.id)
    if standing is not None:
        return standing
    if order.handed_over_at is not None and device.state is not State.DELIVERED:
        raise Conflict(f"This device is {custody.words(device.state)}: it cannot be disputed any more.")
    dispute = disputes.open_one(
        session,
        order,
        device_id=device.id,
        reason=reason,
        text=text,
        private=actor.role is Role.CONSUMER,
        by=_person(actor),
        now=now,
    )
    if dispute.reason is DisputeReason.WITHDRAWAL:
        disputes.decide(session, dispute, DisputeOutcome.RETURN, amount_minor=None, text=WITHDRAWN, by=None, now=now)
        _tell_buyer(session, order, dispute, _return_words(dispute), "decided", now)
    else:
        _tell_buyer(
            session,
            order,
            dispute,
            "We have your dispute. The centre answers first, by "
            f"{watching.on_day(deadlines.answer_until(now))}; then our desk decides, with its answer or without.",
            "opened",
            now,
        )
    watching.write_to_firm(
        session,
        order.centre_id,
        subject=f"{disputes.word(dispute).capitalize()} {dispute.code}: device {device.code}",
        text=f"The buyer of device {device.code} (order {order.code}) says: {dispute.reason.value.replace('-', ' ')}."
        f"{_answer_words(dispute) if dispute.state is DisputeState.OPEN else ''}\n\n"
        f"{{site}}/disputes/{dispute.code}\n",
        key=f"dispute opened {dispute.id} centre",
        now=now,
    )
    return dispute


def answer_dispute(session: Session, actor: Actor, code: str, *, text: str, now: datetime) -> Dispute:
    """The centre, the desk or the buyer says something before it is decided."""
    dispute, order = _find(session, actor, Action.ANSWER_DISPUTE, code)
    disputes.answer(session, dispute, text, by=_person(actor), now=now)
    if actor.id != dispute.opened_by:
        said = f"There is an answer to your dispute:\n\n{text.strip()[:1500]}"
        _tell_buyer(session, order, dispute, said, f"answered {clock_key(now)}", now)
    return dispute


def decide_dispute(
    session: Session,
    actor: Actor,
    code: str,
    *,
    outcome: str,
    amount_minor: int | None,
    text: str,
    practice: bool,
    unheard: bool = True,
    now: datetime,
) -> Dispute:
    """Staff decide, with the reason. What goes back without the device is instructed at once.

    Whoever does not mean to leave the centre `unheard` is asked, as long as it may answer. The same decision sent twice
    is one.
    """
    policy.require(actor, Action.DECIDE_DISPUTE)
    dispute, order = _find(session, actor, Action.DECIDE_DISPUTE, code)
    if outcome not in set(DisputeOutcome):
        raise Invalid("Choose what is decided.", field="outcome")
    said = disputes.require_text(text, least=10)
    chosen = DisputeOutcome(outcome)
    if dispute.outcome is chosen and (chosen is not DisputeOutcome.PARTIAL or amount_minor == dispute.refund_minor):
        return dispute
    answer_by = deadlines.answer_until(dispute.opened_at)
    if dispute.state is DisputeState.OPEN and now <= answer_by and not unheard:
        raise Invalid(
            f"The centre did not answer yet; it has until {watching.on_day(answer_by)}. Wait, or tick that you decide "
            "without it.",
            field="unheard",
        )
    disputes.decide(session, dispute, chosen, amount_minor=amount_minor, text=said, by=_person(actor), now=now)
    if chosen in (DisputeOutcome.REFUND, DisputeOutcome.PARTIAL):
        _give_back(session, actor, order, dispute, practice=practice, now=now)
    if order.lot_id is not None:
        orders.settle_when_done(session, order, now=now)
    amount = in_words(dispute.refund_minor, dispute.currency)
    told = f"{OUTCOME_WORDS[chosen]}" + (f" It is {amount}." if dispute.refund_minor else "")
    if chosen is DisputeOutcome.RETURN:
        told = _return_words(dispute)
    _tell_buyer(session, order, dispute, f"{told}\n\nThe reason: {said}", "decided", now)
    return dispute


def lapse_dispute(session: Session, actor: Actor, code: str, *, text: str, now: datetime) -> Dispute:
    """Staff close a dispute whose device did not come back in time; nothing is refunded. Twice is once."""
    policy.require(actor, Action.DECIDE_DISPUTE)
    dispute, order = _find(session, actor, Action.DECIDE_DISPUTE, code)
    said = disputes.require_text(text, least=10)
    if dispute.state is DisputeState.CLOSED and dispute.outcome is DisputeOutcome.RETURN:
        return dispute
    if dispute.state is not DisputeState.DECIDED or dispute.return_by is None or dispute.returned_at is not None:
        raise Conflict("This dispute does not wait for a device. Nothing changed.")
    if now <= dispute.return_by:
        raise Conflict(f"The buyer has until {watching.on_day(dispute.return_by)} to bring it back. Wait for that.")
    dispute.refund_minor = 0
    disputes.close(session, dispute, said, by=_person(actor), now=now)
    _tell_buyer(
        session,
        order,
        dispute,
        f"The device did not come back in time, so nothing is refunded. The reason: {said}",
        "closed",
        now,
    )
    return dispute


def refund_returned(session: Session, actor: Actor, dispute_id: UUID, *, practice: bool, now: datetime) -> bool:
    """The worker: the device of a dispute is back, so its price goes back. False when that was done already."""
    policy.require(actor, Action.RUN_JOBS)
    about = session.get(Dispute, dispute_id)
    if about is None:
        return False
    order = orders.by_id(session, about.order_id)
    dispute = disputes.by_id(session, dispute_id)
    if dispute.state is not DisputeState.DECIDED or dispute.returned_at is None:
        return False
    if instructions.find_live(session, InstructionKind.REFUND, dispute.id) is not None:
        return False
    _give_back(session, actor, order, dispute, practice=practice, now=now)
    _tell_buyer(session, order, dispute, "The device is back. We send your money now.", "returned", now)
    return True


def clock_key(now: datetime) -> str:
    """A moment as part of a letter's key."""
    return f"{now:%Y%m%dT%H%M%S%f}"


def _give_back(
    session: Session, actor: Actor, order: Order, dispute: Dispute, *, practice: bool, now: datetime
) -> None:
    """The amount leaves the sales and is owed to the buyer; the worker sends it to where the payment came from."""
    paid = instructions.find_live(session, InstructionKind.COLLECT, order.id)
    if paid is None or paid.state is not InstructionState.SUCCEEDED:
        raise Conflict("No payment is noted for this order, so nothing can go back. Look at its payments first.")
    amount = Money(dispute.refund_minor, dispute.currency)
    ledger.post(
        session,
        f"credit {dispute.id}",
        "dispute.credited",
        [Side(Account.SALES, amount), Side(Account.BUYERS, -amount, paid.party_id)],
        subject_id=order.id,
        now=now,
    )
    instructions.instruct(
        session,
        InstructionKind.REFUND,
        subject_id=dispute.id,
        party_id=paid.party_id,
        amount=amount,
        description=f"Refund of order {order.code}, dispute {dispute.code}",
        practice=practice,
        of_reference=paid.provider_reference,
        by=actor,
        now=now,
    )


def _find(session: Session, actor: Actor, action: Action, code: str) -> tuple[Dispute, Order]:
    """The dispute and its order, locked after its device, if this actor may."""
    about = disputes.find(session, code)
    order = session.get_one(Order, about.order_id)
    _require(actor, action, about, order)
    custody.find(session, about.device_id)
    order = orders.by_id(session, order.id)
    return disputes.by_id(session, about.id), order


def _require(actor: Actor, action: Action, dispute: Dispute, order: Order) -> None:
    policy.require(actor, action, owner=order.person_id, centre=dispute.centre_id, organisation=order.organisation_id)


def _answer_words(dispute: Dispute) -> str:
    until = watching.on_day(deadlines.answer_until(dispute.opened_at))
    return f"\n\nAnswer by {until}. After that our desk may decide without you."


def _return_words(dispute: Dispute) -> str:
    until = f" by {watching.on_day(dispute.return_by)}" if dispute.return_by else ""
    return (
        f"Bring the device back to the centre{until}. Once it is there, "
        f"{in_words(dispute.refund_minor, dispute.currency)} go back to where your payment came from."
    )


def _tell_buyer(session: Session, order: Order, dispute: Dispute, text: str, occasion: str, now: datetime) -> None:
    subject = f"{disputes.word(dispute).capitalize()} {dispute.code}, order {order.code}"
    body = f"{text}\n\n{{site}}/disputes/{dispute.code}\n"
    key = f"dispute {dispute.id} {occasion}"
    if order.organisation_id is not None:
        watching.write_to_firm(session, order.organisation_id, subject=subject, text=body, key=key, now=now)
        return
    person = session.get(Person, order.person_id)
    if person is None:
        raise NotFound("This order has no buyer.")
    mail.write(session, to=person.email, name=person.name, subject=subject, text=body, key=key, now=now)


def _person(actor: Actor) -> UUID:
    if actor.id is None:
        raise NotAllowed("Sign in first.")
    return actor.id
