"""The ledger: every posting sums to zero in each currency, happens once, and is not rewritten."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest
import sqlalchemy as sa

from ewaste.core.money import Money
from ewaste.payments import ledger
from ewaste.payments.ledger import Account, Side
from tests.world import World

SALE = [Side(Account.BUYERS, Money(5_000)), Side(Account.SALES, Money(-5_000))]
POSTING = "insert into postings (id, key, kind, at) values (:id, :key, 'raw', now())"
ENTRY = """
insert into entries (id, posting_id, account, amount_minor, currency)
values (gen_random_uuid(), :id, 'sales', :amount, :currency)
"""


def post(world: World, key: str, sides: list[Side]) -> bool:
    with world.transaction() as session:
        return ledger.post(session, key, "test", sides, subject_id=None, now=world.now)


def test_a_posting_moves_money_from_one_account_to_another(world: World) -> None:
    buyer = uuid4()
    assert post(world, "sell 1", [Side(Account.BUYERS, Money(5_000), buyer), Side(Account.SALES, Money(-5_000))])
    assert post(world, "pay 1", [Side(Account.PROVIDER, Money(5_000)), Side(Account.BUYERS, Money(-5_000), buyer)])
    with world.transaction() as session:
        assert ledger.sums(session) == {"EUR": 0}
        assert ledger.balances(session) == {
            ("owed by buyers", "EUR"): 0,
            ("sales", "EUR"): -5_000,
            ("provider", "EUR"): 5_000,
        }


def test_posting_twice_under_one_key_happens_once(world: World) -> None:
    assert post(world, "sell 1", SALE) is True
    with world.nothing_changes():
        assert post(world, "sell 1", SALE) is False
        assert post(world, "sell 1", [Side(Account.BUYERS, Money(9)), Side(Account.SALES, Money(-9))]) is False
    assert post(world, "sell 2", SALE) is True


def test_posting_at_once_under_one_key_happens_once(world: World) -> None:
    together = threading.Barrier(6)

    def one(_: int) -> bool:
        together.wait(10)
        return post(world, "sell 1", SALE)

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(one, range(6))) == [False] * 5 + [True]
    assert world.raw("select count(*) from entries") == 2


def test_a_posting_that_does_not_sum_to_zero_is_a_mistake(world: World) -> None:
    for sides in (
        [Side(Account.BUYERS, Money(5_000))],
        [Side(Account.BUYERS, Money(5_000)), Side(Account.SALES, Money(-4_999))],
        [Side(Account.BUYERS, Money(5_000, "EUR")), Side(Account.SALES, Money(-5_000, "CHF"))],
    ):
        with world.nothing_changes(), pytest.raises(ValueError, match="does not sum to zero"):
            post(world, "sell 1", sides)


def test_each_currency_sums_to_zero_by_itself(world: World) -> None:
    both = [*SALE, Side(Account.PROVIDER, Money(700, "CHF")), Side(Account.SALES, Money(-700, "CHF"))]
    assert post(world, "sell 1", both)
    with world.transaction() as session:
        assert ledger.sums(session) == {"EUR": 0, "CHF": 0}


def test_a_side_of_nothing_leaves_no_entry(world: World) -> None:
    assert post(world, "sell 1", [*SALE, Side(Account.LOSSES, Money(0))])
    assert world.raw("select count(*) from entries") == 2


def raw_posting(world: World, *amounts: tuple[int, str]) -> None:
    posting_id = uuid4()
    with world.transaction() as session:
        session.execute(sa.text(POSTING), {"id": posting_id, "key": str(posting_id)})
        for amount, currency in amounts:
            session.execute(sa.text(ENTRY), {"id": posting_id, "amount": amount, "currency": currency})


def test_raw_sql_does_not_commit_what_does_not_sum_to_zero(world: World) -> None:
    for amounts in ([(5_000, "EUR")], [(5_000, "EUR"), (-4_999, "EUR")], [(5_000, "EUR"), (-5_000, "CHF")]):
        with world.nothing_changes(), pytest.raises(sa.exc.IntegrityError, match="does not sum to zero"):
            raw_posting(world, *amounts)
    with world.nothing_changes(), pytest.raises(sa.exc.IntegrityError, match="ck_entries_amount"):
        raw_posting(world, (0, "EUR"))
    raw_posting(world, (5_000, "EUR"), (-5_000, "EUR"))


def test_what_was_posted_is_not_rewritten(world: World) -> None:
    post(world, "sell 1", SALE)
    for table, column in (("postings", "kind"), ("entries", "account")):
        for sql in (f"update {table} set {column} = 'x'", f"delete from {table}", f"truncate {table} cascade"):
            assert world.refused_by_database(sql).startswith("42501 permission denied"), sql
