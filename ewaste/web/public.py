"""What anybody reads and does without an account: the front page, a quote, and checking a certificate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import flask
from flask import Blueprint, redirect, request, url_for

from ewaste.centres import accreditors
from ewaste.certificates import registry
from ewaste.certificates.models import number_of
from ewaste.core.refusals import Invalid, NotFound, Refusal
from ewaste.journey import completing, trade_in
from ewaste.tradein import questions, quotes
from ewaste.views import log as log_views
from ewaste.views import open_figures, prices, public, shapes
from ewaste.views.records import found_since, in_doubt, newer, since_then
from ewaste.web import codes, lists, offline, program, uploads, verdict
from ewaste.web.edge import actor, errors_of, keep, now, page, runtime, transaction, whole_number
from ewaste.web.limits import VERIFY, WRITE_UNKNOWN, limiter

pages = Blueprint("public", __name__)

LARGEST_BUNDLE = 1_048_576
LONGEST_CODE = 300
_NAMED = re.compile(r"/(?:certificates|devices|shop)/([A-Za-z0-9-]{4,60})(?:/|$)")


# ---- the front page and quotes ----


@pages.get("/")
def home() -> flask.Response:
    """The promise, how it goes, open figures, open lots."""
    with transaction() as session:
        figures = open_figures.headline(session)
        lots = public.open_lots(session, now=now())
    doors = {kind: url_for("firms.apply", kind=kind) for kind in ("company", "recycler", "centre")}
    return page("home.html", figures=figures, lots=lots, models_count=len(quotes.catalogue()), doors=doors)


@pages.get("/quote")
def quote_start() -> flask.Response:
    """Choose the model."""
    q, device_class = lists.search(), lists.device_class()
    with transaction() as session:
        models, classes = public.models(session, q=q, device_class=device_class, on=now().date())
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
        classes=lists.labelled(classes),
        paging=shapes.paging(len(models), number, address),
    )


@pages.get("/quote/<model_code>")
def quote_questions(model_code: str) -> flask.Response:
    """The condition, question by question; `from` names a quote whose answers are taken along."""
    form: Mapping[str, str] = {}
    if request.args.get("from"):
        with transaction() as session:
            form = public.answers_of(session, actor(), request.args["from"], model_code)
    return _questions(model_code, form=form, errors={})


@pages.post("/quote/<model_code>")
@limiter.limit(WRITE_UNKNOWN)
def make_quote(model_code: str) -> flask.typing.ResponseReturnValue:
    """Step 1: the answers become a quote."""
    model = quotes.model(model_code)
    asked = questions.QUESTIONS[model.device_class]
    answers = {
        question.field: request.form[question.field][:40] for question in asked if request.form.get(question.field)
    }
    errors = public.mistakes(model, {**answers, "storage_gb": request.form.get("storage_gb", "")})
    if errors:
        field, sentence = next(iter(errors.items()))
        return _questions(model_code, form=request.form, errors=errors, status=keep(Invalid(sentence, field=field)))
    try:
        storage_gb = 0
        if model.storage_gb_options:
            storage_gb = whole_number(
                request.form.get("storage_gb", ""), "storage_gb", low=1, high=100_000, unit="gigabytes"
            )
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
        paid = prices.history(session, told["model"], now=now())
    return page("tradein/quote.html", status, quote=told, centres=centres, paid=paid, form=form, errors=errors)


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
    """Check a certificate that we hold, by its number or its device's code.

    Paper names the digest of the certificate that it was made from; then it is told when that is another one than ours.
    """
    code = request.args.get("code", "").strip()[:LONGEST_CODE]
    digest = request.args.get("digest", "").strip()[:120]
    if not code:
        return _verify_page()
    try:
        meant, of_address = _in_address(code)
        digest = digest or of_address
        with transaction() as session:
            found, short, about = public.certificate(session, public.certificate_for(session, meant))
            files = completing.completed(session, found, runtime().issuers, now=now())
    except NotFound as refusal:
        return _verify_page(code=code, errors={"code": refusal.message}, status=404)
    except Invalid as refusal:
        return _verify_page(code=code, errors=errors_of(refusal), status=keep(refusal))
    verified = _verified({name: text.encode() for name, text in files.items()})
    told = verdict.verdict(
        verified,
        "doubt" if short["in_doubt"] else short["status"],
        short["in_doubt"] or short["revoked_reason"],
        about["device_class"],
        url_for(".certificate", id=short["id"]),
        since=short["found_since"],
        other_digest=bool(digest) and digest != found.digest,
        newer=_newer(short["newer"]),
    )
    return _verify_page(code=code, result=told, to_know=short["since"])


@pages.post("/verify")
@limiter.limit(VERIFY)
def verify_upload() -> flask.Response:
    """Check a bundle that somebody has: a .zip, its files, or its text. Nothing of it is kept."""
    try:
        verified = _verified(uploads.bundle(LARGEST_BUNDLE))
    except Invalid as refusal:
        return _verify_page(form=request.form, errors=errors_of(refusal), status=422)
    known, standing, reason, since, place_taken_by = None, "unknown", None, None, None
    to_know: list[str] = []
    if (verified.refusal is None or verified.withdrawn) and verified.statement is not None:
        with transaction() as session:
            known, standing, reason = public.standing_of(
                session, verified.statement.certificate_id, verified.digest, verified.statement.issuer_did
            )
            if known is not None:
                since, to_know = found_since(session, known), since_then(session, known)
                place_taken_by = newer(session, known)
                doubt = in_doubt(session, known) if standing == "live" else None
                standing, reason = ("doubt", doubt) if doubt else (standing, reason)
    url = None
    if known is not None and verified.statement is not None:
        url = url_for(".certificate", id=number_of(verified.statement.certificate_id, known))
    told = verdict.verdict(verified, standing, reason, None, url, since=since, newer=_newer(place_taken_by))
    return _verify_page(form=request.form, result=told, to_know=to_know)


@pages.get("/verify/offline")
@limiter.limit(VERIFY)
def verify_offline() -> flask.Response:
    """The whole check as one file to keep, with the trust file of today in it: it opens without a network."""
    with transaction() as session:
        trust = accreditors.trust_bytes(session, runtime().issuers)
    text, policy = offline.document(
        trust=trust,
        words=_words(),
        market=runtime().config.public_url,
    )
    answer = flask.Response(text, mimetype="text/html")
    answer.headers["Content-Security-Policy"] = policy
    answer.headers["Content-Disposition"] = 'attachment; filename="verify-certificate.html"'
    return answer


@pages.get("/wipe-agent.zip")
@limiter.limit(VERIFY)
def agent_source() -> flask.Response:
    """The program that checks certificates and follows the log without us, as its source."""
    answer = lists.file(program.source(), "wipe-agent.zip", "application/zip")
    answer.add_etag()
    answer.make_conditional(request)
    return answer


@pages.get("/certificates/<uuid:id>")
@limiter.limit("120 per minute")
def certificate(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """The page of one certificate, checked again each time it is read."""
    with transaction() as session:
        found, short, about = public.certificate(session, id)
        files = completing.completed(session, found, runtime().issuers, now=now())
        revoked_in = log_views.revoked_in(session, found)
    verified = _verified({name: text.encode() for name, text in files.items()})
    if short["in_doubt"]:
        short |= {"status": "doubt", "reason": short["in_doubt"]}
    elif verified.refusal is not None and short["status"] == "accepted":
        short |= {"status": "refused", "reason": f"It does not verify any more: {verified.refusal}"}
    url = url_for(".certificate", id=short["id"])
    told = verdict.verdict(
        verified,
        short["status"],
        short["revoked_reason"] or short["reason"],
        about["device_class"],
        url,
        since=short["found_since"],
        newer=_newer(short["newer"]),
    )
    place = re.search(r"^index ([0-9]{1,16})$", files.get("log-proof.txt", ""), re.MULTILINE)
    short |= {
        "statement": verified.statement,
        "checks": told["checks"],
        "checked_at": now(),
        "log_position": place[1] if place else None,
        "revoked_in": revoked_in,
    }
    if verified.statement is not None:
        short |= {"created": verified.statement.created, "supersedes": verified.statement.supersedes}
    share = runtime().config.public_url + url
    return page(
        "certificates/certificate.html",
        certificate=short,
        device=about,
        verdict=told,
        share_url=share,
        words=_words(),
    )


@pages.get("/certificates/<uuid:id>/code")
def certificate_code(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """A page to print: the code that leads to a certificate, to stick on the device or to put into the box."""
    with transaction() as session:
        _, short, about = public.certificate(session, id)
    refused = "This certificate was revoked." if short["status"] == "revoked" else short["found_since"]
    if short["in_doubt"]:
        refused = f"This certificate is in doubt, and is looked at again. {short['in_doubt']}"
    share = runtime().config.public_url + url_for(".certificate", id=short["id"])
    return page(
        "certificates/code.html",
        410 if refused else 200,
        certificate=short,
        device=about,
        share_url=share,
        qr_svg=None if refused else codes.qr(share),
        refused=refused,
    )


@pages.get("/certificates/<uuid:id>/bundle.zip")
def certificate_bundle(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """The bundle: byte for byte the files that the centre sent, completed with the status lists of today."""
    with transaction() as session:
        found, short, _ = public.certificate(session, id)
        files = completing.completed(session, found, runtime().issuers, now=now())
    name = f"certificate-{short['device_code']}-{str(short['id'])[:8]}.zip"
    return lists.file(registry.zipped(files), name, "application/zip")


def _newer(found: tuple[UUID, datetime] | None) -> tuple[str, datetime] | None:
    """The certificate that took the place of another: its address, and when it came."""
    return found and (url_for(".certificate", id=found[0]), found[1])


def _words() -> dict[str, Any]:
    return verdict.for_scripts(runtime().config.public_url + url_for("about.imprint"))


def _in_address(text: str) -> tuple[str, str]:
    """The code or number that is meant, and the digest beside it: both may stand in an address of ours.

    Raises `Invalid` for an address of somebody else's: whoever stuck it on a device meant another site than this.
    """
    if "://" not in text:
        return text, ""
    try:
        address = urlsplit(text)
        host, homes = address.hostname, (urlsplit(runtime().config.public_url).hostname, urlsplit(request.url).hostname)
    except ValueError:
        return text, ""
    if host not in homes:
        raise Invalid(
            f"This address leads to {(host or 'another place')[:100]}, not to us. Do not rely on it, and type the code "
            "of the device instead.",
            field="code",
        )
    asked = parse_qs(address.query)
    named = _NAMED.search(address.path)
    code = asked.get("code", [named[1] if named else text])[0]
    return code.strip(), asked.get("digest", [""])[0][:120]


def _verified(files: Mapping[str, bytes] | bytes) -> registry.Verified:
    """With the trust file that we publish, so that the site says what everybody's own verifier says."""
    with transaction() as session:
        trust = accreditors.trust_bytes(session, runtime().issuers)
    return registry.verify_publicly(files, trust, at=now(), training=runtime().config.training)


def _verify_page(
    *,
    code: str = "",
    result: dict[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    to_know: Sequence[str] = (),
) -> flask.Response:
    with transaction() as session:
        fingerprint = accreditors.trust_fingerprint(session, runtime().issuers)
    shown = page(
        "certificates/verify.html",
        status,
        code=code,
        result=result,
        to_know=to_know,
        form=form or {},
        errors=errors or {},
        fingerprint=fingerprint,
        home=runtime().config.public_url,
        words=_words(),
    )
    # The one page that may ask for the camera: to read the square code of a certificate.
    shown.headers["Permissions-Policy"] = "camera=(self), geolocation=(), microphone=()"
    return shown
