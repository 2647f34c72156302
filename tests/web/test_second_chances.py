"""What the desk and the bench do when the straight way is left: media kept apart, devices that return, failed payouts;
and the fingerprint by which a station's people see that they speak with us."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa

from ewaste.centres.models import WorkOrder
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Title
from ewaste.journey import settlement
from ewaste.payments.gateway import PaymentState
from ewaste.payments.models import InstructionState, PaymentInstruction
from tests.web.bench_tools import bench_of, text, zipped
from tests.web.conftest import Browser
from tests.web.test_recycler import paid
from tests.world import World, good_findings
from wipe_agent.certificate import fingerprint


def test_a_medium_kept_apart_is_left_out_of_the_next_order(browser: Browser, world: World) -> None:
    device_id, _ = world.ordered(serials=("DRIVE-1",))
    card = world.note_medium(device_id, "CARD-1", "sd")
    world.order(device_id)
    address = bench_of(world, device_id)
    browser.sign_in("olga")
    assert "A medium was taken out and is kept apart" in text(browser.get(address))
    good = {"seal": "A-17", "reason": "The slot does not let go of it by itself."}
    for field in good:
        answer = browser.post(f"{address}/media/{card}/apart", data=good | {field: ""})
        assert answer.status_code == 422
        assert f'href="#f-{field}"' in text(answer)
        assert f'id="f-{field}"' in text(answer)
    assert browser.post(f"{address}/media/{card}/apart", data=good).status_code == 303
    page = text(browser.get(address))
    assert "apart, under seal" in page
    assert "Storage taken out: SD card" in page
    assert "Storage kept apart: SD card" in page
    assert "A-17" in page
    assert "<dt>Seal</dt><dd>S-1001</dd>" in page  # The device keeps the seal it came with.
    assert "This order names a medium that is kept apart" in page
    assert browser.post(f"{address}/media/{card}/apart", data=good).status_code == 409

    assert browser.post(address + "/work-order").status_code == 303
    assert "This order names a medium that is kept apart" not in text(browser.get(address))
    bundle = world.bundle(_open_order(world, device_id))
    assert "CARD-1" not in bundle["certificate.json"]
    world.later(hours=3)
    assert browser.post(address + "/certificate", data={"bundle": zipped(bundle)}).status_code == 303
    assert world.device(device_id).state in WAYS


def test_what_is_soldered_in_is_not_kept_apart(browser: Browser, world: World) -> None:
    device_id = world.with_media(serials=())
    chip = world.note_medium(device_id, "CHIP-1", "emmc")
    address = bench_of(world, device_id)
    assert "kept apart" not in text(browser.sign_in("olga").get(address))
    answer = browser.post(f"{address}/media/{chip}/apart", data={"seal": "A-1", "reason": "I would like to."})
    assert answer.status_code == 422
    assert "soldered in" in text(answer)


def test_a_sold_device_that_comes_back_is_received_inspected_and_wiped_anew(browser: Browser, world: World) -> None:
    lot, (device_id,) = world.listed_lot()
    code = paid(world, lot)
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, code, now=world.now)
    address = bench_of(world, device_id)
    page = text(browser.sign_in("olga").get(address))
    assert "It came back: receive it again" in page
    answer = browser.post(address + "/receive", data={"seal": "", "seal_state": "intact", "mass_g": "1850"})
    assert answer.status_code == 422
    assert world.device(device_id).state is State.DELIVERED
    form = {"seal": "S-9", "seal_state": "intact", "mass_g": "1850"}
    assert browser.post(address + "/receive", data=form).status_code == 303
    page = text(browser.get(address))
    assert "Custody cycle 2 begins" in page
    assert "Title passed with its return." in page
    assert "Finish the inspection and make the offer" not in page
    device = world.device(device_id)
    assert (device.state, device.title, device.cycle) == (State.RECEIVED, Title.MARKET, 2)

    findings = {name: str(value) for name, value in good_findings().items()}
    found = {"observed_serial": device.claimed_serial, "mass_g": "1520", **findings}
    assert browser.post(address + "/inspect", data=found).status_code == 303
    assert "The device is ours already; it waits to be wiped." in text(browser.get(address))
    assert browser.post(address + "/work-order").status_code == 303
    bundle = world.bundle(_open_order(world, device_id))
    world.later(hours=3)
    assert browser.post(address + "/certificate", data={"bundle": zipped(bundle)}).status_code == 303
    assert world.device(device_id).state in WAYS
    staff = text(browser.sign_in("stefan").get("/staff/ledger"))
    assert "Device came back" in staff


def test_a_lost_device_that_turns_up_is_received_again(browser: Browser, world: World) -> None:
    device_id = world.received()
    address = bench_of(world, device_id)
    browser.sign_in("olga").post(address + "/lost", data={"reason": "Not on its shelf."})
    assert "Receive it again" in text(browser.get(address))
    form = {"seal": "S-9", "seal_state": "intact", "mass_g": "1850"}
    assert browser.post(address + "/receive", data=form).status_code == 303
    device = world.device(device_id)
    assert (device.state, device.title, device.cycle) == (State.RECEIVED, Title.SELLER, 2)
    assert "Finish the inspection and make the offer" in text(browser.get(address))


def test_staff_write_a_failed_payout_anew_and_nobody_else_does(browser: Browser, world: World) -> None:
    world.cleared()
    with world.transaction() as session:
        payout = session.scalars(sa.select(PaymentInstruction.id)).one()
    world.provider_says(payout, PaymentState.FAILED, "The account is closed.")
    address = f"/staff/payouts/{payout}/again"
    page = text(browser.sign_in("ada").get("/staff/payments"))
    assert "The account is closed." in page
    assert address not in page
    for who in ("ada", "cora", "olga", "rita"):
        assert browser.sign_in(who).post(address).status_code == 403
    assert address in text(browser.sign_in("stefan").get("/staff/payments"))
    assert browser.post(address).status_code == 303
    page = text(browser.get("/staff/payments"))
    assert "Written anew: payout to a seller" in page
    assert address not in page, "what was written anew is not written a third time"
    again = browser.post(address)
    assert again.status_code == 409
    assert "This payment was written anew already." in text(again)
    assert browser.post(f"/staff/payouts/{world.organisation('Werk Zwei')}/again").status_code == 404
    with world.transaction() as session:
        states = session.scalars(sa.select(PaymentInstruction.state).order_by(PaymentInstruction.written_at)).all()
    assert sorted(states) == [InstructionState.FAILED, InstructionState.WRITTEN]


def test_the_site_shows_the_fingerprint_that_a_station_shows(browser: Browser, world: World) -> None:
    served = browser.get("/trust.json").data
    shown = fingerprint(served)
    assert shown.count(" ") == 7
    assert shown in text(browser.get("/verify"))
    assert shown in text(browser.sign_in("olga").get("/bench/stations"))


def test_the_words_of_a_lot_promise_what_is_kept(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    page = text(browser.sign_in("rita").get(f"/lots/{code}"))
    assert "Looks C1 to C8 and function F1 to F5" in page
    assert page.count('name="key"') == 1
    world.bid("rita", code, 50)
    world.later(days=3)
    world.close(code)
    page = text(browser.get(f"/my-lots/{code}"))
    assert "runner-up" not in page
    assert "for sale again" in page


def _open_order(world: World, device_id: UUID) -> WorkOrder:
    with world.transaction() as session:
        return session.scalars(
            sa.select(WorkOrder).where(
                WorkOrder.device_id == device_id, WorkOrder.consumed_at.is_(None), WorkOrder.superseded_at.is_(None)
            )
        ).one()
