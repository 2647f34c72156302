"""Photographs over HTTP: sent in by a seller or a centre, shown to whom they concern, hidden again.

A form with photographs may be larger than any other; only its own addresses take that much, and only from somebody who
is signed in. What is served is what we encoded ourselves, as JPEG and nothing else, kept by browsers for good.
"""

from __future__ import annotations

from uuid import UUID

import flask
from flask import Blueprint, redirect, request, url_for
from flask_login import current_user

from ewaste.accounts.models import Role
from ewaste.core.refusals import Invalid, NotAllowed, NotFound, Refusal
from ewaste.devices import photographs
from ewaste.journey import bench as steps
from ewaste.journey import trade_in
from ewaste.views import bench, device
from ewaste.views import photographs as shown
from ewaste.web import bench as bench_pages
from ewaste.web import consumer
from ewaste.web.edge import actor, errors_of, keep, now, require_account, transaction
from ewaste.web.forms import refused, take_part, typed
from ewaste.web.limits import limiter

pages = Blueprint("photographs", __name__)

# The files, and the fields and boundaries around them.
LARGEST_FORM = photographs.MOST_AT_ONCE * photographs.LARGEST_FILE + 512 * 1024
UPLOADS = frozenset({"photographs.of_seller", "photographs.of_centre"})
FOR_GOOD = "max-age=31536000, immutable"
# Decoding takes a second of a core; nobody photographs faster than this.
SENDING = "40 per minute"


@pages.url_value_preprocessor
def _more_room(endpoint: str | None, _values: object) -> None:
    """Before anything reads the form. Strangers get no room: they are refused by what their request says of itself."""
    if endpoint in UPLOADS and current_user.is_authenticated:
        request.max_content_length = LARGEST_FORM


@pages.get("/photographs/<uuid:id>")
def picture(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """A photograph, at most 1600 pixels long."""
    return _picture(id, small=False)


@pages.get("/photographs/<uuid:id>/small")
def small(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """The same, at most 400 pixels long."""
    return _picture(id, small=True)


@pages.post("/devices/<code>/photographs")
@limiter.limit(SENDING)
def of_seller(code: str) -> flask.typing.ResponseReturnValue:
    """The seller shows how the device looked before it was posted."""
    onward = require_account()
    if onward is not None:
        return onward
    with transaction() as session:
        device_id = device.find(session, actor(), code).id
    try:
        pictures = _sent()
        with transaction() as session:
            kept = trade_in.add_photographs(session, actor(), device_id, pictures=pictures, now=now())
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        return consumer.prepare_page(code, status=keep(refusal), errors=errors_of(refusal))
    flask.flash(_said(len(kept)), "ok")
    return redirect(url_for("consumer.prepare", code=code, _anchor="photographs"), 303)


@pages.post("/bench/devices/<code>/photographs")
@limiter.limit(SENDING)
def of_centre(code: str) -> flask.typing.ResponseReturnValue:
    """The centre photographs a device."""
    onward = require_account()
    if onward is not None:
        return onward
    with transaction() as session:
        device_id = bench.find(session, actor(), code).id
    elsewhere = take_part("photographs")
    try:
        kind = typed("photograph_kind", 40)
        pictures = _sent()
        with transaction() as session:
            kept = steps.add_photographs(session, actor(), device_id, kind=kind, pictures=pictures, now=now())
    except Refusal as refusal:
        return refused(refusal, bench_pages.shower(code, elsewhere), open_form="photographs")
    flask.flash(_said(len(kept)), "ok")
    return bench_pages.afterwards(code, elsewhere, "photographs")


@pages.post("/photographs/<uuid:id>/hide")
def hide(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Show a photograph to nobody any more."""
    onward = require_account()
    if onward is not None:
        return onward
    with transaction() as session:
        hidden = steps.hide_photograph(session, actor(), id, now=now())
        code = hidden.code
    flask.flash(
        "The photograph is hidden. Nobody sees it any more; that it was there stands in the device's story.", "ok"
    )
    if (elsewhere := take_part("photographs")) is not None:
        return bench_pages.afterwards(code, elsewhere)
    place = {Role.OPERATOR: "bench.device", Role.STAFF: "staff.device"}.get(actor().role, "consumer.device")
    return redirect(url_for(place, code=code), 303)


def _sent() -> list[photographs.Encoded]:
    """The photographs of the form, encoded anew: outside any transaction, as it takes its time."""
    files = [file for file in request.files.getlist("photographs") if file.filename]
    if not files:
        raise Invalid("Choose at least one photograph.", field="photographs")
    if len(files) > photographs.MOST_AT_ONCE:
        raise Invalid(f"Send at most {photographs.MOST_AT_ONCE} photographs at a time.", field="photographs")
    pictures = []
    for file in files:
        with file.stream:  # A large upload lies in a temporary file; it goes when this is left.
            pictures.append(photographs.encode(file.read(photographs.LARGEST_FILE + 1), file.filename or ""))
    return pictures


def _said(count: int) -> str:
    if not count:
        return "These photographs were there already. Nothing was doubled."
    return f"{'The photograph is' if count == 1 else f'{count} photographs are'} kept, without place, time and phone."


def _picture(photograph_id: UUID, *, small: bool) -> flask.Response:
    with transaction() as session:
        content, digest, public = shown.picture(session, actor(), photograph_id, small=small)
    response = flask.make_response(content)
    response.headers["Content-Type"] = "image/jpeg"
    response.headers["Content-Disposition"] = "inline"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    response.headers["Cache-Control"] = f"{'public' if public else 'private'}, {FOR_GOOD}"
    response.set_etag(f"{digest[:32]}{'-s' if small else ''}")
    response.make_conditional(request)
    return response
