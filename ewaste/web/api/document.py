"""The OpenAPI 3.1 document, made from the declarations: what is described is what is checked and routed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from ewaste.accounts.tokens import Scope
from ewaste.core.ids import ALPHABET
from ewaste.web.api import agent_shapes, shapes, trading
from ewaste.web.api import public as public_api
from ewaste.web.api.declare import KEY, KEY_HEADER, REPLAYED_HEADER, Operation
from ewaste.web.api.problems import CONTENT_TYPE, KINDS, kind_of

REF = "#/components/schemas/{model}"
OPERATIONS = (*public_api.api.operations, *trading.api.operations)
SCOPE_WORDS = {
    Scope.READ: "Read what is your own: your devices, quotes and orders; your firm’s lots.",
    Scope.BID: "Bid on lots in your firm’s name. Bids bind.",
    Scope.BUY: "Take devices from the shop, and read your orders.",
    Scope.REPORT: "Report what became of the devices that your firm collected.",
    Scope.BENCH: "Read your centre’s bench.",
}
TAGS = {
    "Selling": "The models that we buy, and quotes by the public formula.",
    "Lots": "Auctions of graded devices, for verified recyclers and refurbishers.",
    "Shop": "Graded, certified devices, one by one.",
    "Orders": "What was bought: paying, collecting, reporting.",
    "Your own": "What a token’s person, or their firm, has here.",
    "Bench": "What waits at a test centre.",
    "Certificates": "Proof that the data is gone.",
    "Wipe agent": "Stations of test centres. Signed, not by token; errors have a shape of their own.",
}
ABOUT = (
    "For programs of buyers, sellers and test centres. Within v1 answers may gain fields and lists of words may grow; "
    "nothing is taken away or changes its meaning. Money is whole minor units with a currency; times are RFC 3339 in "
    "UTC; what is called an estimate is one."
)
_REASONS = {
    "200": "Here it is.", "201": "Done.", "304": "Nothing changed since the answer with this `ETag`.",
}  # fmt: skip
_SAMPLES = {"date-time": "2026-11-20T18:00:00Z", "uuid": "0b9e1c34-6d2f-4c1a-9c0e-2f4d8e6a7b10"}


def build(public_url: str, *, version: str = "1") -> dict[str, Any]:
    """The whole document; `public_url` is where the API is served."""
    schemas = _schemas()
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(f"/api/v1{one.path}", {})[one.method.lower()] = _operation(one, schemas)
    for call in agent_shapes.CALLS:
        paths.setdefault(f"/api/agent{call.path}", {})[call.method.lower()] = _agent_call(call, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Clearhand API", "version": version, "description": ABOUT},
        "servers": [{"url": public_url}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }


_SECURITY = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "ch_ and 32 letters and digits",
        "description": "A token from your account page. It acts as you, in your organisation, within its scopes: "
        + " ".join(f"`{scope.value}`: {text}" for scope, text in SCOPE_WORDS.items()),
    },
    "station": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": "An HTTP message signature (RFC 9421) by the station’s Ed25519 key, with `Signature-Input`, "
        'over "@method" "@path" "content-digest", with `created`, a fresh `nonce`, `keyid` and the tag `ewaste-agent`. '
        "`Content-Digest` (RFC 9530, sha-256) is always sent. A nonce is taken once.",
    },
}


def _schemas() -> dict[str, Any]:
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(shapes.Problem, "serialization")]
    for one in OPERATIONS:
        wanted.append((one.answer, "serialization"))
        wanted += [(one.body, "validation")] if one.body else []
    for call in agent_shapes.CALLS:
        wanted.append((call.answer, "serialization"))
        wanted += [(call.sent, "validation")] if call.sent else []
    wanted.append((agent_shapes.AgentError, "serialization"))
    _, made = models_json_schema(list(dict.fromkeys(wanted)), ref_template=REF)
    return {name: _tidy(schema) for name, schema in sorted(made["$defs"].items())}


def _tidy(schema: Any) -> Any:
    """A schema without the titles that repeat the names of its fields."""
    if isinstance(schema, dict):
        return {
            key: {name: _tidy(each) for name, each in value.items()} if key == "properties" else _tidy(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str))
        }
    return [_tidy(each) for each in schema] if isinstance(schema, list) else schema


def _operation(one: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": one.summary,
        "description": one.text or one.summary,
        "security": [{"token": [scope.value]} for scope in one.scopes]
        or [{}, *({"token": [scope.value]} for scope in one.seen_with)],
        "parameters": [*_path(one), *_query(one.query), *_headers(one)],
        "responses": _responses(one, schemas),
    }
    if one.body is not None:
        told["requestBody"] = _body(one.body, schemas)
    return {name: value for name, value in told.items() if value != []}


def _path(one: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, **_code(one.codes[name])}
        for name in re.findall(r"\{(\w+)\}", one.path)
    ]


def _code(kind: str) -> dict[str, Any]:
    if kind == "uuid":
        return {"schema": {"type": "string", "format": "uuid"}}
    if kind == "model":
        pattern = {"type": "string", "pattern": "^[a-z0-9-]{1,80}$"}
        return {"schema": pattern, "description": "As the catalogue names it, such as `lenovo-thinkpad-t480`."}
    letters = f"[{ALPHABET}]"
    schema = {"type": "string", "pattern": f"^{kind}-{letters}{{4}}-{letters}{{4}}$"}
    return {"schema": schema, "description": f"Its code, such as `{kind}-7K3M-9QXA`."}


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(ref_template=REF)
    defs = schema.get("$defs", {})
    parameters = []
    for name, field in schema["properties"].items():
        about = _tidy(_resolved(field, defs))
        parameters.append(
            {
                "name": name,
                "in": "query",
                "required": False,
                "schema": {key: value for key, value in about.items() if key != "description"},
                **({"description": about["description"]} if "description" in about else {}),
            }
        )
    return parameters


def _resolved(field: dict[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    """A query's field as a plain schema: null stands for a parameter that is not sent, so it is no value of one."""
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    chosen = options[0]
    if "$ref" in chosen:
        chosen = {key: value for key, value in defs[chosen["$ref"].rpartition("/")[2]].items() if key != "description"}
    rest = {key: value for key, value in field.items() if key not in ("anyOf", "$ref") and value is not None}
    return {**chosen, **rest}


