"""The chain of custody: moved by one function, chained by hashes, read again by anybody; holds; two at one device."""

from __future__ import annotations

import hashlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.devices.models import CustodyEvent, Device, Hold, HoldKind, Title
from ewaste.journey import bench, trade_in
from tests.world import World, good_findings


def chain(world: World, device_id: UUID) -> list[str]:
    with world.transaction() as session:
        return custody.check_chain(session, device_id)


def events(world: World, device_id: UUID) -> list[CustodyEvent]:
    with world.transaction() as session:
        return list(
            session.scalars(
                sa.select(CustodyEvent).where(CustodyEvent.device_id == device_id).order_by(CustodyEvent.seq)
            )
        )


def tamper(owner_url: str, *statements: str, **values: object) -> None:
    """Rewrite history as only somebody can who rules the database: the guards are switched off first."""
    owner = sa.create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(sa.text("alter table custody_events disable trigger user"))
        for statement in statements:
            assert connection.execute(sa.text(statement), values).rowcount
        connection.execute(sa.text("alter table custody_events enable trigger user"))
    owner.dispose()


def weighed(world: World, device_id: UUID) -> None:
    with world.transaction() as session:
        bench.weigh(session, world.olga, device_id, mass_g=1_580, seal="", note="", now=world.now)


def test_every_step_leaves_one_link_that_carries_the_hash_of_the_one_before(world: World) -> None:
    device_id = world.cleared()
    links = events(world, device_id)
    assert [link.kind for link in links] == [
        "device.expected",
        "device.received",
        "medium.found",
        "device.inspected",
        "offer.confirmed",
        "title.passed",
        "device.clearing",
        "work-order.issued",
        "medium.sanitised",
        "device.cleared",
        f"device.{world.device(device_id).state.value}",
    ]
    previous = ""
    for number, link in enumerate(links, start=1):
        body = json.loads(link.body)
        assert (link.seq, body["seq"], body["previous"]) == (number, number, previous)
        assert hashlib.sha256(link.body.encode()).hexdigest() == link.hash
        previous = link.hash
    device = world.device(device_id)
    assert (device.custody_seq, device.custody_head) == (len(links), previous)
    assert links[1].evidence == {"seal": "S-1001", "sealState": "intact", "parcelGrams": 1900, "note": ""}
    assert (links[1].actor_id, links[1].actor_name) == (world.olga.id, "Olga Brandt")
    assert chain(world, device_id) == []


def test_a_changed_link_shows(world: World, owner_url: str) -> None:
    device_id = world.received()
    tamper(owner_url, "update custody_events set body = replace(body, '1900', '1800') where seq = 2")
    assert chain(world, device_id) == [
        "Event 2 was changed: its hash does not fit its content.",
        "Event 2 reads differently in its columns and in what was hashed.",
    ]


def test_a_changed_column_shows(world: World, owner_url: str) -> None:
    device_id = world.received()
    for change in ("evidence = '{}'", "kind = 'device.weighed'", "to_state = 'inspected'"):
        tamper(owner_url, f"update custody_events set {change} where seq = 2")
        assert "Event 2 reads differently in its columns and in what was hashed." in chain(world, device_id)


def test_who_and_when_cannot_be_changed_unseen(world: World, owner_url: str) -> None:
    device_id = world.received()
    for number, change in enumerate(
        ("at = at + interval '1 day'", "actor_id = gen_random_uuid()", "actor_name = 'X'"), 1
    ):
        if number > 2:
            weighed(world, device_id)
        tamper(owner_url, f"update custody_events set {change} where seq = {number}")
        assert chain(world, device_id)[-1] == f"Event {number} reads differently in its columns and in what was hashed."


