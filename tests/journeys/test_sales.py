"""From a closed lot or a listing to the hand-over and the report; and every way in which a sale is undone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.core.mail import Mail
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import custody
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Title
from ewaste.journey import bench, sale, settlement
from ewaste.market.models import Listing, ListingState, Order, OrderState
from ewaste.payments import ledger
from ewaste.payments.gateway import PaymentState
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction
from tests.world import World

FRACTIONS = {"circuit_boards": 210, "plastics": 500, "residue": 100}


def order(world: World, order_id: UUID) -> Order:
    with world.transaction() as session:
        return session.get_one(Order, order_id)


def won(world: World, count: int = 1, euros: int = 50) -> tuple[str, list[UUID], Order]:
    """A lot that Rita won."""
    code, devices = world.listed_lot(count)
    world.bid("rita", code, euros)
    world.later(days=3)
    return code, devices, world.close(code)


def for_sale(world: World, price: int = 20_000, **options: Any) -> tuple[UUID, str]:
    """A listed laptop: its id and the code of its listing. It is moved to resale if the rules sent it elsewhere."""
    device_id = world.cleared(**options)
    with world.transaction() as session:
        return device_id, sale.list_device(session, world.stefan, device_id, price_minor=price, now=world.now).code


def buy(world: World, code: str, who: str = "ben") -> Order:
    with world.transaction() as session:
        return sale.buy(session, world.actor(who), code, now=world.now)


def default(world: World, order_id: UUID) -> bool:
    with world.transaction() as session:
        return settlement.expire_order(session, WORKER, order_id, now=world.now)


def hand_over(world: World, bought: Order, who: str = "olga") -> None:
    with world.transaction() as session:
        settlement.hand_over(session, world.actor(who), bought.collection_code, now=world.now)


def report(world: World, lot: str, device_id: UUID, who: str = "rita", **change: Any) -> None:
    given = {"outcome": "dismantled", "fractions": FRACTIONS, "remark": "", **change}
    with world.transaction() as session:
        settlement.report_outcome(session, world.actor(who), lot, world.device(device_id).code, **given, now=world.now)


def balances(world: World) -> dict[str, int]:
    with world.transaction() as session:
        assert ledger.sums(session) == {"EUR": 0}
        return {account: amount for (account, _), amount in ledger.balances(session).items() if amount}


def refunds(world: World) -> list[PaymentInstruction]:
    with world.transaction() as session:
        return list(
            session.scalars(sa.select(PaymentInstruction).where(PaymentInstruction.kind == InstructionKind.REFUND))
        )


# --- the straight way after the sale


def test_title_and_custody_pass_at_the_hand_over_of_what_was_paid(world: World) -> None:
    _, (device_id,), bought = won(world)
    with world.nothing_changes(), pytest.raises(Conflict, match="Only a paid one is handed over"):
        hand_over(world, bought)
    world.pay(bought, "rita")
    with world.nothing_changes(), pytest.raises(NotFound, match="No order of your centre"):
        hand_over(world, bought, "omar")
    for who in ("rita", "stefan", "cora"):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            hand_over(world, bought, who)
    assert world.device(device_id).title is Title.MARKET
    hand_over(world, bought)
    device = world.device(device_id)
    assert (device.state, device.title, order(world, bought.id).state) == (
        State.DELIVERED,
        Title.BUYER,
        OrderState.HANDED_OVER,
    )
    with world.nothing_changes(), pytest.raises(Conflict):
        hand_over(world, bought)


def test_an_order_is_settled_by_the_report_on_its_last_device(world: World) -> None:
    code, (first, second), bought = won(world, 2)
    world.pay(bought, "rita")
    hand_over(world, bought)
    report(world, code, first)
    assert order(world, bought.id).state is OrderState.HANDED_OVER
    with world.nothing_changes(), pytest.raises(Conflict, match="reported this device already"):
        report(world, code, first)
    world.raw("update organisations set licences = array['dismantling'] where name = 'Werk Zwei'")
    with world.nothing_changes(), pytest.raises(Invalid, match="licensed to dismantle only"):
        report(world, code, second, outcome="remade", fractions={})
    world.raw("update organisations set licences = array['dismantling', 'remanufacture'] where name = 'Werk Zwei'")
    report(world, code, second, outcome="remade", fractions={})
    assert order(world, bought.id).state is OrderState.SETTLED
    assert (world.device(first).state, world.device(second).state) == (State.DISMANTLED, State.REMADE)


def test_a_report_weighs_no_more_than_the_device_and_names_the_field(world: World) -> None:
    code, (device_id,), bought = won(world)
    world.pay(bought, "rita")
    hand_over(world, bought)
    for field, change in (
        ("mass_plastics_g", {"fractions": {"plastics": 1_581}}),
        ("mass_residue_g", {"fractions": {}}),
        ("mass_plastics_g", {"fractions": {"plastics": -1}}),
        ("outcome", {"outcome": "lost"}),
        ("outcome", {"fractions": {"gold": 1}}),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            report(world, code, device_id, **change)
        assert refused.value.field == field
    with world.nothing_changes(), pytest.raises(NotFound):
        report(world, code, device_id, "ravi")
    with world.nothing_changes(), pytest.raises(NotAllowed):
        report(world, code, device_id, "olga")
    report(world, code, device_id, fractions={"plastics": 1_580})


def test_only_the_buyer_pays_and_nothing_twice(world: World) -> None:
    _, _, bought = won(world)
    for who, refusal in (("ravi", NotFound), ("ben", NotFound), ("stefan", NotAllowed)):
        with world.nothing_changes(), pytest.raises(refusal):
            world.pay(bought, who)
    first = world.pay(bought, "rita", PaymentState.OPEN)
    assert world.pay(bought, "rita", PaymentState.OPEN) == first
    assert world.provider_says(first) == "order paid"
    with world.nothing_changes():
        assert world.provider_says(first) == "known already"
        assert world.provider_says(first, PaymentState.FAILED) == "known already"
    with world.nothing_changes(), pytest.raises(Conflict, match="There is nothing to pay"):
        world.pay(bought, "rita")
    assert balances(world)["provider"] == bought.amount_minor


def test_a_payment_that_failed_is_tried_again_under_a_new_id(world: World) -> None:
    _, _, bought = won(world)
    first = world.pay(bought, "rita", PaymentState.OPEN)
    assert world.provider_says(first, PaymentState.FAILED, "card declined") == "payment failed"
    second = world.pay(bought, "rita")
    assert second != first
    assert order(world, bought.id).state is OrderState.PAID


def test_an_answer_that_is_under_way_changes_nothing(world: World) -> None:
    _, _, bought = won(world)
    instruction_id = world.pay(bought, "rita", PaymentState.PROCESSING)
    for state in (PaymentState.OPEN, PaymentState.PROCESSING, PaymentState.HELD):
        with world.nothing_changes():
            assert world.provider_says(instruction_id, state) == "still under way"


# --- a buyer who does not pay


def test_a_default_returns_the_devices_to_their_way_and_releases_them(world: World) -> None:
    code, devices, bought = won(world, 2)
    ways = {
        device_id: world.raw(
            "select from_state from custody_events where device_id = :d and to_state = 'sold'", d=device_id
        )
        for device_id in devices
    }
    world.now = bought.pay_by - timedelta(seconds=1)
    with world.nothing_changes():
        assert default(world, bought.id) is False
    world.later(seconds=1)
    before = balances(world)
    assert default(world, bought.id) is True
    assert order(world, bought.id).state is OrderState.DEFAULTED
    for device_id in devices:
        device = world.device(device_id)
        assert (device.state.value, device.cycle, device.title) == (ways[device_id], 1, Title.MARKET)
        with world.transaction() as session:
            assert custody.check_chain(session, device_id) == []
    assert "owed by buyers" in before
    assert {"owed by buyers", "sales"}.isdisjoint(balances(world))
    assert world.raw("select state from lots where code = :c", c=code) == "unsold"
    with world.nothing_changes():
        assert default(world, bought.id) is False
    again = world.lot_of(devices)
    assert world.bid("ravi", again, 40).seq == 1


def test_an_order_that_was_paid_does_not_default(world: World) -> None:
    _, _, bought = won(world)
    world.pay(bought, "rita")
    world.now = bought.pay_by
    with world.nothing_changes():
        assert default(world, bought.id) is False


def test_a_payment_that_comes_after_the_default_is_refunded(world: World) -> None:
    _, (device_id,), bought = won(world)
    instruction_id = world.pay(bought, "rita", PaymentState.OPEN)
    world.now = bought.pay_by
    default(world, bought.id)
    assert world.provider_says(instruction_id) == "paid too late; refund instructed"
    (refund,) = refunds(world)
    assert (refund.amount_minor, refund.party_id, refund.subject_id) == (
        bought.amount_minor,
        bought.organisation_id,
        bought.id,
    )
    assert refund.of_reference == f"ref_{instruction_id.hex[:8]}"
    assert order(world, bought.id).state is OrderState.DEFAULTED
    assert balances(world)["provider"] == -balances(world)["owed by buyers"] == bought.amount_minor
    with world.nothing_changes():
        assert world.provider_says(instruction_id) == "known already"
    assert world.provider_says(refund.id) == "buyer refunded"
    assert {"owed by buyers", "provider", "sales"}.isdisjoint(balances(world))
    assert world.device(device_id).state in WAYS


def test_a_failure_that_comes_after_the_default_changes_nothing(world: World) -> None:
    _, _, bought = won(world)
    instruction_id = world.pay(bought, "rita", PaymentState.OPEN)
    world.now = bought.pay_by
    default(world, bought.id)
    with world.nothing_changes():
        for state in (PaymentState.FAILED, PaymentState.OPEN):
            assert world.provider_says(instruction_id, state) == "known already"


def blocked(world: World) -> Callable[[Future[Any]], None]:
    """Waits until the other transaction waits for a lock of ours, or is done."""

    def wait(other: Future[Any]) -> None:
        while not other.done() and not world.raw("select count(*) from pg_locks where not granted"):
            threading.Event().wait(0.01)

    return wait


def test_a_default_and_a_payment_at_once_end_in_an_order_paid_or_in_a_refund(world: World) -> None:
    for first_the_default in (True, False):
        number = int(first_the_default)
        device_id = world.cleared(serial=f"PFA{number}", serials=(f"DRIVE-A{number}",))
        code = world.lot_of([device_id])
        world.bid("rita", code, 40)
        world.later(days=3)
        bought = world.close(code)
        instruction_id = world.pay(bought, "rita", PaymentState.OPEN)
        world.now = bought.pay_by

        def expire(session: Any, order_id: UUID = bought.id) -> object:
            return settlement.expire_order(session, WORKER, order_id, now=world.now)

        def paid(session: Any, about: UUID = instruction_id) -> object:
            return settlement.note_payment(session, WORKER, about, PaymentState.SUCCEEDED, "ref", "", now=world.now)

        first, second = (expire, paid) if first_the_default else (paid, expire)

        def other(step: Callable[[Any], object] = second) -> object:
            with world.transaction() as session:
                return step(session)

        with ThreadPoolExecutor(1) as pool:
            with world.transaction() as session:
                said_first = first(session)
                waiting = pool.submit(other)
                blocked(world)(waiting)
                assert not waiting.done()
            said_second = waiting.result(20)
        if first_the_default:
            assert (said_first, said_second) == (True, "paid too late; refund instructed")
            assert len(refunds(world)) == 1
        else:
            assert (said_first, said_second) == ("order paid", False)
            assert order(world, bought.id).state is OrderState.PAID


# --- refunds


def test_staff_refund_a_paid_order_before_the_hand_over(world: World) -> None:
    _, (device_id,), bought = won(world)
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="paid and not handed over"),
        world.transaction() as session,
    ):
        settlement.refund_order(session, world.stefan, bought.code, reason="Not paid yet.", now=world.now)
    world.pay(bought, "rita")
    for who in ("rita", "olga", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            settlement.refund_order(session, world.actor(who), bought.code, reason="For me.", now=world.now)
    with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
        settlement.refund_order(session, world.stefan, bought.code, reason=" ", now=world.now)
    assert refused.value.field == "reason"
    with world.transaction() as session:
        settlement.refund_order(session, world.stefan, bought.code, reason="Water got in.", now=world.now)
    (refund,) = refunds(world)
    assert (refund.amount_minor, refund.state) == (bought.amount_minor, InstructionState.WRITTEN)
    assert (order(world, bought.id).state, world.device(device_id).state in WAYS) == (OrderState.REFUNDED, True)
    with world.nothing_changes(), pytest.raises(Conflict), world.transaction() as session:
        settlement.refund_order(session, world.stefan, bought.code, reason="Once more.", now=world.now)
    world.provider_says(refund.id)
    assert {"owed by buyers", "provider", "sales"}.isdisjoint(balances(world))


def test_a_hold_on_a_sold_device_stops_the_hand_over_but_not_the_refund(world: World) -> None:
    _, (device_id,), bought = won(world)
    world.pay(bought, "rita")
    with world.transaction() as session:
        bench.place_hold(session, world.stefan, device_id, kind="stolen", reason="The police asked.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="A hold stands"):
        hand_over(world, bought)
    with world.transaction() as session:
        settlement.refund_order(session, world.stefan, bought.code, reason="It may be stolen.", now=world.now)
    assert world.device(device_id).state in WAYS
    assert not world.raw("select device_listable(:d)", d=device_id)


# --- the storefront


def test_a_listed_device_is_bought_by_one_of_many(world: World) -> None:
    device_id, code = for_sale(world)
    buyers, together = [world.actor("ben"), world.actor("cora")], threading.Barrier(4)

    def one(number: int) -> str:
        together.wait(10)
        try:
            with world.transaction() as session:
                return sale.buy(session, buyers[number % 2], code, now=world.now).code
        except Conflict as refusal:
            return refusal.message

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(4)))
    # Who pressed twice has one order; who sold us the device gets none, whoever came first.
    assert len({answer for answer in answers if answer.startswith("B-")}) == 1
    assert sum(answer.startswith("B-") for answer in answers) == 2
    assert sum(answer.startswith(("Somebody else bought", "You sold this device to us")) for answer in answers) == 2
    assert world.device(device_id).state is State.SOLD
    assert world.raw("select count(*) from orders") == 1


def test_a_bought_device_is_reserved_for_half_an_hour_and_then_free_again(world: World) -> None:
    device_id, code = for_sale(world)
    bought = buy(world, code)
    assert bought.pay_by == world.now + timedelta(minutes=30)
    world.now = bought.pay_by
    assert default(world, bought.id)
    assert (world.device(device_id).state, order(world, bought.id).state) == (State.FOR_RESALE, OrderState.DEFAULTED)
    with world.nothing_changes(), pytest.raises(Conflict):
        buy(world, code)
    with world.transaction() as session:
        sale.list_device(session, world.stefan, device_id, price_minor=19_000, now=world.now)


def test_a_device_from_the_shop_is_settled_when_it_is_handed_over(world: World) -> None:
    device_id, code = for_sale(world)
    bought = buy(world, code)
    world.pay(bought, "ben")
    hand_over(world, bought)
    device = world.device(device_id)
    assert (device.state, device.title, order(world, bought.id).state) == (
        State.DELIVERED,
        Title.BUYER,
        OrderState.SETTLED,
    )
    assert {"owed by buyers"}.isdisjoint(balances(world))


def test_only_what_goes_to_resale_is_listed_and_at_a_price(world: World) -> None:
    device_id, _ = for_sale(world)
    with world.transaction() as session:
        sale.unlist_device(session, world.stefan, device_id, now=world.now)
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="not in the storefront"),
        world.transaction() as session,
    ):
        sale.unlist_device(session, world.stefan, device_id, now=world.now)
    for price in (0, -1, 10**11):
        with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
            sale.list_device(session, world.stefan, device_id, price_minor=price, now=world.now)
        assert refused.value.field == "price"
    with world.transaction() as session:
        custody.move(
            session,
            custody.find(session, device_id),
            State.FOR_DISMANTLING,
            by=world.stefan,
            evidence={},
            now=world.now,
        )
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="takes devices for resale"),
        world.transaction() as session,
    ):
        sale.list_device(session, world.stefan, device_id, price_minor=100, now=world.now)


def test_a_device_is_taken_out_of_the_shop_again(world: World) -> None:
    device_id, code = for_sale(world)
    with world.transaction() as session:
        sale.unlist_device(session, world.stefan, device_id, now=world.now)
        listing = session.scalars(sa.select(Listing)).one()
        assert (listing.state, listing.closed_because) == (ListingState.WITHDRAWN, "taken out by the desk")
    with world.nothing_changes(), pytest.raises(Conflict, match="taken out"):
        buy(world, code)
    for who in ("olga", "rita", "stefan", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            buy(world, code, who)


# --- what a buyer is told by mail


def told(world: World, key: str) -> list[tuple[str, str, str]]:
    """(to whom, subject, text) of the letters of an occasion."""
    with world.transaction() as session:
        rows = session.scalars(sa.select(Mail).where(Mail.key.startswith(key)).order_by(Mail.to_address)).all()
        return [(row.to_address, row.subject, row.text) for row in rows]


def test_a_buyer_who_paid_is_told_the_collection_code_and_where_it_is_valid_once(world: World) -> None:
    _, _, bought = won(world)
    assert told(world, "order paid") == []
    world.pay(bought, "rita")
    ((to, subject, text),) = told(world, "order paid")
    assert (to, subject) == ("rita@werk.example", f"Paid: order {bought.code}. Collect at Rhein Datenpark, Köln")
    assert f"Your collection code is {bought.collection_code}. Collect at Rhein Datenpark, Köln." in text
    assert bought.collection_code not in subject  # A subject is kept after sending; the text is not.


def test_a_buyer_who_is_refunded_reads_it_when_it_begins_and_when_it_is_done(world: World) -> None:
    _, code = for_sale(world)
    bought = buy(world, code)
    world.pay(bought, "ben")
    for _ in range(2):
        with world.transaction() as session:
            settlement.withdraw_order(session, world.actor("ben"), bought.code, now=world.now)
    ((to, subject, text),) = told(world, "order refund begun")
    assert (to, subject) == ("ben@example.org", f"Your money comes back: order {bought.code}")
    assert "€200.00 go back to where your payment came from." in text
    (refund,) = refunds(world)
    for _ in range(2):
        with world.transaction() as session:
            settlement.note_payment(session, WORKER, refund.id, PaymentState.SUCCEEDED, "re_1", "", now=world.now)
    ((_, subject, text),) = told(world, "order refunded")
    assert subject == f"Refunded: order {bought.code}"
    assert text.count(f"€200.00 of order {bought.code} went back to where the payment came from.") == 1


def test_who_loses_a_lot_is_told_its_price_and_the_winner_is_not(world: World) -> None:
    code, _ = world.listed_lot(1)
    world.bid("rosa", code, 80)
    world.bid("rita", code, 120)
    world.later(days=3)
    for _ in range(2):
        world.close(code)
    ((to, subject, text),) = told(world, "lost")
    assert (to, subject) == ("rosa@neu.example", f"Lot {code} closed; it did not come to you")
    assert f"Lot {code} closed at €81.00. It did not come to you. You owe nothing." in text


def test_whose_bid_did_not_meet_the_reserve_reads_that_nobody_got_the_lot(world: World) -> None:
    code, _ = world.listed_lot(1, reserve=50_000)
    world.bid("rosa", code, 80)
    world.later(days=3)
    world.close(code)
    ((to, _, text),) = told(world, "lost")
    assert to == "rosa@neu.example"
    assert "Not sold: the reserve was not met. It went to nobody. You owe nothing." in text
