"""Status lists in the market: a place for each certificate and accreditation, and what is withdrawn is told at once."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.centres import accreditors, credentials, listing, stations
from ewaste.centres.accrediting_models import Accreditor
from ewaste.certificates.models import Certificate
from ewaste.core import status_lists
from ewaste.core.log_trust import LogTrust
from ewaste.core.refusals import NotFound
from ewaste.core.status_lists import Place, StatusList, StatusPlace
from ewaste.journey import accrediting, bench, clearing, completing
from ewaste.transparency import witnesses
from tests.centres.test_other_accreditors import admit
from tests.centres.test_other_accreditors import name as name_accreditor
from tests.transparency.stage import NearSigner, publisher, store
from tests.world import World
from wipe_agent import certificate as wipe
from wipe_agent.certificate import log, status


def read(text: str) -> status.StatusList:
    return status.read_status_list(wipe.read(text.encode(), what="status list"))


def served(world: World, name: str) -> str:
    with world.transaction() as session:
        return listing.served(session, world.issuers, name, now=world.now)


def accepted(world: World) -> Certificate:
    world.cleared()
    with world.transaction() as session:
        return session.scalars(sa.select(Certificate)).one()


def list_of(certificate: Certificate) -> str:
    """The name of the list in which it has its place."""
    said = json.loads(certificate.bundle["certificate.json"])["credentialStatus"]
    return str(said["statusListCredential"]).rpartition("/")[2]


def report(world: World, files: dict[str, str]) -> wipe.Report:
    trust = wipe.Trust.parse(credentials.trust_bytes(world.issuers))
    return wipe.verify(wipe.Bundle.from_files(files), trust, at=world.now, training=True)


def check(world: World, files: dict[str, str], name: str = "status") -> wipe.Check:
    return next(check for check in report(world, files).checks if check.name == name)


def completed(world: World, certificate: Certificate) -> dict[str, str]:
    with world.transaction() as session:
        return completing.completed(session, certificate, world.issuers, now=world.now)


def test_a_bundle_that_we_offer_tells_offline_that_its_certificate_stands(world: World) -> None:
    certificate = accepted(world)
    document = json.loads(certificate.bundle["certificate.json"])
    order = json.loads(certificate.bundle["work-order.json"])
    assert document["credentialStatus"] == order["wipe"]["credentialStatus"]
    assert re.fullmatch(
        r"https://market\.test/status/certificates-\d+", document["credentialStatus"]["statusListCredential"]
    )
    files = completed(world, certificate)
    assert files.keys() - certificate.bundle.keys() == {"status.json", "accreditation-status.json"}
    assert {name: files[name] for name in certificate.bundle} == certificate.bundle
    assert check(world, files).level == "holds"
    assert check(world, dict(certificate.bundle)).level == "caution"


def test_the_lists_in_a_bundle_are_not_from_before_its_certificate(world: World) -> None:
    certificate = accepted(world)
    name = list_of(certificate)
    lists = [read(text) for file, text in completed(world, certificate).items() if file.endswith("status.json")]
    assert [listed.valid_from >= certificate.accepted_at for listed in lists] == [True, True]
    world.later(days=1, hours=3)
    after = world.now - timedelta(hours=1)

    def brought() -> dict[str, str]:
        files = dict(certificate.bundle)
        with world.transaction() as session:
            return listing.for_bundle(session, world.issuers, files, after=after, now=world.now)

    first = brought()
    assert [read(text).valid_from for text in first.values()] == [after, after]
    assert read(served(world, name)).valid_from.time() == time(), "the list that everybody gets is the same all day"
    world.later(minutes=30)
    assert brought() == first
    world.later(days=1)
    assert brought()["status.json"] == served(world, name)


def test_a_bundle_that_we_offer_tells_offline_when_witnesses_saw_its_certificate(world: World, tmp_path: Path) -> None:
    held = store(tmp_path)
    witness = Ed25519PrivateKey.generate()
    known = log.VerifierKey.of("north.example", log.COSIGNATURE, witness.public_key())
    issuers = replace(world.issuers, log=LogTrust(logs=(str(held.vkey),), witnesses=(str(known),), needed=1))
    certificate = accepted(world)

    def told() -> tuple[str, str]:
        with world.transaction() as session:
            files = completing.completed(session, certificate, issuers, now=world.now)
        trust = wipe.Trust.parse(credentials.trust_bytes(issuers))
        found = wipe.verify(wipe.Bundle.from_files(files), trust, at=world.now, training=True)
        assert found.ok, found.refusal
        return next((check.level, check.text) for check in found.checks if check.name == "log")

    assert told()[0] == "caution"
    assert told()[1].startswith("It is not in the log yet")
    publisher(world, NearSigner(tmp_path, held)).once()
    assert told()[1].startswith("It is in the log, but seen there by no witnesses")
    note = held.last
    head = log.Checkpoint.parse(note.text)
    with world.transaction() as session:
        signed = note.and_signed(log.cosign(head, "north.example", witness, at=world.now))
        assert witnesses.keep(session, head.size, str(known), now=world.now, signed=signed)
    assert told() == ("holds", f"It is in the log, seen by 1 witness on {world.now:%Y-%m-%d %H:%M} UTC.")


def test_a_revoked_certificate_is_refused_offline_with_the_day_and_the_reason(world: World) -> None:
    certificate = accepted(world)
    assert check(world, completed(world, certificate)).level == "holds"
    world.later(hours=2)
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate.id, reason=" The read-back\nwas faulty ", now=world.now
        )
    said = check(world, completed(world, certificate))
    assert said.level == "fails"
    assert said.text == (
        f"The certificate was revoked on {world.now:%Y-%m-%d %H:%M} UTC. The reason given: The read-back was faulty."
    )


def test_a_retired_station_is_told_in_its_centres_list_and_what_it_signed_before_stands(world: World) -> None:
    certificate = accepted(world)
    world.later(hours=1)
    with world.transaction() as session:
        bench.retire_station(
            session, world.olga, world.station().station.id, issuers=world.issuers, reason="Replaced", now=world.now
        )
    files = completed(world, certificate)
    assert [key.reason for key in read(files["accreditation-status.json"]).keys] == ["Replaced"]
    assert check(world, files).level == "holds"


def test_an_accreditation_withdrawn_for_fraud_takes_its_certificates_along(world: World) -> None:
    certificate = accepted(world)
    since = world.now - timedelta(days=1)
    world.decide("fraud", reason="Certificates without wipes.", since=since)
    said = check(world, completed(world, certificate))
    assert said.level == "fails"
    assert said.text == (
        f"The accreditation was revoked on {world.now:%Y-%m-%d %H:%M} UTC. The reason given: Certificates without "
        f"wipes. Only what was seen in the log before {since:%Y-%m-%d %H:%M} UTC still stands, and this was not."
    )


def test_a_station_whose_key_others_have_takes_along_what_nobody_witnessed(world: World) -> None:
    certificate = accepted(world)
    stolen = world.now
    world.later(hours=3)
    with world.transaction() as session:
        stations.revoke(
            session,
            world.issuers,
            world.station().station.id,
            "The laptop was stolen.",
            compromised_since=stolen,
            now=world.now,
        )
    said = check(world, completed(world, certificate))
    assert said.level == "fails"
    assert f"others may have had it since {stolen:%Y-%m-%d %H:%M} UTC" in said.text


def test_a_key_that_another_replaces_ends_on_its_day_and_what_it_signed_stands(world: World) -> None:
    certificate = accepted(world)
    ends = world.now + timedelta(days=2)
    with world.transaction() as session:
        stations._replace(session, world.station().station.id, ends, now=world.now)
    files = completed(world, certificate)
    assert [key.at for key in read(files["accreditation-status.json"]).keys] == [ends]
    assert check(world, files).level == "holds"


def test_an_accreditor_whose_key_we_keep_signs_its_own_lists(world: World) -> None:
    admit(world, name_accreditor(world))
    with world.transaction() as session:
        did = session.scalars(sa.select(Accreditor.did).where(Accreditor.name == "Verband West")).one()
        place = status_lists.draw(session, kind="accreditations", issuer=did, about="did:web:c.example", now=world.now)
    document = wipe.read(served(world, place.name).encode(), what="status list")
    assert document["issuer"]["id"] == did
    with world.transaction() as session:
        trusted = wipe.Trust.parse(accreditors.trust_bytes(session, world.issuers))
    key = trusted.key(document["proof"]["verificationMethod"], "accreditor")
    assert key is not None
    wipe.verify_proof(document, key)


def test_a_suspension_or_an_ordinary_end_sets_no_place(world: World) -> None:
    certificate = accepted(world)
    with world.transaction() as session:
        accrediting.suspend(session, world.stefan, certificate.centre_id, reason="A visit is due.", now=world.now)
    assert check(world, completed(world, certificate)).level == "holds"


# ---------------------------------------------------------------------------- served


def test_a_list_is_the_same_all_day_until_something_is_said_in_it(world: World) -> None:
    certificate = accepted(world)
    name = list_of(certificate)
    first = served(world, name)
    assert read(first).valid_from.date() == world.now.date()
    world.later(minutes=30)
    with world.nothing_changes():
        assert served(world, name) == first
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, certificate.id, reason="Faulty.", now=world.now)
    second = served(world, name)
    assert read(second).valid_from == world.now
    assert read(second).valid_until == world.now + timedelta(days=7)
    world.later(days=3)
    third = served(world, name)
    assert read(third).valid_from == world.now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert read(third).withdrawn == read(second).withdrawn
    assert len(read(third).withdrawn) == 1
    world.later(days=-30)
    assert read(served(world, name)).valid_from == world.now, "a clock that was set back leaves no list in the future"


def test_a_place_that_was_drawn_changes_nothing_in_the_list(world: World) -> None:
    name = list_of(accepted(world))
    first = served(world, name)
    with world.transaction() as session:
        market = world.issuers.market.did
        assert status_lists.draw(session, kind="certificates", issuer=market, now=world.now).name == name
    assert served(world, name) == first


@pytest.mark.parametrize(
    "name", ["", "certificates-99", "certificates-02", "x-1", "certificates-١", "certificates-", "-1"]
)
def test_there_is_no_other_list(world: World, name: str) -> None:
    accepted(world)
    with world.nothing_changes(), pytest.raises(NotFound):
        served(world, name)


def test_a_list_of_an_issuer_whose_key_we_do_not_hold_is_not_served_here(world: World) -> None:
    with world.transaction() as session:
        place = status_lists.draw(session, kind="accreditations", issuer="did:web:other.example", now=world.now)
    with pytest.raises(NotFound, match="by its issuer"):
        served(world, place.name)


# ---------------------------------------------------------------------------- places


@pytest.fixture
def listed(world: World) -> Iterator[tuple[World, Any]]:
    with world.transaction() as session:
        yield world, session


def draw(session: Any, world: World, **more: str) -> Place:
    return status_lists.draw(session, kind="certificates", issuer="did:web:a.example", now=world.now, **more)


def test_places_are_unlike_and_say_nothing_of_order(listed: tuple[World, Any]) -> None:
    world, session = listed
    drawn = [draw(session, world) for _ in range(200)]
    assert len({place.index for place in drawn}) == 200
    assert len({place.name for place in drawn}) == 1
    rising = sum(one.index < two.index for one, two in itertools.pairwise(drawn))
    assert 60 < rising < 140, "of 199 pairs about half rise, whatever the order in which they were drawn"
    assert max(place.index for place in drawn) > 100_000


def test_a_place_that_somebody_has_is_not_given_out_again(
    listed: tuple[World, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, session = listed
    numbers = iter([7, 7, 7, 8])
    monkeypatch.setattr("ewaste.core.status_lists.secrets.randbelow", lambda _: next(numbers))
    assert [draw(session, world).index for _ in range(2)] == [7, 8]


def test_another_list_is_opened_when_one_is_full_enough(
    listed: tuple[World, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, session = listed
    monkeypatch.setattr(status_lists, "MOST_USED", 2)
    names = [draw(session, world).name for _ in range(5)]
    assert len(set(names)) == 3
    assert names == sorted(names, key=lambda name: int(name.rpartition("-")[2]))


def test_each_issuer_and_each_centre_has_its_own_list(listed: tuple[World, Any]) -> None:
    world, session = listed
    names = {
        draw(session, world).name,
        draw(session, world, about="did:web:c.example").name,
        status_lists.draw(session, kind="accreditations", issuer="did:web:a.example", now=world.now).name,
        status_lists.draw(session, kind="certificates", issuer="did:web:b.example", now=world.now).name,
    }
    assert len(names) == 4


def test_what_was_never_given_out_cannot_be_withdrawn_and_nothing_is_withdrawn_twice(listed: tuple[World, Any]) -> None:
    world, session = listed
    place = draw(session, world)
    for wrong in (Place(place.name, (place.index + 1) % 131_072), Place("certificates-999", place.index)):
        with pytest.raises(LookupError):
            status_lists.withdraw(session, wrong, reason="x", now=world.now)
    assert status_lists.withdraw(session, place, reason="First.", now=world.now)
    assert not status_lists.withdraw(session, place, reason="Second.", now=world.now)
    found = session.scalars(sa.select(StatusList).where(StatusList.issuer == "did:web:a.example")).one()
    assert [one.reason for one in status_lists.contents(session, found).withdrawals] == ["First."]


def test_the_database_forgets_no_place_and_no_withdrawal(world: World) -> None:
    with world.transaction() as session:
        place = draw(session, world)
        status_lists.withdraw(session, place, reason="Said.", now=world.now)
        status_lists.key_fell(
            session, about="", verification_method="did:web:c#s", public_key="z6Mk", reason="x", now=world.now
        )
    for sql in (
        "delete from status_places",
        "update status_places set place = 1",
        "delete from status_withdrawals",
        "update status_withdrawals set reason = 'x'",
        "delete from status_keys",
        "delete from status_lists",
        "update status_lists set issuer = 'x'",
    ):
        assert world.refused_by_database(sql)[:5] == "42501", sql
    assert world.refused_by_database("insert into status_places (list_id, place) select id, 131072 from status_lists")


def test_a_reason_is_told_in_one_line_that_can_be_read(listed: tuple[World, Any]) -> None:
    for reason, told in (
        (" a\tb \n\n c\u202e ", "a b c"),
        ("x" * 900, "x" * 500),
        ("\n\u2028", "No reason was given."),
        ("größer – 笔", "größer – 笔"),
    ):
        assert status_lists.in_one_line(reason) == told


def test_the_market_and_the_format_mean_the_same_places() -> None:
    assert status_lists.PLACES == status.PLACES


def test_an_older_order_without_a_place_is_answered_and_revoked_as_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ewaste.centres.work_orders.status_lists.draw", lambda *_, **__: None)
    certificate = accepted(world)
    assert "credentialStatus" not in json.loads(certificate.bundle["certificate.json"])
    files = completed(world, certificate)
    assert "status.json" not in files
    assert check(world, files).level == "caution"
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, certificate.id, reason="Faulty.", now=world.now)
        assert session.scalar(sa.select(sa.func.count()).select_from(StatusPlace)) is not None
