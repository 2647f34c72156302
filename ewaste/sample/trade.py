"""The last legs of the sample: what was wiped is listed, bought, put into lots, bid on, paid, handed over, reported.

All of it happens after the wipes, in their own time. An auction cannot end sooner than three minutes after its last
bid, so the bids of the lots that are closed already are dated some minutes back; nothing else is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import WORKER, Actor
from ewaste.core import clock, jobs
from ewaste.devices.models import Device
from ewaste.journey import aftersales, bench, clearing, sale, settlement
from ewaste.market.models import Order
from ewaste.payments.gateway import Gateway
from ewaste.processing import ways
from ewaste.sample import plan
from ewaste.sample.bench import code_of, device_of, mass_of
from ewaste.sample.plan import Planned, PlannedLot
from ewaste.sample.steps import Made, Steps

PAYS = "pm_card_visa"
DISSATISFIED = (
    "It was sold as C2, hardly any marks. There is a dent at the left corner that one sees from across the table."
)
OPENED_BEFORE = timedelta(minutes=10)


@dataclass
class Trade:
    """Sells what the wipes have cleared, each step once."""

    steps: Steps
    gateway: Gateway
    actor: Callable[[str], Actor]
    operator: Callable[[Planned], Actor]

    # The storefront -------------------------------------------------------------------------------------------------

    def end(self, one: Planned) -> None:
        """Bring a cleared device that is in no lot to its end."""
        if one.end in ("free", "cleared", "half", "suspended", "destroyed"):
            return
        if one.end == "mended":
            self._mend(one)
        self._list(one)
        if one.end in ("listed", "mended"):
            return
        buyer = "ben" if one.end in ("reserved", "bought", "back") else "hanna"
        order = self._buy(one, buyer)
        if one.end == "reserved":
            return
        self._pay(order, buyer)
        if one.end == "refunded":
            reason = "Dropped while it was packed: the corner is bent. Sorry; it is inspected again before it is sold."
            self.steps.once(
                f"{one.key} refunded",
                lambda session: _nothing(
                    settlement.refund_order(session, self.actor("stefan"), order, reason=reason, now=clock.now())
                ),
            )
        if one.end in ("taken", "back"):
            self._hand_over(order, self.operator(one))
        if one.end == "taken":
            self._dispute(one, order, buyer, "not-as-graded", DISSATISFIED)
        if one.end == "back":
            self._dispute(one, order, buyer, "withdrawal", "")
            self._come_back(one)

    def _list(self, one: Planned) -> None:
        device_id = device_of(self.steps, one)

        def step(session: Session) -> Made:
            # What the rules say that it brings, in the way of shops: the next price that ends in nine.
            price = max(39_00, -(-(ways.selling_price(session, device_id) or 0) // 10_00) * 10_00 - 1_00)
            listing = sale.list_device(session, self.actor("stefan"), device_id, price_minor=price, now=clock.now())
            return {"listing": listing.code}

        self.steps.once(f"{one.key} listed", step)

    def _buy(self, one: Planned, who: str) -> str:
        listing = str(self.steps[f"{one.key} listed"]["listing"])

        def step(session: Session) -> Made:
            return {"order": sale.buy(session, self.actor(who), listing, now=clock.now()).code}

        return str(self.steps.once(f"{one.key} bought", step)["order"])

    def _mend(self, one: Planned) -> None:
        """Repaired at the centre, looked at again, and better than before."""
        device_id = device_of(self.steps, one)

        def step(session: Session) -> None:
            device_class = session.get_one(Device, device_id).device_class.value
            found = plan.findings(device_class, "good", soh=100)
            clearing.reinspect(
                session, self.operator(one), device_id, mass_g=mass_of(one), findings=found, now=clock.now()
            )

        self.steps.once(f"{one.key} mended", step)

    def _dispute(self, one: Planned, order: str, who: str, reason: str, text: str) -> None:
        device = code_of(self.steps, one)
        self.steps.once(
            f"{one.key} disputed",
            lambda session: _nothing(
                aftersales.open_dispute(
                    session, self.actor(who), order, device, reason=reason, text=text, now=clock.now()
                )
            ),
        )

    def _come_back(self, one: Planned) -> None:
        device_id = device_of(self.steps, one)

        def step(session: Session) -> None:
            note = "Came back within the fourteen days: wrong keyboard layout for the buyer."
            grams = mass_of(one) + 900
            bench.receive(
                session, self.operator(one), device_id, seal="S-RET-88", seal_state="intact", mass_g=grams, note=note,
                now=clock.now(),
            )  # fmt: skip

        self.steps.once(f"{one.key} came back", step)

    # Lots -----------------------------------------------------------------------------------------------------------

    def form(self, lot: PlannedLot, devices: list[Planned]) -> str:
        """A lot of these devices with the bids placed so far, and those that sample bidders will place later."""
        codes = [code_of(self.steps, one) for one in devices]

        def step(session: Session) -> Made:
            at = clock.now()
            formed = sale.form_lot(
                session,
                self.actor("stefan"),
                title=lot.title,
                device_codes=codes,
                start_minor=lot.start_euros * 100,
                reserve_minor=lot.reserve_euros * 100,
                opens_at=at - OPENED_BEFORE,
                ends_at=at + timedelta(seconds=lot.open_for),
                now=at,
            )
            for number, bid in enumerate(lot.later):
                jobs.defer(
                    session,
                    jobs.SAMPLE_BID,
                    at=at - timedelta(seconds=bid.before),
                    key=f"sample bid {formed.code} {number}",
                    lot=formed.code,
                    person=str(self.actor(bid.who).id),
                    maximum=bid.euros * 100,
                    bid=f"sample bid {number}",
                )
            return {"lot": formed.code, "id": str(formed.id), "at": at.isoformat()}

        made = self.steps.once(f"lot {lot.name} formed", step)
        at = datetime.fromisoformat(made["at"])
        for number, bid in enumerate(lot.bids):
            self._bid(lot, made["lot"], number, at - timedelta(seconds=bid.before))
        return str(made["lot"])

    def close(self, lot: PlannedLot, devices: list[Planned]) -> None:
        """A lot whose time is over is closed, as the worker would; then what its end asks for."""
        lot_id = UUID(self.steps[f"lot {lot.name} formed"]["id"])
        while True:
            with self.steps.database.transaction() as session:
                ends_at = sale.still_open_until(session, lot_id)
            if ends_at is None or ends_at <= clock.now():
                break
            time.sleep(min(1.0, max(0.0, (ends_at - clock.now()).total_seconds()) + 0.01))
        with self.steps.database.transaction() as session:
            sale.close_lot(session, WORKER, lot_id, now=clock.now())  # If the worker was faster, this changes nothing.
        with self.steps.database.transaction() as session:
            order = session.scalar(sa.select(Order.code).where(Order.lot_id == lot_id))
        if order is None or lot.closed in (None, "won", "unsold"):
            return
        winner = max(lot.bids, key=lambda bid: bid.euros).who
        self._pay(order, winner)
        if lot.closed == "paid":
            return
        self._hand_over(order, self.operator(devices[0]))
        reported = devices if lot.closed == "reported" else devices[:-1]
        for number, one in enumerate(reported):
            self._report(lot, one, winner, "remade" if number and lot.closed == "reported" else "dismantled")

    def _bid(self, lot: PlannedLot, code: str, number: int, at: datetime) -> None:
        bid = lot.bids[number]

        def step(session: Session) -> None:
            sale.place_bid(
                session, self.actor(bid.who), code, max_minor=bid.euros * 100, key=f"sample {lot.name} {number}", now=at
            )

        self.steps.once(f"lot {lot.name} bid {number}", step)

    def _report(self, lot: PlannedLot, one: Planned, who: str, outcome: str) -> None:
        lot_code = self.steps[f"lot {lot.name} formed"]["lot"]
        grams = mass_of(one)
        shares = {
            "circuit_boards": 14,
            "batteries": 11,
            "displays": 17,
            "non_ferrous": 19,
            "plastics": 26,
            "residue": 4,
        }
        fractions = {name: grams * share // 100 for name, share in shares.items()}

        def step(session: Session) -> None:
            settlement.report_outcome(
                session,
                self.actor(who),
                lot_code,
                code_of(self.steps, one),
                outcome=outcome,
                fractions=fractions if outcome == "dismantled" else {"reused_parts": grams * 96 // 100},
                remark="" if outcome == "dismantled" else "Board and screen of this one made another one whole.",
                now=clock.now(),
            )

        self.steps.once(f"{one.key} reported", step)

    # Money and hands ------------------------------------------------------------------------------------------------

    def _pay(self, order: str, who: str) -> None:
        """The buyer pays at the provider. Under the same instruction as often as it takes; the money moves once."""
        if f"order of {order} paid" in self.steps:
            return
        with self.steps.database.transaction() as session:
            state = session.scalars(sa.select(Order.state).where(Order.code == order)).one()
        if state.value == "awaiting-payment":
            with self.steps.database.transaction() as session:
                errand = settlement.start_payment(session, self.actor(who), order, practice=True, now=clock.now())
            payment = self.gateway.collect(
                errand.instruction_id, errand.amount, errand.description, payment_method=PAYS, group=errand.group
            )
            with self.steps.database.transaction() as session:
                settlement.require_asked(session, errand.instruction_id, payment)
                settlement.note_payment(
                    session, WORKER, errand.instruction_id, payment.state, payment.reference, payment.reason,
                    now=clock.now(),
                )  # fmt: skip
        self.steps.note(f"order of {order} paid")

    def _hand_over(self, order: str, operator: Actor) -> None:
        def step(session: Session) -> None:
            code = session.scalars(sa.select(Order.collection_code).where(Order.code == order)).one()
            settlement.hand_over(session, operator, code, now=clock.now())

        self.steps.once(f"order {order} handed over", step)


def _nothing(_: object) -> None:
    return None
