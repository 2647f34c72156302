"""Storage media: each seen once, each counted until it is covered, each carried into the next custody cycle."""

from __future__ import annotations

import pytest

from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices import custody, media
from ewaste.devices.models import MediumEventKind, MediumKind
from ewaste.journey import bench, clearing
from tests.world import World
from wipe_agent.certificate import vocabulary

SEEN = {
    "kind": "ssd",
    "manufacturer": "Samsung",
    "model": "PM981",
    "serial": "DRIVE-1",
    "wwn": None,
    "size_bytes": 256_000_000_000,
}


def test_the_market_and_the_certificate_know_the_same_kinds_of_media() -> None:
    assert [kind.value for kind in MediumKind] == list(vocabulary.MEDIUM_KINDS)


def test_a_medium_that_is_seen_twice_is_one_medium(world: World) -> None:
    device_id = world.with_media(["DRIVE-1"])
    with world.nothing_changes():
        world.note_medium(device_id, " DRIVE-1 ")
    world.note_medium(device_id, "DRIVE-1", kind="nvme")
    assert {(medium.kind.value, medium.serial) for medium in world.media(device_id)} == {
        ("ssd", "DRIVE-1"),
        ("nvme", "DRIVE-1"),
    }


def test_a_medium_is_described_in_full_or_not_noted(world: World) -> None:
    device_id = world.received()
    for field, value in (
        ("kind", "floppy"),
        ("serial", " "),
        ("serial", "x" * 65),
        ("model", ""),
        ("model", "x" * 81),
        ("size_bytes", 0),
        ("size_bytes", -1),
        ("size_bytes", 2**53),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
            bench.observe_medium(session, world.olga, device_id, **{**SEEN, field: value}, now=world.now)
        assert refused.value.field == field


def test_a_medium_is_noted_while_its_device_is_at_the_centre(world: World) -> None:
    device_id = world.expected()
    with world.nothing_changes(), pytest.raises(Conflict, match="not on your bench"), world.transaction() as session:
        bench.observe_medium(session, world.olga, device_id, **SEEN, now=world.now)


def test_another_centres_operator_notes_nothing(world: World) -> None:
    device_id = world.received()
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        bench.observe_medium(session, world.actor("omar"), device_id, **SEEN, now=world.now)


def test_the_media_of_a_cycle_stand_in_the_order_in_which_they_were_found(world: World) -> None:
    device_id = world.received()
    for serial in ("B", "C", "A"):
        world.note_medium(device_id, serial)
        world.later(minutes=1)
    with world.transaction() as session:
        assert [medium.serial for medium in media.observed(session, custody.find(session, device_id))] == [
            "B",
            "C",
            "A",
        ]


def test_a_new_custody_cycle_starts_with_the_media_of_the_one_before(world: World) -> None:
    device_id = world.cleared(serials=("DRIVE-1", "DRIVE-2"))
    certificate_id = world.raw("select id from certificates")
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate_id, reason="The station was stolen.", now=world.now
        )
    assert world.device(device_id).cycle == 2
    with world.transaction() as session:
        device = custody.find(session, device_id)
        assert {medium.serial for medium in media.observed(session, device)} == {"DRIVE-1", "DRIVE-2"}
        assert media.with_event(session, device, MediumEventKind.SANITISED) == set()


def test_a_medium_that_could_not_be_wiped_waits_for_its_destruction(world: World) -> None:
    device_id = world.clearing(serials=("DRIVE-1", "DRIVE-2"))
    bad = world.media(device_id)[0]
    with world.transaction() as session:
        bench.wipe_failed(session, world.olga, device_id, bad.id, reason="Write errors from block 7 on.", now=world.now)
    assert world.device(device_id).state.value == "destroying"
    with world.transaction() as session:
        bench.wipe_failed(
            session, world.olga, device_id, world.media(device_id)[1].id, reason="That one too.", now=world.now
        )
    assert world.device(device_id).state.value == "destroying"
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        bench.wipe_failed(session, world.olga, device_id, device_id, reason="No such medium.", now=world.now)


def test_a_serial_in_other_letters_or_with_blanks_is_the_same_medium(world: World) -> None:
    device_id = world.with_media(["IMG-OPA1"])
    for spelled in ("img-opa1", "IMG - OPA1"):
        with world.nothing_changes(), pytest.raises(Invalid, match=r"^IMG-OPA1 is noted already\.") as refusal:
            world.note_medium(device_id, spelled)
        assert refusal.value.field == "serial"
    assert [medium.serial for medium in world.media(device_id)] == ["IMG-OPA1"]
