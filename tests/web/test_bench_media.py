"""The bench: media are noted, their wipe is ordered, and certificates come in."""

from __future__ import annotations

import html
import io
import re

import sqlalchemy as sa

from ewaste.centres.models import WorkOrder
from ewaste.certificates.models import Certificate, CertificateRefusal
from ewaste.core.refusals import RefusalNote
from ewaste.devices import custody, media
from ewaste.devices.lifecycle import State
from ewaste.journey import bench as steps
from tests.web.bench_tools import bench_of, text, zipped
from tests.web.conftest import Browser
from tests.world import World


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


def test_a_certificate_that_is_sound_and_refused_says_in_red_what_does_not_fit(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    world.note_medium(device_id, "CARD-9", kind="sd")
    reason = world.refuse(world.bundle(order))
    assert reason.startswith("This certificate covers one storage medium. This device has 2.")
    red = f"Failed:</strong> {reason}"
    page = text(browser.sign_in("olga").get(bench_of(world, device_id)))
    assert page.count("Failed:</strong>") == page.count(red) == 1
    browser.sign_in("ada")
    link = re.search(r"/staff/certificates/refused/[0-9a-f-]{36}", browser.get("/staff/certificates/refused").text)
    assert link
    page = text(browser.get(link[0]))
    assert page.count("Failed:</strong>") == page.count(red) == 1
    assert page.index("Does it fit what we know of the device?") < page.index(red) < page.index("Can it be read?")
    assert "checks passed" not in page


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


def test_an_order_that_does_not_name_every_medium_is_replaced_next(browser: Browser, world: World) -> None:
    device_id, _ = world.ordered()
    browser.sign_in("olga")
    address = bench_of(world, device_id)
    before = text(browser.get(address))
    assert "<h2>Wipe and certify</h2>" in before
    assert before.count("wipe-agent certify --order") == 1
    assert "If you replace this order, all its media must be wiped again." in before
    world.note_medium(device_id, "STICK-1", "usb")
    page = text(browser.get(address))
    assert "<h2>Replace the work order</h2>" in page
    assert "Wipe nothing under it: its certificate would be refused." in page
    assert "All its media must be wiped again under the new order, also those wiped already." in page
    assert "--order" not in page
    assert "Waiting for the certificate" not in page


def test_while_a_device_is_held_its_page_gives_no_command_to_wipe_it(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    address = bench_of(world, device_id)
    assert f"wipe-agent wipe --order {order.code}" in browser.sign_in("olga").get(address).text
    with world.transaction() as session:
        steps.place_hold(session, world.olga, device_id, kind="lock", reason="It is locked.", now=world.now)
    page = browser.get(address).text
    assert order.code in page
    assert "--order" not in page


def test_an_order_over_two_media_has_a_command_for_each(browser: Browser, world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE 2"))
    page = browser.sign_in("olga").get(bench_of(world, device_id)).text
    wipes = [line for line in page.splitlines() if "wipe-agent wipe " in line]
    assert sorted(map(html.unescape, wipes)) == [
        f"wipe-agent wipe --order {order.code} --medium 'DRIVE 2' --target /dev/sdX",
        f"wipe-agent wipe --order {order.code} --medium DRIVE-1 --target /dev/sdX",
    ]


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


def test_a_medium_noted_by_mistake_is_taken_back_until_an_order_names_it(browser: Browser, world: World) -> None:
    device_id = world.clearing(serials=("DRIVE-1", "TYPING-ERROR"))
    address = bench_of(world, device_id)
    right, wrong = sorted(world.media(device_id), key=lambda medium: medium.serial)
    world.later(minutes=5)
    browser.sign_in("olga")
    assert browser.post(f"{address}/media/{wrong.id}/withdraw", data={"reason": ""}).status_code == 422
    form = {"reason": "It is the serial of the battery."}
    assert browser.post(f"{address}/media/{wrong.id}/withdraw", data=form).status_code == 303
    page = text(browser.get(address))
    assert "Noted by mistake and taken back: SSD" in page
    assert "It is the serial of the battery." in page
    assert browser.post(f"{address}/media/{wrong.id}/withdraw", data=form).status_code == 404
    order = world.order(device_id)
    assert "A medium was noted by mistake" not in text(browser.get(address))
    late = browser.post(f"{address}/media/{right.id}/withdraw", data=form)
    assert late.status_code == 409
    assert "A work order named this medium already." in text(late)
    insert = (
        "insert into medium_events (id, medium_id, device_id, cycle, kind, at, evidence)"
        " values (gen_random_uuid(), :m, :d, 1, 'withdrawn', :now, '{}')"
    )
    assert world.refused_by_database(insert, m=right.id, d=device_id, now=world.now).startswith("23514")
    world.submit(world.bundle(order))
    assert world.device(device_id).state.value.startswith("for_")
    world.later(minutes=5)
    world.note_medium(device_id, "TYPING-ERROR")
    assert world.raw("select device_cleared(:d)", d=device_id) is False, "it was there after all, and is not covered"


def test_what_was_taken_back_does_not_come_back_in_a_new_cycle(world: World) -> None:
    device_id = world.with_media(serials=("DRIVE-1", "TYPING-ERROR"))
    wrong = next(medium for medium in world.media(device_id) if medium.serial == "TYPING-ERROR")
    world.later(minutes=5)
    with world.transaction() as session:
        steps.withdraw_medium(session, world.olga, device_id, wrong.id, reason="A typing error.", now=world.now)
        steps.report_lost(session, world.olga, device_id, reason="Not in its place.", now=world.now)
    world.later(minutes=5)
    with world.transaction() as session:
        device = custody.find(session, device_id)
        custody.move(session, device, State.RECEIVED, by=world.olga, evidence={}, now=world.now)
        assert [medium.serial for medium in media.observed(session, device)] == ["DRIVE-1"]


def test_a_medium_without_a_serial_is_given_a_number_of_its_own_and_one_without_a_model_says_so(
    browser: Browser, world: World
) -> None:
    device_id = world.received()
    address, code = bench_of(world, device_id), world.device(device_id).code
    browser.sign_in("olga")
    form = {"kind": "sd", "model": "Unbranded", "serial": "", "no_serial": "yes"}
    for number in (1, 2):
        assert browser.post(f"{address}/media", data=form).status_code == 303
        assert f"serial NONE-{code}-{number}. Write that number on it." in text(browser.get(address))
    soldered = {"kind": "emmc", "model": "", "serial": "", "no_serial": "yes"}
    assert browser.post(f"{address}/media", data=soldered).status_code == 422
    contradicts = browser.post(f"{address}/media", data=form | {"no_model": "yes"})
    assert contradicts.status_code == 422
    assert 'href="#f-model">Type its model, or tick that it cannot be read.' in text(contradicts)
    assert len(world.media(device_id)) == 2
    assert browser.post(f"{address}/media", data=soldered | {"no_model": "yes"}).status_code == 303
    assert sorted(one.model for one in world.media(device_id)) == ["Unbranded", "Unbranded", "not readable"]
    both = browser.post(f"{address}/media", data=form | {"serial": "SD-1"})
    assert both.status_code == 422
    assert "or tick that it shows none" in text(both)
    assert len(world.media(device_id)) == 3
