"""`make pictures`: the pages as they are, photographed for the README, in a market of its own with a few devices.

Needs Chromium (Debian's package `chromium`) and the development dependencies.
"""

from __future__ import annotations

import shutil
import sys
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from playwright.sync_api import Browser, Page, sync_playwright

from ewaste.accounts.samples import PASSWORD
from ewaste.centres.credentials import Issuers
from ewaste.certificates import registry
from ewaste.certificates.models import Certificate
from ewaste.core import clock
from ewaste.core.database import Database
from ewaste.core.installation import installation
from ewaste.devices.models import Device
from ewaste.journey import trade_in
from story.stage import ROOT, Market, market
from tests.world import GOOD_ANSWERS, World

FOLDER = ROOT / "docs" / "screenshots"
DESK, PHONE = (1280, 900), (390, 844)


def main() -> int:
    """Write every picture. Exit code 2 without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("The pictures need Chromium (Debian package chromium).", file=sys.stderr)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    with market() as stage, sync_playwright() as playwright:
        scenes = _furnish(stage)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, who, path, size in scenes:
            _take(browser, stage, name, who, path, size)
        _take_verified(browser, stage)
        browser.close()
    return 0


def _furnish(stage: Market) -> list[tuple[str, str | None, str, tuple[int, int]]]:
    """A few devices at different places of the way. Returns what to photograph: name, who, path, size."""
    stage.backdate()
    database = Database(stage.database_url("app"), pool_size=2)
    with database.transaction() as session:
        found = installation(session)
    issuers = Issuers.load(stage.folder / "keys", did_host=found.did_host, training=True, founded=found.founded_at)
    world = World(database, issuers, clock.now() - timedelta(days=2))
    world.expected(serial="PF1EXPECT")
    world.received(serial="PF1RECEIV")
    ordered, _ = world.ordered(serial="PF1ORDERD", serials=("S4EVNX0N1", "S4EVNX0N2"))
    sold = world.cleared(serial="PF1CLEARD", serials=("S4EVNX0N3",))
    offered = world.inspected(
        serial="PF1OFFERD", serials=("S4EVNX0N4",), answers=GOOD_ANSWERS | {"cosmetic": "like_new"}
    )
    listed = [world.cleared(serial=f"PF1LOT{number}", serials=(f"S4EVNX1N{number}",)) for number in range(4)]
    world.now = clock.now() - timedelta(hours=3)
    lot = world.lot_of(listed)
    for who, euros in (("rita", 120), ("rosa", 150), ("rita", 180)):
        world.bid(who, lot, euros)
        world.later(minutes=11)
    world.now = clock.now() - timedelta(minutes=5)
    with database.transaction() as session:
        quote = trade_in.quote(
            session,
            world.cora,
            model_code="apple-iphone-13",
            storage_gb=128,
            answers=_phone_answers(),
            now=world.now,
        )
        codes = {device.id: device.code for device in session.scalars(sa.select(Device))}
        bundle = registry.zipped(session.scalars(sa.select(Certificate).where(Certificate.device_id == sold)).one())
    (stage.folder / "bundle.zip").write_bytes(BytesIO(bundle).getvalue())
    database.close()

    def code(device_id: UUID) -> str:
        return codes[device_id]

    return [
        ("home", None, "/", DESK),
        ("home-phone", None, "/", PHONE),
        ("quote", "cora@example.org", f"/quotes/{quote.code}", DESK),
        ("device", "cora@example.org", f"/devices/{code(sold)}", DESK),
        ("offer-phone", "cora@example.org", f"/devices/{code(offered)}", PHONE),
        ("bench", "olga@rhein.example", "/bench", DESK),
        ("bench-device", "olga@rhein.example", f"/bench/devices/{code(ordered)}", DESK),
        ("lot", "rosa@neu.example", f"/lots/{lot}", DESK),
        ("staff", "stefan@clearhand.example", "/staff", DESK),
        ("ledger", "ada@audit.example", "/staff/ledger", DESK),
    ]


def _phone_answers() -> dict[str, str]:
    from ewaste.tradein.questions import QUESTIONS

    best = {question.field: question.choices[0].value for question in QUESTIONS["smartphone"]}
    return best | {"cosmetic": "light_marks", "battery": "weak"}


def _take(browser: Browser, stage: Market, name: str, who: str | None, path: str, size: tuple[int, int]) -> None:
    page = _open(browser, stage, who, size)
    page.goto(stage.url + path)
    _keep(page, name)


def _take_verified(browser: Browser, stage: Market) -> None:
    page = _open(browser, stage, None, DESK)
    page.goto(stage.url + "/verify")
    page.set_input_files("input[type=file]", str(stage.folder / "bundle.zip"))
    page.locator("form[method=post] button[type=submit]").last.click()
    page.wait_for_load_state()
    _keep(page, "verify")


def _open(browser: Browser, stage: Market, who: str | None, size: tuple[int, int]) -> Page:
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="en-GB").new_page()
    if who is not None:
        page.goto(stage.url + "/sign-in")
        page.fill("input[name=email]", who)
        page.fill("input[name=password]", PASSWORD)
        page.locator("form[action*='/sign-in'] button[type=submit]").first.click()
        page.wait_for_load_state()
    return page


def _keep(page: Page, name: str) -> None:
    page.screenshot(path=Path(FOLDER, f"{name}.png"), full_page=False)
    page.context.close()
    print(f"docs/screenshots/{name}.png")


if __name__ == "__main__":
    sys.exit(main())
