"""Checking a certificate in a browser: what each kind looks like, beside the site, alone, and from a file kept."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, FilePayload, Page, Route

from ewaste.certificates.models import Certificate
from ewaste.journey import clearing, rechecking
from tests.browser.sweep import AXE, HOST, SCHEMES, SIZES, Look, Window, sights, window
from tests.web.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.campaign]

VECTORS = Path(__file__).parents[1] / "vectors"
AT = datetime(2026, 3, 3, 12, tzinfo=UTC)
GREEN, AMBER, BLUE, RED = "tone-safe", "tone-wait", "tone-work", "tone-bad"
# Bundle → its label, its colour, and the words for its reader.
KINDS = {
    "valid-witnessed": ("Genuine certificate", GREEN, "The data on this device is gone."),
    "valid-late-witnessed": (
        "Genuine, seen late", AMBER, "This certificate is genuine, but reached the public log late.",
    ),
    "valid-one-drive": ("Genuine", BLUE, "This certificate is genuine."),
    "revoked": ("Revoked", RED, "This certificate has been revoked."),
    "changed-after-signing": ("Not valid", RED, "This certificate is not valid."),
    "medium-missing": ("Not valid", RED, "This certificate is not valid."),
}  # fmt: skip
# The browser of the tests hands on no files that are sent; so what the page sends goes this way to the site.
CARRY = """() => {
  const real = fetch;
  window.fetch = async (address, how) => {
    if (how?.method !== "POST") return real(address, how);
    const sent = new Response(how.body);
    const bytes = Array.from(new Uint8Array(await sent.arrayBuffer()), (byte) => String.fromCharCode(byte));
    const answer = await carry(btoa(bytes.join("")), sent.headers.get("content-type"));
    return new Response(answer, { headers: { "content-type": "text/html" } });
  };
}"""
FRAME = """band => {
  const style = getComputedStyle(band);
  return [style.borderTopStyle, style.borderLeftStyle, style.borderLeftWidth];
}"""
# A stand-in for what phones have and a browser on Linux has not: it reads the same code from every picture.
DETECTOR = """globalThis.BarcodeDetector = class {
  static async getSupportedFormats() { return ["qr_code"]; }
  async detect() { return [{ rawValue: globalThis.codeToRead }]; }
};"""


@pytest.fixture(scope="module")
def shown(stage: Stage, browser: Browser) -> Iterator[Window]:
    """A window at the stage."""
    with window(stage, browser) as opened:
        yield opened


def files_of(vector: str) -> list[Path]:
    """The files of a bundle of the test vectors."""
    return sorted((VECTORS / vector).iterdir())


def fingerprint(file: Path) -> str:
    """The short name of a trust file."""
    digits = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
    return " ".join(digits[at : at + 4] for at in range(0, 32, 4))


def zipped(data: bytes) -> FilePayload:
    """A .zip as a person chooses it."""
    return {"name": "bundle.zip", "mimeType": "application/zip", "buffer": data}


def choose(page: Page, files: list[Path] | list[FilePayload]) -> None:
    """Choose files and press the button; wait for the verdict."""
    page.evaluate("document.getElementById('result').replaceChildren()")
    page.set_input_files("#f-bundle", files)
    page.click("#by-file button[type=submit]")
    page.wait_for_selector("#result .verdict")


def complaints_about(look: Look) -> list[str]:
    """What axe finds in any look, and how far the page is wider than its window."""
    wrong = []
    for size, (width, height) in SIZES.items():
        look.page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            look.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            wrong += [f"{size}, {scheme}: {line}" for line in look.axe()]
        if look.sideways() > 0:
            wrong.append(f"{size}: too wide by {look.sideways()} px")
    return wrong


def test_each_kind_of_certificate_looks_like_no_other_and_is_checked_without_sending_it(shown: Window) -> None:
    sight = next(sight for sight in sights() if sight.path == "/verify" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        sent: list[str] = []
        page.on("request", lambda asked: sent.append(asked.method) if asked.method != "GET" else None)
        page.clock.set_fixed_time(AT)
        page.set_input_files("#trust-file", VECTORS / "trust-log.json")
        page.wait_for_selector("[data-trust-said]:has-text('Your browser now goes by this file.')")
        page.check("[data-alone-box]")
        frames = set()
        for vector, (label, tone, headline) in KINDS.items():
            choose(page, files_of(vector))
            band = page.locator("#result .verdict")
            assert band.locator(".verdict-label").inner_text() == label
            assert tone in str(band.get_attribute("class"))
            assert band.locator("h1").inner_text().replace("\n", " ") == headline
            assert page.locator("h1").count() == 1
            frames.add((band.locator("use").first.get_attribute("href"), *band.evaluate(FRAME)))
            if vector == "valid-witnessed":
                assert "How\noverwrite, one pass of zeros" in page.inner_text("#result")
            if vector in ("valid-witnessed", "medium-missing"):
                assert complaints_about(look) == []
        assert len(frames) == len({label for label, *_ in KINDS.values()})
        text = page.locator("#result").inner_text()
        assert "It does not cover all the storage of the device." in text
        assert "Failed: This certificate covers one medium." in text
        assert "Sanitise" not in page.locator("#result .verdict").inner_text()
        assert (sent, look.complaints) == ([], [])


def test_the_browser_stands_beside_the_site_and_says_when_it_differs(stage: Stage, shown: Window) -> None:
    number = stage.things["own"]["certificate"]
    sight = next(sight for sight in sights() if sight.path == "/certificates/<uuid:id>" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        page.clock.set_fixed_time(stage.world.now)

        def carry(body: str, kind: str) -> str:
            headers = {"Referer": f"{HOST}/verify"}
            data = base64.b64decode(body)
            return stage.visit(None, "POST", "/verify", data=data, content_type=kind, headers=headers).text

        page.expose_function("carry", carry)
        page.wait_for_selector(".by-browser .notice-title:has-text('agrees')")
        marks = page.locator(".own-mark")
        assert marks.count() == page.locator("[data-check]").count() == 24
        assert set(marks.locator("span").all_text_contents()) <= {"Your browser: held", "Your browser: to know"}

        page.goto(f"{HOST}/verify", wait_until="load")
        page.evaluate(AXE)
        page.evaluate(CARRY)
        archive = stage.visit(None, "GET", f"/certificates/{number}/bundle.zip").get_data()
        changed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(changed, "w") as target:
            for name in source.namelist():
                target.writestr(name, source.read(name).replace(b"2026", b"2027"))
        choose(page, [zipped(archive)])
        page.wait_for_selector(".by-browser .notice-title:has-text('agrees')")
        assert page.locator("#result .verdict-label").inner_text() == "Training"
        choose(page, [zipped(changed.getvalue())])
        page.wait_for_selector(".by-browser .notice-title:has-text('agrees')")
        assert page.locator("#result .verdict-label").inner_text() == "Not valid"
        assert "tone-safe" not in page.inner_html("#result .by-browser")
        assert complaints_about(look) == []
        # Under a trust file that does not know this market, the browser says so, and no longer what the site says.
        page.set_input_files("#trust-file", VECTORS / "trust.json")
        page.wait_for_selector(".by-browser .notice-title:has-text('does not know who signed this')")
        assert "whom the trust file does not list" in page.inner_text("#result .by-browser")
        # It is said where the answer stands that it changes, and no question is green that fails there.
        said = page.inner_text("#result .verdict [data-own-verdict]")
        assert said == (
            "Your browser does not know who signed this, by the trust file that you chose. See what changed"
        )
        page.click("[data-trust-said] a")
        group = page.locator(".check-group", has_text="Who signed it")
        assert "Your browser: 1 failed, 7 not looked at" in group.locator(".check-count").inner_text()
        assert group.get_attribute("open") is not None
        assert group.get_attribute("class") == "check-group bad"
        assert complaints_about(look) == []
        # One that cannot be read is not passed over in silence: nothing is checked by another.
        page.set_input_files("#trust-file", {"name": "t.json", "mimeType": "x", "buffer": b'{"hello":1}'})
        page.wait_for_selector(".by-browser .notice-title:has-text('nothing was checked')")
        assert page.locator(".own-mark").count() == 0
        assert page.inner_text("[data-own-verdict]").startswith(
            "Your trust file cannot be used, so nothing was checked."
        )
        assert "bad" not in page.locator(".check-group").nth(2).get_attribute("class")
        page.click("[data-trust-remove]")
        page.wait_for_selector(".by-browser .notice-title:has-text('agrees')")
        assert page.locator("[data-own-verdict]").count() == 0
        assert look.complaints == []


def test_the_browser_says_that_it_cannot_see_what_the_register_alone_knows(stage: Stage, shown: Window) -> None:
    number = stage.things["own"]["certificate"]
    sight = next(sight for sight in sights() if sight.path == "/verify" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        page.clock.set_fixed_time(stage.world.now)
        archive = stage.visit(None, "GET", f"/certificates/{number}/bundle.zip").get_data()
        with stage.rehearse.transaction() as session:
            certificate = session.scalars(sa.select(Certificate).where(Certificate.id == UUID(str(number)))).one()
            clearing.revoke_certificate(
                session, stage.world.stefan, certificate.id, reason="The station was broken.", now=stage.world.now
            )
        headers = {"Referer": f"{HOST}/verify"}

        def carry(body: str, kind: str) -> str:
            data = base64.b64decode(body)
            return stage.visit(None, "POST", "/verify", data=data, content_type=kind, headers=headers).text

        page.expose_function("carry_revoked", carry)
        page.evaluate(CARRY.replace("carry(", "carry_revoked("))
        choose(page, [zipped(archive)])
        page.wait_for_selector(".by-browser .notice-title:has-text('Your browser cannot see this')")
        assert page.inner_text("#result .verdict-label") == "Revoked"
        said = page.inner_text("#result .by-browser")
        assert "Our register says that it was revoked since." in said
        assert f"The list in your file is of {stage.world.now:%Y-%m-%d} 00:00 UTC." in said
        assert page.inner_text("[data-check=status] .own-mark") == "Your browser: cannot see this"
        assert page.locator("[data-own-verdict]").count() == 0
        assert page.evaluate("document.activeElement.id") == "verdict"
        assert complaints_about(look) == []


def test_what_is_in_doubt_is_told_so_by_the_site_and_not_as_a_quarrel_with_the_browser(
    stage: Stage, shown: Window
) -> None:
    number = stage.things["own"]["certificate"]
    sight = next(sight for sight in sights() if sight.path == "/certificates/<uuid:id>" and sight.column.who is None)
    world = stage.world
    with shown.look(sight) as look:
        page = look.page
        page.clock.set_fixed_time(world.now)
        with stage.rehearse.transaction() as session:
            certificate = session.scalars(sa.select(Certificate).where(Certificate.id == UUID(str(number)))).one()
            rechecking.report_key(
                session, world.stefan, certificate.station_id, since=certificate.accepted_at, reason="It was stolen.",
                issuers=world.issuers, centre_id=certificate.centre_id, now=world.now,
            )  # fmt: skip
        page.reload(wait_until="load")
        page.evaluate(AXE)
        page.wait_for_selector(".by-browser .notice-title:has-text('agrees')")
        assert page.inner_text(".verdict-label") == "Being looked at"
        assert AMBER in str(page.locator(".verdict").get_attribute("class"))
        assert "That we are still looking at it, the files do not show." in page.inner_text(".by-browser")
        assert page.locator("[data-own-verdict]").count() == 0
        assert complaints_about(look) == []


def test_a_trust_file_that_cannot_be_read_ends_the_check_also_alone(shown: Window) -> None:
    sight = next(sight for sight in sights() if sight.path == "/verify" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        page.clock.set_fixed_time(AT)
        page.set_input_files("#trust-file", {"name": "t.json", "mimeType": "x", "buffer": b'{"hello":1}'})
        page.wait_for_selector("[data-trust-said]:has-text('nothing is checked')")
        page.check("[data-alone-box]")
        choose(page, files_of("valid-witnessed"))
        assert page.inner_text("#result h1") == "Your trust file cannot be used, so nothing was checked."
        assert page.title().startswith("Your trust file cannot be used")
        assert page.evaluate("document.activeElement.id") == "verdict"
        assert page.locator(".check-group").count() == 0
        assert complaints_about(look) == []
        page.set_input_files("#trust-file", VECTORS / "trust-log.json")
        page.wait_for_selector("#result .verdict-label:has-text('Genuine certificate')")
        assert "As known on 3 March 2026, 12:00 UTC." in page.inner_text("#result .verdict")
        # A photograph is no false certificate, and half a bundle is none either.
        choose(page, [zipped(PIXEL)])
        assert page.inner_text("#result h1") == "We could not find a certificate in this file."
        choose(page, files_of("no-accreditation"))
        assert "Missing: accreditation.json." in page.inner_text("#result .verdict")
        assert "tone-quiet" in str(page.locator("#result .verdict").get_attribute("class"))
        assert complaints_about(look) == []


def test_nothing_is_checked_by_another_trust_file_while_the_chosen_one_is_still_being_read(shown: Window) -> None:
    sight = next(sight for sight in sights() if sight.path == "/verify" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        page.clock.set_fixed_time(AT)
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)  # A slow line: what reads trust files is on its way.

        page.route("**/trust.js", hold)
        with page.expect_request("**/trust.js"):
            page.set_input_files("#trust-file", VECTORS / "trust-log.json")
        page.check("[data-alone-box]")
        page.set_input_files("#f-bundle", files_of("valid-witnessed"))
        page.click("#by-file button[type=submit]")
        assert page.inner_text("[data-trust-said]") == "Reading your trust file…"
        assert page.inner_text("[data-file-said]") == "Checking…"
        assert page.locator("#result .verdict").count() == 0
        for route in held:
            route.fallback()
        page.wait_for_selector("#result .verdict-label:has-text('Genuine certificate')")
        page.wait_for_selector("[data-trust-said]:has-text('Your browser now goes by this file.')")
        name = fingerprint(VECTORS / "trust-log.json")
        assert page.inner_text("#result > .soft").endswith(f" Trust file: {name}.")
        page.unroute("**/trust.js", hold)


def test_the_first_file_that_is_dropped_is_chosen(shown: Window, tmp_path: Path) -> None:
    archive = tmp_path / "bundle.zip"
    archive.write_bytes(b"PK")
    sight = next(sight for sight in sights() if sight.path == "/verify" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        drag = page.context.new_cdp_session(page)
        box = page.locator("#by-file").bounding_box()
        assert box is not None
        data = {"items": [], "files": [str(archive)], "dragOperationsMask": 1}
        for step in ("dragEnter", "dragOver", "drop"):  # As the browser itself tells it, not as a script would.
            place = {"x": box["x"] + 20, "y": box["y"] + 20}
            drag.send("Input.dispatchDragEvent", {"type": step, **place, "data": data})
        page.wait_for_selector("[data-file-said]:not([hidden])")
        assert page.inner_text("[data-file-said]") == "bundle.zip is chosen."
        assert page.evaluate("document.getElementById('f-bundle').files.length") == 1


def test_what_is_dropped_beside_the_box_is_chosen_and_sent_only_when_the_button_is_pressed(shown: Window) -> None:
    sight = next(sight for sight in sights() if sight.path == "/verify" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        sent: list[str] = []
        page.on("request", lambda asked: sent.append(asked.method) if asked.method != "GET" else None)
        taken = page.evaluate(
            """() => {
              const dataTransfer = new DataTransfer();
              dataTransfer.items.add(new File(["x"], "bundle.zip"));
              return !document.querySelector("h1").dispatchEvent(
                new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true })
              );
            }"""
        )
        assert taken, "else the browser would open the file, and the page would be gone"
        page.wait_for_selector("[data-file-said]:not([hidden])")
        assert page.inner_text("[data-file-said]") == "bundle.zip is chosen."
        assert page.evaluate("document.getElementById('f-bundle').files.length") == 1
        assert page.evaluate("document.activeElement.textContent.trim()") == "Check it"
        assert sent == []


def test_the_square_code_leads_to_the_certificate_that_it_names(stage: Stage, shown: Window) -> None:
    number = stage.things["own"]["certificate"]
    sight = next(sight for sight in sights() if sight.path == "/verify" and sight.column.who is None)
    with shown.look(sight) as look:
        page = look.page
        page.add_init_script(DETECTOR)
        page.goto(f"{HOST}/verify", wait_until="load")
        page.wait_for_selector("[data-scan-photo]:not([hidden])")
        picture: FilePayload = {"name": "code.svg", "mimeType": "image/png", "buffer": PIXEL}
        page.evaluate("globalThis.codeToRead = 'https://elsewhere.test/a/page'")
        page.set_input_files("#code-photo", picture)
        page.wait_for_selector("[data-scan-said]:not([hidden])")
        assert "This code leads to elsewhere.test, not to us." in page.inner_text("[data-scan-said]")
        assert page.url == f"{HOST}/verify"
        page.evaluate(f"globalThis.codeToRead = '{HOST}/verify?code={number}&digest=zAnother'")
        page.set_input_files("#code-photo", picture)
        page.wait_for_selector("#result .verdict")
        assert page.url == f"{HOST}/verify?code={number}&digest=zAnother"
        assert page.inner_text("#result h1").replace("\n", " ") == "This is not the certificate that your paper names."


def test_the_kept_file_checks_without_a_network(stage: Stage, browser: Browser, tmp_path: Path) -> None:
    kept = tmp_path / "verify-certificate.html"
    with stage.rehearse():
        kept.write_bytes(stage.visit(None, "GET", "/verify/offline").get_data())
    context = browser.new_context(offline=True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.clock.set_fixed_time(AT)
    page.goto(kept.as_uri())
    page.set_input_files("#bundle", files_of("valid-witnessed"))
    page.wait_for_selector("#result .verdict")
    assert page.inner_text("#result .verdict-label") == "Not valid"  # the market's own trust file does not know them
    page.set_input_files("#trust-file", VECTORS / "trust-log.json")
    page.wait_for_selector("#result .verdict-label:has-text('Genuine certificate')")
    page.set_input_files("#trust-file", {"name": "t.json", "mimeType": "x", "buffer": b'{"hello":1}'})
    page.wait_for_selector("#result h1:has-text('Your trust file cannot be used, so nothing was checked.')")
    page.click("#trust-remove")
    page.wait_for_selector("#result .verdict-label:has-text('Not valid')")
    page.set_input_files("#bundle", VECTORS / "zip-bomb.zip")
    page.wait_for_selector("#result .verdict-label:has-text('Nothing checked')")
    # Its policy lets nothing out, even if something in it tried.
    assert page.evaluate("fetch('https://elsewhere.test/').then(() => 'out', () => 'held')") == "held"
    page.evaluate("window.stop()")
    assert any("Content Security Policy" in line for line in complaints)
    assert [line for line in complaints if "Content Security Policy" not in line and "elsewhere.test" not in line] == []
    context.close()


PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
