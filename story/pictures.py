"""`make pictures`: every page that people can reach, photographed on a desk and on a phone, in the sample market.

A visitor of each role starts at the front page and follows links; the first page met under each address of the site is
photographed, so a page that no link leads to has no picture, and is named at the end. A few pages are also taken in
the dark. Needs Chromium (Debian's package `chromium`) and the development dependencies.
"""

from __future__ import annotations

import re
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter, RequestRedirect

from ewaste.accounts.samples import PASSWORD
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.sample import progress
from ewaste.web import create_app
from story.stage import ROOT, Market, market

FOLDER = ROOT / "docs" / "screenshots"
SIZES = {"desk": (1280, 900), "phone": (390, 844)}
# Who goes round, with the page they begin at.
ROUNDS = (
    ("anyone", None, "/"),
    ("consumer", "cora@example.org", "/devices"),
    ("centre", "olga@rhein.example", "/bench"),
    ("recycler", "rita@werk.example", "/lots"),
    ("staff", "stefan@clearhand.example", "/staff"),
    ("auditor", "ada@audit.example", "/staff"),
)
DARK = {"public.home", "consumer.device", "bench.queue", "staff.desk"}
# An address is looked at so many times for links that lead further; one example in one state shows not all of them.
EXAMPLES = 6
COLOURS = 128
NO_PAGES = (
    *("/api/", "/static/", "/webhooks/", "/metrics", "/livez", "/readyz", "/whoami", "/.well-known/"),
    *("/verify/offline", "/log/", "/status/", "/vocab/", "/trust.json"),
)
FILL_SECONDS = 300
# A page is taken from its top to here, in pixels; what is longer repeats itself.
LONGEST = {"desk": 1800, "phone": 2532}
MODEL = "apple-iphone-13"


@dataclass
class Round:
    """One role's way through the site."""

    role: str
    email: str | None
    start: str


def main() -> int:
    """Write every picture. Exit code 2 without Chromium."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("The pictures need Chromium (Debian package chromium).", file=sys.stderr)
        return 2
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with market(sample="full") as stage, sync_playwright() as playwright:
        _until_filled(stage)
        site = create_app(Config.from_env(stage.environment | {"DATABASE_URL": stage.database_url("app")}))
        addresses = site.url_map.bind(urlsplit(stage.url).netloc)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        seen: set[str] = set()
        for who in ROUNDS:
            seen |= _go_round(browser, stage, addresses, Round(*who), seen)
        browser.close()
    never = sorted(
        rule.endpoint
        for rule in site.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.endpoint not in seen and not rule.rule.startswith(NO_PAGES)
    )
    print(f"{len(list(FOLDER.rglob('*.png')))} pictures. No link of these rounds led to: {', '.join(never) or 'none'}.")
    return 0


def _until_filled(stage: Market) -> None:
    """The sample market fills while it runs; the pictures want it whole."""
    database = Database(stage.database_url("app"), pool_size=1)
    deadline = time.monotonic() + FILL_SECONDS
    try:
        while True:
            with database.reading() as session:
                told = progress(session)
            if told is not None and told.finished:
                return
            if time.monotonic() > deadline:
                raise RuntimeError("The sample market was not filled in time.\n" + stage.log())
            time.sleep(1)
    finally:
        database.close()


def _go_round(browser: Browser, stage: Market, addresses: MapAdapter, way: Round, before: set[str]) -> set[str]:
    """Follow links from page to page. Returns the endpoints that were met."""
    with _visitor(browser, stage, way.email) as page:
        begin = [way.start, "/"] if way.role != "consumer" else [way.start, _priced(page, stage.url), "/"]
        waiting, asked, times, met = deque(begin), set[str](), dict[str, int](), set[str]()
        while waiting:
            path = waiting.popleft()
            endpoint = _endpoint(addresses, path)
            if path in asked or endpoint is None or times.get(endpoint, 0) >= EXAMPLES:
                continue
            asked.add(path)
            times[endpoint] = times.get(endpoint, 0) + 1
            answer = page.request.get(stage.url + path, max_redirects=0)
            if answer.status != 200 or "html" not in answer.headers.get("content-type", ""):
                met.add(endpoint)
                continue
            page.goto(stage.url + path)
            if endpoint not in met:
                met.add(endpoint)
                # What everybody sees is taken once, as everybody sees it.
                if way.role in ("anyone", "consumer") or endpoint not in before:
                    _take(page, way.role, endpoint)
            waiting += [href for href in _links(page, stage.url) if href not in asked]
        return met


@contextmanager
def _visitor(browser: Browser, stage: Market, email: str | None) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB", reduced_motion="reduce")
    page = context.new_page()
    if email is not None:
        page.goto(stage.url + "/sign-in")
        page.fill("input[name=email]", email)
        page.fill("input[name=password]", PASSWORD)
        with page.expect_navigation():
            page.locator("form[action*='/sign-in'] button[type=submit]").first.click()
    yield page
    context.close()


def _priced(page: Page, site: str) -> str:
    """Ask for a price, with the first answer to each question. Returns the path of the quote."""
    page.goto(f"{site}/quote/{MODEL}")
    for name in sorted(set(page.eval_on_selector_all("main input[type=radio]", "all => all.map(one => one.name)"))):
        page.locator(f"main input[type=radio][name={name}]").first.check(force=True)
    with page.expect_navigation():
        page.locator("main form[method=post] button[type=submit]").last.click()
    return urlsplit(page.url).path


def _endpoint(addresses: MapAdapter, path: str) -> str | None:
    if path.startswith(NO_PAGES):
        return None
    try:
        return str(addresses.match(urlsplit(path).path, method="GET")[0])
    except (HTTPException, RequestRedirect):
        return None


def _links(page: Page, site: str) -> list[str]:
    hrefs = page.eval_on_selector_all("a[href]:not([download])", "links => links.map(link => link.href)")
    return [href[len(site) :].split("#")[0] for href in hrefs if href.startswith(site + "/")]


def _take(page: Page, role: str, endpoint: str) -> None:
    name = re.sub(r"[^a-z0-9]+", "-", endpoint)
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        _keep(page, f"{role}/{name}-{size}.png", LONGEST[size])
        if endpoint in DARK:
            page.emulate_media(color_scheme="dark")
            _keep(page, f"{role}/{name}-{size}-dark.png", LONGEST[size])
            page.emulate_media(color_scheme="light")


def _keep(page: Page, name: str, longest: int) -> None:
    path = Path(FOLDER, name)
    path.parent.mkdir(exist_ok=True)
    whole = Image.open(BytesIO(page.screenshot(full_page=True)))
    picture = whole.crop((0, 0, whole.width, min(whole.height, longest)))
    picture.convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(f"docs/screenshots/{name}")


if __name__ == "__main__":
    sys.exit(main())
