"""The log as programs read it: exact bytes, kept for ever where they never change, and the same for everybody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from ewaste.accounts.models import Organisation
from ewaste.centres.models import Station
from ewaste.certificates.models import Certificate, CertificateRevocation
from ewaste.devices.models import Device
from ewaste.journey import rechecking
from ewaste.transparency import log
from ewaste.transparency.models import LogCosignature, LogEntry
from ewaste.views import log as views
from tests.web.stage import Stage
from tests.web.visitors import words
from wipe_agent.certificate import canonical, digest_multibase, public_key_from_multibase
from wipe_agent.certificate import log as fmt
from wipe_agent.cli.words import parser

FOR_EVER = "public, max-age=31536000, immutable"


def test_checkpoint_tiles_entries_proofs_and_statements_are_one_log(stage: Stage) -> None:
    things = stage.things["own"]
    with stage.rehearse():
        note = stage.visit(None, "GET", "/log/checkpoint")
        head = fmt.Checkpoint.parse(fmt.Note.parse(note.data).text)
        bundle = stage.visit(None, "GET", f"/log/tile/{things['log_tile']}")
        entries = fmt.read_entries(bundle.data, head.size)
        hashes = stage.visit(None, "GET", f"/log/tile/{things['log_level']}").data
        assert b"".join(fmt.leaf_hash(entry) for entry in entries) == hashes
        tree = fmt.Frontier().extend(fmt.leaf_hash(entry) for entry in entries)[0]
        assert tree.root() == head.root
        for name in ("log_certificate", "log_statement"):
            proof = fmt.LogProof.parse(stage.visit(None, "GET", f"/log/proof/{things[name]}").data)
            leaf = fmt.Leaf.parse(entries[proof.index])
            assert leaf.digest == things[name]
            fmt.verify_inclusion(leaf.hash, proof.index, head.size, proof.hashes, head.root)
        statement = stage.visit(None, "GET", f"/log/statement/{things['log_statement']}")
        document = json.loads(statement.data)
        assert (canonical(document), digest_multibase(document)) == (statement.data, things["log_statement"])
        page = stage.visit(None, "GET", "/log").text
        assert things["log_certificate"] in page or head.size > 25


def test_who_has_a_certificate_finds_its_entry_by_whatever_names_it(stage: Stage) -> None:
    things = stage.things["own"]
    with stage.rehearse(), stage.rehearse.transaction() as session:
        certificate = session.get_one(Certificate, things["certificate"])
        digest, named = certificate.digest, certificate.credential_id
        number = fmt.LogProof.parse(stage.visit(None, "GET", f"/log/proof/{digest}").data).index
        device = session.get_one(Device, certificate.device_id).code
    for asked in (str(number), digest, named, str(things["certificate"]), device):
        with stage.rehearse():
            page = stage.visit(None, "GET", "/log", query_string={"q": asked}).text
        assert page.count('<td data-label="No."') == 1, asked
        assert f"/log/proof/{digest}" in page
        assert ">Rhein Datenpark</span>" in page
    for asked in ("9" * 15, "9" * 40, "D-0000-0000", "nonsense", "z" * 50, "x" * 5000):
        with stage.rehearse():
            answer = stage.visit(None, "GET", "/log", query_string={"q": asked})
        assert answer.status_code == 200
        assert "The log has no such entry" in answer.text


def numbers(page: str) -> list[int]:
    """The numbers of the entries that a page shows."""
    return [int(each) for each in re.findall(r'data-label="No." class="number">([0-9]+)', page)]


def test_a_revoked_certificate_and_its_revocation_are_found_together_by_either(stage: Stage) -> None:
    with stage.rehearse(), stage.rehearse.transaction() as session:
        certificate = session.scalars(
            sa.select(Certificate)
            .join(CertificateRevocation, CertificateRevocation.certificate_id == Certificate.id)
            .join(LogEntry, LogEntry.digest == Certificate.digest)
        ).first()
        assert certificate is not None
        named, digest = certificate.credential_id.removeprefix("urn:uuid:"), certificate.digest
    with stage.rehearse():
        number = fmt.LogProof.parse(stage.visit(None, "GET", f"/log/proof/{digest}").data).index
        revoking = numbers(stage.visit(None, "GET", "/log", query_string={"q": named}).text)[0]
        assert revoking > number
        for asked in (named, digest, str(number), str(revoking)):
            page = stage.visit(None, "GET", "/log", query_string={"q": asked}).text
            assert numbers(page) == [revoking, number], asked
            assert f"A certificate was accepted Revoked since, in entry {revoking}" in words(page)
            assert f"A certificate was revoked It revokes entry {number}" in words(page)
        page = stage.visit(None, "GET", f"/certificates/{named}").text
        assert f'<a href="/log?q={revoking}">Entry {revoking} of the public log revokes it</a>' in page


def test_entries_are_browsed_back_to_the_first_and_forth_again(stage: Stage) -> None:
    with stage.rehearse():
        page = stage.visit(None, "GET", "/log").text
        size = fmt.Checkpoint.parse(fmt.Note.parse(stage.visit(None, "GET", "/log/checkpoint").data).text).size
        seen = numbers(page)
        assert seen == list(range(size - 1, max(size - 26, -1), -1))
        assert "Newer entries" not in page
        while older := re.search(r'href="(/log\?before=[0-9]+)">Older entries', page):
            page = stage.visit(None, "GET", older[1]).text
            seen += numbers(page)
        assert seen == list(range(size - 1, -1, -1))
        back = stage.visit(None, "GET", "/log?before=1").text
        assert numbers(back) == [0]
        assert f'href="/log?before={min(size, 26)}">Newer entries' in back
        for before in ("x", "-1", "9" * 15, "9" * 40, ""):
            assert numbers(stage.visit(None, "GET", "/log", query_string={"before": before}).text)[0] == size - 1
        assert "No entry is here" in stage.visit(None, "GET", "/log?before=0").text


def test_what_the_page_tells_programs_and_people_to_run_is_there(stage: Stage) -> None:
    with stage.rehearse():
        page = stage.visit(None, "GET", "/log").text
        tiles = re.findall(r"<li>(/log/tile/[^<]+)</li>", page)
        assert [stage.visit(None, "GET", tile).status_code for tile in tiles] == [200, 200]
        command = re.search(r"wipe-agent (monitor --log \S+/log --state \S+ --trust \S+)", words(page))
    assert command is not None
    assert parser().parse_args(command[1].split()).state == Path("log-seen")


def test_an_entry_says_what_happened_to_a_key_and_why_an_accreditation_was_issued(stage: Stage) -> None:
    with stage.rehearse():
        first = words(stage.visit(None, "GET", "/log?before=25").text)
    assert "A station was enrolled, with its key" in first
    assert "An accreditation was issued: " in first
    assert "issued or ended" not in first


@pytest.mark.parametrize(
    ("kind", "document", "says"),
    [
        ("key", '{"event":"enrolled"}', "A station was enrolled, with its key"),
        ("key", '{"event":"replaced"}', "A station's key was replaced"),
        ("key", '{"event":"revoked"}', "A station's key was retired"),
        (
            "key",
            '{"event":"revoked","compromisedSince":"2026-11-20T00:00:00Z"}',
            "A station's key was reported stolen or lost",
        ),
        ("key", '{"event":"of another kind"}', "A key was changed or revoked"),
        ("revocation", '{"type":"RevocationStatement"}', "An accreditation was revoked"),
        ("revocation", '{"type":"revocation"}', "A certificate was revoked"),
    ],
)
def test_an_entry_is_told_by_the_document_behind_it(kind: str, document: str, says: str) -> None:
    assert views.what(kind, document, None) == says


def test_a_witness_is_named_after_its_centre_and_one_whose_key_was_stolen_is_marked(stage: Stage) -> None:
    with stage.rehearse():
        with stage.rehearse.transaction() as session:
            station, centre = session.execute(
                sa.select(Station, Organisation.name).join(Organisation, Organisation.id == Station.centre_id).limit(1)
            ).one()
            newest = log.newest(session)
            assert newest is not None
            key = public_key_from_multibase(station.public_key)
            witness = str(fmt.VerifierKey.of(station.verification_method, fmt.COSIGNATURE, key))
            seen = {"size": newest.size, "line": "x", "signed_at": stage.world.now, "received_at": stage.world.now}
            session.add(LogCosignature(witness=witness, **seen))
        page = words(stage.visit(None, "GET", "/log").text)
        assert f"A station of a test centre that works with us, {centre} {station.verification_method}" in page
        assert "key stolen" not in page
        assert "Our trust file asks for none" in page
        with stage.rehearse.transaction() as session:
            rechecking.report_key(
                session, stage.world.stefan, station.id, since=stage.world.now, reason="It was stolen.",
                issuers=stage.world.issuers, centre_id=station.centre_id, now=stage.world.now,
            )  # fmt: skip
        assert f"{centre} key stolen {station.verification_method}" in words(stage.visit(None, "GET", "/log").text)


def test_what_never_changes_may_be_kept_for_ever_and_by_everybody(stage: Stage) -> None:
    things = stage.things["own"]
    kept = {
        f"/log/tile/{things['log_tile']}": FOR_EVER,
        f"/log/tile/{things['log_level']}": FOR_EVER,
        f"/log/statement/{things['log_statement']}": FOR_EVER,
        f"/log/proof/{things['log_certificate']}": "public, max-age=60",
        "/log/checkpoint": "public, max-age=1, must-revalidate",
    }
    for path, said in kept.items():
        for who in (None, "stefan"):
            with stage.rehearse():
                answer = stage.visit(who, "GET", path)
                assert answer.headers["Cache-Control"] == said
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
                again = stage.visit(who, "GET", path, headers={"If-None-Match": answer.headers["ETag"]})
                assert (again.status_code, again.data) == (304, b"")


def test_what_is_not_there_yet_or_is_no_address_of_a_log_is_404(stage: Stage) -> None:
    size = int(stage.things["own"]["log_tile"].rpartition("/")[2])
    for path in (
        f"tile/0/000.p/{size + 1}",
        "tile/0/000",
        "tile/1/000",
        "tile/9/000",
        "tile/0/001.p/1",
        "tile/0/0",
        "tile/0/000.p/0",
        "tile/entries/x001/000",
        "tile/0/000.p/1/..",
        "proof/zQm",
        "proof/zQmNMkTypfjW2gYKY6ULQknyYzPZJSGNrTHm1MEpUxWDiL7",
        "statement/" + "z" * 5000,
        "statement/zQmNMkTypfjW2gYKY6ULQknyYzPZJSGNrTHm1MEpUxWDiL7",
    ):
        with stage.rehearse():
            assert stage.visit(None, "GET", f"/log/{path}").status_code == 404, path
