"""Which of its three ways a device takes: resale, remanufacture or dismantling, by expected net value, explained.

For each way the expected money is added up line by line: what it brings times how likely that is, less what it costs.
What the rules forbid is shown too, with the reason, but never chosen. Dismantling is always open, so no device is
without an end. Of equal ways the one that keeps more of the device wins.

Pure: values in, values out; `load_routing_table` reads the data file of this package. Every line is in whole minor
units, rounded half up, and carries the basis and source of its number.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib import resources
from typing import Any, Literal

from ewaste.core.money import in_words

CURRENT_TABLE = "routing-2026-11"
ROUTING_RULES_VERSION = "routing-1"

WayName = Literal["for_resale", "for_remanufacture", "for_dismantling"]
WAY_WORDS: Mapping[str, str] = {
    "for_resale": "Resale",
    "for_remanufacture": "Remanufacture",
    "for_dismantling": "Dismantling",
}
BatteryFate = Literal["keep", "second-life", "recycle", "none"]


class BadRouteInput(ValueError):
    """A value that no way can be worked out from. `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True)
class RouteInputs:
    """What the ways are worked out from; money in minor units of the table's currency.

    `as_is_minor` is the selling price of the device as it is, `repaired_minor` the one it would have with the faults
    that we can repair gone (`repairable`). `stuck_medium` says that a storage medium failed its wipe and cannot be
    taken out of the device; `remanufactured` that it was repaired already. `battery_state` is ok, dead, damaged,
    missing or none; `battery_soh` is in percent.
    """

    device_class: str
    function: str
    as_is_minor: int
    repaired_minor: int
    mass_g: int
    faults: frozenset[str] = frozenset()
    locked: bool = False
    stuck_medium: bool = False
    battery_state: str = "none"
    battery_soh: int | None = None
    has_software: bool = False
    remanufactured: bool = False

    def to_json(self) -> dict[str, Any]:
        """The form stored with a route."""
        return {**vars(self), "faults": sorted(self.faults)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "RouteInputs":
        """Reads what `to_json` wrote."""
        return cls(**{**data, "faults": frozenset(data["faults"])})


@dataclass(frozen=True)
class RouteLine:
    """One item of a way: what it brings (positive) or costs (negative), and how likely it was taken to be."""

    rule: str
    label: str
    amount_minor: int
    probability: Decimal | None
    basis: str
    estimate: bool
    source: str


@dataclass(frozen=True)
class Way:
    """One of the three ways: what it is expected to bring, whether it is open, and why (or why not).

    A way without lines was not worked out: there is nothing to repair.
    """

    name: WayName
    expected_net_minor: int
    lines: tuple[RouteLine, ...]
    allowed: bool
    why: str


@dataclass(frozen=True)
class Route:
    """The way that was chosen, the three that were compared, and the sentences that explain it."""

    chosen: WayName
    ways: tuple[Way, ...]
    battery: BatteryFate
    version: str
    currency: str
    explanation: tuple[str, ...]
    inputs: RouteInputs


@dataclass(frozen=True)
class RoutingTable:
    """A published version of the numbers, as read from its file."""

    version: str
    currency: str
    data: Mapping[str, Any]


def route(inputs: RouteInputs, table: RoutingTable) -> Route:
    """The way that this device takes. Raises BadRouteInput, naming the field, for a value that makes no sense."""
    _check(inputs, table)
    dismantling = _dismantling(inputs, table)
    ways = (_resale(inputs, table, dismantling), _remanufacture(inputs, table, dismantling), dismantling)
    # `max` keeps the first of equals, and the ways stand in the order of how much of the device they keep.
    chosen = max((way for way in ways if way.allowed), key=lambda way: way.expected_net_minor)
    battery = _battery_fate(inputs, table, chosen.name)
    return Route(
        chosen=chosen.name,
        ways=ways,
        battery=battery,
        version=f"{ROUTING_RULES_VERSION}/{table.version}",
        currency=table.currency,
        explanation=_explain(ways, chosen, battery, table.currency),
        inputs=inputs,
    )


def repairable(device_class: str, table: RoutingTable) -> frozenset[str]:
    """The faults that we can repair on this class, in the words of the price formula; batteries are replaced."""
    data = _class(device_class, table)
    batteries = {"battery_below_80", "battery_dead"} if data["has_battery"] else set()
    return frozenset(data["repairs"]) | batteries


def to_json(route: Route) -> dict[str, Any]:
    """The form stored with a routing: with its inputs, so that `route` makes the same again."""
    return {
        "chosen": route.chosen,
        "battery": route.battery,
        "version": route.version,
        "currency": route.currency,
        "explanation": list(route.explanation),
        "inputs": route.inputs.to_json(),
        "ways": [
            {
                **vars(way),
                "lines": [
                    {**vars(line), "probability": None if line.probability is None else format(line.probability, "f")}
                    for line in way.lines
                ],
            }
            for way in route.ways
        ],
    }


def load_routing_table(version: str = CURRENT_TABLE) -> RoutingTable:
    """A published routing table by its version. Raises LookupError for one that was never published."""
    return _table(version)


@cache
def _table(version: str) -> RoutingTable:
    file = resources.files(__package__) / "data" / f"{version}.json"
    if not re.fullmatch(r"routing-\d{4}-\d{2}(-[a-z0-9]+)?", version) or not file.is_file():
        raise LookupError(f"There is no routing table {version}.")
    data = json.loads(file.read_text(encoding="utf-8"))
    return RoutingTable(data["version"], data["currency"], data)


class _Sum:
    """Collects the lines of a way."""

    def __init__(self) -> None:
        self.lines: list[RouteLine] = []

    def add(
        self, rule: str, label: str, amount: Decimal | int, figure: Mapping[str, Any], chance: Decimal | None
    ) -> None:
        minor = int(Decimal(amount).quantize(Decimal(1), ROUND_HALF_UP))
        line = RouteLine(rule, label, minor, chance, figure["basis"], figure["estimate"], figure["source"])
        self.lines.append(line)

    @property
    def total(self) -> int:
        return sum(line.amount_minor for line in self.lines)

    def way(self, name: WayName, *, allowed: bool, why: str) -> Way:
        return Way(name, self.total, tuple(self.lines), allowed, why)


def _resale(inputs: RouteInputs, table: RoutingTable, dismantling: Way) -> Way:
    data, total = _class(inputs.device_class, table), _Sum()
    # A function below the limit is not sold; its column still shows what the lowest sellable one would bring.
    figure = data["sale_probability"].get(inputs.function, data["sale_probability"]["F3"])
    _selling(total, inputs, table, inputs.as_is_minor, Decimal(figure["value"]), figure, dismantling)
    refusal = _no_sale(inputs) or _no_resale(inputs, table)
    return total.way("for_resale", allowed=not refusal, why=refusal or "It works and may be sold as it is.")


def _remanufacture(inputs: RouteInputs, table: RoutingTable, dismantling: Way) -> Way:
    data, total = _class(inputs.device_class, table), _Sum()
    repairs = [
        (fault.replace("_", " "), data["repairs"][fault]) for fault in sorted(inputs.faults & set(data["repairs"]))
    ]
    if _needs_battery(inputs, table):
        repairs.append(("new battery", data["battery"]["replace"]))
    success = Decimal(1)
    for label, repair in repairs:
        success *= Decimal(repair["success"]["value"])
        total.add(f"repair.{label}", f"Repair: {label}", -repair["cost"]["amount_minor"], repair["cost"], None)
    if repairs:
        figure = data["sale_probability"]["F5"]
        chance = success * Decimal(figure["value"])
        _selling(total, inputs, table, inputs.repaired_minor, chance, figure, dismantling)
        if _needs_battery(inputs, table):
            _battery_line(total, inputs, table)
    refusal = _no_sale(inputs) or _no_repair(inputs, data, repairs)
    return total.way("for_remanufacture", allowed=not refusal, why=refusal or "What is wrong can be repaired.")


def _dismantling(inputs: RouteInputs, table: RoutingTable) -> Way:
    data, total = _class(inputs.device_class, table), _Sum()
    share = min(Decimal(1), Decimal(inputs.mass_g) / Decimal(data["typical_mass_g"]))
    for rule, label, sign in (
        ("materials", "Metals and plastics", 1),
        ("dismantling_labour", "Taking it apart", -1),
        ("treatment", "Smelting, battery recycling, treatment of the rest", -1),
    ):
        total.add(rule, label, sign * data[rule]["amount_minor"] * share, data[rule], None)
    if not inputs.stuck_medium and "water_damage" not in inputs.faults:
        chance = Decimal(data["parts_probability"]["value"])
        parts = inputs.repaired_minor * Decimal(data["parts_share"]["value"]) * chance
        # Parts are taken out only where that pays for the work.
        if parts > data["parts_labour"]["amount_minor"]:
            total.add("parts", "Parts that are sold", parts, data["parts_share"], chance)
            total.add(
                "parts_labour", "Taking parts out", -data["parts_labour"]["amount_minor"], data["parts_labour"], None
            )
    if data["has_battery"] and inputs.battery_state != "missing":
        _battery_line(total, inputs, table)
    why = "It may always be dismantled; each part and gram is then accounted for."
    if inputs.stuck_medium:
        why = "A storage medium failed its wipe and cannot be taken out, so the device can only be dismantled."
    return total.way("for_dismantling", allowed=True, why=why)


def _selling(
    total: _Sum,
    inputs: RouteInputs,
    table: RoutingTable,
    value_minor: int,
    chance: Decimal,
    figure: Mapping[str, Any],
    dismantling: Way,
) -> None:
    """The lines that both ways of selling share: the price times its chance, fees, warranty, work, the way back."""
    data = _class(inputs.device_class, table)
    fee, warranty = table.data["selling_fee"], table.data["warranty_reserve"]
    expected = value_minor * chance
    total.add("sale", "Selling price times the chance to sell", expected, figure, chance)
    total.add("selling_fee", "Selling and payment fees", -expected * Decimal(fee["value"]), fee, chance)
    total.add("warranty", "Reserve for returns and warranty", -expected * Decimal(warranty["value"]), warranty, chance)
    total.add("refurbish", "Cleaning, testing, packing", -data["refurbish"]["amount_minor"], data["refurbish"], None)
    if data["software"] and not inputs.has_software:
        total.add("software", "Licensed software", -data["software"]["amount_minor"], data["software"], None)
    back = {"basis": "computed: the net value of dismantling", "estimate": True, "source": table.version}
    total.add(
        "unsold", "Dismantled, if it does not sell", dismantling.expected_net_minor * (1 - chance), back, 1 - chance
    )


def _battery_line(total: _Sum, inputs: RouteInputs, table: RoutingTable) -> None:
    """What a battery that comes out brings or costs; recycling a sound one is part of the treatment already."""
    battery = _class(inputs.device_class, table)["battery"]
    if inputs.battery_state == "damaged":
        figure = battery["damaged_handling"]
        total.add("battery.damaged", "Handling the damaged battery", -figure["amount_minor"], figure, None)
    elif _second_life(inputs, table):
        figure = battery["second_life_credit"]
        total.add("battery.second-life", "Battery sold into a second life", figure["amount_minor"], figure, None)


def _no_sale(inputs: RouteInputs) -> str | None:
    """Why neither the device nor a repaired one may be sold on."""
    if inputs.stuck_medium:
        return "A storage medium failed its wipe and cannot be taken out, so the device does not travel on."
    if inputs.locked:
        return "It is locked to an account or a company, so nobody else could use it."
    return None


def _no_resale(inputs: RouteInputs, table: RoutingTable) -> str | None:
    if inputs.function not in table.data["resale_functions"]:
        least = min(table.data["resale_functions"])
        return f"Its function grade is {inputs.function}; it is sold as it is from {least} on."
    if not _class(inputs.device_class, table)["has_battery"]:
        return None
    keep = table.data["battery"]["keep_soh"]
    if inputs.battery_state == "damaged":
        return "Its battery is damaged."
    if inputs.battery_state in ("dead", "missing", "none"):
        return "It has no working battery."
    if inputs.battery_soh is None:
        return f"The battery's state of health was not read; {keep} % must be shown before it is sold with it."
    if inputs.battery_soh < keep:
        return f"The battery holds {inputs.battery_soh} %; devices are sold with {keep} % or more."
    return None


def _no_repair(inputs: RouteInputs, data: Mapping[str, Any], repairs: list[tuple[str, Any]]) -> str | None:
    if inputs.remanufactured:
        return "It was remanufactured already; it is not repaired a second time."
    if not repairs:
        return "There is nothing on it that we know how to repair."
    if (
        inputs.function in ("F1", "F2")
        and not inputs.faults & set(data["repairs"])
        and inputs.battery_state != "damaged"
    ):
        return f"Its function grade is {inputs.function}, and no fault that we can repair explains it."
    return None


def _needs_battery(inputs: RouteInputs, table: RoutingTable) -> bool:
    if not _class(inputs.device_class, table)["has_battery"]:
        return False
    sound = inputs.battery_state == "ok" and inputs.battery_soh is not None
    return not sound or (inputs.battery_soh or 0) < table.data["battery"]["keep_soh"]


def _second_life(inputs: RouteInputs, table: RoutingTable) -> bool:
    soh = inputs.battery_soh
    return inputs.battery_state == "ok" and soh is not None and soh >= table.data["battery"]["second_life_soh"]


def _battery_fate(inputs: RouteInputs, table: RoutingTable, chosen: WayName) -> BatteryFate:
    if not _class(inputs.device_class, table)["has_battery"] or inputs.battery_state == "missing":
        return "none"
    if chosen != "for_dismantling" and not _needs_battery(inputs, table):
        return "keep"
    return "second-life" if _second_life(inputs, table) else "recycle"


def _explain(ways: tuple[Way, ...], chosen: Way, battery: BatteryFate, currency: str) -> tuple[str, ...]:
    sums = ", ".join(
        f"{WAY_WORDS[way.name].lower()} {in_words(way.expected_net_minor, currency)}" for way in ways if way.lines
    )
    sentences = [f"Expected after all costs (estimate): {sums}."]
    sentences += [f"{WAY_WORDS[way.name]} is not open: {way.why}" for way in ways if not way.allowed]
    closed = [way for way in ways if not way.allowed]
    among = "the only way that is open" if len(closed) == 2 else "the most of the ways that are open"
    sentences.append(f"{WAY_WORDS[chosen.name]} is chosen: {among}, {in_words(chosen.expected_net_minor, currency)}.")
    words = {
        "keep": "The battery stays in the device.",
        "second-life": "The battery goes into a second life.",
        "recycle": "The battery is recycled.",
    }
    if battery in words:
        sentences.append(words[battery])
    return tuple(sentences)


def _class(device_class: str, table: RoutingTable) -> Mapping[str, Any]:
    if device_class not in table.data["classes"]:
        raise BadRouteInput("device_class", f"There are no figures for the kind “{device_class}”.")
    data: Mapping[str, Any] = table.data["classes"][device_class]
    return data


def _check(inputs: RouteInputs, table: RoutingTable) -> None:
    _class(inputs.device_class, table)
    if inputs.as_is_minor < 0:
        raise BadRouteInput("as_is_minor", "A selling price is not negative.")
    if inputs.repaired_minor < inputs.as_is_minor:
        raise BadRouteInput("repaired_minor", "A repaired device is not worth less than the device as it is.")
    if inputs.mass_g < 1:
        raise BadRouteInput("mass_g", "The mass is a number of grams above zero.")
    if inputs.function not in ("F1", "F2", "F3", "F4", "F5", "F6"):
        raise BadRouteInput("function", f"There is no function grade {inputs.function}.")
    if inputs.battery_state not in ("ok", "dead", "damaged", "missing", "none"):
        raise BadRouteInput("battery_state", f"There is no battery state {inputs.battery_state}.")
    if inputs.battery_soh is not None and not 0 <= inputs.battery_soh <= 110:
        raise BadRouteInput("battery_soh", "The state of health is between 0 and 110 %.")
