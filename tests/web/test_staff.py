"""The desk: staff act and give reasons, an auditor reads, and nobody else sees it."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask

from ewaste.accounts.models import Organisation, OrganisationState
from ewaste.centres.models import Centre, Standing
from ewaste.certificates.models import Certificate
from ewaste.core import job_errors, jobs
from ewaste.core.money import Money
from ewaste.devices import custody
from ewaste.devices.incidents import Incident, IncidentKind
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Hold
from ewaste.journey import accrediting
from ewaste.market.models import Listing, ListingState, Lot, Order, OrderState
from ewaste.payments.models import InstructionKind, PaymentInstruction
from ewaste.processing.models import Routing
from ewaste.tradein.models import Offer
from ewaste.web.filters import grams, money
from tests.web.bench_tools import text, zipped
from tests.web.conftest import Browser
from tests.web.stage import Elsewhere
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
    "/staff/payments",
    "/staff/prices",
    "/staff/rules",
    "/staff/jobs",
    "/staff/incidents",
    "/staff/certificates/refused",
    "/staff/trail",
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
    page = browser.get(address).text
    assert "we paid €58.88" in page
    proposed = re.search(r'name="price"[^>]*value="([\d.]+)"', page)
    assert proposed
    assert float(proposed[1]) > 58.88
    cheap = browser.post(address + "/list", data={"price": "40"})
    assert cheap.status_code == 422
    assert "We paid €58.88 for it, which is more than this price." in cheap.text
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
    assert "We paid €58.88 for its devices, and it may sell for less than that." in text(browser.get(answer.location))
    assert code not in text(browser.get("/staff/lots/new"))


def test_a_revoked_certificate_takes_its_device_out_of_sale(browser: Browser, world: World) -> None:
    code, devices = world.listed_lot()
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate.id)).one()
    browser.sign_in("stefan")
    told = text(browser.get(f"/staff/certificates/{certificate}/revoke"))
    assert "The device leaves every sale at once." in told
    assert "This cannot be taken back." in told
    form = re.search(r'action="(/staff/certificates/[0-9a-f-]{36}/revoke)"', told)
    assert form, "The page has no form that revokes."
    assert browser.post(form[1], data={"reason": ""}).status_code == 422
    assert world.device(devices[0]).state is State.FOR_RESALE
    answer = browser.post(form[1], data={"reason": "The station was tampered with."})
    assert answer.status_code == 303
    assert world.device(devices[0]).state is State.CLEARING
    with world.transaction() as session:
        assert session.scalars(sa.select(Lot.state).where(Lot.code == code)).one().value == "cancelled"
    assert browser.post(f"/staff/certificates/{world.organisation('Werk Zwei')}/revoke").status_code == 404


def test_a_certificate_is_revoked_only_by_who_gave_the_password_a_moment_ago(browser: Browser, world: World) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate.id)).one()
    address = f"/staff/certificates/{certificate}/revoke"
    browser.sign_in("stefan")
    world.later(minutes=11)
    with world.nothing_changes("sessions"):  # When somebody was last seen.
        for answer in (browser.get(address), browser.post(address, data={"reason": "It was not read."})):
            assert answer.status_code == 303
            assert answer.location == f"/account/again?next={address}"
    assert world.device(device_id).state is State.FOR_RESALE


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


def test_a_suspended_recycler_places_no_bid(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    firm = world.organisation("Werk Zwei")
    browser.sign_in("stefan")
    why = {"reason": "Its permit ended."}
    assert browser.post(f"/staff/recyclers/{firm}/suspend", data={"reason": ""}).status_code == 422
    assert browser.post(f"/staff/recyclers/{firm}/suspend", data=why).status_code == 303
    assert browser.post(f"/staff/recyclers/{firm}/suspend", data=why).status_code == 409
    bid = {"maximum": "100", "key": "k" * 16}
    assert browser.sign_in("rita").post(f"/lots/{code}/bids", data=bid).status_code == 403
    browser.sign_in("stefan")
    assert browser.post(f"/staff/recyclers/{firm}/verify", data={"licences": ["flying"]}).status_code == 422
    assert browser.post(f"/staff/recyclers/{firm}/verify", data={"licences": ["resale"]}).status_code == 303
    with world.transaction() as session:
        row = session.get_one(Organisation, firm)
    assert (row.state, row.licences, row.group_name) == (OrganisationState.VERIFIED, ["resale"], None)
    assert browser.sign_in("rita").post(f"/lots/{code}/bids", data=bid | {"sure": "yes"}).status_code == 303
    centre = world.organisation("Rhein Datenpark")
    assert browser.sign_in("stefan").post(f"/staff/recyclers/{centre}/suspend", data=why).status_code == 404


def test_papers_that_end_are_told_of_on_the_desk(browser: Browser, world: World) -> None:
    address = f"/staff/recyclers/{world.organisation('Werk Zwei')}"
    browser.sign_in("stefan")
    seen = {"licences": ["resale"], "until_resale": "2026-12-10"}
    assert browser.post(address + "/verify", data=seen | {"until_resale": "2026-11-01"}).status_code == 422
    assert "Licences that end" in text(browser.get("/staff")).partition("queues are empty")[2]
    assert browser.post(address + "/verify", data=seen).status_code == 303
    assert "Licences that end" in text(browser.get("/staff")).partition("queues are empty")[0]
    assert "until 2026-12-10" in text(browser.get(address))
    world.later(days=30)
    assert "ended 2026-12-10" in text(browser.get(address))


def test_every_refusal_stands_on_the_desk_with_its_reason(browser: Browser, world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    code = world.device(device_id).code
    bundle = world.bundle(order, leave_out=("DRIVE-2",))
    world.later(hours=3)
    browser.sign_in("olga")
    browser.post(f"/bench/devices/{code}/certificate", data={"bundle": zipped(bundle)})
    browser.post(f"/bench/devices/{code}/certificate", data={"bundle": (io.BytesIO(b"x"), "b.zip")})
    browser.post(f"/bench/devices/{code}/weigh", data={"mass_g": "heavy"})
    browser.post(f"/bench/devices/{code}/weigh", data={"mass_g": "heavy"})
    page = text(browser.sign_in("stefan").get("/staff/refusals"))
    assert page.count("field mass_g") == 1, "the same refusal stands in one row"
    assert "DRIVE-2" not in page, "refused certificates have their own list"
    link = re.search(r'href="(/staff/refusals/[0-9a-f]{32})">[^<]*</a> ?<span class="sub">field mass_g', page)
    assert link
    each = text(browser.get(link[1]))
    assert "2 times" in each
    assert each.count("Olga Brandt") == 2
    assert f'href="/staff/devices/{code}"' in each
    assert browser.get("/staff/refusals/nothing").status_code == 404


def test_a_refused_certificate_stands_beside_what_was_expected_of_it(browser: Browser, world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    code = world.device(device_id).code
    world.refuse(world.bundle(order, leave_out=("DRIVE-2",)))
    browser.sign_in("ada")
    listed = text(browser.get(f"/staff/certificates/refused?q={code}"))
    assert "Bench 1" in listed
    assert "No certificate fits" in text(browser.get("/staff/certificates/refused?q=nothing+like+it"))
    link = re.search(r'href="(/staff/certificates/refused/[0-9a-f-]{36})"', listed)
    assert link
    page = text(browser.get(link[1]))
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page)]
    said = [[re.sub(r"<[^>]+>", " ", cell).split() for cell in row] for row in cells if row and "SSD" in row[0]]
    assert [row[1:] for row in said] == [
        [["DRIVE-1"], ["DRIVE-1", "clear,", "full-read"], ["yes"]],
        [["DRIVE-2"], ["not", "in", "the", "certificate"], ["no"]],
    ]
    (serial,) = (row for row in cells if row and row[0] == "Device serial")
    assert [re.sub(r"<[^>]+>", " ", cell).split() for cell in serial[1:]] == [["PF1ABCDE"], ["PF1ABCDE"], ["yes"]]
    assert "<h1>It does not cover all the storage of the device.</h1>" in page
    assert "The centre was told: “This certificate covers one medium." in page
    assert "Failed:</strong> This certificate covers one medium." in page
    assert page.index("What was checked") < page.index("What was expected, and what it says")
    with zipfile.ZipFile(io.BytesIO(browser.get(link[1] + "/bundle.zip").data)) as archive:
        assert set(archive.namelist()) == {"accreditation.json", "certificate.json", "work-order.json"}
    assert "Certificates refused" in text(browser.get("/staff")).partition("queues are empty")[0]


def test_a_refusal_for_its_centre_is_not_told_as_the_devices_fault(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    files, code = world.bundle(order), world.device(device_id).code
    with world.transaction() as session:
        accrediting.suspend(
            session, world.stefan, world.device(device_id).centre_id, reason="An audit is due.", now=world.now
        )
    world.refuse(files)
    browser.sign_in("stefan")
    story = text(browser.get(f"/staff/devices/{code}"))
    link = re.search(r'href="(/staff/certificates/refused/[0-9a-f-]{36})">A certificate was refused', story)
    assert link
    assert "<p>The centre was told: “Your centre is suspended: An audit is due." in story
    page = text(browser.get(link[1]))
    assert "<h1>Its centre or station could not certify for us when it came in.</h1>" in page
    assert "May its centre certify at this moment?" in page
    assert "Does it fit what we know of the device?" not in page
    assert "It was refused by what we know" not in page
    assert "Not looked at" not in page
    figures = text(browser.get("/open"))
    assert "Its centre or station could not certify for us then" in figures
    assert "our own rules refused it" not in figures


def test_a_certificate_leads_staff_to_its_device_and_a_number_to_both(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    assert world.submit(world.bundle(order)).outcome == "accepted"
    code = world.device(device_id).code
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate)).one()
    number = certificate.credential_id.removeprefix("urn:uuid:")
    browser.sign_in("stefan")
    for known in (number, f"urn:uuid:{number}", number.replace("-", "").upper(), order.code, order.code.lower()):
        assert f"/staff/devices/{code}" in text(browser.get("/staff/devices", query_string={"q": known})), known
    assert code not in text(browser.get("/staff/devices", query_string={"q": "0" * 32}))
    page = text(browser.get(f"/certificates/{number}"))
    assert f'href="/staff/devices/{code}">Its device on the desk' in page
    assert "revoke this certificate</a>" in page
    told = text(browser.get(f"/staff/devices/{code}"))
    assert "What was checked when it came in" in told
    assert "Whether it is in the log by now, and not revoked, says" in told
    browser.sign_in("ada")
    page = text(browser.get(f"/certificates/{number}"))
    assert "Its device on the desk" in page
    assert "revoke this certificate" not in page
    browser.sign_in("cora")
    assert "on the desk" not in text(browser.get(f"/certificates/{number}"))


def test_the_desk_reads_what_comes_next_for_it_and_not_for_the_seller(browser: Browser, world: World) -> None:
    device_id, order = world.ordered()
    address = f"/staff/devices/{world.device(device_id).code}"
    browser.sign_in("stefan")
    page = text(browser.get(address))
    assert "What happens next: Rhein Datenpark" in page
    assert "<h2>It is wiped and certified</h2>" in page
    assert "The seller is paid then, at the latest on the day named here." in page
    world.submit(world.bundle(order))
    page = text(browser.get(address))
    assert "What happens next: our desk" in page
    assert page.count("List it") >= 1
    assert "Put it into the shop, or form a lot with it." in page
    for to_the_seller in ("Then we pay you", "Nothing is left for you to do", "That changes nothing for you"):
        assert to_the_seller not in page


def test_a_device_is_found_by_whatever_is_known_of_it(browser: Browser, world: World) -> None:
    code = world.device(world.with_media(serials=("WD-9000",), serial="PF1FINDME")).code
    other = world.device(world.expected(serial="OTHER1")).code
    browser.sign_in("stefan")
    for known in (code, code.lower().replace("-", ""), "pf1findme", "1FIND", "wd-9000", "ThinkPad", "cora@example"):
        assert code in text(browser.get("/staff/devices", query_string={"q": known})), known
    for known, found in (("pf1findme", False), ("thinkpad t480", True), ("CORA@example.org", True), ("ben@", False)):
        assert (other in text(browser.get("/staff/devices", query_string={"q": known}))) is found, known
    narrowed = "/staff/devices?state=received&device_class=laptop&centre=" + str(world.organisation("Rhein Datenpark"))
    assert code in text(browser.get(narrowed))
    assert other not in text(browser.get(narrowed))
    rows = browser.get(narrowed.replace("/devices?", "/devices.csv?")).text.splitlines()
    assert [row.split(",")[0] for row in rows] == ["code", code]


def test_a_parcel_that_never_came_waits_on_the_desk(browser: Browser, world: World) -> None:
    code = world.device(world.expected()).code
    browser.sign_in("stefan")
    assert "Parcels overdue" in text(browser.get("/staff")).partition("queues are empty")[2]
    world.later(days=15)
    assert "Parcels overdue" in text(browser.get("/staff")).partition("queues are empty")[0]
    assert code in text(browser.get("/staff/devices?state=overdue"))


def test_the_sums_of_a_lot_are_worked_out_before_it_is_formed(browser: Browser, world: World) -> None:
    ids = [world.cleared(serial=f"PF{number}AAAA", serials=(f"D-{number}",)) for number in range(2)]
    codes = [world.device(device_id).code for device_id in ids]
    browser.sign_in("stefan")
    assert "Nothing is chosen yet" in text(browser.post("/staff/lots/preview"))
    too_many = browser.post("/staff/lots/preview", data={"devices": [f"D-{number:04d}" for number in range(501)]})
    assert "a lot has at most 500" in text(too_many)
    with world.transaction() as session:
        routed = session.scalars(sa.select(Routing)).all()
        value = sum(way["expected_net_minor"] for row in routed for way in row.ways if way["name"] == row.chosen)
        paid = int(session.scalar(sa.select(sa.func.sum(Offer.amount_minor))) or 0)
        mass = sum(custody.mass_of(session, device_id) for device_id in ids)
    answer = browser.post("/staff/lots/preview", data={"devices": codes, "title": "Two of them"})
    page = text(answer)
    start = value // 2 // 100 * 100
    assert answer.status_code == 200
    sums = [money(Money(minor, "EUR")) for minor in (value, paid, start)]
    for words in (*sums, grams(mass).replace("\u00a0", " ")):
        assert words in page, words
    assert f'name="start" type="text" value="{start // 100}.00"' in page
    assert 'value="Two of them"' in page
    for reserve, loss in ((paid, False), (paid - 1, True)):
        floor = {"devices": codes, "start": "1", "reserve": f"{reserve / 100:.2f}"}
        assert ("It may sell at a loss" in text(browser.post("/staff/lots/preview", data=floor))) is loss
    with world.transaction() as session:
        assert session.scalars(sa.select(Lot)).all() == []


def test_devices_of_two_centres_make_no_lot_and_the_page_says_so(browser: Browser, world: World) -> None:
    here = world.device(world.cleared()).code
    there = Elsewhere(world.database, world.issuers, world.now)
    away = there.device(there.cleared(serial="PF2AWAYYY", serials=("D-AWAY",))).code
    world.now = there.now
    browser.sign_in("stefan")
    page = text(browser.post("/staff/lots/preview", data={"devices": [here, away]}))
    assert "These devices lie at 2 centres (Elbe Prüfstelle, Rhein Datenpark)." in page


def test_a_lost_device_that_was_not_cleared_opens_an_incident_with_its_clock(browser: Browser, world: World) -> None:
    code = world.device(world.received()).code
    browser.sign_in("stefan")
    browser.post(f"/staff/devices/{code}/lost", data={"reason": "It is not on its shelf."})
    with world.transaction() as session:
        opened = session.scalars(sa.select(Incident)).one()
    assert (opened.kind, opened.tell_by) == (IncidentKind.LOST_DEVICE, world.now + timedelta(hours=72))
    address = f"/staff/incidents/{opened.code}"
    assert "Incidents open" in text(browser.get("/staff")).partition("queues are empty")[0]
    assert opened.code in text(browser.get(f"/staff/devices/{code}"))
    world.later(hours=73)
    assert "The authority was not told in time" in text(browser.get(address))
    assert "authority not told, 1 h late" in text(browser.get("/staff/incidents"))
    assert browser.post(address + "/notes", data={"kind": "closed", "text": "By the back door."}).status_code == 422
    told = {"kind": "authority-told", "text": "The authority has our letter."}
    assert browser.post(address + "/notes", data=told).status_code == 303
    assert "authority told, late" in text(browser.get(address))
    assert browser.post(address + "/close", data={"reason": ""}).status_code == 422
    assert browser.post(address + "/close", data={"reason": "It was found in the cellar."}).status_code == 303
    assert browser.post(address + "/notes", data=told).status_code == 409
    page = text(browser.sign_in("ada").get(address))
    assert "The authority has our letter." in page
    assert "Note something" not in page
    changed = "update incident_notes set text = 'Nothing happened.'"
    assert world.refused_by_database(changed).startswith("42501")


def test_two_people_close_an_incident_of_which_no_authority_was_told(browser: Browser, world: World) -> None:
    code = world.device(world.received()).code
    browser.sign_in("stefan").post(f"/staff/devices/{code}/lost", data={"reason": "It is not on its shelf."})
    with world.transaction() as session:
        address = "/staff/incidents/" + session.scalars(sa.select(Incident.code)).one()
    form = {"reason": "It was found in the cellar, unopened."}
    refused = browser.post(address + "/close", data=form)
    assert refused.status_code == 422
    assert 'href="#f-not_told"' in text(refused)
    form["not_told"] = "Nobody had access to the cellar."
    assert browser.post(address + "/close", data=form).status_code == 303
    again = browser.post(address + "/close", data=form)
    assert again.status_code == 409
    assert "Somebody else has to close it." in text(again)
    assert "A second person has to look" in text(browser.get(address))
    with world.transaction() as session:
        assert session.scalars(sa.select(Incident.closed_at)).one() is None
    page = text(browser.sign_in("sara").get(address))
    assert "Nobody had access to the cellar." in page
    assert browser.post(address + "/close", data={"reason": "I saw it, and its seal."}).status_code == 303
    page = text(browser.get(address))
    assert "closed without telling the authority" in page
    assert "Stefan Vogel asked" not in page
    notes = [row["who"] for row in csv.DictReader(io.StringIO(browser.get("/staff/trail.csv?kind=incident").text))]
    assert notes == ["Sara Winter", "Stefan Vogel", "Stefan Vogel"]


def test_a_lost_device_that_was_cleared_is_no_data_incident(browser: Browser, world: World) -> None:
    code = world.device(world.cleared()).code
    browser.sign_in("stefan").post(f"/staff/devices/{code}/lost", data={"reason": "It is not on its shelf."})
    with world.transaction() as session:
        assert session.scalars(sa.select(Incident)).all() == []


def test_a_job_that_failed_says_why_and_runs_again_once(browser: Browser, world: World) -> None:
    with world.transaction() as session:
        job = session.scalar(
            sa.text(
                "insert into procrastinate_jobs (queue_name, task_name, args, status, attempts)"
                " values ('default', 'market.close_lot', '{\"lot\": \"x\"}', 'failed', 60) returning id"
            )
        )
        job_errors.note(session, job, "market.close_lot", ValueError("badly formed\n  id"), now=world.now)
    page = text(browser.sign_in("ada").get("/staff/jobs"))
    assert "ValueError: badly formed id" in page
    assert "Run again" not in page
    assert "No worker is alive" in page
    browser.sign_in("stefan")
    assert browser.post(f"/staff/jobs/{job}/again").status_code == 303
    assert browser.post(f"/staff/jobs/{job}/again").status_code == 409
    assert browser.post("/staff/jobs/999999/again").status_code == 404
    assert "Close a lot" in text(browser.get("/staff/jobs?view=waiting"))


def test_a_job_names_what_it_is_about_and_nobodys_bid(browser: Browser, world: World) -> None:
    lot, _ = world.listed_lot()
    with world.transaction() as session:
        rosa = str(world.actor("rosa").id)
        jobs.defer(
            session, jobs.SAMPLE_BID, at=world.now + timedelta(hours=1), key="x", lot=lot, person=rosa,
            maximum=987_600, bid="sample bid 1",
        )  # fmt: skip
    page = text(browser.sign_in("ada").get("/staff/jobs?view=planned"))
    assert page.count(f'<a href="/lots/{lot}">{lot}</a>') == 2, "the bid, and the closing that the lot waits for"
    assert "Bid of a sample firm (training)" in page
    assert "987600" not in page
    assert rosa not in page
    assert not re.search(r'data-label="For"[^<]*>[^<]*[0-9a-f]{8}-', page)


def test_a_posting_shows_all_its_legs_and_a_period_is_a_file(browser: Browser, world: World) -> None:
    code, _ = world.listed_lot()
    paid(world, code)
    browser.sign_in("ada")
    ledger = text(browser.get("/staff/ledger?account=devices+bought"))
    link = re.search(r'href="(/staff/ledger/[0-9a-f-]{36})"', ledger)
    assert link
    page = text(browser.get(link[1]))
    assert "sums to zero" in page
    assert page.count("<tr> <td>") >= 2
    rows = list(csv.DictReader(io.StringIO(browser.get("/staff/ledger.csv").text)))
    sums: dict[str, int] = {}
    for row in rows:
        sums[row["posting"]] = sums.get(row["posting"], 0) + int(row["amount_minor"].lstrip("'"))
    assert set(sums.values()) == {0}
    assert len(rows) > len(sums) > 2
    assert browser.get("/staff/ledger.csv?first=2020-01-01&last=2020-12-31").text.count("\r\n") == 1


def test_a_payment_is_found_by_its_seller_device_and_order(browser: Browser, world: World) -> None:
    lot, devices = world.listed_lot()
    paid(world, lot)
    device = world.device(devices[0]).code
    with world.transaction() as session:
        order = session.scalars(sa.select(Order.code)).one()
    browser.sign_in("stefan")
    for q, payout, collected in (
        ("Cora", True, False), ("cora@example.org", True, False), (device, True, False),
        ("Werk Zwei", False, True), (order, False, True), ("", True, True), ("nobody at all", False, False),
    ):  # fmt: skip
        page = text(browser.get("/staff/payments", query_string={"q": q}))
        assert ("Payout to a seller" in page, "Payment of a buyer" in page) == (payout, collected), q


def test_the_trail_tells_who_did_what(browser: Browser, world: World) -> None:
    code = world.device(world.cleared()).code
    browser.sign_in("stefan")
    browser.post(f"/staff/devices/{code}/hold", data={"kind": "litigation", "reason": "A court asked for it."})
    browser.post(f"/staff/centres/{world.organisation('Elbe Prüfstelle')}/suspend", data={"reason": "Fire."})
    browser.sign_in("ada")
    mine = text(browser.get("/staff/trail?who=stefan"))
    assert "A court asked for it." in mine
    assert "Fire." in mine
    assert "Olga Brandt" not in mine.partition("<tbody>")[2]
    assert "Fire." not in text(browser.get("/staff/trail?kind=hold"))
    assert "Fire." not in text(browser.get("/staff/trail?first=2027-01-01"))
    rows = list(csv.DictReader(io.StringIO(browser.get(f"/staff/trail.csv?action={code}").text)))
    assert {row["about"] for row in rows} == {code}
    assert {"device received", "device cleared", "hold placed"} <= {row["action"] for row in rows}


def test_prices_are_edited_by_one_and_published_by_another(browser: Browser, world: World) -> None:
    browser.sign_in("stefan")
    form = {"valid_from": "2026-11-20", "reason": "Damaged laptops sell for less.", "grade:laptop:damaged": "0,8"}
    sourceless = browser.post("/staff/prices", data=form)
    assert sourceless.status_code == 422
    assert "it needs its own source" in text(sourceless)
    assert 'name="grade:laptop:damaged" value="0,8"' in text(sourceless), "what was typed is still there"
    unchanged = browser.post("/staff/prices", data=form | {"grade:laptop:damaged": "0.85", "source": "Our sales"})
    assert "Nothing differs from the table as it is" in text(unchanged)
    answer = browser.post("/staff/prices", data=form | {"source": "Our sales in November", "measured": "yes"})
    address = "/staff/prices/prices-2026-11-2"
    assert answer.location == address
    page = text(browser.get(address))
    assert "1 line changed" in page
    assert "What it does to 10 sample quotes" in page
    assert "you cannot publish it yourself" in page
    assert browser.post(address + "/publish").status_code == 409
    assert "Price tables to confirm" in text(browser.get("/staff")).partition("queues are empty")[0]
    assert "Publish from" not in text(browser.sign_in("ada").get(address))
    browser.sign_in("sara")
    assert "Publish from 2026-11-20" in text(browser.get(address))
    assert browser.post(address + "/publish").status_code == 303
    assert "Counts today" in text(browser.get(address))
    lines = list(csv.DictReader(io.StringIO(browser.get(address + "/lines.csv").text)))
    changed = [line for line in lines if line["source"] == "Our sales in November"]
    assert [(line["device_class"], line["name"], line["value"]) for line in changed] == [("laptop", "damaged", "0.8")]
    sent = browser.post("/staff/prices", data=form | {"file": (io.BytesIO(b"\xff\xfe"), "prices.csv")})
    assert "no text in UTF-8" in text(sent)


def test_a_page_asks_the_database_as_often_for_many_things_as_for_few(
    browser: Browser, world: World, site: Flask
) -> None:
    engine = site.extensions["ewaste"].database.engine
    asked: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    def counted() -> dict[str, int]:
        counts = {}
        for path in (*READ, "/staff/lots/new", "/staff/incidents?view=all", "/staff/jobs?view=planned"):
            browser.get(path)  # What is read once for the whole process is read by now.
            asked.clear()
            assert browser.get(path).status_code == 200
            counts[path] = len(asked)
        return counts

    browser.sign_in("stefan")
    lot, _ = world.listed_lot()
    paid(world, lot)
    lost = world.received(serial="LOST-0")
    browser.post(f"/staff/devices/{world.device(lost).code}/lost", data={"reason": "It is gone."})
    few = counted()
    for number in range(6):
        world.cleared(serial=f"MANY-{number}", serials=(f"M-{number}",))
        lost = world.received(serial=f"LOST-{number + 1}")
        browser.post(f"/staff/devices/{world.device(lost).code}/lost", data={"reason": "It is gone."})
        browser.post(f"/staff/devices/{world.device(lost).code}/hold", data={"kind": f"kind {number}", "reason": ""})
    assert counted() == few


def test_nonsense_in_an_address_is_answered_with_a_page(browser: Browser) -> None:
    browser.sign_in("stefan")
    for path in (
        "/staff/devices?page=0&state=flying&q=%25%00",
        "/staff/devices?page=999999999999999999999",
        "/staff/refusals?kind=x&page=-1",
        "/staff/ledger?account=x&page=9999",
        "/staff/orders?state=x",
        "/staff/lots/new?way=x&centre=y",
        "/staff/devices.csv?centre=x&hold=y&way=z",
        "/staff/ledger?first=2026-02-30&last=9999-12-31&kind=x",
        "/staff/payments?state=x&q=%25%5C_%00",
        "/staff/prices?kind=x&device_class=y",
        "/staff/jobs?view=x&page=-1",
        "/staff/incidents?view=x",
        "/staff/trail?kind=x&who=%25&action=_&first=x&last=9999-12-31",
        "/staff/refusals?days=9999&kind=x",
    ):
        assert browser.get(path).status_code in (200, 422)
    for path in (
        *("/staff/devices/D-0000-0000", "/staff/orders/x", "/staff/centres/1/suspend", "/staff/incidents/x"),
        *("/staff/prices/x", "/staff/prices/x/lines.csv", "/staff/rules/x", "/staff/jobs/x/again"),
    ):
        assert browser.get(path).status_code == 404
