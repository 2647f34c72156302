"""The desk: staff act and give reasons, an auditor reads, and nobody else sees it."""

from __future__ import annotations

import io

import sqlalchemy as sa

from ewaste.accounts.models import Organisation, OrganisationState
from ewaste.centres.models import Centre, Standing
from ewaste.certificates.models import Certificate
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Hold
from ewaste.market.models import Listing, ListingState, Lot, Order, OrderState
from ewaste.payments.models import InstructionKind, PaymentInstruction
from tests.web.conftest import Browser
from tests.web.test_bench import text, zipped
from tests.web.test_recycler import paid
from tests.world import World

READ = (
    "/staff",
    "/staff/devices",
    "/staff/orders",
    "/staff/centres",
    "/staff/recyclers",
    "/staff/ledger",
    "/staff/refusals",
)


def test_staff_and_auditors_read_the_desk_and_nobody_else(browser: Browser, world: World) -> None:
    device = f"/staff/devices/{world.device(world.received()).code}"
    for who, status in (("stefan", 200), ("ada", 200), ("cora", 403), ("olga", 403), ("rita", 403)):
        browser.sign_in(who)
        assert {path: browser.get(path).status_code for path in (*READ, device)} == dict.fromkeys(
            (*READ, device), status
        )


def test_an_auditor_changes_nothing(browser: Browser, world: World) -> None:
    device_id = world.cleared()
    code, centre = world.device(device_id).code, world.organisation("Rhein Datenpark")
    browser.sign_in("ada")
    assert "Put on hold" not in text(browser.get(f"/staff/devices/{code}"))
    for path, form in (
        (f"/staff/devices/{code}/list", {"price": "10"}),
        (f"/staff/devices/{code}/lost", {"reason": "I would like to."}),
        (f"/staff/devices/{code}/hold", {"kind": "stolen", "reason": "I would like to."}),
        (f"/staff/centres/{centre}/suspend", {"reason": "I would like to."}),
        (f"/staff/recyclers/{world.organisation('Werk Zwei')}/suspend", {}),
        ("/staff/lots", {"title": "Mine", "devices": code, "start": "1", "starts_at": "2026-11-20T18:00"}),
    ):
        assert browser.post(path, data=form).status_code in (403, 422)
    assert browser.get("/staff/lots/new").status_code == 403
    assert world.device(device_id).state.value.startswith("for_")
    with world.transaction() as session:
        assert session.get_one(Centre, centre).standing is Standing.ACCREDITED


def test_a_device_goes_into_the_shop_and_out_again(browser: Browser, world: World) -> None:
    device_id = world.cleared()
    address = f"/staff/devices/{world.device(device_id).code}"
    browser.sign_in("stefan")
    assert browser.post(address + "/list", data={"price": "free"}).status_code == 422
    assert browser.post(address + "/list", data={"price": "129,00"}).status_code == 303
    assert "In the storefront" in text(browser.get(address))
    assert browser.post(address + "/unlist").status_code == 303
    assert browser.post(address + "/unlist").status_code == 409
    with world.transaction() as session:
        listing = session.scalars(sa.select(Listing)).one()
    assert (listing.price_minor, listing.state) == (12_900, ListingState.WITHDRAWN)


def test_a_lot_is_formed_from_what_is_listable(browser: Browser, world: World) -> None:
    code = world.device(world.cleared()).code
    browser.sign_in("stefan")
    assert code in text(browser.get("/staff/lots/new?way=resale"))
    form = {
        "title": "Two laptops",
        "devices": code,
        "start": "10",
        "reserve": "",
        "starts_at": "2026-11-20T18:00",
        "ends_at": "2026-11-23T18:00",
    }
    for field, wrong in (("start", "0"), ("ends_at", "tomorrow"), ("ends_at", "2026-11-19T18:00"), ("title", "")):
        answer = browser.post("/staff/lots", data=form | {field: wrong})
        assert answer.status_code == 422
        assert f'href="#f-{field}"' in text(answer)
        assert f'value="{code}" checked' in text(answer)
    answer = browser.post("/staff/lots", data=form)
    with world.transaction() as session:
        lot = session.scalars(sa.select(Lot)).one()
    assert answer.location == f"/lots/{lot.code}"
    assert code not in text(browser.get("/staff/lots/new"))


def test_a_revoked_certificate_takes_its_device_out_of_sale(browser: Browser, world: World) -> None:
    code, devices = world.listed_lot()
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate.id)).one()
    browser.sign_in("stefan")
    assert browser.post(f"/staff/certificates/{certificate}/revoke", data={"reason": ""}).status_code == 422
    answer = browser.post(
        f"/staff/certificates/{certificate}/revoke", data={"reason": "The station was tampered with."}
    )
    assert answer.status_code == 303
    assert world.device(devices[0]).state is State.CLEARING
    with world.transaction() as session:
        assert session.scalars(sa.select(Lot.state).where(Lot.code == code)).one().value == "cancelled"
    assert browser.post(f"/staff/certificates/{world.organisation('Werk Zwei')}/revoke").status_code == 404


def test_a_hold_by_the_desk_is_lifted_by_the_desk(browser: Browser, world: World) -> None:
    address = f"/staff/devices/{world.device(world.cleared()).code}"
    browser.sign_in("stefan").post(address + "/hold", data={"kind": "litigation", "reason": "A court asked for it."})
    assert "A court asked for it." in text(browser.get(address))
    assert address in text(browser.get("/staff/devices?state=held"))
    with world.transaction() as session:
        hold = session.scalars(sa.select(Hold.id)).one()
    assert browser.post(f"{address}/holds/{hold}/lift", data={"reason": "The court let it go."}).status_code == 303


