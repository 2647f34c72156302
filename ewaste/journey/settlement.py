"""The last leg: money in and out, the hand-over, and what became of each device.

What reaches the provider is done between two transactions by the worker or the web: `prepare_*` writes down that it is
about to be asked, `note_payment` notes the answer. Both may be repeated.

Rows are locked in one order everywhere, so that no two steps wait for each other: devices (by id), lot or listing,
order, payment instruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor, Organisation, Person, Role
from ewaste.accounts.policy import Action
from ewaste.core import mail
from ewaste.core.ids import read_code
from ewaste.core.money import Money, in_words
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices import custody, notices
from ewaste.devices.lifecycle import State
from ewaste.devices.models import CustodyEvent, Device, Title
from ewaste.market import defaults, disputes, lots, orders, watching
from ewaste.market.models import Dispute, Lot, LotLine, LotState, Order, OrderState, SecondOffer
from ewaste.payments import instructions, ledger
from ewaste.payments.gateway import Kind, Payment, PaymentState
from ewaste.payments.ledger import Account, Side
from ewaste.payments.models import (
    GatewayEventRow,
    InstructionKind,
    InstructionState,
    Payee,
    PaymentInstruction,
)
from ewaste.processing import outcomes
from ewaste.processing.models import Outcome, OutcomeReport


@dataclass(frozen=True)
class Errand:
    """What the provider is to be asked, read in one transaction and carried out after it."""

    instruction_id: UUID
    kind: InstructionKind
    amount: Money
    description: str
    group: str
    written_at: datetime
    attempts: int
    party_id: UUID
    party_email: str
    party_country: str
    payee: str | None
    of_reference: str | None
    reference: str | None


def start_payment(session: Session, actor: Actor, code: str, *, practice: bool, now: datetime) -> Errand:
    """Step 12. The buyer is about to pay: the instruction is written down, or the live one taken up again."""
    order = orders.find(session, code)
    policy.require(actor, Action.PAY_ORDER, owner=order.person_id, organisation=order.organisation_id)
    order = orders.by_id(session, order.id)
    if order.state is not OrderState.AWAITING_PAYMENT:
        raise Conflict(f"This order is {order.state.value.replace('-', ' ')}. There is nothing to pay.")
    instruction = instructions.instruct(
        session,
        InstructionKind.COLLECT,
        subject_id=order.id,
        party_id=_buyer(order),
        amount=Money(order.amount_minor, order.currency),
        description=f"Order {order.code}",
        practice=practice,
        by=actor,
        now=now,
    )
    instructions.mark_sent(session, instruction, now=now)
    return _errand(session, instruction)


def note_checkout(session: Session, instruction_id: UUID, reference: str) -> None:
    """Note the provider's page on which the buyer pays."""
    instruction = instructions.find(session, instruction_id)
    if instruction.provider_reference is None:
        instruction.provider_reference = reference
        session.flush()


def prepare_payment(session: Session, actor: Actor, instruction_id: UUID, *, now: datetime) -> Errand | None:
    """A payout or refund is about to be sent. None when it is over."""
    policy.require(actor, Action.RUN_JOBS)
    instruction = instructions.find(session, instruction_id)
    if instruction.state in (InstructionState.SUCCEEDED, InstructionState.FAILED):
        return None
    instructions.mark_sent(session, instruction, now=now)
    return _errand(session, instruction)


def note_payee(session: Session, party_id: UUID, reference: str, *, practice: bool, now: datetime) -> None:
    """Note the provider's account of a person we pay."""
    if session.get(Payee, party_id) is None:
        session.add(Payee(party_id=party_id, reference=reference, practice=practice, opened_at=now))
        session.flush()


