"""Every way in which a certificate is refused: the reason is said, the device stays, the refused one is kept once."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.centres import credentials
from ewaste.centres.credentials import Issuers
from ewaste.certificates import registry
from ewaste.certificates.models import Certificate, CertificateRefusal
from ewaste.core.refusals import Conflict, NotAllowed
from ewaste.devices import custody
from ewaste.devices.lifecycle import State
from ewaste.journey import accrediting, bench, clearing
from tests.world import World
from wipe_agent import certificate as wipe


def refused_first(world: World) -> CertificateRefusal:
    with world.transaction() as session:
        return session.scalars(sa.select(CertificateRefusal)).one()


def test_the_honest_certificate_beside_all_those_that_follow_is_accepted(world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    receipt = world.submit(world.bundle(order))
    assert (receipt.outcome, receipt.device_code) == ("accepted", world.device(device_id).code)
    assert world.raw("select count(*) from certificate_lines") == 2
    assert world.raw("select count(*) from certificate_refusals") == 0


def test_an_altered_certificate_is_refused(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    for old, new in (
        ("DRIVE-1", "DRIVE-7"),
        ("over-provisioned area", "nothing"),
        ('"full-read"', '"destroyed"'),
        ("Olga Brandt", "Omar Haddad"),
    ):
        altered = {**files, "certificate.json": files["certificate.json"].replace(old, new)}
        assert altered != files
        reason = world.refuse(altered)
        assert reason == "The certificate was changed after it was signed, or was signed with another key."
    assert world.device(device_id).state is State.CLEARING
    assert world.submit(files).outcome == "accepted"


def test_what_cannot_even_be_read_is_refused_and_kept(world: World) -> None:
    _, order = world.ordered()
    files = world.bundle(order)
    for text in ("", "{", "[]", '{"id": 1.5}', '{"a":1,"a":2}'):
        assert world.refuse({**files, "certificate.json": text})
    world.refuse({name: text for name, text in files.items() if name != "accreditation.json"})
    with world.transaction() as session:
        assert len(session.scalars(sa.select(CertificateRefusal)).all()) == 6


def test_a_refused_certificate_is_kept_whole_with_its_reason_and_its_checks(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    altered = {**files, "certificate.json": files["certificate.json"].replace("DRIVE-1", "DRIVE-7")}
    reason = world.refuse(altered)
    kept = refused_first(world)
    assert (kept.reason, kept.bundle) == (reason, altered)
    assert kept.station_id == world.station().station.id
    assert (kept.digest, kept.device_code) == (registry.open_bundle(altered).digest, world.device(device_id).code)
    assert not next(check["ok"] for check in kept.checks if check["name"] == "certificate-proof")
    assert world.device(device_id).state is State.CLEARING


def test_the_same_certificate_again_gets_the_same_receipt(world: World) -> None:
    _, order = world.ordered()
    files = world.bundle(order)
    first = world.submit(files)
    with world.nothing_changes():
        for _ in range(3):
            assert world.submit(files) == first


def test_a_second_certificate_for_one_work_order_is_a_replay(world: World) -> None:
    device_id, order = world.ordered()
    again = world.bundle(order)
    world.submit(world.bundle(order))
    reason = world.refuse(again)
    assert reason.startswith(f"Work order {order.code} was answered by a certificate already.")
    assert "replay" in reason
    assert world.device(device_id).cycle == 1


def test_a_certificate_does_not_take_the_number_of_another_nor_that_of_our_entry(world: World) -> None:
    _, order = world.ordered()
    receipt = world.submit(world.bundle(order))
    with world.transaction() as session:
        entry = session.scalars(sa.select(Certificate.id)).one()
    other_id, other = world.ordered(serial="PF00002", serials=("DRIVE-2",))
    for number in (receipt.certificate_id, entry.urn):
        assert world.refuse(
            world.bundle(other, change=lambda statement, number=number: statement.update(id=number))
        ) == ("Another certificate has the number of this one already. Issue it anew, under a number of its own.")
    assert world.device(other_id).state is State.CLEARING
    with world.transaction() as session:
        assert registry.find(session, entry).credential_id == receipt.certificate_id
    assert world.submit(world.bundle(other)).outcome == "accepted"


def test_a_certificate_for_another_device_is_refused(world: World) -> None:
    device_id, order = world.ordered()
    other_id, other = world.ordered(serial="PF2ABCDE", serials=("DRIVE-2",))
    honest = world.bundle(order)
    reason = world.refuse({**honest, "work-order.json": other.document})
    assert reason.startswith("The certificate answers another work order than the one in the bundle.")

    def for_the_other(statement: dict[str, Any]) -> None:
        statement["wipe"]["device"]["id"] = f"urn:uuid:{other_id}"
        statement["wipe"]["device"]["code"] = world.device(other_id).code

    assert "The certificate is for the device" in world.refuse(world.bundle(order, change=for_the_other))
    assert world.device(device_id).state is world.device(other_id).state is State.CLEARING


def test_a_certificate_that_leaves_a_medium_out_is_refused(world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    reason = world.refuse(world.bundle(order, leave_out=["DRIVE-2"]))
    assert "This certificate covers one medium." in reason
    assert "DRIVE-2" in reason
    assert world.device(device_id).state is State.CLEARING


def test_a_medium_that_was_found_after_the_work_order_is_missed(world: World) -> None:
    device_id, order = world.ordered()
    world.note_medium(device_id, "CARD-9", kind="sd")
    assert world.refuse(world.bundle(order)) == (
        "This certificate covers one storage medium. This device has 2. Not covered: SD card ending RD-9. "
        "Wipe what is missing under a new work order and send a new certificate."
    )
    assert world.submit(world.bundle(world.order(device_id))).outcome == "accepted"


def test_a_centre_that_nobody_we_trust_accredited_is_unknown(world: World, tmp_path: Path) -> None:
    device_id, order = world.ordered()
    rogue = Issuers.load(tmp_path / "rogue", did_host="market.test", training=True, founded=world.now)
    held = world.station()
    accredited = credentials.accreditation(
        rogue,
        rogue.accreditor,
        credential_id="urn:uuid:6f1b6b52-0c5f-4c3b-9b6f-1c0b8f6f9a01",
        centre_did="did:web:market.test:centres:rhein-datenpark",
        centre_name="Rhein Datenpark",
        methods=["clear"],
        media_kinds=["ssd"],
        keys={held.station.verification_method: held.station.public_key},
        valid_from=world.now - timedelta(days=1),
        valid_until=world.now + timedelta(days=1),
        now=world.now,
    )
    assert world.refuse(world.bundle(order, accredited=accredited))
    assert not next(check["ok"] for check in refused_first(world).checks if check["name"] == "accreditation-proof")
    assert world.device(device_id).state is State.CLEARING


def test_a_key_that_no_accreditation_lists_is_unknown(world: World) -> None:
    _, order = world.ordered()
    held = world.station()
    world.stations[held.station.centre_id] = replace(held, key=Ed25519PrivateKey.generate())
    files = world.bundle(order)
    world.stations[held.station.centre_id] = held
    world.refuse(files)
    assert not next(check["ok"] for check in refused_first(world).checks if check["name"] == "certificate-proof")


def test_a_work_order_that_we_did_not_sign_is_refused(world: World, tmp_path: Path) -> None:
    _, order = world.ordered()
    rogue = Issuers.load(tmp_path / "rogue", did_host="market.test", training=True, founded=world.now)
    document = {name: value for name, value in json.loads(order.document).items() if name != "proof"}
    forged = wipe.issue(
        document, rogue.market.key, verification_method=rogue.market.verification_method, created=order.issued_at
    )
    world.refuse(world.bundle(order, document=forged))
    assert not next(check["ok"] for check in refused_first(world).checks if check["name"] == "work-order-proof")


def test_a_centre_sends_its_own_certificates_only(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    reason = world.refuse(files, centre="Elbe Prüfstelle")
    assert reason == "This certificate is by Rhein Datenpark, and your station belongs to another centre."
    receipt = world.submit(files)
    assert receipt.outcome == "accepted"
    assert world.refuse(files, centre="Elbe Prüfstelle") == reason
    assert world.device(device_id).cycle == 1


def test_another_centres_certificate_for_our_order_is_refused(world: World) -> None:
    _, order = world.ordered()
    reason = world.refuse(world.bundle(order, centre="Elbe Prüfstelle"), centre="Elbe Prüfstelle")
    assert "The work order was given to did:web:market.test:centres:rhein-datenpark" in reason


def test_a_certificate_signed_after_the_accreditation_ended_is_refused(world: World) -> None:
    world.later(days=729, hours=23)
    device_id, order = world.ordered()
    assert "The accreditation of Rhein Datenpark ended" in world.refuse(world.bundle(order))
    assert world.device(device_id).state is State.CLEARING


def test_a_centre_whose_accreditation_ended_gets_no_work_order(world: World) -> None:
    device_id = world.clearing()
    world.later(days=731)
    with world.nothing_changes(), pytest.raises(Conflict, match="ended on 19 November 2028"):
        world.order(device_id)


def test_a_revoked_certificate_sent_again_is_told_so(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    assert world.submit(files).outcome == "accepted"
    with world.transaction() as session:
        known = session.scalars(sa.select(Certificate)).one()
        clearing.revoke_certificate(session, world.stefan, known.id, reason="The drive was swapped.", now=world.now)
    assert "was revoked on 20 November 2026: The drive was swapped." in world.refuse(files)
    assert world.device(device_id).state is State.CLEARING


def test_a_suspended_centre_clears_nothing_until_it_is_reinstated(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    centre_id = world.device(device_id).centre_id
    with world.transaction() as session:
        accrediting.suspend(session, world.stefan, centre_id, reason="An audit is due.", now=world.now)
    assert world.refuse(files).startswith("Your centre is suspended: An audit is due.")
    assert world.device(device_id).state is State.CLEARING
    world.decide("lift", reason="The audit was passed.")
    assert world.submit(files).outcome == "accepted"


def test_nothing_that_a_revoked_station_signed_counts(world: World) -> None:
    _, order = world.ordered()
    files, held = world.bundle(order), world.station()
    with world.transaction() as session:
        bench.retire_station(
            session, world.olga, held.station.id, issuers=world.issuers, reason="The laptop was stolen", now=world.now
        )
    reason = world.refuse(files)
    assert reason == "The station that signed this certificate was revoked: The laptop was stolen."


@pytest.mark.parametrize(
    ("methods", "kinds", "reason"),
    [
        (["destroy"], ["ssd"], "Rhein Datenpark is not accredited to clear"),
        (["clear"], ["hdd"], "Rhein Datenpark is not accredited for the kind"),
    ],
)
def test_what_lies_outside_of_a_centres_scope_is_refused(
    world: World, methods: list[str], kinds: list[str], reason: str
) -> None:
    device_id, order = world.ordered()
    world.station()
    world.later(seconds=1)
    world.decide("scope", methods=methods, media_kinds=kinds, valid_until=world.now + timedelta(days=300))
    assert world.refuse(world.bundle(order)).startswith(reason)
    assert world.device(device_id).state is State.CLEARING


def test_a_wipe_dated_before_its_work_order_is_refused(world: World) -> None:
    world.later(days=3)
    _, order = world.ordered()
    files = world.bundle(order, started=order.issued_at - timedelta(days=1))
    assert "is dated before its work order" in world.refuse(files)


def test_a_certificate_from_the_future_is_refused(world: World) -> None:
    _, order = world.ordered()
    assert "in the future" in world.refuse(world.bundle(order, started=world.now + timedelta(days=5)))


def test_a_work_order_that_was_replaced_is_not_answered_any_more(world: World) -> None:
    device_id, order = world.ordered()
    world.later(minutes=5)
    newer = world.order(device_id)
    assert world.refuse(world.bundle(order)) == (
        f"Work order {order.code} was replaced by a newer one. Fetch orders and certify under that one."
    )
    assert world.submit(world.bundle(newer)).outcome == "accepted"


def test_a_work_order_that_ran_out_is_not_answered_any_more(world: World) -> None:
    _, order = world.ordered()
    files = world.bundle(order)
    world.later(days=14)
    assert world.refuse(files) == (
        f"Work order {order.code} ran out on 04 December 2026. Issue a new one and wipe under it."
    )


def test_evidence_that_the_policy_does_not_admit_is_refused(world: World) -> None:
    device_id, order = world.ordered()
    sampled = wipe.Sampling(fraction_ppm=1_000, confidence_ppm=990_000, samples=5_000, seed="0" * 32)
    for changes in (
        {"evidence_class": "sampled-read", "sampling": sampled, "bytes_read": 5_000 * 4096},
        {"evidence_class": "operator-witnessed"},
        {"evidence_class": "device-reported"},
    ):
        assert world.refuse(world.bundle(order, **changes)).startswith(
            f"The policy does not admit “{changes['evidence_class']}” at level “clear” for the ssd with serial DRIVE-1."
        )
    assert world.device(device_id).state is State.CLEARING


def test_a_sim_card_that_was_overwritten_still_has_to_be_destroyed(world: World) -> None:
    device_id, order = world.ordered(kind="sim", serials=("8949000000000000001",))
    reason = world.refuse(world.bundle(order))
    assert "The policy does not admit “full-read” at level “clear” for the sim" in reason
    destroyed = world.bundle(order, evidence_class="destroyed", level="destroy", technique="shredded", bytes_read=0)
    assert world.submit(destroyed).outcome == "accepted"
    assert world.raw("select count(*) from medium_events where kind = 'destroyed' and device_id = :d", d=device_id) == 1


def test_practice_counts_for_nothing_in_a_live_market(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    world.issuers = replace(world.issuers, training=False)
    world.refuse(files)
    assert not all(check["ok"] for check in refused_first(world).checks if check["name"] == "training")
    assert world.device(device_id).state is State.CLEARING


def test_a_training_certificate_does_not_come_into_a_live_database_by_raw_sql_either(
    world: World, owner_url: str
) -> None:
    _, order = world.ordered()
    examined = registry.open_bundle(world.bundle(order))
    owner = sa.create_engine(owner_url)
    with owner.begin() as connection:
        connection.execute(sa.text("update installation set mode = 'live'"))
    owner.dispose()
    trust = credentials.trust_bytes(world.issuers)
    statement = registry.verify(examined, trust, at=world.now + timedelta(hours=3), training=True)
    lines = {medium.id: line for medium, line in zip(world.media(order.device_id), statement.lines, strict=True)}
    with (
        world.nothing_changes(),
        pytest.raises(sa.exc.IntegrityError, match="counts for nothing in a live market"),
        world.transaction() as session,
    ):
        registry.accept(
            session,
            examined,
            statement,
            lines,
            device=custody.find(session, order.device_id),
            centre_id=order.centre_id,
            station_id=world.station().station.id,
            work_order_id=order.id,
            now=world.now,
        )


def test_a_held_device_is_not_cleared(world: World) -> None:
    device_id, order = world.ordered()
    with world.transaction() as session:
        bench.place_hold(session, world.stefan, device_id, kind="litigation", reason="A court asked.", now=world.now)
    reason = world.refuse(world.bundle(order))
    assert reason.startswith(f"A hold stands on device {world.device(device_id).code} (litigation: A court asked.).")


def test_a_device_that_does_not_wait_is_not_cleared(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    with world.transaction() as session:
        bench.report_lost(session, world.olga, device_id, reason="Fell from the cart.", now=world.now)
    assert world.refuse(files).endswith("is lost; it does not wait for a certificate.")


def test_a_certificate_of_an_earlier_custody_cycle_is_refused(world: World) -> None:
    device_id, order = world.ordered()
    spare = world.bundle(order)
    world.submit(world.bundle(order))
    certificate_id = world.raw("select id from certificates")
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate_id, reason="Read-back was faulty.", now=world.now
        )
    assert (world.device(device_id).state, world.device(device_id).cycle) == (State.CLEARING, 2)
    assert "a replay" in world.refuse(spare)
    fresh = world.order(device_id)
    first_id = world.raw("select credential_id from certificates")
    assert json.loads(fresh.document)["credentialSubject"]["supersedes"] == first_id

    def supersede_nothing(statement: dict[str, Any]) -> None:
        del statement["wipe"]["supersedes"]

    assert "does not supersede" in world.refuse(world.bundle(fresh, change=supersede_nothing))
    assert world.submit(world.bundle(fresh)).outcome == "accepted"


def test_only_a_station_submits_certificates(world: World) -> None:
    _, order = world.ordered()
    files = world.bundle(order)
    for actor in (world.olga, world.stefan, world.cora):
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            clearing.accept_certificate(session, actor, files, issuers=world.issuers, now=world.now)


def test_one_certificate_sent_at_once_from_two_desks_clears_once(world: World) -> None:
    device_id, order = world.ordered()
    bundles, actor = [world.bundle(order) for _ in range(4)], clearing.station_actor(world.station().station)
    world.later(hours=3)
    together = threading.Barrier(4)

    def send(files: dict[str, str]) -> str:
        together.wait(10)
        try:
            with world.transaction() as session:
                return clearing.accept_certificate(session, actor, files, issuers=world.issuers, now=world.now).outcome
        except registry.CertificateRefused as refusal:
            return refusal.message

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(send, bundles))
    assert answers.count("accepted") == 1
    assert sum("a replay" in answer for answer in answers) == 3
    assert world.raw("select count(*) from certificates") == world.raw("select count(*) from payment_instructions") == 1
    with world.transaction() as session:
        assert custody.check_chain(session, device_id) == []
