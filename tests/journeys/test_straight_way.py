"""The straight way, step by step through the journey, over a real PostgreSQL."""

from __future__ import annotations

import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device, Title
from ewaste.journey import settlement
from ewaste.market.models import Order, OrderState
from ewaste.payments import ledger
from ewaste.payments.gateway import PaymentState
from ewaste.payments.models import InstructionKind, PaymentInstruction
from tests.world import World


def test_a_laptop_goes_from_a_quote_to_its_dismantling(world: World) -> None:
    device_id = world.cleared()
    device = world.device(device_id)
    assert device.state in {State.FOR_RESALE, State.FOR_REMANUFACTURE, State.FOR_DISMANTLING}
    assert device.title is Title.MARKET

    with world.transaction() as session:
        payout = session.scalars(sa.select(PaymentInstruction)).one()
        assert payout.kind is InstructionKind.PAY_OUT
        assert payout.amount_minor == world.offer(device_id).amount_minor
        settlement.note_payment(session, WORKER, payout.id, PaymentState.SUCCEEDED, "tr_1", "", now=world.now)

    lot = world.lot_of([device_id])
    assert [world.bid("rita", lot, 40).seq, world.bid("ravi", lot, 60).seq, world.bid("rosa", lot, 55).seq] == [1, 2, 3]
    world.later(days=3)
    order = world.close(lot)
    assert (order.amount_minor, order.state) == (5_600, OrderState.AWAITING_PAYMENT)
    assert world.device(device_id).state is State.SOLD
    assert world.close(lot) is None

    with world.transaction() as session:
        errand = settlement.start_payment(session, world.actor("ravi"), order.code, practice=True, now=world.now)
    with world.transaction() as session:
        said = settlement.note_payment(
            session, WORKER, errand.instruction_id, PaymentState.SUCCEEDED, "cs_1", "", now=world.now
        )
        assert said == "order paid"
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, order.collection_code, now=world.now)
    with world.transaction() as session:
        settlement.report_outcome(
            session,
            world.actor("ravi"),
            lot,
            device.code,
            outcome="dismantled",
            fractions={"circuit_boards": 210, "plastics": 500, "residue": 100},
            remark="",
            now=world.now,
        )
    with world.transaction() as session:
        assert session.scalars(sa.select(Device.state)).one() is State.DISMANTLED
        assert session.scalars(sa.select(Order.state)).one() is OrderState.SETTLED
        assert ledger.sums(session) == {"EUR": 0}
        assert ledger.balances(session)[("owed to sellers", "EUR")] == 0
        assert ledger.balances(session)[("owed by buyers", "EUR")] == 0
        assert custody.check_chain(session, device_id) == []
