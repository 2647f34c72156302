"""The log as programs read it: exact bytes, kept for ever where they never change, and the same for everybody."""

from __future__ import annotations

import json

from ewaste.certificates.models import Certificate
from ewaste.devices.models import Device
from tests.web.stage import Stage
from wipe_agent.certificate import canonical, digest_multibase
from wipe_agent.certificate import log as fmt

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
