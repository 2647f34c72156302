"""Refusals: four kinds, each kept with who asked for what, in a transaction of its own."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ewaste.core import refusals
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound, Refusal, RefusalNote
from tests.world import World


def test_there_are_four_kinds_and_each_is_a_refusal() -> None:
    assert {kind.kind for kind in (NotFound, NotAllowed, Invalid, Conflict)} == {
        "not-found",
        "not-allowed",
        "invalid",
        "conflict",
    }
    assert all(issubclass(kind, Refusal) for kind in (NotFound, NotAllowed, Invalid, Conflict))


def test_a_refusal_carries_its_sentence_its_field_and_its_detail() -> None:
    refusal = Invalid("Give the weight in grams.", field="mass_g", detail={"given": "1,5 kg"})
    assert (str(refusal), refusal.field, refusal.detail) == ("Give the weight in grams.", "mass_g", {"given": "1,5 kg"})
    assert (Conflict("No.").field, Conflict("No.").detail) == (None, {})


def test_a_refusal_is_kept_and_nothing_else_changes(world: World) -> None:
    with world.nothing_changes("refusals"), world.transaction() as session:
        refusals.note(
            session,
            Invalid("x" * 2_000, field="mass_g", detail={"a": 1}),
            action="receive a device" * 20,
            actor_id=world.olga.id,
            subject="D" * 300,
            now=world.now,
        )
    with world.transaction() as session:
        kept = session.scalars(sa.select(RefusalNote)).one()
    assert (kept.kind, kept.field, kept.detail, kept.actor_id, kept.at) == (
        "invalid",
        "mass_g",
        {"a": 1},
        world.olga.id,
        world.now,
    )
    assert (len(kept.message), len(kept.action), len(kept.subject or "")) == (1_000, 80, 200)


@pytest.mark.parametrize("sql", ["update refusals set message = 'never happened'", "delete from refusals"])
def test_a_kept_refusal_is_not_rewritten(world: World, sql: str) -> None:
    assert world.refused_by_database(sql) == "42501 permission denied for table refusals"
