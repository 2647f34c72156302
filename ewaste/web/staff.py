"""The desk: devices, lots, orders, centres, recyclers, the ledger and refusals. An auditor reads; staff act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, redirect, request, url_for
from sqlalchemy.orm import Session

from ewaste.certificates.models import Certificate
from ewaste.core.refusals import Invalid, NotFound, Refusal
from ewaste.devices.models import Device
from ewaste.journey import accrediting, bench, clearing, sale, settlement
from ewaste.views import books, desk, partners, shapes
from ewaste.web import filters
from ewaste.web.edge import actor, minor_units, now, page, require_account, runtime, transaction, uuid_or_none
from ewaste.web.forms import FREE_TEXT, end_of_day, moment, options, refused, typed

pages = Blueprint("staff", __name__)
pages.before_request(require_account)

MOST_DEVICES = 500


@pages.get("/staff", endpoint="desk")
def the_desk() -> flask.Response:
    """What needs a person."""
    with transaction() as session:
        told = desk.desk(session, actor(), now=now())
    addresses = {
        "held": url_for(".devices", state=desk.HELD),
        "listable": url_for(".new_lot") if "form_lot" in told["may"] else url_for(".devices"),
        "uncleared": url_for(".devices", state=desk.UNCLEARED),
        "certificates": url_for(".refusals", kind=books.CERTIFICATE),
        "unpaid": url_for(".orders", state="awaiting-payment"),
        "paid": url_for(".orders", state="paid"),
        "payments": url_for(".ledger", _anchor="failed"),
        "centres": url_for(".centres"),
        "recyclers": url_for(".recyclers"),
        "lost": url_for(".devices", state="lost"),
    }
    for queue in told["queues"]:
        queue["url"] = addresses[queue["name"]]
    return page("staff/desk.html", **told)


@pages.get("/staff/devices")
def devices() -> flask.Response:
    """Every device."""
    number, state = shapes.page_number(request.args.get("page")), request.args.get("state", "")[:40] or None
    q = request.args.get("q", "")[:100].replace("\x00", "")
    with transaction() as session:
        told = desk.device_list(session, actor(), q=q, state=state, page=number)
    paging = shapes.paging(
        told["total"], number, lambda to: url_for("staff.devices", q=q or None, state=told["state"], page=to)
    )
    return page("staff/devices.html", paging=paging, **told)


@pages.get("/staff/devices/<code>")
def device(code: str) -> flask.Response:
    """One device, with all that is known of it."""
    return _device(code)


@pages.post("/staff/devices/<code>/list")
def list_device(code: str) -> flask.typing.ResponseReturnValue:
    """Into the storefront."""

    def step(session: Session, device_id: UUID) -> str:
        price = minor_units(typed("price"), "price")
        listing = sale.list_device(session, actor(), device_id, price_minor=price, now=now())
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
        return "Reported lost. If its data was not cleared, a data incident begins now: 72 hours to notify."

    return _step(code, "lost", step)


@pages.post("/staff/devices/<code>/hold")
def hold(code: str) -> flask.typing.ResponseReturnValue:
    """Stop a device; it leaves every open sale."""

    def step(session: Session, device_id: UUID) -> str:
        bench.place_hold(session, actor(), device_id, kind=typed("kind"), reason=typed("reason", FREE_TEXT), now=now())
        return "On hold. It is out of every open sale."

    return _step(code, "hold", step)


@pages.post("/staff/devices/<code>/holds/<uuid:hold_id>/lift")
def lift_hold(code: str, hold_id: UUID) -> flask.typing.ResponseReturnValue:
    """Let a device go on."""

    def step(session: Session, device_id: UUID) -> str:
        bench.lift_hold(session, actor(), device_id, hold_id, reason=typed("reason", FREE_TEXT), now=now())
        return "The hold is lifted."

    return _step(code, f"lift-{hold_id}", step)


@pages.post("/staff/certificates/<uuid:id>/revoke")
def revoke_certificate(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A certificate falls, and its device out of every sale."""
    try:
        with transaction() as session:
            revoked = clearing.revoke_certificate(session, actor(), id, reason=typed("reason", FREE_TEXT), now=now())
            code = revoked.code
    except Refusal as refusal:
        return refused(refusal, _shower(_code_of_certificate(id)), open_form=f"revoke-{id}")
    flask.flash("The certificate is revoked. The device is in no sale any more and must be wiped anew.", "ok")
    return redirect(url_for(".device", code=code), 303)


@pages.get("/staff/lots/new")
def new_lot() -> flask.Response:
    """Choose devices for a lot."""
    return _new_lot()


