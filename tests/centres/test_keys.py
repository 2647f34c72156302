"""Station keys: replaced by a day, revoked at once, and what becomes of certificates when one was stolen."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.centres import accreditation, stations
from ewaste.centres.models import Station
from ewaste.certificates import rechecks
from ewaste.certificates.models import Certificate, CertificateRevocation
from ewaste.certificates.rechecks import Recheck
from ewaste.core.mail import Mail
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices.lifecycle import State
from ewaste.devices.models import Hold
from ewaste.journey import bench, clearing, rechecking
from ewaste.views import audit
from tests.transparency.witness import Witness
from tests.world import World
from wipe_agent import certificate as wipe

RHEIN = "Rhein Datenpark"


def enrol(world: World, code: str) -> Station:
    key = Ed25519PrivateKey.generate()
    public = wipe.public_key_multibase(key.public_key())
    proof = base64.b64encode(key.sign(f"ewaste-enrol-v1\n{code}\n{public}".encode())).decode()
    with world.transaction() as session:
        return clearing.enrol_station(
            session, issuers=world.issuers, code=code, name="Bench 2", public_key=public, proof=proof, now=world.now
        )


def replace(world: World, station_id: UUID, who: str = "olga", **when: object) -> str:
    with world.transaction() as session:
        return bench.replace_station(session, world.actor(who), station_id, **when, now=world.now)


def report(world: World, station_id: UUID, who: str = "olga", **change: object) -> int:
    given = {"since": world.now, "reason": "The laptop was stolen.", **change}
    with world.transaction() as session:
        return len(
            rechecking.report_key(session, world.actor(who), station_id, **given, issuers=world.issuers, now=world.now)
        )


def published_keys(world: World) -> set[str]:
    with world.transaction() as session:
        document = clearing.centre_did_document(session, world.organisation(RHEIN), now=world.now)
    assert document is not None
    assert set(document["assertionMethod"]) == {method["id"] for method in document["verificationMethod"]}
    return {method["publicKeyMultibase"] for method in document["verificationMethod"]}


def listed_keys(world: World) -> set[str]:
    with world.transaction() as session:
        newest = json.loads(accreditation.current(session, world.organisation(RHEIN)).document)
    scope = newest["credentialSubject"]["conformityAssessment"][0]["accreditationScope"]
    return {key["publicKeyMultibase"] for key in scope["keys"]}


# ---- replaced by a day ----


def test_a_new_key_takes_the_place_of_an_old_one_which_ends_on_its_day(world: World) -> None:
    _, order = world.ordered()
    files, old = world.bundle(order), world.station().station
    world.later(minutes=1)
    ends = world.now + timedelta(days=14)
    new = enrol(world, replace(world, old.id, retires_at=ends))
    assert new.replaces_id == old.id
    assert published_keys(world) == listed_keys(world) == {old.public_key, new.public_key}
    assert world.submit(files).outcome == "accepted"  # What was wiped with the old key comes in until then.
    world.later(days=14)
    assert published_keys(world) == {new.public_key}
    with world.transaction() as session, pytest.raises(NotAllowed, match="another took its place"):
        stations.by_method(session, old.verification_method, now=world.now)
    with world.transaction() as session:
        assert stations.by_method(session, new.verification_method, now=world.now).id == new.id


def test_a_certificate_of_a_key_whose_day_has_passed_is_refused(world: World) -> None:
    _, order = world.ordered()
    files, old = world.bundle(order), world.station().station
    enrol(world, replace(world, old.id))
    assert "as another took its place" in world.refuse(files)


def test_who_replaces_a_key_and_when_it_may_end(world: World) -> None:
    old = world.station().station
    for who in ("omar", "stefan", "rita", "cora"):
        with world.nothing_changes(), pytest.raises((NotAllowed, NotFound)):
            replace(world, old.id, who)
    for late in (world.now - timedelta(seconds=1), world.now + timedelta(days=31)):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            replace(world, old.id, retires_at=late)
        assert refused.value.field == "retires_at"
    enrol(world, replace(world, old.id, retires_at=world.now + timedelta(days=3)))
    with world.nothing_changes(), pytest.raises(Conflict, match="takes the place"):
        replace(world, old.id)


# ---- stolen ----


def test_a_stolen_key_counts_for_nothing_at_once_and_leaves_every_document(world: World) -> None:
    other = enrol(world, replace(world, world.station().station.id, retires_at=world.now + timedelta(days=9)))
    stolen = world.station().station
    world.later(minutes=1)
    assert report(world, stolen.id) == 0
    assert published_keys(world) == listed_keys(world) == {other.public_key}
    with world.transaction() as session, pytest.raises(NotAllowed, match="was revoked: The laptop was stolen"):
        stations.by_method(session, stolen.verification_method, now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="revoked already"):
        report(world, stolen.id)
    back = "update stations set revoked_at = null, compromised_since = null where id = :id"
    assert world.refused_by_database(back, id=stolen.id).startswith("42501")


def test_what_no_witness_saw_before_a_key_was_stolen_is_in_no_sale_and_everybody_is_told(
    world: World, witness: Witness
) -> None:
    before = world.cleared(serial="PF1AAAAA", serials=("DRIVE-1",))
    witness.sees(world)
    since = world.later(days=1)
    shelf = world.cleared(serial="PF2BBBBB", serials=("DRIVE-2",))
    sold = world.cleared(serial="PF3CCCCC", serials=("DRIVE-3",))
    lot, won = world.lot_of([shelf]), world.lot_of([sold])
    world.bid("rita", won, 60)
    world.later(days=2)
    order = world.close(won)
    world.pay(order, "rita")
    assert report(world, world.station().station.id, since=since) == 2
    listable = "select device_listable(:id)"
    assert [world.raw(listable, id=device) for device in (before, shelf, sold)] == [True, False, False]
    assert world.raw("select state from lots where code = :code", code=lot) in ("cancelled", "unsold")
    with world.transaction() as session:
        held = set(session.scalars(sa.select(Hold.device_id).where(Hold.lifted_at.is_(None))))
        told = session.execute(sa.select(Mail.to_address, Mail.subject, Mail.text)).all()
    assert held == {shelf, sold}
    texts = {row.to_address: row.text for row in told if row.subject.endswith("is looked at again")}
    assert set(texts) == {"rita@werk.example"}
    assert order.code in texts["rita@werk.example"]
    sellers = [
        row.subject for row in told if row.to_address == "cora@example.org" and "looked at again (" in row.subject
    ]
    assert len(sellers) == 2
    assert "The key of station Bench 1 was revoked" in {
        row.subject for row in told if row.to_address == "olga@rhein.example"
    }


def test_nothing_in_doubt_is_listed_even_when_its_hold_is_lifted(world: World) -> None:
    device = world.cleared()
    report(world, world.station().station.id, since=world.now - timedelta(days=1))
    with world.transaction() as session:
        hold = session.scalars(sa.select(Hold.id).where(Hold.lifted_at.is_(None))).one()
    with world.transaction() as session:
        bench.lift_hold(session, world.olga, device, hold, reason="It looks fine to us.", now=world.now)
    assert world.raw("select device_listable(:id)", id=device) is False


def in_doubt(world: World) -> tuple[UUID, UUID]:
    """A device whose certificate is in doubt, and its re-check."""
    device = world.cleared()
    report(world, world.station().station.id, since=world.now - timedelta(days=1))
    with world.transaction() as session:
        return device, session.scalars(sa.select(Recheck.id)).one()


def propose_end(
    world: World, recheck: UUID, outcome: str, note: str = "Looked at by hand.", who: str = "stefan"
) -> None:
    with world.transaction() as session:
        rechecking.propose_end(
            session, world.actor(who), recheck, outcome=outcome, note=note, issuers=world.issuers, now=world.now
        )


def confirm_end(world: World, recheck: UUID, who: str = "sara") -> None:
    with world.transaction() as session:
        rechecking.confirm_end(session, world.actor(who), recheck, issuers=world.issuers, now=world.now)


def test_what_witnesses_saw_too_late_or_nobody_saw_falls_with_the_key(world: World, witness: Witness) -> None:
    late = world.cleared(serial="PF1AAAAA", serials=("DRIVE-1",))
    since = world.later(hours=1)
    world.later(minutes=1)
    witness.sees(world)
    unseen = world.cleared(serial="PF2BBBBB", serials=("DRIVE-2",))
    assert report(world, world.station().station.id, since=since) == 2
    assert not any(world.raw("select device_listable(:id)", id=device) for device in (late, unseen))


def test_without_witnesses_everything_that_a_stolen_key_signed_is_in_doubt(world: World) -> None:
    device = world.cleared()
    since = world.later(days=30)
    assert report(world, world.station().station.id, since=since) == 1
    assert world.raw("select device_listable(:id)", id=device) is False


def test_what_everybody_else_takes_for_revoked_cannot_stand(world: World) -> None:
    device, recheck = in_doubt(world)
    with world.nothing_changes(), pytest.raises(Conflict, match="It cannot stand: witnesses had not seen it"):
        propose_end(world, recheck, "stands")
    with world.transaction() as session:  # As it was possible once.
        rechecks.propose(
            session, rechecks.find(session, recheck), "stands", "Read by hand.", by=world.stefan, now=world.now
        )
    with world.nothing_changes(), pytest.raises(Conflict, match="Propose to revoke it"):
        confirm_end(world, recheck)
    assert world.raw("select device_listable(:id)", id=device) is False


def seen_after_all(world: World, witness: Witness) -> tuple[UUID, UUID]:
    """A device whose certificate is in doubt, and its re-check: what the witness signed in time came in later."""
    device = world.cleared()
    witness.signs(world)
    world.later(minutes=5)
    assert report(world, world.station().station.id, since=world.now) == 1
    witness.hands_in(world)
    with world.transaction() as session:
        return device, session.scalars(sa.select(Recheck.id)).one()


def test_two_people_let_a_certificate_stand_and_its_device_goes_on(world: World, witness: Witness) -> None:
    device, recheck = seen_after_all(world, witness)
    with world.nothing_changes(), pytest.raises(Conflict, match="Nobody has proposed"):
        confirm_end(world, recheck)
    propose_end(world, recheck, "stands")
    with world.nothing_changes(), pytest.raises(Conflict, match="You proposed this"):
        confirm_end(world, recheck, "stefan")
    with world.nothing_changes(), pytest.raises(NotAllowed):
        confirm_end(world, recheck, "olga")
    confirm_end(world, recheck)
    assert world.raw("select device_listable(:id)", id=device) is True
    with world.nothing_changes(), pytest.raises(Conflict, match="settled already"):
        confirm_end(world, recheck)


def test_two_people_revoke_a_certificate_and_its_device_is_wiped_anew(world: World, witness: Witness) -> None:
    device, recheck = seen_after_all(world, witness)
    propose_end(world, recheck, "stands")
    with world.transaction() as session:
        rechecking.undo_end(session, world.stefan, recheck)
    propose_end(world, recheck, "revoked", "The drive holds a file system.", who="sara")
    confirm_end(world, recheck, "stefan")
    assert world.device(device).state is State.CLEARING
    with world.transaction() as session:
        revoked = session.scalars(sa.select(CertificateRevocation.reason)).one()
    assert revoked == "The drive holds a file system."


def test_not_even_raw_sql_lets_one_person_settle(world: World) -> None:
    _, recheck = in_doubt(world)
    propose_end(world, recheck, "revoked")
    alone = "update certificate_rechecks set settled_by = proposed_by, settled_name = 'Me', settled_at = now()"
    assert world.refused_by_database(alone).startswith("23514")
    confirm_end(world, recheck)
    assert world.refused_by_database("update certificate_rechecks set note = 'Otherwise.'").startswith("42501")


def test_who_may_report_a_key_and_what_must_be_said(world: World) -> None:
    station = world.station().station.id
    for who in ("omar", "rita", "cora", "ada"):
        with world.nothing_changes(), pytest.raises((NotAllowed, NotFound)):
            report(world, station, who)
    for field, change in (
        ("reason", {"reason": " "}),
        ("since", {"since": world.now + timedelta(hours=1)}),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            report(world, station, **change)
        assert refused.value.field == field


def test_a_key_that_was_retired_can_still_be_found_stolen_and_from_earlier(world: World) -> None:
    since = world.now
    world.cleared()
    station = world.station().station.id
    with world.transaction() as session:
        bench.retire_station(session, world.olga, station, issuers=world.issuers, reason="Old.", now=world.now)
    assert report(world, station, "stefan", since=world.now) == 1
    assert report(world, station, "stefan", since=since) == 0
    assert world.raw("select count(*) from certificate_rechecks") == 1
    with world.nothing_changes(), pytest.raises(Conflict, match="revoked already"):
        report(world, station, "stefan", since=world.now)


def test_the_audit_finds_what_a_stolen_key_signed_and_nobody_looked_at(world: World) -> None:
    device = world.cleared()
    with world.transaction() as session:
        stations.revoke(
            session,
            world.issuers,
            world.station().station.id,
            "The laptop was stolen.",
            compromised_since=world.now,
            now=world.now,
        )
        found = audit.everything(session, issuers=world.issuers, now=world.now).wrong
        name = session.scalars(sa.select(Certificate.credential_id).where(Certificate.device_id == device)).one()
    assert found == [f"Certificate {name}: others may have had the key of its station, and nobody looked at it again."]
