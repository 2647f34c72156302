"""What a stranger meets: quotes, lots, the shop, and checking a certificate."""

from __future__ import annotations

import base64
import csv
import html
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from ewaste.centres.models import Centre, Standing
from ewaste.certificates import rechecks
from ewaste.certificates.models import Certificate
from ewaste.certificates.rechecks import Recheck, RecheckCause
from ewaste.core.ids import new_code
from ewaste.devices.models import Device
from ewaste.journey import clearing, rechecking, sale
from ewaste.tradein.questions import QUESTIONS
from ewaste.views import accrediting, records, search, shapes
from ewaste.web import offline
from ewaste.web import public as public_pages
from ewaste.web.lists import csv_text
from ewaste.web.system import PUBLISHED
from tests.web.visitors import Visitor, words
from tests.world import GOOD_ANSWERS, LAPTOP, World


def make_quote(who: Visitor, **changes: str) -> str:
    """Answer the form for a ThinkPad; the address of the quote."""
    answer = who.post(f"/quote/{LAPTOP}", {"storage_gb": "256", **GOOD_ANSWERS, **changes})
    assert answer.status_code == 303, words(answer.text)
    return answer.headers["Location"]


def certificate_of(world: World, device_code: str) -> str:
    """The number of a device's certificate, as its page has it."""
    from ewaste.views import public

    with world.transaction() as session:
        return str(public.certificate_for(session, device_code))


def test_the_front_page_works_before_anything_was_sold(stranger: Visitor) -> None:
    text = stranger.text("/")
    assert "Know that your data is gone" in text
    assert "No lot is open just now" in text


def test_every_model_of_the_catalogue_can_be_found_and_asked_about(stranger: Visitor) -> None:
    assert "ThinkPad T480" in stranger.text("/quote?q=thinkpad+t480")
    assert "We do not buy that model yet" in stranger.text("/quote?q=no+such+thing")
    page = stranger.text(f"/quote/{LAPTOP}")
    for question in QUESTIONS["laptop"]:
        assert question.text in page
    assert "How much storage has it?" in page


def test_a_quote_shows_every_line_and_its_source(stranger: Visitor) -> None:
    text = stranger.text(make_quote(stranger))
    assert "How this price comes about" in text
    assert "Price table" not in text  # no words of ours that nobody explained
    assert "Looks: light marks" in text
    assert "Never less than its materials are worth" in text
    assert "estimate" in text
    assert "rounded half up to the cent" in text
    assert "Rhein Datenpark" in text
    assert "Elbe Prüfstelle" in text


def test_a_question_left_open_keeps_what_was_answered(stranger: Visitor) -> None:
    answers = {**GOOD_ANSWERS, "storage_gb": "256"}
    del answers["screen"]
    answer = stranger.post(f"/quote/{LAPTOP}", answers)
    assert answer.status_code == 422
    assert "Is the glass of the screen whole?" in answer.text
    assert re.search(r'name="cosmetic" value="light_marks" checked', answer.text)


def test_every_question_that_is_open_is_told_at_once(stranger: Visitor) -> None:
    answers = {name: value for name, value in GOOD_ANSWERS.items() if name not in ("screen", "battery")}
    answer = stranger.post(f"/quote/{LAPTOP}", {**answers, "cosmetic": "gold"})
    assert answer.status_code == 422
    told = set(re.findall(r'href="#f-(\w+)"', answer.text))
    assert told == {"storage_gb", "screen", "battery", "cosmetic"}


def test_a_device_that_does_not_turn_on_leaves_open_what_only_a_running_one_shows(stranger: Visitor) -> None:
    dead = {name: value for name, value in GOOD_ANSWERS.items() if name not in ("display", "battery", "keyboard")}
    assert stranger.post(f"/quote/{LAPTOP}", {**dead, "power": "no", "storage_gb": "256"}).status_code == 303


def test_changing_a_quote_keeps_its_answers(stranger: Visitor, cora: Visitor) -> None:
    page = stranger.get(make_quote(stranger, cosmetic="visible_wear")).text
    change = re.search(r'href="(/quote/[^"]+from=[^"]+)">Change', page)
    assert change
    form = stranger.get(change[1].replace("&amp;", "&")).text
    assert re.search(r'name="cosmetic" value="visible_wear" checked', form)
    assert re.search(r'name="storage_gb" value="256" checked', form)
    others = make_quote(cora).rpartition("/")[2]
    assert "checked" not in stranger.get(f"/quote/{LAPTOP}?from={others}").text
    assert "checked" not in stranger.get(f"/quote/{LAPTOP}?from=nonsense").text


