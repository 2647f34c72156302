"""What a certificate comes to in plain words: green only for what proves something."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from ewaste.certificates.registry import Verified
from ewaste.web import verdict
from wipe_agent.certificate import CHECKS as CERTIFICATE_CHECKS

CHECKS = [
    {"name": name, "ok": True, "text": name} for name in ("readable", "trust", "device", "times", "status", "new")
]


def verified(*, training: bool = False, refusal: str | None = None, **changes: Any) -> Verified:
    statement: Any = SimpleNamespace(
        training=training,
        lines=[1, 2],
        created=datetime(2026, 11, 20, tzinfo=UTC),
        issuer_name="Rhein Datenpark",
        device_code="D-7K3M-9QXA",
    )
    return Verified(changes.get("checks", CHECKS), statement, refusal)


@pytest.mark.parametrize(
    ("given", "standing", "kind", "tone"),
    [
        (verified(), "live", "proves", "safe"),
        (verified(), "unknown", "unknown", "work"),
        (verified(training=True), "live", "training", "wait"),
        (verified(training=True), "unknown", "training", "wait"),
        (verified(), "revoked", "revoked", "bad"),
        (verified(training=True), "revoked", "revoked", "bad"),
        (verified(), "refused", "refused", "bad"),
        (verified(refusal="The seal is broken."), "live", "fails", "bad"),
        (Verified([], None, "It cannot be read."), "unknown", "fails", "bad"),
    ],
)
def test_only_a_real_certificate_that_stands_is_green(given: Verified, standing: str, kind: str, tone: str) -> None:
    told = verdict.verdict(given, standing, "The station was broken.", "laptop", None)
    assert (told["kind"], told["tone"]) == (kind, tone)


def test_what_is_proven_is_said_first_and_then_by_whom() -> None:
    told = verdict.verdict(verified(), "live", None, "laptop", None)
    assert told["headline"] == "The data on this laptop is gone."
    assert told["sentence"].replace("\u00a0", " ") == (
        "Checked on 20 November 2026 by Rhein Datenpark: 2 storage media covered, on device D-7K3M-9QXA."
    )
    assert told["advice"] is None


def test_every_check_stands_under_one_question_also_one_that_is_new() -> None:
    told = verdict.verdict(verified(), "live", None, None, None)
    assert sorted(check["name"] for group in told["groups"] for check in group["checks"]) == sorted(
        check["name"] for check in CHECKS
    )
    assert told["groups"][-1]["title"] == "Other checks"


def test_a_check_that_failed_is_named_and_its_question_stands_open() -> None:
    checks = [*CHECKS[:2], {"name": "device", "ok": False, "text": "It is about another device."}]
    told = verdict.verdict(verified(refusal="It is about another device.", checks=checks), "unknown", None, None, None)
    assert told["failed"] == "It is about another device."
    assert [group["failed"] for group in told["groups"]] == [False, False, True]
    assert "Do not rely on it" in told["advice"]


def test_a_verification_that_stopped_says_where_of_how_many() -> None:
    names = [name for _, group in verdict.GROUPS for name in group]
    assert len(names) == verdict.ALL_CHECKS == len(CERTIFICATE_CHECKS)
    passed = [{"name": name, "ok": True} for name in names]
    assert verdict.counted(passed) == "24 of 24 checks passed"
    assert verdict.counted([*passed[:7], {"name": names[7], "ok": False}]) == "Stopped at check 8 of 24"
