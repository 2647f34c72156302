"""Every page that somebody may open, looked at in Chromium, without a server: the browser's requests are answered by
the site in this process, as a rehearsal that leaves no trace.

The pages are those of the table of permissions (`tests/web/matrix.py`): each address that answers with a page, once for
each role that may open it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route

from tests.web.matrix import Column, Row, rows
from tests.web.stage import Stage
from tests.web.test_matrix import address

HOST = "https://market.test"
AXE = (Path(__file__).parents[1] / "vendor" / "axe.min.js").read_text()
SIZES = {"phone": (390, 844), "desk": (1280, 900)}
SCHEMES = ("light", "dark")
# Answers of these addresses are for programs.
NO_PAGES = (
    "/api/",
    "/log/",
    "/livez",
    "/readyz",
    "/metrics",
    "/trust.json",
    "/.well-known/",
    "/whoami",
    "/favicon.ico",
    "/photographs/",
    "/documents/",
    "/status/",
    "/vocab/",
    "/verify/offline",  # a file to keep; tests/browser/test_verify.py opens it
)
NO_PAGE_ENDINGS = (
    ".csv",
    ".txt",
    ".zip",
    ".json",
    ".svg",
    ".jpg",
    ".webp",
    ".pdf",
    ".ics",
    "/live",
)  # the last is part of a page
# One of each trade; the second person of a trade sees nothing that the first one does not.
PEOPLE = (None, "cora", "olga", "rita", "stefan", "ada")


class Sight(NamedTuple):
    """A page and who looks at it."""

    row: Row
    column: Column

    def __str__(self) -> str:
        return f"{self.column.who or 'nobody'} at {self.row.name.removeprefix('GET ')}"

    @property
    def path(self) -> str:
        """The rule of the address."""
        return self.row.rule


def sights() -> list[Sight]:
    """Every page for everybody who may open it. What is public is looked at by nobody in particular and by a seller."""
    found = []
    for row in rows():
        if row.method != "GET" or row.rule.startswith(NO_PAGES) or row.rule.endswith(NO_PAGE_ENDINGS):
            continue
        may = [column for column, word in row.expected.items() if word == "in" and column.whose == "own"]
        public = any(column.who is None for column in may)
        wanted = (None, "cora") if public else PEOPLE
        found += [Sight(row, column) for column in may if column.who in wanted]
    return found


PARTS = """() => {
  const made = part => part.tagName + '.' + (part.getAttribute('class') || '') + '['
    + [...part.attributes].filter(one => !['href', 'src', 'value', 'class'].includes(one.name))
      .map(one => one.name + (['role', 'type', 'scope', 'open'].includes(one.name) ? '=' + one.value : '')).sort()
    + ']' + (part.textContent.trim() ? '' : '-')
    + '(' + [...new Set([...part.children].map(made))] + ')';
  return [...document.body.children].map(made);
}"""


@dataclass
class Look:
    """A page as the browser has it."""

    page: Page
    status: int
    kind: str
    bytes: int = 0
    complaints: list[str] = field(default_factory=list)

    def axe(self, rules: tuple[str, ...] = ()) -> list[str]:
        """What axe-core finds wrong, in a line each; all its rules, or these."""
        options: dict[str, Any] = {"resultTypes": ["violations"]}
        if rules:
            options["runOnly"] = {"type": "rule", "values": list(rules)}
        found = self.page.evaluate("options => axe.run(document, options).then(found => found.violations)", options)
        return [
            f"{wrong['id']}: {node['target']} {node['failureSummary'].splitlines()[-1].strip()}"
            for wrong in found
            for node in wrong["nodes"][:4]
        ]

    def parts(self) -> set[str]:
        """The head, body and foot of the page, each as the elements, classes and roles that it is made of.

        What axe finds hangs on these: two pages made of the same differ in their words alone.
        """
        return set(self.page.evaluate(PARTS))

    def sideways(self) -> int:
        """How many pixels the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


class Window:
    """A browser window that is answered by the stage."""

    def __init__(self, stage: Stage, context: BrowserContext) -> None:
        self._stage = stage
        self._who: str | None = None
        self._bytes = 0
        self._kept: dict[str, tuple[int, dict[str, Any]]] = {}
        context.route("**/*", self._answer)
        self._complaints: list[str] = []
        self._page = context.new_page()
        self._page.on("console", self._hear)
        self._page.on("pageerror", lambda error: self._complaints.append(str(error)))

    @contextmanager
    def look(self, sight: Sight) -> Iterator[Look]:
        """Open a page. What the visit wrote is taken back at the end of the block."""
        self._who, self._bytes = sight.column.who, 0
        things = self._stage.things["own"]
        at = address(sight.row.rule, sight.row.sent.path, things)
        query = "&".join(
            f"{name}={things[value[1:]] if value.startswith('$') else value}"
            for name, value in sight.row.sent.query.items()
        )
        page, complaints = self._page, self._complaints
        page.emulate_media(color_scheme=None)
        complaints.clear()
        with self._stage.rehearse():
            answer = page.goto(f"{HOST}{at}{'?' + query if query else ''}", wait_until="load")
            assert answer is not None
            kind = answer.headers.get("content-type", "")
            if "html" in kind:
                page.evaluate(AXE)
            yield Look(page, answer.status, kind, self._bytes, complaints)
            page.goto("about:blank")  # What the page would still ask for is not asked of the next one's stage.

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type in ("error", "warning"):
            self._complaints.append(said.text)

    def _answer(self, route: Route) -> None:
        asked = route.request
        parts = urlsplit(asked.url)
        if f"{parts.scheme}://{parts.netloc}" != HOST or asked.method != "GET":
            route.abort()
            return
        headers = {name: value for name, value in asked.headers.items() if name in ("accept", "hx-request")}
        headers["accept-encoding"] = "gzip"  # As every browser says, though not to whom it hands its requests here.
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        if path in self._kept:  # What lies under the address of its content is asked for once by a browser, too.
            size, kept = self._kept[path]
            self._bytes += size
            route.fulfill(**kept)
            return
        answer = self._stage.visit(self._who, "GET", path, headers=headers)
        while 300 <= answer.status_code < 400:  # The browser would ask a real server for the next address.
            answer = self._stage.visit(self._who, "GET", answer.headers["Location"], headers=headers)
        body = answer.get_data()
        answer.close()
        size = len(body) + sum(len(name) + len(value) + 4 for name, value in answer.headers)
        self._bytes += size
        sent = {name: value for name, value in answer.headers if name.lower() != "set-cookie"}
        if answer.headers.get("Content-Encoding") == "gzip":  # The browser is handed what it would have unpacked.
            import gzip

            body = gzip.decompress(body)
            sent = {name: value for name, value in sent.items() if name.lower() != "content-encoding"}
        sent = {name: value for name, value in sent.items() if name.lower() != "content-length"}
        told: dict[str, Any] = {"status": answer.status_code, "headers": sent, "body": body}
        if "immutable" in answer.headers.get("Cache-Control", ""):
            self._kept[path] = size, told
        route.fulfill(**told)


@contextmanager
def window(stage: Stage, browser: Browser, **more: Any) -> Iterator[Window]:
    """A window for as long as the block lasts."""
    context = browser.new_context(locale="en-GB", reduced_motion="reduce", **more)
    try:
        yield Window(stage, context)
    finally:
        context.close()
