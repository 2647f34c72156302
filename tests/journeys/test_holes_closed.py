"""Ways around the rules that were tried once, each with the answer it gets."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.core.money import Money
from ewaste.core.refusals import Conflict, Invalid
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device
from ewaste.journey import bench, sale, settlement, trade_in
from ewaste.market.models import Order, OrderState
from ewaste.payments.gateway import Kind, Payment, PaymentState
from ewaste.processing.checklist import items
from ewaste.tradein.questions import QUESTIONS
from tests.world import World, good_findings


def test_an_older_accreditation_does_not_outlive_a_narrower_scope(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    world.decide("scope", methods=["destroy"], media_kinds=["sim"], valid_until=world.now.replace(year=2027))
    assert world.refuse(files).startswith("Your centre is not accredited any more for “clear” on the kind “ssd”.")
    assert world.device(device_id).state is State.CLEARING


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ({"bad_blocks": 7, "bytes_unreadable": 4096, "bytes_read": 255_999_995_904}, "It must be destroyed."),
        ({"evidence_class": "destroyed", "level": "destroy", "technique": "shred", "validator": None}, "two people."),
    ],
)
def test_a_line_that_says_itself_that_it_failed_clears_nothing(
    world: World, line: dict[str, object], reason: str
) -> None:
    device_id, order = world.ordered()
    assert world.refuse(world.bundle(order, **line)).endswith(reason)
    assert world.device(device_id).state is State.CLEARING


def test_a_drive_spelled_in_other_letters_is_still_the_same_drive(world: World) -> None:
    world.cleared(serial="PF1FIRST", serials=("SameDrive",))
    second, order = world.ordered(serial="PF1SECOND", serials=("SAMEDRIVE",))
    assert "A drive is in one device only" in world.refuse(world.bundle(order))
    assert world.device(second).state is State.CLEARING


def test_a_phone_is_not_ordered_to_be_wiped_by_its_card_alone(world: World) -> None:
    answers = {question.field: question.choices[0].value for question in QUESTIONS["smartphone"]}
    with world.transaction() as session:
        quote = trade_in.quote(
            session, world.cora, model_code="apple-iphone-13", storage_gb=128, answers=answers, now=world.now
        )
    with world.transaction() as session:
        phone = trade_in.accept_quote(
            session,
            world.cora,
            quote.code,
            serial="PHONE12345",
            owner=True,
            centre_id=world.organisation("Rhein Datenpark"),
            silence="send-back",
            floor_minor=None,
            now=world.now,
        ).id
    with world.transaction() as session:
        bench.receive(session, world.olga, phone, seal="S-1", seal_state="intact", mass_g=400, note="", now=world.now)
    world.note_medium(phone, "CARD-1", "sd")
    findings: dict[str, object] = {
        item.id: item.answers[0].value if item.answers else 90 for item in items("smartphone", "before-offer")
    }
    with world.transaction() as session:
        bench.inspect(
            session, world.olga, phone, observed_serial="PHONE12345", mass_g=174, findings=findings, now=world.now
        )
    with world.transaction() as session:
        trade_in.confirm_offer(session, world.cora, world.offer(phone).id, now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="storage of its own"):
        world.order(phone)


def test_a_payment_of_another_amount_pays_nothing(world: World) -> None:
    lot, _ = world.listed_lot()
    world.bid("rita", lot, 40)
    world.later(days=3)
    order = world.close(lot)
    with world.transaction() as session:
        errand = settlement.start_payment(session, world.actor("rita"), order.code, practice=True, now=world.now)
    right = Payment(
        reference="cs_1",
        kind=Kind.CHECKOUT,
        state=PaymentState.SUCCEEDED,
        amount=Money(order.amount_minor),
        returned=Money(0),
        instruction_id=errand.instruction_id,
        practice=True,
    )
    wrong = (
        replace(right, amount=Money(1)),
        replace(right, amount=Money(order.amount_minor, "USD")),
        replace(right, kind=Kind.REFUND),
        replace(right, practice=False),
    )
    for payment in wrong:
        event = uuid4().hex
        with world.transaction() as session:
            settlement.keep_event(
                session,
                event_id=event,
                kind="checkout.session.completed",
                object_reference="cs_1",
                instruction_id=errand.instruction_id,
                now=world.now,
            )
        with world.transaction() as session:
            assert settlement.apply_event(session, WORKER, event, payment, now=world.now).startswith(
                "not what was asked"
            )
        assert world.raw("select state from orders") == OrderState.AWAITING_PAYMENT.value
        assert world.raw("select count(*) from postings where kind = 'order.paid'") == 0


def test_a_device_that_was_lost_found_and_sold_again_is_not_handed_to_its_first_buyer(world: World) -> None:
    device_id = world.cleared()
    assert world.device(device_id).state is State.FOR_RESALE
    first = _buy(world, device_id)
    world.pay(first, "ben", PaymentState.SUCCEEDED)
    with world.transaction() as session:
        bench.report_lost(session, world.olga, device_id, reason="Not on its shelf.", now=world.now)
    _wipe_again(world, device_id)
    second = _buy(world, device_id)
    with world.nothing_changes(), pytest.raises(Conflict, match="another order"), world.transaction() as session:
        settlement.hand_over(session, world.olga, first.collection_code, now=world.now)
    with world.transaction() as session:
        settlement.refund_order(session, world.stefan, first.code, reason="It was lost.", now=world.now)
    assert world.device(device_id).state is State.SOLD
    world.pay(second, "ben", PaymentState.SUCCEEDED)
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, second.collection_code, now=world.now)
    assert world.device(device_id).state is State.DELIVERED


def test_a_price_that_the_provider_cannot_take_is_not_asked(world: World) -> None:
    device_id = world.cleared()
    with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
        sale.list_device(session, world.stefan, device_id, price_minor=10, now=world.now)
    assert refused.value.field == "price"


def _buy(world: World, device_id: UUID) -> Order:
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, device_id, price_minor=12_000, now=world.now)
    with world.transaction() as session:
        return sale.buy(session, world.actor("ben"), listing.code, now=world.now)


def _wipe_again(world: World, device_id: UUID) -> None:
    with world.transaction() as session:
        bench.receive(
            session, world.olga, device_id, seal="S-2", seal_state="intact", mass_g=1900, note="", now=world.now
        )
    with world.transaction() as session:
        serial = session.scalars(sa.select(Device.claimed_serial).where(Device.id == device_id)).one()
        bench.inspect(
            session, world.olga, device_id, observed_serial=serial, mass_g=1580, findings=good_findings(), now=world.now
        )
    world.submit(world.bundle(world.order(device_id)))


def test_a_payout_that_succeeds_after_it_was_given_up_is_not_paid_again(world: World) -> None:
    device_id = world.cleared()
    payout = world.raw("select id from payment_instructions")
    world.provider_says(payout, PaymentState.FAILED)
    with world.transaction() as session:
        anew = settlement.pay_again(session, world.stefan, payout, now=world.now).id
    assert world.provider_says(payout, PaymentState.SUCCEEDED) == "seller paid"
    with world.transaction() as session:
        assert settlement.prepare_payment(session, WORKER, anew, now=world.now) is None
    assert world.raw("select state from payment_instructions where id = :id", id=anew) == "failed"
    paid = "select sum(amount_minor) from entries where account = 'owed to sellers' and amount_minor > 0"
    assert world.raw(paid) == world.offer(device_id).amount_minor
    with world.nothing_changes(), pytest.raises(Conflict, match="written anew"), world.transaction() as session:
        settlement.pay_again(session, world.stefan, anew, now=world.now)


def test_a_payout_that_succeeds_late_beside_another_under_way_is_left_to_a_person(world: World) -> None:
    world.cleared()
    payout = world.raw("select id from payment_instructions")
    world.provider_says(payout, PaymentState.FAILED)
    with world.transaction() as session:
        anew = settlement.pay_again(session, world.stefan, payout, now=world.now).id
    with world.transaction() as session:
        assert settlement.prepare_payment(session, WORKER, anew, now=world.now) is not None
    with world.nothing_changes():
        assert "a person must look" in world.provider_says(payout, PaymentState.SUCCEEDED)
