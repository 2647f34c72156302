"""Public prices: what we paid, what devices sold for, and the published numbers of the formula.

Everything is a median over at least three devices. Fewer are not shown, because they would tell what one person got.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.core.money import Money, in_words
from ewaste.devices.models import Device
from ewaste.market.models import Listing, ListingState, Lot, LotLine, LotState, Order
from ewaste.processing import routing
from ewaste.processing.models import Inspection
from ewaste.tradein import price_tables, pricing
from ewaste.tradein.models import Offer, OfferState, PublishedTable
from ewaste.views import price_words, shapes

FEWEST = 3
"""A median stands on at least so many devices."""

GROUPINGS = ("model", "class", "grade", "month")
HISTORY = timedelta(days=365)


def medians(session: Session) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """What was paid to sellers and what the shop sold for: `paid` and `sold`, each by model, class, grade and month.

    Two statements. A row: key, label, device_class, count, median (Money).
    """
    return {"paid": _grouped(session, _paid()), "sold": _grouped(session, _sold())}


def lots(session: Session) -> list[dict[str, Any]]:
    """Lots that were sold, by way: how many, with how many devices, and the median price per device. One statement."""
    each = (
        sa.select(
            Lot.way.label("way"),
            Lot.currency.label("currency"),
            Lot.price_minor.label("price"),
            sa.func.count(LotLine.id).label("devices"),
        )
        .join(LotLine, LotLine.lot_id == Lot.id)
        .where(Lot.state == LotState.SOLD, LotLine.released_at.is_(None))
        .group_by(Lot.id)
        .subquery()
    )
    rows = session.execute(
        sa.select(
            each.c.way,
            each.c.currency,
            sa.func.count(),
            sa.func.sum(each.c.devices),
            sa.func.percentile_cont(0.5).within_group(each.c.price / each.c.devices),
        )
        .group_by(each.c.way, each.c.currency)
        .having(sa.func.count() >= FEWEST)
        .order_by(each.c.way)
    )
    return [
        {"way": way, "lots": count, "devices": int(devices), "median": Money(_whole(median), currency)}
        for way, currency, count, devices, median in rows
    ]


def history(session: Session, model_code: str, *, now: datetime) -> list[dict[str, Any]]:
    """What we paid for one model, month by month of the last year; months under three devices are left out."""
    paid = _paid().where(Device.model_code == model_code, Offer.answered_at >= now - HISTORY).subquery()
    rows = session.execute(
        sa.select(paid.c.month, sa.func.count(), _median(paid.c.amount), paid.c.currency)
        .group_by(paid.c.month, paid.c.currency)
        .having(sa.func.count() >= FEWEST)
        .order_by(paid.c.month)
    )
    return [
        {
            "at": date.fromisoformat(f"{month}-01"),
            "label": _month(month),
            "count": count,
            "median": _money(median, code),
        }
        for month, count, median, code in rows
    ]


def tables(session: Session, *, on: date) -> dict[str, Any]:
    """The formula and every published number behind it, as rows, and the tables before. Two statements at most three.

    `groups`: [{title, text, rows: [{item, value, low, high, basis, source, estimate}]}].
    """
    current = price_tables.current(session, on)
    published = session.execute(
        sa.select(PublishedTable.version, PublishedTable.valid_from, PublishedTable.digest, PublishedTable.reason)
        .where(price_tables.published(), PublishedTable.valid_from <= on)
        .order_by(PublishedTable.number.desc())
        .limit(50)
    ).all()
    content = table_form(session, current.version)
    ways = routing.load_routing_table()
    return {
        "rules_version": pricing.RULES_VERSION,
        "version": current.version,
        "valid_from": current.valid_from,
        "digest": current.digest,
        "groups": list(_price_groups(content)),
        "ways_version": ways.version,
        "ways_rules_version": routing.ROUTING_RULES_VERSION,
        "ways_groups": list(_way_groups(ways.data)),
        "earlier": [
            {"version": row.version, "valid_from": row.valid_from, "digest": row.digest, "reason": row.reason}
            for row in published
        ],
    }


def table_form(session: Session, version: str) -> dict[str, Any]:
    """The published form of a price table, as it can be downloaded. Raises `LookupError` for an unknown version."""
    stored = session.scalar(
        sa.select(PublishedTable.content).where(PublishedTable.version == version, price_tables.published())
    )
    return dict(stored) if stored is not None else pricing.built_in_form(version)


def ways_form() -> dict[str, Any]:
    """The published form of the table that chooses the way."""
    return dict(routing.load_routing_table().data)


# ---- medians ----


def _paid() -> sa.Select[Any]:
    """One row for each device whose offer was confirmed: what we paid."""
    grade = (
        sa.select(Inspection.cosmetic).where(Inspection.id == Offer.inspection_id).correlate(Offer).scalar_subquery()
    )
    return (
        sa.select(
            Device.device_class.label("class"),
            Device.model_code.label("code"),
            Device.brand.label("brand"),
            Device.model.label("model"),
            grade.label("grade"),
            sa.func.to_char(sa.func.timezone("UTC", Offer.answered_at), "YYYY-MM").label("month"),
            Offer.amount_minor.label("amount"),
            Offer.currency.label("currency"),
        )
        .join(Device, Device.id == Offer.device_id)
        .where(Offer.state == OfferState.CONFIRMED, Offer.answered_at.is_not(None))
    )


def _sold() -> sa.Select[Any]:
    """One row for each device that the shop sold and that was paid for."""
    grade = (
        sa.select(Inspection.cosmetic)
        .where(Inspection.device_id == Device.id)
        .order_by(Inspection.at.desc())
        .limit(1)
        .correlate(Device)
        .scalar_subquery()
    )
    return (
        sa.select(
            Device.device_class.label("class"),
            Device.model_code.label("code"),
            Device.brand.label("brand"),
            Device.model.label("model"),
            grade.label("grade"),
            sa.func.to_char(sa.func.timezone("UTC", Order.paid_at), "YYYY-MM").label("month"),
            Order.amount_minor.label("amount"),
            Order.currency.label("currency"),
        )
        .join(Listing, Listing.id == Order.listing_id)
        .join(Device, Device.id == Listing.device_id)
        .where(Listing.state == ListingState.SOLD, Order.paid_at.is_not(None))
    )


def _grouped(session: Session, rows: sa.Select[Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows by each of the groupings, in one statement."""
    one = rows.subquery()
    kind = one.c["class"]
    sets = sa.func.grouping_sets(
        sa.tuple_(one.c.currency, kind, one.c.code, one.c.brand, one.c.model),
        sa.tuple_(one.c.currency, kind),
        sa.tuple_(one.c.currency, kind, one.c.grade),
        sa.tuple_(one.c.currency, kind, one.c.month),
    )
    by = sa.case(
        (sa.func.grouping(one.c.code) == 0, "model"),
        (sa.func.grouping(one.c.grade) == 0, "grade"),
        (sa.func.grouping(one.c.month) == 0, "month"),
        else_="class",
    )
    found = session.execute(
        sa.select(
            by.label("by"), one.c.currency, kind, one.c.code, one.c.brand, one.c.model, one.c.grade, one.c.month,
            sa.func.count().label("count"), _median(one.c.amount).label("median"),
        )
        .group_by(sets)
        .having(sa.func.count() >= FEWEST)
        .order_by(kind, one.c.brand, one.c.model, one.c.grade, one.c.month)
    )  # fmt: skip
    told: dict[str, list[dict[str, Any]]] = {grouping: [] for grouping in GROUPINGS}
    for row in found:
        device_class = str(getattr(row[2], "value", row[2]))
        told[row.by].append(
            {
                "device_class": device_class,
                "key": row.code or row.grade or row.month or device_class,
                "label": shapes.title(row.brand, row.model)
                if row.code
                else row.grade or (row.month and _month(row.month)),
                "month": row.month,
                "count": row.count,
                "median": _money(row.median, row.currency),
            }
        )
    return told


