"""Codes of an app and recovery codes: right ones count, once; and the secret is unreadable without its key."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa

from ewaste.accounts import second_factor as factor
from ewaste.core.refusals import Invalid
from tests.world import World

KEY = "a key of thirty-two characters and more"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def code(world: World, **delta: float) -> str:
    """What an app shows then."""
    return pyotp.TOTP(SECRET).at(int((world.now + timedelta(**delta)).timestamp()))


def enrolled(world: World) -> None:
    with world.transaction() as session:
        factor.enrol(session, world.cora.id, SECRET, code(world), key=KEY, now=world.now)


def prove(world: World, text: str, *, key: str = KEY) -> None:
    with world.transaction() as session:
        factor.prove(session, world.cora.id, text, key=key, now=world.now)


def test_a_code_counts_once_and_its_neighbours_too(world: World) -> None:
    enrolled(world)
    with pytest.raises(Invalid, match="used already"):
        prove(world, code(world))
    world.later(minutes=5)
    prove(world, code(world, seconds=-30))
    prove(world, f" {code(world)[:3]} {code(world)[3:]} ")
    prove(world, code(world, seconds=30))
    for used in (-30, 0, 30):
        with pytest.raises(Invalid, match="used already"):
            prove(world, code(world, seconds=used))


@pytest.mark.parametrize("text", ["", "000000", "12345", "1234567", "abcdef", "\u00b2" * 6, "\u0661" * 6])
def test_what_is_not_the_code_is_refused(world: World, text: str) -> None:
    enrolled(world)
    world.later(minutes=5)
    with world.nothing_changes(), pytest.raises(Invalid) as refused:
        prove(world, text)
    assert refused.value.field == "code"
    for far in (-60, 60):
        with pytest.raises(Invalid):
            prove(world, code(world, seconds=far))


def test_the_secret_is_read_with_its_key_only_and_as_its_persons_only(world: World) -> None:
    enrolled(world)
    with world.transaction() as session:
        sealed = session.scalars(sa.select(factor.Authenticator.sealed_secret)).one()
    assert SECRET.encode() not in sealed
    assert factor.unseal(sealed, KEY, world.cora.id) == SECRET
    for key, person in (("another key", world.cora.id), (KEY, world.actor("ben").id)):
        with pytest.raises(Invalid, match="cannot be checked"):
            factor.unseal(sealed, key, person)
    with pytest.raises(Invalid):
        factor.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), KEY, world.cora.id)


def test_each_of_ten_recovery_codes_counts_once_and_new_ones_end_the_old(world: World) -> None:
    with world.transaction() as session:
        old = factor.new_recovery_codes(session, world.cora.id, now=world.now)
    assert len(set(old)) == factor.RECOVERY_CODES
    prove(world, old[0].lower().replace("-", " "))
    with pytest.raises(Invalid, match="used already"):
        prove(world, old[0])
    with world.transaction() as session:
        assert factor.recovery_codes_left(session, world.cora.id) == 9
        new = factor.new_recovery_codes(session, world.cora.id, now=world.now)
    with pytest.raises(Invalid):
        prove(world, old[1])
    prove(world, new[0])
    with pytest.raises(Invalid), world.transaction() as session:
        factor.prove(session, world.actor("ben").id, new[1], key=KEY, now=world.now)
