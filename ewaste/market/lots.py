"""Lots: formed from listable devices, bid on under a row lock, closed by the worker.

The rules of bidding are in `auctions`; here a locked row is read into a `Book`, and the book is written back beside
the appended bid. Every acknowledged bid has its sequence number, without gaps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from ewaste.accounts.models import Organisation
from ewaste.core import jobs
from ewaste.core.ids import LOT, new_code, new_id, read_code
from ewaste.core.refusals import Conflict, Invalid, NotFound, Refusal
from ewaste.market import auctions
from ewaste.market.models import Bid, Lot, LotLine, LotState

LONGEST = timedelta(days=30)
# While many bid, whoever lost the lead meanwhile is told in one go; each message at once would hold the lot up.
TELL_OUTBID_AFTER = timedelta(seconds=10)
MOST_LINES = 500


def find(session: Session, text: str) -> Lot:
    """The lot with this code, not locked. Raises `NotFound`."""
    code = read_code(text, LOT)
    lot = session.scalar(sa.select(Lot).where(Lot.code == code)) if code else None
    if lot is None:
        raise NotFound("There is no lot with this code. Codes look like L-7K3M-9QXA.")
    return lot


def find_for_bid(session: Session, text: str, bidder_id: UUID) -> tuple[Lot, Organisation, str | None]:
    """The lot, locked, with the firm that bids and the group of the centre that graded it, in one statement.

    Raises `NotFound`.
    """
    code = read_code(text, LOT)
    row = session.execute(_FOR_BID, {"code": code, "bidder": bidder_id}).one_or_none() if code else None
    if row is None:
        raise NotFound("There is no lot with this code. Codes look like L-7K3M-9QXA.")
    return row[0], row[1], row[2]


def form(
    session: Session,
    *,
    title: str,
    way: str,
    centre_id: UUID,
    lines: Sequence[tuple[UUID, Mapping[str, Any]]],
    start_minor: int,
    reserve_minor: int,
    currency: str,
    opens_at: datetime,
    ends_at: datetime,
    by: UUID,
    now: datetime,
) -> Lot:
    """Form a lot of these devices (id, manifest line). The database refuses a device that is not listable.

    Raises `Invalid` with the field.
    """
    if not 3 <= len(title.strip()) <= 120:
        raise Invalid("Give the lot a title of 3 to 120 characters.", field="title")
    if not 1 <= len(lines) <= MOST_LINES:
        raise Invalid(f"Choose 1 to {MOST_LINES} devices.", field="devices")
    if not 1 <= start_minor <= auctions.MOST_MINOR:
        raise Invalid("The starting price is more than zero.", field="start")
    if not 0 <= reserve_minor <= auctions.MOST_MINOR:
        raise Invalid("The reserve is an amount, or nothing.", field="reserve")
    if ends_at <= max(opens_at, now) or ends_at - opens_at > LONGEST:
        raise Invalid("The auction ends after it opens, and at most 30 days later.", field="ends_at")
    lot = Lot(
        id=new_id(),
        code=new_code(LOT),
        title=title.strip(),
        way=way,
        centre_id=centre_id,
        currency=currency,
        start_minor=start_minor,
        reserve_minor=reserve_minor,
        opens_at=opens_at,
        ends_at=ends_at,
        formed_by=by,
        formed_at=now,
        **in_short([snapshot for _, snapshot in lines]),
    )
    session.add(lot)
    session.flush()
    session.add_all(
        LotLine(lot_id=lot.id, device_id=device_id, position=position, snapshot=dict(snapshot))
        for position, (device_id, snapshot) in enumerate(lines, start=1)
    )
    session.flush()
    jobs.defer(session, jobs.CLOSE_LOT, at=ends_at, key=f"close lot {lot.id}", lot=str(lot.id))
    return lot


def place_bid(
    session: Session, lot: Lot, *, bidder_id: UUID, person_id: UUID, max_minor: int, key: str, now: datetime
) -> Bid:
    """Place a bid on a locked lot. The same key of the same bidder gets the same answer again.

    Raises `Invalid` with the field, or `Conflict`, in the words of the rules.
    """
    refusal: Refusal | None = None
    if lot.state is not LotState.OPEN:
        refusal = Conflict(f"This auction is {lot.state.value}. Your bid was not placed.")
    elif now < lot.opens_at:
        refusal = Conflict(f"This auction opens on {lot.opens_at:%d %B at %H:%M} UTC. Your bid was not placed.")
    else:
        after, outcome = auctions.place(book_of(lot), auctions.Bid(str(bidder_id), max_minor, now))
        if outcome.accepted:
            bid = Bid(
                id=new_id(),
                lot_id=lot.id,
                seq=outcome.seq,
                bidder_id=bidder_id,
                person_id=person_id,
                key=key,
                max_minor=max_minor,
                price_minor=after.price_minor,
                leading=after.leader == str(bidder_id),
                ends_at=after.ends_at,
                at=now,
            )
            if _acknowledge(session, bid, after):
                if lot.leader_id is not None and bid.leading and lot.leader_id != bidder_id:
                    told = now + TELL_OUTBID_AFTER
                    jobs.defer(session, jobs.TELL_OUTBID, key=f"outbid {lot.id}", at=told, lot=str(lot.id))
                return bid
        elif outcome.refusal == "invalid":
            refusal = Invalid(outcome.sentence, field="maximum")
        else:
            refusal = Conflict(outcome.sentence)
    # Not taken: either it is here already, under the same key, or the rules refused it.
    again = session.scalar(sa.select(Bid).where(Bid.lot_id == lot.id, Bid.bidder_id == bidder_id, Bid.key == key))
    if again is None:
        raise refusal or Conflict("Your bid was not placed. Reload the page and bid again.")
    if again.max_minor != max_minor:
        raise Conflict("This form was sent before with another amount. Reload the page and bid again.")
    return again


def _acknowledge(session: Session, bid: Bid, after: auctions.Book) -> bool:
    """Append the bid and write the book back, in one statement: the lot is locked, and everybody else waits for it.

    False, and nothing changed, when the bidder sent a bid under this key before.
    """
    written = session.execute(
        _ACKNOWLEDGE,
        {
            **{f"bid_{column}": getattr(bid, column) for column in _BID_COLUMNS},
            "lot": bid.lot_id,
            "next_now": after.next_seq,
            "price_now": after.price_minor,
            "ends_now": after.ends_at,
            "leader": _uuid(after.leader),
            "leader_max": after.leader_max_minor,
            "second": _uuid(after.second),
            "second_max": after.second_max_minor,
        },
    )
    return written.first() is not None


def in_short(snapshots: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What lists tell of a lot: how many devices, their mass (grams), and how many of each grade, class and model."""
    masses = [line["mass_g"] for line in snapshots if line.get("mass_g") is not None]
    return {
        "device_count": len(snapshots),
        "mass_g": sum(masses) if masses else None,
        "grades": dict(Counter(line.get("grade_cosmetic") or "-" for line in snapshots)),
        "classes": dict(Counter(str(line["device_class"]) for line in snapshots if line.get("device_class"))),
        "models": dict(Counter(str(line["title"]) for line in snapshots if line.get("title"))),
    }


