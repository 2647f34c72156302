"""A certificate has one number wherever it is named: its own, as its file, its paper and other verifiers have it."""

from __future__ import annotations

import io
import re
import zipfile
from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.certificates.models import Certificate
from ewaste.core.refusals import NotFound
from ewaste.journey import clearing, sale
from ewaste.views import public, search
from tests.web.bench_tools import bench_of
from tests.web.conftest import Browser
from tests.world import World


@pytest.fixture
def listed(world: World) -> tuple[UUID, UUID, UUID, str]:
    """A device in the shop: its id, the number of its certificate, the number of our entry, the code in the shop."""
    device_id = world.cleared()
    with world.transaction() as session:
        code = sale.list_device(session, world.stefan, device_id, price_minor=12_000, now=world.now).code
        kept = session.scalars(sa.select(Certificate)).one()
        assert kept.credential_id == f"urn:uuid:{kept.number}"
        assert kept.id != kept.number
    return device_id, kept.number, kept.id, code


def test_every_page_and_file_calls_a_certificate_by_its_own_number(
    listed: tuple[UUID, UUID, UUID, str], browser: Browser, world: World
) -> None:
    device_id, number, entry, code = listed
    device = world.device(device_id).code
    seen = {
        ("cora", f"/devices/{device}"): True,
        ("olga", bench_of(world, device_id)): True,
        ("stefan", f"/staff/devices/{device}"): True,
        ("ben", f"/shop/{code}"): True,
        ("ben", f"/search?q={device}"): True,
        ("ben", f"/verify?code={device}"): True,
        ("ben", f"/certificates/{entry}"): True,
        ("ben", f"/api/v1/certificates/{number}"): True,
        ("ben", f"/api/v1/shop/{code}"): True,
    }
    for (who, address), named in seen.items():
        text = browser.sign_in(who).get(address).text
        assert (str(number) in text) is named, address
        assert str(entry) not in text, address


def test_a_lots_manifest_and_an_order_call_it_by_its_own_number(browser: Browser, world: World) -> None:
    lot, devices = world.listed_lot(2)
    with world.transaction() as session:
        kept = session.scalars(sa.select(Certificate)).all()
    text = browser.get(f"/lots/{lot}").text
    manifest = browser.get(f"/lots/{lot}/manifest.csv").text
    for certificate in kept:
        assert f"/certificates/{certificate.number}" in text
        assert f"/certificates/{certificate.number}" in manifest
        assert str(certificate.id) not in text + manifest
    assert len(kept) == len(devices) == 2


def test_the_number_of_our_entry_still_leads_to_the_certificate(
    listed: tuple[UUID, UUID, UUID, str], browser: Browser, world: World
) -> None:
    _, number, entry, _ = listed
    for asked in (number, entry):
        archive = browser.get(f"/certificates/{asked}/bundle.zip")
        assert f"-{str(number)[:8]}.zip" in archive.headers["Content-Disposition"]
        with zipfile.ZipFile(io.BytesIO(archive.data)) as files:
            assert f'"id":"urn:uuid:{number}"' in re.sub(r'": "', '":"', files.read("certificate.json").decode())
        with world.transaction() as session:
            assert public.certificate_for(session, str(asked)) == number
            assert search.results(session, str(asked), now=world.now)["certificate"]["id"] == number


def test_a_manifest_from_before_names_our_entry_and_is_still_read(
    browser: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sale, "number_of", lambda _, entry: entry)
    device_id = world.cleared()
    with world.transaction() as session:
        code = sale.list_device(session, world.stefan, device_id, price_minor=12_000, now=world.now).code
        kept = session.scalars(sa.select(Certificate)).one()
    text = browser.get(f"/shop/{code}").text
    assert f"/certificates/{kept.number}" in text
    assert str(kept.id) not in text


def test_a_certificate_is_revoked_under_either_number(listed: tuple[UUID, UUID, UUID, str], world: World) -> None:
    _, number, _, _ = listed
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, number, reason="Read-back was faulty.", now=world.now)
    with world.transaction() as session, pytest.raises(NotFound):
        clearing.revoke_certificate(session, world.stefan, UUID(int=1), reason="Because.", now=world.now)