def test_a_paid_order_is_refunded_whole(browser: Browser, world: World) -> None:
    code, devices = world.listed_lot()
    paid(world, code)
    with world.transaction() as session:
        order = session.scalars(sa.select(Order.code)).one()
    browser.sign_in("stefan")
    assert "Refund it" in text(browser.get(f"/staff/orders/{order}"))
    assert browser.post(f"/staff/orders/{order}/refund", data={"reason": " "}).status_code == 422
    assert browser.post(f"/staff/orders/{order}/refund", data={"reason": "The centre flooded."}).status_code == 303
    assert browser.post(f"/staff/orders/{order}/refund", data={"reason": "The centre flooded."}).status_code == 409
    assert world.device(devices[0]).state.value.startswith("for_")
    with world.transaction() as session:
        assert session.scalars(sa.select(Order.state)).one() is OrderState.REFUNDED
        refunds = sa.select(PaymentInstruction).where(PaymentInstruction.kind == InstructionKind.REFUND)
        assert len(session.scalars(refunds).all()) == 1
    ledger = text(browser.get("/staff/ledger"))
    assert "all accounts together are" in ledger
    assert "Sale undone" in ledger


def test_a_suspended_centre_is_reinstated_before_it_is_accredited_anew(browser: Browser, world: World) -> None:
    centre = world.organisation("Rhein Datenpark")
    address = f"/staff/centres/{centre}"
    scope = {"methods": ["clear", "destroy"], "media_kinds": ["ssd", "hdd"], "valid_until": "2027-11-30"}
    browser.sign_in("stefan")
    assert browser.post(address + "/suspend", data={"reason": ""}).status_code == 422
    assert browser.post(address + "/suspend", data={"reason": "An audit found a shared password."}).status_code == 303
    assert "An audit found a shared password." in text(browser.get("/staff/centres"))
    assert browser.post(address + "/accredit", data=scope).status_code == 409
    assert browser.post(address + "/reinstate", data={"reason": "Every account has its own now."}).status_code == 303
    assert browser.post(address + "/accredit", data=scope | {"methods": []}).status_code == 422
    assert browser.post(address + "/accredit", data=scope | {"valid_until": "2020-01-01"}).status_code == 422
    assert browser.post(address + "/accredit", data=scope).status_code == 303
    with world.transaction() as session:
        row = session.get_one(Centre, centre)
    assert (row.standing, row.methods, row.media_kinds) == (Standing.ACCREDITED, ["clear", "destroy"], ["hdd", "ssd"])


def test_a_suspended_recycler_places_no_bid(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    firm = world.organisation("Werk Zwei")
    browser.sign_in("stefan")
    assert browser.post(f"/staff/recyclers/{firm}/suspend").status_code == 303
    assert browser.post(f"/staff/recyclers/{firm}/suspend").status_code == 409
    bid = {"maximum": "100", "key": "k" * 16}
    assert browser.sign_in("rita").post(f"/lots/{code}/bids", data=bid).status_code == 403
    browser.sign_in("stefan")
    assert browser.post(f"/staff/recyclers/{firm}/verify", data={"licences": ["flying"]}).status_code == 422
    assert browser.post(f"/staff/recyclers/{firm}/verify", data={"licences": ["resale"]}).status_code == 303
    with world.transaction() as session:
        row = session.get_one(Organisation, firm)
    assert (row.state, row.licences, row.group_name) == (OrganisationState.VERIFIED, ["resale"], None)
    assert browser.sign_in("rita").post(f"/lots/{code}/bids", data=bid).status_code == 303
    centre = world.organisation("Rhein Datenpark")
    assert browser.sign_in("stefan").post(f"/staff/recyclers/{centre}/suspend").status_code == 404


def test_every_refusal_stands_on_the_desk_with_its_reason(browser: Browser, world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    code = world.device(device_id).code
    bundle = world.bundle(order, leave_out=("DRIVE-2",))
    world.later(hours=3)
    browser.sign_in("olga")
    browser.post(f"/bench/devices/{code}/certificate", data={"bundle": zipped(bundle)})
    browser.post(f"/bench/devices/{code}/certificate", data={"bundle": (io.BytesIO(b"x"), "b.zip")})
    browser.post(f"/bench/devices/{code}/weigh", data={"mass_g": "heavy"})
    page = text(browser.sign_in("stefan").get("/staff/refusals"))
    assert "DRIVE-2" in page
    assert "field mass_g" in page
    assert "Olga Brandt" in page
    assert f'href="/staff/devices/{code}"' in page
    certificates = text(browser.get("/staff/refusals?kind=certificate-refused"))
    assert certificates.count("submit a certificate") == 1
    assert "field mass_g" not in certificates


def test_nonsense_in_an_address_is_answered_with_a_page(browser: Browser) -> None:
    browser.sign_in("stefan")
    for path in (
        "/staff/devices?page=0&state=flying&q=%25%00",
        "/staff/devices?page=999999999999999999999",
        "/staff/refusals?kind=x&page=-1",
        "/staff/ledger?account=x&page=9999",
        "/staff/orders?state=x",
        "/staff/lots/new?way=x&centre=y",
    ):
        assert browser.get(path).status_code in (200, 422)
    for path in ("/staff/devices/D-0000-0000", "/staff/orders/x", "/staff/centres/1/suspend"):
        assert browser.get(path).status_code == 404
