"""The form of an inspection: the checklist in sections, beside what the owner declared. Reads no database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device
from ewaste.processing import checklist
from ewaste.tradein import pricing, questions

# Item of the checklist ← question of the quote, with what an answer declares. Only where the two ask the same.
DECLARED: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "power": ("power", {"yes": "on", "no": "off"}),
    "screen_crack": ("screen", {"whole": "no", "cracked": "yes"}),
    "back_crack": ("back", {"whole": "no", "cracked": "yes"}),
    "display": ("display", {"clean": "ok", "marks": "marks"}),
    "liquid": ("liquid", {"no": "no", "yes": "yes"}),
    "account_lock": ("account", {"yes": "none", "no": "locked"}),
    "firmware_lock": ("account", {"yes": "none", "no": "locked"}),
    "network_lock": ("network", {"yes": "none", "no": "locked"}),
    "storage": ("storage", {"yes": "present", "no": "missing"}),
    "charger": ("charger", {"yes": "yes", "no": "no"}),
}


def declared(device_class: str, answers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the owner said, question by question, in the words of the form."""
    said = []
    for question in questions.QUESTIONS.get(device_class, ()):
        label = next((choice.label for choice in question.choices if choice.value == answers.get(question.field)), None)
        if label is not None:
            said.append((question.text, label))
    return said


# The parts of the inspection form, and the items of the checklist that stand in each; the rest stands in the last.
SECTIONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Identity", ("observed_serial", "mass_g", "identity", "used")),
    ("Safety and power", ("battery_state", "power", "battery_soh", "liquid")),
    ("Looks", ("screen_wear", "screen_crack", "body_wear", "back_crack", "display")),
    ("Locks", ("account_lock", "firmware_lock", "network_lock")),
    ("Contents", ("storage", "charger")),
    ("Function, on the wiped device", ()),
)


def sections(device_class: str, answers: Mapping[str, str], state: State) -> list[dict[str, Any]]:
    """The form of an inspection, in sections; of the second one, with the tests that a wiped device allows."""
    if state not in (State.RECEIVED, State.FOR_REMANUFACTURE):
        return []
    again = state is State.FOR_REMANUFACTURE
    listed = _checklist(device_class, {} if again else answers, whole=again)
    known = {name for _, names in SECTIONS for name in names}
    parts = [
        {"title": title, "fields": [field for field in listed if field["name"] in names]}
        for title, names in SECTIONS[:-1]
    ]
    parts.append({"title": SECTIONS[-1][0], "fields": [field for field in listed if field["name"] not in known]})
    return [section for section in parts if section["fields"]]


def _checklist(device_class: str, answers: Mapping[str, str], *, whole: bool) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    if not whole:
        listed.append(
            {
                "name": "observed_serial",
                "label": "Which serial number or IMEI does the device itself show?",
                "hint": "Read it from the device: settings, *#06#, the label under the case. Copy it from nowhere.",
                "kind": "text",
                "unit": None,
                "options": [],
                "declared": None,
                "required": True,
            }
        )
    listed.append(
        {
            "name": "mass_g",
            "label": "What does the device weigh, out of its parcel?",
            "hint": "Without charger and packing. The recycler's fractions are held against this weight.",
            "kind": "number",
            "unit": "g",
            "options": [],
            "declared": None,
            "required": True,
        }
    )
    for item in checklist.items(device_class, None if whole else "before-offer"):
        question, words = DECLARED.get(item.id, ("", {}))
        listed.append(
            {
                "name": item.id,
                "label": item.question,
                "hint": item.how,
                "kind": "number" if item.number else "choice",
                "unit": item.unit or None,
                "options": [{"value": answer.value, "label": answer.label} for answer in item.answers],
                "declared": words.get(str(answers.get(question))),
                "required": item.stage == "before-offer" and item.number is None,
            }
        )
    return listed


def usual_mass(found: Device) -> int | None:
    """What such a device weighs by the catalogue, in grams."""
    return next((model.mass_g for model in pricing.load_catalogue() if model.id == found.model_code), None)
