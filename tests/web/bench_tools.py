"""What the tests of the bench share: pages as text, a device on the bench, a bundle as an archive, a filled-in form."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from uuid import UUID

from werkzeug.test import TestResponse

from ewaste.journey import bench as steps
from tests.web.conftest import Browser
from tests.world import SERIAL, World, good_findings
from wipe_agent import certificate as wipe


def text(answer: TestResponse) -> str:
    """What a page says, in one line."""
    return re.sub(r"\s+", " ", answer.get_data(as_text=True))


def bench_of(world: World, device_id: UUID) -> str:
    """The address of a device on the bench."""
    return f"/bench/devices/{world.device(device_id).code}"


def zipped(files: dict[str, str]) -> tuple[io.BytesIO, str]:
    """A bundle as a browser uploads it."""
    return io.BytesIO(wipe.Bundle.from_files({name: body.encode() for name, body in files.items()}).to_zip()), "b.zip"


class Shown(HTMLParser):
    """The form of a page that goes to an address: its fields as the page fills them, and where its buttons lead."""

    def __init__(self, page: str, address: str) -> None:
        super().__init__()
        self.address, self.fields, self.buttons = address, dict[str, str](), dict[str, tuple[str, dict[str, str]]]()
        self.inside, self.nested, self.area, self.select, self.button = False, False, "", "", None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.nested |= self.inside
            self.inside = self.inside or has.get("action") == self.address
        elif not self.inside:
            return
        elif tag == "input" and (has.get("type") not in ("radio", "checkbox") or "checked" in has):
            self.fields[has["name"]] = has.get("value", "")
        elif tag == "textarea":
            self.area = has["name"]
            self.fields[self.area] = ""
        elif tag == "select":
            self.select = has["name"]
        elif tag == "option" and ("selected" in has or self.select not in self.fields):
            self.fields[self.select] = has["value"]
        elif tag == "button":
            sent = {has["name"]: has["value"]} if "name" in has else {}
            self.button = (has.get("formaction", self.address), sent)

    def handle_data(self, data: str) -> None:
        if self.area:
            self.fields[self.area] += data
        if self.button and data.strip():
            self.buttons.setdefault(data.strip(), self.button)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "textarea":
            self.area = ""
        elif tag == "button":
            self.button = None

    def press(self, browser: Browser, label: str, **typed: str) -> TestResponse:
        """Send the form with this button, and with what somebody typed into it."""
        address, sent = self.buttons[label]
        return browser.post(address, data=self.fields | typed | sent)


def version(browser: Browser, address: str) -> str:
    """The number of the last event that a device's page shows: what its forms carry."""
    found = re.search(r'name="version" value="(\d+)"', browser.get(address).text)
    assert found
    return found[1]


def findings_form(**changes: str) -> dict[str, str]:
    """A filled in inspection."""
    answers = {name: str(value) for name, value in good_findings().items()}
    return {"observed_serial": SERIAL, "mass_g": "1520", **answers, **changes}


def destroyed(world: World, **options: object) -> UUID:
    """A device whose failed drive was destroyed and certified so."""
    device_id = world.clearing(**options)
    (medium,) = world.media(device_id)
    with world.transaction() as session:
        steps.wipe_failed(session, world.olga, device_id, medium.id, reason="Write errors.", now=world.now)
    order = world.order(device_id)
    world.submit(world.bundle(order, evidence_class="destroyed", level="destroy", technique="shred", bytes_read=0))
    return device_id
