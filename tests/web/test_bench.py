"""The bench as its operator uses it: every form, what it changes, and what a refusal leaves behind."""

from __future__ import annotations

import io
import re
from uuid import UUID

import pytest
import sqlalchemy as sa
from werkzeug.test import TestResponse

from ewaste.centres.models import EnrolmentCode, WorkOrder
from ewaste.certificates.models import Certificate, CertificateRefusal
from ewaste.core.refusals import RefusalNote
from ewaste.devices import custody
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import CustodyEvent, Hold, Medium
from ewaste.journey import bench as steps
from ewaste.journey import clearing
from ewaste.processing.models import Inspection, Routing
from tests.web.conftest import Browser
from tests.world import SERIAL, World, good_findings, jpeg
from wipe_agent import certificate as wipe


def text(answer: TestResponse) -> str:
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", answer.get_data(as_text=True))


def bench_of(world: World, device_id: UUID) -> str:
    """The address of a device on the bench."""
    return f"/bench/devices/{world.device(device_id).code}"


def zipped(files: dict[str, str]) -> tuple[io.BytesIO, str]:
    """A bundle as a browser uploads it."""
    return io.BytesIO(wipe.Bundle.from_files({name: body.encode() for name, body in files.items()}).to_zip()), "b.zip"


def test_a_parcel_is_received_with_seal_and_weight(browser: Browser, world: World) -> None:
    device_id = world.expected()
    answer = browser.sign_in("olga").post(
        bench_of(world, device_id) + "/receive", data={"seal": "S-77", "seal_state": "intact", "mass_g": "1580"}
    )
    assert answer.status_code == 303
    assert world.device(device_id).state is State.RECEIVED
    assert "Inspect it" in text(browser.get(bench_of(world, device_id)))


def test_a_broken_seal_puts_the_device_on_hold(browser: Browser, world: World) -> None:
    device_id = world.expected()
    browser.sign_in("olga").post(
        bench_of(world, device_id) + "/receive", data={"seal": "S-77", "seal_state": "broken", "mass_g": "1580"}
    )
    page = text(browser.get(bench_of(world, device_id)))
    assert "The seal was broken at the door." in page
    assert "Settle the hold" in page


def test_a_wrong_field_is_named_and_nothing_typed_is_lost(browser: Browser, world: World) -> None:
    device_id = world.expected()
    good = {"seal": "S-77", "seal_state": "intact", "mass_g": "1580", "note": "box is wet"}
    wrong = [
        ("mass_g", "heavy"),
        ("mass_g", ""),
        ("mass_g", "999999999"),
        ("seal", ""),
        ("seal_state", "glued"),
        ("seal", "S" * 5000),
    ]
    browser.sign_in("olga")
    for field, typed in wrong:
        answer = browser.post(bench_of(world, device_id) + "/receive", data=good | {field: typed})
        assert answer.status_code == 422
        assert f'href="#f-{field}"' in text(answer)
        assert "box is wet" in text(answer)
    assert world.device(device_id).state is State.EXPECTED
    with world.transaction() as session:
        notes = session.scalars(sa.select(RefusalNote)).all()
    assert {(note.action, note.actor_id) for note in notes} == {("bench.receive", world.olga.id)}
    assert sorted(str(note.field) for note in notes) == sorted(field for field, _ in wrong)


def test_the_checklist_makes_the_offer(browser: Browser, world: World) -> None:
    device_id = world.received()
    answer = browser.sign_in("olga").post(
        bench_of(world, device_id) + "/inspect",
        data={
            "observed_serial": SERIAL.lower(),
            "mass_g": "1520",
            **{name: str(value) for name, value in good_findings().items()},
        },
    )
    assert answer.status_code == 303
    assert world.device(device_id).state is State.INSPECTED
    with world.transaction() as session:
        inspection = session.scalars(sa.select(Inspection)).one()
    assert (inspection.cosmetic, inspection.function) == ("C5", "F3")
    assert "Wait for the owner’s answer" in text(browser.get(bench_of(world, device_id)))


def test_another_serial_than_announced_is_a_hold_not_an_error(browser: Browser, world: World) -> None:
    device_id = world.received()
    browser.sign_in("olga").post(
        bench_of(world, device_id) + "/inspect",
        data={
            "observed_serial": "PF9ZZZZZ",
            "mass_g": "1520",
            **{name: str(value) for name, value in good_findings().items()},
            "identity": "differs",
        },
    )
    page = text(browser.get(bench_of(world, device_id)))
    assert "The device shows PF9ZZZZZ; announced was PF1ABCDE." in page


def test_a_serial_that_was_typed_wrong_is_asked_again(browser: Browser, world: World) -> None:
    device_id = world.received()
    answers = {name: str(value) for name, value in good_findings().items()}
    form = {"observed_serial": "PF1ABCDF", "mass_g": "1520", **answers}
    answer = browser.sign_in("olga").post(bench_of(world, device_id) + "/inspect", data=form)
    assert answer.status_code == 422
    assert "You typed PF1ABCDF; announced was PF1ABCDE. Read it again." in text(answer)
    assert world.device(device_id).state is State.RECEIVED


def test_an_unanswered_item_is_named_and_the_other_answers_stay(browser: Browser, world: World) -> None:
    device_id = world.received()
    findings = {name: str(value) for name, value in good_findings().items() if name != "liquid"}
    answer = browser.sign_in("olga").post(
        bench_of(world, device_id) + "/inspect", data={"observed_serial": SERIAL, "mass_g": "1520", **findings}
    )
    assert answer.status_code == 422
    assert 'href="#f-liquid"' in text(answer)
    assert re.search(r'name="body_wear" value="faint" required checked', text(answer))
    assert world.device(device_id).state is State.RECEIVED


