"""The published terms and forms: what JSON-LD and JSON Schema readers see is what we sign, and it does not change."""

import json
import os
import re
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from wipe_agent.certificate import shapes
from wipe_agent.certificate.vocabulary import CONTEXT, UNTP_CONTEXT, WIPE_CONTEXT

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests/vectors"
PUBLISHED = ROOT / "static/vocab/wipe/v1"
MANIFEST: list[dict[str, Any]] = json.loads((VECTORS / "manifest.json").read_bytes())
UNTP = Path(os.environ.get("SHARED_DATA") or ROOT.parent / "shared/data") / "untp"
with_untp = pytest.mark.skipif(not UNTP.is_dir(), reason="UNTP's files are not here (SHARED_DATA names their folder)")
FORMS = {
    "certificate.json": ("certificate", shapes.CERTIFICATE),
    "accreditation.json": ("accreditation", shapes.ACCREDITATION),
    "work-order.json": ("work-order", shapes.WORK_ORDER),
    "status.json": ("status-list", shapes.STATUS_LIST),
    "accreditation-status.json": ("status-list", shapes.STATUS_LIST),
}
TOLD = ("valid-witnessed", "valid-absent-card", "valid-sampled", "valid-removed-medium", "revoked", "key-stolen-before")
"""Between them, every member that a document can have."""
VALID = [vector["path"] for vector in MANIFEST if vector["fails"] is None and not vector["path"].endswith(".zip")]


def documents(vectors: Sequence[str]) -> list[tuple[str, str, dict[str, Any]]]:
    """Vector, file and document, for each signed document of these vectors that can be read."""
    places = [(path, file) for path in vectors for file in FORMS if (VECTORS / path / file).exists()]
    return [(path, file, json.loads((VECTORS / path / file).read_bytes())) for path, file in places]


def validator(form: str) -> jsonschema_rs.Draft202012Validator:
    schema = json.loads((PUBLISHED / f"{form}.schema.json").read_bytes())
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft202012Validator(schema)


def test_the_specification_names_the_digest_of_every_published_file() -> None:
    """An address that is given out once always leads to the same bytes. A new form gets a new address."""
    page = (ROOT / "docs/spec/vocabulary.md").read_text()
    listed = dict(re.findall(r"^\| `/vocab/wipe/v1/([a-z.-]+)` \|.*\| `([0-9a-f]{64})` \|$", page, re.MULTILINE))
    assert listed == {path.name: sha256(path.read_bytes()).hexdigest() for path in PUBLISHED.iterdir()}


def test_what_verifies_follows_the_published_schemas() -> None:
    forms = {form: validator(form) for form, _ in FORMS.values()}
    seen = Counter[str]()
    for path, file, document in documents(VALID):
        form = FORMS[file][0]
        assert [error.message for error in forms[form].iter_errors(document)] == [], f"{path}/{file}"
        seen[form] += 1
    assert min(seen.values()) > 5
    assert len(seen) == 4


def test_whatever_a_schema_refuses_the_verifier_refuses_too() -> None:
    forms = {form: validator(form) for form, _ in FORMS.values()}
    both = Counter[str]()
    for path, file, document in documents([vector["path"] for vector in MANIFEST if vector["fails"] == "shape"]):
        form, shape = FORMS[file]
        if not forms[form].is_valid(document):
            assert shape(document) is not None, f"only the schema refuses {path}/{file}"
            both[form] += 1
    assert sum(both.values()) > 10


