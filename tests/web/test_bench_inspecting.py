"""The bench: the checklist, the offer that follows from it, and what an inspector is asked again."""

from __future__ import annotations

import io
import re
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from werkzeug.test import TestResponse

from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.devices.models import CustodyEvent
from ewaste.processing.models import Inspection, Routing
from tests.web.bench_tools import Shown, bench_of, findings_form, text, version
from tests.web.conftest import Browser
from tests.world import SERIAL, World, good_findings, jpeg


def test_the_checklist_makes_the_offer(browser: Browser, world: World) -> None:
    device_id = world.with_media()
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


def test_another_serial_than_announced_is_a_hold_and_no_offer(browser: Browser, world: World) -> None:
    device_id = world.with_media()
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
    assert "so no offer is made" in page
    assert world.device(device_id).state is State.RECEIVED
    with world.transaction() as session:
        assert session.scalars(sa.select(Inspection)).all() == []


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


def test_media_are_noted_before_the_inspection_and_what_was_typed_in_it_survives(
    browser: Browser, world: World
) -> None:
    device_id = world.received()
    address = bench_of(world, device_id)
    before = text(browser.sign_in("olga").get(address))
    assert "<h2>Note its storage media, then inspect it</h2>" in before
    assert before.index("Storage media</h2>") < before.index("Add this medium") < before.index("Inspect</h2>")
    typed = findings_form(version=version(browser, address), mass_g="1521")
    medium = {"kind": "ssd", "model": "PM981", "serial": "S3Z8"}

    refused = browser.post(address + "/media", data=typed | medium | {"model": ""})
    assert refused.status_code == 422
    added = browser.post(address + "/media", data=typed | medium)
    assert added.status_code == 201
    for answer in (refused, added):
        assert re.search(r'name="mass_g"[^>]* value="1521"', text(answer))
        assert re.search(rf'name="observed_serial"[^>]* value="{SERIAL}"', text(answer))
        assert len(re.findall(r"required checked", text(answer))) == len(re.findall(r"<fieldset", text(answer)))
    assert 'value="S3Z8"' in text(refused)
    assert 'value="S3Z8"' not in text(added)
    assert "Noted: PM981, serial S3Z8." in text(added)
    assert [one.serial for one in world.media(device_id)] == ["S3Z8"]
    assert "<h2>Inspect it</h2>" in text(added)

    seen = re.findall(r'name="version" value="(\d+)"', added.text)
    assert browser.post(address + "/inspect", data=typed | {"version": seen[0]}).status_code == 303
    assert world.device(device_id).state is State.INSPECTED


def inspection_of(answer: TestResponse, address: str) -> Shown:
    """The form that the page of a received device is."""
    shown = Shown(answer.text, f"{address}/inspect")
    assert shown.fields
    assert not shown.nested
    return shown


HALF = {"observed_serial": SERIAL, "mass_g": "1521", "body_wear": "faint"}


def test_no_other_button_of_the_page_loses_what_was_typed_of_the_inspection(browser: Browser, world: World) -> None:
    device_id = world.with_media(serials=("DRIVE-1", "TYPING-ERROR"))
    right, wrong = world.media(device_id)
    address = bench_of(world, device_id)
    answer = browser.sign_in("olga").get(address)
    for label, typed, says in (
        ("Note it", {"weigh.mass_g": "1900", "weigh.note": "On the other scale."}, "The weight is noted."),
        ("Take it back", {f"withdraw-{wrong.id}.reason": "It is the battery's."}, "Taken back."),
        (
            "Note the correction",
            {"correct.entry": "2", "correct.correction": "The seal was red."},
            "Noted beside entry 2.",
        ),
        (
            "Keep it apart",
            {f"apart-{right.id}.seal": "S-9", f"apart-{right.id}.reason": "For its owner."},
            "kept apart",
        ),
    ):
        world.later(minutes=1)
        shown = inspection_of(answer, address)
        if label == "Take it back":
            shown.buttons[label] = (f"{address}/media/{wrong.id}/withdraw", {"of": f"withdraw-{wrong.id}"})
        answer = shown.press(browser, label, **HALF, **{"hold.reason": "Half a thought"}, **typed)
        assert answer.status_code == 201, label
        assert says in text(answer)
        again = inspection_of(answer, address).fields
        assert {name: again.get(name) for name in HALF} == HALF, label
        assert again["hold.reason"] == "Half a thought"
        assert not any(again.get(name) == value for name, value in typed.items() if name != "correct.entry"), label
    kinds = [event.kind for event in chain(world, device_id)]
    assert kinds[-5:] == ["device.weighed", "medium.withdrawn", "record.corrected", "medium.removed", "medium.held"]
    done = inspection_of(answer, address).press(browser, "Finish the inspection", **findings_form(**HALF))
    assert done.status_code == 303
    assert world.device(device_id).state is State.INSPECTED