def test_a_medium_is_noted_with_its_size_in_gigabytes(browser: Browser, world: World) -> None:
    device_id = world.received()
    form = {"kind": "ssd", "model": "PM981", "serial": "S3Z8", "size_gb": "0.5"}
    assert browser.sign_in("olga").post(bench_of(world, device_id) + "/media", data=form).status_code == 303
    assert [(medium.serial, medium.size_bytes) for medium in world.media(device_id)] == [("S3Z8", 500_000_000)]
    again = browser.post(bench_of(world, device_id) + "/media", data=form | {"size_gb": "much", "serial": "S3Z9"})
    assert again.status_code == 422
    assert 'href="#f-size_gb"' in text(again)
    assert len(world.media(device_id)) == 1


def test_no_work_order_before_the_owner_confirmed(browser: Browser, world: World) -> None:
    device_id = world.inspected()
    answer = browser.sign_in("olga").post(bench_of(world, device_id) + "/work-order")
    assert answer.status_code == 409
    assert "Nothing has changed" in text(answer)
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(WorkOrder)) == 0


def test_a_medium_found_after_the_order_asks_for_a_new_one(browser: Browser, world: World) -> None:
    device_id, first = world.ordered()
    world.note_medium(device_id, "LATE-1", "sd")
    page = text(browser.sign_in("olga").get(bench_of(world, device_id)))
    assert "This order does not name every medium" in page
    assert browser.post(bench_of(world, device_id) + "/work-order").status_code == 303
    with world.transaction() as session:
        assert session.get_one(WorkOrder, first.id).superseded_at is not None
    assert "This order does not name every medium" not in text(browser.get(bench_of(world, device_id)))


def test_an_uploaded_bundle_clears_the_device(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    bundle = world.bundle(order)
    world.later(hours=3)
    answer = browser.sign_in("olga").post(bench_of(world, device_id) + "/certificate", data={"bundle": zipped(bundle)})
    assert answer.status_code == 303
    assert world.device(device_id).state.value.startswith("for_")
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Certificate)) == 1


