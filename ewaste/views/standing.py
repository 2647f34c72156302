"""How a device stands at the bench, as the database says it: what decides its next step, for one or for a list.

And how work orders stand, for the stations that hold them: by the same rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from ewaste.accounts import policy
from ewaste.accounts.models import Actor
from ewaste.accounts.policy import Action
from ewaste.centres.models import WorkOrder
from ewaste.certificates.models import CertificateLine, CertificateRefusal, Clearance
from ewaste.certificates.policy import SECOND_PERSON
from ewaste.core.refusals import Invalid
from ewaste.devices import media
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import (
    CustodyEvent,
    Device,
    Hold,
    MediumEvent,
    MediumEventKind,
    Validation,
    ValidationResult,
)
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
_named = (
    sa.select(sa.literal(1))
    .where(
        CustodyEvent.device_id == Device.id,
        CustodyEvent.kind == "work-order.issued",
        CustodyEvent.evidence["workOrder"].as_string() == WorkOrder.code,
        CustodyEvent.evidence["media"].has_key(sa.cast(MediumEvent.medium_id, sa.Text)),
    )
    .correlate(Device, WorkOrder, MediumEvent)
    .exists()
)
_other = aliased(MediumEvent)
_apart = (
    sa.select(sa.literal(1))
    .where(
        _other.device_id == Device.id,
        _other.cycle == Device.cycle,
        _other.medium_id == MediumEvent.medium_id,
        _other.kind == MediumEventKind.HELD,
    )
    .correlate(Device, MediumEvent)
    .exists()
)
# Whether the media changed since the order was issued. What was found is named by it or kept apart: neither, or both,
# and a certificate under the order would be refused.
_OUTDATED = (
    sa.select(sa.literal(1))
    .where(
        MediumEvent.device_id == Device.id,
        MediumEvent.cycle == Device.cycle,
        MediumEvent.kind.in_([MediumEventKind.FOUND, MediumEventKind.FITTED]),
        ~media.taken_back(),
        _named == _apart,
    )
    .correlate(Device, WorkOrder)
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
            sa.case(
                (sa.and_(Device.state.in_(next_step.TO_CLEAR), WorkOrder.id.is_not(None)), _OUTDATED), else_=sa.false()
            ).label("outdated"),
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
        outdated=row.outdated,
        refused=bool(row.refused),
        unconfirmed=row.unconfirmed,
        paid=row.paid,
        ever_ordered=ever_ordered,
    )


MOST_ORDERS: Final = 100


def of_orders(session: Session, actor: Actor, digests: Sequence[str], *, now: datetime) -> list[dict[str, str]]:
    """How these work orders of a station's centre stand (by digest), each with a sentence for who holds it.

    Those of other centres are left out. Raises `NotAllowed` or `Invalid`.
    """
    policy.require(actor, Action.FETCH_ORDERS, centre=actor.organisation_id)
    if not 1 <= len(digests) <= MOST_ORDERS:
        raise Invalid(f"Ask about 1 to {MOST_ORDERS} work orders.", field="work_orders")
    asked = (
        sa.select(
            WorkOrder.digest,
            WorkOrder.consumed_at,
            WorkOrder.superseded_at,
            WorkOrder.expires_at,
            sa.and_(Device.state.in_(next_step.TO_CLEAR), Device.cycle == WorkOrder.cycle).label("waits"),
            _HELD.label("holds"),
            _OUTDATED.label("outdated"),
        )
        .join(Device, Device.id == WorkOrder.device_id)
        .where(WorkOrder.digest.in_(set(digests)), WorkOrder.centre_id == actor.organisation_id)
        .order_by(WorkOrder.issued_at, WorkOrder.id)
    )
    told = []
    for row in session.execute(asked):
        stands = next_step.order(
            used=row.consumed_at is not None,
            replaced=row.superseded_at is not None,
            expired=row.expires_at <= now,
            waits=row.waits,
            held=bool(row.holds),
            outdated=row.outdated,
        )
        told.append({"work_order": row.digest, "standing": stands.value, "text": next_step.ORDER_WORDS[stands]})
    return told
