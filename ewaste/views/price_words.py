"""The lines of a price in plain words: what a line is, and where its number comes from, before anything for experts.

The formula's own labels are stored with each quote and never change, as they are replayed; these are what pages show.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ewaste.tradein import pricing, questions

# What a seller who could not tell is reckoned with.
NOT_KNOWN = {
    "display_marks": "Picture not known, reckoned as spots",
    "battery_below_80": "Battery not known, reckoned as less than 80 %",
}
PAYS_FOR = "testing, wiping, selling, warranty and risk"
# Notes that the makers of a table wrote for themselves, as the public reads them.
_FROM_MEMORY = "Estimate: from memory of the maker’s pages, not checked yet"
_NOTES = (
    ("recalled from the maker's pages, not fetched: verify before publication", _FROM_MEMORY),
    ("estimate: recalled and converted from euros", "Estimate: from memory, converted from euros, not checked yet"),
    ("recalled: verify before publication", "Estimate: from memory, not checked yet"),
    ("recalled - verify", "from memory, not checked yet"),
    ("recalled Apple PER - verify", "Apple’s report, from memory, not checked yet"),
)


def note(text: str) -> str:
    """A basis or source as it may be read in public."""
    for inside, outside in _NOTES:
        text = text.replace(inside, outside)
    return text


def label(line: Mapping[str, Any], inputs: Mapping[str, Any]) -> str:
    """What a line is about; the formula's own words where they are plain already."""
    rule, observed = line["rule"], inputs["model"]["observed"]
    if rule == "base.observed" and observed:
        seen = date.fromisoformat(observed["on"])
        return f"Asking price in the USA in {seen:%B %Y}, the middle of {observed['count']}, in US dollars"
    if rule == "buyback":
        kept = _percent(Decimal(line["value"]))
        return f"{kept} % is yours; {100 - kept} % pays for {PAYS_FOR}"
    fault = rule.removeprefix("fault.")
    if fault in NOT_KNOWN and fault in _unknown(inputs):
        return NOT_KNOWN[fault]
    return str(line["label"])


def plain(line: Mapping[str, Any], inputs: Mapping[str, Any], table: pricing.PriceTable) -> str:
    """Where the number of a line comes from, in a sentence or two."""
    rule, basis, source = line["rule"], str(line["basis"]), str(line["source"])
    own = "Our own estimate." if line["estimate"] else ""
    if rule == "base.observed":
        return _observed(inputs["model"]["observed"], basis, source)
    if rule == "base.launch":
        return f"{_FROM_MEMORY}." if line["estimate"] else "Published by the maker."
    if rule == "fx":
        return "The exchange rate of the European Central Bank on an earlier day, so an estimate for today."
    if rule == "retention":
        kept = "Prices fall as a device gets older."
        return f"{kept} How fast was reckoned from asking prices on eBay USA." if "eBay" in source else f"{kept} {own}"
    if rule == "storage":
        return f"More storage brings a little more. {own}"
    if rule.startswith("grade."):
        return _looks(basis, source, own)
    if rule.startswith("fault."):
        return f"{own} {_only_the_worst(rule.removeprefix('fault.'), inputs, table)}".strip()
    if rule == "buyback":
        share = _percent(Decimal(line["value"]))
        return f"Of what it should sell for, {share} % is yours and {100 - share} % pays for {PAYS_FOR}. {own}".strip()
    if rule == "floor.material":
        return "What its materials would bring, reckoned low. We never pay less."
    return note(basis)


def _observed(observed: Mapping[str, Any] | None, basis: str, source: str) -> str:
    if observed is None or "eBay" not in f"{basis} {source}":
        return note(basis)
    seen = date.fromisoformat(observed["on"])
    asked = f"Asking prices on eBay USA, {seen:%B %Y}; the middle of {observed['count']}."
    like = " Of all laptops with a processor of the same generation, so an estimate." if "processor" in basis else ""
    return asked + like + " What sellers ask there is not always what is paid."


def _looks(basis: str, source: str, own: str) -> str:
    if basis.startswith("definition"):
        return "These looks are what all others are compared with."
    if own or "eBay" not in source:
        return own or note(basis)
    return "How much more or less was asked on eBay USA for devices that look so."


def _only_the_worst(fault: str, inputs: Mapping[str, Any], table: pricing.PriceTable) -> str:
    """Of faults that say the same thing twice, the formula counts the worst; the others have no line."""
    figures = table.faults[inputs["model"]["device_class"]]
    figure = figures.get(fault)
    if figure is None or not figure.group:
        return ""
    beside = [
        pricing.FAULT_WORDS[other]
        for other in inputs["condition"]["faults"]
        if other != fault and other in figures and figures[other].group == figure.group
    ]
    return f"You also said: {', '.join(beside)}. Only the worst of these counts." if beside else ""


def _unknown(inputs: Mapping[str, Any]) -> set[str]:
    """The faults that were declared only because the seller could not tell."""
    answers = inputs.get("answers", {})
    return {
        fault.value
        for question in questions.QUESTIONS.get(inputs["model"]["device_class"], ())
        if answers.get(question.field) == questions.UNKNOWN
        for choice in question.choices
        if choice.value == questions.UNKNOWN
        for fault in choice.faults
    }


def _percent(share: Decimal) -> int:
    return int((share * 100).to_integral_value())