def test_an_incomplete_bundle_is_refused_in_words_and_kept(browser: Browser, world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    bundle = world.bundle(order, leave_out=("DRIVE-2",))
    world.later(hours=3)
    answer = browser.sign_in("olga").post(bench_of(world, device_id) + "/certificate", data={"bundle": zipped(bundle)})
    assert answer.status_code == 422
    assert "DRIVE-2" in text(answer)
    assert world.device(device_id).state is State.CLEARING
    with world.transaction() as session:
        kept = session.scalars(sa.select(CertificateRefusal)).one()
        noted = session.scalars(sa.select(RefusalNote)).one()
    assert kept.reason == noted.message
    assert noted.kind == "certificate-refused"


def test_what_is_no_bundle_is_refused_without_a_certificate(browser: Browser, world: World) -> None:
    device_id, _ = world.ordered()
    browser.sign_in("olga")
    for content in (b"", b"no zip at all", b"PK\x03\x04 half a zip"):
        answer = browser.post(
            bench_of(world, device_id) + "/certificate", data={"bundle": (io.BytesIO(content), "b.zip")}
        )
        assert answer.status_code == 422
        assert 'href="#f-bundle"' in text(answer)
    assert browser.post(bench_of(world, device_id) + "/certificate").status_code == 422
    assert world.device(device_id).state is State.CLEARING


def test_a_bundle_by_a_station_of_another_centre_is_not_taken(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    world.station("Elbe Prüfstelle")
    bundle = world.bundle(order, centre="Elbe Prüfstelle")
    world.later(hours=3)
    answer = browser.sign_in("olga").post(bench_of(world, device_id) + "/certificate", data={"bundle": zipped(bundle)})
    assert answer.status_code == 422
    assert "No station of your centre" in text(answer)
    assert world.device(device_id).state is State.CLEARING


def test_a_medium_whose_wipe_failed_is_not_cleared_by_another_wipe(browser: Browser, world: World) -> None:
    device_id, _ = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    broken = next(medium for medium in world.media(device_id) if medium.serial == "DRIVE-2")
    address = bench_of(world, device_id)
    assert browser.sign_in("olga").post(f"{address}/media/{broken.id}/failed", data={"reason": ""}).status_code == 422
    answer = browser.post(f"{address}/media/{broken.id}/failed", data={"reason": "The controller stopped answering."})
    assert answer.status_code == 303
    assert world.device(device_id).state is State.DESTROYING
    bundle = world.bundle(world.order(device_id))
    world.later(hours=3)
    answer = browser.post(address + "/certificate", data={"bundle": zipped(bundle)})
    assert answer.status_code == 422
    assert "It must be destroyed, and certified as destroyed." in text(answer)
    assert world.device(device_id).state is State.DESTROYING


def test_what_is_clear_is_not_cleared_again(browser: Browser, world: World) -> None:
    code, devices = world.listed_lot()
    before = world.device(devices[0])
    answer = browser.sign_in("olga").post(bench_of(world, devices[0]) + "/clear-again")
    assert answer.status_code == 409
    assert world.device(devices[0]).state is before.state
    world.bid("rita", code, 50)
    world.later(days=3)
    assert world.close(code) is not None


def test_a_medium_found_late_lets_the_device_be_cleared_again(browser: Browser, world: World) -> None:
    device_id = world.cleared()
    world.note_medium(device_id, "LATE-1", "sd")
    assert "Clear it again" in text(browser.sign_in("olga").get(bench_of(world, device_id)))
    assert browser.post(bench_of(world, device_id) + "/clear-again").status_code == 303
    device = world.device(device_id)
    assert (device.state, device.cycle) == (State.CLEARING, 2)


def test_a_hold_is_placed_and_lifted_with_reasons(browser: Browser, world: World) -> None:
    address = bench_of(world, world.received())
    browser.sign_in("olga")
    assert browser.post(address + "/hold", data={"kind": "gone", "reason": "x y z"}).status_code == 422
    assert (
        browser.post(address + "/hold", data={"kind": "stolen", "reason": "Listed by the police."}).status_code == 303
    )
    with world.transaction() as session:
        hold = session.scalars(sa.select(Hold)).one()
    assert browser.post(f"{address}/holds/{hold.id}/lift", data={"reason": ""}).status_code == 422
    assert browser.post(f"{address}/holds/{hold.id}/lift", data={"reason": "It was a mistake."}).status_code == 303
    assert "On hold" not in text(browser.get(address)).split("Story")[0].split("Other actions")[0]


def test_the_scanner_finds_by_code_serial_and_medium(browser: Browser, world: World) -> None:
    device_id = world.with_media()
    here = bench_of(world, device_id)
    browser.sign_in("olga")
    for read in (world.device(device_id).code.lower(), SERIAL.lower(), "drive-1", f"  {SERIAL} "):
        assert browser.get("/bench/find", query_string={"code": read}).location == here
    missed = browser.get("/bench/find", query_string={"code": "NOTHING-7"})
    assert missed.status_code == 404
    assert "No device of your centre has the code or serial" in text(missed)


def test_another_centre_sees_and_does_nothing(browser: Browser, world: World) -> None:
    device_id = world.received()
    address = bench_of(world, device_id)
    browser.sign_in("omar")
    assert browser.get(address).status_code == 404
    assert browser.post(address + "/weigh", data={"mass_g": "1"}).status_code == 404
    assert browser.get("/bench/find", query_string={"code": SERIAL}).status_code == 404
    assert SERIAL not in text(browser.get("/bench?state=received"))


def test_only_operators_have_a_bench(browser: Browser, world: World) -> None:
    address = bench_of(world, world.received())
    for who in ("cora", "rita", "stefan", "ada"):
        browser.sign_in(who)
        assert [browser.get(path).status_code for path in ("/bench", "/bench/stations", address)] == [403] * 3
        assert browser.post(address + "/weigh", data={"mass_g": "1580"}).status_code == 403
        assert browser.post("/bench/collections", data={"collection_code": "X"}).status_code == 403
        assert browser.post("/bench/stations/codes").status_code == 403


def test_whoever_is_not_signed_in_goes_to_sign_in_and_back(browser: Browser) -> None:
    assert browser.get("/bench?state=received").location == "/sign-in?next=/bench?state%3Dreceived"
    assert browser.post("/bench/collections").status_code == 403


def test_an_enrolment_code_is_shown_once(browser: Browser, world: World) -> None:
    first = browser.sign_in("olga").post("/bench/stations/codes")
    assert first.status_code == 201
    code = re.search(r"--code ([0-9A-Z-]{23})", text(first))
    assert code is not None
    assert code[1] not in text(browser.get("/bench/stations"))
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(EnrolmentCode)) == 1


def test_a_retired_station_is_shown_as_retired(browser: Browser, world: World) -> None:
    station = world.station().station
    assert browser.sign_in("omar").post(f"/bench/stations/{station.id}/retire").status_code == 404
    assert browser.sign_in("olga").post(f"/bench/stations/{station.id}/retire").status_code == 303
    assert "retired by its centre" in text(browser.get("/bench/stations"))


def test_a_wrong_collection_code_hands_nothing_over(browser: Browser, world: World) -> None:
    answer = browser.sign_in("olga").post("/bench/collections", data={"collection_code": "GUESS123"})
    assert answer.status_code == 404
    assert 'value="GUESS123"' in text(answer)
    assert "Nothing was handed over" in text(answer)


def test_the_queue_costs_the_same_with_one_device_and_with_many(browser: Browser, world: World) -> None:
    statements: list[str] = []
    browser.sign_in("olga").get("/bench")  # The first visit also notes that the session is in use.
    sa.event.listen(
        browser.application.extensions["ewaste"].database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: statements.append(statement),
    )
    world.received(serial="PF00001")
    statements.clear()
    browser.get("/bench")
    once = len(statements)
    for number in range(2, 6):
        world.with_media(serial=f"PF0000{number}", serials=(f"D{number}",))
    statements.clear()
    page = text(browser.get("/bench"))
    assert len(statements) == once
    assert all(f"PF0000{number}" in page for number in range(1, 6))
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Medium)) == 4


