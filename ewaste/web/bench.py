"""The bench of a test centre: scan, receive, note media, inspect, order the wipe, send certificates in, hand over.

Every form of a device carries the number of the last event that its page showed (`version`). Where somebody else
changed the device meanwhile the form is refused, and what was typed is shown beside the device as it stands now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from operator import itemgetter
from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, redirect, request, url_for
from sqlalchemy.orm import Session

from ewaste.centres import accreditors
from ewaste.centres.stations import CODE_LIFE
from ewaste.certificates import registry
from ewaste.core.refusals import Invalid, NotAllowed, NotFound, Refusal
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.media import NO_SERIAL
from ewaste.devices.models import Device
from ewaste.journey import bench as steps
from ewaste.journey import clearing, rechecking, settlement
from ewaste.processing import checklist
from ewaste.views import bench, bench_list, issued, shapes
from ewaste.views import device as devices
from ewaste.web import filters, holds, lists, verdict
from ewaste.web.codes import qr
from ewaste.web.edge import (
    actor,
    errors_of,
    keep,
    now,
    page,
    reading,
    require_account,
    runtime,
    transaction,
    whole_number,
)
from ewaste.web.forms import FREE_TEXT, SILENT, end_of_day, gigabytes, moment, options, refused, take_part, typed
from ewaste.web.submission import submit

pages = Blueprint("bench", __name__)
pages.before_request(require_account)

MOST_GRAMS = 200_000
MOST_ROWS = 10_000  # of a list as a file
# What a row of the list shows, in the order of bench/row.html; how long the device waits comes last.
IN_A_ROW = itemgetter("code", "title", "state", "holds", "next_step", "due_by", "serial", "media", "since")
COLUMNS = ("code", "device", "class", "state", "next_step", "serial", "media", "on_hold", "since", "due_by")
# What has a value though nobody chose it: the first of a list.
CHOSEN_ANYHOW = frozenset({"kind", "photograph_kind", "entry"})
# What is typed of a medium. Its kind is always chosen, so that alone says nothing.
OF_A_MEDIUM = ("serial", "model", "manufacturer", "size_gb", "wwn")
TICKS_OF_A_MEDIUM = ("kind", "no_serial", "no_model", "sure")
FIELD_WORDS = {
    "seal": "Seal number",
    "seal_state": "Seal",
    "mass_g": "Weight, in grams",
    "observed_serial": "Serial number or IMEI",
    "size_gb": "Size, in GB",
    "wwn": "World wide name",
    "sure": "Read in this device",
    "note_for_seller": "What the seller reads",
    "photograph_kind": "What the photograph shows",
}


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
        with transaction() as session:
            near = bench.near(session, actor(), text)
        return _queue(status=keep(refusal), form={"code": text}, errors=errors_of(refusal), missed=text, near=near)
    return redirect(url_for(".device", code=code), 303)


@pages.get("/bench/queue.csv")
def queue_csv() -> flask.Response:
    """The queue that is shown, all of it, for a spreadsheet."""
    state = request.args.get("state", "")[:40] or None
    with transaction() as session:
        told = bench_list.queue(session, actor(), state=state, page=1, size=MOST_ROWS, now=now())
    rows = [
        {
            "code": row["code"],
            "device": row["title"],
            "class": row["device_class"],
            "state": row["state"],
            "next_step": row["next_step"],
            "serial": row["serial"],
            "media": row["media"],
            "on_hold": "yes" if row["holds"] else "no",
            "since": filters.iso(row["since"]),
            "due_by": filters.iso(row["due_by"]),
        }
        for row in told["devices"]
    ]
    name = f"bench-{told['state'] or 'to-do'}-{now():%Y-%m-%d}.csv"
    return lists.file(lists.csv_text(COLUMNS, rows).encode(), name, "text/csv; charset=utf-8")


@pages.get("/bench/labels")
def labels() -> flask.Response:
    """Labels to print for these devices and for their media that are kept apart, each with its code to scan."""
    with transaction() as session:
        told = bench.labels(session, actor(), request.args.getlist("code"))
    return page("bench/labels.html", **told, qr=qr)


@pages.get("/bench/devices/<code>/live")
def live(code: str) -> flask.Response:
    """How the wipe stands: a part of the device's page, asked for again every few seconds."""
    with transaction() as session:
        told = bench.live(session, actor(), code, now=now())
    seen = request.args.get("version", "")[:12]
    return page("bench/live.html", **told, changed=seen != str(told["version"]), seen=seen)


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
            seal="no number" if typed("no_number", 5) == "yes" and not typed("seal").strip() else typed("seal"),
            seal_state=seal_state,
            mass_g=_grams(),
            note=typed("note", FREE_TEXT),
            now=now(),
        )
        if seal_state != "intact":
            return f"Received. The seal was {seal_state}, so {received.code} is on hold."
        if devices.is_held(session, received.id):
            return f"Received. The parcel is lighter than the device should be, so {received.code} is on hold."
        if received.cycle > 1:
            return f"Received again. Custody cycle {received.cycle} begins; inspect it next."
        return "Received. Note its storage media next, then inspect it."

    return _step(code, "receive", step)


