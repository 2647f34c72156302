"""Photographs as pages show them: which there are of a device, and who may see which."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import SELLERS, Actor
from ewaste.accounts.policy import Action
from ewaste.core.refusals import NotFound
from ewaste.devices import custody, photographs
from ewaste.devices.models import Device, Photograph, PhotographKind
from ewaste.tradein.models import Offer

# What a photograph shows, in the words of a page and of a screen reader.
KIND_WORDS = {
    PhotographKind.SELLER: ("By its seller", "as its seller photographed it before posting"),
    PhotographKind.RECEIPT: ("At the door", "as it arrived at the test centre"),
    PhotographKind.INSPECTION: ("At the inspection", "as the test centre found it"),
    PhotographKind.OPENED_CASE: ("Case opened", "with its case open"),
    PhotographKind.LISTING: ("For sale", "as it is offered"),
}


def of_device(session: Session, device: Device, *, owner: bool) -> list[dict[str, Any]]:
    """The photographs of a device that are not hidden, in the order they were taken. One statement.

    An owner sees those of the custody cycles in which the device was theirs; centre and desk see those of today's.
    """
    query = sa.select(Photograph).where(Photograph.device_id == device.id, Photograph.hidden_at.is_(None))
    query = query.where(Photograph.cycle <= _sellers_cycle() if owner else Photograph.cycle == device.cycle)
    rows = session.scalars(query.order_by(Photograph.at, Photograph.id)).all()
    return [_shown(row, f"{device.brand} {device.model}") for row in rows]


def of_listing(session: Session, device_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The photographs for sale of each of these devices, of its present custody cycle. Public. One statement."""
    shown: dict[UUID, list[dict[str, Any]]] = {device_id: [] for device_id in device_ids}
    rows = session.execute(
        sa.select(Photograph, Device.brand, Device.model)
        .join(Device, sa.and_(Device.id == Photograph.device_id, Device.cycle == Photograph.cycle))
        .where(
            Photograph.device_id.in_(list(device_ids)),
            Photograph.kind == PhotographKind.LISTING,
            Photograph.hidden_at.is_(None),
        )
        .order_by(Photograph.at, Photograph.id)
    )
    for photograph, brand, model in rows:
        shown[photograph.device_id].append(_shown(photograph, f"{brand} {model}"))
    return shown


def picture(session: Session, actor: Actor, photograph_id: UUID, *, small: bool) -> tuple[bytes, str, bool]:
    """A photograph for this reader: the JPEG, its digest (of the large one), and whether everybody may see it.

    Raises `NotFound` for one that is hidden or somebody else's.
    """
    row = session.execute(
        sa.select(Photograph, Device.seller_id, Device.centre_id, _sellers_cycle().label("theirs"))
        .join(Device, Device.id == Photograph.device_id)
        .where(Photograph.id == photograph_id, Photograph.hidden_at.is_(None))
    ).one_or_none()
    if row is None:
        raise NotFound(custody.NOBODYS)
    found: Photograph = row.Photograph
    public = found.kind is PhotographKind.LISTING
    if not public:
        if not policy.allows(actor, Action.SEE_DEVICE, owner=row.seller_id, centre=row.centre_id):
            raise NotFound(custody.NOBODYS)  # Also for who sees no devices at all: an id tells nothing.
        if actor.role in SELLERS and found.cycle > row.theirs:
            raise NotFound(custody.NOBODYS)
    return photographs.picture_of(session, found.id, small=small), found.sha256, public


def _sellers_cycle() -> sa.ScalarSelect[int]:
    """The last custody cycle in which the seller was asked: what came later is of other people."""
    return (
        sa.select(sa.func.coalesce(sa.func.max(Offer.cycle), 1))
        .where(Offer.device_id == Photograph.device_id)
        .correlate(Photograph)
        .scalar_subquery()
    )


def _shown(photograph: Photograph, name: str) -> dict[str, Any]:
    label, words = KIND_WORDS[photograph.kind]
    return {
        "id": photograph.id,
        "kind": photograph.kind.value,
        "label": label,
        "alt": f"{name}, {words}",
        "width": photograph.width,
        "height": photograph.height,
        "at": photograph.at,
        "uploaded_by": photograph.uploaded_by,
    }
