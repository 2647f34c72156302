"""Stations: enrolled once with a code of their centre and a key they hold; their requests admitted once."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.centres import accreditation, stations
from ewaste.centres.models import Station
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.journey import accrediting, bench, clearing
from ewaste.views import bench as views
from ewaste.views import trail
from tests.world import World
from wipe_agent import certificate as wipe


def code_for(world: World, who: str = "olga") -> str:
    with world.transaction() as session:
        return bench.new_enrolment_code(session, world.actor(who), now=world.now)


def letter(code: str, key: Ed25519PrivateKey, **change: str) -> dict[str, str]:
    """What a station sends to enrol."""
    public = wipe.public_key_multibase(key.public_key())
    proof = base64.b64encode(key.sign(f"ewaste-enrol-v1\n{code}\n{public}".encode())).decode()
    return {"code": code, "name": "Bench 1", "public_key": public, "proof": proof, **change}


def enrol(world: World, **sent: str) -> Station:
    with world.transaction() as session:
        return clearing.enrol_station(session, issuers=world.issuers, **sent, now=world.now)


def keys(world: World) -> set[str]:
    with world.transaction() as session:
        return set(accreditation.station_keys(session, world.organisation("Rhein Datenpark"), now=world.now).values())


def test_a_station_enrols_with_its_centres_code_and_the_accreditation_names_its_key(world: World) -> None:
    key = Ed25519PrivateKey.generate()
    sent = letter(code_for(world), key)
    station = enrol(world, **sent)
    assert station.verification_method.startswith("did:web:market.test:centres:rhein-datenpark#station-")
    assert keys(world) == {sent["public_key"]}
    with world.transaction() as session:
        newest = accreditation.current(session, station.centre_id)
        assert sent["public_key"] in newest.document
        assert newest.issued_because == "station Bench 1 enrolled"


def test_a_code_is_kept_as_a_hash_only(world: World) -> None:
    code = code_for(world)
    assert len(code) == 23
    assert (
        world.raw(
            "select count(*) from enrolment_codes where position(:c in enrolment_codes::text) > 0".replace(
                "::", "\\:\\:"
            ),
            c=code,
        )
        == 0
    )


def test_a_code_works_once(world: World) -> None:
    code = code_for(world)
    first = letter(code, Ed25519PrivateKey.generate())
    station = enrol(world, **first)
    with world.nothing_changes():
        assert enrol(world, **first).id == station.id  # The answer was lost, so the station asks again.
    with world.nothing_changes(), pytest.raises(Conflict, match="used already") as refused:
        enrol(world, **letter(code, Ed25519PrivateKey.generate()))
    assert refused.value.field == "code"


def test_a_code_that_two_stations_send_at_once_enrols_one(world: World) -> None:
    code, together = code_for(world), threading.Barrier(3)
    letters = [letter(code, Ed25519PrivateKey.generate()) for _ in range(3)]

    def one(sent: dict[str, str]) -> str:
        together.wait(10)
        try:
            return str(enrol(world, **sent).id)
        except Conflict:
            return "refused"

    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(one, letters))
    assert answers.count("refused") == 2
    assert len(keys(world)) == 1


def test_a_code_ends_after_a_day(world: World) -> None:
    code = code_for(world)
    world.later(hours=24)
    with world.nothing_changes(), pytest.raises(Conflict, match="ran out after a day"):
        enrol(world, **letter(code, Ed25519PrivateKey.generate()))


def test_what_cannot_enrol_names_its_field(world: World) -> None:
    code, key, other = code_for(world), Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    good = letter(code, key)
    for field, change in (
        ("code", {"code": "AAAAA-BBBBB-CCCCC-DDDDD"}),
        ("code", {"code": ""}),
        ("station_name", {"name": " "}),
        ("station_name", {"name": "x" * 81}),
        ("public_key_multibase", {"public_key": "z6MkNot"}),
        ("public_key_multibase", {"public_key": ""}),
        ("proof", {"proof": "not base64!"}),
        ("proof", {"proof": letter(code, other)["proof"]}),
        ("proof", {"proof": letter("AAAAA-BBBBB-CCCCC-DDDDD", key)["proof"]}),
        ("proof", {"public_key": letter(code, other)["public_key"]}),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            enrol(world, **{**good, **change})
        assert refused.value.field == field, change
    assert enrol(world, **good).name == "Bench 1"


def test_a_key_is_enrolled_once(world: World) -> None:
    key = Ed25519PrivateKey.generate()
    enrol(world, **letter(code_for(world), key))
    for who in ("olga", "omar"):
        code = code_for(world, who)
        with world.nothing_changes(), pytest.raises(Conflict, match="enrolled already"):
            enrol(world, **letter(code, key))


def test_a_suspended_centre_enrols_no_station(world: World) -> None:
    code = code_for(world)
    with world.transaction() as session:
        accrediting.suspend(
            session, world.stefan, world.organisation("Rhein Datenpark"), reason="An audit.", now=world.now
        )
    with world.nothing_changes(), pytest.raises(Conflict, match="suspended: An audit"):
        enrol(world, **letter(code, Ed25519PrivateKey.generate()))
    with world.nothing_changes(), pytest.raises(Conflict, match="suspended: An audit"):
        code_for(world)


def test_only_a_centres_operator_makes_codes_and_retires_its_stations(world: World) -> None:
    held = world.station()
    for who in ("cora", "rita", "stefan", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            code_for(world, who)
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        bench.retire_station(
            session, world.actor("omar"), held.station.id, issuers=world.issuers, reason="x", now=world.now
        )
    with world.transaction() as session:
        bench.retire_station(
            session, world.olga, held.station.id, issuers=world.issuers, reason="Worn out", now=world.now
        )
    assert keys(world) == set()
    with world.nothing_changes(), pytest.raises(Conflict, match="revoked already"), world.transaction() as session:
        bench.retire_station(session, world.stefan, held.station.id, issuers=world.issuers, reason="x", now=world.now)


def test_a_revoked_or_unknown_station_is_not_spoken_with(world: World) -> None:
    held = world.station()
    with world.transaction() as session:
        assert stations.by_method(session, held.station.verification_method, now=world.now).id == held.station.id
        with pytest.raises(NotAllowed, match="No station is enrolled"):
            stations.by_method(session, "did:web:market.test:centres:rhein-datenpark#station-0", now=world.now)
        bench.retire_station(
            session, world.olga, held.station.id, issuers=world.issuers, reason="Stolen", now=world.now
        )
        with pytest.raises(NotAllowed, match="This station was revoked: Stolen"):
            stations.by_method(session, held.station.verification_method, now=world.now)


def test_a_signed_request_is_admitted_once_and_near_its_time(world: World) -> None:
    station = world.station().station
    began = world.now

    def use(nonce: str, seconds: int = 0) -> None:
        with world.transaction() as session:
            stations.use_nonce(session, station, nonce, began + timedelta(seconds=seconds), now=world.now)

    use("n" * 8)
    use("n" * 9, 300)
    use("n" * 10, -300)
    for nonce, seconds, why in (
        ("n" * 8, 0, "sent before"),
        ("fresh-one", 301, "five minutes"),
        ("fresh-one", -301, "five minutes"),
        ("short", 0, "nonce of 8 to 100"),
        ("x" * 101, 0, "nonce of 8 to 100"),
    ):
        with world.nothing_changes(), pytest.raises(NotAllowed, match=why):
            use(nonce, seconds)
    world.later(minutes=5)
    with world.nothing_changes(), pytest.raises(NotAllowed, match="sent before"):
        use("n" * 8)
    world.later(minutes=11)
    began = world.now
    use("another-one")
    with world.transaction() as session:
        assert list(session.scalars(sa.text("select nonce from seen_nonces"))) == ["another-one"]


def test_a_nonce_sent_by_many_at_once_is_admitted_once(world: World) -> None:
    station, together = world.station().station, threading.Barrier(5)

    def one(_: int) -> bool:
        together.wait(10)
        try:
            with world.transaction() as session:
                stations.use_nonce(session, station, "the-same-nonce", world.now, now=world.now)
            return True
        except NotAllowed:
            return False

    with ThreadPoolExecutor(5) as pool:
        assert sorted(pool.map(one, range(5))) == [False] * 4 + [True]


def codes(world: World) -> list[UUID]:
    """The codes of Olga's centre that its page lists."""
    with world.transaction() as session:
        return [row["id"] for row in views.stations(session, world.olga, now=world.now)["codes"]]


