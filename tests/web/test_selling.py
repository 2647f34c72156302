"""A private person at the site: an account, a quote accepted, the offer answered, the money, the proof."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask

from ewaste.accounts.samples import PASSWORD
from ewaste.devices import photographs
from ewaste.devices.lifecycle import State
from ewaste.journey import bench, sale
from tests.web.test_public import make_quote
from tests.web.visitors import Visitor, words
from tests.world import GOOD_ANSWERS, World, good_findings, jpeg


def accepted(who: Visitor, world: World, **changes: str) -> str:
    """Accept a fresh quote; the address of the page that follows."""
    form = {
        "serial": "PF1ABCDE",
        "owner": "yes",
        "centre_id": str(world.organisation("Rhein Datenpark")),
        "silence": "send-back",
        **changes,
    }
    answer = who.post(make_quote(who) + "/accept", form)
    assert answer.status_code == 303, words(answer.text)
    return answer.headers["Location"]


def code_of(world: World, device_id: UUID) -> str:
    """The device's code."""
    return world.device(device_id).code


def test_a_new_person_opens_an_account_and_is_signed_in(stranger: Visitor) -> None:
    form = {
        "name": "Nina Neu",
        "email": "Nina@Example.org",
        "password": "four words are easy",
        "next": "/account",
    }
    answer = stranger.post("/sign-up", form)
    assert answer.headers["Location"] == "/account"
    text = stranger.text("/account")
    assert "nina@example.org" in text
    assert "Private person" in text
    assert "Your account is open." in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password": "short"}, "Choose a password of 10 to 200 characters."),
        ({"email": "cora@example.org"}, "There is an account with this address already."),
        ({"email": "nobody"}, "This is no e-mail address."),
        ({"name": "x" * 400}, "too long"),
    ],
)
def test_an_account_is_refused_with_the_reason(
    changes: dict[str, str | None], sentence: str, stranger: Visitor
) -> None:
    form = {"name": "Nina", "email": "nina@example.org", "password": "four words are easy"} | changes
    answer = stranger.post("/sign-up", {name: value for name, value in form.items() if value is not None})
    assert answer.status_code in (409, 422)
    assert sentence in words(answer.text)


def test_signing_in_starts_a_fresh_session_and_goes_where_one_wanted(stranger: Visitor) -> None:
    with stranger.client.session_transaction() as before:
        before["planted"] = "by somebody else"
    answer = stranger.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD, "next": "/devices?page=2"})
    assert answer.headers["Location"] == "/devices?page=2"
    with stranger.client.session_transaction() as after:
        assert "planted" not in after


@pytest.mark.parametrize(
    "onward",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "a" * 600,
    ],
)
def test_nobody_is_led_away_by_the_sign_in_page(onward: str, stranger: Visitor) -> None:
    answer = stranger.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD, "next": onward})
    assert answer.headers["Location"] == "/devices"


def test_a_wrong_password_is_not_told_from_an_unknown_address(stranger: Visitor) -> None:
    wrong = stranger.post("/sign-in", {"email": "cora@example.org", "password": "not hers at all"})
    unknown = stranger.post("/sign-in", {"email": "nobody@example.org", "password": "not hers at all"})
    sentence = "The e-mail address and the password do not belong together."
    assert wrong.status_code == unknown.status_code == 422
    assert sentence in words(wrong.text)
    assert sentence in words(unknown.text)


def test_guessing_passwords_ends_after_ten_tries(stranger: Visitor) -> None:
    for _ in range(10):
        assert stranger.post("/sign-in", {"email": "cora@example.org", "password": "guess"}).status_code == 422
    answer = stranger.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD})
    assert answer.status_code == 429
    assert "Too many tries" in words(answer.text)


def test_a_form_without_its_token_is_refused(stranger: Visitor) -> None:
    answer = stranger.client.post("/sign-in", data={"email": "cora@example.org", "password": PASSWORD})
    assert answer.status_code == 409


def test_signing_out_ends_the_session(cora: Visitor) -> None:
    assert cora.post("/sign-out").status_code == 303
    answer = cora.get("/devices")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/sign-in?next=/devices"


