"""The grade of a device: looks on the REC scale C1 to C8, function F1 to F5, each with the rules that led there.

The two axes are independent. The looks follow from the most worn surface; the function from what was tested and
works. Before the clearing only the key functions are seen, so the function is at most F3 then; a wiped computer
without software is at most F4. F6 ("like new, maker's parts") and C9 are never given: the bench cannot prove them.

Pure: findings in, grade out. `to_condition` puts the findings into the plain words that the price formula speaks, so
that an offer is worked out by the very formula that made the quote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ewaste.processing.checklist import WEAR, BadFinding, clean, items

__all__ = [
    "GRADING_VERSION",
    "BadFinding",
    "Grade",
    "RuleHit",
    "from_json",
    "grade",
    "to_condition",
    "to_json",
    "without_drive",
]

GRADING_VERSION = "grading-1"
USABLE_SOH, RECYCLE_SOH = 80, 60


@dataclass(frozen=True)
class RuleHit:
    """A rule that decided something, in words that can be shown to the seller."""

    rule_id: str
    text: str


@dataclass(frozen=True)
class Grade:
    """What the bench found, summed up. `locks` and `holds` are the reasons why a device may not go on as it is."""

    device_class: str
    cosmetic: str
    function: str
    rules: tuple[RuleHit, ...]
    locks: tuple[str, ...]
    holds: tuple[str, ...]
    battery_soh: int | None
    battery_state: str
    evidence_wanted: tuple[str, ...]
    version: str = GRADING_VERSION


def grade(device_class: str, findings: Mapping[str, object]) -> Grade:
    """The grade that these findings give. Raises BadFinding, naming the item, for findings that cannot be taken."""
    found = clean(device_class, findings)
    hits: list[RuleHit] = []
    cosmetic = _cosmetic(found, hits)
    function = _function(device_class, found, hits)
    locks = tuple(lock for lock in ("account_lock", "firmware_lock") if found.get(lock) == "locked")
    holds = []
    if found["identity"] == "differs":
        holds.append("wrong-item")
        hits.append(RuleHit("hold.wrong-item", "This is not the device that was announced."))
    if locks:
        holds.append("lock")
    if found.get("battery_state") == "damaged":
        holds.append("battery")
        hits.append(RuleHit("hold.battery", "The battery is damaged: fire-safe box, no air transport."))
    soh = found.get("battery_soh")
    return Grade(
        device_class=device_class,
        cosmetic=cosmetic,
        function=function,
        rules=tuple(hits),
        locks=locks,
        holds=tuple(holds),
        battery_soh=soh if isinstance(soh, int) else None,
        battery_state=str(found.get("battery_state", "none")),
        evidence_wanted=_evidence_wanted(device_class, found),
    )


def to_condition(
    device_class: str, findings: Mapping[str, object], declared: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The findings in the words of the price formula: `{"cosmetic": ..., "faults": [...]}`.

    What the bench did not look at before the offer (cameras, keys: they need the data gone) stays as `declared`, in
    the same form. Function tests after the clearing never enter: they may not lower the seller's price. Raises
    BadFinding as `clean` does.
    """
    found = clean(device_class, findings)
    faults = set[str]()
    unseen = set[str]()
    for fault, (field, bad) in _FAULT_SEEN_BY.items():
        if fault == "account_locked" and device_class in _FIRMWARE_CLASSES:
            field = "firmware_lock"
        value = found.get(field)
        if value in bad:
            faults.add(fault)
        elif value in (None, "not_tested"):
            unseen.add(fault)
    has_battery = "battery_state" in {item.id for item in items(device_class)}
    if has_battery:
        soh, state = found.get("battery_soh"), found["battery_state"]
        weak, dead = ("battery_below_80", "battery_dead" if device_class == "laptop" else "battery_below_80")
        if state != "ok":
            faults.add(dead)
        elif isinstance(soh, int):
            if soh < USABLE_SOH:
                faults.add(weak)
        else:
            unseen.add(weak)
    if declared is not None:
        faults |= unseen & set(declared.get("faults", []))
    return {"cosmetic": _wear_words(found), "faults": sorted(faults)}


