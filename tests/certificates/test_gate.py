"""The gate, held against raw SQL by the app role, and what happens to a sale when the ground under it falls away."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import WORKER
from ewaste.certificates.models import Certificate
from ewaste.core.refusals import Conflict, Invalid, NotAllowed
from ewaste.devices import custody
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import MediumEventKind
from ewaste.journey import bench, clearing, sale, settlement
from ewaste.market.models import Listing, ListingState, Lot, LotLine, LotState
from ewaste.payments.gateway import PaymentState
from ewaste.views import audit
from tests.world import World, good_findings
from wipe_agent import certificate as wipe

LISTING = """
insert into listings (id, code, device_id, price_minor, currency, snapshot, state, listed_at)
values (gen_random_uuid(), :code, :device, 10000, 'EUR', '{}', :state, now())
"""
LOT_LINE = """
insert into lot_lines (id, lot_id, device_id, position, snapshot) values (gen_random_uuid(), :lot, :device, 99, '{}')
"""
CLEARANCE = """
insert into clearances (id, device_id, cycle, certificate_id, at, ended_at)
values (gen_random_uuid(), :device, :cycle, :certificate, now(), :ended)
"""
CERTIFICATE = """
insert into certificates (id, credential_id, digest, device_id, cycle, centre_id, station_id, work_order_id, training,
                          valid_from, bundle, checks, accepted_at)
select :id, :credential, :digest, w.device_id, w.cycle, w.centre_id, :station, w.id, true, now(),
       cast(:bundle as jsonb), '[]', now() from work_orders w where w.id = :order
"""
LINE = """
insert into certificate_lines (certificate_id, medium_id, evidence_class, level, technique, wiped_from, wiped_until)
values (:certificate, :medium, :evidence, :level, 'overwrite', now(), now())
"""


def refused(world: World, sql: str, **values: Any) -> str:
    answer = world.refused_by_database(sql, **values)
    assert answer[:5] in {"23514", "23503", "42501"}, answer
    return answer[6:]


def list_it(world: World, device_id: UUID, price: int = 20_000) -> UUID:
    with world.transaction() as session:
        return sale.list_device(session, world.stefan, device_id, price_minor=price, now=world.now).id


def certificate_of(world: World, device_id: UUID) -> UUID:
    return world.raw("select id from certificates where device_id = :d order by accepted_at desc limit 1", d=device_id)


def listing(world: World, listing_id: UUID) -> Listing:
    with world.transaction() as session:
        return session.get_one(Listing, listing_id)


def lot(world: World, code: str) -> tuple[LotState, dict[UUID, str | None]]:
    """How a lot stands, and why each of its devices was released."""
    with world.transaction() as session:
        found = session.scalars(sa.select(Lot).where(Lot.code == code)).one()
        lines = session.scalars(sa.select(LotLine).where(LotLine.lot_id == found.id))
        return found.state, {line.device_id: line.released_because for line in lines}


def smuggle_certificate(world: World, order: Any, files: dict[str, str]) -> UUID:
    """A certificate written past the examination, as somebody could who holds the app role's password."""
    certificate_id = uuid4()
    world.raw(
        CERTIFICATE,
        id=certificate_id,
        credential=json.loads(files["certificate.json"])["id"],
        digest=f"z{certificate_id}",
        station=world.station().station.id,
        bundle=json.dumps(files),
        order=order.id,
    )
    return certificate_id


# --- nothing unlistable is for sale


def test_no_device_before_the_gate_is_put_up_for_sale_by_raw_sql(world: World) -> None:
    cleared = world.cleared(serial="PF2ABCDE", serials=("DRIVE-2",))
    world.lot_of([cleared])
    lot_id = world.raw("select id from lots")
    before_the_gate = [
        world.expected(serial="PF0EXPEC"),
        world.received(serial="PF0RECEI"),
        world.inspected(serial="PF0INSPE", serials=("DRIVE-3",)),
        world.clearing(serial="PF0CLEAR", serials=("DRIVE-4",)),
    ]
    for device_id in before_the_gate:
        for state in ("open", "sold", "withdrawn"):
            answer = refused(world, LISTING, code="S-1", device=device_id, state=state)
            assert answer in {f"device {device_id} is not listable", "a listing begins open"}
        assert refused(world, LOT_LINE, lot=lot_id, device=device_id) == f"device {device_id} is not listable"


