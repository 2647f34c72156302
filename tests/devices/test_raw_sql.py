"""Around the front door: what the app role tries with raw SQL to move a device or to rewrite its history."""

from __future__ import annotations

import contextlib
import json
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.core import clock
from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.journey import bench
from tests.world import World

INSERT_DEVICE = """
insert into devices (id, code, device_class, model_code, brand, model, storage_gb, seller_id, centre_id, claimed_serial,
                     observed, title, state, cycle, custody_seq, custody_head, created_at)
select gen_random_uuid(), 'D-0000-0000', device_class, model_code, brand, model, storage_gb, seller_id, centre_id,
       'FORGED1', '{}', :title, :state, :cycle, :seq, :head, created_at from devices limit 1
"""
APPEND = "select custody_append(:body)"


def body(world: World, device_id: UUID, to: Any, **changes: Any) -> str:
    """An event that moves a device, as `custody` writes it; `changes` forge it, `...` leaves a member out."""
    device = world.device(device_id)
    honest = {
        "v": 1,
        "device": str(device.id),
        "seq": device.custody_seq + 1,
        "cycle": device.cycle,
        "kind": f"device.{to}",
        "from": device.state.value,
        "to": to,
        "at": clock.text(world.now),
        "actor": None,
        "actorName": "forger",
        "role": "operator",
        "evidence": {},
        "previous": device.custody_head,
    }
    return json.dumps({name: value for name, value in {**honest, **changes}.items() if value is not ...})


@pytest.mark.parametrize(
    "change",
    [
        "state = 'for_resale'",
        "title = 'buyer'",
        "cycle = 2",
        "custody_seq = 0",
        "custody_head = ''",
        "centre_id = seller_id",
        "code = 'D-1'",
    ],
)
def test_no_column_of_a_device_but_what_it_showed_can_be_updated(world: World, change: str) -> None:
    world.expected()
    assert world.refused_by_database(f"update devices set {change}") == "42501 permission denied for table devices"


def test_a_device_cannot_be_deleted_nor_entered_on_its_way(world: World) -> None:
    world.expected()
    assert world.refused_by_database("delete from devices") == "42501 permission denied for table devices"
    honest = {"state": "expected", "cycle": 1, "seq": 0, "head": "", "title": "seller"}
    for change in (
        {"state": "for_resale"},
        {"state": "cleared"},
        {"cycle": 2},
        {"seq": 5},
        {"head": "x"},
        {"title": "market"},
    ):
        answer = world.refused_by_database(INSERT_DEVICE, **{**honest, **change})
        assert answer == "23514 a device is entered as expected, in its first cycle, without events"
    with world.nothing_changes("devices"):
        world.raw(INSERT_DEVICE, **honest)


def test_a_forged_event_is_answered_in_one_word_and_changes_nothing(world: World) -> None:
    device_id = world.clearing()
    forged = {
        "stale": [
            {"seq": 1},
            {"seq": 99},
            {"previous": ""},
            {"previous": "0" * 64},
            {"previous": ...},
            {"previous": None},
            {"seq": ...},
            {"from": "cleared"},
            {"from": ...},
            {"from": None},
            {"cycle": 2},
            {"cycle": 0},
            {"cycle": ...},
        ],
        "no-way": [
            {"to": "for_resale", "kind": "device.for_resale"},
            {"to": "received", "kind": "device.received"},
            {"to": "nowhere", "kind": "device.nowhere"},
            {"to": ..., "kind": "device.lost"},
            {"to": None, "kind": "device.lost"},
            {"to": "destroying", "kind": "device.lost"},
            {"to": "destroying", "kind": "title.passed"},
            {"to": "destroying", "kind": ...},
        ],
        "not-cleared": [{}],
        "unknown": [{"device": "00000000-0000-0000-0000-000000000001"}, {"device": ...}],
    }
    for answer, changes in forged.items():
        for change in changes:
            with world.nothing_changes():
                to = "cleared" if answer == "not-cleared" else "destroying"
                assert world.raw(APPEND, body=body(world, device_id, **{"to": to, **change})) == answer, change


