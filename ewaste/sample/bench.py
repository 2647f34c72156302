"""The first legs of the sample: devices are announced, received, inspected, confirmed, and ordered to be wiped.

Everything here happened days ago: each step is given its time by the plan, counted back from the filling's beginning.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import ANONYMOUS, WORKER, Actor
from ewaste.centres.credentials import Issuers
from ewaste.devices.models import Device, HoldKind, Medium
from ewaste.journey import bench, trade_in
from ewaste.sample import plan
from ewaste.sample.plan import Planned
from ewaste.sample.steps import Made, Steps
from ewaste.tradein.models import Offer
from ewaste.tradein.pricing import CatalogueModel, load_catalogue

DRIVES = {
    "ssd": (("Samsung", "PM871b"), ("Micron", "1100"), ("SK hynix", "SC311"), ("Kingston", "A400")),
    "nvme": (("Samsung", "PM981"), ("WD", "SN730"), ("Apple", "AP0256Q"), ("KIOXIA", "KBG40")),
    "hdd": (("Seagate", "ST500LM021"), ("WD", "WD5000LPLX"), ("Toshiba", "MQ01ABF050")),
    "usb": (("SanDisk", "Ultra Fit"),),
    "sim": (("", "Nano-SIM"),),
    "emmc": (("Samsung", "KLMDG4UCTB"), ("Kingston", "EMMC128")),
    "ufs": (("KIOXIA", "THGJFAT0T44"), ("Samsung", "KLUDG4UHDB")),
    "phone-storage": (("", "built in"),),
}
CARTON_GRAMS = 320
_SIGNS = "ABCDEFGHJKLMNPRSTUVWXYZ23456789"


@dataclass
class Bench:
    """Brings planned devices to where a wipe could begin, each step once."""

    steps: Steps
    issuers: Issuers
    actor: Callable[[str], Actor]
    centres: dict[str, UUID]

    def quotes(self) -> None:
        """Prices that somebody asked for and left."""
        for number, (who, model, gb, look, days) in enumerate(plan.QUOTES, start=1):
            actor = self.actor(who) if who else ANONYMOUS
            at = self.steps.now - timedelta(days=days, hours=2 + number)

            def ask(session: Session, actor: Actor = actor, at: datetime = at, model: str = model, gb: int = gb,
                    look: str = look) -> None:  # fmt: skip
                said = plan.answers(_class_of(model), look)
                trade_in.quote(session, actor, model_code=model, storage_gb=gb, answers=said, now=at)

            self.steps.once(f"quote {number} asked", ask)

    def bring(self, one: Planned) -> None:
        """Bring a device as far as it comes without a wipe."""
        way = Way(self, one)
        ending = getattr(way, "end_" + one.end.replace("-", "_"), None) if not one.wiped else way.end_ordered
        if ending is None:
            raise ValueError(f"{one.key}: the plan says {one.end!r}, and nobody knows how to get there.")
        ending()


class Way:
    """One device on its way, with its calendar. Each `end_…` leads through what comes before it."""

    def __init__(self, stage: Bench, one: Planned) -> None:
        self.stage, self.one = stage, one
        self.steps = stage.steps
        self.seller = stage.actor(one.seller)
        self.operator = stage.actor(operator_of(one.centre))
        chance = one.chance
        self.serial = serial_of(one)
        self.soh = chance.randint(85, 94)
        # Quotes come in the evening, centres work by day; everything lies a few hours before the filling at least.
        ago = timedelta(days=one.days, hours=chance.randint(1, 4), minutes=chance.randint(0, 59))
        self.quoted = self.steps.now - ago
        self.received = self.quoted + timedelta(days=min(2.2, one.days * 0.4), minutes=chance.randint(0, 200))
        self.inspected = self.received + timedelta(hours=min(20, one.days * 2.6), minutes=chance.randint(0, 90))
        self.answered = self.inspected + timedelta(hours=min(16, one.days * 2.2), minutes=chance.randint(0, 90))
        self.ordered = max(self.answered + timedelta(hours=2), self.steps.now - timedelta(hours=chance.randint(3, 30)))

    # What a device goes through, one after another ------------------------------------------------------------------

    def announce(self) -> UUID:
        """A quote, accepted: the device is expected."""

        def step(session: Session) -> Made:
            said = plan.answers(_class_of(self.one.model), self.one.told)
            quote = trade_in.quote(
                session,
                self.seller,
                model_code=self.one.model,
                storage_gb=self.one.storage_gb,
                answers=said,
                now=self.quoted,
            )
            device = trade_in.accept_quote(
                session,
                self.seller,
                quote.code,
                serial=self.serial,
                owner=True,
                centre_id=self.stage.centres[self.one.centre],
                silence="send-back",
                floor_minor=None,
                now=self.quoted + timedelta(minutes=9),
            )
            return {"device": str(device.id), "code": device.code}

        return UUID(self._once("announced", step)["device"])

    def receive(self, seal_state: str = "intact") -> UUID:
        """The parcel is at the door."""
        device_id = self.announce()
        grams = mass_of(self.one) + CARTON_GRAMS

        def step(session: Session) -> None:
            seal = f"S-{self.one.chance.randint(10_000, 99_999)}"
            bench.receive(
                session, self.operator, device_id, seal=seal, seal_state=seal_state, mass_g=grams, note="",
                now=self.received,
            )  # fmt: skip

        self._once("received", step)
        return device_id

    def note_media(self, at: datetime | None = None, *, only: int | None = None) -> UUID:
        """The drives and cards that the plan has for this device, or the first of them."""
        device_id = self.receive()
        for number in range(len(self.one.media[:only])):
            self.note_medium(device_id, number, at or self.received + timedelta(minutes=25 + number))
        return device_id

    def note_medium(self, device_id: UUID, number: int, at: datetime) -> None:
        """One drive or card."""
        maker, model, serial = drive_of(self.one, number)

        def step(session: Session) -> None:
            bench.observe_medium(
                session, self.operator, device_id, kind=self.one.media[number], manufacturer=maker, model=model,
                serial=serial, wwn=None, size_bytes=None, now=at,
            )  # fmt: skip

        self._once(f"medium {number} noted", step)

    def inspect(self, *, media: bool = True, only: int | None = None) -> UUID:
        """Looked at, graded, offered for."""
        device_id = self.note_media(only=only) if media else self.receive()
        shows = f"{self.serial[:-2]}X7" if self.one.seen == "other" else self.serial

        def step(session: Session) -> None:
            device_class = session.get_one(Device, device_id).device_class.value
            found = plan.findings(device_class, self.one.seen, soh=self.soh)
            bench.inspect(
                session, self.operator, device_id, observed_serial=shows, mass_g=mass_of(self.one), findings=found,
                now=self.inspected,
            )  # fmt: skip

        self._once("inspected", step)
        return device_id

    def confirm(self, **options: bool | int | None) -> UUID:
        """The seller takes the offer."""
        device_id = self.inspect(**options)  # type: ignore[arg-type] # the options of `inspect`

        def step(session: Session) -> None:
            trade_in.confirm_offer(session, self.seller, offer_of(session, device_id), now=self.answered)

        self._once("confirmed", step)
        return device_id

    def order(self, **options: bool | int | None) -> UUID:
        """The wipe is ordered."""
        device_id = self.confirm(**options)

        def step(session: Session) -> Made:
            order = bench.issue_work_order(
                session, self.operator, device_id, issuers=self.stage.issuers, now=self.ordered
            )
            return {"order": order.code}

        self._once("ordered", step)
        return device_id

    # Where it ends ---------------------------------------------------------------------------------------------------

    def end_expected(self) -> None:
        self.announce()

    def end_cancelled(self) -> None:
        device_id = self.announce()
        at = self.quoted + timedelta(hours=30)
        self._once("cancelled", lambda session: _nothing(trade_in.cancel(session, self.seller, device_id, now=at)))

    def end_parcel_lost(self) -> None:
        device_id = self.announce()
        reason = "The carrier searched for ten days and has given the parcel up."
        self._lose(device_id, reason, self.quoted + timedelta(days=14))

    def end_received(self) -> None:
        self.receive()

    def end_broken_seal(self) -> None:
        self.receive("broken")

    def end_noted(self) -> None:
        self.note_media()

    def end_offered(self) -> None:
        self.inspect()

    def end_declined(self) -> None:
        device_id = self.inspect()
        self._once(
            "declined",
            lambda session: _nothing(
                trade_in.decline_offer(session, self.seller, offer_of(session, device_id), now=self.answered)
            ),
        )

    def end_lapsed(self) -> None:
        device_id = self.inspect()

        def step(session: Session) -> None:
            offer = session.get_one(Offer, offer_of(session, device_id))
            trade_in.expire_offer(session, WORKER, offer.id, now=offer.answer_by + timedelta(minutes=1))

        self._once("lapsed", step)

    def end_stolen(self) -> None:
        device_id = self.inspect()
        why = "The IMEI stands on a police list of stolen phones. The desk has asked; nothing moves meanwhile."
        self._hold(device_id, HoldKind.STOLEN, why, by=self.stage.actor("stefan"))

    end_battery = end_wrong_item = end_locked = end_offered  # The bench finds it, and the inspection places the hold.

    def end_returned(self) -> None:
        self.end_declined()
        device_id = self.announce()
        at = self.answered + timedelta(hours=20)
        self._once(
            "sent back",
            lambda session: _nothing(
                bench.send_back(
                    session, self.operator, device_id, reason="The seller did not take the offer.", seal="S-RETURN",
                    mass_g=mass_of(self.one) + CARTON_GRAMS, now=at,
                )
            ),
        )  # fmt: skip

    def end_confirmed(self) -> None:
        self.confirm(media=False)

    def end_waiting(self) -> None:
        self.confirm()

    def end_ordered(self) -> None:
        # Of a device whose certificate will cover too little, one drive is found after the order only.
        self.order(only=1 if self.one.end == "half" else None)
        if self.one.end == "destroyed":
            self.fail()

    def end_missing(self) -> None:
        device_id = self.confirm()
        reason = "Not on its shelf at the weekly count, and not found in two days of looking."
        self._lose(device_id, reason, self.answered + timedelta(days=5))

    def end_failed(self) -> None:
        self.order()
        self.fail()

    def fail(self) -> None:
        """The first medium cannot be wiped; a new order is for its destruction."""
        device_id = self.announce()

        def failed(session: Session) -> None:
            medium = session.scalars(sa.select(Medium.id).where(Medium.device_id == device_id).limit(1)).one()
            reason = "It does not answer any more: the write stopped after 41 % and no retry went through."
            bench.wipe_failed(
                session, self.operator, device_id, medium, reason=reason, now=self.ordered + timedelta(minutes=50)
            )

        self._once("wipe failed", failed)
        if self.one.end != "destroyed":
            return

        def again(session: Session) -> Made:
            order = bench.issue_work_order(
                session, self.operator, device_id, issuers=self.stage.issuers, now=self.ordered + timedelta(minutes=70)
            )
            return {"order": order.code}

        self._once("ordered again", again)

    def _hold(self, device_id: UUID, kind: HoldKind, reason: str, *, by: Actor) -> None:
        at = self.inspected + timedelta(hours=3)
        self._once(
            "held",
            lambda session: _nothing(bench.place_hold(session, by, device_id, kind=kind.value, reason=reason, now=at)),
        )

    def _lose(self, device_id: UUID, reason: str, at: datetime) -> None:
        at = min(at, self.steps.now - timedelta(hours=1))

        def step(session: Session) -> None:
            bench.report_lost(session, self.operator, device_id, reason=reason, now=at)

        self._once("lost", step)

    def _once(self, what: str, step: Callable[[Session], Made | None]) -> Made:
        return self.steps.once(f"{self.one.key} {what}", step)


def operator_of(centre: str) -> str:
    """Who works at a centre."""
    return {plan.RHEIN: "olga", plan.ELBE: "omar", plan.ISAR: "ines"}[centre]


def offer_of(session: Session, device_id: UUID) -> UUID:
    """The newest offer for a device."""
    return session.scalars(
        sa.select(Offer.id).where(Offer.device_id == device_id).order_by(Offer.cycle.desc()).limit(1)
    ).one()


def order_of(steps: Steps, one: Planned) -> str:
    """The code of the work order that stands for a device."""
    again = f"{one.key} ordered again"
    return str(steps[again if again in steps else f"{one.key} ordered"]["order"])


def device_of(steps: Steps, one: Planned) -> UUID:
    """The id of a planned device."""
    return UUID(steps[f"{one.key} announced"]["device"])


def code_of(steps: Steps, one: Planned) -> str:
    """The code of a planned device."""
    return str(steps[f"{one.key} announced"]["code"])


def serial_of(one: Planned) -> str:
    """A serial number or IMEI that looks like one and is nobody's: IMEIs begin with the test code 00."""
    chance = one.chance
    if _class_of(one.model) == "smartphone":
        digits = "0044" + "".join(chance.choices("0123456789", k=10))
        return digits + _luhn(digits)
    prefixes = {"apple": "C0", "dell": "", "lenovo": "PF", "hp": "5C", "microsoft": "0F"}
    return prefixes.get(one.model.split("-")[0], "R5") + "".join(chance.choices(_SIGNS, k=8))


def drive_of(one: Planned, number: int) -> tuple[str, str, str]:
    """Maker, model and serial of a device's medium."""
    chance = random.Random(f"clearhand {one.key} drive {number}")  # noqa: S311 - believable content, not a secret
    kind = one.media[number]
    maker, model = chance.choice(DRIVES[kind])
    if kind == "phone-storage":
        return maker, model, f"{serial_of(one)}-0"
    return maker, model, "S" + "".join(chance.choices(_SIGNS, k=11))


def mass_of(one: Planned) -> int:
    """What the device weighs, in grams: its model's mass and a little."""
    return _model(one.model).mass_g + one.chance.randint(-9, 14)


@cache
def _model(code: str) -> CatalogueModel:
    return next(model for model in load_catalogue() if model.id == code)


def _class_of(model: str) -> str:
    return _model(model).device_class


def _luhn(digits: str) -> str:
    doubled = [int(sign) * (2 if place % 2 else 1) for place, sign in enumerate(digits)]
    return str(-sum(value // 10 + value % 10 for value in doubled) % 10)


def _nothing(_: object) -> None:
    return None
