"""The desk and its partners: test centres with their accreditation and stations, recyclers with their licences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

import flask
from flask import request, url_for
from sqlalchemy.orm import Session

from ewaste.journey import accrediting
from ewaste.market.bidders import LICENCES
from ewaste.views import partners
from ewaste.web.accrediting import show_centre
from ewaste.web.edge import actor, now, page, runtime, transaction
from ewaste.web.forms import FREE_TEXT, end_of_day, typed
from ewaste.web.staff_base import number, pages, paging, stepped


@pages.get("/staff/centres")
def centres() -> flask.Response:
    """Test centres and what they are accredited for."""
    with transaction() as session:
        told = partners.centres(session, actor(), now=now())
    return page("staff/centres.html", **told)


@pages.get("/staff/centres/<uuid:id>")
def centre(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """One test centre: figures, stations, history; audit, propose, suspend."""
    return show_centre(id)()


@pages.post("/staff/centres/<uuid:id>/suspend")
def suspend(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """Nothing of this centre clears a device from now on."""

    def step(session: Session) -> str:
        accrediting.suspend(session, actor(), id, reason=typed("reason", FREE_TEXT), now=now())
        return "Suspended. Nothing it certifies from now on clears a device."

    return stepped(step, show_centre(id), lambda: url_for(".centre", id=id), open_form="suspend")


@pages.post("/staff/centres/<uuid:id>/stations/<uuid:station_id>/retire")
def retire_station(id: UUID, station_id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A station of this centre stops speaking for it."""

    def step(session: Session) -> str:
        accrediting.retire_station(
            session, actor(), id, station_id, issuers=runtime().issuers, reason=typed("reason", FREE_TEXT), now=now()
        )
        return "The station is retired. What it signed before still stands."

    return stepped(step, show_centre(id), lambda: url_for(".centre", id=id), open_form=f"retire-{station_id}")


@pages.get("/staff/recyclers")
def recyclers() -> flask.Response:
    """Recyclers and their licences."""
    with transaction() as session:
        told = partners.recyclers(session, actor())
    return page("staff/recyclers.html", today=now().date(), **told)


@pages.get("/staff/recyclers/<uuid:id>")
def recycler(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """One recycler: licences, orders, how it pays; verify, suspend."""
    return _recycler(id)()


@pages.post("/staff/recyclers/<uuid:id>/verify")
def verify_recycler(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """The papers were seen."""

    def step(session: Session) -> str:
        until = {
            licence: end_of_day(typed(f"until_{licence}"), f"until_{licence}").date()
            for licence in LICENCES
            if typed(f"until_{licence}").strip()
        }
        firm = accrediting.verify_recycler(
            session,
            actor(),
            id,
            licences=[licence[:40] for licence in request.form.getlist("licences")[:10]],
            group_name=typed("group_name"),
            until=until,
            now=now(),
        )
        return f"{firm.name} is verified for {', '.join(firm.licences)}."

    return stepped(step, _recycler(id), lambda: url_for(".recycler", id=id), open_form="verify")


@pages.post("/staff/recyclers/<uuid:id>/suspend")
def suspend_recycler(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """It places no bid from now on."""

    def step(session: Session) -> str:
        firm = accrediting.suspend_recycler(session, actor(), id, reason=typed("reason", FREE_TEXT), now=now())
        return f"{firm.name} is suspended. What it bid before still binds it."

    return stepped(step, _recycler(id), lambda: url_for(".recycler", id=id), open_form="suspend")


def _recycler(firm_id: UUID) -> Callable[..., flask.Response]:
    def show(
        status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
    ) -> flask.Response:
        with transaction() as session:
            told = partners.recycler(session, actor(), firm_id, page=number(), now=now())
        return page(
            "staff/recycler.html",
            status,
            form=form or {},
            errors=errors or {},
            open_form=open_form,
            paging=paging(told["total"], ".recycler", id=firm_id),
            **told,
        )

    return show
