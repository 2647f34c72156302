"""Two people: what an accreditor's staff propose and confirm, on which audit, and that the database holds it, too."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from ewaste.accounts.standing import StandingChange
from ewaste.centres import accreditation, checklist, published
from ewaste.centres.accrediting_models import AccreditationRevocation, AuditAnswer, Decision, DecisionOutcome
from ewaste.centres.models import Centre, Standing
from ewaste.certificates.rechecks import Recheck
from ewaste.core.mail import Mail
from ewaste.core.refusals import Conflict, Invalid, NotFound
from ewaste.devices.lifecycle import State
from ewaste.journey import accrediting, clearing
from tests.transparency.witness import Witness
from tests.world import World
from wipe_agent import certificate as wipe

RHEIN = "Rhein Datenpark"


def centre(world: World) -> Centre:
    with world.transaction() as session:
        return session.get_one(Centre, world.organisation(RHEIN))


def newest(world: World) -> dict[str, object]:
    with world.transaction() as session:
        return json.loads(accreditation.current(session, world.organisation(RHEIN)).document)


# ---- the audit ----


def test_the_checklist_has_a_source_for_each_point_and_nobody_changes_it_unseen() -> None:
    list_ = checklist.load()
    assert (list_.version, len(list_.points), len({point.id for point in list_.points})) == ("audit-1", 25, 25)
    assert {source.standard for point in list_.points for source in point.sources} == set(list_.standards)
    assert {point.group for point in list_.points} == set(list_.groups)
    assert all(point.sources and point.look_for for point in list_.points)
    # A published version never changes; another list is another version.
    assert list_.digest == "b28f45677b88569bee299240f5fb594cc893fa179f13e9ac43455e0826914dfb"


def test_an_audit_is_passed_when_every_point_is_answered_and_none_is_not_met() -> None:
    list_ = checklist.load()
    met = dict.fromkeys((point.id for point in list_.points), "met")
    assert checklist.progress(list_, {}).missing == tuple(met)
    assert checklist.progress(list_, met | {"destruction": "not-applicable"}).passed
    failed = checklist.progress(list_, met | {"read-back": "not-met"})
    assert (failed.complete, failed.passed, failed.not_met) == (True, False, ("read-back",))


@pytest.mark.parametrize(
    ("point", "found", "evidence", "field"),
    [
        ("read-back", "perhaps", "Seen.", "found"),
        ("read-back", "not-applicable", "Seen.", "found"),
        ("no-such-point", "met", "Seen.", "point"),
        ("read-back", "met", " ", "evidence"),
        ("read-back", "met", "x" * 1_001, "evidence"),
        ("destruction", "not-applicable", "It does not destroy.", None),
    ],
)
def test_what_an_answer_must_say(point: str, found: str, evidence: str, field: str | None) -> None:
    problem = checklist.problem(checklist.load(), point, found, evidence)
    assert (problem and problem[0]) == field


def test_answers_are_kept_with_who_gave_them_and_the_newest_counts(world: World) -> None:
    with world.transaction() as session:
        audit = accrediting.begin_audit(session, world.stefan, world.organisation(RHEIN), now=world.now)
        accrediting.answer_audit(
            session, world.stefan, audit.id, {"read-back": ("not-met", "Nobody reads back.")}, now=world.now
        )
    with world.transaction() as session:
        same = {"read-back": ("not-met", "Nobody reads back.")}
        assert accrediting.answer_audit(session, world.sara, audit.id, same, now=world.now) == 0
        mended = {"read-back": ("met", "They do now.")}
        assert accrediting.answer_audit(session, world.sara, audit.id, mended, now=world.now) == 1
    with world.nothing_changes(), pytest.raises(Conflict, match="24 of 25 points"), world.transaction() as session:
        accrediting.conclude_audit(session, world.sara, audit.id, now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="under way"), world.transaction() as session:
        accrediting.begin_audit(session, world.sara, world.organisation(RHEIN), now=world.now)
    with world.transaction() as session:
        kept = session.execute(
            sa.select(AuditAnswer.found, AuditAnswer.by_name)
            .where(AuditAnswer.audit_id == audit.id)
            .order_by(AuditAnswer.number)
        ).all()
    assert [(row.found.value, row.by_name) for row in kept] == [("not-met", "Stefan Vogel"), ("met", "Sara Winter")]
    assert world.refused_by_database("update audit_answers set evidence = 'Otherwise.'").startswith("42501")


def test_no_scope_without_a_passed_audit_of_the_last_year(world: World) -> None:
    world.later(days=366)
    with world.nothing_changes(), pytest.raises(Conflict, match="more than a year old"):
        world.propose("scope")
    world.audited(read_back="not-met")
    with world.nothing_changes(), pytest.raises(Conflict, match="not passed"):
        world.propose("scope")
    world.later(days=1)
    audit = world.audited()
    world.confirm_decision(world.propose("scope"))
    with world.transaction() as session:
        decision = session.scalars(sa.select(Decision).order_by(Decision.proposed_at.desc()).limit(1)).one()
    assert (decision.audit_id, decision.proposed_name, decision.decided_name) == (audit, "Stefan Vogel", "Sara Winter")


# ---- propose, take back, confirm ----


def test_a_proposal_changes_nothing_until_another_person_confirms_it(world: World) -> None:
    world.audited()
    with world.nothing_changes("accreditation_decisions", "mails", "procrastinate_jobs"):
        waits = world.propose("scope")
    with world.nothing_changes(), pytest.raises(Conflict, match="You proposed this"):
        world.confirm_decision(waits, who="stefan")
    with world.nothing_changes(), pytest.raises(Conflict, match="waits already"):
        world.propose("withdraw", who="sara")
    world.confirm_decision(waits)
    assert (centre(world).decision_id, centre(world).methods) == (waits, ["clear", "purge"])
    with world.nothing_changes(), pytest.raises(Conflict, match="decided already"):
        world.confirm_decision(waits)
    with world.transaction() as session:
        subjects = set(session.scalars(sa.select(Mail.subject).where(Mail.to_address == "sara@clearhand.example")))
        noted = session.scalars(sa.select(StandingChange).order_by(StandingChange.at.desc(), StandingChange.kind)).all()
    assert "To confirm: change the scope of Rhein Datenpark" in subjects
    assert (noted[-1].by_name, noted[-1].detail["proposed_by"]) == ("Sara Winter", "Stefan Vogel")


def test_a_proposal_is_taken_back_before_it_is_confirmed_and_stays_on_record(world: World) -> None:
    waits = world.propose("withdraw")
    with world.transaction() as session:
        accrediting.undo(session, world.stefan, waits, now=world.now)
    assert centre(world).standing is Standing.ACCREDITED
    with world.nothing_changes(), pytest.raises(Conflict, match="decided already"):
        world.confirm_decision(waits)
    with world.transaction() as session:
        kept = session.get_one(Decision, waits)
    assert (kept.outcome, kept.decided_name) == (DecisionOutcome.UNDONE, "Stefan Vogel")
    world.confirm_decision(world.propose("withdraw"))
    assert centre(world).standing is Standing.WITHDRAWN


def test_what_cannot_be_proposed_names_its_field(world: World) -> None:
    world.audited()
    for field, kind, change in (
        ("methods", "scope", {"methods": []}),
        ("methods", "scope", {"methods": ["clear", "pray"]}),
        ("media_kinds", "scope", {"media_kinds": ["ssd", "floppy"]}),
        ("valid_until", "scope", {"valid_until": world.now}),
        ("valid_until", "scope", {"valid_until": world.now + timedelta(days=1_200)}),
        ("reason", "withdraw", {"reason": " "}),
        ("since", "fraud", {}),
        ("since", "fraud", {"since": world.now + timedelta(seconds=1)}),
        ("kind", "bless", {}),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            world.propose(kind, **change)
        assert refused.value.field == field, (kind, change)
    with world.nothing_changes(), pytest.raises(NotFound):
        world.propose("withdraw", "Werk Zwei")
    with world.nothing_changes(), pytest.raises(Conflict, match="accredited and not suspended"):
        world.propose("grant")


# ---- the database ----


def test_not_even_raw_sql_lets_one_person_decide(world: World) -> None:
    world.audited()
    waits = world.propose("scope")
    set_ = "outcome = 'confirmed', decided_by = proposed_by, decided_at = now()"
    alone = f"update accreditation_decisions set {set_} where id = :id"
    assert world.refused_by_database(alone, id=waits).startswith("23514")
    rule = "a centre is accredited by a decision of two people"
    for wider in (
        "update centres set methods = '{clear,destroy,purge}'",
        "update centres set accredited_until = accredited_until + interval '1 day'",
        "update centres set standing = 'suspended', suspended_at = now(); update centres set standing = 'accredited'",
    ):
        assert rule in world.refused_by_database(wider)
    world.confirm_decision(waits)
    again = "update centres set media_kinds = '{hdd,nvme,ssd}' where organisation_id = :id"
    assert rule in world.refused_by_database(again, id=world.organisation(RHEIN))
    rewritten = "update accreditation_decisions set decided_name = 'Nobody' where id = :id"
    assert world.refused_by_database(rewritten, id=waits).startswith("42501")


# ---- withdrawal ----


def test_an_ordinary_withdrawal_ends_what_was_valid_and_what_was_certified_before_stands(world: World) -> None:
    device_id, order = world.cleared(), world.ordered(serial="PF2ABCDE", serials=("DRIVE-2",))[1]
    files = world.bundle(order)
    until = newest(world)["validUntil"]
    world.decide("withdraw", reason="It stops at the end of the month.")
    assert (centre(world).standing, centre(world).accredited_until) == (Standing.WITHDRAWN, world.now)
    assert newest(world)["validUntil"] == f"{world.now:%Y-%m-%dT%H:%M:%SZ}" != until
    assert world.refuse(files).startswith("Your centre is no longer accredited: It stops at the end of the month.")
    assert world.raw("select device_listable(:id)", id=device_id) is True
    assert world.raw("select count(*) from certificate_rechecks") == 0
    world.audited()
    world.confirm_decision(world.propose("grant"))
    assert centre(world).standing is Standing.ACCREDITED


def test_a_withdrawal_for_fraud_revokes_and_puts_all_that_no_witness_saw_before_in_doubt(
    world: World, witness: Witness
) -> None:
    before = world.cleared(serial="PF1AAAAA", serials=("DRIVE-1",))
    witness.sees(world)
    since = world.later(days=1)
    after = world.cleared(serial="PF2BBBBB", serials=("DRIVE-2",))
    lot = world.lot_of([after])
    world.later(days=1)
    world.decide("fraud", reason="Certificates were written without a wipe.", since=since)
    assert (centre(world).standing, centre(world).fraud_since) == (Standing.WITHDRAWN, since)
    with world.transaction() as session:
        revoked = session.scalars(sa.select(AccreditationRevocation)).all()
        doubts = session.scalars(sa.select(Recheck)).all()
        stated = published.all_of(session, centre(world).did)
    assert {(row.since, row.reason) for row in revoked} == {(since, "Certificates were written without a wipe.")}
    assert [json.loads(one.document)["type"] for one in stated if one.kind.value == "revocation"] == [
        "RevocationStatement"
    ] * len(revoked)
    assert world.raw("select count(*) from log_entries where kind = 'revocation'") == len(revoked)
    assert len(doubts) == 1
    listable = "select device_listable(:id)"
    assert (world.raw(listable, id=before), world.raw(listable, id=after)) == (True, False)
    assert world.raw("select state from lots where code = :code", code=lot) == "cancelled"
    with world.transaction() as session:
        told = dict(
            session.execute(sa.select(Mail.subject, Mail.text).where(Mail.to_address == "cora@example.org")).all()
        )
    assert sum("is looked at again" in subject for subject in told) == 1


def test_the_key_of_a_new_station_and_its_accreditation_are_in_the_log(world: World) -> None:
    station = world.station().station
    with world.transaction() as session:
        made = published.made(session, station.centre_id, now=world.now)
        documents = [one.document for one in published.all_of(session, centre(world).did)]
    assert [(said.kind, said.issuer) for said in made] == [
        ("key", "did:web:market.test:centres:rhein-datenpark"),
        ("accreditation", "did:web:market.test:accreditation"),
    ]
    said = json.loads(documents[0])
    assert (said["key"], said["event"]) == (station.verification_method, "enrolled")
    assert made[0].document == said
    logged = "select count(*) from log_entries where kind = :kind and digest = :digest"
    for each in made:
        assert world.raw(logged, kind=each.kind, digest=wipe.digest_multibase(each.document)) == 1


def test_a_withdrawn_centre_gets_no_device_and_no_order(world: World) -> None:
    device_id = world.clearing()
    world.decide("withdraw")
    with world.nothing_changes(), pytest.raises(Conflict, match="withdrawn"):
        world.order(device_id)
    with pytest.raises(Conflict, match="takes no devices"):
        world.expected(serial="PF9ABCDE")
    assert world.device(device_id).state is State.CLEARING
    with world.transaction() as session:
        assert clearing.centre_did_document(session, world.organisation(RHEIN), now=world.now) is not None
