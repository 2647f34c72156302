"""The market as pages: lots and the bids on them, the watch list, the shop, and orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import flask
from flask import Blueprint, flash, redirect, request, url_for
from flask_login import current_user

from ewaste.accounts import policy
from ewaste.accounts.policy import Action
from ewaste.core.refusals import NotFound, Refusal
from ewaste.devices.models import DeviceClass
from ewaste.journey import sale, settlement
from ewaste.market.deadlines import REMIND_BEFORE
from ewaste.views import disputes, lot_list, market, shapes, shop
from ewaste.web import checkout, filters, lists
from ewaste.web.codes import qr
from ewaste.web.edge import actor, errors_of, keep, now, page, require_account, runtime, transaction
from ewaste.web.limits import limiter

pages = Blueprint("market", __name__)

# The columns of a manifest's file, in this order for good: new ones are added at the end.
MANIFEST_COLUMNS = (
    "code", "title", "device_class", "storage_gb", "grade_cosmetic", "grade_function", "battery_health", "faults",
    "mass_g", "evidence_classes", "certificate", "expected_value", "currency",
)  # fmt: skip
# By what a manifest can be sorted; the key of a line, where nothing comes last.
MANIFEST_SORTS = {
    "title": "title",
    "grade": "grade_cosmetic",
    "storage": "storage_gb",
    "battery": "battery_health",
    "mass": "mass_g",
    "value": "expected_value_minor",
}
OPEN_TO_ALL = frozenset(
    {"market.lots", "market.lot", "market.live", "market.lot_manifest", "market.storefront", "market.listing"}
)
LARGEST_PRICE = 9_999_999
SHOWN_AT = {"market.buy": "market.listing", "market.watch": "market.lot", "market.unwatch": "market.lot"}


@pages.before_request
def _guard() -> flask.typing.ResponseReturnValue | None:
    if request.endpoint in OPEN_TO_ALL:
        return None
    back = SHOWN_AT.get(request.endpoint or "")
    if back is not None and not current_user.is_authenticated:
        # A form that strangers see too: who sends it signs in and comes back to the page it stands on.
        flash("Sign in first, then send the form again.", "note")
        onward = url_for(back, code=(request.view_args or {}).get("code"))
        return redirect(url_for("accounts.sign_in", next=onward), 303)
    return require_account()


# ---- lots ----


@pages.get("/lots")
def lots() -> flask.Response:
    """What can be bid on, what is coming, and what was sold."""
    chosen = _lot_filters()
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        cards, total = lot_list.lot_list(session, actor(), chosen, page=number, now=now())
        centres = lot_list.centres(session)
        looser = lot_list.loosen(session, chosen, now=now()) if not total else []

    def address(**changes: Any) -> str:
        return url_for(".lots", **{**chosen.chosen(), **changes})

    names = {centre["code"]: f"{centre['name']}, {centre['city']}" for centre in centres}
    words = {
        "q": f"“{chosen.q}”",
        "way": filters.way_word(chosen.way),
        "device_class": filters.classes_word(chosen.device_class),
        "centre": names.get(chosen.centre, chosen.centre),
        "country": shapes.COUNTRIES.get(chosen.country, chosen.country),
        "within": f"closes within {chosen.within} h",
        "price_to": f"up to €{chosen.price_to:,}",
    }
    return page(
        "market/lots.html",
        lots=cards,
        filters=chosen,
        centres=centres,
        countries=[
            {"value": code, "label": shapes.COUNTRIES.get(code, code)}
            for code in sorted({centre["country"] for centre in centres})
        ],
        classes=[{"value": kind.value, "label": filters.classes_word(kind)} for kind in DeviceClass],
        chips=_chips(chosen, lot_list.NARROWING, words, ".lots"),
        looser=_looser(chosen, looser, words, ".lots"),
        address=address,
        paging=shapes.paging(total, number, lambda other: address(page=other)),
    )


@pages.get("/lots/<code>")
def lot(code: str) -> flask.Response:
    """One lot: what is in it, what it costs now, who bid when."""
    return lot_page(code, form={}, errors={})


def lot_page(code: str, *, form: Mapping[str, str], errors: Mapping[str, str], status: int = 200) -> flask.Response:
    """The page of a lot; a refused bid comes back here."""
    q, grade = lists.search(), request.args.get("grade", "")[:2].upper()
    sort = request.args.get("sort", "")
    sort = sort if sort.removeprefix("-") in MANIFEST_SORTS else ""
    with transaction() as session:
        told = market.lot(session, actor(), code, now=now())
    shown_lot = told["lot"]
    left = filters.until(shown_lot["ends_at"], now())
    version = market.version(
        shown_lot["id"], shown_lot["state"], shown_lot["bids"], shown_lot["ends_at"], actor(), left
    )
    # One key for each form shown: a form sent twice is one bid. A bid that is asked about keeps its own.
    shown_lot["bid_key"] = form.get("key") if errors.get("sure") else uuid4().hex
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
        items=_sorted(shown, sort),
        all_items=len(items),
        filters={"q": q, "grade": grade, "grades": grades, "sort": sort},
        version=version,
        form=form,
        errors=errors,
    )


@pages.get("/lots/<code>/live")
@limiter.limit("240 per minute")
def live(code: str) -> flask.typing.ResponseReturnValue:
    """The part of a lot's page that moves, asked for every few seconds. Cheap while nothing happens: 304 after one
    statement, or 204 to a page that says which version it shows."""
    with transaction() as session:
        found = market.find_lot(session, code)
        state = market.lot_state(found, now())
        left = filters.until(found.ends_at, now())
        version = market.version(found.id, state, found.next_seq - 1, found.ends_at, actor(), left)
        if request.args.get("seen") == version:
            response = flask.make_response("", 204)
        elif version in request.if_none_match:
            response = flask.make_response("", 304)
        else:
            told = market.live(session, actor(), found, now=now())
            over = state not in ("open", "planned")
            has_form = request.args.get("form") == "1"
            # 286 ends the asking.
            response = page("market/live.html", 286 if over else 200, **told, version=version, has_form=has_form)
    response.set_etag(version)
    # The answer may be kept by this browser alone, and is asked for again each time.
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Vary"] = "Cookie"
    return response


@pages.get("/lots/<code>/manifest.csv")
def lot_manifest(code: str) -> flask.Response:
    """The manifest of a lot as a file for a spreadsheet."""
    with transaction() as session:
        found, items = market.manifest(session, code)
    site = runtime().config.public_url
    rows = []
    for item in items:
        value = item["expected_value"]
        certificate_id = item.get("certificate_id")
        rows.append(
            {
                **item,
                "faults": "; ".join(item["faults"]),
                "evidence_classes": "; ".join(item.get("evidence_classes") or []),
                "certificate": site + url_for("public.certificate", id=certificate_id) if certificate_id else "",
                "expected_value": filters.plain_money(value) if value else "",
                "currency": value.currency if value else found.currency,
            }
        )
    text = lists.csv_text(MANIFEST_COLUMNS, rows)
    return lists.file(text.encode(), f"lot-{found.code}.csv", "text/csv; charset=utf-8")


@pages.post("/lots/<code>/watch")
def watch(code: str) -> flask.typing.ResponseReturnValue:
    """Put a lot on one's watch list."""
    try:
        with transaction() as session:
            watched = sale.watch(session, actor(), code, now=now())
            lot_code, ends_at = watched.code, watched.ends_at
    except NotFound:
        raise
    except Refusal as refusal:
        return lot_page(code, status=keep(refusal), form={}, errors=errors_of(refusal))
    if ends_at - REMIND_BEFORE > now():
        flash("You watch this lot. We write to you an hour before it closes.", "ok")
    else:
        left = filters.until(ends_at, now())
        flash(f"You watch this lot. It closes in {left}: too soon for a mail.", "ok")
    return redirect(url_for(".lot", code=lot_code), 303)