def test_a_stranger_who_accepts_signs_in_and_sends_the_form_again(stranger: Visitor, world: World) -> None:
    address = make_quote(stranger)
    answer = stranger.post(address + "/accept", {"serial": "PF1ABCDE"})
    assert answer.status_code == 403
    assert "Sign in; what you typed is kept" in words(answer.text)
    kept = re.search(r'name="kept" value="([^"]+)"', answer.text)
    assert kept
    answer = stranger.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD, "kept": kept[1]})
    page = stranger.get(answer.headers["Location"]).text
    assert f'action="{address}/accept"' in page
    assert 'name="serial" value="PF1ABCDE"' in page


def test_accepting_leads_to_the_parcel_and_its_code(cora: Visitor, world: World) -> None:
    onward = accepted(cora, world)
    page = cora.get(onward)
    text = words(page.text)
    code = onward.split("/")[2]
    assert "Before you post it" in text
    assert code in text
    assert "Rhein Datenpark" in text
    assert "<svg" in page.text
    assert "style=" not in page.text
    assert "Send it in" in cora.text("/devices")
    assert "You accepted the quote" in cora.text(f"/devices/{code}")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"owner": None}, "We buy only from owners."),
        ({"serial": ""}, "Type the serial number or IMEI"),
        ({"silence": "accept"}, "Choose what happens when you do not answer"),
        ({"silence": "floor"}, "Type the lowest price that you would take."),
        ({"silence": "floor", "floor": "99999"}, "at most the quote"),
        ({"silence": "floor", "floor": "twelve"}, "Type an amount in euros"),
        ({"centre_id": "nonsense"}, "Choose the test centre"),
    ],
)
def test_an_acceptance_that_lacks_something_keeps_what_was_typed(
    changes: dict[str, str | None], sentence: str, cora: Visitor, world: World
) -> None:
    form = {
        "serial": "PF1KEEPME",
        "owner": "yes",
        "centre_id": str(world.organisation("Rhein Datenpark")),
        "silence": "send-back",
    } | changes
    answer = cora.post(make_quote(cora) + "/accept", {name: value for name, value in form.items() if value is not None})
    assert answer.status_code == 422
    assert sentence in words(answer.text)
    if "serial" not in changes:
        assert "PF1KEEPME" in answer.text
    assert "Nothing sold yet" in cora.text("/devices")


def test_a_device_is_nobody_elses(world: World, visitor: Callable[[str | None], Visitor], cora: Visitor) -> None:
    device_id = world.inspected()
    code, offer = code_of(world, device_id), world.offer(device_id).id
    ben, rita = visitor("ben"), visitor("rita")
    for address in (f"/devices/{code}", f"/devices/{code}/prepare"):
        assert cora.get(address).status_code == 200
        assert ben.get(address).status_code == 404
        assert rita.get(address).status_code == 403
    for address in (f"/offers/{offer}/confirm", f"/offers/{offer}/decline", f"/devices/{code}/cancel"):
        assert ben.post(address).status_code == 404
        assert visitor(None).post(address).status_code in (302, 303, 403)
    assert world.device(device_id).state is State.INSPECTED


def test_an_offer_is_a_difference_and_confirming_it_fixes_the_price(world: World, cora: Visitor) -> None:
    device_id = world.inspected(findings={**good_findings(), "screen_crack": "yes"})
    code, offer = code_of(world, device_id), world.offer(device_id)
    text = cora.text(f"/devices/{code}")
    assert "One thing differs:" in text
    assert "I disagree" in text
    assert "Glass of the screen" in text
    assert "cracked screen" in text
    assert "not declared" not in text
    assert "If we hear nothing, we send it back free of charge." in text
    assert "Answer the offer" in cora.text("/devices")
    answer = cora.post(f"/offers/{offer.id}/confirm")
    assert answer.headers["Location"] == f"/devices/{code}"
    after = cora.text(f"/devices/{code}")
    assert "We pay you by Friday 27 November" in after
    assert "You accepted the offer" in after
    assert "Waiting for proof that its data is gone" in after
    assert "Tell us where to pay you" in after
    again = cora.post(f"/offers/{offer.id}/confirm")
    assert again.status_code == 409
    assert "Nothing has changed" in words(again.text)


@pytest.mark.parametrize(
    ("who", "place"),
    [
        (None, "/sign-in"),
        ("cora", "/devices"),
        ("olga", "/bench"),
        ("rita", "/lots"),
        ("stefan", "/staff"),
        ("ada", "/staff"),
    ],
)
def test_an_error_page_leads_back_to_ones_own_work(
    visitor: Callable[[str | None], Visitor], who: str | None, place: str
) -> None:
    answer = visitor(who).get("/nowhere-at-all")
    assert answer.status_code == 404
    assert f'<a class="button button-second" href="{place}">' in answer.text


