"""Where a device goes back to whose seller does not sell it after all.

The address is asked for one device, and kept with it. The centre reads it when the device is to be sent back, and at
no other time; who closes their account takes it along.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.postal import Postal
from ewaste.devices.models import Device
from ewaste.tradein.models import ReturnAddress


def keep(session: Session, device_id: UUID, where: Postal, *, now: datetime) -> None:
    """Keep the address; the one before is gone. The caller holds the device's lock."""
    known = session.get(ReturnAddress, device_id)
    if known is None:
        known = ReturnAddress(device_id=device_id)
        session.add(known)
    known.street, known.postcode, known.city, known.country = where.street, where.postcode, where.city, where.country
    known.given_at = now
    session.flush()


def of_device(session: Session, device_id: UUID) -> Postal | None:
    """Where this device goes back to, if its seller has said so."""
    found = session.get(ReturnAddress, device_id)
    return _read(found) if found is not None else None


def latest_of(session: Session, seller_id: UUID | None) -> Postal | None:
    """The address that this seller gave last, for any device: it need not be typed twice."""
    found = session.scalar(
        sa.select(ReturnAddress)
        .join(Device, Device.id == ReturnAddress.device_id)
        .where(Device.seller_id == seller_id)
        .order_by(ReturnAddress.given_at.desc())
        .limit(1)
    )
    return _read(found) if found is not None else None


def forget(session: Session, seller_id: UUID) -> None:
    """Every address that this seller gave."""
    theirs = sa.select(Device.id).where(Device.seller_id == seller_id)
    session.execute(sa.delete(ReturnAddress).where(ReturnAddress.device_id.in_(theirs)))


def _read(found: ReturnAddress) -> Postal:
    return Postal(found.street, found.postcode, found.city, found.country)
