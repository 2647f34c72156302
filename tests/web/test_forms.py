"""Every link and every form of a page leads to something that is there: each is followed as the page shows it.

A test that writes its own address does not see that a page carries another number than the step looks for. So here
everybody walks through the site from its first page on, opens what is linked, and sends each form as it stands.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from werkzeug.exceptions import HTTPException

from tests.web.stage import PEOPLE, Stage

pytestmark = pytest.mark.campaign

FIRST = ("/", "/account", "/bench", "/staff", "/accrediting", "/my-lots", "/verify", "/log", "/orders")
MOST_OF_A_KIND = 2
"""So many pages, and so many forms, of one address with different numbers in it are looked at by one person."""
NOT_FOLLOWED = frozenset({"accounts.sign_out", "static"})
TYPED = frozenset({"bench.hand_over"})
"""What these look for is typed by a person, so an empty form finds nothing."""


@dataclass
class Form:
    """A form as a page shows it: where it goes, how, and what stands in its fields."""

    method: str
    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    files: bool = False


class Page(HTMLParser):
    """The links and forms of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select: tuple[str, str | None] | None = None
        self._area: list[str] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Whatever leads somewhere, and the fields of a form."""
        said = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif tag in ("img", "iframe") and "src" in said:
            self.links.append(said["src"])
        elif tag == "form":
            self._form = Form(said.get("method", "get").upper(), said.get("action", ""))
            self.forms.append(self._form)
        elif tag == "select":
            self._select = (said.get("name", ""), None)
        elif tag == "option" and self._select is not None and (self._select[1] is None or "selected" in said):
            self._select = (self._select[0], said.get("value", ""))
        if self._form is None or "name" not in said or "disabled" in said:
            return
        kind = said.get("type", "text")
        if tag == "textarea":
            self._area = [said["name"], ""]
        elif tag == "input" and kind == "file":
            self._form.files = True
        elif tag == "input" and not (kind in ("checkbox", "radio") and "checked" not in said):
            self._form.fields.append((said["name"], said.get("value", "")))
        elif tag == "button" and said.get("formaction"):
            self.forms.append(Form(self._form.method, said["formaction"], self._form.fields))

    def handle_data(self, data: str) -> None:
        """What stands in a text area."""
        if self._area is not None:
            self._area[1] += data

    def handle_endtag(self, tag: str) -> None:
        """A field or a form ends."""
        if tag == "textarea" and self._area is not None and self._form is not None:
            self._form.fields.append((self._area[0], self._area[1]))
            self._area = None
        elif tag == "select" and self._select is not None and self._form is not None:
            self._form.fields.append((self._select[0], self._select[1] or ""))
            self._select = None
        elif tag == "form":
            self._form = None


def kind_of(stage: Stage, method: str, address: str) -> str | None:
    """The endpoint behind an address, or None where there is none."""
    try:
        endpoint, _ = stage.site.url_map.bind("localhost").match(urlsplit(address).path, method=method)
    except HTTPException:
        return None
    return str(endpoint)


def walk(stage: Stage, who: str | None) -> Iterator[tuple[str, Page]]:
    """Every page that this person reaches by links, a few of each kind; and what leads nowhere, as (address, Page)."""
    waits, met, kinds = deque((first, "the first page") for first in FIRST), set(FIRST), Counter[str]()
    while waits:
        address, where = waits.popleft()
        with stage.rehearse():
            answer = stage.visit(who, "GET", address)
        if where != "the first page" and answer.status_code in (400, 404, 405, 500):
            raise AssertionError(f"{who}: {where} links to {address}, which answers {answer.status_code}")
        if answer.status_code in (301, 302, 303, 307, 308):
            onward = [answer.headers["Location"]]
        elif answer.mimetype == "text/html" and answer.status_code == 200:
            page = Page(answer.text)
            yield address, page
            onward = page.links
        else:
            continue
        for link in onward:
            target = urlsplit(urljoin(f"http://localhost{address}", link))
            there = target.path + (f"?{target.query}" if target.query else "")
            if target.scheme not in ("http", "https") or target.netloc != "localhost" or there in met:
                continue
            met.add(there)
            kind = kind_of(stage, "GET", there)
            assert kind is not None, f"{who}: {address} links to {there}, where nothing is"
            kinds[kind] += 1
            if kind not in NOT_FOLLOWED and kinds[kind] <= MOST_OF_A_KIND:
                waits.append((there, address))


@pytest.mark.parametrize("who", [None, *PEOPLE])
def test_every_link_and_every_form_that_somebody_is_shown_leads_to_something_that_is_there(
    stage: Stage, who: str | None
) -> None:
    wrong, sent = [], Counter[str]()
    for address, page in walk(stage, who):
        for form in page.forms:
            target = urlsplit(urljoin(f"http://localhost{address}", form.action or address))
            if target.netloc != "localhost" or form.method == "DIALOG":
                continue
            there = target.path + (f"?{target.query}" if target.query else "")
            kind = kind_of(stage, form.method, there)
            if kind is None:
                wrong.append(f"{address}: {form.method} {there} is no address")
                continue
            sent[kind] += 1
            if kind in NOT_FOLLOWED or sent[kind] > MOST_OF_A_KIND:
                continue
            fields: dict[str, list[str]] = {}
            for name, value in form.fields:
                fields.setdefault(name, []).append(value)
            with stage.rehearse():
                if form.method == "GET":
                    query = [*parse_qsl(target.query), *form.fields]
                    answer = stage.visit(who, "GET", target.path, query_string=query)
                else:
                    fields.pop("csrf_token", None)
                    answer = stage.visit(who, "POST", there, form=fields)
            # Who may send a form is another matter (test_matrix.py): here, whether what it names is there.
            if answer.status_code in (400, 404, 405, 500) and kind not in TYPED:
                wrong.append(f"{address}: {form.method} {there} answers {answer.status_code} to the form as it stands")
    assert not wrong, "\n".join(wrong)