def test_a_link_that_was_forged_with_its_hash_does_not_fit_the_next_one(world: World, owner_url: str) -> None:
    device_id = world.inspected()
    forged = events(world, device_id)[1].body.replace("1900", "1800")
    tamper(
        owner_url,
        "update custody_events set body = cast(:body as text), hash = :hash,"
        " evidence = cast(cast(:body as text) as jsonb)->'evidence' where seq = 2",
        body=forged,
        hash=hashlib.sha256(forged.encode()).hexdigest(),
    )
    assert chain(world, device_id) == ["Event 3 does not follow the event before it."]


def test_a_missing_link_shows(world: World, owner_url: str) -> None:
    device_id = world.with_media(["DRIVE-1", "DRIVE-2"])
    tamper(owner_url, "delete from custody_events where seq = 3")
    assert chain(world, device_id) == [
        "Event 3 is missing.",
        "Event 4 does not follow the event before it.",
        "The device does not stand where its last event left it: events are missing at the end.",
    ]


def test_a_missing_last_link_shows(world: World, owner_url: str) -> None:
    device_id = world.with_media(["DRIVE-1"])
    tamper(owner_url, "delete from custody_events where seq = 3")
    assert chain(world, device_id) == [
        "The device does not stand where its last event left it: events are missing at the end."
    ]


def test_a_chain_that_is_gone_shows(world: World, owner_url: str) -> None:
    device_id = world.received()
    tamper(owner_url, "delete from custody_events")
    assert chain(world, device_id) == [
        "The device does not stand where its last event left it: events are missing at the end."
    ]


def test_two_links_in_another_order_show(world: World, owner_url: str) -> None:
    device_id = world.with_media(["DRIVE-1", "DRIVE-2"])
    tamper(
        owner_url,
        "update custody_events set seq = 99 where seq = 3",
        "update custody_events set seq = 3 where seq = 4",
        "update custody_events set seq = 4 where seq = 99",
    )
    wrong = chain(world, device_id)
    assert "Event 3 does not follow the event before it." in wrong
    assert "Event 4 does not follow the event before it." in wrong


def test_a_state_a_cycle_or_a_title_that_no_event_led_to_shows(world: World, owner_url: str) -> None:
    device_id = world.received()
    for change, back in (
        ("state = 'for_resale'", "state = 'received'"),
        ("cycle = 2", "cycle = 1"),
        ("title = 'buyer'", "title = 'seller'"),
        ("custody_head = 'x'", "custody_head = ''"),
    ):
        tamper(owner_url, f"update devices set {change}")
        assert chain(world, device_id) == [
            "The device does not stand where its last event left it: events are missing at the end."
        ]
        tamper(owner_url, f"update devices set {back}")


def test_a_link_that_cannot_even_be_read_shows(world: World, owner_url: str) -> None:
    device_id = world.received()
    for body in ("", "[]", "{", "null"):
        tamper(owner_url, "update custody_events set body = :body where seq = 2", body=body)
        assert "Event 2 was changed: its hash does not fit its content." in chain(world, device_id)


def test_a_link_of_another_device_shows(world: World, owner_url: str) -> None:
    device_id, other = world.received(), world.received(serial="PF2ABCDE")
    tamper(owner_url, "delete from custody_events where device_id = :other", other=other)
    tamper(
        owner_url,
        "update custody_events set device_id = :other where seq = 2 and device_id = :own",
        other=other,
        own=device_id,
    )
    assert chain(world, other) != []


def test_two_operators_at_one_device_make_one_move(world: World) -> None:
    device_id = world.expected()
    device, olga, together = world.device(device_id), world.olga, threading.Barrier(2)

    def receive(seal: str) -> str:
        with world.transaction() as session:
            mine = session.get_one(Device, device_id)
            assert mine.state is State.EXPECTED
            together.wait(10)  # Both have read the device as expected before either of them moves it.
            custody.move(session, mine, State.RECEIVED, by=olga, evidence={"seal": seal}, now=world.now)
        return seal

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(receive, seal) for seal in ("S-1", "S-2")]
        answers = [one.exception() or one.result() for one in both]
    (won,) = [answer for answer in answers if isinstance(answer, str)]
    (lost,) = [answer for answer in answers if not isinstance(answer, str)]
    assert isinstance(lost, Conflict)
    assert lost.message == "Someone else moved this device a moment ago. Reload and look again."
    assert [event.kind for event in events(world, device_id)] == ["device.expected", "device.received"]
    assert events(world, device_id)[1].evidence == {"seal": won}
    assert world.device(device_id).custody_seq == device.custody_seq + 1
    assert chain(world, device_id) == []


