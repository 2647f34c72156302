"""A recycler's pages: bid on lots, see what was won and lost, report what became of each device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask
from flask import Blueprint, redirect, request, url_for
from flask_login import current_user
from sqlalchemy.orm import Session

from ewaste.core.money import in_words
from ewaste.core.refusals import Invalid, NotAllowed, NotFound, Refusal
from ewaste.journey import sale, settlement
from ewaste.market.models import SecondOffer, SecondOfferState
from ewaste.processing.models import Outcome, OutcomeReport
from ewaste.processing.outcomes import FRACTIONS
from ewaste.views import market as views
from ewaste.views import recycler
from ewaste.web import lists, market
from ewaste.web.codes import qr
from ewaste.web.edge import actor, errors_of, keep, minor_units, now, page, require_account, transaction, whole_number
from ewaste.web.forms import FREE_TEXT, refused, typed

pages = Blueprint("recycler", __name__)

MOST_GRAMS = 1_000_000
# One part in ten of a device may be missing from a report before we ask back.
MOST_MISSING = 10
# Above how many times the price a bid is asked about.
AS_MUCH_AGAIN = 2
# The columns of the file of results, in this order for good: new ones are added at the end.
RESULT_COLUMNS = (
    "code", "title", "device_class", "grade_cosmetic", "grade_function", "mass_in_g", "state", "outcome",
    "reported_at", "mass_out_g", *(f"{name}_g" for name in FRACTIONS), "remark",
)  # fmt: skip


@pages.before_request
def _require_account() -> flask.typing.ResponseReturnValue | None:
    # A bid without an account is answered on the lot's own page.
    return None if request.endpoint == "recycler.bid" else require_account()


@pages.post("/lots/<code>/bids")
def bid(code: str) -> flask.typing.ResponseReturnValue:
    """Place a bid. Programs that accept JSON get its number, whether it leads, the price, and when the lot ends."""
    try:
        most = minor_units(typed("maximum"), "maximum")
        with transaction() as session:
            if not _wants_json() and typed("sure") != "yes":
                _require_meant(session, code, most)
            placed = sale.place_bid(session, actor(), code, max_minor=most, key=typed("key"), now=now())
    except Refusal as refusal:
        return _bid_refused(refusal, code)
    if _wants_json():
        answer = {
            "seq": placed.seq,
            "leading": placed.leading,
            "price_minor": placed.price_minor,
            "ends_at": placed.ends_at.isoformat(),
        }
        return flask.make_response(answer, 201)
    flask.flash(
        f"Bid {placed.seq} is placed. You lead."
        if placed.leading
        else f"Bid {placed.seq} is placed, but another bidder’s maximum is as high or higher.",
        "ok" if placed.leading else "note",
    )
    return redirect(url_for("market.lot", code=code), 303)


@pages.get("/my-lots")
def my_lots() -> flask.Response:
    """What to pay, collect or report first; then what is being bid on."""
    with transaction() as session:
        told = recycler.my_lots(session, actor(), now=now())
    return page("market/my_lots.html", **told, errors={})


@pages.post("/my-lots/<code>/second-offer/accept")
def accept_second_offer(code: str) -> flask.typing.ResponseReturnValue:
    """Take a lot whose winner did not pay, at one's own highest bid."""
    return _answer(code, sale.accept_second_offer)


@pages.post("/my-lots/<code>/second-offer/decline")
def decline_second_offer(code: str) -> flask.typing.ResponseReturnValue:
    """Leave a lot whose winner did not pay."""
    return _answer(code, sale.decline_second_offer)


@pages.get("/my-lots/<code>/results.csv")
def results(code: str) -> flask.Response:
    """What became of each device of a lot that was won, as a file for a spreadsheet."""
    with transaction() as session:
        lot, rows = recycler.results(session, actor(), code)
    text = lists.csv_text(RESULT_COLUMNS, rows)
    return lists.file(text.encode(), f"results-{lot.code}.csv", "text/csv; charset=utf-8")


@pages.get("/my-lots/<code>")
def my_lot(code: str) -> flask.Response:
    """A lot that was won."""
    return _my_lot(code)


