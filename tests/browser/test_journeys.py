"""The main journeys, in a real browser over a whole market with its worker, its agent and its practice money.

Each is gone twice: with the scripts of the pages, and with JavaScript switched off.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ewaste.certificates import registry
from ewaste.certificates.models import Certificate
from ewaste.devices.models import Device
from ewaste.tradein.questions import QUESTIONS
from story.stage import Agent
from tests.browser.town import PLANTED, Person, Town, town
from tests.world import good_findings

pytestmark = [pytest.mark.browser, pytest.mark.campaign]

CORA, BEN = "cora@example.org", "ben@example.org"
OLGA, STEFAN = "olga@rhein.example", "stefan@clearhand.example"
RITA, RAVI, ROSA = "rita@werk.example", "ravi@kreis.example", "rosa@neu.example"
Arrive = Callable[..., Person]


@pytest.fixture(scope="module")
def place() -> Iterator[Town]:
    """The market of this module."""
    with town() as there:
        yield there


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    """With and without JavaScript."""
    return bool(request.param)


@pytest.fixture
def arrive(browser: Browser, place: Town, scripts: bool) -> Iterator[Arrive]:
    """Brings people to the market; at the end no browser may have complained."""
    here: list[Person] = []

    def come(email: str | None = None, *, phone: bool = False) -> Person:
        person = Person(browser, place.url, scripts=scripts, phone=phone)
        here.append(person)
        if email:
            place.bring_in(person, email)
        return person

    yield come
    complaints = [line for person in here for line in person.complaints]
    for person in here:
        person.context.close()
    assert complaints == []


def serial(name: str, scripts: bool) -> str:
    return f"PF{name}{'JS' if scripts else 'NO'}"


def device_of(place: Town, number: str) -> str:
    return str(place.row("select code from devices where claimed_serial = :number", number=number)["code"])


def order_wipe_and_certify(place: Town, olga: Person, code: str, media: list[str]) -> Path:
    """Olga orders the wipe; the agent wipes every medium, reads it back and certifies. Returns the bundle."""
    olga.open(f"/bench/devices/{code}").send("/work-order")
    agent = enrolled(place, olga)
    order = place.row(
        "select w.code from work_orders w join devices d on d.id = w.device_id"
        " where d.code = :code and w.superseded_at is null and w.consumed_at is null",
        code=code,
    )["code"]
    assert agent.run("orders")[0] == 0
    for medium in media:
        image = place.drive(medium)
        target = ("--target", str(image), "--image", "--medium", medium, "--confirm-serial", medium)
        exit_code, said = agent.run("wipe", "--order", order, *target)
        assert exit_code == 0, said
        assert PLANTED not in image.read_bytes()
    bundle = place.stage.folder / f"{order}.zip"
    exit_code, said = agent.run("certify", "--order", order, "--zip", str(bundle))
    assert exit_code == 0, said
    return bundle


def enrolled(place: Town, olga: Person) -> Agent:
    def code() -> str:
        olga.open("/bench/stations").send("/bench/stations/codes")
        found = re.search(r"\b\w{5}(?:-\w{5}){3}\b", olga.words())
        assert found, olga.words()
        return found.group()

    return place.agent(code)


def test_a_consumer_sells_a_phone(place: Town, arrive: Arrive, scripts: bool) -> None:
    cora = arrive(CORA, phone=True)
    cora.open("/quote/apple-iphone-13")
    answers = {question.field: question.choices[0].value for question in QUESTIONS["smartphone"]}
    cora.send("/quote/apple-iphone-13", {"storage_gb": "128", **answers, "cosmetic": "light_marks"})
    cora.sees("€")
    quote = cora.page.url.rpartition("/")[2]
    lines = place.row("select lines, amount_minor from quotes where code = :code", code=quote)
    assert lines["lines"][-1]["amount_minor_after"] == lines["amount_minor"]
    centre = place.row("select id from organisations where name = 'Rhein Datenpark'")["id"]
    imei = "356938035643809" if scripts else "490154203237518"
    cora.send("/accept", {"serial": imei, "owner": "yes", "centre_id": str(centre), "silence": "send-back"})
    code = device_of(place, imei)
    cora.sees(code)
    cora.open("/devices").sees("iPhone 13")
    cora.open(f"/devices/{code}/prepare").sees(code, "Rhein Datenpark")
    assert cora.page.locator("svg").count() > 0, "the label has its QR code"
    place.until("select count(*) from mails where state = 'sent' and subject like '%' || :code || '%'", 1, code=code)


def test_a_centre_receives_finds_a_second_medium_inspects_wipes_and_certifies(
    place: Town, arrive: Arrive, scripts: bool
) -> None:
    number = serial("2ND", scripts)
    place.world.now = datetime.now(UTC)
    place.world.expected(serial=number)
    code = device_of(place, number)
    olga, cora = arrive(OLGA), arrive(CORA)
    olga.open("/bench")
    olga.page.locator('input[name="code"]').first.fill(number)
    with olga.page.expect_navigation():
        olga.page.keyboard.press("Enter")
    assert olga.page.url.endswith(f"/bench/devices/{code}")
    olga.send("/receive", {"seal": "S-2041", "seal_state": "intact", "mass_g": "1920"}).sees("Received")
    first, second = f"{number}-SSD", f"{number}-CARD"
    for kind, medium in (("ssd", first), ("sd", second)):
        olga.send("/media", {"kind": kind, "manufacturer": "Samsung", "model": "PM981", "serial": medium})
    findings = {name: str(value) for name, value in good_findings().items()}
    olga.send("/inspect", {"observed_serial": number, "mass_g": "1580", **findings})
    cora.open(f"/devices/{code}").send("/confirm").sees("fixed")
    bundle = order_wipe_and_certify(place, olga, code, [first, second])
    olga.open(f"/bench/devices/{code}").send("/certificate", files={"bundle": bundle})
    state = place.row("select state from devices where code = :code", code=code)["state"]
    assert str(state).startswith("for_"), olga.words()
    assert place.row(
        "select count(*) as n from certificate_lines l join certificates c on c.id = l.certificate_id"
        " join devices d on d.id = c.device_id where d.code = :code",
        code=code,
    ) == {"n": 2}
    cora.open(f"/devices/{code}").sees("is gone")
    place.until(
        "select i.state from payment_instructions i join devices d on d.id = i.subject_id where d.code = :code",
        "succeeded",
        code=code,
    )


def test_a_consumer_declines_a_revised_offer(place: Town, arrive: Arrive, scripts: bool) -> None:
    number = serial("NOO", scripts)
    place.world.now = datetime.now(UTC)
    place.world.inspected(serial=number, serials=(f"{number}-D",), findings=good_findings() | {"body_wear": "heavy"})
    code = device_of(place, number)
    cora = arrive(CORA, phone=True)
    back = {"back_street": "Am Wall 3", "back_postcode": "28195", "back_city": "Bremen", "back_country": "DE"}
    asked = place.row("select o.id from offers o join devices d on d.id = o.device_id where d.code = :code", code=code)
    cora.open(f"/offers/{asked['id']}/decline").send("/decline", back)
    offer = place.row(
        "select o.state, o.amount_minor, d.title from offers o join devices d on d.id = o.device_id"
        " where d.code = :code",
        code=code,
    )
    assert (offer["state"], offer["title"]) == ("declined", "seller")
    cora.sees("back")
    assert place.row(
        "select count(*) as n from payment_instructions i join devices d on d.id = i.subject_id where d.code = :code",
        code=code,
    ) == {"n": 0}


def test_a_suspended_centres_new_certificate_is_refused(place: Town, arrive: Arrive, scripts: bool) -> None:
    number = serial("SUS", scripts)
    place.world.now = datetime.now(UTC)
    place.world.clearing(serial=number, serials=(f"{number}-D",))
    code = device_of(place, number)
    olga, stefan = arrive(OLGA), arrive(STEFAN)
    bundle = order_wipe_and_certify(place, olga, code, [f"{number}-D"])
    centre = place.row("select id from organisations where name = 'Rhein Datenpark'")["id"]
    try:
        stefan.open(centre_page(stefan, place)).send(f"/{centre}/suspend", {"reason": "A wipe was not read back."})
        olga.open(f"/bench/devices/{code}").send("/certificate", files={"bundle": bundle})
        olga.sees("suspended")
        assert place.row("select state from devices where code = :code", code=code) == {"state": "clearing"}
        assert place.row(
            "select count(*) as n from certificates c join devices d on d.id = c.device_id where d.code = :code",
            code=code,
        ) == {"n": 0}
        assert place.row("select count(*) > 0 as kept from certificate_refusals") == {"kept": True}
    finally:
        place.world.decide("lift", reason="It was mended.")  # By two people.
    standing = place.row("select standing from centres where organisation_id = :centre", centre=centre)
    assert standing == {"standing": "accredited"}, stefan.words()


def centre_page(stefan: Person, place: Town) -> str:
    """Where the desk suspends this centre."""
    stefan.open("/staff/centres")
    if stefan.page.locator('form[action$="/suspend"]').count():
        return "/staff/centres"
    link = stefan.page.get_by_role("link", name="Rhein Datenpark").first.get_attribute("href")
    assert link
    return link


def test_three_recyclers_bid_and_the_winner_defaults(place: Town, arrive: Arrive) -> None:
    lot = place.world.lot_of([place.take_cleared()[1]])
    rita, ravi, rosa = arrive(RITA), arrive(RAVI), arrive(ROSA, phone=True)
    for person, maximum in ((rita, "30"), (ravi, "40"), (rosa, "60")):
        person.open(f"/lots/{lot}").send("/bids", {"maximum": maximum})
        if maximum != "60":  # More than double the price, so the page asks once more.
            person.sees("more than double the price now").send("/bids", {"sure": "yes"})
    rosa.open(f"/lots/{lot}").sees("41")
    bids = place.row("select count(*) as n from bids b join lots l on l.id = b.lot_id where l.code = :lot", lot=lot)
    assert bids == {"n": 3}
    place.let_time_pass("update lots set ends_at = now() where code = :lot", "market.close_lot", lot=lot)
    place.until("select state from lots where code = :lot", "sold", lot=lot)
    order = place.row(
        "select o.code, o.amount_minor, g.name from orders o join lots l on l.id = o.lot_id"
        " join organisations g on g.id = o.organisation_id where l.code = :lot",
        lot=lot,
    )
    assert (order["name"], order["amount_minor"]) == ("Neu & Gut", 4_100)
    rosa.open(f"/orders/{order['code']}").sees("41.00")
    place.let_time_pass(
        "update orders set pay_by = now() where code = :order", "market.expire_order", order=order["code"]
    )
    place.until("select state from orders where code = :order", "defaulted", order=order["code"])
    assert (
        place.row(
            "select count(*) as n from entries e join postings p on p.id = e.posting_id group by e.currency"
            " having sum(e.amount_minor) <> 0"
        )
        == {}
    )
    ravi.open("/my-lots").sees("did not pay").send("/second-offer/accept")
    order = place.row(
        "select o.amount_minor, o.state, g.name from orders o join lots l on l.id = o.lot_id"
        " join organisations g on g.id = o.organisation_id where l.code = :lot and o.state <> 'defaulted'",
        lot=lot,
    )
    assert order == {"amount_minor": 4_000, "state": "awaiting-payment", "name": "Kreislauf Kontor"}


def test_a_buyer_buys_and_pays_in_the_shop(place: Town, arrive: Arrive) -> None:
    number, _ = place.take_cleared()
    code = device_of(place, number)
    stefan, ben = arrive(STEFAN), arrive(BEN, phone=True)
    stefan.open(f"/staff/devices/{code}").send("/list", {"price": "149.00"})
    listing = place.row(
        "select s.code from listings s join devices d on d.id = s.device_id where d.code = :code", code=code
    )["code"]
    ben.open("/shop").sees("149")
    ben.open(f"/shop/{listing}").send("/buy")
    order = place.row(
        "select o.code from orders o join listings s on s.id = o.listing_id where s.code = :listing", listing=listing
    )["code"]
    ben.open(f"/orders/{order}").send("/pay").sees("PRACTICE MONEY")
    with ben.page.expect_navigation():
        ben.page.locator('button[value="pay"]').click()
    place.until("select state from orders where code = :order", "paid", order=order)
    ben.open(f"/orders/{order}").sees("149.00")
    paid = place.row("select state, amount_minor, currency from orders where code = :order", order=order)
    assert paid == {"state": "paid", "amount_minor": 14_900, "currency": "EUR"}


def test_anyone_verifies_a_certificate_and_sees_that_a_tampered_one_fails(place: Town, arrive: Arrive) -> None:
    number, device_id = place.take_cleared()
    with place.database.transaction() as session:
        certificate = session.query(Certificate).filter_by(device_id=device_id).one()
        good = registry.zipped(certificate.bundle)
        assert session.get_one(Device, device_id).state.value.startswith("for_")
    folder = place.stage.folder
    whole, changed = folder / f"{number}.zip", folder / f"{number}-changed.zip"
    whole.write_bytes(good)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "certificate.json":
                assert f"{number}-D".encode() in content
                content = content.replace(f"{number}-D".encode(), f"{number}-E".encode())
            new.writestr(name, content)
    anyone = arrive(phone=True)
    label, words = judged(anyone, whole)
    assert label == "Training"
    assert "is gone" in words
    label, words = judged(anyone, changed)
    assert label == "Not valid"
    assert "is gone" not in words
    assert "changed after it was signed" in words


def judged(person: Person, bundle: Path) -> tuple[str, str]:
    """Have a bundle checked at /verify: the label of the verdict, and its words. With scripts the page stays."""
    page = person.open("/verify").page
    page.set_input_files("#f-bundle", str(bundle))
    page.locator('form[method="post"][action$="/verify"] button[type=submit]').last.click()
    verdict = page.locator(".verdict").first
    verdict.wait_for()
    return verdict.locator(".verdict-label").inner_text(), verdict.inner_text()