def test_a_forged_event_without_what_every_event_has_is_refused(world: World) -> None:
    device_id = world.clearing()
    for change in ({"at": ...}, {"at": "whenever"}, {"actorName": ...}, {"evidence": ...}, {"actor": "olga"}):
        world.refused_by_database(APPEND, body=body(world, device_id, "destroying", **change))
    for nonsense in ("", "[]", "{}", "null", "{"):
        with world.nothing_changes(), contextlib.suppress(sa.exc.DataError):
            assert world.raw(APPEND, body=nonsense) == "unknown"


def test_a_held_device_does_not_move_by_a_forged_event_either(world: World) -> None:
    device_id = world.clearing()
    with world.transaction() as session:
        bench.place_hold(session, world.olga, device_id, kind="ownership", reason="Two owners.", now=world.now)
    for to in ("destroying", "cleared"):
        with world.nothing_changes():
            assert world.raw(APPEND, body=body(world, device_id, to)) == "held"
    assert world.raw(APPEND, body=body(world, device_id, "lost")) == "ok"  # A loss is told, whatever stands.


def test_a_note_cannot_carry_a_title_that_does_not_exist(world: World) -> None:
    device_id = world.clearing()
    for to in ("thief", None):
        forged = body(world, device_id, "clearing", kind="title.passed", evidence={"to": to})
        assert world.refused_by_database(APPEND, body=forged)[:5] in {"23514", "23502"}


def test_what_is_appended_by_raw_sql_stands_in_the_chain_like_every_other_event(world: World) -> None:
    device_id = world.clearing()
    assert world.raw(APPEND, body=body(world, device_id, "lost")) == "ok"
    assert world.device(device_id).state is State.LOST
    with world.transaction() as session:
        assert custody.check_chain(session, device_id) == []


def test_events_of_custody_and_of_media_are_not_rewritten(world: World) -> None:
    world.with_media()
    for table, column in (
        ("custody_events", "body"),
        ("medium_events", "kind"),
        ("media", "serial"),
        ("holds", "reason"),
    ):
        for sql in (f"update {table} set {column} = 'x'", f"delete from {table}", f"truncate {table} cascade"):
            assert world.refused_by_database(sql).startswith("42501 permission denied for table"), sql
    forged = """
        insert into custody_events (id, device_id, seq, cycle, kind, from_state, to_state, at, actor_name, evidence,
                                    body, hash)
        select gen_random_uuid(), device_id, 99, cycle, kind, from_state, to_state, at, actor_name, evidence, body, 'x'
        from custody_events limit 1"""
    assert world.refused_by_database(forged) == "42501 permission denied for table custody_events"


def test_the_guards_cannot_be_taken_down_by_whom_they_guard_against(world: World) -> None:
    for sql in (
        "alter table custody_events disable trigger all",
        "drop trigger append_only on custody_events",
        "drop table bids",
        "alter table devices add column x int",
        "create table x (y int)",
        "create function x() returns int language sql as 'select 1'",
        "create or replace function device_listable(p_device uuid) returns boolean language sql as 'select true'",
        "alter function device_listable(uuid) owner to current_user",
        "create trigger x before insert on bids for each row execute function refuse_rewrite()",
        "set session_replication_role = replica",
        "create temp table clearances (device_id uuid)",
        "insert into device_transitions values ('expected', 'for_resale', false, false)",
        "update device_transitions set needs_clearance = false",
        "insert into admitted_evidence values ('ssd', 'absent', '')",
        "delete from admitted_evidence",
        "update installation set mode = 'live'",
        "update alembic_version set version_num = 'x'",
        "select unlist((select id from devices limit 1), 'because', now())",
        "copy devices from program 'true'",
        "truncate refusals",
    ):
        assert world.refused_by_database(sql)[:5] == "42501", sql
    rights = (
        "select string_agg(relname || cast(relacl as text), '|' order by relname) from pg_class"
        " where relnamespace = cast('public' as regnamespace)"
    )
    granted = world.raw(rights)
    for sql in ("grant all on devices to current_user", "grant select on devices to public"):
        world.raw(sql)  # PostgreSQL only warns: there is nothing that this role could give away.
    assert world.raw(rights) == granted