def test_the_columns_of_a_quote_lead_from_the_market_price_to_what_we_pay(stranger: Visitor) -> None:
    page = stranger.get(make_quote(stranger)).text
    kinds = re.findall(r'<rect class="chart-(\w+)"', page)
    assert (kinds[0], kinds[-1]) == ("base", "total")
    total = re.search(r"In the end: (€[\d.,]+)\.", page)
    assert total
    assert f"Accept {total[1]}" in page


def test_a_quote_needs_the_storage(stranger: Visitor) -> None:
    answer = stranger.post(f"/quote/{LAPTOP}", GOOD_ANSWERS)
    assert answer.status_code == 422
    assert "Choose the storage of your device." in words(answer.text)


def test_a_monitor_is_not_bought_and_the_page_says_why(stranger: Visitor) -> None:
    from ewaste.tradein.pricing import load_catalogue

    monitors = [model.id for model in load_catalogue() if model.device_class == "monitor"]
    if not monitors:
        pytest.skip("the catalogue has no monitor")
    answer = stranger.get(f"/quote/{monitors[0]}")
    assert answer.status_code == 422
    assert "We do not take monitors yet" in words(answer.text)


def test_a_quote_of_a_person_is_nobody_elses(
    cora: Visitor, stranger: Visitor, visitor: Callable[[str | None], Visitor]
) -> None:
    address = make_quote(cora)
    assert cora.get(address).status_code == 200
    assert stranger.get(address).status_code == 404
    assert visitor("ben").get(address).status_code == 404


def test_an_unknown_code_is_told_as_not_found(stranger: Visitor) -> None:
    for address in ("/quotes/Q-0000-0000", "/lots/L-0000-0000", "/shop/S-0000-0000", "/lots/x/manifest.csv"):
        assert stranger.get(address).status_code == 404


def test_a_certificate_is_checked_by_device_code_and_by_number(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    number = certificate_of(world, code)
    for asked in (code, code.lower().replace("-", ""), code.removeprefix("D-"), code[2:].replace("-", ""), number):
        text = stranger.text(f"/verify?code={asked}")
        assert "The data on this laptop is gone." in text
        assert "1 storage medium covered" in text
        assert "This is a training certificate. It proves nothing." in text
    assert "tone-safe" not in stranger.get(f"/verify?code={code}").text.split("<h1>")[0].rsplit("verdict", 1)[1]
    page = stranger.text(f"/certificates/{number}")
    assert "The data on this laptop is gone." in page
    assert "DRIVE-1" in page
    assert "every byte read back" in page
    assert "Clearhand accreditation desk" in page


def test_paper_that_names_another_document_is_told_from_the_certificate_that_we_hold(
    world: World, stranger: Visitor
) -> None:
    number = certificate_of(world, world.device(world.cleared()).code)
    with world.transaction() as session:
        digest = session.scalars(sa.select(Certificate.digest)).one()
    assert "This is a training certificate." in stranger.text(f"/verify?code={number}&digest={digest}")
    for other in (f"{digest[:-1]}1", "x", "%22"):
        text = stranger.text(f"/verify?code={number}&digest={other}")
        assert "This is not the certificate that your paper names." in text
        assert "training certificate. It proves nothing" not in text
    assert "This is a training certificate." in stranger.text(f"/verify?code={number}&digest=")


def test_the_page_may_use_the_camera_and_no_other_page_may(stranger: Visitor) -> None:
    assert "camera=(self)" in stranger.get("/verify").headers["Permissions-Policy"]
    assert "camera=()" in stranger.get("/").headers["Permissions-Policy"]


def test_the_check_can_be_kept_as_one_file_that_needs_nobody(stranger: Visitor) -> None:
    answer = stranger.get("/verify/offline")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="verify-certificate.html"'
    policy = answer.headers["Content-Security-Policy"]
    assert f'content="{policy}"' in html.unescape(answer.text)
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    # Nothing is loaded from anywhere: no address stands where a browser would fetch it.
    loads = r'<(?:link|img|iframe)\b|<script[^>]+src=|\bsrc="|\burl\(|@import|\bimport\(|^import\b'
    assert re.findall(loads, answer.text, re.MULTILINE) == []
    kept = re.search(r'<script type="text/plain" id="trust-kept">([^<]+)<', answer.text)
    assert kept
    assert base64.b64decode(kept[1]) == stranger.get("/trust.json").data


@pytest.mark.parametrize(
    "text", ['import x from "./a.js";\n', "export { a };\n", "export default 1;\n", 'const a = import("./b.js");\n']
)
def test_a_module_that_cannot_be_joined_is_not_joined_wrongly(text: str, tmp_path: Path) -> None:
    (tmp_path / offline.START).write_text(text)
    with pytest.raises(ValueError, match="not joined here"):
        offline.bundled(tmp_path)


def test_modules_that_need_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / offline.START).write_text('import { a } from "./a.js";\n')
    (tmp_path / "a.js").write_text('import { b } from "./offline.js";\nexport const a = 1;\n')
    with pytest.raises(ValueError, match="needs itself"):
        offline.bundled(tmp_path)


