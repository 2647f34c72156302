"""The seller's answer to an offer: confirmed, declined, or silence; the price that is fixed and the day it is paid."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.core import clock
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import custody
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Title
from ewaste.journey import bench, clearing, trade_in
from ewaste.payments import ledger
from ewaste.payments.models import InstructionState, PaymentInstruction
from ewaste.processing.checklist import items
from ewaste.tradein.models import Offer, OfferState
from ewaste.worker import Work
from tests.due import run_due
from tests.world import GOOD_ANSWERS, LAPTOP, World, good_findings


def offer(world: World, device_id: UUID) -> Offer:
    return world.offer(device_id)


def payouts(world: World) -> list[PaymentInstruction]:
    with world.transaction() as session:
        return list(session.scalars(sa.select(PaymentInstruction)))


def answer(world: World, step: Any, device_id: UUID, actor: Any = None) -> None:
    with world.transaction() as session:
        step(session, actor or world.cora, world.offer(device_id).id, now=world.now)


def expire(world: World, device_id: UUID) -> None:
    answer(world, trade_in.expire_offer, device_id, WORKER)


def poorer(world: World, **options: Any) -> UUID:
    """A laptop that turned out worse than it was described."""
    findings = good_findings()
    for item in items("laptop", stage="before-offer"):
        if item.id in {"screen_wear", "body_wear"} and item.answers:
            findings[item.id] = item.answers[-1].value
    return world.inspected(findings=findings, **options)


def test_a_confirmed_offer_fixes_the_price_passes_title_and_names_the_day(world: World) -> None:
    device_id = world.inspected()
    answer(world, trade_in.confirm_offer, device_id)
    confirmed, device = offer(world, device_id), world.device(device_id)
    assert (confirmed.state, confirmed.answered_at) == (OfferState.CONFIRMED, world.now)
    assert confirmed.pay_by == datetime.fromisoformat("2026-11-27T09:00:00+00:00")  # Friday, five business days on.
    assert (device.state, device.title) == (State.CLEARING, Title.MARKET)
    with world.transaction() as session:
        assert ledger.balances(session) == {
            ("devices bought", "EUR"): confirmed.amount_minor,
            ("owed to sellers", "EUR"): -confirmed.amount_minor,
        }
        (due,) = session.execute(
            sa.text(
                "select scheduled_at, args from procrastinate_jobs where task_name = 'payments.pay_seller_at_latest'"
            )
        ).all()
    assert tuple(due) == (confirmed.pay_by, {"offer": str(confirmed.id)})
    assert payouts(world) == []


def test_an_offer_is_answered_once(world: World) -> None:
    confirmed, declined = world.inspected(), world.inspected(serial="PF2ABCDE", serials=("DRIVE-2",))
    answer(world, trade_in.confirm_offer, confirmed)
    answer(world, trade_in.decline_offer, declined)
    for device_id, word in ((confirmed, "confirmed"), (declined, "declined")):
        for step in (trade_in.confirm_offer, trade_in.decline_offer):
            with world.nothing_changes(), pytest.raises(Conflict, match=f"This offer was {word} already"):
                answer(world, step, device_id)


def test_only_the_seller_answers(world: World) -> None:
    device_id = world.inspected()
    for step in (trade_in.confirm_offer, trade_in.decline_offer):
        with world.nothing_changes(), pytest.raises(NotFound):
            answer(world, step, device_id, world.actor("ben"))
        for who in ("olga", "stefan", "rita", "ada"):
            with world.nothing_changes(), pytest.raises(NotAllowed):
                answer(world, step, device_id, world.actor(who))


def test_a_declined_device_goes_back_and_nothing_is_paid(world: World) -> None:
    device_id = world.inspected()
    with world.nothing_changes(), pytest.raises(Conflict, match="Wait for the answer"), world.transaction() as session:
        bench.send_back(session, world.olga, device_id, reason="Too early.", seal="S-2", mass_g=1580, now=world.now)
    answer(world, trade_in.decline_offer, device_id)
    with world.transaction() as session:
        bench.send_back(
            session, world.olga, device_id, reason="The seller declined.", seal="S-2", mass_g=1580, now=world.now
        )
    device = world.device(device_id)
    assert (device.state, device.title) == (State.RETURNED, Title.SELLER)
    with world.transaction() as session:
        assert ledger.balances(session) == {}
    assert payouts(world) == []


def test_silence_never_accepts(world: World) -> None:
    device_id = world.inspected()
    world.now = offer(world, device_id).answer_by - timedelta(seconds=1)
    with world.nothing_changes():
        expire(world, device_id)
    world.later(seconds=1)
    expire(world, device_id)
    assert (offer(world, device_id).state, world.device(device_id).title) == (OfferState.LAPSED, Title.SELLER)
    with world.nothing_changes():
        expire(world, device_id)
    with world.nothing_changes(), pytest.raises(Conflict, match="lapsed already"):
        answer(world, trade_in.confirm_offer, device_id)
    with world.transaction() as session:
        bench.send_back(
            session, world.olga, device_id, reason="No answer came.", seal="S-2", mass_g=1580, now=world.now
        )
        assert ledger.balances(session) == {}


def test_an_offer_is_confirmed_in_time_or_not_at_all(world: World) -> None:
    device_id = world.inspected()
    world.now = offer(world, device_id).answer_by
    with world.nothing_changes(), pytest.raises(Conflict, match="could be confirmed until 04 December 2026"):
        answer(world, trade_in.confirm_offer, device_id)


def test_a_floor_that_was_chosen_beforehand_and_is_reached_confirms(world: World) -> None:
    device_id = poorer(world, silence="floor", floor=1)
    world.now = offer(world, device_id).answer_by
    expire(world, device_id)
    confirmed = offer(world, device_id)
    assert confirmed.state is OfferState.CONFIRMED
    assert confirmed.pay_by == clock.add_business_days(world.now, 5)
    with world.transaction() as session:
        assert custody.check_chain(session, device_id) == []
        assert session.scalar(
            sa.text("select evidence->>'because' from custody_events where kind = 'offer.confirmed'")
        ) == ("not answered; the floor chosen beforehand is reached")


def test_a_floor_that_is_not_reached_sends_the_device_back(world: World) -> None:
    with world.transaction() as session:
        quoted = trade_in.quote(
            session, world.cora, model_code=LAPTOP, storage_gb=256, answers=GOOD_ANSWERS, now=world.now
        ).amount_minor
    device_id = poorer(world, silence="floor", floor=quoted)
    assert offer(world, device_id).amount_minor < quoted
    world.now = offer(world, device_id).answer_by
    expire(world, device_id)
    assert offer(world, device_id).state is OfferState.LAPSED


def test_a_floor_lies_between_nothing_and_the_quote(world: World) -> None:
    with world.transaction() as session:
        made = trade_in.quote(
            session, world.cora, model_code=LAPTOP, storage_gb=256, answers=GOOD_ANSWERS, now=world.now
        )
    for floor in (None, 0, -1, made.amount_minor + 1):
        with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
            trade_in.accept_quote(
                session,
                world.cora,
                made.code,
                serial="PF1",
                owner=True,
                centre_id=world.organisation("Rhein Datenpark"),
                silence="floor",
                floor_minor=floor,
                now=world.now,
            )
        assert refused.value.field == "floor"


def test_a_quote_is_accepted_once_by_whom_it_was_made_for_and_in_time(world: World) -> None:
    with world.transaction() as session:
        code = trade_in.quote(
            session, world.cora, model_code=LAPTOP, storage_gb=256, answers=GOOD_ANSWERS, now=world.now
        ).code
    good = {
        "serial": "PF1ABCDE",
        "owner": True,
        "centre_id": world.organisation("Rhein Datenpark"),
        "silence": "send-back",
        "floor_minor": None,
    }

    def accept(actor: Any, **change: Any) -> None:
        with world.transaction() as session:
            trade_in.accept_quote(session, actor, code, **{**good, **change}, now=world.now)

    for field, change in (
        ("serial", {"serial": "x"}),
        ("serial", {"serial": "y" * 65}),
        ("serial", {"serial": "PF1ÄÖÜ"}),
        ("owner", {"owner": False}),
        ("silence", {"silence": "accept"}),
        ("centre_id", {"centre_id": None}),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            accept(world.cora, **change)
        assert refused.value.field == field
    with world.nothing_changes(), pytest.raises(NotFound, match="no such test centre"):
        accept(world.cora, centre_id=world.organisation("Werk Zwei"))
    with world.nothing_changes(), pytest.raises(Conflict, match="somebody else"):
        accept(world.actor("ben"))
    began = world.now
    world.later(days=28)
    with world.nothing_changes(), pytest.raises(Conflict, match="good until 18 December 2026"):
        accept(world.cora)
    world.now = began
    accept(world.cora)
    with world.nothing_changes():  # The form was sent twice: it is the same device.
        accept(world.cora)
    with world.nothing_changes(), pytest.raises(Conflict, match="accepted already"):
        accept(world.cora, serial="PF1OTHER")


def test_the_price_stays_when_a_wipe_fails_after_the_confirmation(world: World) -> None:
    device_id = world.clearing()
    (medium,) = world.media(device_id)
    price = offer(world, device_id).amount_minor
    with world.transaction() as session:
        bench.wipe_failed(session, world.olga, device_id, medium.id, reason="Write errors.", now=world.now)
    destroyed = world.bundle(
        world.order(device_id), evidence_class="destroyed", level="destroy", technique="shredded", bytes_read=0
    )
    assert world.submit(destroyed).outcome == "accepted"
    assert [payout.amount_minor for payout in payouts(world)] == [price]
    for sql in (
        "update offers set amount_minor = 1",
        "update offers set lines = '[]'",
        "update quotes set amount_minor = 1",
    ):
        assert world.refused_by_database(sql).startswith("42501 permission denied")


def test_the_seller_is_paid_at_clearing(world: World) -> None:
    device_id = world.cleared()
    (payout,) = payouts(world)
    confirmed = offer(world, device_id)
    assert (payout.amount_minor, payout.party_id, payout.subject_id) == (
        confirmed.amount_minor,
        world.cora.id,
        device_id,
    )
    assert (payout.state, payout.written_at) == (InstructionState.WRITTEN, world.now)
    assert world.device(device_id).state in WAYS


def test_the_seller_is_paid_after_five_business_days_whatever_the_wipe_does(world: World, monkeypatch) -> None:
    device_id = world.clearing()
    monkeypatch.setattr(clock, "now", lambda: world.now)
    work = Work(world.database, None, practice=True)  # type: ignore[arg-type]
    world.now = offer(world, device_id).pay_by - timedelta(seconds=1)
    assert run_due(world.database, work) == 0
    world.later(seconds=1)
    monkeypatch.setattr(work, "send_payment", lambda instruction: None)
    assert run_due(world.database, work) == 2  # That the seller is to be paid, and the payment itself.
    assert world.device(device_id).state is State.CLEARING
    assert [payout.amount_minor for payout in payouts(world)] == [offer(world, device_id).amount_minor]


def test_clearing_and_the_last_day_together_pay_once(world: World) -> None:
    for first_the_day in (True, False):
        device_id = world.clearing(serial=f"PF-{first_the_day}", serials=(f"DRIVE-{first_the_day}",))
        order = world.order(device_id)

        def at_latest(device: UUID = device_id) -> None:
            with world.transaction() as session:
                clearing.pay_seller_at_latest(session, WORKER, world.offer(device).id, practice=True, now=world.now)

        if first_the_day:
            at_latest()
        world.submit(world.bundle(order))
        for _ in range(2):
            with world.nothing_changes():
                at_latest()
        mine = [payout for payout in payouts(world) if payout.subject_id == device_id]
        assert len(mine) == 1


def test_an_offer_that_was_not_confirmed_pays_nobody(world: World) -> None:
    device_id = world.inspected()
    with world.nothing_changes(), world.transaction() as session:
        clearing.pay_seller_at_latest(session, WORKER, world.offer(device_id).id, practice=True, now=world.now)
    assert payouts(world) == []


def test_a_better_device_than_described_is_offered_more_and_a_worse_one_less(world: World) -> None:
    modest = world.inspected(answers={**GOOD_ANSWERS, "battery": "weak"})
    poor = poorer(world, serial="PF2ABCDE", serials=("DRIVE-2",))
    with world.transaction() as session:
        quoted = dict(session.execute(sa.text("select device_id, amount_minor from quotes")).all())
    assert offer(world, modest).amount_minor > quoted[modest]
    assert offer(world, poor).amount_minor < quoted[poor]
    assert offer(world, poor).differences
    assert offer(world, modest).differences


def test_a_device_is_cancelled_by_its_seller_before_it_is_sent(world: World) -> None:
    device_id = world.expected()
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        trade_in.cancel(session, world.actor("ben"), device_id, now=world.now)
    with world.transaction() as session:
        trade_in.cancel(session, world.cora, device_id, now=world.now)
    assert world.device(device_id).state is State.CANCELLED
    received = world.received(serial="PF2ABCDE")
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="cannot become cancelled"),
        world.transaction() as session,
    ):
        trade_in.cancel(session, world.cora, received, now=world.now)
