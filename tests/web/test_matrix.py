"""Everybody at every address: each cell of the table in `matrix.py` is tried, and a refusal changes nothing."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
import time_machine
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver
from http_message_signatures.algorithms import ED25519
from werkzeug.test import TestResponse

from ewaste.centres.models import WorkOrder
from ewaste.core.ids import new_code
from ewaste.devices.models import Device
from ewaste.journey import bench
from tests.web.matrix import FIRST, NEVER_DONE, Column, Row, rows
from tests.web.stage import PEOPLE, TOKEN, Stage

pytestmark = pytest.mark.campaign

ROWS = rows()
REFUSED = {"sign-in", "no", "hidden", "unsigned"}
# That these exist is no secret: everybody reads the lot, the shop and the certificate.
PUBLIC = {
    "POST /shop/<code>/buy",
    "POST /lots/<code>/bids",
    "POST /my-lots/<code>/devices/<device_code>/outcome",
}


def outcome(answer: TestResponse, column: Column) -> str:
    """An answer in the word of the table."""
    status, onward = answer.status_code, answer.headers.get("Location", "")
    if status in (301, 302, 303, 307, 308):
        return "sign-in" if onward.startswith("/sign-in") else "in"
    if status in (401, 403):
        return "sign-in" if column.who is None else "no"
    if status == 404:
        return "hidden"
    if 200 <= status < 300 or status in (409, 422):
        return "in"
    return f"status {status}"


def address(rule: str, path: dict[str, str], things: dict[str, Any]) -> str:
    """The address with these things in it."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda name: str(thing_of(path[name[1]], things)), rule)


def send(
    stage: Stage, row: Row, column: Column, *, token: bool = True, path: dict[str, str] | None = None
) -> TestResponse:
    """Visit a row's address as a column's person, with its form."""
    things = stage.things[column.whose]
    at = address(row.rule, path or row.sent.path, things)
    more: dict[str, Any] = {}
    if row.sent.query:
        more["query_string"] = {name: thing_of(value, things) for name, value in row.sent.query.items()}
    if row.sent.json is not None:
        return stage.visit(column.who, row.method, at, json=fields_of(row.sent.json, things), **more)
    form = fields_of(row.sent.form, things)
    if row.sent.file:
        form["bundle"] = (io.BytesIO(thing_of(row.sent.file, things)), "bundle.zip")
    for name, file in row.sent.uploads.items():
        form[name] = (io.BytesIO(thing_of(file, things)), "photograph.jpg")
    return stage.visit(column.who, row.method, at, form=form, token=token, **more)


def fields_of(fields: dict[str, Any], things: dict[str, Any]) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for name, value in fields.items():
        value = [thing_of(each, things) for each in value] if isinstance(value, list) else thing_of(value, things)
        filled |= value if name == "*" else {name: value}
    return filled


def thing_of(value: str, things: dict[str, Any]) -> Any:
    if not value.startswith("$"):
        return value
    thing = things[value[1:]]
    return str(thing) if isinstance(thing, UUID) else thing


def nobodys(path: dict[str, str], things: dict[str, Any]) -> dict[str, str]:
    """The same path with ids that are well made and name nothing."""
    return {
        name: str(uuid4()) if isinstance(things[value[1:]], UUID) else new_code(str(things[value[1:]])[0])
        for name, value in path.items()
        if value.startswith("$")
    }


def words(answer: TestResponse, path: dict[str, str]) -> str:
    """A page without what differs each time: tokens, keys, and the code that was asked for."""
    text = TOKEN.sub("", answer.text)
    for value in path.values():
        text = text.replace(value, "…")
    return text


