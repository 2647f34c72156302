"""The worker against a practice provider in a process of its own: nothing is paid twice, nothing is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import procrastinate
import procrastinate.testing
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from ewaste.accounts.models import WORKER
from ewaste.core import clock, jobs
from ewaste.core.money import Money
from ewaste.core.refusals import NotAllowed
from ewaste.devices.lifecycle import WAYS, State
from ewaste.journey import settlement
from ewaste.market.models import LotState, Order, OrderState
from ewaste.payments import instructions, ledger
from ewaste.payments.gateway import Kind, Payment, PaymentState, Unreachable
from ewaste.payments.models import GatewayEventRow, InstructionKind, InstructionState, PaymentInstruction
from ewaste.payments.stripe_gateway import StripeGateway
from ewaste.worker import Work, procrastinate_app, tasks
from tests.due import run_due
from tests.practice.tools import KEY, SECRET, CuttingProxy, Running, client, press
from tests.world import World

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A practice provider whose platform account holds 1,000.00 EUR."""
    with Running(tmp_path_factory.mktemp("practice"), cash=100_000) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(provider: Running) -> StripeGateway:
    return StripeGateway(KEY, SECRET, base_url=provider.url, retries=0)


@pytest.fixture
def work(world: World, gateway: StripeGateway, monkeypatch: pytest.MonkeyPatch) -> Work:
    """The worker's jobs, by the clock of the test."""
    monkeypatch.setattr(clock, "now", lambda: world.now)
    return Work(world.database, gateway, practice=True)


def payout(world: World, amount: int = 5_000) -> UUID:
    """A payout to Cora, written down."""
    with world.transaction() as session:
        return instructions.instruct(
            session,
            InstructionKind.PAY_OUT,
            subject_id=uuid4(),
            party_id=world.cora.id,
            amount=Money(amount),
            description="ThinkPad T480",
            practice=True,
            by=WORKER,
            now=world.now,
        ).id


def instruction(world: World, instruction_id: UUID) -> PaymentInstruction:
    with world.transaction() as session:
        return session.get_one(PaymentInstruction, instruction_id)


def order(world: World, order_id: UUID) -> Order:
    with world.transaction() as session:
        return session.get_one(Order, order_id)


def balances(world: World) -> dict[str, int]:
    with world.transaction() as session:
        assert ledger.sums(session) == {"EUR": 0}
        return {account: amount for (account, _), amount in ledger.balances(session).items() if amount}


def available(gateway: StripeGateway) -> int:
    return gateway.balance()[0].available.amount_minor


def won(world: World, euros: int = 50) -> tuple[Order, UUID]:
    """A lot that Rita won, with her order."""
    code, (device_id,) = world.listed_lot()
    world.bid("rita", code, euros)
    world.later(days=3)
    bought = world.close(code)
    world.raw("delete from procrastinate_jobs where task_name <> 'market.expire_order'")  # The rest is not the matter.
    return bought, device_id


def checkout(world: World, gateway: StripeGateway, bought: Order, *, noted: bool = True) -> tuple[UUID, str]:
    """Rita opens the provider's page; returns the instruction and the page's address."""
    with world.transaction() as session:
        errand = settlement.start_payment(session, world.actor("rita"), bought.code, practice=True, now=world.now)
    page = gateway.checkout(
        errand.instruction_id,
        errand.amount,
        errand.description,
        success_url="http://127.0.0.1/",
        cancel_url="http://127.0.0.1/",
    )
    if noted:
        with world.transaction() as session:
            settlement.note_checkout(session, errand.instruction_id, page.reference)
    return errand.instruction_id, page.url


def told(world: World, gateway: StripeGateway, instruction_id: UUID) -> str:
    """The provider's event about a checkout comes in; returns its id."""
    (paid,) = gateway.find(instruction_id, Kind.CHECKOUT, since=LONG_AGO)
    event_id = f"evt_{instruction_id.hex[:10]}"
    with world.transaction() as session:
        fresh = settlement.keep_event(
            session,
            event_id=event_id,
            kind="checkout.session.completed",
            object_reference=paid.reference,
            instruction_id=instruction_id,
            now=world.now,
        )
        if fresh:
            jobs.defer(session, jobs.APPLY_GATEWAY_EVENT, event=event_id)
    return event_id


# --- money out


def test_a_payout_is_sent_once_and_booked(world: World, work: Work, gateway: StripeGateway) -> None:
    before, written = available(gateway), payout(world)
    assert run_due(world.database, work) == 1
    sent = instruction(world, written)
    assert (sent.state, sent.attempts, sent.settled_at) == (InstructionState.SUCCEEDED, 1, world.now)
    assert available(gateway) == before - 5_000
    assert balances(world) == {"owed to sellers": 5_000, "provider": -5_000}
    with world.nothing_changes():
        work.send_payment(str(written))
        assert run_due(world.database, work) == 0
    assert available(gateway) == before - 5_000