def note_payment(
    session: Session,
    actor: Actor,
    instruction_id: UUID,
    state: PaymentState,
    reference: str,
    why: str,
    *,
    now: datetime,
) -> str:
    """Note how a payment stands at the provider, with everything that follows from it, once. Returns what happened."""
    policy.require(actor, Action.RUN_JOBS)
    about = session.get(PaymentInstruction, instruction_id)
    order, dispute = None, None
    if about is not None and about.kind is not InstructionKind.PAY_OUT:
        # The order, and the dispute, before their payment: the order of every step.
        order, dispute = _owed_for(session, about.subject_id)
    instruction = instructions.find(session, instruction_id)
    if instruction.state is InstructionState.SUCCEEDED:
        return "known already"
    if instruction.state is InstructionState.FAILED:
        # What we gave up may still succeed. It is taken in, so that the same money is not sent a second time.
        if state is not PaymentState.SUCCEEDED:
            return "known already"
        if not _make_way(session, instruction, now):
            return "it succeeded late, beside another payment for the same thing: a person must look"
    if state is PaymentState.FAILED:
        instructions.fail(session, instruction, why or "the provider refused it", now=now)
        return "payment failed"
    if state is not PaymentState.SUCCEEDED:
        return "still under way"
    instructions.succeed(session, instruction, reference, now=now)
    amount = Money(instruction.amount_minor, instruction.currency)
    if order is None:
        _post(
            session,
            instruction,
            "seller.paid",
            [Side(Account.SELLERS, amount, instruction.party_id), Side(Account.PROVIDER, -amount)],
            now,
        )
        notices.seller_paid(session, instruction.subject_id, payment_id=instruction.id, amount=amount, now=now)
        return "seller paid"
    if instruction.kind is InstructionKind.COLLECT:
        _post(
            session,
            instruction,
            "order.paid",
            [Side(Account.PROVIDER, amount), Side(Account.BUYERS, -amount, instruction.party_id)],
            now,
        )
        if order.state is OrderState.AWAITING_PAYMENT:
            order.state, order.paid_at = OrderState.PAID, now
            session.flush()
            orders.give_invoice_number(session, order, now=now)
            _tell_of_payment(session, order, now)
            return "order paid"
        _tell_of_refund(session, order, f"Your payment for order {order.code} came after the order was over.", now)
        _instruct_refund(session, actor, order, instruction, "paid after the order was over", now)
        return "paid too late; refund instructed"
    _post(
        session,
        instruction,
        "order.refunded",
        [Side(Account.BUYERS, amount, instruction.party_id), Side(Account.PROVIDER, -amount)],
        now,
    )
    _refunded(session, order, dispute, amount, now)
    return "buyer refunded"


def send_later(session: Session, actor: Actor, instruction_id: UUID, why: str, *, at: datetime) -> None:
    """A payment cannot be sent yet, for a reason that is nobody's failure. It is tried again under the same id."""
    policy.require(actor, Action.RUN_JOBS)
    waiting = instructions.find(session, instruction_id)
    waiting.failure = why[:500]
    session.flush()
    instructions.send_later(session, waiting, at=at)


def pay_later(
    session: Session, actor: Actor, instruction_id: UUID, why: str, *, not_before: datetime, now: datetime
) -> None:
    """Our balance at the provider did not reach. This instruction is spent; a new one waits until `not_before`."""
    policy.require(actor, Action.RUN_JOBS)
    spent = instructions.find(session, instruction_id)
    if spent.state in (InstructionState.SUCCEEDED, InstructionState.FAILED):
        return
    instructions.fail(session, spent, why, now=now)
    _write_anew(session, actor, spent, not_before=not_before, now=now)


def pay_again(session: Session, actor: Actor, instruction_id: UUID, *, now: datetime) -> PaymentInstruction:
    """Staff write a payout or refund that failed anew, once its reason is settled. The new one is the only live one."""
    policy.require(actor, Action.PAY_AGAIN)
    about = session.get(PaymentInstruction, instruction_id)
    if about is None:
        raise NotFound("There is no such payment.")
    session.execute(  # All that was ever tried for this subject, locked: of two people who press, one writes.
        sa.select(PaymentInstruction.id)
        .where(PaymentInstruction.kind == about.kind, PaymentInstruction.subject_id == about.subject_id)
        .order_by(PaymentInstruction.id)
        .with_for_update()
    )
    spent = instructions.find(session, instruction_id)
    if spent.kind is InstructionKind.COLLECT:
        raise Conflict("A buyer's payment is not written anew here: the buyer pays again on the page of the order.")
    if spent.state is not InstructionState.FAILED:
        raise Conflict("This payment did not fail. Nothing changed.")
    if instructions.find_live(session, spent.kind, spent.subject_id) is not None:
        raise Conflict("This payment was written anew already. Nothing changed.")
    return _write_anew(session, actor, spent, not_before=None, now=now)


