"""The public list of test centres, a page for each, and the checklist that they are audited by."""

from __future__ import annotations

import json
from typing import Any

import flask
from flask import Blueprint, request, url_for

from ewaste.centres import checklist, published
from ewaste.core.refusals import NotFound
from ewaste.views import centre_list, shapes
from ewaste.web import filters, lists
from ewaste.web.edge import now, page, runtime, transaction

pages = Blueprint("centres", __name__)

COLUMNS = (
    *("name", "city", "country", "identity", "standing", "accreditor", "methods", "media", "first_accredited"),
    *("accredited_from", "accredited_until", "suspended_since", "withdrawn_on", "fraud_since", "reason"),
    *centre_list.FIGURES,
)


@pages.get("/centres")
def listed() -> flask.Response:
    """Every centre that ever entered, and how it stands today."""
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        rows, total = centre_list.listed(session, page=number, now=now())
    paging = shapes.paging(total, number, lambda other: url_for(".listed", page=other))
    return page("centres/list.html", centres=rows, total=total, paging=paging)


@pages.get("/centres.csv")
def listed_csv() -> flask.Response:
    """The same as a file of rows."""
    with transaction() as session:
        rows = [centre_list.flat(each) for each in centre_list.everything(session, now=now())]
    text = lists.csv_text(COLUMNS, rows)
    return _shortly(lists.file(text.encode(), f"test-centres-{now():%Y-%m-%d}.csv", "text/csv; charset=utf-8"))


@pages.get("/centres.json")
def listed_json() -> flask.Response:
    """The same for programs, each centre with its history."""
    with transaction() as session:
        rows = centre_list.everything(session, now=now())
    told = {"at": filters.iso(now()), "centres": [_without_id(each) for each in rows]}
    return _json(told, f"test-centres-{now():%Y-%m-%d}.json")


@pages.get("/centres/<slug>")
def one(slug: str) -> flask.Response:
    """One centre: scope, dates, what was decided and why, and what came of looking again."""
    with transaction() as session:
        told = centre_list.one(session, runtime().issuers.centre_did(slug), now=now())
    return page("centres/centre.html", centre=told)


@pages.get("/centres/<slug>/accreditation.json")
def credential(slug: str) -> flask.Response:
    """The newest accreditation credential of a centre, byte for byte as it was signed."""
    with transaction() as session:
        document = centre_list.current_credential(session, runtime().issuers.centre_did(slug))
    return flask.Response(document, mimetype="application/json")


@pages.get("/centres/<slug>/statements.json")
def statements(slug: str) -> flask.Response:
    """What was published of its keys and its revoked accreditations: the documents whose digests the log holds."""
    did = runtime().issuers.centre_did(slug)
    with transaction() as session:
        if not centre_list.known(session, did):
            raise NotFound("There is no test centre of this name.")
        found = [
            {"kind": each.kind.value, "digestMultibase": each.digest, "statement": json.loads(each.document)}
            for each in published.all_of(session, did)
        ]
    return flask.make_response({"centre": did, "statements": found})


@pages.get("/checklists/audit")
def audit_checklist() -> flask.Response:
    """What an auditor looks at, with the source of each point."""
    return page("centres/checklist.html", checklist=checklist.load())


@pages.get("/checklists/audit.json")
def audit_checklist_json() -> flask.Response:
    """The same as the file that it is."""
    return _json(checklist.form(), f"{checklist.CURRENT}.json")


def _without_id(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "id"}


def _json(told: Any, name: str) -> flask.Response:
    text = json.dumps(told, default=filters.iso, indent=1, ensure_ascii=False)
    return _shortly(lists.file(text.encode(), name, "application/json"))


def _shortly(response: flask.Response) -> flask.Response:
    """Files may be a minute old: they cost the database more than they change."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return response
