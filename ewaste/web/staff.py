"""The desk: its start page, devices, lots and orders. An auditor reads; staff act.

The other rooms of the desk are beside this module: partners, money, rules, and what went wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import flask
from flask import redirect, request, url_for
from sqlalchemy.orm import Session

from ewaste.core.money import Money
from ewaste.core.refusals import Invalid, Refusal
from ewaste.journey import bench, clearing, sale, settlement
from ewaste.views import desk, sold, stock
from ewaste.web import filters, holds, staff_money, staff_partners, staff_rules, staff_watch
from ewaste.web.edge import actor, minor_units, not_fresh, now, page, transaction, uuid_or_none
from ewaste.web.forms import FREE_TEXT, moment, options, refused, typed
from ewaste.web.staff_base import address, as_csv, number, pages, paging, stepped, word

__all__ = ["pages", "staff_money", "staff_partners", "staff_rules", "staff_watch"]

MOST_CODES = 5_000
DEVICE_COLUMNS = (
    "code", "title", "device_class", "state", "serial", "centre_name", "owner", "cycle", "holds", "announced_at",
    "since",
)  # fmt: skip


@pages.get("/staff", endpoint="desk")
def the_desk() -> flask.Response:
    """What waits for a person."""
    with transaction() as session:
        told = desk.desk(session, actor(), now=now())
    addresses = _queue_addresses("form_lot" in told["may"])
    for queue in (*told["queues"], *told["idle"]):
        queue["url"] = addresses[queue["name"]]
    return page("staff/desk.html", **told)


def _queue_addresses(may_form: bool) -> dict[str, str]:
    devices = {name: url_for(".devices", state=name) for name in (stock.HELD, stock.UNCLEARED, stock.OVERDUE, "lost")}
    return {
        **devices,
        "unsold": url_for(".devices", state=stock.UNSOLD),
        "listable": url_for(".new_lot") if may_form else url_for(".devices", state="for_resale"),
        "offers": url_for(".devices", state="inspected"),
        "certificates": url_for(".refused_certificates"),
        "payments": url_for(".payments", state="trouble"),
        "slow": url_for(".payments", state="sent"),
        "unpaid": url_for(".orders", state="awaiting-payment"),
        "paid": url_for(".orders", state="paid"),
        "disputes": url_for("disputes.queue"),
        "applications": url_for("staff_applications.listed"),
        "incidents": url_for(".incidents"),
        "jobs": url_for(".jobs"),
        "prices": url_for(".prices"),
        "centres": url_for(".centres"),
        "decisions": url_for("accrediting.queue"),
        "rechecks": url_for("accrediting.rechecks"),
        "ending": url_for(".centres"),
        "licences": url_for(".recyclers"),
    }


def _device_filters() -> stock.Filters:
    return stock.Filters(
        q=word("q"),
        state=word("state", 40),
        centre=uuid_or_none(word("centre", 40)),
        device_class=word("device_class", 40),
        hold=word("hold", 40),
        way=word("way", 40),
    )


@pages.get("/staff/devices")
def devices() -> flask.Response:
    """Every device, by filters and by search; the address keeps both."""
    with transaction() as session:
        told = stock.device_list(session, actor(), _device_filters(), page=number(), now=now())
    chosen = told["chosen"]
    kept = {
        "q": chosen.q,
        "state": chosen.state,
        "centre": chosen.centre,
        "device_class": chosen.device_class,
        "hold": chosen.hold,
        "way": chosen.way,
    }
    told["classes"] = options(told["classes"], filters.classes_word)
    told["holds"] = options(told["holds"], filters.hold_word)
    told["ways"] = options(told["ways"], filters.way_word)
    kept = {name: value or None for name, value in kept.items()}
    return page("staff/devices.html", paging=paging(told["total"], ".devices", **kept), kept=kept, **told)


@pages.get("/staff/devices.csv")
def devices_file() -> flask.Response:
    """The same devices as a file."""
    with transaction() as session:
        rows = stock.device_rows(session, actor(), _device_filters(), now=now())
    for row in rows:
        row["since"], row["announced_at"] = row["since"].isoformat(), row["announced_at"].isoformat()
    return as_csv("devices", rows, DEVICE_COLUMNS)


@pages.get("/staff/devices/<code>")
def device(code: str) -> flask.Response:
    """One device, with all that is known of it."""
    return _device(code)


@pages.post("/staff/devices/<code>/list")
def list_device(code: str) -> flask.typing.ResponseReturnValue:
    """Into the storefront."""

    def step(session: Session, device_id: UUID) -> str:
        price = minor_units(typed("price"), "price")
        sure = typed("below_cost") == "yes"
        listing = sale.list_device(session, actor(), device_id, price_minor=price, below_cost=sure, now=now())
        return f"In the storefront as {listing.code}."

    return _step(code, "list", step)


@pages.post("/staff/devices/<code>/unlist")
def unlist_device(code: str) -> flask.typing.ResponseReturnValue:
    """Out of the storefront."""

    def step(session: Session, device_id: UUID) -> str:
        sale.unlist_device(session, actor(), device_id, now=now())
        return "Taken out of the storefront."

    return _step(code, "unlist", step)


@pages.post("/staff/devices/<code>/lost")
def mark_lost(code: str) -> flask.typing.ResponseReturnValue:
    """It cannot be found."""

    def step(session: Session, device_id: UUID) -> str:
        bench.report_lost(session, actor(), device_id, reason=typed("reason", FREE_TEXT), now=now())
        return "Reported lost. If its data was not cleared, a data incident is open now: 72 hours to notify."

    return _step(code, "lost", step)


@pages.post("/staff/devices/<code>/hold")
def hold(code: str) -> flask.typing.ResponseReturnValue:
    """Stop a device; it leaves every open sale."""

    def step(session: Session, device_id: UUID) -> str:
        return holds.place(session, device_id)

    return _step(code, "hold", step)


@pages.post("/staff/devices/<code>/holds/<uuid:hold_id>/lift")
def lift_hold(code: str, hold_id: UUID) -> flask.typing.ResponseReturnValue:
    """Let a device go on."""

    def step(session: Session, device_id: UUID) -> str:
        return holds.lift(session, device_id, hold_id)

    return _step(code, f"lift-{hold_id}", step)


@pages.get("/staff/certificates/<uuid:id>/revoke")
def revoking(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """What follows when this certificate is revoked, and the form that does it."""
    with transaction() as session:
        told = stock.to_revoke(session, actor(), id)
    return not_fresh(request.path) or page("staff/revoke.html", **told, form={}, errors={})


@pages.post("/staff/certificates/<uuid:id>/revoke")
def revoke_certificate(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A certificate falls, and its device out of every sale; by whoever gave the password a moment ago."""
    with transaction() as session:
        told = stock.to_revoke(session, actor(), id)
    late = not_fresh(request.path)
    if late is not None:
        return late

    def show(**context: Any) -> flask.Response:
        return page("staff/revoke.html", **told, **context)

    try:
        with transaction() as session:
            revoked = clearing.revoke_certificate(session, actor(), id, reason=typed("reason", FREE_TEXT), now=now())
            code = revoked.code
    except Refusal as refusal:
        return refused(refusal, show)
    flask.flash("The certificate is revoked. The device is in no sale any more and must be wiped anew.", "ok")
    return redirect(url_for(".device", code=code), 303)


