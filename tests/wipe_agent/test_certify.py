"""Certifying: only what the journals show, one certificate per order, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.wipe_agent.conftest import SERIAL, Station
from tests.wipe_agent.support import METHOD, PASSPHRASE, World, keep, medium
from wipe_agent import durable, jobs, journal, keys
from wipe_agent.certificate import Bundle, Statement, verify
from wipe_agent.certificate.evidence import evidence_problem
from wipe_agent.errors import (
    BadUsage,
    JournalDamaged,
    MethodRefused,
    NotBackedUpByEvidence,
    NotComplete,
    OrderRefused,
    OrderUnknown,
    TokenUnusable,
    TwoPeopleNeeded,
    WouldNotVerify,
    WrongPassphrase,
    WrongSerial,
)


def statement(station: Station, bundle: Path) -> Statement:
    report = verify(Bundle.load(bundle), keys.load_trust(station.home), at=datetime.now(UTC), training=True)
    assert report.ok, report.refusal
    assert report.statement is not None
    return report.statement


def test_the_certificate_says_what_the_journal_says(station: Station) -> None:
    done = station.wipe()
    said = statement(station, station.certify().bundle)
    line = said.lines[0]
    assert said.training
    assert said.verification_method == METHOD
    assert said.device_code == "D-WO-1"
    assert (line.serial, line.kind, line.size_bytes, line.bytes_read) == (SERIAL, "ssd", done.size, done.size)
    assert (line.level, line.technique, line.evidence_class) == ("clear", "overwrite-zeros", "full-read")
    assert (line.operator, line.bad_blocks) == ("Ada", 0)
    assert "over-provisioned and remapped flash blocks" in line.exclusions
    assert "practice: the medium was an image file" in line.exclusions
    assert line.started <= line.ended <= line.verified <= said.created


def test_certifying_twice_gives_one_certificate(station: Station) -> None:
    station.wipe()
    first, second = station.certify(), station.certify()
    assert (first.certificate_id, first.again, second.again) == (second.certificate_id, False, True)
    assert station.bundles() == [first.bundle]


def test_nothing_done_is_nothing_certified(station: Station) -> None:
    with pytest.raises(NotComplete, match="Nothing was done"):
        station.certify()
    assert station.bundles() == []


def test_a_missing_medium_is_named(make_station: Callable[..., Station]) -> None:
    station = make_station(medium(SERIAL), medium("SD-2", kind="sd"))
    station.wipe(medium_named=SERIAL)
    with pytest.raises(NotComplete, match="sd SD-2: not begun"):
        station.certify()
    assert station.bundles() == []
    station.destroy("SD-2")
    said = statement(station, station.certify().bundle)
    assert [line.evidence_class for line in said.lines] == ["full-read", "destroyed"]


def test_one_image_is_not_wiped_as_two_media_of_an_order(make_station: Callable[..., Station]) -> None:
    station = make_station(medium(SERIAL), medium("DISK-0002"))
    station.wipe(medium_named=SERIAL)
    with pytest.raises(WrongSerial, match=f"taken as {SERIAL} of the same order already"):
        station.wipe(medium_named="DISK-0002", typed=lambda question: "DISK-0002")
    with pytest.raises(NotComplete, match="DISK-0002"):
        station.certify()


def test_a_phone_has_an_end_as_destroyed(make_station: Callable[..., Station]) -> None:
    station = make_station(medium("PHONE-1", kind="phone-storage"), medium("", kind="sim"))
    sim = jobs.load_order(station.home, "WO-1").media[1]
    station.destroy("PHONE-1", particle_size_mm="0.5")
    station.destroy(sim.id, technique="incinerate", particle_size_mm=None)
    lines = statement(station, station.certify().bundle).lines
    assert [(line.technique, line.particle_size_micrometres) for line in lines] == [
        ("shred", 500),
        ("incinerate", None),
    ]
    assert {(line.operator, line.validator, line.level) for line in lines} == {("Ada", "Grace", "destroy")}


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"witness": " ada"}, TwoPeopleNeeded),
        ({"operator": "Ada Byron", "witness": "ada \t  BYRON"}, TwoPeopleNeeded),
        ({"operator": "Zoe\u0308", "witness": "ZO\u00cb"}, TwoPeopleNeeded),
        ({"witness": "Grace\u202e"}, BadUsage),
        ({"witness": None}, NotBackedUpByEvidence),
        ({"technique": None}, NotBackedUpByEvidence),
        ({"technique": "drill"}, MethodRefused),
        ({"particle_size_mm": None}, NotBackedUpByEvidence),
        ({"particle_size_mm": "small"}, NotBackedUpByEvidence),
        ({"particle_size_mm": "NaN"}, NotBackedUpByEvidence),
        ({"particle_size_mm": "-2"}, NotBackedUpByEvidence),
        ({"serial": "OTHER"}, OrderUnknown),
    ],
)
def test_destruction_without_its_evidence_is_not_recorded(
    station: Station, change: dict[str, str | None], error: type[Exception]
) -> None:
    with pytest.raises(error):
        station.destroy(**change)
    assert not station.journal().exists()


def test_a_verifier_too_takes_names_that_differ_in_case_or_blanks_for_one_person(station: Station) -> None:
    station.destroy(operator="Ada Byron")
    (line,) = statement(station, station.certify().bundle).lines
    assert evidence_problem(line) is None
    assert "second person" in str(evidence_problem(replace(line, validator=" ada  BYRON")))


def test_saying_twice_that_it_was_destroyed_is_harmless(station: Station) -> None:
    station.destroy()
    before = station.journal().read_bytes()
    station.destroy()
    assert station.journal().read_bytes() == before


def test_a_record_of_destruction_that_was_mistyped_is_corrected_and_both_stay_in_the_journal(station: Station) -> None:
    station.destroy(particle_size_mm="60")
    station.destroy(particle_size_mm="6")
    assert station.journal().read_text().count('"destroyed"') == 2
    (line,) = statement(station, station.certify().bundle).lines
    assert line.particle_size_micrometres == 6000


def test_a_destroyed_drive_is_not_wiped_any_more(station: Station) -> None:
    station.destroy()
    with pytest.raises(OrderRefused, match="destroyed"):
        station.wipe()


def test_after_the_certificate_nothing_is_added(station: Station) -> None:
    station.wipe()
    station.certify()
    with pytest.raises(OrderRefused, match="certified already"):
        station.wipe(start_over=True)
    with pytest.raises(OrderRefused, match="certified already"):
        station.destroy()


def test_a_journal_that_moved_after_the_decision_is_refused(station: Station) -> None:
    station.wipe()
    station.certify()
    with journal.Journal.open(station.journal()) as book:
        book.append("destroyed", technique="shred", operator="x", witness="y", particle_size_micrometres=1)
    with pytest.raises(JournalDamaged, match="changed after its certificate"):
        station.certify()


def test_a_crash_between_decision_and_bundle_keeps_the_id(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    station.wipe()

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(durable, "publish_folder", crash)
        with pytest.raises(KeyboardInterrupt):
            station.certify()
    assert station.bundles() == []
    decided = json.loads(jobs.journal_path(station.home, "WO-1", "certificate").read_bytes())
    done = station.certify()
    assert done.certificate_id == decided["certificate_id"]
    assert statement(station, done.bundle).certificate_id == done.certificate_id


def test_without_the_passphrase_nothing_is_signed(station: Station) -> None:
    station.wipe()
    with pytest.raises(WrongPassphrase):
        jobs.certify(station.home, order_code="WO-1", open_key=lambda: keys.load_key(station.home, "wrong"))
    assert station.bundles() == []
    assert not jobs.journal_path(station.home, "WO-1", "certificate").exists()


def only(station: Station, *kinds: str) -> None:
    """The station's accreditation is for these kinds of media and no others."""
    for kept in (station.home.orders / "accreditations").iterdir():
        kept.unlink()
    station.world.kinds = kinds
    keep(station.home, station.world)