def test_a_listed_device_is_not_put_into_a_lot_nor_the_other_way_round(world: World) -> None:
    listed, lotted = world.cleared(), world.cleared(serial="PF2ABCDE", serials=("DRIVE-2",))
    list_it(world, listed)
    world.lot_of([lotted])
    lot_id = world.raw("select id from lots")
    assert refused(world, LOT_LINE, lot=lot_id, device=listed) == f"device {listed} is in the storefront already"
    assert refused(world, LISTING, code="S-1", device=lotted, state="open") == f"device {lotted} is in a lot already"
    with world.nothing_changes(), pytest.raises(Conflict, match="is in lot L-"), world.transaction() as session:
        sale.list_device(session, world.stefan, lotted, price_minor=100, now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="Take it out of there first"):
        world.lot_of([listed])


def test_a_manifest_is_not_lengthened_once_somebody_bid(world: World) -> None:
    code, _ = world.listed_lot()
    late = world.cleared(serial="PF2ABCDE", serials=("DRIVE-2",))
    world.bid("rita", code, 40)
    lot_id = world.raw("select id from lots")
    assert (
        refused(world, LOT_LINE, lot=lot_id, device=late) == "a lot takes no more devices once it was bid on or is over"
    )


def test_a_listing_that_was_withdrawn_opens_again_only_while_its_device_is_listable(world: World) -> None:
    device_id = world.cleared()
    listing_id = list_it(world, device_id)
    with world.transaction() as session:
        sale.unlist_device(session, world.stefan, device_id, now=world.now)
        bench.place_hold(session, world.stefan, device_id, kind="stolen", reason="On a list.", now=world.now)
    answer = refused(world, "update listings set state = 'open', closed_at = null where id = :id", id=listing_id)
    assert answer == f"device {device_id} is not listable"


