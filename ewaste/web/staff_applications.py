"""The desk's queue of firms that want to take part: read their papers, verify or decline. An auditor reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, flash, redirect, request, url_for

from ewaste.accounts.models import OrganisationKind, OrganisationState
from ewaste.core.refusals import Refusal
from ewaste.journey import entering
from ewaste.views import applications, shapes
from ewaste.web.edge import actor, now, page, require_account, transaction
from ewaste.web.forms import refused, typed

pages = Blueprint("staff_applications", __name__)
pages.before_request(require_account)


@pages.get("/staff/applications")
def listed() -> flask.Response:
    """Those that wait first."""
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        rows, total = applications.listed(session, actor(), page=number)
    paging = shapes.paging(total, number, lambda other: url_for(".listed", page=other))
    return page("staff/applications.html", applications=rows, paging=paging)


@pages.get("/staff/applications/<uuid:id>")
def one(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """One application with its papers."""
    return _page(id)


@pages.post("/staff/applications/<uuid:id>/decide")
def decide(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """Verified, or declined with the reason that the firm reads."""
    try:
        with transaction() as session:
            firm = entering.decide(
                session,
                actor(),
                id,
                outcome=typed("outcome", 20),
                reason=typed("reason", 2_000),
                licences=[value[:40] for value in request.form.getlist("licences")][:10],
                now=now(),
            )
            name, kind, verified = firm.name, firm.kind, firm.state is OrganisationState.VERIFIED
    except Refusal as refusal:
        return refused(refusal, lambda **context: _page(id, **context))
    if verified and kind is OrganisationKind.CENTRE:
        flash(f"{name} is verified. Accredit it next: until then no device goes there.", "ok")
        return redirect(url_for("staff.centres"), 303)
    flash(f"{name} is {'verified' if verified else 'declined'}, and its owners have been told.", "ok")
    return redirect(url_for(".listed"), 303)


def _page(
    application_id: UUID,
    *,
    status: int = 200,
    form: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
) -> flask.Response:
    with transaction() as session:
        told = applications.one(session, actor(), application_id)
    return page(
        "staff/application.html",
        status,
        **told,
        ticked=request.form.getlist("licences"),
        form=form or {},
        errors=errors or {},
    )
