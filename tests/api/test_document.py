"""The OpenAPI document: it describes every route, is one that tools can read, and the agent's calls keep to it."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest
from flask import Flask

from ewaste.journey import bench
from ewaste.web.api.document import OPERATIONS, SCOPE_WORDS, build
from ewaste.web.api.shapes import Sent
from tests.api.conftest import Program
from tests.web.stage import Stage
from tests.web.test_matrix import signed
from tests.world import World


@pytest.fixture
def document(program: Callable[..., Program]) -> dict[str, Any]:
    answer = program(None).get("/api/openapi.json")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    return answer.json


def test_nothing_under_api_is_undocumented_and_nothing_documented_is_missing(
    site: Flask, document: dict[str, Any]
) -> None:
    known = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in site.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert known - told == {("GET", "/api"), ("GET", "/api/openapi.json")}
    assert told <= known


def test_it_is_openapi_3_1_with_schemas_that_are_json_schema(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
        assert "title" not in schema, name
    text = json.dumps(document)
    for ref in set(re.findall(r'"#/components/schemas/(\w+)"', text)):
        assert ref in document["components"]["schemas"]
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))
    assert {tag["name"] for tag in document["tags"]} == {
        tag for methods in document["paths"].values() for one in methods.values() for tag in one["tags"]
    }


def test_every_operation_tells_its_errors_and_every_example_fits_its_schema(document: dict[str, Any]) -> None:
    components = {"components": document["components"]}
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            assert one["summary"], path
            contents = [one.get("requestBody", {}), *one["responses"].values()]
            for content in (each for about in contents for each in about.get("content", {}).values()):
                if "example" in content and "…" not in json.dumps(content["example"], ensure_ascii=False):
                    jsonschema_rs.validator_for({**components, **content["schema"]}).validate(content["example"])
            if path.startswith("/api/v1"):
                assert {"400", "401", "429", "500"} <= set(one["responses"]), (method, path)


def test_what_is_sent_is_closed_and_every_text_and_number_in_it_has_bounds() -> None:
    schemas = build("https://market.example")["components"]["schemas"]

    def open_ends(schema: dict[str, Any], where: str) -> list[str]:
        if "$ref" in schema:
            return open_ends(schemas[schema["$ref"].rpartition("/")[2]], where)
        if "anyOf" in schema:
            return [end for option in schema["anyOf"] for end in open_ends(option, where)]
        kind, found = schema.get("type"), []
        if kind == "object":
            if schema.get("additionalProperties") is not False:
                found.append(f"{where} is open")
            parts = {**schema.get("properties", {}), **schema.get("patternProperties", {})}
            for name, part in parts.items():
                found += open_ends(part, f"{where}.{name}")
        elif kind == "string" and not {"maxLength", "enum", "const"} & set(schema):
            found += [] if re.search(r"\{\d+,\d+\}\$$", schema.get("pattern", "")) else [f"{where} has no length"]
        elif kind in ("integer", "number") and not {"minimum", "maximum"} <= set(schema):
            found.append(f"{where} has no bounds")
        return found

    bodies = {one.body.__name__ for one in OPERATIONS if one.body}
    assert bodies
    assert [end for name in bodies for end in open_ends(schemas[name], name)] == []
    for one in OPERATIONS:
        for model in (one.body, one.query):
            assert model is None or issubclass(model, Sent), one.name


def test_every_scope_is_told(document: dict[str, Any]) -> None:
    about = document["components"]["securitySchemes"]["token"]["description"]
    used = {scope for one in OPERATIONS for scope in (*one.scopes, *one.seen_with)}
    assert used == set(SCOPE_WORDS)
    for scope in used:
        assert f"`{scope.value}`" in about


def test_the_page_shows_every_operation_without_script_or_style_of_its_own(
    program: Callable[..., Program], document: dict[str, Any]
) -> None:
    page = program(None).get("/api").text
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            assert f'id="{one["operationId"]}"' in page
            assert f"{method.upper()} {path}" in page
    for name in document["components"]["schemas"]:
        if f'href="#schema-{name}"' in page:
            assert f'id="schema-{name}"' in page, name
    main = page[page.index("<main") : page.index("</main>")]
    assert not re.search(r"<script|style=|<style|\son\w+=", main)


def test_page_and_document_are_sent_packed_to_who_takes_that(program: Callable[..., Program]) -> None:
    for path in ("/api", "/api/openapi.json"):
        plain = program(None).get(path)
        packed = program(None).get(path, headers={"Accept-Encoding": "gzip"})
        assert (packed.headers["Content-Encoding"], "Content-Encoding" in plain.headers) == ("gzip", False)
        assert gzip.decompress(packed.data) == plain.data
        assert len(packed.data) < 40_000
        assert "Accept-Encoding" in packed.headers["Vary"]


# ---- the agent's calls ----


def fits(document: dict[str, Any], path: str, method: str, answer: Any) -> None:
    """That this answer is one which the document describes."""
    told = document["paths"][path][method]["responses"][str(answer.status_code)]["content"][answer.mimetype]
    schema = {**told["schema"], "components": document["components"]}
    jsonschema_rs.validator_for(schema).validate(answer.json)


def test_the_agents_calls_are_answered_as_the_document_says(stage: Stage) -> None:
    document, things = build("http://localhost"), stage.things["own"]
    body = json.dumps({"files": things["files"]}).encode()
    with stage.rehearse():
        taken = signed(stage, "own", "POST", "/api/agent/certificates", body)
        assert taken.json["receipt"]["outcome"] == "accepted"
        fits(document, "/api/agent/certificates", "post", taken)
        refused = signed(stage, "other", "POST", "/api/agent/certificates", body)
        fits(document, "/api/agent/certificates", "post", refused)
        orders = signed(stage, "own", "GET", "/api/agent/orders")
        assert orders.status_code == 200
        fits(document, "/api/agent/orders", "get", orders)
        fits(document, "/api/agent/orders", "get", stage.visit(None, "GET", "/api/agent/orders"))
        enrolled = stage.visit(None, "POST", "/api/agent/enrol", json=things["enrolment"])
        assert enrolled.status_code == 201
        fits(document, "/api/agent/enrol", "post", enrolled)
        started = json.dumps({"work_orders": [things["work_order"]]}).encode()
        for whose, status in (("own", 200), ("other", 404)):
            answer = signed(stage, whose, "POST", "/api/agent/starts", started)
            assert answer.status_code == status
            fits(document, "/api/agent/starts", "post", answer)
        answer = signed(stage, "own", "POST", "/api/agent/cosignatures", b'{"checkpoint": "nonsense"}')
        assert answer.status_code == 422
        fits(document, "/api/agent/cosignatures", "post", answer)
    for sent in ({}, {**things["enrolment"], "code": "nonsense"}, {**things["enrolment"], "proof": "x" * 201}):
        with stage.rehearse():
            wrong = stage.visit(None, "POST", "/api/agent/enrol", json=sent)
            assert wrong.status_code == 422
            fits(document, "/api/agent/enrol", "post", wrong)


def test_an_enrolment_code_that_was_used_is_answered_as_the_document_says(
    world: World, site: Flask, document: dict[str, Any]
) -> None:
    world.station()
    with world.transaction() as session:
        code = bench.new_enrolment_code(session, world.olga, now=world.now)
    sent = {"code": code, "station_name": "bench 1", "public_key_multibase": "z6Mk", "proof": "x"}
    world.later(days=2)
    answer = site.test_client().post("/api/agent/enrol", json=sent)
    assert answer.status_code == 409
    fits(document, "/api/agent/enrol", "post", answer)
