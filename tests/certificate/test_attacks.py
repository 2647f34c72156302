"""Every attack that the format was made to withstand, by name, with its refusal in words.

`INDEX` is the list, in the order of docs/spec/attacks.md. What the document alone shows is tried here; what only the
market can know (its database, its clock, its stations) is tried where it is decided, and named here with its place.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.certificate import scene as s
from tests.certificate.refusals import refused, replaced, report_of, verified
from tests.certificate.scene import After, Scene
from wipe_agent import certificate as c
from wipe_agent.certificate import status

ROOT = Path(__file__).parents[2]
ACCREDITORS = "tests/centres/test_other_accreditors.py"
GATE = "tests/certificates/test_refused.py"
SALES = "tests/certificates/test_gate.py"
HTTP = "tests/web/test_matrix.py"
STANDING = "tests/certificate/test_standing.py"
LOG = "tests/transparency/test_steps.py"
BUNDLE = "tests/certificate/test_bundle.py"
BROWSER = "tests/certificate/test_javascript.py"
TEXTS = "tests/certificate/test_attacks_on_texts.py"

INDEX: dict[str, tuple[str, ...]] = {
    "A certificate used for another device": (
        "test_a_certificate_for_another_device_is_refused",
        "test_a_certificate_kept_from_the_device_s_last_stay_is_refused",
        f"{GATE}::test_a_certificate_for_another_device_is_refused",
        f"{GATE}::test_a_certificate_of_an_earlier_custody_cycle_is_refused",
    ),
    "Cloned serial numbers": (
        "test_another_drive_with_the_same_serial_number_is_told_by_its_worldwide_name",
        "test_one_drive_does_not_stand_for_two",
        "tests/journeys/test_holes_closed.py::test_a_drive_spelled_in_other_letters_is_still_the_same_drive",
    ),
    "Two live certificates for one medium": (
        "test_a_new_certificate_must_name_the_one_that_it_supersedes",
        f"{GATE}::test_a_second_certificate_for_one_work_order_is_a_replay",
        f"{SALES}::test_a_clearance_lasts_for_one_custody_cycle",
    ),
    "A certificate under the number of another": (
        "tests/web/test_public.py::test_a_certificate_under_the_number_of_another_does_not_stand_in_its_place",
        f"{GATE}::test_a_certificate_does_not_take_the_number_of_another_nor_that_of_our_entry",
    ),
    "A dock or adapter taken for the device": ("test_a_drive_wiped_in_a_dock_needs_the_record_of_its_removal",),
    "An accreditation that had ended": (
        "test_an_accreditation_that_ended_before_the_signature_is_refused",
        f"{GATE}::test_a_certificate_signed_after_the_accreditation_ended_is_refused",
    ),
    "Work outside of the accredited scope": (
        "test_what_the_centre_is_not_accredited_for_is_refused",
        f"{GATE}::test_what_lies_outside_of_a_centres_scope_is_refused",
    ),
    "Backdating": (
        "test_a_certificate_that_nobody_saw_within_a_day_is_shown_as_witnessed_late",
        "test_a_wipe_dated_before_its_order_is_refused",
        f"{GATE}::test_a_wipe_dated_before_its_work_order_is_refused",
    ),
    "Issued before the wipe had ended": ("test_steps_out_of_order_are_refused",),
    "An implausible duration": ("test_what_went_faster_than_the_medium_can_is_refused",),
    "A stolen key": (
        "test_what_a_stolen_key_signed_and_nobody_saw_before_is_refused",
        f"{GATE}::test_nothing_that_a_revoked_station_signed_counts",
    ),
    "A centre whose accreditation was revoked": (
        "test_a_certificate_of_a_centre_revoked_for_fraud_is_refused",
        f"{GATE}::test_a_suspended_centre_clears_nothing_until_it_is_reinstated",
    ),
    "An accreditor that goes on after its end": (
        f"{ACCREDITORS}::test_a_certificate_under_another_accreditor_clears_until_that_one_ends",
        f"{ACCREDITORS}::test_the_site_and_the_browser_judge_by_one_trust_file_what_an_ended_accreditor_let_sign",
    ),
    "An accreditor's or the market's old key": (
        "test_what_is_dated_after_the_end_of_its_key_is_refused",
        "test_what_others_may_have_signed_with_a_lost_key_counts_only_where_witnesses_had_seen_it",
    ),
    "An accreditation that takes another centre's place in a list": (
        f"{ACCREDITORS}::test_an_accreditor_hands_in_what_it_signed_with_a_key_that_we_do_not_hold",
        f"{ACCREDITORS}::test_a_credential_that_names_another_centres_place_takes_nobody_else_down",
    ),
    "Two readings of one text": (
        f"{TEXTS}::test_what_two_readers_could_read_in_two_ways_is_not_read",
        f"{TEXTS}::test_a_letter_that_only_looks_the_same_is_another_letter",
        "tests/web/test_public.py::test_what_is_said_twice_is_not_taken_as_said_once",
    ),
    "An archive that shows each reader another certificate": (
        f"{BUNDLE}::test_an_archive_in_which_two_readers_could_find_two_certificates_is_not_read",
        f"{BROWSER}::test_both_find_the_same_files_in_an_archive_or_refuse_it_in_the_same_words",
    ),
    "Huge or nested documents": (f"{TEXTS}::test_what_is_huge_or_nested_is_refused_before_anything_is_looked_at",),
    "Archives and lists that inflate": (
        f"{TEXTS}::test_an_archive_that_inflates_is_read_up_to_its_limit",
        f"{TEXTS}::test_a_status_list_that_inflates_is_read_up_to_its_limit",
    ),
    "Another algorithm chosen by the message": (
        f"{TEXTS}::test_the_message_does_not_choose_its_algorithm",
        f"{TEXTS}::test_a_key_under_which_everything_verifies_is_not_used",
        f"{TEXTS}::test_the_second_form_does_not_choose_its_algorithm_either",
    ),
    "An unknown or appended context": (f"{TEXTS}::test_words_must_mean_what_the_format_says",),
    "A log that shows two faces": (
        f"{TEXTS}::test_two_logs_of_one_size_are_seen",
        f"{TEXTS}::test_a_log_that_forgot_an_entry_is_seen",
    ),
    "Clocks that differ": ("test_clocks_may_differ_by_five_minutes_and_no_more",),
    "A stale status shown offline": (
        "test_a_status_list_that_is_not_fresh_is_said_to_be_so",
        f"{STANDING}::test_a_revocation_in_an_old_list_still_counts",
    ),
    "A challenge or nonce used twice": (
        "test_an_answer_to_another_challenge_is_refused",
        f"{GATE}::test_one_certificate_sent_at_once_from_two_desks_clears_once",
        f"{HTTP}::test_a_signed_request_counts_once",
    ),
    "A device said to have no storage": ("test_that_nothing_is_there_must_be_shown_by_two_people_and_a_photograph",),
    "A chain of custody cut short": (
        "tests/devices/test_custody.py::test_a_missing_last_link_shows",
        f"{LOG}::test_a_chain_that_was_cut_and_made_to_fit_again_shows_by_the_head_that_the_log_has",
    ),
    "Keys brought along in the bundle": (f"{TEXTS}::test_keys_that_come_with_a_bundle_count_for_nothing",),
    "Practice shown as real": (
        "test_practice_is_not_taken_for_real_work",
        f"{GATE}::test_practice_counts_for_nothing_in_a_live_market",
    ),
    "A line of a drive left out": (
        "test_a_drive_that_was_left_out_is_missed",
        f"{GATE}::test_a_medium_that_was_found_after_the_work_order_is_missed",
    ),
}


# ---------------------------------------------------------------------------- the wrong device, the wrong drive


def other_device(order: dict[str, Any]) -> None:
    order["id"] = s.urn("another order")
    order["credentialSubject"]["device"] |= {"id": s.urn("another device"), "code": "LT-OTHER"}
    order["credentialSubject"]["challenge"] = s.challenge("second")


def test_a_certificate_for_another_device_is_refused() -> None:
    other = Scene(change_order=other_device).files()["work-order.json"]
    report = verified(replaced(Scene().files(), work_order=other))
    assert refused(Scene(), report=report) == (
        "work-order",
        (
            "The certificate answers another work order than the one in the bundle. "
            "A certificate for one device cannot be used for another."
        ),
    )


def test_a_certificate_kept_from_the_device_s_last_stay_is_refused() -> None:
    def second(order: dict[str, Any]) -> None:
        order["credentialSubject"]["custodyCycle"] = 2

    def first(certificate: dict[str, Any]) -> None:
        certificate["wipe"]["custodyCycle"] = 1

    assert refused(Scene(change_order=second, change_certificate=first)) == (
        "device",
        "The certificate is for custody cycle 1, the work order for 2. A device that came back is wiped again.",
    )


def test_another_drive_with_the_same_serial_number_is_told_by_its_worldwide_name() -> None:
    nvme, hdd = s.lines()
    check, text = refused(Scene(lines=[replace(nvme, wwn="eui.0025388700009999"), hdd]))
    assert (check, text) == (
        "coverage",
        (
            "Samsung PM981a (serial S4GXNF0M700001) has another world wide name than the work order expects. "
            "Another medium was wiped."
        ),
    )


def test_one_drive_does_not_stand_for_two() -> None:
    nvme, hdd = s.lines()
    check, text = refused(Scene(lines=[nvme, replace(nvme, medium_id=hdd.medium_id)]))
    assert check == "coverage"
    assert text.endswith("stands on the certificate twice. Each medium is certified once.")


def test_a_new_certificate_must_name_the_one_that_it_supersedes() -> None:
    def second(order: dict[str, Any]) -> None:
        order["credentialSubject"] |= {"custodyCycle": 2, "supersedes": s.urn("first certificate")}

    scene = Scene(change_order=second, change_certificate=lambda made: made["wipe"].pop("supersedes"))
    assert refused(scene) == (
        "work-order",
        "The certificate does not supersede the one that its work order names.",
    )


def test_a_drive_wiped_in_a_dock_needs_the_record_of_its_removal() -> None:
    check, text = refused(Scene(host_observed={"serial": "DOCK-1"}))
    assert check == "host"
    assert text == (
        "Samsung PM981a (serial S4GXNF0M700001) was wiped in a machine with the serial number DOCK-1, but the device "
        "has 8XK2Q13. Record how the medium was taken out, and issue a new certificate."
    )
    removed = [replace(line, removal_event=s.urn("removal")) for line in s.lines()]
    assert Scene(host_observed={"serial": "DOCK-1"}, lines=removed).report().ok


def test_a_drive_that_was_left_out_is_missed() -> None:
    check, text = refused(Scene(lines=s.lines()[:1]))
    assert check == "coverage"
    assert "This certificate covers one medium. Dell Latitude 5400 has 2. Missing: Seagate ST1000LM035" in text


def absent(**changes: Any) -> c.MediumLine:
    photograph = c.Evidence(
        name="The open case",
        url=s.urn("photograph"),
        digest_multibase=c.digest_of(b"a photograph"),
        media_type="image/jpeg",
    )
    empty = replace(
        s.lines()[1],
        model="",
        manufacturer="",
        serial="",
        size_bytes=0,
        level=None,
        technique="case opened, bay found empty",
        evidence_class="absent",
        bytes_read=0,
        exclusions=[],
        evidence=[photograph],
    )
    return replace(empty, **changes)


def test_that_nothing_is_there_must_be_shown_by_two_people_and_a_photograph() -> None:
    def unknown(order: dict[str, Any]) -> None:
        order["credentialSubject"]["media"][1] |= {"model": "", "serial": ""}

    def scene(line: c.MediumLine) -> Scene:
        return Scene(change_order=unknown, lines=[s.lines()[0], line])

    assert scene(absent()).report().ok
    for line in (absent(validator=None), absent(evidence=())):
        assert refused(scene(line)) == (
            "evidence",
            "The absence of the hard disk needs two people and a photograph. One is missing.",
        )
    assert refused(scene(absent(validator="a.  WEAVER")))[1] == (
        "the hard disk was validated by the operator who wiped it. A second person must do that."
    )
    assert refused(scene(absent(size_bytes=512)))[1] == "the hard disk is certified as absent, and yet identified."
    # An empty listing is no evidence at all: a certificate has one line at least.
    assert refused(Scene(lines=[]))[0] == "shape"


# ---------------------------------------------------------------------------- who may, and when


def ends(time: str) -> s.Change:
    def change(document: dict[str, Any]) -> None:
        document["validUntil"] = time

    return change


def test_an_accreditation_that_ended_before_the_signature_is_refused() -> None:
    assert refused(Scene(change_accreditation=ends("2026-03-02T12:00:00Z"))) == (
        "accreditation-dates",
        (
            "The accreditation of Test Centre North ended 2026-03-02 12:00 UTC, before the certificate was signed "
            "(2026-03-02 16:05 UTC)."
        ),
    )


def test_what_the_centre_is_not_accredited_for_is_refused() -> None:
    def without(name: str, value: str) -> s.Change:
        return lambda made: made["credentialSubject"]["conformityAssessment"][0]["accreditationScope"][name].remove(
            value
        )

    assert refused(Scene(change_accreditation=without("mediaKinds", "hdd"))) == (
        "scope",
        (
            "Test Centre North is not accredited for the kind hard disk, and Seagate ST1000LM035 (serial WL1ABCDE) is "
            "one. It must go to a centre that is."
        ),
    )
    assert refused(Scene(change_accreditation=without("methods", "clear"))) == (
        "scope",
        "Test Centre North is not accredited to clear, and certifies that of Samsung PM981a (serial S4GXNF0M700001).",
    )


def test_a_certificate_that_nobody_saw_within_a_day_is_shown_as_witnessed_late() -> None:
    """Not refused: stations work for days without a network. But nobody takes its own date for proven."""
    late = s.SIGNED + timedelta(days=3)
    report = report_of(
        Scene(listed=True), After(witnessed={"north.example": late, "south.example": late}, listed_from=late), at=late
    )
    said = next(check for check in report.checks if check.name == "log")
    assert (said.level, report.ok) == ("caution", True)
    assert said.text == (
        "Late-witnessed: it is dated 2026-03-02 16:05 UTC, and was seen in the log by 2 witnesses only on "
        "2026-03-05 16:05 UTC. For the time between, there is only the centre's word."
    )


def test_a_wipe_dated_before_its_order_is_refused() -> None:
    nvme, hdd = s.lines()
    assert refused(Scene(lines=[replace(nvme, started=s.at(8, 54)), hdd])) == (
        "times",
        (
            "The wipe of Samsung PM981a (serial S4GXNF0M700001) is dated before its work order. It cannot answer that "
            "order."
        ),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ended": s.at(9, 29)}, "ended before it began"),
        ({"verified": s.at(9, 39)}, "was verified before it ended"),
        ({"validated": s.at(9, 45)}, "was validated before it was verified"),
        ({"validated": s.at(17)}, "was certified before it was validated"),
        ({"verified": s.at(17), "validated": None, "validator": None}, "was certified before it was verified"),
    ],
)
def test_steps_out_of_order_are_refused(change: dict[str, Any], words: str) -> None:
    nvme, hdd = s.lines()
    check, text = refused(Scene(lines=[replace(nvme, **change), hdd]))
    assert check == "times"
    assert text == f"The wipe of Samsung PM981a (serial S4GXNF0M700001) {words}. These times cannot be true."


def test_what_went_faster_than_the_medium_can_is_refused() -> None:
    nvme, hdd = s.lines()
    assert refused(Scene(lines=[nvme, replace(hdd, ended=s.at(9, 32))])) == (
        "duration",
        "Seagate ST1000LM035 (serial WL1ABCDE) was overwritten faster than such a medium can be written.",
    )
    assert refused(Scene(lines=[nvme, replace(hdd, verified=s.at(12, 31))])) == (
        "duration",
        "Seagate ST1000LM035 (serial WL1ABCDE) was read back faster than such a medium can be read.",
    )


def test_what_a_stolen_key_signed_and_nobody_saw_before_is_refused() -> None:
    """Stolen at 16:30, told at 20:00. The witnesses saw the honest certificate at 17:00: after the theft."""
    stolen = s.station_fallen("The station was stolen.", at=s.at(20), compromised_since=s.at(16, 30))
    check, text = refused(Scene(listed=True), after=After(keys=[stolen]))
    assert check == "status"
    assert "The station was stolen" in text
    later = s.station_fallen("The station was stolen.", at=s.at(20), compromised_since=s.at(19))
    assert report_of(Scene(listed=True), After(keys=[later])).ok


def test_a_certificate_of_a_centre_revoked_for_fraud_is_refused() -> None:
    fraud = status.Withdrawn(8, s.at(20), "The centre certified what it did not wipe.", s.at(8))
    check, text = refused(Scene(listed=True), after=After(accreditation_withdrawn=[fraud]))
    assert check == "status"
    assert "certified what it did not wipe" in text


_NEW = After(
    list_key=("market 2", f"{s.MARKET}#key-2"), accreditation_list_key=("accreditor 2", f"{s.ACCREDITOR}#key-2")
)
"""What comes after a certificate, from a market and an accreditor with new keys."""


def _under_new_keys(scene: Scene, after: After, *, lost: datetime | None = None) -> c.Report:
    documents = scene.documents()
    files = {name: c.canonical(document) for name, document in documents.items()}
    files |= after.files(documents["certificate.json"])
    trust = c.Trust.of(s.trust_with_new_keys(lost=lost))
    return c.verify(c.Bundle.from_files(files), trust, at=s.AT)


def test_what_is_dated_after_the_end_of_its_key_is_refused() -> None:
    scene = Scene(listed=True)
    assert _under_new_keys(scene, _NEW).ok
    late = s.SIGNED + timedelta(seconds=1)
    dates = "which ended 2026-03-02 16:00 UTC, before that was signed (2026-03-02 16:05 UTC)."
    for told, name, method in (
        (replace(scene, accredited=late), "accreditation", "did:web:accreditor.example#key-1"),
        (replace(scene, ordered=late), "work-order", "did:web:market.example#key-1"),
    ):
        failed = _under_new_keys(told, _NEW).failed
        assert failed is not None
        assert (failed.name, failed.text) == (
            f"{name}-proof",
            f"The {name.replace('-', ' ')} is signed with the key {method}, {dates}",
        )
    failed = _under_new_keys(scene, replace(_NEW, list_key=After().list_key)).failed
    assert failed is not None
    assert failed.text == (
        "The status.json does not hold. It is signed with the key did:web:market.example#key-1, which ended "
        "2026-03-02 16:00 UTC, before that was signed (2026-03-03 12:00 UTC)."
    )


def test_what_others_may_have_signed_with_a_lost_key_counts_only_where_witnesses_had_seen_it() -> None:
    scene = Scene(listed=True)
    assert _under_new_keys(scene, _NEW, lost=s.at(17, 10)).ok
    new_accreditation = replace(scene, accreditation_key=_NEW.accreditation_list_key)
    for told, method in (
        (scene, "accreditation is signed with the key did:web:accreditor.example"),
        (new_accreditation, "work order is signed with the key did:web:market.example"),
    ):
        failed = _under_new_keys(told, _NEW, lost=s.at(17, 9)).failed
        assert failed is not None
        words = (
            f"The {method}#key-1, which others may have had since 2026-03-02 17:09 UTC. Only what was seen in the log "
            "before that still stands, and this was not."
        )
        assert (failed.name, failed.text) == ("status", words)


@pytest.mark.parametrize(("seconds", "holds"), [(300, True), (301, False)])
def test_clocks_may_differ_by_five_minutes_and_no_more(seconds: int, holds: bool) -> None:
    """The verifier's clock is behind that of the station by so much."""
    at = s.SIGNED - timedelta(seconds=seconds)
    assert Scene().report(at=at).ok is holds
    if not holds:
        assert refused(Scene(), at=at) == (
            "clock",
            "The certificate is dated 2026-03-02 16:05 UTC, in the future. One of the clocks is wrong.",
        )