def test_a_released_line_does_not_come_back(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    world.later(days=3)
    world.close(code)
    answer = refused(world, "update lot_lines set released_at = null, released_because = null")
    assert answer == "a line that was released does not come back"
    assert lot(world, code) == (LotState.UNSOLD, {device_id: "the lot was not sold"})


def test_manifests_listings_and_lots_are_not_rewritten(world: World) -> None:
    world.listed_lot()
    for sql in (
        "update lot_lines set device_id = gen_random_uuid()",
        "update lot_lines set snapshot = '{}'",
        "delete from lot_lines",
        "delete from lots",
        "update lots set title = 'x'",
        "update lots set reserve_minor = 1",
        "update listings set device_id = gen_random_uuid()",
        "update listings set price_minor = 1",
        "delete from listings",
    ):
        assert refused(world, sql).startswith("permission denied"), sql


def test_the_journey_says_in_words_that_a_device_is_not_listable(world: World) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        bench.place_hold(session, world.stefan, device_id, kind="stolen", reason="On a list.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="cannot be sold now"):
        world.lot_of([device_id])
    with world.nothing_changes(), pytest.raises(Conflict, match="cannot be sold now"):
        list_it(world, device_id)


# --- no clearance without a certificate


def test_no_clearance_stands_on_nothing_or_on_another_devices_certificate(world: World) -> None:
    waiting = world.clearing()
    other = world.cleared(serial="PF2ABCDE", serials=("DRIVE-2",))
    for certificate_id in (uuid4(), world.raw("select id from certificates")):
        answer = refused(world, CLEARANCE, device=waiting, cycle=1, certificate=certificate_id, ended=None)
        assert answer == "a clearance stands on a certificate for this device and cycle"
    for cycle, ended in ((0, None), (2, None), (1, world.now)):
        answer = refused(
            world, CLEARANCE, device=waiting, cycle=cycle, certificate=certificate_of(world, other), ended=ended
        )
        assert answer == "the device is not waiting for clearance in this cycle"


def test_no_clearance_stands_on_a_refused_certificate(world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    world.refuse(world.bundle(order, leave_out=["DRIVE-2"]))
    refusal_id = world.raw("select id from certificate_refusals")
    answer = refused(world, CLEARANCE, device=device_id, cycle=1, certificate=refusal_id, ended=None)
    assert answer == "a clearance stands on a certificate for this device and cycle"


def test_no_clearance_stands_on_a_certificate_that_covers_a_part(world: World) -> None:
    device_id, order = world.ordered(serials=("DRIVE-1", "DRIVE-2"))
    first, second = world.media(device_id)
    smuggled = smuggle_certificate(world, order, world.bundle(order, leave_out=["DRIVE-2"]))
    clearance = {"device": device_id, "cycle": 1, "certificate": smuggled, "ended": None}
    incomplete = "the certificate does not cover every medium observed in the device"
    assert refused(world, CLEARANCE, **clearance) == incomplete
    world.raw(LINE, certificate=smuggled, medium=first.id, evidence="full-read", level="clear")
    assert refused(world, CLEARANCE, **clearance) == incomplete
    answer = refused(world, LINE, certificate=smuggled, medium=second.id, evidence="full-read", level="clear")
    assert answer == "the certificate does not say this of this medium"


def test_a_line_says_what_its_certificate_says(world: World) -> None:
    device_id, order = world.ordered()
    (medium,) = world.media(device_id)
    sampled = wipe.Sampling(fraction_ppm=1_000, confidence_ppm=990_000, samples=5_000, seed="0" * 32)
    files = world.bundle(order, evidence_class="sampled-read", sampling=sampled, bytes_read=5_000 * 4096)
    smuggled = smuggle_certificate(world, order, files)
    for evidence, level in (("full-read", "clear"), ("sampled-read", "purge"), ("destroyed", "destroy")):
        answer = refused(world, LINE, certificate=smuggled, medium=medium.id, evidence=evidence, level=level)
        assert answer == "the certificate does not say this of this medium"
    world.raw(LINE, certificate=smuggled, medium=medium.id, evidence="sampled-read", level="clear")
    answer = refused(world, CLEARANCE, device=device_id, cycle=1, certificate=smuggled, ended=None)
    assert answer == "the certificate does not cover every medium observed in the device"


def test_a_certificate_is_stored_for_its_own_work_order_only(world: World) -> None:
    _, order = world.ordered()
    _, other = world.ordered(serial="PF2ABCDE", serials=("DRIVE-2",))
    files = world.bundle(order)
    values = {
        "id": uuid4(),
        "credential": json.loads(files["certificate.json"])["id"],
        "digest": "zX",
        "station": world.station().station.id,
        "bundle": json.dumps(files),
        "order": order.id,
    }
    swapped = json.dumps({**files, "work-order.json": other.document})
    for change, answer in (
        ({"order": other.id}, "the certificate is stored with its whole bundle"),
        (
            {"order": other.id, "bundle": swapped},
            "the certificate says otherwise: another work order, another device, or training",
        ),
        ({"credential": "urn:uuid:another"}, "the certificate is stored with its whole bundle"),
        ({"bundle": "{}"}, "the certificate is stored with its whole bundle"),
        (
            {"station": world.station("Elbe Prüfstelle").station.id},
            "the certificate does not come from a station of this centre",
        ),
    ):
        assert refused(world, CERTIFICATE, **{**values, **change}) == answer


def test_a_certificate_that_was_forged_past_the_gate_is_found_by_the_audit(world: World) -> None:
    """The database cannot check a signature. Whoever holds the app role's password can forge a certificate whole; the
    audit verifies every stored bundle again, as anybody can, and finds it."""
    device_id, order = world.ordered()
    (medium,) = world.media(device_id)
    files = world.bundle(order)
    files["certificate.json"] = files["certificate.json"].replace("Olga Brandt", "Olga Forger")
    smuggled = smuggle_certificate(world, order, files)
    world.raw(LINE, certificate=smuggled, medium=medium.id, evidence="full-read", level="clear")
    world.raw(CLEARANCE, device=device_id, cycle=1, certificate=smuggled, ended=None)
    with world.transaction() as session:
        found = audit.everything(session, issuers=world.issuers, now=world.later(hours=3))
    reason = "The certificate was changed after it was signed, or was signed with another key."
    forged = f"Certificate {json.loads(files['certificate.json'])['id']}"
    assert found.wrong == [f"{forged}: {reason}", f"{forged} was accepted and is not in the log."]


def test_certificates_their_lines_and_refusals_are_not_rewritten(world: World) -> None:
    device_id = world.cleared()
    for table in (
        "certificates",
        "certificate_lines",
        "certificate_refusals",
        "certificate_revocations",
        "accreditations",
    ):
        column = {"certificate_lines": "level", "accreditations": "document", "certificates": "digest"}.get(
            table, "reason"
        )
        for sql in (f"update {table} set {column} = 'x'", f"delete from {table}", f"truncate {table} cascade"):
            assert refused(world, sql).startswith("permission denied"), sql
    for sql in (
        "update clearances set ended_at = now(), ended_because = 'because'",
        "update clearances set ended_at = null",
        "update clearances set certificate_id = gen_random_uuid()",
        "delete from clearances",
        "update work_orders set document = '{}'",
        "update work_orders set device_id = gen_random_uuid()",
        "delete from work_orders",
        "update stations set public_key = 'x'",
        "update centres set did = 'did:web:evil'",
    ):
        assert refused(world, sql).startswith("permission denied"), sql
    assert world.device(device_id).state in WAYS


def test_the_owner_too_does_not_rewrite_history_by_accident(world: World, owner_url: str) -> None:
    code, _ = world.listed_lot()
    world.bid("rita", code, 40)
    before = world.fingerprint()
    owner = sa.create_engine(owner_url)
    for table in (
        "custody_events",
        "medium_events",
        "certificates",
        "certificate_lines",
        "bids",
        "postings",
        "entries",
    ):
        for sql in (f"delete from {table}", f"truncate {table} cascade"):
            with pytest.raises(sa.exc.DBAPIError, match="is append-only"), owner.begin() as connection:
                connection.execute(sa.text(sql))
    with pytest.raises(sa.exc.DBAPIError, match="bids is append-only"), owner.begin() as connection:
        connection.execute(sa.text("update bids set max_minor = 1"))
    assert world.fingerprint() == before
    with owner.begin() as connection:
        connection.execute(sa.text("update clearances set ended_at = now(), ended_because = 'x'"))
    with pytest.raises(sa.exc.DBAPIError, match="does not live again"), owner.begin() as connection:
        connection.execute(sa.text("update clearances set ended_at = null"))
    owner.dispose()


# --- what stood on a proof falls with it


def test_revoking_the_certificate_of_a_listed_device_unlists_it(world: World) -> None:
    device_id = world.cleared()
    listing_id = list_it(world, device_id)
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate_of(world, device_id), reason="The read-back was faulty.", now=world.now
        )
    withdrawn = listing(world, listing_id)
    assert (withdrawn.state, withdrawn.closed_because) == (ListingState.WITHDRAWN, "its certificate was revoked")
    device = world.device(device_id)
    assert (device.state, device.cycle) == (State.CLEARING, 2)
    with world.transaction() as session:
        (live,) = session.execute(
            sa.text("select ended_because from clearances where device_id = :d"), {"d": device_id}
        ).all()
        assert live[0] == "the certificate was revoked: The read-back was faulty."
        assert custody.check_chain(session, device_id) == []
    with world.nothing_changes(), pytest.raises(Conflict, match="or it was taken out"), world.transaction() as session:
        sale.buy(session, world.actor("ben"), withdrawn.code, now=world.now)


def test_raw_sql_that_revokes_a_certificate_unlists_as_well(world: World) -> None:
    device_id = world.cleared()
    listing_id = list_it(world, device_id)
    world.raw(
        "insert into certificate_revocations (certificate_id, reason, revoked_by, at) values (:c, 'raw', :by, now())",
        c=certificate_of(world, device_id),
        by=world.stefan.id,
    )
    assert listing(world, listing_id).state is ListingState.WITHDRAWN
    assert not world.raw("select device_listable(:d)", d=device_id)


def test_a_revoked_device_leaves_an_open_lot_that_nobody_bid_on(world: World) -> None:
    code, devices = world.listed_lot(2)
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate_of(world, devices[0]), reason="The read-back was faulty.", now=world.now
        )
    assert lot(world, code) == (LotState.OPEN, {devices[0]: "its certificate was revoked", devices[1]: None})


def test_a_lot_that_was_bid_on_is_cancelled_when_one_of_its_devices_falls(world: World) -> None:
    code, devices = world.listed_lot(2)
    world.bid("rita", code, 40)
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate_of(world, devices[0]), reason="The read-back was faulty.", now=world.now
        )
    assert lot(world, code) == (
        LotState.CANCELLED,
        {devices[0]: "its certificate was revoked", devices[1]: "the lot was cancelled: its certificate was revoked"},
    )
    with world.nothing_changes(), pytest.raises(Conflict, match="cancelled"):
        world.bid("ravi", code, 60)
    world.later(days=3)
    with world.nothing_changes():
        assert world.close(code) is None
    assert world.device(devices[1]).state in WAYS
    world.lot_of([devices[1]])


