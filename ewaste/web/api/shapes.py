"""What the API takes and tells, as models: they check what comes in, write what goes out, and become the document.

What is sent may hold nothing that is not described, and every number and text has bounds. Answers may gain fields
within `v1`; they lose none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ewaste.core import money
from ewaste.devices.lifecycle import State
from ewaste.devices.models import DeviceClass
from ewaste.market.auctions import MOST_MINOR
from ewaste.processing.models import Outcome
from ewaste.processing.outcomes import FRACTIONS
from ewaste.views.bench_list import QUEUES

# No control characters, and no marks that turn the reading direction around.
LINE = r"^[^\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$"
TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$"


# A map whose names have a pattern takes no others; pydantic checks that, and does not say so in the schema.
_NO_OTHERS: dict[str, Any] = {"additionalProperties": False}


class Sent(BaseModel):
    """What a program sends: nothing that is not described, and nothing that only looks like it."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Told(BaseModel):
    """What we answer."""

    @classmethod
    def of(cls, told: Mapping[str, Any], **more: Any) -> Self:
        """From what a view tells: the fields of the same names, money as the API writes it."""
        found = {name: _plain(told[name]) for name in cls.model_fields if name not in more}
        return cls.model_validate(found | {name: _plain(value) for name, value in more.items()})


def _plain(value: Any) -> Any:
    return {"amount": value.amount_minor, "currency": value.currency} if isinstance(value, money.Money) else value


# ---- what is shared ----


class Money(Told):
    """Whole minor units (cents) and a currency of ISO 4217."""

    amount: int = Field(examples=[4200])
    currency: str = Field(pattern="^[A-Z]{3}$", examples=["EUR"])


class Offered(Sent):
    """An amount of money that you name: whole minor units (cents), and euros."""

    amount: int = Field(ge=1, le=MOST_MINOR, examples=[4200])
    currency: Literal["EUR"]


class Pair(Told):
    """A question and its answer, in words."""

    question: str
    answer: str


class Problem(BaseModel):
    """RFC 9457 problem details. `type` leads to the explanation of its kind; `field` names the input at fault."""

    type: str = Field(json_schema_extra={"format": "uri"})
    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What was refused, why, and what to do now: a sentence for a person.")
    field: str | None = None


def _number(text: Any) -> Any:
    # A query is text. Only plain digits are a number; what else Python would read as one is left to be refused.
    return int(text) if isinstance(text, str) and re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else text


PageNumber = Annotated[int, Field(ge=1, le=10_000, strict=True), BeforeValidator(_number)]
Class = Annotated[DeviceClass, Field(strict=False)]


class NoQuery(Sent):
    """Nothing is asked in the query."""


class Paged(Sent):
    """Which page; pages have fifty entries."""

    page: PageNumber = 1


class Search(Paged):
    """Words that must all occur, and a class of device."""

    q: str = Field("", max_length=100, pattern=LINE)
    device_class: Class | None = None


class MyDevicesQuery(Paged):
    """Your devices; `q` is a part of a code, a serial or a model."""

    q: str = Field("", max_length=100, pattern=LINE)


class LotQuery(Paged):
    """Which lots, in which order: by their end, the newest, the cheapest for each device, the heaviest."""

    q: str = Field("", max_length=100, pattern=LINE)
    state: Literal["open", "running", "coming", "closed"] = "open"
    sort: Literal["closing", "newest", "each", "mass"] = "closing"
    way: Literal["resale", "remanufacture", "dismantling"] | None = None
    device_class: Class | None = None


class BenchQuery(Paged):
    """One queue of the bench; without it, everything that waits for the bench’s hands."""

    queue: str | None = Field(None, json_schema_extra={"enum": list(QUEUES)}, pattern=f"^({'|'.join(QUEUES)})$")


# ---- catalogue and quotes ----


class Model(Told):
    """A model that we buy."""

    code: str = Field(examples=["lenovo-thinkpad-t480"])
    brand: str
    name: str
    device_class: DeviceClass
    launched: int = Field(description="The year.")
    storage_gb: list[int] = Field(description="The sizes it was sold with; empty when there is no choice.")
    up_to: Money | None = Field(description="An estimate: what we pay today for one like new, with the most storage.")


class Models(Told):
    """A page of the catalogue."""

    items: list[Model]
    total: int
    next: str | None = Field(description="The address of the next page; null on the last one.")


class Choice(Told):
    """An answer that can be given."""

    value: str
    label: str


class Question(Told):
    """A question about the device’s condition."""

    field: str
    text: str
    hint: str
    choices: list[Choice]


class ModelDetail(Model):
    """A model with the questions that a quote asks."""

    questions: list[Question]