def _median(amount: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    return sa.func.percentile_cont(0.5).within_group(amount)


def _money(median: Any, currency: str) -> Money:
    return Money(_whole(median), currency)


def _whole(median: Any) -> int:
    """Half a cent, between two middle values, is rounded up."""
    return int(Decimal(str(median)) + Decimal("0.5"))


def _month(text: str) -> str:
    """2026-11 as people write it."""
    return f"{date.fromisoformat(f'{text}-01'):%B %Y}"


# ---- published tables as rows ----

_FACTOR_TEXT = "Each multiplies the amount before it."


def _price_groups(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {
        "title": "For every device",
        "text": "",
        "rows": [
            _row("Euros for one US dollar", content["fx"]["usd_to_eur"]),
            _row(
                f"Each doubling of storage, {content['storage']['most_doublings']} times at most",
                content["storage"]["per_doubling"],
            ),
            _row(f"The seller’s share; the rest pays for {price_words.PAYS_FOR}", content["buyback"]),
        ],
    }
    yield {
        "title": "How families keep their price",
        "text": "The price when new × the first figure × the second figure for each year.",
        "rows": [
            _row(name.replace("-", " "), {**curve, "value": f"{curve['initial']} × {curve['yearly']} a year"})
            for name, curve in content["curves"].items()
        ],
    }
    if content.get("bases"):
        yield {
            "title": "Market prices that came with this table",
            "text": "In US dollars, newer than the catalogue's.",
            "rows": [
                _row(
                    model,
                    {**base, "value": f"{int(base['price_usd_minor']) / 100:.2f}", "estimate": False},
                )
                for model, base in content["bases"].items()
            ],
        }
    for device_class in pricing.DEVICE_CLASSES:
        grades = content["grades"].get(device_class, {})
        faults = content["faults"].get(device_class, {})
        rows = [_row(f"Looks: {pricing.COSMETIC_WORDS.get(name, name)}", figure) for name, figure in grades.items()]
        rows += [_row(pricing.FAULT_WORDS.get(name, name).capitalize(), figure) for name, figure in faults.items()]
        material = content["material"].get(device_class)
        if material:
            rows += [_row(f"Materials: {line['item']}", _euros(line)) for line in material["lines"]]
        yield {"title": device_class, "text": _FACTOR_TEXT, "rows": rows, "device_class": device_class}


def _way_groups(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    common = {name: value for name, value in data.items() if name != "classes"}
    yield {"title": "For every device", "text": "", "rows": list(_leaves(common, ""))}
    for device_class, figures in data["classes"].items():
        yield {"title": device_class, "text": "", "rows": list(_leaves(figures, "")), "device_class": device_class}


def _leaves(data: Mapping[str, Any], path: str) -> Iterator[dict[str, Any]]:
    """Every published figure under `data`, named by its path in words."""
    for name, value in data.items():
        label = f"{path}{name.replace('_', ' ')}"
        if isinstance(value, Mapping) and ("value" in value or "amount_minor" in value):
            yield _row(label.capitalize(), value if "value" in value else _euros(value))
        elif isinstance(value, Mapping) and "basis" in value:
            limits = ", ".join(
                f"{key.replace('_', ' ')} {limit} %" for key, limit in value.items() if key.endswith("_soh")
            )
            yield _row(label.capitalize(), {**value, "value": limits, "estimate": True})
        elif isinstance(value, Mapping):
            yield from _leaves(value, f"{label}: ")


def _euros(figure: Mapping[str, Any]) -> dict[str, Any]:
    return {**figure, "value": in_words(int(figure["amount_minor"]), "EUR")}


def _row(item: str, figure: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "item": item,
        "value": str(figure["value"]),
        "low": figure.get("low"),
        "high": figure.get("high"),
        "basis": price_words.note(figure["basis"]),
        "source": price_words.note(figure["source"]),
        "estimate": bool(figure.get("estimate")),
    }
