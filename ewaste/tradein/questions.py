"""The questions that a seller answers, per device class: one list for the page, the API and the terminal.

Each choice says which faults it stands for, so the answers become a `Condition` without a second table. A seller who
does not know is quoted for the worse case; when the bench finds the better one, the offer rises.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ewaste.tradein.pricing import BadAnswer, Condition, Cosmetic, Fault


@dataclass(frozen=True)
class Choice:
    """One answer: the value that a form sends, the words on the screen, the faults it declares."""

    value: str
    label: str
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Question:
    """One question of the form. `field` names it in forms, refusals and stored answers."""

    field: str
    text: str
    hint: str
    choices: tuple[Choice, ...]


def condition_from_answers(device_class: str, answers: Mapping[str, str]) -> Condition:
    """The condition that a full set of answers declares.

    Raises BadAnswer, naming the field, for a question left open, a choice that does not exist, or a device class
    that we do not buy. Answers to other questions than those of the class are refused too. When the device does not
    turn on, what can only be seen on a running device may stay open.
    """
    if device_class not in QUESTIONS:
        raise BadAnswer("device_class", f"We do not buy devices of the kind “{device_class}”.")
    questions = QUESTIONS[device_class]
    known = {question.field for question in questions}
    for field in answers:
        if field not in known:
            raise BadAnswer(field, f"There is no question “{field}” for a {device_class}.")
    dead = answers.get("power") == "no"
    cosmetic, faults = None, set[Fault]()
    for question in questions:
        value = answers.get(question.field, "")
        if not value and dead and question.field in NEEDS_POWER:
            continue
        choice = next((choice for choice in question.choices if choice.value == value), None)
        if choice is None:
            labels = ", ".join(f"“{c.label}”" for c in question.choices)
            raise BadAnswer(question.field, f"{question.text} Choose one: {labels}.")
        if question.field == "cosmetic":
            cosmetic = Cosmetic(choice.value)
        faults.update(choice.faults)
    if cosmetic is None:
        raise BadAnswer("cosmetic", "Say how the device looks.")
    return Condition(cosmetic, frozenset(faults))


_YES = Choice("yes", "Yes")
UNKNOWN = "unknown"
"""The answer of somebody who cannot tell; it declares the worse case."""
_WORSE = "we reckon with the worse; if it is fine, our offer rises"
NEEDS_POWER = frozenset({"display", "battery", "account", "network", "camera", "keyboard"})
"""Questions that only a running device can answer."""

_COSMETIC = Question(
    "cosmetic",
    "How does it look?",
    "Cracks do not count here; they have their own question.",
    (
        Choice("like_new", "Like new: no marks, even from 20 cm"),
        Choice("light_marks", "Light marks: seen at 20 cm, not at arm's length"),
        Choice("visible_wear", "Visible wear: marks you see at arm's length"),
        Choice("damaged", "Damaged: dents, chips or deep scratches"),
    ),
)
_POWER = Question(
    "power",
    "Does it turn on?",
    "Charge it for half an hour first, if you can.",
    (_YES, Choice("no", "No", (Fault.NO_POWER,))),
)
_SCREEN = Question(
    "screen",
    "Is the glass of the screen whole?",
    "A hairline crack is a crack.",
    (Choice("whole", "Whole"), Choice("cracked", "Cracked", (Fault.CRACKED_SCREEN,))),
)
_BACK = Question(
    "back",
    "Is the back whole?",
    "Look also at the glass over the cameras.",
    (Choice("whole", "Whole"), Choice("cracked", "Cracked", (Fault.CRACKED_BACK,))),
)
_DISPLAY = Question(
    "display",
    "Is the picture clean?",
    "Open a white and a black picture and look for spots, lines and dead pixels.",
    (
        Choice("clean", "Clean"),
        Choice("marks", "Spots, lines or dead pixels", (Fault.DISPLAY_MARKS,)),
        Choice(UNKNOWN, f"I cannot tell: {_WORSE}", (Fault.DISPLAY_MARKS,)),
    ),
)
_BATTERY = Question(
    "battery",
    "How much does the battery still hold?",
    "iPhone: Settings, Battery, Battery Health. We measure it; if it is better than you say, our offer rises. "
    "A swollen battery must not go by post: ask us first.",
    (
        Choice("good", "80 % or more"),
        Choice("weak", "Less than 80 %", (Fault.BATTERY_BELOW_80,)),
        Choice(UNKNOWN, f"I do not know: {_WORSE}", (Fault.BATTERY_BELOW_80,)),
    ),
)
_BATTERY_LAPTOP = Question(
    "battery",
    "How is the battery?",
    "We measure it; if it is better than you say, our offer rises. A swollen battery must not go by post.",
    (
        Choice("good", "Holds 80 % or more"),
        Choice("weak", "Holds less than 80 %", (Fault.BATTERY_BELOW_80,)),
        Choice("dead", "Dead or missing", (Fault.BATTERY_DEAD,)),
        Choice(UNKNOWN, f"I do not know: {_WORSE}", (Fault.BATTERY_BELOW_80,)),
    ),
)
_LIQUID = Question(
    "liquid",
    "Has it been wet inside?",
    "Fallen into water, or a drink over it, even when it works today.",
    (Choice("no", "No"), Choice("yes", "Yes", (Fault.WATER_DAMAGE,))),
)
_ACCOUNT_PHONE = Question(
    "account",
    "Are you signed out, and is “find my device” off?",
    "Also remove it from a company's management. A device still locked to an account cannot be sold on.",
    (_YES, Choice("no", "No, or I cannot", (Fault.ACCOUNT_LOCKED,))),
)
_ACCOUNT_PC = Question(
    "account",
    "Is it free of firmware passwords and company locks?",
    "A BIOS password, a device management profile, Autopilot or an Apple Account all count as locks.",
    (_YES, Choice("no", "No, or I cannot tell", (Fault.ACCOUNT_LOCKED,))),
)
_NETWORK = Question(
    "network",
    "Does it take a SIM card of any network?",
    "Settings, About, Network lock. Phones bought without a contract are free.",
    (_YES, Choice("no", "No, only one network", (Fault.CARRIER_LOCKED,))),
)
_CAMERA = Question(
    "camera",
    "Do all cameras and the face unlock work?",
    "Take one picture with each camera.",
    (_YES, Choice("no", "No", (Fault.CAMERA_FAULT,))),
)
_KEYBOARD = Question(
    "keyboard",
    "Do all keys and the touchpad work?",
    "Type through the whole keyboard once.",
    (_YES, Choice("no", "No", (Fault.KEYBOARD_FAULT,))),
)
_STORAGE = Question(
    "storage",
    "Are the drive and the memory still inside?",
    "Leave the drive in: the centre wipes it and you get the certificate.",
    (_YES, Choice("no", "No", (Fault.NO_STORAGE,))),
)


def _charger(text: str, hint: str) -> Question:
    return Question("charger", text, hint, (_YES, Choice("no", "No", (Fault.MISSING_CHARGER,))))


_CHARGER = _charger("Do you send the charger or cable?", "Without one we take off a little.")

QUESTIONS: Mapping[str, tuple[Question, ...]] = {
    "smartphone": (
        _POWER, _COSMETIC, _SCREEN, _BACK, _DISPLAY, _BATTERY, _LIQUID, _ACCOUNT_PHONE, _NETWORK, _CAMERA, _CHARGER,
    ),
    "tablet": (_POWER, _COSMETIC, _SCREEN, _BACK, _DISPLAY, _BATTERY, _LIQUID, _ACCOUNT_PHONE, _CAMERA, _CHARGER),
    "laptop": (
        _POWER, _COSMETIC, _SCREEN, _DISPLAY, _BATTERY_LAPTOP, _LIQUID, _ACCOUNT_PC, _KEYBOARD, _STORAGE, _CHARGER,
    ),
    "desktop": (
        _POWER, _COSMETIC, _LIQUID, _ACCOUNT_PC, _STORAGE,
        _charger("Do you send the power supply or cable?", "The one it came with."),
    ),
    "monitor": (
        _POWER, _COSMETIC, _SCREEN, _DISPLAY,
        _charger("Do you send the stand and the cable?", "Both; without one of them we take off a little."),
    ),
    "server": (_POWER, _COSMETIC, _LIQUID, _ACCOUNT_PC, _STORAGE),
}  # fmt: skip
"""The questions of each device class, in the order in which they are asked."""
