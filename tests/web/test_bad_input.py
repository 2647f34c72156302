"""Whatever is sent: what cannot be taken is answered in words that name the field, and changes nothing.

Every form of the table in `matrix.py` is spoiled field by field in every way below, and sent by somebody who may send
it, so that its content alone decides.
"""

from __future__ import annotations

import io
import json
import os
import re
from typing import Any
from urllib.parse import quote, quote_from_bytes
from uuid import uuid4

import pytest
from werkzeug.test import TestResponse

from tests.mutants.campaign import says_the_same
from tests.mutants.makers import mutants
from tests.mutants.pool import Pool
from tests.web.matrix import FIRST, Row, rows
from tests.web.stage import Stage
from tests.web.test_matrix import address, fields_of, send, signed, thing_of

pytestmark = pytest.mark.campaign

# What a value is spoiled into. None leaves the field out; `bytes` are no UTF-8 and arrive spelt out, as %ED%A0%80.
NONSENSE: dict[str, str | bytes | None] = {
    "missing": None,
    "empty": "",
    "long": "x" * 10_000,
    "negative": "-1",
    "huge": "9" * 40,
    "a word": "seventeen",
    "a raised digit": "\u00b2",
    "reversed": "\u202egnorw\u202c",
    "Hebrew and emoji": "\u05e9\u05dc\u05d5\u05dd \U0001f4a9",
    "markup": "' or 1=1 --<script>",
    "NUL": "a\x00b",
    "no UTF-8": b"a\xed\xa0\x80b\xff",
    "twice": None,
}
# No form may take these, whatever the field.
NEVER_TAKEN = {"long", "NUL", "reversed", "twice"}
# Ticked or not: what a tick says does not matter, so only leaving it out, or ticking twice, is spoiled.
TICKS = {"owner", "given", "sure_storage", "sure_weight"}
# Of these several are sent; one more that does not exist is still refused.
LISTS = {"devices", "methods", "media_kinds", "licences", "scopes"}
# Free text of people: takes any text that is text.
FREE = {
    *("reason", "note", "name", "password", "title", "group_name", "model", "manufacturer", "seal", "serial"),
    *("observed_serial", "collection_code", "key", "organisation", "city", "registration_number"),
    *("text", "correction", "evidence", "slug"),
    *("street", "postcode", "opening_hours", "back_street", "back_postcode", "back_city"),
}
ONE_OF_TWO = {"POST /sign-in": "password"}  # Whether the address or the password is wrong is not told.
# May be left out; what that means, its form says.
OPTIONAL = {
    "POST /bench/devices/<code>/media": {"manufacturer"},
    "POST /bench/devices/<code>/inspect": {"battery_soh", "sure_storage"},
    "POST /bench/devices/<code>/return": {"seal"},
    "POST /bench/stations/<uuid:id>/retire": {"reason"},
    "POST /staff/centres/<uuid:id>/stations/<uuid:station_id>/retire": {"reason"},
    "POST /bench/stations/<uuid:id>/replace": {"retires_at"},
    "POST /account/payout": {"country"},
    "POST /account/act-for": {"organisation_id"},
}
# Changes nothing without its last word: it shows what a lot would be, or what would be handed to whom.
SHOWS = {"POST /staff/lots/preview", "POST /bench/collections"}
FORMS = [
    row
    for row in rows()
    if row.method == "POST"
    and row.sent.form
    and "(nobody's)" not in row.name
    and not row.sent.uploads
    and not row.rule.startswith("/api/")
]


def encoded(form: dict[str, Any]) -> bytes:
    """A form as a browser encodes it, and as one never would."""
    parts = []
    for name, value in form.items():
        for each in value if isinstance(value, list) else [value]:
            raw = each if isinstance(each, bytes) else str(each).encode()
            parts.append(f"{name}={quote_from_bytes(raw)}")
    return "&".join(parts).encode()