def test_notes_made_at_once_are_links_in_a_row(world: World) -> None:
    device_id, olga, together = world.received(), world.olga, threading.Barrier(8)

    def weigh(grams: int) -> None:
        together.wait(10)
        with world.transaction() as session:
            bench.weigh(session, olga, device_id, mass_g=grams, seal="S-2", note="", now=world.now)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(weigh, range(1_000, 1_008)))
    assert [event.seq for event in events(world, device_id)] == list(range(1, 11))
    assert {event.evidence["massGrams"] for event in events(world, device_id)[2:]} == set(range(1_000, 1_008))
    assert chain(world, device_id) == []


def test_a_stale_move_changes_nothing(world: World) -> None:
    device_id = world.expected()
    stale = world.device(device_id)
    with world.transaction() as session:
        trade_in.cancel(session, world.cora, device_id, now=world.now)
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="moved this device a moment ago"),
        world.transaction() as session,
    ):
        custody.move(
            session, session.merge(stale, load=False), State.RECEIVED, by=world.olga, evidence={}, now=world.now
        )


def test_there_is_no_way_but_those_of_the_table(world: World) -> None:
    device_id = world.received()
    for state in sorted(set(State) - {State.INSPECTED, State.RETURNED, State.LOST}):
        with (
            world.nothing_changes(),
            pytest.raises(Conflict, match="that is received cannot become"),
            world.transaction() as session,
        ):
            custody.move(session, custody.find(session, device_id), state, by=world.olga, evidence={}, now=world.now)


