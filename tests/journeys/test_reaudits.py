"""The routine re-audit: which devices are chosen, who may look, and what happens when something is left."""

from __future__ import annotations

from uuid import UUID

import pytest
import sqlalchemy as sa

from ewaste.certificates import reaudit
from ewaste.certificates.models import Certificate
from ewaste.certificates.reaudit import Because, Outcome, ReAudit
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices.custody import open_hold
from ewaste.devices.incidents import Incident, IncidentKind
from ewaste.devices.lifecycle import WAYS, State
from ewaste.devices.models import HoldKind
from ewaste.journey import bench, clearing, reauditing
from ewaste.views import reaudits
from tests.world import World

AS_PHONE = {"technique": "android-recovery-reset", "bytes_read": 0, "level": "clear", "validator": "Otto Kern"}


def audit_of(world: World, device_id: UUID) -> ReAudit:
    with world.transaction() as session:
        return session.scalars(sa.select(ReAudit).where(ReAudit.device_id == device_id)).one()


def look(world: World, who: str, audit: ReAudit, outcome: str = "clean", note: str = "") -> None:
    with world.transaction() as session:
        reauditing.look_again(session, world.actor(who), audit.id, outcome=outcome, note=note, now=world.now)


# ------------------------------------------------------------------------------------------ the rule


@pytest.mark.parametrize(
    ("share", "number", "chosen", "because"),
    [
        (0, 1, 0, Because.DRAWN),
        (49_999, 40, 9, Because.DRAWN),
        (50_000, 1, 0, Because.FLOOR),
        (50_000, 20, 1, Because.NOT),
        (50_000, 21, 1, Because.FLOOR),
        (999_999, 40, 2, Because.NOT),
        (999_999, 41, 2, Because.FLOOR),
    ],
)
def test_one_in_twenty_is_reached_at_every_moment(share: int, number: int, chosen: int, because: Because) -> None:
    assert reaudit.choose(share, number=number, chosen_before=chosen) is because


def test_over_a_long_run_never_fewer_than_five_percent_are_chosen() -> None:
    chosen = 0
    for number in range(1, 2_001):
        share = reaudit.share_ppm(number.to_bytes(8, "big"))
        chosen += reaudit.choose(share, number=number, chosen_before=chosen) is not Because.NOT
        assert chosen * 20 >= number
    assert chosen < 2_000 * 0.09


def test_the_draw_can_be_checked_with_the_markets_public_key(world: World) -> None:
    audit = audit_of(world, world.cleared())
    with world.transaction() as session:
        digest = session.get_one(Certificate, audit.certificate_id).digest
    world.issuers.market.key.public_key().verify(audit.signature, reaudit.message(digest))
    assert audit.share_ppm == reaudit.share_ppm(audit.signature)
    assert (audit.number, audit.rule) == (1, "re-audit-1")
    assert audit.because in (Because.FLOOR, Because.DRAWN)
    assert audit.operators == ["olga brandt"]
    assert world.olga.id in audit.workers


def test_each_certificate_is_drawn_for_once_and_destroyed_devices_are_not(world: World) -> None:
    device_id, order = world.ordered()
    files = world.bundle(order)
    world.submit(files)
    world.submit(files)
    doomed, order = world.ordered(serial="PF0DOOM", serials=("SIM-1",), kind="sim")
    world.submit(world.bundle(order, evidence_class="destroyed", level="destroy", technique="shred", bytes_read=0))
    assert world.raw("select count(*) from re_audits") == 1
    assert audit_of(world, device_id).number == 1
    assert world.device(doomed).state is State.CLEARED


def test_a_device_that_left_unseen_is_replaced_by_another(world: World) -> None:
    first = world.cleared()
    with world.transaction() as session:
        row = session.scalars(sa.select(ReAudit).where(ReAudit.device_id == first)).one()
        assert row.because is not Because.NOT
    with world.transaction() as session:
        bench.report_lost(session, world.olga, first, reason="Not on its shelf.", now=world.now)
    second = audit_of(world, world.cleared(serial="PF0SECOND", serials=("DRIVE-2",)))
    assert second.number == 2
    assert second.because is not Because.NOT
    with world.transaction() as session:
        told = reaudits.figures(session, second.centre_id)
    assert told == {"drawn": 2, "chosen": 2, "looked_at": 0, "reversed": 0, "missed": 1}


# ------------------------------------------------------------------------------------------ who looks, and what then