def some(number: int) -> dict[str, str | bytes | None]:
    """Left out, a word, and every fourth way beside, others for the next field."""
    every_fourth = [how for place, how in enumerate(NONSENSE) if place % 4 == number % 4]
    return {how: NONSENSE[how] for how in dict.fromkeys(("missing", "a word", *every_fourth))}


def spoiled_forms(form: dict[str, Any]) -> Any:
    """Every field of a form, spoiled in every way: (field, how, form)."""
    for number, (field, right) in enumerate(form.items()):
        # The first two fields are spoiled in every way, each further one in some: every way is tried in each form.
        for how, value in NONSENSE.items() if number < 2 else some(number).items():
            if field in TICKS and how not in ("missing", "twice"):
                continue
            if field in LISTS and how == "twice":
                continue
            if how == "missing":
                yield field, how, {name: kept for name, kept in form.items() if name != field}
            elif how == "twice":
                yield field, how, {**form, field: [right, "other"]}
            else:
                yield field, how, {**form, field: value}


def names(answer: TestResponse, field: str) -> bool:
    """Whether a page says which field is at fault: beside it, in the summary, or on the error page.

    In a form of several parts, the name of its part stands before a field's own.
    """
    here = rf'href="#f-([a-z_]+\.)?{field}"|"f-([a-z_]+\.)?{field}-error"'
    return re.search(here, answer.text) is not None or f"“{field}”" in answer.text


@pytest.mark.parametrize("row", FORMS, ids=lambda row: row.name)
def test_a_spoiled_form_is_refused_by_field_and_changes_nothing(stage: Stage, row: Row) -> None:
    column = next(column for column, expected in row.expected.items() if expected == "in")
    things = stage.things[column.whose]
    at, wrong = address(row.rule, row.sent.path, things), []
    for field, how, form in spoiled_forms(fields_of(row.sent.form, things)):
        with stage.rehearse():
            before = getattr(stage, FIRST[row.name])() if row.name in FIRST else stage.before
            body = encoded({**form, "csrf_token": stage.token_of(column.who)})
            kind = "application/x-www-form-urlencoded"
            answer = stage.visit(column.who, "POST", at, data=body, content_type=kind)
            changed = stage.changed(before)
            status = answer.status_code
            if status < 400 and (may_be_taken(row, field, how) or (row.name in SHOWS and not changed)):
                continue
            if status not in (404, 409, 422) or changed - {"tries"} != {"refusals"}:  # A wrong try is counted, too.
                wrong.append(f"{field} {how}: {status}, {changed or 'nothing'} changed")
            elif status == 422 and not names(answer, field) and not names(answer, ONE_OF_TWO.get(row.name, "")):
                wrong.append(f"{field} {how}: refused, and the field is not named")
    assert not wrong, "\n".join(wrong)


def may_be_taken(row: Row, field: str, how: str) -> bool:
    """Whether this nonsense is none in this field."""
    if how in NEVER_TAKEN:
        return False
    if how in ("missing", "empty"):
        return field in OPTIONAL.get(row.name, ())
    return field in FREE


@pytest.mark.parametrize("content", [b"", b"x" * 10_000, b"\x00" * 99, b"PK\x05\x06" + b"\x00" * 18, b"PK\x03\x04"])
def test_an_upload_that_is_no_bundle_is_refused(stage: Stage, content: bytes) -> None:
    own = stage.things["own"]
    with stage.rehearse():
        form = {"bundle": (io.BytesIO(content), "bundle.zip")}
        answer = stage.visit("olga", "POST", f"/bench/devices/{own['ordered']}/certificate", form=form)
        assert answer.status_code == 422
        assert names(answer, "bundle")
        assert stage.changed() <= {"refusals", "certificate_refusals"}


def test_a_form_without_its_file_is_refused(stage: Stage) -> None:
    for at in (f"/bench/devices/{stage.things['own']['ordered']}/certificate", "/verify"):
        with stage.rehearse():
            answer = stage.visit("olga", "POST", at)
            assert answer.status_code == 422
            assert names(answer, "bundle")
            assert stage.changed() <= {"refusals"}


