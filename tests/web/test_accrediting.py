"""Accrediting on pages: a checklist point by point, a proposal, its second person; and the public list of it all."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from ewaste.accounts import sessions
from ewaste.accounts.models import Membership, Person, Role
from ewaste.centres import accreditors, checklist
from ewaste.centres.accrediting_models import AccreditorKeyChange, Audit
from ewaste.centres.models import Centre, EnrolmentCode, Standing
from ewaste.certificates.models import Certificate
from ewaste.devices.lifecycle import State
from ewaste.journey import accrediting, admitting, clearing, rechecking
from tests.centres.test_kept_lists import Verband, verband  # noqa: F401 - a fixture
from tests.transparency.witness import Witness
from tests.web.conftest import Browser
from tests.web.test_bench import text
from tests.world import World

RHEIN = "Rhein Datenpark"
SLUG = "rhein-datenpark"


def centre(world: World) -> Centre:
    with world.transaction() as session:
        return session.get_one(Centre, world.organisation(RHEIN))


def test_from_the_checklist_to_the_second_person(browser: Browser, world: World) -> None:
    address = f"/staff/centres/{world.organisation(RHEIN)}"
    browser.sign_in("stefan")
    assert browser.post(f"{address}/audits").status_code == 303
    with world.transaction() as session:
        audit = session.scalars(sa.select(Audit.id).where(Audit.concluded_at.is_(None))).one()
    page = text(browser.get(f"/staff/audits/{audit}"))
    assert "0 of 25 points answered" in page
    points = [point.id for point in checklist.load().points]
    wrong = browser.post(f"/staff/audits/{audit}/answers", data={"point": points[0], "found": "met", "evidence": ""})
    assert wrong.status_code == 422
    assert "Say what you saw" in text(wrong)
    early = browser.post(f"/staff/audits/{audit}/conclude")
    assert early.status_code == 409
    for point in points:
        form = {"point": point, "found": "met", "evidence": f"Seen on the spot: {point}."}
        assert browser.post(f"/staff/audits/{audit}/answers", data=form).status_code == 303
    assert "Conclude it as passed" in text(browser.get(f"/staff/audits/{audit}"))
    assert browser.post(f"/staff/audits/{audit}/conclude").status_code == 303
    scope = {
        "kind": "scope", "methods": ["clear"], "media_kinds": ["ssd", "hdd"], "valid_until": "2027-11-30",
        "reason": "It passed its audit.",
    }  # fmt: skip
    refused = browser.post(f"{address}/propose", data=scope | {"methods": []})
    assert refused.status_code == 422
    assert 'href="#f-methods"' in text(refused)
    waits = browser.post(f"{address}/propose", data=scope).location
    page = text(browser.get(waits))
    assert "The new scope takes the place of the old one at once" in page
    assert "You proposed it, so you cannot confirm it yourself." in page
    assert browser.post(f"{waits}/confirm").status_code == 409
    assert centre(world).methods == ["clear", "destroy"]
    browser.sign_in("ada")
    assert "Confirm: " not in text(browser.get(waits))
    browser.sign_in("sara")
    queue = text(browser.get("/staff/accreditation")).partition("Decided")[0]
    assert "Another scope or date: <bdi>Rhein Datenpark</bdi>" in queue
    assert "Accreditations to confirm" in text(browser.get("/staff")).partition("queues are empty")[0]
    assert "Stefan Vogel proposed it. By confirming you vouch for it" in text(browser.get(waits))
    assert browser.post(f"{waits}/confirm").status_code == 303
    assert (centre(world).methods, centre(world).media_kinds) == (["clear"], ["hdd", "ssd"])
    rows = list(csv.DictReader(io.StringIO(browser.get("/staff/trail.csv?kind=decision").text)))
    done = {(row["action"], row["who"]) for row in rows}
    assert {
        ("scope proposed", "Stefan Vogel"), ("scope confirmed", "Sara Winter"), ("audit begun", "Stefan Vogel"),
        ("audit passed", "Stefan Vogel"), ("point met", "Stefan Vogel"),
    } <= done  # fmt: skip


def test_a_proposal_is_taken_back_on_its_page(browser: Browser, world: World) -> None:
    waits = f"/staff/decisions/{world.propose('withdraw', reason='It moves away.')}"
    browser.sign_in("stefan")
    assert browser.post(f"{waits}/undo").status_code == 303
    assert "Nothing came of it." in text(browser.get(waits))
    assert browser.sign_in("sara").post(f"{waits}/confirm").status_code == 409
    assert centre(world).standing is Standing.ACCREDITED


def test_a_suspension_is_immediate_and_two_people_lift_it(browser: Browser, world: World) -> None:
    address = f"/staff/centres/{world.organisation(RHEIN)}"
    browser.sign_in("stefan")
    assert browser.post(address + "/suspend", data={"reason": ""}).status_code == 422
    assert browser.post(address + "/suspend", data={"reason": "An audit found a shared password."}).status_code == 303
    assert "An audit found a shared password." in text(browser.get("/staff/centres"))
    assert "Suspended since" in text(browser.get(address))
    lift = {"kind": "lift", "reason": "Every account has its own now."}
    waits = browser.post(address + "/propose", data=lift).location
    mine = text(browser.get(waits))
    assert "sign in as Sara Winter (sara@clearhand.example) for the second pair of eyes" in mine
    assert "Stefan Vogel (stefan@" not in mine
    # Who confirms reads what is lifted: why, and since when.
    theirs = text(browser.sign_in("sara").get(waits))
    assert "An audit found a shared password." in theirs
    assert "<dt>Suspended</dt>" in theirs
    assert "<dt>How it was settled</dt>" in theirs
    browser.post(f"{waits}/confirm")
    assert centre(world).standing is Standing.ACCREDITED
    page = text(browser.get(address)).partition('id="history"')[2]
    said = ("Stefan Vogel", "Sara Winter", "An audit found a shared password.", "Every account has its own now.")
    assert all(each in page for each in (*said, "Reinstated"))


def test_an_accreditors_people_see_what_is_theirs_and_nothing_else_of_the_desk(browser: Browser, world: World) -> None:
    with world.transaction() as session:
        made = admitting.name_accreditor(
            session, world.stefan, name="Verband West", country="DE", city="Essen", slug="verband-west",
            did_document="", reason="It audits for the state.", issuers=world.issuers, now=world.now,
        )  # fmt: skip
        admitting.confirm_accreditor(session, world.sara, made.id, now=world.now)
        ina = Person(
            email="ina@verband.example", name="Ina Prüfer", password_hash="-", created_at=world.now,
            email_confirmed_at=world.now,
        )  # fmt: skip
        session.add(ina)
        session.flush()
        session.add(
            Membership(
                person_id=ina.id, organisation_id=made.organisation_id, role=Role.ACCREDITOR, created_at=world.now
            )
        )
        session.flush()
        token = sessions.begin(session, ina.id, agent="a test", now=world.now, second_factor=True)
    ours, theirs = world.propose("withdraw"), world.organisation("Elbe Prüfstelle")
    world.decide("withdraw", "Elbe Prüfstelle", reason="It changes its accreditor.")
    with browser.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    assert "Accrediting" in text(browser.get("/staff/accreditation"))
    assert "Begin an audit" in text(browser.get(f"/staff/centres/{theirs}"))
    assert browser.post(f"/staff/centres/{theirs}/audits").status_code == 303
    for path, status in (
        (f"/staff/centres/{world.organisation(RHEIN)}", 404),
        (f"/staff/decisions/{ours}", 404),
        *((each, 403) for each in ("/staff", "/staff/centres", "/staff/rechecks", "/staff/devices", "/staff/trail")),
    ):
        assert browser.get(path).status_code == status, path
    assert browser.post(f"/staff/decisions/{ours}/confirm").status_code == 404
    assert (
        browser.post(f"/staff/centres/{world.organisation(RHEIN)}/suspend", data={"reason": "No."}).status_code == 404
    )
    assert centre(world).standing is Standing.ACCREDITED


# ---- the public list ----


def test_anybody_reads_who_may_certify_and_who_may_not_any_more(browser: Browser, world: World) -> None:
    world.cleared()
    with world.transaction() as session:
        accrediting.suspend(
            session, world.stefan, world.organisation(RHEIN), reason="A wipe was not read back.", now=world.now
        )
    world.decide("withdraw", "Elbe Prüfstelle", reason="It closes down.")
    page = text(browser.get("/centres"))
    assert "A wipe was not read back." in page
    assert "It closes down." in page
    assert "Stefan Vogel" not in page
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(browser.get("/centres.csv").text))}
    assert {name: (row["standing"], row["reason"]) for name, row in rows.items()} == {
        RHEIN: ("suspended", "A wipe was not read back."),
        "Elbe Prüfstelle": ("withdrawn", "It closes down."),
    }
    assert (rows[RHEIN]["accepted"], rows[RHEIN]["drawn"], rows[RHEIN]["chosen"]) == ("1", "1", "1")
    told = browser.get("/centres.json").json["centres"]
    history = {each["name"]: [event["what"] for event in each["history"]] for each in told}
    assert history == {RHEIN: ["Suspended", "Accredited"], "Elbe Prüfstelle": ["Withdrawn", "Accredited"]}
    assert all("Vogel" not in str(each) and "Winter" not in str(each) for each in told)


def test_the_list_says_how_many_certificates_fell_and_each_centre_by_what_it_was_audited(
    browser: Browser, world: World
) -> None:
    world.cleared()
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate.id)).one()
        clearing.revoke_certificate(session, world.stefan, certificate, reason="It holds files.", now=world.now)
    rows = browser.get("/centres").text.split("<tr>")
    (rhein,) = (row for row in rows if RHEIN in row)
    assert 'data-label="Certificates" class="number">1<' in rhein
    assert 'data-label="Revoked later" class="number">1<' in rhein
    until = world.now + timedelta(days=300)
    world.decide("scope", valid_until=until, reason="For a year more.")
    page = text(browser.get("/centres/rhein-datenpark"))
    assert f"until {until.day} {until:%B %Y}" in page.replace("\xa0", " ")
    assert f"{until:%Y-%m-%d}" not in page
    assert f"the checklist {checklist.CURRENT}</a>: passed." in page


def test_a_centre_that_never_entered_is_not_on_the_list(browser: Browser, world: World) -> None:
    with world.transaction() as session:
        session.execute(
            sa.update(Centre)
            .where(Centre.organisation_id == world.organisation("Elbe Prüfstelle"))
            .values(accredited_from=None, standing=Standing.APPLIED)
        )
    assert "Elbe Prüfstelle" not in text(browser.get("/centres"))
    assert browser.get("/centres/elbe-pruefstelle").status_code == 404
    assert browser.get("/centres/nobody").status_code == 404
    assert browser.get("/centres/nobody/accreditation.json").status_code == 404
    assert browser.get("/centres/nobody/statements.json").status_code == 404
    browser.sign_in("stefan")
    listed, waiting = (f"/staff/centres/{world.organisation(name)}" for name in (RHEIN, "Elbe Prüfstelle"))
    assert f'href="/centres/{SLUG}"' in browser.get(listed).text
    assert "/centres/elbe-pruefstelle" not in browser.get(waiting).text


def test_the_page_of_a_centre_counts_from_the_data(browser: Browser, world: World) -> None:
    world.cleared()
    page = " ".join(re.sub(r"<[^>]+>", " ", browser.get(f"/centres/{SLUG}").text).split())
    assert "certificates accepted 1" in page
    assert "chosen to be looked at again, of 1 wiped 1" in page
    assert "found wanting: none yet" in page
    document = browser.get(f"/centres/{SLUG}/accreditation.json").json
    assert document["issuer"]["id"] == "did:web:market.test:accreditation"
    said = browser.get(f"/centres/{SLUG}/statements.json").json
    assert [each["statement"]["event"] for each in said["statements"]] == ["enrolled"]


def test_the_checklist_is_published_with_its_sources(browser: Browser) -> None:
    page = text(browser.get("/checklists/audit"))
    assert all(name in page for name in ("NIST SP 800-88 Rev. 2", "R2v3, Appendix B", "GB 46864-2025"))
    assert browser.get("/checklists/audit.json").json == checklist.form()


# ---- keys ----


def test_a_centre_replaces_a_key_and_reports_a_stolen_one(browser: Browser, world: World) -> None:
    station = world.station().station
    browser.sign_in("olga")
    page = text(browser.post(f"/bench/stations/{station.id}/replace", data={"retires_at": "2026-11-30"}))
    assert "Code for a new station" in page
    late = browser.post(f"/bench/stations/{station.id}/replace", data={"retires_at": "2027-11-30"})
    assert (late.status_code, 'href="#f-retires_at"' in text(late)) == (422, True)
    since = f"{world.now - timedelta(hours=1):%Y-%m-%dT%H:%M}"
    form = {"since": since, "reason": "The laptop was stolen."}
    assert browser.post(f"/bench/stations/{station.id}/compromised", data=form).status_code == 303
    own = text(browser.get("/bench/stations"))
    assert "The key is revoked. Looked at again: no certificates." in own
    assert "not believed from" in own
    assert "The laptop was stolen." in own
    public = text(browser.get(f"/centres/{SLUG}"))
    assert "stolen" in public
    assert browser.get(f"/centres/{SLUG}/did.json").json["assertionMethod"] == []


def test_two_people_settle_a_certificate_in_doubt_on_its_page(browser: Browser, world: World) -> None:
    device = world.cleared()
    address = f"/staff/centres/{world.organisation(RHEIN)}/stations/{world.station().station.id}/compromised"
    form = {"since": f"{world.now - timedelta(days=1):%Y-%m-%dT%H:%M}", "reason": "The laptop was stolen."}
    browser.sign_in("stefan")
    answer = browser.post(address, data=form)
    assert (answer.status_code, answer.location) == (303, "/staff/rechecks")
    page = text(browser.get("/staff/rechecks"))
    assert "In doubt: 1 certificate. Their devices are in no sale until two people looked." in page
    assert world.device(device).code in page
    found = re.search(r"/staff/rechecks/([0-9a-f-]{36})/propose", page)
    assert found
    recheck = f"/staff/rechecks/{found[1]}"
    assert browser.post(f"{recheck}/propose", data={"outcome": "perhaps", "note": "Hm."}).status_code == 422
    assert "Whoever checks it reads that it is revoked, so it cannot stand here either." in page
    assert 'name="outcome" value="revoked"' in page
    answer = browser.post(f"{recheck}/propose", data={"outcome": "stands", "note": "Read by hand."})
    assert (answer.status_code, "It cannot stand" in text(answer)) == (409, True)
    assert browser.post(f"{recheck}/propose", data={"outcome": "revoked", "note": "Nobody saw it."}).status_code == 303
    assert browser.post(f"{recheck}/confirm").status_code == 409
    browser.sign_in("sara")
    assert browser.post(f"{recheck}/confirm").status_code == 303
    assert world.device(device).state is State.CLEARING
    assert "Settled last" in text(browser.get("/staff/rechecks"))


def test_a_certificate_in_doubt_may_stand_on_its_page_once_a_witness_is_known_to_have_seen_it(
    browser: Browser, world: World, site: Flask, tmp_path: Path
) -> None:
    witness = Witness(world, tmp_path)
    site.extensions["ewaste"] = dataclasses.replace(site.extensions["ewaste"], issuers=world.issuers)
    device = world.cleared()
    witness.signs(world)
    since = world.later(minutes=5)
    with world.transaction() as session:
        rechecking.report_key(
            session,
            world.olga,
            world.station().station.id,
            since=since,
            reason="The laptop was stolen.",
            issuers=world.issuers,
            now=since,
        )
    witness.hands_in(world)
    page = text(browser.sign_in("stefan").get("/staff/rechecks"))
    assert "Witnesses had seen it in the log by" in page
    assert 'value="stands"' in page
    found = re.search(r'action="(/staff/rechecks/[0-9a-f-]{36})/propose"', page)
    assert found
    form = {"outcome": "stands", "note": "Read by hand."}
    assert browser.post(f"{found[1]}/propose", data=form).status_code == 303
    assert browser.sign_in("sara").post(f"{found[1]}/confirm").status_code == 303
    assert world.raw("select device_listable(:id)", id=device) is True


def test_two_people_change_the_key_of_the_house_on_the_page_and_the_trust_file_tells(
    browser: Browser, world: World
) -> None:
    with world.transaction() as session:
        house = accreditors.house(session)
    old = f"{house.did}#key-1"
    browser.sign_in("stefan")
    asked = f"/staff/accreditors/{house.id}/keys"
    wrong = browser.post(asked, data={"old_method": old, "reason": "", "ends_at": "2099-01-01"})
    assert wrong.status_code == 422
    assert browser.post(asked, data={"old_method": old, "reason": "It is three years old."}).status_code == 303
    page = text(browser.get("/staff/accreditors"))
    assert "Another key waits" in page
    assert "You proposed it; somebody else confirms it." in page
    assert "Confirm the key" not in page
    with world.transaction() as session:
        waits = session.scalars(sa.select(AccreditorKeyChange.id)).one()
    refused = browser.post(f"/staff/key-changes/{waits}/confirm")
    assert (refused.status_code, "Somebody else of our desk has to look at it" in text(refused)) == (409, True)
    browser.sign_in("sara")
    assert "Confirm the key" in text(browser.get("/staff/accreditors"))
    assert browser.post(f"/staff/key-changes/{waits}/confirm").status_code == 303
    [party] = [each for each in browser.get("/trust.json").json["parties"] if each["didDocument"]["id"] == house.did]
    assert [method["id"] for method in party["didDocument"]["verificationMethod"]] == [old, f"{house.did}#key-2"]
    assert [end["id"] for end in party["keyEnds"]] == [old]
    listed = browser.get("/accreditation/did.json").json["assertionMethod"]
    assert listed == [old, f"{house.did}#key-2"]
    day = f"{world.now + timedelta(days=9):%Y-%m-%d}"
    for more, told in (
        ({"ends_at": day}, f"{world.now + timedelta(days=9):%b %Y}, 23:59"),
        ({"since": f"{world.now - timedelta(hours=1):%Y-%m-%dT%H:%M}"}, "at once; others may have had it since"),
    ):
        form = {"old_method": f"{house.did}#key-2", "reason": "Once more.", **more}
        assert browser.post(asked, data=form).status_code == 303
        page = text(browser.get("/staff/accreditors"))
        assert told in page
        assert f"{house.did}#key-3" in page
        with world.transaction() as session:
            open_ = sa.select(AccreditorKeyChange.id).where(AccreditorKeyChange.outcome.is_(None))
            waits = session.scalars(open_).one()
        assert browser.post(f"/staff/key-changes/{waits}/undo").status_code == 303
        assert "Another key waits" not in text(browser.get("/staff/accreditors"))


def test_a_centre_withdraws_a_code_on_its_page(browser: Browser, world: World) -> None:
    browser.sign_in("olga")
    assert browser.post("/bench/stations/codes").status_code == 201
    with world.transaction() as session:
        code = session.scalars(sa.select(EnrolmentCode.id).where(EnrolmentCode.used_at.is_(None))).one()
    assert f"/bench/stations/codes/{code}/withdraw" in text(browser.get("/bench/stations"))
    assert browser.post(f"/bench/stations/codes/{code}/withdraw").status_code == 303
    page = text(browser.get("/bench/stations"))
    assert "The code is withdrawn. Whoever tries it is refused." in page
    assert "Codes not yet used" not in page
    assert browser.post(f"/bench/stations/codes/{code}/withdraw").status_code == 409


def test_an_accreditors_people_hand_in_a_list_on_the_page_and_see_until_when_it_is_fresh(
    browser: Browser,
    world: World,
    verband: Verband,  # noqa: F811 - the fixture
) -> None:
    with world.transaction() as session:
        assert verband.ina.id is not None
        token = sessions.begin(session, verband.ina.id, agent="a test", now=world.now, second_factor=True)
    with browser.session_transaction() as cookie:
        cookie["_user_id"], cookie["_fresh"] = token, True
    assert "Hand in a status list" in text(browser.get("/staff/accreditors"))
    wrong = browser.post("/staff/status-lists", data={"status_list": "{}", "note": ""})
    assert (wrong.status_code, "This is no status list." in text(wrong)) == (422, True)
    good = {"status_list": verband.signed(), "note": ""}
    assert browser.post("/staff/status-lists", data=good).status_code == 303
    page = text(browser.get("/staff/accreditors"))
    assert "https://verband.example/status/1" in page
    assert "Handed in by Ina." in page
    assert "Change its key" in page
    assert browser.post("/staff/status-lists", data=good).status_code == 422
