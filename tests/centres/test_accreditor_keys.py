"""An accreditor changes its key, the house too: two people decide, trust file and log tell, old work stays good."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ewaste.accounts.models import Actor
from ewaste.centres import accreditation, accreditors, listing
from ewaste.centres.accrediting_models import Accreditor, AccreditorKey, AccreditorKeyChange
from ewaste.centres.models import Centre
from ewaste.certificates import registry
from ewaste.certificates.models import Certificate
from ewaste.certificates.rechecks import Recheck, RecheckCause
from ewaste.core.mail import Mail
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.journey import accrediting, completing, rekeying
from ewaste.transparency.models import LogEntry, LogStatement
from ewaste.views import audit
from tests.centres.test_other_accreditors import (
    DID,
    ELBE,
    accredit_as,
    accrediting_with_its_own_key,
    admit,
    handed_in,
    leave_the_house,
    name,
    own_document,
    people_of,
    trust,
)
from tests.transparency.witness import Witness
from tests.web.stage import Elsewhere
from tests.world import World
from wipe_agent import certificate as wipe

HOUSE = "did:web:market.test:accreditation"
WEST = "did:web:market.test:accreditors:verband-west"


def house(world: World) -> UUID:
    with world.transaction() as session:
        return accreditors.house(session).id


def propose(world: World, accreditor: UUID, old: str, by: Actor | None = None, **change: Any) -> UUID:
    given: dict[str, Any] = {"reason": "It has signed for three years.", **change}
    with world.transaction() as session:
        return rekeying.propose_key(
            session, by or world.stefan, accreditor, old_method=old, **given, issuers=world.issuers, now=world.now
        ).id


def confirm(world: World, change: UUID, who: str = "sara") -> None:
    with world.transaction() as session:
        rekeying.confirm_key(session, world.actor(who), change, issuers=world.issuers, now=world.now)


def change_key(world: World, accreditor: UUID, old: str, **change: Any) -> None:
    confirm(world, propose(world, accreditor, old, **change))


def issued(world: World, centre: str = ELBE) -> dict[str, Any]:
    with world.transaction() as session:
        document: dict[str, Any] = json.loads(accreditation.current(session, world.organisation(centre)).document)
    return document


def said_in_the_log(world: World, issuer: str) -> list[dict[str, Any]]:
    """What the log's leaves of kind `key` say of this issuer."""
    with world.transaction() as session:
        return [
            json.loads(text)
            for text in session.scalars(
                sa.select(LogStatement.document)
                .join(LogEntry, LogEntry.digest == LogStatement.digest)
                .where(LogEntry.kind == "key", LogEntry.issuer == issuer)
                .order_by(LogStatement.document)
            )
        ]


def key_of(world: World, method: str) -> str:
    key = trust(world).key(method, "accreditor")
    assert key is not None
    return wipe.public_key_multibase(key)


# ---- the house ----


def test_the_house_signs_with_a_new_key_once_a_second_person_confirmed_it_and_what_it_signed_before_stays_good(
    world: World,
) -> None:
    world.station()
    before, served = issued(world, "Rhein Datenpark"), accreditors_file(world)
    device = world.cleared()
    assert before["proof"]["verificationMethod"] == f"{HOUSE}#key-1"
    waits = propose(world, house(world), f"{HOUSE}#key-1")
    assert accreditors_file(world) == served
    with world.nothing_changes(), pytest.raises(Conflict, match="You proposed this"):
        confirm(world, waits, "stefan")
    world.later(hours=1)
    confirm(world, waits)
    ended = world.now.replace(microsecond=0)
    found = trust(world)
    assert found.key_end(f"{HOUSE}#key-1") == (ended, None)
    assert found.key_end(f"{HOUSE}#key-2") is None
    assert json.loads(accreditors_file(world))["updated"] == f"{ended:%Y-%m-%dT%H:%M:%SZ}"
    assert [each["name"] for each in json.loads(accreditors_file(world))["parties"]] == [
        "Clearhand accreditation desk", "Clearhand market",
    ]  # fmt: skip
    assert said_in_the_log(world, HOUSE) == [
        {
            "at": f"{ended:%Y-%m-%dT%H:%M:%SZ}", "event": "enrolled", "key": f"{HOUSE}#key-2",
            "publicKeyMultibase": key_of(world, f"{HOUSE}#key-2"), "type": "KeyStatement",
        },
        {
            "at": f"{ended:%Y-%m-%dT%H:%M:%SZ}", "event": "replaced", "key": f"{HOUSE}#key-1",
            "publicKeyMultibase": key_of(world, f"{HOUSE}#key-1"), "reason": "It has signed for three years.",
            "retiresAt": f"{ended:%Y-%m-%dT%H:%M:%SZ}", "type": "KeyStatement",
        },
    ]  # fmt: skip
    # What comes is signed with the new key; what was before is as good as it was.
    with world.transaction() as session:
        assert registry_says(world, session, device) == []
        [lists] = session.scalars(
            sa.text("select kind || '-' || number from status_lists where kind = 'accreditations'")
        ).all()
        document = json.loads(listing.served(session, world.issuers, lists, now=world.now))
        assert document["proof"]["verificationMethod"] == f"{HOUSE}#key-2"
        assert audit.everything(session, issuers=world.issuers, now=world.now).wrong == []
    world.decide("scope", methods=["clear"])
    after = issued(world, "Rhein Datenpark")
    assert after["proof"]["verificationMethod"] == f"{HOUSE}#key-2"
    second = trust(world).key(f"{HOUSE}#key-2", "accreditor")
    assert second is not None
    wipe.verify_proof(after, second)