def refund_order(session: Session, actor: Actor, code: str, *, reason: str, now: datetime) -> Order:
    """Staff give the money of a paid order back before the hand-over; its devices go back to their ways."""
    policy.require(actor, Action.REFUND_ORDER)
    order = _locked(session, orders.find(session, code).id)
    if order.state is not OrderState.PAID:
        raise Conflict("Only an order that is paid and not handed over can be refunded here.")
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why, in 3 to 500 characters.", field="reason")
    paid = instructions.find_live(session, InstructionKind.COLLECT, order.id)
    if paid is None:
        raise Conflict("No payment is noted for this order.")
    _undo_sale(session, actor, order, OrderState.REFUNDED, reason.strip(), now)
    _instruct_refund(session, actor, order, paid, reason.strip(), now)
    _tell_of_refund(session, order, f"Our desk called off order {order.code}. The reason: {reason.strip()}", now)
    return order


def prepare_expiry(session: Session, actor: Actor, order_id: UUID, *, now: datetime) -> Errand | None:
    """The buyer's time to pay has run out. What is still open at the provider is to be closed first; else None."""
    policy.require(actor, Action.RUN_JOBS)
    order = orders.by_id(session, order_id)
    if order.state is not OrderState.AWAITING_PAYMENT or now < order.pay_by:
        return None
    live = instructions.find_live(session, InstructionKind.COLLECT, order.id)
    return _errand(session, live) if live is not None and live.provider_reference else None


def expire_order(session: Session, actor: Actor, order_id: UUID, *, now: datetime) -> bool:
    """An order that was not paid in time is over; its devices go back to their ways. False when it was paid."""
    policy.require(actor, Action.RUN_JOBS)
    order = _locked(session, order_id)
    if order.state is not OrderState.AWAITING_PAYMENT:
        return False
    if now < order.pay_by:  # Asked too early, by a clock that is ahead of ours.
        orders.expire_later(session, order)
        return False
    live = instructions.find_live(session, InstructionKind.COLLECT, order.id)
    if live is not None:
        instructions.fail(session, live, "not paid in time", now=now)
    lot = session.get(Lot, order.lot_id) if order.lot_id else None
    second = defaults.runner_up(session, lot, order) if lot is not None else None
    _undo_sale(
        session, actor, order, OrderState.DEFAULTED, "the buyer did not pay in time", now, keep=second is not None
    )
    suspended = defaults.record(session, order, now=now)
    _tell_of_default(session, order, suspended, now)
    if lot is not None and second is not None:
        _tell_runner_up(session, lot, defaults.offer(session, lot, order, second, now=now), now)
    return True


def withdraw_order(session: Session, actor: Actor, code: str, *, now: datetime) -> Order:
    """A private buyer withdraws before the device is collected: no reason is needed, and all of the money goes back.

    Doing so twice is doing it once.
    """
    order = orders.find(session, code)
    policy.require(actor, Action.PAY_ORDER, owner=order.person_id, organisation=order.organisation_id)
    order = _locked(session, order.id)
    if order.listing_id is None or actor.role is not Role.CONSUMER:
        raise Conflict("Only a private buyer withdraws without a reason. Write to our desk if something went wrong.")
    if order.state is OrderState.REFUNDED:
        return order
    if order.state is not OrderState.PAID:
        raise Conflict("Only an order that is paid and not collected is withdrawn here.")
    paid = instructions.find_live(session, InstructionKind.COLLECT, order.id)
    if paid is None:
        raise Conflict("No payment is noted for this order. Write to our desk.")
    why = "the buyer withdrew before collecting it"
    _undo_sale(session, actor, order, OrderState.REFUNDED, why, now)
    _instruct_refund(session, actor, order, paid, why, now)
    _tell_of_refund(session, order, f"You withdrew from order {order.code}. You need do nothing more.", now)
    return order