def without_drive(device_class: str, findings: Mapping[str, object]) -> dict[str, object]:
    """The findings of a device whose last drive was destroyed or taken out after it was inspected.

    A class that is not asked for its drive stays as it was found: its storage is soldered in.
    """
    asked = "storage" in {item.id for item in items(device_class)}
    return {**findings, **({"storage": "missing"} if asked else {})}


def to_json(grade: Grade) -> dict[str, Any]:
    """The form stored with an inspection."""
    return {
        **vars(grade),
        "rules": [vars(hit) for hit in grade.rules],
        "locks": list(grade.locks),
        "holds": list(grade.holds),
        "evidence_wanted": list(grade.evidence_wanted),
    }


def from_json(data: Mapping[str, Any]) -> Grade:
    """Reads what `to_json` wrote."""
    return Grade(
        **{
            **data,
            "rules": tuple(RuleHit(**hit) for hit in data["rules"]),
            "locks": tuple(data["locks"]),
            "holds": tuple(data["holds"]),
            "evidence_wanted": tuple(data["evidence_wanted"]),
        }
    )


# Which finding shows a fault: the item, and the answers that mean yes. camera_fault and keyboard_fault are looked at
# only after the clearing, so for the price they are always "unseen" and stay as declared.
_FAULT_SEEN_BY: Mapping[str, tuple[str, frozenset[str]]] = {
    "no_power": ("power", frozenset({"off"})),
    "cracked_screen": ("screen_crack", frozenset({"yes"})),
    "cracked_back": ("back_crack", frozenset({"yes"})),
    "display_marks": ("display", frozenset({"marks", "none"})),
    "water_damage": ("liquid", frozenset({"yes"})),
    "account_locked": ("account_lock", frozenset({"locked"})),
    "carrier_locked": ("network_lock", frozenset({"locked"})),
    "no_storage": ("storage", frozenset({"missing"})),
    "missing_charger": ("charger", frozenset({"no"})),
    "camera_fault": ("", frozenset()),
    "keyboard_fault": ("", frozenset()),
}
_KEY_TESTS = ("touch", "keyboard", "stress")
_SEEN_RUNNING = ("display", "account_lock", "firmware_lock", "storage")
_FIRMWARE_CLASSES = frozenset({"laptop", "desktop", "server"})
_WEAR_ORDER = tuple(answer.value for answer in WEAR)
_WEAR_GRADE = {"flawless": "C6", "faint": "C5", "visible": "C4", "heavy": "C3", "dented": "C2"}
_WEAR_PRICE = {
    "flawless": "like_new",
    "faint": "light_marks",
    "visible": "visible_wear",
    "heavy": "damaged",
    "dented": "damaged",
}


def _worst_wear(found: Mapping[str, str | int]) -> tuple[str, str]:
    surfaces = [(field, str(found[field])) for field in ("screen_wear", "body_wear") if field in found]
    return max(surfaces, key=lambda surface: _WEAR_ORDER.index(surface[1]))


def _wear_words(found: Mapping[str, str | int]) -> str:
    return _WEAR_PRICE[_worst_wear(found)[1]]


def _cosmetic(found: Mapping[str, str | int], hits: list[RuleHit]) -> str:
    cracked = [
        name for field, name in (("screen_crack", "screen"), ("back_crack", "back")) if found.get(field) == "yes"
    ]
    if cracked:
        hits.append(RuleHit("C1.cracked", f"Cracked {' and '.join(cracked)}: damaged, C1."))
        return "C1"
    field, wear = _worst_wear(found)
    surface = "screen" if field == "screen_wear" else "body"
    words = next(answer.label for answer in WEAR if answer.value == wear)
    if wear == "flawless" and found["used"] == "unused":
        hits.append(RuleHit("C8.unused", "Never used and without a mark: C8."))
        return "C8"
    if wear == "flawless" and found.get("warranty") == "yes":
        hits.append(RuleHit("C7.certified", "No blemishes, fully tested and sold with a warranty: C7."))
        return "C7"
    result = _WEAR_GRADE[wear]
    hits.append(RuleHit(f"{result}.wear", f"The most worn surface is the {surface} ({words}): {result}."))
    return result


