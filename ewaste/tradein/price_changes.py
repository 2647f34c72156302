"""A price table as lines that people edit, and what a change of them does: pure, values in, values out.

The lines are the base prices (what used devices of a model were seen to sell for) and the factors of the formula. They
go out as CSV and come back as CSV; a line that is not sent stays as it is. Each change brings its source, as every
number of a published table has one. `effects` prices sample devices by both tables.
"""

from __future__ import annotations

import copy
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ewaste.core.refusals import Invalid
from ewaste.tradein import pricing
from ewaste.tradein.pricing import CatalogueModel, Condition, Cosmetic, Fault, PriceTable

COLUMNS = ("kind", "device_class", "name", "value", "estimate", "seen_on", "seen_count", "basis", "source")
KIND_WORDS = {
    "base": "Base price, US dollars",
    "grade": "Looks",
    "fault": "Fault",
    "storage": "Each doubling of storage",
    "buyback": "Our share taken off",
    "fx": "US dollar to euro",
}
MOST_BYTES, MOST_LINES = 256 * 1024, 1_000
SAMPLES = 10
# What a factor of each kind may be at most; all are more than zero. A fault never makes a device dearer.
_MOST = {
    "grade": Decimal("2.5"),
    "fault": Decimal(1),
    "storage": Decimal("1.5"),
    "buyback": Decimal(1),
    "fx": Decimal(5),
}
_LEAST = {"storage": Decimal(1)}
_NUMBER = re.compile(r"\d{1,6}(\.\d{1,6})?", re.ASCII)
_GRADES = tuple(member.value for member in Cosmetic)


