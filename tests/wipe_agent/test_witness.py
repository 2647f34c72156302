"""A witness signs that a log only grew, and nothing else: over HTTP for others, and at a visit for itself."""

from __future__ import annotations

import gzip
import http.client
import io
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.wipe_agent.operator import ORIGIN, Operator, Tree, Witnessing
from tests.wipe_agent.support import PASSPHRASE, ROOT
from wipe_agent import cli, durable, screen
from wipe_agent.certificate import canonical, log
from wipe_agent.errors import BadAnswer, BadUsage, LogMisbehaves, MarketUnreachable, NotEnrolled, StateUnusable
from wipe_agent.witness import LogSite, Memory, Witness, server, visit

AT = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENTRIES = [f"entry {number}".encode() for number in range(600)]


@pytest.fixture
def operator() -> Iterator[Operator]:
    with Operator(ENTRIES[:5]) as running:
        yield running


@pytest.fixture
def witness(tmp_path: Path, operator: Operator) -> Witness:
    key = Ed25519PrivateKey.generate()
    return Witness("witness.example/one", key, Memory(tmp_path / "seen"), {ORIGIN: operator.vkey})


def request(operator: Operator, old: int, size: int | None = None) -> bytes:
    return bytes(log.Submission(old, operator.tree.growth(old, size), operator.sign(size)))


def size_seen(witness: Witness) -> int | None:
    latest = witness.memory.latest(ORIGIN)
    return latest[0].size if latest else None


# ---------------------------------------------------------------------------- what is cosigned, and what is not


def test_a_log_that_grows_is_cosigned_step_by_step(operator: Operator, witness: Witness) -> None:
    for old, size in ((0, 5), (5, 5), (5, 6), (6, 300), (300, 600)):
        operator.show(ENTRIES[:size])
        added = witness.add(request(operator, old), at=AT)
        assert added.status == 200
        note = log.Note.parse(operator.note + added.body)
        seen = log.open_checkpoint(bytes(note), operator.vkey, [witness.vkey])
        assert seen.witnesses == {witness.vkey: AT}
        assert size_seen(witness) == size


def test_the_statuses_are_those_of_the_protocol_and_nothing_is_remembered(operator: Operator, witness: Witness) -> None:
    assert witness.add(request(operator, 0), at=AT).status == 200
    before = (witness.memory.latest(ORIGIN), sorted(path.name for path in witness.memory.folder.iterdir()))
    operator.show(ENTRIES[:8])
    good = request(operator, 5)
    stranger = bytes(Tree(ENTRIES[:8]).checkpoint().signed(Ed25519PrivateKey.generate()))
    other = bytes(log.Checkpoint("other.example/log", 0, log.EMPTY_ROOT).signed(operator.key))
    flipped = good.replace(good.split(b"\n")[1], b"A" * 43 + b"=", 1)
    cases = {
        "not a request": (b"hello", 400),
        "too large": (good + b" " * 70_000, 400),
        "old size beyond the checkpoint": (good.replace(b"old 5", b"old 9"), 400),
        "leading zero": (good.replace(b"old 5", b"old 05"), 400),
        "a log that the witness does not know": (bytes(log.Submission(0, (), other)), 404),
        "another key's signature": (bytes(log.Submission(5, (), stranger)), 403),
        "another old size": (request(operator, 4), 409),
        "as if never seen": (request(operator, 0), 409),
        "a proof with a wrong hash": (flipped, 422),
        "no proof": (bytes(log.Submission(5, (), operator.note)), 422),
    }
    for case, (data, status) in cases.items():
        added = witness.add(data, at=AT)
        assert (case, added.status) == (case, status)
        assert "—".encode() not in added.body
        if status == 409:
            assert (added.body, added.kind) == (b"5\n", "text/x.tlog.size")
    assert witness.memory.latest(ORIGIN) == before[0]
    kept = sorted(path.name for path in witness.memory.folder.iterdir() if path.name != "evidence")
    assert kept == before[1]
    assert witness.add(good, at=AT).status == 200