def _headers(one: Operation) -> list[dict[str, Any]]:
    if one.changes:
        return [
            {
                "name": KEY_HEADER,
                "in": "header",
                "required": True,
                "description": "A fresh text for each request, such as a UUID, in double quotes or bare. The same "
                "request under the same key is done once, and answered the same for 24 hours.",
                "schema": {"type": "string", "pattern": f'^("{KEY}"|{KEY})$'},
                "example": '"8e03978e-40d5-43e8-bc93-6894a57f9324"',
            }
        ]
    if one.method == "GET":
        description = "The `ETag` of an answer that you have."
        return [
            {
                "name": "If-None-Match",
                "in": "header",
                "required": False,
                "description": description,
                "schema": {"type": "string"},
            }
        ]
    return []


def _body(model: type[BaseModel], schemas: Mapping[str, Any]) -> dict[str, Any]:
    ref = {"$ref": REF.format(model=model.__name__)}
    return {"required": True, "content": {"application/json": {"schema": ref, "example": example(ref, schemas)}}}


def _responses(one: Operation, schemas: Mapping[str, Any]) -> dict[str, Any]:
    ref = {"$ref": REF.format(model=one.answer.__name__)}
    done: dict[str, Any] = {
        "description": _REASONS[str(one.status)],
        "content": {"application/json": {"schema": ref, "example": example(ref, schemas)}},
    }
    if one.changes:
        done["headers"] = {
            REPLAYED_HEADER: {
                "description": "Whether this answer was given before under the same key.",
                "required": True,
                "schema": {"type": "string", "enum": ["true", "false"]},
            }
        }
    responses = {str(one.status): done}
    if one.method == "GET":
        done["headers"] = {"ETag": {"required": True, "schema": {"type": "string"}}}
        responses["304"] = {"description": _REASONS["304"]}
    statuses = {400, 401, 429, 500, *one.refuses}
    statuses |= {403} if one.scopes else set()
    statuses |= {413, 415} if one.body else set()
    statuses |= {409, 422} if one.changes else set()
    return responses | {str(status): _problem(status) for status in sorted(statuses)}


def _problem(status: int) -> dict[str, Any]:
    about = [kind for kind in KINDS.values() if kind.status == status]
    told: dict[str, Any] = {
        "description": " Or: ".join(f"{kind.title}. {kind.text}" for kind in about),
        "content": {CONTENT_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}},
    }
    if status == 429:
        seconds = {"description": "Seconds to wait.", "required": True, "schema": {"type": "string"}}
        told["headers"] = {"Retry-After": seconds}
    if status == 401:
        told["headers"] = {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}}
    return told


def _agent_call(call: agent_shapes.AgentCall, schemas: Mapping[str, Any]) -> dict[str, Any]:
    ref = {"$ref": REF.format(model=call.answer.__name__)}
    error = {"application/json": {"schema": {"$ref": REF.format(model="AgentError")}}}
    told: dict[str, Any] = {
        "operationId": call.name,
        "tags": ["Wipe agent"],
        "summary": call.summary,
        "description": call.text,
        "security": [{"station": []}] if call.signed else [{}],
        "responses": {
            str(call.status): {
                "description": _REASONS[str(call.status)],
                "content": {"application/json": {"schema": ref, "example": example(ref, schemas)}},
            },
            **{str(status): {"description": KINDS[kind_of(status)].title, "content": error} for status in call.refuses},
        },
    }
    if call.sent is not None:
        told["requestBody"] = _body(call.sent, schemas)
    return told


def example(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value of this schema to look at: what the schema names as an example, else the plainest there is."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for given in (schema.get("examples"), schema.get("enum"), [schema["const"]] if "const" in schema else None):
        if given:
            return given[0]
    if "anyOf" in schema:
        return example(schema["anyOf"][0], schemas)
    kind = schema.get("type")
    if kind == "object":
        wanted: Iterable[str] = schema.get("required", ())
        return {name: example(schema["properties"][name], schemas) for name in wanted}
    if kind == "array":
        return [example(schema["items"], schemas)]
    if kind == "string":
        return _SAMPLES.get(schema.get("format", ""), "…")
    return {"integer": schema.get("minimum", 1), "boolean": True, "number": 1.0}.get(str(kind))
