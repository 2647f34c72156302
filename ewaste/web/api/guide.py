"""The description of the API: the OpenAPI document, and a page that shows the same to people."""

from __future__ import annotations

import gzip
import html
import json
import re
from functools import lru_cache
from typing import Any

import flask
from flask import Blueprint, request
from markupsafe import Markup, escape

from ewaste.web.api import document
from ewaste.web.api.problems import KINDS
from ewaste.web.edge import page, runtime

pages = Blueprint("api_guide", __name__, url_prefix="/api")


@lru_cache(maxsize=4)
def described(public_url: str) -> dict[str, Any]:
    """The OpenAPI document of a site at this address."""
    return document.build(public_url)


@pages.get("/openapi.json")
def openapi() -> flask.Response:
    """The OpenAPI 3.1 document."""
    response = flask.make_response(described(runtime().config.public_url))
    response.headers["Access-Control-Allow-Origin"] = "*"  # It is public, and tools in browsers read it from elsewhere.
    return _packed(response)


@pages.get("", strict_slashes=False)
def guide() -> flask.Response:
    """Every operation with what it takes and answers, out of the document."""
    told = described(runtime().config.public_url)
    schemas = told["components"]["schemas"]
    shown = page(
        "api/guide.html",
        about=told["info"]["description"],
        tags=[{**tag, "operations": _operations(told, tag["name"])} for tag in told["tags"]],
        schemas=[
            {
                "name": name,
                "text": _marked(schema.get("description")),
                "words": _words(schema) if "enum" in schema else None,
                "fields": _fields(schema) if "properties" in schema else [],
            }
            for name, schema in schemas.items()
        ],
        kinds=KINDS,
        scopes=document.SCOPE_WORDS,
        base_url=runtime().config.public_url,
    )
    return _packed(shown)


def _packed(response: flask.Response) -> flask.Response:
    """Compressed for who takes that: both are long and say much alike. Nothing that was sent stands in them, so their
    length tells nobody anything."""
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"]:
        response.set_data(gzip.compress(response.get_data(), compresslevel=6, mtime=0))
        response.headers["Content-Encoding"] = "gzip"
    return response


def _marked(text: str | None) -> Markup | None:
    """A description of the document with its `code` as such."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text)))) if text else None  # noqa: S704 - escaped


def _operations(told: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    found = []
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            if tag not in one["tags"]:
                continue
            found.append(
                {
                    "id": one["operationId"],
                    "method": method.upper(),
                    "path": path,
                    "summary": one["summary"],
                    "text": _marked(one["description"]) if one["description"] != one["summary"] else None,
                    "scopes": [scope for needed in one["security"] for scope in needed.get("token", [])],
                    "open": {} in one["security"],
                    "signed": any("station" in needed for needed in one["security"]),
                    "parameters": [
                        {
                            **parameter,
                            "words": _words(parameter["schema"]),
                            "text": _marked(parameter.get("description")),
                        }
                        for parameter in one.get("parameters", [])
                    ],
                    "body": _content(one.get("requestBody")),
                    "answers": [
                        {"status": status, "text": _marked(answer["description"]), **(_content(answer) or {})}
                        for status, answer in one["responses"].items()
                    ],
                }
            )
    return found


def _content(about: dict[str, Any] | None) -> dict[str, Any] | None:
    for content in (about or {}).get("content", {}).values():
        sample = content.get("example")
        return {
            "schema": content["schema"]["$ref"].rpartition("/")[2],
            # Quotes need no escape between tags, and there are very many of them.
            "example": Markup(html.escape(json.dumps(sample, indent=1, ensure_ascii=False), quote=False))  # noqa: S704
            if sample is not None
            else None,
        }
    return None


def _fields(schema: dict[str, Any]) -> list[dict[str, Any]]:
    required = set(schema.get("required", ()))
    return [
        {
            "name": name,
            "words": _words(field),
            "required": name in required,
            "text": _marked(field.get("description")),
            "schema": _named(field),
        }
        for name, field in schema["properties"].items()
    ]


def _named(field: dict[str, Any]) -> str | None:
    """The schema that a field is made of, to lead to."""
    for part in (field, field.get("items", {}), *field.get("anyOf", ())):
        if "$ref" in part:
            return str(part["$ref"].rpartition("/")[2])
    return None


def _words(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_words(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(f"“{value}”" for value in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"list of {_words(schema['items'])}"
    if kind == "string" and "format" in schema:
        return {"date-time": "time", "uuid": "UUID", "uri": "address"}.get(schema["format"], schema["format"])
    words = {"string": "text", "integer": "whole number", "boolean": "true or false"}.get(kind, kind)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        words += f", {low:,} to {high:,}"
    if "maxLength" in schema:
        words += f", at most {schema['maxLength']:,} characters"
    return words