def test_more_than_two_megabytes_are_not_read(stage: Stage) -> None:
    for at in ("/verify", f"/bench/devices/{stage.things['own']['ordered']}/certificate"):
        with stage.rehearse():
            kind = "multipart/form-data; boundary=x"
            answer = stage.visit("olga", "POST", at, data=b"x" * 3_000_000, content_type=kind)
            assert answer.status_code == 413
            assert "too large" in answer.text
            assert stage.changed() == set()


# ---- addresses ----

IN_PATHS = {
    "long": "x" * 3_000, "reversed": "%E2%80%AEx", "NUL": "a%00b", "no UTF-8": "%ED%A0%80%FF", "up": "..%2f..",
    "markup": "%3Cscript%3E%0A",
}  # fmt: skip
BY_PATH = [
    row
    for row in rows()
    if row.sent.path and "in" in row.expected.values()  # The API's other rows ask for a token: tests/api.
    and "(nobody's)" not in row.name and "(from the shop)" not in row.name
]  # fmt: skip


@pytest.mark.parametrize("row", BY_PATH, ids=lambda row: row.name)
def test_an_address_that_names_nothing_is_not_found(stage: Stage, row: Row) -> None:
    column = next(column for column, expected in row.expected.items() if expected == "in")
    things = stage.things[column.whose]
    wrong = []
    for part in row.sent.path:
        for how, value in IN_PATHS.items():
            path = {
                name: value if name == part else str(thing_of(each, things)) for name, each in row.sent.path.items()
            }
            with stage.rehearse():
                answer = send(stage, row, column, path=path)
                if answer.status_code != 404 or stage.changed() - {"refusals"}:
                    wrong.append(f"{part} {how}: {answer.status_code}, {stage.changed()} changed")
    assert not wrong, "\n".join(wrong)


READ = [
    row
    for row in rows()
    if row.method == "GET"
    and re.search(r"bench|staff|lots|quote|shop|verify|devices|sign", row.rule)
    and not row.rule.startswith("/api/")  # There it is refused by name: tests/api.
    and row.rule != "/verify/offline"  # One file, the same for everybody, with its own script in it.
]


@pytest.mark.parametrize("row", READ, ids=lambda row: row.name)
def test_what_stands_behind_the_question_mark_breaks_nothing(stage: Stage, row: Row) -> None:
    column = next(column for column, expected in row.expected.items() if expected == "in")
    at = address(row.rule, row.sent.path, stage.things[column.whose])
    wrong = []
    names_ = ("q", "code", "page", "state", "way", "device_class", "grade", "account", "kind", "centre", "next")
    for how, value in IN_PATHS.items():
        with stage.rehearse():
            answer = stage.visit(column.who, "GET", f"{at}?{'&'.join(f'{name}={value}' for name in names_)}")
            if answer.status_code not in (200, 303, 404, 422) or stage.changed() - {"refusals"}:
                wrong.append(f"{how}: {answer.status_code}, {stage.changed()} changed")
            if b"<script>" in answer.get_data():
                wrong.append(f"{how}: markup came back as markup")
    assert not wrong, "\n".join(wrong)


# ---- programs ----

