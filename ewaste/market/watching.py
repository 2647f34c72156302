"""Watch lists, and the letters that tell bidders and watchers how a lot goes."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from ewaste.accounts.models import Membership, Person
from ewaste.core import jobs, mail
from ewaste.core.money import in_words
from ewaste.core.refusals import Conflict
from ewaste.market import deadlines
from ewaste.market.models import Bid, Lot, LotState, Watch

MOST_WATCHED = 500


def watch(session: Session, lot: Lot, person_id: UUID, *, now: datetime) -> bool:
    """Put a lot on a person's list; False when it is there already. Raises `Conflict` for one that is over."""
    if lot.state is not LotState.OPEN or lot.ends_at <= now:
        raise Conflict("This lot is over. There is nothing to watch any more.")
    many = session.scalar(sa.select(sa.func.count()).select_from(Watch).where(Watch.person_id == person_id)) or 0
    if many >= MOST_WATCHED:
        raise Conflict(f"You watch {many} lots. Take some off your list first.")
    new = session.scalar(
        insert(Watch)
        .values(person_id=person_id, lot_id=lot.id, at=now)
        .on_conflict_do_nothing()
        .returning(Watch.lot_id)
    )
    remind_at = lot.ends_at - deadlines.REMIND_BEFORE
    if new is not None and remind_at > now:
        # A job for each watcher: one for the whole lot would have two who begin to watch at once wait for each other.
        key = f"remind {lot.id} {person_id}"
        jobs.defer(session, jobs.REMIND_WATCHER, at=remind_at, key=key, lot=str(lot.id), person=str(person_id))
    return new is not None


def unwatch(session: Session, lot: Lot, person_id: UUID) -> None:
    """Take a lot off a person's list; nothing happens when it is not there."""
    session.execute(sa.delete(Watch).where(Watch.person_id == person_id, Watch.lot_id == lot.id))


def remind(session: Session, lot_id: UUID, person_id: UUID, *, now: datetime) -> bool:
    """Write to somebody who watches a lot that it closes soon, once. Returns whether the letter is new."""
    row = session.execute(
        sa.select(Lot, Person.email, Person.name)
        .join(Watch, Watch.lot_id == Lot.id)
        .join(Person, Person.id == Watch.person_id)
        .where(Lot.id == lot_id, Person.id == person_id)
    ).one_or_none()
    if row is None or row[0].state is not LotState.OPEN or row[0].ends_at <= now:
        return False
    lot = row[0]
    said = "The price now is" if lot.price_minor else "Nobody has bid. It starts at"
    return mail.write(
        session,
        to=row.email,
        name=row.name,
        subject=f"Lot {lot.code} closes at {lot.ends_at:%H:%M} UTC",
        text=f"You watch “{lot.title}” ({lot.code}). {said} "
        f"{in_words(lot.price_minor or lot.start_minor, lot.currency)}.\n\n"
        f"It closes at {lot.ends_at:%H:%M} UTC on {on_day(lot.ends_at)}; a bid in the last three minutes moves that."
        f"\n\n{{site}}/lots/{lot.code}\n",
        key=f"lot closes {lot.id} {person_id}",
        now=now,
    )


def tell_outbid(session: Session, lot_id: UUID, *, now: datetime) -> int:
    """Write to each firm that led a lot and leads it no more, once for each time it led. Returns the new letters.

    A bid that was outbid at once got that answer on the page; only a lead that was lost is told by mail.
    """
    lot = session.get(Lot, lot_id)
    if lot is None or lot.state is not LotState.OPEN or lot.leader_id is None:
        return 0
    last_lead = (
        sa.select(Bid.bidder_id, sa.func.max(Bid.seq).label("seq"))
        .where(Bid.lot_id == lot.id, Bid.leading, Bid.bidder_id != lot.leader_id)
        .group_by(Bid.bidder_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(Bid.bidder_id, Bid.seq, Bid.max_minor, Person.email, Person.name)
        .join(last_lead, sa.and_(last_lead.c.bidder_id == Bid.bidder_id, last_lead.c.seq == Bid.seq))
        .join(Person, Person.id == Bid.person_id)
        .where(Bid.lot_id == lot.id)
    ).all()
    return sum(
        mail.write(
            session,
            to=row.email,
            name=row.name,
            subject=f"You were outbid on lot {lot.code}",
            text=f"Another bidder leads on “{lot.title}” ({lot.code}). The price is "
            f"{in_words(lot.price_minor, lot.currency)}; your maximum was {in_words(row.max_minor, lot.currency)}.\n\n"
            f"It closes at {lot.ends_at:%H:%M} UTC on {on_day(lot.ends_at)}. To bid again:\n{{site}}/lots/{lot.code}\n",
            key=f"outbid {lot.id} {row.bidder_id} {row.seq}",
            now=now,
        )
        for row in rows
    )


def tell_losers(session: Session, lot: Lot, price_minor: int | None, *, now: datetime) -> int:
    """Write to whoever bid on a lot that closes and does not get it. `price_minor` is None when nobody does.

    Returns the new letters. One goes to each firm, to the person who bid last for it.
    """
    last = (
        sa.select(Bid.bidder_id, sa.func.max(Bid.seq).label("seq"))
        .where(Bid.lot_id == lot.id)
        .group_by(Bid.bidder_id)
        .subquery()
    )
    rows = session.execute(
        sa.select(Bid.bidder_id, Person.email, Person.name)
        .join(last, sa.and_(last.c.bidder_id == Bid.bidder_id, last.c.seq == Bid.seq))
        .join(Person, Person.id == Bid.person_id)
        .where(Bid.lot_id == lot.id)
    ).all()
    if price_minor is None:
        said = "Not sold: the reserve was not met. It went to nobody."
    else:
        said = f"Lot {lot.code} closed at {in_words(price_minor, lot.currency)}. It did not come to you."
    return sum(
        mail.write(
            session,
            to=row.email,
            name=row.name,
            subject=f"Lot {lot.code} closed; it did not come to you",
            text=f"“{lot.title}” ({lot.code}): {said} You owe nothing.\n\nOther lots:\n{{site}}/lots\n",
            key=f"lost {lot.id} {row.bidder_id}",
            now=now,
        )
        for row in rows
        if price_minor is None or row.bidder_id != lot.leader_id
    )


def write_to_firm(session: Session, firm_id: UUID, *, subject: str, text: str, key: str, now: datetime) -> int:
    """Write the same letter to everybody who trades for a firm. Returns how many are new."""
    readers = session.execute(
        sa.select(Person.id, Person.email, Person.name)
        .join(Membership, Membership.person_id == Person.id)
        .where(Membership.organisation_id == firm_id, Membership.ended_at.is_(None))
        .order_by(Person.email)
    ).all()
    return sum(
        mail.write(session, to=row.email, name=row.name, subject=subject, text=text, key=f"{key} {row.id}", now=now)
        for row in readers
    )


def on_day(moment: datetime) -> str:
    """21 November 2026."""
    return f"{moment.day} {moment:%B %Y}"
