"""A device whose drive was destroyed or kept apart: graded and sold without one, and paid as promised."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.devices import custody, media
from ewaste.devices.lifecycle import State
from ewaste.devices.models import CustodyEvent
from ewaste.journey import bench, clearing, sale
from ewaste.payments.models import PaymentInstruction
from ewaste.views import market
from tests.world import World

DESTROYED: dict[str, Any] = {
    "evidence_class": "destroyed",
    "level": "destroy",
    "technique": "shredded",
    "bytes_read": 0,
}


def confirm(world: World, device_id: UUID, who: str = "otto") -> None:
    for medium in world.media(device_id):
        with world.transaction() as session:
            clearing.validate(
                session, world.actor(who), device_id, medium.id, result="confirmed", note="", now=world.now
            )


def shredded(world: World, **options: Any) -> UUID:
    device_id, order = world.ordered(**options)
    world.submit(world.bundle(order, **DESTROYED))
    confirm(world, device_id)
    return device_id


def test_a_laptop_whose_only_drive_was_shredded_is_sold_without_a_drive(world: World) -> None:
    device_id = shredded(world)
    with world.transaction() as session:
        line = sale.snapshot(session, [device_id])[device_id]
        why = session.scalars(
            sa.select(CustodyEvent.evidence)
            .where(CustodyEvent.device_id == device_id, CustodyEvent.from_state == State.CLEARED)
            .order_by(CustodyEvent.seq.desc())
        ).first()
    assert (line["storage_gb"], line["no_drive"], line["grade_function"]) == (0, "destroyed", "F2")
    assert "no_storage" in line["faults"]
    assert why is not None
    assert why["gradedAnew"].endswith(" F2")
    assert why["why"][0].startswith("Its drive was destroyed after the inspection")


def test_its_seller_is_paid_what_was_promised(world: World) -> None:
    device_id = shredded(world)
    with world.transaction() as session:
        assert session.scalars(sa.select(PaymentInstruction.amount_minor)).one() == world.offer(device_id).amount_minor


def test_its_manifest_says_so_and_shows_no_capacity(world: World) -> None:
    device_id = shredded(world)
    lot = world.lot_of([device_id])
    with world.transaction() as session:
        _, items = market.manifest(session, lot)
    assert (items[0]["storage_gb"], items[0]["no_drive"]) == (0, "destroyed")
    assert items[0]["faults"] == ["no drive or no memory inside"]


def test_a_laptop_that_was_wiped_keeps_its_capacity(world: World) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        line = sale.snapshot(session, [device_id])[device_id]
    assert (line["storage_gb"], line["no_drive"]) == (256, None)
    assert "no_storage" not in line["faults"]


@pytest.mark.parametrize(("apart", "fate"), [(("DRIVE-1",), "inside"), (("DRIVE-1", "DRIVE-2"), "taken-out")])
def test_a_drive_that_stays_inside_is_still_a_drive(world: World, apart: tuple[str, ...], fate: str) -> None:
    device_id = world.clearing(serials=("DRIVE-1", "DRIVE-2"))
    world.note_medium(device_id, "STICK-1", "usb")
    for medium in world.media(device_id):
        if medium.serial in apart:
            with world.transaction() as session:
                bench.set_apart(
                    session, world.olga, device_id, medium.id, seal="S-9", reason="Evidence.", now=world.now
                )
    world.submit(world.bundle(world.order(device_id)))
    with world.transaction() as session:
        assert media.drives(session, [device_id]) == {device_id: fate}
        line = sale.snapshot(session, [device_id])[device_id]
        assert custody.find(session, device_id).state is not State.CLEARED
    assert line["no_drive"] == (None if fate == "inside" else "taken-out")