def test_a_lost_answer_does_not_pay_twice(world: World, provider: Running, gateway: StripeGateway, work: Work) -> None:
    before, written = available(gateway), payout(world)
    with CuttingProxy(provider.url, cut_answers=2) as proxy:
        lossy = StripeGateway(KEY, SECRET, base_url=proxy.url, retries=0)
        lossy.open_payee, lossy.payee_ready = gateway.open_payee, gateway.payee_ready  # type: ignore[method-assign]
        cut_off = Work(world.database, lossy, practice=True)
        with pytest.raises(Unreachable):  # The transfer was made; nobody heard of it.
            run_due(world.database, cut_off)
        assert available(gateway) == before - 5_000
        assert instruction(world, written).state is InstructionState.SENT
        assert ledger_is_empty(world)
        with pytest.raises(Unreachable):  # Nor is the question heard whether it was made.
            run_due(world.database, cut_off)
        assert proxy.cut == 2
        assert run_due(world.database, cut_off) == 1
    assert (instruction(world, written).state, instruction(world, written).attempts) == (InstructionState.SUCCEEDED, 3)
    assert available(gateway) == before - 5_000
    assert len(gateway.find(written, Kind.TRANSFER, since=LONG_AGO)) == 1
    assert balances(world) == {"owed to sellers": 5_000, "provider": -5_000}


def ledger_is_empty(world: World) -> bool:
    return world.raw("select count(*) from entries") == 0


def test_a_worker_that_died_before_it_asked_loses_nothing(world: World, work: Work, gateway: StripeGateway) -> None:
    before, written = available(gateway), payout(world)
    with world.transaction() as session:
        settlement.prepare_payment(session, WORKER, written, now=world.now)
    assert run_due(world.database, work) == 1
    assert available(gateway) == before - 5_000
    assert instruction(world, written).state is InstructionState.SUCCEEDED


def test_a_worker_that_died_before_it_noted_the_answer_loses_nothing(
    world: World, work: Work, gateway: StripeGateway
) -> None:
    before, written = available(gateway), payout(world)
    with world.transaction() as session:
        errand = settlement.prepare_payment(session, WORKER, written, now=world.now)
    assert errand is not None
    payee = gateway.open_payee(errand.party_id, errand.party_email, errand.party_country)
    gateway.transfer(written, errand.amount, payee, group=errand.group, description=errand.description)
    assert run_due(world.database, work) == 1
    assert available(gateway) == before - 5_000
    assert len(gateway.find(written, Kind.TRANSFER, since=LONG_AGO)) == 1


def test_a_balance_that_does_not_reach_makes_the_payout_wait(
    world: World, work: Work, gateway: StripeGateway, provider: Running
) -> None:
    much = available(gateway) + 10_000
    first, before = payout(world, much), available(gateway)
    assert run_due(world.database, work) == 1
    with world.transaction() as session:
        spent, later = session.scalars(sa.select(PaymentInstruction).order_by(PaymentInstruction.state)).all()
    assert (spent.id, spent.state) == (first, InstructionState.FAILED)
    assert (later.state, later.subject_id, later.amount_minor) == (InstructionState.WRITTEN, spent.subject_id, much)
    assert ledger_is_empty(world)
    assert available(gateway) == before
    world.later(minutes=14)
    with world.nothing_changes():
        assert run_due(world.database, work) == 0
    client(provider).v1.topups.create({"amount": 60_000, "currency": "eur"})
    world.later(minutes=1)
    assert run_due(world.database, work) == 1
    assert instruction(world, later.id).state is InstructionState.SUCCEEDED
    assert available(gateway) == before + 60_000 - much


def test_what_the_provider_refuses_fails_and_is_not_tried_again(world: World, work: Work) -> None:
    written = payout(world)
    with world.transaction() as session:
        settlement.note_payee(session, world.cora.id, "acct_unknown", practice=True, now=world.now)
    assert run_due(world.database, work) == 1
    failed = instruction(world, written)
    assert failed.state is InstructionState.FAILED
    assert "acct_unknown" in (failed.failure or "")
    assert ledger_is_empty(world)
    with world.nothing_changes():
        assert run_due(world.database, work) == 0