def test_a_hold_refuses_every_move_until_it_is_lifted_with_a_reason(world: World) -> None:
    device_id = world.received()
    with world.transaction() as session:
        hold_id = bench.place_hold(
            session, world.olga, device_id, kind="stolen", reason="On a police list.", now=world.now
        ).id
    for state in (State.INSPECTED, State.RETURNED):
        with (
            world.nothing_changes(),
            pytest.raises(Conflict, match="stolen: On a police list"),
            world.transaction() as session,
        ):
            custody.move(session, custody.find(session, device_id), state, by=world.olga, evidence={}, now=world.now)
    for reason in ("", "no", "x" * 501):
        with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
            bench.lift_hold(session, world.olga, device_id, hold_id, reason=reason, now=world.now)
        assert refused.value.field == "reason"
    with world.transaction() as session:
        bench.lift_hold(session, world.olga, device_id, hold_id, reason="The list was wrong.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="lifted already"), world.transaction() as session:
        bench.lift_hold(session, world.olga, device_id, hold_id, reason="Once more.", now=world.now)
    with world.transaction() as session:
        custody.move(
            session, custody.find(session, device_id), State.RETURNED, by=world.olga, evidence={}, now=world.now
        )
        hold = session.get_one(Hold, hold_id)
        assert (hold.kind, hold.lifted_by, hold.lift_reason) == (HoldKind.STOLEN, world.olga.id, "The list was wrong.")
    assert [event.kind for event in events(world, device_id)[2:]] == ["hold.placed", "hold.lifted", "device.returned"]


def test_a_hold_is_lifted_on_its_own_device_only(world: World) -> None:
    device_id, other = world.received(), world.received(serial="PF2ABCDE")
    with world.transaction() as session:
        hold_id = bench.place_hold(
            session, world.olga, device_id, kind="lock", reason="Still locked.", now=world.now
        ).id
    for wrong_device, wrong_hold in ((other, hold_id), (device_id, uuid4())):
        with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
            bench.lift_hold(session, world.olga, wrong_device, wrong_hold, reason="Mistaken.", now=world.now)


def test_a_broken_or_missing_seal_stops_the_device_at_the_door(world: World) -> None:
    for seal_state in ("broken", "missing"):
        device_id = world.expected(serial=f"PF-{seal_state}")
        with world.transaction() as session:
            bench.receive(
                session, world.olga, device_id, seal="S-1", seal_state=seal_state, mass_g=1580, note="", now=world.now
            )
        with world.transaction() as session:
            hold = custody.open_hold(session, device_id)
            assert hold is not None
            assert (hold.kind, hold.reason) == (HoldKind.SEAL, f"The seal was {seal_state} at the door.")
        assert world.device(device_id).state is State.RECEIVED


def test_another_device_than_announced_is_held_before_an_offer_is_made(world: World) -> None:
    device_id = world.inspected(shows="SOMETHING-ELSE")
    assert world.device(device_id).state is State.RECEIVED
    assert world.raw("select count(*) from offers where device_id = :d", d=device_id) == 0
    with world.transaction() as session:
        hold = custody.open_hold(session, device_id)
        assert hold is not None
        assert (hold.kind, hold.reason) == (
            HoldKind.WRONG_ITEM,
            "The device shows SOMETHING-ELSE; announced was PF1ABCDE.",
        )
        found = {
            "observed_serial": "SOMETHING-ELSE",
            "mass_g": 1580,
            "findings": good_findings() | {"identity": "differs"},
        }
    with world.nothing_changes(), pytest.raises(Conflict, match="wrong-item"), world.transaction() as session:
        bench.inspect(session, world.olga, device_id, now=world.now, **found)
    with world.transaction() as session:
        bench.lift_hold(
            session, world.olga, device_id, hold.id, reason="The seller agrees: it is this one.", now=world.now
        )
        bench.inspect(session, world.olga, device_id, now=world.now, **found)
    assert world.device(device_id).state is State.INSPECTED
    assert world.raw("select count(*) from holds where device_id = :d", d=device_id) == 1
    assert world.offer(device_id).amount_minor > 0


def test_a_lost_device_that_was_not_cleared_is_a_data_incident(world: World) -> None:
    lost, cleared = world.received(), world.cleared(serial="PF2ABCDE", serials=("DRIVE-2",))
    for device_id in (lost, cleared):
        with world.transaction() as session:
            bench.report_lost(session, world.olga, device_id, reason="Not in its place.", now=world.now)
    assert events(world, lost)[-1].evidence == {"reason": "Not in its place.", "dataIncident": True}
    assert events(world, cleared)[-1].evidence == {"reason": "Not in its place.", "dataIncident": False}
    with world.transaction() as session:
        custody.move(session, custody.find(session, cleared), State.RECEIVED, by=world.olga, evidence={}, now=world.now)
    assert (world.device(cleared).state, world.device(cleared).cycle) == (State.RECEIVED, 2)
    assert world.raw("select count(*) from clearances where device_id = :d and ended_at is null", d=cleared) == 0


def test_title_passes_once_by_its_own_event(world: World) -> None:
    device_id = world.inspected()
    assert world.device(device_id).title is Title.SELLER
    with world.transaction() as session:
        trade_in.confirm_offer(session, world.cora, world.offer(device_id).id, now=world.now)
    assert world.device(device_id).title is Title.MARKET
    (passed,) = [event for event in events(world, device_id) if event.kind == "title.passed"]
    assert passed.evidence == {"from": "seller", "to": "market", "on": "offer.confirmed"}
    with world.nothing_changes(), world.transaction() as session:
        custody.pass_title(
            session, custody.find(session, device_id), Title.MARKET, by=world.olga, on="x", now=world.now
        )
