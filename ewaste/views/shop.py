"""The storefront as a list: filters, orders, and what can be chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import Organisation
from ewaste.devices.models import Device, DeviceClass
from ewaste.market.models import Listing, ListingState
from ewaste.views import market, photographs, shapes

SORTS = ("newest", "cheapest", "dearest", "battery", "grade")
STORAGE_GB = (64, 128, 256, 512, 1000)
GRADES = ("C7", "C6", "C5", "C4", "C3", "C2")


@dataclass(frozen=True)
class Filters(shapes.Choices):
    """What a buyer chose; empty or 0 means everything. `price_to` is in euros, `storage` in gigabytes at least."""

    q: str = ""
    device_class: str = ""
    brand: str = ""
    grade: str = ""
    storage: int = 0
    price_to: int = 0
    city: str = ""
    sort: str = "newest"


NARROWING = ("q", "device_class", "brand", "grade", "storage", "price_to", "city")
_BATTERY = Listing.snapshot["battery_health"].as_integer()
_GRADE = Listing.snapshot["grade_cosmetic"].as_string()


def listings(session: Session, filters: Filters, *, page: int) -> tuple[list[dict[str, Any]], int]:
    """The cards of a page, and how many devices there are."""
    query = _fitting(filters)
    total = shapes.count(session, query.with_only_columns(Listing.id))
    rows = session.execute(
        query.with_only_columns(Listing, Organisation.city)
        .order_by(*_order(filters.sort))
        .limit(shapes.PAGE_SIZE)
        .offset((page - 1) * shapes.PAGE_SIZE)
    )
    shown = [(found, city) for found, city in rows]
    pictures = photographs.of_listing(session, [found.device_id for found, _ in shown])
    return [
        market.listing_card(found) | {"city": city, "photographs": pictures[found.device_id]} for found, city in shown
    ], total


def choices(session: Session, filters: Filters) -> dict[str, list[dict[str, Any]]]:
    """What is there to choose from: classes (counted under the other filters), brands and cities. Two statements."""
    counts = {
        row[0]: int(row[1])
        for row in session.execute(
            _fitting(filters.without("device_class"))
            .with_only_columns(Device.device_class, sa.func.count())
            .group_by(Device.device_class)
        )
    }
    rows = session.execute(
        _fitting(Filters()).with_only_columns(Device.brand, Organisation.city).distinct().limit(2_000)
    ).all()
    return {
        "classes": [{"value": kind.value, "count": counts[kind]} for kind in DeviceClass if kind in counts],
        "brands": sorted({row.brand for row in rows}, key=str.casefold),
        "cities": sorted({row.city for row in rows}, key=str.casefold),
    }


def loosen(session: Session, filters: Filters) -> list[tuple[str, int]]:
    """For an empty list: each filter with how many devices there are without it alone, most first. One statement."""
    chosen = [name for name in NARROWING if name in filters.chosen()]
    if not chosen:
        return []
    counts = session.execute(
        sa.select(
            *(
                sa.select(sa.func.count())
                .select_from(_fitting(filters.without(name)).with_only_columns(Listing.id).subquery())
                .scalar_subquery()
                .label(name)
                for name in chosen
            )
        )
    ).one()
    return sorted(
        ((name, int(getattr(counts, name))) for name in chosen if getattr(counts, name)), key=lambda each: -each[1]
    )


def _fitting(filters: Filters) -> sa.Select[Any]:
    return (
        sa.select(Listing)
        .join(Device, Device.id == Listing.device_id)
        .join(Organisation, Organisation.id == Device.centre_id)
        .where(Listing.state == ListingState.OPEN, *_narrowed(filters))
    )


def _narrowed(filters: Filters) -> Iterable[sa.ColumnElement[bool]]:
    for word in filters.q.split()[:8]:
        yield (Device.brand + " " + Device.model).ilike(shapes.like(word), escape="\\")
    if filters.device_class:
        yield Device.device_class == DeviceClass(filters.device_class)
    if filters.brand:
        yield Device.brand == filters.brand
    if filters.grade:
        yield filters.grade <= _GRADE
    if filters.storage:
        yield Listing.snapshot["storage_gb"].as_integer() >= filters.storage
    if filters.price_to:
        yield Listing.price_minor <= filters.price_to * 100
    if filters.city:
        yield Organisation.city == filters.city


def _order(sort: str) -> Iterable[Any]:
    newest = [Listing.listed_at.desc(), Listing.id]
    return {
        "cheapest": [Listing.price_minor, *newest],
        "dearest": [Listing.price_minor.desc(), *newest],
        "battery": [_BATTERY.desc().nulls_last(), *newest],
        "grade": [_GRADE.desc().nulls_last(), *newest],
    }.get(sort, newest)
