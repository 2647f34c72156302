"""The sample market: filled by using it, with the real agent, killed now and then, and everything in it holds."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from ewaste.centres.credentials import Issuers
from ewaste.core import clock, embedded
from ewaste.core.config import Config
from ewaste.core.database import Database
from ewaste.core.sample import progress
from ewaste.devices.lifecycle import State
from ewaste.devices.models import CustodyEvent, Device, Hold
from ewaste.market.models import Listing, Lot, Order
from ewaste.payments import ledger
from ewaste.payments.gateway import Gateway
from ewaste.payments.stripe_gateway import open_gateway
from ewaste.sample import plan, steps
from ewaste.sample.__main__ import fill
from ewaste.sample.play import CLOSED_ACCOUNT
from ewaste.tradein import offers
from ewaste.views import audit
from ewaste.web import create_app
from ewaste.worker import Work
from tests.conftest import Clones
from tests.practice.tools import Running
from tests.web.visitors import words

pytestmark = pytest.mark.campaign

# One way to each state, and what only a market in use has: refused certificates, a dispute, a lot that was reported.
ENDS = frozenset({
    "expected", "cancelled", "parcel-lost", "received", "offered", "lapsed", "stolen", "returned", "waiting", "failed",
    "half", "suspended", "cleared", "mended", "reserved", "taken", "in hours", "in unsold", "in reported",
})  # fmt: skip
KILLED_AFTER = (30, 95, 118, 145)  # steps


class Killed(BaseException):
    """The program ended here, as a machine without power does."""


@dataclass
class Market:
    """A market that was filled, and how to fill it once more."""

    database: Database
    issuers: Issuers
    refill: Callable[[], bool]
    said: list[str]
    client: Any
    gateway: Gateway
    folder: Path

    def rows(self, sql: str) -> list[Any]:
        with self.database.transaction() as session:
            return list(session.execute(sa.text(sql)).all())

    def scalars(self, query: Any) -> list[Any]:
        with self.database.transaction() as session:
            return list(session.scalars(query))


@pytest.fixture(scope="module")
def market(
    clones: Clones, cluster: embedded.Server, issuers: Issuers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Market]:
    """A small market, filled in spite of four kills."""
    folder, name = tmp_path_factory.mktemp("sample"), clones.take()
    url = cluster.url(name, embedded.APP_ROLE)
    with ExitStack() as last:
        # The agent signs by the real clock; whoever set another one before, here the market goes by it, too.
        last.enter_context(pytest.MonkeyPatch.context()).setattr(clock, "now", lambda: datetime.now(UTC))
        last.callback(clones.drop, name)
        database = Database(url, pool_size=10)
        last.callback(database.close)
        with database.transaction() as session:
            session.execute(sa.text("update centres set accredited_from = now() - interval '120 days'"))
        provider = last.enter_context(Running(folder / "practice", cash=50_000_000))
        config = Config.from_env(
            {"DATABASE_URL": url, "EWASTE_DATA": str(folder), "PRACTICE_URL": provider.url, "EWASTE_SAMPLE": "full"}
        )
        app = create_app(config)
        last.callback(app.extensions["ewaste"].database.close)
        app.extensions["ewaste"] = dataclasses.replace(app.extensions["ewaste"], issuers=issuers)
        server = make_server("127.0.0.1", 0, app, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        last.callback(thread.join)
        last.callback(server.shutdown)
        said: list[str] = []
        gateway = open_gateway(config)

        def refill() -> bool:
            return fill(
                database,
                config,
                plan.devices(ENDS),
                gateway=gateway,
                market_url=f"http://127.0.0.1:{server.port}",
                issuers=issuers,
                say=said.append,
            )

        with pytest.MonkeyPatch.context() as patch:
            _kill_now_and_then(patch, refill)
        yield Market(database, issuers, refill, said, app.test_client(), gateway, folder)


def _kill_now_and_then(patch: pytest.MonkeyPatch, refill: Callable[[], bool]) -> None:
    once, made, kills = steps.Steps.once, 0, list(KILLED_AFTER)

    def once_or_never(self: steps.Steps, name: str, step: Callable[[Session], Any]) -> Any:
        nonlocal made
        made += name not in self
        if kills and made >= kills[0]:
            kills.pop(0)
            raise Killed(name)
        return once(self, name, step)

    patch.setattr(steps.Steps, "once", once_or_never)
    for _ in range(len(KILLED_AFTER) + 1):
        try:
            refill()
        except Killed:
            continue
    assert not kills, "the market was full before it could be killed that often"


def test_every_planned_device_is_there_once(market: Market) -> None:
    planned = plan.devices(ENDS)
    assert len(market.scalars(sa.select(Device.id))) == len(planned)
    assert [one for one in market.said if "does not go on with" in one] == []
    serials = market.scalars(sa.select(Device.claimed_serial))
    assert len(set(serials)) == len(serials)


def test_devices_stand_in_every_state_and_have_been_in_those_that_are_only_passed_through(market: Market) -> None:
    states = Counter(market.scalars(sa.select(Device.state)))
    passed = set(market.scalars(sa.select(CustodyEvent.to_state).distinct()))
    assert set(State) - set(states) <= {State.REINSPECTED}  # It is routed in the same step.
    assert passed == set(State)


def test_the_audit_finds_nothing_and_the_ledger_sums_to_zero(market: Market) -> None:
    with market.database.transaction() as session:
        found = audit.everything(session, issuers=market.issuers, now=clock.now())
        assert found.wrong == []
        assert set(ledger.sums(session).values()) == {0}
    certificates = next(count for count, what in found.counted if what.startswith("certificates"))
    assert certificates == sum(one.wiped for one in plan.devices(ENDS)) - 2  # two are refused


def test_certificates_are_refused_for_what_they_do_not_cover_and_for_a_suspended_centre(market: Market) -> None:
    reasons = sorted(row[0] for row in market.rows("select reason from certificate_refusals"))
    assert len(reasons) == 2
    assert reasons[0].startswith("This certificate covers one storage medium. This device has 2.")
    assert reasons[1].startswith("Your centre is suspended")


def test_what_happened_after_a_wipe_is_told_after_it(market: Market) -> None:
    rows = market.rows(
        "select d.code, e.seq, e.at < lag(e.at) over (partition by e.device_id order by e.seq) as back"
        " from custody_events e join devices d on d.id = e.device_id"
    )
    assert [row for row in rows if row.back] == []
    with market.database.transaction() as session:
        assert session.scalar(sa.select(sa.func.max(CustodyEvent.at))) <= clock.now()


def test_lots_are_open_with_bids_and_closed_in_different_ways(market: Market) -> None:
    lots = {row.title: row for row in market.rows("select title, state, price_minor, leader_id from lots")}
    assert Counter(lot.state for lot in lots.values()) == {"open": 1, "unsold": 1, "sold": 1}
    assert all(lot.price_minor for lot in lots.values())
    assert market.rows("select state from orders where lot_id is not null") == [("settled",)]
    assert market.scalars(sa.select(sa.func.count()).select_from(Lot)) == [3]


def test_one_purchase_waits_for_its_payment_and_one_is_disputed(market: Market) -> None:
    states = Counter(market.scalars(sa.select(Order.state).where(Order.listing_id.isnot(None))))
    assert {state.value: count for state, count in states.items()} == {"awaiting-payment": 1, "settled": 1}
    assert market.rows("select reason, state from disputes") == [("not-as-graded", "open")]


def test_the_shop_asks_more_than_was_paid_and_has_no_phones_as_they_are_taken_apart(market: Market) -> None:
    with market.database.transaction() as session:
        listed = session.scalars(sa.select(Listing)).all()
        assert listed
        for listing in listed:
            assert listing.price_minor > offers.paid_for(session, [listing.device_id]), listing.snapshot["title"]
            assert listing.snapshot["device_class"] not in ("smartphone", "tablet")


def test_sample_bidders_bid_at_their_time_and_only_they(market: Market) -> None:
    waiting = market.rows(
        "select args->>'person' as person, scheduled_at from procrastinate_jobs where task_name = 'sample.bid'"
    )
    assert len(waiting) == len(next(lot for lot in plan.LOTS if lot.name == "hours").later)
    samples = {str(row[0]) for row in market.rows("select id from people where sample")}
    assert {row.person for row in waiting} <= samples


def test_everybody_and_every_firm_is_marked_as_a_sample(market: Market) -> None:
    assert market.rows("select count(*) from people where not sample") == [(0,)]
    applied = "select organisation_id from applications"  # What a sample person made by applying is no founding.
    assert market.rows(f"select count(*) from organisations where not sample and id not in ({applied})") == [(0,)]
    closed = market.rows("select count(*) from payees where reference = '" + CLOSED_ACCOUNT + "'")
    assert closed == [(1,)]


def test_a_device_stands_on_hold_for_a_reason_that_the_desk_wrote(market: Market) -> None:
    kinds = {hold.kind.value for hold in market.scalars(sa.select(Hold).where(Hold.lifted_at.is_(None)))}
    assert "stolen" in kinds


def test_filling_it_again_adds_nothing(market: Market) -> None:
    tables = [
        "devices",
        "custody_events",
        "certificates",
        "bids",
        "orders",
        "postings",
        "people",
        "quotes",
        "sample_steps",
    ]
    sql = " union all ".join(f"select '{table}', count(*) from {table}" for table in tables)
    before = market.rows(sql)
    assert market.refill() is False
    assert market.rows(sql) == before


def test_pages_say_how_far_it_is_only_until_it_is_full(market: Market) -> None:
    with market.database.transaction() as session:
        known = progress(session)
        assert known is not None
        assert known.finished
        assert known.devices == known.of_devices == len(plan.devices(ENDS))
    assert "sample market is being filled" not in words(market.client.get("/verify").text)


def test_no_image_is_left_and_the_stations_stay(market: Market) -> None:
    assert not (market.folder / "sample" / "images").exists()
    assert sorted(path.name for path in (market.folder / "sample" / "stations").iterdir()) == ["ines", "olga", "omar"]


def test_sample_bidders_bid_when_their_time_comes_and_never_in_anybody_elses_name(market: Market) -> None:
    ((lot, arguments),) = market.rows(
        "select l.code, array_agg(j.args order by j.id) from lots l"
        " join procrastinate_jobs j on j.args->>'lot' = l.code where j.task_name = 'sample.bid' group by 1"
    )
    price = f"select price_minor from lots where code = '{lot}'"
    ((before,),) = market.rows(price)
    work = Work(market.database, market.gateway, practice=True)
    work.sample_bid(**arguments[0])
    ((after,),) = market.rows(price)
    assert after > before
    work.sample_bid(**{**arguments[1], "person": str(uuid4())})
    assert market.rows(price) == [(after,)]
    work.sample_bid(**arguments[0])  # The job ran twice: the bid is one.
    assert market.rows(price) == [(after,)]


def test_the_unpaid_reservation_falls_back_into_the_shop_after_half_an_hour(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    ((order, listing),) = market.rows("select id, listing_id from orders where state = 'awaiting-payment'")
    later = clock.now() + timedelta(minutes=31)
    monkeypatch.setattr(clock, "now", lambda: later)
    Work(market.database, market.gateway, practice=True).expire_order(str(order))
    assert market.rows(f"select state from orders where id = '{order}'") == [("defaulted",)]
    device = f"select d.state from devices d join listings l on l.device_id = d.id where l.id = '{listing}'"
    assert market.rows(device) == [("for_resale",)]
