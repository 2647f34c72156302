"""Published price tables: found by version for ever, proposed by one member of staff, published by another.

The newest published table whose day has come prices a new quote. A quote keeps the version it was made by, and no
table ever changes, so it replays to the cent however many were published since. A table that was read once is kept
in the process under its digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.tradein import pricing
from ewaste.tradein.models import PublishedTable, TableDecision

_read: dict[str, pricing.PriceTable] = {}


def current(session: Session, on: date) -> pricing.PriceTable:
    """The table that prices a quote made on this day."""
    row = session.execute(
        sa.select(PublishedTable.version, PublishedTable.digest)
        .where(PublishedTable.valid_from <= on, published())
        .order_by(PublishedTable.number.desc())
        .limit(1)
    ).one_or_none()
    return _table(session, row.version, row.digest) if row else pricing.load_price_table()


def find(session: Session, version: str) -> pricing.PriceTable:
    """The table of this version, as it was published. Raises `LookupError` for one that there never was."""
    stored = session.scalar(sa.select(PublishedTable.digest).where(PublishedTable.version == version))
    return _table(session, version, stored) if stored else pricing.load_price_table(version)


def published() -> sa.ColumnElement[bool]:
    """That a table counts: it came with the program, or a second person published it."""
    decided = sa.exists().where(TableDecision.version == PublishedTable.version, TableDecision.published)
    return sa.or_(PublishedTable.proposed_by.is_(None), decided)


def newest(session: Session) -> PublishedTable:
    """The published table with the highest number, whether its day has come or not: what a proposal is based on."""
    return session.scalars(
        sa.select(PublishedTable).where(published()).order_by(PublishedTable.number.desc()).limit(1)
    ).one()


def propose(
    session: Session, form: Mapping[str, Any], *, base: PublishedTable, reason: str, by: UUID, now: datetime
) -> PublishedTable:
    """Keep a proposed table. `form` is its published form but for its version and day, which it gets here.

    Raises `Invalid` with the field, `Conflict` while another proposal waits or when two are made at once.
    """
    if not 3 <= len(reason.strip()) <= 500:
        raise Invalid("Say why the prices change, in 3 to 500 characters.", field="reason")
    valid_from = date.fromisoformat(form["valid_from"])
    if valid_from < now.date():
        raise Invalid("A table counts from today on, or from a later day.", field="valid_from")
    if valid_from < base.valid_from:
        raise Invalid(
            f"Table {base.version} counts from {base.valid_from:%d %B %Y} on; a later one begins no earlier.",
            field="valid_from",
        )
    waiting = session.scalar(sa.select(PublishedTable.version).where(_undecided()))
    if waiting is not None:
        raise Conflict(f"Table {waiting} waits to be confirmed. Publish or withdraw it first.")
    number = (session.scalar(sa.select(sa.func.max(PublishedTable.number))) or 0) + 1
    version = f"prices-{valid_from:%Y-%m}-{number}"
    content = {**form, "version": version}
    proposed = PublishedTable(
        version=version,
        number=number,
        based_on=base.version,
        content=content,
        digest=pricing.digest(content),
        valid_from=valid_from,
        reason=reason.strip(),
        proposed_by=by,
        proposed_at=now,
    )
    session.add(proposed)
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise Conflict("Somebody proposed a table in this very moment. Reload and look at theirs.") from error
    return proposed


def decide(session: Session, version: str, *, publish: bool, by: UUID, now: datetime) -> PublishedTable:
    """Publish a proposed table, as somebody else than who proposed it, or withdraw it.

    Raises `NotFound`, or `Conflict` when it was decided on, its day has passed, or the same person proposed it.
    """
    table = session.get(PublishedTable, version)
    if table is None or table.proposed_by is None:
        raise NotFound("There is no proposed table of this version.")
    if session.get(TableDecision, version) is not None:
        raise Conflict("This table was decided on already. Nothing changed.")
    if publish and table.proposed_by == by:
        raise Conflict("You proposed this table. Somebody else of staff has to look at it and publish it.")
    if publish and table.valid_from < now.date():
        raise Conflict(
            f"It was to count from {table.valid_from:%d %B %Y} on, and that day has passed. Withdraw it and propose it "
            "again with a later day: quotes that were given are not priced anew."
        )
    if publish and newest(session).version != table.based_on:
        raise Conflict("Another table was published since. Withdraw this one and propose it again on top of that.")
    session.add(TableDecision(version=version, proposed_by=table.proposed_by, published=publish, decided_by=by, at=now))
    try:
        with session.begin_nested():
            session.flush()
    except IntegrityError as error:
        raise Conflict("This table was decided on already. Nothing changed.") from error
    return table


def _undecided() -> sa.ColumnElement[bool]:
    return sa.and_(
        PublishedTable.proposed_by.is_not(None), ~sa.exists().where(TableDecision.version == PublishedTable.version)
    )


def _table(session: Session, version: str, digest: str) -> pricing.PriceTable:
    if digest not in _read:
        content = session.scalars(sa.select(PublishedTable.content).where(PublishedTable.version == version)).one()
        table = pricing.PriceTable.from_json(content)
        if table.digest != digest:
            raise LookupError(f"The stored table {version} is not the one that was published.")
        _read[digest] = table
    return _read[digest]
