"""What a verifier says: in sentences, in order, and never by falling over."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.certificate import scene as s
from tests.certificate.scene import Scene
from wipe_agent import certificate as c


def test_a_good_certificate_passes_every_check_in_order() -> None:
    report = Scene().report()
    assert report.ok
    assert report.readable
    assert tuple(check.name for check in report.checks) == c.CHECKS
    assert report.refusal is None
    assert all(check.text[0].isupper() and check.text.endswith(".") for check in report.checks)


def test_the_statement_says_what_was_certified() -> None:
    statement = Scene().report().statement
    documents = Scene().documents()
    assert statement is not None
    assert statement.lines == s.lines()
    assert statement == c.Statement(
        certificate_id=s.urn("certificate"),
        issuer_did=s.CENTRE,
        issuer_name="Test Centre North",
        verification_method=s.STATION,
        valid_from=s.at(16, 5),
        created=s.at(16, 5),
        training=False,
        work_order_id=s.urn("order"),
        work_order_digest=c.digest_multibase(documents["work-order.json"]),
        challenge=s.challenge("first"),
        accreditation_id=s.urn("accreditation"),
        accreditation_digest=c.digest_multibase(documents["accreditation.json"]),
        device_id=s.urn("device"),
        device_code="LT-7K2F",
        custody_cycle=1,
        supersedes=None,
        host_claimed={"manufacturer": "Dell", "model": "Latitude 5400", "serial": "8XK2Q13"},
        host_observed={"manufacturer": "Dell Inc.", "model": "Latitude 5400", "serial": "8XK2Q13"},
        lines=s.lines(),
    )


def test_a_missing_drive_is_told_with_what_to_do_now() -> None:
    report = Scene(lines=s.lines()[:1]).report()
    assert report.refusal == (
        "This certificate covers one medium. Dell Latitude 5400 has 2. Missing: Seagate ST1000LM035 "
        "(serial WL1ABCDE). Sanitise what is missing, and issue a new certificate."
    )


def test_authentic_documents_are_compared_to_the_end_and_every_fault_is_told() -> None:
    """One wrong serial number should not hide that the accreditation had ended."""

    def ended(accreditation: dict[str, Any]) -> None:
        accreditation["validUntil"] = "2026-03-01T00:00:00Z"

    nvme, hdd = s.lines()
    report = Scene(change_accreditation=ended, lines=[nvme, replace(hdd, serial="OTHER")]).report()
    assert [check.name for check in report.checks if not check.ok] == ["accreditation-dates", "coverage"]
    assert tuple(check.name for check in report.checks) == c.CHECKS


def test_nothing_is_compared_with_a_document_whose_signature_does_not_hold() -> None:
    report = Scene(order_key=("stranger", s.MARKET + "#key-1")).report()
    assert report.checks[-1].name == "work-order-proof"
    assert not report.ok


def test_files_that_are_not_examined_are_named_safely() -> None:
    files = {**Scene().files(), "certificate.pdf": b"", "\x1b[2J": b""}
    report = c.verify(c.Bundle.from_files(files), c.Trust.parse(s.trust_file()), at=s.AT)
    assert report.ok
    assert report.checks[0].text.endswith("Not examined: '\\x1b[2J', 'certificate.pdf'.")


def test_dids_in_the_bundle_change_nothing() -> None:
    for dids in (b"", b"{", b'{"didDocuments":[]}'):
        files = {**Scene().files(), "dids.json": dids}
        assert c.verify(c.Bundle.from_files(files), c.Trust.parse(s.trust_file()), at=s.AT).ok


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({"started": s.at(9)}, True),
        ({"started": s.at(8, 55)}, True),
        ({"started": s.at(8, 54, 59)}, False),
        ({"started": s.at(9, 40)}, True),
        ({"started": s.at(9, 40, 1)}, False),
        ({"ended": s.at(9, 46)}, True),
        ({"ended": s.at(9, 46, 1)}, False),
        ({"verified": s.at(10)}, True),
        ({"verified": s.at(10, 0, 1)}, False),
        ({"validated": s.at(16, 5)}, True),
        ({"validated": s.at(16, 5, 1)}, False),
        ({"validated": s.at(16, 6), "validator": None}, True),
        ({"verified": s.at(16, 5), "validated": None, "validator": None}, True),
        ({"verified": s.at(16, 5, 1), "validated": None, "validator": None}, False),
    ],
)
def test_times_of_one_clock_are_in_exact_order_and_other_clocks_may_differ_by_five_minutes(
    changes: dict[str, Any], holds: bool
) -> None:
    """Order valid from 9:00 (another clock); wipe 9:30 to 9:40, verified 9:46, validated 10:00, signed 16:05."""
    nvme, hdd = s.lines()
    line = replace(nvme, **{"ended": s.at(9, 40), **changes})
    if "ended" not in changes and line.started > s.at(9, 35):
        line = replace(line, size_bytes=512, bytes_read=512)
    report = Scene(lines=[line, hdd]).report()
    assert {check.name: check.ok for check in report.checks}["times"] is holds, report.refusal


@pytest.mark.parametrize(
    ("until", "check", "holds"),
    [
        ("2026-03-02T16:00:00Z", "accreditation-dates", True),
        ("2026-03-02T15:59:59Z", "accreditation-dates", False),
    ],
)
def test_an_accreditation_must_last_until_the_signature(until: str, check: str, holds: bool) -> None:
    def ending(accreditation: dict[str, Any]) -> None:
        accreditation["validUntil"] = until

    assert {one.name: one.ok for one in Scene(change_accreditation=ending).report().checks}[check] is holds


@pytest.mark.parametrize(("until", "holds"), [("2026-03-02T09:25:00Z", True), ("2026-03-02T09:24:59Z", False)])
def test_work_begins_before_its_order_expires_but_may_end_later(until: str, holds: bool) -> None:
    def ending(order: dict[str, Any]) -> None:
        order["validUntil"] = until

    assert {one.name: one.ok for one in Scene(change_order=ending, lines=_begun_together()).report().checks}[
        "times"
    ] is holds


def _begun_together() -> list[c.MediumLine]:
    return [replace(line, started=s.at(9, 30)) for line in s.lines()]


@pytest.mark.parametrize(("at", "holds"), [(s.at(16, 0), True), (s.at(15, 59, 59), False), (s.at(23), True)])
def test_a_verifier_whose_clock_is_five_minutes_behind_still_accepts(at: Any, holds: bool) -> None:
    assert Scene().report(at=at).ok is holds


def test_years_later_the_certificate_still_verifies() -> None:
    assert Scene().report(at=s.AT + timedelta(days=3650)).ok


def test_a_host_whose_serial_nobody_knows_is_not_held_against_the_drives() -> None:
    def unknown(order: dict[str, Any]) -> None:
        order["credentialSubject"]["device"]["serial"] = ""

    assert Scene(host_observed={}).report().ok
    assert Scene(host_observed={"serial": ""}).report().ok
    assert Scene(host_observed={"serial": "DOCK-1"}, change_order=unknown).report().ok


def test_one_drive_of_two_whose_removal_is_not_recorded_is_refused() -> None:
    nvme, hdd = s.lines()
    report = Scene(
        host_observed={"serial": "DOCK-1"}, lines=[replace(nvme, removal_event=s.urn("removal")), hdd]
    ).report()
    assert report.refusal is not None
    assert report.refusal.startswith(
        "Seagate ST1000LM035 (serial WL1ABCDE) was wiped in a machine with the serial number DOCK-1"
    )


def test_a_medium_whose_serial_the_order_does_not_know_may_have_any() -> None:
    def unknown(order: dict[str, Any]) -> None:
        order["credentialSubject"]["media"][1].update(serial="", model="")

    assert Scene(change_order=unknown).report().ok


JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2**53 - 1,
    "",
    "x",
    "z",
    "did:web:a#b",
    "urn:uuid:",
    [],
    {},
    [[]],
    ["x"],
    {"id": 1},
    "9" * 300,
)


@settings(max_examples=300)
@given(st.data())
def test_no_content_makes_verify_fall_over_even_when_everything_is_signed(data: st.DataObject) -> None:
    """Anything may stand anywhere, under the right keys: the answer is still a report."""
    which = data.draw(
        st.sampled_from(["change_accreditation", "change_order", "change_certificate", "change_signed_certificate"])
    )

    def spoil(document: dict[str, Any]) -> None:
        for _ in range(data.draw(st.integers(1, 2))):
            place: Any = document
            while True:
                names = sorted(place) if isinstance(place, dict) else range(len(place))
                name = data.draw(
                    st.sampled_from(
                        [n for n in names if n != "@context" or which == "change_signed_certificate"] or [None]
                    )
                )
                if name is None:
                    break
                below = place[name]
                if isinstance(below, dict | list) and below and data.draw(st.integers(0, 4)):
                    place = below
                    continue
                if isinstance(place, dict) and data.draw(st.integers(0, 3)) == 0:
                    del place[name]
                else:
                    place[name] = deepcopy(data.draw(st.sampled_from(JUNK)))
                break

    try:
        files = Scene(**{which: spoil}).files()
    except (KeyError, TypeError, AttributeError, IndexError, ValueError):
        return  # the builders, which take honest input, could not go on
    report = c.verify(c.Bundle.from_files(files), c.Trust.parse(s.trust_file()), at=s.AT)
    assert report.checks
    assert report.ok or report.refusal


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["certificate.json", "accreditation.json", "work-order.json"]), st.binary(max_size=60)
    )
)
def test_no_bytes_make_verify_fall_over(changed: dict[str, bytes]) -> None:
    report = c.verify(c.Bundle.from_files({**Scene().files(), **changed}), c.Trust.parse(s.trust_file()), at=s.AT)
    assert report.ok is (not changed)
    assert report.ok or report.refusal


def test_changing_one_certificate_while_another_is_verified_is_safe() -> None:
    """A bundle is bytes; nothing that verification returns is shared with the next one."""
    first, second = Scene().report(), Scene().report()
    assert first.statement is not None
    first.statement.host_claimed["serial"] = "changed"
    assert second.statement is not None
    assert second.statement.host_claimed["serial"] == "8XK2Q13"
    assert Scene().report().ok
