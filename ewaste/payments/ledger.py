"""The double-entry ledger. A posting has a key and happens once; its entries sum to zero in each currency.

Accounts are few and named for what they hold. Debits are positive. `party_id` tells whose part of an account it is.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ewaste.core.ids import new_id
from ewaste.core.money import Money
from ewaste.payments.models import Entry, Posting


class Account(enum.StrEnum):
    """The accounts, with what a debit balance means."""

    PROVIDER = "provider"
    SELLERS = "owed to sellers"
    BUYERS = "owed by buyers"
    STOCK = "devices bought"
    SALES = "sales"
    COST = "cost of devices sold"
    LOSSES = "losses"


@dataclass(frozen=True)
class Side:
    """One entry to be: debit positive, credit negative."""

    account: Account
    amount: Money
    party_id: UUID | None = None


def post(
    session: Session, key: str, kind: str, sides: Sequence[Side], *, subject_id: UUID | None, now: datetime
) -> bool:
    """Post once under `key`. Returns False, and changes nothing, when it was posted before.

    Raises `ValueError` when the sides do not sum to zero in each currency; the database checks that too.
    """
    sums: dict[str, int] = {}
    for side in sides:
        sums[side.amount.currency] = sums.get(side.amount.currency, 0) + side.amount.amount_minor
    if any(sums.values()):
        raise ValueError(f"Posting {key} does not sum to zero: {sums}.")
    posting_id = session.scalar(
        insert(Posting)
        .values(id=new_id(), key=key, kind=kind, subject_id=subject_id, at=now)
        .on_conflict_do_nothing(index_elements=[Posting.key])
        .returning(Posting.id)
    )
    if posting_id is None:
        return False
    session.add_all(
        Entry(
            posting_id=posting_id,
            account=side.account.value,
            party_id=side.party_id,
            amount_minor=side.amount.amount_minor,
            currency=side.amount.currency,
        )
        for side in sides
        if side.amount.amount_minor
    )
    session.flush()
    return True


def reverse(session: Session, key: str, of: str, kind: str, *, subject_id: UUID | None, now: datetime) -> bool:
    """Post the opposite of an earlier posting, once, under a key of its own. Raises `LookupError` without one."""
    rows = session.execute(
        sa.select(Entry.account, Entry.party_id, Entry.amount_minor, Entry.currency)
        .join(Posting, Posting.id == Entry.posting_id)
        .where(Posting.key == of)
        .order_by(Entry.id)
    ).all()
    if not rows:
        raise LookupError(f"Nothing was posted under {of!r}.")
    sides = [Side(Account(row.account), Money(-row.amount_minor, row.currency), row.party_id) for row in rows]
    return post(session, key, kind, sides, subject_id=subject_id, now=now)


def sums(session: Session) -> dict[str, int]:
    """Each currency's sum over the whole ledger, in minor units: all zeros when the ledger holds."""
    rows = session.execute(sa.select(Entry.currency, sa.func.sum(Entry.amount_minor)).group_by(Entry.currency))
    return {currency: int(total) for currency, total in rows}


def balances(session: Session) -> dict[tuple[str, str], int]:
    """(account, currency) → balance in minor units, debit positive."""
    rows = session.execute(
        sa.select(Entry.account, Entry.currency, sa.func.sum(Entry.amount_minor)).group_by(
            Entry.account, Entry.currency
        )
    )
    return {(account, currency): int(total) for account, currency, total in rows}