def test_the_program_that_checks_without_us_can_be_had_here_and_checks(stranger: Visitor, tmp_path: Path) -> None:
    page = stranger.get("/verify").text
    assert 'href="/wipe-agent.zip" download="wipe-agent.zip"' in page
    answer = stranger.get("/wipe-agent.zip")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="wipe-agent.zip"'
    assert stranger.get("/wipe-agent.zip", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path)
    assert {name.split("/")[0] for name in names} == {"wipe-agent"}
    assert {f"wipe-agent/{each}" for each in ("requirements-agent.txt", "LICENSE", "wipe_agent/__main__.py")} <= names
    vectors = Path(__file__).parents[1] / "vectors"
    asked = ("verify", vectors / "changed-after-signing", "--trust", vectors / "trust.json")
    checked = subprocess.run(
        [sys.executable, "-m", "wipe_agent", *asked], cwd=tmp_path / "wipe-agent", env={"HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "The certificate was changed after it was signed" in checked.stdout
    assert checked.returncode != 0


def test_a_code_without_a_certificate_is_told_kindly(world: World, stranger: Visitor) -> None:
    code = world.device(world.expected()).code
    for asked in (code, f"http://127.0.0.1/devices/{code}", new_code("S")):
        text = stranger.text(f"/verify?code={asked}", 404)
        assert text.count("We hold no certificate for this device yet, or there is a typing mistake.") == 1
        assert "Please look at this again" not in text
    for asked in ("%00%27", "C06USSP69F", f"{code[:-1]}%3F"):
        assert "There is a typing mistake in this, or it is not one of our codes." in stranger.text(
            f"/verify?code={asked}", 404
        )
    page = stranger.get(f"/verify?code={code}").text
    assert "<title>Error: Verify a certificate" in page
    assert re.search(r'<input[^>]+id="f-code"[^>]+ autofocus', page)


def test_a_certificate_is_found_by_its_address_and_by_the_code_in_the_shop(world: World, stranger: Visitor) -> None:
    cleared = world.cleared()
    with world.transaction() as session:
        code = sale.list_device(session, world.stefan, cleared, price_minor=19_900, now=world.now).code
        found = session.scalars(sa.select(Certificate)).one()
        number, own = found.id, found.credential_id.removeprefix("urn:uuid:")
        device = session.scalars(sa.select(Device.code)).one()
    for asked in (
        code, number, own, f"urn:uuid:{own}", f"http://127.0.0.1/certificates/{number}",
        f"http://127.0.0.1/devices/{device}", f"http://127.0.0.1/shop/{code}?page=2",
        f"http://127.0.0.1/verify?code={device}",
    ):  # fmt: skip
        text = stranger.get("/verify", query_string={"code": asked})
        assert text.status_code == 200, asked
        assert f'href="/certificates/{own}"' in text.text, "one number, whichever was asked for"
        assert f"Certificate {own}" in words(text.text)
    assert own in stranger.text(f"/certificates/{number}")
    assert str(number) not in stranger.text(f"/certificates/{number}")


@pytest.mark.parametrize(
    "address", ["https://evil.example/certificates/x", "http://127.0.0.1.evil.example/verify?code=x", "ftp://x/"]
)
def test_an_address_of_somebody_else_is_not_looked_up_here(address: str, stranger: Visitor) -> None:
    answer = stranger.get("/verify", query_string={"code": address})
    assert answer.status_code == 422
    host = address.split("/")[2]
    assert f"This address leads to {host}, not to us. Do not rely on it" in words(answer.text)
    assert stranger.get("/verify", query_string={"code": "http://[x"}).status_code == 404


def test_the_bundle_can_be_taken_home_and_checked_as_a_file(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    archive = stranger.get(f"/certificates/{certificate_of(world, code)}/bundle.zip")
    assert archive.headers["Content-Type"] == "application/zip"
    assert "certificate.json" in zipfile.ZipFile(io.BytesIO(archive.data)).namelist()
    answer = stranger.post(
        "/verify", {"bundle": (io.BytesIO(archive.data), "bundle.zip")}, content_type="multipart/form-data"
    )
    text = words(answer.text)
    assert answer.status_code == 200
    assert "This is a training certificate. It proves nothing." in text
    assert "The data on this device is gone." in text
    assert "To know: In training it is not judged how fast the work went." in text


def bundle_of(world: World, stranger: Visitor) -> dict[str, str]:
    """The files of a cleared device's certificate."""
    code = world.device(world.cleared()).code
    archive = stranger.get(f"/certificates/{certificate_of(world, code)}/bundle.zip").data
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name).decode() for name in opened.namelist()}


def test_a_bundle_can_be_checked_file_by_file_and_as_text(world: World, stranger: Visitor) -> None:
    files = bundle_of(world, stranger)
    answer = stranger.post(
        "/verify",
        {"bundle": [(io.BytesIO(text.encode()), name) for name, text in files.items()]},
        content_type="multipart/form-data",
    )
    assert "It proves nothing." in words(answer.text)
    documents = {name: json.loads(text) for name, text in files.items()}
    for pasted in (documents, {"files": files}):
        answer = stranger.post("/verify", {"text": json.dumps(pasted)})
        assert "It proves nothing." in words(answer.text), words(answer.text)[:400]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Choose the .zip of the certificate, or paste its text."),
        ("{not json", "it is not JSON from beginning to end"),
        ('{"@context": []}', "This is one document of a bundle."),
        ("[1]", "This is one document of a bundle."),
        ("[" * 50_000, "it is not JSON from beginning to end"),
    ],
)
def test_text_that_is_no_bundle_is_refused_in_words_and_kept(text: str, sentence: str, stranger: Visitor) -> None:
    answer = stranger.post("/verify", {"text": text})
    assert answer.status_code == 422
    assert sentence in words(answer.text)


