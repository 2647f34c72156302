"""A private person's pages: accept a quote, prepare the parcel, follow the device, answer the offer."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import flask
from flask import Blueprint, flash, redirect, request, url_for

from ewaste.accounts import firms, policy, postal
from ewaste.accounts.models import SELLERS
from ewaste.accounts.policy import Action
from ewaste.core.refusals import Invalid, NotAllowed, NotFound, Refusal
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Device
from ewaste.journey import trade_in
from ewaste.payments.models import Payee
from ewaste.tradein.models import Offer, Silence
from ewaste.views import device as devices
from ewaste.views import shapes
from ewaste.web import filters, lists
from ewaste.web.accounts import payee_status
from ewaste.web.codes import qr
from ewaste.web.edge import (
    actor,
    errors_of,
    keep,
    minor_units,
    now,
    page,
    require_account,
    transaction,
    uuid_or_none,
)
from ewaste.web.forms import refused, typed
from ewaste.web.public import quote_page

pages = Blueprint("consumer", __name__)

MOST_ROWS = 10_000  # of a list as a file
COLUMNS = (
    *("code", "device", "serial", "state", "next_step", "amount", "currency", "amount_is", "announced", "last_moved"),
)

pages.before_request(require_account)


# ---- selling ----


@pages.post("/quotes/<code>/accept")
def accept_quote(code: str) -> flask.typing.ResponseReturnValue:
    """Step 2: the quote becomes a device on its way."""
    try:
        silence = typed("silence", 20)
        floor = None
        if silence == Silence.FLOOR:
            if not typed("floor", 20).strip():
                raise Invalid("Type the lowest price that you would take.", field="floor")
            floor = minor_units(typed("floor", 20), "floor")
        with transaction() as session:
            device = trade_in.accept_quote(
                session,
                actor(),
                code,
                serial=typed("serial"),
                owner="owner" in request.form,
                centre_id=uuid_or_none(typed("centre_id", 60)),
                silence=silence,
                floor_minor=floor,
                now=now(),
            )
            device_code, fresh = device.code, device.created_at == now()
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        return quote_page(code, form=request.form, errors=errors_of(refusal), status=keep(refusal))
    if fresh:
        flash(
            "The price is kept for you. Get the device ready to post. Nothing is sold before you confirm the offer.",
            "ok",
        )
    else:
        flash("You had accepted this quote already. It is one device, and this is its page.", "note")
    return redirect(url_for(".prepare", code=device_code), 303)


@pages.get("/devices/<code>/prepare")
def prepare(code: str) -> flask.Response:
    """What to do before posting, and the slip for the parcel."""
    return prepare_page(code)


def prepare_page(
    code: str,
    *,
    status: int = 200,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> flask.Response:
    """The page before posting; photographs and a return address that were refused come back here."""
    me = actor()
    with transaction() as session:
        told = devices.prepare(session, me, code)
    return page(
        "tradein/prepare.html",
        status,
        **told,
        qr_svg=qr(told["device"]["code"]),
        seal_hint=None,
        errors=errors or {},
        countries=firms.country_choices(),
        form=form or {},
        may_photograph=me.role in SELLERS and told["device"]["state"] in ("expected", "received"),
    )


@pages.get("/devices", endpoint="devices")
def my_devices() -> flask.Response:
    """A person's devices, those that wait for an answer first."""
    number, group, q = shapes.page_number(request.args.get("page")), request.args.get("show", "")[:20], lists.search()
    with transaction() as session:
        told = devices.mine(session, actor(), number, group=group, q=q)
        plain = number == 1 and not q and not group
        waiting = devices.open_quotes(session, actor(), now=now()) if plain else []
    group = group if group in devices.GROUPS else ""
    paging = shapes.paging(
        told["total"], number, lambda other: url_for(".devices", show=group or None, q=q or None, page=other)
    )
    return page("devices/mine.html", paging=paging, group=group, q=q, quotes=waiting, **told)


@pages.get("/devices.csv")
def devices_csv() -> flask.Response:
    """All of them, for a spreadsheet."""
    group, q = request.args.get("show", "")[:20], lists.search()
    with transaction() as session:
        told = devices.mine(session, actor(), 1, group=group, q=q, size=MOST_ROWS)
    rows = [
        {
            "code": row["code"],
            "device": row["title"],
            "serial": row["serial"],
            "state": filters.state_word(row["state"]),
            "next_step": row["next_step"],
            "amount": filters.plain_money(row["amount"]),
            "currency": row["amount"].currency if row["amount"] else "",
            "amount_is": row["amount_is"],
            "announced": filters.iso(row["announced_at"]),
            "last_moved": filters.iso(row["at"]),
        }
        for row in told["devices"]
    ]
    name = f"my-devices-{now():%Y-%m-%d}.csv"
    return lists.file(lists.csv_text(COLUMNS, rows).encode(), name, "text/csv; charset=utf-8")


