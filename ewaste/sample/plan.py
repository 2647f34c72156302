"""What there shall be: sixty devices with the end that each comes to, the lots and who bids on them, quotes left open.

Pure data, and the little that reads it. A device's `look` names how it was described and what the bench finds, where
that differs: `good>worn` was described as good and is found worn.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

from ewaste.processing import checklist
from ewaste.tradein import questions

RHEIN, ELBE, ISAR = "Rhein Datenpark", "Elbe Prüfstelle", "Isar Löschwerk"

# Where a device ends before any wipe.
BEFORE_WIPE = frozenset({
    "expected", "cancelled", "parcel-lost", "received", "broken-seal", "noted", "offered", "declined", "lapsed",
    "stolen", "battery", "wrong-item", "locked", "returned", "confirmed", "waiting", "ordered", "missing", "failed",
})  # fmt: skip
# What becomes of a device after its wipe; "in NAME" puts it into that lot.
AFTER_WIPE = frozenset({
    "half", "suspended", "cleared", "free", "mended", "listed", "reserved", "bought", "refunded", "taken", "back",
    "destroyed",
})  # fmt: skip

DEVICES = """
# seller  centre model                             gb  look          media            days end
cora      R      apple-macbook-air-13-m1-2020      256 good>weak     nvme               6 offered
anke      R      apple-iphone-13                   128 good          phone-storage      2 expected
bruno     E      dell-latitude-5420                256 worn          ssd                1 expected
cora      R      apple-ipad-air-5th-gen            64  good          emmc               1 expected
dilara    R      samsung-galaxy-s22                128 good          phone-storage      9 cancelled
emil      E      lenovo-thinkpad-t490              256 worn          ssd               17 parcel-lost
fatima    R      apple-iphone-12                   128 worn          phone-storage      3 received
gerd      R      dell-optiplex-7090-sff            256 good          ssd                4 broken-seal
hanna     R      hp-elitebook-845-g8               256 good          ssd                4 noted
ivo       E      apple-mac-mini-m1-2020            256 good          ssd                3 received
jule      R      google-pixel-7                    128 weak>good     phone-storage      6 offered
anke      R      microsoft-surface-pro-8           256 good          emmc               7 offered
bruno     R      apple-iphone-14-pro               128 good>cracked  phone-storage      8 offered
dilara    E      dell-xps-13-9310                  512 good>worn     nvme               9 declined
emil      R      samsung-galaxy-tab-s7             128 worn>cracked  emmc              24 lapsed
fatima    R      apple-iphone-15                   256 good          phone-storage      7 stolen
gerd      R      apple-iphone-11                   64  worn>swollen  phone-storage      6 battery
hanna     R      fairphone-4                       128 good>other    phone-storage      5 wrong-item
ivo       R      lenovo-thinkpad-t480              256 good>locked   ssd                6 locked
jule      R      apple-ipad-mini-6th-gen           64  good>cracked  emmc              15 returned
anke      E      lenovo-thinkpad-x1-carbon-gen-5   256 good>dead     nvme              18 returned
bruno     R      apple-macbook-pro-14-m1-pro-2021  512 good          nvme               5 confirmed
cora      R      lenovo-thinkpad-t480              512 worn          ssd+hdd            7 waiting
dilara    R      google-pixel-8                    128 good          phone-storage+sim  6 cleared
emil      R      dell-latitude-7420                512 good          nvme               8 ordered
fatima    R      apple-imac-24-m1-2021             512 worn          ssd                7 ordered
vera      E      hp-elitebook-845-g8               512 worn          ssd                6 ordered
hanna     R      apple-macbook-air-13-m2-2022      512 good          nvme              12 missing
vera      R      dell-optiplex-3080-micro          256 worn          hdd                8 failed
jule      R      dell-latitude-5420                512 good          ssd+usb            7 half
anke      I      dell-latitude-7420                256 worn          ssd               10 suspended
# In the storefront, and what was bought there.
cora      R      apple-macbook-air-13-m2-2022      256 good          nvme               9 listed
vera      R      dell-latitude-5420                512 good          ssd                8 listed
dilara    R      apple-mac-mini-m2-2023            256 good          ssd               10 listed
emil      E      apple-macbook-pro-13-m1-2020      512 weak          nvme               9 mended
fatima    I      dell-xps-13-9310                  512 worn          nvme              11 listed
gerd      R      hp-elitebook-845-g8               512 good          nvme               9 listed
hanna     R      apple-mac-studio-m1-max-2022      512 good          ssd                8 listed
theo      R      dell-latitude-7420                256 good          nvme               9 free
ivo       R      apple-macbook-pro-14-m1-pro-2021  512 worn          nvme              10 reserved
jule      R      lenovo-thinkpad-x1-carbon-gen-5   512 good          nvme               9 bought
anke      R      microsoft-surface-pro-8           128 good          emmc               8 refunded
nils      R      apple-macbook-air-13-m1-2020      256 worn          nvme              11 taken
cora      R      apple-imac-24-m1-2021             256 good          ssd               12 back
bruno     R      apple-iphone-se-3rd-gen           64  dead          phone-storage      9 destroyed
# In lots.
dilara    R      lenovo-thinkpad-t480              256 worn          ssd                9 in soon
kofi      R      lenovo-thinkpad-t490              256 kbd           ssd                8 in soon
fatima    R      dell-latitude-5420                256 dead          nvme               9 in quarter
gerd      R      lenovo-thinkpad-x1-carbon-gen-5   512 worn          nvme              10 in quarter
hanna     R      apple-macbook-air-13-m3-2024      256 cracked       nvme               8 in hours
ivo       R      apple-macbook-pro-13-m1-2020      256 weak          nvme               9 in hours
theo      E      dell-latitude-7420                256 good          nvme               9 in tomorrow
anke      E      dell-latitude-5420                256 good          ssd               10 in tomorrow
bruno     I      dell-optiplex-7090-sff            256 dead          ssd+hdd           12 in to-pay
susi      R      hp-elitebook-845-g8               256 wet           ssd               11 in to-collect
emil      R      lenovo-thinkpad-t480              256 dead          hdd               12 in to-report
susi      R      lenovo-thinkpad-t490              256 wet           ssd               11 in to-report
gerd      R      apple-iphone-12-pro               128 dead          phone-storage     12 in reported
nils      R      lenovo-thinkpad-t480              512 dead          ssd               11 in reported
kofi      R      dell-optiplex-3080-micro          512 worn          hdd               10 in unsold
"""

# What a look answers in the quote, and what the bench finds. What is not said is the best answer.
LOOKS: dict[str, tuple[dict[str, str], dict[str, str | int | None]]] = {
    "good": ({"cosmetic": "light_marks"}, {}),
    "worn": ({"cosmetic": "visible_wear"}, {"screen_wear": "visible", "body_wear": "visible", "battery_soh": 83}),
    "weak": ({"cosmetic": "visible_wear", "battery": "weak"}, {"body_wear": "visible", "battery_soh": 71}),
    "cracked": ({"cosmetic": "visible_wear", "screen": "cracked"}, {"screen_crack": "yes", "body_wear": "visible"}),
    "kbd": ({"cosmetic": "visible_wear", "keyboard": "no"}, {"body_wear": "visible", "screen_wear": "visible"}),
    "dead": (
        {"cosmetic": "damaged", "power": "no"},
        {"power": "off", "body_wear": "heavy", "screen_wear": "heavy", "battery_soh": None},
    ),
    "wet": ({"cosmetic": "damaged", "liquid": "yes"}, {"liquid": "yes", "body_wear": "dented"}),
    "locked": ({"cosmetic": "light_marks"}, {"firmware_lock": "locked", "account_lock": "locked"}),
    "swollen": (
        {"cosmetic": "visible_wear"},
        {"battery_state": "damaged", "power": "not_tested", "battery_soh": None, "body_wear": "visible"},
    ),
    "other": ({"cosmetic": "light_marks"}, {"identity": "differs"}),
}


@dataclass(frozen=True)
class Planned:
    """One device of the plan. `key` names it in the steps and stays the same from run to run."""

    key: str
    seller: str
    centre: str
    model: str
    storage_gb: int
    told: str
    seen: str
    media: tuple[str, ...]
    days: int
    end: str

    @property
    def lot(self) -> str | None:
        """The lot that it goes into."""
        return self.end.removeprefix("in ") if self.end.startswith("in ") else None

    @property
    def wiped(self) -> bool:
        """Whether the agent works on it."""
        return self.end not in BEFORE_WIPE

    @property
    def chance(self) -> random.Random:
        """Chance that falls the same way on every run."""
        return random.Random(f"clearhand {self.key}")  # noqa: S311 - believable content, not a secret


class Bidding(NamedTuple):
    """A bid: who, up to how many euros, and how many seconds before (negative: after) the filling of its lot."""

    who: str
    euros: int
    before: int


@dataclass(frozen=True)
class PlannedLot:
    """A lot: how long it is open (seconds, from its forming), and what becomes of it when it is closed already."""

    name: str
    title: str
    start_euros: int
    open_for: int
    bids: tuple[Bidding, ...]
    reserve_euros: int = 0
    later: tuple[Bidding, ...] = ()
    closed: str | None = None


_B = Bidding
LOTS = (
    PlannedLot(
        "to-pay", "Office desktop without power, München", 5, 2,
        (_B("rosa", 12, 530), _B("rita", 22, 410), _B("henrik", 15, 300), _B("rita", 30, 215)), closed="won",
    ),
    PlannedLot(
        "to-collect", "Laptop with liquid damage, Köln", 3, 2,
        (_B("piotr", 9, 520), _B("rosa", 16, 380), _B("henrik", 11, 240)), closed="paid",
    ),
    PlannedLot(
        "to-report", "Two ThinkPads for parts, Köln", 5, 2,
        (_B("rita", 25, 560), _B("rosa", 18, 420), _B("henrik", 20, 260)), closed="collected",
    ),
    PlannedLot(
        "reported", "Phone and ThinkPad without power, Köln", 5, 2,
        (_B("piotr", 14, 550), _B("henrik", 19, 400), _B("piotr", 28, 230)), closed="reported",
    ),
    PlannedLot("unsold", "Small desktop, reserve not met, Köln", 5, 2, (_B("rita", 9, 330),), 60, closed="unsold"),
    PlannedLot(
        "soon", "Two ThinkPads for dismantling, Köln", 10, 180,
        (_B("rita", 24, 170), _B("henrik", 31, 120), _B("rosa", 36, 60)),
        later=(_B("henrik", 44, -50), _B("piotr", 52, -95)),
    ),
    PlannedLot(
        "quarter", "Two laptops for parts, Köln", 10, 900,
        (_B("piotr", 18, 300), _B("rita", 60, 200), _B("henrik", 27, 90)),
        later=(_B("rosa", 35, -150), _B("henrik", 41, -330), _B("piotr", 48, -560), _B("rosa", 55, -790)),
    ),
    PlannedLot(
        "hours", "Two MacBooks to be repaired, Köln", 60, 7_200,
        (_B("amelie", 150, 500), _B("rita", 210, 320), _B("lena", 265, 100)), 180,
        later=(_B("amelie", 290, -1_500), _B("lena", 320, -5_000)),
    ),
    PlannedLot(
        "tomorrow", "Two Latitude laptops for resale, Dresden", 80, 86_400,
        (_B("lena", 170, 400), _B("rosa", 205, 150)), 120,
    ),
)  # fmt: skip

# Somebody asked for a price and never came back: who (none: no account), model, storage, look, days ago.
QUOTES: tuple[tuple[str | None, str, int, str, int], ...] = (
    (None, "apple-iphone-16", 128, "good", 0),
    ("cora", "google-pixel-9", 128, "worn", 3),
    ("anke", "apple-iphone-14", 128, "weak", 11),
    (None, "dell-latitude-7420", 256, "dead", 20),
    ("gerd", "samsung-galaxy-s21", 128, "cracked", 34),
)

_CENTRES = {"R": RHEIN, "E": ELBE, "I": ISAR}


def devices(ends: Collection[str] | None = None) -> list[Planned]:
    """The devices of the plan; a smaller market has only those that come to one of these ends."""
    rows = [line.split(maxsplit=7) for line in DEVICES.splitlines() if line.strip() and not line.startswith("#")]
    planned = []
    for number, (seller, centre, model, gb, look, media, days, end) in enumerate(rows, start=1):
        told, _, seen = look.partition(">")
        one = Planned(
            key=f"device {number:02d}",
            seller=seller,
            centre=_CENTRES[centre],
            model=model,
            storage_gb=int(gb),
            told=told,
            seen=seen or told,
            media=tuple(media.split("+")),
            days=int(days),
            end=" ".join(end.split()),
        )
        if ends is None or one.end in ends:
            planned.append(one)
    return planned


def answers(device_class: str, look: str) -> dict[str, str]:
    """What the seller says of a device with this look."""
    said = LOOKS[look][0]
    return {
        question.field: said.get(question.field, question.choices[0].value)
        for question in questions.QUESTIONS[device_class]
    }


def findings(device_class: str, look: str, *, soh: int) -> dict[str, object]:
    """What the bench finds on a device with this look; `soh` is the health of its battery where that is a good one."""
    items = {item.id: item for item in checklist.items(device_class, stage="before-offer")}
    found: dict[str, object] = {item.id: item.answers[0].value for item in items.values() if item.answers}
    found |= {"screen_wear": "faint", "body_wear": "faint", "battery_soh": soh} | LOOKS[look][1]
    if found["power"] != "on":
        found |= {item.id: "not_tested" for item in items.values() if item.needs_power}
    return {name: value for name, value in found.items() if name in items and value is not None}
