"""After the hammer and after the hand-over: winners who do not pay, runners-up, disputes, returns and refunds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER, Organisation, OrganisationState, Role
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Device
from ewaste.journey import accrediting, aftersales, bench, sale, settlement
from ewaste.market.models import (
    BuyerDefault,
    Dispute,
    DisputeOutcome,
    DisputeState,
    Lot,
    LotState,
    Order,
    OrderState,
    SecondOffer,
    SecondOfferState,
)
from ewaste.payments import ledger
from ewaste.payments.gateway import PaymentState
from ewaste.payments.ledger import Account
from ewaste.payments.models import InstructionKind, PaymentInstruction
from ewaste.views import device as views
from ewaste.views import market as market_views
from tests.world import World


def order(world: World, order_id: UUID) -> Order:
    with world.transaction() as session:
        return session.get_one(Order, order_id)


def lot(world: World, code: str) -> Lot:
    with world.transaction() as session:
        return session.scalars(sa.select(Lot).where(Lot.code == code)).one()


def letters(world: World, words: str) -> list[str]:
    """To whom a letter with these words in its subject goes."""
    with world.transaction() as session:
        return list(
            session.scalars(
                sa.text("select to_address from mails where subject like :words order by to_address"),
                {"words": f"%{words}%"},
            )
        )


def balance(world: World, account: Account) -> int:
    with world.transaction() as session:
        assert set(ledger.sums(session).values()) <= {0}
        return ledger.balances(session).get((account.value, "EUR"), 0)


# ---- a winner who does not pay ----


def unpaid_lot(world: World, *, winner: str = "rita", second: str = "rosa", count: int = 1) -> tuple[str, Any]:
    """A lot whose winner let the time to pay run out; the code and the order that came to nothing."""
    code, _ = world.listed_lot(count)
    world.bid(second, code, 70)
    world.bid(winner, code, 90)
    world.later(days=2)
    made = world.close(code)
    world.now = made.pay_by
    with world.transaction() as session:
        assert settlement.expire_order(session, WORKER, made.id, now=world.now)
    return code, made


def second_offer(world: World, code: str) -> SecondOffer | None:
    with world.transaction() as session:
        return session.scalar(sa.select(SecondOffer).join(Lot, Lot.id == SecondOffer.lot_id).where(Lot.code == code))


def answer(world: World, who: str, code: str, *, take: bool) -> SecondOffer:
    step = sale.accept_second_offer if take else sale.decline_second_offer
    with world.transaction() as session:
        return step(session, world.actor(who), code, now=world.now)


def test_a_lot_that_was_not_paid_is_offered_to_the_runner_up_at_their_own_bid(world: World) -> None:
    code, unpaid = unpaid_lot(world)
    offer = second_offer(world, code)
    assert offer is not None
    assert (offer.state, offer.amount_minor) == (SecondOfferState.OPEN, 70_00)
    assert offer.answer_by == world.now + timedelta(hours=48)
    assert order(world, unpaid.id).state is OrderState.DEFAULTED
    assert letters(world, "is offered to you") == ["rosa@neu.example"]
    assert letters(world, "was not paid in time") == ["rita@werk.example"]
    assert balance(world, Account.BUYERS) == 0
    # While the runner-up thinks, the devices are nobody else's.
    with world.transaction() as session:
        device = session.scalars(sa.select(Device)).one()
        assert device.state in WAYS
    with pytest.raises(Conflict, match="is in lot"):
        world.lot_of([device.id])


def test_the_runner_up_takes_the_lot_once_however_often_they_press(world: World) -> None:
    code, _ = unpaid_lot(world)
    first = answer(world, "rosa", code, take=True)
    assert first.state is SecondOfferState.ACCEPTED
    with world.nothing_changes():
        assert answer(world, "rosa", code, take=True).order_id == first.order_id
    assert first.order_id is not None
    made = order(world, first.order_id)
    assert (made.state, made.amount_minor) == (OrderState.AWAITING_PAYMENT, 70_00)
    assert made.organisation_id == world.organisation("Neu & Gut")
    assert balance(world, Account.BUYERS) == 70_00
    with world.transaction() as session:
        assert session.scalars(sa.select(Device.state)).one() is State.SOLD
    with pytest.raises(Conflict, match="This offer is over"):
        answer(world, "rosa", code, take=False)


@pytest.mark.parametrize("how", ["declined", "lapsed"])
def test_a_runner_up_who_does_not_want_it_leaves_the_devices_free(world: World, how: str) -> None:
    code, _ = unpaid_lot(world)
    offer = second_offer(world, code)
    assert offer is not None
    if how == "declined":
        answer(world, "rosa", code, take=False)
        with world.nothing_changes():
            answer(world, "rosa", code, take=False)
    else:
        with world.transaction() as session:  # A clock that is ahead asks too early.
            assert not sale.lapse_second_offer(session, WORKER, offer.id, now=world.now)
        world.now = offer.answer_by
        with pytest.raises(Conflict, match="This offer is over"):
            answer(world, "rosa", code, take=True)
        for expected in (True, False):
            with world.transaction() as session:
                assert sale.lapse_second_offer(session, WORKER, offer.id, now=world.now) is expected
    ended = second_offer(world, code)
    assert ended is not None
    assert ended.state == how
    assert lot(world, code).state is LotState.UNSOLD
    with world.transaction() as session:
        device_id = session.scalars(sa.select(Device.id)).one()
    world.lot_of([device_id])


def test_a_lot_is_offered_a_second_time_never_a_third(world: World) -> None:
    code, _ = unpaid_lot(world)
    taken = answer(world, "rosa", code, take=True)
    assert taken.order_id is not None
    again = order(world, taken.order_id)
    world.now = again.pay_by
    with world.transaction() as session:
        settlement.expire_order(session, WORKER, again.id, now=world.now)
    assert lot(world, code).state is LotState.UNSOLD
    assert world.raw("select count(*) from second_offers") == 1
    assert world.raw("select count(*) from lot_lines where released_at is null") == 0
    with pytest.raises(Conflict, match="This offer is over"):
        answer(world, "rosa", code, take=False)


def test_only_the_runner_up_answers(world: World) -> None:
    code, _ = unpaid_lot(world)
    with world.nothing_changes(), pytest.raises(NotFound):
        answer(world, "rita", code, take=True)
    with world.nothing_changes(), pytest.raises(NotAllowed):
        answer(world, "ben", code, take=True)


def test_a_firm_that_became_related_to_the_centre_is_not_asked(world: World) -> None:
    code, _ = world.listed_lot()
    world.bid("rosa", code, 70)
    world.bid("rita", code, 90)
    world.later(days=2)
    made = world.close(code)
    with world.transaction() as session:
        session.execute(
            sa.update(Organisation)
            .where(Organisation.name.in_(["Neu & Gut", "Rhein Datenpark"]))
            .values(group_name="One Group")
        )
    world.now = made.pay_by
    with world.transaction() as session:
        settlement.expire_order(session, WORKER, made.id, now=world.now)
    assert second_offer(world, code) is None
    assert lot(world, code).state is LotState.UNSOLD


def test_a_firm_related_to_the_defaulter_does_not_get_the_lot_for_less(world: World) -> None:
    code, _ = world.listed_lot()
    world.bid("rosa", code, 70)
    world.bid("rita", code, 90)
    world.later(days=2)
    made = world.close(code)
    with world.transaction() as session:
        session.execute(
            sa.update(Organisation)
            .where(Organisation.name.in_(["Neu & Gut", "Werk Zwei"]))
            .values(group_name="Two Names")
        )
    world.now = made.pay_by
    with world.transaction() as session:
        settlement.expire_order(session, WORKER, made.id, now=world.now)
    assert second_offer(world, code) is None


def test_a_lot_that_changed_meanwhile_is_withdrawn_instead_of_sold(world: World) -> None:
    code, _ = unpaid_lot(world, count=2)
    with world.transaction() as session:
        device = session.scalars(sa.select(Device).order_by(Device.code)).first()
        assert device is not None
        bench.place_hold(session, world.stefan, device.id, kind="ownership", reason="Whose is it?", now=world.now)
    assert answer(world, "rosa", code, take=True).state is SecondOfferState.WITHDRAWN
    assert lot(world, code).state is LotState.UNSOLD
    assert world.raw("select count(*) from orders where state = 'awaiting-payment'") == 0


def test_every_second_default_ends_a_firms_bidding_until_the_desk_lifts_it(world: World) -> None:
    def let_lapse(number: int) -> None:
        code = world.lot_of([world.cleared(serial=f"QX{number:05d}", serials=(f"QD-{number}",))])
        world.bid("rita", code, 50)
        world.later(days=2)
        made = world.close(code)
        world.now = made.pay_by
        for _ in range(2):  # The worker may run twice; a default is one default.
            with world.transaction() as session:
                settlement.expire_order(session, WORKER, made.id, now=world.now)

    def state() -> OrganisationState:
        with world.transaction() as session:
            return session.get_one(Organisation, world.organisation("Werk Zwei")).state

    let_lapse(1)
    assert state() is OrganisationState.VERIFIED
    let_lapse(2)
    assert state() is OrganisationState.SUSPENDED
    code = world.lot_of([world.cleared(serial="QX9", serials=("QD-9",))])
    with world.nothing_changes(), pytest.raises(NotAllowed, match="not verified at the moment"):
        world.bid("rita", code, 50)
    with world.transaction() as session:
        accrediting.verify_recycler(
            session, world.stefan, world.organisation("Werk Zwei"),
            licences=["resale", "remanufacture", "dismantling"], group_name="", now=world.now,
        )  # fmt: skip
    world.bid("rita", code, 50)
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(BuyerDefault)) == 2


# ---- disputes about a lot ----


def collected_lot(world: World, *, count: int = 2, euros: int = 100) -> tuple[Order, list[str]]:
    """A lot that Rita won, paid and collected; its order and the codes of its devices."""
    code, devices = world.listed_lot(count)
    world.bid("rosa", code, euros - 10)
    world.bid("rita", code, euros)
    world.later(days=2)
    made = world.close(code)
    world.pay(made, "rita")
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, order(world, made.id).collection_code, now=world.now)
    return order(world, made.id), [world.device(device).code for device in devices]


def dispute(
    world: World, who: str, of: Order, device: str, *, reason: str = "not-as-graded", text: str = "The lid is broken."
) -> Dispute:
    with world.transaction() as session:
        return aftersales.open_dispute(
            session, world.actor(who), of.code, device, reason=reason, text=text, now=world.now
        )


def decide(world: World, about: Dispute, outcome: str, amount: int | None = None, why: str = "It is so.") -> Dispute:
    with world.transaction() as session:
        return aftersales.decide_dispute(
            session, world.stefan, about.code, outcome=outcome, amount_minor=amount, text=f"{why} We looked.",
            practice=True, now=world.now,
        )  # fmt: skip


def refund_of(world: World, about: Dispute) -> PaymentInstruction:
    with world.transaction() as session:
        return session.scalars(
            sa.select(PaymentInstruction).where(
                PaymentInstruction.kind == InstructionKind.REFUND, PaymentInstruction.subject_id == about.id
            )
        ).one()


def again(world: World, about: Dispute) -> Dispute:
    with world.transaction() as session:
        return session.get_one(Dispute, about.id)


def test_a_dispute_goes_from_the_buyer_to_the_centre_to_the_desk_to_the_money(world: World) -> None:
    bought, devices = collected_lot(world)
    sales = balance(world, Account.SALES)
    opened = dispute(world, "rita", bought, devices[0])
    assert opened.state is DisputeState.OPEN
    assert opened.share_minor * 2 == bought.amount_minor
    assert letters(world, f"Dispute {opened.code}") == ["olga@rhein.example", "otto@rhein.example", "rita@werk.example"]
    with world.transaction() as session:
        answered = aftersales.answer_dispute(session, world.olga, opened.code, text="We agree.", now=world.now)
    assert answered.state is DisputeState.ANSWERED
    decided = decide(world, opened, "partial", 12_34)
    assert (decided.state, decided.refund_minor) == (DisputeState.DECIDED, 12_34)
    assert balance(world, Account.SALES) == sales + 12_34
    assert balance(world, Account.BUYERS) == -12_34
    refund = refund_of(world, opened)
    assert (refund.amount_minor, refund.party_id) == (12_34, bought.organisation_id)
    assert world.provider_says(refund.id) == "buyer refunded"
    assert world.provider_says(refund.id) == "known already"
    assert again(world, opened).state is DisputeState.CLOSED
    assert balance(world, Account.BUYERS) == 0
    assert letters(world, "Refunded") == ["rita@werk.example"]


def test_a_form_sent_twice_is_one_dispute_and_one_decision(world: World) -> None:
    bought, devices = collected_lot(world)
    opened = dispute(world, "rita", bought, devices[0])
    with world.nothing_changes():
        assert dispute(world, "rita", bought, devices[0]).id == opened.id
    for _ in range(2):
        with world.transaction() as session:
            aftersales.answer_dispute(session, world.olga, opened.code, text="We agree.", now=world.now)
    assert world.raw("select count(*) from dispute_events where step = 'answered'") == 1
    decide(world, opened, "partial", 5_00)
    with world.nothing_changes():
        decide(world, opened, "partial", 5_00)
    with world.nothing_changes(), pytest.raises(Conflict, match="decided already"):
        decide(world, opened, "refund")
    assert world.raw("select count(*) from payment_instructions where kind = 'refund'") == 1


def test_refunds_never_come_to_more_than_was_paid_for_the_device(world: World) -> None:
    bought, devices = collected_lot(world)
    share = bought.amount_minor // 2
    first = dispute(world, "rita", bought, devices[0])
    for amount in (0, -5, share + 1, 10**12, None):
        with world.nothing_changes(), pytest.raises(Invalid, match="above zero and up to"):
            decide(world, first, "partial", amount)
    decide(world, first, "partial", share - 1)
    world.provider_says(refund_of(world, first).id)
    second = dispute(world, "rita", bought, devices[0], text="And now the keyboard too.")
    with world.nothing_changes(), pytest.raises(Invalid, match=r"up to €0\.01"):
        decide(world, second, "partial", 2)
    assert decide(world, second, "refund").refund_minor == 1
    world.provider_says(refund_of(world, second).id)
    third = dispute(world, "rita", bought, devices[0], text="And the screen as well.")
    with world.nothing_changes(), pytest.raises(Invalid, match="Nothing is left"):
        decide(world, third, "refund")
    decide(world, third, "rejected")
    assert again(world, third).state is DisputeState.CLOSED


def test_the_database_itself_holds_refunds_below_what_was_paid(world: World) -> None:
    bought, devices = collected_lot(world)
    opened = dispute(world, "rita", bought, devices[0])
    said = world.refused_by_database(
        "update disputes set outcome = 'refund', decided_at = now(), refund_minor = share_minor + 1 where id = :id",
        id=opened.id,
    )
    assert "ck_disputes_refund" in said
    decide(world, opened, "partial", 10_00)
    assert "not decided anew" in world.refused_by_database(
        "update disputes set refund_minor = 2000 where id = :id", id=opened.id
    )
    # What was said stays said: the app role has no right to change it at all.
    assert world.refused_by_database("update dispute_events set text = 'no'").startswith("42501")


def test_a_device_that_is_disputed_is_not_taken_apart_and_reported(world: World) -> None:
    bought, devices = collected_lot(world)
    opened = dispute(world, "rita", bought, devices[0])

    def report(device: str) -> None:
        with world.transaction() as session:
            code = session.scalars(sa.select(Lot.code).where(Lot.id == bought.lot_id)).one()
            settlement.report_outcome(
                session, world.actor("rita"), code, device, outcome="remade", fractions={}, remark="", now=world.now
            )

    with world.nothing_changes(), pytest.raises(Conflict, match=f"Dispute {opened.code}"):
        report(devices[0])
    report(devices[1])
    with world.nothing_changes(), pytest.raises(Conflict, match="cannot be disputed any more"):
        dispute(world, "rita", bought, devices[1])
    # It was never there: the whole price goes back, nobody reports it, and the order is settled.
    decide(world, opened, "refund")
    assert order(world, bought.id).state is OrderState.SETTLED


def test_disputes_end_after_fourteen_days_and_belong_to_the_buyer(world: World) -> None:
    bought, devices = collected_lot(world)
    with world.nothing_changes(), pytest.raises(NotFound):
        dispute(world, "rosa", bought, devices[0])
    with world.nothing_changes(), pytest.raises(Invalid, match="Only a private buyer withdraws"):
        dispute(world, "rita", bought, devices[0], reason="withdrawal")
    with world.nothing_changes(), pytest.raises(Invalid, match="Choose a device of this order"):
        dispute(world, "rita", bought, "D-0000-0000")
    with world.nothing_changes(), pytest.raises(Invalid, match="Write 10 to"):
        dispute(world, "rita", bought, devices[0], text="bad")
    world.later(days=17)
    with world.nothing_changes(), pytest.raises(Conflict, match="14 days for this ended"):
        dispute(world, "rita", bought, devices[0])


def test_upheld_disputes_count_in_the_figures_of_the_centre(world: World) -> None:
    bought, devices = collected_lot(world)
    centre = world.organisation("Rhein Datenpark")

    def figures() -> dict[str, int]:
        with world.transaction() as session:
            return market_views.centre_figures(session, centre)

    assert figures() == {"sold": 2, "upheld": 0}
    decide(world, dispute(world, "rita", bought, devices[0]), "rejected")
    assert figures() == {"sold": 2, "upheld": 0}
    decide(world, dispute(world, "rita", bought, devices[1]), "partial", 1)
    assert figures() == {"sold": 2, "upheld": 1}


# ---- the shop ----


def bought_device(world: World, *, collected: bool = True, serial: str = "PF1ABCDE") -> tuple[UUID, Order]:
    """A device from the shop that Ben paid, and collected unless told otherwise."""
    device_id = world.cleared(serial=serial, serials=(f"DR-{serial}",))
    with world.transaction() as session:
        code = sale.list_device(session, world.stefan, device_id, price_minor=199_00, now=world.now).code
    with world.transaction() as session:
        made = sale.buy(session, world.actor("ben"), code, now=world.now)
    world.pay(made, "ben")
    if collected:
        with world.transaction() as session:
            settlement.hand_over(session, world.olga, made.collection_code, now=world.now)
    return device_id, order(world, made.id)


def take_back(world: World, device_id: UUID) -> None:
    with world.transaction() as session:
        bench.receive(
            session, world.olga, device_id, seal="S-2", seal_state="intact", mass_g=1900, note="", now=world.now
        )


def test_a_private_buyer_withdraws_brings_it_back_and_then_is_refunded(world: World) -> None:
    device_id, bought = bought_device(world)
    stock = balance(world, Account.STOCK)
    withdrawn = dispute(world, "ben", bought, world.device(device_id).code, reason="withdrawal", text="")
    assert (withdrawn.state, withdrawn.outcome) == (DisputeState.DECIDED, DisputeOutcome.RETURN)
    assert withdrawn.refund_minor == 199_00
    with world.transaction() as session:  # Not before it is back.
        assert not aftersales.refund_returned(session, WORKER, withdrawn.id, practice=True, now=world.now)
    take_back(world, device_id)
    assert world.device(device_id).cycle == 2
    for expected in (True, False):
        with world.transaction() as session:
            paid = aftersales.refund_returned(session, WORKER, withdrawn.id, practice=True, now=world.now)
            assert paid is expected
    world.provider_says(refund_of(world, withdrawn).id)
    assert again(world, withdrawn).state is DisputeState.CLOSED
    assert balance(world, Account.BUYERS) == 0
    assert balance(world, Account.SALES) == 0
    assert balance(world, Account.STOCK) > stock
    with world.transaction() as session:
        assert market_views.centre_figures(session, bought.centre_id)["upheld"] == 0


def test_a_device_that_does_not_come_back_is_not_refunded(world: World) -> None:
    device_id, bought = bought_device(world)
    opened = dispute(world, "ben", bought, world.device(device_id).code, reason="does-not-work")
    decided = decide(world, opened, "return")
    assert world.raw("select count(*) from payment_instructions where kind = 'refund'") == 0

    def lapse() -> None:
        with world.transaction() as session:
            aftersales.lapse_dispute(session, world.stefan, opened.code, text="It never came.  ", now=world.now)

    with world.nothing_changes(), pytest.raises(Conflict, match="Wait for that"):
        lapse()
    assert decided.return_by is not None
    world.now = decided.return_by + timedelta(seconds=1)
    lapse()
    with world.nothing_changes():
        lapse()
    assert (again(world, opened).state, again(world, opened).refund_minor) == (DisputeState.CLOSED, 0)
    take_back(world, device_id)  # It comes after all: received as ever, but nothing is refunded by itself.
    assert world.raw("select count(*) from payment_instructions where kind = 'refund'") == 0


def test_a_refund_that_fails_is_written_anew_and_closes_the_dispute(world: World) -> None:
    device_id, bought = bought_device(world)
    opened = dispute(world, "ben", bought, world.device(device_id).code)
    decide(world, opened, "partial", 20_00)
    failed = refund_of(world, opened)
    world.provider_says(failed.id, PaymentState.FAILED, "card closed")
    assert again(world, opened).state is DisputeState.DECIDED
    with world.transaction() as session:
        anew = settlement.pay_again(session, world.stefan, failed.id, now=world.now)
    world.provider_says(anew.id)
    assert again(world, opened).state is DisputeState.CLOSED
    assert balance(world, Account.BUYERS) == 0


def test_before_collecting_a_private_buyer_withdraws_with_one_press(world: World) -> None:
    device_id, bought = bought_device(world, collected=False)

    def withdraw(who: str) -> Order:
        with world.transaction() as session:
            return settlement.withdraw_order(session, world.actor(who), bought.code, now=world.now)

    with world.nothing_changes(), pytest.raises(NotFound):
        withdraw("cora")
    assert withdraw("ben").state is OrderState.REFUNDED
    with world.nothing_changes():
        withdraw("ben")
    assert world.device(device_id).state in WAYS
    with world.transaction() as session:
        refund = session.scalars(
            sa.select(PaymentInstruction).where(PaymentInstruction.kind == InstructionKind.REFUND)
        ).one()
    assert refund.amount_minor == 199_00
    world.provider_says(refund.id)
    assert balance(world, Account.BUYERS) == 0


def test_an_account_holds_three_unpaid_devices_at_most(world: World) -> None:
    ben = world.actor("ben")
    assert ben.role is Role.CONSUMER
    codes = []
    for number in range(4):
        device_id = world.cleared(serial=f"RS{number}0000", serials=(f"RS-{number}",))
        with world.transaction() as session:
            codes.append(sale.list_device(session, world.stefan, device_id, price_minor=50_00, now=world.now).code)
    made = []
    for code in codes[:3]:
        with world.transaction() as session:
            made.append(sale.buy(session, ben, code, now=world.now))
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="one account may hold 3"),
        world.transaction() as session,
    ):
        sale.buy(session, ben, codes[3], now=world.now)
    with world.nothing_changes(), world.transaction() as session:  # The same button again is the same order.
        assert sale.buy(session, ben, codes[0], now=world.now).id == made[0].id
    world.pay(made[0], "ben")
    with world.transaction() as session:
        sale.buy(session, ben, codes[3], now=world.now)


def test_nobody_buys_back_what_they_sold(world: World) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        code = sale.list_device(session, world.stefan, device_id, price_minor=50_00, now=world.now).code
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="You sold this device to us"),
        world.transaction() as session,
    ):
        sale.buy(session, world.cora, code, now=world.now)


def test_invoices_are_numbered_without_gaps_in_the_order_of_payment(world: World) -> None:
    orders = [bought_device(world, collected=False, serial=f"IN{number}0000")[1] for number in range(3)]
    with world.transaction() as session:
        found = [session.get_one(Order, each.id) for each in orders]
        numbers = [market_views.invoice(session, each)["number"] for each in found]
    assert numbers == [f"{world.now.year}-{number:06d}" for number in (1, 2, 3)]


# ---- watching ----


def test_a_watcher_is_told_an_hour_before_the_end_and_once(world: World) -> None:
    code, _ = world.listed_lot()
    rita = world.actor("rita")
    rita_id = rita.id
    assert rita_id is not None
    for _ in range(2):
        with world.transaction() as session:
            sale.watch(session, rita, code, now=world.now)
    found = lot(world, code)
    job = "select count(*) from procrastinate_jobs where task_name = 'market.remind_watcher' and scheduled_at = :at"
    assert world.raw(job, at=found.ends_at - timedelta(hours=1)) == 1
    world.now = found.ends_at - timedelta(hours=1)
    for _ in range(2):
        with world.transaction() as session:
            sale.remind_watcher(session, WORKER, found.id, rita_id, now=world.now)
    assert letters(world, "closes at") == ["rita@werk.example"]
    with world.transaction() as session:
        sale.unwatch(session, rita, code)
    with world.nothing_changes(), world.transaction() as session:
        sale.unwatch(session, rita, code)
    world.now = found.ends_at
    with world.nothing_changes(), pytest.raises(Conflict, match="is over"), world.transaction() as session:
        sale.watch(session, rita, code, now=world.now)


def test_who_lost_the_lead_is_told_once_for_each_time(world: World) -> None:
    code, _ = world.listed_lot()
    found = lot(world, code)

    def tell() -> None:
        with world.transaction() as session:
            sale.tell_outbid(session, WORKER, found.id, now=world.now)

    world.bid("rita", code, 50)
    tell()
    assert letters(world, "outbid") == []
    world.bid("rosa", code, 60)
    tell()
    tell()
    assert letters(world, "outbid") == ["rita@werk.example"]
    world.bid("rita", code, 55)  # Outbid at once: the page said so.
    tell()
    assert letters(world, "outbid") == ["rita@werk.example"]
    world.bid("rita", code, 80)
    tell()
    assert letters(world, "outbid") == ["rita@werk.example", "rosa@neu.example"]


def test_who_sold_a_device_reads_that_it_came_back_and_that_it_is_not_theirs_any_more(world: World) -> None:
    device_id, bought = bought_device(world)
    dispute(world, "ben", bought, world.device(device_id).code, reason="withdrawal", text="")
    take_back(world, device_id)
    with world.transaction() as session:
        told = views.story(session, device_id, world.actor("cora"))
    assert told["device"]["next"]["title"] == "It came back after it was sold"
    assert "It is not yours any more; nothing changes for you." in told["device"]["next"]["text"]
    assert "makes you an offer" not in str(told)
    assert [step["by"] for step in told["events"] if step["title"] == "It was sold"] == ["the buyer"]
