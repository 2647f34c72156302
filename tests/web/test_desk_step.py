"""What the desk reads as the next step of a device, in each of its states."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ewaste.devices.lifecycle import ENDS, WAYS, State
from ewaste.views.desk_step import Stands, step

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def told(state: State, **more: object) -> tuple[str, str] | None:
    said = step(Stands(state, "Rhein Datenpark", **more))  # type: ignore[arg-type]
    return (said["title"], said["who"]) if said else None


@pytest.mark.parametrize("state", list(State))
def test_every_state_has_a_next_step_but_the_ends_and_a_hold_comes_before_it(state: State) -> None:
    if state in ENDS:
        assert told(state) is None
        assert told(state, held=True) is None
    else:
        assert told(state) is not None
        assert told(state, held=True) == ("Settle the hold", "Rhein Datenpark")
        said = step(Stands(state, "Rhein Datenpark", pay_by=NOON, listable=True))
        assert said is not None
        assert "you" not in f"{said['title']} {said['text']}".lower().split()


def test_while_an_offer_is_open_the_seller_answers_it_and_otherwise_it_goes_back() -> None:
    assert told(State.INSPECTED, answer_by=NOON) == ("The seller answers the offer", "the seller")
    assert told(State.INSPECTED) == ("It goes back", "Rhein Datenpark")


def test_a_clear_device_waits_for_the_desk_until_it_is_for_sale() -> None:
    assert {way: told(way, listable=True) for way in WAYS} == {
        State.FOR_RESALE: ("List it", "our desk"),
        State.FOR_REMANUFACTURE: ("Form a lot", "our desk"),
        State.FOR_DISMANTLING: ("Form a lot", "our desk"),
    }
    for way in WAYS:
        assert told(way, listable=True, for_sale=True) == ("It waits for a buyer", "the buyer")
        assert told(way) == ("It is wiped anew", "Rhein Datenpark")


def test_by_when_the_seller_is_paid_is_told_while_that_is_open() -> None:
    said = step(Stands(State.CLEARING, "Rhein Datenpark", pay_by=NOON))
    assert said is not None
    assert said["by"] == NOON
    assert said["text"].endswith("The seller is paid then, at the latest on the day named here.")
    paid = step(Stands(State.CLEARING, "Rhein Datenpark"))
    assert paid is not None
    assert (paid["by"], paid["text"]) == (
        None,
        "Every storage medium in it is wiped or destroyed, and signed for.",
    )
