"""What anybody reads and does without an account: a quote, the lots, the shop, and checking a certificate."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import flask
from flask import Blueprint, redirect, request, url_for

from ewaste.centres import credentials
from ewaste.certificates import registry
from ewaste.core.refusals import Invalid, NotFound, Refusal
from ewaste.devices.models import DeviceClass
from ewaste.journey import trade_in
from ewaste.tradein import questions, quotes
from ewaste.views import market, public, shapes
from ewaste.web import filters
from ewaste.web.edge import actor, errors_of, keep, now, page, runtime, transaction, whole_number
from ewaste.web.limits import VERIFY, WRITE_UNKNOWN, limiter

pages = Blueprint("public", __name__)

LONGEST_SEARCH = 100
LARGEST_BUNDLE = 1_048_576
MANIFEST_COLUMNS = (
    "code", "title", "device_class", "storage_gb", "grade_cosmetic", "grade_function", "battery_health", "faults",
    "mass_g", "evidence_classes", "certificate", "expected_value", "currency",
)  # fmt: skip


# ---- the front page and quotes ----


@pages.get("/")
def home() -> flask.Response:
    """The promise, how it goes, open figures, open lots."""
    with transaction() as session:
        figures = public.figures(session)
        lots = public.open_lots(session, now=now())
    return page("home.html", figures=figures, lots=lots, models_count=len(quotes.catalogue()))


@pages.get("/quote")
def quote_start() -> flask.Response:
    """Choose the model."""
    q, device_class = _search(), _device_class()
    models, classes = public.models(q=q, device_class=device_class, on=now().date())
    last = max(1, -(-len(models) // shapes.PAGE_SIZE))
    number = min(shapes.page_number(request.args.get("page")), last)
    first = (number - 1) * shapes.PAGE_SIZE

    def address(other: int) -> str:
        return url_for(".quote_start", q=q or None, device_class=device_class or None, page=other)

    return page(
        "tradein/quote_start.html",
        models=models[first : first + shapes.PAGE_SIZE],
        q=q,
        device_class=device_class,
        classes=_labelled(classes),
        paging=shapes.paging(len(models), number, address),
    )


@pages.get("/quote/<model_code>")
def quote_questions(model_code: str) -> flask.Response:
    """The condition, question by question."""
    return _questions(model_code, form={}, errors={})


@pages.post("/quote/<model_code>")
@limiter.limit(WRITE_UNKNOWN)
def make_quote(model_code: str) -> flask.typing.ResponseReturnValue:
    """Step 1: the answers become a quote."""
    try:
        model = quotes.model(model_code)
        storage_gb = 0
        if model.storage_gb_options:
            typed = request.form.get("storage_gb", "")
            if not typed:
                raise Invalid("Choose the storage of your device.", field="storage_gb")
            storage_gb = whole_number(typed, "storage_gb", low=1, high=100_000, unit="gigabytes")
        asked = questions.QUESTIONS[model.device_class]
        answers = {
            question.field: request.form[question.field][:40] for question in asked if request.form.get(question.field)
        }
        with transaction() as session:
            made = trade_in.quote(
                session, actor(), model_code=model.id, storage_gb=storage_gb, answers=answers, now=now()
            )
            code = made.code
    except NotFound:
        raise
    except Refusal as refusal:
        return _questions(model_code, form=request.form, errors=errors_of(refusal), status=keep(refusal))
    return redirect(url_for(".quote", code=code), 303)


@pages.get("/quotes/<code>")
def quote(code: str) -> flask.Response:
    """A quote as a sum that one can check, and the form that accepts it."""
    return quote_page(code, form={}, errors={})


def quote_page(code: str, *, form: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> flask.Response:
    """The page of a quote; the form that accepts it comes back here when it was refused."""
    with transaction() as session:
        told = public.quote(session, actor(), code, now=now())
        centres = public.centres_for(session, told["device_class"], now=now()) if told["state"] == "open" else []
    return page("tradein/quote.html", status, quote=told, centres=centres, form=form, errors=errors)


def _questions(
    model_code: str, *, form: Mapping[str, str], errors: Mapping[str, str], status: int = 200
) -> flask.Response:
    model = quotes.model(model_code)
    return page(
        "tradein/quote_questions.html",
        status,
        model=public.card(model),
        questions=public.questions_for(model),
        form=form,
        errors=errors,
    )


# ---- certificates ----


@pages.get("/verify")
@limiter.limit(VERIFY)
def verify() -> flask.Response:
    """Check a certificate that we hold, by its number or its device's code."""
    code = request.args.get("code", "").strip()[:120]
    if not code:
        return _verify_page()
    try:
        with transaction() as session:
            found, short, about = public.certificate(session, public.certificate_for(session, code))
    except NotFound as refusal:
        return _verify_page(code=code, errors={"code": refusal.message}, status=404)
    verified = _verified({name: text.encode() for name, text in found.bundle.items()}, runtime().config.training)
    return _verify_page(code=code, result=_result(verified, short["status"], found.id, short["revoked_reason"], about))


