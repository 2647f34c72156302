"""The bench as its operator uses it: every form, what it changes, and what a refusal leaves behind."""

from __future__ import annotations

import re

import sqlalchemy as sa

from ewaste.centres.models import EnrolmentCode
from ewaste.core.refusals import RefusalNote
from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.devices.models import CustodyEvent, Hold, Medium
from ewaste.journey import bench as steps
from ewaste.web.filters import NO_BREAK
from tests.web.bench_tools import bench_of, destroyed, text
from tests.web.conftest import Browser
from tests.world import SERIAL, World


def test_a_parcel_is_received_with_seal_and_weight(browser: Browser, world: World) -> None:
    device_id = world.expected()
    answer = browser.sign_in("olga").post(
        bench_of(world, device_id) + "/receive", data={"seal": "S-77", "seal_state": "intact", "mass_g": "1580"}
    )
    assert answer.status_code == 303
    assert world.device(device_id).state is State.RECEIVED
    assert "<h2>Note its storage media, then inspect it</h2>" in text(browser.get(bench_of(world, device_id)))


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


def test_the_scanner_says_what_it_missed_and_is_empty_for_the_next(browser: Browser) -> None:
    page = text(browser.sign_in("olga").get("/bench/find?code=NOWHERE-1"))
    assert "has the code or serial" in page
    assert 'value="NOWHERE-1"' not in page


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
    everything = re.findall(r"\bPF-[A-Z]+", page.split("<tbody>")[1].split("</tbody>")[0])
    assert sorted(everything) == sorted(set(everything))
    assert "PF-SALE" not in everything
    assert {"PF-RECEIVED", "PF-FAILED", "PF-SECOND", "PF-AGAIN", "PF-HELD"} <= set(everything)
    of = {"expected": "PF-EXPECTED", "order": "PF-CLEARING", "wiping": "PF-ORDERED", "second": "PF-SECOND"}
    of |= {"failed": "PF-FAILED", "again": "PF-AGAIN", "hold": "PF-HELD", "received": "PF-RECEIVED"}
    for name, serial in of.items():
        rows = text(browser.get(f"/bench?state={name}")).split("<tbody>")[1].split("</tbody>")[0]
        assert re.findall(r"\bPF-[A-Z]+", rows) == [serial], name
        file = browser.get(f"/bench/queue.csv?state={name}")
        assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert [line.split(",")[5] for line in file.text.splitlines()] == ["serial", serial], name


def test_the_longest_waiting_stands_first(browser: Browser, world: World) -> None:
    for number in range(3):
        world.received(serial=f"PF-{number}")
        world.later(hours=5)
    rows = text(browser.sign_in("olga").get("/bench?state=received")).split("<tbody>")[1]
    assert re.findall(r"\bPF-\d", rows) == ["PF-0", "PF-1", "PF-2"]
    assert re.findall(r">(\d+ h)</time>", rows) == ["15 h", "10 h", "5 h"]


def test_the_bench_counts_waiting_in_one_unit_and_keeps_an_imei_in_one_line(browser: Browser, world: World) -> None:
    world.received()
    for later, waits in (({"seconds": 243}, "4 min"), ({"hours": 5}, "5 h"), ({"hours": 54}, f"2{NO_BREAK}days")):
        world.later(**later)
        assert f">{waits}</time>" in browser.sign_in("olga").get("/bench").text
    assert f'class="exact nowrap">{SERIAL}</td>' in browser.get("/bench").text


def test_a_cleared_device_does_not_speak_to_its_centre_as_to_its_seller(browser: Browser, world: World) -> None:
    device_id = world.cleared()
    page = text(browser.sign_in("olga").get(bench_of(world, device_id)))
    assert "It waits for its next owner" in page
    assert "Nothing is left for you to do" not in page
    assert "Nothing is left for you to do" in text(
        browser.sign_in("cora").get(f"/devices/{world.device(device_id).code}")
    )


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


def test_a_sale_that_is_not_paid_is_not_handed_over_next(browser: Browser, world: World) -> None:
    lot, (device_id,) = world.listed_lot()
    world.bid("rita", lot, 40)
    world.later(days=3)
    order = world.close(lot)
    browser.sign_in("olga")
    assert "<h2>Wait: not paid yet</h2>" in text(browser.get(bench_of(world, device_id)))
    assert "Wait: not paid yet" in text(browser.get("/bench?state=sold"))
    world.pay(order, "rita")
    assert "<h2>Hand it over</h2>" in text(browser.get(bench_of(world, device_id)))
    assert "Hand it over" in text(browser.get("/bench?state=sold")).partition("<tbody>")[2]
