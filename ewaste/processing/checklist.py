"""The inspection checklist: what the bench looks at, in plain words, per device class.

Two stages. `before-offer` needs nobody's personal data: identity, looks, power, locks, battery, what lies in the
parcel. `after-clearing` items are function tests on the wiped device; they can raise our cost and never lower the
price that the seller was promised. An item says how to look, which answers there are, and what evidence it wants.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

CHECKLIST_VERSION = "checklist-1"
DEVICE_CLASSES = ("smartphone", "tablet", "laptop", "desktop", "monitor", "server")

Stage = Literal["before-offer", "after-clearing"]
Evidence = Literal["photo", "reading", "none"]


class BadFinding(ValueError):
    """A finding that cannot be taken. `field` names the item, `message` is a sentence for the person at the bench."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


@dataclass(frozen=True)
class Answer:
    """One answer of an item: the stored value and the words on the screen."""

    value: str
    label: str


@dataclass(frozen=True)
class Item:
    """One thing to look at. Either `answers` to choose from, or a whole number within `number`.

    An item that `needs_power` is answered `not_tested` (or left out) on a device that does not run; a number
    may be left out where it cannot be read. `evidence` is what must lie beside any answer but the best one.
    """

    id: str
    question: str
    how: str
    answers: tuple[Answer, ...] = ()
    number: tuple[int, int] | None = None
    unit: str = ""
    stage: Stage = "before-offer"
    evidence: Evidence = "none"
    needs_power: bool = False


def items(device_class: str, stage: Stage | None = None) -> tuple[Item, ...]:
    """The checklist of a device class, in the order of the bench. Raises BadFinding for a class we do not take."""
    if device_class not in CHECKLISTS:
        raise BadFinding("device_class", f"There is no checklist for the kind “{device_class}”.")
    return tuple(item for item in CHECKLISTS[device_class] if stage is None or item.stage == stage)


def clean(device_class: str, findings: Mapping[str, object]) -> dict[str, str | int]:
    """The findings in their stored form: every before-offer item answered, after-clearing items where tested.

    Numbers may arrive as text. Raises BadFinding, naming the item, for one that is missing, unknown, not among the
    answers, out of range, or at odds with another (a device that does not turn on shows no picture).
    """
    taken, wrong = _look(device_class, findings)
    for field, message in wrong.items():
        raise BadFinding(field, message)
    return taken


def problems(device_class: str, findings: Mapping[str, object]) -> dict[str, str]:
    """All that is wrong with the findings at once: item → sentence, in the order of the bench."""
    return _look(device_class, findings)[1]


def _look(device_class: str, findings: Mapping[str, object]) -> tuple[dict[str, str | int], dict[str, str]]:
    checklist = {item.id: item for item in items(device_class)}
    wrong = {
        field: f"There is no item “{field}” on the checklist of a {device_class}."
        for field in findings
        if field not in checklist
    }
    dead = findings.get("power") in ("off", "not_tested")
    taken: dict[str, str | int] = {}
    for item in checklist.values():
        value = findings.get(item.id)
        if value is None or value == "":
            if item.stage == "before-offer" and item.number is None and not (item.needs_power and dead):
                wrong[item.id] = f"{item.question} This item has no answer yet."
            continue
        try:
            taken[item.id] = _number(item, value, *item.number) if item.number else _choice(item, value)
        except BadFinding as error:
            wrong[item.id] = error.message
    for field, value in taken.items():
        if dead and checklist[field].needs_power and value != "not_tested":
            wrong[field] = "The device was not running, so this cannot have been seen. Answer “not tested”."
    if taken.get("power") == "not_tested" and taken.get("battery_state") != "damaged":
        wrong["power"] = "Only a damaged battery is a reason not to try whether it turns on."
    if taken.get("battery_state") == "missing" and "battery_soh" in taken:
        wrong["battery_soh"] = "There is no battery in the device, so there is no state of health to note."
    return taken, wrong


def _choice(item: Item, value: object) -> str:
    if value not in [answer.value for answer in item.answers]:
        raise BadFinding(item.id, f"{item.question} Choose one: {', '.join(a.label for a in item.answers)}.")
    return str(value)


def _number(item: Item, value: object, low: int, high: int) -> int:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 4:
        text = int(text)
    if not isinstance(text, int) or isinstance(text, bool) or not low <= text <= high:
        raise BadFinding(item.id, f"{item.question} Give a whole number from {low} to {high} {item.unit}.".rstrip())
    return text


_OK = Answer("ok", "works")
_FAULT = Answer("fault", "does not work")
_NOT_TESTED = Answer("not_tested", "not tested")
_YES_NO = (Answer("yes", "yes"), Answer("no", "no"))

