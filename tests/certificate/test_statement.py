"""The builders make what the verifier reads, and `issue` signs nothing that a verifier would refuse to read."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.certificate import scene as s
from tests.certificate.scene import Scene
from wipe_agent import certificate as c
from wipe_agent.certificate.times import is_time, read_time, write_time

ROOT = Path(__file__).parents[2]


def _issue(statement: dict[str, Any], name: str = "station", method: str = s.STATION) -> dict[str, Any]:
    return c.issue(statement, s.key(name), verification_method=method, created=s.SIGNED)


def _statement(**changes: Any) -> dict[str, Any]:
    documents = Scene().documents()
    return c.certificate_statement(
        **{
            "certificate_id": s.urn("certificate"),
            "issuer_did": s.CENTRE,
            "issuer_name": "Test Centre North",
            "valid_from": s.SIGNED,
            "training": False,
            "work_order": documents["work-order.json"],
            "accreditation": documents["accreditation.json"],
            "host_observed": {},
            "lines": s.lines(),
            **changes,
        }
    )


def test_all_three_documents_are_issued_by_one_function_and_verify() -> None:
    order = _issue(s.work_order_statement(), "market", s.MARKET + "#key-1")
    accreditation = _issue(s.accreditation_statement(), "accreditor", s.ACCREDITOR + "#key-1")
    certificate = _issue(_statement(work_order=order, accreditation=accreditation))
    bundle = c.Bundle.of(certificate=certificate, accreditation=accreditation, work_order=order)
    assert c.verify(bundle, c.Trust.parse(s.trust_file()), at=s.AT).ok


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"issuer_did": "north"}, "issuer.id is not a DID"),
        ({"issuer_name": ""}, "issuer.name is not a text"),
        ({"lines": []}, "conformityAssessment has 0 items"),
        ({"lines": [replace(s.lines()[0], bad_blocks=0.5)]}, "Only whole numbers"),
        ({"lines": [replace(s.lines()[0], size_bytes=2**60)]}, "2\\^53"),
        ({"lines": [replace(s.lines()[0], kind="tape")]}, "kind is not one of"),
        ({"lines": [replace(s.lines()[0], operator="A\nB")]}, "control character"),
        ({"lines": [replace(s.lines()[0], operator="A\u202eB")]}, "control character"),
        ({"host_observed": {"colour": "grey"}}, "unknown member 'colour'"),
    ],
)
def test_what_a_verifier_would_refuse_to_read_is_not_signed(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        _issue(_statement(**change))


def test_nobody_signs_with_a_key_of_somebody_else() -> None:
    with pytest.raises(ValueError, match="not a key of the issuer"):
        _issue(_statement(), method=s.MARKET + "#key-1")
    with pytest.raises(ValueError, match="name its key as DID#key"):
        _issue(_statement(), method=s.CENTRE)


def test_a_time_without_its_zone_is_not_certified() -> None:
    with pytest.raises(ValueError, match="time zone"):
        _statement(valid_from=datetime(2026, 3, 2))  # noqa: DTZ001 - the mistake that is tested


def test_times_are_cut_to_seconds_and_written_in_utc() -> None:
    cairo = datetime(2026, 3, 2, 18, 5, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert write_time(cairo) == "2026-03-02T16:05:00Z"
    assert read_time("2026-03-02T16:05:00Z") == datetime(2026, 3, 2, 16, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-02T16:05:00+00:00",
        "2026-03-02T16:05:00.0Z",
        "2026-03-02 16:05:00Z",
        "2026-03-02T16:05Z",
        "2026-03-02T24:00:00Z",
        "2026-03-02T16:05:60Z",
        "2026-02-29T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "20260302T160500Z",
        "2026-W10-1T16:05:00Z",
        " 2026-03-02T16:05:00Z",
        "2026-03-02T16:05:00Z\n",
        "٢٠٢٦-03-02T16:05:00Z",
        "",
    ],
)
def test_a_time_has_one_spelling(text: str) -> None:
    assert not is_time(text)
    with pytest.raises(ValueError, match=r"is not a time|day is out of range|month must be"):
        read_time(text)


def test_the_fixed_parts_of_one_statement_are_not_those_of_the_next() -> None:
    first = _statement()
    first["credentialSubject"]["referenceScheme"]["name"] = "changed"
    first["credentialSubject"]["conformityAssessment"][0]["conformityTopic"][0]["name"] = "changed"
    assert "changed" not in json.dumps(_statement())


def test_a_certificate_has_what_untp_requires() -> None:
    """The required members of the UNTP 0.7.0 schema, as listed in docs/spec/wipe-certificate.md."""
    for name in ("certificate.json", "accreditation.json"):
        document = Scene().documents()[name]
        attestation = document["credentialSubject"]
        assert document.keys() >= {"@context", "id", "issuer", "validFrom", "name", "credentialSubject"}
        assert document["@context"][:2] == [
            "https://www.w3.org/ns/credentials/v2",
            "https://vocabulary.uncefact.org/untp/0.7.0/context/",
        ]
        assert {"VerifiableCredential", "DigitalConformityCredential"} <= set(document["type"])
        assert attestation.keys() >= {
            "id", "name", "assessorLevel", "assessmentLevel", "attestationType", "issuedToParty", "referenceScheme",
        }  # fmt: skip
        for assessment in attestation["conformityAssessment"]:
            assert assessment.keys() >= {
                "id", "name", "assessmentCriteria", "assessmentDate", "assessedPerformance", "conformityTopic",
            }  # fmt: skip
        for endorsement in attestation.get("authorisation", []):
            assert endorsement.keys() >= {"name", "issuingAuthority"}
            assert endorsement["endorsementEvidence"].keys() >= {"linkURL", "linkName"}


def test_a_trust_file_with_a_bad_key_or_a_party_twice_is_refused() -> None:
    good = s.trust_document()
    for change, reason in (
        (lambda t: t["parties"].append(t["parties"][0]), "twice"),
        (lambda t: t["parties"][0].update(roles=["king"]), "is not one of accreditor, marketplace"),
        (lambda t: t.update(version=2), "version"),
        (
            lambda t: t["parties"][0]["didDocument"]["verificationMethod"][0].update(controller=s.MARKET),
            "somebody else",
        ),
        (
            lambda t: t["parties"][0]["didDocument"]["verificationMethod"][0].update(
                publicKeyMultibase=c.multibase.encode(b"\xed\x01\x01" + bytes(31))
            ),
            "small order",
        ),
    ):
        document = json.loads(json.dumps(good))
        change(document)
        with pytest.raises(c.Unreadable, match=reason):
            c.Trust.parse(json.dumps(document).encode())


_LOG, _WITNESS = s.trusted_log(), s.trusted_witness("north.example")


def test_a_trust_file_may_name_logs_and_how_many_witnesses_must_have_seen_a_certificate() -> None:
    plain = s.trust_document()
    assert not plain.keys() & {"logs", "witnesses", "witnessesNeeded"}
    assert c.Trust.of(plain).logs == ()
    document = c.trust_document(
        training=False,
        updated=s.DAY,
        parties=plain["parties"],
        logs=[_LOG],
        witnesses=[_WITNESS],
        witnesses_needed=1,
    )
    trust = c.Trust.of(document)
    assert (trust.logs[0].origin, trust.witnesses[0].name, trust.witnesses_needed) == (s.LOG, "north.example", 1)
    for change, reason in (
        (lambda t: t.update(witnessesNeeded=2), "asks for 2 witnesses but names 1"),
        (lambda t: t.pop("logs"), "witnesses and witnessesNeeded but not all"),
        (lambda t: t["logs"].append(_LOG), "lists a log twice"),
        (lambda t: t["witnesses"].append(_WITNESS), "lists a witness twice"),
        (lambda t: t["witnesses"].append({**s.trusted_witness("other.example", key="north.example")}), "witness twice"),
        (
            lambda t: t["witnesses"].append(s.trusted_witness("other.example", key=s.LOG)),
            "a log as a witness of itself",
        ),
        (lambda t: t["witnesses"][0].update(vkey="north"), "is not a verifier key"),
        (lambda t: t["witnesses"][0].update(vkey=_LOG["vkey"]), "as a witness, which is for something else"),
        (lambda t: t["logs"][0].update(vkey=_WITNESS["vkey"]), "as a log, which is for something else"),
        (lambda t: t["logs"][0].update(origin="other.example/log"), "another name than the log's origin"),
        (lambda t: t["logs"][0].update(vkey=_LOG["vkey"].replace("+", "+0", 1)), "is not a verifier key"),
        (lambda t: t["logs"][0].update(vkey=_LOG["vkey"][:-4] + "AAAA"), "an id that is not its own"),
        (lambda t: t.update(logs=[]), "0 items"),
    ):
        spoilt = json.loads(json.dumps(document))
        change(spoilt)
        with pytest.raises(c.Unreadable, match=reason):
            c.Trust.of(spoilt)


def test_a_key_that_may_not_assert_signs_nothing() -> None:
    document = s.trust_document()
    document["parties"][1]["didDocument"]["assertionMethod"] = []
    trust = c.Trust.parse(json.dumps(document).encode())
    report = c.verify(c.Bundle.from_files(Scene().files()), trust, at=s.AT)
    assert report.failed is not None
    assert report.failed.name == "work-order-proof"


def test_the_example_of_the_specification_is_a_vector_that_verifies() -> None:
    for page, name in (
        ("wipe-certificate.md", "certificate.json"),
        ("work-order.md", "work-order.json"),
        ("accreditation.md", "accreditation.json"),
    ):
        example = re.search(r"```json\n(\{.*?\n\})\n```", (ROOT / "docs/spec" / page).read_text(), re.DOTALL)
        assert example is not None
        vector = (ROOT / "tests/vectors/valid-one-drive" / name).read_bytes()
        assert json.loads(example[1]) == json.loads(vector), page


def test_the_examples_of_the_status_list_are_vectors() -> None:
    page = (ROOT / "docs/spec/status.md").read_text()
    shown, place = re.findall(r"```json\n(\{.*?\n\})\n```", page, re.DOTALL)
    assert json.loads(shown) == json.loads((ROOT / "tests/vectors/revoked/status.json").read_bytes())
    certificate = json.loads((ROOT / "tests/vectors/revoked/certificate.json").read_bytes())
    assert json.loads(place) == certificate["credentialStatus"]


def test_the_specification_tells_every_check_and_every_name() -> None:
    page = (ROOT / "docs/spec/wipe-certificate.md").read_text()
    for name in c.CHECKS:
        assert f"`{name}`" in page, name
    for word in (*c.vocabulary.MEDIUM_KINDS, *c.vocabulary.EVIDENCE_CLASSES, *c.vocabulary.LEVELS, *c.bundle.LIMITS):
        assert f"`{word}`" in page, word