def hand_over(session: Session, actor: Actor, collection_code: str, *, now: datetime) -> Order:
    """Step 13. The buyer shows the code; the centre hands the devices over; title and custody pass."""
    policy.require(actor, Action.HAND_OVER, centre=actor.organisation_id)
    order = _locked(session, orders.by_collection_code(session, actor.organisation_id, collection_code).id)
    if order.state is not OrderState.PAID:
        raise Conflict(f"This order is {order.state.value.replace('-', ' ')}. Only a paid one is handed over.")
    for device_id in orders.devices(session, order):
        device = custody.find(session, device_id)
        if _sold_under(session, device) != order.code:
            raise Conflict(f"Device {device.code} was sold under another order since. Ask the desk for a refund.")
        evidence = {"order": order.code, "to": str(_buyer(order))}
        custody.move(session, device, State.DELIVERED, by=actor, evidence=evidence, now=now)
        custody.pass_title(session, device, Title.BUYER, by=actor, on="hand-over", now=now)
    order.state, order.handed_over_at = OrderState.HANDED_OVER, now
    if order.listing_id is not None:
        order.state, order.closed_at = OrderState.SETTLED, now
    session.flush()
    return order


def to_hand_over(session: Session, actor: Actor, collection_code: str) -> Order:
    """The paid order of this collection code, to be shown before anything is given away. Raises as `hand_over` does."""
    policy.require(actor, Action.HAND_OVER, centre=actor.organisation_id)
    order = orders.by_collection_code(session, actor.organisation_id, collection_code)
    if order.state is not OrderState.PAID:
        raise Conflict(f"This order is {order.state.value.replace('-', ' ')}. Only a paid one is handed over.")
    return order


def report_outcome(
    session: Session,
    actor: Actor,
    lot_code: str,
    device_code: str,
    *,
    outcome: str,
    fractions: Mapping[str, int],
    remark: str,
    now: datetime,
) -> OutcomeReport:
    """Step 14. The recycler tells what a device became. With the last device of the lot, the order is settled."""
    lot = lots.find(session, lot_code)
    order = session.scalar(
        sa.select(Order).where(Order.lot_id == lot.id, Order.state.in_([OrderState.HANDED_OVER, OrderState.SETTLED]))
    )
    policy.require(actor, Action.REPORT_OUTCOME, organisation=order.organisation_id if order else None)
    bare = read_code(device_code, "D")
    device_id = session.scalar(
        sa.select(LotLine.device_id)
        .join(Device, Device.id == LotLine.device_id)
        .where(LotLine.lot_id == lot.id, LotLine.released_at.is_(None), Device.code == bare)
    )
    if order is None or order.organisation_id is None or device_id is None or actor.id is None:
        raise NotFound("This device is not in a lot that you collected.")
    buyer = order.organisation_id
    device = custody.find(session, device_id)
    order = orders.by_id(session, order.id)
    if device.state is not State.DELIVERED:
        raise Conflict(f"You reported this device already: it is {custody.words(device.state)}.")
    licences = set(session.get_one(Organisation, buyer).licences)
    if outcome == Outcome.REMADE and licences <= {State.FOR_DISMANTLING.value.removeprefix("for_")}:
        raise Invalid(
            "Your firm is licensed to dismantle only, so it does not remake devices. Say in fractions what came out, "
            "or send our desk the papers of a licence for remanufacture.",
            field="outcome",
        )
    disputed = disputes.live(session, order.id, device.id)
    if disputed is not None:
        raise Conflict(
            f"Dispute {disputed.code} about this device is not over. Keep it whole, and report it after that."
        )
    kept = outcomes.report(
        session,
        device,
        organisation_id=buyer,
        outcome=outcome,
        fractions=fractions,
        mass_in_g=custody.mass_of(session, device.id),
        remark=remark,
        by=actor.id,
        now=now,
    )
    evidence = {"report": str(kept.id), "lot": lot.code, "massOutGrams": kept.mass_out_g}
    custody.move(session, device, State(kept.outcome.value), by=actor, evidence=evidence, now=now)
    orders.settle_when_done(session, order, now=now)
    return kept