VALUES: dict[str, Any] = {
    "missing": None, "empty": "", "long": "x" * 10_000, "a number": 7, "negative": -1, "huge": 10**300, "a list": ["x"],
    "an object": {"a": 1}, "true": True, "NUL": "a\x00b", "half a pair": "\ud800", "reversed": "\u202ex",
    "a newline": "a\nb", "other digits": "\u0663" * 20, "emoji": "\U0001f4a9",
}  # fmt: skip
BODIES = (
    b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff", b"{}", b"[" * 100_000, b'{"a":' * 100_000, b'{"code": NaN}',
    b'{"files": 1}', b'{"files": {}}', b'{"files": {"certificate.json": 1}}', b"\xef\xbb\xbf{}",
)  # fmt: skip


@pytest.mark.parametrize("field", ["code", "station_name", "public_key_multibase", "proof"])
def test_a_spoiled_enrolment_is_refused_by_field_and_uses_no_code(stage: Stage, field: str) -> None:
    right = stage.things["own"]["enrolment"]
    wrong = []
    for how, value in VALUES.items():
        body = {name: text for name, text in {**right, field: value}.items() if text is not None}
        with stage.rehearse():
            answer = stage.visit(None, "POST", "/api/agent/enrol", json=body)
            if field == "station_name" and how in ("emoji", "other digits"):
                assert answer.status_code == 201
                continue
            error = (answer.json or {}).get("error", {})
            if answer.status_code != 422 or error.get("field") != field or stage.changed() != {"refusals"}:
                wrong.append(f"{how}: {answer.status_code} {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
def test_a_body_that_is_no_message_is_refused(stage: Stage, body: bytes) -> None:
    with stage.rehearse():
        enrolment = stage.visit(None, "POST", "/api/agent/enrol", data=body)
        certificate = signed(stage, "own", "POST", "/api/agent/certificates", body)
        assert [enrolment.status_code, certificate.status_code] == [422, 422]
        assert enrolment.json["error"]["field"] in ("body", "code")
        assert certificate.json["error"]["field"] in ("body", "files")
        assert stage.changed() == {"refusals", "seen_nonces"}


@pytest.mark.parametrize("file", ["certificate.json", "accreditation.json", "work-order.json"])
def test_a_spoiled_bundle_clears_nothing(stage: Stage, file: str) -> None:
    files = stage.things["own"]["files"]
    assert file in files
    wrong = []
    for how, value in {**VALUES, "cut": files[file][:-20], "doubled": files[file] * 2}.items():
        sent = {name: text for name, text in {**files, file: value}.items() if text is not None}
        with stage.rehearse():
            body = json.dumps({"files": sent}).encode()
            answer = signed(stage, "own", "POST", "/api/agent/certificates", body)
            refused = answer.status_code == 422 and answer.json["error"]["field"] == "files"
            receipt = answer.status_code == 200 and answer.json["receipt"]["outcome"] == "refused"
            kept = {"refusals", "seen_nonces"} | ({"certificate_refusals"} if receipt else set())
            if not (refused or receipt) or stage.changed() - kept:
                wrong.append(f"{how}: {answer.status_code} {answer.text[:200]}, {stage.changed()} changed")
    assert not wrong, "\n".join(wrong)


def test_no_mutant_of_a_good_bundle_clears_anything_over_http(stage: Stage) -> None:
    """A share of `make mutants` through the station's API, in signed requests; EWASTE_TESTS_MUTANTS sends more."""
    valid = {name: text.encode() for name, text in stage.things["own"]["files"].items()}
    pool, wrong, sent = Pool((valid,), b""), [], 0
    for kind, files in mutants(46_864, int(os.environ.get("EWASTE_TESTS_MUTANTS", "12")), pool):
        try:
            texts = {name: content.decode() for name, content in files.items()}
        except UnicodeDecodeError:
            continue  # No JSON carries these.
        if says_the_same(files, valid):
            continue
        with stage.rehearse():
            answer = signed(stage, "own", "POST", "/api/agent/certificates", json.dumps({"files": texts}).encode())
            sent += 1
            refused = answer.status_code == 422 and answer.json["error"]["field"] == "files"
            receipt = answer.status_code == 200 and answer.json["receipt"]["outcome"] == "refused"
            kept = {"refusals", "seen_nonces"} | ({"certificate_refusals"} if receipt else set())
            if not (refused or receipt) or stage.changed() - kept:
                wrong.append(f"{kind}: {answer.status_code} {answer.text[:200]}, {stage.changed()} changed")
    assert not wrong, "\n".join(wrong)
    assert sent


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "", "x" * 61, "a\x00b", "\ud800", "certificate.JSON", "__proto__"]
)
def test_a_file_with_a_strange_name_changes_nothing_but_the_notes(stage: Stage, name: str) -> None:
    files = {name: stage.things["own"]["files"]["certificate.json"]}
    with stage.rehearse():
        answer = signed(stage, "own", "POST", "/api/agent/certificates", json.dumps({"files": files}).encode())
        assert answer.status_code in (200, 422)
        assert "accepted" not in answer.text
        assert stage.changed() <= {"refusals", "seen_nonces", "certificate_refusals"}


