"""The drill, required: a market at work, a backup, everything lost, a restore, and every promise kept."""

from __future__ import annotations

import pytest

from tests.operate.drill import drill


@pytest.mark.campaign
def test_what_was_acknowledged_before_a_backup_began_outlives_the_loss_of_everything() -> None:
    said: list[str] = []
    outcome = drill(lambda words: said.append(str(words)))
    assert outcome.holds, "\n".join(said)
    assert len(outcome.claims) == 11