def keep_event(
    session: Session, *, event_id: str, kind: str, object_reference: str, instruction_id: UUID | None, now: datetime
) -> bool:
    """Keep an event that the provider told us of. False when it came before."""
    if session.get(GatewayEventRow, event_id) is not None:
        return False
    session.add(
        GatewayEventRow(
            id=event_id,
            kind=kind,
            object_reference=object_reference,
            instruction_id=instruction_id,
            received_at=now,
            applied_at=None if instruction_id else now,
            effect=None if instruction_id else "not about a payment of ours",
        )
    )
    session.flush()
    return True


def apply_event(session: Session, actor: Actor, event_id: str, payment: Payment, *, now: datetime) -> str:
    """Apply an event, after its object was read again: the event and its effect are stored together, once."""
    policy.require(actor, Action.RUN_JOBS)
    row = session.scalar(sa.select(GatewayEventRow).where(GatewayEventRow.id == event_id).with_for_update())
    if row is None or row.applied_at is not None:
        return "known already"
    effect = "not about a payment of ours"
    told = session.get(PaymentInstruction, payment.instruction_id) if payment.instruction_id is not None else None
    if told is not None and not _is_what_was_asked(told, payment):
        effect = f"not what was asked: {payment.kind.value} of {payment.amount}"
    elif told is not None and payment.instruction_id is not None:
        effect = note_payment(
            session, actor, payment.instruction_id, payment.state, payment.reference, payment.reason, now=now
        )
    row.applied_at, row.effect = now, effect
    session.flush()
    return effect


def require_asked(session: Session, instruction_id: UUID, payment: Payment) -> None:
    """Refuse a payment of the provider's that is not what this instruction asked for. Raises `Conflict`."""
    if not _is_what_was_asked(session.get_one(PaymentInstruction, instruction_id), payment):
        raise Conflict(f"The provider moved {payment.amount} ({payment.kind.value}); that is not what was asked for.")


def dismiss_event(session: Session, actor: Actor, event_id: str, why: str, *, now: datetime) -> None:
    """The provider knows no payment behind an event: it is noted and nothing follows."""
    policy.require(actor, Action.RUN_JOBS)
    row = session.scalar(sa.select(GatewayEventRow).where(GatewayEventRow.id == event_id).with_for_update())
    if row is not None and row.applied_at is None:
        row.applied_at, row.effect = now, f"not about a payment of ours: {why}"[:500]
        session.flush()


def _owed_for(session: Session, subject_id: UUID) -> tuple[Order, Dispute | None]:
    """What a buyer's payment or refund is about: an order, or one dispute of it; both locked. Raises `NotFound`."""
    about = session.get(Dispute, subject_id)
    order = orders.by_id(session, about.order_id if about is not None else subject_id)
    return order, disputes.by_id(session, subject_id) if about is not None else None


def _refunded(session: Session, order: Order, dispute: Dispute | None, amount: Money, now: datetime) -> None:
    words = in_words(amount.amount_minor, amount.currency)
    text = f"{words} of order {order.code} went back to where the payment came from."
    if dispute is None:
        subject, key = f"Refunded: order {order.code}", f"order refunded {order.id}"
    else:
        disputes.refunded(session, dispute, now=now)
        text += f" With that, {disputes.word(dispute)} {dispute.code} is closed."
        subject, key = f"Refunded: {disputes.word(dispute)} {dispute.code}", f"dispute refunded {dispute.id}"
    text += f" It may take some days until you see them.\n\n{{site}}/orders/{order.code}\n"
    _write_to_buyer(session, order, subject=subject, text=text, key=key, now=now)


def _tell_of_payment(session: Session, order: Order, now: datetime) -> None:
    place = _place(session, order)
    many = "the devices" if order.lot_id is not None else "the device"
    _write_to_buyer(
        session,
        order,
        subject=f"Paid: order {order.code}. Collect at {place}"[: mail.SUBJECT],
        text=f"Paid: {in_words(order.amount_minor, order.currency)} for order {order.code}.\n\n"
        f"Your collection code is {order.collection_code}. Collect at {place}.\n"
        f"Show the code at the counter; the centre hands {many} over only against it. Keep it to yourself.\n\n"
        f"The order and its invoice stand here:\n{{site}}/orders/{order.code}\n",
        key=f"order paid {order.id}",
        now=now,
    )