def test_a_seller_without_bank_details_is_paid_later(
    world: World, work: Work, gateway: StripeGateway, monkeypatch
) -> None:
    written = payout(world)
    with monkeypatch.context() as not_ready:
        not_ready.setattr(gateway, "payee_ready", lambda payee: False)
        for _ in range(100):  # However often: it is no failure, and there is no last time.
            assert run_due(world.database, work) == 1
            world.later(hours=1)
    waiting = instruction(world, written)
    assert (waiting.state, waiting.attempts) == (InstructionState.SENT, 100)
    assert "has not given bank details yet" in str(waiting.failure)
    assert run_due(world.database, work) == 1
    assert instruction(world, written).state is InstructionState.SUCCEEDED


# --- money in


def test_a_buyer_who_paid_gets_the_order_paid_by_the_event(world: World, work: Work, gateway: StripeGateway) -> None:
    bought, device_id = won(world)
    instruction_id, url = checkout(world, gateway, bought)
    press(url, "pay")
    event_id = told(world, gateway, instruction_id)
    assert told(world, gateway, instruction_id) == event_id  # The provider tells it twice.
    assert run_due(world.database, work) == 1
    assert order(world, bought.id).state is OrderState.PAID
    assert world.raw("select effect from gateway_events") == "order paid"
    with world.nothing_changes():
        work.apply_event(event_id)
        assert run_due(world.database, work) == 0
    assert world.device(device_id).state is State.SOLD
    assert balances(world)["provider"] == bought.amount_minor


def test_an_event_that_was_not_kept_changes_nothing(world: World, work: Work) -> None:
    payment = Payment("cs_1", Kind.CHECKOUT, PaymentState.SUCCEEDED, Money(1), Money(0), uuid4(), True)
    with world.nothing_changes():
        work.apply_event("evt_unknown")
        with world.transaction() as session:
            assert settlement.apply_event(session, WORKER, "evt_unknown", payment, now=world.now) == "known already"


def test_an_event_about_something_that_the_provider_does_not_know_is_dismissed(world: World, work: Work) -> None:
    with world.transaction() as session:
        for event_id, about in (("evt_1", uuid4()), ("evt_2", None)):
            settlement.keep_event(
                session, event_id=event_id, kind="x", object_reference="pi_unknown", instruction_id=about, now=world.now
            )
    with world.nothing_changes("gateway_events"):
        work.apply_event("evt_1")
        work.apply_event("evt_2")
    with world.transaction() as session:
        effects = list(session.scalars(sa.select(GatewayEventRow.effect).order_by(GatewayEventRow.id)))
    assert [effect.split(":")[0] for effect in effects if effect] == ["not about a payment of ours"] * 2


def test_an_event_about_a_payment_that_is_not_ours_moves_no_order(
    world: World, work: Work, gateway: StripeGateway
) -> None:
    stranger = uuid4()
    page = gateway.checkout(stranger, Money(700), "x", success_url="http://127.0.0.1/", cancel_url="http://127.0.0.1/")
    press(page.url, "pay")
    told(world, gateway, stranger)
    assert run_due(world.database, work) == 1
    assert world.raw("select effect from gateway_events") == "not about a payment of ours"
    assert ledger_is_empty(world)


def test_an_order_that_is_not_paid_in_time_closes_its_page_and_gives_the_device_back(
    world: World, work: Work, gateway: StripeGateway
) -> None:
    bought, device_id = won(world)
    _, url = checkout(world, gateway, bought)
    world.now = bought.pay_by
    assert run_due(world.database, work) >= 1
    assert order(world, bought.id).state is OrderState.DEFAULTED
    assert world.device(device_id).state in WAYS
    assert press_fails(url)
    assert "provider" not in balances(world)


def press_fails(url: str) -> bool:
    """The page takes no payment any more."""
    try:
        return press(url, "pay").status >= 400
    except AssertionError:
        return True  # There is no form on it.


def test_an_order_paid_in_the_last_second_is_not_given_up(world: World, work: Work, gateway: StripeGateway) -> None:
    bought, device_id = won(world)
    instruction_id, url = checkout(world, gateway, bought)
    press(url, "pay")  # The event has not come in yet.
    world.now = bought.pay_by
    run_due(world.database, work)
    assert order(world, bought.id).state is OrderState.PAID
    assert world.device(device_id).state is State.SOLD
    told(world, gateway, instruction_id)
    run_due(world.database, work)
    assert world.raw("select effect from gateway_events") == "known already"
    assert balances(world)["provider"] == bought.amount_minor


