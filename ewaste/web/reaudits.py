"""The queue of the routine re-audit: devices that somebody else of the centre looks at once more."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, redirect, request, url_for

from ewaste.core.refusals import Refusal
from ewaste.journey import reauditing
from ewaste.views import reaudits, shapes
from ewaste.web.edge import actor, now, page, require_account, transaction
from ewaste.web.forms import FREE_TEXT, refused, typed

pages = Blueprint("reaudits", __name__)
pages.before_request(require_account)


@pages.get("/bench/re-audits")
def queue() -> flask.Response:
    """What waits for a second look, and what was looked at last."""
    return _queue()


@pages.post("/bench/re-audits/<uuid:id>")
def look_again(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """What the auditor found on one device."""
    try:
        outcome, note = typed("outcome", 20), typed("note", FREE_TEXT)
        with transaction() as session:
            device = reauditing.look_again(session, actor(), id, outcome=outcome, note=note, now=now())
    except Refusal as refusal:
        return refused(refusal, _queue, open_form=str(id))
    if outcome == "residue":
        flask.flash(f"Noted. {device.code} is on hold, and our desk is told.", "ok")
    else:
        flask.flash(f"Noted: nothing is left on {device.code}.", "ok")
    return redirect(url_for(".queue"), 303)


def _queue(
    *, status: int = 200, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
) -> flask.Response:
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        told = reaudits.queue(session, actor(), page=number)
    paging = shapes.paging(told["total"], number, lambda to: url_for(".queue", page=to))
    return page(
        "bench/reaudits.html", status, form=form or {}, errors=errors or {}, open_form=open_form, paging=paging, **told
    )
