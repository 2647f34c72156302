"""Payment instructions: written in the step's transaction, carried out by the worker, noted when answered.

An instruction's id is its idempotency key at the provider, for ever. When the answer is lost the row is still there and
goes out again under the same id. Of each kind there is one live instruction a subject (the database sees to it), so
nobody is paid twice.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Actor
from ewaste.core import jobs
from ewaste.core.money import Money
from ewaste.core.refusals import Conflict, NotFound
from ewaste.payments.models import InstructionKind, InstructionState, PaymentInstruction


def instruct(
    session: Session,
    kind: InstructionKind,
    *,
    subject_id: UUID,
    party_id: UUID,
    amount: Money,
    description: str,
    practice: bool,
    by: Actor,
    now: datetime,
    of_reference: str | None = None,
    not_before: datetime | None = None,
) -> PaymentInstruction:
    """Write down what the provider is to do. What is live for this subject already is returned as it stands."""
    live = find_live(session, kind, subject_id)
    if live is not None:
        return live
    instruction = PaymentInstruction(
        kind=kind,
        subject_id=subject_id,
        party_id=party_id,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        description=description[:200],
        practice=practice,
        of_reference=of_reference,
        written_at=now,
        written_by=by.id,
        written_name=by.name,
    )
    session.add(instruction)
    session.flush()
    if kind is not InstructionKind.COLLECT:
        send_later(session, instruction, at=not_before)
    return instruction


def send_later(session: Session, instruction: PaymentInstruction, *, at: datetime | None) -> None:
    """Have the worker send this payment, not before `at`."""
    jobs.defer(session, jobs.SEND_PAYMENT, at=at, key=f"send {instruction.id}", instruction=str(instruction.id))


def find_live(session: Session, kind: InstructionKind, subject_id: UUID) -> PaymentInstruction | None:
    """The instruction of this kind for this subject that did not fail."""
    return session.scalar(
        sa.select(PaymentInstruction).where(
            PaymentInstruction.kind == kind,
            PaymentInstruction.subject_id == subject_id,
            PaymentInstruction.state != InstructionState.FAILED,
        )
    )


def find(session: Session, instruction_id: UUID) -> PaymentInstruction:
    """The instruction, locked until the step ends. Raises `NotFound`."""
    found = session.scalar(
        sa.select(PaymentInstruction)
        .where(PaymentInstruction.id == instruction_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if found is None:
        raise NotFound("There is no such payment.")
    return found


def mark_sent(session: Session, instruction: PaymentInstruction, *, now: datetime) -> None:
    """Note that the provider is about to be asked."""
    if instruction.state in (InstructionState.SUCCEEDED, InstructionState.FAILED):
        raise Conflict("This payment is over.")
    instruction.state, instruction.attempts = InstructionState.SENT, instruction.attempts + 1
    instruction.sent_at = instruction.sent_at or now
    session.flush()


def succeed(session: Session, instruction: PaymentInstruction, reference: str, *, now: datetime) -> bool:
    """Note that the money moved. Returns False when that was known already."""
    if instruction.state is InstructionState.SUCCEEDED:
        return False
    instruction.state, instruction.provider_reference, instruction.settled_at = (
        InstructionState.SUCCEEDED,
        reference,
        now,
    )
    instruction.failure = None
    session.flush()
    return True


def fail(session: Session, instruction: PaymentInstruction, why: str, *, now: datetime) -> None:
    """Note that the money will not move under this instruction."""
    if instruction.state is InstructionState.SUCCEEDED:
        raise Conflict("This payment succeeded; it cannot fail any more.")
    instruction.state, instruction.failure, instruction.settled_at = InstructionState.FAILED, why[:500], now
    session.flush()
