"""The second factor at the site: asked for after the password, and of centre and staff before anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyotp
import pytest

from ewaste.accounts.samples import PASSWORD
from ewaste.journey import entering
from ewaste.web.limits import limiter
from tests.web.device_key import DeviceKey
from tests.web.letters import letters
from tests.web.visitors import Visitor, words
from tests.world import World

Come = Callable[[str | None], Visitor]
SVEN = {"email": "sven@example.org", "password": "long enough 1"}


def token(visitor: Visitor) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', visitor.get("/sign-up").text)
    assert found
    return found[1]


def ask(visitor: Visitor, address: str, body: dict[str, Any] | None = None) -> Any:
    """A call of the page's script."""
    return visitor.client.post(address, json=body or {}, headers={"X-CSRFToken": token(visitor)})


def secret_of(visitor: Visitor) -> str:
    found = re.search(r'class="code[^"]*">([A-Z2-7 ]{39})<', visitor.get("/account/second-factor/app").text)
    assert found
    return found[1].replace(" ", "")


def set_up(visitor: Visitor, world: World) -> tuple[pyotp.TOTP, list[str]]:
    """Set up an app; returns it with the recovery codes."""
    app = pyotp.TOTP(secret_of(visitor))
    answer = visitor.post("/account/second-factor/app", {"code": app.at(world.now)})
    assert answer.status_code == 200, words(answer.text)
    return app, re.findall(r'<li class="exact">([0-9A-Z-]{19})</li>', answer.text)


def add_passkey(visitor: Visitor, key: DeviceKey) -> Any:
    options = ask(visitor, "/account/passkeys/options").json
    return ask(visitor, "/account/passkeys", {"credential": key.make(options), "name": "my phone"})


@pytest.fixture
def sven(visitor: Come, world: World) -> Visitor:
    """A member of staff who is not a sample, right after the password."""
    with world.transaction() as session:
        path = entering.invite_staff(session, email=SVEN["email"], name="Sven", now=world.now)
    new = visitor(None)
    assert new.post(path, {"name": "Sven", "password": SVEN["password"]}).status_code == 303
    return new


def test_staff_reach_nothing_before_they_have_a_second_factor(sven: Visitor, world: World) -> None:
    for address in ("/staff", "/account", "/account/security", "/devices", "/account/firms", "/bench"):
        answer = sven.get(address)
        assert answer.headers["Location"] == f"/account/second-factor?next={address}"
    assert sven.get("/whoami").status_code == 403
    assert sven.post("/account/password", {"old_password": SVEN["password"], "password": "x" * 12}).status_code != 200
    assert sven.get("/shop").status_code == 200
    _, codes = set_up(sven, world)
    assert len(codes) == 10
    assert sven.get("/staff").status_code == 200
    assert "How you sign in was changed" in [subject for subject, _ in letters(world, SVEN["email"])]


def test_sample_staff_need_none_in_training_and_the_sign_in_page_says_so(visitor: Come) -> None:
    assert visitor("stefan").get("/staff").status_code == 200
    assert "they need no second factor" in visitor(None).text("/sign-in")


def test_after_the_password_comes_the_code_and_then_the_page_one_wanted(visitor: Come, world: World) -> None:
    app, _ = set_up(visitor("cora"), world)
    again = visitor(None)
    form = {"email": "cora@example.org", "password": PASSWORD, "next": "/devices?page=2"}
    step = again.post("/sign-in", form).headers["Location"]
    assert step == "/sign-in/second?next=/devices?page%3D2"
    assert again.get("/devices").headers["Location"] == "/sign-in/second?next=/devices"
    assert again.get("/account/second-factor/app").headers["Location"].startswith("/sign-in/second")
    assert again.get("/whoami").status_code == 403
    assert again.post("/sign-in/second", {"code": app.at(world.now)}).status_code == 422  # It set the app up.
    world.later(seconds=30)
    with again.client.session_transaction() as cookie:
        before = cookie["_user_id"]
    answer = again.post("/sign-in/second", {"code": app.at(world.now), "next": "/devices?page=2"})
    assert answer.headers["Location"] == "/devices?page=2"
    with again.client.session_transaction() as cookie:
        assert cookie["_user_id"] != before
    assert again.get("/whoami").status_code == 200