def test_the_bench_says_how_what_cannot_be_overwritten_is_destroyed(browser: Browser, world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1",))
    page = text(browser.sign_in("olga").get(bench_of(world, device_id)))
    assert f"wipe-agent wipe --order {order.code}" in page
    assert "--destroyed" not in page
    device_id, order = world.ordered(serials=("SIM-1",), kind="sim", serial="SERIAL-2")
    page = text(browser.get(bench_of(world, device_id)))
    assert f"certify --order {order.code} --destroyed SIM-1 --technique shred --particle-size-mm" in page
    assert "wipe-agent wipe" not in page


def test_the_next_step_says_why_the_last_certificate_was_refused(browser: Browser, world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    bundle = world.bundle(order, leave_out=("DRIVE-2",))
    world.later(hours=3)
    reason = world.refuse(bundle)
    page = text(browser.sign_in("olga").get(bench_of(world, device_id)))
    assert f"The last certificate was refused: {reason}" in page
    assert "Certify again" in page


def test_the_scanner_says_what_it_missed_and_is_empty_for_the_next(browser: Browser) -> None:
    page = text(browser.sign_in("olga").get("/bench/find?code=NOWHERE-1"))
    assert "has the code or serial" in page
    assert 'value="NOWHERE-1"' not in page


# ---- two people at one device ----


def version(browser: Browser, address: str) -> str:
    """The number of the last event that a device's page shows: what its forms carry."""
    found = re.search(r'name="version" value="(\d+)"', browser.get(address).text)
    assert found
    return found[1]


def findings_form(**changes: str) -> dict[str, str]:
    """A filled in inspection."""
    answers = {name: str(value) for name, value in good_findings().items()}
    return {"observed_serial": SERIAL, "mass_g": "1520", **answers, **changes}


def test_a_form_that_is_behind_is_refused_and_what_was_typed_is_shown(browser: Browser, world: World) -> None:
    device_id = world.with_media()
    address = bench_of(world, device_id)
    seen = version(browser.sign_in("olga"), address)
    assert browser.sign_in("otto").post(address + "/inspect", data=findings_form(version=seen)).status_code == 303
    world.later(minutes=3)
    with world.nothing_changes("refusals", "sessions"):
        late = browser.sign_in("olga").post(
            address + "/inspect", data=findings_form(version=seen, battery_soh="41", mass_g="1511")
        )
    assert late.status_code == 409
    said = text(late)
    assert "Otto Kern changed this device 3 minutes ago (device inspected)" in said
    assert "What you typed" in said
    assert "<dd>41</dd>" in said
    assert "<dd>1511</dd>" in said
    assert "csrf" not in said.split("What you typed")[1].split("</section>")[0]
    assert browser.post(address + "/weigh", data={"mass_g": "1520", "version": seen}).status_code == 409
    assert (
        browser.post(address + "/weigh", data={"mass_g": "1520", "version": version(browser, address)}).status_code
        == 303
    )


def test_the_same_form_sent_twice_does_it_once(browser: Browser, world: World) -> None:
    device_id = world.received()
    address = bench_of(world, device_id)
    form = {"mass_g": "1580", "version": version(browser.sign_in("olga"), address)}
    assert browser.post(address + "/weigh", data=form).status_code == 303
    with world.nothing_changes("refusals"):
        again = browser.post(address + "/weigh", data=form)
    assert again.status_code == 409
    assert "It may have been this very form, sent twice." in text(again)


def test_everything_that_is_wrong_in_an_inspection_is_said_at_once(browser: Browser, world: World) -> None:
    device_id = world.received()
    form = findings_form(observed_serial="?", mass_g="heavy", battery_soh="900")
    del form["liquid"], form["charger"]
    answer = browser.sign_in("olga").post(bench_of(world, device_id) + "/inspect", data=form)
    assert answer.status_code == 422
    for field in ("observed_serial", "mass_g", "battery_soh", "liquid", "charger"):
        assert f'href="#f-{field}"' in text(answer), field
        assert f'id="f-{field}"' in text(answer), field
    assert 'value="900"' in text(answer)
    assert re.search(r'name="body_wear" value="faint" required checked', text(answer))
    assert world.device(device_id).state is State.RECEIVED


# ---- the second person ----


def remanufactured(world: World) -> UUID:
    """A device that was sent to be repaired here."""
    device_id = world.cleared()
    assert world.device(device_id).state is State.FOR_RESALE
    with world.transaction() as session:
        device, to = custody.find(session, device_id), State.FOR_REMANUFACTURE
        custody.move(session, device, to, by=world.stefan, evidence={"because": "a test"}, now=world.now)
    return device_id


def destroyed(world: World, **options: object) -> UUID:
    """A device whose failed drive was destroyed and certified so."""
    device_id = world.clearing(**options)
    (medium,) = world.media(device_id)
    with world.transaction() as session:
        steps.wipe_failed(session, world.olga, device_id, medium.id, reason="Write errors.", now=world.now)
    order = world.order(device_id)
    world.submit(world.bundle(order, evidence_class="destroyed", level="destroy", technique="shred", bytes_read=0))
    return device_id


def test_what_people_saw_destroyed_waits_for_a_second_person_and_the_seller_does_not(
    browser: Browser, world: World
) -> None:
    device_id = destroyed(world)
    address, (medium,) = bench_of(world, device_id), world.media(device_id)
    assert world.device(device_id).state is State.CLEARED
    assert world.raw("select count(*) from payment_instructions where kind = 'pay-out'") == 1
    page = text(browser.sign_in("olga").get(address))
    assert "A second person confirms it" in page
    assert re.search(r'state=second" ?>Second person <span class="number">1</span>', text(browser.get("/bench")))

    confirm = {"result": "confirmed", "note": "Shreds of 2 mm."}
    with world.nothing_changes("refusals"):
        own = browser.post(f"{address}/media/{medium.id}/validate", data=confirm)
    assert own.status_code == 409
    assert "You worked on this device yourself" in text(own)
    assert "Shreds of 2 mm." in text(own)
    with world.nothing_changes("refusals", "sessions"):
        other = browser.sign_in("omar").post(f"{address}/media/{medium.id}/validate", data=confirm)
    assert other.status_code == 404

    said = browser.sign_in("otto").post(f"{address}/media/{medium.id}/validate", data={"result": "maybe"})
    assert said.status_code == 422
    assert browser.post(f"{address}/media/{medium.id}/validate", data=confirm).status_code == 303
    assert world.device(device_id).state in WAYS
    story = text(browser.get(address))
    assert "A second person confirmed it" in story
    assert "Confirmed by two people." in story


def test_who_stands_on_the_certificate_as_its_operator_is_no_second_person(browser: Browser, world: World) -> None:
    device_id = world.clearing(serials=("SIM-1",), kind="sim")
    order = world.order(device_id)
    told = {"evidence_class": "destroyed", "level": "destroy", "technique": "shred", "bytes_read": 0}
    world.submit(world.bundle(order, operator="otto  KERN", **told, validator="Olga Brandt"))
    (medium,) = world.media(device_id)
    answer = browser.sign_in("otto").post(
        f"{bench_of(world, device_id)}/media/{medium.id}/validate", data={"result": "confirmed"}
    )
    assert answer.status_code == 409
    assert "The certificate names you as the operator." in text(answer)
    assert world.device(device_id).state is State.CLEARED


def test_a_doubt_is_a_hold_and_only_a_later_confirmation_sends_the_device_on(browser: Browser, world: World) -> None:
    device_id = destroyed(world)
    address, (medium,) = bench_of(world, device_id), world.media(device_id)
    validate = f"{address}/media/{medium.id}/validate"
    browser.sign_in("otto")
    assert browser.post(validate, data={"result": "doubted"}).status_code == 422
    assert browser.post(validate, data={"result": "doubted", "note": "The platter is whole."}).status_code == 303
    page = text(browser.get(address))
    assert "On hold: doubted by a second person" in page
    assert "The platter is whole." in page
    assert browser.post(validate, data={"result": "confirmed"}).status_code == 409
    with world.transaction() as session:
        hold = session.scalars(sa.select(Hold)).one()
    assert browser.post(f"{address}/holds/{hold.id}/lift", data={"reason": "Shredded again."}).status_code == 303
    assert world.device(device_id).state is State.CLEARED
    assert browser.post(validate, data={"result": "confirmed"}).status_code == 303
    assert world.device(device_id).state in WAYS
    owner = text(browser.sign_in("cora").get(f"/devices/{world.device(device_id).code}"))
    assert "The platter is whole." not in owner
    assert "Shredded again." not in owner


@pytest.mark.parametrize("result", ["confirmed", "doubted"])
def test_nobody_confirms_what_nobody_recorded_as_destroyed(browser: Browser, world: World, result: str) -> None:
    device_id = world.clearing(serials=("SIM-1",), kind="sim")
    order, (medium,) = world.order(device_id), world.media(device_id)
    address = bench_of(world, device_id)
    browser.sign_in("otto")
    page = browser.get(address)
    assert "Nobody has recorded yet that it was destroyed." in text(page)
    assert f"/media/{medium.id}/validate" not in page.text
    with world.nothing_changes("refusals"):
        early = browser.post(
            f"{address}/media/{medium.id}/validate", data={"result": result, "note": "It is in the press."}
        )
    assert early.status_code == 409
    assert "Nobody has recorded yet that it was destroyed." in text(early)
    world.submit(world.bundle(order, evidence_class="destroyed", level="destroy", technique="shred", bytes_read=0))
    assert world.device(device_id).state is State.CLEARED
    assert browser.post(f"{address}/media/{medium.id}/validate", data={"result": "confirmed"}).status_code == 303
    assert world.device(device_id).state in WAYS


def test_the_database_holds_the_second_person_too(world: World) -> None:
    device_id = destroyed(world)
    (medium,) = world.media(device_id)
    with pytest.raises(sa.exc.DBAPIError, match="a second person has not confirmed"), world.transaction() as session:
        custody.move(
            session, custody.find(session, device_id), State.FOR_DISMANTLING, by=world.olga, evidence={}, now=world.now
        )
    assert world.device(device_id).state is State.CLEARED
    alone = (
        "insert into validations (id, device_id, cycle, seq, medium_id, result, note, validated_by, worked_by, at)"
        " values (gen_random_uuid(), :d, 1, 99, :m, 'confirmed', '', :p, array[cast(:p as uuid)], now())"
    )
    answer = world.refused_by_database(alone, d=device_id, m=medium.id, p=world.olga.id)
    assert "ck_validations_second_person" in answer


def test_a_cleared_device_whose_certificate_falls_before_its_second_person_came_is_wiped_anew(world: World) -> None:
    device_id = destroyed(world)
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate)).one()
        clearing.revoke_certificate(session, world.stefan, certificate.id, reason="A faulty station.", now=world.now)
    device = world.device(device_id)
    assert (device.state, device.cycle) == (State.CLEARING, 2)