@pages.get("/devices/<code>")
def device(code: str) -> flask.Response:
    """A device as its owner sees it: the next step, then its story."""
    return _device_page(code)


@pages.post("/offers/<uuid:id>/confirm")
def confirm_offer(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """Step 5: the seller takes the offer."""
    code = _device_of(id)
    try:
        with transaction() as session:
            offer = trade_in.confirm_offer(session, actor(), id, now=now())
            pay_by = offer.pay_by
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        return _device_page(code, status=keep(refusal), errors=errors_of(refusal))
    day = f" We pay you by {pay_by:%A} {pay_by.day} {pay_by:%B}." if pay_by else ""
    flash(f"You accepted the offer. The price is fixed.{day}", "ok")
    return redirect(url_for(".device", code=code), 303)


@pages.get("/offers/<uuid:id>/decline")
def decline(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """Asked once more before the device goes back, and where to."""
    return _decline_page(id)


@pages.post("/offers/<uuid:id>/decline")
def decline_offer(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """The seller does not take the offer."""
    code = _device_of(id)
    try:
        where = _back_to() if "back_street" in request.form else None
        with transaction() as session:
            trade_in.decline_offer(session, actor(), id, back_to=where, now=now())
    except (NotFound, NotAllowed):
        raise
    except Invalid as refusal:
        return _decline_page(id, status=keep(refusal), form=request.form, errors=errors_of(refusal))
    except Refusal as refusal:
        return _device_page(code, status=keep(refusal), errors=errors_of(refusal))
    flash("You declined the offer. The device comes back to you, free of charge.", "note")
    return redirect(url_for(".device", code=code), 303)


@pages.post("/devices/<code>/return-address")
def say_where_back(code: str) -> flask.typing.ResponseReturnValue:
    """Where the device goes if its seller does not sell it."""
    with transaction() as session:
        found = devices.find(session, actor(), code)
        device_id, coming = found.id, found.state is State.EXPECTED
    show = prepare_page if coming else _device_page
    try:
        with transaction() as session:
            trade_in.say_where_back(session, actor(), device_id, _back_to(), now=now())
    except Refusal as refusal:
        return refused(refusal, lambda **context: show(code, **context))
    flash("We know where to send it back to. The centre reads it only then.", "ok")
    return redirect(url_for(".prepare" if coming else ".device", code=code), 303)


@pages.post("/devices/<code>/cancel")
def cancel_device(code: str) -> flask.typing.ResponseReturnValue:
    """The seller thinks better of it before sending."""
    with transaction() as session:
        device_id = devices.find(session, actor(), code).id
    try:
        with transaction() as session:
            trade_in.cancel(session, actor(), device_id, now=now())
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        return _device_page(code, status=keep(refusal), errors=errors_of(refusal))
    flash("The sale is called off. Nothing is owed by anyone.", "note")
    return redirect(url_for(".device", code=code), 303)


def _device_of(offer_id: UUID) -> str:
    """The code of the device that an offer is for, if this person may see it. Raises `NotFound`."""
    with transaction() as session:
        offer = session.get(Offer, offer_id)
        if offer is None:
            raise NotFound("There is no such offer, or it is not yours to answer.")
        return devices.find(session, actor(), session.get_one(Device, offer.device_id).code).code


def _back_to() -> postal.Postal:
    return postal.read(
        street=typed("back_street"),
        postcode=typed("back_postcode"),
        city=typed("back_city"),
        country=typed("back_country", 2),
        prefix="back_",
    )


def _decline_page(
    offer_id: UUID,
    *,
    status: int = 200,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> flask.typing.ResponseReturnValue:
    code = _device_of(offer_id)
    me = actor()
    with transaction() as session:
        found = devices.find(session, me, code)
        policy.require(me, Action.ANSWER_OFFER, owner=found.seller_id)
        told = devices.story(session, found.id, me)
    if told["offer"] is None or told["offer"]["id"] != offer_id or told["offer"]["status"] != "open":
        return redirect(url_for(".device", code=code), 303)
    return page(
        "devices/decline.html", status, **told, countries=firms.country_choices(), form=form or {}, errors=errors or {}
    )


def _device_page(
    code: str,
    *,
    status: int = 200,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> flask.Response:
    me = actor()
    with transaction() as session:
        found = devices.find(session, me, code)
        told = devices.story(session, found.id, me)
        payee = session.get(Payee, found.seller_id)
    payout = told["payout"]
    if payout is not None and payout["status"] in ("planned", "instructed"):
        payout["bank_missing"] = payee_status(payee.reference if payee else None) in ("none", "started")
    return page(
        "devices/device.html",
        status,
        **told,
        mine=me.id,
        may_answer=policy.allows(me, Action.ANSWER_OFFER, owner=found.seller_id),
        countries=firms.country_choices(),
        form=form or {},
        errors=errors or {},
    )
