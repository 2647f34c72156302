"""Public prices and open figures: pages, and the same numbers as files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import flask
from flask import Blueprint, request

from ewaste.certificates.registry import CENTRE_MAY
from ewaste.core.money import Money
from ewaste.core.refusals import NotFound
from ewaste.processing.outcomes import FRACTIONS
from ewaste.views import open_figures as views
from ewaste.views import prices as price_views
from ewaste.web import assets, filters, lists
from ewaste.web.edge import now, page, transaction

pages = Blueprint("figures", __name__)

# A check of a certificate, as the reason for which a certificate was refused.
REASONS: Mapping[str, str] = {
    "market": "The document held, and our own rules refused it: a medium without proof, or too little proof",
    CENTRE_MAY: "Its centre or station could not certify for us then: suspended, withdrawn, or its key ended",
    "readable": "It could not be read",
    "trust": "Its issuer was not one that we trust",
    "accreditation-proof": "The accreditation was not signed by our accreditor",
    "key": "It was signed with a key that the accreditation does not list",
    "certificate-proof": "It was changed after it was signed, or signed with another key",
    "work-order-proof": "The work order was not ours",
    "accreditation": "It named another accreditation",
    "accreditation-dates": "The accreditation was not valid at the time",
    "scope": "The centre was not accredited for this method or kind of medium",
    "work-order": "It answered another work order",
    "device": "It was about another device",
    "host": "The media were not in this device",
    "coverage": "A medium was not covered",
    "evidence": "A line lacked what its evidence asks for",
    "times": "Its times were not in order",
    "duration": "A step was faster than such a medium allows",
    "training": "Practice and real work were mixed",
    "clock": "It was dated in the future",
}
MONEY_WORDS = {
    "collect": "Paid to us by buyers",
    "pay-out": "Paid by us to sellers",
    "refund": "Paid back by us to buyers",
}
PRICE_COLUMNS = ("what", "grouped_by", "device_class", "key", "label", "devices", "median", "currency")
OPEN_COLUMNS = ("section", "item", "value", "unit")


@pages.get("/prices")
def prices() -> flask.Response:
    """What we paid, what devices sold for, and the formula with all its tables."""
    by = request.args.get("by", "")
    by = by if by in price_views.GROUPINGS else "model"
    device_class = lists.device_class()
    with transaction() as session:
        told = price_views.medians(session)
        lots = price_views.lots(session)
        tables = price_views.tables(session, on=now().date())

    def shown(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if not device_class or row["device_class"] == device_class]

    shown_page = page(
        "figures/prices.html",
        by=by,
        device_class=device_class,
        classes=sorted({row["device_class"] for side in told.values() for row in side["class"]}),
        paid=shown(told["paid"][by]),
        sold=shown(told["sold"][by]),
        any_figures=any(rows for side in told.values() for rows in side.values()),
        lots=lots,
        tables=tables,
        fewest=price_views.FEWEST,
    )
    return assets.compressed(shown_page)


@pages.get("/prices.csv")
def prices_csv() -> flask.Response:
    """The medians as a file."""
    with transaction() as session:
        told, lots = price_views.medians(session), price_views.lots(session)
    rows = [
        {
            "what": what,
            "grouped_by": by,
            "device_class": row["device_class"],
            "key": row["key"],
            "label": _label(row, by),
            "devices": row["count"],
            "median": filters.plain_money(row["median"]),
            "currency": row["median"].currency,
        }
        for what, groupings in told.items()
        for by, found in groupings.items()
        for row in found
    ]
    rows += [
        {
            "what": "lot, per device",
            "grouped_by": "way",
            "key": row["way"],
            "label": filters.way_word(row["way"]),
            "devices": row["devices"],
            "median": filters.plain_money(row["median"]),
            "currency": row["median"].currency,
        }
        for row in lots
    ]
    return _shortly(lists.file(lists.csv_text(PRICE_COLUMNS, rows).encode(), "prices.csv", "text/csv; charset=utf-8"))


@pages.get("/prices/tables.json")
def price_tables() -> flask.Response:
    """The published tables as they are: `?version=` for an earlier one of prices."""
    with transaction() as session:
        version = request.args.get("version", "")[:60] or price_views.tables(session, on=now().date())["version"]
        try:
            content = price_views.table_form(session, version)
        except LookupError:
            raise NotFound("There is no published price table of this version.") from None
    text = json.dumps({"prices": content, "ways": price_views.ways_form()}, indent=1, ensure_ascii=False)
    return _shortly(lists.file(text.encode(), f"{version}.json", "application/json"))


@pages.get("/open")
def open_figures() -> flask.Response:
    """What the market did so far, in numbers."""
    with transaction() as session:
        told = views.figures(session)
    return assets.compressed(
        page("figures/open.html", figures=told, reasons=REASONS, money_words=MONEY_WORDS, fewest=views.FEWEST)
    )


@pages.get("/open.csv")
def open_csv() -> flask.Response:
    """The open figures as a file of rows."""
    with transaction() as session:
        told = views.figures(session)
    return _shortly(
        lists.file(
            lists.csv_text(OPEN_COLUMNS, list(_flat(told))).encode(), "open-figures.csv", "text/csv; charset=utf-8"
        )
    )


@pages.get("/open.json")
def open_json() -> flask.Response:
    """The open figures for programs. Money is in minor units."""
    with transaction() as session:
        told = views.figures(session)
    text = json.dumps({"at": filters.iso(now()), **told}, default=_plain, indent=1, ensure_ascii=False)
    return _shortly(lists.file(text.encode(), "open-figures.json", "application/json"))


def _label(row: Mapping[str, Any], by: str) -> str:
    if by == "class":
        return filters.classes_word(row["device_class"])
    return f"{row['label']}: {filters.grade_word(row['label'])}" if by == "grade" else str(row["label"])


def _flat(told: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every figure as a row: section, item, value, unit."""

    def rows(section: str, unit: str, pairs: list[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
        yield from ({"section": section, "item": item, "value": value, "unit": unit} for item, value in pairs)

    yield from rows("devices by state", "devices", [(state.value, count) for state, count in told["states"]])
    yield from rows("devices by way", "devices", [(filters.way_word(way), count) for way, count in told["ways"]])
    yield from rows(
        "certificates by week", "certificates", [(monday.isoformat(), count) for monday, count in told["weeks"]]
    )
    yield from rows("media by evidence", "media", list(told["evidence"]))
    for centre in told["centres"]:
        for name in ("issued", "revoked", "refused", "answered", "declined"):
            unit = "offers" if name in ("answered", "declined") else "certificates"
            yield {"section": f"centre {centre['name']}", "item": name, "value": centre[name], "unit": unit}
    yield from rows(
        "refused certificates", "certificates", [(REASONS.get(why, why), count) for why, count in told["refusals"]]
    )
    yield from rows("offers", "offers", list(told["offers"].items()))
    for line in told["money"]:
        if line["total"] is not None:
            yield {
                "section": "money",
                "item": MONEY_WORDS.get(line["kind"], line["kind"]),
                "value": filters.plain_money(line["total"]),
                "unit": line["total"].currency,
            }
    yield from rows(
        "median time", "seconds", [(t["label"], t["seconds"]) for t in told["times"] if t["seconds"] is not None]
    )
    masses = told["masses"]
    yield from rows("masses", "g", [("in", masses["in_g"]), ("out", masses["out_g"])])
    yield from rows("fractions", "g", [(FRACTIONS[name][0], grams) for name, _, grams in masses["fractions"]])


def _plain(value: Any) -> Any:
    if isinstance(value, Money):
        return {"amount_minor": value.amount_minor, "currency": value.currency}
    return str(value)


def _shortly(response: flask.Response) -> flask.Response:
    """Files of added-up figures may be a minute old: they cost the database more than they change."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return assets.compressed(response)
