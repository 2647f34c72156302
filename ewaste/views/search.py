"""The search of what is public: models that we buy, what is for sale, lots, and certificates by their code.

Serial numbers, people and devices that are nobody's business are not searched: their desks have searches of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core.ids import DEVICE, LISTING, LOT, read_code
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.devices.models import Device
from ewaste.market.models import Listing, ListingState, Lot, LotState
from ewaste.views import public, shapes

# The parts of the help page: anchor, heading, and the words by which people look for it.
HELP = (
    ("selling", "Selling a device", "sell quote price offer send post parcel box label before prepare backup sim"),
    (
        "data",
        "What happens to my data",
        "data wipe wiping erase delete certificate proof drive phone reset privacy",
    ),
    ("money", "When I am paid", "money paid payment payout bank account days when"),
    ("back", "Getting it back", "return back send withdraw decline cancel lost"),
    ("buying", "Buying a device", "buy buying shop grade warranty refund dispute withdrawal collect invoice"),
    (
        "firms",
        "Recyclers, centres and firms",
        "recycler centre firm company apply licence lot auction bid program",
    ),
)
MOST = 8
"""So many of each kind are shown; the lists of each kind show the rest."""


def results(session: Session, q: str, *, now: datetime) -> dict[str, Any]:
    """What fits, in at most six statements: {models, models_total, near, listings, listings_total, lots, certificate,
    help}. `near`: no model is called so; those shown only hold the same words.
    """
    models, _ = public.models(session, q=q, device_class="", on=now.date())
    listings, listings_total = _listings(session, q)
    return {
        "models": models[:MOST],
        "models_total": len(models),
        "near": bool(models) and not any(_called(q, model) for model in models),
        "listings": listings,
        "listings_total": listings_total,
        "lots": _lots(session, q, now=now),
        "certificate": _certificate(session, q),
        "help": [{"anchor": anchor, "title": title} for anchor, title, words in HELP if _about(q, title, words)],
    }


def _called(q: str, model: dict[str, Any]) -> bool:
    """Whether the words of the search stand in a model's name side by side, as one writes it."""
    return " ".join(q.casefold().split()) in f"{model['brand']} {model['name']} {model['code']}".casefold()


def _about(q: str, title: str, words: str) -> bool:
    """Whether each word of the search begins a word of a part of the help."""
    known = f"{title} {words}".casefold().split()
    asked = [word for word in q.casefold().split() if len(word) > 2]
    return bool(asked) and all(any(one.startswith(word) for one in known) for word in asked)


def _listings(session: Session, q: str) -> tuple[list[dict[str, Any]], int]:
    """Devices for sale whose name holds every word, or the one with this code."""
    code = read_code(q, LISTING)
    name = Device.brand + sa.literal(" ") + Device.model
    words = [name.ilike(shapes.like(word), escape="\\") for word in q.split()]
    fitting = Listing.code == code if code else sa.and_(*words)
    rows = session.execute(
        sa.select(Listing, Device.brand, Device.model, Device.device_class, sa.func.count().over())
        .join(Device, Device.id == Listing.device_id)
        .where(Listing.state == ListingState.OPEN, fitting)
        .order_by(Listing.listed_at.desc(), Listing.id)
        .limit(MOST)
    ).all()
    found = [
        {
            "code": listing.code,
            "title": shapes.title(brand, model),
            "device_class": device_class.value,
            "grade_cosmetic": listing.snapshot.get("grade_cosmetic"),
            "price": Money(listing.price_minor, listing.currency),
        }
        for listing, brand, model, device_class, _ in rows
    ]
    return found, rows[0][4] if rows else 0


def _lots(session: Session, q: str, *, now: datetime) -> list[dict[str, Any]]:
    """Lots whose title holds every word, or the one with this code; open ones first."""
    code = read_code(q, LOT)
    fitting = Lot.code == code if code else sa.and_(*(Lot.title.ilike(shapes.like(w), escape="\\") for w in q.split()))
    lots = session.scalars(
        sa.select(Lot)
        .where(fitting, Lot.state != LotState.CANCELLED, Lot.opens_at <= now)
        .order_by((Lot.state == LotState.OPEN).desc(), Lot.ends_at.desc(), Lot.id)
        .limit(MOST)
    )
    return [
        {
            "code": lot.code,
            "title": lot.title,
            "way": lot.way,
            "open": lot.state is LotState.OPEN and lot.ends_at > now,
            "ends_at": lot.ends_at,
        }
        for lot in lots
    ]


def _certificate(session: Session, q: str) -> dict[str, Any] | None:
    """The certificate with this number, or the newest of the device with this code."""
    if read_code(q, DEVICE) is None and len(q) < 32:
        return None
    try:
        return {"id": public.certificate_for(session, q), "code": q}
    except NotFound:
        return None