_LAPTOP: dict[str, Any] = {
    "model": "lenovo-thinkpad-t480",
    "storage_gb": 256,
    "answers": {
        "power": "yes", "cosmetic": "light_marks", "screen": "whole", "display": "clean", "battery": "good",
        "liquid": "no", "account": "yes", "keyboard": "yes", "storage": "yes", "charger": "yes",
    },
}  # fmt: skip


class QuoteAsked(Sent):
    """A device as its owner describes it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_LAPTOP]})

    model: str = Field(min_length=1, max_length=80, pattern="^[a-z0-9-]+$", examples=["lenovo-thinkpad-t480"])
    storage_gb: int = Field(
        0, ge=0, le=100_000, description="One of the model’s sizes; 0 when it has none to choose from."
    )
    answers: dict[
        Annotated[str, Field(pattern="^[a-z_]{1,40}$")], Annotated[str, Field(pattern="^[a-z0-9_]{1,40}$")]
    ] = Field(
        max_length=40,
        json_schema_extra=_NO_OTHERS,
        description="Question → value, as the model’s questions name them.",
        examples=[{"cosmetic": "light_marks", "power": "yes"}],
    )


class QuoteLine(Told):
    """One line of the sum: what it does to the amount before it, by which published rule."""

    label: str
    rule: str
    factor: str | None
    delta: Money | None
    running: Money
    explain: str | None
    basis: str
    source: str
    estimate: bool


class Quote(Told):
    """A quote, line by line. It is good until `valid_until`; a person accepts it on its page."""

    code: str = Field(examples=["Q-7K3M-9QXA"])
    model: str
    title: str
    device_class: DeviceClass
    answers: list[Pair]
    lines: list[QuoteLine]
    total: Money
    formula_version: str
    made_at: datetime
    valid_until: datetime
    state: Literal["open", "accepted", "expired"]
    device_code: str | None
    page: str = Field(description="Where a person reads and accepts it.")


# ---- lots ----


class LotCard(Told):
    """A lot in short."""

    code: str = Field(examples=["L-7K3M-9QXA"])
    title: str
    way: Literal["resale", "remanufacture", "dismantling"]
    state: Literal["planned", "open", "closed", "sold", "unsold"]
    devices: int
    centre_name: str
    city: str
    price: Money
    bids: int
    starts_at: datetime
    ends_at: datetime
    closed_at: datetime | None
    mass_g: int | None


class Lots(Told):
    """A page of lots."""

    items: list[LotCard]
    total: int
    next: str | None


class Graded(Told):
    """A device as it was graded."""

    title: str
    device_class: DeviceClass
    storage_gb: int | None
    grade_cosmetic: str | None
    grade_function: str | None
    battery_health: int | None = Field(description="State of health in per cent.")
    faults: list[str]
    certificate_id: UUID | None


class LotItem(Graded):
    """One line of a lot’s manifest."""

    code: str = Field(examples=["D-7K3M-9QXA"])
    mass_g: int | None
    evidence_classes: list[str]
    expected_value: Money | None = Field(description="An estimate by our routing rules; nobody promises it.")
    released_because: str | None = Field(description="Why the device is in the lot no more; null while it is.")


class BidTold(Told):
    """A bid as everybody reads it: bidders under aliases, never a maximum."""

    sequence: int
    at: datetime
    bidder: str
    amount: Money
    mine: bool
    leads: bool


class MyPart(Told):
    """How your firm stands in this lot."""

    may_bid: bool
    why_not: str | None
    maximum: Money | None = Field(description="The most you named; others never read it.")
    leading: bool | None
    won: bool


class Lot(LotCard):
    """A lot with its manifest and its newest bids."""

    start: Money
    minimum: Money = Field(description="The least that the next bid may name.")
    increment: Money
    reserve_set: bool
    reserve_met: bool | None
    items: list[LotItem]
    history: list[BidTold]
    yours: MyPart | None = Field(description="Null without a token that has the scope `bid` or `read`.")


class BidSent(Sent):
    """A bid: the most that you would pay. It binds. You pay no more than is needed to lead."""

    maximum: Offered


class BidPlaced(Told):
    """Your bid is taken."""

    sequence: int = Field(description="Its number in the lot; numbers have no gaps.")
    leading: bool
    price: Money
    ends_at: datetime = Field(description="Late bids move the end.")


# ---- the shop and orders ----


class ListingCard(Graded):
    """A device for sale, in short."""

    code: str = Field(examples=["S-7K3M-9QXA"])
    price: Money


class Listings(Told):
    """A page of the shop."""

    items: list[ListingCard]
    total: int
    next: str | None


class Listing(ListingCard):
    """A device for sale, with what the bench found."""

    state: Literal["open", "sold", "withdrawn"]
    centre_name: str
    grade_text: str | None
    found: list[Pair]


class OrderSent(Sent):
    """You take the device at this price. If its price is another by now, nothing is bought."""

    price: Offered


class OrderedDevice(Told):
    """A device of an order."""

    code: str
    title: str
    device_class: DeviceClass
    certificate_id: UUID | None


class OrderCard(Told):
    """An order in short."""

    code: str = Field(examples=["B-7K3M-9QXA"])
    title: str
    total: Money
    state: Literal["awaiting_payment", "paid", "collected", "settled", "cancelled", "refunded"]
    at: datetime


class Orders(Told):
    """Your newest orders, fifty at most."""

    items: list[OrderCard]


class Order(Told):
    """What you owe, until when, and how far it has come. A person pays on its page."""

    code: str = Field(examples=["B-7K3M-9QXA"])
    kind: Literal["lot", "listing"]
    title: str
    lot_code: str | None
    listing_code: str | None
    total: Money
    state: Literal["awaiting_payment", "paid", "collected", "settled", "cancelled", "refunded"]
    made_at: datetime
    pay_by: datetime
    paid_at: datetime | None
    collection_code: str | None = Field(description="Shown between payment and hand-over.")
    collection_place: str
    collected_at: datetime | None
    closed_at: datetime | None
    devices: list[OrderedDevice]
    page: str = Field(description="Where a person pays it.")


class Fractions(Sent):
    """What came out, in whole grams."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"batteries": 290, "circuit_boards": 180, "residue": 90}]}
    )

    reused_parts: int | None = Field(None, ge=0, le=1_000_000)
    batteries: int | None = Field(None, ge=0, le=1_000_000)
    circuit_boards: int | None = Field(None, ge=0, le=1_000_000)
    displays: int | None = Field(None, ge=0, le=1_000_000)
    ferrous: int | None = Field(None, ge=0, le=1_000_000)
    non_ferrous: int | None = Field(None, ge=0, le=1_000_000)
    plastics: int | None = Field(None, ge=0, le=1_000_000)
    cables: int | None = Field(None, ge=0, le=1_000_000)
    residue: int | None = Field(None, ge=0, le=1_000_000)


