"""The bench: what only people saw is confirmed by somebody who did not work on it."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from ewaste.certificates.models import Certificate
from ewaste.devices import custody
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Hold
from ewaste.journey import clearing
from tests.web.bench_tools import bench_of, destroyed, text
from tests.web.conftest import Browser
from tests.world import World


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
