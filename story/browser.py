"""A visitor without JavaScript: reads pages, fills in their forms as they stand, keeps cookies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Any
from urllib.parse import urljoin

import httpx


class Refused(Exception):
    """The site said no. Carries the page's words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"HTTP {status}: {words[:600]}")
        self.status = status
        self.words = words


@dataclass
class Form:
    """A form as it stands on a page: where it goes, how, and what it already holds."""

    action: str
    method: str
    fields: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    """Collects forms with their hidden and preset fields, and the words of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.words: list[str] = []
        self._form: Form | None = None
        self._select: str | None = None
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "style", "svg", "title"):
            self._silent += 1
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._form)
        if tag == "button" and self._form is not None and "formaction" in given:
            # The same fields, sent elsewhere.
            self.forms.append(Form(given["formaction"], self._form.method, self._form.fields))
        if self._form is None or not given.get("name"):
            if tag == "option" and self._form is not None and self._select and "selected" in given:
                self._form.fields[self._select] = [given.get("value", "")]
            return
        kind = given.get("type", "text")
        if tag == "input" and kind in ("checkbox", "radio"):
            if "checked" in given:
                self._form.fields.setdefault(given["name"], []).append(given.get("value", "on"))
        elif tag == "input" and kind not in ("file", "submit", "button"):
            self._form.fields[given["name"]] = [given.get("value", "")]
        elif tag == "textarea":
            self._form.fields[given["name"]] = [""]
        elif tag == "select":
            self._select = given["name"]

    def handle_endtag(self, tag: str) -> None:
        """A tag ends."""
        if tag in ("script", "style", "svg", "title"):
            self._silent -= 1
        if tag == "form":
            self._form = None
        if tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        """Words between tags."""
        if not self._silent and data.strip():
            self.words.append(" ".join(data.split()))


@dataclass
class Page:
    """A page as it came."""

    url: str
    status: int
    html: str

    def __post_init__(self) -> None:
        reader = _Reader()
        reader.feed(self.html)
        self.forms = reader.forms
        self.words = " ".join(reader.words)

    def form(self, action: str) -> Form:
        """The form that sends something (not one that only looks up) and whose action ends like this."""
        for form in self.forms:
            if form.method == "post" and form.action.split("?")[0].endswith(action):
                return form
        raise LookupError(f"{self.url} has no form for {action}; it has {[form.action for form in self.forms]}.")


class Visitor:
    """Somebody with a browser. Addresses are relative to the site."""

    def __init__(self, base: str, name: str = "") -> None:
        self.name = name
        self._http = httpx.Client(base_url=base, timeout=30, follow_redirects=True, trust_env=False)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, url: str) -> Page:
        """Read a page. Raises `Refused` for an error page."""
        return self._page(self._http.get(url))

    def get_bytes(self, url: str) -> bytes:
        """Download a file."""
        return self._http.get(url).raise_for_status().content

    def send(
        self,
        page: Page | str,
        action: str,
        fields: Mapping[str, str | Sequence[str]] | None = None,
        files: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> Page:
        """Fill in the form of a page whose action ends like this, and send it. Raises `Refused`."""
        return self._page(self._send(page, action, fields or {}, files, {}))

    def send_for_json(self, page: Page | str, action: str, fields: Mapping[str, str]) -> Any:
        """The same, asking for JSON."""
        answer = self._send(page, action, fields, None, {"Accept": "application/json"})
        if answer.status_code >= 400:
            raise Refused(answer.status_code, answer.text)
        return answer.json()

    def sign_in(self, email: str, password: str) -> Page:
        """Sign in with the form."""
        return self.send("/sign-in", "/sign-in", {"email": email, "password": password})

    def _send(
        self,
        page: Page | str,
        action: str,
        fields: Mapping[str, str | Sequence[str]],
        files: Mapping[str, tuple[str, bytes]] | None,
        headers: dict[str, str],
    ) -> httpx.Response:
        if isinstance(page, str):
            page = self.get(page)
        form = page.form(action)
        data: dict[str, Any] = {
            name: values if len(values) > 1 else values[0] for name, values in form.fields.items() if values
        }
        data |= {name: value if isinstance(value, str) else list(value) for name, value in fields.items()}
        target = urljoin(page.url, form.action)
        return self._http.post(target, data=data, files=files, headers={"Referer": page.url, **headers})

    def _page(self, answer: httpx.Response) -> Page:
        page = Page(str(answer.url), answer.status_code, answer.text)
        if answer.status_code >= 400:
            raise Refused(answer.status_code, page.words)
        return page