@pages.post("/my-lots/<code>/devices/<device_code>/outcome")
def report(code: str, device_code: str) -> flask.typing.ResponseReturnValue:
    """What became of a device, fraction by fraction."""
    try:
        # What was not taken apart has no weights to tell, even where a browser sent some.
        apart = typed("outcome") != Outcome.REMADE
        fractions = {name: grams for name in FRACTIONS if (grams := _grams(name)) is not None} if apart else {}
        with transaction() as session:
            kept = settlement.report_outcome(
                session,
                actor(),
                code,
                device_code,
                outcome=typed("outcome"),
                fractions=fractions,
                remark=typed("note", FREE_TEXT),
                now=now(),
            )
            _require_accounted(kept)
    except Refusal as refusal:

        def show(**context: Any) -> flask.Response:
            return _my_lot(code, open_form=device_code, **context)

        return refused(refusal, show)
    flask.flash(
        f"Reported: {device_code} was {kept.outcome.value}. Its first owner reads it in the device’s story.", "ok"
    )
    return redirect(url_for(".my_lot", code=code), 303)


def _require_meant(session: Session, code: str, most: int) -> None:
    """A bid binds, so one far above the price is asked about: a slip of the finger adds a digit. Raises `Invalid`."""
    about = views.find_lot(session, code)
    price = about.price_minor or about.start_minor
    if most > AS_MUCH_AGAIN * price and views.may_bid(session, actor(), about, now=now()):
        raise Invalid(
            f"{in_words(most, about.currency)} is more than double the price now, {in_words(price, about.currency)}. A "
            "bid binds. If you mean it, tick the box and send it again.",
            field="sure",
        )


def _require_accounted(kept: OutcomeReport) -> None:
    """A report is final, so a big gap between what went in and what came out is asked about. Raises `Invalid`."""
    missing = kept.mass_in_g - kept.mass_out_g
    if kept.outcome is Outcome.DISMANTLED and missing * MOST_MISSING > kept.mass_in_g and typed("sure") != "yes":
        raise Invalid(
            f"{missing:,} g of {kept.mass_in_g:,} g are not accounted for. You cannot change this later: correct the "
            "weights, or tick that they are right.",
            field="sure",
        )


def _answer(code: str, step: Callable[..., SecondOffer]) -> flask.typing.ResponseReturnValue:
    try:
        with transaction() as session:
            state = step(session, actor(), code, now=now()).state
    except (NotFound, NotAllowed):
        raise
    except Refusal as refusal:
        with transaction() as session:
            told = recycler.my_lots(session, actor(), now=now())
        return page("market/my_lots.html", keep(refusal), **told, errors=errors_of(refusal))
    if state is SecondOfferState.ACCEPTED:
        flask.flash("The lot is yours. Pay it to get the code to collect with.", "ok")
        return redirect(url_for(".my_lot", code=code), 303)
    if state is SecondOfferState.WITHDRAWN:
        flask.flash("A device left this lot meanwhile, so we withdrew the offer. You owe nothing.", "refusal")
    else:
        flask.flash("You left the lot. You owe nothing.", "note")
    return redirect(url_for(".my_lots"), 303)


def _bid_refused(refusal: Refusal, code: str) -> flask.typing.ResponseReturnValue:
    if isinstance(refusal, NotFound):
        if not _wants_json():
            raise refusal
    elif not _wants_json() and not current_user.is_authenticated:
        keep(refusal)
        return redirect(url_for("accounts.sign_in", next=url_for("market.lot", code=code)), 303)
    status = keep(refusal)
    if _wants_json():
        error = {"kind": refusal.kind, "message": refusal.message, "field": refusal.field}
        return flask.make_response({"error": error}, status)
    # The page says above the reason that the bid was not placed.
    errors = {field: said.removesuffix(" Your bid was not placed.") for field, said in errors_of(refusal).items()}
    return market.lot_page(code, status=status, form=request.form, errors=errors)


def _wants_json() -> bool:
    return (
        request.accept_mimetypes.best_match(["text/html", "application/json"], default="text/html")
        == "application/json"
    )


def _my_lot(
    code: str,
    *,
    status: int = 200,
    form: Any = None,
    errors: dict[str, str] | None = None,
    open_form: str | None = None,
) -> flask.Response:
    with transaction() as session:
        told = recycler.my_lot(session, actor(), code, now=now())
    code_to_collect = told["order"]["collection_code"]
    return page(
        "market/my_lot.html",
        status,
        form=form or {},
        errors=errors or {},
        open_form=open_form,
        qr_svg=qr(code_to_collect) if code_to_collect else None,
        **told,
    )


def _grams(name: str) -> int | None:
    field = f"mass_{name}_g"
    text = typed(field)
    if not text.strip():
        return None
    try:
        return whole_number(text, field, low=0, high=MOST_GRAMS, unit="grams")
    except Invalid:
        raise Invalid("Give whole grams, zero or more, or leave it empty.", field=field) from None