# ---- after remanufacture, and corrections ----


def test_a_device_that_was_repaired_is_inspected_again_and_never_repaired_twice(browser: Browser, world: World) -> None:
    device_id = remanufactured(world)
    address = bench_of(world, device_id)
    assert "inspect it again" in text(browser.sign_in("olga").get(address))
    again = findings_form(battery_soh="99")
    del again["observed_serial"]
    wrong = browser.post(address + "/reinspect", data=again | {"mass_g": "", "liquid": "", "keyboard": "broken"})
    assert wrong.status_code == 422
    for field in ("mass_g", "liquid", "keyboard"):
        assert f'href="#f-{field}"' in text(wrong)
    assert browser.post(address + "/reinspect", data=again | {"keyboard": "ok", "stress": "ok"}).status_code == 303
    assert world.device(device_id).state in (State.FOR_RESALE, State.FOR_DISMANTLING)
    with world.transaction() as session:
        kinds = session.scalars(sa.select(CustodyEvent.kind).where(CustodyEvent.device_id == device_id)).all()
    assert "device.reinspected" in kinds
    ways = session_ways(world, device_id)
    assert ways["for_remanufacture"]["why"] == "It was remanufactured already; it is not repaired a second time."
    assert browser.post(address + "/reinspect", data=again).status_code == 409