def test_every_address_has_its_row_and_every_row_its_address(stage: Stage) -> None:
    known = {
        f"{method} {rule.rule}"
        for rule in stage.site.url_map.iter_rules()
        if rule.endpoint != "static"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {f"{row.method} {row.rule}" for row in ROWS} == known


def test_every_word_of_the_table_is_known() -> None:
    assert {word for row in ROWS for word in row.expected.values()} <= REFUSED | {"in"}
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_everybody_gets_what_the_table_says_and_a_refusal_changes_nothing(stage: Stage, row: Row) -> None:
    wrong, done = [], False
    for column, expected in row.expected.items():
        with stage.rehearse():
            before = getattr(stage, FIRST[row.name])() if row.name in FIRST else stage.before
            stage.provider.calls.clear()
            answer = send(stage, row, column)
            got = outcome(answer, column)
            if expected == "unsigned" and answer.status_code in (400, 403, 422):
                got = "unsigned"
            done = done or (got == "in" and answer.status_code < 400)
            changed = stage.changed(before)
            if got != expected:
                wrong.append(f"{column}: {got} ({answer.status_code}), expected {expected}")
            elif expected in REFUSED and changed - {"refusals"}:
                wrong.append(f"{column}: refused, yet {changed} changed")
            elif expected in REFUSED - {"unsigned"} and stage.provider.calls:
                wrong.append(f"{column}: refused, yet the payment provider was asked: {stage.provider.calls}")
            elif row.method == "GET" and got == "in" and changed:
                wrong.append(f"{column}: only read, yet {changed} changed")
            elif got == "hidden" and row.name not in PUBLIC and tells_what_exists(stage, row, column, answer):
                wrong.append(f"{column}: what is another's is answered otherwise than what does not exist")
    assert not wrong, "\n".join(wrong)
    assert done is (row.name not in NEVER_DONE), "nobody got as far as the table means"


def tells_what_exists(stage: Stage, row: Row, column: Column, answer: TestResponse) -> bool:
    """Whether a refusal differs from the answer to ids that name nothing."""
    if not row.sent.path:
        return False
    things = stage.things[column.whose]
    path = nobodys(row.sent.path, things)
    unknown = send(stage, row, column, path=path)
    asked = {name: str(thing_of(value, things)) for name, value in row.sent.path.items()}
    return (unknown.status_code, words(unknown, path)) != (answer.status_code, words(answer, asked))


def test_no_form_is_taken_without_its_token(stage: Stage) -> None:
    taken = []
    for row in ROWS:
        if row.method != "POST" or row.rule.startswith(("/api/", "/webhooks/")):
            continue
        column = next(column for column, expected in row.expected.items() if expected == "in")
        with stage.rehearse():
            before = getattr(stage, FIRST[row.name])() if row.name in FIRST else stage.before
            answer = send(stage, row, column, token=False)
            if answer.status_code != 409 or stage.changed(before) != {"refusals"}:
                taken.append(f"{row.name}: {answer.status_code}, {stage.changed(before)}")
    assert taken == []


def test_a_firm_related_to_the_centre_that_graded_a_lot_may_not_bid_on_it(stage: Stage) -> None:
    lot, bid = stage.things["other"]["lot"], {"maximum": "40", "key": "a-key-of-one-form", "sure": "yes"}
    with stage.rehearse():
        answer = stage.visit("ravi", "POST", f"/lots/{lot}/bids", form=bid)
        assert answer.status_code == 403
        assert "Related firms do not bid." in answer.text
        assert stage.changed() == {"refusals"}
    with stage.rehearse():
        assert stage.visit("rosa", "POST", f"/lots/{lot}/bids", form=bid).status_code == 303


def test_the_collection_code_of_a_paid_order_is_read_by_its_buyer_alone(stage: Stage) -> None:
    own = stage.things["own"]
    pages = [
        *(f"/orders/{own['order_paid']}", f"/staff/orders/{own['order_paid']}", "/staff/orders", "/account"),
        *("/my-lots", f"/my-lots/{own['paid_lot']}", f"/lots/{own['paid_lot']}", "/bench", "/staff", "/staff/refusals"),
        *(f"{place}/devices/{own['paid']}" for place in ("", "/staff", "/bench")),
    ]
    reads = set()
    for who in (None, *PEOPLE):
        for address_of_page in pages:
            with stage.rehearse():
                if own["collection_code"] in stage.visit(who, "GET", address_of_page).text:
                    reads.add(who)
    assert reads == {"rita"}


# ---- stations: another kind of visitor, known by a signature over each request ----


@dataclass
class Message:
    """A request as the signature library wants to see it."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)


def signed(
    stage: Stage, whose: str, method: str, path: str, body: bytes = b"", *, age: int = 0, **changes: Any
) -> TestResponse:
    """One request of a centre's station, `age` seconds old. `changes` spoil it before or after it is signed."""
    held = stage.things[whose]["station_key"]
    keyid = changes.get("keyid", held.station.verification_method)
    covered = changes.get("covered", ("@method", "@path", "content-digest"))
    message = Message(method, f"http://localhost{path}")
    HTTPMessageSigner(
        signature_algorithm=ED25519,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={keyid: changes.get("key", held.key)}),
    ).sign(
        message,
        key_id=keyid,
        created=stage.world.now - timedelta(seconds=age),
        nonce=changes.get("nonce", uuid4().hex),
        label="sig1",
        tag=changes.get("tag", "ewaste-agent"),
        include_alg=False,
        covered_component_ids=covered,
        body=body if "content-digest" in covered else None,
    )
    with time_machine.travel(stage.world.now, tick=False):
        return stage.visit(
            changes.get("who"),
            changes.get("sent_method", method),
            changes.get("sent_path", path),
            data=changes.get("sent_body", body),
            headers=message.headers,
        )