def test_other_sessions_by_the_password_alone_show_it_too(visitor: Come, world: World) -> None:
    here, there = visitor("cora"), visitor("cora")
    set_up(here, world)
    assert here.get("/whoami").status_code == 200
    assert there.get("/whoami").status_code == 403
    assert there.get("/devices").headers["Location"].startswith("/sign-in/second")


def test_a_recovery_code_lets_in_once(visitor: Come, world: World) -> None:
    _, codes = set_up(visitor("cora"), world)
    for expected in (303, 422):
        again = visitor(None)
        again.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD})
        assert again.post("/sign-in/second", {"code": codes[3].lower()}).status_code == expected


def test_ten_wrong_codes_make_the_account_wait_at_every_browser(visitor: Come, world: World) -> None:
    app, _ = set_up(visitor("cora"), world)
    world.later(minutes=1)
    again = visitor(None)
    for number in range(10):
        limiter.reset()
        again = visitor(None)
        again.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD})
        assert again.post("/sign-in/second", {"code": f"{number:06}"}).status_code == 422
    limiter.reset()
    answer = again.post("/sign-in/second", {"code": app.at(world.now)})
    assert answer.status_code == 429
    assert "Too many wrong codes" in words(answer.text)


def test_a_form_that_came_too_late_waits_for_the_second_factor_too(visitor: Come, world: World) -> None:
    cora = visitor("cora")
    app, _ = set_up(cora, world)
    cora.post("/sign-out")
    late = cora.post("/account/name", {"name": "Cora Lind"})
    seal = re.search(r'name="kept" value="([^"]+)"', late.text)
    assert seal
    step = cora.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD, "kept": seal[1]})
    onward = re.search(r"next=(/send-again/[0-9a-f-]+)", step.headers["Location"])
    assert onward
    assert cora.get(onward[1]).status_code == 303
    world.later(seconds=30)
    answer = cora.post("/sign-in/second", {"code": app.at(world.now), "next": onward[1]})
    assert answer.headers["Location"] == onward[1]
    assert 'name="name" value="Cora Lind"' in cora.get(onward[1]).text


def test_the_last_second_factor_of_staff_stays(sven: Visitor, world: World) -> None:
    set_up(sven, world)
    answer = sven.post("/account/second-factor/app/remove")
    assert answer.status_code == 409
    assert "needs a second factor" in words(answer.text)
    assert add_passkey(sven, DeviceKey()).status_code == 200
    assert sven.post("/account/second-factor/app/remove").status_code == 303
    assert sven.get("/staff").status_code == 200


# ---- passkeys ----


def test_a_passkey_is_a_second_factor_and_by_itself_a_sign_in(visitor: Come, world: World) -> None:
    key, cora = DeviceKey(), visitor("cora")
    assert add_passkey(cora, key).json == {"go": "/account/second-factor"}
    assert "my phone" in cora.text("/account/second-factor")
    second = visitor(None)
    second.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD})
    options = ask(second, "/sign-in/passkey/options", {"next": "/devices?page=2"}).json
    assert [each["id"] for each in options["allowCredentials"]]
    assert ask(second, "/sign-in/passkey", {"credential": key.show(options)}).json == {"go": "/devices?page=2"}
    alone = visitor(None)
    options = ask(alone, "/sign-in/passkey/options").json
    assert (options["allowCredentials"], options["userVerification"]) == ([], "required")
    assert ask(alone, "/sign-in/passkey", {"credential": key.show(options)}).json == {"go": "/devices"}
    assert second.get("/whoami").text == alone.get("/whoami").text == cora.get("/whoami").text