def test_a_consumer_finds_what_they_bought(cora: Visitor) -> None:
    assert "/account#orders" in cora.get("/devices").text
    assert "You have bought nothing yet." in cora.text("/account")


def test_an_offer_names_what_was_measured_and_one_set_of_words_for_looks(world: World, cora: Visitor) -> None:
    findings = {**good_findings(), "body_wear": "visible", "battery_soh": 92}
    device_id = world.inspected(answers={**GOOD_ANSWERS, "battery": "unknown"}, findings=findings)
    text = cora.text(f"/devices/{code_of(world, device_id)}")
    assert "Two things differ; together" in text
    assert "I do not know, reckoned as: battery holds less than 80 %" in text
    assert "92 % (better)" in text
    assert "not found" not in text
    assert "Visible wear, grade C4" in text
    assert "light wear" not in text
    assert "Decline it, and the device comes back to you, free of charge" in text


def test_a_price_is_told_in_plain_words_and_the_rest_is_for_experts(cora: Visitor) -> None:
    answers = phone_answers(cora) | {"display": "unknown", "power": "no", "liquid": "yes", "account": "no"}
    page = cora.get(cora.post("/quote/apple-iphone-12", answers).headers["Location"])
    text = words(page.text)
    assert "Asking prices on eBay USA, April 2025; the middle of 11." in text
    assert "70 % is yours; 30 % pays for testing, wiping, selling, warranty and risk" in text
    assert "Picture not known, reckoned as spots" in text
    assert "You also said: does not turn on, has been wet inside. Only the worst of these counts." in text
    assert "For experts" in text
    assert "Nothing is binding before you confirm the offer." in text
    launched = cora.post("/quote/apple-iphone-13-mini", phone_answers(cora) | {"storage_gb": "128"}).headers["Location"]
    text = cora.text(launched)
    assert "Estimate: from memory of the maker’s pages, not checked yet." in text
    assert "verify before publication" not in text


def test_whoever_cannot_tell_reads_at_the_question_what_that_means(stranger: Visitor) -> None:
    text = stranger.text("/quote/apple-iphone-12")
    assert text.count("We reckon with the worse; if it is fine, our offer rises") == 2


def test_a_declined_offer_sends_the_device_back(world: World, cora: Visitor) -> None:
    device_id = world.inspected()
    code = code_of(world, device_id)
    cora.post(f"/offers/{world.offer(device_id).id}/decline")
    after = cora.text(f"/devices/{code}")
    assert "It is coming back to you" in after
    assert "Offer made" not in after
    assert "Offer made" not in cora.text("/devices")
    with world.transaction() as session:
        bench.send_back(session, world.olga, device_id, reason="Declined.", seal="S-2", mass_g=1580, now=world.now)
    assert "It went back to you" in cora.text("/devices")


def test_a_sale_can_be_called_off_before_posting_and_not_after(world: World, cora: Visitor) -> None:
    onward = accepted(cora, world)
    code = onward.split("/")[2]
    assert cora.post(f"/devices/{code}/cancel").status_code == 303
    assert "Called off" in cora.text("/devices")
    late = code_of(world, world.received(serial="PF2"))
    answer = cora.post(f"/devices/{late}/cancel")
    assert answer.status_code == 409
    assert "cannot become cancelled" in words(answer.text)


def test_the_story_of_a_cleared_device_is_whole_and_names_no_staff(world: World, cora: Visitor) -> None:
    code = code_of(world, world.cleared())
    page = cora.get(f"/devices/{code}")
    text = words(page.text)
    for sentence in (
        "The data is gone",
        "Storage found: SSD",
        "The SSD was wiped",
        "The wipe was ordered",
        "It belongs to Clearhand now",
        "Its way:",
        "is whole",
        "How the three ways compared",
    ):
        assert sentence in text, sentence
    assert "Olga" not in text
    assert "Bench 1" not in text
    assert "/certificates/" in page.text


