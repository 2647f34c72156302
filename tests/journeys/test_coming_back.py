"""Devices that come back, from their buyer or from being lost: a new custody cycle, wiped and certified anew."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.certificates.models import Certificate, Clearance
from ewaste.core.refusals import Conflict
from ewaste.devices import custody
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import CustodyEvent, Title
from ewaste.journey import bench, settlement
from ewaste.market.models import LotLine, Order, OrderState
from ewaste.payments import ledger
from ewaste.payments.gateway import PaymentState
from ewaste.payments.models import PaymentInstruction
from ewaste.tradein.models import Offer
from tests.world import World, good_findings


def delivered(world: World, count: int = 1) -> tuple[str, list[UUID], UUID]:
    """A lot that Rita won, paid and collected; the sellers are paid. Returns its code, its devices and the order."""
    lot, devices = world.listed_lot(count)
    world.bid("rita", lot, 50)
    world.later(days=3)
    order = world.close(lot)
    world.pay(order, "rita")
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, order.collection_code, now=world.now)
        payouts = session.scalars(
            sa.select(PaymentInstruction.id).where(PaymentInstruction.subject_id.in_(devices))
        ).all()
    for payout in payouts:
        world.provider_says(payout, PaymentState.SUCCEEDED)
    return lot, devices, order.id


def receive(world: World, device_id: UUID) -> None:
    with world.transaction() as session:
        bench.receive(
            session, world.olga, device_id, seal="S-2002", seal_state="intact", mass_g=1850, note="", now=world.now
        )


def inspect(world: World, device_id: UUID) -> Offer | None:
    with world.transaction() as session:
        return bench.inspect(
            session,
            world.olga,
            device_id,
            observed_serial=world.device(device_id).claimed_serial,
            mass_g=1570,
            findings=good_findings(),
            now=world.now,
        )[1]


def balances(world: World) -> dict[str, int]:
    with world.transaction() as session:
        assert ledger.sums(session) == {"EUR": 0}
        return {account: amount for (account, _), amount in ledger.balances(session).items() if amount}


def report(world: World, lot: str, device_id: UUID) -> None:
    with world.transaction() as session:
        settlement.report_outcome(
            session,
            world.actor("rita"),
            lot,
            world.device(device_id).code,
            outcome="dismantled",
            fractions={"residue": 100},
            remark="",
            now=world.now,
        )


def test_a_device_that_comes_back_from_its_buyer_goes_the_whole_way_to_the_gate_again(world: World) -> None:
    _, (device_id,), _ = delivered(world)
    with world.transaction() as session:
        first = session.scalars(sa.select(Certificate)).one()
    spent = balances(world)
    cost = world.offer(device_id).amount_minor
    assert spent["cost of devices sold"] == cost
    assert "devices bought" not in spent

    receive(world, device_id)
    device = world.device(device_id)
    assert (device.state, device.title, device.cycle) == (State.RECEIVED, Title.MARKET, 2)
    back = balances(world)
    assert back["devices bought"] == cost
    assert "cost of devices sold" not in back
    with world.transaction() as session:
        assert session.scalars(sa.select(Clearance)).one().ended_at == world.now
        passed = session.scalars(
            sa.select(CustodyEvent.evidence)
            .where(CustodyEvent.device_id == device_id, CustodyEvent.kind == "title.passed")
            .order_by(CustodyEvent.seq)
        ).all()
    assert passed[-1] == {"from": "buyer", "to": "market", "on": "return"}

    assert inspect(world, device_id) is None  # It is ours: nobody is offered anything.
    assert world.device(device_id).state is State.CLEARING
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Offer)) == 1

    order = world.order(device_id)
    named = json.loads(order.document)["credentialSubject"]
    assert (named["custodyCycle"], named["supersedes"]) == (2, first.credential_id)
    assert [medium["serial"] for medium in named["media"]] == ["DRIVE-0"]  # Carried over from the first cycle.
    assert world.submit(world.bundle(order)).outcome == "accepted"
    device = world.device(device_id)
    assert device.state in WAYS
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.device_listable(device_id))) is True
        assert custody.check_chain(session, device_id) == []
        # The seller was paid in the first cycle, and is not paid twice.
        payouts = session.scalars(sa.select(PaymentInstruction).where(PaymentInstruction.subject_id == device_id)).all()
    assert len(payouts) == 1
    assert balances(world) == back

    # It can be sold a second time, at the cost that we once paid for it.
    lot = world.lot_of([device_id])
    world.bid("rosa", lot, 40)
    world.later(days=3)
    assert world.close(lot) is not None
    again = balances(world)
    assert again["cost of devices sold"] == cost
    assert "devices bought" not in again


def test_the_certificate_of_the_first_cycle_does_not_clear_a_device_that_came_back(world: World) -> None:
    _, (device_id,), _ = delivered(world)
    with world.transaction() as session:
        old = session.scalars(sa.select(Certificate)).one()
    receive(world, device_id)
    inspect(world, device_id)
    fresh = world.order(device_id)
    old_order = json.loads(old.bundle["work-order.json"])
    reason = world.refuse(world.bundle(fresh, document=old_order, started=old.valid_from))
    assert "was answered by a certificate already" in reason
    assert world.device(device_id).state is State.CLEARING


def test_an_order_is_settled_without_the_device_that_came_back(world: World) -> None:
    lot, (stays, leaves), order_id = delivered(world, count=2)
    receive(world, leaves)
    with world.transaction() as session:
        assert session.get_one(Order, order_id).state is OrderState.HANDED_OVER
        line = session.scalars(sa.select(LotLine).where(LotLine.device_id == leaves)).one()
    assert line.released_because == "it came back"
    report(world, lot, stays)
    with world.transaction() as session:
        assert session.get_one(Order, order_id).state is OrderState.SETTLED


def test_an_order_is_settled_when_its_last_unreported_device_comes_back(world: World) -> None:
    lot, (first, last), order_id = delivered(world, count=2)
    report(world, lot, first)
    receive(world, last)
    with world.transaction() as session:
        assert session.get_one(Order, order_id).state is OrderState.SETTLED
    with pytest.raises(Conflict, match="dismantled"):
        receive(world, first)


def test_a_device_that_was_lost_and_found_is_received_in_a_new_cycle(world: World) -> None:
    ours, sellers = world.cleared(), world.with_media(serial="PF2FOUND", serials=("DRIVE-9",))
    for device_id in (ours, sellers):
        with world.transaction() as session:
            bench.report_lost(session, world.olga, device_id, reason="Not on its shelf.", now=world.now)
        receive(world, device_id)
    found, other = world.device(ours), world.device(sellers)
    assert (found.state, found.cycle, found.title) == (State.RECEIVED, 2, Title.MARKET)
    assert (other.state, other.cycle, other.title) == (State.RECEIVED, 2, Title.SELLER)
    assert inspect(world, ours) is None
    assert world.device(ours).state is State.CLEARING
    offer = inspect(world, sellers)  # It is still its seller's, who is asked.
    assert offer is not None
    assert offer.cycle == 2
    assert world.device(sellers).state is State.INSPECTED


def test_a_payout_that_failed_is_written_anew_once(world: World) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        spent = session.scalars(sa.select(PaymentInstruction)).one()
    with world.nothing_changes(), pytest.raises(Conflict, match="did not fail"), world.transaction() as session:
        settlement.pay_again(session, world.stefan, spent.id, now=world.now)
    world.provider_says(spent.id, PaymentState.FAILED, "The account is closed.")
    with world.transaction() as session:
        anew = settlement.pay_again(session, world.stefan, spent.id, now=world.now)
    assert anew.id != spent.id
    assert (anew.subject_id, anew.party_id, anew.amount_minor) == (device_id, spent.party_id, spent.amount_minor)
    with world.nothing_changes(), pytest.raises(Conflict, match="anew already"), world.transaction() as session:
        settlement.pay_again(session, world.stefan, spent.id, now=world.now)
    with world.transaction() as session:
        errand = settlement.prepare_payment(session, WORKER, anew.id, now=world.now)
    assert errand is not None
    assert world.provider_says(anew.id) == "seller paid"
    assert "owed to sellers" not in balances(world)
    with world.nothing_changes(), pytest.raises(Conflict, match="anew already"), world.transaction() as session:
        settlement.pay_again(session, world.stefan, spent.id, now=world.now)


def test_a_buyers_payment_is_not_written_anew_by_the_desk(world: World) -> None:
    lot, _ = world.listed_lot()
    world.bid("rita", lot, 50)
    world.later(days=3)
    declined = world.pay(world.close(lot), "rita", PaymentState.FAILED)
    with world.nothing_changes(), pytest.raises(Conflict, match="the buyer pays again"), world.transaction() as session:
        settlement.pay_again(session, world.stefan, declined, now=world.now)
