"""Lots: formed, bid on by many at once, closed; the rules replayed from the bids give what the lot says."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER, Actor
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import Device
from ewaste.journey import accrediting, sale
from ewaste.market import auctions, lots
from ewaste.market.models import Bid, Lot, LotLine, LotState, Order, OrderState
from tests.world import World

FIRMS = {"rita": "Werk Zwei", "ravi": "Kreislauf Kontor", "rosa": "Neu & Gut"}


def lot(world: World, code: str) -> Lot:
    with world.transaction() as session:
        return session.scalars(sa.select(Lot).where(Lot.code == code)).one()


def bids(world: World, code: str) -> list[Bid]:
    with world.transaction() as session:
        return list(
            session.scalars(sa.select(Bid).join(Lot, Lot.id == Bid.lot_id).where(Lot.code == code).order_by(Bid.seq))
        )


def jobs(world: World, name: str) -> list[datetime]:
    with world.transaction() as session:
        return list(
            session.scalars(
                sa.text("select scheduled_at from procrastinate_jobs where task_name = :n order by id"), {"n": name}
            )
        )


def replayed(world: World, code: str, ends_at: datetime) -> auctions.Book:
    """The book that the rules give from the stored bids alone."""
    found = lot(world, code)
    book = auctions.Book(
        start_minor=found.start_minor, reserve_minor=found.reserve_minor, currency=found.currency, ends_at=ends_at
    )
    for bid in bids(world, code):
        book, outcome = auctions.place(book, auctions.Bid(str(bid.bidder_id), bid.max_minor, bid.at))
        assert (outcome.accepted, outcome.seq, outcome.price_minor) == (True, bid.seq, bid.price_minor)
        assert (outcome.result != "outbid") is bid.leading
    return book


# --- bidding


def test_many_bidders_at_once_lose_no_bid_and_leave_no_gap(world: World) -> None:
    code, _ = world.listed_lot()
    ends_at, each = lot(world, code).ends_at, 25
    actors, together = [world.actor(who) for who in FIRMS], threading.Barrier(8)
    # The related-firm rule is not about this lot: the centre in Köln belongs to no group.
    acknowledged: list[tuple[int, UUID, int]] = []
    refused: list[str] = []

    def bidder(number: int) -> None:
        chance, actor = random.Random(number), actors[number % len(actors)]
        together.wait(20)
        for turn in range(each):
            try:
                with world.transaction() as session:
                    maximum = 1_000 + turn * 2_000 + chance.randrange(6_000)
                    bid = sale.place_bid(session, actor, code, max_minor=maximum, key=uuid4().hex, now=world.now)
                    mine = (bid.seq, bid.id, bid.max_minor)
                acknowledged.append(mine)
            except Invalid as refusal:
                refused.append(refusal.message)

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(bidder, number) for number in range(8)]:
            one.result()
    stored = bids(world, code)
    assert len(acknowledged) + len(refused) == 8 * each
    assert sorted(acknowledged) == [(bid.seq, bid.id, bid.max_minor) for bid in stored]
    assert [bid.seq for bid in stored] == list(range(1, len(stored) + 1))
    assert len(stored) > 20
    book = replayed(world, code, ends_at)
    assert book == lots.book_of(lot(world, code))
    assert all(refusal.startswith(("The lowest bid now is", "You lead with a maximum")) for refusal in refused)
    world.later(days=3)
    order = world.close(code)
    assert (str(order.organisation_id), order.amount_minor) == (book.leader, book.price_minor)


def test_the_same_key_gets_the_same_answer(world: World) -> None:
    code, _ = world.listed_lot()
    first = world.bid("rita", code, 40, key="form-0001")
    world.bid("ravi", code, 60)
    with world.nothing_changes():
        again = world.bid("rita", code, 40, key="form-0001")
    assert (again.id, again.seq, again.price_minor) == (first.id, 1, 1_000)
    with world.nothing_changes(), pytest.raises(Conflict, match="sent before with another amount"):
        world.bid("rita", code, 70, key="form-0001")
    assert world.bid("ravi", code, 61, key="form-0001").seq == 3  # A key is the bidder's own.


def test_one_form_sent_from_many_windows_is_one_bid(world: World) -> None:
    code, _ = world.listed_lot()
    rita, together = world.actor("rita"), threading.Barrier(6)

    def send(_: int) -> UUID:
        together.wait(10)
        with world.transaction() as session:
            return sale.place_bid(session, rita, code, max_minor=4_000, key="form-0001", now=world.now).id

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(send, range(6)))) == 1
    assert [bid.seq for bid in bids(world, code)] == [1]


def test_a_form_without_its_key_is_refused(world: World) -> None:
    code, _ = world.listed_lot()
    for key in ("short", "x" * 65):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            world.bid("rita", code, 40, key=key)
        assert refused.value.field == "key"


def test_a_bid_that_is_too_low_names_its_field_and_the_lowest_that_counts(world: World) -> None:
    code, _ = world.listed_lot()
    with world.nothing_changes(), pytest.raises(Invalid, match=r"The lowest bid now is €10\.00") as refused:
        world.bid("rita", code, 9)
    assert refused.value.field == "maximum"
    world.bid("rita", code, 40)
    world.bid("ravi", code, 30)
    with world.nothing_changes(), pytest.raises(Invalid, match=r"The lowest bid now is €32\.00"):
        world.bid("rosa", code, 31)
    with world.nothing_changes(), pytest.raises(Invalid, match="a bid cannot be taken back"):
        world.bid("rita", code, 35)


def test_a_firm_related_to_the_centre_that_graded_the_lot_does_not_bid(world: World, owner_url: str) -> None:
    code, _ = world.listed_lot()
    owner = sa.create_engine(owner_url)
    with owner.begin() as connection:  # The lot lies at the centre in Dresden, of the same group as Kreislauf Kontor.
        connection.execute(
            sa.text("update lots set centre_id = (select id from organisations where name = 'Elbe Prüfstelle')")
        )
    owner.dispose()
    with world.nothing_changes(), pytest.raises(NotAllowed, match="both belong to Elbe Gruppe"):
        world.bid("ravi", code, 40)
    assert world.bid("rita", code, 40).seq == 1


def test_a_firm_without_the_licence_for_the_way_does_not_bid(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    way = world.device(device_id).state.value.removeprefix("for_")
    others = sorted({"resale", "remanufacture", "dismantling"} - {way})
    firm = world.organisation("Werk Zwei")
    with world.transaction() as session:
        accrediting.verify_recycler(session, world.stefan, firm, licences=others, group_name="", now=world.now)
    with world.nothing_changes(), pytest.raises(NotAllowed, match="no verified licence"):
        world.bid("rita", code, 40)
    with world.transaction() as session:
        accrediting.verify_recycler(session, world.stefan, firm, licences=[way], group_name="", now=world.now)
    assert world.bid("rita", code, 40).seq == 1


def test_a_firm_that_is_not_verified_does_not_bid(world: World) -> None:
    code, _ = world.listed_lot()
    with world.transaction() as session:
        accrediting.suspend_recycler(
            session, world.stefan, world.organisation("Werk Zwei"), reason="Its permit ended.", now=world.now
        )
    with world.nothing_changes(), pytest.raises(NotAllowed, match="not verified"):
        world.bid("rita", code, 40)


def test_only_recyclers_bid(world: World) -> None:
    code, _ = world.listed_lot()
    for who in ("cora", "ben", "olga", "stefan", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed, match="may not bid on a lot"):
            world.bid(who, code, 40)
    with world.nothing_changes(), pytest.raises(NotFound, match="There is no lot with this code"):
        world.bid("rita", "L-0000-0000", 40)


def test_bids_are_taken_from_the_opening_to_the_end(world: World) -> None:
    code, _ = world.listed_lot()
    opened, ends_at = lot(world, code).opens_at, lot(world, code).ends_at
    world.now = opened - timedelta(seconds=1)
    with world.nothing_changes(), pytest.raises(Conflict, match="opens on 20 November"):
        world.bid("rita", code, 40)
    world.now = opened
    assert world.bid("rita", code, 40).seq == 1
    world.now = ends_at
    with world.nothing_changes(), pytest.raises(Conflict, match="This auction closed at"):
        world.bid("ravi", code, 60)


def test_a_late_bid_moves_the_end_and_the_worker_waits_for_it(world: World) -> None:
    code, _ = world.listed_lot()
    ends_at = lot(world, code).ends_at
    world.now = ends_at - timedelta(minutes=4)
    world.bid("rita", code, 40)
    assert lot(world, code).ends_at == ends_at
    world.now = ends_at - timedelta(minutes=1)
    world.bid("ravi", code, 60)
    extended = ends_at + timedelta(minutes=2)
    assert lot(world, code).ends_at == extended
    world.now = ends_at
    with world.nothing_changes():
        assert world.close(code) is None
    assert world.bid("rosa", code, 80).seq == 3
    world.now = lot(world, code).ends_at
    order = world.close(code)
    assert (order.organisation_id, order.amount_minor) == (world.organisation("Neu & Gut"), 6_100)


def test_bids_are_not_rewritten_nor_slipped_in(world: World) -> None:
    code, _ = world.listed_lot()
    world.bid("rita", code, 40)
    for sql in (
        "update bids set max_minor = 1",
        'update bids set "leading" = true',
        "delete from bids",
        "truncate bids",
    ):
        assert world.refused_by_database(sql) == "42501 permission denied for table bids"
    slip = """
        insert into bids (id, lot_id, seq, bidder_id, person_id, key, max_minor, price_minor, "leading", at)
        select gen_random_uuid(), lot_id, :seq, bidder_id, person_id, 'slipped-in', 5000, 5000, true, at
        from bids limit 1"""
    for seq in (0, 1, 3, 99):
        assert world.refused_by_database(slip, seq=seq) == f"23514 bid {seq} of this lot is out of order"


# --- closing


def test_of_equal_maxima_the_earliest_wins_at_that_price(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    world.bid("rosa", code, 50)
    world.bid("rita", code, 50)
    world.later(days=3)
    order = world.close(code)
    assert (order.organisation_id, order.amount_minor) == (world.organisation("Neu & Gut"), 5_000)
    assert world.device(device_id).state is State.SOLD


def test_closing_twice_makes_one_order(world: World) -> None:
    code, _ = world.listed_lot()
    world.bid("rita", code, 40)
    lot_id = lot(world, code).id
    world.later(days=3)
    together = threading.Barrier(4)

    def close(_: int) -> bool:
        together.wait(10)
        with world.transaction() as session:
            return sale.close_lot(session, WORKER, lot_id, now=world.now) is not None

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(close, range(4))) == [False, False, False, True]
    with world.nothing_changes():
        assert world.close(code) is None
    assert world.raw("select count(*) from orders") == 1


def test_a_closing_and_a_last_bid_at_once_leave_either_a_bid_that_counts_or_a_refusal(world: World) -> None:
    code, _ = world.listed_lot()
    world.bid("rita", code, 40)
    lot_id, ravi, ends_at = lot(world, code).id, world.actor("ravi"), lot(world, code).ends_at
    together = threading.Barrier(2)

    def close() -> bool:
        together.wait(10)
        with world.transaction() as session:
            return sale.close_lot(session, WORKER, lot_id, now=ends_at) is not None

    def bid() -> str:
        together.wait(10)
        try:
            with world.transaction() as session:
                last = ends_at - timedelta(milliseconds=1)
                sale.place_bid(session, ravi, code, max_minor=9_000, key=uuid4().hex, now=last)
            return "placed"
        except Conflict as refusal:
            return refusal.message

    with ThreadPoolExecutor(2) as pool:
        closing, bidding = pool.submit(close), pool.submit(bid)
        closed, said = closing.result(), bidding.result()
    assert (closed, said) in {(True, "This auction is sold. Your bid was not placed."), (False, "placed")}
    assert len(bids(world, code)) == (1 if closed else 2)
    assert lot(world, code).state is (LotState.SOLD if closed else LotState.OPEN)


def test_a_lot_whose_reserve_is_not_met_is_released(world: World) -> None:
    code, devices = world.listed_lot(2, reserve=10_000)
    world.bid("rita", code, 99)
    world.later(days=3)
    assert world.close(code) is None
    assert lot(world, code).state is LotState.UNSOLD
    assert all(world.device(device_id).state in WAYS for device_id in devices)
    with world.transaction() as session:
        assert set(session.scalars(sa.select(LotLine.released_because))) == {"the lot was not sold"}
        assert session.scalars(sa.select(Order)).all() == []
    assert jobs(world, "market.expire_order") == []
    again = world.lot_of(devices, reserve=9_900)
    world.bid("ravi", again, 99)
    world.later(days=3)
    assert world.close(again).amount_minor == 9_900


def test_a_lot_that_nobody_bid_on_is_released(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    world.later(days=3)
    assert world.close(code) is None
    assert (lot(world, code).state, lot(world, code).closed_at) == (LotState.UNSOLD, world.now)
    world.lot_of([device_id])


def test_the_winner_has_two_business_days_to_pay(world: World) -> None:
    code, _ = world.listed_lot()
    world.bid("rita", code, 40)
    world.now = datetime.fromisoformat("2026-11-27T18:00:00+00:00")  # a Friday
    order = world.close(code)
    assert order.pay_by == datetime.fromisoformat("2026-12-01T18:00:00+00:00")
    assert order.state is OrderState.AWAITING_PAYMENT
    assert jobs(world, "market.expire_order") == [order.pay_by]


# --- forming


def test_a_lot_asks_for_its_closing_at_its_end(world: World) -> None:
    code, _ = world.listed_lot()
    assert jobs(world, "market.close_lot") == [lot(world, code).ends_at]


def test_a_lot_that_cannot_be_formed_names_its_field(world: World) -> None:
    device_id = world.cleared()
    device = world.device(device_id)
    good = {
        "title": "Laptops from Köln",
        "device_codes": [device.code],
        "start_minor": 1_000,
        "reserve_minor": 0,
        "opens_at": world.now,
        "ends_at": world.now + timedelta(days=2),
    }
    wrong: list[tuple[str, dict[str, object]]] = [
        ("title", {"title": " x "}),
        ("title", {"title": "x" * 121}),
        ("devices", {"device_codes": []}),
        ("devices", {"device_codes": ["D-0000-0000"]}),
        ("devices", {"device_codes": [device.code, "nonsense"]}),
        ("start", {"start_minor": 0}),
        ("start", {"start_minor": auctions.MOST_MINOR + 1}),
        ("reserve", {"reserve_minor": -1}),
        ("ends_at", {"ends_at": world.now}),
        ("ends_at", {"ends_at": world.now + timedelta(days=30, seconds=1)}),
        ("ends_at", {"opens_at": world.now - timedelta(days=2), "ends_at": world.now - timedelta(days=1)}),
    ]
    for field, change in wrong:
        with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
            sale.form_lot(session, world.stefan, **{**good, **change}, now=world.now)
        assert refused.value.field == field, change


def test_the_devices_of_a_lot_go_one_way_and_lie_at_one_centre(world: World) -> None:
    cleared, waiting = world.cleared(), world.clearing(serial="PF2ABCDE", serials=("DRIVE-2",))
    for devices in ([cleared, waiting], [waiting]):
        with world.nothing_changes(), pytest.raises(Invalid, match="go the same way"):
            world.lot_of(devices)


def test_only_staff_form_lots_and_list_devices(world: World) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        code = session.get_one(Device, device_id).code
    for who in ("olga", "rita", "cora", "ada"):
        actor: Actor = world.actor(who)
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            sale.form_lot(
                session,
                actor,
                title="Laptops",
                device_codes=[code],
                start_minor=100,
                reserve_minor=0,
                opens_at=world.now,
                ends_at=world.now + timedelta(days=1),
                now=world.now,
            )
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            sale.list_device(session, actor, device_id, price_minor=100, now=world.now)


def test_two_lots_formed_at_once_share_no_device(world: World) -> None:
    device_id = world.cleared()
    together, code, stefan = threading.Barrier(2), world.device(device_id).code, world.stefan

    def form(_: int) -> str:
        together.wait(10)
        try:
            with world.transaction() as session:
                sale.form_lot(
                    session,
                    stefan,
                    title="Laptops",
                    device_codes=[code],
                    start_minor=100,
                    reserve_minor=0,
                    opens_at=world.now,
                    ends_at=world.now + timedelta(days=1),
                    now=world.now,
                )
            return "formed"
        except Conflict as refusal:
            return refusal.message

    with ThreadPoolExecutor(2) as pool:
        answers = set(pool.map(form, range(2)))
    (lot_code,) = world.raw("select array_agg(code) from lots")
    assert answers == {"formed", f"Device {code} is in lot {lot_code} already."}
    assert world.raw("select count(*) from lots") == world.raw("select count(*) from lot_lines") == 1