@pages.post("/verify")
@limiter.limit(VERIFY)
def verify_upload() -> flask.Response:
    """Check a bundle that somebody has. Nothing of it is kept."""
    file = request.files.get("bundle")
    archive = b""
    if file is not None:
        with file.stream:  # A large upload lies in a temporary file; it goes when this is left.
            archive = file.read(LARGEST_BUNDLE + 1)
    if not archive:
        return _verify_page(form=request.form, errors={"bundle": "Choose the .zip of the certificate."}, status=422)
    if len(archive) > LARGEST_BUNDLE:
        wrong = {"bundle": "This file is larger than one megabyte, so it is no certificate bundle."}
        return _verify_page(form=request.form, errors=wrong, status=422)
    verified = _verified(archive, "training" in request.form)
    known, standing, reason = None, "unknown", None
    if verified.refusal is None and verified.statement is not None:
        with transaction() as session:
            known, standing, reason = public.standing_of(
                session, verified.statement.certificate_id, verified.statement.issuer_did
            )
    return _verify_page(form=request.form, result=_result(verified, standing, known, reason, None))


@pages.get("/certificates/<uuid:id>")
@limiter.limit("120 per minute")
def certificate(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """The page of one certificate, checked again each time it is read."""
    with transaction() as session:
        found, short, about = public.certificate(session, id)
    verified = _verified({name: text.encode() for name, text in found.bundle.items()}, runtime().config.training)
    if verified.refusal is not None and short["status"] == "accepted":
        short |= {"status": "refused", "reason": f"It does not verify any more: {verified.refusal}"}
    statement = verified.statement
    checks = _with_standing(verified.checks, short["status"], short["revoked_reason"])
    short |= {"statement": statement, "checks": checks, "checked_at": now()}
    if statement is not None:
        short |= {"created": statement.created, "supersedes": statement.supersedes}
    share = runtime().config.public_url + url_for(".certificate", id=found.id)
    return page("certificates/certificate.html", certificate=short, device=about, share_url=share)


@pages.get("/certificates/<uuid:id>/bundle.zip")
def certificate_bundle(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """The bundle, byte for byte the files that the centre sent."""
    with transaction() as session:
        found, short, _ = public.certificate(session, id)
    name = f"certificate-{short['device_code']}-{str(found.id)[:8]}.zip"
    return _file(registry.zipped(found), name, "application/zip")


def _verified(files: Mapping[str, bytes] | bytes, training: bool) -> registry.Verified:
    trust = credentials.trust_bytes(runtime().issuers)
    return registry.verify_publicly(files, trust, at=now(), training=training)


def _result(
    verified: registry.Verified,
    standing: str,
    known: UUID | None,
    because: str | None,
    about: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A verification in plain words first: what holds, and how the certificate stands with us."""
    statement = verified.statement
    ok = verified.refusal is None and statement is not None
    standing = {"accepted": "live"}.get(standing, standing)
    if not ok or statement is None:
        headline, sentence = "This certificate does not verify.", verified.refusal or "It could not be read."
    elif standing == "revoked":
        headline = "This certificate has been revoked."
        sentence = f"It was signed as it says, but it no longer counts: {because} Do not rely on it."
    elif standing == "refused":
        headline = "We refused this certificate."
        sentence = f"It verifies as a document, but this market did not accept it. {because} Do not rely on it."
    else:
        what = filters.class_word(about["device_class"]).lower() if about else "device"
        media = filters.plural(len(statement.lines), "storage medium", "storage media").replace(filters.NO_BREAK, " ")
        headline = f"The data on this {what} is gone." if standing == "live" else "This certificate verifies."
        sentence = (
            f"Checked by {statement.issuer_name}, signed on {filters.date(statement.created)}: {media} covered, "
            f"on device {statement.device_code}."
        )
        if standing == "unknown":
            sentence += " It is not in our register, so whether it was revoked we cannot tell."
    return {
        "ok": ok,
        "headline": headline,
        "sentence": sentence,
        "checks": _with_standing(verified.checks, standing, because),
        "statement": statement,
        "status": standing,
        "url": url_for(".certificate", id=known) if known is not None else None,
    }


def _with_standing(checks: list[dict[str, Any]], standing: str, because: str | None) -> list[dict[str, Any]]:
    """The checks, with what our register says in the place of what a verifier without it has to leave open."""
    told = {
        "live": (True, "Our register was asked: it has not been revoked."),
        "accepted": (True, "Our register was asked: it has not been revoked."),
        "revoked": (False, f"Our register was asked: it has been revoked. {because or ''}".rstrip()),
        "refused": (False, f"Our register was asked: we refused it. {because or ''}".rstrip()),
    }.get(standing)
    if told is None:
        return checks
    return [{**check, "ok": told[0], "text": told[1]} if check["name"] == "status" else check for check in checks]


def _verify_page(
    *,
    code: str = "",
    result: dict[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
) -> flask.Response:
    return page(
        "certificates/verify.html",
        status,
        code=code,
        result=result,
        form=form or {},
        errors=errors or {},
        fingerprint=credentials.trust_fingerprint(runtime().issuers),
    )


# ---- lots and the shop ----


@pages.get("/lots")
def lots() -> flask.Response:
    """What can be bid on, and what was sold."""
    state = "closed" if request.args.get("state") == "closed" else "open"
    way = request.args.get("way", "")
    way = way if way in market.WAYS else ""
    device_class, number = _device_class(), shapes.page_number(request.args.get("page"))
    with transaction() as session:
        cards, total = market.lot_list(session, state=state, way=way, device_class=device_class, page=number, now=now())

    def address(other: int) -> str:
        return url_for(".lots", state=state, way=way or None, device_class=device_class or None, page=other)

    return page(
        "market/lots.html",
        lots=cards,
        filters={"state": state, "way": way, "device_class": device_class},
        paging=shapes.paging(total, number, address),
    )


@pages.get("/lots/<code>")
def lot(code: str) -> flask.Response:
    """One lot: what is in it, what it costs now, who bid when."""
    return lot_page(code, form={}, errors={})


def lot_page(code: str, *, form: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> flask.Response:
    """The page of a lot; a refused bid comes back here."""
    q, grade = _search(), request.args.get("grade", "")[:2].upper()
    with transaction() as session:
        told = market.lot(session, actor(), code, now=now())
    told["lot"]["bid_key"] = uuid4().hex  # One key for each form shown: a form sent twice is one bid.
    items = told.pop("items")
    grades = sorted({str(item["grade_cosmetic"]) for item in items if item.get("grade_cosmetic")}, reverse=True)
    words = q.casefold().split()
    shown = [
        item
        for item in items
        if (not grade or item.get("grade_cosmetic") == grade)
        and all(word in f"{item['title']} {item['code']}".casefold() for word in words)
    ]
    return page(
        "market/lot.html",
        status,
        **told,
        items=shown,
        all_items=len(items),
        filters={"q": q, "grade": grade, "grades": grades},
        form=form,
        errors=errors,
    )


@pages.get("/lots/<code>/manifest.csv")
def lot_manifest(code: str) -> flask.Response:
    """The manifest of a lot as a file for a spreadsheet."""
    with transaction() as session:
        found, items = market.manifest(session, code)
    rows = []
    for item in items:
        value = item["expected_value"]
        certificate_id = item.get("certificate_id")
        address = runtime().config.public_url + url_for(".certificate", id=certificate_id) if certificate_id else ""
        rows.append(
            {
                **item,
                "faults": "; ".join(item["faults"]),
                "evidence_classes": "; ".join(item.get("evidence_classes") or []),
                "certificate": address,
                "expected_value": filters.plain_money(value) if value else "",
                "currency": value.currency if value else found.currency,
            }
        )
    return _file(csv_text(MANIFEST_COLUMNS, rows).encode(), f"lot-{found.code}.csv", "text/csv; charset=utf-8")


@pages.get("/shop")
def storefront() -> flask.Response:
    """The shop: graded, certified devices, one by one."""
    q, device_class = _search(), _device_class()
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        cards, classes, total = market.listings(session, q=q, device_class=device_class, page=number)

    def address(other: int) -> str:
        return url_for(".storefront", q=q or None, device_class=device_class or None, page=other)

    return page(
        "market/storefront.html",
        listings=cards,
        q=q,
        device_class=device_class,
        classes=_labelled(classes),
        paging=shapes.paging(total, number, address),
    )


@pages.get("/shop/<code>")
def listing(code: str) -> flask.Response:
    """One device for sale, with its grade explained and its certificate."""
    return listing_page(code, form={}, errors={})


def listing_page(code: str, *, form: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> flask.Response:
    """The page of a listed device; a refused purchase comes back here."""
    with transaction() as session:
        told = market.listing(session, code)
    return page("market/listing.html", status, **told, form=form, errors=errors)


# ---- small helpers ----


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV (RFC 4180). A cell that a spreadsheet would take for a formula gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return out.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) or text[:1] in ("\t", "\r", "\n") else text


def _file(content: bytes, name: str, kind: str) -> flask.Response:
    response = flask.make_response(content)
    response.headers["Content-Type"] = kind
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _search() -> str:
    text = request.args.get("q", "")[:LONGEST_SEARCH].replace("\x00", "")
    return " ".join(text.split())


def _device_class() -> str:
    chosen = request.args.get("device_class", "")
    return chosen if chosen in set(DeviceClass) else ""


def _labelled(classes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**kind, "label": filters.classes_word(kind["value"])} for kind in classes]