def _tell_of_refund(session: Session, order: Order, why: str, now: datetime) -> None:
    _write_to_buyer(
        session,
        order,
        subject=f"Your money comes back: order {order.code}",
        text=f"{why}\n\n{in_words(order.amount_minor, order.currency)} go back to where your payment came from. We "
        f"write to you again when that is done.\n\n{{site}}/orders/{order.code}\n",
        key=f"order refund begun {order.id}",
        now=now,
    )


def _place(session: Session, order: Order) -> str:
    centre = session.get_one(Organisation, order.centre_id)
    return f"{centre.name}, {centre.city}"


def _tell_of_default(session: Session, order: Order, suspended: bool, now: datetime) -> None:
    after = (
        "This is not the first time, so your firm cannot bid until our desk has spoken with you. Answer this message."
        if suspended
        else "After the second time a firm cannot bid until our desk has spoken with it."
    )
    what = "The sale is undone." + (f" {after}" if order.organisation_id else " The device is free again.")
    _write_to_buyer(
        session,
        order,
        subject=f"Order {order.code} was not paid in time",
        text=f"Order {order.code} over {in_words(order.amount_minor, order.currency)} was to be paid by "
        f"{order.pay_by:%H:%M} UTC on {watching.on_day(order.pay_by)}. {what}\n\n{{site}}/orders/{order.code}\n",
        key=f"defaulted {order.id}",
        now=now,
    )


def _tell_runner_up(session: Session, lot: Lot, offer: SecondOffer, now: datetime) -> None:
    watching.write_to_firm(
        session,
        offer.organisation_id,
        subject=f"Lot {lot.code} is offered to you",
        text=f"The winner of “{lot.title}” ({lot.code}) did not pay. You bid second: you may have the lot for your own "
        f"highest bid, {in_words(offer.amount_minor, offer.currency)}. You need not take it.\n\n"
        f"Answer by {offer.answer_by:%H:%M} UTC on {watching.on_day(offer.answer_by)}; silence means no.\n\n"
        f"{{site}}/my-lots\n",
        key=f"second offer {offer.id}",
        now=now,
    )


def _write_to_buyer(session: Session, order: Order, *, subject: str, text: str, key: str, now: datetime) -> None:
    if order.organisation_id is not None:
        watching.write_to_firm(session, order.organisation_id, subject=subject, text=text, key=key, now=now)
        return
    person = session.get_one(Person, order.person_id)
    mail.write(session, to=person.email, name=person.name, subject=subject, text=text, key=key, now=now)


def _make_way(session: Session, late: PaymentInstruction, now: datetime) -> bool:
    """Give up the payment that was written anew for the same thing, if nobody was asked for it yet."""
    anew = instructions.find_live(session, late.kind, late.subject_id)
    if anew is None:
        return True
    anew = instructions.find(session, anew.id)
    if anew.state is not InstructionState.WRITTEN:
        return False
    instructions.fail(session, anew, "an earlier payment for the same thing succeeded after all", now=now)
    return True


def _locked(session: Session, order_id: UUID) -> Order:
    """The order, after its devices and its lot, all locked until the step ends."""
    order = session.get(Order, order_id)
    if order is None:
        raise NotFound("There is no such order.")
    for device_id in orders.devices(session, order):
        custody.find(session, device_id)
    if order.lot_id is not None:
        session.get(Lot, order.lot_id, with_for_update=True)
    return orders.by_id(session, order_id)