def test_a_passkey_alone_needs_a_device_that_checks_its_user(visitor: Come) -> None:
    key = DeviceKey(verified=False)
    assert add_passkey(visitor("cora"), key).status_code == 200
    alone = visitor(None)
    options = ask(alone, "/sign-in/passkey/options").json
    assert ask(alone, "/sign-in/passkey", {"credential": key.show(options)}).status_code == 422
    assert alone.get("/whoami").status_code == 403


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param({"origin": "https://evil.example"}, id="another site"),
        pytest.param({"rp_id": "evil.example"}, id="another party"),
        pytest.param({"challenge": "AAAAAAAAAAAAAAAAAAAAAA"}, id="another challenge"),
    ],
)
def test_a_passkey_shown_to_somebody_else_is_refused(visitor: Come, spoiled: dict[str, str]) -> None:
    key = DeviceKey()
    add_passkey(visitor("cora"), key)
    alone = visitor(None)
    options = ask(alone, "/sign-in/passkey/options").json
    assert ask(alone, "/sign-in/passkey", {"credential": key.show(options, **spoiled)}).status_code == 422
    assert alone.get("/whoami").status_code == 403


def test_an_answer_counts_once_and_a_counter_never_goes_back(visitor: Come, world: World) -> None:
    key = DeviceKey()
    add_passkey(visitor("cora"), key)
    alone = visitor(None)
    options = ask(alone, "/sign-in/passkey/options").json
    cookie = alone.client.get_cookie("session")
    assert cookie is not None
    credential = key.show(options)
    assert ask(alone, "/sign-in/passkey", {"credential": credential}).status_code == 200
    thief = visitor(None)
    thief.client.set_cookie("session", cookie.value)
    key.count += 5  # Even with a counter that fits, the challenge was answered.
    assert ask(thief, "/sign-in/passkey", {"credential": key.show(options)}).status_code in (409, 422)
    key.count = 0  # A copy of the key that does not know how often the other was used.
    options = ask(thief, "/sign-in/passkey/options").json
    assert ask(thief, "/sign-in/passkey", {"credential": key.show(options)}).status_code == 422
    assert thief.get("/whoami").status_code == 403


def test_a_passkey_of_somebody_else_is_no_second_factor(visitor: Come) -> None:
    of_cora, of_ben = DeviceKey(), DeviceKey()
    add_passkey(visitor("cora"), of_cora)
    add_passkey(visitor("ben"), of_ben)
    again = visitor(None)
    again.post("/sign-in", {"email": "cora@example.org", "password": PASSWORD})
    options = ask(again, "/sign-in/passkey/options").json
    assert ask(again, "/sign-in/passkey", {"credential": of_ben.show(options)}).status_code == 422


def test_an_answer_that_took_too_long_is_refused(visitor: Come, world: World) -> None:
    key = DeviceKey()
    add_passkey(visitor("cora"), key)
    alone = visitor(None)
    options = ask(alone, "/sign-in/passkey/options").json
    world.now += timedelta(minutes=6)
    assert ask(alone, "/sign-in/passkey", {"credential": key.show(options)}).status_code == 409


@pytest.mark.parametrize(
    "body",
    [{}, {"credential": "x"}, {"credential": {}}, {"credential": {"id": 1}},
     {"credential": {"id": "\u00fc", "x": "y" * 30_000}},
     {"credential": {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "e30",
      "authenticatorData": "AA", "signature": "AA"}}}],
)  # fmt: skip
def test_nonsense_instead_of_a_passkey_is_answered_in_words(visitor: Come, body: dict[str, Any]) -> None:
    alone = visitor(None)
    ask(alone, "/sign-in/passkey/options")
    answer = ask(alone, "/sign-in/passkey", body)
    assert answer.status_code == 422
    assert answer.json["message"]