def _function(device_class: str, found: Mapping[str, str | int], hits: list[RuleHit]) -> str:
    function, rule, text = _out_of_order(found) or _tested(device_class, found)
    hits.append(RuleHit(f"{function}.{rule}", f"{text} {function}."))
    return function


def _out_of_order(found: Mapping[str, str | int]) -> tuple[str, str, str] | None:
    """What keeps it from being used at all: the function, the rule and the reason, of the first that applies."""
    for field, value, function, rule, text in (
        ("battery_state", "damaged", "F1", "battery-damaged", "Its battery is damaged and must come out first:"),
        ("power", "off", "F1", "no-power", "It does not turn on, so it is for parts or for specialists:"),
        ("liquid", "yes", "F1", "liquid", "It has been wet inside and cannot be relied on:"),
        ("account_lock", "locked", "F1", "locked", "It is locked, so nobody else can use it:"),
        ("firmware_lock", "locked", "F1", "locked", "It is locked, so nobody else can use it:"),
        ("display", "none", "F2", "no-picture", "It turns on but shows no picture:"),
        ("storage", "missing", "F2", "no-storage", "Its drive or memory is missing:"),
    ):
        if found.get(field) == value:
            return function, rule, text
    return None


def _tested(device_class: str, found: Mapping[str, str | int]) -> tuple[str, str, str]:
    """The function of a device that runs, by what was tested and works."""
    checklist = items(device_class, "after-clearing")
    tests = {item.id: found.get(item.id, "not_tested") for item in checklist if item.answers[0].value == "ok"}
    if broken := ", ".join(key for key in _KEY_TESTS if tests.get(key) == "fault"):
        return "F2", "key-fault", f"A key function failed its test ({broken}):"
    if broken := ", ".join(key for key, value in tests.items() if value == "fault"):
        return "F3", "part-fault", f"Key functions work; this does not ({broken}):"
    if found.get("display") == "marks":
        return "F3", "display-marks", "Key functions work; the picture has marks:"
    soh = found.get("battery_soh")
    if found.get("battery_state") in ("dead", "missing") or (isinstance(soh, int) and soh < RECYCLE_SOH):
        return "F3", "battery", "Key functions work; the battery is not usable:"
    untested = [key for key, value in tests.items() if value == "not_tested"]
    untested += [key for key in _SEEN_RUNNING if found.get(key) == "not_tested"]
    if untested:
        return "F3", "key-functions", f"Key functions work; not tested yet ({', '.join(untested)}):"
    if device_class == "monitor":
        return "F5", "all-functions", "All functions work, and a monitor needs no software:"
    if found.get("software") == "licensed":
        return "F5", "licensed-software", "All hardware works and its software is licensed:"
    return "F4", "no-software", "All hardware works; without software it is at most"


def _evidence_wanted(device_class: str, found: Mapping[str, str | int]) -> tuple[str, ...]:
    """The items whose answer speaks against the device and therefore needs its photo or reading beside it."""
    wanted = []
    for item in items(device_class):
        value = found.get(item.id)
        if item.evidence == "none" or value is None or value == "not_tested" or item.id == "used":
            continue
        if item.number:
            worse = isinstance(value, int) and value < USABLE_SOH
        elif item.id == "software":
            worse = False
        else:
            worse = value != item.answers[0].value
        if worse:
            wanted.append(item.id)
    return tuple(wanted)