def _undo_sale(
    session: Session, actor: Actor, order: Order, state: OrderState, why: str, now: datetime, *, keep: bool = False
) -> None:
    """Move the devices back to their ways and the books back. With `keep`, a lot holds its devices: the runner-up is
    asked first."""
    for device_id in orders.devices(session, order):
        device = custody.find(session, device_id)
        if device.state is not State.SOLD or _sold_under(session, device) != order.code:
            continue
        came_from = session.scalar(
            sa.select(CustodyEvent.from_state)
            .where(
                CustodyEvent.device_id == device.id,
                CustodyEvent.to_state == State.SOLD,
                CustodyEvent.from_state != State.SOLD,
            )
            .order_by(CustodyEvent.seq.desc())
            .limit(1)
        )
        evidence = {"order": order.code, "because": why}
        custody.move(session, device, came_from or State.FOR_RESALE, by=actor, evidence=evidence, now=now)
    if order.lot_id is not None and not keep:
        lot = session.get_one(Lot, order.lot_id, with_for_update=True)
        lot.state = LotState.UNSOLD
        lots.release(session, lot.id, why, now=now)
    order.state, order.closed_at = state, now
    session.flush()
    ledger.reverse(
        session, f"undo {order.id}", f"sell {order.id}", f"order.{state.value}", subject_id=order.id, now=now
    )


def _write_anew(
    session: Session, actor: Actor, spent: PaymentInstruction, *, not_before: datetime | None, now: datetime
) -> PaymentInstruction:
    return instructions.instruct(
        session,
        spent.kind,
        subject_id=spent.subject_id,
        party_id=spent.party_id,
        amount=Money(spent.amount_minor, spent.currency),
        description=spent.description,
        practice=spent.practice,
        of_reference=spent.of_reference,
        not_before=not_before,
        by=actor,
        now=now,
    )


_KINDS = {
    InstructionKind.COLLECT: {Kind.CHECKOUT, Kind.COLLECTION},
    InstructionKind.PAY_OUT: {Kind.TRANSFER},
    InstructionKind.REFUND: {Kind.REFUND},
}


def _is_what_was_asked(instruction: PaymentInstruction, payment: Payment) -> bool:
    """Kind, amount, currency and practice agree. A payment that did not succeed need not say the full amount."""
    amount = Money(instruction.amount_minor, instruction.currency)
    same = payment.kind in _KINDS[instruction.kind] and payment.practice is instruction.practice
    return same and (payment.state is not PaymentState.SUCCEEDED or payment.amount == amount)


def _sold_under(session: Session, device: Device) -> str | None:
    """The code of the order under which the device was last sold: a lost and found device may be sold twice."""
    return session.scalar(
        sa.select(CustodyEvent.evidence["order"].as_string())
        .where(CustodyEvent.device_id == device.id, CustodyEvent.kind == "device.sold")
        .order_by(CustodyEvent.seq.desc())
        .limit(1)
    )


def _instruct_refund(
    session: Session, actor: Actor, order: Order, paid: PaymentInstruction, why: str, now: datetime
) -> None:
    instructions.instruct(
        session,
        InstructionKind.REFUND,
        subject_id=order.id,
        party_id=paid.party_id,
        amount=Money(paid.amount_minor, paid.currency),
        description=f"Refund of order {order.code}: {why}",
        practice=paid.practice,
        of_reference=paid.provider_reference,
        by=actor,
        now=now,
    )


def _errand(session: Session, instruction: PaymentInstruction) -> Errand:
    payee = session.get(Payee, instruction.party_id)
    person = session.get(Person, instruction.party_id)
    firm = session.get(Organisation, instruction.party_id) if person is None else None
    return Errand(
        instruction_id=instruction.id,
        kind=instruction.kind,
        amount=Money(instruction.amount_minor, instruction.currency),
        description=instruction.description,
        group=f"{instruction.kind.value} {instruction.subject_id}",
        written_at=instruction.written_at,
        attempts=instruction.attempts,
        party_id=instruction.party_id,
        party_email=person.email if person else "",
        party_country=firm.country if firm else "DE",
        payee=payee.reference if payee else None,
        of_reference=instruction.of_reference,
        reference=instruction.provider_reference,
    )


def _post(session: Session, instruction: PaymentInstruction, kind: str, sides: list[Side], now: datetime) -> None:
    ledger.post(session, f"{kind} {instruction.id}", kind, sides, subject_id=instruction.subject_id, now=now)


def _buyer(order: Order) -> UUID:
    buyer = order.organisation_id or order.person_id
    if buyer is None:  # The database holds it: an order has one of the two.
        raise NotFound("This order has no buyer.")
    return buyer