@pages.post("/staff/lots")
def create_lot() -> flask.typing.ResponseReturnValue:
    """Form the lot."""
    try:
        codes = request.form.getlist("devices")
        if len(codes) > MOST_DEVICES or any(len(code) > 40 for code in codes):
            raise Invalid(f"Choose 1 to {MOST_DEVICES} devices from the list.", field="devices")
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
    except Refusal as refusal:
        return refused(refusal, _new_lot)
    flask.flash(f"Lot {lot.code} is formed. It takes bids from {lot.opens_at:%d %B %Y, %H:%M} UTC.", "ok")
    return redirect(url_for("public.lot", code=lot.code), 303)


@pages.get("/staff/orders")
def orders() -> flask.Response:
    """Every order."""
    number, state = shapes.page_number(request.args.get("page")), request.args.get("state", "")[:40] or None
    with transaction() as session:
        told = desk.order_list(session, actor(), state=state, page=number)
    paging = shapes.paging(told["total"], number, lambda to: url_for("staff.orders", state=told["state"], page=to))
    return page("staff/orders.html", paging=paging, **told)


@pages.get("/staff/orders/<code>")
def order(code: str) -> flask.Response:
    """One order, its payments, and the refund."""
    return _order(code)


@pages.post("/staff/orders/<code>/refund")
def refund_order(code: str) -> flask.typing.ResponseReturnValue:
    """The buyer gets the money back; the devices go back to their ways."""
    try:
        with transaction() as session:
            settlement.refund_order(session, actor(), code, reason=typed("reason", FREE_TEXT), now=now())
    except Refusal as refusal:

        def show(**context: Any) -> flask.Response:
            return _order(code, **context)

        return refused(refusal, show)
    flask.flash("The refund is instructed, and the devices are back on their ways.", "ok")
    return redirect(url_for(".order", code=code), 303)


@pages.get("/staff/centres")
def centres() -> flask.Response:
    """Test centres and what they are accredited for."""
    return _centres()