def test_a_payment_that_arrives_after_the_default_is_given_back(
    world: World, work: Work, gateway: StripeGateway
) -> None:
    bought, device_id = won(world)
    before = available(gateway)
    instruction_id, url = checkout(world, gateway, bought, noted=False)  # We fell over before we noted the page.
    world.now = bought.pay_by
    run_due(world.database, work)
    assert order(world, bought.id).state is OrderState.DEFAULTED
    press(url, "pay")
    told(world, gateway, instruction_id)
    assert run_due(world.database, work) == 2  # The event, and the refund that follows from it.
    assert world.raw("select effect from gateway_events") == "paid too late; refund instructed"
    (paid,) = gateway.find(instruction_id, Kind.CHECKOUT, since=LONG_AGO)
    assert paid.returned == Money(bought.amount_minor)
    assert available(gateway) == before
    assert "provider" not in balances(world)
    assert "owed by buyers" not in balances(world)
    assert world.device(device_id).state in WAYS


def test_a_refunded_buyer_has_the_money_back_once(world: World, work: Work, gateway: StripeGateway) -> None:
    bought, device_id = won(world)
    instruction_id, url = checkout(world, gateway, bought)
    press(url, "pay")
    told(world, gateway, instruction_id)
    run_due(world.database, work)
    with world.transaction() as session:
        settlement.refund_order(session, world.stefan, bought.code, reason="Water got in.", now=world.now)
    assert run_due(world.database, work) == 1
    (paid,) = gateway.find(instruction_id, Kind.CHECKOUT, since=LONG_AGO)
    assert paid.returned == Money(bought.amount_minor)
    assert "provider" not in balances(world)
    assert order(world, bought.id).state is OrderState.REFUNDED
    assert world.device(device_id).state in WAYS
    with world.nothing_changes():
        assert run_due(world.database, work) == 0


# --- the queue


def test_every_job_that_can_be_deferred_has_somebody_who_runs_it(work: Work) -> None:
    assert set(tasks(work)) == jobs.NAMES
    app = procrastinate_app(procrastinate.testing.InMemoryConnector(), work)
    assert set(app.tasks) >= jobs.NAMES


def test_jobs_run_when_they_are_due_and_not_before(world: World, work: Work) -> None:
    code, _ = world.listed_lot()
    world.raw("delete from procrastinate_jobs where task_name <> 'market.close_lot'")
    with world.nothing_changes():
        assert run_due(world.database, work) == 0
    world.later(days=2)
    assert run_due(world.database, work) == 1
    assert world.raw("select state from lots where code = :c", c=code) == LotState.UNSOLD.value
    assert run_due(world.database, work) == 0


def test_a_job_that_fails_stays_and_does_not_stop_what_was_done_before_it(world: World, work: Work) -> None:
    with world.transaction() as session:
        jobs.defer(session, jobs.EXPIRE_OFFER, offer="no such id")
    with world.nothing_changes(), pytest.raises(ValueError, match="badly formed"):
        run_due(world.database, work)
    assert world.raw("select status from procrastinate_jobs") == "todo"


def test_a_closing_that_was_moved_by_a_late_bid_is_asked_for_again(world: World, work: Work) -> None:
    code, _ = world.listed_lot()
    world.raw("delete from procrastinate_jobs where task_name <> 'market.close_lot'")
    ends_at = world.raw("select ends_at from lots")
    world.now = ends_at - timedelta(minutes=1)
    world.bid("rita", code, 40)
    world.now = ends_at
    assert run_due(world.database, work) == 1
    assert world.raw("select state from lots") == "open"
    world.now = ends_at + timedelta(minutes=2)
    assert run_due(world.database, work) == 1
    assert world.raw("select state from lots") == "sold"
    assert world.raw("select count(*) from orders") == 1


def test_the_queue_itself_takes_up_what_a_step_wrote_down(world: World, work: Work, app_url: str) -> None:
    """The real procrastinate worker, as the app role, once over what is due."""
    code, _ = world.listed_lot()
    world.bid("rita", code, 40)
    world.raw("delete from procrastinate_jobs")
    world.later(days=3)
    with world.transaction() as session:
        jobs.defer(session, jobs.CLOSE_LOT, key="close", lot=str(session.scalar(sa.text("select id from lots"))))
    conninfo = make_url(app_url).set(drivername="postgresql").render_as_string(hide_password=False)
    app = procrastinate_app(procrastinate.PsycopgConnector(conninfo=conninfo, min_size=1, max_size=2), work)
    with app.open():
        app.run_worker(wait=False, install_signal_handlers=False, listen_notify=False, delete_jobs="successful")
    assert world.raw("select state from lots where code = :c", c=code) == "sold"
    assert world.raw("select count(*) from procrastinate_jobs where task_name = 'market.close_lot'") == 0


def test_only_the_worker_runs_what_the_worker_runs(world: World) -> None:
    written = payout(world)
    for who in (world.stefan, world.olga, world.cora):
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            settlement.prepare_payment(session, who, written, now=world.now)
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            settlement.note_payment(session, who, written, PaymentState.SUCCEEDED, "tr_1", "", now=world.now)