def test_every_event_that_the_journey_writes_has_words_of_its_own() -> None:
    import ast
    from pathlib import Path

    import ewaste
    from ewaste.devices.lifecycle import State
    from ewaste.devices.models import MediumEventKind
    from ewaste.views import timeline

    written = {f"device.{state.value}" for state in State} | {f"medium.{kind.value}" for kind in MediumEventKind}
    for folder in ("journey", "devices"):
        for file in (Path(ewaste.__file__).parent / folder).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("note") and len(node.args) >= 3:
                    kind = node.args[2]
                    if isinstance(kind, ast.Constant):
                        written.add(str(kind.value))
    assert not {kind for kind in written if kind not in timeline.KINDS and not kind.startswith("medium.")}


def test_staff_read_the_same_story_with_names(world: World, visitor: Callable[[str | None], Visitor]) -> None:
    code = code_of(world, world.cleared())
    text = visitor("stefan").text(f"/devices/{code}")
    assert "Olga Brandt" in text
    assert "Cora Lindqvist" in text


def test_the_pages_say_what_stops_a_device(world: World, cora: Visitor) -> None:
    device_id = world.inspected()
    with world.transaction() as session:
        bench.place_hold(session, world.stefan, device_id, kind="ownership", reason="Whose is it?", now=world.now)
    text = cora.text(f"/devices/{code_of(world, device_id)}")
    assert "On hold: " in text
    assert "You can accept as soon as the hold is lifted." in text
    assert f"/offers/{world.offer(device_id).id}/confirm" not in cora.get(f"/devices/{code_of(world, device_id)}").text
    held = cora.post(f"/offers/{world.offer(device_id).id}/confirm")
    assert held.status_code == 409


def test_a_list_of_devices_costs_the_same_however_long(real_site: Flask, world: World, cora: Visitor) -> None:
    import sqlalchemy as sa

    counted: list[str] = []
    engine = real_site.extensions["ewaste"].database.engine
    sa.event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))

    def cost(address: str) -> int:
        counted.clear()
        assert cora.get(address).status_code == 200
        return len(counted)

    world.inspected()
    one = cost("/devices")
    for number in range(3):
        world.inspected(serial=f"PF{number}", serials=(f"D{number}",))
    assert cost("/devices") == one


def test_a_buyer_takes_a_listed_device_once(
    world: World, visitor: Callable[[str | None], Visitor], stranger: Visitor, cora: Visitor
) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, device_id, price_minor=19_900, now=world.now).code
    assert stranger.post(f"/shop/{listing}/buy").headers["Location"] == f"/sign-in?next=/shop/{listing}"
    ben = visitor("ben")
    answer = ben.post(f"/shop/{listing}/buy")
    order = answer.headers["Location"]
    assert re.fullmatch(r"/orders/B-[0-9A-Z-]+", order)
    text = ben.text(order)
    assert "Pay €199.00" in text
    assert "Waiting for payment" in text
    second = cora.post(f"/shop/{listing}/buy")
    assert second.status_code == 409
    assert "Somebody else bought this device" in words(second.text)
    assert cora.get(order).status_code == 404
    assert "Sold" in stranger.text(f"/shop/{listing}")
    assert "It has a buyer" in cora.text(f"/devices/{code_of(world, device_id)}")
    assert "Ben" not in cora.text(f"/devices/{code_of(world, device_id)}")
    assert order.split("/")[-1] in ben.text("/account")


def test_when_the_provider_is_silent_nothing_is_lost(world: World, visitor: Callable[[str | None], Visitor]) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, device_id, price_minor=19_900, now=world.now).code
    ben = visitor("ben")
    order = ben.post(f"/shop/{listing}/buy").headers["Location"]
    answer = ben.post(f"{order}/pay")
    assert answer.status_code == 409
    assert "The payment provider does not answer. Nothing was paid." in words(answer.text)
    bank = ben.post("/account/payout", {"country": "DE"})
    assert bank.status_code == 409
    assert "does not answer" in words(bank.text)
    assert "Choose the country" in words(ben.post("/account/payout", {"country": "XX"}).text)


def test_accepting_twice_makes_one_device(cora: Visitor, world: World) -> None:
    address = make_quote(cora)
    form = {
        "serial": "PF1TWICE",
        "owner": "yes",
        "centre_id": str(world.organisation("Rhein Datenpark")),
        "silence": "send-back",
    }
    first = cora.post(address + "/accept", form)
    world.later(seconds=1)
    second = cora.post(address + "/accept", form | {"serial": " pf1 twice"})
    assert first.status_code == second.status_code == 303
    assert first.headers["Location"] == second.headers["Location"]
    assert "It is one device" in cora.text(second.headers["Location"])
    other = cora.post(address + "/accept", form | {"serial": "PF1ELSE"})
    assert other.status_code == 409
    assert "This quote was accepted already." in words(other.text)
    assert world.raw("select count(*) from devices") == 1