def test_a_first_look_takes_no_proof(operator: Operator, witness: Witness) -> None:
    assert witness.add(bytes(log.Submission(0, (log.EMPTY_ROOT,), operator.note)), at=AT).status == 422
    assert size_seen(witness) is None
    assert not (witness.memory.folder / "evidence").exists()


def test_an_empty_log_may_be_cosigned_and_then_grow(operator: Operator, witness: Witness) -> None:
    operator.show([])
    assert witness.add(request(operator, 0), at=AT).status == 200
    operator.show(ENTRIES[:3])
    assert witness.add(request(operator, 0), at=AT).status == 200
    assert size_seen(witness) == 3


def test_two_trees_of_one_size_are_never_both_cosigned_and_both_are_kept(operator: Operator, witness: Witness) -> None:
    witness.add(request(operator, 0), at=AT)
    honest = operator.note
    forged = operator.show([*ENTRIES[:4], b"another"])
    for old in (5, 0, 3):
        added = witness.add(bytes(log.Submission(old, (), forged)), at=AT)
        assert (added.status, added.body) == (409, b"5\n")
        assert added.why == "There are two different logs of 5 entries."
        assert added.evidence is not None
        assert (added.evidence / "seen.checkpoint").read_bytes() == honest
        assert (added.evidence / "shown.checkpoint").read_bytes() == forged
    assert len(list((witness.memory.folder / "evidence").iterdir())) == 1


