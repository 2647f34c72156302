"""What we pay for a device, and why: the public price formula, line by line.

    price = base x retention x storage step x grade x fault multipliers x buy-back ratio, at least the material value

The base is an observed market price brought to the day of the quote, or, where none was observed, the launch price
times the retention curve of its family. Every line rounds to whole minor units, half up, so that each can be checked
with a pocket calculator; the next line starts from the rounded amount. A monotone step rounded by a monotone rule
stays monotone: a worse condition, an older device or a smaller storage never raises the price.

The formula is pure. `load_catalogue` and `load_price_table` read the data files of this package and nothing else.
A `Priced` carries the inputs it was made from; `replay` makes the same `Priced` again from those and the table.
Numbers that were not measured or fetched say `estimate`, and so does a price that stands on one.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

RULES_VERSION = "pricing-1"
CURRENT_TABLE = "prices-2026-11"
DEVICE_CLASSES = ("smartphone", "tablet", "laptop", "desktop", "monitor", "server")


class BadAnswer(ValueError):
    """An answer that cannot be priced. `field` names it, `message` is a sentence for the person who gave it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


class CannotReplay(ValueError):
    """The stored inputs do not belong to these rules or to this price table."""


class Cosmetic(StrEnum):
    """How it looks, in the seller's words; from best to worst. Cracks are faults and counted there, once."""

    LIKE_NEW = "like_new"
    LIGHT_MARKS = "light_marks"
    VISIBLE_WEAR = "visible_wear"
    DAMAGED = "damaged"


class Fault(StrEnum):
    """What is wrong with it. Which of these a device class knows stands in the price table."""

    CRACKED_SCREEN = "cracked_screen"
    CRACKED_BACK = "cracked_back"
    DISPLAY_MARKS = "display_marks"
    BATTERY_BELOW_80 = "battery_below_80"
    BATTERY_DEAD = "battery_dead"
    NO_POWER = "no_power"
    WATER_DAMAGE = "water_damage"
    ACCOUNT_LOCKED = "account_locked"
    CARRIER_LOCKED = "carrier_locked"
    CAMERA_FAULT = "camera_fault"
    KEYBOARD_FAULT = "keyboard_fault"
    NO_STORAGE = "no_storage"
    MISSING_CHARGER = "missing_charger"


COSMETIC_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "like_new": "like new",
        "light_marks": "light marks",
        "visible_wear": "visible wear",
        "damaged": "damaged",
    }
)
FAULT_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "cracked_screen": "cracked screen",
        "cracked_back": "cracked back",
        "display_marks": "spots or lines on the display",
        "battery_below_80": "battery holds less than 80 %",
        "battery_dead": "battery is dead or missing",
        "no_power": "does not turn on",
        "water_damage": "has been wet inside",
        "account_locked": "locked to an account, a password or a company",
        "carrier_locked": "locked to one phone network",
        "camera_fault": "a camera or the face unlock does not work",
        "keyboard_fault": "keyboard or touchpad does not fully work",
        "no_storage": "no drive or no memory inside",
        "missing_charger": "charger, cable or stand missing",
    }
)