@pages.post("/bench/devices/<code>/weigh")
def weigh(code: str) -> flask.typing.ResponseReturnValue:
    """Note a weight, and a new seal if there is one."""

    def step(session: Session, device_id: UUID) -> str:
        mass, seal, note = _grams(), typed("seal"), typed("note", FREE_TEXT)
        held = devices.is_held(session, device_id)
        steps.weigh(session, actor(), device_id, mass_g=mass, seal=seal, note=note, now=now())
        if not held and devices.is_held(session, device_id):
            return "The weight is noted. It is not what it was, so the device is on hold."
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
                sure=typed("sure", 5) == "yes",
                no_serial=typed("no_serial", 5) == "yes",
                no_model=typed("no_model", 5) == "yes",
                now=now(),
            )
        except Invalid as refusal:
            refusal.field = {"size_bytes": "size_gb"}.get(refusal.field or "", refusal.field)
            raise
        stick = "Write that number on it. " if medium.serial.startswith(NO_SERIAL) else ""
        return f"Noted: {medium.model}, serial {medium.serial}. {stick}{_effect(device_id, session)}"

    return _step(code, "add_medium", step, elsewhere=_beside_the_medium(request.form.items()))


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


@pages.post("/bench/devices/<code>/media/<uuid:medium_id>/withdraw")
def withdraw_medium(code: str, medium_id: UUID) -> flask.typing.ResponseReturnValue:
    """A medium was noted by mistake."""

    def step(session: Session, device_id: UUID) -> str:
        steps.withdraw_medium(session, actor(), device_id, medium_id, reason=typed("reason", FREE_TEXT), now=now())
        return "Taken back. It need not be covered; the story keeps that it was noted, and why it was taken back."

    return _step(code, f"withdraw-{medium_id}", step)


@pages.post("/bench/devices/<code>/inspect")
def inspect(code: str) -> flask.typing.ResponseReturnValue:
    """The checklist, filled in; the offer follows from it."""

    def step(session: Session, device_id: UUID) -> str:
        if any(typed(name).strip() for name in OF_A_MEDIUM):
            raise Invalid(
                "You typed a storage medium and did not add it. Add it first, or empty its fields.", field="medium"
            )
        inspection, offer = steps.inspect(
            session,
            actor(),
            device_id,
            observed_serial=typed("observed_serial"),
            mass_g=_grams_or_none(),
            findings=_findings(session, code, "before-offer"),
            sure=[name for name in (steps.MASS, steps.STORAGE) if typed(f"sure_{name}", 5) == "yes"],
            now=now(),
        )
        if inspection is None:
            return "It is another device than announced, so no offer is made. It is on hold until that is settled."
        graded = f"Inspected: {inspection.cosmetic} for looks, {inspection.function} for function. "
        if offer is None:
            return graded + "The device is ours already; it waits to be wiped."
        return graded + f"The owner is offered {filters.money(offer)} and asked."

    return _step(code, "inspect", step)


@pages.post("/bench/devices/<code>/reinspect")
def reinspect(code: str) -> flask.typing.ResponseReturnValue:
    """After remanufacture: the whole checklist, and the way that follows from it."""

    def step(session: Session, device_id: UUID) -> str:
        inspection = clearing.reinspect(
            session,
            actor(),
            device_id,
            mass_g=_grams_or_none(),
            findings=_findings(session, code, None),
            now=now(),
        )
        way = filters.state_word(bench.find(session, actor(), code).state.value).lower()
        return f"Inspected again: {inspection.cosmetic} for looks, {inspection.function} for function. It is {way} now."

    return _step(code, "reinspect", step)