def session_ways(world: World, device_id: UUID) -> dict[str, dict[str, object]]:
    """The ways of the routing that was worked out with the device repaired."""
    with world.transaction() as session:
        rows = session.scalars(sa.select(Routing).where(Routing.device_id == device_id)).all()
    (mended,) = [row for row in rows if row.inputs.get("remanufactured")]
    return {way["name"]: way for way in mended.ways}


def test_a_device_in_a_lot_is_not_inspected_again(browser: Browser, world: World) -> None:
    device_id = remanufactured(world)
    world.lot_of([device_id])
    answer = browser.sign_in("olga").post(bench_of(world, device_id) + "/reinspect", data=findings_form())
    assert answer.status_code == 409
    assert "for sale as its manifest says" in text(answer)


def test_a_wrong_entry_is_corrected_beside_it_and_undoes_nothing(browser: Browser, world: World) -> None:
    device_id = destroyed(world)
    address = bench_of(world, device_id)
    with world.transaction() as session:
        entry = session.scalars(
            sa.select(CustodyEvent.seq).where(
                CustodyEvent.kind == "medium.destroyed", CustodyEvent.device_id == device_id
            )
        ).one()
    browser.sign_in("olga")
    for wrong, field in (({"entry": "999"}, "entry"), ({"correction": ""}, "correction")):
        form = {"entry": str(entry), "correction": "Pulverised, not shredded."} | wrong
        answer = browser.post(address + "/correct", data=form)
        assert answer.status_code == 422
        assert f'href="#f-{field}"' in text(answer)
    form = {"entry": str(entry), "correction": "Pulverised, not shredded."}
    assert browser.post(address + "/correct", data=form).status_code == 303
    assert f"Entry {entry} was corrected" in text(browser.get(address))
    with world.transaction() as session:
        assert custody.check_chain(session, device_id) == []
    assert world.device(device_id).state is State.CLEARED
    owner = text(browser.sign_in("cora").get(f"/devices/{world.device(device_id).code}"))
    assert f"Entry {entry} was corrected" in owner
    assert "Pulverised" not in owner


# ---- weights, holds, queues ----


def test_a_parcel_lighter_than_its_device_goes_on_hold(browser: Browser, world: World) -> None:
    device_id = world.expected()
    form = {"seal": "S-7", "seal_state": "intact", "mass_g": "300"}
    browser.sign_in("olga").post(bench_of(world, device_id) + "/receive", data=form)
    page = text(browser.get(bench_of(world, device_id)))
    assert "The parcel weighs 300 g; such a device alone weighs about 1,580 g." in page


def test_another_weight_than_before_goes_on_hold_unless_a_medium_left(browser: Browser, world: World) -> None:
    address = bench_of(world, world.inspected())
    browser.sign_in("olga")
    browser.post(address + "/weigh", data={"mass_g": "1600"})
    assert "On hold" not in text(browser.get(address)).split("Story")[0].split("Other actions")[0]
    browser.post(address + "/weigh", data={"mass_g": "1400"})
    assert "It weighs 1,400 g now and weighed 1,600 g before" in text(browser.get(address))
    device_id = world.inspected(serial="PF2", serials=("DRIVE-2",))
    (drive,) = world.media(device_id)
    address = bench_of(world, device_id)
    browser.post(f"{address}/media/{drive.id}/apart", data={"seal": "A-1", "reason": "It goes to the shredder."})
    browser.post(address + "/weigh", data={"mass_g": "1400"})
    assert "now and weighed" not in text(browser.get(address))


def test_a_seller_reads_what_was_written_for_them_and_not_what_was_written_for_us(
    browser: Browser, world: World
) -> None:
    device_id = world.received()
    address, code = bench_of(world, device_id), world.device(device_id).code
    browser.sign_in("olga")
    form = {"kind": "ownership", "reason": "The seller sounds like a thief to me."}
    browser.post(address + "/hold", data=form)
    browser.post(
        address + "/hold", data={**form, "kind": "lock", "note_for_seller": "Please sign out of your account."}
    )
    ours = text(browser.get(address))
    assert "sounds like a thief" in ours
    assert "Its seller reads: Please sign out of your account." in ours
    theirs = text(browser.sign_in("cora").get(f"/devices/{code}"))
    assert "thief" not in theirs
    assert "Please sign out of your account." in theirs
    assert "It is not clear who owns the device." in theirs
    too_long = browser.sign_in("stefan").post(
        f"/staff/devices/{code}/hold", data={**form, "note_for_seller": "x" * 501}
    )
    assert too_long.status_code in (422, 500)  # The desk's page is drawn by another part.