def test_what_is_said_twice_is_not_taken_as_said_once(world: World, stranger: Visitor) -> None:
    files = bundle_of(world, stranger)
    documents = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    text = json.dumps(documents)
    assert "It proves nothing." in words(stranger.post("/verify", {"text": text}).text)
    for old, new, sentence in (
        ('"serial": "', '"serial": "ANOTHER", "serial": "', "says something twice"),
        ('"certificate.json": ', '"certificate.json": {}, "certificate.json": ', "says something twice"),
        ('"badBlocks": 0', '"badBlocks": -0', "has the number -0.0"),
    ):
        assert old in text
        page = words(stranger.post("/verify", {"text": text.replace(old, new, 1)}).text)
        assert sentence in page
        assert "It proves nothing." not in page
    named = [(name, content) for name, content in files.items() if name != "log-proof.txt"]
    twice = [("certificate.json", "{}"), *named]
    answer = stranger.post(
        "/verify",
        {"bundle": [(io.BytesIO(content.encode()), name) for name, content in twice]},
        content_type="multipart/form-data",
    )
    assert answer.status_code == 422
    assert "There are two files with the name certificate.json. Choose one of them." in words(answer.text)


def test_the_code_of_a_certificate_can_be_printed(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    page = stranger.get(f"/certificates/{certificate_of(world, code)}/code").text
    assert '<svg xmlns="http://www.w3.org/2000/svg"' in page or "<svg" in page.split("code-sheet", 1)[1]
    assert code in page


def test_a_changed_bundle_does_not_verify_and_the_reason_is_named(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    archive = stranger.get(f"/certificates/{certificate_of(world, code)}/bundle.zip").data
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(forged, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b"DRIVE-1", b"DRIVE-9"))
    answer = stranger.post(
        "/verify",
        {"bundle": (io.BytesIO(forged.getvalue()), "b.zip")},
        content_type="multipart/form-data",
    )
    text = words(answer.text)
    assert "This certificate is not valid. It was changed after it was signed, or somebody else signed it." in text
    assert "Failed: The certificate was changed after it was signed" in text
    assert text.count("Not looked at, because an earlier check failed.") > 10
    assert "Ask whoever gave it to you" in text
    assert "none of this can be relied on" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"no zip", "Choose the .zip as you downloaded it."),
        (b"PK\x03\x04broken", "This file is damaged; download it again."),
        (b"\x00" * 2000, "Choose the .zip as you downloaded it."),
        (b"PK\x05\x06" + b"\x00" * 18, "Choose the .zip as you downloaded it."),
    ],
)
def test_rubbish_is_refused_in_words(content: bytes, says: str, stranger: Visitor) -> None:
    answer = stranger.post("/verify", {"bundle": (io.BytesIO(content), "b.zip")}, content_type="multipart/form-data")
    assert answer.status_code == 200
    page = words(answer.text)
    assert says in page
    assert "We could not find a certificate in this file." in page
    assert "not valid" not in page
    assert "verdict-unread tone-quiet" in answer.text