assert set(Fractions.model_fields) == set(FRACTIONS)  # noqa: S101 - the published list, spelled out for the document


class OutcomeSent(Sent):
    """What a device of a collected lot became. The fractions weigh no more than the device did at the centre."""

    outcome: Annotated[Outcome, Field(strict=False)]
    fractions: Fractions
    remark: str = Field("", max_length=500, pattern=TEXT)


class OutcomeKept(Told):
    """Your report is taken. Its first owner reads it."""

    device_code: str
    outcome: Outcome
    mass_in_g: int
    mass_out_g: int
    fractions: dict[str, int]
    at: datetime


# ---- one's own ----


class MyDevice(Told):
    """A device that you sell, in short."""

    code: str = Field(examples=["D-7K3M-9QXA"])
    title: str
    device_class: DeviceClass
    state: State
    at: datetime
    amount: Money | None
    next_step: str
    attention: bool


class MyDevices(Told):
    """A page of your devices, those that wait for you first."""

    items: list[MyDevice]
    total: int
    next: str | None


class Event(Told):
    """Something that happened to a device, or comes next."""

    at: datetime | None
    title: str
    text: str | None


class OfferTold(Told):
    """What we pay after the inspection. A person answers it on the device’s page."""

    status: Literal["open", "confirmed", "declined", "expired", "taken_at_floor"]
    declared: Money
    amount: Money
    answer_by: datetime
    answered_at: datetime | None
    pay_by: datetime | None


class PayoutTold(Told):
    """Where your money is."""

    status: Literal["planned", "instructed", "paid", "failed"]
    amount: Money
    due_by: datetime | None
    paid_at: datetime | None


class Next(Told):
    """What happens next."""

    title: str
    text: str | None
    by: datetime | None


class DeviceStory(Told):
    """A device of yours with its story."""

    code: str = Field(examples=["D-7K3M-9QXA"])
    title: str
    device_class: DeviceClass
    state: State
    custody_cycle: int
    serial: str
    centre_name: str
    quoted: Money | None
    on_hold: bool
    next: Next
    events: list[Event]
    offer: OfferTold | None
    payout: PayoutTold | None
    certificate_id: UUID | None
    custody_head: str | None = Field(description="The hash of its newest custody event.")


class WonLot(LotCard):
    """A lot that your firm won."""

    order_code: str
    order_state: str
    pay_by: datetime
    reported: int = Field(description="How many of its devices you have reported.")


class BidOnLot(LotCard):
    """A lot that your firm bids on, or did."""

    my_maximum: Money