def test_each_device_stands_in_one_queue_and_the_tabs_count_them(browser: Browser, world: World) -> None:
    world.expected(serial="PF-EXPECTED")
    world.with_media(serial="PF-RECEIVED", serials=("D1",))
    world.inspected(serial="PF-INSPECTED", serials=("D2",))
    world.clearing(serial="PF-CLEARING", serials=("D3",))
    world.ordered(serial="PF-ORDERED", serials=("D4",))
    held = world.with_media(serial="PF-HELD", serials=("D5",))
    with world.transaction() as session:
        steps.place_hold(session, world.olga, held, kind="stolen", reason="Listed.", now=world.now)
    _, order = world.ordered(serial="PF-FAILED", serials=("D6", "D7"))
    world.refuse(world.bundle(order, leave_out=("D7",)))
    destroyed(world, serial="PF-SECOND", serials=("D8",))
    again = world.cleared(serial="PF-AGAIN", serials=("D9",))
    world.note_medium(again, "LATE-1", "sd")
    world.cleared(serial="PF-SALE", serials=("D10",))
    browser.sign_in("olga")
    page = text(browser.get("/bench"))
    tabs = dict(re.findall(r'state=(\w+)" ?>[^<]+ <span class="number">(\d+)</span>', page))
    queues = ("expected", "received", "inspected", "order", "wiping", "failed", "second", "again", "hold")
    assert {name: tabs.get(name) for name in queues} == dict.fromkeys(queues, "1")
    everything = re.findall(r"PF-[A-Z]+", page.split("<tbody>")[1].split("</tbody>")[0])
    assert sorted(everything) == sorted(set(everything))
    assert "PF-SALE" not in everything
    assert {"PF-RECEIVED", "PF-FAILED", "PF-SECOND", "PF-AGAIN", "PF-HELD"} <= set(everything)
    of = {"expected": "PF-EXPECTED", "order": "PF-CLEARING", "wiping": "PF-ORDERED", "second": "PF-SECOND"}
    of |= {"failed": "PF-FAILED", "again": "PF-AGAIN", "hold": "PF-HELD", "received": "PF-RECEIVED"}
    for name, serial in of.items():
        rows = text(browser.get(f"/bench?state={name}")).split("<tbody>")[1].split("</tbody>")[0]
        assert re.findall(r"PF-[A-Z]+", rows) == [serial], name
        file = browser.get(f"/bench/queue.csv?state={name}")
        assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert [line.split(",")[5] for line in file.text.splitlines()] == ["serial", serial], name


def test_the_longest_waiting_stands_first(browser: Browser, world: World) -> None:
    for number in range(3):
        world.received(serial=f"PF-{number}")
        world.later(hours=5)
    rows = text(browser.sign_in("olga").get("/bench?state=received")).split("<tbody>")[1]
    assert re.findall(r"PF-\d", rows) == ["PF-0", "PF-1", "PF-2"]
    assert re.findall(r">(\d+ h)</time>", rows) == ["15 h", "10 h", "5 h"]


def test_an_unknown_code_offers_what_is_near_and_says_what_to_do(browser: Browser, world: World) -> None:
    code = world.device(world.received()).code
    page = text(browser.sign_in("olga").get("/bench/find?code=F1ABC"))
    assert "What now?" in page
    assert f"/bench/devices/{code}" in page
    assert "A parcel that nobody announced?" in page
    assert code not in text(browser.sign_in("omar").get("/bench/find?code=F1ABC"))


def test_labels_carry_a_code_to_scan_for_the_device_and_for_what_is_kept_apart(browser: Browser, world: World) -> None:
    device_id = world.with_media(serials=("DRIVE-1",))
    (drive,) = world.media(device_id)
    code = world.device(device_id).code
    browser.sign_in("olga").post(
        f"{bench_of(world, device_id)}/media/{drive.id}/apart", data={"seal": "A-17", "reason": "It has a seal now."}
    )
    page = browser.get(f"/bench/labels?code={code}&code=nonsense")
    assert page.text.count('class="qr"') == 2
    assert "style=" not in page.text
    assert "A-17" in text(page)
    assert "Rhein Datenpark" in text(page)
    assert code not in text(browser.sign_in("omar").get(f"/bench/labels?code={code}"))