def test_a_certificate_without_what_it_stands_on_is_not_called_false(world: World, stranger: Visitor) -> None:
    certificate = bundle_of(world, stranger)["certificate.json"].encode()
    answer = stranger.post(
        "/verify", {"bundle": (io.BytesIO(certificate), "certificate.json")}, content_type="multipart/form-data"
    )
    page = words(answer.text)
    assert "Some files of the certificate are missing. Missing: accreditation.json, work-order.json. Choose" in page
    assert "not valid" not in page
    assert "tone-bad" not in answer.text.split("<hr>")[0]


def test_a_file_that_is_too_large_is_not_read(stranger: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_pages, "LARGEST_BUNDLE", 1_000)
    answer = stranger.post(
        "/verify", {"bundle": (io.BytesIO(b"\x00" * 1_001), "b.zip")}, content_type="multipart/form-data"
    )
    assert answer.status_code == 422
    assert "larger than one megabyte" in words(answer.text)


def test_a_revoked_certificate_says_so_everywhere(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    number = certificate_of(world, code)
    archive = stranger.get(f"/certificates/{number}/bundle.zip").data
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, UUID(number), reason="The station was broken.", now=world.now
        )
    text = stranger.text(f"/certificates/{number}")
    assert "This certificate has been revoked." in text
    assert "What it claimed, medium by medium It no longer counts." in text
    assert "What was done" not in text
    text = stranger.text(f"/verify?code={code}")
    assert "This certificate has been revoked." in text
    assert "The station was broken." in text
    answer = stranger.post("/verify", {"bundle": (io.BytesIO(archive), "b.zip")}, content_type="multipart/form-data")
    assert "This certificate has been revoked." in words(answer.text)


def test_a_certificate_in_doubt_is_told_as_being_looked_at_until_two_people_decided(
    world: World, stranger: Visitor
) -> None:
    code = world.device(world.cleared()).code
    number = certificate_of(world, code)
    before = stranger.get(f"/certificates/{number}/bundle.zip").data
    since = world.now - timedelta(days=1)
    with world.transaction() as session:
        rechecking.report_key(
            session, world.olga, world.station().station.id, since=since, reason="The laptop was stolen.",
            issuers=world.issuers, now=world.now,
        )  # fmt: skip
        recheck = session.scalars(sa.select(Recheck.id)).one()
    now = stranger.get(f"/certificates/{number}/bundle.zip").data
    because = f"Others may have had the key that signed it, since {shapes.day(since)}, {since:%H:%M} UTC."
    for answer in (
        stranger.get(f"/verify?code={code}"),
        stranger.get(f"/certificates/{number}"),
        *(
            stranger.post("/verify", {"bundle": (io.BytesIO(data), "b.zip")}, content_type="multipart/form-data")
            for data in (before, now)
        ),
    ):
        page = words(answer.text)
        assert answer.status_code == 200
        assert "This certificate is in doubt. We are looking at it again." in page
        assert because in page
        assert "has been revoked" not in page
        assert "verdict-doubt tone-wait" in answer.text
        assert 'data-register="doubt"' in answer.text
    assert "being looked at" in stranger.text(f"/certificates/{number}")
    assert stranger.get(f"/api/v1/certificates/{number}").json["in_doubt"] == because
    assert "This certificate is in doubt" in stranger.text(f"/certificates/{number}/code", 410)
    with world.transaction() as session:
        more = {"issuers": world.issuers, "now": world.now}
        rechecking.propose_end(session, world.stefan, recheck, outcome="revoked", note="It holds files.", **more)
        rechecking.confirm_end(session, world.sara, recheck, **more)
    assert stranger.get(f"/api/v1/certificates/{number}").json["in_doubt"] is None
    page = stranger.text(f"/verify?code={code}")
    assert "This certificate has been revoked. It no longer counts. It holds files." in page
    assert "in doubt" not in page


def test_a_certificate_in_doubt_is_not_called_proof_to_its_seller_nor_in_the_shop(
    world: World, visitor: Callable[[str | None], Visitor]
) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, device_id, price_minor=19_900, now=world.now).code
    code, cora = world.device(device_id).code, visitor("cora")
    assert "In practice: the data is gone" in cora.text(f"/devices/{code}")
    with world.transaction() as session:
        rechecking.report_key(
            session, world.olga, world.station().station.id, since=world.now, reason="The laptop was stolen.",
            issuers=world.issuers, now=world.now,
        )  # fmt: skip
    for page in (cora.text(f"/devices/{code}"), visitor(None).text(f"/shop/{listing}")):
        assert "Its certificate is being looked at" in page
        assert "Others may have had the key that signed it" in page
        assert "the data is gone" not in page
        assert "earlier owner's data is on it" not in page


