"""Accreditors beside the house: admitted by two, listed in the trust file, acting for their own centres only."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.accounts.models import Actor, Membership, Person, Rank, Role
from ewaste.accounts.standing import StandingChange, StandingKind
from ewaste.centres import accreditation, accreditors
from ewaste.centres.accrediting_models import Accreditor, Decision, DecisionOutcome
from ewaste.centres.models import Centre, Standing
from ewaste.certificates import registry
from ewaste.certificates.models import Certificate
from ewaste.core.mail import Mail
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.journey import accrediting, admitting, completing
from ewaste.views import audit
from tests.certificate.test_javascript import run
from tests.web.stage import Elsewhere
from tests.world import World
from wipe_agent import certificate as wipe

ELBE = "Elbe Prüfstelle"
DID = "did:web:verband.example"


def name(world: World, who: str = "stefan", **change: str) -> UUID:
    given = {
        "name": "Verband West",
        "country": "DE",
        "city": "Essen",
        "slug": "verband-west",
        "did_document": "",
        "reason": "It audits for the state.",
        **change,
    }
    with world.transaction() as session:
        return admitting.name_accreditor(session, world.actor(who), **given, issuers=world.issuers, now=world.now).id


def admit(world: World, accreditor: UUID, who: str = "sara") -> None:
    with world.transaction() as session:
        admitting.confirm_accreditor(session, world.actor(who), accreditor, now=world.now)


def people_of(world: World, accreditor: UUID) -> list[Actor]:
    """Two people who act for an accreditor."""
    with world.transaction() as session:
        firm = session.get_one(Accreditor, accreditor).organisation_id
        made = []
        for who in ("ina", "iwan"):
            person = Person(
                email=f"{who}@verband.example", name=who.capitalize(), password_hash="-", created_at=world.now,
                email_confirmed_at=world.now,
            )  # fmt: skip
            session.add(person)
            session.flush()
            session.add(
                Membership(
                    person_id=person.id, organisation_id=firm, role=Role.ACCREDITOR, rank=Rank.OWNER,
                    created_at=world.now,
                )
            )  # fmt: skip
            made.append(Actor(person.id, Role.ACCREDITOR, person.name, firm))
        session.flush()
    return made


def trust(world: World) -> wipe.Trust:
    with world.transaction() as session:
        return wipe.Trust.parse(accreditors.trust_bytes(session, world.issuers))


def own_document(key: Ed25519PrivateKey) -> str:
    return wipe.canonical(wipe.did_document(DID, {f"{DID}#2026": key.public_key()})).decode()


# ---- admitted by two ----


def test_the_trust_file_lists_an_accreditor_when_a_second_person_admitted_it(world: World) -> None:
    did = "did:web:market.test:accreditors:verband-west"
    before = trust(world)
    waits = name(world)
    assert not trust(world).knows(did, "accreditor")
    with world.nothing_changes(), pytest.raises(Conflict, match="You named this accreditor"):
        admit(world, waits, "stefan")
    admit(world, waits)
    assert trust(world).knows(did, "accreditor")
    assert {each for each in trust(world).roles if each[1] != did} == before.roles
    alone = "update accreditors set confirmed_by = named_by where id = :id"
    assert world.refused_by_database(alone, id=waits).startswith("23514")
    assert trust(world).until(did) is None


def test_an_accreditor_that_ended_stays_in_the_trust_file_with_the_moment_until_which_it_counted(world: World) -> None:
    did = "did:web:market.test:accreditors:verband-west"
    made = name(world)
    admit(world, made)
    with world.transaction() as session:
        before = accreditors.trust_fingerprint(session, world.issuers)
    world.later(days=3)
    with world.transaction() as session:
        admitting.end_accreditor(session, world.stefan, made, reason="It was dissolved.", now=world.now)
        published = json.loads(accreditors.trust_bytes(session, world.issuers))
        assert accreditors.trust_fingerprint(session, world.issuers) != before
    found = trust(world)
    assert found.knows(did, "accreditor")
    assert found.until(did) == world.now.replace(microsecond=0)
    assert published["updated"] == published["parties"][-1]["until"] == f"{world.now:%Y-%m-%dT%H:%M:%SZ}"
    assert [party["name"] for party in published["parties"] if "until" in party] == ["Verband West"]


def test_an_accreditor_is_taken_back_before_it_was_admitted(world: World) -> None:
    waits = name(world)
    with world.transaction() as session:
        admitting.undo_accreditor(session, world.stefan, waits, now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="decided already"):
        admit(world, waits)


def test_who_names_an_accreditor_and_what_must_be_said(world: World) -> None:
    for who in ("olga", "rita", "cora", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            name(world, who)
    key = Ed25519PrivateKey.generate().public_key()
    ours = [
        wipe.canonical(wipe.did_document(did, {f"{did}#k": key})).decode()
        for did in (
            *("did:web:market.test", "did:web:Market.Test", "did:web:%6Darket.test", "did:web:market.test:staff"),
            *(
                "did:web:market.test:accreditors:later",
                "did:web:market.test%3A443",
                "did:web:market.test:Centres:rhein",
            ),
        )
    ]
    for field, change in (
        ("name", {"name": "x"}),
        ("country", {"country": "XX"}),
        ("city", {"city": ""}),
        ("slug", {"slug": "Verband West"}),
        ("reason", {"reason": ""}),
        ("did_document", {"did_document": "{}"}),
        ("did_document", {"did_document": "{" * 50}),
        *(("did_document", {"did_document": document}) for document in ours),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            name(world, **change)
        assert refused.value.field == field, change
        assert ("This identity is one of ours." in str(refused.value)) is (change.get("did_document") in ours)
    with world.nothing_changes(), pytest.raises(Conflict):
        name(world, name="Rhein Datenpark")


def test_the_house_does_not_end_and_there_is_one(world: World) -> None:
    with world.transaction() as session:
        house = accreditors.house(session).id
    with world.nothing_changes(), pytest.raises(Conflict, match="does not end"), world.transaction() as session:
        admitting.end_accreditor(session, world.stefan, house, reason="Because.", now=world.now)
    second = (
        "insert into accreditors (id, house, did, name, own_key, reason, named_name, named_at)"
        " values (gen_random_uuid(), true, 'did:web:x', 'X', false, 'x', 'x', now())"
    )
    assert world.refused_by_database(second).startswith("23505")


# ---- theirs only ----


def leave_the_house(world: World) -> None:
    """Elbe Prüfstelle is free for another accreditor."""
    world.station(ELBE)
    world.later(minutes=1)
    world.decide("withdraw", ELBE, reason="It changes its accreditor.")
    world.later(minutes=1)


def accredit_as(world: World, first: Actor, second: Actor) -> None:
    """Audit, proposal and confirmation by these two."""
    centre = world.organisation(ELBE)
    with world.transaction() as session:
        audit = accrediting.begin_audit(session, first, centre, now=world.now)
        from ewaste.centres import checklist

        met = {point.id: ("met", "Seen on the spot.") for point in checklist.load(audit.checklist).points}
        accrediting.answer_audit(session, first, audit.id, met, now=world.now)
        accrediting.conclude_audit(session, first, audit.id, now=world.now)
        decision = accrediting.propose(
            session, first, centre, "grant", reason="It passed.", methods=["clear"], media_kinds=["ssd"],
            valid_until=world.now + timedelta(days=300), now=world.now,
        )  # fmt: skip
    with world.nothing_changes(), pytest.raises(Conflict, match="You proposed"), world.transaction() as session:
        accrediting.confirm(session, first, decision.id, issuers=world.issuers, now=world.now)
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        accrediting.confirm(session, world.stefan, decision.id, issuers=world.issuers, now=world.now)
    with world.transaction() as session:
        accrediting.confirm(session, second, decision.id, issuers=world.issuers, now=world.now)


def test_an_accreditor_whose_key_we_keep_accredits_with_its_own_identity(world: World) -> None:
    made = name(world)
    admit(world, made)
    ina, iwan = people_of(world, made)
    with world.nothing_changes(), pytest.raises(Conflict, match="Another accreditor"), world.transaction() as session:
        accrediting.begin_audit(session, ina, world.organisation(ELBE), now=world.now)
    leave_the_house(world)
    accredit_as(world, ina, iwan)
    with world.transaction() as session:
        issued = json.loads(accreditation.current(session, world.organisation(ELBE)).document)
    assert issued["issuer"] == {
        "type": ["CredentialIssuer"],
        "id": "did:web:market.test:accreditors:verband-west",
        "name": "Verband West",
    }
    key = trust(world).key(issued["proof"]["verificationMethod"], "accreditor")
    assert key is not None
    wipe.verify_proof(issued, key)
    with world.nothing_changes(), pytest.raises(Conflict, match="Another accreditor has accredited"):
        world.propose("withdraw", ELBE)
    with world.nothing_changes(), pytest.raises(NotFound), world.transaction() as session:
        accrediting.suspend(session, ina, world.organisation("Rhein Datenpark"), reason="Not ours.", now=world.now)


def test_our_desk_suspends_whom_another_accredited_and_lifts_it_itself(world: World) -> None:
    made = name(world)
    admit(world, made)
    ina, iwan = people_of(world, made)
    leave_the_house(world)
    accredit_as(world, ina, iwan)
    centre = world.organisation(ELBE)
    with world.transaction() as session:
        accrediting.suspend(session, world.stefan, centre, reason="Two wipes failed.", now=world.now)
    with world.nothing_changes(), pytest.raises(Conflict, match="lifts it itself"), world.transaction() as session:
        accrediting.propose(session, ina, centre, "lift", reason="It is fine.", now=world.now)
    world.decide("lift", ELBE, reason="They were wiped again.")
    with world.transaction() as session:
        assert session.get_one(Centre, centre).standing is Standing.ACCREDITED


# ---- a key of its own ----


def handed_in(world: World, key: Ed25519PrivateKey, **change: object) -> str:
    """An accreditation that the accreditor signed itself."""
    station, now = world.station(ELBE).station, world.now
    said: dict[str, object] = {
        "accreditation_id": f"urn:uuid:{uuid4()}",
        "issuer_did": DID,
        "issuer_name": "Verband West",
        "valid_from": now - timedelta(minutes=1),
        "valid_until": now + timedelta(days=200),
        "training": True,
        "centre_did": "did:web:market.test:centres:elbe-pruefstelle",
        "centre_name": ELBE,
        "methods": ["clear"],
        "media_kinds": ["ssd"],
        "keys": {station.verification_method: wipe.public_key_from_multibase(station.public_key)},
        **change,
    }
    method = f"{said['issuer_did']}#2026"
    return wipe.canonical(
        wipe.issue(wipe.accreditation_statement(**said), key, verification_method=method, created=now)
    ).decode()


def status_place(document: dict[str, Any]) -> dict[str, str]:
    said = document["credentialStatus"]
    return wipe.status_entry(said["statusListCredential"], int(said["statusListIndex"]))


def accrediting_with_its_own_key(world: World) -> tuple[UUID, Ed25519PrivateKey, Actor]:
    """An accreditor whose key we do not hold has accredited a centre: it, its key and one of its people."""
    key = Ed25519PrivateKey.generate()
    made = name(world, slug="", did_document=own_document(key))
    admit(world, made)
    ina, iwan = people_of(world, made)
    leave_the_house(world)
    accredit_as(world, ina, iwan)
    return made, key, ina


def test_a_credential_that_names_another_centres_place_takes_nobody_else_down(world: World) -> None:
    _, key, _ = accrediting_with_its_own_key(world)
    centre = world.organisation(ELBE)
    with world.transaction() as session:
        others = json.loads(accreditation.current(session, world.station().station.centre_id).document)
        # As it could have been stored before this was asked.
        stored = json.loads(handed_in(world, key, status=status_place(others)))
        kept = accreditation._keep(
            session, session.get_one(Centre, centre), stored, uuid4(), world.now - timedelta(minutes=1),
            world.now + timedelta(days=200), "handed in by the accreditor", world.now,
        )  # fmt: skip
        since = world.now
        assert not accreditation.withdraw_credential(
            session, world.issuers, kept, reason="No wipes.", since=since, now=world.now
        )
    assert world.raw("select count(*) from status_withdrawals") == 0


def test_an_accreditor_hands_in_what_it_signed_with_a_key_that_we_do_not_hold(world: World) -> None:
    made, key, ina = accrediting_with_its_own_key(world)
    centre = world.organisation(ELBE)
    with world.transaction() as session:
        before = accreditation.current(session, centre).credential_id

    def hand_in(text: str, by: Actor = ina) -> None:
        with world.transaction() as session:
            accrediting.hand_in(session, by, centre, text, issuers=world.issuers, now=world.now)

    stranger = Ed25519PrivateKey.generate()
    with world.transaction() as session:
        others = json.loads(accreditation.current(session, world.station().station.centre_id).document)
    far: Callable[..., datetime] = lambda **days: world.now + timedelta(**days)  # noqa: E731
    good = handed_in(world, key)
    for text, why in (
        ("", "."),
        ("{}", "no accreditation"),
        (good.replace("Verband West", "Verband East"), "was changed after it was signed"),
        (handed_in(world, stranger), "was changed after it was signed"),
        (handed_in(world, key, methods=["clear", "purge"]), "scope is wider"),
        (handed_in(world, key, media_kinds=["ssd", "hdd"]), "scope is wider"),
        (handed_in(world, key, valid_until=far(days=301)), "longer than was confirmed"),
        (handed_in(world, key, valid_from=far(days=1)), "does not hold now"),
        (handed_in(world, key, training=False), "Practice and real work"),
        (handed_in(world, key, centre_name="Elbe"), "and not for Elbe Prüfstelle"),
        (
            handed_in(
                world,
                key,
                keys={"did:web:market.test:centres:elbe-pruefstelle#other": stranger.public_key()},
            ),
            "a key that no station of this centre enrolled",
        ),
        # The place of another centre's accreditation, which would fall with this one.
        (handed_in(world, key, status=status_place(others)), "it names a status list of ours"),
        ("x" * 70_000, "too long"),
    ):
        with world.nothing_changes(), pytest.raises(Invalid, match=why) as refused:
            hand_in(text)
        assert refused.value.field == "credential"
    with world.nothing_changes(), pytest.raises(Conflict, match="Another accreditor"):
        hand_in(good, world.stefan)
    hand_in(good)
    with world.transaction() as session:
        newest = accreditation.current(session, centre)
    assert (newest.document, newest.issued_because) == (good, "handed in by the accreditor")
    assert newest.credential_id != before
    with world.nothing_changes(), pytest.raises(Conflict, match="handed in already"):
        hand_in(good)
    with world.transaction() as session:
        assert accreditors.issuer(session, world.issuers, session.get_one(Accreditor, made), now=world.now) is None


def ended_market(world: World) -> tuple[World, UUID, dict[str, str], dict[str, str]]:
    """Verband West accredited a centre and ended: a device cleared before, a bundle signed before, and one after."""
    made = name(world)
    admit(world, made)
    leave_the_house(world)
    accredit_as(world, *people_of(world, made))
    there = Elsewhere(world.database, world.issuers, world.now, world.stations)
    device = there.cleared()
    _, order = there.ordered(serial="PF2ABCDE", serials=("DRIVE-2",))
    before = there.bundle(order)
    assert json.loads(before["accreditation.json"])["issuer"]["name"] == "Verband West"
    there.later(hours=3)
    with world.transaction() as session:
        admitting.end_accreditor(session, world.stefan, made, reason="It was dissolved.", now=there.now)
    return there, device, before, there.bundle(order, started=there.now - timedelta(hours=1, minutes=54))


def test_a_certificate_under_another_accreditor_clears_until_that_one_ends(world: World) -> None:
    there, device, before, after = ended_market(world)
    ended = f"{there.now:%Y-%m-%d %H:%M} UTC"
    assert there.refuse(before) == (
        "Your centre is suspended: Verband West, which accredited it, ended as an accreditor. "
        "Nothing it certifies clears a device until it is reinstated."
    )
    assert f"Verband West ended as an accreditor {ended}, before the certificate was signed" in there.refuse(after)
    assert world.raw("select device_listable(:id)", id=device) is True


def test_when_an_accreditor_ended_our_desk_withdraws_its_centres_and_accredits_them_itself(world: World) -> None:
    made = name(world)
    admit(world, made)
    ina, iwan = people_of(world, made)
    leave_the_house(world)
    accredit_as(world, ina, iwan)
    centre = world.organisation(ELBE)
    with world.transaction() as session:
        left = accrediting.propose(session, ina, centre, "withdraw", reason="It closes down.", now=world.now).id
        issued = accreditation.current(session, centre).credential_id
    with world.nothing_changes(), pytest.raises(Conflict, match="Another accreditor has accredited"):
        world.propose("fraud", ELBE, since=world.now)
    with world.transaction() as session:
        admitting.end_accreditor(session, world.stefan, made, reason="It was dissolved.", now=world.later(minutes=1))
        waited = session.get_one(Decision, left)
        assert (waited.outcome, waited.decided_name) == (DecisionOutcome.UNDONE, "Stefan Vogel")
        centre_row = session.get_one(Centre, centre)
        because = "Verband West, which accredited it, ended as an accreditor."
        assert (centre_row.standing, centre_row.suspension_reason) == (Standing.SUSPENDED, because)
        noted = session.scalars(
            sa.select(StandingChange).where(StandingChange.organisation_id == centre).order_by(StandingChange.at.desc())
        ).first()
        assert noted is not None
        assert (noted.kind, noted.reason, noted.at) == (StandingKind.SUSPENDED, because, world.now)
        letters = session.scalars(sa.select(Mail.subject).where(Mail.written_at == world.now)).all()
        assert set(letters) == {"Elbe Prüfstelle is suspended"}
    with world.nothing_changes(), pytest.raises(Conflict, match="Verband West ended, so its centres are withdrawn"):
        world.propose("lift", ELBE)
    for person in (ina, iwan):
        with (
            world.nothing_changes(),
            pytest.raises(Conflict, match="accredited nobody since"),
            world.transaction() as session,
        ):
            accrediting.propose(session, person, centre, "withdraw", reason="It closes.", now=world.now)
    world.later(minutes=1)
    world.decide("withdraw", ELBE, reason="Its accreditor was dissolved.")
    with world.transaction() as session:
        assert session.get_one(Centre, centre).standing is Standing.WITHDRAWN
        # Nobody signs a last credential in the name of an accreditor that ended: the trust file says its end.
        assert accreditation.current(session, centre).credential_id == issued
    world.later(minutes=1)
    world.decide("grant", ELBE)
    with world.transaction() as session:
        anew = session.get_one(Centre, centre)
        assert (anew.standing, anew.accreditor_id) == (Standing.ACCREDITED, accreditors.house(session).id)
        assert json.loads(accreditation.current(session, centre).document)["issuer"]["id"] == (
            "did:web:market.test:accreditation"
        )


def test_the_site_and_the_browser_judge_by_one_trust_file_what_an_ended_accreditor_let_sign(
    world: World, tmp_path: Path
) -> None:
    there, device, _, after = ended_market(world)
    there.later(hours=1)
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate).where(Certificate.device_id == device)).one()
        cleared = completing.completed(session, certificate, world.issuers, now=there.now)
        pinned = accreditors.trust_bytes(session, world.issuers)
        assert audit.everything(session, issuers=world.issuers, now=there.now).wrong == []
    (tmp_path / "trust.json").write_bytes(pinned)
    here, given = [], []
    for number, files in enumerate((cleared, after)):
        (tmp_path / str(number)).mkdir()
        for file, content in files.items():
            (tmp_path / str(number) / file).write_text(content)
        found = registry.verify_publicly(
            {file: content.encode() for file, content in files.items()}, pinned, at=there.now, training=True
        )
        here.append([(check["name"], check["level"], check["text"]) for check in found.checks])
        given.append(
            {
                "path": str(tmp_path / str(number)),
                "trust": str(tmp_path / "trust.json"),
                "training": True,
                "at": f"{there.now:%Y-%m-%dT%H:%M:%SZ}",
            }
        )
    assert [[name for name, level, _ in checks if level == "fails"] for checks in here] == [[], ["accreditation-dates"]]
    browser = [
        [(check["name"], check["level"], check["text"]) for check in report["checks"]]
        for report in run(given)["reports"]
    ]
    assert browser == here
