"""Each operation, with each scope, on one's own things and on others', by a table of what scopes are for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ewaste.accounts import tokens
from ewaste.accounts.tokens import Scope
from ewaste.web.api.document import OPERATIONS
from tests.api.conftest import Program
from tests.web.stage import Stage

# Operation → who does it, with which of the scopes. Whoever has none of them reads 403; without a token, 401.
NEEDS = {
    "bid": {"rita": "bid"},
    "buy": {"cora": "buy"},
    "orders": {"cora": "buy read", "rita": "read report"},
    "order": {"cora": "buy read", "rita": "read report"},
    "report_outcome": {"rita": "report"},
    "my_devices": {"cora": "read"},
    "my_device": {"cora": "read"},
    "my_lots": {"rita": "read bid"},
    "my_lot": {"rita": "read report"},
    "bench_queue": {"olga": "bench"},
    "bench_device": {"olga": "bench"},
}
# Who reads a thing of theirs only; `PUBLIC` things are there for everybody, whatever token comes.
OWN_ONLY = {"order", "report_outcome", "my_device", "my_lot", "bench_device"}
PEOPLE = ("cora", "rita", "olga")
BODIES: dict[str, Any] = {
    "bid": {"maximum": {"amount": 4_000, "currency": "EUR"}},
    "buy": {"price": {"amount": 12_000, "currency": "EUR"}},
    "report_outcome": {"outcome": "dismantled", "fractions": {"residue": 100}},
}


def path_of(name: str, who: str, things: dict[str, Any]) -> str:
    """The address of an operation, about what belongs to this person on this side of the market."""
    order = things["shop_order"] if who == "cora" else things["order_due"]
    return {
        "bid": f"/lots/{things['lot']}/bids",
        "buy": f"/shop/{things['listing']}/orders",
        "orders": "/orders",
        "order": f"/orders/{order}",
        "report_outcome": f"/orders/{things['order_won']}/devices/{things['won']}/outcome",
        "my_devices": "/devices",
        "my_device": f"/devices/{things['inspected']}",
        "my_lots": "/my-lots",
        "my_lot": f"/my-lots/{things['won_lot']}",
        "bench_queue": "/bench/queue",
        "bench_device": f"/bench/devices/{things['received']}",
    }[name]


def send(stage: Stage, name: str, who: str, whose: str, token: str | None) -> Any:
    one = next(one for one in OPERATIONS if one.name == name)
    program = Program(stage.site, token)
    path = path_of(name, who, stage.things[whose])
    return program.get(path) if one.method == "GET" else program.post(path, BODIES[name])


def token_of(stage: Stage, who: str, scope: Scope) -> str:
    actor = stage.world.actor(who)
    with stage.rehearse.transaction() as session:
        return tokens.make(session, actor, name="a test", scopes=[scope.value], days=9, now=stage.world.now)[1]


def cells() -> Iterator[tuple[str, str, Scope]]:
    for name in NEEDS:
        for who in PEOPLE:
            role = {"cora": "consumer", "rita": "recycler", "olga": "operator"}[who]
            for scope in tokens.scopes_for(tokens.Role(role)):
                yield name, who, scope


@pytest.fixture(autouse=True)
def no_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    from ewaste.web.limits import limiter

    monkeypatch.setattr(limiter, "enabled", False)


def test_every_operation_that_needs_a_token_has_its_row() -> None:
    assert {one.name for one in OPERATIONS if one.scopes} == set(NEEDS)
    for one in OPERATIONS:
        if one.scopes:
            told = {scope for scopes in NEEDS[one.name].values() for scope in scopes.split()}
            assert {scope.value for scope in one.scopes} == told, one.name


@pytest.mark.parametrize("name", NEEDS)
def test_without_a_token_that_works_nothing_is_done(stage: Stage, name: str) -> None:
    who = next(iter(NEEDS[name]))
    for token in (None, "", "ch_" + "a" * 32, "nonsense"):
        with stage.rehearse():
            answer = send(stage, name, who, "own", token)
            assert (answer.status_code, stage.changed()) == (401, set())
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="api"')
    with stage.rehearse():  # A person's session is worth nothing here.
        one = next(one for one in OPERATIONS if one.name == name)
        path = f"/api/v1{path_of(name, who, stage.things['own'])}"
        assert stage.visit(who, one.method, path, json={}).status_code == 401


@pytest.mark.parametrize(("name", "who", "scope"), list(cells()), ids=str)
def test_a_token_does_what_its_scope_says_with_its_own_things_and_no_others(
    stage: Stage,
    name: str,
    who: str,
    scope: Scope,
) -> None:
    given = scope.value in NEEDS[name].get(who, "").split()
    admitted = any(scope.value in scopes.split() for scopes in NEEDS[name].values())
    for whose in ("own", "other") if name != "buy" else ("other",):  # Nobody buys back what they sold.
        with stage.rehearse():
            token = token_of(stage, who, scope)
            before = stage.rehearse.fingerprint()
            answer = send(stage, name, who, whose, token)
            changed = stage.changed(before) - {"api_tokens"}
            if not given:
                # The scope fits another role: whoever may read such things at all reads that there is none of theirs.
                assert answer.status_code in ((403, 404) if admitted else (403,)), (whose, answer.text)
                assert changed == {"refusals"}
            elif whose == "other" and name in OWN_ONLY:
                assert (answer.status_code, changed) == (404, {"refusals"}), answer.text
            else:
                assert answer.status_code in (200, 201), (whose, answer.text)
                assert bool(changed) is (answer.status_code == 201)


def test_a_token_without_a_fitting_scope_tells_a_public_lot_nothing_of_its_firm(stage: Stage) -> None:
    lot = stage.things["own"]["lot"]
    with stage.rehearse():
        seen = {
            scope: Program(stage.site, token_of(stage, "rita", scope)).get(f"/lots/{lot}").json["yours"] is not None
            for scope in (Scope.BID, Scope.READ, Scope.REPORT)
        }
        assert seen == {Scope.BID: True, Scope.READ: True, Scope.REPORT: False}
        assert Program(stage.site, None).get(f"/lots/{lot}").json["yours"] is None


def test_a_persons_quote_is_read_with_their_reading_token_only(stage: Stage) -> None:
    quote = stage.things["own"]["quote"]
    with stage.rehearse():
        for who, scope, status in (
            ("cora", Scope.READ, 200), ("cora", Scope.BUY, 404), ("ben", Scope.READ, 404), ("rita", Scope.READ, 404),
        ):  # fmt: skip
            answer = Program(stage.site, token_of(stage, who, scope)).get(f"/quotes/{quote}")
            assert answer.status_code == status, (who, scope)
        assert Program(stage.site, None).get(f"/quotes/{quote}").status_code == 404


def test_a_firm_related_to_the_centre_does_not_bid_by_program_either(stage: Stage) -> None:
    with stage.rehearse():
        program = Program(stage.site, token_of(stage, "ravi", Scope.BID))
        answer = program.post(f"/lots/{stage.things['other']['lot']}/bids", BODIES["bid"])
    assert (answer.status_code, "Related firms do not bid." in answer.json["detail"]) == (403, True)
