"""How often an account may be tried, counted where every process counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ewaste.accounts import tries
from ewaste.accounts.tries import Kind, TooMany
from tests.world import World


def count(world: World, account: str = "cora@example.org", kind: Kind = Kind.PASSWORD) -> bool:
    try:
        with world.transaction() as session:
            tries.count(session, kind, account, now=world.now)
    except TooMany:
        return False
    return True


def test_after_ten_tries_an_account_waits_and_the_words_say_how_long(world: World) -> None:
    assert [count(world) for _ in range(11)] == [True] * 10 + [False]
    assert count(world, "ben@example.org")
    assert count(world, kind=Kind.CODE)
    assert not count(world, " CORA@example.org ")
    world.later(minutes=14, seconds=30)
    with pytest.raises(TooMany, match="Wait a minute, then try again"), world.transaction() as session:
        tries.count(session, Kind.PASSWORD, "cora@example.org", now=world.now)
    world.later(minutes=1)
    assert count(world)


def test_twenty_tries_at_once_are_ten(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: count(world), range(20)))
    assert done.count(True) == tries.MOST[Kind.PASSWORD]


def test_the_right_one_takes_the_wrong_ones_back(world: World) -> None:
    for _ in range(9):
        count(world)
    with world.transaction() as session:
        tries.forgive(session, Kind.PASSWORD, "cora@example.org")
    assert [count(world) for _ in range(10)] == [True] * 10


def test_no_address_is_kept(world: World) -> None:
    count(world, "secret@example.org")
    assert world.raw("select count(*) from tries where account_hash like '%secret%'") == 0