def accreditors_file(world: World) -> bytes:
    with world.transaction() as session:
        return accreditors.trust_bytes(session, world.issuers)


def registry_says(world: World, session: Any, device: UUID) -> list[str]:
    """The checks that fail of the device's certificate, as we hand it out now."""
    certificate = session.scalars(sa.select(Certificate).where(Certificate.device_id == device)).one()
    files = completing.completed(session, certificate, world.issuers, now=world.now)
    given = {file: content.encode() for file, content in files.items()}
    found = registry.verify_publicly(
        given, accreditors.trust_bytes(session, world.issuers), at=world.now, training=True
    )
    return [check["text"] for check in found.checks if check["level"] == "fails"]


def test_a_key_of_the_house_that_ends_on_a_day_signs_until_then_and_the_trust_file_tells_before(world: World) -> None:
    world.station()
    ends = world.now + timedelta(days=10)
    change_key(world, house(world), f"{HOUSE}#key-1", ends_at=ends)
    assert trust(world).key_end(f"{HOUSE}#key-1") == (ends, None)
    world.later(days=9)
    world.decide("scope", methods=["clear"])
    assert issued(world, "Rhein Datenpark")["proof"]["verificationMethod"] == f"{HOUSE}#key-1"
    world.later(days=1)
    world.decide("scope", methods=["clear", "purge"])
    assert issued(world, "Rhein Datenpark")["proof"]["verificationMethod"] == f"{HOUSE}#key-2"


def test_what_was_certified_under_a_lost_key_of_the_house_leaves_every_sale_until_two_people_have_looked(
    world: World, witness: Witness
) -> None:
    early = world.cleared()
    witness.sees(world)
    since = world.later(minutes=1)
    late = world.cleared(serial="PF2ABCDE", serials=("DRIVE-2",))
    world.later(hours=1)
    change_key(world, house(world), f"{HOUSE}#key-1", compromised_since=since, reason="A copy was found.")
    assert world.raw("select device_listable(:id)", id=early) is True
    assert world.raw("select device_listable(:id)", id=late) is False
    with world.transaction() as session:
        [doubt] = session.scalars(sa.select(Recheck)).all()
        certificate = session.get_one(Certificate, doubt.certificate_id)
        assert (certificate.device_id, doubt.cause, doubt.since) == (late, RecheckCause.ACCREDITOR_KEY, since)
        seconds = since.replace(microsecond=0)
        assert trust(world).key_end(f"{HOUSE}#key-1") == (world.now.replace(microsecond=0), seconds)
    # What witnesses had seen before is as good as it was, and all else is being looked at.
    assert wrong(world) == []
    # Its centres have an accreditation under the new key at once.
    assert issued(world, "Rhein Datenpark")["proof"]["verificationMethod"] == f"{HOUSE}#key-2"
    assert HOUSE + "#key-1" not in json.dumps(did_document(world, HOUSE))
    [_, revoked] = sorted(said_in_the_log(world, HOUSE), key=lambda one: str(one["event"]))
    assert (revoked["event"], revoked["compromisedSince"]) == ("revoked", f"{since:%Y-%m-%dT%H:%M:%SZ}")


def wrong(world: World) -> list[str]:
    with world.transaction() as session:
        return audit.everything(session, issuers=world.issuers, now=world.now).wrong


def test_the_audit_finds_what_was_certified_under_a_lost_key_and_nobody_looked_at(world: World) -> None:
    device = world.cleared()
    change_key(world, house(world), f"{HOUSE}#key-1")
    world.later(hours=1)
    with world.transaction() as session:
        session.execute(
            sa.update(AccreditorKey)
            .where(AccreditorKey.verification_method == f"{HOUSE}#key-1")
            .values(compromised_since=sa.select(Certificate.accepted_at).scalar_subquery())
        )
        name_of = session.scalars(sa.select(Certificate.credential_id).where(Certificate.device_id == device)).one()
    assert wrong(world) == [
        f"Certificate {name_of}: others may have had the key of its accreditation, and nobody looked at it again."
    ]