@dataclass(frozen=True)
class Figure:
    """One line of a table. `seen_on` and `seen_count` belong to base prices only."""

    kind: str
    device_class: str
    name: str
    value: Decimal | None
    estimate: bool
    basis: str
    source: str
    seen_on: date | None = None
    seen_count: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What the line is about."""
        return self.kind, self.device_class, self.name

    @property
    def label(self) -> str:
        """What the line is about, in words."""
        words = {**pricing.COSMETIC_WORDS, **pricing.FAULT_WORDS}
        return words.get(self.name, KIND_WORDS[self.kind] if self.kind in ("storage", "buyback", "fx") else self.name)


@dataclass(frozen=True)
class Change:
    """One line as it is and as it is to be."""

    old: Figure
    new: Figure


@dataclass(frozen=True)
class Effect:
    """What a sample device is quoted at by either table, in minor units."""

    model: str
    words: str
    before_minor: int
    after_minor: int
    currency: str


def figures(form: Mapping[str, Any], catalogue: Sequence[CatalogueModel]) -> list[Figure]:
    """Every line of a table, in the order in which it is shown: base prices, looks, faults, the rest."""
    bases = form.get("bases", {})
    lines = [_base(model, bases.get(model.id)) for model in catalogue]
    for kind, place in (("grade", "grades"), ("fault", "faults")):
        lines += [
            _factor(kind, device_class, name, entry)
            for device_class in pricing.DEVICE_CLASSES
            for name, entry in sorted(form[place].get(device_class, {}).items(), key=lambda item: _order(item[0]))
        ]
    lines.append(_factor("storage", "", "per_doubling", form["storage"]["per_doubling"]))
    lines.append(_factor("buyback", "", "buyback", form["buyback"]))
    lines.append(_factor("fx", "", "usd_to_eur", form["fx"]["usd_to_eur"]))
    return lines


def to_rows(lines: Iterable[Figure]) -> list[dict[str, Any]]:
    """The lines as rows of a CSV file with the columns of `COLUMNS`."""
    return [
        {
            "kind": line.kind,
            "device_class": line.device_class,
            "name": line.name,
            "value": "" if line.value is None else format(line.value, "f"),
            "estimate": "yes" if line.estimate else "no",
            "seen_on": line.seen_on.isoformat() if line.seen_on else "",
            "seen_count": "" if line.seen_count is None else line.seen_count,
            "basis": line.basis,
            "source": line.source,
        }
        for line in lines
    ]


def read_csv(text: str, lines: Sequence[Figure]) -> list[Change]:
    """What a CSV file changes of these lines. Raises `Invalid` (field `lines`) naming the row and what is wrong."""
    if len(text.encode()) > MOST_BYTES:
        raise Invalid("The file is too large: at most 256 KB.", field="lines")
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff").strip()), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise Invalid(f"This is no CSV file: {error}.", field="lines") from error
    missing = {"kind", "device_class", "name", "value"} - set(reader.fieldnames or ())
    if missing:
        raise Invalid(f"The first row names the columns; {', '.join(sorted(missing))} is missing.", field="lines")
    if len(rows) > MOST_LINES:
        raise Invalid(f"At most {MOST_LINES:,} lines.", field="lines")
    known = {line.key: line for line in lines}
    changes: dict[tuple[str, str, str], Change] = {}
    for number, row in enumerate(rows, start=2):
        key = tuple((row.get(column) or "").strip() for column in ("kind", "device_class", "name"))
        old = known.get(key)  # type: ignore[arg-type]
        if old is None:
            raise Invalid(f"Row {number}: the table has no line {' '.join(filter(None, key))}.", field="lines")
        if old.key in changes:
            raise Invalid(f"Row {number}: this line stands twice: {' '.join(filter(None, key))}.", field="lines")
        change = _change(number, old, row)
        if change is not None:
            changes[old.key] = change
    return list(changes.values())


def apply(form: Mapping[str, Any], changes: Sequence[Change], *, valid_from: date) -> dict[str, Any]:
    """The published form with these changes, to count from that day on. Raises `Invalid` when it does not hold
    together: nothing changes, or a worse look would bring more than a better one.
    """
    if not changes:
        raise Invalid("Nothing differs from the table as it is. Change at least one value.", field="lines")
    made: dict[str, Any] = copy.deepcopy(dict(form))
    made["valid_from"] = valid_from.isoformat()
    for change in changes:
        line = change.new
        if line.kind == "base":
            made.setdefault("bases", {})[line.name] = {
                "price_usd_minor": int((line.value or 0) * 100),
                "on": (line.seen_on or valid_from).isoformat(),
                "count": line.seen_count or 0,
                "basis": line.basis,
                "source": line.source,
            }
            continue
        entry = {
            "value": format(line.value or Decimal(0), "f"),
            "estimate": line.estimate,
            "basis": line.basis,
            "source": line.source,
        }
        place = _place(made, line)
        if "group" in place:
            entry["group"] = place["group"]
        place.clear()
        place.update(entry)
    _require_order(made)
    return made


def differences(old: Sequence[Figure], new: Sequence[Figure]) -> list[Change]:
    """What differs between two tables, line by line."""
    before = {line.key: line for line in old}
    return [Change(before[line.key], line) for line in new if line.key in before and before[line.key] != line]


def effects(
    old: PriceTable, new: PriceTable, catalogue: Sequence[CatalogueModel], on: date, *, most: int = SAMPLES
) -> list[Effect]:
    """Sample devices by both tables: those whose price changes first, one class after the other."""
    rows: dict[str, list[tuple[bool, Effect]]] = {}
    for model in catalogue:
        for condition in _conditions(model.device_class, old):
            effect = _effect(model, condition, old, new, on)
            if effect is not None:
                rows.setdefault(model.device_class, []).append((effect.before_minor == effect.after_minor, effect))
    for samples in rows.values():
        samples.sort(key=lambda row: row[0])
    chosen: list[tuple[bool, Effect]] = []
    for unchanged in (False, True):
        turn = 0
        while len(chosen) < most and any(turn < len(samples) for samples in rows.values()):
            chosen += [
                samples[turn] for samples in rows.values() if turn < len(samples) and samples[turn][0] is unchanged
            ]
            turn += 1
    return [effect for _, effect in chosen[:most]]


def _effect(model: CatalogueModel, condition: Condition, old: PriceTable, new: PriceTable, on: date) -> Effect | None:
    storage = min(model.storage_gb_options, default=0)
    try:
        before, after = (
            pricing.price(pricing.rebased(model, table), storage, condition, on, table) for table in (old, new)
        )
    except pricing.BadAnswer:
        return None  # It is not on sale yet.
    parts = [pricing.storage_words(storage)] if storage else []
    parts.append(pricing.COSMETIC_WORDS[condition.cosmetic])
    parts += [pricing.FAULT_WORDS[fault] for fault in sorted(condition.faults)]
    return Effect(model.full_name, ", ".join(parts), before.amount_minor, after.amount_minor, after.currency)


def _conditions(device_class: str, table: PriceTable) -> list[Condition]:
    faults = [Condition(Cosmetic.VISIBLE_WEAR, frozenset({Fault(name)})) for name in table.faults[device_class]]
    looks = (Cosmetic.LIGHT_MARKS, Cosmetic.LIKE_NEW, Cosmetic.VISIBLE_WEAR, Cosmetic.DAMAGED)
    return [*(Condition(look) for look in looks), *faults]


def _change(number: int, old: Figure, row: Mapping[str, str | None]) -> Change | None:
    typed = {name: " ".join((row.get(name) or "").split()) for name in COLUMNS}
    if typed["value"] == ("" if old.value is None else format(old.value, "f")) and (
        not typed["seen_on"] or typed["seen_on"] == (old.seen_on.isoformat() if old.seen_on else "")
    ):
        return None  # A line that nobody touched; its words alone are no change.
    if not _NUMBER.fullmatch(typed["value"]) or not (value := Decimal(typed["value"])):
        raise Invalid(f"Row {number}: the value is a number above zero, such as 0.85 or 240.", field="lines")
    if value != (old.value or 0) and (typed["source"] == old.source or len(typed["source"]) < 3):
        raise Invalid(
            f"Row {number}: {old.label} has a new value, so it needs its own source. Say where it comes from.",
            field="lines",
        )
    if len(typed["source"]) > 500 or len(typed["basis"]) > 500:
        raise Invalid(f"Row {number}: source and basis have at most 500 characters each.", field="lines")
    seen_on, seen_count = _seen(number, old, typed) if old.kind == "base" else (None, None)
    _require_bounds(number, old, value)
    estimate = typed["estimate"].casefold() not in ("no", "false", "0")  # A number that nobody vouches for is one.
    basis = typed["basis"] if typed["basis"] and typed["basis"] != old.basis else f"stated by {typed['source']}"
    if estimate and not basis.startswith("estimate"):
        basis = f"estimate: {basis}"
    elif not estimate and old.kind == "base" and not basis.startswith(("observed", "published")):
        basis = f"observed: {basis}"
    new = Figure(*old.key, value, estimate, basis, typed["source"] or old.source, seen_on, seen_count)
    return None if new == old else Change(old, new)


def _seen(number: int, old: Figure, typed: Mapping[str, str]) -> tuple[date, int]:
    try:
        seen_on = date.fromisoformat(typed["seen_on"])
    except ValueError:
        raise Invalid(
            f"Row {number}: say on which day this price of {old.name} was seen, such as 2026-11-20.", field="lines"
        ) from None
    if old.seen_on is not None and seen_on < old.seen_on:
        raise Invalid(f"Row {number}: a price of {old.name} from {old.seen_on} is known already.", field="lines")
    count = typed["seen_count"]
    if not (count.isascii() and count.isdigit() and 1 <= len(count) <= 6 and int(count)):
        raise Invalid(f"Row {number}: say how many prices of {old.name} were seen, at least one.", field="lines")
    return seen_on, int(count)


def _require_bounds(number: int, old: Figure, value: Decimal) -> None:
    most, least = _MOST.get(old.kind, Decimal(100_000)), _LEAST.get(old.kind, Decimal(0))
    if not least <= value <= most:
        raise Invalid(f"Row {number}: {old.label} lies between {least} and {most}.", field="lines")
    if old.kind == "base" and value != value.quantize(Decimal("0.01")):
        raise Invalid(f"Row {number}: a price has at most two decimals.", field="lines")


def _require_order(form: Mapping[str, Any]) -> None:
    for device_class, entries in form["grades"].items():
        values = [Decimal(entries[grade]["value"]) for grade in _GRADES]
        if values != sorted(values, reverse=True):
            raise Invalid(
                f"For a {device_class} a worse look would bring more than a better one. Looks go down from "
                "“like new” to “damaged”.",
                field="lines",
            )


def _place(form: dict[str, Any], line: Figure) -> dict[str, Any]:
    if line.kind in ("grade", "fault"):
        place = form["grades" if line.kind == "grade" else "faults"][line.device_class][line.name]
    else:
        place = {
            "storage": form["storage"].get("per_doubling"),
            "buyback": form["buyback"],
            "fx": form["fx"].get("usd_to_eur"),
        }[line.kind]
    found: dict[str, Any] = place
    return found


def _base(model: CatalogueModel, base: Mapping[str, Any] | None) -> Figure:
    if base is not None:
        return Figure(
            "base",
            model.device_class,
            model.id,
            _plain(Decimal(base["price_usd_minor"]) / 100),
            not base["basis"].startswith(("observed", "published")),
            base["basis"],
            base["source"],
            date.fromisoformat(base["on"]),
            base["count"],
        )
    seen = model.observed_price_usd_minor
    return Figure(
        "base",
        model.device_class,
        model.id,
        None if seen is None else _plain(Decimal(seen) / 100),
        model.is_estimate("observed_price_usd"),
        model.bases["observed_price_usd"],
        model.sources["observed_price_usd"],
        model.observed_on,
        model.observed_count,
    )


def _factor(kind: str, device_class: str, name: str, entry: Mapping[str, Any]) -> Figure:
    return Figure(
        kind, device_class, name, Decimal(entry["value"]), bool(entry["estimate"]), entry["basis"], entry["source"]
    )


def _plain(value: Decimal) -> Decimal:
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.quantize(Decimal("0.01"))


def _order(name: str) -> tuple[int, str]:
    return (_GRADES.index(name) if name in _GRADES else len(_GRADES), name)
