"""Sessions end when they should, and a token that was changed opens nothing."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ewaste.accounts import sessions
from ewaste.accounts.models import Membership, Organisation, OrganisationState, Person, Role
from ewaste.accounts.sessions import Missing, SignedIn
from ewaste.core.refusals import NotFound
from ewaste.journey import entering
from tests.world import World


def begin(world: World, who: str) -> str:
    with world.transaction() as session:
        return sessions.begin(session, world.actor(who).id, agent="Firefox/140.0 on Linux", now=world.now)


def look(world: World, token: str, *, training: bool = True) -> SignedIn | None:
    with world.transaction() as session:
        return sessions.signed_in(session, token, now=world.now, training=training)


def test_a_session_says_as_whom_somebody_acts(world: World) -> None:
    known = look(world, begin(world, "olga"))
    assert known is not None
    assert (known.actor.role, known.organisation_name, known.missing) == (Role.OPERATOR, "Rhein Datenpark", None)
    assert known.actor.organisation_id == world.organisation("Rhein Datenpark")


def test_the_database_does_not_know_the_token(world: World) -> None:
    token = begin(world, "cora")
    with world.transaction() as session:
        kept = session.scalars(sa.select(sessions.SignIn.token_hash)).all()
    assert token not in kept
    assert sessions.hashed(token) in kept


@pytest.mark.parametrize(
    ("who", "hours", "alive"),
    [("cora", 11, True), ("cora", 13, False), ("olga", 1.9, True), ("olga", 2.1, False), ("stefan", 2.1, False),
     ("rita", 2.1, True)],
)  # fmt: skip
def test_a_session_ends_after_twelve_hours_and_idle_ones_of_centre_and_staff_after_two(
    world: World, who: str, hours: float, alive: bool
) -> None:
    token = begin(world, who)
    world.later(hours=hours)
    assert (look(world, token) is not None) is alive


def test_who_works_on_stays_signed_in_but_no_longer_than_twelve_hours(world: World) -> None:
    token = begin(world, "olga")
    for _ in range(11):
        world.later(hours=1)
        known = look(world, token)
        assert known is not None
        with world.transaction() as session:
            sessions.note_seen(session, known.session_id, now=world.now)
    world.later(hours=1, minutes=1)
    assert look(world, token) is None


def test_a_token_that_was_changed_opens_nothing(world: World) -> None:
    token = begin(world, "cora")
    known = look(world, token)
    assert known is not None
    with world.transaction() as session:
        fresh = sessions.rotate(session, known.session_id, now=world.now)
    assert look(world, token) is None
    again = look(world, fresh)
    assert again is not None
    assert again.session_id == known.session_id


def test_one_session_ends_without_the_others_and_nobody_ends_anothers(world: World) -> None:
    first, second = begin(world, "cora"), begin(world, "cora")
    known = look(world, first)
    assert known is not None
    with pytest.raises(NotFound), world.transaction() as session:
        sessions.end(session, world.actor("ben").id, known.session_id, now=world.now)
    with world.transaction() as session:
        sessions.end(session, world.cora.id, known.session_id, now=world.now)
    assert look(world, first) is None
    assert look(world, second) is not None


def test_signing_out_everywhere_ends_every_session_and_those_of_the_release_before(world: World) -> None:
    tokens = [begin(world, "cora"), begin(world, "cora")]
    with world.transaction() as session:
        sessions.end_all(session, world.cora.id, now=world.now)
    assert [look(world, token) for token in tokens] == [None, None]
    assert world.raw("select session_epoch from people where email = 'cora@example.org'") == 1


def test_staff_need_a_second_factor_and_sample_accounts_none_but_they_are_nobody_in_a_live_market(world: World) -> None:
    with world.transaction() as session:
        path = entering.invite_staff(session, email="sven@example.org", name="Sven", now=world.now)
        person, _ = entering.join_newly(
            session, path.rpartition("/")[2], name="Sven", password="long enough 1", now=world.now
        )
        token = sessions.begin(session, person.id, agent="", now=world.now)
    known = look(world, token, training=False)
    assert known is not None
    assert (known.actor.role, known.missing) == (Role.STAFF, Missing.ENROL)
    for who in ("olga", "stefan", "cora"):
        token = begin(world, who)
        sample = look(world, token)
        assert sample is not None
        assert sample.missing is None
        assert look(world, token, training=False) is None


def test_who_left_a_firm_or_whose_firm_was_declined_acts_for_it_no_more(world: World) -> None:
    rita, ravi = begin(world, "rita"), begin(world, "ravi")
    with world.transaction() as session:
        session.execute(
            sa.update(Membership).where(Membership.person_id == world.actor("rita").id).values(ended_at=world.now)
        )
        session.execute(
            sa.update(Organisation)
            .where(Organisation.name == "Kreislauf Kontor")
            .values(state=OrganisationState.DECLINED)
        )
    assert look(world, rita) is None
    known = look(world, ravi)
    assert known is not None
    assert (known.actor.role, known.actor.organisation_id) == (Role.CONSUMER, None)


def test_whoever_has_not_confirmed_the_address_acts_for_no_firm(world: World) -> None:
    token = begin(world, "rita")
    with world.transaction() as session:
        session.execute(sa.update(Person).where(Person.email == "rita@werk.example").values(email_confirmed_at=None))
    known = look(world, token)
    assert known is not None
    assert (known.actor.role, known.actor.organisation_id, known.actor.confirmed) == (Role.CONSUMER, None, False)


def test_looking_up_a_session_takes_one_statement(world: World) -> None:
    token, seen = begin(world, "olga"), []
    sa.event.listen(world.database.engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    assert look(world, token) is not None
    assert len([text for text in seen if "FROM sessions" in text]) == len(seen) == 1


@pytest.mark.parametrize("token", ["", "x", "x" * 5000, "\u00fc" * 30, "a" * 43])
def test_what_is_no_token_is_nobodys(world: World, token: str) -> None:
    assert look(world, token) is None
