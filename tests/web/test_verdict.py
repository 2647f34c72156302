"""What a certificate comes to in plain words: green only for what proves something."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ewaste.certificates import registry
from ewaste.certificates.registry import Verified
from ewaste.web import verdict
from wipe_agent.certificate import CHECKS as CERTIFICATE_CHECKS
from wipe_agent.certificate import Bundle, Trust, verify

VECTORS = Path(__file__).parents[1] / "vectors"
AT = datetime(2026, 3, 3, 12, tzinfo=UTC)
REPORT = verify(
    Bundle.load(VECTORS / "valid-two-drives"), Trust.parse((VECTORS / "trust.json").read_bytes()), at=AT, training=False
)
assert REPORT.statement is not None
STATEMENT = REPORT.statement
CHECKS = [
    {"name": name, "ok": True, "text": name} for name in ("readable", "trust", "device", "times", "status", "new")
]


def verified(*, training: bool = False, refusal: str | None = None, **changes: Any) -> Verified:
    statement = dataclasses.replace(
        STATEMENT,
        training=training,
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
        (verified(), "doubt", "doubt", "wait"),
        (verified(training=True), "doubt", "doubt", "wait"),
        (verified(refusal="The seal is broken."), "doubt", "fails", "bad"),
        (verified(refusal="The seal is broken."), "live", "fails", "bad"),
        (Verified([], None, "It cannot be read."), "unknown", "unread", "quiet"),
    ],
)
def test_only_a_real_certificate_that_stands_is_green(given: Verified, standing: str, kind: str, tone: str) -> None:
    told = verdict.verdict(given, standing, "The station was broken.", "laptop", None)
    assert (told["kind"], told["tone"]) == (kind, tone)


def test_no_wording_makes_a_certificate_revoked_or_late() -> None:
    log = {"name": "log", "ok": True, "level": "caution", "text": "Late-witnessed: it is dated 2 March."}
    status = {"name": "status", "ok": False, "level": "fails", "text": "The certificate was revoked on 3 March."}

    def kind(*checks: dict[str, Any]) -> str:
        refusal = next((str(check["text"]) for check in checks if not check["ok"]), None)
        return str(verdict.verdict(verified(refusal=refusal, checks=list(checks)), "live", None, None, None)["kind"])

    assert (kind(log), kind(status)) == ("proves", "fails")
    assert (kind(log | {"code": "late"}), kind(status | {"code": "revoked"})) == ("late", "revoked")


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
    assert told["headline"] == "This certificate is not valid."
    assert told["sentence"] == "It was made for another device than the one that was to be wiped."
    assert [group["failed"] for group in told["groups"]] == [False, False, True, False, False]
    assert "Do not rely on it" in told["advice"]
    assert "Wipe" not in told["headline"] + told["sentence"]


def test_what_was_not_reached_is_named_and_not_left_out() -> None:
    checks = [*CHECKS[:1], {"name": "trust", "ok": False, "level": "fails", "text": "Nobody knows them."}]
    told = verdict.verdict(verified(refusal="Nobody knows them.", checks=checks), "unknown", None, None, None)
    names = [check["name"] for group in told["groups"] for check in group["checks"]]
    assert sorted(names) == sorted(CERTIFICATE_CHECKS)
    unreached = [check for group in told["groups"] for check in group["checks"] if check["ok"] is None]
    assert len(unreached) == len(CERTIFICATE_CHECKS) - 2
    assert {check["text"] for check in unreached} == {verdict.NOT_REACHED}


def test_no_two_outcomes_look_alike_even_without_colour() -> None:
    assert len({kind.label for kind in verdict.KINDS.values()}) == len(verdict.KINDS)
    assert len({(kind.symbol, kind.tone) for kind in verdict.KINDS.values()}) >= len(verdict.KINDS) - 1


def test_every_check_has_a_word_for_the_reader_when_it_fails() -> None:
    assert set(verdict.REASONS) == set(CERTIFICATE_CHECKS)


def test_the_browser_is_given_the_words_for_how_a_medium_was_wiped() -> None:
    assert verdict.for_scripts("/imprint")["techniques"]["overwrite-zeros"] == "Overwritten with zeros"


def test_a_check_shows_by_what_it_was_found() -> None:
    told = verdict.verdict(verified(), "live", None, None, None)
    shown = {check["name"]: check["evidence"] for group in told["groups"] for check in group["checks"]}
    assert ("Device", "D-7K3M-9QXA") in shown["device"]
    assert shown["readable"] == []


def test_paper_that_was_made_from_another_document_is_never_shown_as_good() -> None:
    for training in (False, True):
        told = verdict.verdict(verified(training=training), "live", None, "laptop", None, other_digest=True)
        assert (told["kind"], told["tone"]) == ("another", "bad")
    assert verdict.verdict(verified(), "revoked", "x", None, None, other_digest=True)["kind"] == "revoked"


def test_a_verification_that_stopped_says_where_of_how_many() -> None:
    names = [name for _, group in verdict.GROUPS for name in group]
    assert len(names) == verdict.ALL_CHECKS == len(CERTIFICATE_CHECKS)
    passed = [{"name": name, "ok": True} for name in names]
    assert verdict.counted(passed) == "24 of 24 checks passed"
    assert verdict.counted([*passed[:7], {"name": names[7], "ok": False}]) == "Stopped at check 8 of 24"


@pytest.mark.parametrize(
    ("vector", "kind"),
    [
        ("valid-witnessed", "proves"),
        ("valid-late-witnessed", "late"),
        ("valid-one-drive", "unknown"),
        ("revoked", "revoked"),
        ("accreditation-revoked", "revoked"),
        ("list-changed", "fails"),
        ("jwt-says-another", "fails"),
    ],
)
def test_what_a_bundle_brings_decides_without_our_register(vector: str, kind: str) -> None:
    files = {path.name: path.read_bytes() for path in (VECTORS / vector).iterdir()}
    trust = (VECTORS / "trust-log.json").read_bytes()
    told = verdict.verdict(registry.verify_publicly(files, trust, at=AT, training=False), "unknown", None, None, None)
    assert told["kind"] == kind
    assert (told["tone"] == "safe") is (kind == "proves")


def of_vector(vector: str, standing: str = "unknown", trust: str = "trust-log.json") -> dict[str, Any]:
    """What the page says of a bundle of the vectors."""
    files = {path.name: path.read_bytes() for path in (VECTORS / vector).iterdir()}
    found = registry.verify_publicly(files, (VECTORS / trust).read_bytes(), at=AT, training=False)
    return verdict.verdict(
        found, standing, "The drive was found unwiped." if standing == "revoked" else None, None, None
    )


def test_the_device_is_named_to_be_held_against_the_one_in_the_hand() -> None:
    told = of_vector("valid-witnessed")
    assert told["device"] == "Dell Latitude 5400, serial 8XK2Q13. Compare it with the device in your hand."
    assert of_vector("revoked")["device"] == told["device"]
    assert of_vector("changed-after-signing")["device"] is None, "what was changed names no device"


def test_as_of_when_it_is_known_is_said_where_only_the_file_tells() -> None:
    said = "As known on 3 March 2026, 12:00 UTC. Whether it was revoked since, only a new look-up can say."
    assert of_vector("valid-witnessed")["as_of"] == said
    assert of_vector("valid-witnessed", "live")["as_of"] is None, "our register was asked just now"
    assert of_vector("valid-without-lists")["as_of"] is None
    old = of_vector("valid-lists-from-before-it")
    assert (old["kind"], old["as_of"]) == ("unknown", said.replace("3 March", "2 March").replace("12:00", "15:59"))


def test_what_our_register_alone_knows_is_told_apart_from_what_the_file_says() -> None:
    ours = of_vector("valid-witnessed", "revoked")
    assert (ours["kind"], ours["register"], ours["alone"]) == ("revoked", "revoked", {"ok": True, "failed": ""})
    listed = of_vector("revoked", "revoked")
    assert (listed["kind"], listed["register"], listed["alone"]["failed"]) == ("revoked", "", "status")
    assert of_vector("valid-witnessed", "live")["register"] == ""


def test_each_verdict_that_is_red_says_its_own_next_step() -> None:
    assert of_vector("valid-witnessed", "revoked")["advice"] == (
        "Do not rely on it. The device must be wiped and certified again. Was it yours, or did you buy it? Write to us."
    )
    assert "Ask whoever gave it to you" in of_vector("changed-after-signing")["advice"]
    red = {name for name, kind in verdict.KINDS.items() if kind.tone == "bad"}
    assert set(verdict.ADVICE) == red | {"doubt"}


def test_what_is_in_doubt_is_not_called_revoked_before_that_is_decided() -> None:
    because = "Others may have had the key that signed it, since 3 March 2026, 08:00 UTC."
    standing = {"verified": "valid-witnessed", "by the list already": "key-stolen-before"}
    told = {}
    for name, vector in standing.items():
        files = {path.name: path.read_bytes() for path in (VECTORS / vector).iterdir()}
        found = registry.verify_publicly(files, (VECTORS / "trust-log.json").read_bytes(), at=AT, training=False)
        told[name] = verdict.verdict(found, "doubt", because, "laptop", None)
    for each in told.values():
        assert (each["kind"], each["tone"], each["label"], each["register"]) == (
            "doubt", "wait", "Being looked at", "doubt",
        )  # fmt: skip
        assert each["headline"] == "This certificate is in doubt. We are looking at it again."
    assert told["verified"]["sentence"] == because
    assert told["by the list already"]["sentence"] == f"{because} {verdict.FILES_ALONE}"
    # What the browser is held against is what the files say, and not what we say.
    assert told["verified"]["alone"] == {"ok": True, "failed": ""}
    assert told["by the list already"]["alone"] == {"ok": False, "failed": "status"}


def test_a_revoked_certificate_names_the_one_that_took_its_place() -> None:
    files = {path.name: path.read_bytes() for path in (VECTORS / "revoked").iterdir()}
    found = registry.verify_publicly(files, (VECTORS / "trust-log.json").read_bytes(), at=AT, training=False)
    told = verdict.verdict(found, "revoked", "Files were found on it.", None, None, newer=("/certificates/x", AT))
    assert told["newer"] == ("/certificates/x", AT)
    assert told["advice"] == verdict.WIPED_AGAIN
    assert "must be wiped" not in told["advice"]
    assert told["not_means"] == (
        "By itself it does not show that data is still there. If something was found, the reason above says so.",
    )


def test_what_was_not_looked_at_is_not_counted_as_failed() -> None:
    told = of_vector("changed-after-signing")
    assert [group["count"] for group in told["groups"]] == [
        "4 of 4 held",
        "1 failed, 3 held, 4 not looked at",
        "not looked at",
        "not looked at",
        "not looked at",
    ]
    assert [group["count"] for group in of_vector("valid-late-witnessed")["groups"]][-1] == "5 of 5 held, 1 with a note"


def test_files_that_are_missing_are_named_and_nothing_is_called_false() -> None:
    told = of_vector("no-accreditation", trust="trust.json")
    assert (told["kind"], told["tone"], told["advice"], told["device"]) == ("missing", "quiet", None, None)
    assert told["sentence"] == "Missing: accreditation.json. Choose the .zip as you downloaded it."