def test_a_centre_that_moved_on_answers_for_what_it_certified_under_the_lost_key(world: World) -> None:
    device = world.cleared()
    moved = world.organisation("Rhein Datenpark")
    with world.transaction() as session:
        since = session.scalars(sa.select(Certificate.accepted_at)).one()
    world.later(minutes=1)
    world.decide("withdraw", reason="It changes its accreditor.")
    other = name(world)
    admit(world, other)
    with world.transaction() as session:
        session.execute(sa.update(Centre).where(Centre.organisation_id == moved).values(accreditor_id=other))
    assert world.raw("select device_listable(:id)", id=device) is True
    change_key(world, house(world), f"{HOUSE}#key-1", compromised_since=since, reason="A copy was found.")
    assert world.raw("select device_listable(:id)", id=device) is False


def did_document(world: World, did: str) -> dict[str, Any]:
    with world.transaction() as session:
        return accreditors.did_documents(session, world.issuers)[did]


# ---- one that we host ----


def test_an_accreditor_that_we_host_gets_a_key_that_we_make_and_its_old_accreditation_goes_on(world: World) -> None:
    made = name(world)
    admit(world, made)
    ina, iwan = people_of(world, made)
    leave_the_house(world)
    accredit_as(world, ina, iwan)
    there = Elsewhere(world.database, world.issuers, world.now, world.stations)
    # Its own people may ask for it; our desk confirms it.
    waits = propose(world, made, f"{WEST}#key-1", by=ina)
    with world.nothing_changes(), pytest.raises(NotAllowed), world.transaction() as session:
        rekeying.confirm_key(session, iwan, waits, issuers=world.issuers, now=world.now)
    confirm(world, waits, "stefan")
    there.later(hours=1)
    device = there.cleared()
    with world.transaction() as session:
        assert registry_says(there, session, device) == []
    assert set(trust(world).keys) >= {("accreditor", f"{WEST}#key-1"), ("accreditor", f"{WEST}#key-2")}
    with world.transaction() as session:
        letters = session.scalars(sa.select(Mail.subject).where(Mail.subject.like("A key of%"))).all()
    assert letters == ["A key of Verband West was changed"] * 2


def test_a_key_that_is_not_the_one_of_its_file_signs_nothing(world: World) -> None:
    made = name(world)
    admit(world, made)
    change_key(world, made, f"{WEST}#key-1")
    assert world.issuers.folder is not None
    # Other tests of this run leave keys there as well.
    file = max(world.issuers.folder.glob("accreditor-*-2.pem"), key=lambda path: path.stat().st_mtime_ns)
    kept = file.read_bytes()
    file.write_bytes((world.issuers.folder / "market.pem").read_bytes())
    try:
        with world.transaction() as session, pytest.raises(Conflict, match=r"#key-2 is not among the keys of this"):
            accreditors.issuer(session, world.issuers, session.get_one(Accreditor, made), now=world.now)
    finally:
        file.write_bytes(kept)


# ---- one with a key of its own ----


def with_two_keys(*keys: tuple[str, Ed25519PrivateKey], did: str = DID) -> str:
    return wipe.canonical(wipe.did_document(did, {f"{did}#{name}": key.public_key() for name, key in keys})).decode()


def test_an_accreditor_with_its_own_key_hands_in_another_and_signs_with_it(world: World) -> None:
    made, first, ina = accrediting_with_its_own_key(world)
    centre, second = world.organisation(ELBE), Ed25519PrivateKey.generate()

    def hand_in(text: str) -> None:
        with world.transaction() as session:
            accrediting.hand_in(session, ina, centre, text, issuers=world.issuers, now=world.now)

    before = handed_in(world, first)
    hand_in(before)
    document = with_two_keys(("2026", first), ("2027", second))
    change_key(world, made, f"{DID}#2026", by=ina, did_document=document)
    ended = world.now.replace(microsecond=0)
    world.later(hours=1)
    late = handed_in(world, first)
    with world.nothing_changes(), pytest.raises(Invalid, match=f"ended on {ended:%d %B %Y, %H:%M} UTC"):
        hand_in(late)
    anew = json.loads(handed_in(world, second))
    del anew["proof"]
    hand_in(wipe.canonical(wipe.issue(anew, second, verification_method=f"{DID}#2027", created=world.now)).decode())
    assert issued(world)["proof"]["verificationMethod"] == f"{DID}#2027"
    assert trust(world).key_end(f"{DID}#2026") == (ended, None)


