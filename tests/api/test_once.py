"""Idempotency keys: whatever is lost, sent twice or sent at once, a step is done once and answered alike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ewaste.accounts import answers
from ewaste.journey import sale
from ewaste.web.api.declare import KEY_HEADER, REPLAYED_HEADER
from tests.api.conftest import Program, token_for
from tests.world import World

BID = {"maximum": {"amount": 5_000, "currency": "EUR"}}
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"


@pytest.fixture
def lot(world: World) -> str:
    return world.listed_lot()[0]


@pytest.fixture
def rita(program: Callable[..., Program]) -> Program:
    return program("rita")


def bids(world: World) -> int:
    return int(world.raw("select count(*) from bids"))


def test_the_same_request_under_the_same_key_is_done_once_and_answered_alike(
    world: World, lot: str, rita: Program
) -> None:
    first = rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    assert (first.status_code, first.headers[REPLAYED_HEADER]) == (201, "false")
    with world.nothing_changes():
        world.later(hours=2)
        # Names in another order and other spaces are the same request; so is the key in the quotes of the draft.
        text = '{ "maximum" : {"currency": "EUR", "amount": 5000} }'
        again = rita.send(
            "POST", f"/lots/{lot}/bids", data=text, content_type="application/json", headers={KEY_HEADER: f'"{KEY}"'}
        )
    assert (again.status_code, again.data, again.headers[REPLAYED_HEADER]) == (201, first.data, "true")
    assert bids(world) == 1


def test_an_order_is_made_once_and_the_answer_stays_what_it_was(world: World, program: Callable[..., Program]) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        code = sale.list_device(session, world.stefan, device_id, price_minor=12_000, now=world.now).code
    ben, price = program("ben"), {"price": {"amount": 12_000, "currency": "EUR"}}
    first = ben.post(f"/shop/{code}/orders", price, key=KEY)
    assert (first.status_code, first.json["state"]) == (201, "awaiting_payment")
    assert ben.post(f"/shop/{code}/orders", price, key=KEY).data == first.data
    assert program("cora").post(f"/shop/{code}/orders", price).status_code in (403, 409)
    assert world.raw("select count(*) from orders") == 1


@pytest.mark.parametrize("what", ["another body", "another address"])
def test_a_key_that_was_used_for_another_request_is_refused(world: World, rita: Program, what: str) -> None:
    lot, other = (world.lot_of([world.cleared(serial=f"PF0{n}", serials=(f"D{n}",))]) for n in (1, 2))
    rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    body = {"maximum": {"amount": 6_000, "currency": "EUR"}} if what == "another body" else BID
    with world.nothing_changes("refusals"):
        answer = rita.post(f"/lots/{lot if what == 'another body' else other}/bids", body, key=KEY)
    assert (answer.status_code, answer.json["field"]) == (422, KEY_HEADER)
    assert "used for another request" in answer.json["detail"]


def test_a_key_is_each_tokens_own(world: World, lot: str, site: Flask) -> None:
    programs = [Program(site, token_for(world, who)) for who in ("rosa", "rosa", "rita")]
    sent = [
        programs[0].post(f"/lots/{lot}/bids", BID, key=KEY),
        programs[1].post(f"/lots/{lot}/bids", {"maximum": {"amount": 6_000, "currency": "EUR"}}, key=KEY),
        programs[2].post(f"/lots/{lot}/bids", {"maximum": {"amount": 9_000, "currency": "EUR"}}, key=KEY),
    ]
    assert [(answer.status_code, answer.json["sequence"]) for answer in sent] == [(201, 1), (201, 2), (201, 3)]


def test_a_refused_request_changed_nothing_and_is_judged_anew(world: World, lot: str, rita: Program) -> None:
    rita.get("/my-lots")
    low = {"maximum": {"amount": 5, "currency": "EUR"}}
    with world.nothing_changes("refusals"):
        assert rita.post(f"/lots/{lot}/bids", low, key=KEY).status_code == 422
        assert rita.post(f"/lots/{lot}/bids", low, key=KEY).status_code == 422
    assert rita.post(f"/lots/{lot}/bids", BID, key=KEY).status_code == 201


def test_after_a_day_the_answer_is_gone_but_a_bid_is_never_placed_twice(world: World, lot: str, rita: Program) -> None:
    first = rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    world.later(hours=24, seconds=1)
    again = rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    assert (again.status_code, again.headers[REPLAYED_HEADER]) == (201, "false")
    assert again.json == first.json
    assert bids(world) == 1
    assert world.raw("select count(*) from api_answers") == 1


@pytest.mark.parametrize(
    "key", [None, "", "short", "x" * 65, '"unfinished-quote', "with space in it", "ümläut-key", "a\tb\tc\td\te"]
)
def test_without_a_proper_key_nothing_is_done(world: World, lot: str, rita: Program, key: str | None) -> None:
    headers = {} if key is None else {KEY_HEADER: key}
    with world.nothing_changes("api_tokens"):  # The day of its last use.
        answer = rita.send("POST", f"/lots/{lot}/bids", json=BID, headers=headers)
    assert (answer.status_code, answer.json["field"]) == (400, KEY_HEADER)


# ---- crashes: at each place, both the step and its answer are there, or neither ----


class Crash(BaseException):
    """The power goes: nothing catches it."""


def crash_before_the_answer_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    monkeypatch.setattr(answers, "keep", crash)


def crash_after_the_answer_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = answers.keep

    def crash(*some: Any, **more: Any) -> None:
        keep(*some, **more)
        raise Crash

    monkeypatch.setattr(answers, "keep", crash)


def crash_in_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    place = sale.place_bid

    def crash(*some: Any, **more: Any) -> None:
        place(*some, **more)
        raise Crash

    monkeypatch.setattr(sale, "place_bid", crash)


@pytest.mark.parametrize(
    "crash",
    [crash_in_the_step, crash_before_the_answer_is_kept, crash_after_the_answer_is_kept],
    ids=lambda f: f.__name__,
)
def test_after_a_crash_before_the_commit_there_is_neither_and_the_same_request_goes_through(
    world: World, lot: str, rita: Program, monkeypatch: pytest.MonkeyPatch, crash: Callable[[pytest.MonkeyPatch], None]
) -> None:
    rita.get("/my-lots")
    with world.nothing_changes(), monkeypatch.context() as broken:
        crash(broken)
        with pytest.raises(Crash):
            rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    assert rita.post(f"/lots/{lot}/bids", BID, key=KEY).json["sequence"] == 1
    assert (bids(world), world.raw("select count(*) from api_answers")) == (1, 1)


def test_after_a_crash_behind_the_commit_there_are_both_and_the_answer_comes_again(
    world: World, lot: str, rita: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ewaste.web.api import declare

    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(declare, "_answer", crash)
        with pytest.raises(Crash):
            rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    assert bids(world) == 1
    with world.nothing_changes():
        again = rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    assert (again.json["sequence"], again.headers[REPLAYED_HEADER]) == (1, "true")


def test_an_unexpected_error_says_that_it_is_ours_and_keeps_nothing(
    world: World, lot: str, rita: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the inside")

    rita.get("/my-lots")
    with world.nothing_changes(), monkeypatch.context() as broken:
        broken.setattr(answers, "keep", break_down)
        answer = rita.post(f"/lots/{lot}/bids", BID, key=KEY)
    assert (answer.status_code, answer.mimetype) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert rita.post(f"/lots/{lot}/bids", BID, key=KEY).status_code == 201


# ---- at once ----


def test_while_a_request_runs_its_double_is_told_to_wait(
    world: World, lot: str, rita: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, inside, go_on = sale.place_bid, threading.Event(), threading.Event()

    def slowly(*some: Any, **more: Any) -> Any:
        placed = place(*some, **more)
        inside.set()
        assert go_on.wait(20)
        return placed

    monkeypatch.setattr(sale, "place_bid", slowly)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(rita.post, f"/lots/{lot}/bids", BID, key=KEY)
        assert inside.wait(20)
        double = rita.post(f"/lots/{lot}/bids", BID, key=KEY)
        go_on.set()
        assert first.result(20).status_code == 201
    assert (double.status_code, double.headers["Retry-After"]) == (409, "1")
    assert double.json["type"].endswith("#problem-still-running")
    assert rita.post(f"/lots/{lot}/bids", BID, key=KEY).headers[REPLAYED_HEADER] == "true"
    assert bids(world) == 1


def test_of_many_at_once_one_is_done_and_all_others_wait_or_read_its_answer(
    world: World, lot: str, rita: Program
) -> None:
    together = threading.Barrier(6)

    def send(_: int) -> TestResponse:
        together.wait(20)
        return rita.post(f"/lots/{lot}/bids", BID, key=KEY)

    with ThreadPoolExecutor(6) as pool:
        sent = list(pool.map(send, range(6)))
    taken = [answer for answer in sent if answer.status_code == 201]
    assert {answer.status_code for answer in sent} <= {201, 409}
    assert [answer.headers[REPLAYED_HEADER] for answer in taken].count("false") == 1
    assert {answer.data for answer in taken} == {taken[0].data}
    assert bids(world) == 1