def test_a_lot_with_no_device_left_is_cancelled(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    with world.transaction() as session:
        bench.place_hold(session, world.stefan, device_id, kind="stolen", reason="On a list.", now=world.now)
    assert lot(world, code) == (LotState.CANCELLED, {device_id: "a hold was placed on it"})


def test_a_medium_found_later_unlists(world: World) -> None:
    listed = world.cleared()
    listing_id = list_it(world, listed)
    world.note_medium(listed, "CARD-9", kind="sd")
    withdrawn = listing(world, listing_id)
    because = "a storage medium was found that its certificate does not cover"
    assert (withdrawn.state, withdrawn.closed_because) == (ListingState.WITHDRAWN, because)
    assert not world.raw("select device_listable(:d)", d=listed)
    with world.transaction() as session:
        clearing.clear_again(session, world.olga, listed, now=world.now)
    assert (world.device(listed).state, world.device(listed).cycle) == (State.CLEARING, 2)
    assert world.submit(world.bundle(world.order(listed))).outcome == "accepted"
    assert world.raw("select count(*) from payment_instructions") == 1


def test_a_medium_found_later_takes_its_device_out_of_a_lot(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    world.note_medium(device_id, "CARD-9", kind="sd")
    assert lot(world, code)[0] is LotState.CANCELLED


def test_a_medium_seen_again_takes_nothing_away(world: World) -> None:
    device_id = world.cleared()
    listing_id = list_it(world, device_id)
    with world.nothing_changes():
        world.note_medium(device_id, "DRIVE-1")
    assert listing(world, listing_id).state is ListingState.OPEN


def test_a_hold_unlists_and_lifting_it_does_not_list_again(world: World) -> None:
    device_id = world.cleared()
    listing_id = list_it(world, device_id)
    with world.transaction() as session:
        hold_id = bench.place_hold(
            session, world.olga, device_id, kind="battery", reason="It swells.", now=world.now
        ).id
    assert listing(world, listing_id).closed_because == "a hold was placed on it"
    with world.transaction() as session:
        bench.lift_hold(session, world.olga, device_id, hold_id, reason="New battery.", now=world.now)
    assert listing(world, listing_id).state is ListingState.WITHDRAWN
    list_it(world, device_id)


def test_a_lost_device_is_not_for_sale(world: World) -> None:
    listed = world.cleared()
    listing_id = list_it(world, listed)
    code, (lotted,) = world.listed_lot()
    for device_id in (listed, lotted):
        with world.transaction() as session:
            bench.report_lost(session, world.olga, device_id, reason="Not in its place.", now=world.now)
    assert (listing(world, listing_id).state, listing(world, listing_id).closed_because) == (
        ListingState.WITHDRAWN,
        "it is lost",
    )
    assert lot(world, code) == (LotState.CANCELLED, {lotted: "it is lost"})


def test_a_device_that_goes_another_way_leaves_the_sale_of_the_first(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    other = next(iter({State.FOR_REMANUFACTURE, State.FOR_DISMANTLING} - {world.device(device_id).state}))
    with world.transaction() as session:
        custody.move(session, custody.find(session, device_id), other, by=world.stefan, evidence={}, now=world.now)
    assert lot(world, code) == (LotState.CANCELLED, {device_id: f"it is {custody.words(other)}"})


def test_only_staff_revoke_once_and_with_a_public_reason(world: World) -> None:
    device_id = world.cleared()
    certificate_id = certificate_of(world, device_id)
    for actor in (world.olga, world.cora, world.actor("ada")):
        with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
            clearing.revoke_certificate(session, actor, certificate_id, reason="Because.", now=world.now)
    for reason in ("", "no", "x" * 501):
        with world.nothing_changes(), pytest.raises(Invalid) as refusal, world.transaction() as session:
            clearing.revoke_certificate(session, world.stefan, certificate_id, reason=reason, now=world.now)
        assert refusal.value.field == "reason"
    with world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, certificate_id, reason="Because.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="revoked already"), world.transaction() as session:
        clearing.revoke_certificate(session, world.stefan, certificate_id, reason="Because.", now=world.now)


def test_a_revoked_device_that_was_sold_is_not_handed_over(world: World) -> None:
    code, (device_id,) = world.listed_lot()
    world.bid("rita", code, 40)
    world.later(days=3)
    order = world.close(code)
    world.pay(order, "rita")
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate_of(world, device_id), reason="The read-back was faulty.", now=world.now
        )
    named, subject = world.device(device_id).code, "The certificate of something you bought was revoked"
    told = str(world.raw("select string_agg(text, '') from mails where subject = :s", s=subject))
    assert f"({named}), of your order {order.code}, was revoked: The read-back was faulty." in told
    with world.nothing_changes(), pytest.raises(Conflict, match="no live clearance"), world.transaction() as session:
        settlement.hand_over(session, world.olga, order.collection_code, now=world.now)
    with world.transaction() as session:
        settlement.refund_order(session, world.stefan, order.code, reason="Its proof fell.", now=world.now)
    assert world.device(device_id).state in WAYS
    assert not world.raw("select device_listable(:d)", d=device_id)
    with world.transaction() as session:
        clearing.clear_again(session, world.olga, device_id, now=world.now + timedelta(minutes=1))
    assert world.device(device_id).cycle == 2


def test_a_clearance_lasts_for_one_custody_cycle(world: World) -> None:
    device_id = world.cleared()
    with world.transaction() as session:
        bench.report_lost(session, world.olga, device_id, reason="Not in its place.", now=world.now)
        custody.move(
            session, custody.find(session, device_id), State.RECEIVED, by=world.olga, evidence={}, now=world.now
        )
    assert world.device(device_id).cycle == 2
    assert world.raw("select ended_because from clearances") == "a new custody cycle began"
    with world.transaction() as session:
        assert not session.scalar(sa.text("select device_cleared(:d)"), {"d": device_id})
        carried = session.execute(
            sa.text("select kind, evidence from medium_events where cycle = 2 and device_id = :d"), {"d": device_id}
        ).all()
    assert [tuple(row) for row in carried] == [(MediumEventKind.FOUND.value, {"carriedFromCycle": 1})]


def test_a_medium_whose_wipe_failed_is_covered_by_its_destruction_only_also_after_the_device_was_lost(
    world: World,
) -> None:
    device_id = world.clearing()
    medium = world.media(device_id)[0]
    with world.transaction() as session:
        bench.wipe_failed(session, world.olga, device_id, medium.id, reason="Bad blocks.", now=world.now)
    with world.transaction() as session:
        bench.report_lost(session, world.olga, device_id, reason="Not on its shelf.", now=world.now)
    with world.transaction() as session:
        bench.receive(
            session, world.olga, device_id, seal="S-9", seal_state="intact", mass_g=1900, note="", now=world.now
        )
    with world.transaction() as session:
        bench.inspect(
            session,
            world.olga,
            device_id,
            observed_serial=world.device(device_id).claimed_serial,
            mass_g=1580,
            findings=good_findings(),
            now=world.now,
        )
    assert world.device(device_id).state is State.CLEARING
    assert "It must be destroyed" in world.refuse(world.bundle(world.order(device_id)))
    assert world.device(device_id).state is State.CLEARING


def test_a_failed_wipe_is_noted_while_the_device_waits_for_its_certificate_only(world: World) -> None:
    device_id = world.cleared()
    medium = world.media(device_id)[0]
    with world.nothing_changes(), pytest.raises(Conflict, match="put a hold on it"), world.transaction() as session:
        bench.wipe_failed(session, world.olga, device_id, medium.id, reason="Doubts.", now=world.now)


def test_a_medium_kept_apart_that_is_seen_in_the_device_again_is_a_contradiction(world: World) -> None:
    device_id = world.with_media(("DRIVE-1", "DRIVE-2"))
    second = world.media(device_id)[1]
    with world.transaction() as session:
        bench.set_apart(session, world.olga, device_id, second.id, seal="S-7", reason="Taken out.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="kept apart under a seal"):
        world.note_medium(device_id, "DRIVE-2")


def test_what_became_of_a_delivered_device_is_told_although_its_certificate_fell_meanwhile(world: World) -> None:
    lot, (device_id,) = world.listed_lot()
    world.bid("rita", lot, 40)
    world.later(days=3)
    order = world.close(lot)
    world.pay(order, "rita", PaymentState.SUCCEEDED)
    with world.transaction() as session:
        settlement.hand_over(session, world.olga, order.collection_code, now=world.now)
    with world.transaction() as session:
        known = session.scalars(sa.select(Certificate)).one()
        clearing.revoke_certificate(session, world.stefan, known.id, reason="A false key.", now=world.now)
    with world.transaction() as session:
        settlement.report_outcome(
            session,
            world.actor("rita"),
            lot,
            world.device(device_id).code,
            outcome="dismantled",
            fractions={"residue": 100},
            remark="",
            now=world.now,
        )
    assert world.device(device_id).state is State.DISMANTLED


def test_nobody_is_paid_for_what_may_be_stolen_until_the_hold_is_lifted(world: World) -> None:
    device_id = world.clearing()
    with world.transaction() as session:
        hold = bench.place_hold(
            session, world.olga, device_id, kind="stolen", reason="The police asked.", now=world.now
        )
    offer_id = world.offer(device_id).id
    world.later(days=8)
    with world.transaction() as session:
        clearing.pay_seller_at_latest(session, WORKER, offer_id, practice=True, now=world.now)
    assert world.raw("select count(*) from payment_instructions") == 0
    with world.transaction() as session:
        bench.lift_hold(session, world.olga, device_id, hold.id, reason="A mistake.", now=world.now)
    with world.transaction() as session:
        clearing.pay_seller_at_latest(session, WORKER, offer_id, practice=True, now=world.now)
    assert world.raw("select count(*) from payment_instructions") == 1
