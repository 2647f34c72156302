"""What every answer carries, how a session begins and ends, and where a sign-in may lead."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from ewaste.accounts.samples import PASSWORD
from ewaste.core.config import Config
from ewaste.web import create_app
from ewaste.web.edge import local_path
from tests.web.stage import Stage
from tests.web.visitors import Visitor
from tests.world import World

PAGES = ("/", "/lots", "/quote", "/sign-in", "/verify", "/shop", "/livez", "/trust.json", "/no-such-page", "/whoami")


def directives(answer: TestResponse) -> dict[str, list[str]]:
    """The content security policy of an answer."""
    parts = (part.split() for part in answer.headers["Content-Security-Policy"].split(";"))
    return {part[0]: part[1:] for part in parts if part}


@pytest.mark.parametrize("page", PAGES)
def test_every_answer_says_what_a_browser_may_do_with_it(stage: Stage, page: str) -> None:
    for who in (None, "cora", "stefan"):
        with stage.rehearse():
            answer = stage.visit(who, "GET", page)
        policy = directives(answer)
        assert policy["default-src"] == ["'self'"]
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
        assert policy["base-uri"] == policy["frame-ancestors"] == policy["object-src"] == ["'none'"]
        assert not re.search(r"unsafe|\*|http:(?!//127\.0\.0\.1)", answer.headers["Content-Security-Policy"])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert (answer.headers.get("Cache-Control") == "no-store") is (who is not None)


def test_forms_lead_only_to_this_site_and_to_the_payment_provider(stage: Stage) -> None:
    with stage.rehearse():
        policy = directives(stage.visit(None, "GET", "/"))
    provider = stage.site.extensions["ewaste"].config.practice_url
    assert policy["form-action"] == ["'self'", provider]


def test_refusals_and_mistakes_carry_the_same_headers(stage: Stage) -> None:
    with stage.rehearse():
        refused = stage.visit("cora", "GET", "/staff")
        forged = stage.visit("cora", "POST", "/sign-out", token=False)
        wrong_method = stage.visit("cora", "GET", "/sign-out")
        program = stage.visit(None, "POST", "/api/agent/certificates", json={})
    assert [answer.status_code for answer in (refused, forged, wrong_method, program)] == [403, 409, 405, 403]
    for answer in (refused, forged, wrong_method, program):
        assert directives(answer)["default-src"] == ["'self'"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_no_page_holds_script_or_style_of_its_own(stage: Stage) -> None:
    # The policy would stop them; so a page that has any would be broken.
    own = stage.things["own"]
    pages = {
        None: ("/", "/quote", f"/quote/{own['model']}", "/lots", f"/lots/{own['lot']}", "/shop", "/sign-in", "/verify"),
        "cora": ("/devices", f"/devices/{own['inspected']}", f"/devices/{own['expected']}/prepare", "/account"),
        "olga": ("/bench", f"/bench/devices/{own['received']}", f"/bench/devices/{own['clearing']}", "/bench/stations"),
        "rita": ("/my-lots", f"/my-lots/{own['won_lot']}", f"/lots/{own['lot']}"),
        "stefan": ("/staff", f"/staff/devices/{own['for_sale']}", "/staff/lots/new", "/staff/ledger", "/staff/centres"),
    }
    found = []
    for who, addresses in pages.items():
        for address in addresses:
            with stage.rehearse():
                answer = stage.visit(who, "GET", address)
            assert answer.status_code == 200, address
            inline = re.findall(
                r"<script(?![^>]*\bsrc=)[^>]*>|<style|\sstyle=|\son[a-z]+=|javascript:", answer.text, re.IGNORECASE
            )
            found += [(address, each) for each in inline]
    assert found == []


def test_a_session_cookie_is_out_of_reach_of_scripts_and_other_sites(stranger: Visitor) -> None:
    cookie = stranger.sign_in("cora").get("/account").request.headers["Cookie"]
    assert cookie.startswith("session=")
    answer = stranger.post("/sign-out")
    parts = {part.strip().partition("=")[0] for part in answer.headers["Set-Cookie"].split(";")}
    assert {"HttpOnly", "SameSite", "Path"} <= parts
    assert "SameSite=Lax" in answer.headers["Set-Cookie"]


def test_behind_https_the_cookie_is_secure_and_bound_to_the_host(app_url: str, tmp_path: Path) -> None:
    env = {"DATABASE_URL": app_url, "EWASTE_DATA": str(tmp_path), "EWASTE_PUBLIC_URL": "https://market.test"}
    site = create_app(Config.from_env(env))
    try:
        answer = site.test_client().get("/sign-up", base_url="https://market.test")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith("__Host-session=")
        assert "; Secure" in cookie
        assert "; HttpOnly" in cookie
        assert "; Path=/" in cookie
        assert "Domain=" not in cookie
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    finally:
        site.extensions["ewaste"].database.close()


def test_a_session_begins_anew_at_sign_in(stranger: Visitor) -> None:
    stranger.get("/sign-up")
    with stranger.client.session_transaction() as cookie:
        cookie["planted"] = "by somebody else"
        before = cookie["csrf_token"]
    stranger.sign_in("cora")
    with stranger.client.session_transaction() as cookie:
        assert "planted" not in cookie
        assert cookie.get("csrf_token") != before
        assert cookie["_user_id"]


def test_signing_in_as_somebody_else_leaves_nothing_of_the_first(stranger: Visitor) -> None:
    stranger.sign_in("cora")
    assert "Cora Lindqvist" in stranger.get("/whoami").text
    stranger.sign_in("ben")
    assert "Ben Adeyemi" in stranger.get("/whoami").text
    assert "Cora" not in stranger.text("/account")


def test_signing_out_ends_the_session_of_this_browser(cora: Visitor) -> None:
    assert cora.get("/whoami").status_code == 200
    assert cora.post("/sign-out").status_code == 303
    assert cora.get("/whoami").status_code == 403
    assert cora.get("/devices").headers["Location"] == "/sign-in?next=/devices"


def test_ending_all_sessions_ends_them_everywhere(visitor: Callable[[str | None], Visitor]) -> None:
    at_home, at_work = visitor("cora"), visitor("cora")
    ben = visitor("ben")
    assert "Sign out everywhere" in at_work.text("/account/security")
    assert at_work.post("/account/sign-out-everywhere").status_code == 303
    assert "You are signed out everywhere." in at_work.text("/")
    assert [at_home.get("/whoami").status_code, at_work.get("/whoami").status_code] == [403, 403]
    assert ben.get("/whoami").status_code == 200
    at_home.sign_in("cora")
    assert at_home.get("/whoami").status_code == 200


@pytest.mark.parametrize(
    "user_id",
    [
        "",
        ".",
        "0",
        "not-a-uuid.0",
        "{cora}",
        "{cora}.",
        "{cora}.1",
        "{cora}.-1",
        "{cora}.0.0",
    ],
)
def test_a_cookie_that_names_no_live_session_is_nobodys(stranger: Visitor, world: World, user_id: str) -> None:
    with stranger.client.session_transaction() as cookie:
        cookie["_user_id"] = user_id.format(cora=world.cora.id)
    assert stranger.get("/whoami").status_code == 403


def test_a_cookie_that_we_did_not_sign_is_nobodys(stranger: Visitor) -> None:
    stranger.sign_in("cora")
    cookie = stranger.client.get_cookie("session")
    assert cookie is not None
    payload, _, seal = cookie.value.rpartition(".")
    for forged in (f"{payload}.{seal[::-1]}", f"{payload}.", cookie.value[1:], "x" * 4000):
        stranger.client.set_cookie("session", forged)
        assert stranger.get("/whoami").status_code == 403


ELSEWHERE = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\/evil.example", "http:evil.example",
    "javascript:alert(1)", "///evil.example", "/\t/evil.example", "/%09/evil.example\n", "\t//evil.example",
    "evil.example", "/devices\r\nSet-Cookie: a=b", "/" + "a" * 600, "//[", "/\u2028/evil.example",
]  # fmt: skip


@pytest.mark.parametrize("onward", ELSEWHERE)
def test_a_sign_in_never_leads_to_another_site(stranger: Visitor, onward: str) -> None:
    form = {"email": "cora@example.org", "password": PASSWORD, "next": onward}
    answer = stranger.post("/sign-in", form)
    assert answer.status_code == 303
    # A tab that is spelt out is a path of ours that does not exist; all else is dropped for one's own first page.
    assert answer.headers["Location"] == (onward.strip() if onward.startswith("/%09") else "/devices")
    # Somebody who is signed in already is led on at once, so the same holds for the link.
    again = stranger.get("/sign-in", query_string={"next": onward})
    assert (again.status_code, again.headers["Location"]) == (303, answer.headers["Location"])


def test_a_sign_in_leads_back_to_the_page_that_asked_for_it(stranger: Visitor) -> None:
    asked = stranger.get("/devices?page=2")
    assert asked.headers["Location"] == "/sign-in?next=/devices?page%3D2"
    assert 'value="/devices?page=2"' in stranger.get(asked.headers["Location"]).text
    form = {"email": "cora@example.org", "password": PASSWORD, "next": "/devices?page=2"}
    assert stranger.post("/sign-in", form).headers["Location"] == "/devices?page=2"


def test_what_is_a_path_of_ours() -> None:
    assert local_path("/devices?page=2#top") == "/devices?page=2#top"
    assert [local_path(each) for each in ("", None, "/\x00", "/ü", *ELSEWHERE)].count(None) >= 4 + len(ELSEWHERE) - 1


def test_guessing_passwords_is_slowed_down(stranger: Visitor) -> None:
    form = {"email": "cora@example.org", "password": "not the password"}
    tries = [stranger.post("/sign-in", form) for _ in range(11)]
    assert [each.status_code for each in tries] == [422] * 10 + [429]
    assert "Too many tries" in tries[-1].text
    right = stranger.post("/sign-in", {**form, "password": PASSWORD})
    assert right.status_code == 429
    assert stranger.get("/sign-in").status_code == 200


def test_a_wrong_password_and_an_unknown_address_read_the_same(stranger: Visitor) -> None:
    def said(email: str) -> str:
        text = stranger.post("/sign-in", {"email": email, "password": "not the password"}).text
        return re.sub(r'(name="csrf_token" value|data-token)="[^"]+"', "", text).replace("nora@", "cora@")

    assert said("cora@example.org") == said("nora@example.org")


def test_guessing_enrolment_codes_is_slowed_down(real_site: Flask) -> None:
    body = {"code": "AAAAA-AAAAA-AAAAA-AAAAA", "station_name": "x", "public_key_multibase": "z6Mk", "proof": "AA=="}
    client = real_site.test_client()
    tries = [client.post("/api/agent/enrol", json=body) for _ in range(11)]
    assert [each.status_code for each in tries] == [422] * 10 + [429]
    assert tries[-1].json["error"]["kind"] == "http"


def test_a_token_of_another_session_is_refused(visitor: Callable[[str | None], Visitor]) -> None:
    stolen = re.search(r'name="csrf_token" value="([^"]+)"', visitor("ben").get("/sign-up").text)
    assert stolen
    cora = visitor("cora")
    answer = cora.client.post("/sign-out", data={"csrf_token": stolen[1]})
    assert answer.status_code == 409
    assert cora.get("/whoami").status_code == 200
