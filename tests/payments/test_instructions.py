"""Payment instructions: written once, sent under one id for ever, settled once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.core.money import Money
from ewaste.core.refusals import Conflict, NotFound
from ewaste.payments import instructions
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction
from tests.world import World

SUBJECT = UUID(int=7)


def instruct(
    world: World, kind: InstructionKind = InstructionKind.PAY_OUT, amount: int = 5_000, **more: object
) -> PaymentInstruction:
    with world.transaction() as session:
        return instructions.instruct(
            session,
            kind,
            subject_id=SUBJECT,
            party_id=UUID(int=8),
            amount=Money(amount),
            description="d" * 300,
            practice=True,
            by=WORKER,
            now=world.now,
            **more,
        )


def change(world: World, instruction_id: UUID, what: Callable[..., object], *values: object) -> object:
    with world.transaction() as session:
        return what(session, instructions.find(session, instruction_id), *values, now=world.now)


def waiting(world: World) -> list[tuple[object, ...]]:
    with world.transaction() as session:
        return [
            tuple(row)
            for row in session.execute(sa.text("select args, scheduled_at from procrastinate_jobs order by id"))
        ]


def test_a_payout_is_written_down_with_the_job_that_sends_it(world: World) -> None:
    written = instruct(world)
    assert (written.state, written.attempts, len(written.description)) == (InstructionState.WRITTEN, 0, 200)
    assert waiting(world) == [({"instruction": str(written.id)}, None)]


def test_a_payout_that_must_wait_is_sent_not_before(world: World) -> None:
    written = instruct(world, not_before=world.now)
    assert waiting(world) == [({"instruction": str(written.id)}, world.now)]


def test_the_buyers_own_payment_waits_for_the_buyer(world: World) -> None:
    instruct(world, InstructionKind.COLLECT)
    assert waiting(world) == []


def test_what_is_instructed_already_is_not_instructed_again(world: World) -> None:
    first = instruct(world)
    for settle in (None, instructions.mark_sent, instructions.succeed):
        if settle is not None:
            change(world, first.id, settle, *(["tr_1"] if settle is instructions.succeed else []))
        with world.nothing_changes():
            assert instruct(world, amount=9_999).id == first.id
    assert instruct(world, InstructionKind.REFUND).id != first.id


def test_two_desks_that_instruct_at_once_write_one_payout(world: World) -> None:
    together = threading.Barrier(4)

    def one(_: int) -> str:
        together.wait(10)
        try:
            return str(instruct(world).id)
        except sa.exc.IntegrityError:
            return "refused"

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(one, range(4)))
    assert len(set(answers) - {"refused"}) == 1
    assert world.raw("select count(*) from payment_instructions") == len(waiting(world)) == 1


def test_after_a_failure_a_new_instruction_has_a_new_id(world: World) -> None:
    first = instruct(world)
    change(world, first.id, instructions.fail, "x" * 600)
    second = instruct(world)
    assert second.id != first.id
    with world.transaction() as session:
        failed = instructions.find(session, first.id)
        assert (failed.state, len(failed.failure or ""), failed.settled_at) == (InstructionState.FAILED, 500, world.now)


def test_each_try_is_counted_and_the_first_is_remembered(world: World) -> None:
    written = instruct(world)
    began = world.now
    for _ in range(3):
        change(world, written.id, instructions.mark_sent)
        world.later(minutes=1)
    with world.transaction() as session:
        sent = instructions.find(session, written.id)
        assert (sent.state, sent.attempts, sent.sent_at) == (InstructionState.SENT, 3, began)


def test_money_that_moved_is_noted_once_and_cannot_fail_any_more(world: World) -> None:
    written = instruct(world)
    assert change(world, written.id, instructions.succeed, "tr_1") is True
    with world.nothing_changes():
        assert change(world, written.id, instructions.succeed, "tr_2") is False
    with world.nothing_changes(), pytest.raises(Conflict, match="cannot fail any more"):
        change(world, written.id, instructions.fail, "no")
    with world.nothing_changes(), pytest.raises(Conflict, match="is over"):
        change(world, written.id, instructions.mark_sent)


def test_an_unknown_payment_is_not_found(world: World) -> None:
    with pytest.raises(NotFound), world.transaction() as session:
        instructions.find(session, uuid4())


def test_what_is_to_be_paid_to_whom_is_not_rewritten_by_raw_sql(world: World) -> None:
    instruct(world)
    for sql in (
        "update payment_instructions set amount_minor = 1",
        "update payment_instructions set party_id = gen_random_uuid()",
        "update payment_instructions set practice = false",
        "delete from payment_instructions",
        "update payees set reference = 'acct_thief'",
        "delete from payees",
        "update gateway_events set object_reference = 'x'",
        "delete from gateway_events",
    ):
        assert world.refused_by_database(sql).startswith("42501 permission denied"), sql
    second = """
        insert into payment_instructions (id, kind, subject_id, party_id, amount_minor, currency, description, state,
                                          practice, attempts, written_at)
        select gen_random_uuid(), kind, subject_id, party_id, amount_minor, currency, description, :state,
               :practice, 0, written_at from payment_instructions"""
    for state in ("written", "sent", "succeeded"):
        assert world.refused_by_database(second, state=state, practice=True).startswith("23505"), state
    assert world.refused_by_database(second, state="failed", practice=False) == (
        "23514 practice money and real money do not meet"
    )