@pages.post("/lots/<code>/unwatch")
def unwatch(code: str) -> flask.typing.ResponseReturnValue:
    """Take a lot off one's watch list."""
    with transaction() as session:
        lot_code = sale.unwatch(session, actor(), code).code
    flash("You watch this lot no more.", "note")
    return redirect(url_for(".lot", code=lot_code), 303)


@pages.get("/watch-list")
def watch_list() -> flask.Response:
    """The lots that one watches, those that close first in front."""
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        cards, total = lot_list.watch_list(session, actor(), page=number, now=now())
    paging = shapes.paging(total, number, lambda other: url_for(".watch_list", page=other))
    return page("market/watch_list.html", lots=cards, paging=paging)


# ---- the shop ----


@pages.get("/shop")
def storefront() -> flask.Response:
    """The shop: graded, certified devices, one by one."""
    chosen = _shop_filters()
    number = shapes.page_number(request.args.get("page"))
    with transaction() as session:
        cards, total = shop.listings(session, chosen, page=number)
        choices = shop.choices(session, chosen)
        looser = shop.loosen(session, chosen) if not total else []

    def address(**changes: Any) -> str:
        return url_for(".storefront", **{**chosen.chosen(), **changes})

    words = {
        "q": f"“{chosen.q}”",
        "device_class": filters.classes_word(chosen.device_class),
        "brand": chosen.brand,
        "grade": f"{chosen.grade} or better",
        "storage": f"{chosen.storage} GB or more",
        "price_to": f"up to €{chosen.price_to:,}",
        "city": chosen.city,
    }
    return page(
        "market/storefront.html",
        listings=cards,
        filters=chosen,
        classes=lists.labelled(choices["classes"]),
        brands=choices["brands"],
        cities=choices["cities"],
        grades=[{"value": grade, "label": f"{grade} {filters.grade_word(grade)}"} for grade in shop.GRADES],
        storages=[{"value": size, "label": f"{size} GB or more"} for size in shop.STORAGE_GB],
        chips=_chips(chosen, shop.NARROWING, words, ".storefront"),
        looser=_looser(chosen, looser, words, ".storefront"),
        address=address,
        paging=shapes.paging(total, number, lambda other: address(page=other)),
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


@pages.post("/shop/<code>/buy")
def buy(code: str) -> flask.typing.ResponseReturnValue:
    """A buyer takes a listed device; it is theirs to pay for half an hour."""
    try:
        with transaction() as session:
            order_code = sale.buy(session, actor(), code, now=now()).code
    except NotFound:
        raise
    except Refusal as refusal:
        return listing_page(code, form=request.form, errors=errors_of(refusal), status=keep(refusal))
    flash("It is kept for you for half an hour. Pay to make it yours.", "ok")
    return redirect(url_for(".order", code=order_code), 303)


# ---- orders ----


@pages.get("/orders/<code>")
def order(code: str) -> flask.Response:
    """An order: what to pay, whether it is paid, the code to collect with, and what followed.

    `?dispute` opens the box to say what is wrong, of a device where its code follows.
    """
    about = request.args.get("dispute")
    return order_page(code, open_box=about is not None, form={"device": about} if about else None)


@pages.post("/orders/<code>/pay")
@limiter.limit("20 per minute")
def pay_order(code: str) -> flask.typing.ResponseReturnValue:
    """Step 12: on to the provider's page. Pressing twice opens the same payment."""
    try:
        onward = checkout.open_checkout(code)
    except NotFound:
        raise
    except Refusal as refusal:
        return order_page(code, status=keep(refusal), errors=errors_of(refusal))
    return redirect(onward, 303)


@pages.post("/orders/<code>/withdraw")
def withdraw_order(code: str) -> flask.typing.ResponseReturnValue:
    """A private buyer withdraws before collecting: the money goes back."""
    try:
        with transaction() as session:
            order_code = settlement.withdraw_order(session, actor(), code, now=now()).code
    except NotFound:
        raise
    except Refusal as refusal:
        return order_page(code, status=keep(refusal), errors=errors_of(refusal))
    flash("You withdrew from the purchase. All of your money goes back to where it came from.", "ok")
    return redirect(url_for(".order", code=order_code), 303)


@pages.get("/orders/<code>/invoice")
def invoice(code: str) -> flask.Response:
    """The invoice of a paid order, to be printed."""
    with transaction() as session:
        found = market.find_order(session, actor(), code)
        told = market.invoice(session, found)
        short = market.order(session, found, actor=actor())
        items = market.order_items(session, found)
    return page("market/invoice.html", invoice=told, order=short, items=items, practice=runtime().config.training)


def order_page(
    code: str,
    *,
    status: int = 200,
    errors: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    open_box: bool = False,
) -> flask.Response:
    """The page of an order; what was refused about it comes back here."""
    me = actor()
    with transaction() as session:
        found = market.find_order(session, me, code)
        mine = market.may_pay(me, found)
        sent = market.payment_under_way(session, found) if mine else None
    if sent is not None:
        # The buyer may just have come back from the provider's page; its word counts, not the address they came by.
        checkout.refresh(*sent)
    with transaction() as session:
        found = market.find_order(session, me, code)
        told = market.order(session, found, actor=me)
        items = market.order_items(session, found)
        after = disputes.of_order(session, me, found, now=now())
    return page(
        "market/order.html",
        status,
        order=told,
        items=items,
        may_pay=mine,
        may_report=policy.allows(me, Action.REPORT_OUTCOME, organisation=me.organisation_id),
        after=after,
        qr_svg=qr(told["collection_code"]) if told["collection_code"] else None,
        form=form or {},
        errors=errors or {},
        open_box=open_box,
    )


# ---- what addresses say ----


def _lot_filters() -> lot_list.Filters:
    return lot_list.Filters(
        state=_one_of("state", lot_list.STATES, "open"),
        way=_one_of("way", market.WAYS),
        device_class=lists.device_class(),
        centre=_bare("centre", 20),
        country=_one_of("country", tuple(shapes.COUNTRIES)),
        within=_whole("within", lot_list.WITHIN_HOURS),
        price_to=_price("price_to"),
        q=lists.search(),
        sort=_one_of("sort", lot_list.SORTS, "closing"),
    )


def _shop_filters() -> shop.Filters:
    return shop.Filters(
        q=lists.search(),
        device_class=lists.device_class(),
        brand=_bare("brand", 60),
        grade=_one_of("grade", shop.GRADES),
        storage=_whole("storage", shop.STORAGE_GB),
        price_to=_price("price_to"),
        city=_bare("city", 80),
        sort=_one_of("sort", shop.SORTS, "newest"),
    )


def _one_of(name: str, values: tuple[str, ...], otherwise: str = "") -> str:
    said = request.args.get(name, "")
    return said if said in values else otherwise


def _bare(name: str, most: int) -> str:
    said = request.args.get(name, "")[:most].strip()
    return said if said.isprintable() else ""


def _whole(name: str, values: tuple[int, ...]) -> int:
    return next((value for value in values if str(value) == request.args.get(name)), 0)


def _price(name: str) -> int:
    bare = request.args.get(name, "").strip().removeprefix("€").replace(",", "")
    return min(int(bare), LARGEST_PRICE) if bare.isascii() and bare.isdigit() and len(bare) <= 12 else 0


def _chips(chosen: Any, names: tuple[str, ...], words: Mapping[str, str], endpoint: str) -> list[dict[str, str]]:
    """Each filter that is set, with the address of the list without it."""
    return [
        {"label": words[name], "off": url_for(endpoint, **chosen.without(name).chosen())}
        for name in names
        if name in chosen.chosen()
    ]


def _looser(chosen: Any, found: list[tuple[str, int]], words: Mapping[str, str], endpoint: str) -> list[dict[str, Any]]:
    """The filters that stand in the way, each with what there is without it."""
    return [
        {"label": words[name], "count": many, "href": url_for(endpoint, **chosen.without(name).chosen())}
        for name, many in found
    ]


def _sorted(items: list[dict[str, Any]], sort: str) -> list[dict[str, Any]]:
    if not sort:
        return items
    key, backwards = MANIFEST_SORTS[sort.removeprefix("-")], sort.startswith("-")
    known = [item for item in items if item.get(key) is not None]
    known.sort(key=lambda item: item[key], reverse=backwards)
    return known + [item for item in items if item.get(key) is None]