def test_every_cause_of_doubt_has_its_words() -> None:
    assert set(records.DOUBTED) == set(rechecks.TOLD) == set(accrediting.CAUSES) == set(RecheckCause)


def test_a_revoked_certificate_leads_to_the_one_that_took_its_place(world: World, stranger: Visitor) -> None:
    device = world.cleared()
    old = certificate_of(world, world.device(device).code)
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, UUID(old), reason="Files were found.", now=world.now)
    page = stranger.get(f"/certificates/{old}").text
    assert "The device must be wiped and certified again." in page
    assert "The newer certificate of this device" not in page
    world.later(hours=4)
    world.submit(world.bundle(world.order(device)))
    new = certificate_of(world, world.device(device).code)
    assert new != old
    page = stranger.get(f"/certificates/{old}").text
    with world.transaction() as session:
        own = session.scalars(sa.select(Certificate.credential_id).order_by(Certificate.accepted_at.desc())).first()
    assert own is not None
    assert f'<a href="/certificates/{own.removeprefix("urn:uuid:")}">The newer certificate of this device</a>' in page
    assert "must be wiped" not in words(page)
    archive = stranger.get(f"/certificates/{old}/bundle.zip").data
    answer = stranger.post("/verify", {"bundle": (io.BytesIO(archive), "b.zip")}, content_type="multipart/form-data")
    assert "The newer certificate of this device" in answer.text
    assert "The newer certificate" not in stranger.get(f"/certificates/{new}").text


