"""A recycler's pages: bids as forms and as JSON, what was won, and what became of each device."""

from __future__ import annotations

import re
from uuid import UUID

import sqlalchemy as sa

from ewaste.accounts.models import WORKER, Organisation
from ewaste.journey import settlement
from ewaste.market.models import Bid, Order, OrderState
from ewaste.payments.gateway import PaymentState
from ewaste.processing.models import OutcomeReport
from tests.web.bench_tools import text
from tests.web.conftest import Browser
from tests.world import World


def paid(world: World, code: str) -> str:
    """Rita wins the lot and pays it. Returns the collection code."""
    world.bid("rita", code, 50)
    world.later(days=3)
    world.close(code)
    with world.transaction() as session:
        order = session.scalars(sa.select(Order)).one()
        errand = settlement.start_payment(session, world.actor("rita"), order.code, practice=True, now=world.now)
        settlement.note_payment(
            session, WORKER, errand.instruction_id, PaymentState.SUCCEEDED, "pi_1", "", now=world.now
        )
        return order.collection_code


def test_a_bid_sent_twice_is_placed_once(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    page = text(browser.sign_in("rita").get(f"/lots/{code}"))
    key = re.search(r'name="key" value="([0-9a-f]{32})"', page)
    assert key is not None
    form = {"maximum": "1,250.50", "key": key[1]}
    asked = browser.post(f"/lots/{code}/bids", data=form)
    assert asked.status_code == 422
    assert "€1,250.50 is more than double the price now, €10.00. A bid binds." in text(asked)
    assert f'name="key" value="{key[1]}"' in text(asked)
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Bid)) == 0
    form["sure"] = "yes"
    assert [browser.post(f"/lots/{code}/bids", data=form).status_code for _ in range(2)] == [303, 303]
    with world.transaction() as session:
        assert [bid.max_minor for bid in session.scalars(sa.select(Bid))] == [125_050]
    assert browser.post(f"/lots/{code}/bids", data=form | {"maximum": "2000"}).status_code == 409


def test_a_program_gets_the_number_of_its_bid_as_json(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    wants = {"Accept": "application/json"}
    world.bid("rosa", code, 40)
    answer = browser.sign_in("rita").post(f"/lots/{code}/bids", data={"maximum": "100", "key": "k" * 16}, headers=wants)
    assert answer.status_code == 201
    assert answer.json == {"seq": 2, "leading": True, "price_minor": 4_100, "ends_at": "2026-11-22T12:00:00+00:00"}
    refused = browser.post(f"/lots/{code}/bids", data={"maximum": "1", "key": "l" * 16}, headers=wants)
    assert refused.status_code == 422
    assert refused.json is not None
    assert refused.json["error"]["field"] == "maximum"


def test_an_amount_that_is_none_keeps_the_lot_page_and_places_nothing(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    browser.sign_in("rita")
    for typed in ("", "many", "-5", "1e9", "12.345", "9" * 400):
        answer = browser.post(f"/lots/{code}/bids", data={"maximum": typed, "key": "k" * 16})
        assert answer.status_code == 422
        assert "Your bid was not placed" in text(answer)
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Bid)) == 0


def test_who_may_not_bid_reads_why(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    form = {"maximum": "100", "key": "k" * 16}
    assert browser.post(f"/lots/{code}/bids", data=form).location == f"/sign-in?next=/lots/{code}"
    with world.transaction() as session:
        session.execute(sa.update(Organisation).where(Organisation.name == "Werk Zwei").values(licences=[]))
    answer = browser.sign_in("rita").post(f"/lots/{code}/bids", data=form)
    assert answer.status_code == 403
    assert "your firm has no verified licence for that" in text(answer)
    assert browser.sign_in("stefan").post(f"/lots/{code}/bids", data=form).status_code == 403
    assert browser.post("/lots/L-0000-0000/bids", data=form).status_code in (403, 404)


def test_from_the_bid_to_the_report(browser: Browser, world: World) -> None:
    code, devices = world.listed_lot(2)
    world.bid("rosa", code, 30)
    collection = paid(world, code)
    browser.sign_in("rita")
    assert "ready to collect" in text(browser.get("/my-lots"))
    assert collection in text(browser.get(f"/my-lots/{code}"))
    assert browser.sign_in("rosa").get(f"/my-lots/{code}").status_code == 404
    assert "Did not come to you" in text(browser.get("/my-lots"))

    browser.sign_in("olga")
    assert "Werk Zwei" in text(browser.get("/bench"))
    with world.nothing_changes():
        shown = browser.post("/bench/collections", data={"collection_code": f" {collection.lower()} "})
    assert shown.status_code == 200
    assert "Give Werk Zwei: 2" in text(shown)
    assert all(world.device(device).code in text(shown) for device in devices)
    given = {"collection_code": collection, "given": "yes"}
    assert browser.post("/bench/collections", data=given).status_code == 303

    browser.sign_in("rita")
    first, second = (f"/my-lots/{code}/devices/{world.device(device).code}/outcome" for device in devices)
    too_much = browser.post(first, data={"outcome": "dismantled", "mass_ferrous_g": "99999", "note": "scale 2"})
    assert too_much.status_code == 422
    assert "the device weighed 1580 g" in text(too_much)
    assert "scale 2" in text(too_much)
    assert browser.post(first, data={"outcome": "dismantled", "mass_ferrous_g": "some"}).status_code == 422
    form = {"outcome": "dismantled", "mass_ferrous_g": "900", "mass_batteries_g": "300", "mass_plastics_g": ""}
    gap = browser.post(first, data=form)
    assert gap.status_code == 422
    assert "380 g of 1,580 g are not accounted for. You cannot change this later" in text(gap)
    with world.transaction() as session:
        assert session.scalars(sa.select(OutcomeReport)).all() == []
    form["sure"] = "yes"
    assert browser.post(first, data=form).status_code == 303
    assert browser.post(first, data=form).status_code == 409
    assert "1 of 2 reported" in text(browser.get("/my-lots"))
    assert "Dispute it" in text(browser.get(f"/my-lots/{code}"))
    # What was not taken apart has no weights, even where a browser sends some.
    assert browser.post(second, data={"outcome": "remade", "mass_residue_g": "5"}).status_code == 303
    results = browser.get(f"/my-lots/{code}/results.csv").text.splitlines()
    at = results[0].split(",").index("mass_out_g")
    assert sorted(line.split(",")[at] for line in results[1:]) == ["1200", "1580"]
    with world.transaction() as session:
        assert session.scalars(sa.select(Order)).one().state is OrderState.SETTLED
        assert {row.mass_out_g for row in session.scalars(sa.select(OutcomeReport))} == {1200, 0}
    done = text(browser.get(f"/my-lots/{code}"))
    assert "All reported" in done
    assert "Settled" in done
    assert "Report what became" not in done
    assert "Dispute it" not in done


def test_nobody_reports_on_a_lot_of_somebody_else(browser: Browser, world: World) -> None:
    code, devices = world.listed_lot()
    paid(world, code)
    address = f"/my-lots/{code}/devices/{_code(world, devices[0])}/outcome"
    assert browser.sign_in("rosa").post(address, data={"outcome": "remade"}).status_code == 404
    assert browser.sign_in("cora").post(address, data={"outcome": "remade"}).status_code == 403
    assert browser.sign_in("cora").get("/my-lots").status_code == 403


def _code(world: World, device_id: UUID) -> str:
    return world.device(device_id).code
