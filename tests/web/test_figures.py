"""Public prices and open figures: what is told is exact, and nothing is told of one person."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from ewaste.journey import trade_in
from ewaste.payments.models import PaymentInstruction
from ewaste.views import open_figures, prices
from tests.web.visitors import Visitor, words
from tests.world import World


def paid_out(world: World, count: int) -> None:
    """So many laptops cleared, and their sellers paid two days after the answer."""
    for number in range(count):
        world.cleared(serial=f"PF8{number:04d}", serials=(f"DRIVE-8-{number}",))
    world.later(days=2)
    with world.transaction() as session:
        ids = list(session.scalars(sa.select(PaymentInstruction.id).where(PaymentInstruction.kind == "pay-out")))
    for instruction_id in ids:
        world.provider_says(instruction_id)


def rows_of(stranger: Visitor, address: str) -> list[dict[str, str]]:
    answer = stranger.get(address)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_before_anything_happened_the_pages_invite(stranger: Visitor) -> None:
    assert "Nothing has happened yet" in stranger.text("/open")
    assert "Not enough sales yet" in stranger.text("/prices")
    assert rows_of(stranger, "/prices.csv") == []
    assert "devices traded in" not in stranger.text("/")


def test_two_devices_tell_no_price_and_three_do(world: World, stranger: Visitor) -> None:
    paid_out(world, 2)
    assert rows_of(stranger, "/prices.csv") == []
    assert "Not enough sales yet" in stranger.text("/prices")
    with world.transaction() as session:
        told = open_figures.figures(session)
        head = open_figures.headline(session)
    assert told["money"] == [{"kind": "pay-out", "count": 2, "total": None}]
    assert [step["seconds"] for step in told["times"]] == [None] * 5
    assert head is not None
    assert (head["devices"], head["certificates"], head["paid"], head["days"]) == (2, 2, None, None)
    world.cleared(serial="PF80009", serials=("DRIVE-8-9",))
    rows = rows_of(stranger, "/prices.csv")
    assert {row["grouped_by"] for row in rows} == {"model", "class", "grade", "month"}
    assert {row["devices"] for row in rows} == {"3"}
    with world.transaction() as session:
        amounts = sorted(session.scalars(sa.text("select amount_minor from offers")))
    assert rows[0]["median"] == f"{amounts[1] / 100:.2f}"


def test_the_median_of_an_even_number_lies_in_the_middle(world: World, stranger: Visitor) -> None:
    for number, battery in enumerate((86, 86, 62, 62)):
        from tests.world import good_findings

        world.clearing(
            serial=f"PF7{number:04d}", serials=(f"D7-{number}",), findings=good_findings() | {"battery_soh": battery}
        )
    with world.transaction() as session:
        amounts = sorted(session.scalars(sa.text("select amount_minor from offers")))
        told = prices.medians(session)["paid"]["model"]
    assert amounts[1] < amounts[2]
    assert [row["median"].amount_minor for row in told] == [(amounts[1] + amounts[2] + 1) // 2]
    assert told[0]["count"] == 4


def test_open_figures_are_those_of_the_books(world: World, stranger: Visitor) -> None:
    paid_out(world, 3)
    declined = world.inspected(serial="PF90000", serials=("DRIVE-9",))
    with world.transaction() as session:
        trade_in.decline_offer(session, world.cora, world.offer(declined).id, now=world.now)
    told = json.loads(stranger.get("/open.json").text)
    assert sum(count for _, count in told["states"]) == 4
    assert told["evidence"] == [["full-read", 3]]
    assert told["offers"] == {
        "confirmed": 3, "declined": 1, "lapsed": 0, "open": 0, "lower": 0, "same": 4, "higher": 0
    }  # fmt: skip
    centre = told["centres"][0]
    assert (centre["name"], centre["issued"], centre["answered"], centre["declined"]) == ("Rhein Datenpark", 3, 4, 1)
    with world.transaction() as session:
        total = session.scalar(sa.text("select sum(amount_minor) from payment_instructions where kind = 'pay-out'"))
    assert told["money"] == [
        {"kind": "pay-out", "count": 3, "total": {"amount_minor": int(total or 0), "currency": "EUR"}}
    ]
    page = stranger.text("/open")
    assert "Sellers declined 1 of 4 offers" in page
    assert "25.0 %" in page
    flat = {(row["section"], row["item"]): row["value"] for row in rows_of(stranger, "/open.csv")}
    assert flat["media by evidence", "full-read"] == "3"
    assert flat["money", "Paid by us to sellers"] == f"{int(total or 0) / 100:.2f}"


def test_a_refused_certificate_is_counted_by_its_reason_without_naming_a_device(
    world: World, stranger: Visitor
) -> None:
    _, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    reason = world.refuse(world.bundle(order, leave_out=("DRIVE-2",)))
    assert "DRIVE-2" in reason
    page = stranger.get("/open").text
    assert "A medium was not covered" in words(page) or "our own rules refused it" in words(page)
    assert "DRIVE-2" not in page
    assert "DRIVE-2" not in stranger.get("/open.json").text


def test_the_published_tables_are_told_whole_and_with_their_sources(stranger: Visitor) -> None:
    page = stranger.text("/prices")
    assert "price = asking price × age × storage × looks × faults × the seller’s share" in page
    assert "The seller’s share; the rest pays for testing, wiping, selling, warranty and risk" in page
    content = json.loads(stranger.get("/prices/tables.json").text)
    assert content["prices"]["version"] == "prices-2026-11"
    assert content["ways"]["version"] == "routing-2026-11"
    assert stranger.get("/prices/tables.json?version=prices-2026-11").status_code == 200
    assert stranger.get("/prices/tables.json?version=../../etc/passwd").status_code == 404
    figures = re.findall(r'"basis"', json.dumps(content["prices"]["faults"]))
    assert len(figures) > 40


@pytest.mark.parametrize("address", ["/", "/open", "/prices", "/search?q=thinkpad"])
def test_a_page_of_figures_costs_the_same_number_of_statements_however_much_happened(
    world: World, stranger: Visitor, real_site: Flask, address: str
) -> None:
    counted: list[str] = []
    engine = real_site.extensions["ewaste"].database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))

    def asked() -> list[str]:
        stranger.get(address)  # What a process reads once, it has read.
        counted.clear()
        assert stranger.get(address).status_code == 200
        return list(counted)

    paid_out(world, 1)
    world.lot_of([world.cleared(serial="PFL0", serials=("DL0",))])
    one = asked()
    for number in range(4):
        world.cleared(serial=f"PF6{number:04d}", serials=(f"DRIVE-6-{number}",))
    assert asked() == one


def test_the_search_finds_what_is_public_and_nothing_else(world: World, stranger: Visitor) -> None:
    device = world.device(world.cleared())
    code, _ = world.listed_lot()
    assert "The certificate of this device" in stranger.text(f"/search?q={device.code}")
    assert "Laptops from Köln" in stranger.text(f"/search?q={code}")
    assert "Laptops from Köln" in stranger.text("/search?q=k%C3%B6ln+laptops")
    found = stranger.text("/search?q=thinkpad+t480")
    assert "Sell one" in found
    secret = world.device(world.expected(serial="PF5SECRET"))
    for asked in ("PF5SECRET", secret.code, "cora@example.org", "%25", "' or 1=1 --"):
        assert "We found nothing for this" in stranger.text(f"/search?q={asked}")


def test_what_we_paid_for_a_model_stands_on_its_quote(world: World, stranger: Visitor) -> None:
    from tests.web.test_public import make_quote

    address = make_quote(stranger)
    assert "What we paid for this model before" not in stranger.text(address)
    paid_out(world, 3)
    text = stranger.text(make_quote(stranger))
    assert "What we paid for this model before" in text
    assert "the median of 3 devices in all conditions" in text


def test_the_imprint_names_the_operator_or_says_that_nobody_did(stranger: Visitor, real_site: Flask) -> None:
    assert "This is a training market on somebody's own machine." in stranger.text("/imprint")
    import dataclasses

    runtime = real_site.extensions["ewaste"]
    named = dataclasses.replace(runtime.config, imprint=("Market GmbH", "Weg 1"))
    real_site.extensions["ewaste"] = dataclasses.replace(runtime, config=named)
    assert "Market GmbH" in stranger.text("/imprint")


def test_a_database_that_is_away_is_told_as_such(
    stranger: Visitor, real_site: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise sa.exc.OperationalError("select 1", {}, Exception("connection refused"))

    monkeypatch.setattr(type(real_site.extensions["ewaste"].database), "transaction", gone)
    answer = stranger.get("/open")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert "Our books cannot be opened just now" in words(answer.text)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503])
def test_every_refusal_says_what_happened_and_offers_a_way_out(real_site: Flask, status: int) -> None:
    from ewaste.web import errors

    with real_site.test_request_context("/somewhere"):
        page = errors._page(status).get_data(as_text=True)
    title, advice = errors.TITLES[status]
    assert f"<h1>{title}</h1>" in page
    assert advice in page
    assert page.count('class="button') >= 2
