"""The states of a device and the moves between them, as a table that can be read aloud.

`NEXT` has no cycle. `BACK` are the edges that turn back; all but a buyer's default open a new custody cycle, because
the device was out of our hands or its proof fell (ADR 0008 tells why the default does not).
The database holds the same table (`device_transitions`); a test compares the two.
"""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    """Where a device stands."""

    EXPECTED = "expected"
    RECEIVED = "received"
    CANCELLED = "cancelled"
    INSPECTED = "inspected"
    RETURNED = "returned"
    CLEARING = "clearing"
    DESTROYING = "destroying"
    CLEARED = "cleared"
    FOR_RESALE = "for_resale"
    FOR_REMANUFACTURE = "for_remanufacture"
    FOR_DISMANTLING = "for_dismantling"
    REINSPECTED = "reinspected"
    SOLD = "sold"
    DELIVERED = "delivered"
    DISMANTLED = "dismantled"
    REMADE = "remade"
    LOST = "lost"


S = State
WAYS = frozenset({S.FOR_RESALE, S.FOR_REMANUFACTURE, S.FOR_DISMANTLING})
ENDS = frozenset({S.CANCELLED, S.RETURNED, S.DISMANTLED, S.REMADE})

# While it stands so and is its seller's, it may still be sent back.
GOES_BACK_FROM = (S.EXPECTED, S.RECEIVED, S.INSPECTED, S.LOST)

# Not on a centre's bench: not there yet, gone, or at its end.
AWAY = ENDS | {S.EXPECTED, S.DELIVERED, S.LOST}

NEXT: dict[State, frozenset[State]] = {
    S.EXPECTED: frozenset({S.RECEIVED, S.CANCELLED, S.LOST}),
    S.RECEIVED: frozenset({S.INSPECTED, S.RETURNED, S.LOST}),
    S.INSPECTED: frozenset({S.CLEARING, S.RETURNED, S.LOST}),
    S.CLEARING: frozenset({S.CLEARED, S.DESTROYING, S.LOST}),
    S.DESTROYING: frozenset({S.CLEARED, S.LOST}),
    S.CLEARED: frozenset({*WAYS, S.LOST}),
    S.FOR_REMANUFACTURE: frozenset({S.REINSPECTED, S.SOLD, S.LOST}),
    S.REINSPECTED: frozenset({S.FOR_RESALE, S.FOR_DISMANTLING, S.LOST}),
    S.FOR_RESALE: frozenset({S.FOR_DISMANTLING, S.SOLD, S.LOST}),
    S.FOR_DISMANTLING: frozenset({S.DISMANTLED, S.SOLD, S.LOST}),
    S.SOLD: frozenset({S.DELIVERED, S.LOST}),
    S.DELIVERED: frozenset({S.DISMANTLED, S.REMADE}),
    S.CANCELLED: frozenset(),
    S.RETURNED: frozenset(),
    S.DISMANTLED: frozenset(),
    S.REMADE: frozenset(),
    S.LOST: frozenset(),
}

BACK: dict[State, frozenset[State]] = {
    S.CLEARED: frozenset({S.CLEARING}),
    S.FOR_RESALE: frozenset({S.FOR_REMANUFACTURE, S.CLEARING}),
    S.FOR_REMANUFACTURE: frozenset({S.CLEARING}),
    S.FOR_DISMANTLING: frozenset({S.CLEARING}),
    S.SOLD: WAYS,
    S.DELIVERED: frozenset({S.RECEIVED}),
    S.LOST: frozenset({S.RECEIVED}),
}

# A move on into one of these needs a live clearance; turning back into a way (a buyer's default) does not, nor does
# the report of what became of a device that has left.
NEEDS_CLEARANCE = frozenset({S.CLEARED, *WAYS, S.REINSPECTED, S.SOLD, S.DELIVERED, S.DISMANTLED, S.REMADE})


def allowed(old: State, new: State) -> bool:
    """Whether a device may go from `old` to `new`, holds and clearances apart."""
    return new in NEXT[old] or new in BACK.get(old, frozenset())


def opens_cycle(old: State, new: State) -> bool:
    """Whether this move turns back into our hands and so opens a new custody cycle."""
    return new in {S.CLEARING, S.RECEIVED} and new in BACK.get(old, frozenset())


def needs_clearance(old: State, new: State) -> bool:
    """Whether this move is refused without a live clearance."""
    return new in NEEDS_CLEARANCE and old is not S.DELIVERED and not (old is S.SOLD and new in WAYS)


def despite_hold(old: State, new: State) -> bool:
    """Whether this move is made although a hold stands.

    A loss is told at once; a default moves nothing; and what a recycler reports of a device has happened already.
    """
    return new is S.LOST or old is S.DELIVERED or (old is S.SOLD and new in WAYS)


def transitions() -> list[tuple[str, str, bool, bool, bool]]:
    """Every edge as (from, to, opens a cycle, needs a live clearance, is made despite a hold), sorted.

    This is what the database is given.
    """
    edges = [(old, new) for table in (NEXT, BACK) for old, news in table.items() for new in news]
    return sorted(
        (old.value, new.value, opens_cycle(old, new), needs_clearance(old, new), despite_hold(old, new))
        for old, new in edges
    )
