"""A witness of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transparency.witness import Witness
from tests.world import World


@pytest.fixture
def witness(world: World, tmp_path: Path) -> Witness:
    """One witness, and a trust file that asks for it."""
    return Witness(world, tmp_path)