def test_more_files_than_a_bundle_has_are_refused(stage: Stage) -> None:
    body = json.dumps({"files": {f"{number}.json": "{}" for number in range(17)}}).encode()
    with stage.rehearse():
        answer = signed(stage, "own", "POST", "/api/agent/certificates", body)
        assert (answer.status_code, answer.json["error"]["field"]) == (422, "files")


@pytest.mark.parametrize("orders", [["zQ\x00"], ["\ud800"], ["zQm", 7], [["zQm"]], {"zQm": 1}, ["z" * 101], [""], None])
def test_starts_of_what_are_no_work_orders_are_refused_and_break_nothing(stage: Stage, orders: object) -> None:
    with stage.rehearse():
        answer = signed(stage, "own", "POST", "/api/agent/starts", json.dumps({"work_orders": orders}).encode())
        assert (answer.status_code, answer.json["error"]["field"]) == (422, "work_orders")
        assert stage.changed() == {"refusals", "seen_nonces"}


@pytest.mark.parametrize(
    ("signature", "covers"),
    [
        ("", ""),
        ("x", "y"),
        ("sig1=:AA==:", 'sig1=("@method");created=99999999999999999999;keyid="x"'),
        ("sig1=:AA==:", 'sig1=("@method" "@path" "content-digest");created=1;keyid="\\"";nonce="x";tag="ewaste-agent"'),
        ("sig1=:AA==:", 'sig1=("@method" "@path" "content-digest");created=1;keyid="' + "k" * 5_000 + '"'),
        ("sig1=:AA==:, sig2=:AA==:", 'sig1=("@method");created=1, sig2=("@method");created=1'),
        ("\xff", "\xff"),
    ],
)
def test_a_signature_that_is_none_is_refused(stage: Stage, signature: str, covers: str) -> None:
    with stage.rehearse():
        headers = {"Signature": signature, "Signature-Input": covers}
        answer = stage.visit(None, "POST", "/api/agent/certificates", data=b"{}", headers=headers)
        assert (answer.status_code, answer.json["error"]["kind"]) == (403, "not-allowed")
        assert stage.changed() == {"refusals"}


@pytest.mark.parametrize("signature", ["", "t=1,v1=x", "t=" + "9" * 500, "\xff"])
def test_an_event_that_the_provider_did_not_sign_is_refused(stage: Stage, signature: str) -> None:
    for body in (b"", b"\xff", b"[" * 50_000, json.dumps({"id": f"evt_{uuid4().hex}", "livemode": False}).encode()):
        with stage.rehearse():
            headers = {"Stripe-Signature": signature}
            answer = stage.visit(None, "POST", "/webhooks/stripe", data=body, headers=headers)
            assert answer.status_code in (400, 422)
            assert answer.json["error"]["field"] == "Stripe-Signature"
            assert stage.changed() == {"refusals"}


def test_a_field_that_no_form_has_breaks_nothing(stage: Stage) -> None:
    for field in ("a\x00b", "\u202ex", "x" * 10_000, "csrf_token"):
        with stage.rehearse():
            body = (
                encoded({"name": "x"})
                + f"&{quote(field)}=1&{quote(field)}=2&csrf_token={stage.token_of('cora')}".encode()
            )
            kind = "application/x-www-form-urlencoded"
            answer = stage.visit("cora", "POST", "/sign-out", data=body, content_type=kind)
            assert answer.status_code in (409, 422)
            assert stage.changed() == {"refusals"}
