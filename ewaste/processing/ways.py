"""Which way a cleared device takes: the rules' answer, kept with what it was worked out from."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core.refusals import Conflict
from ewaste.devices.models import Device
from ewaste.processing import grading, routing
from ewaste.processing.models import Routing


def decide(
    session: Session,
    device: Device,
    grade: grading.Grade,
    *,
    faults: frozenset[str],
    as_is_minor: int,
    repaired_minor: int,
    mass_g: int,
    stuck_medium: bool,
    remanufactured: bool = False,
    now: datetime,
) -> Routing:
    """Work out and keep the way of a device. Money in minor units of the routing table's currency."""
    table = routing.load_routing_table()
    inputs = routing.RouteInputs(
        device_class=device.device_class.value,
        function=grade.function,
        as_is_minor=as_is_minor,
        repaired_minor=repaired_minor,
        mass_g=mass_g,
        faults=faults,
        locked=bool(grade.locks),
        stuck_medium=stuck_medium,
        battery_state=grade.battery_state,
        battery_soh=grade.battery_soh,
        remanufactured=remanufactured,
    )
    try:
        route = routing.route(inputs, table)
    except routing.BadRouteInput as error:
        raise Conflict(f"No way can be worked out for this device: {error.message}") from error
    stored = routing.to_json(route)
    kept = Routing(
        device_id=device.id,
        cycle=device.cycle,
        chosen=route.chosen,
        ways=stored["ways"],
        explanation=stored["explanation"],
        inputs=stored["inputs"],
        version=route.version,
        at=now,
    )
    session.add(kept)
    session.flush()
    return kept


def repairable(device: Device) -> frozenset[str]:
    """The faults of this class of device that remanufacture can mend, in the words of the price formula."""
    return routing.repairable(device.device_class.value, routing.load_routing_table())


def latest(session: Session, device_id: UUID) -> Routing | None:
    """The newest routing of a device."""
    return session.scalar(sa.select(Routing).where(Routing.device_id == device_id).order_by(Routing.at.desc()).limit(1))


def selling_price(session: Session, device_id: UUID) -> int | None:
    """What a device brings as it is, in minor units, by the rules that chose its way; None before one was chosen."""
    routed = latest(session, device_id)
    return int(routed.inputs["as_is_minor"]) if routed is not None else None