def test_a_small_form_that_is_refused_comes_back_with_the_inspection_around_it(browser: Browser, world: World) -> None:
    device_id = world.with_media()
    address = bench_of(world, device_id)
    shown = inspection_of(browser.sign_in("olga").get(address), address)
    with world.nothing_changes("refusals"):
        answer = shown.press(browser, "Put on hold", **HALF, **{"hold.kind": "lock", "hold.reason": ""})
    assert answer.status_code == 422
    again = inspection_of(answer, address).fields
    assert {name: again.get(name) for name in HALF} == HALF
    assert again["hold.kind"] == "lock"
    assert 'href="#f-hold.reason"' in answer.text
    assert 'id="f-hold.reason"' in answer.text


def test_what_was_typed_of_an_inspection_is_told_when_a_hold_ends_it(browser: Browser, world: World) -> None:
    device_id = world.with_media()
    address = bench_of(world, device_id)
    shown = inspection_of(browser.sign_in("olga").get(address), address)
    answer = shown.press(browser, "Put on hold", **HALF, **{"hold.kind": "lock", "hold.reason": "It is locked."})
    assert answer.status_code == 201
    told = text(answer)
    assert "On hold. Nothing moves until the hold is lifted" in told
    kept = told.split("What you typed")[1].split("</section>")[0]
    assert "<dd>1521</dd>" in kept
    assert re.findall(r"<dt>([^<]+)</dt>", kept) == [
        "Serial number or IMEI", "Weight, in grams", "How worn are lid, base and palm rest?",
    ]  # fmt: skip


def test_a_button_of_a_page_on_which_nothing_was_typed_leads_back_to_it(browser: Browser, world: World) -> None:
    device_id = world.with_media()
    address = bench_of(world, device_id)
    shown = inspection_of(browser.sign_in("olga").get(address), address)
    answer = shown.press(browser, "Note it", **{"weigh.mass_g": "1900"})
    assert (answer.status_code, answer.headers["Location"]) == (303, address)


def test_a_photograph_taken_while_inspecting_leaves_the_inspection_as_it_was(browser: Browser, world: World) -> None:
    device_id = world.with_media()
    address = bench_of(world, device_id)
    shown = inspection_of(browser.sign_in("olga").get(address), address)
    at, sent = shown.buttons["Add them"]
    whole: dict[str, Any] = shown.fields | HALF | sent | {"photographs.photograph_kind": "inspection"}
    answer = browser.post(at, data=whole | {"photographs": (io.BytesIO(jpeg()), "case.jpg")})
    assert answer.status_code == 201
    shown = inspection_of(answer, address)
    assert {name: shown.fields.get(name) for name in HALF} == HALF
    hidden = shown.press(browser, "Hide", **HALF)
    assert hidden.status_code == 201
    assert {name: inspection_of(hidden, address).fields.get(name) for name in HALF} == HALF


def chain(world: World, device_id: UUID) -> list[CustodyEvent]:
    with world.transaction() as session:
        events = sa.select(CustodyEvent).where(CustodyEvent.device_id == device_id).order_by(CustodyEvent.seq)
        return list(session.scalars(events))


def test_an_inspection_does_not_end_over_a_medium_that_was_typed_and_not_added(browser: Browser, world: World) -> None:
    device_id = world.with_media()
    browser.sign_in("olga")
    with world.nothing_changes("refusals"):
        answer = browser.post(
            bench_of(world, device_id) + "/inspect", data=findings_form(kind="ssd", serial="S3Z9", model="PM981")
        )
    assert answer.status_code == 422
    assert 'href="#f-medium">You typed a storage medium and did not add it.' in text(answer)
    assert 'id="f-medium"' in answer.text
    assert 'value="S3Z9"' in answer.text


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


def remanufactured(world: World) -> UUID:
    """A device that was sent to be repaired here."""
    device_id = world.cleared()
    assert world.device(device_id).state is State.FOR_RESALE
    with world.transaction() as session:
        device, to = custody.find(session, device_id), State.FOR_REMANUFACTURE
        custody.move(session, device, to, by=world.stefan, evidence={"because": "a test"}, now=world.now)
    return device_id


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


def test_an_odd_weight_and_missing_storage_are_asked_about_once_and_then_believed(
    browser: Browser, world: World
) -> None:
    device_id = world.received()
    address = bench_of(world, device_id)
    form = findings_form(mass_g="520")
    browser.sign_in("olga")
    with world.nothing_changes("refusals"):
        asked = browser.post(address + "/inspect", data=form)
    assert asked.status_code == 422
    page = text(asked)
    assert re.search(r"You typed 520 g; such a device weighs about [\d,]+ g\.", page)
    assert "No storage is noted. Note each medium first." in page
    assert page.count('name="sure_mass_g"') == page.count('name="sure_storage"') == 1
    half = browser.post(address + "/inspect", data={**form, "sure_mass_g": "yes"})
    assert half.status_code == 422
    assert re.search(r'name="sure_mass_g"[^>]* checked', half.text), "what was ticked stays ticked"
    sure = {"sure_mass_g": "yes", "sure_storage": "yes"}
    assert browser.post(address + "/inspect", data={**form, **sure}).status_code == 303
    assert world.device(device_id).state is State.INSPECTED