@pages.get("/staff/lots/new")
def new_lot() -> flask.Response:
    """Choose devices for a lot."""
    return _new_lot()


@pages.post("/staff/lots/preview")
def preview_lot() -> flask.typing.ResponseReturnValue:
    """What the chosen devices come to, before anything is formed."""
    try:
        stock.require_choice(_chosen())
    except Refusal as refusal:
        return refused(refusal, _new_lot)
    return _new_lot(form=request.form)


@pages.post("/staff/lots")
def create_lot() -> flask.typing.ResponseReturnValue:
    """Form the lot."""
    try:
        codes = _chosen()
        with transaction() as session:
            lot = sale.form_lot(
                session,
                actor(),
                title=typed("title"),
                device_codes=codes,
                start_minor=minor_units(typed("start"), "start"),
                reserve_minor=minor_units(typed("reserve"), "reserve", empty=0),
                opens_at=moment(typed("starts_at"), "starts_at"),
                ends_at=moment(typed("ends_at"), "ends_at"),
                now=now(),
            )
            cost = stock.cost_of_lot(session, lot)
    except Refusal as refusal:
        return refused(refusal, _new_lot)
    if stock.floor_below_cost(lot.start_minor, lot.reserve_minor, cost):
        flask.flash(f"We paid {filters.money(cost)} for its devices, and it may sell for less than that.", "wait")
    flask.flash(f"Lot {lot.code} is formed. It takes bids from {lot.opens_at:%d %B %Y, %H:%M} UTC.", "ok")
    return redirect(url_for("market.lot", code=lot.code), 303)