class LeadingLot(BidOnLot):
    """An open lot that your firm bids on."""

    leading: bool


class MyLots(Told):
    """Your firm’s lots: fifty at most of each."""

    won: list[WonLot]
    bidding: list[LeadingLot]
    lost: list[BidOnLot]


class WonDevice(Told):
    """A device of a lot that you won."""

    code: str
    title: str
    device_class: DeviceClass
    mass_g: int | None
    state: State
    outcome: str | None = Field(description="What you reported; null when that is still to do.")


class MyLot(Told):
    """A lot that your firm won, device by device."""

    lot: LotCard
    order_code: str
    devices: list[WonDevice]


# ---- the bench ----


class BenchRow(Told):
    """A device at your centre, in short."""

    code: str = Field(examples=["D-7K3M-9QXA"])
    title: str
    device_class: DeviceClass
    state: State
    serial: str
    since: datetime
    next_step: str
    holds: int
    media: int
    due_by: datetime | None


class BenchQueue(Told):
    """A page of the bench, the most pressing first."""

    items: list[BenchRow]
    total: int
    next: str | None
    counts: dict[str, int] = Field(description="Queue → how many devices wait in it.")
    centre_status: str


class MediumTold(Told):
    """A storage medium that was found in a device."""

    kind: str
    manufacturer: str
    model: str
    serial: str
    size_bytes: int | None
    status: str


class WorkOrderTold(Told):
    """The newest work order of a device."""

    code: str
    valid_until: datetime
    expired: bool


class BenchDevice(Told):
    """A device at your centre, with what can be done next."""

    code: str
    title: str
    device_class: DeviceClass
    state: State
    custody_cycle: int
    serial: str
    mass_g: int | None
    seal: str | None
    on_hold: bool
    next: Next
    may: list[str] = Field(description="The steps that are open now.")
    media: list[MediumTold]
    work_order: WorkOrderTold | None


# ---- certificates ----


class Check(Told):
    """One check of a certificate, in words."""

    name: str
    level: Literal["holds", "caution", "fails"] | None = Field(
        default=None,
        description="A caution does not refute the certificate; it says what could not be seen. Not told of old ones.",
    )
    ok: bool | None = Field(description="False where the check fails; a caution is true.")
    text: str
    code: Literal["late", "revoked"] | None = Field(
        default=None, description="late: witnesses saw it more than a day after its date. revoked: it was withdrawn."
    )


class Line(Told):
    """One storage medium on a certificate: what was done to it, by what evidence."""

    kind: str
    model: str
    serial: str
    level: str | None
    technique: str
    evidence_class: str


class Certificate(Told):
    """A certificate in our register, verified again just now."""

    id: UUID
    credential_id: str
    status: Literal["live", "revoked"]
    verifies: bool
    why_not: str | None = Field(description="The first thing that does not hold.")
    revoked_at: datetime | None
    revoked_reason: str | None
    found_since: str | None = Field(
        description="What is to be known when another storage medium was found in the device since."
    )
    in_doubt: str | None = Field(
        description="Why it is being looked at again, where that is so: whether it stands is not decided, whatever a "
        "check by the files alone says."
    )
    training: bool = Field(description="It comes from an exercise, and proves nothing about a real device.")
    issuer_name: str
    device_code: str
    device_title: str
    wiped_by: datetime = Field(description="When the last medium was done.")
    accepted_at: datetime
    media: list[Line]
    checks: list[Check]
    bundle: str = Field(description="The signed files as a .zip, for a verifier of your own.")


class BundleSent(Sent):
    """The files of a certificate bundle, as texts. Nothing of it is kept."""

    files: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,60}$")], Annotated[str, Field(max_length=300_000)]] = (
        Field(
            json_schema_extra=_NO_OTHERS,
            min_length=1,
            max_length=16,
            description="File name → text: certificate.json, accreditation.json, work-order.json, dids.json.",
            examples=[{"certificate.json": "{}"}],
        )
    )
    training: bool = Field(False, description="Take certificates from exercises too.")


class Verified(Told):
    """What a verification found."""

    verifies: bool
    why_not: str | None
    standing: Literal["live", "revoked", "refused", "unknown"] = Field(description="How it stands in our register.")
    standing_reason: str | None
    found_since: str | None = Field(
        description="What is to be known when another storage medium was found in the device since."
    )
    in_doubt: str | None = Field(
        description="Why it is being looked at again, where that is so: whether it stands is not decided, whatever a "
        "check by the files alone says."
    )
    credential_id: str | None
    issuer_name: str | None
    device_code: str | None
    training: bool | None
    wiped_by: datetime | None
    media: list[Line]
    checks: list[Check]
