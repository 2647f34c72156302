"""Quotes: made by the public formula, kept with their inputs, good for 28 days."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from ewaste.accounts.models import SELLERS, Actor
from ewaste.core.ids import QUOTE, new_code, read_code
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.tradein import price_tables, pricing, questions
from ewaste.tradein.models import Quote

LOCK = timedelta(days=28)
# Why some classes of the catalogue are not bought yet, for the person who asks.
NOT_TAKEN = {
    "monitor": "We do not take monitors yet: our certificate cannot show that a device has no storage in it.",
}


def catalogue() -> list[pricing.CatalogueModel]:
    """The models we buy."""
    return [model for model in pricing.load_catalogue() if model.device_class not in NOT_TAKEN]


def model(code: str) -> pricing.CatalogueModel:
    """The catalogue model with this id. Raises `NotFound`, or `Invalid` for one that we do not take."""
    for candidate in pricing.load_catalogue():
        if candidate.id == code:
            if candidate.device_class in NOT_TAKEN:
                raise Invalid(NOT_TAKEN[candidate.device_class], field="model")
            return candidate
    raise NotFound("We do not know this model. Look for it in the list.")


def make(
    session: Session,
    actor: Actor,
    *,
    model_code: str,
    storage_gb: int,
    answers: Mapping[str, str],
    now: datetime,
) -> Quote:
    """A quote for a device as its owner describes it. Raises `Invalid` with the field that needs another answer."""
    table = price_tables.current(session, now.date())
    chosen = pricing.rebased(model(model_code), table)
    try:
        condition = questions.condition_from_answers(chosen.device_class, answers)
        priced = pricing.price(chosen, storage_gb, condition, now.date(), table)
    except pricing.BadAnswer as error:
        raise Invalid(str(error), field=error.field) from error
    stored = pricing.to_json(priced)
    quote = Quote(
        code=new_code(QUOTE),
        person_id=actor.id if actor.role in SELLERS else None,
        model_code=chosen.id,
        device_class=chosen.device_class,
        brand=chosen.brand,
        model=chosen.name,
        storage_gb=storage_gb,
        inputs={**stored["inputs"], "answers": dict(answers)},
        lines=stored["lines"],
        amount_minor=priced.amount_minor,
        currency=priced.currency,
        rules_version=pricing.RULES_VERSION,
        table_version=table.version,
        created_at=now,
        valid_until=now + LOCK,
    )
    session.add(quote)
    session.flush()
    return quote


def find(session: Session, text: str) -> Quote:
    """The quote with this code, locked until the step ends. Raises `NotFound`."""
    code = read_code(text, QUOTE)
    quote = session.scalar(sa.select(Quote).where(Quote.code == code).with_for_update()) if code else None
    if quote is None:
        raise NotFound("There is no quote with this code. Codes look like Q-7K3M-9QXA.")
    return quote


def require_open(quote: Quote, *, now: datetime) -> None:
    """Raises `Conflict` for a quote that was accepted already or ran out."""
    if quote.accepted_at is not None:
        raise Conflict("This quote was accepted already. You find the device under “My devices”.")
    if quote.valid_until <= now:
        raise Conflict(f"This quote was good until {quote.valid_until:%d %B %Y}. Make a new one; it takes two minutes.")


def priced(session: Session, quote: Quote) -> pricing.Priced:
    """The quote as it was priced, by the table of its own version, however many were published since.

    Raises `pricing.CannotReplay` when the stored lines do not come out again, `LookupError` without its table.
    """
    again = pricing.replay(quote.inputs, price_tables.find(session, quote.table_version))
    if again.amount_minor != quote.amount_minor or pricing.to_json(again)["lines"] != quote.lines:
        raise pricing.CannotReplay(f"Quote {quote.code} does not come out the same again.")
    return again