@pages.post("/staff/centres/<uuid:id>/accredit")
def accredit(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Sign an accreditation."""

    def step(session: Session) -> str:
        accrediting.accredit(
            session,
            actor(),
            id,
            methods=[method[:40] for method in request.form.getlist("methods")[:20]],
            media_kinds=[kind[:40] for kind in request.form.getlist("media_kinds")[:40]],
            valid_until=end_of_day(typed("valid_until"), "valid_until"),
            issuers=runtime().issuers,
            now=now(),
        )
        return "The accreditation is signed. Stations get it with their next orders."

    return _partner(step, _centres, id, ".centres")


@pages.post("/staff/centres/<uuid:id>/suspend")
def suspend(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Nothing of this centre clears a device from now on."""

    def step(session: Session) -> str:
        accrediting.suspend(session, actor(), id, reason=typed("reason", FREE_TEXT), now=now())
        return "Suspended. Nothing it certifies from now on clears a device."

    return _partner(step, _centres, id, ".centres")


@pages.post("/staff/centres/<uuid:id>/reinstate")
def reinstate(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The suspension ends."""

    def step(session: Session) -> str:
        accrediting.reinstate(session, actor(), id, reason=typed("reason", FREE_TEXT))
        return "Reinstated. Its certificates count again."

    return _partner(step, _centres, id, ".centres")


@pages.get("/staff/recyclers")
def recyclers() -> flask.Response:
    """Recyclers and their licences."""
    return _recyclers()


@pages.post("/staff/recyclers/<uuid:id>/verify")
def verify_recycler(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The papers were seen."""

    def step(session: Session) -> str:
        firm = accrediting.verify_recycler(
            session,
            actor(),
            id,
            licences=[licence[:40] for licence in request.form.getlist("licences")[:10]],
            group_name=typed("group_name"),
        )
        return f"{firm.name} is verified for {', '.join(firm.licences)}."

    return _partner(step, _recyclers, id, ".recyclers")


@pages.post("/staff/recyclers/<uuid:id>/suspend")
def suspend_recycler(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """It places no bid from now on."""

    def step(session: Session) -> str:
        firm = accrediting.suspend_recycler(session, actor(), id)
        return f"{firm.name} is suspended. What it bid before still binds it."

    return _partner(step, _recyclers, id, ".recyclers")


@pages.get("/staff/ledger", endpoint="ledger")
def the_ledger() -> flask.Response:
    """Balances, the sum that must be zero, postings."""
    return _ledger()


def _ledger(status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None) -> flask.Response:
    number, account = shapes.page_number(request.args.get("page")), request.args.get("account", "")[:60] or None
    with transaction() as session:
        told = books.the_ledger(session, actor(), account=account, page=number)
    for row in (*told["postings"], *told["failed"]):
        row["url"] = _address(row.get("reference") if "entry" in row else row.get("subject"))
    paging = shapes.paging(told["total"], number, lambda to: url_for("staff.ledger", account=told["account"], page=to))
    return page("staff/ledger.html", status, paging=paging, form=form or {}, errors=errors or {}, **told)


@pages.post("/staff/payouts/<uuid:id>/again")
def pay_again(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A payout or refund that failed is written anew."""
    try:
        with transaction() as session:
            anew = settlement.pay_again(session, actor(), id, now=now())
            what = f"{books.PAYMENT_WORDS[anew.kind].lower()}, {anew.description}"
    except Refusal as refusal:
        return refused(refusal, _ledger)
    flask.flash(f"Written anew: {what}. It goes out in a moment.", "ok")
    return redirect(url_for(".ledger"), 303)


@pages.get("/staff/refusals")
def refusals() -> flask.Response:
    """Everything that was refused, with its reason."""
    number, kind = shapes.page_number(request.args.get("page")), request.args.get("kind", "")[:40] or None
    with transaction() as session:
        rows, total, chosen = books.refusals(session, actor(), kind=kind, page=number)
    for row in rows:
        row["subject_url"] = _address(row["code"])
    paging = shapes.paging(total, number, lambda to: url_for("staff.refusals", kind=chosen, page=to))
    return page("staff/refusals.html", refusals=rows, kind=chosen, kinds=books.REFUSAL_KINDS, paging=paging)


def _step(code: str, form: str, step: Callable[[Session, UUID], str]) -> flask.typing.ResponseReturnValue:
    """One step on one device: whole or not at all, then the page again."""
    try:
        with transaction() as session:
            said = step(session, desk.find(session, actor(), code).id)
    except Refusal as refusal:
        return refused(refusal, _shower(code), open_form=form)
    flask.flash(said, "ok")
    return redirect(url_for(".device", code=code), 303)


def _partner(
    step: Callable[[Session], str], show: Callable[..., flask.Response], partner_id: UUID, listed: str
) -> flask.typing.ResponseReturnValue:
    """One step on a centre or a recycler."""
    try:
        with transaction() as session:
            said = step(session)
    except Refusal as refusal:
        return refused(refusal, show, open_form=str(partner_id))
    flask.flash(said, "ok")
    return redirect(url_for(listed), 303)


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
        told = desk.device(session, actor(), code)
    told["hold_kinds"] = options(told["hold_kinds"], filters.hold_word)
    return page("staff/device.html", status, form=form or {}, errors=errors or {}, open_form=open_form, **told)


def _new_lot(status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None) -> flask.Response:
    with transaction() as session:
        told = desk.listable(
            session,
            actor(),
            way=request.args.get("way", "")[:40] or None,
            centre=uuid_or_none(request.args.get("centre", "")[:40]),
        )
    start = now().replace(second=0, microsecond=0)
    defaults = {"starts_at": f"{start:%Y-%m-%dT%H:%M}", "ends_at": f"{start + timedelta(days=3):%Y-%m-%dT%H:%M}"}
    return page("staff/lot_new.html", status, form=form or {}, errors=errors or {}, defaults=defaults, **told)


def _order(code: str, status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None) -> flask.Response:
    with transaction() as session:
        told = desk.order(session, actor(), code)
    return page("staff/order.html", status, form=form or {}, errors=errors or {}, **told)


def _centres(
    status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
) -> flask.Response:
    with transaction() as session:
        told = partners.centres(session, actor(), now=now())
    told["media_kinds"] = options(told["media_kinds"], filters.medium_word)
    return page("staff/centres.html", status, form=form or {}, errors=errors or {}, open_form=open_form, **told)


def _recyclers(
    status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
) -> flask.Response:
    with transaction() as session:
        told = partners.recyclers(session, actor())
    return page("staff/recyclers.html", status, form=form or {}, errors=errors or {}, open_form=open_form, **told)


def _code_of_certificate(certificate_id: UUID) -> str:
    with transaction() as session:
        certificate = session.get(Certificate, certificate_id)
        if certificate is None:
            raise NotFound("There is no such certificate.")
        return session.get_one(Device, certificate.device_id).code


def _address(code: str | None) -> str | None:
    """The page of what a code names."""
    page_of = {"D": "staff.device", "B": "staff.order", "L": "public.lot"}.get(code[:1]) if code else None
    return url_for(page_of, code=code) if page_of else None
