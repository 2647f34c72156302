"""The page of the routine re-audit: who sees a form, what comes back refused, and what the desk reads."""

from __future__ import annotations

import re

from tests.web.conftest import Browser
from tests.world import World


def text(response: object) -> str:
    return " ".join(re.sub(r"\s+", " ", response.get_data(as_text=True)).split())  # type: ignore[attr-defined]


def address_of(world: World) -> str:
    return f"/bench/re-audits/{world.raw('select id from re_audits')}"


def test_who_worked_on_it_sees_no_form_and_a_colleague_does(browser: Browser, world: World) -> None:
    world.cleared()
    own = text(browser.sign_in("olga").get("/bench/re-audits"))
    assert "You worked on this one. Somebody else of your centre looks at it." in own
    assert "Something is left" not in own
    other = text(browser.sign_in("otto").get("/bench/re-audits"))
    assert "You worked on this one" not in other
    assert address_of(world) in other
    assert "Something is left" in other
    assert address_of(world) not in text(browser.sign_in("omar").get("/bench/re-audits"))


def test_what_is_left_is_described_and_then_the_desk_is_told(browser: Browser, world: World) -> None:
    world.cleared()
    address = address_of(world)
    with world.nothing_changes("refusals", "sessions"):
        bare = browser.sign_in("otto").post(address, data={"outcome": "residue", "note": ""})
    assert bare.status_code == 422
    assert "Say what is left on it, in 3 to 500 characters." in text(bare)
    done = browser.post(address, data={"outcome": "residue", "note": "A photograph of a cat."})
    assert (done.status_code, done.location) == (303, "/bench/re-audits")
    page = text(browser.get("/bench/re-audits"))
    assert "A photograph of a cat." in page
    assert "our desk is told" in page
    centre = world.organisation("Rhein Datenpark")
    desk = text(browser.sign_in("stefan").get(f"/staff/centres/{centre}"))
    assert "<dd>1 of 1</dd>" in desk
    assert '<div class="tone-bad"> <dt>wipes reversed after another look</dt> <dd>1</dd>' in desk
    assert "Data left on D-" in text(browser.get("/staff/incidents"))


def test_the_operator_is_refused_on_the_page_too(browser: Browser, world: World) -> None:
    world.cleared()
    with world.nothing_changes("refusals", "sessions"):
        own = browser.sign_in("olga").post(address_of(world), data={"outcome": "clean"})
    assert own.status_code == 409
    assert "You worked on this device yourself. Somebody else of your centre looks at it." in text(own)


def test_the_rules_page_says_why_each_row_is_admitted(browser: Browser, world: World) -> None:
    page = text(browser.sign_in("stefan").get("/staff/rules/evidence"))
    assert "ewaste-clear-2026-11-2" in page
    assert "two people saw a new set-up, a third one confirms it." in page


def test_a_phone_is_ordered_to_be_reset_and_not_destroyed(browser: Browser, world: World) -> None:
    phone, order = world.ordered(serials=("PHONE-0",), kind="phone-storage")
    code = world.raw("select code from devices where id = :id", id=phone)
    page = text(browser.sign_in("olga").get(f"/bench/devices/{code}"))
    assert f"wipe-agent reset --order {order.code} --operator NAME --witness NAME" in page
    assert "--destroyed" not in page
    assert "--target" not in page
    assert "was it destroyed?" not in page
