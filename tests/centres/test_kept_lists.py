"""Status lists that an accreditor signs itself: handed in, checked, kept, and put into bundles with their age told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.accounts.models import Actor
from ewaste.centres import accreditors, kept_lists
from ewaste.centres.accrediting_models import KeptStatusList
from ewaste.certificates import registry
from ewaste.certificates.models import Certificate
from ewaste.core.refusals import Conflict, Invalid, NotAllowed
from ewaste.journey import accrediting, admitting, completing, rekeying
from ewaste.views import accrediting as views
from ewaste.views import trail
from tests.centres.test_other_accreditors import (
    DID,
    ELBE,
    accredit_as,
    accrediting_with_its_own_key,
    admit,
    handed_in,
    leave_the_house,
    name,
    people_of,
)
from tests.web.stage import Elsewhere
from tests.world import World
from wipe_agent import certificate as wipe

LIST = "https://verband.example/status/1"
PLACE = 4_711


@dataclass
class Verband:
    """An accreditor with a key of its own, whose accreditation of Elbe Prüfstelle names a list of its own."""

    world: World
    key: Ed25519PrivateKey
    ina: Actor
    accreditor: UUID

    def signed(self, *, dated: datetime | None = None, key: Ed25519PrivateKey | None = None, **change: Any) -> str:
        """A list as the accreditor signs it."""
        at = dated or self.world.now
        said: dict[str, Any] = {
            "list_id": LIST,
            "issuer_did": DID,
            "issuer_name": "Verband West",
            "valid_from": at,
            "training": True,
            "about": "Status of accreditations",
            "withdrawn": [],
            **change,
        }
        method = f"{said['issuer_did']}#2026"
        statement = wipe.status_list_statement(**said)
        return wipe.canonical(wipe.issue(statement, key or self.key, verification_method=method, created=at)).decode()

    def hand_in(self, text: str, note: str = "", by: Actor | None = None) -> None:
        with self.world.transaction() as session:
            accrediting.hand_in_list(
                session, by or self.ina, text, note, issuers=self.world.issuers, now=self.world.now
            )

    def refuse(self, text: str, why: str, note: str = "", *, named: str = "status_list") -> None:
        with self.world.nothing_changes(), pytest.raises(Invalid, match=why) as refused:
            self.hand_in(text, note)
        assert refused.value.field == named

    def kept(self) -> list[tuple[str, int, str]]:
        with self.world.transaction() as session:
            rows = session.scalars(sa.select(KeptStatusList).order_by(KeptStatusList.dated)).all()
        return [(row.document, row.taken_back, row.note) for row in rows]


@pytest.fixture
def verband(world: World) -> Verband:
    made, key, ina = accrediting_with_its_own_key(world)
    status = wipe.status_entry(LIST, PLACE)
    with world.transaction() as session:
        accrediting.hand_in(
            session, ina, world.organisation(ELBE), handed_in(world, key, status=status), issuers=world.issuers,
            now=world.now,
        )  # fmt: skip
    return Verband(world, key, ina, made)


def test_a_list_that_its_accreditor_handed_in_goes_into_the_bundles_of_its_centres(verband: Verband) -> None:
    world = verband.world
    there = Elsewhere(world.database, world.issuers, world.now, world.stations)
    device = there.cleared()
    there.later(minutes=10)

    def status() -> tuple[str, str, bool]:
        with world.transaction() as session:
            certificate = session.scalars(sa.select(Certificate).where(Certificate.device_id == device)).one()
            files = completing.completed(session, certificate, world.issuers, now=there.now)
            trust = accreditors.trust_bytes(session, world.issuers)
        found = registry.verify_publicly(
            {file: text.encode() for file, text in files.items()}, trust, at=there.now, training=True
        )
        [said] = [check for check in found.checks if check["name"] == "status"]
        return said["level"], said["text"], "accreditation-status.json" in files

    level, text, listed = status()
    assert (level, listed) == ("caution", False)
    assert text == "No status list of the accreditation is here: ask the marketplace whether it was withdrawn."
    world.now = there.now
    verband.hand_in(verband.signed())
    level, _, listed = status()
    assert (level, listed) == ("holds", True)
    there.later(days=7, minutes=1)
    level, text, listed = status()
    assert (level, listed) == ("caution", True)
    assert "the list of the accreditation is of" in text
    # A list that tells of its withdrawal ends what the certificate stands on.
    world.now = there.now
    verband.hand_in(verband.signed(withdrawn=[wipe.Withdrawn(PLACE, world.now, "It never wiped.", None)]))
    assert status()[0] == "fails"


def test_the_page_of_accreditors_tells_which_lists_we_hold_and_whether_they_are_fresh(verband: Verband) -> None:
    world = verband.world
    verband.hand_in(verband.signed())
    newest = verband.signed(dated=world.later(hours=1))
    verband.hand_in(newest)

    def told(by: Actor) -> tuple[list[tuple[str, datetime, bool]], bool]:
        with world.transaction() as session:
            found = views.list_accreditors(session, by, now=world.now)["accreditors"]
        [one] = [each for each in found if each["row"].did == DID]
        return [(held["row"].address, held["row"].dated, held["stale"]) for held in one["lists"]], one["hands_in"]

    at = world.now
    assert told(verband.ina) == ([(LIST, at, False)], True)
    assert told(world.stefan) == ([(LIST, at, False)], False)
    world.later(days=7)
    assert told(verband.ina) == ([(LIST, at, True)], True)


def test_a_list_is_its_accreditors_own_and_newer_than_the_one_before(verband: Verband) -> None:
    world = verband.world
    first = verband.signed()
    stranger = Ed25519PrivateKey.generate()
    for text, why in (
        ("", "."),
        ("{}", "This is no status list"),
        (first.replace("Verband West", "Verband East"), "The status list was changed after it was signed"),
        (verband.signed(key=stranger), "The status list was changed after it was signed"),
        (verband.signed(issuer_did="did:web:else.example"), "not in the accreditor's DID document"),
        (verband.signed(training=False), "Practice and real work"),
        (verband.signed(list_id="https://verband.example/status/2"), "no accreditation that this accreditor handed in"),
        (verband.signed(list_id=world.issuers.status_address("accreditations-1")), "no accreditation that this"),
        (verband.signed(dated=world.now + timedelta(seconds=301)), "dated in the future"),
        (verband.signed(dated=world.now - timedelta(days=7)), "it counted as fresh until"),
        ("x" * 65_537, "too long"),
    ):
        verband.refuse(text, why)
    with world.nothing_changes(), pytest.raises(Conflict, match="We sign the status lists"):
        verband.hand_in(first, by=world.stefan)
    for who in ("olga", "rita", "cora", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            verband.hand_in(first, by=world.actor(who))
    verband.hand_in(first)
    for text in (first, verband.signed(dated=world.now - timedelta(seconds=1))):
        verband.refuse(text, "and this one is not newer")
    assert verband.kept() == [(first, 0, "")]


def test_a_list_that_takes_back_a_withdrawal_is_kept_with_a_word_and_the_trail_shows_it(verband: Verband) -> None:
    world = verband.world
    station = world.station(ELBE).station
    fell = wipe.KeyFallen(station.verification_method, station.public_key, world.now, "It was stolen.", world.now)
    told = wipe.Withdrawn(PLACE, world.now, "It never wiped.", world.now)
    verband.hand_in(verband.signed(withdrawn=[told, wipe.Withdrawn(8, world.now, "A slip.", None)], keys=[fell]))
    later = world.later(hours=1)
    slip = wipe.Withdrawn(8, later, "A slip.", None)
    milder = wipe.Withdrawn(PLACE, later, "It never wiped.", later)
    milder_key = wipe.KeyFallen(fell.verification_method, fell.public_key, fell.at, fell.reason, later)
    cases: tuple[tuple[dict[str, Any], int], ...] = (
        ({}, 3),
        ({"withdrawn": [told], "keys": [fell]}, 1),
        ({"withdrawn": [told, wipe.Withdrawn(8, later, "A slip.", later)], "keys": [fell]}, 1),
        ({"withdrawn": [milder, slip], "keys": [milder_key]}, 2),
    )
    for said, count in cases:
        verband.refuse(
            verband.signed(**said),
            f"^{count} withdrawals that the list before told are not in this one. Say why",
            named="note",
        )
    mended = verband.signed(withdrawn=[told], keys=[fell])
    verband.refuse(mended, "Say why", "x" * 501, named="note")
    verband.hand_in(mended, "The eighth was another centre's.")
    assert verband.kept()[1] == (mended, 1, "The eighth was another centre's.")
    with world.transaction() as session:
        rows = trail.trail(session, world.stefan, trail.Narrowed(action="status list handed in"), page=1)["rows"]
    assert [(row["who"], row["about"], row["text"]) for row in rows] == [
        ("Ina", "Verband West", "The eighth was another centre's."),
        ("Ina", "Verband West", ""),
    ]
    # What is stricter than before needs no word.
    world.later(hours=1)
    verband.hand_in(verband.signed(withdrawn=[wipe.Withdrawn(PLACE, told.at, told.reason, None)], keys=[fell]))
    assert verband.kept()[2][1] == 0


def test_a_list_is_not_taken_under_a_key_that_ended_or_that_others_may_have(verband: Verband) -> None:
    world = verband.world
    document = wipe.canonical(
        wipe.did_document(
            DID,
            {f"{DID}#2026": verband.key.public_key(), f"{DID}#2027": Ed25519PrivateKey.generate().public_key()},
        )
    ).decode()
    with world.transaction() as session:
        change = rekeying.propose_key(
            session, verband.ina, verband.accreditor, old_method=f"{DID}#2026", did_document=document,
            reason="It is three years old.", issuers=world.issuers, now=world.now,
        ).id  # fmt: skip
    with world.transaction() as session:
        rekeying.confirm_key(session, world.stefan, change, issuers=world.issuers, now=world.now)
    before = verband.signed()
    verband.hand_in(before)
    world.later(hours=1)
    verband.refuse(verband.signed(), "The key that signed it ended on")
    with world.transaction() as session:
        change = rekeying.propose_key(
            session, verband.ina, verband.accreditor, old_method=f"{DID}#2026", compromised_since=world.now,
            reason="A copy was found.", issuers=world.issuers, now=world.now,
        ).id  # fmt: skip
    with world.transaction() as session:
        rekeying.confirm_key(session, world.stefan, change, issuers=world.issuers, now=world.now)
    verband.refuse(before, "Others may have the key that signed it")


def test_an_accreditor_that_ended_still_hands_in_its_lists_for_what_was_certified_before(verband: Verband) -> None:
    world = verband.world
    with world.transaction() as session:
        admitting.end_accreditor(session, world.stefan, verband.accreditor, reason="It was dissolved.", now=world.now)
    world.later(days=1)
    listed = verband.signed(withdrawn=[wipe.Withdrawn(PLACE, world.now, "It never wiped.", None)])
    verband.hand_in(listed)
    assert verband.kept() == [(listed, 0, "")]


def test_who_has_its_lists_signed_by_us_hands_none_in(world: World) -> None:
    made = name(world)
    admit(world, made)
    ina, iwan = people_of(world, made)
    leave_the_house(world)
    accredit_as(world, ina, iwan)
    with world.nothing_changes(), pytest.raises(Conflict, match="We sign the status lists"):
        Verband(world, Ed25519PrivateKey.generate(), ina, made).hand_in("{}")


def test_a_hundred_lists_come_within_a_day_and_no_more(verband: Verband, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_lists, "MOST_A_DAY", 2)
    for _ in range(2):
        verband.hand_in(verband.signed(dated=verband.world.later(minutes=1)))
    verband.world.later(minutes=1)
    with verband.world.nothing_changes(), pytest.raises(Conflict, match="Hand in the next one tomorrow"):
        verband.hand_in(verband.signed())
    verband.world.later(days=1)
    verband.hand_in(verband.signed())


def test_what_was_handed_in_is_not_rewritten(verband: Verband) -> None:
    verband.hand_in(verband.signed())
    for change in ("update kept_status_lists set note = 'x'", "delete from kept_status_lists"):
        assert verband.world.refused_by_database(change).startswith("42501")