def test_a_bundle_is_named_after_the_number_that_the_certificate_gives_itself(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    with world.transaction() as session:
        own = session.scalars(sa.select(Certificate.credential_id)).one().removeprefix("urn:uuid:")
    answer = stranger.get(f"/certificates/{certificate_of(world, code)}/bundle.zip")
    assert f"certificate-{code}-{own[:8]}.zip" in answer.headers["Content-Disposition"]


def test_a_bundle_as_we_offer_it_says_itself_that_it_was_revoked(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    number = certificate_of(world, code)
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, UUID(number), reason="The station was broken.", now=world.now
        )
    archive = stranger.get(f"/certificates/{number}/bundle.zip").data
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        assert {"certificate.json", "status.json", "accreditation-status.json"} <= set(files.namelist())
    answer = stranger.post("/verify", {"bundle": (io.BytesIO(archive), "b.zip")}, content_type="multipart/form-data")
    page = words(answer.text)
    assert "This certificate has been revoked." in page
    assert "The reason given: The station was broken." in page
    assert "This certificate does not verify." not in page


def test_a_status_list_is_served_signed_with_a_tag_and_to_everybody(world: World, stranger: Visitor) -> None:
    code = world.device(world.cleared()).code
    archive = stranger.get(f"/certificates/{certificate_of(world, code)}/bundle.zip").data
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        certificate = json.loads(files.read("certificate.json"))
        in_bundle = files.read("status.json")
    path = certificate["credentialStatus"]["statusListCredential"].removeprefix("https://market.test")
    served = stranger.get(path)
    assert served.status_code == 200
    assert served.mimetype == "application/vc"
    # That in the bundle is dated after its certificate; from the next day on it is the one that everybody gets.
    told, brought = json.loads(served.data), json.loads(in_bundle)
    assert told["credentialSubject"] == brought["credentialSubject"]
    assert told["validFrom"] <= brought["validFrom"] >= certificate["validFrom"]
    assert served.headers["Access-Control-Allow-Origin"] == "*"
    again = stranger.get(path, headers={"If-None-Match": served.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert stranger.get("/status/certificates-999999").status_code == 404


def test_contexts_and_schemas_are_served_for_good_and_nothing_else_is(stranger: Visitor) -> None:
    folder = Path(stranger.client.application.static_folder or "") / "vocab/wipe/v1"
    assert {path.name for path in folder.iterdir()} == PUBLISHED
    for path in folder.iterdir():
        served = stranger.get(f"/vocab/wipe/v1/{path.name}")
        assert served.data == path.read_bytes()
        assert "immutable" in served.headers["Cache-Control"]
        assert served.mimetype == ("application/ld+json" if path.suffix == ".jsonld" else "application/schema+json")
    assert stranger.get("/vocab/wipe/v1/other.schema.json").status_code == 404
    assert stranger.get("/vocab/wipe/v1/..%2f..%2f..%2fcore%2ftokens.css").status_code == 404


def test_a_refused_certificate_verifies_as_a_document_and_is_not_shown_as_good(world: World, stranger: Visitor) -> None:
    _, order = world.ordered(serials=("DRIVE-1",))
    files = world.bundle(order)
    world.later(hours=3)
    with world.transaction() as session:
        session.execute(
            sa.update(Centre)
            .where(Centre.organisation_id == world.organisation("Rhein Datenpark"))
            .values(standing=Standing.SUSPENDED, suspended_at=world.now, suspension_reason="The shredder stood open.")
        )
    reason = world.refuse(files)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    archive.seek(0)
    answer = stranger.post("/verify", {"bundle": (archive, "b.zip")}, content_type="multipart/form-data")
    page = words(answer.text)
    assert "We refused this certificate." in page
    assert "It verifies as a document" in page
    assert reason in page
    assert "The centre has been suspended since" in page
    assert "tone-safe" not in answer.text.split("<h1>")[0].rsplit("verdict", 1)[1]


def test_a_phones_quote_says_that_it_is_reset_or_taken_apart(stranger: Visitor) -> None:
    answers = {question.field: question.choices[0].value for question in QUESTIONS["smartphone"]}
    made = stranger.post("/quote/apple-iphone-12", {"storage_gb": "128", **answers})
    assert made.status_code == 303, words(made.text)
    assert "resets it before two people, or destroys its storage" in stranger.text(made.headers["Location"])
    assert "resets it before two people" not in stranger.text(make_quote(stranger))


def test_bidders_stand_under_aliases_and_maxima_stay_secret(
    world: World, stranger: Visitor, visitor: Callable[[str | None], Visitor]
) -> None:
    code, _ = world.listed_lot()
    world.bid("rita", code, 400)
    world.bid("rosa", code, 120)
    world.bid("rosa", code, 150)
    page = stranger.get(f"/lots/{code}").text
    text = words(page)
    assert "Bidder 1" in text
    assert "leads" in text
    assert "Bidder 2" in text
    for secret in ("400.00", "40000", "Werk Zwei", "Neu &amp; Gut", "(you)"):
        assert secret not in page
    assert "€155.00" in text
    rita = words(visitor("rita").get(f"/lots/{code}").text)
    assert "You lead. Your maximum is €400.00" in rita
    assert "Bidder 1 (you)" in rita
    rosa = visitor("rosa").get(f"/lots/{code}").text
    assert "400.00" not in rosa
    assert "You have been outbid. Your maximum was €150.00" in words(rosa)


def test_a_related_firm_reads_why_it_may_not_bid(world: World, visitor: Callable[[str | None], Visitor]) -> None:
    code, _ = world.listed_lot()
    text = words(visitor("rita").get(f"/lots/{code}").text)
    assert "Place a binding bid" in text
    assert "Only verified recyclers and refurbishers may bid." in words(visitor("cora").get(f"/lots/{code}").text)


def test_the_manifest_is_a_file_that_no_spreadsheet_takes_for_a_formula(world: World, stranger: Visitor) -> None:
    code, _ = world.listed_lot(2)
    answer = stranger.get(f"/lots/{code}/manifest.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["title"] for row in rows] == ["Lenovo ThinkPad T480"] * 2
    assert rows[0]["mass_g"] == "1580"
    assert rows[0]["certificate"].startswith("http")
    text = csv_text(["title"], [{"title": '=HYPERLINK("x")'}, {"title": " +1"}, {"title": "@a"}, {"title": "T480"}])
    assert list(csv.reader(io.StringIO(text)))[1:] == [['\'=HYPERLINK("x")'], ["' +1"], ["'@a"], ["T480"]]
    numbers = csv_text(["minor"], [{"minor": -28546}, {"minor": 12}, {"minor": "-28546"}])
    assert list(csv.reader(io.StringIO(numbers)))[1:] == [["-28546"], ["12"], ["'-28546"]]


def test_lots_and_shop_show_what_there_is(world: World, stranger: Visitor) -> None:
    code, _ = world.listed_lot()
    assert "Laptops from Köln" in stranger.text("/lots")
    assert "Laptops from Köln" in stranger.text("/")
    assert "Laptops from Köln" not in stranger.text("/lots?state=closed")
    world.later(days=3)
    assert "Laptops from Köln" in stranger.text("/lots?state=closed&way=nonsense&page=-1")
    assert "Bidding is over." in stranger.text(f"/lots/{code}")
    device_id = world.cleared(serial="PF99999", serials=("DRIVE-99",))
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, device_id, price_minor=19_900, now=world.now).code
    assert "€199.00" in stranger.text("/shop?q=think+t480&device_class=laptop")
    assert "Nothing for sale fits all of this" in stranger.text("/shop?q=%25")
    text = stranger.text(f"/shop/{listing}")
    assert "In practice: no earlier owner's data is on it" in text
    assert "checks passed training" in text
    assert "verified" not in text.split("What the centre checked")[1].split("If you do not like it")[0]
    assert "Battery 86 %" in text


def test_a_list_costs_the_same_number_of_statements_however_long(
    real_site: Flask, world: World, stranger: Visitor
) -> None:
    import sqlalchemy as sa

    engine = real_site.extensions["ewaste"].database.engine
    counted: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *args: counted.append(args[2]))

    def cost(address: str) -> int:
        counted.clear()
        assert stranger.get(address).status_code == 200
        return len(counted)

    world.listed_lot(1)
    stranger.get("/lots")  # What a process reads once, it has read.
    one = cost("/lots")
    for number in range(2):
        world.lot_of([world.cleared(serial=f"QF{number:05d}", serials=(f"D-{number}",))])
    cost("/lots")
    assert cost("/lots") == one


def test_a_certificate_under_the_number_of_another_does_not_stand_in_its_place(world: World, stranger: Visitor) -> None:
    accepted = bundle_of(world, stranger)
    certificate = json.loads(accepted["certificate.json"])
    _, order = world.ordered(serials=("DRIVE-2",), serial="QF00002")
    under_its_number = world.bundle(order, change=lambda statement: statement.update(id=certificate["id"]))
    world.later(hours=3)
    reason = "Our register has another certificate under this number, and never took this one."
    for files, standing in ((accepted, "live"), (under_its_number, "refused")):
        sent = stranger.client.post("/api/v1/verify", json={"files": files, "training": True}).get_json()
        assert (sent["verifies"], sent["credential_id"], sent["standing"]) == (True, certificate["id"], standing)
        assert sent["standing_reason"] == (reason if standing == "refused" else None)
        answer = stranger.post("/verify", {"text": json.dumps({"files": files})})
        assert ("We refused this certificate." in words(answer.text)) is (standing == "refused")
        assert (reason in words(answer.text)) is (standing == "refused")


def test_a_medium_that_was_found_later_stands_on_top_of_the_verdict(world: World, stranger: Visitor) -> None:
    device_id = world.cleared()
    code = world.device(device_id).code
    number = certificate_of(world, code)
    since = "Since then another medium was found in this device. This certificate does not cover it; "
    assert since not in stranger.text(f"/verify?code={code}")
    world.note_medium(device_id, "STICK-1", "usb")
    for address in (f"/verify?code={code}", f"/certificates/{number}"):
        assert f"{since}the device is not clear." in stranger.text(address)
    told = json.loads(stranger.get(f"/api/v1/certificates/{number}").text)
    assert told["found_since"] == f"{since}the device is not clear."
    with zipfile.ZipFile(io.BytesIO(stranger.get(f"/certificates/{number}/bundle.zip").data)) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    sent = stranger.client.post("/api/v1/verify", json={"files": files, "training": True})
    assert json.loads(sent.text)["found_since"] == told["found_since"]
    stranger.sign_in("cora")
    page = stranger.text(f"/devices/{code}")
    assert "It is not clear any more" in page
    assert f"{since}the device is not clear. Rhein Datenpark wipes it anew." in page
    assert "It waits for its next owner" not in page
    assert "The data is gone" not in page.split("Its story so far")[0]


def test_a_certificate_says_that_a_newer_one_covers_what_was_found(world: World, stranger: Visitor) -> None:
    device_id = world.cleared()
    code = world.device(device_id).code
    number = certificate_of(world, code)
    world.note_medium(device_id, "STICK-1", "usb")
    with world.transaction() as session:
        clearing.clear_again(session, world.olga, device_id, now=world.now)
    world.submit(world.bundle(world.order(device_id)))
    assert "does not cover it; a newer certificate does." in stranger.text(f"/certificates/{number}")
    assert "Since then" not in stranger.text(f"/verify?code={code}")


def test_a_search_says_that_a_model_is_only_near_and_finds_the_help(stranger: Visitor) -> None:
    near = stranger.text("/search?q=Galaxy+S7")
    assert "No model that we buy is called" in near
    assert "Galaxy Tab S7" in near
    assert "is called" not in stranger.text("/search?q=galaxy+tab+s7")
    found = stranger.get("/search?q=when+paid").text
    assert 'href="/help#money"' in found
    assert "We found nothing for this" not in found
    helped = stranger.get("/help").text
    assert [anchor for anchor, _, _ in search.HELP if f'id="{anchor}"' not in helped] == []