@dataclass(frozen=True)
class Condition:
    """The state of a device, as its owner declares it or as the bench found it."""

    cosmetic: Cosmetic
    faults: frozenset[Fault] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """The plain form that is stored, and that the processing domain speaks too."""
        return {"cosmetic": self.cosmetic.value, "faults": sorted(f.value for f in self.faults)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Condition":
        """Reads the plain form; raises BadAnswer, naming the field, for a word we do not know."""
        cosmetic, faults = data.get("cosmetic"), data.get("faults", [])
        if not isinstance(cosmetic, str) or cosmetic not in COSMETIC_WORDS:
            raise BadAnswer("cosmetic", f"Say how the device looks: {_one_of(COSMETIC_WORDS)}.")
        if isinstance(faults, str) or not isinstance(faults, Iterable):
            raise BadAnswer("faults", "The faults must be a list.")
        known: set[Fault] = set()
        for fault in faults:
            if not isinstance(fault, str) or fault not in FAULT_WORDS:
                raise BadAnswer("faults", f"We do not know the fault “{fault}”.")
            known.add(Fault(fault))
        return cls(Cosmetic(cosmetic), frozenset(known))


@dataclass(frozen=True)
class CatalogueModel:
    """A real model and what is known of it. Prices in minor units of US dollars, because they were observed there.

    `bases` says for each group of fields (`specs`, `launch_price_usd`, `observed_price_usd`, `pcf_total_kgco2e`)
    where the figure comes from; `is_estimate` reads it.
    """

    id: str
    brand: str
    name: str
    device_class: str
    launch: date
    identifier: str
    storage_gb_options: tuple[int, ...]
    ram_gb: str
    mass_g: int
    battery_mah: int | None
    battery_wh: Decimal | None
    launch_price_usd_minor: int
    curve: str
    observed_price_usd_minor: int | None
    observed_on: date | None
    observed_count: int | None
    pcf_total_kgco2e: Decimal | None
    bases: Mapping[str, str]
    sources: Mapping[str, str]

    @property
    def full_name(self) -> str:
        """The name as people say it: the brand once, then the model."""
        return self.name if self.name.startswith(self.brand) else f"{self.brand} {self.name}"

    def is_estimate(self, field: str) -> bool:
        """True when the figure was recalled, estimated or derived, not observed or published."""
        return not self.bases.get(field, "").startswith(("observed", "published"))


@dataclass(frozen=True)
class Figure:
    """One published number with its basis: where it comes from, how sure it is."""

    value: Decimal
    estimate: bool
    basis: str
    source: str
    low: Decimal | None = None
    high: Decimal | None = None
    group: str = ""


@dataclass(frozen=True)
class Curve:
    """How a family of devices keeps its price: `initial` x `yearly` ^ years since launch."""

    initial: Decimal
    yearly: Decimal
    estimate: bool
    basis: str
    source: str
    fitted_ages_years: tuple[Decimal, Decimal] | None = None


@dataclass(frozen=True)
class MaterialValue:
    """What the materials of a whole device of this class bring, after the cost of getting at them."""

    amount_minor: int
    typical_mass_g: int
    lines: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class BasePrice:
    """A market price of one model that a table was published with, newer than the catalogue's: in US dollar cents."""

    price_usd_minor: int
    on: date
    count: int
    basis: str
    source: str


@dataclass(frozen=True)
class PriceTable:
    """One published version of all numbers of the formula. `digest` is the SHA-256 of its canonical JSON text.

    `bases` are the market prices that came with this version; for every other model the catalogue's count.
    """

    version: str
    rules_version: str
    valid_from: date
    currency: str
    usd_to_eur: Figure
    curves: Mapping[str, Curve]
    per_doubling: Figure
    most_doublings: int
    grades: Mapping[str, Mapping[str, Figure]]
    faults: Mapping[str, Mapping[str, Figure]]
    buyback: Figure
    material: Mapping[str, MaterialValue]
    digest: str
    bases: Mapping[str, BasePrice] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash(self.digest)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "PriceTable":
        """Builds a table from its published form. Raises KeyError or ValueError when the form is not complete."""
        return cls(
            version=data["version"],
            rules_version=data["rules_version"],
            valid_from=date.fromisoformat(data["valid_from"]),
            currency=data["currency"],
            usd_to_eur=_figure(data["fx"]["usd_to_eur"]),
            curves={name: _curve(value) for name, value in data["curves"].items()},
            per_doubling=_figure(data["storage"]["per_doubling"]),
            most_doublings=int(data["storage"]["most_doublings"]),
            grades={k: {g: _figure(v) for g, v in grades.items()} for k, grades in data["grades"].items()},
            faults={k: {f: _figure(v) for f, v in faults.items()} for k, faults in data["faults"].items()},
            buyback=_figure(data["buyback"]),
            material={
                k: MaterialValue(v["amount_minor"], v["typical_mass_g"], tuple(v["lines"]))
                for k, v in data["material"].items()
            },
            digest=digest(data),
            bases={k: _base(v) for k, v in data.get("bases", {}).items()},
        )


@dataclass(frozen=True)
class Line:
    """One step of the price. `kind` says how `value` acts on the amount before it.

    `amount`: the line starts from this amount. `factor`: multiply, round half up. `floor`: not less than this amount.
    `amount_minor_after` is in minor units of `currency`.
    """

    rule: str
    label: str
    kind: str
    value: Decimal
    currency: str
    amount_minor_after: int
    basis: str
    estimate: bool
    source: str


@dataclass(frozen=True)
class Priced:
    """A price with the lines that lead to it and the inputs that it can be made from again."""

    amount_minor: int
    currency: str
    lines: tuple[Line, ...]
    inputs: Mapping[str, Any]

    @property
    def estimate(self) -> bool:
        """True when any line stands on an estimate."""
        return any(line.estimate for line in self.lines)

    @property
    def market_value_minor(self) -> int:
        """What the device should sell for as it is: the amount before the buy-back ratio and the floor."""
        before = [line for line in self.lines if line.rule not in ("buyback", "floor.material")]
        return before[-1].amount_minor_after


@dataclass(frozen=True)
class Difference:
    """One change between two prices of the same device: what was declared, what was found, what it costs or brings."""

    field: str
    declared: str
    found: str
    rule_id: str
    delta_minor: int


def price(model: CatalogueModel, storage_gb: int, condition: Condition, on: date, table: PriceTable) -> Priced:
    """What we pay for this model in this condition on that day, by this table.

    `storage_gb` is one of the model's options, or 0 where the model has none to choose from. Raises BadAnswer,
    naming the field, for a storage the model was not made with, a fault its class does not know, or a day before
    its launch.
    """
    if model.storage_gb_options and storage_gb not in model.storage_gb_options:
        sizes = ", ".join(storage_words(size) for size in model.storage_gb_options)
        raise BadAnswer("storage_gb", f"The {model.full_name} was made with {sizes}. Choose one of these.")
    if not model.storage_gb_options and storage_gb:
        raise BadAnswer("storage_gb", f"There is no storage to choose for the {model.full_name}.")
    for fault in sorted(condition.faults):
        if fault not in table.faults[model.device_class]:
            raise BadAnswer("faults", f"“{FAULT_WORDS[fault]}” does not apply to a {model.device_class}.")
    if on < model.launch:
        raise BadAnswer("model", f"The {model.full_name} was not sold before {model.launch:%Y-%m}.")
    return _work_out(_snapshot(model), storage_gb, condition, on, table)


def replay(inputs: Mapping[str, Any], table: PriceTable) -> Priced:
    """The same price again, from the inputs stored with a quote. Raises CannotReplay for other rules or tables."""
    if inputs.get("rules_version") != RULES_VERSION:
        raise CannotReplay(f"Made by the rules {inputs.get('rules_version')}; these are {RULES_VERSION}.")
    if (inputs.get("table_version"), inputs.get("table_digest")) != (table.version, table.digest):
        raise CannotReplay(
            f"Made by the table {inputs.get('table_version')}; this is another table or another text of it."
        )
    condition = Condition.from_json(inputs["condition"])
    return _work_out(inputs["model"], int(inputs["storage_gb"]), condition, date.fromisoformat(inputs["on"]), table)


def found(inputs: Mapping[str, Any], condition: Condition, table: PriceTable) -> Priced:
    """The quote with these inputs worked out again for another condition: same model, same day, same table.

    The model is the one that the quote kept, so a later catalogue or a later market price changes nothing. Raises
    `CannotReplay` for other rules or tables, `BadAnswer` for a fault that the class does not know.
    """
    device_class = replay(inputs, table).inputs["model"]["device_class"]
    for fault in sorted(condition.faults):
        if fault not in table.faults[device_class]:
            raise BadAnswer("faults", f"“{FAULT_WORDS[fault]}” does not apply to a {device_class}.")
    on = date.fromisoformat(inputs["on"])
    return _work_out(inputs["model"], int(inputs["storage_gb"]), condition, on, table)


def rebased(model: CatalogueModel, table: PriceTable) -> CatalogueModel:
    """The model with the market price that this table brought for it, or else as it is in the catalogue."""
    base = table.bases.get(model.id)
    if base is None:
        return model
    return replace(
        model,
        observed_price_usd_minor=base.price_usd_minor,
        observed_on=base.on,
        observed_count=base.count,
        bases={**model.bases, "observed_price_usd": base.basis},
        sources={**model.sources, "observed_price_usd": base.source},
    )


def digest(data: Mapping[str, Any]) -> str:
    """The SHA-256 of the canonical JSON text of a table's published form."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def built_in_form(version: str = CURRENT_TABLE) -> dict[str, Any]:
    """The published form of a table that came with the program. Raises LookupError for any other version."""
    file = resources.files(__package__) / "catalogue_data" / f"{version}.json"
    if not re.fullmatch(r"prices-\d{4}-\d{2}(-[a-z0-9]+)?", version) or not file.is_file():
        raise LookupError(f"There is no price table {version}.")
    form: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return form


def add_up(lines: Iterable[Line]) -> int:
    """The amount that the lines lead to, by their kinds and values alone: what a reader does with a calculator."""
    amount = 0
    for line in lines:
        if line.kind == "amount":
            amount = int(line.value)
        elif line.kind == "factor":
            amount = _half_up(amount * line.value)
        else:
            amount = max(amount, int(line.value))
    return amount


def compare(declared: Priced, found: Priced, table: PriceTable) -> tuple[Difference, ...]:
    """What lies between a quote and an offer, field by field, in minor units; better findings raise it.

    The declared device is turned into the found one, one field after the other (model, storage, looks, each fault),
    and priced after each step, so the deltas add up to `found.amount_minor - declared.amount_minor` exactly. Both
    must be of the same day and the same table: the promise of a quote is that only the device may differ.
    """
    replay(declared.inputs, table), replay(found.inputs, table)
    if declared.inputs["on"] != found.inputs["on"]:
        raise ValueError("An offer is worked out on the day of its quote.")
    before, after = declared.inputs["model"], found.inputs["model"]
    was, now = Condition.from_json(declared.inputs["condition"]), Condition.from_json(found.inputs["condition"])
    on = date.fromisoformat(found.inputs["on"])
    if before["device_class"] != after["device_class"]:
        # Another kind of device altogether: its faults have no counterpart, so this is one single difference.
        delta = found.amount_minor - declared.amount_minor
        return (Difference("model", before["name"], after["name"], "model", delta),)

    differences: list[Difference] = []
    model, storage, condition, amount = before, int(declared.inputs["storage_gb"]), was, declared.amount_minor

    def step(field: str, declared_words: str, found_words: str, rule_id: str) -> None:
        nonlocal amount
        reached = _work_out(model, storage, condition, on, table).amount_minor
        differences.append(Difference(field, declared_words, found_words, rule_id, reached - amount))
        amount = reached

    if before != after:
        model = after
        step("model", before["name"], after["name"], "model")
    if storage != int(found.inputs["storage_gb"]):
        words, storage = storage_words(storage), int(found.inputs["storage_gb"])
        step("storage_gb", words, storage_words(storage), "storage")
    if was.cosmetic != now.cosmetic:
        condition = Condition(now.cosmetic, condition.faults)
        step("cosmetic", COSMETIC_WORDS[was.cosmetic], COSMETIC_WORDS[now.cosmetic], f"grade.{now.cosmetic}")
    for fault in Fault:
        if fault in now.faults and fault not in was.faults:
            condition = Condition(condition.cosmetic, condition.faults | {fault})
            step(fault.value, "not declared", FAULT_WORDS[fault], f"fault.{fault}")
    for fault in Fault:
        if fault in was.faults and fault not in now.faults:
            condition = Condition(condition.cosmetic, condition.faults - {fault})
            found_words = "it is in the parcel" if fault is Fault.MISSING_CHARGER else "not found"
            step(fault.value, FAULT_WORDS[fault], found_words, f"fault.{fault}")
    return tuple(differences)


def to_json(priced: Priced) -> dict[str, Any]:
    """The form stored with a quote: plain JSON, factors as decimal text, amounts as integers."""
    return {
        "amount_minor": priced.amount_minor,
        "currency": priced.currency,
        "estimate": priced.estimate,
        "inputs": dict(priced.inputs),
        "lines": [{**vars(line), "value": format(line.value, "f")} for line in priced.lines],
    }


def from_json(data: Mapping[str, Any]) -> Priced:
    """Reads what `to_json` wrote. It trusts the text; `replay` is what checks it."""
    lines = tuple(Line(**{**line, "value": Decimal(line["value"])}) for line in data["lines"])
    return Priced(data["amount_minor"], data["currency"], lines, data["inputs"])


def storage_words(storage_gb: int) -> str:
    """Storage as people say it: 0 is "no choice", 1024 GB is 1 TB."""
    if not storage_gb:
        return "no choice of storage"
    return f"{storage_gb // 1024} TB" if storage_gb % 1024 == 0 else f"{storage_gb} GB"


def load_catalogue() -> list[CatalogueModel]:
    """All models we buy, in the order of the catalogue file."""
    return list(_catalogue())


def load_price_table(version: str = CURRENT_TABLE) -> PriceTable:
    """A price table that came with the program. Raises LookupError for any other version.

    What was published since stands in the database: `tradein.price_tables` finds it.
    """
    return _table(version)


@cache
def _catalogue() -> tuple[CatalogueModel, ...]:
    text = (resources.files(__package__) / "catalogue_data" / "catalogue.csv").read_text(encoding="utf-8")
    return tuple(_model(row) for row in csv.DictReader(io.StringIO(text)))


@cache
def _table(version: str) -> PriceTable:
    return PriceTable.from_json(built_in_form(version))


def _model(row: Mapping[str, str]) -> CatalogueModel:
    def number(field: str) -> int | None:
        return int(row[field]) if row[field] else None

    return CatalogueModel(
        id=row["id"],
        brand=row["brand"],
        name=row["model"],
        device_class=row["device_class"],
        launch=date.fromisoformat(row["launch"] + "-01"),
        identifier=row["identifier"],
        storage_gb_options=tuple(int(size) for size in row["storage_gb_options"].split("/") if size),
        ram_gb=row["ram_gb"],
        mass_g=int(row["mass_g"]),
        battery_mah=number("battery_mah"),
        battery_wh=Decimal(row["battery_wh"]) if row["battery_wh"] else None,
        launch_price_usd_minor=int(row["launch_price_usd"]) * 100,
        curve=row["curve"],
        observed_price_usd_minor=int(row["observed_price_usd"]) * 100 if row["observed_price_usd"] else None,
        observed_on=date.fromisoformat(row["observed_on"]) if row["observed_on"] else None,
        observed_count=number("observed_count"),
        pcf_total_kgco2e=Decimal(row["pcf_total_kgco2e"]) if row["pcf_total_kgco2e"] else None,
        bases=MappingProxyType(
            {
                "specs": row["specs_basis"],
                "launch_price_usd": row["launch_price_basis"],
                "observed_price_usd": row["observed_basis"],
                "pcf_total_kgco2e": row["pcf_basis"],
            }
        ),
        sources=MappingProxyType(
            {
                "specs": row["source"],
                "launch_price_usd": row["source"],
                "observed_price_usd": row["observed_source"],
                "pcf_total_kgco2e": row["pcf_source"],
            }
        ),
    )


def _figure(data: Mapping[str, Any]) -> Figure:
    return Figure(
        value=Decimal(data["value"]),
        estimate=bool(data["estimate"]),
        basis=data["basis"],
        source=data["source"],
        low=Decimal(data["low"]) if "low" in data else None,
        high=Decimal(data["high"]) if "high" in data else None,
        group=data.get("group", ""),
    )


def _base(data: Mapping[str, Any]) -> BasePrice:
    return BasePrice(
        price_usd_minor=int(data["price_usd_minor"]),
        on=date.fromisoformat(data["on"]),
        count=int(data["count"]),
        basis=data["basis"],
        source=data["source"],
    )


def _curve(data: Mapping[str, Any]) -> Curve:
    ages = data.get("fitted_ages_years")
    return Curve(
        initial=Decimal(data["initial"]),
        yearly=Decimal(data["yearly"]),
        estimate=bool(data["estimate"]),
        basis=data["basis"],
        source=data["source"],
        fitted_ages_years=(Decimal(ages[0]), Decimal(ages[1])) if ages else None,
    )


def _snapshot(model: CatalogueModel) -> dict[str, Any]:
    """What the formula reads of a model, in JSON. It travels with the quote, so a later catalogue changes nothing."""
    observed = None
    if model.observed_price_usd_minor is not None and model.observed_on is not None:
        observed = {
            "price_usd_minor": model.observed_price_usd_minor,
            "on": model.observed_on.isoformat(),
            "count": model.observed_count,
            "estimate": model.is_estimate("observed_price_usd"),
            "basis": model.bases["observed_price_usd"],
            "source": model.sources["observed_price_usd"],
        }
    return {
        "id": model.id,
        "name": model.full_name,
        "device_class": model.device_class,
        "launch": model.launch.isoformat(),
        "smallest_storage_gb": min(model.storage_gb_options, default=0),
        "mass_g": model.mass_g,
        "curve": model.curve,
        "launch_price": {
            "price_usd_minor": model.launch_price_usd_minor,
            "estimate": model.is_estimate("launch_price_usd"),
            "basis": model.bases["launch_price_usd"],
            "source": model.sources["launch_price_usd"],
        },
        "observed": observed,
    }


def _work_out(model: Mapping[str, Any], storage_gb: int, condition: Condition, on: date, table: PriceTable) -> Priced:
    """The formula itself, from the snapshot of a model."""
    lines: list[Line] = []
    amount = 0

    def add(rule: str, label: str, kind: str, value: Decimal, why: tuple[str, bool, str], currency: str = "") -> None:
        nonlocal amount
        basis, estimate, source = why
        line = Line(rule, label, kind, value, currency or table.currency, 0, basis, estimate, source)
        amount = add_up([Line("", "", "amount", Decimal(amount), "", 0, "", False, ""), line])
        lines.append(Line(**{**vars(line), "amount_minor_after": amount}))

    def times(rule: str, label: str, figure: Figure) -> None:
        add(rule, label, "factor", figure.value, (figure.basis, figure.estimate, figure.source))

    curve, launch, observed = table.curves[model["curve"]], date.fromisoformat(model["launch"]), model["observed"]
    if observed:
        seen = date.fromisoformat(observed["on"])
        why = (observed["basis"], observed["estimate"], observed["source"])
        label = f"Market price seen in {seen:%Y-%m}, median of {observed['count']}, in US dollars"
        add("base.observed", label, "amount", Decimal(observed["price_usd_minor"]), why, "USD")
        months, factor = _months(seen, on), Decimal(1)
        aged = f"{_age_words(months)} older since then"
    else:
        bought = model["launch_price"]
        why = (bought["basis"], bought["estimate"], bought["source"])
        label = f"Price when new in {launch:%Y-%m}, in US dollars"
        add("base.launch", label, "amount", Decimal(bought["price_usd_minor"]), why, "USD")
        months, factor = _months(launch, on), curve.initial
        aged = f"What is left of it after {_age_words(months)}"
    times("fx", "In euros", table.usd_to_eur)
    why = _curve_basis(curve, _months(launch, on), projected=bool(observed))
    add("retention", aged, "factor", _power(factor, curve.yearly, months), why)

    steps = _doublings(model["smallest_storage_gb"], storage_gb, table.most_doublings)
    if steps:
        step = table.per_doubling
        label = f"{storage_words(storage_gb)} instead of {storage_words(model['smallest_storage_gb'])}"
        add(
            "storage",
            label,
            "factor",
            _power(Decimal(1), step.value, 12 * steps),
            (step.basis, step.estimate, step.source),
        )

    device_class = model["device_class"]
    grade = table.grades[device_class][condition.cosmetic]
    times(f"grade.{condition.cosmetic}", f"Looks: {COSMETIC_WORDS[condition.cosmetic]}", grade)
    for fault in _counted(condition.faults, table.faults[device_class]):
        times(f"fault.{fault}", FAULT_WORDS[fault].capitalize(), table.faults[device_class][fault])

    times("buyback", "Our share for testing, wiping, selling, warranty and risk is taken off", table.buyback)
    floor, material = _material_floor(model, table), table.material[device_class]
    why = (
        f"estimate: low figures for a {device_class} of {material.typical_mass_g} g, scaled by mass, at most once",
        True,
        f"{table.version}, material, {device_class}",
    )
    add("floor.material", "Never less than its materials are worth", "floor", Decimal(floor), why)
    inputs = {
        "rules_version": RULES_VERSION,
        "table_version": table.version,
        "table_digest": table.digest,
        "on": on.isoformat(),
        "storage_gb": storage_gb,
        "condition": condition.to_json(),
        "model": dict(model),
    }
    return Priced(amount, table.currency, tuple(lines), inputs)


def _counted(faults: frozenset[Fault], figures: Mapping[str, Figure]) -> list[Fault]:
    """The faults that count: of a group that says the same thing twice (a weak and a dead battery), the worst one."""
    worst: dict[str, Fault] = {}
    for fault in Fault:
        if fault in faults:
            group = figures[fault].group or fault.value
            if group not in worst or figures[fault].value < figures[worst[group]].value:
                worst[group] = fault
    return [fault for fault in Fault if fault in worst.values()]


def _material_floor(model: Mapping[str, Any], table: PriceTable) -> int:
    material = table.material[model["device_class"]]
    share = min(Decimal(1), Decimal(model["mass_g"]) / Decimal(material.typical_mass_g))
    return _half_up(material.amount_minor * share)


def _curve_basis(curve: Curve, age_months: int, *, projected: bool) -> tuple[str, bool, str]:
    """An age outside the ages that a curve was fitted on, or a price carried forward, is an estimate and says so."""
    if curve.estimate:
        return curve.basis, True, curve.source
    if projected:
        return f"estimate: carried forward by the yearly factor {curve.yearly}; {curve.basis}", True, curve.source
    low, high = curve.fitted_ages_years or (Decimal(0), Decimal(0))
    if not low <= Decimal(age_months) / 12 <= high:
        basis = f"estimate: outside the ages of {low} to {high} years that it was fitted on; {curve.basis}"
        return basis, True, curve.source
    return curve.basis, False, curve.source


def _doublings(smallest: int, storage_gb: int, most: int) -> int:
    steps = 0
    while smallest and smallest * 2 <= storage_gb and steps < most:
        smallest, steps = smallest * 2, steps + 1
    return steps


def _months(start: date, end: date) -> int:
    """Whole months from one day to a later one; 0 when it is not later."""
    months = (end.year - start.year) * 12 + end.month - start.month - (end.day < start.day)
    return max(months, 0)


def _age_words(months: int) -> str:
    years, rest = divmod(months, 12)
    parts = [f"{n} {word}{'s' if n != 1 else ''}" for n, word in ((years, "year"), (rest, "month")) if n]
    return " and ".join(parts) or "less than a month"


def _power(initial: Decimal, yearly: Decimal, months: int) -> Decimal:
    """initial x yearly ^ (months / 12), rounded half up to six places, so that every machine gets the same digits."""
    with localcontext() as context:
        context.prec = 40
        return (initial * yearly ** (Decimal(months) / 12)).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def _half_up(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), ROUND_HALF_UP))


def _one_of(words: Mapping[str, str]) -> str:
    return ", ".join(words.values())
