"""What every request meets: bounds, problems in words, limits, pages, and answers that need not be sent again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from ewaste.core.database import Database
from ewaste.journey import sale
from ewaste.views import shapes
from ewaste.web.api.declare import LARGEST_BODY
from ewaste.web.limits import limiter
from tests.api.conftest import Program, token_for
from tests.web.conftest import Browser
from tests.world import GOOD_ANSWERS, LAPTOP, World

QUOTE = {"model": LAPTOP, "storage_gb": 256, "answers": GOOD_ANSWERS}


@pytest.fixture
def nobody(program: Callable[..., Program]) -> Program:
    return program(None)


def problem(answer: Any) -> tuple[int, str, str | None]:
    """Status, kind and field; that it is a whole problem is checked on the way."""
    assert answer.mimetype == "application/problem+json"
    told = answer.json
    assert set(told) <= {"type", "title", "status", "detail", "field"}
    assert told["status"] == answer.status_code
    assert told["detail"].endswith(".")
    address, _, kind = told["type"].rpartition("#problem-")
    assert address.endswith("/api")
    return answer.status_code, kind, told.get("field")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "body"),
        (b"{", 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (b"[]", 400, "body"),
        (b"null", 400, "body"),
        (b'{"model": "a", "model": "b"}', 400, "body"),
        (b'{"storage_gb": NaN}', 400, "body"),
        (b'{"storage_gb": 1e999}', 400, "model"),
        (b"[" * 100_000, 400, "body"),
        (b'{"answers": ' + b'{"a": ' * 14 + b"1" + b"}" * 15, 400, "body"),
        (json.dumps({**QUOTE, "storage_gb": 10**400}).encode(), 400, "storage_gb"),
        (json.dumps({**QUOTE, "storage_gb": -1}).encode(), 400, "storage_gb"),
        (json.dumps({**QUOTE, "storage_gb": "256"}).encode(), 400, "storage_gb"),
        (json.dumps({**QUOTE, "storage_gb": True}).encode(), 400, "storage_gb"),
        (json.dumps({**QUOTE, "storage_gb": 256.5}).encode(), 400, "storage_gb"),
        (json.dumps({**QUOTE, "colour": "red"}).encode(), 400, "colour"),
        (json.dumps({**QUOTE, "model": "x" * 81}).encode(), 400, "model"),
        (json.dumps({**QUOTE, "model": "\x00"}).encode(), 400, "model"),
        (json.dumps({**QUOTE, "model": "\ud800"}).encode(), 400, "model"),
        (json.dumps({"model": LAPTOP}).encode(), 400, "answers"),
        (json.dumps({**QUOTE, "storage_gb": 3}).encode(), 422, "storage_gb"),
        (json.dumps({**QUOTE, "answers": {**GOOD_ANSWERS, "battery": "huge"}}).encode(), 422, "answers.battery"),
        (json.dumps({**QUOTE, "answers": {**GOOD_ANSWERS, "wings": "two"}}).encode(), 422, "answers.wings"),
    ],
)
def test_what_cannot_be_taken_is_refused_by_name(
    world: World, nobody: Program, body: bytes, status: int, field: str
) -> None:
    with world.nothing_changes(*(["refusals"] if status == 422 else [])):
        answer = nobody.send("POST", "/quotes", data=body, content_type="application/json")
    assert problem(answer) == (status, {400: "not-understood", 422: "invalid"}[status], field)


def test_whole_numbers_may_be_written_as_json_allows(nobody: Program) -> None:
    body = json.dumps(QUOTE).replace("256", "2.56e2")
    assert nobody.send("POST", "/quotes", data=body, content_type="application/json").status_code == 201


def test_a_model_that_we_do_not_know_is_not_found(nobody: Program) -> None:
    assert problem(nobody.post("/quotes", {**QUOTE, "model": "no-such-model"}))[:2] == (404, "not-found")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_not_sent_as_json_is_refused(nobody: Program, kind: str) -> None:
    answer = nobody.send("POST", "/quotes", data=json.dumps(QUOTE), content_type=kind)
    assert problem(answer) == (415, "wrong-type", None)


def test_a_body_has_bounds_and_a_bundle_wider_ones(nobody: Program) -> None:
    fits = {"files": {"certificate.json": "x" * (LARGEST_BODY - 100)}}
    assert nobody.post("/verify", fits).status_code == 200
    too_large = json.dumps({**QUOTE, "model": "x" * LARGEST_BODY})
    answer = nobody.send("POST", "/quotes", data=too_large, content_type="application/json")
    assert problem(answer)[:2] == (413, "too-large")
    bundle = {"files": {f"{n}.json": "x" * 290_000 for n in range(8)}}
    assert problem(nobody.post("/verify", bundle))[:2] == (413, "too-large")
    long = {"files": {"certificate.json": "x" * 300_001}}
    assert problem(nobody.post("/verify", long)) == (400, "not-understood", "files.certificate.json")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=0", "page"),
        ("page=10001", "page"),
        ("page=1.0", "page"),
        ("page=%201", "page"),
        ("page=", "page"),
        ("page=1&page=2", "page"),
        ("way=away", "way"),
        ("way=", "way"),
        ("state=Open", "state"),
        ("device_class=toaster", "device_class"),
        ("q=" + "x" * 101, "q"),
        ("q=%00", "q"),
        ("surprise=1", "surprise"),
    ],
)
def test_a_query_that_says_something_else_is_refused(nobody: Program, query: str, field: str) -> None:
    assert problem(nobody.get(f"/lots?{query}")) == (400, "not-understood", field)


def test_addresses_that_are_none_and_methods_that_do_not_fit_are_problems_too(nobody: Program) -> None:
    assert problem(nobody.get("/nowhere")) == (404, "not-found", None)
    assert problem(nobody.get("/lots/L-0000-0000")) == (404, "not-found", None)
    answer = nobody.send("DELETE", "/lots")
    assert problem(answer) == (405, "wrong-method", None)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_cookies_count_for_nothing(browser: Browser) -> None:
    rita = browser.sign_in("rita")
    assert rita.get("/my-lots").status_code == 200
    answer = rita.get("/api/v1/my-lots")
    assert problem(answer) == (401, "no-token", None)
    assert rita.get("/api/v1/lots").status_code == 200


@pytest.mark.parametrize("header", ["ch_" + "a" * 32, "Basic cml0YTpyaXRh", "Bearer", "Bearer ", "Bearer x y"])
def test_a_header_that_brings_no_token_is_refused_also_where_none_is_needed(nobody: Program, header: str) -> None:
    answer = nobody.get("/lots", headers={"Authorization": header})
    assert problem(answer) == (401, "no-token", None)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_a_lot_that_did_not_change_is_not_sent_again(world: World, program: Callable[..., Program]) -> None:
    lot, _ = world.listed_lot()
    nobody, rita = program(None), program("rita")
    for path in (f"/lots/{lot}", "/lots"):
        first = nobody.get(path)
        again = nobody.get(path, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert first.headers["Cache-Control"] == "no-cache"
        assert "Authorization" in first.headers["Vary"]
    etag = nobody.get(f"/lots/{lot}").headers["ETag"]
    assert rita.get(f"/lots/{lot}", headers={"If-None-Match": etag}).status_code == 200
    assert rita.get(f"/lots/{lot}").headers["Cache-Control"] == "private, no-cache"
    world.bid("rita", lot, 20)
    changed = nobody.get(f"/lots/{lot}", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.json["bids"]) == (200, 1)


def test_pages_lead_to_each_other_and_end(world: World, nobody: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {world.lot_of([world.cleared(serial=f"PF0{n}", serials=(f"D{n}",))]) for n in range(3)}
    monkeypatch.setattr(shapes, "PAGE_SIZE", 2)
    found, address = [], "http://127.0.0.1:8000/api/v1/lots?way=resale&sort=newest"
    while address:
        page = nobody.get(address.removeprefix("http://127.0.0.1:8000")).json
        found.append([item["code"] for item in page["items"]])
        assert page["total"] == 3
        address = page["next"]
    assert [len(page) for page in found] == [2, 1]
    assert {code for page in found for code in page} == codes
    assert nobody.get("/lots?page=9").json == {"items": [], "total": 3, "next": None}


def test_a_price_that_changed_buys_nothing(world: World, program: Callable[..., Program]) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        code = sale.list_device(session, world.stefan, device_id, price_minor=12_000, now=world.now).code
    ben = program("ben")
    ben.get("/orders")
    with world.nothing_changes("refusals"):
        answer = ben.post(f"/shop/{code}/orders", {"price": {"amount": 11_999, "currency": "EUR"}})
    assert problem(answer) == (409, "conflict", "price")
    assert "€120.00" in answer.json["detail"]


# ---- how often ----


def test_above_the_limit_of_a_token_it_is_told_when_to_go_on(
    world: World, site: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    rita, rosa, nobody = (Program(site, token_for(world, who) if who else None) for who in ("rita", "rosa", None))
    lot, _ = world.listed_lot()
    monkeypatch.setattr(limiter, "enabled", True)
    limiter.reset()
    low = {"maximum": {"amount": 1, "currency": "EUR"}}
    statuses = [rita.post(f"/lots/{lot}/bids", low).status_code for _ in range(61)]
    assert statuses == [422] * 60 + [429]
    answer = rita.post(f"/lots/{lot}/bids", low)
    assert problem(answer) == (429, "too-many", None)
    seconds = int(answer.headers["Retry-After"])
    assert 1 <= seconds <= 60
    assert answer.json["detail"] == f"At most 60 requests a minute: wait {seconds} seconds, then go on."
    assert rosa.post(f"/lots/{lot}/bids", low).status_code == 422
    assert rita.get(f"/lots/{lot}").status_code == 200
    assert nobody.get(f"/lots/{lot}").status_code == 200
    limiter.reset()


def test_guessing_tokens_ends_soon(site: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limiter, "enabled", True)
    limiter.reset()
    statuses = [
        Program(site, f"ch_{'a' * 30}{'abcdefghij'[n % 10]}{'klm'[n // 10]}").get("/lots").status_code
        for n in range(21)
    ]
    assert statuses == [401] * 20 + [429]
    limiter.reset()


def test_reading_a_list_takes_the_same_number_of_statements_however_long_it_is(
    world: World, site: Flask, program: Callable[..., Program]
) -> None:
    import sqlalchemy as sa

    rita = program("rita")
    counted: list[str] = []
    database: Database = site.extensions["ewaste"].database

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        counted.append(statement)

    def statements(path: str) -> int:
        rita.get(path)
        counted.clear()
        sa.event.listen(database.engine, "before_cursor_execute", note)
        try:
            assert rita.get(path).status_code == 200
        finally:
            sa.event.remove(database.engine, "before_cursor_execute", note)
        return len(counted)

    world.bid("rita", world.listed_lot()[0], 20)
    before = {path: statements(path) for path in ("/lots", "/my-lots")}
    for number in (7, 8):
        world.bid("rita", world.lot_of([world.cleared(serial=f"PF7{number}", serials=(f"E{number}",))]), 20)
    assert {path: statements(path) for path in before} == before