def test_what_nobody_could_certify_is_not_begun(station: Station) -> None:
    only(station, "hdd")
    before = station.image.read_bytes()
    with pytest.raises(OrderRefused, match="No accreditation here covers clear of a ssd"):
        station.wipe()
    assert station.image.read_bytes() == before


def test_outside_its_accreditation_the_station_issues_nothing(station: Station) -> None:
    station.wipe()
    only(station, "hdd")
    with pytest.raises(WouldNotVerify, match=r"not accredited for .*solid-state drive"):
        station.certify()
    assert station.bundles() == []
    only(station, "hdd", "ssd")
    station.certify()


def test_the_accreditation_in_force_at_the_wipe_is_the_one_that_counts(station: Station) -> None:
    station.wipe()
    keep(station.home, station.world, since=1, until=48)  # The renewed one begins in an hour.
    assert statement(station, station.certify().bundle)


def test_an_order_that_was_changed_on_disk_is_refused(station: Station) -> None:
    place = station.home.orders / "WO-1.json"
    place.write_text(place.read_text().replace("Laptop 14", "Laptop 15"))
    with pytest.raises(OrderRefused, match="changed after it was signed"):
        station.wipe()
    kept, refused = jobs.kept_orders(station.home)
    assert (kept, len(refused)) == ([], 1)