@pages.get("/staff/orders")
def orders() -> flask.Response:
    """Every order."""
    with transaction() as session:
        told = sold.order_list(session, actor(), state=word("state", 40) or None, page=number())
    return page("staff/orders.html", paging=paging(told["total"], ".orders", state=told["state"]), **told)


@pages.get("/staff/orders/<code>")
def order(code: str) -> flask.Response:
    """One order, its payments, and the refund."""
    return _order(code)


@pages.post("/staff/orders/<code>/refund")
def refund_order(code: str) -> flask.typing.ResponseReturnValue:
    """The buyer gets the money back; the devices go back to their ways."""

    def step(session: Session) -> str:
        settlement.refund_order(session, actor(), code, reason=typed("reason", FREE_TEXT), now=now())
        return "The refund is instructed, and the devices are back on their ways."

    def show(**context: Any) -> flask.Response:
        return _order(code, **context)

    return stepped(step, show, lambda: url_for(".order", code=code))


def _chosen() -> list[str]:
    """The codes of the ticked devices. Raises `Invalid`."""
    codes = request.form.getlist("devices")
    if len(codes) > MOST_CODES or any(len(code) > 40 for code in codes):
        raise Invalid(f"Choose 1 to {stock.MOST_LISTABLE} devices from the list.", field="devices")
    if len(codes) > stock.MOST_LISTABLE:
        stock.require_choice(codes)
    return codes


def _step(code: str, form: str, step: Callable[[Session, UUID], str]) -> flask.typing.ResponseReturnValue:
    """One step on one device: whole or not at all, then the page again."""

    def on_device(session: Session) -> str:
        return step(session, stock.find(session, actor(), code).id)

    return stepped(on_device, _shower(code), lambda: url_for(".device", code=code), open_form=form)


def _shower(code: str) -> Callable[..., flask.Response]:
    def show(**context: Any) -> flask.Response:
        return _device(code, **context)

    return show


def _device(
    code: str,
    *,
    status: int = 200,
    form: Any = None,
    errors: dict[str, str] | None = None,
    open_form: str | None = None,
) -> flask.Response:
    with transaction() as session:
        told = stock.device(session, actor(), code)
    told["hold_kinds"] = holds.kinds()
    return page(
        "staff/device.html",
        status,
        form=form or {},
        errors=errors or {},
        open_form=open_form,
        **told,
    )


def _new_lot(status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None) -> flask.Response:
    where = request.form if request.method == "POST" else request.args
    with transaction() as session:
        told = stock.listable(
            session,
            actor(),
            way=where.get("way", "")[:40] or None,
            centre=uuid_or_none(where.get("centre", "")[:40]),
            device_class=where.get("device_class", "")[:40],
            codes=[code[:40] for code in request.form.getlist("devices")[: stock.MOST_LISTABLE]],
        )
    told["classes"] = options(told["classes"], filters.classes_word)
    told["floor"] = _floor(told["sums"]) if told["sums"] else None
    start = now().replace(second=0, microsecond=0)
    defaults = {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(days=3):%Y-%m-%dT%H:%M}"}
    return page("staff/lot_new.html", status, form=form or {}, errors=errors or {}, defaults=defaults, **told)


def _floor(sums: Mapping[str, Any]) -> Money | None:
    """What the typed prices, or the start that we suggest, let a lot go for, when that is less than we paid."""

    def typed_in(name: str, otherwise: int) -> int:
        try:
            return minor_units(typed(name), name, empty=otherwise)
        except Invalid:  # Said when the lot is formed.
            return otherwise

    return stock.floor_below_cost(typed_in("start", sums["start"].amount_minor), typed_in("reserve", 0), sums["cost"])


def _order(code: str, status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None) -> flask.Response:
    with transaction() as session:
        told = sold.order(session, actor(), code)
    return page("staff/order.html", status, form=form or {}, errors=errors or {}, address=address, **told)