def test_a_station_gets_the_work_orders_of_its_own_centre_only(stage: Stage) -> None:
    for whose, others in (("own", "other"), ("other", "own")):
        with stage.rehearse():
            answer = signed(stage, whose, "GET", "/api/agent/orders")
            assert answer.status_code == 200
            codes = {order["device_code"] for order in answer.json["orders"]}
            assert codes == {stage.things[whose]["ordered"]}
            assert stage.things[others]["ordered"] not in answer.text
            assert stage.changed() == {"seen_nonces"}


def test_a_station_is_told_what_its_own_centre_issued(stage: Stage) -> None:
    def asked(whose: str, body: bytes) -> TestResponse:
        return signed(stage, whose, "POST", "/api/agent/issued", body)

    with stage.rehearse():
        answer = asked("own", b'{"after": -1}')
        assert answer.status_code == 200
        numbers = [one["entry"] for one in answer.json["issued"]]
        assert {one["station"].partition("#")[0] for one in answer.json["issued"]} == {
            stage.things["own"]["station_key"].station.verification_method.partition("#")[0]
        }
        assert (numbers, answer.json["more"]) == (sorted(set(numbers)), False)
        assert asked("own", b'{"after": %d}' % numbers[-1]).json["issued"] == []
        assert stage.changed() == {"seen_nonces"}
    with stage.rehearse():
        for body in (b"{}", b'{"after": -2}', b'{"after": true}', b'{"after": "1"}', b'{"after": 9007199254740992}'):
            assert asked("own", body).status_code == 422


def test_a_station_is_told_how_the_orders_of_its_own_centre_stand_and_of_no_other(stage: Stage) -> None:
    def asked(whose: str, *orders: str) -> dict[str, Any]:
        body = json.dumps({"work_orders": orders}).encode()
        answer = signed(stage, whose, "POST", "/api/agent/standings", body)
        assert answer.status_code == 200
        return {one["work_order"]: (one["standing"], one["text"]) for one in answer.json["standings"]}

    with stage.world.transaction() as session:
        order, device_id = session.execute(
            sa.select(WorkOrder.digest, WorkOrder.device_id)
            .join(Device, Device.id == WorkOrder.device_id)
            .where(Device.code == stage.things["own"]["ordered"])
        ).one()
    with stage.rehearse():
        assert asked("own", order, "zQmNone") == {order: ("open", "It is open.")}
        assert asked("other", order) == {}
        assert stage.changed() == {"seen_nonces"}
    with stage.rehearse():
        with stage.rehearse.transaction() as session:  # The world's own steps are kept; this one is taken back.
            bench.observe_medium(
                session, stage.world.olga, device_id, kind="usb", manufacturer="Samsung", model="Bar", serial="STICK-1",
                wwn=None, size_bytes=64_000_000_000, now=stage.world.now,
            )  # fmt: skip
        assert asked("own", order)[order][0] == "outdated"
    with stage.rehearse():
        for body in (b'{"work_orders": []}', b'{"work_orders": "all"}', b'{"work_orders": ["a\\u0000"]}'):
            assert signed(stage, "own", "POST", "/api/agent/standings", body).status_code == 422
        many = json.dumps({"work_orders": [f"zQm{number}" for number in range(101)]}).encode()
        assert signed(stage, "own", "POST", "/api/agent/standings", many).status_code == 422


def test_a_station_clears_a_device_of_its_own_centre_and_no_other(stage: Stage) -> None:
    body = json.dumps({"files": stage.things["own"]["files"]}).encode()
    with stage.rehearse():
        receipt = signed(stage, "own", "POST", "/api/agent/certificates", body).json["receipt"]
        assert (receipt["outcome"], receipt["device_code"]) == ("accepted", stage.things["own"]["ordered"])
    with stage.rehearse():
        receipt = signed(stage, "other", "POST", "/api/agent/certificates", body).json["receipt"]
        assert receipt["outcome"] == "refused"
        assert "your station belongs to another centre" in receipt["reason"]
        assert stage.changed() == {"seen_nonces", "refusals", "certificate_refusals"}


