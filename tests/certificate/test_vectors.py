"""Every test vector says what its manifest says, and the set is as wide as it should be."""

import json
from pathlib import Path
from typing import Any

import pytest

from wipe_agent.certificate import CHECKS, Bundle, Trust, Unreadable, verify
from wipe_agent.certificate.times import read_time

VECTORS = Path(__file__).parents[1] / "vectors"
MANIFEST: list[dict[str, Any]] = json.loads((VECTORS / "manifest.json").read_bytes())


@pytest.mark.parametrize("vector", MANIFEST, ids=lambda vector: vector["name"])
def test_a_vector_verifies_or_fails_for_its_reason(vector: dict[str, Any]) -> None:
    trust = Trust.parse((VECTORS / vector["trust"]).read_bytes())
    if vector["fails"] == "bundle":
        with pytest.raises(Unreadable):
            Bundle.load(VECTORS / vector["path"])
        return
    bundle = Bundle.load(VECTORS / vector["path"])
    report = verify(bundle, trust, at=read_time(vector["at"]), training=vector["training"])
    assert (report.failed.name if report.failed else None) == vector["fails"], report.refusal
    assert report.ok is (vector["fails"] is None)
    if "cautions" in vector:
        assert [check.name for check in report.cautions] == vector["cautions"]


def test_every_vector_stands_in_the_manifest_and_every_check_has_a_failing_one() -> None:
    beside = {
        "README.md",
        "manifest.json",
        "trust.json",
        "trust-training.json",
        "trust-log.json",
        "trust-ended.json",
        "trust-keys-changed.json",
        "trust-keys-lost.json",
        "w3c-eddsa-jcs-2022.json",
    }
    listed = {vector["path"] for vector in MANIFEST} | beside
    assert {path.name for path in VECTORS.iterdir()} == listed
    assert {vector["fails"] for vector in MANIFEST} == {None, "bundle", *CHECKS}


@pytest.mark.parametrize("vector", [v for v in MANIFEST if v["fails"] is None], ids=lambda vector: vector["name"])
def test_a_vector_that_verifies_does_not_without_a_trust_file(vector: dict[str, Any]) -> None:
    report = verify(
        Bundle.load(VECTORS / vector["path"]), None, at=read_time(vector["at"]), training=vector["training"]
    )
    assert report.failed is not None
    assert report.failed.name == "trust"
    assert "no trusted issuer" in report.failed.text