def book_of(lot: Lot) -> auctions.Book:
    """The state of a lot's bidding, as the rules read it."""
    return auctions.Book(
        start_minor=lot.start_minor,
        ends_at=lot.ends_at,
        reserve_minor=lot.reserve_minor,
        currency=lot.currency,
        price_minor=lot.price_minor,
        leader=str(lot.leader_id) if lot.leader_id else None,
        leader_max_minor=lot.leader_max_minor,
        second=str(lot.second_id) if lot.second_id else None,
        second_max_minor=lot.second_max_minor,
        next_seq=lot.next_seq,
    )


def live_devices(session: Session, lot_id: UUID) -> list[UUID]:
    """The devices still tied to a lot, in the order of their ids (the order in which they are locked)."""
    return sorted(
        session.scalars(sa.select(LotLine.device_id).where(LotLine.lot_id == lot_id, LotLine.released_at.is_(None)))
    )


def release(session: Session, lot_id: UUID, because: str, *, now: datetime) -> None:
    """Untie every device from a lot."""
    session.execute(
        sa.update(LotLine)
        .where(LotLine.lot_id == lot_id, LotLine.released_at.is_(None))
        .values(released_at=now, released_because=because)
    )


def let_go(session: Session, device_id: UUID, because: str, *, now: datetime) -> UUID | None:
    """Untie one device from its lot. Returns the lot's id; None when the device was in none."""
    return session.scalar(
        sa.update(LotLine)
        .where(LotLine.device_id == device_id, LotLine.released_at.is_(None))
        .values(released_at=now, released_because=because)
        .returning(LotLine.lot_id)
    )


# The two statements of a bid, put together once: between them and the commit everybody else on this lot waits.
_CENTRE = aliased(Organisation)
_FOR_BID = (
    sa.select(Lot, Organisation, _CENTRE.group_name)
    .select_from(Lot)
    .join(Organisation, Organisation.id == sa.bindparam("bidder"))
    .join(_CENTRE, _CENTRE.id == Lot.centre_id)
    .where(Lot.code == sa.bindparam("code"))
    .with_for_update(of=Lot)
    .execution_options(populate_existing=True)
)
_BID_COLUMNS = [column.key for column in sa.inspect(Bid).column_attrs]
_PLACED = (
    insert(Bid)
    .values({column: sa.bindparam(f"bid_{column}") for column in _BID_COLUMNS})
    .on_conflict_do_nothing(index_elements=[Bid.lot_id, Bid.bidder_id, Bid.key])
    .returning(Bid.lot_id)
    .cte("placed")
)
_ACKNOWLEDGE = (
    sa.update(Lot)
    .where(Lot.id == sa.bindparam("lot"), Lot.id == _PLACED.c.lot_id)
    .values(
        next_seq=sa.bindparam("next_now"),
        price_minor=sa.bindparam("price_now"),
        ends_at=sa.bindparam("ends_now"),
        leader_id=sa.bindparam("leader"),
        leader_max_minor=sa.bindparam("leader_max"),
        second_id=sa.bindparam("second"),
        second_max_minor=sa.bindparam("second_max"),
    )
    .returning(Lot.id)
    .execution_options(synchronize_session=False)
)


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None
