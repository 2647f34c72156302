"""The bench of a test centre: scan, receive, note media, inspect, order the wipe, send certificates in, hand over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, redirect, request, url_for
from sqlalchemy.orm import Session

from ewaste.centres import credentials
from ewaste.centres.stations import CODE_LIFE
from ewaste.certificates import registry
from ewaste.core.refusals import Invalid, NotFound, Refusal
from ewaste.journey import bench as steps
from ewaste.journey import clearing, settlement
from ewaste.processing import checklist
from ewaste.views import bench, shapes
from ewaste.web import filters
from ewaste.web.edge import actor, errors_of, keep, now, page, require_account, runtime, transaction, whole_number
from ewaste.web.forms import FREE_TEXT, gigabytes, options, refused, typed
from ewaste.web.submission import submit

pages = Blueprint("bench", __name__)
pages.before_request(require_account)

MOST_GRAMS = 200_000


@pages.get("/bench")
def queue() -> flask.Response:
    """What waits on the bench."""
    return _queue()


@pages.get("/bench/find")
def find() -> flask.typing.ResponseReturnValue:
    """What the scanner read: a device's code, its serial, or a medium's serial."""
    text = request.args.get("code", "")[:200].replace("\x00", "")
    if not text.strip():
        return redirect(url_for(".queue"), 303)
    try:
        with transaction() as session:
            code = bench.look_up(session, actor(), text)
    except NotFound as refusal:
        return _queue(status=keep(refusal), form={"code": text}, errors=errors_of(refusal))
    return redirect(url_for(".device", code=code), 303)


@pages.get("/bench/devices/<code>")
def device(code: str) -> flask.Response:
    """One device, with the forms that fit where it stands."""
    return _device(code)


@pages.post("/bench/devices/<code>/receive")
def receive(code: str) -> flask.typing.ResponseReturnValue:
    """Note seal and weight at the door."""

    def step(session: Session, device_id: UUID) -> str:
        seal_state = typed("seal_state")
        received = steps.receive(
            session,
            actor(),
            device_id,
            seal=typed("seal"),
            seal_state=seal_state,
            mass_g=_grams(),
            note=typed("note", FREE_TEXT),
            now=now(),
        )
        if seal_state != "intact":
            return f"Received. The seal was {seal_state}, so {received.code} is on hold."
        if received.cycle > 1:
            return f"Received again. Custody cycle {received.cycle} begins; inspect it next."
        return "Received. Inspect it next."

    return _step(code, "receive", step)


@pages.post("/bench/devices/<code>/weigh")
def weigh(code: str) -> flask.typing.ResponseReturnValue:
    """Note a weight, and a new seal if there is one."""

    def step(session: Session, device_id: UUID) -> str:
        mass, seal, note = _grams(), typed("seal"), typed("note", FREE_TEXT)
        steps.weigh(session, actor(), device_id, mass_g=mass, seal=seal, note=note, now=now())
        return "The weight is noted."

    return _step(code, "weigh", step)


@pages.post("/bench/devices/<code>/media")
def add_medium(code: str) -> flask.typing.ResponseReturnValue:
    """Note a storage medium that was seen."""

    def step(session: Session, device_id: UUID) -> str:
        try:
            medium = steps.observe_medium(
                session,
                actor(),
                device_id,
                kind=typed("kind"),
                manufacturer=typed("manufacturer"),
                model=typed("model"),
                serial=typed("serial"),
                wwn=typed("wwn", 64).strip() or None,
                size_bytes=gigabytes(typed("size_gb"), "size_gb"),
                now=now(),
            )
        except Invalid as refusal:
            refusal.field = {"size_bytes": "size_gb"}.get(refusal.field or "", refusal.field)
            raise
        return f"Noted: {medium.model}, serial {medium.serial}. It must be covered before the device clears."

    return _step(code, "add_medium", step)


@pages.post("/bench/devices/<code>/media/<uuid:medium_id>/failed")
def wipe_failed(code: str, medium_id: UUID) -> flask.typing.ResponseReturnValue:
    """A medium could not be wiped; it is destroyed instead."""

    def step(session: Session, device_id: UUID) -> str:
        steps.wipe_failed(session, actor(), device_id, medium_id, reason=typed("reason", FREE_TEXT), now=now())
        return "Noted. The medium is destroyed next, and certified as destroyed."

    return _step(code, f"failed-{medium_id}", step)


@pages.post("/bench/devices/<code>/media/<uuid:medium_id>/apart")
def set_apart(code: str, medium_id: UUID) -> flask.typing.ResponseReturnValue:
    """A medium was taken out and is kept apart under a seal of its own."""

    def step(session: Session, device_id: UUID) -> str:
        seal, reason = typed("seal"), typed("reason", FREE_TEXT)
        steps.set_apart(session, actor(), device_id, medium_id, seal=seal, reason=reason, now=now())
        return "Noted. The medium is kept apart, and the next work order leaves it out."

    return _step(code, f"apart-{medium_id}", step)


@pages.post("/bench/devices/<code>/inspect")
def inspect(code: str) -> flask.typing.ResponseReturnValue:
    """The checklist, filled in; the offer follows from it."""

    def step(session: Session, device_id: UUID) -> str:
        device_class = bench.find(session, actor(), code).device_class.value
        findings: dict[str, object] = {
            item.id: typed(item.id) for item in checklist.items(device_class, "before-offer") if item.id in request.form
        }
        inspection, offer = steps.inspect(
            session,
            actor(),
            device_id,
            observed_serial=typed("observed_serial"),
            mass_g=_grams(),
            findings=findings,
            now=now(),
        )
        graded = f"Inspected: {inspection.cosmetic} for looks, {inspection.function} for function. "
        if offer is None:
            return graded + "The device is ours already; it waits to be wiped."
        return graded + f"The owner is offered {offer.amount_minor / 100:,.2f} {offer.currency} and asked."

    return _step(code, "inspect", step)


@pages.post("/bench/devices/<code>/work-order")
def issue_work_order(code: str) -> flask.typing.ResponseReturnValue:
    """Order the wipe of every medium noted."""

    def step(session: Session, device_id: UUID) -> str:
        order = steps.issue_work_order(session, actor(), device_id, issuers=runtime().issuers, now=now())
        return f"Work order {order.code} is issued. Fetch it at the station with wipe-agent orders."

    return _step(code, "work_order", step)


@pages.post("/bench/devices/<code>/clear-again")
def clear_again(code: str) -> flask.typing.ResponseReturnValue:
    """The clearance ended: wipe it anew, in a new custody cycle."""

    def step(session: Session, device_id: UUID) -> str:
        clearing.clear_again(session, actor(), device_id, now=now())
        return "It waits to be wiped anew. Issue a work order."

    return _step(code, "clear_again", step)


@pages.post("/bench/devices/<code>/hold")
def hold(code: str) -> flask.typing.ResponseReturnValue:
    """Stop a device."""

    def step(session: Session, device_id: UUID) -> str:
        steps.place_hold(session, actor(), device_id, kind=typed("kind"), reason=typed("reason", FREE_TEXT), now=now())
        return "On hold. Nothing moves until the hold is lifted."

    return _step(code, "hold", step)


@pages.post("/bench/devices/<code>/holds/<uuid:hold_id>/lift")
def lift_hold(code: str, hold_id: UUID) -> flask.typing.ResponseReturnValue:
    """Let a device go on."""

    def step(session: Session, device_id: UUID) -> str:
        steps.lift_hold(session, actor(), device_id, hold_id, reason=typed("reason", FREE_TEXT), now=now())
        return "The hold is lifted."

    return _step(code, f"lift-{hold_id}", step)


@pages.post("/bench/devices/<code>/return")
def send_back(code: str) -> flask.typing.ResponseReturnValue:
    """Back to its owner."""

    def step(session: Session, device_id: UUID) -> str:
        reason, seal, mass = typed("reason", FREE_TEXT), typed("seal"), _grams()
        steps.send_back(session, actor(), device_id, reason=reason, seal=seal, mass_g=mass, now=now())
        return "Noted as sent back to its owner."

    return _step(code, "send_back", step)


@pages.post("/bench/devices/<code>/lost")
def mark_lost(code: str) -> flask.typing.ResponseReturnValue:
    """It cannot be found."""

    def step(session: Session, device_id: UUID) -> str:
        steps.report_lost(session, actor(), device_id, reason=typed("reason", FREE_TEXT), now=now())
        return "Reported lost. If its data was not cleared, this is a data incident and our desk is told."

    return _step(code, "lost", step)


@pages.post("/bench/devices/<code>/certificate")
def upload_certificate(code: str) -> flask.typing.ResponseReturnValue:
    """A bundle by hand, where a station cannot reach us: the same door as its own sync."""
    try:
        sent = request.files.get("bundle")
        if sent is None or not sent.filename:
            raise Invalid("Choose the .zip that wipe-agent certify wrote.", field="bundle")
        files = registry.unzip(sent.read())
        with transaction() as session:
            bench.find(session, actor(), code)
            station = bench.signing_station(session, actor(), registry.signed_with(files))
        if station is None:
            raise Invalid(
                "No station of your centre is enrolled under the key that signed this certificate.", field="bundle"
            )
        receipt = submit(station, files, brought_by=actor())
    except Refusal as refusal:
        return refused(refusal, _shower(code), open_form="upload")
    if receipt.outcome != "accepted":  # Kept already, with the whole bundle.
        return _device(code, status=422, errors={"bundle": receipt.reason}, open_form="upload")
    flask.flash(f"Device {receipt.device_code}: {receipt.reason}", "ok")
    return redirect(url_for(".device", code=receipt.device_code or code), 303)


@pages.post("/bench/collections")
def hand_over() -> flask.typing.ResponseReturnValue:
    """The buyer shows the collection code."""
    try:
        with transaction() as session:
            order = settlement.hand_over(session, actor(), typed("collection_code"), now=now())
    except Refusal as refusal:
        bench.require(actor())  # Whoever has no bench reads why, on a page of its own.
        refusal.field = refusal.field or "collection_code"
        return _queue(status=keep(refusal), form=request.form, errors=errors_of(refusal))
    flask.flash(f"Order {order.code} is handed over. Title and custody have passed to the buyer.", "ok")
    return redirect(url_for(".queue"), 303)


@pages.get("/bench/stations")
def stations() -> flask.Response:
    """The centre's wipe stations."""
    return _stations()


