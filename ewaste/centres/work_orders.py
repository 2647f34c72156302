"""Work orders: signed, one open a device, each with a challenge that one certificate uses up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.centres import credentials
from ewaste.centres.models import Centre, WorkOrder
from ewaste.core import status_lists
from ewaste.core.ids import WORK_ORDER, new_code, new_id
from ewaste.core.refusals import Conflict

LIFE = timedelta(days=14)


def issue(
    session: Session,
    issuers: credentials.Issuers,
    centre: Centre,
    *,
    device_id: UUID,
    device: Mapping[str, str],
    cycle: int,
    media: Sequence[Mapping[str, Any]],
    policy: str,
    supersedes: str | None,
    by: UUID,
    now: datetime,
) -> WorkOrder:
    """Issue a work order that lists these media. An open one for the device is superseded by it."""
    organisation = session.get_one(Organisation, centre.organisation_id)
    session.execute(
        sa.update(WorkOrder)
        .where(WorkOrder.device_id == device_id, WorkOrder.consumed_at.is_(None), WorkOrder.superseded_at.is_(None))
        .values(superseded_at=now)
    )
    order_id, order_challenge, start = new_id(), credentials.challenge(), now.replace(microsecond=0)
    document = credentials.work_order(
        issuers,
        credential_id=f"urn:uuid:{order_id}",
        device=device,
        custody_cycle=cycle,
        centre_did=centre.did,
        centre_name=organisation.name,
        media=media,
        order_challenge=order_challenge,
        policy=policy,
        valid_from=start,
        valid_until=start + LIFE,
        supersedes=supersedes,
        place=status_lists.draw(session, kind=status_lists.CERTIFICATES, issuer=issuers.market.did, now=now),
    )
    order = WorkOrder(
        id=order_id,
        code=new_code(WORK_ORDER),
        device_id=device_id,
        cycle=cycle,
        centre_id=centre.organisation_id,
        credential_id=document["id"],
        digest=credentials.digest(document),
        challenge=order_challenge,
        document=credentials.text(document),
        issued_by=by,
        issued_at=start,
        expires_at=start + LIFE,
    )
    session.add(order)
    session.flush()
    return order


def open_for_centre(session: Session, centre_id: UUID, *, now: datetime) -> list[WorkOrder]:
    """The orders that a centre's stations may still carry out, the oldest first; at most 500."""
    return list(
        session.scalars(
            sa.select(WorkOrder)
            .where(
                WorkOrder.centre_id == centre_id,
                WorkOrder.consumed_at.is_(None),
                WorkOrder.superseded_at.is_(None),
                WorkOrder.expires_at > now,
            )
            .order_by(WorkOrder.issued_at, WorkOrder.id)
            .limit(500)
        )
    )


def latest(session: Session, device_id: UUID, cycle: int) -> WorkOrder | None:
    """The newest work order for a device in this custody cycle."""
    return session.scalar(
        sa.select(WorkOrder)
        .where(WorkOrder.device_id == device_id, WorkOrder.cycle == cycle)
        .order_by(WorkOrder.issued_at.desc(), WorkOrder.superseded_at.desc().nulls_first())
        .limit(1)
    )


def consume(session: Session, order: WorkOrder, *, now: datetime) -> None:
    """Use the order's challenge up. Raises `Conflict` when somebody else did a moment ago."""
    used = session.execute(
        sa.update(WorkOrder)
        .where(WorkOrder.id == order.id, WorkOrder.consumed_at.is_(None), WorkOrder.superseded_at.is_(None))
        .values(consumed_at=now)
    )
    if used.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict("The challenge of this work order was used a moment ago.")
