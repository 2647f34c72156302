"""Where parcels go: to a centre with a street and a postcode, and back to a seller who did not take the offer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ewaste.journey import bench
from tests.web.letters import letters
from tests.web.test_entering_firms import REACHED, apply
from tests.web.test_public import make_quote
from tests.web.test_selling import accepted, code_of
from tests.web.visitors import Visitor, words
from tests.world import World

Come = Callable[[str | None], Visitor]
HOME = {"back_street": "Am Wall 3", "back_postcode": "28195", "back_city": "Bremen", "back_country": "DE"}
RHEIN = "Musterstraße 12, 50667 Köln, Germany"
GIVEN = "select count(*) from return_addresses"


def test_a_seller_reads_the_whole_address_before_posting_and_who_pays_postage(cora: Visitor, world: World) -> None:
    page = cora.text(accepted(cora, world))
    assert "Musterstraße 12 50667 Köln Germany" in page
    assert "Open Monday to Friday, 9:00 to 17:00" in page
    assert "You pay the postage" in page
    assert "large on the outside, and put the slip inside" in page
    subject, text = letters(world, "cora@example.org")[-1]
    assert subject.startswith("How your ")
    assert "Rhein Datenpark\nMusterstraße 12\n50667 Köln\nGermany" in text
    assert "Nothing is sold yet" in text
    assert "You pay the postage." in text
    assert "label" not in text


def test_a_centre_without_a_street_is_not_offered_and_takes_nothing(cora: Visitor, world: World) -> None:
    quote = make_quote(cora)
    centre = world.organisation("Rhein Datenpark")
    world.raw("update organisations set street = null where id = :centre", centre=centre)
    assert "Rhein Datenpark" not in cora.text(quote)
    form = {"serial": "PF1", "owner": "yes", "centre_id": str(centre), "silence": "send-back"}
    answer = cora.post(f"{quote}/accept", form)
    assert answer.status_code == 409
    assert "has not told us its postal address yet" in words(answer.text)
    assert world.raw("select count(*) from devices") == 0


@pytest.mark.parametrize("missing", ["street", "postcode", "opening_hours"])
def test_a_centre_that_applies_says_where_it_is_and_when_it_is_open(missing: str, visitor: Come, world: World) -> None:
    otto = visitor(None)
    answer = apply(otto, "centre", organisation="Prüfhaus Süß", **{missing: " "})
    assert answer.status_code == 422
    assert world.raw("select count(*) from organisations where name = 'Prüfhaus Süß'") == 0
    assert f'id="f-{missing}-error"' in answer.text
    assert apply(otto, "centre", organisation="Prüfhaus Süß").status_code == 303
    assert world.raw("select street from organisations where name = 'Prüfhaus Süß'") == REACHED["street"]


def test_an_owner_changes_the_centres_address_and_others_do_not(visitor: Come, world: World) -> None:
    olga, elsewhere = visitor("olga"), {"street": "Musterallee 5", "postcode": "50668", "city": "Köln", "country": "DE"}
    assert RHEIN in olga.text("/account/firm")
    refused = olga.post("/account/firm/address", {**elsewhere, "postcode": "", "opening_hours": "Mondays"})
    assert refused.status_code == 422
    assert RHEIN in visitor("olga").text("/account/firm")
    assert visitor("cora").post("/account/firm/address", {**elsewhere, "opening_hours": "x"}).status_code == 403
    assert olga.post("/account/firm/address", {**elsewhere, "opening_hours": "Mondays"}).status_code == 303
    assert "Musterallee 5, 50668 Köln, Germany Mondays" in olga.text("/account/firm")


def test_a_seller_says_where_it_goes_back_to_and_changes_it_until_it_is_sent(cora: Visitor, world: World) -> None:
    code = accepted(cora, world).split("/")[2]
    address = f"/devices/{code}/return-address"
    for field, wrong in (("back_street", ""), ("back_postcode", "x" * 21), ("back_country", "XX")):
        refused = cora.post(address, HOME | {field: wrong})
        assert refused.status_code == 422
        assert f'id="f-{field}-error"' in refused.text
    assert world.raw(GIVEN) == 0
    assert cora.post(address, HOME).status_code == 303
    assert "Am Wall 3, 28195 Bremen, Germany" in cora.text(f"/devices/{code}/prepare")
    assert cora.post(address, HOME | {"back_street": "Am Deich 8"}).status_code == 303
    assert "Am Deich 8, 28195 Bremen, Germany" in cora.text(f"/devices/{code}/prepare")
    held = json.loads(cora.get("/account/what-we-hold.json").data)
    assert [each["street"] for each in held["return_addresses"]] == ["Am Deich 8"]
    cora.post(f"/devices/{code}/cancel")
    assert cora.post(address, HOME).status_code == 409
    assert world.raw("select street from return_addresses") == "Am Deich 8"


def test_declining_is_asked_once_more_and_the_centre_reads_the_address_only_then(
    visitor: Come, cora: Visitor, world: World
) -> None:
    device_id = world.inspected()
    code, offer = code_of(world, device_id), world.offer(device_id).id
    assert f'href="/offers/{offer}/decline"' in cora.get(f"/devices/{code}").text
    asked = cora.text(f"/offers/{offer}/decline")
    assert "This cannot be undone." in asked
    refused = cora.post(f"/offers/{offer}/decline", HOME | {"back_city": ""})
    assert refused.status_code == 422
    assert world.offer(device_id).state == "open"
    cora.post(f"/devices/{code}/return-address", HOME)
    olga = visitor("olga")
    assert "Am Wall 3" not in olga.text(f"/bench/devices/{code}")
    assert cora.post(f"/offers/{offer}/decline", HOME).status_code == 303
    shown = olga.text(f"/bench/devices/{code}")
    assert "It goes to Cora Lindqvist, Am Wall 3, 28195 Bremen, Germany." in shown
    with world.transaction() as session:
        bench.send_back(session, world.olga, device_id, reason="Declined.", seal="S-2", mass_g=1580, now=world.now)
    assert "Am Wall 3" not in olga.text(f"/bench/devices/{code}")
    assert cora.post(f"/devices/{code}/return-address", HOME).status_code == 409


def test_what_is_sold_does_not_go_back(cora: Visitor, world: World) -> None:
    device_id = world.clearing()
    assert cora.post(f"/devices/{code_of(world, device_id)}/return-address", HOME).status_code == 409
    assert world.raw(GIVEN) == 0
