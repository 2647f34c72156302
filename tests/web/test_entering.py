"""Entering and leaving: accounts, addresses, passwords, sessions, and forms that come too late."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from ewaste.accounts.samples import PASSWORD, SAMPLES
from ewaste.devices.lifecycle import State
from ewaste.web.limits import limiter
from tests.web.letters import letters, link
from tests.web.test_public import make_quote
from tests.web.visitors import Visitor, words
from tests.world import World

NINA = {"name": "Nina Neu", "email": "nina@example.org", "password": "four words are easy"}
Come = Callable[[str | None], Visitor]


def nina(come: Come) -> Visitor:
    """Somebody new, whose address is not confirmed."""
    visitor = come(None)
    assert visitor.post("/sign-up", NINA).status_code == 303
    return visitor


def kept(html: str) -> str:
    found = re.search(r'name="kept" value="([^"]+)"', html)
    assert found
    return found[1]


# ---- the address ----


def test_whoever_has_not_confirmed_the_address_gets_quotes_and_loses_nothing_typed(visitor: Come, world: World) -> None:
    new = nina(visitor)
    quote = make_quote(new)
    form = {"serial": "PF1ABCDE", "owner": "yes", "centre_id": str(world.organisation("Rhein Datenpark")),
            "silence": "send-back"}  # fmt: skip
    answer = new.post(f"{quote}/accept", form)
    assert answer.status_code == 403
    assert "Almost done: confirm your address" in words(answer.text)
    assert "Not sent yet: go on where you stopped" in new.text("/devices")
    waits = re.search(r'href="(/send-again/[^"]+)"', answer.text)
    assert waits
    confirm = link(world, NINA["email"], "confirm")
    assert visitor(None).post(confirm).status_code == 200
    page = new.get(waits[1]).text
    assert f'action="{quote}/accept"' in page
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
    assert {name: fields[name] for name in form} == form
    assert new.post(f"{quote}/accept", {name: fields[name] for name in form}).status_code == 303


def test_a_stranger_who_accepts_opens_an_account_confirms_and_goes_on_with_the_sale(
    visitor: Come, world: World
) -> None:
    new = visitor(None)
    quote = make_quote(new)
    form = {"serial": "PF1ABCDE", "owner": "yes", "centre_id": str(world.organisation("Rhein Datenpark")),
            "silence": "send-back"}  # fmt: skip
    asked = new.post(f"{quote}/accept", form)
    assert "You are not signed in" not in words(asked.text)
    onward = new.post("/sign-up", NINA | {"kept": kept(asked.text)}).headers["Location"]
    waits = new.get(onward).text
    assert "Almost done: confirm your address" in words(waits)
    assert "signed out" not in words(waits)
    assert "Send it now" not in waits
    assert "Serial number or IMEI" in waits
    assert "Send it back to me" in waits
    confirmed = new.post(link(world, NINA["email"], "confirm"))
    assert confirmed.headers["Location"] == onward
    assert "Send it now" in new.get(onward).text
    assert "Not sent yet: go on where you stopped" in new.text("/devices")
    assert new.post(f"{quote}/accept", form).status_code == 303
    assert "Not sent yet" not in new.text("/devices")


def test_who_confirms_in_another_browser_goes_on_after_signing_in(visitor: Come, world: World) -> None:
    new = nina(visitor)
    quote = make_quote(new)
    new.post(f"{quote}/accept", {"serial": "PF1ABCDE"})
    elsewhere = visitor(None)
    page = elsewhere.post(link(world, NINA["email"], "confirm")).text
    assert re.search(r'name="next" value="/send-again/[^"]+"', page)


def test_an_open_quote_stands_under_my_devices_until_it_ends(cora: Visitor, world: World) -> None:
    quote = make_quote(cora)
    assert f'href="{quote}"' in cora.get("/devices").text
    world.later(days=28, seconds=1)
    assert quote not in cora.get("/devices").text


def test_a_link_confirms_once_and_opening_it_confirms_nothing(visitor: Come, world: World) -> None:
    new, anybody = nina(visitor), visitor(None)
    confirm = link(world, NINA["email"], "confirm")
    assert NINA["email"] in anybody.text(confirm)
    assert "Confirm your e-mail address" in new.text("/account")
    assert anybody.post(confirm).status_code == 200
    assert "Confirm your e-mail address" not in new.text("/account")
    assert "not good any more" in words(anybody.post(confirm).text)


def test_a_newer_link_ends_the_older_and_each_ends_after_a_day(visitor: Come, world: World) -> None:
    new = nina(visitor)
    first = link(world, NINA["email"], "confirm")
    world.later(minutes=1)
    assert new.post("/account/confirm").status_code == 303
    second = link(world, NINA["email"], "confirm")
    assert first != second
    assert visitor(None).get(first).status_code == 409
    world.later(hours=24, seconds=1)
    assert visitor(None).get(second).status_code == 409


def test_no_more_than_three_letters_in_a_quarter_of_an_hour(visitor: Come, world: World) -> None:
    new = nina(visitor)
    assert [new.post("/account/confirm").status_code for _ in range(4)] == [303, 303, 303, 429]


def test_an_address_changes_by_a_link_that_went_there_and_the_old_one_is_told(visitor: Come, world: World) -> None:
    cora = visitor("cora")
    assert cora.post("/account/address", {"email": "Cora@New.example"}).status_code == 303
    assert "cora@new.example" in letters(world, "cora@example.org")[-1][1]
    assert visitor(None).post("/sign-in", {"email": "cora@new.example", "password": PASSWORD}).status_code == 422
    cora.post(link(world, "cora@new.example", "confirm"))
    assert letters(world, "cora@example.org")[-1][0] == "Your e-mail address was changed"
    assert "cora@new.example" in cora.text("/account")
    assert visitor(None).post("/sign-in", {"email": "cora@new.example", "password": PASSWORD}).status_code == 303
    assert visitor(None).post("/sign-in", {"email": "cora@example.org", "password": PASSWORD}).status_code == 422


def test_an_address_that_got_an_account_in_between_is_not_taken_over(visitor: Come, world: World) -> None:
    cora = visitor("cora")
    cora.post("/account/address", {"email": NINA["email"]})
    confirm = link(world, NINA["email"], "confirm")
    nina(visitor)
    assert cora.post(confirm).status_code == 409
    assert "cora@example.org" in cora.text("/account")


# ---- the password ----


def test_asking_for_a_new_password_reads_the_same_for_every_address(stranger: Visitor, world: World) -> None:
    def said(email: str) -> str:
        answer = stranger.post("/reset", {"email": email})
        return f"{answer.status_code} {words(answer.text).replace(email, '…')}"

    assert said("cora@example.org") == said("nobody@example.org")
    assert len(letters(world, "cora@example.org")) == 1
    assert letters(world, "nobody@example.org") == []


def test_a_new_password_ends_every_session_and_its_link_counts_once(visitor: Come, world: World) -> None:
    cora, helper = visitor("cora"), visitor(None)
    helper.post("/reset", {"email": "cora@example.org"})
    reset = link(world, "cora@example.org", "reset")
    assert helper.post(reset, {"password": "short"}).status_code == 422
    assert helper.post(reset, {"password": "another long one"}).status_code == 303
    assert helper.get("/whoami").status_code == 200
    assert cora.get("/whoami").status_code == 403
    assert visitor(None).post(reset, {"password": "a third long one"}).status_code == 409
    assert visitor(None).post("/sign-in", {"email": "cora@example.org", "password": PASSWORD}).status_code == 422


def test_a_link_for_a_new_password_ends_after_an_hour(stranger: Visitor, world: World) -> None:
    stranger.post("/reset", {"email": "cora@example.org"})
    reset = link(world, "cora@example.org", "reset")
    world.later(minutes=59)
    assert stranger.get(reset).status_code == 200
    world.later(minutes=1)
    assert stranger.get(reset).status_code == 409


def test_changing_the_password_needs_the_old_one_and_ends_other_sessions(visitor: Come) -> None:
    here, there = visitor("cora"), visitor("cora")
    new = {"old_password": "not this one", "password": "another long one"}
    wrong = here.post("/account/password", new)
    assert wrong.status_code == 422
    assert 'href="#f-old_password"' in wrong.text
    with here.client.session_transaction() as cookie:
        before = cookie["_user_id"]
    assert here.post("/account/password", {**new, "old_password": PASSWORD}).status_code == 303
    with here.client.session_transaction() as cookie:
        assert cookie["_user_id"] != before
    assert here.get("/whoami").status_code == 200
    assert there.get("/whoami").status_code == 403


def test_what_matters_asks_for_the_password_again_after_ten_minutes(visitor: Come, world: World) -> None:
    cora = visitor("cora")
    assert cora.get("/account/address").status_code == 200
    world.later(minutes=11)
    assert cora.get("/account/address").headers["Location"] == "/account/again?next=/account/address"
    assert cora.post("/account/payout").headers["Location"].startswith("/account/again")
    assert cora.get("/account/second-factor/app").headers["Location"].startswith("/account/again")
    assert cora.post("/account/again", {"password": "wrong"}).status_code == 422
    assert cora.post("/account/again", {"password": PASSWORD, "next": "/account/address"}).status_code == 303
    assert cora.get("/account/address").status_code == 200


def test_wrong_passwords_are_counted_by_account_whatever_address_they_come_from(visitor: Come, world: World) -> None:
    form = {"email": "cora@example.org", "password": "not the password"}
    for _ in range(10):
        limiter.reset()
        assert visitor(None).post("/sign-in", form).status_code == 422
    limiter.reset()
    answer = visitor(None).post("/sign-in", {**form, "password": PASSWORD})
    assert answer.status_code == 429
    assert "Wait 15 minutes, then try again." in words(answer.text)
    world.later(minutes=15)
    limiter.reset()
    assert visitor(None).post("/sign-in", {**form, "password": PASSWORD}).status_code == 303


# ---- sessions ----


def test_a_copy_of_the_cookie_is_worth_nothing_after_the_sign_out(cora: Visitor) -> None:
    copy = cora.client.get_cookie("session")
    assert copy is not None
    cora.post("/sign-out")
    cora.client.set_cookie("session", copy.value)
    assert cora.get("/whoami").status_code == 403


def test_one_of_several_sessions_is_ended_from_the_list(visitor: Come) -> None:
    here, there = visitor("cora"), visitor("cora")
    page = here.get("/account/security").text
    ends = re.findall(r'action="(/account/sessions/[^"]+/end)"', page)
    assert len(ends) == 2
    mine = page.split("this one")[1].split("</li>")[0]
    other = next(each for each in ends if each not in mine)
    assert here.post(other).status_code == 303
    assert there.get("/whoami").status_code == 403
    assert here.get("/whoami").status_code == 200


def test_opening_an_account_twice_signs_in_and_says_so(visitor: Come) -> None:
    first, second = nina(visitor), visitor(None)
    assert second.post("/sign-up", NINA).status_code == 303
    assert "You have an account with this address already; you are signed in to it." in second.text("/account")
    assert first.get("/whoami").text == second.get("/whoami").text
    stranger = visitor(None)
    answer = stranger.post("/sign-up", {**NINA, "password": "somebody elses guess"})
    assert answer.status_code == 409
    assert stranger.get("/whoami").status_code == 403


# ---- forms that come too late ----


def test_a_form_after_the_session_ended_is_kept_for_the_same_person_only(visitor: Come, world: World) -> None:
    cora, elsewhere = visitor("cora"), visitor("cora")
    elsewhere.post("/account/sign-out-everywhere")
    late = cora.post("/account/name", {"name": "Cora Lind", "password": "never kept"})
    assert late.status_code == 403
    form = {"email": "ben@example.org", "password": PASSWORD, "kept": kept(late.text)}
    other = visitor(None)
    assert other.post("/sign-in", form).headers["Location"] == "/devices"
    onward = cora.post("/sign-in", {**form, "email": "cora@example.org"}).headers["Location"]
    assert onward.startswith("/send-again/")
    page = cora.get(onward).text
    assert 'action="/account/name"' in page
    assert 'name="name" value="Cora Lind"' in page
    assert "never kept" not in page
    assert "Nothing was sent" in words(page)
    assert other.get(onward).status_code == 404


def test_a_wrong_password_on_the_way_loses_nothing(cora: Visitor) -> None:
    cora.post("/sign-out")
    late = cora.post("/account/name", {"name": "Cora Lind"})
    again = cora.post("/sign-in", {"email": "cora@example.org", "password": "wrong", "kept": kept(late.text)})
    onward = cora.post(
        "/sign-in", {"email": "cora@example.org", "password": PASSWORD, "kept": kept(again.text)}
    ).headers["Location"]
    assert "Cora Lind" in cora.get(onward).text


@pytest.mark.parametrize(
    "spoiled", ["", "x", "WyIvYWNjb3VudC9uYW1lIixbXSxudWxsXQ.aaaa.bbbb", "x" * 100_000], ids=lambda text: text[:9]
)
def test_a_kept_form_that_we_did_not_seal_is_dropped(stranger: Visitor, spoiled: str) -> None:
    form = {"email": "cora@example.org", "password": PASSWORD, "kept": spoiled}
    assert stranger.post("/sign-in", form).headers["Location"] == "/devices"


def test_what_is_too_long_to_keep_is_not_kept_and_the_words_do_not_promise_it(stranger: Visitor) -> None:
    answer = stranger.post("/account/name", {"name": "x" * 17_000})
    assert answer.status_code == 403
    assert 'name="kept"' not in answer.text
    assert "is kept" not in words(answer.text)


def test_a_form_of_an_older_session_is_shown_again_if_it_came_from_us(cora: Visitor) -> None:
    form = {"csrf_token": "of-another-session", "name": "Cora Lind"}
    for headers, shown in (
        ({"Origin": "http://localhost"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://evil.example"}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
        ({}, False),
    ):
        answer = cora.client.post("/account/name", data=form, headers=headers)
        assert answer.status_code == 409
        assert ('name="name" value="Cora Lind"' in answer.text) is shown, headers
    assert "Cora Lindqvist" in cora.text("/account")


def test_a_form_whose_cookie_is_gone_leads_over_the_sign_in(cora: Visitor) -> None:
    cora.client.delete_cookie("session")
    form = {"csrf_token": "of-another-session", "name": "Cora Lind"}
    late = cora.client.post("/account/name", data=form, headers={"Origin": "http://localhost"})
    assert late.status_code == 403
    sign_in = {"email": "cora@example.org", "password": PASSWORD, "kept": kept(late.text)}
    onward = cora.post("/sign-in", sign_in).headers["Location"]
    assert 'name="name" value="Cora Lind"' in cora.get(onward).text


def test_an_old_sign_in_page_keeps_the_address_and_asks_once_more(stranger: Visitor) -> None:
    form = {"csrf_token": "of-another-session", "email": "cora@example.org", "password": PASSWORD}
    answer = stranger.client.post("/sign-in", data=form)
    assert answer.status_code == 409
    assert 'value="cora@example.org"' in answer.text
    assert PASSWORD not in answer.text.partition("Practice accounts")[0]


# ---- what we hold, and leaving ----


def test_somebody_reads_what_we_hold_and_nothing_of_others_or_of_secrets(visitor: Come, world: World) -> None:
    world.cleared()
    answer = visitor("cora").get("/account/what-we-hold.json")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    told = json.loads(answer.text)
    assert told["account"][0]["email"] == "cora@example.org"
    assert [device["state"] for device in told["devices_sold"]]
    assert [len(told[name]) for name in ("quotes", "offers", "payments")] == [1, 1, 1]
    for secret in ("argon2", "token", "ben@example.org", "olga@"):
        assert secret not in answer.text


def test_an_account_closes_when_nothing_is_open_and_keeps_its_history(visitor: Come, world: World) -> None:
    cora = visitor("cora")
    device_id = world.inspected()
    refused = cora.post("/account/close", {"password": PASSWORD})
    assert refused.status_code == 409
    assert "a device of yours is still under way" in words(refused.text)
    ben = visitor("ben")
    assert ben.post("/account/close", {"password": "wrong"}).status_code == 422
    assert ben.post("/account/close", {"password": PASSWORD}).status_code == 303
    assert ben.get("/whoami").status_code == 403
    assert visitor(None).post("/sign-in", {"email": "ben@example.org", "password": PASSWORD}).status_code == 422
    with world.transaction() as session:
        names = session.execute(
            sa.text("select name, email, closed_at from people where email like 'closed-%@closed.invalid'")
        ).all()
    assert [row.name for row in names] == ["closed account"]
    assert world.device(device_id).seller_id == world.cora.id
    again = visitor(None)
    assert again.post("/sign-up", {**NINA, "email": "ben@example.org"}).status_code == 303


def test_the_last_owner_of_a_firm_stays_until_there_is_another(visitor: Come) -> None:
    answer = visitor("rita").post("/account/close", {"password": PASSWORD})
    assert answer.status_code == 409
    assert "last owner" in words(answer.text)


def test_a_very_long_name_that_runs_from_right_to_left_stays_in_its_place(visitor: Come) -> None:
    name = "\u05e9\u05dc\u05d5\u05dd" * 30
    new = visitor(None)
    assert new.post("/sign-up", {**NINA, "name": name}).status_code == 303
    assert f'<bdi class="wrap-anywhere">{name}</bdi>' in new.get("/account").text
    assert visitor(None).post("/sign-up", {**NINA, "name": name + "x"}).status_code == 422
    assert visitor(None).post("/sign-up", {**NINA, "name": "a\u202eb"}).status_code == 422


def email(who: str) -> str:
    return next(sample.email for sample in SAMPLES if sample.email.split("@")[0] == who)


def typed_by(html: str) -> str:
    found = re.search(r'name="typed_by" value="([^"]+)"', html)
    assert found
    return found[1]


def test_what_one_operator_typed_is_not_sent_by_the_next_one(visitor: Come, world: World) -> None:
    device_id = world.received()
    code = world.device(device_id).code
    olga = visitor("olga")
    form = {"observed_serial": "PF1ABCDE", "mass_g": "1580", "body_wear": "faint"}
    form |= {"typed_by": typed_by(olga.get(f"/bench/devices/{code}").text)}
    olga.post("/sign-out")
    late = olga.post(f"/bench/devices/{code}/inspect", form)
    assert late.status_code == 403
    otto = visitor(None)
    sent = {"email": email("otto"), "password": PASSWORD, "kept": kept(late.text)}
    onward = otto.post("/sign-in", sent).headers["Location"]
    assert onward == "/bench"
    assert "Olga Brandt typed this. Only they can send it" in words(otto.get(onward).text)
    assert world.device(device_id).state is State.RECEIVED
    again = olga.post("/sign-in", {**sent, "email": email("olga")}).headers["Location"]
    page = words(olga.get(again).text)
    assert "Serial number or IMEI PF1ABCDE" in page
    assert "Weight, in grams 1580" in page
    assert "observed_serial" not in page
