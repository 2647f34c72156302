"""Firms: applying with papers, the people who act for one, invitations, and as whom somebody acts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import flask
from flask import Blueprint, flash, redirect, request, url_for
from flask_login import current_user

from ewaste.accounts import firms, papers, people, policy
from ewaste.accounts.firms import Paper, Wish
from ewaste.accounts.models import OrganisationKind
from ewaste.accounts.policy import Action
from ewaste.core.refusals import Conflict, Invalid, NotFound, Refusal
from ewaste.journey import entering
from ewaste.market.bidders import LICENCES
from ewaste.views import own_account
from ewaste.web.accounts import account_page, begin_session, home_of, onward_with, open_account
from ewaste.web.edge import (
    actor,
    errors_of,
    keep,
    now,
    page,
    require_account,
    runtime,
    transaction,
    uuid_or_none,
)
from ewaste.web.forms import refused, typed
from ewaste.web.limits import SIGN_IN, limiter

pages = Blueprint("firms", __name__)

OPEN_TO_ALL = frozenset({"firms.choose", "firms.apply", "firms.invitation"})
LARGEST_FORM = firms.MOST_DOCUMENTS * papers.LARGEST + 512 * 1024
UPLOADS = frozenset({"firms.apply", "firms.add_documents"})
KINDS = {
    OrganisationKind.COMPANY: ("Company", "Sells the devices that its own people no longer use."),
    OrganisationKind.COLLECTOR: ("Collector or workshop", "Takes in devices from many people and hands them on."),
    OrganisationKind.CENTRE: ("Test centre", "Receives, inspects and wipes devices, and certifies it."),
    OrganisationKind.RECYCLER: ("Recycler or refurbisher", "Bids on lots, repairs or takes apart, and reports back."),
}


@pages.url_value_preprocessor
def _more_room(endpoint: str | None, _values: object) -> None:
    """Before anything reads the form."""
    if endpoint in UPLOADS:
        request.max_content_length = LARGEST_FORM


@pages.before_request
def _guard() -> flask.typing.ResponseReturnValue | None:
    return None if request.endpoint in OPEN_TO_ALL else require_account()


# ---- applying ----


@pages.get("/sign-up/firm")
def choose() -> flask.Response:
    """What the organisation is."""
    kinds = [{"value": kind.value, "label": label, "text": text} for kind, (label, text) in KINDS.items()]
    return page("accounts/apply_kind.html", kinds=kinds)


@pages.route("/sign-up/firm/<kind>", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def apply(kind: str) -> flask.typing.ResponseReturnValue:
    """An organisation asks to take part. Who has no account yet opens one on the same page."""
    if kind not in firms.APPLICANTS:
        raise NotFound("There is no such kind of organisation.")
    if request.method == "GET":
        before: dict[str, Any] = {}
        if current_user.is_authenticated:
            with transaction() as session:
                before = own_account.declined(session, actor(), kind)
        return _apply_page(kind, form=before, ticked=before.get("licences"))
    try:
        if current_user.is_authenticated:
            policy.require(actor(), Action.APPLY)
        wanted, files = _wish(kind), _papers()
        if not current_user.is_authenticated:
            # The account is open even when the application is refused; what was typed of it stays on the page.
            known = open_account(typed("name"), typed("email"), typed("password"))
            if known.missing is not None:
                return redirect(onward_with(known, None, url_for(".apply", kind=kind)), 303)
        with transaction() as session:
            entering.apply(
                session,
                actor(),
                wanted,
                papers=files,
                issuers=runtime().issuers,
                session_id=current_user.signed_in.session_id,
                now=now(),
            )
    except Refusal as refusal:
        return refused(refusal, lambda **context: _apply_page(kind, **context))
    flash("We have your application. You find it here, and you can add documents until we answer.", "ok")
    return redirect(url_for(".mine"), 303)


@pages.get("/account/firms")
def mine() -> flask.Response:
    """One's firms, and how their applications stand."""
    return _mine_page()