def test_two_quotes_in_two_tabs_are_one_device_still(cora: Visitor, world: World) -> None:
    code = accepted(cora, world).split("/")[2]
    form = {
        "serial": "PF1ABCDE",
        "owner": "yes",
        "centre_id": str(world.organisation("Rhein Datenpark")),
        "silence": "send-back",
    }
    answer = cora.post(make_quote(cora) + "/accept", form)
    assert answer.status_code == 409
    assert f"You announced a device with this serial number already: {code}." in words(answer.text)


def test_an_imei_whose_last_digit_does_not_fit_is_asked_again(cora: Visitor, world: World) -> None:
    quote = cora.post("/quote/apple-iphone-12", phone_answers(cora)).headers["Location"]
    form = {"owner": "yes", "centre_id": str(world.organisation("Rhein Datenpark")), "silence": "send-back"}
    wrong = cora.post(quote + "/accept", form | {"serial": "356938035643808"})
    assert wrong.status_code == 422
    assert "its last digit does not fit the others" in words(wrong.text)
    assert 'value="356938035643808"' in wrong.text
    assert cora.post(quote + "/accept", form | {"serial": "35 693803 564380-9"}).status_code == 303


def phone_answers(who: Visitor) -> dict[str, str]:
    """The first answer to each question about a phone."""
    page = who.get("/quote/apple-iphone-12").text
    found: dict[str, str] = {}
    for name, value in re.findall(r'type="radio" name="(\w+)" value="([^"]+)"', page):
        found.setdefault(name, value)
    return found


def test_my_devices_are_found_filtered_and_taken_along(world: World, cora: Visitor) -> None:
    waiting = code_of(world, world.inspected(serial="PF-WAITS"))
    away = code_of(world, world.expected(serial="PF-SENDS"))
    page = cora.text("/devices?show=to-send")
    assert away in page
    assert waiting not in page
    found = cora.text("/devices?q=waits")
    assert waiting in found
    assert away not in found
    assert "None of your devices fits" in cora.text("/devices?q=nothing-like-it")
    file = cora.get("/devices.csv?show=to-send")
    assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = file.text.splitlines()
    assert lines[0].startswith("code,device,serial,state,next_step,amount,currency")
    assert [line.split(",")[0] for line in lines[1:]] == [away]


def test_a_seller_photographs_the_device_and_sees_what_the_centre_saw(world: World, cora: Visitor) -> None:
    code = code_of(world, world.expected())
    with cora.get(f"/devices/{code}/prepare") as page:
        assert "Photograph it, if you like" in words(page.text)
    sent = cora.post(f"/devices/{code}/photographs", {"photographs": (io.BytesIO(jpeg()), "mine.jpg")})
    assert sent.headers["Location"] == f"/devices/{code}/prepare#photographs"
    wrong = cora.post(f"/devices/{code}/photographs", {"photographs": (io.BytesIO(b"GIF89a"), "cat.gif")})
    assert wrong.status_code == 422
    assert "“cat.gif” is a GIF" in words(wrong.text)
    device_id = world.inspected(serial="PF2", serials=("D2",))
    with world.transaction() as session:
        pictures = [photographs.encode(jpeg(colour="red"))]
        bench.add_photographs(session, world.olga, device_id, kind="inspection", pictures=pictures, now=world.now)
    page = cora.get(f"/devices/{code_of(world, device_id)}")
    assert 'alt="Lenovo ThinkPad T480, as the test centre found it"' in page.text
    assert "It was photographed at the inspection" in words(page.text)


def test_the_way_of_a_device_is_told_with_what_each_way_would_have_brought(world: World, cora: Visitor) -> None:
    page = cora.get(f"/devices/{code_of(world, world.cleared())}")
    table = page.text.split("What each way was expected to bring")[1].split("</table>")[0]
    assert [word in words(table) for word in ("Resale", "Remanufacture", "Dismantling", "chosen")] == [True] * 4
    assert "bundle.zip" in page.text
    assert "None of them changes what you are paid." in words(page.text)