@pages.post("/bench/stations/codes")
def new_code() -> flask.typing.ResponseReturnValue:
    """A one-time code. It is shown on this answer and never again, so there is no redirect."""
    try:
        with transaction() as session:
            code = steps.new_enrolment_code(session, actor(), now=now())
    except Refusal as refusal:
        return refused(refusal, _stations)
    return _stations(status=201, new_code={"code": code, "expires_at": now() + CODE_LIFE})


@pages.post("/bench/stations/<uuid:id>/retire")
def retire_station(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A station stops speaking for its centre."""
    try:
        with transaction() as session:
            reason = typed("reason") or "retired by its centre"
            steps.retire_station(session, actor(), id, issuers=runtime().issuers, reason=reason, now=now())
    except Refusal as refusal:
        return refused(refusal, _stations)
    flask.flash(
        "The station is retired. What it signed before still stands; nothing it signs from now on counts.", "ok"
    )
    return redirect(url_for(".stations"), 303)


def _step(code: str, form: str, step: Callable[[Session, UUID], str]) -> flask.typing.ResponseReturnValue:
    """One step on one device of this bench: whole or not at all, then the page again."""
    try:
        with transaction() as session:
            said = step(session, bench.find(session, actor(), code).id)
    except Refusal as refusal:
        return refused(refusal, _shower(code), open_form=form)
    flask.flash(said, "ok")
    return redirect(url_for(".device", code=code), 303)


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
        told = bench.device(session, actor(), code, now=now())
    told["medium_kinds"] = options(told["medium_kinds"], filters.medium_word)
    told["hold_kinds"] = options(told["hold_kinds"], filters.hold_word)
    return page("bench/device.html", status, form=form or {}, errors=errors or {}, open_form=open_form, **told)


def _queue(status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None) -> flask.Response:
    state, number = request.args.get("state", "")[:40] or None, shapes.page_number(request.args.get("page"))
    with transaction() as session:
        told = bench.queue(session, actor(), state=state, page=number, now=now())
    paging = shapes.paging(told["total"], number, lambda to: url_for("bench.queue", state=told["state"], page=to))
    return page("bench/queue.html", status, form=form or {}, errors=errors or {}, paging=paging, **told)


def _stations(
    status: int = 200,
    *,
    form: Any = None,
    errors: dict[str, str] | None = None,
    new_code: dict[str, Any] | None = None,
) -> flask.Response:
    with transaction() as session:
        told = bench.stations(session, actor(), now=now())
    return page(
        "bench/stations.html",
        status,
        fingerprint=credentials.trust_fingerprint(runtime().issuers),
        form=form or {},
        errors=errors or {},
        new_code=new_code,
        base_url=runtime().config.public_url,
        **told,
    )


def _grams() -> int:
    return whole_number(typed("mass_g"), "mass_g", low=1, high=MOST_GRAMS, unit="grams")
