"""What the desk watches over: jobs, refusals, refused certificates, incidents, and the audit trail."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any
from uuid import UUID

import flask
from flask import url_for
from sqlalchemy.orm import Session

from ewaste.journey import attending
from ewaste.views import alarms, refused, trail, work
from ewaste.web import lists, verdict
from ewaste.web.edge import actor, now, page, transaction, uuid_or_none
from ewaste.web.forms import FREE_TEXT, typed
from ewaste.web.staff_base import address, as_csv, day, number, pages, paging, stepped, word

TRAIL_COLUMNS = ("at", "kind", "action", "who", "about", "text")


@pages.get("/staff/jobs")
def jobs() -> flask.Response:
    """The work behind the pages."""
    return _jobs()


@pages.post("/staff/jobs/<int:id>/again")
def run_again(id: int) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the address says id
    """A job that failed runs again."""

    def step(session: Session) -> str:
        name = attending.run_again(session, actor(), min(id, 2**63 - 1))
        return f"“{work.WORDS.get(name, name)}” runs again as soon as the worker is free."

    return stepped(step, _jobs, lambda: url_for(".jobs"))


@pages.get("/staff/refusals")
def refusals() -> flask.Response:
    """What was refused, the same refusal in one row."""
    days = word("days", 4)
    with transaction() as session:
        told = refused.refusals(
            session,
            actor(),
            kind=word("kind", 40),
            days=int(days) if days in refused.PERIODS else 14,
            page=number(),
            now=now(),
        )
    kept = {"kind": told["kind"], "days": told["days"]}
    return page(
        "staff/refusals.html", periods=refused.PERIODS, paging=paging(told["total"], ".refusals", **kept), **told
    )


@pages.get("/staff/refusals/<key>")
def refusal(key: str) -> flask.Response:
    """Each time that one refusal was given."""
    with transaction() as session:
        told = refused.occurrences(session, actor(), key[:40], page=number(), now=now())
    for row in told["rows"]:
        row["url"] = address(row["code"])
    return page("staff/refusal.html", paging=paging(told["total"], ".refusal", key=key), **told)


@pages.get("/staff/certificates/refused")
def refused_certificates() -> flask.Response:
    """Refused certificates, with station, centre and reason."""
    with transaction() as session:
        told = refused.certificates(
            session, actor(), centre=uuid_or_none(word("centre", 40)), q=word("q"), page=number()
        )
    kept = {"centre": told["centre"], "q": told["q"]}
    return page(
        "staff/refused_certificates.html", paging=paging(told["total"], ".refused_certificates", **kept), **told
    )


@pages.get("/staff/certificates/refused/<uuid:id>")
def refused_certificate(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """One of them beside what was expected."""
    with transaction() as session:
        told = refused.certificate(session, actor(), id)
    checks = told["checks"]
    return page(
        "staff/refused_certificate.html",
        certificate=told,
        because=verdict.reason(checks),
        groups=verdict.grouped(verdict.with_refusal(checks, told["reason"])) if checks else [],
        counted=verdict.counted(checks),
    )


@pages.get("/staff/certificates/refused/<uuid:id>/bundle.zip")
def refused_bundle(id: UUID) -> flask.Response:  # noqa: A002 - the address says id
    """The files of a refused certificate, as they came."""
    with transaction() as session:
        files = refused.bundle(session, actor(), id)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            # They came from a station; a name that leads anywhere is written as a plain one.
            archive.writestr(name.replace("/", "_").replace("\\", "_").lstrip("."), text)
    return lists.file(out.getvalue(), f"refused-{id}.zip", "application/zip")


@pages.get("/staff/incidents")
def incidents() -> flask.Response:
    """What went wrong, and the form to note more."""
    return _incidents()


@pages.post("/staff/incidents")
def open_incident() -> flask.typing.ResponseReturnValue:
    """Something went wrong."""
    made: list[str] = []

    def step(session: Session) -> str:
        opened = attending.open_incident(
            session,
            actor(),
            kind=typed("kind", 40),
            title=typed("title"),
            text=typed("text", FREE_TEXT),
            exposed=typed("exposed", 10) == "yes",
            device_code=typed("device_code", 40),
            centre_id=uuid_or_none(typed("centre_id", 40)),
            now=now(),
        )
        made.append(opened.code)
        if opened.tell_by is None:
            return f"Incident {opened.code} is open."
        return (
            f"Incident {opened.code} is open. The authority is to be told until {opened.tell_by:%d %B %Y, %H:%M} UTC."
        )

    return stepped(step, _incidents, lambda: url_for(".incident", code=made[0]), open_form="new")


@pages.get("/staff/incidents/<code>")
def incident(code: str) -> flask.Response:
    """One incident, its clock, its notes."""
    return _incident(code)()


@pages.post("/staff/incidents/<code>/notes")
def note_incident(code: str) -> flask.typing.ResponseReturnValue:
    """Append a note."""

    def step(session: Session) -> str:
        attending.note_incident(
            session, actor(), code, kind=typed("kind", 40), text=typed("text", FREE_TEXT), now=now()
        )
        return "Noted."

    return stepped(step, _incident(code), lambda: url_for(".incident", code=code), open_form="note")


@pages.post("/staff/incidents/<code>/close")
def close_incident(code: str) -> flask.typing.ResponseReturnValue:
    """It is settled."""

    def step(session: Session) -> str:
        found = attending.close_incident(
            session, actor(), code, reason=typed("reason", FREE_TEXT), not_told=typed("not_told", FREE_TEXT), now=now()
        )
        if found.closed_at is None:
            return "Noted. It stays open until a second person has looked at it and closes it."
        return "The incident is closed."

    return stepped(step, _incident(code), lambda: url_for(".incident", code=code), open_form="close")


@pages.get("/staff/trail")
def audit_trail() -> flask.Response:
    """Who did what, when."""
    with transaction() as session:
        told = trail.trail(session, actor(), _narrowed(), page=number())
    for row in told["rows"]:
        row["url"] = address(row["about"])
    chosen = told["chosen"]
    kept = {name: str(value) if value else None for name, value in vars(chosen).items()}
    return page("staff/trail.html", kept=kept, paging=paging(told["total"], ".audit_trail", **kept), **told)


@pages.get("/staff/trail.csv")
def audit_trail_file() -> flask.Response:
    """The same as a file."""
    with transaction() as session:
        rows = trail.rows(session, actor(), _narrowed())
    for row in rows:
        row["at"] = row["at"].isoformat()
    return as_csv("trail", rows, TRAIL_COLUMNS)


def _narrowed() -> trail.Narrowed:
    return trail.Narrowed(word("who"), word("kind", 40), word("action"), day("first"), day("last"))


def _jobs(status: int = 200, *, errors: dict[str, str] | None = None, **_: Any) -> flask.Response:
    with transaction() as session:
        told = work.job_list(session, actor(), view=word("view", 20), page=number(), now=now())
    for job in told["jobs"]:
        job["url"] = address(job["about"])
    return page(
        "staff/jobs.html",
        status,
        errors=errors or {},
        words=work.WORDS,
        paging=paging(told["total"], ".jobs", view=told["view"]),
        **told,
    )


def _incidents(
    status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
) -> flask.Response:
    with transaction() as session:
        told = alarms.incidents(session, actor(), view=word("view", 20), page=number(), now=now())
    return page(
        "staff/incidents.html",
        status,
        form=form or {},
        errors=errors or {},
        open_form=open_form,
        paging=paging(told["total"], ".incidents", view=told["view"]),
        **told,
    )


def _incident(code: str) -> Callable[..., flask.Response]:
    def show(
        status: int = 200, *, form: Any = None, errors: dict[str, str] | None = None, open_form: str | None = None
    ) -> flask.Response:
        with transaction() as session:
            told = alarms.incident(session, actor(), code, now=now())
        return page(
            "staff/incident.html",
            status,
            form=form or {},
            errors=errors or {},
            open_form=open_form,
            device_url=address(told["incident"]["device"]),
            **told,
        )

    return show