@pages.post("/bench/devices/<code>/media/<uuid:medium_id>/validate")
def validate(code: str, medium_id: UUID) -> flask.typing.ResponseReturnValue:
    """A second person saw that a medium was destroyed, or doubts it."""

    def step(session: Session, device_id: UUID) -> str:
        result, note = typed("result", 20), typed("note", FREE_TEXT)
        done = clearing.validate(session, actor(), device_id, medium_id, result=result, note=note, now=now())
        if result == "doubted":
            return "Noted. The device is on hold until your doubt is settled."
        if done.state is State.CLEARED:
            return "Confirmed. Another medium still waits for its second person."
        if done.state in WAYS:
            return f"Confirmed by two people. The device goes its way: {filters.state_word(done.state.value).lower()}."
        return "Confirmed. The device goes its way as soon as its certificate is here."

    return _step(code, f"validate-{medium_id}", step)


@pages.post("/bench/devices/<code>/correct")
def correct(code: str) -> flask.typing.ResponseReturnValue:
    """An entry of the story does not hold as it was written; what is right is noted beside it."""

    def step(session: Session, device_id: UUID) -> str:
        entry = whole_number(typed("entry", 12), "entry", low=1, high=100_000, unit="an entry")
        correction = typed("correction", FREE_TEXT)
        steps.correct_record(session, actor(), device_id, entry=entry, correction=correction, now=now())
        return f"Noted beside entry {entry}. The entry itself stays, as nothing in a story is erased."

    return _step(code, "correct", step)


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
        return holds.place(session, device_id)

    return _step(code, "hold", step)


@pages.post("/bench/devices/<code>/holds/<uuid:hold_id>/lift")
def lift_hold(code: str, hold_id: UUID) -> flask.typing.ResponseReturnValue:
    """Let a device go on."""

    def step(session: Session, device_id: UUID) -> str:
        return holds.lift(session, device_id, hold_id)

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
            here = bench.find(session, actor(), code)
            belongs = bench.code_of(session, actor(), registry.device_of(files))
            station = bench.signing_station(session, actor(), registry.signed_with(files))
        if station is None:
            raise Invalid(
                "No station of your centre is enrolled under the key that signed this certificate.", field="bundle"
            )
        if belongs is not None and belongs != here.code:
            raise Invalid(
                f"This bundle belongs to {belongs}. {here.code} is not changed. Upload it on the page of {belongs}.",
                field="bundle",
            )
        receipt = submit(station, files, brought_by=actor())
    except Refusal as refusal:
        return refused(refusal, shower(code), open_form="upload")
    if receipt.outcome != "accepted":  # Kept already, with the whole bundle.
        return _device(code, status=422, errors={"bundle": receipt.reason}, open_form="upload")
    flask.flash(f"Device {receipt.device_code}: {receipt.reason}", "ok")
    return redirect(url_for(".device", code=receipt.device_code or code), 303)


@pages.post("/bench/collections")
def hand_over() -> flask.typing.ResponseReturnValue:
    """The buyer shows the collection code; what is given to whom is shown first, and given at the second click."""
    try:
        if typed("given", 5) != "yes":
            with transaction() as session:
                order = settlement.to_hand_over(session, actor(), typed("collection_code"))
                giving = bench.hand_over_of(session, actor(), order)
            return _queue(form=request.form, giving=giving)
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


@pages.get("/bench/stations/issued.txt")
def issued_list() -> flask.Response:
    """What the centre's stations issued, as a list for `wipe-agent monitor --own`."""
    with reading() as session:
        text = issued.as_list(session, actor())
    return lists.file(text, f"issued-{now():%Y-%m-%d}.txt", "text/plain; charset=utf-8")


@pages.post("/bench/stations/codes")
def new_code() -> flask.typing.ResponseReturnValue:
    """A one-time code. It is shown on this answer and never again, so there is no redirect."""
    try:
        with transaction() as session:
            code = steps.new_enrolment_code(session, actor(), now=now())
    except Refusal as refusal:
        return refused(refusal, _stations)
    return _stations(status=201, new_code={"code": code, "expires_at": now() + CODE_LIFE})


