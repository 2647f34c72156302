"""Beside the legs: new price tables. One member of staff proposes, another publishes; old quotes keep their table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy.orm import Session

from ewaste.accounts import policy
from ewaste.accounts.models import Actor
from ewaste.accounts.policy import Action
from ewaste.core.refusals import NotFound
from ewaste.tradein import price_changes, price_tables, pricing
from ewaste.tradein.models import PublishedTable
from ewaste.tradein.price_changes import Change, Figure

Reader = Callable[[Sequence[Figure]], list[Change]]


def propose_table(
    session: Session, actor: Actor, *, read: Reader, valid_from: date, reason: str, now: datetime
) -> PublishedTable:
    """Somebody of staff proposes other prices, on top of the newest published table. Nothing is published yet.

    `read` makes the changes out of what was sent, given the lines as they are.
    """
    policy.require(actor, Action.PUBLISH_PRICES)
    base = price_tables.newest(session)
    changes = read(price_changes.figures(base.content, pricing.load_catalogue()))
    form = price_changes.apply(base.content, changes, valid_from=valid_from)
    return price_tables.propose(session, form, base=base, reason=reason, by=_person(actor), now=now)


def publish_table(session: Session, actor: Actor, version: str, *, now: datetime) -> PublishedTable:
    """Somebody else of staff looked at it and publishes it. From its day on it prices new quotes."""
    policy.require(actor, Action.PUBLISH_PRICES)
    return price_tables.decide(session, version, publish=True, by=_person(actor), now=now)


def withdraw_table(session: Session, actor: Actor, version: str, *, now: datetime) -> PublishedTable:
    """A proposed table comes to nothing. It stays on record."""
    policy.require(actor, Action.PUBLISH_PRICES)
    return price_tables.decide(session, version, publish=False, by=_person(actor), now=now)


def _person(actor: Actor) -> UUID:
    if actor.id is None:
        raise NotFound("Only a person proposes or publishes a price table.")
    return actor.id
