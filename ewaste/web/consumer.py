"""A private person's pages: accept a quote, prepare the parcel, follow the device, answer the offer, buy."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import flask
import segno
from flask import Blueprint, flash, redirect, request, url_for
from flask_login import current_user
from markupsafe import Markup

from ewaste.core.refusals import Invalid, NotAllowed, NotFound, Refusal
from ewaste.devices.models import Device
from ewaste.journey import sale, trade_in
from ewaste.payments.models import Payee
from ewaste.tradein.models import Offer, Silence
from ewaste.views import device as devices
from ewaste.views import shapes
from ewaste.web.accounts import payee_status
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
from ewaste.web.forms import typed
from ewaste.web.public import listing_page, quote_page

pages = Blueprint("consumer", __name__)

# Forms that strangers see too: who sends one is asked to sign in and comes back to the page it stands on.
SHOWN_TO_ALL = {"consumer.accept_quote": "public.quote", "consumer.buy": "public.listing"}


@pages.before_request
def _guard() -> flask.typing.ResponseReturnValue | None:
    back = SHOWN_TO_ALL.get(request.endpoint or "")
    if back is not None and not current_user.is_authenticated:
        onward = url_for(back, code=(request.view_args or {}).get("code"))
        flash("Sign in first, then send the form again.", "note")
        return redirect(url_for("accounts.sign_in", next=onward), 303)
    return require_account()


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
            device_code = device.code
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        return quote_page(code, form=request.form, errors=errors_of(refusal), status=keep(refusal))
    flash("It is agreed. Now get it ready to post.", "ok")
    return redirect(url_for(".prepare", code=device_code), 303)


@pages.get("/devices/<code>/prepare")
def prepare(code: str) -> flask.Response:
    """What to do before posting, and the slip for the parcel."""
    with transaction() as session:
        told = devices.prepare(session, actor(), code)
    return page("tradein/prepare.html", **told, qr_svg=qr(told["device"]["code"]), seal_hint=None)


@pages.get("/devices", endpoint="devices")
def my_devices() -> flask.Response:
    """A person's devices, those that wait for an answer first."""
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        mine, total = devices.mine(session, actor(), number)
    paging = shapes.paging(total, number, lambda other: url_for(".devices", page=other))
    return page("devices/mine.html", devices=mine, paging=paging)


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


@pages.post("/offers/<uuid:id>/decline")
def decline_offer(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """The seller does not take the offer."""
    code = _device_of(id)
    try:
        with transaction() as session:
            trade_in.decline_offer(session, actor(), id, now=now())
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        return _device_page(code, status=keep(refusal), errors=errors_of(refusal))
    flash("You declined the offer. The device comes back to you, free of charge.", "note")
    return redirect(url_for(".device", code=code), 303)


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


def _device_page(code: str, *, status: int = 200, errors: Mapping[str, str] | None = None) -> flask.Response:
    me = actor()
    with transaction() as session:
        found = devices.find(session, me, code)
        told = devices.story(session, found.id, me)
        payee = session.get(Payee, found.seller_id)
    payout = told["payout"]
    if payout is not None and payout["status"] in ("planned", "instructed"):
        payout["bank_missing"] = payee_status(payee.reference if payee else None) in ("none", "started")
    return page("devices/device.html", status, **told, form={}, errors=errors or {})


# ---- buying ----


@pages.post("/shop/<code>/buy")
def buy(code: str) -> flask.typing.ResponseReturnValue:
    """A buyer takes a listed device; it is theirs to pay for half an hour."""
    try:
        with transaction() as session:
            order_code = sale.buy(session, actor(), code, now=now()).code
    except NotFound:
        raise
    except Refusal as refusal:
        return listing_page(code, form=request.form, errors=errors_of(refusal), status=keep(refusal))
    flash("It is kept for you for half an hour. Pay to make it yours.", "ok")
    return redirect(url_for("accounts.order", code=order_code), 303)


def qr(text: str) -> Markup:
    """A QR code as an SVG that a strict content security policy lets through: classes, no style attributes."""
    svg = segno.make(text, error="m", micro=False).svg_inline(
        scale=4, border=2, svgclass="qr", lineclass="qr-line", omitsize=True, dark="#000", light="#fff"
    )
    return Markup(svg)  # noqa: S704 - made by us from a code that we made