def withdraw(world: World, code: UUID, who: str = "olga") -> None:
    with world.transaction() as session:
        bench.withdraw_code(session, world.actor(who), code, now=world.now)


def test_a_code_that_its_centre_withdrew_enrols_nobody_and_the_trail_says_who_withdrew_it(world: World) -> None:
    text, before = code_for(world), keys(world)
    [code] = codes(world)
    withdraw(world, code)
    assert codes(world) == []
    sent = letter(text, Ed25519PrivateKey.generate())
    with (
        world.nothing_changes(),
        pytest.raises(Conflict, match=r"^Your centre withdrew this enrolment code\.") as refused,
    ):
        enrol(world, **sent)
    assert (refused.value.field, keys(world)) == ("code", before)
    with world.transaction() as session:
        [noted] = trail.trail(session, world.stefan, trail.Narrowed(action="enrolment code withdrawn"), page=1)["rows"]
    assert (noted["who"], noted["about"], noted["text"]) == ("Olga Brandt", "Rhein Datenpark", "made by Olga Brandt")
    alone = "update enrolment_codes set used_at = now() where id = :id"
    assert world.refused_by_database(alone, id=code).startswith("42501")


def test_a_code_that_is_used_withdrawn_or_run_out_is_not_withdrawn_and_no_other_centre_sees_it(world: World) -> None:
    used = code_for(world)
    [first] = codes(world)
    with world.nothing_changes(), pytest.raises(NotFound):
        withdraw(world, uuid4())
    with world.nothing_changes(), pytest.raises(NotFound):
        withdraw(world, first, "omar")
    enrol(world, **letter(used, Ed25519PrivateKey.generate()))
    with world.nothing_changes(), pytest.raises(Conflict, match="enrolled with this code already"):
        withdraw(world, first)
    code_for(world)
    [second] = codes(world)
    withdraw(world, second)
    with world.nothing_changes(), pytest.raises(Conflict, match="withdrawn already"):
        withdraw(world, second)
    code_for(world)
    [third] = codes(world)
    world.later(hours=24)
    with world.nothing_changes(), pytest.raises(Conflict, match="ran out already"):
        withdraw(world, third)
