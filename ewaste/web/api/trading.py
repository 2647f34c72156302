"""What programs do with a token: bid, buy, report; and what they read of their person's own."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import url_for

from ewaste.accounts.tokens import Scope
from ewaste.core.ids import DEVICE, LISTING, LOT, ORDER
from ewaste.core.money import Money
from ewaste.core.refusals import Conflict, Invalid
from ewaste.journey import sale, settlement
from ewaste.views import bench, bench_list, market, recycler
from ewaste.views import device as devices
from ewaste.views import shapes as paging
from ewaste.web.api import shapes
from ewaste.web.api.declare import Api, Call, next_page
from ewaste.web.edge import runtime

api = Api()
ORDER_READERS = (Scope.BUY, Scope.READ, Scope.REPORT)


@api.operation(
    "POST", "/lots/{code}/bids", tag="Lots", body=shapes.BidSent, answer=shapes.BidPlaced, status=201,
    scopes=(Scope.BID,), refuses=(404, 409, 422), codes={"code": LOT},
)  # fmt: skip
def bid(call: Call, code: str) -> shapes.BidPlaced:
    """Place a bid.

    You name the most that you would pay; it binds. We bid for you only as much as is needed to lead. A taken bid has a
    number, also when another firm’s maximum is as high or higher and it does not lead."""
    sent: shapes.BidSent = call.body
    placed = sale.place_bid(
        call.session, call.actor, code, max_minor=sent.maximum.amount, key=_bid_key(call), now=call.now
    )
    return shapes.BidPlaced(
        sequence=placed.seq,
        leading=placed.leading,
        price=shapes.Money(amount=placed.price_minor, currency=sent.maximum.currency),
        ends_at=placed.ends_at,
    )


@api.operation(
    "POST", "/shop/{code}/orders", tag="Shop", body=shapes.OrderSent, answer=shapes.Order, status=201,
    scopes=(Scope.BUY,), refuses=(404, 409, 422), codes={"code": LISTING},
)  # fmt: skip
def buy(call: Call, code: str) -> shapes.Order:
    """Take a device from the shop.

    It is reserved for half an hour; a person pays on the order’s page within that time, or it goes back."""
    sent: shapes.OrderSent = call.body
    made = sale.buy(call.session, call.actor, code, now=call.now)
    if (made.amount_minor, made.currency) != (sent.price.amount, sent.price.currency):
        price = Money(made.amount_minor, made.currency)
        raise Conflict(f"This device costs {price} by now. Nothing was bought.", field="price")
    return _order(call, made.code)


@api.operation("GET", "/orders", tag="Orders", answer=shapes.Orders, scopes=ORDER_READERS)
def orders(call: Call) -> shapes.Orders:
    """Your newest orders, or those of your firm"""
    return shapes.Orders(items=[shapes.OrderCard.of(told) for told in market.orders_of(call.session, call.actor)])


@api.operation(
    "GET", "/orders/{code}", tag="Orders", answer=shapes.Order, scopes=ORDER_READERS, refuses=(404,),
    codes={"code": ORDER},
)  # fmt: skip
def order(call: Call, code: str) -> shapes.Order:
    """An order: what to pay until when, and the code to collect with"""
    return _order(call, code)


@api.operation(
    "POST", "/orders/{code}/devices/{device}/outcome", tag="Orders", body=shapes.OutcomeSent, answer=shapes.OutcomeKept,
    status=201, scopes=(Scope.REPORT,), refuses=(404, 409, 422), codes={"code": ORDER, "device": DEVICE},
)  # fmt: skip
def report_outcome(call: Call, code: str, device: str) -> shapes.OutcomeKept:
    """Report what a device of a collected lot became.

    With the last device of the lot the order is settled. A report cannot be taken back."""
    sent: shapes.OutcomeSent = call.body
    found = market.find_order(call.session, call.actor, code)
    lot_code = market.order(call.session, found, actor=call.actor)["lot_code"]
    if lot_code is None:
        raise Conflict("This order is of one device from the shop. Only devices of lots are reported.")
    try:
        kept = settlement.report_outcome(
            call.session, call.actor, lot_code, device, outcome=sent.outcome.value,
            fractions=sent.fractions.model_dump(exclude_none=True), remark=sent.remark, now=call.now,
        )  # fmt: skip
    except Invalid as refusal:
        at = (refusal.field or "").removeprefix("mass_").removesuffix("_g")
        field = f"fractions.{at}" if at in shapes.Fractions.model_fields else refusal.field
        raise Invalid(refusal.message, field=field) from refusal
    return shapes.OutcomeKept(
        device_code=device,
        outcome=kept.outcome,
        mass_in_g=kept.mass_in_g,
        mass_out_g=kept.mass_out_g,
        fractions=kept.fractions,
        at=kept.at,
    )


# ---- one's own ----


@api.operation(
    "GET",
    "/devices",
    tag="Your own",
    query=shapes.MyDevicesQuery,
    answer=shapes.MyDevices,
    scopes=(Scope.READ,),
    refuses=(404,),
)
def my_devices(call: Call) -> shapes.MyDevices:
    """The devices that you sell, those that wait for you first"""
    query: shapes.MyDevicesQuery = call.query
    told = devices.mine(call.session, call.actor, query.page, q=query.q)
    items = [shapes.MyDevice.of(device) for device in told["devices"]]
    return shapes.MyDevices(items=items, total=told["total"], next=_next(query.page, told["total"]))


@api.operation(
    "GET", "/devices/{code}", tag="Your own", answer=shapes.DeviceStory, scopes=(Scope.READ,), refuses=(404,),
    codes={"code": DEVICE},
)  # fmt: skip
def my_device(call: Call, code: str) -> shapes.DeviceStory:
    """A device that you sell, with its story"""
    told = devices.story(call.session, devices.find(call.session, call.actor, code).id, call.actor)
    about, offer, payout, proof = told["device"], told["offer"], told["payout"], told["certificate"]
    return shapes.DeviceStory.of(
        about,
        custody_cycle=about["cycle"],
        on_hold=bool(about["holds"]),
        next=shapes.Next.of(about["next"]),
        events=[shapes.Event.of(event) for event in told["events"]],
        offer=shapes.OfferTold.of(offer) if offer else None,
        payout=shapes.PayoutTold.of(payout) if payout else None,
        certificate_id=proof["id"] if proof else None,
        custody_head=_hex(told["custody"]["head"]),
    )


@api.operation("GET", "/my-lots", tag="Your own", answer=shapes.MyLots, scopes=(Scope.READ, Scope.BID), refuses=(404,))
def my_lots(call: Call) -> shapes.MyLots:
    """The lots that your firm won, bids on, and lost"""
    told = recycler.my_lots(call.session, call.actor, now=call.now)
    return shapes.MyLots(
        won=[shapes.WonLot.of(lot) for lot in told["won"]],
        bidding=[shapes.LeadingLot.of(lot) for lot in told["bidding"]],
        lost=[shapes.BidOnLot.of(lot) for lot in told["lost"]],
    )


@api.operation(
    "GET", "/my-lots/{code}", tag="Your own", answer=shapes.MyLot, scopes=(Scope.READ, Scope.REPORT), refuses=(404,),
    codes={"code": LOT},
)  # fmt: skip
def my_lot(call: Call, code: str) -> shapes.MyLot:
    """A lot that your firm won: each device with what you reported of it"""
    told = recycler.my_lot(call.session, call.actor, code, now=call.now)
    return shapes.MyLot(
        lot=shapes.LotCard.of(told["lot"]),
        order_code=told["order"]["code"],
        devices=[
            shapes.WonDevice.of(device, outcome=device["outcome"]["kind"] if device["outcome"] else None)
            for device in told["devices"]
        ],
    )


# ---- the bench ----


@api.operation(
    "GET", "/bench/queue", tag="Bench", query=shapes.BenchQuery, answer=shapes.BenchQueue, scopes=(Scope.BENCH,)
)
def bench_queue(call: Call) -> shapes.BenchQueue:
    """The devices that wait at your centre, the most pressing first"""
    query: shapes.BenchQuery = call.query
    told = bench_list.queue(call.session, call.actor, state=query.queue, page=query.page, now=call.now)
    return shapes.BenchQueue(
        items=[shapes.BenchRow.of(row) for row in told["devices"]],
        total=told["total"],
        next=_next(query.page, told["total"]),
        counts={group["state"]: group["count"] for group in told["groups"]},
        centre_status=told["centre"]["status"],
    )


@api.operation(
    "GET", "/bench/devices/{code}", tag="Bench", answer=shapes.BenchDevice, scopes=(Scope.BENCH,), refuses=(404,),
    codes={"code": DEVICE},
)  # fmt: skip
def bench_device(call: Call, code: str) -> shapes.BenchDevice:
    """A device at your centre: its media, its work order, and the steps that are open"""
    told = bench.device(call.session, call.actor, code, now=call.now)
    about, order = told["device"], told["work_order"]
    return shapes.BenchDevice.of(
        about,
        custody_cycle=about["cycle"],
        on_hold=bool(about["holds"]),
        next=shapes.Next.of(about["next"]),
        may=sorted(told["may"]),
        media=[shapes.MediumTold.of(medium) for medium in told["media"]],
        work_order=shapes.WorkOrderTold.of(order) if order else None,
    )


def _order(call: Call, code: str) -> shapes.Order:
    found = market.find_order(call.session, call.actor, code)
    told = market.order(call.session, found, actor=call.actor)
    return shapes.Order.of(
        told,
        devices=[shapes.OrderedDevice.of(item) for item in market.order_items(call.session, found)],
        page=runtime().config.public_url + url_for("market.order", code=told["code"]),
    )


def _bid_key(call: Call) -> str:
    """The bid's own key. Bids are kept for good, and with them what one key stands for: it is this token's alone."""
    if call.bearer is None or call.key is None:
        raise LookupError("A bid is placed by a token, under a key.")
    return hashlib.sha256(f"{call.bearer.token_id} {call.key}".encode()).hexdigest()


def _hex(head: Any) -> str | None:
    return head.hex() if isinstance(head, bytes) else head


def _next(page: int, total: int) -> str | None:
    return next_page(page, -(-total // paging.PAGE_SIZE))
