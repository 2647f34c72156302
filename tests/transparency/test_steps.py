"""What goes into the log by itself: certificates, revocations, starts of wipes, the day's chains; cosignatures."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from ewaste.accounts.models import WORKER, Actor
from ewaste.certificates.models import Certificate
from ewaste.core.log_trust import LogTrust
from ewaste.core.refusals import Conflict, Invalid, NotAllowed, NotFound
from ewaste.devices import custody
from ewaste.devices.models import Device
from ewaste.journey import bench, clearing, witnessing
from ewaste.transparency import log
from ewaste.transparency.models import LogCosignature, LogEntry, LogStatement
from ewaste.views import audit
from tests.transparency.stage import ORIGIN, NearSigner, append, digest, publisher, store
from tests.world import World
from wipe_agent import certificate as wipe
from wipe_agent.certificate import log as fmt

GONE = "delete from log_checkpoints; delete from log_heads; delete from log_leaves; delete from log_waiting"
CUT_SHORT = "delete from log_checkpoints; delete from log_heads; delete from log_leaves where index = 4"


def entries(world: World, kind: str) -> list[tuple[str, str]]:
    """Issuer and digest of every entry of this kind."""
    with world.transaction() as session:
        rows = session.execute(
            sa.select(LogEntry.issuer, LogEntry.digest).where(LogEntry.kind == kind).order_by(LogEntry.entered)
        )
        return [tuple(row) for row in rows]


def found(world: World, trust: LogTrust | None = None) -> audit.Found:
    issuers = dataclasses.replace(world.issuers, log=trust) if trust else world.issuers
    with world.transaction() as session:
        return audit.everything(session, issuers=issuers, now=world.now)


def test_a_certificate_is_in_the_log_when_it_is_accepted_and_its_revocation_when_it_falls(
    world: World, tmp_path: Path
) -> None:
    held = store(tmp_path)
    device_id, order = world.ordered()
    station = world.station().station
    actor = clearing.station_actor(station)
    with world.transaction() as session:
        assert witnessing.note_starts(session, actor, [order.digest], now=world.now) == 1
    with world.nothing_changes(), world.transaction() as session:  # Sent again.
        assert witnessing.note_starts(session, actor, [order.digest], now=world.now) == 1
    world.submit(world.bundle(order))
    with world.transaction() as session:
        certificate = session.scalars(sa.select(Certificate)).one()
    issuer = "did:web:market.test:centres:rhein-datenpark"
    assert entries(world, "wipe-started") == [(issuer, order.digest)]
    assert entries(world, "wipe-certificate") == [(issuer, certificate.digest)]
    world.later(hours=1)
    with world.transaction() as session:
        clearing.revoke_certificate(
            session, world.stefan, certificate.id, reason="The drive was read again.", now=world.now
        )
    ((by, named),) = entries(world, "revocation")
    assert by == "did:web:market.test"
    with world.transaction() as session:
        said = log.statement(session, named)
    assert said is not None
    assert json.loads(said) == {
        "v": 1,
        "type": "revocation",
        "certificate": certificate.digest,
        "certificateId": certificate.credential_id,
        "reason": "The drive was read again.",
        "at": f"{world.now:%Y-%m-%dT%H:%M:%SZ}",
    }
    assert wipe.digest_multibase(json.loads(said)) == named
    publisher(world, NearSigner(Path(), held)).once()
    with world.transaction() as session:
        proof = log.proof_for(session, certificate.digest)
    assert proof is not None
    document = wipe.read(certificate.bundle["certificate.json"].encode())
    leaf = fmt.Leaf("wipe-certificate", document["issuer"]["id"], wipe.digest_multibase(document))
    assert (
        fmt.verify_proof(fmt.LogProof.parse(proof.text), leaf.data, [held.vkey]).index == 3
    )  # behind key and accreditation
    assert found(world, LogTrust((str(held.vkey),))).wrong == []
    assert device_id


def test_a_station_notes_starts_of_its_own_centres_orders_only(world: World) -> None:
    _, order = world.ordered()
    mine = clearing.station_actor(world.station().station)
    other = clearing.station_actor(world.station("Elbe Prüfstelle").station)
    for who, sent, refusal in (
        (other, [order.digest], NotFound),
        (mine, [order.digest, digest(1)], NotFound),
        (mine, [], Invalid),
        (mine, [digest(number) for number in range(101)], Invalid),
        (world.olga, [order.digest], NotAllowed),
    ):
        with world.nothing_changes(), pytest.raises(refusal), world.transaction() as session:
            witnessing.note_starts(session, who, sent, now=world.now)


def test_once_a_day_the_heads_of_the_chains_that_grew_go_into_the_log(world: World) -> None:
    first, second = world.expected(serial="PF00001"), world.expected(serial="PF00002")

    def note() -> int:
        with world.transaction() as session:
            return witnessing.note_custody_heads(session, WORKER, now=world.now)

    assert note() == 2
    with world.nothing_changes():
        assert note() == 0  # Today's is made.
    world.later(days=1)
    with world.nothing_changes():
        assert note() == 0  # None grew.
    with world.transaction() as session:
        bench.receive(session, world.olga, second, seal="S-1", seal_state="intact", mass_g=1900, note="", now=world.now)
    assert note() == 1
    with world.transaction() as session:
        device = session.get_one(Device, second)
        documents = [json.loads(text) for text in session.scalars(sa.select(LogStatement.document))]
    newest = next(one for one in documents if one["day"] == "2026-11-21")
    entry = {"device": str(second), "head": device.custody_head, "seq": device.custody_seq}
    assert newest == {
        "v": 1,
        "type": "custody-head",
        "day": "2026-11-21",
        "devices": 1,
        "root": fmt.leaf_hash(wipe.canonical(entry)).hex(),
    }
    assert [by for by, _ in entries(world, "custody-head")] == ["did:web:market.test"] * 2
    assert found(world).wrong == []
    assert first


def test_the_audit_finds_what_the_log_and_the_market_do_not_say_alike(
    world: World, tmp_path: Path, owner_url: str
) -> None:
    held = store(tmp_path)
    world.cleared()
    device = world.expected(serial="PF00009")
    with world.transaction() as session:
        witnessing.note_custody_heads(session, WORKER, now=world.now)
    append(world, 7)  # Of no certificate that we hold.
    publisher(world, NearSigner(Path(), held)).once()
    trust = LogTrust((str(held.vkey),))
    stranger = f"The log has an entry (wipe-certificate) of {digest(7)}, which is nothing that we hold."
    assert found(world, trust).wrong == [stranger]
    other = Path(tmp_path / "other")
    foreign = LogTrust((str(store(other).vkey),))
    assert found(world, foreign).wrong == [
        "The checkpoint of 5 entries is not signed with the key of the log.",
        stranger,
    ]
    owner = sa.create_engine(owner_url)
    for spoil, sentence in (
        ("update log_heads set root = sha256('x')", "The root of the first 5 entries is not the one that was noted."),
        ("delete from log_leaves where index = 1", "The log has no entry 1; the next one is 2."),
        (
            "update log_statements set document = replace(document, '\"devices\":2', '\"devices\":1')",
            "was changed.",
        ),
        (
            f"delete from custody_events where device_id = '{device}'",
            "its chain lost event 1, which the log knows.",
        ),
        ("update custody_heads set seq = seq + 1", "are not those that the log says."),
        (
            CUT_SHORT,
            f"The log has lost the entry of {digest(7)}: it has no number and waits for none.",
        ),
        (
            f"{GONE}; delete from log_entries where kind = 'wipe-certificate'",
            "was accepted and is not in the log.",
        ),
    ):
        with owner.connect() as connection:
            whole = connection.begin()
            for table in ("log_heads", "log_leaves", "log_statements", "custody_events", "custody_heads",
                          "log_checkpoints", "log_entries", "log_waiting"):  # fmt: skip
                connection.execute(sa.text(f"alter table {table} disable trigger user"))
            connection.exec_driver_sql(spoil)
            with Session(connection, join_transaction_mode="create_savepoint") as session:
                wrong = audit.everything(
                    session, issuers=dataclasses.replace(world.issuers, log=trust), now=world.now
                ).wrong
            whole.rollback()
        assert any(sentence in one for one in wrong), (sentence, wrong)
    owner.dispose()
    assert found(world, trust).wrong == [stranger]


def test_a_chain_that_was_cut_and_made_to_fit_again_shows_by_the_head_that_the_log_has(
    world: World, tmp_path: Path, owner_url: str
) -> None:
    held = store(tmp_path)
    device = world.received()
    with world.transaction() as session:
        assert witnessing.note_custody_heads(session, WORKER, now=world.now) == 1
    ((_, noted),) = entries(world, "custody-head")
    publisher(world, NearSigner(Path(), held)).once()
    trust = dataclasses.replace(world.issuers, log=LogTrust((str(held.vkey),)))
    owner = sa.create_engine(owner_url)
    # Whoever rules the database cuts the last event off and sets the device back, so that the chain fits by itself.
    cut = (
        "delete from custody_events where seq = 2",
        (
            "update devices set state = 'expected', custody_seq = 1,"
            " custody_head = (select hash from custody_events where seq = 1)"
        ),
    )
    # Then what was noted of it, and at last what the log's entry is about. The entry itself was signed and witnessed.
    noted_anew = "update custody_heads set seq = 1, head = (select hash from custody_events where seq = 1)"
    said_anew = (
        "update log_statements set document = jsonb_set(document::jsonb, '{root}', '\"00\"')::text, digest = 'zOther'",
        "update custody_batches set digest = 'zOther'",
    )
    batch = f"The chains that were noted on {world.now:%Y-%m-%d} are not those that the log says."
    stranger = f"The log has an entry (custody-head) of {noted}, which is nothing that we hold."
    with owner.connect() as connection:
        whole = connection.begin()
        for table in ("custody_events", "devices", "custody_heads", "custody_batches", "log_statements"):
            connection.execute(sa.text(f"alter table {table} disable trigger user"))
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            code = session.get_one(Device, device).code
            for spoils, sentence in (
                (cut, f"Device {code}: its chain lost event 2, which the log knows."),
                ((noted_anew,), batch),
                (said_anew, stranger),
            ):
                for spoil in spoils:
                    assert connection.exec_driver_sql(spoil).rowcount == 1
                assert custody.check_chain(session, device) == []
                assert sentence in audit.everything(session, issuers=trust, now=world.now).wrong
        whole.rollback()
    owner.dispose()
    assert found(world, trust.log).wrong == []


def test_a_station_hands_in_what_it_cosigned_and_nobody_else_can(world: World, tmp_path: Path) -> None:
    held = store(tmp_path)
    append(world, *range(5))
    publisher(world, NearSigner(Path(), held)).once()
    mine = world.station()
    actor, key = clearing.station_actor(mine.station), mine.key
    head = fmt.Checkpoint.parse(held.last.text)

    def take(text: str, who: Actor = actor) -> int:
        with world.transaction() as session:
            return witnessing.take_cosignature(session, who, text, known=(), now=world.now)

    cosigned = held.last.and_signed(fmt.cosign(head, "rhein.test/bench-1", key, at=world.now))
    with world.nothing_changes("log_cosignatures"):
        assert take(bytes(cosigned).decode()) == 1
    with world.nothing_changes():
        assert take(bytes(cosigned).decode()) == 0
        renamed = held.last.and_signed(fmt.cosign(head, "another.name/bench-1", key, at=world.now))
        assert take(bytes(renamed).decode()) == 0  # One key has one voice.
    other = clearing.station_actor(world.station("Elbe Prüfstelle").station)
    fork = fmt.Checkpoint(ORIGIN, 5, bytes(32))
    forked = fmt.Note(fork.text, (fmt.cosign(fork, "rhein.test/bench-1", key, at=world.now),))
    beyond = fmt.Checkpoint(ORIGIN, 6, bytes(32))
    ahead = fmt.Note(beyond.text, (fmt.cosign(beyond, "rhein.test/bench-1", key, at=world.now),))
    later = held.last.and_signed(fmt.cosign(head, "x.test/1", key, at=world.now + timedelta(seconds=301)))
    line = bytes(cosigned).decode().rstrip().rpartition(" ")[2]
    for text, who, refusal, sentence in (
        (bytes(cosigned).decode(), other, Invalid, "carries no signature of a witness that we know"),
        (bytes(held.last).decode(), actor, Invalid, "carries no signature of a witness that we know"),
        (bytes(forked).decode(), actor, Conflict, "This is another checkpoint than the one that we published"),
        (bytes(ahead).decode(), actor, NotFound, "We published no checkpoint of this size"),
        (bytes(later).decode(), actor, Invalid, "which is still to come"),
        (bytes(cosigned).decode().replace(line, line[:-4] + "AAA="), actor, Invalid, "The c"),
        ("nonsense", actor, Invalid, "cannot be read"),
        (bytes(cosigned).decode(), world.olga, NotAllowed, "may not cosign the log"),
    ):
        with world.nothing_changes(), pytest.raises(refusal, match=sentence):
            take(text, who=who)


def test_a_proof_stands_on_the_earliest_checkpoint_that_enough_witnesses_signed(world: World, tmp_path: Path) -> None:
    held = store(tmp_path)
    at_work = publisher(world, NearSigner(Path(), held))
    keys = [Ed25519PrivateKey.generate() for _ in range(2)]
    vkeys = [
        fmt.VerifierKey.of(f"w{number}.test", fmt.COSIGNATURE, key.public_key()) for number, key in enumerate(keys)
    ]
    trust = LogTrust((str(held.vkey),), tuple(map(str, vkeys)), 2)
    actor = clearing.station_actor(world.station().station)
    for size, signers in ((3, ()), (6, (0,)), (9, (0, 1)), (12, (0, 1))):
        append(world, *range(size - 3, size))
        at_work.once()
        head = fmt.Checkpoint.parse(held.last.text)
        lines = [fmt.cosign(head, vkeys[each].name, keys[each], at=world.later(minutes=1)) for each in signers]
        if lines:
            with world.transaction() as session:
                note = bytes(held.last.and_signed(*lines)).decode()
                taken = witnessing.take_cosignature(session, actor, note, known=trust.witnesses, now=world.now)
                assert taken == len(lines)
    with world.transaction() as session:
        for number, size, seen_by in ((0, 11, 2), (8, 11, 2), (9, 14, 2)):  # two more: key and accreditation
            proof = log.proof_for(session, digest(number), trusted=trust)
            assert proof is not None
            assert proof.size == size
            proven = fmt.verify_proof(
                fmt.LogProof.parse(proof.text),
                fmt.Leaf("wipe-certificate", "did:web:market.test:centres:rhein", digest(number)).data,
                [held.vkey],
                vkeys,
            )
            assert len(proven.seen.witnesses) == seen_by
        plain = log.proof_for(session, digest(0))
        assert plain is not None
        assert plain.size == 5
        assert log.proof_for(session, digest(99)) is None
        assert session.scalar(sa.select(sa.func.count()).select_from(LogCosignature)) == 5