def test_another_centres_station_learns_nothing_from_a_certificate_that_was_accepted(stage: Stage) -> None:
    body = json.dumps({"files": stage.things["own"]["files"]}).encode()
    with stage.rehearse():
        signed(stage, "own", "POST", "/api/agent/certificates", body)
        receipt = signed(stage, "other", "POST", "/api/agent/certificates", body).json["receipt"]
    assert receipt["outcome"] == "refused"


STRANGER = Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param({"key": STRANGER}, id="another key"),
        pytest.param({"keyid": "did:web:market.test:centres:nobody#station-1"}, id="an unknown key id"),
        pytest.param({"tag": "something-else"}, id="signed for something else"),
        pytest.param({"covered": ("@method", "@path")}, id="the body not signed"),
        pytest.param({"covered": ("@method", "content-digest")}, id="the path not signed"),
        pytest.param({"covered": ("@path", "content-digest")}, id="the method not signed"),
        pytest.param({"nonce": "short"}, id="a nonce that is none"),
        pytest.param({"age": 301}, id="too old"),
        pytest.param({"age": -301}, id="from the future"),
        pytest.param({"sent_body": b'{"files": {}}'}, id="another body"),
        pytest.param({"sent_path": "/api/agent/enrol/../certificates"}, id="another path"),
        pytest.param({"sent_method": "PUT"}, id="another method"),
    ],
)
def test_a_request_that_its_station_did_not_sign_is_refused(stage: Stage, spoiled: dict[str, Any]) -> None:
    body = json.dumps({"files": stage.things["own"]["files"]}).encode()
    for who in (None, "olga"):
        with stage.rehearse():
            answer = signed(stage, "own", "POST", "/api/agent/certificates", body, who=who, **spoiled)
            assert answer.status_code in (403, 404, 405)
            assert answer.json["error"]["message"]
            assert stage.changed() <= {"refusals"}


@pytest.mark.parametrize("age", [-299, 0, 299])
def test_a_stations_clock_may_be_five_minutes_off(stage: Stage, age: int) -> None:
    with stage.rehearse():
        assert signed(stage, "own", "GET", "/api/agent/orders", age=age).status_code == 200


def test_a_signed_request_counts_once(stage: Stage) -> None:
    with stage.rehearse():
        assert signed(stage, "own", "GET", "/api/agent/orders", nonce="the-same-nonce").status_code == 200
        again = signed(stage, "own", "GET", "/api/agent/orders", nonce="the-same-nonce")
        assert (again.status_code, again.json["error"]["kind"]) == (403, "not-allowed")
        # Another station may well draw the same nonce.
        assert signed(stage, "other", "GET", "/api/agent/orders", nonce="the-same-nonce").status_code == 200


def test_a_stolen_key_is_refused_by_every_call_from_the_moment_it_is_reported(stage: Stage) -> None:
    own, files = stage.things["own"], json.dumps({"files": stage.things["own"]["files"]}).encode()
    with stage.rehearse():
        assert signed(stage, "own", "GET", "/api/agent/orders").status_code == 200
        form = {"since": own["just_now"], "reason": "The laptop was stolen."}
        assert (
            stage.visit("olga", "POST", f"/bench/stations/{own['station']}/compromised", form=form).status_code == 303
        )
        for method, path, body in (("GET", "/api/agent/orders", b""), ("POST", "/api/agent/certificates", files)):
            answer = signed(stage, "own", method, path, body)
            assert (answer.status_code, answer.json["error"]["kind"]) == (403, "not-allowed")
            assert "was revoked: The laptop was stolen." in answer.json["error"]["message"]
        document = stage.visit(None, "GET", f"/centres/{own['slug']}/did.json").json
        assert own["station_key"].station.verification_method not in document["assertionMethod"]


def test_a_retired_station_is_refused(stage: Stage) -> None:
    with stage.rehearse():
        stage.visit("olga", "POST", f"/bench/stations/{stage.things['own']['station']}/retire")
        answer = signed(stage, "own", "GET", "/api/agent/orders")
        assert (answer.status_code, "revoked" in answer.json["error"]["message"]) == (403, True)
