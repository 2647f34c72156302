"""The bench as its operator uses it: every form, what it changes, and what a refusal leaves behind."""

from __future__ import annotations

import io
import re
from uuid import UUID

import sqlalchemy as sa
from werkzeug.test import TestResponse

from ewaste.centres.models import EnrolmentCode, WorkOrder
from ewaste.certificates.models import Certificate, CertificateRefusal
from ewaste.core.refusals import RefusalNote
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Hold, Medium
from ewaste.processing.models import Inspection
from tests.web.conftest import Browser
from tests.world import SERIAL, World, good_findings
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


def test_the_queue_costs_the_same_with_one_device_and_with_many(browser: Browser, world: World) -> None:
    statements: list[str] = []
    sa.event.listen(
        browser.application.extensions["ewaste"].database.engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: statements.append(statement),
    )
    world.received(serial="PF00001")
    browser.sign_in("olga").get("/bench")
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