def test_a_status_list_that_is_not_fresh_is_said_to_be_so() -> None:
    report = report_of(Scene(listed=True), After(), at=s.AT + timedelta(days=8))
    said = next(check for check in report.checks if check.name == "status")
    assert (said.level, report.ok) == ("caution", True)
    assert "not fresh" in said.text


def test_an_answer_to_another_challenge_is_refused() -> None:
    def other(certificate: dict[str, Any]) -> None:
        certificate["wipe"]["workOrder"]["challenge"] = s.challenge("second")

    assert refused(Scene(change_certificate=other)) == (
        "work-order",
        "The certificate does not answer the challenge of its work order.",
    )


def test_practice_is_not_taken_for_real_work() -> None:
    assert refused(Scene(training=True)) == (
        "training",
        "This is a training certificate: it proves practice, not a wipe. Ask for training to check it as such.",
    )


# ---------------------------------------------------------------------------- the index itself


def _tests_of(path: str) -> set[str]:
    return {node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_attack_of_the_page_has_its_tests_and_every_test_here_its_attack() -> None:
    page = (ROOT / "docs" / "spec" / "attacks.md").read_text()
    listed = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")][1:]
    assert listed == list(INDEX)
    here = str(Path(__file__).relative_to(ROOT))
    for attack, tests in INDEX.items():
        for test in tests:
            path, _, name = test.rpartition("::")
            assert name in _tests_of(path or here), f"{attack}: there is no {test}"
    for path in (here, TEXTS):
        named = {
            test.rpartition("::")[2]
            for tests in INDEX.values()
            for test in tests
            if (test.rpartition("::")[0] or here) == path
        }
        assert named == {name for name in _tests_of(path) if name.startswith("test_")} - {
            "test_every_attack_of_the_page_has_its_tests_and_every_test_here_its_attack"
        }