def test_whoever_worked_on_it_is_refused_and_somebody_else_is_not(world: World) -> None:
    device_id = world.cleared()
    audit = audit_of(world, device_id)
    with world.nothing_changes():
        with pytest.raises(Conflict, match="You worked on this device yourself"):
            look(world, "olga", audit)
        with pytest.raises(NotFound):
            look(world, "omar", audit)
        with pytest.raises(NotAllowed):
            look(world, "cora", audit)
        with pytest.raises(Invalid, match="Say whether it is clean"):
            look(world, "otto", audit, outcome="perhaps")
        with pytest.raises(Invalid, match="Say what is left on it"):
            look(world, "otto", audit, outcome="residue")
    look(world, "otto", audit, note="Searched with two tools.")
    seen = audit_of(world, device_id)
    assert (seen.outcome, seen.note, seen.auditor_name) == (Outcome.CLEAN, "Searched with two tools.", "otto kern")
    assert world.raw("select kind from custody_events order by at desc, seq desc limit 1") == "re-audit.clean"
    with pytest.raises(Conflict, match="looked at already"):
        look(world, "otto", audit)


def test_something_left_stops_the_device_and_opens_an_incident(world: World) -> None:
    device_id = world.cleared()
    look(world, "otto", audit_of(world, device_id), "residue", "A photograph at the end of the drive.")
    with world.transaction() as session:
        hold = open_hold(session, device_id)
        assert hold is not None
        assert hold.kind is HoldKind.VALIDATION
        assert "A photograph at the end of the drive." in hold.reason
        incident = session.scalars(sa.select(Incident)).one()
        assert (incident.kind, incident.device_id) == (IncidentKind.DATA, device_id)
        told = reaudits.figures(session, audit_of(world, device_id).centre_id)
        assert not session.scalar(sa.select(sa.func.device_listable(device_id)))
    assert told == {"drawn": 1, "chosen": 1, "looked_at": 1, "reversed": 1, "missed": 0}


def test_the_database_itself_lets_no_operator_audit_their_own_wipe(world: World) -> None:
    audit = audit_of(world, world.cleared())
    by = "update re_audits set outcome = 'clean', auditor_id = :who, auditor_name = :name, audited_at = now()"
    otto = world.actor("otto")
    worked = world.refused_by_database(f"{by} where id = :id", who=world.olga.id, name="somebody else", id=audit.id)
    assert "auditor_did_not_work_on_it" in worked
    named = world.refused_by_database(f"{by} where id = :id", who=otto.id, name="olga brandt", id=audit.id)
    assert "auditor_is_not_the_operator" in named
    look(world, "otto", audit)
    assert "re_audits" in world.refused_by_database("update re_audits set outcome = 'residue', note = 'found'")
    assert world.refused_by_database("delete from re_audits")
    assert world.refused_by_database("update re_audits set because = 'not-chosen'")


# ------------------------------------------------------------------------------------------ phones


def test_a_phone_that_reports_its_reset_is_cleared_at_clear(world: World) -> None:
    device_id, order = world.ordered(serials=("PHONE-0",), kind="phone-storage")
    receipt = world.submit(world.bundle(order, evidence_class="device-reported", **AS_PHONE))
    assert receipt.outcome == "accepted"
    assert world.device(device_id).state in WAYS


def test_a_phone_that_only_people_saw_waits_for_a_second_person_of_the_centre(world: World) -> None:
    device_id, order = world.ordered(serials=("PHONE-0",), kind="phone-storage")
    world.submit(world.bundle(order, evidence_class="operator-witnessed", **AS_PHONE))
    assert world.device(device_id).state is State.CLEARED
    (medium,) = world.media(device_id)

    def confirm(who: str) -> None:
        with world.transaction() as session:
            actor = world.actor(who)
            clearing.validate(session, actor, device_id, medium.id, result="confirmed", note="", now=world.now)

    with pytest.raises(Conflict, match="You worked on this device yourself"):
        confirm("olga")
    assert world.device(device_id).state is State.CLEARED
    confirm("otto")
    assert world.device(device_id).state in WAYS


@pytest.mark.parametrize("kind", ["ssd", "emmc", "sim"])
def test_what_clears_a_phone_clears_nothing_else(world: World, kind: str) -> None:
    _, order = world.ordered(serials=("DRIVE-0",), kind=kind)
    assert "admit" in world.refuse(world.bundle(order, evidence_class="device-reported", **AS_PHONE))