def test_orders_of_strangers_and_for_others_are_not_kept(station: Station) -> None:
    world = station.world
    world.order(medium(), code="WO-2", key=World().market)
    world.order(medium(), code="WO-3", centre="did:web:other.example")
    world.order(medium(), code="WO-4", training=False)
    world.orders.append({**world.orders[0], "code": "../../WO-5"})
    world.orders.append({**world.orders[0], "code": "WO-6", "device_code": "D-OTHER"})
    kept, refused = jobs.keep_orders(station.home, world.answer())
    assert [order.code for order in kept] == ["WO-1"]
    assert len(refused) == 5
    assert "another centre" in " ".join(refused)
    assert sorted(path.name for path in station.home.orders.glob("*.json")) == ["WO-1.json"]


def test_the_passphrase_is_needed_to_read_the_key_file(station: Station) -> None:
    text = station.home.key_file.read_text()
    raw = keys.load_key(station.home, PASSPHRASE).private_bytes_raw()
    assert raw.hex() not in text
    assert station.home.key_file.stat().st_mode & 0o777 == 0o600


def test_the_bundle_has_the_certificate_in_its_second_form_too(station: Station) -> None:
    station.wipe()
    bundle = Bundle.load(station.certify().bundle)
    report = verify(bundle, keys.load_trust(station.home), at=datetime.now(UTC), training=True)
    told = {check.name: check for check in report.checks}
    assert "certificate.jwt" in bundle.files
    assert told["envelope"].text.startswith("Its second form, certificate.jwt, says the same")


def test_a_token_that_signs_short_messages_only_gives_a_bundle_without_the_second_form(station: Station) -> None:
    class ShortToken:
        """A key in a token that takes 128 bytes at once."""

        def __init__(self) -> None:
            self.key = keys.load_key(station.home, PASSPHRASE)

        def public_key(self) -> object:
            return self.key.public_key()

        def sign(self, data: bytes) -> bytes:
            if len(data) > 128:
                raise TokenUnusable("The token does not sign so long a message.")
            return self.key.sign(data)

    station.wipe()
    done = jobs.certify(station.home, order_code="WO-1", open_key=ShortToken)  # type: ignore[arg-type]
    assert sorted(Bundle.load(done.bundle).files) == [
        "accreditation.json",
        "certificate.json",
        "dids.json",
        "work-order.json",
    ]
