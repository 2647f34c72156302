"""The table of states, read three ways: as the code has it, as the database has it, and as a graph."""

from __future__ import annotations

from graphlib import TopologicalSorter

import sqlalchemy as sa

from ewaste.devices.lifecycle import (
    BACK,
    ENDS,
    NEXT,
    WAYS,
    State,
    allowed,
    despite_hold,
    needs_clearance,
    opens_cycle,
    transitions,
)
from tests.world import World

# The picture of the design, edge by edge.
STRAIGHT = """
expected → received cancelled · received → inspected returned · inspected → clearing returned
clearing → cleared destroying · destroying → cleared · cleared → for_resale for_remanufacture for_dismantling
for_remanufacture → reinspected · reinspected → for_resale for_dismantling · for_resale → for_dismantling
for_resale → sold · for_remanufacture → sold · for_dismantling → sold dismantled · sold → delivered
delivered → dismantled remade
"""
OPEN = [
    "expected",
    "received",
    "inspected",
    "clearing",
    "destroying",
    "cleared",
    "for_resale",
    "for_remanufacture",
    "for_dismantling",
    "reinspected",
    "sold",
]
TURNING_BACK = """
delivered → received · sold → for_resale for_remanufacture for_dismantling
for_resale → clearing for_remanufacture · for_remanufacture → clearing · for_dismantling → clearing · lost → received
cleared → clearing
"""


def edges(picture: str) -> set[tuple[str, str]]:
    """The (from, to) pairs of a picture."""
    read = (line.split(" → ") for line in picture.replace("\n", " · ").split(" · ") if line.strip())
    return {(old.strip(), new) for old, news in read for new in news.split()}


def test_the_straight_way_is_the_one_of_the_design() -> None:
    drawn = edges(STRAIGHT) | {(state, "lost") for state in OPEN}
    assert {(old.value, new.value) for old, news in NEXT.items() for new in news} == drawn
    assert {(old.value, new.value) for old, news in BACK.items() for new in news} == edges(TURNING_BACK)


def test_without_the_edges_that_turn_back_nothing_comes_round_again() -> None:
    order = list(TopologicalSorter({old: set(news) for old, news in NEXT.items()}).static_order())  # Or a CycleError.
    assert sorted(order) == sorted(State)


def test_every_edge_that_turns_back_closes_a_circle() -> None:
    for old, news in BACK.items():
        for new in news:
            assert old in reached(new), f"{old} → {new} does not turn back: it belongs into NEXT"


def reached(start: State) -> set[State]:
    """Every state that the straight way leads to from here."""
    seen: set[State] = set()
    ahead = [start]
    while ahead:
        for state in NEXT[ahead.pop()] - seen:
            seen.add(state)
            ahead.append(state)
    return seen


def test_every_state_is_reached_and_every_way_has_an_end() -> None:
    assert reached(State.EXPECTED) | {State.EXPECTED} == set(State)
    for state in set(State) - ENDS - {State.LOST}:
        assert reached(state) & ENDS, state
    assert all(not NEXT[state] and state not in BACK for state in ENDS)


def test_a_custody_cycle_begins_when_a_device_comes_back_or_its_proof_falls() -> None:
    opening = {(old, new) for old in State for new in State if opens_cycle(old, new)}
    assert opening == {
        (State.DELIVERED, State.RECEIVED),
        (State.LOST, State.RECEIVED),
        *((way, State.CLEARING) for way in WAYS),
        (State.CLEARED, State.CLEARING),
    }


def test_nothing_goes_on_after_the_clearing_without_a_clearance() -> None:
    behind_the_gate = {
        State.CLEARED,
        State.REINSPECTED,
        State.SOLD,
        State.DELIVERED,
        State.DISMANTLED,
        State.REMADE,
        *WAYS,
    }
    for old in State:
        for new in State:
            if allowed(old, new):
                given_up = old is State.SOLD and new in WAYS
                reported = old is State.DELIVERED  # It has left; what became of it is a fact.
                gate = new in behind_the_gate and not given_up and not reported
                assert needs_clearance(old, new) is gate, (old, new)


def test_a_hold_stops_everything_but_a_loss_a_given_up_sale_and_what_a_buyer_tells_or_brings_back() -> None:
    in_spite = {(old, new) for old in State for new in State if allowed(old, new) and despite_hold(old, new)}
    facts = {(State.DELIVERED, new) for new in (State.DISMANTLED, State.REMADE, State.RECEIVED)}
    assert in_spite == {(State(state), State.LOST) for state in OPEN} | {(State.SOLD, way) for way in WAYS} | facts


def test_only_clearing_and_destroying_lead_through_the_gate() -> None:
    assert {old for old in State if allowed(old, State.CLEARED)} == {State.CLEARING, State.DESTROYING}
    assert {old for old in State for way in WAYS if allowed(old, way)} == {
        State.CLEARED,
        State.REINSPECTED,
        State.FOR_RESALE,
        State.SOLD,
    }


def test_the_database_holds_the_same_table(world: World) -> None:
    with world.transaction() as session:
        held = session.execute(
            sa.text("select from_state, to_state, opens_cycle, needs_clearance, despite_hold from device_transitions")
        ).all()
    assert sorted(tuple(row) for row in held) == transitions()
    assert len(held) == sum(len(news) for table in (NEXT, BACK) for news in table.values()) == 44