@pytest.mark.parametrize(
    ("which", "why"),
    [
        ("", "Give its DID document with the new key"),
        ("known", "must list one key that we do not know yet"),
        ("two", "must list one key that we do not know yet"),
        ("renamed", "must list one key that we do not know yet"),
        ("taken", "gives another key the name of one that we know"),
        ("other", "is that of did:web:else.example"),
        ("none", "cannot be used"),
        ("long", "too long"),
    ],
)
def test_a_did_document_that_does_not_bring_one_new_key_is_refused(world: World, which: str, why: str) -> None:
    first, second, third = (Ed25519PrivateKey.generate() for _ in range(3))
    made = name(world, slug="", did_document=own_document(first))
    admit(world, made)
    document = {
        "": "",
        "known": own_document(first),
        "two": with_two_keys(("2026", first), ("2027", second), ("2028", third)),
        "renamed": with_two_keys(("2027", first)),
        "taken": with_two_keys(("2026", second)),
        "other": with_two_keys(("2027", second), did="did:web:else.example"),
        "none": "{}",
        "long": "x" * 20_001,
    }[which]
    with world.nothing_changes(), pytest.raises(Invalid, match=why) as refused:
        propose(world, made, f"{DID}#2026", did_document=document)
    assert refused.value.field == "did_document"


# ---- who, and what must be said ----


def test_who_changes_a_key_and_what_must_be_said(world: World) -> None:
    made = name(world)
    admit(world, made)
    ina, _ = people_of(world, made)
    for who in ("olga", "rita", "cora", "ada"):
        with world.nothing_changes(), pytest.raises(NotAllowed):
            propose(world, made, f"{WEST}#key-1", by=world.actor(who))
    with world.nothing_changes(), pytest.raises(NotFound):
        propose(world, house(world), f"{HOUSE}#key-1", by=ina)
    for field, old, change in (
        ("reason", "key-1", {"reason": ""}),
        ("old_method", "key-9", {}),
        ("ends_at", "key-1", {"ends_at": world.now + timedelta(days=31)}),
        ("ends_at", "key-1", {"ends_at": world.now - timedelta(seconds=1)}),
        ("ends_at", "key-1", {"ends_at": world.now, "compromised_since": world.now}),
        ("since", "key-1", {"compromised_since": world.now + timedelta(seconds=1)}),
    ):
        with world.nothing_changes(), pytest.raises(Invalid) as refused:
            propose(world, made, f"{WEST}#{old}", **change)
        assert refused.value.field == field, change
    waits = propose(world, made, f"{WEST}#key-1")
    with world.nothing_changes(), pytest.raises(Conflict, match="waits already"):
        propose(world, made, f"{WEST}#key-1")
    with world.transaction() as session:
        rekeying.undo_key(session, ina, waits, now=world.now)
    for who in ("stefan", "sara"):
        with world.nothing_changes(), pytest.raises(Conflict, match="decided already"):
            confirm(world, waits, who)
    with world.nothing_changes(), pytest.raises(NotFound):
        confirm(world, uuid4())
    assert trust(world).key_end(f"{WEST}#key-1") is None


def test_a_key_has_one_end_and_a_loss_that_is_found_later_is_still_told(world: World) -> None:
    made = name(world)
    admit(world, made)
    change_key(world, made, f"{WEST}#key-1")
    ended = world.now.replace(microsecond=0)
    world.later(days=5)
    with world.nothing_changes(), pytest.raises(Conflict, match="has its end already"):
        propose(world, made, f"{WEST}#key-1")
    since: datetime = world.now - timedelta(days=1)
    change_key(world, made, f"{WEST}#key-1", compromised_since=since, reason="An old disk was sold.")
    assert trust(world).key_end(f"{WEST}#key-1") == (ended, since)
    assert ("accreditor", f"{WEST}#key-3") not in trust(world).keys
    with world.nothing_changes(), pytest.raises(Conflict, match="has its end already"):
        propose(world, made, f"{WEST}#key-1", compromised_since=since)


def test_the_database_holds_the_two_people_of_a_key(world: World) -> None:
    made = name(world)
    admit(world, made)
    waits = propose(world, made, f"{WEST}#key-1")
    alone = (
        "update accreditor_key_changes set outcome = 'confirmed', decided_by = proposed_by,"
        " decided_name = 'x', decided_at = now() where id = :id"
    )
    assert world.refused_by_database(alone, id=waits).startswith("23514")
    unseen = (
        "insert into accreditor_keys (id, accreditor_id, verification_method, public_key, added_at)"
        " values (gen_random_uuid(), :id, 'did:web:x#key-9', 'z6Mk', now())"
    )
    assert world.refused_by_database(unseen, id=made).startswith("23514")
    confirm(world, waits)
    for change in ("update accreditor_key_changes set decided_name = 'x'", "delete from accreditor_key_changes"):
        assert world.refused_by_database(change + " where id = :id", id=waits).startswith("42501")
    with world.transaction() as session:
        assert session.get_one(AccreditorKeyChange, waits).decided_name == "Sara Winter"
