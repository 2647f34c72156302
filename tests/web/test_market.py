"""Lots and the shop as pages: found by filters, kept up to date cheaply, and answered after the sale."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import sqlalchemy as sa
from flask import Flask

from ewaste.accounts.models import WORKER
from ewaste.journey import sale, settlement
from ewaste.web.market import MANIFEST_COLUMNS
from ewaste.web.recycler import RESULT_COLUMNS
from tests.web.visitors import Visitor, words
from tests.world import World

Come = Callable[[str | None], Visitor]


def listed(world: World, serial: str = "PF1ABCDE", price: int = 199_00) -> str:
    """A device in the shop."""
    device_id = world.cleared(serial=serial, serials=(f"DR-{serial}",))
    with world.transaction() as session:
        return sale.list_device(session, world.stefan, device_id, price_minor=price, now=world.now).code


def test_lots_are_found_by_what_is_in_them(world: World, visitor: Come) -> None:
    code, _ = world.listed_lot(2)
    rita = visitor("rita")
    for query in (
        "", "?q=thinkpad", "?q=t480%20lenovo", "?way=resale", "?device_class=laptop", "?country=DE", "?price_to=10",
        "?within=72", "?state=running", "?sort=each", "?sort=mass", "?sort=newest",
    ):  # fmt: skip
        assert code in rita.get(f"/lots{query}").text, query
    for query in (
        "?q=macbook",
        "?way=dismantling",
        "?device_class=server",
        "?price_to=9",
        "?state=coming",
    ):
        assert code not in rita.get(f"/lots{query}").text, query
    # Nonsense is taken for no filter, and never for an error.
    assert code in rita.get("/lots?within=x&price_to=%E2%82%AC%C2%B2&page=0&country=xx&sort=;&state=%00").text


def test_an_empty_list_says_which_filter_to_loosen(world: World, stranger: Visitor) -> None:
    world.listed_lot()
    text = stranger.text("/lots?q=thinkpad&price_to=5")
    assert "No lot fits all of this" in text
    assert "Without up to €5 : 1 lot" in text
    assert "Without “thinkpad”" not in text
    listed(world, "SHOP0001")
    text = stranger.text("/shop?q=thinkpad&price_to=5")
    assert "Without up to €5 : 1 device" in text
    assert "T480" in stranger.text("/shop?brand=Lenovo&grade=C4&storage=256&city=K%C3%B6ln&sort=cheapest")
    assert "T480" not in stranger.text("/shop?storage=512")


def test_a_card_tells_how_one_stands(world: World, visitor: Come) -> None:
    code, _ = world.listed_lot()
    rita = visitor("rita")
    assert "watched" not in rita.text("/lots")
    assert rita.post(f"/lots/{code}/watch").status_code == 303
    assert "watched" in rita.text("/lots")
    assert code in rita.get("/watch-list").text
    world.bid("rita", code, 50)
    assert "you lead" in rita.text("/lots")
    world.bid("rosa", code, 60)
    assert "outbid" in rita.text("/lots")
    assert "outbid" not in visitor("ben").text("/lots")
    rita.post(f"/lots/{code}/unwatch")
    assert "You watch no lot" in rita.text("/watch-list")


def test_the_live_part_costs_nothing_while_nothing_happens(real_site: Flask, world: World, visitor: Come) -> None:
    code, _ = world.listed_lot()
    rita, rosa = visitor("rita"), visitor("rosa")
    page = rita.get(f"/lots/{code}").text
    seen = re.search(r'name="seen" value="([0-9a-f]{24})"', page)
    assert seen
    assert rita.get(f"/lots/{code}/live?seen={seen[1]}").status_code == 204
    answer = rita.get(f"/lots/{code}/live")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "private, no-cache")
    assert "<html" not in answer.text
    counted: list[str] = []
    engine = real_site.extensions["ewaste"].database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))
    again = rita.get(f"/lots/{code}/live", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert sum("FROM lots" in statement for statement in counted) == len(
        [statement for statement in counted if "bids" in statement or "lot" in statement]
    )
    # What one bidder is told is never what the other is told, and a bid changes it for both.
    assert rosa.get(f"/lots/{code}/live").headers["ETag"] != answer.headers["ETag"]
    world.bid("rosa", code, 60)
    after = rita.get(f"/lots/{code}/live?seen={seen[1]}", headers={"If-None-Match": answer.headers["ETag"]})
    assert after.status_code == 200
    assert "1 bid" in words(after.text)
    assert "60" not in re.sub(r"L-[\w-]+", "", words(after.text))  # Nobody's maximum.
    world.later(days=3)
    assert rita.get(f"/lots/{code}/live").status_code == 286  # The page stops asking.


def test_the_manifest_is_sorted_by_links_and_the_file_keeps_its_columns(world: World, visitor: Come) -> None:
    code, _ = world.listed_lot(3)
    rita = visitor("rita")
    page = rita.get(f"/lots/{code}?sort=-mass")
    assert 'aria-sort="descending"' in page.text
    assert rita.get(f"/lots/{code}?sort=nonsense").status_code == 200
    content = rita.get(f"/lots/{code}/manifest.csv").data
    assert not content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(content.decode())))
    assert tuple(rows[0]) == MANIFEST_COLUMNS
    assert len(rows) == 4


def test_a_bid_sent_twice_by_its_form_is_one_bid_and_a_huge_one_is_refused(world: World, visitor: Come) -> None:
    code, _ = world.listed_lot()
    rita = visitor("rita")
    for _ in range(2):
        assert (
            rita.post(f"/lots/{code}/bids", {"maximum": "50", "key": "one-form-only", "sure": "yes"}).status_code == 303
        )
    assert world.raw("select count(*) from bids") == 1
    for amount in ("0", "-1", "1e9", "999999999999", "", "50.001", "100000001"):
        answer = rita.post(f"/lots/{code}/bids", {"maximum": amount, "key": f"key-of-{amount}-form"})
        assert answer.status_code == 422, amount
    assert world.raw("select count(*) from bids") == 1


def test_a_runner_up_answers_on_their_own_page(world: World, visitor: Come) -> None:
    code, _ = world.listed_lot()
    world.bid("rosa", code, 70)
    world.bid("rita", code, 90)
    world.later(days=2)
    order = world.close(code)
    world.now = order.pay_by
    with world.transaction() as session:
        settlement.expire_order(session, WORKER, order.id, now=world.now)
    assert "The runner-up was asked" in visitor("rita").text(f"/lots/{code}")
    rosa = visitor("rosa")
    assert "for €70.00" in rosa.text("/my-lots")
    assert rosa.post(f"/my-lots/{code}/second-offer/accept").headers["Location"] == f"/my-lots/{code}"
    assert "Pay €70.00" in rosa.text(f"/my-lots/{code}")
    assert rosa.post(f"/my-lots/{code}/second-offer/decline").status_code == 409


def test_a_buyer_disputes_a_device_and_reads_what_became_of_it(world: World, visitor: Come) -> None:
    code = listed(world)
    ben = visitor("ben")
    address = ben.post(f"/shop/{code}/buy").headers["Location"]
    assert ben.post(f"/shop/{code}/buy").headers["Location"] == address  # Two tabs, one order.
    with world.transaction() as session:
        order = sale.buy(session, world.actor("ben"), code, now=world.now)
    world.pay(order, "ben")
    assert "PRACTICE-" in ben.text(f"{address}/invoice")
    assert "Withdraw from the purchase" in ben.text(address)
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, order.collection_code, now=world.now)
    page = ben.get(address).text
    device = re.search(r'<option value="(D-[\w-]+)"', page)
    assert device
    refused = ben.post(f"{address}/disputes", {"device": device[1], "reason": "", "text": "It is silent."})
    assert refused.status_code == 422
    assert "It is silent." in refused.text  # What was typed is still there.
    sent = {"device": device[1], "reason": "does-not-work", "text": "One speaker is silent."}
    dispute = ben.post(f"{address}/disputes", sent).headers["Location"]
    assert ben.post(f"{address}/disputes", sent).headers["Location"] == dispute
    olga, stefan = visitor("olga"), visitor("stefan")
    assert "Does not work" in olga.text("/bench/disputes")
    olga.post(f"{dispute}/answer", {"text": "It was whole when we graded it."})
    assert "Does not work" in stefan.text("/staff/disputes")
    assert "Ben Adeyemi" not in olga.text(dispute)
    too_much = stefan.post(
        f"/staff{dispute}/decide", {"outcome": "partial", "amount": "199.01", "reason": "We share the harm."}
    )
    assert too_much.status_code == 422
    assert "up to €199.00" in words(too_much.text)
    stefan.post(f"/staff{dispute}/decide", {"outcome": "partial", "amount": "30", "reason": "We share the harm."})
    text = ben.text(dispute)
    assert "€30.00" in text
    assert "It was whole when we graded it." in text
    assert "Part of the price refunded" in ben.text(address)
    assert "We share the harm." in visitor("ada").text(dispute)


def test_the_results_of_a_lot_can_be_taken_home(world: World, visitor: Come) -> None:
    code, _ = world.listed_lot()
    world.bid("rita", code, 90)
    world.later(days=2)
    order = world.close(code)
    world.pay(order, "rita")
    rita = visitor("rita")
    assert "QR code" in rita.get(f"/my-lots/{code}").text
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, order.collection_code, now=world.now)
    assert "0 of 1 reported" in rita.text(f"/my-lots/{code}")
    rows = list(csv.reader(io.StringIO(rita.get(f"/my-lots/{code}/results.csv").text)))
    assert tuple(rows[0]) == RESULT_COLUMNS
    assert rows[1][6] == "delivered"


def test_every_list_costs_the_same_number_of_statements_however_long(
    real_site: Flask, world: World, visitor: Come
) -> None:
    rita = visitor("rita")
    counted: list[str] = []
    engine = real_site.extensions["ewaste"].database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))

    def costs() -> dict[str, int]:
        told = {}
        rita.get("/lots")  # The clock moved, so she signs in again first.
        for address in ("/lots", "/lots?q=t480&within=72", "/watch-list", "/my-lots", "/shop", "/shop?brand=Lenovo"):
            counted.clear()
            assert rita.get(address).status_code == 200
            told[address] = len(counted)
        return told

    def one_more(number: int) -> None:
        code = world.lot_of([world.cleared(serial=f"QF{number:05d}", serials=(f"D-{number}",))])
        world.bid("rita", code, 50)
        rita.post(f"/lots/{code}/watch")
        listed(world, f"SH{number:05d}")

    one_more(0)
    costs()
    few = costs()
    for number in range(1, 4):
        one_more(number)
    assert costs() == few
