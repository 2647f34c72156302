"""What programs may ask without a token: the catalogue, quotes, lots, the shop, and certificates."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from flask import url_for
from sqlalchemy.orm import Session

from ewaste.accounts.models import ANONYMOUS
from ewaste.accounts.tokens import Scope
from ewaste.centres import accreditors
from ewaste.certificates import registry
from ewaste.core.ids import LISTING, LOT, QUOTE
from ewaste.core.refusals import Invalid
from ewaste.devices.models import DeviceClass
from ewaste.journey import completing, trade_in
from ewaste.tradein import price_tables, questions, quotes
from ewaste.views import lot_list, market, public
from ewaste.views import shapes as paging
from ewaste.views import shop as shelf
from ewaste.views.records import certificate_lines, found_since, in_doubt
from ewaste.web.api import limits, shapes
from ewaste.web.api.declare import Api, Call, next_page
from ewaste.web.edge import runtime

api = Api()
LARGEST_BUNDLE = 2 * 1024 * 1024


@api.operation("GET", "/catalogue", tag="Selling", query=shapes.Search, answer=shapes.Models)
def catalogue(call: Call) -> shapes.Models:
    """The models that we buy, newest first"""
    query: shapes.Search = call.query
    found, _ = public.models(call.session, q=query.q, device_class=_value(query.device_class), on=call.now.date())
    first = (query.page - 1) * paging.PAGE_SIZE
    shown = [_model(card) for card in found[first : first + paging.PAGE_SIZE]]
    return shapes.Models(items=shown, total=len(found), next=_next(query.page, len(found)))


@api.operation(
    "GET", "/catalogue/{model}", tag="Selling", answer=shapes.ModelDetail, refuses=(404, 422), codes={"model": "model"}
)
def model(call: Call, model: str) -> shapes.ModelDetail:
    """A model, with the questions that a quote asks"""
    found = quotes.model(model)
    today = call.now.date()
    card = {**public.card(found), "up_to": public.up_to(found.id, today, price_tables.current(call.session, today))}
    asked = [
        shapes.Question(
            field=question.field,
            text=question.text,
            hint=question.hint,
            choices=[shapes.Choice(value=choice.value, label=choice.label) for choice in question.choices],
        )
        for question in questions.QUESTIONS[found.device_class]
    ]
    return shapes.ModelDetail.of(card, storage_gb=list(found.storage_gb_options), questions=asked)


@api.operation(
    "POST", "/quotes", tag="Selling", body=shapes.QuoteAsked, answer=shapes.Quote, status=201,
    refuses=(404, 422), limit=limits.COSTLY,
)  # fmt: skip
def make_quote(call: Call) -> shapes.Quote:
    """Make a quote.

    It belongs to nobody, also when a token is sent: who has its code may accept it, on its page, where they tell the
    serial number and choose a test centre."""
    asked: shapes.QuoteAsked = call.body
    try:
        made = trade_in.quote(
            call.session, ANONYMOUS, model_code=asked.model, storage_gb=asked.storage_gb, answers=asked.answers,
            now=call.now,
        )  # fmt: skip
    except Invalid as refusal:
        field = refusal.field
        known = field in ("model", "storage_gb", None)
        raise Invalid(refusal.message, field=field if known else f"answers.{field}") from refusal
    return _quote(public.quote(call.session, ANONYMOUS, made.code, now=call.now))


@api.operation(
    "GET", "/quotes/{code}", tag="Selling", answer=shapes.Quote, seen_with=(Scope.READ,), refuses=(404,),
    codes={"code": QUOTE},
)  # fmt: skip
def quote(call: Call, code: str) -> shapes.Quote:
    """A quote, line by line.

    One that a person made or accepted is read with that person’s token (scope `read`) only."""
    return _quote(public.quote(call.session, call.actor, code, now=call.now))


@api.operation("GET", "/lots", tag="Lots", query=shapes.LotQuery, answer=shapes.Lots)
def lots(call: Call) -> shapes.Lots:
    """Lots, open ones by their end.

    `state`: `open` (now or soon), `running`, `coming`, or `closed`. `sort`: `closing`, `newest`, `each` (the cheapest
    for each device) or `mass`."""
    query: shapes.LotQuery = call.query
    chosen = lot_list.Filters(
        state=query.state, way=query.way or "", device_class=_value(query.device_class), q=query.q, sort=query.sort
    )
    cards, total = lot_list.lot_list(call.session, ANONYMOUS, chosen, page=query.page, now=call.now)
    return shapes.Lots(items=[shapes.LotCard.of(card) for card in cards], total=total, next=_next(query.page, total))


@api.operation(
    "GET", "/lots/{code}", tag="Lots", answer=shapes.Lot, seen_with=(Scope.BID, Scope.READ), refuses=(404,),
    codes={"code": LOT},
)  # fmt: skip
def lot(call: Call, code: str) -> shapes.Lot:
    """A lot: its manifest, its price, its newest bids.

    With a token of a recycler (scope `bid` or `read`) it also tells how your firm stands in it. It is answered with an
    `ETag`: send it back as `If-None-Match` and read 304 as long as nothing changed."""
    told = market.lot(call.session, call.actor, code, now=call.now)
    found = told["lot"]
    yours = shapes.MyPart(
        may_bid=told["may_bid"],
        why_not=told["why_not"],
        maximum=None,
        leading=found["leading"],
        won=found["winner_is_me"],
    )
    if found["my_maximum"] is not None:
        yours.maximum = shapes.Money(amount=found["my_maximum"].amount_minor, currency=found["my_maximum"].currency)
    return shapes.Lot.of(
        found,
        items=[shapes.LotItem.of(item) for item in told["items"]],
        history=[shapes.BidTold.of(bid) for bid in told["bids"]],
        yours=yours if call.actor is not ANONYMOUS else None,
    )


@api.operation("GET", "/shop", tag="Shop", query=shapes.Search, answer=shapes.Listings)
def shop(call: Call) -> shapes.Listings:
    """Devices for sale, newest first"""
    query: shapes.Search = call.query
    chosen = shelf.Filters(q=query.q, device_class=_value(query.device_class))
    cards, total = shelf.listings(call.session, chosen, page=query.page)
    items = [shapes.ListingCard.of(card) for card in cards]
    return shapes.Listings(items=items, total=total, next=_next(query.page, total))


@api.operation("GET", "/shop/{code}", tag="Shop", answer=shapes.Listing, refuses=(404,), codes={"code": LISTING})
def listing(call: Call, code: str) -> shapes.Listing:
    """A device for sale, with its grade explained"""
    found = market.listing(call.session, code)["listing"]
    return shapes.Listing.of(
        found, found=[shapes.Pair(question=question, answer=answer) for question, answer in found["found"]]
    )


@api.operation(
    "GET", "/certificates/{id}", tag="Certificates", answer=shapes.Certificate, refuses=(404,), codes={"id": "uuid"},
    limit=limits.COSTLY,
)  # fmt: skip
def certificate(call: Call, id: UUID) -> shapes.Certificate:  # noqa: A002 - the name stands in addresses
    """A certificate, verified again as it is read.

    It says what was done to the listed media on that date, by what evidence; nothing of unlisted media, cloud accounts
    or later use. By its own number, which it is called by everywhere, or by that of our entry."""
    found, short, about = public.certificate(call.session, id)
    lines = certificate_lines(call.session, [found.id]).get(found.id, [])
    files = completing.completed(call.session, found, runtime().issuers, now=call.now)
    verified = _verified(call.session, {name: text.encode() for name, text in files.items()}, call.now, found.training)
    return shapes.Certificate(
        id=found.number,
        credential_id=found.credential_id,
        status="revoked" if short["status"] == "revoked" else "live",
        verifies=verified.refusal is None,
        why_not=verified.refusal,
        revoked_at=short["revoked_at"],
        revoked_reason=short["revoked_reason"],
        found_since=short["found_since"],
        in_doubt=short["in_doubt"],
        training=found.training,
        issuer_name=short["issuer_name"],
        device_code=about["code"],
        device_title=about["title"],
        wiped_by=found.valid_from,
        accepted_at=found.accepted_at,
        media=[shapes.Line.of(line) for line in lines],
        checks=[shapes.Check.of(check) for check in verified.checks],
        bundle=_address("public.certificate_bundle", id=found.number),
    )


@api.operation(
    "POST", "/verify", tag="Certificates", body=shapes.BundleSent, answer=shapes.Verified, limit=limits.COSTLY,
    largest=LARGEST_BUNDLE,
)  # fmt: skip
def verify(call: Call) -> shapes.Verified:
    """Verify a bundle that you have.

    Nothing of it is kept. The answer is 200 also for one that does not verify: `verifies` says which. To trust nobody,
    verify with a program of your own; the format is public."""
    sent: shapes.BundleSent = call.body
    verified = _verified(
        call.session, {name: text.encode() for name, text in sent.files.items()}, call.now, sent.training
    )
    statement = verified.statement
    standing, reason, since, doubt = "unknown", None, None, None
    if (verified.refusal is None or verified.withdrawn) and statement is not None:
        known, standing, reason = public.standing_of(
            call.session, statement.certificate_id, verified.digest, statement.issuer_did
        )
        if known is not None and standing == "live":
            since, doubt = found_since(call.session, known), in_doubt(call.session, known)
    lines: list[Any] = list(statement.lines) if statement else []
    return shapes.Verified(
        verifies=verified.refusal is None and statement is not None,
        why_not=verified.refusal,
        standing=cast(Any, standing),  # One of the four words.
        standing_reason=reason,
        found_since=since,
        in_doubt=doubt,
        credential_id=statement.certificate_id if statement else None,
        issuer_name=statement.issuer_name if statement else None,
        device_code=statement.device_code if statement else None,
        training=statement.training if statement else None,
        wiped_by=statement.valid_from if statement else None,
        media=[shapes.Line.of({name: getattr(line, name) for name in shapes.Line.model_fields}) for line in lines],
        checks=[shapes.Check.of(check) for check in verified.checks],
    )


def _verified(session: Session, files: dict[str, bytes], at: datetime, training: bool) -> registry.Verified:
    trust = accreditors.trust_bytes(session, runtime().issuers)
    return registry.verify_publicly(files, trust, at=at, training=training)


def _model(card: dict[str, Any]) -> shapes.Model:
    return shapes.Model.of(card, storage_gb=list(quotes.model(card["code"]).storage_gb_options))


def _quote(told: dict[str, Any]) -> shapes.Quote:
    return shapes.Quote.of(
        told,
        answers=[shapes.Pair(question=question, answer=answer) for question, answer in told["answers"]],
        lines=[shapes.QuoteLine.of(line) for line in told["lines"]],
        page=_address("public.quote", code=told["code"]),
    )


def _value(device_class: DeviceClass | None) -> str:
    return device_class.value if device_class else ""


def _next(page: int, total: int) -> str | None:
    return next_page(page, -(-total // paging.PAGE_SIZE))


def _address(endpoint: str, **names: Any) -> str:
    """Our own address, never the one that the request names."""
    return runtime().config.public_url + url_for(endpoint, **names)