def test_evidence_does_not_fill_the_disk(operator: Operator, witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wipe_agent.witness.memory.MOST_KEPT", 3)
    witness.add(request(operator, 0), at=AT)
    for number in range(6):
        forged = operator.show([*ENTRIES[:4], b"forged %d" % number])
        assert witness.add(bytes(log.Submission(5, (), forged)), at=AT).evidence is not None
    assert len(list((witness.memory.folder / "evidence").iterdir())) == 3


def test_of_two_submissions_at_once_one_waits_and_the_log_is_never_rolled_back(
    operator: Operator, witness: Witness
) -> None:
    """The race that the protocol warns of: a slow small one must not overwrite a fast large one."""
    witness.add(request(operator, 0), at=AT)
    operator.show(ENTRIES[:40])
    requests = [request(operator, 5, size) for size in range(6, 41)]
    answers: list[int] = []

    def ask(data: bytes) -> None:
        answers.append(witness.add(data, at=AT).status)

    threads = [threading.Thread(target=ask, args=(data,)) for data in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, *[409] * 34]


def test_nothing_is_signed_that_is_not_on_the_disk(
    operator: Operator, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    witness.add(request(operator, 0), at=AT)
    operator.show(ENTRIES[:9])

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(durable, "write_file", full)
        with pytest.raises(OSError, match="No space left"):
            witness.add(request(operator, 5), at=AT)
    assert size_seen(witness) == 5
    assert witness.add(request(operator, 5), at=AT).status == 200


@pytest.mark.parametrize(
    "data", [b"", b"nonsense", b"other.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n"]
)
def test_a_memory_that_cannot_be_read_is_not_taken_for_an_empty_one(
    operator: Operator, witness: Witness, data: bytes
) -> None:
    witness.add(request(operator, 0), at=AT)
    (place,) = witness.memory.folder.glob("*.checkpoint")
    place.write_bytes(data)
    with pytest.raises(StateUnusable, match="cannot be read"):
        witness.add(request(operator, 0), at=AT)
    other = log.Checkpoint("other.example", 0, log.EMPTY_ROOT).signed(operator.key)
    place.write_bytes(bytes(other))
    with pytest.raises(StateUnusable, match="of another log"):
        witness.add(request(operator, 0), at=AT)


# ---------------------------------------------------------------------------- over HTTP


@pytest.fixture
def answering(witness: Witness) -> Iterator[server.WitnessServer]:
    with server.WitnessServer(witness, ("127.0.0.1", 0), now=lambda: AT) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def post(running: server.WitnessServer, data: bytes, **headers: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(*running.server_address[:2], timeout=10)  # type: ignore[arg-type]
    connection.request("POST", "/add-checkpoint", data, headers)
    answer = connection.getresponse()
    found = answer.status, answer.headers["Content-Type"], answer.read()
    connection.close()
    return found


def test_the_witness_answers_over_http(operator: Operator, witness: Witness, answering: server.WitnessServer) -> None:
    status, kind, body = post(answering, request(operator, 0))
    assert (status, kind) == (200, "text/plain; charset=utf-8")
    assert body.decode().startswith(f"— {witness.name} ")
    assert log.cosigned_at(log.Note.parse(operator.note + body), witness.vkey) == AT
    assert post(answering, request(operator, 0)) == (409, "text/x.tlog.size", b"5\n")
    with urllib.request.urlopen(answering.url + "/") as answer:
        said = answer.read().decode()
    assert str(witness.vkey) in said
    assert f"Log {ORIGIN}: 5 entries seen" in said


class Trickle:
    """A connection over which one byte comes every nine seconds, by a clock of its own."""

    def __init__(self) -> None:
        self.passed, self.patience = 0.0, [0.0]

    def settimeout(self, seconds: float) -> None:
        self.patience.append(seconds)

    def recv_into(self, buffer: bytearray) -> int:
        self.passed += min(9.0, self.patience[-1])
        buffer[:1] = b"x"
        return 1


def test_a_caller_that_says_a_little_now_and_then_is_turned_away_after_a_minute() -> None:
    slow = Trickle()
    said = server.Bounded(slow, lambda: slow.passed)  # type: ignore[arg-type]
    with pytest.raises(TimeoutError, match="stayed for too long"):
        io.BufferedReader(said).read(100)
    assert slow.passed == server.SECONDS_TO_STAY
    assert slow.patience[1:] == [10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 6.0]


def test_one_connection_carries_many_submissions(operator: Operator, answering: server.WitnessServer) -> None:
    connection = http.client.HTTPConnection(*answering.server_address[:2], timeout=10)  # type: ignore[arg-type]
    for old, size in ((0, 5), (5, 9), (9, 12)):
        operator.show(ENTRIES[:size])
        connection.request("POST", "/add-checkpoint", request(operator, old))
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def test_what_is_no_bounded_request_is_refused_before_it_is_read(
    witness: Witness, answering: server.WitnessServer
) -> None:
    def say(text: bytes) -> bytes:
        with socket.create_connection(answering.server_address[:2], timeout=10) as line:  # type: ignore[arg-type]
            line.sendall(text)
            return line.recv(4096).split(b"\r\n")[0]

    post_to = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\n"
    assert b" 413 " in say(post_to + b"Content-Length: 65537\r\n\r\n")
    assert b" 413 " in say(post_to + b"Content-Length: 99999999999999999999\r\n\r\n")
    assert b" 411 " in say(post_to + b"\r\n")
    assert b" 411 " in say(post_to + b"Content-Length: -1\r\n\r\n")
    assert b" 411 " in say(post_to + "Content-Length: ٣\r\n\r\n".encode())
    assert b" 411 " in say(post_to + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert b" 404 " in say(b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert b" 404 " in say(b"GET /add-checkpoint HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b" 501 " in say(b"PUT /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    assert size_seen(witness) is None


def test_a_caller_too_many_is_turned_away_and_the_others_are_served(
    operator: Operator, answering: server.WitnessServer
) -> None:
    silent = [
        socket.create_connection(answering.server_address[:2], timeout=10)  # type: ignore[arg-type]
        for _ in range(server.MOST_AT_ONCE)
    ]
    with socket.create_connection(answering.server_address[:2], timeout=10) as line:  # type: ignore[arg-type]
        assert line.recv(1) == b""
    for one in silent:
        one.close()
    for _ in range(100):
        try:
            assert post(answering, request(operator, 0))[0] == 200
            return
        except (ConnectionError, http.client.HTTPException):
            continue
    pytest.fail("The witness did not serve again.")


# ---------------------------------------------------------------------------- visiting a log, as each station does


def test_a_visit_proves_growth_from_the_logs_tiles(operator: Operator, witness: Witness) -> None:
    before = 0
    for size in (5, 6, 256, 257, 600):
        operator.show(ENTRIES[:size])
        seen = visit(witness, operator.site, at=AT)
        assert (seen.before, seen.checkpoint.size) == (before, size)
        assert log.open_checkpoint(bytes(seen.note), operator.vkey, [witness.vkey]).witnesses == {witness.vkey: AT}
        before = size
    assert "tile/0/000" in operator.asked


def test_a_visit_reads_packed_files_and_full_tiles_where_partial_ones_are_gone(
    operator: Operator, witness: Witness
) -> None:
    visit(witness, operator.site, at=AT)
    operator.packed = True
    operator.show(ENTRIES[:600])
    operator.note = operator.sign(250)
    operator.files["tile/0/000.p/250"] = None
    assert visit(witness, operator.site, at=AT).checkpoint.size == 250


def test_a_split_view_is_seen_at_the_next_visit_and_said_with_both_checkpoints(
    operator: Operator, witness: Witness
) -> None:
    seen = visit(witness, operator.site, at=AT)
    shown = operator.show([*ENTRIES[:3], b"another", *ENTRIES[4:9]])
    with pytest.raises(LogMisbehaves, match="log of 9 entries does not begin with the log of 5") as caught:
        visit(witness, operator.site, at=AT)
    (place,) = (witness.memory.folder / "evidence").iterdir()
    assert str(place) in caught.value.message
    assert (place / "shown.checkpoint").read_bytes() == shown
    kept = log.open_checkpoint((place / "seen.checkpoint").read_bytes(), operator.vkey)
    assert kept.checkpoint == seen.checkpoint
    assert "does not begin" in (place / "why.txt").read_text()
    assert size_seen(witness) == 5


def test_a_log_that_was_rolled_back_is_seen_and_said(operator: Operator, witness: Witness) -> None:
    visit(witness, operator.site, at=AT)
    operator.show(ENTRIES[:4])
    with pytest.raises(LogMisbehaves, match="had 5 entries when it was last seen and now shows 4: it was rolled back"):
        visit(witness, operator.site, at=AT)
    assert size_seen(witness) == 5


def test_a_log_that_rolled_back_and_grew_over_it_is_seen_too(operator: Operator, witness: Witness) -> None:
    visit(witness, operator.site, at=AT)
    operator.show([*ENTRIES[:4], *ENTRIES[5:12]])
    with pytest.raises(LogMisbehaves, match="does not begin with the log of 5"):
        visit(witness, operator.site, at=AT)


def test_an_answer_that_is_no_logs_is_no_accusation(operator: Operator, witness: Witness) -> None:
    visit(witness, operator.site, at=AT)
    operator.show(ENTRIES[:9])
    honest = operator.note
    signed_by_stranger = bytes(operator.tree.checkpoint().signed(Ed25519PrivateKey.generate()))
    other = bytes(log.Checkpoint("other.example/log", 0, log.EMPTY_ROOT).signed(operator.key))
    for answer, problem in (
        (b"<html>", "not to be used"),
        (signed_by_stranger, "did not sign it"),
        (other, "none that the trust file names"),
        (honest + b"x" * 70_000, "more than 65536 bytes"),
        (None, "There is no log at"),
    ):
        operator.files["checkpoint"] = answer
        with pytest.raises(BadAnswer, match=problem):
            visit(witness, operator.site, at=AT)
    operator.files = {"tile/0/000.p/9": b"short"}
    with pytest.raises(BadAnswer, match="5 bytes instead of 288"):
        visit(witness, operator.site, at=AT)
    operator.files = {"tile/0/000.p/9": None}
    with pytest.raises(BadAnswer, match=r"no log at .* tile/0/000"):
        visit(witness, operator.site, at=AT)
    assert not (witness.memory.folder / "evidence").exists()
    assert size_seen(witness) == 5


def test_an_answer_that_breaks_off_or_unpacks_without_end_is_not_used(operator: Operator) -> None:
    operator.cut = True
    with pytest.raises(MarketUnreachable, match="broke off in the middle"):
        operator.site.checkpoint()
    operator.cut = False
    packed = gzip.compress(operator.note)
    for packing, data, problem in (
        ("gzip", gzip.compress(bytes(50_000_000)), "more than 65536 bytes"),
        ("gzip", packed[:-1], "does not end where it should"),
        ("gzip", packed + packed, "does not end where it should"),
        ("gzip", operator.note, "cannot be unpacked"),
        ("br", operator.note, "packing that was not asked for"),
    ):
        operator.packing = (packing, data)
        with pytest.raises(BadAnswer, match=problem):
            operator.site.checkpoint()
    operator.packing = ("gzip", packed)
    assert operator.site.checkpoint() == operator.note


def test_a_log_that_does_not_answer_is_said_so(witness: Witness) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with pytest.raises(MarketUnreachable, match="gives no answer"):
        visit(witness, LogSite.at(f"http://127.0.0.1:{port}/log"), at=AT)
    for address in ("ftp://log.example", "file:///etc/passwd", "log.example", "https://log.example/?x"):
        with pytest.raises(BadUsage, match="not the address of a log"):
            LogSite.at(address)


# ---------------------------------------------------------------------------- the program


def trust_file(place: Path, operator: Operator, *witnesses: Witnessing, needed: int = 0) -> Path:
    document = {
        "type": "WipeTrust",
        "version": 1,
        "training": True,
        "updated": "2026-11-21T10:00:00Z",
        "parties": [],
        "logs": [{"origin": ORIGIN, "vkey": str(operator.vkey), "name": "The market's log"}],
        "witnesses": [{"vkey": str(one.vkey), "name": one.name} for one in witnesses],
        "witnessesNeeded": needed,
    }
    place.write_bytes(canonical(document))
    return place


def run(*words: str) -> Any:
    """A command of the agent in this process: what it found, what it says, its exit code."""
    chosen = cli.parser().parse_args(words)
    return chosen.run(chosen, screen.Terminal(quiet=True))


def test_a_station_is_not_also_a_witness_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIPE_AGENT_HOME", str(tmp_path))
    tmp_path.chmod(0o700)
    (tmp_path / "station.json").write_text("{}")
    with pytest.raises(BadUsage, match="This state folder is a station's"):
        run("witness", "--make-key", "witness.example/one")
    assert not (tmp_path / "witness.json").exists()


def test_the_witness_program_makes_its_key_answers_and_ends_when_told(
    tmp_path: Path, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, trust = tmp_path / "home", trust_file(tmp_path / "trust.json", operator)
    monkeypatch.setenv("WIPE_AGENT_HOME", str(home))
    monkeypatch.setenv("WIPE_AGENT_PASSPHRASE", PASSPHRASE)
    with pytest.raises(NotEnrolled, match="no key yet"):
        run("witness", "--trust", str(trust))
    made, _, code = run("witness", "--make-key", "witness.example/one")
    assert (code, made["name"]) == (0, "witness.example/one")
    assert run("witness", "--make-key", "witness.example/one")[0] == made
    with pytest.raises(BadUsage, match=r"is the witness witness.example.one already"):
        run("witness", "--make-key", "witness.example/two")
    with pytest.raises(BadUsage, match="no address to listen at"):
        run("witness", "--trust", str(trust), "--listen", "8181")
    with pytest.raises(BadUsage, match="There is no trust file"):
        run("witness")
    vkey = log.VerifierKey.parse(made["vkey"])
    running = subprocess.Popen(
        [sys.executable, "-m", "wipe_agent", "witness", "--trust", str(trust), "--listen", "127.0.0.1:0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout is not None
        said = running.stdout.readline()
        address = next(word for word in said.split() if word.startswith("http://")).rstrip(".")
        with urllib.request.urlopen(f"{address}/add-checkpoint", request(operator, 0), timeout=20) as answer:
            line = answer.read()
        assert log.cosigned_at(log.Note.parse(operator.note + line), vkey) is not None
    finally:
        running.terminate()
        out, err = running.communicate(timeout=20)
    assert running.returncode == 0
    assert out == "Stopped.\n"
    assert f"Cosigned 5 entries of {ORIGIN}." in err
    assert PASSPHRASE not in said + out + err