@pytest.mark.parametrize("file", FORMS)
def test_a_member_too_many_or_too_few_is_refused_by_schema_and_verifier_alike(file: str) -> None:
    """The proof has a check of its own, so the shape leaves it alone; the schema has a form for it."""
    form, shape = FORMS[file]
    check = validator(form)
    refused = Counter[str]()
    (good,) = (document for _, name, document in documents(["revoked"]) if name == file)
    for place in _objects({name: value for name, value in good.items() if name != "proof"}):
        node = _at(good, place)
        for name in [*node, None]:
            spoilt = json.loads(json.dumps(good))
            if name is None:
                _at(spoilt, place)["unknown"] = 1
            else:
                del _at(spoilt, place)[name]
            by_schema, by_us = not check.is_valid(spoilt), shape(spoilt) is not None
            refused[f"{by_schema}"] += 1
            if (place[-1:], name) in ((("sanitisation",), "method"), (("medium",), "id")):
                continue  # Whether it may be missing depends on what stands beside it, which no schema compares.
            assert by_schema is by_us, f"{place} {name}"
    assert refused["True"] > refused["False"]


def _objects(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the objects in a document stand."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [place] if isinstance(value, dict) else []
    return found + [one for name, member in inner for one in _objects(member, (*place, name))]


def _at(document: Any, place: tuple[Any, ...]) -> Any:
    for name in place:
        document = document[name]
    return document


@with_untp
def test_certificates_follow_the_schema_of_untp_but_for_the_one_override() -> None:
    schema = json.loads((UNTP / "ConformityCredential.json").read_bytes())
    plain = jsonschema_rs.Draft202012Validator(schema)
    # W3C's status list has the index as a text; UNTP's schema has a number there.
    schema = json.loads(json.dumps(schema))
    schema["$defs"]["BitstringStatusListEntry"]["properties"]["statusListIndex"] = {"type": "string"}
    overridden = jsonschema_rs.Draft202012Validator(schema)
    with_entry = 0
    for path, file, document in documents(VALID):
        if file not in ("certificate.json", "accreditation.json"):
            continue
        assert [error.message for error in overridden.iter_errors(document)] == [], f"{path}/{file}"
        differ = [list(error.instance_path) for error in plain.iter_errors(document)]
        assert differ in ([], [["credentialStatus", "statusListIndex"]]), f"{path}/{file}"
        with_entry += bool(differ)
    assert with_entry > 5


@with_untp
def test_linked_data_readers_lose_no_word() -> None:
    """Every member and value comes back when a document is expanded and compacted again, and every term is absolute."""
    jsonld = pytest.importorskip("pyld").jsonld
    frozen = pytest.importorskip("pyld.documentloader.frozen")
    known = dict(frozen.BUNDLED_CONTEXTS)
    known[UNTP_CONTEXT] = json.loads((UNTP / "context-0.7.0.jsonld").read_bytes())
    known[WIPE_CONTEXT] = json.loads((PUBLISHED / "context.jsonld").read_bytes())
    options = {"documentLoader": frozen.FrozenDocumentLoader(documents=known)}
    seen = set()
    for path, file, document in documents(TOLD):
        if (form := (VECTORS / path / file).read_bytes()) in seen:
            continue
        seen.add(form)
        unsigned = {name: value for name, value in document.items() if name != "proof"}
        expanded = jsonld.expand(unsigned, options)
        compacted = jsonld.compact(expanded, {"@context": list(CONTEXT)}, options)
        assert _words(compacted) == _words(unsigned), f"{path}/{file}"
        assert _relative(expanded) == [], f"{path}/{file}"


def _words(value: Any) -> Counter[str]:
    """Names of members and values, however often and wherever."""
    if isinstance(value, dict):
        return sum((_words(member) for name, member in value.items() if name != "@context"), Counter(value.keys()))
    if isinstance(value, list):
        return sum((_words(item) for item in value), Counter())
    return Counter([repr(value)])


def _relative(value: Any) -> list[str]:
    """Types, ids and properties of an expanded document that are no absolute addresses."""
    if isinstance(value, list):
        return [found for item in value for found in _relative(item)]
    if not isinstance(value, dict):
        return []
    names = [name for name in value if not name.startswith("@")]
    names += [*value.get("@type", []), value.get("@id", "x:")] if "@value" not in value else []
    return [name for name in names if ":" not in name] + [
        found for name, member in value.items() if not name.startswith("@") for found in _relative(member)
    ]