WEAR = (
    Answer("flawless", "no marks, seen from 20 cm"),
    Answer("faint", "marks seen at 20 cm, gone at 50 cm"),
    Answer("visible", "marks seen at 50 cm"),
    Answer("heavy", "deep scratches that a nail catches"),
    Answer("dented", "dents, chips or bent parts"),
)
"""How worn a surface is, best first. Distances as Back Market publishes them; the last two are ours."""

_IDENTITY = Item(
    "identity",
    "Is it the device that was announced?",
    "Read the label and the serial number or IMEI; compare model and storage with the quote.",
    (Answer("matches", "yes"), Answer("differs", "no, another device")),
    evidence="photo",
)
_USED = Item(
    "used",
    "Has it been used?",
    "Unused only with the maker's film on, untouched ports and no set-up on first start.",
    (Answer("used", "used"), Answer("unused", "never used")),
    evidence="photo",
)
_POWER = Item(
    "power",
    "Does it turn on?",
    "Half an hour on a known good charger; a sign of life counts. Never try it with a damaged battery.",
    (Answer("on", "turns on"), Answer("off", "does not turn on"), Answer("not_tested", "not tried: damaged battery")),
    evidence="photo",
)
_SCREEN_WEAR = Item(
    "screen_wear",
    "How worn is the screen, switched off, in daylight?",
    "Clean it, then look from 20 cm and from 50 cm, at a slant.",
    WEAR,
    evidence="photo",
)
_SCREEN_CRACK = Item(
    "screen_crack",
    "Is the glass or panel of the screen cracked?",
    "Run a nail over every line you see.",
    (Answer("no", "whole"), Answer("yes", "cracked")),
    evidence="photo",
)
_BACK_CRACK = Item(
    "back_crack",
    "Is the back or a camera glass cracked?",
    "Look at the corners and at the glass over each camera.",
    (Answer("no", "whole"), Answer("yes", "cracked")),
    evidence="photo",
)
_DISPLAY = Item(
    "display",
    "Is the picture clean?",
    "White, black and grey full screen; look for spots, lines, burn-in, dead pixels.",
    (_OK, Answer("marks", "spots, lines or dead pixels"), Answer("none", "no picture"), _NOT_TESTED),
    evidence="photo",
    needs_power=True,
)
_LIQUID = Item(
    "liquid",
    "Has it been wet inside?",
    "The indicator in the SIM slot or at the ports; corrosion at the connectors.",
    (Answer("no", "indicator clear"), Answer("yes", "indicator triggered or corrosion")),
    evidence="photo",
)
_SOH = Item(
    "battery_soh",
    "What is the battery's state of health?",
    "Read it from the device or a tester, rounded down. Leave it out where it cannot be read.",
    number=(0, 110),
    unit="%",
    evidence="reading",
    # A tester can read it on a device that does not turn on, so this one does not need power.
)
_BATTERY = Item(
    "battery_state",
    "How is the battery?",
    "Lay the device flat: a lifted screen or a rocking base means swollen. Stop, fire-safe box, tell the shift lead.",
    (
        Answer("ok", "looks normal"),
        Answer("dead", "does not hold a charge"),
        Answer("damaged", "swollen, dented, leaking or burnt"),
        Answer("missing", "not there"),
    ),
    evidence="photo",
)
_ACCOUNT = Item(
    "account_lock",
    "Is it locked to an account, or managed by a company?",
    "Start the set-up and go only as far as the lock screen; look up the serial with the maker. Open no personal data.",
    (Answer("none", "no lock"), Answer("locked", "locked"), _NOT_TESTED),
    evidence="photo",
    needs_power=True,
)
_FIRMWARE = Item(
    "firmware_lock",
    "Is there a firmware password or a company lock?",
    "Enter the firmware set-up; look for Autopilot, Apple Business Manager and remote-control chips with a password.",
    (Answer("none", "no lock"), Answer("locked", "locked"), _NOT_TESTED),
    evidence="photo",
    needs_power=True,
)
_NETWORK = Item(
    "network_lock",
    "Does it take any SIM card?",
    "Try a SIM of another network, or look the IMEI up.",
    (Answer("none", "any network"), Answer("locked", "one network only"), _NOT_TESTED),
    evidence="photo",
    needs_power=True,
)
_STORAGE = Item(
    "storage",
    "Are a drive and memory fitted?",
    "Look in the firmware set-up, or open the case. Note each drive as a medium.",
    (Answer("present", "both are there"), Answer("missing", "drive or memory missing"), _NOT_TESTED),
    evidence="photo",
)


def _body(question: str) -> Item:
    return Item(
        "body_wear", question, "All edges, corners and both sides, cleaned, in daylight.", WEAR, evidence="photo"
    )