def test_a_wipe_that_is_awaited_asks_again_until_something_changed(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    address = bench_of(world, device_id)
    page = browser.sign_in("olga").get(address).text
    part = re.search(r'hx-get="([^"]+)" hx-trigger="every 5s"', page)
    assert part
    onward = part[1].replace("&amp;", "&")
    still = browser.get(onward)
    assert "hx-get" in still.text
    assert "<html" not in still.text
    world.submit(world.bundle(order))
    after = browser.get(onward)
    assert "hx-get" not in after.text
    assert "Something changed: look again" in text(after)


# ---- photographs over HTTP ----


def test_a_photograph_is_served_for_good_to_whom_it_concerns(browser: Browser, world: World) -> None:
    device_id = world.received()
    address = bench_of(world, device_id)
    browser.sign_in("olga")
    form = {"photograph_kind": "opened-case", "photographs": [(io.BytesIO(jpeg()), "a.jpg")]}
    assert browser.post(address + "/photographs", data=form).status_code == 303
    page = browser.get(address).text
    found = re.search(r'src="(/photographs/[0-9a-f-]+/small)" alt="([^"]+)"', page)
    assert found
    assert found[2] == "Lenovo ThinkPad T480, with its case open"
    answer = browser.get(found[1])
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert browser.get(found[1], headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert browser.sign_in("ben").get(found[1]).status_code == 404
    assert browser.sign_in("cora").get(found[1]).status_code == 200
    hide = found[1].replace("/small", "/hide")
    assert browser.post(hide).status_code == 403
    assert browser.sign_in("olga").post(hide).status_code == 303
    assert browser.get(found[1]).status_code == 404


def test_what_is_no_photograph_comes_back_in_words_and_the_choice_stays(browser: Browser, world: World) -> None:
    address = bench_of(world, world.received())
    browser.sign_in("olga")
    sent: list[tuple[dict[str, object], str]] = [
        ({"photographs": [(io.BytesIO(b"<svg/>"), "a.jpg")]}, "is a drawing (SVG)"),
        ({"photographs": [(io.BytesIO(jpeg(10, 10)), "a.jpg")] * 1, "photograph_kind": "selfie"}, "Choose what the"),
        ({}, "Choose at least one photograph."),
        ({"photographs": [(io.BytesIO(jpeg(10, 10)), f"{n}.jpg") for n in range(5)]}, "at most 4 photographs"),
    ]
    for change, sentence in sent:
        with world.nothing_changes("refusals"):
            answer = browser.post(address + "/photographs", data={"photograph_kind": "inspection", **change})
        assert answer.status_code == 422
        assert sentence in text(answer)
    assert 'value="inspection" selected' in text(answer)


def test_a_hundred_megabytes_are_refused_before_they_are_read(browser: Browser, world: World) -> None:
    address = bench_of(world, world.received()) + "/photographs"

    class Unread:
        """A body that tells its length and is read by nobody."""

        def __init__(self, size: int) -> None:
            self.size, self.at = size, 0

        def seek(self, offset: int, whence: int = 0) -> None:
            self.at = self.size if whence == 2 else offset

        def tell(self) -> int:
            return self.at

        def read(self, *_: int) -> bytes:
            raise AssertionError("somebody read it")

        readline = read

        def close(self) -> None:
            pass

    browser.sign_in("olga")
    for size, who in ((100_000_000, "olga"), (3_000_000, None)):
        if who is None:
            browser = browser.application.test_client()
        answer = browser.post(
            address,
            input_stream=Unread(size),
            content_type="multipart/form-data; boundary=x",
        )
        assert answer.status_code == 413


def test_a_serial_that_is_noted_in_another_device_is_asked_again(browser: Browser, world: World) -> None:
    first = world.with_media(serials=("DRIVE-9",), serial="PF1FIRST")
    second = world.received(serial="PF1SECOND")
    address = bench_of(world, second)
    form = {"kind": "ssd", "model": "PM981", "serial": "drive-9"}
    browser.sign_in("olga")
    with world.nothing_changes("refusals"):
        asked = browser.post(f"{address}/media", data=form)
    assert asked.status_code == 422
    assert f"drive-9 is noted in {world.device(first).code} too." in text(asked)
    assert 'name="sure"' in asked.text
    assert browser.post(f"{address}/media", data={**form, "sure": "yes"}).status_code == 303
    assert [medium.serial for medium in world.media(second)] == ["drive-9"]


def test_nothing_is_answered_beforehand_and_a_seal_may_have_no_number(browser: Browser, world: World) -> None:
    device_id = world.expected()
    address = bench_of(world, device_id)
    page = browser.sign_in("olga").get(address).text
    assert 'name="seal_state" value="intact" required>' in page
    assert '<option value="">Choose why</option>' in page
    form = {"mass_g": "1900", "no_number": "yes"}
    with world.nothing_changes("refusals"):
        assert browser.post(f"{address}/receive", data=form).status_code == 422
    assert browser.post(f"{address}/receive", data={**form, "seal_state": "intact"}).status_code == 303
    assert world.device(device_id).state is State.RECEIVED
    assert "no number" in text(browser.get(address))


def test_an_order_that_does_not_name_every_medium_is_replaced_next(browser: Browser, world: World) -> None:
    device_id, _ = world.ordered()
    browser.sign_in("olga")
    address = bench_of(world, device_id)
    assert "<h2>Wipe and certify</h2>" in text(browser.get(address))
    world.note_medium(device_id, "STICK-1", "usb")
    page = text(browser.get(address))
    assert "<h2>Replace the work order</h2>" in page
    assert "All media have to be wiped again under the new order." in page


def test_a_sale_that_is_not_paid_is_not_handed_over_next(browser: Browser, world: World) -> None:
    lot, (device_id,) = world.listed_lot()
    world.bid("rita", lot, 40)
    world.later(days=3)
    order = world.close(lot)
    browser.sign_in("olga")
    assert "<h2>Wait: not paid yet</h2>" in text(browser.get(bench_of(world, device_id)))
    world.pay(order, "rita")
    assert "<h2>Hand it over</h2>" in text(browser.get(bench_of(world, device_id)))


def test_a_bundle_of_another_device_changes_neither(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    other = world.received(serial="PF1OTHER")
    browser.sign_in("olga")
    with world.nothing_changes("refusals"):
        answer = browser.post(f"{bench_of(world, other)}/certificate", data={"bundle": zipped(files)})
    assert answer.status_code == 422
    codes = world.device(device_id).code, world.device(other).code
    assert f"This bundle belongs to {codes[0]}. {codes[1]} is not changed." in text(answer)