@pages.post("/bench/stations/codes/<uuid:id>/withdraw")
def withdraw_code(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A code that nobody used enrols nobody any more."""
    try:
        with transaction() as session:
            steps.withdraw_code(session, actor(), id, now=now())
    except Refusal as refusal:
        return refused(refusal, _stations)
    flask.flash("The code is withdrawn. Whoever tries it is refused.", "ok")
    return redirect(url_for(".stations"), 303)


@pages.post("/bench/stations/<uuid:id>/replace")
def replace_station(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A one-time code, with which a new key takes the place of this station's."""
    try:
        with transaction() as session:
            ends = end_of_day(typed("retires_at"), "retires_at") if typed("retires_at").strip() else None
            code = steps.replace_station(session, actor(), id, retires_at=ends, now=now())
    except Refusal as refusal:
        return refused(refusal, _stations, open_form=f"replace-{id}")
    return _stations(status=201, new_code={"code": code, "expires_at": now() + CODE_LIFE})


@pages.post("/bench/stations/<uuid:id>/compromised")
def compromised(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The key of this station may be in other hands."""
    try:
        with transaction() as session:
            opened = rechecking.report_key(
                session, actor(), id, since=moment(typed("since"), "since"), reason=typed("reason", FREE_TEXT),
                issuers=runtime().issuers, now=now(),
            )  # fmt: skip
    except Refusal as refusal:
        return refused(refusal, _stations, open_form=f"compromised-{id}")
    flask.flash(f"The key is revoked. Looked at again: {filters.plural(len(opened), 'certificate')}.", "ok")
    return redirect(url_for(".stations"), 303)


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


def _beside_the_medium(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """What was typed of an inspection in the form that also notes its media."""
    return {name: value for name, value in fields if name not in {*SILENT, *OF_A_MEDIUM, *TICKS_OF_A_MEDIUM}}


def _is_typed(fields: Mapping[str, str]) -> bool:
    """Whether somebody typed or chose any of it."""
    return any(value.strip() for name, value in fields.items() if name.rpartition(".")[2] not in CHOSEN_ANYHOW)


def _step(
    code: str,
    form: str,
    step: Callable[[Session, UUID], str],
    *,
    elsewhere: Mapping[str, str] | None = None,
) -> flask.typing.ResponseReturnValue:
    """One step on one device of this bench: whole or not at all, then the page again.

    What was typed `elsewhere` on the page stands on it as it was.
    """
    around = None
    try:
        with transaction() as session:
            found = bench.find(session, actor(), code)
            around = take_part(form)
            if request.form.get("version"):
                seen = whole_number(typed("version", 12), "version", low=0, high=10**9, unit="an entry")
                steps.require_seen(session, actor(), found.id, seen, now=now())
            said = step(session, found.id)
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        errors = refusal.detail.get("errors") or errors_of(refusal)
        return _device(code, status=keep(refusal), form=request.form, errors=errors, open_form=form, elsewhere=around)
    flask.flash(said, "ok")
    return afterwards(code, around or elsewhere)


def afterwards(
    code: str, elsewhere: Mapping[str, str] | None, anchor: str | None = None
) -> flask.typing.ResponseReturnValue:
    """After a step: the device's page, and on it what was typed elsewhere; then the answer is the page itself."""
    if elsewhere and _is_typed(elsewhere):
        return _device(code, status=201, elsewhere=elsewhere)
    return redirect(url_for("bench.device", code=code, _anchor=anchor), 303)


def shower(code: str, elsewhere: Mapping[str, str] | None = None) -> Callable[..., flask.Response]:
    """The page of a device, for a form that comes back to it refused."""

    def show(**context: Any) -> flask.Response:
        return _device(code, elsewhere=elsewhere, **context)

    return show


def _device(
    code: str,
    *,
    status: int = 200,
    form: Any = None,
    errors: dict[str, str] | None = None,
    open_form: str | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> flask.Response:
    """The page. What was typed `elsewhere` on it stands there again, or is told where that part is gone."""
    with transaction() as session:
        told = bench.device(session, actor(), code, now=now())
        told["wipe"] = bench.live(session, actor(), code, now=now())
    for certificate in told["certificates"]:
        if certificate["status"] == "refused" and certificate["checks"]:
            certificate["checks"] = verdict.with_refusal(certificate["checks"], certificate["reason"])
    told["medium_kinds"] = options(told["medium_kinds"], filters.medium_word)
    told["hold_kinds"] = holds.kinds()
    kept = _typed_in(told) if status == 409 else []
    beside = open_form not in (None, "inspect", "add_medium")
    if "inspect" in told["may"] and (beside or elsewhere is not None):
        # One form of several parts: each field under the name that the page gives it.
        form, errors = ({**(elsewhere or {}), **_of_part(open_form, form or {})}, _of_part(open_form, errors or {}))
    elif elsewhere and _is_typed(elsewhere):
        chosen = [one for one in elsewhere.items() if one[0].rpartition(".")[2] not in CHOSEN_ANYHOW]
        kept += in_words(told["device"]["device_class"], chosen)
    return page(
        "bench/device.html", status, form=form or {}, errors=errors or {}, open_form=open_form, kept=kept, **told
    )


def _of_part(part: str | None, fields: Mapping[str, str]) -> dict[str, str]:
    """These fields as the page names them in its one form; files have no value to keep, and their field no part."""
    return {
        name if part is None or not name or name == "photographs" else f"{part}.{name}": value
        for name, value in fields.items()
        if name not in SILENT
    }


def _typed_in(told: dict[str, Any]) -> list[tuple[str, str]]:
    """What somebody typed into a form that is refused and may not be on the page any more: nothing typed is lost."""
    return in_words(told["device"]["device_class"], list(request.form.items()))


def in_words(device_class: str, fields: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """What was typed into a form of the bench, under the questions of that form."""
    asked = checklist.items(device_class)
    questions = {item.id: item.question for item in asked}
    answers = {item.id: {answer.value: answer.label for answer in item.answers} for item in asked}
    kept = []
    for name, value in fields:
        name = name.rpartition(".")[2]
        if name in SILENT or not value.strip():
            continue
        label = questions.get(name) or FIELD_WORDS.get(name) or name.replace("_", " ").capitalize()
        kept.append((label[:80], answers.get(name, {}).get(value, value)[:FREE_TEXT]))
    return kept[:60]


def kept_in_words(path: str, fields: Sequence[Sequence[str]]) -> list[tuple[str, str]] | None:
    """The same of a form that was kept over a sign-out; None when it was no form of a device on this bench."""
    found = re.match(r"/bench/devices/([^/?]+)/", path)
    if found is None:
        return None
    try:
        with transaction() as session:
            device_class = bench.find(session, actor(), found[1]).device_class.value
    except Refusal:
        return None
    return in_words(device_class, fields)


def _queue(
    status: int = 200,
    *,
    form: Any = None,
    errors: dict[str, str] | None = None,
    missed: str = "",
    near: list[dict[str, Any]] | None = None,
    giving: dict[str, Any] | None = None,
) -> flask.Response:
    state, number = request.args.get("state", "")[:40] or None, shapes.page_number(request.args.get("page"))
    with reading() as session:
        told = bench_list.queue(session, actor(), state=state, page=number, now=now())
    if told["centre"]["status"] == "new" and not told["total"]:
        return page("bench/waiting.html", status, centre=told["centre"])
    paging = shapes.paging(told["total"], number, lambda to: url_for("bench.queue", state=told["state"], page=to))
    return page(
        "bench/queue.html",
        status,
        form=form or {},
        errors=errors or {},
        paging=paging,
        missed=missed.strip()[:64],
        near=near or [],
        giving=giving,
        rows=[(*IN_A_ROW(device), _waits(device["age"])) for device in told.pop("devices")],
        **told,
    )


def _waits(age: timedelta) -> str:
    """How long a device has waited, in one unit, so that a column of them compares at a glance."""
    for unit in (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)):
        if age >= unit:
            return filters.duration(age - age % unit)
    return filters.duration(age)


def _stations(
    status: int = 200,
    *,
    form: Any = None,
    errors: dict[str, str] | None = None,
    new_code: dict[str, Any] | None = None,
    open_form: str | None = None,
) -> flask.Response:
    with transaction() as session:
        told = bench.stations(session, actor(), now=now())
        fingerprint = accreditors.trust_fingerprint(session, runtime().issuers)
    return page(
        "bench/stations.html",
        status,
        fingerprint=fingerprint,
        form=form or {},
        errors=errors or {},
        new_code=new_code,
        open_form=open_form,
        base_url=runtime().config.public_url,
        **told,
    )


def _grams() -> int:
    return whole_number(typed("mass_g"), "mass_g", low=1, high=MOST_GRAMS, unit="grams")


def _grams_or_none() -> int:
    """The weight as typed; 0 for what is no weight, so that the step names it among everything else that is wrong."""
    try:
        return _grams()
    except Invalid:
        return 0


def _findings(session: Session, code: str, stage: checklist.Stage | None) -> dict[str, object]:
    device_class = bench.find(session, actor(), code).device_class.value
    return {item.id: typed(item.id) for item in checklist.items(device_class, stage) if item.id in request.form}


def _effect(device_id: UUID, session: Session) -> str:
    """What it means that a medium was noted now."""
    state = session.get_one(Device, device_id, populate_existing=True).state
    if state in WAYS or state is State.CLEARED:
        return (
            "The certificate does not cover it, so the device is not clear any more and is out of every sale. Begin a "
            "new cycle and wipe it anew."
        )
    if state in (State.CLEARING, State.DESTROYING):
        if bench.has_open_order(session, device_id, now=now()):
            return "It must be covered before the device clears, and the open work order does not name it. Replace it."
        return "It must be covered before the device clears. Issue the work order when every medium is noted."
    return "It must be covered before the device clears."
