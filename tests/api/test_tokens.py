"""Tokens: made once, kept as a hash, within the role's scopes, and over in time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from ewaste.accounts import policy, sessions, tokens
from ewaste.accounts.models import Role
from ewaste.accounts.tokens import SCOPES_OF, Token
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from tests.api.conftest import Program, token_for
from tests.world import World


def make(world: World, who: str, **changes: Any) -> tuple[Token, str]:
    wanted: dict[str, Any] = {"name": "stock system", "scopes": ["read"], "days": 90, **changes}
    with world.transaction() as session:
        return tokens.make(session, world.actor(who), now=world.now, **wanted)


def why_refused(world: World, text: str) -> str:
    """Why a token is not taken, and that it is for no other reason."""
    with pytest.raises(NotAllowed) as refused, world.transaction() as session:
        tokens.bearer(session, text, now=world.now)
    return refused.value.message


def works(world: World, text: str) -> tokens.Bearer:
    with world.transaction() as session:
        return tokens.bearer(session, text, now=world.now)


def test_a_token_is_kept_as_a_hash_and_its_person_gets_a_message(world: World) -> None:
    token, text = make(world, "rita", scopes=["read", "bid"])
    assert re.fullmatch(r"ch_[a-z2-7]{32}", text)
    assert token.digest == hashlib.sha256(text.encode()).digest()
    rows = world.raw("select row_to_json(t)::text from api_tokens t")
    mails = world.raw("select string_agg(to_address || subject || text, ' ') from mails where key like 'token %'")
    assert text not in rows
    assert text not in mails
    assert "rita@werk.example" in mails
    assert "stock system" in mails
    bearer = works(world, text)
    assert bearer.actor == world.actor("rita")
    assert bearer.scopes == {"read", "bid"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"name": "x" * 61}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["buy"]}, "scopes"),
        ({"scopes": ["read", "bench"]}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"days": 0}, "days"),
        ({"days": 366}, "days"),
    ],
)
def test_a_token_that_says_too_much_or_nothing_is_refused(world: World, changes: dict[str, Any], field: str) -> None:
    with world.nothing_changes(), pytest.raises(Invalid) as refused:
        make(world, "rita", **changes)
    assert refused.value.field == field


@pytest.mark.parametrize("who", ["stefan", "ada"])
def test_the_desk_and_auditors_have_no_tokens(world: World, who: str) -> None:
    with world.nothing_changes(), pytest.raises(NotAllowed):
        make(world, who)


def test_every_scope_of_a_role_is_something_that_the_policy_gives_to_it() -> None:
    for role, scopes in SCOPES_OF.items():
        assert role in policy.TABLE[policy.Action.LET_ACT]
        for scope, action in scopes.items():
            assert role in policy.TABLE[action], (role, scope)
    assert set(SCOPES_OF) == set(policy.TABLE[policy.Action.LET_ACT])
    assert not {Role.STAFF, Role.AUDITOR, Role.WORKER, Role.STATION, Role.ANONYMOUS} & set(SCOPES_OF)


def test_a_token_ends_by_its_date(world: World) -> None:
    _, text = make(world, "rita", days=1)
    world.later(hours=23)
    works(world, text)
    world.later(hours=1)
    assert why_refused(world, text) == (
        "This token was good until 21 November 2026. Make a new one on the account page."
    )


def test_a_revoked_token_ends_at_once_and_only_its_own_person_revokes_it(world: World) -> None:
    token, text = make(world, "rita")
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        tokens.revoke(session, world.actor("ravi"), token.id, now=world.now)
    works(world, text)
    with world.transaction() as session:
        tokens.revoke(session, world.actor("rita"), token.id, now=world.now)
    assert why_refused(world, text).startswith("This token was revoked on 20 November 2026.")
    with world.nothing_changes(), world.transaction() as session:
        tokens.revoke(session, world.actor("rita"), token.id, now=world.later(days=1))


def test_a_token_ends_when_its_person_signs_out_everywhere(world: World) -> None:
    _, text = make(world, "rita")
    with world.transaction() as session:
        sessions.end_all(session, world.actor("rita").id, now=world.now)
    assert why_refused(world, text).startswith("This token ended when its person signed out everywhere.")
    works(world, make(world, "rita")[1])


@pytest.mark.parametrize(
    "sql",
    [
        "update memberships set ended_at = :now where person_id = :who",
        "update memberships set role = 'operator' where person_id = :who",
        "update organisations set state = 'declined' from memberships where organisation_id = id and person_id = :who",
    ],
)
def test_a_token_ends_with_its_persons_place_in_the_firm(world: World, owner_url: str, sql: str) -> None:
    _, text = make(world, "rita")
    owner = sa.create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(
            sa.text(sql), {"who": world.actor("rita").id} | ({"now": world.now} if ":now" in sql else {})
        )
    owner.dispose()
    assert why_refused(world, text).startswith("This token ended with its person’s place in the organisation.")


def test_a_token_of_a_closed_account_ends(world: World, owner_url: str) -> None:
    _, text = make(world, "cora")
    owner = sa.create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(
            sa.text("update people set closed_at = :now where id = :who"),
            {"now": world.now, "who": world.actor("cora").id},
        )
    owner.dispose()
    assert why_refused(world, text).startswith("This token ended with its person’s account.")


def test_all_tokens_of_a_person_can_be_ended_together(world: World) -> None:
    texts = [make(world, "rita")[1] for _ in range(2)]
    other = make(world, "ravi")[1]
    with world.transaction() as session:
        tokens.end_all(session, world.actor("rita").id, now=world.now)
    assert [why_refused(world, text)[:22] for text in texts] == ["This token was revoked"] * 2
    works(world, other)


@pytest.mark.parametrize(
    "text", ["", "ch_", "nonsense", "ch_" + "a" * 32, "ch_" + "a" * 33, "CH_" + "a" * 32, "ch_é" + "a" * 31]
)
def test_what_is_no_token_is_refused(world: World, text: str) -> None:
    with world.nothing_changes():
        assert why_refused(world, text).startswith("This token is not known.")


def test_the_day_of_the_last_use_is_noted_once_a_day(world: World) -> None:
    _, text = make(world, "rita")
    assert world.raw("select last_used_on from api_tokens") is None
    works(world, text)
    assert str(world.raw("select last_used_on from api_tokens")) == "2026-11-20"
    with world.nothing_changes():
        world.later(hours=1)
        works(world, text)
    world.later(days=1)
    works(world, text)
    assert str(world.raw("select last_used_on from api_tokens")) == "2026-11-21"


def test_nobody_has_more_than_twenty_tokens_that_work(world: World) -> None:
    made = [make(world, "rita", days=2)[0] for _ in range(tokens.MOST_LIVE)]
    with world.nothing_changes(), pytest.raises(Conflict, match="Revoke one that no program needs"):
        make(world, "rita")
    with world.transaction() as session:
        tokens.revoke(session, world.actor("rita"), made[0].id, now=world.now)
    make(world, "rita")


def test_the_database_keeps_who_may_do_what_with_a_token(world: World) -> None:
    make(world, "rita")
    for sql in (
        "update api_tokens set expires_at = expires_at + interval '1 day'",
        "update api_tokens set scopes = array['bench']",
        "update api_tokens set digest = digest",
        "delete from api_tokens",
    ):
        assert world.refused_by_database(sql).startswith("42501"), sql
    with pytest.raises(sa.exc.IntegrityError, match="ck_api_tokens_expiry"):
        world.raw(
            "insert into api_tokens (id, person_id, role, name, scopes, digest, hint, epoch, made_at, expires_at)"
            " select :id, person_id, role, name, scopes, sha256('x'), hint, epoch, made_at,"
            " made_at + interval '2 years' from api_tokens",
            id=uuid4(),
        )


# ---- the page ----


def test_a_token_is_shown_once_on_its_page(browser: Any, program: Callable[..., Program]) -> None:
    rita = browser.sign_in("rita")
    made = rita.post("/account/tokens", data={"name": "stock system", "scopes": ["read", "bid"], "days": "30"})
    found = set(re.findall(tokens.PATTERN, made.text))
    assert (made.status_code, len(found), made.headers["Cache-Control"]) == (201, 1, "no-store")
    text = found.pop()
    again = rita.get("/account/tokens").text
    assert text not in again
    assert text[:8] in again
    assert "stock system" in again
    nobody = program(None)
    nobody.token = text
    assert nobody.get("/my-lots").status_code == 200
    address = re.search(r"/account/tokens/[0-9a-f-]{36}/revoke", again)
    assert address
    assert rita.post(address[0]).status_code == 303
    assert nobody.get("/my-lots").status_code == 401
    assert "was revoked on" in rita.get("/account/tokens").text


def test_a_refused_token_keeps_what_was_typed(browser: Any) -> None:
    answer = browser.sign_in("rita").post("/account/tokens", data={"name": "stock system", "days": "30"})
    assert answer.status_code == 422
    assert "Tick at least one thing" in answer.text
    assert 'value="stock system"' in answer.text


def test_somebody_elses_token_is_not_revoked_on_the_page(browser: Any, world: World) -> None:
    token, text = make(world, "ravi")
    assert browser.sign_in("rita").post(f"/account/tokens/{token.id}/revoke").status_code == 404
    works(world, text)


def test_a_token_opens_no_page_and_makes_no_token(program: Callable[..., Program], world: World) -> None:
    rita = program("rita")
    for method, path in (
        ("GET", "/account"),
        ("GET", "/account/tokens"),
        ("POST", "/account/tokens"),
        ("GET", "/my-lots"),
    ):
        answer = rita.site.test_client().open(path, method=method, headers={"Authorization": f"Bearer {rita.token}"})
        assert answer.status_code in (303, 400, 403, 409), path
        assert "ch_" not in answer.text
    assert world.raw("select count(*) from api_tokens") == 1


def test_the_desks_page_says_that_there_is_nothing_for_it(browser: Any) -> None:
    page = browser.sign_in("stefan").get("/account/tokens").text
    assert "Not for your role" in page
    assert "Make the token" not in page


def test_a_token_for_somebody_new_needs_a_confirmed_address(world: World, owner_url: str) -> None:
    text = token_for(world, "cora", "buy")
    owner = sa.create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(
            sa.text("update people set email_confirmed_at = null where id = :who"), {"who": world.actor("cora").id}
        )
    owner.dispose()
    assert works(world, text).actor.confirmed is False