def _accessory(question: str) -> Item:
    return Item("charger", question, "Only what lay in the parcel counts.", _YES_NO, evidence="photo")


def _test(name: str, question: str, how: str) -> Item:
    answers = (_OK, _FAULT, _NOT_TESTED)
    return Item(name, question, how, answers, stage="after-clearing", evidence="reading", needs_power=True)


_SOFTWARE = Item(
    "software",
    "Which system is on it now?",
    "A wiped PC has none until it gets a licensed image; a phone comes back with its maker's own.",
    (Answer("none", "none"), Answer("licensed", "licensed or the maker's own")),
    stage="after-clearing",
    evidence="reading",
    needs_power=True,
)
_WARRANTY = Item(
    "warranty",
    "Is it sold as certified pre-owned, with a warranty?",
    "Only after cleaning and a full test.",
    _YES_NO,
    stage="after-clearing",
)
_TOUCH = _test("touch", "Does the touch screen react everywhere?", "Draw over the whole screen.")
_BUTTONS = _test("buttons", "Do the buttons and the vibration work?", "Press each one.")
_SOUND = _test("sound", "Do loudspeaker and microphone work?", "Record ten seconds and play them.")
_WIRELESS = _test("wireless", "Do Wi-Fi, Bluetooth and the mobile network work?", "Join the bench network; a test SIM.")
_CAMERAS = _test("cameras", "Do all cameras and the face unlock work?", "One picture with each camera; enrol a face.")
_PORTS = _test("ports", "Do charging and all ports work?", "Plug the test set into each.")
_KEYBOARD = _test("keyboard", "Do all keys and the touchpad work?", "Type through the key test.")
_STRESS = _test("stress", "Does it run 20 minutes under load?", "Processor, memory and fan test from the bench stick.")

CHECKLISTS: Mapping[str, tuple[Item, ...]] = {
    "smartphone": (
        _IDENTITY, _USED, _BATTERY, _POWER, _SCREEN_WEAR, _SCREEN_CRACK, _body("How worn are frame and back?"),
        _BACK_CRACK, _DISPLAY, _SOH, _LIQUID, _ACCOUNT, _NETWORK, _accessory("Is a charger or cable in the parcel?"),
        _TOUCH, _BUTTONS, _SOUND, _WIRELESS, _CAMERAS, _PORTS, _SOFTWARE, _WARRANTY,
    ),
    "tablet": (
        _IDENTITY, _USED, _BATTERY, _POWER, _SCREEN_WEAR, _SCREEN_CRACK, _body("How worn are frame and back?"),
        _BACK_CRACK, _DISPLAY, _SOH, _LIQUID, _ACCOUNT, _accessory("Is a charger or cable in the parcel?"),
        _TOUCH, _BUTTONS, _SOUND, _WIRELESS, _CAMERAS, _PORTS, _SOFTWARE, _WARRANTY,
    ),
    "laptop": (
        _IDENTITY, _USED, _BATTERY, _POWER, _SCREEN_WEAR, _SCREEN_CRACK, _body("How worn are lid, base and palm rest?"),
        _DISPLAY, _SOH, _LIQUID, _FIRMWARE, _STORAGE, _accessory("Is the charger in the parcel?"),
        _KEYBOARD, _SOUND, _WIRELESS, _CAMERAS, _PORTS, _STRESS, _SOFTWARE, _WARRANTY,
    ),
    "desktop": (
        _IDENTITY, _USED, _POWER, _body("How worn is the case?"), _LIQUID, _FIRMWARE, _STORAGE,
        _accessory("Is the power supply or cable in the parcel?"),
        _PORTS, _WIRELESS, _STRESS, _SOFTWARE, _WARRANTY,
    ),
    "monitor": (
        _IDENTITY, _USED, _POWER, _SCREEN_WEAR, _SCREEN_CRACK, _body("How worn are frame and stand?"), _DISPLAY,
        _accessory("Are the stand and the cable in the parcel?"), _BUTTONS, _PORTS, _WARRANTY,
    ),
    "server": (
        _IDENTITY, _USED, _POWER, _body("How worn are case and rails?"), _LIQUID, _FIRMWARE, _STORAGE,
        _PORTS, _STRESS, _SOFTWARE, _WARRANTY,
    ),
}  # fmt: skip
"""The items of each device class, in the order of the bench: the battery comes before the power switch."""


def answer_words(device_class: str, findings: Mapping[str, str | int]) -> Iterator[tuple[Item, str]]:
    """Each item with the words of its answer, for pages and terminals; items without an answer are left out."""
    for item in items(device_class):
        if item.id in findings:
            value = findings[item.id]
            label = next(
                (answer.label for answer in item.answers if answer.value == value), f"{value} {item.unit}".strip()
            )
            yield item, label
