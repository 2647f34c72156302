"""Opening an account, signing in, and being signed out everywhere."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ewaste.accounts import people, sessions
from ewaste.accounts.models import Person, Role
from ewaste.accounts.samples import PASSWORD, SAMPLES
from ewaste.core.refusals import Conflict, Invalid
from ewaste.journey import founding
from tests.conftest import SLOW_HASHER
from tests.world import World


def test_somebody_opens_an_account_and_signs_in(world: World) -> None:
    with world.transaction() as session:
        opened = people.open_account(
            session, email=" Nia@Example.ORG ", name=" Nia Okoro ", password="a long enough one", now=world.now
        )
    assert (opened.email, opened.name, opened.session_epoch, opened.sample) == (
        "nia@example.org",
        "Nia Okoro",
        0,
        False,
    )
    assert opened.password_hash.startswith("$argon2id$")
    with world.transaction() as session:
        person = people.sign_in(session, email="NIA@example.org", password="a long enough one")
        actor = sessions.actor_of(session, person.id)
    assert (actor.id, actor.role, actor.organisation_id, actor.confirmed) == (opened.id, Role.CONSUMER, None, False)


def test_an_account_names_the_field_that_cannot_be_taken(world: World) -> None:
    cases: list[tuple[str, dict[str, str]]] = [
        ("email", {"email": "nia"}),
        ("email", {"email": "@example.org"}),
        ("email", {"email": "nia@"}),
        ("email", {"email": "nia okoro@example.org"}),
        ("email", {"email": "n" * 250 + "@x.org"}),
        ("name", {"name": "  "}),
        ("name", {"name": "n" * 121}),
        ("password", {"password": "too short"}),
        ("password", {"password": "x" * 201}),
    ]
    for field, change in cases:
        given = {"email": "nia@example.org", "name": "Nia", "password": "a long enough one", **change}
        with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
            people.open_account(session, now=world.now, **given)
        assert refused.value.field == field


def test_one_address_has_one_account(world: World) -> None:
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match="Sign in instead") as refused,
        world.transaction() as session,
    ):
        people.open_account(session, email="CORA@example.org", name="C", password="a long enough one", now=world.now)
    assert refused.value.field == "email"


def test_signing_in_does_not_tell_whether_the_address_is_known(world: World) -> None:
    for email, password in (("cora@example.org", "wrong password"), ("nobody@example.org", PASSWORD), ("", "")):
        with world.nothing_changes(), pytest.raises(Invalid) as refused, world.transaction() as session:
            people.sign_in(session, email=email, password=password)
        assert (refused.value.field, refused.value.message) == (
            "password",
            "The e-mail address and the password do not belong together. Try again.",
        )


def test_every_sample_account_acts_in_its_role(world: World) -> None:
    for sample in SAMPLES:
        actor = world.actor(sample.email.split("@")[0])
        assert actor.role is sample.role
        assert (actor.organisation_id is None) is (sample.organisation is None)


def test_founding_the_sample_market_again_changes_nothing(world: World) -> None:
    with world.nothing_changes(), world.transaction() as session:
        assert founding.found_sample_market(session, issuers=world.issuers, now=world.now) == 0


def test_who_somebody_is_cannot_be_rewritten_by_the_app_role(world: World) -> None:
    for sql in (
        "delete from people",
        "update memberships set role = 'staff'",
        "delete from memberships",
        "update organisations set kind = 'centre'",
    ):
        assert world.refused_by_database(sql).startswith("42501 permission denied")
    said = world.refused_by_database("update people set email = 'root@example.org' where email like 'cora@%'")
    assert "an address changes by a link that was sent to it" in said
    with world.transaction() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Person)) == len(SAMPLES)


def test_passwords_are_hashed_as_slowly_as_rfc_9106_recommends_for_little_memory() -> None:
    """Argon2id with three passes over 64 MiB in four lanes (RFC 9106, section 4, second recommended option)."""
    hasher = SLOW_HASHER
    assert (hasher.type.name, hasher.time_cost, hasher.memory_cost, hasher.parallelism) == ("ID", 3, 65_536, 4)


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("1234567890", "Digits alone"),
        ("new.person@example.org", "This is your e-mail address"),
        ("New.Person", "This is your e-mail address"),
        ("aaaaaaaaaaaa", "a pattern that is tried first"),
        ("qwertzuiop", "a pattern that is tried first"),
        ("Password123!", "one of the passwords that are tried first"),
    ],
)
def test_a_password_that_is_guessed_first_opens_no_account(world: World, password: str, says: str) -> None:
    with world.nothing_changes(), pytest.raises(Invalid, match=says) as refused, world.transaction() as session:
        people.open_account(
            session, email="new.person@example.org", name="New Person", password=password, now=world.now
        )
    assert refused.value.field == "password"
