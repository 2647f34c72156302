"""What pages say of a certificate after something happened: it fell, its centre was suspended, its device was sold."""

from __future__ import annotations

from types import SimpleNamespace
from uuid import UUID

import flask
from flask import Flask

from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.journey import accrediting, clearing, sale
from ewaste.views import shapes
from ewaste.web import filters
from tests.web.test_public import certificate_of
from tests.web.visitors import Visitor, words
from tests.world import World


def test_a_device_whose_certificate_fell_is_shown_in_the_shop_with_the_reason_and_no_claim(
    world: World, stranger: Visitor
) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, device_id, price_minor=19_900, now=world.now).code
    number = certificate_of(world, world.device(device_id).code)
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, UUID(number), reason="It was not read.", now=world.now)
    text = stranger.text(f"/shop/{listing}")
    assert "Its certificate was revoked" in text
    assert "It was not read." in text
    for claim in ("earlier owner's data", "every byte read back", "wiped and checked", "verified"):
        assert claim not in text


def test_the_code_of_a_revoked_certificate_is_not_printed(world: World, stranger: Visitor) -> None:
    number = certificate_of(world, world.device(world.cleared()).code)
    assert "Code to print" in stranger.text(f"/certificates/{number}")
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, UUID(number), reason="It was not read.", now=world.now)
    answer = stranger.get(f"/certificates/{number}/code")
    assert answer.status_code == 410
    assert "Do not print this code This certificate was revoked." in words(answer.text)
    assert "code-sheet" not in answer.text
    assert "Code to print" not in stranger.text(f"/certificates/{number}")


def test_shop_and_certificate_say_that_their_centre_was_suspended_since(world: World, stranger: Visitor) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        listing = sale.list_device(session, world.stefan, device_id, price_minor=19_900, now=world.now).code
    code = world.device(device_id).code
    addresses = (f"/shop/{listing}", f"/certificates/{certificate_of(world, code)}", f"/verify?code={code}")
    for address in addresses:
        assert "suspended" not in stranger.text(address)
    with world.transaction() as session:
        accrediting.suspend(
            session, world.stefan, world.organisation("Rhein Datenpark"), reason="Two logs differ.", now=world.now
        )
    for address in addresses:
        says = f"This test centre was suspended on {shapes.day(world.now)}. The reason given: Two logs differ."
        assert says in stranger.text(address)


def test_the_certificate_of_a_device_that_was_sold_and_came_back_says_so(world: World, stranger: Visitor) -> None:
    device_id = world.cleared()
    number = certificate_of(world, world.device(device_id).code)
    sold = f"The device was sold on {shapes.day(world.now)} and used after this."
    for state in (State.SOLD, State.DELIVERED, State.RECEIVED):
        assert sold not in stranger.text(f"/certificates/{number}")
        with world.transaction() as session:
            device = custody.find(session, device_id)
            custody.move(session, device, state, by=world.stefan, evidence={}, now=world.now)
    assert sold in stranger.text(f"/certificates/{number}")


def test_a_destroyed_medium_is_told_as_destroyed_and_by_whom(real_site: Flask, world: World) -> None:
    line = SimpleNamespace(
        kind="phone-storage", model="", serial="", wwn=None, size_bytes=0, level="destroy", technique="shredded",
        evidence_class="destroyed", tool="wipe-agent", tool_version="1", started=world.now, ended=world.now,
        verified=world.now, exclusions=(), bad_blocks=0, operator="Olga Brandt", validator="Otto Kern", medium_id=None,
    )  # fmt: skip
    with real_site.test_request_context():
        told = words(str(flask.get_template_attribute("components/media.html", "certificate_lines")([line])))
    shown = filters.moment(world.now).replace("\u00a0", " ")
    assert "Destroyed by Olga Brandt Confirmed by Otto Kern" in told
    assert f"How Shredded In the words of NIST SP 800-88 Destroy Destroyed {shown} Destroyed by" in told
    for absent in ("Wiped", "Size", "Took", "Read back until", "Bad blocks", "Left out", " to "):
        assert absent not in told


def test_a_seller_whose_certificate_fell_reads_what_it_means_for_her_data_and_keeps_no_proof(
    world: World, cora: Visitor
) -> None:
    code = world.device(world.cleared()).code
    before = cora.text(f"/devices/{code}")
    assert "In practice: the data is gone checks passed training" in before
    assert "Download the proof (.zip)" in before
    number = certificate_of(world, code)
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, UUID(number), reason="It was not read.", now=world.now)
    after = cora.text(f"/devices/{code}")
    assert "Its certificate was revoked revoked training It was not read." in after
    assert "It does not show that the data is gone." in after
    assert "Download the proof" not in after
    told = str(world.raw("select text from mails where subject like 'A certificate for your %'"))
    assert "We have revoked that certificate, so it no longer shows that." in told
