"""What the tests of the bench share: pages as text, a device on the bench, a bundle as an archive, a filled-in form."""

from __future__ import annotations

import io
import re
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
