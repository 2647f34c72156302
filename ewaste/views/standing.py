"""How a device stands at the bench, as the database says it: what decides its next step, for one or for a list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from ewaste.centres.models import WorkOrder
from ewaste.certificates.models import CertificateLine, CertificateRefusal, Clearance
from ewaste.certificates.policy import SECOND_PERSON
from ewaste.devices import media
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Device, Hold, MediumEvent, MediumEventKind, Validation, ValidationResult
from ewaste.market.models import Listing, LotLine, Order, OrderState
from ewaste.tradein.models import Offer
from ewaste.views import next_step

_HELD = (
    sa.select(sa.func.count())
    .where(Hold.device_id == Device.id, Hold.lifted_at.is_(None))
    .correlate(Device)
    .scalar_subquery()
)
_MEDIA = (
    sa.select(sa.func.count(sa.distinct(MediumEvent.medium_id)))
    .where(
        MediumEvent.device_id == Device.id,
        MediumEvent.cycle == Device.cycle,
        MediumEvent.kind.in_([MediumEventKind.FOUND, MediumEventKind.FITTED]),
        ~media.taken_back(),
    )
    .correlate(Device)
    .scalar_subquery()
)
_CLEAR = (
    sa.select(sa.literal(1))
    .where(Clearance.device_id == Device.id, Clearance.cycle == Device.cycle, Clearance.ended_at.is_(None))
    .correlate(Device)
    .exists()
)
_UNCONFIRMED = (
    sa.select(sa.func.count())
    .select_from(CertificateLine)
    .join(Clearance, Clearance.certificate_id == CertificateLine.certificate_id)
    .where(
        Clearance.device_id == Device.id,
        Clearance.ended_at.is_(None),
        CertificateLine.evidence_class.in_(SECOND_PERSON),
        sa.select(Validation.result)
        .where(
            Validation.medium_id == CertificateLine.medium_id,
            Validation.device_id == Device.id,
            Validation.cycle == Device.cycle,
        )
        .order_by(Validation.seq.desc())
        .limit(1)
        .correlate(CertificateLine, Device)
        .scalar_subquery()
        .is_distinct_from(ValidationResult.CONFIRMED),
    )
    .correlate(Device)
    .scalar_subquery()
)
# Whether the sale of a device is paid, and waits to be collected.
_PAID = (
    sa.select(sa.literal(1))
    .where(
        Order.state == OrderState.PAID,
        sa.or_(
            Order.listing_id.in_(sa.select(Listing.id).where(Listing.device_id == Device.id).correlate(Device)),
            Order.lot_id.in_(
                sa.select(LotLine.lot_id)
                .where(LotLine.device_id == Device.id, LotLine.released_at.is_(None))
                .correlate(Device)
            ),
        ),
    )
    .correlate(Device)
    .exists()
)
_ORDERS = aliased(WorkOrder)
# Whether a work order was ever issued in this cycle: what it named cannot be taken back any more.
EVER_ORDERED = (
    sa.select(sa.literal(1))
    .select_from(_ORDERS)
    .where(_ORDERS.device_id == Device.id, _ORDERS.cycle == Device.cycle)
    .correlate(Device)
    .exists()
)


def rows(*columns: Any) -> sa.Select[Any]:
    """A device with its offer and its open work order: one row each, with these columns of the device.

    Whether a work order was ever issued (`EVER_ORDERED`) decides no step, only what may be taken back, so a list is
    not asked for it.
    """
    return (
        sa.select(
            *columns,
            Device.state.label("state"),
            _HELD.label("holds"),
            _MEDIA.label("media"),
            # Looked at only where it decides something.
            sa.case((Device.state.in_([*WAYS, State.CLEARED]), _CLEAR), else_=sa.false()).label("clear"),
            sa.case((Device.state == State.CLEARED, _UNCONFIRMED), else_=0).label("unconfirmed"),
            sa.case((Device.state == State.SOLD, _PAID), else_=sa.false()).label("paid"),
            Offer.state.label("offer"),
            Offer.answer_by,
            Offer.pay_by,
            WorkOrder.code.label("order"),
            WorkOrder.expires_at.label("order_until"),
            sa.select(sa.literal(1))
            .where(CertificateRefusal.device_code == Device.code, CertificateRefusal.at >= WorkOrder.issued_at)
            .correlate(Device, WorkOrder)
            .exists()
            .label("refused"),
        )
        .outerjoin(Offer, sa.and_(Offer.device_id == Device.id, Offer.cycle == Device.cycle))
        .outerjoin(
            WorkOrder,
            sa.and_(
                WorkOrder.device_id == Device.id, WorkOrder.consumed_at.is_(None), WorkOrder.superseded_at.is_(None)
            ),
        )
    )


def of(row: Any, now: datetime, *, ever_ordered: bool = True) -> next_step.Standing:
    """What a row of `rows` says of its device."""
    return next_step.Standing(
        state=row.state,
        holds=row.holds,
        media=row.media,
        clear=row.clear,
        offer=row.offer,
        order=row.order,
        order_open=row.order is not None and row.order_until > now,
        refused=bool(row.refused),
        unconfirmed=row.unconfirmed,
        paid=row.paid,
        ever_ordered=ever_ordered,
    )