@pages.post("/account/firms/<uuid:id>/documents")
@limiter.limit("20 per minute")
def add_documents(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """More papers for an application."""
    try:
        files = _papers()
        with transaction() as session:
            entering.add_documents(session, actor(), id, files, now=now())
    except Refusal as refusal:
        return refused(refusal, _mine_page, open_form=str(id))
    flash("The documents are with your application.", "ok")
    return redirect(url_for(".mine"), 303)


@pages.get("/documents/<uuid:id>")
def document(id: UUID) -> flask.Response:  # noqa: A002 - the name stands in addresses
    """A paper, as a file to save and never as a page: what strangers hand in is not opened under our name."""
    with transaction() as session:
        found = entering.document(session, actor(), id)
        answer = flask.Response(found.content, mimetype=found.media_type)
        name = found.name
    answer.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


# ---- as whom somebody acts, and with whom ----


@pages.post("/account/act-for")
def act_for() -> flask.typing.ResponseReturnValue:
    """For a firm, or for oneself."""
    try:
        chosen = request.form.get("organisation_id")
        organisation_id = uuid_or_none(typed("organisation_id", 60))
        if chosen is None or (chosen and organisation_id is None):
            raise Invalid("Choose one of your organisations, or yourself.", field="organisation_id")
    except Invalid as refusal:
        return refused(refusal, account_page)
    with transaction() as session:
        firm = entering.act_for(session, actor(), organisation_id, session_id=current_user.signed_in.session_id)
    flash(f"You act for {firm.name} now." if firm else "You act for yourself now.", "ok")
    return redirect(url_for("accounts.account"), 303)


@pages.get("/account/firm")
def people_of() -> flask.Response:
    """The people of the firm that one acts for."""
    return _firm_page()


@pages.post("/account/firm/invitations")
@limiter.limit("20 per minute")
def invite() -> flask.typing.ResponseReturnValue:
    """Ask somebody to act for the firm."""
    try:
        with transaction() as session:
            made = entering.invite(
                session, actor(), email=typed("email"), name=typed("name"), rank=typed("rank", 20), now=now()
            )
            email = made.email
    except Refusal as refusal:
        return refused(refusal, _firm_page)
    flash(f"An invitation is on its way to {email}. It is good for seven days.", "ok")
    return redirect(url_for(".people_of"), 303)


@pages.post("/account/firm/address")
def change_address() -> flask.typing.ResponseReturnValue:
    """Where parcels reach the firm, and when it is open."""
    try:
        with transaction() as session:
            entering.change_address(
                session,
                actor(),
                street=typed("street"),
                postcode=typed("postcode"),
                city=typed("city"),
                country=typed("country", 2),
                opening_hours=typed("opening_hours"),
            )
    except Refusal as refusal:
        return refused(refusal, _firm_page)
    flash("The address is changed. Sellers and buyers read it from now on.", "ok")
    return redirect(url_for(".people_of"), 303)


@pages.post("/account/firm/invitations/<uuid:id>/withdraw")
def withdraw(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """Take an invitation back."""
    with transaction() as session:
        entering.withdraw_invitation(session, actor(), id, now=now())
    flash("The invitation is taken back; its link works no more.", "ok")
    return redirect(url_for(".people_of"), 303)


@pages.post("/account/firm/people/<uuid:id>/rank")
def set_rank(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """Owner, or member."""
    try:
        with transaction() as session:
            entering.set_rank(session, actor(), id, typed("rank", 20))
    except Refusal as refusal:
        return refused(refusal, _firm_page)
    flash("That is changed.", "ok")
    return redirect(url_for(".people_of"), 303)


@pages.post("/account/firm/people/<uuid:id>/remove")
def remove(id: UUID) -> flask.typing.ResponseReturnValue:  # noqa: A002 - the name stands in addresses
    """Somebody acts for the firm no more."""
    try:
        with transaction() as session:
            person = entering.remove_person(session, actor(), id, now=now())
            name, myself = person.name, person.id == actor().id
    except Refusal as refusal:
        return refused(refusal, _firm_page)
    flash("You left the firm." if myself else f"{name} acts for the firm no more, and is signed out of it.", "ok")
    return redirect(url_for("public.home") if myself else url_for(".people_of"), 303)


@pages.route("/invitations/<token>", methods=["GET", "POST"])
@limiter.limit(SIGN_IN, methods=["POST"])
def invitation(token: str) -> flask.typing.ResponseReturnValue:
    """Who was invited joins: with the account they have, or with one that they open here."""
    try:
        with transaction() as session:
            found, firm = firms.invitation(session, token, now=now())
            told: dict[str, Any] = {
                "firm": firm.name,
                "kind": firm.kind.value,
                "rank": found.rank.value,
                "email": found.email,
                "name": found.name,
                "known": people.by_address(session, found.email) is not None,
            }
    except Refusal as refusal:
        return page("accounts/link_over.html", keep(refusal), what=refusal.message, again=None)
    mine = current_user.is_authenticated and current_user.email == told["email"]
    if request.method == "GET":
        return page("accounts/invitation.html", **told, mine=mine, token=token, form={}, errors={})
    try:
        if mine:
            with transaction() as session:
                entering.join(session, actor(), token, session_id=current_user.signed_in.session_id, now=now())
            flash(f"You act for {told['firm']} now.", "ok")
            return redirect(url_for("accounts.account"), 303)
        if current_user.is_authenticated:
            raise Conflict("This invitation is for another account. Sign out first, then open the link again.")
        with transaction() as session:
            person, _firm = entering.join_newly(
                session, token, name=typed("name"), password=typed("password"), now=now()
            )
            person_id = person.id
        known = begin_session(person_id)
    except Refusal as refusal:
        status, form = keep(refusal), {"name": request.form.get("name", "")}
        return page(
            "accounts/invitation.html", status, **told, mine=mine, token=token, form=form, errors=errors_of(refusal)
        )
    flash(f"Welcome. You act for {told['firm']}.", "ok")
    return redirect(onward_with(known, None, home_of(known.actor.role)), 303)


# ---- what the pages share ----


def _wish(kind: str) -> Wish:
    return entering.wish(
        kind=kind,
        name=typed("organisation"),
        country=typed("country", 2),
        city=typed("city"),
        registration_number=typed("registration_number"),
        group_name=typed("group_name"),
        related_firms=typed("related_firms", 2_000),
        licences=[value[:40] for value in request.form.getlist("licences")][:10],
        street=typed("street"),
        postcode=typed("postcode"),
        opening_hours=typed("opening_hours"),
    )


def _papers() -> list[Paper]:
    """The files of this form, checked. They are decoded here, before any transaction begins."""
    sent = [file for file in request.files.getlist("documents") if file.filename]
    if len(sent) > firms.MOST_DOCUMENTS:
        raise Invalid(f"Send at most {firms.MOST_DOCUMENTS} documents.", field="documents")
    return [papers.read(file.stream.read(papers.LARGEST + 1), file.filename or "") for file in sent]


def _apply_page(
    kind: str,
    *,
    status: int = 200,
    form: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    ticked: list[str] | None = None,
) -> flask.Response:
    label, text = KINDS[OrganisationKind(kind)]
    return page(
        "accounts/apply.html",
        status,
        kind=kind,
        kind_label=label,
        kind_text=text,
        countries=firms.country_choices(),
        licences=[{"value": licence, "label": licence.capitalize()} for licence in LICENCES],
        ticked=ticked or request.form.getlist("licences"),
        needs_licence=OrganisationKind(kind) in entering.NEEDS_LICENCE,
        most_documents=firms.MOST_DOCUMENTS,
        files_lost=bool(errors) and any(file.filename for file in request.files.getlist("documents")),
        form=form or {},
        errors=errors or {},
    )


def _mine_page(
    *,
    status: int = 200,
    form: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    open_form: str | None = None,
) -> flask.Response:
    with transaction() as session:
        told = own_account.own_firms(session, actor())
    return page("accounts/firms.html", status, **told, form=form or {}, errors=errors or {}, open_form=open_form)


def _firm_page(
    *, status: int = 200, form: Mapping[str, Any] | None = None, errors: Mapping[str, str] | None = None
) -> flask.Response:
    with transaction() as session:
        told = own_account.firm(session, actor(), now=now())
    return page(
        "accounts/firm.html", status, **told, countries=firms.country_choices(), form=form or {}, errors=errors or {}
    )
