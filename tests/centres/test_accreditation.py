"""A centre's standing: who gives it, what it says, and what a suspended centre may still do."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import Membership, Rank
from ewaste.centres import accreditation, credentials
from ewaste.centres.models import Centre, Standing
from ewaste.core.mail import Mail
from ewaste.core.refusals import Conflict, Invalid, NotAllowed
from ewaste.journey import accrediting, bench, clearing
from tests.world import World
from wipe_agent import certificate as wipe


def centre(world: World, name: str = "Rhein Datenpark") -> Centre:
    with world.transaction() as session:
        return session.get_one(Centre, world.organisation(name))


def test_an_accreditation_says_what_for_and_until_when_and_is_signed(world: World) -> None:
    world.station()
    world.later(minutes=1)
    world.decide("scope")
    accredited = centre(world)
    assert (accredited.standing, accredited.methods, accredited.media_kinds) == (
        Standing.ACCREDITED,
        ["clear", "purge"],
        ["hdd", "ssd"],
    )
    with world.transaction() as session:
        newest = accreditation.current(session, accredited.organisation_id)
    document = json.loads(newest.document)
    wipe.verify_proof(document, world.issuers.accreditor.key.public_key())
    assert credentials.digest(document) == newest.digest
    assert document["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]["methods"] == [
        "clear",
        "purge",
    ]
    assert newest.valid_until == world.now + timedelta(days=9)


def test_only_staff_accredit_and_suspend(world: World) -> None:
    centre_id = world.organisation("Rhein Datenpark")
    world.audited()
    waits = world.propose("scope")
    for who in ("olga", "rita", "cora", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            world.audited(who=who)
        with world.nothing_changes(), pytest.raises(NotAllowed):
            world.propose("withdraw", who=who)
        with world.nothing_changes(), pytest.raises(NotAllowed):
            world.confirm_decision(waits, who=who)
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            accrediting.suspend(session, world.actor(who), centre_id, reason="Because.", now=world.now)
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            accrediting.undo(session, world.actor(who), waits, now=world.now)


def test_one_person_suspends_at_once_and_two_lift_it(world: World) -> None:
    centre_id = world.organisation("Rhein Datenpark")
    with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
        accrediting.suspend(session, world.stefan, centre_id, reason=" ", now=world.now)
    assert refused.value.field == "reason"
    with world.nothing_changes(), pytest.raises(Conflict, match="not suspended"):
        world.propose("lift")
    with world.transaction() as session:
        accrediting.suspend(session, world.stefan, centre_id, reason="An audit is due.", now=world.now)
    suspended = centre(world)
    assert (suspended.standing, suspended.suspended_at, suspended.suspension_reason) == (
        Standing.SUSPENDED,
        world.now,
        "An audit is due.",
    )
    with world.nothing_changes(), pytest.raises(Conflict), world.transaction() as session:
        accrediting.suspend(session, world.stefan, centre_id, reason="Again.", now=world.now)
    world.audited()
    with world.nothing_changes(), pytest.raises(Conflict, match="Lift the suspension first"):
        world.propose("scope")
    waits = world.propose("lift", reason="The audit was passed.")
    with world.nothing_changes(), pytest.raises(Conflict, match="Somebody else"):
        world.confirm_decision(waits, who="stefan")
    assert centre(world).standing is Standing.SUSPENDED
    world.confirm_decision(waits)
    assert (centre(world).standing, centre(world).suspension_reason) == (Standing.ACCREDITED, None)


def test_a_suspended_centre_gets_no_work_orders_and_no_new_devices(world: World) -> None:
    device_id = world.clearing()
    with world.transaction() as session:
        accrediting.suspend(session, world.stefan, world.device(device_id).centre_id, reason="An audit.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="suspended"):
        world.order(device_id)
    quotes = world.raw("select count(*) from quotes")
    with pytest.raises(Conflict, match="takes no devices at the moment"):
        world.expected(serial="PF2ABCDE")
    assert world.raw("select count(*) from devices") == 1
    assert world.raw("select count(*) from quotes") == quotes + 1  # The quote itself stands.


def test_a_station_fetches_the_open_orders_of_its_own_centre(world: World) -> None:
    device_id, order = world.ordered()
    held, others = world.station(), world.station("Elbe Prüfstelle")
    with world.transaction() as session:
        fetched, accredited = clearing.fetch_orders(session, clearing.station_actor(held.station), now=world.now)
        assert [(one.id, code) for one, code in fetched] == [(order.id, world.device(device_id).code)]
        assert accredited.centre_id == held.station.centre_id
        assert clearing.fetch_orders(session, clearing.station_actor(others.station), now=world.now)[0] == []
        with pytest.raises(NotAllowed):
            clearing.fetch_orders(session, world.olga, now=world.now)
    world.later(days=14)
    with world.transaction() as session:
        assert clearing.fetch_orders(session, clearing.station_actor(held.station), now=world.now)[0] == []


def test_a_work_order_lists_every_medium_and_is_signed_by_the_market(world: World) -> None:
    device_id = world.clearing(serials=("DRIVE-1", "DRIVE-2"))
    order = world.order(device_id)
    document = json.loads(order.document)
    wipe.verify_proof(document, world.issuers.market.key.public_key())
    subject = document["credentialSubject"]
    assert {medium["id"] for medium in subject["media"]} == {
        f"urn:uuid:{medium.id}" for medium in world.media(device_id)
    }
    assert (subject["device"]["id"], subject["custodyCycle"], subject["challenge"]) == (
        f"urn:uuid:{device_id}",
        1,
        order.challenge,
    )
    assert order.expires_at - order.issued_at == timedelta(days=14)


def test_a_work_order_is_for_a_device_that_waits_and_has_media(world: World) -> None:
    waiting = world.inspected()
    with world.nothing_changes(), pytest.raises(Conflict, match="confirmed the offer"):
        world.order(waiting)
    empty = world.clearing(serial="PF2ABCDE", serials=())
    with world.nothing_changes(), pytest.raises(Conflict, match="No storage medium is noted"):
        world.order(empty)
    held = world.clearing(serial="PF3ABCDE", serials=("DRIVE-3",))
    with world.transaction() as session:
        bench.place_hold(session, world.olga, held, kind="lock", reason="Still locked.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="A hold stands"):
        world.order(held)


def test_one_work_order_a_device_is_open_and_no_challenge_comes_twice(world: World) -> None:
    device_id = world.clearing()
    orders = [world.order(device_id) for _ in range(3)]
    assert len({order.challenge for order in orders}) == 3
    assert world.raw("select count(*) from work_orders where superseded_at is null") == 1
    again = """
        insert into work_orders (id, code, device_id, cycle, centre_id, credential_id, digest, challenge, document,
                                 issued_by, issued_at, expires_at)
        select gen_random_uuid(), 'W-X', device_id, cycle, centre_id, 'x', 'x', :challenge, document,
               issued_by, issued_at, expires_at from work_orders where superseded_at is null"""
    for challenge in (orders[0].challenge, "fresh"):
        assert world.refused_by_database(again, challenge=challenge).startswith("23505")


def test_the_owners_of_a_centre_are_told_what_it_may_certify_and_when_that_is_suspended_or_comes_back(
    world: World,
) -> None:
    centre_id = world.organisation("Rhein Datenpark")
    with world.transaction() as session:
        session.execute(sa.update(Membership).where(Membership.organisation_id == centre_id).values(rank=Rank.OWNER))
    world.decide("scope", methods=["clear"], media_kinds=["hdd", "nvme"])
    until = world.now + timedelta(days=9)
    with world.transaction() as session:
        accrediting.suspend(session, world.stefan, centre_id, reason="An audit is due.", now=world.now)
    world.decide("lift", reason="It was passed.")
    with world.transaction() as session:
        told = dict(
            session.execute(sa.select(Mail.subject, Mail.text).where(Mail.to_address == "olga@rhein.example")).all()
        )
    assert sorted(told) == [
        "Rhein Datenpark is accredited",
        "Rhein Datenpark is reinstated",
        "Rhein Datenpark is suspended",
    ]
    assert (
        f"accredited for: clear; hard disk, NVMe SSD; until {until.day} {until:%B %Y}."
        in told["Rhein Datenpark is accredited"]
    )
    assert "The reason: An audit is due." in told["Rhein Datenpark is suspended"]
